//! What `alertable explore --liveness` says of schedules without an end.

use super::Status;
use super::explore::{behaviour_options, quoted};
use super::output::{self, BAD, DIM, GOOD, UNSURE, counted, say, styled, wrapped};
use super::run::shortened;
use alertable::describe::{picks, schedule_names};
use alertable::engine::liveness::{Lasso, Liveness};
use alertable::liveness::{endless_model, has_no_end, liveness_of};
use alertable_models::ids::ThreadId;
use alertable_models::machine::{Model, Time, Transition};
use alertable_traces::scenario::Scenario;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What goes on for ever in a scenario.
pub(super) struct Endless {
    /// The model that it was looked for in.
    model: Model,
    found: Liveness<Transition>,
    /// For each thread without an end, whether its program says so.
    meant: Vec<bool>,
}

impl Endless {
    pub(super) fn new(
        scenario: &Scenario,
        model: &Model,
        state_count_max: u64,
        interrupt: &AtomicBool,
    ) -> Self {
        let model = endless_model(model);
        let state_count_max = usize::try_from(state_count_max).unwrap_or(usize::MAX);
        let found = liveness_of(&model, state_count_max, interrupt);
        let is_meant =
            |thread| has_no_end(scenario, model.program.thread_name(ThreadId::from_index(thread)));
        let meant = found.endless.iter().map(|endless| is_meant(endless.thread)).collect();
        Endless { model, found, meant }
    }

    /// Good if every thread that begins ends, or is not meant to.
    pub(super) fn status(&self) -> Status {
        let Liveness { livelocks, starvations, .. } = &self.found;
        let is_bad = !livelocks.is_empty() || !starvations.is_empty();
        if is_bad || self.meant.contains(&false) {
            Status::Finding
        } else if self.found.is_complete {
            Status::Good
        } else {
            Status::Undecided
        }
    }

    fn name(&self, thread: usize) -> &str {
        self.model.program.thread_name(ThreadId::from_index(thread))
    }

    fn names(&self, threads: &[usize]) -> Vec<&str> {
        threads.iter().map(|thread| self.name(*thread)).collect()
    }

    /// Prints it, for the scenario of a file.
    pub(super) fn print(&self, path: &Path) {
        let Liveness { livelocks, starvations, endless, state_count, .. } = &self.found;
        let states = counted(*state_count as u64, "state");
        let scope = match (self.found.is_complete, self.found.was_interrupted) {
            (true, _) => "every fair schedule",
            (false, true) => "interrupted",
            (false, false) => "stopped at the limit",
        };
        let word = match self.status() {
            Status::Good => styled(GOOD, "nothing goes wrong for ever"),
            Status::Undecided => styled(UNSURE, "undecided"),
            Status::Finding | Status::BadInput => styled(BAD, "not every thread ends"),
        };
        let time = if self.model.settings.time == Time::Free { " in free time" } else { "" };
        say!("  {word}  {}", styled(DIM, format_args!("{scope}{time}: {states}")));
        for livelock in livelocks {
            let [busy, waiting] =
                [&livelock.busy, &livelock.waiting].map(|threads| self.names(threads).join(", "));
            let all = livelock.busy.len() + livelock.waiting.len();
            let though = if all == 1 { "though it could" } else { "though they could" };
            let text = match (&busy[..], &waiting[..]) {
                ("", waiting) => format!("{waiting} can wait for ever and not end, {though}"),
                (busy, "") => format!("{busy} can go on for ever and not end, {though}"),
                (busy, waiting) => format!(
                    "{busy} can go on for ever and not end, while {waiting} can only wait, {though}"
                ),
            };
            self.tell(path, "livelock", &text, &livelock.lasso);
        }
        for starvation in starvations {
            let name = self.name(starvation.thread);
            let text = format!("{name} is able to go on again and again, and never does");
            self.tell(path, "starvation", &text, &starvation.lasso);
        }
        for (endless, meant) in endless.iter().zip(&self.meant) {
            let name = self.name(endless.thread);
            let when = match endless.from_step {
                _ if endless.is_certain => "has no end in any schedule".to_owned(),
                0 => "can never end".to_owned(),
                step => format!("can never end from step {step} on"),
            };
            if *meant {
                let text = format!("no end: {name} {when}, as its program says");
                say!("{}", styled(DIM, wrapped(&text, 4)));
            } else {
                self.tell(path, "no end", &format!("{name} {when}"), &endless.lasso);
            }
        }
    }

    /// One finding, its lasso, and how to see it.
    fn tell(&self, path: &Path, kind: &str, text: &str, lasso: &Lasso<Transition>) {
        let names =
            |schedule: &[Transition]| shortened(&schedule_names(&self.model.program, schedule));
        say!("    {}: {text}", styled(BAD, kind));
        if !lasso.stem.is_empty() {
            say!("{}", wrapped(&format!("by: {}", names(&lasso.stem)), 6));
        }
        let then = match &lasso.cycle[..] {
            [] => "then nothing can happen any more".to_owned(),
            cycle => format!("then again and again: {}", names(cycle)),
        };
        say!("{}", wrapped(&then, 6));
        let once = [&lasso.stem[..], &lasso.cycle[..]].concat();
        let picks: Vec<String> = picks(&self.model, &once).iter().map(usize::to_string).collect();
        let picks = if picks.is_empty() { "0".to_owned() } else { picks.join(",") };
        let mut command = vec![format!("alertable run {} --schedule {picks}", quoted(path))];
        command.extend(behaviour_options(&self.model));
        if !lasso.cycle.is_empty() {
            command.push(format!("--limit-steps {}", once.len()));
        }
        output::verbatim(format_args!("      {}", styled(DIM, command.join(" "))));
    }

    pub(super) fn json(&self) -> Value {
        let Liveness { livelocks, starvations, endless, state_count, is_complete, .. } =
            &self.found;
        json!({
            "complete": is_complete,
            "states": state_count,
            "livelocks": livelocks.iter().map(|livelock| json!({
                "threads": self.names(&livelock.busy),
                "waiting": self.names(&livelock.waiting),
                "lasso": self.lasso_json(&livelock.lasso),
            })).collect::<Vec<_>>(),
            "starvations": starvations.iter().map(|starvation| json!({
                "thread": self.name(starvation.thread),
                "lasso": self.lasso_json(&starvation.lasso),
            })).collect::<Vec<_>>(),
            "endless": endless.iter().zip(&self.meant).map(|(endless, meant)| json!({
                "thread": self.name(endless.thread),
                "from_step": endless.from_step,
                "certain": endless.is_certain,
                "expected": meant,
                "lasso": self.lasso_json(&endless.lasso),
            })).collect::<Vec<_>>(),
        })
    }

    fn lasso_json(&self, lasso: &Lasso<Transition>) -> Value {
        let names = |schedule: &[Transition]| schedule_names(&self.model.program, schedule);
        json!({
            "stem": names(&lasso.stem),
            "cycle": names(&lasso.cycle),
            "picks": picks(&self.model, &[&lasso.stem[..], &lasso.cycle[..]].concat()),
        })
    }
}

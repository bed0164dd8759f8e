//! `alertable explore`.

use super::executions::Counted;
use super::input::{self, BehaviourArguments, LimitArguments, ReductionArguments};
use super::keeping::{Keeper, KeepingArguments, about};
use super::liveness::Endless;
use super::output::{self, BAD, DIM, GOOD, STRONG, UNSURE, counted, say, styled, wrapped};
use super::progress::{Watch, rounded, watched};
use super::run::{print_outcome, shortened};
use super::save::{self, SaveFolder, Saved};
use super::witness::{self, Witness};
use super::{Failure, Status};
use alertable::describe::{picks, schedule_names};
use alertable::engine::STEP_COUNT_MAX;
use alertable::engine::explore::{Control, Limits, Stop};
use alertable::engine::visited::collision_chance;
use alertable::exploration::{Course, Exploration, Verdict, explore_model_from};
use alertable::graph::state_graph_dot;
use alertable::minimise::keepsakes;
use alertable::rounds::Round;
use alertable_models::deviation::{DIALECTS, Deviations};
use alertable_models::machine::{Model, Time, Transition};
use alertable_traces::pattern::Pattern;
use alertable_traces::scenario::Scenario;
use serde_json::json;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The scenarios
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    behaviour: BehaviourArguments,
    #[command(flatten)]
    limits: LimitArguments,
    /// Follow only schedules with at most so many preemptive switches: another thread goes on
    /// though the last one could have. With 0..N, for each bound up to N, and say what each adds
    #[arg(long, value_name = "N", value_parser = switches)]
    switches: Option<Switches>,
    #[command(flatten)]
    keeping: KeepingArguments,
    /// Show on standard error how far the search is, also where that is no terminal
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    reduction: ReductionArguments,
    /// Show a shortest schedule to an outcome that matches: LABEL=RESULT, or a pattern as in a
    /// scenario's expectations
    #[arg(long, value_name = "PATTERN", value_parser = witness::pattern)]
    witness: Option<Box<Pattern>>,
    /// Look for what goes on for ever: threads that keep each other from ending, that starve, or
    /// that can never end
    #[arg(long)]
    liveness: bool,
    /// Count the executions that differ in an order that somebody can tell apart
    #[arg(long)]
    executions: bool,
    /// Write what is found as scenarios into a folder: each broken invariant, each failed
    /// expectation, each outcome, as small as it gets, with an expectation and a shortest schedule
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Write the graph of states, for Graphviz (one scenario of at most 10,000 states)
    #[arg(long, value_name = "FILE.dot")]
    graph: Option<PathBuf>,
    /// Show at most so many outcomes of each scenario
    #[arg(long, value_name = "N", default_value_t = 20)]
    outcomes: usize,
    /// One JSON document a scenario, on a line of its own, instead of text
    #[arg(long)]
    json: bool,
}

/// A scenario that was explored.
struct Explored<'a> {
    path: &'a Path,
    scenario: Scenario,
    model: Model,
    exploration: Exploration,
    /// How many states there may be, where not all were searched from.
    estimated_states: Option<u64>,
    /// The bound on switches, if there is one.
    switch_count_max: Option<u32>,
    seconds: f64,
    /// What was asked for an outcome that matches a pattern, if it was.
    witness: Option<Witness>,
    /// What goes on for ever, if that was asked for.
    endless: Option<Endless>,
    /// The executions that differ, if they were counted.
    counted: Option<Counted>,
    /// The files that were written of what was found.
    saved: Vec<Saved>,
}

/// Bounds on switches.
#[derive(Clone, Debug)]
enum Switches {
    AtMost(u32),
    Rising(RangeInclusive<u32>),
}

fn switches(text: &str) -> Result<Switches, String> {
    let number = |text: &str| {
        let wanted = "a number is wanted, as 2, or two that rise, as 0..2";
        text.parse::<u32>().map_err(|_| wanted.to_owned())
    };
    let Some((from, to)) = text.split_once("..") else {
        return number(text).map(Switches::AtMost);
    };
    let range = number(from)?..=number(to)?;
    if range.is_empty() {
        return Err(format!("there is no number in {text}"));
    }
    Ok(Switches::Rising(range))
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let control = input::interruptible();
    let mut status = Status::Good;
    let inputs = arguments
        .scenarios
        .iter()
        .map(|path| {
            let scenario = input::read_scenario(path)?;
            let model = input::model(&scenario, path, &arguments.behaviour)?;
            Ok((path.as_path(), scenario, model))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    if let (Some(path), [(_, _, model)]) = (&arguments.graph, &inputs[..]) {
        let dot = state_graph_dot(model).map_err(|error| Failure::Other(error.to_string()))?;
        alertable::file::write_whole(path, dot.as_bytes())
            .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    } else if arguments.graph.is_some() {
        return Err(Failure::Other("--graph takes one scenario".to_owned()));
    }
    let mut folder = arguments.save.as_deref().map(SaveFolder::new).transpose()?;
    let keeping = &arguments.keeping;
    if keeping.is_used() && inputs.len() > 1 {
        return Err(Failure::Other("--checkpoint and --resume take one scenario".to_owned()));
    }
    if let (true, Some(Switches::Rising(_))) = (keeping.is_used(), &arguments.switches) {
        let message = "--checkpoint and --resume take one bound on switches";
        return Err(Failure::Other(message.to_owned()));
    }
    control.estimates.at_end.store(true, Ordering::Relaxed);
    for (path, scenario, model) in inputs {
        let (explored, failure) =
            explore(arguments, &control, folder.as_mut(), (path, scenario, model))?;
        let is_answered = explored.exploration.coverage.stop.is_none();
        if let Some(endless) = &explored.endless {
            status = status.max(endless.status());
        }
        if let Some(counted) = &explored.counted {
            status = status.max(counted.status());
        }
        status = status.max(status_of(&explored.exploration));
        if let Some(witness) = &explored.witness {
            status = status.max(witness.status(&explored.exploration));
        }
        if arguments.json {
            print_json(&explored);
        } else {
            print_text(&explored, arguments.outcomes);
            if let Some(endless) = &explored.endless {
                endless.print(explored.path);
            }
            if let Some(counted) = &explored.counted {
                counted.print();
            }
            save::print_saved(&explored.saved);
        }
        if let (Some(failure), false) = (failure, is_answered) {
            return Err(failure);
        }
    }
    Ok(status)
}

/// Explores a scenario. Returns as well what is wrong if it could not be kept in the end.
fn explore<'a>(
    arguments: &Arguments,
    control: &Control,
    folder: Option<&mut SaveFolder>,
    (path, scenario, model): (&'a Path, Scenario, Model),
) -> Result<(Explored<'a>, Option<Failure>), Failure> {
    let (switch_count_max, rounds) = match &arguments.switches {
        None => (None, None),
        Some(Switches::AtMost(count)) => (Some(*count), None),
        Some(Switches::Rising(counts)) => (Some(*counts.end()), Some(counts.clone())),
    };
    let limits = Limits { switch_count_max, ..arguments.limits.limits() };
    let reduction = arguments.reduction.reduction();
    let keeping = &arguments.keeping;
    let (mut keeper, start) = Keeper::new(keeping, (&scenario, &model), reduction, &limits)?;
    let watch = Watch {
        title: &scenario.title,
        is_wanted: arguments.progress,
        halt_every: keeping.every(),
    };
    let expectations = scenario.expect.as_ref();
    let exploration = watched(control, watch, || {
        let course = Course { start, keep: Some(&mut |kept| keeper.keep(kept)), rounds };
        explore_model_from(&model, expectations, reduction, &limits, control, None, course)
    });
    let resumed = keeping.resume.as_deref().unwrap_or(Path::new(""));
    let exploration = exploration.map_err(|error| about(resumed, &error))?;
    let failure = keeper.failure();
    if !keeper.is_begun()
        && let Some(failure) = failure
    {
        return Err(failure);
    }
    let seconds = keeper.seconds();
    let estimate = control.estimates.states.load(Ordering::Relaxed);
    let estimated_states =
        (exploration.coverage.open_count > 0 && estimate > 0).then_some(estimate);
    let pattern = arguments.witness.as_ref();
    let witness = pattern.map(|pattern| Witness::of(&model, &exploration, pattern));
    let quietly = || Watch { title: &scenario.title, is_wanted: false, halt_every: None };
    let endless = arguments.liveness.then(|| {
        let states = limits.state_count_max;
        watched(control, quietly(), || Endless::new(&scenario, &model, states, &control.interrupt))
    });
    let counted = arguments
        .executions
        .then(|| watched(control, quietly(), || Counted::new(&model, &limits, control)));
    let saved = match folder {
        Some(folder) => {
            let count_max = arguments.outcomes;
            let found = watched(control, quietly(), || {
                keepsakes(&scenario, &model, &exploration, count_max, &limits, control)
            });
            folder.save(path, &found)?
        }
        None => Vec::new(),
    };
    let explored = Explored {
        path,
        scenario,
        model,
        exploration,
        estimated_states,
        switch_count_max,
        seconds,
        witness,
        endless,
        counted,
        saved,
    };
    Ok((explored, failure))
}

/// What an exploration says about its scenario.
pub(super) fn status_of(exploration: &Exploration) -> Status {
    match exploration.verdict {
        _ if exploration.findings.iter().any(|finding| !finding.expected) => Status::Finding,
        Verdict::Failed => Status::Finding,
        Verdict::Undecided => Status::Undecided,
        Verdict::Met | Verdict::None => Status::Good,
    }
}

fn print_json(explored: &Explored<'_>) {
    let Explored {
        path,
        scenario,
        model,
        exploration,
        estimated_states,
        switch_count_max,
        seconds,
        witness,
        endless,
        counted,
        saved,
    } = explored;
    let names = |schedule: &[Transition]| schedule_names(&model.program, schedule);
    let violations: Vec<_> = exploration
        .findings
        .iter()
        .map(|finding| {
            json!({
                "invariant": finding.invariant.id,
                "rules": finding.invariant.rules.iter().map(|r| r.rule().id).collect::<Vec<_>>(),
                "message": finding.message,
                "schedule": names(&finding.schedule),
                "picks": picks(model, &finding.schedule),
                "expected": finding.expected,
            })
        })
        .collect();
    let deadlocks: Vec<_> = exploration
        .deadlocks
        .iter()
        .map(|(outcome, cycle)| json!({ "outcome": outcome, "cycle": cycle }))
        .collect();
    let mut document = json!({
        "scenario": scenario.title,
        "file": path.display().to_string(),
        "complete": exploration.coverage.stop.is_none(),
        "states": exploration.coverage.state_count,
        "transitions": exploration.coverage.transition_count,
        "reduced": exploration.is_reduced,
        "outcomes": exploration.outcomes,
        "violations": violations,
        "expectations": exploration.verdict.name(),
        "failures": exploration.failures.iter().map(|f| &f.message).collect::<Vec<_>>(),
        "seconds": seconds,
        "peak_bytes": exploration.coverage.peak_bytes,
        "deadlocks": deadlocks,
        "redundant": exploration.coverage.redundant_count(),
    });
    if exploration.coverage.open_count > 0 {
        document["open"] = json!(exploration.coverage.open_count);
        document["estimated_states"] = json!(estimated_states);
    }
    if let Some(count) = switch_count_max {
        document["switches"] = json!(count);
    }
    if !exploration.rounds.is_empty() {
        let round = |round: &Round| {
            json!({
                "switches": round.switch_count_max,
                "states": round.coverage.state_count,
                "transitions": round.coverage.transition_count,
                "complete": round.coverage.stop.is_none(),
                "outcomes": round.outcomes,
                "violations": round.violations,
            })
        };
        document["rounds"] = exploration.rounds.iter().map(round).collect();
    }
    if let Some(witness) = witness {
        document["witness"] = witness.json(model);
    }
    if let Some(endless) = endless {
        document["liveness"] = endless.json();
    }
    if let Some(counted) = counted {
        document["executions"] = counted.json();
    }
    if !saved.is_empty() {
        document["saved"] = save::saved_json(saved);
    }
    output::print_json(&document);
}

fn print_text(explored: &Explored<'_>, outcome_count_max: usize) {
    print_verdict(explored);
    print_evidence(explored.path, &explored.model, &explored.exploration);
    if let Some(witness) = &explored.witness {
        witness.print(explored.path, &explored.model, &explored.exploration);
    }
    print_rounds(&explored.exploration);
    let outcomes = &explored.exploration.outcomes;
    for (index, outcome) in outcomes.iter().take(outcome_count_max).enumerate() {
        say!("  {}", styled(STRONG, format_args!("outcome {} of {}", index + 1, outcomes.len())));
        print_outcome(outcome, 4);
        let deadlocks = &explored.exploration.deadlocks;
        for (_, cycle) in deadlocks.iter().filter(|(at, _)| *at == index) {
            say!("      {}: {cycle}", styled(DIM, "deadlock"));
        }
    }
    if outcomes.len() > outcome_count_max {
        let hidden = outcomes.len() - outcome_count_max;
        say!("  … and {hidden} more: --outcomes shows as many as you want");
    }
}

/// The first lines: the verdict, and what was covered.
fn print_verdict(explored: &Explored<'_>) {
    let Explored { scenario, exploration, estimated_states, switch_count_max, seconds, .. } =
        explored;
    let word = match status_of(exploration) {
        Status::Good if exploration.verdict == Verdict::None => styled(GOOD, "explored"),
        Status::Good => styled(GOOD, "met"),
        Status::Undecided => styled(UNSURE, "undecided"),
        Status::Finding | Status::BadInput => styled(BAD, "failed"),
    };
    say!("{word}  {}", scenario.title);
    let coverage = &exploration.coverage;
    let stop = match coverage.stop {
        None if exploration.is_reduced => "every schedule, reduced".to_owned(),
        None => match switch_count_max {
            Some(count) => format!("every schedule; none has more than {}", switches_text(*count)),
            None => "every schedule".to_owned(),
        },
        Some(Stop::States) => "stopped at the limit of states".to_owned(),
        Some(Stop::Memory) => "stopped at the limit of memory".to_owned(),
        Some(Stop::Interrupted) => "interrupted".to_owned(),
        Some(Stop::Switches) => {
            let count = switch_count_max.unwrap_or_default();
            format!("every schedule with at most {}, and no other", switches_text(count))
        }
        Some(Stop::Steps) => "every schedule, but some only up to the step limit".to_owned(),
    };
    let (states, transitions) = (coverage.state_count, coverage.transition_count);
    let left = match (coverage.open_count, estimated_states) {
        (0, _) => String::new(),
        (open, Some(whole)) => {
            let whole = rounded(*whole);
            format!(" ({open} of them not searched from, and by an estimate {whole} in all)")
        }
        (open, None) => format!(" ({open} of them not searched from)"),
    };
    let known = match coverage.redundant_count() {
        0 => String::new(),
        known => format!(" ({known} to states seen before)"),
    };
    let chance = collision_chance(states);
    let chance =
        if chance < 1e-9 { String::new() } else { format!(", chance of a miss {chance:.0e}") };
    let text = format!(
        "{stop}: {}{left}, {}{known}, {}, {seconds:.3} s{chance}",
        counted(states, "state"),
        counted(transitions, "transition"),
        counted(exploration.outcomes.len() as u64, "outcome"),
    );
    say!("{}", styled(DIM, wrapped(&text, 2)));
}

/// What each bound on switches adds.
fn print_rounds(exploration: &Exploration) {
    for round in &exploration.rounds {
        let Round { switch_count_max, coverage, outcomes, violations } = round;
        let bound = switches_text(*switch_count_max);
        let states = counted(coverage.state_count, "state");
        let numbers: Vec<String> =
            outcomes.iter().map(|outcome| (outcome + 1).to_string()).collect();
        let outcomes = match &numbers[..] {
            [] => "no new outcome".to_owned(),
            [one] => format!("outcome {one} is new"),
            _ => format!("outcomes {} are new", shortened(&numbers).replace(';', ",")),
        };
        let broken = violations.iter().map(|id| format!(", {id} is broken"));
        let text = outcomes + &broken.collect::<String>();
        say!("{}", wrapped(&format!("at most {bound}: {states}, {text}"), 2));
    }
}

fn switches_text(count: u32) -> String {
    if count == 1 { "1 switch".to_owned() } else { format!("{count} switches") }
}

/// What is wrong: the shortest evidence, then how to see it happen.
pub(super) fn print_evidence(path: &Path, model: &Model, exploration: &Exploration) {
    for finding in &exploration.findings {
        let id = finding.invariant.id;
        if finding.expected {
            let text = format!("{id}, as expected: {}", finding.message);
            say!("{}", styled(DIM, wrapped(&text, 2)));
            continue;
        }
        say!("  {} {}", styled(BAD, id), finding.message);
        let rules: Vec<&str> = finding.invariant.rules.iter().map(|r| r.rule().id).collect();
        say!("{}", wrapped(&format!("{} ({})", finding.invariant.statement, rules.join(", ")), 4));
        print_schedule(path, model, &finding.schedule);
    }
    for failure in &exploration.failures {
        say!("{}", styled(BAD, wrapped(&failure.message, 2)));
        if let Some(schedule) = &failure.schedule {
            print_schedule(path, model, schedule);
        }
    }
}

pub(super) fn print_schedule(path: &Path, model: &Model, schedule: &[Transition]) {
    let names = schedule_names(&model.program, schedule);
    say!("{}", wrapped(&format!("by: {}", shortened(&names)), 4));
    let picks: Vec<String> = picks(model, schedule).iter().map(usize::to_string).collect();
    let picks = if picks.is_empty() { "0".to_owned() } else { picks.join(",") };
    let mut command = vec![format!("alertable run {} --schedule {picks}", quoted(path))];
    command.extend(behaviour_options(model));
    if schedule.len() >= STEP_COUNT_MAX as usize {
        command.push(format!("--limit-steps {}", schedule.len() + 1));
    }
    let command = command.join(" ");
    output::verbatim(format_args!("    {}", styled(DIM, command)));
}

/// The options that make a run behave as a model does.
pub(super) fn behaviour_options(model: &Model) -> Vec<String> {
    let mut options = match model.settings.time {
        Time::Urgent => Vec::new(),
        Time::Free => vec!["--time free".to_owned()],
    };
    let mut left = model.settings.deviations;
    for dialect in DIALECTS {
        let is_all_in = dialect.deviations.iter().all(|deviation| left.contains(deviation));
        if is_all_in && !dialect.deviations.is_empty() {
            options.push(format!("--dialect {}", dialect.name));
            left = dialect.deviations.iter().fold(left, Deviations::without);
        }
    }
    options.extend(left.iter().map(|deviation| format!("--deviation {}", deviation.entry().id)));
    options
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

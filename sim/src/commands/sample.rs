//! `alertable run --runs`: many random runs.

use super::explore::print_schedule;
use super::input;
use super::output::{self, BAD, DIM, GOOD, STRONG, counted, say, styled, wrapped};
use super::run::print_outcome;
use super::{Failure, Status};
use alertable::describe::{picks, schedule_names};
use alertable::sampling::{Met, Sampling, SamplingOptions, Walk, sample_model};
use alertable_models::machine::Model;
use alertable_traces::expectation::Expectations;
use alertable_traces::scenario::Scenario;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// The most outcomes that are shown to people.
const OUTCOMES_SHOWN: usize = 20;

/// The runs of a scenario.
struct Sampled<'a> {
    path: &'a Path,
    scenario: &'a Scenario,
    model: &'a Model,
    options: &'a SamplingOptions,
    sampling: Sampling,
    seconds: f64,
}

pub(super) fn sample(
    path: &Path,
    (scenario, model): (&Scenario, &Model),
    options: &SamplingOptions,
    json: bool,
) -> Result<Status, Failure> {
    if options.depths.is_empty() || *options.depths.start() == 0 {
        return Err(Failure::Other(
            "--depth takes a number from 1 on, or two that rise".to_owned(),
        ));
    }
    let control = input::interruptible();
    let start = Instant::now();
    let sampling = sample_model(model, options, &control);
    let seconds = start.elapsed().as_secs_f64();
    let sampled = Sampled { path, scenario, model, options, sampling, seconds };
    let status = sampled.status();
    if json {
        output::print_json(&sampled.document());
    } else {
        sampled.print(status);
    }
    Ok(status)
}

impl Sampled<'_> {
    fn failures(&self) -> Vec<(String, &Met)> {
        let expectations = self.scenario.expect.as_ref();
        expectations.map(|expected| self.sampling.failures(expected)).unwrap_or_default()
    }

    fn is_expected(&self, invariant: &str) -> bool {
        let expects = |expected: &Expectations| expected.violates.iter().any(|id| id == invariant);
        self.scenario.expect.as_ref().is_some_and(expects)
    }

    fn status(&self) -> Status {
        let is_bad = self.sampling.findings().any(|(found, ..)| !self.is_expected(found.id));
        match () {
            () if is_bad || !self.failures().is_empty() => Status::Finding,
            () if self.sampling.was_interrupted => Status::Undecided,
            () => Status::Good,
        }
    }

    fn document(&self) -> Value {
        let met = |met: &Met| {
            json!({
                "runs": met.run_count,
                "drawn": met.drawn.to_string(),
                "schedule": schedule_names(&self.model.program, &met.schedule),
                "picks": picks(self.model, &met.schedule),
            })
        };
        let with = |mut value: Value, more: Value| {
            if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
                value.extend(more);
            }
            value
        };
        let violations = self.sampling.findings().map(|(invariant, message, first)| {
            let what = json!({ "invariant": invariant.id, "message": message,
                               "expected": self.is_expected(invariant.id) });
            with(what, met(first))
        });
        let outcomes = self
            .sampling
            .outcomes
            .iter()
            .map(|(outcome, first)| with(json!({ "outcome": outcome }), met(first)));
        let failures = self.failures();
        json!({
            "scenario": self.scenario.title,
            "file": self.path.display().to_string(),
            "policy": self.options.walk.name(),
            "seed": self.options.seed,
            "runs": self.sampling.run_count,
            "steps": self.sampling.step_count,
            "states": self.sampling.state_count,
            "outcomes": outcomes.collect::<Vec<_>>(),
            "violations": violations.collect::<Vec<_>>(),
            "failures": failures.into_iter()
                .map(|(message, first)| with(json!({ "message": message }), met(first)))
                .collect::<Vec<_>>(),
            "seconds": self.seconds,
        })
    }

    fn print(&self, status: Status) {
        let word = match status {
            Status::Finding | Status::BadInput => styled(BAD, "failed"),
            Status::Good | Status::Undecided => styled(GOOD, "sampled"),
        };
        say!("{word}  {}", self.scenario.title);
        let Sampling { run_count, step_count, state_count, outcomes, .. } = &self.sampling;
        let rate = *run_count as f64 / self.seconds.max(1e-6);
        let states = state_count.map(|count| format!(", {}", counted(count, "state")));
        let interrupted = if self.sampling.was_interrupted { "interrupted: " } else { "" };
        let text = format!(
            "{interrupted}{} ({}) from seed {} on: {}{}, {}, {:.3} s, {rate:.0} runs a second; \
             there may be more outcomes",
            counted(*run_count, "run"),
            self.drawn(),
            self.options.seed,
            counted(*step_count, "step"),
            states.unwrap_or_default(),
            counted(outcomes.len() as u64, "outcome"),
            self.seconds,
        );
        say!("{}", styled(DIM, wrapped(&text, 2)));
        for (invariant, message, met) in self.sampling.findings() {
            let style = if self.is_expected(invariant.id) { DIM } else { BAD };
            say!("  {} {message}", styled(style, invariant.id));
            self.print_met(met);
        }
        for (message, met) in self.failures() {
            say!("{}", styled(BAD, wrapped(&message, 2)));
            self.print_met(met);
        }
        for (index, (outcome, met)) in outcomes.iter().take(OUTCOMES_SHOWN).enumerate() {
            let head = format!("outcome {} of {}", index + 1, outcomes.len());
            say!("  {}, in {}", styled(STRONG, head), counted(met.run_count, "run"));
            print_outcome(outcome, 4);
        }
        if outcomes.len() > OUTCOMES_SHOWN {
            say!("  … and {} more: --json has all", outcomes.len() - OUTCOMES_SHOWN);
        }
    }

    /// How the runs are drawn.
    fn drawn(&self) -> String {
        let name = self.options.walk.name();
        let (from, to) = (self.options.depths.start(), self.options.depths.end());
        match self.options.walk {
            Walk::Pct if from == to => format!("{name}, depth {from}"),
            Walk::Pct => format!("{name}, depths from {from} to {to}"),
            _ => name.to_owned(),
        }
    }

    fn print_met(&self, met: &Met) {
        let runs = counted(met.run_count, "run");
        say!("    {}", styled(DIM, format_args!("in {runs}; the first drew: {}", met.drawn)));
        print_schedule(self.path, self.model, &met.schedule);
    }
}

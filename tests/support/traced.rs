//! Simulated runs as traces of the level `api`.

use alertable::api::{Spread, project};
use alertable::engine::policy::Uniform;
use alertable::engine::simulate::simulate;
use alertable::run::{PolicyName, RunOptions, Schedule};
use alertable::system::{StepEvents, System};
use alertable::trace::TraceSettings;
use alertable_models::deviation::{self, Deviations};
use alertable_models::machine::{Model, Settings, Time, Transition};
use alertable_models::program::compile;
use alertable_traces::scenario::Scenario;

/// A run's `api` trace.
pub(crate) fn traced(
    scenario: &Scenario,
    time: Time,
    seed: u64,
    steps: u64,
) -> (Vec<u8>, Deviations) {
    let dialect = scenario.dialect.as_deref().unwrap_or("windows");
    let deviations = deviation::dialect(dialect).unwrap().deviations;
    let processors = scenario.machine.processors.unwrap_or(2);
    let settings = Settings { deviations, processors, time };
    let model = Model { program: compile(scenario).unwrap(), settings };
    let mut transitions: Vec<Transition> = Vec::new();
    let system =
        System { model: &model, checked: false, hits: None, futures: None, symmetry: None };
    simulate(&system, &mut Uniform::new(seed), 300, |enabled, pick, _: &StepEvents| {
        transitions.push(enabled[pick]);
    });
    let schedule = Schedule::Policy { policy: PolicyName::Random, seed };
    let options = RunOptions { schedule, step_count_max: 300, with_trace: false };
    let source = TraceSettings::new(&model, &options);
    let spread = Spread { steps, seed };
    (project(&model, scenario, &source, spread, &transitions), deviations)
}

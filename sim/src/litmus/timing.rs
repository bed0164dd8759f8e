//! Virtual milliseconds on a real clock.

use super::uses::Uses;
use crate::run::{PolicyName, RunOptions, Schedule, run_model};
use alertable_models::machine::{Model, Settings};
use alertable_models::program::compile;
use alertable_traces::scenario::Scenario;

/// Two moments of a scenario that differ are to be so far apart in real milliseconds, that what
/// happens at the first is over before the second.
const GAP_MS: f64 = 20.0;

/// The same for a scenario that would take long otherwise.
const GAP_MS_MIN: f64 = 10.0;

/// How long a run may take before its moments are moved together, in real milliseconds.
const RUN_MS_WANTED: f64 = 300.0;

/// The longest that a run may take, in real milliseconds.
const RUN_MS_MAX: f64 = 10_000.0;

/// How many random runs say how long the scenario takes.
const SAMPLE_COUNT: u64 = 8;

/// How the scenario's times become real ones.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Timing {
    /// Real milliseconds for a virtual one.
    pub scale: f64,
    /// The longest, in virtual milliseconds, that nothing may happen before something does.
    pub longest_ms: u32,
    /// How long the scenario takes, in virtual milliseconds, as far as some runs tell.
    pub run_ms: u64,
    /// The scale was asked for.
    given: bool,
}

impl Timing {
    /// How long a run takes in real milliseconds.
    pub fn real_ms(&self) -> f64 {
        self.run_ms as f64 * self.scale
    }

    /// Why it takes too long, unless somebody wanted it so.
    pub(super) fn obstacle(&self) -> Option<String> {
        let seconds = self.real_ms() / 1000.0;
        let is_too_long = self.real_ms() > RUN_MS_MAX && !self.given;
        is_too_long.then(|| format!("it takes {seconds:.0} seconds (--scale can shorten it)"))
    }
}

/// How a scenario's times become real ones, at the given scale or at one that keeps its moments
/// apart.
pub fn timing(scenario: &Scenario, scale: Option<f64>) -> Timing {
    let times = Uses::of(scenario).times_ms;
    let step = times.iter().copied().fold(0, greatest_common_divisor);
    let longest = times.iter().copied().max().unwrap_or(0);
    let run_ms = sampled_run_ms(scenario).unwrap_or_else(|| u64::from(longest));
    let chosen = if step == 0 {
        1.0
    } else {
        let [least, most] = [GAP_MS_MIN, GAP_MS].map(|gap| gap / f64::from(step));
        (RUN_MS_WANTED / (run_ms as f64).max(1.0)).clamp(least, most)
    };
    Timing {
        scale: scale.unwrap_or(chosen),
        longest_ms: longest.min(u32::try_from(run_ms).unwrap_or(u32::MAX)),
        run_ms,
        given: scale.is_some(),
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The time at the end of the longest of some random runs.
fn sampled_run_ms(scenario: &Scenario) -> Option<u64> {
    let model = Model { program: compile(scenario).ok()?, settings: Settings::default() };
    let run = |seed| {
        let schedule = Schedule::Policy { policy: PolicyName::Random, seed };
        let options = RunOptions { schedule, step_count_max: 2_000, with_trace: false };
        run_model(&model, scenario, &options).ok().map(|run| run.time_ms)
    };
    (0..SAMPLE_COUNT).filter_map(run).max()
}

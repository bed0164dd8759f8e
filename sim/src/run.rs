//! One simulated run of a scenario.

use crate::engine::Ending;
use crate::engine::policy::{Pct, Policy, RoundRobin, Uniform};
use crate::engine::simulate::simulate;
use crate::nt::Nt;
use crate::system::{StepEvents, System};
use crate::trace::{TraceSettings, Tracer};
use alertable_models::event::{Event, Observer};
use alertable_models::invariant::Violation;
use alertable_models::machine::{Machine, Model, Transition};
use alertable_models::outcome::Recorder;
use alertable_traces::outcome::Outcome;
use alertable_traces::scenario::Scenario;
use std::fmt;

/// How many times the actor that goes changes in a PCT schedule, plus one: the number of
/// ordering constraints that it finds with a known chance.
pub const PCT_DEPTH: u32 = 3;

/// The length that PCT schedules spread their changes over, in steps.
pub const PCT_STEP_COUNT: u32 = 100;

/// How a schedule is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PolicyName {
    /// Every possible step is as likely as any other.
    Random,
    /// Random priorities that change a few times.
    Pct,
    /// The threads take turns.
    RoundRobin,
    /// As the system's own scheduler decides.
    Nt,
}

impl PolicyName {
    /// Its name on the command line and in traces.
    pub fn name(self) -> &'static str {
        match self {
            PolicyName::Random => "random",
            PolicyName::Pct => "pct",
            PolicyName::RoundRobin => "round-robin",
            PolicyName::Nt => "nt",
        }
    }
}

/// Who goes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// A policy decides.
    Policy {
        /// Which one.
        policy: PolicyName,
        /// The seed of its random numbers.
        seed: u64,
    },
    /// At each step where several transitions are possible, the number of the one to take; the
    /// first one when the picks are used up.
    Picks(Vec<usize>),
}

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Who goes next.
    pub schedule: Schedule,
    /// The most steps.
    pub step_count_max: u32,
    /// Write a full trace.
    pub with_trace: bool,
}

/// What a run did.
#[derive(Debug)]
pub struct Run {
    /// What the program could know of it.
    pub outcome: Outcome,
    /// The last state.
    pub machine: Machine,
    /// How many steps it took.
    pub step_count: u32,
    /// The time at the end, in milliseconds.
    pub time_ms: u64,
    /// What happened when, in milliseconds.
    pub timeline: Vec<(u64, Event)>,
    /// The pick at each step where several transitions were possible.
    pub picks: Vec<usize>,
    /// What the last step violates.
    pub violations: Vec<Violation>,
    /// The transitions that it took.
    pub transitions: Vec<Transition>,
    /// The full trace, if it was wanted.
    pub trace: Option<Vec<u8>>,
}

/// A pick that does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchPick {
    /// Which of the picks, from 1.
    pub position: usize,
    /// The pick.
    pub pick: usize,
    /// How many transitions were possible.
    pub possible: usize,
}

impl fmt::Display for NoSuchPick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoSuchPick { position, pick, possible } = self;
        write!(
            f,
            "pick {position} of the schedule is {pick}, but only {possible} steps are possible there (0 to {})",
            possible - 1
        )
    }
}

impl std::error::Error for NoSuchPick {}

/// Runs a model once.
///
/// # Errors
/// When a given schedule picks a transition that is not there.
pub fn run_model(
    model: &Model,
    scenario: &Scenario,
    options: &RunOptions,
) -> Result<Run, NoSuchPick> {
    match &options.schedule {
        Schedule::Policy { policy: PolicyName::Random, seed } => {
            Ok(run_with(model, scenario, options, &mut Uniform::new(*seed)))
        }
        Schedule::Policy { policy: PolicyName::Pct, seed } => {
            let mut policy = Pct::new(*seed, PCT_DEPTH, PCT_STEP_COUNT);
            Ok(run_with(model, scenario, options, &mut policy))
        }
        Schedule::Policy { policy: PolicyName::RoundRobin, .. } => {
            Ok(run_with(model, scenario, options, &mut RoundRobin::default()))
        }
        Schedule::Policy { policy: PolicyName::Nt, .. } => {
            let mut policy = Nt::new(&model.program, scenario, model.settings.processors);
            Ok(run_with(model, scenario, options, &mut policy))
        }
        Schedule::Picks(picks) => {
            let mut policy = Given { picks, taken: 0, missing: None };
            let run = run_with(model, scenario, options, &mut policy);
            policy.missing.map_or(Ok(run), Err)
        }
    }
}

/// A schedule that is given pick by pick.
struct Given<'a> {
    picks: &'a [usize],
    taken: usize,
    missing: Option<NoSuchPick>,
}

impl Policy<System<'_>> for Given<'_> {
    fn pick(&mut self, _: &System<'_>, enabled: &[Transition]) -> usize {
        if enabled.len() == 1 {
            return 0;
        }
        let pick = self.picks.get(self.taken).copied().unwrap_or(0);
        self.taken += 1;
        if pick >= enabled.len() {
            let possible = enabled.len();
            let missing = NoSuchPick { position: self.taken, pick, possible };
            self.missing.get_or_insert(missing);
            return 0;
        }
        pick
    }
}

fn run_with<'a>(
    model: &'a Model,
    scenario: &Scenario,
    options: &RunOptions,
    policy: &mut impl Policy<System<'a>>,
) -> Run {
    let system = System { model, checked: true, hits: None, futures: None, symmetry: None };
    let mut recorder = Recorder::new(&model.program);
    let mut timeline = Vec::new();
    let mut picks = Vec::new();
    let mut transitions = Vec::new();
    let mut time_ms = 0;
    let settings = TraceSettings::new(model, options);
    let mut tracer =
        options.with_trace.then(|| Tracer::new(model, scenario, &settings, Vec::new()));
    let run =
        simulate(&system, policy, options.step_count_max, |enabled, pick, step: &StepEvents| {
            if enabled.len() > 1 {
                picks.push(pick);
            }
            transitions.push(enabled[pick]);
            if let Some(tracer) = &mut tracer {
                tracer.step(enabled, pick, &step.events);
            }
            for event in &step.events {
                if let Event::TimePassed { ms } = event {
                    time_ms += u64::from(*ms);
                }
                recorder.event(*event);
                timeline.push((time_ms, *event));
            }
        });
    Run {
        outcome: recorder.outcome(&run.state, run.ending == Ending::StepLimit),
        machine: run.state,
        step_count: run.step_count,
        time_ms,
        timeline,
        picks,
        transitions,
        violations: run.violations.into_iter().map(|(_, violation)| violation).collect(),
        trace: tracer.map(Tracer::finish),
    }
}

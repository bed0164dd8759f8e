//! Every schedule of a scenario: its outcomes, what breaks an invariant, its expectations.

use crate::describe::deadlock_texts;
use crate::engine::cycles::cycles;
use crate::engine::explore::{Control, Coverage, Limits, Stop, Visitor, explore};
use crate::engine::shortest::shortest;
use crate::engine::visited::fingerprint;
use crate::engine::{Ending, TransitionSystem};
use crate::exchange::{exchanged, exchanges};
use crate::system::{RuleHits, StepEvents, System};
use alertable_models::deviation::Deviations;
use alertable_models::future::Futures;
use alertable_models::ids::ThreadId;
use alertable_models::invariant::{Invariant, Violation};
use alertable_models::ke::Kernel;
use alertable_models::machine::{Machine, Model, Transition};
use alertable_models::outcome::outcome_of;
use alertable_models::symmetry::Symmetry;
use alertable_traces::expectation::{Clause, Expectations, Failure};
use alertable_traces::outcome::{End, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// The most states that the search for a shortest schedule looks at.
const SHORTEST_STATE_COUNT_MAX: u64 = 2_000_000;

/// What exploring a scenario found.
#[derive(Debug)]
pub struct Exploration {
    /// How much of the space was covered.
    pub coverage: Coverage,
    /// Schedules that come to the same as others were left out.
    pub is_reduced: bool,
    /// Every outcome, sorted.
    pub outcomes: Vec<Outcome>,
    /// Threads that wait for each other: at the end of which outcomes, and in what cycle.
    pub deadlocks: BTreeSet<(usize, String)>,
    /// For each invariant that some step breaks, one such step.
    pub findings: Vec<Finding>,
    /// Whether the expectations are met.
    pub verdict: Verdict,
    /// What is wrong with the expectations.
    pub failures: Vec<FailedExpectation>,
    /// What tells the states at rest apart that come to each outcome.
    keys: Vec<Vec<u64>>,
}

impl Exploration {
    /// A shortest schedule to an outcome, given its number among all, with the fewest switches
    /// between threads among those; none if the space is too large to search for it, or if no
    /// schedule comes to rest with it.
    pub fn schedule_to(&self, model: &Model, outcome: usize) -> Option<Vec<Transition>> {
        self.schedule_to_any(model, &[outcome])
    }

    /// As [`schedule_to`](Self::schedule_to), to any of several outcomes.
    pub fn schedule_to_any(&self, model: &Model, outcomes: &[usize]) -> Option<Vec<Transition>> {
        let system = System { model, checked: false, hits: None, futures: None, symmetry: None };
        let keys: Vec<u64> = outcomes.iter().flat_map(|at| &self.keys[*at]).copied().collect();
        shortest_to(&system, &keys)
    }
}

/// Whether a scenario's expectations are met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All of them.
    Met,
    /// At least one is not.
    Failed,
    /// There are none.
    None,
    /// Not everything was covered.
    Undecided,
}

impl Verdict {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Failed => "failed",
            Verdict::None => "none",
            Verdict::Undecided => "undecided",
        }
    }
}

/// A step that breaks an invariant.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which one.
    pub invariant: &'static Invariant,
    /// How, in one sentence.
    pub message: String,
    /// The schedule that ends with the step; a shortest one with the fewest switches between
    /// threads, unless the space is too large to search for it.
    pub schedule: Vec<Transition>,
    /// The scenario is there to break it.
    pub expected: bool,
}

/// An expectation that is not met.
#[derive(Clone, Debug)]
pub struct FailedExpectation {
    /// What is wrong, in one sentence.
    pub message: String,
    /// A shortest schedule to the outcome that is wrong, where one outcome is to blame.
    pub schedule: Option<Vec<Transition>>,
    /// The failure; none where an invariant is not broken that should be.
    pub failure: Option<Failure>,
}

/// Which schedules are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// Every one.
    None,
    /// At least one of all those that come to the same outcome, deadlock and violations, where it
    /// is known which do: persistent sets, not in programs with files, ports, pools, code in kernel
    /// mode, closed handles, or loops without an end; and one of several like states
    /// ([`Symmetry`]), not under deviations.
    Persistent,
}

/// Explores every schedule of a model within limits and compares with expectations.
///
/// `hits` collects the rules that took effect, if it is wanted; then every schedule is followed.
///
/// # Panics
/// When the search breaks a promise of its own.
pub fn explore_model(
    model: &Model,
    expectations: Option<&Expectations>,
    reduction: Reduction,
    limits: &Limits,
    control: &Control,
    hits: Option<&RuleHits>,
) -> Exploration {
    let is_reduced =
        reduction == Reduction::Persistent && hits.is_none() && !model.program.may_run_for_ever();
    let futures =
        if is_reduced { Futures::new(&model.program, model.settings.deviations) } else { None };
    let symmetry = if reduction == Reduction::Persistent && hits.is_none() {
        Symmetry::new(&model.program, model.settings.deviations)
    } else {
        None
    };
    let joins = reduction == Reduction::Persistent
        && hits.is_none()
        && model.settings.deviations == Deviations::NONE
        && model.program.has_private_requests();
    let joined = joins.then(|| Model {
        program: model.program.clone().with_joined_completions(),
        settings: model.settings.clone(),
    });
    let plain = System { model, checked: true, hits, futures: None, symmetry: None };
    let system = System {
        model: joined.as_ref().unwrap_or(model),
        futures: futures.as_ref(),
        symmetry: symmetry.as_ref(),
        ..plain
    };
    let mut visitors: Vec<Collector<'_>> =
        (1..limits.worker_count.max(1)).map(|_| Collector::new(&system)).collect();
    visitors.push(Collector::new(&system));
    let mut coverage = explore(&system, limits, control, &mut visitors);
    let mut found = visitors.into_iter().fold(Collector::new(&system), Collector::join);
    if model.program.may_run_for_ever() && matches!(coverage.stop, None | Some(Stop::Steps)) {
        let unchecked = System { checked: false, ..plain };
        cycles(&unchecked, limits.step_count_max, |state, schedule| {
            found.end(state, schedule, Ending::StepLimit);
        });
    }
    if found.met_full_stack {
        coverage.stop.get_or_insert(Stop::Steps);
    }
    let Collector { outcomes, deadlocks, violations, .. } = found;
    let expects_violation =
        |id: &str| expectations.is_some_and(|e| e.violates.iter().any(|other| other == id));
    let findings: Vec<Finding> = violations
        .into_values()
        .map(|(violation, schedule)| {
            let expected = expects_violation(violation.invariant.id);
            let schedule = match &joined {
                Some(joined) => unjoined(model, joined, &schedule),
                None => schedule,
            };
            Finding { expected, ..shortest_finding(&plain, &violation, schedule) }
        })
        .collect();
    let distinct: Vec<Outcome> =
        outcomes.values().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let mut keys = vec![Vec::new(); distinct.len()];
    for (key, outcome) in &outcomes {
        if let Ok(at) = distinct.binary_search(outcome) {
            keys[at].push(*key);
        }
    }
    let deadlocks = deadlocks
        .into_iter()
        .filter_map(|(key, cycle)| Some((distinct.binary_search(&outcomes[&key]).ok()?, cycle)))
        .collect();
    let failures: Vec<Failure> =
        expectations.map(|expected| expected.failures(&distinct)).unwrap_or_default();
    // Who names the end `limit` takes what was cut off for the answer that it is.
    let stop = match coverage.stop {
        Some(Stop::Steps) if expectations.is_some_and(Expectations::names_limit) => None,
        stop => stop,
    };
    let is_final = |failure: &Failure| {
        stop.is_none()
            || (is_settled(failure)
                && failure.outcome.is_none_or(|at| distinct[at].end != End::Limit))
    };
    let failures: Vec<Failure> = failures.into_iter().filter(is_final).collect();
    let unbroken: Vec<FailedExpectation> = expectations
        .map_or(&[][..], |expected| &expected.violates)
        .iter()
        .filter(|id| stop.is_none() && findings.iter().all(|f| f.invariant.id != id.as_str()))
        .map(|id| FailedExpectation {
            message: format!("violates: no step breaks \"{id}\""),
            schedule: None,
            failure: None,
        })
        .collect();
    let failed = !failures.is_empty() || !unbroken.is_empty();
    let verdict = verdict(expectations.is_some(), stop, failed);
    let failures = failures
        .into_iter()
        .map(|failure| FailedExpectation {
            schedule: failure.outcome.and_then(|index| shortest_to(&plain, &keys[index])),
            message: failure.to_string(),
            failure: Some(failure),
        })
        .chain(unbroken)
        .collect();
    let is_reduced = futures.is_some() || symmetry.is_some() || joined.is_some();
    Exploration {
        coverage,
        is_reduced,
        outcomes: distinct,
        deadlocks,
        findings,
        verdict,
        failures,
        keys,
    }
}

/// What the failures that are certain say about all.
fn verdict(expected: bool, stop: Option<Stop>, failed: bool) -> Verdict {
    match (expected, stop) {
        (true, _) if failed => Verdict::Failed,
        (_, Some(_)) => Verdict::Undecided,
        (true, None) => Verdict::Met,
        (false, None) => Verdict::None,
    }
}

/// Whether more outcomes could not make an expectation hold: it fails for an outcome that must
/// never be, or is none of those that must always be.
fn is_settled(failure: &Failure) -> bool {
    match failure.clause {
        Clause::Always | Clause::Never => true,
        Clause::Sometimes => false,
        Clause::Exactly => failure.outcome.is_some(),
    }
}

/// What a thread has come to, for whoever sees only outcomes: it never started, lives, can go on,
/// and its exit code.
type ThreadEnd = (bool, bool, bool, u32);

fn thread_ends(machine: &Machine) -> Vec<ThreadEnd> {
    let kernel = machine.kernel();
    let end_of = |thread| {
        let record = kernel.thread(thread);
        let never_started = Kernel::never_started(record);
        (never_started, record.is_alive(), record.is_runnable(), record.exit_code)
    };
    kernel.thread_ids().map(end_of).collect()
}

/// What distinguishes states at rest for whoever sees only their outcomes.
pub(crate) fn outcome_key(machine: &Machine, ending: Ending) -> u64 {
    key_of(machine, &thread_ends(machine), ending)
}

/// As [`outcome_key`], if the threads had come to this.
fn key_of(machine: &Machine, ends: &[ThreadEnd], ending: Ending) -> u64 {
    let kernel = machine.kernel();
    let blocks = kernel.has_io().then(|| kernel.io().blocks().collect::<Vec<_>>());
    fingerprint(&(machine.program().history().seen(), ends, blocks, ending == Ending::StepLimit))
}

/// Collects outcomes and violations.
struct Collector<'a> {
    model: &'a Model,
    /// Threads that can be exchanged for each other.
    groups: Vec<Vec<ThreadId>>,
    outcomes: BTreeMap<u64, Outcome>,
    /// By the same keys: the cycles of threads that wait for each other.
    deadlocks: BTreeSet<(u64, String)>,
    /// By the invariant's name: the first violation that this worker met with the shortest
    /// schedule.
    violations: BTreeMap<&'static str, (Violation, Vec<Transition>)>,
    /// Some schedule ended because a thread's routines were nested too deep.
    met_full_stack: bool,
}

impl<'a> Collector<'a> {
    fn new(system: &System<'a>) -> Self {
        let groups = system.symmetry.map(|symmetry| symmetry.groups().map(<[_]>::to_vec).collect());
        Collector {
            model: system.model,
            groups: groups.unwrap_or_default(),
            outcomes: BTreeMap::new(),
            deadlocks: BTreeSet::new(),
            violations: BTreeMap::new(),
            met_full_stack: false,
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.outcomes.extend(other.outcomes);
        self.deadlocks.extend(other.deadlocks);
        self.met_full_stack |= other.met_full_stack;
        for (violation, schedule) in other.violations.into_values() {
            self.keep(violation, &schedule);
        }
        self
    }

    fn keep(&mut self, violation: Violation, schedule: &[Transition]) {
        let id = violation.invariant.id;
        let shorter = |kept: &[Transition]| (schedule.len(), schedule) < (kept.len(), kept);
        if self.violations.get(id).is_none_or(|(_, kept)| shorter(kept)) {
            self.violations.insert(id, (violation, schedule.to_vec()));
        }
    }
}

impl Visitor<System<'_>> for Collector<'_> {
    fn end(&mut self, state: &Machine, schedule: &[Transition], ending: Ending) {
        let at_step_limit = ending == Ending::StepLimit;
        self.met_full_stack |= state.has_full_stack();
        let cycles = deadlock_texts(&self.model.program, state);
        let ends = thread_ends(state);
        for way in exchanges(&self.groups, &ends) {
            let exchanged_ends: Vec<ThreadEnd> = way.iter().map(|from| ends[*from]).collect();
            let key = key_of(state, &exchanged_ends, ending);
            self.deadlocks.extend(cycles.iter().map(|cycle| (key, cycle.clone())));
            self.outcomes.entry(key).or_insert_with(|| {
                let outcome = outcome_of(self.model, schedule, at_step_limit);
                exchanged(&self.model.program, &outcome, &way)
            });
        }
    }

    fn violation(&mut self, violation: Violation, schedule: &[Transition]) {
        self.keep(violation, schedule);
    }
}

fn shortest_finding(
    system: &System<'_>,
    violation: &Violation,
    schedule: Vec<Transition>,
) -> Finding {
    let id = violation.invariant.id;
    let is_same = |other: &&Violation| other.invariant.id == id;
    let found = shortest(system, SHORTEST_STATE_COUNT_MAX, |reached| {
        reached.violations.iter().any(|other| is_same(&other))
    });
    let schedule = found.unwrap_or(schedule);
    let violations = violations_of_last_step(system, &schedule);
    let same = violations.iter().find(is_same).unwrap_or(violation);
    let message = same.broken.to_string();
    Finding { invariant: violation.invariant, message, schedule, expected: false }
}

/// The schedule of a model whose completions are not joined that does the same as one of the
/// model where they are: each second stage is a step of its own that its thread takes at once.
fn unjoined(model: &Model, joined: &Model, schedule: &[Transition]) -> Vec<Transition> {
    let (mut machine, mut joined_machine) = (model.initial(), joined.initial());
    let mut whole = Vec::new();
    for transition in schedule {
        joined.step(&mut joined_machine, *transition, &mut ());
        model.step(&mut machine, *transition, &mut ());
        whole.push(*transition);
        for thread in model.program.thread_ids() {
            let left = |machine: &Machine| machine.kernel().second_stage_count(thread);
            while left(&machine) > left(&joined_machine) {
                let second_stage = Transition::Interrupt(thread);
                model.step(&mut machine, second_stage, &mut ());
                whole.push(second_stage);
            }
        }
    }
    whole
}

/// What is wrong with the last step of a schedule.
fn violations_of_last_step(system: &System<'_>, schedule: &[Transition]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let Some((last, first)) = schedule.split_last() else { return violations };
    let (mut state, mut monitor) = (system.initial(), StepEvents::default());
    for transition in first {
        system.step(&mut state, *transition, &mut monitor);
    }
    let before = state.clone();
    system.step(&mut state, *last, &mut monitor);
    system.check(&before, *last, &state, &monitor, &mut violations);
    violations
}

/// A shortest schedule to a state at rest with one of these outcome keys.
fn shortest_to(system: &System<'_>, keys: &[u64]) -> Option<Vec<Transition>> {
    let system = System { checked: false, hits: None, ..*system };
    let at_rest = |state: &Machine| keys.contains(&outcome_key(state, Ending::Rest));
    let initial = system.initial();
    let mut transitions = Vec::new();
    system.enabled(&initial, &mut transitions);
    if transitions.is_empty() && at_rest(&initial) {
        return Some(Vec::new());
    }
    shortest(&system, SHORTEST_STATE_COUNT_MAX, |reached| reached.at_rest && at_rest(reached.state))
}

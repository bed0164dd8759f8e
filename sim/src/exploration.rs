//! Every schedule of a scenario: its outcomes, what breaks an invariant, its expectations.

use crate::checkpoint::{self, Checkpoint, Kept};
use crate::describe::deadlock_texts;
use crate::engine::cycles::cycles;
use crate::engine::explore::{Control, Coverage, Limits, Stop, Visitor, explore_from};
use crate::engine::shortest::shortest;
use crate::engine::visited::fingerprint;
use crate::engine::{Ending, TransitionSystem};
use crate::exchange::{Group, exchanged, exchanged_told, exchanges, told_by_threads};
use crate::reduction::Knowledge;
use crate::rounds::{Found, Round, explore_in_rounds};
use crate::system::{RuleHits, StepEvents, System};
use alertable_models::ids::{LabelId, ThreadId};
use alertable_models::invariant::{Invariant, Violation};
use alertable_models::ke::Kernel;
use alertable_models::machine::{Machine, Model, Transition};
use alertable_models::outcome::outcome_of;
use alertable_traces::expectation::{Clause, Expectations, Failure};
use alertable_traces::outcome::{End, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

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
    /// What each bound on switches came to, if several were tried.
    pub rounds: Vec<Round>,
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
    /// threads, unless the space is too large to search for it. With a bound on switches, the
    /// shortest that was met with the lowest bound.
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
    /// is known which do: persistent sets ([`alertable_models::future`]), not in programs with pools,
    /// code in kernel mode or several processes; and one of several like states
    /// ([`alertable_models::symmetry`]), not under deviations.
    Persistent,
    /// As much, but states that are like others are followed too.
    WithoutSymmetry,
}

/// Where an exploration begins, and what becomes of it at its halts.
#[derive(Default)]
pub struct Course<'a> {
    /// From where it goes on; from the beginning if there is nothing.
    pub start: Option<Checkpoint>,
    /// Is shown what there is to go on from: at the beginning, whenever [`Control::halt`] asks for
    /// it, and at the end of the search. When it returns `false`, the search ends.
    pub keep: Option<&'a mut dyn FnMut(&Kept<'_, '_>) -> bool>,
    /// Explore with these bounds on switches, one after the other, each from the beginning, and
    /// keep nothing. Takes the place of the bound among the limits.
    pub rounds: Option<RangeInclusive<u32>>,
}

impl std::fmt::Debug for Course<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Course").field("start", &self.start).finish_non_exhaustive()
    }
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
    explore_model_from(model, expectations, reduction, limits, control, hits, Course::default())
        .expect("there is no checkpoint that could be wrong")
}

/// As [`explore_model`], in several goes.
///
/// # Errors
/// When the checkpoint to go on from does not fit the model.
///
/// # Panics
/// When the search breaks a promise of its own.
pub fn explore_model_from(
    model: &Model,
    expectations: Option<&Expectations>,
    reduction: Reduction,
    limits: &Limits,
    control: &Control,
    hits: Option<&RuleHits>,
    course: Course<'_>,
) -> Result<Exploration, checkpoint::Error> {
    let can_reduce = hits.is_none() && limits.switch_count_max.is_none() && course.rounds.is_none();
    let knowledge = if can_reduce { Knowledge::of(model, reduction) } else { Knowledge::default() };
    let plain = System { model, checked: true, hits, futures: None, symmetry: None };
    let system = knowledge.system(plain);
    let (mut coverage, rounds, mut found) = search(&system, limits, control, course)?;
    let is_bounded = limits.switch_count_max.is_some() || !rounds.is_empty();
    if matches!(coverage.stop, None | Some(Stop::Steps)) && !find_cycles(plain, limits, &mut found)
    {
        coverage.stop.get_or_insert(Stop::States);
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
            let schedule = knowledge.whole(model, schedule);
            let finding = if is_bounded {
                Finding::of(&violation, schedule)
            } else {
                shortest_finding(&plain, &violation, schedule)
            };
            Finding { expected, ..finding }
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
    let rounds = rounds.into_iter().map(|Found { round, keys: new }| {
        let outcomes: BTreeSet<usize> =
            new.iter().filter_map(|key| distinct.binary_search(&outcomes[key]).ok()).collect();
        Round { outcomes: outcomes.into_iter().collect(), ..round }
    });
    let rounds = rounds.collect();
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
    let is_reduced = knowledge.is_any();
    Ok(Exploration {
        coverage,
        is_reduced,
        outcomes: distinct,
        deadlocks,
        findings,
        verdict,
        failures,
        rounds,
        keys,
    })
}

/// Finds the schedules without an end that a program with endless loops has. Every schedule is
/// followed here, of which there may be many more than in the search: returns whether the states
/// were few enough.
fn find_cycles(plain: System<'_>, limits: &Limits, found: &mut Collector<'_>) -> bool {
    let unchecked = System { checked: false, ..plain };
    let (step_count_max, state_count_max) = (limits.step_count_max, limits.state_count_max);
    !plain.model.program.may_run_for_ever()
        || cycles(&unchecked, step_count_max, state_count_max, |state, schedule| {
            found.end(state, schedule, Ending::StepLimit);
        })
}

/// Searches a system. Returns what was covered, by each bound
/// on switches as well if there are several, and what was found.
fn search<'m>(
    system: &System<'m>,
    limits: &Limits,
    control: &Control,
    course: Course<'_>,
) -> Result<(Coverage, Vec<Found>, Collector<'m>), checkpoint::Error> {
    let mut visitors: Vec<Collector<'_>> =
        (1..limits.worker_count.max(1)).map(|_| Collector::new(system)).collect();
    let Course { start, mut keep, rounds } = course;
    let start = start.map(|checkpoint| checkpoint.start(system)).transpose()?;
    let (start, found_before) = start.unzip();
    visitors.push(found_before.unwrap_or_else(|| Collector::new(system)));
    let (coverage, rounds) = if let Some(bounds) = rounds {
        explore_in_rounds(system, limits, control, &mut visitors, bounds)
    } else {
        let coverage = explore_from(system, limits, control, &mut visitors, start, |halt| {
            keep.as_mut().is_none_or(|keep| keep(&Kept { system: *system, halt }))
        });
        (coverage, Vec::new())
    };
    let found = visitors.into_iter().fold(Collector::new(system), Collector::join);
    Ok((coverage, rounds, found))
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
pub(crate) fn is_settled(failure: &Failure) -> bool {
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
    key_of(machine, &thread_ends(machine), &machine.program().told(), ending)
}

/// As [`outcome_key`], if the threads had come to this, and their labels had told this.
fn key_of(machine: &Machine, ends: &[ThreadEnd], told: &[u64], ending: Ending) -> u64 {
    let kernel = machine.kernel();
    let blocks = kernel.has_io().then(|| kernel.io().blocks().collect::<Vec<_>>());
    let seen = (machine.program().history().seen(), told);
    fingerprint(&(seen, ends, blocks, ending == Ending::StepLimit))
}

/// Collects outcomes and violations.
#[derive(Debug)]
pub(crate) struct Collector<'a> {
    model: &'a Model,
    /// Threads that can be exchanged for each other.
    groups: Vec<Group>,
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    /// By the same keys: the cycles of threads that wait for each other.
    pub(crate) deadlocks: BTreeSet<(u64, String)>,
    /// By the invariant's name: the first violation that this worker met with the shortest
    /// schedule.
    pub(crate) violations: BTreeMap<&'static str, (Violation, Vec<Transition>)>,
    /// Some schedule ended because a thread's routines were nested too deep.
    pub(crate) met_full_stack: bool,
    /// About how much memory the outcomes take.
    bytes: u64,
}

/// About how much memory an outcome takes: the places of its maps are in nodes of eleven, and each
/// text is a piece of memory of its own.
fn outcome_bytes(outcome: &Outcome) -> u64 {
    const TEXT: usize = 32;
    fn map<K, V>(map: &BTreeMap<K, V>) -> usize {
        map.len().next_multiple_of(11) * (size_of::<K>() + size_of::<V>()) + map.len() * TEXT
    }
    fn lists<T>(lists: &BTreeMap<String, Vec<T>>) -> usize {
        lists.values().map(|list| list.capacity() * (size_of::<T>() + TEXT)).sum()
    }
    let Outcome { end: _, labels, apcs, blocked, overlapped, exits } = outcome;
    let all = size_of::<(u64, Outcome)>() * 2
        + map(labels)
        + lists(labels)
        + map(apcs)
        + lists(apcs)
        + blocked.len() * (size_of::<String>() + TEXT)
        + map(overlapped)
        + overlapped.len() * TEXT
        + map(exits);
    all as u64
}

impl<'a> Collector<'a> {
    pub(crate) fn new(system: &System<'a>) -> Self {
        let groups = system.symmetry.map(|symmetry| {
            let owned = |(thread, labels): (ThreadId, &[LabelId])| (thread, labels.to_vec());
            symmetry.groups().map(|group| group.into_iter().map(owned).collect()).collect()
        });
        Collector {
            model: system.model,
            groups: groups.unwrap_or_default(),
            outcomes: BTreeMap::new(),
            deadlocks: BTreeSet::new(),
            violations: BTreeMap::new(),
            met_full_stack: false,
            bytes: 0,
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

    /// Keeps an outcome that has a new key.
    pub(crate) fn keep_outcome(&mut self, key: u64, outcome: Outcome) {
        self.bytes += outcome_bytes(&outcome);
        self.outcomes.insert(key, outcome);
    }

    pub(crate) fn keep(&mut self, violation: Violation, schedule: &[Transition]) {
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
        let (ends, told) = (thread_ends(state), state.program().told());
        let of_threads = told_by_threads(&self.groups, &told, ends.len());
        let all: Vec<_> = ends.iter().zip(&of_threads).collect();
        for way in exchanges(&self.groups, &all) {
            let exchanged_ends: Vec<ThreadEnd> = way.iter().map(|from| ends[*from]).collect();
            let exchanged_told = exchanged_told(&self.groups, &told, &way);
            let key = key_of(state, &exchanged_ends, &exchanged_told, ending);
            self.deadlocks.extend(cycles.iter().map(|cycle| (key, cycle.clone())));
            if !self.outcomes.contains_key(&key) {
                let outcome = outcome_of(self.model, schedule, at_step_limit);
                let outcome = exchanged(&self.model.program, &self.groups, &outcome, &way);
                self.keep_outcome(key, outcome);
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn violation(&mut self, violation: Violation, schedule: &[Transition]) {
        self.keep(violation, schedule);
    }
}

impl Finding {
    fn of(violation: &Violation, schedule: Vec<Transition>) -> Self {
        let message = violation.broken.to_string();
        Finding { invariant: violation.invariant, message, schedule, expected: false }
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

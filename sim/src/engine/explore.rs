//! Every schedule: depth-first search over states, each visited once.
//!
//! The set of states reached, the transitions between them, and the states at rest do not depend
//! on the order of the search, and so not on the number of workers. Only when a limit is met does
//! it: what was covered until then.

use super::estimate::Estimates;
use super::frontier::{Branch, Halt, Start, jobs_of};
use super::halting::search;
use super::switches::Turn;
use super::visited::{Visited, scramble};
use super::worker::Worker;
use super::{Ending, Parts, STEP_COUNT_MAX, TransitionSystem};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What bounds an exploration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most states.
    pub state_count_max: u64,
    /// The most memory for the visited states, those on the paths of the search and what the
    /// visitors keep, in bytes.
    pub memory_bytes_max: u64,
    /// The most steps of one schedule.
    pub step_count_max: u32,
    /// The most preemptive switches of one schedule: steps of another actor than the last one,
    /// though that could have gone on. With such a bound, a state that is reached with another
    /// last actor or count of switches is another state.
    pub switch_count_max: Option<u32>,
    /// The number of threads that search.
    pub worker_count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            state_count_max: u64::MAX,
            memory_bytes_max: u64::MAX,
            step_count_max: STEP_COUNT_MAX,
            switch_count_max: None,
            worker_count: 1,
        }
    }
}

/// Which bound ended an exploration early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The number of states.
    States,
    /// The memory.
    Memory,
    /// Somebody asked for it.
    Interrupted,
    /// Nothing ended it, but schedules that met the step limit were not followed further.
    Steps,
    /// Nothing ended it, but schedules with more switches than wanted were not followed.
    Switches,
}

/// What an exploration covered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// The states, the initial one included.
    pub state_count: u64,
    /// The pairs of a state and a transition possible in it.
    pub transition_count: u64,
    /// The states that were reached and not searched from.
    pub open_count: u64,
    /// The longest schedule that was followed, in steps.
    pub depth_max: u32,
    /// The memory of the visited states and of those on the paths of the search, in bytes.
    pub peak_bytes: u64,
    /// Why not everything was covered; `None` when it was.
    pub stop: Option<Stop>,
}

impl Coverage {
    /// The transitions that led to states seen before.
    pub fn redundant_count(&self) -> u64 {
        (self.transition_count + 1).saturating_sub(self.state_count)
    }
}

/// Is shown what an exploration finds. One for each worker.
pub trait Visitor<S: TransitionSystem>: Send {
    /// A state in which a schedule ends.
    fn end(&mut self, state: &S::State, schedule: &[S::Transition], ending: Ending);

    /// What is wrong with the last step of a schedule.
    fn violation(&mut self, violation: S::Violation, schedule: &[S::Transition]);

    /// About how much memory it takes to keep what it was shown, in bytes.
    fn bytes(&self) -> u64 {
        0
    }
}

/// What somebody outside can see of an exploration, and ask of it.
#[derive(Debug, Default)]
pub struct Control {
    /// Ask the exploration to end.
    pub interrupt: AtomicBool,
    /// Ask the exploration to halt, show what it has to whoever keeps it, and go on.
    pub halt: AtomicBool,
    /// How many states were reached so far.
    pub state_count: AtomicU64,
    /// How much memory the search has taken, in bytes.
    pub bytes: AtomicU64,
    /// The longest schedule that was followed so far, in steps.
    pub depth_max: AtomicU32,
    /// How many states there may be.
    pub estimates: Estimates,
}

/// Explores every schedule of a system; each of `visitors` belongs to one worker.
///
/// Time and memory are linear in the number of states and transitions.
///
/// # Panics
/// When a worker does.
pub fn explore<S: TransitionSystem, V: Visitor<S>>(
    system: &S,
    limits: &Limits,
    control: &Control,
    visitors: &mut [V],
) -> Coverage {
    explore_from(system, limits, control, visitors, None, |_| true)
}

/// As [`explore`], from where another exploration was halted.
///
/// `keep` is shown what there is to go on from: before the first step, whenever
/// [`Control::halt`] asks for it, and at the end. When it returns `false`, that is the end.
///
/// # Panics
/// When a worker does.
pub fn explore_from<S: TransitionSystem, V: Visitor<S>>(
    system: &S,
    limits: &Limits,
    control: &Control,
    visitors: &mut [V],
    start: Option<Start<S::Transition>>,
    keep: impl FnMut(&Halt<'_, S, V>) -> bool,
) -> Coverage {
    let start = start.unwrap_or_else(|| Start::of(system, limits));
    let mut visited = start.visited;
    let before = (start.coverage, start.by_depth);
    control.state_count.store(start.coverage.state_count, Ordering::Relaxed);
    control.depth_max.store(start.coverage.depth_max, Ordering::Relaxed);
    control.estimates.states.store(0, Ordering::Relaxed);
    let shared = Shared {
        system,
        limits,
        control,
        jobs: Mutex::new(
            start.open.into_iter().flat_map(|branch| jobs_of(system, branch)).collect(),
        ),
        job_added: Condvar::new(),
        worker_count: visitors.len(),
        idle_count: AtomicUsize::new(0),
        stop: Mutex::new(None),
        stopped: AtomicBool::new(false),
        worker_bytes: AtomicU64::new(0),
    };
    if let [visitor] = visitors {
        let mut workers = [Worker::new(&shared, &mut visited, visitor)];
        search(&shared, &mut workers, &before, keep)
    } else {
        let workers = visitors.iter_mut().map(|visitor| Worker::new(&shared, &visited, visitor));
        search(&shared, &mut workers.collect::<Vec<_>>(), &before, keep)
    }
}

impl<T> Start<T> {
    /// Nothing but the initial state.
    fn of<S: TransitionSystem<Transition = T>>(system: &S, limits: &Limits) -> Self {
        let mut visited = Visited::default();
        let summary = Summary::of_initial(system, &mut system.initial());
        visited.insert_mut(summary.fingerprint(limits));
        let coverage = Coverage {
            state_count: 1,
            transition_count: 0,
            open_count: 1,
            depth_max: 0,
            peak_bytes: 0,
            stop: None,
        };
        Start { visited, by_depth: vec![1], open: vec![Branch::root()], coverage }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the search keeps of a state.
#[derive(Clone)]
pub(super) struct Summary {
    /// The digests of its slots.
    pub(super) digests: Vec<u64>,
    /// The sum of all digests.
    pub(super) sum: u64,
    /// Whose turn it was when it was reached.
    pub(super) turn: Turn,
}

impl Summary {
    pub(super) fn of_initial<S: TransitionSystem>(system: &S, initial: &mut S::State) -> Self {
        let mut digests = vec![0; system.slot_count()];
        let (_, rest) = system.update_digests(None, initial, S::Parts::ALL, &mut digests);
        let sum = digests.iter().fold(rest, |sum, digest| sum.wrapping_add(*digest));
        system.take_looked_at(initial);
        Summary { digests, sum, turn: Turn::default() }
    }

    fn fingerprint(&self, limits: &Limits) -> u64 {
        fingerprint_of(self.sum, self.turn, limits)
    }
}

/// What a state is told from others by, given the sum of its digests.
pub(super) fn fingerprint_of(sum: u64, turn: Turn, limits: &Limits) -> u64 {
    match limits.switch_count_max {
        None => scramble(sum),
        Some(_) => turn.fingerprint(scramble(sum)),
    }
}

/// A state that is to be searched from, and how it was reached: by so many steps of a stem that
/// it may share with others, and one more.
pub(super) struct Job<S: TransitionSystem> {
    pub(super) summary: Summary,
    pub(super) stem: Arc<Vec<S::Transition>>,
    pub(super) stem_len: usize,
    pub(super) last: Option<S::Transition>,
}

impl<S: TransitionSystem> Job<S> {
    pub(super) fn schedule(&self) -> impl Iterator<Item = S::Transition> {
        self.stem[..self.stem_len].iter().copied().chain(self.last)
    }

    pub(super) fn branch(&self) -> Branch<S::Transition> {
        Branch { schedule: self.schedule().collect(), is_end_open: true, open: Vec::new() }
    }
}

/// What the workers share.
pub(super) struct Shared<'a, S: TransitionSystem> {
    pub(super) system: &'a S,
    pub(super) limits: &'a Limits,
    pub(super) control: &'a Control,
    pub(super) jobs: Mutex<Vec<Job<S>>>,
    job_added: Condvar,
    worker_count: usize,
    pub(super) idle_count: AtomicUsize,
    pub(super) stop: Mutex<Option<Stop>>,
    pub(super) stopped: AtomicBool,
    /// The memory of all workers; it is used again and never shrinks.
    pub(super) worker_bytes: AtomicU64,
}

impl<S: TransitionSystem> Shared<'_, S> {
    /// Ends the search.
    pub(super) fn end(&self, why: Stop) {
        lock(&self.stop).get_or_insert(why);
        self.halt();
    }

    /// Stops all workers.
    pub(super) fn halt(&self) {
        // Under the lock, so that nobody is between looking and waiting.
        let _jobs = lock(&self.jobs);
        self.stopped.store(true, Ordering::Relaxed);
        self.job_added.notify_all();
    }

    /// Whether the workers are to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether some worker has nothing to do.
    pub(super) fn has_idle_worker(&self) -> bool {
        self.idle_count.load(Ordering::Relaxed) > 0
    }

    /// Gives work to those that have none, unless there is some already.
    pub(super) fn hand_over(&self, make: impl FnOnce(&mut Vec<Job<S>>)) {
        let mut jobs = lock(&self.jobs);
        if jobs.is_empty() {
            make(&mut jobs);
            self.job_added.notify_all();
        }
    }

    /// Waits for a job; `None` when there will be none.
    pub(super) fn next_job(&self) -> Option<Job<S>> {
        let mut jobs = lock(&self.jobs);
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(job) = jobs.pop() {
                return Some(job);
            }
            let idle = self.idle_count.fetch_add(1, Ordering::Relaxed) + 1;
            if idle == self.worker_count {
                self.stopped.store(true, Ordering::Relaxed);
                self.job_added.notify_all();
                return None;
            }
            jobs = self.job_added.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            self.idle_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, Coverage, Limits, Stop, Visitor, explore};
    use crate::engine::toys::{Counters, Locks};
    use crate::engine::{Ending, TransitionSystem};

    /// Counts what it is shown.
    #[derive(Default)]
    struct Counter {
        ends: u64,
        limits: u64,
        violations: u64,
    }

    impl<S: TransitionSystem> Visitor<S> for Counter {
        fn end(&mut self, _: &S::State, _: &[S::Transition], ending: Ending) {
            match ending {
                Ending::Rest => self.ends += 1,
                Ending::StepLimit => self.limits += 1,
            }
        }

        fn violation(&mut self, _: S::Violation, _: &[S::Transition]) {
            self.violations += 1;
        }
    }

    fn run<S: TransitionSystem>(system: &S, limits: Limits) -> (Coverage, Counter) {
        let mut visitors: Vec<Counter> =
            (0..limits.worker_count).map(|_| Counter::default()).collect();
        let coverage = explore(system, &limits, &Control::default(), &mut visitors);
        let total = visitors.into_iter().fold(Counter::default(), |sum, one| Counter {
            ends: sum.ends + one.ends,
            limits: sum.limits + one.limits,
            violations: sum.violations + one.violations,
        });
        (coverage, total)
    }

    #[test]
    fn every_state_and_transition_is_counted_once() {
        // Three counters that run from 0 to 4 independently: 5³ states.
        let (coverage, found) = run(&Counters { count: 3, max: 4 }, Limits::default());
        assert_eq!((coverage.state_count, coverage.transition_count), (125, 3 * 4 * 25));
        assert_eq!((coverage.depth_max, found.ends, coverage.stop), (12, 1, None));
    }

    #[test]
    fn two_workers_count_what_one_counts() {
        for worker_count in [1, 2, 3] {
            let limits = Limits { worker_count, ..Limits::default() };
            let (coverage, found) = run(&Counters { count: 4, max: 9 }, limits);
            assert_eq!((coverage.state_count, coverage.transition_count), (10_000, 4 * 9 * 1_000));
            assert_eq!(found.ends, 1);
        }
    }

    #[test]
    fn deadlocks_are_ends_like_any_other() {
        let (_, found) = run(&Locks { ordered: false }, Limits::default());
        assert_eq!(found.ends, 2, "both finished, or each holds what the other wants");
        let (_, found) = run(&Locks { ordered: true }, Limits::default());
        assert_eq!(found.ends, 1);
    }

    #[test]
    fn limits_end_the_search_and_are_reported() {
        let limits = Limits { state_count_max: 1_000, ..Limits::default() };
        let (coverage, _) = run(&Counters { count: 4, max: 9 }, limits);
        assert_eq!(coverage.stop, Some(Stop::States));
        assert!((1_000..1_300).contains(&coverage.state_count));
        let limits = Limits { memory_bytes_max: 20_000, ..Limits::default() };
        let (coverage, _) = run(&Counters { count: 4, max: 9 }, limits);
        assert_eq!(coverage.stop, Some(Stop::Memory));
        let limits = Limits { step_count_max: 5, ..Limits::default() };
        let (coverage, found) = run(&Counters { count: 1, max: 9 }, limits);
        assert_eq!((coverage.depth_max, found.limits, found.ends), (5, 1, 0));
    }
}

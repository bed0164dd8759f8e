//! Every schedule: depth-first search over states, each visited once.
//!
//! The set of states reached, the transitions between them, and the states at rest do not depend
//! on the order of the search, and so not on the number of workers. Only when a limit is met does
//! it: what was covered until then.

use super::visited::{Visited, scramble};
use super::worker::{Tally, Worker};
use super::{Ending, Parts, STEP_COUNT_MAX, TransitionSystem};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What bounds an exploration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most states.
    pub state_count_max: u64,
    /// The most memory for the visited states and those on the paths of the search, in bytes.
    pub memory_bytes_max: u64,
    /// The most steps of one schedule.
    pub step_count_max: u32,
    /// The number of threads that search.
    pub worker_count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            state_count_max: u64::MAX,
            memory_bytes_max: u64::MAX,
            step_count_max: STEP_COUNT_MAX,
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
}

/// What an exploration covered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// The states, the initial one included.
    pub state_count: u64,
    /// The pairs of a state and a transition possible in it.
    pub transition_count: u64,
    /// The longest schedule that was followed, in steps.
    pub depth_max: u32,
    /// The memory of the visited states and of those on the paths of the search, in bytes.
    pub peak_bytes: u64,
    /// Why not everything was covered; `None` when it was.
    pub stop: Option<Stop>,
}

/// Is shown what an exploration finds. One for each worker.
pub trait Visitor<S: TransitionSystem>: Send {
    /// A state in which a schedule ends.
    fn end(&mut self, state: &S::State, schedule: &[S::Transition], ending: Ending);

    /// What is wrong with the last step of a schedule.
    fn violation(&mut self, violation: S::Violation, schedule: &[S::Transition]);
}

/// What somebody outside can see of an exploration, and ask of it.
#[derive(Debug, Default)]
pub struct Control {
    /// Ask the exploration to end.
    pub interrupt: AtomicBool,
    /// How many states were reached so far.
    pub state_count: AtomicU64,
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
    let mut visited = Visited::default();
    let initial = Job::initial(system);
    visited.insert_mut(scramble(initial.sum));
    control.state_count.store(1, Ordering::Relaxed);
    let shared = Shared {
        system,
        limits,
        control,
        jobs: Mutex::new(vec![initial]),
        job_added: Condvar::new(),
        worker_count: visitors.len(),
        idle_count: AtomicUsize::new(0),
        stop: Mutex::new(None),
        stopped: AtomicBool::new(false),
        worker_bytes: AtomicU64::new(0),
    };
    let tallies: Vec<Tally> = if let [visitor] = visitors {
        vec![Worker::new(&shared, &mut visited, visitor).run()]
    } else {
        std::thread::scope(|scope| {
            let workers: Vec<_> = visitors
                .iter_mut()
                .map(|visitor| scope.spawn(|| Worker::new(&shared, &visited, visitor).run()))
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).collect()
        })
    };
    let cut = tallies.iter().any(|tally| tally.was_cut);
    let stop = lock(&shared.stop).or(cut.then_some(Stop::Steps));
    let worker_bytes = shared.worker_bytes.load(Ordering::Relaxed);
    Coverage {
        state_count: 1 + tallies.iter().map(|tally| tally.new_states).sum::<u64>(),
        transition_count: tallies.iter().map(|tally| tally.transitions).sum(),
        depth_max: tallies.iter().map(|tally| tally.depth_max).max().unwrap_or(0),
        peak_bytes: visited.bytes() + worker_bytes,
        stop,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A state that is to be searched from, and how it was reached.
pub(super) struct Job<S: TransitionSystem> {
    /// The digests of its slots.
    pub(super) digests: Vec<u64>,
    /// The sum of all digests.
    pub(super) sum: u64,
    pub(super) schedule: Vec<S::Transition>,
}

impl<S: TransitionSystem> Job<S> {
    fn initial(system: &S) -> Self {
        let mut digests = vec![0; system.slot_count()];
        let mut initial = system.initial();
        let (_, rest) = system.update_digests(None, &mut initial, S::Parts::ALL, &mut digests);
        let sum = digests.iter().fold(rest, |sum, digest| sum.wrapping_add(*digest));
        Job { digests, sum, schedule: Vec::new() }
    }
}

/// What the workers share.
pub(super) struct Shared<'a, S: TransitionSystem> {
    pub(super) system: &'a S,
    pub(super) limits: &'a Limits,
    pub(super) control: &'a Control,
    jobs: Mutex<Vec<Job<S>>>,
    job_added: Condvar,
    worker_count: usize,
    idle_count: AtomicUsize,
    stop: Mutex<Option<Stop>>,
    stopped: AtomicBool,
    /// The memory of all workers; it is used again and never shrinks.
    pub(super) worker_bytes: AtomicU64,
}

impl<S: TransitionSystem> Shared<'_, S> {
    /// Ends the search.
    pub(super) fn end(&self, why: Stop) {
        lock(&self.stop).get_or_insert(why);
        self.stopped.store(true, Ordering::Relaxed);
        self.job_added.notify_all();
    }

    /// Whether the search is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Waits for a job; `None` when there will be none.
    pub(super) fn next_job(&self) -> Option<Job<S>> {
        let mut jobs = lock(&self.jobs);
        loop {
            if self.is_stopped() {
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
            if self.is_stopped() {
                return None;
            }
            self.idle_count.fetch_sub(1, Ordering::Relaxed);
        }
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

//! Every schedule: depth-first search over states, each visited once.
//!
//! The set of states reached, the transitions between them, and the states at rest do not depend
//! on the order of the search, and so not on the number of workers. Only when a limit is met does
//! it: what was covered until then.

use super::memo::{Change, Memo, SlotSet};
use super::path::Path;
use super::persistent::{Chooser, Here};
use super::visited::{Access, Visited, scramble};
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
    let initial = Summary::of_initial(system);
    visited.insert_mut(initial.fingerprint());
    control.state_count.store(1, Ordering::Relaxed);
    let shared = Shared {
        system,
        limits,
        control,
        jobs: Mutex::new(vec![Job { summary: initial, schedule: Vec::new() }]),
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

/// What the search keeps of a state.
#[derive(Clone)]
struct Summary {
    /// The digests of its slots.
    digests: Vec<u64>,
    /// The sum of all digests.
    sum: u64,
    /// In which slots it differs from the state that it was made from.
    changed: SlotSet,
}

impl Summary {
    fn of_initial<S: TransitionSystem>(system: &S) -> Self {
        let mut digests = vec![0; system.slot_count()];
        let mut initial = system.initial();
        let (_, rest) = system.update_digests(None, &mut initial, S::Parts::ALL, &mut digests);
        let sum = digests.iter().fold(rest, |sum, digest| sum.wrapping_add(*digest));
        Summary { digests, sum, changed: SlotSet::MAX }
    }

    fn fingerprint(&self) -> u64 {
        scramble(self.sum)
    }
}

/// A state that is to be searched from, and how it was reached.
struct Job<S: TransitionSystem> {
    summary: Summary,
    schedule: Vec<S::Transition>,
}

/// What the workers share.
struct Shared<'a, S: TransitionSystem> {
    system: &'a S,
    limits: &'a Limits,
    control: &'a Control,
    jobs: Mutex<Vec<Job<S>>>,
    job_added: Condvar,
    worker_count: usize,
    idle_count: AtomicUsize,
    stop: Mutex<Option<Stop>>,
    stopped: AtomicBool,
    /// The memory of all workers; it is used again and never shrinks.
    worker_bytes: AtomicU64,
}

impl<S: TransitionSystem> Shared<'_, S> {
    fn end(&self, why: Stop) {
        lock(&self.stop).get_or_insert(why);
        self.stopped.store(true, Ordering::Relaxed);
        self.job_added.notify_all();
    }

    /// Waits for a job; `None` when there will be none.
    fn next_job(&self) -> Option<Job<S>> {
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

/// What one worker did.
#[derive(Default)]
struct Tally {
    new_states: u64,
    transitions: u64,
    depth_max: u32,
    /// A schedule met the step limit.
    was_cut: bool,
    /// New states that the shared counter does not know of yet.
    unreported: u64,
    /// The memory that the shared counter knows of, in bytes.
    reported_bytes: u64,
}

/// A state on the worker's path, and the new states that it leads to.
///
/// All successors are made, and entered into the visited set, before any of them is followed:
/// the set is large and each look at it waits for memory, several at once no longer than one.
struct Level<S: TransitionSystem> {
    summary: Summary,
    /// The memo's answers about what is possible, by source.
    answers: Vec<u32>,
    transitions: Vec<S::Transition>,
    /// The state after each transition; what lies beyond is memory to be used again.
    successors: Vec<Summary>,
    changes: Vec<Change>,
    fingerprints: Vec<u64>,
    /// Which transitions are followed.
    chosen: Vec<bool>,
    /// The transitions that lead to new states which were not followed yet, the last one first.
    fresh: Vec<usize>,
}

impl<S: TransitionSystem> Level<S> {
    fn new(summary: Summary) -> Self {
        Level {
            summary,
            answers: Vec::new(),
            transitions: Vec::new(),
            successors: Vec::new(),
            changes: Vec::new(),
            fingerprints: Vec::new(),
            chosen: Vec::new(),
            fresh: Vec::new(),
        }
    }
}

struct Worker<'a, S: TransitionSystem, V, A> {
    shared: &'a Shared<'a, S>,
    visited: A,
    visitor: &'a mut V,
    /// The path from the job's state down; kept when it gets shorter, to reuse the memory.
    levels: Vec<Level<S>>,
    /// How the job's state was reached, and the transitions followed from there.
    schedule: Vec<S::Transition>,
    /// The states themselves along the schedule.
    path: Path<'a, S>,
    memo: Memo<S::Transition>,
    chooser: Chooser<S>,
    look_ahead: u64,
    violations: Vec<S::Violation>,
    tally: Tally,
    states_between_looks: u64,
}

/// How many new states a worker finds between looks at the limits and at the other workers, at
/// most.
const STATES_BETWEEN_LOOKS_MAX: u64 = 256;

impl<'a, S: TransitionSystem, V: Visitor<S>, A: Access> Worker<'a, S, V, A> {
    fn new(shared: &'a Shared<'a, S>, visited: A, visitor: &'a mut V) -> Self {
        Worker {
            shared,
            visited,
            visitor,
            levels: Vec::new(),
            schedule: Vec::new(),
            path: Path::new(shared.system),
            memo: Memo::new(),
            chooser: Chooser::new(),
            look_ahead: 0,
            violations: Vec::new(),
            tally: Tally::default(),
            states_between_looks: (shared.limits.state_count_max / 8)
                .clamp(1, STATES_BETWEEN_LOOKS_MAX),
        }
    }

    fn run(mut self) -> Tally {
        while let Some(job) = self.shared.next_job() {
            self.follow(job);
            self.compare_with_limits();
        }
        self.report();
        self.tally
    }

    /// Searches everything below a job.
    fn follow(&mut self, job: Job<S>) {
        let job_depth = job.schedule.len();
        self.schedule = job.schedule;
        self.path.forget_beyond(0);
        match self.levels.first_mut() {
            Some(level) => level.summary = job.summary,
            None => self.levels.push(Level::new(job.summary)),
        }
        self.levels[0].summary.changed = SlotSet::MAX;
        self.expand(0);
        let mut depth = 0;
        loop {
            let Some(next) = self.levels[depth].fresh.pop() else {
                if depth == 0 {
                    return;
                }
                depth -= 1;
                self.schedule.pop();
                continue;
            };
            self.descend(depth, next);
            depth += 1;
            self.expand(depth);
            if self.tally.unreported >= self.states_between_looks {
                self.look_around(depth, job_depth);
            }
            if self.shared.stopped.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Makes a successor of the level at `depth` the level below it.
    fn descend(&mut self, depth: usize, successor: usize) {
        if self.levels.len() == depth + 1 {
            let summary = self.levels[depth].summary.clone();
            self.levels.push(Level::new(summary));
        }
        let (above, below) = self.levels.split_at_mut(depth + 1);
        let (from, to) = (&mut above[depth], &mut below[0]);
        std::mem::swap(&mut from.successors[successor], &mut to.summary);
        self.path.forget_beyond(self.schedule.len());
        self.schedule.push(from.transitions[successor]);
        self.tally.depth_max = self.tally.depth_max.max(self.schedule.len() as u32);
    }

    /// Makes every step that is possible at a level and notes which lead to new states.
    fn expand(&mut self, depth: usize) {
        self.find_transitions(depth);
        let steps = self.schedule.len();
        let is_over = self.levels[depth].transitions.is_empty();
        if is_over || steps as u32 >= self.shared.limits.step_count_max {
            self.tally.was_cut |= !is_over;
            let ending = if is_over { Ending::Rest } else { Ending::StepLimit };
            let state = self.path.state(&self.schedule, steps);
            self.visitor.end(state, &self.schedule, ending);
            self.shared.system.take_looked_at(state);
            return;
        }
        self.levels[depth].fingerprints.clear();
        self.levels[depth].changes.clear();
        self.levels[depth].fresh.clear();
        for index in 0..self.levels[depth].transitions.len() {
            self.make_successor(depth, index);
        }
        self.choose(depth);
        let level = &mut self.levels[depth];
        // The processor reads the places of all successors while it goes on; the sum keeps the
        // compiler from leaving that out.
        self.look_ahead = std::hint::black_box(self.look_ahead);
        for (index, fingerprint) in level.fingerprints.iter().enumerate() {
            if !level.chosen[index] {
                continue;
            }
            self.tally.transitions += 1;
            if self.visited.insert(*fingerprint) {
                level.fresh.push(index);
            }
        }
        level.fresh.reverse();
        self.tally.new_states += level.fresh.len() as u64;
        self.tally.unreported += level.fresh.len() as u64;
    }

    /// Chooses which of the steps that are possible at a level are followed.
    fn choose(&mut self, depth: usize) {
        let Level { summary, answers, transitions, changes, chosen, .. } = &mut self.levels[depth];
        if !self.shared.system.has_futures() {
            chosen.clear();
            chosen.resize(transitions.len(), true);
            return;
        }
        let here =
            Here { digests: &summary.digests, sum: summary.sum, answers, transitions, changes };
        self.chooser.choose(
            self.shared.system,
            &mut self.memo,
            &mut self.path,
            &mut self.schedule,
            here,
            chosen,
        );
    }

    /// Finds out what is possible at a level.
    fn find_transitions(&mut self, depth: usize) {
        let (above, here) = self.levels.split_at_mut(depth);
        let level = &mut here[0];
        level.answers.clear();
        if let Some(above) = above.last() {
            level.answers.extend_from_slice(&above.answers);
        }
        level.transitions.clear();
        self.memo.transitions(
            self.shared.system,
            &mut self.path.end(&self.schedule),
            &level.summary.digests,
            level.summary.changed,
            &mut level.answers,
            &mut level.transitions,
        );
        // What can still be done never grows.
        #[cfg(debug_assertions)]
        if let Some(above) = above.last()
            && self.shared.system.has_futures()
        {
            for (before, after) in above.answers.iter().zip(&level.answers) {
                let before = self.memo.answer(*before as usize).0.future.touch;
                let after = self.memo.answer(*after as usize).0.future.touch;
                let grown = (after.looked_at & !before.looked_at, after.changed & !before.changed);
                assert_eq!(
                    (grown, after.woken & !before.woken),
                    ((0, 0), 0),
                    "{after:?}, {before:?}"
                );
            }
        }
    }

    /// Makes one of the steps that are possible at a level.
    fn make_successor(&mut self, depth: usize, index: usize) {
        let level = &mut self.levels[depth];
        if level.successors.len() == index {
            level.successors.push(level.summary.clone());
        }
        let transition = level.transitions[index];
        let (here, after) = (&level.summary, &mut level.successors[index]);
        after.digests.copy_from_slice(&here.digests);
        let change = self.memo.step(
            self.shared.system,
            &mut self.path.end(&self.schedule),
            transition,
            &mut after.digests,
            &mut self.violations,
        );
        after.changed = change.slots;
        after.sum = here.sum.wrapping_add(change.sum);
        level.changes.push(change);
        level.fingerprints.push(after.fingerprint());
        self.look_ahead = self.look_ahead.wrapping_add(self.visited.peek(after.fingerprint()));
        if !self.violations.is_empty() {
            self.schedule.push(transition);
            for violation in self.violations.drain(..) {
                self.visitor.violation(violation, &self.schedule);
            }
            self.schedule.pop();
        }
    }

    fn report(&mut self) -> u64 {
        let unreported = std::mem::take(&mut self.tally.unreported);
        self.shared.control.state_count.fetch_add(unreported, Ordering::Relaxed) + unreported
    }

    /// Compares with the limits, and hands work over when another worker has none.
    fn look_around(&mut self, depth: usize, job_depth: usize) {
        self.compare_with_limits();
        if self.shared.idle_count.load(Ordering::Relaxed) > 0 {
            self.hand_over(depth, job_depth);
        }
    }

    fn compare_with_limits(&mut self) {
        let state_count = self.report();
        let limits = self.shared.limits;
        if self.shared.control.interrupt.load(Ordering::Relaxed) {
            self.shared.end(Stop::Interrupted);
        } else if state_count > limits.state_count_max {
            self.shared.end(Stop::States);
        } else if self.visited.bytes() + self.worker_bytes() > limits.memory_bytes_max {
            self.shared.end(Stop::Memory);
        }
    }

    /// The memory of all workers, this worker's share brought up to date.
    fn worker_bytes(&mut self) -> u64 {
        let summary_bytes = (self.shared.system.slot_count() * 8 + size_of::<Summary>()) as u64;
        let widest = self.levels.first().map_or(0, |level| level.successors.len()) as u64 + 1;
        let bytes = self.memo.bytes()
            + self.path.bytes()
            + self.levels.len() as u64 * widest * summary_bytes;
        let added = bytes.saturating_sub(self.tally.reported_bytes);
        self.tally.reported_bytes += added;
        self.shared.worker_bytes.fetch_add(added, Ordering::Relaxed) + added
    }

    /// Gives away what is left of the first level that has something left.
    fn hand_over(&mut self, depth: usize, job_depth: usize) {
        let mut jobs = lock(&self.shared.jobs);
        if !jobs.is_empty() {
            return;
        }
        if let Some(at) = (0..=depth).find(|at| !self.levels[*at].fresh.is_empty()) {
            let level = &mut self.levels[at];
            for next in level.fresh.drain(..) {
                let mut schedule = self.schedule[..job_depth + at].to_vec();
                schedule.push(level.transitions[next]);
                jobs.push(Job { summary: level.successors[next].clone(), schedule });
            }
            self.shared.job_added.notify_all();
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

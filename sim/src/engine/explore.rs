//! Every schedule: depth-first search over states, each visited once.
//!
//! The set of states reached, the transitions between them, and the states at rest do not depend
//! on the order of the search, and so not on the number of workers. Only when a limit is met does
//! it: what was covered until then.

use super::estimate::Estimates;
use super::frontier::{Branch, Halt, Start, jobs_of};
use super::halting::search;
use super::memo::{Change, Memo, SlotSet};
use super::path::Path;
use super::persistent::{Chooser, Here};
use super::rng::Rng;
use super::switches::Turn;
use super::visited::{Access, Visited, scramble};
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
    /// In which slots it differs from the state that it was made from.
    pub(super) changed: SlotSet,
    /// Whose turn it was when it was reached.
    pub(super) turn: Turn,
}

impl Summary {
    pub(super) fn of_initial<S: TransitionSystem>(system: &S, initial: &mut S::State) -> Self {
        let mut digests = vec![0; system.slot_count()];
        let (_, rest) = system.update_digests(None, initial, S::Parts::ALL, &mut digests);
        let sum = digests.iter().fold(rest, |sum, digest| sum.wrapping_add(*digest));
        system.take_looked_at(initial);
        Summary { digests, sum, changed: SlotSet::MAX, turn: Turn::default() }
    }

    fn fingerprint(&self, limits: &Limits) -> u64 {
        let of_state = scramble(self.sum);
        match limits.switch_count_max {
            None => of_state,
            Some(_) => self.turn.fingerprint(of_state),
        }
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
    fn schedule(&self) -> impl Iterator<Item = S::Transition> {
        self.stem[..self.stem_len].iter().copied().chain(self.last)
    }

    pub(super) fn branch(&self) -> Branch<S::Transition> {
        Branch { schedule: self.schedule().collect(), is_end_open: true, open: Vec::new() }
    }
}

/// What the workers share.
pub(super) struct Shared<'a, S: TransitionSystem> {
    system: &'a S,
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
    fn end(&self, why: Stop) {
        lock(&self.stop).get_or_insert(why);
        self.halt();
    }

    fn halt(&self) {
        // Under the lock, so that nobody is between looking and waiting.
        let _jobs = lock(&self.jobs);
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
pub(super) struct Tally {
    pub(super) new_states: u64,
    pub(super) transitions: u64,
    pub(super) depth_max: u32,
    /// New states by the length of the schedules that first led there.
    pub(super) by_depth: Vec<u64>,
    /// A schedule met the step limit.
    pub(super) was_cut: bool,
    /// A step was not followed because it would have been a switch too many.
    pub(super) was_bounded: bool,
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
    /// The last actor could go on.
    is_held: bool,
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
            is_held: false,
            successors: Vec::new(),
            changes: Vec::new(),
            fingerprints: Vec::new(),
            chosen: Vec::new(),
            fresh: Vec::new(),
        }
    }
}

pub(super) struct Worker<'a, S: TransitionSystem, V, A> {
    shared: &'a Shared<'a, S>,
    pub(super) visited: A,
    pub(super) visitor: &'a mut V,
    /// The path from the job's state down; kept when it gets shorter, to reuse the memory.
    levels: Vec<Level<S>>,
    /// How the job's state was reached, and the transitions followed from there.
    schedule: Vec<S::Transition>,
    /// The level that is being followed, if a job is.
    depth: Option<usize>,
    /// The states themselves along the schedule.
    path: Path<'a, S>,
    pub(super) memo: Memo<S::Transition>,
    chooser: Chooser<S>,
    look_ahead: u64,
    violations: Vec<S::Violation>,
    pub(super) tally: Tally,
    states_between_looks: u64,
}

/// How many new states a worker finds between looks at the limits and at the other workers, at
/// most.
const STATES_BETWEEN_LOOKS_MAX: u64 = 256;

impl<'a, S: TransitionSystem, V: Visitor<S>, A: Access> Worker<'a, S, V, A> {
    pub(super) fn new(shared: &'a Shared<'a, S>, visited: A, visitor: &'a mut V) -> Self {
        Worker {
            shared,
            visited,
            visitor,
            levels: Vec::new(),
            schedule: Vec::new(),
            depth: None,
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

    /// Searches until nothing is left or somebody stops it.
    pub(super) fn run(&mut self) {
        self.follow();
        while let Some(job) = self.shared.next_job() {
            self.begin(job);
            self.follow();
            self.compare_with_limits();
        }
        self.report();
    }

    fn begin(&mut self, job: Job<S>) {
        let is_same = |(old, new): &(S::Transition, S::Transition)| old == new;
        let common = self.schedule.iter().copied().zip(job.schedule()).take_while(is_same).count();
        self.path.forget_beyond(common);
        self.schedule.clear();
        self.schedule.extend(job.schedule());
        self.tally.depth_max = self.tally.depth_max.max(self.schedule.len() as u32);
        match self.levels.first_mut() {
            Some(level) => level.summary = job.summary,
            None => self.levels.push(Level::new(job.summary)),
        }
        self.levels[0].summary.changed = SlotSet::MAX;
        self.expand(0);
        self.depth = Some(0);
    }

    /// Searches everything below a job that was begun.
    fn follow(&mut self) {
        while let Some(depth) = self.depth {
            if self.shared.stopped.load(Ordering::Relaxed) {
                return;
            }
            let Some(next) = self.levels[depth].fresh.pop() else {
                self.depth = depth.checked_sub(1);
                if depth > 0 {
                    self.schedule.pop();
                }
                continue;
            };
            self.descend(depth, next);
            self.expand(depth + 1);
            self.depth = Some(depth + 1);
            if self.tally.unreported >= self.states_between_looks {
                self.look_around(depth + 1);
            }
        }
    }

    /// Goes one way at random from the initial state to an end, or to where it has taken so much
    /// memory, and notes the states. Returns whether it came to the end.
    pub(super) fn walk(
        &mut self,
        rng: &mut Rng,
        bytes_max: u64,
        states: &mut Vec<(u32, u64)>,
    ) -> bool {
        for job in jobs_of(self.shared.system, Branch::root()) {
            self.begin(job);
        }
        let mut depth = 0;
        while let Some((next, fingerprint)) = self.draw(depth, rng) {
            self.descend(depth, next);
            depth += 1;
            states.push((depth as u32, fingerprint));
            if self.own_bytes() > bytes_max {
                return false;
            }
        }
        true
    }

    /// Draws one of the steps that a search would follow; tells as well what it leads to.
    fn draw(&mut self, depth: usize, rng: &mut Rng) -> Option<(usize, u64)> {
        let Shared { system, limits, .. } = self.shared;
        if system.has_futures() || limits.switch_count_max.is_some() {
            self.expand(depth);
            let Level { fresh, fingerprints, .. } = &self.levels[depth];
            let next = *fresh.get(rng.below(fresh.len().max(1)))?;
            return Some((next, fingerprints[next]));
        }
        self.find_transitions(depth);
        let level = &mut self.levels[depth];
        if level.transitions.is_empty() || self.schedule.len() as u32 >= limits.step_count_max {
            return None;
        }
        // No other step need be made, and no order of steps be kept.
        let next = rng.below(level.transitions.len());
        level.transitions.swap(0, next);
        level.fingerprints.clear();
        level.changes.clear();
        self.make_successor(depth, 0);
        Some((0, self.levels[depth].fingerprints[0]))
    }

    /// What is left of the job that is being followed.
    pub(super) fn branch(&self) -> Option<Branch<S::Transition>> {
        let depth = self.depth?;
        let job_depth = self.schedule.len() - depth;
        let open = self.levels[..=depth].iter().enumerate().filter_map(|(at, level)| {
            let steps: Vec<_> = level.fresh.iter().map(|next| level.transitions[*next]).collect();
            (!steps.is_empty()).then_some((job_depth + at, steps))
        });
        let open: Vec<_> = open.collect();
        let (length, _) = open.last()?;
        let schedule = self.schedule[..*length].to_vec();
        Some(Branch { schedule, is_end_open: false, open })
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
        self.levels[depth].fresh.clear();
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
        if self.tally.by_depth.len() <= steps + 1 {
            self.tally.by_depth.resize(steps + 2, 0);
        }
        self.tally.by_depth[steps + 1] += level.fresh.len() as u64;
        self.tally.unreported += level.fresh.len() as u64;
    }

    /// Chooses which of the steps that are possible at a level are followed.
    fn choose(&mut self, depth: usize) {
        let Level { summary, answers, transitions, successors, changes, chosen, .. } =
            &mut self.levels[depth];
        if let Some(max) = self.shared.limits.switch_count_max {
            chosen.clear();
            chosen.extend(successors.iter().map(|after| after.turn.switch_count <= max));
            chosen.truncate(transitions.len());
            self.tally.was_bounded |= chosen.contains(&false);
            return;
        }
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
        level.is_held = self.shared.limits.switch_count_max.is_some()
            && level.summary.turn.is_held(self.shared.system, &level.transitions);
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
        if let Some(max) = self.shared.limits.switch_count_max {
            let is_switch = level.is_held && here.turn.is_left(self.shared.system, transition);
            after.turn = here.turn.then(self.shared.system, transition, is_switch);
            if after.turn.switch_count > max {
                self.violations.clear();
            }
        }
        level.changes.push(change);
        let fingerprint = after.fingerprint(self.shared.limits);
        level.fingerprints.push(fingerprint);
        self.look_ahead = self.look_ahead.wrapping_add(self.visited.peek(fingerprint));
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
    fn look_around(&mut self, depth: usize) {
        self.compare_with_limits();
        if self.shared.idle_count.load(Ordering::Relaxed) > 0 {
            self.hand_over(depth);
        }
    }

    fn compare_with_limits(&mut self) {
        let state_count = self.report();
        let limits = self.shared.limits;
        if self.shared.control.interrupt.load(Ordering::Relaxed) {
            self.shared.end(Stop::Interrupted);
            return;
        }
        if state_count > limits.state_count_max {
            self.shared.end(Stop::States);
            return;
        }
        let bytes = self.visited.bytes() + self.worker_bytes();
        let control = self.shared.control;
        control.bytes.store(bytes, Ordering::Relaxed);
        control.depth_max.fetch_max(self.tally.depth_max, Ordering::Relaxed);
        let is_halt_asked = [&control.halt, &control.estimates.now]
            .iter()
            .any(|asked| asked.load(Ordering::Relaxed));
        if bytes > limits.memory_bytes_max {
            self.shared.end(Stop::Memory);
        } else if is_halt_asked {
            self.shared.halt();
        }
    }

    /// The memory of all workers, this worker's share brought up to date.
    fn worker_bytes(&mut self) -> u64 {
        let bytes = self.own_bytes();
        let added = bytes.saturating_sub(self.tally.reported_bytes);
        self.tally.reported_bytes += added;
        self.shared.worker_bytes.fetch_add(added, Ordering::Relaxed) + added
    }

    fn own_bytes(&self) -> u64 {
        let summary_bytes = (self.shared.system.slot_count() * 8 + size_of::<Summary>()) as u64;
        let widest = self.levels.first().map_or(0, |level| level.successors.len()) as u64 + 1;
        self.memo.bytes()
            + self.path.bytes()
            + self.visitor.bytes()
            + self.levels.len() as u64 * widest * summary_bytes
    }

    /// Gives away what is left of the first level that has something left.
    fn hand_over(&mut self, depth: usize) {
        let job_depth = self.schedule.len() - depth;
        let mut jobs = lock(&self.shared.jobs);
        if !jobs.is_empty() {
            return;
        }
        if let Some(at) = (0..=depth).find(|at| !self.levels[*at].fresh.is_empty()) {
            let level = &mut self.levels[at];
            let stem_len = job_depth + at;
            let stem = Arc::new(self.schedule[..stem_len].to_vec());
            for next in level.fresh.drain(..) {
                let (summary, last) = (level.successors[next].clone(), level.transitions[next]);
                jobs.push(Job { summary, stem: Arc::clone(&stem), stem_len, last: Some(last) });
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

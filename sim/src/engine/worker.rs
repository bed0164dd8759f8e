//! One of the threads that explore every schedule.

use super::explore::{Job, Limits, Shared, Stop, Visitor, fingerprint_of};
use super::frontier::{Branch, jobs_of};
use super::levels::Levels;
use super::memo::{Before, Change, Lazy, Memo, Wanted};
use super::path::Path;
use super::persistent::{Chooser, Here};
use super::rng::Rng;
use super::switches::Turn;
use super::visited::Access;
use super::{Ending, TransitionSystem};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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

/// Goes on from one node of a level after the other, depth first.
pub(super) struct Worker<'a, S: TransitionSystem, V, A> {
    shared: &'a Shared<'a, S>,
    pub(super) visited: A,
    pub(super) visitor: &'a mut V,
    levels: Levels<S::Transition>,
    /// The level that is being followed, if a job is.
    depth: Option<usize>,
    /// The states themselves.
    path: Path<'a, S>,
    pub(super) memo: Memo<S::Transition>,
    chooser: Chooser<S>,
    /// Of the node that is gone on from: the memo's answers about what is possible, by source,
    /// and what is possible.
    answers: Vec<u32>,
    transitions: Vec<S::Transition>,
    /// The steps of all nodes that are gone on from together, and which are followed.
    steps: Vec<Wanted<S::Transition>>,
    chosen: Vec<bool>,
    /// Whose turn it is after each step, if switches are bounded.
    turns: Vec<Turn>,
    fingerprints: Vec<u64>,
    changes: Vec<Change>,
    look_ahead: u64,
    schedule: Vec<S::Transition>,
    violations: Vec<S::Violation>,
    pub(super) tally: Tally,
    states_between_looks: u64,
}

/// How many new states a worker finds between looks at the limits and at the other workers, at
/// most.
const STATES_BETWEEN_LOOKS_MAX: u64 = 1024;

/// From how many nodes of a level is gone on together.
///
/// The set of visited states is large, and each look at it waits for memory: several together
/// wait no longer than one. Debug builds make the states of all nodes, which is less work where
/// one follows the other.
const BATCH_NODE_COUNT: usize = if cfg!(debug_assertions) { 2 } else { 16 };

impl<'a, S: TransitionSystem, V: Visitor<S>, A: Access> Worker<'a, S, V, A> {
    pub(super) fn new(shared: &'a Shared<'a, S>, visited: A, visitor: &'a mut V) -> Self {
        let system = shared.system;
        Worker {
            shared,
            visited,
            visitor,
            levels: Levels::new(system.slot_count(), system.source_count()),
            depth: None,
            path: Path::new(system),
            memo: Memo::new(),
            chooser: Chooser::new(),
            answers: Vec::new(),
            transitions: Vec::new(),
            steps: Vec::new(),
            chosen: Vec::new(),
            turns: Vec::new(),
            fingerprints: Vec::new(),
            changes: Vec::new(),
            look_ahead: 0,
            schedule: Vec::new(),
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
            self.begin(&job);
            self.follow();
            self.compare_with_limits();
        }
        self.report();
    }

    fn begin(&mut self, job: &Job<S>) {
        self.levels.begin(&job.summary);
        self.path.begin(job.schedule().collect());
        self.tally.depth_max = self.tally.depth_max.max(self.path.job().len() as u32);
        self.depth = Some(0);
    }

    /// Searches everything below a job that was begun.
    fn follow(&mut self) {
        while let Some(depth) = self.depth {
            if self.shared.is_stopped() {
                return;
            }
            self.depth = if self.expand(depth) { Some(depth + 1) } else { depth.checked_sub(1) };
            if self.tally.unreported >= self.states_between_looks {
                self.look_around(self.depth.unwrap_or(0));
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
            self.begin(&job);
        }
        let mut depth = 0;
        loop {
            self.expand(depth);
            depth += 1;
            let next = self.levels.left(depth);
            if next.is_empty() {
                return true;
            }
            self.levels.keep_one(depth, rng.below(next.len()));
            let (sum, turn) = (self.levels.sum(depth, 0), self.levels.turn(depth, 0));
            states.push((depth as u32, fingerprint_of(sum, turn, self.shared.limits)));
            if self.own_bytes() > bytes_max {
                return false;
            }
        }
    }

    /// What is left of the job that is being followed.
    pub(super) fn branches(&self) -> Vec<Branch<S::Transition>> {
        let Some(depth) = self.depth else { return Vec::new() };
        let job = self.path.job();
        let (below, is_first_left) = self.levels.branches(depth);
        let mut branches = Vec::new();
        if is_first_left {
            let schedule = job.to_vec();
            branches.push(Branch { schedule, is_end_open: true, open: Vec::new() });
        }
        branches.extend(below.into_iter().map(|(steps, open)| Branch {
            schedule: job.iter().chain(&steps).copied().collect(),
            is_end_open: false,
            open: open.into_iter().map(|(at, steps)| (job.len() + at, steps)).collect(),
        }));
        branches
    }

    /// Goes on from the next nodes of a level; `false` if there are none.
    fn expand(&mut self, depth: usize) -> bool {
        let batch = self.levels.take(depth, BATCH_NODE_COUNT);
        if batch.is_empty() {
            return false;
        }
        self.steps.clear();
        for node in batch {
            self.find_steps(depth, node);
        }
        self.find_turns(depth);
        let levels = &self.levels;
        let digests_of = |node| levels.digests(depth, node);
        self.memo.find_steps(&mut self.steps, digests_of);
        #[cfg(debug_assertions)]
        self.verify_some(depth);
        // The last one that is made is the first that is gone on from.
        for index in (0..self.steps.len()).rev() {
            if self.steps[index].step.is_none() {
                self.make_step(depth, index);
            }
        }
        let memo = &self.memo;
        let known = self.steps.iter().filter_map(|step| Some(memo.known(step.step?)));
        self.levels.note_steps(depth, known);
        if self.shared.limits.switch_count_max.is_some() {
            self.bound();
        } else if self.shared.system.has_futures() {
            self.choose(depth);
        }
        self.enter(depth);
        true
    }

    /// Makes a part of the steps that are known, and compares.
    #[cfg(debug_assertions)]
    fn verify_some(&mut self, depth: usize) {
        let number = self.tally.transitions as usize;
        for wanted in self.steps.iter().skip(number % 4).step_by(4) {
            let Wanted { node, transition, step: Some(step), .. } = *wanted else { continue };
            self.memo.verify(
                self.shared.system,
                &mut self.path.end(self.levels.trail(depth, node), &[]),
                transition,
                self.levels.digests(depth, node),
                step,
            );
        }
    }

    /// Finds whose turn it is after each step, if anybody asks.
    fn find_turns(&mut self, depth: usize) {
        self.turns.clear();
        if self.shared.limits.switch_count_max.is_none() {
            return;
        }
        let system = self.shared.system;
        for steps in self.steps.chunk_by(|one, other| one.node == other.node) {
            let turn = self.levels.turn(depth, steps[0].node);
            self.transitions.clear();
            self.transitions.extend(steps.iter().map(|step| step.transition));
            let is_held = turn.is_held(system, &self.transitions);
            self.turns.extend(self.transitions.iter().map(|transition| {
                turn.then(system, *transition, is_held && turn.is_left(system, *transition))
            }));
        }
    }

    /// Whether a step is one switch too many.
    fn is_beyond(&self, index: usize) -> bool {
        let max = self.shared.limits.switch_count_max.unwrap_or(u32::MAX);
        self.turns.get(index).is_some_and(|turn| turn.switch_count > max)
    }

    /// Forgets the steps that are one switch too many.
    fn bound(&mut self) {
        let within: Vec<bool> = (0..self.steps.len()).map(|index| !self.is_beyond(index)).collect();
        self.tally.was_bounded |= within.contains(&false);
        let mut is_within = within.iter();
        self.steps.retain(|_| is_within.next() == Some(&true));
        let mut is_within = within.iter();
        self.turns.retain(|_| is_within.next() == Some(&true));
    }

    /// Adds the states that the steps lead to, as far as they are new, to the next level.
    fn enter(&mut self, depth: usize) {
        self.fingerprints.clear();
        let limits = self.shared.limits;
        let turn_of = |index| self.turns.get(index).copied().unwrap_or_default();
        for (index, step) in self.steps.iter().enumerate() {
            let growth = step.step.map_or(0, |step| self.memo.growth(step));
            let sum = self.levels.sum(depth, step.node).wrapping_add(growth);
            self.fingerprints.push(fingerprint_of(sum, turn_of(index), limits));
        }
        // The processor reads all the places at the same time; the sum keeps the compiler from
        // leaving that out.
        let looks = self.fingerprints.iter().map(|fingerprint| self.visited.peek(*fingerprint));
        self.look_ahead = std::hint::black_box(looks.fold(self.look_ahead, u64::wrapping_add));
        self.levels.clear(depth + 1);
        let mut new_states = 0;
        let steps = self.steps.iter().zip(&self.fingerprints).enumerate();
        for (index, (wanted, fingerprint)) in steps {
            if let Some(step) = wanted.step
                && self.visited.insert(*fingerprint)
            {
                let (from, turn) = ((depth, wanted.node), turn_of(index));
                self.levels.add(from, wanted.transition, step, turn, &self.memo);
                new_states += 1;
            }
        }
        self.tally.transitions += self.steps.len() as u64;
        self.tally.new_states += new_states;
        self.tally.unreported += new_states;
        if new_states > 0 {
            let depth = self.path.job().len() + depth + 1;
            self.tally.depth_max = self.tally.depth_max.max(depth as u32);
            if self.tally.by_depth.len() <= depth {
                self.tally.by_depth.resize(depth + 1, 0);
            }
            self.tally.by_depth[depth] += new_states;
        }
    }

    /// Shows a state in which a schedule ends.
    fn end(&mut self, depth: usize, node: usize, ending: Ending) {
        self.write_schedule(depth, node);
        let mut end = self.path.end(self.levels.trail(depth, node), &[]);
        let state = end.state();
        self.visitor.end(state, &self.schedule, ending);
        self.shared.system.take_looked_at(state);
    }

    fn write_schedule(&mut self, depth: usize, node: usize) {
        self.schedule.clear();
        self.schedule.extend_from_slice(self.path.job());
        self.levels.trail(depth, node).append_to(&mut self.schedule);
    }

    /// Finds the steps that are possible at a node.
    fn find_steps(&mut self, depth: usize, node: usize) {
        let (answers_before, steps_before) = self.levels.of_parent(depth, node).unwrap_or_default();
        self.answers.clear();
        self.answers.extend_from_slice(answers_before);
        let (first, steps) = (self.steps.len(), &mut self.steps);
        self.memo.possible(
            self.shared.system,
            &mut self.path.end(self.levels.trail(depth, node), &[]),
            self.levels.digests(depth, node),
            &mut self.answers,
            Before { changed: self.levels.changed(depth, node), steps: steps_before },
            |step| steps.push(step.at(node)),
        );
        #[cfg(debug_assertions)]
        if self.shared.system.has_futures() {
            self.memo.assert_not_grown(answers_before, &self.answers);
        }
        let is_over = self.steps.len() == first;
        let step_count = (self.path.job().len() + depth) as u32;
        if is_over || step_count >= self.shared.limits.step_count_max {
            self.tally.was_cut |= !is_over;
            self.steps.truncate(first);
            self.end(depth, node, if is_over { Ending::Rest } else { Ending::StepLimit });
        }
        self.levels.note_answers(depth, node, &self.answers, first);
    }

    /// Makes a step that is not known, and shows what it violates.
    fn make_step(&mut self, depth: usize, index: usize) {
        let Wanted { node, transition, .. } = self.steps[index];
        self.steps[index].step = Some(self.memo.step_number(
            self.shared.system,
            &mut self.path.end(self.levels.trail(depth, node), &[]),
            transition,
            self.levels.digests(depth, node),
            &mut self.violations,
        ));
        if self.is_beyond(index) {
            self.violations.clear();
        }
        if !self.violations.is_empty() {
            self.write_schedule(depth, node);
            self.schedule.push(transition);
            for violation in self.violations.drain(..) {
                self.visitor.violation(violation, &self.schedule);
            }
        }
    }

    /// Chooses which steps are followed, and forgets the others.
    fn choose(&mut self, depth: usize) {
        let steps = std::mem::take(&mut self.steps);
        for steps in steps.chunk_by(|one, other| one.node == other.node) {
            let node = steps[0].node;
            self.transitions.clear();
            self.transitions.extend(steps.iter().map(|step| step.transition));
            self.changes.clear();
            let known = steps.iter().filter_map(|step| step.step);
            self.changes.extend(known.map(|step| self.memo.change(step)));
            let here = Here {
                trail: self.levels.trail(depth, node),
                digests: self.levels.digests(depth, node),
                sum: self.levels.sum(depth, node),
                answers: self.levels.answers(depth, node),
                transitions: &self.transitions,
                changes: &self.changes,
            };
            self.chooser.choose(
                self.shared.system,
                &mut self.memo,
                &mut self.path,
                here,
                &mut self.chosen,
            );
            let chosen = steps.iter().zip(&self.chosen).filter(|(_, is_chosen)| **is_chosen);
            self.steps.extend(chosen.map(|(step, _)| *step));
        }
    }

    fn report(&mut self) -> u64 {
        let unreported = std::mem::take(&mut self.tally.unreported);
        self.shared.control.state_count.fetch_add(unreported, Ordering::Relaxed) + unreported
    }

    /// Compares with the limits, and hands work over when another worker has none.
    fn look_around(&mut self, depth: usize) {
        self.compare_with_limits();
        if self.shared.has_idle_worker() {
            self.hand_over(depth);
        }
    }

    fn compare_with_limits(&mut self) {
        let state_count = self.report();
        let Limits { state_count_max, memory_bytes_max, .. } = *self.shared.limits;
        let control = self.shared.control;
        if control.interrupt.load(Ordering::Relaxed) {
            self.shared.end(Stop::Interrupted);
            return;
        }
        if state_count > state_count_max {
            self.shared.end(Stop::States);
            return;
        }
        let bytes = self.visited.bytes() + self.worker_bytes();
        control.bytes.store(bytes, Ordering::Relaxed);
        control.depth_max.fetch_max(self.tally.depth_max, Ordering::Relaxed);
        let is_halt_asked = [&control.halt, &control.estimates.now]
            .iter()
            .any(|asked| asked.load(Ordering::Relaxed));
        if bytes > memory_bytes_max {
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
        self.memo.bytes() + self.path.bytes() + self.levels.bytes() + self.visitor.bytes()
    }

    /// Gives away what is left of the first level that has something left.
    fn hand_over(&mut self, depth: usize) {
        let has_left = |at: &usize| !self.levels.left(*at).is_empty();
        let Some(at) = (0..=depth).find(has_left) else { return };
        self.shared.hand_over(|jobs| {
            for node in self.levels.left(at) {
                let mut stem = self.path.job().to_vec();
                self.levels.trail(at, node).append_to(&mut stem);
                let stem_len = stem.len();
                let summary = self.levels.summary(at, node);
                jobs.push(Job { summary, stem: Arc::new(stem), stem_len, last: None });
            }
            self.levels.take(at, usize::MAX);
        });
    }
}

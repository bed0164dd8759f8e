//! What is left of a search that has stopped, so that it can go on: here, or in another process.

use super::explore::{Coverage, Job, Stop, Summary};
use super::visited::Visited;
use super::{Parts, TransitionSystem};
use std::fmt;
use std::sync::Arc;

/// A schedule, and what is still to be followed along it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branch<T> {
    /// The schedule.
    pub schedule: Vec<T>,
    /// The state at the end of the schedule is still to be searched from.
    pub is_end_open: bool,
    /// After how many steps of the schedule which other steps are still to be followed, the last
    /// one first. The states that they lead to count as visited.
    pub open: Vec<(usize, Vec<T>)>,
}

/// A search that is at a halt: every state that was visited was also searched from, or is open.
#[derive(Debug)]
pub struct Halt<'a, S: TransitionSystem, V> {
    /// The states that were visited.
    pub visited: &'a Visited,
    /// What is left to be done.
    pub open: Vec<Branch<S::Transition>>,
    /// What was covered so far.
    pub coverage: Coverage,
    /// Which bound has cut schedules off: [`Stop::Steps`], [`Stop::Switches`] or none.
    pub cut: Option<Stop>,
    /// What the visitors were shown so far.
    pub visitors: Vec<&'a V>,
}

/// Where a search begins.
#[derive(Debug)]
pub struct Start<T> {
    /// The states that were visited.
    pub visited: Visited,
    /// What is left to be done.
    pub open: Vec<Branch<T>>,
    /// What was covered before; it stopped for no other reason than schedules that were cut off.
    pub coverage: Coverage,
}

/// A schedule of a branch that the system does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchSchedule;

impl fmt::Display for NoSuchSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schedule is not possible")
    }
}

impl std::error::Error for NoSuchSchedule {}

/// The transitions that numbers stand for, one after the other from the initial state on.
///
/// # Errors
/// When one of them is not possible where it stands.
pub fn transitions_of<S: TransitionSystem>(
    system: &S,
    numbers: &[u64],
) -> Result<Vec<S::Transition>, NoSuchSchedule> {
    let mut walk = Walk::new(system);
    numbers.iter().map(|number| walk.step_numbered(*number)).collect()
}

/// The branch whose transitions have these numbers.
///
/// # Errors
/// When a schedule of it is not possible.
pub fn branch_of<S: TransitionSystem>(
    system: &S,
    numbers: &Branch<u64>,
) -> Result<Branch<S::Transition>, NoSuchSchedule> {
    let mut walk = Walk::new(system);
    let mut schedule = Vec::with_capacity(numbers.schedule.len());
    let mut open = Vec::with_capacity(numbers.open.len());
    let mut left = numbers.open.iter().peekable();
    loop {
        while let Some((_, steps)) = left.next_if(|(depth, _)| *depth == schedule.len()) {
            let steps: Result<Vec<_>, _> = steps.iter().map(|step| walk.find(*step)).collect();
            open.push((schedule.len(), steps?));
        }
        match numbers.schedule.get(schedule.len()) {
            Some(number) => schedule.push(walk.step_numbered(*number)?),
            // What is open beyond the schedule, or in the wrong order, is nowhere.
            None if left.peek().is_some() => return Err(NoSuchSchedule),
            None => break,
        }
    }
    Ok(Branch { schedule, is_end_open: numbers.is_end_open, open })
}

/// The numbers of a branch's transitions.
pub fn numbers_of<S: TransitionSystem>(system: &S, branch: &Branch<S::Transition>) -> Branch<u64> {
    let numbers = |steps: &[S::Transition]| -> Vec<u64> {
        steps.iter().map(|step| system.number(*step)).collect()
    };
    Branch {
        schedule: numbers(&branch.schedule),
        is_end_open: branch.is_end_open,
        open: branch.open.iter().map(|(depth, steps)| (*depth, numbers(steps))).collect(),
    }
}

/// The jobs that a branch comes to, the one to be done first last.
pub(super) fn jobs_of<S: TransitionSystem>(
    system: &S,
    branch: Branch<S::Transition>,
) -> Vec<Job<S>> {
    let stem = Arc::new(branch.schedule);
    let mut walk = Walk::new(system);
    let mut jobs = Vec::new();
    for (depth, steps) in branch.open {
        walk.follow(&stem[..depth]);
        for step in steps {
            let summary = walk.summary_after(step);
            jobs.push(Job { summary, stem: Arc::clone(&stem), stem_len: depth, last: Some(step) });
        }
    }
    if branch.is_end_open {
        walk.follow(&stem);
        let stem_len = stem.len();
        jobs.push(Job { summary: walk.summary.clone(), stem, stem_len, last: None });
    }
    jobs
}

/// The states along a schedule, and their summaries.
struct Walk<'a, S: TransitionSystem> {
    system: &'a S,
    state: S::State,
    summary: Summary,
    step_count: usize,
    monitor: S::Monitor,
    enabled: Vec<S::Transition>,
}

impl<'a, S: TransitionSystem> Walk<'a, S> {
    fn new(system: &'a S) -> Self {
        let mut state = system.initial();
        let summary = Summary::of_initial(system, &mut state);
        let monitor = S::Monitor::default();
        let mut walk = Walk { system, state, summary, step_count: 0, monitor, enabled: Vec::new() };
        walk.look();
        walk
    }

    fn look(&mut self) {
        self.enabled.clear();
        self.system.enabled(&self.state, &mut self.enabled);
        self.system.take_looked_at(&self.state);
    }

    fn find(&self, number: u64) -> Result<S::Transition, NoSuchSchedule> {
        let found = self.enabled.iter().find(|step| self.system.number(**step) == number);
        found.copied().ok_or(NoSuchSchedule)
    }

    fn step_numbered(&mut self, number: u64) -> Result<S::Transition, NoSuchSchedule> {
        let step = self.find(number)?;
        self.step(step);
        Ok(step)
    }

    /// Goes on along a schedule, of which the steps that were made are the first.
    fn follow(&mut self, schedule: &[S::Transition]) {
        for step in &schedule[self.step_count..] {
            self.step(*step);
        }
    }

    fn step(&mut self, step: S::Transition) {
        let before = self.state.clone();
        self.summary = self.made(&before, step).1;
        self.step_count += 1;
        self.look();
    }

    /// The summary of the state that one more step leads to.
    fn summary_after(&mut self, step: S::Transition) -> Summary {
        let before = self.state.clone();
        let (parts, summary) = self.made(&before, step);
        self.system.copy(&mut self.state, &before, parts);
        summary
    }

    fn made(&mut self, before: &S::State, step: S::Transition) -> (S::Parts, Summary) {
        let turn = self.summary.turn.after(self.system, &self.enabled, step);
        let parts = self.system.step(&mut self.state, step, &mut self.monitor);
        let mut summary = self.summary.clone();
        let digests = &mut summary.digests;
        let (_, rest) = self.system.update_digests(Some(before), &mut self.state, parts, digests);
        self.system.take_looked_at(before);
        self.system.take_looked_at(&self.state);
        let grown = summary.digests.iter().zip(&self.summary.digests);
        summary.sum = grown.fold(summary.sum.wrapping_add(rest), |sum, (after, before)| {
            sum.wrapping_add(after.wrapping_sub(*before))
        });
        summary.turn = turn;
        (parts.union(S::Parts::NONE), summary)
    }
}

//! What is left of a search that has stopped, so that it can go on: here, or in another process.

use super::TransitionSystem;
use super::explore::{Coverage, Job, Stop, Summary};
use super::visited::Visited;
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
    /// How many of the states were first reached after so many steps.
    pub by_depth: Vec<u64>,
    /// What the visitors were shown so far.
    pub visitors: Vec<&'a V>,
}

/// Where a search begins.
#[derive(Debug)]
pub struct Start<T> {
    /// The states that were visited.
    pub visited: Visited,
    /// How many of them were first reached after so many steps.
    pub by_depth: Vec<u64>,
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
        steps.iter().map(|step| system.number(*step) as u64).collect()
    };
    Branch {
        schedule: numbers(&branch.schedule),
        is_end_open: branch.is_end_open,
        open: branch.open.iter().map(|(depth, steps)| (*depth, numbers(steps))).collect(),
    }
}

impl<T> Branch<T> {
    /// The initial state.
    pub(super) fn root() -> Self {
        Branch { schedule: Vec::new(), is_end_open: true, open: Vec::new() }
    }

    /// How many states are to be searched from.
    pub fn open_count(&self) -> u64 {
        let steps = self.open.iter().map(|(_, steps)| steps.len() as u64);
        steps.sum::<u64>() + u64::from(self.is_end_open)
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
        let found = self.enabled.iter().find(|step| self.system.number(**step) as u64 == number);
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
        let (growth, _) = self.system.likeness(before, &self.state);
        self.system.take_looked_at(before);
        self.system.take_looked_at(&self.state);
        let grown = summary.digests.iter().zip(&self.summary.digests);
        summary.sum = grown
            .fold(summary.sum.wrapping_add(rest).wrapping_add(growth), |sum, (after, before)| {
                sum.wrapping_add(after.wrapping_sub(*before))
            });
        summary.turn = turn;
        (parts, summary)
    }
}

#[cfg(test)]
mod tests {
    use super::{Branch, NoSuchSchedule, Start, branch_of, numbers_of, transitions_of};
    use crate::engine::explore::{Control, Coverage, Limits, Stop, Visitor, explore, explore_from};
    use crate::engine::toys::{Counters, Increments};
    use crate::engine::visited::Visited;
    use crate::engine::{Ending, TransitionSystem};
    use std::sync::atomic::Ordering;

    /// Counts the schedules' ends and notes their lengths.
    #[derive(Clone, Default, PartialEq, Eq, Debug)]
    struct Ends(Vec<usize>);

    impl<S: TransitionSystem> Visitor<S> for Ends {
        fn end(&mut self, _: &S::State, schedule: &[S::Transition], _: Ending) {
            self.0.push(schedule.len());
        }

        fn violation(&mut self, _: S::Violation, _: &[S::Transition]) {}
    }

    /// Explores with a halt after every few states, each time in a new set of workers.
    fn in_goes<S: TransitionSystem>(
        system: &S,
        limits: Limits,
        worker_counts: &[usize],
        states: u64,
    ) -> (Coverage, usize, usize) {
        let mut start: Option<Start<S::Transition>> = None;
        let (mut end_count, mut goes) = (0, 0);
        loop {
            let reached = start.as_ref().map_or(0, |start| start.coverage.state_count);
            let worker_count = worker_counts[goes % worker_counts.len()];
            let limits = Limits { state_count_max: reached + states, worker_count, ..limits };
            let mut visitors = vec![Ends::default(); worker_count];
            let mut kept = None;
            let control = Control::default();
            let from = start.take();
            let coverage = explore_from(system, &limits, &control, &mut visitors, from, |halt| {
                let mut visited = Visited::default();
                let copied = halt.visited.each(|fingerprint| {
                    visited.insert_mut(fingerprint).then_some(()).ok_or("it is there twice")
                });
                assert_eq!(copied, Ok(()));
                assert_eq!(visited.count(), halt.coverage.state_count);
                // As they are in a file.
                let open = halt.open.iter().map(|branch| {
                    let numbers = numbers_of(system, branch);
                    let same = branch_of(system, &numbers).expect("it is possible");
                    assert_eq!(&same, branch);
                    same
                });
                let coverage = Coverage { stop: halt.cut, ..halt.coverage };
                assert_eq!(halt.by_depth.iter().sum::<u64>(), halt.coverage.state_count);
                let (by_depth, open) = (halt.by_depth.clone(), open.collect());
                kept = Some(Start { visited, by_depth, open, coverage });
                true
            });
            end_count += visitors.iter().map(|ends| ends.0.len()).sum::<usize>();
            goes += 1;
            if coverage.stop != Some(Stop::States) {
                return (coverage, end_count, goes);
            }
            start = kept;
        }
    }

    #[test]
    fn goes_of_any_workers_add_up_to_one_search() {
        let system = Counters { count: 4, max: 6 };
        let mut whole = vec![Ends::default()];
        let expected = explore(&system, &Limits::default(), &Control::default(), &mut whole);
        for worker_counts in [&[1][..], &[2], &[1, 3, 2]] {
            let (coverage, ends, goes) = in_goes(&system, Limits::default(), worker_counts, 100);
            assert_eq!(coverage.state_count, expected.state_count);
            assert_eq!(coverage.transition_count, expected.transition_count);
            assert_eq!((coverage.depth_max, coverage.stop, ends), (24, None, 1));
            assert!(goes > 5, "{goes}");
        }
    }

    #[test]
    fn a_search_that_is_cut_off_says_so_after_every_go() {
        let limits = Limits { step_count_max: 6, ..Limits::default() };
        let system = Counters { count: 3, max: 4 };
        let (coverage, ..) = in_goes(&system, limits, &[1], 10);
        let whole = explore(&system, &limits, &Control::default(), &mut [Ends::default()]);
        assert_eq!(Coverage { peak_bytes: 0, ..coverage }, Coverage { peak_bytes: 0, ..whole });
        assert_eq!(coverage.stop, Some(Stop::Steps));
    }

    #[test]
    fn whose_turn_it_is_outlives_a_halt() {
        let system = Increments { thread_count: 3, times: 2 };
        for switch_count_max in 0..4 {
            let limits = Limits { switch_count_max: Some(switch_count_max), ..Limits::default() };
            let whole = explore(&system, &limits, &Control::default(), &mut [Ends::default()]);
            for worker_counts in [&[1][..], &[2, 1]] {
                let (coverage, ..) = in_goes(&system, limits, worker_counts, 7);
                assert_eq!(coverage.state_count, whole.state_count);
                assert_eq!(coverage.transition_count, whole.transition_count);
                assert_eq!(coverage.stop, whole.stop);
            }
        }
    }

    #[test]
    fn workers_go_on_after_a_halt() {
        let system = Counters { count: 4, max: 9 };
        for worker_count in [1, 2] {
            let control = Control::default();
            let limits = Limits { worker_count, ..Limits::default() };
            let mut visitors = vec![Ends::default(); worker_count];
            let mut halts = Vec::new();
            let coverage = explore_from(&system, &limits, &control, &mut visitors, None, |halt| {
                halts.push((halt.coverage.state_count, halt.open.len()));
                true
            });
            // Nobody asked for one.
            assert_eq!(halts, [(1, 1), (10_000, 0)]);
            halts.clear();
            control.halt.store(true, Ordering::Relaxed);
            let again = explore_from(&system, &limits, &control, &mut visitors, None, |halt| {
                let is_new =
                    halts.last().is_none_or(|(states, _)| halt.coverage.state_count > *states);
                assert!(is_new, "{halts:?}");
                halts.push((halt.coverage.state_count, halt.open.len()));
                true
            });
            assert_eq!(again.state_count, coverage.state_count);
            assert_eq!(halts.len(), 3, "{halts:?}");
        }
    }

    #[test]
    fn schedules_that_are_not_possible_are_refused() {
        let system = Counters { count: 2, max: 1 };
        assert_eq!(transitions_of(&system, &[0, 1]), Ok(vec![0, 1]));
        assert_eq!(transitions_of(&system, &[0, 0]), Err(NoSuchSchedule));
        let branch = |schedule: &[u64], open: &[(usize, Vec<u64>)]| {
            let schedule = schedule.to_vec();
            branch_of(&system, &Branch { schedule, is_end_open: false, open: open.to_vec() })
        };
        assert!(branch(&[0], &[(0, vec![1]), (1, vec![1])]).is_ok());
        assert_eq!(branch(&[0], &[(1, vec![0])]), Err(NoSuchSchedule));
        assert_eq!(branch(&[0], &[(2, vec![1])]), Err(NoSuchSchedule));
        assert_eq!(branch(&[0], &[(1, vec![1]), (0, vec![1])]), Err(NoSuchSchedule));
    }
}

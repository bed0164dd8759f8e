//! The states along a schedule, made when somebody looks at them.

use super::memo::{Lazy, Made};
use super::{Parts, TransitionSystem};

/// The states along a schedule from the initial state on.
pub(super) struct Path<'a, S: TransitionSystem> {
    system: &'a S,
    states: Vec<Derived<S>>,
    /// How many of the states are those of the schedule; the others are memory to be used again.
    made: usize,
    monitor: S::Monitor,
    digests: Vec<u64>,
}

/// A state that was made from the one before it on the path.
struct Derived<S: TransitionSystem> {
    state: S::State,
    /// In what it may differ from that one: all that need be copied to make it equal.
    differs: S::Parts,
}

impl<'a, S: TransitionSystem> Path<'a, S> {
    pub(super) fn new(system: &'a S) -> Self {
        let mut state = system.initial();
        let mut digests = vec![0; system.slot_count()];
        system.update_digests(None, &mut state, S::Parts::ALL, &mut digests);
        let states = vec![Derived { state, differs: S::Parts::ALL }];
        Path { system, states, made: 1, monitor: S::Monitor::default(), digests }
    }

    /// The schedule has changed from this depth on.
    pub(super) fn forget_beyond(&mut self, depth: usize) {
        self.made = self.made.min(depth + 1);
    }

    /// The state that a schedule leads to in so many steps.
    pub(super) fn state(&mut self, schedule: &[S::Transition], depth: usize) -> &S::State {
        while self.made <= depth {
            let next = self.made;
            self.derive(next, schedule[next - 1]);
            self.made += 1;
        }
        &self.states[depth].state
    }

    /// The state that a whole schedule leads to, for a memo.
    pub(super) fn end<'p>(&'p mut self, schedule: &'p [S::Transition]) -> PathEnd<'p, 'a, S> {
        PathEnd { path: self, schedule }
    }

    fn derive(&mut self, at: usize, transition: S::Transition) {
        let changed = self.make(at, transition);
        let state = &mut self.states[at].state;
        self.system.update_digests(None, state, changed, &mut self.digests);
        self.system.take_looked_at(&self.states[at].state);
        self.system.take_looked_at(&self.states[at - 1].state);
    }

    /// Makes a state from the one before it.
    fn make(&mut self, at: usize, transition: S::Transition) -> S::Parts {
        if self.states.len() == at {
            let state = self.states[at - 1].state.clone();
            self.states.push(Derived { state, differs: S::Parts::NONE });
        }
        let (before, rest) = self.states.split_at_mut(at);
        let (here, rest) = rest.split_first_mut().expect("it was added above");
        let source = &before[at - 1].state;
        self.system.copy(&mut here.state, source, here.differs);
        let changed = self.system.step(&mut here.state, transition, &mut self.monitor);
        if let Some(next) = rest.first_mut() {
            next.differs = next.differs.union(here.differs).union(changed);
        }
        here.differs = changed;
        changed
    }

    /// The memory that the states take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.states.len() * self.system.state_bytes(&self.states[0].state)) as u64
    }
}

/// The end of a schedule on a path.
pub(super) struct PathEnd<'p, 'a, S: TransitionSystem> {
    path: &'p mut Path<'a, S>,
    schedule: &'p [S::Transition],
}

impl<S: TransitionSystem> Lazy<S> for PathEnd<'_, '_, S> {
    fn state(&mut self) -> &S::State {
        self.path.state(self.schedule, self.schedule.len())
    }

    fn step(&mut self, transition: S::Transition) -> Made<'_, S> {
        let depth = self.schedule.len();
        let path = &mut *self.path;
        path.state(self.schedule, depth);
        path.forget_beyond(depth);
        let changed = path.make(depth + 1, transition);
        let (before, after) = path.states.split_at_mut(depth + 1);
        let (before, after) = (&before[depth].state, &mut after[0].state);
        Made { before, after, changed, monitor: &path.monitor }
    }
}

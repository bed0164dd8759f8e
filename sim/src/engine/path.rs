//! The states that lead to a node, made when somebody looks at them.

use super::levels::Trail;
use super::memo::{Lazy, Made};
use super::{Parts, TransitionSystem};

/// The states along one schedule from the initial state on.
pub(super) struct Path<'a, S: TransitionSystem> {
    system: &'a S,
    /// How the first level of the search is reached.
    job: Vec<S::Transition>,
    states: Vec<Derived<S>>,
    /// How many of the states are those of one schedule; the others are memory to be used again.
    made: usize,
    monitor: S::Monitor,
    digests: Vec<u64>,
    /// The nodes on the way to one, the last one first.
    missing: Vec<(u64, S::Transition)>,
}

/// A state that was made from the one before it on the path.
struct Derived<S: TransitionSystem> {
    state: S::State,
    /// In what it may differ from that one: all that need be copied to make it equal.
    differs: S::Parts,
    /// The node that it is the state of; none if it lies before all nodes or ahead of them.
    node: Option<u64>,
    /// How it is reached from the one before.
    transition: Option<S::Transition>,
}

impl<'a, S: TransitionSystem> Path<'a, S> {
    pub(super) fn new(system: &'a S) -> Self {
        let mut state = system.initial();
        let mut digests = vec![0; system.slot_count()];
        system.update_digests(None, &mut state, S::Parts::ALL, &mut digests);
        let initial = Derived { state, differs: S::Parts::ALL, node: None, transition: None };
        Path {
            system,
            job: Vec::new(),
            states: vec![initial],
            made: 1,
            monitor: S::Monitor::default(),
            digests,
            missing: Vec::new(),
        }
    }

    /// The nodes are now those of another job, whose state a schedule leads to.
    pub(super) fn begin(&mut self, job: Vec<S::Transition>) {
        let same = self.job.iter().zip(&job).take_while(|(old, new)| old == new).count();
        self.made = self.made.min(same + 1);
        self.job = job;
    }

    /// How the first level is reached.
    pub(super) fn job(&self) -> &[S::Transition] {
        &self.job
    }

    /// Where a trail and some more steps lead, for a memo.
    pub(super) fn end<'p>(
        &'p mut self,
        trail: Trail<'p, S::Transition>,
        ahead: &'p [S::Transition],
    ) -> PathEnd<'p, 'a, S> {
        PathEnd { path: self, trail, ahead }
    }

    /// Makes the states up to where a trail and some more steps lead; returns how many steps that
    /// are.
    fn go_to(&mut self, trail: Trail<'_, S::Transition>, ahead: &[S::Transition]) -> usize {
        self.missing.clear();
        let mut at = trail;
        let node_at = loop {
            let place = self.job.len() + at.depth();
            let Some((above, transition)) = at.step() else { break place };
            let id = at.id();
            if place < self.made && self.states[place].node == Some(id) {
                break place;
            }
            self.missing.push((id, transition));
            at = above;
        };
        while self.made <= node_at {
            self.derive(self.job[self.made - 1]);
        }
        let mut place = node_at;
        while let Some((id, transition)) = self.missing.pop() {
            place += 1;
            self.follow(place, transition);
            self.states[place].node = Some(id);
        }
        for transition in ahead {
            place += 1;
            self.follow(place, *transition);
        }
        place
    }

    /// Makes the state at a place from the one before it, unless it is there.
    fn follow(&mut self, place: usize, transition: S::Transition) {
        if place >= self.made || self.states[place].transition != Some(transition) {
            self.made = place;
            self.derive(transition);
        }
    }

    /// Makes the next state of the schedule.
    fn derive(&mut self, transition: S::Transition) {
        let at = self.made;
        let changed = self.make(at, transition);
        let state = &mut self.states[at].state;
        self.system.update_digests(None, state, changed, &mut self.digests);
        self.system.take_looked_at(&self.states[at].state);
        self.system.take_looked_at(&self.states[at - 1].state);
        self.made += 1;
    }

    /// Makes a state from the one before it.
    fn make(&mut self, at: usize, transition: S::Transition) -> S::Parts {
        if self.states.len() == at {
            let state = self.states[at - 1].state.clone();
            let differs = S::Parts::NONE;
            self.states.push(Derived { state, differs, node: None, transition: None });
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
        here.node = None;
        here.transition = Some(transition);
        changed
    }

    /// The memory that the states take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.states.len() * self.system.state_bytes(&self.states[0].state)) as u64
    }
}

/// Where a trail and some more steps lead.
pub(super) struct PathEnd<'p, 'a, S: TransitionSystem> {
    path: &'p mut Path<'a, S>,
    trail: Trail<'p, S::Transition>,
    ahead: &'p [S::Transition],
}

impl<S: TransitionSystem> Lazy<S> for PathEnd<'_, '_, S> {
    fn state(&mut self) -> &S::State {
        let depth = self.path.go_to(self.trail, self.ahead);
        &self.path.states[depth].state
    }

    fn step(&mut self, transition: S::Transition) -> Made<'_, S> {
        let path = &mut *self.path;
        let depth = path.go_to(self.trail, self.ahead);
        path.made = depth + 1;
        let changed = path.make(depth + 1, transition);
        let (before, after) = path.states.split_at_mut(depth + 1);
        let (before, after) = (&before[depth].state, &mut after[0].state);
        Made { before, after, changed, monitor: &path.monitor }
    }

    fn keep(&mut self) {
        self.path.made += 1;
    }
}

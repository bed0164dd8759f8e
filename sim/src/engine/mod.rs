//! Searching and sampling any transition system. Nothing here knows of Windows.

pub mod cycles;
pub mod explore;
pub mod policy;
pub mod rng;
pub mod shortest;
pub mod simulate;
#[cfg(test)]
mod toys;
pub mod visited;

use std::fmt::Debug;

/// States, and the transitions that lead from one to the next.
pub trait TransitionSystem: Sync {
    /// A state. Equal situations are equal values.
    type State: Clone + Eq + Send;
    /// Some parts of a state.
    type Parts: Parts;
    /// One thing that can happen next.
    type Transition: Copy + Eq + Debug + Send;
    /// Where a step leaves what it saw; cleared by [`TransitionSystem::step`].
    type Monitor: Default + Send;
    /// What can be wrong with a step.
    type Violation: Send;

    /// The state before the first step.
    fn initial(&self) -> Self::State;

    /// Appends the transitions that are possible in a state, always in the same order.
    fn enabled(&self, state: &Self::State, out: &mut Vec<Self::Transition>);

    /// Applies a transition that is possible. Returns the parts of the state that it may have
    /// changed.
    fn step(
        &self,
        state: &mut Self::State,
        transition: Self::Transition,
        monitor: &mut Self::Monitor,
    ) -> Self::Parts;

    /// Makes the parts of a state in which it may differ from another one equal to those.
    fn copy(&self, state: &mut Self::State, source: &Self::State, parts: Self::Parts);

    /// A number that stands for a state: equal for equal states, the same on every machine, and
    /// for two different ones equal with a chance of one in 2⁶⁴.
    ///
    /// `changed` are the parts that may have changed since this was last asked of the state that
    /// it was copied from.
    fn fingerprint(&self, state: &mut Self::State, changed: Self::Parts) -> u64;

    /// About how much memory a state takes, in bytes.
    fn state_bytes(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }

    /// Whether [`TransitionSystem::check`] can find anything: if not, the state before a step
    /// need not be kept.
    fn is_checked(&self) -> bool {
        true
    }

    /// Appends what is wrong with a step that was just made.
    fn check(
        &self,
        before: &Self::State,
        transition: Self::Transition,
        after: &Self::State,
        monitor: &Self::Monitor,
        out: &mut Vec<Self::Violation>,
    );

    /// Who makes a transition: a small number, the same for all transitions of one thread.
    fn actor(&self, transition: Self::Transition) -> usize;
}

/// Some parts of a state, of those that a system tells apart.
pub trait Parts: Copy + Send {
    /// No part.
    const NONE: Self;
    /// Every part.
    const ALL: Self;

    /// The parts that are in one of the two.
    #[must_use]
    fn union(self, other: Self) -> Self;
}

/// The states of the system are not taken apart.
impl Parts for () {
    const NONE: Self = ();
    const ALL: Self = ();

    fn union(self, (): Self) -> Self {}
}

/// Why a schedule ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Nothing is possible any more.
    Rest,
    /// The step limit was met.
    StepLimit,
}

/// The most steps of one schedule, unless a caller says otherwise.
pub const STEP_COUNT_MAX: u32 = 10_000;

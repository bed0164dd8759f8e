//! Searching and sampling any transition system. Nothing here knows of Windows.

mod chart;
pub mod cycles;
pub mod estimate;
pub mod executions;
pub mod explore;
pub mod frontier;
pub mod guided;
mod halting;
mod levels;
pub mod liveness;
pub mod memo;
mod path;
mod persistent;
pub mod policy;
pub mod rng;
pub mod sample;
pub mod shortest;
pub mod simulate;
mod sources;
pub mod state_graph;
mod switches;
#[cfg(test)]
mod toys;
pub mod visited;
mod worker;

use memo::SlotSet;
use std::fmt::Debug;

/// States, and the transitions that lead from one to the next.
pub trait TransitionSystem: Sync {
    /// A state. Equal situations are equal values.
    type State: Clone + Eq + Send;
    /// Some parts of a state.
    type Parts: Parts;
    /// One thing that can happen next.
    type Transition: Copy + Eq + Debug + Send + Sync;
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

    /// How many slots a state has: pieces that steps look at as a whole. At most 63.
    fn slot_count(&self) -> usize {
        1
    }

    /// Brings the digests of a state's slots up to date. The sum of all stands for the state, as
    /// a fingerprint does.
    ///
    /// `changed` are the parts that may have changed since the digests were brought up to date
    /// last. `before` is the state as it was then; none if the digests are of no interest, or all
    /// zeros and the state is the initial one.
    ///
    /// Returns the slots that were changed and by how much the digest of what nothing looks at
    /// has grown.
    fn update_digests(
        &self,
        before: Option<&Self::State>,
        state: &mut Self::State,
        changed: Self::Parts,
        digests: &mut [u64],
    ) -> (SlotSet, u64) {
        let _ = (before, changed);
        digests[0] = self.fingerprint(state, Self::Parts::ALL);
        (1, 0)
    }

    /// By how much a step changes the sum of digests beside what it changes in the digests, so
    /// that states from which the same can follow have the same sum; and the slots that this
    /// depends on beside those that the step looks at.
    fn likeness(&self, before: &Self::State, after: &Self::State) -> (u64, SlotSet) {
        let _ = (before, after);
        (0, 0)
    }

    /// What is in some slots, for messages about what should not be.
    #[cfg(debug_assertions)]
    fn slot_names(&self, slots: SlotSet) -> Vec<String> {
        vec![format!("{slots:b}")]
    }

    /// Whether [`TransitionSystem::likeness`] tells anything.
    fn has_likeness(&self) -> bool {
        false
    }

    /// The slots that were looked at since this was last asked.
    fn take_looked_at(&self, state: &Self::State) -> SlotSet {
        let _ = state;
        1
    }

    /// A small number for a transition that no other one has.
    fn number(&self, transition: Self::Transition) -> usize;

    /// How many sources of transitions there are.
    fn source_count(&self) -> usize {
        1
    }

    /// Appends the possible transitions of one source. All sources in their order make up what
    /// [`TransitionSystem::enabled`] gives. `seen` is what the sources before it have returned,
    /// combined with or.
    fn enabled_from(
        &self,
        state: &Self::State,
        source: usize,
        seen: u8,
        out: &mut Vec<Self::Transition>,
    ) -> u8 {
        let _ = (source, seen);
        self.enabled(state, out);
        0
    }

    /// The bits that a source heeds of what those before it have returned.
    fn heeded(&self, source: usize) -> u8 {
        let _ = source;
        u8::MAX
    }

    /// The parts in which two states may differ, both of which are settled.
    fn differing(&self, one: &Self::State, other: &Self::State) -> Self::Parts {
        let _ = (one, other);
        Self::Parts::ALL
    }

    /// Takes it that all that was changed and looked at in a state is known.
    fn settle(&self, state: &mut Self::State, changed: Self::Parts) {
        let _ = (state, changed);
    }

    /// Whether what a source can do next depends on what others can.
    fn heeds_others(&self, source: usize) -> bool {
        let _ = source;
        true
    }

    /// Whether [`TransitionSystem::future`] tells anything.
    fn has_futures(&self) -> bool {
        false
    }

    /// What the transitions of a source can look at and change, from a state on.
    fn future(&self, state: &Self::State, source: usize) -> Future {
        let _ = (state, source);
        Future::default()
    }

    /// Whether sources can do anything at all once no source holds them any more; see
    /// [`Future::holds`].
    fn has_rundown(&self) -> bool {
        false
    }

    /// The slots that change when a source is woken; see [`Touch::woken`].
    fn woken(&self, source: usize) -> SlotSet {
        let _ = source;
        SlotSet::MAX
    }

    /// Whether a source has no transitions wherever sources before it have told this.
    fn is_barred(&self, source: usize, seen: u8) -> bool {
        let _ = (source, seen);
        false
    }

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

    /// The thread that makes a transition: its actor, unless that is none, as a clock or a device.
    fn thread(&self, transition: Self::Transition) -> Option<usize> {
        Some(self.actor(transition))
    }

    /// Whether an actor that could go on is preempted when another one goes: the world around the
    /// threads is not.
    fn can_be_preempted(&self, actor: usize) -> bool {
        let _ = actor;
        true
    }
}

/// What steps can look at and change: an upper bound.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Touch {
    /// The slots that are looked at.
    pub looked_at: SlotSet,
    /// The slots that are changed.
    pub changed: SlotSet,
    /// The sources that are looked at, and woken, if they wait, a bit for the number of each.
    pub woken: u64,
}

/// What a source can still do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Future {
    /// What its transitions, now or later, can look at and change, whatever others do.
    pub touch: Touch,
    /// As much about its next transition, if that leads to the same next one of its own whatever
    /// others have done.
    pub next: Option<Touch>,
    /// Others can wake it.
    pub waits: bool,
    /// As long as it does nothing, `touch` says what others can do; where none holds, it does not
    /// if [`TransitionSystem::has_rundown`].
    pub holds: bool,
    /// Its next transition may be one without which there is no cycle of states.
    pub cyclic: bool,
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

//! Schedules with few switches: most faults need only one or two at the wrong moment (Musuvathi
//! and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs",
//! 2007).
//!
//! A switch is counted where another actor goes on though the one that went last could have. What
//! can follow a state then hangs on who went last and how many switches there were: that is a
//! part of what states are told apart by.

use super::TransitionSystem;
use super::visited::fold;

/// Who went last, and how many switches there were.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Turn {
    /// None at the beginning, and after an actor that nobody takes the processor from.
    last: Option<usize>,
    pub(super) switch_count: u32,
}

impl Turn {
    /// Whether it would be a switch if somebody else went on, where these steps are possible.
    pub(super) fn is_held<S: TransitionSystem>(
        self,
        system: &S,
        enabled: &[S::Transition],
    ) -> bool {
        self.last.is_some_and(|last| enabled.iter().any(|step| system.actor(*step) == last))
    }

    /// Whether a step is a switch, where it would be one if somebody else went on.
    pub(super) fn is_left<S: TransitionSystem>(self, system: &S, step: S::Transition) -> bool {
        self.last != Some(system.actor(step))
    }

    /// After one of the steps that are possible.
    pub(super) fn after<S: TransitionSystem>(
        self,
        system: &S,
        enabled: &[S::Transition],
        step: S::Transition,
    ) -> Self {
        let is_switch = self.is_left(system, step) && self.is_held(system, enabled);
        self.then(system, step, is_switch)
    }

    /// After a step that is a switch or not.
    pub(super) fn then<S: TransitionSystem>(
        self,
        system: &S,
        step: S::Transition,
        is_switch: bool,
    ) -> Self {
        let actor = system.actor(step);
        Turn {
            last: system.can_be_preempted(actor).then_some(actor),
            switch_count: self.switch_count + u32::from(is_switch),
        }
    }

    /// The fingerprint of a state, told apart by whose turn it is.
    pub(super) fn fingerprint(self, of_state: u64) -> u64 {
        let last = self.last.map_or(0, |actor| actor as u64 + 1);
        let word = (u64::from(self.switch_count) << 32 | last).wrapping_mul(KEY);
        fold(of_state ^ word, FACTOR ^ word.rotate_left(32))
    }
}

const KEY: u64 = 0x9FB2_1C65_1E98_DF25;
const FACTOR: u64 = 0xE703_7ED1_A0B4_28DB;

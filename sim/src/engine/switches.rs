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

#[cfg(test)]
mod tests {
    use crate::engine::explore::{Control, Limits, Stop, Visitor, explore};
    use crate::engine::toys::{Increments, Locks};
    use crate::engine::{Ending, TransitionSystem};
    use std::collections::BTreeSet;
    use std::fmt::Debug;

    /// How schedules ended, and who violated something.
    #[derive(Default, PartialEq, Eq, Debug)]
    struct Found {
        ends: BTreeSet<String>,
        violations: BTreeSet<usize>,
    }

    impl<S: TransitionSystem<Violation = usize, State: Debug>> Visitor<S> for Found {
        fn end(&mut self, state: &S::State, _: &[S::Transition], _: Ending) {
            self.ends.insert(format!("{state:?}"));
        }

        fn violation(&mut self, violation: usize, _: &[S::Transition]) {
            self.violations.insert(violation);
        }
    }

    type Toy = dyn Fn(u32) -> (Found, Found, Option<Stop>);

    /// What the search finds with a bound, what going through every schedule finds with it, and
    /// why the search stopped.
    fn toy<S>(system: S, worker_count: usize) -> Box<Toy>
    where
        S: TransitionSystem<Violation = usize, Transition = usize, State: Debug> + 'static,
    {
        Box::new(move |bound| {
            let limits =
                Limits { switch_count_max: Some(bound), worker_count, ..Limits::default() };
            let mut found: Vec<Found> = (0..worker_count).map(|_| Found::default()).collect();
            let coverage = explore(&system, &limits, &Control::default(), &mut found);
            let joined = found.into_iter().fold(Found::default(), |mut all, one| {
                all.ends.extend(one.ends);
                all.violations.extend(one.violations);
                all
            });
            let mut every = Found::default();
            go_through(&system, &system.initial(), &mut Vec::new(), bound, &mut every);
            (joined, every, coverage.stop)
        })
    }

    /// Every schedule, each by itself. The transitions of these toys are their threads.
    fn go_through<S>(
        system: &S,
        state: &S::State,
        schedule: &mut Vec<usize>,
        left: u32,
        found: &mut Found,
    ) where
        S: TransitionSystem<Violation = usize, Transition = usize, State: Debug>,
    {
        let mut enabled = Vec::new();
        system.enabled(state, &mut enabled);
        if enabled.is_empty() {
            found.ends.insert(format!("{state:?}"));
        }
        for thread in &enabled {
            let is_switch =
                schedule.last().is_some_and(|last| last != thread && enabled.contains(last));
            // A step that is not followed is looked at all the same.
            let mut after = state.clone();
            let mut monitor = S::Monitor::default();
            system.step(&mut after, *thread, &mut monitor);
            let mut violations = Vec::new();
            system.check(state, *thread, &after, &monitor, &mut violations);
            if is_switch && left == 0 {
                continue;
            }
            found.violations.extend(violations);
            schedule.push(*thread);
            go_through(system, &after, schedule, left - u32::from(is_switch), found);
            schedule.pop();
        }
    }

    fn toys(worker_count: usize) -> Vec<Box<Toy>> {
        vec![
            toy(Locks { ordered: false }, worker_count),
            toy(Locks { ordered: true }, worker_count),
            toy(Increments { thread_count: 2, times: 3 }, worker_count),
            toy(Increments { thread_count: 3, times: 2 }, worker_count),
        ]
    }

    #[test]
    fn the_search_finds_what_going_through_every_schedule_finds() {
        for worker_count in [1, 2] {
            for (number, toy) in toys(worker_count).into_iter().enumerate() {
                for bound in 0..7 {
                    let (found, every, _) = toy(bound);
                    assert_eq!(found, every, "toy {number} with {bound} switches");
                }
            }
        }
    }

    #[test]
    fn the_search_is_complete_when_nothing_was_cut_off() {
        // Two threads of six steps switch at most ten times.
        let toy = toy(Increments { thread_count: 2, times: 3 }, 1);
        for bound in [0, 1, 9, 10, 11] {
            let expected = (bound < 10).then_some(Stop::Switches);
            assert_eq!(toy(bound).2, expected, "{bound} switches");
        }
    }

    #[test]
    fn a_switch_at_the_wrong_moment_is_found_with_one() {
        let locks = toy(Locks { ordered: false }, 1);
        let ends = |bound| locks(bound).0.ends.len();
        assert_eq!((ends(0), ends(1)), (1, 2), "each holds what the other wants");
        let increments = toy(Increments { thread_count: 3, times: 2 }, 1);
        assert!(increments(0).0.violations.is_empty());
        assert_eq!(increments(1).0.violations.len(), 3);
    }
}

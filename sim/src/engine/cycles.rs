//! Schedules that can go on for ever: cycles among the states.

use super::{Parts, TransitionSystem};
use std::collections::HashMap;

/// Calls `on_cycle` with states to which their own schedules can come back, and the schedule that
/// first led there. At least one state of every cycle's strongly connected component is among
/// them.
///
/// Looks at every state, but at no more than `state_count_max`; returns whether that was enough.
/// Schedules longer than `step_count_max` are not followed.
pub fn cycles<S: TransitionSystem>(
    system: &S,
    step_count_max: u32,
    state_count_max: u64,
    mut on_cycle: impl FnMut(&S::State, &[S::Transition]),
) -> bool {
    let mut monitor = S::Monitor::default();
    let mut schedule = Vec::new();
    let mut path = vec![Level::new(system, system.initial())];
    // For each state seen, whether it is on the path: depth-first search closes a cycle with
    // every step back to the path, and misses no component that has one.
    let mut on_path = HashMap::from([(path[0].fingerprint, true)]);
    while let Some(level) = path.last_mut() {
        let Some(transition) = level.transitions.pop() else {
            on_path.insert(level.fingerprint, false);
            path.pop();
            schedule.pop();
            continue;
        };
        let mut after = level.state.clone();
        let changed = system.step(&mut after, transition, &mut monitor);
        match on_path.get(&system.fingerprint(&mut after, changed)) {
            Some(true) => {
                schedule.push(transition);
                on_cycle(&after, &schedule);
                schedule.pop();
            }
            Some(false) => {}
            None if schedule.len() as u32 >= step_count_max => {}
            None if on_path.len() as u64 >= state_count_max => return false,
            None => {
                let next = Level::new(system, after);
                on_path.insert(next.fingerprint, true);
                schedule.push(transition);
                path.push(next);
            }
        }
    }
    true
}

/// A state on the path and what was not followed from it yet.
struct Level<S: TransitionSystem> {
    state: S::State,
    fingerprint: u64,
    transitions: Vec<S::Transition>,
}

impl<S: TransitionSystem> Level<S> {
    fn new(system: &S, mut state: S::State) -> Self {
        let mut transitions = Vec::new();
        system.enabled(&state, &mut transitions);
        transitions.reverse();
        Level { fingerprint: system.fingerprint(&mut state, S::Parts::ALL), state, transitions }
    }
}

#[cfg(test)]
mod tests {
    use super::cycles;
    use crate::engine::TransitionSystem;
    use crate::engine::toys::{Counters, Locks, Ring};

    fn count<S: TransitionSystem>(system: &S) -> usize {
        let mut found = 0;
        assert!(cycles(system, 100, u64::MAX, |_, _| found += 1));
        found
    }

    #[test]
    fn systems_that_end_have_none() {
        assert_eq!(count(&Counters { count: 3, max: 4 }), 0);
        assert_eq!(count(&Locks { ordered: false }), 0);
    }

    #[test]
    fn a_way_back_is_found_beyond_a_way_that_ends() {
        for stem in 0..5 {
            let mut found = Vec::new();
            let is_all = cycles(&Ring { stem, length: 3 }, 100, u64::MAX, |state, schedule| {
                found.push((*state, schedule.len()));
            });
            assert!(is_all);
            assert_eq!(found, [(stem, usize::from(stem) + 3)]);
        }
    }

    #[test]
    fn schedules_past_the_limit_are_not_followed() {
        let mut found = 0;
        assert!(cycles(&Ring { stem: 5, length: 3 }, 6, u64::MAX, |_, _| found += 1));
        assert_eq!(found, 0);
    }

    #[test]
    fn too_many_states_are_told() {
        let mut found = 0;
        assert!(!cycles(&Ring { stem: 5, length: 3 }, 100, 8, |_, _| found += 1));
        assert!(cycles(&Ring { stem: 5, length: 3 }, 100, 9, |_, _| found += 1));
        assert_eq!(found, 1);
    }
}

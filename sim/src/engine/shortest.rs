//! Shortest schedules: breadth-first search until a step or a state is found.

use super::visited::Visited;
use super::{Parts, TransitionSystem};

/// What a search for a shortest schedule looks at, after each step.
#[derive(Debug)]
pub struct Reached<'a, S: TransitionSystem> {
    /// The state after the step.
    pub state: &'a S::State,
    /// What is wrong with the step.
    pub violations: &'a [S::Violation],
    /// Nothing is possible in the state.
    pub at_rest: bool,
}

/// The shortest schedule whose last step is wanted, the first one in the order of transitions
/// among those; `None` when there is none within `state_count_max` states.
///
/// Keeps two levels of states, and 16 bytes for each state reached.
pub fn shortest<S: TransitionSystem>(
    system: &S,
    state_count_max: u64,
    mut is_wanted: impl FnMut(&Reached<'_, S>) -> bool,
) -> Option<Vec<S::Transition>> {
    let mut visited = Visited::default();
    let mut links: Vec<(u32, S::Transition)> = Vec::new();
    let mut initial = system.initial();
    visited.insert_mut(system.fingerprint(&mut initial, S::Parts::ALL));
    // Of each state of a level: itself, and its place in `links` (none for the initial state).
    let mut level = vec![(initial, None)];
    let mut monitor = S::Monitor::default();
    let mut transitions = Vec::new();
    let mut next_transitions = Vec::new();
    let mut violations = Vec::new();
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (state, link) in level {
            transitions.clear();
            system.enabled(&state, &mut transitions);
            for transition in &transitions {
                let mut after = state.clone();
                let changed = system.step(&mut after, *transition, &mut monitor);
                violations.clear();
                system.check(&state, *transition, &after, &monitor, &mut violations);
                next_transitions.clear();
                system.enabled(&after, &mut next_transitions);
                let at_rest = next_transitions.is_empty();
                if is_wanted(&Reached { state: &after, violations: &violations, at_rest }) {
                    let mut schedule = schedule_to(&links, link);
                    schedule.push(*transition);
                    return Some(schedule);
                }
                if visited.insert_mut(system.fingerprint(&mut after, changed)) {
                    if links.len() as u64 >= state_count_max {
                        return None;
                    }
                    links.push((link.map_or(u32::MAX, |link: usize| link as u32), *transition));
                    next_level.push((after, Some(links.len() - 1)));
                }
            }
        }
        level = next_level;
    }
    None
}

fn schedule_to<T: Copy>(links: &[(u32, T)], last: Option<usize>) -> Vec<T> {
    let mut schedule = Vec::new();
    let mut at = last;
    while let Some(link) = at {
        let (parent, transition) = links[link];
        schedule.push(transition);
        at = (parent != u32::MAX).then_some(parent as usize);
    }
    schedule.reverse();
    schedule
}

#[cfg(test)]
mod tests {
    use super::shortest;
    use crate::engine::toys::{Counters, Locks};

    #[test]
    fn the_schedule_is_a_shortest_one() {
        let system = Counters { count: 2, max: 9 };
        let schedule = shortest(&system, 1_000, |reached| reached.state[1] == 2);
        assert_eq!(schedule, Some(vec![1, 1]));
        assert_eq!(shortest(&system, 1_000, |reached| reached.state[0] == 10), None);
        assert_eq!(shortest(&system, 3, |reached| reached.state[0] == 9), None);
    }

    #[test]
    fn violations_and_rest_can_be_asked_for() {
        let locks = Locks { ordered: false };
        let both = shortest(&locks, 1_000, |reached| !reached.violations.is_empty());
        assert_eq!(both, Some(vec![0, 0]));
        let deadlock = shortest(&locks, 1_000, |reached| reached.at_rest);
        assert_eq!(deadlock, Some(vec![0, 1]));
    }
}

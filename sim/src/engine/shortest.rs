//! Shortest schedules, and of those the ones that are easiest to follow: with the fewest switches
//! between threads.
//!
//! A switch is where a thread makes a step and the step of a thread before it was another's. What
//! no thread does (time passes, a device completes a request) lies between the steps of threads and
//! is no switch by itself: a thread that sleeps and goes on is still the same.

use super::visited::Visited;
use super::{Parts, TransitionSystem};
use std::collections::HashMap;

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

/// A schedule whose last step is wanted: a shortest one, with the fewest switches among those, the
/// first one in the order of transitions among those; `None` when there is none within
/// `state_count_max` states.
///
/// All states at one distance are looked at before those further away. Of the schedules of that
/// length to a state only some of those with the fewest switches are kept, one for each thread
/// that can be the last to make a step: any other has one more, which it cannot make good.
///
/// Keeps two levels of states, and 16 bytes for each schedule that was kept: at most as many for a
/// state as there are threads, mostly one.
pub fn shortest<S: TransitionSystem>(
    system: &S,
    state_count_max: u64,
    mut is_wanted: impl FnMut(&Reached<'_, S>) -> bool,
) -> Option<Vec<S::Transition>> {
    let mut visited = Visited::default();
    let mut links: Vec<Link<S::Transition>> = Vec::new();
    let mut initial = system.initial();
    visited.insert_mut(system.fingerprint(&mut initial, S::Parts::ALL));
    let mut state_count = 0;
    let mut level: Vec<Place<S>> = vec![Place::initial(initial)];
    let mut monitor = S::Monitor::default();
    let mut transitions = Vec::new();
    let mut next_transitions = Vec::new();
    let mut violations = Vec::new();
    // The best schedule found, by its switches and its last step.
    let mut best: Option<(u32, Link<S::Transition>)> = None;
    while !level.is_empty() && best.is_none() && state_count <= state_count_max {
        let mut next_level: Vec<Place<S>> = Vec::new();
        let mut places: HashMap<u64, usize> = HashMap::new();
        for place in &level {
            transitions.clear();
            system.enabled(&place.state, &mut transitions);
            for transition in &transitions {
                let mut after = place.state.clone();
                let changed = system.step(&mut after, *transition, &mut monitor);
                violations.clear();
                system.check(&place.state, *transition, &after, &monitor, &mut violations);
                next_transitions.clear();
                system.enabled(&after, &mut next_transitions);
                let at_rest = next_transitions.is_empty();
                let thread = system.thread(*transition);
                if is_wanted(&Reached { state: &after, violations: &violations, at_rest }) {
                    let (switch_count, way) = place.best_way(thread);
                    if best.as_ref().is_none_or(|(count, _)| switch_count < *count) {
                        best = Some((switch_count, Link { before: way, transition: *transition }));
                    }
                    continue;
                }
                if best.is_some() || state_count > state_count_max {
                    continue;
                }
                let fingerprint = system.fingerprint(&mut after, changed);
                if visited.insert_mut(fingerprint) {
                    state_count += 1;
                    places.insert(fingerprint, next_level.len());
                    next_level.push(Place { state: after, switch_count: u32::MAX, ways: vec![] });
                }
                if let Some(at) = places.get(&fingerprint) {
                    next_level[*at].add_ways(place, *transition, thread);
                }
            }
        }
        for way in next_level.iter_mut().flat_map(|place| &mut place.ways) {
            links.extend(way.last_step);
            way.link = links.len() as u32 - 1;
        }
        level = next_level;
    }
    best.map(|(_, last)| schedule_to(&links, last))
}

/// The last step of a schedule, and the link of the schedule before it.
#[derive(Clone, Copy)]
struct Link<T> {
    before: u32,
    transition: T,
}

/// The link of the schedule without a step.
const NO_LINK: u32 = u32::MAX;

/// A state of a level, and the schedules kept that lead to it: all have the same length and as
/// many switches.
struct Place<S: TransitionSystem> {
    state: S::State,
    switch_count: u32,
    ways: Vec<Way<S::Transition>>,
}

/// A schedule to a state.
struct Way<T> {
    /// The last thread that made a step.
    thread: Option<usize>,
    /// The last step; none in the schedule without one.
    last_step: Option<Link<T>>,
    /// Where the step stands among the links, when its level is complete.
    link: u32,
}

impl<S: TransitionSystem> Place<S> {
    fn initial(state: S::State) -> Self {
        let way = Way { thread: None, last_step: None, link: NO_LINK };
        Place { state, switch_count: 0, ways: vec![way] }
    }

    /// How many switches a schedule has that goes one way and then on with a thread's step.
    fn switches_after(&self, way: &Way<S::Transition>, thread: Option<usize>) -> u32 {
        let is_switch = matches!((way.thread, thread), (Some(last), Some(next)) if last != next);
        self.switch_count + u32::from(is_switch)
    }

    /// The fewest switches with which a thread's step can follow, and the link of the way.
    fn best_way(&self, thread: Option<usize>) -> (u32, u32) {
        let ways = self.ways.iter().map(|way| (self.switches_after(way, thread), way.link));
        ways.min_by_key(|(switch_count, _)| *switch_count).expect("a way leads to each place")
    }

    /// Adds the ways that lead here through another place and a thread's step.
    fn add_ways(&mut self, from: &Self, transition: S::Transition, thread: Option<usize>) {
        for way in &from.ways {
            let switch_count = from.switches_after(way, thread);
            if switch_count < self.switch_count {
                self.switch_count = switch_count;
                self.ways.clear();
            }
            let thread = thread.or(way.thread);
            if switch_count == self.switch_count
                && self.ways.iter().all(|other| other.thread != thread)
            {
                let last_step = Some(Link { before: way.link, transition });
                self.ways.push(Way { thread, last_step, link: NO_LINK });
            }
        }
    }
}

fn schedule_to<T: Copy>(links: &[Link<T>], last: Link<T>) -> Vec<T> {
    let mut schedule = vec![last.transition];
    let mut at = last.before;
    while at != NO_LINK {
        let link = links[at as usize];
        schedule.push(link.transition);
        at = link.before;
    }
    schedule.reverse();
    schedule
}

#[cfg(test)]
mod tests {
    use super::shortest;
    use crate::engine::TransitionSystem;
    use crate::engine::rng::Rng;
    use crate::engine::toys::{Counters, Locks, Table, TableStep};

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

    #[test]
    fn counters_that_have_to_run_run_one_after_the_other() {
        let system = Counters { count: 3, max: 4 };
        let schedule = shortest(&system, 1_000, |reached| *reached.state == [2, 3, 1]);
        assert_eq!(schedule, Some(vec![0, 0, 1, 1, 1, 2]));
    }

    #[test]
    fn what_nobody_does_is_no_switch() {
        let by = |thread, to| TableStep { thread, to };
        // To state 5: by 0, nobody, 0; or by 0, nobody, 1, which stands first in its state.
        let states = vec![
            vec![by(Some(0), 1), by(Some(0), 2)],
            vec![by(None, 3)],
            vec![by(None, 4)],
            vec![by(Some(1), 5)],
            vec![by(Some(0), 5)],
            vec![],
        ];
        let schedule = shortest(&Table { states }, 100, |reached| *reached.state == 5);
        assert_eq!(schedule, Some(vec![by(Some(0), 2), by(None, 4), by(Some(0), 5)]));
    }

    fn switch_count(schedule: &[TableStep]) -> usize {
        let threads: Vec<usize> = schedule.iter().filter_map(|step| step.thread).collect();
        threads.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// The length and the switches of the best of all schedules up to some length that end in a
    /// state.
    fn best_of_all(table: &Table, wanted: usize, length_max: usize) -> Option<(usize, usize)> {
        let mut best = None;
        let mut open = vec![(0, Vec::new())];
        while let Some((state, schedule)) = open.pop() {
            if state == wanted && !schedule.is_empty() {
                let this = (schedule.len(), switch_count(&schedule));
                best = Some(best.map_or(this, |best| this.min(best)));
            } else if schedule.len() < length_max {
                for step in &table.states[state] {
                    open.push((step.to, [&schedule[..], &[*step]].concat()));
                }
            }
        }
        best
    }

    #[test]
    fn no_schedule_is_shorter_and_none_as_short_has_fewer_switches() {
        let mut longest = (0, 0);
        for seed in 0..400 {
            let table = Table::random(&mut Rng::new(seed), 9);
            let found = shortest(&table, 1_000, |reached| *reached.state == 8);
            if let Some(schedule) = &found {
                let mut state = table.initial();
                for step in schedule {
                    assert!(table.states[state].contains(step), "seed {seed}");
                    table.step(&mut state, *step, &mut ());
                }
                assert_eq!(state, 8, "seed {seed}");
            }
            let found = found.map(|schedule| (schedule.len(), switch_count(&schedule)));
            assert_eq!(found, best_of_all(&table, 8, 8), "seed {seed}");
            longest = longest.max(found.unwrap_or_default());
        }
        assert!(longest.0 >= 5 && longest.1 >= 2, "the tables are too easy: {longest:?}");
    }
}

//! The states that runs come to again and again, and the steps between them: where a step is on
//! the chart, nothing has to be found out.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The most states of a chart: about two hundred bytes each, and all of them looked at by chance.
const STATE_COUNT_MAX: usize = 1 << 18;

/// With so many states, and with twice as many each time, a chart is asked whether it is of use: if
/// most steps since were on it. Looks at a large chart wait for memory, which may take longer than to
/// find a step otherwise.
const STATE_COUNT_ASKED: usize = 1 << 15;

/// A state on a chart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

#[derive(Clone, Copy, Debug)]
struct Charted {
    sum: u64,
    /// Where its steps begin, if they are known.
    first: u32,
    count: u32,
}

/// Where nothing is known of a step, or of the steps from a state.
const NOWHERE: u32 = u32::MAX;

/// States by the sums of their digests.
#[derive(Debug)]
pub(super) struct Chart<T> {
    places: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    slot_count: usize,
    states: Vec<Charted>,
    /// The digests of all states, one state's after the other's.
    digests: Vec<u64>,
    transitions: Vec<T>,
    /// Where each of them leads.
    targets: Vec<u32>,
    /// The steps that were on it, and those that were not, since it was last asked.
    hits: u64,
    misses: u64,
    /// With how many states it is asked next.
    asked_at: usize,
}

impl<T: Copy> Chart<T> {
    pub(super) fn new(slot_count: usize) -> Self {
        Chart {
            places: HashMap::default(),
            slot_count,
            states: Vec::new(),
            digests: Vec::new(),
            transitions: Vec::new(),
            targets: Vec::new(),
            hits: 0,
            misses: 0,
            asked_at: STATE_COUNT_ASKED,
        }
    }

    /// The place of a state; none when there is no room for it.
    pub(super) fn place(&mut self, sum: u64, digests: &[u64]) -> Option<Place> {
        if let Some(place) = self.places.get(&sum) {
            return Some(Place(*place));
        }
        let count = self.states.len();
        if count == STATE_COUNT_MAX {
            return None;
        }
        self.places.insert(sum, count as u32);
        self.states.push(Charted { sum, first: NOWHERE, count: 0 });
        self.digests.extend_from_slice(digests);
        Some(Place(count as u32))
    }

    pub(super) fn sum(&self, place: Place) -> u64 {
        self.states[place.0 as usize].sum
    }

    pub(super) fn digests(&self, place: Place) -> &[u64] {
        &self.digests[place.0 as usize * self.slot_count..][..self.slot_count]
    }

    /// The transitions that are possible at a place, if they are known.
    pub(super) fn transitions(&self, place: Place) -> Option<&[T]> {
        let Charted { first, count, .. } = self.states[place.0 as usize];
        (first != NOWHERE).then(|| &self.transitions[first as usize..][..count as usize])
    }

    /// Notes the transitions that are possible at a place.
    pub(super) fn note(&mut self, place: Place, transitions: &[T]) {
        let first = self.transitions.len();
        let state = &mut self.states[place.0 as usize];
        (state.first, state.count) = (first as u32, transitions.len() as u32);
        self.transitions.extend_from_slice(transitions);
        self.targets.resize(self.transitions.len(), NOWHERE);
    }

    /// Whether the runs are on the chart often enough. It is asked when it has got larger.
    pub(super) fn is_of_use(&mut self) -> bool {
        if self.states.len() < self.asked_at {
            return true;
        }
        self.asked_at *= 2;
        let (hits, misses) = (std::mem::take(&mut self.hits), std::mem::take(&mut self.misses));
        hits >= misses
    }

    /// Where one of the transitions leads, if that is known.
    pub(super) fn target(&mut self, place: Place, pick: usize) -> Option<Place> {
        let first = self.states[place.0 as usize].first;
        let target = self.targets.get(first as usize + pick).copied().unwrap_or(NOWHERE);
        let is_known = target != NOWHERE;
        *(if is_known { &mut self.hits } else { &mut self.misses }) += 1;
        is_known.then_some(Place(target))
    }

    /// Notes where one of the transitions leads.
    pub(super) fn link(&mut self, place: Place, pick: usize, target: Place) {
        let first = self.states[place.0 as usize].first;
        if let Some(known) = self.targets.get_mut(first as usize + pick) {
            *known = target.0;
        }
    }
}

/// Sums of digests are hashes already.
#[derive(Clone, Copy, Default, Debug)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write(&mut self, bytes: &[u8]) {
        let shifted = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        self.0 = bytes.iter().fold(self.0, shifted);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Chart, STATE_COUNT_ASKED};

    /// Whether it is of use all the time, with so many states of a chain on it of which the first
    /// step is made again so often after each new one.
    fn is_of_use(state_count: usize, hits_per_miss: u64) -> bool {
        let mut chart: Chart<u8> = Chart::new(1);
        let first = chart.place(0, &[0]).expect("there is room");
        let mut place = first;
        for state in 1..state_count as u64 {
            chart.note(place, &[7]);
            assert_eq!(chart.target(place, 0), None);
            let next = chart.place(state, &[state]).expect("there is room");
            chart.link(place, 0, next);
            (0..hits_per_miss).for_each(|_| assert!(chart.target(first, 0).is_some()));
            place = next;
            if !chart.is_of_use() {
                return false;
            }
        }
        assert_eq!((chart.sum(place), chart.transitions(place)), (state_count as u64 - 1, None));
        true
    }

    #[test]
    fn a_chart_is_of_use_where_most_steps_are_on_it() {
        assert!(is_of_use(STATE_COUNT_ASKED - 1, 0), "too early to tell");
        assert!(!is_of_use(STATE_COUNT_ASKED, 0));
        assert!(is_of_use(STATE_COUNT_ASKED * 2, 1));
    }
}

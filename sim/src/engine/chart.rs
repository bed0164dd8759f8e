//! The states that runs come to again and again, and the steps between them: where a step is on
//! the chart, nothing has to be found out.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The most states of a chart: about a hundred bytes each, and all of them looked at by chance.
const STATE_COUNT_MAX: usize = 1 << 18;

/// A state on a chart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

/// Where nothing is known of a step.
const NOWHERE: u32 = u32::MAX;

/// States by the sums of their digests.
#[derive(Debug)]
pub(super) struct Chart<T> {
    places: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    slot_count: usize,
    sums: Vec<u64>,
    /// The digests of all states, one state's after the other's.
    digests: Vec<u64>,
    /// Where the steps of each state begin, and how many there are; none if that is not known.
    steps: Vec<Option<(u32, u32)>>,
    transitions: Vec<T>,
    /// Where each of them leads.
    targets: Vec<u32>,
}

impl<T: Copy> Chart<T> {
    pub(super) fn new(slot_count: usize) -> Self {
        Chart {
            places: HashMap::default(),
            slot_count,
            sums: Vec::new(),
            digests: Vec::new(),
            steps: Vec::new(),
            transitions: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// The place of a state; none when there is no room for it.
    pub(super) fn place(&mut self, sum: u64, digests: &[u64]) -> Option<Place> {
        if let Some(place) = self.places.get(&sum) {
            return Some(Place(*place));
        }
        let count = self.sums.len();
        if count == STATE_COUNT_MAX {
            return None;
        }
        self.places.insert(sum, count as u32);
        self.sums.push(sum);
        self.digests.extend_from_slice(digests);
        self.steps.push(None);
        Some(Place(count as u32))
    }

    pub(super) fn sum(&self, place: Place) -> u64 {
        self.sums[place.0 as usize]
    }

    pub(super) fn digests(&self, place: Place) -> &[u64] {
        &self.digests[place.0 as usize * self.slot_count..][..self.slot_count]
    }

    /// The transitions that are possible at a place, if they are known.
    pub(super) fn transitions(&self, place: Place) -> Option<&[T]> {
        let (first, count) = self.steps[place.0 as usize]?;
        Some(&self.transitions[first as usize..][..count as usize])
    }

    /// Notes the transitions that are possible at a place.
    pub(super) fn note(&mut self, place: Place, transitions: &[T]) {
        let first = self.transitions.len();
        self.steps[place.0 as usize] = Some((first as u32, transitions.len() as u32));
        self.transitions.extend_from_slice(transitions);
        self.targets.resize(self.transitions.len(), NOWHERE);
    }

    /// Where one of the transitions leads, if that is known.
    pub(super) fn target(&self, place: Place, pick: usize) -> Option<Place> {
        let (first, _) = self.steps[place.0 as usize]?;
        let target = self.targets[first as usize + pick];
        (target != NOWHERE).then_some(Place(target))
    }

    /// Notes where one of the transitions leads.
    pub(super) fn link(&mut self, place: Place, pick: usize, target: Place) {
        if let Some((first, _)) = self.steps[place.0 as usize] {
            self.targets[first as usize + pick] = target.0;
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

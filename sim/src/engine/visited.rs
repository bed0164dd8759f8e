//! The set of states that were seen, as 64-bit fingerprints.
//!
//! Two different states with the same fingerprint would be taken for one. With `n` states the
//! chance of that is about `n² / 2⁶⁵`: a millionth at six million states.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// The fingerprint of anything that can be hashed; the same on every machine.
pub fn fingerprint<T: Hash>(state: &T) -> u64 {
    let mut hasher = WordHasher { sum: 0, key: 0 };
    state.hash(&mut hasher);
    hasher.finish()
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;

/// Hashes a sequence of words: states write themselves as few words of 64 bits, one after the
/// other, and then nothing that the general hashers do beside multiplying is needed.
///
/// Each word is multiplied with a key of its place, the product folded to 64 bits, and all are
/// added up, so that no multiplication waits for the one before.
struct WordHasher {
    sum: u64,
    key: u64,
}

pub(super) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Hasher for WordHasher {
    fn write_u64(&mut self, word: u64) {
        self.key = self.key.wrapping_add(SEED);
        self.sum = self.sum.wrapping_add(fold(word ^ self.key, FACTOR));
    }

    fn write_u128(&mut self, words: u128) {
        let (high, low) = ((words >> 64) as u64, words as u64);
        self.key = self.key.wrapping_add(SEED);
        self.sum = self.sum.wrapping_add(fold(high ^ self.key, low ^ self.key ^ FACTOR));
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.sum ^ SEED, FACTOR) ^ fold(self.key ^ self.sum, SEED)
    }
}

/// The fingerprint of a state whose digests have this sum.
pub(super) fn scramble(sum: u64) -> u64 {
    fold(sum ^ SEED, FACTOR)
}

/// The chance that at least two of so many states have the same fingerprint.
pub fn collision_chance(state_count: u64) -> f64 {
    let count = state_count as f64;
    count * count / 2_f64.powi(65)
}

/// How many tables share the fingerprints, by their high bits. Each grows by itself, so that only
/// one is there twice at any moment, and several threads seldom meet.
const SHARD_COUNT: usize = 64;

/// A set of fingerprints that several threads can share.
#[derive(Debug)]
pub struct Visited {
    shards: Vec<Mutex<Table>>,
}

impl Default for Visited {
    fn default() -> Self {
        Visited { shards: (0..SHARD_COUNT).map(|_| Mutex::default()).collect() }
    }
}

impl Visited {
    /// An empty set with room for so many. Whoever adds fingerprints in the order in which
    /// [`Visited::each`] shows them needs it: a table that grows meanwhile would be full at its
    /// front and empty behind.
    pub fn with_room_for(count: u64) -> Self {
        let slots = (count / SHARD_COUNT as u64 * 3 / 2) as usize + 16;
        let table = || Mutex::new(Table { slots: vec![0; slots], count: 0 });
        Visited { shards: (0..SHARD_COUNT).map(|_| table()).collect() }
    }

    fn shard(fingerprint: u64) -> usize {
        (fingerprint >> 58) as usize
    }

    /// Adds a fingerprint; `false` when it was there.
    pub fn insert(&self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        let shard = &self.shards[Self::shard(fingerprint)];
        shard.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint)
    }

    /// As [`Visited::insert`], for the only user of the set: needs no lock.
    pub fn insert_mut(&mut self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        let shard = &mut self.shards[Self::shard(fingerprint)];
        shard.get_mut().unwrap_or_else(PoisonError::into_inner).insert(fingerprint)
    }

    /// Whether a fingerprint was added.
    pub fn contains(&self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        let shard = &self.shards[Self::shard(fingerprint)];
        shard.lock().unwrap_or_else(PoisonError::into_inner).contains(fingerprint)
    }

    /// How many fingerprints there are.
    pub fn count(&self) -> u64 {
        let count = |shard: &Mutex<Table>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).count as u64
        };
        self.shards.iter().map(count).sum()
    }

    /// Shows every fingerprint, in no order.
    ///
    /// # Errors
    /// The first error that `show` returns.
    pub fn each<E>(&self, mut show: impl FnMut(u64) -> Result<(), E>) -> Result<(), E> {
        for shard in &self.shards {
            let table = shard.lock().unwrap_or_else(PoisonError::into_inner);
            table.slots.iter().filter(|slot| **slot != 0).try_for_each(|slot| show(*slot))?;
        }
        Ok(())
    }

    /// The memory that the set takes, in bytes.
    pub fn bytes(&self) -> u64 {
        let bytes = |shard: &Mutex<Table>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).slots.len() as u64 * 8
        };
        self.shards.iter().map(bytes).sum()
    }
}

/// How a search uses a set of fingerprints: alone, or with others.
pub(super) trait Access {
    /// Adds a fingerprint; `false` when it was there.
    fn insert(&mut self, fingerprint: u64) -> bool;

    /// What is where a fingerprint is looked for first: whoever asks early finds it near later.
    fn peek(&mut self, fingerprint: u64) -> u64;

    /// The memory that the set takes, in bytes.
    fn bytes(&self) -> u64;

    /// The set.
    fn set(&self) -> &Visited;
}

impl Access for &Visited {
    fn insert(&mut self, fingerprint: u64) -> bool {
        Visited::insert(self, fingerprint)
    }

    fn peek(&mut self, fingerprint: u64) -> u64 {
        // A table that somebody is writing to is passed over.
        let table = self.shards[Visited::shard(fingerprint)].try_lock();
        table.map_or(0, |table| table.place(fingerprint).unwrap_or(0))
    }

    fn bytes(&self) -> u64 {
        Visited::bytes(self)
    }

    fn set(&self) -> &Visited {
        self
    }
}

impl Access for &mut Visited {
    fn insert(&mut self, fingerprint: u64) -> bool {
        self.insert_mut(fingerprint)
    }

    fn peek(&mut self, fingerprint: u64) -> u64 {
        let shard = self.shards[Visited::shard(fingerprint)].get_mut();
        shard.unwrap_or_else(PoisonError::into_inner).place(fingerprint).unwrap_or(0)
    }

    fn bytes(&self) -> u64 {
        Visited::bytes(self)
    }

    fn set(&self) -> &Visited {
        self
    }
}

/// A set that is looked at and not added to: to whoever adds to it, everything is new.
#[derive(Clone, Copy)]
pub(super) struct Untouched<'a>(pub(super) &'a Visited);

impl Access for Untouched<'_> {
    fn insert(&mut self, _: u64) -> bool {
        true
    }

    fn peek(&mut self, _: u64) -> u64 {
        0
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn set(&self) -> &Visited {
        self.0
    }
}

/// Open addressing with linear probing; an empty slot is 0.
///
/// Where a fingerprint is looked for is in proportion to its value, so that a table can be of any
/// size and grows by reading itself once from front to back.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<u64>,
    count: usize,
}

impl Table {
    /// Where a fingerprint is looked for first.
    fn home(&self, fingerprint: u64) -> usize {
        let within_shard = u128::from(fingerprint << SHARD_COUNT.trailing_zeros());
        ((within_shard * self.slots.len() as u128) >> 64) as usize
    }

    /// What is where a fingerprint is looked for first.
    fn place(&self, fingerprint: u64) -> Option<u64> {
        self.slots.get(self.home(fingerprint)).copied()
    }

    fn contains(&self, fingerprint: u64) -> bool {
        let (after, before) = self
            .slots
            .split_at_checked(self.home(fingerprint))
            .map_or((&[][..], &[][..]), |(before, after)| (after, before));
        let mut cluster = after.iter().chain(before).take_while(|slot| **slot != 0);
        cluster.any(|slot| *slot == fingerprint)
    }

    fn insert(&mut self, fingerprint: u64) -> bool {
        if self.count * 5 >= self.slots.len() * 4 {
            self.grow();
        }
        let mut at = self.home(fingerprint);
        loop {
            match self.slots[at] {
                0 => {
                    self.slots[at] = fingerprint;
                    self.count += 1;
                    return true;
                }
                here if here == fingerprint => return false,
                _ => at = if at + 1 == self.slots.len() { 0 } else { at + 1 },
            }
        }
    }

    /// Makes the table half as large again: it is filled between eight and twelve fifteenths.
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![0; (old.len() * 3 / 2).max(16)];
        for fingerprint in old.into_iter().filter(|slot| *slot != 0) {
            let mut at = self.home(fingerprint);
            while self.slots[at] != 0 {
                at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
            }
            self.slots[at] = fingerprint;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Visited, fingerprint};

    #[test]
    fn a_fingerprint_is_new_once() {
        let mut visited = Visited::default();
        for round in 0..2 {
            for number in 0..10_000_u64 {
                assert_eq!(visited.insert_mut(fingerprint(&number)), round == 0, "{number}");
            }
        }
        assert!(!visited.insert(fingerprint(&5_u64)) && visited.insert(fingerprint(&"new")));
        assert!(visited.bytes() >= 10_000 * 8);
        assert!(visited.contains(fingerprint(&7_u64)) && !visited.contains(fingerprint(&"newer")));
        assert!(!Visited::default().contains(fingerprint(&7_u64)));
    }

    #[test]
    fn fingerprints_do_not_depend_on_the_machine() {
        // Checkpoints and schedules are compared across machines and versions of the compiler.
        assert_eq!(fingerprint(&1_u64), 13_442_141_222_923_376_847);
        assert_eq!(fingerprint(&(1_u64, "state", [1_u8, 2, 3])), 17_977_965_889_567_644_044);
    }
}

//! Records of which a state has a fixed number: its threads, its objects, its status blocks.

use crate::parts::{Aspect, Entry, Marks, Part, StatePart, copy_slice};
use std::ops::Index;

/// A fixed number of records of `T`.
#[derive(Debug)]
pub(crate) struct Records<T> {
    part: Part,
    touched: bool,
    /// The records that may have changed since they were last hashed: bit `i` stands for each
    /// whose number is `i` modulo 64.
    unsettled: u64,
    /// The sum of the hashes of all records when they were last hashed.
    settled: u64,
    looked_at: Marks,
    hashed: Vec<Hashed<T>>,
}

/// A record and its hash at its place.
#[derive(Clone, Copy, Debug)]
struct Hashed<T> {
    item: T,
    digest: u64,
}

impl<T: Entry> Records<T> {
    pub(crate) fn new(part: Part, items: Vec<T>) -> Self {
        // Hashed for the first time when the state is.
        let hashed: Vec<_> = items.into_iter().map(|item| Hashed { item, digest: 0 }).collect();
        Records {
            part,
            touched: true,
            unsettled: u64::MAX,
            settled: 0,
            looked_at: Marks::default(),
            hashed,
        }
    }

    /// A record, to be changed.
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        self.touched = true;
        self.unsettled |= 1 << (index % 64);
        self.looked_at.mark(index);
        &mut self.hashed[index].item
    }

    fn record_digest(&self, index: usize) -> u64 {
        self.digest_as(index, index)
    }

    /// The digest that a record would have with another number.
    pub(crate) fn digest_as(&self, index: usize, other: usize) -> u64 {
        self.hashed[index].item.digest(self.part.key(other, 0))
    }
}

impl<T> Records<T> {
    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.hashed.len()
    }

    /// The records, by number.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.looked_at.mark_all();
        self.peek_all()
    }

    /// A record, for what does not depend on what it says.
    pub(crate) fn peek(&self, index: usize) -> &T {
        &self.hashed[index].item
    }

    /// As [`Records::iter`], for what does not depend on what the records say.
    pub(crate) fn peek_all(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.hashed.iter().map(|record| &record.item)
    }
}

impl<T> Index<usize> for Records<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.looked_at.mark(index);
        &self.hashed[index].item
    }
}

impl<T: Entry> StatePart for Records<T> {
    fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    fn settle(&mut self, mut on_change: impl FnMut(Aspect, usize, u64)) {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        while unsettled != 0 {
            let mut index = unsettled.trailing_zeros() as usize;
            unsettled &= unsettled - 1;
            while index < self.hashed.len() {
                let digest = self.record_digest(index);
                let before = std::mem::replace(&mut self.hashed[index].digest, digest);
                let change = digest.wrapping_sub(before);
                self.settled = self.settled.wrapping_add(change);
                on_change(Aspect::Content, index, change);
                index += 64;
            }
        }
    }

    fn take_marks(&self, mut on_marked: impl FnMut(Aspect, usize)) {
        self.looked_at.take(self.len(), |index| on_marked(Aspect::Content, index));
    }

    fn clear_marks(&mut self) {
        self.looked_at.clear();
    }

    fn settled_digest(&self) -> u64 {
        self.settled
    }

    fn digest(&self) -> u64 {
        (0..self.len()).fold(0, |sum, index| sum.wrapping_add(self.record_digest(index)))
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.hashed)
    }
}

impl<T: Copy> Clone for Records<T> {
    fn clone(&self) -> Self {
        Records {
            part: self.part,
            touched: false,
            unsettled: self.unsettled,
            settled: self.settled,
            looked_at: Marks::default(),
            hashed: self.hashed.clone(),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.touched = false;
        self.unsettled = source.unsettled;
        self.settled = source.settled;
        copy_slice(&mut self.hashed, &source.hashed);
    }
}

impl<T: PartialEq> PartialEq for Records<T> {
    fn eq(&self, other: &Self) -> bool {
        self.peek_all().eq(other.peek_all())
    }
}

impl<T: Eq> Eq for Records<T> {}

//! Many short lists in two allocations.
//!
//! A machine has a list for each thread (its APCs, its frames) or object (its waiters). Kept one
//! after the other in one vector they compare and copy as plain memory, and equal lists are equal
//! values whatever was inserted and removed on the way.

use crate::parts::{Aspect, Entry, Marks, Part, StatePart, copy_slice};

/// A fixed number of lists of `T`, each in its own order.
#[derive(Debug)]
pub(crate) struct Lists<T> {
    part: Part,
    touched: bool,
    count: u16,
    /// The lists that may have changed since they were last hashed: bit `i` stands for each whose
    /// number is `i` modulo 64.
    unsettled: u64,
    /// The sum of the hashes of all entries when they were last hashed.
    settled: u64,
    looked_at: Marks,
    counted: Marks,
    /// Nothing while all lists are empty and hashed, as most kinds of list are in most states.
    ends: Vec<End>,
    items: Vec<T>,
}

/// Where a list ends in the vector of all entries; it begins where the one before ends.
#[derive(Clone, Copy, Default, Debug)]
struct End {
    at: u32,
    /// How long the list was when it was last hashed.
    length: u32,
    /// The hash of its entries then.
    digest: u64,
}

impl<T: Entry> Lists<T> {
    /// `count` empty lists.
    pub(crate) fn new(part: Part, count: usize) -> Self {
        Lists {
            part,
            touched: true,
            count: count as u16,
            unsettled: 0,
            settled: 0,
            looked_at: Marks::default(),
            counted: Marks::default(),
            ends: Vec::new(),
            items: Vec::new(),
        }
    }

    /// A list is about to change.
    fn unsettle(&mut self, list: usize) {
        self.touched = true;
        self.unsettled |= 1 << (list % 64);
    }

    /// By how much the digest of a list's length grows with each entry.
    fn length_unit(&self, list: usize) -> u64 {
        self.part.key(list, usize::MAX).hash(0)
    }

    fn list_digest(&self, list: usize) -> u64 {
        let mut sum = 0_u64;
        for (at, item) in self.items[self.start(list)..self.end(list)].iter().enumerate() {
            sum = sum.wrapping_add(item.digest(self.part.key(list, at)));
        }
        sum
    }

    /// What of a list's digest is due to the order of its entries.
    pub(crate) fn order_digest(&self, list: usize) -> u64 {
        let first = self.part.key(list, 0);
        self.peek(list).iter().enumerate().fold(0, |sum: u64, (at, item)| {
            let placed = item.digest(self.part.key(list, at));
            sum.wrapping_add(placed).wrapping_sub(item.digest(first))
        })
    }

    /// The digest that a list would have with another number, its entries changed.
    pub(crate) fn digest_as(&self, list: usize, other: usize, change: impl Fn(T) -> T) -> u64 {
        let items = self.peek(list);
        let length = (items.len() as u64).wrapping_mul(self.length_unit(other));
        items.iter().enumerate().fold(length, |sum, (at, item)| {
            sum.wrapping_add(change(*item).digest(self.part.key(other, at)))
        })
    }

    /// Puts `item` before the entry at `position` of a list.
    pub(crate) fn insert(&mut self, list: usize, position: usize, item: T) {
        self.unsettle(list);
        let length = self.end(list) - self.start(list);
        debug_assert!(position <= length);
        if position < length {
            self.looked_at.mark(list);
        }
        self.counted.mark(list);
        if self.ends.is_empty() {
            self.ends.resize(usize::from(self.count), End::default());
        }
        let at = self.start(list) + position;
        if at == self.items.len() {
            self.items.push(item);
        } else {
            self.items.insert(at, item);
        }
        for end in &mut self.ends[list..] {
            end.at += 1;
        }
    }

    /// Appends `item` to a list.
    pub(crate) fn push(&mut self, list: usize, item: T) {
        self.insert(list, self.len(list), item);
    }

    /// Changes the entry at `position` of a list.
    pub(crate) fn update<R>(
        &mut self,
        list: usize,
        position: usize,
        update: impl FnOnce(&mut T) -> R,
    ) -> R {
        debug_assert!(position < self.len(list));
        self.unsettle(list);
        self.looked_at.mark(list);
        let at = self.start(list) + position;
        update(&mut self.items[at])
    }

    /// Changes the last entry of a list; `None` when there is none.
    pub(crate) fn update_last<R>(
        &mut self,
        list: usize,
        update: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let last = self.len(list).checked_sub(1)?;
        Some(self.update(list, last, update))
    }

    /// Takes out the entry at `position` of a list.
    pub(crate) fn remove(&mut self, list: usize, position: usize) -> T {
        debug_assert!(position < self.len(list));
        self.unsettle(list);
        self.looked_at.mark(list);
        self.counted.mark(list);
        let item = self.items.remove(self.start(list) + position);
        for end in &mut self.ends[list..] {
            end.at -= 1;
        }
        item
    }

    /// Takes out the last entry of a list.
    pub(crate) fn pop(&mut self, list: usize) -> Option<T> {
        let length = self.len(list);
        (length > 0).then(|| self.remove(list, length - 1))
    }

    /// Empties a list.
    pub(crate) fn clear(&mut self, list: usize) {
        let (start, end) = (self.start(list), self.end(list));
        self.counted.mark(list);
        if start == end {
            return;
        }
        self.unsettle(list);
        self.looked_at.mark(list);
        self.items.drain(start..end);
        for other in &mut self.ends[list..] {
            other.at -= (end - start) as u32;
        }
    }

    /// Takes out every entry of a list for which `drop` holds.
    pub(crate) fn remove_from(&mut self, list: usize, mut drop: impl FnMut(&T) -> bool) {
        let mut position = 0;
        while let Some(item) = self.get(list).get(position) {
            if drop(item) {
                self.remove(list, position);
            } else {
                position += 1;
            }
        }
    }
}

impl<T> Lists<T> {
    fn start(&self, list: usize) -> usize {
        if list == 0 { 0 } else { self.end(list - 1) }
    }

    fn end(&self, list: usize) -> usize {
        debug_assert!(list < usize::from(self.count));
        self.ends.get(list).map_or(0, |end| end.at as usize)
    }

    /// The entries of a list, oldest first.
    pub(crate) fn get(&self, list: usize) -> &[T] {
        self.looked_at.mark(list);
        self.counted.mark(list);
        &self.items[self.start(list)..self.end(list)]
    }

    /// How many lists there are.
    pub(crate) fn list_count(&self) -> usize {
        usize::from(self.count)
    }

    /// The number of entries of a list.
    pub(crate) fn len(&self, list: usize) -> usize {
        self.counted.mark(list);
        self.end(list) - self.start(list)
    }

    /// Whether a list has no entries.
    pub(crate) fn is_empty(&self, list: usize) -> bool {
        self.len(list) == 0
    }

    /// The number of entries of all lists together, for what depends only on how a step changes
    /// it.
    pub(crate) fn peek_total(&self) -> usize {
        self.items.len()
    }

    /// The entries of a list, for what depends only on whether a step changes them.
    pub(crate) fn peek(&self, list: usize) -> &[T] {
        &self.items[self.start(list)..self.end(list)]
    }

    /// The entries of all lists, one list after the other.
    pub(crate) fn items(&self) -> &[T] {
        self.looked_at.mark_all();
        self.counted.mark_all();
        &self.items
    }

    /// The first entry of a list.
    pub(crate) fn first(&self, list: usize) -> Option<&T> {
        self.get(list).first()
    }

    /// The last entry of a list.
    pub(crate) fn last(&self, list: usize) -> Option<&T> {
        self.get(list).last()
    }
}

impl<T: Entry> StatePart for Lists<T> {
    fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    fn settle(&mut self, mut on_change: impl FnMut(Aspect, usize, u64)) {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        while unsettled != 0 {
            let mut list = unsettled.trailing_zeros() as usize;
            unsettled &= unsettled - 1;
            while list < self.ends.len() {
                let digest = self.list_digest(list);
                let length = (self.end(list) - self.start(list)) as u32;
                let unit = self.length_unit(list);
                let end = &mut self.ends[list];
                let change = digest.wrapping_sub(end.digest);
                self.settled = self.settled.wrapping_add(change);
                on_change(Aspect::Content, list, change);
                if length != end.length {
                    let growth = u64::from(length).wrapping_sub(u64::from(end.length));
                    on_change(Aspect::Length, list, growth.wrapping_mul(unit));
                }
                (end.digest, end.length) = (digest, length);
                list += 64;
            }
        }
        if self.items.is_empty() {
            self.ends.clear();
        }
    }

    fn take_marks(&self, mut on_marked: impl FnMut(Aspect, usize)) {
        let count = usize::from(self.count);
        self.looked_at.take(count, |list| on_marked(Aspect::Content, list));
        self.counted.take(count, |list| on_marked(Aspect::Length, list));
    }

    fn clear_marks(&mut self) {
        self.looked_at.clear();
        self.counted.clear();
    }

    fn settled_digest(&self) -> u64 {
        self.settled
    }

    fn digest(&self) -> u64 {
        (0..self.ends.len()).fold(0, |sum: u64, list| {
            let length = (self.end(list) - self.start(list)) as u64;
            let length = length.wrapping_mul(self.length_unit(list));
            sum.wrapping_add(self.list_digest(list)).wrapping_add(length)
        })
    }

    fn heap_bytes(&self) -> usize {
        self.ends.capacity() * size_of::<End>() + self.items.capacity() * size_of::<T>()
    }
}

// Written out so that `clone_from` copies into the memory that is already there: exploring and
// random runs do little else.
impl<T: Copy> Clone for Lists<T> {
    fn clone(&self) -> Self {
        Lists {
            part: self.part,
            touched: false,
            count: self.count,
            unsettled: self.unsettled,
            settled: self.settled,
            looked_at: Marks::default(),
            counted: Marks::default(),
            ends: self.ends.clone(),
            items: self.items.clone(),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.touched = false;
        self.unsettled = source.unsettled;
        self.settled = source.settled;
        copy_slice(&mut self.ends, &source.ends);
        copy_slice(&mut self.items, &source.items);
    }
}

impl<T: PartialEq> PartialEq for Lists<T> {
    fn eq(&self, other: &Self) -> bool {
        let mut lists = 0..usize::from(self.count);
        self.items == other.items && lists.all(|list| self.end(list) == other.end(list))
    }
}

impl<T: Eq> Eq for Lists<T> {}

#[cfg(test)]
mod tests {
    use super::Lists;
    use crate::parts::{Part, StatePart};

    #[test]
    fn lists_keep_their_own_order_and_do_not_disturb_each_other() {
        let mut lists = Lists::<u32>::new(Part::Loops, 3);
        lists.push(1, 11);
        lists.push(0, 10);
        lists.push(2, 13);
        lists.push(1, 12);
        lists.insert(2, 0, 14);
        assert_eq!(
            (lists.get(0), lists.get(1), lists.get(2)),
            (&[10][..], &[11, 12][..], &[14, 13][..])
        );
        assert_eq!(lists.remove(1, 0), 11);
        assert_eq!(lists.pop(2), Some(13));
        assert_eq!((lists.get(0), lists.get(1), lists.get(2)), (&[10][..], &[12][..], &[14][..]));
        lists.clear(1);
        assert_eq!((lists.get(0), lists.get(1), lists.get(2)), (&[10][..], &[][..], &[14][..]));
        assert_eq!(lists.pop(1), None);
    }

    #[test]
    fn equal_lists_are_equal_values_whatever_happened_before() {
        let mut one = Lists::<u32>::new(Part::Loops, 2);
        one.push(0, 1);
        one.push(1, 2);
        let mut other = Lists::new(Part::Loops, 2);
        for item in [9, 2, 9] {
            other.push(1, item);
        }
        other.push(0, 1);
        other.remove_from(1, |item| *item == 9);
        assert_eq!((one.digest(), &one), (other.digest(), &other));
        let mut copy = Lists::new(Part::Loops, 2);
        copy.clone_from(&other);
        assert_eq!(copy, one);
    }
}

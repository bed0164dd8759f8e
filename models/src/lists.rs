//! Many short lists in two allocations.
//!
//! A machine has a list for each thread (its APCs, its frames) or object (its waiters). Kept one
//! after the other in one vector they compare, hash and copy as plain memory, and equal lists
//! are equal values whatever was inserted and removed on the way.

use std::hash::{Hash, Hasher};

/// A fixed number of lists of `T`, each in its own order.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Lists<T> {
    count: u16,
    /// Where each list ends in `items`; it begins where the one before ends. Nothing while all
    /// lists are empty, as most kinds of list are in most states.
    ends: Vec<u16>,
    items: Vec<T>,
}

impl<T: Copy> Lists<T> {
    /// `count` empty lists.
    pub(crate) fn new(count: usize) -> Self {
        Lists { count: count as u16, ends: Vec::new(), items: Vec::new() }
    }

    fn start(&self, list: usize) -> usize {
        if list == 0 { 0 } else { self.end(list - 1) }
    }

    fn end(&self, list: usize) -> usize {
        debug_assert!(list < usize::from(self.count));
        self.ends.get(list).map_or(0, |end| usize::from(*end))
    }

    /// Equal lists are equal values: without items there are no ends.
    fn forget_ends_if_empty(&mut self) {
        if self.items.is_empty() {
            self.ends.clear();
        }
    }

    /// The entries of a list, oldest first.
    pub(crate) fn get(&self, list: usize) -> &[T] {
        &self.items[self.start(list)..self.end(list)]
    }

    /// The number of entries of a list.
    pub(crate) fn len(&self, list: usize) -> usize {
        self.end(list) - self.start(list)
    }

    /// Whether a list has no entries.
    pub(crate) fn is_empty(&self, list: usize) -> bool {
        self.len(list) == 0
    }

    /// The number of entries of all lists together.
    pub(crate) fn total(&self) -> usize {
        self.items.len()
    }

    /// The entries of all lists, one list after the other.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// The memory of the lists beside themselves, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.ends.capacity() * size_of::<u16>() + self.items.capacity() * size_of::<T>()
    }

    /// The first entry of a list.
    pub(crate) fn first(&self, list: usize) -> Option<&T> {
        self.get(list).first()
    }

    /// The last entry of a list.
    pub(crate) fn last(&self, list: usize) -> Option<&T> {
        self.get(list).last()
    }

    /// The last entry of a list, to be changed in place.
    pub(crate) fn last_mut(&mut self, list: usize) -> Option<&mut T> {
        let (start, end) = (self.start(list), self.end(list));
        self.items[start..end].last_mut()
    }

    /// Puts `item` before the entry at `position` of a list.
    pub(crate) fn insert(&mut self, list: usize, position: usize, item: T) {
        debug_assert!(position <= self.len(list));
        if self.ends.is_empty() {
            self.ends.resize(usize::from(self.count), 0);
        }
        self.items.insert(self.start(list) + position, item);
        for end in &mut self.ends[list..] {
            *end += 1;
        }
    }

    /// Appends `item` to a list.
    pub(crate) fn push(&mut self, list: usize, item: T) {
        self.insert(list, self.len(list), item);
    }

    /// Takes out the entry at `position` of a list.
    pub(crate) fn remove(&mut self, list: usize, position: usize) -> T {
        debug_assert!(position < self.len(list));
        let item = self.items.remove(self.start(list) + position);
        for end in &mut self.ends[list..] {
            *end -= 1;
        }
        self.forget_ends_if_empty();
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
        if start == end {
            return;
        }
        self.items.drain(start..end);
        for other in &mut self.ends[list..] {
            *other -= (end - start) as u16;
        }
        self.forget_ends_if_empty();
    }

    /// Takes out every entry of every list for which `drop` holds.
    pub(crate) fn remove_all(&mut self, mut drop: impl FnMut(&T) -> bool) {
        let mut kept = 0;
        let mut next = 0;
        for list in 0..self.ends.len() {
            while next < usize::from(self.ends[list]) {
                let item = self.items[next];
                if !drop(&item) {
                    self.items[kept] = item;
                    kept += 1;
                }
                next += 1;
            }
            self.ends[list] = kept as u16;
        }
        self.items.truncate(kept);
        self.forget_ends_if_empty();
    }
}

// Written out so that `clone_from` copies into the memory that is already there: exploring and
// random runs do little else.
impl<T: Copy> Clone for Lists<T> {
    fn clone(&self) -> Self {
        Lists { count: self.count, ends: self.ends.clone(), items: self.items.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.count = source.count;
        // Copying nothing takes a call as well.
        if source.items.is_empty() {
            self.ends.clear();
            self.items.clear();
            return;
        }
        self.ends.clone_from(&source.ends);
        self.items.clone_from(&source.items);
    }
}

/// Something that a state has many of, for hashing: nearly always a small number.
pub(crate) trait Entry {
    /// The entry, or the part of it that tells how much more there is.
    fn word(&self) -> u64;

    /// Hashes what the word has no room for.
    fn hash_rest<H: Hasher>(&self, state: &mut H) {
        let _ = state;
    }
}

impl Entry for u32 {
    fn word(&self) -> u64 {
        u64::from(*self)
    }
}

/// Hashes entries, two to a word where they are small. Their number is known otherwise.
fn hash_entries<T: Entry, H: Hasher>(entries: &[T], state: &mut H) {
    let mut pairs = entries.chunks_exact(2);
    for pair in &mut pairs {
        let (first, second) = (pair[0].word(), pair[1].word());
        if (first | second) >> 32 == 0 {
            state.write_u64(first << 32 | second);
        } else {
            state.write_u64(UNPAIRED);
            state.write_u128(u128::from(first) << 64 | u128::from(second));
        }
        pair.iter().for_each(|entry| entry.hash_rest(state));
    }
    if let [last] = pairs.remainder() {
        state.write_u64(last.word());
        last.hash_rest(state);
    }
}

/// Comes before two entries that do not share a word, and is no such word itself.
const UNPAIRED: u64 = u64::MAX;

// The number of lists never changes; most are empty or short.
impl<T: Entry> Hash for Lists<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bits = match self.items.len() {
            0 => return state.write_u64(0),
            1..=0xFF => 8,
            _ => 16,
        };
        for ends in self.ends.chunks(64 / bits) {
            state.write_u64(ends.iter().fold(0, |word, end| word << bits | u64::from(*end)));
        }
        hash_entries(&self.items, state);
    }
}

#[cfg(test)]
mod tests {
    use super::Lists;

    #[test]
    fn lists_keep_their_own_order_and_do_not_disturb_each_other() {
        let mut lists = Lists::new(3);
        lists.push(1, 'b');
        lists.push(0, 'a');
        lists.push(2, 'd');
        lists.push(1, 'c');
        lists.insert(2, 0, 'x');
        assert_eq!(
            (lists.get(0), lists.get(1), lists.get(2)),
            (&['a'][..], &['b', 'c'][..], &['x', 'd'][..])
        );
        assert_eq!(lists.remove(1, 0), 'b');
        assert_eq!(lists.pop(2), Some('d'));
        assert_eq!(
            (lists.get(0), lists.get(1), lists.get(2)),
            (&['a'][..], &['c'][..], &['x'][..])
        );
        lists.clear(1);
        assert_eq!((lists.get(0), lists.get(1), lists.get(2)), (&['a'][..], &[][..], &['x'][..]));
        assert_eq!(lists.pop(1), None);
    }

    #[test]
    fn equal_lists_are_equal_values_whatever_happened_before() {
        let mut one = Lists::new(2);
        one.push(0, 1);
        one.push(1, 2);
        let mut other = Lists::new(2);
        for item in [9, 2, 9] {
            other.push(1, item);
        }
        other.push(0, 1);
        other.remove_all(|item| *item == 9);
        assert_eq!(one, other);
        let mut copy = Lists::new(2);
        copy.clone_from(&other);
        assert_eq!(copy, one);
    }
}

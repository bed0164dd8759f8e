//! Steps that need not be made again.
//!
//! What a step does depends on the slots of the state that it looks at and on nothing else. So
//! it is made once, the slots that it looked at are noted, and wherever their digests are the
//! same again it changes the digests of the slots by the same amounts. The same holds for which
//! transitions are possible.
//!
//! Which slots matter depends on the state too: a thread that is about to queue an APC looks at
//! another one, a thread that is about to wait at objects. The slot that says most about that
//! (the home of the transition) leads to the others: a first look-up by the home's digest finds
//! which slots were ever looked at from there, a second one by the digests of those finds what
//! was done. Digests are strong 64-bit hashes, and are taken for what they stand for, as the
//! fingerprints of states are.

use super::visited::fold;

/// A set of slots, a bit for each.
pub type SlotSet = u64;

/// What is known of a question about a state: none of it, or which slots matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown {
    slots: SlotSet,
}

/// The changes that a step makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect<'a> {
    /// By how much the digest of each slot changes.
    pub(super) slots: &'a [(u8, u64)],
    /// By how much the sum of everything changes.
    pub(super) sum: u64,
}

/// The transitions of a source that are possible, and what that tells of the next sources.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'a, T> {
    pub(super) transitions: &'a [T],
    pub(super) seen: u8,
}

/// A question that is answered by looking at slots.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// What does the transition of this number do?
    Step(u64),
    /// Which transitions come from this source, when those before have told this?
    Source(usize, u8),
}

impl Question {
    fn number(self) -> u64 {
        match self {
            Question::Step(transition) => transition << 1 | 1,
            Question::Source(source, seen) => (source as u64) << 9 | u64::from(seen) << 1,
        }
    }
}

/// What was found out.
#[derive(Debug)]
pub(super) struct Memo<T> {
    table: Table,
    /// For each answer about a step: where its changes begin, how many they are, and the sum.
    steps: Vec<(u32, u32, u64)>,
    changes: Vec<(u8, u64)>,
    /// For each answer about a source: where its transitions begin, how many they are, and what
    /// is seen.
    sources: Vec<(u32, u32, u8)>,
    transitions: Vec<T>,
}

impl<T: Copy> Memo<T> {
    pub(super) fn new() -> Self {
        Memo {
            table: Table::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            sources: Vec::new(),
            transitions: Vec::new(),
        }
    }

    /// What a step does in a state of which the slots have these digests.
    pub(super) fn step(
        &self,
        transition: u64,
        home: usize,
        digests: &[u64],
    ) -> Result<Effect<'_>, Unknown> {
        let at = self.find(Question::Step(transition), home, digests)?;
        let (first, count, sum) = self.steps[at];
        let slots = &self.changes[first as usize..][..count as usize];
        Ok(Effect { slots, sum })
    }

    /// Which transitions come from a source in a state of which the slots have these digests.
    pub(super) fn source(
        &self,
        source: usize,
        seen: u8,
        home: usize,
        digests: &[u64],
    ) -> Result<Choices<'_, T>, Unknown> {
        let at = self.find(Question::Source(source, seen), home, digests)?;
        let (first, count, seen) = self.sources[at];
        let transitions = &self.transitions[first as usize..][..count as usize];
        Ok(Choices { transitions, seen })
    }

    /// Notes what a step does: the digests before and after, and the slots that it looked at.
    pub(super) fn note_step(
        &mut self,
        (transition, home): (u64, usize),
        unknown: Unknown,
        looked_at: SlotSet,
        (before, after): (&[u64], &[u64]),
        sum: u64,
    ) {
        let first = self.changes.len();
        for (slot, (before, after)) in before.iter().zip(after).enumerate() {
            if before != after {
                self.changes.push((slot as u8, after.wrapping_sub(*before)));
            }
        }
        let count = self.changes.len() - first;
        self.steps.push((first as u32, count as u32, sum));
        let answer = self.steps.len() - 1;
        self.note((Question::Step(transition), home), unknown, looked_at, before, answer);
    }

    /// Notes which transitions come from a source, and the slots that were looked at for that.
    pub(super) fn note_source(
        &mut self,
        (source, seen, home): (usize, u8, usize),
        unknown: Unknown,
        looked_at: SlotSet,
        digests: &[u64],
        found: Choices<'_, T>,
    ) {
        let first = self.transitions.len();
        self.transitions.extend_from_slice(found.transitions);
        self.sources.push((first as u32, found.transitions.len() as u32, found.seen));
        let answer = self.sources.len() - 1;
        self.note((Question::Source(source, seen), home), unknown, looked_at, digests, answer);
    }

    fn find(&self, question: Question, home: usize, digests: &[u64]) -> Result<usize, Unknown> {
        let number = question.number();
        let Some(slots) = self.table.get(home_key(number, digests[home])) else {
            return Err(Unknown { slots: 0 });
        };
        match self.table.get(slots_key(number, slots, digests)) {
            Some(answer) => Ok(answer as usize),
            None => Err(Unknown { slots }),
        }
    }

    fn note(
        &mut self,
        (question, home): (Question, usize),
        unknown: Unknown,
        looked_at: SlotSet,
        digests: &[u64],
        answer: usize,
    ) {
        let number = question.number();
        let slots = unknown.slots | looked_at | 1 << home;
        if slots != unknown.slots {
            self.table.insert(home_key(number, digests[home]), slots);
        }
        self.table.insert(slots_key(number, slots, digests), answer as u64);
    }

    /// The memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.table.entries.len() * size_of::<(u64, u64)>()
            + size_of_val(&*self.steps)
            + size_of_val(&*self.changes)
            + size_of_val(&*self.sources)
            + size_of_val(&*self.transitions);
        bytes as u64
    }
}

const HOME: u64 = 0x8CB9_2BA7_2F3D_8DD7;
const SLOTS: u64 = 0xA3B1_9535_4A39_B70D;

fn home_key(number: u64, digest: u64) -> u64 {
    fold(number.wrapping_mul(HOME) ^ digest, HOME)
}

fn slots_key(number: u64, slots: SlotSet, digests: &[u64]) -> u64 {
    let mut sum = 0_u64;
    let mut left = slots;
    while left != 0 {
        sum = sum.wrapping_add(digests[left.trailing_zeros() as usize]);
        left &= left - 1;
    }
    fold(number.wrapping_mul(SLOTS) ^ sum, SLOTS ^ slots)
}

/// Open addressing with linear probing, at most half full; the key 0 is an empty place.
#[derive(Debug, Default)]
struct Table {
    entries: Vec<(u64, u64)>,
    count: usize,
}

impl Table {
    fn get(&self, key: u64) -> Option<u64> {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = key as usize & mask;
        loop {
            match *self.entries.get(at)? {
                (here, value) if here == key => return Some(value),
                (0, _) => return None,
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn insert(&mut self, key: u64, value: u64) {
        if self.count * 2 >= self.entries.len() {
            self.grow();
        }
        let mask = self.entries.len() - 1;
        let mut at = key as usize & mask;
        while self.entries[at].0 != 0 && self.entries[at].0 != key {
            at = (at + 1) & mask;
        }
        self.count += usize::from(self.entries[at].0 == 0);
        self.entries[at] = (key, value);
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.entries);
        self.entries = vec![(0, 0); (old.len() * 2).max(64)];
        self.count = 0;
        for (key, value) in old.into_iter().filter(|(key, _)| *key != 0) {
            self.insert(key, value);
        }
    }
}

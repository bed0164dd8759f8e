//! Steps that need not be made again.
//!
//! What a step does depends on the slots of the state that it looks at and on nothing else. So
//! it is made once, the slots that it looked at are noted, and wherever their digests are the
//! same again it changes the digests of the slots by the same amounts. The same holds for which
//! transitions are possible.
//!
//! Which slots matter depends on what is in others: a thread that posts a packet looks at the port,
//! and then, if one waits there, at another thread. So what is known of a question is a tree. At
//! its root is the slot that says most (the home of the transition); below each node are the slots
//! that are always looked at where the digests are those that lead to the node; a leaf has the
//! answer. Digests are strong 64-bit hashes, and are taken for what they stand for, as the
//! fingerprints of states are.

use super::visited::fold;

/// A set of slots, a bit for each; there are at most 63.
pub type SlotSet = u64;

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
    /// The key of its root, given the digest of its home.
    fn key(self, home: u64) -> u64 {
        let number = match self {
            Question::Step(transition) => transition << 1 | 1,
            Question::Source(source, seen) => (source as u64 + 1) << 9 | u64::from(seen) << 1,
        };
        fold(number.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7) ^ home, FACTOR).max(1)
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
    pub(super) fn step(&self, transition: u64, home: usize, digests: &[u64]) -> Option<Effect<'_>> {
        let at = self.find(Question::Step(transition), home, digests)?;
        let (first, count, sum) = self.steps[at];
        let slots = &self.changes[first as usize..][..count as usize];
        Some(Effect { slots, sum })
    }

    /// Which transitions come from a source in a state of which the slots have these digests.
    pub(super) fn source(
        &self,
        source: usize,
        seen: u8,
        home: usize,
        digests: &[u64],
    ) -> Option<Choices<'_, T>> {
        let at = self.find(Question::Source(source, seen), home, digests)?;
        let (first, count, seen) = self.sources[at];
        let transitions = &self.transitions[first as usize..][..count as usize];
        Some(Choices { transitions, seen })
    }

    /// Notes what a step does: the digests before and after, and the slots that it looked at.
    pub(super) fn note_step(
        &mut self,
        (transition, home): (u64, usize),
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
        self.note((Question::Step(transition), home), looked_at, before, answer);
    }

    /// Notes which transitions come from a source, and the slots that were looked at for that.
    pub(super) fn note_source(
        &mut self,
        (source, seen, home): (usize, u8, usize),
        looked_at: SlotSet,
        digests: &[u64],
        found: Choices<'_, T>,
    ) {
        let first = self.transitions.len();
        self.transitions.extend_from_slice(found.transitions);
        self.sources.push((first as u32, found.transitions.len() as u32, found.seen));
        let answer = self.sources.len() - 1;
        self.note((Question::Source(source, seen), home), looked_at, digests, answer);
    }

    fn find(&self, question: Question, home: usize, digests: &[u64]) -> Option<usize> {
        let mut key = question.key(digests[home]);
        loop {
            match Node::from_word(self.table.get(key)?) {
                Node::Answer(answer) => return Some(answer),
                Node::Slots(slots) => key = child_key(key, slots, digests),
            }
        }
    }

    fn note(
        &mut self,
        (question, home): (Question, usize),
        looked_at: SlotSet,
        digests: &[u64],
        answer: usize,
    ) {
        let mut key = question.key(digests[home]);
        let mut left = looked_at & !(1 << home);
        loop {
            // What is looked at first is always the same, given what leads here.
            let always = match self.table.get(key).map(Node::from_word) {
                Some(Node::Slots(slots)) if slots & left != 0 => slots & left,
                _ => left,
            };
            if always == 0 {
                return self.table.insert(key, Node::Answer(answer).word());
            }
            self.table.insert(key, Node::Slots(always).word());
            left &= !always;
            key = child_key(key, always, digests);
        }
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

/// A node of the tree of a question.
#[derive(Clone, Copy, Debug)]
enum Node {
    /// The answer.
    Answer(usize),
    /// The slots that are looked at next.
    Slots(SlotSet),
}

const IS_ANSWER: u64 = 1 << 63;

impl Node {
    fn word(self) -> u64 {
        match self {
            Node::Answer(answer) => answer as u64 | IS_ANSWER,
            Node::Slots(slots) => slots,
        }
    }

    fn from_word(word: u64) -> Self {
        if word & IS_ANSWER == 0 {
            Node::Slots(word)
        } else {
            Node::Answer((word & !IS_ANSWER) as usize)
        }
    }
}

const FACTOR: u64 = 0xA3B1_9535_4A39_B70D;

fn child_key(key: u64, slots: SlotSet, digests: &[u64]) -> u64 {
    let mut sum = 0_u64;
    let mut left = slots;
    while left != 0 {
        sum = sum.wrapping_add(digests[left.trailing_zeros() as usize]);
        left &= left - 1;
    }
    fold(key ^ sum, FACTOR ^ slots).max(1)
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

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
use super::{Future, TransitionSystem};
use std::fmt::Debug;

/// A set of slots, a bit for each; there are at most 63.
pub type SlotSet = u64;

/// What a step does to a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// The slots that are not as before.
    pub(super) slots: SlotSet,
    /// By how much the sum of everything changes.
    pub(super) sum: u64,
    /// The slots that it, or who checks it, looks at.
    pub(super) looked_at: SlotSet,
    /// The slots that it looks at itself.
    #[cfg(debug_assertions)]
    pub(super) looked_at_by_step: SlotSet,
}

/// A state that is made when somebody looks at it.
pub(super) trait Lazy<S: TransitionSystem> {
    /// The state.
    fn state(&mut self) -> &S::State;

    /// Makes a step from it. What that looks at is noted in both states, and was not before: who
    /// looks at a state for other reasons takes what was noted.
    fn step(&mut self, transition: S::Transition) -> Made<'_, S>;
}

/// A step that was made from a state that is settled; the state after it is not.
pub(super) struct Made<'a, S: TransitionSystem> {
    pub(super) before: &'a S::State,
    pub(super) after: &'a mut S::State,
    pub(super) changed: S::Parts,
    pub(super) monitor: &'a S::Monitor,
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
    steps: Vec<StepAnswer>,
    /// By how much the digests of slots change, one step's after the other's.
    changes: Vec<u64>,
    sources: Vec<SourceAnswer>,
    /// The possible transitions, one answer's after the other's.
    transitions: Vec<T>,
    /// The digests before a step.
    before: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct StepAnswer {
    change: Change,
    /// Where the changes of the slots begin.
    first: usize,
}

/// Which transitions come from a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceAnswer {
    /// The slots that were looked at.
    pub(super) looked_at: SlotSet,
    /// What the sources before had told.
    pub(super) seen_before: u8,
    /// What this one tells.
    pub(super) seen: u8,
    /// What it can still do.
    pub(super) future: Future,
    first: u32,
    count: u32,
}

impl<T: Copy + Eq + Debug> Memo<T> {
    pub(super) fn new() -> Self {
        Memo {
            table: Table::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            sources: Vec::new(),
            transitions: Vec::new(),
            before: Vec::new(),
        }
    }

    /// Makes a step: changes the digests of the slots as it does. Appends what it violates.
    pub(super) fn step<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        transition: T,
        digests: &mut [u64],
        violations: &mut Vec<S::Violation>,
    ) -> Change {
        let (question, home) = (Question::Step(system.number(transition)), system.home(transition));
        let Some(answer) = self.find(question, home, digests) else {
            return self.step_anew(system, state, transition, digests, violations);
        };
        let StepAnswer { change, first } = self.steps[answer];
        #[cfg(debug_assertions)]
        let expected = {
            let mut digests = digests.to_vec();
            let Made { before, after, changed, .. } = state.step(transition);
            system.update_digests(Some(before), after, changed, &mut digests);
            system.take_looked_at(before);
            system.take_looked_at(after);
            digests
        };
        let mut slots = change.slots;
        for growth in &self.changes[first..][..slots.count_ones() as usize] {
            let digest = &mut digests[slots.trailing_zeros() as usize];
            *digest = digest.wrapping_add(*growth);
            slots &= slots - 1;
        }
        #[cfg(debug_assertions)]
        assert_eq!(expected, digests, "{transition:?} does not do here what was noted");
        change
    }

    fn step_anew<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        transition: T,
        digests: &mut [u64],
        violations: &mut Vec<S::Violation>,
    ) -> Change {
        self.before.clear();
        self.before.extend_from_slice(digests);
        let Made { before, after, changed, monitor } = state.step(transition);
        let known = violations.len();
        #[cfg(debug_assertions)]
        let looked_at_by_step = system.take_looked_at(before) | system.take_looked_at(after);
        system.check(before, transition, after, monitor, violations);
        let looked_at = system.take_looked_at(before) | system.take_looked_at(after);
        #[cfg(debug_assertions)]
        let looked_at = looked_at | looked_at_by_step;
        let (_, mut sum) = system.update_digests(Some(before), after, changed, digests);
        let first = self.changes.len();
        let mut slots = 0;
        for (slot, (before, after)) in self.before.iter().zip(&*digests).enumerate() {
            if before != after {
                slots |= 1 << slot;
                self.changes.push(after.wrapping_sub(*before));
                sum = sum.wrapping_add(after.wrapping_sub(*before));
            }
        }
        let change = Change {
            slots,
            sum,
            looked_at,
            #[cfg(debug_assertions)]
            looked_at_by_step,
        };
        // A step that violates something is made, and reported, each time.
        if violations.len() == known {
            let question = Question::Step(system.number(transition));
            self.steps.push(StepAnswer { change, first });
            let before = std::mem::take(&mut self.before);
            let answer = self.steps.len() - 1;
            self.note(question, system.home(transition), looked_at, &before, answer);
            self.before = before;
        }
        change
    }

    /// Appends the transitions that are possible.
    ///
    /// `answers` are the numbers of the answers for each source: of a state before, if it differs
    /// in no more than the slots of `changed`; else empty. They become those of this state.
    pub(super) fn transitions<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        digests: &[u64],
        changed: SlotSet,
        answers: &mut Vec<u32>,
        out: &mut Vec<T>,
    ) {
        let mut seen = 0;
        for source in 0..system.source_count() {
            let inherited = answers.get(source).map(|answer| self.sources[*answer as usize]);
            let answer = match inherited {
                Some(known) if known.looked_at & changed == 0 && known.seen_before == seen => known,
                _ => {
                    let number = self.source(system, state, source, seen, digests);
                    match answers.get_mut(source) {
                        Some(answer) => *answer = number as u32,
                        None => answers.push(number as u32),
                    }
                    self.sources[number]
                }
            };
            out.extend_from_slice(
                &self.transitions[answer.first as usize..][..answer.count as usize],
            );
            seen |= answer.seen;
        }
        #[cfg(debug_assertions)]
        {
            let mut transitions = Vec::new();
            let state = state.state();
            system.enabled(state, &mut transitions);
            system.take_looked_at(state);
            assert!(out.ends_with(&transitions), "{transitions:?} are possible, not {out:?}");
        }
    }

    /// The number of the answer for a source.
    pub(super) fn source<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        source: usize,
        seen_before: u8,
        digests: &[u64],
    ) -> usize {
        let home = system.home_of_source(source);
        self.find(Question::Source(source, seen_before), home, digests)
            .unwrap_or_else(|| self.look_anew(system, state, source, seen_before, digests))
    }

    /// An answer for a source, and the transitions that it names.
    pub(super) fn answer(&self, number: usize) -> (SourceAnswer, &[T]) {
        let answer = self.sources[number];
        (answer, &self.transitions[answer.first as usize..][..answer.count as usize])
    }

    fn look_anew<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        source: usize,
        seen_before: u8,
        digests: &[u64],
    ) -> usize {
        let state = state.state();
        let first = self.transitions.len();
        let seen = system.enabled_from(state, source, seen_before, &mut self.transitions);
        let future =
            if system.has_futures() { system.future(state, source) } else { Future::default() };
        let looked_at = system.take_looked_at(state);
        let count = (self.transitions.len() - first) as u32;
        let first = first as u32;
        self.sources.push(SourceAnswer { looked_at, seen_before, seen, future, first, count });
        let answer = self.sources.len() - 1;
        let question = Question::Source(source, seen_before);
        self.note(question, system.home_of_source(source), looked_at, digests, answer);
        answer
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
        question: Question,
        home: usize,
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

//! Steps that need not be made again.
//!
//! What a step does depends on the slots of the state that it looks at and on nothing else. So
//! it is made once, the slots that it looked at are noted, and wherever their digests are the
//! same again it changes the digests of the slots by the same amounts. The same holds for which
//! transitions are possible.
//!
//! Which slots matter depends on what is in others: a thread that posts a packet looks at the port,
//! and then, if one waits there, at another thread. So what is known of a question is a tree. At
//! its root are the slots that were looked at every time; below each node are the slots that are
//! always looked at where the digests are those that lead to the node; a leaf has the answer.
//! When something new does not look at all slots of the root, the root gets smaller and what was
//! known is found out again, which happens a few times at most. Digests are strong 64-bit hashes,
//! and are taken for what they stand for, as the fingerprints of states are.

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

    /// The state after the step that was made last is settled too, and may be kept.
    fn keep(&mut self) {}
}

/// A step that was made from a state that is settled; the state after it is not.
pub(super) struct Made<'a, S: TransitionSystem> {
    pub(super) before: &'a S::State,
    pub(super) after: &'a mut S::State,
    pub(super) changed: S::Parts,
    pub(super) monitor: &'a S::Monitor,
}

/// The number of no answer.
const UNKNOWN: u32 = u32::MAX;

/// A question that is answered by looking at slots.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// What does the transition of this number do?
    Step(usize),
    /// Which transitions come from this source, when those before have told this?
    Source(usize, u8),
}

impl Question {
    /// A small number that no other question has.
    fn index(self) -> usize {
        match self {
            Question::Step(transition) => transition << 1 | 1,
            Question::Source(source, seen) => (source << 8 | usize::from(seen)) << 1,
        }
    }
}

/// Where the tree of a question begins.
#[derive(Clone, Copy, Debug)]
struct Root {
    key: u64,
    /// The slots that are looked at first; none until something is known.
    slots: Option<SlotSet>,
}

/// What was found out.
#[derive(Debug)]
pub(super) struct Memo<T> {
    /// By question.
    roots: Vec<Root>,
    table: Table,
    steps: Vec<StepAnswer>,
    /// By how much the digests of slots change, one step's after the other's.
    changes: Vec<u64>,
    sources: Vec<SourceAnswer>,
    /// What each of these can still do; empty if nobody asks.
    futures: Vec<Future>,
    /// What the sources heed of what others have told; empty until somebody asks.
    heeded: Vec<u8>,
    /// The possible transitions, one answer's after the other's.
    transitions: Vec<T>,
    /// What each of them does, as a question.
    questions: Vec<u32>,
    /// The digests after a step.
    after: Vec<u64>,
    /// Which steps are still wanted.
    wanted: Vec<u32>,
    look_ahead: u64,
}

#[derive(Clone, Copy, Debug)]
struct StepAnswer {
    change: Change,
    /// The slots that what is noted depends on.
    depends_on: SlotSet,
    /// Where the changes of the slots begin.
    first: u32,
    /// It violates something, and is made, and reported, each time.
    violates: bool,
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
    first: u32,
    count: u32,
}

impl SourceAnswer {
    /// Whether it is the answer too in a state that differs in no more than these slots from one
    /// where it was, if others have told this.
    fn holds(&self, changed: SlotSet, heeded: u8) -> bool {
        self.looked_at & changed == 0 && self.seen_before == heeded
    }
}

/// What is known of a state before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before<'a> {
    /// This state differs from it in no more than these slots.
    pub(super) changed: SlotSet,
    /// Its steps; none if nobody wants those of this state.
    pub(super) steps: &'a [KnownStep],
}

/// A step that was made before.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownStep {
    number: u32,
    /// The slots that what it does depends on; all, if it is made each time.
    depends_on: SlotSet,
}

/// A step whose number is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<T> {
    /// The node that it is made from.
    pub(super) node: usize,
    /// What step it is.
    pub(super) transition: T,
    /// Its number, once it is known.
    pub(super) step: Option<u32>,
    /// What it does, as a question.
    question: u32,
    /// Where the memo was asked last.
    key: u64,
}

impl<T> Wanted<T> {
    /// The same from another node.
    pub(super) fn at(self, node: usize) -> Self {
        Wanted { node, ..self }
    }
}

impl<T: Copy + Eq + Debug> Memo<T> {
    pub(super) fn new() -> Self {
        Memo {
            roots: Vec::new(),
            table: Table::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            sources: Vec::new(),
            futures: Vec::new(),
            wanted: Vec::new(),
            look_ahead: 0,
            heeded: Vec::new(),
            transitions: Vec::new(),
            questions: Vec::new(),
            after: Vec::new(),
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
        let number = self.step_number(system, state, transition, digests, violations);
        self.apply(number, digests);
        self.change(number)
    }

    /// The number of what is known of a step. Appends what it violates.
    pub(super) fn step_number<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        transition: T,
        digests: &[u64],
        violations: &mut Vec<S::Violation>,
    ) -> u32 {
        let question = Question::Step(system.number(transition));
        let Some(answer) = self.find(question, digests) else {
            return self.step_anew(system, state, transition, digests, violations);
        };
        if self.steps[answer].violates {
            let Made { before, after, monitor, .. } = state.step(transition);
            system.check(before, transition, after, monitor, violations);
            system.take_looked_at(before);
            system.take_looked_at(after);
        }
        #[cfg(debug_assertions)]
        self.verify(system, state, transition, digests, answer as u32);
        answer as u32
    }

    /// Finds the numbers of steps that were made before and violate nothing; all together, so
    /// that looks at the table do not wait for memory one after the other.
    pub(super) fn find_steps<'d>(
        &mut self,
        steps: &mut [Wanted<T>],
        digests_of: impl Fn(usize) -> &'d [u64],
    ) {
        self.wanted.clear();
        for (index, step) in steps.iter_mut().enumerate().filter(|(_, step)| step.step.is_none()) {
            if let Some(key) = self.first_key(step.question as usize, digests_of(step.node)) {
                step.key = key;
                self.wanted.push(index as u32);
            }
        }
        while !self.wanted.is_empty() {
            // The sum keeps the compiler from leaving the looks out.
            let looks = self.wanted.iter().map(|index| self.table.peek(steps[*index as usize].key));
            self.look_ahead = std::hint::black_box(looks.fold(self.look_ahead, u64::wrapping_add));
            self.wanted.retain(|index| {
                let step = &mut steps[*index as usize];
                match self.table.get(step.key).map(Node::from_word) {
                    Some(Node::Slots(slots)) => {
                        step.key = child_key(step.key, slots, digests_of(step.node));
                        true
                    }
                    Some(Node::Answer(answer)) => {
                        step.step = Some(answer);
                        false
                    }
                    Some(Node::Bad(_)) | None => false,
                }
            });
        }
    }

    /// Makes a step that is known, and compares.
    #[cfg(debug_assertions)]
    pub(super) fn verify<S: TransitionSystem<Transition = T>>(
        &self,
        system: &S,
        state: &mut impl Lazy<S>,
        transition: T,
        digests: &[u64],
        step: u32,
    ) {
        let (mut expected, mut noted) = (digests.to_vec(), digests.to_vec());
        let Made { before, after, changed, .. } = state.step(transition);
        system.update_digests(Some(before), after, changed, &mut expected);
        system.take_looked_at(before);
        system.take_looked_at(after);
        self.apply(step, &mut noted);
        assert_eq!(expected, noted, "{transition:?} does not do here what was noted");
    }

    /// What a step does.
    pub(super) fn change(&self, step: u32) -> Change {
        self.steps[step as usize].change
    }

    /// The slots that what is known of a step depends on.
    pub(super) fn depends_on(&self, step: u32) -> SlotSet {
        self.steps[step as usize].depends_on
    }

    /// By how much a step changes the sum of everything.
    pub(super) fn growth(&self, step: u32) -> u64 {
        self.steps[step as usize].change.sum
    }

    /// Changes digests as a step does.
    pub(super) fn apply(&self, step: u32, digests: &mut [u64]) {
        let StepAnswer { change, first, .. } = self.steps[step as usize];
        let mut slots = change.slots;
        for growth in &self.changes[first as usize..][..slots.count_ones() as usize] {
            let digest = &mut digests[slots.trailing_zeros() as usize];
            *digest = digest.wrapping_add(*growth);
            slots &= slots - 1;
        }
    }

    fn step_anew<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        transition: T,
        digests: &[u64],
        violations: &mut Vec<S::Violation>,
    ) -> u32 {
        self.after.clear();
        self.after.extend_from_slice(digests);
        let Made { before, after, changed, monitor } = state.step(transition);
        let known = violations.len();
        #[cfg(debug_assertions)]
        let looked_at_by_step = system.take_looked_at(before) | system.take_looked_at(after);
        system.check(before, transition, after, monitor, violations);
        let looked_at = system.take_looked_at(before) | system.take_looked_at(after);
        #[cfg(debug_assertions)]
        let looked_at = looked_at | looked_at_by_step;
        let (_, rest) = system.update_digests(Some(before), after, changed, &mut self.after);
        let (growth, more) = system.likeness(before, after);
        state.keep();
        let mut sum = rest.wrapping_add(growth);
        let first = self.changes.len() as u32;
        let mut slots = 0;
        for (slot, (before, after)) in digests.iter().zip(&self.after).enumerate() {
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
        let violates = violations.len() > known;
        let depends_on = looked_at | more;
        self.steps.push(StepAnswer { change, depends_on, first, violates });
        let answer = self.steps.len() - 1;
        let question = Question::Step(system.number(transition));
        let node = if violates { Node::Bad } else { Node::Answer }(answer as u32);
        self.note(question, depends_on, digests, node);
        answer as u32
    }

    /// Calls `on_step` with each transition that is possible, and with the number of the step if
    /// it is known to do the same here as in a state before.
    ///
    /// `answers` are the numbers of the answers for each source in the state before; empty if
    /// there is none. They become those of this state.
    pub(super) fn possible<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        state: &mut impl Lazy<S>,
        digests: &[u64],
        answers: &mut Vec<u32>,
        Before { changed, steps }: Before<'_>,
        mut on_step: impl FnMut(Wanted<T>),
    ) {
        if self.heeded.is_empty() {
            self.heeded.extend((0..system.source_count()).map(|source| system.heeded(source)));
        }
        answers.resize(self.heeded.len(), UNKNOWN);
        let (mut source, mut seen, mut steps) = (0, 0, steps);
        #[cfg(debug_assertions)]
        let mut all = Vec::new();
        loop {
            (source, seen) = self.skip_silent(answers, source, changed, seen);
            let Some(number) = answers.get_mut(source) else { break };
            let heeded = seen & self.heeded[source];
            // Where a source can do the same as before, most of it does the same as well.
            let mut steps_before: &[KnownStep] = &[];
            let before = *number;
            let known = self.sources.get(before as usize).copied();
            if let Some(known) = known {
                (steps_before, steps) =
                    steps.split_at_checked(known.count as usize).unwrap_or_default();
            }
            if known.is_none_or(|known| !known.holds(changed, heeded)) {
                *number = self.source(system, state, source, heeded, digests) as u32;
                if *number != before {
                    steps_before = &[];
                }
            }
            source += 1;
            let SourceAnswer { seen: told, first, count, .. } = self.sources[*number as usize];
            seen |= told;
            for index in 0..count as usize {
                let known = steps_before.get(index).filter(|step| step.depends_on & changed == 0);
                let transition = self.transitions[first as usize + index];
                on_step(Wanted {
                    node: 0,
                    transition,
                    step: known.map(|step| step.number),
                    question: self.questions[first as usize + index],
                    key: 0,
                });
                #[cfg(debug_assertions)]
                all.push(transition);
            }
        }
        #[cfg(debug_assertions)]
        {
            let mut transitions = Vec::new();
            let state = state.state();
            system.enabled(state, &mut transitions);
            system.take_looked_at(state);
            assert_eq!(all, transitions, "not what is possible");
        }
    }

    /// The first source, from one on, that has transitions or has to be asked again, and what those
    /// before have told.
    ///
    /// A function of its own, as most sources of most states are passed over here.
    #[inline(never)]
    fn skip_silent(
        &self,
        answers: &[u32],
        first: usize,
        changed: SlotSet,
        mut seen: u8,
    ) -> (usize, u8) {
        let mut source = first;
        for (number, heeds) in answers[first..].iter().zip(&self.heeded[first..]) {
            match self.sources.get(*number as usize) {
                Some(known) if known.count == 0 && known.holds(changed, seen & heeds) => {
                    seen |= known.seen;
                }
                _ => break,
            }
            source += 1;
        }
        (source, seen)
    }

    /// A step by its number.
    pub(super) fn known(&self, step: u32) -> KnownStep {
        let StepAnswer { depends_on, violates, .. } = self.steps[step as usize];
        KnownStep { number: step, depends_on: if violates { SlotSet::MAX } else { depends_on } }
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
        self.find(Question::Source(source, seen_before), digests)
            .unwrap_or_else(|| self.look_anew(system, state, source, seen_before, digests))
    }

    /// What a source can still do where it has this answer.
    pub(super) fn future(&self, number: usize) -> Future {
        self.futures[number]
    }

    /// What can still be done never grows.
    #[cfg(debug_assertions)]
    pub(super) fn assert_not_grown(&self, before: &[u32], after: &[u32]) {
        for (before, after) in before.iter().zip(after) {
            let before = self.futures[*before as usize].touch;
            let after = self.futures[*after as usize].touch;
            let grown = (after.looked_at & !before.looked_at, after.changed & !before.changed);
            let woken = after.woken & !before.woken;
            assert_eq!((grown, woken), ((0, 0), 0), "{after:?}, {before:?}");
        }
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
        if system.has_futures() {
            self.futures.push(system.future(state, source));
        }
        let looked_at = system.take_looked_at(state);
        let questions = self.transitions[first..]
            .iter()
            .map(|transition| Question::Step(system.number(*transition)).index() as u32);
        self.questions.extend(questions);
        let count = (self.transitions.len() - first) as u32;
        let first = first as u32;
        self.sources.push(SourceAnswer { looked_at, seen_before, seen, first, count });
        let answer = self.sources.len() - 1;
        let question = Question::Source(source, seen_before);
        self.note(question, looked_at, digests, Node::Answer(answer as u32));
        answer
    }

    /// The key of the node below the root of a question; none while nothing is known of it.
    fn first_key(&self, question: usize, digests: &[u64]) -> Option<u64> {
        let root = self.roots.get(question)?;
        Some(child_key(root.key, root.slots?, digests))
    }

    fn find(&self, question: Question, digests: &[u64]) -> Option<usize> {
        let mut key = self.first_key(question.index(), digests)?;
        loop {
            match Node::from_word(self.table.get(key)?) {
                Node::Answer(answer) | Node::Bad(answer) => return Some(answer as usize),
                Node::Slots(slots) => key = child_key(key, slots, digests),
            }
        }
    }

    fn note(&mut self, question: Question, looked_at: SlotSet, digests: &[u64], answer: Node) {
        for index in self.roots.len()..=question.index() {
            let key = fold((index as u64 + 1).wrapping_mul(0x8CB9_2BA7_2F3D_8DD7), FACTOR);
            self.roots.push(Root { key, slots: None });
        }
        let root = &mut self.roots[question.index()];
        let always = root.slots.unwrap_or(looked_at) & looked_at;
        root.slots = Some(always);
        let mut left = looked_at & !always;
        let mut key = child_key(root.key, always, digests);
        loop {
            // What is looked at next is always the same, given what leads here.
            let always = match self.table.get(key).map(Node::from_word) {
                Some(Node::Slots(slots)) if slots & left != 0 => slots & left,
                _ => left,
            };
            if always == 0 {
                return self.table.insert(key, answer.word());
            }
            self.table.insert(key, Node::Slots(always).word());
            left &= !always;
            key = child_key(key, always, digests);
        }
    }

    /// The memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.roots.len() * size_of::<Root>()
            + self.table.entries.len() * size_of::<(u64, u64)>()
            + size_of_val(&*self.steps)
            + size_of_val(&*self.changes)
            + size_of_val(&*self.sources)
            + size_of_val(&*self.futures)
            + size_of_val(&*self.transitions)
            + size_of_val(&*self.questions);
        bytes as u64
    }
}

/// A node of the tree of a question.
#[derive(Clone, Copy, Debug)]
enum Node {
    /// The answer.
    Answer(u32),
    /// The answer: a step that violates something.
    Bad(u32),
    /// The slots that are looked at next.
    Slots(SlotSet),
}

const IS_ANSWER: u64 = 1 << 63;
const IS_BAD: u64 = 1 << 62;

impl Node {
    fn word(self) -> u64 {
        match self {
            Node::Answer(answer) => u64::from(answer) | IS_ANSWER,
            Node::Bad(answer) => u64::from(answer) | IS_ANSWER | IS_BAD,
            Node::Slots(slots) => slots,
        }
    }

    fn from_word(word: u64) -> Self {
        if word & IS_ANSWER == 0 {
            Node::Slots(word)
        } else if word & IS_BAD == 0 {
            Node::Answer(word as u32)
        } else {
            Node::Bad(word as u32)
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
    /// What is where a key is looked for first.
    fn peek(&self, key: u64) -> u64 {
        self.entries
            .get(key as usize & self.entries.len().wrapping_sub(1))
            .map_or(0, |entry| entry.0)
    }

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

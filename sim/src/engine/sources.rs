//! What is possible where a run is, kept from one of its steps to the next.
//!
//! A step changes a few slots. The sources that look at none of them can do what they could before;
//! and what another one can do mostly follows from what it could before and from the step, if it
//! looks at nothing else. Both is found out with one look at a small table. The tables have one
//! entry a place: what is new there takes the place of what was, and is asked of the memo again.

use super::TransitionSystem;
use super::memo::{Change, Lazy, Memo, SlotSet};
use super::visited::fold;

/// The entries of each table, as a power of two: both fit in a processor's own cache.
const ENTRY_COUNT_LOG: u32 = 14;

const STEP_FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
const ANSWER_FACTOR: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// What sources can do now, and how that was found out.
#[derive(Debug)]
pub(super) struct Sources<T> {
    now: Vec<Now<T>>,
    /// What they can do in the initial state, once that is known.
    initial: Vec<Now<T>>,
    /// What all sources can do, in their order.
    enabled: Vec<T>,
    /// The sources that look at each slot, a bit for each; if there are not too many.
    watchers: Vec<u64>,
    /// What each source heeds of what those before it have told.
    heeded: Vec<u8>,
    links: Vec<Link<T>>,
    /// For each transition, the slots that its steps were found to depend on, all together.
    depends_on: Vec<SlotSet>,
    steps: Vec<KnownStep>,
}

/// What a source can do now.
#[derive(Clone, Copy, Debug)]
struct Now<T> {
    looked_at: SlotSet,
    /// The number of the memo's answer.
    answer: u32,
    count: u32,
    /// The first transition, if there is one.
    first: Option<T>,
    seen_before: u8,
    seen: u8,
}

/// What a source can do after a step, by what it could before.
#[derive(Clone, Copy, Debug)]
struct Link<T> {
    /// One more than the number of the step; 0 if there is nothing here.
    step: u32,
    before: u32,
    after: Now<T>,
}

/// A step by the digests of what it can depend on.
#[derive(Clone, Copy, Default, Debug)]
struct KnownStep {
    /// 0 if there is nothing here.
    key: u64,
    step: u32,
}

/// The step that has led here, if what was possible before it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) step: u32,
    pub(super) change: Change,
}

impl<T: Copy + Eq + std::fmt::Debug> Sources<T> {
    pub(super) fn new<S: TransitionSystem<Transition = T>>(system: &S) -> Self {
        let unknown =
            Now { looked_at: 0, answer: 0, count: 0, first: None, seen_before: 0, seen: 0 };
        let link = Link { step: 0, before: 0, after: unknown };
        let count = system.source_count();
        Sources {
            now: vec![unknown; count],
            initial: Vec::new(),
            enabled: Vec::new(),
            watchers: vec![0; system.slot_count()],
            heeded: (0..count).map(|source| system.heeded(source)).collect(),
            links: vec![link; 1 << ENTRY_COUNT_LOG],
            depends_on: Vec::new(),
            steps: vec![KnownStep::default(); 1 << ENTRY_COUNT_LOG],
        }
    }

    /// The possible transitions, when they were found last.
    pub(super) fn enabled(&self) -> &[T] {
        &self.enabled
    }

    /// Finds the possible transitions. `since` is the step since this was last asked; none if there
    /// was more.
    pub(super) fn find<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        memo: &mut Memo<T>,
        state: &mut impl Lazy<S>,
        digests: &[u64],
        since: Option<Since>,
    ) {
        match since {
            Some(since) if self.now.len() <= u64::BITS as usize => {
                self.go_on(system, memo, state, digests, since);
            }
            _ => self.begin(system, memo, state, digests),
        }
        #[cfg(debug_assertions)]
        {
            let mut transitions = Vec::new();
            let state = state.state();
            system.enabled(state, &mut transitions);
            system.take_looked_at(state);
            assert_eq!(self.enabled, transitions, "not what is possible");
        }
    }

    /// Asks the memo about every source.
    fn begin<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        memo: &mut Memo<T>,
        state: &mut impl Lazy<S>,
        digests: &[u64],
    ) {
        let mut seen = 0_u8;
        for source in 0..self.now.len() {
            let heeded = seen & self.heeded[source];
            let answer = memo.source(system, state, source, heeded, digests);
            let now = Now::of(memo, answer);
            seen |= now.seen;
            self.now[source] = now;
        }
        self.watch_and_list(memo);
    }

    /// What was found last is what is possible initially.
    pub(super) fn note_initial(&mut self) {
        self.initial.clone_from(&self.now);
    }

    /// Goes back to what is possible initially, if that was noted.
    pub(super) fn restart(&mut self, memo: &Memo<T>) -> bool {
        if self.initial.is_empty() {
            return false;
        }
        self.now.copy_from_slice(&self.initial);
        self.watch_and_list(memo);
        true
    }

    fn watch_and_list(&mut self, memo: &Memo<T>) {
        self.watchers.fill(0);
        if self.now.len() <= u64::BITS as usize {
            for source in 0..self.now.len() {
                self.watch(source, self.now[source].looked_at);
            }
        }
        self.list(memo);
    }

    /// Finds out what may be otherwise than before the last step.
    fn go_on<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        memo: &mut Memo<T>,
        state: &mut impl Lazy<S>,
        digests: &[u64],
        since: Since,
    ) {
        let mut affected = 0;
        let mut slots = since.change.slots;
        while slots != 0 {
            affected |= self.watchers[slots.trailing_zeros() as usize];
            slots &= slots - 1;
        }
        let (mut lists_other, mut tells_other) = (false, false);
        while affected != 0 {
            let source = affected.trailing_zeros() as usize;
            affected &= affected - 1;
            let before = self.now[source];
            let place = link_place(since.step, before.answer);
            let link = self.links[place];
            let now = if link.step == since.step + 1 && link.before == before.answer {
                link.after
            } else {
                let heeded = before.seen_before;
                let answer = memo.source(system, state, source, heeded, digests);
                let now = Now::of(memo, answer);
                // The digests of these slots hang on nothing but the answer before and the step.
                let known = before.looked_at | since.change.looked_at;
                if now.looked_at & !known == 0 {
                    let (step, before) = (since.step + 1, before.answer);
                    self.links[place] = Link { step, before, after: now };
                }
                now
            };
            self.replace(source, before, now);
            lists_other |= now.count != before.count || now.count > 1 || now.first != before.first;
            tells_other |= now.seen != before.seen;
        }
        if tells_other {
            lists_other |= self.heed(system, memo, state, digests);
        }
        if lists_other {
            self.list(memo);
        }
    }

    /// Asks again the sources that make another thing of what those before them tell now. Returns
    /// whether there is one.
    fn heed<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        memo: &mut Memo<T>,
        state: &mut impl Lazy<S>,
        digests: &[u64],
    ) -> bool {
        let mut seen = 0_u8;
        let mut is_any = false;
        for source in 0..self.now.len() {
            let heeded = seen & self.heeded[source];
            let before = self.now[source];
            if before.seen_before != heeded {
                let answer = memo.source(system, state, source, heeded, digests);
                let now = Now::of(memo, answer);
                self.replace(source, before, now);
                is_any = true;
            }
            seen |= self.now[source].seen;
        }
        is_any
    }

    /// A source can do something else than before.
    fn replace(&mut self, source: usize, before: Now<T>, now: Now<T>) {
        if now.looked_at != before.looked_at {
            let mut slots = before.looked_at & !now.looked_at;
            while slots != 0 {
                self.watchers[slots.trailing_zeros() as usize] &= !(1 << source);
                slots &= slots - 1;
            }
            self.watch(source, now.looked_at);
        }
        self.now[source] = now;
    }

    fn watch(&mut self, source: usize, mut slots: SlotSet) {
        while slots != 0 {
            self.watchers[slots.trailing_zeros() as usize] |= 1 << source;
            slots &= slots - 1;
        }
    }

    /// Lists what all sources can do.
    fn list(&mut self, memo: &Memo<T>) {
        self.enabled.clear();
        for now in &self.now {
            if now.count > 1 {
                self.enabled.extend_from_slice(memo.answer(now.answer as usize).1);
            } else if let Some(first) = now.first {
                self.enabled.push(first);
            }
        }
    }

    /// Makes a step: changes the digests as it does. Appends what it violates.
    pub(super) fn step<S: TransitionSystem<Transition = T>>(
        &mut self,
        system: &S,
        memo: &mut Memo<T>,
        state: &mut impl Lazy<S>,
        transition: T,
        digests: &mut [u64],
        violations: &mut Vec<S::Violation>,
    ) -> Since {
        let number = system.number(transition);
        if self.depends_on.len() <= number {
            self.depends_on.resize(number + 1, 0);
        }
        let key = step_key(number, self.depends_on[number], digests);
        let known = self.steps[step_place(key)];
        let step = if known.key == key {
            #[cfg(debug_assertions)]
            memo.verify(system, state, transition, digests, known.step);
            known.step
        } else {
            let count = violations.len();
            let step = memo.step_number(system, state, transition, digests, violations);
            // A step that violates something is made, and reported, each time.
            if violations.len() == count {
                self.depends_on[number] |= memo.depends_on(step);
                let key = step_key(number, self.depends_on[number], digests);
                self.steps[step_place(key)] = KnownStep { key, step };
            }
            step
        };
        memo.apply(step, digests);
        Since { step, change: memo.change(step) }
    }
}

impl<T: Copy + Eq + std::fmt::Debug> Now<T> {
    /// Of the memo's answer of a number.
    fn of(memo: &Memo<T>, answer: usize) -> Self {
        let (known, transitions) = memo.answer(answer);
        Now {
            looked_at: known.looked_at,
            answer: answer as u32,
            count: transitions.len() as u32,
            first: transitions.first().copied(),
            seen_before: known.seen_before,
            seen: known.seen,
        }
    }
}

fn link_place(step: u32, before: u32) -> usize {
    let mixed =
        u64::from(step).wrapping_mul(STEP_FACTOR) ^ u64::from(before).wrapping_mul(ANSWER_FACTOR);
    (mixed >> (u64::BITS - ENTRY_COUNT_LOG)) as usize
}

/// Digests are strong hashes: a step and the sum of what it can depend on stand for what it does.
fn step_key(number: usize, slots: SlotSet, digests: &[u64]) -> u64 {
    let mut sum = 0_u64;
    let mut left = slots;
    while left != 0 {
        sum = sum.wrapping_add(digests[left.trailing_zeros() as usize]);
        left &= left - 1;
    }
    let salt = (number as u64 + 1).wrapping_mul(STEP_FACTOR);
    fold(sum ^ salt, ANSWER_FACTOR ^ slots).max(1)
}

fn step_place(key: u64) -> usize {
    (key >> (u64::BITS - ENTRY_COUNT_LOG)) as usize
}

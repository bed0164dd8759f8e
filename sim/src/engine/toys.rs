//! Small systems with known counts, to test the engine on.

use super::TransitionSystem;
use super::rng::Rng;
use super::state_graph::{Progress, ThreadSet};
use super::visited::fingerprint;

/// Counters that each run from 0 to `max`, independently.
pub(super) struct Counters {
    pub(super) count: usize,
    pub(super) max: u8,
}

impl TransitionSystem for Counters {
    type State = Vec<u8>;
    type Parts = ();
    type Transition = usize;
    type Monitor = ();
    type Violation = ();

    fn initial(&self) -> Vec<u8> {
        vec![0; self.count]
    }

    fn enabled(&self, state: &Vec<u8>, out: &mut Vec<usize>) {
        out.extend((0..self.count).filter(|counter| state[*counter] < self.max));
    }

    fn step(&self, state: &mut Vec<u8>, counter: usize, (): &mut ()) {
        state[counter] += 1;
    }

    fn copy(&self, state: &mut Vec<u8>, source: &Vec<u8>, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut Vec<u8>, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(&self, _: &Vec<u8>, _: usize, _: &Vec<u8>, (): &(), _: &mut Vec<()>) {}

    fn actor(&self, counter: usize) -> usize {
        counter
    }

    fn number(&self, counter: usize) -> usize {
        counter
    }
}

/// Two threads that take two locks and give them back; in opposite orders unless `ordered`.
///
/// A violation is reported whenever one of them holds both.
pub(super) struct Locks {
    pub(super) ordered: bool,
}

/// Who holds each lock, and how far each thread is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct LocksState {
    held: [Option<usize>; 2],
    step: [u8; 2],
}

impl Locks {
    /// The lock that a thread takes first or second.
    fn lock(&self, thread: usize, nth: u8) -> usize {
        let nth = usize::from(nth);
        if self.ordered || thread == 0 { nth } else { 1 - nth }
    }
}

impl TransitionSystem for Locks {
    type State = LocksState;
    type Parts = ();
    type Transition = usize;
    type Monitor = ();
    type Violation = usize;

    fn initial(&self) -> LocksState {
        LocksState { held: [None; 2], step: [0; 2] }
    }

    fn enabled(&self, state: &LocksState, out: &mut Vec<usize>) {
        out.extend((0..2).filter(|thread| match state.step[*thread] {
            step @ (0 | 1) => state.held[self.lock(*thread, step)].is_none(),
            step => step < 3,
        }));
    }

    fn step(&self, state: &mut LocksState, thread: usize, (): &mut ()) {
        match state.step[thread] {
            step @ (0 | 1) => state.held[self.lock(thread, step)] = Some(thread),
            _ => state.held = [None; 2],
        }
        state.step[thread] += 1;
    }

    fn copy(&self, state: &mut LocksState, source: &LocksState, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut LocksState, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(
        &self,
        _: &LocksState,
        thread: usize,
        after: &LocksState,
        (): &(),
        out: &mut Vec<usize>,
    ) {
        if after.held == [Some(thread); 2] {
            out.push(thread);
        }
    }

    fn actor(&self, thread: usize) -> usize {
        thread
    }

    fn number(&self, thread: usize) -> usize {
        thread
    }
}

/// A walk up to `stem`, and from there round a ring of `length` numbers; at any number above 0
/// it can also stop for good.
pub(super) struct Ring {
    pub(super) stem: u8,
    pub(super) length: u8,
}

/// Where the walk has stopped.
const STOPPED: u8 = u8::MAX;

impl TransitionSystem for Ring {
    type State = u8;
    type Parts = ();
    type Transition = bool;
    type Monitor = ();
    type Violation = ();

    fn initial(&self) -> u8 {
        0
    }

    fn enabled(&self, state: &u8, out: &mut Vec<bool>) {
        match *state {
            STOPPED => {}
            0 => out.push(true),
            _ => out.extend([false, true]),
        }
    }

    fn step(&self, state: &mut u8, goes_on: bool, (): &mut ()) {
        *state = match *state + 1 {
            _ if !goes_on => STOPPED,
            next if next == self.stem + self.length => self.stem,
            next => next,
        };
    }

    fn copy(&self, state: &mut u8, source: &u8, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut u8, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(&self, _: &u8, _: bool, _: &u8, (): &(), _: &mut Vec<()>) {}

    fn actor(&self, _: bool) -> usize {
        0
    }

    fn number(&self, goes_on: bool) -> usize {
        usize::from(goes_on)
    }
}

/// A system that is given as a table: for each state, the steps that are possible in it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) states: Vec<Vec<TableStep>>,
}

/// The actor of a table's steps by nobody.
const NOBODY: usize = 2;

/// A step of a table: to another state, by a thread or by nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TableStep {
    pub(super) thread: Option<usize>,
    pub(super) to: usize,
}

impl Table {
    /// Random steps of two threads and of nobody, up to three from each state: most to a state
    /// near by, so that there are long ways.
    pub(super) fn random(rng: &mut Rng, state_count: usize) -> Self {
        let states = (0..state_count).map(|state| {
            let steps = (0..rng.below(4)).map(|_| TableStep {
                thread: [Some(0), Some(1), None][rng.below(3)],
                to: (state + state_count - 1 + rng.below(4)) % state_count,
            });
            let mut steps: Vec<TableStep> = steps.collect();
            steps.sort_by_key(|step| (step.thread, step.to));
            steps.dedup();
            steps
        });
        Table { states: states.collect() }
    }
}

impl TransitionSystem for Table {
    type State = usize;
    type Parts = ();
    type Transition = TableStep;
    type Monitor = ();
    type Violation = ();

    fn initial(&self) -> usize {
        0
    }

    fn enabled(&self, state: &usize, out: &mut Vec<TableStep>) {
        out.extend(&self.states[*state]);
    }

    fn step(&self, state: &mut usize, step: TableStep, (): &mut ()) {
        *state = step.to;
    }

    fn copy(&self, state: &mut usize, source: &usize, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut usize, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(&self, _: &usize, _: TableStep, _: &usize, (): &(), _: &mut Vec<()>) {}

    fn actor(&self, step: TableStep) -> usize {
        step.thread.unwrap_or(NOBODY)
    }

    fn thread(&self, step: TableStep) -> Option<usize> {
        step.thread
    }

    fn number(&self, step: TableStep) -> usize {
        self.actor(step) * self.states.len() + step.to
    }
}

/// The last state is where both threads have ended.
impl Progress for Table {
    fn unfinished(&self, state: &usize) -> ThreadSet {
        if state + 1 == self.states.len() { 0 } else { 3 }
    }

    fn ended(&self, state: &usize) -> ThreadSet {
        3 & !self.unfinished(state)
    }

    fn is_relentless(&self, actor: usize) -> bool {
        actor == NOBODY
    }
}

/// The threads of which something holds.
fn threads_with(count: usize, holds: impl Fn(usize) -> bool) -> ThreadSet {
    (0..count).filter(|thread| holds(*thread)).fold(0, |set, thread| set | 1 << thread)
}

impl Progress for Counters {
    fn unfinished(&self, state: &Vec<u8>) -> ThreadSet {
        threads_with(self.count, |counter| state[counter] < self.max)
    }

    fn ended(&self, state: &Vec<u8>) -> ThreadSet {
        threads_with(self.count, |counter| state[counter] == self.max)
    }
}

impl Progress for Locks {
    fn unfinished(&self, state: &LocksState) -> ThreadSet {
        threads_with(2, |thread| state.step[thread] < 3)
    }

    fn ended(&self, state: &LocksState) -> ThreadSet {
        threads_with(2, |thread| state.step[thread] == 3)
    }
}

impl Progress for Ring {
    fn unfinished(&self, state: &u8) -> ThreadSet {
        ThreadSet::from(*state != STOPPED)
    }

    fn ended(&self, state: &u8) -> ThreadSet {
        ThreadSet::from(*state == STOPPED)
    }
}

/// Two threads that try to take two locks, the second one without waiting: who fails gives the
/// first one back and begins again. In opposite orders unless `ordered`.
pub(super) struct TryLocks {
    pub(super) ordered: bool,
}

/// What a thread of [`TryLocks`] does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Try {
    First,
    Second,
    GiveBack,
    Ended,
}

/// Who holds each lock, and what each thread does next.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct TryLocksState {
    held: [Option<usize>; 2],
    next: [Try; 2],
}

impl TransitionSystem for TryLocks {
    type State = TryLocksState;
    type Parts = ();
    type Transition = usize;
    type Monitor = ();
    type Violation = ();

    fn initial(&self) -> TryLocksState {
        TryLocksState { held: [None; 2], next: [Try::First; 2] }
    }

    fn enabled(&self, state: &TryLocksState, out: &mut Vec<usize>) {
        out.extend((0..2).filter(|thread| match state.next[*thread] {
            Try::First => state.held[self.lock(*thread, 0)].is_none(),
            Try::Second | Try::GiveBack => true,
            Try::Ended => false,
        }));
    }

    fn step(&self, state: &mut TryLocksState, thread: usize, (): &mut ()) {
        let [first, second] = [0, 1].map(|nth| self.lock(thread, nth));
        state.next[thread] = match state.next[thread] {
            Try::First => {
                state.held[first] = Some(thread);
                Try::Second
            }
            Try::Second if state.held[second].is_some() => Try::GiveBack,
            Try::GiveBack => {
                state.held[first] = None;
                Try::First
            }
            // With both it does at once what there is to do, and gives them back.
            Try::Second | Try::Ended => {
                state.held[first] = None;
                Try::Ended
            }
        };
    }

    fn copy(&self, state: &mut TryLocksState, source: &TryLocksState, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut TryLocksState, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(&self, _: &TryLocksState, _: usize, _: &TryLocksState, (): &(), _: &mut Vec<()>) {}

    fn actor(&self, thread: usize) -> usize {
        thread
    }

    fn number(&self, thread: usize) -> usize {
        thread
    }
}

impl TryLocks {
    /// The lock that a thread takes first or second.
    fn lock(&self, thread: usize, nth: usize) -> usize {
        if self.ordered || thread == 0 { nth } else { 1 - nth }
    }
}

impl Progress for TryLocks {
    fn unfinished(&self, state: &TryLocksState) -> ThreadSet {
        threads_with(2, |thread| state.next[thread] != Try::Ended)
    }

    fn ended(&self, state: &TryLocksState) -> ThreadSet {
        threads_with(2, |thread| state.next[thread] == Try::Ended)
    }
}

/// A thread that takes a lock and gives it back for ever, and one that wants it once and ends.
pub(super) struct Turnstile;

impl TransitionSystem for Turnstile {
    /// Whether the first thread has the lock, and whether the second one has ended.
    type State = [bool; 2];
    type Parts = ();
    type Transition = usize;
    type Monitor = ();
    type Violation = ();

    fn initial(&self) -> [bool; 2] {
        [false; 2]
    }

    fn enabled(&self, [taken, ended]: &[bool; 2], out: &mut Vec<usize>) {
        out.push(0);
        out.extend((!taken && !ended).then_some(1));
    }

    fn step(&self, state: &mut [bool; 2], thread: usize, (): &mut ()) {
        state[thread] = !state[thread];
    }

    fn copy(&self, state: &mut [bool; 2], source: &[bool; 2], (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut [bool; 2], (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(&self, _: &[bool; 2], _: usize, _: &[bool; 2], (): &(), _: &mut Vec<()>) {}

    fn actor(&self, thread: usize) -> usize {
        thread
    }

    fn number(&self, thread: usize) -> usize {
        thread
    }
}

impl Progress for Turnstile {
    fn unfinished(&self, [_, ended]: &[bool; 2]) -> ThreadSet {
        1 | ThreadSet::from(!ended) << 1
    }

    fn ended(&self, [_, ended]: &[bool; 2]) -> ThreadSet {
        ThreadSet::from(*ended) << 1
    }
}

/// Threads that each add one to a shared number so many times, by reading it and writing it back.
///
/// A violation is reported whenever an addition of another thread is lost.
pub(super) struct Increments {
    pub(super) thread_count: usize,
    pub(super) times: u8,
}

/// The number, and of each thread how far it is and what it read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct IncrementsState {
    number: u8,
    threads: Vec<(u8, u8)>,
}

impl TransitionSystem for Increments {
    type State = IncrementsState;
    type Parts = ();
    type Transition = usize;
    type Monitor = ();
    type Violation = usize;

    fn initial(&self) -> IncrementsState {
        IncrementsState { number: 0, threads: vec![(0, 0); self.thread_count] }
    }

    fn enabled(&self, state: &IncrementsState, out: &mut Vec<usize>) {
        let is_over = |thread: &usize| state.threads[*thread].0 == 2 * self.times;
        out.extend((0..self.thread_count).filter(|thread| !is_over(thread)));
    }

    fn step(&self, state: &mut IncrementsState, thread: usize, (): &mut ()) {
        let (step, read) = &mut state.threads[thread];
        if *step % 2 == 0 {
            *read = state.number;
        } else {
            state.number = *read + 1;
            *read = 0;
        }
        *step += 1;
    }

    fn copy(&self, state: &mut IncrementsState, source: &IncrementsState, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut IncrementsState, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(
        &self,
        before: &IncrementsState,
        thread: usize,
        after: &IncrementsState,
        (): &(),
        out: &mut Vec<usize>,
    ) {
        let has_written = after.threads[thread].0.is_multiple_of(2);
        if has_written && after.number <= before.number {
            out.push(thread);
        }
    }

    fn actor(&self, thread: usize) -> usize {
        thread
    }

    fn number(&self, thread: usize) -> usize {
        thread
    }
}

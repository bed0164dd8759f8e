//! Small systems with known counts, to test the engine on.

use super::TransitionSystem;
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

    fn number(&self, counter: usize) -> u64 {
        counter as u64
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

    fn number(&self, thread: usize) -> u64 {
        thread as u64
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

    fn number(&self, goes_on: bool) -> u64 {
        u64::from(goes_on)
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

    fn number(&self, thread: usize) -> u64 {
        thread as u64
    }
}

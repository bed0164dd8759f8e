//! Systems with known numbers of executions, and a second way to count them.

use super::enumeration::Enumeration;
use super::{Executions, Orders, executions};
use crate::engine::TransitionSystem;
use crate::engine::explore::{Control, Limits, Stop};
use crate::engine::rng::Rng;
use crate::engine::toys::{Counters, Increments, Locks, Ring};
use crate::engine::visited::fingerprint;
use std::collections::BTreeSet;

/// What a thread does next.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Sets a cell.
    Set(usize, u8),
    /// Adds one to a cell.
    Add(usize),
    /// Keeps what is in a cell.
    Load(usize),
    /// Sets the second cell if there is nothing in the first one.
    SetIfZero(usize, usize, u8),
    /// Waits until nobody has a lock and takes it.
    Take(usize),
    /// Gives a lock back.
    Give(usize),
}

/// Threads that each do one thing after the other.
struct Threads {
    ops: Vec<Vec<Op>>,
    /// The state tells who did what to each cell in which order.
    keeps_order: bool,
    /// The order in which locks are taken is kept, though the state does not tell it.
    keeps_locks: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ThreadsState {
    places: Vec<usize>,
    cells: [u8; 2],
    loaded: Vec<Vec<u8>>,
    held: [bool; 2],
    /// For each cell or lock: who changed it, and who then looked at it.
    order: [Vec<(usize, BTreeSet<usize>)>; 4],
}

impl ThreadsState {
    fn note(&mut self, cell: usize, thread: usize, changes: bool) {
        if changes {
            self.order[cell].push((thread, BTreeSet::new()));
        } else {
            // A look before the first change is noted with nobody's.
            if self.order[cell].is_empty() {
                self.order[cell].push((usize::MAX, BTreeSet::new()));
            }
            let last = self.order[cell].last_mut().expect("it was added above");
            last.1.insert(thread * 16 + self.places[thread]);
        }
    }
}

impl TransitionSystem for Threads {
    type State = ThreadsState;
    type Parts = ();
    type Transition = usize;
    /// The lock that was taken, and by whom.
    type Monitor = Option<(u32, u32)>;
    type Violation = ();

    fn initial(&self) -> ThreadsState {
        ThreadsState {
            places: vec![0; self.ops.len()],
            cells: [0; 2],
            loaded: vec![Vec::new(); self.ops.len()],
            held: [false; 2],
            order: Default::default(),
        }
    }

    fn enabled(&self, state: &ThreadsState, out: &mut Vec<usize>) {
        out.extend((0..self.ops.len()).filter(|thread| {
            match self.ops[*thread].get(state.places[*thread]) {
                Some(Op::Take(lock)) => !state.held[*lock],
                Some(_) => true,
                None => false,
            }
        }));
    }

    fn step(&self, state: &mut ThreadsState, thread: usize, taken: &mut Option<(u32, u32)>) {
        let op = self.ops[thread][state.places[thread]];
        *taken = None;
        if self.keeps_order {
            match op {
                Op::Set(cell, _) | Op::Add(cell) => state.note(cell, thread, true),
                Op::Load(cell) => state.note(cell, thread, false),
                Op::SetIfZero(first, second, _) => {
                    state.note(first, thread, false);
                    if state.cells[first] == 0 {
                        state.note(second, thread, true);
                    }
                }
                Op::Take(lock) => state.note(2 + lock, thread, true),
                Op::Give(_) => {}
            }
        }
        match op {
            Op::Set(cell, value) => state.cells[cell] = value,
            Op::Add(cell) => state.cells[cell] += 1,
            Op::Load(cell) => state.loaded[thread].push(state.cells[cell]),
            Op::SetIfZero(first, second, value) if state.cells[first] == 0 => {
                state.cells[second] = value;
            }
            Op::SetIfZero(..) => {}
            Op::Take(lock) => {
                state.held[lock] = true;
                *taken = Some((lock as u32, thread as u32));
            }
            Op::Give(lock) => state.held[lock] = false,
        }
        state.places[thread] += 1;
    }

    fn copy(&self, state: &mut ThreadsState, source: &ThreadsState, (): ()) {
        state.clone_from(source);
    }

    fn fingerprint(&self, state: &mut ThreadsState, (): ()) -> u64 {
        fingerprint(state)
    }

    fn check(
        &self,
        _: &ThreadsState,
        _: usize,
        _: &ThreadsState,
        _: &Option<(u32, u32)>,
        _: &mut Vec<()>,
    ) {
    }

    fn actor(&self, thread: usize) -> usize {
        thread
    }

    fn number(&self, thread: usize) -> usize {
        thread
    }
}

impl Orders for Threads {
    fn orders(&self, taken: &Option<(u32, u32)>, out: &mut Vec<(u32, u32)>) {
        out.extend(taken.filter(|_| self.keeps_locks));
    }
}

impl Orders for Counters {
    fn orders(&self, (): &(), _: &mut Vec<(u32, u32)>) {}
}

impl Orders for Increments {
    fn orders(&self, (): &(), _: &mut Vec<(u32, u32)>) {}
}

impl Orders for Locks {
    fn orders(&self, (): &(), _: &mut Vec<(u32, u32)>) {}
}

impl Orders for Ring {
    fn orders(&self, (): &(), _: &mut Vec<(u32, u32)>) {}
}

fn counted<S: Orders>(system: &S) -> Executions {
    executions(system, &Limits::default(), &Control::default(), |_, _, _| {})
}

/// The executions, those that were blocked, and the states at rest.
fn counts(ops: &[&[Op]], keeps_order: bool) -> (u128, u128, usize) {
    let ops = ops.iter().map(|ops| ops.to_vec()).collect();
    let found = counted(&Threads { ops, keeps_order, keeps_locks: !keeps_order });
    assert_eq!(found.stop, None);
    (found.complete, found.blocked, found.rests.len())
}

const ONE_LOCK: [Op; 4] = [Op::Take(0), Op::Give(0), Op::Take(0), Op::Give(0)];
const OTHER_LOCK: [Op; 2] = [Op::Take(1), Op::Give(1)];

#[test]
fn locks_are_taken_in_so_many_orders() {
    assert_eq!(counts(&[&ONE_LOCK[..]; 3], true), (90, 0, 90));
    // The same if no state tells the order in which they had the lock.
    assert_eq!(counts(&[&ONE_LOCK[..]; 3], false), (90, 0, 1));
    assert_eq!(counts(&[&ONE_LOCK[..]; 4], true), (2520, 0, 2520));
    // Two locks, each taken by threads of its own.
    let both: [&[Op]; 5] = [&ONE_LOCK, &OTHER_LOCK, &ONE_LOCK, &OTHER_LOCK, &OTHER_LOCK];
    assert_eq!(counts(&both, true), (6 * 6, 0, 6 * 6));
}

#[test]
fn independent_threads_have_one_execution() {
    for count in 1..=6 {
        let found = counted(&Counters { count, max: 3 });
        assert_eq!((found.complete, found.blocked), (1, 0));
    }
}

#[test]
fn writers_and_readers_have_their_known_numbers() {
    let set = |value| [Op::Set(0, value)];
    let [one, two, three, four] = [1, 2, 3, 4].map(set);
    let writers: [&[Op]; 4] = [&one, &two, &three, &four];
    assert_eq!(counts(&writers, true), (24, 0, 24));
    // Only the last one is seen.
    assert_eq!(counts(&writers[..3], false), (3, 0, 3));
    let load = [Op::Load(0)];
    assert_eq!(counts(&[&load[..]; 5], true), (1, 0, 1));
    // Each reader comes before or after the one writer.
    let readers: [&[Op]; 4] = [&one, &load, &load, &load];
    assert_eq!(counts(&readers, true).0, 8);
    // Additions come to the same in any order, unless somebody looks.
    let add = [Op::Add(0)];
    assert_eq!(counts(&[&add[..]; 5], false), (1, 0, 1));
    assert_eq!(counts(&[&add, &add, &load], false).2, 3);
}

#[test]
fn what_is_counted_is_not_enumerated() {
    // 6 threads that take the lock 4 times each: 24! / 4!^6 orders.
    let often: Vec<Op> = ONE_LOCK.iter().chain(&ONE_LOCK).copied().collect();
    let ops = vec![often; 3];
    let found = counted(&Threads { ops, keeps_order: true, keeps_locks: false });
    assert_eq!((found.complete, found.blocked), (34650, 0));
    let lost = counted(&Increments { thread_count: 3, times: 2 });
    assert!(lost.complete > 90, "{lost:?}");
}

#[test]
fn limits_and_schedules_without_an_end_are_told() {
    let endless = counted(&Ring { stem: 2, length: 3 });
    assert_eq!((endless.stop, endless.complete), (Some(Stop::Steps), 0));
    let system = Counters { count: 3, max: 9 };
    let with = |limits: Limits| executions(&system, &limits, &Control::default(), |_, _, _| {});
    let states = with(Limits { state_count_max: 100, ..Limits::default() });
    assert_eq!(states.stop, Some(Stop::States));
    assert_eq!(with(Limits { memory_bytes_max: 9, ..Limits::default() }).stop, Some(Stop::Memory));
    assert_eq!(with(Limits { step_count_max: 26, ..Limits::default() }).stop, Some(Stop::Steps));
    assert_eq!(with(Limits { step_count_max: 27, ..Limits::default() }).stop, None);
    let control = Control::default();
    control.interrupt.store(true, std::sync::atomic::Ordering::Relaxed);
    let interrupted = executions(&system, &Limits::default(), &control, |_, _, _| {});
    assert_eq!(interrupted.stop, Some(Stop::Interrupted));
}

#[test]
fn what_is_wrong_with_a_step_is_never_settled_away() {
    let found = counted(&Locks { ordered: true });
    assert_eq!((found.stop, found.rests.len()), (None, 1));
    assert!(found.complete >= 2, "{found:?}");
}

fn random_ops(rng: &mut Rng) -> Vec<Vec<Op>> {
    let thread = |rng: &mut Rng| {
        let mut ops = Vec::new();
        for _ in 0..=rng.below(3) {
            let (cell, value) = (rng.below(2), 1 + rng.below(2) as u8);
            match rng.below(6) {
                0 => ops.push(Op::Set(cell, value)),
                1 => ops.push(Op::Add(cell)),
                2 => ops.push(Op::Load(cell)),
                3 | 4 => ops.push(Op::SetIfZero(cell, 1 - cell, value)),
                _ => ops.extend([Op::Take(cell), Op::Give(cell)]),
            }
        }
        ops.truncate(3);
        ops
    };
    (0..=1 + rng.below(2)).map(|_| thread(rng)).collect()
}

#[test]
fn as_many_executions_as_classes() {
    const ROUND_COUNT: u32 = 120;
    let mut rng = Rng::new(6);
    let (mut more, mut blocked, mut all) = (0, 0, 0);
    for round in 0..ROUND_COUNT {
        let (keeps_order, keeps_locks) = (round % 2 == 0, round % 4 == 1);
        let system = Threads { ops: random_ops(&mut rng), keeps_order, keeps_locks };
        let found = counted(&system);
        let mut every = Enumeration::new(&system, 2_000).expect("there are fewer");
        let (classes, rests) = (every.class_count() as u128, every.rests());
        assert_eq!(found.rests.len(), rests.len(), "{:?}", system.ops);
        if system.keeps_order {
            assert_eq!(
                (found.complete, classes),
                (classes, rests.len() as u128),
                "{:?}",
                system.ops
            );
        }
        assert!(found.complete >= classes, "{:?}: {found:?}, {classes}", system.ops);
        more += u32::from(found.complete > classes);
        blocked += found.blocked;
        all += found.complete;
    }
    // One step can undo what another one did and nobody saw: then some are counted twice.
    assert!(more * 20 < ROUND_COUNT, "{more} of {ROUND_COUNT}");
    assert!(blocked * 20 < all, "{blocked} executions were blocked, {all} were not");
}

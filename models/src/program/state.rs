//! Where the threads are in their programs: stacks of frames, and loops.

use super::{History, Pc, Program};
use crate::event::IoResult;
use crate::ids::{LabelId, ThreadId};
use crate::io::port::Packet;
use crate::ke::apc::{Kapc, KapcStage};
use crate::lists::Lists;
use crate::parts::{Aspect, Entry, Key, Part, Parts, StatePart, state_parts};
use crate::records::Records;
use crate::service::ServiceReturn;
use crate::win32::Convention;

/// The most routines that can be nested in one thread; past it the thread's stack is full and
/// the run ends as at the step limit.
pub(crate) const NESTING_DEPTH_MAX: usize = 1_000;

/// A thread's place in its own steps or in a routine's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Frame {
    /// The instruction that it is at.
    pub pc: Pc,
    /// The APC whose routine this is; none for the thread's own steps.
    pub kapc: Option<Kapc>,
    /// What the interrupted call returns when the routine is over.
    pub interrupted: Option<ServiceReturn>,
    /// Further APCs follow when the routine returns (the test-alert of NtContinue).
    pub test_alert: bool,
}

impl Frame {
    /// Whether it is of a normal routine that is about to begin, after the kernel APCs that come
    /// first.
    pub(crate) fn is_to_be_entered(&self) -> bool {
        match self.kapc.and_then(Kapc::stage) {
            Some(KapcStage::Normal) => self.test_alert,
            Some(KapcStage::UserNext) => true,
            _ => false,
        }
    }
}

impl Entry for Frame {
    fn digest(&self, key: Key) -> u64 {
        let Frame { pc, kapc, interrupted, test_alert } = self;
        let flags = u64::from(kapc.is_some())
            | u64::from(interrupted.is_some()) << 1
            | u64::from(*test_alert) << 2;
        let sum = key.hash(u64::from(*pc) | flags << 32);
        if kapc.is_none() && interrupted.is_none() {
            return sum;
        }
        let kapc = kapc.map_or(0, Kapc::word);
        let interrupted = interrupted.map_or(0, ServiceReturn::word);
        sum.wrapping_add(key.next().hash_pair(kapc, interrupted))
    }
}

/// The part of a machine's state that its programs keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramState {
    /// Each thread's frames, the innermost last; none once it has ended.
    pub(crate) frames: Lists<Frame>,
    /// How often each loop that a thread is in will still run, the innermost last.
    pub(crate) loops: Lists<u32>,
    /// For each condition of the program: the last result did not match.
    pub(crate) broken_conditions: Records<bool>,
    /// How many results each label has, and then how many routines each thread has entered.
    pub(crate) lengths: Records<u32>,
    /// For each label whose results are kept apart: what it has told so far.
    pub(crate) told: Records<u64>,
    /// What the program could tell of its run so far, beside that.
    history: History,
}

state_parts!(ProgramState {
    frames: Frames,
    loops: Loops,
    broken_conditions: Conditions,
    lengths: Lengths,
    told: Told,
    history: History,
});

impl ProgramState {
    /// Every thread at its first step.
    pub(crate) fn new(program: &Program) -> Self {
        let mut frames = Lists::new(Part::Frames, program.threads.len());
        for (index, thread) in program.threads.iter().enumerate() {
            let frame =
                Frame { pc: thread.entry, kapc: None, interrupted: None, test_alert: false };
            frames.push(index, frame);
        }
        ProgramState {
            frames,
            loops: Lists::new(Part::Loops, program.threads.len()),
            broken_conditions: Records::new(
                Part::Conditions,
                vec![false; program.conditions.len()],
            ),
            lengths: Records::new(
                Part::Lengths,
                vec![0; program.labels.len() + program.threads.len()],
            ),
            told: Records::new(Part::Told, vec![0; program.told.len()]),
            history: History::new(),
        }
    }

    /// Makes some parts equal to those of another state of the same program.
    pub(crate) fn copy_parts(&mut self, source: &Self, parts: Parts) {
        self.copy_own_parts(source, parts);
    }

    /// As [`Kernel::differing_parts`].
    ///
    /// [`Kernel::differing_parts`]: crate::ke::Kernel::differing_parts
    pub(crate) fn differing_parts(&self, other: &Self) -> Parts {
        self.differing_own_parts(other)
    }

    /// The parts that were changed since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Parts {
        self.take_own_touched()
    }

    /// As [`Kernel::settle`].
    ///
    /// [`Kernel::settle`]: crate::ke::Kernel::settle
    pub(crate) fn settle(&mut self, parts: Parts, on_change: impl FnMut(Part, Aspect, usize, u64)) {
        self.settle_own_parts(parts, on_change);
    }

    /// As [`Kernel::take_marks`].
    ///
    /// [`Kernel::take_marks`]: crate::ke::Kernel::take_marks
    pub(crate) fn take_marks(&self, on_marked: impl FnMut(Part, Aspect, usize)) {
        self.take_own_marks(on_marked);
    }

    /// Nothing was looked at.
    pub(crate) fn clear_marks(&mut self) {
        self.clear_own_marks();
    }

    /// The sum of the hashes of everything.
    pub(crate) fn digest(&self) -> u64 {
        self.own_digest()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.own_heap_bytes()
    }

    /// A thread's frames, the innermost last.
    pub fn frames(&self, thread: ThreadId) -> &[Frame] {
        self.frames.get(thread.index())
    }

    /// Whether a thread runs a routine.
    pub(crate) fn is_in_routine(&self, thread: ThreadId) -> bool {
        self.frames.last(thread.index()).is_some_and(|frame| frame.kapc.is_some())
    }

    /// What the program could tell of its run so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What the labels whose results are kept apart have told, by label; empty if there are none.
    pub fn told(&self) -> Vec<u64> {
        self.told.peek_all().copied().collect()
    }

    /// A result is kept under a label.
    pub(crate) fn record_result(
        &mut self,
        program: &Program,
        label: LabelId,
        convention: Convention,
        result: ServiceReturn,
        packets: &[Packet],
    ) {
        let place = self.next_place(label.index());
        if program.told.get(label.index()) == Some(&true) {
            let told = self.told.get_mut(label.index());
            *told = History::told(*told, convention, result, packets);
        } else {
            self.history.record_result((label, place), convention, result, packets);
        }
    }

    /// A thread has entered a routine.
    pub(crate) fn record_routine(
        &mut self,
        program: &Program,
        thread: ThreadId,
        kapc: Kapc,
        result: IoResult,
    ) {
        let list = program.labels.len() + thread.index();
        let place = self.next_place(list);
        self.history.record_routine((list, place), kapc, result);
    }

    fn next_place(&mut self, list: usize) -> u32 {
        let length = self.lengths.get_mut(list);
        *length += 1;
        *length - 1
    }

    /// The instruction that a thread is at; none once it has ended.
    pub(crate) fn pc(&self, thread: ThreadId) -> Option<Pc> {
        self.frames.last(thread.index()).map(|frame| frame.pc)
    }

    pub(crate) fn set_pc(&mut self, thread: ThreadId, pc: Pc) {
        let set = |frame: &mut Frame| frame.pc = pc;
        self.frames.update_last(thread.index(), set).expect("a thread that runs has a frame");
    }

    /// Whether a thread's stack is full.
    pub fn is_stack_full(&self, thread: ThreadId) -> bool {
        self.frames.len(thread.index()) > NESTING_DEPTH_MAX
    }

    /// Forgets a thread's place, because it ends.
    pub(crate) fn leave(&mut self, thread: ThreadId) {
        self.frames.clear(thread.index());
        self.loops.clear(thread.index());
    }

    /// Notes a label's new last result for the loops that look at it.
    pub(crate) fn update_conditions(
        &mut self,
        program: &Program,
        label: LabelId,
        matches: impl Fn(&super::ProgramCondition) -> bool,
    ) {
        for (at, condition) in program.conditions.iter().enumerate() {
            if condition.label == label {
                *self.broken_conditions.get_mut(at) = !matches(condition);
            }
        }
    }
}

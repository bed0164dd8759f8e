//! Where the threads are in their programs: stacks of frames, and loops.

use super::{History, Pc, Program};
use crate::ids::{LabelId, ThreadId};
use crate::ke::apc::Kapc;
use crate::lists::{Entry, Lists};
use crate::service::ServiceReturn;
use std::hash::{Hash, Hasher};

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

impl Entry for Frame {
    fn word(&self) -> u64 {
        let Frame { pc, kapc, interrupted, test_alert } = self;
        let flags = u64::from(kapc.is_some())
            | u64::from(interrupted.is_some()) << 1
            | u64::from(*test_alert) << 2;
        u64::from(*pc) | flags << 32
    }

    fn hash_rest<H: Hasher>(&self, state: &mut H) {
        if let Some(kapc) = self.kapc {
            state.write_u64(kapc.word());
        }
        if let Some(service) = self.interrupted {
            state.write_u64(service.word());
        }
    }
}

/// The part of a machine's state that its programs keep.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProgramState {
    /// Each thread's frames, the innermost last; none once it has ended.
    pub(crate) frames: Lists<Frame>,
    /// How often each loop that a thread is in will still run, the innermost last.
    pub(crate) loops: Lists<u32>,
    /// For each condition of the program: the last result did not match.
    pub(crate) broken_conditions: Vec<bool>,
    /// What the program could tell of its run so far.
    pub(crate) history: History,
}

impl Clone for ProgramState {
    fn clone(&self) -> Self {
        ProgramState {
            frames: self.frames.clone(),
            loops: self.loops.clone(),
            broken_conditions: self.broken_conditions.clone(),
            history: self.history.clone(),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        let ProgramState { frames, loops, broken_conditions, history } = source;
        self.frames.clone_from(frames);
        self.loops.clone_from(loops);
        self.broken_conditions.clone_from(broken_conditions);
        self.history.clone_from(history);
    }
}

impl Hash for ProgramState {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ProgramState { frames, loops, broken_conditions, history } = self;
        frames.hash(state);
        loops.hash(state);
        if !broken_conditions.is_empty() {
            broken_conditions.hash(state);
        }
        history.hash(state);
    }
}

impl ProgramState {
    /// Every thread at its first step.
    pub(crate) fn new(program: &Program) -> Self {
        let mut frames = Lists::new(program.threads.len());
        for (index, thread) in program.threads.iter().enumerate() {
            let frame =
                Frame { pc: thread.entry, kapc: None, interrupted: None, test_alert: false };
            frames.push(index, frame);
        }
        ProgramState {
            frames,
            loops: Lists::new(program.threads.len()),
            broken_conditions: vec![false; program.conditions.len()],
            history: History::new(program),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.frames.heap_bytes()
            + self.loops.heap_bytes()
            + self.broken_conditions.len()
            + self.history.heap_bytes()
    }

    /// A thread's frames, the innermost last.
    pub fn frames(&self, thread: ThreadId) -> &[Frame] {
        self.frames.get(thread.index())
    }

    /// What the program could tell of its run so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The instruction that a thread is at; none once it has ended.
    pub(crate) fn pc(&self, thread: ThreadId) -> Option<Pc> {
        self.frames.last(thread.index()).map(|frame| frame.pc)
    }

    pub(crate) fn pc_mut(&mut self, thread: ThreadId) -> &mut Pc {
        &mut self.frames.last_mut(thread.index()).expect("a thread that runs has a frame").pc
    }

    /// Whether a thread's stack is full.
    pub fn is_stack_full(&self, thread: ThreadId) -> bool {
        self.frames.total() > NESTING_DEPTH_MAX
            && self.frames.len(thread.index()) > NESTING_DEPTH_MAX
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
        for (broken, condition) in self.broken_conditions.iter_mut().zip(&program.conditions) {
            if condition.label == label {
                *broken = !matches(condition);
            }
        }
    }
}

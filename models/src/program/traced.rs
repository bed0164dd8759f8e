//! Programs whose calls, results and routines are written down with their times.
//!
//! Who has the times of everything that a program does sees more than who has the results alone:
//! that one routine was over before a call began, and another began after it. Steps that are one
//! for everybody else come apart.

use super::{Instruction, Program};
use crate::ids::{CallId, LabelId, ObjectId, ThreadId};
use crate::ke::thread::ThreadState;
use crate::machine::{Machine, Model};
use crate::win32::Convention;

/// Where a thread is in its program, for who follows it from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In user mode, about to make this call.
    Call(CallId),
    /// In user mode, at the end of a routine.
    RoutineEnd,
    /// In user mode, at the end of its own steps.
    ThreadEnd,
    /// In user mode in a thread of a pool, about to ask for work.
    Work,
    /// In a service, blocked, stopped, not yet begun.
    Away,
    /// It has begun to end, or has ended.
    Ended,
}

impl Program {
    /// The program as it is for who writes down every call, result and routine with its time.
    #[must_use = "the program itself does not change"]
    pub fn traced(self) -> Self {
        let mut program = self.without_history();
        for thread in &mut program.threads {
            thread.watch.traced = true;
        }
        // Every result is seen, so every call has a label; that of the others has no name.
        let unseen = LabelId::from_index(program.labels.len());
        program.labels.push(String::new());
        for call in &mut program.calls {
            call.label.get_or_insert(unseen);
        }
        program.io.private_requests.fill(false);
        program
    }

    /// The objects that are timers.
    pub fn timers(&self) -> &[ObjectId] {
        &self.timers
    }

    /// The thread of that name.
    pub fn thread_named(&self, name: &str) -> Option<ThreadId> {
        self.thread_ids().find(|thread| self.thread_name(*thread) == name)
    }
}

impl Model {
    /// Where a thread is in its program.
    pub fn place(&self, machine: &Machine, thread: ThreadId) -> Place {
        let record = machine.kernel.thread(thread);
        match record.state {
            ThreadState::User if !record.stopped => {}
            ThreadState::Exiting(_) | ThreadState::Terminated => return Place::Ended,
            _ => return Place::Away,
        }
        let Some(pc) = machine.program.pc(thread) else { return Place::Away };
        match self.program.instruction(pc) {
            Instruction::Call(call) if self.program.call(call).convention == Convention::Work => {
                Place::Work
            }
            Instruction::MarkPending(call)
            | Instruction::ClearEvent(call)
            | Instruction::Call(call) => Place::Call(call),
            _ if machine.program.frames(thread).len() > 1 => Place::RoutineEnd,
            _ => Place::ThreadEnd,
        }
    }
}

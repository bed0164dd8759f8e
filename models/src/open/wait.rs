//! Waits in an open world.

use super::{Effects, OpenWorld};
use crate::ids::{ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::ThreadState;
use crate::ke::wait::{NEVER, WaitKind, WaitRequest, with_index};
use alertable_traces::status::NtStatus;

/// How long a wait can last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// Its tests are made once.
    Zero,
    /// Some time, which whoever follows it says is over.
    Finite,
    /// For ever.
    Infinite,
}

/// A wait that begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// What it names.
    pub objects: &'a [ObjectId],
    /// What it demands of them.
    pub kind: WaitKind,
    /// User APCs end it.
    pub alertable: bool,
    /// How long it can last.
    pub span: Span,
}

impl Entry<'_> {
    fn request(&self) -> WaitRequest {
        let remaining_ms = match self.span {
            Span::Zero => 0,
            Span::Finite => 1,
            Span::Infinite => NEVER,
        };
        WaitRequest { kind: self.kind, alertable: self.alertable, remaining_ms }
    }
}

impl OpenWorld {
    /// A thread begins a wait: its status if it is over at once. A suspended thread makes no
    /// tests before it is resumed (THR-18).
    pub fn begin_wait(
        &mut self,
        thread: ThreadId,
        entry: &Entry<'_>,
    ) -> (Option<NtStatus>, Effects) {
        let request = entry.request();
        let objects = entry.objects.iter().copied();
        self.apply(|kernel, cx| {
            if kernel.thread(thread).stopped {
                kernel.begin_stopped_wait(cx, thread, objects, request);
                return None;
            }
            kernel.begin_wait(cx, thread, objects, request)
        })
    }

    /// A suspended thread says where it was stopped, and waits there to be resumed.
    pub fn report_stopped(&mut self, thread: ThreadId) {
        if !self.is_reported_stopped(thread) {
            self.reported_stopped.push(thread);
        }
    }

    /// Whether a thread has said so and has not been resumed.
    pub fn is_reported_stopped(&self, thread: ThreadId) -> bool {
        self.reported_stopped.contains(&thread)
    }

    /// Whether a thread is in a wait, stopped or not.
    pub fn is_waiting(&self, thread: ThreadId) -> bool {
        matches!(self.kernel.thread(thread).state, ThreadState::Waiting | ThreadState::Restarting)
    }

    /// Whether the suspension of a thread has taken effect.
    pub fn is_stopped(&self, thread: ThreadId) -> bool {
        self.kernel.thread(thread).stopped
    }

    /// Whether a thread's wait can time out.
    pub fn can_time_out(&self, thread: ThreadId) -> bool {
        let here = self.kernel.thread(thread);
        here.state == ThreadState::Waiting && here.wait.remaining_ms != NEVER
    }

    /// A wait's time is over.
    pub fn time_out(&mut self, thread: ThreadId) -> Effects {
        let mut effects = self.apply(|kernel, cx| kernel.time_out(cx, thread)).1;
        // Whoever says so knows it already.
        effects.wakes.retain(|(woken, _)| *woken != thread);
        effects
    }

    /// Something that the world does not know of ends a wait.
    pub fn end_wait(&mut self, thread: ThreadId) {
        if self.is_waiting(thread) {
            self.kernel.leave_wait(thread);
            self.kernel.thread_mut(thread).state = ThreadState::User;
        }
    }

    /// Takes some objects for a wait that the world could not end by itself, because it does not
    /// know all of them: the status.
    pub fn satisfy(&mut self, thread: ThreadId, objects: &[ObjectId]) -> (NtStatus, Effects) {
        self.apply(|kernel, cx| {
            let mut result = NtStatus::WAIT_0;
            for object in objects {
                result = result.max(kernel.satisfy(cx, *object, thread));
            }
            result
        })
    }

    /// Whether an object would satisfy a wait of a thread.
    pub fn is_signaled_for(&self, object: ObjectId, thread: ThreadId) -> bool {
        self.kernel.object(object).is_signaled_for(thread)
    }

    /// Whether an object is a timer that is to expire, and is not signaled.
    pub fn can_expire(&self, object: ObjectId) -> bool {
        match self.kernel.object(object) {
            DispatcherObject::Timer(timer) => timer.is_active() && !timer.signaled,
            _ => false,
        }
    }

    /// The status that the object of an index gives a wait.
    pub fn indexed(status: NtStatus, index: usize) -> NtStatus {
        with_index(status, index as u8)
    }
}

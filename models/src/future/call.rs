//! What each call does, what a thread does whatever its steps are, and what timers and time do.

use super::Touch;
use super::relation::Relations;
use crate::ids::{ObjectId, ThreadId};
use crate::io::setup::{FileTarget, Model};
use crate::ke::wait::NEVER;
use crate::parts::{Aspect, Part};
use crate::program::ProgramCall;
use crate::service::Service;
use crate::slots::SYSTEM;

impl Relations<'_> {
    /// What a thread that has not ended can always do: look at itself, run the routines that can
    /// be queued to it, and end.
    pub(super) fn always(&self, thread: ThreadId, from: &[Touch]) -> Touch {
        let own = self.own(thread);
        let routines = &self.routines[thread.index()];
        let routines =
            routines.iter().fold(Touch::default(), |touch, entry| touch | from[*entry as usize]);
        Touch::of(own)
            | Touch::look(1 << SYSTEM)
            | routines
            | self.end_of(thread)
            | self.io_always(thread)
    }

    /// What a thread's end does (THR-32): it abandons mutexes, cancels timers and is signaled.
    fn end_of(&self, thread: ThreadId) -> Touch {
        let object = ObjectId::from_index(thread.index());
        let mut touch = self.signal(object) | self.io_end();
        for mutant in &self.mutants[thread.index()] {
            touch |= self.signal(*mutant);
        }
        for timer in &self.program.timers {
            let slots = self.object(*timer);
            let is_set = self.setters[timer.index()] & 1 << thread.index() != 0;
            touch |= if is_set { Touch::of(slots) } else { Touch::look(slots) };
        }
        touch
    }

    pub(super) fn timer(&self, timer: ObjectId) -> Touch {
        let mut touch = self.signal(timer);
        for thread in self.program.thread_ids() {
            if self.setters[timer.index()] & 1 << thread.index() != 0 {
                touch |= self.queue_to(thread);
            }
        }
        touch
    }

    /// What the passing of time touches: nothing where it cannot pass.
    pub(super) fn time(&self) -> Touch {
        let is_timed = |service: &Service| match service {
            Service::DelayExecution { timeout_ms, .. }
            | Service::WaitForObjects { timeout_ms, .. }
            | Service::SignalAndWait { timeout_ms, .. }
            | Service::RemoveIoCompletion { timeout_ms, .. } => !matches!(*timeout_ms, 0 | NEVER),
            Service::OverlappedResult { wait, .. } => {
                wait.is_some_and(|wait| !matches!(wait.timeout_ms, 0 | NEVER))
            }
            _ => false,
        };
        // A device's, or that for which an ending thread waits for requests.
        let is_kept = |request| match self.file_of(request).target {
            FileTarget::Device(device) => {
                let setup = &self.program.io.devices[device];
                matches!(setup.model, Model::Delay(ms) if ms > 0) || setup.faults.ignores_cancel
            }
            FileTarget::PipeEnd(_) => false,
        };
        let passes = !self.program.timers.is_empty()
            || self.program.calls.iter().any(|call| is_timed(&call.service))
            || self.requests().any(is_kept);
        if passes { Touch::EVERYTHING } else { Touch::default() }
    }

    /// What a call does beside looking at and changing its own thread.
    pub(super) fn call(&self, call: &ProgramCall) -> Touch {
        let kept = call.label.map_or(0, |label| self.result(label));
        Touch::of(kept) | self.service(&call.service)
    }

    fn service(&self, service: &Service) -> Touch {
        match service {
            Service::QueueApcThread { thread, special: false, .. } => {
                self.to_thread(*thread, Self::queue_to)
            }
            Service::QueueApcThread { thread, .. } => self.to_thread(*thread, |builder, target| {
                builder.queue_to(target) | builder.interrupt(target)
            }),
            Service::WaitForObjects { objects, .. } => {
                let slots = objects
                    .iter()
                    .fold(0, |slots, handle| slots | self.object(self.object_of(*handle)));
                Touch::of(slots)
            }
            Service::SignalAndWait { signal, object, .. } => {
                let slots = self.object(self.object_of(*object));
                self.signal(self.object_of(*signal)) | Touch::of(slots)
            }
            Service::SetEvent { event: handle }
            | Service::ResetEvent { event: handle }
            | Service::PulseEvent { event: handle }
            | Service::ReleaseMutant { mutant: handle }
            | Service::ReleaseSemaphore { semaphore: handle, .. } => {
                self.signal(self.object_of(*handle))
            }
            Service::SetTimer { timer, .. } | Service::CancelTimer { timer } => {
                self.stop_timer(self.object_of(*timer))
            }
            Service::AlertThread { thread }
            | Service::ResumeThread { thread }
            | Service::SuspendThread { thread }
            | Service::TerminateThread { thread, .. } => self.to_thread(*thread, Self::interrupt),
            Service::CreateThread { thread } => self.interrupt(*thread),
            service => self.io_service(service),
        }
    }

    /// A timer is set anew or stopped: an APC that is taken back is no longer pending.
    pub(super) fn stop_timer(&self, timer: ObjectId) -> Touch {
        let setters = self.setters[timer.index()];
        let pending = self
            .program
            .thread_ids()
            .filter(|thread| setters & 1 << thread.index() != 0)
            .fold(0, |slots, thread| slots | self.record(thread));
        self.timer(timer) | Touch::of(pending)
    }

    /// An object is signaled, or looked at. Whom a signal wakes, and whether, depends on the waiters.
    pub(super) fn signal(&self, object: ObjectId) -> Touch {
        Touch { woken: self.waiters(object), ..Touch::of(self.object(object)) }
    }

    /// An APC is queued to a thread, or taken back.
    pub(super) fn queue_to(&self, thread: ThreadId) -> Touch {
        let queue = self.slot(Part::UserApcs, Aspect::Content, thread)
            | self.slot(Part::UserApcs, Aspect::Length, thread);
        let woken = 1 << thread.index();
        Touch { looked_at: queue | self.record(thread), changed: queue, woken }
    }

    /// Something is asked of a thread, whatever it is doing.
    pub(super) fn interrupt(&self, thread: ThreadId) -> Touch {
        let touch = Touch::of(self.own(thread) | self.woken_slots(thread));
        let ports = self.ports[thread.index()].iter();
        ports.fold(touch | self.io_end(), |touch, port| touch | self.activate(*port))
    }
}

/// Whether it is known what a service does.
pub(super) fn is_known(service: &Service) -> bool {
    matches!(
        service,
        Service::QueueApcThread { .. }
            | Service::TestAlert
            | Service::AlertThread { .. }
            | Service::DelayExecution { .. }
            | Service::WaitForObjects { .. }
            | Service::SignalAndWait { .. }
            | Service::SetEvent { .. }
            | Service::ResetEvent { .. }
            | Service::PulseEvent { .. }
            | Service::ReleaseMutant { .. }
            | Service::ReleaseSemaphore { .. }
            | Service::SetTimer { .. }
            | Service::CancelTimer { .. }
            | Service::CreateThread { .. }
            | Service::ResumeThread { .. }
            | Service::SuspendThread { .. }
            | Service::TerminateThread { .. }
            | Service::ExitThread { .. }
            | Service::Close { .. }
            | Service::DuplicateObject { .. }
            | Service::Io { .. }
            | Service::OverlappedResult { .. }
            | Service::HasCompleted { .. }
            | Service::CancelIoFile { .. }
            | Service::CancelIoFileEx { .. }
            | Service::CancelSynchronousIoFile { .. }
            | Service::SetNotificationModes { .. }
            | Service::AssociatePort { .. }
            | Service::SetIoCompletion { .. }
            | Service::RemoveIoCompletion { .. }
            | Service::CompleteRequest { .. }
    )
}

/// Whether what a thread does after a call does not depend on what the call found.
pub(super) fn is_detached(service: &Service) -> bool {
    matches!(
        service,
        Service::QueueApcThread { .. }
            | Service::SetEvent { .. }
            | Service::ResetEvent { .. }
            | Service::PulseEvent { .. }
            | Service::ReleaseSemaphore { .. }
    )
}

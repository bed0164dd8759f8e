//! The end of a thread or a process: what becomes of its requests and handles.

use super::irp::IrpPlace;
use crate::event::{IrpChange, Observer};
use crate::ids::{HandleId, IrpId, ThreadId};
use crate::ke::thread::{ExitPhase, Kthread, ThreadState};
use crate::ke::{Context, Kernel};
use crate::rule::{cancel as can, exit as rule, irp};

/// How long an ending thread waits for the end of its requests, in milliseconds: 3000 times a
/// tenth of a second (EXIT-08).
pub const CANCEL_TIMEOUT_MS: u32 = 300_000;

impl Kernel {
    /// Asks for the cancellation of an ending thread's requests (IoCancelThreadIo).
    ///
    /// EXIT-03: newest first, and no second stage can run meanwhile. Of those that are complete
    /// the second stages come before anything else, so that no time has to be kept for them.
    pub(crate) fn cancel_thread_irps<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([rule::EXIT_01, rule::EXIT_02, rule::EXIT_03, rule::EXIT_04, can::CAN_06]);
        for id in self.io().thread_irps(thread).to_vec() {
            if !self.has_irp(id) {
                continue;
            }
            if self.file(self.request_of(cx, id).2).port.is_some() {
                cx.rule(rule::EXIT_06);
            }
            self.cancel_irp(cx, id, Some(thread), true);
        }
        if self.has_kernel_mode() {
            self.cancel_own_irps(cx, thread);
        }
        let is_left = |id: &IrpId| self.irp(*id).place == IrpPlace::Driver;
        if self.has_kernel_mode() || self.io().thread_irps(thread).iter().any(is_left) {
            self.thread_mut(thread).wait.remaining_ms = CANCEL_TIMEOUT_MS;
        }
    }

    /// The wait for an ending thread's requests is over: they are, or too much time has passed.
    ///
    /// EXIT-08, EXIT-09: then those that no driver has completed are taken off its list, and
    /// will have no effect any more.
    pub(crate) fn dissociate_irps<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        self.thread_mut(thread).wait.remaining_ms = crate::ke::wait::NEVER;
        for id in self.io().thread_irps(thread).to_vec() {
            cx.rules([rule::EXIT_08, rule::EXIT_09, irp::IRP_41]);
            self.unlink_irp(cx, id);
            self.update_irp(id, |irp| irp.dissociated = true);
            self.irp_event(cx, id, IrpChange::Dissociated);
            if self.irp(id).place != IrpPlace::Driver {
                self.free_irp(cx, id);
            }
        }
    }

    /// Whether a thread is the last one of a process that has handles which matter.
    pub(crate) fn ends_process_with_io<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> bool {
        self.has_io() && self.is_last_of_process(cx, thread) && {
            let process = cx.io.thread_processes[thread.index()];
            let several = cx.io.thread_processes.iter().any(|other| *other != process);
            several || !self.io().irps().is_empty() || self.has_cleanup_to_run(cx, process)
        }
    }

    fn is_last_of_process<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> bool {
        let process = cx.io.thread_processes[thread.index()];
        self.io().liveness_looked_at.mark(thread.index());
        self.thread_ids().all(|other| {
            other == thread
                || cx.io.thread_processes[other.index()] != process
                || self.is_gone(other)
                || self.is_system_waiting(other)
        })
    }

    /// Whether a thread has left its process or has not begun; who asks marks that he has looked.
    fn is_gone(&self, thread: ThreadId) -> bool {
        Kernel::has_left(self.threads.peek(thread.index()))
    }

    /// Whether a thread will not close the handles of its process any more, or has not begun: of
    /// several that end at the same time, one is the last.
    pub(crate) fn has_left(thread: &Kthread) -> bool {
        let is_past = matches!(
            thread.state,
            ThreadState::Exiting(ExitPhase::CloseApcQueue | ExitPhase::SignalThread)
        );
        is_past || thread.state == ThreadState::Terminated || Kernel::never_started(thread)
    }

    /// Tells for each thread that has left its process or has not begun its number.
    pub(crate) fn for_each_gone(&self, on_gone: impl FnMut(usize)) {
        if self.has_io() {
            self.thread_ids()
                .filter(|thread| self.is_gone(*thread))
                .map(ThreadId::index)
                .for_each(on_gone);
        }
    }

    /// Closes every handle of a process (EXIT-18, EXIT-19).
    pub(crate) fn run_down_process<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([rule::EXIT_18, rule::EXIT_19]);
        let process = cx.io.thread_processes[thread.index()];
        let handles = cx.handles;
        for handle in (0..handles.len()).map(HandleId::from_index) {
            let of_process = cx.io.handle_processes[handle.index()] == process;
            let is_thread = self.thread_of(handles[handle.index()]).is_some();
            if of_process && !is_thread && !self.is_closed(handle) {
                self.note_closed(handle);
                self.handle_closed(cx, thread, handle);
            }
        }
    }
}

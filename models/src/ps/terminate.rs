//! Termination from outside.

use crate::deviation::Deviation;
use crate::event::Observer;
use crate::ids::{HandleId, ThreadId};
use crate::io::BugCheck;
use crate::ke::kapc::KernelApc;
use crate::ke::thread::{ExitPhase, InService, ThreadState};
use crate::ke::{Context, Kernel};
use crate::rule::{apc, exit, io, iocp, thread as rule, wait};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

impl Kernel {
    /// `NtTerminateThread` with a handle; `true` when the caller ends itself.
    ///
    /// # Errors
    /// `STATUS_INVALID_HANDLE`.
    pub(crate) fn terminate_service<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        caller: ThreadId,
        target: HandleId,
        code: u32,
    ) -> Result<bool, NtStatus> {
        let target = self.reference_thread(cx, target)?;
        if target == caller {
            self.begin_exit(cx, caller, code);
            return Ok(true);
        }
        if self.is_system_thread(target) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        self.terminate_thread(cx, target, code);
        Ok(false)
    }

    /// Asks for the end of another thread and does not wait for it.
    ///
    /// THR-25, THR-27: forced out of suspension and out of its wait, it runs no code of its own
    /// any more. THR-29: a second request changes nothing. One that runs user code ends a
    /// little later, like a suspension takes effect (THR-26).
    fn terminate_thread<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        target: ThreadId,
        code: u32,
    ) {
        let here = *self.thread(target);
        if here.terminated || !here.is_alive() {
            cx.rule(rule::THR_29);
            if !here.is_alive() && cx.deviates(Deviation::LateTerminationSetsCode) {
                self.thread_mut(target).exit_code = code;
            }
            return;
        }
        cx.rules([rule::THR_25, rule::THR_26, rule::THR_27]);
        let was_stopped = here.stopped;
        let target_record = self.thread_mut(target);
        target_record.terminated = true;
        target_record.exit_code = code;
        self.force_resume(cx, target);
        if self.has_kernel_mode() && !(here.state == ThreadState::Starting && was_stopped) {
            // THR-28: it comes through where other normal kernel APCs do.
            cx.rule(rule::THR_28);
            return self.insert_kernel_apc(cx, target, KernelApc::Exit);
        }
        if matches!(here.service, InService::Request(_) | InService::Aborting(_)) {
            // IO-30: its request has to be over first; the thread sees to that itself.
            cx.rule(io::IO_30);
            if here.state == ThreadState::Waiting && matches!(here.service, InService::Request(_)) {
                self.interrupt_wait(cx, target);
            }
            return;
        }
        match here.state {
            ThreadState::User if !was_stopped && !cx.deviates(Deviation::TerminateEndsAtOnce) => {}
            ThreadState::Starting if was_stopped => {
                cx.rule(rule::THR_08);
                self.begin_exit(cx, target, code);
            }
            _ => {
                cx.rule(wait::WAIT_18);
                self.begin_exit(cx, target, code);
            }
        }
    }

    /// A thread in kernel mode ends itself (PsTerminateSystemThread).
    ///
    /// APC-K-24, THR-38: not in a region, not in a normal kernel APC; WAIT-69: not with a kernel
    /// mutex.
    pub(crate) fn begin_system_exit<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        code: u32,
    ) {
        let here = *self.km().thread(thread);
        if here.irql > Irql::Passive {
            let max = Irql::Passive;
            self.check_irql(cx, thread, max, "PsTerminateSystemThread");
        } else if here.attach_depth != 0 {
            self.stop_system(cx, thread, BugCheck::InvalidProcessAttachAttempt);
        } else if self.owns_kernel_mutex(cx, thread) {
            cx.rule(wait::WAIT_69);
            self.stop_system(cx, thread, BugCheck::ThreadTerminateHeldMutex);
        } else if here.kernel_apc_disable != 0
            || here.special_apc_disable != 0
            || here.kernel_apc_in_progress
        {
            cx.rules([apc::APC_K_24, rule::THR_38]);
            self.stop_system(cx, thread, BugCheck::KernelApcPendingDuringExit);
        }
        self.begin_exit(cx, thread, code);
    }

    /// The thread enters the exit sequence.
    pub(crate) fn begin_exit<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        code: u32,
    ) {
        cx.rule(rule::THR_33);
        if matches!(self.thread(thread).service, InService::Removal { .. }) {
            cx.rules([iocp::IOCP_37, exit::EXIT_16]);
        }
        self.abandon_wait(thread);
        self.force_resume(cx, thread);
        let here = self.thread_mut(thread);
        here.service = InService::None;
        here.terminated = true;
        here.exit_code = code;
        here.state = ThreadState::Exiting(ExitPhase::CancelIrps);
    }
}

//! The way back to user mode, and the routines of user APCs that run on it.

use super::{Frame, Instruction};
use crate::deviation::Deviation;
use crate::event::{Event, IoResult, Observer};
use crate::ids::ThreadId;
use crate::ke::Context;
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::thread::{InService, ThreadState};
use crate::machine::{Machine, Model};
use crate::rule::apc;
use crate::service::ServiceReturn;
use alertable_traces::status::NtStatus;

impl Machine {
    /// A call in flight got as far as a wait: what was asked of the thread comes first.
    pub(super) fn obey_kernel_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        if self.kernel.has_kernel_mode() {
            let due = self.kernel.next_kernel_apc(cx.deviations, thread).is_some();
            if due && self.kernel.thread(thread).state == ThreadState::Waiting {
                self.kernel.interrupt_wait(cx, thread);
            }
            return;
        }
        let here = *self.kernel.thread(thread);
        let ends_later = matches!(here.service, InService::Request(_) | InService::Aborting(_));
        if !here.has_kernel_apc() || (here.terminated && ends_later) {
            return;
        }
        if here.terminated {
            self.kernel.begin_exit(cx, thread, here.exit_code);
        } else {
            self.kernel.stop(cx, thread);
        }
    }

    pub(super) fn must_leave_user_path(&self, thread: ThreadId) -> bool {
        let here = self.kernel.thread(thread);
        self.kernel.is_asked_to_stop(here)
            || here.user_apc_pending
            || self.kernel.has_special_apc(thread)
    }

    /// The exit from a wait that a user APC ended.
    pub(super) fn return_for_apc<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let result = ServiceReturn::status(NtStatus::USER_APC);
        if self.is_in_kernel_mode(thread) || self.kernel.is_to_exit(thread) {
            return self.return_to_user(model, cx, thread, result);
        }
        match self.kernel.deliver_user_apc(cx, thread, true) {
            Some(kapc) => self.enter_routine(model, cx, thread, kapc, Some(result), true),
            // APC-I-17: it was taken back meanwhile.
            None => self.return_to_user(model, cx, thread, result),
        }
    }

    /// A service is done and its thread about to go back to user mode.
    pub(super) fn return_to_user<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        result: ServiceReturn,
    ) {
        if self.is_in_kernel_mode(thread) {
            return self.complete(model, cx, thread, result);
        }
        let here = *self.kernel.thread(thread);
        if self.kernel.has_kernel_mode() && self.kernel.stops_at_return(cx, thread) {
            return;
        }
        if self.kernel.is_to_exit(thread) {
            self.kernel.begin_exit(cx, thread, here.exit_code);
        } else if here.suspend_count > 0 && !self.kernel.has_kernel_mode() {
            self.kernel.thread_mut(thread).state = ThreadState::Returning(result);
            self.kernel.stop(cx, thread);
        } else if self.can_be_sent_special(model, thread) && self.kernel.has_special_apc(thread) {
            cx.rules([apc::APC_X_02, apc::APC_X_03, apc::APC_X_05]);
            self.deliver_special(model, cx, thread, Some(result));
        } else if let Some(kapc) = self.kernel.deliver_user_apc(cx, thread, true) {
            self.enter_routine(model, cx, thread, kapc, Some(result), true);
        } else {
            self.complete(model, cx, thread, result);
        }
    }

    /// Whether the program can queue a special user APC to a thread at all: elsewhere its queue is
    /// not looked at for one.
    fn can_be_sent_special(&self, model: &Model, thread: ThreadId) -> bool {
        model.watch(thread).alertable || self.kernel.has_kernel_mode()
    }

    pub(super) fn deliver_special<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        interrupted: Option<ServiceReturn>,
    ) {
        let followed = cx.deviates(Deviation::SpecialOpensDoor);
        let kapc = self.kernel.take_user_apc(cx, thread, followed);
        self.enter_routine(model, cx, thread, kapc, interrupted, followed);
    }

    /// A routine is entered, and those after it as long as nobody can look inside them.
    pub(super) fn enter_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
        interrupted: Option<ServiceReturn>,
        mut test_alert: bool,
    ) {
        self.kernel.thread_mut(thread).state = ThreadState::User;
        let mut next = Some(kapc);
        while let Some(kapc) = next {
            if self.program.frames(thread).len() > 1 {
                cx.rule(apc::APC_U_10);
            }
            if self.enter_user_kernel_routine(model, cx, thread, kapc, interrupted, test_alert) {
                return;
            }
            let result = if O::LOOKS || model.program.keeps_history {
                self.kernel.completion_of(kapc)
            } else {
                IoResult::NONE
            };
            if model.program.keeps_history {
                self.program.record_routine(&model.program, thread, kapc, result);
            }
            cx.event(Event::ApcEntered { thread, kapc, result });
            if !Self::is_over_unseen(model, thread, kapc) {
                let pc = model.program.routines[kapc.routine.index()].entry;
                let test_alert = test_alert || !kapc.is_special();
                let frame = Frame { pc, kapc: Some(kapc), interrupted, test_alert };
                self.program.frames.push(thread.index(), frame);
                return self.settle(model, thread);
            }
            // A regular one that was let in by its own right lets others in.
            test_alert |= !kapc.is_special();
            next = self.next_apc(cx, thread, kapc, test_alert);
        }
        self.go_on(model, cx, thread, interrupted);
    }

    /// Whether a routine has no steps and nobody can tell when it runs; see [`Watch`].
    ///
    /// [`Watch`]: super::Watch
    fn is_over_unseen(model: &Model, thread: ThreadId, kapc: Kapc) -> bool {
        let entry = model.program.routines[kapc.routine.index()].entry;
        model.program.instruction(entry) == Instruction::End
            && matches!(kapc.source, ApcSource::Queued | ApcSource::Io(_))
            && model.watch(thread).only_queued_to()
            && !model.watch(thread).traced
    }

    /// A routine that has a frame returns: the next APC follows, or the interrupted call returns.
    pub(super) fn leave_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let frame = self.program.frames.pop(thread.index()).expect("it is in a routine");
        if let Some(kapc) = frame.kapc.filter(|kapc| kapc.runs_in_kernel_mode()) {
            return self.leave_kernel_mode_routine(model, cx, thread, (kapc, frame));
        }
        let Frame { kapc, interrupted, test_alert, .. } = frame;
        let kapc = kapc.expect("only routines are left this way");
        match self.next_apc(cx, thread, kapc, test_alert) {
            Some(next) => self.enter_routine(model, cx, thread, next, interrupted, test_alert),
            None => self.go_on(model, cx, thread, interrupted),
        }
    }

    /// The APC that follows when a routine returns.
    ///
    /// APC-U-04, APC-U-06: the test-alert of NtContinue finds whatever has been queued by now.
    fn next_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
        test_alert: bool,
    ) -> Option<Kapc> {
        cx.event(Event::ApcReturned { thread, kapc });
        if test_alert && !cx.deviates(Deviation::ApcOnePerWait) {
            self.test_alert_after_routine(cx, thread);
        }
        self.kernel.deliver_user_apc(cx, thread, test_alert)
    }

    fn test_alert_after_routine<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rules([apc::APC_U_04, apc::APC_U_06, apc::APC_U_11, apc::APC_U_12]);
        let alerted = self.kernel.test_alert(cx, thread) == NtStatus::ALERTED;
        if alerted && cx.deviates(Deviation::AlertSparesChain) {
            let _ = self.kernel.test_alert(cx, thread);
        }
    }
}

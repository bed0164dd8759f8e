//! How a thread runs what is not its own: the routines of kernel APCs, of DPCs, of rundown.
//!
//! Each kernel APC that is delivered lays aside what its thread is doing, runs its routines as
//! frames, and looks for the next one; when nothing is left that can be delivered, the thread
//! goes back to what it was doing.

use super::Frame;
use crate::deviation::Deviation;
use crate::event::{Event, IoResult, KapcChange, Observer};
use crate::ids::{DatumId, KapcId, RoutineId, ThreadId};
use crate::io::BugCheck;
use crate::ke::Context;
use crate::ke::apc::{ApcSource, Kapc, KapcStage};
use crate::ke::kapc::KernelApc;
use crate::ke::thread::{ExitPhase, ThreadState};
use crate::machine::{Machine, Model};
use crate::rule::{apc, thread as thr};
use crate::service::ServiceReturn;
use alertable_traces::kernel::Irql;

impl Machine {
    /// Kernel APCs interrupt a thread (KiDeliverApc).
    pub(super) fn deliver_kernel_apcs<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rule(apc::APC_K_20);
        if let ThreadState::Woken(_) = self.kernel.thread(thread).state {
            // APC-K-26: what they do cannot change the result of a wait that is over.
            cx.rule(apc::APC_K_26);
        }
        self.kernel.save_context(thread);
        self.next_kernel_apc(model, cx, thread);
    }

    /// Delivers the kernel APCs of a thread one after the other, until one has a routine to run
    /// or none is left that can be delivered.
    fn next_kernel_apc<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        while let Some(apc) = self.kernel.take_kernel_apc(cx, thread) {
            match apc {
                KernelApc::Io(irp) => self.kernel.run_io_apc(cx, thread, irp),
                KernelApc::OwnIrp(var) => self.kernel.finish_own_irp(cx, var),
                KernelApc::Exit => self.kernel.queue_exit(cx, thread),
                KernelApc::Suspend if self.kernel.thread(thread).suspend_count == 0 => {
                    cx.rule(thr::THR_23);
                }
                KernelApc::Suspend => {
                    cx.rules([thr::THR_13, thr::THR_15]);
                    self.kernel.restore_context(cx, thread);
                    return self.kernel.stop(cx, thread);
                }
                KernelApc::Object { kapc, .. } => {
                    return self.enter_kernel_routine(model, cx, thread, kapc);
                }
            }
        }
        self.leave_kernel_apcs(model, cx, thread);
    }

    /// Nothing is left that can be delivered: the thread goes back to what it was doing.
    fn leave_kernel_apcs<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let state = self.kernel.restore_context(cx, thread);
        if state != ThreadState::User || self.kernel.thread(thread).stopped {
            return;
        }
        match self.program.frames(thread).last() {
            Some(frame) if frame.is_to_be_entered() => self.enter_normal_routine(model, cx, thread),
            _ if self.is_in_kernel_mode(thread) => cx.rule(apc::APC_K_19),
            _ => self.go_back_to_user_mode(model, cx, thread),
        }
    }

    /// The interrupt came from user mode: its exit looks for what is due there (APC-K-21).
    fn go_back_to_user_mode<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([apc::APC_K_21, apc::APC_K_01]);
        if self.kernel.is_to_exit(thread) {
            let code = self.kernel.thread(thread).exit_code;
            self.kernel.begin_exit(cx, thread, code);
            self.exit(model, cx, thread, ExitPhase::CancelIrps);
        } else if let Some(kapc) = self.kernel.deliver_user_apc(cx, thread, true) {
            self.enter_routine(model, cx, thread, kapc, None, true);
        }
    }

    /// Whether a thread runs code in kernel mode now: a system thread's, or a routine's.
    pub(crate) fn is_in_kernel_mode(&self, thread: ThreadId) -> bool {
        self.kernel.is_system_thread(thread)
            || self
                .program
                .frames(thread)
                .last()
                .is_some_and(|frame| frame.kapc.is_some_and(Kapc::runs_in_kernel_mode))
    }

    /// APC-S-03: the kernel routine of an APC runs at APC_LEVEL; without one, what follows it.
    fn enter_kernel_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: KapcId,
    ) {
        self.kernel.set_irql(cx, thread, Irql::Apc);
        match model.program.kernel_mode.kapcs[kapc.index()].kernel {
            Some(routine) => {
                let source = ApcSource::Object { kapc, stage: KapcStage::Kernel };
                let apc = Kapc { source, routine, context: DatumId(0) };
                self.push_routine(model, cx, thread, apc, None, false);
            }
            None => self.after_kernel_routine(model, cx, thread, kapc),
        }
    }

    /// A routine begins: it is seen, and has a frame.
    fn push_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
        interrupted: Option<ServiceReturn>,
        test_alert: bool,
    ) {
        self.kernel.thread_mut(thread).state = ThreadState::User;
        self.see_routine(model, cx, thread, kapc);
        let pc = model.program.routines[kapc.routine.index()].entry;
        let frame = Frame { pc, kapc: Some(kapc), interrupted, test_alert };
        self.program.frames.push(thread.index(), frame);
        self.settle(model, thread);
    }

    fn see_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
    ) {
        let result = IoResult::NONE;
        if model.program.keeps_history {
            self.program.record_routine(&model.program, thread, kapc, result);
        }
        cx.event(Event::ApcEntered { thread, kapc, result });
    }

    /// The kernel routine of a kernel APC is over.
    ///
    /// APC-K-05: the normal routine that it has left runs at PASSIVE_LEVEL, marked as in progress.
    /// Lowering the level lets special APCs through first (APC-K-07).
    fn after_kernel_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: KapcId,
    ) {
        if self.kernel.irql(thread) != Irql::Apc {
            cx.rule(apc::APC_K_11);
            return self.kernel.stop_system(cx, thread, BugCheck::IrqlUnexpectedValue);
        }
        if self.stops_in_another_process(cx, thread) {
            return;
        }
        cx.rule(apc::APC_K_08);
        let Some((routine, context)) = self.kernel.km_thread_mut(thread).normal.take() else {
            self.kernel.set_irql(cx, thread, Irql::Passive);
            return self.next_kernel_apc(model, cx, thread);
        };
        cx.rules([apc::APC_K_05, apc::APC_S_06]);
        if !cx.deviates(Deviation::NormalRoutineAtApcLevel) {
            self.kernel.set_irql(cx, thread, Irql::Passive);
        }
        self.kernel.km_thread_mut(thread).kernel_apc_in_progress = true;
        let source = ApcSource::Object { kapc, stage: KapcStage::Normal };
        let pc = model.program.routines[routine.index()].entry;
        let kapc = Some(Kapc { source, routine, context });
        self.kernel.thread_mut(thread).state = ThreadState::User;
        // Marked as not entered yet.
        let frame = Frame { pc, kapc, interrupted: None, test_alert: true };
        self.program.frames.push(thread.index(), frame);
        if self.kernel.is_kernel_apc_due(cx.deviations, thread) {
            return self.deliver_kernel_apcs(model, cx, thread);
        }
        self.enter_normal_routine(model, cx, thread);
    }

    /// Whether a thread is between the kernel routine of an APC and its normal routine.
    pub(crate) fn is_between_routines(&self, thread: ThreadId) -> bool {
        self.kernel.has_kernel_mode()
            && self.program.frames(thread).last().is_some_and(Frame::is_to_be_entered)
    }

    /// APC-K-11: the delivery of a kernel APC ends in the process in which it began.
    fn stops_in_another_process<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> bool {
        let depth = self.kernel.km().thread(thread).attach_depth;
        let began = self.kernel.km().contexts.last(thread.index());
        let is_elsewhere = began.is_some_and(|context| context.attach_depth != depth);
        if is_elsewhere {
            cx.rule(apc::APC_K_11);
            self.kernel.stop_system(cx, thread, BugCheck::InvalidProcessAttachAttempt);
        }
        is_elsewhere
    }

    /// A normal routine begins, once no kernel APC comes before it.
    ///
    /// THR-26: that of a user APC does not if its thread is to end: it would run in user mode.
    pub(super) fn enter_normal_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let of_user = self.program.frames(thread).last().and_then(|frame| frame.kapc);
        let of_user = of_user.and_then(Kapc::stage) == Some(KapcStage::UserNext);
        if of_user && self.kernel.is_to_exit(thread) {
            cx.rules([thr::THR_26, thr::THR_27]);
            let code = self.kernel.thread(thread).exit_code;
            self.kernel.begin_exit(cx, thread, code);
            return self.exit(model, cx, thread, ExitPhase::CancelIrps);
        }
        let entered = |frame: &mut Frame| {
            let kapc = frame.kapc.as_mut()?;
            match &mut kapc.source {
                ApcSource::Object { stage: stage @ KapcStage::UserNext, .. } => {
                    *stage = KapcStage::User;
                }
                _ => frame.test_alert = false,
            }
            Some(*kapc)
        };
        let kapc = self.program.frames.update_last(thread.index(), entered).flatten();
        self.kernel.thread_mut(thread).state = ThreadState::User;
        self.see_routine(model, cx, thread, kapc.expect("normal routines are of APCs"));
        self.settle(model, thread);
    }

    /// The kernel routine of a user APC comes before its normal routine; whether there is one.
    pub(super) fn enter_user_kernel_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
        interrupted: Option<ServiceReturn>,
        test_alert: bool,
    ) -> bool {
        let ApcSource::Object { kapc: object, stage: KapcStage::User } = kapc.source else {
            return false;
        };
        let Some(routine) = model.program.kernel_mode.kapcs[object.index()].kernel else {
            return false;
        };
        self.kernel.set_irql(cx, thread, Irql::Apc);
        self.kernel.km_thread_mut(thread).normal = Some((kapc.routine, kapc.context));
        let source = ApcSource::Object { kapc: object, stage: KapcStage::Kernel };
        let apc = Kapc { source, routine, context: DatumId(0) };
        self.push_routine(model, cx, thread, apc, interrupted, test_alert);
        true
    }

    /// The kernel routine of a user APC is over.
    ///
    /// APC-K-10: if it has left nothing to run, the next user APC gets its turn as after a
    /// test-alert.
    fn after_user_kernel_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        (kapc, frame): (KapcId, Frame),
    ) {
        if self.kernel.irql(thread) != Irql::Apc {
            cx.rule(apc::APC_K_11);
            return self.kernel.stop_system(cx, thread, BugCheck::IrqlUnexpectedValue);
        }
        self.kernel.set_irql(cx, thread, Irql::Passive);
        let Frame { interrupted, test_alert, .. } = frame;
        let is_due = self.kernel.is_kernel_apc_due(cx.deviations, thread);
        if let Some((routine, context)) = self.kernel.km_thread_mut(thread).normal.take() {
            let source = ApcSource::Object { kapc, stage: KapcStage::UserNext };
            let kapc = Some(Kapc { source, routine, context });
            let pc = model.program.routines[routine.index()].entry;
            let frame = Frame { pc, kapc, interrupted, test_alert };
            self.program.frames.push(thread.index(), frame);
            if is_due {
                // They come when the level falls, before the return to user mode.
                return self.deliver_kernel_apcs(model, cx, thread);
            }
            return self.enter_normal_routine(model, cx, thread);
        }
        cx.rule(apc::APC_K_10);
        let _ = self.kernel.test_alert(cx, thread);
        if is_due {
            self.kernel.thread_mut(thread).state =
                interrupted.map_or(ThreadState::User, ThreadState::Returning);
            return;
        }
        match self.kernel.deliver_user_apc(cx, thread, test_alert) {
            Some(next) => self.enter_routine(model, cx, thread, next, interrupted, test_alert),
            None => self.go_on(model, cx, thread, interrupted),
        }
    }

    /// A routine that runs in kernel mode returns.
    pub(super) fn leave_kernel_mode_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        (kapc, frame): (Kapc, Frame),
    ) {
        cx.event(Event::ApcReturned { thread, kapc });
        match kapc.source {
            ApcSource::Object { kapc: object, stage: KapcStage::Kernel } => {
                let setup = &model.program.kernel_mode.kapcs[object.index()];
                if setup.effective_mode() == alertable_traces::trace::ProcessorMode::User {
                    self.after_user_kernel_routine(model, cx, thread, (object, frame));
                } else {
                    self.after_kernel_routine(model, cx, thread, object);
                }
            }
            ApcSource::Object { stage: KapcStage::Normal, .. } => {
                if self.kernel.irql(thread) != Irql::Passive
                    && !cx.deviates(Deviation::NormalRoutineAtApcLevel)
                {
                    cx.rule(apc::APC_K_11);
                    return self.kernel.stop_system(cx, thread, BugCheck::IrqlUnexpectedValue);
                }
                if self.stops_in_another_process(cx, thread) {
                    return;
                }
                self.kernel.km_thread_mut(thread).kernel_apc_in_progress = false;
                self.kernel.set_irql(cx, thread, Irql::Passive);
                self.next_kernel_apc(model, cx, thread);
            }
            ApcSource::Object { stage: KapcStage::Rundown, .. } => {
                self.kernel.restore_context(cx, thread);
            }
            ApcSource::Dpc(_) => self.leave_dpc(cx, thread),
            ApcSource::Driver(_) => self.leave_driver(model, cx, thread),
            _ => unreachable!("other routines run in user mode: {kapc:?}"),
        }
    }

    /// APC-U-23: a queued APC with a rundown routine runs that at the end of its thread.
    pub(super) fn run_down<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let Some(kapc) = self.kernel.apc_to_run_down(cx, thread) else { return };
        let Some(routine) = model.program.kernel_mode.kapcs[kapc.index()].rundown else { return };
        cx.rule(apc::APC_U_23);
        let taken = self.kernel.take_to_run_down(thread);
        cx.event(Event::Kapc { thread, kapc: taken, change: KapcChange::RunDown });
        self.kernel.save_context(thread);
        let source = ApcSource::Object { kapc, stage: KapcStage::Rundown };
        let apc = Kapc { source, routine, context: DatumId(0) };
        self.push_routine(model, cx, thread, apc, None, false);
    }

    /// A DPC begins to run.
    pub(super) fn run_dpc<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let setup = &model.program.kernel_mode;
        let dpc = setup.dpc_of(thread).expect("its record says so");
        self.kernel.unlink_dpc(dpc);
        self.kernel.begin_interrupt(cx, dpc, thread);
        let routine: RoutineId = setup.dpcs[dpc.index()].routine;
        let apc = Kapc { source: ApcSource::Dpc(dpc), routine, context: DatumId(0) };
        self.push_routine(model, cx, thread, apc, None, false);
    }

    fn leave_dpc<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        let setup = cx.kernel_mode;
        let dpc = setup.dpc_of(thread).expect("its record says so");
        if self.kernel.irql(thread) != setup.dpcs[dpc.index()].irql() {
            return self.kernel.stop_system(cx, thread, BugCheck::IrqlUnexpectedValue);
        }
        self.kernel.end_interrupt(cx, dpc);
        if self.kernel.holds_spin_lock(thread) {
            let how = "returned from a DPC with a spin lock held";
            cx.event(Event::ContractBroken { thread, how });
        }
        self.kernel.thread_mut(thread).state = ThreadState::Waiting;
    }
}

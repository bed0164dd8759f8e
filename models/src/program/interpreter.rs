//! How a thread takes a step: its program's next call, the return from a wait, a routine.

use super::driver::DriverOutcome;
use super::{Instruction, Pc, ProgramCall};
use crate::deviation::Deviation;
use crate::event::{Event, Observer, ThreadChange};
use crate::ids::{CallId, ThreadId};
use crate::ke::Context;
use crate::ke::apc::Kapc;
use crate::ke::thread::{ExitPhase, InService, ThreadRole, ThreadState};
use crate::machine::{Machine, Model};
use crate::rule::{apc, thread as thr, wait};
use crate::service::{Service, ServiceOutcome, ServiceReturn};
use crate::win32::Convention;
use alertable_traces::status::NtStatus;

impl Machine {
    /// A thread takes its next step.
    pub(crate) fn run<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([apc::APC_U_33, wait::WAIT_98]);
        match self.kernel.role(thread) {
            ThreadRole::PoolWaiter => return self.run_pool_waiter(cx, thread),
            ThreadRole::Dpc if self.kernel.thread(thread).state == ThreadState::Waiting => {
                return self.run_dpc(model, cx, thread);
            }
            _ => {}
        }
        if self.kernel.has_sweep(thread) {
            return self.sweep(model, cx, thread);
        }
        match self.kernel.thread(thread).state {
            ThreadState::Starting => self.start(model, cx, thread),
            ThreadState::User if self.is_between_routines(thread) => {
                self.enter_normal_routine(model, cx, thread);
            }
            ThreadState::User => self.next_instruction(model, cx, thread),
            // A wait that is looked at again without having been interrupted
            // (`apc-wakes-late`), or that was.
            ThreadState::Waiting | ThreadState::Restarting => self.restart(model, cx, thread),
            ThreadState::Woken(status) if self.kernel.thread(thread).service != InService::None => {
                self.resume(model, cx, thread, status);
            }
            ThreadState::Woken(NtStatus::USER_APC) => self.return_for_apc(model, cx, thread),
            ThreadState::Woken(status) => {
                if !self.kernel.user_apcs(thread).is_empty() {
                    cx.rules([apc::APC_U_14, wait::WAIT_14]);
                }
                if cx.deviates(Deviation::ApcLostAtObject) {
                    self.kernel.user_apcs.clear(thread.index());
                }
                self.return_to_user(model, cx, thread, status.into());
            }
            ThreadState::Returning(result) => self.return_to_user(model, cx, thread, result),
            ThreadState::Exiting(phase) => self.exit(model, cx, thread, phase),
            ThreadState::NotCreated | ThreadState::Terminated => {
                unreachable!("{thread:?} cannot run")
            }
        }
    }

    /// A wait makes its tests again.
    fn restart<O: Observer>(&mut self, model: &Model, cx: &mut Context<'_, O>, thread: ThreadId) {
        let here = *self.kernel.thread(thread);
        let is_to_exit = here.terminated && self.kernel.is_to_exit(thread);
        if is_to_exit && matches!(here.service, InService::Request(_)) {
            // IO-30: the wait is not begun again.
            self.kernel.abandon_wait(thread);
            return self.resume(model, cx, thread, NtStatus::USER_APC);
        }
        let status = self.kernel.restart_wait(cx, thread);
        match status {
            Some(status) if here.service != InService::None => {
                self.resume(model, cx, thread, status);
            }
            status => {
                if let ServiceOutcome::Returned(result) =
                    self.kernel.after_wait_entry(thread, status)
                {
                    self.return_to_user(model, cx, thread, result);
                }
            }
        }
    }

    /// A wait in the middle of a service is over.
    fn resume<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        status: NtStatus,
    ) {
        let call = self.current_call(model, thread);
        let outcome = self.kernel.resume_service(cx, thread, &call.service, status);
        match outcome {
            ServiceOutcome::Returned(result) => self.returned(model, cx, thread, call, result),
            ServiceOutcome::InWait => self.obey_kernel_apc(cx, thread),
            ServiceOutcome::Dispatches { irp, driver } => {
                self.enter_service_dispatch(model, cx, thread, irp, driver);
            }
            ServiceOutcome::Exits => unreachable!("no service that waits ends its thread"),
        }
    }

    /// The call that a thread is in.
    pub(super) fn current_call<'a>(&self, model: &'a Model, thread: ThreadId) -> &'a ProgramCall {
        let pc = self.program.pc(thread).expect("a thread in a service has a frame");
        match model.program.instruction(pc) {
            Instruction::Call(id) => model.program.call(id),
            other => unreachable!("services are entered by calls: {other:?}"),
        }
    }

    /// The due time of a blocked thread is processed.
    pub(crate) fn time_out<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        match self.kernel.thread(thread).state {
            ThreadState::Exiting(phase) => self.exit(model, cx, thread, phase),
            _ => self.kernel.time_out(cx, thread),
        }
    }

    /// A kernel APC reaches a thread that runs user code: it stops, ends, or runs a special
    /// user APC (THR-14, THR-26, APC-X-03).
    pub(crate) fn interrupt<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let here = *self.kernel.thread(thread);
        if self.kernel.is_kernel_apc_due(cx.deviations, thread) {
            self.deliver_kernel_apcs(model, cx, thread);
        } else if self.kernel.has_io_apc(thread) {
            self.kernel.deliver_io_apc(cx, thread);
        } else if here.terminated {
            self.kernel.begin_exit(cx, thread, here.exit_code);
            self.exit(model, cx, thread, ExitPhase::CancelIrps);
        } else if here.suspend_count > 0 {
            self.kernel.stop(cx, thread);
        } else {
            cx.rules([apc::APC_X_01, apc::APC_X_03, apc::APC_X_06, apc::APC_X_07]);
            self.deliver_special(model, cx, thread, None);
        }
    }

    /// THR-03: the APCs queued so far, then the entry point.
    fn start<O: Observer>(&mut self, model: &Model, cx: &mut Context<'_, O>, thread: ThreadId) {
        if self.kernel.is_system_thread(thread) {
            cx.event(Event::Thread { thread, change: ThreadChange::Started });
            self.kernel.thread_mut(thread).state = ThreadState::User;
            return self.settle(model, thread);
        }
        self.kernel.start_thread(cx, thread);
        if let Some(kapc) = self.kernel.deliver_user_apc(cx, thread, true) {
            cx.rule(apc::APC_X_13);
            self.enter_routine(model, cx, thread, kapc, None, true);
        } else {
            self.settle(model, thread);
        }
    }

    fn next_instruction<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let pc = self.program.pc(thread).expect("a thread in user mode has a frame");
        let is_marked = |call| model.program.request_of(call).is_some_and(|r| r.marked_apart);
        let is_cleared = |call| model.program.request_of(call).is_some_and(|r| r.cleared_apart);
        match model.program.instruction(pc) {
            Instruction::MarkPending(call) => {
                cx.event(Event::Call { thread, call });
                let request = model.program.request_of(call).expect("only requests are marked");
                self.kernel.mark_overlapped(cx, request);
                self.program.set_pc(thread, pc + 1);
                self.settle(model, thread);
            }
            Instruction::ClearEvent(call) => {
                if !is_marked(call) {
                    cx.event(Event::Call { thread, call });
                }
                let request = model.program.request_of(call).expect("only requests have one");
                self.kernel.clear_event(cx, request);
                self.program.set_pc(thread, pc + 1);
            }
            Instruction::Call(call) => {
                // The program has called already where the call has more steps than one.
                let has_begun = is_marked(call) || is_cleared(call);
                if model.program.call(call).convention != Convention::Work && !has_begun {
                    cx.event(Event::Call { thread, call });
                }
                self.make_call(model, cx, thread, call);
            }
            _ if self.program.is_in_routine(thread) => self.leave_routine(model, cx, thread),
            _ if self.kernel.is_system_thread(thread) => {
                self.check_leaks(cx, thread);
                self.kernel.begin_system_exit(cx, thread, 0);
                self.exit(model, cx, thread, ExitPhase::CancelIrps);
            }
            _ if cx.deviates(Deviation::ExitRunsApcs)
                && !self.kernel.user_apcs(thread).is_empty() =>
            {
                let _ = self.kernel.test_alert(cx, thread);
                if let Some(kapc) = self.kernel.deliver_user_apc(cx, thread, true) {
                    self.enter_routine(model, cx, thread, kapc, None, true);
                }
            }
            _ => {
                cx.rules([thr::THR_32, thr::THR_40]);
                self.kernel.begin_exit(cx, thread, 0);
                self.exit(model, cx, thread, ExitPhase::CancelIrps);
            }
        }
    }

    fn make_call<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: CallId,
    ) {
        let call = model.program.call(id);
        let outcome = match &call.service {
            Service::Kernel(service) => {
                let frame = self.program.frames(thread).last();
                let stage = frame.and_then(|frame| frame.kapc).and_then(Kapc::stage);
                let service = (call.source.name(), service);
                self.kernel.kernel_call(cx, thread, service, stage)
            }
            Service::Driver(service) => {
                match self.driver_call(model, cx, thread, (call.source.name(), service)) {
                    DriverOutcome::Enters => return,
                    DriverOutcome::Leaves => {
                        let result = NtStatus::SUCCESS.into();
                        cx.event(Event::Return { thread, call: id, result });
                        return self.leave_routine(model, cx, thread);
                    }
                    DriverOutcome::Returned(value) => {
                        ServiceOutcome::Returned(ServiceReturn { status: NtStatus::SUCCESS, value })
                    }
                }
            }
            service => self.kernel.system_call(cx, thread, service),
        };
        match outcome {
            ServiceOutcome::Dispatches { irp, driver } => {
                self.enter_service_dispatch(model, cx, thread, irp, driver);
            }
            ServiceOutcome::Exits => {
                if self.program.frames(thread).len() > 1 {
                    cx.rules([apc::APC_U_25, thr::THR_37]);
                }
                self.exit(model, cx, thread, ExitPhase::CancelIrps);
            }
            ServiceOutcome::InWait => self.obey_kernel_apc(cx, thread),
            ServiceOutcome::Returned(result) => self.returned(model, cx, thread, call, result),
        }
    }

    /// A service has its result. Others may come in before the program sees it: who stops the
    /// thread, who sends it a special APC, and the second stages of its own requests.
    pub(super) fn returned<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        call: &ProgramCall,
        result: ServiceReturn,
    ) {
        let watch = model.watch(thread);
        let watched = (watch.interruptible || watch.alertable) && call.label.is_some();
        let held = watched && !self.must_leave_user_path(thread);
        let is_interrupted = self.kernel.has_io_apc(thread)
            || self.kernel.is_kernel_apc_due(cx.deviations, thread)
            || self.kernel.has_sweep(thread);
        if held || is_interrupted {
            self.kernel.thread_mut(thread).state = ThreadState::Returning(result);
        } else {
            self.return_to_user(model, cx, thread, result);
        }
    }

    /// The context that routines had interrupted is restored.
    pub(super) fn go_on<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        interrupted: Option<ServiceReturn>,
    ) {
        match interrupted {
            Some(result) => {
                cx.rules([apc::APC_U_05, apc::APC_U_13]);
                self.return_to_user(model, cx, thread, result);
            }
            None => self.settle(model, thread),
        }
    }

    /// A result reaches the program.
    pub(super) fn complete<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        result: ServiceReturn,
    ) {
        let pc = self.program.pc(thread).expect("a thread that returns has a frame");
        let Instruction::Call(id) = model.program.instruction(pc) else {
            unreachable!("results come from calls");
        };
        let call = model.program.call(id);
        self.kernel.thread_mut(thread).state = ThreadState::User;
        if result.status == NtStatus::ALERTED && call.convention.repeats_when_alerted() {
            cx.rule(apc::ALERT_07);
            return self.repeat_alerted(model, cx, thread, id);
        }
        if result.status == NtStatus::USER_APC {
            cx.rules([wait::WAIT_26, wait::WAIT_88, wait::WAIT_94]);
        }
        let packets = if call.convention.tells_packets() && result.status == NtStatus::SUCCESS {
            self.kernel.take_received(thread, result.value as usize)
        } else {
            Vec::new()
        };
        if call.convention == Convention::Work {
            return self.run_callback(model, cx, thread, packets.first());
        }
        for packet in &packets {
            cx.event(Event::Received { thread, packet: *packet });
        }
        cx.event(Event::Return { thread, call: id, result });
        if let Some(label) = call.label {
            if model.program.keeps_history && !model.program.label(label).is_empty() {
                let program = &model.program;
                self.program.record_result(program, label, call.convention, result, &packets);
            }
            self.program.update_conditions(&model.program, label, |condition| {
                let result = call.convention.result(&model.program, result, &packets);
                condition.is.matches(&result)
            });
        }
        self.program.set_pc(thread, pc + 1);
        self.settle(model, thread);
        self.end_unseen(model, cx, thread);
    }

    /// Ends a thread that is done with its steps, if nobody can tell when; see [`Watch`].
    ///
    /// [`Watch`]: super::Watch
    fn end_unseen<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let at_end = self.program.pc(thread).map(|pc| model.program.instruction(pc));
        let ends = at_end == Some(Instruction::End)
            && self.program.frames(thread).len() == 1
            && model.watch(thread).ends_unseen()
            && !self.kernel.has_exit_work(cx, thread)
            && !cx.deviates(Deviation::ExitRunsApcs);
        if ends {
            self.kernel.begin_exit(cx, thread, 0);
            self.exit(model, cx, thread, ExitPhase::CancelIrps);
        }
    }

    /// ALERT-07: the wrapper makes the system call again, with its whole time-out.
    fn repeat_alerted<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        call: CallId,
    ) {
        let service = &model.program.call(call).service;
        match service {
            Service::SignalAndWait { object, alertable, timeout_ms, .. }
                if cx.deviates(Deviation::AlertKeepsSignal) =>
            {
                let wait_only = Service::WaitForObjects {
                    objects: vec![*object],
                    all: false,
                    alertable: *alertable,
                    timeout_ms: *timeout_ms,
                    count_max: 1,
                };
                if let ServiceOutcome::Returned(result) =
                    self.kernel.system_call(cx, thread, &wait_only)
                {
                    self.return_to_user(model, cx, thread, result);
                }
            }
            _ => self.make_call(model, cx, thread, call),
        }
    }

    pub(super) fn exit<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        phase: ExitPhase,
    ) {
        self.program.leave(thread);
        self.kernel.exit_step(cx, thread, phase);
        if self.kernel.thread(thread).state == ThreadState::Exiting(ExitPhase::CloseApcQueue)
            && phase == ExitPhase::CloseApcQueue
        {
            return self.run_down(model, cx, thread);
        }
        let last = ThreadState::Exiting(ExitPhase::SignalThread);
        if self.kernel.thread(thread).state == last && !model.watch(thread).awaited {
            self.kernel.exit_step(cx, thread, ExitPhase::SignalThread);
        }
    }

    /// Before the first step: a thread may begin with a loop.
    pub(crate) fn settle_initially(&mut self, model: &Model, thread: ThreadId) {
        self.settle(model, thread);
    }

    /// Follows the loops to the next call or the end.
    pub(super) fn settle(&mut self, model: &Model, thread: ThreadId) {
        while let Some(pc) = self.program.pc(thread) {
            let list = thread.index();
            let next: Pc = match model.program.instruction(pc) {
                Instruction::Call(_) | Instruction::End => return,
                Instruction::MarkPending(call) => {
                    if model.program.request_of(call).is_some_and(|r| r.marked_apart) {
                        return;
                    }
                    pc + 1
                }
                Instruction::ClearEvent(call) => {
                    if model.program.request_of(call).is_some_and(|r| r.cleared_apart) {
                        return;
                    }
                    pc + 1
                }
                Instruction::LoopBegin { count } => {
                    if let Some(count) = count {
                        self.program.loops.push(list, count);
                    }
                    pc + 1
                }
                Instruction::LoopEnd { body, counted: false } => body,
                Instruction::LoopEnd { body, counted: true } => {
                    let left = self.program.loops.update_last(list, |left| {
                        *left -= 1;
                        *left
                    });
                    if left.expect("it is in a loop") > 0 {
                        body
                    } else {
                        self.program.loops.pop(list);
                        pc + 1
                    }
                }
                Instruction::BreakUnless { condition, target, loops } => {
                    if self.program.broken_conditions[usize::from(condition)] {
                        for _ in 0..loops {
                            self.program.loops.pop(list);
                        }
                        target
                    } else {
                        pc + 1
                    }
                }
            };
            self.program.set_pc(thread, next);
        }
    }
}

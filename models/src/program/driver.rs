//! How drivers' routines run: dispatch, completion and cancel routines, as frames of whatever
//! thread is there.

use super::Frame;
use crate::event::{Event, IoResult, Observer};
use crate::ids::{DatumId, RoutineId, ThreadId};
use crate::io::dservice::{DriverService, IrpName};
use crate::io::packet::{DriverFrame, DriverRoutine, IrpRef};
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::thread::ThreadState;
use crate::ke::{Context, Kernel};
use crate::machine::{Machine, Model};
use crate::rule::{cancel as can, device as dev};
use crate::service::ServiceReturn;
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

/// How a driver's call goes on.
pub(super) enum DriverOutcome {
    /// Done, with this value.
    Returned(u32),
    /// A routine runs first, and what the call returns comes after it; or it has returned.
    Enters,
    /// The routine that made the call returns.
    Leaves,
}

impl Machine {
    /// What the innermost driver's routine of a thread has done so far.
    pub(super) fn driver_frame(&self, thread: ThreadId) -> Option<DriverFrame> {
        let is_driver = |frame: &Frame| {
            frame.kapc.is_some_and(|kapc| matches!(kapc.source, ApcSource::Driver(_)))
        };
        self.program.frames(thread).last().is_some_and(is_driver).then(|| {
            let last = self.kernel.km().driver_frames.last(thread.index());
            *last.expect("each driver's routine has such a frame")
        })
    }

    pub(super) fn update_driver_frame(
        &mut self,
        thread: ThreadId,
        update: impl FnOnce(&mut DriverFrame),
    ) {
        if self.driver_frame(thread).is_some() {
            self.kernel.km_mut().driver_frames.update_last(thread.index(), update);
        }
    }

    /// Enters a driver's routine.
    fn enter_driver<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        (routine, kind): (RoutineId, DriverRoutine),
        (irp, device): (IrpRef, u8),
    ) {
        let frame = DriverFrame {
            routine: kind,
            irp,
            device,
            forwarded: None,
            marked: false,
            completed: None,
            kept: false,
            prepared: false,
            skipped: false,
            returns: None,
            old_irql: self.kernel.irql(thread),
        };
        if kind == DriverRoutine::StartIo {
            self.kernel.set_irql(cx, thread, Irql::Dispatch);
        }
        self.kernel.km_mut().driver_frames.push(thread.index(), frame);
        let kapc = Kapc { source: ApcSource::Driver(kind), routine, context: DatumId(0) };
        self.kernel.thread_mut(thread).state = ThreadState::User;
        self.begin_routine(model, cx, thread, kapc, IoResult::NONE);
    }

    /// A routine that is no APC's begins on a thread.
    pub(super) fn begin_routine<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
        result: IoResult,
    ) {
        if model.program.keeps_history {
            self.program.record_routine(&model.program, thread, kapc, result);
        }
        cx.event(Event::ApcEntered { thread, kapc, result });
        let pc = model.program.routines[kapc.routine.index()].entry;
        let frame = Frame { pc, kapc: Some(kapc), interrupted: None, test_alert: false };
        self.program.frames.push(thread.index(), frame);
        self.settle(model, thread);
    }

    /// A system service sends a request to a driver's device.
    pub(super) fn enter_service_dispatch<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: crate::ids::IrpId,
        driver: usize,
    ) {
        let irp = IrpRef::Service(irp);
        if let Some(routine) = self.kernel.call_driver(cx, thread, irp, driver) {
            let device = driver as u8 + 1;
            let routine = (routine, DriverRoutine::ServiceDispatch);
            self.enter_driver(model, cx, thread, routine, (irp, device));
        }
    }

    /// The packet that a call is about, if it still is.
    fn resolve_irp(&self, thread: ThreadId, name: IrpName) -> Option<IrpRef> {
        let irp = match name {
            Some(var) => self.kernel.km().irp_vars[var.index()],
            None => self.driver_frame(thread).map(|frame| frame.irp),
        };
        irp.filter(|irp| self.kernel.driver_irp(*irp).is_some())
    }

    /// Code in kernel mode calls a function of the I/O manager.
    pub(super) fn driver_call<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        (name, service): (&'static str, &DriverService),
    ) -> DriverOutcome {
        if !self.kernel.check_irql(cx, thread, service.limit(), name) {
            return DriverOutcome::Returned(0);
        }
        let irp = service.irp().map(|name| self.resolve_irp(thread, name));
        let irp = match irp {
            Some(None) => {
                self.use_of_nothing(cx, thread, service);
                return DriverOutcome::Returned(0);
            }
            Some(Some(irp)) => Some(irp),
            None => None,
        };
        if let Some(irp) = irp
            && service.changes_irp()
        {
            self.check_ownership(cx, thread, irp);
        }
        match *service {
            DriverService::Allocate { .. } => self.allocate(cx, thread, *service),
            DriverService::RemoveHead { queue, var, cancel_safe, of_file } => {
                cx.rule(can::CAN_11);
                let cleanup = self.driver_frame(thread).map(|frame| frame.irp);
                let is_wanted = |kernel: &Kernel, irp| {
                    !of_file || cleanup.is_some_and(|cleanup| kernel.is_of_file(cx, irp, cleanup))
                };
                let found = self.kernel.pop_irp(queue, var, cancel_safe, is_wanted);
                return DriverOutcome::Returned(u32::from(found));
            }
            DriverService::StartNextPacket { driver } => {
                if self.kernel.irql(thread) < Irql::Dispatch {
                    let how = "called IoStartNextPacket below DISPATCH_LEVEL";
                    Kernel::contract(cx, thread, how);
                }
                let Some((irp, routine)) = self.kernel.start_next_packet(cx, thread, driver) else {
                    return DriverOutcome::Returned(0);
                };
                let routine = (routine, DriverRoutine::StartIo);
                self.enter_driver(model, cx, thread, routine, (irp, driver as u8 + 1));
                return DriverOutcome::Enters;
            }
            DriverService::AcquireCancelSpinLock => {
                let lock = self.kernel.cancel_spin_lock();
                self.kernel.acquire_spin_lock(cx, thread, lock);
            }
            DriverService::ReleaseCancelSpinLock => {
                let lock = self.kernel.cancel_spin_lock();
                self.kernel.release_spin_lock(cx, thread, lock);
            }
            DriverService::Return { status, loops } => {
                self.update_driver_frame(thread, |frame| {
                    frame.returns = status.or(frame.forwarded);
                });
                for _ in 0..loops {
                    self.program.loops.pop(thread.index());
                }
                return DriverOutcome::Leaves;
            }
            _ => {
                let irp = irp.expect("the other functions are about a packet");
                return self.packet_call(model, cx, thread, irp, service);
            }
        }
        DriverOutcome::Returned(0)
    }

    fn allocate<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: DriverService,
    ) {
        let DriverService::Allocate { var, stack_count, driver, threaded, event, block } = service
        else {
            return;
        };
        let of_device =
            driver.map(|driver| crate::io::driver::stack_size(&cx.kernel_mode.drivers, driver));
        let stack_count = stack_count.or(of_device).unwrap_or(1);
        self.kernel.allocate_own_irp(cx, thread, var, stack_count, threaded);
        let event = event.map(|event| cx.handles[event.index()]);
        self.kernel.update_driver_irp(IrpRef::Own(var), |record| {
            record.event = event;
            record.block = block;
        });
    }

    /// The functions that are about one packet.
    fn packet_call<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
        service: &DriverService,
    ) -> DriverOutcome {
        match *service {
            DriverService::Reuse { .. } => self.reuse(cx, thread, irp),
            DriverService::MakeAssociated { var, stack_count, .. } => {
                self.kernel.make_associated_irp(cx, thread, irp, var, stack_count);
            }
            DriverService::SetStatus { status, information, .. } => {
                self.kernel.update_driver_irp(irp, |record| {
                    (record.status, record.information) = (status, information);
                });
            }
            DriverService::Free { .. } => self.kernel.free_own_irp(cx, thread, irp),
            DriverService::Call { driver, .. } => {
                self.check_passing_on(cx, thread, irp);
                let Some(routine) = self.kernel.call_driver(cx, thread, irp, driver) else {
                    return self.call_default_dispatch(model, cx, thread, irp);
                };
                let routine = (routine, DriverRoutine::Dispatch);
                self.enter_driver(model, cx, thread, routine, (irp, driver as u8 + 1));
                return DriverOutcome::Enters;
            }
            DriverService::StartPacket { driver, cancel, .. } => {
                if cancel.is_some() {
                    self.kernel.set_cancel_routine(cx, irp, cancel);
                }
                self.update_driver_frame(thread, |frame| frame.kept = true);
                let Some(routine) = self.kernel.start_packet(cx, thread, irp, driver) else {
                    return DriverOutcome::Returned(0);
                };
                let routine = (routine, DriverRoutine::StartIo);
                self.enter_driver(model, cx, thread, routine, (irp, driver as u8 + 1));
                return DriverOutcome::Enters;
            }
            DriverService::CopyToNext { .. } => {
                self.update_frame_of(thread, irp, |frame| frame.prepared = true);
                self.kernel.copy_to_next(cx, irp);
            }
            DriverService::SkipCurrent { .. } => {
                self.update_frame_of(thread, irp, |frame| {
                    (frame.prepared, frame.skipped) = (true, true);
                });
                self.kernel.skip_current(cx, irp);
            }
            DriverService::SetCompletionRoutine { routine, cases, .. } => {
                self.check_own_routine(cx, thread, irp);
                self.kernel.set_completion_routine(cx, thread, irp, routine, cases);
            }
            DriverService::MarkPending { if_pending, .. } => {
                let is_pending = self.kernel.driver_irp(irp).is_some_and(|r| r.pending_returned);
                if !if_pending || is_pending {
                    self.check_marking(cx, thread, irp);
                    self.kernel.mark_irp_pending(cx, thread, irp);
                    self.update_driver_frame(thread, |frame| frame.marked = true);
                }
            }
            DriverService::Complete { status, information, .. } => {
                return self.complete_packet(model, cx, thread, irp, (status, information));
            }
            DriverService::SetCancelRoutine { routine, .. } => {
                let had = self.kernel.set_cancel_routine(cx, irp, routine);
                return DriverOutcome::Returned(u32::from(had));
            }
            DriverService::Cancel { .. } => return self.cancel_packet(model, cx, thread, irp),
            DriverService::IsCancelled { .. } => {
                let is = self.kernel.driver_irp(irp).is_some_and(|record| record.cancel);
                return DriverOutcome::Returned(u32::from(is));
            }
            DriverService::Save { var, .. } => {
                *self.kernel.km_mut().irp_vars.get_mut(var.index()) = Some(irp);
            }
            DriverService::Insert { queue, cancel_safe, .. } => {
                self.kernel.push_irp(queue, irp);
                self.update_driver_frame(thread, |frame| frame.kept = true);
                if cancel_safe {
                    return self.insert_cancel_safe(model, cx, thread, irp);
                }
            }
            DriverService::RemoveEntry { queue, .. } => {
                let before = self.kernel.km().irp_queues.len(queue.index());
                self.kernel.km_mut().irp_queues.remove_from(queue.index(), |queued| *queued == irp);
                let found = self.kernel.km().irp_queues.len(queue.index()) < before;
                return DriverOutcome::Returned(u32::from(found));
            }
            DriverService::Allocate { .. }
            | DriverService::RemoveHead { .. }
            | DriverService::StartNextPacket { .. }
            | DriverService::AcquireCancelSpinLock
            | DriverService::ReleaseCancelSpinLock
            | DriverService::Return { .. } => unreachable!("they are about no packet"),
        }
        DriverOutcome::Returned(0)
    }

    /// CAN-10: marked and queued in one; what is cancelled already is complete when the call
    /// returns.
    fn insert_cancel_safe<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) -> DriverOutcome {
        cx.rules([can::CAN_09, can::CAN_10, dev::DEV_29]);
        self.kernel.mark_irp_pending(cx, thread, irp);
        self.update_driver_frame(thread, |frame| frame.marked = true);
        self.kernel.update_driver_irp(irp, |record| record.csq = true);
        if self.kernel.driver_irp(irp).is_some_and(|record| record.cancel) {
            self.kernel.take_from_csq(irp);
            let cancelled = (Some(NtStatus::CANCELLED), 0);
            return self.complete_packet(model, cx, thread, irp, cancelled);
        }
        DriverOutcome::Returned(0)
    }

    /// A driver without a routine for a cleanup: the I/O manager's own completes it.
    fn call_default_dispatch<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) -> DriverOutcome {
        if self.kernel.km().stop().is_some() {
            return DriverOutcome::Returned(0);
        }
        let status = NtStatus::INVALID_DEVICE_REQUEST;
        self.update_frame_of(thread, irp, |frame| frame.forwarded = Some(status));
        match self.complete_packet(model, cx, thread, irp, (Some(status), 0)) {
            DriverOutcome::Returned(_) => {
                self.driver_call_returns(model, cx, thread, ServiceReturn::status(status));
                DriverOutcome::Enters
            }
            other => other,
        }
    }

    /// A driver completes a packet: the walk up the stack begins.
    fn complete_packet<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
        (status, information): (Option<NtStatus>, u32),
    ) -> DriverOutcome {
        if !self.kernel.begin_completion(cx, thread, irp, status, information) {
            return DriverOutcome::Returned(0);
        }
        let completed = self.kernel.driver_irp(irp).map(|record| record.status);
        if self.driver_frame(thread).is_some_and(|frame| frame.irp == irp) {
            self.update_driver_frame(thread, |frame| frame.completed = completed);
        }
        if self.walk(model, cx, thread, irp) {
            DriverOutcome::Enters
        } else {
            DriverOutcome::Returned(0)
        }
    }

    /// Goes on with the walk up a packet's stack; whether a completion routine runs now.
    pub(super) fn walk<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) -> bool {
        let Some((routine, device)) = self.kernel.walk_step(cx, irp) else {
            if let Some(master) = self.kernel.finish_part(cx, thread, irp) {
                return self.walk(model, cx, thread, master);
            }
            self.kernel.end_walk(cx, thread, irp);
            return false;
        };
        self.enter_driver(model, cx, thread, (routine, DriverRoutine::Completion), (irp, device));
        true
    }

    /// A driver asks for the cancellation of a packet.
    fn cancel_packet<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) -> DriverOutcome {
        if let Some(routine) = self.kernel.begin_cancel(cx, thread, irp) {
            let routine = (routine, DriverRoutine::Cancel);
            self.enter_driver(model, cx, thread, routine, (irp, 0));
            return DriverOutcome::Enters;
        }
        if self.kernel.take_from_csq(irp) {
            let cancelled = (Some(NtStatus::CANCELLED), 0);
            // The routine of the queue completes it; a completion routine above may come first.
            return match self.complete_packet(model, cx, thread, irp, cancelled) {
                DriverOutcome::Returned(_) => DriverOutcome::Returned(1),
                other => other,
            };
        }
        DriverOutcome::Returned(0)
    }

    /// A system service, or the end of a thread, cancels the next of the requests that it has
    /// found.
    pub(super) fn sweep<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let irp = self.kernel.km_mut().sweeps.remove(thread.index(), 0);
        if self.kernel.driver_irp(irp).is_none() {
            return;
        }
        self.kernel.save_context(thread);
        if let IrpRef::Cleanup(file) = irp {
            let driver = self.kernel.driver_of_file(cx, file).expect("it has a cleanup routine");
            if let Some(routine) = self.kernel.call_driver(cx, thread, irp, driver) {
                let routine = (routine, DriverRoutine::ServiceCleanup);
                self.enter_driver(model, cx, thread, routine, (irp, driver as u8 + 1));
            }
            return;
        }
        if let Some(routine) = self.kernel.begin_cancel(cx, thread, irp) {
            let routine = (routine, DriverRoutine::ServiceCancel);
            return self.enter_driver(model, cx, thread, routine, (irp, 0));
        }
        if self.kernel.take_from_csq(irp) {
            self.kernel.begin_completion(cx, thread, irp, Some(NtStatus::CANCELLED), 0);
            if self.walk(model, cx, thread, irp) {
                // The walk is the sweep's: its end goes back there.
                return;
            }
        }
        self.kernel.restore_context(cx, thread);
    }
}

//! How drivers' routines return: to the call that led to them, or to the system service.

use crate::event::Observer;
use crate::ids::ThreadId;
use crate::io::dservice::DriverService;
use crate::io::packet::{DriverFrame, DriverRoutine, IrpRef, Origin};
use crate::ke::thread::ThreadState;
use crate::ke::{Context, Kernel};
use crate::machine::{Machine, Model};
use crate::rule::{cancel as can, device as dev, irp as rule};
use crate::service::{Service, ServiceOutcome, ServiceReturn};
use alertable_traces::status::NtStatus;

impl Machine {
    /// A driver's routine returns.
    pub(super) fn leave_driver<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let frame = self.kernel.km_mut().driver_frames.pop(thread.index());
        let frame = frame.expect("each driver's routine has such a frame");
        match frame.routine {
            DriverRoutine::Dispatch | DriverRoutine::ServiceDispatch => {
                let status = frame.returns.or(frame.forwarded).unwrap_or(NtStatus::SUCCESS);
                Self::check_dispatch(cx, thread, &frame, status);
                if frame.routine == DriverRoutine::ServiceDispatch {
                    return self.service_dispatched(model, cx, thread, status);
                }
                self.update_driver_frame(thread, |below| {
                    if below.irp == frame.irp {
                        below.forwarded = Some(status);
                    }
                });
                self.driver_call_returns(model, cx, thread, ServiceReturn::status(status));
            }
            DriverRoutine::ServiceCleanup => self.leave_cleanup(cx, thread, &frame),
            DriverRoutine::StartIo => {
                self.kernel.set_irql(cx, thread, frame.old_irql);
                self.driver_call_returns(model, cx, thread, NtStatus::SUCCESS.into());
            }
            DriverRoutine::Completion => {
                let status = frame.returns.unwrap_or(NtStatus::SUCCESS);
                let goes_on = status != NtStatus::MORE_PROCESSING_REQUIRED;
                if !goes_on {
                    cx.rules([rule::IRP_26, rule::IRP_28]);
                } else if self.kernel.driver_irp(frame.irp).is_none() {
                    Kernel::contract(
                        cx,
                        thread,
                        "freed a request packet and let its completion go on",
                    );
                } else if self.walk(model, cx, thread, frame.irp) {
                    return;
                }
                self.after_walk(model, cx, thread);
            }
            DriverRoutine::Cancel | DriverRoutine::ServiceCancel => {
                let lock = self.kernel.cancel_spin_lock();
                let holds = self.kernel.km().spin_locks[lock.index()].owner == Some(thread);
                if holds {
                    cx.rule(can::CAN_05);
                    let how = "returned from a cancel routine with the cancel spin lock held";
                    Kernel::contract(cx, thread, how);
                    self.kernel.release_spin_lock(cx, thread, lock);
                }
                if frame.routine == DriverRoutine::ServiceCancel {
                    self.kernel.restore_context(cx, thread);
                    return;
                }
                let result = ServiceReturn { status: NtStatus::SUCCESS, value: 1 };
                self.driver_call_returns(model, cx, thread, result);
            }
        }
    }

    /// The cleanup routine of a file's driver has returned: the call that closed it goes on.
    fn leave_cleanup<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        frame: &DriverFrame,
    ) {
        let IrpRef::Cleanup(file) = frame.irp else {
            unreachable!("a cleanup routine is given a cleanup: {frame:?}")
        };
        if self.kernel.is_in_cleanup(file) {
            let how = "returned from a cleanup routine without completing its request packet";
            Kernel::contract(cx, thread, how);
            self.kernel.drop_driver_irp(frame.irp);
        }
        self.kernel.restore_context(cx, thread);
        self.kernel.close_if_unreferenced(cx, file);
    }

    /// The walk up a packet's stack is over, or stopped: what began it goes on.
    fn after_walk<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let in_driver_call = self.driver_service_at(model, thread).is_some();
        if in_driver_call && self.is_in_kernel_mode(thread) {
            let result = match self.driver_service_at(model, thread) {
                Some(DriverService::Cancel { .. }) => {
                    ServiceReturn { status: NtStatus::SUCCESS, value: 1 }
                }
                // Only the I/O manager's own routine completes in the call itself.
                Some(DriverService::Call { .. }) => {
                    ServiceReturn::status(NtStatus::INVALID_DEVICE_REQUEST)
                }
                _ => NtStatus::SUCCESS.into(),
            };
            return self.driver_call_returns(model, cx, thread, result);
        }
        // A sweep.
        self.kernel.restore_context(cx, thread);
    }

    /// The function of the I/O manager that the innermost routine of a thread calls.
    fn driver_service_at(&self, model: &Model, thread: ThreadId) -> Option<DriverService> {
        match model.program.instruction(self.program.pc(thread)?) {
            super::Instruction::Call(call) => match model.program.call(call).service {
                Service::Driver(service) => Some(service),
                _ => None,
            },
            _ => None,
        }
    }

    /// A call of a driver returns after the routines that it ran.
    pub(super) fn driver_call_returns<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        result: ServiceReturn,
    ) {
        if self.kernel.is_kernel_apc_due(cx.deviations, thread) {
            self.kernel.thread_mut(thread).state = ThreadState::Returning(result);
        } else {
            self.return_to_user(model, cx, thread, result);
        }
    }

    /// IRP-13, IRP-16, IRP-17: the legal shapes of a dispatch routine.
    fn check_dispatch<O: Observer>(
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        frame: &DriverFrame,
        status: NtStatus,
    ) {
        cx.rules([rule::IRP_13, rule::IRP_15]);
        let how = if frame.forwarded == Some(status) {
            return;
        } else if status == NtStatus::PENDING && !frame.marked {
            cx.rules([rule::IRP_16, dev::DEV_35]);
            "returned STATUS_PENDING for a request that is not marked so"
        } else if status == NtStatus::PENDING {
            return;
        } else if frame.marked {
            cx.rules([rule::IRP_17, dev::DEV_35]);
            "marked a request pending and did not return STATUS_PENDING"
        } else if frame.forwarded.is_some() && frame.completed.is_none() {
            cx.rule(rule::IRP_27);
            "returned another status than the driver to which it passed the request"
        } else if frame.completed.is_none() {
            "returned from its dispatch routine with a request that it has neither completed, \
             passed on nor marked pending"
        } else if frame.completed != Some(status) {
            "returned another status than that with which it completed the request"
        } else {
            return;
        };
        Kernel::contract(cx, thread, how);
    }

    /// The dispatch routine of a system service's request has returned.
    ///
    /// APC-K-24: in a region, or at a raised level, the system stops instead of going back to
    /// user mode.
    fn service_dispatched<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        status: NtStatus,
    ) {
        if self.kernel.stops_at_return(cx, thread) {
            return;
        }
        let call = self.current_call(model, thread);
        let Service::Io { request } = &call.service else {
            unreachable!("requests come from their services: {:?}", call.service)
        };
        match self.kernel.dispatched(cx, thread, *request, status) {
            ServiceOutcome::Returned(result) => self.returned(model, cx, thread, call, result),
            ServiceOutcome::InWait => self.obey_kernel_apc(cx, thread),
            ServiceOutcome::Exits | ServiceOutcome::Dispatches { .. } => {
                unreachable!("a request that was dispatched returns or waits")
            }
        }
    }

    /// Whether a packet that nobody frees is left when the program ends.
    pub(super) fn check_leaks<O: Observer>(&self, cx: &mut Context<'_, O>, thread: ThreadId) {
        let is_left = self.kernel.kernel_mode().is_some_and(|km| {
            km.irps.get(0).iter().any(|record| {
                matches!(record.origin, Origin::Unthreaded(owner) if owner == thread)
                    && !record.is_completed
                    && record.current > record.stack_count
            })
        });
        if is_left {
            let how = "ended with a request packet that it has built and not freed";
            Kernel::contract(cx, thread, how);
        }
    }
}

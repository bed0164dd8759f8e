//! What a driver may do with its request packet, and what is reported that it may not.

use crate::event::Observer;
use crate::ids::ThreadId;
use crate::io::BugCheck;
use crate::io::dservice::DriverService;
use crate::io::packet::{DriverFrame, IrpRef};
use crate::ke::{Context, Kernel};
use crate::machine::Machine;
use crate::rule::{cancel as can, device as dev, irp as rule};

impl Machine {
    /// A call is about a request packet that is not there.
    pub(super) fn use_of_nothing<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &DriverService,
    ) {
        let frame = self.driver_frame(thread);
        let how = match service.irp().flatten() {
            None if frame.is_none() => {
                "called a function about the request packet of a driver's routine, outside of one"
            }
            Some(var) if self.kernel.km().irp_vars[var.index()].is_none() => {
                "used a place for a request packet in which there is none"
            }
            _ if matches!(service, DriverService::Complete { .. }) => {
                cx.rules([rule::IRP_30, dev::DEV_34]);
                let stop = BugCheck::MultipleIrpCompleteRequests;
                return self.kernel.stop_system(cx, thread, stop);
            }
            None if frame.is_some_and(|frame| frame.completed.is_some()) => {
                "touched a request packet after completing it"
            }
            None if frame.is_some_and(|frame| frame.forwarded.is_some()) => {
                "touched a request packet after passing it on"
            }
            _ => "used a request packet that is freed",
        };
        if matches!(service, DriverService::Cancel { .. }) {
            cx.rule(can::CAN_13);
        }
        Kernel::contract(cx, thread, how);
    }

    /// IRP-26, IRP-27: a routine that has completed or passed on its packet leaves it alone.
    pub(super) fn check_ownership<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        let Some(frame) = self.driver_frame(thread).filter(|frame| frame.irp == irp) else {
            return;
        };
        // What came back from below, stopped by a completion routine of its own, is its again.
        let is_back = self.kernel.driver_irp(irp).is_some_and(|record| {
            let at = usize::from(record.current);
            at <= usize::from(record.stack_count) && record.locations[at - 1].device == frame.device
        });
        if frame.completed.is_some() {
            Kernel::contract(cx, thread, "touched a request packet after completing it");
        } else if frame.forwarded.is_some() && !is_back {
            Kernel::contract(cx, thread, "touched a request packet after passing it on");
        }
    }

    pub(super) fn update_frame_of(
        &mut self,
        thread: ThreadId,
        irp: IrpRef,
        update: impl FnOnce(&mut DriverFrame),
    ) {
        self.update_driver_frame(thread, |frame| {
            if frame.irp == irp {
                update(frame);
            }
        });
    }

    /// IRP-12, CAN-12: the next driver has a stack location, and the packet is not cancellable
    /// above it.
    pub(super) fn check_passing_on<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        let has_next = self.kernel.driver_irp(irp).is_some_and(|record| record.current > 1);
        let is_its = |frame: DriverFrame| frame.irp == irp && !frame.prepared;
        if has_next && self.driver_frame(thread).is_some_and(is_its) {
            cx.rule(rule::IRP_12);
            let how = "passed a request packet on without setting up the next stack location";
            Kernel::contract(cx, thread, how);
        }
        if self.kernel.driver_irp(irp).is_some_and(|record| record.cancel_routine.is_some()) {
            cx.rule(can::CAN_12);
            let how = "passed a request packet on with its cancel routine set";
            Kernel::contract(cx, thread, how);
        }
        self.update_frame_of(thread, irp, |frame| {
            (frame.prepared, frame.skipped) = (false, false);
        });
    }

    /// IRP-14: marked before others can find it, or under a lock that keeps them away.
    pub(super) fn check_marking<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        let is_visible =
            self.driver_frame(thread).is_some_and(|frame| frame.irp == irp && frame.kept);
        if is_visible && !self.kernel.holds_spin_lock(thread) {
            cx.rule(rule::IRP_14);
            let how = "marked a request pending after putting it where others find it";
            Kernel::contract(cx, thread, how);
        }
    }

    /// IRP-12: whoever has given its own stack location away has no place for a routine.
    pub(super) fn check_own_routine<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        if self.driver_frame(thread).is_some_and(|frame| frame.irp == irp && frame.skipped) {
            cx.rule(rule::IRP_12);
            let how = "set a completion routine in the stack location that it has given away: that \
                       of the driver above is lost";
            Kernel::contract(cx, thread, how);
        }
    }

    /// A driver makes a packet of its own as new (IoReuseIrp).
    pub(super) fn reuse<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        cx.rule(rule::IRP_10);
        if self.kernel.is_with_lower_driver(irp) {
            Kernel::contract(cx, thread, "reused a request packet that a lower driver has");
        }
        if !matches!(irp, IrpRef::Own(_)) {
            Kernel::contract(cx, thread, "reused a request packet of a thread");
        }
        self.kernel.update_driver_irp(irp, |record| {
            record.current = record.stack_count + 1;
            record.cancel = false;
            record.pending_returned = false;
            record.locations = Default::default();
        });
    }
}

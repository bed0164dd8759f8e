//! Drivers of the program's own: what they do with request packets. Their routines are steps, which
//! [`crate::program`] runs.

use super::packet::{DriverIrp, IrpRef, Location, Origin, STACK_COUNT_MAX};
use crate::event::{Event, Observer};
use crate::ids::{IrpId, IrpQueueId, IrpVarId, ObjectId, RoutineId, SpinLockId, ThreadId};
use crate::io::BugCheck;
use crate::ke::kapc::KernelApc;
use crate::ke::thread::ThreadState;
use crate::ke::{Context, Kernel};
use crate::rule::{cancel as can, device as dev, irp as rule};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

/// A device of the program's own driver.
#[derive(Clone, Debug)]
pub struct DriverSetup {
    /// The device, as an object.
    pub device: ObjectId,
    /// Its dispatch routine.
    pub dispatch: RoutineId,
    /// Its StartIo routine.
    pub start_io: Option<RoutineId>,
    /// Its cleanup routine.
    pub cleanup: Option<RoutineId>,
    /// The device that it is attached over, by its number among these.
    pub over: Option<usize>,
}

impl Kernel {
    /// A request packet, if there still is one of that name.
    pub(crate) fn driver_irp(&self, irp: IrpRef) -> Option<&DriverIrp> {
        self.km().irps.get(0).iter().find(|record| record.name == irp)
    }

    pub(crate) fn update_driver_irp<R>(
        &mut self,
        irp: IrpRef,
        update: impl FnOnce(&mut DriverIrp) -> R,
    ) -> Option<R> {
        let at = self.km().irps.get(0).iter().position(|record| record.name == irp)?;
        Some(self.km_mut().irps.update(0, at, update))
    }

    /// A new request packet: IRP-01, one past the top, with nothing set.
    pub(crate) fn add_driver_irp(&mut self, name: IrpRef, origin: Origin, stack_count: u8) {
        let (Origin::Threaded(thread) | Origin::Unthreaded(thread)) = origin;
        let attach_depth = self.km().thread(thread).attach_depth;
        let record = DriverIrp {
            name,
            origin,
            stack_count,
            current: stack_count + 1,
            locations: [Location::default(); STACK_COUNT_MAX],
            pending_returned: false,
            cancel: false,
            cancel_routine: None,
            csq: false,
            status: NtStatus::SUCCESS,
            information: 0,
            is_completed: false,
            block: None,
            event: None,
            master: None,
            attach_depth,
            part_count: 0,
        };
        let irps = self.km().irps.get(0);
        let at = irps.iter().position(|other| other.name > name).unwrap_or(irps.len());
        self.km_mut().irps.insert(0, at, record);
    }

    /// A request packet is gone, and so from every queue.
    pub(crate) fn drop_driver_irp(&mut self, irp: IrpRef) {
        self.km_mut().irps.remove_from(0, |record| record.name == irp);
        for queue in 0..self.km().irp_queue_count() {
            self.km_mut().irp_queues.remove_from(queue, |queued| *queued == irp);
        }
    }

    /// The packet of a request to a driver's device, with as many locations as devices.
    pub(crate) fn prepare_service_irp<O>(
        &mut self,
        cx: &Context<'_, O>,
        thread: ThreadId,
        irp: IrpId,
        driver: usize,
    ) {
        let stack_count = stack_size(cx.kernel_mode.drivers.as_slice(), driver);
        self.add_driver_irp(IrpRef::Service(irp), Origin::Threaded(thread), stack_count);
    }

    pub(crate) fn contract<O: Observer>(
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        how: &'static str,
    ) {
        cx.event(Event::ContractBroken { thread, how });
    }

    /// The next driver's stack location becomes the current one (IoCallDriver); the routine to
    /// run.
    ///
    /// IRP-02, IRP-11: without a location left the system stops.
    pub(crate) fn call_driver<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
        driver: usize,
    ) -> Option<RoutineId> {
        cx.rules([rule::IRP_02, rule::IRP_11]);
        let record = self.driver_irp(irp)?;
        if record.current <= 1 {
            self.stop_system(cx, thread, BugCheck::NoMoreIrpStackLocations);
            return None;
        }
        self.update_driver_irp(irp, |record| {
            record.current -= 1;
            record.locations[usize::from(record.current) - 1].device = driver as u8 + 1;
        });
        let driver = &cx.kernel_mode.drivers[driver];
        match irp {
            IrpRef::Cleanup(_) => driver.cleanup,
            IrpRef::Service(_) | IrpRef::Own(_) => Some(driver.dispatch),
        }
    }

    /// IRP-12: the next location like one's own, without its routine and its pending bit.
    pub(crate) fn copy_to_next<O: Observer>(&mut self, cx: &mut Context<'_, O>, irp: IrpRef) {
        cx.rules([rule::IRP_12, dev::DEV_28]);
        self.update_driver_irp(irp, |record| {
            let next = usize::from(record.current).saturating_sub(2);
            record.locations[next] = Location::default();
        });
    }

    /// IRP-12: the lower driver gets one's own location.
    pub(crate) fn skip_current<O: Observer>(&mut self, cx: &mut Context<'_, O>, irp: IrpRef) {
        cx.rules([rule::IRP_12, dev::DEV_28]);
        self.update_driver_irp(irp, |record| record.current += 1);
    }

    /// Sets the completion routine in the next driver's location (IoSetCompletionRoutine).
    pub(crate) fn set_completion_routine<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
        routine: Option<RoutineId>,
        cases: [bool; 3],
    ) {
        cx.rule(rule::IRP_23);
        let has_next = self.driver_irp(irp).is_some_and(|record| record.current > 1);
        if !has_next {
            return self.stop_system(cx, thread, BugCheck::NoMoreIrpStackLocations);
        }
        self.update_driver_irp(irp, |record| {
            let next = &mut record.locations[usize::from(record.current) - 2];
            next.routine = routine;
            next.cases = cases;
        });
    }

    /// Marks the current location pending (IoMarkIrpPending).
    ///
    /// IRP-29: its originator has no location of its own.
    pub(crate) fn mark_irp_pending<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        cx.rule(rule::IRP_14);
        let Some(record) = self.driver_irp(irp) else { return };
        if record.current > record.stack_count {
            cx.rule(rule::IRP_29);
            return Self::contract(
                cx,
                thread,
                "marked a request packet pending beyond its stack locations",
            );
        }
        self.update_driver_irp(irp, |record| {
            record.locations[usize::from(record.current) - 1].pending = true;
        });
    }

    /// One step of the walk up the stack: the completion routine to run, with the device whose
    /// it is; none when the walk is over.
    ///
    /// IRP-20, IRP-21, IRP-23, IRP-25: the routine sees what the driver below has marked, and a
    /// location without one passes that on.
    pub(crate) fn walk_step<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        irp: IrpRef,
    ) -> Option<(RoutineId, u8)> {
        cx.rules([rule::IRP_19, rule::IRP_20, rule::IRP_21, rule::IRP_23]);
        loop {
            let record = *self.driver_irp(irp)?;
            if record.current > record.stack_count {
                return None;
            }
            let at = usize::from(record.current) - 1;
            let location = record.locations[at];
            let success = record.status.is_success();
            let [on_success, on_error, on_cancel] = location.cases;
            let invoked =
                (success && on_success) || (!success && on_error) || (record.cancel && on_cancel);
            let routine = location.routine.filter(|_| invoked);
            if record.status.is_warning() && invoked {
                cx.rule(rule::IRP_24);
            }
            self.update_driver_irp(irp, |record| {
                record.pending_returned = location.pending;
                record.locations[at] = Location { device: location.device, ..Location::default() };
                record.current += 1;
                if routine.is_none() && location.pending && record.current <= record.stack_count {
                    record.locations[at + 1].pending = true;
                }
            });
            if let Some(routine) = routine {
                cx.rule(rule::IRP_25);
                let above = record.locations.get(at + 1).map_or(0, |above| above.device);
                let owner = if record.current + 1 > record.stack_count { 0 } else { above };
                return Some((routine, owner));
            }
        }
    }

    /// A driver begins to complete a packet (IoCompleteRequest).
    ///
    /// IRP-30: one that is complete stops the system. IRP-31: its cancel routine is taken back
    /// before, and its status is final.
    pub(crate) fn begin_completion<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
        status: Option<NtStatus>,
        information: u32,
    ) -> bool {
        let Some(record) = self.driver_irp(irp).copied() else {
            Self::contract(cx, thread, "completed a request packet that is freed");
            return false;
        };
        if record.is_completed || record.current > record.stack_count {
            cx.rules([rule::IRP_30, dev::DEV_34]);
            self.stop_system(cx, thread, BugCheck::MultipleIrpCompleteRequests);
            return false;
        }
        if self.holds_spin_lock(thread) {
            cx.rule(can::CAN_05);
            Self::contract(cx, thread, "completed a request packet with a spin lock held");
        }
        if record.cancel_routine.is_some() || record.csq {
            cx.rules([rule::IRP_31, dev::DEV_36]);
            Self::contract(cx, thread, "completed a request packet with its cancel routine set");
        }
        if status == Some(NtStatus::PENDING) {
            cx.rule(rule::IRP_31);
            Self::contract(cx, thread, "completed a request packet with STATUS_PENDING");
        }
        self.update_driver_irp(irp, |record| {
            if let Some(status) = status {
                record.status = status;
                record.information = information;
            }
        });
        true
    }

    /// The walk up the stack is over: the I/O manager has the packet.
    ///
    /// IRP-04, IRP-58: of one that a driver has built, the second stage runs on the thread that
    /// built it.
    pub(crate) fn end_walk<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        let Some(record) = self.driver_irp(irp).copied() else { return };
        self.update_driver_irp(irp, |record| record.is_completed = true);
        match irp {
            IrpRef::Service(id) => {
                self.drop_driver_irp(irp);
                let at_apc_level = self.irql(thread) > Irql::Passive;
                let walked = super::complete::Walked {
                    status: record.status,
                    information: record.information,
                    pended: record.pending_returned,
                    completer: super::complete::Completer { thread: Some(thread), at_apc_level },
                };
                self.complete_walked(cx, id, walked);
            }
            IrpRef::Cleanup(_) => self.drop_driver_irp(irp),
            IrpRef::Own(var) => {
                let (Origin::Threaded(issuer) | Origin::Unthreaded(issuer)) = record.origin;
                if self.thread(issuer).state == ThreadState::Terminated {
                    Self::contract(
                        cx,
                        thread,
                        "let the completion of a request packet go on whose thread has ended",
                    );
                    return self.drop_driver_irp(irp);
                }
                cx.rule(rule::IRP_36);
                self.insert_kernel_apc(cx, issuer, KernelApc::OwnIrp(var));
            }
        }
    }

    /// The spin lock under which requests are cancelled: the one behind the program's.
    pub(crate) fn cancel_spin_lock(&self) -> SpinLockId {
        SpinLockId::from_index(self.km().spin_locks.len() - 1)
    }

    /// Asks for the cancellation of a packet (IoCancelIrp): the routine to run, if there is one.
    ///
    /// CAN-01 to CAN-03: under the cancel spin lock, at most once.
    pub(crate) fn begin_cancel<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) -> Option<RoutineId> {
        cx.rules([can::CAN_01, can::CAN_02, can::CAN_03, can::CAN_04]);
        let record = self.driver_irp(irp).copied()?;
        if record.part_count > 0 {
            // Its parts are left alone.
            cx.rule(can::CAN_14);
        }
        let routine = self
            .update_driver_irp(irp, |record| {
                record.cancel = true;
                record.cancel_routine.take()
            })
            .flatten();
        if record.csq {
            // The queue's own cancel routine: out of the queue, and complete.
            cx.rules([can::CAN_10, can::CAN_11, dev::DEV_29]);
            return None;
        }
        let routine = routine?;
        if record.is_completed {
            cx.rule(can::CAN_07);
            self.stop_system(cx, thread, BugCheck::CancelStateInCompletedIrp);
            return None;
        }
        cx.rules([can::CAN_05, can::CAN_06]);
        let lock = self.cancel_spin_lock();
        self.acquire_spin_lock(cx, thread, lock);
        Some(routine)
    }

    /// Takes a packet out of the cancel-safe queue that holds it; whether one did.
    pub(crate) fn take_from_csq(&mut self, irp: IrpRef) -> bool {
        let held = self.update_driver_irp(irp, |record| std::mem::take(&mut record.csq));
        if held != Some(true) {
            return false;
        }
        for queue in 0..self.km().irp_queue_count() {
            self.km_mut().irp_queues.remove_from(queue, |queued| *queued == irp);
        }
        true
    }

    /// Sets or takes back a cancel routine (IoSetCancelRoutine); whether there was one.
    ///
    /// CAN-08: whoever takes it back has the packet to itself.
    pub(crate) fn set_cancel_routine<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        irp: IrpRef,
        routine: Option<RoutineId>,
    ) -> bool {
        cx.rules([can::CAN_08, can::CAN_09]);
        let set = |record: &mut DriverIrp| std::mem::replace(&mut record.cancel_routine, routine);
        self.update_driver_irp(irp, set).flatten().is_some()
    }

    /// Gives a packet to a device's StartIo routine (IoStartPacket), or queues it; the routine to
    /// run.
    pub(crate) fn start_packet<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
        driver: usize,
    ) -> Option<RoutineId> {
        if self.km().current_irps[driver].is_some() {
            let queue = self.device_queue(driver);
            self.km_mut().irp_queues.push(queue, irp);
            return None;
        }
        *self.km_mut().current_irps.get_mut(driver) = Some(irp);
        let routine = cx.kernel_mode.drivers[driver].start_io;
        if routine.is_none() {
            Self::contract(cx, thread, "started a request on a device without a StartIo routine");
        }
        routine
    }

    /// The next request of a device (IoStartNextPacket), with the routine to run; without one the
    /// device is not busy any more.
    pub(crate) fn start_next_packet<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        driver: usize,
    ) -> Option<(IrpRef, RoutineId)> {
        *self.km_mut().current_irps.get_mut(driver) = None;
        let queue = self.device_queue(driver);
        let irp = self.km().irp_queues.first(queue).copied()?;
        self.km_mut().irp_queues.remove(queue, 0);
        let routine = self.start_packet(cx, thread, irp, driver)?;
        Some((irp, routine))
    }

    fn device_queue(&self, driver: usize) -> usize {
        self.km().irp_queue_count() - self.km().current_irps.len() + driver
    }

    /// Puts a packet at the end of a queue.
    pub(crate) fn push_irp(&mut self, queue: IrpQueueId, irp: IrpRef) {
        self.km_mut().irp_queues.push(queue.index(), irp);
    }

    /// Takes the first packet out of a queue; a cancel-safe one makes it not cancellable.
    pub(crate) fn pop_irp(
        &mut self,
        queue: IrpQueueId,
        var: IrpVarId,
        cancel_safe: bool,
        is_wanted: impl Fn(&Self, IrpRef) -> bool,
    ) -> bool {
        let queued = self.km().irp_queues.get(queue.index());
        let Some(at) = queued.iter().position(|irp| is_wanted(self, *irp)) else { return false };
        let irp = queued[at];
        self.km_mut().irp_queues.remove(queue.index(), at);
        if cancel_safe {
            self.update_driver_irp(irp, |record| record.csq = false);
        }
        *self.km_mut().irp_vars.get_mut(var.index()) = Some(irp);
        true
    }
}

/// How many stack locations a request to a device needs.
pub(crate) fn stack_size(drivers: &[DriverSetup], driver: usize) -> u8 {
    let mut size = 1;
    let mut at = driver;
    while let Some(over) = drivers[at].over {
        size += 1;
        at = over;
        if size as usize >= STACK_COUNT_MAX {
            break;
        }
    }
    size
}

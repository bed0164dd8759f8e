//! Request packets that drivers build themselves (IRP-03): who frees them, and when.

use super::packet::{DriverIrp, IrpRef, Origin};
use crate::event::Observer;
use crate::ids::{IrpVarId, ThreadId};
use crate::ke::{Context, Kernel};
use crate::rule::{exit, irp as rule};

impl Kernel {
    /// A driver allocates a packet (IoAllocateIrp and the functions around it).
    pub(crate) fn allocate_own_irp<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        var: IrpVarId,
        stack_count: u8,
        threaded: bool,
    ) {
        cx.rules([rule::IRP_01, rule::IRP_03]);
        let name = IrpRef::Own(var);
        if self.driver_irp(name).is_some() {
            return Self::contract(cx, thread, "lost a request packet that it has not freed");
        }
        let origin = if threaded { Origin::Threaded(thread) } else { Origin::Unthreaded(thread) };
        self.add_driver_irp(name, origin, stack_count);
        *self.km_mut().irp_vars.get_mut(var.index()) = Some(name);
    }

    /// A driver frees a packet (IoFreeIrp): one of its own that nobody else has (IRP-05).
    pub(crate) fn free_own_irp<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpRef,
    ) {
        match self.driver_irp(irp).map(|record| record.origin) {
            None => Self::contract(cx, thread, "freed a request packet that is freed"),
            Some(Origin::Threaded(_)) => {
                cx.rule(rule::IRP_05);
                Self::contract(cx, thread, "freed a request packet that the I/O manager frees");
            }
            Some(Origin::Unthreaded(_)) => {
                cx.rule(rule::IRP_04);
                if self.is_with_lower_driver(irp) {
                    Self::contract(cx, thread, "freed a request packet that a lower driver has");
                }
                self.drop_driver_irp(irp);
            }
        }
    }

    /// Whether a packet that a driver has built is with the driver to which it was sent.
    pub(crate) fn is_with_lower_driver(&self, irp: IrpRef) -> bool {
        self.driver_irp(irp).is_some_and(|record| {
            matches!(irp, IrpRef::Own(_))
                && !record.is_completed
                && record.current <= record.stack_count
        })
    }

    /// The second stage of a packet that a driver has built.
    ///
    /// IRP-58: an error that has not pended tells neither status block nor event; the I/O manager
    /// frees what belongs to a thread. IRP-04: another one is left to its driver, who should have
    /// stopped it.
    pub(crate) fn finish_own_irp<O: Observer>(&mut self, cx: &mut Context<'_, O>, var: IrpVarId) {
        let Some(record) = self.driver_irp(IrpRef::Own(var)).copied() else { return };
        let silent = record.status.is_error() && !record.pending_returned;
        if silent {
            cx.rules([rule::IRP_58, rule::IRP_05]);
        } else {
            cx.rules([rule::IRP_58, rule::IRP_04]);
            if let Some(block) = record.block {
                self.write_block(cx, block, record.status, record.information);
            }
            if let Some(event) = record.event {
                self.set_event(cx, event);
            }
        }
        self.drop_driver_irp(IrpRef::Own(var));
    }

    /// The packets that drivers have built for a thread and that are not over.
    pub(crate) fn own_irps_of(&self, thread: ThreadId) -> Vec<IrpRef> {
        let Some(km) = self.kernel_mode() else { return Vec::new() };
        let is_its = |record: &&DriverIrp| {
            matches!(record.name, IrpRef::Own(_)) && record.origin == Origin::Threaded(thread)
        };
        km.irps.get(0).iter().filter(is_its).map(|record| record.name).collect()
    }

    /// EXIT-23: the end of a thread cancels what was built for it, whatever it is about. EXIT-22:
    /// what a driver frees itself is left alone.
    pub(crate) fn cancel_own_irps<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        for irp in self.own_irps_of(thread) {
            cx.rule(exit::EXIT_23);
            self.km_mut().sweeps.push(thread.index(), irp);
        }
    }

    /// EXIT-22: the packets that a driver has built and frees itself go on without the thread.
    pub(crate) fn leave_own_irps<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let survives = self.kernel_mode().is_some_and(|km| {
            km.irps.get(0).iter().any(|record| record.origin == Origin::Unthreaded(thread))
        });
        if survives {
            cx.rule(exit::EXIT_22);
        }
        for irp in self.own_irps_of(thread) {
            self.drop_driver_irp(irp);
        }
    }

    /// IRP-03: what a driver has built it frees. When the last thread has ended nobody will.
    pub(crate) fn check_leaks_at_end<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let Some(km) = self.kernel_mode() else { return };
        let is_left = |record: &DriverIrp| {
            matches!(record.origin, Origin::Unthreaded(_))
                && !record.is_completed
                && record.current > record.stack_count
        };
        if self.all_ended() && km.dpc_queue.is_empty(0) && km.irps.get(0).iter().any(is_left) {
            let how =
                "ended as the last thread, with a request packet left that no driver has freed";
            Self::contract(cx, thread, how);
        }
    }

    /// Whether drivers have packets of their own left.
    pub fn has_own_irps(&self) -> bool {
        self.kernel_mode().is_some_and(|km| {
            km.irps.get(0).iter().any(|record| matches!(record.name, IrpRef::Own(_)))
        })
    }
}

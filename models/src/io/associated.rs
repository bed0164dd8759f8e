//! Associated request packets: the parts into which a driver splits a request (IRP-32).

use super::packet::{IrpRef, Origin};
use crate::event::Observer;
use crate::ids::{IrpVarId, ThreadId};
use crate::ke::{Context, Kernel};
use crate::rule::irp as rule;

impl Kernel {
    /// Builds a packet that is a part of another one (IoMakeAssociatedIrp).
    pub(crate) fn make_associated_irp<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        master: IrpRef,
        var: IrpVarId,
        stack_count: u8,
    ) {
        cx.rule(rule::IRP_32);
        let name = IrpRef::Own(var);
        if self.driver_irp(master).is_some_and(|record| record.master.is_some()) {
            return Self::contract(
                cx,
                thread,
                "made a part of a request packet that is one itself",
            );
        }
        if self.driver_irp(name).is_some() {
            return Self::contract(cx, thread, "lost a request packet that it has not freed");
        }
        self.add_driver_irp(name, Origin::Unthreaded(thread), stack_count);
        self.update_driver_irp(name, |record| record.master = Some(master));
        self.update_driver_irp(master, |record| record.part_count += 1);
        *self.km_mut().irp_vars.get_mut(var.index()) = Some(name);
    }

    /// A part of a packet is complete; the packet that is complete with it, if it was the last.
    ///
    /// IRP-32: the I/O manager frees the part. The status of the whole is what its driver has
    /// written there.
    pub(crate) fn finish_part<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        part: IrpRef,
    ) -> Option<IrpRef> {
        let master = self.driver_irp(part)?.master?;
        cx.rule(rule::IRP_32);
        self.drop_driver_irp(part);
        let left = self.update_driver_irp(master, |record| {
            record.part_count = record.part_count.saturating_sub(1);
            record.part_count
        });
        match left {
            None => {
                let how = "completed a part of a request packet that is complete";
                Self::contract(cx, thread, how);
                None
            }
            Some(0) => self.begin_completion(cx, thread, master, None, 0).then_some(master),
            Some(_) => None,
        }
    }
}

//! Interrupts of devices: a service routine that runs at DIRQL, above every thread and DPC.

use crate::event::{DpcChange, Event, Observer};
use crate::ids::{DpcId, ThreadId};
use crate::ke::spinlock::SpinLock;
use crate::ke::{Context, Kernel};
use alertable_traces::kernel::Irql;

impl Kernel {
    /// A device interrupts; an interrupt that has not been serviced yet stays one.
    pub(crate) fn raise_interrupt<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        interrupt: DpcId,
    ) {
        if !self.km().dpcs[interrupt.index()].queued {
            self.km_mut().dpcs.get_mut(interrupt.index()).queued = true;
            cx.event(Event::Dpc { dpc: interrupt, change: DpcChange::Queued });
        }
    }

    /// The service routine of an interrupt begins: nobody else has its spin lock meanwhile.
    pub(crate) fn begin_interrupt<O>(
        &mut self,
        cx: &Context<'_, O>,
        interrupt: DpcId,
        record: ThreadId,
    ) {
        if let Some(lock) = cx.kernel_mode.dpcs[interrupt.index()].interrupt {
            *self.km_mut().spin_locks.get_mut(lock.index()) =
                SpinLock { owner: Some(record), old_irql: Irql::Device };
        }
    }

    /// The service routine of an interrupt is over.
    pub(crate) fn end_interrupt<O>(&mut self, cx: &Context<'_, O>, interrupt: DpcId) {
        if let Some(lock) = cx.kernel_mode.dpcs[interrupt.index()].interrupt {
            *self.km_mut().spin_locks.get_mut(lock.index()) = SpinLock::FREE;
        }
    }
}

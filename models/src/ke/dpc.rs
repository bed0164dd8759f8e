//! Deferred procedure calls: queued by anybody, run at DISPATCH_LEVEL on whatever thread is
//! there. A thread record stands for the running of each.

use crate::event::{DpcChange, Event, Observer};
use crate::ids::{DpcId, ObjectId};
use crate::ke::kmode::DpcSetup;
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};

/// A DPC object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DpcState {
    /// It is in the queue.
    pub queued: bool,
}

impl DpcState {
    pub(crate) const IDLE: Self = DpcState { queued: false };
}

impl Entry for DpcState {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(self.queued))
    }
}

impl Entry for DpcId {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(self.0))
    }
}

impl Entry for Option<DpcId> {
    fn digest(&self, key: Key) -> u64 {
        key.hash(self.map_or(0, |dpc| u64::from(dpc.0) + 1))
    }
}

impl Kernel {
    /// Queues a DPC (KeInsertQueueDpc); one that is queued stays where it is.
    pub(crate) fn insert_dpc<O: Observer>(&mut self, cx: &mut Context<'_, O>, dpc: DpcId) -> bool {
        if self.km().dpcs[dpc.index()].queued {
            return false;
        }
        self.km_mut().dpcs.get_mut(dpc.index()).queued = true;
        self.km_mut().dpc_queue.push(0, dpc);
        cx.event(Event::Dpc { dpc, change: DpcChange::Queued });
        true
    }

    /// Takes a DPC back (KeRemoveQueueDpc); one that runs already runs on.
    pub(crate) fn remove_dpc<O: Observer>(&mut self, cx: &mut Context<'_, O>, dpc: DpcId) -> bool {
        if !self.km().dpcs[dpc.index()].queued {
            return false;
        }
        self.unlink_dpc(dpc);
        cx.event(Event::Dpc { dpc, change: DpcChange::Removed });
        true
    }

    /// A DPC leaves the queue, to run or not.
    pub(crate) fn unlink_dpc(&mut self, dpc: DpcId) {
        self.km_mut().dpcs.get_mut(dpc.index()).queued = false;
        self.km_mut().dpc_queue.remove_from(0, |queued| *queued == dpc);
    }

    /// Whether a DPC can begin to run. One processor takes them in their order. An interrupt is
    /// held back by those that run, and by who has its spin lock.
    pub(crate) fn can_begin_dpc(&self, setup: &DpcSetup, dpc: DpcId, processors: u8) -> bool {
        let km = self.km();
        if let Some(lock) = setup.interrupt {
            return km.dpcs[dpc.index()].queued
                && km.spin_locks[lock.index()].owner.is_none()
                && self.has_processor_for_interrupt(processors);
        }
        self.has_processor(setup.thread, processors)
            && km.dpcs[dpc.index()].queued
            && (processors > 1 || km.dpc_queue.first(0) == Some(&dpc))
    }

    /// A timer has expired: its DPC is queued.
    pub(crate) fn queue_timer_dpc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        timer: ObjectId,
    ) {
        if let Some(dpc) = self.timer_dpc(cx.timers, timer) {
            self.insert_dpc(cx, dpc);
        }
    }

    /// The DPC of a timer.
    pub(crate) fn timer_dpc(&self, timers: &[ObjectId], timer: ObjectId) -> Option<DpcId> {
        let km = self.kernel_mode()?;
        let at = timers.iter().position(|other| *other == timer)?;
        km.timer_dpcs[at]
    }

    /// Gives a timer its DPC, or takes it away.
    pub(crate) fn set_timer_dpc<O: Observer>(
        &mut self,
        cx: &Context<'_, O>,
        timer: ObjectId,
        dpc: Option<DpcId>,
    ) {
        if let Some(at) = cx.timers.iter().position(|other| *other == timer) {
            *self.km_mut().timer_dpcs.get_mut(at) = dpc;
        }
    }
}

//! Spin locks: held at DISPATCH_LEVEL.

use crate::event::Observer;
use crate::ids::{SpinLockId, ThreadId};
use crate::io::BugCheck;
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use alertable_traces::kernel::Irql;

/// A spin lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpinLock {
    /// Who holds it.
    pub owner: Option<ThreadId>,
    /// The level to which its release goes back.
    pub old_irql: Irql,
}

impl SpinLock {
    pub(crate) const FREE: Self = SpinLock { owner: None, old_irql: Irql::Passive };
}

impl Entry for SpinLock {
    fn digest(&self, key: Key) -> u64 {
        let owner = self.owner.map_or(0, |owner| u64::from(owner.0) + 1);
        key.hash(owner << 8 | self.old_irql as u64)
    }
}

impl Kernel {
    /// Whether somebody else holds a spin lock, for which a thread would have to spin.
    pub(crate) fn is_spin_lock_held_by_another(&self, lock: SpinLockId, thread: ThreadId) -> bool {
        let owner = self.km().spin_locks[lock.index()].owner;
        owner.is_some_and(|owner| owner != thread)
    }

    /// Acquires a spin lock that is free (KeAcquireSpinLock).
    ///
    /// Who holds it already would spin for ever: the system stops instead.
    pub(crate) fn acquire_spin_lock<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        lock: SpinLockId,
    ) {
        if self.km().spin_locks[lock.index()].owner == Some(thread) {
            return self.stop_system(cx, thread, BugCheck::SpinLockAlreadyOwned);
        }
        let old_irql = self.irql(thread);
        *self.km_mut().spin_locks.get_mut(lock.index()) =
            SpinLock { owner: Some(thread), old_irql };
        let of_interrupt = cx.kernel_mode.is_of_interrupt(lock);
        self.set_irql(cx, thread, if of_interrupt { Irql::Device } else { Irql::Dispatch });
    }

    /// Releases a spin lock (KeReleaseSpinLock).
    pub(crate) fn release_spin_lock<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        lock: SpinLockId,
    ) {
        let record = self.km().spin_locks[lock.index()];
        if record.owner != Some(thread) {
            return self.stop_system(cx, thread, BugCheck::SpinLockNotOwned);
        }
        *self.km_mut().spin_locks.get_mut(lock.index()) = SpinLock::FREE;
        self.set_irql(cx, thread, record.old_irql);
    }

    /// Whether a thread holds a spin lock.
    pub(crate) fn holds_spin_lock(&self, thread: ThreadId) -> bool {
        self.km().spin_locks.iter().any(|lock| lock.owner == Some(thread))
    }
}

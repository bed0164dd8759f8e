//! Mutexes (KMUTANT).

use crate::deviation::Deviation;
use crate::event::{Event, ObjectChange, Observer};
use crate::ids::{ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::{Context, Kernel};
use crate::rule::{apc, thread as thr, wait as rule};
use alertable_traces::status::NtStatus;

/// A mutex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kmutant {
    /// The thread that owns it; without one it is signaled.
    pub owner: Option<ThreadId>,
    /// How many levels its owner holds; 0 without an owner.
    pub recursion: u32,
    /// Its last owner ended owning it, and nobody has acquired it since.
    pub abandoned: bool,
}

impl Kernel {
    fn mutant_mut(&mut self, mutant: ObjectId) -> &mut Kmutant {
        match self.object_mut(mutant) {
            DispatcherObject::Mutant(mutant) => mutant,
            other => unreachable!("handles of mutexes are checked for their type: {other:?}"),
        }
    }

    /// A wait takes a mutex: a new owner, or one more level for its owner.
    ///
    /// WAIT-55, WAIT-61: the report of abandonment is given once, to the wait that acquires it.
    pub(crate) fn acquire_mutant<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        mutant: ObjectId,
        thread: ThreadId,
    ) -> NtStatus {
        cx.rule(rule::WAIT_55);
        if cx.deviates(Deviation::MutexNotTaken) {
            return NtStatus::WAIT_0;
        }
        let record = self.mutant_mut(mutant);
        record.recursion += 1;
        if record.owner == Some(thread) {
            cx.rules([rule::WAIT_44, rule::WAIT_56]);
            return NtStatus::WAIT_0;
        }
        record.owner = Some(thread);
        if cx.kernel_mode.kernel_mutexes.contains(&mutant) {
            // Its owner is in a critical region from the first acquisition to the last release.
            cx.rule(apc::APC_K_22);
            self.change_kernel_apc_disable(thread, -1);
        }
        let record = self.mutant_mut(mutant);
        let abandoned = std::mem::take(&mut record.abandoned);
        self.owned_mutants.insert(thread.index(), 0, mutant);
        if !abandoned {
            return NtStatus::WAIT_0;
        }
        cx.rules([rule::WAIT_45, rule::WAIT_61, rule::WAIT_62]);
        NtStatus::ABANDONED_WAIT_0
    }

    /// Gives up one level of a mutex (KeReleaseMutant); the last one frees it for its first
    /// waiter in the same step (WAIT-58).
    ///
    /// # Errors
    /// `STATUS_MUTANT_NOT_OWNED` when the thread does not own it (WAIT-57), and
    /// `STATUS_ABANDONED` when it is abandoned: a success code, though nothing is released
    /// (WAIT-64).
    pub(crate) fn release_mutant<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        mutant: ObjectId,
        thread: ThreadId,
    ) -> Result<(), NtStatus> {
        let checks_owner = !cx.deviates(Deviation::MutexOwnerUnchecked);
        let record = self.mutant_mut(mutant);
        if record.owner != Some(thread) && (checks_owner || record.owner.is_none()) {
            cx.rules([rule::WAIT_57, rule::WAIT_68]);
            if record.abandoned && !cx.deviates(Deviation::AbandonedReleaseFails) {
                cx.rule(rule::WAIT_64);
                return Err(NtStatus::ABANDONED_WAIT_0);
            }
            return Err(NtStatus::MUTANT_NOT_OWNED);
        }
        cx.rule(rule::WAIT_58);
        let owner = record.owner.unwrap_or(thread);
        record.recursion -= 1;
        if record.recursion == 0 {
            self.free_mutant(cx, mutant, owner, ObjectChange::Released(owner));
        }
        Ok(())
    }

    /// Abandons every mutex of a thread that ends, newest first (KeRundownThread).
    ///
    /// WAIT-60, WAIT-63: all levels drop at once, whether anybody has a handle or not.
    pub(crate) fn abandon_mutants<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        while let Some(mutant) = self.owned_mutants.first(thread.index()).copied() {
            cx.rules([rule::WAIT_60, rule::WAIT_63, thr::THR_30]);
            self.mutant_mut(mutant).recursion = 0;
            self.mutant_mut(mutant).abandoned = true;
            self.free_mutant(cx, mutant, thread, ObjectChange::Abandoned(thread));
        }
    }

    /// Whether a thread owns a mutex that cannot be abandoned (WAIT-69).
    pub(crate) fn owns_kernel_mutex<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> bool {
        let is_kernel = |mutex| cx.kernel_mode.kernel_mutexes.contains(mutex);
        self.owned_mutants(thread).iter().any(is_kernel)
    }

    fn free_mutant<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        mutant: ObjectId,
        owner: ThreadId,
        change: ObjectChange,
    ) {
        self.mutant_mut(mutant).owner = None;
        if cx.kernel_mode.kernel_mutexes.contains(&mutant) {
            self.leave_critical_region(cx, owner);
        }
        let owned = self.owned_mutants(owner).iter().position(|owned| *owned == mutant);
        let position = owned.expect("an owned mutex is on the list of its owner");
        self.owned_mutants.remove(owner.index(), position);
        cx.event(Event::Object { object: mutant, change });
        self.wait_test(cx, mutant);
    }
}

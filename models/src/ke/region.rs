//! Critical and guarded regions: what holds APCs back from the threads that are in them.

use crate::event::Observer;
use crate::ids::ThreadId;
use crate::io::BugCheck;
use crate::ke::{Context, Kernel};
use crate::rule::apc as rule;
use alertable_traces::kernel::Irql;

impl Kernel {
    /// The system's counters of regions have 16 bits, and wrap.
    pub(crate) fn change_kernel_apc_disable(&mut self, thread: ThreadId, by: i16) {
        let here = self.km_thread_mut(thread);
        here.kernel_apc_disable = here.kernel_apc_disable.wrapping_add(by);
    }

    /// Begins a critical region (KeEnterCriticalRegion; APC-K-12).
    pub(crate) fn enter_critical_region<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([rule::APC_K_12, rule::APC_S_07]);
        self.change_kernel_apc_disable(thread, -1);
    }

    /// Ends a critical region (KeLeaveCriticalRegion).
    ///
    /// APC-K-15: leaving the outermost one looks for kernel APCs at once; the call returns after
    /// them. APC-K-17: not while a guarded region is held.
    pub(crate) fn leave_critical_region<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        self.change_kernel_apc_disable(thread, 1);
        let here = self.km().thread(thread);
        let (left, guarded) = (here.kernel_apc_disable == 0, here.special_apc_disable != 0);
        if left && !self.km().kernel_apcs(thread).is_empty() {
            cx.rule(if guarded { rule::APC_K_17 } else { rule::APC_K_15 });
        }
    }

    /// Begins a guarded region (KeEnterGuardedRegion; APC-K-13).
    pub(crate) fn enter_guarded_region<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([rule::APC_K_13, rule::APC_S_07]);
        let here = self.km_thread_mut(thread);
        here.special_apc_disable = here.special_apc_disable.wrapping_sub(1);
    }

    /// Ends a guarded region (KeLeaveGuardedRegion).
    ///
    /// APC-K-16: as for a critical region; within one, only special APCs come through.
    pub(crate) fn leave_guarded_region<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let here = self.km_thread_mut(thread);
        here.special_apc_disable = here.special_apc_disable.wrapping_add(1);
        if here.special_apc_disable == 0 && !self.km().kernel_apcs(thread).is_empty() {
            cx.rule(rule::APC_K_16);
        }
    }

    /// APC-K-24: a thread that returns from a system service in a region, or at a raised level,
    /// stops the system.
    pub(crate) fn stops_at_return<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> bool {
        let here = *self.km().thread(thread);
        let stop = if here.irql != Irql::Passive {
            BugCheck::IrqlGtZeroAtSystemService
        } else if here.kernel_apc_disable != 0
            || here.special_apc_disable != 0
            || here.attach_depth != 0
        {
            cx.rule(rule::APC_K_24);
            BugCheck::ApcIndexMismatch
        } else {
            return false;
        };
        self.stop_system(cx, thread, stop);
        true
    }

    /// Whether a thread is in a critical or guarded region (KeAreApcsDisabled; APC-K-14).
    pub(crate) fn are_apcs_disabled<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> bool {
        cx.rule(rule::APC_K_14);
        let here = self.km().thread(thread);
        here.kernel_apc_disable != 0 || here.special_apc_disable != 0
    }

    /// Whether no APC at all can be delivered to a thread (KeAreAllApcsDisabled; APC-K-14).
    pub(crate) fn are_all_apcs_disabled<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> bool {
        cx.rule(rule::APC_K_14);
        let here = self.km().thread(thread);
        here.special_apc_disable != 0 || here.irql >= Irql::Apc
    }
}

//! Interrupt request levels: who runs at which, and what may be called there.

use crate::event::{Event, Observer};
use crate::ids::ThreadId;
use crate::io::BugCheck;
use crate::ke::thread::{ThreadRole, ThreadState};
use crate::ke::{Context, Kernel};
use crate::rule::apc as rule;
use alertable_traces::kernel::Irql;

impl Kernel {
    /// Changes the level at which a thread runs.
    pub(crate) fn set_irql<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irql: Irql,
    ) {
        if self.irql(thread) != irql {
            self.km_thread_mut(thread).irql = irql;
            cx.event(Event::Irql { thread, irql });
        }
    }

    /// Raises a thread's level (KeRaiseIrql); the system stops when it would be lowered.
    pub(crate) fn raise_irql<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irql: Irql,
    ) -> Irql {
        let before = self.irql(thread);
        if irql < before {
            self.stop_system(cx, thread, BugCheck::IrqlNotGreaterOrEqual);
        } else {
            self.set_irql(cx, thread, irql);
        }
        before
    }

    /// Lowers a thread's level (KeLowerIrql); the system stops when it would be raised.
    ///
    /// APC-K-18: what comes within reach is delivered before the call returns.
    pub(crate) fn lower_irql<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irql: Irql,
    ) {
        cx.rule(rule::APC_K_18);
        if irql > self.irql(thread) {
            self.stop_system(cx, thread, BugCheck::IrqlNotLessOrEqual);
        } else {
            self.set_irql(cx, thread, irql);
        }
    }

    /// Whether a thread may call something that is for levels up to this one; if not, the call
    /// is a driver's mistake that the system stops at.
    pub(crate) fn check_irql<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        max: Irql,
        call: &'static str,
    ) -> bool {
        let irql = self.irql(thread);
        if irql <= max {
            return true;
        }
        cx.event(Event::CalledTooHigh { thread, call, irql, max });
        let in_dpc = self.role(thread) == ThreadRole::Dpc;
        let switches = in_dpc && max == Irql::Apc;
        let bug_check =
            if switches { BugCheck::AttemptedSwitchFromDpc } else { BugCheck::IrqlNotLessOrEqual };
        self.stop_system(cx, thread, bug_check);
        false
    }

    /// Whether a thread keeps a processor to itself: it runs at DISPATCH_LEVEL or above.
    fn keeps_processor(&self, thread: ThreadId) -> bool {
        self.irql(thread) >= Irql::Dispatch
            && matches!(self.thread(thread).state, ThreadState::User | ThreadState::Returning(_))
    }

    fn count_keeping(&self, level: Irql) -> usize {
        let keeps =
            |thread: &ThreadId| self.irql(*thread) >= level && self.keeps_processor(*thread);
        self.thread_ids().filter(keeps).count()
    }

    /// Whether there is a processor for a thread: those at DISPATCH_LEVEL give none up, except to
    /// an interrupt.
    ///
    /// **Divergence.** With several processors an interrupt holds up none of those at
    /// DISPATCH_LEVEL, though there may be one too many of them.
    pub(crate) fn has_processor(&self, thread: ThreadId, processors: u8) -> bool {
        if !self.has_kernel_mode() {
            return true;
        }
        let level = if self.keeps_processor(thread) { Irql::Device } else { Irql::Dispatch };
        self.irql(thread) == Irql::Device && self.keeps_processor(thread)
            || self.count_keeping(level) < usize::from(processors)
    }

    /// Whether there is a processor that an interrupt can take.
    pub(crate) fn has_processor_for_interrupt(&self, processors: u8) -> bool {
        self.count_keeping(Irql::Device) < usize::from(processors)
    }
}

//! Waitable timers (KTIMER with the executive's APC).
//!
//! **Divergence.** The system signals an expired timer and then queues its APC from a DPC a
//! moment later; here both happen in one step, in this order (TIMER-14, TIMER-32).

use crate::deviation::Deviation;
use crate::event::{Event, ObjectChange, Observer, TimerChange};
use crate::ids::{DatumId, ObjectId, RoutineId, ThreadId};
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::wait::NEVER;
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{apc, timer as rule};
use alertable_traces::status::NtStatus;

/// The APC that a timer queues when it expires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TimerApc {
    /// The thread that set the timer: the only one that can run the routine (TIMER-12).
    pub thread: ThreadId,
    /// The routine.
    pub routine: RoutineId,
    /// What the routine is given.
    pub context: DatumId,
}

/// A waitable timer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ktimer {
    /// How it stops being signaled.
    pub kind: ResetKind,
    /// Whether it is signaled; independent of being active (TIMER-03).
    pub signaled: bool,
    /// Milliseconds until it expires; [`NEVER`] while it is not active.
    pub remaining_ms: u32,
    /// Milliseconds from one expiry to the next; 0 for one expiry only.
    pub period_ms: u32,
    /// The APC that goes with it.
    pub apc: Option<TimerApc>,
}

impl Ktimer {
    /// A new timer: inactive, not signaled, without an APC (TIMER-02).
    pub(crate) fn new(kind: ResetKind) -> Self {
        Ktimer { kind, signaled: false, remaining_ms: NEVER, period_ms: 0, apc: None }
    }

    /// Whether it will expire.
    pub fn is_active(&self) -> bool {
        self.remaining_ms != NEVER
    }
}

impl Entry for Ktimer {
    fn digest(&self, key: Key) -> u64 {
        let Ktimer { kind, signaled, remaining_ms, period_ms, apc } = *self;
        let tag = 5 | (kind as u64) << 8 | u64::from(signaled) << 9;
        let flags = tag | u64::from(apc.is_some()) << 10 | u64::from(remaining_ms) << 32;
        let sum = key.hash_pair(flags, u64::from(period_ms));
        let Some(TimerApc { thread, routine, context }) = apc else { return sum };
        let routine = u64::from(routine.0) << 16 | u64::from(context.0);
        sum.wrapping_add(key.next().hash(u64::from(thread.0) << 32 | routine))
    }
}

impl Kernel {
    fn timer_mut(&mut self, timer: ObjectId) -> &mut Ktimer {
        match self.object_mut(timer) {
            DispatcherObject::Timer(timer) => timer,
            other => unreachable!("handles of timers are checked for their type: {other:?}"),
        }
    }

    fn timer(&self, timer: ObjectId) -> &Ktimer {
        match self.object(timer) {
            DispatcherObject::Timer(timer) => timer,
            other => unreachable!("handles of timers are checked for their type: {other:?}"),
        }
    }

    /// Sets a timer (NtSetTimer).
    ///
    /// TIMER-05: undoes the previous setting completely, then arms the new one. TIMER-06: a due
    /// time of 0 expires it before the call returns.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER_6` for a negative period; the timer is as it was (TIMER-09).
    pub(crate) fn set_timer<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        timer: ObjectId,
        due_ms: u32,
        period_ms: i32,
        apc: Option<TimerApc>,
    ) -> Result<(), NtStatus> {
        if period_ms < 0 && !cx.deviates(Deviation::TimerNegativePeriod) {
            cx.rule(rule::TIMER_09);
            return Err(NtStatus::INVALID_PARAMETER_6);
        }
        cx.rules([rule::TIMER_02, rule::TIMER_04, rule::TIMER_05, rule::TIMER_08]);
        self.stop_timer(cx, timer);
        let record = self.timer_mut(timer);
        let keeps = record.kind == ResetKind::Auto
            && cx.deviations.contains(Deviation::TimerSetKeepsSignal);
        record.signaled &= keeps;
        record.remaining_ms = due_ms;
        record.period_ms = u32::try_from(period_ms).unwrap_or(0);
        record.apc = apc;
        cx.rule(if apc.is_some() { rule::TIMER_12 } else { rule::TIMER_11 });
        cx.event(Event::Timer { timer, change: TimerChange::Set });
        if due_ms == 0 {
            cx.rules([rule::TIMER_06, rule::TIMER_33]);
            self.expire_timer(cx, timer);
        }
        Ok(())
    }

    /// Cancels a timer (NtCancelTimer): no further expiry, no queued APC.
    ///
    /// TIMER-25: whether it is signaled does not change.
    pub(crate) fn cancel_timer<O: Observer>(&mut self, cx: &mut Context<'_, O>, timer: ObjectId) {
        cx.rules([rule::TIMER_04, rule::TIMER_24, rule::TIMER_25, rule::TIMER_32]);
        self.stop_timer(cx, timer);
        cx.event(Event::Timer { timer, change: TimerChange::Cancelled });
    }

    /// Stops a timer and takes its APC back.
    fn stop_timer<O: Observer>(&mut self, cx: &mut Context<'_, O>, timer: ObjectId) {
        let record = self.timer_mut(timer);
        record.remaining_ms = NEVER;
        record.period_ms = 0;
        if let Some(apc) = record.apc.take()
            && !cx.deviates(Deviation::TimerCancelKeepsApc)
        {
            self.remove_timer_apc(cx, apc.thread, timer);
        }
    }

    /// A timer's due time is processed.
    ///
    /// TIMER-14: it is signaled and waiters are released; a periodic one is armed again; then
    /// its APC is queued.
    pub(crate) fn expire_timer<O: Observer>(&mut self, cx: &mut Context<'_, O>, timer: ObjectId) {
        cx.rules([rule::TIMER_03, rule::TIMER_14, rule::TIMER_20, rule::TIMER_22]);
        cx.event(Event::Timer { timer, change: TimerChange::Expired });
        let record = self.timer_mut(timer);
        let was_signaled = std::mem::replace(&mut record.signaled, true);
        record.remaining_ms = match record.period_ms {
            0 => NEVER,
            period_ms => period_ms,
        };
        cx.event(Event::Object { object: timer, change: ObjectChange::Signaled });
        self.wait_test(cx, timer);
        let silent = was_signaled
            && self.timer(timer).kind == ResetKind::Manual
            && cx.deviates(Deviation::TimerManualApcOnce);
        match self.timer(timer).apc.filter(|_| !silent) {
            Some(apc) => self.queue_timer_apc(cx, timer, apc),
            None => cx.rule(rule::TIMER_29),
        }
        self.queue_timer_callback(cx, timer);
        self.queue_timer_dpc(cx, timer);
    }

    /// Queues a timer's one APC to the thread that set it.
    ///
    /// TIMER-16: while it is queued nothing is added and its place does not change.
    fn queue_timer_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        timer: ObjectId,
        apc: TimerApc,
    ) {
        let thread =
            if cx.deviates(Deviation::TimerApcToFirstThread) { ThreadId(0) } else { apc.thread };
        let accumulates = cx.deviates(Deviation::TimerApcAccumulates);
        if self.is_timer_apc_queued(thread, timer) && !accumulates {
            cx.rules([rule::TIMER_16, apc::APC_I_01]);
            if !cx.deviates(Deviation::TimerApcMovesToTail) {
                return;
            }
            self.remove_timer_apc(cx, thread, timer);
        }
        cx.rules([rule::TIMER_15, rule::TIMER_17, rule::TIMER_18, rule::TIMER_35, apc::APC_I_15]);
        let source = ApcSource::Timer(timer);
        let kapc = Kapc { source, routine: apc.routine, context: apc.context };
        // A thread whose queue is closed has no timers left (TIMER-28); past the memory for
        // APCs, an expiry without one is all that there can be.
        let _ = self.insert_user_apc(cx, thread, kapc);
    }

    /// Cancels the timers that carry an APC for a thread that ends (ExTimerRundown; TIMER-28).
    pub(crate) fn run_down_timers<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let survives = cx.deviates(Deviation::TimerOutlivesSetter);
        for timer in cx.timers.iter().copied() {
            if !self.is_apc_timer_of(timer, thread) {
                continue;
            }
            cx.rule(rule::TIMER_28);
            if survives {
                self.remove_timer_apc(cx, thread, timer);
                self.timer_mut(timer).apc = None;
            } else {
                self.stop_timer(cx, timer);
                cx.event(Event::Timer { timer, change: TimerChange::Cancelled });
            }
        }
    }

    /// Whether a timer carries an APC for a thread.
    pub(crate) fn has_apc_timer<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> bool {
        cx.timers.iter().any(|timer| self.is_apc_timer_of(*timer, thread))
    }

    /// Whether an object is a timer that carries an APC for a thread.
    pub(crate) fn is_apc_timer_of(&self, timer: ObjectId, thread: ThreadId) -> bool {
        match self.object(timer) {
            DispatcherObject::Timer(timer) => timer.apc.is_some_and(|apc| apc.thread == thread),
            _ => false,
        }
    }

    /// The last handle of a timer is closed.
    ///
    /// TIMER-30: that destroys it, unless it has an APC, which keeps it alive and will run.
    pub(crate) fn close_timer<O: Observer>(&mut self, cx: &mut Context<'_, O>, timer: ObjectId) {
        cx.rule(rule::TIMER_30);
        let apc = self.timer(timer).apc;
        let kept = apc.is_some_and(|apc| {
            !cx.deviates(Deviation::TimerCloseDropsApc)
                || self.is_timer_apc_queued(apc.thread, timer)
        });
        if !kept && self.waiters(timer).is_empty() {
            self.timer_mut(timer).remaining_ms = NEVER;
            self.timer_mut(timer).apc = None;
        }
    }
}

//! Suspension: a count, and a kernel APC that stops the thread while it is not 0.
//!
//! A blocked thread is out of its wait from the suspending step on. A thread that runs user code
//! stops a little later: on a machine with several processors it can finish one call that it has
//! already begun (THR-14). [`Kernel::stop`] is that moment.

use crate::deviation::Deviation;
use crate::event::{Event, Observer, ThreadChange};
use crate::ids::ThreadId;
use crate::ke::kapc::KernelApc;
use crate::ke::thread::ThreadState;
use crate::ke::{Context, Kernel};
use crate::rule::{thread as rule, wait};
use alertable_traces::status::NtStatus;

/// The highest suspend count (MAXIMUM_SUSPEND_COUNT, THR-11).
pub(crate) const SUSPEND_COUNT_MAX: u8 = 127;

impl Kernel {
    /// Adds one to a thread's suspend count and returns the count before (THR-09).
    ///
    /// # Errors
    /// `STATUS_THREAD_IS_TERMINATING` for an ended thread (THR-12),
    /// `STATUS_SUSPEND_COUNT_EXCEEDED` at the maximum (THR-11); nothing has changed then.
    pub(crate) fn suspend_thread<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        caller: ThreadId,
        target: ThreadId,
    ) -> Result<u8, NtStatus> {
        let here = self.thread(target);
        if !here.apc_queueable {
            cx.rule(rule::THR_12);
            return Err(NtStatus::THREAD_IS_TERMINATING);
        }
        let previous = here.suspend_count;
        if previous == SUSPEND_COUNT_MAX {
            cx.rule(rule::THR_11);
            return Err(NtStatus::SUSPEND_COUNT_EXCEEDED);
        }
        cx.rules([rule::THR_09, rule::THR_13, rule::THR_24]);
        self.thread_mut(target).suspend_count += 1;
        if previous > 0 {
            return Ok(previous);
        }
        if self.has_kernel_mode() {
            self.queue_suspension(cx, caller, target);
            return Ok(previous);
        }
        match self.thread(target).state {
            ThreadState::Waiting => {
                cx.rules([rule::THR_17, rule::THR_18]);
                self.interrupt_wait(cx, target);
                self.stop(cx, target);
            }
            // Between its wait and user mode: THR-21, the result of the wait stands.
            ThreadState::Woken(_)
            | ThreadState::Restarting
            | ThreadState::Returning(_)
            | ThreadState::Starting => {
                cx.rule(rule::THR_21);
                self.stop(cx, target);
            }
            ThreadState::User if caller == target => {
                // THR-16: stops before the call returns; the interpreter sees to it.
                cx.rule(rule::THR_16);
            }
            ThreadState::User => {
                cx.rules([rule::THR_14, rule::THR_22]);
                if cx.deviates(Deviation::SuspendStopsAtOnce) {
                    self.stop(cx, target);
                }
            }
            // The exit sequence is not held up; THR-33: it forces the thread out of suspension.
            ThreadState::Exiting(_) | ThreadState::NotCreated | ThreadState::Terminated => {}
        }
        Ok(previous)
    }

    /// Queues the APC that stops a thread, unless it is still queued (THR-13, THR-15).
    fn queue_suspension<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        caller: ThreadId,
        target: ThreadId,
    ) {
        if caller == target {
            cx.rule(rule::THR_16);
        }
        let alive = self.thread(target).is_alive();
        if alive && !self.km().kernel_apcs(target).contains(&KernelApc::Suspend) {
            self.insert_kernel_apc(cx, target, KernelApc::Suspend);
        }
    }

    /// The suspension takes effect.
    pub(crate) fn stop<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        self.thread_mut(thread).stopped = !cx.deviates(Deviation::SuspensionIgnored);
        if self.has_kernel_mode() {
            // Its normal routine waits for the end of the suspension.
            let stopped = self.thread(thread).stopped;
            self.km_thread_mut(thread).kernel_apc_in_progress = stopped;
        }
        cx.event(Event::Thread { thread, change: ThreadChange::Suspended });
        self.give_up_activity(cx, thread);
    }

    /// Takes one off a thread's suspend count and returns the count before.
    ///
    /// THR-10: without a suspension it does nothing. THR-23: one that has not taken effect is
    /// undone. WAIT-21: a thread that was in a wait makes its tests again.
    pub(crate) fn resume_thread<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        target: ThreadId,
    ) -> u8 {
        let previous = self.thread(target).suspend_count;
        if previous == 0 {
            cx.rule(rule::THR_10);
            return 0;
        }
        cx.rules([rule::THR_09, rule::THR_23, wait::WAIT_21]);
        self.thread_mut(target).suspend_count -= 1;
        if previous == 1 {
            self.let_go(cx, target);
        }
        previous
    }

    pub(crate) fn let_go<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        if std::mem::take(&mut self.thread_mut(thread).stopped) {
            if self.has_kernel_mode() {
                self.km_thread_mut(thread).kernel_apc_in_progress = false;
            }
            cx.event(Event::Thread { thread, change: ThreadChange::Resumed });
        }
    }

    /// Forces a thread out of suspension because it is to end (THR-25).
    pub(crate) fn force_resume<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        // Where suspension is a kernel APC, the count decides whether that stops the thread.
        if self.has_kernel_mode() || !cx.deviates(Deviation::TerminationKeepsSuspendCount) {
            self.thread_mut(thread).suspend_count = 0;
        }
        self.let_go(cx, thread);
    }
}

//! The exit sequence.

use crate::deviation::Deviation;
use crate::event::{Event, ObjectChange, Observer, ThreadChange};
use crate::ids::ThreadId;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::{ExitPhase, ThreadState};
use crate::ke::{Context, Kernel};
use crate::rule::{exit, thread as rule, wait};

impl Kernel {
    /// Does the next part of a thread's exit that there is something to do for.
    ///
    /// THR-33, EXIT-01: requests, timers with its APC, owned mutexes, the handles of its process
    /// after its last thread, the APC queue, the thread object, in this order; each is a step, since others can look between them. THR-35: whoever has seen the
    /// thread object signaled knows that the rest is done.
    pub(crate) fn exit_step<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        phase: ExitPhase,
    ) {
        cx.rules([rule::THR_33, rule::THR_35]);
        let next = match self.pending_phase(cx, thread, phase) {
            ExitPhase::CancelIrps => {
                self.cancel_thread_irps(cx, thread);
                if cx.deviates(Deviation::OrphansFinishLate) {
                    self.thread_mut(thread).wait.remaining_ms = crate::ke::wait::NEVER;
                    ExitPhase::CancelTimers
                } else {
                    ExitPhase::AwaitIrps
                }
            }
            ExitPhase::AwaitIrps => {
                self.dissociate_irps(cx, thread);
                ExitPhase::CancelTimers
            }
            ExitPhase::CancelTimers => {
                self.run_down_timers(cx, thread);
                ExitPhase::AbandonMutants
            }
            ExitPhase::AbandonMutants => {
                self.abandon_mutants(cx, thread);
                ExitPhase::CloseHandles
            }
            ExitPhase::CloseHandles => {
                self.run_down_process(cx, thread);
                ExitPhase::CloseApcQueue
            }
            ExitPhase::CloseApcQueue => {
                self.run_down_user_apcs(cx, thread);
                if self.apc_to_run_down(cx, thread).is_some() {
                    ExitPhase::CloseApcQueue
                } else {
                    ExitPhase::SignalThread
                }
            }
            ExitPhase::SignalThread => return self.end_thread(cx, thread),
        };
        self.thread_mut(thread).state = ThreadState::Exiting(next);
        if next == ExitPhase::AwaitIrps {
            // Its second stages come first. It is blocked meanwhile, and so not active at a port.
            return self.give_up_activity(cx, thread);
        }
        if cx.deviates(Deviation::ExitAtOnce) && !self.has_io_apc(thread) && next != phase {
            self.exit_step(cx, thread, next);
        }
    }

    /// Whether a thread's exit changes anything but its queue and its own object.
    pub(crate) fn has_exit_work<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> bool {
        let has_io_work = || {
            !self.io().thread_irps(thread).is_empty()
                || self.thread(thread).queue.is_some()
                || self.ends_process_with_io(cx, thread)
        };
        !self.owned_mutants(thread).is_empty()
            || (self.has_io() && has_io_work())
            || self.has_apc_timer(cx, thread)
    }

    /// The first part from `phase` on that has something to do.
    fn pending_phase<O>(
        &self,
        cx: &Context<'_, O>,
        thread: ThreadId,
        phase: ExitPhase,
    ) -> ExitPhase {
        let has_timer = || self.has_apc_timer(cx, thread);
        let has_mutant = || {
            !self.owned_mutants(thread).is_empty()
                && !cx.deviations.contains(Deviation::MutexNotAbandoned)
        };
        let has_irp = || {
            (self.io.as_deref().is_some_and(|io| !io.thread_irps(thread).is_empty())
                || !self.own_irps_of(thread).is_empty())
                && !cx.deviations.contains(Deviation::ExitKeepsIrps)
        };
        match phase {
            ExitPhase::AwaitIrps => ExitPhase::AwaitIrps,
            ExitPhase::CancelIrps if has_irp() => ExitPhase::CancelIrps,
            ExitPhase::CancelIrps | ExitPhase::CancelTimers if has_timer() => {
                ExitPhase::CancelTimers
            }
            ExitPhase::CancelIrps | ExitPhase::CancelTimers | ExitPhase::AbandonMutants
                if has_mutant() =>
            {
                ExitPhase::AbandonMutants
            }
            ExitPhase::SignalThread => ExitPhase::SignalThread,
            ExitPhase::CancelIrps
            | ExitPhase::CancelTimers
            | ExitPhase::AbandonMutants
            | ExitPhase::CloseHandles
                if self.ends_process_with_io(cx, thread) =>
            {
                ExitPhase::CloseHandles
            }
            ExitPhase::CancelIrps
            | ExitPhase::CancelTimers
            | ExitPhase::AbandonMutants
            | ExitPhase::CloseHandles
            | ExitPhase::CloseApcQueue => ExitPhase::CloseApcQueue,
        }
    }

    /// The end: the thread object is signaled for ever (WAIT-74).
    fn end_thread<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rule(wait::WAIT_74);
        if self.has_kernel_mode() {
            self.leave_own_irps(cx, thread);
        }
        if self.has_io() {
            cx.rules([exit::EXIT_01, exit::EXIT_24]);
            self.leave_port(cx, thread);
            self.io_mut().received.clear(thread.index());
        }
        self.thread_mut(thread).state = ThreadState::Terminated;
        cx.event(Event::Thread { thread, change: ThreadChange::Terminated });
        if self.has_kernel_mode() {
            self.check_leaks_at_end(cx, thread);
        }
        let object = thread.object();
        *self.object_mut(object) = DispatcherObject::Thread { signaled: true };
        cx.event(Event::Object { object, change: ObjectChange::Signaled });
        self.wait_test(cx, object);
    }
}

//! What must hold of suspension, deadlines and ends.

use crate::journal::{
    Journal, PerCall, WaitResult, source, thread_named, timeout, wait_of, wait_result,
};
use crate::walk::{Step, Watcher};
use alertable_models::event::{Event, KapcChange, ObjectChange, ThreadChange};
use alertable_models::ids::{CallId, ThreadId};
use alertable_models::ke::dispatcher::DispatcherObject;
use alertable_models::ke::thread::ThreadState;
use alertable_models::machine::{Machine, Model};
use alertable_models::service::ServiceReturn;
use alertable_traces::call::{Call, Timeout};
use std::collections::{BTreeMap, BTreeSet};

/// A suspended thread does nothing, but for at most one call that it had begun.
#[derive(Clone)]
pub(crate) struct SuspendedStops {
    stopped: BTreeSet<ThreadId>,
    /// The calls that each thread has made since its suspend count is not 0.
    in_flight: BTreeMap<ThreadId, u32>,
}

/// The thread of its own whose doing an event is.
fn actor(event: &Event) -> Option<ThreadId> {
    match *event {
        Event::Call { thread, .. }
        | Event::Return { thread, .. }
        | Event::ApcEntered { thread, .. }
        | Event::ApcReturned { thread, .. }
        | Event::Object { change: ObjectChange::Acquired(thread), .. } => Some(thread),
        _ => None,
    }
}

impl Watcher for SuspendedStops {
    fn new(_: &Model) -> Self {
        SuspendedStops { stopped: BTreeSet::new(), in_flight: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Thread { thread, change: ThreadChange::Suspended } => {
                    self.stopped.insert(thread);
                }
                Event::Thread { thread, change: ThreadChange::Resumed } => {
                    self.stopped.remove(&thread);
                }
                _ => {}
            }
            if let Some(thread) = actor(event)
                && self.stopped.contains(&thread)
            {
                return Err(format!("{thread:?} is suspended, and {event:?}"));
            }
            if let Event::Call { thread, .. } = *event
                && step.before.kernel().thread(thread).suspend_count > 0
            {
                let count = self.in_flight.entry(thread).or_default();
                *count += 1;
                if *count > 1 {
                    return Err(format!("{thread:?} made {count} calls after it was suspended"));
                }
            }
        }
        let kernel = step.after.kernel();
        self.in_flight.retain(|thread, _| kernel.thread(*thread).suspend_count > 0);
        Ok(())
    }
}

/// A wait that a thread is in.
#[derive(Clone, Copy)]
struct Begun {
    at_ms: u64,
    /// An alert makes the wait begin again, with its whole time-out (ALERT-07).
    alerted: bool,
}

/// A wait with a time-out ends, not before its time, and nobody stays blocked past it.
#[derive(Clone)]
pub(crate) struct KeepsDeadlines {
    journal: Journal,
    now_ms: u64,
    begun: PerCall<Begun>,
}

impl KeepsDeadlines {
    /// When the wait that a thread is in is due; none if it never is.
    fn due_ms(&self, model: &Model, thread: ThreadId, begun: Begun) -> Option<u64> {
        match timeout(source(model, self.journal.open_call(thread)?))? {
            Timeout::Finite(ms) => Some(begun.at_ms + u64::from(ms)),
            Timeout::Infinite => None,
        }
    }

    fn leave(
        &mut self,
        step: &Step<'_>,
        thread: ThreadId,
        call: CallId,
        result: ServiceReturn,
    ) -> Result<(), String> {
        let begun = self.begun.end(thread)?;
        let call = source(step.model, call);
        let waits = wait_of(call).is_some() || matches!(call, Call::SleepEx { .. });
        let timed_out = waits && wait_result(result) == WaitResult::TimedOut;
        let due_ms = self.due_ms(step.model, thread, begun);
        if timed_out && due_ms.is_none_or(|due_ms| self.now_ms < due_ms) {
            return Err(format!("{call:?} timed out at {}, not at {due_ms:?}", self.now_ms));
        }
        Ok(())
    }

    fn note(&mut self, step: &Step<'_>, event: &Event) -> Result<(), String> {
        match *event {
            Event::TimePassed { ms } => self.now_ms += u64::from(ms),
            Event::Call { thread, call } => {
                if let Call::NtAlertThread { thread } = source(step.model, call)
                    && let Some(target) = thread_named(step.model, thread)
                {
                    self.begun.of(target).iter_mut().for_each(|begun| begun.alerted = true);
                }
                let alerted = step.before.kernel().thread(thread).alerted;
                let begun = Begun { at_ms: self.now_ms, alerted };
                self.begun.begin(thread, begun);
            }
            Event::Return { thread, call, result } => self.leave(step, thread, call, result)?,
            Event::Thread { thread, change: ThreadChange::Terminated } => {
                self.begun.forget(thread);
            }
            _ => {}
        }
        self.journal.note(event)
    }

    /// The wait that a thread is blocked in, if it has a due time.
    fn blocked(&self, model: &Model, state: &Machine, thread: ThreadId) -> Option<(Begun, u64)> {
        if state.kernel().thread(thread).state != ThreadState::Waiting {
            return None;
        }
        let begun = *self.begun.last(thread)?;
        Some((begun, self.due_ms(model, thread, begun)?))
    }
}

impl Watcher for KeepsDeadlines {
    fn new(model: &Model) -> Self {
        KeepsDeadlines { journal: Journal::new(model), now_ms: 0, begun: PerCall::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            self.note(step, event)?;
        }
        for thread in step.model.program.thread_ids() {
            if let Some((begun, due_ms)) = self.blocked(step.model, step.after, thread)
                && !begun.alerted
                && due_ms < self.now_ms
            {
                return Err(format!("{thread:?} is blocked at {}, past {due_ms}", self.now_ms));
            }
        }
        Ok(())
    }

    fn rest(&self, model: &Model, state: &Machine) -> Result<(), String> {
        for thread in model.program.thread_ids() {
            if self.blocked(model, state, thread).is_some() {
                return Err(format!("{thread:?} never comes back from a wait with a time-out"));
            }
        }
        Ok(())
    }
}

/// A thread that has ended has no APCs, owns nothing, runs nothing and can be waited for, and
/// nothing can be queued to it.
#[derive(Clone)]
pub(crate) struct EndsForGood(BTreeSet<ThreadId>);

impl Watcher for EndsForGood {
    fn new(_: &Model) -> Self {
        EndsForGood(BTreeSet::new())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            let queued_to = match *event {
                Event::Kapc { thread, change: KapcChange::Queued, .. } => Some(thread),
                _ => None,
            };
            if let Some(thread) = actor(event).or(queued_to)
                && self.0.contains(&thread)
            {
                return Err(format!("{thread:?} has ended, and {event:?}"));
            }
            if let Event::Thread { thread, change: ThreadChange::Terminated } = *event {
                self.0.insert(thread);
            }
        }
        let kernel = step.after.kernel();
        for thread in &self.0 {
            let owns = kernel.object_ids().any(|object| match kernel.object(object) {
                DispatcherObject::Mutant(mutant) => mutant.owner == Some(*thread),
                DispatcherObject::Timer(timer) => timer.apc.is_some_and(|a| a.thread == *thread),
                _ => false,
            });
            let waits = kernel
                .object_ids()
                .any(|object| kernel.waiters(object).iter().any(|block| block.thread == *thread));
            let queued = !kernel.user_apcs(*thread).is_empty();
            let ended = kernel.thread(*thread).state == ThreadState::Terminated;
            if owns || waits || queued || !ended {
                return Err(format!(
                    "{thread:?} has ended: {ended}; owns: {owns}, waits: {waits}, APCs: {queued}"
                ));
            }
        }
        Ok(())
    }
}

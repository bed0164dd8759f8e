//! What must hold of alerts and of special user APCs, which need no alertable wait.

use crate::journal::{is_alertable, is_special, source, thread_named};
use crate::walk::{Step, Watcher};
use alertable_models::event::{Event, KapcChange};
use alertable_models::ids::ThreadId;
use alertable_models::ke::thread::ThreadState;
use alertable_models::machine::Model;
use alertable_traces::call::Call;
use alertable_traces::status::NtStatus;
use std::collections::{BTreeMap, BTreeSet};

/// An alert of a thread that is not at an alertable point stays until the next one, and
/// NtTestAlert tells of it; without any alert it does not.
#[derive(Clone)]
pub(crate) struct AlertsAreTold {
    /// The threads that were ever alerted.
    ever: BTreeSet<ThreadId>,
    /// The threads that were alerted and have not come to an alertable point since.
    pending: BTreeSet<ThreadId>,
    /// What the NtTestAlert that a thread is in has to tell, where that is known.
    to_tell: BTreeMap<ThreadId, NtStatus>,
}

impl AlertsAreTold {
    fn call(&mut self, step: &Step<'_>, thread: ThreadId, call: &Call) {
        let pending = is_alertable(call) && self.pending.remove(&thread);
        self.to_tell.remove(&thread);
        match call {
            Call::NtTestAlert if pending => {
                self.to_tell.insert(thread, NtStatus::ALERTED);
            }
            Call::NtTestAlert if !self.ever.contains(&thread) => {
                self.to_tell.insert(thread, NtStatus::SUCCESS);
            }
            Call::NtAlertThread { thread } => {
                let Some(target) = thread_named(step.model, thread) else { return };
                self.ever.insert(target);
                self.to_tell.remove(&target);
                // Elsewhere it may be about to come to an alertable point.
                if step.before.kernel().thread(target).state == ThreadState::User {
                    self.pending.insert(target);
                }
            }
            _ => {}
        }
    }
}

impl Watcher for AlertsAreTold {
    fn new(_: &Model) -> Self {
        let (ever, pending) = (BTreeSet::new(), BTreeSet::new());
        AlertsAreTold { ever, pending, to_tell: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Call { thread, call } => {
                    self.call(step, thread, source(step.model, call));
                }
                // The test of NtContinue takes it as well.
                Event::ApcEntered { thread, .. } | Event::ApcReturned { thread, .. } => {
                    self.pending.remove(&thread);
                }
                Event::Return { thread, call, result } => {
                    let call = source(step.model, call);
                    let expected = self.to_tell.remove(&thread);
                    if matches!(call, Call::NtTestAlert)
                        && expected.is_some_and(|expected| expected != result.status)
                    {
                        return Err(format!("{call:?} gave {result:?}, not {expected:?}"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// An APC can be queued to every thread that exists and has not begun to end, and a special one
/// runs before the thread makes a second call.
#[derive(Clone)]
pub(crate) struct SpecialsDoNotWait {
    queued: BTreeMap<ThreadId, usize>,
    /// The calls that each thread has made since a special APC is queued to it.
    call_counts: BTreeMap<ThreadId, usize>,
}

/// Whether a call queues an APC to a thread that is there for it.
fn must_succeed(step: &Step<'_>, call: &Call) -> bool {
    let (Call::QueueUserApc { thread, .. } | Call::QueueUserApc2 { thread, .. }) = call else {
        return false;
    };
    thread_named(step.model, thread)
        .is_some_and(|thread| step.before.kernel().thread(thread).is_alive())
}

impl SpecialsDoNotWait {
    fn note(&mut self, step: &Step<'_>, event: &Event) -> Result<(), String> {
        match *event {
            Event::Call { thread, call } => {
                let call = source(step.model, call);
                let queues = step
                    .events
                    .iter()
                    .any(|event| matches!(event, Event::Kapc { change: KapcChange::Queued, .. }));
                if must_succeed(step, call) && !queues {
                    return Err(format!("{call:?} queues nothing"));
                }
                if self.queued.get(&thread).is_some_and(|count| *count > 0) {
                    let count = self.call_counts.entry(thread).or_default();
                    *count += 1;
                    if *count > 1 {
                        return Err(format!("{thread:?} made {count} calls before a special APC"));
                    }
                }
            }
            Event::Kapc { thread, kapc, change } if is_special(kapc) => {
                let count = self.queued.entry(thread).or_default();
                if change == KapcChange::Queued {
                    *count += 1;
                } else {
                    *count -= 1;
                    self.call_counts.remove(&thread);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Watcher for SpecialsDoNotWait {
    fn new(_: &Model) -> Self {
        SpecialsDoNotWait { queued: BTreeMap::new(), call_counts: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        step.events.iter().try_for_each(|event| self.note(step, event))
    }
}

//! Why a change that is not noticed is allowed.

use super::changes::*;
use super::trace::*;
use alertable_traces::trace::object::{
    EventAction, Lifetime, ObjectCall, ObjectKind, ObjectTraceKind,
};

/// Why the rules allow a change that was accepted; none if they do not.
pub(super) fn argument(trace: &Trace, change: &Change) -> Option<&'static str> {
    let at = change.at;
    match &trace.events[at].what {
        ObjectTraceKind::Call { call: ObjectCall::Event { object, .. } } => {
            why_unset(trace, at, object)
        }
        ObjectTraceKind::Call { call: ObjectCall::QueueApc { target, routine, arguments } } => {
            is_never_delivered(trace, at, target, *routine, arguments)
                .then_some("the APC is not delivered before its thread ends (WAIT-02, APC-U-23)")
        }
        ObjectTraceKind::Call {
            call: ObjectCall::ReleaseMutex { object } | ObjectCall::ReleaseSemaphore { object, .. },
        } => is_never_looked_at(trace, at, object)
            .then_some("nothing that comes later shows the state of the object"),
        ObjectTraceKind::Call { call: ObjectCall::Post { object, .. } } => {
            is_never_taken(trace, at, object)
                .then_some("nobody takes the packet, and those before it are taken (IOCP-10)")
        }
        ObjectTraceKind::Wake { .. } => is_end_unseen(trace, at).then_some(
            "nothing is known of what ended the wait, and the thread does nothing more but end",
        ),
        // What was put in comes after the APC that it repeats.
        _ => repeated_timer_apc(trace, at)
            .then_some("the timer's period may be over again (TIMER-15, TIMER-16)"),
    }
}

/// WAIT-47, WAIT-48: a set of an event does nothing if it is set, and is not seen if nobody looks
/// at it before it is set or reset again. An event that can have another name may be set by it.
pub(super) fn why_unset(trace: &Trace, at: usize, object: &str) -> Option<&'static str> {
    let was_set = matches!(&trace.events[trace.return_of(at)?].what,
        ObjectTraceKind::Return { reply, .. } if reply.previous == Some(1));
    if was_set
        && matches!(
            &trace.events[at].what,
            ObjectTraceKind::Call { call: ObjectCall::Event { action: EventAction::Set, .. } }
        )
    {
        return Some("the event was set already (WAIT-48)");
    }
    if is_never_looked_at(trace, at, object) {
        return Some("nothing that comes later shows the state of the object");
    }
    let has_alias = trace.events[..at].iter().any(|event| {
        matches!(&event.what, ObjectTraceKind::Object { kind, new: false, .. }
            if *kind == ObjectKind::Event)
    });
    (trace.may_have_names(object) && has_alias)
        .then_some("the event may have a name by which it was opened unseen and set")
}

/// Whether nothing tells of an object's state before it is defined anew or gone.
pub(super) fn is_never_looked_at(trace: &Trace, at: usize, object: &str) -> bool {
    for later in &trace.events[at + 1..] {
        match &later.what {
            ObjectTraceKind::Gone { object: gone } if gone == object => return true,
            ObjectTraceKind::Call { call: ObjectCall::Issue { event: Some(event), .. } }
                if event == object =>
            {
                return true;
            }
            ObjectTraceKind::Call {
                call: ObjectCall::Wait { signal: Some(signal), objects, .. },
            } if signal == object && !objects.contains(signal) => {
                return true;
            }
            ObjectTraceKind::Call { call } if names(call, object) => return false,
            _ => {}
        }
    }
    true
}

/// Whether the packets that are taken from here on were all there before.
pub(super) fn is_never_taken(trace: &Trace, at: usize, port: &str) -> bool {
    let taken = |range: std::ops::Range<usize>| {
        packets(trace)
            .into_iter()
            .filter(|taken| range.contains(taken) && port_of(trace, *taken) == Some(port))
            .count()
    };
    let posted = trace.events[..at].iter().filter(|event| {
        matches!(&event.what,
            ObjectTraceKind::Call { call: ObjectCall::Post { object, .. } } if object == port)
    });
    posted.count().saturating_sub(taken(0..at)) >= taken(at..trace.events.len())
}

/// Whether a wait ended for an object that the trace did not see made, or for no object, and its
/// thread makes no call afterwards.
pub(super) fn is_end_unseen(trace: &Trace, at: usize) -> bool {
    let is_unknown = trace.object_that_ended(at).is_none_or(|object| !trace.is_known(object));
    let thread = &trace.events[at].thread;
    let goes_on = trace.events[at + 1..].iter().any(|event| {
        event.thread == *thread
            && !matches!(event.what, ObjectTraceKind::Thread { what: Lifetime::Ended, .. })
    });
    is_unknown && !goes_on
}

pub(super) fn names(call: &ObjectCall, name: &str) -> bool {
    match call {
        ObjectCall::Wait { objects, .. } => objects.iter().any(|object| object == name),
        ObjectCall::Event { object, .. }
        | ObjectCall::ReleaseMutex { object }
        | ObjectCall::ReleaseSemaphore { object, .. }
        | ObjectCall::Take { object }
        | ObjectCall::Post { object, .. } => object == name,
        _ => false,
    }
}

/// Whether a thread does not run an APC of this content any more.
pub(super) fn is_never_delivered(
    trace: &Trace,
    at: usize,
    target: &str,
    routine: u64,
    arguments: &[u64],
) -> bool {
    let thread = target.strip_prefix("thread:");
    !trace.events[at..].iter().any(|event| {
        event.thread.as_deref() == thread
            && matches!(&event.what, ObjectTraceKind::Return { reply, .. }
                if reply.routine == Some(routine) && reply.arguments == arguments)
    })
}

/// Whether the event before is the delivery of the APC of a timer with a period.
pub(super) fn repeated_timer_apc(trace: &Trace, at: usize) -> bool {
    let Some(ObjectTraceKind::Return { reply, .. }) = trace.events.get(at - 1).map(|e| &e.what)
    else {
        return false;
    };
    trace.events[..at].iter().any(|event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::SetTimer { routine, period, .. } } => {
            routine.is_some() && *routine == reply.routine && *period > 0
        }
        _ => false,
    })
}

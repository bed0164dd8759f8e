//! The changes.

use super::trace::*;
use crate::random::{Random, pick};
use alertable_traces::trace::ObjectTraceEvent;
use alertable_traces::trace::object::{
    EventAction, Lifetime, ObjectCall, ObjectTraceKind, WaitMode,
};
use std::collections::HashSet;

/// The returns that brought a packet.
pub(super) fn packets(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(&event.what, ObjectTraceKind::Return { reply, .. } if reply.key.is_some())
    })
}

pub(super) fn port_of(trace: &Trace, at: usize) -> Option<&str> {
    match trace.call(trace.call_of_return(at)?) {
        ObjectCall::Take { object } => Some(object),
        _ => None,
    }
}

pub(super) fn swap_packets(trace: &Trace, random: &mut Random) -> Option<Change> {
    let packets = packets(trace);
    let first = pick(&packets, random)?;
    let port = port_of(trace, first)?;
    let mut later = packets.iter().filter(|at| **at > first);
    let second = *later.find(|at| port_of(trace, **at) == Some(port))?;
    let content = |at: usize| match &trace.events[at].what {
        ObjectTraceKind::Return { reply, .. } => reply.clone(),
        _ => unreachable!("these are returns"),
    };
    let (one, other) = (content(first), content(second));
    if (one.key, one.value, &one.status) == (other.key, other.value, &other.status) {
        return None;
    }
    let mut change = trace.changed(first, |event| set_reply(event, other), "packets swapped")?;
    set_reply(&mut change.events[second - first], one);
    Some(change)
}

pub(super) fn set_reply(event: &mut ObjectTraceEvent, to: alertable_traces::trace::object::Reply) {
    if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
        *reply = to;
    }
}

pub(super) fn lose_packet(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&packets(trace), random)?;
    trace.changed(
        at,
        |event| {
            set_status(event, "STATUS_PENDING");
            set_reply(event, alertable_traces::trace::object::Reply::default());
        },
        "a packet lost",
    )
}

pub(super) fn double_packet(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&packets(trace), random)?;
    let call = trace.call_of_return(at)?;
    let mut events = trace.events[at + 1..].to_vec();
    events.splice(0..0, [trace.events[call].clone(), trace.events[at].clone()]);
    let next = trace.events[at + 1..].iter().find_map(|event| match &event.what {
        ObjectTraceKind::Return { reply, .. } if reply.key.is_some() => Some(reply.clone()),
        _ => None,
    });
    let ObjectTraceKind::Return { reply, .. } = &trace.events[at].what else { return None };
    // The next one may be its equal.
    if next.is_some_and(|next| (next.key, next.value) == (reply.key, reply.value)) {
        return None;
    }
    Some(trace.change(at + 1, events, "a packet taken twice"))
}

/// The returns that delivered a user APC.
pub(super) fn user_apcs(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(&event.what, ObjectTraceKind::Return { reply, .. } if reply.routine.is_some())
    })
}

/// Whether a timer was set with this routine.
pub(super) fn is_of_timer(trace: &Trace, routine: Option<u64>) -> bool {
    trace.events.iter().any(|event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::SetTimer { routine: of_timer, .. } } => {
            of_timer.is_some() && *of_timer == routine
        }
        _ => false,
    })
}

pub(super) fn drop_user_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&user_apcs(trace), random)?;
    trace.changed(
        at,
        |event| {
            set_status(event, "STATUS_TIMEOUT");
            set_reply(event, alertable_traces::trace::object::Reply::default());
        },
        "a user APC dropped",
    )
}

pub(super) fn swap_user_apcs(trace: &Trace, random: &mut Random) -> Option<Change> {
    let apcs = user_apcs(trace);
    let first = pick(&apcs, random)?;
    let thread = &trace.events[first].thread;
    let second = *apcs.iter().find(|at| **at > first && trace.events[**at].thread == *thread)?;
    let content = |at: usize| match &trace.events[at].what {
        ObjectTraceKind::Return { reply, .. } => reply.clone(),
        _ => unreachable!("these are returns"),
    };
    let (one, other) = (content(first), content(second));
    // A timer's is given its due time, which nobody can know.
    let known = if is_of_timer(trace, one.routine) { 1 } else { 3 };
    let same = one.arguments.iter().take(known).eq(other.arguments.iter().take(known));
    if one.routine == other.routine && same {
        return None;
    }
    let mut change = trace.changed(first, |event| set_reply(event, other), "APCs swapped")?;
    set_reply(&mut change.events[second - first], one);
    Some(change)
}

pub(super) fn double_user_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&user_apcs(trace), random)?;
    let call = trace.call_of_return(at)?;
    let mut events = trace.events[at + 1..].to_vec();
    events.splice(0..0, [trace.events[call].clone(), trace.events[at].clone()]);
    Some(trace.change(at + 1, events, "a user APC delivered twice"))
}

/// The waits for which something holds.
pub(super) fn some_wait(
    trace: &Trace,
    random: &mut Random,
    holds: impl Fn(&WaitSpan) -> bool,
) -> Option<WaitSpan> {
    let waits: Vec<&WaitSpan> = trace.waits.iter().filter(|wait| holds(wait)).collect();
    pick(&waits, random).cloned()
}

pub(super) fn plain_user_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        matches!(trace.call(wait.call), ObjectCall::Wait { alertable: false, stopped: false, .. })
            && wait.status != "STATUS_USER_APC"
    })?;
    trace.changed(
        wait.end,
        |event| {
            set_status(event, "STATUS_USER_APC");
            if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
                reply.routine = Some(0x1400_0000);
            }
        },
        "USER_APC at a plain wait",
    )
}

pub(super) fn other_index(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        index_of(&wait.status).is_some() && trace.is_known_wait(wait)
    })?;
    let ObjectCall::Wait { objects, .. } = trace.call(wait.call) else { return None };
    let index = index_of(&wait.status)?;
    let other = (index + 1) % (objects.len() as u32 + 1);
    trace.changed(wait.end, |event| set_status(event, &status_of(other)), "another index")
}

pub(super) fn infinite_timeout(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        trace.is_infinite(wait) && wait.status != "STATUS_TIMEOUT"
    })?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_TIMEOUT"), "a time-out")
}

pub(super) fn never_blocked(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait =
        some_wait(trace, random, |wait| wait.blocked_at.is_some() && trace.is_known_wait(wait))?;
    let blocked = wait.blocked_at?;
    let mut change =
        trace.changed(blocked, |event| set_status(event, "STATUS_SUCCESS"), "not blocked")?;
    change.events.remove(wait.end - blocked);
    Some(change)
}

pub(super) fn blocks_instead(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        wait.blocked_at.is_none() && index_of(&wait.status).is_some() && trace.is_known_wait(wait)
    })?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_PENDING"), "blocks")
}

/// The wakes.
pub(super) fn wakes(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| matches!(event.what, ObjectTraceKind::Wake { .. }))
}

pub(super) fn drop_wake(trace: &Trace, random: &mut Random) -> Option<Change> {
    trace.without(pick(&wakes(trace), random)?, "a wake dropped")
}

pub(super) fn double_wake(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&wakes(trace), random)?;
    let mut events = trace.events[at..].to_vec();
    events.insert(1, trace.events[at].clone());
    Some(trace.change(at, events, "a wake doubled"))
}

/// The threads that are in a wait when something happens.
pub(super) fn waiting_at(trace: &Trace, at: usize) -> Vec<&WaitSpan> {
    let spans = trace.waits.iter();
    spans.filter(|wait| wait.blocked_at.is_some_and(|from| from < at) && wait.end > at).collect()
}

pub(super) fn wake_another(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&wakes(trace), random)?;
    let thread = trace.events[at].thread.clone();
    let others: Vec<String> = waiting_at(trace, at)
        .into_iter()
        .filter(|wait| Some(&wait.thread) != thread.as_ref())
        .map(|wait| wait.thread.clone())
        .collect();
    let other = pick(&others, random)?;
    trace.changed(at, |event| event.thread = Some(other), "another thread woken")
}

pub(super) fn swap_wakes(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_wake = |at: usize| {
        trace.events.get(at).is_some_and(|event| matches!(event.what, ObjectTraceKind::Wake { .. }))
    };
    // Those of one object, which one call has woken in the order of its waiters.
    let pairs: Vec<usize> = wakes(trace)
        .into_iter()
        .filter(|at| is_wake(at + 1) && trace.events[*at].thread != trace.events[at + 1].thread)
        .filter(|at| match (trace.object_that_ended(*at), trace.object_that_ended(at + 1)) {
            (Some(one), Some(other)) => one == other && trace.is_known(one),
            _ => false,
        })
        .collect();
    let at = pick(&pairs, random)?;
    let mut events = trace.events[at..].to_vec();
    events.swap(0, 1);
    let (first, second) = (events[0].n, events[1].n);
    (events[0].n, events[1].n) = (second, first);
    Some(trace.change(at, events, "two wakes swapped"))
}

pub(super) fn finishes(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(
            &event.what,
            ObjectTraceKind::Call { call: ObjectCall::Wait { finished: Some(_), .. } }
        )
    })
}

pub(super) fn end_request_twice(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&finishes(trace), random)?;
    let ObjectCall::Wait { finished: over, status: ended, .. } = trace.call(at).clone() else {
        return None;
    };
    let later = trace.waits.iter().filter(|wait| {
        wait.call > at
            && wait.thread == *trace.events[at].thread.as_ref().unwrap()
            && matches!(trace.call(wait.call), ObjectCall::Wait { finished: None, .. })
    });
    let later: Vec<usize> = later.map(|wait| wait.call).collect();
    let second = pick(&later, random)?;
    trace.changed(
        second,
        |event| {
            if let ObjectTraceKind::Call { call: ObjectCall::Wait { finished, status, .. } } =
                &mut event.what
            {
                *finished = over;
                *status = ended;
            }
        },
        "a request ended twice",
    )
}

pub(super) fn handed(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(&event.what, ObjectTraceKind::Return { reply, .. } if reply.request.is_some())
    })
}

pub(super) fn request_in(trace: &Trace, at: usize) -> Option<String> {
    match &trace.events[at].what {
        ObjectTraceKind::Return { reply, .. } => reply.request.clone(),
        _ => None,
    }
}

pub(super) fn hand_request_twice(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&handed(trace), random)?;
    let call = trace.call_of_return(at)?;
    let mut events = trace.events[at + 1..].to_vec();
    events.splice(0..0, [trace.events[call].clone(), trace.events[at].clone()]);
    Some(trace.change(at + 1, events, "a request handed out twice"))
}

pub(super) fn hand_other_request(trace: &Trace, random: &mut Random) -> Option<Change> {
    let handed = handed(trace);
    let (at, other) = (pick(&handed, random)?, pick(&handed, random)?);
    let other = request_in(trace, other)?;
    trace.changed(
        at,
        |event| {
            if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
                reply.request = Some(other);
            }
        },
        "another request handed out",
    )
}

pub(super) fn hand_to_other_thread(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&handed(trace), random)?;
    let own = trace.events[at].thread.clone();
    let others = trace.waits.iter().filter(|wait| {
        Some(&wait.thread) != own.as_ref()
            && wait.end > at
            && wait.blocked_at.is_none()
            && matches!(
                trace.call(wait.call),
                ObjectCall::Wait { interruptible: true, stopped: false, .. }
            )
    });
    let other = others.min_by_key(|wait| wait.end)?.clone();
    let ObjectTraceKind::Return { reply, .. } = trace.events[at].what.clone() else { return None };
    trace.changed(
        other.end,
        |event| {
            set_status(event, "STATUS_KERNEL_APC");
            set_reply(event, reply);
        },
        "a request handed to another thread",
    )
}

/// The calls that set an event that the trace saw made, with their returns.
pub(super) fn event_sets(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::Event { object, action } } => {
            *action == EventAction::Set && trace.is_known(object)
        }
        _ => false,
    })
}

pub(super) fn drop_event_set(trace: &Trace, random: &mut Random) -> Option<Change> {
    drop_call(trace, pick(&event_sets(trace), random)?)
}

pub(super) fn drop_queue_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_site = |call: &ObjectCall| matches!(call, ObjectCall::QueueApc { .. });
    drop_call(trace, pick(&calls(trace, is_site), random)?)
}

pub(super) fn drop_release(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_site = |call: &ObjectCall| match call {
        ObjectCall::ReleaseMutex { object } | ObjectCall::ReleaseSemaphore { object, .. } => {
            trace.is_known(object)
        }
        _ => false,
    };
    let at = pick(&calls(trace, is_site), random)?;
    let change = drop_call(trace, at)?;
    // A release that failed changed nothing.
    matches!(&trace.events[trace.return_of(at)?].what,
        ObjectTraceKind::Return { status, .. } if status == "STATUS_SUCCESS")
    .then_some(change)
}

pub(super) fn drop_post(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_site = |call: &ObjectCall| matches!(call, ObjectCall::Post { .. });
    drop_call(trace, pick(&calls(trace, is_site), random)?)
}

pub(super) fn calls(trace: &Trace, holds: impl Fn(&ObjectCall) -> bool) -> Vec<usize> {
    trace.sites(|_, event| match &event.what {
        ObjectTraceKind::Call { call } => holds(call),
        _ => false,
    })
}

/// A call is left out with its return; what it did stays in the trace.
pub(super) fn drop_call(trace: &Trace, at: usize) -> Option<Change> {
    let thread = &trace.events[at].thread;
    let returns = trace.events[at..].iter().position(|event| {
        event.thread == *thread && matches!(event.what, ObjectTraceKind::Return { .. })
    })?;
    let mut events = trace.events[at..].to_vec();
    events.remove(returns);
    events.remove(0);
    Some(trace.change(at, events, "a call left out"))
}

pub(super) fn reset_instead_of_set(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&event_sets(trace), random)?;
    trace.changed(
        at,
        |event| {
            if let ObjectTraceKind::Call { call: ObjectCall::Event { action, .. } } =
                &mut event.what
            {
                *action = EventAction::Reset;
            }
        },
        "an event reset instead of set",
    )
}

pub(super) fn other_previous(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        let ObjectTraceKind::Return { status, reply } = &event.what else { return false };
        reply.previous.is_some()
            && status == "STATUS_SUCCESS"
            && trace.call_of_return(at).is_some_and(|call| match trace.call(call) {
                ObjectCall::Event { object, .. }
                | ObjectCall::ReleaseMutex { object }
                | ObjectCall::ReleaseSemaphore { object, .. } => trace.is_known(object),
                ObjectCall::Suspend { .. } | ObjectCall::Resume { .. } => true,
                _ => false,
            })
    });
    let at = pick(&sites, random)?;
    trace.changed(
        at,
        |event| {
            if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
                reply.previous = reply.previous.map(|previous| previous ^ 1);
            }
        },
        "another state before",
    )
}

pub(super) fn pass_limit(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        matches!(&event.what, ObjectTraceKind::Return { status, .. }
            if status == "STATUS_SEMAPHORE_LIMIT_EXCEEDED")
            && trace.call_of_return(at).is_some()
    });
    let at = pick(&sites, random)?;
    trace.changed(at, |event| set_status(event, "STATUS_SUCCESS"), "a limit passed")
}

pub(super) fn hide_abandonment(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| wait.status == "STATUS_ABANDONED_WAIT_0")?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_SUCCESS"), "not abandoned")
}

pub(super) fn invent_abandonment(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        let ObjectCall::Wait { objects, mode, .. } = trace.call(wait.call) else { return false };
        wait.status == "STATUS_SUCCESS"
            && *mode != WaitMode::None
            && trace.is_known_wait(wait)
            && objects.first().is_some_and(|object| object.starts_with("mutex:"))
    })?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_ABANDONED_WAIT_0"), "abandoned")
}

pub(super) fn release_by_other(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|_, event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::ReleaseMutex { object } } => {
            trace.is_known(object)
        }
        _ => false,
    });
    let at = pick(&sites, random)?;
    let thread = trace.events[at].thread.clone();
    let end = trace.events[at..].iter().position(|event| {
        event.thread == thread && matches!(event.what, ObjectTraceKind::Return { .. })
    })?;
    let is_success = matches!(&trace.events[at + end].what,
        ObjectTraceKind::Return { status, .. } if status == "STATUS_SUCCESS");
    let waiting: HashSet<&str> =
        waiting_at(trace, at).into_iter().map(|wait| wait.thread.as_str()).collect();
    let others: Vec<String> = trace
        .waits
        .iter()
        .filter(|wait| wait.call < at && trace.last_of[&wait.thread] > at)
        .map(|wait| wait.thread.clone())
        .filter(|other| Some(other) != thread.as_ref() && !waiting.contains(other.as_str()))
        .collect();
    let other = pick(&others, random).filter(|_| is_success)?;
    let mut change =
        trace.changed(at, |event| event.thread = Some(other.clone()), "released by another")?;
    change.events[end].thread = Some(other);
    Some(change)
}

/// The ends of threads for which somebody waits.
pub(super) fn drop_thread_end(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        let ended = matches!(event.what, ObjectTraceKind::Thread { what: Lifetime::Ended, .. });
        let object = event.thread.as_ref().map(|thread| format!("thread:{thread}"));
        ended
            && waiting_at(trace, at).into_iter().any(|wait| match trace.call(wait.call) {
                ObjectCall::Wait { objects, .. } => {
                    objects.len() == 1 && objects.first() == object.as_ref()
                }
                _ => false,
            })
    });
    trace.without(pick(&sites, random)?, "a thread's end dropped")
}

/// A cancellation that found nothing is told to have found something.
pub(super) fn cancel_finds_nothing_right(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        matches!(&event.what, ObjectTraceKind::Return { status, .. } if status == "STATUS_NOT_FOUND")
            && trace
                .call_of_return(at)
                .is_some_and(|call| matches!(trace.call(call), ObjectCall::Cancel { .. }))
    });
    let at = pick(&sites, random)?;
    trace.changed(at, |event| set_status(event, "STATUS_SUCCESS"), "a cancellation that succeeds")
}

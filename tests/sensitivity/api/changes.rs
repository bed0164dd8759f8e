//! The changes.

use super::trace::Events;
use crate::random::{Random, pick};
use serde_json::{Value, json};

fn call(event: &Value) -> &str {
    event["call"].as_str().unwrap_or_default()
}

fn is_wait(event: &Value) -> bool {
    let call = call(event);
    call.starts_with("Sleep") || call.contains("WaitFor") || call == "SignalObjectAndWait"
}

fn has_routines(event: &Value) -> bool {
    event["alertable"] == true || call(event) == "NtTestAlert"
}

fn has_packet(result: &Value) -> bool {
    result.get("key").is_some()
}

/// What a return tells, without which return it is.
fn result(event: &Value) -> Value {
    let mut result = event.clone();
    for field in ["n", "t", "thread", "ev", "of"] {
        result.as_object_mut().unwrap().remove(field);
    }
    result
}

/// The trace with another result at an event.
fn with_result(events: &Events, at: usize, result: &Value) -> Events {
    let mut changed = events.clone();
    let old = &events.0[at];
    let mut new = json!({
        "n": old["n"], "t": old["t"], "thread": old["thread"], "ev": old["ev"], "of": old["of"],
    });
    for (field, value) in result.as_object().unwrap() {
        new[field.as_str()] = value.clone();
    }
    changed.0[at] = new;
    changed
}

fn with_field(events: &Events, at: usize, field: &str, value: Value) -> Events {
    let mut changed = events.clone();
    changed.0[at][field] = value;
    changed
}

/// The number in a field, one more or one less.
fn other_number(event: &Value, field: &str, random: &mut Random) -> Option<Value> {
    let number = event.get(field)?.as_u64()?;
    let less = number > 0 && random.below(2) == 0;
    Some(if less { number - 1 } else { number + 1 }.into())
}

fn packets(events: &Events) -> Vec<usize> {
    events.returns(|_, result| has_packet(result))
}

pub(super) fn swap_packets(events: &Events, random: &mut Random) -> Option<Events> {
    let packets = packets(events);
    let first = pick(&packets, random)?;
    let second = *packets.iter().find(|at| **at > first)?;
    let port = |at: usize| &events.0[events.call_of(at)]["port"];
    if port(first) != port(second) {
        return None;
    }
    let changed = with_result(events, first, &result(&events.0[second]));
    Some(with_result(&changed, second, &result(&events.0[first])))
}

pub(super) fn lose_packet(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&packets(events), random)?;
    let lost = match call(&events.0[events.call_of(at)]) {
        "NtRemoveIoCompletion" => json!({ "ret": "STATUS_TIMEOUT" }),
        _ => json!({ "ret": "FALSE", "error": "WAIT_TIMEOUT", "overlapped": null }),
    };
    Some(with_result(events, at, &lost))
}

pub(super) fn double_packet(events: &Events, random: &mut Random) -> Option<Events> {
    let packets = packets(events);
    let first = pick(&packets, random)?;
    let second = *packets.iter().find(|at| **at > first)?;
    Some(with_result(events, second, &result(&events.0[first])))
}

pub(super) fn other_packet_bytes(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&packets(events), random)?;
    let field = if events.0[at].get("bytes").is_some() { "bytes" } else { "information" };
    let bytes = other_number(&events.0[at], field, random)?;
    Some(with_field(events, at, field, bytes))
}

fn routines(events: &Events) -> Vec<usize> {
    events.sites(|at| events.is(at, "apc") && events.end_of_routine(at).is_some())
}

/// The events of a thread from one to another.
fn part(events: &Events, from: usize, to: usize) -> Vec<usize> {
    (from..=to).filter(|at| events.thread(*at) == events.thread(from)).collect()
}

pub(super) fn drop_routine(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&routines(events), random)?;
    let dropped = part(events, at, events.end_of_routine(at)?);
    let kept = events.0.iter().enumerate().filter(|(at, _)| !dropped.contains(at));
    Some(Events(kept.map(|(_, event)| event.clone()).collect()))
}

pub(super) fn swap_routines(events: &Events, random: &mut Random) -> Option<Events> {
    let routines = routines(events);
    let first = pick(&routines, random)?;
    let next = |at: &&usize| **at > first && events.thread(**at) == events.thread(first);
    let second = *routines.iter().find(next)?;
    let ends = (events.end_of_routine(first)?, events.end_of_routine(second)?);
    if ends.0 > second {
        return None;
    }
    let mut changed = events.clone();
    for (to, from) in [(first, second), (second, first), (ends.0, ends.1), (ends.1, ends.0)] {
        let mut event = events.0[from].clone();
        for field in ["n", "t"] {
            event[field] = events.0[to][field].clone();
        }
        changed.0[to] = event;
    }
    Some(changed)
}

pub(super) fn double_routine(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&routines(events), random)?;
    let end = events.end_of_routine(at)?;
    let again: Vec<Value> = part(events, at, end).iter().map(|at| events.0[*at].clone()).collect();
    let mut changed = events.clone();
    changed.0.splice(
        end + 1..=end,
        again.into_iter().map(|mut event| {
            event["t"] = events.0[end]["t"].clone();
            event
        }),
    );
    Some(changed)
}

pub(super) fn routine_before_wait(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&routines(events), random)?;
    let end = events.end_of_routine(at)?;
    // The call that it runs in.
    let call = (0..at).rev().find(|call| {
        events.thread(*call) == events.thread(at)
            && events.is(*call, "call")
            && events.return_of(*call).is_none_or(|end| end > at)
    })?;
    let moved = part(events, at, end);
    let mut changed: Vec<Value> = events.0[..call].to_vec();
    changed.extend(moved.iter().map(|at| {
        let mut event = events.0[*at].clone();
        event["t"] = events.0[call]["t"].clone();
        event
    }));
    let rest = (call..events.0.len()).filter(|at| !moved.contains(at));
    changed.extend(rest.map(|at| events.0[at].clone()));
    Some(Events(changed))
}

pub(super) fn other_argument(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&routines(events), random)?;
    let field = if events.0[at].get("data").is_some() { "data" } else { "bytes" };
    let number = other_number(&events.0[at], field, random)?;
    let changed = with_field(events, at, field, number.clone());
    Some(with_field(&changed, events.end_of_routine(at)?, field, number))
}

fn wait_ends(events: &Events, holds: impl Fn(&Value, &Value) -> bool) -> Vec<usize> {
    events.returns(|call, result| is_wait(call) && holds(call, result))
}

pub(super) fn plain_wait_runs_apcs(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&wait_ends(events, |call, _| !has_routines(call)), random)?;
    Some(with_result(events, at, &json!({ "ret": "WAIT_IO_COMPLETION" })))
}

pub(super) fn apcs_end_no_wait(events: &Events, random: &mut Random) -> Option<Events> {
    let ended = wait_ends(events, |_, result| result["ret"] == "WAIT_IO_COMPLETION");
    let at = pick(&ended, random)?;
    let sleeps = call(&events.0[events.call_of(at)]).starts_with("Sleep");
    let ret = if sleeps { json!(0) } else { json!("WAIT_OBJECT_0") };
    Some(with_result(events, at, &json!({ "ret": ret })))
}

pub(super) fn other_index(events: &Events, random: &mut Random) -> Option<Events> {
    let of_objects = |_: &Value, result: &Value| {
        result["ret"].as_str().is_some_and(|ret| ret.starts_with("WAIT_OBJECT_0"))
    };
    let at = pick(&wait_ends(events, of_objects), random)?;
    let call = &events.0[events.call_of(at)];
    let old = events.0[at]["ret"].as_str()?;
    let count = call.get("objects").and_then(Value::as_array).map_or(1, Vec::len);
    let new = match random.below(count + 1) {
        index if index == count => "WAIT_ABANDONED_0".to_owned(),
        0 => "WAIT_OBJECT_0".to_owned(),
        index => format!("WAIT_OBJECT_0+{index}"),
    };
    (new != old).then(|| with_result(events, at, &json!({ "ret": new })))
}

pub(super) fn infinite_wait_times_out(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&wait_ends(events, |call, _| call["ms"] == "INFINITE"), random)?;
    let sleeps = call(&events.0[events.call_of(at)]).starts_with("Sleep");
    let ret = if sleeps { json!(0) } else { json!("WAIT_TIMEOUT") };
    Some(with_result(events, at, &json!({ "ret": ret })))
}

fn timeouts(events: &Events) -> Vec<usize> {
    let slept = |call: &Value, result: &Value| {
        result["ret"] == "WAIT_TIMEOUT" || (call["call"] == "Sleep" && result["ret"] == 0)
    };
    wait_ends(events, slept)
}

pub(super) fn timeout_succeeds(events: &Events, random: &mut Random) -> Option<Events> {
    let timed_out = wait_ends(events, |_, result| result["ret"] == "WAIT_TIMEOUT");
    let at = pick(&timed_out, random)?;
    Some(with_result(events, at, &json!({ "ret": "WAIT_OBJECT_0" })))
}

pub(super) fn early_timeout(events: &Events, random: &mut Random) -> Option<Events> {
    // More than what a clock's tick explains.
    const MS_MIN: u64 = 5;
    let at = pick(&timeouts(events), random)?;
    let call = events.call_of(at);
    let ms = events.0[call]["ms"].as_u64().filter(|ms| *ms >= MS_MIN)?;
    let half = events.0[call]["t"].as_u64()? + ms * 500_000;
    // What the thread does after it has its time; nothing may come between.
    let next = (at + 1..events.0.len()).find(|next| events.thread(*next) == events.thread(at));
    let is_before = events.0[at]["t"].as_u64()? > half && next.is_none_or(|next| next > at);
    let has_routines = (call..at)
        .any(|event| events.thread(event) == events.thread(at) && events.is(event, "apc"));
    (is_before && !has_routines).then(|| with_field(events, at, "t", half.into()))
}

/// The calls that end waits for an event.
fn signals(event: &Value, name: &Value) -> bool {
    event["ev"] == "call"
        && (event["event"] == *name
            || event["signal"] == *name
            || event.get("overlapped").is_some())
}

pub(super) fn wait_before_signal(events: &Events, random: &mut Random) -> Option<Events> {
    let sites = wait_ends(events, |call, result| {
        result["ret"] == "WAIT_OBJECT_0" && call.get("object").is_some()
    });
    let at = pick(&sites, random)?;
    let call = events.call_of(at);
    let object = &events.0[call]["object"];
    let is_signaled = |before: usize| events.0[..before].iter().any(|e| signals(e, object));
    let first = (call..at).find(|later| signals(&events.0[*later], object))?;
    if is_signaled(call) {
        return None;
    }
    let mut changed = events.clone();
    let mut moved = changed.0.remove(at);
    moved["t"] = events.0[call]["t"].clone();
    changed.0.insert(call + 1, moved);
    // Two events of one moment may have come in either order.
    (events.0[first]["t"].as_u64() > events.0[call]["t"].as_u64()).then_some(changed)
}

pub(super) fn other_length(events: &Events, random: &mut Random) -> Option<Events> {
    let sites = events.returns(|_, result| result.get("bytes").is_some() && !has_packet(result));
    let at = pick(&sites, random)?;
    let bytes = other_number(&events.0[at], "bytes", random)?;
    Some(with_field(events, at, "bytes", bytes))
}

pub(super) fn cancelled_instead(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&events.sites(|at| events.0[at]["error"] == "ERROR_SUCCESS"), random)?;
    let end = events.is(at, "apc").then(|| events.end_of_routine(at)).flatten()?;
    let mut changed = events.clone();
    for at in [at, end] {
        changed.0[at]["error"] = "ERROR_OPERATION_ABORTED".into();
        changed.0[at]["bytes"] = 0.into();
    }
    Some(changed)
}

/// The error that a call may well have had.
fn likely_error(call: &Value) -> Option<&'static str> {
    Some(match call["call"].as_str()? {
        "ReleaseMutex" => "ERROR_NOT_OWNER",
        "ReleaseSemaphore" => "ERROR_TOO_MANY_POSTS",
        "CancelIo" | "CancelIoEx" | "CancelSynchronousIo" => "ERROR_NOT_FOUND",
        "GetOverlappedResult" | "GetOverlappedResultEx" => "ERROR_OPERATION_ABORTED",
        "ReadFile" | "ReadFileEx" => "ERROR_HANDLE_EOF",
        "WriteFile" | "WriteFileEx" => "ERROR_NO_DATA",
        "SetEvent" | "CloseHandle" | "SetWaitableTimer" => "ERROR_INVALID_HANDLE",
        "QueueUserAPC" => "ERROR_GEN_FAILURE",
        _ => return None,
    })
}

pub(super) fn fails_instead(events: &Events, random: &mut Random) -> Option<Events> {
    let at = pick(&events.returns(|_, result| result["ret"] == "TRUE"), random)?;
    let error = likely_error(&events.0[events.call_of(at)])?;
    Some(with_result(events, at, &json!({ "ret": "FALSE", "error": error })))
}

pub(super) fn succeeds_instead(events: &Events, random: &mut Random) -> Option<Events> {
    let failed = |_: &Value, result: &Value| {
        result["ret"] == "FALSE" && result.get("error").is_some_and(|e| e != "ERROR_IO_PENDING")
    };
    let at = pick(&events.returns(failed), random)?;
    if call(&events.0[events.call_of(at)]).starts_with("GetQueued") {
        return None;
    }
    Some(with_result(events, at, &json!({ "ret": "TRUE" })))
}

pub(super) fn other_previous(events: &Events, random: &mut Random) -> Option<Events> {
    let counted = |call: &Value, result: &Value| {
        result.get("previous").is_some()
            || ["SuspendThread", "ResumeThread"].iter().any(|name| call["call"] == *name)
    };
    let at = pick(&events.returns(counted), random)?;
    let field = if events.0[at].get("previous").is_some() { "previous" } else { "ret" };
    let number = other_number(&events.0[at], field, random)?;
    Some(with_field(events, at, field, number))
}

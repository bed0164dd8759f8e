//! The workloads that peers are measured on, as scenarios.

use alertable::traces::read_scenario;
use alertable::traces::scenario::Scenario;
use serde_json::{Value, json};

/// A ring of user APCs: each of `thread_count` threads queues `apc_count` APCs to the next one,
/// then waits alertably until as many have run on it.
pub(crate) fn ring(thread_count: usize, apc_count: usize) -> Scenario {
    let threads: serde_json::Map<String, Value> = (0..thread_count)
        .map(|thread| {
            let next = format!("t{}", (thread + 1) % thread_count);
            let mut steps: Vec<Value> = (0..apc_count)
                .map(|data| {
                    let routine = if data + 1 == apc_count { "last" } else { "each" };
                    json!({ "call": "QueueUserAPC", "thread": next, "routine": routine,
                            "data": data })
                })
                .collect();
            let wait = json!({ "call": "SleepEx", "ms": "INFINITE", "alertable": true });
            steps.push(json!({ "repeat": "INFINITE", "steps": [wait] }));
            (format!("t{thread}"), Value::Array(steps))
        })
        .collect();
    scenario(&json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("A ring of {thread_count} threads with {apc_count} APCs each"),
        "routines": { "each": [], "last": [{ "call": "ExitThread", "code": 0 }] },
        "threads": threads,
        "expect": { "always": { "end": "finished" } },
    }))
}

/// The same threads in rounds: each queues one APC to the next thread and looks for its own.
#[allow(dead_code, reason = "only one of the programs that share this file needs it")]
pub(crate) fn rounds(thread_count: usize, round_count: usize) -> Scenario {
    let threads: serde_json::Map<String, Value> = (0..thread_count)
        .map(|thread| {
            let next = format!("t{}", (thread + 1) % thread_count);
            let steps = json!([
                { "call": "QueueUserAPC", "thread": next, "routine": "each", "data": thread },
                { "call": "SleepEx", "ms": 0, "alertable": true },
            ]);
            (format!("t{thread}"), json!([{ "repeat": round_count, "steps": steps }]))
        })
        .collect();
    scenario(&json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("{round_count} rounds of {thread_count} threads"),
        "routines": { "each": [] },
        "threads": threads,
    }))
}

/// A completion port with a concurrency value: a producer posts data packets with the keys 1, 2, …
/// and then a packet of one byte for each worker, which ends with it.
#[allow(dead_code, reason = "only one of the programs that share this file needs it")]
pub(crate) fn port(worker_count: usize, packet_count: usize, concurrency: usize) -> Scenario {
    let post = |key: usize| {
        let bytes = usize::from(key == 0);
        json!({ "call": "PostQueuedCompletionStatus", "port": "port", "bytes": bytes, "key": key })
    };
    let data = (1..=packet_count).map(post);
    let producer: Vec<Value> = data.chain((0..worker_count).map(|_| post(0))).collect();
    let get = json!({ "call": "GetQueuedCompletionStatus", "port": "port", "ms": "INFINITE" });
    let worker = |_: usize| {
        json!([{ "repeat": "INFINITE", "while": { "is": { "ret": "TRUE", "bytes": 0 } },
                 "steps": [get] }])
    };
    let mut threads: serde_json::Map<String, Value> =
        (0..worker_count).map(|at| (format!("w{at}"), worker(at))).collect();
    threads.insert("producer".to_owned(), Value::Array(producer));
    scenario(&json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("{worker_count} workers at a port with concurrency {concurrency}"),
        "objects": { "port": { "type": "port", "concurrency": concurrency } },
        "threads": threads,
        "expect": { "always": { "end": "finished" } },
    }))
}

/// Asynchronous reads of a device that completes them at any moment, and another thread that
/// tries to cancel each. The thread that issued them runs their routines and waits for more.
#[allow(dead_code, reason = "only one of the programs that share this file needs it")]
pub(crate) fn cancel(request_count: usize) -> Scenario {
    let name = |at: usize| format!("ov{at}");
    let mut issuer: Vec<Value> = (0..request_count)
        .map(|at| {
            json!({ "call": "ReadFileEx", "file": "file", "bytes": 1, "overlapped": name(at),
                    "routine": "done" })
        })
        .collect();
    let wait = json!({ "call": "SleepEx", "ms": "INFINITE", "alertable": true });
    issuer.push(json!({ "repeat": "INFINITE", "steps": [wait] }));
    let canceller: Vec<Value> = (0..request_count)
        .map(|at| json!({ "call": "CancelIoEx", "file": "file", "overlapped": name(at) }))
        .collect();
    scenario(&json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("{request_count} reads that complete or are cancelled"),
        "objects": {
            "device": { "type": "device", "model": "eventual" },
            "file": { "type": "file", "device": "device" },
        },
        "routines": { "done": [] },
        "threads": { "a": issuer, "b": canceller },
        "expect": { "always": { "end": "blocked", "blocked": ["a"] } },
    }))
}

/// Threads that each take one lock so many times.
#[allow(dead_code, reason = "only one of the programs that share this file needs it")]
pub(crate) fn locks(thread_count: usize, round_count: usize) -> Scenario {
    let steps = json!([
        { "call": "WaitForSingleObject", "object": "lock", "ms": "INFINITE" },
        { "call": "ReleaseMutex", "mutex": "lock" },
    ]);
    let thread = |at: usize| (format!("t{at}"), json!([{ "repeat": round_count, "steps": steps }]));
    let threads: serde_json::Map<String, Value> = (0..thread_count).map(thread).collect();
    scenario(&json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("{thread_count} threads that take a lock {round_count} times"),
        "objects": { "lock": { "type": "mutex" } },
        "threads": threads,
        "expect": { "always": { "end": "finished" } },
    }))
}

fn scenario(document: &Value) -> Scenario {
    read_scenario(&document.to_string(), None).expect("workloads are well formed")
}

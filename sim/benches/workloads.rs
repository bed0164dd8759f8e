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

fn scenario(document: &Value) -> Scenario {
    read_scenario(&document.to_string(), None).expect("workloads are well formed")
}

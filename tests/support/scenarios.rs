//! Scenarios for tests of the program, each as its text.

use serde_json::{Value, json};

/// A scenario of these threads.
pub(crate) fn scenario(threads: &Value) -> Value {
    json!({ "alertable": 1, "kind": "scenario", "title": "A test", "threads": threads })
}

/// Threads that queue so many APCs to each other in a ring, then take them in a wait.
pub(crate) fn ring(thread_count: usize, apc_count: usize) -> Value {
    let thread = |at: usize| {
        let next = format!("t{}", (at + 1) % thread_count);
        let mut steps: Vec<Value> = (0..apc_count)
            .map(|data| {
                json!({ "call": "QueueUserAPC", "thread": next, "routine": "each", "data": data })
            })
            .collect();
        let label = format!("wait{at}");
        steps.push(json!({ "call": "SleepEx", "ms": "INFINITE", "alertable": true, "as": label }));
        (format!("t{at}"), Value::Array(steps))
    };
    let threads: serde_json::Map<String, Value> = (0..thread_count).map(thread).collect();
    let mut ring = scenario(&Value::Object(threads));
    ring["routines"] = json!({ "each": [] });
    ring
}

/// Workers that each take so many packets from a completion port with room for two of them.
pub(crate) fn workers(worker_count: usize, round_count: usize) -> String {
    let post =
        json!({ "call": "PostQueuedCompletionStatus", "port": "port", "bytes": 0, "key": 1 });
    let get = json!({ "call": "GetQueuedCompletionStatus", "port": "port", "ms": "INFINITE" });
    let rounds = |count: usize, step: &Value| json!([{ "repeat": count, "steps": [step] }]);
    let mut threads: serde_json::Map<String, Value> =
        (0..worker_count).map(|at| (format!("w{at}"), rounds(round_count, &get))).collect();
    threads.insert("producer".to_owned(), rounds(worker_count * round_count, &post));
    let mut workers = scenario(&Value::Object(threads));
    workers["objects"] = json!({ "port": { "type": "port", "concurrency": 2 } });
    workers.to_string()
}

/// Threads that race for one event so that thousands of states are possible.
pub(crate) fn race() -> String {
    let steps = |thread: &str| -> Vec<Value> {
        (0..3)
            .flat_map(|turn| {
                let label = format!("{thread}{turn}");
                [
                    json!({ "call": "WaitForSingleObject", "object": "go", "ms": 0, "as": label }),
                    json!({ "call": "SetEvent", "event": "go" }),
                ]
            })
            .collect()
    };
    let mut race = scenario(&json!({ "a": steps("a"), "b": steps("b"), "c": steps("c") }));
    race["objects"] = json!({ "go": { "type": "event", "reset": "auto" } });
    race.to_string()
}

/// A scenario whose expectation fails for one of its two outcomes.
pub(crate) fn wrong_expectation() -> String {
    let mut wrong = scenario(&json!({
        "setter": [{ "call": "SetEvent", "event": "go" }],
        "waiter": [{ "call": "WaitForSingleObject", "object": "go", "ms": 0, "as": "seen" }],
    }));
    wrong["objects"] = json!({ "go": { "type": "event", "reset": "auto" } });
    wrong["expect"] = json!({ "always": { "labels": { "seen": "WAIT_OBJECT_0" } } });
    wrong.to_string()
}

/// A wait that cannot time out unless time passes while threads could run.
pub(crate) fn time_out_on_a_loaded_machine() -> String {
    let mut free = scenario(&json!({
        "setter": [{ "call": "Sleep", "ms": 5 }, { "call": "SetEvent", "event": "go" }],
        "waiter": [{ "call": "WaitForSingleObject", "object": "go", "ms": 10, "as": "seen" }],
    }));
    free["objects"] = json!({ "go": { "type": "event", "reset": "auto" } });
    free["expect"] = json!({ "always": { "labels": { "seen": "WAIT_OBJECT_0" } } });
    free.to_string()
}

/// Its only outcome is not as expected, and is further away than the usual limit of steps.
pub(crate) fn wrong_beyond_the_step_limit() -> String {
    let mut far = scenario(&json!({
        "main": [
            { "repeat": 20_000, "steps": [{ "call": "NtTestAlert" }] },
            { "call": "Sleep", "ms": 0, "as": "done" },
        ],
    }));
    far["expect"] = json!({ "never": { "labels": { "done": 0 } } });
    far.to_string()
}

/// A thread that polls until another, which sleeps before it does so, has set an event.
pub(crate) fn poller() -> String {
    let mut poller = scenario(&json!({
        "poller": [{ "repeat": "INFINITE", "while": { "is": "WAIT_TIMEOUT" }, "steps": [
            { "call": "WaitForSingleObject", "object": "go", "ms": 0 },
        ] }],
        "sleeper": [{ "call": "Sleep", "ms": 10 }, { "call": "SetEvent", "event": "go" }],
    }));
    poller["objects"] = json!({ "go": { "type": "event", "reset": "manual" } });
    poller.to_string()
}

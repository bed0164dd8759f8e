//! Programs without an end, and spaces that are too large, meet their limits.

use super::*;

/// A run and an exploration of it end at the step limit, and say so.
#[track_caller]
fn assert_limited(name: &str, scenario: &Value) {
    let folder = Folder::new(name);
    let path = folder.file("scenario.json", scenario.to_string());
    let path = path.to_str().unwrap();
    for policy in ["random", "pct", "round-robin"] {
        let ran = alertable(["run", path, "--json", "--policy", policy]);
        assert_bounded(&ran, LIMIT_BYTES_MAX);
        assert!(ran.status == 0 || ran.status == 3, "{ran}");
        let run: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(run["outcome"]["end"], "limit", "{ran}");
    }
    let ran = alertable(["run", path]);
    assert!(ran.stdout.contains("the step limit was met"), "{ran}");
    assert_explores_to_limit(path);
}

#[track_caller]
fn assert_explores_to_limit(path: &str) {
    let ran = alertable(["explore", path, "--json", "--limit-states", "200000"]);
    assert_bounded(&ran, LIMIT_BYTES_MAX);
    assert!(ran.status == 0 || ran.status == 3, "{ran}");
    let explored: Value = serde_json::from_str(&ran.stdout).unwrap();
    let outcomes = explored["outcomes"].as_array().unwrap();
    let limited = outcomes.iter().any(|outcome| outcome["end"] == "limit");
    assert!(limited || ran.status == 3, "{ran}");
}

/// One thread with these steps, an event `go`, and routines `A` and `B` with steps.
fn world(main: &Value, a: &Value, b: &Value) -> Value {
    let mut world = scenario(&json!({ "main": main }));
    world["objects"] = json!({ "go": { "type": "event", "reset": "auto" } });
    world["routines"] = json!({ "A": a, "B": b });
    world
}

fn set() -> Value {
    json!({ "call": "SetEvent", "event": "go" })
}

fn queue(routine: &str) -> Value {
    json!({ "call": "QueueUserAPC", "thread": "main", "routine": routine })
}

fn sleep() -> Value {
    json!({ "call": "SleepEx", "ms": "INFINITE", "alertable": true })
}

#[test]
fn repeat_for_ever_meets_the_limit() {
    let main = json!([{ "repeat": "INFINITE", "steps": [set()] }]);
    assert_limited("repeat_for_ever", &world(&main, &json!([]), &json!([])));
    let main = json!([{ "repeat": 4_294_967_295_u32, "steps": [set()] }]);
    assert_limited("repeat_very_often", &world(&main, &json!([]), &json!([])));
}

#[test]
fn loops_of_while_meet_the_limit() {
    let labelled = json!({ "call": "SetEvent", "event": "go", "as": "set" });
    let condition = json!({ "label": "set", "is": "TRUE" });
    for count in [json!("INFINITE"), json!(4_294_967_295_u32)] {
        let main = json!([{ "repeat": count, "while": condition, "steps": [labelled] }]);
        assert_limited("loops_of_while", &world(&main, &json!([]), &json!([])));
    }
}

#[test]
fn one_endless_thread_does_not_hide_what_the_others_do() {
    let folder = Folder::new("one_endless_thread");
    let mut endless = scenario(&json!({
        "endless": [{ "repeat": "INFINITE", "steps": [set()] }],
        "waiter": [{ "call": "WaitForSingleObject", "object": "go", "ms": "INFINITE", "as": "w" }],
    }));
    endless["objects"] = json!({ "go": { "type": "event", "reset": "auto" } });
    endless["expect"] = json!({ "always": { "end": "limit" } });
    let path = folder.file("scenario.json", endless.to_string());
    let ran = alertable(["explore", path.to_str().unwrap(), "--json"]);
    assert_bounded(&ran, LIMIT_BYTES_MAX);
    let explored: Value = serde_json::from_str(&ran.stdout).unwrap();
    let outcomes = explored["outcomes"].as_array().unwrap();
    assert!(!outcomes.is_empty() && outcomes.iter().all(|o| o["end"] == "limit"), "{ran}");
}

#[test]
fn threads_that_pass_the_ball_for_ever_meet_the_limit() {
    let wait =
        |event: &str| json!({ "call": "WaitForSingleObject", "object": event, "ms": "INFINITE" });
    let set = |event: &str| json!({ "call": "SetEvent", "event": event });
    let mut ball = scenario(&json!({
        "a": [{ "repeat": "INFINITE", "steps": [set("to-b"), wait("to-a")] }],
        "b": [{ "repeat": "INFINITE", "steps": [wait("to-b"), set("to-a")] }],
    }));
    let event = json!({ "type": "event", "reset": "auto" });
    ball["objects"] = json!({ "to-a": event, "to-b": event });
    assert_limited("threads_that_pass_the_ball", &ball);
}

#[test]
fn routine_that_queues_itself_meets_the_limit() {
    let main = json!([queue("A"), sleep()]);
    let again = world(&main, &json!([queue("A")]), &json!([]));
    assert_limited("routine_that_queues_itself", &again);
    let each_other = world(&main, &json!([queue("B")]), &json!([queue("A")]));
    assert_limited("routines_that_queue_each_other", &each_other);
}

#[test]
fn routine_that_multiplies_meets_the_limit() {
    let main = json!([queue("A"), sleep()]);
    let twice = json!([queue("A"), queue("A")]);
    assert_limited("routine_that_multiplies", &world(&main, &twice, &json!([])));
}

#[test]
fn routine_that_nests_for_ever_meets_the_limit() {
    let main = json!([queue("A"), sleep()]);
    let nested = json!([queue("A"), sleep()]);
    assert_limited("routine_that_nests_for_ever", &world(&main, &nested, &json!([])));
}

#[test]
fn timer_that_never_ends_meets_the_limit() {
    let timer = json!({ "call": "SetWaitableTimer", "timer": "t", "due_ms": 1, "period_ms": 1, "routine": "A" });
    let main = json!([timer, { "repeat": "INFINITE", "steps": [sleep()] }]);
    let mut periodic = world(&main, &json!([]), &json!([]));
    periodic["objects"]["t"] = json!({ "type": "timer", "reset": "auto" });
    assert_limited("timer_that_never_ends", &periodic);
}

#[test]
fn million_steps_meet_the_limit() {
    let mut steps = json!([{ "call": "NtTestAlert", "as": "alerted" }]);
    for _ in 0..6 {
        steps = json!([{ "repeat": 10, "steps": steps }]);
    }
    assert_limited("million_steps", &world(&steps, &json!([]), &json!([])));
    for _ in 0..10 {
        steps = json!([{ "repeat": 4_294_967_295_u32, "steps": steps }]);
    }
    assert_limited("very_many_steps", &world(&steps, &json!([]), &json!([])));
}

#[test]
fn million_steps_can_be_run_to_their_end() {
    let folder = Folder::new("million_steps_can_be_run");
    let mut steps = json!([{ "call": "NtTestAlert" }]);
    for _ in 0..6 {
        steps = json!([{ "repeat": 10, "steps": steps }]);
    }
    let text = world(&steps, &json!([]), &json!([])).to_string();
    let path = folder.file("scenario.json", text);
    let arguments = ["run", path.to_str().unwrap(), "--limit-steps", "2000000", "--json"];
    let ran = alertable(arguments).ends_with(0);
    assert_bounded(&ran, LIMIT_BYTES_MAX);
    let run: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(run["outcome"]["end"], "finished");
}

#[test]
fn loops_without_steps_end() {
    let folder = Folder::new("loops_without_steps_end");
    let mut steps = json!([]);
    for _ in 0..16 {
        steps = json!([{ "repeat": 4_294_967_295_u32, "steps": steps }]);
    }
    let text = world(&steps, &json!([]), &json!([])).to_string();
    let path = folder.file("scenario.json", text);
    for verb in ["run", "explore"] {
        let ran = alertable([verb, path.to_str().unwrap()]).ends_with(0);
        assert_bounded(&ran, LIMIT_BYTES_MAX);
    }
    let steps = json!([{ "repeat": "INFINITE", "steps": [] }]);
    let text = world(&steps, &json!([]), &json!([])).to_string();
    let path = folder.file("infinite.json", text);
    for verb in ["run", "explore"] {
        assert_bounded(&alertable([verb, path.to_str().unwrap()]), LIMIT_BYTES_MAX);
    }
}

#[test]
fn most_steps_of_a_document_can_be_read_and_explored() {
    let folder = Folder::new("most_steps_of_a_document");
    let steps = json!(vec![json!({ "call": "NtTestAlert" }); 64_000]);
    let text = world(&steps, &json!([]), &json!([])).to_string();
    let path = folder.file("scenario.json", text);
    for verb in ["run", "explore"] {
        let ran = alertable([verb, path.to_str().unwrap(), "--json", "--limit-steps", "100"]);
        assert_bounded(&ran, LIMIT_BYTES_MAX);
        assert!(ran.status == 0 || ran.status == 3, "{ran}");
    }
}

#[test]
fn space_without_end_meets_its_limits() {
    for limit in [["--limit-states", "5000"], ["--memory", "1"]] {
        explore_wide_space("space_without_end", limit);
    }
}

#[test]
fn limit_of_memory_bounds_memory() {
    let ran = explore_wide_space("limit_of_memory", ["--memory", "1"]);
    assert_bounded(&ran, 64 * MEBIBYTE);
}

/// Explores 64 threads of 50 steps each within a limit.
fn explore_wide_space(name: &str, limit: [&str; 2]) -> Ran {
    let folder = Folder::new(name);
    let threads: serde_json::Map<String, Value> = (0..64)
        .map(|index| (format!("t{index}"), json!([{ "repeat": 50, "steps": [set()] }])))
        .collect();
    let mut wide = scenario(&Value::Object(threads));
    wide["objects"] = json!({ "go": { "type": "event", "reset": "auto" } });
    let path = folder.file("scenario.json", wide.to_string());
    let arguments = ["explore", path.to_str().unwrap(), "--json"];
    let ran = alertable(arguments.iter().chain(&limit)).ends_with(3);
    assert_bounded(&ran, 2048 * MEBIBYTE);
    ran
}

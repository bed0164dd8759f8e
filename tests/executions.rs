//! How many executions differ: scenarios with known numbers, and what the command says of them.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;

use program::{Folder, alertable};
use serde_json::{Map, Value, json};
use std::path::Path;

fn scenario(objects: &Value, threads: Vec<(String, Vec<Value>)>) -> String {
    let threads: Map<String, Value> =
        threads.into_iter().map(|(name, steps)| (name, Value::Array(steps))).collect();
    json!({
        "alertable": 1,
        "kind": "scenario",
        "title": "Known executions",
        "objects": objects,
        "routines": { "routine": [] },
        "threads": threads,
    })
    .to_string()
}

/// Threads that each have these steps.
fn copies(count: usize, steps: &[Value]) -> Vec<(String, Vec<Value>)> {
    (0..count).map(|at| (format!("t{at}"), steps.to_vec())).collect()
}

fn wait(object: &str) -> Value {
    json!({ "call": "WaitForSingleObject", "object": object, "ms": "INFINITE" })
}

fn queue(thread: &str, data: usize) -> Value {
    json!({ "call": "QueueUserAPC", "thread": thread, "routine": "routine", "data": data })
}

fn sleep(ms: &Value, alertable: bool) -> Value {
    json!({ "call": "SleepEx", "ms": ms, "alertable": alertable })
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// How many executions differ, how many were begun in vain, and how many outcomes they have.
fn counts(test: &str, scenario: String) -> [u64; 3] {
    let folder = Folder::new(test);
    let path = folder.file("scenario.json", scenario);
    let ran = alertable(["explore", "--json", "--executions", text(&path)]).ends_with(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = &document["executions"];
    assert_eq!(found["complete"], true, "{found}");
    assert_eq!(found["outcomes"], document["outcomes"].as_array().unwrap().len(), "{found}");
    ["executions", "blocked", "outcomes"].map(|field| found[field].as_u64().unwrap())
}

/// Threads that have one lock for a moment, so many times each.
fn lockers(count: usize, times: usize, object: &Value, give_back: &Value) -> String {
    let one = [wait("lock"), give_back.clone()];
    let steps: Vec<Value> = one.iter().cycle().take(2 * times).cloned().collect();
    scenario(&json!({ "lock": object }), copies(count, &steps))
}

#[test]
fn a_lock_is_had_in_every_order() {
    let locks = [
        (json!({ "type": "mutex" }), json!({ "call": "ReleaseMutex", "mutex": "lock" })),
        (
            json!({ "type": "event", "reset": "auto", "signaled": true }),
            json!({ "call": "SetEvent", "event": "lock" }),
        ),
        (
            json!({ "type": "semaphore", "count": 1, "max": 1 }),
            json!({ "call": "ReleaseSemaphore", "semaphore": "lock", "count": 1 }),
        ),
    ];
    for (object, give_back) in &locks {
        for (count, times, orders) in [(2, 1, 2), (2, 3, 20), (3, 1, 6), (3, 2, 90), (3, 3, 1680)] {
            let scenario = lockers(count, times, object, give_back);
            assert_eq!(counts("a_lock_is_had", scenario), [orders, 0, 1], "{object}");
        }
    }
}

#[test]
fn apcs_to_one_thread_are_in_some_order_and_those_to_several_in_none() {
    for (count, orders) in [(2, 2), (3, 6), (4, 24)] {
        // It takes them when all are there.
        let target = vec![sleep(&json!(10), false), sleep(&json!(0), true)];
        let mut threads = vec![("target".to_owned(), target)];
        threads.extend((0..count).map(|at| (format!("s{at}"), vec![queue("target", at)])));
        let found = counts("apcs_to_one_thread", scenario(&json!({}), threads));
        assert_eq!(found, [orders, 0, orders]);
        let mut threads = copies(count, &[sleep(&json!("INFINITE"), true)]);
        threads.extend((0..count).map(|at| (format!("s{at}"), vec![queue(&format!("t{at}"), at)])));
        let found = counts("apcs_to_several_threads", scenario(&json!({}), threads));
        assert_eq!(found, [1, 0, 1]);
    }
}

#[test]
fn signals_that_nobody_is_ordered_by_are_in_no_order() {
    let set = json!({ "call": "SetEvent", "event": "event" });
    let event = json!({ "event": { "type": "event", "reset": "manual" } });
    for count in 2..=4 {
        let mut threads = copies(count, std::slice::from_ref(&set));
        let alone = scenario(&event, threads.clone());
        assert_eq!(counts("signals", alone), [1, 0, 1]);
        // Nor does who waits for one of them tell which one it was.
        threads.push(("waiter".to_owned(), vec![wait("event")]));
        assert_eq!(counts("signals", scenario(&event, threads)), [1, 0, 1]);
    }
    // Who looks whether it is signaled does.
    let mut look = wait("event");
    look["ms"] = json!(0);
    look["as"] = json!("look");
    let threads = vec![("a".to_owned(), vec![set]), ("b".to_owned(), vec![look])];
    assert_eq!(counts("signals", scenario(&event, threads)), [2, 0, 2]);
}

#[test]
fn executions_beyond_a_limit_are_not_counted() {
    let folder = Folder::new("executions_beyond_a_limit");
    let mutex = (json!({ "type": "mutex" }), json!({ "call": "ReleaseMutex", "mutex": "lock" }));
    let path = folder.file("scenario.json", lockers(3, 3, &mutex.0, &mutex.1));
    for limit in [["--limit-states", "500"], ["--limit-steps", "17"]] {
        let options = ["explore", "--json", "--executions", text(&path), limit[0], limit[1]];
        let ran = alertable(options).ends_with(3);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        let found = &document["executions"];
        assert_eq!((&found["complete"], &found["executions"]), (&json!(false), &Value::Null));
        let shown = alertable(["explore", "--executions", text(&path), limit[0], limit[1]]);
        assert!(shown.ends_with(3).stdout.contains("executions not counted"), "{found}");
    }
    let shown = alertable(["explore", "--executions", text(&path)]).ends_with(0);
    assert!(shown.stdout.contains("1680 executions that differ"), "{shown}");
    let endless = json!([{ "repeat": "INFINITE", "steps": [sleep(&json!(1), false)] }]);
    let threads = vec![("t".to_owned(), endless.as_array().unwrap().clone())];
    let path = folder.file("endless.json", scenario(&json!({}), threads));
    let shown = alertable(["explore", "--executions", text(&path)]);
    assert!(shown.stdout.contains("some schedule has no end"), "{shown}");
}

#[test]
fn symmetry_can_be_switched_off_by_itself() {
    let folder = Folder::new("symmetry_can_be_switched_off");
    let set = json!({ "call": "SetEvent", "event": "event" });
    let mut threads = copies(3, &[wait("event")]);
    threads.push(("setter".to_owned(), vec![set.clone(), set]));
    let event = json!({ "event": { "type": "event", "reset": "auto" } });
    let path = folder.file("scenario.json", scenario(&event, threads));
    let explore = |options: &[&str]| {
        let all = ["explore", "--json", text(&path)];
        let ran = alertable(all.iter().chain(options)).ends_with(0);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        (document["states"].as_u64().unwrap(), document["outcomes"].clone())
    };
    let [with, without, plain] = [&[][..], &["--no-symmetry"], &["--no-reduction"]].map(explore);
    assert!(with.0 < without.0 && without.0 <= plain.0, "{with:?}, {without:?}, {plain:?}");
    assert!(with.1 == without.1 && without.1 == plain.1);
    alertable(["check", "--no-symmetry", text(&path)]).ends_with(0);
}

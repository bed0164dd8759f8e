//! What an exploration can be asked for beside everything: few switches, progress, a bound on
//! memory, and random runs instead.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;
#[path = "support/scenarios.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod scenarios;

use program::{Folder, Ran, alertable};
use scenarios::ring;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

/// Two threads that lock two mutexes in opposite orders, and give them back.
fn lockers() -> String {
    let call = |name: &str, object: &str| match name {
        "lock" => json!({ "call": "WaitForSingleObject", "object": object, "ms": "INFINITE" }),
        _ => json!({ "call": "ReleaseMutex", "mutex": object }),
    };
    let thread = |first: &str, second: &str| {
        json!([
            call("lock", first),
            call("lock", second),
            call("free", second),
            call("free", first)
        ])
    };
    json!({
        "alertable": 1,
        "kind": "scenario",
        "title": "Two threads that lock in opposite orders",
        "objects": { "m": { "type": "mutex" }, "n": { "type": "mutex" } },
        "threads": { "a": thread("m", "n"), "b": thread("n", "m") },
    })
    .to_string()
}

fn outcomes(document: &Value) -> BTreeSet<String> {
    document["outcomes"].as_array().unwrap().iter().map(ToString::to_string).collect()
}

/// Like states are reached under other names when several search: what is left out must not hang
/// on the names.
#[test]
fn reduced_counts_do_not_hang_on_the_number_of_threads() {
    let folder = Folder::new("reduced_counts_do_not_hang_on_the_number_of_threads");
    let scenario = folder.file("scenario.json", scenarios::workers(5, 2));
    let counts = |threads: &str, limit: &str| {
        let options = ["--json", "--threads", threads, "--limit-states", limit];
        let ran = alertable([["explore", text(&scenario)].as_slice(), &options].concat());
        let found = document(&ran.ends_with(0));
        ["states", "transitions", "outcomes"].map(|field| found[field].clone())
    };
    let alone = counts("1", "100000");
    let states = alone[0].as_u64().unwrap();
    assert!(states > 200, "{states} states are too few for two");
    // With a limit so near each of the two looks often whether the other one is idle.
    let limit = (2 * states).to_string();
    for _ in 0..4 {
        assert_eq!(counts("2", &limit), alone);
    }
}

#[test]
fn a_deadlock_needs_one_switch() {
    let folder = Folder::new("a_deadlock_needs_one_switch");
    let scenario = folder.file("scenario.json", lockers());
    let explore = |options: &[&str]| {
        let mut all = vec!["explore", text(&scenario), "--json"];
        all.extend(options);
        alertable(all)
    };
    let without = document(&explore(&["--switches", "0"]).ends_with(3));
    assert_eq!((&without["complete"], &without["switches"]), (&json!(false), &json!(0)));
    assert_eq!(without["deadlocks"], json!([]));
    let with = document(&explore(&["--switches", "1"]).ends_with(3));
    assert_eq!(with["deadlocks"].as_array().unwrap().len(), 1);
    // Beyond the most that any schedule has, it is every schedule.
    let every = document(&explore(&["--no-reduction"]).ends_with(0));
    let many = document(&explore(&["--switches", "100"]).ends_with(0));
    assert_eq!(outcomes(&many), outcomes(&every));
    assert_eq!((&many["complete"], &many["reduced"]), (&json!(true), &json!(false)));
}

#[test]
fn rising_bounds_say_what_each_adds() {
    let folder = Folder::new("rising_bounds_say_what_each_adds");
    let scenario = folder.file("scenario.json", lockers());
    let all = ["explore", text(&scenario), "--json", "--switches", "0..100"];
    let found = document(&alertable(all).ends_with(0));
    let rounds = found["rounds"].as_array().unwrap();
    // The last bound cuts nothing off, those before it do.
    let (last, before) = rounds.split_last().unwrap();
    assert!(last["complete"] == true && before.iter().all(|round| round["complete"] == false));
    assert!((3..50).contains(&rounds.len()), "{rounds:?}");
    let every = found["outcomes"].as_array().unwrap().len();
    let mut added: Vec<u64> = rounds
        .iter()
        .flat_map(|round| {
            round["outcomes"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap())
        })
        .collect();
    added.sort_unstable();
    assert_eq!(added, (0..every as u64).collect::<Vec<_>>(), "each is new once");
    for (count, round) in rounds.iter().enumerate() {
        let count = count.to_string();
        let one = ["explore", text(&scenario), "--json", "--switches", &count];
        let one = document(&alertable(one));
        assert_eq!((&one["states"], &one["complete"]), (&round["states"], &round["complete"]));
    }
    let shown = alertable(["explore", text(&scenario), "--switches", "0..1"]).ends_with(3);
    assert!(shown.stdout.contains("at most 1 switch: "), "{shown}");
    assert!(shown.stdout.contains("every schedule with at most 1 switch"), "{shown}");
}

#[test]
fn what_breaks_within_the_bound_is_found_with_a_schedule_within_it() {
    let folder = Folder::new("what_breaks_within_the_bound");
    let scenario = folder.file("scenario.json", ring(3, 2).to_string());
    let explore = |bound: &str| {
        let options = ["--json", "--deviation", "apc-lifo", "--switches", bound];
        document(&alertable(["explore", text(&scenario)].iter().chain(&options)).ends_with(1))
    };
    let found = explore("0..2");
    let first = found["rounds"][0]["violations"].as_array().unwrap();
    let violation = &found["violations"][0];
    assert_eq!(first, &[violation["invariant"].clone()]);
    // Each thread that goes on is one that the last one left the processor to.
    let names: Vec<&str> = violation["schedule"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(explore("0")["violations"][0]["schedule"], violation["schedule"], "{names:?}");
    let picks: Vec<String> =
        violation["picks"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let picks = picks.join(",");
    alertable(["run", text(&scenario), "--deviation", "apc-lifo", "--schedule", &picks])
        .ends_with(1);
}

#[test]
fn bounds_that_are_none_give_2() {
    let folder = Folder::new("bounds_that_are_none_give_2");
    let scenario = folder.file("scenario.json", lockers());
    for bound in ["x", "2..", "3..2", "1..x"] {
        let ran = alertable(["explore", text(&scenario), "--switches", bound]).ends_with(2);
        assert!(ran.stderr.contains("--switches"), "{ran}");
    }
    let file = folder.path("checkpoint");
    let both = ["--switches", "0..2", "--checkpoint", text(&file)];
    let ran = alertable(["explore", text(&scenario)].iter().chain(&both)).ends_with(2);
    assert!(ran.stderr.contains("one bound"), "{ran}");
}

#[test]
fn memory_is_respected() {
    let folder = Folder::new("memory_is_respected");
    let scenario = folder.file("scenario.json", ring(6, 4).to_string());
    let explore = |mebibytes: &str| {
        let options = ["--json", "--no-reduction", "--memory", mebibytes];
        alertable(["explore", text(&scenario)].iter().chain(&options)).ends_with(3)
    };
    let (small, large) = (explore("1"), explore("3"));
    for (ran, mebibytes) in [(&small, 1), (&large, 3)] {
        let found = document(ran);
        assert_eq!(
            (&found["complete"], &found["expectations"]),
            (&json!(false), &json!("undecided"))
        );
        let peak_bytes = found["peak_bytes"].as_u64().unwrap();
        // Tables grow by doubling; nothing else comes beyond the limit by much.
        let limit = mebibytes << 20;
        assert!((limit..limit * 3 / 2).contains(&peak_bytes), "{peak_bytes}");
        assert!(found["open"].as_u64().unwrap() > 0);
        let states = found["states"].as_u64().unwrap();
        // Where no memory is left, there is none for an estimate.
        assert!(found["estimated_states"].as_u64().is_none_or(|estimated| estimated >= states));
    }
    assert!(document(&small)["states"].as_u64() < document(&large)["states"].as_u64());
}

#[test]
fn a_search_that_was_stopped_says_what_was_left() {
    let folder = Folder::new("a_search_that_was_stopped");
    let scenario = folder.file("scenario.json", ring(3, 2).to_string());
    let options = ["--no-reduction", "--limit-states", "100", "--threads", "1"];
    let ran = alertable(["explore", text(&scenario)].iter().chain(&options)).ends_with(3);
    let line = ran.stdout.lines().nth(1).unwrap();
    assert!(line.contains("stopped at the limit of states"), "{ran}");
    assert!(line.contains("of them not searched from, and by an estimate"), "{ran}");
    let whole = alertable(["explore", text(&scenario), "--no-reduction"]).ends_with(0);
    assert!(!whole.stdout.contains("not searched from"), "{whole}");
}

#[test]
fn progress_is_shown_where_it_is_wanted_and_only_there() {
    let folder = Folder::new("progress_is_shown");
    let scenario = folder.file("scenario.json", ring(4, 4).to_string());
    let options = ["--json", "--no-reduction"];
    let quiet = alertable(["explore", text(&scenario)].iter().chain(&options)).ends_with(0);
    assert_eq!(quiet.stderr, "");
    let options = ["--json", "--no-reduction", "--progress"];
    let shown = alertable(["explore", text(&scenario)].iter().chain(&options)).ends_with(0);
    assert!(shown.stderr.contains(" states") && shown.stderr.contains(" MiB"), "{shown}");
    assert!(shown.stderr.contains("of an estimated"), "{shown}");
    assert!(shown.stderr.ends_with("\r\u{1b}[K"), "{shown}");
    let without_time = |ran: &Ran| {
        let mut found = document(ran);
        found["seconds"] = Value::Null;
        found["peak_bytes"] = Value::Null;
        found
    };
    assert_eq!(without_time(&shown), without_time(&quiet));
}

#[test]
fn random_runs_come_to_what_exploring_knows() {
    let folder = Folder::new("random_runs_come_to");
    let scenario = folder.file("scenario.json", lockers());
    let every = document(&alertable(["explore", text(&scenario), "--json"]).ends_with(0));
    let every = outcomes(&every);
    for policy in ["random", "pct", "guided"] {
        let options = ["--json", "--runs", "300", "--policy", policy];
        let with = |threads| {
            let more = ["--threads", threads];
            alertable(["run", text(&scenario)].iter().chain(&options).chain(&more)).ends_with(0)
        };
        let mut found = document(&with("1"));
        let met = found["outcomes"].as_array().unwrap();
        let outcomes: BTreeSet<String> = met.iter().map(|met| met["outcome"].to_string()).collect();
        assert_eq!(outcomes, every, "{policy}");
        let runs: u64 = met.iter().map(|met| met["runs"].as_u64().unwrap()).sum();
        assert_eq!(runs, 300);
        let drawn = met[0]["drawn"].as_str().unwrap();
        assert!(drawn.starts_with(policy) && drawn.contains("seed "), "{drawn}");
        found["seconds"] = Value::Null;
        for threads in ["1", "2", "5"] {
            let mut again = document(&with(threads));
            again["seconds"] = Value::Null;
            assert_eq!(found, again, "{policy}, {threads} threads");
        }
    }
}

#[test]
fn what_random_runs_break_can_be_had_again() {
    let folder = Folder::new("what_random_runs_break");
    let scenario = folder.file("scenario.json", ring(3, 3).to_string());
    for policy in ["random", "pct", "guided"] {
        let options = ["--json", "--runs", "200", "--policy", policy, "--deviation", "apc-lifo"];
        let with = |threads| {
            let more = ["--threads", threads];
            let ran = alertable(["run", text(&scenario)].iter().chain(&options).chain(&more));
            document(&ran.ends_with(1))
        };
        let mut found = with("1");
        let mut other = with("3");
        (found["seconds"], other["seconds"]) = (Value::Null, Value::Null);
        assert_eq!(found, other, "{policy}: the first run that breaks it is the same one");
        let violation = &found["violations"][0];
        let picks: Vec<String> =
            violation["picks"].as_array().unwrap().iter().map(ToString::to_string).collect();
        let again = ["--json", "--deviation", "apc-lifo", "--schedule", &picks.join(",")];
        let again = alertable(["run", text(&scenario)].iter().chain(&again)).ends_with(1);
        assert_eq!(document(&again)["violations"][0]["invariant"], violation["invariant"]);
    }
}

#[test]
fn runs_of_other_policies_are_refused() {
    let folder = Folder::new("runs_of_other_policies");
    let scenario = folder.file("scenario.json", lockers());
    for options in [
        &["--policy", "nt", "--runs", "5"][..],
        &["--policy", "round-robin", "--runs", "5"],
        &["--policy", "guided"],
        &["--runs", "5", "--depth", "0"],
        &["--runs", "5", "--depth", "3..1"],
        &["--depth", "3"],
        &["--runs", "5", "--schedule", "0"],
    ] {
        alertable(["run", text(&scenario)].iter().chain(options)).ends_with(2);
    }
}

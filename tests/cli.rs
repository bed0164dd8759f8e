//! The program's interface, as the page on its command line promises it: exit statuses, JSON for
//! machines and nothing else with it, errors with their place, stable output.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;
#[path = "support/scenarios.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod scenarios;

use program::{Folder, Ran, alertable, command};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// It meets its expectations and has two outcomes.
const MET: &str = "traces/corpus/scenarios/apc/two-apcs-race-one-wait.json";
const OBSERVED: &str = "traces/corpus/observations/wine-8.0/two-apcs-race-one-wait.jsonl";
const SCENARIOS: &str = "traces/corpus/scenarios";
/// The call in line 8 is misspelt.
const BAD: &str = "traces/tests/bad-input/unknown-call.json";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The one JSON document that a run printed, and nothing else.
#[track_caller]
fn document(ran: &Ran) -> Value {
    assert_eq!(ran.stderr, "", "{ran}");
    assert!(ran.stdout.ends_with('\n'), "{ran}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

#[track_caller]
fn assert_fields(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} is missing in {value:#}");
    }
}

/// An error: nothing on standard output, all of this on standard error.
#[track_caller]
fn assert_error(ran: Ran, parts: &[&str]) {
    let ran = ran.ends_with(2);
    assert_eq!(ran.stdout, "", "{ran}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part:?} is missing: {ran}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["--version"], &["help", "explore"], &["check", "--help"]] {
        let ran = alertable(arguments).ends_with(0);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran}");
    }
}

#[test]
fn help_says_what_the_exit_statuses_mean() {
    assert!(alertable(["--help"]).stdout.contains("Exit status: 0"));
}

#[test]
fn wrong_usage_gives_2() {
    assert_error(alertable::<&str>([]), &["Usage: alertable"]);
    assert_error(alertable(["exploer", MET]), &["exploer", "explore"]);
    assert_error(alertable(["run"]), &["SCENARIO"]);
    assert_error(alertable(["run", MET, "--sede", "1"]), &["--sede", "--seed"]);
    assert_error(alertable(["run", MET, "--seed", "x"]), &["--seed", "x"]);
    assert_error(alertable(["run", MET, "--policy", "fair"]), &["fair", "random"]);
    assert_error(alertable(["explore", MET, "--time", "later"]), &["later", "urgent"]);
    assert_error(alertable(["schema", "scenari"]), &["scenari", "scenario"]);
}

#[test]
fn unknown_names_give_2_and_the_nearest_one() {
    let unknown = |arguments: &[&str], wrong: &str, right: &str| {
        let help = format!("did you mean \"{right}\"?");
        assert_error(alertable(arguments), &[wrong, &help]);
    };
    unknown(&["run", MET, "--dialect", "windws"], "\"windws\"", "windows");
    unknown(&["explore", MET, "--dialect", "wine-8"], "\"wine-8\"", "wine-8.0");
    unknown(&["check", MET, "--dialect", "wine-8"], "\"wine-8\"", "wine-8.0");
    unknown(&["run", MET, "--deviation", "apc-life"], "\"apc-life\"", "apc-lifo");
    unknown(&["explore", MET, "--deviation", "apc-life"], "\"apc-life\"", "apc-lifo");
    unknown(&["rules", "APC-U-033"], "\"APC-U-033\"", "APC-U-03");
    unknown(&["rules", "apc-life"], "\"apc-life\"", "apc-lifo");
}

#[test]
fn missing_files_give_2() {
    for verb in ["run", "explore", "check", "replay"] {
        let ran = alertable([verb, "no-such-file.json"]);
        assert_error(ran, &["no-such-file.json: ", "o such file"]);
    }
    let ran = alertable(["rules", "--coverage", "no-such-file.json"]);
    assert_error(ran, &["no-such-file.json: ", "o such file"]);
    let ran = alertable(["check", OBSERVED, "--scenario", "no-such-file.json"]);
    assert_error(ran, &["no-such-file.json", "no such file"]);
}

#[test]
fn folders_in_place_of_files_give_2() {
    for verb in ["run", "explore", "replay"] {
        assert_error(alertable([verb, "traces"]), &["traces", "directory"]);
    }
}

#[test]
fn folders_without_documents_give_2() {
    let folder = Folder::new("folders_without_documents_give_2");
    assert_error(alertable(["check", text(&folder.path(""))]), &["no document"]);
}

#[test]
fn output_files_that_cannot_be_written_give_2() {
    assert_error(alertable(["run", MET, "--trace", "no-such-folder/t"]), &["no-such-folder/t"]);
    assert_error(alertable(["explore", MET, "--graph", "no-such-folder/g"]), &["no-such-folder/g"]);
}

#[test]
fn mistakes_in_scenarios_have_their_place_and_the_nearest_name() {
    for verb in ["run", "explore"] {
        let parts = [&format!("{BAD}:8:16"), "QueueUserApc", "did you mean \"QueueUserAPC\"?"];
        assert_error(alertable([verb, BAD]), &parts);
        assert_error(alertable([verb, BAD, "--json"]), &parts);
    }
}

#[test]
fn one_bad_scenario_keeps_all_from_being_explored() {
    assert_error(alertable(["explore", MET, BAD]), &[BAD]);
}

#[test]
fn places_are_not_told_twice() {
    for ran in [alertable(["run", BAD]), alertable(["run", "no-such-file.json"])] {
        assert!(!ran.stderr.contains("8:16:8:16"), "{ran}");
        assert!(!ran.stderr.contains(":0:0"), "{ran}");
    }
}

#[test]
fn check_goes_on_after_a_mistake() {
    let ran = alertable(["check", BAD, MET]).ends_with(2);
    assert!(ran.stderr.contains(&format!("{BAD}:8:16")), "{ran}");
    assert!(ran.stdout.contains("1 scenario"), "{ran}");
}

#[test]
fn run_prints_a_timeline_and_the_outcome() {
    let ran = alertable(["run", MET]).ends_with(0);
    let worker = ran.stdout.lines().filter(|line| line.contains("worker  runs A(")).count();
    assert_eq!(worker, 2, "{ran}");
    assert!(ran.stdout.contains("finished"), "{ran}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn run_json_has_the_outcome() {
    let run = document(&alertable(["run", MET, "--json", "--seed", "3"]).ends_with(0));
    assert_eq!(run["file"], MET);
    assert_eq!(run["outcome"]["kind"], "outcome");
    assert_eq!(run["outcome"]["end"], "finished");
    assert_fields(&run, &["scenario", "seed", "schedule", "violations"]);
    assert_fields(&run["outcome"], &["labels", "apcs", "blocked", "overlapped", "exits"]);
}

#[test]
fn every_policy_runs() {
    for policy in ["random", "pct", "round-robin"] {
        for time in ["urgent", "free"] {
            alertable(["run", MET, "--policy", policy, "--time", time]).ends_with(0);
        }
    }
}

#[test]
fn runs_with_the_same_seed_are_the_same() {
    for policy in ["random", "pct", "round-robin"] {
        let run = || alertable(["run", MET, "--policy", policy, "--seed", "5", "--json"]).stdout;
        assert_eq!(run(), run());
    }
}

#[test]
fn seeds_lead_to_every_outcome() {
    let folder = Folder::new("seeds_lead_to_every_outcome");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    let outcome = |seed: u32| {
        let ran = alertable(["run", text(&wrong), "--json", "--seed", &seed.to_string()]);
        document(&ran)["outcome"]["labels"].to_string()
    };
    let outcomes: BTreeSet<String> = (0..20).map(outcome).collect();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
}

#[test]
fn explore_says_that_expectations_are_met() {
    let ran = alertable(["explore", MET]).ends_with(0);
    assert!(ran.stdout.starts_with("met  "), "{ran}");
    assert_eq!(ran.stderr, "");
}

/// The fields of an exploration; what came to the page later stands last.
const EXPLORED_FIELDS: [&str; 14] = [
    "scenario",
    "file",
    "complete",
    "states",
    "transitions",
    "reduced",
    "outcomes",
    "violations",
    "expectations",
    "failures",
    "seconds",
    "peak_bytes",
    "deadlocks",
    "redundant",
];

#[test]
fn explore_json_is_a_line_a_scenario() {
    let ran = alertable(["explore", "--json", MET, MET]).ends_with(0);
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.stdout.lines().count(), 2);
    for line in ran.stdout.lines() {
        let explored: Value = serde_json::from_str(line).unwrap();
        let fields: Vec<&String> = explored.as_object().unwrap().keys().collect();
        assert_eq!(fields, EXPLORED_FIELDS);
        assert_eq!(explored["file"], MET);
        assert_eq!(explored["complete"], true);
        assert_eq!(explored["expectations"], "met");
        assert_eq!(explored["outcomes"].as_array().unwrap().len(), 2);
        assert_eq!(explored["outcomes"][0]["kind"], "outcome");
        assert!(explored["states"].is_u64() && explored["transitions"].is_u64());
        assert!(explored["seconds"].is_f64() && explored["peak_bytes"].is_u64());
    }
}

#[test]
fn witness_shows_a_schedule_to_an_outcome_that_matches() {
    let ran = alertable(["explore", MET, "--witness", "second=0"]).ends_with(0);
    assert!(ran.stdout.contains("outcome 2 of 2 matches"), "{ran}");
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("second = 0"), "{run}");

    let ran = alertable(["explore", MET, "--witness", r#"{"end": "blocked"}"#]).ends_with(1);
    assert!(ran.stdout.contains("none of the 2 outcomes matches"), "{ran}");
    let json = alertable(["explore", "--json", MET, "--witness", "second=0"]).ends_with(0);
    assert_eq!(document(&json)["witness"]["outcome"], 1);
    let ran = alertable(["explore", MET, "--witness", r#"{"lables": {}}"#]).ends_with(2);
    assert!(ran.stderr.contains("did you mean \"labels\"?"), "{ran}");
}

#[test]
fn witness_says_which_rules_keep_an_outcome_away() {
    let pattern =
        r#"{"labels": {"first": "WAIT_IO_COMPLETION", "second": "WAIT_TIMEOUT"}, "apcs": {}}"#;
    let ran = alertable(["explore", "--json", MET, "--witness", pattern]).ends_with(1);
    let nearest = document(&ran)["witness"]["nearest"].clone();
    // Both outcomes have the first label only, and both run APCs; the first APC comes before the
    // second result.
    assert_eq!((&nearest["matched"], &nearest["parts"]), (&1.into(), &3.into()));
    assert_eq!(
        nearest["mismatch"].as_str().unwrap().split(" has ").next(),
        Some("thread \"worker\"")
    );
    let pattern = r#"{"labels": {"first": "WAIT_IO_COMPLETION", "second": "WAIT_TIMEOUT"}}"#;
    let ran = alertable(["explore", "--json", MET, "--witness", pattern]).ends_with(1);
    let nearest = document(&ran)["witness"]["nearest"].clone();
    assert_eq!((&nearest["matched"], &nearest["parts"]), (&1.into(), &2.into()));
    let steps = nearest["steps"].as_array().unwrap();
    let names: Vec<&Value> = steps.iter().map(|step| &step["transition"]).collect();
    // The second APC, or the time, lets the worker go on; then the worker returns.
    assert_eq!(names, ["run main", "run worker"], "{nearest:#}");
    let rules = steps[0]["rules"].as_array().unwrap();
    assert!(rules.contains(&"APC-I-13".into()), "an APC wakes an alertable waiter: {rules:?}");
    let ran = alertable(["explore", MET, "--witness", pattern]).ends_with(1);
    assert!(ran.stdout.contains("step 9, run main, goes by"), "{ran}");
    assert!(ran.stdout.contains("      APC-I-13  "), "{ran}");
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("second = WAIT_IO_COMPLETION"), "{run}");
}

#[test]
fn witness_says_that_something_just_does_not_happen() {
    let three = r#"{"apcs": {"worker": [{"data": 1}, {"data": 2}, {"data": 2}]}}"#;
    let ran = alertable(["explore", MET, "--witness", three]).ends_with(1);
    assert!(ran.stdout.contains("no step is in the way"), "{ran}");
    let json = alertable(["explore", "--json", MET, "--witness", three]).ends_with(1);
    assert_eq!(document(&json)["witness"]["nearest"]["steps"], serde_json::json!([]));
}

/// What `--liveness` finds in a scenario of the corpus.
#[track_caller]
fn liveness(scenario: &str, status: i32) -> Value {
    let path = format!("{SCENARIOS}/{scenario}.json");
    let ran = alertable(["explore", "--json", "--liveness", &path]).ends_with(status);
    let found = document(&ran)["liveness"].clone();
    assert_fields(&found, &["complete", "states", "livelocks", "starvations", "endless"]);
    assert_eq!(found["complete"], true);
    found
}

/// How many livelocks, starvations, and threads without an end that are meant to have one.
fn counts(found: &Value) -> [usize; 3] {
    let list = |name: &str| found[name].as_array().unwrap();
    let endless = list("endless").iter().filter(|endless| endless["expected"] == false);
    [list("livelocks").len(), list("starvations").len(), endless.count()]
}

#[test]
fn programs_that_poll_and_serve_have_no_livelock() {
    for (scenario, meant) in [
        ("apc/two-apcs-race-one-wait", 0),
        ("kapc/kernel-apc-in-program-loop", 0),
        ("port/workers-share-a-port", 0),
        ("cancel/reads-complete-or-are-cancelled", 1),
    ] {
        let found = liveness(scenario, 0);
        assert_eq!(counts(&found), [0, 0, 0], "{scenario}: {found:#}");
        assert_eq!(found["endless"].as_array().unwrap().len(), meant, "{scenario}: {found:#}");
    }
}

#[test]
fn threads_that_give_way_for_ever_are_a_livelock() {
    let found = liveness("mutex/giving-way-can-go-on-for-ever", 1);
    assert_eq!(counts(&found), [1, 0, 0], "{found:#}");
    let livelock = &found["livelocks"][0];
    assert_eq!(livelock["threads"], serde_json::json!(["one", "two"]));
    let steps: Vec<&Value> = livelock["lasso"]["cycle"].as_array().unwrap().iter().collect();
    for thread in ["run one", "run two"] {
        assert_eq!(steps.iter().filter(|step| **step == thread).count(), 3, "{found:#}");
    }
    let path = format!("{SCENARIOS}/mutex/giving-way-can-go-on-for-ever.json");
    let ran = alertable(["explore", "--liveness", &path]).ends_with(1);
    // The command runs to the end of the first cycle, where the limit of steps stops it.
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(3);
    assert_eq!(run.stdout.matches("ReleaseMutex").count(), 2, "{run}");
}

#[test]
fn who_asks_for_a_spin_lock_may_starve() {
    let found = liveness("kapc/spin-lock-is-not-handed-over", 1);
    assert_eq!(counts(&found), [0, 1, 0], "{found:#}");
    assert_eq!(found["starvations"][0]["thread"], "modest");
    let cycle = &found["starvations"][0]["lasso"]["cycle"];
    assert_eq!(*cycle, serde_json::json!(["run greedy", "run greedy"]));
}

#[test]
fn deadlocks_are_told_from_where_they_cannot_be_escaped() {
    let found = liveness("mutex/opposite-orders-deadlock", 1);
    assert_eq!(counts(&found), [0, 0, 2], "{found:#}");
    for endless in found["endless"].as_array().unwrap() {
        // Each has its first mutex; both have still to ask for the other.
        assert_eq!((&endless["from_step"], &endless["certain"]), (&2.into(), &false.into()));
        assert_eq!(endless["lasso"]["cycle"], serde_json::json!([]));
    }
}

#[test]
fn threads_without_an_end_are_those_that_outcomes_leave_blocked() {
    // Two searches that have nothing in common: of outcomes, and of the graph backwards.
    for folder in ["mutex", "suspend", "exit"] {
        let files = fs::read_dir(program::root().join(SCENARIOS).join(folder)).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        let flags = ["explore", "--json", "--liveness"].map(Path::new);
        let ran = alertable(flags.iter().copied().chain(files.iter().map(AsRef::as_ref)));
        assert!(ran.status <= 1 && ran.stdout.lines().count() == files.len(), "{ran}");
        for line in ran.stdout.lines() {
            let explored: Value = serde_json::from_str(line).unwrap();
            let names = |list: &Value| -> BTreeSet<String> {
                list.as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
            };
            let outcomes = explored["outcomes"].as_array().unwrap();
            let blocked: BTreeSet<String> =
                outcomes.iter().flat_map(|outcome| names(&outcome["blocked"])).collect();
            let endless = explored["liveness"]["endless"].as_array().unwrap();
            let endless = endless.iter().map(|e| e["thread"].as_str().unwrap().to_owned());
            assert_eq!(endless.collect::<BTreeSet<_>>(), blocked, "{explored:#}");
        }
    }
}

#[test]
fn a_clock_that_stands_still_is_no_livelock() {
    let folder = Folder::new("a_clock_that_stands_still");
    let path = folder.file("poll.json", scenarios::poller());
    // In urgent time the poller never lets the sleeper wake up.
    let ran = alertable(["explore", "--json", "--liveness", text(&path)]).ends_with(0);
    let explored = document(&ran);
    assert_eq!(explored["outcomes"][0]["end"], "limit");
    assert_eq!(counts(&explored["liveness"]), [0, 0, 0], "{explored:#}");
}

#[test]
fn liveness_is_undecided_beyond_the_limit_of_states() {
    let path = format!("{SCENARIOS}/port/workers-share-a-port.json");
    let ran =
        alertable(["explore", "--json", "--liveness", &path, "--limit-states", "20"]).ends_with(3);
    let found = document(&ran)["liveness"].clone();
    assert_eq!((&found["complete"], counts(&found)), (&false.into(), [0, 0, 0]));
}

#[test]
fn searches_with_and_without_reduction_find_the_same() {
    let reduced = alertable(["explore", "--json", MET]).ends_with(0);
    let plain = alertable(["explore", "--json", MET, "--no-reduction"]).ends_with(0);
    let (reduced, plain) = (document(&reduced), document(&plain));
    assert_eq!((&reduced["reduced"], &plain["reduced"]), (&true.into(), &false.into()));
    assert_eq!(reduced["outcomes"], plain["outcomes"]);
    assert!(reduced["states"].as_u64() < plain["states"].as_u64());
}

#[test]
fn outcomes_that_explore_prints_are_documents() {
    let ran = alertable(["explore", "--json", MET]);
    for outcome in document(&ran)["outcomes"].as_array().unwrap() {
        alertable_traces::read_outcome(&outcome.to_string(), None).unwrap();
    }
}

#[test]
fn failed_expectations_give_1_and_a_schedule_that_shows_it() {
    let folder = Folder::new("failed_expectations_give_1");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    let ran = alertable(["explore", text(&wrong)]).ends_with(1);
    assert!(ran.stdout.starts_with("failed  "), "{ran}");
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("WAIT_TIMEOUT"), "{run}");

    let ran = alertable(["explore", "--json", text(&wrong)]).ends_with(1);
    let explored = document(&ran);
    assert_eq!(explored["expectations"], "failed");
    assert_eq!(explored["failures"].as_array().unwrap().len(), 1);
    assert!(explored["failures"][0].is_string());
    alertable(["check", text(&wrong)]).ends_with(1);
}

/// The scenario that `--save` wrote to a file.
#[track_caller]
fn saved_scenario(path: &Path) -> Value {
    let text = fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Runs the command of this verb that a saved scenario's description tells, in its folder.
#[track_caller]
fn told_command(path: &Path, verb: &str) -> Ran {
    let scenario = saved_scenario(path);
    let doc = scenario["doc"].as_str().unwrap();
    let line = doc.split('`').find(|part| part.starts_with(&format!("alertable {verb} ")));
    let line = line.unwrap_or_else(|| panic!("no {verb} in {doc}"));
    program::run(command().current_dir(path.parent().unwrap()).args(line.split(' ').skip(1)))
}

#[test]
fn failed_expectations_are_saved_small_with_what_was_found() {
    let folder = Folder::new("failed_expectations_are_saved");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    let saved = folder.path("saved");
    let ran = alertable(["explore", text(&wrong), "--save", text(&saved)]).ends_with(1);
    assert!(ran.stdout.contains("wrong-always-1.json  1 thread, 1 step"), "{ran}");
    let path = saved.join("wrong-always-1.json");
    let scenario = saved_scenario(&path);
    // Who sets the event has nothing to do with it.
    assert_eq!(scenario["threads"].as_object().unwrap().len(), 1);
    let expected = serde_json::json!({ "sometimes": { "labels": { "seen": "WAIT_TIMEOUT" } } });
    assert_eq!(scenario["expect"], expected);
    let ran = told_command(&path, "run").ends_with(0);
    assert!(ran.stdout.contains("seen = WAIT_TIMEOUT"), "{ran}");
    alertable(["check", text(&saved)]).ends_with(0);
}

#[test]
fn outcomes_are_saved_each_with_its_schedule() {
    let folder = Folder::new("outcomes_are_saved");
    let saved = folder.path("saved");
    let json = alertable(["explore", "--json", MET, "--save", text(&saved)]).ends_with(0);
    let explored = document(&json);
    let files = explored["saved"].as_array().unwrap();
    assert_eq!(files.len(), 2, "{explored:#}");
    for (file, second) in files.iter().zip(["second = WAIT_IO_COMPLETION", "second = 0"]) {
        assert_fields(file, &["file", "what", "threads", "steps", "schedule", "picks"]);
        let path = Path::new(file["file"].as_str().unwrap());
        let ran = told_command(path, "run").ends_with(0);
        assert!(ran.stdout.contains(second), "{ran}");
        // The sleep that only orders the threads is not needed for it.
        assert_eq!(file["steps"], 4, "{file}");
    }
    alertable(["check", text(&saved)]).ends_with(0);
}

#[test]
fn broken_invariants_are_saved_small() {
    let folder = Folder::new("broken_invariants_are_saved");
    let saved = folder.path("saved");
    // A scenario that is there to break one.
    let lower = "traces/corpus/scenarios/kapc/lower-upwards.json";
    alertable(["explore", lower, "--save", text(&saved)]).ends_with(0);
    let path = saved.join("lower-upwards-irql-restored.json");
    let expected = serde_json::json!({ "violates": ["irql-restored"] });
    assert_eq!(saved_scenario(&path)["expect"], expected);
    alertable(["check", text(&saved)]).ends_with(0);
    // One that only a departure from the rules breaks: the file holds by the rules.
    let deviation = ["--deviation", "apc-lifo"];
    let arguments = ["explore", MET, "--save", text(&saved)];
    alertable(arguments.iter().chain(&deviation)).ends_with(1);
    let path = saved.join("two-apcs-race-one-wait-apc-fifo.json");
    assert_eq!(saved_scenario(&path)["threads"]["main"].as_array().unwrap().len(), 2);
    alertable(["check", text(&path)]).ends_with(0);
    for verb in ["explore", "run"] {
        let ran = told_command(&path, verb).ends_with(1);
        assert!(ran.stdout.contains("apc-fifo"), "{ran}");
    }
}

#[test]
fn scenarios_of_one_name_are_saved_side_by_side() {
    let folder = Folder::new("scenarios_of_one_name");
    let saved = folder.path("saved");
    alertable(["explore", MET, MET, "--save", text(&saved)]).ends_with(0);
    let ran = alertable(["check", text(&saved)]).ends_with(0);
    assert!(ran.stdout.contains("4 scenarios"), "{ran}");
}

#[test]
fn folders_that_cannot_be_made_give_2() {
    assert_error(alertable(["explore", MET, "--save", "Cargo.toml/saved"]), &["Cargo.toml/saved"]);
}

/// The arguments after `alertable run` in the line that says how to see a counterexample.
fn hint(ran: &Ran) -> Vec<&str> {
    let hint = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("alertable run "));
    hint.unwrap_or_else(|| panic!("there is no hint: {ran}")).split(' ').collect()
}

#[test]
fn counterexamples_under_free_time_can_be_repeated() {
    let folder = Folder::new("counterexamples_under_free_time");
    let path = folder.file("free.json", scenarios::time_out_on_a_loaded_machine());
    alertable(["explore", text(&path)]).ends_with(0);
    let ran = alertable(["explore", text(&path), "--time", "free"]).ends_with(1);
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("WAIT_TIMEOUT"), "{run}");
}

#[cfg(unix)]
#[test]
fn counterexamples_can_be_repeated_by_a_shell() {
    let folder = Folder::new("counterexamples of a path with spaces");
    let path = folder.file("it's wrong.json", scenarios::wrong_expectation());
    let ran = alertable(["explore", text(&path)]).ends_with(1);
    let line = hint(&ran).join(" ");
    let line = format!("\"{}\" run {line}", env!("CARGO_BIN_EXE_alertable"));
    let run = program::run(Command::new("sh").args(["-c", &line])).ends_with(0);
    assert!(run.stdout.contains("WAIT_TIMEOUT"), "{run}");
}

#[test]
fn long_counterexamples_are_short_to_read_and_can_be_repeated() {
    let folder = Folder::new("long_counterexamples");
    let path = folder.file("far.json", scenarios::wrong_beyond_the_step_limit());
    let ran = alertable(["explore", text(&path), "--limit-steps", "30000"]).ends_with(1);
    assert!(ran.stdout.lines().count() < 100, "{} lines", ran.stdout.lines().count());
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("done = 0"), "{run}");
}

#[test]
fn expectations_are_undecided_beyond_the_step_limit() {
    let folder = Folder::new("expectations_beyond_the_step_limit");
    let path = folder.file("far.json", scenarios::wrong_beyond_the_step_limit());
    let ran = alertable(["explore", "--json", text(&path)]).ends_with(3);
    let explored = document(&ran);
    assert_eq!(explored["complete"], false);
    assert_eq!(explored["expectations"], "undecided");
    alertable(["check", text(&path)]).ends_with(3);
}

#[test]
fn run_that_breaks_an_invariant_claims_no_end() {
    let ran = alertable(["run", MET, "--deviation", "apc-lifo"]).ends_with(1);
    assert!(ran.stdout.contains("apc-fifo"), "{ran}");
    assert!(!ran.stdout.contains("for ever"), "{ran}");
}

#[test]
fn broken_invariants_give_1_and_a_schedule_that_shows_it() {
    let arguments = ["explore", MET, "--deviation", "apc-lifo"];
    let ran = alertable(arguments).ends_with(1);
    assert!(ran.stdout.contains("apc-fifo"), "{ran}");
    let ran = alertable(arguments.iter().chain(&["--json"])).ends_with(1);
    let violation = &document(&ran)["violations"][0];
    assert_fields(violation, &["invariant", "rules", "message", "schedule"]);
    assert!(violation["rules"].as_array().is_some_and(|rules| !rules.is_empty()));
    assert!(violation["schedule"].as_array().is_some_and(|steps| !steps.is_empty()));
}

#[test]
fn worst_status_of_several_scenarios_counts() {
    let folder = Folder::new("worst_status_of_several_scenarios_counts");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    alertable(["explore", MET, text(&wrong), MET]).ends_with(1);
}

#[test]
fn limits_give_3() {
    let folder = Folder::new("limits_give_3");
    let race = folder.file("race.json", scenarios::race());
    let all = document(&alertable(["explore", "--json", text(&race)]).ends_with(0));
    assert!(all["states"].as_u64().unwrap() > 2000, "{}", all["states"]);
    for limit in [["--limit-states", "1000"], ["--memory", "0"]] {
        let ran = alertable(["explore", text(&race)].iter().chain(&limit)).ends_with(3);
        assert!(ran.stdout.starts_with("undecided  "), "{ran}");
        let ran = alertable(["explore", "--json", text(&race)].iter().chain(&limit)).ends_with(3);
        let explored = document(&ran);
        assert_eq!(explored["complete"], false);
        assert_eq!(explored["expectations"], "undecided");
        assert!(explored["states"].as_u64() < all["states"].as_u64());
    }
    alertable(["check", text(&race), "--limit-states", "1000"]).ends_with(3);
}

#[test]
fn small_limits_count_too() {
    alertable(["explore", MET, "--limit-states", "2"]).ends_with(3);
}

#[test]
fn number_of_threads_does_not_show() {
    let folder = Folder::new("number_of_threads_does_not_show");
    let race = folder.file("race.json", scenarios::race());
    let race = text(&race);
    let text_of = |threads: &str| {
        let ran = alertable(["explore", race, MET, "--threads", threads]);
        without_seconds(&ran.stdout)
    };
    assert_eq!(text_of("1"), text_of("2"));
    let values_of = |threads: &str| -> Vec<Value> {
        let ran = alertable(["explore", "--json", race, MET, "--threads", threads]);
        let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut values: Vec<Value> = lines.collect();
        for value in &mut values {
            value["seconds"] = Value::Null;
            value["peak_bytes"] = Value::Null;
        }
        values
    };
    assert_eq!(values_of("1"), values_of("2"));
    let checked = |threads: &str| {
        alertable(["check", "--json", "traces/corpus", "--threads", threads]).ends_with(0).stdout
    };
    assert_eq!(checked("1"), checked("2"));
}

/// Without the only number that two runs may differ in.
fn without_seconds(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line.split(' ').collect::<Vec<_>>();
        let kept = words.iter().enumerate().filter(|(index, _)| {
            words.get(index + 1).is_none_or(|next| next.trim_end_matches(',') != "s")
        });
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn graph_is_a_graph_of_every_state_and_transition() {
    let folder = Folder::new("graph_is_a_graph");
    let path = folder.path("states.dot");
    let arguments = ["explore", "--json", "--no-reduction", MET, "--graph", text(&path)];
    let explored = document(&alertable(arguments).ends_with(0));
    let graph = parse_dot(&fs::read_to_string(&path).unwrap());
    assert_eq!(Some(graph.nodes.len() as u64), explored["states"].as_u64());
    assert_eq!(Some(graph.edges.len() as u64), explored["transitions"].as_u64());
    for (from, to) in &graph.edges {
        assert!(graph.nodes.contains(from) && graph.nodes.contains(to), "{from} -> {to}");
    }
    assert_error(alertable(["explore", MET, MET, "--graph", text(&path)]), &["one scenario"]);
}

struct Graph {
    nodes: Vec<String>,
    edges: Vec<(String, String)>,
}

/// Reads the part of Graphviz's language that a list of nodes and edges needs.
fn parse_dot(text: &str) -> Graph {
    let body = text.trim().strip_prefix("digraph").unwrap().trim();
    let body = body.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let mut graph = Graph { nodes: Vec::new(), edges: Vec::new() };
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (what, attributes) = line.split_once('[').unwrap();
        assert!(attributes.ends_with(']') && attributes.matches('"').count() % 2 == 0, "{line}");
        match what.trim().split_once("->") {
            Some((from, to)) => graph.edges.push((from.trim().into(), to.trim().into())),
            None => graph.nodes.push(what.trim().into()),
        }
    }
    graph
}

#[test]
fn traces_replay_byte_for_byte() {
    let folder = Folder::new("traces_replay_byte_for_byte");
    let race = folder.file("race.json", scenarios::race());
    for scenario in [MET, text(&race)] {
        for (policy, seed) in [("random", "0"), ("random", "7"), ("pct", "7"), ("round-robin", "0")]
        {
            let path = folder.path("trace.jsonl");
            let path = text(&path);
            alertable(["run", scenario, "--policy", policy, "--seed", seed, "--trace", path])
                .ends_with(0);
            let replayed = document(&alertable(["replay", path, "--json"]).ends_with(0));
            assert_eq!(replayed["same"], true);
            assert_fields(&replayed, &["file", "events"]);
            let ran = alertable(["replay", path]).ends_with(0);
            assert!(ran.stdout.starts_with("same  "), "{ran}");
            alertable(["check", path]).ends_with(0);
        }
    }
}

#[test]
fn same_run_writes_the_same_trace() {
    let folder = Folder::new("same_run_writes_the_same_trace");
    let write = |name: &str| {
        let path = folder.path(name);
        alertable(["run", MET, "--seed", "4", "--trace", text(&path)]).ends_with(0);
        fs::read(&path).unwrap()
    };
    assert_eq!(write("one.jsonl"), write("other.jsonl"));
}

#[test]
fn traces_of_deviations_and_free_time_replay() {
    let folder = Folder::new("traces_of_deviations_and_free_time_replay");
    let path = folder.path("trace.jsonl");
    let path = text(&path);
    // The deviation breaks an invariant, so that the runs that meet it end with 1.
    for behaviour in [["--time", "free"], ["--deviation", "apc-lifo"], ["--dialect", "wine-8.0"]] {
        for seed in ["0", "1", "2"] {
            let arguments = ["run", MET, "--trace", path, "--seed", seed];
            let ran = alertable(arguments.iter().chain(&behaviour));
            assert!(ran.status == 0 || ran.status == 1, "{ran}");
            alertable(["replay", path]).ends_with(0);
        }
    }
}

#[test]
fn tampered_traces_give_1() {
    let folder = Folder::new("tampered_traces_give_1");
    let path = folder.path("trace.jsonl");
    alertable(["run", MET, "--trace", text(&path)]).ends_with(0);
    let trace = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let last = lines.len() - 1;
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        kept.flat_map(|(_, line)| [*line, "\n"]).collect::<String>()
    };
    let mut tampered = vec![format!("{trace}{}\n", lines[last]), format!("{trace}\n")];
    tampered.extend((1..=last).map(without));
    tampered.push(trace.replace("\"t\":0,", "\"t\":1,"));
    tampered.push(trace.replacen("\"ev\":\"return\"", "\"ev\": \"return\"", 1));
    tampered.push(trace.trim_end().to_owned());
    for (index, text_of_it) in tampered.iter().enumerate() {
        let path = folder.file(&format!("{index}.jsonl"), text_of_it);
        let ran = alertable(["replay", text(&path)]).ends_with(1);
        assert!(ran.stdout.starts_with("different  "), "{ran}");
        let ran = alertable(["replay", "--json", text(&path)]).ends_with(1);
        let replayed = document(&ran);
        assert_eq!(replayed["same"], false);
        assert!(replayed["line"].is_u64(), "{replayed}");
        alertable(["check", text(&path)]).ends_with(1);
    }
}

#[test]
fn choices_that_do_not_exist_give_1() {
    let folder = Folder::new("choices_that_do_not_exist_give_1");
    let path = folder.path("trace.jsonl");
    alertable(["run", MET, "--trace", text(&path)]).ends_with(0);
    let trace = fs::read_to_string(&path).unwrap();
    let start = trace.find("\"picked\":").unwrap() + "\"picked\":".len();
    for pick in ["99", "-1", "1.5", "null", "18446744073709551616"] {
        let path = folder.file("tampered.jsonl", {
            format!("{}{pick}{}", &trace[..start], &trace[start + 1..])
        });
        let ran = alertable(["replay", text(&path)]);
        assert!(ran.status == 1 || ran.status == 2, "{pick}: {ran}");
    }
}

/// A trace whose header says one thing differently.
fn with_header(folder: &Folder, said: &str, instead: &str) -> Ran {
    let path = folder.path("trace.jsonl");
    alertable(["run", MET, "--seed", "3", "--trace", text(&path)]).ends_with(0);
    let trace = fs::read_to_string(&path).unwrap();
    assert!(trace.contains(said), "{said} is in {trace}");
    let path = folder.file("tampered.jsonl", trace.replacen(said, instead, 1));
    alertable(["replay", text(&path)])
}

#[test]
fn unknown_names_in_the_header_of_a_trace_give_2() {
    let folder = Folder::new("unknown_names_in_the_header");
    let ran = with_header(&folder, "\"deviations\":[]", "\"deviations\":[\"apc-life\"]");
    assert_error(ran, &["apc-life"]);
    let ran = with_header(&folder, "\"level\":\"full\"", "\"level\":\"fulll\"");
    assert_error(ran, &[":1:", "\"fulll\"", "did you mean \"full\"?"]);
    let ran = with_header(&folder, "\"system\":\"alertable\"", "\"system\":\"wine\"");
    assert_error(ran, &["\"alertable\""]);
}

#[test]
fn nonsense_in_the_header_of_a_trace_is_not_taken_for_a_default() {
    let folder = Folder::new("nonsense_in_the_header");
    for (said, instead) in [
        ("\"time\":\"urgent\"", "\"time\":\"later\""),
        ("\"processors\":2", "\"processors\":300"),
        ("\"deviations\":[]", "\"deviations\":\"apc-lifo\""),
        ("\"step_limit\":10000", "\"step_limit\":\"x\""),
    ] {
        assert_ne!(with_header(&folder, said, instead).status, 0, "{instead}");
    }
}

#[test]
fn replay_refuses_what_is_no_full_trace() {
    let folder = Folder::new("replay_refuses_what_is_no_full_trace");
    let header = r#"{"alertable":1,"kind":"trace","level":"api","source":{"system":"wine"},"#;
    let captured = folder.file("captured.jsonl", format!("{header}\"scenario\":null}}\n"));
    assert_error(alertable(["replay", text(&captured)]), &["full"]);
    assert_error(alertable(["replay", MET]), &[MET]);
    assert_error(alertable(["run", OBSERVED]), &[OBSERVED, "observation"]);
}

#[test]
fn check_says_what_it_judged() {
    let ran = alertable(["check", "traces/corpus"]).ends_with(0);
    assert!(ran.stdout.contains("scenarios met"), "{ran}");
    assert!(ran.stdout.contains("observations allowed"), "{ran}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn check_json_is_one_document() {
    let checked = document(&alertable(["check", "--json", "traces/corpus"]).ends_with(0));
    assert_eq!(checked["good"], true);
    for document in checked["documents"].as_array().unwrap() {
        assert_fields(document, &["file", "kind"]);
    }
    let ran = alertable(["check", "--json", MET, BAD]).ends_with(2);
    let checked: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(checked["good"], false);
    assert!(checked["documents"][1]["error"].as_str().unwrap().contains(":8:16: "));
}

#[test]
fn observations_find_their_scenario() {
    let ran = alertable(["check", OBSERVED]).ends_with(2);
    assert!(ran.stderr.contains("--scenario names its file"), "{ran}");
    alertable(["check", OBSERVED, "--scenario", MET]).ends_with(0);
    alertable(["check", OBSERVED, MET]).ends_with(0);
    let folder = Folder::new("observations_find_their_scenario");
    fs::copy(program::root().join(MET), folder.path("scenario.json")).unwrap();
    fs::copy(program::root().join(OBSERVED), folder.path("observed.jsonl")).unwrap();
    alertable(["check", text(&folder.path("observed.jsonl"))]).ends_with(0);
    alertable(["check", text(&folder.path(""))]).ends_with(0);
}

/// A device that completes a request twice, and what the scenario says that it breaks.
fn twice(folder: &Folder, violates: &str) -> std::path::PathBuf {
    let path = "traces/corpus/scenarios/device/completing-twice-stops-the-system.json";
    let scenario = fs::read_to_string(program::root().join(path)).unwrap();
    folder.file("twice.json", scenario.replace("irp-completes-once", violates))
}

#[test]
fn violations_can_be_expected() {
    let folder = Folder::new("violations_can_be_expected");
    let path = twice(&folder, "irp-completes-once");
    let ran = alertable(["explore", "--json", text(&path)]).ends_with(0);
    let explored = document(&ran);
    assert_eq!(explored["expectations"], "met");
    assert_eq!(explored["violations"][0]["expected"], true);
    alertable(["check", text(&path)]).ends_with(0);
}

#[test]
fn violations_that_do_not_come_or_are_not_expected_give_1() {
    let folder = Folder::new("violations_that_do_not_come");
    let path = twice(&folder, "overlapped-in-use");
    let ran = alertable(["explore", text(&path)]).ends_with(1);
    assert!(ran.stdout.contains("no step breaks \"overlapped-in-use\""), "{ran}");
    assert!(ran.stdout.contains("was completed a second time"), "{ran}");
}

#[test]
fn unknown_violations_give_2() {
    let folder = Folder::new("unknown_violations_give_2");
    let path = twice(&folder, "irp-completes-onse");
    let help = "did you mean \"irp-completes-once\"?";
    assert_error(alertable(["explore", text(&path)]), &["\"irp-completes-onse\"", help]);
}

#[test]
fn observations_that_are_not_allowed_give_1() {
    let folder = Folder::new("observations_that_are_not_allowed_give_1");
    let observed = fs::read_to_string(program::root().join(OBSERVED)).unwrap();
    let line = observed.lines().next().unwrap().replace("WAIT_IO_COMPLETION", "WAIT_TIMEOUT");
    let path = folder.file("impossible.jsonl", line);
    let ran = alertable(["check", text(&path), "--scenario", MET]).ends_with(1);
    assert!(ran.stdout.starts_with("not allowed  "), "{ran}");
    let ran = alertable(["check", "--json", text(&path), "--scenario", MET]).ends_with(1);
    let checked = document(&ran);
    assert_eq!(checked["documents"][0]["judgements"][0]["judgement"], "not allowed");
}

#[test]
fn captured_calls_need_the_scenario_that_they_are_of() {
    let folder = Folder::new("captured_calls_need_the_scenario");
    let header = r#"{"alertable":1,"kind":"trace","level":"api","source":{"system":"wine"},"#;
    let captured = folder.file("captured.jsonl", format!("{header}\"scenario\":null}}\n"));
    alertable(["check", text(&captured)]).ends_with(2);
}

#[test]
fn rules_are_listed_and_told_one_by_one() {
    assert!(alertable(["rules"]).ends_with(0).stdout.contains("APC-U-03"));
    assert!(alertable(["rules", "apc-u-03"]).ends_with(0).stdout.starts_with("APC-U-03"));
    assert!(alertable(["rules", "apc-lifo"]).ends_with(0).stdout.starts_with("apc-lifo"));
    let listed = document(&alertable(["rules", "--json"]).ends_with(0));
    let fields = ["id", "statement", "sources", "confidence", "missing"];
    assert!(listed.as_array().unwrap().len() > 100);
    for rule in listed.as_array().unwrap() {
        assert_fields(rule, &fields);
    }
    let one = document(&alertable(["rules", "APC-U-03", "--json"]).ends_with(0));
    assert_eq!(one["id"], "APC-U-03");
    for list in ["--missing", "--deviations", "--invariants"] {
        alertable(["rules", list]).ends_with(0);
        assert!(document(&alertable(["rules", list, "--json"]).ends_with(0)).is_array());
    }
}

#[test]
fn coverage_gives_1_when_rules_are_missed() {
    let all = document(&alertable(["rules", "--coverage", SCENARIOS, "--json"]).ends_with(0));
    assert!(all["missed"].as_array().unwrap().is_empty());
    let one = document(&alertable(["rules", "--coverage", MET, "--json"]).ends_with(1));
    assert_eq!(one["scenarios"], 1);
    assert!(!one["missed"].as_array().unwrap().is_empty());
    assert!(!one["exercised"].as_array().unwrap().is_empty());
    assert_error(alertable(["rules", "--coverage", BAD]), &[BAD, "8:16"]);
}

#[test]
fn schemas_are_schemas() {
    for kind in ["scenario", "outcome", "trace"] {
        let schema = document(&alertable(["schema", kind]).ends_with(0));
        assert_fields(&schema, &["$schema", "title"]);
        assert_eq!(schema, document(&alertable(["schema", kind, "--json"]).ends_with(0)));
    }
}

#[test]
fn nothing_is_coloured_away_from_a_terminal() {
    let folder = Folder::new("nothing_is_coloured_away_from_a_terminal");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    let wrong = text(&wrong);
    let calls: [&[&str]; 9] = [
        &["run", MET],
        &["explore", MET, wrong],
        &["check", MET, wrong, BAD],
        &["replay", MET],
        &["rules"],
        &["rules", "APC-U-03"],
        &["rules", "--coverage", MET],
        &["--help"],
        &["bogus"],
    ];
    for call in calls {
        let mut command = command();
        command.args(call).env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        let ran = program::run(&mut command);
        assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{ran}");
    }
}

#[test]
fn text_is_no_wider_than_the_terminal() {
    assert_fits(&["rules"]);
    assert_fits(&["rules", "APC-U-03"]);
}

#[test]
fn results_and_lists_are_no_wider_than_the_terminal() {
    assert_fits(&["rules", "--deviations"]);
    assert_fits(&["rules", "--invariants"]);
    assert_fits(&["run", MET]);
    assert_fits(&["explore", MET]);
}

#[track_caller]
fn assert_fits(arguments: &[&str]) {
    let ran = program::run(command().args(arguments).env("COLUMNS", "72"));
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 72, "{arguments:?}: {line:?}");
    }
}

#[test]
fn reader_that_goes_away_is_no_panic() {
    let folder = Folder::new("reader_that_goes_away_is_no_panic");
    let race = folder.file("race.json", scenarios::race());
    let race = text(&race);
    let calls: [&[&str]; 7] = [
        &["rules"],
        &["rules", "--json"],
        &["schema", "scenario"],
        &["run", MET],
        &["--help"],
        &["explore", race, "--outcomes", "1000000"],
        &["explore", race, "--json"],
    ];
    for call in calls {
        let mut child = command()
            .args(call)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "", "{call:?}");
        assert_ne!(output.status.code(), Some(101), "{call:?}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_to_head_are_quiet() {
    let program = env!("CARGO_BIN_EXE_alertable");
    let line = format!("\"{program}\" rules | head -n 1");
    let ran = program::run(Command::new("sh").args(["-c", &line])).ends_with(0);
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, ""), "{ran}");
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_not_taken_for_success() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command().args(["explore", MET]).stdout(full).status().unwrap();
    assert_ne!(status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn traces_are_written_whole_or_not_at_all() {
    let ran = alertable(["run", MET, "--trace", "/dev/full/trace"]);
    assert_error(ran, &["/dev/full/trace"]);
}

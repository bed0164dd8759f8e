//! The program's interface, as the page on its command line promises it: exit statuses, JSON for
//! machines and nothing else with it, errors with their place, stable output.

#![allow(clippy::unwrap_used)]

#[path = "cli/checking.rs"]
mod checking;
#[path = "cli/exploring.rs"]
mod exploring;
#[path = "cli/liveness.rs"]
mod liveness;
#[path = "cli/printing.rs"]
mod printing;
#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;
#[path = "cli/replaying.rs"]
mod replaying;
#[path = "cli/saving.rs"]
mod saving;
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

/// The arguments after `alertable run` in the line that says how to see a counterexample.
fn hint(ran: &Ran) -> Vec<&str> {
    let hint = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("alertable run "));
    hint.unwrap_or_else(|| panic!("there is no hint: {ran}")).split(' ').collect()
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

//! What `check` judges.

use super::*;

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

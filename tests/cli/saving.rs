//! What is found, as scenarios.

use super::*;

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

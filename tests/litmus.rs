//! Scenarios as programs for real systems: each of the corpus becomes one or is refused with its
//! reason, compilers take them without a warning, and where Wine is installed, what they see and
//! record is judged as it should be.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;

use program::{Folder, Ran, alertable, command, run};
use serde_json::Value;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

const SCENARIOS: &str = "traces/corpus/scenarios";
const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// Every how manieth program is compiled.
const SAMPLE: usize = 60;

/// They take every way to use the harness that a short test can afford: APCs, a timer, requests
/// with an event, on a port and with a routine, and a thread that starts suspended.
const RUN: [&str; 6] = [
    "apc/two-apcs-race-one-wait.json",
    "apc/apc-before-thread-start.json",
    "timer/timer-apc.json",
    "io/read-ex-completes-as-apc.json",
    "port/port-fifo.json",
    "cancel/cancel-against-completion.json",
];

/// Wine says TRUE where Windows says that there is nothing to cancel.
const DIFFERS: &str = "cancel/cancel-ex-nothing.json";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn documents(ran: &Ran) -> Vec<Value> {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"));
    report["scenarios"].as_array().unwrap().clone()
}

fn has(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// Whether all of these are installed; says so if not, and that a test does nothing.
fn all_here(tools: &[&str]) -> bool {
    let missing: Vec<_> = tools.iter().filter(|tool| !has(tool)).collect();
    if !missing.is_empty() {
        println!("skipped: {missing:?} not in the search path");
    }
    missing.is_empty()
}

/// The corpus as programs, a folder of its scenarios after the other, so that no run takes long.
struct Emitted {
    folder: Folder,
    written: Vec<Value>,
    refused: Vec<Value>,
}

impl Emitted {
    fn corpus() -> Self {
        let folder = Folder::new("litmus-programs");
        let mut documents = Vec::new();
        for subject in entries(&program::root().join(SCENARIOS)) {
            let target = folder.path(text(Path::new(subject.file_name().unwrap())));
            let emit = ["litmus", text(&subject), "--emit", text(&target), "--json"];
            documents.extend(self::documents(&alertable(emit).ends_with(0)));
        }
        let is_written = |document: &Value| document["verdict"] == "written";
        let (written, refused) = documents.into_iter().partition(is_written);
        Emitted { folder, written, refused }
    }

    fn programs(&self) -> Vec<PathBuf> {
        entries(&self.folder.path("")).iter().flat_map(|folder| entries(folder)).collect()
    }
}

/// Every test that needs it uses the same.
static EMITTED: LazyLock<Emitted> = LazyLock::new(Emitted::corpus);

/// What is in a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_scenario_becomes_a_program_or_is_refused_with_a_reason() {
    let Emitted { written, refused, .. } = &*EMITTED;
    assert!(written.len() > 400 && !refused.is_empty(), "{} {}", written.len(), refused.len());
    let files = EMITTED.programs();
    assert_eq!(files.len(), written.len(), "two scenarios share a program");
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        assert!(source.contains("int main("), "{}", file.display());
        // Nothing is left of what the program is put together from.
        assert!(!source.contains("/* THREADS */"), "{}", file.display());
    }
    for document in refused {
        assert_eq!(document["verdict"], "not runnable", "{document:#}");
        let reasons = document["reasons"].as_array().unwrap();
        assert!(!reasons.is_empty(), "{document:#}");
        let are_said = reasons.iter().all(|reason| reason.as_str().unwrap().contains(' '));
        assert!(are_said, "{document:#}");
    }
}

#[test]
fn a_program_shows_the_steps_of_its_scenario() {
    let scenario = format!("{SCENARIOS}/apc/two-apcs-race-one-wait.json");
    let source = alertable(["litmus", &scenario]).ends_with(0).stdout;
    for part in ["QueueUserAPC(", "SleepEx(", "TRUE", "\"worker\"", "\"first\""] {
        assert!(source.contains(part), "{part} is missing in\n{source}");
    }
    assert!(!source.contains("CancelIoEx("), "it has what it does not need");
}

#[test]
fn a_program_keeps_the_places_of_handles_that_its_steps_close_free() {
    for (scenario, closes) in
        [("cancel/close-by-another-thread", true), ("cancel/cancel-ex-nothing", false)]
    {
        let scenario = format!("{SCENARIOS}/{scenario}.json");
        let source = alertable(["litmus", &scenario]).ends_with(0).stdout;
        for place in ["    keep_low_handles(TRUE);\n", "    keep_low_handles(FALSE);\n"] {
            assert_eq!(source.contains(place), closes, "{source}");
        }
    }
}

#[test]
fn programs_compile_without_a_warning() {
    if !all_here(&[COMPILER]) {
        return;
    }
    let folder = Folder::new("programs_compile_without_a_warning");
    let files = EMITTED.programs();
    let sample: Vec<_> = files.iter().step_by(SAMPLE).collect();
    assert!(sample.len() > 5);
    for file in sample {
        let mut compile = Command::new(COMPILER);
        compile.args(["-O1", "-Wall", "-Werror", "-c", "-o"]).arg(folder.path("program.o"));
        let output = compile.arg(file).stdin(Stdio::null()).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {complaint}", file.display());
    }
}

#[test]
fn what_wine_shows_is_judged_and_its_traces_are_explained() {
    if !all_here(&["wine", "wineserver", COMPILER]) {
        return;
    }
    let folder = Folder::new("what_wine_shows_is_judged");
    let files = RUN.iter().chain([&DIFFERS]).map(|name| format!("{SCENARIOS}/{name}"));
    let mut judge = command();
    judge.arg("litmus").args(files).args(["--run", "wine", "-n", "2", "--trace", "--json"]);
    let ran = run(judge.args(["--emit", text(&folder.path(""))])).ends_with(0);
    for document in documents(&ran) {
        let seen = document["seen"].as_array().unwrap_or_else(|| panic!("{document:#}"));
        let count: u64 = seen.iter().map(|seen| seen["count"].as_u64().unwrap()).sum();
        assert_eq!(count, 2, "{document:#}");
        let is_different = document["file"].as_str().unwrap().ends_with(DIFFERS);
        if is_different {
            assert_eq!(document["verdict"], "differs", "{document:#}");
            let named = serde_json::json!(["cancel-of-nothing-succeeds"]);
            assert!(seen.iter().all(|seen| seen["deviations"] == named), "{document:#}");
        } else {
            let is_good = document["verdict"] == "agrees" || document["verdict"] == "late";
            assert!(is_good, "{document:#}");
        }
    }
    let traces: Vec<_> = entries(&folder.path(""))
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    assert_eq!(traces.len(), RUN.len() + 1);
    for trace in &traces {
        let text = fs::read_to_string(trace).unwrap();
        let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(header["source"]["system"], "wine", "{header:#}");
        assert!(header["source"]["scale"].as_f64().is_some_and(|s| s > 0.0), "{header:#}");
    }
    run(command().args(["check", "--dialect", "wine-8.0"]).args(&traces)).ends_with(0);
}

/// An error: status 2, nothing on standard output, one line that names what is missing.
#[track_caller]
fn assert_missing(arguments: &[&str], path: &Path, part: &str) {
    let ran = run(command().args(arguments).env("PATH", path)).ends_with(2);
    assert_eq!(ran.stdout, "", "{ran}");
    assert!(ran.stderr.contains(part), "{ran}");
    assert_eq!(ran.stderr.matches("error").count(), 1, "{ran}");
}

#[test]
fn a_missing_system_or_compiler_gives_2() {
    let scenario = format!("{SCENARIOS}/{DIFFERS}");
    let litmus = ["litmus", &scenario, "--run", "wine"];
    let fuzz = ["fuzz", "--litmus", "--seeds", "0..1"];
    let empty = Folder::new("a_missing_system_gives_2");
    assert_missing(&litmus, &empty.path(""), "wine is not in the search path");
    assert_missing(&fuzz, &empty.path(""), "wine is not in the search path");
    if !cfg!(windows) {
        let native = ["litmus", &scenario, "--run", "native"];
        assert_missing(&native, &empty.path(""), "this is not Windows");
    }
    empty.file("wine", "");
    empty.file("wineserver", "");
    assert_missing(&litmus, &empty.path(""), "x86_64-w64-mingw32-gcc is not in the search path");
}

#[cfg(unix)]
#[test]
fn a_system_that_does_not_start_gives_2() {
    let broken = Folder::new("a_system_that_does_not_start_gives_2");
    for tool in ["wine", "wineserver", COMPILER] {
        std::os::unix::fs::symlink("/bin/false", broken.path(tool)).unwrap();
    }
    let scenario = format!("{SCENARIOS}/{DIFFERS}");
    assert_missing(&["litmus", &scenario, "--run", "wine"], &broken.path(""), "cannot be started");
}

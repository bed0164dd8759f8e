//! The corpus holds, document by document: every scenario meets its expectations, every
//! observation of a real system is allowed, and every rule that the machine follows takes effect
//! somewhere.
//!
//! The program judges the corpus once; each document and each rule is a test of its own that
//! looks up what came of it. `cargo test --test corpus -- apc/` runs those of one folder.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;

use alertable_models::rule::{self, Standing};
use alertable_traces::scenario::Scenario;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const SCENARIOS: &str = "traces/corpus/scenarios";
const OBSERVATIONS: &str = "traces/corpus/observations";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let checked = Arc::new(Checked::corpus());
    let exercised = Arc::new(exercised_rules());
    let scenarios = Arc::new(scenarios());
    let mut trials = Vec::new();
    trials.extend(scenario_trials(&checked, &scenarios));
    trials.extend(observation_trials(&checked));
    trials.extend(rule_trials(&exercised));
    let all = Arc::clone(&scenarios);
    trials.push(Trial::test("titles tell scenarios apart", move || titles_are_unique(&all)));
    trials.push(Trial::test("the corpus as a whole is good", move || checked.is_good()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What `alertable check --json` said of the corpus.
struct Checked {
    status: i32,
    stderr: String,
    /// By file.
    documents: BTreeMap<String, Value>,
}

impl Checked {
    fn corpus() -> Self {
        let ran = program::alertable(["check", "traces/corpus", "--json"]);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let documents = report["documents"].as_array().cloned().unwrap_or_default();
        let documents =
            documents.into_iter().map(|document| (text(&document["file"]), document)).collect();
        Checked { status: ran.status, stderr: ran.stderr, documents }
    }

    fn document(&self, file: &Path) -> Result<&Value, Failed> {
        let missing = || format!("it was not checked (status {}): {}", self.status, self.stderr);
        Ok(self.documents.get(&file.display().to_string()).ok_or_else(missing)?)
    }

    fn is_good(&self) -> Result<(), Failed> {
        let files = documents(Path::new("traces/corpus"));
        if self.documents.len() != files.len() {
            let counts = (self.documents.len(), files.len());
            return Err(format!("{} of {} documents were checked", counts.0, counts.1).into());
        }
        holds(self.status == 0, || format!("status {}: {}", self.status, self.stderr))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn holds(condition: bool, message: impl FnOnce() -> String) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(message().into()) }
}

/// Every document in a folder of the workspace or below it, sorted.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(program::root().join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if program::root().join(&path).is_dir() {
            files.extend(documents(&path));
        } else if path
            .extension()
            .is_some_and(|end| ["json", "jsonl", "xz"].iter().any(|known| end == *known))
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Its name in a test: the path below the folder of its kind, without the ending.
fn name_of(file: &Path, folder: &str) -> String {
    file.strip_prefix(folder).unwrap().with_extension("").display().to_string()
}

fn scenarios() -> Vec<(PathBuf, Scenario)> {
    let files = documents(Path::new(SCENARIOS));
    let read = |path: &Path| alertable_traces::read_scenario_file(&program::root().join(path));
    files.into_iter().filter_map(|path| Some((path.clone(), read(&path).ok()?))).collect()
}

/// That a scenario is met, and that it says which rules it shows.
fn scenario_trials(
    checked: &Arc<Checked>,
    scenarios: &Arc<Vec<(PathBuf, Scenario)>>,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    for file in documents(Path::new(SCENARIOS)) {
        let name = name_of(&file, SCENARIOS);
        let checked = Arc::clone(checked);
        trials.push(Trial::test(format!("{name} is met"), move || is_met(&checked, &file)));
    }
    for index in 0..scenarios.len() {
        let name = name_of(&scenarios[index].0, SCENARIOS);
        let scenarios = Arc::clone(scenarios);
        let names = move || names_its_rules(&scenarios[index].1);
        trials.push(Trial::test(format!("{name} names its rules"), names));
    }
    trials
}

fn is_met(checked: &Checked, file: &Path) -> Result<(), Failed> {
    let document = checked.document(file)?;
    let is_empty = |field: &str| document[field].as_array().is_some_and(Vec::is_empty);
    let violations = document["violations"].as_array();
    let expected = violations.is_some_and(|all| all.iter().all(|one| one["expected"] == true));
    let met = document["expectations"] == "met" && is_empty("failures") && expected;
    holds(met, || format!("{document:#}"))
}

/// Whether the rules take effect is not asked: some forbid what does not happen.
fn names_its_rules(scenario: &Scenario) -> Result<(), Failed> {
    holds(!scenario.rules.is_empty(), || "it names no rule".to_owned())?;
    let unknown: Vec<_> = scenario.rules.iter().filter(|id| rule::find(id).is_none()).collect();
    holds(unknown.is_empty(), || format!("there is no {unknown:?}"))
}

fn observation_trials(checked: &Arc<Checked>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for file in documents(Path::new(OBSERVATIONS)) {
        let contents = fs::read_to_string(program::root().join(&file)).unwrap();
        for index in 0..contents.lines().filter(|line| !line.trim().is_empty()).count() {
            let name = format!("{} {} is allowed", name_of(&file, OBSERVATIONS), index + 1);
            let (checked, file) = (Arc::clone(checked), file.clone());
            trials.push(Trial::test(name, move || is_allowed(&checked, &file, index)));
        }
    }
    trials
}

/// By Windows, or by deviations that are known of the system that was observed.
fn is_allowed(checked: &Checked, file: &Path, index: usize) -> Result<(), Failed> {
    let judgement = &checked.document(file)?["judgements"][index];
    let word = text(&judgement["judgement"]);
    holds(word == "allowed" || word == "difference", || format!("{judgement:#}"))
}

/// The rules that `alertable rules --coverage` says the scenarios exercise.
fn exercised_rules() -> BTreeSet<String> {
    let ran = program::alertable(["rules", "--coverage", SCENARIOS, "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let ids = report["exercised"].as_array().cloned().unwrap_or_default();
    ids.iter().map(text).collect()
}

fn rule_trials(exercised: &Arc<BTreeSet<String>>) -> Vec<Trial> {
    let modelled = rule::all().filter(|(_, rule)| rule.standing == Standing::Modelled);
    let trial = |id: &'static str| {
        let exercised = Arc::clone(exercised);
        Trial::test(format!("rule {id} takes effect"), move || {
            holds(exercised.contains(id), || "in no scenario of the corpus".to_owned())
        })
    };
    modelled.map(|(_, rule)| trial(rule.id)).collect()
}

/// Observations find their scenario by its title.
fn titles_are_unique(scenarios: &[(PathBuf, Scenario)]) -> Result<(), Failed> {
    let mut files: BTreeMap<&str, &Path> = BTreeMap::new();
    for (file, scenario) in scenarios {
        if let Some(other) = files.insert(&scenario.title, file) {
            let (file, other) = (file.display(), other.display());
            return Err(format!("{file} and {other}: \"{}\"", scenario.title).into());
        }
    }
    Ok(())
}

//! `alertable check`.

use super::explore::{print_evidence, status_of};
use super::input::{self, LimitArguments, ReductionArguments};
use super::objects::{self, ObjectCheck};
use super::output::{self, BAD, DIM, GOOD, UNSURE, say, styled, wrapped};
use super::{Failure, Status};
use alertable::api::{Judged, Options, judge_file};
use alertable::engine::explore::{Control, Limits};
use alertable::exploration::{Exploration, Reduction, explore_model};
use alertable::judge::{Judgement, OutcomeSource, judge};
use alertable::replay::{Replay, replay_file};
use alertable_models::deviation::{Deviations, Dialect};
use alertable_models::machine::Model;
use alertable_traces::DocumentKind;
use alertable_traces::observation::Observation;
use alertable_traces::outcome::Outcome;
use alertable_traces::scenario::Scenario;
use alertable_traces::trace::{Level, TraceReader};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Scenarios, observations, traces, captures (….wineserver.log, .xz, .gz), or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Whose behaviour is right; for scenarios, their own choice by default
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// The scenario of the observations, when it is not beside them or in the given paths
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Follow object traces to their end and count by kind what is not explained
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    reduction: ReductionArguments,
    #[command(flatten)]
    limits: LimitArguments,
    /// How much too early a time-out of an `api` trace may seem, in milliseconds; by its source
    /// by default
    #[arg(long, value_name = "MS")]
    tolerance: Option<f64>,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// What came of one document.
struct Checked {
    status: Status,
    /// What is printed for it, and what is counted.
    report: Report,
}

enum Report {
    Scenario { title: String, model: Box<Model>, exploration: Box<Exploration> },
    Observations { judged: Vec<(Observation, Judgement)> },
    Trace(Replay),
    Objects(Box<ObjectCheck>),
    ApiTrace(Judged),
    Unsupported(String),
    Failed(Failure),
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let dialect = match &arguments.dialect {
        Some(name) => Some(input::dialect(name)?),
        None => None,
    };
    let files = document_files(&arguments.paths)?;
    let scenarios = Scenarios::find(&files, arguments.scenario.as_deref())?;
    let limits = Limits { worker_count: 1, ..arguments.limits.limits() };
    let keeps_going = arguments.keep_going;
    #[allow(clippy::cast_sign_loss, reason = "it is at least 0")]
    let tolerance_ns = arguments.tolerance.map(|ms| (ms.max(0.0) * 1e6) as u64);
    let checker = Checker {
        dialect,
        scenarios: &scenarios,
        reduction: arguments.reduction.reduction(),
        limits,
        keeps_going,
        tolerance_ns,
    };
    let results = in_parallel(&files, arguments.limits.worker_count(), |path| checker.check(path));
    let status = results.iter().map(|checked| checked.status).max().unwrap_or(Status::Good);
    if arguments.json {
        let documents: Vec<Value> =
            files.iter().zip(&results).map(|(path, checked)| json_of(path, checked)).collect();
        output::print_json(&json!({ "documents": documents, "good": status == Status::Good }));
    } else {
        for (path, checked) in files.iter().zip(&results) {
            print_notable(path, checked, files.len() == 1);
        }
        print_summary(&results, status);
    }
    Ok(status)
}

/// Applies a function to every item with several threads; the results are in the items' order.
pub(super) fn in_parallel<T: Send, I: Sync>(
    items: &[I],
    worker_count: usize,
    work: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, T>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..worker_count.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_values().collect()
}

/// The documents in the given paths: every file that is named, and every `.json` and `.jsonl`
/// file and every capture in a folder or below it, sorted.
fn document_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if metadata.is_dir() {
            let before = files.len();
            add_folder(path, &mut files)?;
            if files.len() == before {
                let message = format!("{}: there is no document in this folder", path.display());
                return Err(Failure::Other(message));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let what = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    Failure::Other(format!("{}: {what}", path.display()))
}

fn add_folder(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut entries = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(folder, &error))?;
    entries.sort();
    for entry in entries {
        let is_document = entry.extension().is_some_and(|end| end == "json" || end == "jsonl")
            || objects::is_named_capture(&entry);
        // A link can lead back to where it is.
        if entry.is_dir() && !entry.is_symlink() {
            add_folder(&entry, files)?;
        } else if is_document {
            files.push(entry);
        }
    }
    Ok(())
}

/// The scenarios in the given paths.
pub(super) fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut scenarios = Vec::new();
    for path in document_files(paths)? {
        if objects::is_named_capture(&path) {
            continue;
        }
        if alertable_traces::document_kind_of_file(&path)? == DocumentKind::Scenario {
            scenarios.push(path);
        }
    }
    Ok(scenarios)
}

/// The scenarios that observations can belong to, by their titles.
struct Scenarios {
    by_title: HashMap<String, (PathBuf, Scenario)>,
    /// The scenario of every observation, if one was named.
    named: Option<(PathBuf, Scenario)>,
}

impl Scenarios {
    /// Those among the given files and, for observations, beside them.
    fn find(files: &[PathBuf], named: Option<&Path>) -> Result<Self, Failure> {
        let named = match named {
            Some(path) => Some((path.to_owned(), input::read_scenario(path)?)),
            None => None,
        };
        let mut by_title = HashMap::new();
        let beside = files
            .iter()
            .filter(|file| file.extension().is_some_and(|end| end == "jsonl"))
            .filter_map(|file| fs::read_dir(file.parent()?).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()));
        for file in files.iter().cloned().chain(beside) {
            if file.extension().is_none_or(|end| end != "json") {
                continue;
            }
            // What is wrong with a file is said where it is checked.
            if let Ok(scenario) = alertable_traces::read_scenario_file(&file) {
                by_title.entry(scenario.title.clone()).or_insert((file, scenario));
            }
        }
        Ok(Scenarios { by_title, named })
    }

    fn of(&self, observation: &Observation) -> Option<&(PathBuf, Scenario)> {
        self.named.as_ref().or_else(|| self.by_title.get(&observation.scenario))
    }
}

struct Checker<'a> {
    dialect: Option<&'static Dialect>,
    scenarios: &'a Scenarios,
    reduction: Reduction,
    limits: Limits,
    keeps_going: bool,
    tolerance_ns: Option<u64>,
}

impl Checker<'_> {
    fn check(&self, path: &Path) -> Checked {
        let report = self.report(path).unwrap_or_else(Report::Failed);
        let status = match &report {
            Report::Scenario { exploration, .. } => status_of(exploration),
            Report::Observations { judged } => judged
                .iter()
                .map(|(_, judgement)| status_of_judgement(judgement))
                .max()
                .unwrap_or(Status::Good),
            Report::Trace(Replay::Same { .. }) => Status::Good,
            Report::Trace(Replay::Different(_)) => Status::Finding,
            Report::Objects(check) => check.status(),
            Report::ApiTrace(judged) => super::api_trace::status_of(judged),
            Report::Unsupported(_) => Status::Undecided,
            Report::Failed(_) => Status::BadInput,
        };
        Checked { status, report }
    }

    fn report(&self, path: &Path) -> Result<Report, Failure> {
        if objects::is_capture(path)? {
            return self.objects(path);
        }
        Ok(match alertable_traces::document_kind_of_file(path)? {
            DocumentKind::Scenario => self.scenario(path)?,
            DocumentKind::Observation => self.observations(path)?,
            DocumentKind::Trace => self.trace(path)?,
            DocumentKind::Outcome => Report::Unsupported(
                "an outcome alone says nothing that could be checked".to_owned(),
            ),
        })
    }

    fn scenario(&self, path: &Path) -> Result<Report, Failure> {
        let scenario = input::read_scenario(path)?;
        let deviations = match (self.dialect, &scenario.dialect) {
            (Some(dialect), _) => dialect.deviations,
            (None, Some(name)) => input::dialect(name)?.deviations,
            (None, None) => Deviations::NONE,
        };
        let model = Box::new(input::model_with(&scenario, path, deviations, None)?);
        let control = Control::default();
        let expected = scenario.expect.as_ref();
        let exploration =
            Box::new(explore_model(&model, expected, self.reduction, &self.limits, &control, None));
        Ok(Report::Scenario { title: scenario.title, model, exploration })
    }

    fn observations(&self, path: &Path) -> Result<Report, Failure> {
        let text = alertable_traces::read_text_file(path)?;
        let file = path.display().to_string();
        let observations = alertable_traces::read_observations(&text, Some(&file))?;
        let dialect = self.dialect.unwrap_or(&alertable_models::deviation::DIALECTS[0]);
        let mut judged = Vec::new();
        let mut explored = HashMap::new();
        for observation in observations {
            let Some((scenario_path, scenario)) = self.scenarios.of(&observation) else {
                let title = &observation.scenario;
                let message = format!(
                    "{file}: the scenario \"{title}\" is neither beside it nor in the given \
                     paths; --scenario names its file"
                );
                return Err(Failure::Other(message));
            };
            // What keeps it from being simulated does not depend on deviations.
            input::model_with(scenario, scenario_path, Deviations::NONE, None)?;
            let mut source = Explorer {
                scenario,
                path: scenario_path,
                reduction: self.reduction,
                limits: &self.limits,
                known: &mut explored,
            };
            let judgement = judge(&observation, dialect, &mut source);
            judged.push((observation, judgement));
        }
        Ok(Report::Observations { judged })
    }

    fn objects(&self, path: &Path) -> Result<Report, Failure> {
        let check = objects::check(path, self.dialect, self.keeps_going)?;
        Ok(Report::Objects(Box::new(check)))
    }

    fn trace(&self, path: &Path) -> Result<Report, Failure> {
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|error| unreadable(path, &error))?;
        let level = TraceReader::new(BufReader::new(opened), Some(&file))?.header().level;
        Ok(match level {
            Level::Full => Report::Trace(replay_file(path)?),
            Level::Object => self.objects(path)?,
            Level::Api => Report::ApiTrace(self.api_trace(path)?),
        })
    }
}

impl Checker<'_> {
    fn api_trace(&self, path: &Path) -> Result<Judged, Failure> {
        let dialect = self.dialect.unwrap_or(&alertable_models::deviation::DIALECTS[0]);
        let options = Options {
            deviations: dialect.deviations,
            tolerance_ns: self.tolerance_ns,
            step_count_max: self.limits.state_count_max,
        };
        Ok(judge_file(path, dialect, &options)?)
    }
}

/// Explores a scenario under any deviations, once each.
struct Explorer<'a> {
    scenario: &'a Scenario,
    path: &'a Path,
    reduction: Reduction,
    limits: &'a Limits,
    known: &'a mut HashMap<(String, Deviations), (Vec<Outcome>, bool)>,
}

impl OutcomeSource for Explorer<'_> {
    fn outcomes(&mut self, deviations: Deviations) -> (Vec<Outcome>, bool) {
        let key = (self.scenario.title.clone(), deviations);
        let explore = || {
            let Ok(model) = input::model_with(self.scenario, self.path, deviations, None) else {
                return (Vec::new(), false);
            };
            let found =
                explore_model(&model, None, self.reduction, self.limits, &Control::default(), None);
            (found.outcomes, found.coverage.stop.is_none())
        };
        self.known.entry(key).or_insert_with(explore).clone()
    }
}

fn status_of_judgement(judgement: &Judgement) -> Status {
    match judgement {
        Judgement::Allowed | Judgement::Difference { .. } => Status::Good,
        Judgement::Undecided => Status::Undecided,
        Judgement::NotAllowed(_) => Status::Finding,
    }
}

/// A judgement in words: one that says which it is, and the details.
fn judgement_text(judgement: &Judgement) -> (&'static str, String) {
    match judgement {
        Judgement::Allowed => ("allowed", String::new()),
        Judgement::Difference { dialect, deviations } => {
            let ids: Vec<&str> = deviations.iter().map(|d| d.entry().id).collect();
            ("difference", format!("allowed by {dialect} alone: {}", ids.join(", ")))
        }
        Judgement::NotAllowed(why) => ("not allowed", why.clone()),
        Judgement::Undecided => ("undecided", "a limit was met".to_owned()),
    }
}

fn json_of(path: &Path, checked: &Checked) -> Value {
    let file = path.display().to_string();
    match &checked.report {
        Report::Scenario { title, exploration, .. } => json!({
            "file": file,
            "kind": "scenario",
            "title": title,
            "expectations": exploration.verdict.name(),
            "failures": exploration.failures.iter().map(|f| &f.message).collect::<Vec<_>>(),
            "violations": exploration.findings.iter()
                .map(|f| {
                    let (invariant, message) = (f.invariant.id, &f.message);
                    json!({ "invariant": invariant, "message": message, "expected": f.expected })
                })
                .collect::<Vec<_>>(),
            "state#": exploration.coverage.state_count,
            "outcomes": exploration.outcomes.len(),
        }),
        Report::Observations { judged } => json!({
            "file": file,
            "kind": "observation",
            "judgements": judged.iter().map(|(observation, judgement)| {
                let (word, details) = judgement_text(judgement);
                json!({
                    "scenario": observation.scenario,
                    "count": observation.count,
                    "judgement": word,
                    "details": details,
                })
            }).collect::<Vec<_>>(),
        }),
        Report::Trace(replay) => json!({
            "file": file,
            "kind": "trace",
            "same": matches!(replay, Replay::Same { .. }),
            "events": replay.event_count(),
        }),
        Report::Objects(check) => objects::json_of(&file, check),
        Report::ApiTrace(judged) => super::api_trace::json_of(&file, judged),
        Report::Unsupported(why) => json!({ "file": file, "undecided": why }),
        Report::Failed(Failure::Input(error)) => {
            json!({ "file": file, "error": error.to_string() })
        }
        Report::Failed(Failure::Other(message)) => json!({ "file": file, "error": message }),
    }
}

/// Prints what a reader has to know of a document; of a single one, in any case.
fn print_notable(path: &Path, checked: &Checked, single: bool) {
    let file = path.display();
    match &checked.report {
        Report::Failed(failure) => output::print_failure(failure),
        Report::Unsupported(why) => say!("{}  {file}: {why}", styled(UNSURE, "undecided")),
        Report::Trace(Replay::Same { event_count }) if single => {
            say!("{}  {file}: {event_count} events, byte for byte", styled(GOOD, "same"));
        }
        Report::Trace(Replay::Same { .. }) => {}
        Report::Objects(check) => objects::print(path, check, single),
        Report::Trace(Replay::Different(difference)) => {
            say!("{}  {file}:{}", styled(BAD, "different"), difference.line);
        }
        Report::ApiTrace(judged) => super::api_trace::print(path, judged, single),
        Report::Scenario { title, model, exploration } => {
            if single || checked.status != Status::Good {
                say!("{}  {title}", status_word(checked.status));
                let states = exploration.coverage.state_count;
                let outcomes = exploration.outcomes.len();
                let text = format!("{file}: {states} states, {outcomes} outcomes");
                say!("{}", styled(DIM, wrapped(&text, 2)));
                print_evidence(path, model, exploration);
            }
        }
        Report::Observations { judged } => {
            for (observation, judgement) in judged {
                let style = match judgement {
                    Judgement::Allowed if !single => continue,
                    Judgement::Allowed => GOOD,
                    Judgement::Difference { .. } | Judgement::Undecided => UNSURE,
                    Judgement::NotAllowed(_) => BAD,
                };
                let (word, details) = judgement_text(judgement);
                say!("{}  {file}: {}", styled(style, word), observation.scenario);
                if !details.is_empty() {
                    say!("{}", wrapped(&details, 2));
                }
            }
        }
    }
}

fn status_word(status: Status) -> String {
    match status {
        Status::Good => styled(GOOD, "met"),
        Status::Undecided => styled(UNSURE, "undecided"),
        Status::Finding | Status::BadInput => styled(BAD, "failed"),
    }
}

fn print_summary(results: &[Checked], status: Status) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for checked in results {
        match &checked.report {
            Report::Scenario { exploration, .. } => {
                let word = match checked.status {
                    Status::Good => "scenario# met",
                    Status::Undecided => "scenario# undecided",
                    Status::Finding | Status::BadInput => "scenario# failed",
                };
                *counts.entry(word).or_default() += 1;
                let states = exploration.coverage.state_count;
                *counts.entry("state#").or_default() += states;
            }
            Report::Observations { judged } => {
                for (_, judgement) in judged {
                    let word = match judgement {
                        Judgement::Allowed => "observation# allowed",
                        Judgement::Difference { .. } => "observation# explained by a deviation",
                        Judgement::NotAllowed(_) => "observation# not allowed",
                        Judgement::Undecided => "observation# undecided",
                    };
                    *counts.entry(word).or_default() += 1;
                }
            }
            Report::Trace(Replay::Same { .. }) => {
                *counts.entry("trace# replayed").or_default() += 1;
            }
            Report::Trace(Replay::Different(_)) => {
                *counts.entry("trace# different").or_default() += 1;
            }
            Report::Objects(check) => {
                let word = match check.word() {
                    "explained" => "object trace# explained",
                    "difference" => "object trace# explained by a dialect",
                    "undecided" => "object trace# undecided",
                    _ => "object trace# not explained",
                };
                *counts.entry(word).or_default() += 1;
                *counts.entry("event# followed").or_default() += check.event_count();
            }
            Report::ApiTrace(judged) => {
                *counts.entry(super::api_trace::count_word(judged)).or_default() += 1;
            }
            Report::Unsupported(_) => *counts.entry("document# undecided").or_default() += 1,
            Report::Failed(_) => *counts.entry("document# with errors").or_default() += 1,
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(what, count)| {
            let ending = if *count == 1 { "" } else { "s" };
            format!("{count} {}", what.replace('#', ending))
        })
        .collect();
    let word = match status {
        Status::Good => styled(GOOD, "all good"),
        Status::Undecided => styled(UNSURE, "undecided"),
        Status::Finding => styled(BAD, "not as it should be"),
        Status::BadInput => styled(BAD, "bad input"),
    };
    say!("{word}: {}", counts.join(", "));
}

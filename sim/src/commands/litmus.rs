//! `alertable litmus`.

use super::check::{in_parallel, scenario_files};
use super::input::{self, LimitArguments};
use super::output::{self, BAD, DIM, GOOD, UNSURE, counted, say, styled, wrapped};
use super::wine::{Host, Ran, RunArguments};
use super::{Failure, Status};
use alertable::engine::explore::{Control, Limits};
use alertable::litmus::{
    Comparison, Judged, Options, Sightings, compare, emit, is_explorable, timing,
};
use alertable_models::deviation::{DIALECTS, Deviation, Dialect};
use alertable_traces::scenario::Scenario;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Scenarios, or folders of them
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// Write each program into this folder, as NAME.c
    #[arg(long, value_name = "DIR")]
    emit: Option<PathBuf>,
    /// Compile each program, run it, and judge what it sees
    #[arg(long, value_enum)]
    run: Option<SystemArgument>,
    /// How often each program is run
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    n: u64,
    /// Add noise: random yields and delays, busy threads, one processor
    #[arg(long)]
    stress: bool,
    /// Write an `api` trace of the last run beside the program, or into the current folder
    #[arg(long)]
    trace: bool,
    /// Write what was seen into this folder, as NAME.jsonl
    #[arg(long, value_name = "DIR")]
    observations: Option<PathBuf>,
    /// Real milliseconds for a virtual one; chosen for each scenario by default
    #[arg(long, value_name = "X", value_parser = positive)]
    scale: Option<f64>,
    /// How long nothing has to happen for a thread to be blocked for good, beside the times of
    /// the scenario
    #[arg(long, value_name = "MS", default_value_t = 500)]
    patience: u64,
    /// Whose behaviour is right; by default Windows
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    #[command(flatten)]
    limits: LimitArguments,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum SystemArgument {
    /// Wine
    Wine,
    /// This system, which has to be Windows
    Native,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("a number above 0 is wanted".to_owned()),
    }
}

/// What came of a scenario.
#[derive(Debug)]
pub(super) enum Fate {
    /// It cannot run on a real system.
    NotRunnable(Vec<String>),
    /// The program was written, and not run.
    Written,
    /// It was run and judged.
    Judged(Comparison),
    /// The program or the system failed.
    Failed(String),
    /// Its outcomes could not all be found within the limits.
    TooLarge,
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let files = scenario_files(&arguments.scenarios)?;
    if files.is_empty() {
        return Err(Failure::Other("there is no scenario in the given paths".to_owned()));
    }
    let scenarios = files
        .iter()
        .map(|file| Ok((file.clone(), input::read_scenario(file)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    for folder in arguments.emit.iter().chain(&arguments.observations) {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Other(format!("{}: {error}", folder.display())))?;
    }
    let dialect = match &arguments.dialect {
        Some(name) => input::dialect(name)?,
        None => &DIALECTS[0],
    };
    let control = input::interruptible();
    let host = match arguments.run {
        Some(SystemArgument::Wine) => Some(Host::wine()?),
        Some(SystemArgument::Native) => Some(Host::native()?),
        None => None,
    };
    let limits = Limits { worker_count: 1, ..arguments.limits.limits() };
    let laboratory = Laboratory { host: host.as_ref(), dialect, limits, control: &control };
    let done = AtomicUsize::new(0);
    let names = file_names(&files);
    let fates = in_parallel(&scenarios, arguments.limits.worker_count(), |(file, scenario)| {
        let name = names.get(file).map_or("scenario", String::as_str);
        let fate = fate(arguments, &laboratory, name, scenario);
        show_progress(done.fetch_add(1, Ordering::Relaxed) + 1, scenarios.len());
        fate
    });
    let fates = fates.into_iter().collect::<Result<Vec<_>, Failure>>()?;
    if arguments.json {
        let documents: Vec<Value> =
            scenarios.iter().zip(&fates).map(|((file, s), fate)| json_of(file, s, fate)).collect();
        output::print_json(&json!({ "scenarios": documents }));
    } else {
        let is_single = scenarios.len() == 1;
        for ((_, scenario), fate) in scenarios.iter().zip(&fates) {
            print_fate(scenario, fate, is_single);
        }
        print_summary(&fates);
    }
    Ok(fates.iter().map(status_of).max().unwrap_or(Status::Good))
}

/// What is written for each scenario is named after its file, with its folder where two files have
/// one name.
fn file_names(files: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let stem = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = |file: &PathBuf| {
        let own = stem(file);
        if files.iter().filter(|other| stem(other) == own).count() < 2 {
            return own;
        }
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
        format!("{}-{own}", folder.to_string_lossy())
    };
    files.iter().map(|file| (file.clone(), name(file))).collect()
}

fn show_progress(done: usize, count: usize) {
    if std::io::stderr().is_terminal() {
        let end = if done == count { "\r\x1b[K" } else { "" };
        // Progress is for whoever looks; nobody need.
        let _ = write!(std::io::stderr(), "\r\x1b[K{done} of {count}{end}");
    }
}

/// Where programs are run and what they see is judged.
#[derive(Debug)]
pub(super) struct Laboratory<'a> {
    pub(super) host: Option<&'a Host>,
    pub(super) dialect: &'static Dialect,
    pub(super) limits: Limits,
    pub(super) control: &'a Control,
}

impl Laboratory<'_> {
    /// Compiles a program, runs it and judges what it sees.
    pub(super) fn experiment(
        &self,
        host: &Host,
        scenario: &Scenario,
        source: &str,
        run: &RunArguments,
    ) -> Fate {
        if !is_explorable(scenario, self.dialect, &self.limits, self.control) {
            return Fate::TooLarge;
        }
        let program = match host.compile(source) {
            Ok(program) => program,
            Err(why) => return Fate::Failed(format!("it does not compile: {why}")),
        };
        let goes_on = || !self.control.interrupt.load(Ordering::Relaxed);
        let ran = host.run(&program, run, goes_on);
        let _ = std::fs::remove_file(&program);
        match ran {
            Ran::Unsupported(what) => Fate::NotRunnable(vec![what]),
            Ran::Failed(why) => Fate::Failed(why),
            Ran::Seen(seen, held_up) => {
                let mut sightings = Sightings::default();
                seen.into_iter().for_each(|observation| sightings.add(observation));
                let seen = sightings.sorted();
                let limits = &self.limits;
                let compared = compare(scenario, seen, self.dialect, limits, self.control);
                Fate::Judged(Comparison { held_up, ..compared })
            }
        }
    }
}

fn fate(
    arguments: &Arguments,
    laboratory: &Laboratory<'_>,
    name: &str,
    scenario: &Scenario,
) -> Result<Fate, Failure> {
    let source = match emit(scenario, &Options { scale: arguments.scale }) {
        Ok(source) => source,
        Err(reasons) => return Ok(Fate::NotRunnable(reasons)),
    };
    let write = |folder: &Path, ending: &str, text: &str| {
        let path = folder.join(format!("{name}.{ending}"));
        alertable::file::write_whole(&path, text.as_bytes())
            .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))
    };
    if let Some(folder) = &arguments.emit {
        write(folder, "c", &source)?;
    }
    let Some(host) = laboratory.host else {
        if arguments.emit.is_none() {
            output::print_text(&source);
        }
        return Ok(Fate::Written);
    };
    let run = RunArguments {
        rounds: arguments.n,
        stress: arguments.stress.then_some(1),
        patience_ms: arguments.patience,
        trace: arguments.trace.then(|| {
            let folder = arguments.emit.clone().unwrap_or_default();
            folder.join(format!("{name}.api.jsonl"))
        }),
        round_ms: timing(scenario, arguments.scale).real_ms(),
    };
    let fate = laboratory.experiment(host, scenario, &source, &run);
    if let (Fate::Judged(comparison), Some(folder)) = (&fate, &arguments.observations) {
        let lines = comparison.seen.iter().map(|(seen, ..)| format!("{}\n", seen.to_json()));
        write(folder, "jsonl", &lines.collect::<String>())?;
    }
    Ok(fate)
}

fn status_of(fate: &Fate) -> Status {
    match fate {
        Fate::Failed(_) => Status::Finding,
        Fate::TooLarge => Status::Undecided,
        Fate::Judged(comparison) if comparison.has_contradiction() => Status::Finding,
        Fate::Judged(comparison) if comparison.is_undecided() => Status::Undecided,
        Fate::NotRunnable(_) | Fate::Written | Fate::Judged(_) => Status::Good,
    }
}

/// What to call a scenario that was judged, by the gravest of its judgements.
pub(super) fn word_of(fate: &Fate) -> &'static str {
    let rank = |judged: &Judged| match judged {
        Judged::Allowed => 0,
        Judged::Late(deviations) if deviations.is_empty() => 1,
        Judged::Difference(_) | Judged::Late(_) => 2,
        Judged::Undecided => 3,
        Judged::NotAllowed(_) => 4,
    };
    match fate {
        Fate::NotRunnable(_) => "not runnable",
        Fate::Written => "written",
        Fate::Failed(_) => "failed",
        Fate::TooLarge => "too large",
        Fate::Judged(comparison) => {
            let ranks = comparison.seen.iter().map(|(_, judged, _)| rank(judged));
            ["agrees", "late", "differs", "undecided", "not allowed"][ranks.max().unwrap_or(0)]
        }
    }
}

fn ids(deviations: &[Deviation]) -> String {
    let ids: Vec<&str> = deviations.iter().map(|deviation| deviation.entry().id).collect();
    ids.join(", ")
}

/// A judgement in words.
fn judged_text(judged: &Judged) -> String {
    match judged {
        Judged::Allowed => "allowed".to_owned(),
        Judged::Difference(deviations) => format!("explained by {}", ids(deviations)),
        Judged::Late(deviations) if deviations.is_empty() => {
            "allowed when time passes while threads could run".to_owned()
        }
        Judged::Late(deviations) => {
            format!("explained by {} when time passes while threads could run", ids(deviations))
        }
        Judged::NotAllowed(why) => format!("not allowed: {why}"),
        Judged::Undecided => "undecided: a limit was met".to_owned(),
    }
}

pub(super) fn print_fate(scenario: &Scenario, fate: &Fate, is_single: bool) {
    let word = word_of(fate);
    let style = match word {
        "agrees" | "written" => GOOD,
        "failed" | "not allowed" => BAD,
        _ => UNSURE,
    };
    match fate {
        Fate::Written => {}
        Fate::TooLarge => say!("{}  {}", styled(style, word), scenario.title),
        Fate::NotRunnable(reasons) => {
            say!("{}  {}", styled(style, word), scenario.title);
            reasons.iter().for_each(|reason| say!("{}", wrapped(reason, 2)));
        }
        Fate::Failed(why) => {
            say!("{}  {}", styled(style, word), scenario.title);
            say!("{}", wrapped(why, 2));
        }
        Fate::Judged(comparison) => {
            if is_single || word != "agrees" {
                say!("{}  {}", styled(style, word), scenario.title);
                print_histogram(comparison);
            }
        }
    }
}

fn print_histogram(comparison: &Comparison) {
    for (observation, judged, _) in &comparison.seen {
        say!("  {} {}", counted(observation.count, "time"), judged_text(judged));
        say!("{}", styled(DIM, outcome_text(&observation.to_json())));
    }
    if comparison.held_up > 0 {
        let rounds = counted(comparison.held_up, "round");
        say!("  {rounds} left out: something else than the scenario held threads up");
    }
    for outcome in comparison.never_seen() {
        say!("  allowed, never seen");
        say!("{}", styled(DIM, outcome_text(&outcome.to_json())));
    }
}

/// An outcome in short lines, without what is the same for all.
fn outcome_text(json: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(json) else {
        return json.to_owned();
    };
    let end = fields.get("end").and_then(Value::as_str).unwrap_or_default();
    let blocked = fields.get("blocked").filter(|blocked| **blocked != json!([]));
    let mut lines = vec![match blocked {
        Some(blocked) => format!("    {end}: {blocked}"),
        None => format!("    {end}"),
    }];
    for section in ["labels", "apcs", "overlapped"] {
        let Some(Value::Object(members)) = fields.get(section) else { continue };
        let members = members.iter().map(|(name, value)| format!("{name} {}", short(value)));
        let members: Vec<String> = members.collect();
        if !members.is_empty() {
            lines.push(format!("    {section}: {}", members.join(", ")));
        }
    }
    lines.join("\n")
}

/// A value without the names of its fields, where they are plain.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.len() == 1 => short(&items[0]),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(short).collect();
            format!("[{}]", items.join("; "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| match name.as_str() {
                    "ret" | "error" | "routine" | "status" => short(value),
                    _ => format!("{name} {}", short(value)),
                })
                .collect();
            fields.join(" ")
        }
        other => other.to_string(),
    }
}

fn print_summary(fates: &[Fate]) {
    if fates.iter().all(|fate| matches!(fate, Fate::Written)) {
        return;
    }
    let mut tally = Tally::default();
    fates.iter().for_each(|fate| tally.add(fate));
    tally.print();
}

/// How many scenarios came to what.
#[derive(Debug, Default)]
pub(super) struct Tally {
    scenarios: u64,
    runs: u64,
    /// Rounds that were left out.
    held_up: u64,
    words: BTreeMap<&'static str, u64>,
    /// In how many scenarios each deviation explains something.
    deviations: BTreeMap<&'static str, u64>,
    /// Different outcomes that the rules allow, and how many of them were seen.
    allowed: u64,
    seen: u64,
}

impl Tally {
    pub(super) fn add(&mut self, fate: &Fate) {
        self.scenarios += 1;
        *self.words.entry(word_of(fate)).or_default() += 1;
        let Fate::Judged(comparison) = fate else { return };
        let mut named: Vec<&str> = Vec::new();
        for (observation, judged, _) in &comparison.seen {
            self.runs += observation.count;
            if let Judged::Difference(deviations) | Judged::Late(deviations) = judged {
                named.extend(deviations.iter().map(|deviation| deviation.entry().id));
            }
        }
        self.held_up += comparison.held_up;
        self.allowed += comparison.allowed.len() as u64;
        self.seen += (comparison.allowed.len() - comparison.never_seen().count()) as u64;
        named.sort_unstable();
        named.dedup();
        named.into_iter().for_each(|id| *self.deviations.entry(id).or_default() += 1);
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "scenarios": self.scenarios, "runs": self.runs, "held_up": self.held_up,
            "verdicts": self.words,
            "deviations": self.deviations, "outcomes_allowed": self.allowed,
            "outcomes_seen": self.seen,
        })
    }

    pub(super) fn print(&self) {
        let words: Vec<String> =
            self.words.iter().map(|(word, count)| format!("{count} {word}")).collect();
        say!("{}: {}", counted(self.scenarios, "scenario"), words.join(", "));
        say!(
            "{}, in which {} of {} allowed outcomes were seen",
            counted(self.runs, "run"),
            self.seen,
            self.allowed
        );
        if self.held_up > 0 {
            let rounds = counted(self.held_up, "more round");
            say!("{rounds} left out: something else than the scenario held threads up");
        }
        for (id, count) in &self.deviations {
            say!("  {count:>5}  {id}");
        }
    }
}

/// The report on a scenario for machines.
fn json_of(file: &Path, scenario: &Scenario, fate: &Fate) -> Value {
    let mut report = json!({
        "scenario": scenario.title,
        "file": file.display().to_string(),
        "verdict": word_of(fate),
    });
    match fate {
        Fate::Written | Fate::TooLarge => {}
        Fate::NotRunnable(reasons) => report["reasons"] = json!(reasons),
        Fate::Failed(why) => report["error"] = json!(why),
        Fate::Judged(comparison) => {
            let seen = comparison.seen.iter().map(|(observation, judged, _)| {
                let (word, deviations) = match judged {
                    Judged::Allowed => ("allowed", &[][..]),
                    Judged::Difference(deviations) => ("difference", &deviations[..]),
                    Judged::Late(deviations) => ("late", &deviations[..]),
                    Judged::NotAllowed(_) => ("not allowed", &[][..]),
                    Judged::Undecided => ("undecided", &[][..]),
                };
                let ids: Vec<&str> = deviations.iter().map(|d| d.entry().id).collect();
                json!({
                    "count": observation.count,
                    "judgement": word,
                    "deviations": ids,
                    "observation": observation,
                })
            });
            report["seen"] = seen.collect();
            report["never_seen"] = json!(comparison.never_seen().collect::<Vec<_>>());
            report["complete"] = json!(comparison.complete);
            report["held_up"] = json!(comparison.held_up);
        }
    }
    report
}

//! `alertable fuzz`.

use super::check::in_parallel;
use super::input::{self, LimitArguments};
use super::litmus::{Fate, Laboratory, Tally, print_fate, word_of};
use super::output::{self, BAD, DIM, GOOD, UNSURE, counted, say, styled};
use super::wine::{Host, RunArguments};
use super::{Failure, Status};
use alertable::engine::explore::{Control, Limits};
use alertable::fuzz::{Kind, generate, shrink, subject};
use alertable::litmus::{Comparison, Options, emit, timing};
use alertable::run::{PolicyName, RunOptions, Schedule, run_model};
use alertable_models::deviation::{DIALECTS, Deviations};
use alertable_models::machine::Model;
use alertable_traces::scenario::{Scenario, scenario_to_json};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Scenarios with more states are left out: there are enough others.
const STATE_COUNT_MAX: u64 = 300_000;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The seeds of the scenarios, from A to before B
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = seeds)]
    seeds: std::ops::Range<u64>,
    /// Begin no scenario after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Where scenarios that fail are written, as small as they get
    #[arg(long, value_name = "DIR", default_value = "fuzz-failures")]
    out: PathBuf,
    /// Run each scenario under Wine, and hold what is seen against what is allowed
    #[arg(long)]
    litmus: bool,
    /// With --litmus, how often each program is run; else, how many random schedules
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    n: u64,
    /// With --litmus, add noise
    #[arg(long, requires = "litmus")]
    stress: bool,
    /// With --litmus, how long nothing has to happen for a thread to be blocked for good, beside
    /// the times of the scenario
    #[arg(long, value_name = "MS", default_value_t = 300)]
    patience: u64,
    /// With --litmus, whose behaviour is right; by default Windows
    #[arg(long, value_name = "NAME", requires = "litmus")]
    dialect: Option<String>,
    #[command(flatten)]
    limits: LimitArguments,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let wanted = || "two numbers are wanted, as 0..1000".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wanted)?;
    let [from, to] = [from, to].map(|number| number.parse::<u64>().map_err(|_| wanted()));
    let (from, to) = (from?, to?);
    if from < to { Ok(from..to) } else { Err(format!("there is no seed in {text}")) }
}

/// How many smaller scenarios are tried for one that fails.
const SHRINK_EXPERIMENTS_MAX: u32 = 60;

/// A scenario that fails, and what is to be kept of it.
#[derive(Clone)]
struct Found {
    seed: u64,
    scenario: Scenario,
    what: String,
    /// What was seen, where a real system ran it.
    observations: String,
}

/// When to stop: at the time that was asked for, or when somebody interrupts.
struct Budget<'a> {
    end: Option<Instant>,
    control: &'a Control,
    done: AtomicU64,
    total: u64,
}

impl Budget<'_> {
    fn goes_on(&self) -> bool {
        let in_time = self.end.is_none_or(|end| Instant::now() < end);
        in_time && !self.control.interrupt.load(Ordering::Relaxed)
    }

    fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if std::io::stderr().is_terminal() {
            let end = if done == self.total { "\r\x1b[K" } else { "" };
            // Progress is for whoever looks; nobody need.
            let _ = write!(std::io::stderr(), "\r\x1b[K{done} of {}{end}", self.total);
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let control = input::interruptible();
    let budget = Budget {
        end: arguments
            .minutes
            .filter(|minutes| minutes.is_finite() && *minutes >= 0.0)
            .map(|minutes| Instant::now() + Duration::from_secs_f64(minutes * 60.0)),
        control: &control,
        done: AtomicU64::new(0),
        total: arguments.seeds.end - arguments.seeds.start,
    };
    if arguments.litmus { litmus(arguments, &budget) } else { invariants(arguments, &budget) }
}

/// Random scenarios under random schedules, against every invariant.
fn invariants(arguments: &Arguments, budget: &Budget<'_>) -> Result<Status, Failure> {
    let seeds: Vec<u64> = arguments.seeds.clone().collect();
    let results = in_parallel(&seeds, arguments.limits.worker_count(), |seed| {
        if !budget.goes_on() {
            return None;
        }
        let scenario = generate(*seed, Kind::Any);
        let broken = broken_invariant(&scenario, arguments.n);
        budget.advance();
        Some(broken.map(|(id, schedule)| {
            let same = |smaller: &Scenario| {
                broken_invariant(smaller, arguments.n).is_some_and(|(other, _)| other == id)
            };
            let scenario = shrink(&scenario, same);
            let schedule = broken_invariant(&scenario, arguments.n).map_or(schedule, |(_, s)| s);
            let what = format!("{id} is broken by `run --policy {schedule}`");
            Found { seed: *seed, scenario, what, observations: String::new() }
        }))
    });
    let run_count = results.iter().flatten().count() as u64;
    let found: Vec<Found> = results.into_iter().flatten().flatten().collect();
    keep(&arguments.out, &found)?;
    if arguments.json {
        output::print_json(&json!({
            "scenarios": run_count, "schedules": arguments.n, "failures": failures_json(&found),
        }));
    } else {
        print_found(&arguments.out, &found);
        let style = if found.is_empty() { GOOD } else { BAD };
        let word = if found.is_empty() { "all good" } else { "not as it should be" };
        say!(
            "{}: {} under {} each, {}",
            styled(style, word),
            counted(run_count, "scenario"),
            counted(arguments.n, "schedule"),
            counted(found.len() as u64, "failure")
        );
    }
    Ok(if found.is_empty() { Status::Good } else { Status::Finding })
}

/// The first invariant that one of some random schedules breaks, and that schedule.
fn broken_invariant(scenario: &Scenario, schedule_count: u64) -> Option<(&'static str, String)> {
    let model = input::model_with(scenario, Path::new(""), Deviations::NONE, None).ok()?;
    (0..schedule_count).find_map(|seed| {
        let policy = if seed % 2 == 0 { PolicyName::Random } else { PolicyName::Pct };
        let broken = broken_by(&model, scenario, policy, seed)?;
        Some((broken, format!("{} --seed {seed}", policy.name())))
    })
}

fn broken_by(
    model: &Model,
    scenario: &Scenario,
    policy: PolicyName,
    seed: u64,
) -> Option<&'static str> {
    let schedule = Schedule::Policy { policy, seed };
    let options = RunOptions { schedule, step_count_max: 5_000, with_trace: false };
    let run = run_model(model, scenario, &options).ok()?;
    run.violations.first().map(|violation| violation.invariant.id)
}

/// Random scenarios that a real system runs.
fn litmus(arguments: &Arguments, budget: &Budget<'_>) -> Result<Status, Failure> {
    let dialect = match &arguments.dialect {
        Some(name) => input::dialect(name)?,
        None => &DIALECTS[0],
    };
    let host = Host::wine()?;
    let limits = arguments.limits.limits();
    let state_count_max = limits.state_count_max.min(STATE_COUNT_MAX);
    let limits = Limits { worker_count: 1, state_count_max, ..limits };
    let laboratory = Laboratory { host: Some(&host), dialect, limits, control: budget.control };
    let trial = Trial { arguments, laboratory: &laboratory, host: &host };
    let seeds: Vec<u64> = arguments.seeds.clone().collect();
    let results = in_parallel(&seeds, arguments.limits.worker_count(), |seed| {
        if !budget.goes_on() {
            return None;
        }
        let scenario = generate(*seed, Kind::Runnable);
        let fate = trial.fate(&scenario, arguments.n);
        let found = found(*seed, scenario, &fate);
        budget.advance();
        Some((*seed, fate, found))
    });
    let results: Vec<_> = results.into_iter().flatten().collect();
    let mut tally = Tally::default();
    let mut subjects: BTreeMap<&str, Tally> = BTreeMap::new();
    for (seed, fate, _) in &results {
        tally.add(fate);
        subjects.entry(subject(*seed, Kind::Runnable)).or_default().add(fate);
    }
    let verdicts: Vec<_> = results.iter().map(|(seed, fate, _)| (*seed, word_of(fate))).collect();
    let found: Vec<Found> = results.into_iter().filter_map(|(.., found)| found).collect();
    // What was found is safe before it is made smaller.
    keep(&arguments.out, &found)?;
    let found = in_parallel(&found, arguments.limits.worker_count(), |found| {
        if budget.goes_on() { trial.smaller(found.clone()) } else { found.clone() }
    });
    keep(&arguments.out, &found)?;
    if arguments.json {
        let unusual = verdicts.iter().filter(|(_, word)| *word != "agrees");
        output::print_json(&json!({
            "tally": tally.json(),
            "subjects": subjects.iter().map(|(name, tally)| (*name, tally.json()))
                .collect::<BTreeMap<_, _>>(),
            "seeds": unusual.map(|(seed, word)| json!([seed, word])).collect::<Vec<_>>(),
            "failures": failures_json(&found),
        }));
    } else {
        print_found(&arguments.out, &found);
        for (subject, tally) in &subjects {
            say!("{}", styled(DIM, subject));
            tally.print();
        }
        say!("{}", styled(DIM, "altogether"));
        tally.print();
    }
    Ok(if found.is_empty() { Status::Good } else { Status::Finding })
}

/// What was seen, an observation a line.
fn observation_lines(comparison: &Comparison) -> String {
    comparison.seen.iter().flat_map(|(seen, ..)| [seen.to_json(), "\n".to_owned()]).collect()
}

/// What is to be kept of a scenario that nothing explains.
fn found(seed: u64, scenario: Scenario, fate: &Fate) -> Option<Found> {
    let what = word_of(fate).to_owned();
    let observations = match fate {
        _ if what != "not allowed" && what != "failed" => return None,
        Fate::Judged(comparison) => observation_lines(comparison),
        Fate::Failed(why) => {
            return Some(Found {
                seed,
                scenario,
                what: what + ": " + why,
                observations: String::new(),
            });
        }
        _ => String::new(),
    };
    Some(Found { seed, scenario, what, observations })
}

/// How scenarios are held against a real system.
struct Trial<'a> {
    arguments: &'a Arguments,
    laboratory: &'a Laboratory<'a>,
    host: &'a Host,
}

impl Trial<'_> {
    fn fate(&self, scenario: &Scenario, rounds: u64) -> Fate {
        let source = match emit(scenario, &Options::default()) {
            Ok(source) => source,
            Err(reasons) => return Fate::NotRunnable(reasons),
        };
        let run = RunArguments {
            rounds,
            stress: self.arguments.stress.then_some(1),
            patience_ms: self.arguments.patience,
            trace: None,
            round_ms: timing(scenario, None).real_ms(),
        };
        self.laboratory.experiment(self.host, scenario, &source, &run)
    }

    /// The smallest scenario found that nothing explains either, and what was seen of it.
    fn smaller(&self, found: Found) -> Found {
        let mut left = SHRINK_EXPERIMENTS_MAX;
        let mut last = None;
        let scenario = shrink(&found.scenario, |smaller| {
            if left == 0 {
                return false;
            }
            left -= 1;
            let fate = self.until_seen(smaller, &found.what);
            let is_same = word_of(&fate) == found.what;
            if is_same {
                last = Some(fate);
            }
            is_same
        });
        let observations = match &last {
            Some(Fate::Judged(comparison)) => observation_lines(comparison),
            _ => found.observations,
        };
        if let (Some(fate), false) = (&last, self.arguments.json) {
            print_fate(&scenario, fate, true);
        }
        Found { scenario, observations, ..found }
    }

    /// Runs a scenario a few times, and more often as long as nothing is wrong: a race is not
    /// seen every time.
    fn until_seen(&self, scenario: &Scenario, word: &str) -> Fate {
        let first = self.fate(scenario, 2);
        let is_decided = !matches!(first, Fate::Judged(_));
        if is_decided || word_of(&first) == word {
            first
        } else {
            self.fate(scenario, self.arguments.n)
        }
    }
}

/// Writes what failed.
fn keep(folder: &Path, found: &[Found]) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::Other(format!("{}: {error}", folder.display())))?;
    for found in found {
        let write = |ending: &str, text: &str| {
            let path = folder.join(format!("seed-{}.{ending}", found.seed));
            alertable::file::write_whole(&path, text.as_bytes())
                .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))
        };
        write("json", &format!("{}\n", scenario_to_json(&found.scenario)))?;
        if !found.observations.is_empty() {
            write("jsonl", &found.observations)?;
        }
    }
    Ok(())
}

fn print_found(folder: &Path, found: &[Found]) {
    for found in found {
        let file = folder.join(format!("seed-{}.json", found.seed));
        say!("{}  seed {}: {}", styled(UNSURE, "found"), found.seed, found.what);
        say!("  {}", file.display());
    }
}

fn failures_json(found: &[Found]) -> serde_json::Value {
    found
        .iter()
        .map(|found| json!({ "seed": found.seed, "what": found.what, "scenario": found.scenario }))
        .collect()
}

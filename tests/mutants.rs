//! The corpus against every deviation, one at a time: what notices it.
//!
//! A mistake has to be caught by an expectation or an invariant. A deviation of any kind has to
//! be seen: it changes the outcomes of some scenario, or breaks an invariant there. And every
//! invariant has to be broken somewhere, or it would say nothing.

#![allow(clippy::unwrap_used)]

use alertable::engine::explore::{Control, Limits};
use alertable::exploration::{Exploration, Reduction, Verdict, explore_model};
use alertable_models::deviation::{Deviation, Kind, dialect};
use alertable_models::invariant;
use alertable_models::machine::{Model, Settings, Time};
use alertable_models::program::compile;
use alertable_traces::outcome::Outcome;
use alertable_traces::read_scenario_file;
use alertable_traces::scenario::{Expectations, Scenario, TimeMode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

/// No scenario of the corpus has nearly as many; under a deviation one may.
const STATE_COUNT_MAX: u64 = 20_000;

/// A scenario of the corpus that the machine simulates.
struct Subject {
    /// Its path.
    name: String,
    model: Model,
    expectations: Option<Expectations>,
    outcomes: Vec<Outcome>,
}

impl Subject {
    fn new(name: String, scenario: Scenario) -> Option<Self> {
        let program = compile(&scenario).ok()?;
        let dialect = dialect(scenario.dialect.as_deref().unwrap_or("windows")).unwrap();
        let time = match scenario.machine.time {
            Some(TimeMode::Free) => Time::Free,
            Some(TimeMode::Urgent) | None => Time::Urgent,
        };
        let processors = scenario.machine.processors.unwrap_or(2);
        let settings = Settings { deviations: dialect.deviations, processors, time };
        let model = Model { program, settings };
        let outcomes = explored(&model, None).outcomes;
        Some(Subject { name, model, expectations: scenario.expect, outcomes })
    }

    /// What notices a deviation in this scenario.
    fn under(&self, deviation: Deviation) -> Noticed {
        let Settings { deviations, .. } = self.model.settings;
        let mut model = self.model.clone();
        model.settings.deviations = deviations.with(deviation);
        let run = || explored(&model, self.expectations.as_ref());
        let Ok(found) = catch_unwind(AssertUnwindSafe(run)) else {
            return Noticed { panics: true, ..Noticed::default() };
        };
        Noticed {
            expectation: found.verdict == Verdict::Failed,
            invariants: found.findings.iter().map(|finding| finding.invariant.id).collect(),
            outcomes: found.coverage.stop.is_none() && found.outcomes != self.outcomes,
            panics: false,
        }
    }
}

fn explored(model: &Model, expectations: Option<&Expectations>) -> Exploration {
    let limits = Limits { state_count_max: STATE_COUNT_MAX, ..Limits::default() };
    explore_model(model, expectations, Reduction::Persistent, &limits, &Control::default(), None)
}

/// What notices a deviation in a scenario.
#[derive(Clone, Default)]
struct Noticed {
    /// An expectation is not met.
    expectation: bool,
    /// The invariants that are broken.
    invariants: BTreeSet<&'static str>,
    /// The outcomes are others.
    outcomes: bool,
    /// The machine panics.
    panics: bool,
}

/// What notices a deviation in the corpus.
#[derive(Clone, Default)]
struct Summary {
    /// The scenarios whose expectations fail.
    expectations: BTreeSet<String>,
    /// The scenarios in which each invariant is broken.
    invariants: BTreeMap<&'static str, BTreeSet<String>>,
    /// The scenarios whose outcomes change.
    outcomes: BTreeSet<String>,
    /// The scenarios in which the machine panics.
    panics: BTreeSet<String>,
}

impl Summary {
    fn add(&mut self, name: &str, noticed: Noticed) {
        let note = |holds: bool, names: &mut BTreeSet<String>| {
            if holds {
                names.insert(name.to_owned());
            }
        };
        note(noticed.expectation, &mut self.expectations);
        note(noticed.outcomes, &mut self.outcomes);
        note(noticed.panics, &mut self.panics);
        for invariant in noticed.invariants {
            self.invariants.entry(invariant).or_default().insert(name.to_owned());
        }
    }

    fn is_caught(&self) -> bool {
        !self.expectations.is_empty() || !self.invariants.is_empty()
    }

    fn is_seen(&self) -> bool {
        !self.outcomes.is_empty() || !self.invariants.is_empty()
    }
}

/// Every deviation, in the order of the registry, and what notices it.
struct Table(Vec<(Deviation, Summary)>);

impl Table {
    fn of_corpus() -> Self {
        let subjects = subjects();
        let pairs: Vec<_> = Deviation::ALL
            .iter()
            .flat_map(|deviation| subjects.iter().map(move |subject| (*deviation, subject)))
            .filter(|(deviation, subject)| !subject.model.settings.deviations.contains(*deviation))
            .collect();
        let summaries: Mutex<BTreeMap<Deviation, Summary>> = Mutex::default();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((deviation, subject)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let noticed = subject.under(*deviation);
                let mut summaries = summaries.lock().unwrap();
                summaries.entry(*deviation).or_default().add(&subject.name, noticed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        let mut summaries = summaries.into_inner().unwrap();
        let row = |deviation: &Deviation| (*deviation, summaries.remove(deviation).unwrap());
        Table(Deviation::ALL.iter().map(row).collect())
    }

    fn without(&self, holds: impl Fn(Deviation, &Summary) -> bool) -> Vec<&'static str> {
        let rows = self.0.iter().filter(|(deviation, summary)| !holds(*deviation, summary));
        rows.map(|(deviation, _)| deviation.entry().id).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<30} {:<8} {:>12} {:>8}  broken",
            "deviation", "kind", "expectations", "outcomes"
        )?;
        for (deviation, summary) in &self.0 {
            let entry = deviation.entry();
            let (expectations, outcomes) = (summary.expectations.len(), summary.outcomes.len());
            let kind = entry.kind.name();
            write!(f, "{:<30} {kind:<8} {expectations:>12} {outcomes:>8} ", entry.id)?;
            for (invariant, names) in &summary.invariants {
                write!(f, " {invariant} ({})", names.len())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The corpus, and what it leaves out on purpose.
const FOLDERS: [&str; 2] = ["traces/corpus/scenarios", "tests/mutants"];

fn subjects() -> Vec<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let mut subjects = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                subjects.extend(Subject::new(name, read_scenario_file(&path).unwrap()));
            }
        }
    }
    subjects.sort_by(|one, other| one.name.cmp(&other.name));
    subjects
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::of_corpus);

#[track_caller]
fn nothing_in(missing: &[&str], what: &str) {
    assert!(missing.is_empty(), "{what}: {missing:?}\n\n{}", *TABLE);
}

#[test]
fn every_mistake_is_caught() {
    let fine = |deviation: Deviation, summary: &Summary| {
        deviation.entry().kind != Kind::Mistake || summary.is_caught()
    };
    nothing_in(&TABLE.without(fine), "no expectation and no invariant fails under");
}

#[test]
fn every_deviation_is_seen() {
    nothing_in(&TABLE.without(|_, summary| summary.is_seen()), "nothing changes under");
}

#[test]
fn every_invariant_can_be_broken() {
    let broken: BTreeSet<_> =
        TABLE.0.iter().flat_map(|(_, summary)| summary.invariants.keys().copied()).collect();
    let missing: Vec<_> =
        invariant::all().map(|invariant| invariant.id).filter(|id| !broken.contains(id)).collect();
    nothing_in(&missing, "no scenario breaks, under any deviation");
}

#[test]
fn no_deviation_makes_the_machine_panic() {
    let panics = |summary: &Summary| summary.panics.is_empty();
    nothing_in(&TABLE.without(|_, summary| panics(summary)), "the machine panics under");
}

#[test]
fn nothing_is_noticed_without_a_deviation() {
    for subject in subjects() {
        let found = explored(&subject.model, subject.expectations.as_ref());
        let name = &subject.name;
        assert!(found.coverage.stop.is_none(), "{name} has more states");
        assert_eq!(found.verdict, Verdict::Met, "{name}: {:?}", found.failures);
        let is_windows = subject.model.settings.deviations.is_empty();
        let unexpected = found.findings.iter().find(|finding| !finding.expected);
        assert!(!is_windows || unexpected.is_none(), "{name}: {unexpected:?}");
    }
}

//! Accepted traces, as documents that can be changed.

use crate::traced::traced;
use alertable::api::{Options, Verdict, check};
use alertable_models::deviation::{self, Deviations};
use alertable_models::machine::Time;
use alertable_traces::scenario::Scenario;
use serde_json::Value;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The shortest and the longest trace that is changed.
const EVENT_COUNTS: std::ops::Range<usize> = 6..120;

/// The most steps of a search.
const STEP_COUNT_MAX: u64 = 400_000;

/// The events of a trace, each a JSON object.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Events(pub(super) Vec<Value>);

/// A trace that is explained.
pub(super) struct Accepted {
    pub(super) name: String,
    pub(super) scenario: Scenario,
    pub(super) deviations: Deviations,
    header: String,
    pub(super) events: Events,
}

/// What the checker says of a changed trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    Accepted,
    Rejected,
    Undecided,
    /// It is no trace at all.
    Malformed,
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

impl Events {
    pub(super) fn is(&self, at: usize, what: &str) -> bool {
        self.0[at]["ev"] == what
    }

    pub(super) fn thread(&self, at: usize) -> &str {
        self.0[at]["thread"].as_str().unwrap()
    }

    /// The events for which something holds.
    pub(super) fn sites(&self, holds: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.0.len()).filter(|at| holds(*at)).collect()
    }

    /// The call that a return is of.
    pub(super) fn call_of(&self, at: usize) -> usize {
        let of = &self.0[at]["of"];
        self.0.iter().position(|event| event["n"] == *of).unwrap()
    }

    /// The returns of calls for which something holds, given the call and the return.
    pub(super) fn returns(&self, holds: impl Fn(&Value, &Value) -> bool) -> Vec<usize> {
        self.sites(|at| self.is(at, "return") && holds(&self.0[self.call_of(at)], &self.0[at]))
    }

    /// The end of the routine that begins at an event, if it is in the trace.
    pub(super) fn end_of_routine(&self, at: usize) -> Option<usize> {
        let mut depth = 0;
        for later in at..self.0.len() {
            if self.thread(later) != self.thread(at) {
                continue;
            }
            depth += i32::from(self.is(later, "apc")) - i32::from(self.is(later, "apc-return"));
            if depth == 0 {
                return Some(later);
            }
        }
        None
    }

    /// The return of the call at an event, if it is in the trace.
    pub(super) fn return_of(&self, at: usize) -> Option<usize> {
        let n = &self.0[at]["n"];
        (at..self.0.len()).find(|later| self.is(*later, "return") && self.0[*later]["of"] == *n)
    }

    /// Puts the events into the order of their times and numbers them.
    pub(super) fn number(&mut self) {
        self.0.sort_by_key(|event| event["t"].as_u64());
        let old: Vec<Value> = self.0.iter().map(|event| event["n"].clone()).collect();
        for (n, event) in self.0.iter_mut().enumerate() {
            event["n"] = n.into();
            if let Some(of) = event.get("of").cloned() {
                // Of two calls with one number the latest is meant.
                let call = old[..n].iter().rposition(|number| *number == of);
                event["of"] = call.unwrap_or(usize::MAX >> 12).into();
            }
        }
    }
}

impl Accepted {
    pub(super) fn document(&self, events: &Events) -> String {
        format!("{}\n{events}", self.header)
    }

    pub(super) fn judge(&self, events: &Events) -> Judgement {
        let document = self.document(events);
        let options = Options {
            deviations: self.deviations,
            tolerance_ns: None,
            step_count_max: STEP_COUNT_MAX,
        };
        match check("a trace", || Ok(document.as_bytes()), &options) {
            Ok(Verdict::Explained { .. }) => Judgement::Accepted,
            Ok(Verdict::Unexplained(_)) => Judgement::Rejected,
            Ok(Verdict::Undecided(_)) => Judgement::Undecided,
            Err(_) => Judgement::Malformed,
        }
    }

    fn read(name: &str, trace: &str, deviations: Deviations) -> Option<Self> {
        let mut lines = trace.lines();
        let header = lines.next().unwrap().to_owned();
        let document: Value = serde_json::from_str(&header).unwrap();
        let scenario =
            alertable_traces::read_scenario(&document["scenario"].to_string(), None).unwrap();
        let events = Events(lines.map(|line| serde_json::from_str(line).unwrap()).collect());
        let accepted = Accepted { name: name.to_owned(), scenario, deviations, header, events };
        let fits = EVENT_COUNTS.contains(&accepted.events.0.len());
        (fits && accepted.judge(&accepted.events) == Judgement::Accepted).then_some(accepted)
    }
}

fn documents(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, ending, out);
        } else if path.extension().is_some_and(|end| end == ending) {
            out.push(path);
        }
    }
    out.sort();
}

/// The traces that are changed: of simulated runs, and what Wine was seen to do.
pub(super) fn accepted() -> Vec<Accepted> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus");
    let mut traces = Vec::new();
    let mut files = Vec::new();
    documents(&corpus.join("scenarios"), "json", &mut files);
    // What code in kernel mode does is not seen from inside a program.
    files.retain(|file| {
        let folder = file.parent().and_then(Path::file_name);
        folder.is_none_or(|folder| folder != "driver" && folder != "kapc")
    });
    for (at, file) in files.iter().enumerate() {
        let scenario = alertable_traces::read_scenario_file(file).unwrap();
        let (trace, deviations) = traced(&scenario, Time::Urgent, at as u64, 4);
        let trace = String::from_utf8(trace).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy();
        traces.extend(Accepted::read(&name, &trace, deviations));
    }
    let mut captures = Vec::new();
    documents(&corpus.join("captures/wine-api"), "jsonl", &mut captures);
    let deviations = deviation::dialect("wine-8.0").unwrap().deviations;
    for file in &captures {
        let name = format!("wine-api/{}", file.file_stem().unwrap().to_string_lossy());
        let trace = fs::read_to_string(file).unwrap();
        traces.extend(Accepted::read(&name, &trace, deviations));
    }
    traces
}

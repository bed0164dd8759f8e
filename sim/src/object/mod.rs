//! Checking a trace of the level `object`: the machine follows it, call by call.
//!
//! The order of such a trace is the order in which the system did things, so nothing has to be
//! searched for. Every call is done to an [`OpenWorld`](alertable_models::open::OpenWorld); what
//! that says has to be what the system answered, and the waits that it ends have to end in the
//! trace, in the same order. What the world cannot know (when a driver completes a request, when
//! time is over, what is done to objects that existed before the trace) is taken from the trace
//! as long as the rules allow it.

mod calls;
mod describe;
mod follower;
mod requests;
mod search;
mod waits;
mod wakes;

use alertable_models::deviation::{Deviation, Deviations};
use alertable_models::rule::RuleId;
use alertable_traces::Error;
use alertable_traces::trace::{ObjectTraceEvent, TraceReader};
use follower::Follower;
use search::Recent;
use std::collections::BTreeMap;
use std::io::BufRead;

/// Why an event is not explained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unexplained {
    /// The kind of difference, in a few words that do not name anything.
    pub kind: &'static str,
    /// What the trace says, in one sentence.
    pub seen: String,
    /// What would have been allowed.
    pub allowed: Vec<String>,
    /// The objects and threads concerned, as they were there.
    pub state: Vec<String>,
    /// The rules that decide it.
    pub rules: Vec<RuleId>,
    /// The thread and the objects by their names in the trace, of which nothing is taken for
    /// known if the trace is followed further.
    pub(crate) concerned: Vec<String>,
}

/// Where it is in the trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The line of the trace.
    pub line: u32,
    /// The number of the event: the line of the log.
    pub event: u64,
}

/// What stops the following of a trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// An event is not explained.
    Unexplained(Box<Unexplained>),
    /// There are more threads or objects at a time than the machine has numbers for.
    Full,
}

impl From<alertable_models::open::Full> for Stop {
    fn from(_: alertable_models::open::Full) -> Self {
        Stop::Full
    }
}

/// The first event that is not explained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub unexplained: Unexplained,
    /// The deviations that explain it, each one alone: with them where the dialect lacks them,
    /// without them where it has them.
    pub explained_by: Vec<(Deviation, bool)>,
}

/// How often something was not explained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KindCount {
    /// How often.
    pub count: u64,
    /// Where first.
    pub first: Place,
}

/// What came of checking a trace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectReport {
    /// The events that were followed: with a difference, those before it.
    pub event_count: u64,
    /// The first event that is not explained.
    pub difference: Option<Difference>,
    /// All that was not explained, by kind, if the trace was followed to its end.
    pub kinds: BTreeMap<&'static str, KindCount>,
    /// The trace could not be followed further.
    pub is_full: bool,
    /// What the trace has: how many waits, wakes, requests, and so on.
    pub counts: BTreeMap<&'static str, u64>,
    /// The rules that took effect.
    pub rules: Vec<RuleId>,
}

impl ObjectReport {
    /// Whether every event is explained.
    pub fn is_explained(&self) -> bool {
        self.difference.is_none() && !self.is_full
    }
}

/// How a trace is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectOptions {
    /// How the system departs from the rules.
    pub deviations: Deviations,
    /// Goes on after what is not explained, and counts it by kind.
    pub keeps_going: bool,
    /// Looks for the deviations that explain the first difference.
    pub finds_deviations: bool,
}

impl ObjectOptions {
    /// Of a system that departs from the rules so: stops at the first difference, and looks for
    /// the deviations that explain it.
    pub fn new(deviations: Deviations) -> Self {
        ObjectOptions { deviations, keeps_going: false, finds_deviations: true }
    }
}

/// Checks the events of a trace, in memory for what exists at a time.
///
/// # Errors
/// Those of the reader.
pub fn check_object_trace<R: BufRead>(
    reader: &mut TraceReader<R>,
    options: ObjectOptions,
) -> Result<ObjectReport, Error> {
    let mut checker = ObjectChecker::new(options);
    while let Some(event) = reader.next_object_event()? {
        if !checker.event(event, reader.line()) {
            break;
        }
    }
    Ok(checker.finish())
}

/// Checks events one at a time.
#[derive(Clone, Debug)]
pub struct ObjectChecker {
    follower: Follower,
    recent: Option<Recent>,
    keeps_going: bool,
    report: ObjectReport,
    last: Place,
}

impl ObjectChecker {
    /// Before the first event.
    pub fn new(options: ObjectOptions) -> Self {
        let follower = Follower::new(options.deviations);
        ObjectChecker {
            recent: options.finds_deviations.then(|| Recent::new(&follower)),
            follower,
            keeps_going: options.keeps_going,
            report: ObjectReport::default(),
            last: Place { line: 0, event: 0 },
        }
    }

    /// Takes the event on this line of the trace; whether there is any sense in going on.
    pub fn event(&mut self, event: ObjectTraceEvent, line: u32) -> bool {
        self.last = Place { line, event: event.n };
        let followed = self.follower.event(&event);
        if let Some(recent) = &mut self.recent {
            recent.push(event, &self.follower);
        }
        match followed {
            Ok(()) => {
                if self.report.difference.is_none() {
                    self.report.event_count += 1;
                }
                true
            }
            Err(stop) => self.stopped(stop),
        }
    }

    fn stopped(&mut self, stop: Stop) -> bool {
        let unexplained = match stop {
            Stop::Full => {
                self.report.is_full = true;
                return false;
            }
            Stop::Unexplained(unexplained) => *unexplained,
        };
        let first = self.last.clone();
        let new = KindCount { count: 0, first: first.clone() };
        self.report.kinds.entry(unexplained.kind).or_insert(new).count += 1;
        if self.keeps_going {
            self.follower.forget(&unexplained.concerned);
        }
        if self.report.difference.is_none() {
            let deviations = self.follower.deviations();
            let explained_by =
                self.recent.take().map_or_else(Vec::new, |recent| recent.explained_by(deviations));
            self.report.difference = Some(Difference { place: first, unexplained, explained_by });
        }
        self.keeps_going
    }

    /// After the last event.
    pub fn finish(mut self) -> ObjectReport {
        self.report.counts = self.follower.counts().clone();
        self.report.rules = self.follower.rules().to_vec();
        self.report
    }

    /// How many threads, objects and requests are kept.
    pub fn kept(&self) -> usize {
        self.follower.kept()
    }
}

//! Checking traces of the level `api`: searching for an execution that explains what a program
//! saw of itself.
//!
//! Each call takes effect at one moment between the event of the call and that of its return, a
//! routine is entered before its event and returns after that of its end, and whatever the system
//! does by itself (time-outs, expiries, completions, second stages, exits) happens in between.
//! Nothing that waits for a time happens before the time has passed since the call that set it
//! began; anything may be late.
//!
//! A trace is first followed with the least that explains it (`trail`), which is fast and finds
//! an explanation of nearly every trace that has one; what is kept of the trace does not grow. If
//! that fails, everything that could have happened is followed at once (`sweep`), from the
//! beginning: only where that ends is a trace not explained.

mod ahead;
mod config;
mod judge;
mod order;
mod progress;
mod project;
mod report;
mod search;
mod sweep;
mod trail;
mod ways;

pub use judge::{Judged, TRIED_EVENT_COUNT_MAX, judge_file};
pub use project::{Projector, Spread, project};
pub use report::{Allowed, Report};

use ahead::{Ahead, Coming};
use alertable_models::deviation::Deviations;
use alertable_models::ids::ThreadId;
use alertable_models::machine::{Model, Settings, Time};
use alertable_models::program::compile;
use alertable_traces::Error;
use alertable_traces::trace::TraceHeader;
use alertable_traces::trace::api::{ApiEvent, ApiReader};
use config::{Config, Stepper};
use progress::Progress;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::rc::Rc;
use sweep::Sweep;
use trail::Trail;

/// The most steps that are made to explain an event where many traces are to be tried.
const SOON_STEP_COUNT_MAX: u64 = 50_000;

/// How a trace is checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the system departs from the rules.
    pub deviations: Deviations,
    /// How much too early a time-out may seem, in nanoseconds; by the source of the trace if it
    /// is not given.
    pub tolerance_ns: Option<u64>,
    /// The most steps of the search.
    pub step_count_max: u64,
}

/// What came of the search for an explanation.
#[derive(Debug)]
pub enum Verdict {
    /// There is one.
    Explained {
        /// How many events the trace has.
        event_count: u64,
    },
    /// There is none.
    Unexplained(Box<Report>),
    /// None was found before a limit was met.
    Undecided(Box<Report>),
}

impl Verdict {
    /// How many events were explained.
    pub fn explained_count(&self) -> u64 {
        match self {
            Verdict::Explained { event_count } => *event_count,
            Verdict::Unexplained(report) | Verdict::Undecided(report) => report.explained_count,
        }
    }
}

/// Checks a trace. `open` opens it from its beginning, more than once if need be.
///
/// # Errors
/// When it cannot be read, is no `api` trace, or its scenario cannot be simulated.
pub fn check<R: BufRead>(
    name: &str,
    open: impl Fn() -> Result<R, Error>,
    options: &Options,
) -> Result<Verdict, Error> {
    let reader = ApiReader::new(open()?, Some(name))?;
    let setting = Setting::of(name, reader.header(), options)?;
    let (model, limit) = (&setting.model, options.step_count_max);
    let mut trail = Trail::new(setting.stepper(), limit);
    if follow(model, reader, |step| trail.event(step))? {
        return Ok(Verdict::Explained { event_count: trail.count() });
    }
    let (mut end, mut stepper) = trail.into_end();
    // What was left out may have been needed: everything is tried, from the beginning. Then once
    // more without looking ahead, which shows how far the trace is explained by itself.
    let mut is_certain = false;
    for looks_beyond in [false, true] {
        stepper.looks_beyond = looks_beyond;
        let limit = stepper.step_count.saturating_add(limit);
        let mut sweep = Sweep::new(model, &mut stepper, limit);
        let reader = ApiReader::new(open()?, Some(name))?;
        let is_explained = follow(model, reader, |step| sweep.event(step))?;
        if is_explained && !looks_beyond {
            return Ok(Verdict::Explained { event_count: sweep.count() });
        }
        is_certain |= sweep.is_complete();
        if let Some(here) = sweep.into_end().filter(|here| here.count >= end.count) {
            end = here;
        }
        if !is_certain {
            break;
        }
    }
    let report = Box::new(Report::new(&mut stepper, &end));
    Ok(if is_certain { Verdict::Unexplained(report) } else { Verdict::Undecided(report) })
}

/// Hands over the events of a trace one by one, as long as they are taken. Whether all were.
fn follow<R: BufRead>(
    model: &Model,
    reader: ApiReader<R>,
    mut take: impl FnMut(Step) -> bool,
) -> Result<bool, Error> {
    let mut ahead = Ahead::new(reader);
    let mut ids = Vec::new();
    while let Some(Coming { event, next, sooner }) = ahead.next()? {
        let threads = ahead.threads();
        while ids.len() < threads.len() {
            let id = model.program.thread_named(&threads[ids.len()]);
            ids.push(id.expect("the reader knows the scenario's threads"));
        }
        let sooner = sooner.into_iter().map(|thread| ids[thread]).collect();
        if !take(Step { thread: ids[event.thread], event, next, sooner }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An event of a trace.
#[derive(Clone)]
struct Step {
    thread: ThreadId,
    event: Rc<ApiEvent>,
    /// The next event of its thread, as far as that has been read.
    next: Option<Rc<ApiEvent>>,
    /// The threads whose calls probably took effect before that which it is the return of.
    sooner: Vec<ThreadId>,
}

/// Where a trace could not be followed.
struct End {
    /// How many events before it were explained.
    count: u64,
    step: Step,
    /// States that explain them.
    states: Vec<Config>,
    progress: Progress,
}

/// Checks a trace in a file; as [`check`].
///
/// # Errors
/// As [`check`].
pub fn check_file(path: &Path, options: &Options) -> Result<Verdict, Error> {
    let name = path.display().to_string();
    check(&name, || opened(path, &name), options)
}

/// Whether a trace in a file is explained, as far as that is found out soon.
fn is_soon_explained(path: &Path, options: &Options) -> Result<bool, Error> {
    let name = path.display().to_string();
    let reader = ApiReader::new(opened(path, &name)?, Some(&name))?;
    let setting = Setting::of(&name, reader.header(), options)?;
    let mut trail = Trail::new(setting.stepper(), SOON_STEP_COUNT_MAX.min(options.step_count_max));
    follow(&setting.model, reader, |step| trail.event(step))
}

fn opened(path: &Path, name: &str) -> Result<BufReader<File>, Error> {
    let file = File::open(path)
        .map_err(|error| Error::about_file(name, format!("cannot be read: {error}")))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// What a trace is followed with.
struct Setting {
    model: Model,
    tolerance_ns: u64,
    ns_per_ms: u64,
}

impl Setting {
    fn of(name: &str, header: &TraceHeader, options: &Options) -> Result<Self, Error> {
        let about = |message| Error::about_file(name, message);
        let model = model_of(header, options).map_err(about)?;
        let tolerance_ns = options.tolerance_ns.unwrap_or_else(|| tolerance_ns(header));
        let ns_per_ms = ns_per_ms(header).map_err(about)?;
        Ok(Setting { model, tolerance_ns, ns_per_ms })
    }

    fn stepper(&self) -> Stepper<'_> {
        Stepper::new(&self.model, self.tolerance_ns, self.ns_per_ms)
    }
}

/// The machine that a trace is followed on.
fn model_of(header: &TraceHeader, options: &Options) -> Result<Model, String> {
    let Some(scenario) = &header.scenario else {
        return Err("the header has no scenario".to_owned());
    };
    let program = compile(scenario).map_err(|error| error.to_string())?.traced();
    let processors = scenario.machine.processors.unwrap_or(Settings::default().processors);
    let settings = Settings { deviations: options.deviations, processors, time: Time::Free };
    Ok(Model { program, settings })
}

/// How much too early a time-out of a system may seem.
///
/// Windows counts time in ticks of its clock and may end a wait up to one tick early (15.6 ms
/// unless a program asks for shorter ones); the times of simulated runs are exact.
fn tolerance_ns(header: &TraceHeader) -> u64 {
    match header.source.get("system").and_then(Value::as_str) {
        Some(crate::trace::SYSTEM) => 0,
        Some("wine") => 1_000_000,
        _ => 16_000_000,
    }
}

/// How long a millisecond of the scenario took: the `scale` of the source.
#[allow(clippy::cast_sign_loss, reason = "a scale is above 0")]
fn ns_per_ms(header: &TraceHeader) -> Result<u64, String> {
    const NS_PER_MS: f64 = 1e6;
    match header.source.get("scale") {
        None => Ok(1_000_000),
        Some(scale) => match scale.as_f64() {
            Some(scale) if scale > 0.0 && scale < 1e9 => Ok((scale * NS_PER_MS) as u64),
            _ => Err("the header's source has a \"scale\" that is no factor above 0".to_owned()),
        },
    }
}

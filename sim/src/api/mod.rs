//! Checking traces of the level `api`: searching for an execution that explains what a program
//! saw of itself.
//!
//! Each call takes effect at one moment between the event of the call and that of its return, a
//! routine is entered before its event and returns after that of its end, and whatever the system
//! does by itself (time-outs, expiries, completions, second stages, exits) happens in between.
//! Nothing that waits for a time happens before the time has passed since the call that set it
//! began; anything may be late. The trace is read once, and what is kept of it does not grow.

mod config;
mod judge;
mod order;
mod progress;
mod project;
mod report;
mod search;

pub use judge::{Judged, TRIED_EVENT_COUNT_MAX, judge_file};
pub use project::{Projector, Spread, project};
pub use report::{Allowed, Report};

use alertable_models::deviation::Deviations;
use alertable_models::ids::ThreadId;
use alertable_models::machine::{Model, Settings, Time};
use alertable_models::program::compile;
use alertable_traces::Error;
use alertable_traces::trace::TraceHeader;
use alertable_traces::trace::api::{ApiEvent, ApiReader};
use config::{Config, Stepper};
use order::Ordered;
use progress::Progress;
use search::{Effort, Found, Goal, Search, without_reachable};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// How often the states are kept that a search can go back to, in events.
const CHECKPOINT_DISTANCE: usize = 32;

/// How many times they are kept.
const CHECKPOINT_COUNT_MAX: usize = 6;

/// The most states that are kept for one place in the trace.
const STATE_COUNT_MAX: usize = 20_000;

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
    let about = |message| Error::about_file(name, message);
    let model = model_of(reader.header(), options).map_err(about)?;
    let tolerance_ns = options.tolerance_ns.unwrap_or_else(|| tolerance_ns(reader.header()));
    let ns_per_ms = ns_per_ms(reader.header()).map_err(about)?;
    let mut session = Session::new(&model, tolerance_ns, ns_per_ms, options.step_count_max);
    let first = session.follow(reader)?;
    let Some(broken) = first else {
        return Ok(Verdict::Explained { event_count: session.count });
    };
    if broken.is_certain {
        return Ok(Verdict::Unexplained(Box::new(broken.report)));
    }
    // What was left out before may have been needed: everything is tried, from the beginning.
    let step_count = session.stepper.step_count;
    let mut session = Session::new(&model, tolerance_ns, ns_per_ms, options.step_count_max);
    session.stepper.step_count = step_count;
    session.full_until = broken.report.explained_count + 1;
    let second = session.follow(ApiReader::new(open()?, Some(name))?)?;
    Ok(match second {
        None => Verdict::Explained { event_count: session.count },
        Some(again) => {
            let is_certain = again.is_certain;
            let further = again.report.explained_count >= broken.report.explained_count;
            let report = Box::new(if further { again.report } else { broken.report });
            if is_certain { Verdict::Unexplained(report) } else { Verdict::Undecided(report) }
        }
    })
}

/// Checks a trace in a file; as [`check`].
///
/// # Errors
/// As [`check`].
pub fn check_file(path: &Path, options: &Options) -> Result<Verdict, Error> {
    let name = path.display().to_string();
    let open = || {
        let file = File::open(path)
            .map_err(|error| Error::about_file(&name, format!("cannot be read: {error}")))?;
        Ok(BufReader::with_capacity(1 << 16, file))
    };
    check(&name, open, options)
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

/// An event that is not explained.
struct Broken {
    report: Report,
    /// It cannot be, whatever was left out.
    is_certain: bool,
}

/// The states that explained a trace up to some event, and the events since.
struct Checkpoint {
    states: Vec<Config>,
    progress: Progress,
    is_complete: bool,
    events: Vec<(ThreadId, ApiEvent)>,
}

/// Follows a trace.
struct Session<'a> {
    stepper: Stepper<'a>,
    states: Vec<Config>,
    progress: Progress,
    /// The states are all that explain the trace so far, or can be reached from them.
    is_complete: bool,
    checkpoints: VecDeque<Checkpoint>,
    /// Everything is tried up to this event.
    full_until: u64,
    step_count_max: u64,
    /// How many events were explained.
    count: u64,
}

impl<'a> Session<'a> {
    fn new(model: &'a Model, tolerance_ns: u64, ns_per_ms: u64, step_count_max: u64) -> Self {
        Session {
            stepper: Stepper::new(model, tolerance_ns, ns_per_ms),
            states: vec![Config::first(model)],
            progress: Progress::new(model.program.thread_ids().count()),
            is_complete: true,
            checkpoints: VecDeque::new(),
            full_until: 0,
            step_count_max,
            count: 0,
        }
    }

    /// Explains event after event; the first that cannot be.
    fn follow<R: BufRead>(&mut self, reader: ApiReader<R>) -> Result<Option<Broken>, Error> {
        let mut ids = Vec::new();
        let mut ordered = Ordered::new(reader);
        while let Some(event) = ordered.next()? {
            while ids.len() <= event.thread {
                let name = &ordered.threads()[ids.len()];
                ids.push(self.stepper.model.program.thread_named(name));
            }
            let thread = ids[event.thread].expect("the reader knows the scenario's threads");
            if let Some(broken) = self.event(thread, event) {
                return Ok(Some(broken));
            }
        }
        Ok(None)
    }

    fn event(&mut self, thread: ThreadId, event: ApiEvent) -> Option<Broken> {
        self.keep_checkpoint();
        let effort = if self.count < self.full_until { Effort::Full } else { Effort::Likely };
        self.progress.advance(event.t);
        let found = self.explain(thread, &event, effort);
        if !found.states.is_empty() {
            self.is_complete &= found.is_complete;
            self.accept(thread, &event, found.states);
            if let Some(checkpoint) = self.checkpoints.back_mut() {
                checkpoint.events.push((thread, event));
            }
            return self.over_limit();
        }
        let certain_here = self.is_complete && effort == Effort::Full && found.is_complete;
        match (certain_here, effort) {
            (true, _) | (false, Effort::Full) => Some(self.broken(thread, &event, certain_here)),
            (false, Effort::Likely) => self.try_harder(thread, event),
        }
    }

    /// The states that explain an event, too.
    fn explain(&mut self, thread: ThreadId, event: &ApiEvent, effort: Effort) -> Found {
        let goal = Goal::of(&event.what);
        let progress = &self.progress;
        let mut search = Search { stepper: &mut self.stepper, progress, thread, goal };
        search.run(&self.states, effort)
    }

    /// Takes in an event that is explained.
    fn accept(&mut self, thread: ThreadId, event: &ApiEvent, mut states: Vec<Config>) {
        states.iter_mut().for_each(|state| state.tell(thread));
        self.progress.tell(thread, event);
        let states = without_reachable(&mut self.stepper, &self.progress, states);
        for state in std::mem::replace(&mut self.states, states) {
            self.stepper.recycle(state);
        }
        self.count += 1;
    }

    fn over_limit(&mut self) -> Option<Broken> {
        if self.stepper.step_count <= self.step_count_max && self.states.len() <= STATE_COUNT_MAX {
            return None;
        }
        let report = Report::at_limit(self);
        Some(Broken { report, is_certain: false })
    }

    fn keep_checkpoint(&mut self) {
        let is_time = self
            .checkpoints
            .back()
            .is_none_or(|checkpoint| checkpoint.events.len() >= CHECKPOINT_DISTANCE);
        if is_time {
            if self.checkpoints.len() == CHECKPOINT_COUNT_MAX {
                for state in self.checkpoints.pop_front().into_iter().flat_map(|c| c.states) {
                    self.stepper.recycle(state);
                }
            }
            let states = self.states.iter().map(|state| self.stepper.copy(state)).collect();
            self.checkpoints.push_back(Checkpoint {
                states,
                progress: self.progress.clone(),
                is_complete: self.is_complete,
                events: Vec::new(),
            });
        }
    }

    /// An event that is not explained by what was likely: everything is tried, here and then from
    /// ever further back.
    fn try_harder(&mut self, thread: ThreadId, event: ApiEvent) -> Option<Broken> {
        let found = self.explain(thread, &event, Effort::Full);
        if !found.states.is_empty() {
            self.is_complete &= found.is_complete;
            self.accept(thread, &event, found.states);
            if let Some(checkpoint) = self.checkpoints.back_mut() {
                checkpoint.events.push((thread, event));
            }
            return self.over_limit();
        }
        if self.is_complete && found.is_complete {
            return Some(self.broken(thread, &event, true));
        }
        let broken = self.broken(thread, &event, false);
        for back in (0..self.checkpoints.len()).rev() {
            match self.again_from(back, thread, &event) {
                Again::Explained => return self.over_limit(),
                Again::Impossible => return Some(Broken { is_certain: true, ..broken }),
                Again::Failed => {}
            }
        }
        Some(broken)
    }

    /// Follows the trace again from a checkpoint and tries everything.
    fn again_from(&mut self, back: usize, thread: ThreadId, event: &ApiEvent) -> Again {
        let checkpoint = &self.checkpoints[back];
        let was_complete = checkpoint.is_complete;
        let mut states = Vec::new();
        for state in &checkpoint.states {
            states.push(self.stepper.copy(state));
        }
        let later = self.checkpoints.iter().skip(back).flat_map(|c| c.events.iter().cloned());
        let mut events: Vec<_> = later.collect();
        events.push((thread, event.clone()));
        let present = (
            std::mem::replace(&mut self.states, states),
            std::mem::replace(&mut self.progress, checkpoint.progress.clone()),
            self.is_complete,
            self.count,
        );
        self.is_complete = was_complete;
        self.count = self.count + 1 - events.len() as u64;
        for (thread, event) in &events {
            self.progress.advance(event.t);
            let found = self.explain(*thread, event, Effort::Full);
            let is_over = self.stepper.step_count > self.step_count_max
                || found.states.len() > STATE_COUNT_MAX;
            if found.states.is_empty() || is_over {
                let is_certain = self.is_complete && found.is_complete && !is_over;
                (self.states, self.progress, self.is_complete, self.count) = present;
                return if is_certain { Again::Impossible } else { Again::Failed };
            }
            self.is_complete &= found.is_complete;
            self.accept(*thread, event, found.states);
        }
        // What was kept since does not hold any more.
        self.checkpoints.truncate(back + 1);
        if let Some(checkpoint) = self.checkpoints.back_mut() {
            checkpoint.events = events;
        }
        Again::Explained
    }

    fn broken(&mut self, thread: ThreadId, event: &ApiEvent, is_certain: bool) -> Broken {
        Broken { report: Report::new(self, thread, event), is_certain }
    }
}

/// What came of following a trace again.
enum Again {
    Explained,
    /// It cannot be explained, and nothing had been left out before.
    Impossible,
    Failed,
}

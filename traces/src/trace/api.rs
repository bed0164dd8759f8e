//! Traces of the level `api`: what a program saw of itself.
//!
//! Each thread writes down its calls before it makes them and their results after they have
//! returned, its routines when they begin and before they return, its own beginning and, as the
//! last thing that it does, that it ends. The reader demands that each thread's events are nested
//! as calls and routines are, that times do not go back, and that names are those of the
//! scenario, if there is one.

use super::{EventKind, Level, ThreadEvent, TraceEvent, TraceHeader, TraceReader};
use crate::call::Call;
use crate::context::{Context, Kind};
use crate::error::{Error, Fault};
use crate::limits::THREAD_COUNT_MAX;
use crate::outcome::{ApcEntry, CallResult};
use crate::read::Fields;
use crate::scenario::{Object, Scenario, worker_name};
use crate::suggest::did_you_mean_or_list;
use std::io::BufRead;

/// The deepest nesting of calls and routines in a thread.
const DEPTH_MAX: usize = 2_100;

/// One event of an `api` trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiEvent {
    /// Its line, from 1.
    pub line: u32,
    /// Its number.
    pub n: u64,
    /// When it was written down, in nanoseconds.
    pub t: u64,
    /// Whose it is: the number of a thread in [`ApiReader::threads`].
    pub thread: usize,
    /// What happened.
    pub what: ApiEventKind,
}

/// What happens in an `api` trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiEventKind {
    /// A call is about to be made.
    Call(Call),
    /// The innermost call that is open has returned.
    Return(CallResult),
    /// A routine begins.
    Apc(ApcEntry),
    /// The innermost routine that is open is about to return.
    ApcReturn,
    /// The thread has begun, and run what comes before its entry point.
    Started,
    /// The thread is about to end.
    Ending,
}

impl ApiEventKind {
    /// Whether it is written down before what it tells of takes effect.
    pub fn is_intent(&self) -> bool {
        matches!(self, Self::Call(_) | Self::ApcReturn | Self::Ending)
    }
}

/// What a thread has begun and not ended, the innermost last.
#[derive(Debug)]
enum Open {
    Call(u64),
    Routine(ApcEntry),
}

#[derive(Debug, Default)]
struct ThreadLog {
    open: Vec<Open>,
    is_started: bool,
    has_ended: bool,
}

/// Reads an `api` trace, one event at a time.
#[derive(Debug)]
pub struct ApiReader<R> {
    reader: TraceReader<R>,
    cx: Context,
    threads: Vec<String>,
    logs: Vec<ThreadLog>,
    /// The time of the last event.
    now: u64,
}

impl<R: BufRead> ApiReader<R> {
    /// Reads the header. The name of the file is for errors.
    ///
    /// # Errors
    /// When the first line is no header of an `api` trace, or a scenario in it is wrong.
    pub fn new(reader: R, file: Option<&str>) -> Result<Self, Error> {
        let reader = TraceReader::new(reader, file)?;
        let header = reader.header();
        if header.level != Level::Api {
            let message = format!("this is a trace of level \"{}\", not \"api\"", header.level);
            let about = file.unwrap_or("the trace");
            return Err(Error::about_file(about, message));
        }
        let (cx, threads) = match &header.scenario {
            Some(scenario) => (Context::captured_of(names(scenario)), threads_of(scenario)),
            None => (Context::captured(), Vec::new()),
        };
        let logs = threads.iter().map(|_| ThreadLog::default()).collect();
        Ok(ApiReader { reader, cx, threads, logs, now: 0 })
    }

    /// The header.
    pub fn header(&self) -> &TraceHeader {
        self.reader.header()
    }

    /// The names of the threads: those of the scenario with those of its pools, or, without a
    /// scenario, those that have had an event so far.
    pub fn threads(&self) -> &[String] {
        &self.threads
    }

    /// The next event; none at the end of the trace.
    ///
    /// # Errors
    /// When the line is no event that can stand in an `api` trace at this place.
    pub fn next_event(&mut self) -> Result<Option<ApiEvent>, Error> {
        let ApiReader { reader, cx, threads, logs, now } = self;
        let closed = reader.header().scenario.is_some();
        let mut books = Books { threads, logs, now, closed };
        reader.next_with(cx, |event, fields, line| books.enter(event, fields, line))
    }
}

/// What is kept of the events so far.
struct Books<'a> {
    threads: &'a mut Vec<String>,
    logs: &'a mut Vec<ThreadLog>,
    now: &'a mut u64,
    /// There are no threads but those that are known.
    closed: bool,
}

impl Books<'_> {
    fn enter(
        &mut self,
        event: TraceEvent<'static>,
        fields: Fields<'_, '_>,
        line: u32,
    ) -> Result<ApiEvent, Fault> {
        let TraceEvent { n, t, thread, what } = event;
        let at = |field: &str| fields.get(field).map_or(fields.span, |node| node.span);
        if t < *self.now {
            let message = format!("time goes back, from {} to {t}", self.now);
            return Err(Fault::new(at("t"), message));
        }
        let Some(name) = thread else { return Err(fields.missing("thread")) };
        let thread = self.thread(&name, at)?;
        let log = &mut self.logs[thread];
        if log.has_ended {
            return Err(Fault::new(at("thread"), format!("{name:?} has ended before")));
        }
        if log.open.len() >= DEPTH_MAX {
            let message = format!("calls and routines are nested more than {DEPTH_MAX} deep");
            return Err(Fault::new(at("ev"), message));
        }
        let what = log.enter(n, what).map_err(|(field, message)| Fault::new(at(field), message))?;
        *self.now = t;
        Ok(ApiEvent { line, n, t, thread, what })
    }

    fn thread(
        &mut self,
        name: &str,
        at: impl Fn(&str) -> crate::error::Span,
    ) -> Result<usize, Fault> {
        if let Some(known) = self.threads.iter().position(|other| other == name) {
            return Ok(known);
        }
        if self.closed {
            let known: Vec<&str> = self.threads.iter().map(String::as_str).collect();
            let fault = Fault::new(at("thread"), format!("unknown thread {name:?}"));
            return Err(fault.with_help(did_you_mean_or_list(name, &known)));
        }
        if self.threads.len() == THREAD_COUNT_MAX {
            let message = format!("more than {THREAD_COUNT_MAX} threads");
            return Err(Fault::new(at("thread"), message));
        }
        self.threads.push(name.to_owned());
        self.logs.push(ThreadLog::default());
        Ok(self.threads.len() - 1)
    }
}

impl ThreadLog {
    /// Takes in an event; if it cannot be, the field that is wrong and why.
    fn enter(
        &mut self,
        n: u64,
        what: EventKind<'static>,
    ) -> Result<ApiEventKind, (&'static str, String)> {
        Ok(match what {
            EventKind::Call { call } => {
                if let Some(Open::Call(open)) = self.open.last() {
                    let message = format!("this thread is still in the call of event {open}");
                    return Err(("ev", message));
                }
                self.open.push(Open::Call(n));
                ApiEventKind::Call(call.into_owned())
            }
            EventKind::Return { of, result } => {
                match self.open.last() {
                    Some(Open::Call(call)) if *call == of => {}
                    Some(Open::Call(call)) => {
                        let message = format!("the call that is open is that of event {call}");
                        return Err(("of", message));
                    }
                    Some(Open::Routine(entry)) => {
                        let message = format!("the routine {:?} has not returned", entry.routine);
                        return Err(("ev", message));
                    }
                    None => return Err(("ev", "this thread is in no call".to_owned())),
                }
                self.open.pop();
                ApiEventKind::Return(result.into_owned())
            }
            EventKind::Apc(entry) => {
                self.open.push(Open::Routine(entry.as_ref().clone()));
                ApiEventKind::Apc(entry.into_owned())
            }
            EventKind::ApcReturn(entry) => {
                match self.open.last() {
                    Some(Open::Routine(open)) if open.routine == entry.routine => {}
                    Some(Open::Routine(open)) => {
                        let message = format!("the routine that is open is {:?}", open.routine);
                        return Err(("routine", message));
                    }
                    Some(Open::Call(call)) => {
                        let message = format!("the call of event {call} has not returned");
                        return Err(("ev", message));
                    }
                    None => return Err(("ev", "this thread is in no routine".to_owned())),
                }
                self.open.pop();
                ApiEventKind::ApcReturn
            }
            EventKind::Thread { what: ThreadEvent::Started } => {
                if std::mem::replace(&mut self.is_started, true) {
                    return Err(("what", "this thread has started before".to_owned()));
                }
                ApiEventKind::Started
            }
            EventKind::Thread { what: ThreadEvent::Terminated } => {
                match self.open.last() {
                    None => {}
                    Some(Open::Call(call)) => {
                        let message = format!("the call of event {call} has not returned");
                        return Err(("what", message));
                    }
                    Some(Open::Routine(entry)) => {
                        let message = format!("the routine {:?} has not returned", entry.routine);
                        return Err(("what", message));
                    }
                }
                self.has_ended = true;
                ApiEventKind::Ending
            }
            EventKind::Thread { what } => {
                let message = format!(
                    "a trace of level \"api\" has no thread event \"{what}\", only \"started\" \
                     and \"terminated\""
                );
                return Err(("what", message));
            }
            EventKind::Kapc { .. }
            | EventKind::Irp { .. }
            | EventKind::Packet { .. }
            | EventKind::Timer { .. }
            | EventKind::Irql { .. }
            | EventKind::Dpc { .. }
            | EventKind::Stop { .. }
            | EventKind::Object { .. }
            | EventKind::Choice { .. } => {
                let message = format!("a trace of level \"api\" has no event \"{}\"", what.name());
                return Err(("ev", message));
            }
        })
    }
}

/// The threads of a scenario, and those of its pools.
fn threads_of(scenario: &Scenario) -> Vec<String> {
    let workers = scenario.objects.iter().flat_map(|(name, object)| {
        let count = match object {
            Object::Pool { workers } => *workers,
            _ => 0,
        };
        (1..=count).map(move |number| worker_name(name, number))
    });
    scenario.threads.keys().cloned().chain(workers).collect()
}

/// What a scenario declares.
fn names(scenario: &Scenario) -> impl Iterator<Item = (String, Kind, Option<String>)> {
    let threads = threads_of(scenario).into_iter().map(|name| (name, Kind::Thread, None));
    let routines = scenario.routines.keys().map(|name| (name.clone(), Kind::Routine, None));
    let objects = scenario.objects.iter().map(|(name, object)| {
        let of = match object {
            Object::Handle { of, .. } => Some(of.clone()),
            _ => None,
        };
        (name.clone(), object.kind(), of)
    });
    threads.chain(routines).chain(objects).collect::<Vec<_>>().into_iter()
}

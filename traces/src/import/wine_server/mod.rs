//! Wine's server log (`WINEDEBUG=+server`) as a trace of the level `object`.
//!
//! The server has one thread, so the order of its lines is the order in which it did things. A
//! call and its answer are two lines of one thread, with what the call caused between them. Only
//! what the machine knows of is followed: threads, waits, APCs, dispatcher objects, asynchronous
//! requests, completion ports. Everything else is counted.
//!
//! What is kept are the threads, handles and requests that exist, so that memory does not grow
//! with the log.

mod calls;
mod handles;
mod lexer;
mod objects;
mod requests;
mod waits;

use crate::error::{Error, Fault, Span};
use crate::limits::LINE_BYTES_MAX;
use crate::trace::object::{Lifetime, ObjectCall, ObjectTraceKind, Reply};
use crate::trace::{Level, ObjectTraceEvent, TraceHeader};
use handles::{Handles, ObjectId, ProcessKey};
use lexer::Line;
use requests::Requests;
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::io::BufRead;

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many lines the log has.
    pub line_count: u64,
    /// Lines that are not the server's.
    pub foreign_line_count: u64,
    /// Lines of the server that cannot be read, and answers without their call.
    pub broken_line_count: u64,
    /// How many events they became.
    pub event_count: u64,
    /// How often each call was followed, by its name.
    pub followed: BTreeMap<String, u64>,
    /// How often each call was not.
    pub not_followed: BTreeMap<String, u64>,
}

/// A thread that has not ended.
#[derive(Debug, Default)]
struct Thread {
    process: Option<ProcessKey>,
    /// It has called the server, as far as this log tells.
    has_called: bool,
    /// The call that it waits for the answer of.
    pending: Option<Pending>,
    /// The objects that its wait names, and those of the waits inside which it is stopped.
    waits_for: Vec<Vec<Option<ObjectId>>>,
    /// The requests that it is finishing, by the handle that stands for the system APC.
    finishing: Vec<(u32, String, u64)>,
}

/// A call without its answer.
#[derive(Debug)]
struct Pending {
    name: String,
    what: Asked,
}

/// What an answer has to be read with.
#[derive(Debug)]
enum Asked {
    /// Nothing that is followed.
    Nothing,
    /// A call of which the trace tells; the answer says no more than its status.
    Told,
    /// A new handle to a new or existing object.
    Open(objects::Wanted),
    /// A new process.
    Process { inherits: bool, listed: Vec<u32> },
    /// A new thread in this process.
    Thread { process: Option<ProcessKey>, suspended: bool },
    /// The thread's own numbers.
    Identity,
    /// Closing this handle.
    Close(u32),
    /// Another handle of what this process calls so.
    Duplicate {
        object: ObjectId,
        source: Option<(ProcessKey, u32)>,
        to: ProcessKey,
        inherits: bool,
    },
    /// Inheritance of a handle.
    Inherit(u32, bool),
    /// A wait.
    Wait,
    /// An asynchronous request.
    Issue(requests::Issued),
    /// The end of one that the thread does itself.
    Direct(u32),
    /// The count or state before, under this name.
    Previous(&'static str),
    /// A packet.
    Packet,
}

/// Turns the lines of a log into events, one line at a time.
#[derive(Debug, Default)]
pub struct Importer {
    threads: BTreeMap<u32, Thread>,
    /// How many threads of each process have not ended, of those that the log saw begin.
    processes: BTreeMap<u32, u32>,
    handles: Handles,
    requests: Requests,
    report: Report,
    /// The number of the line that is being read.
    line: u64,
    events: Vec<ObjectTraceEvent>,
}

impl Importer {
    /// Before the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// The header of the trace.
    pub fn header() -> TraceHeader {
        let mut source = Map::new();
        source.insert("system".to_owned(), json!("wine"));
        source.insert("capture".to_owned(), json!("server log"));
        TraceHeader { level: Level::Object, source, scenario: None }
    }

    /// Reads a line without its end. What it tells is in [`events`](Self::take_events).
    pub fn line(&mut self, text: &str) {
        self.line += 1;
        self.report.line_count += 1;
        match Line::read(text) {
            Line::Foreign => self.report.foreign_line_count += 1,
            Line::Broken => self.broken(),
            Line::Note { id, name, text } => self.note(id, name, text),
            Line::Call { thread, name, fields } => {
                let here = self.thread(thread);
                here.has_called = true;
                let unanswered = here.pending.take();
                if unanswered.is_some_and(|call| !matches!(call.what, Asked::Nothing)) {
                    self.broken();
                }
                let what = self.call(thread, name, fields);
                let is_followed = !matches!(what, Asked::Nothing);
                let counts = if is_followed {
                    &mut self.report.followed
                } else {
                    &mut self.report.not_followed
                };
                count(counts, name);
                self.thread(thread).pending = Some(Pending { name: name.to_owned(), what });
            }
            Line::Return { thread, name, status, fields } => {
                let here = self.thread(thread);
                match here.pending.take() {
                    Some(pending) if pending.name == name => {
                        self.answer(thread, pending.what, &status_name(status), fields);
                    }
                    // The log begins between the two.
                    None if !here.has_called => {}
                    _ => self.broken(),
                }
            }
        }
    }

    /// The events since this was last called.
    pub fn take_events(&mut self) -> std::vec::Drain<'_, ObjectTraceEvent> {
        self.report.event_count += self.events.len() as u64;
        self.events.drain(..)
    }

    /// What came of it so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How many threads, handles, objects and requests are kept.
    pub fn kept(&self) -> usize {
        self.threads.len() + self.handles.kept() + self.requests.kept()
    }

    fn thread(&mut self, thread: u32) -> &mut Thread {
        self.threads.entry(thread).or_default()
    }

    fn process_of(&mut self, thread: u32) -> ProcessKey {
        self.thread(thread).process.unwrap_or(ProcessKey::OfThread(thread))
    }

    /// A thread turns out to belong to a process, and with it those that it has made.
    fn identify(&mut self, thread: u32, process: u32) {
        let (old, known) = (self.process_of(thread), ProcessKey::Known(process));
        self.thread(thread).process = Some(known);
        if old == known {
            return;
        }
        for other in self.threads.values_mut().filter(|other| other.process == Some(old)) {
            other.process = Some(known);
        }
        self.handles.identify(old, process);
        self.requests.identify(old, process);
    }

    fn emit(&mut self, thread: Option<u32>, what: ObjectTraceKind) {
        let thread = thread.map(|thread| format!("{thread:04x}"));
        self.events.push(ObjectTraceEvent { n: self.line, thread, what });
    }

    fn emit_call(&mut self, thread: u32, call: ObjectCall) {
        self.emit(Some(thread), ObjectTraceKind::Call { call });
    }

    fn emit_return(&mut self, thread: u32, status: &str, reply: Reply) {
        self.emit(Some(thread), ObjectTraceKind::Return { status: status.to_owned(), reply });
    }

    fn broken(&mut self) {
        self.report.broken_line_count += 1;
        self.emit(None, ObjectTraceKind::Gap { lines: 1 });
    }

    fn note(&mut self, id: u32, name: &str, text: &str) {
        match name {
            "wakeup" => self.wake(id, text),
            "killed" => {
                let code = text.strip_prefix("exit_code=").and_then(lexer::decimal);
                self.thread_ended(id, code);
            }
            // Descriptors, signals, and processes that nobody refers to any more.
            _ => {}
        }
    }

    /// A thread is gone, and its process if it was the last one.
    fn thread_ended(&mut self, thread: u32, code: Option<u32>) {
        let process = self.process_of(thread);
        let what = Lifetime::Ended;
        let known = match process {
            ProcessKey::Known(process) => Some(process),
            ProcessKey::OfThread(_) => None,
        };
        let named = known.map(process_name);
        let ended = ObjectTraceKind::Thread { what, process: named, suspended: false, code };
        self.emit(Some(thread), ended);
        self.threads.remove(&thread);
        let Some(process) = known else { return };
        let Some(left) = self.processes.get_mut(&process) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.processes.remove(&process);
            self.process_ended(process);
        }
    }

    /// The last thread of a process is gone, and its handles with it.
    fn process_ended(&mut self, process: u32) {
        let what = Lifetime::Ended;
        self.emit(None, ObjectTraceKind::Process { process: process_name(process), what });
        let key = ProcessKey::Known(process);
        for (handle, _) in self.handles.of_process(key) {
            self.close(key, handle);
        }
        self.handles.remove_process(key);
        self.requests.remove_process(key);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

/// The name of a process in the trace.
fn process_name(process: u32) -> String {
    format!("{process:04x}")
}

/// A status as the log writes it, by the name that the headers give it.
fn status_name(status: &str) -> String {
    let is_number = status.bytes().all(|b| b.is_ascii_hexdigit());
    let number = if is_number { lexer::hexadecimal(status) } else { None };
    let number = number.and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) => crate::status::NtStatus(number).to_string(),
        None => format!("STATUS_{status}"),
    }
}

/// Reads a whole log and hands its events on.
///
/// # Errors
/// When the log cannot be read or unpacked, has a line of more than [`LINE_BYTES_MAX`] bytes, or
/// has none of the server; and those of `each`, turned into its error.
pub fn import<E: From<Error>>(
    mut log: impl BufRead,
    file: Option<&str>,
    mut each: impl FnMut(&ObjectTraceEvent) -> Result<(), E>,
) -> Result<Report, E> {
    let mut importer = Importer::new();
    let mut bytes = Vec::new();
    while read_line(&mut log, &mut bytes, file, importer.line)? {
        importer.line(&String::from_utf8_lossy(&bytes));
        for event in importer.take_events() {
            each(&event)?;
        }
    }
    if importer.report.line_count == importer.report.foreign_line_count {
        let message = "there is no line of a Wine server log (WINEDEBUG=+server) in it";
        return Err(Error::without_place(file, message.to_owned()).into());
    }
    Ok(importer.report)
}

/// Reads the next line without its end; whether there is one.
fn read_line(
    log: &mut impl BufRead,
    bytes: &mut Vec<u8>,
    file: Option<&str>,
    line_count: u64,
) -> Result<bool, Error> {
    use std::io::Read;
    bytes.clear();
    let read = log.take(LINE_BYTES_MAX + 2).read_until(b'\n', bytes);
    read.map_err(|error| {
        let message = format!("cannot be read after line {line_count}: {error}");
        Error::without_place(file, message)
    })?;
    let has_line = !bytes.is_empty();
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.len() as u64 > LINE_BYTES_MAX {
        let message = format!("this line has more than {LINE_BYTES_MAX} bytes");
        let line = u32::try_from(line_count + 1).unwrap_or(u32::MAX);
        return Err(Fault::new(Span::new(0, 0), message).locate("", file, line));
    }
    Ok(has_line)
}

#[cfg(test)]
mod tests;

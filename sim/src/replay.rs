//! Re-executing full traces.
//!
//! A full trace holds every choice, so that a replay needs no search: it goes the same way,
//! writes its own trace, and compares the two byte by byte while it goes.

use crate::engine::policy::Policy;
use crate::engine::simulate::simulate;
use crate::system::{StepEvents, System};
use crate::trace::{SYSTEM, TraceSettings, Tracer};
use alertable_models::deviation::{self, Deviation, Deviations};
use alertable_models::machine::{Model, Settings, Time, Transition};
use alertable_models::program::compile;
use alertable_traces::Error;
use alertable_traces::trace::{Level, TraceHeader, TraceReader};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// The most bytes of a line that are compared: the header holds a scenario, and is the longest.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What came of a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replay {
    /// The trace was reproduced byte for byte.
    Same {
        /// How many events it has.
        event_count: u64,
    },
    /// It was not: the first line that differs.
    Different(Difference),
}

impl Replay {
    /// How many events were reproduced.
    pub fn event_count(&self) -> u64 {
        match self {
            Replay::Same { event_count } => *event_count,
            // The header is the first line.
            Replay::Different(difference) => difference.line.saturating_sub(2),
        }
    }
}

/// Where a trace and its replay part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The line of the trace, counted from 1.
    pub line: u64,
    /// What the replay has there; `None` when it is over.
    pub expected: Option<String>,
    /// What the trace has there; `None` when it is over.
    pub found: Option<String>,
}

/// Replays a full trace from a file.
///
/// # Errors
/// When the file cannot be read, is no trace, or is one that cannot be replayed: not a full one,
/// without its scenario, or of another system.
pub fn replay_file(path: &Path) -> Result<Replay, Error> {
    let name = path.display().to_string();
    let open = || {
        let file = File::open(path)
            .map_err(|error| Error::about_file(&name, format!("cannot be read: {error}")))?;
        Ok::<_, Error>(BufReader::with_capacity(1 << 16, file))
    };
    let header = TraceReader::new(open()?, Some(&name))?.header().clone();
    let about = |message| Error::about_file(&name, message);
    let model = model_of(&header).map_err(about)?;
    let step_count_max = number_of(&header.source, "step_limit").map_err(about)?;
    replay(&header, &model, step_count_max, open()?)
        .map_err(|error| Error::about_file(&name, format!("cannot be read: {error}")))
}

/// The model that a header describes.
fn model_of(header: &TraceHeader) -> Result<Model, String> {
    if header.level != Level::Full {
        return Err("only traces of level \"full\" can be replayed".to_owned());
    }
    let source = &header.source;
    if source.get("system").and_then(Value::as_str) != Some(SYSTEM) {
        return Err(format!("only traces with the source \"{SYSTEM}\" can be replayed"));
    }
    let Some(scenario) = &header.scenario else {
        return Err("the header has no scenario".to_owned());
    };
    let deviations = match source.get("deviations") {
        Some(Value::Array(ids)) => {
            ids.iter().map(deviation_of).collect::<Result<Deviations, String>>()?
        }
        other => return Err(wrong_setting("deviations", other, "a list of names")),
    };
    let time = match source.get("time").and_then(Value::as_str) {
        Some("free") => Time::Free,
        Some("urgent") => Time::Urgent,
        _ => {
            return Err(wrong_setting("time", source.get("time"), "\"urgent\" or \"free\""));
        }
    };
    let processors = number_of(source, "processors")?;
    let program = compile(scenario).map_err(|error| error.to_string())?;
    Ok(Model { program, settings: Settings { deviations, processors, time } })
}

fn deviation_of(id: &Value) -> Result<Deviation, String> {
    let id = id.as_str().unwrap_or_default();
    deviation::find(id).ok_or_else(|| format!("unknown deviation \"{id}\" in the header"))
}

/// A setting that is a number above 0.
fn number_of<T: TryFrom<u64>>(source: &Map<String, Value>, name: &str) -> Result<T, String> {
    let number = source.get(name).and_then(Value::as_u64).filter(|number| *number > 0);
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| wrong_setting(name, source.get(name), "a number in its range"))
}

fn wrong_setting(name: &str, found: Option<&Value>, wanted: &str) -> String {
    let found = found.map_or("nothing".to_owned(), Value::to_string);
    format!("the header's source has {found} as \"{name}\", which is {wanted}")
}

/// Goes along a trace and compares.
fn replay(
    header: &TraceHeader,
    model: &Model,
    step_count_max: u32,
    trace: impl BufRead,
) -> io::Result<Replay> {
    let Some(scenario) = &header.scenario else {
        return Ok(Replay::Same { event_count: 0 });
    };
    let comparison = RefCell::new(Comparison::new(trace));
    let system = System { model, checked: true, hits: None, futures: None, symmetry: None };
    let settings = TraceSettings::of_header(header);
    let mut tracer = Tracer::new(model, scenario, &settings, Comparer(&comparison));
    let mut policy = Recorded(&comparison);
    simulate(&system, &mut policy, step_count_max, |enabled, pick, step: &StepEvents| {
        // Once the two have parted nothing more is looked at.
        if !tracer.has_failed() {
            tracer.step(enabled, pick, &step.events);
        }
    });
    let event_count = tracer.event_count();
    drop(tracer);
    let mut comparison = comparison.into_inner();
    comparison.expect_end();
    match (comparison.error, comparison.difference) {
        (Some(error), _) => Err(error),
        (None, Some(difference)) => Ok(Replay::Different(difference)),
        (None, None) => Ok(Replay::Same { event_count }),
    }
}

/// The trace, read line by line, and where it parts from what is written.
struct Comparison<R> {
    trace: R,
    /// What was written since the last end of a line.
    written: Vec<u8>,
    /// The line that comes next in the trace; empty at its end.
    line: Vec<u8>,
    number: u64,
    difference: Option<Difference>,
    error: Option<io::Error>,
}

impl<R: BufRead> Comparison<R> {
    fn new(trace: R) -> Self {
        let mut this = Comparison {
            trace,
            written: Vec::new(),
            line: Vec::new(),
            number: 0,
            difference: None,
            error: None,
        };
        this.advance();
        this
    }

    fn advance(&mut self) {
        self.line.clear();
        self.number += 1;
        // What is longer than any line that is written differs from it.
        let mut line = (&mut self.trace).take(LINE_BYTES_MAX);
        if let Err(error) = line.read_until(b'\n', &mut self.line) {
            self.error.get_or_insert(error);
        }
    }

    /// Takes what is written, and compares when a line is complete. The writer writes a line's
    /// end by itself.
    fn take(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        if bytes.last() == Some(&b'\n') {
            self.compare();
            self.written.clear();
        }
    }

    fn compare(&mut self) {
        if self.difference.is_some() {
            return;
        }
        if self.line == self.written {
            self.advance();
        } else {
            let found = (!self.line.is_empty()).then(|| text(&self.line));
            let expected = Some(text(&self.written));
            self.difference = Some(Difference { line: self.number, expected, found });
        }
    }

    fn expect_end(&mut self) {
        if self.difference.is_none() && !self.line.is_empty() {
            let found = Some(text(&self.line));
            self.difference = Some(Difference { line: self.number, expected: None, found });
        }
    }
}

fn text(line: &[u8]) -> String {
    const SHOWN: usize = 300;
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Takes what the tracer writes, a line at a time.
struct Comparer<'a, R>(&'a RefCell<Comparison<R>>);

impl<R: BufRead> Write for Comparer<'_, R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut comparison = self.0.borrow_mut();
        comparison.take(bytes);
        match comparison.difference {
            None => Ok(bytes.len()),
            // The tracer keeps the error and the replay stops writing.
            Some(_) => Err(io::Error::other("the trace is different from here on")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Picks what the trace says that was picked.
struct Recorded<'a, R>(&'a RefCell<Comparison<R>>);

/// The part of a choice that a replay needs.
#[derive(Deserialize)]
struct Choice {
    picked: usize,
}

impl<R: BufRead> Policy<System<'_>> for Recorded<'_, R> {
    fn pick(&mut self, _: &System<'_>, enabled: &[Transition]) -> usize {
        if enabled.len() == 1 {
            return 0;
        }
        // Anything but a choice is found different when the choice is written.
        let comparison = self.0.borrow();
        let choice: Option<Choice> = serde_json::from_slice(&comparison.line).ok();
        choice.map_or(0, |choice| choice.picked.min(enabled.len() - 1))
    }
}

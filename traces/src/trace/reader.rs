//! Reading traces.

use super::{EventKind, ObjectTraceEvent, TraceEvent, TraceHeader};
use crate::context::Context;
use crate::error::{Error, Fault};
use crate::json::parse;
use crate::limits::{DOCUMENT_BYTES_MAX, LINE_BYTES_MAX};
use crate::lines::Lines;
use crate::read::{Fields, Read};
use std::io::BufRead;

/// Reads a trace, one event at a time, in memory for one line. Blank lines are skipped.
///
/// As an iterator it ends after the first error.
#[derive(Debug)]
pub struct TraceReader<R> {
    lines: Lines<R>,
    header: TraceHeader,
    /// The number of the last event.
    last: Option<u64>,
    is_done: bool,
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the header. The name of the file is for errors.
    ///
    /// # Errors
    /// When the first line is no header of a trace, or a scenario in it is wrong.
    pub fn new(reader: R, file: Option<&str>) -> Result<Self, Error> {
        let mut lines = Lines::new(reader, file);
        let Some(line) = lines.next(DOCUMENT_BYTES_MAX)? else {
            return Err(Error::without_place(file, "the trace is empty".to_owned()));
        };
        let read = parse(&line).and_then(|node| TraceHeader::read(&node, &mut Context::captured()));
        let header = read.map_err(|fault| lines.locate(&line, fault))?;
        Ok(TraceReader { lines, header, last: None, is_done: false })
    }

    /// The header.
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    /// The next event; none at the end of the trace. In a trace without a scenario, names refer
    /// to nothing.
    ///
    /// # Errors
    /// When the line is no event, or its number is not above that of the event before.
    pub fn next_event(&mut self) -> Result<Option<TraceEvent<'static>>, Error> {
        let Some(line) = self.lines.next(LINE_BYTES_MAX)? else { return Ok(None) };
        let event = self.event(&line).map_err(|fault| self.lines.locate(&line, fault))?;
        self.last = Some(event.n);
        Ok(Some(event))
    }

    /// The next event of a trace of the level `object`; none at the end of the trace.
    ///
    /// # Errors
    /// As those of [`next_event`](Self::next_event).
    pub fn next_object_event(&mut self) -> Result<Option<ObjectTraceEvent>, Error> {
        let Some(line) = self.lines.next(LINE_BYTES_MAX)? else { return Ok(None) };
        let read = parse(&line).and_then(|node| {
            let event = ObjectTraceEvent::read(&node, &mut Context::captured())?;
            // Several events of such a trace can come from one line of a log.
            self.check_number(event.n.saturating_add(1), node.fields()?)?;
            Ok(event)
        });
        let event = read.map_err(|fault| self.lines.locate(&line, fault))?;
        self.last = Some(event.n);
        Ok(Some(event))
    }

    /// The number of the line that was read last, counted from 1.
    pub fn line(&self) -> u32 {
        self.lines.number()
    }

    fn check_number(&self, n: u64, fields: Fields<'_, '_>) -> Result<(), Fault> {
        match self.last.filter(|last| n <= *last) {
            None => Ok(()),
            Some(last) => {
                let message = format!("event {n} follows event {last}");
                Err(Fault::new(fields.require("n")?.span, message))
            }
        }
    }

    fn event(&self, line: &str) -> Result<TraceEvent<'static>, Fault> {
        let node = parse(line)?;
        let event = TraceEvent::read(&node, &mut Context::captured())?;
        let fields = node.fields()?;
        self.check_number(event.n, fields)?;
        match &event.what {
            EventKind::Return { of, .. } if *of >= event.n => {
                let message =
                    format!("event {} returns from event {of}, which is not before it", event.n);
                Err(Fault::new(fields.require("of")?.span, message))
            }
            _ => Ok(event),
        }
    }
}

impl<R: BufRead> Iterator for TraceReader<R> {
    type Item = Result<TraceEvent<'static>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_event().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

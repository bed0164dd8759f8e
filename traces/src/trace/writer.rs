//! Writing traces.

use super::{ObjectTraceEvent, TraceEvent, TraceHeader};
use std::io::{self, Write};

/// Writes a trace, one line at a time. Wrap files in a `BufWriter`.
#[derive(Debug)]
pub struct TraceWriter<W> {
    writer: W,
}

impl<W: Write> TraceWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(writer: W, header: &TraceHeader) -> io::Result<Self> {
        let mut this = TraceWriter { writer };
        this.line(header)?;
        Ok(this)
    }

    /// Writes an event.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn event(&mut self, event: &TraceEvent<'_>) -> io::Result<()> {
        self.line(event)
    }

    /// Writes an event of a trace of the level `object`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn object_event(&mut self, event: &ObjectTraceEvent) -> io::Result<()> {
        self.line(event)
    }

    /// Flushes and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn line<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.writer, value)?;
        self.writer.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::TraceReader;

    use super::*;

    const TRACE: &str = r#"{"alertable":1,"kind":"trace","level":"full","source":{"seed":7,"system":"alertable"},"scenario":{"alertable":1,"kind":"scenario","title":"t","routines":{"A":[]},"threads":{"main":[{"call":"QueueUserAPC","thread":"main","routine":"A"}]}}}
{"n":0,"t":0,"thread":"main","ev":"thread","what":"running"}
{"n":1,"t":0,"thread":"main","ev":"call","call":"QueueUserAPC","target":"main","routine":"A"}
{"n":2,"t":5,"thread":"main","ev":"kapc","what":"queued","mode":"user","kind":"normal","routine":"A","data":0}
{"n":3,"t":5,"thread":"main","ev":"return","of":1,"ret":"TRUE"}
{"n":4,"t":5,"ev":"choice","among":["main","tick"],"picked":1}
{"n":5,"t":5,"thread":"main","ev":"apc","routine":"A","data":0}
{"n":6,"t":5,"thread":"main","ev":"apc-return","routine":"A","data":0}
{"n":7,"t":6,"ev":"irp","irp":1,"what":"completion-routine","device":"d","stack":2,"status":"STATUS_PENDING"}
{"n":8,"t":6,"ev":"packet","port":"cp","what":"queued","key":3,"overlapped":"ov"}
{"n":9,"t":6,"ev":"timer","timer":"t","what":"expired"}
{"n":10,"t":6,"thread":"main","ev":"object","object":"m","what":"abandoned"}
"#;

    fn message(trace: &str) -> String {
        let mut reader = match TraceReader::new(trace.as_bytes(), Some("x.trace")) {
            Ok(reader) => reader,
            Err(error) => return error.to_string(),
        };
        loop {
            match reader.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => return "fine".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    fn with(line: &str) -> String {
        let header = r#"{"alertable":1,"kind":"trace","level":"api","source":{},"scenario":null}"#;
        message(&format!("{header}\n\n{line}\n"))
    }

    #[test]
    fn a_trace_reads_back_byte_for_byte() {
        let mut reader = TraceReader::new(TRACE.as_bytes(), None).unwrap();
        let mut writer = TraceWriter::new(Vec::new(), reader.header()).unwrap();
        while let Some(event) = reader.next_event().unwrap() {
            writer.event(&event).unwrap();
        }
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), TRACE);
    }

    #[test]
    fn mistakes_name_the_line_and_column() {
        let sleep = r#"{"n":1,"t":0,"thread":"a","ev":"call","call":"Slep","ms":1}"#;
        assert_eq!(with(sleep), r#"x.trace:3:46: unknown call "Slep"; did you mean "Sleep"?"#);
        let event = r#"{"n":1,"t":0,"thread":"a","ev":"cal"}"#;
        assert_eq!(with(event), r#"x.trace:3:32: unknown event "cal"; did you mean "call"?"#);
        let cut = r#"{"n":1,"t":0,"#;
        assert_eq!(
            with(cut),
            "x.trace:3:14: the text ends inside an object; expected a field name in quotation marks"
        );
    }

    #[test]
    fn the_thread_of_a_call_is_its_target() {
        let doubtful = r#"{"n":1,"t":0,"thread":"a","ev":"call","call":"ResumeThread"}"#;
        assert_eq!(with(doubtful), "x.trace:3:1: missing field \"target\" of \"ResumeThread\"");
        let target = r#"{"n":1,"t":0,"thread":"a","ev":"call","call":"ResumeThread","target":"b"}"#;
        assert_eq!(with(target), "fine");
    }

    #[test]
    fn numbers_go_up_and_returns_follow_their_calls() {
        let twice = r#"{"n":1,"t":0,"ev":"timer","timer":"t","what":"set"}"#;
        assert_eq!(with(&format!("{twice}\n{twice}")), "x.trace:4:6: event 1 follows event 1");
        let early = r#"{"n":1,"t":0,"ev":"return","of":1,"ret":0}"#;
        assert!(with(early).ends_with("event 1 returns from event 1, which is not before it"));
        let none = r#"{"n":1,"t":0,"ev":"choice","among":[],"picked":0}"#;
        assert!(with(none).starts_with("x.trace:3:48: 0 is out of range"));
    }

    #[test]
    fn an_empty_trace_and_a_long_line_are_refused() {
        assert_eq!(message(""), "x.trace: the trace is empty");
        let long = " ".repeat(1_100_000);
        assert_eq!(with(&long), "x.trace:3:1: this line has more than 1048576 bytes");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let bytes = b"{\"alertable\":1,\"kind\":\"tra\xffce\"}\n";
        let error = TraceReader::new(&bytes[..], None).unwrap_err();
        assert_eq!(error.to_string(), "line 1, column 27: this is not UTF-8");
    }
}

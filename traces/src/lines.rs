//! Reading a file line by line in bounded memory.

use crate::error::{Error, Fault, Span};
use std::io::{BufRead, ErrorKind, Read};

/// The lines of a reader, with their numbers. Blank lines are skipped.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    file: Option<String>,
    /// The number of the line that was read last, from 1.
    number: u32,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, file: Option<&str>) -> Self {
        Lines { reader, file: file.map(str::to_owned), number: 0 }
    }

    /// The next line that is not blank, without its end; none at the end of the file.
    pub(crate) fn next(&mut self, bytes_max: u64) -> Result<Option<String>, Error> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = (&mut self.reader).take(bytes_max + 2);
            let read = limited.read_until(b'\n', &mut bytes);
            read.map_err(|error| self.unreadable(&error))?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.number = self.number.saturating_add(1);
            while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                bytes.pop();
            }
            if bytes.len() as u64 > bytes_max {
                let message = format!("this line has more than {bytes_max} bytes");
                let fault = Fault::new(Span::new(0, 0), message);
                return Err(fault.locate("", self.file.as_deref(), self.number));
            }
            let line = utf8(bytes, self.file.as_deref(), self.number)?;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// The number of the line that was read last, from 1; 0 before the first.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Gives a mistake in the line that was read last its place.
    pub(crate) fn locate(&self, line: &str, fault: Fault) -> Error {
        fault.locate(line, self.file.as_deref(), self.number)
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        unreadable(self.file.as_deref(), error)
    }
}

/// The error for a file that cannot be read.
pub(crate) fn unreadable(file: Option<&str>, error: &std::io::Error) -> Error {
    let message = match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    Error::without_place(file, message)
}

/// Bytes as text, or where they are none.
pub(crate) fn utf8(bytes: Vec<u8>, file: Option<&str>, first_line: u32) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        // Up to the first bad byte, the lossy text has the same offsets.
        let bad = Span::new(valid, valid + '\u{fffd}'.len_utf8());
        Fault::new(bad, "this is not UTF-8").locate(&text, file, first_line)
    })
}

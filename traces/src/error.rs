//! What is wrong with a document, and where.

use std::fmt;

/// The most characters of a source line that an error keeps.
const SOURCE_LINE_LENGTH_MAX: usize = 160;

/// One mistake in a document, with its place.
///
/// `Display` prints it in one line; the fields have what is needed to mark the place in the
/// text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file, as it was given to the reader; none when a text was read.
    pub file: Option<String>,
    /// What is wrong, in one line.
    pub message: String,
    /// What would be right, where that can be said.
    pub help: Option<String>,
    /// The line that has the mistake, clipped on both sides when it is long. Empty when the
    /// mistake has no place in the text.
    pub source_line: String,
    /// The line, counted from 1; 0 when the mistake has no place (a file that cannot be read).
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// How many characters are wrong; 0 at the end of a line or text. Marks end with the line.
    pub length: u32,
    /// The byte of the text (in a trace: of the line) at which the wrong part begins.
    pub offset: u32,
    /// How many bytes are wrong, over all lines.
    pub size: u32,
    /// The column at which [`source_line`](Self::source_line) begins: 1 when it is not clipped.
    pub source_column: u32,
}

impl Error {
    /// An error about the whole file.
    pub(crate) fn without_place(file: Option<&str>, message: String) -> Self {
        Error {
            file: file.map(str::to_owned),
            message,
            help: None,
            source_line: String::new(),
            line: 0,
            column: 0,
            length: 0,
            offset: 0,
            size: 0,
            source_column: 1,
        }
    }

    /// An error about a whole file, for whoever reads files with this crate.
    pub fn about_file(file: &str, message: String) -> Self {
        Self::without_place(Some(file), message)
    }

    /// The bytes of [`source_line`](Self::source_line) that are wrong.
    pub fn mark(&self) -> std::ops::Range<usize> {
        let skipped = self.column.saturating_sub(self.source_column) as usize;
        let byte_at = |characters: usize| {
            let mut indices = self.source_line.char_indices().map(|(byte, _)| byte);
            indices.nth(characters).unwrap_or(self.source_line.len())
        };
        byte_at(skipped)..byte_at(skipped + self.length as usize)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), 0) => write!(f, "{file}: ")?,
            (Some(file), line) => write!(f, "{file}:{line}:{}: ", self.column)?,
            (None, 0) => {}
            (None, line) => write!(f, "line {line}, column {}: ", self.column)?,
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A text in quotation marks for a message: escaped, and clipped when it is long.
pub(crate) fn quoted(text: &str) -> String {
    const LENGTH_MAX: usize = 80;
    match text.char_indices().nth(LENGTH_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// A range of bytes in the text that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// Documents are at most 16 MiB long, so that every offset fits.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }
}

/// A mistake before its place is looked up.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Fault { span, message: message.into(), help: None }
    }

    pub(crate) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Finds line and column in the text, whose first line is the given one of its file.
    pub(crate) fn locate(self, text: &str, file: Option<&str>, first_line: u32) -> Error {
        let start = floor_boundary(text, self.span.start as usize);
        let end = floor_boundary(text, self.span.end as usize).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |end| start + end);
        let marked = &text[start..end.min(line_end)];
        let before = text[line_start..start].chars().count();
        let (source_line, clipped) = clip(&text[line_start..line_end], before);
        let line = text[..start].bytes().filter(|byte| *byte == b'\n').count();
        Error {
            file: file.map(str::to_owned),
            message: self.message,
            help: self.help,
            source_line,
            line: first_line.saturating_add(line as u32),
            column: before as u32 + 1,
            length: marked.chars().count() as u32,
            offset: start as u32,
            size: (end - start) as u32,
            source_column: clipped as u32 + 1,
        }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The part of a line around a column, and how many characters before it are left out.
fn clip(line: &str, column: usize) -> (String, usize) {
    let skipped = if line.len() <= SOURCE_LINE_LENGTH_MAX {
        0
    } else {
        column.saturating_sub(SOURCE_LINE_LENGTH_MAX / 4)
    };
    (line.chars().skip(skipped).take(SOURCE_LINE_LENGTH_MAX).collect(), skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_marks_count_bytes() {
        let text = "{\n  \"ä\": \"ö\" }";
        let start = text.find("\"ö\"").unwrap();
        let error = Fault::new(Span::new(start, start + 4), "no").locate(text, Some("x.json"), 1);
        assert_eq!((error.line, error.column, error.length), (2, 8, 3));
        assert_eq!(&error.source_line[error.mark()], "\"ö\"");
        assert_eq!(error.to_string(), "x.json:2:8: no");
    }

    #[test]
    fn long_lines_are_clipped_around_the_mistake() {
        let text = format!("{}!{}", "ä".repeat(500), "b".repeat(500));
        let error = Fault::new(Span::new(1000, 1001), "no").locate(&text, None, 7);
        assert_eq!((error.line, error.column), (7, 501));
        assert_eq!(error.source_line.chars().count(), SOURCE_LINE_LENGTH_MAX);
        assert_eq!(&error.source_line[error.mark()], "!");
        assert_eq!(error.to_string(), "line 7, column 501: no");
    }
}

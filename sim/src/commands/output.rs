//! Printing: colours on a terminal only, nothing wider than it, JSON for machines.

use super::Failure;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const NAME: Style = AnsiColor::Cyan.on_default();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// Prints a line for people; styles are dropped where nobody sees them. A reader that has gone
/// away is not an error.
macro_rules! say {
    ($($part:tt)*) => {
        $crate::commands::output::line(format_args!($($part)*))
    };
}
pub(super) use say;

pub(super) fn line(text: std::fmt::Arguments<'_>) {
    let text = folded(&text.to_string());
    verbatim(format_args!("{text}"));
}

/// As [`line`], for what has to stay on one line, however wide.
pub(super) fn verbatim(text: std::fmt::Arguments<'_>) {
    if READER_IS_GONE.load(Ordering::Relaxed) {
        return;
    }
    let mut out = anstream::stdout().lock();
    finish(&writeln!(out, "{text}"));
}

/// Breaks lines that are too wide at their spaces; what follows is a little further in.
fn folded(text: &str) -> String {
    let room = width();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if visible_width(line) <= room {
            lines.push(line.to_owned());
            continue;
        }
        let indent = line.chars().take_while(|c| *c == ' ').count();
        let mut current = " ".repeat(indent);
        let mut is_empty = true;
        for word in line[indent..].split(' ') {
            if !is_empty && visible_width(&current) + 1 + visible_width(word) > room {
                lines.push(std::mem::replace(&mut current, " ".repeat(indent + 2)));
                is_empty = true;
            }
            if !is_empty {
                current.push(' ');
            }
            current.push_str(word);
            is_empty = false;
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// How many columns a text takes: escape sequences take none.
fn visible_width(text: &str) -> usize {
    let mut in_escape = false;
    let is_visible = |c: &char| {
        let was_in_escape = in_escape;
        in_escape = if in_escape { *c != 'm' } else { *c == '\u{1b}' };
        !was_in_escape && !in_escape
    };
    text.chars().filter(is_visible).count()
}

/// Writes one JSON value on one line.
pub(super) fn print_json(value: &impl Serialize) {
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer(&mut out, value).map_err(io::Error::from);
    finish(&written.and_then(|()| writeln!(out)));
}

/// Writes a JSON value for reading.
pub(super) fn print_json_pretty(value: &impl Serialize) {
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from);
    finish(&written.and_then(|()| writeln!(out)));
}

/// Nobody reads any more, as when `head` has what it wants: the work goes on for the exit status.
static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

fn finish(written: &io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            READER_IS_GONE.store(true, Ordering::Relaxed);
        }
        Err(error) => {
            // Nothing that is printed from here on would arrive.
            let _ = writeln!(anstream::stderr(), "{BAD}error{BAD:#}: output: {error}");
            std::process::exit(2);
        }
    }
}

/// A number of things.
pub(super) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// A text in a style.
pub(super) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The columns of the terminal; 100 where there is none.
pub(super) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns
        .or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
        .unwrap_or(100)
        .clamp(40, 200)
}

/// Breaks a text into lines that fit, with an indent before each.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let room = width().saturating_sub(indent).max(20);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let indent = " ".repeat(indent);
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// Shows what is wrong on standard error, with the place in the input where there is one.
pub(super) fn print_failure(failure: &Failure) {
    let mut out = anstream::stderr().lock();
    let result = match failure {
        Failure::Input(error) if error.line == 0 => writeln!(out, "{BAD}error{BAD:#}: {error}"),
        Failure::Input(error) => writeln!(out, "{}", rendered(error)),
        Failure::Other(message) => writeln!(out, "{BAD}error{BAD:#}: {message}"),
    };
    // Nobody is left to tell.
    let _ = result;
}

/// An input error in the compiler's layout.
fn rendered(error: &alertable_traces::Error) -> String {
    let file = error.file.as_deref().unwrap_or("input");
    let renderer = if io::stderr().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    let mark = error.mark();
    let annotation = AnnotationKind::Primary.span(mark);
    let snippet = Snippet::source(error.source_line.as_str())
        .line_start(error.line as usize)
        .path(file)
        .annotation(annotation);
    let title = Level::ERROR.primary_title(error.message.as_str());
    let mut group = title.element(snippet);
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let rendered = renderer.render(&[group]).clone();
    // The renderer counts columns in what is shown of a long line.
    let shown = error.column - (error.source_column - 1);
    let place = |column: u32| format!("{file}:{}:{column}", error.line);
    rendered.replacen(&place(shown), &place(error.column), 1)
}

/// Writes a text as it is.
pub(super) fn print_text(text: &str) {
    finish(&io::stdout().lock().write_all(text.as_bytes()));
}

//! Printing: colours on a terminal only, nothing wider than it, JSON for machines.

use super::Failure;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const NAME: Style = AnsiColor::Cyan.on_default();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// Prints a line for people; styles are dropped where nobody sees them. A reader that has gone
/// away ends the program quietly.
macro_rules! say {
    ($($part:tt)*) => {
        $crate::commands::output::line(format_args!($($part)*))
    };
}
pub(super) use say;

pub(super) fn line(text: std::fmt::Arguments<'_>) {
    let mut out = anstream::stdout().lock();
    quit_if_gone(&writeln!(out, "{text}"));
}

/// Writes one JSON value on one line.
pub(super) fn print_json(value: &impl Serialize) {
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer(&mut out, value).map_err(io::Error::from);
    quit_if_gone(&written.and_then(|()| writeln!(out)));
}

/// Writes a JSON value for reading.
pub(super) fn print_json_pretty(value: &impl Serialize) {
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from);
    quit_if_gone(&written.and_then(|()| writeln!(out)));
}

fn quit_if_gone(result: &io::Result<()>) {
    if result.is_err() {
        std::process::exit(0);
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

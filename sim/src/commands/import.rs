//! `alertable import`.

use super::output::{self, say};
use super::{Failure, Status};
use alertable::file::write_streamed;
use alertable_traces::Error;
use alertable_traces::import::input::unpacked;
use alertable_traces::import::wine_server::{Importer, Report, import};
use alertable_traces::trace::TraceWriter;
use clap::Subcommand;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    format: Format,
}

#[derive(Subcommand, Debug)]
enum Format {
    /// Wine's server log (WINEDEBUG=+server) as a trace of the level `object`
    WineServer(WineServer),
}

#[derive(clap::Args, Debug)]
struct WineServer {
    /// The log, plain or compressed (.xz, .gz); `-` for standard input
    log: PathBuf,
    /// Where the trace goes; standard output by default, nowhere with --json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// One JSON document on what was read, instead of text
    #[arg(long)]
    json: bool,
}

/// What an import cannot go on from.
enum Stop {
    /// The log is at fault.
    Input(Error),
    /// The trace cannot be written.
    Output(io::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Input(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let Format::WineServer(arguments) = &arguments.format;
    let name = arguments.log.display().to_string();
    let log = open(&arguments.log)?;
    let report = match &arguments.out {
        Some(path) => write_streamed(path, |writer| write(log, &name, writer))
            .map_err(|stop| failure(stop, path)),
        None if arguments.json => write(log, &name, io::sink())
            .map_err(|stop| failure(stop, Path::new("standard output"))),
        None => {
            let writer = BufWriter::new(io::stdout().lock());
            match write(log, &name, writer) {
                // Whoever reads has seen enough.
                Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Status::Good);
                }
                written => written.map_err(|stop| failure(stop, Path::new("standard output"))),
            }
        }
    }?;
    if arguments.json {
        print_json(&name, &report);
    } else {
        print_report(&report, arguments.out.is_none());
    }
    Ok(Status::Good)
}

fn failure(stop: Stop, path: &Path) -> Failure {
    match stop {
        Stop::Input(error) => Failure::Input(error),
        Stop::Output(error) => {
            Failure::Other(format!("{}: cannot be written: {error}", path.display()))
        }
    }
}

/// The text of a log, from a file or standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    let name = path.display().to_string();
    if name == "-" {
        return Ok(unpacked(io::stdin(), Some("standard input"))?);
    }
    let file = File::open(path).map_err(|error| super::check::unreadable(path, &error))?;
    Ok(unpacked(file, Some(&name))?)
}

fn write(log: Box<dyn BufRead>, name: &str, writer: impl Write) -> Result<Report, Stop> {
    let mut trace = TraceWriter::new(writer, &Importer::header())?;
    let report = import(log, Some(name), |event| trace.object_event(event).map_err(Stop::from))?;
    trace.finish()?;
    Ok(report)
}

fn print_json(name: &str, report: &Report) {
    output::print_json(&json!({
        "file": name,
        "lines": report.line_count,
        "foreign_lines": report.foreign_line_count,
        "broken_lines": report.broken_line_count,
        "events": report.event_count,
        "followed": report.followed,
        "not_followed": report.not_followed,
    }));
}

/// Beside a trace on standard output, what is said of it goes to standard error.
fn print_report(report: &Report, beside_the_trace: bool) {
    let Report { line_count, foreign_line_count, broken_line_count, event_count, .. } = report;
    let mut lines = vec![format!(
        "{line_count} lines, {foreign_line_count} of other programs, {broken_line_count} broken: \
         {event_count} events"
    )];
    let skipped: Vec<String> =
        report.not_followed.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if !skipped.is_empty() {
        lines.push(format!("calls that are not followed: {}", skipped.join(", ")));
    }
    for line in lines {
        if beside_the_trace {
            // Nobody is left to tell.
            let _ = writeln!(io::stderr(), "{line}");
        } else {
            say!("{line}");
        }
    }
}

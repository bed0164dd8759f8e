//! Object traces, for `alertable check`: which dialect explains them, and what is printed.

use super::check::unreadable;
use super::import::open;
use super::output::{self, BAD, DIM, GOOD, UNSURE, say, styled, wrapped};
use super::{Failure, Status};
use alertable::object::{
    Difference, KindCount, ObjectChecker, ObjectOptions, ObjectReport, check_object_trace,
};
use alertable_models::deviation::{DIALECTS, Deviation, Dialect};
use alertable_traces::Error;
use alertable_traces::import::wine_server::{Importer, import};
use alertable_traces::trace::{TraceHeader, TraceReader};
use serde_json::{Value, json};
use std::io::BufRead;
use std::path::Path;

/// What came of checking an object trace.
pub(super) struct ObjectCheck {
    report: ObjectReport,
    /// The dialect that the report is of.
    dialect: &'static Dialect,
    /// The dialect that was asked for does not explain the trace; this is its difference.
    asked: Option<(&'static Dialect, Difference)>,
}

impl ObjectCheck {
    pub(super) fn status(&self) -> Status {
        match (&self.report.difference, self.report.is_full) {
            (Some(_), _) => Status::Finding,
            (None, true) => Status::Undecided,
            (None, false) => Status::Good,
        }
    }

    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match (self.status(), &self.asked) {
            (Status::Good, None) => "explained",
            (Status::Good, Some(_)) => "difference",
            (Status::Undecided, _) => "undecided",
            _ => "not explained",
        }
    }

    pub(super) fn event_count(&self) -> u64 {
        self.report.event_count
    }
}

/// The dialect of the system that a trace was captured on.
fn own_dialect(header: &TraceHeader) -> Option<&'static Dialect> {
    let text = |name: &str| header.source.get(name).and_then(Value::as_str);
    let (system, version) = (text("system")?, text("version"));
    DIALECTS.iter().find(|dialect| {
        dialect.source.is_some_and(|(own, its_version)| {
            own == system && version.is_none_or(|version| version == its_version)
        })
    })
}

/// Checks a trace, or a capture that is imported on the way.
pub(super) fn check(
    path: &Path,
    asked: Option<&'static Dialect>,
    keeps_going: bool,
) -> Result<ObjectCheck, Failure> {
    let name = path.display().to_string();
    if is_capture(path)? {
        return under_dialects(&Importer::header(), asked, keeps_going, |options| {
            check_capture(open(path)?, &name, options)
        });
    }
    let header = TraceReader::new(open(path)?, Some(&name))?.header().clone();
    under_dialects(&header, asked, keeps_going, |options| {
        let mut reader = TraceReader::new(open(path)?, Some(&name))?;
        Ok(check_object_trace(&mut reader, options)?)
    })
}

/// Checks something under a dialect, and, if that does not explain it, under that of the system
/// that it was captured on.
fn under_dialects(
    header: &TraceHeader,
    asked: Option<&'static Dialect>,
    keeps_going: bool,
    mut check: impl FnMut(ObjectOptions) -> Result<ObjectReport, Failure>,
) -> Result<ObjectCheck, Failure> {
    let own = own_dialect(header);
    let first = asked.unwrap_or(&DIALECTS[0]);
    let mut under = |dialect: &Dialect| {
        check(ObjectOptions { keeps_going, ..ObjectOptions::new(dialect.deviations) })
    };
    let report = under(first)?;
    match (report.difference.clone(), own) {
        (Some(difference), Some(own)) if own.name != first.name => {
            let report = under(own)?;
            Ok(ObjectCheck { report, dialect: own, asked: Some((first, difference)) })
        }
        _ => Ok(ObjectCheck { report, dialect: first, asked: None }),
    }
}

/// What ends the import of a capture.
enum Stop {
    /// The capture is at fault.
    Input(Error),
    /// There is no sense in going on.
    Enough,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Input(error)
    }
}

/// Imports a log and checks it on the way. A place in it is a line of the log.
fn check_capture(
    log: Box<dyn BufRead>,
    name: &str,
    options: ObjectOptions,
) -> Result<ObjectReport, Failure> {
    let mut checker = ObjectChecker::new(options);
    let imported = import(log, Some(name), |event| {
        let line = u32::try_from(event.n).unwrap_or(u32::MAX);
        if checker.event(event.clone(), line) { Ok(()) } else { Err(Stop::Enough) }
    });
    match imported {
        Ok(_) | Err(Stop::Enough) => Ok(checker.finish()),
        Err(Stop::Input(error)) => Err(Failure::Input(error)),
    }
}

/// The ends of names of captures, in folders; compressed or not.
const CAPTURES: [&str; 3] = [".wineserver.log", ".wineserver.log.xz", ".wineserver.log.gz"];

/// Whether a file in a folder is a capture, by its name.
pub(super) fn is_named_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    CAPTURES.iter().any(|end| name.ends_with(end))
}

/// Whether a file is a capture and no document of this program: a document begins with a brace.
pub(super) fn is_capture(path: &Path) -> Result<bool, Failure> {
    let mut reader = open(path)?;
    loop {
        let bytes = reader.fill_buf().map_err(|error| unreadable(path, &error))?;
        match bytes.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => return Ok(bytes[at] != b'{' && is_named_capture(path)),
            None if bytes.is_empty() => return Ok(false),
            None => {
                let length = bytes.len();
                reader.consume(length);
            }
        }
    }
}

fn deviations_json(difference: &Difference) -> Value {
    let one = |(deviation, added): &(Deviation, bool)| json!({ "deviation": deviation.entry().id, "added": added });
    difference.explained_by.iter().map(one).collect()
}

fn difference_json(difference: &Difference) -> Value {
    let unexplained = &difference.unexplained;
    json!({
        "line": difference.place.line,
        "event": difference.place.event,
        "kind": unexplained.kind,
        "seen": unexplained.seen,
        "allowed": unexplained.allowed,
        "state": unexplained.state,
        "rules": unexplained.rules.iter().map(|rule| rule.rule().id).collect::<Vec<_>>(),
        "explained_by": deviations_json(difference),
    })
}

/// What came of it for machines.
pub(super) fn json_of(file: &str, check: &ObjectCheck) -> Value {
    let report = &check.report;
    let kinds: Vec<Value> = report
        .kinds
        .iter()
        .map(|(kind, KindCount { count, first })| {
            json!({ "kind": kind, "count": count, "line": first.line, "event": first.event })
        })
        .collect();
    json!({
        "file": file,
        "kind": "trace",
        "level": "object",
        "judgement": check.word(),
        "dialect": check.dialect.name,
        "events": report.event_count,
        "counts": report.counts,
        "rules": report.rules.iter().map(|rule| rule.rule().id).collect::<Vec<_>>(),
        "difference": report.difference.as_ref().map(difference_json),
        "unexplained": kinds,
        "under_asked": check.asked.as_ref().map(|(dialect, difference)| {
            json!({ "dialect": dialect.name, "difference": difference_json(difference) })
        }),
    })
}

/// Prints what a reader has to know; of a single trace in any case.
pub(super) fn print(path: &Path, check: &ObjectCheck, single: bool) {
    let file = path.display();
    let style = match (check.status(), &check.asked) {
        (Status::Good, None) => GOOD,
        (Status::Good | Status::Undecided, _) => UNSURE,
        _ => BAD,
    };
    let ObjectCheck { report, dialect, .. } = check;
    match (&check.asked, &report.difference) {
        (None, None) if !single && !report.is_full => {}
        (None, None) => {
            let events = report.event_count;
            say!("{}  {file}: {events} events, {}", styled(style, check.word()), dialect.name);
            print_counts(report);
        }
        (Some((asked, difference)), None) => {
            say!("{}  {file}: {} events", styled(style, check.word()), report.event_count);
            let text = format!(
                "explained by {} and not by {}, which differs first at line {} (event {}): {}",
                dialect.name,
                asked.name,
                difference.place.line,
                difference.place.event,
                difference.unexplained.seen
            );
            say!("{}", wrapped(&text, 2));
            print_deviations(difference);
            if single {
                print_counts(report);
            }
        }
        (_, Some(difference)) => {
            say!("{}  {file}:{}", styled(style, check.word()), difference.place.line);
            print_difference(report, dialect, difference);
        }
    }
}

fn print_counts(report: &ObjectReport) {
    let counts: Vec<String> =
        report.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    say!("{}", styled(DIM, wrapped(&counts.join(", "), 2)));
}

fn print_difference(report: &ObjectReport, dialect: &Dialect, difference: &Difference) {
    let unexplained = &difference.unexplained;
    let (events, event) = (report.event_count, difference.place.event);
    let text = format!("{events} events are explained by {}; then event {event}:", dialect.name);
    say!("{}", wrapped(&text, 2));
    say!("{}", wrapped(&format!("{} ({})", unexplained.seen, unexplained.kind), 4));
    for allowed in &unexplained.allowed {
        say!("{}", wrapped(&format!("allowed: {allowed}"), 4));
    }
    for state in &unexplained.state {
        say!("{}", wrapped(&format!("there: {state}"), 4));
    }
    let rules: Vec<&str> = unexplained.rules.iter().map(|rule| rule.rule().id).collect();
    say!("{}", styled(DIM, wrapped(&format!("rules: {}", rules.join(", ")), 4)));
    print_deviations(difference);
    if report.kinds.values().map(|kind| kind.count).sum::<u64>() > 1 {
        say!("  all that is not explained, by kind");
        for (kind, KindCount { count, first }) in &report.kinds {
            say!("{}", wrapped(&format!("{count:>6}  {kind}, first at line {}", first.line), 4));
        }
    }
}

fn print_deviations(difference: &Difference) {
    let changes: Vec<String> = difference
        .explained_by
        .iter()
        .map(|(deviation, added)| {
            let with = if *added { "with" } else { "without" };
            format!("{with} {}", deviation.entry().id)
        })
        .collect();
    let text = if changes.is_empty() {
        "no single deviation explains it".to_owned()
    } else {
        format!("explained {}", changes.join(", "))
    };
    say!("{}", output::wrapped(&text, 4));
}

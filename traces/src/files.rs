//! Reading whole documents from texts and paths.

use crate::context::Context;
use crate::document::{DocumentKind, read_kind};
use crate::error::Error;
use crate::json::{parse, parse_first};
use crate::limits::{DOCUMENT_BYTES_MAX, LINE_BYTES_MAX};
use crate::lines::{Lines, unreadable, utf8};
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::pattern::Pattern;
use crate::read::Read as _;
use crate::scenario::Scenario;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a scenario. The name of the file is for errors.
///
/// Linear in the length of the text.
///
/// # Errors
/// The first mistake: the text is no JSON, a field, call, object, label or name is unknown, a
/// value has the wrong type or is out of range, or a limit of [`limits`](crate::limits) is met.
pub fn read_scenario(text: &str, file: Option<&str>) -> Result<Scenario, Error> {
    check_size(text.len() as u64, file)?;
    let mut cx = Context::scenario();
    let read = parse(text).and_then(|node| {
        let scenario = Scenario::read(&node, &mut cx)?;
        cx.resolve()?;
        Ok(scenario)
    });
    read.map_err(|fault| fault.locate(text, file, 1))
}

/// Reads a scenario from a file of at most [`DOCUMENT_BYTES_MAX`] bytes.
///
/// # Errors
/// When the file cannot be read or is too large, and those of [`read_scenario`].
pub fn read_scenario_file(path: &Path) -> Result<Scenario, Error> {
    read_scenario(&read_text_file(path)?, Some(&path.display().to_string()))
}

/// Reads an outcome. The name of the file is for errors.
///
/// # Errors
/// The first mistake, as for [`read_scenario`]. Names refer to nothing in an outcome alone.
pub fn read_outcome(text: &str, file: Option<&str>) -> Result<Outcome, Error> {
    check_size(text.len() as u64, file)?;
    let read = parse(text).and_then(|node| Outcome::read(&node, &mut Context::captured()));
    read.map_err(|fault| fault.locate(text, file, 1))
}

/// Reads a pattern for outcomes: an object as in a scenario's expectations, or in short
/// `LABEL=RESULT`.
///
/// # Errors
/// The first mistake, as for [`read_scenario`].
pub fn read_pattern(text: &str) -> Result<Pattern, Error> {
    let spelled_out = match text.split_once('=') {
        Some((label, result)) if !text.trim_start().starts_with('{') => {
            let is_number = result.parse::<i64>().is_ok();
            let result = if is_number { result.to_owned() } else { format!("{result:?}") };
            format!("{{\"labels\": {{{label:?}: {result}}}}}")
        }
        _ => text.to_owned(),
    };
    check_size(spelled_out.len() as u64, None)?;
    let read = parse(&spelled_out).and_then(|node| Pattern::read(&node, &mut Context::captured()));
    read.map_err(|fault| fault.locate(&spelled_out, None, 1))
}

/// Reads observations, one a line. Blank lines are skipped. The name of the file is for errors.
///
/// # Errors
/// The first mistake, as for [`read_scenario`]; a text without any observation.
pub fn read_observations(text: &str, file: Option<&str>) -> Result<Vec<Observation>, Error> {
    let mut lines = Lines::new(text.as_bytes(), file);
    let mut observations = Vec::new();
    while let Some(line) = lines.next(LINE_BYTES_MAX)? {
        let read = parse(&line).and_then(|node| Observation::read(&node, &mut Context::captured()));
        observations.push(read.map_err(|fault| lines.locate(&line, fault))?);
    }
    if observations.is_empty() {
        return Err(Error::without_place(file, "there is no observation".to_owned()));
    }
    Ok(observations)
}

/// What a text says that it is. Only its first JSON value is looked at: the header of a trace,
/// the first of several observations.
///
/// # Errors
/// When the text does not begin with a JSON object that says so.
pub fn document_kind(text: &str, file: Option<&str>) -> Result<DocumentKind, Error> {
    check_size(text.len() as u64, file)?;
    let kind = parse_first(text).and_then(|node| read_kind(node.fields()?));
    kind.map_err(|fault| fault.locate(text, file, 1))
}

/// What a file says that it is, as [`document_kind`] finds it. A trace may be longer than
/// [`DOCUMENT_BYTES_MAX`]; its beginning is enough.
///
/// # Errors
/// When the file cannot be read, and those of [`document_kind`].
pub fn document_kind_of_file(path: &Path) -> Result<DocumentKind, Error> {
    let name = path.display().to_string();
    let mut bytes = read_at_most(path, &name, DOCUMENT_BYTES_MAX)?;
    if bytes.len() as u64 == DOCUMENT_BYTES_MAX {
        // A line of a longer file may be cut within a character.
        let line = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(line.unwrap_or(bytes.len()));
    }
    document_kind(&utf8(bytes, Some(&name), 1)?, Some(&name))
}

/// Reads a text file of at most [`DOCUMENT_BYTES_MAX`] bytes. A larger one is refused before
/// it is read.
///
/// # Errors
/// When the file cannot be read, is too large, or is not UTF-8.
pub fn read_text_file(path: &Path) -> Result<String, Error> {
    let name = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(Some(&name), &error))?;
    if metadata.is_file() {
        check_size(metadata.len(), Some(&name))?;
    }
    let bytes = read_at_most(path, &name, DOCUMENT_BYTES_MAX + 1)?;
    check_size(bytes.len() as u64, Some(&name))?;
    utf8(bytes, Some(&name), 1)
}

fn read_at_most(path: &Path, name: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
        .map_err(|error| unreadable(Some(name), &error))?;
    Ok(bytes)
}

fn check_size(bytes: u64, file: Option<&str>) -> Result<(), Error> {
    if bytes <= DOCUMENT_BYTES_MAX {
        return Ok(());
    }
    let limit = DOCUMENT_BYTES_MAX / (1024 * 1024);
    Err(Error::without_place(file, format!("larger than {limit} MiB")))
}

//! Whether a trace is allowed, and if it is not, under which deviations it would be.

use super::{Options, Verdict, check_file, is_soon_explained};
use alertable_models::deviation::{self, DIALECTS, Deviation, Deviations, Dialect};
use alertable_traces::Error;
use alertable_traces::trace::{TraceHeader, TraceReader};
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Up to how many explained events each deviation is tried by itself; the deviations of the
/// source's own dialect are tried on traces of any length.
pub const TRIED_EVENT_COUNT_MAX: u64 = 20_000;

/// What is known of a trace.
#[derive(Debug)]
pub struct Judged {
    /// What came of it under the dialect that was asked for.
    pub verdict: Verdict,
    /// The dialect of its source explains it: its name, and the deviations that do: one that
    /// suffices by itself, or all of the dialect.
    pub difference: Option<(String, Vec<Deviation>)>,
    /// The deviations each of which explains it by itself.
    pub explained_by: Vec<Deviation>,
}

/// Judges a trace in a file.
///
/// # Errors
/// When it cannot be read, is no `api` trace, or its scenario cannot be simulated.
pub fn judge_file(path: &Path, dialect: &Dialect, options: &Options) -> Result<Judged, Error> {
    let options = Options { deviations: dialect.deviations, ..options.clone() };
    let verdict = check_file(path, &options)?;
    let mut judged = Judged { verdict, difference: None, explained_by: Vec::new() };
    if matches!(judged.verdict, Verdict::Explained { .. }) {
        return Ok(judged);
    }
    let explains = |deviations: Deviations| {
        is_soon_explained(path, &Options { deviations, ..options.clone() })
    };
    if let Some((name, own)) = own_dialect(&header_of(path)?)
        && own != options.deviations
        && explains(own)?
    {
        let mut alone = None;
        for deviation in own.iter() {
            if explains(options.deviations.with(deviation))? {
                alone = Some(deviation);
                break;
            }
        }
        let deviations = alone.map_or_else(|| own.iter().collect(), |deviation| vec![deviation]);
        judged.difference = Some((name, deviations));
        return Ok(judged);
    }
    if judged.verdict.explained_count() <= TRIED_EVENT_COUNT_MAX {
        for deviation in Deviation::ALL.iter().copied() {
            if !options.deviations.contains(deviation)
                && explains(options.deviations.with(deviation))?
            {
                judged.explained_by.push(deviation);
            }
        }
    }
    Ok(judged)
}

fn header_of(path: &Path) -> Result<TraceHeader, Error> {
    let name = path.display().to_string();
    let file = File::open(path)
        .map_err(|error| Error::about_file(&name, format!("cannot be read: {error}")))?;
    Ok(TraceReader::new(BufReader::new(file), Some(&name))?.header().clone())
}

/// How the system that a trace is of departs from the rules, as far as that is known.
fn own_dialect(header: &TraceHeader) -> Option<(String, Deviations)> {
    let of = |field: &str| header.source.get(field).and_then(Value::as_str);
    let (system, version) = (of("system")?, of("version")?);
    if system == crate::trace::SYSTEM {
        let ids = header.source.get("deviations")?.as_array()?;
        let deviations = ids.iter().filter_map(|id| deviation::find(id.as_str()?)).collect();
        return Some(("the run's own settings".to_owned(), deviations));
    }
    let own = DIALECTS.iter().find(|dialect| dialect.source == Some((system, version)))?;
    Some((own.name.to_owned(), own.deviations))
}

//! `alertable replay`.

use super::output::{self, BAD, GOOD, say, styled};
use super::{Failure, Status};
use alertable::replay::{Replay, replay_file};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The full trace
    trace: PathBuf,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let replay = replay_file(&arguments.trace)?;
    let file = arguments.trace.display().to_string();
    match &replay {
        _ if arguments.json => {
            let (same, difference) = match &replay {
                Replay::Same { .. } => (true, None),
                Replay::Different(difference) => (false, Some(difference)),
            };
            output::print_json(&json!({
                "file": file,
                "same": same,
                "line": difference.map(|difference| difference.line),
                "expected": difference.map(|difference| &difference.expected),
                "found": difference.map(|difference| &difference.found),
                "events": replay.event_count(),
            }));
        }
        Replay::Same { event_count, .. } => {
            say!("{}  {file}: {event_count} events, byte for byte", styled(GOOD, "same"));
        }
        Replay::Different(difference) => {
            say!("{}  {file}:{}", styled(BAD, "different"), difference.line);
            let text = |line: &Option<String>| {
                line.clone().unwrap_or_else(|| "the end of the trace".to_owned())
            };
            say!("  expected  {}", text(&difference.expected));
            say!("  found     {}", text(&difference.found));
        }
    }
    Ok(match replay {
        Replay::Same { .. } => Status::Good,
        Replay::Different(_) => Status::Finding,
    })
}

//! Checkpoints: where explorations are kept, and where they go on from.

use super::Failure;
use super::output::{UNSURE, styled};
use alertable::checkpoint::{Checkpoint, Identity, Kept};
use alertable::engine::explore::Limits;
use alertable::exploration::Reduction;
use alertable_models::machine::Model;
use alertable_traces::scenario::Scenario;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is kept of a long exploration.
#[derive(clap::Args, Debug)]
pub(super) struct KeepingArguments {
    /// Keep what was done in a file, written every minute, at Ctrl-C and at the end, whole or not
    /// at all (one scenario)
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,
    /// Write the checkpoint so often
    #[arg(long, value_name = "SECONDS", default_value = "60", requires = "checkpoint",
          value_parser = seconds)]
    checkpoint_every: Duration,
    /// Go on from a checkpoint of the same scenario and program; limits of states, memory and
    /// threads may be others
    #[arg(long, value_name = "FILE")]
    pub(super) resume: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|every| *every >= Duration::from_millis(10))
        .ok_or_else(|| "a number of seconds is wanted, at least 0.01".to_owned())
}

impl KeepingArguments {
    pub(super) fn is_used(&self) -> bool {
        self.checkpoint.is_some() || self.resume.is_some()
    }

    /// How often the search is asked to halt.
    pub(super) fn every(&self) -> Option<Duration> {
        self.checkpoint.is_some().then_some(self.checkpoint_every)
    }
}

/// Keeps one exploration.
pub(super) struct Keeper<'a> {
    path: Option<&'a Path>,
    identity: Option<Identity>,
    /// How long the search took before, in seconds.
    seconds_before: f64,
    start: Instant,
    is_begun: bool,
    /// Why it could not be written the last time.
    error: Option<io::Error>,
}

impl<'a> Keeper<'a> {
    /// For an exploration, and what it goes on from.
    pub(super) fn new(
        arguments: &'a KeepingArguments,
        (scenario, model): (&Scenario, &Model),
        reduction: Reduction,
        limits: &Limits,
    ) -> Result<(Self, Option<Checkpoint>), Failure> {
        let identity =
            arguments.is_used().then(|| Identity::new(scenario, model, reduction, limits));
        let checkpoint = match (&arguments.resume, &identity) {
            (Some(path), Some(identity)) => {
                Some(Checkpoint::read(path, identity).map_err(|error| about(path, &error))?)
            }
            _ => None,
        };
        let keeper = Keeper {
            path: arguments.checkpoint.as_deref(),
            identity,
            seconds_before: checkpoint.as_ref().map_or(0.0, Checkpoint::seconds),
            start: Instant::now(),
            is_begun: false,
            error: None,
        };
        Ok((keeper, checkpoint))
    }

    /// How long the search took so far, what went before included.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.start.elapsed().as_secs_f64()
    }

    /// Writes down what there is. A search that cannot be kept from the beginning does not begin;
    /// one that has gone on for long is not given up.
    pub(super) fn keep(&mut self, kept: &Kept<'_, '_>) -> bool {
        let (Some(path), Some(identity)) = (self.path, &self.identity) else { return true };
        self.error = kept.write(path, identity, self.seconds()).err();
        let Some(error) = &self.error else {
            self.is_begun = true;
            return true;
        };
        if self.is_begun {
            let warning = styled(UNSURE, "warning");
            let path = path.display();
            // Nobody need look.
            let _ = writeln!(anstream::stderr(), "{warning}: {path}: not written: {error}");
        }
        self.is_begun
    }

    /// Whether the search began.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun || self.path.is_none()
    }

    /// What is wrong if the exploration could not be kept in the end.
    pub(super) fn failure(&self) -> Option<Failure> {
        Some(about(self.path?, self.error.as_ref()?))
    }
}

/// What went wrong with a file.
pub(super) fn about(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(format!("{}: {error}", path.display()))
}

//! Scenarios, settings and limits from arguments.

use super::Failure;
use alertable::engine::STEP_COUNT_MAX;
use alertable::engine::explore::{Control, Limits};
use alertable::exploration::Reduction;
use alertable_models::deviation::{self, Deviation, Deviations, Dialect};
use alertable_models::invariant;
use alertable_models::machine::{Model, Settings, Time};
use alertable_models::program::compile;
use alertable_traces::scenario::{Scenario, TimeMode};
use clap::ValueEnum;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// When time passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum TimeArgument {
    /// Only when no thread can take a step
    Urgent,
    /// At any moment, as on a loaded machine
    Free,
}

/// Whose behaviour it is.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct BehaviourArguments {
    /// When time passes; the scenario's own choice by default
    #[arg(long, value_enum)]
    pub(super) time: Option<TimeArgument>,
    /// Whose behaviour: `windows`, or another dialect; the scenario's own choice by default
    #[arg(long, value_name = "NAME")]
    pub(super) dialect: Option<String>,
    /// A further departure from the rules (`alertable rules --deviations` lists them)
    #[arg(long = "deviation", value_name = "ID")]
    pub(super) deviations: Vec<String>,
}

/// Which schedules are left out.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct ReductionArguments {
    /// Follow every schedule, also those that come to the same as others
    #[arg(long)]
    no_reduction: bool,
    /// Do not exchange threads that do the same, nor queued APCs whose order nobody can tell
    #[arg(long)]
    no_symmetry: bool,
}

impl ReductionArguments {
    pub(super) fn reduction(&self) -> Reduction {
        match (self.no_reduction, self.no_symmetry) {
            (true, _) => Reduction::None,
            (false, true) => Reduction::WithoutSymmetry,
            (false, false) => Reduction::Persistent,
        }
    }
}

/// What bounds an exploration.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct LimitArguments {
    /// Stop after so many states
    #[arg(long, value_name = "N", default_value_t = 20_000_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    limit_states: u64,
    /// End each schedule after so many steps
    #[arg(long, value_name = "N", default_value_t = STEP_COUNT_MAX)]
    limit_steps: u32,
    /// Stop when the states take so much memory
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    memory: u64,
    /// Search with so many threads; every processor by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl LimitArguments {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            state_count_max: self.limit_states,
            memory_bytes_max: self.memory.saturating_mul(1024 * 1024),
            step_count_max: self.limit_steps,
            switch_count_max: None,
            worker_count: self.worker_count(),
        }
    }

    pub(super) fn worker_count(&self) -> usize {
        worker_count(self.threads)
    }
}

/// How many threads work when so many were asked for: every processor by default.
pub(super) fn worker_count(threads: Option<usize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    threads.map_or_else(all, |threads| threads.clamp(1, 256))
}

/// Reads a scenario.
pub(super) fn read_scenario(path: &Path) -> Result<Scenario, Failure> {
    Ok(alertable_traces::read_scenario_file(path)?)
}

/// The dialect of that name.
pub(super) fn dialect(name: &str) -> Result<&'static Dialect, Failure> {
    let names = deviation::DIALECTS.iter().map(|dialect| dialect.name);
    deviation::dialect(name).ok_or_else(|| {
        let known: Vec<&str> = names.clone().collect();
        let help = alertable_traces::did_you_mean(name, names);
        let help = help.unwrap_or_else(|| format!("there is {}", known.join(" and ")));
        Failure::Other(format!("unknown dialect \"{name}\"; {help}"))
    })
}

/// The deviation of that name.
pub(super) fn deviation(id: &str) -> Result<Deviation, Failure> {
    let names = Deviation::ALL.iter().map(|deviation| deviation.entry().id);
    deviation::find(id).ok_or_else(|| unknown("deviation", id, names))
}

/// An error about a name that does not exist, with the nearest one that does.
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Failure {
    let help = alertable_traces::did_you_mean(name, names);
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    Failure::Other(format!("unknown {what} \"{name}\"{help}"))
}

/// The model that a scenario and the arguments describe.
pub(super) fn model(
    scenario: &Scenario,
    path: &Path,
    behaviour: &BehaviourArguments,
) -> Result<Model, Failure> {
    let of_scenario = scenario.dialect.as_deref();
    let name = behaviour.dialect.as_deref().or(of_scenario).unwrap_or("windows");
    let mut deviations = dialect(name)?.deviations;
    for id in &behaviour.deviations {
        deviations = deviations.with(deviation(id)?);
    }
    let time = behaviour.time.map(|time| match time {
        TimeArgument::Urgent => Time::Urgent,
        TimeArgument::Free => Time::Free,
    });
    model_with(scenario, path, deviations, time)
}

/// The model of a scenario under the given deviations.
pub(super) fn model_with(
    scenario: &Scenario,
    path: &Path,
    deviations: Deviations,
    time: Option<Time>,
) -> Result<Model, Failure> {
    for id in scenario.expect.iter().flat_map(|expected| &expected.violates) {
        let names = || invariant::all().map(|invariant| invariant.id);
        if !names().any(|name| name == id) {
            return Err(unknown("invariant", id, names()));
        }
    }
    let program = compile(scenario)
        .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    let of_scenario = match scenario.machine.time {
        Some(TimeMode::Free) => Time::Free,
        Some(TimeMode::Urgent) | None => Time::Urgent,
    };
    let processors = scenario.machine.processors.unwrap_or(Settings::default().processors);
    let settings = Settings { deviations, processors, time: time.unwrap_or(of_scenario) };
    Ok(Model { program, settings })
}

/// A control that Ctrl-C asks to end.
pub(super) fn interruptible() -> Arc<Control> {
    let control = Arc::new(Control::default());
    let handle = Arc::clone(&control);
    // Where no handler can be set, Ctrl-C ends the program as it always does.
    let _ = ctrlc::set_handler(move || {
        if handle.interrupt.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    control
}

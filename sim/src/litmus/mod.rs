//! A scenario as a C program for a real system.
//!
//! The program runs the scenario with real threads, objects and named pipes and prints what it
//! saw as an observation; on demand it writes an `api` trace as well. It is one file that needs
//! the Windows headers and the C library, and is meant to be read: a step of the scenario is a
//! line. What no user-mode program can do is refused with its reason ([`obstacles`]).

mod calls;
mod compare;
mod names;
mod objects;
mod obstacles;
mod routines;
mod steps;
mod text;
mod timing;
mod uses;

pub use compare::{Comparison, Judged, Sightings, compare, is_explorable};
pub use obstacles::obstacles;
pub use timing::{Timing, timing};

use alertable_traces::scenario::Scenario;

/// How the program is to run the scenario.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Real milliseconds for a virtual one; chosen by the scenario's times when left out.
    pub scale: Option<f64>,
}

/// A scenario as a C program.
///
/// # Errors
/// Why the scenario cannot run on a real system, each reason in a sentence.
pub fn emit(scenario: &Scenario, options: &Options) -> Result<String, Vec<String>> {
    let timing = timing(scenario, options.scale);
    let mut reasons = obstacles(scenario);
    reasons.extend(timing.obstacle());
    if reasons.is_empty() { Ok(text::program(scenario, &timing)) } else { Err(reasons) }
}

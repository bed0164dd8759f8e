//! The command line: one file a verb, each reads its arguments, makes one call to the library,
//! and prints what came of it.

mod api_trace;
mod check;
mod executions;
mod explore;
mod fuzz;
mod import;
mod input;
mod keeping;
mod litmus;
mod liveness;
mod objects;
mod output;
mod progress;
mod replay;
mod rules;
mod run;
mod sample;
mod save;
mod schema;
mod wine;
mod witness;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Simulates, explores and judges Windows asynchronous procedure calls and alertable waits.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit status: 0 all is as it should be; 1 something is not; 2 bad input \
                          or usage; 3 undecided, because a limit was met.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Simulate one run and show its timeline and outcome
    Run(run::Arguments),
    /// Explore every schedule: outcomes, invariants, expectations
    Explore(explore::Arguments),
    /// Judge whatever is given: scenarios, observations, full traces, folders of them
    Check(check::Arguments),
    /// Turn a capture in another system's format into a trace
    Import(import::Arguments),
    /// Re-execute a full trace; it must come out byte for byte
    Replay(replay::Arguments),
    /// A scenario as a C program for a real system; what that does, beside what is allowed
    Litmus(litmus::Arguments),
    /// Random scenarios, against every invariant or against a real system
    Fuzz(fuzz::Arguments),
    /// The specification: rules, deviations, invariants, and what exercises them
    Rules(rules::Arguments),
    /// Print the JSON Schema of a kind of document
    Schema(schema::Arguments),
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Status {
    /// All is as it should be.
    Good,
    /// A limit was met.
    Undecided,
    /// Something is not as it should be.
    Finding,
    /// Bad input or usage.
    BadInput,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Status::Good => 0,
            Status::Finding => 1,
            Status::BadInput => 2,
            Status::Undecided => 3,
        }
    }
}

/// What a command cannot go on from.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Input that is wrong at a place in a file.
    Input(alertable_traces::Error),
    /// Anything else, in one sentence.
    Other(String),
}

impl From<alertable_traces::Error> for Failure {
    fn from(error: alertable_traces::Error) -> Self {
        Failure::Input(error)
    }
}

/// Runs the program and turns what came of it into its exit status.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Explore(arguments) => explore::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Fuzz(arguments) => fuzz::run(arguments),
        Command::Litmus(arguments) => litmus::run(arguments),
        Command::Rules(arguments) => rules::run(arguments),
        Command::Schema(arguments) => Ok(schema::run(arguments)),
    };
    let status = result.unwrap_or_else(|failure| {
        output::print_failure(&failure);
        Status::BadInput
    });
    ExitCode::from(status.code())
}

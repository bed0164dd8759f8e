//! The command-line program `alertable`.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}

//! `alertable schema`.

use super::{Status, output};
use alertable_traces::DocumentKind;
use alertable_traces::schema::schema;
use clap::ValueEnum;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The kind of document
    kind: Kind,
    /// For symmetry with the other verbs: a schema is always printed as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Scenario,
    Outcome,
    Trace,
}

pub(super) fn run(arguments: &Arguments) -> Status {
    let kind = match arguments.kind {
        Kind::Scenario => DocumentKind::Scenario,
        Kind::Outcome => DocumentKind::Outcome,
        Kind::Trace => DocumentKind::Trace,
    };
    output::print_json_pretty(&schema(kind));
    Status::Good
}

//! The documents of alertable: scenarios, outcomes, observations and traces of Windows threads,
//! APCs, waits and I/O.
//!
//! This crate says what can be said, not what is true: it has the types, strict reading with
//! exact places of mistakes, writing, and JSON Schemas. It knows no semantics.
//!
//! ```
//! let text = r#"{ "alertable": 1, "kind": "scenario", "title": "One sleep",
//!     "threads": { "main": [{ "call": "SleepEx", "ms": 10, "alertible": true }] } }"#;
//! let error = alertable_traces::read_scenario(text, Some("sleep.json")).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "sleep.json:2:58: unknown field \"alertible\"; did you mean \"alertable\"?"
//! );
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod context;
mod declare;
mod document;
mod error;
mod files;
mod json;
pub mod kernel;
mod layout;
mod lines;
mod matching;
mod object;
mod part;
mod read;
mod reader;
mod suggest;
mod timeout;

pub mod call;
pub mod expectation;
pub mod import;
pub mod limits;
pub mod observation;
pub mod outcome;
pub mod pattern;
pub mod scenario;
pub mod schema;
pub mod status;
pub mod trace;

pub use document::{DocumentKind, FORMAT_VERSION};
pub use error::Error;
pub use files::{
    document_kind, document_kind_of_file, read_observations, read_outcome, read_pattern,
    read_scenario, read_scenario_file, read_text_file,
};
pub use matching::Mismatch;
pub use scenario::scenario_to_json;
pub use suggest::did_you_mean;

//! A checker that accepts everything is worthless. Accepted traces are changed in one place and
//! checked again: nearly every change that matters has to be noticed, and what is not has to be
//! something that the rules allow.
//!
//! `cargo test --test sensitivity -- --nocapture` prints the table.

#![allow(clippy::unwrap_used)]

#[path = "sensitivity/api/mod.rs"]
mod api;
#[path = "sensitivity/object/mod.rs"]
mod object;
#[path = "sensitivity/random.rs"]
mod random;
#[path = "sensitivity/table.rs"]
mod table;
#[path = "support/traced.rs"]
mod traced;

//! The machine behind `alertable`: Windows threads, user APCs, alertable waits, dispatcher
//! objects, timers, I/O requests, completion ports and thread pools as a labelled transition
//! system, with the rules that it follows.
//!
//! - [`machine`]: the state, the transitions possible in it, and applying one.
//! - [`ke`], [`io`], [`ps`](crate::service), [`ob`], [`tp`]: the semantics, in the system's own
//!   parts, in small functions that name the rules they implement.
//! - [`service`]: the seam between the kernel and the programs that threads run.
//! - [`open`]: a world without a program, to follow captures of real systems.
//! - [`program`]: programs made from scenarios, and how a thread takes a step of one.
//! - [`rule`]: the registry of rules; [`deviation`]: named changes of them; [`invariant`]:
//!   what must hold, step by step.
//!
//! Everything here is pure: no clock, randomness, input or output, threads, global state or
//! policy. Whatever could go two ways is a [`machine::Transition`] that somebody else picks.

pub mod deviation;
mod due;
pub mod event;
pub mod future;
pub mod ids;
pub mod invariant;
pub mod io;
pub mod ke;
mod lists;
pub mod machine;
pub mod ob;
pub mod open;
pub mod outcome;
pub mod parts;
pub mod program;
mod ps;
mod records;
pub mod rule;
pub mod service;
pub mod slots;
pub mod symmetry;
pub mod tp;
pub mod win32;

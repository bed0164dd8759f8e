//! Simulates, explores and judges Windows asynchronous procedure calls and alertable waits.
//!
//! - [`engine`]: searching and sampling any transition system; knows nothing of Windows.
//! - [`system`]: the machine of `alertable-models` as such a system, with its invariants.
//! - [`litmus`]: a scenario as a C program for a real system, and what that was seen to do.
//! - [`run`], [`exploration`], [`judge`], [`replay`]: one run, every schedule, observations of
//!   real systems, full traces.
//! - [`models`] and [`traces`] are the crates below, for whoever writes properties of their own.

pub mod api;
pub mod checkpoint;
pub mod deadlock;
pub mod describe;
pub mod engine;
mod exchange;
pub mod executions;
pub mod exploration;
pub mod file;
pub mod fuzz;
pub mod graph;
pub mod judge;
pub mod litmus;
pub mod liveness;
pub mod minimise;
pub mod nearest;
pub mod nt;
pub mod object;
pub mod reduction;
pub mod replay;
pub mod rounds;
pub mod run;
mod runs;
pub mod sampling;
pub mod state_text;
pub mod system;
pub mod trace;

pub use alertable_models as models;
pub use alertable_traces as traces;

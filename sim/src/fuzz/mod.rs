//! Random scenarios, and smaller ones that still show the same.
//!
//! A seed gives the same scenario on every machine. Each scenario is accepted by its reader, and
//! its routines queue only routines behind them, so that without loops every run ends. Each
//! request has an OVERLAPPED of its own, since a program that uses one twice breaks an invariant
//! by itself.

mod acts;
mod shrink;

pub use acts::{Kind, generate, subject};
pub use shrink::shrink;

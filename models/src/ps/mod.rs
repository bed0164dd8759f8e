//! Threads: creation, suspension, termination, exit.

mod create;
mod exit;
mod suspend;
mod terminate;

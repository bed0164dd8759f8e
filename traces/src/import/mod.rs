//! Importers: captures in another system's format as traces.

pub mod input;
pub mod wine_server;

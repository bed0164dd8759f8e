//! Traces: what happened, one event a line.
//!
//! A trace of the level `full` is what the simulator writes, with every choice; replay
//! reproduces it byte for byte. One of the level `api` is what can be captured from outside,
//! and one of the level `object` what a system tells about its objects.

mod event;
mod event_json;
mod header;
pub mod object;
mod reader;
mod writer;

pub use event::{
    ApcKind, EventKind, IrpEvent, KapcEvent, ObjectEvent, PacketEvent, ProcessorMode, ThreadEvent,
    TimerEvent, TraceEvent,
};
pub use header::{Level, TraceHeader};
pub use object::ObjectTraceEvent;
pub use reader::TraceReader;
pub use writer::TraceWriter;

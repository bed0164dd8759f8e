//! The Win32 side of a call: the service behind it, and what its result looks like.

mod driver;
mod error;
mod kernel;
mod lower;

pub use error::win32_error;
pub(crate) use lower::{Lowered, Names, Overlapped, lower};

use crate::io::overlapped::{NOT_THE_REQUEST, TAKEN_FOR_AN_ERROR};
use crate::io::port::{Packet, PacketValue};
use crate::program::Program;
use crate::service::ServiceReturn;
use alertable_traces::kernel::Irql;
use alertable_traces::outcome::{CallResult, PortEntry, Value};
use alertable_traces::status::{NtStatus, Win32Error, wait_result_name};

/// How a call shows what its service returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Convention {
    /// `WAIT_…`, or `WAIT_FAILED` with a last error.
    Wait,
    /// `0` after the time, or `WAIT_IO_COMPLETION`.
    Sleep,
    /// `TRUE`, or `FALSE` with a last error.
    Boolean,
    /// As [`Convention::Boolean`], with the semaphore's previous count.
    PreviousCount,
    /// The thread's previous suspend count, or -1 with a last error.
    SuspendCount,
    /// The status itself.
    Status,
    /// `TRUE` with the bytes transferred, or `FALSE` with a last error; a pending request is the
    /// error `ERROR_IO_PENDING`.
    Transfer,
    /// As [`Convention::Transfer`] on a synchronous file, where the end of the file is no error
    /// (IO-21).
    SynchronousTransfer,
    /// `TRUE` for every status that is no error, pending ones too (IO-46).
    TransferEx,
    /// The result of a request: `TRUE` with bytes, or `FALSE` with a last error (IO-50).
    OverlappedResult,
    /// Whether a request is over.
    HasCompleted,
    /// A packet from a port: `FALSE` with the error of its request if that failed (IOCP-15).
    Packet,
    /// Several packets from a port.
    Packets,
    /// A packet from a port as the system service gives it.
    NativePacket,
    /// A callback for a thread of a pool, which no program sees as a result.
    Work,
    /// `TRUE` or `FALSE`, as a function of the driver kit says.
    Truth,
    /// A number, or the status that is raised as an exception instead.
    Count,
    /// An IRQL.
    Level,
    /// Nothing: `0`.
    Void,
    /// The status of a delay, whose end is its success (WAIT-90).
    Delay,
}

impl Convention {
    /// Whether the wrapper around the service repeats it when an alert ended it (ALERT-07).
    pub(crate) fn repeats_when_alerted(self) -> bool {
        matches!(self, Convention::Wait | Convention::Sleep | Convention::OverlappedResult)
    }

    /// Whether its result tells packets.
    pub(crate) fn tells_packets(self) -> bool {
        matches!(
            self,
            Convention::Packet | Convention::Packets | Convention::NativePacket | Convention::Work
        )
    }

    /// The result as the program sees it, with the packets that the service removed.
    pub fn result(
        self,
        program: &Program,
        service: ServiceReturn,
        packets: &[Packet],
    ) -> CallResult {
        let ServiceReturn { status, value } = service;
        match self {
            Convention::Wait if status.is_error() => failure(name("WAIT_FAILED"), status),
            Convention::Wait => CallResult::of(wait_result(status)),
            Convention::Sleep if status == NtStatus::USER_APC => {
                CallResult::of(name("WAIT_IO_COMPLETION"))
            }
            Convention::Sleep | Convention::Void => CallResult::of(Value::Number(0)),
            Convention::Boolean | Convention::PreviousCount | Convention::TransferEx
                if status.is_error() =>
            {
                failure(name("FALSE"), status)
            }
            Convention::TransferEx if status.is_warning() && value == TAKEN_FOR_AN_ERROR => {
                failure(name("FALSE"), status)
            }
            Convention::PreviousCount => {
                CallResult { previous: Some(i64::from(value)), ..CallResult::of(name("TRUE")) }
            }
            Convention::SuspendCount if status.is_error() => failure(Value::Number(-1), status),
            Convention::Count if status.is_error() => {
                CallResult::of(Value::Name(status.to_string()))
            }
            Convention::SuspendCount | Convention::Count => {
                CallResult::of(Value::Number(i64::from(value)))
            }
            Convention::Status | Convention::Work => {
                CallResult::of(Value::Name(status.to_string()))
            }
            Convention::SynchronousTransfer if status == NtStatus::END_OF_FILE => transferred(0),
            Convention::Transfer | Convention::SynchronousTransfer
                if status.is_success() && status != NtStatus::PENDING =>
            {
                transferred(value)
            }
            Convention::Transfer | Convention::SynchronousTransfer => {
                failure(name("FALSE"), status)
            }
            Convention::Boolean | Convention::TransferEx => CallResult::of(name("TRUE")),
            Convention::OverlappedResult => overlapped_result(status, value),
            Convention::Delay if status == NtStatus::TIMEOUT => {
                CallResult::of(Value::Name(NtStatus::SUCCESS.to_string()))
            }
            Convention::Delay => CallResult::of(Value::Name(status.to_string())),
            Convention::Level => CallResult::of(name(match value {
                0 => Irql::Passive.name(),
                1 => Irql::Apc.name(),
                2 => Irql::Dispatch.name(),
                _ => Irql::Device.name(),
            })),
            Convention::HasCompleted | Convention::Truth => {
                CallResult::of(name(if value == 0 { "FALSE" } else { "TRUE" }))
            }
            Convention::Packet => packet_result(program, status, packets),
            Convention::Packets if status == NtStatus::SUCCESS => CallResult {
                entries: Some(packets.iter().map(|packet| entry(program, packet)).collect()),
                ..CallResult::of(name("TRUE"))
            },
            Convention::Packets => failure(name("FALSE"), status),
            Convention::NativePacket => native_packet_result(program, status, packets),
        }
    }
}

fn transferred(bytes: u32) -> CallResult {
    CallResult { bytes: Some(u64::from(bytes)), ..CallResult::of(name("TRUE")) }
}

/// IO-50, IO-51: what GetOverlappedResult makes of a status, which is that of the request or,
/// with a mark beside it, that of waiting for it.
fn overlapped_result(status: NtStatus, value: u32) -> CallResult {
    match status {
        NtStatus::PENDING if value == NOT_THE_REQUEST => CallResult {
            error: Some(Win32Error::IO_INCOMPLETE.to_string()),
            ..CallResult::of(name("FALSE"))
        },
        NtStatus::USER_APC => failure(name("FALSE"), status),
        _ if value == NOT_THE_REQUEST || !status.is_success() => failure(name("FALSE"), status),
        _ => transferred(value),
    }
}

/// IOCP-15 to IOCP-18: a removed packet is told whatever became of its request.
fn packet_result(program: &Program, status: NtStatus, packets: &[Packet]) -> CallResult {
    let Some(packet) = packets.first() else {
        return CallResult { overlapped: Some(None), ..failure(name("FALSE"), status) };
    };
    let error = (!packet.status.is_success()).then(|| win32_error(packet.status).to_string());
    let ret = name(if error.is_some() { "FALSE" } else { "TRUE" });
    CallResult {
        error,
        bytes: Some(u64::from(packet.information)),
        key: Some(program.datum(packet.key)),
        overlapped: Some(overlapped_name(program, packet)),
        ..CallResult::of(ret)
    }
}

fn native_packet_result(program: &Program, status: NtStatus, packets: &[Packet]) -> CallResult {
    let result = CallResult::of(Value::Name(status.to_string()));
    let Some(packet) = packets.first() else { return result };
    CallResult {
        key: Some(program.datum(packet.key)),
        value: Some(match packet.value {
            PacketValue::Null | PacketValue::Timer(_) => Value::Number(0),
            PacketValue::Block(_) => {
                Value::Name(overlapped_name(program, packet).unwrap_or_default())
            }
            PacketValue::Number(datum) => {
                Value::Number(i64::try_from(program.datum(datum)).unwrap_or(i64::MAX))
            }
        }),
        status: Some(packet.status.to_string()),
        information: Some(u64::from(packet.information)),
        ..result
    }
}

fn entry(program: &Program, packet: &Packet) -> PortEntry {
    PortEntry {
        key: program.datum(packet.key),
        bytes: u64::from(packet.information),
        overlapped: overlapped_name(program, packet),
        status: Some(packet.status.to_string()),
    }
}

/// The OVERLAPPED of a packet; one with a number for a value has none with a name.
fn overlapped_name(program: &Program, packet: &Packet) -> Option<String> {
    match packet.value {
        PacketValue::Block(block) => program.io.block_name(block).map(str::to_owned),
        PacketValue::Null | PacketValue::Number(_) | PacketValue::Timer(_) => None,
    }
}

fn name(name: &str) -> Value {
    Value::Name(name.to_owned())
}

fn failure(ret: Value, status: NtStatus) -> CallResult {
    CallResult { error: Some(win32_error(status).to_string()), ..CallResult::of(ret) }
}

/// The result of a wait function: the status under its Win32 name.
fn wait_result(status: NtStatus) -> Value {
    Value::Name(wait_result_name(status.0).unwrap_or_else(|| status.to_string()))
}

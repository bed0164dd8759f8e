//! The Win32 side of a call: the service behind it, and what its result looks like.

mod error;
mod lower;

pub use error::win32_error;
pub(crate) use lower::{Lowered, Names, lower};

use crate::service::ServiceReturn;
use alertable_traces::outcome::{CallResult, Value};
use alertable_traces::status::{NtStatus, wait_result_name};

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
}

impl Convention {
    /// Whether the wrapper around the service repeats it when an alert ended it (ALERT-07).
    pub(crate) fn repeats_when_alerted(self) -> bool {
        matches!(self, Convention::Wait | Convention::Sleep)
    }

    /// The result as the program sees it.
    pub fn result(self, service: ServiceReturn) -> CallResult {
        let ServiceReturn { status, value } = service;
        match self {
            Convention::Wait if status.is_error() => failure(name("WAIT_FAILED"), status),
            Convention::Wait => CallResult::of(wait_result(status)),
            Convention::Sleep if status == NtStatus::USER_APC => {
                CallResult::of(name("WAIT_IO_COMPLETION"))
            }
            Convention::Sleep => CallResult::of(Value::Number(0)),
            Convention::Boolean | Convention::PreviousCount if status.is_error() => {
                failure(name("FALSE"), status)
            }
            Convention::Boolean => CallResult::of(name("TRUE")),
            Convention::PreviousCount => {
                CallResult { previous: Some(i64::from(value)), ..CallResult::of(name("TRUE")) }
            }
            Convention::SuspendCount if status.is_error() => failure(Value::Number(-1), status),
            Convention::SuspendCount => CallResult::of(Value::Number(i64::from(value))),
            Convention::Status => CallResult::of(Value::Name(status.to_string())),
        }
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

//! Last-error values.

use alertable_traces::status::{NtStatus, Win32Error};

/// The last-error value that a status turns into (RtlNtStatusToDosError).
///
/// `STATUS_NOT_IMPLEMENTED` gives `ERROR_INVALID_FUNCTION`, as everything else unknown does not
/// occur in the services of the model.
pub fn win32_error(status: NtStatus) -> Win32Error {
    match status {
        NtStatus::INVALID_HANDLE | NtStatus::OBJECT_TYPE_MISMATCH => Win32Error::INVALID_HANDLE,
        NtStatus::INVALID_PARAMETER
        | NtStatus::INVALID_PARAMETER_1
        | NtStatus::INVALID_PARAMETER_6
        | NtStatus::INVALID_PARAMETER_MIX => Win32Error::INVALID_PARAMETER,
        NtStatus::MUTANT_NOT_OWNED => Win32Error::NOT_OWNER,
        NtStatus::SEMAPHORE_LIMIT_EXCEEDED => Win32Error::TOO_MANY_POSTS,
        NtStatus::SUSPEND_COUNT_EXCEEDED => Win32Error::SIGNAL_REFUSED,
        NtStatus::THREAD_IS_TERMINATING => Win32Error::ACCESS_DENIED,
        NtStatus::NO_MEMORY => Win32Error::NOT_ENOUGH_MEMORY,
        NtStatus::UNSUCCESSFUL => Win32Error::GEN_FAILURE,
        _ => Win32Error::INVALID_FUNCTION,
    }
}

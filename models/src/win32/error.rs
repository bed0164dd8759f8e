//! Last-error values.

use alertable_traces::status::{NtStatus, Win32Error};

/// The last-error value that a status turns into (RtlNtStatusToDosError).
///
/// For the statuses that the services and devices of the model produce, and the commoner ones
/// that a scenario may give its devices. Any other turns into `ERROR_MR_MID_NOT_FOUND`, as
/// statuses without a translation do.
pub fn win32_error(status: NtStatus) -> Win32Error {
    match status {
        NtStatus::SUCCESS => Win32Error::SUCCESS,
        NtStatus::PENDING => Win32Error::IO_PENDING,
        NtStatus::TIMEOUT => Win32Error::WAIT_TIMEOUT,
        NtStatus::USER_APC => Win32Error::WAIT_IO_COMPLETION,
        NtStatus::ALERTED => Win32Error::ALERTED,
        NtStatus::ABANDONED_WAIT_0 => Win32Error::ABANDONED_WAIT_0,
        NtStatus::INVALID_HANDLE | NtStatus::OBJECT_TYPE_MISMATCH => Win32Error::INVALID_HANDLE,
        NtStatus::INVALID_PARAMETER
        | NtStatus::INVALID_PARAMETER_1
        | NtStatus::INVALID_PARAMETER_6
        | NtStatus::INVALID_PARAMETER_MIX => Win32Error::INVALID_PARAMETER,
        NtStatus::MUTANT_NOT_OWNED => Win32Error::NOT_OWNER,
        NtStatus::SEMAPHORE_LIMIT_EXCEEDED => Win32Error::TOO_MANY_POSTS,
        NtStatus::SUSPEND_COUNT_EXCEEDED => Win32Error::SIGNAL_REFUSED,
        NtStatus::THREAD_IS_TERMINATING | NtStatus::ACCESS_DENIED | NtStatus::DELETE_PENDING => {
            Win32Error::ACCESS_DENIED
        }
        NtStatus::NO_MEMORY => Win32Error::NOT_ENOUGH_MEMORY,
        NtStatus::INSUFFICIENT_RESOURCES => Win32Error::NO_SYSTEM_RESOURCES,
        NtStatus::UNSUCCESSFUL => Win32Error::GEN_FAILURE,
        NtStatus::NOT_IMPLEMENTED
        | NtStatus::INVALID_DEVICE_REQUEST
        | NtStatus::ILLEGAL_FUNCTION => Win32Error::INVALID_FUNCTION,
        NtStatus::NOT_SUPPORTED => Win32Error::NOT_SUPPORTED,
        NtStatus::END_OF_FILE => Win32Error::HANDLE_EOF,
        NtStatus::CANCELLED => Win32Error::OPERATION_ABORTED,
        NtStatus::BUFFER_OVERFLOW => Win32Error::MORE_DATA,
        NtStatus::NOT_FOUND => Win32Error::NOT_FOUND,
        NtStatus::NO_MORE_FILES => Win32Error::NO_MORE_FILES,
        NtStatus::PIPE_BROKEN => Win32Error::BROKEN_PIPE,
        NtStatus::PIPE_CLOSING | NtStatus::PIPE_EMPTY => Win32Error::NO_DATA,
        NtStatus::PIPE_DISCONNECTED => Win32Error::PIPE_NOT_CONNECTED,
        NtStatus::PIPE_LISTENING => Win32Error::PIPE_LISTENING,
        NtStatus::PIPE_CONNECTED => Win32Error::PIPE_CONNECTED,
        NtStatus::PIPE_BUSY | NtStatus::PIPE_NOT_AVAILABLE => Win32Error::PIPE_BUSY,
        NtStatus::INVALID_PIPE_STATE | NtStatus::INVALID_READ_MODE => Win32Error::BAD_PIPE,
        NtStatus::IO_DEVICE_ERROR => Win32Error::IO_DEVICE,
        NtStatus::IO_TIMEOUT => Win32Error::SEM_TIMEOUT,
        NtStatus::DEVICE_NOT_READY => Win32Error::NOT_READY,
        NtStatus::DEVICE_NOT_CONNECTED => Win32Error::DEVICE_NOT_CONNECTED,
        NtStatus::DATA_ERROR | NtStatus::CRC_ERROR => Win32Error::CRC,
        NtStatus::DISK_FULL => Win32Error::DISK_FULL,
        NtStatus::SHARING_VIOLATION => Win32Error::SHARING_VIOLATION,
        NtStatus::FILE_LOCK_CONFLICT => Win32Error::LOCK_VIOLATION,
        NtStatus::BUFFER_TOO_SMALL => Win32Error::INSUFFICIENT_BUFFER,
        NtStatus::ACCESS_VIOLATION => Win32Error::NOACCESS,
        NtStatus::CONNECTION_RESET => Win32Error::NETNAME_DELETED,
        _ => Win32Error::MR_MID_NOT_FOUND,
    }
}

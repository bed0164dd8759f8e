//! Why a scenario cannot be simulated.

use super::compile_kernel::OBJECT_COUNT_MAX;
use std::fmt;

/// Why a scenario that is well formed cannot be simulated.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CompileError {
    /// A call that the machine does not have yet.
    CallNotSimulated {
        /// The call's name.
        call: &'static str,
        /// The thread or routine whose step it is.
        place: String,
    },
    /// A call that is not there in the mode in which it is made.
    WrongMode {
        /// The call's name.
        call: &'static str,
        /// The thread or routine whose step it is.
        place: String,
        /// It is one of code in kernel mode.
        is_kernel_call: bool,
    },
    /// A thread's own steps return from no routine.
    ReturnOutsideRoutine {
        /// The thread.
        thread: String,
    },
    /// A request is sent to a device that no driver of the scenario has.
    NoDriver {
        /// The call's name.
        call: &'static str,
        /// The thread or routine whose step it is.
        place: String,
        /// The device.
        device: String,
    },
    /// A driver's device without a DPC asks for it.
    NoDpc {
        /// The thread or routine whose step asks.
        place: String,
        /// The device.
        device: String,
    },
    /// A process that no thread and no handle names.
    NoProcess {
        /// The thread or routine whose step names it.
        place: String,
        /// The process.
        process: String,
    },
    /// More objects of a kind, or more threads, DPCs and the like, than can be told apart.
    TooMany,
    /// A thread is created by a call for threads of the other mode.
    WrongThread {
        /// The call's name.
        call: &'static str,
        /// The thread.
        thread: String,
    },
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CallNotSimulated { call, place } => {
                write!(f, "`{place}` calls {call}, which is not simulated yet")
            }
            Self::WrongMode { call, place, is_kernel_call: true } => {
                write!(f, "`{place}` runs in user mode, where there is no {call}")
            }
            Self::WrongMode { call, place, is_kernel_call: false } => {
                write!(f, "`{place}` runs in kernel mode, where there is no {call}")
            }
            Self::ReturnOutsideRoutine { thread } => {
                write!(f, "`{thread}` is a thread: only a routine can Return")
            }
            Self::NoDriver { call, place, device } => {
                write!(
                    f,
                    "`{place}` calls {call} with `{device}`, which is the device of no driver \
                     (\"model\": \"driver\")"
                )
            }
            Self::NoDpc { place, device } => {
                write!(f, "`{place}` calls IoRequestDpc with `{device}`, which has no \"dpc\"")
            }
            Self::NoProcess { place, process } => {
                write!(f, "`{place}` attaches to `{process}`, which no thread or handle names")
            }
            Self::TooMany => {
                write!(
                    f,
                    "more than {OBJECT_COUNT_MAX} objects of a kind for code in kernel mode, or \
                     threads, DPCs and the like"
                )
            }
            Self::WrongThread { call, thread } => {
                write!(f, "`{thread}` is no thread that {call} creates")
            }
        }
    }
}

impl std::error::Error for CompileError {}

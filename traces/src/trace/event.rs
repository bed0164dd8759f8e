//! What happens.

use crate::call::Call;
use crate::declare::names;
use crate::kernel::Irql;
use crate::outcome::{ApcEntry, CallResult};
use std::borrow::Cow;

/// One event of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent<'a> {
    /// Its number; numbers go up.
    pub n: u64,
    /// When it happened: nanoseconds, virtual or captured.
    pub t: u64,
    /// The thread that did it or to which it happened.
    pub thread: Option<Cow<'a, str>>,
    /// What happened.
    pub what: EventKind<'a>,
}

/// What happens in a trace, by the field `ev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// The thread makes a call. In JSON its arguments stand beside the event's fields, and a
    /// call's argument `thread` is named `target`, because the event's `thread` is the caller.
    Call {
        /// The call with its arguments.
        call: Cow<'a, Call>,
    },
    /// A call returns.
    Return {
        /// The number of the call's event.
        of: u64,
        /// What it returned.
        result: Cow<'a, CallResult>,
    },
    /// A routine begins to run on the thread.
    Apc(Cow<'a, ApcEntry>),
    /// A routine has run.
    ApcReturn(Cow<'a, ApcEntry>),
    /// The thread changes its state.
    Thread {
        /// How.
        what: ThreadEvent,
    },
    /// An APC object enters or leaves the thread's queue.
    Kapc {
        /// How.
        what: KapcEvent,
        /// The mode of its queue.
        mode: ProcessorMode,
        /// Whether it is special.
        kind: ApcKind,
        /// Its routine, where it has a name.
        routine: Option<Cow<'a, str>>,
        /// What its routine is given.
        data: Option<u64>,
    },
    /// Something happens to an I/O request packet.
    Irp {
        /// Its number in this trace.
        irp: u64,
        /// What happens.
        what: IrpEvent,
        /// The device that has it.
        device: Option<Cow<'a, str>>,
        /// Its current stack location, counted from 1 at the bottom.
        stack: Option<u32>,
        /// Its status.
        status: Option<Cow<'a, str>>,
    },
    /// A packet enters or leaves a completion port.
    Packet {
        /// The port.
        port: Cow<'a, str>,
        /// How.
        what: PacketEvent,
        /// Its key.
        key: Option<u64>,
        /// Its OVERLAPPED.
        overlapped: Option<Cow<'a, str>>,
    },
    /// Something happens to a timer.
    Timer {
        /// The timer.
        timer: Cow<'a, str>,
        /// What happens.
        what: TimerEvent,
    },
    /// Something happens to a dispatcher object.
    Object {
        /// The object.
        object: Cow<'a, str>,
        /// What happens.
        what: ObjectEvent,
    },
    /// The thread runs at another level.
    Irql {
        /// The level.
        irql: Irql,
    },
    /// A DPC enters or leaves its queue.
    Dpc {
        /// The DPC.
        dpc: Cow<'a, str>,
        /// How.
        what: DpcEvent,
    },
    /// The system stops.
    Stop {
        /// The name of the bug check.
        bug_check: Cow<'a, str>,
    },
    /// Something could go several ways.
    Choice {
        /// The ways.
        among: Vec<Cow<'a, str>>,
        /// The index of the one that was taken.
        picked: usize,
    },
}

impl EventKind<'_> {
    /// All values of the field `ev`.
    pub const NAMES: &'static [&'static str] = &[
        "call",
        "return",
        "apc",
        "apc-return",
        "thread",
        "kapc",
        "irp",
        "packet",
        "timer",
        "object",
        "irql",
        "dpc",
        "stop",
        "choice",
    ];

    /// The value of the field `ev`.
    pub fn name(&self) -> &'static str {
        match self {
            EventKind::Call { .. } => "call",
            EventKind::Return { .. } => "return",
            EventKind::Apc(_) => "apc",
            EventKind::ApcReturn(_) => "apc-return",
            EventKind::Thread { .. } => "thread",
            EventKind::Kapc { .. } => "kapc",
            EventKind::Irp { .. } => "irp",
            EventKind::Packet { .. } => "packet",
            EventKind::Timer { .. } => "timer",
            EventKind::Object { .. } => "object",
            EventKind::Irql { .. } => "irql",
            EventKind::Dpc { .. } => "dpc",
            EventKind::Stop { .. } => "stop",
            EventKind::Choice { .. } => "choice",
        }
    }
}

names! {
    /// How a thread changes its state.
    pub enum ThreadEvent: "thread event" {
        /// It exists.
        Created = "created",
        /// It begins its first step.
        Started = "started",
        /// It blocks.
        Waiting = "waiting",
        /// It could run and has no processor.
        Ready = "ready",
        /// It has a processor.
        Running = "running",
        /// It is suspended.
        Suspended = "suspended",
        /// It is not suspended any more.
        Resumed = "resumed",
        /// It has ended.
        Terminated = "terminated",
    }
}

names! {
    /// How an APC object moves.
    pub enum KapcEvent: "APC event" {
        /// It enters the queue.
        Queued = "queued",
        /// It leaves the queue and its routine is about to run.
        Delivered = "delivered",
        /// It is taken back.
        Removed = "removed",
        /// Its thread has ended.
        Rundown = "rundown",
    }
}

names! {
    /// A processor mode.
    pub enum ProcessorMode: "mode" {
        /// Kernel mode.
        Kernel = "kernel",
        /// User mode.
        User = "user",
    }
}

names! {
    /// Whether an APC is special.
    pub enum ApcKind: "kind of APC" {
        /// A normal APC.
        Normal = "normal",
        /// A special APC.
        Special = "special",
    }
}

names! {
    /// How a DPC moves.
    pub enum DpcEvent: "DPC event" {
        /// It enters the queue.
        Queued = "queued",
        /// It is taken back.
        Removed = "removed",
    }
}

names! {
    /// What happens to an I/O request packet.
    pub enum IrpEvent: "IRP event" {
        /// It is allocated.
        Allocated = "allocated",
        /// A driver's dispatch routine takes it.
        Dispatched = "dispatched",
        /// It is marked pending.
        Pending = "pending",
        /// A driver's completion routine runs.
        CompletionRoutine = "completion-routine",
        /// A driver completes it.
        Completed = "completed",
        /// Its cancellation is asked for.
        CancelRequested = "cancel-requested",
        /// A driver cancels it.
        Cancelled = "cancelled",
        /// The I/O manager has finished it: status block, event, APC, packet.
        Finished = "finished",
        /// It is freed.
        Freed = "freed",
        /// Its thread has given it up.
        Dissociated = "dissociated",
    }
}

names! {
    /// How a completion packet moves.
    pub enum PacketEvent: "packet event" {
        /// It enters the port.
        Queued = "queued",
        /// A thread takes it.
        Dequeued = "dequeued",
        /// The port is gone.
        Discarded = "discarded",
    }
}

names! {
    /// What happens to a timer.
    pub enum TimerEvent: "timer event" {
        /// It is set.
        Set = "set",
        /// It is due.
        Expired = "expired",
        /// It is cancelled.
        Cancelled = "cancelled",
    }
}

names! {
    /// What happens to a dispatcher object.
    pub enum ObjectEvent: "object event" {
        /// It is signaled.
        Signaled = "signaled",
        /// It is unsignaled.
        Reset = "reset",
        /// A wait takes it.
        Acquired = "acquired",
        /// Its owner gives it up.
        Released = "released",
        /// Its owner has ended.
        Abandoned = "abandoned",
        /// A file: its last handle is closed (IRP_MJ_CLEANUP).
        CleanedUp = "cleaned-up",
        /// A file: nothing refers to it any more (IRP_MJ_CLOSE).
        Closed = "closed",
    }
}

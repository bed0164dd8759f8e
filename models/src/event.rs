//! What happens in a step, for whoever looks on.

use crate::ids::{BlockId, CallId, DpcId, IrpId, ObjectId, RequestId, ThreadId};
use crate::io::BugCheck;
use crate::io::port::Packet;
use crate::ke::apc::Kapc;
use crate::ke::kapc::KernelApc;
use crate::rule::RuleId;
use crate::service::ServiceReturn;
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

/// Is told what a step does. Every method does nothing unless it is written, so that an
/// observer that looks at nothing costs nothing.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event) {
        let _ = event;
    }

    /// A rule took effect.
    fn rule(&mut self, rule: RuleId) {
        let _ = rule;
    }
}

/// Nobody looks.
impl Observer for () {}

/// One thing that happened. Threads, objects and calls are those of the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A thread makes a call.
    Call {
        /// Who.
        thread: ThreadId,
        /// Which call of the program.
        call: CallId,
    },
    /// A call's result reaches its thread.
    Return {
        /// Who.
        thread: ThreadId,
        /// Which call of the program.
        call: CallId,
        /// What the service returned.
        result: ServiceReturn,
    },
    /// A thread enters the routine of a user APC.
    ApcEntered {
        /// Who.
        thread: ThreadId,
        /// The APC.
        kapc: Kapc,
        /// What the status block of a completed request reads then; zeros for another APC.
        result: IoResult,
    },
    /// A thread returns from the routine of a user APC.
    ApcReturned {
        /// Who.
        thread: ThreadId,
        /// The APC.
        kapc: Kapc,
    },
    /// A thread's own state changes.
    Thread {
        /// Which thread.
        thread: ThreadId,
        /// How.
        change: ThreadChange,
    },
    /// A thread's APC queue changes.
    Kapc {
        /// Whose queue.
        thread: ThreadId,
        /// The APC.
        kapc: Kapc,
        /// How.
        change: KapcChange,
    },
    /// A timer changes.
    Timer {
        /// The timer object.
        timer: ObjectId,
        /// How.
        change: TimerChange,
    },
    /// A dispatcher object changes.
    Object {
        /// The object.
        object: ObjectId,
        /// How.
        change: ObjectChange,
    },
    /// Something happens to a request packet.
    Irp {
        /// Which one.
        irp: IrpId,
        /// The thread that issued it.
        issuer: ThreadId,
        /// What it asks.
        request: RequestId,
        /// What happens.
        change: IrpChange,
    },
    /// A status block is written.
    StatusBlock {
        /// Which one.
        block: BlockId,
    },
    /// A completion packet moves.
    Packet {
        /// The port.
        port: ObjectId,
        /// The packet.
        packet: Packet,
        /// How.
        change: PacketChange,
    },
    /// A call that removes packets is about to return with this one.
    Received {
        /// Who.
        thread: ThreadId,
        /// The packet.
        packet: Packet,
    },
    /// A file object's handles or references are gone.
    File {
        /// The file object.
        file: ObjectId,
        /// Which of them.
        change: FileChange,
    },
    /// A thread's list of kernel APCs changes.
    KernelApc {
        /// Whose list.
        thread: ThreadId,
        /// The APC.
        apc: KernelApc,
        /// How.
        change: KapcChange,
    },
    /// A thread runs at another level.
    Irql {
        /// Which thread.
        thread: ThreadId,
        /// The level.
        irql: Irql,
    },
    /// A DPC moves.
    Dpc {
        /// Which one.
        dpc: DpcId,
        /// How.
        change: DpcChange,
    },
    /// A thread calls what may not be called at its level.
    CalledTooHigh {
        /// Who.
        thread: ThreadId,
        /// What.
        call: &'static str,
        /// Its level.
        irql: Irql,
        /// The highest one for that call.
        max: Irql,
    },
    /// Code in kernel mode does what none may do, in words.
    ContractBroken {
        /// In whose context.
        thread: ThreadId,
        /// What it did.
        how: &'static str,
    },
    /// The system stops.
    Stop {
        /// In whose context.
        thread: ThreadId,
        /// Why.
        bug_check: BugCheck,
    },
    /// Time passes.
    TimePassed {
        /// How much, in milliseconds.
        ms: u32,
    },
}

/// What a status block reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoResult {
    /// The status.
    pub status: NtStatus,
    /// Bytes transferred.
    pub information: u32,
}

impl IoResult {
    /// Of no request.
    pub const NONE: Self = IoResult { status: NtStatus::SUCCESS, information: 0 };
}

/// What becomes of a request packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IrpChange {
    /// It is allocated and on a list.
    Allocated {
        /// Another request that is not over writes the same status block: a mistake of the
        /// program (IO-52).
        in_use: bool,
    },
    /// The driver at this stack location is sent it; 1 is the lowest.
    Dispatched {
        /// The location.
        location: u8,
    },
    /// A driver marks it pending.
    Pending,
    /// The completion routine of the driver at this location runs.
    CompletionRoutine {
        /// The location.
        location: u8,
    },
    /// A driver completes it.
    Completed {
        /// With this status.
        status: NtStatus,
    },
    /// Its cancellation is asked for.
    CancelRequested,
    /// Its cancel routine completes it.
    Cancelled,
    /// Its second stage is done, but for its APC or packet.
    Finished {
        /// Its issuer was told of it (IRP-45).
        notified: bool,
    },
    /// It is freed.
    Freed,
    /// Its thread ends without it (EXIT-08).
    Dissociated,
    /// A driver does what none may do, in words.
    ContractBroken(&'static str),
    /// It stops the system.
    BugCheck(BugCheck),
}

/// How a completion packet moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketChange {
    /// It comes to the port.
    Queued,
    /// A thread gets it.
    Dequeued(ThreadId),
    /// The port is gone.
    Discarded,
}

/// What becomes of a file object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileChange {
    /// Its last handle is closed (IRP_MJ_CLEANUP).
    CleanedUp,
    /// Nothing refers to it any more (IRP_MJ_CLOSE).
    Closed,
}

/// What becomes of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadChange {
    /// It exists.
    Created,
    /// It has run what comes before its entry point.
    Started,
    /// It blocks.
    Waiting,
    /// It can go on.
    Ready,
    /// It stops for a suspension.
    Suspended,
    /// It is let go on.
    Resumed,
    /// It has ended.
    Terminated,
}

/// What becomes of a queued APC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KapcChange {
    /// It joins the queue.
    Queued,
    /// It leaves the queue to run.
    Delivered,
    /// It is taken back.
    Removed,
    /// It is discarded at the end of its thread.
    RunDown,
}

/// How a DPC moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DpcChange {
    /// It joins the queue.
    Queued,
    /// It is taken back.
    Removed,
}

/// What becomes of a timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerChange {
    /// It is set.
    Set,
    /// Its due time is processed.
    Expired,
    /// It is cancelled.
    Cancelled,
}

/// What becomes of a dispatcher object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectChange {
    /// It is signaled.
    Signaled,
    /// It is reset.
    Reset,
    /// It satisfies a wait of the thread.
    Acquired(ThreadId),
    /// The thread gives it up.
    Released(ThreadId),
    /// The thread ended owning it.
    Abandoned(ThreadId),
}

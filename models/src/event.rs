//! What happens in a step, for whoever looks on.

use crate::ids::{CallId, ObjectId, ThreadId};
use crate::ke::apc::Kapc;
use crate::rule::RuleId;
use crate::service::ServiceReturn;

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
    /// Time passes.
    TimePassed {
        /// How much, in milliseconds.
        ms: u32,
    },
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

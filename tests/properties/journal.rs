//! Where each thread is, told by the events alone.

use alertable_models::event::{Event, ThreadChange};
use alertable_models::ids::{CallId, ThreadId};
use alertable_models::ke::apc::{ApcSource, Kapc};
use alertable_models::machine::Model;
use alertable_models::service::ServiceReturn;
use alertable_traces::call::{Call, Timeout};
use std::collections::BTreeMap;

/// A call that has not returned, or a routine that is running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Open {
    Call(CallId),
    Routine(Kapc),
}

/// The calls and routines that each thread is in.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    stacks: Vec<Vec<Open>>,
}

impl Journal {
    pub(crate) fn new(model: &Model) -> Self {
        Journal { stacks: model.program.thread_ids().map(|_| Vec::new()).collect() }
    }

    /// What a thread is in, the innermost last.
    pub(crate) fn stack(&self, thread: ThreadId) -> &[Open] {
        &self.stacks[thread.index()]
    }

    /// The call that a thread is in, if that is what it is in.
    pub(crate) fn open_call(&self, thread: ThreadId) -> Option<CallId> {
        match self.stack(thread).last() {
            Some(Open::Call(call)) => Some(*call),
            Some(Open::Routine(_)) | None => None,
        }
    }

    /// Notes an event; whoever watches looks before or after that, as it needs.
    pub(crate) fn note(&mut self, event: &Event) -> Result<(), String> {
        let (thread, closed) = match *event {
            Event::Call { thread, call } => {
                self.stacks[thread.index()].push(Open::Call(call));
                return Ok(());
            }
            Event::ApcEntered { thread, kapc, .. } => {
                self.stacks[thread.index()].push(Open::Routine(kapc));
                return Ok(());
            }
            Event::Thread { thread, change: ThreadChange::Terminated } => {
                self.stacks[thread.index()].clear();
                return Ok(());
            }
            Event::Return { thread, call, .. } => (thread, Open::Call(call)),
            Event::ApcReturned { thread, kapc } => (thread, Open::Routine(kapc)),
            _ => return Ok(()),
        };
        match self.stacks[thread.index()].pop() {
            Some(open) if open == closed => Ok(()),
            open => Err(format!("{thread:?} left {closed:?} while it was in {open:?}")),
        }
    }
}

/// A call of the program, as the scenario says it.
pub(crate) fn source(model: &Model, call: CallId) -> &Call {
    &model.program.call(call).source
}

/// A thread of the program by its name.
pub(crate) fn thread_named(model: &Model, name: &str) -> Option<ThreadId> {
    model.program.thread_ids().find(|thread| model.program.thread_name(*thread) == name)
}

pub(crate) fn is_special(kapc: Kapc) -> bool {
    kapc.source == ApcSource::Special
}

/// Whether the documentation of a call says that it runs user APCs.
pub(crate) fn is_alertable(call: &Call) -> bool {
    match call {
        Call::SleepEx { alertable, .. }
        | Call::WaitForSingleObjectEx { alertable, .. }
        | Call::WaitForMultipleObjectsEx { alertable, .. }
        | Call::SignalObjectAndWait { alertable, .. } => *alertable,
        Call::NtTestAlert => true,
        _ => false,
    }
}

/// How long a call waits; none for one that does not.
pub(crate) fn timeout(call: &Call) -> Option<Timeout> {
    match call {
        Call::Sleep { ms }
        | Call::SleepEx { ms, .. }
        | Call::WaitForSingleObject { ms, .. }
        | Call::WaitForSingleObjectEx { ms, .. }
        | Call::WaitForMultipleObjects { ms, .. }
        | Call::WaitForMultipleObjectsEx { ms, .. }
        | Call::SignalObjectAndWait { ms, .. } => Some(*ms),
        _ => None,
    }
}

/// The objects that a call waits for, and whether it wants all of them.
pub(crate) fn wait_of(call: &Call) -> Option<(Vec<&str>, bool)> {
    match call {
        Call::WaitForSingleObject { object, .. }
        | Call::WaitForSingleObjectEx { object, .. }
        | Call::SignalObjectAndWait { object, .. } => Some((vec![object], false)),
        Call::WaitForMultipleObjects { objects, all, .. }
        | Call::WaitForMultipleObjectsEx { objects, all, .. } => {
            Some((objects.iter().map(String::as_str).collect(), *all))
        }
        _ => None,
    }
}

/// What a wait returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitResult {
    Object { index: usize, abandoned: bool },
    Apc,
    TimedOut,
    Failed,
}

pub(crate) fn wait_result(result: ServiceReturn) -> WaitResult {
    match result.status.0 {
        status @ 0..0x40 => WaitResult::Object { index: status as usize, abandoned: false },
        status @ 0x80..0xC0 => {
            WaitResult::Object { index: status as usize - 0x80, abandoned: true }
        }
        0xC0 => WaitResult::Apc,
        0x102 => WaitResult::TimedOut,
        _ => WaitResult::Failed,
    }
}

/// Something for each call that each thread is in.
#[derive(Clone, Debug)]
pub(crate) struct PerCall<T>(BTreeMap<ThreadId, Vec<T>>);

impl<T> PerCall<T> {
    pub(crate) fn new() -> Self {
        PerCall(BTreeMap::new())
    }

    /// That of the innermost call of a thread, routines in it left aside.
    pub(crate) fn innermost(&mut self, thread: ThreadId) -> Option<&mut T> {
        self.of(thread).last_mut()
    }

    /// As [`PerCall::innermost`], to look at.
    pub(crate) fn last(&self, thread: ThreadId) -> Option<&T> {
        self.0.get(&thread)?.last()
    }

    /// Those of all calls that a thread is in.
    pub(crate) fn of(&mut self, thread: ThreadId) -> &mut Vec<T> {
        self.0.entry(thread).or_default()
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, thread: ThreadId, of_call: T) {
        self.of(thread).push(of_call);
    }

    /// A call returns: what belonged to it.
    pub(crate) fn end(&mut self, thread: ThreadId) -> Result<T, String> {
        self.of(thread).pop().ok_or_else(|| format!("{thread:?} returns from no call"))
    }

    /// A thread has ended.
    pub(crate) fn forget(&mut self, thread: ThreadId) {
        self.0.remove(&thread);
    }
}

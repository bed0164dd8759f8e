//! How far a trace has been followed.

use alertable_models::ids::ThreadId;
use alertable_traces::call::Call;
use alertable_traces::trace::api::{ApiEvent, ApiEventKind};
use std::rc::Rc;

/// What a thread's trace has begun and not ended.
#[derive(Clone, Debug)]
enum Open {
    /// This call was about to be made.
    Call(Rc<ApiEvent>),
    Routine,
}

/// What a thread's trace has told.
#[derive(Clone, Default, Debug)]
pub(super) struct Told {
    open: Vec<Open>,
    routine_count: usize,
    /// When its last event was written down.
    last: u64,
    /// What its trace tells next, as far as that has been read.
    next: Option<Rc<ApiEvent>>,
}

impl Told {
    /// Whether the innermost thing that it is in is a call.
    pub(super) fn is_in_call(&self) -> bool {
        matches!(self.open.last(), Some(Open::Call(_)))
    }

    /// How many routines it is in.
    pub(super) fn routine_count(&self) -> usize {
        self.routine_count
    }

    /// The call that it is in.
    pub(super) fn call(&self) -> Option<&Call> {
        match &self.open.last()? {
            Open::Call(event) => match &event.what {
                ApiEventKind::Call(call) => Some(call),
                _ => None,
            },
            Open::Routine => None,
        }
    }

    /// Whether what its trace tells next is as wanted, or not known.
    pub(super) fn comes_next(&self, is_wanted: impl FnOnce(&ApiEventKind) -> bool) -> bool {
        self.next.as_ref().is_none_or(|next| is_wanted(&next.what))
    }

    /// The earliest moment at which what it does now can have begun.
    pub(super) fn since(&self) -> u64 {
        match self.open.last() {
            Some(Open::Call(call)) => call.t,
            Some(Open::Routine) | None => self.last,
        }
    }
}

/// How far a trace has been followed: what each thread has told, and what time it is.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    threads: Vec<Told>,
    first: Option<u64>,
    now: u64,
}

impl Progress {
    pub(super) fn new(thread_count: usize) -> Self {
        Progress { threads: vec![Told::default(); thread_count], first: None, now: 0 }
    }

    pub(super) fn thread(&self, thread: ThreadId) -> &Told {
        &self.threads[thread.index()]
    }

    /// The time of the first event, in nanoseconds.
    pub(super) fn first(&self) -> u64 {
        self.first.unwrap_or(0)
    }

    /// The time of the event that is looked at, in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// The time of the next event has come.
    pub(super) fn advance(&mut self, t: u64) {
        self.first.get_or_insert(t);
        self.now = t;
    }

    /// Back to where a thread had told this, and the next event is of this time.
    pub(super) fn go_back(&mut self, thread: ThreadId, told: &Told, t: u64) {
        self.threads[thread.index()].clone_from(told);
        self.now = t;
    }

    /// An event has been explained; the next one of its thread is this.
    pub(super) fn tell(
        &mut self,
        thread: ThreadId,
        event: &Rc<ApiEvent>,
        next: Option<&Rc<ApiEvent>>,
    ) {
        let told = &mut self.threads[thread.index()];
        told.last = event.t;
        told.next = next.cloned();
        match event.what {
            ApiEventKind::Call(_) => told.open.push(Open::Call(Rc::clone(event))),
            ApiEventKind::Apc(_) => {
                told.open.push(Open::Routine);
                told.routine_count += 1;
            }
            ApiEventKind::Return(_) => {
                told.open.pop();
            }
            ApiEventKind::ApcReturn => {
                told.open.pop();
                told.routine_count -= 1;
            }
            ApiEventKind::Started | ApiEventKind::Ending => {}
        }
    }
}

//! Accepted traces, and what there is to change in them.

use alertable::object::{ObjectChecker, ObjectOptions};
use alertable_models::deviation::dialect;
use alertable_traces::Error;
use alertable_traces::import::input::unpacked;
use alertable_traces::import::wine_server::import;
use alertable_traces::trace::ObjectTraceEvent;
use alertable_traces::trace::object::{Lifetime, ObjectCall, ObjectTraceKind, WaitMode};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;

/// How often the state of a checker is kept, to check changed traces from there.
const KEPT_EVERY: usize = 250;

/// An accepted trace, and what there is to change in it.
pub(super) struct Trace {
    pub(super) name: String,
    pub(super) events: Vec<ObjectTraceEvent>,
    /// The checker before each event whose index is a multiple of [`KEPT_EVERY`].
    pub(super) kept: Vec<ObjectChecker>,
    pub(super) waits: Vec<WaitSpan>,
    /// The objects that the trace saw made.
    pub(super) new_objects: HashSet<String>,
    /// Those of them that have no name.
    pub(super) nameless: HashSet<String>,
    /// The last event of each thread.
    pub(super) last_of: HashMap<String, usize>,
}

/// A wait from its call to its end.
#[derive(Clone)]
pub(super) struct WaitSpan {
    pub(super) thread: String,
    pub(super) call: usize,
    /// The event that tells of its end: its return or its wake.
    pub(super) end: usize,
    /// Its return, if it blocked.
    pub(super) blocked_at: Option<usize>,
    pub(super) status: String,
}

/// A changed trace, from the place of the change on.
pub(super) struct Change {
    /// Where it differs first.
    pub(super) at: usize,
    pub(super) events: Vec<ObjectTraceEvent>,
    pub(super) what: String,
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(super) fn read(path: &Path) -> Vec<ObjectTraceEvent> {
    let mut events = Vec::new();
    let log = unpacked(File::open(path).unwrap(), None).unwrap();
    import(log, None, |event| {
        events.push(event.clone());
        Ok::<(), Error>(())
    })
    .unwrap();
    events
}

pub(super) fn options() -> ObjectOptions {
    let deviations = dialect("wine-8.0").unwrap().deviations;
    ObjectOptions { finds_deviations: false, ..ObjectOptions::new(deviations) }
}

impl Trace {
    pub(super) fn of(path: &Path) -> Self {
        let events = read(path);
        let mut checker = ObjectChecker::new(options());
        let mut kept = Vec::new();
        for (at, event) in events.iter().enumerate() {
            if at % KEPT_EVERY == 0 {
                kept.push(checker.clone());
            }
            assert!(checker.event(event.clone(), at as u32), "{}: event {at}", path.display());
        }
        let mut trace = Trace {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            waits: waits_of(&events),
            events,
            kept,
            new_objects: HashSet::new(),
            nameless: HashSet::new(),
            last_of: HashMap::new(),
        };
        for (at, event) in trace.events.iter().enumerate() {
            if let ObjectTraceKind::Object { object, new: true, named, .. } = &event.what {
                trace.new_objects.insert(object.clone());
                if *named == Some(false) {
                    trace.nameless.insert(object.clone());
                }
            }
            if let Some(thread) = &event.thread {
                trace.last_of.insert(thread.clone(), at);
            }
        }
        trace
    }

    /// Whether the changed trace is accepted.
    pub(super) fn accepts(&self, change: &Change) -> bool {
        let from = change.at / KEPT_EVERY;
        let mut checker = self.kept[from].clone();
        let unchanged = &self.events[from * KEPT_EVERY..change.at];
        unchanged.iter().chain(&change.events).all(|event| checker.event(event.clone(), 0))
    }

    /// The trace with one event changed.
    pub(super) fn changed(
        &self,
        at: usize,
        change: impl FnOnce(&mut ObjectTraceEvent),
        what: &str,
    ) -> Option<Change> {
        let mut events = self.events[at..].to_vec();
        change(&mut events[0]);
        (events[0] != self.events[at]).then(|| self.change(at, events, what))
    }

    #[allow(clippy::unnecessary_wraps, reason = "as every kind of change is made")]
    pub(super) fn without(&self, at: usize, what: &str) -> Option<Change> {
        Some(self.change(at, self.events[at + 1..].to_vec(), what))
    }

    pub(super) fn change(&self, at: usize, events: Vec<ObjectTraceEvent>, what: &str) -> Change {
        let place = &self.events[at];
        let what = format!("{} event {at} (line {}): {what}", self.name, place.n);
        Change { at, events, what }
    }

    pub(super) fn call(&self, at: usize) -> &ObjectCall {
        match &self.events[at].what {
            ObjectTraceKind::Call { call } => call,
            other => panic!("event {at} is no call: {other:?}"),
        }
    }

    /// The events for which something holds.
    pub(super) fn sites(&self, holds: impl Fn(usize, &ObjectTraceEvent) -> bool) -> Vec<usize> {
        let sites = self.events.iter().enumerate().filter(|(at, event)| holds(*at, event));
        sites.map(|(at, _)| at).collect()
    }

    /// The return that answers a call.
    pub(super) fn return_of(&self, at: usize) -> Option<usize> {
        let thread = &self.events[at].thread;
        let later = self.events[at..].iter().position(|event| {
            event.thread == *thread && matches!(event.what, ObjectTraceKind::Return { .. })
        })?;
        Some(at + later)
    }

    /// The call that a return answers.
    pub(super) fn call_of_return(&self, at: usize) -> Option<usize> {
        let thread = &self.events[at].thread;
        let is_call = |event: &ObjectTraceEvent| {
            event.thread == *thread && matches!(event.what, ObjectTraceKind::Call { .. })
        };
        self.events[..at].iter().rposition(is_call)
    }

    /// Whether everything about an object is in the trace.
    pub(super) fn is_known(&self, object: &str) -> bool {
        self.new_objects.contains(object)
            || object.starts_with("request:")
            || object.starts_with("thread:")
    }

    /// Whether others can have opened an object by its name.
    pub(super) fn may_have_names(&self, object: &str) -> bool {
        !self.nameless.contains(object)
    }

    /// Whether a wait is for dispatcher objects that the trace saw made, and no timer, which
    /// expires unseen.
    pub(super) fn is_known_wait(&self, wait: &WaitSpan) -> bool {
        let ObjectCall::Wait { objects, .. } = self.call(wait.call) else { return false };
        let fits = |object: &String| {
            self.is_known(object) && !object.starts_with("timer:") && !object.starts_with("file:")
        };
        !objects.is_empty() && objects.iter().all(fits)
    }

    /// The object that ended the wait which ends here.
    pub(super) fn object_that_ended(&self, at: usize) -> Option<&str> {
        let wait = self.waits.iter().find(|wait| wait.end == at)?;
        let ObjectCall::Wait { objects, mode, .. } = self.call(wait.call) else { return None };
        let index = index_of(&wait.status)? as usize;
        (*mode == WaitMode::Any || objects.len() == 1)
            .then(|| objects.get(index))?
            .map(String::as_str)
    }

    pub(super) fn is_infinite(&self, wait: &WaitSpan) -> bool {
        matches!(self.call(wait.call), ObjectCall::Wait { timeout: None, .. })
    }
}

pub(super) fn waits_of(events: &[ObjectTraceEvent]) -> Vec<WaitSpan> {
    let mut open: HashMap<&str, Vec<(usize, Option<usize>)>> = HashMap::new();
    let mut waits = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let Some(thread) = event.thread.as_deref() else { continue };
        let calls = open.entry(thread).or_default();
        let mut close = |status: &String, calls: &mut Vec<(usize, Option<usize>)>| {
            if let Some((call, blocked_at)) = calls.pop() {
                let (thread, status) = (thread.to_owned(), status.clone());
                waits.push(WaitSpan { thread, call, end: at, blocked_at, status });
            }
        };
        match &event.what {
            ObjectTraceKind::Call { call: ObjectCall::Wait { .. } } => calls.push((at, None)),
            ObjectTraceKind::Return { status, .. } if status == "STATUS_PENDING" => {
                if let Some((call, blocked_at @ None)) = calls.last_mut()
                    && *call < at
                {
                    *blocked_at = Some(at);
                }
            }
            ObjectTraceKind::Return { status, .. } => {
                // The return of another call, unless the latest wait has not returned.
                let latest = events[..at].iter().rposition(|earlier| {
                    earlier.thread.as_deref() == Some(thread)
                        && matches!(earlier.what, ObjectTraceKind::Call { .. })
                });
                if calls.last().is_some_and(|(call, _)| Some(*call) == latest) {
                    close(status, calls);
                }
            }
            ObjectTraceKind::Wake { status } => close(status, calls),
            ObjectTraceKind::Thread { what: Lifetime::Ended, .. } => calls.clear(),
            _ => {}
        }
    }
    waits
}

pub(super) fn set_status(event: &mut ObjectTraceEvent, to: &str) {
    match &mut event.what {
        ObjectTraceKind::Return { status, .. } | ObjectTraceKind::Wake { status } => {
            to.clone_into(status);
        }
        _ => {}
    }
}

pub(super) fn index_of(status: &str) -> Option<u32> {
    match status {
        "STATUS_SUCCESS" => Some(0),
        other => {
            let number = u32::from_str_radix(other.strip_prefix("0x")?, 16).ok()?;
            (number < 64).then_some(number)
        }
    }
}

pub(super) fn status_of(index: u32) -> String {
    if index == 0 { "STATUS_SUCCESS".to_owned() } else { format!("0x{index:08X}") }
}

//! Changes of object traces.

use crate::random::Random;
use crate::table::Table;
use alertable::object::{ObjectChecker, ObjectOptions};
use alertable_models::deviation::dialect;
use alertable_traces::Error;
use alertable_traces::import::input::unpacked;
use alertable_traces::import::wine_server::import;
use alertable_traces::trace::ObjectTraceEvent;
use alertable_traces::trace::object::{
    EventAction, Lifetime, ObjectCall, ObjectKind, ObjectTraceKind, WaitMode,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

const CAPTURES: &str = "traces/corpus/captures/wine-server";

/// How many changes are made, and with what seed they are chosen.
const CHANGE_COUNT: usize = 1_000;
const SEED: u64 = 20_261_125;

/// How often the state of a checker is kept, to check changed traces from there.
const KEPT_EVERY: usize = 250;

/// An accepted trace, and what there is to change in it.
struct Trace {
    name: String,
    events: Vec<ObjectTraceEvent>,
    /// The checker before each event whose index is a multiple of [`KEPT_EVERY`].
    kept: Vec<ObjectChecker>,
    waits: Vec<WaitSpan>,
    /// The objects that the trace saw made.
    new_objects: HashSet<String>,
    /// Those of them that have no name.
    nameless: HashSet<String>,
    /// The last event of each thread.
    last_of: HashMap<String, usize>,
}

/// A wait from its call to its end.
#[derive(Clone)]
struct WaitSpan {
    thread: String,
    call: usize,
    /// The event that tells of its end: its return or its wake.
    end: usize,
    /// Its return, if it blocked.
    blocked_at: Option<usize>,
    status: String,
}

/// A changed trace, from the place of the change on.
struct Change {
    /// Where it differs first.
    at: usize,
    events: Vec<ObjectTraceEvent>,
    what: String,
}

type Maker = fn(&Trace, &mut Random) -> Option<Change>;

/// The kinds of changes.
const KINDS: &[(&str, Maker)] = &[
    ("two packets are swapped", swap_packets),
    ("a packet is lost", lose_packet),
    ("a packet is taken twice", double_packet),
    ("a user APC is not delivered", drop_user_apc),
    ("two user APCs are swapped", swap_user_apcs),
    ("a user APC is delivered at once again", double_user_apc),
    ("a wait without alertability returns USER_APC", plain_user_apc),
    ("a wait ends with another index", other_index),
    ("a wait without a time-out times out", infinite_timeout),
    ("a wait that blocked is over at once", never_blocked),
    ("a wait that was over at once blocks", blocks_instead),
    ("a wake is dropped", drop_wake),
    ("a wake comes twice", double_wake),
    ("another thread is woken", wake_another),
    ("two wakes are swapped", swap_wakes),
    ("a request ends twice", end_request_twice),
    ("a system APC is handed out twice", hand_request_twice),
    ("a system APC is for another request", hand_other_request),
    ("a system APC comes to another thread", hand_to_other_thread),
    ("an event that was set is not", drop_event_set),
    ("an event is reset instead of set", reset_instead_of_set),
    ("a state before a call is another", other_previous),
    ("a semaphore passes its limit", pass_limit),
    ("an abandoned mutex is not told of", hide_abandonment),
    ("a mutex is told of as abandoned", invent_abandonment),
    ("a mutex is released by another thread", release_by_other),
    ("a thread's end is dropped", drop_thread_end),
    ("an APC was never queued", drop_queue_apc),
    ("a mutex or semaphore was never released", drop_release),
    ("a packet was never posted", drop_post),
    ("a cancelled request is not found", cancel_finds_nothing_right),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &Path) -> Vec<ObjectTraceEvent> {
    let mut events = Vec::new();
    let log = unpacked(File::open(path).unwrap(), None).unwrap();
    import(log, None, |event| {
        events.push(event.clone());
        Ok::<(), Error>(())
    })
    .unwrap();
    events
}

fn options() -> ObjectOptions {
    let deviations = dialect("wine-8.0").unwrap().deviations;
    ObjectOptions { finds_deviations: false, ..ObjectOptions::new(deviations) }
}

impl Trace {
    fn of(path: &Path) -> Self {
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
    fn accepts(&self, change: &Change) -> bool {
        let from = change.at / KEPT_EVERY;
        let mut checker = self.kept[from].clone();
        let unchanged = &self.events[from * KEPT_EVERY..change.at];
        unchanged.iter().chain(&change.events).all(|event| checker.event(event.clone(), 0))
    }

    /// The trace with one event changed.
    fn changed(
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
    fn without(&self, at: usize, what: &str) -> Option<Change> {
        Some(self.change(at, self.events[at + 1..].to_vec(), what))
    }

    fn change(&self, at: usize, events: Vec<ObjectTraceEvent>, what: &str) -> Change {
        let place = &self.events[at];
        let what = format!("{} event {at} (line {}): {what}", self.name, place.n);
        Change { at, events, what }
    }

    fn call(&self, at: usize) -> &ObjectCall {
        match &self.events[at].what {
            ObjectTraceKind::Call { call } => call,
            other => panic!("event {at} is no call: {other:?}"),
        }
    }

    /// The events for which something holds.
    fn sites(&self, holds: impl Fn(usize, &ObjectTraceEvent) -> bool) -> Vec<usize> {
        let sites = self.events.iter().enumerate().filter(|(at, event)| holds(*at, event));
        sites.map(|(at, _)| at).collect()
    }

    /// The return that answers a call.
    fn return_of(&self, at: usize) -> Option<usize> {
        let thread = &self.events[at].thread;
        let later = self.events[at..].iter().position(|event| {
            event.thread == *thread && matches!(event.what, ObjectTraceKind::Return { .. })
        })?;
        Some(at + later)
    }

    /// The call that a return answers.
    fn call_of_return(&self, at: usize) -> Option<usize> {
        let thread = &self.events[at].thread;
        let is_call = |event: &ObjectTraceEvent| {
            event.thread == *thread && matches!(event.what, ObjectTraceKind::Call { .. })
        };
        self.events[..at].iter().rposition(is_call)
    }

    /// Whether everything about an object is in the trace.
    fn is_known(&self, object: &str) -> bool {
        self.new_objects.contains(object)
            || object.starts_with("request:")
            || object.starts_with("thread:")
    }

    /// Whether others can have opened an object by its name.
    fn may_have_names(&self, object: &str) -> bool {
        !self.nameless.contains(object)
    }

    /// Whether a wait is for dispatcher objects that the trace saw made, and no timer, which
    /// expires unseen.
    fn is_known_wait(&self, wait: &WaitSpan) -> bool {
        let ObjectCall::Wait { objects, .. } = self.call(wait.call) else { return false };
        let fits = |object: &String| {
            self.is_known(object) && !object.starts_with("timer:") && !object.starts_with("file:")
        };
        !objects.is_empty() && objects.iter().all(fits)
    }

    /// The object that ended the wait which ends here.
    fn object_that_ended(&self, at: usize) -> Option<&str> {
        let wait = self.waits.iter().find(|wait| wait.end == at)?;
        let ObjectCall::Wait { objects, mode, .. } = self.call(wait.call) else { return None };
        let index = index_of(&wait.status)? as usize;
        (*mode == WaitMode::Any || objects.len() == 1)
            .then(|| objects.get(index))?
            .map(String::as_str)
    }

    fn is_infinite(&self, wait: &WaitSpan) -> bool {
        matches!(self.call(wait.call), ObjectCall::Wait { timeout: None, .. })
    }
}

fn waits_of(events: &[ObjectTraceEvent]) -> Vec<WaitSpan> {
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

fn pick<T: Clone>(from: &[T], random: &mut Random) -> Option<T> {
    (!from.is_empty()).then(|| from[random.below(from.len())].clone())
}

fn set_status(event: &mut ObjectTraceEvent, to: &str) {
    match &mut event.what {
        ObjectTraceKind::Return { status, .. } | ObjectTraceKind::Wake { status } => {
            to.clone_into(status);
        }
        _ => {}
    }
}

fn index_of(status: &str) -> Option<u32> {
    match status {
        "STATUS_SUCCESS" => Some(0),
        other => {
            let number = u32::from_str_radix(other.strip_prefix("0x")?, 16).ok()?;
            (number < 64).then_some(number)
        }
    }
}

fn status_of(index: u32) -> String {
    if index == 0 { "STATUS_SUCCESS".to_owned() } else { format!("0x{index:08X}") }
}

/// The returns that brought a packet.
fn packets(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(&event.what, ObjectTraceKind::Return { reply, .. } if reply.key.is_some())
    })
}

fn port_of(trace: &Trace, at: usize) -> Option<&str> {
    match trace.call(trace.call_of_return(at)?) {
        ObjectCall::Take { object } => Some(object),
        _ => None,
    }
}

fn swap_packets(trace: &Trace, random: &mut Random) -> Option<Change> {
    let packets = packets(trace);
    let first = pick(&packets, random)?;
    let port = port_of(trace, first)?;
    let mut later = packets.iter().filter(|at| **at > first);
    let second = *later.find(|at| port_of(trace, **at) == Some(port))?;
    let content = |at: usize| match &trace.events[at].what {
        ObjectTraceKind::Return { reply, .. } => reply.clone(),
        _ => unreachable!("these are returns"),
    };
    let (one, other) = (content(first), content(second));
    if (one.key, one.value, &one.status) == (other.key, other.value, &other.status) {
        return None;
    }
    let mut change = trace.changed(first, |event| set_reply(event, other), "packets swapped")?;
    set_reply(&mut change.events[second - first], one);
    Some(change)
}

fn set_reply(event: &mut ObjectTraceEvent, to: alertable_traces::trace::object::Reply) {
    if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
        *reply = to;
    }
}

fn lose_packet(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&packets(trace), random)?;
    trace.changed(
        at,
        |event| {
            set_status(event, "STATUS_PENDING");
            set_reply(event, alertable_traces::trace::object::Reply::default());
        },
        "a packet lost",
    )
}

fn double_packet(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&packets(trace), random)?;
    let call = trace.call_of_return(at)?;
    let mut events = trace.events[at + 1..].to_vec();
    events.splice(0..0, [trace.events[call].clone(), trace.events[at].clone()]);
    let next = trace.events[at + 1..].iter().find_map(|event| match &event.what {
        ObjectTraceKind::Return { reply, .. } if reply.key.is_some() => Some(reply.clone()),
        _ => None,
    });
    let ObjectTraceKind::Return { reply, .. } = &trace.events[at].what else { return None };
    // The next one may be its equal.
    if next.is_some_and(|next| (next.key, next.value) == (reply.key, reply.value)) {
        return None;
    }
    Some(trace.change(at + 1, events, "a packet taken twice"))
}

/// The returns that delivered a user APC.
fn user_apcs(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(&event.what, ObjectTraceKind::Return { reply, .. } if reply.routine.is_some())
    })
}

/// Whether a timer was set with this routine.
fn is_of_timer(trace: &Trace, routine: Option<u64>) -> bool {
    trace.events.iter().any(|event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::SetTimer { routine: of_timer, .. } } => {
            of_timer.is_some() && *of_timer == routine
        }
        _ => false,
    })
}

fn drop_user_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&user_apcs(trace), random)?;
    trace.changed(
        at,
        |event| {
            set_status(event, "STATUS_TIMEOUT");
            set_reply(event, alertable_traces::trace::object::Reply::default());
        },
        "a user APC dropped",
    )
}

fn swap_user_apcs(trace: &Trace, random: &mut Random) -> Option<Change> {
    let apcs = user_apcs(trace);
    let first = pick(&apcs, random)?;
    let thread = &trace.events[first].thread;
    let second = *apcs.iter().find(|at| **at > first && trace.events[**at].thread == *thread)?;
    let content = |at: usize| match &trace.events[at].what {
        ObjectTraceKind::Return { reply, .. } => reply.clone(),
        _ => unreachable!("these are returns"),
    };
    let (one, other) = (content(first), content(second));
    // A timer's is given its due time, which nobody can know.
    let known = if is_of_timer(trace, one.routine) { 1 } else { 3 };
    let same = one.arguments.iter().take(known).eq(other.arguments.iter().take(known));
    if one.routine == other.routine && same {
        return None;
    }
    let mut change = trace.changed(first, |event| set_reply(event, other), "APCs swapped")?;
    set_reply(&mut change.events[second - first], one);
    Some(change)
}

fn double_user_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&user_apcs(trace), random)?;
    let call = trace.call_of_return(at)?;
    let mut events = trace.events[at + 1..].to_vec();
    events.splice(0..0, [trace.events[call].clone(), trace.events[at].clone()]);
    Some(trace.change(at + 1, events, "a user APC delivered twice"))
}

/// The waits for which something holds.
fn some_wait(
    trace: &Trace,
    random: &mut Random,
    holds: impl Fn(&WaitSpan) -> bool,
) -> Option<WaitSpan> {
    let waits: Vec<&WaitSpan> = trace.waits.iter().filter(|wait| holds(wait)).collect();
    pick(&waits, random).cloned()
}

fn plain_user_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        matches!(trace.call(wait.call), ObjectCall::Wait { alertable: false, stopped: false, .. })
            && wait.status != "STATUS_USER_APC"
    })?;
    trace.changed(
        wait.end,
        |event| {
            set_status(event, "STATUS_USER_APC");
            if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
                reply.routine = Some(0x1400_0000);
            }
        },
        "USER_APC at a plain wait",
    )
}

fn other_index(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        index_of(&wait.status).is_some() && trace.is_known_wait(wait)
    })?;
    let ObjectCall::Wait { objects, .. } = trace.call(wait.call) else { return None };
    let index = index_of(&wait.status)?;
    let other = (index + 1) % (objects.len() as u32 + 1);
    trace.changed(wait.end, |event| set_status(event, &status_of(other)), "another index")
}

fn infinite_timeout(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        trace.is_infinite(wait) && wait.status != "STATUS_TIMEOUT"
    })?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_TIMEOUT"), "a time-out")
}

fn never_blocked(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait =
        some_wait(trace, random, |wait| wait.blocked_at.is_some() && trace.is_known_wait(wait))?;
    let blocked = wait.blocked_at?;
    let mut change =
        trace.changed(blocked, |event| set_status(event, "STATUS_SUCCESS"), "not blocked")?;
    change.events.remove(wait.end - blocked);
    Some(change)
}

fn blocks_instead(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        wait.blocked_at.is_none() && index_of(&wait.status).is_some() && trace.is_known_wait(wait)
    })?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_PENDING"), "blocks")
}

/// The wakes.
fn wakes(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| matches!(event.what, ObjectTraceKind::Wake { .. }))
}

fn drop_wake(trace: &Trace, random: &mut Random) -> Option<Change> {
    trace.without(pick(&wakes(trace), random)?, "a wake dropped")
}

fn double_wake(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&wakes(trace), random)?;
    let mut events = trace.events[at..].to_vec();
    events.insert(1, trace.events[at].clone());
    Some(trace.change(at, events, "a wake doubled"))
}

/// The threads that are in a wait when something happens.
fn waiting_at(trace: &Trace, at: usize) -> Vec<&WaitSpan> {
    let spans = trace.waits.iter();
    spans.filter(|wait| wait.blocked_at.is_some_and(|from| from < at) && wait.end > at).collect()
}

fn wake_another(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&wakes(trace), random)?;
    let thread = trace.events[at].thread.clone();
    let others: Vec<String> = waiting_at(trace, at)
        .into_iter()
        .filter(|wait| Some(&wait.thread) != thread.as_ref())
        .map(|wait| wait.thread.clone())
        .collect();
    let other = pick(&others, random)?;
    trace.changed(at, |event| event.thread = Some(other), "another thread woken")
}

fn swap_wakes(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_wake = |at: usize| {
        trace.events.get(at).is_some_and(|event| matches!(event.what, ObjectTraceKind::Wake { .. }))
    };
    // Those of one object, which one call has woken in the order of its waiters.
    let pairs: Vec<usize> = wakes(trace)
        .into_iter()
        .filter(|at| is_wake(at + 1) && trace.events[*at].thread != trace.events[at + 1].thread)
        .filter(|at| match (trace.object_that_ended(*at), trace.object_that_ended(at + 1)) {
            (Some(one), Some(other)) => one == other && trace.is_known(one),
            _ => false,
        })
        .collect();
    let at = pick(&pairs, random)?;
    let mut events = trace.events[at..].to_vec();
    events.swap(0, 1);
    let (first, second) = (events[0].n, events[1].n);
    (events[0].n, events[1].n) = (second, first);
    Some(trace.change(at, events, "two wakes swapped"))
}

fn finishes(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(
            &event.what,
            ObjectTraceKind::Call { call: ObjectCall::Wait { finished: Some(_), .. } }
        )
    })
}

fn end_request_twice(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&finishes(trace), random)?;
    let ObjectCall::Wait { finished: over, status: ended, .. } = trace.call(at).clone() else {
        return None;
    };
    let later = trace.waits.iter().filter(|wait| {
        wait.call > at
            && wait.thread == *trace.events[at].thread.as_ref().unwrap()
            && matches!(trace.call(wait.call), ObjectCall::Wait { finished: None, .. })
    });
    let later: Vec<usize> = later.map(|wait| wait.call).collect();
    let second = pick(&later, random)?;
    trace.changed(
        second,
        |event| {
            if let ObjectTraceKind::Call { call: ObjectCall::Wait { finished, status, .. } } =
                &mut event.what
            {
                *finished = over;
                *status = ended;
            }
        },
        "a request ended twice",
    )
}

fn handed(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| {
        matches!(&event.what, ObjectTraceKind::Return { reply, .. } if reply.request.is_some())
    })
}

fn request_in(trace: &Trace, at: usize) -> Option<String> {
    match &trace.events[at].what {
        ObjectTraceKind::Return { reply, .. } => reply.request.clone(),
        _ => None,
    }
}

fn hand_request_twice(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&handed(trace), random)?;
    let call = trace.call_of_return(at)?;
    let mut events = trace.events[at + 1..].to_vec();
    events.splice(0..0, [trace.events[call].clone(), trace.events[at].clone()]);
    Some(trace.change(at + 1, events, "a request handed out twice"))
}

fn hand_other_request(trace: &Trace, random: &mut Random) -> Option<Change> {
    let handed = handed(trace);
    let (at, other) = (pick(&handed, random)?, pick(&handed, random)?);
    let other = request_in(trace, other)?;
    trace.changed(
        at,
        |event| {
            if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
                reply.request = Some(other);
            }
        },
        "another request handed out",
    )
}

fn hand_to_other_thread(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&handed(trace), random)?;
    let own = trace.events[at].thread.clone();
    let others = trace.waits.iter().filter(|wait| {
        Some(&wait.thread) != own.as_ref()
            && wait.end > at
            && wait.blocked_at.is_none()
            && matches!(
                trace.call(wait.call),
                ObjectCall::Wait { interruptible: true, stopped: false, .. }
            )
    });
    let other = others.min_by_key(|wait| wait.end)?.clone();
    let ObjectTraceKind::Return { reply, .. } = trace.events[at].what.clone() else { return None };
    trace.changed(
        other.end,
        |event| {
            set_status(event, "STATUS_KERNEL_APC");
            set_reply(event, reply);
        },
        "a request handed to another thread",
    )
}

/// The calls that set an event that the trace saw made, with their returns.
fn event_sets(trace: &Trace) -> Vec<usize> {
    trace.sites(|_, event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::Event { object, action } } => {
            *action == EventAction::Set && trace.is_known(object)
        }
        _ => false,
    })
}

fn drop_event_set(trace: &Trace, random: &mut Random) -> Option<Change> {
    drop_call(trace, pick(&event_sets(trace), random)?)
}

fn drop_queue_apc(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_site = |call: &ObjectCall| matches!(call, ObjectCall::QueueApc { .. });
    drop_call(trace, pick(&calls(trace, is_site), random)?)
}

fn drop_release(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_site = |call: &ObjectCall| match call {
        ObjectCall::ReleaseMutex { object } | ObjectCall::ReleaseSemaphore { object, .. } => {
            trace.is_known(object)
        }
        _ => false,
    };
    let at = pick(&calls(trace, is_site), random)?;
    let change = drop_call(trace, at)?;
    // A release that failed changed nothing.
    matches!(&trace.events[trace.return_of(at)?].what,
        ObjectTraceKind::Return { status, .. } if status == "STATUS_SUCCESS")
    .then_some(change)
}

fn drop_post(trace: &Trace, random: &mut Random) -> Option<Change> {
    let is_site = |call: &ObjectCall| matches!(call, ObjectCall::Post { .. });
    drop_call(trace, pick(&calls(trace, is_site), random)?)
}

fn calls(trace: &Trace, holds: impl Fn(&ObjectCall) -> bool) -> Vec<usize> {
    trace.sites(|_, event| match &event.what {
        ObjectTraceKind::Call { call } => holds(call),
        _ => false,
    })
}

/// A call is left out with its return; what it did stays in the trace.
fn drop_call(trace: &Trace, at: usize) -> Option<Change> {
    let thread = &trace.events[at].thread;
    let returns = trace.events[at..].iter().position(|event| {
        event.thread == *thread && matches!(event.what, ObjectTraceKind::Return { .. })
    })?;
    let mut events = trace.events[at..].to_vec();
    events.remove(returns);
    events.remove(0);
    Some(trace.change(at, events, "a call left out"))
}

fn reset_instead_of_set(trace: &Trace, random: &mut Random) -> Option<Change> {
    let at = pick(&event_sets(trace), random)?;
    trace.changed(
        at,
        |event| {
            if let ObjectTraceKind::Call { call: ObjectCall::Event { action, .. } } =
                &mut event.what
            {
                *action = EventAction::Reset;
            }
        },
        "an event reset instead of set",
    )
}

fn other_previous(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        let ObjectTraceKind::Return { status, reply } = &event.what else { return false };
        reply.previous.is_some()
            && status == "STATUS_SUCCESS"
            && trace.call_of_return(at).is_some_and(|call| match trace.call(call) {
                ObjectCall::Event { object, .. }
                | ObjectCall::ReleaseMutex { object }
                | ObjectCall::ReleaseSemaphore { object, .. } => trace.is_known(object),
                ObjectCall::Suspend { .. } | ObjectCall::Resume { .. } => true,
                _ => false,
            })
    });
    let at = pick(&sites, random)?;
    trace.changed(
        at,
        |event| {
            if let ObjectTraceKind::Return { reply, .. } = &mut event.what {
                reply.previous = reply.previous.map(|previous| previous ^ 1);
            }
        },
        "another state before",
    )
}

fn pass_limit(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        matches!(&event.what, ObjectTraceKind::Return { status, .. }
            if status == "STATUS_SEMAPHORE_LIMIT_EXCEEDED")
            && trace.call_of_return(at).is_some()
    });
    let at = pick(&sites, random)?;
    trace.changed(at, |event| set_status(event, "STATUS_SUCCESS"), "a limit passed")
}

fn hide_abandonment(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| wait.status == "STATUS_ABANDONED_WAIT_0")?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_SUCCESS"), "not abandoned")
}

fn invent_abandonment(trace: &Trace, random: &mut Random) -> Option<Change> {
    let wait = some_wait(trace, random, |wait| {
        let ObjectCall::Wait { objects, mode, .. } = trace.call(wait.call) else { return false };
        wait.status == "STATUS_SUCCESS"
            && *mode != WaitMode::None
            && trace.is_known_wait(wait)
            && objects.first().is_some_and(|object| object.starts_with("mutex:"))
    })?;
    trace.changed(wait.end, |event| set_status(event, "STATUS_ABANDONED_WAIT_0"), "abandoned")
}

fn release_by_other(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|_, event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::ReleaseMutex { object } } => {
            trace.is_known(object)
        }
        _ => false,
    });
    let at = pick(&sites, random)?;
    let thread = trace.events[at].thread.clone();
    let end = trace.events[at..].iter().position(|event| {
        event.thread == thread && matches!(event.what, ObjectTraceKind::Return { .. })
    })?;
    let is_success = matches!(&trace.events[at + end].what,
        ObjectTraceKind::Return { status, .. } if status == "STATUS_SUCCESS");
    let waiting: HashSet<&str> =
        waiting_at(trace, at).into_iter().map(|wait| wait.thread.as_str()).collect();
    let others: Vec<String> = trace
        .waits
        .iter()
        .filter(|wait| wait.call < at && trace.last_of[&wait.thread] > at)
        .map(|wait| wait.thread.clone())
        .filter(|other| Some(other) != thread.as_ref() && !waiting.contains(other.as_str()))
        .collect();
    let other = pick(&others, random).filter(|_| is_success)?;
    let mut change =
        trace.changed(at, |event| event.thread = Some(other.clone()), "released by another")?;
    change.events[end].thread = Some(other);
    Some(change)
}

/// The ends of threads for which somebody waits.
fn drop_thread_end(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        let ended = matches!(event.what, ObjectTraceKind::Thread { what: Lifetime::Ended, .. });
        let object = event.thread.as_ref().map(|thread| format!("thread:{thread}"));
        ended
            && waiting_at(trace, at).into_iter().any(|wait| match trace.call(wait.call) {
                ObjectCall::Wait { objects, .. } => {
                    objects.len() == 1 && objects.first() == object.as_ref()
                }
                _ => false,
            })
    });
    trace.without(pick(&sites, random)?, "a thread's end dropped")
}

/// A cancellation that found nothing is told to have found something.
fn cancel_finds_nothing_right(trace: &Trace, random: &mut Random) -> Option<Change> {
    let sites = trace.sites(|at, event| {
        matches!(&event.what, ObjectTraceKind::Return { status, .. } if status == "STATUS_NOT_FOUND")
            && trace
                .call_of_return(at)
                .is_some_and(|call| matches!(trace.call(call), ObjectCall::Cancel { .. }))
    });
    let at = pick(&sites, random)?;
    trace.changed(at, |event| set_status(event, "STATUS_SUCCESS"), "a cancellation that succeeds")
}

/// Why the rules allow a change that was accepted; none if they do not.
fn argument(trace: &Trace, change: &Change) -> Option<&'static str> {
    let at = change.at;
    match &trace.events[at].what {
        ObjectTraceKind::Call { call: ObjectCall::Event { object, .. } } => {
            why_unset(trace, at, object)
        }
        ObjectTraceKind::Call { call: ObjectCall::QueueApc { target, routine, arguments } } => {
            is_never_delivered(trace, at, target, *routine, arguments)
                .then_some("the APC is not delivered before its thread ends (WAIT-02, APC-U-23)")
        }
        ObjectTraceKind::Call {
            call: ObjectCall::ReleaseMutex { object } | ObjectCall::ReleaseSemaphore { object, .. },
        } => is_never_looked_at(trace, at, object)
            .then_some("nothing that comes later shows the state of the object"),
        ObjectTraceKind::Call { call: ObjectCall::Post { object, .. } } => {
            is_never_taken(trace, at, object)
                .then_some("nobody takes the packet, and those before it are taken (IOCP-10)")
        }
        ObjectTraceKind::Wake { .. } => is_end_unseen(trace, at).then_some(
            "nothing is known of what ended the wait, and the thread does nothing more but end",
        ),
        // What was put in comes after the APC that it repeats.
        _ => repeated_timer_apc(trace, at)
            .then_some("the timer's period may be over again (TIMER-15, TIMER-16)"),
    }
}

/// WAIT-47, WAIT-48: a set of an event does nothing if it is set, and is not seen if nobody looks
/// at it before it is set or reset again. An event that can have another name may be set by it.
fn why_unset(trace: &Trace, at: usize, object: &str) -> Option<&'static str> {
    let was_set = matches!(&trace.events[trace.return_of(at)?].what,
        ObjectTraceKind::Return { reply, .. } if reply.previous == Some(1));
    if was_set
        && matches!(
            &trace.events[at].what,
            ObjectTraceKind::Call { call: ObjectCall::Event { action: EventAction::Set, .. } }
        )
    {
        return Some("the event was set already (WAIT-48)");
    }
    if is_never_looked_at(trace, at, object) {
        return Some("nothing that comes later shows the state of the object");
    }
    let has_alias = trace.events[..at].iter().any(|event| {
        matches!(&event.what, ObjectTraceKind::Object { kind, new: false, .. }
            if *kind == ObjectKind::Event)
    });
    (trace.may_have_names(object) && has_alias)
        .then_some("the event may have a name by which it was opened unseen and set")
}

/// Whether nothing tells of an object's state before it is defined anew or gone.
fn is_never_looked_at(trace: &Trace, at: usize, object: &str) -> bool {
    for later in &trace.events[at + 1..] {
        match &later.what {
            ObjectTraceKind::Gone { object: gone } if gone == object => return true,
            ObjectTraceKind::Call { call: ObjectCall::Issue { event: Some(event), .. } }
                if event == object =>
            {
                return true;
            }
            ObjectTraceKind::Call {
                call: ObjectCall::Wait { signal: Some(signal), objects, .. },
            } if signal == object && !objects.contains(signal) => {
                return true;
            }
            ObjectTraceKind::Call { call } if names(call, object) => return false,
            _ => {}
        }
    }
    true
}

/// Whether the packets that are taken from here on were all there before.
fn is_never_taken(trace: &Trace, at: usize, port: &str) -> bool {
    let taken = |range: std::ops::Range<usize>| {
        packets(trace)
            .into_iter()
            .filter(|taken| range.contains(taken) && port_of(trace, *taken) == Some(port))
            .count()
    };
    let posted = trace.events[..at].iter().filter(|event| {
        matches!(&event.what,
            ObjectTraceKind::Call { call: ObjectCall::Post { object, .. } } if object == port)
    });
    posted.count().saturating_sub(taken(0..at)) >= taken(at..trace.events.len())
}

/// Whether a wait ended for an object that the trace did not see made, or for no object, and its
/// thread makes no call afterwards.
fn is_end_unseen(trace: &Trace, at: usize) -> bool {
    let is_unknown = trace.object_that_ended(at).is_none_or(|object| !trace.is_known(object));
    let thread = &trace.events[at].thread;
    let goes_on = trace.events[at + 1..].iter().any(|event| {
        event.thread == *thread
            && !matches!(event.what, ObjectTraceKind::Thread { what: Lifetime::Ended, .. })
    });
    is_unknown && !goes_on
}

fn names(call: &ObjectCall, name: &str) -> bool {
    match call {
        ObjectCall::Wait { objects, .. } => objects.iter().any(|object| object == name),
        ObjectCall::Event { object, .. }
        | ObjectCall::ReleaseMutex { object }
        | ObjectCall::ReleaseSemaphore { object, .. }
        | ObjectCall::Take { object }
        | ObjectCall::Post { object, .. } => object == name,
        _ => false,
    }
}

/// Whether a thread does not run an APC of this content any more.
fn is_never_delivered(
    trace: &Trace,
    at: usize,
    target: &str,
    routine: u64,
    arguments: &[u64],
) -> bool {
    let thread = target.strip_prefix("thread:");
    !trace.events[at..].iter().any(|event| {
        event.thread.as_deref() == thread
            && matches!(&event.what, ObjectTraceKind::Return { reply, .. }
                if reply.routine == Some(routine) && reply.arguments == arguments)
    })
}

/// Whether the event before is the delivery of the APC of a timer with a period.
fn repeated_timer_apc(trace: &Trace, at: usize) -> bool {
    let Some(ObjectTraceKind::Return { reply, .. }) = trace.events.get(at - 1).map(|e| &e.what)
    else {
        return false;
    };
    trace.events[..at].iter().any(|event| match &event.what {
        ObjectTraceKind::Call { call: ObjectCall::SetTimer { routine, period, .. } } => {
            routine.is_some() && *routine == reply.routine && *period > 0
        }
        _ => false,
    })
}

fn captures() -> Vec<Trace> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(CAPTURES))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| Trace::of(file)).collect()
}

#[test]
fn changes_of_object_traces_are_noticed() {
    let traces = captures();
    let mut random = Random(SEED);
    let mut table = Table::default();
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = 0;
    while count < CHANGE_COUNT {
        let (kind, make) = KINDS[random.below(KINDS.len())];
        let trace = &traces[random.below(traces.len())];
        let Some(change) = make(trace, &mut random) else { continue };
        count += 1;
        *made.entry(kind).or_default() += 1;
        let row = table.row(kind);
        if !trace.accepts(&change) {
            row.rejected += 1;
        } else if let Some(argument) = argument(trace, &change) {
            *row.allowed.entry(argument).or_default() += 1;
        } else {
            row.missed.push(change.what);
        }
    }
    println!("{table}");
    assert_eq!(table.missed(), 0, "\n{table}");
    assert!(table.rejected() * 100 >= CHANGE_COUNT * 95, "\n{table}");
    for (kind, _) in KINDS {
        assert!(made.contains_key(kind), "no change: {kind}\n{table}");
    }
}

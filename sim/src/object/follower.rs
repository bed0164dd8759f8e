//! What is followed: threads, objects and requests by their names in the trace.

use super::{Stop, Unexplained};
use alertable_models::deviation::Deviations;
use alertable_models::ids::{ObjectId, ThreadId};
use alertable_models::open::{Effects, OpenWorld, Request, RequestState, UserApc};
use alertable_models::rule::RuleId;
use alertable_traces::status::NtStatus;
use alertable_traces::trace::ObjectTraceEvent;
use alertable_traces::trace::object::{
    Lifetime, ObjectCall, ObjectKind, ObjectTraceKind, WaitMode,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// An object, by its name in the trace.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) id: ObjectId,
    pub(super) kind: ObjectKind,
    /// Others may have opened it under its name, or it was there before the trace.
    pub(super) is_shared: bool,
    /// No handle names it any more.
    pub(super) is_gone: bool,
    /// An event of which nothing else is known was set, reset, ….
    pub(super) was_set: bool,
}

/// A thread.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) id: ThreadId,
    pub(super) process: Option<String>,
    /// It was seen from its beginning; otherwise it may be in any state.
    pub(super) is_known: bool,
    /// What it has called and not been answered.
    pub(super) call: Option<ObjectCall>,
    /// The wait that it is in.
    pub(super) wait: Option<Wait>,
    /// A system APC has ended its wait and is to be handed to it.
    pub(super) awaits_system_apc: bool,
    /// The APCs of timers of which nothing is known, which may come at any moment.
    pub(super) loose_apcs: Vec<UserApc>,
    /// It has ended.
    pub(super) is_over: bool,
    /// Handles name it.
    pub(super) has_handles: bool,
}

/// A wait that a thread is in.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) objects: Vec<String>,
    pub(super) mode: WaitMode,
    pub(super) alertable: bool,
    pub(super) interruptible: bool,
}

/// A request, and what is known of it beside.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) request: Request,
    pub(super) file: String,
    pub(super) process: Option<String>,
    /// What its call returned or it ended with.
    pub(super) status: Option<NtStatus>,
}

/// A wait that has to end next.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) thread: ThreadId,
    pub(super) status: NtStatus,
    /// The thread goes on from where it has said that it was stopped; the wait inside which
    /// that was goes on too.
    pub(super) from_stop: bool,
    pub(super) rules: Vec<RuleId>,
}

/// Follows a trace.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) world: OpenWorld,
    deviations: Deviations,
    pub(super) things: HashMap<String, Thing>,
    pub(super) threads: HashMap<String, Thread>,
    pub(super) thread_names: HashMap<ThreadId, String>,
    /// The processes that were seen from their beginning and have not ended.
    processes: BTreeSet<String>,
    pub(super) requests: HashMap<String, Followed>,
    /// The port of each file, and the key of its packets.
    pub(super) associations: HashMap<String, (ObjectId, u64)>,
    /// How many requests and files need an object that may have no handle any more.
    pins: BTreeMap<ObjectId, u32>,
    /// The objects that go when nobody needs them any more.
    gone: Vec<ObjectId>,
    /// The waits that have to end next, in this order.
    pub(super) expected: VecDeque<Expected>,
    /// The waits that ended since a call that has not been answered.
    pub(super) window: Vec<(String, NtStatus)>,
    /// The thread whose call has not been answered.
    open_call: Option<String>,
    /// Lines were missing: what is not known may have existed.
    pub(super) is_lossy: bool,
    /// APCs were queued to threads that are not known, and may come anywhere.
    pub(super) has_wandering_apcs: bool,
    counts: BTreeMap<&'static str, u64>,
    rules: Vec<RuleId>,
}

pub(super) type Step = Result<(), Stop>;

impl Follower {
    pub(super) fn new(deviations: Deviations) -> Self {
        let mut world = OpenWorld::new(deviations);
        world.follow_server_steps();
        Follower {
            world,
            deviations,
            things: HashMap::new(),
            threads: HashMap::new(),
            thread_names: HashMap::new(),
            processes: BTreeSet::new(),
            requests: HashMap::new(),
            associations: HashMap::new(),
            pins: BTreeMap::new(),
            gone: Vec::new(),
            expected: VecDeque::new(),
            window: Vec::new(),
            open_call: None,
            is_lossy: false,
            has_wandering_apcs: false,
            counts: BTreeMap::new(),
            rules: Vec::new(),
        }
    }

    pub(super) fn deviations(&self) -> Deviations {
        self.deviations
    }

    pub(super) fn set_deviations(&mut self, deviations: Deviations) {
        self.deviations = deviations;
        self.world.set_deviations(deviations);
        self.world.follow_server_steps();
    }

    pub(super) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    pub(super) fn rules(&self) -> &[RuleId] {
        &self.rules
    }

    pub(super) fn kept(&self) -> usize {
        self.things.len() + self.threads.len() + self.requests.len() + self.gone.len()
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Follows an event.
    pub(super) fn event(&mut self, event: &ObjectTraceEvent) -> Step {
        let thread = event.thread.as_deref();
        match &event.what {
            ObjectTraceKind::Process { process, what } => {
                self.process(process, *what);
                Ok(())
            }
            ObjectTraceKind::Thread { what, process, suspended, .. } => match thread {
                Some(thread) => self.thread_life(thread, *what, process.as_deref(), *suspended),
                None => Ok(()),
            },
            ObjectTraceKind::Handle { .. } => Ok(()),
            ObjectTraceKind::Object { object, .. } => self.object(thread, object, &event.what),
            ObjectTraceKind::Gone { object } => {
                self.object_gone(object);
                Ok(())
            }
            ObjectTraceKind::Call { call } => match thread {
                Some(thread) => self.called(thread, call),
                None => Ok(()),
            },
            ObjectTraceKind::Return { status, reply } => match thread {
                Some(thread) => self.returned(thread, status, reply),
                None => Ok(()),
            },
            ObjectTraceKind::Wake { status } => match (thread, NtStatus::from_name(status)) {
                (Some(thread), Some(status)) => self.woken(thread, status),
                _ => Ok(()),
            },
            ObjectTraceKind::Gap { .. } => {
                self.forget_everything();
                Ok(())
            }
        }
    }

    /// A call is made; what it does is followed when its answer is known.
    fn called(&mut self, name: &str, call: &ObjectCall) -> Step {
        self.close_window()?;
        self.thread(name)?.call = Some(call.clone());
        self.open_call = Some(name.to_owned());
        self.count(call.name());
        Ok(())
    }

    fn returned(
        &mut self,
        name: &str,
        status: &str,
        reply: &alertable_traces::trace::object::Reply,
    ) -> Step {
        if self.open_call.as_deref() == Some(name) {
            self.open_call = None;
        }
        let Some(call) = self.thread(name)?.call.take() else {
            // The trace begins between the two, or lines are missing.
            return Ok(());
        };
        self.answered(name, &call, status, reply)?;
        let window = std::mem::take(&mut self.window);
        for (thread, status) in window {
            self.match_wake(&thread, status)?;
        }
        self.expect_nothing()
    }

    fn woken(&mut self, name: &str, status: NtStatus) -> Step {
        self.count("wake");
        if self.open_call.is_some() {
            self.window.push((name.to_owned(), status));
            return Ok(());
        }
        self.match_wake(name, status)
    }

    /// A call that is never answered, because its thread is gone, may have done anything.
    fn close_window(&mut self) -> Step {
        if let Some(caller) = self.open_call.take() {
            if let Some(thread) = self.threads.get_mut(&caller) {
                thread.call = None;
            }
            for (thread, status) in std::mem::take(&mut self.window) {
                self.match_wake(&thread, status)?;
            }
        }
        self.expect_nothing()
    }

    /// Every wait that had to end has ended.
    fn expect_nothing(&mut self) -> Step {
        match self.expected.pop_front() {
            None => Ok(()),
            Some(expected) => {
                self.expected.clear();
                Err(self.missing_wake(&expected))
            }
        }
    }

    /// What the world did: waits that have to end now.
    pub(super) fn expect(&mut self, effects: Effects) {
        for rule in &effects.rules {
            if !self.rules.contains(rule) {
                self.rules.push(*rule);
            }
        }
        for (thread, status) in effects.wakes {
            let status = self.status_of_request(thread, status);
            let rules = effects.rules.clone();
            self.expected.push_back(Expected { thread, status, from_stop: false, rules });
        }
    }

    /// A wait for a request ends with the status of the request.
    pub(super) fn status_of_request(&self, thread: ThreadId, status: NtStatus) -> NtStatus {
        let name = self.thread_names.get(&thread);
        let wait = name.and_then(|name| self.threads.get(name)?.wait.as_ref());
        let object = wait.and_then(|wait| wait.objects.get(status.0 as usize));
        let request = object.and_then(|object| self.requests.get(object));
        request.and_then(|followed| followed.status).unwrap_or(status)
    }

    /// The thread of this name. One that was not seen before may be in any state.
    pub(super) fn thread(&mut self, name: &str) -> Result<&mut Thread, Stop> {
        if !self.threads.contains_key(name) {
            self.add_thread(name, None, false, false)?;
        }
        Ok(self.threads.get_mut(name).expect("it was added if it was not there"))
    }

    fn add_thread(
        &mut self,
        name: &str,
        process: Option<&str>,
        suspended: bool,
        is_known: bool,
    ) -> Step {
        let id = self.world.add_thread(suspended)?;
        self.thread_names.insert(id, name.to_owned());
        let thread = Thread {
            id,
            process: process.map(str::to_owned),
            is_known,
            call: None,
            wait: None,
            awaits_system_apc: false,
            loose_apcs: Vec::new(),
            is_over: false,
            has_handles: false,
        };
        self.threads.insert(name.to_owned(), thread);
        Ok(())
    }

    /// Whether user APCs may come to a thread that the world has not seen queued.
    pub(super) fn may_have_more_apcs(&self, thread: &Thread) -> bool {
        !thread.is_known || !thread.loose_apcs.is_empty() || self.has_wandering_apcs
    }

    /// The thread that an object is, if it is one that is known.
    pub(super) fn thread_of_object<'a>(&self, object: &'a str) -> Option<&'a str> {
        object.strip_prefix("thread:").filter(|name| self.threads.contains_key(*name))
    }

    fn thread_life(
        &mut self,
        name: &str,
        what: Lifetime,
        process: Option<&str>,
        suspended: bool,
    ) -> Step {
        match what {
            Lifetime::Created => {
                self.drop_thread(name);
                self.add_thread(name, process, suspended, true)
            }
            Lifetime::Started => {
                if !self.threads.contains_key(name) {
                    self.add_thread(name, process, false, true)?;
                }
                self.thread(name)?.process = process.map(str::to_owned);
                Ok(())
            }
            Lifetime::Ended => self.thread_ended(name),
        }
    }

    fn thread_ended(&mut self, name: &str) -> Step {
        self.count("thread-end");
        if self.open_call.as_deref() == Some(name) {
            self.open_call = None;
        }
        if self.open_call.is_none() {
            self.expect_nothing()?;
        }
        let thread = self.thread(name)?;
        thread.is_over = true;
        thread.call = None;
        thread.wait = None;
        let (id, has_handles) = (thread.id, thread.has_handles);
        self.world.end_wait(id);
        let effects = self.world.end_thread(id);
        self.expect(effects);
        if !has_handles {
            self.gone.push(id.object());
        }
        self.sweep();
        Ok(())
    }

    /// Forgets a thread whose number is given to another one.
    fn drop_thread(&mut self, name: &str) {
        if let Some(thread) = self.threads.remove(name) {
            self.thread_names.remove(&thread.id);
            self.gone.retain(|object| *object != thread.id.object());
            self.world.end_wait(thread.id);
            self.expected.retain(|expected| expected.thread != thread.id);
            let _ = self.world.end_thread(thread.id);
            self.world.remove_thread(thread.id);
        }
    }

    fn process(&mut self, name: &str, what: Lifetime) {
        match what {
            Lifetime::Created | Lifetime::Started => {
                self.processes.insert(name.to_owned());
            }
            Lifetime::Ended => {
                self.processes.remove(name);
                self.forget_requests_of(name);
                if let Some(thing) = self.things.get(&format!("process:{name}"))
                    && !self.world.is_opaque(thing.id)
                {
                    let effects = self.world.set_event(thing.id);
                    self.expect(effects);
                }
            }
        }
    }

    fn object(&mut self, thread: Option<&str>, name: &str, told: &ObjectTraceKind) -> Step {
        let ObjectTraceKind::Object {
            kind, new, named, manual, signaled, owned, count, limit, ..
        } = told
        else {
            return Ok(());
        };
        if let Some(of) = self.thread_of_object(name) {
            let of = of.to_owned();
            self.thread(&of)?.has_handles = true;
            let object = self.thread(&of)?.id.object();
            self.gone.retain(|gone| *gone != object);
            return Ok(());
        }
        let is_process = *kind == ObjectKind::Process;
        let process = name.strip_prefix("process:").unwrap_or("");
        let id = match kind {
            ObjectKind::Event if *new => match (manual, signaled) {
                (Some(manual), Some(signaled)) => self.world.add_event(*manual, *signaled)?,
                _ => self.world.add_opaque()?,
            },
            ObjectKind::Mutex if *new && owned.is_some() => {
                let owner = match (owned, thread) {
                    (Some(true), Some(thread)) => Some(self.thread(thread)?.id),
                    _ => None,
                };
                self.world.add_mutant(owner)?
            }
            ObjectKind::Semaphore if *new => match (count, limit) {
                (Some(count), Some(limit)) => self.world.add_semaphore(*count, *limit)?,
                _ => self.world.add_opaque()?,
            },
            ObjectKind::Timer if *new && manual.is_some() => {
                self.world.add_timer(manual.unwrap_or(false))?
            }
            ObjectKind::Port if *new => self.world.add_port(0)?,
            // A process is an event that its end sets.
            _ if is_process && self.processes.contains(process) => {
                self.world.add_event(true, false)?
            }
            _ => self.world.add_opaque()?,
        };
        let is_shared = !new || *named != Some(false);
        self.add_thing(name, id, *kind, is_shared);
        Ok(())
    }

    pub(super) fn add_thing(&mut self, name: &str, id: ObjectId, kind: ObjectKind, shared: bool) {
        let thing = Thing { id, kind, is_shared: shared, is_gone: false, was_set: false };
        if let Some(old) = self.things.insert(name.to_owned(), thing) {
            self.gone.push(old.id);
        }
    }

    /// The object of this name. One that the trace did not tell of is not known.
    pub(super) fn thing(&mut self, name: &str, kind: ObjectKind) -> Result<ObjectId, Stop> {
        if let Some(of) = self.thread_of_object(name) {
            return Ok(self.threads[of].id.object());
        }
        if !self.things.contains_key(name) {
            let id = self.world.add_opaque()?;
            self.add_thing(name, id, kind, true);
        }
        Ok(self.things[name].id)
    }

    fn object_gone(&mut self, name: &str) {
        if let Some(of) = name.strip_prefix("thread:") {
            if let Some(thread) = self.threads.get_mut(of) {
                thread.has_handles = false;
                if thread.is_over {
                    self.gone.push(thread.id.object());
                }
            }
        } else if let Some(thing) = self.things.remove(name) {
            self.gone.push(thing.id);
            if let Some(followed) = self.requests.get(name)
                && followed.request.state == RequestState::Over
            {
                self.requests.remove(name);
            }
        }
        if let Some((port, _)) = self.associations.remove(name) {
            self.unpin(port);
        }
        self.sweep();
    }

    pub(super) fn pin(&mut self, object: ObjectId) {
        *self.pins.entry(object).or_default() += 1;
    }

    pub(super) fn unpin(&mut self, object: ObjectId) {
        if let Some(count) = self.pins.get_mut(&object) {
            *count -= 1;
            if *count == 0 {
                self.pins.remove(&object);
            }
        }
    }

    /// Forgets the objects that nobody needs any more.
    fn sweep(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        for object in gone {
            let thread = self.thread_names.iter().find(|(id, _)| id.object() == object);
            let thread = thread.map(|(id, name)| (*id, name.clone()));
            if self.world.is_in_use(object) || self.pins.contains_key(&object) {
                self.gone.push(object);
            } else if let Some((id, name)) = thread {
                self.thread_names.remove(&id);
                self.threads.remove(&name);
                self.world.remove_thread(id);
            } else {
                self.world.remove_object(object);
            }
        }
    }

    /// Lines are missing: what was known may be wrong.
    fn forget_everything(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let rules = std::mem::take(&mut self.rules);
        *self = Follower { is_lossy: true, counts, rules, ..Follower::new(self.deviations) };
    }

    /// Goes on after something that was not explained: of what it is about nothing is known.
    pub(super) fn forget(&mut self, concerned: &[String]) {
        self.expected.clear();
        self.window.clear();
        for name in concerned {
            let of = name.strip_prefix("thread:").unwrap_or(name);
            if let Some(thread) = self.threads.get_mut(of) {
                thread.is_known = false;
                thread.awaits_system_apc = false;
                thread.wait = None;
                self.world.end_wait(thread.id);
            } else if let Some(thing) = self.things.get_mut(name) {
                thing.is_shared = true;
                if thing.kind != ObjectKind::Request {
                    self.world.make_opaque(thing.id);
                }
            }
            self.requests.remove(name);
        }
    }

    /// Something that is not explained.
    pub(super) fn unexplained(&self, unexplained: Unexplained) -> Stop {
        let mut unexplained = unexplained;
        unexplained.state =
            unexplained.concerned.iter().filter_map(|name| self.state_of(name)).collect();
        Stop::Unexplained(Box::new(unexplained))
    }
}

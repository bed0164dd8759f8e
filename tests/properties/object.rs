//! What must hold of dispatcher objects and the waits on them, from ledgers that the events
//! fill.

use crate::journal::{PerCall, WaitResult, source, wait_of, wait_result};
use crate::walk::{Step, Watcher};
use alertable_models::event::{Event, ObjectChange, ThreadChange, TimerChange};
use alertable_models::ids::{CallId, ObjectId, ThreadId};
use alertable_models::ke::dispatcher::{DispatcherObject, ResetKind};
use alertable_models::ke::thread::ThreadState;
use alertable_models::ke::wait::WaitKind;
use alertable_models::machine::{Machine, Model};
use alertable_models::service::ServiceReturn;
use alertable_traces::call::Call;
use std::collections::{BTreeMap, BTreeSet};

fn object_named(model: &Model, state: &Machine, name: &str) -> Option<ObjectId> {
    state.kernel().object_ids().find(|object| model.program.object_name(*object) == name)
}

fn name<'a>(step: &'a Step<'_>, object: ObjectId) -> &'a str {
    step.model.program.object_name(object)
}

/// Whether an object would satisfy a wait of a thread.
fn is_signaled(state: &Machine, object: ObjectId, thread: ThreadId) -> bool {
    match state.kernel().object(object) {
        DispatcherObject::Thread { .. } => {
            let owner = ThreadId::from_index(object.index());
            state.kernel().thread(owner).state == ThreadState::Terminated
        }
        DispatcherObject::Event(event) => event.signaled,
        DispatcherObject::Timer(timer) => timer.signaled,
        DispatcherObject::Semaphore(semaphore) => semaphore.count > 0,
        DispatcherObject::Mutant(mutant) => mutant.owner.is_none_or(|owner| owner == thread),
        DispatcherObject::File(file) => file.signaled,
        DispatcherObject::Port(port) => port.signaled,
        DispatcherObject::Device | DispatcherObject::Pipe | DispatcherObject::MessageQueue => false,
    }
}

/// Whether a thread does not exist yet, so that every call on it fails.
fn is_missing(state: &Machine, object: ObjectId) -> bool {
    matches!(state.kernel().object(object), DispatcherObject::Thread { .. })
        && state.kernel().thread(ThreadId::from_index(object.index())).state
            == ThreadState::NotCreated
}

/// The object that a call signals, if it gets that far.
fn signaled_by(step: &Step<'_>, call: &Call) -> Option<ObjectId> {
    let (Call::ReleaseMutex { mutex: name }
    | Call::ReleaseSemaphore { semaphore: name, .. }
    | Call::SignalObjectAndWait { signal: name, .. }) = call
    else {
        return None;
    };
    if let Call::SignalObjectAndWait { object, .. } = call
        && is_missing(step.before, object_named(step.model, step.before, object)?)
    {
        return None;
    }
    object_named(step.model, step.before, name)
}

/// Whether a call signals a mutex that is abandoned: no error, though nothing is released, and
/// a wait with it tells so at once (WAIT-64, WAIT-77).
fn releases_abandoned(step: &Step<'_>, call: &Call) -> bool {
    signaled_by(step, call).is_some_and(|object| {
        matches!(step.before.kernel().object(object), DispatcherObject::Mutant(m) if m.abandoned)
    })
}

/// Whether a wait call would be satisfied if a thread made it now. A signal that comes first
/// makes it unknown; an object that is named twice, or a thread that does not exist yet, makes
/// it fail.
pub(crate) fn would_be_satisfied(
    model: &Model,
    state: &Machine,
    thread: ThreadId,
    call: CallId,
) -> bool {
    let call = source(model, call);
    let Some((names, all)) = wait_of(call) else { return false };
    let distinct: BTreeSet<_> = names.iter().collect();
    if matches!(call, Call::SignalObjectAndWait { .. }) || distinct.len() < names.len() {
        return false;
    }
    let objects: Vec<ObjectId> =
        names.iter().filter_map(|name| object_named(model, state, name)).collect();
    if objects.iter().any(|object| is_missing(state, *object)) {
        return false;
    }
    let mut signaled = objects.iter().map(|object| is_signaled(state, *object, thread));
    if all { signaled.all(|signaled| signaled) } else { signaled.any(|signaled| signaled) }
}

/// A wait that gave an object has taken it, and a wait for all has taken every object at once;
/// any other wait has taken nothing.
#[derive(Clone)]
pub(crate) struct TakesAllOrNothing(PerCall<Taken>);

/// What a call has taken.
#[derive(Clone)]
struct Taken {
    objects: Vec<ObjectId>,
    step_count: usize,
    /// It may say that it was satisfied without having waited.
    releases_abandoned: bool,
}

impl TakesAllOrNothing {
    fn leave(
        &mut self,
        step: &Step<'_>,
        thread: ThreadId,
        call: CallId,
        result: ServiceReturn,
    ) -> Result<(), String> {
        let call = source(step.model, call);
        let Taken { objects, step_count, releases_abandoned } = self.0.end(thread)?;
        let Some((names, all)) = wait_of(call) else { return Ok(()) };
        let taken: Vec<&str> = objects.iter().map(|object| name(step, *object)).collect();
        let right = match wait_result(result) {
            WaitResult::Object { abandoned: true, .. } if releases_abandoned => taken.is_empty(),
            WaitResult::Object { .. } if all => taken == names && step_count == 1,
            WaitResult::Object { index, .. } => names.get(index).is_some_and(|n| taken == [*n]),
            WaitResult::Apc | WaitResult::TimedOut | WaitResult::Failed => taken.is_empty(),
        };
        if right {
            return Ok(());
        }
        Err(format!("{call:?} gave {result:?} after it took {taken:?} in {step_count} steps"))
    }
}

impl Watcher for TakesAllOrNothing {
    fn new(_: &Model) -> Self {
        TakesAllOrNothing(PerCall::new())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let mut took = BTreeSet::new();
        for event in step.events {
            match *event {
                Event::Call { thread, call } => {
                    let releases_abandoned = releases_abandoned(step, source(step.model, call));
                    let objects = Vec::new();
                    self.0.begin(thread, Taken { objects, step_count: 0, releases_abandoned });
                }
                Event::Object { object, change: ObjectChange::Acquired(thread) } => {
                    let taken = self.0.innermost(thread).ok_or("an object is taken in no call")?;
                    taken.objects.push(object);
                    taken.step_count += usize::from(took.insert(thread));
                }
                Event::Return { thread, call, result } => self.leave(step, thread, call, result)?,
                Event::Thread { thread, change: ThreadChange::Terminated } => {
                    self.0.forget(thread);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// One signal of an auto-reset event or timer satisfies one wait, and a signal stays until a
/// wait takes it or somebody resets it.
#[derive(Clone)]
pub(crate) struct OneSignalOneWait(BTreeMap<ObjectId, bool>);

fn auto_reset_signal(object: &DispatcherObject) -> Option<bool> {
    match object {
        DispatcherObject::Event(event) => (event.kind == ResetKind::Auto).then_some(event.signaled),
        DispatcherObject::Timer(timer) => (timer.kind == ResetKind::Auto).then_some(timer.signaled),
        _ => None,
    }
}

impl Watcher for OneSignalOneWait {
    fn new(model: &Model) -> Self {
        let state = model.initial();
        let kernel = state.kernel();
        let signal = |object| Some((object, auto_reset_signal(kernel.object(object))?));
        OneSignalOneWait(kernel.object_ids().filter_map(signal).collect())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            let (object, signaled) = match *event {
                Event::Object { object, change: ObjectChange::Signaled } => (object, true),
                Event::Object { object, change: ObjectChange::Reset }
                | Event::Timer { timer: object, change: TimerChange::Set } => (object, false),
                Event::Object { object, change: ObjectChange::Acquired(thread) } => {
                    if self.0.get(&object) == Some(&false) {
                        let name = name(step, object);
                        return Err(format!("`{name}` let {thread:?} go on without a signal"));
                    }
                    (object, false)
                }
                _ => continue,
            };
            self.0.entry(object).and_modify(|signal| *signal = signaled);
        }
        for (object, signaled) in &self.0 {
            if auto_reset_signal(step.after.kernel().object(*object)) != Some(*signaled) {
                let name = name(step, *object);
                return Err(format!("`{name}` should be signaled: {signaled}, and is not so"));
            }
        }
        Ok(())
    }
}

/// Only the owner gives a mutex up, as often as it took it, and nobody takes it before that.
#[derive(Clone)]
pub(crate) struct OneOwner(BTreeMap<ObjectId, (Option<ThreadId>, u32)>);

fn mutexes(state: &Machine) -> BTreeMap<ObjectId, (Option<ThreadId>, u32)> {
    let mutex = |object| match state.kernel().object(object) {
        DispatcherObject::Mutant(mutant) => Some((object, (mutant.owner, mutant.recursion))),
        _ => None,
    };
    state.kernel().object_ids().filter_map(mutex).collect()
}

impl OneOwner {
    /// A call gives one level up, if its thread owns the mutex.
    fn release(&mut self, step: &Step<'_>, thread: ThreadId, call: &Call) {
        let mutex = signaled_by(step, call);
        if let Some((owner, level_count)) = mutex.and_then(|mutex| self.0.get_mut(&mutex))
            && *owner == Some(thread)
        {
            *level_count -= 1;
            *owner = owner.filter(|_| *level_count > 0);
        }
    }
}

impl Watcher for OneOwner {
    fn new(model: &Model) -> Self {
        OneOwner(mutexes(&model.initial()))
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Call { thread, call } => {
                    self.release(step, thread, source(step.model, call));
                }
                Event::Object { object, change: ObjectChange::Acquired(thread) } => {
                    let Some((owner, level_count)) = self.0.get_mut(&object) else { continue };
                    if owner.is_some_and(|owner| owner != thread) {
                        let name = name(step, object);
                        return Err(format!("{thread:?} took `{name}` from {owner:?}"));
                    }
                    *owner = Some(thread);
                    *level_count += 1;
                }
                Event::Object { object, change: ObjectChange::Abandoned(_) } => {
                    self.0.insert(object, (None, 0));
                }
                _ => {}
            }
        }
        let found = mutexes(step.after);
        if found == self.0 {
            return Ok(());
        }
        Err(format!("the mutexes are {found:?}, but the calls say {:?}", self.0))
    }
}

/// A thread that ends abandons what it owns, and the next wait that takes it, and only that,
/// is told.
#[derive(Clone)]
pub(crate) struct AbandonmentIsTold {
    owners: BTreeMap<ObjectId, ThreadId>,
    abandoned: BTreeSet<ObjectId>,
    /// Whether a call took an abandoned mutex.
    to_tell: PerCall<bool>,
}

impl AbandonmentIsTold {
    fn note_object(&mut self, object: ObjectId, change: ObjectChange, is_mutex: bool) {
        match change {
            ObjectChange::Acquired(thread) if is_mutex => {
                self.owners.insert(object, thread);
                if self.abandoned.remove(&object) {
                    self.to_tell.innermost(thread).into_iter().for_each(|told| *told = true);
                }
            }
            ObjectChange::Released(_) => drop(self.owners.remove(&object)),
            ObjectChange::Abandoned(_) => {
                self.owners.remove(&object);
                self.abandoned.insert(object);
            }
            _ => {}
        }
    }
}

impl Watcher for AbandonmentIsTold {
    fn new(model: &Model) -> Self {
        let owners = mutexes(&model.initial());
        let owners = owners.into_iter().filter_map(|(mutex, (owner, _))| Some((mutex, owner?)));
        let (abandoned, to_tell) = (BTreeSet::new(), PerCall::new());
        AbandonmentIsTold { owners: owners.collect(), abandoned, to_tell }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Object { object, change } => {
                    let kernel = step.after.kernel();
                    let is_mutex = matches!(kernel.object(object), DispatcherObject::Mutant(_));
                    self.note_object(object, change, is_mutex);
                }
                Event::Call { thread, call } => {
                    let to_tell = releases_abandoned(step, source(step.model, call));
                    self.to_tell.begin(thread, to_tell);
                }
                Event::Return { thread, call, result } => {
                    let call = source(step.model, call);
                    let told = match wait_result(result) {
                        WaitResult::Object { abandoned, .. } => abandoned,
                        WaitResult::Apc | WaitResult::TimedOut | WaitResult::Failed => false,
                    };
                    let to_tell = self.to_tell.end(thread)?;
                    if wait_of(call).is_some() && told != to_tell {
                        return Err(format!("{call:?} of {thread:?} gave {result:?}"));
                    }
                }
                Event::Thread { thread, change: ThreadChange::Terminated } => {
                    self.to_tell.forget(thread);
                    if self.owners.values().any(|owner| *owner == thread) {
                        return Err(format!("{thread:?} has ended and still owns a mutex"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A semaphore counts what was released and not taken, up to its maximum; a release that would
/// pass that fails and changes nothing.
#[derive(Clone)]
pub(crate) struct CountsWithinBounds {
    counts: BTreeMap<ObjectId, u32>,
    /// The count before the release that a call makes; none when that fails.
    previous: PerCall<Option<u32>>,
}

fn semaphores(state: &Machine) -> impl Iterator<Item = (ObjectId, u32, u32)> + '_ {
    let kernel = state.kernel();
    kernel.object_ids().filter_map(|object| match kernel.object(object) {
        DispatcherObject::Semaphore(semaphore) => Some((object, semaphore.count, semaphore.limit)),
        _ => None,
    })
}

impl CountsWithinBounds {
    /// A call adds to a semaphore, if it fits: the count before.
    fn release(&mut self, step: &Step<'_>, call: &Call) -> Option<u32> {
        let added = match call {
            Call::ReleaseSemaphore { count, .. } => u32::try_from(*count).ok()?,
            _ => 1,
        };
        let object = signaled_by(step, call)?;
        let (_, _, limit) = semaphores(step.before).find(|(other, ..)| *other == object)?;
        let count = self.counts.get_mut(&object).filter(|_| added > 0)?;
        let previous = *count;
        *count = previous.checked_add(added).filter(|count| *count <= limit)?;
        Some(previous)
    }
}

impl Watcher for CountsWithinBounds {
    fn new(model: &Model) -> Self {
        let state = model.initial();
        let counts = semaphores(&state).map(|(object, count, _)| (object, count)).collect();
        CountsWithinBounds { counts, previous: PerCall::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Call { thread, call } => {
                    let previous = self.release(step, source(step.model, call));
                    self.previous.begin(thread, previous);
                }
                Event::Object { object, change: ObjectChange::Acquired(thread) } => {
                    let Some(count) = self.counts.get_mut(&object) else { continue };
                    let left = count.checked_sub(1);
                    *count = left.ok_or_else(|| format!("{thread:?} took {object:?} at 0"))?;
                }
                Event::Return { thread, call, result } => {
                    let call = source(step.model, call);
                    let previous = self.previous.end(thread)?;
                    let told = (!result.status.is_error()).then_some(result.value);
                    if matches!(call, Call::ReleaseSemaphore { .. }) && told != previous {
                        return Err(format!("{call:?} gave {told:?} at {previous:?}"));
                    }
                }
                _ => {}
            }
        }
        for (object, count, limit) in semaphores(step.after) {
            if self.counts[&object] != count || count > limit {
                let expected = self.counts[&object];
                return Err(format!("{object:?} counts {count} of {limit}, not {expected}"));
            }
        }
        Ok(())
    }
}

/// Nobody stays blocked on what would satisfy the wait.
#[derive(Clone)]
pub(crate) struct NoLostWakeUp;

impl Watcher for NoLostWakeUp {
    fn new(_: &Model) -> Self {
        NoLostWakeUp
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let kernel = step.after.kernel();
        for thread in kernel.thread_ids() {
            let record = kernel.thread(thread);
            let mut signaled =
                kernel.wait_objects(thread).iter().map(|o| is_signaled(step.after, *o, thread));
            let satisfied = match record.wait.kind {
                WaitKind::Any => signaled.any(|signaled| signaled),
                WaitKind::All => signaled.all(|signaled| signaled),
                WaitKind::Delay | WaitKind::Queue => false,
            };
            if record.state == ThreadState::Waiting && satisfied {
                return Err(format!("{thread:?} stays blocked: {record:?}"));
            }
        }
        Ok(())
    }
}

/// The one that has waited longest for an object gets it.
#[derive(Clone)]
pub(crate) struct LongestWaiterFirst {
    /// When each thread that is blocked began to be so.
    blocked: BTreeMap<ThreadId, u64>,
    next: u64,
}

impl LongestWaiterFirst {
    fn acquired(&self, step: &Step<'_>, object: ObjectId, thread: ThreadId) -> Result<(), String> {
        let Some(since) = self.blocked.get(&thread) else { return Ok(()) };
        let kernel = step.before.kernel();
        let longer = self.blocked.iter().find(|(other, other_since)| {
            *other_since < since
                && kernel.thread(**other).wait.kind == WaitKind::Any
                && kernel.wait_objects(**other).contains(&object)
        });
        match longer {
            None => Ok(()),
            Some((other, _)) => {
                let name = name(step, object);
                Err(format!("{thread:?} got `{name}`, for which {other:?} had waited longer"))
            }
        }
    }
}

impl Watcher for LongestWaiterFirst {
    fn new(_: &Model) -> Self {
        LongestWaiterFirst { blocked: BTreeMap::new(), next: 0 }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Thread { thread, change: ThreadChange::Waiting } => {
                    self.blocked.insert(thread, self.next);
                    self.next += 1;
                }
                Event::Thread { thread, .. } => drop(self.blocked.remove(&thread)),
                Event::Object { object, change: ObjectChange::Acquired(thread) } => {
                    self.acquired(step, object, thread)?;
                }
                _ => {}
            }
        }
        let kernel = step.after.kernel();
        self.blocked.retain(|thread, _| kernel.thread(*thread).state == ThreadState::Waiting);
        Ok(())
    }
}

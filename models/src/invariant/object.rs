//! Invariants of dispatcher objects and the waits on them.

use super::{Broken, Concern, Invariant, Step};
use crate::event::{Event, ObjectChange, ThreadChange};
use crate::ids::{ObjectId, ThreadId};
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::kservice::KernelService;
use crate::ke::thread::ThreadState;
use crate::ke::wait::WaitKind;
use crate::machine::Transition;
use crate::rule::iocp::IOCP_40;
use crate::rule::wait::*;
use crate::service::Service;

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        id: "auto-reset-releases-one",
        statement: "One signal of an auto-reset event or timer satisfies one wait.",
        rules: &[WAIT_46, WAIT_48],
        concern: Concern::OBJECT,
        check: auto_reset_releases_one,
    },
    Invariant {
        id: "semaphore-bounds",
        statement: "A semaphore's count stays between 0 and its maximum.",
        rules: &[WAIT_70, WAIT_72],
        concern: Concern::OBJECT,
        check: semaphore_bounds,
    },
    Invariant {
        id: "mutex-exclusion",
        statement: "A mutex has one owner at a time, and only the owner gives it up.",
        rules: &[WAIT_55, WAIT_57, WAIT_58],
        concern: Concern::OBJECT,
        check: mutex_exclusion,
    },
    Invariant {
        id: "wait-takes-all-or-nothing",
        statement: "A wait for all takes every object or none; any other wait takes at most one.",
        rules: &[WAIT_09, WAIT_32, WAIT_33],
        concern: Concern::OBJECT,
        check: all_or_nothing,
    },
    Invariant {
        id: "no-lost-wake-up",
        statement: "No thread stays blocked on an object that would satisfy its wait.",
        rules: &[IOCP_40, WAIT_16, WAIT_47, WAIT_75],
        concern: Concern::OBJECT.and(Concern::THREAD),
        check: no_lost_wake_up,
    },
    Invariant {
        id: "waiters-fifo",
        statement: "A thread that blocks joins each wait list behind those who wait already.",
        rules: &[WAIT_08, WAIT_24],
        concern: Concern::THREAD,
        check: waiters_fifo,
    },
];

/// The changes of one object in a step, in order.
fn changes<'a>(step: &'a Step<'_>, object: ObjectId) -> impl Iterator<Item = ObjectChange> + 'a {
    step.events.iter().filter_map(move |event| match event {
        Event::Object { object: other, change } if *other == object => Some(*change),
        _ => None,
    })
}

/// The objects that change in a step; one that changes twice comes twice.
fn changed<'a>(step: &'a Step<'_>) -> impl Iterator<Item = ObjectId> + 'a {
    step.events.iter().filter_map(|event| match event {
        Event::Object { object, .. } => Some(*object),
        _ => None,
    })
}

/// Whether an auto-reset event or timer is signaled; none for any other object.
fn auto_reset_signal(object: &DispatcherObject) -> Option<bool> {
    match object {
        DispatcherObject::Event(event) if event.kind == ResetKind::Auto => Some(event.signaled),
        DispatcherObject::Timer(timer) if timer.kind == ResetKind::Auto => Some(timer.signaled),
        _ => None,
    }
}

fn auto_reset_releases_one(step: &Step<'_>) -> Result<(), Broken> {
    for object in changed(step) {
        let Some(mut signal) = auto_reset_signal(step.before.kernel.object(object)) else {
            continue;
        };
        let (mut shared, mut last) = (false, None);
        for change in changes(step, object) {
            match change {
                ObjectChange::Signaled => signal = true,
                ObjectChange::Reset => signal = false,
                ObjectChange::Acquired(thread) => {
                    // One wait may name an object twice (`wait-all-repeats`).
                    shared |= !signal && last != Some(thread);
                    signal = false;
                    last = Some(thread);
                }
                ObjectChange::Released(_) | ObjectChange::Abandoned(_) => {}
            }
        }
        let left = auto_reset_signal(step.after.kernel.object(object)) == Some(true) && !signal;
        let acquired = changes(step, object).any(|c| matches!(c, ObjectChange::Acquired(_)));
        if shared || (left && acquired) {
            let name = step.model.program.object_name(object);
            return Err(Broken(format!("one signal of `{name}` satisfied more than one wait")));
        }
    }
    Ok(())
}

fn semaphore_bounds(step: &Step<'_>) -> Result<(), Broken> {
    for object in changed(step) {
        if let DispatcherObject::Semaphore(semaphore) = step.after.kernel.object(object)
            && semaphore.count > semaphore.limit
        {
            let name = step.model.program.object_name(object);
            let (count, limit) = (semaphore.count, semaphore.limit);
            return Err(Broken(format!("`{name}` counts {count} of at most {limit}")));
        }
    }
    Ok(())
}

fn mutex_exclusion(step: &Step<'_>) -> Result<(), Broken> {
    for object in changed(step) {
        let DispatcherObject::Mutant(before) = step.before.kernel.object(object) else { continue };
        let DispatcherObject::Mutant(after) = step.after.kernel.object(object) else { continue };
        let mut owner = before.owner;
        let name = step.model.program.object_name(object);
        for change in changes(step, object) {
            match change {
                ObjectChange::Acquired(thread) => {
                    if owner.is_some_and(|owner| owner != thread) {
                        return Err(Broken(format!("`{name}` was taken while it was owned")));
                    }
                    owner = Some(thread);
                }
                ObjectChange::Released(thread) => {
                    if step.transition != Transition::Run(thread) {
                        let owner = step.thread_name(thread);
                        return Err(Broken(format!(
                            "`{name}` was given up by a thread that is not its owner `{owner}`"
                        )));
                    }
                    owner = None;
                }
                ObjectChange::Abandoned(_) => owner = None,
                ObjectChange::Signaled | ObjectChange::Reset => {}
            }
        }
        if owner != after.owner || after.owner.is_some() != (after.recursion > 0) {
            return Err(Broken(format!("the owner of `{name}` is not who took it last")));
        }
    }
    Ok(())
}

/// The threads whose waits take objects in a step; one that takes two comes twice.
fn acquirers<'a>(step: &'a Step<'_>) -> impl Iterator<Item = ThreadId> + 'a {
    step.events.iter().filter_map(|event| match event {
        Event::Object { change: ObjectChange::Acquired(thread), .. } => Some(*thread),
        _ => None,
    })
}

fn all_or_nothing(step: &Step<'_>) -> Result<(), Broken> {
    for thread in acquirers(step) {
        let taken = step
            .events
            .iter()
            .filter(|event| {
                matches!(event, Event::Object { change: ObjectChange::Acquired(who), .. }
                    if *who == thread)
            })
            .count();
        let wanted = match step.call_before(thread).map(|call| step.service(call)) {
            Some(
                Service::WaitForObjects { objects, all: true, .. }
                | Service::Kernel(KernelService::Wait { objects, all: true, .. }),
            ) => objects.len(),
            // These wait for the lock of a file, and then for the file.
            Some(Service::Io { .. } | Service::Close { .. }) => continue,
            _ => 1,
        };
        let after = step.after.kernel.thread(thread).state;
        let waits_on = matches!(after, ThreadState::Waiting | ThreadState::Restarting)
            && step.call_before(thread)
                == step.after.program.pc(thread).and_then(|pc| step.call_at(pc));
        if taken != wanted || waits_on {
            let name = step.thread_name(thread);
            return Err(Broken(format!(
                "the wait of `{name}` took {taken} of the {wanted} objects that it needs"
            )));
        }
    }
    Ok(())
}

fn no_lost_wake_up(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let lost = match event {
            Event::Thread { thread, change: ThreadChange::Waiting } => {
                is_satisfied(step, *thread).then_some(*thread)
            }
            Event::Object { object, .. } => {
                let waiters = step.after.kernel.waiters(*object).iter();
                waiters.map(|block| block.thread).find(|thread| is_satisfied(step, *thread))
            }
            _ => None,
        };
        if let Some(thread) = lost {
            let name = step.thread_name(thread);
            return Err(Broken(format!("`{name}` stays blocked though its wait is satisfied")));
        }
    }
    Ok(())
}

/// Whether a thread is blocked after the step although its objects would satisfy its wait.
fn is_satisfied(step: &Step<'_>, thread: ThreadId) -> bool {
    let kernel = &step.after.kernel;
    let record = kernel.thread(thread);
    let signaled = |object: &ObjectId| kernel.object(*object).is_signaled_for(thread);
    record.state == ThreadState::Waiting
        && match record.wait.kind {
            WaitKind::Delay | WaitKind::Queue => false,
            WaitKind::All => kernel.all_signaled_for(thread),
            WaitKind::Any => kernel.wait_objects(thread).iter().any(signaled),
        }
}

fn waiters_fifo(step: &Step<'_>) -> Result<(), Broken> {
    let blocked = step.events.iter().filter_map(|event| match event {
        Event::Thread { thread, change: ThreadChange::Waiting } => Some(*thread),
        _ => None,
    });
    for thread in blocked {
        for object in step.after.kernel.wait_objects(thread) {
            if overtook(step, thread, *object) {
                let (name, object) =
                    (step.thread_name(thread), step.model.program.object_name(*object));
                return Err(Broken(format!("`{name}` waits for `{object}` before older waiters")));
            }
        }
    }
    Ok(())
}

/// Whether somebody who waited before a thread blocked is behind it in a wait list.
fn overtook(step: &Step<'_>, thread: ThreadId, object: ObjectId) -> bool {
    let waiters = step.after.kernel.waiters(object);
    let place = waiters.iter().position(|block| block.thread == thread);
    let older = |other: ThreadId| {
        step.before.kernel.waiters(object).iter().any(|block| block.thread == other)
    };
    place
        .is_some_and(|place| waiters[place..].iter().any(|b| b.thread != thread && older(b.thread)))
}

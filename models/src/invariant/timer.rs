//! Invariants of waitable timers.

use super::{Broken, Concern, Invariant, Step};
use crate::ids::{ObjectId, ThreadId};
use crate::ke::apc::ApcSource;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::timer::TimerApc;
use crate::rule::apc::APC_I_01;
use crate::rule::timer::*;

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        id: "timer-apc-to-setter",
        statement: "A timer's APC is queued to the thread that set the timer last.",
        rules: &[TIMER_12, TIMER_15],
        concern: Concern::TIMER,
        check: to_setter,
    },
    Invariant {
        id: "timer-apc-once",
        statement: "A timer's APC is queued at most once.",
        rules: &[TIMER_16, APC_I_01],
        concern: Concern::TIMER,
        check: once,
    },
    Invariant {
        id: "stopped-timer-has-no-apc",
        statement: "A timer that was cancelled or set anew has no APC of the old setting queued.",
        rules: &[TIMER_05, TIMER_24, TIMER_28],
        concern: Concern::TIMER,
        check: no_stale_apc,
    },
];

/// The timers' APCs that are queued: where, and whose.
fn queued<'a>(step: &'a Step<'_>) -> impl Iterator<Item = (ThreadId, ObjectId)> + 'a {
    let kernel = &step.after.kernel;
    kernel.thread_ids().flat_map(move |thread| {
        kernel.user_apcs(thread).iter().filter_map(move |kapc| match kapc.source {
            ApcSource::Timer(timer) => Some((thread, timer)),
            _ => None,
        })
    })
}

fn apc_of(step: &Step<'_>, timer: ObjectId) -> Option<TimerApc> {
    match step.after.kernel.object(timer) {
        DispatcherObject::Timer(timer) => timer.apc,
        _ => None,
    }
}

fn to_setter(step: &Step<'_>) -> Result<(), Broken> {
    for (thread, timer) in queued(step) {
        if apc_of(step, timer).is_some_and(|apc| apc.thread != thread) {
            let (name, timer) = (step.thread_name(thread), step.model.program.object_name(timer));
            return Err(Broken(format!("the APC of `{timer}` is queued to `{name}`")));
        }
    }
    Ok(())
}

fn once(step: &Step<'_>) -> Result<(), Broken> {
    for (place, (_, timer)) in queued(step).enumerate() {
        if queued(step).take(place).any(|(_, other)| other == timer) {
            let timer = step.model.program.object_name(timer);
            return Err(Broken(format!("the APC of `{timer}` is queued twice")));
        }
    }
    Ok(())
}

fn no_stale_apc(step: &Step<'_>) -> Result<(), Broken> {
    for (_, timer) in queued(step) {
        if apc_of(step, timer).is_none() {
            let timer = step.model.program.object_name(timer);
            return Err(Broken(format!("`{timer}` was stopped, but its APC is still queued")));
        }
    }
    Ok(())
}

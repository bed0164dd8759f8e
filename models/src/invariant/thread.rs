//! Invariants of threads: suspension, restarts, exit.

use super::{Broken, Concern, Invariant, Step};
use crate::event::{Event, ObjectChange, ThreadChange};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::ThreadState;
use crate::ke::wait::NEVER;
use crate::machine::Transition;
use crate::rule::apc::{APC_U_23, APC_U_25};
use crate::rule::thread::*;
use crate::rule::wait::{WAIT_22, WAIT_60, WAIT_74};

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        id: "suspended-takes-no-step",
        statement: "A thread whose suspend count is not 0 takes no step and acquires nothing, \
                    but for one call in flight.",
        rules: &[THR_09, THR_18],
        concern: Concern::ALWAYS,
        check: suspended_takes_no_step,
    },
    Invariant {
        id: "restart-keeps-deadline",
        statement: "A wait that is interrupted keeps its original deadline.",
        rules: &[WAIT_22, THR_17],
        concern: Concern::THREAD,
        check: restart_keeps_deadline,
    },
    Invariant {
        id: "ended-thread-leaves-nothing",
        statement: "A thread that has ended owns no mutex, has no APC queued, carries no timer's \
                    APC and waits for nothing, and its thread object is signaled.",
        rules: &[THR_33, THR_35, WAIT_60, WAIT_74, APC_U_23],
        concern: Concern::THREAD,
        check: leaves_nothing,
    },
    Invariant {
        id: "ended-thread-runs-nothing",
        statement: "A thread that has begun to end makes no call and enters no routine.",
        rules: &[THR_27, THR_32, APC_U_25],
        concern: Concern::CALL,
        check: runs_nothing,
    },
];

fn suspended_takes_no_step(step: &Step<'_>) -> Result<(), Broken> {
    let acquired = step.events.iter().filter_map(|event| match event {
        Event::Object { change: ObjectChange::Acquired(thread), .. } => Some(*thread),
        _ => None,
    });
    let ran = match step.transition {
        Transition::Run(thread) => Some(thread),
        _ => None,
    };
    for thread in acquired.chain(ran) {
        let before = step.before.kernel.thread(thread);
        // In user mode it may not have stopped yet; in the kernel it has.
        // Where suspension waits in the list of kernel APCs, so does what it holds back.
        let is_due = step.before.kernel.has_kernel_mode();
        let in_flight = (before.state == ThreadState::User || is_due) && !before.stopped;
        // Termination forces it out of its suspension, whatever its count says.
        let is_held = before.suspend_count > 0 && before.is_alive() && !before.terminated;
        if is_held && !in_flight {
            let name = step.thread_name(thread);
            return Err(Broken(format!("`{name}` went on although it is suspended")));
        }
    }
    Ok(())
}

fn restart_keeps_deadline(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let Event::Thread { thread, change: ThreadChange::Ready } = event else { continue };
        let (before, after) =
            (step.before.kernel.thread(*thread), step.after.kernel.thread(*thread));
        let interrupted =
            before.state == ThreadState::Waiting && after.state == ThreadState::Restarting;
        if interrupted && before.wait.remaining_ms != after.wait.remaining_ms {
            let name = step.thread_name(*thread);
            let left = match after.wait.remaining_ms {
                NEVER => "no time-out any more".to_owned(),
                ms => format!("{ms} ms left"),
            };
            return Err(Broken(format!("the interrupted wait of `{name}` has {left}")));
        }
    }
    Ok(())
}

fn leaves_nothing(step: &Step<'_>) -> Result<(), Broken> {
    let (kernel, timers) = (&step.after.kernel, &step.model.program.timers);
    for event in step.events {
        let Event::Thread { thread, change: ThreadChange::Terminated } = event else { continue };
        let thread = *thread;
        let signaled =
            matches!(kernel.object(thread.object()), DispatcherObject::Thread { signaled: true });
        let ended = kernel.thread(thread).state == ThreadState::Terminated;
        let left = if !signaled || !ended {
            "its thread object does not say so"
        } else if !kernel.owned_mutants(thread).is_empty() {
            "it still owns a mutex"
        } else if !kernel.user_apcs(thread).is_empty() {
            "it still has a user APC queued"
        } else if !kernel.wait_objects(thread).is_empty() {
            "it still waits"
        } else if timers.iter().any(|timer| kernel.is_apc_timer_of(*timer, thread)) {
            "a timer still carries an APC for it"
        } else {
            continue;
        };
        let name = step.thread_name(thread);
        return Err(Broken(format!("`{name}` has ended, but {left}")));
    }
    Ok(())
}

fn runs_nothing(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let (Event::Call { thread, .. } | Event::ApcEntered { thread, .. }) = event else {
            continue;
        };
        let at_end = step.before.kernel.thread(*thread);
        let past_end = step.call_before(*thread).is_none()
            && step.before.program.frames(*thread).len() == 1
            && at_end.state == ThreadState::User
            && matches!(event, Event::ApcEntered { kapc, .. } if !kapc.is_special());
        // Its rundown routines, and kernel APCs on the way out.
        let of_system =
            matches!(event, Event::ApcEntered { kapc, .. } if kapc.runs_in_kernel_mode());
        if !of_system && (!at_end.is_alive() || past_end) {
            let name = step.thread_name(*thread);
            return Err(Broken(format!("`{name}` ran code of its own after its end had begun")));
        }
    }
    Ok(())
}

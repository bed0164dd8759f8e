//! Invariants of user APCs.

use super::{Broken, Concern, Invariant, Step};
use crate::event::{Event, KapcChange};
use crate::ids::{CallId, ThreadId};
use crate::ke::apc::{Kapc, KapcStage};
use crate::ke::kservice::KernelService;
use crate::ke::thread::ThreadState;
use crate::program::Frame;
use crate::rule::apc::*;
use crate::rule::wait::{WAIT_02, WAIT_04, WAIT_07, WAIT_10, WAIT_11};
use crate::service::Service;
use alertable_traces::status::NtStatus;
use alertable_traces::trace::ProcessorMode;

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        id: "apc-only-when-alertable",
        statement: "A user APC runs only where its thread waits or tests alertably, or starts.",
        rules: &[APC_U_01, APC_U_02, APC_U_12, APC_U_28, WAIT_11],
        concern: Concern::CALL,
        check: only_when_alertable,
    },
    Invariant {
        id: "apc-at-next-alertable-point",
        statement: "A queued user APC runs at the next alertable point that its thread reaches.",
        rules: &[APC_U_03, APC_U_04, APC_U_08, WAIT_04, WAIT_10],
        concern: Concern::CALL.and(Concern::KAPC).and(Concern::THREAD),
        check: at_next_alertable_point,
    },
    Invariant {
        id: "apc-fifo",
        statement: "User APCs run in the order in which they were queued.",
        rules: &[APC_I_04, APC_U_03, APC_U_16],
        concern: Concern::KAPC,
        check: fifo,
    },
    Invariant {
        id: "apc-conserved",
        statement: "A user APC runs once, unless it is taken back or its thread ends.",
        rules: &[APC_U_03, APC_U_14, APC_U_15, APC_I_19],
        concern: Concern::CALL.and(Concern::KAPC),
        check: conserved,
    },
    Invariant {
        id: "object-before-apc",
        statement: "A wait that its objects satisfy at entry is not ended by a user APC.",
        rules: &[WAIT_02, WAIT_07],
        concern: Concern::CALL,
        check: object_before_apc,
    },
];

fn is_alertable(step: &Step<'_>, service: &Service) -> bool {
    match service {
        Service::DelayExecution { alertable, .. }
        | Service::WaitForObjects { alertable, .. }
        | Service::SignalAndWait { alertable, .. }
        | Service::RemoveIoCompletion { alertable, .. } => *alertable,
        Service::TestAlert => true,
        Service::Kernel(
            KernelService::Wait { alertable, mode, .. }
            | KernelService::Delay { alertable, mode, .. },
        ) => *alertable && *mode == ProcessorMode::User,
        Service::OverlappedResult { wait, .. } => wait.is_some_and(|wait| wait.alertable),
        Service::Io { request } => step.model.program.io().is_alertable(
            step.model.program.handle_target(step.model.program.io().request(*request).file),
        ),
        _ => false,
    }
}

fn call_is_alertable(step: &Step<'_>, call: Option<CallId>) -> bool {
    call.is_some_and(|call| is_alertable(step, step.service(call)))
}

/// Whether a thread was where user APCs may run, before the step.
fn was_alertable(step: &Step<'_>, thread: ThreadId) -> bool {
    let frames = step.before.program.frames(thread);
    if step.before.kernel.is_decided_by_driver(thread) {
        return true;
    }
    // Kernel APCs that come before a routine that is about to begin change nothing about it.
    let next = frames
        .iter()
        .position(|frame| frame.kapc.and_then(Kapc::stage) == Some(KapcStage::UserNext));
    let frames = next.map_or(frames, |next| &frames[..=next]);
    match (step.before.kernel.thread(thread).state, frames) {
        (ThreadState::Starting, _) => true,
        // The chain goes on where the routine that returns had interrupted.
        (ThreadState::User, [.., below, Frame { kapc: Some(_), interrupted, test_alert, .. }])
            if next.is_some() || step.call_before(thread).is_none() =>
        {
            match interrupted {
                Some(_) => call_is_alertable(step, step.call_at(below.pc)),
                None => *test_alert,
            }
        }
        _ => call_is_alertable(step, step.call_before(thread)),
    }
}

fn only_when_alertable(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        if let Event::ApcEntered { thread, kapc, .. } = event
            && !kapc.is_special()
            && !kapc.is_callback()
            && !kapc.runs_in_kernel_mode()
            && !was_alertable(step, *thread)
        {
            let name = step.thread_name(*thread);
            let routine = step.model.program.routine_name(kapc.routine);
            return Err(Broken(format!(
                "`{name}` ran the user APC `{routine}` where it was not alertable"
            )));
        }
    }
    Ok(())
}

fn at_next_alertable_point(step: &Step<'_>) -> Result<(), Broken> {
    let kernel = &step.after.kernel;
    for event in step.events {
        let (Event::Thread { thread, .. } | Event::Kapc { thread, .. }) = event else { continue };
        if kernel.thread(*thread).waits_alertably()
            && !kernel.waits_in_kernel_mode(*thread)
            && !kernel.is_attached(*thread)
            && !kernel.user_apcs(*thread).is_empty()
        {
            let name = step.thread_name(*thread);
            return Err(Broken(format!(
                "`{name}` is blocked in an alertable wait with a user APC queued"
            )));
        }
    }
    let entered = |thread: ThreadId| {
        step.events.iter().any(
            |event| matches!(event, Event::ApcEntered { thread: other, .. } if *other == thread),
        )
    };
    for event in step.events {
        if let Event::ApcReturned { thread, .. } = event {
            let before = &step.before.kernel;
            let follows = step.before.program.frames(*thread).last().is_some_and(|f| f.test_alert);
            let queued = !before.user_apcs(*thread).is_empty();
            if follows && queued && !before.thread(*thread).alerted && !entered(*thread) {
                let name = step.thread_name(*thread);
                return Err(Broken(format!(
                    "`{name}` left its routine with another user APC queued, and did not run it"
                )));
            }
        }
        if let Event::Return { thread, call, result } = event {
            // Not at the return of a routine that had interrupted a wait after its time-out.
            let at_entry = step.before.kernel.thread(*thread).state == ThreadState::User
                && step.call_before(*thread) == Some(*call);
            let ignored = at_entry
                && result.status == NtStatus::TIMEOUT
                && !matches!(step.service(*call), Service::OverlappedResult { .. })
                && is_alertable(step, step.service(*call))
                && !step.before.kernel.user_apcs(*thread).is_empty();
            if ignored {
                let name = step.thread_name(*thread);
                return Err(Broken(format!(
                    "`{name}` timed out of an alertable wait with a user APC queued before it"
                )));
            }
        }
    }
    Ok(())
}

/// The queue of a thread as the events of the step should have left it.
///
/// `Err` with the APC that was taken from its head although another one was there, or none.
fn expected_queue(step: &Step<'_>, thread: ThreadId) -> Result<Vec<Kapc>, Kapc> {
    let mut queue = step.before.kernel.user_apcs(thread).to_vec();
    for event in step.events {
        let Event::Kapc { thread: other, kapc, change } = event else { continue };
        if *other != thread {
            continue;
        }
        let specials = queue.iter().take_while(|queued| queued.is_special()).count();
        match change {
            KapcChange::Queued if kapc.is_special() => queue.insert(specials, *kapc),
            KapcChange::Queued => queue.push(*kapc),
            KapcChange::Delivered if queue.first() != Some(kapc) => return Err(*kapc),
            KapcChange::RunDown if queue.is_empty() => return Err(*kapc),
            KapcChange::Delivered | KapcChange::RunDown => drop(queue.remove(0)),
            KapcChange::Removed => queue.retain(|queued| queued != kapc),
        }
    }
    Ok(queue)
}

/// The threads whose queues change in a step, as its events say; one that changes twice comes
/// twice.
fn touched<'a>(step: &'a Step<'_>) -> impl Iterator<Item = ThreadId> + 'a {
    step.events.iter().filter_map(|event| match event {
        Event::Kapc { thread, .. } => Some(*thread),
        _ => None,
    })
}

/// Whether a queue was taken from at its head and added to at its tail as the events say, and in
/// no other way: what nearly every step does.
fn changed_plainly(step: &Step<'_>, thread: ThreadId) -> bool {
    let (before, after) =
        (step.before.kernel.user_apcs(thread), step.after.kernel.user_apcs(thread));
    let (mut taken, mut added) = (0, 0);
    for event in step.events {
        match event {
            Event::Kapc { thread: other, .. } if *other != thread => {}
            Event::Kapc { kapc, change: KapcChange::Queued, .. } if !kapc.is_special() => {
                added += 1;
            }
            Event::Kapc { kapc, change: KapcChange::Delivered, .. }
                if before.get(taken) == Some(kapc) =>
            {
                taken += 1;
            }
            Event::Kapc { .. } => return false,
            _ => {}
        }
    }
    let kept = before.len() - taken;
    let queued = step.events.iter().filter_map(|event| match event {
        Event::Kapc { thread: other, kapc, change: KapcChange::Queued } if *other == thread => {
            Some(kapc)
        }
        _ => None,
    });
    after.len() == kept + added
        && after[..kept] == before[taken..]
        && after[kept..].iter().eq(queued)
}

/// The threads whose queues a step is allowed to change, and those to whom calls returned, which
/// is where APCs get lost.
fn concerned<'a>(step: &'a Step<'_>) -> impl Iterator<Item = ThreadId> + 'a {
    let returned = step.events.iter().filter_map(|event| match event {
        Event::Return { thread, .. } => Some(*thread),
        _ => None,
    });
    touched(step).chain(returned)
}

/// Whether all queues that changed did so plainly.
fn all_changed_plainly(step: &Step<'_>) -> bool {
    *step.queues_changed_plainly.get_or_init(|| {
        // With as many APCs in all as the events say, no queue lost any without an event.
        let change = |event: &Event| match event {
            Event::Kapc { change: KapcChange::Queued, .. } => 1,
            Event::Kapc { .. } => -1,
            _ => 0,
        };
        let expected: isize = step.events.iter().map(change).sum();
        let (before, after) = (&step.before.kernel.user_apcs, &step.after.kernel.user_apcs);
        before.peek_total().checked_add_signed(expected) == Some(after.peek_total())
            && touched(step).all(|thread| changed_plainly(step, thread))
    })
}

fn fifo(step: &Step<'_>) -> Result<(), Broken> {
    if all_changed_plainly(step) {
        return Ok(());
    }
    for thread in touched(step) {
        if changed_plainly(step, thread) {
            continue;
        }
        let found = step.after.kernel.user_apcs(thread);
        let in_order = match expected_queue(step, thread) {
            Ok(queue) => queue == found || !is_permutation(&queue, found),
            Err(_) => false,
        };
        if !in_order {
            let name = step.thread_name(thread);
            return Err(Broken(format!(
                "the user APCs of `{name}` are not taken in the order in which they were queued"
            )));
        }
    }
    Ok(())
}

fn is_permutation(one: &[Kapc], other: &[Kapc]) -> bool {
    let sorted = |queue: &[Kapc]| {
        let mut queue = queue.to_vec();
        queue.sort_unstable();
        queue
    };
    sorted(one) == sorted(other)
}

fn conserved(step: &Step<'_>) -> Result<(), Broken> {
    if all_changed_plainly(step) {
        return Ok(());
    }
    for thread in concerned(step) {
        let after = step.after.kernel.user_apcs(thread);
        let Ok(queue) = expected_queue(step, thread) else { continue };
        if !is_permutation(&queue, after) {
            let name = step.thread_name(thread);
            return Err(Broken(format!(
                "a user APC of `{name}` was lost, or is still queued although it was delivered"
            )));
        }
    }
    Ok(())
}

fn object_before_apc(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let Event::Call { thread, call } = event else { continue };
        let decided = step.after.kernel.thread(*thread).state;
        let Service::WaitForObjects { objects, all, .. } = step.service(*call) else { continue };
        if decided != ThreadState::Woken(NtStatus::USER_APC) {
            continue;
        }
        let signaled = |handle: &crate::ids::HandleId| {
            let object = step.model.program.handle_target(*handle);
            step.before.kernel.object(object).is_signaled_for(*thread)
        };
        let satisfied =
            if *all { objects.iter().all(signaled) } else { objects.iter().any(signaled) };
        if satisfied {
            let name = step.thread_name(*thread);
            return Err(Broken(format!(
                "the wait of `{name}` was ended by a user APC although its objects satisfied it"
            )));
        }
    }
    Ok(())
}

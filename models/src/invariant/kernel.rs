//! Invariants of code in kernel mode: kernel APCs, levels, regions, locks.

use super::{Broken, Concern, Invariant, Step};
use crate::deviation::Deviations;
use crate::event::{Event, KapcChange};
use crate::ids::ThreadId;
use crate::io::BugCheck;
use crate::io::dservice::DriverService;
use crate::ke::apc::{Kapc, KapcStage};
use crate::ke::kapc::KernelApc;
use crate::ke::kmode::KernelThread;
use crate::ke::thread::ThreadState;
use crate::machine::Machine;
use crate::program::Frame;
use crate::rule::apc::*;
use crate::rule::cancel::{CAN_05, CAN_07, CAN_12, CAN_28};
use crate::rule::irp::{
    IRP_02, IRP_03, IRP_05, IRP_10, IRP_12, IRP_13, IRP_14, IRP_16, IRP_17, IRP_27, IRP_29, IRP_30,
    IRP_31, IRP_32,
};
use crate::rule::thread::{THR_15, THR_38};
use crate::rule::wait::{WAIT_19, WAIT_57, WAIT_69, WAIT_72};
use crate::service::Service;
use alertable_traces::kernel::Irql;

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        id: "normal-kernel-apcs-do-not-nest",
        statement: "No normal kernel APC runs inside the normal routine of another.",
        rules: &[APC_K_04, APC_K_06],
        concern: Concern::CALL,
        check: normal_apcs_do_not_nest,
    },
    Invariant {
        id: "no-normal-kernel-apc-in-critical-region",
        statement: "No normal kernel APC is delivered to a thread in a critical region.",
        rules: &[APC_K_04, APC_K_12, THR_15],
        concern: Concern::KERNEL,
        check: none_in_critical_region,
    },
    Invariant {
        id: "no-kernel-apc-in-guarded-region",
        statement: "No kernel APC is delivered to a thread in a guarded region.",
        rules: &[APC_K_02, APC_K_13],
        concern: Concern::KERNEL,
        check: none_in_guarded_region,
    },
    Invariant {
        id: "no-kernel-apc-at-apc-level",
        statement: "No kernel APC is delivered to a thread at APC_LEVEL or above.",
        rules: &[APC_K_08, APC_K_18, APC_K_25],
        concern: Concern::KERNEL,
        check: none_at_apc_level,
    },
    Invariant {
        id: "kernel-apc-levels",
        statement: "Kernel routines run at APC_LEVEL, normal routines of kernel APCs at \
                    PASSIVE_LEVEL.",
        rules: &[APC_S_03, APC_K_05],
        concern: Concern::CALL,
        check: levels,
    },
    Invariant {
        id: "special-kernel-apcs-first",
        statement: "A normal kernel APC is delivered when no special one is queued.",
        rules: &[APC_I_05, APC_K_03],
        concern: Concern::KERNEL,
        check: specials_first,
    },
    Invariant {
        id: "kernel-apc-at-once",
        statement: "A kernel APC that nothing masks is delivered before its thread returns from \
                    a call, and no thread stays blocked with one.",
        rules: &[APC_I_07, APC_I_11, APC_K_03, APC_K_15, APC_K_16, APC_K_18, WAIT_19],
        concern: Concern::CALL.and(Concern::KERNEL).and(Concern::THREAD),
        check: at_once,
    },
    Invariant {
        id: "masked-kernel-apc-lets-wait",
        statement: "A kernel APC that cannot be delivered leaves its thread in its wait.",
        rules: &[APC_I_11, APC_I_12, APC_K_25],
        concern: Concern::KERNEL,
        check: masked_lets_wait,
    },
    Invariant {
        id: "kernel-apc-in-its-process",
        statement: "A kernel APC is delivered while its thread is in the process that it is for.",
        rules: &[APC_S_08, APC_S_09],
        concern: Concern::KERNEL,
        check: in_its_process,
    },
    Invariant {
        id: "attachment-undone",
        statement: "A thread detaches from what it is attached to, with no APC left there, and ends \
                    in its own process; so does a kernel APC.",
        rules: &[APC_S_10, APC_K_11],
        concern: Concern::KERNEL,
        check: attachment_undone,
    },
    Invariant {
        id: "kernel-apc-inserted-once",
        statement: "An APC object is in one list, once.",
        rules: &[APC_I_01, APC_I_19],
        concern: Concern::KERNEL.and(Concern::KAPC),
        check: inserted_once,
    },
    Invariant {
        id: "user-apcs-after-kernel-ones",
        statement: "A user APC runs when no kernel APC can be delivered.",
        rules: &[APC_K_01, APC_K_21],
        concern: Concern::CALL,
        check: user_apcs_last,
    },
    Invariant {
        id: "called-at-allowed-level",
        statement: "Functions are called at the levels that they are for; no thread waits at \
                    DISPATCH_LEVEL.",
        rules: &[APC_K_18],
        concern: Concern::KERNEL,
        check: called_at_allowed_level,
    },
    Invariant {
        id: "irql-restored",
        statement: "Levels are raised upwards and lowered downwards, and routines return at the \
                    level at which they were entered.",
        rules: &[APC_K_11],
        concern: Concern::KERNEL,
        check: irql_restored,
    },
    Invariant {
        id: "apcs-enabled-at-end",
        statement: "A thread ends, or returns to user mode, outside regions and kernel APCs.",
        rules: &[APC_K_24, THR_38],
        concern: Concern::KERNEL,
        check: apcs_enabled_at_end,
    },
    Invariant {
        id: "spin-lock-owner",
        statement: "A spin lock is acquired by who does not hold it and released by who does.",
        rules: &[APC_K_18],
        concern: Concern::KERNEL,
        check: spin_lock_owner,
    },
    Invariant {
        id: "fast-mutex-holds-apcs-back",
        statement: "Who has a fast mutex runs at APC_LEVEL, and who has a guarded mutex in a \
                    guarded region.",
        rules: &[APC_K_23],
        concern: Concern::CALL,
        check: fast_mutex_holds_apcs_back,
    },
    Invariant {
        id: "kernel-mutex-released",
        statement: "A thread ends without a kernel mutex.",
        rules: &[WAIT_69],
        concern: Concern::KERNEL,
        check: kernel_mutex_released,
    },
    Invariant {
        id: "irp-has-location",
        statement: "A request packet is passed on while it has a stack location left.",
        rules: &[IRP_02],
        concern: Concern::KERNEL,
        check: has_location,
    },
    Invariant {
        id: "driver-completes-once",
        statement: "A driver completes a request packet once, with its cancel routine taken back.",
        rules: &[IRP_30, CAN_07],
        concern: Concern::KERNEL,
        check: driver_completes_once,
    },
    Invariant {
        id: "kernel-contract",
        statement: "Code in kernel mode does what it may do.",
        rules: &[
            APC_S_05, APC_S_08, APC_K_09, APC_K_23, CAN_05, CAN_12, CAN_28, IRP_03, IRP_05, IRP_10,
            IRP_12, IRP_13, IRP_14, IRP_16, IRP_17, IRP_27, IRP_29, IRP_31, IRP_32, WAIT_57,
            WAIT_72,
        ],
        concern: Concern::KERNEL,
        check: contract,
    },
];

fn record(machine: &Machine, thread: ThreadId) -> Option<&KernelThread> {
    machine.kernel.kernel_mode().map(|km| km.thread(thread))
}

/// The kernel APCs that a step delivers, with their threads.
fn delivered<'a>(step: &'a Step<'_>) -> impl Iterator<Item = (ThreadId, KernelApc)> + 'a {
    step.events.iter().filter_map(|event| match event {
        Event::KernelApc { thread, apc, change: KapcChange::Delivered } => Some((*thread, *apc)),
        _ => None,
    })
}

fn apc_name(step: &Step<'_>, apc: KernelApc) -> String {
    match apc {
        KernelApc::Object { kapc, special } => {
            let kind = if special { "special kernel APC" } else { "normal kernel APC" };
            format!("{kind} `{}`", step.model.program.kernel_mode().kapcs[kapc.index()].name)
        }
        KernelApc::Io(_) | KernelApc::OwnIrp(_) => "second stage of a request".to_owned(),
        KernelApc::Suspend => "APC that suspends it".to_owned(),
        KernelApc::Exit => "APC that ends it".to_owned(),
    }
}

fn normal_apcs_do_not_nest(step: &Step<'_>) -> Result<(), Broken> {
    let is_normal = |kapc: &Kapc| kapc.stage() == Some(KapcStage::Normal);
    for (at, event) in step.events.iter().enumerate() {
        let Event::ApcEntered { thread, kapc, .. } = event else { continue };
        if !is_normal(kapc) {
            continue;
        }
        let frames = step.before.program.frames(*thread).iter();
        let entered = |frame: &&Frame| {
            frame.kapc.as_ref().is_some_and(is_normal) && !frame.is_to_be_entered()
        };
        let open = frames.filter(entered).count();
        let left = step.events[..at].iter().filter(|event| {
            matches!(event, Event::ApcReturned { thread: other, kapc }
                if other == thread && is_normal(kapc))
        });
        // Those of the processes from which it is attached go on when it is back.
        let km = step.before.kernel.kernel_mode();
        let attachments = km.map_or(&[][..], |km| km.attachments.get(thread.index()));
        let elsewhere = attachments
            .iter()
            .filter(|attachment| !attachment.is_same && attachment.kernel_apc_in_progress);
        if open > left.count() + elsewhere.count() {
            let (name, routine) =
                (step.thread_name(*thread), step.model.program.routine_name(kapc.routine));
            return Err(Broken(format!(
                "`{name}` entered the normal routine `{routine}` inside that of another kernel APC"
            )));
        }
    }
    Ok(())
}

fn none_in_critical_region(step: &Step<'_>) -> Result<(), Broken> {
    for (thread, apc) in delivered(step) {
        let here = record(step.before, thread);
        if !apc.is_special() && here.is_some_and(|here| here.kernel_apc_disable != 0) {
            let name = step.thread_name(thread);
            let apc = apc_name(step, apc);
            return Err(Broken(format!("`{name}` was delivered the {apc} in a critical region")));
        }
    }
    Ok(())
}

fn none_in_guarded_region(step: &Step<'_>) -> Result<(), Broken> {
    for (thread, apc) in delivered(step) {
        let here = record(step.before, thread);
        if here.is_some_and(|here| here.special_apc_disable != 0) {
            let name = step.thread_name(thread);
            let apc = apc_name(step, apc);
            return Err(Broken(format!("`{name}` was delivered the {apc} in a guarded region")));
        }
    }
    Ok(())
}

/// The level of a thread when the event at a position of the step happens.
fn irql_at(step: &Step<'_>, thread: ThreadId, at: usize) -> Irql {
    let changed = step.events[..at].iter().rev().find_map(|event| match event {
        Event::Irql { thread: other, irql } if *other == thread => Some(*irql),
        _ => None,
    });
    changed.unwrap_or_else(|| step.before.kernel.irql(thread))
}

fn none_at_apc_level(step: &Step<'_>) -> Result<(), Broken> {
    for (at, event) in step.events.iter().enumerate() {
        let Event::KernelApc { thread, apc, change: KapcChange::Delivered } = event else {
            continue;
        };
        let irql = irql_at(step, *thread, at);
        if irql >= Irql::Apc {
            let name = step.thread_name(*thread);
            let apc = apc_name(step, *apc);
            return Err(Broken(format!("`{name}` was delivered the {apc} at {irql}")));
        }
    }
    Ok(())
}

fn levels(step: &Step<'_>) -> Result<(), Broken> {
    for (at, event) in step.events.iter().enumerate() {
        let Event::ApcEntered { thread, kapc, .. } = event else { continue };
        let wanted = match kapc.stage() {
            Some(KapcStage::Kernel) => Irql::Apc,
            Some(KapcStage::Normal | KapcStage::User) => Irql::Passive,
            Some(KapcStage::UserNext | KapcStage::Rundown) | None => continue,
        };
        let irql = irql_at(step, *thread, at);
        if irql != wanted {
            let (name, routine) =
                (step.thread_name(*thread), step.model.program.routine_name(kapc.routine));
            return Err(Broken(format!("`{name}` entered `{routine}` at {irql}, not at {wanted}")));
        }
    }
    Ok(())
}

fn specials_first(step: &Step<'_>) -> Result<(), Broken> {
    for (thread, apc) in delivered(step) {
        let Some(km) = step.before.kernel.kernel_mode() else { continue };
        let is_gone = |special: &KernelApc| {
            step.events.iter().any(|event| {
                matches!(event, Event::KernelApc { thread: other, apc, change }
                    if *other == thread && apc == special && *change != KapcChange::Queued)
            })
        };
        let mut queued = km.kernel_apcs(thread).iter();
        if !apc.is_special() && queued.any(|other| other.is_special() && !is_gone(other)) {
            let name = step.thread_name(thread);
            let apc = apc_name(step, apc);
            return Err(Broken(format!(
                "`{name}` was delivered the {apc} with a special kernel APC queued"
            )));
        }
    }
    Ok(())
}

/// The kernel APC that the rules let through to a thread.
fn due(machine: &Machine, thread: ThreadId) -> Option<KernelApc> {
    machine.kernel.next_kernel_apc(Deviations::NONE, thread)
}

fn at_once(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let (thread, what) = match event {
            // The end of a driver's routine is no call.
            Event::Return { call, .. }
                if matches!(step.service(*call), Service::Driver(DriverService::Return { .. })) =>
            {
                continue;
            }
            Event::Return { thread, .. } => (*thread, "returned from a call"),
            Event::KernelApc { thread, .. } | Event::Thread { thread, .. }
                if step.after.kernel.thread(*thread).state == ThreadState::Waiting =>
            {
                (*thread, "is blocked")
            }
            _ => continue,
        };
        if let Some(apc) = due(step.after, thread) {
            let name = step.thread_name(thread);
            let apc = apc_name(step, apc);
            return Err(Broken(format!("`{name}` {what} with the {apc} queued, which can run")));
        }
    }
    Ok(())
}

fn masked_lets_wait(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let Event::KernelApc { thread, apc, change: KapcChange::Queued } = event else { continue };
        let was = step.before.kernel.thread(*thread).state;
        let is = step.after.kernel.thread(*thread).state;
        if (was, is) == (ThreadState::Waiting, ThreadState::Restarting)
            && due(step.after, *thread).is_none()
        {
            let name = step.thread_name(*thread);
            let apc = apc_name(step, *apc);
            return Err(Broken(format!(
                "the wait of `{name}` was interrupted for the {apc}, which cannot run"
            )));
        }
    }
    Ok(())
}

fn in_its_process(step: &Step<'_>) -> Result<(), Broken> {
    for (thread, apc) in delivered(step) {
        let Some(here) = record(step.before, thread) else { continue };
        if step.before.kernel.depth_of_apc(apc) != here.attach_depth {
            let name = step.thread_name(thread);
            let apc = apc_name(step, apc);
            return Err(Broken(format!(
                "`{name}` was delivered the {apc} in another process than that it is for"
            )));
        }
    }
    Ok(())
}

fn attachment_undone(step: &Step<'_>) -> Result<(), Broken> {
    let reasons = [BugCheck::InvalidProcessDetachAttempt];
    stops_for(step, &reasons, "detached from no process, or with APCs left there")?;
    let reasons = [BugCheck::InvalidProcessAttachAttempt];
    stops_for(step, &reasons, "ended, or ended a kernel APC, attached to another process")
}

fn inserted_once(step: &Step<'_>) -> Result<(), Broken> {
    let Some(km) = step.after.kernel.kernel_mode() else { return Ok(()) };
    for (at, setup) in step.model.program.kernel_mode().kapcs.iter().enumerate() {
        let is_it = |kapc: crate::ids::KapcId| kapc.index() == at;
        let mut count = 0;
        for thread in step.after.kernel.thread_ids() {
            let in_kernel = km
                .kernel_apcs(thread)
                .iter()
                .filter(|apc| matches!(apc, KernelApc::Object { kapc, .. } if is_it(*kapc)));
            let in_user = step.after.kernel.user_apcs(thread).iter();
            count += in_kernel.count();
            count += in_user.filter(|apc| apc.object().is_some_and(is_it)).count();
        }
        if count > 1 {
            return Err(Broken(format!("the APC object `{}` is queued {count} times", setup.name)));
        }
    }
    Ok(())
}

fn user_apcs_last(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let Event::ApcEntered { thread, kapc, .. } = event else { continue };
        if kapc.runs_in_kernel_mode() || kapc.is_callback() {
            continue;
        }
        if let Some(apc) = due(step.after, *thread) {
            let (name, routine) =
                (step.thread_name(*thread), step.model.program.routine_name(kapc.routine));
            let apc = apc_name(step, apc);
            return Err(Broken(format!(
                "`{name}` entered the user APC `{routine}` with the {apc} queued, which can run"
            )));
        }
    }
    Ok(())
}

fn called_at_allowed_level(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        if let Event::CalledTooHigh { thread, call, irql, max } = event {
            let name = step.thread_name(*thread);
            let stop = stop_of(step).map(|(_, stop)| stop_text(stop)).unwrap_or_default();
            return Err(Broken(format!(
                "`{name}` called {call} at {irql}, which is for {max} and below{stop}"
            )));
        }
    }
    Ok(())
}

fn stop_of(step: &Step<'_>) -> Option<(ThreadId, BugCheck)> {
    step.events.iter().find_map(|event| match event {
        Event::Stop { thread, bug_check } => Some((*thread, *bug_check)),
        _ => None,
    })
}

fn stop_text(stop: BugCheck) -> String {
    let (name, code) = stop.entry();
    format!(": the system stops with {name} (0x{code:02X})")
}

/// Broken when the system stops for one of these reasons.
fn stops_for(step: &Step<'_>, reasons: &[BugCheck], how: &str) -> Result<(), Broken> {
    let by_call = step.events.iter().any(|event| matches!(event, Event::CalledTooHigh { .. }));
    match stop_of(step) {
        Some((thread, stop)) if reasons.contains(&stop) && !by_call => {
            let name = step.thread_name(thread);
            Err(Broken(format!("`{name}` {how}{}", stop_text(stop))))
        }
        _ => Ok(()),
    }
}

fn irql_restored(step: &Step<'_>) -> Result<(), Broken> {
    stops_for(step, &[BugCheck::IrqlUnexpectedValue], "returned from a routine at another level")?;
    stops_for(step, &[BugCheck::IrqlNotGreaterOrEqual], "raised its level to a lower one")?;
    stops_for(step, &[BugCheck::IrqlNotLessOrEqual], "lowered its level to a higher one")?;
    let reasons = [BugCheck::IrqlGtZeroAtSystemService];
    stops_for(step, &reasons, "returned to user mode at a raised level")
}

fn apcs_enabled_at_end(step: &Step<'_>) -> Result<(), Broken> {
    let reasons = [BugCheck::KernelApcPendingDuringExit];
    stops_for(step, &reasons, "ended in a region or in a kernel APC")?;
    stops_for(
        step,
        &[BugCheck::ApcIndexMismatch],
        "returned to user mode in a region, or attached to another process",
    )
}

fn spin_lock_owner(step: &Step<'_>) -> Result<(), Broken> {
    stops_for(step, &[BugCheck::SpinLockAlreadyOwned], "acquired a spin lock that it holds")?;
    stops_for(step, &[BugCheck::SpinLockNotOwned], "released a spin lock that it does not hold")
}

fn fast_mutex_holds_apcs_back(step: &Step<'_>) -> Result<(), Broken> {
    let Some(km) = step.after.kernel.kernel_mode() else { return Ok(()) };
    for (mutex, setup) in km.fast_mutexes.iter().zip(&step.model.program.kernel_mode().fast_mutexes)
    {
        let Some(owner) = mutex.owner.filter(|_| !mutex.is_unsafe) else { continue };
        let here = km.thread(owner);
        let (held, where_from) = if setup.guarded {
            (here.special_apc_disable != 0, "outside a guarded region")
        } else {
            (here.irql >= Irql::Apc, "below APC_LEVEL")
        };
        if !held && km.stop().is_none() {
            let (name, mutex) =
                (step.thread_name(owner), step.model.program.object_name(setup.object));
            return Err(Broken(format!("`{name}` has the mutex `{mutex}` {where_from}")));
        }
    }
    Ok(())
}

fn kernel_mutex_released(step: &Step<'_>) -> Result<(), Broken> {
    stops_for(step, &[BugCheck::ThreadTerminateHeldMutex], "ended owning a kernel mutex")
}

fn has_location(step: &Step<'_>) -> Result<(), Broken> {
    let reasons = [BugCheck::NoMoreIrpStackLocations];
    stops_for(step, &reasons, "passed a request packet on beyond its last stack location")
}

fn driver_completes_once(step: &Step<'_>) -> Result<(), Broken> {
    let reasons = [BugCheck::MultipleIrpCompleteRequests];
    stops_for(step, &reasons, "completed a request packet that is complete")?;
    let reasons = [BugCheck::CancelStateInCompletedIrp];
    stops_for(step, &reasons, "cancelled a completed request packet that has a cancel routine")
}

fn contract(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        if let Event::ContractBroken { thread, how } = event {
            return Err(Broken(format!("`{}` {how}", step.thread_name(*thread))));
        }
    }
    Ok(())
}

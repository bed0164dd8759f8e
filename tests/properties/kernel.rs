//! What must hold of kernel APCs, told by a ledger of the calls.

use crate::journal::{source, thread_named};
use crate::walk::{Step, Watcher};
use alertable_models::event::{Event, ThreadChange};
use alertable_models::ids::{KapcId, ThreadId};
use alertable_models::ke::apc::{Kapc, KapcStage};
use alertable_models::ke::thread::ThreadState;
use alertable_models::machine::Model;
use alertable_models::service::ServiceReturn;
use alertable_traces::call::Call;
use alertable_traces::kernel::Irql;
use alertable_traces::trace::ProcessorMode;

/// What a thread's own calls say of it.
#[derive(Clone, Debug, Default)]
struct Entry {
    critical: u32,
    guarded: u32,
    raised: bool,
    /// It has the fast mutex, or waits for it.
    owns: bool,
    /// How often it has attached to another process, or to that in which it is.
    attached: u32,
    /// The kernel routines that it is in.
    kernel_routines: u32,
    /// The normal routines of kernel APCs that it is in.
    normal_routines: u32,
    /// The APC objects of kernel mode that are queued to it, in the order of their insertion.
    queued: Vec<KapcId>,
    /// Somebody has suspended it: then the system's own APC is in the list too.
    suspended: bool,
    /// Whether the APC object was queued when its latest insertion was called.
    was_queued: bool,
}

/// What the calls of all threads say.
#[derive(Clone, Debug)]
struct Ledger {
    entries: Vec<Entry>,
}

fn kapc_named(model: &Model, name: &str) -> KapcId {
    let kapcs = &model.program.kernel_mode().kapcs;
    KapcId::from_index(kapcs.iter().position(|kapc| kapc.name == name).unwrap())
}

fn is_special(model: &Model, kapc: KapcId) -> bool {
    model.program.kernel_mode().kapcs[kapc.index()].normal.is_none()
}

fn is_user(model: &Model, kapc: KapcId) -> bool {
    let kapc = &model.program.kernel_mode().kapcs[kapc.index()];
    kapc.normal.is_some() && kapc.mode == ProcessorMode::User
}

fn target(model: &Model, kapc: KapcId) -> ThreadId {
    model.program.kernel_mode().kapcs[kapc.index()].thread.unwrap()
}

impl Ledger {
    fn new(model: &Model) -> Self {
        Ledger { entries: model.program.thread_ids().map(|_| Entry::default()).collect() }
    }

    fn of(&mut self, thread: ThreadId) -> &mut Entry {
        &mut self.entries[thread.index()]
    }

    fn note(&mut self, model: &Model, event: &Event) {
        match *event {
            Event::Call { thread, call } => self.note_call(model, thread, source(model, call)),
            Event::Return { thread, call, result } => {
                self.note_return(model, thread, source(model, call), result);
            }
            Event::ApcEntered { thread, kapc, .. } => self.note_routine(thread, kapc, 1),
            Event::ApcReturned { thread, kapc } => self.note_routine(thread, kapc, -1),
            Event::Thread { thread, change: ThreadChange::Terminated } => {
                *self.of(thread) = Entry::default();
            }
            _ => {}
        }
    }

    fn note_call(&mut self, model: &Model, thread: ThreadId, call: &Call) {
        match call {
            Call::KeEnterCriticalRegion => self.of(thread).critical += 1,
            Call::KeLeaveCriticalRegion => self.of(thread).critical -= 1,
            Call::KeEnterGuardedRegion => self.of(thread).guarded += 1,
            Call::KeLeaveGuardedRegion => self.of(thread).guarded -= 1,
            Call::KeStackAttachProcess { .. } => self.of(thread).attached += 1,
            Call::KeUnstackDetachProcess => self.of(thread).attached -= 1,
            Call::KeRaiseIrql { .. } => self.of(thread).raised = true,
            Call::KeLowerIrql { irql } => self.of(thread).raised = *irql != Irql::Passive,
            Call::ExAcquireFastMutex { .. } => self.of(thread).owns = true,
            Call::ExReleaseFastMutex { .. } => self.of(thread).owns = false,
            Call::KeInsertQueueApc { apc, .. } => {
                let kapc = kapc_named(model, apc);
                let target = target(model, kapc);
                let was_queued = self.of(target).queued.contains(&kapc);
                self.of(thread).was_queued = was_queued;
                if !was_queued && !is_user(model, kapc) {
                    self.of(target).queued.push(kapc);
                }
            }
            Call::KeRemoveQueueApc { apc } => {
                let kapc = kapc_named(model, apc);
                self.of(target(model, kapc)).queued.retain(|queued| *queued != kapc);
            }
            Call::SuspendThread { thread: name } => {
                if let Some(target) = thread_named(model, name) {
                    self.of(target).suspended = true;
                }
            }
            _ => {}
        }
    }

    fn note_return(&mut self, model: &Model, thread: ThreadId, call: &Call, result: ServiceReturn) {
        if let Call::KeInsertQueueApc { apc, .. } = call
            && result.value == 0
            && !self.of(thread).was_queued
        {
            // Its thread takes none any more.
            let kapc = kapc_named(model, apc);
            self.of(target(model, kapc)).queued.retain(|queued| *queued != kapc);
        }
    }

    fn note_routine(&mut self, thread: ThreadId, kapc: Kapc, change: i32) {
        let entry = self.of(thread);
        let count = |count: u32| count.saturating_add_signed(change);
        match kapc.stage() {
            Some(KapcStage::Kernel) => {
                entry.kernel_routines = count(entry.kernel_routines);
                if change > 0 {
                    entry.queued.retain(|queued| Some(*queued) != kapc.object());
                }
            }
            Some(KapcStage::Normal) => entry.normal_routines = count(entry.normal_routines),
            _ => {}
        }
    }

    /// Whether something holds every kernel APC back. All are for the thread's own process.
    fn holds_all(&self, thread: ThreadId) -> bool {
        let entry = &self.entries[thread.index()];
        let is_masked = entry.guarded > 0 || entry.raised || entry.owns;
        is_masked || entry.attached > 0 || entry.kernel_routines > 0
    }

    /// Whether something holds normal kernel APCs back.
    fn holds_normal(&self, thread: ThreadId) -> bool {
        let entry = &self.entries[thread.index()];
        self.holds_all(thread) || entry.critical > 0 || entry.normal_routines > 0
    }

    fn has_special(&self, model: &Model, thread: ThreadId) -> bool {
        self.entries[thread.index()].queued.iter().any(|kapc| is_special(model, *kapc))
    }
}

/// A watcher that looks at each event with the ledger as it was before it.
macro_rules! watcher {
    ($(#[$doc:meta])* $name:ident, |$ledger:ident, $step:ident, $event:ident| $check:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name(Ledger);

        impl Watcher for $name {
            fn new(model: &Model) -> Self {
                $name(Ledger::new(model))
            }

            fn step(&mut self, $step: &Step<'_>) -> Result<(), String> {
                for $event in $step.events {
                    let $ledger = &self.0;
                    let checked: Result<(), String> = $check;
                    checked?;
                    self.0.note($step.model, $event);
                }
                Ok(())
            }
        }
    };
}

/// The APC object whose kernel routine an event enters.
fn delivered(event: &Event) -> Option<(ThreadId, KapcId)> {
    match event {
        Event::ApcEntered { thread, kapc, .. } if kapc.stage() == Some(KapcStage::Kernel) => {
            Some((*thread, kapc.object()?))
        }
        _ => None,
    }
}

watcher! {
    /// No normal kernel APC runs inside another, and none in a critical region.
    NormalApcsStayOut, |ledger, step, event| match delivered(event) {
        Some((thread, kapc))
            if !is_special(step.model, kapc)
                && !is_user(step.model, kapc)
                && ledger.holds_normal(thread)
                && !ledger.holds_all(thread) =>
        {
            Err(format!("{thread:?} is in a critical region or normal routine, and {event:?}"))
        }
        _ => Ok(()),
    }
}

watcher! {
    /// No kernel APC is delivered in a guarded region or at a raised level.
    NoneWhereMasked, |ledger, step, event| match delivered(event) {
        Some((thread, kapc)) if !is_user(step.model, kapc) && ledger.holds_all(thread) => {
            Err(format!("{thread:?} holds every kernel APC back, and {event:?}"))
        }
        _ => Ok(()),
    }
}

watcher! {
    /// No kernel APC for a thread's own process reaches it in another one.
    NoneInAnotherProcess, |ledger, step, event| match delivered(event) {
        Some((thread, kapc))
            if !is_user(step.model, kapc) && ledger.entries[thread.index()].attached > 0 =>
        {
            Err(format!("{thread:?} is attached to another process, and {event:?}"))
        }
        _ => Ok(()),
    }
}

watcher! {
    /// A thread returns from no call with a special kernel APC that could run.
    SpecialsDoNotWait, |ledger, step, event| match *event {
        Event::Return { thread, .. }
            if !ledger.holds_all(thread) && ledger.has_special(step.model, thread) =>
        {
            Err(format!("{thread:?} has a special kernel APC queued, and {event:?}"))
        }
        _ => Ok(()),
    }
}

watcher! {
    /// Special kernel APCs come before normal ones.
    SpecialsComeFirst, |ledger, step, event| match delivered(event) {
        Some((thread, kapc))
            if !is_special(step.model, kapc)
                && !is_user(step.model, kapc)
                && ledger.has_special(step.model, thread) =>
        {
            Err(format!("{thread:?} has a special kernel APC queued, and {event:?}"))
        }
        _ => Ok(()),
    }
}

watcher! {
    /// An APC object that is queued is not queued again.
    InsertedOnce, |ledger, step, event| match *event {
        Event::Return { thread, call, result } => match source(step.model, call) {
            Call::KeInsertQueueApc { .. }
                if result.value == 1 && ledger.entries[thread.index()].was_queued =>
            {
                Err(format!("{thread:?} queued an APC object that was queued"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

watcher! {
    /// Routines run at the level that they are for.
    LevelsAreRight, |ledger, step, event| match *event {
        Event::Return { thread, call, result } => {
            let entry = &ledger.entries[thread.index()];
            let wanted = if entry.raised || entry.owns || entry.kernel_routines > 0 {
                Irql::Apc
            } else {
                Irql::Passive
            };
            match source(step.model, call) {
                Call::KeGetCurrentIrql if result.value != wanted as u32 => {
                    Err(format!("{thread:?} is at {}, not at {wanted}", result.value))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

watcher! {
    /// A user APC runs when no kernel APC could.
    UserApcsComeLast, |ledger, step, event| match *event {
        Event::ApcEntered { thread, kapc, .. }
            if !kapc.runs_in_kernel_mode() && !ledger.entries[thread.index()].suspended =>
        {
            let entry = &ledger.entries[thread.index()];
            let special = ledger.has_special(step.model, thread) && !ledger.holds_all(thread);
            if special || (!entry.queued.is_empty() && !ledger.holds_normal(thread)) {
                return Err(format!("{thread:?} has a kernel APC queued, and {event:?}"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

watcher! {
    /// A kernel APC that cannot run leaves its thread in its wait.
    MaskedApcsWait, |ledger, step, event| match *event {
        Event::Call { call, .. } => match source(step.model, call) {
            Call::KeInsertQueueApc { apc, .. } => {
                let kapc = kapc_named(step.model, apc);
                let thread = target(step.model, kapc);
                let state = |kernel: &alertable_models::ke::Kernel| kernel.thread(thread).state;
                let is_interrupted = state(step.before.kernel()) == ThreadState::Waiting
                    && state(step.after.kernel()) == ThreadState::Restarting;
                let holds = if is_special(step.model, kapc) {
                    ledger.holds_all(thread)
                } else {
                    ledger.holds_normal(thread)
                };
                if is_interrupted && holds && !is_user(step.model, kapc) {
                    Err(format!("{thread:?} holds {apc} back, and its wait was interrupted"))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

//! APC objects (KAPC) and the kernel APCs of a thread: insertion, removal, what masks them.
//!
//! Suspension, termination and the second stage of I/O are kernel APCs too, and wait in the same
//! list for the same conditions. Their routines are the system's own.

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, KapcChange, Observer};
use crate::ids::{IrpId, IrpVarId, KapcId, ThreadId};
use crate::ke::apc::{ApcSource, Kapc, KapcStage};
use crate::ke::kmode::KapcSetup;
use crate::ke::thread::ThreadState;
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{apc as rule, irp, thread as thr};
use alertable_traces::kernel::{Environment, Irql};
use alertable_traces::trace::ProcessorMode;

/// A kernel APC in a thread's list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KernelApc {
    /// An APC object of the program.
    Object {
        /// Which one.
        kapc: KapcId,
        /// It has no normal routine.
        special: bool,
    },
    /// The second stage of a request: special (IRP-36).
    Io(IrpId),
    /// The second stage of a request packet that a driver has built: special.
    OwnIrp(IrpVarId),
    /// The one that stops the thread while its suspend count is not 0: normal (THR-13).
    Suspend,
    /// The one that ends the thread: normal (THR-26).
    Exit,
}

impl KernelApc {
    /// Whether it is a special kernel APC.
    pub fn is_special(self) -> bool {
        matches!(
            self,
            KernelApc::Object { special: true, .. } | KernelApc::Io(_) | KernelApc::OwnIrp(_)
        )
    }
}

impl Entry for KernelApc {
    fn digest(&self, key: Key) -> u64 {
        key.hash(match self {
            KernelApc::Object { kapc, special } => {
                u64::from(kapc.0) << 3 | u64::from(*special) << 2
            }
            KernelApc::Io(irp) => 1 | u64::from(irp.0) << 3,
            KernelApc::Suspend => 2,
            KernelApc::Exit => 3,
            KernelApc::OwnIrp(var) => 3 | u64::from(var.0 + 1) << 3,
        })
    }
}

/// An APC object, as far as it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KapcState {
    /// The thread for which it was initialised.
    pub thread: Option<ThreadId>,
    /// It is in a list (Inserted).
    pub inserted: bool,
    /// Which APC state of its thread it goes to (ApcStateIndex).
    pub environment: Environment,
    /// How often its thread was attached to the process of that state, while it is in a list.
    pub depth: u8,
}

impl KapcState {
    /// Before the first step.
    pub(crate) fn first(setup: &KapcSetup) -> Self {
        let environment = match setup.environment {
            // No thread is attached yet.
            Environment::Current => Environment::Original,
            other => other,
        };
        KapcState { thread: setup.thread, inserted: false, environment, depth: 0 }
    }
}

impl Entry for KapcState {
    fn digest(&self, key: Key) -> u64 {
        let thread = self.thread.map_or(0, |thread| u64::from(thread.0) + 1);
        let state = (self.environment as u64) << 16 | u64::from(self.depth) << 24;
        key.hash(thread << 1 | u64::from(self.inserted) | state)
    }
}

impl Kernel {
    /// Initialises an APC object for a thread (KeInitializeApc).
    ///
    /// APC-S-01, APC-S-05: it is in no list then. Doing that to one that is in a list leaves a
    /// record there that nobody owns, and is a mistake of the driver.
    pub(crate) fn initialize_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        caller: ThreadId,
        kapc: KapcId,
        thread: ThreadId,
    ) {
        cx.rules([rule::APC_S_01, rule::APC_S_04, rule::APC_S_05]);
        let setup = &cx.kernel_mode.kapcs[kapc.index()];
        if setup.effective_mode() != setup.mode {
            cx.rule(rule::APC_S_02);
        }
        if self.km().kapc(kapc).inserted {
            let how = "initialised an APC object that is queued";
            cx.event(Event::ContractBroken { thread: caller, how });
            return;
        }
        let environment = self.environment_for(thread, setup.environment);
        *self.km_mut().kapcs.get_mut(kapc.index()) =
            KapcState { thread: Some(thread), inserted: false, environment, depth: 0 };
    }

    /// Queues an APC object to its thread (KeInsertQueueApc); whether it did.
    ///
    /// APC-I-01, APC-I-02: not one that is queued already, nor to a thread that takes none.
    pub(crate) fn insert_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        caller: ThreadId,
        kapc: KapcId,
    ) -> bool {
        let record = *self.km().kapc(kapc);
        let Some(thread) = record.thread else {
            let how = "queued an APC object that was not initialised";
            cx.event(Event::ContractBroken { thread: caller, how });
            return false;
        };
        if record.inserted && !cx.deviates(Deviation::KapcInsertedTwice) {
            cx.rule(rule::APC_I_01);
            return false;
        }
        if !self.thread(thread).apc_queueable {
            cx.rule(rule::APC_I_02);
            return false;
        }
        let Some(depth) = self.depth_for(cx, caller, thread, kapc) else { return false };
        let setup = &cx.kernel_mode.kapcs[kapc.index()];
        if depth > 0 && setup.effective_mode() == ProcessorMode::User {
            let how = "queued a user APC for a process that its thread is only attached to";
            cx.event(Event::ContractBroken { thread: caller, how });
            return false;
        }
        cx.rules([rule::APC_I_03, rule::APC_S_12]);
        if self.irql(caller) == Irql::Dispatch {
            cx.rule(rule::APC_I_15);
        }
        let record = self.km_mut().kapcs.get_mut(kapc.index());
        (record.inserted, record.depth) = (true, depth);
        match setup.effective_mode() {
            ProcessorMode::Kernel => {
                if thread == caller {
                    cx.rule(rule::APC_I_07);
                }
                let apc = KernelApc::Object { kapc, special: setup.is_special() };
                self.insert_kernel_apc(cx, thread, apc);
            }
            ProcessorMode::User => {
                // Its thread takes APCs, and the memory is the object's own.
                let _ = self.insert_user_apc(cx, thread, user_apc(kapc, setup));
            }
        }
        true
    }

    /// Links a kernel APC and takes its thread out of a wait that it can interrupt.
    pub(crate) fn insert_kernel_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        apc: KernelApc,
    ) {
        let list = thread.index();
        let queued = self.km().kernel_apcs(thread);
        let specials = queued.iter().take_while(|queued| queued.is_special()).count();
        // APC-I-05: special ones in their order, then normal ones in theirs.
        let position = if apc.is_special() && !cx.deviates(Deviation::KernelApcFifo) {
            cx.rule(rule::APC_I_05);
            specials
        } else {
            cx.rule(rule::APC_I_04);
            queued.len()
        };
        self.km_mut().kernel_apcs.insert(list, position, apc);
        cx.event(Event::KernelApc { thread, apc, change: KapcChange::Queued });
        self.wake_for_kernel_apc(cx, thread, apc);
    }

    /// APC-I-09 to APC-I-12: what the insertion of a kernel APC does to its thread.
    fn wake_for_kernel_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        apc: KernelApc,
    ) {
        if self.depth_of_apc(apc) != self.km().thread(thread).attach_depth
            && !cx.deviates(Deviation::EveryApcStateInForce)
        {
            // Only linked in: no flag, no interrupt, no wake-up.
            return cx.rule(rule::APC_S_09);
        }
        let state = self.thread(thread).state;
        if state != ThreadState::Waiting {
            cx.rule(match state {
                ThreadState::User => rule::APC_I_09,
                _ => rule::APC_I_10,
            });
            return;
        }
        let masked = self.next_kernel_apc(cx.deviations, thread).is_none_or(|next| {
            // A special one in front of it may be what can be delivered.
            next.is_special() != apc.is_special()
        });
        if masked && !cx.deviates(Deviation::MaskedApcWakes) {
            cx.rules([rule::APC_I_12, rule::APC_K_25]);
            return;
        }
        cx.rule(rule::APC_I_11);
        if let KernelApc::Io(_) = apc {
            cx.rule(irp::IRP_38);
        }
        self.interrupt_wait(cx, thread);
    }

    /// The kernel APC that can be delivered to a thread now, if there is one.
    ///
    /// APC-K-03, APC-K-04, APC-K-13, APC-K-18: nothing comes through at `APC_LEVEL` or in a
    /// guarded region; what has a normal routine waits for the end of critical regions and of
    /// normal routines that run.
    pub(crate) fn next_kernel_apc(
        &self,
        deviations: Deviations,
        thread: ThreadId,
    ) -> Option<KernelApc> {
        let km = self.kernel_mode()?;
        let (_, first) = self.next_in_force(deviations, thread)?;
        let here = km.thread(thread);
        let has = |deviation| deviations.contains(deviation);
        let at_level = here.irql >= Irql::Apc && !has(Deviation::ApcLevelIgnored);
        let in_guarded = here.special_apc_disable != 0 && !has(Deviation::GuardedRegionIgnored);
        let in_critical = here.kernel_apc_disable != 0;
        let masked = if first.is_special() {
            in_critical && has(Deviation::CriticalRegionMasksSpecial)
        } else {
            (in_critical && !has(Deviation::CriticalRegionIgnored))
                || (here.kernel_apc_in_progress && !has(Deviation::NormalApcsNest))
        };
        let exists =
            !matches!(self.thread(thread).state, ThreadState::NotCreated | ThreadState::Terminated);
        (!at_level && !in_guarded && !masked && exists).then_some(first)
    }

    /// Whether a kernel APC takes effect in a thread before it does anything else.
    pub(crate) fn is_kernel_apc_due(&self, deviations: Deviations, thread: ThreadId) -> bool {
        self.has_kernel_mode()
            && self.next_kernel_apc(deviations, thread).is_some()
            && self.thread(thread).state != ThreadState::Waiting
            && !(deviations.contains(Deviation::UserApcsFirst)
                && self.thread(thread).user_apc_pending)
    }

    /// Takes an APC object back (KeRemoveQueueApc); whether it was queued.
    ///
    /// APC-I-16: none of its routines runs.
    pub(crate) fn remove_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        kapc: KapcId,
    ) -> bool {
        let KapcState { thread: Some(thread), inserted: true, .. } = *self.km().kapc(kapc) else {
            return false;
        };
        cx.rule(rule::APC_I_16);
        self.km_mut().kapcs.get_mut(kapc.index()).inserted = false;
        let list = thread.index();
        let is_it = |apc: &KernelApc| matches!(apc, KernelApc::Object { kapc: other, .. } if *other == kapc);
        if let Some(at) = self.km().kernel_apcs(thread).iter().position(is_it) {
            let apc = self.km_mut().kernel_apcs.remove(list, at);
            cx.event(Event::KernelApc { thread, apc, change: KapcChange::Removed });
        } else if let Some(at) = self.user_apcs(thread).iter().position(|apc| apc.is_of(kapc)) {
            let apc = self.user_apcs.remove(list, at);
            cx.event(Event::Kapc { thread, kapc: apc, change: KapcChange::Removed });
            self.clear_user_apc_pending(cx, thread);
        }
        true
    }

    /// APC-I-17: with no user APC left, none is delivered.
    pub(crate) fn clear_user_apc_pending<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let exits = self.kernel_mode().is_some_and(|km| km.thread(thread).exit_queued);
        if self.user_apcs(thread).is_empty() && self.thread(thread).user_apc_pending && !exits {
            cx.rule(rule::APC_I_17);
            self.thread_mut(thread).user_apc_pending = false;
        }
    }

    /// Takes all APC objects of one of a thread's lists back (KeFlushQueueApc); how many.
    ///
    /// APC-I-18: what becomes of them is the caller's business: no routine runs.
    pub(crate) fn flush_apcs<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        mode: ProcessorMode,
    ) -> u32 {
        cx.rule(rule::APC_I_18);
        let mut objects: Vec<KapcId> = Vec::new();
        match mode {
            ProcessorMode::Kernel => {
                objects.extend(self.km().kernel_apcs(thread).iter().filter_map(|apc| match apc {
                    KernelApc::Object { kapc, .. } => Some(*kapc),
                    _ => None,
                }));
            }
            ProcessorMode::User => {
                objects.extend(self.user_apcs(thread).iter().filter_map(|apc| apc.object()));
            }
        }
        for kapc in &objects {
            self.remove_apc(cx, *kapc);
        }
        objects.len() as u32
    }

    /// Takes the next kernel APC that can be delivered off its list (KiDeliverApc).
    ///
    /// APC-I-19, APC-S-11: what its routines need is copied first, and the object is free to be
    /// queued again from here on.
    pub(crate) fn take_kernel_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<KernelApc> {
        cx.rules([rule::APC_K_01, rule::APC_K_02, rule::APC_S_12]);
        let at = self.next_in_force(cx.deviations, thread).map(|(at, _)| at);
        let Some(apc) = self.next_kernel_apc(cx.deviations, thread) else {
            if !self.km().kernel_apcs(thread).is_empty() {
                cx.rules([rule::APC_K_04, rule::APC_K_06]);
            }
            return None;
        };
        self.km_mut().kernel_apcs.remove(thread.index(), at.unwrap_or(0));
        cx.event(Event::KernelApc { thread, apc, change: KapcChange::Delivered });
        if let KernelApc::Object { kapc, special } = apc {
            cx.rules([rule::APC_I_19, rule::APC_S_11, rule::APC_S_03]);
            self.km_mut().kapcs.get_mut(kapc.index()).inserted = false;
            let setup = &cx.kernel_mode.kapcs[kapc.index()];
            let here = self.km_thread_mut(thread);
            here.normal = setup.normal.map(|routine| (routine, setup.data));
            if special {
                cx.rule(rule::APC_K_03);
                if here.kernel_apc_in_progress {
                    cx.rule(rule::APC_K_07);
                }
            }
        }
        Some(apc)
    }

    /// The APC that ends a thread has been delivered as a kernel APC: it is queued again, at the
    /// head of the user list and due (APC-I-06, THR-26).
    pub(crate) fn queue_exit<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rules([rule::APC_I_06, thr::THR_26]);
        self.km_thread_mut(thread).exit_queued = true;
        self.thread_mut(thread).user_apc_pending = true;
    }

    /// Whether a thread ends instead of returning to user mode.
    pub(crate) fn is_to_exit(&self, thread: ThreadId) -> bool {
        match self.kernel_mode() {
            Some(km) => km.thread(thread).exit_queued,
            None => self.thread(thread).terminated,
        }
    }
}

/// The APC of an object in its thread's user list.
pub(crate) fn user_apc(kapc: KapcId, setup: &KapcSetup) -> Kapc {
    let source = ApcSource::Object { kapc, stage: KapcStage::User };
    let routine = setup.normal.expect("only what has a normal routine is a user APC");
    Kapc { source, routine, context: setup.data }
}

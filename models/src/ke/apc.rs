//! User APCs and alerts: insertion, removal, delivery, the test-alert.
//!
//! Inserting an APC, waking its thread and delivering it are three separate steps with separate
//! conditions.

use crate::deviation::Deviation;
use crate::event::{Event, KapcChange, Observer};
use crate::ids::{BlockId, DatumId, DpcId, IrpId, KapcId, ObjectId, RoutineId, ThreadId};
use crate::io::irp::IrpPlace;
use crate::io::packet::DriverRoutine;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::{InService, ThreadState};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{
    apc as rule, cancel, exit, io, irp as irp_rule, thread as thr, timer as tim, wait,
};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;
use alertable_traces::trace::ProcessorMode;

/// The most user APCs that a machine keeps queued, for all threads together.
///
/// Windows has no limit but memory (APC-U-14); past this one, queueing fails as it does when
/// memory is short.
pub const QUEUED_APC_COUNT_MAX: usize = 60_000;

/// Where a user APC comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ApcSource {
    /// `QueueUserAPC`: a record of its own for each call (APC-U-15).
    Queued,
    /// `QueueUserAPC2` with the special flag.
    Special,
    /// A timer's one record (TIMER-16).
    Timer(ObjectId),
    /// A completed request, which is the APC (IRP-52).
    Io(IrpId),
    /// A request that was done without a request packet
    /// ([`Deviation::FastIoQueuesApc`]).
    FastIo(BlockId),
    /// No APC, but a callback that a pool's thread runs: one that was submitted, or that of a
    /// wait.
    Work,
    /// As `Work`, of a pool's timer.
    WorkTimer(ObjectId),
    /// As `Work`, of a request on a pool's file.
    WorkIo(BlockId),
    /// An APC object of code in kernel mode, and which of its routines.
    Object {
        /// Which one.
        kapc: KapcId,
        /// Which of its routines.
        stage: KapcStage,
    },
    /// No APC, but a DPC.
    Dpc(DpcId),
    /// No APC, but a routine of a driver.
    Driver(DriverRoutine),
}

/// Which routine of an APC object runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KapcStage {
    /// The kernel routine.
    Kernel,
    /// The normal routine of a kernel APC.
    Normal,
    /// The normal routine of a user APC, which is about to begin.
    UserNext,
    /// The normal routine of a user APC.
    User,
    /// The rundown routine.
    Rundown,
}

/// A user APC (KAPC with mode UserMode).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kapc {
    /// Where it comes from.
    pub source: ApcSource,
    /// The routine that it runs (NormalRoutine).
    pub routine: RoutineId,
    /// What the routine is given (NormalContext).
    pub context: DatumId,
}

impl Kapc {
    /// The status block of the request that it is the end of.
    pub fn block(self) -> Option<BlockId> {
        match self.source {
            ApcSource::Io(irp) => Some(irp.block()),
            ApcSource::FastIo(block) | ApcSource::WorkIo(block) => Some(block),
            ApcSource::Queued
            | ApcSource::Special
            | ApcSource::Timer(_)
            | ApcSource::Work
            | ApcSource::WorkTimer(_)
            | ApcSource::Object { .. }
            | ApcSource::Dpc(_)
            | ApcSource::Driver(_) => None,
        }
    }

    /// The APC object of the program that it is.
    pub fn object(self) -> Option<KapcId> {
        match self.source {
            ApcSource::Object { kapc, .. } => Some(kapc),
            _ => None,
        }
    }

    /// Whether it is this APC object of the program.
    pub(crate) fn is_of(self, kapc: KapcId) -> bool {
        self.object() == Some(kapc)
    }

    /// Which routine of an APC object it is.
    pub fn stage(self) -> Option<KapcStage> {
        match self.source {
            ApcSource::Object { stage, .. } => Some(stage),
            _ => None,
        }
    }

    /// Whether its routine runs in kernel mode.
    pub fn runs_in_kernel_mode(self) -> bool {
        match self.source {
            ApcSource::Object { stage, .. } => stage != KapcStage::User,
            ApcSource::Dpc(_) | ApcSource::Driver(_) => true,
            _ => false,
        }
    }

    /// Whether it is a pool's callback and no APC.
    pub fn is_callback(self) -> bool {
        matches!(self.source, ApcSource::Work | ApcSource::WorkTimer(_) | ApcSource::WorkIo(_))
    }

    pub(crate) fn is_special(self) -> bool {
        self.source == ApcSource::Special
    }
}

impl Kapc {
    /// Everything about it.
    pub(crate) fn word(self) -> u64 {
        let source = match self.source {
            ApcSource::Queued => 0,
            ApcSource::Special => 1,
            ApcSource::Timer(timer) => 2 | u64::from(timer.0) << 4,
            ApcSource::Io(irp) => 3 | u64::from(irp.0) << 4,
            ApcSource::FastIo(block) => 4 | u64::from(block.0) << 4,
            ApcSource::Work => 5,
            ApcSource::WorkTimer(timer) => 6 | u64::from(timer.0) << 4,
            ApcSource::WorkIo(block) => 7 | u64::from(block.0) << 4,
            ApcSource::Object { kapc, stage } => 8 | (stage as u64) << 4 | u64::from(kapc.0) << 8,
            ApcSource::Dpc(dpc) => 9 | u64::from(dpc.0) << 4,
            ApcSource::Driver(routine) => 0xA | (routine as u64) << 4,
        };
        source << 42 | u64::from(self.routine.0) << 16 | u64::from(self.context.0)
    }
}

impl Entry for Kapc {
    fn digest(&self, key: Key) -> u64 {
        key.hash(self.word())
    }
}

impl Kernel {
    /// Queues a user APC (KeInsertQueueApc): links it and wakes the thread if it waits for one.
    ///
    /// # Errors
    /// `STATUS_UNSUCCESSFUL` when the thread's APC queue is closed (APC-I-02, APC-U-18),
    /// `STATUS_NO_MEMORY` past [`QUEUED_APC_COUNT_MAX`].
    pub(crate) fn insert_user_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
    ) -> Result<(), NtStatus> {
        if !self.thread(thread).apc_queueable {
            cx.rules([rule::APC_I_02, rule::APC_U_18]);
            return Err(NtStatus::UNSUCCESSFUL);
        }
        if self.user_apcs.len(thread.index()) >= QUEUED_APC_COUNT_MAX {
            return Err(NtStatus::NO_MEMORY);
        }
        cx.rules([rule::APC_I_03, rule::APC_U_15, rule::APC_U_16, thr::THR_02]);
        let position = self.place_of(cx, thread, kapc);
        if cx.deviates(Deviation::ApcQueuedTwice) && self.user_apcs.is_empty(thread.index()) {
            self.user_apcs.push(thread.index(), kapc);
        }
        self.user_apcs.insert(thread.index(), position, kapc);
        cx.event(Event::Kapc { thread, kapc, change: KapcChange::Queued });
        self.wake_for_user_apc(cx, thread, kapc);
        Ok(())
    }

    /// APC-I-04, APC-X-08: at the tail; special ones before all regular ones.
    fn place_of<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
    ) -> usize {
        let specials =
            || self.user_apcs(thread).iter().take_while(|queued| queued.is_special()).count();
        if kapc.is_special() {
            cx.rule(rule::APC_X_08);
            return specials();
        }
        cx.rules([rule::APC_I_04, rule::APC_U_03]);
        if cx.deviates(Deviation::ApcLifo) {
            specials()
        } else {
            self.user_apcs.len(thread.index())
        }
    }

    /// APC-I-13: ends an alertable wait in the same step; otherwise only the list changes.
    fn wake_for_user_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        kapc: Kapc,
    ) {
        let here = self.thread(thread);
        let wakes = (here.waits_alertably()
            && !self.waits_in_kernel_mode(thread)
            && !self.is_attached(thread))
            || (here.state == ThreadState::Waiting
                && here.service == InService::None
                && cx.deviates(Deviation::ApcAtPlainWait));
        if wakes && !cx.deviates(Deviation::ApcWakesLate) {
            cx.rules([rule::APC_I_13, wait::WAIT_10, wait::WAIT_13, wait::WAIT_38]);
            if kapc.is_special() {
                cx.rule(rule::APC_X_04);
            }
            self.thread_mut(thread).user_apc_pending = true;
            self.end_wait(cx, thread, NtStatus::USER_APC);
        } else if kapc.is_special() && self.holds_special_user_apc(thread) {
            // APC-X-12: it waits for the end of what holds other deliveries back.
            cx.rule(rule::APC_X_12);
        } else if here.state == ThreadState::Waiting && kapc.is_special() {
            // APC-X-04: its kernel part interrupts the wait, which then starts over.
            cx.rule(rule::APC_X_04);
            self.interrupt_wait(cx, thread);
        } else {
            cx.rules([rule::APC_U_02, rule::APC_I_08, wait::WAIT_11]);
            if self.thread(thread).stopped {
                cx.rule(thr::THR_20);
            }
        }
    }

    /// Whether a region or a raised level of a thread delays a special user APC.
    fn holds_special_user_apc(&self, thread: ThreadId) -> bool {
        self.kernel_mode().is_some_and(|km| {
            let here = km.thread(thread);
            here.kernel_apc_disable != 0
                || here.special_apc_disable != 0
                || here.irql >= Irql::Apc
                || here.attach_depth != 0
        })
    }

    /// Takes a timer's APC back if it is queued (KeRemoveQueueApc).
    ///
    /// APC-I-16, APC-I-17: a wait that it has already ended stays ended; when no APC is left,
    /// none is delivered at its return.
    pub(crate) fn remove_timer_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        timer: ObjectId,
    ) {
        let queued = self.user_apcs(thread);
        let source = ApcSource::Timer(timer);
        let Some(position) = queued.iter().position(|kapc| kapc.source == source) else {
            return;
        };
        cx.rules([rule::APC_I_16, tim::TIMER_24]);
        let kapc = self.user_apcs.remove(thread.index(), position);
        cx.event(Event::Kapc { thread, kapc, change: KapcChange::Removed });
        self.clear_user_apc_pending(cx, thread);
    }

    /// Whether a timer's APC is in its thread's queue.
    pub(crate) fn is_timer_apc_queued(&self, thread: ThreadId, timer: ObjectId) -> bool {
        self.user_apcs(thread).iter().any(|kapc| kapc.source == ApcSource::Timer(timer))
    }

    /// Takes the next user APC out of the queue, at the exit to user mode (KiDeliverApc).
    ///
    /// APC-U-01: only when one is pending. APC-I-19: it is free to be queued again from here on.
    pub(crate) fn deliver_user_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        is_followed: bool,
    ) -> Option<Kapc> {
        if !self.thread(thread).user_apc_pending {
            return None;
        }
        if self.user_apcs.is_empty(thread.index()) {
            self.thread_mut(thread).user_apc_pending = false;
            return None;
        }
        Some(self.take_user_apc(cx, thread, is_followed))
    }

    /// Takes the first APC off a thread's queue, to run it.
    ///
    /// APC-X-07: a special one is due by itself, so that regular ones that were due are still,
    /// unless its routine is followed by a test-alert, which finds them.
    pub(crate) fn take_user_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        is_followed: bool,
    ) -> Kapc {
        cx.rules([rule::APC_U_01, rule::APC_U_03, rule::APC_U_06, rule::APC_I_19]);
        let kapc = self.user_apcs.remove(thread.index(), 0);
        if is_followed || !kapc.is_special() || self.user_apcs.is_empty(thread.index()) {
            self.thread_mut(thread).user_apc_pending = false;
        }
        if let Some(object) = kapc.object() {
            // APC-S-11: free to be queued again before any of its routines runs.
            cx.rule(rule::APC_S_11);
            self.km_mut().kapcs.get_mut(object.index()).inserted = false;
        }
        if let ApcSource::Timer(timer) = kapc.source {
            self.begin_timer_apc(cx, timer);
        }
        cx.event(Event::Kapc { thread, kapc, change: KapcChange::Delivered });
        if let ApcSource::Io(irp) = kapc.source
            && self.is_apc_of(irp)
        {
            cx.rules([irp_rule::IRP_53, io::IO_46, io::IO_48]);
            if self.file(self.request_of(cx, irp).2).cleaned_up {
                cx.rule(cancel::CAN_34);
            }
            self.free_irp(cx, irp);
        }
        kapc
    }

    /// Whether a request packet is, as it should be, waiting for the APC that it is.
    fn is_apc_of(&self, irp: IrpId) -> bool {
        self.has_irp(irp) && self.irp(irp).place == IrpPlace::Apc
    }

    /// Whether a special user APC is queued to a thread.
    pub(crate) fn has_special_apc(&self, thread: ThreadId) -> bool {
        self.user_apcs(thread).first().is_some_and(|kapc| kapc.is_special())
    }

    /// Consumes an alert, or makes the next queued user APC pending (KeTestAlertThread).
    ///
    /// ALERT-05: with an alert there was, no APC is made pending in that call.
    pub(crate) fn test_alert<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> NtStatus {
        if std::mem::take(&mut self.thread_mut(thread).alerted) {
            cx.rules([rule::ALERT_05, rule::ALERT_10]);
            return NtStatus::ALERTED;
        }
        if !self.user_apcs.is_empty(thread.index()) && !self.is_attached(thread) {
            cx.rule(rule::APC_U_06);
            self.thread_mut(thread).user_apc_pending = true;
        }
        NtStatus::SUCCESS
    }

    /// Alerts a thread in user mode (KeAlertThread).
    ///
    /// ALERT-01, ALERT-02: ends its alertable wait, or else leaves one sticky bit.
    pub(crate) fn alert_thread<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rule(rule::ALERT_01);
        if self.thread(thread).waits_alertably() && !self.waits_in_kernel_mode(thread) {
            cx.rule(rule::ALERT_02);
            self.end_wait(cx, thread, NtStatus::ALERTED);
        } else {
            self.thread_mut(thread).alerted = true;
        }
    }

    /// As [`Kernel::test_alert`], for either mode (KeTestAlertThread).
    pub(crate) fn test_alert_in_mode<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        mode: ProcessorMode,
    ) -> NtStatus {
        if mode == ProcessorMode::User {
            return self.test_alert(cx, thread);
        }
        let alerted = std::mem::take(&mut self.km_thread_mut(thread).alerted);
        if alerted { NtStatus::ALERTED } else { NtStatus::SUCCESS }
    }

    /// Alerts a thread in one of the modes (KeAlertThread); whether it was alerted before.
    ///
    /// ALERT-02: a user alert ends waits on behalf of the user, a kernel alert ends both.
    pub(crate) fn alert_in_mode<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        mode: ProcessorMode,
    ) -> bool {
        cx.rule(rule::ALERT_01);
        let before = match mode {
            ProcessorMode::User => self.thread(thread).alerted,
            ProcessorMode::Kernel => self.km().thread(thread).alerted,
        };
        let reaches = mode == ProcessorMode::Kernel || !self.waits_in_kernel_mode(thread);
        if self.thread(thread).waits_alertably() && reaches {
            cx.rule(rule::ALERT_02);
            self.end_wait(cx, thread, NtStatus::ALERTED);
        } else if mode == ProcessorMode::User {
            self.thread_mut(thread).alerted = true;
        } else {
            self.km_thread_mut(thread).alerted = true;
        }
        before
    }

    /// Closes a thread's APC queue and discards what is in it (APC-U-23, THR-34).
    pub(crate) fn run_down_user_apcs<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([thr::THR_34, rule::APC_U_22]);
        self.thread_mut(thread).apc_queueable = false;
        self.thread_mut(thread).user_apc_pending = false;
        if self.has_io() {
            cx.rule(exit::EXIT_14);
        }
        while let Some(kapc) = self.user_apcs(thread).first().copied() {
            if cx.deviates(Deviation::ExitKeepsApcs) || self.apc_to_run_down(cx, thread).is_some() {
                break;
            }
            cx.rules([rule::APC_U_21, rule::APC_U_23, rule::APC_I_18]);
            self.take_to_run_down(thread);
            cx.event(Event::Kapc { thread, kapc, change: KapcChange::RunDown });
            if let ApcSource::Io(irp) = kapc.source
                && self.is_apc_of(irp)
            {
                cx.rules([exit::EXIT_11, exit::EXIT_12, exit::EXIT_13]);
                self.free_irp(cx, irp);
            }
        }
    }

    /// The first APC in a thread's queue, if it has a rundown routine.
    pub(crate) fn apc_to_run_down<O>(
        &self,
        cx: &Context<'_, O>,
        thread: ThreadId,
    ) -> Option<KapcId> {
        let kapc = self.user_apcs(thread).first()?.object()?;
        cx.kernel_mode.kapcs[kapc.index()].rundown.map(|_| kapc)
    }

    /// Takes the first APC off the queue of a thread that ends.
    pub(crate) fn take_to_run_down(&mut self, thread: ThreadId) -> Kapc {
        let kapc = self.user_apcs.remove(thread.index(), 0);
        if let Some(object) = kapc.object() {
            self.km_mut().kapcs.get_mut(object.index()).inserted = false;
        }
        kapc
    }

    /// A timer's APC is about to run: a one-shot timer is done with its thread (TIMER-27).
    fn begin_timer_apc<O: Observer>(&mut self, cx: &mut Context<'_, O>, timer: ObjectId) {
        let DispatcherObject::Timer(record) = self.object_mut(timer) else { return };
        cx.rules([tim::TIMER_26, tim::TIMER_27]);
        if record.period_ms == 0 {
            record.apc = None;
        }
    }
}

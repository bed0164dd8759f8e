//! Waits: the tests at entry, blocking, what ends a blocked wait, and restarts.

use crate::deviation::Deviation;
use crate::event::{Event, Observer, ThreadChange};
use crate::ids::{ObjectId, ThreadId};
use crate::ke::thread::{InService, ThreadState};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{apc, thread as thr, wait as rule};
use alertable_traces::status::NtStatus;

/// No due time: the wait never times out, the timer never expires.
pub const NEVER: u32 = u32::MAX;

/// The status of a wait that the object of this index satisfied.
pub(crate) fn with_index(status: NtStatus, key: u8) -> NtStatus {
    NtStatus(status.0 + u32::from(key))
}

/// What a wait demands of its objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WaitKind {
    /// One of them.
    Any,
    /// All of them at the same moment.
    All,
    /// There are none: only time, an alert or an APC ends it.
    Delay,
    /// There are none: it is for a packet at the thread's port (IOCP-25).
    Queue,
}

/// What a thread waits for, beside the objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WaitRequest {
    /// What it demands of its objects.
    pub kind: WaitKind,
    /// User APCs and alerts end it.
    pub alertable: bool,
    /// Milliseconds until it times out, or [`NEVER`]. It keeps running down while the thread
    /// is out of its wait (WAIT-22).
    pub remaining_ms: u32,
}

impl WaitRequest {
    /// No wait.
    pub const NONE: Self =
        WaitRequest { kind: WaitKind::Delay, alertable: false, remaining_ms: NEVER };
}

/// A thread's place in the wait list of an object (KWAIT_BLOCK).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WaitBlock {
    /// Who waits.
    pub thread: ThreadId,
    /// The object's index among those that the wait names (WaitKey).
    pub key: u8,
}

impl Entry for WaitBlock {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(self.thread.0) << 8 | u64::from(self.key))
    }
}

impl Kernel {
    /// Begins a wait: notes what is waited for and makes the tests of its entry.
    ///
    /// `Some` with the result when the thread need not block.
    pub(crate) fn begin_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        objects: impl Iterator<Item = ObjectId>,
        request: WaitRequest,
    ) -> Option<NtStatus> {
        debug_assert!(self.wait_objects.is_empty(thread.index()));
        for object in objects {
            self.wait_objects.push(thread.index(), object);
        }
        self.thread_mut(thread).wait = request;
        self.enter_wait(cx, thread)
    }

    /// Begins a wait of a thread whose suspension has taken effect: it has its place among the
    /// waiters, and makes the tests when it is resumed (THR-17, THR-18).
    pub(crate) fn begin_stopped_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        objects: impl Iterator<Item = ObjectId>,
        request: WaitRequest,
    ) {
        cx.rules([thr::THR_17, thr::THR_18]);
        for object in objects {
            self.wait_objects.push(thread.index(), object);
        }
        self.thread_mut(thread).wait = request;
        self.block(cx, thread);
        self.thread_mut(thread).state = ThreadState::Restarting;
    }

    /// Notes a wait whose entry tests are a step of their own (WAIT-78).
    pub(crate) fn prepare_wait(
        &mut self,
        thread: ThreadId,
        object: ObjectId,
        request: WaitRequest,
    ) {
        self.wait_objects.push(thread.index(), object);
        self.thread_mut(thread).wait = request;
        self.thread_mut(thread).state = ThreadState::Restarting;
    }

    /// Makes the tests of a wait's entry in their order and blocks if none says otherwise.
    ///
    /// WAIT-01, WAIT-07: object, then alert, then user APC, then time-out, in one step.
    pub(crate) fn enter_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        if self.thread(thread).wait.kind == WaitKind::Queue {
            return self.enter_removal(cx, thread);
        }
        cx.rules([rule::WAIT_01, rule::WAIT_07]);
        if cx.deviates(Deviation::RepeatedWaitChecksHandles) && self.waits_for_closed(cx, thread) {
            self.leave_wait(thread);
            return Some(NtStatus::INVALID_HANDLE);
        }
        let first = if cx.deviates(Deviation::ApcBeforeObject) {
            self.test_alertability(cx, thread)
        } else {
            None
        };
        let result = first
            .or_else(|| self.test_objects(cx, thread))
            .or_else(|| self.test_alertability(cx, thread))
            .or_else(|| self.test_due_time(cx, thread));
        match result {
            Some(_) => self.leave_wait(thread),
            None => self.block(cx, thread),
        }
        result
    }

    /// Whether every handle of an object that a thread waits for is closed.
    fn waits_for_closed<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> bool {
        let is_closed = |object: &ObjectId| self.open_handles(cx, *object).next().is_none();
        self.closed_handles.iter().any(|is_closed| *is_closed)
            && self.thread(thread).service != InService::Wrapper
            && self.wait_objects(thread).iter().any(is_closed)
    }

    /// WAIT-02: a wait that can be satisfied at entry is, whatever else is pending.
    fn test_objects<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        match self.thread(thread).wait.kind {
            WaitKind::Delay | WaitKind::Queue => None,
            WaitKind::All if self.all_signaled_for(thread) => Some(self.satisfy_all(cx, thread)),
            WaitKind::All => {
                if cx.deviates(Deviation::WaitAllPiecemeal) {
                    self.satisfy_piecemeal(cx, thread);
                }
                None
            }
            WaitKind::Any => {
                // WAIT-30: the lowest index that is signaled, and only that object changes.
                let objects = self.wait_objects(thread);
                let key = objects.iter().position(|o| self.object(*o).is_signaled_for(thread))?;
                cx.rules([rule::WAIT_02, rule::WAIT_30]);
                let object = objects[key];
                Some(with_index(self.satisfy(cx, object, thread), key as u8))
            }
        }
    }

    /// Takes all objects of a wait-all at once.
    ///
    /// WAIT-33, WAIT-34: `STATUS_WAIT_0`, or `STATUS_ABANDONED_WAIT_0` if one of them was an
    /// abandoned mutex; the result says no more than that.
    pub(crate) fn satisfy_all<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> NtStatus {
        cx.rules([rule::WAIT_32, rule::WAIT_33, rule::WAIT_34]);
        let mut result = NtStatus::WAIT_0;
        for index in 0..self.wait_objects.len(thread.index()) {
            let object = self.wait_objects(thread)[index];
            result = result.max(self.satisfy(cx, object, thread));
        }
        result
    }

    /// The mistake that [`Deviation::WaitAllPiecemeal`] names.
    fn satisfy_piecemeal<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        for index in (0..self.wait_objects.len(thread.index())).rev() {
            let object = self.wait_objects(thread)[index];
            if self.object(object).is_signaled_for(thread) {
                self.satisfy(cx, object, thread);
                self.wait_objects.remove(thread.index(), index);
            }
        }
    }

    /// Looks for an alert and then for user APCs (KiCheckAlertability).
    ///
    /// WAIT-03, WAIT-04: only an alertable wait does, and even one with no time to wait.
    pub(crate) fn test_alertability<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        if self.has_kernel_mode() {
            return self.test_alertability_in_mode(cx, thread);
        }
        let here = self.thread(thread);
        let everywhere = cx.deviates(Deviation::ApcAtPlainWait) && here.service == InService::None;
        if !here.wait.alertable && !everywhere {
            cx.rule(apc::APC_U_29);
            return None;
        }
        if here.alerted {
            cx.rules([rule::WAIT_03, apc::ALERT_03, apc::ALERT_04]);
            self.thread_mut(thread).alerted = false;
            return Some(NtStatus::ALERTED);
        }
        let ignored = cx.deviates(Deviation::ApcIgnoredAtEntry);
        if self.user_apcs.is_empty(thread.index()) || ignored {
            return None;
        }
        cx.rules([rule::WAIT_04, apc::APC_U_08, apc::APC_U_28]);
        self.thread_mut(thread).user_apc_pending = true;
        Some(NtStatus::USER_APC)
    }

    /// As [`Kernel::test_alertability`], for waits on behalf of either mode.
    ///
    /// WAIT-05, WAIT-06: a kernel-mode alert ranks last; on behalf of the user, a delivery that is
    /// decided ends even a wait that is not alertable (APC-U-26).
    fn test_alertability_in_mode<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        let here = *self.thread(thread);
        let for_kernel = self.waits_in_kernel_mode(thread);
        if !here.wait.alertable {
            if !for_kernel && here.user_apc_pending {
                cx.rules([rule::WAIT_06, rule::WAIT_18, apc::APC_U_26]);
                return Some(NtStatus::USER_APC);
            }
            cx.rule(apc::APC_U_29);
            return None;
        }
        if here.alerted && !for_kernel {
            cx.rules([rule::WAIT_03, apc::ALERT_03, apc::ALERT_04]);
            self.thread_mut(thread).alerted = false;
            return Some(NtStatus::ALERTED);
        }
        if for_kernel {
            cx.rule(apc::APC_U_27);
        } else if !self.is_attached(thread)
            && (!self.user_apcs.is_empty(thread.index()) || here.user_apc_pending)
        {
            cx.rules([rule::WAIT_04, apc::APC_U_08, apc::APC_U_28]);
            self.thread_mut(thread).user_apc_pending = true;
            return Some(NtStatus::USER_APC);
        }
        if self.km().thread(thread).alerted {
            cx.rules([rule::WAIT_05, apc::ALERT_03]);
            self.km_thread_mut(thread).alerted = false;
            return Some(NtStatus::ALERTED);
        }
        None
    }

    /// WAIT-07: the time-out is looked at last.
    fn test_due_time<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        (self.thread(thread).wait.remaining_ms == 0).then(|| {
            cx.rule(rule::WAIT_07);
            NtStatus::TIMEOUT
        })
    }

    /// Links a wait block at the tail of each object's list (WAIT-08, WAIT-24).
    fn block<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rule(rule::WAIT_08);
        if self.thread(thread).wait.remaining_ms == NEVER {
            cx.rule(rule::WAIT_91);
        }
        self.thread_mut(thread).state = ThreadState::Waiting;
        for key in 0..self.wait_objects.len(thread.index()) {
            let block = WaitBlock { thread, key: key as u8 };
            let list = self.wait_objects(thread)[key].index();
            if cx.deviates(Deviation::NewestWaiterFirst) {
                self.wait_blocks.insert(list, 0, block);
            } else if !self.wait_blocks.get(list).contains(&block) {
                self.wait_blocks.push(list, block);
            }
        }
        cx.event(Event::Thread { thread, change: ThreadChange::Waiting });
        self.give_up_activity(cx, thread);
    }

    /// Forgets a wait that is over.
    pub(crate) fn leave_wait(&mut self, thread: ThreadId) {
        self.unlink(thread);
        self.wait_objects.clear(thread.index());
        self.thread_mut(thread).wait = WaitRequest::NONE;
    }

    fn unlink(&mut self, thread: ThreadId) {
        if !self.wait_objects.is_empty(thread.index()) {
            for at in 0..self.wait_objects.len(thread.index()) {
                let object = self.wait_objects(thread)[at].index();
                self.wait_blocks.remove_from(object, |block| block.thread == thread);
            }
        } else if self.thread(thread).wait.kind == WaitKind::Queue {
            self.unlink_remover(thread);
        }
    }

    /// Ends a blocked wait (KiUnwaitThread).
    ///
    /// WAIT-12: whoever comes first decides the result; later causes find the thread no longer
    /// waiting. The thread returns when it next runs.
    pub(crate) fn end_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        status: NtStatus,
    ) {
        debug_assert_eq!(self.thread(thread).state, ThreadState::Waiting);
        cx.rule(rule::WAIT_12);
        self.wake(cx, thread, status);
    }

    /// A wait is over, whether the thread is blocked or about to make the tests again.
    pub(crate) fn wake<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        status: NtStatus,
    ) {
        self.leave_wait(thread);
        self.thread_mut(thread).state = ThreadState::Woken(status);
        cx.event(Event::Thread { thread, change: ThreadChange::Ready });
    }

    /// A kernel APC takes a blocked thread out of its wait; it will make the tests again.
    ///
    /// WAIT-20, WAIT-24: off all lists at once, and later at their tails.
    pub(crate) fn interrupt_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([rule::WAIT_20, rule::WAIT_24, rule::WAIT_25, apc::APC_I_11]);
        if self.has_kernel_mode() {
            cx.rule(rule::WAIT_28);
        }
        // Wine's client repeats a wait that a completion has interrupted: it loses its place.
        let keeps_place = cx.deviates(Deviation::InterruptedWaitKeepsPlace)
            && !(self.has_io() && self.has_io_apc(thread));
        if !keeps_place {
            self.unlink(thread);
        }
        if cx.deviates(Deviation::RestartForgetsTimeout) {
            self.thread_mut(thread).wait.remaining_ms = NEVER;
        }
        self.thread_mut(thread).state = ThreadState::Restarting;
        cx.event(Event::Thread { thread, change: ThreadChange::Ready });
    }

    /// Makes the tests of an interrupted wait again.
    ///
    /// WAIT-21, WAIT-22, WAIT-23: in the same order, with the deadline of the original call.
    pub(crate) fn restart_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        cx.rules([rule::WAIT_21, rule::WAIT_22, rule::WAIT_23, thr::THR_17]);
        self.enter_wait(cx, thread)
    }

    /// The due time of a blocked wait is processed (WAIT-15: anything else that falls due at
    /// the same instant may come before or after).
    pub(crate) fn time_out<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rules([rule::WAIT_09, rule::WAIT_15]);
        self.end_wait(cx, thread, NtStatus::TIMEOUT);
    }

    /// Breaks a wait off for good, because its thread ends (WAIT-18).
    pub(crate) fn abandon_wait(&mut self, thread: ThreadId) {
        self.leave_wait(thread);
    }
}

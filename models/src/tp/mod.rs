//! Thread pools: a queue of callbacks, threads that take them, timers, waits and files that add
//! to it.
//!
//! A pool's queue is a completion port and its threads wait there for packets, as those of
//! Windows do. Which of its threads are made and which end is the system's affair: a thread is
//! made when there is work and nobody waits for it; one that waits for work may be ended at any
//! moment ([`crate::machine::Transition::Retire`]).

use crate::event::{Event, Observer, ThreadChange};
use crate::ids::{DatumId, ObjectId, RoutineId, ThreadId};
use crate::io::port::{Packet, PacketValue};
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::thread::{InService, ThreadRole, ThreadState};
use crate::ke::wait::{WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::rule::threadpool as rule;
use alertable_traces::status::NtStatus;

/// A timer of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolTimer {
    /// The timer, as an object.
    pub timer: ObjectId,
    /// The pool's queue.
    pub port: ObjectId,
    /// The callback, as the key of its packets.
    pub key: DatumId,
}

/// A wait of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolWait {
    /// The thread of the system that waits.
    pub waiter: ThreadId,
    /// The pool's queue.
    pub port: ObjectId,
    /// The callback, as the key of its packets.
    pub key: DatumId,
    /// What the callback is told when the object satisfied the wait, and when it timed out.
    pub results: [DatumId; 2],
}

/// The callback that a packet of a pool's queue asks for.
pub(crate) fn callback_of(routine: RoutineId, packet: &Packet) -> Kapc {
    let none = DatumId(0);
    let (source, context) = match packet.value {
        PacketValue::Number(datum) => (ApcSource::Work, datum),
        PacketValue::Block(block) => (ApcSource::WorkIo(block), none),
        PacketValue::Timer(timer) => (ApcSource::WorkTimer(timer), none),
        PacketValue::Null => (ApcSource::Work, none),
    };
    Kapc { source, routine, context }
}

impl Kernel {
    /// Gives a pool a callback to run (TP-09).
    pub(crate) fn submit_work<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        port: ObjectId,
        key: DatumId,
        value: PacketValue,
        context: Option<ThreadId>,
    ) {
        cx.rules([rule::TP_09, rule::TP_25]);
        let packet = Packet { key, value, status: NtStatus::SUCCESS, information: 0, irp: None };
        self.queue_packet(cx, port, packet, context);
    }

    /// A packet waits at a port: if that is a pool's, another of its threads is made.
    pub(crate) fn create_worker<O: Observer>(&mut self, cx: &mut Context<'_, O>, port: ObjectId) {
        let is_new = |thread: &ThreadId| {
            self.role(*thread) == ThreadRole::Worker(port)
                && self.thread(*thread).state == ThreadState::NotCreated
        };
        let Some(thread) = self.thread_ids().find(is_new) else { return };
        cx.rule(rule::TP_25);
        self.thread_mut(thread).state = ThreadState::User;
        self.thread_mut(thread).apc_queueable = true;
        cx.event(Event::Thread { thread, change: ThreadChange::Created });
    }

    /// Whether a thread of a pool waits for work.
    pub fn is_idle_worker(&self, thread: ThreadId) -> bool {
        let waits_at = match self.role(thread) {
            ThreadRole::Worker(port) => Some(port),
            ThreadRole::Program | ThreadRole::PoolWaiter | ThreadRole::System | ThreadRole::Dpc => {
                return false;
            }
        };
        let record = self.thread(thread);
        record.state == ThreadState::Waiting
            && matches!(record.service, InService::Removal { .. })
            && record.queue == waits_at
    }

    /// Whether the system may end a thread of a pool now, and somebody could tell: it waits for
    /// work, another one can be made instead, and something would be lost (TP-01).
    pub(crate) fn can_retire(&self, thread: ThreadId) -> bool {
        let role = self.role(thread);
        let loses = || {
            !self.user_apcs(thread).is_empty()
                || !self.owned_mutants(thread).is_empty()
                || !self.io().thread_irps(thread).is_empty()
        };
        let successor = |other: &ThreadId| {
            self.role(*other) == role && self.thread(*other).state == ThreadState::NotCreated
        };
        self.is_idle_worker(thread) && self.thread_ids().any(|other| successor(&other)) && loses()
    }

    /// Sets a pool's timer, or stops it.
    ///
    /// TP-13: what is queued already stays queued.
    pub(crate) fn set_pool_timer<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        timer: ObjectId,
        due_ms: Option<u32>,
        period_ms: i32,
    ) -> Result<(), NtStatus> {
        cx.rules([rule::TP_05, rule::TP_13]);
        let Some(due_ms) = due_ms else {
            self.cancel_timer(cx, timer);
            return Ok(());
        };
        self.set_timer(cx, timer, due_ms, period_ms, None)
    }

    /// A timer has expired: if it is a pool's, its callback is queued (TP-12).
    pub(crate) fn queue_timer_callback<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        timer: ObjectId,
    ) {
        let Some(pool) = cx.io.pool_timers.iter().find(|pool| pool.timer == timer) else { return };
        cx.rule(rule::TP_12);
        self.submit_work(cx, pool.port, pool.key, PacketValue::Timer(timer), None);
    }

    /// Makes a pool wait for an object, once (TP-17, TP-20); for none, it stops waiting (TP-21).
    pub(crate) fn set_pool_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        wait: PoolWait,
        object: Option<ObjectId>,
        timeout_ms: u32,
    ) {
        cx.rules([rule::TP_05, rule::TP_17, rule::TP_21]);
        let waiter = wait.waiter;
        if self.thread(waiter).state == ThreadState::Waiting {
            self.abandon_wait(waiter);
        }
        self.thread_mut(waiter).state = ThreadState::NotCreated;
        let Some(object) = object else { return };
        let request =
            WaitRequest { kind: WaitKind::Any, alertable: false, remaining_ms: timeout_ms };
        if let Some(status) = self.begin_wait(cx, waiter, std::iter::once(object), request) {
            self.thread_mut(waiter).state = ThreadState::Woken(status);
        }
    }

    /// A pool's wait is over: the object's signal is consumed (TP-19) and the callback queued.
    pub(crate) fn pool_wait_over<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        waiter: ThreadId,
        status: NtStatus,
    ) {
        let Some(wait) = cx.io.pool_waits.iter().find(|wait| wait.waiter == waiter) else { return };
        cx.rules([rule::TP_17, rule::TP_19, rule::TP_20]);
        self.thread_mut(waiter).state = ThreadState::NotCreated;
        let result = wait.results[usize::from(status == NtStatus::TIMEOUT)];
        self.submit_work(cx, wait.port, wait.key, PacketValue::Number(result), None);
    }
}

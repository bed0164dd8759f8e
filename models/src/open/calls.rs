//! What threads do to objects in an open world, beside waiting.

use super::{Effects, Full, OpenWorld};
use crate::deviation::Deviation;
use crate::event::{Event, Observer, ThreadChange};
use crate::ids::{DatumId, ObjectId, RoutineId, ThreadId};
use crate::io::Io;
use crate::io::port::{Kqueue, Packet, PacketValue};
use crate::io::setup::PortSetup;
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::thread::ExitPhase;
use crate::ke::timer::TimerApc;
use crate::ke::wait::{WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::lists::Lists;
use crate::parts::Part;
use crate::rule::timer as rule;
use alertable_traces::status::NtStatus;

/// What a user APC runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserApc {
    /// Its routine.
    pub routine: u64,
    /// What the routine is given, as far as it is known.
    pub arguments: Vec<u64>,
}

/// What a completion packet tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketContent {
    /// Its key.
    pub key: u64,
    /// Its value.
    pub value: u64,
    /// Its status; none if the system did not say which.
    pub status: Option<NtStatus>,
    /// Bytes transferred.
    pub information: u64,
}

impl OpenWorld {
    fn is_event(&self, object: ObjectId) -> bool {
        matches!(self.kernel.object(object), DispatcherObject::Event(_))
    }

    fn is_timer(&self, object: ObjectId) -> bool {
        matches!(self.kernel.object(object), DispatcherObject::Timer(_))
    }

    /// KeSetEvent. As in all calls here, nothing happens to an object of another type.
    pub fn set_event(&mut self, event: ObjectId) -> Effects {
        if !self.is_event(event) {
            return Effects::default();
        }
        self.apply(|kernel, cx| kernel.set_event(cx, event)).1
    }

    /// KeResetEvent.
    pub fn reset_event(&mut self, event: ObjectId) -> Effects {
        if !self.is_event(event) {
            return Effects::default();
        }
        self.apply(|kernel, cx| kernel.reset_event(cx, event)).1
    }

    /// KePulseEvent.
    pub fn pulse_event(&mut self, event: ObjectId) -> Effects {
        if !self.is_event(event) {
            return Effects::default();
        }
        self.apply(|kernel, cx| kernel.pulse_event(cx, event)).1
    }

    /// KeReleaseMutant.
    ///
    /// # Errors
    /// The status of a release that changes nothing.
    pub fn release_mutant(
        &mut self,
        mutant: ObjectId,
        thread: ThreadId,
    ) -> (Result<(), NtStatus>, Effects) {
        if !matches!(self.kernel.object(mutant), DispatcherObject::Mutant(_)) {
            return (Err(NtStatus::OBJECT_TYPE_MISMATCH), Effects::default());
        }
        self.apply(|kernel, cx| kernel.release_mutant(cx, mutant, thread))
    }

    /// KeReleaseSemaphore: the count before.
    ///
    /// # Errors
    /// The status of a release that changes nothing.
    pub fn release_semaphore(
        &mut self,
        semaphore: ObjectId,
        count: i32,
    ) -> (Result<u32, NtStatus>, Effects) {
        if !matches!(self.kernel.object(semaphore), DispatcherObject::Semaphore(_)) {
            return (Err(NtStatus::OBJECT_TYPE_MISMATCH), Effects::default());
        }
        self.apply(|kernel, cx| kernel.release_semaphore(cx, semaphore, count))
    }

    /// A number that stands for an APC or packet in the kernel while it is queued.
    fn number(&mut self) -> Result<u16, Full> {
        let is_free =
            |number: &u16| !self.apcs.contains_key(number) && !self.packets.contains_key(number);
        // The last number stands for the APCs of timers.
        let from = self.next_number;
        let free = (from..u16::MAX).chain(0..from).find(is_free).ok_or(Full)?;
        self.next_number = (free + 1) % u16::MAX;
        Ok(free)
    }

    /// Queues a user APC.
    ///
    /// # Errors
    /// [`Full`]; within, the status of an APC that cannot be queued.
    pub fn queue_apc(
        &mut self,
        thread: ThreadId,
        apc: UserApc,
    ) -> Result<(Result<(), NtStatus>, Effects), Full> {
        let number = self.number()?;
        let (routine, context) = (RoutineId(number), DatumId(0));
        let kapc = Kapc { source: ApcSource::Queued, routine, context };
        let (queued, effects) = self.apply(|kernel, cx| kernel.insert_user_apc(cx, thread, kapc));
        if queued.is_ok() {
            self.apcs.insert(number, apc);
        }
        Ok((queued, effects))
    }

    /// The user APCs of a thread, next one first.
    pub fn user_apcs(&self, thread: ThreadId) -> Vec<&UserApc> {
        self.kernel.user_apcs(thread).iter().filter_map(|kapc| self.content(*kapc)).collect()
    }

    fn content(&self, kapc: Kapc) -> Option<&UserApc> {
        match kapc.source {
            ApcSource::Timer(timer) => self.timer_apcs.get(&timer),
            _ => self.apcs.get(&kapc.routine.0),
        }
    }

    /// Takes the next user APC off a thread's queue, to run it.
    pub fn take_apc(&mut self, thread: ThreadId) -> Option<UserApc> {
        if self.kernel.user_apcs(thread).is_empty() {
            return None;
        }
        let (kapc, _) = self.apply(|kernel, cx| kernel.take_user_apc(cx, thread, false));
        match kapc.source {
            ApcSource::Timer(timer) => self.timer_apcs.get(&timer).cloned(),
            _ => self.apcs.remove(&kapc.routine.0),
        }
    }

    /// Sets a timer, whose due time is to come.
    pub fn set_timer(
        &mut self,
        timer: ObjectId,
        thread: ThreadId,
        period_ms: u32,
        apc: Option<UserApc>,
    ) -> (Result<(), NtStatus>, Effects) {
        if !self.is_timer(timer) {
            return (Err(NtStatus::OBJECT_TYPE_MISMATCH), Effects::default());
        }
        let (routine, context) = (RoutineId(u16::MAX), DatumId(0));
        let timer_apc = apc.as_ref().map(|_| TimerApc { thread, routine, context });
        let period_ms = period_ms.cast_signed();
        let done = self.apply(|kernel, cx| kernel.set_timer(cx, timer, 1, period_ms, timer_apc));
        match apc {
            Some(apc) => self.timer_apcs.insert(timer, apc),
            None => self.timer_apcs.remove(&timer),
        };
        done
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, timer: ObjectId) -> Effects {
        if !self.is_timer(timer) {
            return Effects::default();
        }
        self.apply(|kernel, cx| kernel.cancel_timer(cx, timer)).1
    }

    /// A timer's due time is over.
    pub fn expire_timer(&mut self, timer: ObjectId) -> Effects {
        if !self.is_timer(timer) {
            return Effects::default();
        }
        self.expired_unseen.remove(&timer);
        let queues_first = self.queues_timer_apc_first;
        self.apply(|kernel, cx| {
            if queues_first {
                wake_for_timer_apc(kernel, cx, timer);
            }
            kernel.expire_timer(cx, timer);
        })
        .1
    }

    /// A timer's due time turns out to have been over at some moment before.
    pub fn expire_timer_before(&mut self, timer: ObjectId) -> Effects {
        let effects = self.expire_timer(timer);
        self.expired_unseen.insert(timer);
        effects
    }

    /// The timers that are to expire and carry an APC for a thread that is not in its queue.
    pub fn apc_timers(&self, thread: ThreadId) -> Vec<(ObjectId, &UserApc)> {
        let due = |timer: &ObjectId| {
            let is_active = match self.kernel.object(*timer) {
                DispatcherObject::Timer(timer) => timer.is_active(),
                _ => false,
            };
            is_active
                && self.kernel.is_apc_timer_of(*timer, thread)
                && !self.kernel.is_timer_apc_queued(thread, *timer)
        };
        self.timer_apcs.iter().filter(|(timer, _)| due(timer)).map(|(id, apc)| (*id, apc)).collect()
    }

    /// A timer's APC of this content may have been queued earlier than what is queued before it,
    /// because nobody saw when the timer expired: it goes to the front. Whether there is one.
    pub fn hasten_timer_apc(&mut self, thread: ThreadId, fits: impl Fn(&UserApc) -> bool) -> bool {
        let queued = self.kernel.user_apcs(thread);
        let may_be_earlier = |kapc: &Kapc| match kapc.source {
            ApcSource::Timer(timer) => {
                self.expired_unseen.contains(&timer)
                    && self.timer_apcs.get(&timer).is_some_and(&fits)
            }
            _ => false,
        };
        let Some(position) = queued.iter().position(may_be_earlier) else { return false };
        let kapc = self.kernel.user_apcs.remove(thread.index(), position);
        self.kernel.user_apcs.insert(thread.index(), 0, kapc);
        true
    }

    /// Suspends a thread: the count before.
    ///
    /// # Errors
    /// The status of a suspension that changes nothing.
    pub fn suspend(
        &mut self,
        caller: ThreadId,
        target: ThreadId,
    ) -> (Result<u8, NtStatus>, Effects) {
        self.apply(|kernel, cx| {
            let previous = kernel.suspend_thread(cx, caller, target)?;
            // It has no step of its own here in which it would stop.
            if !kernel.thread(target).stopped {
                kernel.stop(cx, target);
            }
            Ok(previous)
        })
    }

    /// Resumes a thread: the count before. One that was stopped inside a wait makes its tests
    /// again. Also whether it had said where it was stopped, and so goes on from there first.
    pub fn resume(&mut self, target: ThreadId) -> (u8, bool, Effects) {
        let (previous, effects) = self.apply(|kernel, cx| {
            let previous = kernel.resume_thread(cx, target);
            if !kernel.thread(target).stopped {
                cx.event(Event::Thread { thread: target, change: ThreadChange::Ready });
            }
            previous
        });
        let goes_on = !self.kernel.thread(target).stopped && self.is_reported_stopped(target);
        if goes_on {
            self.reported_stopped.retain(|thread| *thread != target);
        }
        (previous, goes_on, effects)
    }

    /// A thread ends, with everything that comes of it.
    pub fn end_thread(&mut self, thread: ThreadId) -> Effects {
        let queued: Vec<u16> =
            self.kernel.user_apcs(thread).iter().map(|kapc| kapc.routine.0).collect();
        let effects = self.apply(|kernel, cx| end(kernel, cx, thread)).1;
        for number in queued {
            self.apcs.remove(&number);
        }
        self.reported_stopped.retain(|reported| *reported != thread);
        effects
    }

    pub(super) fn set_port_room(&mut self, room: usize) {
        let object = ObjectId(0);
        self.setup.ports.resize(room, PortSetup { object, concurrency: 0 });
    }

    /// A completion port.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_port(&mut self, concurrency: u32) -> Result<ObjectId, Full> {
        if self.ports.is_full() {
            self.grow_ports();
        }
        let slot = self.ports.take().ok_or(Full)?;
        let port = DispatcherObject::Port(Kqueue { slot: slot as u16, signaled: false });
        let object = self.add_object(port)?;
        self.setup.ports[slot] = PortSetup { object, concurrency };
        Ok(object)
    }

    fn grow_ports(&mut self) {
        let old = self.ports.room();
        self.set_port_room(old * 2);
        let mut io = Io::new(&self.setup, super::THREAD_COUNT_MAX);
        let mut packets = Lists::new(Part::Packets, old * 2);
        for slot in 0..old {
            self.kernel.io().packets(slot).iter().for_each(|packet| packets.push(slot, *packet));
        }
        io.packets = packets;
        self.kernel.io = Some(Box::new(io));
        self.ports.grow(old * 2);
    }

    pub(super) fn port_slot(&self, object: ObjectId) -> Option<usize> {
        match self.kernel.object(object) {
            DispatcherObject::Port(port) => Some(usize::from(port.slot)),
            _ => None,
        }
    }

    pub(super) fn discard_packets(&mut self, slot: usize) {
        while !self.kernel.io().packets(slot).is_empty() {
            let packet = self.kernel.io_mut().packets.remove(slot, 0);
            self.packets.remove(&packet.key.0);
        }
    }

    /// The packets at a port, next one first.
    pub fn packets(&self, port: ObjectId) -> Vec<&PacketContent> {
        let Some(slot) = self.port_slot(port) else { return Vec::new() };
        let queued = self.kernel.io().packets(slot).iter();
        queued.filter_map(|packet| self.packets.get(&packet.key.0)).collect()
    }

    /// Queues a packet.
    ///
    /// # Errors
    /// [`Full`].
    pub fn post(&mut self, port: ObjectId, content: PacketContent) -> Result<Effects, Full> {
        if self.port_slot(port).is_none() {
            return Ok(Effects::default());
        }
        let number = self.number()?;
        self.packets.insert(number, content);
        let packet = Packet {
            key: DatumId(number),
            value: PacketValue::Null,
            status: NtStatus::SUCCESS,
            information: 0,
            irp: None,
        };
        Ok(self.apply(|kernel, cx| kernel.queue_packet(cx, port, packet, None)).1)
    }

    /// A thread takes the next packet, if there is one; it does not wait.
    pub fn take_packet(
        &mut self,
        port: ObjectId,
        thread: ThreadId,
    ) -> (Option<PacketContent>, Effects) {
        if self.port_slot(port).is_none() {
            return (None, Effects::default());
        }
        let wait = WaitRequest { kind: WaitKind::Queue, alertable: false, remaining_ms: 0 };
        let (packet, effects) = self.apply(|kernel, cx| {
            let _ = kernel.remove_packets(cx, thread, port, 1, wait);
            // It does not stay associated: threads wait for the port as for any object.
            kernel.thread_mut(thread).queue = None;
            kernel.take_received(thread, 1).pop()
        });
        (packet.and_then(|packet| self.packets.remove(&packet.key.0)), effects)
    }
}

/// Takes a thread through its whole exit sequence.
fn end<O: Observer>(kernel: &mut Kernel, cx: &mut Context<'_, O>, thread: ThreadId) {
    use crate::ke::thread::ThreadState::Exiting;
    kernel.begin_exit(cx, thread, 0);
    while let Exiting(phase) = kernel.thread(thread).state {
        // Requests are followed outside the kernel, so that there are none to wait for.
        let phase = if phase == ExitPhase::AwaitIrps { ExitPhase::CancelTimers } else { phase };
        kernel.exit_step(cx, thread, phase);
    }
}

/// TIMER-14, TIMER-17. **Divergence.** Wine's server queues the APC of an expired timer before it
/// signals it, so that a thread that waits alertably for its own timer leaves the wait for the
/// APC. Its next look finds the object signaled, and so a program sees no difference
/// ([`Deviation::ApcWakesLate`]).
fn wake_for_timer_apc<O: Observer>(kernel: &mut Kernel, cx: &mut Context<'_, O>, timer: ObjectId) {
    let DispatcherObject::Timer(record) = *kernel.object(timer) else { return };
    let is_silent = record.signaled
        && record.kind == ResetKind::Manual
        && cx.deviates(Deviation::TimerManualApcOnce);
    let Some(apc) = record.apc.filter(|_| !is_silent) else { return };
    if kernel.thread(apc.thread).waits_alertably() {
        cx.rules([rule::TIMER_14, rule::TIMER_17]);
        kernel.thread_mut(apc.thread).user_apc_pending = true;
        kernel.end_wait(cx, apc.thread, NtStatus::USER_APC);
    }
}

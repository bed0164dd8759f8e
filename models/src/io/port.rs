//! Completion ports: a queue of packets, a stack of waiting threads, and a limit on how many of
//! the port's threads are active (KQUEUE).
//!
//! A thread belongs to the port of its latest removal call ([`Kthread::queue`]). It is active
//! there while it is not blocked, so that the number of active threads need not be kept.
//!
//! [`Kthread::queue`]: crate::ke::thread::Kthread::queue

use crate::deviation::Deviation;
use crate::event::{Event, IrpChange, ObjectChange, Observer, PacketChange, ThreadChange};
use crate::ids::{BlockId, DatumId, IrpId, ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::{InService, Kthread, ThreadRole, ThreadState};
use crate::ke::wait::{NEVER, WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{cancel as can, exit, io, iocp as rule, irp};
use crate::service::{ServiceOutcome, ServiceReturn};
use alertable_traces::status::NtStatus;

/// What a packet tells beside its result (ApcContext).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PacketValue {
    /// NULL.
    Null,
    /// The address of a status block or OVERLAPPED.
    Block(BlockId),
    /// A number.
    Number(DatumId),
    /// The timer of a pool whose callback it is.
    Timer(ObjectId),
}

/// A completion packet (IOCP-09).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Packet {
    /// The key of the file, or what was posted.
    pub key: DatumId,
    /// The OVERLAPPED of the request, or what was posted.
    pub value: PacketValue,
    /// The status of the request, or what was posted.
    pub status: NtStatus,
    /// Bytes transferred, or what was posted.
    pub information: u32,
    /// The request packet that it is, until it is removed (IRP-55).
    pub irp: Option<IrpId>,
}

impl Packet {
    /// Its key and its value.
    pub(crate) fn word(&self) -> u64 {
        let value = match self.value {
            PacketValue::Null => 0,
            PacketValue::Block(block) => 1 | u64::from(block.0) << 2,
            PacketValue::Number(datum) => 2 | u64::from(datum.0) << 2,
            PacketValue::Timer(timer) => 3 | u64::from(timer.0) << 2,
        };
        let irp = self.irp.map_or(0, |irp| u64::from(irp.0) + 1);
        u64::from(self.key.0) | value << 16 | irp << 40
    }
}

impl Entry for Packet {
    fn digest(&self, key: Key) -> u64 {
        key.hash_pair(self.word(), u64::from(self.status.0) << 32 | u64::from(self.information))
    }
}

/// A completion port as an object that can be waited for (IOCP-39).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kqueue {
    /// Its number among the ports.
    pub slot: u16,
    /// Packets are queued at it, or its last handle was closed.
    pub signaled: bool,
}

impl Kernel {
    fn port_slot(&self, port: ObjectId) -> usize {
        match self.object(port) {
            DispatcherObject::Port(port) => usize::from(port.slot),
            other => unreachable!("handles of ports are checked for their type: {other:?}"),
        }
    }

    fn set_port_signal(&mut self, port: ObjectId, signaled: bool) {
        if let DispatcherObject::Port(port) = self.object_mut(port) {
            port.signaled = signaled;
        }
    }

    /// Whether the last handle of a port is closed.
    pub(crate) fn is_port_closed<O>(&self, cx: &Context<'_, O>, port: ObjectId) -> bool {
        self.open_handles(cx, port).next().is_none()
    }

    /// Whether another of a port's threads may be active (IOCP-28). Where threads fetch their
    /// packets themselves nobody counts the active ones.
    fn has_room<O>(&self, cx: &Context<'_, O>, port: ObjectId) -> bool {
        let limit = self.concurrency(cx, port);
        self.active_threads(port) < limit
            || cx.deviates(Deviation::NoPortConcurrency)
            || cx.deviates(Deviation::RemoversFetchPackets)
    }

    /// How many of a port's threads may be active; IOCP-01: 0 stands for the processors.
    pub(crate) fn concurrency<O>(&self, cx: &Context<'_, O>, port: ObjectId) -> usize {
        match cx.io.ports[self.port_slot(port)].concurrency {
            0 => usize::from(cx.processors),
            limit => limit as usize,
        }
    }

    /// How many of a port's threads are not blocked.
    pub fn active_threads(&self, port: ObjectId) -> usize {
        self.io().activity_looked_at.mark(self.port_slot(port));
        let is_active = |thread: &&Kthread| thread.active_port() == Some(port);
        self.threads.peek_all().filter(is_active).count()
    }

    /// Tells for each thread that is active at a port the number of that port.
    pub(crate) fn for_each_active(&self, mut on_active: impl FnMut(usize)) {
        for port in self.threads.peek_all().filter_map(Kthread::active_port) {
            if let DispatcherObject::Port(port) = self.objects.peek(port.index()) {
                on_active(usize::from(port.slot));
            }
        }
    }

    /// Queues a packet, or hands it to the newest waiter.
    ///
    /// IOCP-25: directly, if the limit allows; then it never is in the queue. IOCP-32: not while
    /// a thread that waits on this very port is out of its wait and posts it.
    pub(crate) fn queue_packet<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        port: ObjectId,
        packet: Packet,
        context: Option<ThreadId>,
    ) {
        cx.rules([rule::IOCP_09, rule::IOCP_10, rule::IOCP_12, rule::IOCP_36, rule::IOCP_53]);
        if cx.deviates(Deviation::PacketLost) {
            return;
        }
        let slot = self.port_slot(port);
        let is_own_waiter = context.is_some_and(|thread| {
            let here = self.thread(thread);
            here.queue == Some(port) && matches!(here.service, InService::Removal { .. })
        });
        cx.event(Event::Packet { port, packet, change: PacketChange::Queued });
        if !is_own_waiter
            && let Some(at) = self.next_remover(cx, slot)
            && self.has_room(cx, port)
        {
            cx.rules([rule::IOCP_25, rule::IOCP_26, rule::IOCP_41]);
            return self.hand_packet(cx, port, at, packet);
        }
        if is_own_waiter {
            cx.rule(rule::IOCP_32);
        }
        self.io_mut().packets.push(slot, packet);
        if cx.deviates(Deviation::PacketDoubled) {
            self.io_mut().packets.push(slot, packet);
        }
        self.set_port_signal(port, true);
        cx.event(Event::Object { object: port, change: ObjectChange::Signaled });
        cx.rules([rule::IOCP_39, rule::IOCP_40]);
        self.wait_test(cx, port);
        self.create_worker(cx, port);
    }

    /// The place of the thread that gets the next packet: IOCP-26, the one that came last. One
    /// that is out of its wait for a kernel APC gets none, though some systems keep its place.
    fn next_remover<O>(&self, cx: &Context<'_, O>, slot: usize) -> Option<usize> {
        let removers = self.io().removers.get(slot);
        let waits = |thread: &ThreadId| self.thread(*thread).state == ThreadState::Waiting;
        if cx.deviates(Deviation::OldestRemoverFirst) {
            removers.iter().position(waits)
        } else {
            removers.iter().rposition(waits)
        }
    }

    fn hand_packet<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        port: ObjectId,
        at: usize,
        packet: Packet,
    ) {
        let slot = self.port_slot(port);
        let thread = self.io_mut().removers.remove(slot, at);
        self.receive(cx, thread, port, packet);
        self.end_wait(cx, thread, NtStatus::SUCCESS);
    }

    /// A thread takes a packet; IOCP-24: what is left of its request's second stage is done now.
    fn receive<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        port: ObjectId,
        packet: Packet,
    ) {
        cx.event(Event::Packet { port, packet, change: PacketChange::Dequeued(thread) });
        self.io_mut().received.push(thread.index(), Packet { irp: None, ..packet });
        if let Some(irp) = packet.irp.filter(|irp| self.has_irp(*irp)) {
            if self.irp(irp).agnostic && self.is_on_file_list(cx, irp) {
                cx.rules([rule::IOCP_24, irp::IRP_42, can::CAN_33]);
                self.write_block(cx, irp.block(), packet.status, packet.information);
                self.unlink_irp(cx, irp);
                self.irp_event(cx, irp, IrpChange::Finished { notified: true });
            }
            cx.rule(irp::IRP_55);
            self.free_irp(cx, irp);
        }
    }

    /// A thread wants packets (NtRemoveIoCompletion and its extended form).
    ///
    /// IOCP-27: from here on it belongs to this port. IOCP-28, IOCP-34: it gives up its own
    /// activity first, and so takes a packet again before older waiters.
    pub(crate) fn remove_packets<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        port: ObjectId,
        max: u16,
        wait: WaitRequest,
    ) -> ServiceOutcome {
        let was_associated = self.thread(thread).queue == Some(port);
        let apc_first = !was_associated && !cx.deviates(Deviation::PacketBeforeApc);
        if wait.alertable
            && apc_first
            && let Some(status) = self.test_port_alertability(cx, thread)
        {
            cx.rule(rule::IOCP_22);
            return self.after_wait_entry(thread, Some(status));
        }
        cx.rules([rule::IOCP_01, rule::IOCP_27]);
        let is_worker = self.thread(thread).role == ThreadRole::Worker(port);
        let is_idly_alertable = is_worker && cx.deviates(Deviation::IdleWorkersAreAlertable);
        let wait = WaitRequest { alertable: wait.alertable || is_idly_alertable, ..wait };
        let base = self.io().received(thread).len() as u16;
        // Only who finds no packet where he was told of one waits again.
        let (alertable, timeout_ms) = if cx.deviates(Deviation::RemoversFetchPackets) {
            (wait.alertable, wait.remaining_ms)
        } else {
            (false, NEVER)
        };
        self.thread_mut(thread).service = InService::Removal { max, base, alertable, timeout_ms };
        self.thread_mut(thread).wait = wait;
        if let Some(other) = self.thread(thread).queue
            && !was_associated
        {
            cx.rule(rule::IOCP_35);
            self.thread_mut(thread).queue = Some(port);
            self.activate_waiters(cx, other);
        }
        self.thread_mut(thread).queue = Some(port);
        match self.enter_removal(cx, thread) {
            None => ServiceOutcome::InWait,
            Some(status) => self.removal_over(cx, thread, status),
        }
    }

    /// An alert or a user APC, as any alertable wait looks for them.
    fn test_port_alertability<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        self.thread_mut(thread).wait.alertable = true;
        let status = self.test_alertability(cx, thread);
        self.thread_mut(thread).wait = WaitRequest::NONE;
        status
    }

    /// The tests of a removal: packets, alertability, time; then it waits.
    pub(crate) fn enter_removal<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Option<NtStatus> {
        let here = *self.thread(thread);
        let (Some(port), InService::Removal { max, .. }) = (here.queue, here.service) else {
            unreachable!("a thread that removes packets belongs to a port")
        };
        let slot = self.port_slot(port);
        if self.is_port_closed(cx, port) && !cx.deviates(Deviation::ClosedPortKeepsWaiters) {
            self.leave_wait(thread);
            return Some(NtStatus::ABANDONED_WAIT_0);
        }
        if self.take_packets(cx, thread, port, max) {
            cx.rules([rule::IOCP_19, rule::IOCP_34]);
            self.leave_wait(thread);
            return Some(NtStatus::SUCCESS);
        }
        if here.wait.alertable || cx.deviates(Deviation::PortWaitRunsApcs) {
            self.thread_mut(thread).wait.alertable = true;
            if let Some(status) = self.test_alertability(cx, thread) {
                self.leave_wait(thread);
                return Some(status);
            }
        } else {
            cx.rules([rule::IOCP_23, io::IO_42]);
        }
        if here.wait.remaining_ms == 0 {
            cx.rules([rule::IOCP_14, rule::IOCP_18]);
            self.leave_wait(thread);
            return Some(NtStatus::TIMEOUT);
        }
        cx.rules([rule::IOCP_26, rule::IOCP_38]);
        if cx.deviates(Deviation::RemoversFetchPackets) {
            let WaitRequest { alertable, remaining_ms, .. } = here.wait;
            let wait = WaitRequest { kind: WaitKind::Any, alertable, remaining_ms };
            return self.begin_wait(cx, thread, std::iter::once(port), wait);
        }
        self.thread_mut(thread).state = ThreadState::Waiting;
        if !self.io().removers.get(slot).contains(&thread) {
            self.io_mut().removers.push(slot, thread);
        }
        cx.event(Event::Thread { thread, change: ThreadChange::Waiting });
        None
    }

    /// Takes up to `max` packets, if the port's limit allows any (IOCP-19, IOCP-28). The thread
    /// itself does not count.
    fn take_packets<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        port: ObjectId,
        max: u16,
    ) -> bool {
        let slot = self.port_slot(port);
        if self.io().packets.is_empty(slot) {
            return false;
        }
        // It gives up its own activity while it asks.
        let queue = self.thread_mut(thread).queue.take();
        let has_room = self.has_room(cx, port) || cx.deviates(Deviation::PortIgnoresLimit);
        self.thread_mut(thread).queue = queue;
        if !has_room {
            cx.rule(rule::IOCP_28);
            return false;
        }
        for _ in 0..max {
            if self.io().packets.is_empty(slot) {
                break;
            }
            let packet = self.io_mut().packets.remove(slot, 0);
            self.receive(cx, thread, port, packet);
        }
        if self.io().packets.is_empty(slot) {
            self.set_port_signal(port, false);
            cx.event(Event::Object { object: port, change: ObjectChange::Reset });
        }
        true
    }

    /// A removal call is over.
    pub(crate) fn removal_over<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        status: NtStatus,
    ) -> ServiceOutcome {
        let here = *self.thread(thread);
        self.thread_mut(thread).service = InService::None;
        if status == NtStatus::USER_APC {
            cx.rules([rule::IOCP_20, rule::IOCP_21]);
            return self.after_wait_entry(thread, Some(status));
        }
        if status != NtStatus::SUCCESS {
            cx.rules([rule::IOCP_14, rule::IOCP_20, rule::IOCP_33]);
            return ServiceOutcome::Returned(status.into());
        }
        let InService::Removal { max, base, alertable, timeout_ms } = here.service else {
            unreachable!("only removals end so")
        };
        let count = |kernel: &Self| kernel.io().received(thread).len() - usize::from(base);
        if let Some(port) = here.queue
            && count(self) < usize::from(max)
        {
            // The batch of a thread that had to wait begins with the packet it was handed.
            self.take_packets(cx, thread, port, max - count(self) as u16);
            if count(self) == 0 && cx.deviates(Deviation::RemoversFetchPackets) {
                // Another thread was faster.
                self.thread_mut(thread).service = here.service;
                self.thread_mut(thread).wait =
                    WaitRequest { kind: WaitKind::Queue, alertable, remaining_ms: timeout_ms };
                return match self.enter_removal(cx, thread) {
                    None => ServiceOutcome::InWait,
                    Some(status) => self.removal_over(cx, thread, status),
                };
            }
        }
        cx.rules([rule::IOCP_14, rule::IOCP_15]);
        for packet in &self.io().received(thread)[usize::from(base)..] {
            if packet.status.is_warning() {
                cx.rule(rule::IOCP_16);
            }
            if packet.value == PacketValue::Null && !packet.status.is_success() {
                cx.rule(rule::IOCP_17);
            }
        }
        ServiceOutcome::Returned(ServiceReturn { status, value: count(self) as u32 })
    }

    /// The packets that a removal call returns with: the latest that its thread has received.
    pub(crate) fn take_received(&mut self, thread: ThreadId, count: usize) -> Vec<Packet> {
        let received = &mut self.io_mut().received;
        let mut packets: Vec<Packet> =
            (0..count).filter_map(|_| received.pop(thread.index())).collect();
        packets.reverse();
        packets
    }

    /// Hands packets to waiters as long as the limit allows: some thread of the port has given
    /// up its activity (IOCP-29, IOCP-30).
    pub(crate) fn activate_waiters<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        port: ObjectId,
    ) {
        let slot = self.port_slot(port);
        while !self.io().packets.is_empty(slot)
            && let Some(at) = self.next_remover(cx, slot)
            && self.has_room(cx, port)
        {
            cx.rules([rule::IOCP_29, rule::IOCP_30]);
            let packet = self.io_mut().packets.remove(slot, 0);
            if self.io().packets.is_empty(slot) {
                self.set_port_signal(port, false);
                cx.event(Event::Object { object: port, change: ObjectChange::Reset });
            }
            self.hand_packet(cx, port, at, packet);
        }
    }

    /// A thread blocks or stops: its port can let another one run.
    pub(crate) fn give_up_activity<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        if let Some(port) = self.thread(thread).queue {
            self.activate_waiters(cx, port);
        }
    }

    /// A thread ends: it leaves its port (EXIT-15).
    pub(crate) fn leave_port<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        if let Some(port) = self.thread_mut(thread).queue.take() {
            cx.rules([exit::EXIT_15, exit::EXIT_17]);
            self.activate_waiters(cx, port);
        }
    }

    /// Takes a thread out of the list of those that wait for packets.
    pub(crate) fn unlink_remover(&mut self, thread: ThreadId) {
        if let Some(port) = self.thread(thread).queue {
            let slot = self.port_slot(port);
            self.io_mut().removers.remove_from(slot, |waiter| *waiter == thread);
        }
    }

    /// The last handle of a port is closed (IOCP-42 to IOCP-44).
    pub(crate) fn port_closed<O: Observer>(&mut self, cx: &mut Context<'_, O>, port: ObjectId) {
        if cx.deviates(Deviation::ClosedPortKeepsWaiters) {
            return;
        }
        cx.rules([rule::IOCP_42, rule::IOCP_43]);
        let slot = self.port_slot(port);
        while let Some(thread) = self.io_mut().removers.pop(slot) {
            // One that is out of its wait finds out when it is back.
            if self.thread(thread).state == ThreadState::Waiting {
                self.end_wait(cx, thread, NtStatus::ABANDONED_WAIT_0);
            }
        }
        self.set_port_signal(port, true);
        self.wait_test(cx, port);
        self.delete_port_if_unreferenced(cx, port);
    }

    /// IOCP-45: without handles and files, a port and the packets left in it are gone.
    pub(crate) fn delete_port_if_unreferenced<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        port: ObjectId,
    ) {
        let bound = self.objects.iter().any(|object| match object {
            DispatcherObject::File(file) => {
                !file.closed && file.port.is_some_and(|(bound, _)| bound == port)
            }
            _ => false,
        });
        if bound || !self.is_port_closed(cx, port) {
            return;
        }
        cx.rule(rule::IOCP_45);
        let slot = self.port_slot(port);
        while !self.io().packets.is_empty(slot) {
            let packet = self.io_mut().packets.remove(slot, 0);
            cx.event(Event::Packet { port, packet, change: PacketChange::Discarded });
            if let Some(irp) = packet.irp.filter(|irp| self.has_irp(*irp)) {
                if self.is_on_file_list(cx, irp) {
                    self.unlink_irp(cx, irp);
                }
                self.free_irp(cx, irp);
            }
        }
        for thread in 0..self.threads.len() {
            if self.threads[thread].queue == Some(port) {
                self.threads.get_mut(thread).queue = None;
            }
        }
    }
}

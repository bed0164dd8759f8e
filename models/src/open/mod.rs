//! A world without a program: threads and objects come and go, and what is done to them is told
//! from outside, one call at a time.
//!
//! It holds a [`Kernel`] with free places and hands every call to the kernel's own functions. So
//! a capture of a system can be followed by the same rules that simulate one. Time does not pass
//! by itself: whoever follows a capture says when a wait timed out or a timer expired.
//!
//! Objects of which nothing is known have a place too ([`OpenWorld::add_opaque`]): they are never
//! signaled by themselves, and can end any wait when told so.

mod calls;
mod request;
mod slots;
mod wait;

pub use calls::{PacketContent, UserApc};
pub use request::{
    CANCEL_RULES, COMPLETION_RULES, ONCE_RULES, Outcome, PACKET_RULES, Request, RequestState,
};
pub use wait::{Entry, Span};

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, Observer, ThreadChange};
use crate::ids::{ObjectId, ThreadId};
use crate::io::Io;
use crate::io::setup::IoSetup;
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::event::Kevent;
use crate::ke::kmode::KernelSetup;
use crate::ke::mutant::Kmutant;
use crate::ke::semaphore::Ksemaphore;
use crate::ke::thread::{Kthread, ThreadState};
use crate::ke::timer::Ktimer;
use crate::ke::{Context, Kernel};
use crate::rule::RuleId;
use alertable_traces::status::NtStatus;
use slots::Slots;
use std::collections::{BTreeMap, BTreeSet};

/// The most threads that exist at a time.
pub const THREAD_COUNT_MAX: usize = 256;

/// How many objects there is room for at first; the room doubles when it is needed.
const FIRST_OBJECT_COUNT: usize = 256;

/// How many completion ports there is room for at first.
const FIRST_PORT_COUNT: usize = 4;

/// The world is full: there are more threads, objects, APCs or packets at a time than the
/// machine has numbers for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// What a call did beside its result.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Effects {
    /// The waits that it ended, in order, with their statuses.
    pub wakes: Vec<(ThreadId, NtStatus)>,
    /// The rules that took effect.
    pub rules: Vec<RuleId>,
}

/// Notes what a call does.
#[derive(Default)]
struct Watcher {
    ready: Vec<ThreadId>,
    rules: Vec<RuleId>,
}

impl Observer for Watcher {
    fn event(&mut self, event: Event) {
        if let Event::Thread { thread, change: ThreadChange::Ready } = event {
            self.ready.push(thread);
        }
    }

    fn rule(&mut self, rule: RuleId) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }
}

/// Threads and objects that come and go.
#[derive(Clone, Debug)]
pub struct OpenWorld {
    kernel: Kernel,
    setup: IoSetup,
    /// There is no code in kernel mode to follow.
    kernel_mode: KernelSetup,
    deviations: Deviations,
    /// See [`OpenWorld::follow_server_steps`].
    queues_timer_apc_first: bool,
    threads: Slots,
    objects: Slots,
    ports: Slots,
    timers: Vec<ObjectId>,
    /// The APCs that are queued, by the number that stands for their routine in the kernel.
    apcs: BTreeMap<u16, UserApc>,
    /// The routines of the timers' APCs.
    timer_apcs: BTreeMap<ObjectId, UserApc>,
    /// The timers of which nobody saw when they expired last.
    expired_unseen: BTreeSet<ObjectId>,
    /// The packets that are queued, by the number that stands for their key in the kernel.
    packets: BTreeMap<u16, PacketContent>,
    next_number: u16,
    /// The threads that are stopped inside a call, and have said so.
    reported_stopped: Vec<ThreadId>,
}

impl OpenWorld {
    /// An empty world of a system that departs from the rules so.
    ///
    /// Handles are no part of it, and so the last one of a port is not seen to be closed
    /// ([`Deviation::ClosedPortKeepsWaiters`]).
    pub fn new(deviations: Deviations) -> Self {
        let deviations = without_handles(deviations);
        let no_thread = Kthread { state: ThreadState::NotCreated, ..Kthread::not_created() };
        let mut objects = vec![DispatcherObject::Thread { signaled: false }; THREAD_COUNT_MAX];
        objects.resize(THREAD_COUNT_MAX + FIRST_OBJECT_COUNT, DispatcherObject::Device);
        let mut world = OpenWorld {
            kernel: Kernel::new(vec![no_thread; THREAD_COUNT_MAX], objects),
            setup: IoSetup::default(),
            kernel_mode: KernelSetup::default(),
            deviations,
            queues_timer_apc_first: false,
            threads: Slots::new(THREAD_COUNT_MAX),
            objects: Slots::new(FIRST_OBJECT_COUNT),
            ports: Slots::new(FIRST_PORT_COUNT),
            timers: Vec::new(),
            apcs: BTreeMap::new(),
            timer_apcs: BTreeMap::new(),
            expired_unseen: BTreeSet::new(),
            packets: BTreeMap::new(),
            next_number: 0,
            reported_stopped: Vec::new(),
        };
        world.setup.thread_processes = vec![0; THREAD_COUNT_MAX];
        world.set_port_room(FIRST_PORT_COUNT);
        world.kernel.io = Some(Box::new(Io::new(&world.setup, THREAD_COUNT_MAX)));
        world
    }

    /// How it departs from the rules.
    pub fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// Takes the steps of a system as its server's log shows them, which are finer than those
    /// that a program can see: a wait that an APC has ended, and the next look at its objects,
    /// are two. So the wait does end at once there, and what [`Deviation::ApcWakesLate`] says of
    /// the whole follows from the second step.
    pub fn follow_server_steps(&mut self) {
        self.queues_timer_apc_first = self.deviations.contains(Deviation::ApcWakesLate);
        self.deviations = self.deviations.without(Deviation::ApcWakesLate);
    }

    /// What the kernel keeps.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// How many threads and objects there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.threads.used(), self.objects.used())
    }

    /// A thread that runs, or is suspended before its first step.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_thread(&mut self, suspended: bool) -> Result<ThreadId, Full> {
        let thread = ThreadId::from_index(self.threads.take().ok_or(Full)?);
        let running = Kthread::running();
        *self.kernel.thread_mut(thread) = if suspended {
            Kthread { stopped: true, suspend_count: 1, ..running }
        } else {
            running
        };
        *self.kernel.object_mut(thread.object()) = DispatcherObject::Thread { signaled: false };
        Ok(thread)
    }

    /// Forgets an ended thread that nobody refers to any more.
    pub fn remove_thread(&mut self, thread: ThreadId) {
        self.unlink_waiters(thread.object());
        *self.kernel.thread_mut(thread) = Kthread::not_created();
        self.threads.give_back(thread.index());
    }

    fn add_object(&mut self, object: DispatcherObject) -> Result<ObjectId, Full> {
        if self.objects.is_full() {
            self.grow()?;
        }
        let slot = self.objects.take().ok_or(Full)?;
        let id = ObjectId::from_index(THREAD_COUNT_MAX + slot);
        *self.kernel.object_mut(id) = object;
        Ok(id)
    }

    /// An event.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_event(&mut self, manual: bool, signaled: bool) -> Result<ObjectId, Full> {
        self.add_object(DispatcherObject::Event(Kevent { kind: reset_kind(manual), signaled }))
    }

    /// A mutex.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_mutant(&mut self, owner: Option<ThreadId>) -> Result<ObjectId, Full> {
        let recursion = u32::from(owner.is_some());
        let mutant = Kmutant { owner, recursion, abandoned: false };
        let id = self.add_object(DispatcherObject::Mutant(mutant))?;
        if let Some(owner) = owner {
            self.kernel.owned_mutants.insert(owner.index(), 0, id);
        }
        Ok(id)
    }

    /// A semaphore.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_semaphore(&mut self, count: u32, limit: u32) -> Result<ObjectId, Full> {
        self.add_object(DispatcherObject::Semaphore(Ksemaphore { count, limit }))
    }

    /// A timer that is not set.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_timer(&mut self, manual: bool) -> Result<ObjectId, Full> {
        let timer = self.add_object(DispatcherObject::Timer(Ktimer::new(reset_kind(manual))))?;
        self.timers.push(timer);
        Ok(timer)
    }

    /// An object of which nothing is known.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_opaque(&mut self) -> Result<ObjectId, Full> {
        self.add_object(DispatcherObject::MessageQueue)
    }

    /// Whether an object is a completion port.
    pub fn is_port(&self, object: ObjectId) -> bool {
        self.port_slot(object).is_some()
    }

    /// Whether nothing is known of an object.
    pub fn is_opaque(&self, object: ObjectId) -> bool {
        matches!(self.kernel.object(object), DispatcherObject::MessageQueue)
    }

    /// Forgets what is known of an object.
    pub fn make_opaque(&mut self, object: ObjectId) {
        if let Some(slot) = self.port_slot(object) {
            self.discard_packets(slot);
            self.ports.give_back(slot);
        }
        self.timer_apcs.remove(&object);
        self.expired_unseen.remove(&object);
        if let DispatcherObject::Mutant(Kmutant { owner: Some(owner), .. }) =
            *self.kernel.object(object)
        {
            self.kernel.owned_mutants.remove_from(owner.index(), |owned| *owned == object);
        }
        self.timers.retain(|timer| *timer != object);
        *self.kernel.object_mut(object) = DispatcherObject::MessageQueue;
    }

    /// Departs from the rules in another way from here on.
    pub fn set_deviations(&mut self, deviations: Deviations) {
        self.deviations = without_handles(deviations);
    }

    /// What a thread's suspend count turns out to be.
    pub fn learn_suspend_count(&mut self, thread: ThreadId, count: u8) {
        let here = self.kernel.thread_mut(thread);
        here.suspend_count = count;
        here.stopped = count > 0;
    }

    /// Whether somebody waits for an object or owns it, or its APC is queued.
    pub fn is_in_use(&self, object: ObjectId) -> bool {
        let owned = matches!(
            self.kernel.object(object),
            DispatcherObject::Mutant(Kmutant { owner: Some(_), .. })
        );
        let queued = match self.kernel.object(object) {
            DispatcherObject::Timer(Ktimer { apc: Some(apc), .. }) => {
                self.kernel.is_timer_apc_queued(apc.thread, object)
            }
            _ => false,
        };
        owned || queued || !self.kernel.waiters(object).is_empty()
    }

    /// Forgets an object that nobody refers to any more.
    pub fn remove_object(&mut self, object: ObjectId) {
        self.make_opaque(object);
        self.unlink_waiters(object);
        *self.kernel.object_mut(object) = DispatcherObject::Device;
        self.objects.give_back(object.index() - THREAD_COUNT_MAX);
    }

    fn unlink_waiters(&mut self, object: ObjectId) {
        while let Some(block) = self.kernel.waiters(object).first().copied() {
            self.kernel.leave_wait(block.thread);
            self.kernel.thread_mut(block.thread).state = ThreadState::User;
        }
    }

    /// Makes room for as many objects again.
    fn grow(&mut self) -> Result<(), Full> {
        let room = self.objects.room() * 2;
        if THREAD_COUNT_MAX + room > usize::from(u16::MAX) {
            return Err(Full);
        }
        let old = &self.kernel;
        let threads: Vec<Kthread> = old.threads.peek_all().copied().collect();
        let mut objects: Vec<DispatcherObject> = old.objects.peek_all().copied().collect();
        objects.resize(THREAD_COUNT_MAX + room, DispatcherObject::Device);
        let without_owners: Vec<DispatcherObject> = objects
            .iter()
            .map(|object| match object {
                // The lists of owned mutexes are copied with their order.
                DispatcherObject::Mutant(_) => DispatcherObject::Device,
                other => *other,
            })
            .collect();
        let mut kernel = Kernel::new(threads, without_owners);
        for (index, object) in objects.iter().enumerate() {
            *kernel.object_mut(ObjectId::from_index(index)) = *object;
        }
        for thread in 0..THREAD_COUNT_MAX {
            old.user_apcs.get(thread).iter().for_each(|apc| kernel.user_apcs.push(thread, *apc));
            let waits = old.wait_objects.get(thread).iter();
            waits.for_each(|object| kernel.wait_objects.push(thread, *object));
            let owned = old.owned_mutants.get(thread).iter();
            owned.for_each(|object| kernel.owned_mutants.push(thread, *object));
        }
        for object in 0..old.objects.len() {
            let blocks = old.wait_blocks.get(object).iter();
            blocks.for_each(|block| kernel.wait_blocks.push(object, *block));
        }
        kernel.io = self.kernel.io.take();
        self.kernel = kernel;
        self.objects.grow(room);
        Ok(())
    }

    /// Lets the kernel do something, and collects what it did.
    fn apply<T>(
        &mut self,
        act: impl FnOnce(&mut Kernel, &mut Context<'_, Watcher>) -> T,
    ) -> (T, Effects) {
        let mut watcher = Watcher::default();
        let mut cx = Context {
            deviations: self.deviations,
            handles: &[],
            io: &self.setup,
            kernel_mode: &self.kernel_mode,
            timers: &self.timers,
            processors: 1,
            observer: &mut watcher,
        };
        let value = act(&mut self.kernel, &mut cx);
        let mut wakes = Vec::new();
        let mut next = 0;
        while let Some(thread) = cx.observer.ready.get(next).copied() {
            next += 1;
            wakes.extend(Self::settle(&mut self.kernel, &mut cx, thread));
        }
        (value, Effects { wakes, rules: watcher.rules })
    }

    /// What becomes of a thread that could go on: its wait is over, or it makes its tests again.
    fn settle(
        kernel: &mut Kernel,
        cx: &mut Context<'_, Watcher>,
        thread: ThreadId,
    ) -> Option<(ThreadId, NtStatus)> {
        let here = kernel.thread(thread);
        let status = match here.state {
            ThreadState::Woken(status) => status,
            ThreadState::Restarting if !here.stopped => kernel.restart_wait(cx, thread)?,
            _ => return None,
        };
        kernel.thread_mut(thread).state = ThreadState::User;
        Some((thread, status))
    }
}

fn reset_kind(manual: bool) -> ResetKind {
    if manual { ResetKind::Manual } else { ResetKind::Auto }
}

fn without_handles(deviations: Deviations) -> Deviations {
    deviations.with(Deviation::ClosedPortKeepsWaiters)
}

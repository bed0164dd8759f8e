//! The kernel: threads, dispatcher objects, waits, APCs and timers.
//!
//! A [`Kernel`] is the part of a machine's state that the system keeps. It takes system calls
//! (`Kernel::system_call` in [`crate::service`]) and does not know where they come from.

pub mod apc;
pub mod attach;
pub mod dispatcher;
pub mod dpc;
pub mod event;
pub mod fastmutex;
mod interrupt;
pub mod irql;
pub mod kapc;
pub mod kmode;
pub mod kservice;
pub mod mutant;
pub mod region;
pub mod semaphore;
pub mod spinlock;
pub mod thread;
pub mod timer;
pub mod wait;

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, Observer};
use crate::ids::{ObjectId, ThreadId};
use crate::io::Io;
use crate::io::setup::IoSetup;
use crate::lists::Lists;
use crate::parts::{Aspect, Part, Parts, StatePart, state_parts};
use crate::records::Records;
use crate::rule::RuleId;
use apc::Kapc;
use dispatcher::DispatcherObject;
use kmode::{KernelMode, KernelSetup};
use mutant::Kmutant;
use thread::{Kthread, ThreadRole};
use wait::WaitBlock;

/// What the system keeps: plain data, equal whenever the situations are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kernel {
    pub(crate) threads: Records<Kthread>,
    pub(crate) objects: Records<DispatcherObject>,
    /// The user APCs of each thread, in the order in which they will be delivered.
    pub(crate) user_apcs: Lists<Kapc>,
    /// The objects that each thread's wait names, in the order of their indices.
    pub(crate) wait_objects: Lists<ObjectId>,
    /// The wait list of each object, longest waiter first.
    pub(crate) wait_blocks: Lists<WaitBlock>,
    /// The mutants that each thread owns, newest first.
    pub(crate) owned_mutants: Lists<ObjectId>,
    /// Which handles are closed.
    pub(crate) closed_handles: Records<bool>,
    /// What the I/O manager keeps; nothing in a program without I/O.
    pub(crate) io: Option<Box<Io>>,
    /// What code in kernel mode needs; nothing in a program without such code.
    pub(crate) km: Option<Box<KernelMode>>,
}

state_parts!(Kernel {
    threads: Threads,
    objects: Objects,
    user_apcs: UserApcs,
    wait_objects: WaitObjects,
    wait_blocks: WaitBlocks,
    owned_mutants: OwnedMutants,
    closed_handles: ClosedHandles,
});

impl Kernel {
    /// Makes some parts equal to those of another state of the same program.
    pub(crate) fn copy_parts(&mut self, source: &Self, parts: Parts) {
        self.copy_own_parts(source, parts);
        if let (Some(io), Some(source)) = (&mut self.io, &source.io) {
            io.copy_parts(source, parts);
        }
        if let (Some(km), Some(source)) = (&mut self.km, &source.km) {
            km.copy_parts(source, parts);
        }
    }

    /// The parts in which two states differ, both hashed since they were last changed.
    pub(crate) fn differing_parts(&self, other: &Self) -> Parts {
        let io = match (self.io.as_deref(), other.io.as_deref()) {
            (Some(io), Some(other)) => io.differing_parts(other),
            _ => Parts::NONE,
        };
        let km = match (self.km.as_deref(), other.km.as_deref()) {
            (Some(km), Some(other)) => km.differing_parts(other),
            _ => Parts::NONE,
        };
        self.differing_own_parts(other) | io | km
    }

    /// The parts that were changed since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Parts {
        let io = self.io.as_deref_mut().map_or(Parts::NONE, Io::take_touched);
        let km = self.km.as_deref_mut().map_or(Parts::NONE, KernelMode::take_touched);
        self.take_own_touched() | io | km
    }

    /// Hashes what was changed in some parts since this was last asked, and tells by how much
    /// the sum of the hashes of each record and list has changed.
    pub(crate) fn settle(
        &mut self,
        parts: Parts,
        mut on_change: impl FnMut(Part, Aspect, usize, u64),
    ) {
        if let Some(io) = self.io.as_deref_mut() {
            io.settle(parts, &mut on_change);
        }
        if let Some(km) = self.km.as_deref_mut() {
            km.settle(parts, &mut on_change);
        }
        self.settle_own_parts(parts, on_change);
    }

    /// Tells which records and lists were looked at since this was last asked.
    pub(crate) fn take_marks(&self, mut on_marked: impl FnMut(Part, Aspect, usize)) {
        if let Some(io) = self.io.as_deref() {
            io.take_marks(&mut on_marked);
        }
        if let Some(km) = self.km.as_deref() {
            km.take_marks(&mut on_marked);
        }
        self.take_own_marks(on_marked);
    }

    /// Nothing was looked at.
    pub(crate) fn clear_marks(&mut self) {
        if let Some(io) = self.io.as_deref_mut() {
            io.clear_marks();
        }
        if let Some(km) = self.km.as_deref_mut() {
            km.clear_marks();
        }
        self.clear_own_marks();
    }

    /// The sum of the hashes of everything.
    pub(crate) fn digest(&self) -> u64 {
        let km = self.km.as_deref().map_or(0, KernelMode::digest);
        let io = self.io.as_deref().map_or(0, Io::digest);
        self.own_digest().wrapping_add(io).wrapping_add(km)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let km = self.km.as_deref().map_or(0, KernelMode::heap_bytes);
        self.own_heap_bytes() + self.io.as_deref().map_or(0, Io::heap_bytes) + km
    }
}

impl Kernel {
    /// A kernel with these threads and objects; the first objects are the thread objects.
    pub(crate) fn new(threads: Vec<Kthread>, objects: Vec<DispatcherObject>) -> Self {
        let mut owned_mutants = Lists::new(Part::OwnedMutants, threads.len());
        for (index, object) in objects.iter().enumerate() {
            if let DispatcherObject::Mutant(Kmutant { owner: Some(owner), .. }) = object {
                owned_mutants.insert(owner.index(), 0, ObjectId::from_index(index));
            }
        }
        Kernel {
            user_apcs: Lists::new(Part::UserApcs, threads.len()),
            wait_objects: Lists::new(Part::WaitObjects, threads.len()),
            wait_blocks: Lists::new(Part::WaitBlocks, objects.len()),
            threads: Records::new(Part::Threads, threads),
            objects: Records::new(Part::Objects, objects),
            owned_mutants,
            closed_handles: Records::new(Part::ClosedHandles, Vec::new()),
            io: None,
            km: None,
        }
    }

    /// A thread's record.
    pub fn thread(&self, thread: ThreadId) -> &Kthread {
        &self.threads[thread.index()]
    }

    /// Whose thread it is, which never changes.
    pub(crate) fn role(&self, thread: ThreadId) -> ThreadRole {
        self.threads.peek(thread.index()).role
    }

    pub(crate) fn thread_mut(&mut self, thread: ThreadId) -> &mut Kthread {
        self.threads.get_mut(thread.index())
    }

    /// An object's record.
    pub fn object(&self, object: ObjectId) -> &DispatcherObject {
        &self.objects[object.index()]
    }

    pub(crate) fn object_mut(&mut self, object: ObjectId) -> &mut DispatcherObject {
        self.objects.get_mut(object.index())
    }

    /// The user APCs queued to a thread, next one first.
    pub fn user_apcs(&self, thread: ThreadId) -> &[Kapc] {
        self.user_apcs.get(thread.index())
    }

    /// The objects that a thread's wait names; empty outside a wait and in a plain sleep.
    pub fn wait_objects(&self, thread: ThreadId) -> &[ObjectId] {
        self.wait_objects.get(thread.index())
    }

    /// The threads blocked on an object, longest waiter first.
    pub fn waiters(&self, object: ObjectId) -> &[WaitBlock] {
        self.wait_blocks.get(object.index())
    }

    /// The mutants that a thread owns, newest first.
    pub fn owned_mutants(&self, thread: ThreadId) -> &[ObjectId] {
        self.owned_mutants.get(thread.index())
    }

    /// The threads, by id.
    pub fn thread_ids(&self) -> impl Iterator<Item = ThreadId> + use<> {
        (0..self.threads.len()).map(ThreadId::from_index)
    }

    /// The objects, by id; the thread objects come first.
    pub fn object_ids(&self) -> impl Iterator<Item = ObjectId> + use<> {
        (0..self.objects.len()).map(ObjectId::from_index)
    }
}

/// What a step needs beside the state: whose behaviour it follows, and who looks on.
#[derive(Debug)]
pub struct Context<'a, O> {
    /// How this system departs from the rules.
    pub(crate) deviations: Deviations,
    /// The object that each handle refers to while it is open.
    pub(crate) handles: &'a [ObjectId],
    /// The objects that are timers.
    pub(crate) timers: &'a [ObjectId],
    /// What files, devices, ports and requests are.
    pub(crate) io: &'a IoSetup,
    /// What APC objects, DPCs and spin locks are.
    pub(crate) kernel_mode: &'a KernelSetup,
    /// How many processors there are.
    pub(crate) processors: u8,
    /// Who is told what happens.
    pub(crate) observer: &'a mut O,
}

impl<O> Context<'_, O> {
    pub(crate) fn deviates(&self, deviation: Deviation) -> bool {
        self.deviations.contains(deviation)
    }
}

impl<O: Observer> Context<'_, O> {
    /// Marks that a rule takes effect here.
    pub(crate) fn rule(&mut self, rule: RuleId) {
        self.observer.rule(rule);
    }

    /// Marks that rules take effect here together.
    pub(crate) fn rules<const N: usize>(&mut self, rules: [RuleId; N]) {
        rules.into_iter().for_each(|rule| self.observer.rule(rule));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.observer.event(event);
    }
}

//! The kernel: threads, dispatcher objects, waits, APCs and timers.
//!
//! A [`Kernel`] is the part of a machine's state that the system keeps. It takes system calls
//! (`Kernel::system_call` in [`crate::service`]) and does not know where they come from.

pub mod apc;
pub mod dispatcher;
pub mod event;
pub mod mutant;
pub mod semaphore;
pub mod thread;
pub mod timer;
pub mod wait;

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, Observer};
use crate::ids::{HandleId, ObjectId, ThreadId};
use crate::io::Io;
use crate::io::setup::IoSetup;
use crate::lists::Lists;
use crate::rule::RuleId;
use apc::Kapc;
use dispatcher::DispatcherObject;
use mutant::Kmutant;
use std::hash::{Hash, Hasher};
use thread::Kthread;
use wait::WaitBlock;

/// What the system keeps: plain data, equal whenever the situations are.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kernel {
    pub(crate) threads: Vec<Kthread>,
    pub(crate) objects: Vec<DispatcherObject>,
    /// The user APCs of each thread, in the order in which they will be delivered.
    pub(crate) user_apcs: Lists<Kapc>,
    /// The objects that each thread's wait names, in the order of their indices.
    pub(crate) wait_objects: Lists<ObjectId>,
    /// The wait list of each object, longest waiter first.
    pub(crate) wait_blocks: Lists<WaitBlock>,
    /// The mutants that each thread owns, newest first.
    pub(crate) owned_mutants: Lists<ObjectId>,
    /// The handles that are closed, in ascending order.
    pub(crate) closed_handles: Vec<HandleId>,
    /// What the I/O manager keeps; nothing in a program without I/O.
    pub(crate) io: Option<Box<Io>>,
}

impl Clone for Kernel {
    fn clone(&self) -> Self {
        Kernel {
            threads: self.threads.clone(),
            objects: self.objects.clone(),
            user_apcs: self.user_apcs.clone(),
            wait_objects: self.wait_objects.clone(),
            wait_blocks: self.wait_blocks.clone(),
            owned_mutants: self.owned_mutants.clone(),
            closed_handles: self.closed_handles.clone(),
            io: self.io.clone(),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        let Kernel {
            threads,
            objects,
            user_apcs,
            wait_objects,
            wait_blocks,
            owned_mutants,
            closed_handles,
            io,
        } = source;
        self.threads.clone_from(threads);
        self.objects.clone_from(objects);
        self.user_apcs.clone_from(user_apcs);
        self.wait_objects.clone_from(wait_objects);
        self.wait_blocks.clone_from(wait_blocks);
        self.owned_mutants.clone_from(owned_mutants);
        self.closed_handles.clone_from(closed_handles);
        self.io.clone_from(io);
    }
}

// The numbers of threads and objects never change, so their records need no length before them.
// The thread objects, which come first, say what the thread records say.
impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Kernel {
            threads,
            objects,
            user_apcs,
            wait_objects,
            wait_blocks,
            owned_mutants,
            closed_handles,
            io,
        } = self;
        threads.iter().for_each(|thread| thread.hash(state));
        objects[threads.len()..].iter().for_each(|object| object.hash(state));
        user_apcs.hash(state);
        wait_objects.hash(state);
        wait_blocks.hash(state);
        owned_mutants.hash(state);
        if !closed_handles.is_empty() {
            closed_handles.hash(state);
        }
        if let Some(io) = io {
            io.hash(state);
        }
    }
}

impl Kernel {
    /// A kernel with these threads and objects; the first objects are the thread objects.
    pub(crate) fn new(threads: Vec<Kthread>, objects: Vec<DispatcherObject>) -> Self {
        let mut owned_mutants = Lists::new(threads.len());
        for (index, object) in objects.iter().enumerate() {
            if let DispatcherObject::Mutant(Kmutant { owner: Some(owner), .. }) = object {
                owned_mutants.insert(owner.index(), 0, ObjectId::from_index(index));
            }
        }
        Kernel {
            user_apcs: Lists::new(threads.len()),
            wait_objects: Lists::new(threads.len()),
            wait_blocks: Lists::new(objects.len()),
            threads,
            objects,
            owned_mutants,
            closed_handles: Vec::new(),
            io: None,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.threads)
            + size_of_val(&*self.objects)
            + self.user_apcs.heap_bytes()
            + self.wait_objects.heap_bytes()
            + self.wait_blocks.heap_bytes()
            + self.owned_mutants.heap_bytes()
            + size_of_val(&*self.closed_handles)
            + self.io.as_deref().map_or(0, Io::heap_bytes)
    }

    /// A thread's record.
    pub fn thread(&self, thread: ThreadId) -> &Kthread {
        &self.threads[thread.index()]
    }

    pub(crate) fn thread_mut(&mut self, thread: ThreadId) -> &mut Kthread {
        &mut self.threads[thread.index()]
    }

    /// An object's record.
    pub fn object(&self, object: ObjectId) -> &DispatcherObject {
        &self.objects[object.index()]
    }

    pub(crate) fn object_mut(&mut self, object: ObjectId) -> &mut DispatcherObject {
        &mut self.objects[object.index()]
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
    /// What files, devices, ports and requests are.
    pub(crate) io: &'a IoSetup,
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

//! Who can wait for what, make which request, and run which routine, as the program says.

use super::Touch;
use crate::ids::{BlockId, HandleId, LabelId, ObjectId, RequestId, ThreadId};
use crate::io::setup::{FileSetup, FileTarget, Interface, Model};
use crate::ke::dispatcher::DispatcherObject;
use crate::parts::{Aspect, Part};
use crate::program::users::Users;
use crate::program::{Instruction, Pc, Program};
use crate::service::Service;
use crate::slots::SYSTEM;

/// The most threads: each has a bit of a word.
const THREAD_COUNT_MAX: usize = 63;

/// What a program says about who has to do with what, and where that is in its states.
pub(super) struct Relations<'a> {
    pub(super) program: &'a Program,
    users: Users,
    /// For each object, the threads that may wait for it, a bit for each.
    waiters: Vec<u64>,
    /// For each thread, the objects that it may wait for.
    waits: Vec<Vec<ObjectId>>,
    /// For each thread, the mutexes that it may own.
    pub(super) mutants: Vec<Vec<ObjectId>>,
    /// For each thread, the first instructions of the routines that may run on it.
    pub(super) routines: Vec<Vec<Pc>>,
    /// For each timer object, the threads whose APC it may queue.
    pub(super) setters: Vec<u64>,
    /// For each thread, the ports that it may belong to.
    pub(super) ports: Vec<Vec<ObjectId>>,
    /// For each file, by its number, the ports that it may be associated with.
    pub(super) file_ports: Vec<Vec<ObjectId>>,
    /// For each request, the threads that may make it, a bit for each.
    pub(super) issuers: Vec<u64>,
    /// The objects of which handles are closed.
    pub(super) closed: Vec<ObjectId>,
}

impl<'a> Relations<'a> {
    /// None if the program does something that is not known.
    pub(super) fn new(program: &'a Program) -> Option<Self> {
        let stops =
            |fault: &crate::io::setup::Faults| fault.completes_twice || fault.keeps_cancel_routine;
        let io = &program.io;
        let is_known = !program.kernel.has_kernel_mode()
            && program.threads.len() <= THREAD_COUNT_MAX
            && program.calls.iter().all(|call| super::call::is_known(&call.service))
            && io.pool_timers.is_empty()
            && io.pool_waits.is_empty()
            && io.thread_processes.iter().all(|process| *process == io.thread_processes[0])
            && io.handle_processes.iter().all(|process| *process == io.handle_processes[0])
            && io
                .devices
                .iter()
                .all(|device| !stops(&device.faults) && !matches!(device.model, Model::Driver(_)));
        is_known.then(|| {
            let (objects, threads) = (program.object_count(), program.threads.len());
            let mut relations = Relations {
                program,
                users: Users::new(program, &io.requests, false),
                waiters: vec![0; objects],
                waits: vec![Vec::new(); threads],
                mutants: vec![Vec::new(); threads],
                routines: vec![Vec::new(); threads],
                setters: vec![0; objects],
                ports: vec![Vec::new(); threads],
                file_ports: vec![Vec::new(); io.files.len()],
                issuers: vec![0; io.requests.len()],
                closed: Vec::new(),
            };
            relations.note_initial();
            for call in 0..program.calls.len() {
                relations.note_call(call);
            }
            for routines in &mut relations.routines {
                routines.sort_unstable();
                routines.dedup();
            }
            relations
        })
    }

    fn note_initial(&mut self) {
        for object in self.program.kernel.object_ids() {
            match self.program.kernel.object(object) {
                DispatcherObject::Mutant(mutant) => {
                    if let Some(owner) = mutant.owner {
                        self.mutants[owner.index()].push(object);
                    }
                }
                DispatcherObject::File(file) => {
                    self.file_ports[file.slot()].extend(file.port.map(|(port, _)| port));
                }
                _ => {}
            }
        }
    }

    fn note_call(&mut self, call: usize) {
        let program = self.program;
        let service = &program.calls[call].service;
        let users: Vec<ThreadId> = self.users.of_call(call).iter().copied().collect();
        let bits = users.iter().fold(0, |bits, thread| bits | 1 << thread.index());
        let object = |handle: &HandleId| program.handle_target(*handle);
        match service {
            Service::QueueApcThread { thread, routine, .. } => {
                if let Some(target) = program.kernel.thread_of(object(thread)) {
                    self.note_routine(&[target], program.routines[routine.index()].entry);
                }
            }
            Service::SetTimer { timer, apc: Some((routine, _)), .. } => {
                self.note_routine(&users, program.routines[routine.index()].entry);
                self.setters[object(timer).index()] |= bits;
            }
            Service::WaitForObjects { objects, .. } => {
                objects.iter().for_each(|handle| self.note_wait(&users, object(handle)));
            }
            Service::SignalAndWait { object: handle, .. }
            | Service::OverlappedResult { object: handle, .. } => {
                self.note_wait(&users, object(handle));
            }
            Service::RemoveIoCompletion { port, .. } => {
                for thread in users {
                    let ports = &mut self.ports[thread.index()];
                    if !ports.contains(&object(port)) {
                        ports.push(object(port));
                    }
                }
            }
            Service::AssociatePort { file, port, .. } => {
                let file = self.file(object(file));
                let slot = self.file_slot(file.object);
                self.file_ports[slot].push(object(port));
            }
            Service::Close { handle } => {
                let object = object(handle);
                self.closed.push(object);
                if self.is_file(object) {
                    let lock = self.file(object).lock;
                    lock.into_iter().for_each(|lock| self.note_wait(&users, lock));
                }
            }
            Service::Io { request } => {
                self.issuers[request.index()] |= bits;
                let setup = program.io.request(*request);
                let file = self.file(object(&setup.file));
                if !file.overlapped || setup.interface == Interface::Waiting {
                    self.note_wait(&users, file.object);
                }
                file.lock.into_iter().for_each(|lock| self.note_wait(&users, lock));
                if let Some(routine) = setup.routine {
                    self.note_routine(&users, program.routines[routine.index()].entry);
                }
            }
            _ => {}
        }
    }

    fn note_routine(&mut self, threads: &[ThreadId], entry: Pc) {
        threads.iter().for_each(|thread| self.routines[thread.index()].push(entry));
    }

    fn note_wait(&mut self, threads: &[ThreadId], object: ObjectId) {
        for thread in threads {
            self.waiters[object.index()] |= 1 << thread.index();
            self.waits[thread.index()].push(object);
            if matches!(self.program.kernel.object(object), DispatcherObject::Mutant(_)) {
                self.mutants[thread.index()].push(object);
            }
        }
    }

    /// The threads that may wait for an object, a bit for each.
    pub(super) fn waiters(&self, object: ObjectId) -> u64 {
        self.waiters[object.index()]
    }

    /// The threads that may make a call.
    pub(super) fn users_of(&self, call: usize) -> impl Iterator<Item = ThreadId> + '_ {
        self.users.of_call(call).iter().copied()
    }

    /// The threads that may make a request.
    pub(super) fn issuers(&self, request: RequestId) -> impl Iterator<Item = ThreadId> + '_ {
        let issuers = self.issuers[request.index()];
        self.program.thread_ids().filter(move |thread| issuers & 1 << thread.index() != 0)
    }

    /// The threads that may take packets from a port.
    pub(super) fn removers(&self, port: ObjectId) -> impl Iterator<Item = ThreadId> + '_ {
        self.program.thread_ids().filter(move |thread| self.ports[thread.index()].contains(&port))
    }

    pub(super) fn is_file(&self, object: ObjectId) -> bool {
        matches!(self.program.kernel.object(object), DispatcherObject::File(_))
    }

    pub(super) fn file(&self, object: ObjectId) -> FileSetup {
        self.program.io.files[self.file_slot(object)]
    }

    /// A file's number.
    pub(super) fn file_slot(&self, object: ObjectId) -> usize {
        let place = self.program.io.files.iter().position(|file| file.object == object);
        place.expect("requests are made on files")
    }

    /// The file of a request.
    pub(super) fn file_of(&self, request: RequestId) -> FileSetup {
        self.file(self.program.handle_target(self.program.io.request(request).file))
    }

    /// The requests.
    pub(super) fn requests(&self) -> impl Iterator<Item = RequestId> + use<> {
        (0..self.program.io.requests.len()).map(RequestId::from_index)
    }

    /// The requests on files that were opened on the same device or pipe.
    pub(super) fn requests_on(&self, target: FileTarget) -> impl Iterator<Item = RequestId> + '_ {
        let is_same = move |request: &RequestId| match (self.file_of(*request).target, target) {
            (FileTarget::PipeEnd(one), FileTarget::PipeEnd(other)) => one / 2 == other / 2,
            (one, other) => one == other,
        };
        self.requests().filter(is_same)
    }

    /// Where a thread's request writes its result.
    pub(super) fn block_of(&self, request: RequestId, issuer: ThreadId) -> BlockId {
        let io = &self.program.io;
        io.request(request).block.unwrap_or_else(|| io.private_block(issuer))
    }

    /// The slots that change when a thread is woken: its own, and its places among waiters.
    pub(super) fn woken_slots(&self, thread: ThreadId) -> u64 {
        let objects = self.waits[thread.index()].iter();
        let slots = objects.fold(self.record(thread), |slots, object| slots | self.object(*object));
        let ports = self.ports[thread.index()].iter();
        ports.fold(slots, |slots, port| slots | self.object(*port) | self.activity(*port))
    }

    /// The slots of a thread's own.
    pub(super) fn own(&self, thread: ThreadId) -> u64 {
        let lists = [
            Part::Threads,
            Part::WaitObjects,
            Part::OwnedMutants,
            Part::Frames,
            Part::Loops,
            Part::UserApcs,
            Part::ThreadIrps,
            Part::KernelApcs,
            Part::Received,
        ];
        let count = if self.program.kernel.has_io() { lists.len() } else { lists.len() - 3 };
        let slots = lists[..count].iter().fold(0, |slots, part| {
            slots
                | self.slot(*part, Aspect::Content, thread)
                | self.slot(*part, Aspect::Length, thread)
        });
        let routines = self.program.labels.len() + thread.index();
        let ports = self.ports[thread.index()].iter();
        ports.fold(slots, |slots, port| slots | self.activity(*port))
            | self.object(ObjectId::from_index(thread.index()))
            | 1 << self.program.slots.slot(Part::Lengths, Aspect::Content, routines)
    }

    /// The slots of a thread's requests and of their second stages.
    pub(super) fn requests_slots(&self, thread: ThreadId) -> u64 {
        [Part::ThreadIrps, Part::KernelApcs].iter().fold(0, |slots, part| {
            slots
                | self.slot(*part, Aspect::Content, thread)
                | self.slot(*part, Aspect::Length, thread)
        })
    }

    /// The slots in which the results of a label are counted and compared.
    pub(super) fn result(&self, label: LabelId) -> u64 {
        let slot = |part, index| 1 << self.program.slots.slot(part, Aspect::Content, index);
        let conditions = self.program.conditions.iter().enumerate();
        conditions
            .filter(|(_, condition)| condition.label == label)
            .fold(slot(Part::Lengths, label.index()), |slots, (at, _)| {
                slots | slot(Part::Conditions, at)
            })
    }

    pub(super) fn record(&self, thread: ThreadId) -> u64 {
        self.slot(Part::Threads, Aspect::Content, thread)
            | self.slot(Part::WaitObjects, Aspect::Content, thread)
    }

    pub(super) fn slot(&self, part: Part, aspect: Aspect, thread: ThreadId) -> u64 {
        1 << self.program.slots.slot(part, aspect, thread.index())
    }

    pub(super) fn object(&self, object: ObjectId) -> u64 {
        1 << self.program.slots.slot(Part::Objects, Aspect::Content, object.index())
            | 1 << self.program.slots.slot(Part::WaitBlocks, Aspect::Content, object.index())
    }

    /// The slot of a status block.
    pub(super) fn status(&self, block: BlockId) -> u64 {
        1 << self.program.slots.slot(Part::StatusBlocks, Aspect::Content, block.index())
    }

    /// The slot of the request packets that will write a status block.
    pub(super) fn irps(&self, block: BlockId) -> u64 {
        1 << self.program.slots.slot(Part::Irps, Aspect::Content, block.index())
    }

    /// The slots of all request packets.
    pub(super) fn all_irps(&self) -> u64 {
        let blocks = (0..self.program.io.block_count()).map(BlockId::from_index);
        blocks.fold(0, |slots, block| slots | self.irps(block))
    }

    /// The slot that says how many threads are active at a port.
    pub(super) fn activity(&self, port: ObjectId) -> u64 {
        let port = self.port_number(port);
        1 << self.program.slots.slot(Part::Activity, Aspect::Content, port)
    }

    /// The slot of the packets queued at a port.
    pub(super) fn packets(&self, port: ObjectId) -> u64 {
        let port = self.port_number(port);
        1 << self.program.slots.slot(Part::Packets, Aspect::Content, port)
    }

    fn port_number(&self, port: ObjectId) -> usize {
        match self.program.kernel.object(port) {
            DispatcherObject::Port(port) => usize::from(port.slot),
            _ => usize::MAX,
        }
    }

    /// The slot that says how many threads are left of the only process.
    pub(super) fn liveness(&self) -> u64 {
        1 << self.program.slots.slot(Part::Liveness, Aspect::Content, 0)
    }

    /// Where it is whether handles are closed that have no slot of their own.
    pub(super) const HANDLES: u64 = 1 << SYSTEM;

    pub(super) fn object_of(&self, handle: HandleId) -> ObjectId {
        self.program.handle_target(handle)
    }

    /// The thread that a handle refers to, if it does to one.
    pub(super) fn thread_of(&self, handle: HandleId) -> Option<ThreadId> {
        self.program.kernel.thread_of(self.object_of(handle))
    }

    /// The instructions of some steps, up to their end.
    pub(super) fn body(&self, entry: Pc) -> impl Iterator<Item = (usize, Instruction)> + '_ {
        let code = self.program.code.iter().copied().enumerate().skip(entry as usize);
        code.take_while(|(_, instruction)| *instruction != Instruction::End)
    }

    /// What a call does to a thread.
    pub(super) fn to_thread(
        &self,
        handle: HandleId,
        touch: impl Fn(&Self, ThreadId) -> Touch,
    ) -> Touch {
        self.thread_of(handle).map_or_else(Touch::default, |thread| touch(self, thread))
    }
}

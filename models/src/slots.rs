//! Slots: the pieces of a state that a step looks at or leaves alone as a whole.
//!
//! What a step does depends on the slots that it looks at and on nothing else. Who explores many
//! states need make a step once for all those that agree in these slots. A thread with its queues
//! and frames is a slot, so is an object with its wait list, a status block, or its requests.

use crate::ids::{LabelId, ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::fastmutex::FastMutexSetup;
use crate::parts::{Aspect, Part};
use crate::program::{Instruction, Pc, Program, ProgramCall};
use crate::service::Service;

/// The most slots; what does not fit shares one with something else.
pub const SLOT_COUNT_MAX: usize = 63;

/// What belongs to no thread or object.
pub(crate) const SYSTEM: u8 = 0;

/// Which slot each record and list of a program's states is in.
#[derive(Clone, Debug, Default)]
pub struct SlotMap {
    count: usize,
    /// By part, then by the number of the record or list.
    slots: Vec<Vec<u8>>,
    /// As `slots`, for the lengths of lists; empty where they are in the slot of the content.
    lengths: Vec<Vec<u8>>,
}

impl SlotMap {
    /// The slots of a program's states.
    pub(crate) fn new(program: &Program) -> Self {
        Builder::new(program).build()
    }

    /// How many slots there are, at most [`SLOT_COUNT_MAX`].
    pub fn count(&self) -> usize {
        self.count
    }

    /// What is in some slots, for messages about what should not be.
    #[cfg(debug_assertions)]
    pub fn names(&self, slots: u64) -> Vec<String> {
        let mut names = Vec::new();
        for (part, of_records) in self.slots.iter().enumerate() {
            for (index, slot) in of_records.iter().enumerate() {
                if slots & 1 << slot != 0 {
                    let part = Part::ALL[part];
                    names.push(format!("{part:?} {index}"));
                }
            }
        }
        names
    }

    /// The slot of an aspect of a record or list of a part.
    pub(crate) fn slot(&self, part: Part, aspect: Aspect, index: usize) -> usize {
        let contents = &self.slots[part as usize];
        let slots = match (aspect, &self.lengths[part as usize]) {
            (Aspect::Length, lengths) if !lengths.is_empty() => lengths,
            _ => contents,
        };
        usize::from(slots.get(index).copied().unwrap_or(SYSTEM))
    }
}

struct Builder<'a> {
    program: &'a Program,
    taken: usize,
    map: SlotMap,
}

impl<'a> Builder<'a> {
    fn new(program: &'a Program) -> Self {
        let (slots, lengths) = (vec![Vec::new(); Part::COUNT], vec![Vec::new(); Part::COUNT]);
        Builder { program, taken: 0, map: SlotMap { count: 0, slots, lengths } }
    }

    /// A slot of its own, if there is one.
    fn next(&mut self) -> u8 {
        let slot = 1 + self.taken % (SLOT_COUNT_MAX - 1);
        self.taken += 1;
        slot as u8
    }

    fn set(&mut self, part: Part, slots: Vec<u8>) {
        self.map.slots[part as usize] = slots;
    }

    fn build(mut self) -> SlotMap {
        let program = self.program;
        let threads: Vec<u8> = program.thread_ids().map(|_| self.next()).collect();
        let others = program.kernel.object_ids().skip(threads.len());
        let objects: Vec<u8> = threads
            .iter()
            .copied()
            .chain(others.map(|_| self.next()).collect::<Vec<_>>())
            .collect();
        for part in [
            Part::Threads,
            Part::WaitObjects,
            Part::OwnedMutants,
            Part::Received,
            Part::KernelThreads,
            Part::KernelLists,
            Part::Contexts,
            Part::ContextObjects,
            Part::DriverFrames,
            Part::Sweeps,
            Part::Attachments,
        ] {
            self.set(part, threads.clone());
        }
        // Where a thread is in its program only it looks at.
        let programs: Vec<u8> = threads.iter().map(|_| self.next()).collect();
        self.set(Part::Frames, programs.clone());
        self.set(Part::Loops, programs);
        let lengths = threads.iter().map(|_| self.next()).collect();
        self.set_queue(Part::UserApcs, lengths);
        if program.kernel.has_io() {
            self.set_queue(Part::ThreadIrps, threads.clone());
            self.set_queue(Part::KernelApcs, threads.clone());
        }
        self.set(Part::Objects, objects.clone());
        self.set(Part::WaitBlocks, objects.clone());
        // Where handles stay as they are, nobody has to be told apart who looks at them.
        let closes = |call: &ProgramCall| {
            matches!(call.service, Service::Close { .. } | Service::DuplicateObject { .. })
        };
        let closes = program.calls.iter().any(closes);
        let of_handle = |object: &ObjectId| if closes { objects[object.index()] } else { SYSTEM };
        self.set(Part::ClosedHandles, program.handles.iter().map(of_handle).collect());
        self.set_io(&objects);
        self.set_kernel_mode(&objects);
        self.set_seen(&threads);
        self.map.count = (self.taken + 1).min(SLOT_COUNT_MAX);
        self.map
    }

    /// A part of queues, to which others append while their owners take out: what is queued has
    /// a slot of its own, apart from how much it is.
    fn set_queue(&mut self, part: Part, lengths: Vec<u8>) {
        let contents = lengths.iter().map(|_| self.next()).collect();
        self.set(part, contents);
        self.map.lengths[part as usize] = lengths;
    }

    fn set_io(&mut self, objects: &[u8]) {
        let io = &self.program.io;
        let blocks: Vec<u8> = (0..io.block_count()).map(|_| self.next()).collect();
        self.set(Part::StatusBlocks, blocks);
        let irps = (0..io.block_count()).map(|_| self.next()).collect();
        self.set(Part::Irps, irps);
        let files = io.files.iter().map(|file| objects[file.object.index()]);
        self.set(Part::FileIrps, files.collect());
        let devices = io.devices.iter().map(|device| objects[device.object.index()]);
        self.set(Part::DeviceQueues, devices.collect());
        let pipes: Vec<u8> = io.pipes.iter().map(|pipe| objects[pipe.object.index()]).collect();
        let ends: Vec<u8> = pipes.iter().flat_map(|pipe| [*pipe, *pipe]).collect();
        for part in [Part::PipeReads, Part::PipeData, Part::PipeListens] {
            self.set(part, ends.clone());
        }
        self.set(Part::Pipes, pipes);
        let mut ports = vec![SYSTEM; io.ports.len()];
        for object in self.program.kernel.object_ids() {
            if let DispatcherObject::Port(port) = self.program.kernel.object(object) {
                ports[usize::from(port.slot)] = objects[object.index()];
            }
        }
        self.set_queue(Part::Packets, ports.clone());
        self.set(Part::Removers, ports);
        let activity = io.ports.iter().map(|_| self.next()).collect();
        self.set(Part::Activity, activity);
        if self.program.kernel.has_io() {
            // Of a process it matters how many of its threads are left, not which.
            let process_count = io.thread_processes.iter().max().map_or(1, |last| last + 1);
            let processes: Vec<u8> = (0..process_count).map(|_| self.next()).collect();
            let liveness =
                io.thread_processes.iter().map(|process| processes[usize::from(*process)]);
            self.set(Part::Liveness, liveness.collect());
        }
    }

    fn set_kernel_mode(&mut self, objects: &[u8]) {
        let setup = &self.program.kernel_mode;
        let kapcs = setup.kapcs.iter().map(|_| self.next()).collect();
        self.set(Part::Kapcs, kapcs);
        let dpcs = setup.dpcs.iter().map(|dpc| objects[dpc.thread.index()]).collect();
        self.set(Part::Dpcs, dpcs);
        let timers = self.program.timers.iter().map(|timer| objects[timer.index()]).collect();
        self.set(Part::TimerDpcs, timers);
        let spin_locks = setup.spin_locks.iter().map(|_| self.next()).collect();
        self.set(Part::SpinLocks, spin_locks);
        let of = |mutex: &FastMutexSetup| objects[mutex.object.index()];
        self.set(Part::FastMutexes, setup.fast_mutexes.iter().map(of).collect());
    }

    /// Results of one thread's calls belong to that thread; those of others are apart.
    fn set_seen(&mut self, threads: &[u8]) {
        let program = self.program;
        let owner = |builder: &mut Self, label: LabelId| {
            let all = program.calls.iter().filter(|call| call.label == Some(label)).count();
            let count = |user: &ThreadId| builder.call_count(*user, label);
            let user = program.thread_ids().find(|user| count(user) == all);
            user.map_or_else(|| builder.next(), |user| threads[user.index()])
        };
        let labels: Vec<u8> = program.label_ids().map(|label| owner(self, label)).collect();
        let conditions = program.conditions.iter().map(|c| labels[c.label.index()]).collect();
        self.set(Part::Told, labels.clone());
        self.set(Part::Lengths, labels.into_iter().chain(threads.iter().copied()).collect());
        self.set(Part::Conditions, conditions);
    }

    /// How many of a thread's own steps are calls with a label.
    fn call_count(&self, thread: ThreadId, label: LabelId) -> usize {
        let mut pc: Pc = self.program.threads[thread.index()].entry;
        let mut count = 0;
        loop {
            match self.program.instruction(pc) {
                Instruction::End => return count,
                Instruction::Call(call) if self.program.call(call).label == Some(label) => {
                    count += 1;
                }
                _ => {}
            }
            pc += 1;
        }
    }
}

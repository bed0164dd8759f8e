//! The I/O manager and its devices: file objects, request packets, completion, cancellation,
//! completion ports.
//!
//! A request's way: a system service ([`issue`]) builds an IRP ([`irp`]) and sends it down the
//! device stack to a device ([`device`], [`pipe`]). Some driver completes it: the first stage
//! walks back up the stack in whatever context, the second stage writes the status block and
//! notifies, in the context of the issuing thread ([`complete`]). [`cancel`] asks for an early
//! end, [`mod@file`] closes handles, [`port`] hands packets to threads.

pub mod cancel;
pub mod complete;
pub mod device;
pub mod exit;
pub mod file;
pub mod irp;
pub mod issue;
pub mod overlapped;
pub mod pipe;
pub mod port;
mod service;
pub mod setup;

use crate::ids::{BlockId, IrpId, ThreadId};
use crate::ke::Kernel;
use crate::lists::Lists;
use alertable_traces::status::NtStatus;
use irp::Irp;
use pipe::{Chunk, PipeState};
use port::Packet;
use setup::IoSetup;
use std::hash::{Hash, Hasher};

/// An I/O status block, or the part of an OVERLAPPED that is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatusBlock {
    /// The status (`OVERLAPPED.Internal`).
    pub status: NtStatus,
    /// Bytes transferred, mostly (`OVERLAPPED.InternalHigh`).
    pub information: u32,
    /// Something has been written to it, or it was zeros to begin with.
    pub written: bool,
}

/// Why the system stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BugCheck {
    /// MULTIPLE_IRP_COMPLETE_REQUESTS (0x44): a completed request was completed again (IRP-30).
    MultipleIrpCompleteRequests,
    /// CANCEL_STATE_IN_COMPLETED_IRP (0x48): a completed request still had a cancel routine
    /// (CAN-07).
    CancelStateInCompletedIrp,
}

/// What the I/O manager and the devices keep.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Io {
    /// The status blocks.
    pub(crate) blocks: Vec<StatusBlock>,
    /// The request packets that exist, by id.
    pub(crate) irps: Vec<Irp>,
    /// The requests on each thread's list, newest first (IRP-07).
    pub(crate) thread_irps: Lists<IrpId>,
    /// The thread-agnostic requests on each file's list, newest first (IRP-08).
    pub(crate) file_irps: Lists<IrpId>,
    /// The requests that each device completes on demand, oldest first.
    pub(crate) device_queues: Lists<IrpId>,
    /// The completed requests of each thread whose second stage is to come, oldest first.
    pub(crate) kernel_apcs: Lists<IrpId>,
    /// The reads pending at each end of the pipes, oldest first.
    pub(crate) pipe_reads: Lists<IrpId>,
    /// What each end of the pipes has written and the other has not read, oldest first.
    pub(crate) pipe_data: Lists<Chunk>,
    /// The listens pending at each end of the pipes.
    pub(crate) pipe_listens: Lists<IrpId>,
    /// The states of the pipes.
    pub(crate) pipes: Vec<PipeState>,
    /// The packets queued at each port, oldest first.
    pub(crate) packets: Lists<Packet>,
    /// The threads that wait for a packet at each port, newest last.
    pub(crate) removers: Lists<ThreadId>,
    /// The packets that each thread has been handed and has not returned with.
    pub(crate) received: Lists<Packet>,
    /// The system has stopped.
    pub(crate) bug_check: Option<BugCheck>,
}

impl Io {
    /// Before the first request.
    pub(crate) fn new(setup: &IoSetup, thread_count: usize) -> Self {
        let ends = setup.pipes.len() * 2;
        Io {
            blocks: setup.first_blocks(),
            irps: Vec::new(),
            thread_irps: Lists::new(thread_count),
            file_irps: Lists::new(setup.files.len()),
            device_queues: Lists::new(setup.devices.len()),
            kernel_apcs: Lists::new(thread_count),
            pipe_reads: Lists::new(ends),
            pipe_data: Lists::new(ends),
            pipe_listens: Lists::new(ends),
            pipes: setup.pipes.iter().map(|pipe| pipe.first_state).collect(),
            packets: Lists::new(setup.ports.len()),
            removers: Lists::new(setup.ports.len()),
            received: Lists::new(thread_count),
            bug_check: None,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self)
            + size_of_val(&*self.blocks)
            + size_of_val(&*self.irps)
            + self.thread_irps.heap_bytes()
            + self.file_irps.heap_bytes()
            + self.device_queues.heap_bytes()
            + self.kernel_apcs.heap_bytes()
            + self.pipe_reads.heap_bytes()
            + self.pipe_data.heap_bytes()
            + self.pipe_listens.heap_bytes()
            + size_of_val(&*self.pipes)
            + self.packets.heap_bytes()
            + self.removers.heap_bytes()
            + self.received.heap_bytes()
    }

    /// A status block.
    pub fn block(&self, block: BlockId) -> StatusBlock {
        self.blocks[block.index()]
    }

    /// The status blocks, those of requests that name none last.
    pub fn blocks(&self) -> &[StatusBlock] {
        &self.blocks
    }

    /// The request packets that exist.
    pub fn irps(&self) -> &[Irp] {
        &self.irps
    }

    /// The requests on a thread's list, newest first.
    pub fn thread_irps(&self, thread: ThreadId) -> &[IrpId] {
        self.thread_irps.get(thread.index())
    }

    /// The completed requests of a thread whose second stage is to come.
    pub fn kernel_apcs(&self, thread: ThreadId) -> &[IrpId] {
        self.kernel_apcs.get(thread.index())
    }

    /// The packets queued at a port, oldest first.
    pub fn packets(&self, port: usize) -> &[Packet] {
        self.packets.get(port)
    }

    /// The threads that wait for a packet at a port, newest last.
    pub fn removers(&self, port: usize) -> &[ThreadId] {
        self.removers.get(port)
    }

    /// The packets that a thread has been handed and has not returned with.
    pub fn received(&self, thread: ThreadId) -> &[Packet] {
        self.received.get(thread.index())
    }

    /// Whether a thread-agnostic request is on its file's list.
    pub(crate) fn file_irps_contain(&self, irp: IrpId) -> bool {
        self.file_irps.items().contains(&irp)
    }

    /// Why the system has stopped, if it has.
    pub fn bug_check(&self) -> Option<BugCheck> {
        self.bug_check
    }
}

impl Clone for Io {
    fn clone(&self) -> Self {
        Io {
            blocks: self.blocks.clone(),
            irps: self.irps.clone(),
            thread_irps: self.thread_irps.clone(),
            file_irps: self.file_irps.clone(),
            device_queues: self.device_queues.clone(),
            kernel_apcs: self.kernel_apcs.clone(),
            pipe_reads: self.pipe_reads.clone(),
            pipe_data: self.pipe_data.clone(),
            pipe_listens: self.pipe_listens.clone(),
            pipes: self.pipes.clone(),
            packets: self.packets.clone(),
            removers: self.removers.clone(),
            received: self.received.clone(),
            bug_check: self.bug_check,
        }
    }

    fn clone_from(&mut self, source: &Self) {
        let Io {
            blocks,
            irps,
            thread_irps,
            file_irps,
            device_queues,
            kernel_apcs,
            pipe_reads,
            pipe_data,
            pipe_listens,
            pipes,
            packets,
            removers,
            received,
            bug_check,
        } = source;
        self.blocks.clone_from(blocks);
        self.irps.clone_from(irps);
        self.thread_irps.clone_from(thread_irps);
        self.file_irps.clone_from(file_irps);
        self.device_queues.clone_from(device_queues);
        self.kernel_apcs.clone_from(kernel_apcs);
        self.pipe_reads.clone_from(pipe_reads);
        self.pipe_data.clone_from(pipe_data);
        self.pipe_listens.clone_from(pipe_listens);
        self.pipes.clone_from(pipes);
        self.packets.clone_from(packets);
        self.removers.clone_from(removers);
        self.received.clone_from(received);
        self.bug_check = *bug_check;
    }
}

// Most lists are empty in most states: one word says which are not.
impl Hash for Io {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let id_lists = [
            &self.thread_irps,
            &self.file_irps,
            &self.device_queues,
            &self.kernel_apcs,
            &self.pipe_reads,
            &self.pipe_listens,
        ];
        let bit = |set: bool, at: u32| u64::from(set) << at;
        let mut present = bit(self.pipe_data.total() > 0, 6)
            | bit(self.packets.total() > 0, 7)
            | bit(self.removers.total() > 0, 8)
            | bit(self.received.total() > 0, 9)
            | bit(self.bug_check.is_some(), 10);
        for (at, list) in id_lists.iter().enumerate() {
            present |= bit(list.total() > 0, at as u32);
        }
        state.write_u64(present | (self.irps.len() as u64) << 32);
        for block in &self.blocks {
            let word = u64::from(block.status.0) << 32 | u64::from(block.information);
            state.write_u64(word.rotate_left(1) ^ u64::from(block.written));
        }
        self.irps.iter().for_each(|irp| irp.hash(state));
        self.pipes.iter().for_each(|pipe| pipe.hash(state));
        id_lists.iter().filter(|list| list.total() > 0).for_each(|list| list.hash(state));
        if self.pipe_data.total() > 0 {
            self.pipe_data.hash(state);
        }
        if self.packets.total() > 0 {
            self.packets.hash(state);
        }
        if self.removers.total() > 0 {
            self.removers.hash(state);
        }
        if self.received.total() > 0 {
            self.received.hash(state);
        }
        if let Some(bug_check) = self.bug_check {
            state.write_u64(bug_check as u64);
        }
    }
}

impl Kernel {
    /// What the I/O manager keeps.
    ///
    /// # Panics
    /// When the program has no files, ports or status blocks; check with [`Kernel::has_io`].
    pub fn io(&self) -> &Io {
        self.io.as_deref().expect("only programs with I/O ask for it")
    }

    pub(crate) fn io_mut(&mut self) -> &mut Io {
        self.io.as_deref_mut().expect("only programs with I/O ask for it")
    }

    /// Whether the program has files, ports or status blocks.
    pub fn has_io(&self) -> bool {
        self.io.is_some()
    }

    /// Whether second stages of a thread's requests are to come.
    pub(crate) fn has_io_apc(&self, thread: ThreadId) -> bool {
        self.io.as_deref().is_some_and(|io| !io.kernel_apcs.is_empty(thread.index()))
    }
}

//! The I/O manager and its devices: file objects, request packets, completion, cancellation,
//! completion ports.
//!
//! A request's way: a system service ([`issue`]) builds an IRP ([`irp`]) and sends it down the
//! device stack to a device ([`device`], [`pipe`]). Some driver completes it: the first stage
//! walks back up the stack in whatever context, the second stage writes the status block and
//! notifies, in the context of the issuing thread ([`complete`]). [`cancel`] asks for an early
//! end, [`mod@file`] closes handles, [`port`] hands packets to threads.

mod associated;
pub mod cancel;
mod cleanup;
pub mod complete;
pub mod device;
pub mod driver;
pub mod dservice;
pub mod exit;
pub mod file;
pub mod irp;
pub mod issue;
pub mod overlapped;
mod own_irp;
pub mod packet;
pub mod pipe;
pub mod port;
mod service;
pub mod setup;

use crate::ids::{BlockId, IrpId, ThreadId};
use crate::ke::Kernel;
use crate::lists::Lists;
use crate::parts::{Aspect, Entry, Key, Marks, Part, Parts, StatePart, state_parts};
use crate::records::Records;
use alertable_traces::status::NtStatus;
use irp::Irp;
use pipe::{Chunk, PipeState};
use port::Packet;
use setup::IoSetup;

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

impl Entry for StatusBlock {
    fn digest(&self, key: Key) -> u64 {
        let result = u64::from(self.status.0) << 32 | u64::from(self.information);
        key.hash_pair(result, u64::from(self.written))
    }
}

/// Why the system stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BugCheck {
    /// MULTIPLE_IRP_COMPLETE_REQUESTS (0x44): a completed request was completed again (IRP-30).
    MultipleIrpCompleteRequests,
    /// CANCEL_STATE_IN_COMPLETED_IRP (0x48): a completed request still had a cancel routine
    /// (CAN-07).
    CancelStateInCompletedIrp,
    /// APC_INDEX_MISMATCH (0x01): a thread returned to user mode with APCs disabled, or attached to
    /// another process (APC-K-24).
    ApcIndexMismatch,
    /// INVALID_PROCESS_ATTACH_ATTEMPT (0x05): a kernel APC or a thread ended attached to another
    /// process (APC-K-11).
    InvalidProcessAttachAttempt,
    /// INVALID_PROCESS_DETACH_ATTEMPT (0x06): a thread that is not attached detached, or one with
    /// APCs left (APC-S-10).
    InvalidProcessDetachAttempt,
    /// IRQL_NOT_GREATER_OR_EQUAL (0x09): a level was raised to a lower one.
    IrqlNotGreaterOrEqual,
    /// IRQL_NOT_LESS_OR_EQUAL (0x0A): something was called at too high a level.
    IrqlNotLessOrEqual,
    /// SPIN_LOCK_ALREADY_OWNED (0x0F): a spin lock was acquired by who holds it.
    SpinLockAlreadyOwned,
    /// SPIN_LOCK_NOT_OWNED (0x10): a spin lock was released by who does not hold it.
    SpinLockNotOwned,
    /// NO_MORE_IRP_STACK_LOCATIONS (0x35): a request packet was passed on beyond its last stack
    /// location (IRP-02).
    NoMoreIrpStackLocations,
    /// KERNEL_APC_PENDING_DURING_EXIT (0x20): a thread ended with APCs disabled, or with kernel
    /// APCs left (APC-K-24, THR-38).
    KernelApcPendingDuringExit,
    /// IRQL_GT_ZERO_AT_SYSTEM_SERVICE (0x4A): a thread returned to user mode at a raised level.
    IrqlGtZeroAtSystemService,
    /// ATTEMPTED_SWITCH_FROM_DPC (0xB8): a DPC waited.
    AttemptedSwitchFromDpc,
    /// IRQL_UNEXPECTED_VALUE (0xC8): a kernel routine returned at another level (APC-K-11).
    IrqlUnexpectedValue,
    /// THREAD_TERMINATE_HELD_MUTEX (0x4000008A): a thread ended owning a kernel mutex (WAIT-69).
    ThreadTerminateHeldMutex,
}

impl BugCheck {
    /// Its name and number.
    pub fn entry(self) -> (&'static str, u32) {
        match self {
            BugCheck::MultipleIrpCompleteRequests => ("MULTIPLE_IRP_COMPLETE_REQUESTS", 0x44),
            BugCheck::CancelStateInCompletedIrp => ("CANCEL_STATE_IN_COMPLETED_IRP", 0x48),
            BugCheck::ApcIndexMismatch => ("APC_INDEX_MISMATCH", 0x01),
            BugCheck::InvalidProcessAttachAttempt => ("INVALID_PROCESS_ATTACH_ATTEMPT", 0x05),
            BugCheck::InvalidProcessDetachAttempt => ("INVALID_PROCESS_DETACH_ATTEMPT", 0x06),
            BugCheck::IrqlNotGreaterOrEqual => ("IRQL_NOT_GREATER_OR_EQUAL", 0x09),
            BugCheck::IrqlNotLessOrEqual => ("IRQL_NOT_LESS_OR_EQUAL", 0x0A),
            BugCheck::SpinLockAlreadyOwned => ("SPIN_LOCK_ALREADY_OWNED", 0x0F),
            BugCheck::SpinLockNotOwned => ("SPIN_LOCK_NOT_OWNED", 0x10),
            BugCheck::NoMoreIrpStackLocations => ("NO_MORE_IRP_STACK_LOCATIONS", 0x35),
            BugCheck::KernelApcPendingDuringExit => ("KERNEL_APC_PENDING_DURING_EXIT", 0x20),
            BugCheck::IrqlGtZeroAtSystemService => ("IRQL_GT_ZERO_AT_SYSTEM_SERVICE", 0x4A),
            BugCheck::AttemptedSwitchFromDpc => ("ATTEMPTED_SWITCH_FROM_DPC", 0xB8),
            BugCheck::IrqlUnexpectedValue => ("IRQL_UNEXPECTED_VALUE", 0xC8),
            BugCheck::ThreadTerminateHeldMutex => ("THREAD_TERMINATE_HELD_MUTEX", 0x4000_008A),
        }
    }
}

impl Entry for Option<BugCheck> {
    fn digest(&self, key: Key) -> u64 {
        key.hash(self.map_or(0, |bug_check| bug_check as u64 + 1))
    }
}

/// What the I/O manager and the devices keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Io {
    /// The status blocks.
    pub(crate) blocks: Records<StatusBlock>,
    /// The request packets that exist, by the status block that names them and by id.
    pub(crate) irps: Lists<Irp>,
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
    pub(crate) pipes: Records<PipeState>,
    /// The packets queued at each port, oldest first.
    pub(crate) packets: Lists<Packet>,
    /// The threads that wait for a packet at each port, newest last.
    pub(crate) removers: Lists<ThreadId>,
    /// The packets that each thread has been handed and has not returned with.
    pub(crate) received: Lists<Packet>,
    /// At which ports it was looked at how many threads are active.
    pub(crate) activity_looked_at: Marks,
    /// Whether it was looked at which threads are left.
    pub(crate) liveness_looked_at: Marks,
    /// The system has stopped.
    pub(crate) bug_check: Records<Option<BugCheck>>,
}

impl Io {
    /// Before the first request.
    pub(crate) fn new(setup: &IoSetup, thread_count: usize) -> Self {
        let ends = setup.pipes.len() * 2;
        let first_states = setup.pipes.iter().map(|pipe| pipe.first_state);
        Io {
            blocks: Records::new(Part::StatusBlocks, setup.first_blocks()),
            irps: Lists::new(Part::Irps, setup.block_count()),
            thread_irps: Lists::new(Part::ThreadIrps, thread_count),
            file_irps: Lists::new(Part::FileIrps, setup.files.len()),
            device_queues: Lists::new(Part::DeviceQueues, setup.devices.len()),
            kernel_apcs: Lists::new(Part::KernelApcs, thread_count),
            pipe_reads: Lists::new(Part::PipeReads, ends),
            pipe_data: Lists::new(Part::PipeData, ends),
            pipe_listens: Lists::new(Part::PipeListens, ends),
            pipes: Records::new(Part::Pipes, first_states.collect()),
            packets: Lists::new(Part::Packets, setup.ports.len()),
            removers: Lists::new(Part::Removers, setup.ports.len()),
            received: Lists::new(Part::Received, thread_count),
            activity_looked_at: Marks::default(),
            liveness_looked_at: Marks::default(),
            bug_check: Records::new(Part::BugCheck, vec![None]),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self) + self.own_heap_bytes()
    }

    /// As [`Kernel::copy_parts`].
    pub(crate) fn copy_parts(&mut self, source: &Self, parts: Parts) {
        self.copy_own_parts(source, parts);
    }

    /// As [`Kernel::differing_parts`].
    pub(crate) fn differing_parts(&self, other: &Self) -> Parts {
        self.differing_own_parts(other)
    }

    /// As [`Kernel::take_touched`].
    pub(crate) fn take_touched(&mut self) -> Parts {
        self.take_own_touched()
    }

    /// As [`Kernel::settle`].
    pub(crate) fn settle(&mut self, parts: Parts, on_change: impl FnMut(Part, Aspect, usize, u64)) {
        self.settle_own_parts(parts, on_change);
    }

    /// As [`Kernel::take_marks`].
    pub(crate) fn take_marks(&self, mut on_marked: impl FnMut(Part, Aspect, usize)) {
        let port_count = self.packets.list_count();
        self.activity_looked_at
            .take(port_count, |port| on_marked(Part::Activity, Aspect::Content, port));
        let thread_count = self.kernel_apcs.list_count();
        self.liveness_looked_at
            .take(thread_count, |thread| on_marked(Part::Liveness, Aspect::Content, thread));
        self.take_own_marks(on_marked);
    }

    /// As [`Kernel::clear_marks`].
    pub(crate) fn clear_marks(&mut self) {
        self.activity_looked_at.clear();
        self.liveness_looked_at.clear();
        self.clear_own_marks();
    }

    /// As [`Kernel::digest`].
    pub(crate) fn digest(&self) -> u64 {
        self.own_digest()
    }

    /// A status block.
    pub fn block(&self, block: BlockId) -> StatusBlock {
        self.blocks[block.index()]
    }

    /// The status blocks, those of requests that name none last.
    pub fn blocks(&self) -> impl Iterator<Item = &StatusBlock> {
        self.blocks.iter()
    }

    /// The request packets that exist.
    pub fn irps(&self) -> &[Irp] {
        self.irps.items()
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

    /// Why the system has stopped, if it has.
    pub fn bug_check(&self) -> Option<BugCheck> {
        self.bug_check[0]
    }
}

state_parts!(Io {
    blocks: StatusBlocks,
    irps: Irps,
    thread_irps: ThreadIrps,
    file_irps: FileIrps,
    device_queues: DeviceQueues,
    kernel_apcs: KernelApcs,
    pipe_reads: PipeReads,
    pipe_data: PipeData,
    pipe_listens: PipeListens,
    pipes: Pipes,
    packets: Packets,
    removers: Removers,
    received: Received,
    bug_check: BugCheck,
});

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

    /// How many second stages are queued to a thread.
    pub fn second_stage_count(&self, thread: ThreadId) -> usize {
        if self.has_io() { self.io().kernel_apcs.len(thread.index()) } else { 0 }
    }

    /// Whether second stages of a thread's requests are to come.
    pub(crate) fn has_io_apc(&self, thread: ThreadId) -> bool {
        self.io.as_deref().is_some_and(|io| !io.kernel_apcs.is_empty(thread.index()))
    }
}

//! Request packets as drivers see them, with their stack locations; and what a driver's routine has
//! done with one.

use crate::ids::{BlockId, IrpId, IrpVarId, ObjectId, RoutineId, ThreadId};
use crate::parts::{Entry, Key};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

/// The most stack locations of a request packet.
pub const STACK_COUNT_MAX: usize = 4;

/// A request packet, as drivers name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum IrpRef {
    /// One of the I/O manager's, for a system service.
    Service(IrpId),
    /// One that a driver has built; named by where its address was kept first.
    Own(IrpVarId),
    /// The cleanup of a file (IRP_MJ_CLEANUP).
    Cleanup(ObjectId),
}

impl IrpRef {
    fn word(self) -> u64 {
        match self {
            IrpRef::Service(irp) => u64::from(irp.0) << 2,
            IrpRef::Own(var) => 1 | u64::from(var.0) << 2,
            IrpRef::Cleanup(file) => 2 | u64::from(file.0) << 2,
        }
    }
}

impl Entry for IrpRef {
    fn digest(&self, key: Key) -> u64 {
        key.hash(self.word())
    }
}

impl Entry for Option<IrpRef> {
    fn digest(&self, key: Key) -> u64 {
        key.hash(self.map_or(0, |irp| irp.word() + 1))
    }
}

/// A stack location (IO_STACK_LOCATION).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Location {
    /// The device that it is for, by its number, and one more; 0 for none.
    pub device: u8,
    /// The completion routine of the driver above.
    pub routine: Option<RoutineId>,
    /// When that runs: on success, on error, on cancellation.
    pub cases: [bool; 3],
    /// SL_PENDING_RETURNED.
    pub pending: bool,
}

/// How a request packet came to be, which decides who frees it (IRP-03).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A system service, or IoBuildDeviceIoControlRequest: the I/O manager frees it.
    Threaded(ThreadId),
    /// IoAllocateIrp, IoBuildAsynchronousFsdRequest: its driver frees it.
    Unthreaded(ThreadId),
}

/// A request packet, as drivers see it (IRP).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverIrp {
    /// Its name.
    pub name: IrpRef,
    /// How it came to be.
    pub origin: Origin,
    /// How many stack locations it has.
    pub stack_count: u8,
    /// The current one, counted from 1 at the bottom; one past the top at first.
    pub current: u8,
    /// The stack locations, the bottom one first.
    pub locations: [Location; STACK_COUNT_MAX],
    /// What the driver below has marked (PendingReturned).
    pub pending_returned: bool,
    /// Its cancellation was asked for (Cancel).
    pub cancel: bool,
    /// The cancel routine.
    pub cancel_routine: Option<RoutineId>,
    /// The cancel routine of a cancel-safe queue, which holds it.
    pub csq: bool,
    /// IoStatus.Status.
    pub status: NtStatus,
    /// IoStatus.Information.
    pub information: u32,
    /// Its walk up the stack is over.
    pub is_completed: bool,
    /// Where its result is written; for those of system services their own record says it.
    pub block: Option<BlockId>,
    /// What completion signals.
    pub event: Option<ObjectId>,
    /// The packet that it is a part of (IRP-32).
    pub master: Option<IrpRef>,
    /// How often the thread that built it was attached to another process (ApcEnvironment).
    pub attach_depth: u8,
    /// How many parts of it are not complete (AssociatedIrp.IrpCount).
    pub part_count: u8,
}

impl Entry for DriverIrp {
    fn digest(&self, key: Key) -> u64 {
        let DriverIrp {
            name,
            origin,
            stack_count,
            current,
            locations,
            pending_returned,
            cancel,
            cancel_routine,
            csq,
            status,
            information,
            is_completed,
            block,
            event,
            master,
            attach_depth,
            part_count,
        } = *self;
        let routine = |routine: Option<RoutineId>| routine.map_or(0, |r| u64::from(r.0) + 1);
        let origin = match origin {
            Origin::Threaded(thread) => u64::from(thread.0) << 1,
            Origin::Unthreaded(thread) => 1 | u64::from(thread.0) << 1,
        };
        let flags = u64::from(pending_returned)
            | u64::from(cancel) << 1
            | u64::from(csq) << 2
            | u64::from(is_completed) << 3
            | u64::from(stack_count) << 4
            | u64::from(current) << 8
            | origin << 16
            | routine(cancel_routine) << 32;
        let mut sum = key.hash_pair(name.word(), flags);
        let mut key = key.next();
        let result = u64::from(status.0) << 32 | u64::from(information);
        let block = block.map_or(0, |block| u64::from(block.0) + 1);
        let event = event.map_or(0, |event| u64::from(event.0) + 1);
        sum = sum.wrapping_add(key.hash_pair(result, block << 32 | event));
        let master = master.map_or(0, |master| master.word() + 1);
        key = key.next();
        sum = sum.wrapping_add(
            key.hash_pair(master, u64::from(part_count) | u64::from(attach_depth) << 8),
        );
        for location in locations {
            key = key.next();
            let Location { device, routine: completion, cases, pending } = location;
            let cases = cases.iter().fold(0, |bits, case| bits << 1 | u64::from(*case));
            let word = u64::from(device) | cases << 8 | u64::from(pending) << 11;
            sum = sum.wrapping_add(key.hash_pair(word, routine(completion)));
        }
        sum
    }
}

/// Which routine of a driver runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DriverRoutine {
    /// The dispatch routine, for a system service.
    ServiceDispatch,
    /// The dispatch routine, for an IoCallDriver.
    Dispatch,
    /// The StartIo routine, at DISPATCH_LEVEL.
    StartIo,
    /// A completion routine, in the walk up the stack of an IoCompleteRequest.
    Completion,
    /// The cancel routine, for an IoCancelIrp.
    Cancel,
    /// The cancel routine, for a system service or the end of a thread.
    ServiceCancel,
    /// The cleanup routine, for the last handle of a file.
    ServiceCleanup,
}

/// What a driver's routine has done with its request packet so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverFrame {
    /// Which routine it is.
    pub routine: DriverRoutine,
    /// The request packet that it was given.
    pub irp: IrpRef,
    /// Whose routine it is: a device by its number, and one more; 0 for the packet's originator.
    pub device: u8,
    /// What the latest IoCallDriver of the routine returned.
    pub forwarded: Option<NtStatus>,
    /// It has marked the packet pending.
    pub marked: bool,
    /// It has completed the packet, with this status.
    pub completed: Option<NtStatus>,
    /// It has put the packet where others find it.
    pub kept: bool,
    /// It has set up the stack location of the next driver.
    pub prepared: bool,
    /// It has done so by giving its own away (IoSkipCurrentIrpStackLocation).
    pub skipped: bool,
    /// What it returns.
    pub returns: Option<NtStatus>,
    /// The level to which a StartIo routine goes back.
    pub old_irql: Irql,
}

impl Entry for DriverFrame {
    fn digest(&self, key: Key) -> u64 {
        let DriverFrame {
            routine,
            irp,
            device,
            forwarded,
            marked,
            completed,
            kept,
            prepared,
            skipped,
            returns,
            old_irql,
        } = *self;
        let status = |status: Option<NtStatus>| status.map_or(0, |s| 1 | u64::from(s.0) << 1);
        let flags = routine as u64
            | u64::from(device) << 4
            | u64::from(marked) << 12
            | u64::from(kept) << 13
            | (old_irql as u64) << 14
            | u64::from(prepared) << 62
            | u64::from(skipped) << 63
            | irp.word() << 16;
        let sum = key.hash_pair(flags, status(forwarded));
        sum.wrapping_add(key.next().hash_pair(status(completed), status(returns)))
    }
}

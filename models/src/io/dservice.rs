//! What drivers call: the functions of the I/O manager.

use crate::ids::{BlockId, HandleId, IrpQueueId, IrpVarId, RoutineId};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

/// A request packet in a call: where its address is kept, or the one that the routine was given.
pub type IrpName = Option<IrpVarId>;

/// A function of the I/O manager with its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverService {
    /// IoAllocateIrp, IoBuildAsynchronousFsdRequest, IoBuildDeviceIoControlRequest.
    Allocate {
        /// Where its address is kept.
        var: IrpVarId,
        /// How many stack locations, if the call says it.
        stack_count: Option<u8>,
        /// The device that it is for, by its number.
        driver: Option<usize>,
        /// It belongs to the calling thread.
        threaded: bool,
        /// What completion signals.
        event: Option<HandleId>,
        /// Where its result is written.
        block: Option<BlockId>,
    },
    /// IoMakeAssociatedIrp.
    MakeAssociated {
        /// The master.
        irp: IrpName,
        /// Where the address of the part is kept.
        var: IrpVarId,
        /// How many stack locations it has.
        stack_count: u8,
    },
    /// The status block of a packet is written.
    SetStatus {
        /// Which packet.
        irp: IrpName,
        /// Its status.
        status: NtStatus,
        /// Bytes transferred.
        information: u32,
    },
    /// IoReuseIrp.
    Reuse {
        /// Which packet.
        irp: IrpName,
    },
    /// IoFreeIrp.
    Free {
        /// Which packet.
        irp: IrpName,
    },
    /// IoCallDriver.
    Call {
        /// Which packet.
        irp: IrpName,
        /// To which device, by its number.
        driver: usize,
    },
    /// IoCopyCurrentIrpStackLocationToNext.
    CopyToNext {
        /// Which packet.
        irp: IrpName,
    },
    /// IoSkipCurrentIrpStackLocation.
    SkipCurrent {
        /// Which packet.
        irp: IrpName,
    },
    /// IoSetCompletionRoutine.
    SetCompletionRoutine {
        /// Which packet.
        irp: IrpName,
        /// The routine.
        routine: Option<RoutineId>,
        /// On success, on error, on cancellation.
        cases: [bool; 3],
    },
    /// IoMarkIrpPending.
    MarkPending {
        /// Which packet.
        irp: IrpName,
        /// Only if the driver below has.
        if_pending: bool,
    },
    /// IoCompleteRequest.
    Complete {
        /// Which packet.
        irp: IrpName,
        /// Its status; the one that it has without.
        status: Option<NtStatus>,
        /// Bytes transferred.
        information: u32,
    },
    /// IoSetCancelRoutine.
    SetCancelRoutine {
        /// Which packet.
        irp: IrpName,
        /// The routine.
        routine: Option<RoutineId>,
    },
    /// IoCancelIrp.
    Cancel {
        /// Which packet.
        irp: IrpName,
    },
    /// A look at `Irp->Cancel`.
    IsCancelled {
        /// Which packet.
        irp: IrpName,
    },
    /// IoAcquireCancelSpinLock.
    AcquireCancelSpinLock,
    /// IoReleaseCancelSpinLock.
    ReleaseCancelSpinLock,
    /// An address is kept.
    Save {
        /// Which packet.
        irp: IrpName,
        /// Where.
        var: IrpVarId,
    },
    /// InsertTailList, IoCsqInsertIrp.
    Insert {
        /// Which packet.
        irp: IrpName,
        /// Which queue.
        queue: IrpQueueId,
        /// The queue is cancel-safe.
        cancel_safe: bool,
    },
    /// RemoveHeadList, IoCsqRemoveNextIrp.
    RemoveHead {
        /// Which queue.
        queue: IrpQueueId,
        /// Where the address is kept.
        var: IrpVarId,
        /// The queue is cancel-safe.
        cancel_safe: bool,
        /// Only one of the file that is cleaned up.
        of_file: bool,
    },
    /// RemoveEntryList.
    RemoveEntry {
        /// Which packet.
        irp: IrpName,
        /// Which queue.
        queue: IrpQueueId,
    },
    /// IoStartPacket.
    StartPacket {
        /// Which packet.
        irp: IrpName,
        /// Which device, by its number.
        driver: usize,
        /// The cancel routine that it gets.
        cancel: Option<RoutineId>,
    },
    /// IoStartNextPacket.
    StartNextPacket {
        /// Which device, by its number.
        driver: usize,
    },
    /// The routine returns.
    Return {
        /// With this; with what its latest IoCallDriver returned without.
        status: Option<NtStatus>,
        /// How many counted loops end with it.
        loops: u8,
    },
}

impl DriverService {
    /// The packet that it is about.
    pub(crate) fn irp(&self) -> Option<IrpName> {
        match *self {
            DriverService::Reuse { irp }
            | DriverService::MakeAssociated { irp, .. }
            | DriverService::SetStatus { irp, .. }
            | DriverService::Free { irp }
            | DriverService::Call { irp, .. }
            | DriverService::CopyToNext { irp }
            | DriverService::SkipCurrent { irp }
            | DriverService::SetCompletionRoutine { irp, .. }
            | DriverService::MarkPending { irp, .. }
            | DriverService::Complete { irp, .. }
            | DriverService::SetCancelRoutine { irp, .. }
            | DriverService::Cancel { irp }
            | DriverService::IsCancelled { irp }
            | DriverService::Save { irp, .. }
            | DriverService::Insert { irp, .. }
            | DriverService::StartPacket { irp, .. }
            | DriverService::RemoveEntry { irp, .. } => Some(irp),
            DriverService::Allocate { .. }
            | DriverService::AcquireCancelSpinLock
            | DriverService::ReleaseCancelSpinLock
            | DriverService::RemoveHead { .. }
            | DriverService::StartNextPacket { .. }
            | DriverService::Return { .. } => None,
        }
    }

    /// The highest level at which it may be called.
    pub(crate) fn limit(&self) -> Irql {
        match self {
            DriverService::Allocate { threaded: true, .. } => Irql::Passive,
            // No functions.
            DriverService::Return { .. }
            | DriverService::Save { .. }
            | DriverService::IsCancelled { .. }
            | DriverService::SetStatus { .. } => Irql::Device,
            _ => Irql::Dispatch,
        }
    }

    /// Whether it changes the packet, as only who has it may.
    pub(crate) fn changes_irp(&self) -> bool {
        !matches!(self, DriverService::Cancel { .. } | DriverService::IsCancelled { .. })
            && self.irp().is_some()
    }
}

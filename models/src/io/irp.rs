//! I/O request packets.

use super::BugCheck;
use super::setup::{FileSetup, Request};
use crate::deviation::Deviation;
use crate::event::{Event, IrpChange, Observer};
use crate::ids::{BlockId, IrpId, ObjectId, RequestId, ThreadId};
use crate::ke::wait::NEVER;
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::irp as rule;
use alertable_traces::status::NtStatus;

/// Who has a request packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum IrpPlace {
    /// A driver.
    Driver,
    /// Nobody: its walk up the stack is over and its second stage is to come.
    Completed,
    /// Its thread, as the user APC that it has become (IRP-53).
    Apc,
    /// A completion port, as the packet that it has become (IRP-55).
    Port,
}

/// An I/O request packet (IRP).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a bit of the system's own record")]
pub struct Irp {
    /// Its name.
    pub id: IrpId,
    /// What it asks, where it was issued, how its issuer is notified.
    pub request: RequestId,
    /// The thread that issued it.
    pub issuer: ThreadId,
    /// Who has it.
    pub place: IrpPlace,
    /// Some driver marked it pending, and that was not lost on the way up (PendingReturned).
    pub pended: bool,
    /// Its cancellation was asked for (Cancel).
    pub cancel: bool,
    /// Its owner can be asked to cancel it (CancelRoutine).
    pub cancel_routine: bool,
    /// It is on its file's list instead of its thread's (IRP-08).
    pub agnostic: bool,
    /// It was taken off the list of a thread that gave up waiting for it (EXIT-08).
    pub dissociated: bool,
    /// What it was completed with, or would be.
    pub status: NtStatus,
    /// Bytes transferred; for a pipe's pending write, those that are still to be read.
    pub information: u32,
    /// Milliseconds until its device completes it, or [`NEVER`].
    pub remaining_ms: u32,
}

impl Entry for Irp {
    fn digest(&self, key: Key) -> u64 {
        let Irp {
            id,
            request,
            issuer,
            place,
            pended,
            cancel,
            cancel_routine,
            agnostic,
            dissociated,
            status,
            information,
            remaining_ms,
        } = *self;
        let flags = place as u64
            | u64::from(pended) << 2
            | u64::from(cancel) << 3
            | u64::from(cancel_routine) << 4
            | u64::from(agnostic) << 5
            | u64::from(dissociated) << 6
            | u64::from(issuer.0) << 8
            | u64::from(id.0) << 16
            | u64::from(request.0) << 32;
        let rest = u64::from(information) << 32 | u64::from(remaining_ms);
        key.hash_pair(flags, rest).wrapping_add(key.next().hash(u64::from(status.0)))
    }
}

impl Kernel {
    /// A request packet.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn irp(&self, irp: IrpId) -> &Irp {
        let found = self.irps_of_block(irp.block()).find(|other| other.id == irp);
        found.expect("nothing refers to a request packet that is freed")
    }

    /// Changes a request packet.
    pub(crate) fn update_irp<R>(&mut self, irp: IrpId, update: impl FnOnce(&mut Irp) -> R) -> R {
        let at = self.irp_place(irp).expect("nothing refers to a request packet that is freed");
        self.io_mut().irps.update(irp.block().index(), at, update)
    }

    /// The request packets that will write a status block.
    pub(crate) fn irps_of_block(&self, block: BlockId) -> impl Iterator<Item = &Irp> {
        self.io().irps.get(block.index()).iter()
    }

    /// Where a request packet is among those that will write its status block.
    fn irp_place(&self, irp: IrpId) -> Option<usize> {
        self.irps_of_block(irp.block()).position(|other| other.id == irp)
    }

    /// Whether a request packet exists.
    pub(crate) fn has_irp(&self, irp: IrpId) -> bool {
        self.irp_place(irp).is_some()
    }

    /// What a request packet asks, and the file object that it was issued on.
    pub(crate) fn request_of<'a, O>(
        &self,
        cx: &Context<'a, O>,
        irp: IrpId,
    ) -> (&'a Request, &'a FileSetup, ObjectId) {
        let request = cx.io.request(self.irp(irp).request);
        let object = cx.handles[request.file.index()];
        (request, &cx.io.files[self.file_number(object)], object)
    }

    /// Allocates a request packet and links it to its list.
    ///
    /// IRP-06, IRP-07: before any driver sees it, at the head of the list.
    ///
    /// # Errors
    /// `STATUS_INSUFFICIENT_RESOURCES` when its status block is named by too many already.
    pub(crate) fn allocate_irp<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        issuer: ThreadId,
        request: RequestId,
        block: BlockId,
        agnostic: bool,
    ) -> Result<IrpId, NtStatus> {
        let id = (0..IrpId::PER_BLOCK)
            .map(|copy| IrpId::new(block, copy))
            .find(|id| !self.has_irp(*id))
            .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        cx.rules([rule::IRP_01, rule::IRP_06, rule::IRP_07, rule::IRP_09]);
        let in_use = self.irps_of_block(block).any(|irp| {
            matches!(irp.place, IrpPlace::Driver | IrpPlace::Completed)
                || (irp.place == IrpPlace::Port && irp.agnostic)
        });
        let irp = Irp {
            id,
            request,
            issuer,
            place: IrpPlace::Driver,
            pended: false,
            cancel: false,
            cancel_routine: false,
            agnostic,
            dissociated: false,
            status: NtStatus::SUCCESS,
            information: 0,
            remaining_ms: NEVER,
        };
        let at = self.irps_of_block(block).take_while(|other| other.id < id).count();
        self.io_mut().irps.insert(block.index(), at, irp);
        if agnostic {
            cx.rule(rule::IRP_08);
            let file = cx.handles[cx.io.request(request).file.index()];
            let slot = self.file_number(file);
            self.io_mut().file_irps.insert(slot, 0, id);
        } else {
            cx.rule(rule::IRP_03);
            self.io_mut().thread_irps.insert(issuer.index(), 0, id);
        }
        self.irp_event(cx, id, IrpChange::Allocated { in_use });
        Ok(id)
    }

    /// Takes a request packet off its list: it is not pending any more (IRP-53).
    pub(crate) fn unlink_irp<O>(&mut self, cx: &Context<'_, O>, irp: IrpId) {
        let Irp { issuer, agnostic, .. } = *self.irp(irp);
        if agnostic {
            let file = self.file_number(self.request_of(cx, irp).2);
            self.io_mut().file_irps.remove_from(file, |other| *other == irp);
        } else {
            self.io_mut().thread_irps.remove_from(issuer.index(), |other| *other == irp);
        }
    }

    /// Whether a thread-agnostic request is on its file's list.
    pub(crate) fn is_on_file_list<O>(&self, cx: &Context<'_, O>, irp: IrpId) -> bool {
        let file = self.file_number(self.request_of(cx, irp).2);
        self.io().file_irps.get(file).contains(&irp)
    }

    /// Frees a request packet. Its file may have nothing left that refers to it.
    pub(crate) fn free_irp<O: Observer>(&mut self, cx: &mut Context<'_, O>, irp: IrpId) {
        let (_, _, file) = self.request_of(cx, irp);
        if cx.deviates(Deviation::IrpNotFreed) {
            return;
        }
        self.irp_event(cx, irp, IrpChange::Freed);
        if cx.deviates(Deviation::CancelKeepsRequest) {
            self.take_from_queues(cx, irp);
        }
        if let Some(at) = self.irp_place(irp) {
            self.io_mut().irps.remove(irp.block().index(), at);
        }
        self.close_if_unreferenced(cx, file);
    }

    pub(crate) fn irp_event<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        irp: IrpId,
        change: IrpChange,
    ) {
        if O::LOOKS {
            let record = *self.irp(irp);
            cx.event(Event::Irp { irp, issuer: record.issuer, request: record.request, change });
        }
    }

    /// The system stops: a driver has broken its contract.
    pub(crate) fn bug_check<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        irp: IrpId,
        bug_check: BugCheck,
    ) {
        self.irp_event(cx, irp, IrpChange::BugCheck(bug_check));
        *self.io_mut().bug_check.get_mut(0) = Some(bug_check);
    }
}

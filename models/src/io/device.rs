//! Synthetic devices: what each model does with a request, a cleanup, a demand to complete.

use super::complete::Completer;
use super::irp::IrpPlace;
use super::setup::{FileTarget, Model};
use crate::event::{IrpChange, Observer};
use crate::ids::{BlockId, IrpId, ObjectId, ThreadId};
use crate::ke::{Context, Kernel};
use crate::rule::{cancel as can, device as dev, io, irp};
use alertable_traces::status::NtStatus;

impl Kernel {
    /// The dispatch routine of a device.
    pub(crate) fn dispatch_to_device<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        device: usize,
    ) -> NtStatus {
        let setup = &cx.io.devices[device];
        let (status, returns, faults) = (setup.status, setup.returns, setup.faults);
        let completer = Completer::thread(thread);
        match setup.model {
            Model::Immediate => {
                self.complete_as_set_up(cx, id, completer);
                returns.unwrap_or(status)
            }
            Model::Cached if !self.request_of(cx, id).1.overlapped => {
                cx.rule(dev::DEV_26);
                self.complete_as_set_up(cx, id, completer);
                returns.unwrap_or(status)
            }
            Model::Delay(0) | Model::Cached => {
                cx.rules([irp::IRP_15, dev::DEV_24, dev::DEV_25, io::IO_20, io::IO_21]);
                if status == NtStatus::END_OF_FILE {
                    cx.rule(io::IO_55);
                }
                self.mark_pending(cx, id);
                self.complete_as_set_up(cx, id, completer);
                if returns.is_some() {
                    cx.rules([irp::IRP_17, dev::DEV_35]);
                }
                returns.unwrap_or(NtStatus::PENDING)
            }
            Model::Driver(_) => unreachable!("its routines are the program's"),
            Model::Delay(_) | Model::Hold | Model::Eventual => {
                if faults.pends_unmarked {
                    cx.rules([irp::IRP_16, dev::DEV_35]);
                    let broken = "returned STATUS_PENDING for a request that is not marked so";
                    self.irp_event(cx, id, IrpChange::ContractBroken(broken));
                } else {
                    self.mark_pending(cx, id);
                }
                self.pend(cx, id, device);
                returns.unwrap_or(NtStatus::PENDING)
            }
        }
    }

    /// IRP-14: marks a request pending (IoMarkIrpPending).
    pub(crate) fn mark_pending<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        cx.rule(irp::IRP_14);
        self.update_irp(id, |irp| irp.pended = true);
        self.irp_event(cx, id, IrpChange::Pending);
    }

    /// Keeps a request for later: CAN-09, CAN-10, queued and cancellable in one step.
    fn pend<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId, device: usize) {
        let setup = &cx.io.devices[device];
        if setup.faults.ignores_cancel {
            cx.rule(dev::DEV_32);
        } else {
            cx.rules([can::CAN_09, can::CAN_10, dev::DEV_29, dev::DEV_31]);
            self.update_irp(id, |irp| irp.cancel_routine = true);
        }
        match setup.model {
            Model::Delay(ms) if !setup.faults.never_completes => {
                self.update_irp(id, |irp| irp.remaining_ms = ms);
            }
            Model::Hold => self.io_mut().device_queues.push(device, id),
            _ => {}
        }
    }

    /// Completes a request with what its device is set up for.
    fn complete_as_set_up<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        id: IrpId,
        completer: Completer,
    ) {
        let (request, file, _) = self.request_of(cx, id);
        let FileTarget::Device(device) = file.target else { return };
        let setup = &cx.io.devices[device];
        let transfers = !setup.status.is_error();
        let mut information = match setup.bytes {
            Some(bytes) => bytes,
            None if transfers => request.length,
            None => 0,
        };
        if setup.faults.information_too_long {
            information = request.length.saturating_add(1);
        }
        if transfers && information > request.length {
            cx.rule(dev::DEV_36);
            let broken = "reported more bytes than there was room for";
            self.irp_event(cx, id, IrpChange::ContractBroken(broken));
        }
        self.complete_irp(cx, id, setup.status, information, completer);
    }

    /// A device completes a request by itself: its time has come, or it just does.
    pub(crate) fn device_completes<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        cx.rules([can::CAN_08, dev::DEV_24, io::IO_54]);
        self.complete_as_set_up(cx, id, Completer::DPC);
    }

    /// A step makes a device complete its oldest request, or the one with this status block.
    ///
    /// # Errors
    /// `STATUS_NOT_FOUND` when there is none.
    pub(crate) fn complete_request<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        device: ObjectId,
        block: Option<BlockId>,
        status: NtStatus,
        bytes: u32,
    ) -> Result<(), NtStatus> {
        let device = cx.io.devices.iter().position(|setup| setup.object == device);
        let device = device.ok_or(NtStatus::OBJECT_TYPE_MISMATCH)?;
        if cx.io.devices[device].faults.never_completes {
            return Err(NtStatus::NOT_FOUND);
        }
        let of_device = |id: &IrpId| {
            self.irp(*id).place == IrpPlace::Driver
                && self.request_of(cx, *id).1.target == FileTarget::Device(device)
        };
        let named = |id: &IrpId| block.is_none_or(|block| id.block() == block);
        let queued = self.io().device_queues.get(device).iter().copied().find(named);
        let id = queued
            .or_else(|| {
                // Where requests are held, the queue has all of them.
                let is_held = cx.io.devices[device].model == Model::Hold;
                let irps = if is_held { &[] } else { self.io().irps() };
                irps.iter().map(|irp| irp.id).filter(of_device).find(named)
            })
            .ok_or(NtStatus::NOT_FOUND)?;
        cx.rules([can::CAN_08, can::CAN_11, dev::DEV_27, dev::DEV_29]);
        self.take_from_queues(cx, id);
        let request = self.request_of(cx, id).0;
        if !status.is_error() && bytes > request.length {
            cx.rule(dev::DEV_36);
            let broken = "reported more bytes than there was room for";
            self.irp_event(cx, id, IrpChange::ContractBroken(broken));
        }
        self.complete_irp(cx, id, status, bytes, Completer::thread(thread));
        Ok(())
    }

    /// A device's cleanup completes what is pending on the file object (CAN-28), unless it
    /// ignores it (CAN-30).
    pub(crate) fn clean_up_device<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        context: ThreadId,
        file: ObjectId,
        device: usize,
    ) {
        let driver = match cx.io.devices[device].model {
            Model::Driver(driver) => Some(driver),
            _ => None,
        };
        if driver.is_some_and(|driver| cx.kernel_mode.drivers[driver].cleanup.is_some()) {
            return self.begin_cleanup(cx, context, file, driver.unwrap_or_default());
        }
        if cx.io.devices[device].faults.ignores_cleanup || driver.is_some() {
            cx.rule(can::CAN_30);
            return;
        }
        for id in self.pending_irps_of(cx, file) {
            self.update_irp(id, |irp| irp.cancel_routine = false);
            self.take_from_queues(cx, id);
            self.complete_irp(cx, id, NtStatus::CANCELLED, 0, Completer::thread(context));
        }
    }
}

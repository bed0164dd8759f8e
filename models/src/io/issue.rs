//! Issuing requests: NtReadFile, NtWriteFile, NtFsControlFile, NtDeviceIoControlFile.

use super::irp::{Irp, IrpPlace};
use super::overlapped::TAKEN_FOR_AN_ERROR;
use super::setup::{FileTarget, Interface, Major, Model, Request, RequestContext};
use crate::deviation::Deviation;
use crate::event::{IrpChange, Observer};
use crate::ids::{BlockId, DatumId, IrpId, ObjectId, RequestId, ThreadId};
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::thread::{InService, ThreadState};
use crate::ke::wait::{NEVER, WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::ob::ObjectType;
use crate::rule::{device as dev, exit, io as rule, irp};
use crate::service::{ServiceOutcome, ServiceReturn};
use alertable_traces::status::NtStatus;

impl Kernel {
    /// IO-14: a Win32 function marks the OVERLAPPED of a request before the system call.
    pub(crate) fn mark_overlapped<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        request: &Request,
    ) {
        if let (Some(block), Interface::Overlapped) = (request.block, request.interface) {
            cx.rule(rule::IO_14);
            self.io_mut().blocks.get_mut(block.index()).status = NtStatus::PENDING;
        }
    }

    /// IO-09: the checks that come first, and the event is cleared, or the file's where there is
    /// none. Issuing makes the checks again, with the same result: see `Users::can_see_clear`.
    pub(crate) fn clear_event<O: Observer>(&mut self, cx: &mut Context<'_, O>, request: &Request) {
        if !request.marked_apart {
            self.mark_overlapped(cx, request);
        }
        let Ok(file) = self.check_request(cx, request) else { return };
        if let Some(event) = request.event {
            self.reset_event(cx, cx.handles[event.index()]);
        } else if !cx.deviates(Deviation::FileClearedWhenPending) {
            self.reset_file(cx, file);
        }
    }

    /// A thread issues a request.
    pub(crate) fn issue<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: RequestId,
    ) -> ServiceOutcome {
        let request = cx.io.request(id);
        if !request.marked_apart && !request.cleared_apart {
            self.mark_overlapped(cx, request);
        }
        let file = match self.check_request(cx, request) {
            Ok(file) => file,
            Err(status) => return ServiceOutcome::Returned(status.into()),
        };
        cx.rule(rule::IO_02);
        if cx.io.files[self.file_number(file)].overlapped {
            return self.issue_checked(cx, thread, id, file);
        }
        cx.rule(rule::IO_01);
        if request.routine.is_some() && request.interface == Interface::Overlapped {
            cx.rule(rule::IO_49);
        }
        self.thread_mut(thread).service = InService::Lock(file);
        match self.acquire_file_lock(cx, thread, file) {
            None => ServiceOutcome::InWait,
            Some(status) => self.issue_with_lock(cx, thread, id, status),
        }
    }

    /// The wait for the lock of a synchronous file object is over.
    ///
    /// IO-05: an APC or alert that ends it ends the service.
    pub(crate) fn issue_with_lock<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        request: RequestId,
        status: NtStatus,
    ) -> ServiceOutcome {
        self.thread_mut(thread).service = InService::None;
        if status != NtStatus::WAIT_0 {
            cx.rule(rule::IO_05);
            return ServiceOutcome::Returned(status.into());
        }
        let file = cx.handles[cx.io.request(request).file.index()];
        self.issue_checked(cx, thread, request, file)
    }

    /// IO-09: handle, port and APC, event; the event is cleared once both handles are valid
    /// (IO-10, IO-11).
    fn check_request<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        request: &Request,
    ) -> Result<ObjectId, NtStatus> {
        cx.rule(rule::IO_09);
        let file = self.reference(cx, request.file, ObjectType::File)?;
        let setup = &cx.io.files[self.file_number(file)];
        let is_disk = matches!(setup.target, FileTarget::Device(device)
            if cx.io.devices[device].model == Model::Cached);
        if is_disk && setup.overlapped && request.interface == Interface::Waiting {
            // An asynchronous file keeps no position.
            cx.rule(rule::IO_06);
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if request.routine.is_some() && self.file(file).port.is_some() {
            cx.rules([rule::IO_12, rule::IO_32, rule::IO_47]);
            if let Some(event) = request.event
                && cx.deviates(Deviation::RefusedRoutineClearsEvent)
                && let Ok(event) = self.reference(cx, event, ObjectType::Event)
            {
                self.reset_event(cx, event);
            }
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if let Some(event) = request.event {
            let event = self.reference(cx, event, ObjectType::Event).inspect_err(|_| {
                cx.rule(rule::IO_11);
            })?;
            cx.rule(rule::IO_10);
            if !request.cleared_apart {
                self.reset_event(cx, event);
            }
        }
        Ok(file)
    }

    /// Clears the file object's event, builds the request packet and sends it.
    fn issue_checked<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: RequestId,
        file: ObjectId,
    ) -> ServiceOutcome {
        let request = cx.io.request(id);
        let setup = cx.io.files[self.file_number(file)];
        if let FileTarget::Device(device) = setup.target
            && cx.io.devices[device].model == Model::Cached
            && !setup.overlapped
            && is_fast(request.major, cx.io.devices[device].status)
        {
            let status = self.fast_io(cx, thread, request, device, file);
            self.release_file_lock(cx, file);
            return ServiceOutcome::Returned(status);
        }
        let is_cleared = request.cleared_apart && request.event.is_none();
        if !is_cleared && !cx.deviates(Deviation::FileClearedWhenPending) {
            self.reset_file(cx, file);
        }
        let block = request.block.unwrap_or_else(|| cx.io.private_block(thread));
        let agnostic = setup.overlapped
            && self.file(file).port.is_some()
            && request.context != RequestContext::Null
            && request.event.is_none();
        let irp = match self.allocate_irp(cx, thread, id, block, agnostic) {
            Ok(irp) => irp,
            Err(status) => {
                self.release_file_lock(cx, file);
                return ServiceOutcome::Returned(status.into());
            }
        };
        if let FileTarget::Device(device) = setup.target
            && let Model::Driver(driver) = cx.io.devices[device].model
        {
            self.prepare_service_irp(cx, thread, irp, driver);
            return ServiceOutcome::Dispatches { irp, driver };
        }
        let status = self.send(cx, thread, irp, setup.target);
        if self.io().bug_check().is_some() {
            return ServiceOutcome::Returned(status.into());
        }
        if request.finished_apart && self.is_done(irp) && !status.is_error() {
            if cx.deviates(Deviation::FileClearedWhenPending) {
                self.reset_file(cx, file);
            }
            let here = self.thread_mut(thread);
            (here.service, here.state) = (InService::Finish, ThreadState::Woken(status));
            return ServiceOutcome::InWait;
        }
        if status != NtStatus::PENDING {
            let is_told_by_event = request.event.is_some()
                && (setup.overlapped || cx.deviates(Deviation::SynchronousFileNotSet));
            self.finish_inline(cx, irp);
            if cx.deviates(Deviation::FileClearedWhenPending)
                && !status.is_error()
                && is_told_by_event
            {
                // It was queued before it was served, and so cleared the event.
                self.reset_file(cx, file);
            }
        } else if cx.deviates(Deviation::FileClearedWhenPending)
            && self.has_irp(irp)
            && self.irp(irp).place == IrpPlace::Driver
        {
            self.reset_file(cx, file);
        }
        if setup.overlapped {
            self.return_from_asynchronous(cx, thread, request, file, status)
        } else {
            self.return_from_synchronous(cx, thread, request, file, status)
        }
    }

    /// The dispatch routine has returned some time ago, and others have seen what it did: the
    /// service goes on with the second stage (IRP-35).
    pub(crate) fn finish_apart<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: RequestId,
        status: NtStatus,
    ) -> ServiceOutcome {
        self.thread_mut(thread).service = InService::None;
        let request = cx.io.request(id);
        let block = request.block.unwrap_or_else(|| cx.io.private_block(thread));
        let is_own = |irp: &&Irp| irp.issuer == thread && irp.request == id && !irp.pended;
        let irp = self.irps_of_block(block).find(is_own).map(|irp| irp.id);
        if let Some(irp) = irp {
            self.finish_inline(cx, irp);
        }
        let file = cx.handles[request.file.index()];
        self.return_from_asynchronous(cx, thread, request, file, status)
    }

    /// The dispatch routine of a driver of the program has returned.
    pub(crate) fn dispatched<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: RequestId,
        status: NtStatus,
    ) -> ServiceOutcome {
        let request = cx.io.request(id);
        let file = cx.handles[request.file.index()];
        let setup = cx.io.files[self.file_number(file)];
        let block = request.block.unwrap_or_else(|| cx.io.private_block(thread));
        if status != NtStatus::PENDING
            && let Some(irp) = self.completed_irp_of(block, thread)
        {
            self.finish_inline(cx, irp);
        }
        if setup.overlapped {
            self.return_from_asynchronous(cx, thread, request, file, status)
        } else {
            self.return_from_synchronous(cx, thread, request, file, status)
        }
    }

    /// A thread's request that is complete and whose second stage is to come.
    fn completed_irp_of(&self, block: BlockId, thread: ThreadId) -> Option<IrpId> {
        let mut irps = self.irps_of_block(block);
        irps.find(|irp| irp.issuer == thread && irp.place == IrpPlace::Completed).map(|irp| irp.id)
    }

    /// Sends a request packet down its stack and returns what the dispatch routine returns.
    ///
    /// IRP-11, IRP-13: filters pass on what the driver below returns.
    fn send<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        irp: IrpId,
        target: FileTarget,
    ) -> NtStatus {
        cx.rules([irp::IRP_02, irp::IRP_11, irp::IRP_13]);
        match target {
            FileTarget::Device(device) => {
                let stack = &cx.io.devices[device].stack;
                for location in (1..=stack.len() as u8).rev() {
                    cx.rules([irp::IRP_12, dev::DEV_28]);
                    self.irp_event(cx, irp, IrpChange::Dispatched { location: location + 1 });
                }
                self.irp_event(cx, irp, IrpChange::Dispatched { location: 1 });
                self.dispatch_to_device(cx, thread, irp, device)
            }
            FileTarget::PipeEnd(end) => {
                self.irp_event(cx, irp, IrpChange::Dispatched { location: 1 });
                self.dispatch_to_pipe(cx, thread, irp, end)
            }
        }
    }

    /// IRP-35: a request that is done when the dispatch routine returns is finished by the
    /// service itself, unless that has happened already.
    fn finish_inline<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        if self.is_done(id) {
            cx.rule(irp::IRP_35);
            self.second_stage(cx, id);
        }
    }

    /// Whether a request is done, and its issuer is to run the second stage.
    fn is_done(&self, id: IrpId) -> bool {
        self.has_irp(id) && self.irp(id).place == IrpPlace::Completed && !self.irp(id).pended
    }

    /// IO-22: the thread waits in the service and never sees `STATUS_PENDING`.
    fn return_from_synchronous<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        request: &Request,
        file: ObjectId,
        status: NtStatus,
    ) -> ServiceOutcome {
        cx.rule(rule::IO_22);
        if status == NtStatus::PENDING {
            self.thread_mut(thread).service = InService::Request(file);
            let alertable = cx.io.files[self.file_number(file)].alertable;
            if !alertable {
                cx.rule(rule::IO_29);
            }
            return self.wait_for_request(cx, thread, request, file, alertable);
        }
        self.release_file_lock(cx, file);
        ServiceOutcome::Returned(self.with_bytes(cx, thread, request, status))
    }

    /// IO-15: the value of the dispatch routine, but for a warning where there is a port.
    fn return_from_asynchronous<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        request: &Request,
        file: ObjectId,
        status: NtStatus,
    ) -> ServiceOutcome {
        cx.rules([rule::IO_15, irp::IRP_18]);
        let hidden = status.is_warning()
            && self.file(file).port.is_some()
            && !cx.deviates(Deviation::WarningReturnedWithPort);
        let status = if hidden { NtStatus::PENDING } else { status };
        if status == NtStatus::PENDING && request.interface == Interface::Waiting {
            // IO-26: the Win32 function waits on the file itself, not alertably.
            cx.rule(rule::IO_26);
            self.thread_mut(thread).service = InService::Wrapper;
            let request =
                WaitRequest { kind: WaitKind::Any, alertable: false, remaining_ms: NEVER };
            self.prepare_wait(thread, file, request);
            return ServiceOutcome::InWait;
        }
        let fails_on_warning = status.is_warning()
            && (request.interface, request.routine.is_some()) == (Interface::Overlapped, true)
            && cx.deviates(Deviation::ExtendedCallFailsOnWarning);
        if fails_on_warning {
            return ServiceOutcome::Returned(ServiceReturn { status, value: TAKEN_FOR_AN_ERROR });
        }
        ServiceOutcome::Returned(self.with_bytes(cx, thread, request, status))
    }

    /// A status, and the bytes that a Win32 function reads from the status block beside it.
    pub(crate) fn with_bytes<O>(
        &self,
        cx: &Context<'_, O>,
        thread: ThreadId,
        request: &Request,
        status: NtStatus,
    ) -> ServiceReturn {
        let block = request.block.unwrap_or_else(|| cx.io.private_block(thread));
        ServiceReturn { status, value: self.io().block(block).information }
    }

    /// Waits in the service for the file object's event (IopPerformSynchronousRequest).
    fn wait_for_request<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        request: &Request,
        file: ObjectId,
        alertable: bool,
    ) -> ServiceOutcome {
        let wait = WaitRequest { kind: WaitKind::Any, alertable, remaining_ms: NEVER };
        match self.begin_wait(cx, thread, std::iter::once(file), wait) {
            None => ServiceOutcome::InWait,
            Some(status) => self.request_wait_over(cx, thread, request, file, status),
        }
    }

    /// The wait for a synchronous request is over: it is done, or it is to be broken off.
    ///
    /// IO-27, IO-30: an APC, an alert or the thread's end cancels the request; the thread then
    /// waits until it is really over, and returns what it ended with.
    pub(crate) fn request_wait_over<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        request: &Request,
        file: ObjectId,
        status: NtStatus,
    ) -> ServiceOutcome {
        let is_over = self.synchronous_irp(cx, thread, file).is_none();
        let interrupted = status != NtStatus::WAIT_0 || self.thread(thread).terminated;
        if interrupted && !is_over && self.thread(thread).service == InService::Request(file) {
            if status == NtStatus::USER_APC && cx.deviates(Deviation::AlertedRequestReturnsApc) {
                self.thread_mut(thread).service = InService::None;
                self.release_file_lock(cx, file);
                return ServiceOutcome::Returned(status.into());
            }
            cx.rules([rule::IO_27, rule::IO_28, rule::IO_31]);
            if self.thread(thread).terminated {
                cx.rules([rule::IO_30, exit::EXIT_07, exit::EXIT_21]);
            }
            self.thread_mut(thread).service = InService::Aborting(file);
            if let Some(irp) = self.synchronous_irp(cx, thread, file) {
                self.cancel_irp(cx, irp, Some(thread), false);
            }
            return self.wait_for_request(cx, thread, request, file, false);
        }
        if !is_over {
            // Without the lock, the end of somebody else's request.
            self.file_mut(file).signaled = false;
            return self.wait_for_request(cx, thread, request, file, false);
        }
        cx.rules([rule::IO_22, irp::IRP_57]);
        self.thread_mut(thread).service = InService::None;
        let status = std::mem::replace(&mut self.file_mut(file).final_status, NtStatus::SUCCESS);
        self.release_file_lock(cx, file);
        ServiceOutcome::Returned(self.with_bytes(cx, thread, request, status))
    }

    /// The request that a thread waits for in a service on a synchronous file.
    pub(crate) fn synchronous_irp<O>(
        &self,
        cx: &Context<'_, O>,
        thread: ThreadId,
        file: ObjectId,
    ) -> Option<IrpId> {
        self.io()
            .thread_irps(thread)
            .iter()
            .copied()
            .find(|irp| self.request_of(cx, *irp).2 == file)
    }

    /// A read or write of cached data without a request packet (IRP-59).
    ///
    /// IRP-60, IRP-61: the status block is written and the event set even for an error, and the
    /// routine is never queued.
    fn fast_io<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        request: &Request,
        device: usize,
        file: ObjectId,
    ) -> ServiceReturn {
        cx.rules([irp::IRP_59, irp::IRP_60, irp::IRP_61, dev::DEV_26]);
        let setup = &cx.io.devices[device];
        let status = setup.status;
        let information = if status.is_error() { 0 } else { setup.bytes.unwrap_or(request.length) };
        let block = request.block.unwrap_or_else(|| cx.io.private_block(thread));
        self.write_block(cx, block, status, information);
        if let Some(event) = request.event {
            let event = cx.handles[event.index()];
            self.set_event(cx, event);
        }
        self.signal_file(cx, file);
        if let Some(routine) = request.routine
            && cx.deviates(Deviation::FastIoQueuesApc)
        {
            let source = ApcSource::FastIo(block);
            // Its thread is running and takes it, unless memory is short.
            let _ = self.insert_user_apc(cx, thread, Kapc { source, routine, context: DatumId(0) });
        }
        ServiceReturn { status, value: information }
    }
}

/// IRP-59: what a request for cached data can end with without a request packet.
fn is_fast(major: Major, status: NtStatus) -> bool {
    match major {
        Major::Read => {
            matches!(status, NtStatus::SUCCESS | NtStatus::BUFFER_OVERFLOW | NtStatus::END_OF_FILE)
        }
        Major::Write => status == NtStatus::SUCCESS,
        Major::Control(_) => false,
    }
}

//! Cancellation: asking a request's owner to complete it early.

use super::BugCheck;
use super::complete::Completer;
use super::irp::IrpPlace;
use super::packet::IrpRef;
use super::setup::{FileTarget, Major, Model};
use crate::deviation::Deviation;
use crate::event::{IrpChange, Observer};
use crate::ids::{BlockId, IrpId, ObjectId, ThreadId};
use crate::ke::thread::InService;
use crate::ke::wait::{NEVER, WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::rule::{cancel as rule, device as dev, io, irp};
use crate::service::{ServiceOutcome, ServiceReturn};
use alertable_traces::status::NtStatus;

impl Kernel {
    /// Asks for the cancellation of a request (IoCancelIrp).
    ///
    /// CAN-01 to CAN-03: sets the flag and calls the cancel routine, at most once; CAN-06: the
    /// routine completes the request in this context.
    pub(crate) fn cancel_irp<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        id: IrpId,
        context: Option<ThreadId>,
        at_apc_level: bool,
    ) {
        cx.rules([rule::CAN_01, rule::CAN_15]);
        if let (FileTarget::Device(device), Some(thread)) =
            (self.request_of(cx, id).1.target, context)
            && matches!(cx.io.devices[device].model, Model::Driver(_))
        {
            // Its driver's routines come one after the other.
            self.irp_event(cx, id, IrpChange::CancelRequested);
            self.km_mut().sweeps.push(thread.index(), IrpRef::Service(id));
            return;
        }
        if let FileTarget::Device(device) = self.request_of(cx, id).1.target
            && !cx.io.devices[device].stack.is_empty()
        {
            cx.rule(rule::CAN_12);
        }
        self.update_irp(id, |irp| irp.cancel = true);
        self.irp_event(cx, id, IrpChange::CancelRequested);
        if !self.update_irp(id, |irp| std::mem::take(&mut irp.cancel_routine)) {
            cx.rules([rule::CAN_02, rule::CAN_03, rule::CAN_04, dev::DEV_32]);
            return;
        }
        if self.irp(id).place != IrpPlace::Driver {
            cx.rules([rule::CAN_07, dev::DEV_36]);
            return self.bug_check(cx, id, BugCheck::CancelStateInCompletedIrp);
        }
        cx.rules([rule::CAN_05, rule::CAN_06, dev::DEV_18]);
        if !cx.deviates(Deviation::CancelKeepsRequest) {
            self.take_from_queues(cx, id);
        }
        self.irp_event(cx, id, IrpChange::Cancelled);
        let completer = Completer { thread: context, at_apc_level };
        let (request, setup, _) = self.request_of(cx, id);
        self.complete_irp(cx, id, NtStatus::CANCELLED, 0, completer);
        if let (Major::Write, FileTarget::PipeEnd(end)) = (request.major, setup.target)
            && !cx.deviates(Deviation::CancelKeepsRequest)
        {
            self.write_cancelled(cx, completer, end);
        }
    }

    /// Takes a request out of the queue of whatever device has it.
    pub(crate) fn take_from_queues<O>(&mut self, cx: &Context<'_, O>, id: IrpId) {
        match self.request_of(cx, id).1.target {
            FileTarget::Device(device) => {
                self.io_mut().device_queues.remove_from(device, |queued| *queued == id);
            }
            FileTarget::PipeEnd(end) => self.take_from_pipe(id, end),
        }
    }

    /// Cancels the calling thread's requests on a file object (NtCancelIoFile).
    ///
    /// CAN-16, CAN-21: newest first; success even if there are none. CAN-20: waits until none
    /// is left on the thread's list.
    pub(crate) fn cancel_own_requests<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        file: ObjectId,
    ) -> ServiceOutcome {
        cx.rules([rule::CAN_16, rule::CAN_21, irp::IRP_07]);
        let slot = self.file_number(file);
        let of_thread = self.io().thread_irps(thread).iter().copied();
        let agnostic = self.io().file_irps.get(slot).iter().copied();
        let own: Vec<IrpId> = of_thread
            .filter(|id| self.request_of(cx, *id).2 == file)
            .chain(agnostic.filter(|id| self.irp(*id).issuer == thread))
            .filter(|id| self.is_listed(*id))
            .collect();
        for id in own {
            // The cancellation of another one may have made room for it.
            if self.has_irp(id) {
                self.cancel_irp(cx, id, Some(thread), true);
            }
        }
        if !self.has_request_on(cx, thread, file) || cx.deviates(Deviation::CancelIoReturnsAtOnce) {
            return ServiceOutcome::Returned(NtStatus::SUCCESS.into());
        }
        if self.has_io_apc(thread) && !self.has_driver_request_on(cx, thread, file) {
            // What is left runs before the service returns.
            return ServiceOutcome::Returned(NtStatus::SUCCESS.into());
        }
        cx.rule(rule::CAN_20);
        self.thread_mut(thread).service = InService::Cancel(file);
        let wait = WaitRequest { kind: WaitKind::Delay, alertable: false, remaining_ms: NEVER };
        match self.begin_wait(cx, thread, std::iter::empty(), wait) {
            None => ServiceOutcome::InWait,
            Some(status) => ServiceOutcome::Returned(status.into()),
        }
    }

    /// Whether a request on a thread's list is of this file object.
    pub(crate) fn has_request_on<O>(
        &self,
        cx: &Context<'_, O>,
        thread: ThreadId,
        file: ObjectId,
    ) -> bool {
        self.synchronous_irp(cx, thread, file).is_some()
    }

    fn has_driver_request_on<O>(
        &self,
        cx: &Context<'_, O>,
        thread: ThreadId,
        file: ObjectId,
    ) -> bool {
        self.io()
            .thread_irps(thread)
            .iter()
            .any(|id| self.request_of(cx, *id).2 == file && self.irp(*id).place == IrpPlace::Driver)
    }

    /// CAN-26: a request is found until its second stage has run, or its packet is in the port.
    fn is_listed(&self, id: IrpId) -> bool {
        matches!(self.irp(id).place, IrpPlace::Driver | IrpPlace::Completed)
    }

    /// Cancels the process's requests on a file object (NtCancelIoFileEx).
    ///
    /// # Errors
    /// `STATUS_NOT_FOUND` when there are none, or none with this status block (CAN-17).
    pub(crate) fn cancel_requests<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        file: ObjectId,
        block: Option<BlockId>,
    ) -> Result<ServiceReturn, NtStatus> {
        cx.rules([rule::CAN_17, rule::CAN_18, rule::CAN_24, io::IO_52]);
        let process = cx.io.thread_processes[thread.index()];
        let slot = self.file_number(file);
        let agnostic = self.io().file_irps.get(slot).iter().copied();
        let has_issued = |issuer: &ThreadId| {
            block.is_none_or(|block| self.irps_of_block(block).any(|irp| irp.issuer == *issuer))
        };
        let mut matching: Vec<IrpId> = self
            .thread_ids()
            .filter(has_issued)
            .flat_map(|issuer| self.io().thread_irps(issuer).iter().copied())
            .filter(|id| block.is_none_or(|block| id.block() == block))
            .filter(|id| self.request_of(cx, *id).2 == file)
            .chain(agnostic.filter(|id| block.is_none_or(|block| id.block() == block)))
            .filter(|id| self.is_listed(*id))
            .filter(|id| cx.io.thread_processes[self.irp(*id).issuer.index()] == process)
            .collect();
        if matching.is_empty() {
            cx.rules([rule::CAN_26, rule::CAN_27]);
            let succeeds = block.is_none() && cx.deviates(Deviation::CancelOfNothingSucceeds);
            return if succeeds { Ok(NtStatus::SUCCESS.into()) } else { Err(NtStatus::NOT_FOUND) };
        }
        if cx.deviates(Deviation::CancelTakesNewestFirst) {
            self.sort_waiting_writes(cx, &mut matching);
        }
        for id in matching {
            if !self.has_irp(id) {
                // The cancellation of another one made room for it, and it is over.
                continue;
            }
            if self.irp(id).place == IrpPlace::Completed {
                cx.rule(rule::CAN_25);
            }
            self.cancel_irp(cx, id, Some(thread), true);
        }
        cx.rule(rule::CAN_19);
        Ok(NtStatus::SUCCESS.into())
    }

    /// Puts the writes that wait for room in a pipe into the places that they have among other
    /// requests so that the newest comes first. Of other requests nobody can tell in which order
    /// those of several threads are cancelled.
    fn sort_waiting_writes<O>(&self, cx: &Context<'_, O>, requests: &mut [IrpId]) {
        let place_in_pipe = |id: IrpId| match self.request_of(cx, id).1.target {
            FileTarget::PipeEnd(end) => {
                self.io().pipe_data.get(end).iter().position(|chunk| chunk.writer == Some(id))
            }
            FileTarget::Device(_) => None,
        };
        let mut writes: Vec<(usize, IrpId)> =
            requests.iter().filter_map(|id| Some((place_in_pipe(*id)?, *id))).collect();
        writes.sort_unstable();
        for request in requests {
            if place_in_pipe(*request).is_some()
                && let Some((_, newest)) = writes.pop()
            {
                *request = newest;
            }
        }
    }

    /// Cancels the synchronous request that a thread is blocked in (NtCancelSynchronousIoFile).
    ///
    /// # Errors
    /// `STATUS_NOT_FOUND` when it is in none (CAN-22).
    pub(crate) fn cancel_synchronous<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        target: ThreadId,
    ) -> Result<ServiceReturn, NtStatus> {
        cx.rules([rule::CAN_22, rule::CAN_23]);
        let (InService::Request(file) | InService::Aborting(file)) = self.thread(target).service
        else {
            return Err(NtStatus::NOT_FOUND);
        };
        let id = self.synchronous_irp(cx, target, file).ok_or(NtStatus::NOT_FOUND)?;
        self.cancel_irp(cx, id, Some(thread), true);
        Ok(NtStatus::SUCCESS.into())
    }
}

//! Completion: the walk back up the stack, and the second stage that notifies.

use super::irp::IrpPlace;
use super::port::{Packet, PacketValue};
use super::setup::{FileTarget, Filter, Major, RequestContext};
use super::{BugCheck, StatusBlock};
use crate::deviation::Deviation;
use crate::event::{Event, IrpChange, Observer};
use crate::ids::{BlockId, DatumId, IrpId, ObjectId, ThreadId};
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::kapc::KernelApc;
use crate::ke::thread::{ExitPhase, InService, ThreadState};
use crate::ke::wait::{NEVER, WaitKind};
use crate::ke::{Context, Kernel};
use crate::rule::{apc, cancel as can, device as dev, exit, io as rule, iocp, irp};
use alertable_traces::status::NtStatus;

/// In what a driver completes a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Completer {
    /// The thread; none in a DPC.
    pub(crate) thread: Option<ThreadId>,
    /// No kernel APC can be delivered to it now: the sweeps over lists run so.
    pub(crate) at_apc_level: bool,
}

impl Completer {
    /// A DPC.
    pub(crate) const DPC: Self = Completer { thread: None, at_apc_level: false };

    /// A thread at PASSIVE_LEVEL.
    pub(crate) fn thread(thread: ThreadId) -> Self {
        Completer { thread: Some(thread), at_apc_level: false }
    }
}

/// A request that a driver of the program has completed, after its walk up the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked {
    pub(crate) status: NtStatus,
    pub(crate) information: u32,
    /// It was marked pending, and that was not lost on the way up.
    pub(crate) pended: bool,
    pub(crate) completer: Completer,
}

impl Kernel {
    /// The walk of a request up the stack of a driver of the program is over.
    pub(crate) fn complete_walked<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        id: IrpId,
        walked: Walked,
    ) {
        let Walked { status, information, pended, completer } = walked;
        if self.has_irp(id) {
            self.update_irp(id, |irp| irp.pended = pended);
            self.complete_irp(cx, id, status, information, completer);
        }
    }

    /// A driver completes a request (IoCompleteRequest): the first stage.
    ///
    /// IRP-19: in any thread or in a DPC.
    pub(crate) fn complete_irp<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        id: IrpId,
        status: NtStatus,
        information: u32,
        completer: Completer,
    ) {
        let record = *self.irp(id);
        if record.place != IrpPlace::Driver {
            cx.rules([irp::IRP_30, dev::DEV_34]);
            return self.bug_check(cx, id, BugCheck::MultipleIrpCompleteRequests);
        }
        cx.rules([irp::IRP_19, irp::IRP_46]);
        if status == NtStatus::PENDING {
            cx.rules([irp::IRP_31, dev::DEV_36]);
            self.irp_event(cx, id, IrpChange::ContractBroken("completed with STATUS_PENDING"));
        }
        let keeps_routine = self.fault(cx, id, |faults| faults.keeps_cancel_routine);
        if keeps_routine && record.cancel_routine {
            cx.rules([irp::IRP_31, can::CAN_07]);
            self.irp_event(
                cx,
                id,
                IrpChange::ContractBroken("completed with a cancel routine set"),
            );
        }
        self.update_irp(id, |irp| {
            irp.place = IrpPlace::Completed;
            irp.status = status;
            irp.information = information;
            irp.remaining_ms = NEVER;
            irp.cancel_routine &= keeps_routine;
        });
        self.irp_event(cx, id, IrpChange::Completed { status });
        self.walk_up(cx, id);
        self.after_walk(cx, id, completer);
        if self.has_irp(id) && self.fault(cx, id, |faults| faults.completes_twice) {
            self.complete_irp(cx, id, status, information, completer);
        }
    }

    fn fault<O>(
        &self,
        cx: &Context<'_, O>,
        id: IrpId,
        which: impl Fn(&super::setup::Faults) -> bool,
    ) -> bool {
        if !cx.io.devices.iter().any(|device| which(&device.faults)) {
            return false;
        }
        match self.request_of(cx, id).1.target {
            FileTarget::Device(device) => which(&cx.io.devices[device].faults),
            FileTarget::PipeEnd(_) => false,
        }
    }

    /// The way back up the stack.
    ///
    /// IRP-20, IRP-21: a completion routine sees the pending bit of the driver below and has to
    /// pass it on itself; where none is invoked, the walk does.
    fn walk_up<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        let FileTarget::Device(device) = self.request_of(cx, id).1.target else { return };
        let stack = &cx.io.devices[device].stack;
        for (above, filter) in stack.iter().rev().enumerate() {
            let record = *self.irp(id);
            let success = record.status.is_success();
            let invoked = match filter {
                Filter::Skip => false,
                Filter::PassThrough | Filter::LosesPending => true,
                Filter::OnSuccess => success,
                Filter::OnError => !success,
                Filter::OnCancel => record.cancel,
            };
            cx.rules([irp::IRP_20, irp::IRP_21, irp::IRP_23]);
            if !invoked {
                continue;
            }
            if record.status.is_warning() {
                cx.rule(irp::IRP_24);
            }
            let location = above as u8 + 2;
            self.irp_event(cx, id, IrpChange::CompletionRoutine { location });
            if *filter == Filter::LosesPending && record.pended {
                cx.rules([irp::IRP_22, dev::DEV_35]);
                self.update_irp(id, |irp| irp.pended = false);
            }
        }
    }

    /// Who runs the second stage, and when.
    fn after_walk<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        id: IrpId,
        completer: Completer,
    ) {
        let record = *self.irp(id);
        let (request, _, file) = self.request_of(cx, id);
        if record.dissociated {
            cx.rules([irp::IRP_41, exit::EXIT_10, dev::DEV_33]);
            return self.free_irp(cx, id);
        }
        let is_deferred = matches!(request.major, Major::Read | Major::Write);
        if is_deferred && !record.pended {
            // IRP-35: the service that issued it finishes it when the dispatch routine returns.
            cx.rule(irp::IRP_35);
            return;
        }
        let port = self.file(file).port;
        if record.agnostic
            && record.pended
            && let Some((port, key)) = port
            && !self.is_port_closed(cx, port)
            && !cx.deviates(Deviation::AgnosticBlockAtCompletion)
        {
            cx.rules([irp::IRP_42, irp::IRP_55, exit::EXIT_05, rule::IO_33]);
            self.update_irp(id, |irp| irp.place = IrpPlace::Port);
            let value = packet_value(request.context);
            let (status, information) = (record.status, record.information);
            let packet = Packet { key, value, status, information, irp: Some(id) };
            self.queue_packet(cx, port, packet, completer.thread);
            return self.close_if_unreferenced(cx, file);
        }
        let issuer = record.issuer;
        if record.pended && self.finishes_late(cx, issuer) {
            return;
        }
        if record.agnostic && record.pended {
            cx.rule(iocp::IOCP_46);
        }
        if self.thread(issuer).state == ThreadState::Terminated {
            // Thread-agnostic, and its port is gone (IOCP-46).
            self.unlink_irp(cx, id);
            self.irp_event(cx, id, IrpChange::Finished { notified: false });
            return self.free_irp(cx, id);
        }
        cx.rules([irp::IRP_36, irp::IRP_37, irp::IRP_40]);
        if completer.thread == Some(issuer) && !completer.at_apc_level {
            cx.rule(irp::IRP_39);
            return self.second_stage(cx, id);
        }
        if completer.thread != Some(issuer) && self.is_finished_unseen(cx, id) {
            return self.second_stage(cx, id);
        }
        self.queue_io_apc(cx, issuer, id);
    }

    /// Whether what tells of a request's end comes some time later, since its thread has ended
    /// or is about to.
    pub(crate) fn finishes_late<O>(&self, cx: &Context<'_, O>, issuer: ThreadId) -> bool {
        let state = self.thread(issuer).state;
        cx.deviates(Deviation::OrphansFinishLate)
            && matches!(state, ThreadState::Terminated | ThreadState::Exiting(_))
    }

    /// Whether a request is over and its thread, which would tell of it, has ended; only with
    /// [`Deviation::OrphansFinishLate`].
    pub(crate) fn is_orphan(&self, irp: &super::irp::Irp) -> bool {
        let state = self.thread(irp.issuer).state;
        irp.place == IrpPlace::Completed
            && matches!(state, ThreadState::Terminated | ThreadState::Exiting(_))
            && !self.io().kernel_apcs.get(irp.issuer.index()).contains(&irp.id)
    }

    /// Somebody else runs the second stage of a request whose thread has ended.
    pub(crate) fn finish_orphan<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        self.second_stage(cx, id);
    }

    /// Whether nobody can tell the second stage of a request from the step that completes it,
    /// its thread being where a kernel APC changes nothing else; see
    /// [`IoSetup::private_requests`](super::setup::IoSetup::private_requests).
    fn is_finished_unseen<O>(&self, cx: &Context<'_, O>, id: IrpId) -> bool {
        if self.has_kernel_mode() {
            return false;
        }
        let record = self.irp(id);
        let issuer = self.thread(record.issuer);
        let is_elsewhere = match issuer.state {
            ThreadState::User => true,
            ThreadState::Waiting => {
                issuer.wait.kind == WaitKind::Delay && issuer.service == InService::None
            }
            ThreadState::Woken(_) => {
                cx.io.joins_when_woken
                    && issuer.wait.kind == WaitKind::Delay
                    && issuer.service == InService::None
            }
            _ => false,
        };
        cx.io.private_requests[record.request.index()]
            && is_elsewhere
            && !issuer.stopped
            && !issuer.has_kernel_apc()
            && !self.has_io_apc(record.issuer)
    }

    /// Queues the second stage to the issuing thread as a special kernel APC.
    ///
    /// IRP-38: a waiting thread leaves its wait for it and resumes it afterwards.
    fn queue_io_apc<O: Observer>(&mut self, cx: &mut Context<'_, O>, issuer: ThreadId, id: IrpId) {
        if self.has_kernel_mode() {
            return self.insert_kernel_apc(cx, issuer, KernelApc::Io(id));
        }
        self.io_mut().kernel_apcs.push(issuer.index(), id);
        if self.thread(issuer).state == ThreadState::Waiting {
            cx.rules([irp::IRP_38, apc::APC_I_11]);
            self.interrupt_wait(cx, issuer);
        }
    }

    /// A thread runs the oldest second stage that is queued to it.
    pub(crate) fn deliver_io_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let id = self.io_mut().kernel_apcs.remove(thread.index(), 0);
        self.run_io_apc(cx, thread, id);
    }

    /// The second stage of a request runs on its thread.
    pub(crate) fn run_io_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
    ) {
        cx.rules([irp::IRP_37, irp::IRP_40]);
        if matches!(self.thread(thread).service, InService::Removal { .. }) {
            cx.rule(iocp::IOCP_31);
        }
        self.second_stage(cx, id);
        self.cancel_wait_over(cx, thread);
    }

    /// The second stage (IopCompleteRequest).
    ///
    /// IRP-45: what a request's issuer is told depends on its severity, on whether it pended and
    /// on whether the file is synchronous.
    pub(crate) fn second_stage<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        cx.rule(irp::IRP_45);
        let record = *self.irp(id);
        let (_, setup, file) = self.request_of(cx, id);
        if !record.status.is_error() {
            cx.rule(irp::IRP_46);
            return self.notify(cx, id);
        }
        if !record.pended {
            cx.rules([rule::IO_17, rule::IO_18, iocp::IOCP_11]);
            self.unlink_irp(cx, id);
            if !setup.overlapped {
                self.file_mut(file).final_status = record.status;
                self.signal_file(cx, file);
            }
            self.irp_event(cx, id, IrpChange::Finished { notified: false });
            return self.free_irp(cx, id);
        }
        if setup.overlapped {
            return self.notify(cx, id);
        }
        // IO-23: only the file object learns of it, and through it the thread in the service.
        cx.rules([rule::IO_23, irp::IRP_57]);
        self.unlink_irp(cx, id);
        self.file_mut(file).final_status = record.status;
        self.signal_file(cx, file);
        if cx.deviates(Deviation::SynchronousErrorNotifies) {
            return self.notify_of_broken_request(cx, id);
        }
        self.irp_event(cx, id, IrpChange::Finished { notified: false });
        self.free_irp(cx, id);
    }

    /// What [`Deviation::SynchronousErrorNotifies`] does beside.
    fn notify_of_broken_request<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        let issuer = self.irp(id).issuer;
        let (request, ..) = self.request_of(cx, id);
        if let Some(event) = request.event {
            let event = cx.handles[event.index()];
            self.set_event(cx, event);
        }
        self.irp_event(cx, id, IrpChange::Finished { notified: true });
        match request.routine {
            Some(routine) => {
                let kapc = Kapc { source: ApcSource::Io(id), routine, context: DatumId(0) };
                self.queue_completion_apc(cx, issuer, kapc, id);
            }
            None => self.free_irp(cx, id),
        }
    }

    /// Tells of a completion in full.
    ///
    /// IRP-44, IO-33: status block, event, list, then APC or packet.
    fn notify<O: Observer>(&mut self, cx: &mut Context<'_, O>, id: IrpId) {
        cx.rules([irp::IRP_44, rule::IO_16, rule::IO_32, rule::IO_33, rule::IO_34]);
        let record = *self.irp(id);
        let (request, setup, file) = self.request_of(cx, id);
        if record.agnostic {
            cx.rule(irp::IRP_43);
        }
        if request.event.is_some() && request.routine.is_some() {
            cx.rule(rule::IO_37);
        }
        if record.status.is_warning() && setup.overlapped {
            cx.rule(rule::IO_19);
        }
        let late = cx.deviates(Deviation::EventBeforeStatusBlock);
        if !late {
            self.write_block(cx, id.block(), record.status, record.information);
        }
        if let Some(event) = request.event {
            cx.rules([irp::IRP_50, rule::IO_35]);
            let event = cx.handles[event.index()];
            self.set_event(cx, event);
            if !setup.overlapped && cx.deviates(Deviation::SynchronousFileNotSet) {
                self.wake_issuer(cx, record.issuer, file);
            } else if !setup.overlapped {
                self.signal_file(cx, file);
            }
        } else {
            cx.rules([irp::IRP_50, rule::IO_38]);
            self.signal_file(cx, file);
        }
        if late {
            self.write_block(cx, id.block(), record.status, record.information);
        }
        if !setup.overlapped {
            cx.rule(rule::IO_24);
            self.file_mut(file).final_status = record.status;
        }
        self.unlink_irp(cx, id);
        self.irp_event(cx, id, IrpChange::Finished { notified: true });
        if let Some(routine) = request.routine {
            let kapc = Kapc { source: ApcSource::Io(id), routine, context: DatumId(0) };
            self.queue_completion_apc(cx, record.issuer, kapc, id);
            return self.close_if_unreferenced(cx, file);
        }
        if let Some((port, key)) = self.file(file).port
            && request.context != RequestContext::Null
        {
            let is_skipped = record.status.is_success()
                || (record.status.is_warning() && cx.deviates(Deviation::SkipModeSkipsWarnings));
            let skips = self.file(file).skip_port && !record.pended && is_skipped;
            if !skips {
                cx.rules([irp::IRP_51, irp::IRP_55, rule::IO_39, rule::IO_40, iocp::IOCP_11]);
                self.update_irp(id, |irp| irp.place = IrpPlace::Port);
                let value = packet_value(request.context);
                let (status, information) = (record.status, record.information);
                let packet = Packet { key, value, status, information, irp: Some(id) };
                self.queue_packet(cx, port, packet, Some(record.issuer));
                return self.close_if_unreferenced(cx, file);
            }
            cx.rule(rule::IO_43);
        }
        if self.file(file).port.is_some() {
            cx.rules([rule::IO_39, rule::IO_41]);
        }
        self.free_irp(cx, id);
    }

    /// What [`Deviation::SynchronousFileNotSet`] does instead of setting the file that the issuer
    /// waits for in the service.
    fn wake_issuer<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        issuer: ThreadId,
        file: ObjectId,
    ) {
        let here = self.thread(issuer);
        let in_wait = matches!(here.state, ThreadState::Waiting | ThreadState::Restarting);
        if in_wait
            && matches!(here.service, InService::Request(of) | InService::Aborting(of) if of == file)
        {
            self.wake(cx, issuer, NtStatus::WAIT_0);
        }
    }

    /// The request packet becomes a user APC (IRP-52 to IRP-54), unless its thread takes none
    /// any more (EXIT-11).
    fn queue_completion_apc<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        issuer: ThreadId,
        kapc: Kapc,
        id: IrpId,
    ) {
        cx.rules([irp::IRP_51, irp::IRP_52, irp::IRP_53, irp::IRP_54, rule::IO_13, rule::IO_36]);
        self.update_irp(id, |irp| {
            irp.place = IrpPlace::Apc;
            // They are in the status block now.
            (irp.status, irp.information) = (NtStatus::SUCCESS, 0);
        });
        if cx.deviates(Deviation::CompletionApcTwice) {
            let _ = self.insert_user_apc(cx, issuer, kapc);
        }
        if cx.deviates(Deviation::CompletionApcLost)
            || self.insert_user_apc(cx, issuer, kapc).is_err()
        {
            cx.rule(exit::EXIT_11);
            self.free_irp(cx, id);
        }
    }

    /// Writes a status block.
    pub(crate) fn write_block<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        block: BlockId,
        status: NtStatus,
        information: u32,
    ) {
        *self.io_mut().blocks.get_mut(block.index()) =
            StatusBlock { status, information, written: true };
        cx.event(Event::StatusBlock { block });
    }

    /// Ends the wait of a thread in CancelIo when nothing is left to wait for.
    pub(crate) fn cancel_wait_over<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let here = *self.thread(thread);
        if let InService::Cancel(file) = here.service
            && !self.has_request_on(cx, thread, file)
        {
            cx.rule(can::CAN_20);
            self.leave_wait(thread);
            self.thread_mut(thread).state = ThreadState::Woken(NtStatus::SUCCESS);
        }
    }

    /// Whether a thread that exits still waits for requests of its own.
    pub(crate) fn awaits_irps(&self, thread: ThreadId) -> bool {
        self.thread(thread).state == ThreadState::Exiting(ExitPhase::AwaitIrps)
            && (!self.io().thread_irps(thread).is_empty() || !self.own_irps_of(thread).is_empty())
    }
}

/// What the packet of a request tells beside its result.
pub(crate) fn packet_value(context: RequestContext) -> PacketValue {
    match context {
        RequestContext::Null => PacketValue::Null,
        RequestContext::Block(block) => PacketValue::Block(block),
        RequestContext::Number(datum) => PacketValue::Number(datum),
    }
}

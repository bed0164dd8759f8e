//! The services of I/O: those that are done at once, and what follows a wait in the others.

use super::port::PacketValue;
use crate::event::Observer;
use crate::ids::ThreadId;
use crate::ke::kservice::KernelService;
use crate::ke::thread::InService;
use crate::ke::{Context, Kernel};
use crate::ob::ObjectType;
use crate::rule::{iocp, threadpool};
use crate::service::{Service, ServiceOutcome, ServiceReturn};
use alertable_traces::status::NtStatus;

impl Kernel {
    /// A wait inside a service is over: what the service does next.
    pub(crate) fn resume_service<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &Service,
        status: NtStatus,
    ) -> ServiceOutcome {
        match (self.thread(thread).service, service) {
            (InService::Lock(_), Service::Io { request }) => {
                self.issue_with_lock(cx, thread, *request, status)
            }
            (InService::Lock(_), Service::Close { handle }) => {
                self.close_with_lock(cx, thread, *handle)
            }
            (InService::Request(file) | InService::Aborting(file), Service::Io { request }) => {
                let request = cx.io.request(*request);
                self.request_wait_over(cx, thread, request, file, status)
            }
            (InService::Finish, Service::Io { request }) => {
                self.finish_apart(cx, thread, *request, status)
            }
            (
                InService::FastMutex { old_irql },
                Service::Kernel(KernelService::AcquireFastMutex { mutex, how }),
            ) => self.fast_mutex_wait_over(thread, *mutex, *how, old_irql),
            (InService::Removal { .. }, _) => self.removal_over(cx, thread, status),
            (InService::Wrapper, Service::OverlappedResult { block, .. }) => {
                self.wrapper_wait_over(thread, *block, status)
            }
            (InService::Wrapper, Service::Io { .. }) => {
                self.wrapper_wait_over(thread, cx.io.private_block(thread), status)
            }
            _ => {
                self.thread_mut(thread).service = InService::None;
                self.after_wait_entry(thread, Some(status))
            }
        }
    }

    /// The services of I/O and of pools that neither wait nor end their thread.
    pub(crate) fn io_service<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &Service,
    ) -> Result<ServiceReturn, NtStatus> {
        match service {
            Service::HasCompleted { block } => return Ok(self.has_completed(cx, *block)),
            Service::CancelIoFileEx { file, block } => {
                let file = self.reference(cx, *file, ObjectType::File)?;
                return self.cancel_requests(cx, thread, file, *block);
            }
            Service::CancelSynchronousIoFile { thread: target } => {
                let target = self.reference_thread(cx, *target)?;
                return self.cancel_synchronous(cx, thread, target);
            }
            Service::SetNotificationModes { file, skip_port, skip_event } => {
                let file = self.reference(cx, *file, ObjectType::File)?;
                self.set_notification_modes(cx, file, *skip_port, *skip_event);
            }
            Service::AssociatePort { file, port, key } => {
                cx.rule(iocp::IOCP_02);
                let file = self.reference(cx, *file, ObjectType::File)?;
                let port = self.reference(cx, *port, ObjectType::Port)?;
                self.associate_port(cx, file, port, *key)?;
            }
            Service::SetIoCompletion { port, packet } => {
                let port = self.reference(cx, *port, ObjectType::Port)?;
                self.queue_packet(cx, port, *packet, Some(thread));
            }
            Service::SubmitWork { pool, key, context } => {
                let pool = cx.handles[pool.index()];
                self.submit_work(cx, pool, *key, PacketValue::Number(*context), Some(thread));
            }
            Service::SetPoolTimer { timer, due_ms, period_ms } => {
                let timer = cx.handles[timer.index()];
                self.set_pool_timer(cx, timer, *due_ms, *period_ms)?;
            }
            Service::SetPoolWait { wait, object, timeout_ms } => {
                let object = object.map(|object| self.reference_any(cx, object)).transpose()?;
                let wait = cx.io.pool_waits[*wait];
                self.set_pool_wait(cx, wait, object, *timeout_ms);
            }
            Service::StartPoolIo => cx.rule(threadpool::TP_05),
            Service::CompleteRequest { device, block, status, bytes } => {
                let device = self.reference(cx, *device, ObjectType::Device)?;
                self.complete_request(cx, thread, device, *block, *status, *bytes)?;
            }
            other => unreachable!("system_call treats this service itself: {other:?}"),
        }
        Ok(NtStatus::SUCCESS.into())
    }
}

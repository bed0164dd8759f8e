//! System services: the seam between the kernel and the programs that threads run.
//!
//! A program hands the kernel a [`Service`]; the kernel returns a result, blocks the thread, or
//! ends it. Nothing here knows where calls come from.

use crate::deviation::Deviation;
use crate::event::Observer;
use crate::ids::{BlockId, DatumId, HandleId, IrpId, ObjectId, RequestId, RoutineId, ThreadId};
use crate::io::dservice::DriverService;
use crate::io::overlapped::ResultWait;
use crate::io::port::Packet;
use crate::ke::apc::{ApcSource, Kapc};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::kservice::KernelService;
use crate::ke::thread::ThreadState;
use crate::ke::timer::TimerApc;
use crate::ke::wait::{WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::ob::ObjectType;
use crate::rule::{apc, iocp, wait};
use alertable_traces::status::NtStatus;
use alertable_traces::trace::ProcessorMode;

/// A system call with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Service {
    /// NtQueueApcThread, and NtQueueApcThreadEx with the special flag.
    QueueApcThread {
        /// To which thread.
        thread: HandleId,
        /// The routine.
        routine: RoutineId,
        /// What it is given.
        context: DatumId,
        /// Deliver without an alertable wait.
        special: bool,
    },
    /// NtTestAlert.
    TestAlert,
    /// NtAlertThread.
    AlertThread {
        /// Which thread.
        thread: HandleId,
    },
    /// NtDelayExecution.
    DelayExecution {
        /// User APCs and alerts end it.
        alertable: bool,
        /// How long, in milliseconds; [`crate::ke::wait::NEVER`] for ever.
        timeout_ms: u32,
    },
    /// NtWaitForSingleObject and NtWaitForMultipleObjects.
    WaitForObjects {
        /// What for.
        objects: Vec<HandleId>,
        /// All of them, or any one.
        all: bool,
        /// User APCs and alerts end it.
        alertable: bool,
        /// How long, in milliseconds; [`crate::ke::wait::NEVER`] for ever.
        timeout_ms: u32,
        /// The most objects that the caller's interface takes.
        count_max: u8,
    },
    /// NtSignalAndWaitForSingleObject.
    SignalAndWait {
        /// What to signal.
        signal: HandleId,
        /// What to wait for.
        object: HandleId,
        /// User APCs and alerts end the wait.
        alertable: bool,
        /// How long, in milliseconds; [`crate::ke::wait::NEVER`] for ever.
        timeout_ms: u32,
    },
    /// NtSetEvent.
    SetEvent {
        /// Which event.
        event: HandleId,
    },
    /// NtResetEvent.
    ResetEvent {
        /// Which event.
        event: HandleId,
    },
    /// NtPulseEvent.
    PulseEvent {
        /// Which event.
        event: HandleId,
    },
    /// NtReleaseMutant.
    ReleaseMutant {
        /// Which mutex.
        mutant: HandleId,
    },
    /// NtReleaseSemaphore.
    ReleaseSemaphore {
        /// Which semaphore.
        semaphore: HandleId,
        /// How many.
        count: i32,
    },
    /// NtSetTimer.
    SetTimer {
        /// Which timer.
        timer: HandleId,
        /// Milliseconds from now.
        due_ms: u32,
        /// Milliseconds from one expiry to the next, 0 for one only.
        period_ms: i32,
        /// The routine of its APC, and what that is given.
        apc: Option<(RoutineId, DatumId)>,
    },
    /// NtCancelTimer.
    CancelTimer {
        /// Which timer.
        timer: HandleId,
    },
    /// NtCreateThread.
    CreateThread {
        /// Which thread of the scenario.
        thread: ThreadId,
    },
    /// NtResumeThread.
    ResumeThread {
        /// Which thread.
        thread: HandleId,
    },
    /// NtSuspendThread.
    SuspendThread {
        /// Which thread.
        thread: HandleId,
    },
    /// NtTerminateThread.
    TerminateThread {
        /// Which thread.
        thread: HandleId,
        /// Its exit code.
        code: u32,
    },
    /// NtTerminateThread on the calling thread.
    ExitThread {
        /// Its exit code.
        code: u32,
    },
    /// NtClose.
    Close {
        /// Which handle.
        handle: HandleId,
    },
    /// NtDuplicateObject.
    DuplicateObject {
        /// What the new handle refers to.
        source: HandleId,
        /// The new handle.
        target: HandleId,
    },
    /// NtReadFile, NtWriteFile, NtFsControlFile, NtDeviceIoControlFile.
    Io {
        /// The request.
        request: RequestId,
    },
    /// What GetOverlappedResult and GetOverlappedResultEx do.
    OverlappedResult {
        /// The OVERLAPPED.
        block: BlockId,
        /// Its event, or else the file.
        object: HandleId,
        /// How to wait for it; not at all without.
        wait: Option<ResultWait>,
    },
    /// What HasOverlappedIoCompleted does.
    HasCompleted {
        /// The OVERLAPPED.
        block: BlockId,
    },
    /// NtCancelIoFile.
    CancelIoFile {
        /// Which file.
        file: HandleId,
    },
    /// NtCancelIoFileEx.
    CancelIoFileEx {
        /// Which file.
        file: HandleId,
        /// The status block of the requests; all of them without.
        block: Option<BlockId>,
    },
    /// NtCancelSynchronousIoFile.
    CancelSynchronousIoFile {
        /// Which thread.
        thread: HandleId,
    },
    /// NtSetInformationFile with FileIoCompletionNotificationInformation.
    SetNotificationModes {
        /// Which file.
        file: HandleId,
        /// Requests that succeed at once post no packet.
        skip_port: bool,
        /// Requests do not change the file's event.
        skip_event: bool,
    },
    /// NtSetInformationFile with FileCompletionInformation.
    AssociatePort {
        /// Which file.
        file: HandleId,
        /// Which port.
        port: HandleId,
        /// The key of its packets.
        key: DatumId,
    },
    /// NtSetIoCompletion.
    SetIoCompletion {
        /// Which port.
        port: HandleId,
        /// What is posted.
        packet: Packet,
    },
    /// NtRemoveIoCompletion and NtRemoveIoCompletionEx.
    RemoveIoCompletion {
        /// Which port.
        port: HandleId,
        /// The most packets.
        max: u16,
        /// User APCs and alerts end the wait.
        alertable: bool,
        /// How long to wait for the first, in milliseconds.
        timeout_ms: u32,
    },
    /// What TrySubmitThreadpoolCallback and QueueUserWorkItem do.
    SubmitWork {
        /// The pool's queue.
        pool: HandleId,
        /// The callback, as the key of its packet.
        key: DatumId,
        /// What it is given.
        context: DatumId,
    },
    /// What SetThreadpoolTimer does.
    SetPoolTimer {
        /// Which timer.
        timer: HandleId,
        /// Milliseconds from now; none to stop it.
        due_ms: Option<u32>,
        /// Milliseconds from one expiry to the next, 0 for one only.
        period_ms: i32,
    },
    /// What SetThreadpoolWait does.
    SetPoolWait {
        /// Which wait, by its number.
        wait: usize,
        /// What for; nothing to stop it.
        object: Option<HandleId>,
        /// How long, in milliseconds.
        timeout_ms: u32,
    },
    /// What StartThreadpoolIo does, which tells the pool alone.
    StartPoolIo,
    /// A function of the driver kit.
    Kernel(KernelService),
    /// A function of the I/O manager for drivers.
    Driver(DriverService),
    /// A device completes a request on demand: no system service, but a step of the scenario.
    CompleteRequest {
        /// Which device.
        device: HandleId,
        /// The status block of the request; the oldest one without.
        block: Option<BlockId>,
        /// The status.
        status: NtStatus,
        /// Bytes transferred.
        bytes: u32,
    },
}

/// What a service returns: a status and one output value, where it has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceReturn {
    /// The status.
    pub status: NtStatus,
    /// A previous count, or 0.
    pub value: u32,
}

impl ServiceReturn {
    /// A status alone.
    pub fn status(status: NtStatus) -> Self {
        ServiceReturn { status, value: 0 }
    }

    pub(crate) fn word(self) -> u64 {
        u64::from(self.status.0) << 32 | u64::from(self.value)
    }
}

impl From<NtStatus> for ServiceReturn {
    fn from(status: NtStatus) -> Self {
        Self::status(status)
    }
}

/// How a service leaves its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServiceOutcome {
    /// Done, with this result.
    Returned(ServiceReturn),
    /// The thread's state says how it goes on: it is blocked, woken, or about to wait.
    InWait,
    /// It does not return: the thread ends.
    Exits,
    /// The dispatch routine of a driver of the program runs, and then the service goes on.
    Dispatches {
        /// The request.
        irp: IrpId,
        /// The driver, by its number.
        driver: usize,
    },
}

impl Kernel {
    /// A thread makes a system call.
    pub(crate) fn system_call<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &Service,
    ) -> ServiceOutcome {
        if self.has_kernel_mode() {
            self.km_thread_mut(thread).wait_mode = ProcessorMode::User;
        }
        match service {
            Service::DelayExecution { alertable, timeout_ms } => {
                let kind = WaitKind::Delay;
                let request =
                    WaitRequest { kind, alertable: *alertable, remaining_ms: *timeout_ms };
                let status = self.begin_wait(cx, thread, std::iter::empty(), request);
                self.after_wait_entry(thread, status)
            }
            Service::WaitForObjects { objects, all, alertable, timeout_ms, count_max } => {
                let kind = if *all { WaitKind::All } else { WaitKind::Any };
                let request =
                    WaitRequest { kind, alertable: *alertable, remaining_ms: *timeout_ms };
                if let Err(status) = self.check_wait(cx, objects, *all, *count_max) {
                    ServiceOutcome::Returned(status.into())
                } else {
                    let handles = cx.handles;
                    let objects = objects.iter().map(|handle| handles[handle.index()]);
                    let status = self.begin_wait(cx, thread, objects, request);
                    self.after_wait_entry(thread, status)
                }
            }
            Service::SignalAndWait { signal, object, alertable, timeout_ms } => {
                let request = WaitRequest {
                    kind: WaitKind::Any,
                    alertable: *alertable,
                    remaining_ms: *timeout_ms,
                };
                match self.signal_and_wait(cx, thread, *signal, *object, request) {
                    Ok(outcome) => outcome,
                    Err(status) => ServiceOutcome::Returned(status.into()),
                }
            }
            Service::ExitThread { code } => {
                self.begin_exit(cx, thread, *code);
                ServiceOutcome::Exits
            }
            Service::TerminateThread { thread: target, code } => {
                match self.terminate_service(cx, thread, *target, *code) {
                    Ok(true) => ServiceOutcome::Exits,
                    Ok(false) => ServiceOutcome::Returned(NtStatus::SUCCESS.into()),
                    Err(status) => ServiceOutcome::Returned(status.into()),
                }
            }
            Service::TestAlert => {
                // The exit from this call delivers what it made pending (APC-U-09).
                cx.rule(apc::APC_U_09);
                let status = self.test_alert(cx, thread);
                ServiceOutcome::Returned(status.into())
            }
            Service::Close { handle } => match self.close_handle(cx, thread, *handle) {
                Ok(outcome) => outcome,
                Err(status) => ServiceOutcome::Returned(status.into()),
            },
            Service::Io { request } => self.issue(cx, thread, *request),
            Service::OverlappedResult { block, object, wait } => {
                self.overlapped_result(cx, thread, *block, *object, *wait)
            }
            Service::CancelIoFile { file } => match self.reference(cx, *file, ObjectType::File) {
                Ok(file) => self.cancel_own_requests(cx, thread, file),
                Err(status) => ServiceOutcome::Returned(status.into()),
            },
            Service::RemoveIoCompletion { port, max, alertable, timeout_ms } => {
                let kind = WaitKind::Queue;
                let wait = WaitRequest { kind, alertable: *alertable, remaining_ms: *timeout_ms };
                match self.reference(cx, *port, ObjectType::Port) {
                    Ok(port) => self.remove_packets(cx, thread, port, *max, wait),
                    Err(status) => {
                        cx.rule(iocp::IOCP_44);
                        ServiceOutcome::Returned(status.into())
                    }
                }
            }
            simple => ServiceOutcome::Returned(
                self.simple_service(cx, thread, simple).unwrap_or_else(Into::into),
            ),
        }
    }

    /// The services that neither wait nor end their thread.
    fn simple_service<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &Service,
    ) -> Result<ServiceReturn, NtStatus> {
        let mut value = 0;
        match service {
            Service::QueueApcThread { thread: target, routine, context, special } => {
                let target = self.reference_thread(cx, *target)?;
                if self.is_system_thread(target) {
                    cx.rule(apc::APC_U_20);
                    return Err(NtStatus::INVALID_HANDLE);
                }
                let source = if *special { ApcSource::Special } else { ApcSource::Queued };
                if *special && cx.deviates(Deviation::NoSpecialApcs) {
                    return Err(NtStatus::NOT_IMPLEMENTED);
                }
                let kapc = Kapc { source, routine: *routine, context: *context };
                self.insert_user_apc(cx, target, kapc)?;
            }
            Service::AlertThread { thread: target } => {
                if cx.deviates(Deviation::NoAlerts) {
                    return Err(NtStatus::NOT_IMPLEMENTED);
                }
                let target = self.reference_thread(cx, *target)?;
                self.alert_thread(cx, target);
            }
            Service::SetEvent { event } => {
                let event = self.reference(cx, *event, ObjectType::Event)?;
                self.set_event(cx, event);
            }
            Service::ResetEvent { event } => {
                let event = self.reference(cx, *event, ObjectType::Event)?;
                self.reset_event(cx, event);
            }
            Service::PulseEvent { event } => {
                let event = self.reference(cx, *event, ObjectType::Event)?;
                self.pulse_event(cx, event);
            }
            Service::ReleaseMutant { mutant } => {
                let mutant = self.reference(cx, *mutant, ObjectType::Mutant)?;
                self.release_mutant(cx, mutant, thread)?;
            }
            Service::ReleaseSemaphore { semaphore, count } => {
                let semaphore = self.reference(cx, *semaphore, ObjectType::Semaphore)?;
                value = self.release_semaphore(cx, semaphore, *count)?;
            }
            Service::SetTimer { timer, due_ms, period_ms, apc } => {
                let timer = self.reference(cx, *timer, ObjectType::Timer)?;
                let apc = apc.map(|(routine, context)| TimerApc { thread, routine, context });
                self.set_timer(cx, timer, *due_ms, *period_ms, apc)?;
            }
            Service::CancelTimer { timer } => {
                let timer = self.reference(cx, *timer, ObjectType::Timer)?;
                self.cancel_timer(cx, timer);
            }
            Service::CreateThread { thread: target } => self.create_thread(cx, *target)?,
            Service::ResumeThread { thread: target } => {
                let target = self.reference_thread(cx, *target)?;
                value = u32::from(self.resume_thread(cx, target));
            }
            Service::SuspendThread { thread: target } => {
                let target = self.reference_thread(cx, *target)?;
                value = u32::from(self.suspend_thread(cx, thread, target)?);
            }
            Service::DuplicateObject { source, target } => {
                self.duplicate_handle(cx, *source, *target)?;
            }
            other => return self.io_service(cx, thread, other),
        }
        Ok(ServiceReturn { status: NtStatus::SUCCESS, value })
    }

    /// The checks of a wait on several objects, before anything is tested.
    ///
    /// APC-U-30: no APC runs when one fails.
    fn check_wait<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        objects: &[HandleId],
        all: bool,
        count_max: u8,
    ) -> Result<(), NtStatus> {
        if objects.len() > usize::from(count_max) || objects.is_empty() {
            cx.rules([wait::WAIT_29, apc::APC_U_30]);
            return Err(NtStatus::INVALID_PARAMETER_1);
        }
        for handle in objects {
            if matches!(self.object(cx.handles[handle.index()]), DispatcherObject::MessageQueue) {
                cx.rule(wait::WAIT_81);
            }
            if self.reference_any(cx, *handle).is_err() {
                cx.rules([wait::WAIT_40, apc::APC_U_30]);
                return Err(NtStatus::INVALID_HANDLE);
            }
        }
        if all {
            cx.rule(wait::WAIT_39);
            let object = |handle: &HandleId| cx.handles[handle.index()];
            let repeated = objects
                .iter()
                .enumerate()
                .any(|(at, one)| objects[..at].iter().any(|other| object(other) == object(one)));
            if repeated && !cx.deviates(Deviation::WaitAllRepeats) {
                cx.rule(apc::APC_U_30);
                return Err(NtStatus::INVALID_PARAMETER_MIX);
            }
        }
        Ok(())
    }

    /// Signals one object, then waits for another (NtSignalAndWaitForSingleObject).
    ///
    /// WAIT-78: two steps, between which others can act, unless the system makes them one.
    fn signal_and_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        signal: HandleId,
        object: HandleId,
        request: WaitRequest,
    ) -> Result<ServiceOutcome, NtStatus> {
        let object = self.reference_any(cx, object)?;
        let signal = self.reference_any(cx, signal)?;
        self.signal_object(cx, thread, signal)?;
        cx.rules([wait::WAIT_76, wait::WAIT_79, wait::WAIT_80]);
        if cx.deviates(Deviation::SignalAndWaitAtomic) {
            let status = self.begin_wait(cx, thread, std::iter::once(object), request);
            return Ok(self.after_wait_entry(thread, status));
        }
        cx.rule(wait::WAIT_78);
        self.prepare_wait(thread, object, request);
        Ok(ServiceOutcome::InWait)
    }

    /// The first half of a signal-and-wait; WAIT-77: when it fails nothing is waited for.
    fn signal_object<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        signal: ObjectId,
    ) -> Result<(), NtStatus> {
        let result = match ObjectType::of(self.object(signal)) {
            ObjectType::Event => {
                self.set_event(cx, signal);
                Ok(())
            }
            ObjectType::Mutant => self.release_mutant(cx, signal, thread),
            ObjectType::Semaphore => self.release_semaphore(cx, signal, 1).map(|_| ()),
            ObjectType::Thread
            | ObjectType::Timer
            | ObjectType::File
            | ObjectType::Port
            | ObjectType::Device
            | ObjectType::Pipe
            | ObjectType::MessageQueue => {
                cx.rule(wait::WAIT_76);
                Err(NtStatus::OBJECT_TYPE_MISMATCH)
            }
        };
        if result.is_err() {
            cx.rules([wait::WAIT_77, apc::APC_U_30]);
        }
        result
    }

    /// Where a thread is after the tests of a wait's entry.
    ///
    /// A wait that a user APC or an alert ends returns in a step of its own, since others can
    /// act between that decision and the delivery.
    pub(crate) fn after_wait_entry(
        &mut self,
        thread: ThreadId,
        status: Option<NtStatus>,
    ) -> ServiceOutcome {
        match status {
            None => ServiceOutcome::InWait,
            Some(NtStatus::USER_APC) => {
                self.thread_mut(thread).state = ThreadState::Woken(NtStatus::USER_APC);
                ServiceOutcome::InWait
            }
            Some(status) => ServiceOutcome::Returned(status.into()),
        }
    }
}

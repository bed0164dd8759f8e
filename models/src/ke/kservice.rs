//! What code in kernel mode calls: the functions of the driver kit.
//!
//! They take objects, not handles, and say nothing of wrong arguments: what a driver may not do
//! stops the system, or is told as a broken contract.

use crate::event::{Event, Observer};
use crate::ids::{DatumId, DpcId, FastMutexId, HandleId, KapcId, RoutineId, SpinLockId, ThreadId};
use crate::ke::apc::KapcStage;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::fastmutex::Acquisition;
use crate::ke::thread::ThreadRole;
use crate::ke::wait::{WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::rule::{apc, wait};
use crate::service::{ServiceOutcome, ServiceReturn};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;
use alertable_traces::trace::ProcessorMode;

/// A function of the driver kit with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KernelService {
    /// KeInitializeApc.
    InitializeApc {
        /// The APC object.
        kapc: KapcId,
        /// For which thread.
        thread: HandleId,
    },
    /// KeInsertQueueApc.
    InsertQueueApc {
        /// The APC object.
        kapc: KapcId,
    },
    /// KeRemoveQueueApc.
    RemoveQueueApc {
        /// The APC object.
        kapc: KapcId,
    },
    /// KeFlushQueueApc.
    FlushQueueApc {
        /// Whose list.
        thread: HandleId,
        /// Which list.
        mode: ProcessorMode,
    },
    /// A kernel routine changes the normal routine.
    ReplaceNormalRoutine {
        /// What runs instead, and what that is given.
        normal: Option<(RoutineId, DatumId)>,
    },
    /// KeStackAttachProcess.
    AttachProcess {
        /// The process, by its number.
        process: u8,
    },
    /// KeUnstackDetachProcess.
    DetachProcess,
    /// KeEnterCriticalRegion.
    EnterCriticalRegion,
    /// KeLeaveCriticalRegion.
    LeaveCriticalRegion,
    /// KeEnterGuardedRegion.
    EnterGuardedRegion,
    /// KeLeaveGuardedRegion.
    LeaveGuardedRegion,
    /// KeAreApcsDisabled.
    AreApcsDisabled,
    /// KeAreAllApcsDisabled.
    AreAllApcsDisabled,
    /// KeGetCurrentIrql.
    GetCurrentIrql,
    /// KeRaiseIrql.
    RaiseIrql {
        /// The new level.
        irql: Irql,
    },
    /// KeLowerIrql.
    LowerIrql {
        /// The new level.
        irql: Irql,
    },
    /// KeAcquireSpinLock.
    AcquireSpinLock {
        /// The lock.
        lock: SpinLockId,
    },
    /// KeReleaseSpinLock.
    ReleaseSpinLock {
        /// The lock.
        lock: SpinLockId,
    },
    /// ExAcquireFastMutex, KeAcquireGuardedMutex and the functions beside them.
    AcquireFastMutex {
        /// The mutex.
        mutex: FastMutexId,
        /// Which of the functions.
        how: Acquisition,
    },
    /// ExReleaseFastMutex, KeReleaseGuardedMutex and the functions beside them.
    ReleaseFastMutex {
        /// The mutex.
        mutex: FastMutexId,
        /// It is one of those that leave APCs as they are.
        is_unsafe: bool,
    },
    /// KeWaitForSingleObject and KeWaitForMultipleObjects.
    Wait {
        /// What for.
        objects: Vec<HandleId>,
        /// All of them, or any one.
        all: bool,
        /// How long, in milliseconds; [`crate::ke::wait::NEVER`] for ever.
        timeout_ms: u32,
        /// On whose behalf.
        mode: ProcessorMode,
        /// Alerts, and on behalf of the user user APCs, end it.
        alertable: bool,
    },
    /// KeDelayExecutionThread.
    Delay {
        /// How long, in milliseconds; [`crate::ke::wait::NEVER`] for ever.
        timeout_ms: u32,
        /// On whose behalf.
        mode: ProcessorMode,
        /// Alerts, and on behalf of the user user APCs, end it.
        alertable: bool,
    },
    /// KeSetEvent.
    SetEvent {
        /// Which event.
        event: HandleId,
    },
    /// KeResetEvent.
    ResetEvent {
        /// Which event.
        event: HandleId,
    },
    /// KePulseEvent.
    PulseEvent {
        /// Which event.
        event: HandleId,
    },
    /// KeReadStateEvent.
    ReadStateEvent {
        /// Which event.
        event: HandleId,
    },
    /// KeReleaseMutex.
    ReleaseMutex {
        /// Which mutex.
        mutex: HandleId,
    },
    /// KeReleaseSemaphore.
    ReleaseSemaphore {
        /// Which semaphore.
        semaphore: HandleId,
        /// How many.
        count: i32,
    },
    /// KeTestAlertThread.
    TestAlertThread {
        /// Which alert.
        mode: ProcessorMode,
    },
    /// KeAlertThread.
    AlertThread {
        /// Which thread.
        thread: HandleId,
        /// Which alert.
        mode: ProcessorMode,
    },
    /// KeSetTimerEx.
    SetTimer {
        /// Which timer.
        timer: HandleId,
        /// Milliseconds from now.
        due_ms: u32,
        /// Milliseconds from one expiry to the next, 0 for one only.
        period_ms: i32,
        /// What is queued each time.
        dpc: Option<DpcId>,
    },
    /// KeCancelTimer.
    CancelTimer {
        /// Which timer.
        timer: HandleId,
    },
    /// KeInsertQueueDpc.
    InsertQueueDpc {
        /// Which DPC.
        dpc: DpcId,
    },
    /// KeRemoveQueueDpc.
    RemoveQueueDpc {
        /// Which DPC.
        dpc: DpcId,
    },
    /// A device interrupts.
    RaiseInterrupt {
        /// Which interrupt.
        interrupt: DpcId,
    },
    /// PsCreateSystemThread.
    CreateSystemThread {
        /// Which thread of the scenario.
        thread: ThreadId,
    },
    /// PsTerminateSystemThread.
    TerminateSystemThread {
        /// Its exit status.
        status: NtStatus,
    },
}

impl KernelService {
    /// The highest level at which it may be called.
    fn limit(&self) -> Irql {
        match self {
            // A wait without time to wait only looks.
            KernelService::Wait { timeout_ms: 0, .. } => Irql::Dispatch,
            KernelService::AttachProcess { .. }
            | KernelService::DetachProcess
            | KernelService::EnterCriticalRegion
            | KernelService::LeaveCriticalRegion
            | KernelService::EnterGuardedRegion
            | KernelService::LeaveGuardedRegion
            | KernelService::AcquireFastMutex { .. }
            | KernelService::ReleaseFastMutex { .. }
            | KernelService::Wait { .. }
            | KernelService::Delay { .. } => Irql::Apc,
            KernelService::CreateSystemThread { .. }
            | KernelService::TerminateSystemThread { .. } => Irql::Passive,
            KernelService::GetCurrentIrql
            | KernelService::RaiseIrql { .. }
            | KernelService::LowerIrql { .. }
            | KernelService::InsertQueueDpc { .. }
            | KernelService::RemoveQueueDpc { .. }
            | KernelService::RaiseInterrupt { .. } => Irql::Device,
            _ => Irql::Dispatch,
        }
    }
}

impl Kernel {
    /// Code in kernel mode calls a function.
    pub(crate) fn kernel_call<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        (name, service): (&'static str, &KernelService),
        stage: Option<KapcStage>,
    ) -> ServiceOutcome {
        let max = match service {
            // The lock of an interrupt.
            KernelService::AcquireSpinLock { lock } | KernelService::ReleaseSpinLock { lock }
                if cx.kernel_mode.is_of_interrupt(*lock) =>
            {
                Irql::Device
            }
            other => other.limit(),
        };
        if !self.check_irql(cx, thread, max, name) {
            return ServiceOutcome::Returned(Self::stopped_return());
        }
        match service {
            KernelService::Wait { objects, all, timeout_ms, mode, alertable } => {
                let kind = if *all { WaitKind::All } else { WaitKind::Any };
                let request =
                    WaitRequest { kind, alertable: *alertable, remaining_ms: *timeout_ms };
                let handles = cx.handles;
                let objects = objects.iter().map(|handle| handles[handle.index()]);
                self.kernel_wait(cx, thread, objects, request, *mode)
            }
            KernelService::Delay { timeout_ms, mode, alertable } => {
                let kind = WaitKind::Delay;
                let request =
                    WaitRequest { kind, alertable: *alertable, remaining_ms: *timeout_ms };
                self.kernel_wait(cx, thread, std::iter::empty(), request, *mode)
            }
            KernelService::AcquireFastMutex { mutex, how } => {
                self.acquire_fast_mutex(cx, thread, *mutex, *how)
            }
            // Only of threads without a user mode.
            KernelService::TerminateSystemThread { .. } if !self.is_system_thread(thread) => {
                ServiceOutcome::Returned(NtStatus::INVALID_PARAMETER.into())
            }
            KernelService::TerminateSystemThread { status } => {
                self.begin_system_exit(cx, thread, status.0);
                ServiceOutcome::Exits
            }
            KernelService::ReplaceNormalRoutine { normal } => {
                cx.rule(apc::APC_K_09);
                if stage == Some(KapcStage::Kernel) {
                    self.km_thread_mut(thread).normal = *normal;
                } else {
                    let how = "changed a normal routine outside a kernel routine";
                    cx.event(Event::ContractBroken { thread, how });
                }
                ServiceOutcome::Returned(NtStatus::SUCCESS.into())
            }
            other => ServiceOutcome::Returned(
                self.simple_kernel_call(cx, thread, other).unwrap_or_else(Into::into),
            ),
        }
    }

    /// A wait in kernel code: it says on whose behalf (WaitMode).
    fn kernel_wait<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        objects: impl Iterator<Item = crate::ids::ObjectId>,
        request: WaitRequest,
        mode: ProcessorMode,
    ) -> ServiceOutcome {
        cx.rule(wait::WAIT_19);
        self.km_thread_mut(thread).wait_mode = mode;
        let status = self.begin_wait(cx, thread, objects, request);
        match status {
            None => ServiceOutcome::InWait,
            Some(status) => ServiceOutcome::Returned(status.into()),
        }
    }

    /// The functions that neither wait nor end their thread.
    fn simple_kernel_call<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &KernelService,
    ) -> Result<ServiceReturn, NtStatus> {
        let of = |handle: &HandleId| cx.handles[handle.index()];
        let thread_of = |kernel: &Self, handle: &HandleId| {
            kernel.thread_of(of(handle)).expect("the reader has checked that it is a thread")
        };
        let value = match service {
            KernelService::InitializeApc { kapc, thread: target } => {
                let target = thread_of(self, target);
                self.initialize_apc(cx, thread, *kapc, target);
                0
            }
            KernelService::InsertQueueApc { kapc } => u32::from(self.insert_apc(cx, thread, *kapc)),
            KernelService::RemoveQueueApc { kapc } => u32::from(self.remove_apc(cx, *kapc)),
            KernelService::FlushQueueApc { thread: target, mode } => {
                let target = thread_of(self, target);
                self.flush_apcs(cx, target, *mode)
            }
            KernelService::AttachProcess { process } => {
                self.attach_process(cx, thread, *process);
                0
            }
            KernelService::DetachProcess => {
                self.detach_process(cx, thread);
                0
            }
            KernelService::EnterCriticalRegion => {
                self.enter_critical_region(cx, thread);
                0
            }
            KernelService::LeaveCriticalRegion => {
                self.leave_critical_region(cx, thread);
                0
            }
            KernelService::EnterGuardedRegion => {
                self.enter_guarded_region(cx, thread);
                0
            }
            KernelService::LeaveGuardedRegion => {
                self.leave_guarded_region(cx, thread);
                0
            }
            KernelService::AreApcsDisabled => u32::from(self.are_apcs_disabled(cx, thread)),
            KernelService::AreAllApcsDisabled => u32::from(self.are_all_apcs_disabled(cx, thread)),
            KernelService::GetCurrentIrql => self.irql(thread) as u32,
            KernelService::RaiseIrql { irql } => self.raise_irql(cx, thread, *irql) as u32,
            KernelService::LowerIrql { irql } => {
                self.lower_irql(cx, thread, *irql);
                0
            }
            KernelService::AcquireSpinLock { lock } => {
                self.acquire_spin_lock(cx, thread, *lock);
                0
            }
            KernelService::ReleaseSpinLock { lock } => {
                self.release_spin_lock(cx, thread, *lock);
                0
            }
            KernelService::ReleaseFastMutex { mutex, is_unsafe } => {
                self.release_fast_mutex(cx, thread, *mutex, *is_unsafe);
                0
            }
            KernelService::TestAlertThread { mode } => {
                u32::from(self.test_alert_in_mode(cx, thread, *mode) == NtStatus::ALERTED)
            }
            KernelService::AlertThread { thread: target, mode } => {
                let target = thread_of(self, target);
                u32::from(self.alert_in_mode(cx, target, *mode))
            }
            KernelService::RaiseInterrupt { interrupt } => {
                self.raise_interrupt(cx, *interrupt);
                0
            }
            KernelService::InsertQueueDpc { dpc } => u32::from(self.insert_dpc(cx, *dpc)),
            KernelService::RemoveQueueDpc { dpc } => u32::from(self.remove_dpc(cx, *dpc)),
            KernelService::CreateSystemThread { thread: target } => {
                self.create_thread(cx, *target)?;
                0
            }
            other => return self.object_call(cx, thread, other),
        };
        Ok(ServiceReturn { status: NtStatus::SUCCESS, value })
    }

    /// The functions that change an object.
    fn object_call<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        service: &KernelService,
    ) -> Result<ServiceReturn, NtStatus> {
        let of = |handle: &HandleId| cx.handles[handle.index()];
        let value = match service {
            KernelService::SetEvent { event } => {
                let event = of(event);
                let before = self.is_event_set(event);
                self.set_event(cx, event);
                cx.rule(wait::WAIT_53);
                u32::from(before)
            }
            KernelService::ResetEvent { event } => {
                let event = of(event);
                let before = self.is_event_set(event);
                self.reset_event(cx, event);
                cx.rule(wait::WAIT_53);
                u32::from(before)
            }
            KernelService::PulseEvent { event } => {
                let event = of(event);
                let before = self.is_event_set(event);
                self.pulse_event(cx, event);
                cx.rule(wait::WAIT_53);
                u32::from(before)
            }
            KernelService::ReadStateEvent { event } => u32::from(self.is_event_set(of(event))),
            KernelService::ReleaseMutex { mutex } => {
                let mutex = of(mutex);
                let released = self.release_mutant(cx, mutex, thread);
                if released == Err(NtStatus::MUTANT_NOT_OWNED) {
                    let how = "released a mutex that it does not own, which raises an exception";
                    cx.event(Event::ContractBroken { thread, how });
                }
                released?;
                0
            }
            KernelService::ReleaseSemaphore { semaphore, count } => {
                let semaphore = of(semaphore);
                let released = self.release_semaphore(cx, semaphore, *count);
                if released.is_err() {
                    let how = "released a semaphore beyond its limit, which raises an exception";
                    cx.event(Event::ContractBroken { thread, how });
                }
                released?
            }
            KernelService::SetTimer { timer, due_ms, period_ms, dpc } => {
                let timer = of(timer);
                let before = self.is_timer_active(timer);
                self.set_timer_dpc(cx, timer, *dpc);
                self.set_timer(cx, timer, *due_ms, *period_ms, None)?;
                u32::from(before)
            }
            KernelService::CancelTimer { timer } => {
                let timer = of(timer);
                let before = self.is_timer_active(timer);
                self.cancel_timer(cx, timer);
                u32::from(before)
            }
            other => {
                unreachable!("it is treated before: {other:?}")
            }
        };
        Ok(ServiceReturn { status: NtStatus::SUCCESS, value })
    }

    fn is_event_set(&self, event: crate::ids::ObjectId) -> bool {
        matches!(self.object(event), DispatcherObject::Event(event) if event.signaled)
    }

    fn is_timer_active(&self, timer: crate::ids::ObjectId) -> bool {
        matches!(self.object(timer), DispatcherObject::Timer(timer) if timer.is_active())
    }

    /// Whether a thread has no user mode: no user APC can be queued to it (APC-U-20).
    pub(crate) fn is_system_thread(&self, thread: ThreadId) -> bool {
        matches!(self.role(thread), ThreadRole::System | ThreadRole::Dpc)
    }
}

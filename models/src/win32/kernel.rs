//! From a call of the driver kit to what the kernel does.

use super::Convention;
use super::lower::{Names, milliseconds, status_of};
use crate::ke::fastmutex::Acquisition;
use crate::ke::kservice::KernelService as K;
use alertable_traces::call::Call;

/// The function behind a call of code in kernel mode; `None` for any other call.
pub(super) fn kernel_service(call: &Call, names: &mut impl Names) -> Option<(K, Convention)> {
    apc_service(call, names)
        .or_else(|| level_service(call, names))
        .or_else(|| mutex_service(call, names))
        .or_else(|| wait_service(call, names))
        .or_else(|| object_service(call, names))
}

fn apc_service(call: &Call, names: &mut impl Names) -> Option<(K, Convention)> {
    Some(match call {
        Call::KeInitializeApc { apc, thread } => {
            let (kapc, thread) = (names.kapc(apc), names.handle(thread));
            (K::InitializeApc { kapc, thread }, Convention::Void)
        }
        Call::KeInsertQueueApc { apc, .. } => {
            (K::InsertQueueApc { kapc: names.kapc(apc) }, Convention::Truth)
        }
        Call::KeRemoveQueueApc { apc } => {
            (K::RemoveQueueApc { kapc: names.kapc(apc) }, Convention::Truth)
        }
        Call::KeFlushQueueApc { thread, mode } => {
            let thread = names.handle(thread);
            (K::FlushQueueApc { thread, mode: *mode }, Convention::Count)
        }
        Call::ReplaceNormalRoutine { routine, data } => {
            let routine = routine.as_ref().map(|routine| names.routine(routine));
            let normal = routine.map(|routine| (routine, names.datum(*data)));
            (K::ReplaceNormalRoutine { normal }, Convention::Void)
        }
        Call::KeStackAttachProcess { process } => {
            (K::AttachProcess { process: names.process(process) }, Convention::Void)
        }
        Call::KeUnstackDetachProcess => (K::DetachProcess, Convention::Void),
        Call::KeEnterCriticalRegion => (K::EnterCriticalRegion, Convention::Void),
        Call::KeLeaveCriticalRegion => (K::LeaveCriticalRegion, Convention::Void),
        Call::KeEnterGuardedRegion => (K::EnterGuardedRegion, Convention::Void),
        Call::KeLeaveGuardedRegion => (K::LeaveGuardedRegion, Convention::Void),
        Call::KeAreApcsDisabled => (K::AreApcsDisabled, Convention::Truth),
        Call::KeAreAllApcsDisabled => (K::AreAllApcsDisabled, Convention::Truth),
        Call::KeTestAlertThread { mode } => (K::TestAlertThread { mode: *mode }, Convention::Truth),
        Call::KeAlertThread { thread, mode } => {
            (K::AlertThread { thread: names.handle(thread), mode: *mode }, Convention::Truth)
        }
        Call::PsCreateSystemThread { thread } => {
            (K::CreateSystemThread { thread: names.thread(thread) }, Convention::Status)
        }
        Call::PsTerminateSystemThread { status } => {
            (K::TerminateSystemThread { status: status_of(status) }, Convention::Status)
        }
        _ => return None,
    })
}

fn level_service(call: &Call, names: &mut impl Names) -> Option<(K, Convention)> {
    Some(match call {
        Call::KeGetCurrentIrql => (K::GetCurrentIrql, Convention::Level),
        Call::KeRaiseIrql { irql } => (K::RaiseIrql { irql: *irql }, Convention::Level),
        Call::KeLowerIrql { irql } => (K::LowerIrql { irql: *irql }, Convention::Void),
        Call::KeAcquireSpinLock { lock } => {
            (K::AcquireSpinLock { lock: names.spin_lock(lock) }, Convention::Void)
        }
        Call::KeReleaseSpinLock { lock } => {
            (K::ReleaseSpinLock { lock: names.spin_lock(lock) }, Convention::Void)
        }
        Call::KeAcquireInterruptSpinLock { interrupt } => {
            (K::AcquireSpinLock { lock: names.spin_lock(interrupt) }, Convention::Void)
        }
        Call::KeReleaseInterruptSpinLock { interrupt } => {
            (K::ReleaseSpinLock { lock: names.spin_lock(interrupt) }, Convention::Void)
        }
        Call::RaiseInterrupt { interrupt } => {
            (K::RaiseInterrupt { interrupt: names.dpc(interrupt) }, Convention::Void)
        }
        Call::IoRequestDpc { device } => {
            (K::InsertQueueDpc { dpc: names.device_dpc(device)? }, Convention::Truth)
        }
        Call::KeInsertQueueDpc { dpc } => {
            (K::InsertQueueDpc { dpc: names.dpc(dpc) }, Convention::Truth)
        }
        Call::KeRemoveQueueDpc { dpc } => {
            (K::RemoveQueueDpc { dpc: names.dpc(dpc) }, Convention::Truth)
        }
        _ => return None,
    })
}

fn mutex_service(call: &Call, names: &impl Names) -> Option<(K, Convention)> {
    let acquire = |mutex: &str, how| {
        let convention =
            if how == Acquisition::Tries { Convention::Truth } else { Convention::Void };
        (K::AcquireFastMutex { mutex: names.fast_mutex(mutex), how }, convention)
    };
    let release = |mutex: &str, is_unsafe| {
        (K::ReleaseFastMutex { mutex: names.fast_mutex(mutex), is_unsafe }, Convention::Void)
    };
    Some(match call {
        Call::ExAcquireFastMutex { mutex } | Call::KeAcquireGuardedMutex { mutex } => {
            acquire(mutex, Acquisition::Waits)
        }
        Call::ExTryToAcquireFastMutex { mutex } | Call::KeTryToAcquireGuardedMutex { mutex } => {
            acquire(mutex, Acquisition::Tries)
        }
        Call::ExAcquireFastMutexUnsafe { mutex } | Call::KeAcquireGuardedMutexUnsafe { mutex } => {
            acquire(mutex, Acquisition::Unsafe)
        }
        Call::ExReleaseFastMutex { mutex } | Call::KeReleaseGuardedMutex { mutex } => {
            release(mutex, false)
        }
        Call::ExReleaseFastMutexUnsafe { mutex } | Call::KeReleaseGuardedMutexUnsafe { mutex } => {
            release(mutex, true)
        }
        _ => return None,
    })
}

fn wait_service(call: &Call, names: &mut impl Names) -> Option<(K, Convention)> {
    let service = match call {
        Call::KeWaitForSingleObject { object, ms, mode, alertable } => K::Wait {
            objects: vec![names.handle(object)],
            all: false,
            timeout_ms: milliseconds(*ms),
            mode: *mode,
            alertable: *alertable,
        },
        Call::KeWaitForMultipleObjects { objects, all, ms, mode, alertable } => K::Wait {
            objects: objects.iter().map(|object| names.handle(object)).collect(),
            all: *all,
            timeout_ms: milliseconds(*ms),
            mode: *mode,
            alertable: *alertable,
        },
        Call::KeDelayExecutionThread { ms, mode, alertable } => {
            let timeout_ms = milliseconds(*ms);
            let service = K::Delay { timeout_ms, mode: *mode, alertable: *alertable };
            return Some((service, Convention::Delay));
        }
        _ => return None,
    };
    Some((service, Convention::Status))
}

fn object_service(call: &Call, names: &mut impl Names) -> Option<(K, Convention)> {
    Some(match call {
        Call::KeSetEvent { event, .. } => {
            (K::SetEvent { event: names.handle(event) }, Convention::Count)
        }
        Call::KeResetEvent { event } => {
            (K::ResetEvent { event: names.handle(event) }, Convention::Count)
        }
        Call::KePulseEvent { event, .. } => {
            (K::PulseEvent { event: names.handle(event) }, Convention::Count)
        }
        Call::KeReadStateEvent { event } => {
            (K::ReadStateEvent { event: names.handle(event) }, Convention::Count)
        }
        Call::KeReleaseMutex { mutex } => {
            (K::ReleaseMutex { mutex: names.handle(mutex) }, Convention::Count)
        }
        Call::KeReleaseSemaphore { semaphore, count } => {
            let semaphore = names.handle(semaphore);
            (K::ReleaseSemaphore { semaphore, count: *count }, Convention::Count)
        }
        Call::KeSetTimerEx { timer, due_ms, period_ms, dpc } => {
            let period_ms = i32::try_from(*period_ms).unwrap_or(i32::MAX);
            let dpc = dpc.as_ref().map(|dpc| names.dpc(dpc));
            let (timer, due_ms) = (names.handle(timer), *due_ms);
            (K::SetTimer { timer, due_ms, period_ms, dpc }, Convention::Truth)
        }
        Call::KeCancelTimer { timer } => {
            (K::CancelTimer { timer: names.handle(timer) }, Convention::Truth)
        }
        _ => return None,
    })
}

//! From a call of the format to the system service behind it.

use super::Convention;
use crate::ids::{DatumId, HandleId, RoutineId, ThreadId};
use crate::ke::wait::NEVER;
use crate::service::Service;
use alertable_traces::call::{Call, Timeout};

/// The most objects of a wait (MAXIMUM_WAIT_OBJECTS, WAIT-29).
const WAIT_OBJECT_COUNT_MAX: u8 = 64;

/// A call as the kernel takes it, and how its result looks.
pub(crate) struct Lowered {
    pub(crate) service: Service,
    pub(crate) convention: Convention,
}

/// The ids of a scenario's names. The reader has checked that every name is there.
pub(crate) trait Names {
    fn handle(&self, name: &str) -> HandleId;
    fn thread(&self, name: &str) -> ThreadId;
    fn routine(&self, name: &str) -> RoutineId;
    fn datum(&mut self, value: u64) -> DatumId;
    /// The message queue of the thread that makes the call.
    fn message_queue(&mut self) -> HandleId;
}

fn milliseconds(timeout: Timeout) -> u32 {
    match timeout {
        Timeout::Finite(ms) => ms,
        Timeout::Infinite => NEVER,
    }
}

/// The service behind a call; `None` for a call that is not simulated yet.
pub(crate) fn lower(call: &Call, names: &mut impl Names) -> Option<Lowered> {
    wait_service(call, names)
        .or_else(|| object_service(call, names))
        .or_else(|| thread_service(call, names))
        .map(|(service, convention)| Lowered { service, convention })
}

fn wait_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    let delay = |timeout: Timeout, alertable| {
        let timeout_ms = milliseconds(timeout);
        (Service::DelayExecution { alertable, timeout_ms }, Convention::Sleep)
    };
    let wait = |objects, all, timeout: Timeout, alertable| {
        let timeout_ms = milliseconds(timeout);
        let count_max = WAIT_OBJECT_COUNT_MAX;
        let service = Service::WaitForObjects { objects, all, alertable, timeout_ms, count_max };
        (service, Convention::Wait)
    };
    let handles = |names: &dyn Names, objects: &[String]| {
        objects.iter().map(|object| names.handle(object)).collect::<Vec<_>>()
    };
    Some(match call {
        Call::Sleep { ms } => delay(*ms, false),
        Call::SleepEx { ms, alertable } => delay(*ms, *alertable),
        Call::WaitForSingleObject { object, ms } => {
            wait(vec![names.handle(object)], false, *ms, false)
        }
        Call::WaitForSingleObjectEx { object, ms, alertable } => {
            wait(vec![names.handle(object)], false, *ms, *alertable)
        }
        Call::WaitForMultipleObjects { objects, all, ms } => {
            wait(handles(names, objects), *all, *ms, false)
        }
        Call::WaitForMultipleObjectsEx { objects, all, ms, alertable } => {
            wait(handles(names, objects), *all, *ms, *alertable)
        }
        Call::MsgWaitForMultipleObjectsEx { objects, ms, flags, .. } => {
            // WAIT-81: input is one more object, behind the others.
            let has = |flag: &str| flags.iter().any(|given| given == flag);
            let mut objects = handles(names, objects);
            objects.push(names.message_queue());
            wait(objects, has("MWMO_WAITALL"), *ms, has("MWMO_ALERTABLE"))
        }
        Call::SignalObjectAndWait { signal, object, ms, alertable } => (
            Service::SignalAndWait {
                signal: names.handle(signal),
                object: names.handle(object),
                alertable: *alertable,
                timeout_ms: milliseconds(*ms),
            },
            Convention::Wait,
        ),
        _ => return None,
    })
}

fn object_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    Some(match call {
        Call::SetEvent { event } => {
            (Service::SetEvent { event: names.handle(event) }, Convention::Boolean)
        }
        Call::ResetEvent { event } => {
            (Service::ResetEvent { event: names.handle(event) }, Convention::Boolean)
        }
        Call::PulseEvent { event } => {
            (Service::PulseEvent { event: names.handle(event) }, Convention::Boolean)
        }
        Call::ReleaseMutex { mutex } => {
            (Service::ReleaseMutant { mutant: names.handle(mutex) }, Convention::Boolean)
        }
        Call::ReleaseSemaphore { semaphore, count } => {
            let semaphore = names.handle(semaphore);
            (Service::ReleaseSemaphore { semaphore, count: *count }, Convention::PreviousCount)
        }
        Call::SetWaitableTimer { timer, due_ms, period_ms, routine, data } => {
            let apc = routine.as_ref().map(|routine| (names.routine(routine), names.datum(*data)));
            let (timer, due_ms, period_ms) = (names.handle(timer), *due_ms, *period_ms);
            (Service::SetTimer { timer, due_ms, period_ms, apc }, Convention::Boolean)
        }
        Call::CancelWaitableTimer { timer } => {
            (Service::CancelTimer { timer: names.handle(timer) }, Convention::Boolean)
        }
        Call::CloseHandle { object } => {
            (Service::Close { handle: names.handle(object) }, Convention::Boolean)
        }
        Call::DuplicateHandle { object, handle } => {
            let (source, target) = (names.handle(object), names.handle(handle));
            (Service::DuplicateObject { source, target }, Convention::Boolean)
        }
        _ => return None,
    })
}

fn thread_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    let queue = |names: &mut dyn Names, thread: &str, routine: &str, data, special| {
        let (thread, routine) = (names.handle(thread), names.routine(routine));
        let context = names.datum(data);
        (Service::QueueApcThread { thread, routine, context, special }, Convention::Boolean)
    };
    Some(match call {
        Call::QueueUserApc { thread, routine, data } => queue(names, thread, routine, *data, false),
        Call::QueueUserApc2 { thread, routine, data, flags } => {
            queue(names, thread, routine, *data, flags.iter().any(|flag| flag == "special"))
        }
        Call::NtTestAlert => (Service::TestAlert, Convention::Status),
        Call::NtAlertThread { thread } => {
            (Service::AlertThread { thread: names.handle(thread) }, Convention::Status)
        }
        Call::CreateThread { thread } => {
            (Service::CreateThread { thread: names.thread(thread) }, Convention::Boolean)
        }
        Call::ResumeThread { thread } => {
            (Service::ResumeThread { thread: names.handle(thread) }, Convention::SuspendCount)
        }
        Call::SuspendThread { thread } => {
            (Service::SuspendThread { thread: names.handle(thread) }, Convention::SuspendCount)
        }
        Call::TerminateThread { thread, code } => {
            let thread = names.handle(thread);
            (Service::TerminateThread { thread, code: *code }, Convention::Boolean)
        }
        Call::ExitThread { code } => (Service::ExitThread { code: *code }, Convention::Status),
        _ => return None,
    })
}

//! From a call of the format to the system service behind it.

use super::Convention;
use super::driver::driver_service;
use super::kernel::kernel_service;
use crate::ids::{
    BlockId, DatumId, DpcId, FastMutexId, HandleId, IrpQueueId, IrpVarId, KapcId, RequestId,
    RoutineId, SpinLockId, ThreadId,
};
use crate::io::overlapped::ResultWait;
use crate::io::port::{Packet, PacketValue};
use crate::io::setup::{ControlCode, Interface, Major, Request, RequestContext};
use crate::ke::wait::NEVER;
use crate::service::Service;
use alertable_traces::call::{Call, Timeout};
use alertable_traces::outcome::Value;
use alertable_traces::status::NtStatus;

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
    /// A status block: an I/O status block, or an OVERLAPPED.
    fn block(&mut self, name: &str) -> BlockId;
    /// An OVERLAPPED.
    fn overlapped(&mut self, name: &str) -> Overlapped;
    /// The number of a pool's wait.
    fn pool_wait(&self, name: &str) -> usize;
    /// An APC object.
    fn kapc(&self, name: &str) -> KapcId;
    /// A DPC object.
    fn dpc(&self, name: &str) -> DpcId;
    /// The DPC of a driver's device.
    fn device_dpc(&self, name: &str) -> Option<DpcId>;
    /// A place for the address of a request packet.
    fn irp_var(&self, name: &str) -> IrpVarId;
    /// A queue of request packets.
    fn irp_queue(&self, name: &str) -> IrpQueueId;
    /// A driver's device, by its number; none for a device that is set up.
    fn driver(&self, name: &str) -> Option<usize>;
    /// A spin lock.
    fn spin_lock(&self, name: &str) -> SpinLockId;
    /// A process other than the first one.
    fn process(&mut self, name: &str) -> u8;
    /// A fast or guarded mutex.
    fn fast_mutex(&self, name: &str) -> FastMutexId;
    /// Enters a request.
    fn request(&mut self, request: Request) -> RequestId;
}

/// An OVERLAPPED, as calls use it.
#[derive(Clone, Copy)]
pub(crate) struct Overlapped {
    pub(crate) block: BlockId,
    /// Its event.
    pub(crate) event: Option<HandleId>,
    /// The low bit of the event's handle is set.
    pub(crate) suppress_port: bool,
}

pub(super) fn milliseconds(timeout: Timeout) -> u32 {
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
        .or_else(|| request_service(call, names))
        .or_else(|| file_service(call, names))
        .or_else(|| port_service(call, names))
        .or_else(|| pool_service(call, names))
        .or_else(|| {
            let (service, convention) = kernel_service(call, names)?;
            Some((Service::Kernel(service), convention))
        })
        .or_else(|| {
            let (service, convention) = driver_service(call, names)?;
            Some((Service::Driver(service), convention))
        })
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

/// Reading, writing, control codes: a request, and how its result looks.
fn request_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    let win32 = |names: &mut dyn Names, file: &str, major, length, overlapped: Option<&str>| {
        let block = overlapped.map(|name| names.overlapped(name));
        let request = Request {
            file: names.handle(file),
            major,
            length,
            block: block.as_ref().map(|overlapped| overlapped.block),
            event: block.as_ref().and_then(|overlapped| overlapped.event),
            routine: None,
            context: match block {
                // IO-41: the low bit of the event keeps the packet from the port.
                Some(Overlapped { suppress_port: false, block, .. }) => {
                    RequestContext::Block(block)
                }
                _ => RequestContext::Null,
            },
            interface: if overlapped.is_some() {
                Interface::Overlapped
            } else {
                Interface::Waiting
            },
            marked_apart: false,
            cleared_apart: false,
            finished_apart: false,
        };
        let convention = if overlapped.is_some() {
            Convention::Transfer
        } else {
            Convention::SynchronousTransfer
        };
        (Service::Io { request: names.request(request) }, convention)
    };
    let extended = |names: &mut dyn Names, file: &str, major, length, ov: &str, routine: &str| {
        // IO-46: the event is ignored, the OVERLAPPED is the status block.
        let block = names.overlapped(ov).block;
        let request = Request {
            file: names.handle(file),
            major,
            length,
            block: Some(block),
            event: None,
            routine: Some(names.routine(routine)),
            context: RequestContext::Block(block),
            interface: Interface::Overlapped,
            marked_apart: false,
            cleared_apart: false,
            finished_apart: false,
        };
        (Service::Io { request: names.request(request) }, Convention::TransferEx)
    };
    Some(match call {
        Call::ReadFile { file, bytes, overlapped } => {
            win32(names, file, Major::Read, *bytes, overlapped.as_deref())
        }
        Call::WriteFile { file, bytes, overlapped } => {
            win32(names, file, Major::Write, *bytes, overlapped.as_deref())
        }
        Call::DeviceIoControl { file, code, bytes, overlapped } => {
            let major = Major::Control(control_code(code));
            win32(names, file, major, *bytes, overlapped.as_deref())
        }
        Call::ReadFileEx { file, bytes, overlapped, routine } => {
            extended(names, file, Major::Read, *bytes, overlapped, routine)
        }
        Call::WriteFileEx { file, bytes, overlapped, routine } => {
            extended(names, file, Major::Write, *bytes, overlapped, routine)
        }
        Call::NtReadFile { file, bytes, event, routine, context, iosb } => {
            let optional = Optional { event, routine, context };
            native(names, file, Major::Read, *bytes, &optional, iosb)
        }
        Call::NtWriteFile { file, bytes, event, routine, context, iosb } => {
            let optional = Optional { event, routine, context };
            native(names, file, Major::Write, *bytes, &optional, iosb)
        }
        Call::NtFsControlFile { file, code, bytes, event, routine, context, iosb }
        | Call::NtDeviceIoControlFile { file, code, bytes, event, routine, context, iosb } => {
            let optional = Optional { event, routine, context };
            native(names, file, Major::Control(control_code(code)), *bytes, &optional, iosb)
        }
        _ => return None,
    })
}

/// The arguments of a native request that can be left out.
struct Optional<'a> {
    event: &'a Option<String>,
    routine: &'a Option<String>,
    context: &'a Option<Value>,
}

fn native(
    names: &mut impl Names,
    file: &str,
    major: Major,
    length: u32,
    optional: &Optional<'_>,
    iosb: &str,
) -> (Service, Convention) {
    let request = Request {
        file: names.handle(file),
        major,
        length,
        block: Some(names.block(iosb)),
        event: optional.event.as_ref().map(|event| names.handle(event)),
        routine: optional.routine.as_ref().map(|routine| names.routine(routine)),
        context: match optional.context {
            None | Some(Value::Number(0)) => RequestContext::Null,
            Some(Value::Number(number)) => {
                RequestContext::Number(names.datum(number.cast_unsigned()))
            }
            Some(Value::Name(name)) => RequestContext::Block(names.block(name)),
        },
        interface: Interface::Native,
        marked_apart: false,
        cleared_apart: false,
        finished_apart: false,
    };
    (Service::Io { request: names.request(request) }, Convention::Status)
}

fn control_code(code: &Value) -> ControlCode {
    match code {
        Value::Name(name) => match name.as_str() {
            "FSCTL_PIPE_LISTEN" => ControlCode::PipeListen,
            "FSCTL_PIPE_DISCONNECT" => ControlCode::PipeDisconnect,
            "FSCTL_PIPE_PEEK" => ControlCode::PipePeek,
            "FSCTL_PIPE_TRANSCEIVE" => ControlCode::PipeTransceive,
            _ => ControlCode::Other,
        },
        Value::Number(_) => ControlCode::Other,
    }
}

fn file_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    let result = |names: &mut dyn Names, file: &str, overlapped: &str, wait| {
        let overlapped = names.overlapped(overlapped);
        let object = overlapped.event.unwrap_or_else(|| names.handle(file));
        let service = Service::OverlappedResult { block: overlapped.block, object, wait };
        (service, Convention::OverlappedResult)
    };
    Some(match call {
        Call::GetOverlappedResult { file, overlapped, wait } => {
            let wait = wait.then_some(ResultWait { alertable: false, timeout_ms: NEVER });
            result(names, file, overlapped, wait)
        }
        Call::GetOverlappedResultEx { file, overlapped, ms, alertable } => {
            let timeout_ms = milliseconds(*ms);
            let wait = ResultWait { alertable: *alertable, timeout_ms };
            result(names, file, overlapped, (timeout_ms > 0).then_some(wait))
        }
        Call::HasOverlappedIoCompleted { overlapped } => {
            let block = names.overlapped(overlapped).block;
            (Service::HasCompleted { block }, Convention::HasCompleted)
        }
        Call::CancelIo { file } => {
            (Service::CancelIoFile { file: names.handle(file) }, Convention::Boolean)
        }
        Call::NtCancelIoFile { file } => {
            (Service::CancelIoFile { file: names.handle(file) }, Convention::Status)
        }
        Call::CancelIoEx { file, overlapped } => {
            let block = overlapped.as_ref().map(|name| names.overlapped(name).block);
            (Service::CancelIoFileEx { file: names.handle(file), block }, Convention::Boolean)
        }
        Call::NtCancelIoFileEx { file, iosb } => {
            let block = iosb.as_ref().map(|name| names.block(name));
            (Service::CancelIoFileEx { file: names.handle(file), block }, Convention::Status)
        }
        Call::CancelSynchronousIo { thread } => {
            let thread = names.handle(thread);
            (Service::CancelSynchronousIoFile { thread }, Convention::Boolean)
        }
        Call::SetFileCompletionNotificationModes { file, modes } => {
            let has = |mode: &str| modes.iter().any(|given| given == mode);
            let service = Service::SetNotificationModes {
                file: names.handle(file),
                skip_port: has("skip-port-on-success"),
                skip_event: has("skip-set-event"),
            };
            (service, Convention::Boolean)
        }
        Call::CompleteRequest { device, status, bytes, overlapped } => {
            let service = Service::CompleteRequest {
                device: names.handle(device),
                block: overlapped.as_ref().map(|name| names.block(name)),
                status: status_of(status),
                bytes: *bytes,
            };
            (service, Convention::Boolean)
        }
        _ => return None,
    })
}

fn port_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    let post = |names: &mut dyn Names, port: &str, key, value, status, information| {
        let key = names.datum(key);
        let packet = Packet { key, value, status, information, irp: None };
        Service::SetIoCompletion { port: names.handle(port), packet }
    };
    let remove = |names: &mut dyn Names, port: &str, max, ms, alertable| {
        let (port, timeout_ms) = (names.handle(port), milliseconds(ms));
        Service::RemoveIoCompletion { port, max, alertable, timeout_ms }
    };
    Some(match call {
        Call::CreateIoCompletionPort { file, port, key } => {
            let (file, port, key) = (names.handle(file), names.handle(port), names.datum(*key));
            (Service::AssociatePort { file, port, key }, Convention::Boolean)
        }
        Call::PostQueuedCompletionStatus { port, bytes, key, overlapped } => {
            let value = match overlapped {
                Some(name) => PacketValue::Block(names.overlapped(name).block),
                None => PacketValue::Null,
            };
            (post(names, port, *key, value, NtStatus::SUCCESS, *bytes), Convention::Boolean)
        }
        Call::NtSetIoCompletion { port, key, value, status, information } => {
            let value = match value {
                Value::Number(0) => PacketValue::Null,
                Value::Number(number) => PacketValue::Number(names.datum(number.cast_unsigned())),
                Value::Name(name) => PacketValue::Block(names.block(name)),
            };
            let service = post(names, port, *key, value, status_of(status), *information);
            (service, Convention::Status)
        }
        Call::GetQueuedCompletionStatus { port, ms } => {
            (remove(names, port, 1, *ms, false), Convention::Packet)
        }
        Call::GetQueuedCompletionStatusEx { port, max, ms, alertable } => {
            let max = u16::try_from(*max).unwrap_or(u16::MAX);
            (remove(names, port, max, *ms, *alertable), Convention::Packets)
        }
        Call::NtRemoveIoCompletion { port, ms } => {
            (remove(names, port, 1, *ms, false), Convention::NativePacket)
        }
        _ => return None,
    })
}

fn pool_service(call: &Call, names: &mut impl Names) -> Option<(Service, Convention)> {
    let submit = |names: &mut dyn Names, pool: &str, routine: &str, data| {
        let key = names.routine(routine).0;
        let key = names.datum(u64::from(key));
        let (pool, context) = (names.handle(pool), names.datum(data));
        (Service::SubmitWork { pool, key, context }, Convention::Boolean)
    };
    Some(match call {
        Call::TrySubmitThreadpoolCallback { pool, routine, data }
        | Call::QueueUserWorkItem { pool, routine, data } => submit(names, pool, routine, *data),
        Call::SetThreadpoolTimer { timer, due_ms, period_ms } => {
            let period_ms = i32::try_from(*period_ms).unwrap_or(i32::MAX);
            let timer = names.handle(timer);
            (Service::SetPoolTimer { timer, due_ms: *due_ms, period_ms }, Convention::Boolean)
        }
        Call::SetThreadpoolWait { wait, object, ms } => {
            let object = object.as_ref().map(|object| names.handle(object));
            let (wait, timeout_ms) = (names.pool_wait(wait), milliseconds(*ms));
            (Service::SetPoolWait { wait, object, timeout_ms }, Convention::Boolean)
        }
        Call::StartThreadpoolIo { .. } => (Service::StartPoolIo, Convention::Boolean),
        _ => return None,
    })
}

pub(super) fn status_of(name: &str) -> NtStatus {
    NtStatus::from_name(name).expect("the reader has checked the names of statuses")
}

//! A step's call in C.

use super::names::{Identifiers, literal};
use alertable_traces::call::{Call, Timeout};
use alertable_traces::outcome::Value;
use alertable_traces::status::NtStatus;

/// What a call is written with: the identifiers, and the buffer of its step.
pub(super) struct Writer<'a> {
    pub(super) identifiers: &'a Identifiers,
    /// The number of the step, which names its buffer.
    pub(super) step: usize,
    /// Threads end without the loader.
    pub(super) ends_directly: bool,
}

/// The value of a control code that has a name.
pub(super) fn control_code(name: &str) -> Option<u32> {
    Some(match name {
        "FSCTL_PIPE_DISCONNECT" => 0x0011_0004,
        "FSCTL_PIPE_LISTEN" => 0x0011_0008,
        "FSCTL_PIPE_PEEK" => 0x0011_400C,
        "FSCTL_PIPE_TRANSCEIVE" => 0x0011_C017,
        _ => return None,
    })
}

/// How many bytes a call reads or writes, if it needs a buffer. A buffer has one byte at least.
pub(super) fn buffer_bytes(call: &Call) -> Option<u32> {
    match call {
        Call::ReadFile { bytes, .. }
        | Call::WriteFile { bytes, .. }
        | Call::ReadFileEx { bytes, .. }
        | Call::WriteFileEx { bytes, .. }
        | Call::NtReadFile { bytes, .. }
        | Call::NtWriteFile { bytes, .. }
        | Call::NtFsControlFile { bytes, .. }
        | Call::NtDeviceIoControlFile { bytes, .. }
        | Call::DeviceIoControl { bytes, .. } => Some((*bytes).max(1)),
        _ => None,
    }
}

fn time(ms: Timeout) -> String {
    match ms {
        Timeout::Infinite => "INFINITE".to_owned(),
        Timeout::Finite(ms) => format!("ms({ms})"),
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}

impl Writer<'_> {
    fn name(&self, name: &str) -> &str {
        self.identifiers.of(name)
    }

    /// The handle of an object or thread.
    fn handle(&self, name: &str) -> String {
        let identifier = self.name(name);
        if identifier.starts_with("T_") {
            format!("threads[{identifier}].handle")
        } else {
            identifier.to_owned()
        }
    }

    fn handles(&self, names: &[String]) -> String {
        if names.is_empty() {
            return "NULL".to_owned();
        }
        let handles: Vec<String> = names.iter().map(|name| self.handle(name)).collect();
        format!("(HANDLE[]){{ {} }}", handles.join(", "))
    }

    fn overlapped(&self, name: Option<&String>) -> String {
        name.map_or_else(|| "NULL".to_owned(), |name| format!("&{}", self.name(name)))
    }

    /// A status block for a system service.
    fn iosb(&self, name: &str) -> String {
        format!("(struct iosb *)&{}", self.name(name))
    }

    /// A number or the address of a status block, as an integer.
    fn value(&self, value: Option<&Value>) -> String {
        match value {
            None => "0".to_owned(),
            Some(Value::Number(number)) => format!("{}ULL", number.cast_unsigned()),
            Some(Value::Name(name)) => format!("(ULONG_PTR)&{}", self.name(name)),
        }
    }

    fn buffer(&self) -> String {
        format!("buffer_{}", self.step)
    }

    /// The call and what its result is made with.
    pub(super) fn call(&self, call: &Call) -> String {
        self.wait(call)
            .or_else(|| self.object(call))
            .or_else(|| self.thread(call))
            .or_else(|| self.request(call))
            .or_else(|| self.native(call))
            .or_else(|| self.port(call))
            .unwrap_or_else(|| unreachable!("obstacles keep out what has no mapping"))
    }

    fn wait(&self, call: &Call) -> Option<String> {
        Some(match call {
            // Its time is all that Sleep returns.
            Call::Sleep { ms } => format!("(Sleep({}), number(0))", time(*ms)),
            Call::SleepEx { ms, alertable } => {
                format!("slept(SleepEx({}, {}))", time(*ms), boolean(*alertable))
            }
            Call::WaitForSingleObject { object, ms } => {
                let (object, time) = (self.handle(object), time(*ms));
                format!("waited(WaitForSingleObject({object}, {time}))")
            }
            Call::WaitForSingleObjectEx { object, ms, alertable } => {
                let (object, time) = (self.handle(object), time(*ms));
                format!("waited(WaitForSingleObjectEx({object}, {time}, {}))", boolean(*alertable))
            }
            Call::WaitForMultipleObjects { objects, all, ms } => format!(
                "waited(WaitForMultipleObjects({}, {}, {}, {}))",
                objects.len(),
                self.handles(objects),
                boolean(*all),
                time(*ms)
            ),
            Call::WaitForMultipleObjectsEx { objects, all, ms, alertable } => format!(
                "waited(WaitForMultipleObjectsEx({}, {}, {}, {}, {}))",
                objects.len(),
                self.handles(objects),
                boolean(*all),
                time(*ms),
                boolean(*alertable)
            ),
            Call::MsgWaitForMultipleObjectsEx { objects, ms, wake, flags } => format!(
                "waited(MsgWaitForMultipleObjectsEx({}, {}, {}, {wake}, {}))",
                objects.len(),
                self.handles(objects),
                time(*ms),
                if flags.is_empty() { "0".to_owned() } else { flags.join(" | ") }
            ),
            Call::SignalObjectAndWait { signal, object, ms, alertable } => format!(
                "waited(SignalObjectAndWait({}, {}, {}, {}))",
                self.handle(signal),
                self.handle(object),
                time(*ms),
                boolean(*alertable)
            ),
            _ => return None,
        })
    }

    fn object(&self, call: &Call) -> Option<String> {
        Some(match call {
            Call::SetEvent { event } => format!("boolean(SetEvent({}))", self.handle(event)),
            Call::ResetEvent { event } => format!("boolean(ResetEvent({}))", self.handle(event)),
            Call::PulseEvent { event } => format!("boolean(PulseEvent({}))", self.handle(event)),
            Call::ReleaseMutex { mutex } => {
                format!("boolean(ReleaseMutex({}))", self.handle(mutex))
            }
            Call::ReleaseSemaphore { semaphore, count } => {
                format!("release_semaphore({}, {count})", self.handle(semaphore))
            }
            Call::SetWaitableTimer { timer, due_ms, period_ms, routine, .. } => {
                let routine = routine.as_ref().map_or_else(
                    || "NULL, NULL".to_owned(),
                    |routine| format!("timer_{}, {}", self.name(routine), literal(timer)),
                );
                format!("set_timer({}, {due_ms}, {period_ms}, {routine})", self.handle(timer))
            }
            Call::CancelWaitableTimer { timer } => {
                format!("boolean(CancelWaitableTimer({}))", self.handle(timer))
            }
            Call::CloseHandle { object } => format!("close_handle(&{})", self.handle(object)),
            Call::DuplicateHandle { object, handle } => {
                format!("duplicate({}, &{})", self.handle(object), self.handle(handle))
            }
            _ => return None,
        })
    }

    fn thread(&self, call: &Call) -> Option<String> {
        Some(match call {
            Call::QueueUserApc { thread, routine, data } => format!(
                "boolean(QueueUserAPC(apc_{}, {}, {data}ULL) != 0)",
                self.name(routine),
                self.handle(thread)
            ),
            Call::QueueUserApc2 { thread, routine, data, flags } => format!(
                "boolean(queue_user_apc_2(apc_{}, {}, {data}ULL, {}))",
                self.name(routine),
                self.handle(thread),
                u8::from(flags.iter().any(|flag| flag == "special"))
            ),
            Call::NtTestAlert => "nt_status(nt_test_alert())".to_owned(),
            Call::NtAlertThread { thread } => {
                format!("nt_status(nt_alert_thread({}))", self.handle(thread))
            }
            Call::CreateThread { thread } => format!("create_later({})", self.name(thread)),
            Call::ResumeThread { thread } => format!("resume({})", self.name(thread)),
            Call::SuspendThread { thread } => format!("suspend({})", self.name(thread)),
            Call::TerminateThread { thread, code } => {
                format!("boolean(TerminateThread({}, {code}u))", self.handle(thread))
            }
            Call::ExitThread { code } if self.ends_directly => {
                format!("(end_thread({code}u), number(0))")
            }
            Call::ExitThread { code } => format!("(ExitThread({code}u), number(0))"),
            _ => return None,
        })
    }

    fn request(&self, call: &Call) -> Option<String> {
        Some(match call {
            Call::ReadFile { file, bytes, overlapped } => format!(
                "read_file({}, {}, {bytes}, {})",
                self.handle(file),
                self.buffer(),
                self.overlapped(overlapped.as_ref())
            ),
            Call::WriteFile { file, bytes, overlapped } => format!(
                "write_file({}, {}, {bytes}, {})",
                self.handle(file),
                self.buffer(),
                self.overlapped(overlapped.as_ref())
            ),
            Call::ReadFileEx { file, bytes, overlapped, routine } => format!(
                "boolean(ReadFileEx({}, {}, {bytes}, &{}, io_{}))",
                self.handle(file),
                self.buffer(),
                self.name(overlapped),
                self.name(routine)
            ),
            Call::WriteFileEx { file, bytes, overlapped, routine } => format!(
                "boolean(WriteFileEx({}, {}, {bytes}, &{}, io_{}))",
                self.handle(file),
                self.buffer(),
                self.name(overlapped),
                self.name(routine)
            ),
            Call::DeviceIoControl { file, code, bytes, overlapped } => format!(
                "control({}, {}, {}, {bytes}, {})",
                self.handle(file),
                code_of(code),
                self.buffer(),
                self.overlapped(overlapped.as_ref())
            ),
            Call::GetOverlappedResult { file, overlapped, wait } => format!(
                "overlapped_result({}, &{}, {})",
                self.handle(file),
                self.name(overlapped),
                boolean(*wait)
            ),
            Call::GetOverlappedResultEx { file, overlapped, ms, alertable } => format!(
                "overlapped_result_ex({}, &{}, {}, {})",
                self.handle(file),
                self.name(overlapped),
                time(*ms),
                boolean(*alertable)
            ),
            Call::HasOverlappedIoCompleted { overlapped } => {
                let condition = format!("HasOverlappedIoCompleted(&{})", self.name(overlapped));
                format!("named({condition} ? \"TRUE\" : \"FALSE\")")
            }
            Call::CancelIo { file } => format!("boolean(CancelIo({}))", self.handle(file)),
            Call::CancelIoEx { file, overlapped } => {
                let overlapped = self.overlapped(overlapped.as_ref());
                format!("boolean(CancelIoEx({}, {overlapped}))", self.handle(file))
            }
            Call::CancelSynchronousIo { thread } => {
                format!("boolean(CancelSynchronousIo({}))", self.handle(thread))
            }
            Call::SetFileCompletionNotificationModes { file, modes } => {
                let names = modes.iter().map(|mode| match mode.as_str() {
                    "skip-set-event" => "FILE_SKIP_SET_EVENT_ON_HANDLE",
                    _ => "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS",
                });
                let modes: Vec<&str> = names.collect();
                let modes = if modes.is_empty() { "0".to_owned() } else { modes.join(" | ") };
                let file = self.handle(file);
                format!("boolean(SetFileCompletionNotificationModes({file}, {modes}))")
            }
            _ => return None,
        })
    }

    /// The arguments that the native requests begin with.
    fn native_head(
        &self,
        file: &str,
        event: Option<&String>,
        routine: Option<&String>,
        context: Option<&Value>,
        iosb: &str,
    ) -> String {
        let event = event.map_or_else(|| "NULL".to_owned(), |event| self.handle(event));
        let routine = routine
            .map_or_else(|| "NULL".to_owned(), |routine| format!("native_{}", self.name(routine)));
        let (file, context) = (self.handle(file), self.value(context));
        format!("{file}, {event}, {routine}, (void *)(ULONG_PTR){context}, {}", self.iosb(iosb))
    }

    fn native(&self, call: &Call) -> Option<String> {
        let buffer = self.buffer();
        Some(match call {
            Call::NtReadFile { file, bytes, event, routine, context, iosb } => {
                let (event, routine, context) =
                    (event.as_ref(), routine.as_ref(), context.as_ref());
                let head = self.native_head(file, event, routine, context, iosb);
                format!("nt_status(nt_read_file({head}, {buffer}, {bytes}, NULL, NULL))")
            }
            Call::NtWriteFile { file, bytes, event, routine, context, iosb } => {
                let (event, routine, context) =
                    (event.as_ref(), routine.as_ref(), context.as_ref());
                let head = self.native_head(file, event, routine, context, iosb);
                format!("nt_status(nt_write_file({head}, {buffer}, {bytes}, NULL, NULL))")
            }
            Call::NtFsControlFile { file, code, bytes, event, routine, context, iosb } => {
                let (event, routine, context) =
                    (event.as_ref(), routine.as_ref(), context.as_ref());
                let head = self.native_head(file, event, routine, context, iosb);
                format!(
                    "nt_status(nt_fs_control_file({head}, {}))",
                    control_tail(code, &buffer, *bytes)
                )
            }
            Call::NtDeviceIoControlFile { file, code, bytes, event, routine, context, iosb } => {
                let (event, routine, context) =
                    (event.as_ref(), routine.as_ref(), context.as_ref());
                let head = self.native_head(file, event, routine, context, iosb);
                let tail = control_tail(code, &buffer, *bytes);
                format!("nt_status(nt_device_io_control_file({head}, {tail}))")
            }
            Call::NtCancelIoFile { file } => format!("cancel_io_file({})", self.handle(file)),
            Call::NtCancelIoFileEx { file, iosb } => {
                let request = self.overlapped(iosb.as_ref());
                format!("cancel_io_file_ex({}, {request})", self.handle(file))
            }
            _ => return None,
        })
    }

    fn port(&self, call: &Call) -> Option<String> {
        Some(match call {
            Call::CreateIoCompletionPort { file, port, key } => {
                format!("associate({}, {}, {key}ULL)", self.handle(file), self.handle(port))
            }
            Call::PostQueuedCompletionStatus { port, bytes, key, overlapped } => format!(
                "boolean(PostQueuedCompletionStatus({}, {bytes}, {key}ULL, {}))",
                self.handle(port),
                self.overlapped(overlapped.as_ref())
            ),
            Call::GetQueuedCompletionStatus { port, ms } => {
                format!("get_packet({}, {})", self.handle(port), time(*ms))
            }
            Call::GetQueuedCompletionStatusEx { port, max, ms, alertable } => format!(
                "get_packets({}, {max}, {}, {})",
                self.handle(port),
                time(*ms),
                boolean(*alertable)
            ),
            Call::NtSetIoCompletion { port, key, value, status, information } => {
                let code = NtStatus::from_name(status).map_or(0, |status| status.0);
                let (port, value) = (self.handle(port), self.value(Some(value)));
                format!(
                    "nt_status(nt_set_io_completion({port}, {key}ULL, {value}, (LONG)0x{code:08X}, \
                     {information}))"
                )
            }
            Call::NtRemoveIoCompletion { port, ms } => {
                let time = match ms {
                    Timeout::Infinite => "-1".to_owned(),
                    Timeout::Finite(ms) => ms.to_string(),
                };
                format!("remove_packet({}, {time})", self.handle(port))
            }
            _ => return None,
        })
    }
}

fn code_of(code: &Value) -> String {
    match code {
        Value::Number(number) => format!("{number}u"),
        Value::Name(name) => format!("0x{:08X}", control_code(name).unwrap_or_default()),
    }
}

/// The rest of a native control request: a transceive writes as much as it reads.
fn control_tail(code: &Value, buffer: &str, bytes: u32) -> String {
    let is_transceive = *code == Value::from("FSCTL_PIPE_TRANSCEIVE");
    let input = if is_transceive { format!("{buffer}, {bytes}") } else { "NULL, 0".to_owned() };
    let output = if bytes == 0 { "NULL, 0".to_owned() } else { format!("{buffer}, {bytes}") };
    format!("{}, {input}, {output}", code_of(code))
}

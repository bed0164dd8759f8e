//! Which calls are followed, and how their arguments and answers are read.

use super::handles::ProcessKey;
use super::lexer::{self, Fields};
use super::{
    Asked, Importer, Lifetime, ObjectTraceKind, Reply, objects, process_name, status_name,
};
use crate::trace::object::{EventAction, ObjectCall, ObjectKind};

impl Importer {
    /// Reads a call, tells of it if it is followed, and says what its answer needs.
    pub(super) fn call(&mut self, thread: u32, name: &str, fields: Fields<'_>) -> Asked {
        match name {
            "select" => self.select(thread, fields),
            "event_op" => self.event_op(thread, fields),
            "release_mutex" => {
                self.on_object(thread, fields, ObjectKind::Mutex, "prev_count", |object| {
                    ObjectCall::ReleaseMutex { object }
                })
            }
            "release_semaphore" => {
                let count = fields.hex32("count").unwrap_or(0);
                self.on_object(thread, fields, ObjectKind::Semaphore, "prev_count", |object| {
                    ObjectCall::ReleaseSemaphore { object, count }
                })
            }
            "set_timer" => self.set_timer(thread, fields),
            "cancel_timer" => {
                self.on_object(thread, fields, ObjectKind::Timer, "signaled", |object| {
                    ObjectCall::CancelTimer { object }
                })
            }
            "suspend_thread" => {
                self.on_object(thread, fields, ObjectKind::Thread, "count", |target| {
                    ObjectCall::Suspend { target }
                })
            }
            "resume_thread" => {
                self.on_object(thread, fields, ObjectKind::Thread, "count", |target| {
                    ObjectCall::Resume { target }
                })
            }
            "terminate_thread" => {
                let code = fields.decimal("exit_code").unwrap_or(0);
                self.on_object(thread, fields, ObjectKind::Thread, "", |target| {
                    ObjectCall::Terminate { target, code }
                })
            }
            "queue_apc" => self.queue_apc(thread, fields),
            "get_async_result" => self.fetch_result(thread, fields),
            "set_async_direct_result" => self.direct_result(thread, fields),
            "cancel_async" => self.cancel(thread, fields),
            "add_completion" => self.post(thread, fields),
            "add_fd_completion" => self.post_to_file(thread, fields),
            "remove_completion" => {
                match self.on_object(thread, fields, ObjectKind::Port, "", |object| {
                    ObjectCall::Take { object }
                }) {
                    Asked::Nothing => Asked::Nothing,
                    _ => Asked::Packet,
                }
            }
            "set_completion_info" => self.associate(thread, fields),
            "set_job" | "set_job_completion_port" => self.touch_port(thread, name, fields),
            _ => self.life(thread, name, fields),
        }
    }

    /// Calls about processes, threads and handles; and requests, which may be any other.
    fn life(&mut self, thread: u32, name: &str, fields: Fields<'_>) -> Asked {
        match name {
            "init_first_thread" | "init_thread" | "get_thread_info" => {
                /// The thread itself.
                const CURRENT: u32 = 0xFFFF_FFFE;
                let is_own = fields.hex32("handle").is_none_or(|handle| handle == CURRENT);
                if is_own { Asked::Identity } else { Asked::Nothing }
            }
            "new_process" => {
                /// `PROCESS_CREATE_FLAGS_INHERIT_HANDLES`.
                const INHERITS: u64 = 4;
                let handle =
                    |text: &str| lexer::hexadecimal(text).and_then(|h| u32::try_from(h).ok());
                let listed = fields.items("handles").into_iter().filter_map(handle).collect();
                let inherits = fields.hex("flags").is_some_and(|flags| flags & INHERITS != 0);
                Asked::Process { inherits, listed }
            }
            "new_thread" => {
                let handle = fields.hex32("process").unwrap_or(0);
                let process = self.process_by_handle(thread, handle);
                let suspended = fields.hex("flags").is_some_and(|flags| flags & 1 != 0);
                Asked::Thread { process, suspended }
            }
            "open_thread" => objects::open_numbered(ObjectKind::Thread, fields.hex32("tid")),
            "open_process" => objects::open_numbered(ObjectKind::Process, fields.hex32("pid")),
            "close_handle" => fields.hex32("handle").map_or(Asked::Nothing, Asked::Close),
            "dup_handle" => self.duplicate(thread, fields),
            "set_handle_info" => {
                let mask = fields.decimal("mask").unwrap_or(0);
                let inherits = fields.decimal("flags").is_some_and(|flags| flags & 1 != 0);
                match fields.hex32("handle") {
                    Some(handle) if mask & 1 != 0 => Asked::Inherit(handle, inherits),
                    _ => Asked::Nothing,
                }
            }
            _ if fields.has("async") => self.issue(thread, name, fields),
            _ => objects::wanted(name, fields).map_or(Asked::Nothing, Asked::Open),
        }
    }

    /// Reads the answer to a call that is followed.
    pub(super) fn answer(&mut self, thread: u32, asked: Asked, status: &str, fields: Fields<'_>) {
        let is_success = status == "STATUS_SUCCESS";
        match asked {
            Asked::Told => self.emit_return(thread, status, Reply::default()),
            Asked::Previous(name) => {
                let previous = fields.get(name).and_then(|value| match name {
                    // Hexadecimal in the log.
                    "prev_count" => fields.hex32(name),
                    _ => lexer::decimal(value),
                });
                self.emit_return(thread, status, Reply { previous, ..Reply::default() });
            }
            Asked::Packet => self.emit_return(thread, status, packet(status, fields)),
            Asked::Wait => self.selected(thread, status, fields),
            Asked::Issue(issued) => self.issued(thread, &issued, status, fields),
            Asked::Direct(handle) => {
                self.emit_return(thread, status, Reply::default());
                if is_success && fields.hex32("handle") == Some(0) {
                    let process = self.process_of(thread);
                    self.close(process, handle);
                }
            }
            Asked::Open(wanted) => self.opened(thread, wanted, status, fields),
            Asked::Process { inherits, listed } if is_success => {
                self.process_made(thread, inherits, &listed, fields);
            }
            Asked::Thread { process, suspended } if is_success => {
                self.thread_made(thread, process, suspended, fields);
            }
            Asked::Identity if is_success => self.identified(thread, fields),
            Asked::Close(handle) if is_success => {
                let process = self.process_of(thread);
                self.close(process, handle);
            }
            Asked::Duplicate { object, source, to, inherits } if is_success => {
                if let Some(handle) = fields.hex32("handle").filter(|handle| *handle != 0) {
                    self.open(to, handle, object, inherits);
                }
                if let Some((process, handle)) = source {
                    self.close(process, handle);
                }
            }
            Asked::Inherit(handle, inherits) if is_success => {
                let process = self.process_of(thread);
                self.handles.set_inherited(process, handle, inherits);
            }
            // Nothing that is followed, or it failed.
            Asked::Nothing
            | Asked::Process { .. }
            | Asked::Thread { .. }
            | Asked::Identity
            | Asked::Close(_)
            | Asked::Duplicate { .. }
            | Asked::Inherit(..) => {}
        }
    }

    fn identified(&mut self, thread: u32, fields: Fields<'_>) {
        let is_start = !fields.has("exit_code");
        let known = match self.thread(thread).process {
            Some(ProcessKey::Known(process)) => Some(process),
            _ => None,
        };
        let process = fields.hex32("pid").or(known);
        if let Some(process) = process
            && known != Some(process)
        {
            self.identify(thread, process);
            if is_start && fields.has("pid") {
                // Its first thread: the process was made before the log began.
                self.processes.entry(process).or_insert(1);
            }
        }
        if is_start {
            let what = Lifetime::Started;
            let process = process.map(process_name);
            let started = ObjectTraceKind::Thread { what, process, suspended: false, code: None };
            self.emit(Some(thread), started);
        }
    }

    /// A call about one object, whose answer may tell of how it was before.
    fn on_object(
        &mut self,
        thread: u32,
        fields: Fields<'_>,
        kind: ObjectKind,
        previous: &'static str,
        call: impl FnOnce(String) -> ObjectCall,
    ) -> Asked {
        let handle = fields.hex32("handle").unwrap_or(0);
        let Some(object) = self.object_name(thread, handle, kind) else { return Asked::Nothing };
        self.emit_call(thread, call(object));
        Asked::Previous(previous)
    }

    fn event_op(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let action = match fields.decimal("op") {
            Some(0) => EventAction::Pulse,
            Some(1) => EventAction::Set,
            Some(2) => EventAction::Reset,
            _ => return Asked::Nothing,
        };
        self.on_object(thread, fields, ObjectKind::Event, "state", |object| ObjectCall::Event {
            object,
            action,
        })
    }

    fn set_timer(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let due = fields.get("expire").and_then(|text| match text {
            "0" => Some(0),
            _ => relative_time(text),
        });
        let period = fields.decimal("period").unwrap_or(0);
        let routine = fields.hex("callback").filter(|routine| *routine != 0);
        let context = fields.hex("arg").unwrap_or(0);
        self.on_object(thread, fields, ObjectKind::Timer, "signaled", |object| {
            ObjectCall::SetTimer { object, due, period, routine, context }
        })
    }

    fn queue_apc(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let Some(call) = fields.structure("call") else { return Asked::Nothing };
        if fields.items("call").first() != Some(&"APC_USER") {
            return Asked::Nothing;
        }
        let routine = call.hex("func").unwrap_or(0);
        let arguments: Vec<u64> =
            call.items("args").into_iter().filter_map(lexer::hexadecimal).collect();
        self.on_object(thread, fields, ObjectKind::Thread, "", |target| ObjectCall::QueueApc {
            target,
            routine,
            arguments,
        })
    }

    fn cancel(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let block = fields.hex("iosb").unwrap_or(0);
        let own = fields.decimal("only_thread").is_some_and(|own| own != 0);
        self.on_object(thread, fields, ObjectKind::File, "", |file| ObjectCall::Cancel {
            file,
            block,
            own,
        })
    }

    fn post(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let key = fields.hex("ckey");
        self.post_packet(thread, fields, ObjectKind::Port, key)
    }

    fn post_to_file(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        self.post_packet(thread, fields, ObjectKind::File, None)
    }

    fn post_packet(
        &mut self,
        thread: u32,
        fields: Fields<'_>,
        kind: ObjectKind,
        key: Option<u64>,
    ) -> Asked {
        let value = fields.hex("cvalue").unwrap_or(0);
        let status = status_value(fields);
        let bytes = fields.hex("information").unwrap_or(0);
        self.on_object(thread, fields, kind, "", |object| ObjectCall::Post {
            object,
            key,
            value,
            status,
            bytes,
        })
    }

    fn associate(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let port = fields.hex32("chandle").unwrap_or(0);
        let Some(port) = self.object_name(thread, port, ObjectKind::Port) else {
            return Asked::Nothing;
        };
        let key = fields.hex("ckey").unwrap_or(0);
        self.on_object(thread, fields, ObjectKind::File, "", |file| ObjectCall::Associate {
            file,
            port,
            key,
        })
    }

    /// A job can post to a port without a call of its own.
    fn touch_port(&mut self, thread: u32, name: &str, fields: Fields<'_>) -> Asked {
        let Some(port) = fields.hex32("port") else { return Asked::Nothing };
        let Some(object) = self.object_name(thread, port, ObjectKind::Port) else {
            return Asked::Nothing;
        };
        self.emit_call(thread, ObjectCall::Touch { object, name: name.to_owned() });
        Asked::Told
    }
}

/// The packet that an answer brings.
fn packet(status: &str, fields: Fields<'_>) -> Reply {
    if status != "STATUS_SUCCESS" {
        return Reply::default();
    }
    Reply {
        key: fields.hex("ckey"),
        value: fields.hex("cvalue"),
        status: Some(status_value(fields)),
        bytes: fields.hex("information"),
        ..Reply::default()
    }
}

/// A status that is written as a number in any case.
fn status_value(fields: Fields<'_>) -> String {
    status_name(fields.get("status").unwrap_or("0"))
}

/// `+S.FFFFFFF`: seconds from now, in units of 100 ns.
pub(super) fn relative_time(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.strip_prefix('+')?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let units: u64 = fraction.get(..7)?.parse().ok()?;
    seconds.checked_mul(10_000_000)?.checked_add(units)
}

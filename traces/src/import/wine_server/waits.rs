//! Waits, what ends them, and the APCs that their answers carry.

use super::lexer::{self, Fields};
use super::{Asked, Importer, ObjectTraceKind, Reply, status_name};
use crate::status::NtStatus;
use crate::trace::object::{ObjectCall, ObjectKind, WaitMode};

/// `SELECT_ALERTABLE` and `SELECT_INTERRUPTIBLE`.
const ALERTABLE: u32 = 1;
const INTERRUPTIBLE: u32 = 2;

impl Importer {
    pub(super) fn select(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let flags = fields.decimal("flags").unwrap_or(0);
        let (mode, handles, signal) = wait_data(fields);
        let objects: Vec<String> = handles
            .iter()
            .filter_map(|handle| self.object_name(thread, *handle, ObjectKind::Other))
            .collect();
        let process = self.process_of(thread);
        let ids = handles.iter().map(|handle| self.handles.get(process, *handle));
        let waits_for = ids.map(|handle| handle.map(|handle| handle.object)).collect();
        let stopped = fields.get("contexts").is_some_and(|contexts| contexts != "{}");
        if !stopped {
            self.thread(thread).waits_for.clear();
        }
        self.thread(thread).waits_for.push(waits_for);
        let signal = signal.and_then(|handle| self.object_name(thread, handle, ObjectKind::Other));
        let (finished, status, bytes) = self.finished(thread, fields);
        self.emit_call(
            thread,
            ObjectCall::Wait {
                objects,
                mode,
                alertable: flags & ALERTABLE != 0,
                interruptible: flags & INTERRUPTIBLE != 0,
                timeout: timeout(fields),
                signal,
                finished,
                status,
                bytes,
                stopped,
            },
        );
        Asked::Wait
    }

    /// What the call says of the request whose APC the thread has run before.
    fn finished(
        &mut self,
        thread: u32,
        fields: Fields<'_>,
    ) -> (Option<String>, Option<String>, u64) {
        let apc = fields.hex32("prev_apc").unwrap_or(0);
        let here = self.thread(thread);
        let Some(at) = here.finishing.iter().position(|(handle, ..)| *handle == apc) else {
            return (None, None, 0);
        };
        let (_, name, user) = here.finishing.remove(at);
        let Some(result) = fields.structure("result") else { return (None, None, 0) };
        let status = status_name(result.get("status").unwrap_or("0"));
        if status != "STATUS_PENDING" {
            let process = self.process_of(thread);
            self.requests.remove(process, user, &name);
        }
        let bytes = result.decimal("total").map_or(0, u64::from);
        (Some(name), Some(status), bytes)
    }

    pub(super) fn selected(&mut self, thread: u32, status: &str, fields: Fields<'_>) {
        let mut reply = Reply::default();
        match fields.structure("call").map(|call| (fields.items("call"), call)) {
            Some((kind, call)) if status == "STATUS_KERNEL_APC" => {
                self.system_apc(
                    thread,
                    kind.first().copied().unwrap_or(""),
                    call,
                    fields,
                    &mut reply,
                );
            }
            Some((_, call)) if status == "STATUS_USER_APC" => {
                reply.routine = call.hex("func");
                reply.arguments =
                    call.items("args").into_iter().filter_map(lexer::hexadecimal).collect();
            }
            _ => {}
        }
        self.emit_return(thread, status, reply);
        if let Some(status) = NtStatus::from_name(status) {
            self.wait_over(thread, status);
        }
    }

    fn system_apc(
        &mut self,
        thread: u32,
        kind: &str,
        call: Fields<'_>,
        fields: Fields<'_>,
        reply: &mut Reply,
    ) {
        let user = call.hex("user").filter(|_| kind == "APC_ASYNC_IO");
        let process = self.process_of(thread);
        let request = user.and_then(|user| self.requests.of_user(process, user));
        let (Some(user), Some(request)) = (user, request.map(str::to_owned)) else {
            reply.system = Some(kind.to_owned());
            return;
        };
        if let Some(handle) = fields.hex32("apc_handle") {
            self.thread(thread).finishing.push((handle, request.clone(), user));
        }
        reply.request = Some(request);
        reply.outcome = call.get("status").map(status_name);
        reply.block = call.hex("sb");
    }

    pub(super) fn wake(&mut self, thread: u32, text: &str) {
        let value = text.strip_prefix("signaled=").unwrap_or(text);
        let status = match lexer::decimal(value) {
            Some(number) => NtStatus(number),
            None => match NtStatus::from_name(&status_name(value)) {
                Some(status) => status,
                None => return self.broken(),
            },
        };
        self.emit(Some(thread), ObjectTraceKind::Wake { status: status.to_string() });
        self.wait_over(thread, status);
    }

    /// A wait that a request satisfies closes the handle that stands for it.
    fn wait_over(&mut self, thread: u32, status: NtStatus) {
        let is_open = [NtStatus::PENDING, NtStatus::INVALID_HANDLE].contains(&status);
        if is_open {
            return;
        }
        let waits_for = self.thread(thread).waits_for.pop().unwrap_or_default();
        let is_other = [NtStatus::TIMEOUT, NtStatus::USER_APC, NtStatus::KERNEL_APC];
        if let ([Some(id)], false) = (&waits_for[..], is_other.contains(&status))
            && self.handles.object(*id).is_some_and(|object| object.kind == ObjectKind::Request)
        {
            self.request_waited_for(thread, *id);
        }
    }
}

/// The kind of a wait, the handles that it names, and the one that is signaled first.
fn wait_data(fields: Fields<'_>) -> (WaitMode, Vec<u32>, Option<u32>) {
    let handle = |text: &str| lexer::hexadecimal(text).and_then(|h| u32::try_from(h).ok());
    let data = fields.structure("data");
    let handles = || {
        let listed = data.map_or_else(Vec::new, |data| data.items("handles"));
        listed.into_iter().filter_map(handle).collect()
    };
    let one = |name: &str| data.and_then(|data| data.hex32(name));
    match fields.items("data").first().copied() {
        Some("WAIT") => (WaitMode::Any, handles(), None),
        Some("WAIT_ALL") => (WaitMode::All, handles(), None),
        Some("SIGNAL_AND_WAIT") => {
            (WaitMode::Any, one("wait").into_iter().collect(), one("signal"))
        }
        Some("KEYED_EVENT_WAIT") => (WaitMode::Keyed, one("handle").into_iter().collect(), None),
        Some("KEYED_EVENT_RELEASE") => {
            (WaitMode::Release, one("handle").into_iter().collect(), None)
        }
        _ => (WaitMode::None, Vec::new(), None),
    }
}

/// `infinite`, `0`, or seconds from now with the digits of 100 ns; an absolute time is due some
/// day.
fn timeout(fields: Fields<'_>) -> Option<u64> {
    let text = fields.get("timeout")?;
    match text {
        "infinite" => None,
        "0" => Some(0),
        _ => Some(super::calls::relative_time(text).unwrap_or(1)),
    }
}

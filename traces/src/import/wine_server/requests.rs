//! Asynchronous requests from issue to result.

use super::handles::{ObjectId, ProcessKey};
use super::lexer::Fields;
use super::{Asked, Importer, Reply};
use crate::trace::object::{ObjectCall, ObjectKind};
use std::collections::BTreeMap;

/// A request that is not over.
#[derive(Clone, Debug)]
struct Request {
    name: String,
}

/// A request that is being issued.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    /// The object that stands for it if the answer has a handle of it.
    object: ObjectId,
    /// By what the client knows it.
    user: u64,
}

/// The requests of all processes that are not over, by what their client knows them by.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_user: BTreeMap<(ProcessKey, u64), Vec<Request>>,
}

impl Requests {
    fn add(&mut self, process: ProcessKey, user: u64, name: String) {
        self.by_user.entry((process, user)).or_default().push(Request { name });
    }

    /// The oldest request of this client.
    pub(super) fn of_user(&self, process: ProcessKey, user: u64) -> Option<&str> {
        self.by_user.get(&(process, user))?.first().map(|request| request.name.as_str())
    }

    /// A request is over.
    pub(super) fn remove(&mut self, process: ProcessKey, user: u64, name: &str) {
        if let Some(requests) = self.by_user.get_mut(&(process, user)) {
            requests.retain(|request| request.name != name);
            if requests.is_empty() {
                self.by_user.remove(&(process, user));
            }
        }
    }

    /// As [`remove`](Self::remove), when only its name is known.
    pub(super) fn remove_named(&mut self, process: ProcessKey, name: &str) {
        let range = (process, 0)..=(process, u64::MAX);
        let user = self
            .by_user
            .range(range)
            .find(|(_, requests)| requests.iter().any(|request| request.name == name))
            .map(|((_, user), _)| *user);
        if let Some(user) = user {
            self.remove(process, user, name);
        }
    }

    pub(super) fn remove_process(&mut self, process: ProcessKey) {
        self.by_user.retain(|(owner, _), _| *owner != process);
    }

    pub(super) fn identify(&mut self, old: ProcessKey, process: u32) {
        let of_thread: Vec<_> =
            self.by_user.range((old, 0)..=(old, u64::MAX)).map(|(key, _)| *key).collect();
        for key in of_thread {
            let requests = self.by_user.remove(&key).unwrap_or_default();
            self.by_user.entry((ProcessKey::Known(process), key.1)).or_default().extend(requests);
        }
    }

    pub(super) fn kept(&self) -> usize {
        self.by_user.values().map(Vec::len).sum()
    }
}

impl Importer {
    /// A call that issues a request, whatever it asks for: all have the same structure.
    pub(super) fn issue(&mut self, thread: u32, name: &str, fields: Fields<'_>) -> Asked {
        let Some(data) = fields.structure("async") else { return Asked::Nothing };
        let (Some(handle), Some(user)) = (data.hex32("handle"), data.hex("user")) else {
            return Asked::Nothing;
        };
        let Some(file) = self.object_name(thread, handle, ObjectKind::File) else {
            return Asked::Nothing;
        };
        let event = data.hex32("event").filter(|event| *event != 0);
        let event = event.and_then(|event| self.object_name(thread, event, ObjectKind::Event));
        let object = self.handles.add_object(ObjectKind::Request, None, None);
        let code = fields.get("code").map_or(String::new(), |code| format!(" {code}"));
        self.emit_call(
            thread,
            ObjectCall::Issue {
                request: self.handles.name(object),
                operation: format!("{name}{code}"),
                file,
                event,
                routine: data.hex("apc").filter(|routine| *routine != 0),
                context: data.hex("apc_context").unwrap_or(0),
                block: data.hex("iosb").unwrap_or(0),
            },
        );
        Asked::Issue(Issued { object, user })
    }

    /// The answer to one: the request is over, or goes on.
    pub(super) fn issued(
        &mut self,
        thread: u32,
        issued: &Issued,
        status: &str,
        fields: Fields<'_>,
    ) {
        /// The bits of a file for synchronous requests.
        const SYNCHRONOUS: u64 = 0x30;
        let process = self.process_of(thread);
        let name = self.handles.name(issued.object);
        // `flush` calls the handle an event.
        let handle = fields.hex32("wait").or_else(|| fields.hex32("event"));
        let handle = handle.filter(|handle| *handle != 0);
        let blocking = fields.hex("options").is_some_and(|options| options & SYNCHRONOUS != 0);
        if status == "STATUS_PENDING" || status == "STATUS_ALERTED" || handle.is_some() {
            self.requests.add(process, issued.user, name.clone());
        }
        let wait = handle.map(|handle| {
            self.open(process, handle, issued.object, false);
            name
        });
        self.emit_return(thread, status, Reply { wait, blocking, ..Reply::default() });
        self.handles.drop_unopened(issued.object);
    }

    pub(super) fn fetch_result(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let process = self.process_of(thread);
        let user = fields.hex("user_arg").unwrap_or(0);
        let request = self.requests.of_user(process, user).map(str::to_owned);
        self.emit_call(thread, ObjectCall::FetchResult { request });
        Asked::Told
    }

    pub(super) fn direct_result(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let Some(handle) = fields.hex32("handle") else { return Asked::Nothing };
        let Some(request) = self.object_name(thread, handle, ObjectKind::Request) else {
            return Asked::Nothing;
        };
        let status = super::status_name(fields.get("status").unwrap_or("0"));
        if status != "STATUS_PENDING" {
            let process = self.process_of(thread);
            self.requests.remove_named(process, &request);
        }
        self.emit_call(
            thread,
            ObjectCall::DirectResult {
                request,
                status,
                bytes: fields.hex("information").unwrap_or(0),
                pended: fields.decimal("mark_pending").is_some_and(|pended| pended != 0),
            },
        );
        Asked::Direct(handle)
    }

    /// A handle that stands for a request is closed by the wait that it satisfies.
    pub(super) fn request_waited_for(&mut self, thread: u32, id: ObjectId) {
        let process = self.process_of(thread);
        let name = self.handles.name(id);
        self.requests.remove_named(process, &name);
        if let Some(handle) = self.handles.handle_of(process, id) {
            self.close(process, handle);
        }
    }
}

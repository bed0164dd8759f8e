//! Objects that come and go: creating, opening, duplicating, inheriting and closing.

use super::handles::{Handle, ObjectId, ProcessKey};
use super::lexer::Fields;
use super::{Asked, Importer, Lifetime, ObjectTraceKind, process_name};
use crate::trace::object::{HandleEvent, ObjectKind};

/// The pseudo handles.
const CURRENT_PROCESS: u32 = 0xFFFF_FFFF;
const CURRENT_THREAD: u32 = 0xFFFF_FFFE;

/// `OBJ_INHERIT`, `DUPLICATE_CLOSE_SOURCE`, `DUPLICATE_SAME_ATTRIBUTES`.
const INHERIT: u64 = 2;
const CLOSE_SOURCE: u64 = 1;
const SAME_ATTRIBUTES: u64 = 4;

/// The object that an answer is to bring a handle of.
#[derive(Debug)]
pub(super) struct Wanted {
    kind: ObjectKind,
    /// Its number in the log, of threads and processes.
    number: Option<u32>,
    /// What it is called, if that can be told.
    key: Option<String>,
    named: Option<bool>,
    inherited: bool,
    /// It is created; otherwise opened.
    created: bool,
    manual: Option<bool>,
    signaled: Option<bool>,
    owned: Option<bool>,
    count: Option<u32>,
    limit: Option<u32>,
}

impl Wanted {
    fn new(kind: ObjectKind) -> Self {
        Wanted {
            kind,
            number: None,
            key: None,
            named: None,
            inherited: false,
            created: false,
            manual: None,
            signaled: None,
            owned: None,
            count: None,
            limit: None,
        }
    }

    /// A thread or process, by its number.
    fn numbered(kind: ObjectKind, number: u32) -> Self {
        let key = Some(format!("{kind}:{number:04x}"));
        Wanted { number: Some(number), key, named: Some(false), ..Self::new(kind) }
    }
}

/// What a log says of names: there is none, there is one, or it was left out of the log.
fn name_of(kind: ObjectKind, fields: Fields<'_>) -> (Option<bool>, Option<String>) {
    let attributes = fields.structure("objattr");
    let has_no_attributes = fields.get("objattr") == Some("{}");
    let root = attributes.unwrap_or(fields).hex("rootdir").unwrap_or(0);
    match attributes.unwrap_or(fields).text("name") {
        _ if has_no_attributes => (Some(false), None),
        Some("") => (Some(false), None),
        None | Some("…") => (None, None),
        Some(name) if root == 0 => (Some(true), Some(format!("{kind} {name}"))),
        Some(_) => (Some(true), None),
    }
}

/// `create_…` and `open_…`, of the kinds of objects that are followed.
pub(super) fn wanted(name: &str, fields: Fields<'_>) -> Option<Wanted> {
    let (verb, noun) = name.split_once('_')?;
    let kind = match noun {
        "event" => ObjectKind::Event,
        "mutex" => ObjectKind::Mutex,
        "semaphore" => ObjectKind::Semaphore,
        "timer" => ObjectKind::Timer,
        "completion" => ObjectKind::Port,
        "keyed_event" => ObjectKind::KeyedEvent,
        "named_pipe" | "file" | "file_object" | "mailslot" | "socket" | "file_handle" => {
            ObjectKind::File
        }
        _ => return None,
    };
    if !matches!(verb, "create" | "open" | "alloc") {
        return None;
    }
    let (named, key) = if kind == ObjectKind::File { (None, None) } else { name_of(kind, fields) };
    let attributes = fields.structure("objattr").unwrap_or(fields).hex("attributes");
    let flag = |name: &str| fields.decimal(name).map(|value| value != 0);
    Some(Wanted {
        key,
        named,
        inherited: attributes.is_some_and(|attributes| attributes & INHERIT != 0),
        created: verb == "create",
        manual: flag("manual_reset").or_else(|| flag("manual")),
        signaled: flag("initial_state"),
        owned: flag("owned"),
        count: fields.hex32("initial"),
        limit: fields.hex32("max"),
        ..Wanted::new(kind)
    })
}

pub(super) fn open_numbered(kind: ObjectKind, number: Option<u32>) -> Asked {
    number.map_or(Asked::Nothing, |number| Asked::Open(Wanted::numbered(kind, number)))
}

impl Importer {
    /// A call has brought a handle of what it wanted.
    pub(super) fn opened(&mut self, thread: u32, wanted: Wanted, status: &str, fields: Fields<'_>) {
        let is_new = wanted.created && status == "STATUS_SUCCESS";
        let exists = status == "STATUS_OBJECT_NAME_EXISTS" || !wanted.created;
        let handle = fields.hex32("handle").filter(|handle| *handle != 0);
        let Some(handle) = handle.filter(|_| is_new || exists) else { return };
        let process = self.process_of(thread);
        let inherited = wanted.inherited;
        let known = wanted.key.as_deref().and_then(|key| self.handles.named(key));
        let is_seen_whole = self.is_seen_whole(process);
        let id = match known.filter(|_| !is_new) {
            Some(id) => id,
            None => self.add(Some(thread), wanted, is_new && is_seen_whole),
        };
        self.open(process, handle, id, inherited);
    }

    /// Whether the log saw a process begin. Of another one it may have threads whose process it
    /// does not tell, and which know its objects by their handles.
    fn is_seen_whole(&self, process: ProcessKey) -> bool {
        match process {
            ProcessKey::Known(process) => self.processes.contains_key(&process),
            ProcessKey::OfThread(_) => false,
        }
    }

    /// Tells of an object that has not been seen before. Of one that existed already, what a
    /// call would have made it is not what it is.
    fn add(&mut self, thread: Option<u32>, wanted: Wanted, is_new: bool) -> ObjectId {
        let Wanted { kind, number, key, named, inherited: _, created: _, .. } = wanted;
        let id = self.handles.add_object(kind, number, key);
        self.emit(
            thread,
            ObjectTraceKind::Object {
                object: self.handles.name(id),
                kind,
                new: is_new,
                named,
                manual: wanted.manual.filter(|_| is_new),
                signaled: wanted.signaled.filter(|_| is_new),
                owned: wanted.owned.filter(|_| is_new),
                count: wanted.count.filter(|_| is_new),
                limit: wanted.limit.filter(|_| is_new),
            },
        );
        id
    }

    /// A handle names an object from here on. What it named before was closed unseen.
    pub(super) fn open(
        &mut self,
        process: ProcessKey,
        handle: u32,
        object: ObjectId,
        inherited: bool,
    ) {
        if self.handles.get(process, handle).is_some_and(|old| old.object != object) {
            self.close(process, handle);
        }
        self.handles.open(process, handle, Handle { object, inherited });
        self.tell_handle(process, handle, object, HandleEvent::Opened);
    }

    fn tell_handle(
        &mut self,
        process: ProcessKey,
        handle: u32,
        object: ObjectId,
        what: HandleEvent,
    ) {
        let object = self.handles.name(object);
        let ProcessKey::Known(process) = process else { return };
        let (process, handle) = (process_name(process), u64::from(handle));
        self.emit(None, ObjectTraceKind::Handle { process, handle, object, what });
    }

    /// A handle is closed, and the object is gone if it was the last one.
    pub(super) fn close(&mut self, process: ProcessKey, handle: u32) {
        let Some(names) = self.handles.get(process, handle) else { return };
        self.tell_handle(process, handle, names.object, HandleEvent::Closed);
        if let Some((object, true)) = self.handles.close(process, handle) {
            self.emit(None, ObjectTraceKind::Gone { object: object.name });
        }
    }

    /// The name of the object that a thread calls so. One that was not known before is told of;
    /// `kind` says what it must be. None for no handle.
    pub(super) fn object_name(
        &mut self,
        thread: u32,
        handle: u32,
        kind: ObjectKind,
    ) -> Option<String> {
        let process = self.process_of(thread);
        match (handle, process) {
            (0, _) => return None,
            (CURRENT_THREAD, _) => return Some(format!("thread:{thread:04x}")),
            (CURRENT_PROCESS, ProcessKey::Known(process)) => {
                return Some(format!("process:{process:04x}"));
            }
            _ => {}
        }
        let fits = |found: ObjectKind| {
            found == kind || kind == ObjectKind::Other || found == ObjectKind::Other
        };
        let names = self.handles.get(process, handle);
        let known = names.and_then(|names| self.handles.object(names.object));
        if let Some(object) = known.filter(|object| fits(object.kind)) {
            return Some(object.name.clone());
        }
        let id = self.add(None, Wanted::new(kind), false);
        self.open(process, handle, id, false);
        Some(self.handles.name(id))
    }

    /// The process that a handle of a thread names.
    pub(super) fn process_by_handle(&mut self, thread: u32, handle: u32) -> Option<ProcessKey> {
        let process = self.process_of(thread);
        if handle == CURRENT_PROCESS {
            return Some(process);
        }
        let names = self.handles.get(process, handle)?;
        let name = self.handles.name(names.object);
        let number = name.strip_prefix("process:")?;
        u32::from_str_radix(number, 16).ok().map(ProcessKey::Known)
    }

    pub(super) fn duplicate(&mut self, thread: u32, fields: Fields<'_>) -> Asked {
        let from = fields.hex32("src_process").unwrap_or(0);
        let to = fields.hex32("dst_process").unwrap_or(0);
        let (Some(from), Some(handle)) =
            (self.process_by_handle(thread, from), fields.hex32("src_handle"))
        else {
            return Asked::Nothing;
        };
        let to = self.process_by_handle(thread, to);
        let options = fields.hex("options").unwrap_or(0);
        let own = self.process_of(thread);
        let Some(names) = self.handles.get(from, handle) else {
            if from == own && handle >= CURRENT_THREAD {
                return self.duplicate_pseudo(thread, handle, to);
            }
            return Asked::Nothing;
        };
        let inherits = if options & SAME_ATTRIBUTES == 0 {
            fields.hex("attributes").is_some_and(|attributes| attributes & INHERIT != 0)
        } else {
            names.inherited
        };
        let source = (options & CLOSE_SOURCE != 0).then_some((from, handle));
        match (to, source) {
            (Some(to), source) => Asked::Duplicate { object: names.object, source, to, inherits },
            (None, Some((_, handle))) => Asked::Close(handle),
            (None, None) => Asked::Nothing,
        }
    }

    /// A real handle of the thread or process itself.
    fn duplicate_pseudo(&mut self, thread: u32, handle: u32, to: Option<ProcessKey>) -> Asked {
        let own = self.process_of(thread);
        match (handle, own) {
            _ if to != Some(own) => Asked::Nothing,
            (CURRENT_THREAD, _) => open_numbered(ObjectKind::Thread, Some(thread)),
            (_, ProcessKey::Known(process)) => open_numbered(ObjectKind::Process, Some(process)),
            (_, ProcessKey::OfThread(_)) => Asked::Nothing,
        }
    }

    /// A new process: its number, its handle, and the handles that it inherits.
    pub(super) fn process_made(
        &mut self,
        thread: u32,
        inherits: bool,
        listed: &[u32],
        fields: Fields<'_>,
    ) {
        let (Some(pid), parent) = (fields.hex32("pid"), self.process_of(thread)) else { return };
        self.processes.insert(pid, 0);
        let what = Lifetime::Created;
        self.emit(Some(thread), ObjectTraceKind::Process { process: process_name(pid), what });
        if inherits {
            for (handle, names) in self.handles.of_process(parent) {
                if names.inherited && (listed.is_empty() || listed.contains(&handle)) {
                    self.open(ProcessKey::Known(pid), handle, names.object, true);
                }
            }
        }
        if let Some(info) = fields.hex32("info").filter(|info| *info != 0) {
            let id = self.add(Some(thread), Wanted::new(ObjectKind::Other), false);
            self.open(parent, info, id, false);
        }
        if let Some(handle) = fields.hex32("handle").filter(|handle| *handle != 0) {
            let wanted = Wanted::numbered(ObjectKind::Process, pid);
            let id = self.add(Some(thread), wanted, true);
            self.open(parent, handle, id, false);
        }
    }

    /// A new thread: its number and its handle.
    pub(super) fn thread_made(
        &mut self,
        thread: u32,
        process: Option<ProcessKey>,
        suspended: bool,
        fields: Fields<'_>,
    ) {
        let Some(tid) = fields.hex32("tid") else { return };
        let known = match process {
            Some(ProcessKey::Known(process)) => Some(process),
            _ => None,
        };
        let named = known.map(process_name);
        self.threads.remove(&tid);
        self.thread(tid).process = process;
        if let Some(count) = known.and_then(|process| self.processes.get_mut(&process)) {
            *count += 1;
        }
        let what = Lifetime::Created;
        let made = ObjectTraceKind::Thread { what, process: named, suspended, code: None };
        self.emit(Some(tid), made);
        if let Some(handle) = fields.hex32("handle").filter(|handle| *handle != 0) {
            let wanted = Wanted::numbered(ObjectKind::Thread, tid);
            let id = self.add(Some(thread), wanted, true);
            let process = self.process_of(thread);
            self.open(process, handle, id, false);
        }
    }
}

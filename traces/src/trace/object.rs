//! What happens in a trace of the level `object`: what a system's own log tells of its objects.
//!
//! The order of the lines is the order in which the system did it. A call and its return stand
//! around the wakes that it causes. Nothing has a time, for such logs have no clock.

use crate::context::Context;
use crate::declare::{names, tagged};
use crate::error::Fault;
use crate::json::Node;
use crate::read::{Properties, Read, Record};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One event of a trace of the level `object`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectTraceEvent {
    /// Its number: that of the line of the log that tells of it. Numbers go up.
    pub n: u64,
    /// The thread that did it or to which it happened.
    pub thread: Option<String>,
    /// What happened.
    pub what: ObjectTraceKind,
}

tagged! {
    /// What happens in a trace of the level `object`, by the field `ev`.
    pub enum ObjectTraceKind: "ev", "event" {
        /// A process begins, or has ended.
        Process = "process" {
            /// Which one.
            process: String,
            /// What becomes of it.
            what: Lifetime,
        },
        /// A thread is created, or first tells of itself, or has ended.
        Thread = "thread" {
            /// What becomes of it.
            what: Lifetime,
            /// Its process, where that is known.
            process: Option<String>,
            /// It is created with a suspend count of 1.
            suspended: bool = false,
            /// Its exit code.
            code: Option<u32>,
        },
        /// A handle names an object from here on, or does not any more.
        Handle = "handle" {
            /// The process whose handle it is.
            process: String,
            /// Its value.
            handle: u64,
            /// The object.
            object: String,
            /// Whether it is opened or closed.
            what: HandleEvent,
        },
        /// An object that was not known before. What is left out is not known.
        Object = "object" {
            /// Its name in this trace.
            object: String,
            /// Its type.
            kind: ObjectKind,
            /// It is new; otherwise it may have existed before the log began.
            new: bool = false,
            /// Whether it has a name by which others can open it.
            named: Option<bool>,
            /// An event or a timer: whether it stays signaled.
            manual: Option<bool>,
            /// An event: whether it is signaled.
            signaled: Option<bool>,
            /// A mutex: its owner is the thread of this event.
            owned: Option<bool>,
            /// A semaphore: its count.
            count: Option<u32>,
            /// A semaphore: the most that its count can be.
            limit: Option<u32>,
        },
        /// No handle names the object any more.
        Gone = "gone" {
            /// Which one.
            object: String,
        },
        /// The thread calls the system.
        Call = "call" {
            /// What it asks for.
            call: ObjectCall,
        },
        /// The system answers the thread's latest call.
        Return = "return" {
            /// Its status.
            status: String,
            /// What else it says.
            reply: Reply = Reply::default(),
        },
        /// The thread's wait ends.
        Wake = "wake" {
            /// The status of the wait.
            status: String,
        },
        /// Lines of the log are missing or cannot be read: what was known may be wrong now.
        Gap = "gap" {
            /// How many lines, as far as that is known.
            lines: u64 = 1,
        },
    }
}

names! {
    /// What becomes of a process or thread.
    pub enum Lifetime: "change" {
        /// It exists.
        Created = "created",
        /// It begins to run.
        Started = "started",
        /// It has ended.
        Ended = "ended",
    }
}

names! {
    /// What becomes of a handle.
    pub enum HandleEvent: "change of a handle" {
        /// It names the object.
        Opened = "opened",
        /// It is closed.
        Closed = "closed",
    }
}

names! {
    /// The type of an object.
    pub enum ObjectKind: "type of object" {
        /// An event.
        Event = "event",
        /// A mutex.
        Mutex = "mutex",
        /// A semaphore.
        Semaphore = "semaphore",
        /// A waitable timer.
        Timer = "timer",
        /// A completion port.
        Port = "port",
        /// A keyed event.
        KeyedEvent = "keyed-event",
        /// A file, device or end of a pipe.
        File = "file",
        /// A thread.
        Thread = "thread",
        /// A process.
        Process = "process",
        /// An asynchronous request, as long as a handle of its own stands for it.
        Request = "request",
        /// Anything else, or not known.
        Other = "other",
    }
}

names! {
    /// How a wait treats its objects.
    pub enum WaitMode: "kind of wait" {
        /// One of them ends it.
        Any = "any",
        /// All of them together end it.
        All = "all",
        /// There are none.
        None = "none",
        /// A keyed event: to be released.
        Keyed = "keyed",
        /// A keyed event: to release another thread.
        Release = "release",
    }
}

names! {
    /// What is done to an event.
    pub enum EventAction: "action on an event" {
        /// It is set.
        Set = "set",
        /// It is reset.
        Reset = "reset",
        /// It is set and reset.
        Pulse = "pulse",
    }
}

tagged! {
    /// A call of the system, by the field `op`.
    pub enum ObjectCall: "op", "operation" {
        /// The thread waits, or tests for APCs.
        Wait = "wait" {
            /// What it waits for.
            objects: Vec<String> = Vec::new(),
            /// How.
            mode: WaitMode,
            /// User APCs end it.
            alertable: bool = false,
            /// System APCs interrupt it.
            interruptible: bool = false,
            /// In units of 100 ns from now; left out if it never ends by itself.
            timeout: Option<u64>,
            /// What is signaled first.
            signal: Option<String>,
            /// The request of which the thread says here how it ended.
            finished: Option<String>,
            /// The status that it has ended with; pending if it goes on.
            status: Option<String>,
            /// The bytes that it has transferred.
            bytes: u64 = 0,
            /// The thread reports where it was interrupted: it is stopped inside this wait.
            stopped: bool = false,
        },
        /// An event is set, reset or pulsed.
        Event = "event" {
            /// Which one.
            object: String,
            /// What is done to it.
            action: EventAction,
        },
        /// A mutex is released.
        ReleaseMutex = "release-mutex" {
            /// Which one.
            object: String,
        },
        /// A semaphore is released.
        ReleaseSemaphore = "release-semaphore" {
            /// Which one.
            object: String,
            /// By how much.
            count: u32,
        },
        /// A user APC is queued.
        QueueApc = "queue-apc" {
            /// To which thread.
            target: String,
            /// Its routine.
            routine: u64,
            /// What the routine is given.
            arguments: Vec<u64>,
        },
        /// A timer is set.
        SetTimer = "set-timer" {
            /// Which one.
            object: String,
            /// When, in units of 100 ns from now; left out if that is not known.
            due: Option<u64>,
            /// From one expiry to the next, in milliseconds; 0 for one only.
            period: u32,
            /// The routine of its APC.
            routine: Option<u64>,
            /// What that is given.
            context: u64 = 0,
        },
        /// A timer is cancelled.
        CancelTimer = "cancel-timer" {
            /// Which one.
            object: String,
        },
        /// A thread is suspended.
        Suspend = "suspend" {
            /// Which one.
            target: String,
        },
        /// A thread is resumed.
        Resume = "resume" {
            /// Which one.
            target: String,
        },
        /// A thread is terminated.
        Terminate = "terminate" {
            /// Which one.
            target: String,
            /// Its exit code.
            code: u32,
        },
        /// An asynchronous request is issued.
        Issue = "issue" {
            /// Its name in this trace.
            request: String,
            /// What it asks for, as the log calls it.
            operation: String,
            /// The file.
            file: String,
            /// The event that it sets.
            event: Option<String>,
            /// The routine of its APC.
            routine: Option<u64>,
            /// What its APC is given, or the value of its packet.
            context: u64 = 0,
            /// Its status block.
            block: u64 = 0,
        },
        /// The thread fetches what a request has read.
        FetchResult = "fetch-result" {
            /// Which one; left out if it is not known.
            request: Option<String>,
        },
        /// The thread says how a request ended that it was to do itself.
        DirectResult = "direct-result" {
            /// Which one.
            request: String,
            /// The status that it has ended with; pending if it goes on.
            status: String,
            /// The bytes that it has transferred.
            bytes: u64 = 0,
            /// It counts as one that was pending.
            pended: bool = false,
        },
        /// Requests are cancelled.
        Cancel = "cancel" {
            /// Those of this file.
            file: String,
            /// Those with this status block alone.
            block: u64 = 0,
            /// Those of the calling thread alone.
            own: bool = false,
        },
        /// A packet is posted to a port, or to that of a file.
        Post = "post" {
            /// Which one.
            object: String,
            /// Its key; left out when it is that of the file.
            key: Option<u64>,
            /// Its value.
            value: u64,
            /// Its status.
            status: String,
            /// The bytes that it tells of.
            bytes: u64,
        },
        /// A packet is taken from a port.
        Take = "take" {
            /// Which one.
            object: String,
        },
        /// A file is bound to a port.
        Associate = "associate" {
            /// The file.
            file: String,
            /// The port.
            port: String,
            /// The key of its packets.
            key: u64,
        },
        /// A call that changes an object in a way that is not followed.
        Touch = "touch" {
            /// Which one.
            object: String,
            /// The call, as the log calls it.
            name: String,
        },
        /// Any other call that the log tells of.
        Other = "other" {
            /// The call, as the log calls it.
            name: String,
        },
    }
}

crate::declare::record! {
    /// What an answer says beside its status. What is left out was not said.
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Reply {
        /// The state, count or suspend count before the call.
        previous: Option<u32>,
        /// The handle's object by which the thread can wait for a request.
        wait: Option<String>,
        /// A request: the file is for synchronous requests, so that the thread waits for it.
        blocking: bool = false,
        /// A system APC for the thread: this request is to be finished by it.
        request: Option<String>,
        /// The status that a request is to be finished with.
        outcome: Option<String>,
        /// The status block that it tells of; 0 if none is to be written.
        block: Option<u64>,
        /// A user APC for the thread: its routine.
        routine: Option<u64>,
        /// What the routine is given.
        arguments: Vec<u64> = Vec::new(),
        /// Another system APC for the thread, as the log calls it.
        system: Option<String>,
        /// A packet: its key.
        key: Option<u64>,
        /// Its value.
        value: Option<u64>,
        /// Its status.
        status: Option<String>,
        /// The bytes that it tells of.
        bytes: Option<u64>,
    }
}

crate::declare::stands_alone!(Reply);

impl Read for ObjectCall {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        Self::read_record(node.fields()?, &[], cx)
    }
}

/// The fields of every event.
const COMMON: [&str; 2] = ["n", "thread"];

impl Read for ObjectTraceEvent {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let fields = node.fields()?;
        Ok(ObjectTraceEvent {
            what: ObjectTraceKind::read_record(fields, &COMMON, cx)?,
            n: u64::read(fields.require("n")?, cx)?,
            thread: fields.get("thread").map(|thread| String::read(thread, cx)).transpose()?,
        })
    }
}

impl Serialize for ObjectTraceEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        if let Some(thread) = &self.thread {
            map.serialize_entry("thread", thread)?;
        }
        self.what.write_record(&mut map)?;
        map.end()
    }
}

impl JsonSchema for ObjectTraceEvent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ObjectTraceEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let common = |properties: &mut Properties<'_>| {
            let number = u64::schema(properties.generator);
            properties.add("n", "Its number; numbers go up.", number, None, true);
            let thread = String::schema(properties.generator);
            properties.add("thread", "The thread that it is about.", thread, None, false);
        };
        let variants = ObjectTraceKind::variants(generator, &common);
        json_schema!({ "oneOf": variants })
    }
}

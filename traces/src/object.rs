//! The objects of a scenario.

use crate::context::{Context, Kind, kinds};
use crate::declare::{names, tagged};
use crate::error::{Fault, Span};
use crate::json::Node;
use crate::kernel::Environment;
use crate::read::{Fields, Read, Record};
use crate::reader::{Between, Flags, NameSet, OrNull, Reader, StatusName, To};
use crate::trace::ProcessorMode;
use indexmap::IndexMap;
use schemars::{Schema, SchemaGenerator};
use std::collections::HashMap;

/// The largest count of a semaphore (the header's type is LONG).
const SEMAPHORE_MAX: i64 = 0x7FFF_FFFF;

/// The most threads of a pool.
const WORKER_COUNT_MAX: i64 = 8;

names! {
    /// What a satisfied wait does to an event or timer.
    pub enum Reset: "reset" {
        /// It stays signaled (a notification object).
        Manual = "manual",
        /// It is unsignaled by the wait (a synchronization object).
        Auto = "auto",
    }
}

names! {
    /// When a device completes its requests.
    pub enum DeviceModel: "device model" {
        /// In the dispatch routine.
        Immediate = "immediate",
        /// After a time.
        Delay = "delay",
        /// Only by cancellation, or when a `CompleteRequest` step says so.
        Hold = "hold",
        /// Each of them at any moment after it has pended, in any order.
        Eventual = "eventual",
        /// As a cached disk file: at once, without a request packet where the file is
        /// synchronous, and with `STATUS_PENDING` for an answer where it is not.
        Cached = "cached",
        /// When its routines say so: a driver of the scenario's own.
        Driver = "driver",
    }
}

/// What is wrong with a device.
pub(crate) struct DeviceFaults;

impl NameSet for DeviceFaults {
    const NOUN: &'static str = "fault";
    const NAMES: &'static [&'static str] = &[
        "ignores-cancel",
        "ignores-cleanup",
        "completes-twice",
        "never-completes",
        "pends-unmarked",
        "keeps-cancel-routine",
        "information-too-long",
    ];
}

/// The filters of a device stack.
pub(crate) struct Filters;

impl NameSet for Filters {
    const NOUN: &'static str = "filter";
    const NAMES: &'static [&'static str] =
        &["skip", "pass-through", "loses-pending", "on-success", "on-error", "on-cancel"];
}

names! {
    /// Whether a pipe keeps message boundaries.
    pub enum PipeMode: "pipe mode" {
        /// No boundaries.
        Byte = "byte",
        /// Boundaries.
        Message = "message",
    }
}

names! {
    /// An end of a pipe.
    pub enum PipeEnd: "pipe end" {
        /// The server's.
        Server = "server",
        /// The client's.
        Client = "client",
    }
}

tagged! {
    /// An object of a scenario.
    pub enum Object: "type", "object type" {
        /// An event.
        Event = "event" {
            /// What a satisfied wait does to it.
            reset: Reset,
            /// Whether it is signaled at first.
            signaled: bool = false,
        },
        /// A mutex.
        Mutex = "mutex" {
            /// The thread that owns it at first, once.
            owner: Option<String> => OrNull<To<{ kinds::THREAD }>>,
            /// Whether it is a kernel mutex (KMUTEX), whose owner is in a critical region. It has
            /// no handle: programs cannot use it.
            kernel: bool = false,
        },
        /// A semaphore.
        Semaphore = "semaphore" {
            /// Its count at first, at most `max`.
            count: u32 => Between<0, SEMAPHORE_MAX>,
            /// Its limit, at least 1.
            max: u32 => Between<1, SEMAPHORE_MAX>,
        },
        /// A waitable timer.
        Timer = "timer" {
            /// What a satisfied wait does to it.
            reset: Reset,
        },
        /// A completion port.
        Port = "port" {
            /// How many of its threads may run at once; 0 for the number of processors.
            concurrency: u32 = 0,
        },
        /// An OVERLAPPED.
        Overlapped = "overlapped" {
            /// The event that completion signals.
            event: Option<String> => OrNull<To<{ kinds::EVENT }>>,
            /// Whether the low bit of the event's handle is set: no packet for the port.
            suppress_port: bool = false,
        },
        /// A device, or a stack of drivers.
        Device = "device" {
            /// When it completes its requests.
            model: DeviceModel,
            /// After how many milliseconds; for `delay` only, which needs it.
            ms: Option<u32>,
            /// The status with which its requests complete.
            status: String = "STATUS_SUCCESS".to_owned() => StatusName,
            /// How many bytes its requests transfer; as many as were asked for when left out.
            bytes: Option<u32>,
            /// What its dispatch routine returns instead of what the request completes with;
            /// `STATUS_PENDING` for a request that is not complete.
            returns: Option<String> => OrNull<StatusName>,
            /// What is wrong with it: `"ignores-cancel"`, `"ignores-cleanup"`,
            /// `"completes-twice"`, `"never-completes"`, `"pends-unmarked"`,
            /// `"keeps-cancel-routine"`, `"information-too-long"`.
            faults: Vec<String> = Vec::new() => Flags<DeviceFaults>,
            /// The filters above it, from the top down: `"skip"`, `"pass-through"`,
            /// `"loses-pending"`, `"on-success"`, `"on-error"`, `"on-cancel"`.
            stack: Vec<String> = Vec::new() => Flags<Filters>,
            /// Its dispatch routine; for `driver` only, which needs it.
            dispatch: Option<String> => OrNull<To<{ kinds::ROUTINE }>>,
            /// Its StartIo routine; for `driver` only.
            start_io: Option<String> => OrNull<To<{ kinds::ROUTINE }>>,
            /// The DPC that its interrupt service routine asks for; for `driver` only.
            dpc: Option<String> => OrNull<To<{ kinds::DPC }>>,
            /// Its cleanup routine, which runs when the last handle of a file of it is closed; for
            /// `driver` only.
            cleanup: Option<String> => OrNull<To<{ kinds::ROUTINE }>>,
            /// The device of another driver that it is attached over; for `driver` only.
            over: Option<String> => OrNull<To<{ kinds::DEVICE }>>,
        },
        /// A named pipe; its two ends are files. It is connected unless only its server end is
        /// declared, and then it listens.
        Pipe = "pipe" {
            /// Whether it keeps message boundaries.
            mode: PipeMode,
            /// How many bytes it keeps unread in each direction before writes have to wait.
            quota: u32 = 4096,
        },
        /// An open file: of a device, or an end of a pipe.
        File = "file" {
            /// The device, unless it is an end of a pipe.
            device: Option<String> => OrNull<To<{ kinds::DEVICE }>>,
            /// The pipe, unless it is of a device.
            pipe: Option<String> => OrNull<To<{ kinds::PIPE }>>,
            /// Which end of the pipe.
            end: Option<PipeEnd>,
            /// Whether it is open for asynchronous requests.
            overlapped: bool = true,
            /// Whether user APCs end a request that waits; for synchronous files only.
            alertable: bool = false,
            /// The completion port that it is associated with.
            port: Option<String> => OrNull<To<{ kinds::PORT }>>,
            /// The key of its packets; with a port only, 0 when left out.
            key: Option<u64>,
        },
        /// An I/O status block.
        Iosb = "iosb",
        /// A thread pool. Its threads are named after it and numbered: `POOL/1`, …
        Pool = "pool" {
            /// How many threads it has in its life, at most. They are made when there is work and
            /// none of them waits; one that waits for work may end as long as another can be made.
            workers: u32 = 2 => Between<1, WORKER_COUNT_MAX>,
        },
        /// A timer whose callback runs on a thread pool.
        PoolTimer = "pool-timer" {
            /// The pool.
            pool: String => To<{ kinds::POOL }>,
            /// The callback.
            routine: String => To<{ kinds::ROUTINE }>,
        },
        /// A wait whose callback runs on a thread pool.
        PoolWait = "pool-wait" {
            /// The pool.
            pool: String => To<{ kinds::POOL }>,
            /// The callback.
            routine: String => To<{ kinds::ROUTINE }>,
        },
        /// A file whose completions are callbacks on a thread pool.
        PoolIo = "pool-io" {
            /// The pool.
            pool: String => To<{ kinds::POOL }>,
            /// The file.
            file: String => To<{ kinds::FILE }>,
            /// The callback.
            routine: String => To<{ kinds::ROUTINE }>,
        },
        /// An APC object (KAPC), for kernel code to initialise and insert.
        Kapc = "kapc" {
            /// Whose list it goes to. One without a normal routine is a kernel APC whatever is
            /// said here.
            mode: ProcessorMode = ProcessorMode::Kernel,
            /// The routine that runs first, at APC_LEVEL; one that does nothing when left out.
            kernel: Option<String> => OrNull<To<{ kinds::ROUTINE }>>,
            /// The normal routine; a special kernel APC has none.
            normal: Option<String> => OrNull<To<{ kinds::ROUTINE }>>,
            /// The routine that runs instead of the others when its thread ends before it.
            rundown: Option<String> => OrNull<To<{ kinds::ROUTINE }>>,
            /// What the normal routine is given (NormalContext).
            data: u64 = 0,
            /// Which APC state of its thread it goes to, where that is attached to a process.
            environment: Environment = Environment::Original,
            /// The thread for which it is initialised from the start.
            thread: Option<String> => OrNull<To<{ kinds::THREAD }>>,
        },
        /// A deferred procedure call, which runs at DISPATCH_LEVEL on whatever thread is there.
        Dpc = "dpc" {
            /// What it runs.
            routine: String => To<{ kinds::ROUTINE }>,
        },
        /// An interrupt of a device.
        Interrupt = "interrupt" {
            /// Its service routine, which runs at DIRQL.
            routine: String => To<{ kinds::ROUTINE }>,
        },
        /// A spin lock.
        SpinLock = "spin-lock",
        /// A fast mutex, whose holder runs at APC_LEVEL.
        FastMutex = "fast-mutex",
        /// A guarded mutex, whose holder is in a guarded region.
        GuardedMutex = "guarded-mutex",
        /// A place where a driver keeps the address of a request packet.
        Irp = "irp",
        /// A queue in which a driver keeps request packets.
        IrpQueue = "irp-queue",
        /// A further handle of an object.
        Handle = "handle" {
            /// The object, or another handle of it.
            of: String => To<{ kinds::HANDLED }>,
            /// The process that has it; the first one when left out.
            process: Option<String>,
        },
    }
}

impl Object {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Object::Event { .. } => Kind::Event,
            Object::Mutex { kernel: true, .. } => Kind::KernelMutex,
            Object::Mutex { .. } => Kind::Mutex,
            Object::Semaphore { .. } => Kind::Semaphore,
            Object::Timer { .. } => Kind::Timer,
            Object::Port { .. } => Kind::Port,
            Object::Overlapped { .. } => Kind::Overlapped,
            Object::Device { .. } => Kind::Device,
            Object::Pipe { .. } => Kind::Pipe,
            Object::File { .. } => Kind::File,
            Object::Iosb => Kind::Iosb,
            Object::Pool { .. } => Kind::Pool,
            Object::PoolTimer { .. } => Kind::PoolTimer,
            Object::PoolWait { .. } => Kind::PoolWait,
            Object::PoolIo { .. } => Kind::PoolIo,
            Object::Kapc { .. } => Kind::Kapc,
            Object::Dpc { .. } => Kind::Dpc,
            Object::Interrupt { .. } => Kind::Interrupt,
            Object::SpinLock => Kind::SpinLock,
            Object::FastMutex => Kind::FastMutex,
            Object::GuardedMutex => Kind::GuardedMutex,
            Object::Irp => Kind::Irp,
            Object::IrpQueue => Kind::IrpQueue,
            Object::Handle { .. } => Kind::Handle,
        }
    }
}

impl Read for Object {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let fields = node.fields()?;
        let object = Object::read_record(fields, &[], cx)?;
        match &object {
            Object::Semaphore { count, max } if count > max => {
                let message = format!("the count is {count}, but the maximum is {max}");
                Err(Fault::new(fields.require("count")?.span, message))
            }
            Object::Mutex { owner: Some(_), kernel: true } => {
                let message = "a kernel mutex is free at first (KeInitializeMutex)";
                Err(Fault::new(fields.require("owner")?.span, message))
            }
            Object::Device { model, ms, .. } => {
                check_device(fields, *model, *ms)?;
                check_driver(fields, *model).map(|()| object)
            }
            Object::File { .. } => check_file(fields, &object).map(|()| object),
            _ => Ok(object),
        }
    }
}

/// A delay belongs to the model `delay`, and to no other.
fn check_device(fields: Fields<'_, '_>, model: DeviceModel, ms: Option<u32>) -> Result<(), Fault> {
    match (model, ms) {
        (DeviceModel::Delay, None) => Err(fields.missing("ms")),
        (
            DeviceModel::Immediate
            | DeviceModel::Hold
            | DeviceModel::Eventual
            | DeviceModel::Cached
            | DeviceModel::Driver,
            Some(_),
        ) => {
            let message = format!("a device with the model \"{model}\" has no \"ms\"");
            Err(Fault::new(fields.require("ms")?.span, message))
        }
        _ => Ok(()),
    }
}

/// Routines belong to the model `driver`, which has nothing else.
fn check_driver(fields: Fields<'_, '_>, model: DeviceModel) -> Result<(), Fault> {
    let is_driver = model == DeviceModel::Driver;
    let of_driver = ["dispatch", "start_io", "dpc", "cleanup", "over"];
    let of_others = ["status", "bytes", "returns", "faults", "stack"];
    let wrong = if is_driver { &of_others[..] } else { &of_driver[..] };
    for field in wrong {
        if let Some(node) = fields.get(field) {
            let message = format!("a device with the model \"{model}\" has no \"{field}\"");
            return Err(Fault::new(node.span, message));
        }
    }
    if is_driver && fields.get("dispatch").is_none() {
        return Err(fields.missing("dispatch"));
    }
    Ok(())
}

/// A file is of a device or an end of a pipe; what it is decides which fields it has.
fn check_file(fields: Fields<'_, '_>, file: &Object) -> Result<(), Fault> {
    let Object::File { device, pipe, end, overlapped, alertable, port, key } = file else {
        return Ok(());
    };
    let wrong = |field: &str, message: &str| {
        Err(Fault::new(fields.get(field).map_or(fields.span, |node| node.span), message))
    };
    match (device, pipe, end) {
        (None, None, _) => return wrong("", "a file needs a \"device\" or a \"pipe\""),
        (Some(_), Some(_), _) => {
            return wrong("pipe", "a file has a \"device\" or a \"pipe\", not both");
        }
        (None, Some(_), None) => return Err(fields.missing("end")),
        (Some(_), None, Some(_)) => return wrong("end", "only a pipe has an \"end\""),
        (Some(_), None, None) | (None, Some(_), Some(_)) => {}
    }
    match (overlapped, alertable, port, key) {
        (true, true, ..) => {
            wrong("alertable", "only a synchronous file (\"overlapped\": false) can be alertable")
        }
        (false, _, Some(_), _) => wrong("port", "a synchronous file cannot have a port"),
        (_, _, None, Some(_)) => wrong("key", "a key needs a \"port\""),
        _ => Ok(()),
    }
}

/// The objects of a scenario, whose names are declared.
pub(crate) struct Objects;

impl Reader<IndexMap<String, Object>> for Objects {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<IndexMap<String, Object>, Fault> {
        let mut ends = HashMap::new();
        let mut objects = IndexMap::new();
        for member in node.fields()?.members() {
            let name = member.key.as_ref();
            let object = Object::read(&member.value, cx)?;
            cx.declare(name, member.key_span, object.kind())?;
            match &object {
                Object::Handle { of, .. } => {
                    let span = member.value.fields()?.require("of")?.span;
                    cx.declare_handle(name, of, span);
                }
                Object::File { pipe: Some(pipe), end: Some(end), .. } => {
                    let span = member.value.fields()?.require("end")?.span;
                    claim_end(&mut ends, (pipe.clone(), *end), name, span)?;
                }
                Object::Pool { workers } => {
                    for number in 1..=*workers {
                        cx.declare(&worker_name(name, number), member.key_span, Kind::Thread)?;
                    }
                }
                _ => {}
            }
            objects.insert(name.to_owned(), object);
        }
        Ok(objects)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<IndexMap<String, Object>>()
    }
}

/// The name of a pool's thread; they are numbered from 1.
pub fn worker_name(pool: &str, number: u32) -> String {
    format!("{pool}/{number}")
}

/// Each end of a pipe is one file.
fn claim_end(
    ends: &mut HashMap<(String, PipeEnd), String>,
    end: (String, PipeEnd),
    file: &str,
    span: Span,
) -> Result<(), Fault> {
    let message = |other: &str| format!("the {} end of {:?} is already {other:?}", end.1, end.0);
    if let Some(other) = ends.get(&end) {
        return Err(Fault::new(span, message(other)));
    }
    ends.insert(end, file.to_owned());
    Ok(())
}

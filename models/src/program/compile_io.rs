//! From a scenario's devices, pipes, files, ports and status blocks to what the kernel has of them.

use super::users::Users;
use super::{Program, ProgramCall};
use crate::ids::{BlockId, DatumId, HandleId, ObjectId, RequestId, ThreadId};
use crate::io::Io;
use crate::io::file::FileObject;
use crate::io::pipe::PipeState;
use crate::io::port::Kqueue;
use crate::io::setup::{
    DeviceSetup, Faults, FileSetup, FileTarget, Filter, Interface, IoSetup, Model, PipeSetup,
    PortSetup, Request,
};
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::event::Kevent;
use crate::ke::timer::Ktimer;
use crate::service::Service;
use crate::tp::{PoolTimer, PoolWait};
use alertable_traces::scenario::{DeviceModel, Object, PipeEnd, PipeMode, Scenario};
use alertable_traces::status::NtStatus;
use std::collections::HashMap;

/// The lock of a synchronous file object, free at first.
pub(super) const FILE_LOCK: DispatcherObject =
    DispatcherObject::Event(Kevent { kind: ResetKind::Auto, signaled: true });

/// A pool's timer or wait.
pub(super) struct Callback {
    /// Its name.
    name: String,
    /// The timer, as an object; a wait is none.
    timer: Option<ObjectId>,
    pool: String,
    /// The number of its routine.
    pub(super) routine: u64,
    /// That number as a value of the program, and the results of a wait.
    pub(super) data: Option<(DatumId, [DatumId; 2])>,
}

/// What has been declared so far.
pub(super) struct IoDeclarations {
    pub(super) setup: IoSetup,
    /// For each declared OVERLAPPED: its event, and whether that keeps packets from ports.
    pub(super) overlapped: HashMap<String, (Option<String>, bool)>,
    /// For each file, the key with which it is associated at first.
    pub(super) keys: Vec<u64>,
    /// The pools' timers and waits, in their order.
    pub(super) callbacks: Vec<Callback>,
    /// The numbers of the pools' waits.
    pub(super) pool_waits: HashMap<String, usize>,
    /// The pools' queues.
    pools: Vec<(String, ObjectId)>,
    /// The numbers of the routines.
    routines: HashMap<String, u64>,
    blocks: HashMap<String, BlockId>,
    devices: HashMap<String, usize>,
    pipes: HashMap<String, usize>,
    /// The names of processes other than the first one.
    processes: Vec<String>,
    /// The devices of drivers of the program.
    drivers: HashMap<String, usize>,
}

impl IoDeclarations {
    /// Numbers the devices and pipes, which files refer to whatever the order of declarations.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let names = |wanted: fn(&Object) -> bool| {
            let of_kind = scenario.objects.iter().filter(move |(_, object)| wanted(object));
            of_kind.enumerate().map(|(at, (name, _))| (name.clone(), at)).collect()
        };
        let mut this = IoDeclarations {
            setup: IoSetup::default(),
            overlapped: HashMap::new(),
            keys: Vec::new(),
            callbacks: Vec::new(),
            pool_waits: HashMap::new(),
            pools: Vec::new(),
            routines: scenario.routines.keys().cloned().zip(0..).collect(),
            blocks: HashMap::new(),
            devices: names(|object| matches!(object, Object::Device { .. })),
            pipes: names(|object| matches!(object, Object::Pipe { .. })),
            processes: Vec::new(),
            drivers: super::compile_kernel::driver_numbers(scenario),
        };
        for thread in scenario.threads.values() {
            let process = this.process(thread.process.as_deref());
            this.setup.thread_processes.push(process);
        }
        this
    }

    /// The pools and their queues.
    pub(super) fn pools(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        self.pools.iter().map(|(name, port)| (name.as_str(), *port))
    }

    /// The number of a process; the first one has no name.
    pub(super) fn process(&mut self, name: Option<&str>) -> u8 {
        let Some(name) = name else { return 0 };
        let known = self.processes.iter().position(|other| other == name);
        let at = known.unwrap_or_else(|| {
            self.processes.push(name.to_owned());
            self.processes.len() - 1
        });
        u8::try_from(at + 1).unwrap_or(u8::MAX)
    }

    /// The status block of that name; the first step that names one declares it.
    pub(super) fn block(&mut self, name: &str, is_overlapped: bool) -> BlockId {
        let blocks = &mut self.setup.blocks;
        let block = *self.blocks.entry(name.to_owned()).or_insert_with(|| {
            blocks.push((name.to_owned(), false));
            BlockId::from_index(blocks.len() - 1)
        });
        blocks[block.index()].1 |= is_overlapped;
        block
    }

    /// Takes in a declaration; what has handles becomes an object of the kernel.
    pub(super) fn declare(
        &mut self,
        name: &str,
        object: &Object,
        id: ObjectId,
    ) -> Option<DispatcherObject> {
        Some(match object {
            Object::Port { concurrency } => {
                let slot = self.setup.ports.len() as u16;
                self.setup.ports.push(PortSetup { object: id, concurrency: *concurrency });
                DispatcherObject::Port(Kqueue { slot, signaled: false })
            }
            Object::Pool { workers } => {
                let slot = self.setup.ports.len() as u16;
                self.setup.ports.push(PortSetup { object: id, concurrency: *workers });
                self.pools.push((name.to_owned(), id));
                DispatcherObject::Port(Kqueue { slot, signaled: false })
            }
            Object::PoolTimer { pool, routine } => {
                self.declare_callback(name, Some(id), pool, routine);
                DispatcherObject::Timer(Ktimer::new(ResetKind::Auto))
            }
            Object::PoolWait { pool, routine } => {
                self.pool_waits.insert(name.to_owned(), self.pool_waits.len());
                self.declare_callback(name, None, pool, routine);
                return None;
            }
            Object::Device { model, ms, status, bytes, returns, faults, stack, .. } => {
                self.setup.devices.push(DeviceSetup {
                    object: id,
                    model: match model {
                        DeviceModel::Immediate => Model::Immediate,
                        DeviceModel::Delay => Model::Delay(ms.unwrap_or(0)),
                        DeviceModel::Hold => Model::Hold,
                        DeviceModel::Eventual => Model::Eventual,
                        DeviceModel::Cached => Model::Cached,
                        DeviceModel::Driver => Model::Driver(self.drivers[name]),
                    },
                    status: status_of(status),
                    bytes: *bytes,
                    returns: returns.as_deref().map(status_of),
                    faults: faults_of(faults),
                    stack: stack.iter().map(|filter| filter_of(filter)).collect(),
                });
                DispatcherObject::Device
            }
            Object::Pipe { mode, quota } => {
                self.setup.pipes.push(PipeSetup {
                    object: id,
                    message: *mode == PipeMode::Message,
                    quota: *quota,
                    first_state: PipeState::Listening,
                });
                DispatcherObject::Pipe
            }
            Object::File { device, pipe, end, overlapped, alertable, key, .. } => {
                let target = match (device, pipe) {
                    (Some(device), _) => FileTarget::Device(self.devices[device]),
                    (None, Some(pipe)) => {
                        let client = usize::from(*end == Some(PipeEnd::Client));
                        FileTarget::PipeEnd(self.pipes[pipe] * 2 + client)
                    }
                    (None, None) => unreachable!("the reader refuses files of nothing"),
                };
                let slot = self.setup.files.len();
                let (overlapped, alertable) = (*overlapped, *alertable);
                let file = FileSetup { target, overlapped, alertable, lock: None, object: id };
                self.setup.files.push(file);
                self.keys.push(key.unwrap_or(0));
                DispatcherObject::File(FileObject::new(slot, None))
            }
            Object::Overlapped { event, suppress_port } => {
                self.block(name, true);
                self.overlapped.insert(name.to_owned(), (event.clone(), *suppress_port));
                return None;
            }
            Object::Iosb => {
                self.block(name, false);
                return None;
            }
            _ => return None,
        })
    }

    fn declare_callback(&mut self, name: &str, timer: Option<ObjectId>, pool: &str, routine: &str) {
        let (name, pool, routine) = (name.to_owned(), pool.to_owned(), self.routines[routine]);
        self.callbacks.push(Callback { name, timer, pool, routine, data: None });
    }

    /// Gives the files the ports that they are declared with, and connects the pipes that have
    /// two ends.
    pub(super) fn associate(
        &mut self,
        scenario: &Scenario,
        names: &[String],
        objects: &mut [DispatcherObject],
    ) {
        for (name, object) in &scenario.objects {
            let (file, port, routine) = match object {
                Object::File { port: Some(port), .. } => (name, port, None),
                Object::PoolIo { pool, file, routine } => (file, pool, Some(routine)),
                _ => continue,
            };
            let at = names.iter().position(|other| other == file);
            let port = names.iter().position(|other| other == port);
            if let (Some(at), Some(port)) = (at, port)
                && let DispatcherObject::File(file) = &mut objects[at]
            {
                file.port = Some((ObjectId::from_index(port), DatumId(0)));
                if let Some(routine) = routine {
                    self.keys[file.slot()] = self.routines[routine];
                }
            }
        }
        let ends: Vec<usize> = self
            .setup
            .files
            .iter()
            .filter_map(|file| match file.target {
                FileTarget::PipeEnd(end) => Some(end),
                FileTarget::Device(_) => None,
            })
            .collect();
        for (at, pipe) in self.setup.pipes.iter_mut().enumerate() {
            if ends.contains(&(at * 2 + 1)) {
                pipe.first_state = PipeState::Connected;
            }
        }
    }

    /// Completes the program's I/O, if it has any.
    pub(super) fn finish(
        mut self,
        program: &mut Program,
        threads: &HashMap<String, ThreadId>,
        has_kernel_mode: bool,
    ) {
        let has_callbacks = !self.pools.is_empty();
        for callback in std::mem::take(&mut self.callbacks) {
            let Some((key, results)) = callback.data else { continue };
            let Some(port) = self.pools().find(|(pool, _)| *pool == callback.pool) else {
                continue;
            };
            let port = port.1;
            if let Some(timer) = callback.timer {
                self.setup.pool_timers.push(PoolTimer { timer, port, key });
            } else {
                let waiter = threads[&callback.name];
                self.setup.pool_waits.push(PoolWait { waiter, port, key, results });
            }
        }
        self.setup.thread_processes.resize(program.threads.len(), 0);
        let used = !self.setup.files.is_empty()
            || !self.setup.ports.is_empty()
            || !self.setup.devices.is_empty()
            || !self.setup.pipes.is_empty()
            || !self.setup.blocks.is_empty();
        let names_none = |request: &Request| request.block.is_none();
        if self.setup.requests.iter().any(names_none) {
            self.setup.private_block_count = program.threads.len();
        }
        self.setup.handle_processes.resize(program.handles.len(), 0);
        let eventual = self.setup.requests.iter().map(|request| {
            let object = program.handles[request.file.index()];
            let file = self.setup.files.iter().find(|file| file.object == object);
            file.is_some_and(|file| match file.target {
                FileTarget::Device(device) => {
                    let device = &self.setup.devices[device];
                    device.model == Model::Eventual && !device.faults.never_completes
                }
                FileTarget::PipeEnd(_) => false,
            })
        });
        self.setup.eventual_requests = eventual.collect();
        let users = Users::new(program, &self.setup.requests, has_kernel_mode || has_callbacks);
        for at in 0..self.setup.requests.len() {
            let id = RequestId::from_index(at);
            // Others can see in which order the APCs of a thread were queued.
            let is_private = is_private(program, &self.setup, &self.setup.requests[at])
                && !users.can_see_routine(program, &self.setup, id);
            self.setup.private_requests.push(is_private);
            self.setup.requests[at].marked_apart = users.can_see_mark(program, &self.setup, id);
            // Pools and code in kernel mode use events in other ways than by calls.
            if !has_kernel_mode && !has_callbacks {
                let setup = &self.setup;
                let cleared_apart = users.can_see_clear(program, setup, id);
                let finished_apart = users.can_see_finish(program, setup, id);
                let request = &mut self.setup.requests[at];
                request.cleared_apart = cleared_apart;
                request.finished_apart = finished_apart;
            }
        }
        program.io = self.setup;
        if used {
            program.kernel.io = Some(Box::new(Io::new(&program.io, program.threads.len())));
        }
    }
}

/// Whether nobody but its issuer can tell when a request completes; see
/// [`IoSetup::private_requests`].
fn is_private(program: &Program, setup: &IoSetup, request: &Request) -> bool {
    let target = |handle: &HandleId| program.handles[handle.index()];
    let file = target(&request.file);
    let is_bound = match program.kernel.object(file) {
        DispatcherObject::File(file) => file.port.is_some(),
        _ => true,
    };
    let is_plain = |other: &FileSetup| {
        let is_faultless = match other.target {
            FileTarget::Device(device) => setup.devices[device].faults == Faults::default(),
            FileTarget::PipeEnd(_) => true,
        };
        other.overlapped && is_faultless
    };
    let is_odd = setup.files.iter().any(|other| other.object == file && !is_plain(other));
    let is_told = request.event.is_some() || request.interface == Interface::Waiting;
    let can_be_seen = |call: &ProgramCall| match &call.service {
        Service::WaitForObjects { objects, .. } => objects.iter().any(|o| target(o) == file),
        Service::SignalAndWait { object, .. } => target(object) == file,
        Service::OverlappedResult { block, .. } | Service::HasCompleted { block } => {
            request.block == Some(*block)
        }
        Service::AssociatePort { file: other, .. } => target(other) == file,
        Service::CancelIoFileEx { file: other, .. } => {
            call.label.is_some() && target(other) == file
        }
        _ => false,
    };
    !is_bound && !is_odd && !is_told && !program.calls.iter().any(can_be_seen)
}

fn status_of(name: &str) -> NtStatus {
    NtStatus::from_name(name).expect("the reader has checked the names of statuses")
}

fn faults_of(names: &[String]) -> Faults {
    let has = |name: &str| names.iter().any(|given| given == name);
    Faults {
        ignores_cancel: has("ignores-cancel"),
        ignores_cleanup: has("ignores-cleanup"),
        completes_twice: has("completes-twice"),
        never_completes: has("never-completes"),
        pends_unmarked: has("pends-unmarked"),
        keeps_cancel_routine: has("keeps-cancel-routine"),
        information_too_long: has("information-too-long"),
    }
}

fn filter_of(name: &str) -> Filter {
    match name {
        "skip" => Filter::Skip,
        "pass-through" => Filter::PassThrough,
        "loses-pending" => Filter::LosesPending,
        "on-success" => Filter::OnSuccess,
        "on-error" => Filter::OnError,
        "on-cancel" => Filter::OnCancel,
        other => unreachable!("the reader has checked the names of filters: {other}"),
    }
}

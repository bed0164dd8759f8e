//! The parts of a scenario that are for code in kernel mode: its objects, and who may call what.

use super::compile_error::CompileError;
use crate::ids::{
    DatumId, DpcId, FastMutexId, IrpQueueId, IrpVarId, KapcId, ObjectId, RoutineId, SpinLockId,
    ThreadId,
};
use crate::io::driver::DriverSetup;
use crate::ke::fastmutex::FastMutexSetup;
use crate::ke::kmode::{DpcSetup, KapcSetup, KernelSetup};
use crate::ke::thread::{Kthread, ThreadRole, ThreadState};
use alertable_traces::call::Call;
use alertable_traces::scenario::{DeviceModel, Object, Scenario, Step, ThreadMode};
use alertable_traces::trace::ProcessorMode;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most objects of a kind that code in kernel mode has, each of which has a number in a byte.
pub(super) const OBJECT_COUNT_MAX: usize = 250;

/// What a scenario declares for code in kernel mode, and the numbers of its names.
#[derive(Default)]
pub(super) struct KernelDeclarations {
    pub(super) setup: KernelSetup,
    kapcs: HashMap<String, KapcId>,
    dpcs: HashMap<String, DpcId>,
    spin_locks: HashMap<String, SpinLockId>,
    fast_mutexes: HashMap<String, FastMutexId>,
    irp_vars: HashMap<String, IrpVarId>,
    irp_queues: HashMap<String, IrpQueueId>,
    drivers: HashMap<String, usize>,
    /// The names of the DPCs of devices.
    device_dpcs: HashMap<String, String>,
    /// The data of the APC objects, before they have numbers.
    pub(super) data: Vec<u64>,
    /// Some thread or routine runs in kernel mode.
    is_used: bool,
}

impl KernelDeclarations {
    pub(super) fn new(
        scenario: &Scenario,
        threads: &HashMap<String, ThreadId>,
        routines: &HashMap<String, RoutineId>,
        devices: &HashMap<String, ObjectId>,
    ) -> Self {
        let is_driver = |object: &Object| {
            matches!(
                object,
                Object::Interrupt { .. } | Object::Device { model: DeviceModel::Driver, .. }
            )
        };
        let mut this = KernelDeclarations {
            is_used: scenario.threads.values().any(|thread| thread.mode == ThreadMode::System)
                || scenario.objects.values().any(is_driver),
            drivers: driver_numbers(scenario),
            ..Self::default()
        };
        for (name, object) in &scenario.objects {
            this.declare(name, object, threads, routines);
            this.declare_driver(name, object, routines, devices);
            this.declare_fast_mutex(name, object, devices);
        }
        this
    }

    fn declare(
        &mut self,
        name: &str,
        object: &Object,
        threads: &HashMap<String, ThreadId>,
        routines: &HashMap<String, RoutineId>,
    ) {
        let of = |routine: &Option<String>| routine.as_ref().map(|routine| routines[routine]);
        match object {
            Object::Kapc { mode, kernel, normal, rundown, data, environment, thread } => {
                self.kapcs.insert(name.to_owned(), KapcId::from_index(self.setup.kapcs.len()));
                self.data.push(*data);
                self.setup.kapcs.push(KapcSetup {
                    name: name.to_owned(),
                    mode: *mode,
                    kernel: of(kernel),
                    normal: of(normal),
                    rundown: of(rundown),
                    data: DatumId(0),
                    environment: *environment,
                    thread: thread.as_ref().map(|thread| threads[thread]),
                });
            }
            Object::Dpc { routine } => {
                self.dpcs.insert(name.to_owned(), DpcId::from_index(self.setup.dpcs.len()));
                let (routine, thread) = (routines[routine], threads[name]);
                let name = name.to_owned();
                self.setup.dpcs.push(DpcSetup { name, routine, thread, interrupt: None });
            }
            Object::Interrupt { routine } => {
                self.dpcs.insert(name.to_owned(), DpcId::from_index(self.setup.dpcs.len()));
                let lock = SpinLockId::from_index(self.setup.spin_locks.len());
                self.spin_locks.insert(name.to_owned(), lock);
                self.setup.spin_locks.push(name.to_owned());
                let (routine, thread) = (routines[routine], threads[name]);
                let (name, interrupt) = (name.to_owned(), Some(lock));
                self.setup.dpcs.push(DpcSetup { name, routine, thread, interrupt });
            }
            Object::SpinLock => {
                let id = SpinLockId::from_index(self.setup.spin_locks.len());
                self.spin_locks.insert(name.to_owned(), id);
                self.setup.spin_locks.push(name.to_owned());
            }
            _ => {}
        }
    }

    fn declare_fast_mutex(
        &mut self,
        name: &str,
        object: &Object,
        objects: &HashMap<String, ObjectId>,
    ) {
        let guarded = match object {
            Object::FastMutex => false,
            Object::GuardedMutex => true,
            _ => return,
        };
        let id = FastMutexId::from_index(self.setup.fast_mutexes.len());
        self.fast_mutexes.insert(name.to_owned(), id);
        self.setup.fast_mutexes.push(FastMutexSetup { object: objects[name], guarded });
    }

    fn declare_driver(
        &mut self,
        name: &str,
        object: &Object,
        routines: &HashMap<String, RoutineId>,
        devices: &HashMap<String, ObjectId>,
    ) {
        match object {
            Object::Device {
                model: DeviceModel::Driver,
                dispatch: Some(dispatch),
                start_io,
                cleanup,
                dpc,
                over,
                ..
            } => {
                if let Some(dpc) = dpc {
                    self.device_dpcs.insert(name.to_owned(), dpc.clone());
                }
                let start_io = start_io.as_ref().map(|routine| routines[routine]);
                let over = over.as_ref().and_then(|over| self.drivers.get(over).copied());
                let cleanup = cleanup.as_ref().map(|routine| routines[routine]);
                let (device, dispatch) = (devices[name], routines[dispatch]);
                let driver = DriverSetup { device, dispatch, start_io, cleanup, over };
                self.setup.drivers.push(driver);
            }
            Object::Irp => {
                self.irp_vars
                    .insert(name.to_owned(), IrpVarId::from_index(self.setup.irp_vars.len()));
                self.setup.irp_vars.push(name.to_owned());
            }
            Object::IrpQueue => {
                let id = IrpQueueId::from_index(self.setup.irp_queues.len());
                self.irp_queues.insert(name.to_owned(), id);
                self.setup.irp_queues.push(name.to_owned());
            }
            _ => {}
        }
    }

    pub(super) fn irp_var(&self, name: &str) -> IrpVarId {
        self.irp_vars[name]
    }

    pub(super) fn irp_queue(&self, name: &str) -> IrpQueueId {
        self.irp_queues[name]
    }

    pub(super) fn driver(&self, name: &str) -> Option<usize> {
        self.drivers.get(name).copied()
    }

    pub(super) fn device_dpc(&self, device: &str) -> Option<DpcId> {
        self.device_dpcs.get(device).map(|dpc| self.dpcs[dpc])
    }

    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    pub(super) fn kapc(&self, name: &str) -> KapcId {
        self.kapcs[name]
    }

    pub(super) fn dpc(&self, name: &str) -> DpcId {
        self.dpcs[name]
    }

    pub(super) fn fast_mutex(&self, name: &str) -> FastMutexId {
        self.fast_mutexes[name]
    }

    pub(super) fn spin_lock(&self, name: &str) -> SpinLockId {
        self.spin_locks[name]
    }
}

/// The devices of drivers are numbered in their order.
pub(super) fn driver_numbers(scenario: &Scenario) -> HashMap<String, usize> {
    let drivers = scenario
        .objects
        .iter()
        .filter(|(_, object)| matches!(object, Object::Device { model: DeviceModel::Driver, .. }));
    drivers.enumerate().map(|(at, (name, _))| (name.clone(), at)).collect()
}

/// The record that stands for the running of a DPC: idle, and no thread.
pub(super) fn dpc_record() -> Kthread {
    Kthread {
        role: ThreadRole::Dpc,
        state: ThreadState::Waiting,
        apc_queueable: false,
        ..Kthread::running()
    }
}

/// Checks that each object has a number; an interrupt needs one as a DPC and one as a spin lock.
fn check_counts(scenario: &Scenario) -> Result<(), CompileError> {
    // Whatever runs has a record like a thread's.
    let mut counts = [0_usize; 8];
    counts[7] = scenario.threads.len();
    for object in scenario.objects.values() {
        let kinds: &[usize] = match object {
            Object::Kapc { .. } => &[0],
            Object::Dpc { .. } => &[1, 7],
            Object::Interrupt { .. } => &[1, 2, 7],
            Object::PoolWait { .. } => &[7],
            Object::Pool { workers } => {
                counts[7] += *workers as usize;
                &[]
            }
            Object::SpinLock => &[2],
            Object::FastMutex | Object::GuardedMutex => &[3],
            Object::Irp => &[4],
            Object::IrpQueue => &[5],
            Object::Device { model: DeviceModel::Driver, .. } => &[6],
            _ => &[],
        };
        kinds.iter().for_each(|kind| counts[*kind] += 1);
    }
    if counts.iter().any(|count| *count > OBJECT_COUNT_MAX) {
        return Err(CompileError::TooMany);
    }
    Ok(())
}

/// Who runs a thread's or routine's steps.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Runners {
    user: bool,
    kernel: bool,
}

/// Checks that code calls what is there in its mode: programs the system's interfaces, code in
/// kernel mode the functions of the driver kit.
pub(super) fn check_modes(scenario: &Scenario) -> Result<(), CompileError> {
    check_counts(scenario)?;
    let mut runners: BTreeMap<&str, Runners> = BTreeMap::new();
    for object in scenario.objects.values() {
        note_object(object, &mut runners);
    }
    let blocks = scenario.threads.values().map(|thread| &thread.steps);
    for steps in blocks.chain(scenario.routines.values()) {
        for_each_call(steps, &mut |call| note_call(call, scenario, &mut runners));
    }
    for (name, thread) in &scenario.threads {
        let kernel = thread.mode == ThreadMode::System;
        check_steps(name, &thread.steps, Runners { user: !kernel, kernel })?;
        check_drivers(name, &thread.steps, scenario, true)?;
    }
    for (name, steps) in &scenario.routines {
        check_steps(name, steps, runners.get(name.as_str()).copied().unwrap_or_default())?;
        check_drivers(name, steps, scenario, false)?;
    }
    check_creation(scenario)
}

fn note_object<'a>(object: &'a Object, runners: &mut BTreeMap<&'a str, Runners>) {
    match object {
        Object::Kapc { mode, kernel, normal, rundown, .. } => {
            for routine in [kernel, rundown].into_iter().flatten() {
                runners.entry(routine).or_default().kernel = true;
            }
            if let Some(normal) = normal {
                let runner = runners.entry(normal).or_default();
                runner.user |= *mode == ProcessorMode::User;
                runner.kernel |= *mode == ProcessorMode::Kernel;
            }
        }
        Object::Dpc { routine } | Object::Interrupt { routine } => {
            runners.entry(routine).or_default().kernel = true;
        }
        Object::Device { dispatch, start_io, cleanup, .. } => {
            for routine in [dispatch, start_io, cleanup].into_iter().flatten() {
                runners.entry(routine).or_default().kernel = true;
            }
        }
        Object::PoolTimer { routine, .. }
        | Object::PoolWait { routine, .. }
        | Object::PoolIo { routine, .. } => runners.entry(routine).or_default().user = true,
        _ => {}
    }
}

/// A routine that a call names runs in the mode of who is called with it.
fn note_call<'a>(call: &'a Call, scenario: &'a Scenario, runners: &mut BTreeMap<&'a str, Runners>) {
    if let Call::ReplaceNormalRoutine { routine: Some(routine), .. } = call {
        // It takes the place of the normal routine of whatever APC its kernel routine is of.
        let modes: BTreeSet<ProcessorMode> = scenario
            .objects
            .values()
            .filter_map(|object| match object {
                Object::Kapc { mode, kernel: Some(_), .. } => Some(*mode),
                _ => None,
            })
            .collect();
        let runner = runners.entry(routine).or_default();
        runner.kernel |= modes.contains(&ProcessorMode::Kernel);
        runner.user |= !modes.contains(&ProcessorMode::Kernel);
        return;
    }
    if let Call::IoSetCompletionRoutine { routine: Some(routine), .. }
    | Call::IoSetCancelRoutine { routine: Some(routine), .. }
    | Call::IoStartPacket { cancel: Some(routine), .. } = call
    {
        runners.entry(routine).or_default().kernel = true;
        return;
    }
    if let Some(routine) = routine_of(call) {
        runners.entry(routine).or_default().user = true;
    }
}

fn routine_of(call: &Call) -> Option<&str> {
    match call {
        Call::QueueUserApc { routine, .. }
        | Call::QueueUserApc2 { routine, .. }
        | Call::ReadFileEx { routine, .. }
        | Call::WriteFileEx { routine, .. }
        | Call::TrySubmitThreadpoolCallback { routine, .. }
        | Call::QueueUserWorkItem { routine, .. } => Some(routine),
        Call::SetWaitableTimer { routine, .. }
        | Call::NtReadFile { routine, .. }
        | Call::NtWriteFile { routine, .. }
        | Call::NtFsControlFile { routine, .. }
        | Call::NtDeviceIoControlFile { routine, .. } => routine.as_deref(),
        _ => None,
    }
}

fn check_steps(place: &str, steps: &[Step], runners: Runners) -> Result<(), CompileError> {
    let mut wrong = None;
    for_each_call(steps, &mut |call| {
        let kernel = is_kernel_call(call);
        if (kernel && runners.user) || (!kernel && runners.kernel && !is_anybodys(call)) {
            wrong.get_or_insert((call.name(), kernel));
        }
    });
    match wrong {
        None => Ok(()),
        Some((call, is_kernel_call)) => {
            Err(CompileError::WrongMode { call, place: place.to_owned(), is_kernel_call })
        }
    }
}

/// Whether a thread or a handle of a scenario is of a process.
fn has_process(scenario: &Scenario, name: &str) -> bool {
    let is_it = |process: &Option<String>| process.as_deref() == Some(name);
    scenario.threads.values().any(|thread| is_it(&thread.process))
        || scenario
            .objects
            .values()
            .any(|object| matches!(object, Object::Handle { process, .. } if is_it(process)))
}

/// Requests are sent to the devices of drivers, processes are there, and routines return.
fn check_drivers(
    place: &str,
    steps: &[Step],
    scenario: &Scenario,
    is_thread: bool,
) -> Result<(), CompileError> {
    let mut wrong = None;
    for_each_call(steps, &mut |call| {
        let place = || place.to_owned();
        let device = match call {
            Call::Return { .. } if is_thread => {
                wrong.get_or_insert(CompileError::ReturnOutsideRoutine { thread: place() });
                return;
            }
            Call::KeStackAttachProcess { process } if !has_process(scenario, process) => {
                let process = process.clone();
                wrong.get_or_insert(CompileError::NoProcess { place: place(), process });
                return;
            }
            Call::IoCallDriver { device, .. }
            | Call::IoBuildAsynchronousFsdRequest { device, .. }
            | Call::IoBuildDeviceIoControlRequest { device, .. }
            | Call::IoRequestDpc { device }
            | Call::IoStartPacket { device, .. }
            | Call::IoStartNextPacket { device } => device,
            _ => return,
        };
        let is_driver =
            |object: &Object| matches!(object, Object::Device { model: DeviceModel::Driver, .. });
        let has_dpc = |object: &Object| matches!(object, Object::Device { dpc: Some(_), .. });
        if matches!(call, Call::IoRequestDpc { .. })
            && scenario.objects.get(device).is_some_and(is_driver)
            && !scenario.objects.get(device).is_some_and(has_dpc)
        {
            let device = device.clone();
            wrong.get_or_insert(CompileError::NoDpc { place: place(), device });
        }
        if !scenario.objects.get(device).is_some_and(is_driver) {
            let (call, device) = (call.name(), device.clone());
            wrong.get_or_insert(CompileError::NoDriver { call, place: place(), device });
        }
    });
    wrong.map_or(Ok(()), Err)
}

/// Programs create threads of theirs, code in kernel mode those of the system.
fn check_creation(scenario: &Scenario) -> Result<(), CompileError> {
    let mut wrong = None;
    let blocks = scenario.threads.values().map(|thread| &thread.steps);
    for steps in blocks.chain(scenario.routines.values()) {
        for_each_call(steps, &mut |call| {
            let (thread, mode) = match call {
                Call::CreateThread { thread } => (thread, ThreadMode::User),
                Call::PsCreateSystemThread { thread } => (thread, ThreadMode::System),
                _ => return,
            };
            if scenario.threads[thread].mode != mode {
                wrong.get_or_insert((call.name(), thread.clone()));
            }
        });
    }
    match wrong {
        None => Ok(()),
        Some((call, thread)) => Err(CompileError::WrongThread { call, thread }),
    }
}

fn for_each_call<'a>(steps: &'a [Step], visit: &mut impl FnMut(&'a Call)) {
    for step in steps {
        match step {
            Step::Call(step) => visit(&step.call),
            Step::Repeat(repeat) => for_each_call(&repeat.steps, visit),
        }
    }
}

/// A function of the driver kit.
fn is_kernel_call(call: &Call) -> bool {
    const OTHERS: [&str; 8] = [
        "SetIoStatus",
        "ReplaceNormalRoutine",
        "IrpCancel",
        "SaveIrp",
        "InsertTailList",
        "RemoveHeadList",
        "RemoveEntryList",
        "Return",
    ];
    let name = call.name();
    ["Ke", "Ps", "Io", "ExAcquire", "ExTryTo", "ExRelease"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || OTHERS.contains(&name)
}

/// A step of the scenario that is no call of anybody's.
fn is_anybodys(call: &Call) -> bool {
    matches!(call, Call::CompleteRequest { .. } | Call::RaiseInterrupt { .. })
}

//! From a scenario to a program.

mod names;
mod records;

use super::compile_error::CompileError;
use super::compile_io::{FILE_LOCK, IoDeclarations};
use super::compile_kernel::{KernelDeclarations, check_modes};
use super::{Instruction, Pc, Program, ProgramCall, ProgramCondition, ProgramThread, Watch};
use crate::ids::{CallId, DatumId, HandleId, LabelId, ObjectId, RoutineId, ThreadId};
use crate::io::dservice::DriverService;
use crate::io::overlapped::ResultWait;
use crate::io::setup::{Interface, IoSetup, Model};
use crate::ke::Kernel;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::kmode::{KernelMode, KernelSetup};
use crate::ke::kservice::KernelService;
use crate::ke::thread::ThreadRole;
use crate::ke::wait::NEVER;
use crate::parts::Part;
use crate::records::Records;
use crate::service::Service;
use crate::slots::SlotMap;
use crate::symmetry::told_apart;
use crate::win32::{Convention, Lowered, Names, lower};
use alertable_traces::call::{Call, Timeout};
use alertable_traces::scenario::{CallStep, Count, Object, Repeat, Scenario, Step, worker_name};
use alertable_traces::status::{WAIT_OBJECT_0, WAIT_TIMEOUT};
use records::{dispatcher_object, is_worker_of, program_routine, program_thread, thread_records};
use std::collections::HashMap;

/// Compiles a scenario that the reader has accepted.
///
/// # Errors
/// When it uses calls, objects or threads that the machine does not have yet.
pub fn compile(scenario: &Scenario) -> Result<Program, CompileError> {
    check_modes(scenario)?;
    let mut compiler = Compiler::new(scenario);
    for (name, thread) in &scenario.threads {
        let id = compiler.threads[name];
        compiler.caller = id;
        compiler.program.threads[id.index()].entry = compiler.block(name, &thread.steps)?;
    }
    compiler.pool_threads(scenario);
    compiler.dpc_records();
    for (index, (name, steps)) in scenario.routines.iter().enumerate() {
        compiler.program.routines[index].entry = compiler.block(name, steps)?;
    }
    Ok(compiler.finish())
}

/// A loop that is being compiled.
struct OpenLoop {
    /// Its condition, where it has one.
    condition: Option<u16>,
    /// It counts its turns.
    counted: bool,
    /// The instructions that leave it, to be given their target.
    breaks: Vec<usize>,
}

struct Compiler {
    program: Program,
    threads: HashMap<String, ThreadId>,
    handles: HashMap<String, HandleId>,
    routines: HashMap<String, RoutineId>,
    labels: HashMap<String, LabelId>,
    data: HashMap<u64, DatumId>,
    loops: Vec<OpenLoop>,
    io: IoDeclarations,
    kernel_mode: KernelDeclarations,
    /// The label without a name that the last step of the loop about to be compiled gets.
    last_label: Option<LabelId>,
    /// The thread whose steps are being compiled.
    caller: ThreadId,
}

impl Compiler {
    /// Gives ids to all names and makes the first state of the kernel.
    fn new(scenario: &Scenario) -> Self {
        let mut records = thread_records(scenario);
        let threads: HashMap<_, _> = records
            .iter()
            .enumerate()
            .map(|(index, (name, _))| (name.clone(), ThreadId::from_index(index)))
            .collect();
        let mut objects: Vec<DispatcherObject> =
            vec![DispatcherObject::Thread { signaled: false }; threads.len()];
        let mut names: Vec<String> = records.iter().map(|(name, _)| name.clone()).collect();
        let mut io = IoDeclarations::new(scenario);
        for (name, object) in &scenario.objects {
            let id = ObjectId::from_index(objects.len());
            if let Some(object) =
                dispatcher_object(object, &threads).or_else(|| io.declare(name, object, id))
            {
                objects.push(object);
                names.push(name.clone());
            }
        }
        io.associate(scenario, &names, &mut objects);
        for (pool, port) in io.pools() {
            for (name, record) in &mut records {
                if is_worker_of(name, pool) {
                    record.role = ThreadRole::Worker(port);
                }
            }
        }
        for file in &mut io.setup.files {
            if !file.overlapped {
                file.lock = Some(ObjectId::from_index(objects.len()));
                objects.push(FILE_LOCK);
                names.push(String::new());
            }
        }
        let mut handles: Vec<ObjectId> = (0..names.len()).map(ObjectId::from_index).collect();
        let mut handle_names: HashMap<_, _> = names
            .iter()
            .enumerate()
            .filter(|(_, name)| !name.is_empty())
            .map(|(index, name)| (name.clone(), HandleId::from_index(index)))
            .collect();
        for (name, object) in &scenario.objects {
            if let Object::Handle { of, process } = object {
                handle_names.insert(name.clone(), HandleId::from_index(handles.len()));
                handles.push(handles[handle_names[of].index()]);
                let process = io.process(process.as_deref());
                io.setup.handle_processes.resize(handles.len() - 1, 0);
                io.setup.handle_processes.push(process);
            }
        }
        let program = Program {
            code: Vec::new(),
            calls: Vec::new(),
            threads: records.iter().map(|(name, _)| program_thread(name)).collect(),
            routines: scenario.routines.keys().map(|name| program_routine(name)).collect(),
            labels: Vec::new(),
            data: Vec::new(),
            conditions: Vec::new(),
            objects: names,
            handles,
            timers: Vec::new(),
            time_unit_ms: 1,
            io: IoSetup::default(),
            kernel_mode: KernelSetup::default(),
            keeps_history: true,
            told: Vec::new(),
            slots: SlotMap::default(),
            kernel: Kernel::new(records.into_iter().map(|(_, record)| record).collect(), objects),
        };
        let routines = scenario.routines.keys().enumerate();
        let routines: HashMap<_, _> =
            routines.map(|(i, name)| (name.clone(), RoutineId::from_index(i))).collect();
        let devices: HashMap<_, _> = handle_names
            .iter()
            .map(|(name, handle)| (name.clone(), program.handles[handle.index()]))
            .collect();
        let mut kernel_mode = KernelDeclarations::new(scenario, &threads, &routines, &devices);
        for (name, object) in &scenario.objects {
            if let Object::Mutex { kernel: true, .. } = object {
                let mutex = program.handles[handle_names[name].index()];
                kernel_mode.setup.kernel_mutexes.push(mutex);
            }
        }
        let compiler = Compiler {
            program,
            threads,
            handles: handle_names,
            routines,
            kernel_mode,
            labels: HashMap::new(),
            loops: Vec::new(),
            caller: ThreadId(0),
            io,
            last_label: None,
            data: HashMap::new(),
        };
        compiler.with_keys()
    }

    /// What the threads of pools do: wait for work and run it.
    fn pool_threads(&mut self, scenario: &Scenario) {
        let pools = scenario.objects.iter().filter_map(|(name, object)| match object {
            Object::Pool { workers } => Some((name, *workers)),
            _ => None,
        });
        for (pool, workers) in pools {
            let service = Service::RemoveIoCompletion {
                port: self.handles[pool],
                max: 1,
                alertable: false,
                timeout_ms: NEVER,
            };
            let source =
                Call::GetQueuedCompletionStatus { port: pool.clone(), ms: Timeout::Infinite };
            let id = CallId::from_index(self.program.calls.len());
            let convention = Convention::Work;
            self.program.calls.push(ProgramCall { service, convention, label: None, source });
            let entry = self.here();
            self.program.code.extend([Instruction::Call(id), Instruction::End]);
            for number in 1..=workers {
                let worker = self.threads[&worker_name(pool, number)];
                self.program.threads[worker.index()].entry = entry;
            }
        }
    }

    /// The records of DPCs have no steps of their own.
    fn dpc_records(&mut self) {
        let entry = self.here();
        if !self.kernel_mode.setup.dpcs.is_empty() {
            self.program.code.push(Instruction::End);
        }
        for dpc in &self.kernel_mode.setup.dpcs {
            self.program.threads[dpc.thread.index()].entry = entry;
        }
    }

    /// The keys with which files are associated at first are values like any other.
    fn with_keys(mut self) -> Self {
        for object in 0..self.program.kernel.objects.len() {
            if let DispatcherObject::File(file) = self.program.kernel.objects[object]
                && let Some((port, _)) = file.port
            {
                let key = self.io.keys[file.slot()];
                let key = self.datum(key);
                if let DispatcherObject::File(file) = self.program.kernel.objects.get_mut(object) {
                    file.port = Some((port, key));
                }
            }
        }
        for at in 0..self.kernel_mode.data.len() {
            let data = self.datum(self.kernel_mode.data[at]);
            self.kernel_mode.setup.kapcs[at].data = data;
        }
        for callback in 0..self.io.callbacks.len() {
            let key = self.datum(self.io.callbacks[callback].routine);
            let results = [WAIT_OBJECT_0, WAIT_TIMEOUT].map(|result| self.datum(u64::from(result)));
            self.io.callbacks[callback].data = Some((key, results));
        }
        self
    }

    /// Compiles the steps of a thread or routine and returns where they begin.
    fn block(&mut self, place: &str, steps: &[Step]) -> Result<Pc, CompileError> {
        let entry = self.here();
        self.steps(place, steps)?;
        self.program.code.push(Instruction::End);
        Ok(entry)
    }

    fn steps(&mut self, place: &str, steps: &[Step]) -> Result<(), CompileError> {
        for step in steps {
            match step {
                Step::Call(step) => self.call(place, &step.call, step.label.as_deref())?,
                Step::Repeat(repeat) => self.repeat(place, repeat)?,
            }
            self.conditional_breaks();
        }
        Ok(())
    }

    /// The steps of a loop, the last of which may have a label that nobody sees.
    fn loop_steps(
        &mut self,
        place: &str,
        steps: &[Step],
        unseen: Option<LabelId>,
    ) -> Result<(), CompileError> {
        let (Some(unseen), [first @ .., Step::Call(last)]) = (unseen, steps) else {
            return self.steps(place, steps);
        };
        self.steps(place, first)?;
        self.call(place, &last.call, None)?;
        if let Some(call) = self.program.calls.last_mut() {
            call.label = Some(unseen);
        }
        self.conditional_breaks();
        Ok(())
    }

    fn call(&mut self, place: &str, call: &Call, label: Option<&str>) -> Result<(), CompileError> {
        let Some(Lowered { mut service, convention }) = lower(call, self) else {
            let place = place.to_owned();
            return Err(CompileError::CallNotSimulated { call: call.name(), place });
        };
        if let Service::Driver(DriverService::Return { loops, .. }) = &mut service {
            *loops = self.loops.iter().filter(|open| open.counted).count() as u8;
        }
        // A routine that has returned keeps no result.
        let is_return = matches!(service, Service::Driver(DriverService::Return { .. }));
        let label = label.filter(|_| !is_return).map(|label| self.label(label));
        let id = CallId::from_index(self.program.calls.len());
        let source = call.clone();
        if let Service::Io { request } = service {
            let request = self.io.setup.request(request);
            if request.interface == Interface::Overlapped {
                self.program.code.push(Instruction::MarkPending(id));
            }
            self.program.code.push(Instruction::ClearEvent(id));
        }
        self.program.calls.push(ProgramCall { service, convention, label, source });
        self.program.code.push(Instruction::Call(id));
        Ok(())
    }

    /// A loop without steps does nothing and is left out, so that every turn of every loop
    /// makes a call.
    fn repeat(&mut self, place: &str, repeat: &Repeat) -> Result<(), CompileError> {
        let count = match repeat.count {
            Count::Times(times) => Some(times),
            Count::Infinite => None,
        };
        if count == Some(0) || !repeat.steps.iter().any(does_something) {
            return Ok(());
        }
        let condition = repeat.condition.as_ref().map(|condition| {
            let label = match &condition.label {
                Some(label) => self.label(label),
                None => self.label_of_last(repeat),
            };
            self.program.conditions.push(ProgramCondition { label, is: condition.is.clone() });
            (self.program.conditions.len() - 1) as u16
        });
        self.program.code.push(Instruction::LoopBegin { count });
        let body = self.here();
        self.loops.push(OpenLoop { condition, counted: count.is_some(), breaks: Vec::new() });
        let unseen = self.last_label.take();
        self.loop_steps(place, &repeat.steps, unseen)?;
        self.program.code.push(Instruction::LoopEnd { body, counted: count.is_some() });
        let behind = self.here();
        let closed = self.loops.pop().expect("it was opened above");
        for at in closed.breaks {
            if let Instruction::BreakUnless { target, .. } = &mut self.program.code[at] {
                *target = behind;
            }
        }
        Ok(())
    }

    /// After each step, the loops around it are left whose condition does not hold any more.
    fn conditional_breaks(&mut self) {
        for inner in 0..self.loops.len() {
            let index = self.loops.len() - 1 - inner;
            if let Some(condition) = self.loops[index].condition {
                self.loops[index].breaks.push(self.program.code.len());
                let loops = self.loops[index..].iter().filter(|l| l.counted).count() as u8;
                let target = 0;
                self.program.code.push(Instruction::BreakUnless { condition, target, loops });
            }
        }
    }

    fn here(&self) -> Pc {
        self.program.code.len() as Pc
    }

    /// The label of a loop's last step; one without a name, which nobody sees, if it has none.
    fn label_of_last(&mut self, repeat: &Repeat) -> LabelId {
        if let Some(Step::Call(CallStep { label: Some(label), .. })) = repeat.steps.last() {
            return self.label(label);
        }
        self.program.labels.push(String::new());
        let label = LabelId::from_index(self.program.labels.len() - 1);
        self.last_label = Some(label);
        label
    }

    fn label(&mut self, name: &str) -> LabelId {
        let labels = &mut self.program.labels;
        *self.labels.entry(name.to_owned()).or_insert_with(|| {
            labels.push(name.to_owned());
            LabelId::from_index(labels.len() - 1)
        })
    }

    fn finish(mut self) -> Program {
        let program = &mut self.program;
        let is_timer = |object: &ObjectId| {
            matches!(program.kernel.object(*object), DispatcherObject::Timer(_))
        };
        program.timers = program.kernel.object_ids().filter(is_timer).collect();
        program.time_unit_ms = time_unit_ms(&program.calls, &self.io.setup);
        let mut closed_handles = vec![false; program.handles.len()];
        for call in &program.calls {
            watch(&mut program.threads, &program.handles, call);
            if let Service::DuplicateObject { target, .. } = &call.service {
                // It is opened by that call, and not before.
                closed_handles[target.index()] = true;
            }
        }
        program.kernel.closed_handles = Records::new(Part::ClosedHandles, closed_handles);
        let Compiler { io, threads, kernel_mode, .. } = self;
        io.finish(&mut self.program, &threads, kernel_mode.is_used());
        finish_kernel_mode(&mut self.program, kernel_mode);
        self.program.told = told_apart(&self.program);
        self.program.slots = SlotMap::new(&self.program);
        self.program
    }
}

/// Completes the part of a program that is for code in kernel mode, if it has such code.
fn finish_kernel_mode(program: &mut Program, declared: KernelDeclarations) {
    let is_used = declared.is_used();
    program.kernel_mode = declared.setup;
    if !is_used {
        return;
    }
    let thread_count = program.threads.len();
    let mut km = KernelMode::new(&program.kernel_mode, thread_count, program.timers.len());
    for thread in program.thread_ids() {
        program.threads[thread.index()].watch.kernel_apcs = true;
        // The APC that suspends it has been delivered.
        let here = km.threads.get_mut(thread.index());
        here.kernel_apc_in_progress = program.kernel.thread(thread).stopped;
    }
    program.kernel.km = Some(Box::new(km));
}

/// Notes what a call can see of the threads that it names.
fn watch(threads: &mut [ProgramThread], handles: &[ObjectId], call: &ProgramCall) {
    let mut note = |handle: &HandleId, note: fn(&mut Watch)| {
        if let Some(thread) = threads.get_mut(handles[handle.index()].index()) {
            note(&mut thread.watch);
            thread.watch.reported |= call.label.is_some();
        }
    };
    match &call.service {
        Service::SuspendThread { thread } | Service::TerminateThread { thread, .. } => {
            note(thread, |watch| watch.interruptible = true);
        }
        Service::AlertThread { thread } | Service::QueueApcThread { thread, special: true, .. } => {
            note(thread, |watch| watch.alertable = true);
        }
        Service::QueueApcThread { thread, .. } | Service::ResumeThread { thread } => {
            note(thread, |_| ());
        }
        Service::WaitForObjects { objects, .. } => {
            objects.iter().for_each(|object| note(object, |watch| watch.awaited = true));
        }
        Service::SignalAndWait { object, .. } => note(object, |watch| watch.awaited = true),
        _ => {}
    }
}

fn does_something(step: &Step) -> bool {
    match step {
        Step::Call(_) => true,
        Step::Repeat(repeat) => {
            repeat.count != Count::Times(0) && repeat.steps.iter().any(does_something)
        }
    }
}

/// The greatest common divisor of all finite times in the calls and devices; 1 without any.
fn time_unit_ms(calls: &[ProgramCall], io: &IoSetup) -> u32 {
    let delays = io.devices.iter().map(|device| match device.model {
        Model::Delay(ms) => ms,
        _ => 0,
    });
    let times = calls.iter().flat_map(|call| match &call.service {
        Service::DelayExecution { timeout_ms, .. }
        | Service::WaitForObjects { timeout_ms, .. }
        | Service::RemoveIoCompletion { timeout_ms, .. }
        | Service::SetPoolWait { timeout_ms, .. }
        | Service::OverlappedResult { wait: Some(ResultWait { timeout_ms, .. }), .. }
        | Service::Kernel(
            KernelService::Wait { timeout_ms, .. } | KernelService::Delay { timeout_ms, .. },
        )
        | Service::SignalAndWait { timeout_ms, .. } => [*timeout_ms, 0],
        Service::SetTimer { due_ms, period_ms, .. }
        | Service::Kernel(KernelService::SetTimer { due_ms, period_ms, .. })
        | Service::SetPoolTimer { due_ms: Some(due_ms), period_ms, .. } => {
            [*due_ms, u32::try_from(*period_ms).unwrap_or(0)]
        }
        _ => [0, 0],
    });
    times.chain(delays).filter(|ms| *ms != NEVER).fold(0, gcd).max(1)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

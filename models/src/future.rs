//! What may still be done by whom: which slots the steps of a thread or timer, now or later, can
//! look at and change, whatever everybody else does.
//!
//! A search that wants to leave out schedules has to know what it leaves out. This is read off
//! the program: each call touches what it names, and what is tied to that (who waits for an event
//! that it sets). It is an upper bound; debug builds hold every step of a search against it.
//! There is none for programs with files, ports, pools, code in kernel mode, or handles that are
//! closed.

use crate::deviation::{Deviation, Deviations};
use crate::ids::{HandleId, LabelId, ObjectId, RoutineId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::ThreadState;
use crate::ke::wait::NEVER;
use crate::machine::{Machine, Model, Source};
use crate::parts::{Aspect, Part};
use crate::program::{Instruction, Pc, Program, ProgramCall};
use crate::service::Service;
use crate::slots::SYSTEM;
use std::ops::BitOr;

/// The most threads: each has a bit of a word.
const THREAD_COUNT_MAX: usize = 63;

/// The deviations under which threads touch what is not theirs.
const UNKNOWN: [Deviation; 3] =
    [Deviation::MutexOwnerUnchecked, Deviation::MutexNotTaken, Deviation::TimerApcToFirstThread];

/// What steps may look at and change, as sets of slots.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Touch {
    /// What is looked at.
    pub looked_at: u64,
    /// What is changed.
    pub changed: u64,
    /// The threads that are woken if they wait, a bit for the number of each.
    pub woken: u64,
}

impl Touch {
    /// Whatever there is.
    const EVERYTHING: Self = Touch { looked_at: u64::MAX, changed: u64::MAX, woken: 0 };
}

impl BitOr for Touch {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Touch {
            looked_at: self.looked_at | other.looked_at,
            changed: self.changed | other.changed,
            woken: self.woken | other.woken,
        }
    }
}

/// What may still be done in the states of a program.
#[derive(Clone, Debug)]
pub struct Futures {
    /// What is done from an instruction on, by it and all that can follow.
    from: Vec<Touch>,
    /// By call: what it does, if what its thread does next does not depend on it.
    calls: Vec<Option<Touch>>,
    threads: Vec<ThreadFuture>,
    /// By timer, in the order of [`Program`]'s timers.
    timers: Vec<Touch>,
    time: Touch,
}

/// What a thread does whatever its steps are.
#[derive(Clone, Copy, Default, Debug)]
struct ThreadFuture {
    /// As long as it has not ended: looks at itself, runs the routines that can be queued to it,
    /// and ends.
    always: Touch,
    /// What changes when it is woken.
    woken: u64,
}

impl Futures {
    /// For a program; none if it, or the system, does something that this does not know.
    pub fn new(program: &Program, deviations: Deviations) -> Option<Self> {
        let is_known = UNKNOWN.iter().all(|deviation| !deviations.contains(*deviation));
        if is_known { Some(Builder::new(program)?.build()) } else { None }
    }

    /// What the transitions of a source can look at and change, from a state on.
    pub fn of(&self, model: &Model, machine: &Machine, source: Source) -> Touch {
        match source {
            Source::System | Source::Block(_) => Touch::default(),
            Source::Thread(thread) => {
                if machine.kernel.thread(thread).state == ThreadState::Terminated {
                    return Touch::default();
                }
                let frames = machine.program.frames(thread);
                frames.iter().fold(self.threads[thread.index()].always, |touch, frame| {
                    touch | self.from[frame.pc as usize]
                })
            }
            Source::Timer(timer) => {
                let mut timers = model.program.timers.iter().zip(&self.timers);
                timers
                    .find(|(other, _)| **other == timer)
                    .map_or(Touch::EVERYTHING, |(_, touch)| *touch)
            }
            Source::Time => self.time,
        }
    }

    /// What the next step of a thread looks at and changes, if it makes a call that leads to the
    /// same next step of its own whatever others have done.
    pub fn next_call(&self, model: &Model, machine: &Machine, thread: ThreadId) -> Option<Touch> {
        if machine.kernel.thread(thread).state != ThreadState::User {
            return None;
        }
        match model.program.instruction(machine.program.pc(thread)?) {
            Instruction::Call(call) => self.calls[call.index()],
            _ => None,
        }
    }

    /// What changes when a thread is woken.
    pub fn woken(&self, thread: usize) -> u64 {
        self.threads[thread].woken
    }
}

struct Builder<'a> {
    program: &'a Program,
    /// For each object, the threads that may wait for it, a bit for each.
    waiters: Vec<u64>,
    /// For each thread, the objects that it may wait for.
    waits: Vec<Vec<ObjectId>>,
    /// For each thread, the mutexes that it may own.
    mutants: Vec<Vec<ObjectId>>,
    /// For each thread, the first instructions of the routines that may run on it.
    routines: Vec<Vec<Pc>>,
    /// For each timer object, the threads whose APC it may queue.
    setters: Vec<u64>,
}

impl<'a> Builder<'a> {
    fn new(program: &'a Program) -> Option<Self> {
        let is_known = !program.kernel.has_io()
            && !program.kernel.has_kernel_mode()
            && program.threads.len() <= THREAD_COUNT_MAX
            && program.calls.iter().all(|call| is_known(&call.service));
        is_known.then(|| {
            let objects = program.object_count();
            let threads = program.threads.len();
            Builder {
                program,
                waiters: vec![0; objects],
                waits: vec![Vec::new(); threads],
                mutants: vec![Vec::new(); threads],
                routines: vec![Vec::new(); threads],
                setters: vec![0; objects],
            }
        })
    }

    fn build(mut self) -> Futures {
        let program = self.program;
        self.find_routines();
        for thread in program.thread_ids() {
            for service in self.services_of(thread) {
                self.note_waits(thread, service);
            }
        }
        for object in program.kernel.object_ids() {
            if let DispatcherObject::Mutant(mutant) = program.kernel.object(object)
                && let Some(owner) = mutant.owner
            {
                self.mutants[owner.index()].push(object);
            }
        }
        let calls: Vec<Touch> = program.calls.iter().map(|call| self.call(call)).collect();
        let from = self.sum_up(&calls);
        let threads: Vec<ThreadFuture> =
            program.thread_ids().map(|thread| self.thread(thread, &from)).collect();
        let independent = program.calls.iter().zip(calls).map(|(call, touch)| {
            let is_tested = program.conditions.iter().any(|c| Some(c.label) == call.label);
            (is_detached(&call.service) && !is_tested).then_some(touch)
        });
        let calls = independent.collect();
        let timers = program.timers.iter().map(|timer| self.timer(*timer)).collect();
        let time = self.time();
        Futures { from, calls, threads, timers, time }
    }

    /// Which routines each thread may run: those queued to it, and those of timers that it sets.
    fn find_routines(&mut self) {
        let program = self.program;
        let entry = |routine: RoutineId| program.routines[routine.index()].entry;
        for call in &program.calls {
            match &call.service {
                Service::QueueApcThread { thread, routine, .. } => {
                    if let Some(target) = self.thread_of(*thread) {
                        self.routines[target.index()].push(entry(*routine));
                    }
                }
                // Whoever runs this call sets the timer: routines can be anybody's.
                Service::SetTimer { apc: Some((routine, _)), .. } => {
                    for routines in &mut self.routines {
                        routines.push(entry(*routine));
                    }
                }
                _ => {}
            }
        }
        for routines in &mut self.routines {
            routines.sort_unstable();
            routines.dedup();
        }
    }

    /// The services that a thread may call, in its own steps and in routines.
    fn services_of(&self, thread: ThreadId) -> Vec<&'a Service> {
        let program = self.program;
        let entries = std::iter::once(program.threads[thread.index()].entry)
            .chain(self.routines[thread.index()].iter().copied());
        let mut services = Vec::new();
        for entry in entries {
            let code = program.code[entry as usize..].iter();
            let body = code.take_while(|instruction| **instruction != Instruction::End);
            services.extend(body.filter_map(|instruction| match instruction {
                Instruction::Call(call) => Some(&program.call(*call).service),
                _ => None,
            }));
        }
        services
    }

    fn note_waits(&mut self, thread: ThreadId, service: &Service) {
        let objects: Vec<ObjectId> = match service {
            Service::WaitForObjects { objects, .. } => {
                objects.iter().map(|handle| self.object_of(*handle)).collect()
            }
            Service::SignalAndWait { object, .. } => vec![self.object_of(*object)],
            Service::SetTimer { timer, apc: Some(_), .. } => {
                let timer = self.object_of(*timer);
                self.setters[timer.index()] |= 1 << thread.index();
                return;
            }
            _ => return,
        };
        for object in objects {
            self.waiters[object.index()] |= 1 << thread.index();
            self.waits[thread.index()].push(object);
            let kernel = &self.program.kernel;
            if matches!(kernel.object(object), DispatcherObject::Mutant(_)) {
                self.mutants[thread.index()].push(object);
            }
        }
    }

    /// What each instruction and all that can follow it do.
    fn sum_up(&self, calls: &[Touch]) -> Vec<Touch> {
        let code = &self.program.code;
        let mut from = vec![Touch::default(); code.len()];
        loop {
            let mut is_settled = true;
            for pc in (0..code.len()).rev() {
                let at = |pc: Pc| from[pc as usize];
                let next = pc as Pc + 1;
                let touch = match code[pc] {
                    Instruction::Call(call) => calls[call.index()] | at(next),
                    Instruction::LoopBegin { .. }
                    | Instruction::MarkPending(_)
                    | Instruction::ClearEvent(_) => at(next),
                    Instruction::LoopEnd { body, .. } => at(body) | at(next),
                    Instruction::BreakUnless { condition, target, .. } => {
                        let label = self.program.conditions[usize::from(condition)].label;
                        let looked_at = self.result(label);
                        at(target) | at(next) | Touch { looked_at, ..Touch::default() }
                    }
                    Instruction::End => Touch::default(),
                };
                is_settled &= from[pc] == touch;
                from[pc] = touch;
            }
            if is_settled {
                return from;
            }
        }
    }

    fn thread(&self, thread: ThreadId, from: &[Touch]) -> ThreadFuture {
        let own = self.own(thread);
        let mut always = Touch { looked_at: own | 1 << SYSTEM, changed: own, woken: 0 };
        for entry in &self.routines[thread.index()] {
            always = always | from[*entry as usize];
        }
        always = always | self.end_of(thread);
        let woken = self.waits[thread.index()]
            .iter()
            .fold(self.record(thread), |slots, object| slots | self.object(*object));
        ThreadFuture { always, woken }
    }

    /// What a thread's end does (THR-32): it abandons mutexes, cancels timers and is signaled.
    fn end_of(&self, thread: ThreadId) -> Touch {
        let object = ObjectId::from_index(thread.index());
        let mut touch = self.signal(object);
        for mutant in &self.mutants[thread.index()] {
            touch = touch | self.signal(*mutant);
        }
        for timer in &self.program.timers {
            let slots = self.object(*timer);
            let is_set = self.setters[timer.index()] & 1 << thread.index() != 0;
            touch = touch
                | Touch { looked_at: slots, changed: if is_set { slots } else { 0 }, woken: 0 };
        }
        touch
    }

    fn timer(&self, timer: ObjectId) -> Touch {
        let mut touch = self.signal(timer);
        for thread in self.program.thread_ids() {
            if self.setters[timer.index()] & 1 << thread.index() != 0 {
                touch = touch | self.queue_to(thread);
            }
        }
        touch
    }

    /// What the passing of time touches: nothing where it cannot pass.
    fn time(&self) -> Touch {
        let is_timed = |service: &Service| match service {
            Service::DelayExecution { timeout_ms, .. }
            | Service::WaitForObjects { timeout_ms, .. }
            | Service::SignalAndWait { timeout_ms, .. } => !matches!(*timeout_ms, 0 | NEVER),
            _ => false,
        };
        let passes = !self.program.timers.is_empty()
            || self.program.calls.iter().any(|call| is_timed(&call.service));
        if passes { Touch::EVERYTHING } else { Touch::default() }
    }

    /// What a call does beside looking at and changing its own thread.
    fn call(&self, call: &ProgramCall) -> Touch {
        let kept = call.label.map_or(0, |label| self.result(label));
        Touch { looked_at: kept, changed: kept, woken: 0 } | self.service(&call.service)
    }

    fn service(&self, service: &Service) -> Touch {
        match service {
            Service::QueueApcThread { thread, special: false, .. } => {
                self.to_thread(*thread, Self::queue_to)
            }
            Service::QueueApcThread { thread, .. } => self.to_thread(*thread, |builder, target| {
                builder.queue_to(target) | builder.interrupt(target)
            }),
            Service::WaitForObjects { objects, .. } => {
                let slots = objects
                    .iter()
                    .fold(0, |slots, handle| slots | self.object(self.object_of(*handle)));
                Touch { looked_at: slots, changed: slots, woken: 0 }
            }
            Service::SignalAndWait { signal, object, .. } => {
                let slots = self.object(self.object_of(*object));
                self.signal(self.object_of(*signal))
                    | Touch { looked_at: slots, changed: slots, woken: 0 }
            }
            Service::SetEvent { event: handle }
            | Service::ResetEvent { event: handle }
            | Service::PulseEvent { event: handle }
            | Service::ReleaseMutant { mutant: handle }
            | Service::ReleaseSemaphore { semaphore: handle, .. } => {
                self.signal(self.object_of(*handle))
            }
            Service::SetTimer { timer, .. } | Service::CancelTimer { timer } => {
                let timer = self.object_of(*timer);
                // An APC that is taken back is no longer pending.
                let setters = self.setters[timer.index()];
                let pending = self
                    .program
                    .thread_ids()
                    .filter(|thread| setters & 1 << thread.index() != 0)
                    .fold(0, |slots, thread| slots | self.record(thread));
                self.timer(timer) | Touch { looked_at: pending, changed: pending, woken: 0 }
            }
            Service::AlertThread { thread }
            | Service::ResumeThread { thread }
            | Service::SuspendThread { thread }
            | Service::TerminateThread { thread, .. } => self.to_thread(*thread, Self::interrupt),
            Service::CreateThread { thread } => self.interrupt(*thread),
            _ => Touch::default(),
        }
    }

    /// An object is signaled, or looked at.
    fn signal(&self, object: ObjectId) -> Touch {
        let slots = self.object(object);
        let woken = self.waiters[object.index()];
        // Whom a signal wakes, and whether, depends on the waiters.
        let looked_at = self
            .program
            .thread_ids()
            .filter(|thread| woken & 1 << thread.index() != 0)
            .fold(slots, |slots, thread| slots | self.woken_slots(thread));
        Touch { looked_at, changed: slots, woken }
    }

    /// An APC is queued to a thread, or taken back.
    fn queue_to(&self, thread: ThreadId) -> Touch {
        let queue = self.slot(Part::UserApcs, Aspect::Content, thread)
            | self.slot(Part::UserApcs, Aspect::Length, thread);
        let woken = 1 << thread.index();
        Touch { looked_at: queue | self.record(thread), changed: queue, woken }
    }

    /// Something is asked of a thread, whatever it is doing.
    fn interrupt(&self, thread: ThreadId) -> Touch {
        let slots = self.own(thread) | self.woken_slots(thread);
        Touch { looked_at: slots, changed: slots, woken: 0 }
    }

    fn woken_slots(&self, thread: ThreadId) -> u64 {
        self.waits[thread.index()]
            .iter()
            .fold(self.record(thread), |slots, object| slots | self.object(*object))
    }

    /// The slots of a thread's own.
    fn own(&self, thread: ThreadId) -> u64 {
        let lists = [
            Part::Threads,
            Part::WaitObjects,
            Part::OwnedMutants,
            Part::Frames,
            Part::Loops,
            Part::UserApcs,
        ];
        let slots = lists.iter().fold(0, |slots, part| {
            slots
                | self.slot(*part, Aspect::Content, thread)
                | self.slot(*part, Aspect::Length, thread)
        });
        let routines = self.program.labels.len() + thread.index();
        slots
            | self.object(ObjectId::from_index(thread.index()))
            | 1 << self.program.slots.slot(Part::Lengths, Aspect::Content, routines)
    }

    /// The slots in which the results of a label are counted and compared.
    fn result(&self, label: LabelId) -> u64 {
        let slot = |part, index| 1 << self.program.slots.slot(part, Aspect::Content, index);
        let conditions = self.program.conditions.iter().enumerate();
        conditions
            .filter(|(_, condition)| condition.label == label)
            .fold(slot(Part::Lengths, label.index()), |slots, (at, _)| {
                slots | slot(Part::Conditions, at)
            })
    }

    fn record(&self, thread: ThreadId) -> u64 {
        self.slot(Part::Threads, Aspect::Content, thread)
            | self.slot(Part::WaitObjects, Aspect::Content, thread)
    }

    fn slot(&self, part: Part, aspect: Aspect, thread: ThreadId) -> u64 {
        1 << self.program.slots.slot(part, aspect, thread.index())
    }

    fn object(&self, object: ObjectId) -> u64 {
        1 << self.program.slots.slot(Part::Objects, Aspect::Content, object.index())
            | 1 << self.program.slots.slot(Part::WaitBlocks, Aspect::Content, object.index())
    }

    fn object_of(&self, handle: HandleId) -> ObjectId {
        self.program.handle_target(handle)
    }

    /// The thread that a handle refers to, if it does to one.
    fn thread_of(&self, handle: HandleId) -> Option<ThreadId> {
        self.program.kernel.thread_of(self.object_of(handle))
    }

    /// What a call does to a thread.
    fn to_thread(&self, handle: HandleId, touch: impl Fn(&Self, ThreadId) -> Touch) -> Touch {
        self.thread_of(handle).map_or_else(Touch::default, |thread| touch(self, thread))
    }
}

/// Whether it is known what a service does.
fn is_known(service: &Service) -> bool {
    matches!(
        service,
        Service::QueueApcThread { .. }
            | Service::TestAlert
            | Service::AlertThread { .. }
            | Service::DelayExecution { .. }
            | Service::WaitForObjects { .. }
            | Service::SignalAndWait { .. }
            | Service::SetEvent { .. }
            | Service::ResetEvent { .. }
            | Service::PulseEvent { .. }
            | Service::ReleaseMutant { .. }
            | Service::ReleaseSemaphore { .. }
            | Service::SetTimer { .. }
            | Service::CancelTimer { .. }
            | Service::CreateThread { .. }
            | Service::ResumeThread { .. }
            | Service::SuspendThread { .. }
            | Service::TerminateThread { .. }
            | Service::ExitThread { .. }
    )
}

/// Whether what a thread does after a call does not depend on what the call found.
fn is_detached(service: &Service) -> bool {
    matches!(
        service,
        Service::QueueApcThread { .. }
            | Service::SetEvent { .. }
            | Service::ResetEvent { .. }
            | Service::PulseEvent { .. }
            | Service::ReleaseSemaphore { .. }
    )
}

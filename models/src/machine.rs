//! The machine: a labelled transition system.
//!
//! A [`Machine`] is the whole state. [`Model::enabled`] lists the transitions that are possible
//! now, [`Model::step`] applies one. Nothing else changes state, and whatever could go two ways
//! is a transition that somebody else picks.

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, Observer};
use crate::ids::{IrpId, ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::{ExitPhase, Kthread, ThreadRole, ThreadState};
use crate::ke::wait::NEVER;
use crate::ke::{Context, Kernel};
use crate::program::{Instruction, Program, ProgramState, Watch};
use crate::service::Service;
use std::hash::{Hash, Hasher};

/// Whether time can pass while threads could run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Time {
    /// The clock moves to the next due moment when no thread can take a step.
    #[default]
    Urgent,
    /// Time may pass at any moment, as on a loaded machine.
    ///
    /// It passes in units of which all times of the scenario are multiples. Nothing is lost by
    /// that: due times only bound when something happens from one side and inclusively, and for
    /// such systems whole units show every order of events that fractions would.
    Free,
}

/// How a program is run: whose behaviour, on what machine, in what time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How the system departs from the rules.
    pub deviations: Deviations,
    /// The number of processors. With one, a thread that is suspended or terminated by another
    /// is not running and so has no call in flight.
    pub processors: u8,
    /// Whether time can pass while threads could run.
    pub time: Time,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { deviations: Deviations::NONE, processors: 2, time: Time::Urgent }
    }
}

/// A program and how it is run: everything about a transition system but its state.
#[derive(Clone, Debug)]
pub struct Model {
    /// The program.
    pub program: Program,
    /// How it is run.
    pub settings: Settings,
}

/// One thing that can happen next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transition {
    /// A thread takes its next step.
    Run(ThreadId),
    /// A kernel APC takes effect in a thread that runs user code.
    Interrupt(ThreadId),
    /// The due time of a thread's wait is processed.
    TimeOut(ThreadId),
    /// A timer's due time is processed.
    Expire(ObjectId),
    /// A device completes a request by itself.
    Complete(IrpId),
    /// The system ends a thread of a pool that waits for work.
    Retire(ThreadId),
    /// Time passes.
    PassTime,
}

/// The whole state: plain data, equal whenever two situations are, whatever led to them.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Machine {
    pub(crate) kernel: Kernel,
    pub(crate) program: ProgramState,
}

impl Clone for Machine {
    fn clone(&self) -> Self {
        Machine { kernel: self.kernel.clone(), program: self.program.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.kernel.clone_from(&source.kernel);
        self.program.clone_from(&source.program);
    }
}

impl Hash for Machine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kernel.hash(state);
        self.program.hash(state);
    }
}

impl Machine {
    /// What the system keeps.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Where the threads are in their programs.
    pub fn program(&self) -> &ProgramState {
        &self.program
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self) + self.kernel.heap_bytes() + self.program.heap_bytes()
    }

    /// Whether a thread's routines are nested as deep as its stack allows.
    pub fn has_full_stack(&self) -> bool {
        self.kernel.thread_ids().any(|thread| self.program.is_stack_full(thread))
    }
}

impl Model {
    /// What other threads can see of a thread.
    pub(crate) fn watch(&self, thread: ThreadId) -> Watch {
        self.program.threads[thread.index()].watch
    }

    /// The state before the first step.
    pub fn initial(&self) -> Machine {
        let mut machine = Machine {
            kernel: self.program.kernel.clone(),
            program: ProgramState::new(&self.program),
        };
        for thread in self.program.thread_ids() {
            machine.settle_initially(self, thread);
        }
        machine
    }

    /// Appends every transition that is possible, in a fixed order: the threads' by id, then
    /// the timers', then the passing of time.
    pub fn enabled(&self, machine: &Machine, out: &mut Vec<Transition>) {
        let first = out.len();
        let mut thread_can_step = false;
        if machine.kernel.io.as_deref().is_some_and(|io| io.bug_check().is_some()) {
            return;
        }
        for (index, record) in machine.kernel.threads.iter().enumerate() {
            let thread = ThreadId::from_index(index);
            if machine.kernel.has_io_apc(thread) {
                // IRP-37: before anything else that the thread does, stopped or not.
                out.push(Transition::Interrupt(thread));
                thread_can_step = true;
            } else if record.is_runnable() {
                thread_can_step |= self.runnable(machine, thread, record, out);
            } else if record.state == ThreadState::Waiting {
                thread_can_step |= self.waiting(machine, thread, record, out);
                if record.role != ThreadRole::Program && machine.kernel.can_retire(thread) {
                    out.push(Transition::Retire(thread));
                }
            } else if record.state == ThreadState::Exiting(ExitPhase::AwaitIrps) {
                thread_can_step |= Self::awaiting_irps(machine, thread, record, out);
            }
        }
        let mut due = out[first..].iter().any(|t| matches!(t, Transition::TimeOut(_)));
        for timer in &self.program.timers {
            if let DispatcherObject::Timer(record) = machine.kernel.object(*timer)
                && record.remaining_ms == 0
            {
                due = true;
                out.push(Transition::Expire(*timer));
            }
        }
        if let Some(io) = machine.kernel.io.as_deref() {
            for irp in io.irps().iter().filter(|irp| self.program.io.can_complete(irp)) {
                due |= irp.remaining_ms == 0;
                out.push(Transition::Complete(irp.id));
            }
            if self.settings.deviations.contains(Deviation::OrphansFinishLate) {
                let before = out.len();
                let orphans = io.irps().iter().filter(|irp| machine.kernel.is_orphan(irp));
                out.extend(orphans.map(|irp| Transition::Complete(irp.id)));
                thread_can_step |= out.len() > before;
            }
        }
        let free = self.settings.time == Time::Free;
        if !due && (free || !thread_can_step) && self.time_can_pass(machine, thread_can_step) {
            out.push(Transition::PassTime);
        }
    }

    /// Applies a transition that is possible and tells the observer what happens.
    pub fn step<O: Observer>(
        &self,
        machine: &mut Machine,
        transition: Transition,
        observer: &mut O,
    ) {
        let deviations = self.settings.deviations;
        let (handles, io) = (&self.program.handles, &self.program.io);
        let processors = self.settings.processors;
        let mut cx = Context { deviations, handles, io, processors, observer };
        match transition {
            Transition::Run(thread) => machine.run(self, &mut cx, thread),
            Transition::Interrupt(thread) => machine.interrupt(self, &mut cx, thread),
            Transition::TimeOut(thread) => machine.time_out(self, &mut cx, thread),
            Transition::Complete(irp) => {
                if machine.kernel.is_orphan(machine.kernel.irp(irp)) {
                    machine.kernel.finish_orphan(&mut cx, irp);
                } else {
                    machine.kernel.device_completes(&mut cx, irp);
                }
            }
            Transition::Expire(timer) => machine.kernel.expire_timer(&mut cx, timer),
            Transition::Retire(thread) => machine.retire(self, &mut cx, thread),
            Transition::PassTime => {
                let ms = self.time_step_ms(machine);
                cx.event(Event::TimePassed { ms });
                machine.kernel.pass_time(ms);
            }
        }
    }

    /// The steps of a thread that can go on; whether there are any.
    fn runnable(
        &self,
        machine: &Machine,
        thread: ThreadId,
        record: &Kthread,
        out: &mut Vec<Transition>,
    ) -> bool {
        if machine.program.is_stack_full(thread) {
            return false;
        }
        let interrupted = record.state == ThreadState::User
            && (record.has_kernel_apc()
                || (self.watch(thread).alertable && machine.kernel.has_special_apc(thread)));
        if !interrupted {
            out.push(Transition::Run(thread));
            return true;
        }
        out.push(Transition::Interrupt(thread));
        if self.can_finish_call_in_flight(machine, thread, record) {
            out.push(Transition::Run(thread));
        }
        true
    }

    /// THR-14: on another processor a thread may be past the beginning of its next call when
    /// it is interrupted, and then finishes it first. A wait is not begun any more (WAIT-19).
    fn can_finish_call_in_flight(
        &self,
        machine: &Machine,
        thread: ThreadId,
        record: &Kthread,
    ) -> bool {
        if self.settings.processors < 2
            || self.settings.deviations.contains(Deviation::SuspendStopsAtOnce)
        {
            return false;
        }
        let pc = machine.program.pc(thread).expect("a thread in user mode has a frame");
        match self.program.instruction(pc) {
            Instruction::Call(call) => match self.program.call(call).service {
                Service::DelayExecution { .. } | Service::WaitForObjects { .. } => {
                    !record.has_kernel_apc()
                }
                _ => true,
            },
            _ => machine.program.frames(thread).len() == 1,
        }
    }

    /// The steps of a blocked thread; whether the thread itself takes one.
    fn waiting(
        &self,
        machine: &Machine,
        thread: ThreadId,
        record: &Kthread,
        out: &mut Vec<Transition>,
    ) -> bool {
        if record.wait.remaining_ms == 0 {
            out.push(Transition::TimeOut(thread));
        }
        let looks_again = self.settings.deviations.contains(Deviation::ApcWakesLate)
            && record.wait.alertable
            && !machine.kernel.user_apcs(thread).is_empty();
        if looks_again {
            out.push(Transition::Run(thread));
        }
        looks_again
    }

    /// The steps of a thread that waits for its requests before it ends.
    fn awaiting_irps(
        machine: &Machine,
        thread: ThreadId,
        record: &Kthread,
        out: &mut Vec<Transition>,
    ) -> bool {
        if !machine.kernel.awaits_irps(thread) {
            out.push(Transition::Run(thread));
            return true;
        }
        if record.wait.remaining_ms == 0 {
            out.push(Transition::TimeOut(thread));
        }
        false
    }

    /// Whether a moment will come that matters: with threads that can run, any due time; with
    /// none, one that can make a thread run again.
    fn time_can_pass(&self, machine: &Machine, thread_can_step: bool) -> bool {
        let kernel = &machine.kernel;
        if thread_can_step {
            return kernel.next_due_ms(&self.program.timers) != NEVER;
        }
        let waits = kernel
            .threads
            .iter()
            .any(|thread| thread.waits_for_time() && thread.wait.remaining_ms != NEVER);
        waits
            || kernel.next_completion_ms() != NEVER
            || self.program.io.pool_timers.iter().any(|pool| kernel.is_active_timer(pool.timer))
            || self.program.timers.iter().any(|timer| kernel.timer_can_wake(*timer))
    }

    /// How far the clock moves: to the next due moment, or by one unit if threads could run.
    fn time_step_ms(&self, machine: &Machine) -> u32 {
        let next = machine.kernel.next_due_ms(&self.program.timers);
        let threads_can_run = machine.kernel.threads.iter().any(Kthread::is_runnable);
        if threads_can_run { next.min(self.program.time_unit_ms) } else { next }
    }
}

impl Kernel {
    /// Milliseconds to the next due time of a wait or timer; [`NEVER`] without any.
    fn next_due_ms(&self, timers: &[ObjectId]) -> u32 {
        let waits = self
            .threads
            .iter()
            .filter(|thread| thread.waits_for_time())
            .map(|thread| thread.wait.remaining_ms);
        let timers = timers.iter().map(|timer| match self.object(*timer) {
            DispatcherObject::Timer(timer) => timer.remaining_ms,
            _ => NEVER,
        });
        let next = waits.chain(timers).min().unwrap_or(NEVER);
        next.min(self.next_completion_ms())
    }

    /// Milliseconds until some device completes a request; [`NEVER`] without any.
    fn next_completion_ms(&self) -> u32 {
        let irps = self.io.as_deref().map_or(&[][..], |io| io.irps());
        irps.iter().map(|irp| irp.remaining_ms).min().unwrap_or(NEVER)
    }

    /// Whether a timer's next expiry can make a thread run when no other thread can: it would
    /// become signaled for a waiter, or queue an APC to a thread that waits for one.
    fn timer_can_wake(&self, object: ObjectId) -> bool {
        let DispatcherObject::Timer(timer) = self.object(object) else { return false };
        let for_waiter = !timer.signaled
            && self
                .waiters(object)
                .iter()
                .any(|block| self.thread(block.thread).state == ThreadState::Waiting);
        let for_apc = timer.apc.is_some_and(|apc| self.thread(apc.thread).waits_alertably());
        timer.is_active() && (for_waiter || for_apc)
    }

    fn is_active_timer(&self, object: ObjectId) -> bool {
        matches!(self.object(object), DispatcherObject::Timer(timer) if timer.is_active())
    }

    /// Every due time comes nearer. Those of threads that are out of their wait may pass.
    fn pass_time(&mut self, ms: u32) {
        for thread in &mut self.threads {
            if thread.wait.remaining_ms != NEVER {
                thread.wait.remaining_ms = thread.wait.remaining_ms.saturating_sub(ms);
            }
        }
        for object in &mut self.objects {
            if let DispatcherObject::Timer(timer) = object
                && timer.remaining_ms != NEVER
            {
                timer.remaining_ms -= ms;
            }
        }
        if let Some(io) = self.io.as_deref_mut() {
            for irp in io.irps.iter_mut().filter(|irp| irp.remaining_ms != NEVER) {
                irp.remaining_ms -= ms;
            }
        }
    }
}

//! The machine: a labelled transition system.
//!
//! A [`Machine`] is the whole state. [`Model::enabled`] lists the transitions that are possible
//! now, [`Model::step`] applies one. Nothing else changes state, and whatever could go two ways
//! is a transition that somebody else picks.

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, Observer};
use crate::ids::{BlockId, IrpId, ObjectId, ThreadId};
use crate::io::dservice::DriverService;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::kservice::KernelService;
use crate::ke::thread::{ExitPhase, Kthread, ThreadRole, ThreadState};
use crate::ke::wait::NEVER;
use crate::ke::{Context, Kernel};
use crate::parts::{Aspect, Part, Parts, fold};
use crate::program::{Instruction, Program, ProgramState, Watch};
use crate::service::Service;
use crate::slots::SlotMap;
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

/// Where transitions come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Nowhere: whether the system still runs.
    System,
    /// A thread.
    Thread(ThreadId),
    /// A timer.
    Timer(ObjectId),
    /// The requests that will write a status block.
    Block(BlockId),
    /// Time passes.
    Time,
}

/// What sources of transitions have told of those that follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// The system has stopped: nothing is possible any more.
    pub stopped: bool,
    /// Some thread can take a step.
    pub thread_can_step: bool,
    /// Something is due now.
    pub due: bool,
}

impl Seen {
    /// As a number.
    pub fn bits(self) -> u8 {
        u8::from(self.stopped) | u8::from(self.thread_can_step) << 1 | u8::from(self.due) << 2
    }

    /// Of a number that [`Seen::bits`] gave.
    pub fn from_bits(bits: u8) -> Self {
        Seen { stopped: bits & 1 != 0, thread_can_step: bits & 2 != 0, due: bits & 4 != 0 }
    }
}

impl std::ops::BitOr for Seen {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Seen {
            stopped: self.stopped || other.stopped,
            thread_can_step: self.thread_can_step || other.thread_can_step,
            due: self.due || other.due,
        }
    }
}

/// The whole state: plain data, equal whenever two situations are, whatever led to them.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) kernel: Kernel,
    pub(crate) program: ProgramState,
    /// The hashes of all entries at their places, added up when the state was last hashed.
    sum: u64,
}

impl PartialEq for Machine {
    fn eq(&self, other: &Self) -> bool {
        self.kernel == other.kernel && self.program == other.program
    }
}

impl Eq for Machine {}

impl Hash for Machine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

impl Machine {
    /// What the system keeps.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Where the threads are in their programs.
    pub fn program(&self) -> &ProgramState {
        &self.program
    }

    /// Makes some parts equal to those of another state of the same program. With all in which
    /// the two differ, they are equal.
    pub fn copy_parts(&mut self, source: &Self, parts: Parts) {
        self.sum = source.sum;
        self.kernel.copy_parts(&source.kernel, parts);
        self.program.copy_parts(&source.program, parts);
        debug_assert!(self == source, "the parts are not all that differ: {parts:?}");
    }

    /// The parts in which two states of the same program differ, told by their hashes; both were
    /// hashed since they were last changed ([`Machine::settle_parts`]).
    pub fn differing_parts(&self, other: &Self) -> Parts {
        self.kernel.differing_parts(&other.kernel) | self.program.differing_parts(&other.program)
    }

    /// The parts that may have changed since this was last asked.
    pub fn take_touched(&mut self) -> Parts {
        self.kernel.take_touched() | self.program.take_touched()
    }

    /// A number that differs for different states, but for a chance of one in 2⁶⁴; the same on
    /// every machine.
    ///
    /// `changed` are the parts that may have changed since this was last asked.
    pub fn fingerprint(&mut self, changed: Parts) -> u64 {
        let mut sum = self.sum;
        self.for_each_change(changed, |_, _, _, change| sum = sum.wrapping_add(change));
        self.sum = sum;
        debug_assert_eq!(sum, self.digest(), "more was changed since than {changed:?}");
        fold(sum ^ SEED, SEED.rotate_left(32) | 1)
    }

    /// Brings the digests of the slots up to date: those of the slots that were changed since this
    /// was last asked, in the parts that may have changed. Returns those slots, a bit for each,
    /// and by how much the digest of what was seen has grown.
    ///
    /// The sum of all digests stands for the state, as a fingerprint does.
    pub fn update_digests(
        &mut self,
        changed: Parts,
        slots: &SlotMap,
        digests: &mut [u64],
    ) -> (u64, u64) {
        let (mut written, mut seen) = (0, 0_u64);
        self.for_each_change(changed, |part, aspect, index, change| {
            if part == Part::History {
                seen = seen.wrapping_add(change);
            } else {
                let slot = slots.slot(part, aspect, index);
                written |= 1 << slot;
                digests[slot] = digests[slot].wrapping_add(change);
            }
        });
        (written, seen)
    }

    /// Adds to the digests of the slots what follows from other slots, if `add`; else takes it
    /// away. It is a sum, so that a step changes it by the same amount wherever it is made.
    pub fn add_derived(&self, slots: &SlotMap, digests: &mut [u64], add: bool) {
        self.kernel.for_each_active(|port| {
            let digest = &mut digests[slots.slot(Part::Activity, Aspect::Content, port)];
            let unit = Part::Activity.key(port, 0).hash(0);
            *digest = if add { digest.wrapping_add(unit) } else { digest.wrapping_sub(unit) };
        });
        self.kernel.for_each_gone(|thread| {
            let digest = &mut digests[slots.slot(Part::Liveness, Aspect::Content, thread)];
            let unit = Part::Liveness.key(0, 0).hash(0);
            *digest = if add { digest.wrapping_add(unit) } else { digest.wrapping_sub(unit) };
        });
    }

    /// The slots that were looked at since this was last asked, a bit for each.
    pub fn take_looked_at(&self, slots: &SlotMap) -> u64 {
        let mut looked_at = 0;
        let mut mark = |part, aspect, index| looked_at |= 1 << slots.slot(part, aspect, index);
        self.kernel.take_marks(&mut mark);
        self.program.take_marks(&mut mark);
        looked_at
    }

    /// Hashes what was changed since this was last asked, in the parts that may have changed, and
    /// forgets what was looked at.
    pub fn settle_parts(&mut self, changed: Parts) {
        self.for_each_change(changed, |_, _, _, _| ());
        self.kernel.clear_marks();
        self.program.clear_marks();
    }

    fn for_each_change(
        &mut self,
        parts: Parts,
        mut on_change: impl FnMut(Part, Aspect, usize, u64),
    ) {
        self.kernel.settle(parts, &mut on_change);
        self.program.settle(parts, on_change);
    }

    fn digest(&self) -> u64 {
        self.kernel.digest().wrapping_add(self.program.digest())
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self) + self.kernel.heap_bytes() + self.program.heap_bytes()
    }

    /// Whether a thread's routines are nested as deep as its stack allows.
    pub fn has_full_stack(&self) -> bool {
        self.kernel.thread_ids().any(|thread| {
            self.program.is_stack_full(thread) || self.kernel.is_attached_too_deep(thread)
        })
    }
}

impl Model {
    /// Which slot each piece of a state is in.
    pub fn slots(&self) -> &SlotMap {
        &self.program.slots
    }

    /// The slot that says most about what a transition does.
    pub fn home(&self, transition: Transition) -> usize {
        match transition {
            Transition::Run(thread)
            | Transition::Interrupt(thread)
            | Transition::TimeOut(thread)
            | Transition::Retire(thread) => {
                self.slots().slot(Part::Threads, Aspect::Content, thread.index())
            }
            Transition::Expire(timer) => {
                self.slots().slot(Part::Objects, Aspect::Content, timer.index())
            }
            Transition::Complete(irp) => {
                self.slots().slot(Part::Irps, Aspect::Content, irp.block().index())
            }
            Transition::PassTime => 0,
        }
    }

    /// An object before the first step.
    pub fn initial_object(&self, object: ObjectId) -> &DispatcherObject {
        self.program.kernel.object(object)
    }

    /// What other threads can see of a thread.
    pub(crate) fn watch(&self, thread: ThreadId) -> Watch {
        self.program.threads[thread.index()].watch
    }

    /// The state before the first step.
    pub fn initial(&self) -> Machine {
        let mut machine = Machine {
            kernel: self.program.kernel.clone(),
            program: ProgramState::new(&self.program),
            sum: 0,
        };
        for thread in self.program.thread_ids() {
            machine.settle_initially(self, thread);
        }
        machine
    }

    /// Appends every transition that is possible, in a fixed order: the threads' by id, then
    /// the timers', then the passing of time.
    pub fn enabled(&self, machine: &Machine, out: &mut Vec<Transition>) {
        let mut seen = Seen::default();
        for source in 0..self.source_count() {
            seen = seen | self.enabled_from(machine, source, seen, out);
        }
    }

    /// How many sources of transitions there are; see [`Model::enabled_from`].
    pub fn source_count(&self) -> usize {
        let irps = self.program.io.block_count();
        1 + self.program.threads.len() + self.program.timers.len() + irps + 1
    }

    /// What a source of transitions is.
    pub fn source(&self, source: usize) -> Source {
        let (thread_count, timers) = (self.program.threads.len(), &self.program.timers);
        let Some(source) = source.checked_sub(1) else { return Source::System };
        if source < thread_count {
            return Source::Thread(ThreadId::from_index(source));
        }
        let source = source - thread_count;
        match timers.get(source) {
            Some(timer) => Source::Timer(*timer),
            None if source - timers.len() < self.program.io.block_count() => {
                Source::Block(BlockId::from_index(source - timers.len()))
            }
            None => Source::Time,
        }
    }

    /// What a source heeds of what those before it have told: only time depends on all of it.
    pub fn heeded(&self, source: usize) -> Seen {
        let is_time = source + 1 == self.source_count();
        Seen { stopped: true, thread_can_step: is_time, due: is_time }
    }

    /// Appends the transitions of one source that are possible. All sources in their order make up
    /// what is enabled; `seen` is what those before have told.
    pub fn enabled_from(
        &self,
        machine: &Machine,
        source: usize,
        seen: Seen,
        out: &mut Vec<Transition>,
    ) -> Seen {
        if seen.stopped {
            return Seen::default();
        }
        let mut here = Seen::default();
        match self.source(source) {
            Source::System => {
                let io = machine.kernel.io.as_deref();
                let km = machine.kernel.kernel_mode();
                here.stopped = io.is_some_and(|io| io.bug_check().is_some())
                    || km.is_some_and(|km| km.stop().is_some());
            }
            Source::Thread(thread) => {
                let first = out.len();
                here.thread_can_step = self.enabled_of_thread(machine, thread, out);
                here.due = out[first..].iter().any(|t| matches!(t, Transition::TimeOut(_)));
            }
            Source::Timer(timer) => {
                if let DispatcherObject::Timer(record) = machine.kernel.object(timer)
                    && record.remaining_ms == 0
                {
                    here.due = true;
                    out.push(Transition::Expire(timer));
                }
            }
            Source::Block(block) => {
                let irps = machine.kernel.irps_of_block(block);
                for irp in irps.filter(|irp| self.program.io.can_complete(irp)) {
                    here.due |= irp.remaining_ms == 0;
                    out.push(Transition::Complete(irp.id));
                }
                if self.settings.deviations.contains(Deviation::OrphansFinishLate) {
                    let irps = machine.kernel.irps_of_block(block);
                    for irp in irps.filter(|irp| machine.kernel.is_orphan(irp)) {
                        here.thread_can_step = true;
                        out.push(Transition::Complete(irp.id));
                    }
                }
            }
            Source::Time => {
                let free = self.settings.time == Time::Free;
                if !seen.due
                    && (free || !seen.thread_can_step)
                    && self.time_can_pass(machine, seen.thread_can_step)
                {
                    out.push(Transition::PassTime);
                }
            }
        }
        here
    }

    /// Appends the transitions of a thread; whether the thread itself takes one of them.
    fn enabled_of_thread(
        &self,
        machine: &Machine,
        thread: ThreadId,
        out: &mut Vec<Transition>,
    ) -> bool {
        let record = machine.kernel.thread(thread);
        if machine.kernel.has_kernel_mode() {
            return self.enabled_in_kernel_mode(machine, thread, record, out);
        }
        self.enabled_of_record(machine, thread, record, out)
    }

    /// As [`Model::enabled_of_thread`], in a program with code in kernel mode.
    fn enabled_in_kernel_mode(
        &self,
        machine: &Machine,
        thread: ThreadId,
        record: &Kthread,
        out: &mut Vec<Transition>,
    ) -> bool {
        let kernel = &machine.kernel;
        if kernel.is_attached_too_deep(thread) {
            return false;
        }
        let processors = self.settings.processors;
        let can_run = kernel.has_processor(thread, processors);
        if record.role == ThreadRole::Dpc && record.state == ThreadState::Waiting {
            let dpc = self.program.kernel_mode.dpc_of(thread).expect("its record says so");
            let setup = &self.program.kernel_mode.dpcs[dpc.index()];
            let begins = kernel.can_begin_dpc(setup, dpc, processors);
            if begins {
                out.push(Transition::Run(thread));
            }
            return begins;
        }
        if kernel.has_sweep(thread) {
            let lock = kernel.cancel_spin_lock();
            let can_step = can_run
                && (kernel.sweeps_cleanup(thread)
                    || !kernel.is_spin_lock_held_by_another(lock, thread));
            if can_step {
                out.push(Transition::Run(thread));
            }
            return can_step;
        }
        let waits = record.state == ThreadState::Waiting
            || record.state == ThreadState::Exiting(ExitPhase::AwaitIrps);
        if !waits && (!can_run || self.spins(machine, thread)) {
            return false;
        }
        if !kernel.is_kernel_apc_due(self.settings.deviations, thread) {
            return self.enabled_of_record(machine, thread, record, out);
        }
        out.push(Transition::Interrupt(thread));
        let in_flight = record.state == ThreadState::User
            && !record.stopped
            && !machine.is_between_routines(thread)
            && self.can_finish_call_in_flight(machine, thread, record);
        if in_flight {
            out.push(Transition::Run(thread));
        }
        true
    }

    /// Whether a thread spins: it is about to acquire a spin lock that somebody else holds.
    fn spins(&self, machine: &Machine, thread: ThreadId) -> bool {
        let service = machine.program.pc(thread).map(|pc| self.program.instruction(pc));
        let Some(Instruction::Call(call)) = service else { return false };
        let lock = match self.program.call(call).service {
            Service::Kernel(KernelService::AcquireSpinLock { lock }) => lock,
            Service::Driver(
                DriverService::AcquireCancelSpinLock | DriverService::Cancel { .. },
            ) => machine.kernel.cancel_spin_lock(),
            _ => return false,
        };
        machine.kernel.thread(thread).state == ThreadState::User
            && machine.kernel.is_spin_lock_held_by_another(lock, thread)
    }

    /// The transitions of a thread, by its record.
    fn enabled_of_record(
        &self,
        machine: &Machine,
        thread: ThreadId,
        record: &Kthread,
        out: &mut Vec<Transition>,
    ) -> bool {
        if machine.kernel.has_io_apc(thread) {
            // IRP-37: before anything else that the thread does, stopped or not.
            out.push(Transition::Interrupt(thread));
            true
        } else if record.is_runnable() {
            self.runnable(machine, thread, record, out)
        } else if record.state == ThreadState::Waiting {
            let can_step = self.waiting(machine, thread, record, out);
            if matches!(record.role, ThreadRole::Worker(_)) && machine.kernel.can_retire(thread) {
                out.push(Transition::Retire(thread));
            }
            can_step
        } else if record.state == ThreadState::Exiting(ExitPhase::AwaitIrps) {
            Self::awaiting_irps(machine, thread, record, out)
        } else {
            false
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
        let Program { handles, timers, io, kernel_mode, .. } = &self.program;
        let processors = self.settings.processors;
        let mut cx = Context { deviations, handles, timers, io, kernel_mode, processors, observer };
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
            && (machine.kernel.is_asked_to_stop(record)
                || (self.watch(thread).alertable
                    && !machine.is_in_kernel_mode(thread)
                    && machine.kernel.has_special_apc(thread)));
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
            || (record.suspend_count > 0
                && self.settings.deviations.contains(Deviation::SuspendStopsAtOnce))
        {
            return false;
        }
        let pc = machine.program.pc(thread).expect("a thread in user mode has a frame");
        match self.program.instruction(pc) {
            Instruction::MarkPending(_) | Instruction::ClearEvent(_) => true,
            Instruction::Call(call) => match self.program.call(call).service {
                Service::DelayExecution { .. } | Service::WaitForObjects { .. } => {
                    !record.has_kernel_apc() && !machine.kernel.has_kernel_mode()
                }
                // WAIT-19: a wait begins with the APCs that are there.
                Service::Kernel(
                    KernelService::Wait { .. }
                    | KernelService::Delay { .. }
                    | KernelService::AcquireFastMutex { .. }
                    | KernelService::DetachProcess,
                ) => false,
                _ => true,
            },
            _ => machine.program.frames(thread).len() == 1 && !machine.kernel.has_kernel_mode(),
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
            || self.program.timers.iter().any(|timer| {
                kernel.timer_can_wake(*timer)
                    || (kernel.is_active_timer(*timer)
                        && kernel.timer_dpc(&self.program.timers, *timer).is_some())
            })
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
        for thread in 0..self.threads.len() {
            if self.threads[thread].wait.remaining_ms != NEVER {
                let remaining_ms = &mut self.threads.get_mut(thread).wait.remaining_ms;
                *remaining_ms = remaining_ms.saturating_sub(ms);
            }
        }
        for object in 0..self.objects.len() {
            if matches!(self.objects[object], DispatcherObject::Timer(timer) if timer.is_active())
                && let DispatcherObject::Timer(timer) = self.objects.get_mut(object)
            {
                timer.remaining_ms -= ms;
            }
        }
        if let Some(km) = self.km.as_deref_mut() {
            km.pass_time(ms);
        }
        if let Some(io) = self.io.as_deref_mut() {
            for block in 0..io.blocks.len() {
                for at in 0..io.irps.len(block) {
                    if io.irps.get(block)[at].remaining_ms != NEVER {
                        io.irps.update(block, at, |irp| irp.remaining_ms -= ms);
                    }
                }
            }
        }
    }
}

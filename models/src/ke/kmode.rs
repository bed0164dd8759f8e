//! What the system keeps beside everything else for programs with code in kernel mode.
//!
//! Programs without such code have none of it. KernelApcPending is no flag here: wherever the
//! system looks at it, it says that the kernel list has an APC that nothing masks
//! (`Kernel::next_kernel_apc`).

use crate::event::{Event, Observer};
use crate::ids::{DatumId, DpcId, KapcId, ObjectId, RoutineId, SpinLockId, ThreadId};
use crate::io::BugCheck;
use crate::io::driver::DriverSetup;
use crate::io::packet::{DriverFrame, DriverIrp, IrpRef};
use crate::ke::attach::Attachment;
use crate::ke::dpc::DpcState;
use crate::ke::fastmutex::{FastMutex, FastMutexSetup};
use crate::ke::kapc::{KapcState, KernelApc};
use crate::ke::spinlock::SpinLock;
use crate::ke::thread::{InService, ThreadState};
use crate::ke::wait::{NEVER, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::lists::Lists;
use crate::parts::{Aspect, Entry, Key, Part, Parts, StatePart, state_parts};
use crate::records::Records;
use crate::service::ServiceReturn;
use alertable_traces::kernel::{Environment, Irql};
use alertable_traces::trace::ProcessorMode;

/// An APC object of a program.
#[derive(Clone, Debug)]
pub struct KapcSetup {
    /// Its name.
    pub name: String,
    /// Whose list it goes to, as the program says it.
    pub mode: ProcessorMode,
    /// Its kernel routine; one that does nothing without.
    pub kernel: Option<RoutineId>,
    /// Its normal routine.
    pub normal: Option<RoutineId>,
    /// Its rundown routine.
    pub rundown: Option<RoutineId>,
    /// What the normal routine is given.
    pub data: DatumId,
    /// Which APC state of its thread it goes to.
    pub environment: Environment,
    /// The thread for which it is initialised from the start.
    pub thread: Option<ThreadId>,
}

impl KapcSetup {
    /// Whose list it goes to.
    ///
    /// APC-S-02: without a normal routine it is a kernel APC, whatever its initialiser said.
    pub fn effective_mode(&self) -> ProcessorMode {
        if self.normal.is_none() { ProcessorMode::Kernel } else { self.mode }
    }

    /// Whether it is a special kernel APC (APC-S-01).
    pub fn is_special(&self) -> bool {
        self.normal.is_none()
    }
}

/// A DPC object of a program.
#[derive(Clone, Debug)]
pub struct DpcSetup {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub routine: RoutineId,
    /// The thread record that stands for its running: it runs in no thread's context.
    pub thread: ThreadId,
    /// It is an interrupt, with this spin lock.
    pub interrupt: Option<SpinLockId>,
}

impl DpcSetup {
    /// The level at which it runs.
    pub fn irql(&self) -> Irql {
        if self.interrupt.is_some() { Irql::Device } else { Irql::Dispatch }
    }
}

/// Everything about a program's code in kernel mode that does not change.
#[derive(Clone, Debug, Default)]
pub struct KernelSetup {
    /// The APC objects.
    pub kapcs: Vec<KapcSetup>,
    /// The DPC objects, and the interrupts, which are run like them.
    pub dpcs: Vec<DpcSetup>,
    /// The names of the spin locks.
    pub spin_locks: Vec<String>,
    /// The fast and guarded mutexes.
    pub fast_mutexes: Vec<FastMutexSetup>,
    /// The devices of drivers.
    pub drivers: Vec<DriverSetup>,
    /// The names of the places where drivers keep addresses of request packets.
    pub irp_vars: Vec<String>,
    /// The names of the queues of request packets.
    pub irp_queues: Vec<String>,
    /// The mutexes that are kernel mutexes (KMUTEX).
    pub kernel_mutexes: Vec<ObjectId>,
}

impl KernelSetup {
    /// Whether a spin lock is that of an interrupt.
    pub(crate) fn is_of_interrupt(&self, lock: SpinLockId) -> bool {
        self.dpcs.iter().any(|dpc| dpc.interrupt == Some(lock))
    }

    /// The DPC whose running a thread record stands for.
    pub fn dpc_of(&self, thread: ThreadId) -> Option<DpcId> {
        self.dpcs.iter().position(|dpc| dpc.thread == thread).map(DpcId::from_index)
    }
}

/// What kernel mode adds to a thread's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelThread {
    /// The level at which it runs, or waits (WaitIrql).
    pub irql: Irql,
    /// Critical regions, counted downwards (KernelApcDisable; APC-S-07).
    pub kernel_apc_disable: i16,
    /// Guarded regions, counted downwards (SpecialApcDisable).
    pub special_apc_disable: i16,
    /// A normal kernel APC's normal routine runs (KernelApcInProgress).
    pub kernel_apc_in_progress: bool,
    /// A kernel-mode alert waits for it (Alerted\[KernelMode\]).
    pub alerted: bool,
    /// On whose behalf it waits (WaitMode).
    pub wait_mode: ProcessorMode,
    /// The APC that ends it is at the head of its user list (APC-I-06).
    pub exit_queued: bool,
    /// How often it is attached to another process (ApcStateIndex, if not 0).
    pub attach_depth: u8,
    /// The process that it is attached to.
    pub process: Option<u8>,
    /// What its kernel routine may still change: the normal routine and what that is given.
    pub normal: Option<(RoutineId, DatumId)>,
}

impl KernelThread {
    /// A thread that holds nothing back.
    pub(crate) const PASSIVE: Self = KernelThread {
        irql: Irql::Passive,
        kernel_apc_disable: 0,
        special_apc_disable: 0,
        kernel_apc_in_progress: false,
        alerted: false,
        wait_mode: ProcessorMode::User,
        exit_queued: false,
        attach_depth: 0,
        process: None,
        normal: None,
    };
}

impl Entry for KernelThread {
    fn digest(&self, key: Key) -> u64 {
        let KernelThread {
            irql,
            kernel_apc_disable,
            special_apc_disable,
            kernel_apc_in_progress,
            alerted,
            wait_mode,
            exit_queued,
            attach_depth,
            process,
            normal,
        } = *self;
        let flags = irql as u64
            | u64::from(kernel_apc_in_progress) << 2
            | u64::from(alerted) << 3
            | (wait_mode as u64) << 4
            | u64::from(exit_queued) << 5
            | u64::from(attach_depth) << 8
            | process.map_or(0, |process| u64::from(process) + 1) << 48
            | u64::from(kernel_apc_disable.cast_unsigned()) << 16
            | u64::from(special_apc_disable.cast_unsigned()) << 32;
        let normal = normal
            .map_or(0, |(routine, data)| 1 | u64::from(routine.0) << 16 | u64::from(data.0) << 32);
        key.hash_pair(flags, normal)
    }
}

/// What a thread goes back to after the APCs that interrupted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavedContext {
    /// What it was doing.
    pub state: ThreadState,
    /// The wait that it was in.
    pub wait: WaitRequest,
    /// On whose behalf it waited.
    pub wait_mode: ProcessorMode,
    /// The service that it was in.
    pub service: InService,
    /// How many objects the wait names; they are kept beside.
    pub object_count: u8,
    /// It was stopped by a suspension.
    pub stopped: bool,
    /// How often it was attached to another process.
    pub attach_depth: u8,
}

impl Entry for SavedContext {
    fn digest(&self, key: Key) -> u64 {
        let SavedContext { state, wait, wait_mode, service, object_count, stopped, attach_depth } =
            *self;
        let (tag, payload) = match state {
            ThreadState::NotCreated => (0, 0),
            ThreadState::Starting => (1, 0),
            ThreadState::User => (2, 0),
            ThreadState::Waiting => (3, 0),
            ThreadState::Restarting => (4, 0),
            ThreadState::Woken(status) => (5, u64::from(status.0)),
            ThreadState::Returning(result) => (6, result.word()),
            ThreadState::Exiting(phase) => (7, phase as u64),
            ThreadState::Terminated => (8, 0),
        };
        let flags = tag
            | (wait.kind as u64) << 4
            | u64::from(wait.alertable) << 6
            | (wait_mode as u64) << 7
            | u64::from(stopped) << 8
            | u64::from(attach_depth) << 9
            | u64::from(object_count) << 16
            | u64::from(wait.remaining_ms) << 32;
        let sum = key.hash_pair(flags, payload);
        sum.wrapping_add(key.next().hash(service.word()))
    }
}

/// What the system keeps for code in kernel mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelMode {
    /// By thread.
    pub(crate) threads: Records<KernelThread>,
    /// The kernel APCs of each thread: special ones first (APC-I-05).
    pub(crate) kernel_apcs: Lists<KernelApc>,
    /// What each thread goes back to, the innermost last.
    pub(crate) contexts: Lists<SavedContext>,
    /// The objects of the waits among those.
    pub(crate) context_objects: Lists<ObjectId>,
    /// Where each thread comes back to from the processes that it is attached to.
    pub(crate) attachments: Lists<Attachment>,
    /// The APC objects.
    pub(crate) kapcs: Records<KapcState>,
    /// The DPC objects.
    pub(crate) dpcs: Records<DpcState>,
    /// The DPCs that are queued, oldest first.
    pub(crate) dpc_queue: Lists<DpcId>,
    /// The DPC of each timer.
    pub(crate) timer_dpcs: Records<Option<DpcId>>,
    /// The spin locks of the program, and behind them the cancel spin lock.
    pub(crate) spin_locks: Records<SpinLock>,
    /// The fast and guarded mutexes.
    pub(crate) fast_mutexes: Records<FastMutex>,
    /// The request packets that drivers have.
    pub(crate) irps: Lists<DriverIrp>,
    /// Where drivers keep addresses of request packets.
    pub(crate) irp_vars: Records<Option<IrpRef>>,
    /// The queues of drivers, and behind them those of their devices.
    pub(crate) irp_queues: Lists<IrpRef>,
    /// What the drivers' routines that each thread runs have done, the innermost last.
    pub(crate) driver_frames: Lists<DriverFrame>,
    /// The requests that each thread is about to cancel.
    pub(crate) sweeps: Lists<IrpRef>,
    /// The request that the StartIo routine of each driver's device has.
    pub(crate) current_irps: Records<Option<IrpRef>>,
    /// Why the system has stopped.
    pub(crate) stop: Records<Option<BugCheck>>,
}

state_parts!(KernelMode {
    threads: KernelThreads,
    kernel_apcs: KernelLists,
    contexts: Contexts,
    context_objects: ContextObjects,
    attachments: Attachments,
    kapcs: Kapcs,
    dpcs: Dpcs,
    dpc_queue: DpcQueue,
    timer_dpcs: TimerDpcs,
    spin_locks: SpinLocks,
    fast_mutexes: FastMutexes,
    irps: DriverIrps,
    irp_vars: IrpVars,
    irp_queues: IrpQueues,
    driver_frames: DriverFrames,
    sweeps: Sweeps,
    current_irps: CurrentIrps,
    stop: Stop,
});

impl KernelMode {
    /// Before the first step.
    pub(crate) fn new(setup: &KernelSetup, thread_count: usize, timer_count: usize) -> Self {
        let kapcs = setup.kapcs.iter();
        let kapcs = kapcs.map(KapcState::first);
        let mut threads = vec![KernelThread::PASSIVE; thread_count];
        for dpc in &setup.dpcs {
            threads[dpc.thread.index()].irql = dpc.irql();
        }
        KernelMode {
            threads: Records::new(Part::KernelThreads, threads),
            kernel_apcs: Lists::new(Part::KernelLists, thread_count),
            contexts: Lists::new(Part::Contexts, thread_count),
            context_objects: Lists::new(Part::ContextObjects, thread_count),
            attachments: Lists::new(Part::Attachments, thread_count),
            kapcs: Records::new(Part::Kapcs, kapcs.collect()),
            dpcs: Records::new(Part::Dpcs, vec![DpcState::IDLE; setup.dpcs.len()]),
            dpc_queue: Lists::new(Part::DpcQueue, 1),
            timer_dpcs: Records::new(Part::TimerDpcs, vec![None; timer_count]),
            spin_locks: Records::new(
                Part::SpinLocks,
                vec![SpinLock::FREE; setup.spin_locks.len() + 1],
            ),
            fast_mutexes: Records::new(
                Part::FastMutexes,
                vec![FastMutex::FREE; setup.fast_mutexes.len()],
            ),
            irps: Lists::new(Part::DriverIrps, 1),
            irp_vars: Records::new(Part::IrpVars, vec![None; setup.irp_vars.len()]),
            irp_queues: Lists::new(Part::IrpQueues, setup.irp_queues.len() + setup.drivers.len()),
            current_irps: Records::new(Part::CurrentIrps, vec![None; setup.drivers.len()]),
            driver_frames: Lists::new(Part::DriverFrames, thread_count),
            sweeps: Lists::new(Part::Sweeps, thread_count),
            stop: Records::new(Part::Stop, vec![None]),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self) + self.own_heap_bytes()
    }

    /// As [`Kernel::copy_parts`].
    pub(crate) fn copy_parts(&mut self, source: &Self, parts: Parts) {
        self.copy_own_parts(source, parts);
    }

    /// As [`Kernel::differing_parts`].
    pub(crate) fn differing_parts(&self, other: &Self) -> Parts {
        self.differing_own_parts(other)
    }

    /// As [`Kernel::take_touched`].
    pub(crate) fn take_touched(&mut self) -> Parts {
        self.take_own_touched()
    }

    /// As [`Kernel::settle`].
    pub(crate) fn settle(&mut self, parts: Parts, on_change: impl FnMut(Part, Aspect, usize, u64)) {
        self.settle_own_parts(parts, on_change);
    }

    /// As [`Kernel::take_marks`].
    pub(crate) fn take_marks(&self, on_marked: impl FnMut(Part, Aspect, usize)) {
        self.take_own_marks(on_marked);
    }

    /// As [`Kernel::clear_marks`].
    pub(crate) fn clear_marks(&mut self) {
        self.clear_own_marks();
    }

    /// As [`Kernel::digest`].
    pub(crate) fn digest(&self) -> u64 {
        self.own_digest()
    }

    /// A thread's record.
    pub fn thread(&self, thread: ThreadId) -> &KernelThread {
        &self.threads[thread.index()]
    }

    /// The kernel APCs queued to a thread, next one first.
    pub fn kernel_apcs(&self, thread: ThreadId) -> &[KernelApc] {
        self.kernel_apcs.get(thread.index())
    }

    /// An APC object.
    pub fn kapc(&self, kapc: KapcId) -> &KapcState {
        &self.kapcs[kapc.index()]
    }

    /// How many queues of request packets there are.
    pub(crate) fn irp_queue_count(&self) -> usize {
        self.irp_queues.list_count()
    }

    /// Why the system has stopped, if it has.
    pub fn stop(&self) -> Option<BugCheck> {
        self.stop[0]
    }

    /// Time passes for the waits that are interrupted.
    pub(crate) fn pass_time(&mut self, ms: u32) {
        for thread in 0..self.threads.len() {
            for at in 0..self.contexts.len(thread) {
                if self.contexts.get(thread)[at].wait.remaining_ms != NEVER {
                    self.contexts.update(thread, at, |context| {
                        let remaining_ms = &mut context.wait.remaining_ms;
                        *remaining_ms = remaining_ms.saturating_sub(ms);
                    });
                }
            }
        }
    }
}

impl Kernel {
    /// What the system keeps for code in kernel mode.
    pub fn kernel_mode(&self) -> Option<&KernelMode> {
        self.km.as_deref()
    }

    /// What the system keeps for code in kernel mode, of which the program has some.
    pub(crate) fn km(&self) -> &KernelMode {
        self.km.as_deref().expect("only programs with kernel-mode code ask for it")
    }

    pub(crate) fn km_mut(&mut self) -> &mut KernelMode {
        self.km.as_deref_mut().expect("only programs with kernel-mode code ask for it")
    }

    /// Whether the program has code in kernel mode.
    pub(crate) fn has_kernel_mode(&self) -> bool {
        self.km.is_some()
    }

    /// Whether the delivery of a user APC is decided for a thread in a program with code in kernel
    /// mode, where not only the program's own calls decide it.
    pub(crate) fn is_decided_by_driver(&self, thread: ThreadId) -> bool {
        self.has_kernel_mode() && self.thread(thread).user_apc_pending
    }

    /// Whether a thread is about to cancel requests to drivers of the program.
    pub(crate) fn has_sweep(&self, thread: ThreadId) -> bool {
        self.km.as_deref().is_some_and(|km| !km.sweeps.is_empty(thread.index()))
    }

    /// Whether the next of these is the cleanup of a file.
    pub(crate) fn sweeps_cleanup(&self, thread: ThreadId) -> bool {
        matches!(self.km().sweeps.first(thread.index()), Some(IrpRef::Cleanup(_)))
    }

    pub(crate) fn km_thread_mut(&mut self, thread: ThreadId) -> &mut KernelThread {
        self.km_mut().threads.get_mut(thread.index())
    }

    /// The level at which a thread runs.
    pub(crate) fn irql(&self, thread: ThreadId) -> Irql {
        self.km.as_deref().map_or(Irql::Passive, |km| km.thread(thread).irql)
    }

    /// Whether a thread's wait is one on behalf of the kernel: no user APC ends it (APC-U-27).
    pub(crate) fn waits_in_kernel_mode(&self, thread: ThreadId) -> bool {
        let km = self.km.as_deref();
        km.is_some_and(|km| km.thread(thread).wait_mode == ProcessorMode::Kernel)
    }

    /// The system stops (KeBugCheckEx).
    pub(crate) fn stop_system<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        bug_check: BugCheck,
    ) {
        cx.event(Event::Stop { thread, bug_check });
        *self.km_mut().stop.get_mut(0) = Some(bug_check);
    }

    /// What a service returns that the system stops in.
    pub(crate) fn stopped_return() -> ServiceReturn {
        ServiceReturn { status: alertable_traces::status::NtStatus::SUCCESS, value: 0 }
    }

    /// Lays aside what a thread is doing, to run APCs.
    pub(crate) fn save_context(&mut self, thread: ThreadId) {
        let here = *self.thread(thread);
        let list = thread.index();
        let object_count = self.wait_objects.len(list);
        for at in 0..object_count {
            let object = self.wait_objects(thread)[at];
            self.km_mut().context_objects.push(list, object);
        }
        self.wait_objects.clear(list);
        let context = SavedContext {
            state: here.state,
            wait: here.wait,
            wait_mode: self.km().thread(thread).wait_mode,
            service: here.service,
            object_count: object_count as u8,
            stopped: here.stopped,
            attach_depth: self.km().thread(thread).attach_depth,
        };
        self.km_mut().contexts.push(list, context);
        let record = self.thread_mut(thread);
        record.state = ThreadState::User;
        record.wait = WaitRequest::NONE;
        record.service = InService::None;
        record.stopped = false;
    }

    /// Goes back to what a thread was doing before the APCs that interrupted it.
    pub(crate) fn restore_context<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> ThreadState {
        let list = thread.index();
        let context = self.km_mut().contexts.pop(list).expect("it was laid aside");
        let kept = self.km().context_objects.len(list) - usize::from(context.object_count);
        while self.km().context_objects.len(list) > kept {
            let object = self.km_mut().context_objects.remove(list, kept);
            self.wait_objects.push(list, object);
        }
        let record = self.thread_mut(thread);
        record.state = context.state;
        record.wait = context.wait;
        record.service = context.service;
        record.stopped = context.stopped;
        self.km_thread_mut(thread).wait_mode = context.wait_mode;
        if let InService::Cancel(_) = context.service {
            self.cancel_wait_over(cx, thread);
        }
        if context.stopped && self.thread(thread).suspend_count == 0 {
            // It was resumed meanwhile.
            self.let_go(cx, thread);
        }
        context.state
    }
}

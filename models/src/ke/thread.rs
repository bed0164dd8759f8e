//! The thread record (KTHREAD).

use crate::ids::{ObjectId, ThreadId};
use crate::ke::Kernel;
use crate::ke::wait::WaitRequest;
use crate::parts::{Entry, Key};
use crate::service::ServiceReturn;
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;

/// What a thread is doing, as far as anybody else can tell.
///
/// The system's own names in brackets. Which of the threads that can go on has a processor is
/// not part of the state: the schedule decides it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ThreadState {
    /// Not created yet.
    NotCreated,
    /// Created; about to run what comes before its entry point (Initialized, Ready).
    Starting,
    /// In user mode, about to take the next step of its program (Ready, Running).
    User,
    /// Blocked in a wait (Waiting).
    Waiting,
    /// Taken out of its wait by a kernel APC, about to make the wait's tests again (Ready).
    Restarting,
    /// Its wait has ended with this status; about to return from it (Ready).
    Woken(NtStatus),
    /// A service is done; its result has not been seen by the program yet (Ready, Running).
    Returning(ServiceReturn),
    /// In the exit sequence, about to do this part of it (Ready, Running).
    Exiting(ExitPhase),
    /// Ended (Terminated).
    Terminated,
}

/// The parts of the exit sequence that other threads can tell apart, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ExitPhase {
    /// Ask for the cancellation of its requests.
    CancelIrps,
    /// Wait until they are over, or too much time has passed.
    AwaitIrps,
    /// Cancel the timers that carry an APC for the thread.
    CancelTimers,
    /// Abandon the mutants that it owns.
    AbandonMutants,
    /// Close the handles of its process, if it is the last thread.
    CloseHandles,
    /// Close and discard its APC queue.
    CloseApcQueue,
    /// Signal the thread object.
    SignalThread,
}

/// The service that a thread waits in, when that has more to do after the wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum InService {
    /// None: a wait that ends is the service's result.
    None,
    /// It waits for the lock of a synchronous file object (IO-03).
    Lock(ObjectId),
    /// It waits for its request on a synchronous file object (IO-22).
    Request(ObjectId),
    /// As `Request`, but the request is to be broken off (IO-27).
    Aborting(ObjectId),
    /// Its request is done, and the second stage is to come, which it runs itself (IRP-35).
    Finish,
    /// It waits for the end of the requests on a file object that it has cancelled (CAN-20).
    Cancel(ObjectId),
    /// It waits for packets at the port in [`Kthread::queue`].
    Removal {
        /// The most that it takes.
        max: u16,
        /// How many packets calls of its that are not over had got before.
        base: u16,
        /// Whether user APCs end it, where it may begin again.
        alertable: bool,
        /// How long it waits for the first packet, where it may begin again.
        timeout_ms: u32,
    },
    /// It waits for a fast or guarded mutex, which it acquired at this level.
    FastMutex {
        /// The level to which the release goes back.
        old_irql: Irql,
    },
    /// A Win32 function waits in user mode and looks at a status block afterwards.
    Wrapper,
}

impl InService {
    pub(crate) fn word(self) -> u64 {
        match self {
            InService::None => 0,
            InService::Lock(file) => 1 | u64::from(file.0) << 4,
            InService::Request(file) => 2 | u64::from(file.0) << 4,
            InService::Aborting(file) => 3 | u64::from(file.0) << 4,
            InService::Cancel(file) => 4 | u64::from(file.0) << 4,
            InService::Removal { max, base, alertable, .. } => {
                5 | u64::from(max) << 4 | u64::from(base) << 20 | u64::from(alertable) << 36
            }
            InService::Wrapper => 6,
            InService::Finish => 8,
            InService::FastMutex { old_irql } => 7 | (old_irql as u64) << 4,
        }
    }
}

/// Whose thread it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ThreadRole {
    /// The program's.
    Program,
    /// A pool's, which has this queue.
    Worker(ObjectId),
    /// The system's, which waits for an object on behalf of a pool.
    PoolWaiter,
    /// The program's, in kernel mode only.
    System,
    /// None: a DPC, which runs in no thread's context.
    Dpc,
}

/// A thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kthread {
    /// Whose it is; that never changes.
    pub role: ThreadRole,
    /// What it is doing.
    pub state: ThreadState,
    /// The wait that it is in; [`WaitRequest::NONE`] outside waits.
    pub wait: WaitRequest,
    /// What that wait is a part of.
    pub service: InService,
    /// The port of its latest removal call (Queue; IOCP-27).
    pub queue: Option<ObjectId>,
    /// A user-mode alert waits for it (Alerted\[UserMode\]).
    pub alerted: bool,
    /// User APCs can be queued to it (ApcQueueable).
    pub apc_queueable: bool,
    /// The next exit to user mode delivers a user APC (UserApcPending).
    pub user_apc_pending: bool,
    /// Somebody has asked for its end; `exit_code` says with what.
    pub terminated: bool,
    /// Its suspension has taken effect: it takes no step until it is resumed.
    pub stopped: bool,
    /// The suspend count, 0 to 127.
    pub suspend_count: u8,
    /// The exit code, once there is one.
    pub exit_code: u32,
}

impl Kthread {
    /// A thread that is already running.
    pub(crate) fn running() -> Self {
        Kthread {
            role: ThreadRole::Program,
            state: ThreadState::User,
            wait: WaitRequest::NONE,
            service: InService::None,
            queue: None,
            alerted: false,
            apc_queueable: true,
            user_apc_pending: false,
            terminated: false,
            stopped: false,
            suspend_count: 0,
            exit_code: 0,
        }
    }

    /// A thread that was created suspended.
    pub(crate) fn suspended() -> Self {
        Kthread { state: ThreadState::Starting, stopped: true, suspend_count: 1, ..Self::running() }
    }

    /// A thread that does not exist yet.
    pub(crate) fn not_created() -> Self {
        Kthread { state: ThreadState::NotCreated, apc_queueable: false, ..Self::running() }
    }

    /// Whether it can go on if it gets a processor.
    pub fn is_runnable(&self) -> bool {
        !self.stopped
            && !matches!(
                self.state,
                ThreadState::NotCreated
                    | ThreadState::Waiting
                    | ThreadState::Exiting(ExitPhase::AwaitIrps)
                    | ThreadState::Terminated
            )
    }

    /// Whether it does not count as active at its port: it waits, is stopped, or is over.
    pub fn is_blocked(&self) -> bool {
        self.stopped
            || matches!(
                self.state,
                ThreadState::Waiting
                    | ThreadState::Exiting(ExitPhase::AwaitIrps)
                    | ThreadState::Terminated
            )
    }

    /// The port at which it counts as active.
    pub(crate) fn active_port(&self) -> Option<ObjectId> {
        self.queue.filter(|_| !self.is_blocked())
    }

    /// Whether its due time can come: it is blocked.
    pub fn waits_for_time(&self) -> bool {
        matches!(self.state, ThreadState::Waiting | ThreadState::Exiting(ExitPhase::AwaitIrps))
    }

    /// Whether it exists and has not begun to end.
    pub fn is_alive(&self) -> bool {
        !matches!(
            self.state,
            ThreadState::NotCreated | ThreadState::Exiting(_) | ThreadState::Terminated
        )
    }

    /// Whether it is blocked in a wait that can be ended by a user APC or an alert.
    pub fn waits_alertably(&self) -> bool {
        self.state == ThreadState::Waiting && self.wait.alertable
    }

    /// Whether a suspension or termination was asked for that has not taken effect.
    pub(crate) fn has_kernel_apc(&self) -> bool {
        (self.suspend_count > 0 && !self.stopped) || (self.terminated && self.is_alive())
    }
}

// Written without branches: what a thread is doing is the least predictable thing of all.
impl Entry for Kthread {
    fn digest(&self, key: Key) -> u64 {
        let Kthread {
            role: _,
            state,
            wait: WaitRequest { kind, alertable, remaining_ms },
            service,
            queue,
            alerted,
            apc_queueable,
            user_apc_pending,
            terminated,
            stopped,
            suspend_count,
            exit_code,
        } = *self;
        let tag: u64 = match state {
            ThreadState::NotCreated => 0,
            ThreadState::Starting => 1,
            ThreadState::User => 2,
            ThreadState::Waiting => 3,
            ThreadState::Restarting => 4,
            ThreadState::Woken(_) => 5,
            ThreadState::Returning(_) => 6,
            ThreadState::Exiting(_) => 7,
            ThreadState::Terminated => 8,
        };
        let woken = if let ThreadState::Woken(status) = state { status.0 } else { 0 };
        let phase = if let ThreadState::Exiting(phase) = state { phase as u32 } else { 0 };
        let returning = if let ThreadState::Returning(result) = state { result.word() } else { 0 };
        let flags = tag
            | (kind as u64) << 4
            | u64::from(alertable) << 6
            | u64::from(alerted) << 7
            | u64::from(apc_queueable) << 8
            | u64::from(user_apc_pending) << 9
            | u64::from(terminated) << 10
            | u64::from(stopped) << 11
            | u64::from(suspend_count) << 12
            | u64::from(queue.is_some()) << 22
            | u64::from(remaining_ms) << 32;
        let payload = u64::from(woken) | u64::from(phase) | returning;
        let sum = key.hash_pair(flags, payload);
        let queue = queue.map_or(0, |queue| u64::from(queue.0));
        let rest = service.word() | queue << 48;
        let timeout_ms = match service {
            InService::Removal { timeout_ms, .. } => timeout_ms,
            _ => 0,
        };
        let numbers = u64::from(exit_code) | u64::from(timeout_ms) << 32;
        if rest | numbers == 0 {
            return sum;
        }
        sum.wrapping_add(key.next().hash_pair(rest, numbers))
    }
}

impl Kernel {
    /// Whether every thread that was started has ended.
    pub fn all_ended(&self) -> bool {
        self.thread_ids().all(|thread| {
            let record = self.thread(thread);
            record.state == ThreadState::Terminated
                || Self::never_started(record)
                || self.is_system_waiting(thread)
        })
    }

    /// Whether a thread is a pool's and waits for work, or for an object: no thread of the
    /// program, and none that has anything to do.
    pub fn is_system_waiting(&self, thread: ThreadId) -> bool {
        self.is_idle_worker(thread)
            || (self.role(thread) == ThreadRole::PoolWaiter
                && self.thread(thread).state == ThreadState::Waiting)
            || (self.role(thread) == ThreadRole::Dpc
                && self.thread(thread).state == ThreadState::Waiting)
    }

    /// Whether a thread was never created, or was created suspended and has not been let go.
    pub fn never_started(thread: &Kthread) -> bool {
        thread.state == ThreadState::NotCreated
            || (thread.state == ThreadState::Starting && thread.stopped)
    }

    /// As [`Kthread::has_kernel_apc`], where suspension and termination are not in the thread's
    /// list of kernel APCs, as they are in programs with code in kernel mode.
    pub(crate) fn is_asked_to_stop(&self, thread: &Kthread) -> bool {
        !self.has_kernel_mode() && thread.has_kernel_apc()
    }

    /// The thread behind a thread object.
    pub(crate) fn thread_of(&self, object: ObjectId) -> Option<ThreadId> {
        (object.index() < self.threads.len()).then(|| ThreadId::from_index(object.index()))
    }
}

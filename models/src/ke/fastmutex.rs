//! Fast mutexes and guarded mutexes: an owner, and an event for who has to wait.
//!
//! What they do to APCs is all that tells the two apart (APC-K-23).

use crate::deviation::Deviation;
use crate::event::{Event, Observer};
use crate::ids::{FastMutexId, ObjectId, ThreadId};
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::event::Kevent;
use crate::ke::thread::InService;
use crate::ke::wait::{NEVER, WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::apc as rule;
use crate::service::{ServiceOutcome, ServiceReturn};
use alertable_traces::kernel::Irql;
use alertable_traces::status::NtStatus;
use alertable_traces::trace::ProcessorMode;

/// A fast or guarded mutex of a program.
#[derive(Clone, Copy, Debug)]
pub struct FastMutexSetup {
    /// The event that is signaled while nobody has it.
    pub object: ObjectId,
    /// It is a guarded mutex.
    pub guarded: bool,
}

/// A fast or guarded mutex, as far as it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastMutex {
    /// Who has it.
    pub owner: Option<ThreadId>,
    /// The level to which its release goes back.
    pub old_irql: Irql,
    /// It was acquired by a function that leaves APCs as they are.
    pub is_unsafe: bool,
}

impl FastMutex {
    pub(crate) const FREE: Self =
        FastMutex { owner: None, old_irql: Irql::Passive, is_unsafe: false };
}

impl Entry for FastMutex {
    fn digest(&self, key: Key) -> u64 {
        let FastMutex { owner, old_irql, is_unsafe } = *self;
        let owner = owner.map_or(0, |owner| u64::from(owner.0) + 1);
        key.hash(owner << 8 | u64::from(is_unsafe) << 4 | old_irql as u64)
    }
}

/// How a fast or guarded mutex is acquired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acquisition {
    /// APCs are held back, and the caller waits.
    Waits,
    /// APCs are held back if it is free; the caller does not wait.
    Tries,
    /// The caller has held APCs back itself.
    Unsafe,
}

impl Kernel {
    /// Acquires a fast or guarded mutex (ExAcquireFastMutex, KeAcquireGuardedMutex and the
    /// functions beside them).
    ///
    /// APC-K-23: the holder of the one is at APC_LEVEL, that of the other in a guarded region,
    /// from before its wait on.
    pub(crate) fn acquire_fast_mutex<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        mutex: FastMutexId,
        how: Acquisition,
    ) -> ServiceOutcome {
        cx.rule(rule::APC_K_23);
        let FastMutexSetup { object, guarded } = cx.kernel_mode.fast_mutexes[mutex.index()];
        let is_unsafe = how == Acquisition::Unsafe;
        if self.km().fast_mutexes[mutex.index()].owner == Some(thread) && how != Acquisition::Tries
        {
            let how = "acquired a fast mutex that it has, and waits for itself";
            cx.event(Event::ContractBroken { thread, how });
        }
        if is_unsafe && !self.holds_apcs_back(thread, guarded) {
            let how = "acquired a fast mutex by an unsafe function with APCs enabled";
            cx.event(Event::ContractBroken { thread, how });
        }
        let old_irql = self.irql(thread);
        let is_free = self.object(object).is_signaled_for(thread);
        if !is_free && how == Acquisition::Tries {
            return ServiceOutcome::Returned(truth(false));
        }
        if !is_unsafe && !cx.deviates(Deviation::FastMutexKeepsApcs) {
            if guarded {
                self.enter_guarded_region(cx, thread);
            } else {
                self.set_irql(cx, thread, Irql::Apc);
            }
        }
        let record = FastMutex { owner: None, old_irql, is_unsafe };
        self.km_thread_mut(thread).wait_mode = ProcessorMode::Kernel;
        let wait = WaitRequest { kind: WaitKind::Any, alertable: false, remaining_ms: NEVER };
        if self.begin_wait(cx, thread, std::iter::once(object), wait).is_some() {
            self.own_fast_mutex(thread, mutex, record);
            return ServiceOutcome::Returned(truth(true));
        }
        self.thread_mut(thread).service = InService::FastMutex { old_irql };
        ServiceOutcome::InWait
    }

    fn own_fast_mutex(&mut self, thread: ThreadId, mutex: FastMutexId, record: FastMutex) {
        *self.km_mut().fast_mutexes.get_mut(mutex.index()) =
            FastMutex { owner: Some(thread), ..record };
    }

    /// The wait for a fast or guarded mutex is over: the caller has it.
    pub(crate) fn fast_mutex_wait_over(
        &mut self,
        thread: ThreadId,
        mutex: FastMutexId,
        how: Acquisition,
        old_irql: Irql,
    ) -> ServiceOutcome {
        self.thread_mut(thread).service = InService::None;
        let is_unsafe = how == Acquisition::Unsafe;
        self.own_fast_mutex(thread, mutex, FastMutex { owner: None, old_irql, is_unsafe });
        ServiceOutcome::Returned(truth(true))
    }

    /// Releases a fast or guarded mutex, and lets APCs in again.
    pub(crate) fn release_fast_mutex<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        mutex: FastMutexId,
        is_unsafe: bool,
    ) {
        cx.rule(rule::APC_K_23);
        let FastMutexSetup { object, guarded } = cx.kernel_mode.fast_mutexes[mutex.index()];
        let record = self.km().fast_mutexes[mutex.index()];
        let how = if record.owner != Some(thread) {
            let how = "released a fast mutex that it does not have";
            return cx.event(Event::ContractBroken { thread, how });
        } else if record.is_unsafe != is_unsafe {
            Some("released a fast mutex by a function that does not match its acquisition")
        } else if !is_unsafe && !guarded && self.irql(thread) != Irql::Apc {
            Some("released a fast mutex at another level than APC_LEVEL")
        } else {
            None
        };
        if let Some(how) = how
            && !cx.deviates(Deviation::FastMutexKeepsApcs)
        {
            cx.event(Event::ContractBroken { thread, how });
        }
        *self.km_mut().fast_mutexes.get_mut(mutex.index()) = FastMutex::FREE;
        self.set_event(cx, object);
        if record.is_unsafe || cx.deviates(Deviation::FastMutexKeepsApcs) {
            return;
        }
        if guarded {
            self.leave_guarded_region(cx, thread);
        } else {
            self.set_irql(cx, thread, record.old_irql);
        }
    }

    /// Whether a thread holds back what the functions that leave that to it want held back.
    fn holds_apcs_back(&self, thread: ThreadId, guarded: bool) -> bool {
        let here = self.km().thread(thread);
        here.irql >= Irql::Apc
            || here.special_apc_disable != 0
            || (!guarded && here.kernel_apc_disable != 0)
    }

    /// The event of a fast mutex that nobody has.
    pub(crate) fn fast_mutex_event() -> DispatcherObject {
        DispatcherObject::Event(Kevent { kind: ResetKind::Auto, signaled: true })
    }
}

fn truth(value: bool) -> ServiceReturn {
    ServiceReturn { status: NtStatus::SUCCESS, value: u32::from(value) }
}

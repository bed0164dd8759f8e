//! Dispatcher objects: what it means that one is signaled, and what a satisfied wait does to it.

use crate::deviation::Deviation;
use crate::event::{Event, ObjectChange, Observer};
use crate::ids::{ObjectId, ThreadId};
use crate::io::file::FileObject;
use crate::io::port::Kqueue;
use crate::ke::event::Kevent;
use crate::ke::mutant::Kmutant;
use crate::ke::semaphore::Ksemaphore;
use crate::ke::thread::ThreadState;
use crate::ke::timer::Ktimer;
use crate::ke::wait::{WaitKind, with_index};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::wait as rule;
use alertable_traces::status::NtStatus;

/// How an object stops being signaled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResetKind {
    /// It stays signaled until something resets it (NotificationEvent, NotificationTimer).
    Manual,
    /// One satisfied wait resets it (SynchronizationEvent, SynchronizationTimer).
    Auto,
}

/// An object that threads wait on (DISPATCHER_HEADER and what follows it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DispatcherObject {
    /// A thread object: signaled at the end of the thread, for ever.
    Thread {
        /// The thread has ended.
        signaled: bool,
    },
    /// An event.
    Event(Kevent),
    /// A mutex.
    Mutant(Kmutant),
    /// A semaphore.
    Semaphore(Ksemaphore),
    /// A waitable timer.
    Timer(Ktimer),
    /// A file object.
    File(FileObject),
    /// A completion port.
    Port(Kqueue),
    /// A device. It has handles, but nobody can wait for it.
    Device,
    /// A named pipe. Its ends are what is opened; nobody can wait for the pipe itself.
    Pipe,
    /// A thread's queue of window messages, for waits that include input. No call of the
    /// format posts a message yet, so it is never signaled.
    MessageQueue,
}

impl DispatcherObject {
    /// Whether a wait of `thread` would be satisfied by this object now.
    ///
    /// A mutex is signaled for its owner (WAIT-55, WAIT-56).
    pub fn is_signaled_for(&self, thread: ThreadId) -> bool {
        match self {
            Self::Thread { signaled } => *signaled,
            Self::Event(event) => event.signaled,
            Self::Mutant(mutant) => mutant.owner.is_none_or(|owner| owner == thread),
            Self::Semaphore(semaphore) => semaphore.count > 0,
            Self::Timer(timer) => timer.signaled,
            Self::File(file) => file.signaled,
            Self::Port(port) => port.signaled,
            Self::Device | Self::Pipe | Self::MessageQueue => false,
        }
    }
}

impl Entry for DispatcherObject {
    fn digest(&self, key: Key) -> u64 {
        match *self {
            Self::Thread { signaled } => key.hash(u64::from(signaled)),
            Self::Event(Kevent { kind, signaled }) => {
                key.hash(2 | (kind as u64) << 8 | u64::from(signaled) << 9)
            }
            Self::Mutant(Kmutant { owner, recursion, abandoned }) => {
                let owner = owner.map_or(0, |owner| u64::from(owner.0) + 1);
                let small = 3 | owner << 8 | u64::from(abandoned) << 24;
                key.hash(small | u64::from(recursion) << 32)
            }
            Self::Semaphore(Ksemaphore { count, limit }) => {
                key.hash_pair(4 | u64::from(count) << 32, u64::from(limit))
            }
            Self::Timer(timer) => timer.digest(key),
            Self::MessageQueue => key.hash(6),
            Self::File(file) => file.digest(key),
            Self::Port(Kqueue { slot: _, signaled }) => key.hash(8 | u64::from(signaled) << 8),
            // Nothing about them changes.
            Self::Device | Self::Pipe => 0,
        }
    }
}

impl Kernel {
    /// Whether every object of a thread's wait is signaled for it.
    pub(crate) fn all_signaled_for(&self, thread: ThreadId) -> bool {
        self.wait_objects(thread).iter().all(|object| self.object(*object).is_signaled_for(thread))
    }

    /// Changes an object as a wait that it satisfies does (KiSatisfyObjectWait).
    ///
    /// WAIT-09: only here does a wait change an object. The result is `STATUS_WAIT_0`, or
    /// `STATUS_ABANDONED_WAIT_0` for a mutex whose owner ended.
    pub(crate) fn satisfy<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        object: ObjectId,
        thread: ThreadId,
    ) -> NtStatus {
        cx.event(Event::Object { object, change: ObjectChange::Acquired(thread) });
        match self.object_mut(object) {
            DispatcherObject::Event(event) => {
                let reset = event.kind == ResetKind::Auto
                    && !cx.deviations.contains(Deviation::AutoResetReleasesAll);
                event.signaled &= !reset;
                cx.rule(rule::WAIT_46);
            }
            DispatcherObject::Timer(timer) => {
                timer.signaled &= timer.kind == ResetKind::Manual;
                cx.rules([crate::rule::timer::TIMER_01, crate::rule::timer::TIMER_34]);
            }
            DispatcherObject::Semaphore(semaphore) => {
                semaphore.count -= 1;
                cx.rule(rule::WAIT_70);
            }
            DispatcherObject::Mutant(_) => return self.acquire_mutant(cx, object, thread),
            DispatcherObject::Thread { .. } => cx.rule(rule::WAIT_74),
            DispatcherObject::File(_) => cx.rule(crate::rule::io::IO_07),
            DispatcherObject::Port(_) => {
                cx.rules([crate::rule::iocp::IOCP_39, crate::rule::iocp::IOCP_40]);
            }
            DispatcherObject::Device | DispatcherObject::Pipe | DispatcherObject::MessageQueue => {}
        }
        NtStatus::WAIT_0
    }

    /// Walks an object's wait list after it has been signaled (KiWaitTest).
    ///
    /// WAIT-75: the signaller satisfies waiters in list order while the object remains
    /// signaled, in the same step as the signal (WAIT-16, WAIT-08).
    pub(crate) fn wait_test<O: Observer>(&mut self, cx: &mut Context<'_, O>, object: ObjectId) {
        let mut position = 0;
        while let Some(block) = self.waiters(object).get(position).copied() {
            let thread = block.thread;
            if !self.object(object).is_signaled_for(thread) {
                break;
            }
            let here = self.thread(thread);
            if here.state != ThreadState::Waiting {
                position += 1;
            } else if here.wait.kind != WaitKind::All {
                cx.rules([rule::WAIT_08, rule::WAIT_12, rule::WAIT_16, rule::WAIT_75]);
                if block.key > 0 {
                    cx.rule(rule::WAIT_31);
                }
                let status = self.satisfy(cx, object, thread);
                self.end_wait(cx, thread, with_index(status, block.key));
                let is_port = matches!(self.object(object), DispatcherObject::Port(_));
                if is_port && cx.deviates(Deviation::PortWakesOneWaiter) {
                    break;
                }
            } else if !cx.deviates(Deviation::WaitAllInPlace) {
                // WAIT-35: the waiter tests again itself, from the tails of the lists.
                cx.rules([rule::WAIT_35, rule::WAIT_36]);
                self.interrupt_wait(cx, thread);
            } else if self.all_signaled_for(thread) {
                let status = self.satisfy_all(cx, thread);
                self.end_wait(cx, thread, status);
            } else {
                position += 1;
            }
        }
    }
}

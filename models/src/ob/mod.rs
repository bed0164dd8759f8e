//! Handles: what a call's argument refers to, closing and duplicating.

use crate::event::Observer;
use crate::ids::{HandleId, ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::ThreadState;
use crate::ke::{Context, Kernel};
use crate::rule::{apc, thread as thr, timer as tim, wait};
use alertable_traces::status::NtStatus;

/// The type of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectType {
    /// A thread.
    Thread,
    /// An event.
    Event,
    /// A mutex.
    Mutant,
    /// A semaphore.
    Semaphore,
    /// A waitable timer.
    Timer,
    /// A message queue; no handle refers to one.
    MessageQueue,
}

impl ObjectType {
    /// The type of an object's record.
    pub fn of(object: &DispatcherObject) -> Self {
        match object {
            DispatcherObject::Thread { .. } => Self::Thread,
            DispatcherObject::Event(_) => Self::Event,
            DispatcherObject::Mutant(_) => Self::Mutant,
            DispatcherObject::Semaphore(_) => Self::Semaphore,
            DispatcherObject::Timer(_) => Self::Timer,
            DispatcherObject::MessageQueue => Self::MessageQueue,
        }
    }
}

impl Kernel {
    /// The object that an open handle refers to.
    ///
    /// # Errors
    /// `STATUS_INVALID_HANDLE` when the handle is closed, or its thread not created yet.
    pub(crate) fn reference_any<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        handle: HandleId,
    ) -> Result<ObjectId, NtStatus> {
        let object = cx.handles[handle.index()];
        let exists = self
            .thread_of(object)
            .is_none_or(|thread| self.thread(thread).state != ThreadState::NotCreated);
        let open = self.closed_handles.is_empty() || !self.closed_handles.contains(&handle);
        if exists && open { Ok(object) } else { Err(NtStatus::INVALID_HANDLE) }
    }

    /// The object of the given type that an open handle refers to.
    ///
    /// # Errors
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
    pub(crate) fn reference<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        handle: HandleId,
        wanted: ObjectType,
    ) -> Result<ObjectId, NtStatus> {
        let object = self.reference_any(cx, handle)?;
        if ObjectType::of(self.object(object)) == wanted {
            Ok(object)
        } else {
            Err(NtStatus::OBJECT_TYPE_MISMATCH)
        }
    }

    /// The thread that an open handle refers to.
    ///
    /// # Errors
    /// As [`Kernel::reference`]. THR-42: a handle of an ended thread still refers to it.
    pub(crate) fn reference_thread<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        handle: HandleId,
    ) -> Result<ThreadId, NtStatus> {
        let object = self.reference(cx, handle, ObjectType::Thread)?;
        let thread = self.thread_of(object).expect("thread objects come first");
        if self.thread(thread).state == ThreadState::Terminated {
            cx.rules([thr::THR_42, apc::APC_U_18]);
        }
        Ok(thread)
    }

    /// Closes a handle; the object goes with its last one unless something else keeps it.
    ///
    /// # Errors
    /// `STATUS_INVALID_HANDLE` when it is not open.
    pub(crate) fn close_handle<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        handle: HandleId,
    ) -> Result<(), NtStatus> {
        let object = self.reference_any(cx, handle)?;
        // WAIT-43: a wait holds a reference of its own.
        cx.rule(wait::WAIT_43);
        let position = self.closed_handles.partition_point(|closed| *closed < handle);
        self.closed_handles.insert(position, handle);
        let open_left = cx.handles.iter().enumerate().any(|(other, target)| {
            *target == object && !self.closed_handles.contains(&HandleId::from_index(other))
        });
        if !open_left && ObjectType::of(self.object(object)) == ObjectType::Timer {
            cx.rule(tim::TIMER_30);
            self.close_timer(cx, object);
        }
        Ok(())
    }

    /// Opens a declared handle to the object of another one.
    ///
    /// # Errors
    /// `STATUS_INVALID_HANDLE` when the source is not open, or the target already is.
    pub(crate) fn duplicate_handle<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        source: HandleId,
        target: HandleId,
    ) -> Result<(), NtStatus> {
        let object = self.reference_any(cx, source)?;
        let closed = self.closed_handles.iter().position(|closed| *closed == target);
        match closed {
            Some(position) if cx.handles[target.index()] == object => {
                self.closed_handles.remove(position);
                Ok(())
            }
            _ => Err(NtStatus::INVALID_HANDLE),
        }
    }
}

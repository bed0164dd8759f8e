//! Handles: what a call's argument refers to, closing and duplicating.

use crate::event::Observer;
use crate::ids::{HandleId, ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::thread::{InService, ThreadState};
use crate::ke::{Context, Kernel};
use crate::rule::{apc, io, thread as thr, timer as tim, wait};
use crate::service::ServiceOutcome;
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
    /// A file object.
    File,
    /// A completion port.
    Port,
    /// A device.
    Device,
    /// A named pipe.
    Pipe,
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
            DispatcherObject::File(_) => Self::File,
            DispatcherObject::Port(_) => Self::Port,
            DispatcherObject::Device => Self::Device,
            DispatcherObject::Pipe => Self::Pipe,
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
        if exists && !self.is_closed(handle) { Ok(object) } else { Err(NtStatus::INVALID_HANDLE) }
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
        thread: ThreadId,
        handle: HandleId,
    ) -> Result<ServiceOutcome, NtStatus> {
        let object = self.reference_any(cx, handle)?;
        // WAIT-43: a wait holds a reference of its own.
        cx.rule(wait::WAIT_43);
        self.note_closed(handle);
        let is_last = self.open_handles(cx, object).next().is_none();
        if is_last && ObjectType::of(self.object(object)) == ObjectType::File {
            // IO-04: the cleanup takes the lock of a synchronous file object.
            self.thread_mut(thread).service = InService::Lock(object);
            return Ok(match self.acquire_file_lock(cx, thread, object) {
                None => ServiceOutcome::InWait,
                Some(_) => self.close_with_lock(cx, thread, handle),
            });
        }
        self.handle_closed(cx, thread, handle);
        Ok(ServiceOutcome::Returned(NtStatus::SUCCESS.into()))
    }

    /// The last handle of a file object is closed and its lock is there.
    pub(crate) fn close_with_lock<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        handle: HandleId,
    ) -> ServiceOutcome {
        cx.rule(io::IO_04);
        self.thread_mut(thread).service = InService::None;
        self.handle_closed(cx, thread, handle);
        self.release_file_lock(cx, cx.handles[handle.index()]);
        ServiceOutcome::Returned(NtStatus::SUCCESS.into())
    }

    pub(crate) fn note_closed(&mut self, handle: HandleId) {
        *self.closed_handles.get_mut(handle.index()) = true;
    }

    /// Whether a handle is not open.
    pub(crate) fn is_closed(&self, handle: HandleId) -> bool {
        self.closed_handles[handle.index()]
    }

    /// A handle has been closed: what its object does then.
    pub(crate) fn handle_closed<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        handle: HandleId,
    ) {
        let object = cx.handles[handle.index()];
        let is_last = self.open_handles(cx, object).next().is_none();
        match ObjectType::of(self.object(object)) {
            ObjectType::Timer if is_last => {
                cx.rule(tim::TIMER_30);
                self.close_timer(cx, object);
            }
            ObjectType::File => self.file_handle_closed(cx, thread, object, handle),
            ObjectType::Port if is_last => self.port_closed(cx, object),
            _ => {}
        }
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
        if !self.is_closed(target) || cx.handles[target.index()] != object {
            return Err(NtStatus::INVALID_HANDLE);
        }
        *self.closed_handles.get_mut(target.index()) = false;
        Ok(())
    }
}

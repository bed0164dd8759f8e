//! File objects: their locks, modes and ports, and what closing handles does.

use super::irp::IrpPlace;
use super::setup::FileTarget;
use crate::deviation::Deviation;
use crate::event::{Event, FileChange, ObjectChange, Observer};
use crate::ids::{DatumId, HandleId, IrpId, ObjectId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::wait::{NEVER, WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{cancel as can, exit, io as rule, iocp};
use alertable_traces::status::NtStatus;

/// A file object. Its event makes it waitable (IO-07).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a bit of the system's own record")]
pub struct FileObject {
    /// Its number among the files.
    pub slot: u16,
    /// Its event is set.
    pub signaled: bool,
    /// The port that it is associated with, and its key there (IOCP-05).
    pub port: Option<(ObjectId, DatumId)>,
    /// Requests that succeed at once post no packet (IO-43).
    pub skip_port: bool,
    /// Requests do not change its event (IO-44).
    pub skip_event: bool,
    /// Its last handle was closed and its cleanup is done.
    pub cleaned_up: bool,
    /// Nothing refers to it any more.
    pub closed: bool,
    /// With what its last synchronous request ended (IRP-57).
    pub final_status: NtStatus,
}

impl FileObject {
    /// A file object after a successful open: signaled (IO-07).
    pub(crate) fn new(slot: usize, port: Option<(ObjectId, DatumId)>) -> Self {
        FileObject {
            slot: slot as u16,
            signaled: true,
            port,
            skip_port: false,
            skip_event: false,
            cleaned_up: false,
            closed: false,
            final_status: NtStatus::SUCCESS,
        }
    }

    /// Its number among the files.
    pub fn slot(&self) -> usize {
        usize::from(self.slot)
    }
}

impl Entry for FileObject {
    fn digest(&self, key: Key) -> u64 {
        let FileObject {
            slot: _,
            signaled,
            port,
            skip_port,
            skip_event,
            cleaned_up,
            closed,
            final_status,
        } = *self;
        let port = port
            .map_or(0, |(port, key)| 1 << 31 | u64::from(port.0 & 0x7FFF) << 16 | u64::from(key.0));
        let flags = u64::from(signaled)
            | u64::from(skip_port) << 1
            | u64::from(skip_event) << 2
            | u64::from(cleaned_up) << 3
            | u64::from(closed) << 4;
        key.hash_pair(7 | flags << 8 | port << 32, u64::from(final_status.0))
    }
}

impl Kernel {
    /// A file object.
    pub(crate) fn file(&self, file: ObjectId) -> &FileObject {
        match self.object(file) {
            DispatcherObject::File(file) => file,
            other => unreachable!("handles of files are checked for their type: {other:?}"),
        }
    }

    /// A file object's number among the files, which never changes.
    pub(crate) fn file_number(&self, file: ObjectId) -> usize {
        match self.objects.peek(file.index()) {
            DispatcherObject::File(file) => file.slot(),
            other => unreachable!("handles of files are checked for their type: {other:?}"),
        }
    }

    pub(crate) fn file_mut(&mut self, file: ObjectId) -> &mut FileObject {
        match self.object_mut(file) {
            DispatcherObject::File(file) => file,
            other => unreachable!("handles of files are checked for their type: {other:?}"),
        }
    }

    /// Sets a file object's event, unless its modes say otherwise (IO-44).
    pub(crate) fn signal_file<O: Observer>(&mut self, cx: &mut Context<'_, O>, file: ObjectId) {
        if self.file(file).skip_event {
            cx.rule(rule::IO_44);
            return;
        }
        cx.rule(rule::IO_07);
        self.file_mut(file).signaled = true;
        cx.event(Event::Object { object: file, change: ObjectChange::Signaled });
        self.wait_test(cx, file);
    }

    /// Clears a file object's event, as each issue does (IO-07, IO-08).
    pub(crate) fn reset_file<O: Observer>(&mut self, cx: &mut Context<'_, O>, file: ObjectId) {
        if self.file(file).skip_event {
            cx.rule(rule::IO_44);
            return;
        }
        cx.rules([rule::IO_07, rule::IO_08]);
        if std::mem::take(&mut self.file_mut(file).signaled) {
            cx.event(Event::Object { object: file, change: ObjectChange::Reset });
        }
    }

    /// Takes the lock of a synchronous file object, or begins to wait for it.
    ///
    /// IO-03: all services on such an object do. `Some` with `STATUS_WAIT_0` when it is taken.
    pub(crate) fn acquire_file_lock<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        file: ObjectId,
    ) -> Option<NtStatus> {
        let setup = cx.io.files[self.file_number(file)];
        let Some(lock) = setup.lock.filter(|_| !cx.deviates(Deviation::NoFileLock)) else {
            return Some(NtStatus::WAIT_0);
        };
        cx.rules([rule::IO_03, rule::IO_05]);
        let alertable = setup.alertable;
        let request = WaitRequest { kind: WaitKind::Any, alertable, remaining_ms: NEVER };
        self.begin_wait(cx, thread, std::iter::once(lock), request)
    }

    /// Gives the lock of a synchronous file object to whoever waits longest.
    pub(crate) fn release_file_lock<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        file: ObjectId,
    ) {
        let lock = cx.io.files[self.file_number(file)].lock;
        if let Some(lock) = lock.filter(|_| !cx.deviates(Deviation::NoFileLock)) {
            self.set_event(cx, lock);
        }
    }

    /// Sets notification modes; none can be cleared (IO-45).
    pub(crate) fn set_notification_modes<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        file: ObjectId,
        skip_port: bool,
        skip_event: bool,
    ) {
        cx.rule(rule::IO_45);
        let record = self.file_mut(file);
        record.skip_port |= skip_port;
        record.skip_event |= skip_event;
    }

    /// Associates a file object with a completion port.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` for a synchronous file object (IOCP-03) and for one that is
    /// associated already, with whatever port and key (IOCP-04).
    pub(crate) fn associate_port<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        file: ObjectId,
        port: ObjectId,
        key: DatumId,
    ) -> Result<(), NtStatus> {
        if !cx.io.files[self.file_number(file)].overlapped {
            cx.rule(iocp::IOCP_03);
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if self.file(file).port.is_some() {
            cx.rule(iocp::IOCP_04);
            return Err(NtStatus::INVALID_PARAMETER);
        }
        cx.rules([iocp::IOCP_05, iocp::IOCP_06]);
        self.file_mut(file).port = Some((port, key));
        Ok(())
    }

    /// A process has closed a handle of a file object.
    ///
    /// CAN-28: the last handle of all sends the cleanup request. CAN-31, CAN-32: the last one of
    /// its process cancels the thread-agnostic requests of that process; any other does nothing.
    pub(crate) fn file_handle_closed<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        context: ThreadId,
        file: ObjectId,
        handle: HandleId,
    ) {
        let process = cx.io.handle_processes[handle.index()];
        let open: Vec<HandleId> = self.open_handles(cx, file).collect();
        if open.is_empty() {
            return self.clean_up_file(cx, context, file);
        }
        if open.iter().any(|other| cx.io.handle_processes[other.index()] == process) {
            cx.rules([rule::IO_53, can::CAN_31]);
            return;
        }
        cx.rules([can::CAN_32, can::CAN_33, exit::EXIT_19]);
        let slot = self.file_number(file);
        for irp in self.io().file_irps.get(slot).to_vec() {
            if !self.has_irp(irp) {
                continue;
            }
            let issuer = self.irp(irp).issuer;
            if cx.io.thread_processes[issuer.index()] == process {
                self.cancel_irp(cx, irp, Some(context), true);
            }
        }
    }

    /// The handles of an object that are open.
    pub(crate) fn open_handles<'a, O>(
        &'a self,
        cx: &Context<'a, O>,
        object: ObjectId,
    ) -> impl Iterator<Item = HandleId> + 'a {
        let handles = cx.handles;
        (0..handles.len())
            .map(HandleId::from_index)
            .filter(move |handle| handles[handle.index()] == object)
            .filter(|handle| !self.is_closed(*handle))
    }

    /// The cleanup request (IRP_MJ_CLEANUP), in the context of the closing thread.
    fn clean_up_file<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        context: ThreadId,
        file: ObjectId,
    ) {
        cx.rules([can::CAN_28, can::CAN_29]);
        cx.event(Event::File { file, change: FileChange::CleanedUp });
        self.file_mut(file).cleaned_up = true;
        match cx.io.files[self.file_number(file)].target {
            FileTarget::Device(device) => self.clean_up_device(cx, context, file, device),
            FileTarget::PipeEnd(end) => self.clean_up_pipe_end(cx, context, end),
        }
        self.close_if_unreferenced(cx, file);
    }

    /// The close request (IRP_MJ_CLOSE), once nothing refers to the file object any more.
    ///
    /// IRP-09, IRP-44: a request packet does until its second stage is over, or until it waits
    /// in a port for the rest of it.
    pub(crate) fn close_if_unreferenced<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        file: ObjectId,
    ) {
        let record = self.file(file);
        let refers =
            |irp: IrpId| matches!(self.irp(irp).place, IrpPlace::Driver | IrpPlace::Completed);
        let referenced = || self.irps_of(cx, file).any(refers);
        if !record.cleaned_up || record.closed || referenced() || self.is_in_cleanup(file) {
            return;
        }
        cx.rules([can::CAN_28, can::CAN_35]);
        let port = record.port;
        self.file_mut(file).closed = true;
        cx.event(Event::File { file, change: FileChange::Closed });
        if let Some((port, _)) = port {
            cx.rule(iocp::IOCP_07);
            self.delete_port_if_unreferenced(cx, port);
        }
    }

    /// The request packets that refer to a file object.
    pub(crate) fn irps_of<'a, O>(
        &'a self,
        cx: &Context<'a, O>,
        file: ObjectId,
    ) -> impl Iterator<Item = IrpId> + 'a {
        let (io, handles) = (cx.io, cx.handles);
        self.io().irps().iter().filter_map(move |irp| {
            let target = handles[io.request(irp.request).file.index()];
            (target == file).then_some(irp.id)
        })
    }

    /// The request packets of a file object that some driver has, in the order of their ids.
    pub(crate) fn pending_irps_of<O>(&self, cx: &Context<'_, O>, file: ObjectId) -> Vec<IrpId> {
        self.irps_of(cx, file).filter(|irp| self.irp(*irp).place == IrpPlace::Driver).collect()
    }
}

//! Named pipes.
//!
//! What an end has written and the other has not read is a list of chunks: messages, or in byte
//! mode one run of bytes for each write that still waits for room and one for all others.

use super::complete::Completer;
use super::setup::{ControlCode, Major, PipeSetup};
use crate::event::Observer;
use crate::ids::{IrpId, ThreadId};
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::{cancel as can, device as dev, io};
use alertable_traces::status::NtStatus;

/// The state of a pipe instance (DEV-01).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PipeState {
    /// The server has disconnected its client.
    Disconnected,
    /// A client can connect.
    Listening,
    /// Both ends are there.
    Connected,
    /// This end has closed: 0 for the server's, 1 for the client's.
    Closing(u8),
    /// Both ends have closed.
    Closed,
}

/// Bytes that are written and not read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Chunk {
    /// How many.
    pub bytes: u32,
    /// The write that waits for room for them.
    pub writer: Option<IrpId>,
}

impl Entry for Chunk {
    fn digest(&self, key: Key) -> u64 {
        let writer = self.writer.map_or(0, |writer| u64::from(writer.0) + 1);
        key.hash(writer << 32 | u64::from(self.bytes))
    }
}

impl Entry for PipeState {
    fn digest(&self, key: Key) -> u64 {
        key.hash(match self {
            PipeState::Disconnected => 0,
            PipeState::Listening => 1,
            PipeState::Connected => 2,
            PipeState::Closing(end) => 3 + u64::from(*end),
            PipeState::Closed => 5,
        })
    }
}

/// The other end of the same pipe.
fn peer(end: usize) -> usize {
    end ^ 1
}

/// What a peek returns before the data (FILE_PIPE_PEEK_BUFFER), in bytes.
const PEEK_HEAD_BYTES: u32 = 16;

impl Kernel {
    /// The dispatch routine of the named pipe file system.
    pub(crate) fn dispatch_to_pipe<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        end: usize,
    ) -> NtStatus {
        let request = self.request_of(cx, id).0;
        match request.major {
            Major::Read => self.pipe_read(cx, thread, id, end),
            Major::Write => {
                if let Err(status) = self.check_pipe_write(cx, end) {
                    return self.fail_pipe_request(cx, thread, id, status);
                }
                self.pipe_write(cx, thread, id, end, request.length)
            }
            Major::Control(code) => self.pipe_control(cx, thread, id, end, code),
        }
    }

    fn pipe_setup<'a, O>(cx: &Context<'a, O>, end: usize) -> &'a PipeSetup {
        &cx.io.pipes[end / 2]
    }

    fn pipe_state(&self, end: usize) -> PipeState {
        self.io().pipes[end / 2]
    }

    /// Completes a request in the dispatch routine, without marking it.
    fn finish_pipe_request<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        status: NtStatus,
        information: u32,
    ) -> NtStatus {
        self.complete_irp(cx, id, status, information, Completer::thread(thread));
        status
    }

    fn fail_pipe_request<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        status: NtStatus,
    ) -> NtStatus {
        self.finish_pipe_request(cx, thread, id, status, 0)
    }

    /// DEV-03, DEV-04: what is wrong with reading or writing in this state.
    fn pipe_state_error(&self, end: usize, closed: NtStatus) -> Result<(), NtStatus> {
        match self.pipe_state(end) {
            PipeState::Connected => Ok(()),
            PipeState::Listening => Err(NtStatus::PIPE_LISTENING),
            PipeState::Disconnected => Err(NtStatus::PIPE_DISCONNECTED),
            PipeState::Closing(_) | PipeState::Closed => Err(closed),
        }
    }

    fn check_pipe_write<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        end: usize,
    ) -> Result<(), NtStatus> {
        cx.rules([dev::DEV_01, dev::DEV_03, dev::DEV_04]);
        self.pipe_state_error(end, NtStatus::PIPE_CLOSING)
    }

    /// DEV-07: reads what is there, or pends. DEV-04: data outlives the end that wrote it.
    fn pipe_read<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        end: usize,
    ) -> NtStatus {
        cx.rules([dev::DEV_01, dev::DEV_03, dev::DEV_04]);
        let length = self.request_of(cx, id).0.length;
        let closing = matches!(self.pipe_state(end), PipeState::Closing(_));
        if !self.io().pipe_data.is_empty(peer(end))
            && (closing || self.pipe_state(end) == PipeState::Connected)
        {
            let (status, bytes) = self.take_pipe_data(cx, thread, peer(end), length);
            return self.finish_pipe_request(cx, thread, id, status, bytes);
        }
        if let Err(status) = self.pipe_state_error(end, NtStatus::PIPE_BROKEN) {
            return self.fail_pipe_request(cx, thread, id, status);
        }
        cx.rule(dev::DEV_07);
        self.mark_pending(cx, id);
        self.update_irp(id, |irp| irp.cancel_routine = true);
        self.io_mut().pipe_reads.push(end, id);
        NtStatus::PENDING
    }

    /// Takes up to `length` bytes of what `from` has written.
    ///
    /// DEV-08: whatever is there, in byte mode. DEV-09: of a message what fits, with a warning
    /// when some of it is left. DEV-13: writes that wait complete when there is room for them.
    fn take_pipe_data<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        from: usize,
        length: u32,
    ) -> (NtStatus, u32) {
        let message = Self::pipe_setup(cx, from).message;
        let mut taken = 0;
        let mut status = NtStatus::SUCCESS;
        if message {
            cx.rule(dev::DEV_09);
            let chunk = self.io().pipe_data.get(from)[0];
            taken = chunk.bytes.min(length);
            if taken < chunk.bytes {
                status = NtStatus::BUFFER_OVERFLOW;
            }
            self.shrink_first_chunk(cx, thread, from, taken);
        } else {
            cx.rule(dev::DEV_08);
            while taken < length
                && let Some(chunk) = self.io().pipe_data.first(from).copied()
            {
                let part = chunk.bytes.min(length - taken);
                taken += part;
                self.shrink_first_chunk(cx, thread, from, part);
            }
        }
        self.admit_writes(cx, Completer::thread(thread), from);
        (status, taken)
    }

    /// Removes bytes from the oldest chunk, and the chunk when nothing is left of it. A write
    /// that has been read completely is done.
    fn shrink_first_chunk<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        from: usize,
        bytes: u32,
    ) {
        let mut chunk = self.io_mut().pipe_data.remove(from, 0);
        chunk.bytes -= bytes;
        if chunk.bytes > 0 {
            return self.io_mut().pipe_data.insert(from, 0, chunk);
        }
        if let Some(writer) = chunk.writer {
            self.complete_write(cx, Completer::thread(thread), writer);
        }
    }

    /// Completes the writes whose bytes fit into the quota now, in their order (DEV-13).
    fn admit_writes<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        completer: Completer,
        from: usize,
    ) {
        let quota = u64::from(Self::pipe_setup(cx, from).quota);
        let mut used = 0;
        let mut at = 0;
        while let Some(chunk) = self.io().pipe_data.get(from).get(at).copied() {
            used += u64::from(chunk.bytes);
            if let Some(writer) = chunk.writer {
                if used > quota {
                    break;
                }
                cx.rule(dev::DEV_13);
                self.io_mut().pipe_data.remove(from, at);
                self.insert_chunk(cx, from, at, chunk.bytes);
                self.complete_write(cx, completer, writer);
                at = 0;
                used = 0;
                continue;
            }
            at += 1;
        }
    }

    fn complete_write<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        completer: Completer,
        writer: IrpId,
    ) {
        let length = self.request_of(cx, writer).0.length;
        self.update_irp(writer, |irp| irp.cancel_routine = false);
        self.complete_irp(cx, writer, NtStatus::SUCCESS, length, completer);
    }

    /// Adds bytes that nobody waits for; in byte mode they join their neighbours.
    fn insert_chunk<O>(&mut self, cx: &Context<'_, O>, from: usize, at: usize, bytes: u32) {
        let message = Self::pipe_setup(cx, from).message;
        let data = &mut self.io_mut().pipe_data;
        if !message
            && let Some(before) = at.checked_sub(1)
            && data.get(from)[before].writer.is_none()
        {
            let chunk = data.remove(from, before);
            data.insert(from, before, Chunk { bytes: chunk.bytes + bytes, writer: None });
        } else {
            data.insert(from, at, Chunk { bytes, writer: None });
        }
    }

    /// A write serves the reads that wait, in their order, before the rest is kept (DEV-07).
    fn pipe_write<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        end: usize,
        length: u32,
    ) -> NtStatus {
        let setup = Self::pipe_setup(cx, end);
        let is_message = setup.message;
        if length == 0 {
            cx.rules([dev::DEV_11, dev::DEV_12]);
        }
        let mut left = length;
        let mut delivered = length == 0 && !is_message;
        while !delivered && let Some(read) = self.io().pipe_reads.first(peer(end)).copied() {
            cx.rules([dev::DEV_07, io::IO_54]);
            let room = self.request_of(cx, read).0.length;
            let bytes = left.min(room);
            left -= bytes;
            let status = if is_message && left > 0 {
                cx.rule(dev::DEV_10);
                NtStatus::BUFFER_OVERFLOW
            } else {
                NtStatus::SUCCESS
            };
            self.io_mut().pipe_reads.remove(peer(end), 0);
            self.update_irp(read, |irp| irp.cancel_routine = false);
            self.complete_irp(cx, read, status, bytes, Completer::thread(thread));
            delivered = left == 0;
        }
        if delivered {
            return self.finish_pipe_request(cx, thread, id, NtStatus::SUCCESS, length);
        }
        let used: u64 =
            self.io().pipe_data.get(end).iter().map(|chunk| u64::from(chunk.bytes)).sum();
        // A message of no bytes needs no room.
        if length == 0 || used + u64::from(left) <= u64::from(setup.quota) {
            cx.rule(dev::DEV_13);
            let at = self.io().pipe_data.len(end);
            self.insert_chunk(cx, end, at, left);
            return self.finish_pipe_request(cx, thread, id, NtStatus::SUCCESS, length);
        }
        cx.rule(dev::DEV_13);
        self.mark_pending(cx, id);
        self.update_irp(id, |irp| irp.cancel_routine = true);
        self.io_mut().pipe_data.push(end, Chunk { bytes: left, writer: Some(id) });
        NtStatus::PENDING
    }

    fn pipe_control<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        end: usize,
        code: ControlCode,
    ) -> NtStatus {
        let server = end.is_multiple_of(2);
        match code {
            ControlCode::PipeListen => {
                cx.rules([dev::DEV_01, dev::DEV_02, dev::DEV_19]);
                let status = match self.pipe_state(end) {
                    _ if !server => NtStatus::ILLEGAL_FUNCTION,
                    PipeState::Connected => NtStatus::PIPE_CONNECTED,
                    PipeState::Closing(_) | PipeState::Closed => NtStatus::PIPE_CLOSING,
                    PipeState::Listening | PipeState::Disconnected => {
                        *self.io_mut().pipes.get_mut(end / 2) = PipeState::Listening;
                        self.mark_pending(cx, id);
                        self.update_irp(id, |irp| irp.cancel_routine = true);
                        self.io_mut().pipe_listens.push(end, id);
                        return NtStatus::PENDING;
                    }
                };
                self.fail_pipe_request(cx, thread, id, status)
            }
            ControlCode::PipeDisconnect => {
                cx.rule(dev::DEV_05);
                let status = match self.pipe_state(end) {
                    _ if !server => NtStatus::ILLEGAL_FUNCTION,
                    PipeState::Disconnected => NtStatus::PIPE_DISCONNECTED,
                    _ => {
                        self.disconnect_pipe(cx, thread, end);
                        NtStatus::SUCCESS
                    }
                };
                self.finish_pipe_request(cx, thread, id, status, 0)
            }
            ControlCode::PipePeek => {
                cx.rule(dev::DEV_15);
                let status = match self.pipe_state(end) {
                    PipeState::Connected | PipeState::Closing(_) => NtStatus::SUCCESS,
                    PipeState::Listening | PipeState::Disconnected | PipeState::Closed => {
                        NtStatus::INVALID_PIPE_STATE
                    }
                };
                let empty = self.io().pipe_data.is_empty(peer(end));
                let status = match (status, self.pipe_state(end)) {
                    (NtStatus::SUCCESS, PipeState::Closing(_)) if empty => NtStatus::PIPE_BROKEN,
                    (status, _) => status,
                };
                let length = self.request_of(cx, id).0.length;
                let there: u32 =
                    self.io().pipe_data.get(peer(end)).iter().map(|chunk| chunk.bytes).sum();
                // FILE_PIPE_PEEK_BUFFER: a head, and the data behind it.
                let (status, information) = match length.checked_sub(PEEK_HEAD_BYTES) {
                    Some(room) => (status, PEEK_HEAD_BYTES + there.min(room)),
                    None if status == NtStatus::SUCCESS => (NtStatus::INVALID_PARAMETER, 0),
                    None => (status, 0),
                };
                self.finish_pipe_request(cx, thread, id, status, information)
            }
            ControlCode::PipeTransceive => self.pipe_transceive(cx, thread, id, end),
            ControlCode::Other => {
                self.fail_pipe_request(cx, thread, id, NtStatus::INVALID_DEVICE_REQUEST)
            }
        }
    }

    /// DEV-16: writes a message and reads the answer in one request. The answer is read into the
    /// buffer that is given; the message has its size.
    fn pipe_transceive<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        id: IrpId,
        end: usize,
    ) -> NtStatus {
        cx.rule(dev::DEV_16);
        if !Self::pipe_setup(cx, end).message {
            return self.fail_pipe_request(cx, thread, id, NtStatus::INVALID_READ_MODE);
        }
        if let Err(status) = self.check_pipe_write(cx, end) {
            return self.fail_pipe_request(cx, thread, id, status);
        }
        if !self.io().pipe_data.is_empty(peer(end)) {
            return self.fail_pipe_request(cx, thread, id, NtStatus::PIPE_BUSY);
        }
        self.mark_pending(cx, id);
        self.update_irp(id, |irp| irp.cancel_routine = true);
        let length = self.request_of(cx, id).0.length;
        if let Some(read) = self.io().pipe_reads.first(peer(end)).copied() {
            let room = self.request_of(cx, read).0.length;
            let bytes = length.min(room);
            let status = if bytes < length { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS };
            self.io_mut().pipe_reads.remove(peer(end), 0);
            self.update_irp(read, |irp| irp.cancel_routine = false);
            self.complete_irp(cx, read, status, bytes, Completer::thread(thread));
            if bytes < length {
                self.io_mut().pipe_data.push(end, Chunk { bytes: length - bytes, writer: None });
            }
        } else {
            self.io_mut().pipe_data.push(end, Chunk { bytes: length, writer: None });
        }
        self.io_mut().pipe_reads.push(end, id);
        NtStatus::PENDING
    }

    /// Everything that is pending at an end completes with a status, reads first.
    fn flush_pipe_end<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        end: usize,
        status: NtStatus,
    ) {
        let io = self.io();
        let writers = io.pipe_data.get(end).iter().filter_map(|chunk| chunk.writer);
        let reads = io.pipe_reads.get(end).iter().copied();
        let listens = io.pipe_listens.get(end).iter().copied();
        let pending: Vec<IrpId> = reads.chain(listens).chain(writers).collect();
        for id in pending {
            self.update_irp(id, |irp| irp.cancel_routine = false);
            self.take_from_pipe(id, end);
            self.complete_irp(cx, id, status, 0, Completer::thread(thread));
        }
    }

    /// DEV-05: ends what is pending at both ends and discards what is unread.
    fn disconnect_pipe<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        end: usize,
    ) {
        *self.io_mut().pipes.get_mut(end / 2) = PipeState::Disconnected;
        for end in [end, peer(end)] {
            self.flush_pipe_end(cx, thread, end, NtStatus::PIPE_DISCONNECTED);
            self.io_mut().pipe_data.clear(end);
        }
    }

    /// The cleanup of an end.
    ///
    /// CAN-29, DEV-06: its own requests end with `STATUS_PIPE_BROKEN`. DEV-04: the peer's
    /// pending reads too; what it had written stays readable.
    pub(crate) fn clean_up_pipe_end<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        context: ThreadId,
        end: usize,
    ) {
        cx.rules([can::CAN_29, dev::DEV_04, dev::DEV_06]);
        let side = (end % 2) as u8;
        let closing = match self.pipe_state(end) {
            PipeState::Connected => PipeState::Closing(side),
            _ => PipeState::Closed,
        };
        *self.io_mut().pipes.get_mut(end / 2) = closing;
        self.flush_pipe_end(cx, context, end, NtStatus::PIPE_BROKEN);
        self.flush_pipe_end(cx, context, peer(end), NtStatus::PIPE_BROKEN);
        self.io_mut().pipe_data.clear(peer(end));
    }

    /// A write that waited has been cancelled: those behind it may have room now (DEV-13).
    pub(crate) fn write_cancelled<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        completer: Completer,
        end: usize,
    ) {
        cx.rule(dev::DEV_13);
        self.admit_writes(cx, completer, end);
    }

    /// Takes a request out of the queues of its pipe; what a write had not got in goes with it.
    pub(crate) fn take_from_pipe(&mut self, id: IrpId, end: usize) {
        let io = self.io_mut();
        for end in [end, peer(end)] {
            io.pipe_reads.remove_from(end, |queued| *queued == id);
            io.pipe_listens.remove_from(end, |queued| *queued == id);
            io.pipe_data.remove_from(end, |chunk| chunk.writer == Some(id));
        }
    }
}

//! What files, devices, pipes, ports and requests are: everything that does not change.

use super::StatusBlock;
use super::irp::{Irp, IrpPlace};
use super::pipe::PipeState;
use crate::ids::{BlockId, DatumId, HandleId, ObjectId, RequestId, RoutineId, ThreadId};
use crate::program::Program;
use crate::tp::{PoolTimer, PoolWait};
use alertable_traces::status::NtStatus;

/// What a file object was opened on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileTarget {
    /// The device with this number.
    Device(usize),
    /// An end of a pipe: twice the pipe's number, and one more for the client's end.
    PipeEnd(usize),
}

/// A file object, as it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSetup {
    /// What it was opened on.
    pub target: FileTarget,
    /// It is open for asynchronous requests (IO-01).
    pub overlapped: bool,
    /// User APCs end its synchronous requests (FILE_SYNCHRONOUS_IO_ALERT).
    pub alertable: bool,
    /// The lock of a synchronous file object: an event without a name (IO-03).
    pub lock: Option<ObjectId>,
    /// The file object.
    pub object: ObjectId,
}

/// When a device completes its requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// In its dispatch routine.
    Immediate,
    /// So many milliseconds after it was sent the request.
    Delay(u32),
    /// On demand.
    Hold,
    /// At any moment.
    Eventual,
    /// As a cached disk file does.
    Cached,
    /// When the routines of a driver of the program say so; by its number among those.
    Driver(usize),
}

/// What is wrong with a device (DEV-31 to DEV-36, CAN-30).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "any of them can be wrong at once")]
pub struct Faults {
    /// It sets no cancel routine.
    pub ignores_cancel: bool,
    /// Its cleanup completes nothing.
    pub ignores_cleanup: bool,
    /// It completes each request a second time.
    pub completes_twice: bool,
    /// It completes nothing but what is cancelled.
    pub never_completes: bool,
    /// It returns `STATUS_PENDING` for requests that it has not marked.
    pub pends_unmarked: bool,
    /// It completes requests with the cancel routine still set.
    pub keeps_cancel_routine: bool,
    /// It says that it transferred more than there was room for.
    pub information_too_long: bool,
}

/// A driver above a device (DEV-28).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filter {
    /// It lets the lower driver have its own stack location and has no completion routine.
    Skip,
    /// Its completion routine is invoked in every case and propagates the pending bit.
    PassThrough,
    /// Its completion routine is invoked in every case and forgets the pending bit (IRP-22).
    LosesPending,
    /// Its completion routine is invoked on success.
    OnSuccess,
    /// Its completion routine is invoked on errors, and so on warnings (IRP-24).
    OnError,
    /// Its completion routine is invoked when the request was cancelled.
    OnCancel,
}

/// A device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSetup {
    /// The device, as an object.
    pub object: ObjectId,
    /// When it completes its requests.
    pub model: Model,
    /// With what status.
    pub status: NtStatus,
    /// How many bytes they transfer; as many as were asked for without.
    pub bytes: Option<u32>,
    /// What its dispatch routine returns instead.
    pub returns: Option<NtStatus>,
    /// What is wrong with it.
    pub faults: Faults,
    /// The filters above it, from the top down.
    pub stack: Vec<Filter>,
}

/// A named pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PipeSetup {
    /// The pipe, as an object.
    pub object: ObjectId,
    /// It keeps the boundaries of messages.
    pub message: bool,
    /// How many unread bytes it keeps in each direction.
    pub quota: u32,
    /// Its first state.
    pub first_state: PipeState,
}

/// A completion port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortSetup {
    /// The port, as an object.
    pub object: ObjectId,
    /// How many of its threads may be active at once; 0 for the number of processors.
    pub concurrency: u32,
}

/// What a request asks of a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Major {
    /// IRP_MJ_READ.
    Read,
    /// IRP_MJ_WRITE.
    Write,
    /// IRP_MJ_DEVICE_CONTROL or IRP_MJ_FILE_SYSTEM_CONTROL.
    Control(ControlCode),
}

/// A control code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlCode {
    /// FSCTL_PIPE_LISTEN.
    PipeListen,
    /// FSCTL_PIPE_DISCONNECT.
    PipeDisconnect,
    /// FSCTL_PIPE_PEEK.
    PipePeek,
    /// FSCTL_PIPE_TRANSCEIVE.
    PipeTransceive,
    /// Any other.
    Other,
}

/// What a request's routine is given, and what its packet tells (ApcContext).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestContext {
    /// NULL: no packet.
    Null,
    /// The address of a status block or OVERLAPPED.
    Block(BlockId),
    /// A number.
    Number(DatumId),
}

/// Through which interface a request is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interface {
    /// The system service.
    Native,
    /// A Win32 function with an OVERLAPPED, whose status it sets to `STATUS_PENDING` (IO-14).
    Overlapped,
    /// A Win32 function without one, which waits on an asynchronous file (IO-26).
    Waiting,
}

/// A place in the program that issues requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// On which file.
    pub file: HandleId,
    /// What it asks.
    pub major: Major,
    /// The size of its buffer in bytes.
    pub length: u32,
    /// Where its result is written; none for the private block of the thread.
    pub block: Option<BlockId>,
    /// The event that completion sets.
    pub event: Option<HandleId>,
    /// The routine that completion queues.
    pub routine: Option<RoutineId>,
    /// What that or the packet tells.
    pub context: RequestContext,
    /// Through which interface it is made.
    pub interface: Interface,
    /// Its OVERLAPPED is marked in a step before its own: somebody could look in between, or keep
    /// the request from being made.
    pub marked_apart: bool,
    /// Its event, or its file where it has none, is cleared in a step before its own: somebody
    /// could tell.
    pub cleared_apart: bool,
    /// Its second stage is a step after its own even where it succeeds at once: somebody could tell.
    pub finished_apart: bool,
}

/// Everything about a program's I/O that does not change.
#[derive(Clone, Debug, Default)]
pub struct IoSetup {
    /// The file objects.
    pub files: Vec<FileSetup>,
    /// The devices.
    pub devices: Vec<DeviceSetup>,
    /// The pipes.
    pub pipes: Vec<PipeSetup>,
    /// The completion ports.
    pub ports: Vec<PortSetup>,
    /// The timers of pools.
    pub pool_timers: Vec<PoolTimer>,
    /// The waits of pools.
    pub pool_waits: Vec<PoolWait>,
    /// The names of the status blocks, and whether each is an OVERLAPPED.
    pub blocks: Vec<(String, bool)>,
    /// How many private blocks there are behind those: one for each thread, if some request names
    /// none.
    pub private_block_count: usize,
    /// The requests.
    pub requests: Vec<Request>,
    /// For each request: it is of a device that completes it at any moment.
    pub eventual_requests: Vec<bool>,
    /// For each request: nobody but its issuer can tell when it completes. It tells no event and
    /// no port, nobody waits for its file or looks at its status block, no other APC can come before
    /// or after its routine, and no call that could cancel it keeps its result. Then its second stage belongs to the step that completes it:
    /// its thread does nothing in between, and nobody else can see whether it has run.
    pub private_requests: Vec<bool>,
    /// That holds also while its thread is woken and has not gone on yet; see
    /// [`Program::with_joined_completions`].
    pub joins_when_woken: bool,
    /// The process of each handle.
    pub handle_processes: Vec<u8>,
    /// The process of each thread.
    pub thread_processes: Vec<u8>,
}

impl IoSetup {
    /// A request.
    pub fn request(&self, request: RequestId) -> &Request {
        &self.requests[request.index()]
    }

    /// What the file of a request was opened on.
    pub(crate) fn target_of(&self, program: &Program, request: RequestId) -> FileTarget {
        let object = program.handle_target(self.request(request).file);
        let file = self.files.iter().find(|file| file.object == object);
        file.expect("requests are made on files").target
    }

    /// The device or pipe that a file was opened on.
    pub fn device_of(&self, file: ObjectId) -> ObjectId {
        let target = self.files.iter().find(|setup| setup.object == file).map(|file| file.target);
        match target {
            Some(FileTarget::Device(device)) => self.devices[device].object,
            Some(FileTarget::PipeEnd(end)) => self.pipes[end / 2].object,
            None => file,
        }
    }

    /// Whether user APCs end synchronous requests on a file.
    pub(crate) fn is_alertable(&self, file: ObjectId) -> bool {
        self.files.iter().any(|setup| setup.object == file && setup.alertable)
    }

    /// Whether a device can complete a request by itself now.
    pub(crate) fn can_complete(&self, irp: &Irp) -> bool {
        irp.place == IrpPlace::Driver
            && (irp.remaining_ms == 0 || self.eventual_requests[irp.request.index()])
    }

    /// The block that a thread's requests write when they name none.
    pub(crate) fn private_block(&self, thread: ThreadId) -> BlockId {
        BlockId::from_index(self.blocks.len() + thread.index())
    }

    /// How many status blocks there are.
    pub(crate) fn block_count(&self) -> usize {
        self.blocks.len() + self.private_block_count
    }

    /// The blocks before anything is written.
    pub(crate) fn first_blocks(&self) -> Vec<StatusBlock> {
        let zeros = |written| StatusBlock { status: NtStatus::SUCCESS, information: 0, written };
        let named = self.blocks.iter().map(|(_, is_overlapped)| zeros(*is_overlapped));
        let private = (0..self.private_block_count).map(|_| zeros(false));
        named.chain(private).collect()
    }

    /// The name of a status block; private ones have none.
    pub fn block_name(&self, block: BlockId) -> Option<&str> {
        self.blocks.get(block.index()).map(|(name, _)| name.as_str())
    }
}

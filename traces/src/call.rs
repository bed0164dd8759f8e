//! The calls that a step can make.

pub use crate::timeout::Timeout;

use crate::context::kinds;
use crate::declare::tagged;
use crate::kernel::Irql;
use crate::outcome::Value;
use crate::reader::{Between, Block, Flags, NameSet, OrNull, StatusName, To};
use crate::trace::ProcessorMode;

type Thread = To<{ kinds::THREAD }>;
type Routine = To<{ kinds::ROUTINE }>;
type Event = To<{ kinds::EVENT }>;
type Mutex = To<{ kinds::MUTEX }>;
type AnyMutex = To<{ kinds::ANY_MUTEX }>;
type Semaphore = To<{ kinds::SEMAPHORE }>;
type Timer = To<{ kinds::TIMER }>;
type Port = To<{ kinds::PORT }>;
type Device = To<{ kinds::DEVICE }>;
type File = To<{ kinds::FILE }>;
type Pool = To<{ kinds::POOL }>;
type PoolTimer = To<{ kinds::POOL_TIMER }>;
type PoolWait = To<{ kinds::POOL_WAIT }>;
type PoolIo = To<{ kinds::POOL_IO }>;
type Kapc = To<{ kinds::KAPC }>;
type Dpc = To<{ kinds::DPC }>;
type Interrupt = To<{ kinds::INTERRUPT }>;
type Irp = To<{ kinds::IRP }>;
type IrpQueue = To<{ kinds::IRP_QUEUE }>;
type SpinLock = To<{ kinds::SPIN_LOCK }>;
type FastMutex = To<{ kinds::FAST_MUTEX }>;
type GuardedMutex = To<{ kinds::GUARDED_MUTEX }>;
type Handle = To<{ kinds::HANDLE }>;
type Handled = To<{ kinds::HANDLED }>;
type Waitable = To<{ kinds::WAITABLE }>;
type KernelWaitable = To<{ kinds::KERNEL_WAITABLE }>;
type Overlapped = Block<{ kinds::OVERLAPPED }>;
type Iosb = Block<{ kinds::BLOCK }>;

/// Flags of `QueueUserAPC2`.
pub(crate) struct ApcFlags;

impl NameSet for ApcFlags {
    const NOUN: &'static str = "flag";
    const NAMES: &'static [&'static str] = &["special"];
}

/// Flags of `MsgWaitForMultipleObjectsEx`.
pub(crate) struct MessageWaitFlags;

impl NameSet for MessageWaitFlags {
    const NOUN: &'static str = "flag";
    const NAMES: &'static [&'static str] =
        &["MWMO_WAITALL", "MWMO_ALERTABLE", "MWMO_INPUTAVAILABLE"];
}

/// Modes of `SetFileCompletionNotificationModes`.
pub(crate) struct NotificationModes;

impl NameSet for NotificationModes {
    const NOUN: &'static str = "mode";
    const NAMES: &'static [&'static str] = &["skip-port-on-success", "skip-set-event"];
}

/// When a completion routine runs.
pub(crate) struct CompletionCases;

impl NameSet for CompletionCases {
    const NOUN: &'static str = "case";
    const NAMES: &'static [&'static str] = &["success", "error", "cancel"];
}

tagged! {
    /// A call, named and with its arguments as in the Windows headers.
    pub enum Call: "call", "call" {
        /// Queues a user APC to a thread.
        QueueUserApc = "QueueUserAPC" {
            /// The thread whose queue it enters.
            thread: String => Thread,
            /// The routine that will run.
            routine: String => Routine,
            /// What the routine is given.
            data: u64 = 0,
        },
        /// Queues a user APC to a thread, with flags.
        QueueUserApc2 = "QueueUserAPC2" {
            /// The thread whose queue it enters.
            thread: String => Thread,
            /// The routine that will run.
            routine: String => Routine,
            /// What the routine is given.
            data: u64 = 0,
            /// `"special"`: a special user APC, which needs no alertable wait.
            flags: Vec<String> = Vec::new() => Flags<ApcFlags>,
        },
        /// Runs pending user APCs and takes back an alert.
        NtTestAlert = "NtTestAlert",
        /// Alerts a thread.
        NtAlertThread = "NtAlertThread" {
            /// The thread to alert.
            thread: String => Thread,
        },
        /// Sleeps, not alertably.
        Sleep = "Sleep" {
            /// How long.
            ms: Timeout,
        },
        /// Sleeps, alertably if wanted.
        SleepEx = "SleepEx" {
            /// How long.
            ms: Timeout,
            /// Whether user APCs may run and end the sleep.
            alertable: bool,
        },
        /// Waits for one object, not alertably.
        WaitForSingleObject = "WaitForSingleObject" {
            /// What to wait for.
            object: String => Waitable,
            /// How long.
            ms: Timeout,
        },
        /// Waits for one object, alertably if wanted.
        WaitForSingleObjectEx = "WaitForSingleObjectEx" {
            /// What to wait for.
            object: String => Waitable,
            /// How long.
            ms: Timeout,
            /// Whether user APCs may run and end the wait.
            alertable: bool,
        },
        /// Waits for one or all of several objects, not alertably.
        WaitForMultipleObjects = "WaitForMultipleObjects" {
            /// What to wait for, in order.
            objects: Vec<String> => Waitable,
            /// Whether all must be signaled at once.
            all: bool,
            /// How long.
            ms: Timeout,
        },
        /// Waits for one or all of several objects, alertably if wanted.
        WaitForMultipleObjectsEx = "WaitForMultipleObjectsEx" {
            /// What to wait for, in order.
            objects: Vec<String> => Waitable,
            /// Whether all must be signaled at once.
            all: bool,
            /// How long.
            ms: Timeout,
            /// Whether user APCs may run and end the wait.
            alertable: bool,
        },
        /// Waits for objects or messages. No messages ever come.
        MsgWaitForMultipleObjectsEx = "MsgWaitForMultipleObjectsEx" {
            /// What to wait for beside messages, in order.
            objects: Vec<String> => Waitable,
            /// How long.
            ms: Timeout,
            /// Which messages end the wait: a `QS_…` name or a number.
            wake: Value = Value::Number(0),
            /// `MWMO_WAITALL`, `MWMO_ALERTABLE`, `MWMO_INPUTAVAILABLE`.
            flags: Vec<String> = Vec::new() => Flags<MessageWaitFlags>,
        },
        /// Signals one object and waits for another in one operation.
        SignalObjectAndWait = "SignalObjectAndWait" {
            /// What to signal: an event, mutex or semaphore; other objects fail.
            signal: String => Handled,
            /// What to wait for.
            object: String => Waitable,
            /// How long.
            ms: Timeout,
            /// Whether user APCs may run and end the wait.
            alertable: bool,
        },
        /// Signals an event.
        SetEvent = "SetEvent" {
            /// The event.
            event: String => Event,
        },
        /// Unsignals an event.
        ResetEvent = "ResetEvent" {
            /// The event.
            event: String => Event,
        },
        /// Releases the waiters of an event and unsignals it.
        PulseEvent = "PulseEvent" {
            /// The event.
            event: String => Event,
        },
        /// Gives up a mutex once.
        ReleaseMutex = "ReleaseMutex" {
            /// The mutex.
            mutex: String => Mutex,
        },
        /// Adds to a semaphore's count.
        ReleaseSemaphore = "ReleaseSemaphore" {
            /// The semaphore.
            semaphore: String => Semaphore,
            /// How much to add. Not positive fails.
            count: i32,
        },
        /// Sets a timer, once or periodically.
        SetWaitableTimer = "SetWaitableTimer" {
            /// The timer.
            timer: String => Timer,
            /// When it is due, in milliseconds from now.
            due_ms: u32,
            /// The period in milliseconds; 0 for once. Negative fails.
            period_ms: i32,
            /// The routine that is queued to the calling thread each time.
            routine: Option<String> => OrNull<Routine>,
            /// What the routine is given.
            data: u64 = 0,
        },
        /// Stops a timer.
        CancelWaitableTimer = "CancelWaitableTimer" {
            /// The timer.
            timer: String => Timer,
        },
        /// Starts a thread whose `start` is `later`.
        CreateThread = "CreateThread" {
            /// The thread.
            thread: String => Thread,
        },
        /// Takes one from a thread's suspend count.
        ResumeThread = "ResumeThread" {
            /// The thread.
            thread: String => Thread,
        },
        /// Adds one to a thread's suspend count.
        SuspendThread = "SuspendThread" {
            /// The thread.
            thread: String => Thread,
        },
        /// Ends a thread from outside.
        TerminateThread = "TerminateThread" {
            /// The thread.
            thread: String => Thread,
            /// Its exit code.
            code: u32,
        },
        /// Ends the calling thread.
        ExitThread = "ExitThread" {
            /// Its exit code.
            code: u32,
        },
        /// Reads from a file.
        ReadFile = "ReadFile" {
            /// The file.
            file: String => File,
            /// The most bytes to read.
            bytes: u32,
            /// The OVERLAPPED, for an asynchronous file.
            overlapped: Option<String> => OrNull<Overlapped>,
        },
        /// Writes to a file.
        WriteFile = "WriteFile" {
            /// The file.
            file: String => File,
            /// How many bytes to write.
            bytes: u32,
            /// The OVERLAPPED, for an asynchronous file.
            overlapped: Option<String> => OrNull<Overlapped>,
        },
        /// Reads from a file; a routine runs at completion.
        ReadFileEx = "ReadFileEx" {
            /// The file.
            file: String => File,
            /// The most bytes to read.
            bytes: u32,
            /// The OVERLAPPED.
            overlapped: String => Overlapped,
            /// The completion routine.
            routine: String => Routine,
        },
        /// Writes to a file; a routine runs at completion.
        WriteFileEx = "WriteFileEx" {
            /// The file.
            file: String => File,
            /// How many bytes to write.
            bytes: u32,
            /// The OVERLAPPED.
            overlapped: String => Overlapped,
            /// The completion routine.
            routine: String => Routine,
        },
        /// Sends a control code to a device.
        DeviceIoControl = "DeviceIoControl" {
            /// The file.
            file: String => File,
            /// The control code: a number, or its name.
            code: Value,
            /// The size of the output buffer.
            bytes: u32,
            /// The OVERLAPPED, for an asynchronous file.
            overlapped: Option<String> => OrNull<Overlapped>,
        },
        /// The result of an asynchronous request.
        GetOverlappedResult = "GetOverlappedResult" {
            /// The file.
            file: String => File,
            /// The OVERLAPPED of the request.
            overlapped: String => Overlapped,
            /// Whether to wait for completion.
            wait: bool,
        },
        /// The result of an asynchronous request, with a time-out.
        GetOverlappedResultEx = "GetOverlappedResultEx" {
            /// The file.
            file: String => File,
            /// The OVERLAPPED of the request.
            overlapped: String => Overlapped,
            /// How long to wait for completion.
            ms: Timeout,
            /// Whether user APCs may run and end the wait.
            alertable: bool,
        },
        /// Whether an OVERLAPPED is not pending.
        HasOverlappedIoCompleted = "HasOverlappedIoCompleted" {
            /// The OVERLAPPED.
            overlapped: String => Overlapped,
        },
        /// Cancels the calling thread's requests on a file.
        CancelIo = "CancelIo" {
            /// The file.
            file: String => File,
        },
        /// Cancels requests of the process on a file.
        CancelIoEx = "CancelIoEx" {
            /// The file.
            file: String => File,
            /// The OVERLAPPED of the request; all requests when left out.
            overlapped: Option<String> => OrNull<Overlapped>,
        },
        /// Cancels the synchronous request in which a thread waits.
        CancelSynchronousIo = "CancelSynchronousIo" {
            /// The thread.
            thread: String => Thread,
        },
        /// Closes a handle.
        CloseHandle = "CloseHandle" {
            /// The handle, or the object whose first handle it is.
            object: String => Handled,
        },
        /// Says which notifications a file leaves out.
        SetFileCompletionNotificationModes = "SetFileCompletionNotificationModes" {
            /// The file.
            file: String => File,
            /// `"skip-port-on-success"`, `"skip-set-event"`.
            modes: Vec<String> => Flags<NotificationModes>,
        },
        /// Associates a file with a completion port.
        CreateIoCompletionPort = "CreateIoCompletionPort" {
            /// The file.
            file: String => File,
            /// The port.
            port: String => Port,
            /// The key of its packets.
            key: u64,
        },
        /// Posts a packet to a completion port.
        PostQueuedCompletionStatus = "PostQueuedCompletionStatus" {
            /// The port.
            port: String => Port,
            /// The bytes that the packet tells.
            bytes: u32,
            /// The key that the packet tells.
            key: u64,
            /// The OVERLAPPED that the packet tells; null when left out.
            overlapped: Option<String> => OrNull<Overlapped>,
        },
        /// Takes a packet from a completion port.
        GetQueuedCompletionStatus = "GetQueuedCompletionStatus" {
            /// The port.
            port: String => Port,
            /// How long to wait for one.
            ms: Timeout,
        },
        /// Reads from a file.
        NtReadFile = "NtReadFile" {
            /// The file.
            file: String => File,
            /// The most bytes to read.
            bytes: u32,
            /// The event that completion signals.
            event: Option<String> => OrNull<Event>,
            /// The routine that completion queues.
            routine: Option<String> => OrNull<Routine>,
            /// What the routine or the packet is given: a number, or the name of an OVERLAPPED.
            context: Option<Value>,
            /// The I/O status block.
            iosb: String => Iosb,
        },
        /// Writes to a file.
        NtWriteFile = "NtWriteFile" {
            /// The file.
            file: String => File,
            /// How many bytes to write.
            bytes: u32,
            /// The event that completion signals.
            event: Option<String> => OrNull<Event>,
            /// The routine that completion queues.
            routine: Option<String> => OrNull<Routine>,
            /// What the routine or the packet is given: a number, or the name of an OVERLAPPED.
            context: Option<Value>,
            /// The I/O status block.
            iosb: String => Iosb,
        },
        /// Sends a control code to a file system.
        NtFsControlFile = "NtFsControlFile" {
            /// The file.
            file: String => File,
            /// The control code: a number, or its name, as `"FSCTL_PIPE_LISTEN"`.
            code: Value,
            /// The size of the output buffer.
            bytes: u32 = 0,
            /// The event that completion signals.
            event: Option<String> => OrNull<Event>,
            /// The routine that completion queues.
            routine: Option<String> => OrNull<Routine>,
            /// What the routine or the packet is given: a number, or the name of an OVERLAPPED.
            context: Option<Value>,
            /// The I/O status block.
            iosb: String => Iosb,
        },
        /// Sends a control code to a device.
        NtDeviceIoControlFile = "NtDeviceIoControlFile" {
            /// The file.
            file: String => File,
            /// The control code: a number, or its name.
            code: Value,
            /// The size of the output buffer.
            bytes: u32 = 0,
            /// The event that completion signals.
            event: Option<String> => OrNull<Event>,
            /// The routine that completion queues.
            routine: Option<String> => OrNull<Routine>,
            /// What the routine or the packet is given: a number, or the name of an OVERLAPPED.
            context: Option<Value>,
            /// The I/O status block.
            iosb: String => Iosb,
        },
        /// Cancels the calling thread's requests on a file.
        NtCancelIoFile = "NtCancelIoFile" {
            /// The file.
            file: String => File,
        },
        /// Cancels requests of the process on a file.
        NtCancelIoFileEx = "NtCancelIoFileEx" {
            /// The file.
            file: String => File,
            /// The I/O status block of the request; all requests when left out.
            iosb: Option<String> => OrNull<Iosb>,
        },
        /// Posts a packet with a status to a completion port.
        NtSetIoCompletion = "NtSetIoCompletion" {
            /// The port.
            port: String => Port,
            /// The key that the packet tells.
            key: u64,
            /// The value that the packet tells: a number, or the name of an OVERLAPPED.
            value: Value,
            /// The status that the packet tells.
            status: String => StatusName,
            /// The information that the packet tells.
            information: u32,
        },
        /// Takes a packet from a completion port.
        NtRemoveIoCompletion = "NtRemoveIoCompletion" {
            /// The port.
            port: String => Port,
            /// How long to wait for one.
            ms: Timeout,
        },
        /// Opens a further handle.
        DuplicateHandle = "DuplicateHandle" {
            /// What the new handle is a handle of.
            object: String => Handled,
            /// The new handle: an object of type `handle`.
            handle: String => Handle,
        },
        /// The device completes a pending request.
        CompleteRequest = "CompleteRequest" {
            /// The device.
            device: String => Device,
            /// The status of the request.
            status: String => StatusName,
            /// Bytes transferred.
            bytes: u32,
            /// The OVERLAPPED or status block of the request; the oldest one when left out.
            overlapped: Option<String> => OrNull<Iosb>,
        },
        /// Gives a thread pool a callback to run.
        TrySubmitThreadpoolCallback = "TrySubmitThreadpoolCallback" {
            /// The pool.
            pool: String => Pool,
            /// The callback.
            routine: String => Routine,
            /// What the callback is given.
            data: u64 = 0,
        },
        /// Gives a thread pool a callback to run (the older function).
        QueueUserWorkItem = "QueueUserWorkItem" {
            /// The pool.
            pool: String => Pool,
            /// The callback.
            routine: String => Routine,
            /// What the callback is given.
            data: u64 = 0,
        },
        /// Sets a pool's timer, once or periodically.
        SetThreadpoolTimer = "SetThreadpoolTimer" {
            /// The timer.
            timer: String => PoolTimer,
            /// When it is due, in milliseconds from now; null to stop it.
            due_ms: Option<u32>,
            /// The period in milliseconds; 0 for once.
            period_ms: u32 = 0,
        },
        /// Makes a pool wait for an object, once.
        SetThreadpoolWait = "SetThreadpoolWait" {
            /// The wait.
            wait: String => PoolWait,
            /// What to wait for; null to stop waiting.
            object: Option<String> => OrNull<Waitable>,
            /// How long.
            ms: Timeout = Timeout::Infinite,
        },
        /// Says that a request on a pool's file is about to be issued.
        StartThreadpoolIo = "StartThreadpoolIo" {
            /// The file's place in the pool.
            io: String => PoolIo,
        },
        /// Initialises an APC object for a thread.
        KeInitializeApc = "KeInitializeApc" {
            /// The APC object, which says the routines and the mode.
            apc: String => Kapc,
            /// The thread to which it will be queued.
            thread: String => Thread,
        },
        /// Queues an APC object to its thread.
        KeInsertQueueApc = "KeInsertQueueApc" {
            /// The APC object.
            apc: String => Kapc,
            /// The boost of a thread that this wakes.
            increment: u8 = 0 => Between<0, 15>,
        },
        /// Takes an APC object back.
        KeRemoveQueueApc = "KeRemoveQueueApc" {
            /// The APC object.
            apc: String => Kapc,
        },
        /// Takes all APC objects of a list back.
        KeFlushQueueApc = "KeFlushQueueApc" {
            /// Whose list.
            thread: String => Thread,
            /// Which of its two lists.
            mode: ProcessorMode,
        },
        /// A kernel routine writes through the pointer that it has to the normal routine: no
        /// function, but something that it does.
        ReplaceNormalRoutine = "ReplaceNormalRoutine" {
            /// What runs instead; null for nothing.
            routine: Option<String> => OrNull<Routine>,
            /// What that is given.
            data: u64 = 0,
        },
        /// Attaches the thread to a process.
        KeStackAttachProcess = "KeStackAttachProcess" {
            /// The process: one that a thread or a handle names.
            process: String,
        },
        /// Comes back from the process that the thread was last attached to.
        KeUnstackDetachProcess = "KeUnstackDetachProcess",
        /// Begins a critical region.
        KeEnterCriticalRegion = "KeEnterCriticalRegion",
        /// Ends a critical region.
        KeLeaveCriticalRegion = "KeLeaveCriticalRegion",
        /// Begins a guarded region.
        KeEnterGuardedRegion = "KeEnterGuardedRegion",
        /// Ends a guarded region.
        KeLeaveGuardedRegion = "KeLeaveGuardedRegion",
        /// Whether the thread is in a critical or guarded region.
        KeAreApcsDisabled = "KeAreApcsDisabled",
        /// Whether no APC at all can be delivered.
        KeAreAllApcsDisabled = "KeAreAllApcsDisabled",
        /// The level at which the caller runs.
        KeGetCurrentIrql = "KeGetCurrentIrql",
        /// Raises the level and returns what it was.
        KeRaiseIrql = "KeRaiseIrql" {
            /// The new level, not below the one that it is.
            irql: Irql,
        },
        /// Lowers the level.
        KeLowerIrql = "KeLowerIrql" {
            /// The new level, not above the one that it is.
            irql: Irql,
        },
        /// Acquires a spin lock and raises to DISPATCH_LEVEL.
        KeAcquireSpinLock = "KeAcquireSpinLock" {
            /// The lock.
            lock: String => SpinLock,
        },
        /// Releases a spin lock and goes back to the level before.
        KeReleaseSpinLock = "KeReleaseSpinLock" {
            /// The lock.
            lock: String => SpinLock,
        },
        /// Keeps an interrupt's service routine away and raises to DIRQL.
        KeAcquireInterruptSpinLock = "KeAcquireInterruptSpinLock" {
            /// The interrupt.
            interrupt: String => Interrupt,
        },
        /// Lets an interrupt's service routine run again and goes back to the level before.
        KeReleaseInterruptSpinLock = "KeReleaseInterruptSpinLock" {
            /// The interrupt.
            interrupt: String => Interrupt,
        },
        /// Acquires a fast mutex, and waits for it.
        ExAcquireFastMutex = "ExAcquireFastMutex" {
            /// The mutex.
            mutex: String => FastMutex,
        },
        /// Acquires a fast mutex if nobody has it, and returns whether it did.
        ExTryToAcquireFastMutex = "ExTryToAcquireFastMutex" {
            /// The mutex.
            mutex: String => FastMutex,
        },
        /// Releases a fast mutex.
        ExReleaseFastMutex = "ExReleaseFastMutex" {
            /// The mutex.
            mutex: String => FastMutex,
        },
        /// Acquires a fast mutex, and leaves it to the caller to hold APCs back.
        ExAcquireFastMutexUnsafe = "ExAcquireFastMutexUnsafe" {
            /// The mutex.
            mutex: String => FastMutex,
        },
        /// Releases a fast mutex that was acquired so.
        ExReleaseFastMutexUnsafe = "ExReleaseFastMutexUnsafe" {
            /// The mutex.
            mutex: String => FastMutex,
        },
        /// Acquires a guarded mutex, and waits for it.
        KeAcquireGuardedMutex = "KeAcquireGuardedMutex" {
            /// The mutex.
            mutex: String => GuardedMutex,
        },
        /// Acquires a guarded mutex if nobody has it, and returns whether it did.
        KeTryToAcquireGuardedMutex = "KeTryToAcquireGuardedMutex" {
            /// The mutex.
            mutex: String => GuardedMutex,
        },
        /// Releases a guarded mutex.
        KeReleaseGuardedMutex = "KeReleaseGuardedMutex" {
            /// The mutex.
            mutex: String => GuardedMutex,
        },
        /// Acquires a guarded mutex, and leaves it to the caller to hold APCs back.
        KeAcquireGuardedMutexUnsafe = "KeAcquireGuardedMutexUnsafe" {
            /// The mutex.
            mutex: String => GuardedMutex,
        },
        /// Releases a guarded mutex that was acquired so.
        KeReleaseGuardedMutexUnsafe = "KeReleaseGuardedMutexUnsafe" {
            /// The mutex.
            mutex: String => GuardedMutex,
        },
        /// Waits for one object, in kernel code.
        KeWaitForSingleObject = "KeWaitForSingleObject" {
            /// What to wait for.
            object: String => KernelWaitable,
            /// How long.
            ms: Timeout = Timeout::Infinite,
            /// On whose behalf: only UserMode waits are ended by user APCs.
            mode: ProcessorMode = ProcessorMode::Kernel,
            /// Whether alerts, and in UserMode user APCs, end it.
            alertable: bool = false,
        },
        /// Waits for one or all of several objects, in kernel code.
        KeWaitForMultipleObjects = "KeWaitForMultipleObjects" {
            /// What to wait for, in order.
            objects: Vec<String> => KernelWaitable,
            /// Whether all must be signaled at once.
            all: bool,
            /// How long.
            ms: Timeout = Timeout::Infinite,
            /// On whose behalf: only UserMode waits are ended by user APCs.
            mode: ProcessorMode = ProcessorMode::Kernel,
            /// Whether alerts, and in UserMode user APCs, end it.
            alertable: bool = false,
        },
        /// Waits for a time, in kernel code.
        KeDelayExecutionThread = "KeDelayExecutionThread" {
            /// How long.
            ms: Timeout,
            /// On whose behalf: only UserMode waits are ended by user APCs.
            mode: ProcessorMode = ProcessorMode::Kernel,
            /// Whether alerts, and in UserMode user APCs, end it.
            alertable: bool = false,
        },
        /// Signals an event and returns what it was.
        KeSetEvent = "KeSetEvent" {
            /// The event.
            event: String => Event,
            /// The boost of a thread that this wakes.
            increment: u8 = 0 => Between<0, 15>,
        },
        /// Unsignals an event and returns what it was.
        KeResetEvent = "KeResetEvent" {
            /// The event.
            event: String => Event,
        },
        /// Releases the waiters of an event, unsignals it and returns what it was.
        KePulseEvent = "KePulseEvent" {
            /// The event.
            event: String => Event,
            /// The boost of a thread that this wakes.
            increment: u8 = 0 => Between<0, 15>,
        },
        /// Whether an event is signaled.
        KeReadStateEvent = "KeReadStateEvent" {
            /// The event.
            event: String => Event,
        },
        /// Gives up a mutex once.
        KeReleaseMutex = "KeReleaseMutex" {
            /// The mutex.
            mutex: String => AnyMutex,
        },
        /// Adds to a semaphore's count and returns what it was.
        KeReleaseSemaphore = "KeReleaseSemaphore" {
            /// The semaphore.
            semaphore: String => Semaphore,
            /// How much to add.
            count: i32 = 1,
        },
        /// Takes back an alert, or makes queued user APCs due.
        KeTestAlertThread = "KeTestAlertThread" {
            /// Which alert.
            mode: ProcessorMode,
        },
        /// Alerts a thread and returns whether it was alerted.
        KeAlertThread = "KeAlertThread" {
            /// The thread to alert.
            thread: String => Thread,
            /// Which alert.
            mode: ProcessorMode,
        },
        /// Sets a timer, and returns whether it was set before.
        KeSetTimerEx = "KeSetTimerEx" {
            /// The timer.
            timer: String => Timer,
            /// When it is due, in milliseconds from now.
            due_ms: u32,
            /// The period in milliseconds; 0 for once.
            period_ms: u32 = 0,
            /// What is queued each time.
            dpc: Option<String> => OrNull<Dpc>,
        },
        /// Stops a timer and returns whether it was set.
        KeCancelTimer = "KeCancelTimer" {
            /// The timer.
            timer: String => Timer,
        },
        /// Queues a DPC.
        KeInsertQueueDpc = "KeInsertQueueDpc" {
            /// The DPC.
            dpc: String => Dpc,
        },
        /// Takes a DPC back.
        KeRemoveQueueDpc = "KeRemoveQueueDpc" {
            /// The DPC.
            dpc: String => Dpc,
        },
        /// Starts a system thread whose `start` is `later`.
        PsCreateSystemThread = "PsCreateSystemThread" {
            /// The thread.
            thread: String => Thread,
        },
        /// Ends the calling system thread.
        PsTerminateSystemThread = "PsTerminateSystemThread" {
            /// Its exit status.
            status: String = "STATUS_SUCCESS".to_owned() => StatusName,
        },
        /// Allocates a request packet.
        IoAllocateIrp = "IoAllocateIrp" {
            /// Where its address is kept.
            irp: String => Irp,
            /// How many stack locations it has.
            stack: u8 = 1 => Between<1, 4>,
        },
        /// Builds a request packet that its driver has to free.
        IoBuildAsynchronousFsdRequest = "IoBuildAsynchronousFsdRequest" {
            /// Where its address is kept.
            irp: String => Irp,
            /// The device that it will be sent to.
            device: String => Device,
            /// The I/O status block.
            iosb: String => Iosb,
        },
        /// Builds a request packet that belongs to the calling thread.
        IoBuildDeviceIoControlRequest = "IoBuildDeviceIoControlRequest" {
            /// Where its address is kept.
            irp: String => Irp,
            /// The device that it will be sent to.
            device: String => Device,
            /// The event that completion signals.
            event: String => Event,
            /// The I/O status block.
            iosb: String => Iosb,
        },
        /// Builds a request packet that is a part of another one, the master, which is complete when
        /// all its parts are. It counts as one from here on (`AssociatedIrp.IrpCount`).
        IoMakeAssociatedIrp = "IoMakeAssociatedIrp" {
            /// The place of the master; the request packet that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// Where the address of the part is kept.
            to: String => Irp,
            /// How many stack locations it has.
            stack: u8 = 1 => Between<1, 4>,
        },
        /// Writes the status block of a request packet: no function, but what drivers do.
        SetIoStatus = "SetIoStatus" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// The status.
            status: String => StatusName,
            /// Bytes transferred.
            bytes: u32 = 0,
        },
        /// Makes a request packet as new.
        IoReuseIrp = "IoReuseIrp" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Frees a request packet.
        IoFreeIrp = "IoFreeIrp" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Sends a request packet to a device, and returns what its dispatch routine returns.
        IoCallDriver = "IoCallDriver" {
            /// The device.
            device: String => Device,
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Gives the next driver a stack location like one's own.
        IoCopyCurrentIrpStackLocationToNext = "IoCopyCurrentIrpStackLocationToNext" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Gives the next driver one's own stack location.
        IoSkipCurrentIrpStackLocation = "IoSkipCurrentIrpStackLocation" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Sets the routine that runs when a lower driver has completed the request.
        IoSetCompletionRoutine = "IoSetCompletionRoutine" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// The routine; null for none.
            routine: Option<String> => OrNull<Routine>,
            /// When it runs: `"success"`, `"error"`, `"cancel"`; always when left out.
            on: Vec<String> = Vec::new() => Flags<CompletionCases>,
        },
        /// Marks a request as pending.
        IoMarkIrpPending = "IoMarkIrpPending" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// Only if the driver below has (`Irp->PendingReturned`).
            if_pending: bool = false,
        },
        /// Completes a request.
        IoCompleteRequest = "IoCompleteRequest" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// Its status; the one that it has when left out.
            status: Option<String> => OrNull<StatusName>,
            /// Bytes transferred.
            bytes: u32 = 0,
            /// The boost of the thread that issued it.
            increment: u8 = 0 => Between<0, 15>,
        },
        /// Sets or takes back a cancel routine, and returns whether there was one.
        IoSetCancelRoutine = "IoSetCancelRoutine" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// The routine; null to take it back.
            routine: Option<String> => OrNull<Routine>,
        },
        /// Asks for the cancellation of a request, and returns whether there was a cancel routine.
        IoCancelIrp = "IoCancelIrp" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Whether the cancellation of a request was asked for: no function, but a look at
        /// `Irp->Cancel`.
        IrpCancel = "IrpCancel" {
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Acquires the system's cancel spin lock.
        IoAcquireCancelSpinLock = "IoAcquireCancelSpinLock",
        /// Releases the system's cancel spin lock.
        IoReleaseCancelSpinLock = "IoReleaseCancelSpinLock",
        /// Keeps the address of a request packet: no function, but what drivers do.
        SaveIrp = "SaveIrp" {
            /// Where it is kept.
            to: String => Irp,
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Puts a request packet at the end of a queue.
        InsertTailList = "InsertTailList" {
            /// The queue.
            queue: String => IrpQueue,
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Takes the first request packet out of a queue, and returns whether there was one.
        RemoveHeadList = "RemoveHeadList" {
            /// The queue.
            queue: String => IrpQueue,
            /// Where its address is kept.
            to: String => Irp,
        },
        /// Takes a request packet out of a queue, and returns whether it was there.
        RemoveEntryList = "RemoveEntryList" {
            /// The queue.
            queue: String => IrpQueue,
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Puts a request packet into a cancel-safe queue, which marks it pending and completes it
        /// when it is cancelled.
        IoCsqInsertIrp = "IoCsqInsertIrp" {
            /// The queue.
            queue: String => IrpQueue,
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
        },
        /// Takes the next request packet out of a cancel-safe queue, and returns whether there was
        /// one.
        IoCsqRemoveNextIrp = "IoCsqRemoveNextIrp" {
            /// The queue.
            queue: String => IrpQueue,
            /// Where its address is kept.
            to: String => Irp,
            /// Only one of the file whose cleanup routine makes the call.
            of_file: bool = false,
        },
        /// Gives a request to the StartIo routine of a device, or queues it while the device is
        /// busy.
        IoStartPacket = "IoStartPacket" {
            /// The device.
            device: String => Device,
            /// The place of the request packet; the one that the routine was given when left out.
            irp: Option<String> => OrNull<Irp>,
            /// The cancel routine that the request gets.
            cancel: Option<String> => OrNull<Routine>,
        },
        /// Gives the next queued request to the StartIo routine of a device, which is not busy
        /// without one.
        IoStartNextPacket = "IoStartNextPacket" {
            /// The device.
            device: String => Device,
        },
        /// Queues the DPC of a device, and returns whether it was not queued.
        IoRequestDpc = "IoRequestDpc" {
            /// The device.
            device: String => Device,
        },
        /// A device interrupts: no function, but what happens outside.
        RaiseInterrupt = "RaiseInterrupt" {
            /// The interrupt.
            interrupt: String => Interrupt,
        },
        /// Ends a driver's routine: no function, but its return.
        Return = "Return" {
            /// What it returns; what the latest IoCallDriver of the routine returned when left out.
            status: Option<String> => OrNull<StatusName>,
        },
        /// Takes packets from a completion port.
        GetQueuedCompletionStatusEx = "GetQueuedCompletionStatusEx" {
            /// The port.
            port: String => Port,
            /// The most packets to take.
            max: u32,
            /// How long to wait for the first.
            ms: Timeout,
            /// Whether user APCs may run and end the wait.
            alertable: bool,
        },
    }
}

//! The registry of deviations.

use super::{Deviations, Entry, Kind};
use crate::rule::apc::*;
use crate::rule::cancel::*;
use crate::rule::exit::*;
use crate::rule::io::*;
use crate::rule::iocp::*;
use crate::rule::irp::*;
use crate::rule::thread::*;
use crate::rule::threadpool::*;
use crate::rule::timer::*;
use crate::rule::wait::*;

macro_rules! deviations {
    ($($name:ident $id:literal $kind:ident [$($rule:ident),*] $statement:literal)*) => {
        /// A named change of a rule.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Deviation {
            $(#[doc = $statement] $name,)*
        }

        impl Deviation {
            /// Every deviation.
            pub const ALL: &[Deviation] = &[$(Deviation::$name),*];

            /// Its entry in the registry.
            pub fn entry(self) -> &'static Entry {
                &ENTRIES[self as usize]
            }

            pub(super) const fn bit(self) -> u128 {
                1 << self as u8
            }
        }

        static ENTRIES: &[Entry] = &[$(Entry {
            id: $id,
            statement: $statement,
            rules: &[$($rule),*],
            kind: Kind::$kind,
        }),*];
    };
}

deviations! {
    ApcWakesLate "apc-wakes-late" System [APC_I_13, WAIT_10, WAIT_13]
        "Queueing an APC does not end an alertable wait at once: the wait is looked at again \
         later, and an object signaled in between wins."
    InterruptedWaitKeepsPlace "interrupted-wait-keeps-place" System [WAIT_24, THR_17, THR_19]
        "A thread that is suspended and resumed in a wait keeps its place among the waiters."
    WaitAllInPlace "wait-all-in-place" System [WAIT_35, WAIT_36, WAIT_37]
        "The signaller tests a wait for all in place: it satisfies the waiter or leaves it where \
         it is (Windows 2000, Wine)."
    WaitAllRepeats "wait-all-repeats" System [WAIT_39]
        "A wait for all accepts the same object twice."
    AbandonedReleaseFails "abandoned-release-fails" System [WAIT_64]
        "ReleaseMutex of an abandoned mutex that nobody has acquired fails with ERROR_NOT_OWNER."
    SemaphoreReleaseOfZero "semaphore-release-of-zero" System [WAIT_73]
        "ReleaseSemaphore with a count of 0 succeeds, and a negative count counts as too many."
    TimerSetKeepsSignal "timer-set-keeps-signal" System [TIMER_05]
        "Setting a signaled synchronization timer leaves it signaled."
    TimerNegativePeriod "timer-negative-period" System [TIMER_09]
        "A negative timer period is accepted and means none."
    TimerApcMovesToTail "timer-apc-moves-to-tail" System [TIMER_16]
        "A periodic timer that expires with its APC still queued moves the APC to the tail."
    TimerManualApcOnce "timer-manual-apc-once" System [TIMER_20]
        "A periodic manual-reset timer queues its APC only while it is not signaled."
    TimerOutlivesSetter "timer-outlives-setter" System [TIMER_28]
        "A timer whose setter has ended still expires; only its APC is lost."
    TimerCloseDropsApc "timer-close-drops-apc" System [TIMER_30]
        "Closing the last handle of a timer before it expires drops its APC."
    NoAlerts "no-alerts" System [ALERT_01]
        "NtAlertThread is not implemented."
    NoSpecialApcs "no-special-apcs" System [APC_X_01]
        "Special user APCs are not implemented."
    SignalAndWaitAtomic "signal-and-wait-atomic" System [WAIT_78]
        "Signal and wait of SignalObjectAndWait are one step (Windows before 7, Wine)."
    ExitAtOnce "exit-at-once" System [THR_33, THR_34]
        "A thread's exit is one step as far as others can tell."
    SuspendStopsAtOnce "suspend-stops-at-once" Option [THR_14]
        "SuspendThread returns when the target has stopped."
    TerminateEndsAtOnce "terminate-ends-at-once" System [THR_14, THR_26]
        "TerminateThread returns when the target has ended."
    TerminationKeepsSuspendCount "termination-keeps-suspend-count" System [THR_25]
        "Termination leaves the suspend count of its thread alone."
    NoFileLock "no-file-lock" System [IO_03, IO_04, IO_05]
        "Calls on one synchronous file are not serialised, and closing it does not wait."
    WarningReturnedWithPort "warning-returned-with-port" System [IO_15]
        "A warning that a request on a port's file ends with at once is returned as such          (Windows 7, Wine)."
    AlertedRequestReturnsApc "alerted-request-returns-apc" System [IO_27]
        "A synchronous request that an APC interrupts returns STATUS_USER_APC and stays pending."
    FastIoQueuesApc "fast-io-queues-apc" System [IRP_61]
        "A cached read or write on a synchronous file queues its APC."
    AgnosticBlockAtCompletion "agnostic-block-at-completion" System [IRP_42, IOCP_24, CAN_33]
        "The status block of a request whose packet waits in a port is written when it completes          (Windows before Vista, Wine)."
    SynchronousFileNotSet "synchronous-file-not-set" System [IRP_50]
        "A synchronous request with an event does not set the file as well."
    CancelOfNothingSucceeds "cancel-of-nothing-succeeds" System [CAN_17]
        "CancelIoEx without an OVERLAPPED succeeds when there is nothing to cancel."
    CancelTakesNewestFirst "cancel-takes-newest-first" System [CAN_17, CAN_24]
        "CancelIoEx without an OVERLAPPED cancels the newest request first, whatever thread made \
         it, not the requests of one thread after the other's."
    OldestRemoverFirst "oldest-remover-first" System [IOCP_26]
        "A packet is handed to the thread that has waited longest."
    NoPortConcurrency "no-port-concurrency" System [IOCP_01, IOCP_25, IOCP_28, IOCP_29, IOCP_30]
        "A port hands out packets whatever its concurrency value is."
    PacketBeforeApc "packet-before-apc" System [IOCP_22]
        "An alertable removal takes a packet before it looks for APCs, whatever port the thread \
         used before."
    ClosedPortKeepsWaiters "closed-port-keeps-waiters" System [IOCP_42, IOCP_43]
        "Threads go on waiting when the last handle of their port is closed (Windows before \
         Vista, Wine)."
    RepeatedWaitChecksHandles "repeated-wait-checks-handles" System [WAIT_21, WAIT_43]
        "A wait that is looked at again after an APC fails if its handle has been closed."
    RemoversFetchPackets "removers-fetch-packets" System [IOCP_25, IOCP_26, IOCP_28, IOCP_33, IOCP_39, IOCP_41]
        "A packet stays in its port and wakes one waiter, of whichever kind; a thread that waits \
         for packets takes it when it runs, unless another one was faster, and then waits again. \
         No limit holds it back."
    LateTerminationSetsCode "late-termination-sets-code" System [THR_29]
        "TerminateThread of a thread that has ended changes its exit code."
    SynchronousErrorNotifies "synchronous-error-notifies" System [IO_23, IRP_45, IRP_57]
        "A synchronous request that fails after it has blocked sets its event and queues its \
         routine, though it leaves the status block alone."
    SkipModeSkipsWarnings "skip-mode-skips-warnings" System [IO_43]
        "With skip-port-on-success a warning that comes at once is not posted."
    FileClearedWhenPending "file-cleared-when-pending" System [IO_07, IO_08, IO_17]
        "A request clears its file's event when it pends, not when it is issued: one that fails \
         at once leaves it set."
    RefusedRoutineClearsEvent "refused-routine-clears-event" System [IO_10, IO_12]
        "A routine on a file with a port is refused only after the event has been cleared."
    OrphansFinishLate "orphans-finish-late" System
        [IRP_37, EXIT_01, EXIT_03, EXIT_04, EXIT_08, EXIT_10, EXIT_24, THR_35]
        "A thread does not wait for its requests when it ends; what tells of their end comes \
         some time later."
    ExtendedCallFailsOnWarning "extended-call-fails-on-warning" System [IO_46]
        "ReadFileEx and WriteFileEx fail where their request ends with a warning at once; the \
         routine runs all the same."
    PortWakesOneWaiter "port-wakes-one-waiter" System [IOCP_40]
        "A packet releases one of the threads that wait for the port itself."

    IdleWorkersAreAlertable "idle-workers-are-alertable" Option [TP_03]
        "A pool's thread that waits for work runs the user APCs that are queued to it."
    CancelIoReturnsAtOnce "cancel-io-returns-at-once" Option [CAN_20]
        "CancelIo does not wait for the requests that it has cancelled."
    AlertKeepsSignal "alert-keeps-signal" Option [ALERT_07]
        "SignalObjectAndWait that is alerted waits again without signaling again."
    AlertSparesChain "alert-spares-chain" Option [ALERT_10]
        "An alert that arrives while APCs run does not stop the chain."
    SpecialOpensDoor "special-opens-door" Option [APC_X_07]
        "After a special user APC the regular ones follow, without an alertable wait."

    ApcLifo "apc-lifo" Mistake [APC_I_04, APC_U_03]
        "User APCs run newest first."
    ApcAtPlainWait "apc-at-plain-wait" Mistake [APC_U_02, WAIT_11]
        "Any wait runs user APCs."
    ApcQueuedTwice "apc-queued-twice" Mistake [APC_I_03, APC_U_15]
        "An APC that is queued to a thread without others is queued twice."
    ApcOnePerWait "apc-one-per-wait" Mistake [APC_U_03, APC_U_06]
        "One alertable wait runs one APC."
    ApcLostAtObject "apc-lost-at-object" Mistake [APC_U_14, WAIT_14]
        "A wait that its object ends discards the user APCs that are queued."
    ApcIgnoredAtEntry "apc-ignored-at-entry" Mistake [WAIT_04, APC_U_08]
        "An alertable wait does not look for APCs that were queued before it."
    ApcBeforeObject "apc-before-object" Mistake [WAIT_02, WAIT_07]
        "An alertable wait looks for APCs before it looks at its objects."
    AutoResetReleasesAll "auto-reset-releases-all" Mistake [WAIT_46, WAIT_48]
        "A satisfied wait does not reset an auto-reset event."
    NewestWaiterFirst "newest-waiter-first" Mistake [WAIT_08, WAIT_49]
        "The newest waiter of an object is released first."
    WaitAllPiecemeal "wait-all-piecemeal" Mistake [WAIT_32, WAIT_33]
        "A wait for all takes what is signaled when it begins and waits for the rest."
    MutexOwnerUnchecked "mutex-owner-unchecked" Mistake [WAIT_57]
        "Any thread can release a mutex that another one owns."
    MutexNotAbandoned "mutex-not-abandoned" Mistake [WAIT_60]
        "A thread that ends keeps its mutexes."
    MutexNotTaken "mutex-not-taken" Mistake [WAIT_55]
        "A wait that a mutex satisfies does not make its thread the owner."
    SemaphoreUnbounded "semaphore-unbounded" Mistake [WAIT_72]
        "A semaphore's count can pass its maximum."
    TimerCancelKeepsApc "timer-cancel-keeps-apc" Mistake [TIMER_24]
        "Cancelling or setting a timer leaves its queued APC."
    TimerApcToFirstThread "timer-apc-to-first-thread" Mistake [TIMER_12]
        "A timer's APC goes to the first thread of the program, whoever set the timer."
    RestartForgetsTimeout "restart-forgets-timeout" Mistake [WAIT_22]
        "A wait that is interrupted and restarted has no time-out any more."
    SignalWakesNobody "signal-wakes-nobody" Mistake [WAIT_16, WAIT_75]
        "Setting an event does not look for waiters."
    SuspensionIgnored "suspension-ignored" Mistake [THR_09, THR_18]
        "A suspended thread runs on."
    TimerApcAccumulates "timer-apc-accumulates" Mistake [TIMER_16, APC_I_01]
        "Each expiry of a periodic timer queues one more APC."
    ExitKeepsApcs "exit-keeps-apcs" Mistake [APC_U_23]
        "The APCs of a thread that has ended stay queued."
    EventBeforeStatusBlock "event-before-status-block" Mistake [IRP_44, IO_33]
        "A request's event is set before its status block is written."
    CompletionApcLost "completion-apc-lost" Mistake [IRP_52, IO_36]
        "A completed request does not queue its routine."
    CompletionApcTwice "completion-apc-twice" Mistake [IRP_52, IO_46]
        "A completed request queues its routine twice."
    PacketLost "packet-lost" Mistake [IOCP_10, IOCP_12]
        "Packets do not reach their port."
    PacketDoubled "packet-doubled" Mistake [IOCP_10, IOCP_25]
        "A packet that nobody waits for is queued twice."
    PortWaitRunsApcs "port-wait-runs-apcs" Mistake [IO_42, IOCP_23]
        "Every wait for a packet is alertable."
    PortIgnoresLimit "port-ignores-limit" Mistake [IOCP_28]
        "A running thread's removal takes a packet whatever the port's limit says."
    ExitKeepsIrps "exit-keeps-irps" Mistake [EXIT_01, EXIT_03]
        "A thread that ends leaves its requests pending."
    CancelKeepsRequest "cancel-keeps-request" Mistake [CAN_05, CAN_08]
        "A cancel routine completes the request and leaves it with its device."
    IrpNotFreed "irp-not-freed" Mistake [IRP_44, IRP_53, IRP_55]
        "A request packet is not freed when nothing needs it any more."
    KernelApcFifo "kernel-apc-fifo" Mistake [APC_I_05]
        "Special kernel APCs queue up behind normal ones."
    KapcInsertedTwice "kapc-inserted-twice" Mistake [APC_I_01]
        "An APC object that is queued can be queued again."
    CriticalRegionIgnored "critical-region-ignored" Mistake [APC_K_04, APC_K_12]
        "Normal kernel APCs are delivered in critical regions."
    CriticalRegionMasksSpecial "critical-region-masks-special" Mistake [APC_K_03, APC_K_12]
        "Critical regions hold special kernel APCs back too."
    GuardedRegionIgnored "guarded-region-ignored" Mistake [APC_K_02, APC_K_13]
        "Kernel APCs are delivered in guarded regions."
    ApcLevelIgnored "apc-level-ignored" Mistake [APC_K_18]
        "Kernel APCs are delivered at APC_LEVEL."
    NormalApcsNest "normal-apcs-nest" Mistake [APC_K_04, APC_K_06]
        "A normal kernel APC interrupts the normal routine of another."
    NormalRoutineAtApcLevel "normal-routine-at-apc-level" Mistake [APC_K_05, APC_S_03]
        "Normal routines of kernel APCs run at APC_LEVEL."
    UserApcsFirst "user-apcs-first" Mistake [APC_K_01, APC_K_21]
        "A user APC that is due comes before the kernel APCs."
    FastMutexKeepsApcs "fast-mutex-keeps-apcs" Mistake [APC_K_23]
        "Acquiring a fast or guarded mutex does not hold back APCs."
    EveryApcStateInForce "every-apc-state-in-force" Mistake [APC_S_09]
        "A kernel APC for the process of a thread reaches it in a process that it is attached to."
    MaskedApcWakes "masked-apc-wakes" Mistake [APC_I_11, APC_I_12]
        "A kernel APC takes its thread out of a wait although it cannot be delivered."
    ExitRunsApcs "exit-runs-apcs" Mistake [APC_U_23, THR_34]
        "A thread that ends by itself runs its queued APCs on the way out."
}

/// What Wine 8.0 does otherwise.
pub(super) const WINE_8_0: Deviations = Deviations::NONE
    .with(Deviation::ApcWakesLate)
    .with(Deviation::InterruptedWaitKeepsPlace)
    .with(Deviation::WaitAllInPlace)
    .with(Deviation::WaitAllRepeats)
    .with(Deviation::AbandonedReleaseFails)
    .with(Deviation::SemaphoreReleaseOfZero)
    .with(Deviation::TimerSetKeepsSignal)
    .with(Deviation::TimerNegativePeriod)
    .with(Deviation::TimerApcMovesToTail)
    .with(Deviation::TimerManualApcOnce)
    .with(Deviation::TimerOutlivesSetter)
    .with(Deviation::TimerCloseDropsApc)
    .with(Deviation::NoAlerts)
    .with(Deviation::NoSpecialApcs)
    .with(Deviation::SignalAndWaitAtomic)
    .with(Deviation::ExitAtOnce)
    .with(Deviation::TerminateEndsAtOnce)
    .with(Deviation::TerminationKeepsSuspendCount)
    .with(Deviation::NoFileLock)
    .with(Deviation::WarningReturnedWithPort)
    .with(Deviation::AlertedRequestReturnsApc)
    .with(Deviation::FastIoQueuesApc)
    .with(Deviation::AgnosticBlockAtCompletion)
    .with(Deviation::SynchronousFileNotSet)
    .with(Deviation::CancelOfNothingSucceeds)
    .with(Deviation::CancelTakesNewestFirst)
    .with(Deviation::OldestRemoverFirst)
    .with(Deviation::NoPortConcurrency)
    .with(Deviation::PacketBeforeApc)
    .with(Deviation::ClosedPortKeepsWaiters)
    .with(Deviation::PortWakesOneWaiter)
    .with(Deviation::RepeatedWaitChecksHandles)
    .with(Deviation::RemoversFetchPackets)
    .with(Deviation::LateTerminationSetsCode)
    .with(Deviation::SynchronousErrorNotifies)
    .with(Deviation::SkipModeSkipsWarnings)
    .with(Deviation::FileClearedWhenPending)
    .with(Deviation::RefusedRoutineClearsEvent)
    .with(Deviation::OrphansFinishLate)
    .with(Deviation::ExtendedCallFailsOnWarning)
    .with(Deviation::CancelIoReturnsAtOnce);

const _: () = assert!(Deviation::ALL.len() <= 128, "a set of deviations has 128 bits");

//! The end of threads and processes: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::iocp::END;
    EXIT_01 "EXIT-01" Kernel SourceDerived {
        statement: "Order of relevant steps in a user thread's exit: mark as exiting → \
            (subsystem callouts) → cancel and await the thread's IRPs → timer rundown → mutex \
            abandonment → user-mode structures freed → exit status and time stored → if last \
            thread: process exit and handle-table rundown → APC queueing disabled → user APC \
            queue flushed → kernel APC queue verified empty → thread object signalled.",
        observe: "trace",
        sources: "R-kill",
        note: "",
        divergence: "",
    }
    EXIT_02 "EXIT-02" Kernel SourceDerived {
        statement: "The thread cancels its own requests in its own context (termination from \
            outside is only an APC that makes it do so), so a thread that cannot reach that code \
            — for instance one stuck in a non-interruptible kernel wait — cancels nothing.",
        observe: "TerminateThread on a thread inside a non-alertable kernel-mode wait",
        sources: "R-kill, R-irp `IoCancelThreadIo`",
        note: "",
        divergence: "",
    }
    EXIT_03 "EXIT-03" Kernel SourceDerived {
        statement: "Every IRP on the thread's list gets `IoCancelIrp`, newest first, at \
            APC_LEVEL (no second stage can run during the sweep); then the thread repeatedly \
            lowers to PASSIVE_LEVEL and sleeps 100 ms in kernel mode, non-alertably, until the \
            list is empty.",
        observe: "cancelled completions' second stages appear after the whole sweep, in \
            completion order",
        sources: "R-irp `IoCancelThreadIo`",
        note: "",
        divergence: "Interval is an implementation detail; a model can use \"until empty\".",
    }
    EXIT_04 "EXIT-04" UserApi Tested {
        statement: "Consequently the second stages of the cancelled requests run in the dying \
            thread: buffered data copied, IOSB written (STATUS_CANCELLED or whatever the driver \
            chose), user event or file event signalled, packets posted; other threads see these \
            effects before the thread object becomes signalled.",
        observe: "after waiting for the thread: IOSB = 0xC0000120 and event set, for every \
            combination of event/routine/context on an unbound handle, for normal return and for \
            TerminateThread alike",
        sources: "W-afd `test_async_thread_termination`; obs",
        note: "",
        divergence: "",
    }
    EXIT_05 "EXIT-05" UserApi Tested {
        statement: "The only requests not cancelled are thread-agnostic ones (port bound at \
            issue, APC context non-NULL, no event): their IOSB stays untouched, no packet \
            appears, and they later complete normally or can be cancelled by CancelIoEx from \
            another thread.",
        observe: "thread issues and exits; peer writes: packet with status 0 arrives; or \
            CancelIoEx: packet with 0xC0000120",
        sources: "W-afd `test_async_thread_termination`; blog \"thread agnostic I/O\"; MS \
            \"Asynchronous I/O and Asynchronous RPC\"",
        note: "",
        divergence: "Before Vista they were cancelled too; obs: Wine 8.0 behaves like Vista and \
            later.",
    }
    EXIT_06 "EXIT-06" UserApi Tested {
        statement: "Having a port is not enough: on a bound handle, a request with an event and \
            a context is cancelled at thread exit, its IOSB is written at once and its packet \
            (STATUS_CANCELLED) is posted; a request with a NULL context is cancelled with \
            IOSB/handle signalling and no packet.",
        observe: "rows of the bound-handle matrix",
        sources: "W-afd `test_async_thread_termination`; obs",
        note: "",
        divergence: "",
    }
    EXIT_07 "EXIT-07" Kernel SourceDerived {
        statement: "A thread blocked in a synchronous request exits only after that request has \
            been cancelled and completed (IO-30); data that arrives at the same moment may be \
            consumed by the doomed read.",
        observe: "TerminateThread on blocked reader; then data written stays in the pipe",
        sources: "IO-30; obs",
        note: "source-derived + observed",
        divergence: "",
    }
    EXIT_08 "EXIT-08" Kernel Documented {
        statement: "If a cancelled thread-bound IRP is still not completed after about five \
            minutes (3000 waits of 100 ms), the I/O manager takes it off the list, clears its \
            thread pointer and logs a driver time-out for the device that owns it; the thread \
            then finishes exiting.",
        observe: "virtual time 300 s with a faulty device",
        sources: "MS \"Canceling IRPs\"; R-irp `IopDisassociateThreadIrp`",
        note: "",
        divergence: "\"Windows Internals\" (6th/7th ed.) states instead that thread termination \
            does not proceed until every IRP is finished and the process stays until shutdown; \
            make it a model option, default five minutes.",
    }
    EXIT_09 "EXIT-09" Kernel SourceDerived {
        statement: "Dissociation is skipped for an IRP whose completion walk has already ended \
            (its second stage is just about to run).",
        observe: "completion at exactly the time-out instant",
        sources: "R-irp `IopDisassociateThreadIrp`",
        note: "",
        divergence: "",
    }
    EXIT_10 "EXIT-10" Kernel SourceDerived {
        statement: "A dissociated IRP that is completed later produces no effects at all \
            (IRP-41); in particular it must not write to the dead thread's process memory.",
        observe: "late completion by the faulty device",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    EXIT_11 "EXIT-11" UserApi Tested {
        statement: "User APCs queued by those last completions, like all others still queued, \
            are discarded after APC queueing has been disabled: for an I/O APC the rundown \
            routine just frees the IRP; no user code runs.",
        observe: "ReadFileEx completes (IOSB final), thread exits without an alertable wait: \
            routine never called, count 0",
        sources: "R-kill; W-afd (`test_apc_count` stays 0); obs",
        note: "",
        divergence: "",
    }
    EXIT_12 "EXIT-12" UserApi SourceDerived {
        statement: "The exiting thread never becomes alertable during exit, so a completion \
            routine cannot run \"on the way out\" even if the thread had been sleeping alertably \
            when it was terminated.",
        observe: "TerminateThread on a thread in SleepEx with a ReadFileEx pending: no routine \
            call",
        sources: "R-kill",
        note: "",
        divergence: "",
    }
    EXIT_13 "EXIT-13" UserApi Documented {
        statement: "Completion routines belong to the issuing thread for ever: when that thread \
            is gone the request cannot be handed over to another thread; other threads can only \
            observe IOSB or handle state.",
        observe: "issue from A, exit A, alertable waits in B: nothing",
        sources: "MS \"Alertable I/O\"; EXIT-11",
        note: "",
        divergence: "",
    }
    EXIT_14 "EXIT-14" Kernel SourceDerived {
        statement: "Once APC queueing is disabled, a later attempt to queue any APC to the \
            thread fails; no thread-bound IRP can still need it because the list was emptied \
            first, and a kernel APC left in the queue at this point is a fatal stop (0x20).",
        observe: "invariant check",
        sources: "R-kill",
        note: "",
        divergence: "",
    }
    EXIT_15 "EXIT-15" Kernel Documented {
        statement: "A thread that exits while associated with a completion port leaves the port: \
            it is removed from the port's thread list and, if it counted as active, its slot is \
            given back, which can release another waiting thread for a queued packet.",
        observe: "concurrency 1, thread A took a packet and exits without calling the port \
            again: waiter B gets the next packet",
        sources: "MS \"I/O Completion Ports\" (association ends at exit); R- ntoskrnl/ke/queue.c",
        note: "",
        divergence: "Wine has no active counting.",
    }
    EXIT_16 "EXIT-16" Kernel Inferred {
        statement: "A thread terminated while it waits on a port simply leaves the wait list; no \
            packet is lost unless one had already been handed to it, in which case that packet \
            is gone with the thread.",
        observe: "terminate a waiter, then post",
        sources: "inferred from the direct hand-off (IOCP-25)",
        note: "",
        divergence: "Wine newer than 8.0 stores the handed-over packet in a per-thread wait \
            object and frees it at exit.",
    }
    EXIT_17 "EXIT-17" UserApi Tested {
        statement: "Packets already queued for requests of an exited thread stay in the port and \
            are removed normally by others.",
        observe: "W-afd event+context row: packet removed by the main thread after the issuer is \
            gone",
        sources: "W-afd",
        note: "",
        divergence: "",
    }
    EXIT_18 "EXIT-18" Kernel SourceDerived {
        statement: "Process exit terminates the other threads first; each of them runs the \
            complete thread-exit sequence for its own IRPs, and the handle table is run down by \
            the last thread after it has finished with its own IRPs.",
        observe: "trace of a two-thread process",
        sources: "R-kill",
        note: "",
        divergence: "",
    }
    EXIT_19 "EXIT-19" Kernel Inferred {
        statement: "Handle rundown closes every handle as if by NtClose: it therefore triggers \
            the per-process sweep of thread-agnostic requests (CAN-32), and cleanup/close \
            requests for files nobody else has open; this is how requests that survived their \
            thread are cancelled at process exit.",
        observe: "process with a thread-agnostic read on a handle also open elsewhere exits: the \
            peer device sees the IRP cancelled",
        sources: "CAN-32 + R-kill `ObKillProcess` order",
        note: "",
        divergence: "",
    }
    EXIT_20 "EXIT-20" Kernel SourceDerived missing "The cleanup of every device ends." {
        statement: "Cleanup requests issued during rundown are synchronous and uncancellable \
            from the outside: a driver that does not finish IRP_MJ_CLEANUP blocks process exit \
            without any time-out.",
        observe: "device that never completes cleanup",
        sources: "R-file `IopCloseFile` (untimed kernel wait)",
        note: "",
        divergence: "",
    }
    EXIT_21 "EXIT-21" UserApi Documented {
        statement: "A process with an IRP that is neither completed nor cancellable stays \
            visible as an unkillable process with one remaining thread for as long as the rule \
            of EXIT-08 (or IO-31 for a synchronous request) keeps that thread.",
        observe: "process object not signalled until the IRP ends",
        sources: "\"Windows Internals\" (debugging an unkillable process)",
        note: "",
        divergence: "",
    }
    EXIT_22 "EXIT-22" Driver Documented {
        statement: "Non-threaded, driver-created IRPs are unaffected by anybody's exit; the \
            driver that made them must cancel them itself.",
        observe: "IRP built by a filter with `IoAllocateIrp` survives the exit of the thread in \
            whose context it was built",
        sources: "MS cheat sheet; MS \"IoBuildAsynchronousFsdRequest\"",
        note: "",
        divergence: "",
    }
    EXIT_23 "EXIT-23" Driver Documented {
        statement: "Threaded IRPs created by a driver in the context of a user thread are \
            cancelled when that user thread exits, even if the work they represent is unrelated \
            to the thread.",
        observe: "`IoBuildDeviceIoControlRequest` in a dispatch routine of thread T; T exits",
        sources: "MS \"IoBuildDeviceIoControlRequest\"",
        note: "",
        divergence: "",
    }
    EXIT_24 "EXIT-24" UserApi Tested {
        statement: "The thread object is signalled only after all of the above; waiting for a \
            thread handle is therefore a valid barrier after which every thread-bound request of \
            that thread is finished (or dissociated) and its buffers may be freed.",
        observe: "WaitForSingleObject(thread) then inspect IOSBs",
        sources: "EXIT-01; W-afd asserts the IOSB right after the wait",
        note: "",
        divergence: "Not true for thread-agnostic requests: their buffers must stay valid.",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "exit",
    title: "The end of threads and processes",
    introduction: "What becomes of requests, APCs, packets and handles when the thread that \
        issued them, or its whole process, ends.",
    rules: RULES,
};

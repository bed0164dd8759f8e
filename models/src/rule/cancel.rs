//! Cancellation and closing: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::io::END;
    CAN_01 "CAN-01" Driver Tested {
        statement: "`IoCancelIrp` takes the system-wide cancel lock, sets `Irp->Cancel = TRUE`, \
            atomically exchanges the cancel routine with NULL, and, if there was one, records \
            the old IRQL in `CancelIrql` and calls it with the lock held; it returns TRUE \
            exactly when a routine was called.",
        observe: "return value and flag",
        sources: "W-drv `test_cancel_irp`; R-irp; MS \"IoCancelIrp\"",
        note: "",
        divergence: "",
    }
    CAN_02 "CAN-02" Driver Tested {
        statement: "With no cancel routine present, `IoCancelIrp` only sets the flag and returns \
            FALSE; the flag stays set forever and nothing else happens until the owner looks at \
            it.",
        observe: "two calls on an IRP without routine: FALSE, FALSE, Cancel TRUE",
        sources: "W-drv",
        note: "",
        divergence: "",
    }
    CAN_03 "CAN-03" Driver Tested {
        statement: "The routine is called at most once: a second `IoCancelIrp` finds NULL and \
            returns FALSE, even if the IRP is still not completed.",
        observe: "call count",
        sources: "W-drv `test_cancel_irp`",
        note: "",
        divergence: "",
    }
    CAN_04 "CAN-04" Driver Documented {
        statement: "`Cancel` set and routine NULL therefore means either \"cancelled, nobody \
            listening\" or \"cancel routine running or finished\"; the two are indistinguishable \
            from the IRP alone.",
        observe: "",
        sources: "MS \"Synchronizing IRP Cancellation\" (states only the second reading)",
        note: "",
        divergence: "",
    }
    CAN_05 "CAN-05" Driver Documented {
        statement: "A cancel routine must release the cancel lock with the saved `CancelIrql`, \
            take the IRP out of whatever queue holds it, set status STATUS_CANCELLED and \
            information 0, and complete it outside any spin lock; alternatively it may just \
            release the lock and return if the IRP is about to be completed anyway.",
        observe: "final status",
        sources: "MS \"Points to Consider When Canceling IRPs\"; MS \"Implementing a Cancel \
            Routine\"",
        note: "",
        divergence: "",
    }
    CAN_06 "CAN-06" Kernel SourceDerived {
        statement: "The cancel routine runs in the context of whoever called `IoCancelIrp` (the \
            thread calling CancelIoEx, the exiting thread, another driver), so the first stage \
            of the cancelled request runs there too; the second stage still goes to the issuing \
            thread.",
        observe: "thread identity in the trace",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    CAN_07 "CAN-07" Driver SourceDerived {
        statement: "Finding a cancel routine on an IRP whose completion walk is already finished \
            is a fatal stop (0x48): a driver completed an IRP without clearing its cancel \
            routine.",
        observe: "faulty device that leaves the routine set",
        sources: "R-irp `IoCancelIrp`",
        note: "",
        divergence: "A model should raise a contract violation.",
    }
    CAN_08 "CAN-08" Driver Documented {
        statement: "`IoSetCancelRoutine` is an atomic exchange that returns the previous \
            routine; NULL returned on removal means cancellation has already claimed the IRP and \
            the caller must leave its completion to the cancel routine.",
        observe: "race between dequeue and cancel at one instant: exactly one side completes",
        sources: "MS \"IoSetCancelRoutine\"",
        note: "",
        divergence: "",
    }
    CAN_09 "CAN-09" Driver SourceDerived {
        statement: "Correct queueing order is: mark pending → insert in queue → set cancel \
            routine → test `Cancel`; if it is set, try to take the routine back: non-NULL → \
            remove and complete it yourself with STATUS_CANCELLED, NULL → the cancel routine is \
            already at work, do nothing. Testing first and setting afterwards can lose a cancel.",
        observe: "cancel injected between each pair of steps",
        sources: "R-csq `IoCsqInsertIrpEx`; MS \"Synchronizing IRP Cancellation\"",
        note: "",
        divergence: "",
    }
    CAN_10 "CAN-10" Driver SourceDerived {
        statement: "Cancel-safe queue insertion always marks the IRP pending and never leaves a \
            cancelled IRP in the queue: an IRP that was cancelled before or during insertion is \
            completed as cancelled before the insert call returns (the driver must still return \
            STATUS_PENDING).",
        observe: "insert an IRP with Cancel already TRUE",
        sources: "R-csq; MS \"Cancel-Safe IRP Queues\"",
        note: "",
        divergence: "",
    }
    CAN_11 "CAN-11" Driver SourceDerived {
        statement: "Cancel-safe removal of \"the next\" IRP skips entries whose cancel routine \
            is already gone (they are being cancelled) and returns the first one it manages to \
            make non-cancellable; removal of a specific IRP by context returns NULL if it was \
            already removed or cancelled.",
        observe: "cancel the head of a queue of two just before a dequeue: second one is returned",
        sources: "R-csq `IoCsqRemoveNextIrp`, `IoCsqRemoveIrp`",
        note: "",
        divergence: "",
    }
    CAN_12 "CAN-12" Driver Documented {
        statement: "A driver that passes an IRP down must first make it non-cancellable at its \
            own level; while the IRP is below, only the lower driver's routine (if any) can \
            react, and the upper driver learns of it through its completion routine (register \
            with invoke-on-cancel).",
        observe: "filter + lower driver ignoring cancellation",
        sources: "MS \"Points to Consider When Canceling IRPs\"",
        note: "",
        divergence: "",
    }
    CAN_13 "CAN-13" Driver Documented {
        statement: "A driver that cancels an IRP it created must make sure the IRP is not freed \
            by its own completion routine while `IoCancelIrp` is using it; the usual solution is \
            an extra owner count shared by the two paths.",
        observe: "completion and cancel at the same instant",
        sources: "MS cheat sheet (cancelling driver-created IRPs)",
        note: "",
        divergence: "",
    }
    CAN_14 "CAN-14" Driver Documented {
        statement: "Cancelling a master IRP does not reach its associated IRPs automatically; \
            the master's cancel routine must cancel them.",
        observe: "thread exit with a master IRP pending",
        sources: "MS \"IoMakeAssociatedIrp\"; MS \"Introduction to Cancel Routines\"",
        note: "",
        divergence: "",
    }
    CAN_15 "CAN-15" Driver Documented {
        statement: "The `Cancel` flag does not influence the final status: a request may \
            complete with success (all, or partial data), STATUS_CANCELLED, or an unrelated \
            error after a cancel; invoke-on-cancel completion routines run in every case.",
        observe: "success status with Cancel TRUE",
        sources: "MS \"IoCancelIrp\", MS \"CancelIoEx\" (three outcomes); W-drv",
        note: "",
        divergence: "",
    }
    CAN_16 "CAN-16" UserApi Tested {
        statement: "CancelIo / NtCancelIoFile asks for cancellation of all requests that the \
            calling thread issued on the file object; it returns success even if there were \
            none, and never touches other threads' requests.",
        observe: "thread B calls CancelIo while A's read is pending: TRUE, read unaffected",
        sources: "MS \"CancelIo\"; W-pipe `test_cancelio` (second call on an idle handle \
            succeeds); obs",
        note: "",
        divergence: "For thread-agnostic requests \"issued by the calling thread\" is kept in \
            Wine; whether Windows still finds them after moving them to the file's list is \
            doubtful.",
    }
    CAN_17 "CAN-17" UserApi Tested {
        statement: "CancelIoEx / NtCancelIoFileEx asks for cancellation of the calling process's \
            requests on the file object from any thread, optionally only those whose IOSB \
            address equals the given one; if nothing matched it fails with STATUS_NOT_FOUND \
            (ERROR_NOT_FOUND).",
        observe: "second call after completion: NOT_FOUND; NULL overlapped on an idle handle: \
            NOT_FOUND",
        sources: "MS \"CancelIoEx\"; W-pipe `test_cancelio` (newest)",
        note: "",
        divergence: "Obs: Wine 8.0 returns TRUE for NULL overlapped on an idle handle (fixed \
            later).",
    }
    CAN_18 "CAN-18" NtSyscall Tested {
        statement: "Matching is by file object, not by handle value: any handle to the same file \
            object in the process works, including a duplicate when the original handle used for \
            the request is already closed; a closed handle fails with STATUS_INVALID_HANDLE.",
        observe: "issue on H, cancel on a duplicate D; issue on H, close H, cancel on D",
        sources: "W-pipe `read_pipe_test`",
        note: "",
        divergence: "",
    }
    CAN_19 "CAN-19" UserApi Tested {
        statement: "A cancelled asynchronous request is reported exactly like any other pended \
            completion: IOSB (STATUS_CANCELLED, 0), event set, APC queued (run only when \
            alertable), or packet queued. For a simple pipe read all of this is in place when \
            the cancel call returns; in general the cancel call does not wait.",
        observe: "after NtCancelIoFile(Ex): IOSB final, event set, routine runs in SleepEx",
        sources: "W-pipe `test_cancelio`, `read_pipe_test`; MS \"CancelIo\" (\"notifications \
            occur normally\"); obs",
        note: "",
        divergence: "",
    }
    CAN_20 "CAN-20" NtSyscall SourceDerived {
        statement: "NtCancelIoFile (non-Ex) additionally waits, polling at short intervals, \
            until none of the calling thread's requests on that file object remain on its list; \
            a driver that ignores cancellation makes CancelIo itself hang. CancelIoEx never \
            waits.",
        observe: "device ignoring cancellation: CancelIo blocks, CancelIoEx returns",
        sources: "R-iofunc `NtCancelIoFile`; MS \"CancelIoEx\" (does not wait); \"Windows \
            Internals\"",
        note: "",
        divergence: "Doubtful for Vista and later, where CancelIo is documented only as having \
            \"requested\" cancellation; Wine does not wait.",
    }
    CAN_21 "CAN-21" UserApi SourceDerived {
        statement: "Requests are cancelled in list order, newest first (IRP-07), and each is \
            treated separately: with a NULL overlapped the caller may see requests issued \
            meanwhile by other threads escape the sweep.",
        observe: "packet order after CancelIo of four reads; racing issuer",
        sources: "MS \"Canceling Pending I/O Operations\"; R-iox; obs (3,2,1,0)",
        note: "source-derived + observed",
        divergence: "",
    }
    CAN_22 "CAN-22" NtSyscall Tested {
        statement: "CancelSynchronousIo / NtCancelSynchronousIoFile targets a thread \
            (THREAD_TERMINATE access): it cancels the synchronous request the thread is \
            currently blocked in, optionally only if its IOSB address matches; asynchronous \
            requests are never affected. Nothing to cancel: STATUS_NOT_FOUND, and the caller's \
            own result block then also holds (STATUS_NOT_FOUND, 0).",
        observe: "bogus handle → STATUS_INVALID_HANDLE; NULL result block → \
            STATUS_ACCESS_VIOLATION; idle thread or pending overlapped request → NOT_FOUND; \
            blocked reader → success",
        sources: "W-pipe `test_cancelsynchronousio`",
        note: "",
        divergence: "",
    }
    CAN_23 "CAN-23" UserApi Documented {
        statement: "The thread so cancelled returns STATUS_CANCELLED (ERROR_OPERATION_ABORTED) \
            from its service if the driver honoured the request; since the target is \"whatever \
            the thread is doing now\", a late cancel can hit the thread's next synchronous call \
            instead.",
        observe: "cancel scheduled one tick after completion while the thread starts another read",
        sources: "MS \"Canceling Pending I/O Operations\"; W-pipe; obs",
        note: "",
        divergence: "",
    }
    CAN_24 "CAN-24" UserApi Inferred {
        statement: "CancelIoEx on a handle whose file object is synchronous also reaches the \
            request a thread is blocked in, because the matching requests are found through the \
            threads' lists and the cancel service does not take the file lock; no packet results \
            for a cancelled synchronous request.",
        observe: "thread A blocked in ReadFile (no OVERLAPPED), thread B CancelIoEx(h, NULL): \
            TRUE, A returns 995",
        sources: "MS \"CancelIoEx\" (sentence on synchronous operations and ports); obs",
        note: "inferred + observed",
        divergence: "",
    }
    CAN_25 "CAN-25" UserApi Documented {
        statement: "Cancel versus completion is decided by who wins the cancel-routine exchange: \
            if the driver has already taken the IRP out of its cancellable state, the cancel \
            call may still return success (the IRP was found on the list) although the request \
            then completes normally.",
        observe: "cancel between \"driver claimed IRP\" and \"second stage\": TRUE and later \
            status 0",
        sources: "MS \"CancelIoEx\"; CAN-01/CAN-08",
        note: "",
        divergence: "",
    }
    CAN_26 "CAN-26" UserApi SourceDerived {
        statement: "Once the second stage has run, the request is no longer on any list: \
            targeted cancel gives NOT_FOUND even if its APC or packet has not been consumed; \
            cancelling never removes a queued user APC or packet. The window where a \
            thread-agnostic IRP sits completed in a port but still unremoved must be treated the \
            same way.",
        observe: "complete, CancelIoEx → 1168, then drain exactly one packet/APC",
        sources: "IRP-53; obs",
        note: "source-derived + observed",
        divergence: "",
    }
    CAN_27 "CAN-27" UserApi Documented {
        statement: "The result value of a cancel call is therefore useless for deciding whether \
            to wait: the only safe protocol is to ignore it and wait for the request's own \
            notification before reusing the OVERLAPPED.",
        observe: "",
        sources: "MS \"Canceling Pending I/O Operations\" (sample waits afterwards in both cases \
            except NOT_FOUND)",
        note: "",
        divergence: "After NOT_FOUND on a request that was pending, a notification is already \
            queued.",
    }
    CAN_28 "CAN-28" Kernel Documented {
        statement: "Closing the last handle in the system to a file object sends IRP_MJ_CLEANUP, \
            in the context of the closing thread, while other references may still exist; \
            drivers complete every queued request of that file object during it. IRP_MJ_CLOSE \
            follows only when the last reference is gone.",
        observe: "trace of cleanup and close with a pending read",
        sources: "MS \"DispatchCleanup Routines\"; R-file `IopCloseFile`; W-nt \
            `test_file_handles` (close counted once per file object, after the last duplicate)",
        note: "",
        divergence: "",
    }
    CAN_29 "CAN-29" UserApi Tested {
        statement: "The status used at cleanup is the driver's choice and is often not \
            STATUS_CANCELLED: named pipes complete the closing end's own pending reads with \
            STATUS_PIPE_BROKEN (0xC000014B) and a normal notification, including the packet on a \
            bound port.",
        observe: "ReadFile pending on a bound pipe, CloseHandle: one packet, FALSE/109",
        sources: "W-file `test_file_io_completion`; obs",
        note: "",
        divergence: "",
    }
    CAN_30 "CAN-30" Kernel Documented {
        statement: "A driver that ignores cleanup leaves the requests pending with no handle \
            left to cancel them by; they end when the device finishes, when the issuing thread \
            exits (thread-bound), or never.",
        observe: "faulty device, close, then thread exit",
        sources: "blog (R. Chen 2021-07-30); IRP-09",
        note: "",
        divergence: "",
    }
    CAN_31 "CAN-31" NtSyscall Tested {
        statement: "Closing one of several handles in the same process cancels nothing.",
        observe: "duplicate in the same process, close the original: IOSB unchanged, no packet, \
            event not set",
        sources: "W-pipe and W-afd `test_async_cancel_on_handle_close`; `read_pipe_test`",
        note: "",
        divergence: "",
    }
    CAN_32 "CAN-32" NtSyscall Tested {
        statement: "Closing the last handle of a process while another process still holds one \
            cancels exactly that process's thread-agnostic requests (port bound, context \
            non-NULL, no event): each completes with STATUS_CANCELLED and posts its packet; \
            requests with an event, or without a context, or on an unbound handle are left \
            alone.",
        observe: "duplicate the handle into another process, close locally: packet present only \
            for that combination",
        sources: "W-pipe and W-afd `test_async_cancel_on_handle_close`; W-async \
            `async_close_obj_handle`",
        note: "",
        divergence: "When the handle is also the last one in the system the driver's cleanup \
            comes first (a bound pipe read then ends with STATUS_PIPE_BROKEN, CAN-29, not \
            STATUS_CANCELLED); whether a sweep still follows for a driver that ignores cleanup \
            is doubtful.",
    }
    CAN_33 "CAN-33" NtSyscall Tested {
        statement: "In that case the local IOSB is still unwritten after the close and becomes \
            STATUS_CANCELLED only when the packet is removed.",
        observe: "IOSB pattern intact between close and NtRemoveIoCompletion",
        sources: "same tests (\"do not update IOSB before removing completion\")",
        note: "",
        divergence: "Wine writes it immediately (todo).",
    }
    CAN_34 "CAN-34" UserApi Observed {
        statement: "Closing a handle does not remove user APCs already queued by completed \
            requests on it; they are still delivered to their thread.",
        observe: "complete, CloseHandle, SleepEx: routine runs",
        sources: "IRP-53; obs (ReadFileEx, close while pending: routine runs with 109)",
        note: "",
        divergence: "",
    }
    CAN_35 "CAN-35" Driver Documented {
        statement: "Cleanup racing with new requests is possible: another thread that already \
            referenced the file object may still send reads or writes to the driver during or \
            after cleanup; a driver must reject or complete them.",
        observe: "issue between handle reference and dispatch while another thread closes",
        sources: "MS \"DispatchCleanup Routines\"",
        note: "",
        divergence: "",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "cancel",
    title: "Cancellation and closing",
    introduction: "Cancelling is asking: the protocol between the one who asks and the \
        driver, the calls that ask, and what closing handles does to requests that are \
        pending.",
    rules: RULES,
};

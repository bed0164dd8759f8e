//! Issuing I/O and learning of its completion: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::irp::END;
    IO_01 "IO-01" NtSyscall Documented {
        statement: "A file object is synchronous when opened with FILE_SYNCHRONOUS_IO_ALERT or \
            FILE_SYNCHRONOUS_IO_NONALERT and asynchronous when opened with neither; the two \
            flags together, or either without SYNCHRONIZE access, fail with \
            STATUS_INVALID_PARAMETER. Win32 CreateFile gives NONALERT unless \
            FILE_FLAG_OVERLAPPED is passed, so a Win32-opened file is never alertable.",
        observe: "open option combinations",
        sources: "R-file `IopCreateFile`; MS \"NtCreateFile\"",
        note: "",
        divergence: "",
    }
    IO_02 "IO-02" Kernel Documented {
        statement: "The property belongs to the file object, so all duplicated or inherited \
            handles share it, together with the file position, the event, the lock, the \
            completion association and the notification modes.",
        observe: "bind a port through one handle, complete I/O through a duplicate",
        sources: "MS \"CreateIoCompletionPort\" (warning about duplicates)",
        note: "",
        divergence: "",
    }
    IO_03 "IO-03" NtSyscall Documented {
        statement: "Every service on a synchronous file object — reads, writes, controls, \
            information queries — first takes the object's lock, so all operations through it \
            are serialised; a second caller waits until the first has completed, even if the \
            second one only asks for metadata.",
        observe: "thread A blocked in ReadFile on a pipe; thread B's GetNamedPipeHandleState or \
            WriteFile on the same handle blocks",
        sources: "blog \"All I/O on a synchronous file handle is serialized\" (R. Chen, \
            2013-08-22); R-iofunc",
        note: "",
        divergence: "Obs: Wine does not serialise; B returns at once.",
    }
    IO_04 "IO-04" NtSyscall SourceDerived {
        statement: "Closing the last handle of a synchronous file object also takes that lock \
            for the cleanup request, so the close can block behind a blocked operation and does \
            not unblock it.",
        observe: "thread A blocked in ReadFile, thread B CloseHandle: B blocks until data \
            arrives or A's request is cancelled",
        sources: "R-file `IopCloseFile`",
        note: "",
        divergence: "Obs: on Wine the close returns immediately and A's read fails with \
            ERROR_BROKEN_PIPE.",
    }
    IO_05 "IO-05" NtSyscall SourceDerived {
        statement: "Waiting for the lock is alertable only for ALERT handles; if that wait ends \
            with an alert or user APC, the service returns that status without having issued \
            anything.",
        observe: "second thread on an ALERT handle receives an APC while queued behind the first",
        sources: "R-file `IopAcquireFileObjectLock`; R-iofunc",
        note: "",
        divergence: "",
    }
    IO_06 "IO-06" NtSyscall Documented {
        statement: "A synchronous file object keeps the current byte position, used when no \
            offset (or the special offset −2) is given and advanced by each transfer; an \
            asynchronous one keeps none and requires an explicit offset, except for pipes and \
            mailslots, otherwise the call fails with STATUS_INVALID_PARAMETER.",
        observe: "ReadFile with NULL OVERLAPPED on an overlapped disk file: \
            ERROR_INVALID_PARAMETER",
        sources: "R-iofunc `NtReadFile`; MS \"Synchronous and Asynchronous I/O\"; obs",
        note: "",
        divergence: "",
    }
    IO_07 "IO-07" NtSyscall Tested {
        statement: "The file object is itself waitable through an internal notification \
            (manual-reset) event: signalled after a successful open, cleared each time an IRP is \
            issued, set when an IRP completes without a user event.",
        observe: "WaitForSingleObject(handle, 0) before, during and after a read",
        sources: "W-pipe `read_pipe_test`, `test_completion`; W-nt",
        note: "",
        divergence: "",
    }
    IO_08 "IO-08" UserApi Documented {
        statement: "Because the event is shared by all requests on the object, with two requests \
            outstanding its signalled state says only that some request finished, and issuing a \
            new one clears it even if an older completion was never noticed.",
        observe: "two reads, one completes (signalled), third read issued (cleared)",
        sources: "MS \"Synchronous and Asynchronous I/O\"; MS \"GetOverlappedResultEx\"",
        note: "",
        divergence: "",
    }
    IO_09 "IO-09" NtSyscall SourceDerived {
        statement: "Order of checks in a read/write service: handle and access → probe IOSB and \
            buffer → port-and-APC conflict → offset range → event handle (reference, then clear) \
            → file lock → missing-offset check → clear the file object's event → build and send \
            the IRP.",
        observe: "which side effects remain after each kind of failure",
        sources: "R-iofunc `NtReadFile`",
        note: "",
        divergence: "",
    }
    IO_10 "IO-10" NtSyscall Tested {
        statement: "The user event is cleared as soon as both handles are valid, and stays \
            cleared if the request then fails synchronously; it is not touched when the file \
            handle is invalid.",
        observe: "set event, read on a closed handle: still set; set event, read on a broken \
            pipe: cleared",
        sources: "W-pipe `read_pipe_test`; W-nt (\"event is always reset\")",
        note: "",
        divergence: "",
    }
    IO_11 "IO-11" NtSyscall Tested {
        statement: "An invalid event handle fails the call with STATUS_INVALID_HANDLE before \
            anything is issued; IOSB untouched, no APC.",
        observe: "event handle 0xdeadbeef",
        sources: "W-pipe `read_pipe_test`",
        note: "",
        divergence: "",
    }
    IO_12 "IO-12" NtSyscall Tested {
        statement: "Passing an APC routine on a file object that has a completion port fails \
            with STATUS_INVALID_PARAMETER (Win32: ERROR_INVALID_PARAMETER), whatever the context \
            and event arguments are, and has no side effect.",
        observe: "NtReadFile/NtDeviceIoControlFile with routine on a bound handle; ReadFileEx",
        sources: "W-pipe, W-afd, W-file; R-iofunc; obs",
        note: "",
        divergence: "",
    }
    IO_13 "IO-13" NtSyscall Tested {
        statement: "The conflict check is made only at issue: a request that already carries an \
            APC keeps it when a port is bound later, and delivers the APC with no packet; a \
            request without APC that was issued before the binding does post a packet.",
        observe: "issue, bind, complete",
        sources: "W-file `test_file_io_completion`; obs",
        note: "",
        divergence: "",
    }
    IO_14 "IO-14" NtSyscall Tested {
        statement: "While a request is pending the system does not write the caller's status \
            block at all (NT level). The Win32 wrappers store STATUS_PENDING in \
            `OVERLAPPED.Internal` before calling the service.",
        observe: "pre-fill the IOSB with a pattern: unchanged until completion; Internal == \
            0x103 right after ReadFile",
        sources: "W-pipe (pattern checks throughout); R-rw",
        note: "",
        divergence: "",
    }
    IO_15 "IO-15" NtSyscall Tested {
        statement: "On an asynchronous handle the service returns the driver's dispatch value: \
            STATUS_PENDING, a success, a warning or an error. Since Windows 8/10, a warning \
            returned inline on a port-bound handle is reported to the caller as STATUS_PENDING \
            and its packet is queued.",
        observe: "partial read of a message on a port-bound message pipe: 0x80000005 before, \
            0x103 since",
        sources: "W-nt `do_return_status` (alternative accepted only with a port), W-pipe \
            `test_completion`",
        note: "",
        divergence: "Obs: Wine returns the warning (ReadFile → FALSE, ERROR_MORE_DATA) and posts \
            a packet.",
    }
    IO_16 "IO-16" NtSyscall Tested {
        statement: "Synchronous success on an asynchronous handle still produces everything: \
            IOSB final, event set, user APC queued (not yet run), packet queued — all before the \
            service returns.",
        observe: "read with data available: status 0, event set, routine runs only at the next \
            alertable wait, one packet present",
        sources: "W-pipe `read_pipe_test`; W-file; MS \"Synchronous and Asynchronous I/O\" \
            (double-free warning)",
        note: "",
        divergence: "",
    }
    IO_17 "IO-17" NtSyscall Tested {
        statement: "Synchronous error on an asynchronous handle produces nothing: IOSB \
            untouched, event left cleared, no APC, no packet, handle event left cleared.",
        observe: "read on a broken pipe: 0xC000014B returned, IOSB pattern intact, SleepEx \
            returns 0",
        sources: "W-pipe `read_pipe_test`, `test_overlapped` (STATUS_PIPE_CONNECTED); W-nt",
        note: "",
        divergence: "",
    }
    IO_18 "IO-18" UserApi SourceDerived {
        statement: "Consequence at Win32 level: after a ReadFile/WriteFile/ReadFileEx that fails \
            synchronously with anything but ERROR_IO_PENDING, `OVERLAPPED.Internal` still holds \
            STATUS_PENDING, so polling (`HasOverlappedIoCompleted`) never reports completion and \
            no packet ever arrives.",
        observe: "ReadFile on a broken pipe: FALSE/109, Internal == 0x103",
        sources: "R-rw; obs",
        note: "source-derived + observed",
        divergence: "",
    }
    IO_19 "IO-19" UserApi Tested {
        statement: "A synchronous warning on an asynchronous handle notifies fully (IOSB, event, \
            APC, packet) while the Win32 call returns FALSE with the mapped error \
            (ERROR_MORE_DATA for STATUS_BUFFER_OVERFLOW): FALSE does not imply \"no packet\".",
        observe: "partial message read: FALSE/234 and one packet",
        sources: "W-nt, W-pipe; obs",
        note: "",
        divergence: "See IO-15.",
    }
    IO_20 "IO-20" NtSyscall Tested {
        statement: "An asynchronous handle is not a promise of asynchrony: a driver may complete \
            inline, and conversely NTFS since Vista reports STATUS_PENDING even for cached \
            overlapped reads and writes that are already done, and for a read at end of file.",
        observe: "overlapped cached write: 0x103, event set soon after",
        sources: "W-file `read_file_test`; MS \"Synchronous and Asynchronous I/O\"",
        note: "",
        divergence: "Before Vista these returned the final status directly.",
    }
    IO_21 "IO-21" UserApi Tested {
        statement: "End of file on an overlapped read: if the call pended, the status block gets \
            STATUS_END_OF_FILE with 0 bytes, the event is set and the APC or packet is \
            delivered; if it returned STATUS_END_OF_FILE synchronously there is no notification. \
            On a synchronous handle ReadFile turns end of file into TRUE with 0 bytes.",
        observe: "read beyond EOF with each handle kind",
        sources: "W-file `read_file_test`; R-rw; obs (pends on Wine too)",
        note: "",
        divergence: "",
    }
    IO_22 "IO-22" NtSyscall Tested {
        statement: "On a synchronous handle the service waits for the file object's event if the \
            driver returned STATUS_PENDING and then returns the stored final status; the caller \
            never sees STATUS_PENDING.",
        observe: "blocking read",
        sources: "R-iofunc `IopPerformSynchronousRequest`; W-nt (non-overlapped rows)",
        note: "",
        divergence: "",
    }
    IO_23 "IO-23" NtSyscall Tested {
        statement: "A request on a synchronous handle that pends and then fails leaves the IOSB \
            and the user event untouched and queues no APC; only the return value reports the \
            error.",
        observe: "cancelled blocking listen: returns 0xC0000120, IOSB pattern intact, event not \
            set",
        sources: "W-pipe `test_alertable`, `test_cancelsynchronousio`; R-iorw pending-return rows",
        note: "",
        divergence: "The newest W-pipe also accepts IOSB = STATUS_CANCELLED/0.",
    }
    IO_24 "IO-24" NtSyscall Tested {
        statement: "An APC routine or event passed on a synchronous handle is honoured on \
            success: the event is set (and the handle too), and the APC is queued to run at the \
            thread's next alertable wait — not during the blocking call itself on a NONALERT \
            handle.",
        observe: "blocking read with event and routine: event set on return, routine runs in \
            SleepEx(0, TRUE)",
        sources: "W-pipe `test_nonalertable`, `test_blocking`",
        note: "",
        divergence: "On an ALERT handle the routine may already have run on return (test makes \
            no claim).",
    }
    IO_25 "IO-25" NtSyscall Tested missing "There is no call that flushes." {
        statement: "NtFlushBuffersFile (and other services without event/APC arguments) block \
            until complete even on asynchronous handles.",
        observe: "flush of a pipe with unread data on an overlapped handle blocks until the peer \
            reads",
        sources: "W-pipe `test_blocking`",
        note: "",
        divergence: "The handle's signalled state afterwards is inconsistent across Windows \
            versions.",
    }
    IO_26 "IO-26" UserApi SourceDerived {
        statement: "ReadFile/WriteFile without an OVERLAPPED on an asynchronous pipe handle \
            issue the request with a private status block and, if it pends, wait non-alertably \
            on the file handle; any other completion on the same handle can wake that wait \
            early.",
        observe: "two threads on one overlapped handle",
        sources: "R-rw; obs (works when alone)",
        note: "",
        divergence: "",
    }
    IO_27 "IO-27" NtSyscall Tested {
        statement: "ALERT handle: the internal wait for completion is alertable in user mode. If \
            a user APC is already pending when the wait starts, or one (or an alert) arrives \
            during it, the IRP is cancelled, the thread then waits non-alertably until the IRP \
            has really completed, and the service returns the IRP's final status — \
            STATUS_CANCELLED if cancellation succeeded — not STATUS_USER_APC or STATUS_ALERTED. \
            The user APC routine has run by the time the service is back in user mode.",
        observe: "QueueUserAPC to self, then a blocking listen on an ALERT pipe: routine ran, \
            return 0xC0000120, IOSB and event untouched",
        sources: "W-pipe `test_alertable`; R-irp `IopAbortInterruptedIrp`",
        note: "",
        divergence: "Obs: Wine 8.0 returns STATUS_USER_APC (0xC0); its own test marks it todo.",
    }
    IO_28 "IO-28" NtSyscall SourceDerived {
        statement: "Race: if the request completes before the cancel takes effect, the service \
            returns its real result, yet the APC has still been delivered; so a successful \
            return from an ALERT handle does not mean no APC ran.",
        observe: "completion scheduled at the same instant as the APC",
        sources: "R-irp `IopAbortInterruptedIrp` (state re-check at APC_LEVEL)",
        note: "",
        divergence: "",
    }
    IO_29 "IO-29" NtSyscall Tested {
        statement: "NONALERT handle: user APCs queued during a blocking call stay queued and run \
            only at the next alertable wait.",
        observe: "QueueUserAPC to self, blocking listen completes with success, routine not run \
            until SleepEx",
        sources: "W-pipe `test_nonalertable`",
        note: "",
        divergence: "",
    }
    IO_30 "IO-30" Kernel SourceDerived {
        statement: "Thread termination interrupts both kinds: the wait is a user-mode wait, and \
            a terminating thread has its user-APC-pending flag forced, so the wait ends, the IRP \
            is cancelled and the thread proceeds to exit once the IRP has completed.",
        observe: "TerminateThread on a thread blocked in a synchronous read",
        sources: "R-iofunc, R- ntoskrnl/ps/kill.c `PspExitNormalApc`; obs (reader dies, data not \
            consumed)",
        note: "",
        divergence: "",
    }
    IO_31 "IO-31" Kernel SourceDerived {
        statement: "If the driver holds the IRP without a cancel routine, neither an alert nor \
            termination gets the thread out of a synchronous request: it waits without time-out \
            inside the service (the five-minute rule of EXIT-08 is never reached).",
        observe: "faulty device \"ignores cancellation\" + synchronous handle + TerminateThread: \
            thread never exits",
        sources: "R-irp `IopAbortInterruptedIrp`; \"Windows Internals\" (unkillable process)",
        note: "",
        divergence: "",
    }
    IO_32 "IO-32" UserApi Documented {
        statement: "Microsoft's APC documentation lists four ways to learn of a completion: the \
            result stored in the overlapped structure (polling), its event being set, an APC \
            sent to the issuing thread for its next alertable wait, and the IRP being handed to \
            a completion port for whichever thread next takes packets from it. The last two \
            exclude each other; the stored result is part of every notification; an event may \
            accompany any of them.",
        observe: "combinations matrix",
        sources: "MS \"Asynchronous Procedure Calls\" (Synchronization Internals); W-pipe \
            `test_completion`",
        note: "",
        divergence: "",
    }
    IO_33 "IO-33" NtSyscall Documented {
        statement: "Order within one completion: data → status block → event (user event or file \
            event) → APC or packet. Whoever is woken by the event, runs as the APC, or removes \
            the packet can rely on data and status block being final.",
        observe: "trace",
        sources: "IRP-44",
        note: "",
        divergence: "For thread-agnostic requests data and status block are produced at packet \
            removal (IRP-42), so polling sees nothing earlier.",
    }
    IO_34 "IO-34" UserApi Documented {
        statement: "Polling: `HasOverlappedIoCompleted` is true as soon as `Internal` ≠ \
            STATUS_PENDING; the byte count is stored before the status so a poller never sees a \
            final status with a stale count.",
        observe: "single-step the second stage",
        sources: "MS \"OVERLAPPED\"; ordering of the two fields inferred",
        note: "documented / inferred",
        divergence: "Do not use polling on port-bound handles (IRP-42).",
    }
    IO_35 "IO-35" UserApi Documented {
        statement: "Event: the event must be manual-reset if both a wait function and \
            GetOverlappedResult(…, TRUE) look at it, since the first successful wait on an \
            auto-reset event consumes it and the second waits forever.",
        observe: "auto-reset event, wait, then GetOverlappedResult with Internal still pending \
            path",
        sources: "MS \"OVERLAPPED\", MS \"GetOverlappedResultEx\"",
        note: "",
        divergence: "GetOverlappedResult does not wait at all if Internal is already final \
            (IO-48), so the hang needs a second request on the same structure or a completion \
            not yet stored.",
    }
    IO_36 "IO-36" UserApi Tested {
        statement: "APC: only the issuing thread can run the routine, and only inside an \
            alertable wait; a completion that happens while the thread is busy or in a \
            non-alertable wait only queues it.",
        observe: "Sleep vs SleepEx after completion",
        sources: "W-pipe `read_pipe_test`; MS \"ReadFileEx\"",
        note: "",
        divergence: "",
    }
    IO_37 "IO-37" NtSyscall Inferred {
        statement: "With event and APC on one request and the issuing thread waiting alertably \
            on that very event: the second stage (running in that thread) sets the event and \
            then queues the APC; when the wait is resumed the object test comes first, so the \
            wait returns WAIT_OBJECT_0 and the routine stays queued for the next alertable wait.",
        observe: "WaitForSingleObjectEx(event, INFINITE, TRUE) → 0, then SleepEx(0, TRUE) → \
            WAIT_IO_COMPLETION",
        sources: "IRP-38 + IRP-44 + wait-loop order; obs for the case where completion precedes \
            the wait",
        note: "",
        divergence: "",
    }
    IO_38 "IO-38" NtSyscall Tested {
        statement: "Without an event, an APC request also signals the file handle (no port \
            needed), so handle and APC are both observable.",
        observe: "read with routine and no event: handle signalled at completion, routine later",
        sources: "W-pipe `test_completion`",
        note: "",
        divergence: "",
    }
    IO_39 "IO-39" NtSyscall Tested {
        statement: "Port: a packet is queued when a port is bound at completion and the APC \
            context is non-NULL; with a NULL context a bound handle behaves like an unbound one \
            (IOSB written at completion, event or handle signalled, no packet).",
        observe: "NtReadFile with NULL context on a bound handle",
        sources: "W-afd, W-nt; obs",
        note: "",
        divergence: "",
    }
    IO_40 "IO-40" NtSyscall Tested {
        statement: "Event and port together: the event is set and a packet is queued; supplying \
            the event also makes the request thread-bound again (IRP-08), so its status block is \
            written at completion.",
        observe: "both observable before removal",
        sources: "W-nt (event+context rows), W-afd",
        note: "",
        divergence: "",
    }
    IO_41 "IO-41" UserApi Documented {
        statement: "At Win32 level the APC context is the OVERLAPPED address unless the low bit \
            of hEvent is set, in which case it is NULL: the event (kernel ignores the tag bits \
            of the handle) is still signalled, no packet is queued even on a bound handle, and \
            GetOverlappedResult works normally.",
        observe: "hEvent | 1 on a bound handle",
        sources: "R-rw; MS \"GetQueuedCompletionStatus\"; obs",
        note: "",
        divergence: "",
    }
    IO_42 "IO-42" UserApi Documented {
        statement: "Threads blocked in GetQueuedCompletionStatus or NtRemoveIoCompletion are not \
            in an alertable wait, so I/O APCs addressed to them sit in the queue until they \
            leave the port wait and enter an alertable wait; only the Ex variants can wait \
            alertably.",
        observe: "QueueUserAPC to a port waiter: nothing until SleepEx",
        sources: "MS \"Asynchronous Procedure Calls\"; W-file `test_set_io_completion`; obs",
        note: "",
        divergence: "",
    }
    IO_43 "IO-43" NtSyscall Tested {
        statement: "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS (1): a bound, asynchronous request that \
            finishes inline posts no packet if its status is a success. Pended requests always \
            post. Inline warnings are skipped too before Windows 8, but posted since; inline \
            errors never post anyway.",
        observe: "matrix with flag set",
        sources: "W-nt `do_return_status` (comment and assertions); W-pipe; MS \
            \"SetFileCompletionNotificationModes\"",
        note: "",
        divergence: "",
    }
    IO_44 "IO-44" NtSyscall Tested {
        statement: "FILE_SKIP_SET_EVENT_ON_HANDLE (2): completions and issue no longer change \
            the file object's event (it stays as it was, usually non-signalled from the last \
            issue); an explicit event is still signalled and packets are unaffected.",
        observe: "handle stays non-signalled after completions",
        sources: "W-pipe `test_completion`; MS \"SetFileCompletionNotificationModes\"; obs",
        note: "",
        divergence: "",
    }
    IO_45 "IO-45" UserApi Documented {
        statement: "Notification modes are sticky: a mode once set on a file object cannot be \
            cleared, setting 0 succeeds and changes nothing.",
        observe: "set 1, set 0, inline success: still no packet",
        sources: "MS \"SetFileCompletionNotificationModes\"; obs",
        note: "",
        divergence: "",
    }
    IO_46 "IO-46" UserApi Documented {
        statement: "ReadFileEx/WriteFileEx ignore hEvent (the caller may store anything there), \
            pass an internal trampoline as APC routine with the user routine as context, and \
            return TRUE for every non-error status including STATUS_PENDING; the routine will \
            then run exactly once, always from an alertable wait, never inside the call — even \
            if the data was available immediately.",
        observe: "hEvent = 0x1234 survives; immediate data: routine runs only in SleepEx",
        sources: "MS \"ReadFileEx\"; R-rw; obs",
        note: "",
        divergence: "MS also says last error is ERROR_SUCCESS or a warning such as \
            ERROR_MORE_DATA after TRUE; obs: Wine leaves last error unchanged.",
    }
    IO_47 "IO-47" UserApi Tested {
        statement: "ReadFileEx that fails synchronously returns FALSE and never calls the \
            routine; on a port-bound handle it fails with ERROR_INVALID_PARAMETER.",
        observe: "broken pipe: 109, SleepEx returns 0; bound handle: 87",
        sources: "IO-12, IO-17; obs",
        note: "",
        divergence: "",
    }
    IO_48 "IO-48" UserApi SourceDerived {
        statement: "The completion routine receives (Win32 error mapped from the status, byte \
            count = Information, OVERLAPPED address); 995/0 for a cancelled request, 38/0 for a \
            pended end of file.",
        observe: "arguments",
        sources: "R-rw `ApcRoutine`; obs",
        note: "source-derived + observed",
        divergence: "For warning statuses implementations may pass 0 instead of the mapped \
            error; doubtful.",
    }
    IO_49 "IO-49" UserApi SourceDerived {
        statement: "ReadFileEx/WriteFileEx do not check that the handle is overlapped: on a \
            synchronous handle the call blocks, then queues the routine on success (unless fast \
            I/O swallowed it, IRP-61).",
        observe: "WriteFileEx on a plain handle: TRUE, routine in next SleepEx",
        sources: "R-rw; obs",
        note: "source-derived + observed",
        divergence: "MS documents FILE_FLAG_OVERLAPPED as required.",
    }
    IO_50 "IO-50" UserApi SourceDerived {
        statement: "GetOverlappedResult looks at `Internal` first: not pending → returns at once \
            (TRUE, or FALSE with the mapped error; the byte count is stored in both cases); \
            pending and no wait requested → FALSE, ERROR_IO_INCOMPLETE; pending and wait → waits \
            on hEvent, or on the file handle if hEvent is NULL, then re-reads `Internal`.",
        observe: "hand-built OVERLAPPED values",
        sources: "W-k32 GetOverlappedResultEx; obs",
        note: "source-derived + observed",
        divergence: "If `Internal` is still pending after a satisfied wait Wine treats it as \
            success; Windows behaviour doubtful.",
    }
    IO_51 "IO-51" UserApi Documented {
        statement: "GetOverlappedResultEx with a finite time-out returns FALSE/WAIT_TIMEOUT on \
            expiry; with alertable = TRUE an APC ends it with FALSE/WAIT_IO_COMPLETION after the \
            routine has run and the I/O is still pending; if the request is already complete no \
            wait occurs and pending APCs are not run.",
        observe: "three cases",
        sources: "MS \"GetOverlappedResultEx\"; obs",
        note: "",
        divergence: "",
    }
    IO_52 "IO-52" UserApi Tested {
        statement: "The OVERLAPPED and the data buffer belong to the system until the completion \
            has been observed; reusing one OVERLAPPED for two outstanding requests yields two \
            completions carrying the same address, and a targeted cancel hits both.",
        observe: "two pending reads, one OVERLAPPED, CancelIoEx: two packets / two APCs",
        sources: "W-pipe `read_pipe_test` (\"Duplicate iosb\": apc_count 2); obs; MS \"Canceling \
            Pending I/O Operations\"",
        note: "",
        divergence: "",
    }
    IO_53 "IO-53" UserApi Documented {
        statement: "CloseHandle does not by itself complete or cancel outstanding requests: they \
            hold references; what happens next is decided by the cleanup request and therefore \
            by the driver (CAN-28, CAN-29), or by the per-process sweep (CAN-32).",
        observe: "close with a duplicate open elsewhere: request stays pending",
        sources: "blog (R. Chen 2021-07-30); W-pipe `read_pipe_test` (duplicate kept)",
        note: "",
        divergence: "",
    }
    IO_54 "IO-54" UserApi Documented {
        statement: "Requests pending on one object are completed in whatever order the driver \
            chooses; a pipe or serial device serves its read queue FIFO, but the I/O manager \
            guarantees nothing across IRPs, and packets/APCs appear in completion order.",
        observe: "FIFO pipe vs disk with latencies",
        sources: "MS \"I/O Completion Ports\" (\"may be dequeued in a different order\"); obs",
        note: "",
        divergence: "",
    }
    IO_55 "IO-55" UserApi Documented {
        statement: "ReadFileEx at end of file: if the request pends (disk files since Vista) the \
            call returns TRUE and the routine is called with error 38 and 0 bytes, and \
            GetOverlappedResult reports FALSE/ERROR_HANDLE_EOF; if the device reports end of \
            file inline the call itself fails with ERROR_HANDLE_EOF and the routine is never \
            called.",
        observe: "overlapped disk file, offset beyond the end",
        sources: "MS \"ReadFileEx\"; IO-17, IO-21; obs (TRUE, routine gets 38/0)",
        note: "",
        divergence: "Before Vista the inline variant was the normal one.",
    }
    IO_56 "IO-56" UserApi Documented missing "No device of a scenario runs out of resources." {
        statement: "A driver or file system may fail the issue itself for lack of resources \
            (Win32: ERROR_NOT_ENOUGH_MEMORY or ERROR_INVALID_USER_BUFFER when too many requests \
            are outstanding); this is an ordinary inline error and follows IO-17.",
        observe: "model: device with a bounded queue",
        sources: "MS \"ReadFileEx\"",
        note: "",
        divergence: "",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "io",
    title: "Issuing I/O and learning of its completion",
    introduction: "File objects, the services that issue requests, what they return, and the \
        four ways to learn that a request is over, with their order and their exceptions.",
    rules: RULES,
};

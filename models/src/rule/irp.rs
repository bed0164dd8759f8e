//! I/O request packets: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::thread::END;
    IRP_01 "IRP-01" Driver Tested {
        statement: "A fresh IRP with N stack locations has `CurrentLocation = N+1` (one past the \
            top), no thread, zeroed `IoStatus`, `Cancel = FALSE`, no cancel routine and an empty \
            thread-list link.",
        observe: "inspect after `IoAllocateIrp(1)`: CurrentLocation is 2",
        sources: "W-drv `test_irp_struct`, `test_call_driver`; R-irp `IoAllocateIrp`",
        note: "",
        divergence: "",
    }
    IRP_02 "IRP-02" Driver Documented {
        statement: "The stack count must be at least the `StackSize` of the device the IRP is \
            sent to; every `IoCallDriver` consumes one location and running out is a fatal stop \
            (0x35), not an error return.",
        observe: "send a 1-location IRP through a 2-device stack",
        sources: "R-irp `IofCallDriver`; MS \"IoAllocateIrp\"",
        note: "",
        divergence: "",
    }
    IRP_03 "IRP-03" Driver Documented {
        statement: "IRPs come in two families. Threaded IRPs (those built by the I/O system \
            services, by `IoBuildDeviceIoControlRequest` and by `IoBuildSynchronousFsdRequest`) \
            are linked to a thread's pending list, are freed by the I/O manager's second stage, \
            and are cancelled when that thread exits. Non-threaded IRPs (`IoAllocateIrp`, \
            `IoBuildAsynchronousFsdRequest`) are on no list, must be freed by their creator, and \
            survive any thread's exit.",
        observe: "exit the creating thread with each kind pending",
        sources: "MS \"Different ways of handling IRPs - Cheat sheet\"; R-irp",
        note: "",
        divergence: "",
    }
    IRP_04 "IRP-04" Driver Tested {
        statement: "`IoBuildAsynchronousFsdRequest` stores the current thread in the IRP but \
            takes no reference on it and does not queue the IRP to it; if the driver lets such \
            an IRP complete all the way up, the second stage still writes the caller's status \
            block, so normally a completion routine must return STATUS_MORE_PROCESSING_REQUIRED \
            and free it.",
        observe: "complete such an IRP with no completion routine: the driver's IOSB receives \
            status and information",
        sources: "W-drv `test_call_driver`; MS \"IoBuildAsynchronousFsdRequest\"",
        note: "",
        divergence: "",
    }
    IRP_05 "IRP-05" Driver Documented {
        statement: "The creator of a threaded IRP must not call `IoFreeIrp` on it, must send it \
            from the thread that built it, and waits on the supplied event only if \
            `IoCallDriver` returned STATUS_PENDING; if it returned anything else the event may \
            never be signalled (see IRP-45).",
        observe: "wait on the event after a synchronous error: hangs",
        sources: "MS \"IoBuildDeviceIoControlRequest\"; R-irp `IopCompleteRequest`",
        note: "",
        divergence: "",
    }
    IRP_06 "IRP-06" Kernel SourceDerived {
        statement: "A system service fills the IRP before sending it: originating file object \
            (referenced), issuing thread, requestor mode = previous mode, user IOSB pointer, \
            referenced user event (optional), user APC routine and context, and then links it to \
            a list before calling the driver, so a request is cancellable from the instant the \
            driver sees it.",
        observe: "a cancel from another thread while the dispatch routine runs finds the IRP",
        sources: "R-iofunc `NtReadFile`, `IopPerformSynchronousRequest`",
        note: "",
        divergence: "",
    }
    IRP_07 "IRP-07" Kernel SourceDerived {
        statement: "The per-thread pending list is manipulated only by its owning thread at \
            APC_LEVEL or by code running in that thread's second-stage APC; new IRPs are \
            inserted at the head, so any walk of the list (cancel, thread exit) visits the \
            newest request first.",
        observe: "issue reads 0..3 on one handle, `CancelIo`, look at packet order: 3,2,1,0",
        sources: "R-iox `IopQueueIrpToThread`",
        note: "",
        divergence: "Observed on Wine 8.0: same newest-first order; older ReactOS code used tail \
            insertion.",
    }
    IRP_08 "IRP-08" Kernel Tested {
        statement: "Since Vista a request is thread-agnostic when, at issue, the handle is \
            asynchronous, a completion port is associated with the file object, the APC context \
            is non-NULL and no event handle was supplied; such an IRP is linked to the file \
            object's list instead of the thread's list.",
        observe: "only this combination survives thread exit (EXIT-05) and only this combination \
            is swept by a process's last handle close (CAN-32)",
        sources: "blog \"New for Windows Vista: thread agnostic I/O\" (D. Holan); W-afd \
            `test_async_thread_termination`, `test_async_cancel_on_handle_close`; W-pipe \
            `test_async_cancel_on_handle_close`",
        note: "",
        divergence: "Pre-Vista has no thread-agnostic I/O.",
    }
    IRP_09 "IRP-09" Kernel Documented {
        statement: "An IRP holds a reference on its file object from issue until the second \
            stage (or packet removal/rundown) is over; closing every handle therefore cannot \
            delete the file object while a request is outstanding.",
        observe: "IRP_MJ_CLEANUP arrives at last handle close, IRP_MJ_CLOSE only after the \
            pending IRP is finished",
        sources: "R-irp `IopCompleteRequest`; blog \"Why doesn't my asynchronous read operation \
            complete when I close the handle?\" (R. Chen, 2021-07-30)",
        note: "",
        divergence: "",
    }
    IRP_10 "IRP-10" Driver Tested {
        statement: "`IoReuseIrp` returns a non-threaded IRP to its just-allocated shape \
            (CurrentLocation = N+1, status as given) preserving allocation flags; it is illegal \
            on threaded IRPs and on IRPs still owned by a lower driver.",
        observe: "CurrentLocation after reuse is N+1",
        sources: "W-drv `test_irp_struct`",
        note: "",
        divergence: "",
    }
    IRP_11 "IRP-11" Driver Tested {
        statement: "`IoCallDriver` decrements CurrentLocation, stores the target device object \
            in the new current location and calls the dispatch routine chosen by that location's \
            major function; the value it returns is the dispatch routine's return value, \
            untouched.",
        observe: "CurrentLocation 1 in the lowest driver of a 1-location IRP",
        sources: "W-drv `test_cancel_irp`, `completion_ioctl`; R-irp `IofCallDriver`",
        note: "",
        divergence: "",
    }
    IRP_12 "IRP-12" Driver Tested {
        statement: "Copy-to-next duplicates the current location into the next one but gives the \
            copy an empty control field (no completion routine, no pending bit); skip-current \
            instead re-exposes the same location to the lower driver, so the lower driver's \
            pending mark lands in the caller's own location and no completion routine can be \
            set.",
        observe: "control bits per location in a two-device stack",
        sources: "W-drv `completion_ioctl` (control fields asserted per location); MS \
            \"IoMarkIrpPending\" remarks",
        note: "",
        divergence: "",
    }
    IRP_13 "IRP-13" Driver Documented {
        statement: "A dispatch routine has exactly three legal shapes: (a) complete the IRP and \
            return the same status that was put in `IoStatus.Status`; (b) mark the IRP pending \
            and return STATUS_PENDING, whatever happens afterwards; (c) pass it down and return \
            the lower driver's value unchanged.",
        observe: "return value seen by the caller of the system service",
        sources: "MS \"Different ways of handling IRPs - Cheat sheet\"; MS \"IoMarkIrpPending\"",
        note: "",
        divergence: "",
    }
    IRP_14 "IRP-14" Driver Documented {
        statement: "`IoMarkIrpPending` sets SL_PENDING_RETURNED in the current stack location \
            only; it must happen before the IRP is made visible to any other context, because \
            afterwards the IRP may already be completed and freed.",
        observe: "inspect Control",
        sources: "MS \"IoMarkIrpPending\"",
        note: "",
        divergence: "",
    }
    IRP_15 "IRP-15" Driver Tested {
        statement: "Marking pending and then completing the IRP inside the same dispatch call is \
            legal; the routine must still return STATUS_PENDING, and the request is treated as \
            having pended for every notification rule.",
        observe: "error status completed inline after marking: IOSB, event, APC and packet are \
            all produced",
        sources: "W-drv `return_status`, W-nt `do_return_status` (pending=1 rows)",
        note: "",
        divergence: "",
    }
    IRP_16 "IRP-16" Driver SourceDerived {
        statement: "Returning STATUS_PENDING without having marked the IRP pending is a driver \
            bug whose typical outcome is a hang: a synchronous caller waits for a completion \
            that is never delivered, because the deferred-completion path believed the issuer \
            would finish the request itself.",
        observe: "the test suite refuses to exercise it because the kernel hangs",
        sources: "W-nt `do_return_status` (explicit skip with comment), R-irp \
            `IofCompleteRequest` deferral check",
        note: "",
        divergence: "A model should report \"driver contract violation\" instead of hanging \
            silently.",
    }
    IRP_17 "IRP-17" Driver Tested {
        statement: "Marking pending but returning a different status makes the system service \
            return that other status on an asynchronous handle while the status block, event, \
            APC and packet all follow `IoStatus` with pended semantics; on the read/write \
            deferred path it can instead complete the request twice.",
        observe: "return value = dispatch value, IOSB = IoStatus, packet present",
        sources: "W-nt `do_return_status` (full matrix for device control); R-iofunc \
            `IopPerformSynchronousRequest` (assertion)",
        note: "tested for device control, source-derived for read/write",
        divergence: "",
    }
    IRP_18 "IRP-18" NtSyscall Tested {
        statement: "Return value and `IoStatus.Status` are independent observables: on an \
            asynchronous handle the caller's NTSTATUS is the dispatch return value, and the \
            notifications depend only on (pending bit, `IoStatus.Status`). On a synchronous \
            handle the caller gets `IoStatus.Status` if the dispatch returned STATUS_PENDING, \
            else the dispatch return value.",
        observe: "9×9×2×3 matrix of return status, IoStatus, pending bit and buffering method",
        sources: "W-nt `test_return_status`",
        note: "",
        divergence: "On Windows 10 a warning return on a port-bound handle is reported as \
            STATUS_PENDING (IO-15).",
    }
    IRP_19 "IRP-19" Driver Documented {
        statement: "`IoCompleteRequest` walks from the location of the completing driver upward, \
            one step per location, and may run in any thread or in a DPC at up to \
            DISPATCH_LEVEL; the process and thread current at that moment are arbitrary.",
        observe: "current thread inside a completion routine",
        sources: "MS \"How Completion Processing Is Performed\"; R-irp `IofCompleteRequest`",
        note: "",
        divergence: "",
    }
    IRP_20 "IRP-20" Driver Tested {
        statement: "Before examining each location the walk sets `Irp->PendingReturned` from \
            that location's SL_PENDING_RETURNED bit, so the flag a completion routine sees \
            describes the driver below it.",
        observe: "PendingReturned inside completion routines",
        sources: "W-drv `completion_cb`, `test_completion`",
        note: "",
        divergence: "",
    }
    IRP_21 "IRP-21" Driver Tested {
        statement: "If no completion routine is invoked at a location and PendingReturned is \
            set, the walk itself marks the next higher location pending; if a routine is invoked \
            and continues, it must call `IoMarkIrpPending` itself when PendingReturned is set, \
            or the pending information stops there.",
        observe: "upper routine that forgets to mark: the top routine then sees PendingReturned \
            = FALSE",
        sources: "W-drv `test_completion`; R-irp",
        note: "",
        divergence: "",
    }
    IRP_22 "IRP-22" Driver Inferred {
        statement: "Consequence of a lost pending bit: the second stage sees \"not pended\", so \
            an error completion produces no IOSB, no event, no APC and no packet although the \
            caller was told STATUS_PENDING — the request silently never completes from user \
            mode's point of view.",
        observe: "filter with a completion routine that does not propagate; lower driver fails \
            asynchronously",
        sources: "IRP-21 + IRP-45",
        note: "",
        divergence: "",
    }
    IRP_23 "IRP-23" Driver Tested {
        statement: "A routine is invoked if (status is `NT_SUCCESS` and invoke-on-success) or \
            (status is not `NT_SUCCESS` and invoke-on-error) or (`Irp->Cancel` is TRUE and \
            invoke-on-cancel); the cancel condition ignores the status entirely.",
        observe: "three cancel tests with different flag sets",
        sources: "W-drv `test_cancel_irp`; R-irp; MS \"IoSetCompletionRoutine\"",
        note: "",
        divergence: "",
    }
    IRP_24 "IRP-24" Driver Documented {
        statement: "Because the walk tests `NT_SUCCESS`, a warning such as \
            STATUS_BUFFER_OVERFLOW triggers the invoke-on-error routine, although the second \
            stage will treat the same status as a non-error and notify the caller normally.",
        observe: "completion routine registered for success only is skipped for 0x80000005",
        sources: "R-irp `IofCompleteRequest`; MS \"IoSetCompletionRoutine\" (NT_SUCCESS wording)",
        note: "",
        divergence: "",
    }
    IRP_25 "IRP-25" Driver Tested {
        statement: "The control and parameter fields of a location are cleared before its \
            routine runs; the routine receives the device object of the driver that registered \
            it, or NULL when it belongs to the IRP's originator (no location above).",
        observe: "Control is 0 in all examined locations during the callback",
        sources: "W-drv `completion_cb`; R-irp",
        note: "",
        divergence: "",
    }
    IRP_26 "IRP-26" Driver Tested {
        statement: "Returning STATUS_MORE_PROCESSING_REQUIRED stops the walk at once and gives \
            the IRP back to that driver; the I/O manager does not touch the IRP again until \
            someone calls `IoCompleteRequest`, which resumes above the location where it \
            stopped. Every other return value means \"continue\" and is otherwise ignored.",
        observe: "CurrentLocation preserved after a stopped walk",
        sources: "W-drv `test_irp_struct`; MS cheat sheet",
        note: "",
        divergence: "",
    }
    IRP_27 "IRP-27" Driver Documented {
        statement: "A driver that returned the lower driver's value from its dispatch routine \
            must not change status or synchronicity in its completion routine; a driver that \
            wants to must mark pending and return STATUS_PENDING up front (or wait \
            synchronously).",
        observe: "caller sees return value ≠ IOSB status otherwise",
        sources: "MS cheat sheet scenario 3/4",
        note: "",
        divergence: "",
    }
    IRP_28 "IRP-28" Driver Documented {
        statement: "Forward-and-wait: the driver copies the location, sets a routine that \
            signals an event only if PendingReturned and returns \
            STATUS_MORE_PROCESSING_REQUIRED, waits only if the call returned STATUS_PENDING, and \
            then completes the IRP itself.",
        observe: "`IoForwardIrpSynchronously`",
        sources: "MS cheat sheet scenario 2; R-irp `IoForwardIrpSynchronously`",
        note: "",
        divergence: "",
    }
    IRP_29 "IRP-29" Driver Documented {
        statement: "The originator of an IRP owns no stack location, so its completion routine \
            must never mark the IRP pending (doing so writes past the last location).",
        observe: "model-level contract check",
        sources: "MS \"IoMarkIrpPending\" note",
        note: "",
        divergence: "",
    }
    IRP_30 "IRP-30" Driver SourceDerived {
        statement: "Completing an IRP that has already been completed stops the system with 0x44 \
            if the IRP memory is still recognisable (CurrentLocation beyond N+1); if it was \
            freed and reused the damage is arbitrary. A model should detect it deterministically \
            by IRP identity.",
        observe: "faulty device that completes twice",
        sources: "R-irp `IofCompleteRequest`",
        note: "",
        divergence: "",
    }
    IRP_31 "IRP-31" Driver Tested {
        statement: "At completion time the cancel routine must be NULL and `IoStatus.Status` \
            must be neither STATUS_PENDING nor −1; checked builds assert it. A free build \
            completes an IRP whose status is STATUS_PENDING as if it were an ordinary success \
            value.",
        observe: "IoStatus = 0x103 rows of the status matrix",
        sources: "R-irp asserts; W-nt `test_return_status`",
        note: "",
        divergence: "W-nt marks one synchronous row of this case as not matched by Wine.",
    }
    IRP_32 "IRP-32" Driver Documented {
        statement: "An associated IRP (created for a master IRP) is on no thread list; when its \
            walk ends it is freed, the master's outstanding count is decremented, and the \
            completion that brings the count to zero completes the master in the same call. The \
            master's status is whatever the driver stored in it — it is not combined \
            automatically.",
        observe: "N sub-requests completing in any order, one master completion at the end",
        sources: "MS \"IoMakeAssociatedIrp\"; R-irp",
        note: "documented / source-derived (status part)",
        divergence: "",
    }
    IRP_33 "IRP-33" Kernel SourceDerived missing "Nothing in a scenario pages." {
        statement: "Paging I/O never runs the normal second stage: synchronous paging and \
            close-type IRPs get their status block written and event set directly from the \
            completing context; asynchronous page writes use their own kernel APC. No user \
            event, user APC, or completion packet can result.",
        observe: "model: flag on the IRP",
        sources: "R-irp `IofCompleteRequest`",
        note: "",
        divergence: "",
    }
    IRP_34 "IRP-34" Kernel Documented missing "The policy nt of `run` follows it; exploration covers every order." {
        statement: "The priority boost passed to `IoCompleteRequest` is applied to the issuing \
            thread (through the second-stage APC insertion), not to the completing one; \
            convention is 0 for fast or failed operations, 1 for disk, 2 for \
            pipes/serial/network, 6 for keyboard/mouse, 8 for sound.",
        observe: "scheduling order only",
        sources: "MS \"IoCompleteRequest\"; R-irp",
        note: "",
        divergence: "Irrelevant for a model without priorities.",
    }
    IRP_35 "IRP-35" Kernel SourceDerived {
        statement: "Read, write and other non-device-control services mark the IRP for deferred \
            completion: if the walk ends with PendingReturned = FALSE, `IoCompleteRequest` \
            simply returns, and the issuing service runs the second stage inline (raised to \
            APC_LEVEL) as soon as the dispatch routine has returned a non-pending status. No APC \
            is involved.",
        observe: "kernel-APC count unchanged; notifications ordered strictly after the dispatch \
            routine returns",
        sources: "R-iofunc `IopPerformSynchronousRequest`, R-irp `IofCompleteRequest`",
        note: "",
        divergence: "",
    }
    IRP_36 "IRP-36" Kernel Documented {
        statement: "Otherwise the IRP's own embedded APC object is initialised as a special \
            kernel APC (kernel routine, no normal routine) for the thread stored in the IRP and \
            queued to it; the APC environment captured at issue is used, so a thread attached to \
            another process completes into the right address space.",
        observe: "second stage runs in the issuing thread even if it is blocked",
        sources: "MS \"How Completion Processing Is Performed\"; R-irp",
        note: "",
        divergence: "Wine runs the equivalent through an internal \"system APC\" executed inside \
            server waits.",
    }
    IRP_37 "IRP-37" Kernel Documented {
        statement: "The second stage needs only that special kernel APCs are deliverable to the \
            thread: it runs during non-alertable waits, in critical regions, and while the \
            thread is suspended, but it is held back while the thread is in a guarded region or \
            at IRQL ≥ APC_LEVEL.",
        observe: "status block of a non-alertably sleeping or suspended thread changes; delay \
            while guarded",
        sources: "MS \"Disabling APCs\"; MS \"KeRemoveQueue\" remarks",
        note: "documented (suspended case: inferred)",
        divergence: "",
    }
    IRP_38 "IRP-38" Kernel Documented {
        statement: "Delivery into a waiting thread interrupts and then transparently resumes the \
            wait: the wait call does not return, its time-out deadline is unchanged, and only \
            its position in LIFO queue waits can change (IOCP-31).",
        observe: "`Sleep(100)` non-alertable with I/O completing at 50: still 100",
        sources: "MS \"KeRemoveQueue\"; R- ntoskrnl/ke/queue.c",
        note: "",
        divergence: "",
    }
    IRP_39 "IRP-39" Kernel Inferred {
        statement: "When a non-deferred IRP is completed in the issuing thread itself at \
            PASSIVE_LEVEL, the queued special APC is delivered before `IoCompleteRequest` \
            returns to the driver, so the caller's status block and events can already be final \
            while the dispatch routine is still executing.",
        observe: "trace order: IOSB write precedes dispatch return for device control",
        sources: "APC delivery rule + R-irp",
        note: "",
        divergence: "",
    }
    IRP_40 "IRP-40" Kernel Inferred {
        statement: "Two second stages for the same thread never overlap: special kernel APCs are \
            delivered one at a time in FIFO order of `IoCompleteRequest` calls, which fixes the \
            order in which user APCs and packets of one thread are produced.",
        observe: "order of user APCs = order of completion, not of issue",
        sources: "APC queue FIFO; observed on Wine 8.0 (cancel of the middle of three reads \
            delivers that routine first)",
        note: "inferred + observed",
        divergence: "",
    }
    IRP_41 "IRP-41" Kernel SourceDerived {
        statement: "If the IRP has been cancelled and dissociated from its thread (EXIT-08), \
            there is no second stage: buffers, event reference, file reference and the IRP are \
            released, and no IOSB, event, APC or packet is produced, ever.",
        observe: "faulty device that completes long after the thread is gone",
        sources: "R-irp `IofCompleteRequest`, `IopCleanupIrp`",
        note: "",
        divergence: "",
    }
    IRP_42 "IRP-42" Kernel Tested {
        statement: "For a thread-agnostic IRP that pended, no APC to the issuing thread is \
            queued at all: the IRP goes straight into the port and the rest of the second stage \
            (status block, buffered copy) is executed by whichever thread removes the packet.",
        observe: "caller's IOSB keeps its old contents until the packet is removed, even when \
            the completion happened in the issuing thread",
        sources: "MS \"I/O Completion Ports\" (status block not updated until removal); W-pipe \
            and W-afd `test_async_cancel_on_handle_close`; blog \"thread agnostic I/O\"",
        note: "",
        divergence: "Wine writes the IOSB at completion time (marked todo in its tests; observed \
            on Wine 8.0); pre-Vista Windows also wrote it at completion.",
    }
    IRP_43 "IRP-43" NtSyscall Tested {
        statement: "The deferral of IRP-42 does not apply to requests that finished inline: then \
            the IOSB is already final when the service returns, even if a packet is queued as \
            well.",
        observe: "port-bound message-pipe read of a partial message: IOSB = 0x80000005 before \
            the packet is removed",
        sources: "W-pipe `test_completion`",
        note: "",
        divergence: "The general sentence in MS \"I/O Completion Ports\" names only the \
            synchronous-error exception.",
    }
    IRP_44 "IRP-44" Kernel Documented {
        statement: "Order of effects: (1) copy the system buffer to the user buffer and free it, \
            (2) free MDLs, (3) write the user's IOSB, (4) signal the user event — or, if none, \
            the file object's event, (5) unlink the IRP from its list, (6) queue the user APC, \
            or else queue the completion packet, or else free the IRP, (7) drop the file \
            reference.",
        observe: "trace order; anything woken by step 4 can already see steps 1–3",
        sources: "R-irp `IopCompleteRequest`; MS \"How Completion Processing Is Performed\" \
            (same order)",
        note: "",
        divergence: "Wine's server queues APC/packet before setting the event in its own result \
            routine.",
    }
    IRP_45 "IRP-45" Kernel Tested {
        statement: "Decision table, with E = `NT_ERROR(IoStatus.Status)`, P = PendingReturned, S \
            = synchronous handle or synchronous-API IRP: not E → full notification (steps 3–6); \
            E and P and not S → full notification; E and not P → nothing (the return value \
            carries the error); E and P and S → no IOSB, no user event, no APC: only the file \
            object's final status and event (or IOSB + event for a synchronous-API IRP).",
        observe: "W-nt matrix; sync pipe cancelled: IOSB untouched",
        sources: "R-irp; W-nt `do_return_status`; W-pipe `test_alertable`, \
            `test_cancelsynchronousio`; R-iorw",
        note: "",
        divergence: "The newest version of W-pipe also accepts STATUS_CANCELLED written to the \
            IOSB for a cancelled synchronous request.",
    }
    IRP_46 "IRP-46" Kernel Tested {
        statement: "The test is on severity, not on \"success\": informational (0x4…) and \
            warning (0x8…) statuses notify exactly like STATUS_SUCCESS, including when they are \
            produced without pending.",
        observe: "0x4eadbeef, 0x8eadbeef, 0x80000005 rows",
        sources: "W-nt `test_return_status`",
        note: "",
        divergence: "",
    }
    IRP_47 "IRP-47" NtSyscall Tested
        missing "Requests have sizes, not contents, so that copies cannot be told apart." {
        statement: "Buffered output: exactly `Information` bytes are copied to the user buffer, \
            and only if the status is not an error and is not STATUS_VERIFY_REQUIRED; bytes the \
            driver placed in the system buffer beyond `Information` are never seen, and on an \
            error nothing is copied.",
        observe: "driver writes 6 bytes, reports 3: caller sees 3",
        sources: "W-nt (expected buffer strings), R-iorw (verify-required row), R-irp",
        note: "",
        divergence: "",
    }
    IRP_48 "IRP-48" NtSyscall Tested
        missing "Requests have sizes, not contents, so that copies cannot be told apart." {
        statement: "Direct and neither transfers have no copy step: whatever the driver wrote is \
            visible at once, even if the request then fails and even if `Information` is \
            smaller.",
        observe: "all 6 bytes visible with an error status",
        sources: "W-nt",
        note: "",
        divergence: "",
    }
    IRP_49 "IRP-49" Kernel SourceDerived
        missing "There is no memory that could be taken away from a status block." {
        statement: "A fault while writing the user's IOSB (bad or unmapped pointer) is \
            swallowed; the rest of the second stage continues.",
        observe: "unmap the IOSB page before completion: event and APC still happen",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    IRP_50 "IRP-50" NtSyscall Tested {
        statement: "With a user event: the event is set; on an asynchronous handle the file \
            object's event is then not set, on a synchronous handle both are set.",
        observe: "wait state of event and handle after each completion",
        sources: "W-pipe `test_completion`, `test_blocking`; R-irp",
        note: "",
        divergence: "Wine does not set the handle in the synchronous case (todo).",
    }
    IRP_51 "IRP-51" NtSyscall Tested {
        statement: "If a user APC routine was given, the APC wins and no packet is posted, even \
            if a port has been associated with the file meanwhile; a packet is posted only if a \
            port is associated at completion time and the APC context is non-NULL.",
        observe: "issue with APC, then bind a port, then complete: APC, no packet; issue without \
            APC, bind, complete: packet",
        sources: "W-file `test_file_io_completion`",
        note: "",
        divergence: "",
    }
    IRP_52 "IRP-52" NtSyscall Tested {
        statement: "The user APC is the IRP's own embedded APC object, re-initialised for the \
            current thread: user mode (for user requestors), normal routine = the caller's \
            routine, normal context = APC context, first system argument = the IOSB pointer, \
            second = NULL; so the routine is called as (context, iosb, 0).",
        observe: "third argument is 0",
        sources: "R-irp; W-pipe `apc`, W-nt `return_status_apc` (reserved == 0)",
        note: "",
        divergence: "",
    }
    IRP_53 "IRP-53" Kernel SourceDerived {
        statement: "Hence the IRP is not freed at completion but when its user APC is delivered \
            (kernel routine) or flushed at thread exit (rundown routine); between the two the \
            request is no longer \"pending\": it is on no list, cannot be cancelled and cannot \
            be found by CancelIoEx.",
        observe: "CancelIoEx after completion but before the alertable wait: not found, routine \
            still runs once",
        sources: "R-irp `IopFreeIrpKernelApc`, `IopAbortIrpKernelApc`",
        note: "",
        divergence: "",
    }
    IRP_54 "IRP-54" NtSyscall SourceDerived {
        statement: "User APCs produced by I/O go to the tail of the same user-mode APC queue as \
            `QueueUserAPC` requests and are delivered under the same alertability rules; nothing \
            distinguishes them.",
        observe: "interleave I/O completions and QueueUserAPC: one FIFO",
        sources: "R-irp; observed on Wine 8.0",
        note: "source-derived + observed",
        divergence: "",
    }
    IRP_55 "IRP-55" Kernel SourceDerived {
        statement: "The completion packet is the IRP itself: key = the key bound to the file \
            object at completion, value = APC context, status/information = `IoStatus`; the IRP \
            is freed when the packet is removed or when the port object is deleted.",
        observe: "NtRemoveIoCompletion fields",
        sources: "R-irp, R- ntoskrnl/io/iomgr/iocomp.c",
        note: "",
        divergence: "",
    }
    IRP_56 "IRP-56" Kernel SourceDerived missing "Files are open from the start." {
        statement: "Create (open) operations never deliver a user APC and never post a packet; \
            their result is the return value of the open service.",
        observe: "",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    IRP_57 "IRP-57" Kernel SourceDerived {
        statement: "For a synchronous handle the second stage stores the final status in the \
            file object and sets the file object's event; the blocked issuing thread then \
            returns that stored status.",
        observe: "return value of a blocking read that failed after pending",
        sources: "R-irp, R-iofunc",
        note: "",
        divergence: "",
    }
    IRP_58 "IRP-58" Driver SourceDerived {
        statement: "Driver-built synchronous IRPs (no file object) follow the same table: error \
            without pending → neither IOSB nor event; everything else → both.",
        observe: "`IoBuildDeviceIoControlRequest` to a device that fails inline",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    IRP_59 "IRP-59" Kernel Tested {
        statement: "On a synchronous handle to a cached file the read/write services first try \
            fast I/O; a fast read is accepted for STATUS_SUCCESS, STATUS_BUFFER_OVERFLOW and \
            STATUS_END_OF_FILE, a fast write for STATUS_SUCCESS, and any other outcome falls \
            back to an IRP.",
        observe: "IRP count per call",
        sources: "R-iofunc `NtReadFile`; R-iorw",
        note: "tested (reads), source-derived (writes)",
        divergence: "",
    }
    IRP_60 "IRP-60" NtSyscall Tested {
        statement: "When fast I/O is accepted, the IOSB is written and the user event is set \
            even if the status is an error (end of file), in contrast to IRP-45.",
        observe: "NtReadFile past EOF on a synchronous cached handle: returns 0xC0000011, IOSB = \
            0xC0000011, event set",
        sources: "R-iorw; W-file `read_file_test`",
        note: "",
        divergence: "Observed on Wine 8.0: same.",
    }
    IRP_61 "IRP-61" NtSyscall Tested {
        statement: "Fast I/O never queues the user APC that was passed in, even on success.",
        observe: "synchronous cached read with APC routine, then SleepEx: routine not called",
        sources: "W-file `read_file_test` (asserted for Windows, todo for Wine)",
        note: "",
        divergence: "Observed on Wine 8.0: the APC is delivered.",
    }
    IRP_62 "IRP-62" Kernel SourceDerived
        missing "Only reads and writes of cached data have a path without a request packet." {
        statement: "The device-control fast path writes the IOSB, sets the event and, if a port \
            is bound and the context is non-NULL, posts an independent mini-packet; it then \
            returns the status directly.",
        observe: "packet without IRP",
        sources: "R-iofunc `IopDeviceFsIoControl`",
        note: "",
        divergence: "",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "irp",
    title: "I/O request packets",
    introduction: "Allocation, the way down a device stack and back up, and the two stages \
        of completion: what drivers do with a request, and what its issuer sees of it.",
    rules: RULES,
};

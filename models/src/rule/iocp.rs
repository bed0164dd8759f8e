//! Completion ports: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::cancel::END;
    IOCP_01 "IOCP-01" NtSyscall Documented {
        statement: "NtCreateIoCompletion(concurrency) makes an empty, non-signalled port; \
            concurrency 0 means the number of processors. Win32 CreateIoCompletionPort uses the \
            concurrency argument only when it creates the port and ignores it when a port is \
            passed.",
        observe: "query depth = 0; wait on handle times out",
        sources: "MS \"CreateIoCompletionPort\"; R-queue `KeInitializeQueue`",
        note: "",
        divergence: "Wine stores the number and never uses it.",
    }
    IOCP_02 "IOCP-02" UserApi SourceDerived {
        statement: "CreateIoCompletionPort(INVALID_HANDLE_VALUE, existing port, …) fails with \
            ERROR_INVALID_PARAMETER; with a bad file handle or a bad port handle it fails with \
            ERROR_INVALID_HANDLE, and a port created on the fly is closed again on failure.",
        observe: "error codes 87 / 6 / 6",
        sources: "R-k32; obs",
        note: "source-derived + observed",
        divergence: "",
    }
    IOCP_03 "IOCP-03" NtSyscall Tested {
        statement: "Association (FileCompletionInformation) requires an asynchronous file \
            object; a synchronous one gives STATUS_INVALID_PARAMETER and leaves the IOSB \
            untouched.",
        observe: "bind a non-overlapped pipe",
        sources: "W-file `test_file_io_completion`; obs",
        note: "",
        divergence: "Wine writes the IOSB (todo).",
    }
    IOCP_04 "IOCP-04" NtSyscall Documented {
        statement: "A file object can be associated once: a second association — same or another \
            port, same or another key — fails with STATUS_INVALID_PARAMETER, and the association \
            lasts as long as the file object.",
        observe: "bind twice",
        sources: "MS \"CreateIoCompletionPort\" (one port until closed); obs (87 in both cases)",
        note: "",
        divergence: "Since Windows 8.1 FileReplaceCompletionInformation (61) can replace or \
            remove it (port NULL).",
    }
    IOCP_05 "IOCP-05" NtSyscall Documented {
        statement: "Port and key live in the file object, so requests made through duplicated or \
            inherited handles, even by another process, post to the same port with the same key.",
        observe: "I/O through a duplicate",
        sources: "MS \"CreateIoCompletionPort\"; IO-02",
        note: "",
        divergence: "",
    }
    IOCP_06 "IOCP-06" Kernel Inferred {
        statement: "The port used for a packet is looked up at completion, while \
            thread-agnosticism is decided at issue; binding between the two yields a packet from \
            a thread-bound request.",
        observe: "issue, bind, exit the issuer: cancelled, packet posted",
        sources: "W-file (packet after late binding); IRP-08; W-async `add_async_completion`",
        note: "inferred from tested parts",
        divergence: "",
    }
    IOCP_07 "IOCP-07" Kernel Documented {
        statement: "The file object holds a reference on the port: the port object outlives its \
            handles while files are bound to it, and file handles are among the references that \
            must go before it is destroyed.",
        observe: "close the port handle, complete I/O: nothing crashes, nobody can read the packet",
        sources: "MS \"I/O Completion Ports\" (references); obs",
        note: "",
        divergence: "",
    }
    IOCP_08 "IOCP-08" NtSyscall SourceDerived
        missing "Access rights are outside the model: every handle has full access." {
        statement: "Access rights: removing and posting need IO_COMPLETION_MODIFY_STATE (2), \
            querying the depth needs IO_COMPLETION_QUERY_STATE (1), waiting on the handle needs \
            SYNCHRONIZE.",
        observe: "restricted handles",
        sources: "R-iocomp; W-comp",
        note: "",
        divergence: "",
    }
    IOCP_09 "IOCP-09" NtSyscall Tested {
        statement: "A packet is the 4-tuple (key, value, status, information). For I/O: key \
            bound to the file, value = APC context (OVERLAPPED address in Win32), status and \
            information of the request. For NtSetIoCompletion all four are free; \
            PostQueuedCompletionStatus fixes status to 0.",
        observe: "NtRemoveIoCompletion fields",
        sources: "W-file `test_set_io_completion`; R-iocomp `IoSetIoCompletion`; R-k32",
        note: "",
        divergence: "",
    }
    IOCP_10 "IOCP-10" NtSyscall Documented {
        statement: "All packet sources share one FIFO: I/O packets, posted packets, \
            wait-completion packets and job messages are removed strictly in queueing order \
            (unless handed directly to a waiter, IOCP-25).",
        observe: "interleave posts and completions",
        sources: "R-queue; MS \"I/O Completion Ports\"",
        note: "",
        divergence: "",
    }
    IOCP_11 "IOCP-11" NtSyscall Tested {
        statement: "When an I/O request posts a packet is fixed by irp.md/io.md: pended → always \
            (any status); inline success or warning → yes unless skipped by mode flag; inline \
            error → never; APC routine present → never; NULL context → never.",
        observe: "W-nt matrix",
        sources: "IRP-45, IRP-51, IO-39, IO-43",
        note: "",
        divergence: "",
    }
    IOCP_12 "IOCP-12" NtSyscall SourceDerived {
        statement: "Posting never blocks and has no capacity limit other than memory; it fails \
            only with STATUS_INSUFFICIENT_RESOURCES. An I/O packet cannot fail to be queued \
            because it is the IRP itself.",
        observe: "",
        sources: "R-iocomp",
        note: "",
        divergence: "",
    }
    IOCP_13 "IOCP-13" NtSyscall SourceDerived
        missing "There is no call that asks for the depth; waiting for the port shows whether it is empty." {
        statement: "NtQueryIoCompletion returns the number of queued packets not yet handed to \
            anyone.",
        observe: "post two: depth 2",
        sources: "R-iocomp (signal state); obs",
        note: "source-derived + observed",
        divergence: "",
    }
    IOCP_14 "IOCP-14" NtSyscall Tested {
        statement: "NtRemoveIoCompletion returns STATUS_SUCCESS with the packet whatever the \
            packet's own status is; STATUS_TIMEOUT (a success code) if none arrived in time; \
            STATUS_USER_APC if the wait was broken for thread termination; \
            STATUS_ABANDONED_WAIT_0 if the last port handle was closed meanwhile.",
        observe: "post with status 0xC0000010: call returns 0 and the IOSB carries the error",
        sources: "W-file `test_set_io_completion`; W-sync",
        note: "",
        divergence: "",
    }
    IOCP_15 "IOCP-15" UserApi Documented {
        statement: "GetQueuedCompletionStatus: TRUE if a packet with an `NT_SUCCESS` status was \
            removed; FALSE with non-NULL *lpOverlapped if a packet with a warning or error \
            status was removed (bytes and key stored, last error mapped from that status); FALSE \
            with *lpOverlapped = NULL if nothing was removed (WAIT_TIMEOUT, \
            ERROR_ABANDONED_WAIT_0, ERROR_INVALID_HANDLE …; bytes and key not stored).",
        observe: "four cases",
        sources: "MS \"GetQueuedCompletionStatus\"; R-k32; obs",
        note: "",
        divergence: "",
    }
    IOCP_16 "IOCP-16" UserApi SourceDerived {
        statement: "A warning packet makes GetQueuedCompletionStatus return FALSE (for \
            STATUS_BUFFER_OVERFLOW: ERROR_MORE_DATA) although data was transferred and \
            bytes/key/overlapped are valid.",
        observe: "partial message read on a bound pipe",
        sources: "R-k32; obs",
        note: "source-derived + observed",
        divergence: "",
    }
    IOCP_17 "IOCP-17" UserApi Observed {
        statement: "A packet whose value is NULL and status failing cannot be told from \
            \"nothing removed\" by the documented NULL test, except that key and bytes have been \
            overwritten; PostQueuedCompletionStatus cannot produce it, NtSetIoCompletion can. A \
            posted NULL-overlapped packet with status 0 returns TRUE with NULL.",
        observe: "NtSetIoCompletion(key 3, value 0, 0xC0000120, 4): FALSE/995, NULL, bytes 4, \
            key 3",
        sources: "obs; R-k32",
        note: "",
        divergence: "",
    }
    IOCP_18 "IOCP-18" UserApi Documented {
        statement: "On time-out *lpOverlapped is set to NULL; time-out 0 polls.",
        observe: "prefilled pointer becomes NULL, key and bytes keep their values",
        sources: "MS \"GetQueuedCompletionStatus\"; R-k32; obs",
        note: "",
        divergence: "",
    }
    IOCP_19 "IOCP-19" NtSyscall Tested {
        statement: "NtRemoveIoCompletionEx / GetQueuedCompletionStatusEx waits for the first \
            packet and then takes, without further waiting, as many as are queued up to the \
            array size, in FIFO order, all for this one thread; each entry carries its own \
            status in its Internal/IOSB field and the call returns success even if all of them \
            failed.",
        observe: "two posted, array of 2: count 2 in order; array of 1: one each",
        sources: "W-file `test_set_io_completion`; MS \"GetQueuedCompletionStatusEx\"; obs",
        note: "",
        divergence: "",
    }
    IOCP_20 "IOCP-20" NtSyscall Tested {
        statement: "When the Ex call removes nothing (time-out, APC, abandonment) the count \
            output is 0 or 1 but meaningless; only the return status tells.",
        observe: "count ≤ 1 asserted after STATUS_TIMEOUT and STATUS_USER_APC",
        sources: "W-file, W-sync; obs (1)",
        note: "",
        divergence: "",
    }
    IOCP_21 "IOCP-21" UserApi Documented {
        statement: "Win32 alertable Ex: WAIT_IO_COMPLETION is delivered as FALSE with last error \
            192 after the routine has run, and no packet has been removed.",
        observe: "pending QueueUserAPC and empty port",
        sources: "obs; MS \"GetQueuedCompletionStatusEx\"",
        note: "",
        divergence: "",
    }
    IOCP_22 "IOCP-22" NtSyscall Tested {
        statement: "Alertable Ex with both a pending user APC and a queued packet: if the thread \
            is already associated with this port the packet is returned and the APC stays \
            queued; if it is not (first call, or last associated elsewhere), the APC wins, \
            STATUS_USER_APC is returned, the packet stays, and the thread does not become \
            associated by that call.",
        observe: "sequence: associate with port X, queue APC and packet on Y, Ex(Y, alertable) → \
            USER_APC; queue APC, Ex(Y) → USER_APC again; Ex(Y) → packet; queue APC and packet, \
            Ex(Y) → packet, APC still pending",
        sources: "W-file `test_set_io_completion`",
        note: "",
        divergence: "Obs: Wine 8.0 returns the packet in all cases (fixed later).",
    }
    IOCP_23 "IOCP-23" NtSyscall Tested {
        statement: "Non-alertable removal never runs user APCs, not even when it times out.",
        observe: "Ex(alertable FALSE) with pending APC: STATUS_TIMEOUT, routine not run",
        sources: "W-file; obs",
        note: "",
        divergence: "",
    }
    IOCP_24 "IOCP-24" NtSyscall Tested {
        statement: "For thread-agnostic I/O packets the removal performs the deferred part of \
            the second stage: copy of buffered data and writing of the requester's IOSB happen \
            now, in the removing thread, before the call returns.",
        observe: "IOSB pattern intact → remove → IOSB final",
        sources: "IRP-42",
        note: "tested (IOSB), inferred (data copy)",
        divergence: "Wine writes both at completion. What happens if the remover belongs to a \
            different process is doubtful.",
    }
    IOCP_25 "IOCP-25" Kernel Documented {
        statement: "Queueing a packet: if a thread is waiting in a removal call and the number \
            of active associated threads is below the limit, the packet is handed directly to \
            the most recently arrived waiter and never becomes visible in the queue (depth and \
            signalled state unchanged); otherwise it is appended to the FIFO.",
        observe: "post with one waiter: depth stays 0",
        sources: "R-queue `KiInsertQueue`; MS \"KeInsertQueue\"; W-sync (direct handle waiters \
            not woken)",
        note: "",
        divergence: "",
    }
    IOCP_26 "IOCP-26" UserApi Tested {
        statement: "Waiters are released in LIFO order of arrival; packets in FIFO order. With \
            waiters A then B and posts 3, 4, 5: B gets 3, A gets 4, the next caller gets 5.",
        observe: "exactly that",
        sources: "W-sync (asserted for Windows 10; older versions may differ in which of the \
            later packets a woken thread gets); MS \"I/O Completion Ports\"",
        note: "",
        divergence: "Obs: Wine 8.0 wakes FIFO; newer Wine is LIFO.",
    }
    IOCP_27 "IOCP-27" Kernel Documented {
        statement: "A thread is associated with the port of its most recent removal call (at \
            most one); association starts when the call enters the queue logic, even if it then \
            times out, and ends by calling on another port, by exit, or when the port is run \
            down.",
        observe: "IOCP-22 sequence; MS text",
        sources: "MS \"I/O Completion Ports\"; R-queue `KeRemoveQueue`; W-file",
        note: "",
        divergence: "",
    }
    IOCP_28 "IOCP-28" Kernel Documented {
        statement: "Active count = associated threads that are not blocked. On entering a \
            removal call an associated thread's activity is given up first; the call then takes \
            a queued packet only if the active count is below the limit, incrementing it again; \
            otherwise it waits even though packets are queued.",
        observe: "concurrency 1, A active after taking a packet; B calls with a packet queued: B \
            blocks until A blocks, calls again or exits",
        sources: "R-queue `KeRemoveQueue`; MS \"I/O Completion Ports\"",
        note: "",
        divergence: "Wine has no concurrency control (obs): B gets the packet at once.",
    }
    IOCP_29 "IOCP-29" Kernel Documented {
        statement: "When an active associated thread blocks on anything else (a wait, a sleep, a \
            suspension, a blocking I/O call), its slot is released at once: if packets and \
            waiters exist and the count is now below the limit, the newest waiter gets the \
            oldest packet.",
        observe: "concurrency 1: A takes p1 then Sleep(100); p2 queued, waiter B: B gets p2 at \
            the moment A sleeps",
        sources: "R-queue `KiActivateWaiterQueue`; MS \"I/O Completion Ports\" (SuspendThread \
            example)",
        note: "",
        divergence: "Wine none.",
    }
    IOCP_30 "IOCP-30" Kernel Documented {
        statement: "When the blocked thread is released from that other wait it becomes active \
            again unconditionally, so the active count may exceed the limit; no running thread \
            is stopped for it, but no packet is handed out until the count has dropped below the \
            limit again.",
        observe: "continue the previous scenario: A and B both run (2 active, limit 1); post p3 \
            with waiter C: C stays blocked until both A and B have given up their slots far \
            enough",
        sources: "MS \"I/O Completion Ports\"; R-queue",
        note: "",
        divergence: "Wine none.",
    }
    IOCP_31 "IOCP-31" Kernel SourceDerived {
        statement: "A kernel APC delivered to a thread waiting on the port interrupts the wait; \
            when it resumes, the thread re-enters the wait list as the newest waiter and will be \
            released first, and if packets became available meanwhile it takes one without \
            waiting.",
        observe: "waiters A (old) and B (new); an I/O of A completes (second-stage APC in A); \
            post one packet: A gets it, not B",
        sources: "R-queue `KeRemoveQueue` loop; MS \"KeRemoveQueue\" remarks",
        note: "",
        divergence: "Wine: position unchanged.",
    }
    IOCP_32 "IOCP-32" Kernel SourceDerived {
        statement: "While that kernel APC runs, the thread counts as active; a packet queued by \
            the APC itself (second stage posting to the very port its thread waits on) is not \
            handed to another waiter but appended to the queue, and the thread picks it up on \
            resuming its wait.",
        observe: "thread A waits on the port with its own event-carrying request pending \
            (thread-bound); completion posts from A's APC: A returns with the packet although \
            newer waiter B exists",
        sources: "R-queue `KiInsertQueue` (check on current thread)",
        note: "",
        divergence: "",
    }
    IOCP_33 "IOCP-33" Kernel SourceDerived {
        statement: "A waiter whose time-out expires leaves the wait list and becomes active (it \
            returns to its caller), which can push the count over the limit.",
        observe: "concurrency 1, A active, B times out: count 2",
        sources: "R-queue",
        note: "",
        divergence: "",
    }
    IOCP_34 "IOCP-34" UserApi Documented {
        statement: "A running thread that calls removal again while packets are queued continues \
            without blocking and in preference to older waiters (it gives up and re-takes its \
            slot within one call), so with limit 1 and a busy queue the same thread processes \
            everything.",
        observe: "MS scenario, no switches",
        sources: "MS \"I/O Completion Ports\"; R-queue",
        note: "",
        divergence: "",
    }
    IOCP_35 "IOCP-35" Kernel SourceDerived {
        statement: "A thread switching from port X to port Y gives up its activity on X, which \
            may release a waiter on X, before it is considered on Y.",
        observe: "limit 1 on X, packet and waiter on X, A (active on X) calls on Y",
        sources: "R-queue",
        note: "",
        divergence: "",
    }
    IOCP_36 "IOCP-36" Kernel SourceDerived {
        statement: "The port does not care which thread issued the I/O or posted the packet; \
            posting by an associated active thread does not change its own activity.",
        observe: "worker posts to its own port: waiter released only if the limit allows",
        sources: "R-queue",
        note: "",
        divergence: "",
    }
    IOCP_37 "IOCP-37" Kernel SourceDerived {
        statement: "A terminating thread's wait in the non-alertable removal call is broken \
            because it is a user-mode wait (user-APC-pending is forced), so port waiters can \
            always be terminated.",
        observe: "TerminateThread on a waiter",
        sources: "R-queue (user-mode wait check)",
        note: "",
        divergence: "",
    }
    IOCP_38 "IOCP-38" Kernel Documented {
        statement: "Special kernel APCs (I/O second stages) are delivered to threads waiting on \
            a port like to any other waiter; a port wait therefore does not delay status blocks, \
            events or packets of the waiting thread's own requests, only its user APCs.",
        observe: "A waits on the port with an unrelated ReadFileEx pending: IOSB becomes final \
            during the wait, routine does not run",
        sources: "MS \"KeRemoveQueue\"",
        note: "",
        divergence: "",
    }
    IOCP_39 "IOCP-39" NtSyscall Tested {
        statement: "A port handle is signalled while its queue is non-empty; a direct wait on it \
            does not remove anything and does not associate the thread.",
        observe: "post one, wait twice: both satisfied; depth still 1; after removal the wait \
            times out",
        sources: "W-sync; obs",
        note: "",
        divergence: "",
    }
    IOCP_40 "IOCP-40" NtSyscall Tested {
        statement: "One queued packet satisfies all threads waiting directly on the handle.",
        observe: "two direct waiters, one post: both return WAIT_OBJECT_0 and the packet is \
            still there",
        sources: "W-sync",
        note: "",
        divergence: "Obs: Wine 8.0 woke only one of two (fixed later).",
    }
    IOCP_41 "IOCP-41" NtSyscall Tested {
        statement: "If the packet is handed straight to a thread blocked in a removal call, \
            direct waiters are not woken.",
        observe: "one direct waiter, one remover, one post: remover gets it, direct wait times out",
        sources: "W-sync",
        note: "",
        divergence: "Before Windows 10 1607 the direct waiter was woken too.",
    }
    IOCP_42 "IOCP-42" NtSyscall Tested {
        statement: "Closing the last handle of a port while threads wait: removal calls return \
            STATUS_ABANDONED_WAIT_0 (0x80) — Win32 FALSE, NULL overlapped, \
            ERROR_ABANDONED_WAIT_0 — for the plain and the Ex call, alertable or not; direct \
            waits on the handle return success.",
        observe: "two waiters of each kind",
        sources: "W-sync; MS \"GetQueuedCompletionStatus\"",
        note: "",
        divergence: "XP/2003 kept waiting; obs: Wine 8.0 also keeps waiting (fixed later).",
    }
    IOCP_43 "IOCP-43" Kernel Inferred {
        statement: "Waiting threads do hold a reference to the port object but not a handle; \
            what triggers abandonment is the handle count reaching zero, not object deletion, so \
            bound files do not prevent it.",
        observe: "close the port handle while a bound file is open and a thread waits",
        sources: "W-sync (no file involved), W-comp close handler; MS \
            \"GetQueuedCompletionStatus\"",
        note: "",
        divergence: "",
    }
    IOCP_44 "IOCP-44" NtSyscall Tested {
        statement: "A removal call that starts after the handle is closed fails with \
            STATUS_INVALID_HANDLE.",
        observe: "race arm of the test",
        sources: "W-sync",
        note: "",
        divergence: "",
    }
    IOCP_45 "IOCP-45" Kernel SourceDerived {
        statement: "When the port object is finally deleted (no handles, no bound files), its \
            queue is run down: queued I/O packets have their IRPs freed and posted packets are \
            discarded; nobody is notified. Threads still recorded as associated are detached.",
        observe: "post, close: no leak in the model",
        sources: "R-iocomp `IopDeleteIoCompletion`; R-queue `KeRundownQueue`; MS \
            \"KeRundownQueue\" (wakes waiters with an abandoned status since Windows 7)",
        note: "",
        divergence: "",
    }
    IOCP_46 "IOCP-46" Kernel Doubtful {
        statement: "A thread-agnostic request that completes after the port's last handle is \
            gone can never have its packet removed; whether its IOSB is then written at \
            completion or never is not settled by any source (the \"not being torn down\" \
            condition of the thread-agnostic rule suggests the ordinary path is used).",
        observe: "issue, close port handle, complete, poll IOSB",
        sources: "blog \"thread agnostic I/O\"; obs: Wine writes IOSB and signals the file handle",
        note: "",
        divergence: "",
    }
    IOCP_47 "IOCP-47" NtSyscall Documented
        missing "Wait completion packets cannot be said in a scenario." {
        statement: "A wait completion packet object links a waitable object to a port: when the \
            object is or becomes signalled, one packet (key, value, status, information given at \
            association) is queued; association with an already signalled object queues \
            immediately and reports \"already signalled\". It is one-shot: it can be \
            re-associated only after its packet was removed or it was cancelled; while in use a \
            new association fails with STATUS_INVALID_PARAMETER_1. Mutexes, keyed events, ports \
            and such packets themselves are refused as targets (STATUS_INVALID_PARAMETER_3).",
        observe: "event, associate, SetEvent, remove",
        sources: "MS \"NtAssociateWaitCompletionPacket\"; W-comp (newest)",
        note: "documented / source-derived (error codes)",
        divergence: "Not in Wine 8.0.",
    }
    IOCP_48 "IOCP-48" NtSyscall Documented
        missing "Wait completion packets cannot be said in a scenario." {
        statement: "Cancelling a wait completion packet: STATUS_SUCCESS if it was still waiting, \
            or queued and removal of the queued packet was requested; STATUS_PENDING if queued \
            and removal was not requested; STATUS_CANCELLED if it is idle.",
        observe: "three states",
        sources: "MS \"NtCancelWaitCompletionPacket\"; W-comp",
        note: "",
        divergence: "Not in Wine 8.0.",
    }
    IOCP_49 "IOCP-49" NtSyscall Doubtful
        missing "Wait completion packets cannot be said in a scenario." {
        statement: "Firing a wait completion packet consumes the object's signal like a wait \
            would (auto-reset objects are reset), as the object's wait is satisfied on behalf of \
            the packet.",
        observe: "auto-reset event, associate, SetEvent: event non-signalled afterwards",
        sources: "inferred from \"wait association\" wording",
        note: "",
        divergence: "Newest Wine does not consume the signal.",
    }
    IOCP_50 "IOCP-50" UserApi Documented missing "There are no job objects." {
        statement: "A job object with an associated port queues messages with key = association \
            key, bytes = message code, overlapped = process id (for process messages); delivery \
            of most messages is not guaranteed and carries no order guarantee relative to I/O \
            packets.",
        observe: "new process / exit process messages",
        sources: "MS \"JOBOBJECT_ASSOCIATE_COMPLETION_PORT\"",
        note: "",
        divergence: "",
    }
    IOCP_51 "IOCP-51" Driver Documented missing "A port is such a queue; what it adds for drivers, entries of their own in KeInsertQueue and KeRemoveQueue, cannot be said in a scenario." {
        statement: "Kernel queue counterparts: insert returns the previous number of queued \
            entries; insert-at-head exists only in the kernel; remove returns an entry pointer \
            or one of STATUS_TIMEOUT, STATUS_USER_APC (user-mode wait only), STATUS_ABANDONED, \
            so kernel callers must compare against these values rather than NULL.",
        observe: "",
        sources: "MS \"KeInsertQueue\", \"KeInsertHeadQueue\", \"KeRemoveQueue\", \
            \"KeRundownQueue\"",
        note: "",
        divergence: "",
    }
    IOCP_52 "IOCP-52" NtSyscall SourceDerived
        missing "Memory for packets does not run out, so that reserving it shows nothing." {
        statement: "NtSetIoCompletionEx posts through a pre-allocated reserve object, so that \
            the post itself cannot fail for lack of memory; apart from that the packet is \
            indistinguishable from one posted by NtSetIoCompletion.",
        observe: "same fields on removal",
        sources: "W-comp (newest, reserve argument)",
        note: "",
        divergence: "A reserve object already in use makes the call fail on Windows; Wine does \
            not model that.",
    }
    IOCP_53 "IOCP-53" NtSyscall Inferred {
        statement: "Nothing in a packet identifies the thread that issued the request or the one \
            that completed it; a model may keep this only as trace data.",
        observe: "",
        sources: "IOCP-09",
        note: "",
        divergence: "",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "iocp",
    title: "Completion ports",
    introduction: "Association with files, packets, the threads that remove them and the \
        limit on how many of these are active, ports as waitable objects, and what closing \
        one does.",
    rules: RULES,
};

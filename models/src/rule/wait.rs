//! Dispatcher objects and waits: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::apc::END;
    WAIT_01 "WAIT-01" Kernel SourceDerived {
        statement: "A wait call goes through: parameter and handle checks; delivery of pending \
            kernel APCs (WAIT-19); then, in one atomic step: test the object(s); test alerts and \
            user APCs; test for a zero or already expired timeout; otherwise link one wait block \
            per object and become Waiting.",
        observe: "the priority rules WAIT-02 to WAIT-07",
        sources: "R-wait `KeWaitForSingleObject`, `KeWaitForMultipleObjects`",
        note: "",
        divergence: "Windows 8 and later split the lock but keep the order of tests.",
    }
    WAIT_02 "WAIT-02" UserApi SourceDerived {
        statement: "If the wait can be satisfied at entry it is, whatever else is pending: it \
            returns WAIT_OBJECT_0(+i) even when the call is alertable with APCs queued, alerted, \
            or has a zero timeout; the APCs stay queued.",
        observe: "set event, QueueUserAPC(self), WaitForSingleObjectEx(e, INFINITE, TRUE) = 0; \
            SleepEx(0, TRUE) = 0xC0",
        sources: "R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_03 "WAIT-03" NtSyscall SourceDerived {
        statement: "Otherwise, if alertable and the alert bit of the wait's own mode is set, the \
            bit is consumed and STATUS_ALERTED returned.",
        observe: "ALERT-03",
        sources: "R-kex `KiCheckAlertability`",
        note: "",
        divergence: "Not in Wine 8.0.",
    }
    WAIT_04 "WAIT-04" UserApi Tested {
        statement: "Otherwise, if alertable, in UserMode, and the user APC list is non-empty, \
            UserApcPending is set and STATUS_USER_APC returned, even with a zero timeout.",
        observe: "WaitForSingleObjectEx(unsignalled, 0, TRUE) with an APC queued = 0xC0, not \
            WAIT_TIMEOUT",
        sources: "R-kex `KiCheckAlertability`; W-k32sync; obs",
        note: "",
        divergence: "",
    }
    WAIT_05 "WAIT-05" NtSyscall SourceDerived {
        statement: "Otherwise, if alertable and the kernel-mode alert bit is set, it is consumed \
            and STATUS_ALERTED returned (so in a UserMode wait it ranks after user APCs).",
        observe: "ALERT-04",
        sources: "R-kex",
        note: "",
        divergence: "",
    }
    WAIT_06 "WAIT-06" Kernel SourceDerived {
        statement: "A non-alertable wait tests none of these, except that a UserMode one returns \
            STATUS_USER_APC if UserApcPending is already set, i.e. an APC delivery is already \
            decided (practically: the thread is being terminated).",
        observe: "APC-U-26",
        sources: "R-kex",
        note: "",
        divergence: "",
    }
    WAIT_07 "WAIT-07" UserApi SourceDerived {
        statement: "Only then is the timeout looked at: zero, or an absolute time not in the \
            future, gives STATUS_TIMEOUT without blocking. Order of precedence at entry in full: \
            object > own-mode alert > user APC > kernel alert > timeout > block.",
        observe: "pairwise tests of the above",
        sources: "R-wait",
        note: "and observed",
        divergence: "",
    }
    WAIT_08 "WAIT-08" Kernel Tested {
        statement: "A blocking thread's wait block goes to the tail of each object's wait list; \
            there is one list per object, not one per wait type.",
        observe: "FIFO wake-up of threads that started waiting at distinct times: W1, W2, W3",
        sources: "R-wait; R-tevt",
        note: "",
        divergence: "Completion ports and kernel queues order waiters LIFO (iocp.md).",
    }
    WAIT_09 "WAIT-09" UserApi Tested {
        statement: "A wait changes an object only at the moment it is satisfied by it; a wait \
            that ends by timeout, APC, alert or error leaves every object as it was.",
        observe: "semaphore count unchanged after 0xC0 or timeout",
        sources: "R-wait; MS \"Wait Functions\"; W-k32sync `test_alertable_wait`",
        note: "",
        divergence: "",
    }
    WAIT_10 "WAIT-10" UserApi Documented {
        statement: "Queueing a user APC to a thread in an alertable UserMode wait ends that wait \
            with STATUS_USER_APC (0xC0) in the same step as the insertion; the APC's routine runs \
            later, when the thread gets a processor and returns to user mode, and only after all \
            queued APCs ran does the program see the result.",
        observe: "SleepEx(INFINITE, TRUE) + QueueUserAPC",
        sources: "R-apc `KiInsertQueueApc`; MS \"Waits and APCs\"; W-k32sync",
        note: "",
        divergence: "",
    }
    WAIT_11 "WAIT-11" UserApi Documented {
        statement: "A wait that is not alertable, or was made with wait mode KernelMode, is not \
            ended by a user APC; the APC stays queued and, after such a wait, still needs an \
            alertable one.",
        observe: "APC-U-02",
        sources: "R-apc; MS \"Waits and APCs\"",
        note: "",
        divergence: "APC-U-27.",
    }
    WAIT_12 "WAIT-12" Kernel SourceDerived {
        statement: "A blocked wait has exactly one cause of ending: the first event that unlinks \
            the thread (object, APC, alert, timeout) stores the result; anything later finds the \
            thread no longer waiting and acts as if it had never been in the wait.",
        observe: "WAIT-13, WAIT-14",
        sources: "R-wait `KiUnwaitThread`, R-apc",
        note: "",
        divergence: "WAIT-13.",
    }
    WAIT_13 "WAIT-13" UserApi SourceDerived {
        statement: "APC first, object second: if an APC is queued to a thread blocked alertably \
            on an auto-reset event and then the event is set, before the thread has run at all, \
            the wait returns WAIT_IO_COMPLETION and the event stays set.",
        observe: "main: QueueUserAPC(w), SetEvent(e); w's wait = 0xC0, then \
            WaitForSingleObject(e, 0) = 0",
        sources: "R-apc; WAIT-12",
        note: "",
        divergence: "Wine 8.0 only marks the APC and re-evaluates the wait later: there the \
            object often wins (observed in 176 of 200 and 86 of 200 runs) with the event consumed \
            and the APC left queued.",
    }
    WAIT_14 "WAIT-14" UserApi SourceDerived {
        statement: "Object first, APC second: the wait returns WAIT_OBJECT_0, the object has been \
            consumed, and the APC stays queued for the next alertable wait.",
        observe: "main: SetEvent(e), QueueUserAPC(w); w's wait = 0, SleepEx(0, TRUE) = 0xC0",
        sources: "R-wait, R-apc; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_15 "WAIT-15" UserApi Inferred {
        statement: "Timeout and another cause that fall due at the same instant race: whichever \
            is processed first wins, and both results are allowed; after WAIT_TIMEOUT the object \
            has not been consumed.",
        observe: "both outcomes in an outcome set with free time",
        sources: "WAIT-12",
        note: "",
        divergence: "",
    }
    WAIT_16 "WAIT-16" UserApi SourceDerived {
        statement: "When a signal satisfies a blocked thread, the object's state change (event \
            auto-reset, count decrement, ownership) happens in the signaller's step; between that \
            and the moment the woken thread runs, nobody else can take it.",
        observe: "WAIT-50, WAIT-58",
        sources: "R-wait `KiWaitTest`, R-kex `KiSatisfy…Wait`",
        note: "and observed",
        divergence: "",
    }
    WAIT_17 "WAIT-17" UserApi Tested
        missing "The last error is shown with each failed call, not kept between calls." {
        statement: "A satisfied, timed-out or APC-ended wait does not change the last-error \
            value; only WAIT_FAILED sets it.",
        observe: "SetLastError(0xdeadbeef) around waits",
        sources: "W-k32sync `test_WaitForSingleObject`",
        note: "",
        divergence: "",
    }
    WAIT_18 "WAIT-18" Kernel SourceDerived {
        statement: "A thread with a pending kernel-mode reason to die (termination) leaves any \
            UserMode wait, alertable or not, with STATUS_USER_APC that no program code ever sees \
            (THR-27); a KernelMode wait runs to its end.",
        observe: "TerminateThread on a thread in WaitForSingleObject: thread object signalled soon",
        sources: "R-apc, R-kill",
        note: "",
        divergence: "",
    }
    WAIT_19 "WAIT-19" Kernel SourceDerived {
        statement: "A wait entered below APC_LEVEL with KernelApcPending set and not in a guarded \
            region first lets the kernel APCs run, then begins the tests of WAIT-01; they \
            therefore see the effects of those APCs.",
        observe: "kernel APC sets the event before the wait tests it",
        sources: "R-wait",
        note: "",
        divergence: "",
    }
    WAIT_20 "WAIT-20" Kernel Documented {
        statement: "A deliverable kernel APC (APC-I-11) for a blocked thread unlinks it from all \
            objects, runs, and then the whole wait is restarted inside the same call; the caller \
            never sees STATUS_KERNEL_APC.",
        observe: "suspended and resumed waiter's call still returns 0 or WAIT_TIMEOUT",
        sources: "R-wait; MS \"Wait Functions\", \"Mutex Objects\"",
        note: "",
        divergence: "",
    }
    WAIT_21 "WAIT-21" UserApi SourceDerived {
        statement: "A restarted wait performs all entry tests again, in the same order, so an \
            object signalled meanwhile satisfies it at once, and an alert or user APC that \
            arrived meanwhile ends it if alertable.",
        observe: "suspend a waiter, SetEvent, resume: WAIT_OBJECT_0",
        sources: "R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_22 "WAIT-22" UserApi SourceDerived {
        statement: "The deadline survives a restart: a relative timeout is counted from the \
            original call, not from the restart; an absolute one is unchanged.",
        observe: "wait 150 ms, suspended from 50 to 100 ms: WAIT_TIMEOUT at 150 ms",
        sources: "R-kex `KiRecalculateDueTime`; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_23 "WAIT-23" UserApi SourceDerived {
        statement: "If the deadline passed during the interruption, the objects are still tested \
            first: signalled means WAIT_OBJECT_0 although it is late; otherwise WAIT_TIMEOUT.",
        observe: "wait 50 ms; suspend at 10; SetEvent at 80; resume at 100: WAIT_OBJECT_0",
        sources: "R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_24 "WAIT-24" UserApi Documented {
        statement: "A restarted wait joins each wait list at the tail: the thread loses its FIFO \
            place, and a signal given while it was out goes to another waiter, or stays in the \
            object if there is none.",
        observe: "W1, W2 wait on auto event; suspend and resume W1; SetEvent: W2 wakes",
        sources: "R-wait; MS \"Mutex Objects\" (order not guaranteed because of kernel APCs)",
        note: "(in general form)",
        divergence: "Wine 8.0 keeps W1's place (observed); Windows 8 and later with lightweight \
            suspension: THR-19.",
    }
    WAIT_25 "WAIT-25" UserApi Documented {
        statement: "A thread that is out of its wait because of a kernel APC misses a PulseEvent \
            completely; this is the documented reason why PulseEvent is unreliable.",
        observe: "suspend the waiter, PulseEvent, resume: keeps waiting",
        sources: "MS \"PulseEvent function\"; obs (with suspension)",
        note: "",
        divergence: "",
    }
    WAIT_26 "WAIT-26" UserApi Documented {
        statement: "User APCs do not restart waits: after a user APC the call returns 0xC0, and \
            the program must call again, which is a new wait with a new relative timeout at the \
            tail of the list.",
        observe: "loop around SleepEx; FIFO place lost",
        sources: "MS \"WaitForSingleObjectEx function\"; WAIT-08",
        note: "",
        divergence: "",
    }
    WAIT_27 "WAIT-27" Kernel Documented
        missing "A statement about locks: the machine's steps are some order of atomic steps." {
        statement: "From Windows 8 on there is no global dispatcher lock: each object has its \
            own, multi-object waits lock objects in a fixed order, and a wait being set up is \
            marked in progress so that a signal, APC or timeout arriving then aborts or completes \
            it; the allowed results are those of some order of atomic steps.",
        observe: "none",
        sources: "WI7",
        note: "",
        divergence: "Earlier versions: one lock.",
    }
    WAIT_28 "WAIT-28" UserApi Documented {
        statement: "The thread's FIFO place may also be lost for reasons invisible to the program \
            (any system kernel APC, for example I/O completion for its own requests). A faithful \
            outcome set therefore lets a blocked thread be re-queued at the tail when an APC of \
            the modelled system hits it, but a program may never rely on FIFO.",
        observe: "waiter with an overlapped request completing",
        sources: "MS \"Mutex Objects\"; irp.md (second stage is a kernel APC)",
        note: "",
        divergence: "",
    }
    WAIT_29 "WAIT-29" UserApi Tested {
        statement: "A wait on several objects takes 1 to 64 handles at API and system-call level; \
            0 or more than 64 fails with ERROR_INVALID_PARAMETER before anything else happens (no \
            APC runs).",
        observe: "nCount 0 and 65: WAIT_FAILED/87",
        sources: "R-obw; W-k32sync `test_WaitForMultipleObjects`; obs",
        note: "",
        divergence: "",
    }
    WAIT_30 "WAIT-30" UserApi Tested {
        statement: "Wait-any at entry: the lowest index whose object is signalled is returned and \
            only that object is changed.",
        observe: "objects 1 and 2 signalled: result 1, object 2 still signalled",
        sources: "MS \"WaitForMultipleObjectsEx function\"; W-k32sync \
            `test_WaitForMultipleObjects`",
        note: "",
        divergence: "",
    }
    WAIT_31 "WAIT-31" UserApi SourceDerived {
        statement: "Wait-any after blocking: the index is that of the object whose signal \
            unlinked the thread, not the lowest one signalled by the time the thread runs.",
        observe: "set event 2 then event 1 while w has not run: result 2, event 1 still set",
        sources: "R-wait (wait key of the block)",
        note: "",
        divergence: "Wine 8.0 server decides at the signal too; its re-evaluation after \
            interruptions can differ.",
    }
    WAIT_32 "WAIT-32" UserApi Documented {
        statement: "Wait-all takes nothing while waiting: objects that are signalled meanwhile \
            can be taken by others and the waiter holds no claim on them.",
        observe: "w waits for all of {semaphore 1, event}; main takes the semaphore: succeeds; \
            then event set: w keeps waiting",
        sources: "MS \"WaitForMultipleObjectsEx function\"; R-wait; obs",
        note: "",
        divergence: "",
    }
    WAIT_33 "WAIT-33" UserApi Documented {
        statement: "Wait-all is satisfied when all objects are signalled at the same moment, and \
            then takes all in one atomic step.",
        observe: "two auto events set one after the other: both reset afterwards",
        sources: "R-wait; MS",
        note: "",
        divergence: "",
    }
    WAIT_34 "WAIT-34" UserApi SourceDerived {
        statement: "Successful wait-all returns WAIT_OBJECT_0 (0), or WAIT_ABANDONED_0 (0x80) if \
            at least one of the objects was an abandoned mutex; the offset carries no \
            information.",
        observe: "all of {abandoned mutex, event} = 0x80",
        sources: "R-wait; MS (documents only the range); obs",
        note: "and observed",
        divergence: "The documentation gives a range of values.",
    }
    WAIT_35 "WAIT-35" Kernel SourceDerived {
        statement: "Signalling one object of a blocked wait-all makes the waiter re-evaluate: on \
            NT 5.2 and later the waiter is unlinked as for a kernel APC, retests all, and if not \
            satisfied re-queues at the tail of every object; on earlier systems the signaller \
            tests all objects itself and either satisfies or leaves the waiter in place.",
        observe: "FIFO place among waiters after a partial signal",
        sources: "R-wait `KiWaitTest`, R-kex `KxUnwaitThread…`",
        note: "",
        divergence: "Windows 2000 and Wine: in place; Windows 8 and later: not verified. Make it \
            an option.",
    }
    WAIT_36 "WAIT-36" UserApi SourceDerived {
        statement: "Consequence of WAIT-35: a wait-all waiter at the head of an auto-reset \
            event's list does not reserve the signal: a later wait-any waiter on the same event \
            can get it, although the wait-all could have been satisfied.",
        observe: "A waits all {e1 (set), e2}; B waits e2; SetEvent(e2): B wins (NT 5.2 design)",
        sources: "R-kex `KxUnwaitThreadForEvent`",
        note: "",
        divergence: "Wine: A wins. The documentation promises neither; a conformance check must \
            allow both: *doubtful*.",
    }
    WAIT_37 "WAIT-37" UserApi Documented {
        statement: "PulseEvent and wait-all: if the other objects are not all signalled at that \
            moment, the pulse has no effect on the waiter; if they are, the older design \
            satisfies it, while with WAIT-35 (re-evaluation after the pulse is over) it is \
            missed.",
        observe: "A waits all {e1 (set), e2}; PulseEvent(e2)",
        sources: "MS \"PulseEvent function\" (only the first half); R-evt, R-wait; obs",
        note: "/ doubtful for the second half",
        divergence: "Wine 8.0: satisfied (both event kinds).",
    }
    WAIT_38 "WAIT-38" UserApi SourceDerived {
        statement: "An alertable wait-all or wait-any is ended by an APC like a single wait, with \
            nothing consumed, also if some of the objects were signalled.",
        observe: "all of {set auto event, unset event}, APC queued: 0xC0, first event still set",
        sources: "R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_39 "WAIT-39" UserApi Documented {
        statement: "The same object twice in one array: allowed for wait-any; for wait-all it \
            fails with STATUS_INVALID_PARAMETER_MIX → ERROR_INVALID_PARAMETER.",
        observe: "{e, e} all",
        sources: "R-obw; MS \"WaitForMultipleObjectsEx function\" (duplicates not allowed with \
            wait-all)",
        note: "",
        divergence: "Wine 8.0 accepts it and returns 0.",
    }
    WAIT_40 "WAIT-40" UserApi Tested {
        statement: "All handles are checked before any object is tested: one bad handle fails the \
            whole call (ERROR_INVALID_HANDLE), even when another object is signalled; SYNCHRONIZE \
            access is required for each (else ERROR_ACCESS_DENIED).",
        observe: "{set event, bad handle} any: WAIT_FAILED/6, event still set",
        sources: "R-obw; W-k32sync `test_WaitForMultipleObjects`",
        note: "",
        divergence: "",
    }
    WAIT_41 "WAIT-41" UserApi Tested missing "Pseudo-handles cannot be said in a scenario." {
        statement: "The pseudo-handles of the current process and thread are valid in \
            single-object waits (they time out, of course) and invalid in multi-object ones.",
        observe: "WaitForSingleObject(GetCurrentThread(), 0) = WAIT_TIMEOUT; in an array: \
            WAIT_FAILED/6",
        sources: "W-k32sync `test_WaitForSingleObject`, `test_WaitForMultipleObjects`",
        note: "",
        divergence: "Wine 8.0 accepts them in arrays (marked as not matching).",
    }
    WAIT_42 "WAIT-42" UserApi Tested missing "Handle values cannot be said in a scenario." {
        statement: "The two lowest bits of a handle are ignored; INVALID_HANDLE_VALUE equals the \
            current-process pseudo-handle, so a single wait on it times out or blocks for ever \
            instead of failing.",
        observe: "WaitForSingleObject(INVALID_HANDLE_VALUE, 0) = WAIT_TIMEOUT",
        sources: "W-k32sync `test_WaitForSingleObject`",
        note: "",
        divergence: "",
    }
    WAIT_43 "WAIT-43" UserApi SourceDerived {
        statement: "Closing a handle while a thread waits on its object does not affect that \
            wait: the wait holds its own reference; what happens if nobody else can ever signal \
            the object is simply an endless wait.",
        observe: "close the only event handle under a waiter: keeps waiting",
        sources: "R-obw (reference kept over the wait); MS (behaviour undefined at API level)",
        note: "",
        divergence: "For mutexes see WAIT-63.",
    }
    WAIT_44 "WAIT-44" UserApi SourceDerived {
        statement: "A wait-all that includes a mutex already owned by the caller counts it as \
            signalled and adds one level of recursion when satisfied.",
        observe: "own m; all {m, set event} = 0; two releases needed",
        sources: "R-wait, R-mut",
        note: "",
        divergence: "",
    }
    WAIT_45 "WAIT-45" UserApi Documented {
        statement: "A wait-any that includes an abandoned mutex at index i returns 0x80 + i when \
            that mutex satisfies it.",
        observe: "{unset event, abandoned mutex} = 0x81",
        sources: "MS; obs",
        note: "",
        divergence: "",
    }
    WAIT_46 "WAIT-46" UserApi Documented {
        statement: "A manual-reset (notification) event stays signalled until reset and satisfies \
            every wait; an auto-reset (synchronization) event satisfies exactly one wait per \
            signalled state and is reset by it.",
        observe: "two waits each",
        sources: "MS \"Event Objects\"; R-tevt",
        note: "",
        divergence: "",
    }
    WAIT_47 "WAIT-47" UserApi Tested {
        statement: "SetEvent on a manual-reset event with waiters releases all of them in one \
            step and leaves it set.",
        observe: "three waiters all return 0",
        sources: "R-evt; R-tevt",
        note: "",
        divergence: "",
    }
    WAIT_48 "WAIT-48" UserApi Tested {
        statement: "SetEvent on an auto-reset event with waiters releases exactly the first \
            waiter that can be satisfied and leaves it unset; without waiters it becomes set; on \
            an already set event it does nothing: signals do not accumulate.",
        observe: "SetEvent ×2 without waiters: one wait succeeds, second times out",
        sources: "R-evt `KeSetEvent`; W-ntsync `test_event`; obs",
        note: "",
        divergence: "",
    }
    WAIT_49 "WAIT-49" Kernel Tested {
        statement: "Waiters of an event are released in wait-list order, independent of priority; \
            priority only decides who runs first afterwards.",
        observe: "R-tevt checks FIFO",
        sources: "R-tevt",
        note: "",
        divergence: "Order not guaranteed to programs (WAIT-28).",
    }
    WAIT_50 "WAIT-50" UserApi SourceDerived {
        statement: "Setting an auto-reset event with a waiter hands the signal over: a third \
            thread (or the setter) testing the event right after the SetEvent, before the waiter \
            has run, finds it unset.",
        observe: "w blocked; main: SetEvent(e); WaitForSingleObject(e, 0) = WAIT_TIMEOUT",
        sources: "R-evt; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_51 "WAIT-51" UserApi SourceDerived {
        statement: "ResetEvent only clears the state; it affects no thread already released.",
        observe: "SetEvent; ResetEvent with blocked waiters on a manual event: all waiters return \
            0",
        sources: "R-evt",
        note: "",
        divergence: "",
    }
    WAIT_52 "WAIT-52" UserApi Tested {
        statement: "PulseEvent on an unset event releases the threads that are in the wait list \
            at that moment (all for manual, one for auto) and leaves it unset; with no waiters it \
            has no effect; on a set event it just resets it and releases nobody.",
        observe: "set auto event, PulseEvent: afterwards unset",
        sources: "R-evt `KePulseEvent`; R-tevt; MS \"PulseEvent function\"; obs",
        note: "",
        divergence: "",
    }
    WAIT_53 "WAIT-53" NtSyscall Tested {
        statement: "At NT level set, reset and pulse return the previous state (0 or 1); a set \
            that hands over to a waiter reports previous state 0 although the event is 0 \
            afterwards.",
        observe: "NtSetEvent(&prev)",
        sources: "R-evt; W-ntsync `test_event`; R-tevt",
        note: "",
        divergence: "",
    }
    WAIT_54 "WAIT-54" NtSyscall Tested
        missing "Access rights are outside the model: every handle has full access." {
        statement: "Creating an event with a type other than the two fails with \
            STATUS_INVALID_PARAMETER; changing state needs EVENT_MODIFY_STATE, waiting \
            SYNCHRONIZE.",
        observe: "NtCreateEvent(type 2)",
        sources: "W-ntsync `test_event`",
        note: "",
        divergence: "",
    }
    WAIT_55 "WAIT-55" UserApi Tested {
        statement: "A mutex is signalled when unowned. Satisfying a wait makes the waiting thread \
            its owner; the owner's further waits on it succeed at once and add a recursion level; \
            each ReleaseMutex takes one level off and the last frees it.",
        observe: "two waits, two releases, third release fails",
        sources: "MS \"Mutex Objects\"; W-k32sync `test_mutex`",
        note: "",
        divergence: "",
    }
    WAIT_56 "WAIT-56" UserApi SourceDerived {
        statement: "Because an owned mutex is signalled for its owner, an alertable wait by the \
            owner returns 0 immediately even with APCs queued (object first, WAIT-02).",
        observe: "own m, APC queued, WaitForSingleObjectEx(m, INFINITE, TRUE) = 0",
        sources: "R-mut, R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_57 "WAIT-57" UserApi Tested {
        statement: "Release by a thread that does not own it: FALSE/ERROR_NOT_OWNER (288), no \
            effect; also when nobody owns it.",
        observe: "W-k32sync",
        sources: "W-k32sync `test_mutex`; W-ntsync `test_mutant`",
        note: "",
        divergence: "WAIT-64.",
    }
    WAIT_58 "WAIT-58" UserApi SourceDerived {
        statement: "Releasing the last level with waiters transfers ownership to the first waiter \
            in the same step; the releaser's immediate zero-time wait times out (no barging).",
        observe: "w blocked on m; main: ReleaseMutex; WaitForSingleObject(m, 0) = WAIT_TIMEOUT",
        sources: "R-mut `KeReleaseMutant`; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_59 "WAIT-59" UserApi Tested
        missing "Access rights are outside the model: every handle has full access." {
        statement: "ReleaseMutex needs ownership only, no particular access right on the handle.",
        observe: "handle opened with READ_CONTROL or SYNCHRONIZE only: release succeeds",
        sources: "W-k32sync `test_mutex`",
        note: "",
        divergence: "",
    }
    WAIT_60 "WAIT-60" UserApi Tested {
        statement: "When a thread ends while owning mutexes, each becomes abandoned and signalled \
            (all levels dropped at once), in the order of its list of owned mutexes, before the \
            thread object itself is signalled; the next successful wait reports WAIT_ABANDONED \
            and owns the mutex normally.",
        observe: "owner exits; wait = 0x80; release TRUE; next wait = 0",
        sources: "MS \"Mutex Objects\"; R-kill `KeRundownThread`; W-k32sync `test_mutex`",
        note: "",
        divergence: "",
    }
    WAIT_61 "WAIT-61" UserApi SourceDerived {
        statement: "The abandoned report is given once: the wait that acquires the mutex clears \
            it; with several blocked waiters only the first gets 0x80, unless it too ends while \
            owning.",
        observe: "chain of waiters that each exit without release: each gets 0x80 in FIFO order",
        sources: "R-kex `KiSatisfyMutantWait`; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_62 "WAIT-62" UserApi SourceDerived {
        statement: "An abandoned mutex is signalled also for timeouts of zero and for \
            wait-any/all (WAIT-34, WAIT-45).",
        observe: "WaitForSingleObject(m, 0) = 0x80",
        sources: "R-mut; obs",
        note: "",
        divergence: "",
    }
    WAIT_63 "WAIT-63" UserApi Tested {
        statement: "Closing all handles of an owned mutex does not release it for a thread still \
            blocked on it: the waiter is released with WAIT_ABANDONED only when the owner ends.",
        observe: "W-k32sync `test_mutex` (owner terminated, handle closed): waiter gets 0x80",
        sources: "W-k32sync `test_mutex`",
        note: "",
        divergence: "",
    }
    WAIT_64 "WAIT-64" UserApi Doubtful {
        statement: "ReleaseMutex of an abandoned mutex that nobody has re-acquired, by any \
            thread: no ownership, so it must not succeed in changing anything; the reported \
            status is unclear.",
        observe: "owner exits, main calls ReleaseMutex",
        sources: "R-mut (raises STATUS_ABANDONED 0x80, which ReleaseMutex would report as TRUE); \
            obs",
        note: "",
        divergence: "Wine 8.0: FALSE/288.",
    }
    WAIT_65 "WAIT-65" Kernel SourceDerived missing "Needs four thousand million acquisitions." {
        statement: "Recursion is limited only by a 32-bit counter (STATUS_MUTANT_LIMIT_EXCEEDED \
            is raised as an exception, not returned).",
        observe: "not practical",
        sources: "R-mut, R-wait",
        note: "",
        divergence: "",
    }
    WAIT_66 "WAIT-66" NtSyscall Tested
        missing "The Nt calls that return a previous state are no calls of the format." {
        statement: "At NT level a release returns the previous count: 0 for \"was owned once\", \
            −1 for one recursion, …; a query gives current count (1 free, 0 owned, −n recursion), \
            owned-by-caller and abandoned flags.",
        observe: "NtReleaseMutant(&prev), NtQueryMutant",
        sources: "W-ntsync `test_mutant`",
        note: "",
        divergence: "",
    }
    WAIT_67 "WAIT-67" UserApi Documented
        missing "Objects of a scenario exist from the beginning; none is created by a call." {
        statement: "CreateMutex with initial ownership makes the creator the owner only if the \
            object is created by this call.",
        observe: "second CreateMutex with same name: ERROR_ALREADY_EXISTS, not owner",
        sources: "MS \"CreateMutex function\"; W-k32sync",
        note: "",
        divergence: "",
    }
    WAIT_68 "WAIT-68" UserApi Inferred {
        statement: "A user APC or timeout ending a wait never leaves the thread owning the mutex; \
            being woken by ReleaseMutex and then receiving an APC leaves it owning (WAIT-14).",
        observe: "after 0xC0: ReleaseMutex = FALSE/288",
        sources: "WAIT-09, WAIT-12",
        note: "",
        divergence: "",
    }
    WAIT_69 "WAIT-69" Kernel SourceDerived {
        statement: "The owner of a kernel mutex (KMUTEX) that ends its thread still owning it \
            stops the system; only mutants can be abandoned.",
        observe: "invariant (bugcheck 0x4000008A)",
        sources: "R-thrdobj `KeRundownThread`",
        note: "",
        divergence: "",
    }
    WAIT_70 "WAIT-70" UserApi Documented {
        statement: "A semaphore is signalled while its count is positive; each satisfied wait \
            takes one; there is no owner.",
        observe: "count 2: two waits, third times out",
        sources: "MS \"Semaphore Objects\"",
        note: "",
        divergence: "",
    }
    WAIT_71 "WAIT-71" UserApi SourceDerived {
        statement: "ReleaseSemaphore(n) adds n and then satisfies waiters in list order while the \
            count is positive, one step; the previous count returned is the value before adding.",
        observe: "three waiters, release 2: first two return",
        sources: "R-sem; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_72 "WAIT-72" UserApi Tested {
        statement: "A release that would exceed the maximum changes nothing: \
            FALSE/ERROR_TOO_MANY_POSTS (298), previous count not written.",
        observe: "max 2, count 1, release 2",
        sources: "R-sem; W-ntsync `test_semaphore`; MS \"ReleaseSemaphore function\"",
        note: "",
        divergence: "",
    }
    WAIT_73 "WAIT-73" UserApi Documented {
        statement: "ReleaseSemaphore with a count ≤ 0 is an error (ERROR_INVALID_PARAMETER); \
            creation demands 0 ≤ count ≤ max and max > 0.",
        observe: "release 0",
        sources: "MS \"ReleaseSemaphore function\"; R-exsem",
        note: "",
        divergence: "Wine 8.0: 0 succeeds, −1 gives 298.",
    }
    WAIT_74 "WAIT-74" UserApi Documented {
        statement: "Thread and process objects are notification objects: signalled once, at the \
            end of exit, for ever. File handles, ports and timers have their own rules (io.md, \
            iocp.md, timer.md).",
        observe: "wait on an exited thread twice: 0, 0",
        sources: "MS \"Wait Functions\"",
        note: "",
        divergence: "",
    }
    WAIT_75 "WAIT-75" Kernel SourceDerived {
        statement: "All these waits and signals use one vocabulary: signalling is an action of \
            the signaller that walks the wait list while the object remains signalled, satisfying \
            wait-any waiters and waking wait-all waiters to re-evaluate.",
        observe: "trace",
        sources: "R-wait `KiWaitTest`",
        note: "",
        divergence: "",
    }
    WAIT_76 "WAIT-76" UserApi Tested {
        statement: "SignalObjectAndWait signals an event (as SetEvent), a mutex (as ReleaseMutex) \
            or a semaphore (release 1), then waits on the second object like \
            WaitForSingleObjectEx. Any other first object: FAILED, ERROR_INVALID_HANDLE; nothing \
            is waited on.",
        observe: "signal a thread handle: WAIT_FAILED/6",
        sources: "R-obw `NtSignalAndWaitForSingleObject`; W-k32sync `test_signalandwait`; MS",
        note: "",
        divergence: "",
    }
    WAIT_77 "WAIT-77" UserApi Documented {
        statement: "If the signal part fails (mutex not owned → ERROR_NOT_OWNER; semaphore at \
            maximum → ERROR_TOO_MANY_POSTS) the call fails at once and does not wait, and no APC \
            runs.",
        observe: "as stated",
        sources: "R-obw; MS; obs",
        note: "",
        divergence: "",
    }
    WAIT_78 "WAIT-78" UserApi Documented {
        statement: "Signal and wait are one step as far as other waiters of the two objects are \
            concerned only on older systems; the documentation no longer promises atomicity, so \
            another thread may observe the signal before this one is waiting (a pulse by it can \
            be missed).",
        observe: "partner: wait(e1), PulseEvent(e2); main: SignalObjectAndWait(e1, e2) may hang",
        sources: "MS \"SignalObjectAndWait function\"; R-wait (WaitNext keeps the lock)",
        note: "",
        divergence: "Atomic before Windows 7; not atomic since.",
    }
    WAIT_79 "WAIT-79" UserApi SourceDerived {
        statement: "With APCs queued and alertable TRUE, the signal is given, then the wait \
            returns WAIT_IO_COMPLETION (if the second object is not signalled); the signal is not \
            undone, so simply repeating the call signals twice.",
        observe: "first event set afterwards; semaphore count +2 after two calls",
        sources: "R-obw; obs",
        note: "and observed",
        divergence: "",
    }
    WAIT_80 "WAIT-80" UserApi Tested {
        statement: "The same object may be both arguments: for an unset auto-reset event the call \
            sets and consumes it, returning 0 at once if nobody else waits.",
        observe: "W-k32sync repeats it 10000 times",
        sources: "W-k32sync `test_signalandwait`",
        note: "",
        divergence: "With another waiter on that event, the hand-over (WAIT-50) gives it to that \
            waiter and the caller blocks (inferred).",
    }
    WAIT_81 "WAIT-81" UserApi Documented {
        statement: "MsgWaitForMultipleObjectsEx waits for nCount ≤ 63 objects plus queue input; \
            input returns WAIT_OBJECT_0 + nCount; MWMO_ALERTABLE (2) makes it alertable; with \
            nCount 0 it waits for input only.",
        observe: "64 objects: WAIT_FAILED/87; nCount 0 with APC queued = 0xC0",
        sources: "MS \"MsgWaitForMultipleObjectsEx function\"; obs",
        note: "",
        divergence: "",
    }
    WAIT_82 "WAIT-82" UserApi Documented missing "No call of the format posts input to a thread." {
        statement: "In it, signalled objects and fresh input win over queued APCs; without \
            MWMO_INPUTAVAILABLE (4) input already seen by a Peek/Get call does not count; \
            MWMO_WAITALL (1) demands all objects and an input event at the same time.",
        observe: "message posted + APC queued: index result, APC remains",
        sources: "MS; obs",
        note: "(flags), observed (priority)",
        divergence: "",
    }
    WAIT_83 "WAIT-83" NtSyscall Tested missing "Thread-id alerts are no calls of the format." {
        statement: "NtWaitForAlertByThreadId blocks until NtAlertThreadByThreadId for this \
            thread: one sticky bit, consumed by the wait, which returns STATUS_ALERTED; with \
            timeout STATUS_TIMEOUT; it is not alertable in the APC sense.",
        observe: "alert twice, wait twice: second times out; APC queued: not run",
        sources: "W-ntsync `test_tid_alert`",
        note: "(APC part inferred)",
        divergence: "Windows 8 and later.",
    }
    WAIT_84 "WAIT-84" NtSyscall Tested missing "Needs a second process." {
        statement: "NtAlertThreadByThreadId works within one process only (else \
            STATUS_ACCESS_DENIED); an unknown id gives STATUS_INVALID_CID.",
        observe: "as stated",
        sources: "W-ntsync `test_tid_alert`",
        note: "",
        divergence: "",
    }
    WAIT_85 "WAIT-85" UserApi Documented missing "Thread-id alerts are no calls of the format." {
        statement: "WaitOnAddress, condition variables, SRW locks and critical sections are built \
            on thread-id alerts or keyed events and never run APCs; WaitOnAddress may return \
            spuriously and compares the value before blocking.",
        observe: "W-ntsync `test_wait_on_address`",
        sources: "W-ntsync; MS \"WaitOnAddress function\"",
        note: "",
        divergence: "",
    }
    WAIT_86 "WAIT-86" NtSyscall Tested missing "Keyed events are no object of the format." {
        statement: "Keyed events pair one releaser with one waiter per key: a release blocks \
            until a waiter with the same key arrives and vice versa; the key must be even (odd: \
            STATUS_INVALID_PARAMETER_1); both calls take an alertable flag and a timeout; a NULL \
            handle means the process-wide one.",
        observe: "as stated",
        sources: "W-ntsync `test_keyed_events`",
        note: "",
        divergence: "",
    }
    WAIT_87 "WAIT-87" NtSyscall Tested missing "Keyed events are no object of the format." {
        statement: "The keyed-event object itself is always signalled for ordinary waits.",
        observe: "WaitForSingleObject(keyed event, 0) = 0",
        sources: "W-ntsync `test_keyed_events`",
        note: "",
        divergence: "",
    }
    WAIT_88 "WAIT-88" UserApi Documented {
        statement: "SleepEx(ms, TRUE) returns WAIT_IO_COMPLETION if APCs ended it, else 0 after \
            the time; SleepEx(ms, FALSE) and Sleep always 0/nothing after the time.",
        observe: "as stated",
        sources: "MS \"SleepEx function\"; obs",
        note: "",
        divergence: "",
    }
    WAIT_89 "WAIT-89" UserApi Tested
        missing "The result of yielding is not shown by Sleep, and every schedule is explored." {
        statement: "Sleep(0)/SleepEx(0, FALSE) gives up the rest of the quantum to a ready thread \
            of equal priority and otherwise returns at once; at NT level STATUS_SUCCESS, or \
            STATUS_NO_YIELD_PERFORMED (0x40000024) when there was nobody.",
        observe: "W-ntsync `test_delayexecution`",
        sources: "R-wait `KeDelayExecutionThread`; W-ntsync; MS \"Sleep function\"",
        note: "",
        divergence: "",
    }
    WAIT_90 "WAIT-90" NtSyscall Tested missing "NtDelayExecution is no call of the format." {
        statement: "NtDelayExecution never returns STATUS_TIMEOUT: the elapsed time is success.",
        observe: "NtDelayExecution(FALSE, −10 ms) = 0",
        sources: "R-wait; W-ntsync `test_delayexecution`",
        note: "",
        divergence: "Wine 8.0 returns 0x102 for alertable zero delays (observed); fixed in later \
            versions.",
    }
    WAIT_91 "WAIT-91" UserApi Documented {
        statement: "INFINITE means no timeout; the maximal finite 32-bit value 0xFFFFFFFE ms is a \
            very long finite time.",
        observe: "",
        sources: "MS \"Wait Functions\"",
        note: "",
        divergence: "",
    }
    WAIT_92 "WAIT-92" NtSyscall Documented missing "A scenario has no clock that could be set." {
        statement: "Relative timeouts (negative NT intervals) are immune to changes of the system \
            clock; absolute ones follow it.",
        observe: "set the clock during a wait",
        sources: "MS \"KeWaitForSingleObject function\"; R-tim",
        note: "",
        divergence: "Since Windows 8 relative waits do not count time spent in low-power states.",
    }
    WAIT_93 "WAIT-93" UserApi Documented missing "Virtual time is exact." {
        statement: "Timeouts are honoured at clock-tick granularity (default 15.6 ms, or finer \
            when requested): a wait may end later than asked by up to a tick plus scheduling \
            delay, and measured with a different clock may appear slightly early.",
        observe: "W-k32timer `test_timeouts` tolerances",
        sources: "MS \"Sleep function\"; W-k32timer",
        note: "",
        divergence: "A virtual-time model may use exact time.",
    }
    WAIT_94 "WAIT-94" UserApi Documented {
        statement: "A wait that returns 0xC0 reports no remaining time; programs recompute it, \
            and the documented wrappers do not restart after APCs (they do after alerts: \
            ALERT-07).",
        observe: "",
        sources: "MS; R-k32syn",
        note: "",
        divergence: "",
    }
    WAIT_95 "WAIT-95" Kernel Documented missing "The policy nt of `run` follows it; exploration covers every order." {
        statement: "Thread states: Initialized, Ready, Standby, Running, Waiting, Terminated, \
            plus Transition (stack not resident), DeferredReady (made ready, not yet assigned to \
            a processor) and, on NT 5.1/5.2 only, GateWait. A woken thread is Ready, not Running.",
        observe: "trace",
        sources: "R-thrdschd; MS \"Thread State\" enumerations",
        note: "",
        divergence: "GateWait gone since Windows 7.",
    }
    WAIT_96 "WAIT-96" Kernel Documented missing "The policy nt of `run` follows it; exploration covers every order." {
        statement: "Ready threads run by priority; within one priority FIFO; a preempted thread \
            goes to the front of its queue, one whose quantum ended to the back.",
        observe: "",
        sources: "R-thrdschd; MS \"Scheduling Priorities\"",
        note: "",
        divergence: "With several processors and affinities only approximately.",
    }
    WAIT_97 "WAIT-97" Kernel Tested missing "The policy nt of `run` follows it; exploration covers every order." {
        statement: "A thread released from a wait may get a temporary boost above its base \
            priority (events, mutexes, semaphores 1; alerts and termination APCs 2; I/O by device \
            class), only in the dynamic range (base below 16) and to at most 15; it decays by one \
            per quantum.",
        observe: "R-tevt checks boosted priority",
        sources: "R-tevt; R-kex `KiComputeNewPriority`; MS \"Priority Boosts\"",
        note: "(KeSetEvent)",
        divergence: "SetThreadPriorityBoost disables it.",
    }
    WAIT_98 "WAIT-98" Model Inferred {
        statement: "Boosts and priorities change only which runnable thread goes first; they \
            never change which waiter an object chooses. An exploration that lets any runnable \
            thread go next covers them all.",
        observe: "",
        sources: "WAIT-49, WAIT-96",
        note: "",
        divergence: "Real systems show only a subset of the schedules.",
    }
    WAIT_99 "WAIT-99" Kernel Documented missing "The wait option cannot be said in a scenario." {
        statement: "With the \"wait next\" option of the kernel's set, pulse and release \
            functions the caller keeps IRQL and lock until its following wait call, making \
            signal-plus-wait atomic; the following call must be a wait.",
        observe: "trace",
        sources: "R-evt, R-mut; MS \"KeSetEvent function\"",
        note: "",
        divergence: "From Windows 7 on atomicity is not promised (WAIT-78).",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "wait",
    title: "Dispatcher objects and waits",
    introduction: "Blocking: the order in which a wait tests its reasons to return, what ends it \
        and when that is final, restarts behind the program's back, waits for any and for all, \
        and the objects themselves. The tests at entry have a fixed order, and whoever unlinks a \
        blocked thread first decides its result.",
    rules: RULES,
};

//! Threads: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::timer::END;
    THR_01 "THR-01" UserApi Tested {
        statement: "A new thread is inserted runnable unless created suspended, in which case its \
            suspend count is 1 from the beginning; it executes no user-mode instruction before \
            the count is 0.",
        observe: "ResumeThread on it returns 1 and it starts",
        sources: "MS \"CreateThread function\"; W-k32thr `test_CreateThread_suspended`",
        note: "",
        divergence: "",
    }
    THR_02 "THR-02" UserApi Tested {
        statement: "APC queueing to a thread is possible as soon as its creator has a handle, \
            also before its first instruction.",
        observe: "CREATE_SUSPENDED then QueueUserAPC = TRUE",
        sources: "W-k32sync `test_QueueUserAPC`; MS \"QueueUserAPC function\"",
        note: "",
        divergence: "",
    }
    THR_03 "THR-03" UserApi Tested {
        statement: "User APCs queued before the thread begins to run are delivered, all and FIFO, \
            at the end of its user-mode initialisation and before its entry point; the thread \
            begins as if it had made an alertable test.",
        observe: "A1, A2 then entry point",
        sources: "MS \"QueueUserAPC function\"; W-k32sync `test_QueueUserAPC`; R-psthr \
            `PspUserThreadStartup` + loader test-alert; obs",
        note: "",
        divergence: "",
    }
    THR_04 "THR-04" UserApi SourceDerived
        missing "Loader notifications cannot be said in a scenario." {
        statement: "Initialisation itself runs as the first user-mode context of the thread; \
            loader notifications (DLL_THREAD_ATTACH, TLS callbacks) come before those APCs.",
        observe: "order TLS-attach, A1, A2, entry, TLS-detach",
        sources: "R-psthr; obs",
        note: "and observed",
        divergence: "",
    }
    THR_05 "THR-05" UserApi Inferred missing "Loader notifications cannot be said in a scenario." {
        statement: "If code in such a notification waits alertably, the queued APCs run there, \
            earlier.",
        observe: "TLS callback calls SleepEx(0, TRUE)",
        sources: "THR-04, APC-U-01",
        note: "",
        divergence: "",
    }
    THR_06 "THR-06" UserApi Inferred {
        statement: "For a thread not created suspended, an APC queued right after creation races \
            with the start: it runs either before the entry point or at the thread's first \
            alertable wait (or never).",
        observe: "outcome set of both",
        sources: "THR-03",
        note: "",
        divergence: "",
    }
    THR_07 "THR-07" UserApi Tested {
        statement: "A queued APC does not start a suspended new thread: neither the APC nor the \
            entry point runs until the thread is resumed.",
        observe: "A queued, 100 ms, not run; resume: run",
        sources: "W-k32thr; obs",
        note: "",
        divergence: "",
    }
    THR_08 "THR-08" UserApi SourceDerived {
        statement: "A suspended new thread that is terminated ends without running its entry \
            point, its APCs, or loader notifications; the APCs are discarded.",
        observe: "TerminateThread(5): wait on handle = 0, exit code 5, nothing ran",
        sources: "R-psthr, R-kill; obs",
        note: "and observed",
        divergence: "",
    }
    THR_09 "THR-09" UserApi Tested {
        statement: "SuspendThread adds one to the thread's suspend count and returns the previous \
            count; ResumeThread subtracts one and returns the previous count; the thread can run \
            only at 0.",
        observe: "0, 1, 2 … and back",
        sources: "MS \"SuspendThread function\", \"ResumeThread function\"; W-k32thr \
            `test_SuspendThread`",
        note: "",
        divergence: "",
    }
    THR_10 "THR-10" UserApi Documented {
        statement: "ResumeThread on a thread that is not suspended returns 0 and does nothing; \
            there is no negative count and no remembered resume.",
        observe: "resume then suspend: thread is suspended",
        sources: "MS \"ResumeThread function\"; R-thrdobj",
        note: "",
        divergence: "",
    }
    THR_11 "THR-11" UserApi Tested {
        statement: "The count is at most 127: the next SuspendThread returns −1 with \
            ERROR_SIGNAL_REFUSED (STATUS_SUSPEND_COUNT_EXCEEDED) and changes nothing.",
        observe: "as stated; ResumeThread then returns 127",
        sources: "R-thrdobj `KeSuspendThread`; W-k32thr `test_SuspendThread`; obs",
        note: "",
        divergence: "",
    }
    THR_12 "THR-12" UserApi SourceDerived {
        statement: "SuspendThread on an exited thread: −1, ERROR_ACCESS_DENIED \
            (STATUS_THREAD_IS_TERMINATING); ResumeThread on it: 0.",
        observe: "as stated",
        sources: "R-state; obs",
        note: "and observed",
        divergence: "",
    }
    THR_13 "THR-13" Kernel SourceDerived {
        statement: "Suspension is a built-in normal kernel APC of the target whose normal routine \
            waits on a per-thread semaphore, KernelMode, not alertable; resuming to 0 releases \
            that semaphore.",
        observe: "a suspended thread is Waiting (reason Suspended)",
        sources: "R-thrdobj `KiSuspendThread`, `KeSuspendThread`",
        note: "",
        divergence: "Windows 8 and later: see THR-19 for waiting threads.",
    }
    THR_14 "THR-14" UserApi SourceDerived {
        statement: "SuspendThread returns when the count is raised and the APC queued, not when \
            the target has stopped; the target can execute user code for a little while after (on \
            another processor). GetThreadContext waits for it to stop.",
        observe: "outcome set includes steps of the target after the call returned",
        sources: "R-thrdobj; MS \"SuspendThread function\" (only for debuggers)",
        note: "",
        divergence: "Wine stops the thread synchronously.",
    }
    THR_15 "THR-15" Kernel Documented {
        statement: "Inside a critical or guarded region, or while a normal kernel APC runs, the \
            suspension takes effect when that ends; a thread in kernel mode is stopped at the \
            next delivery point, possibly inside its wait.",
        observe: "suspend a thread in a driver's critical region",
        sources: "MS \"Critical Regions and Guarded Regions\"; R-thrdobj",
        note: "",
        divergence: "",
    }
    THR_16 "THR-16" UserApi SourceDerived {
        statement: "A thread suspending itself stops before SuspendThread returns, and continues \
            with return value \"previous count\" after being resumed.",
        observe: "self-suspend; main resumes: the call returns 0",
        sources: "APC-I-07, R-thrdobj; obs",
        note: "and observed",
        divergence: "",
    }
    THR_17 "THR-17" UserApi SourceDerived {
        statement: "Suspending a blocked thread interrupts its wait as any kernel APC does: it is \
            off all wait lists while suspended, and after resumption the wait starts over \
            (WAIT-21 to WAIT-25): signalled meanwhile → satisfied; deadline passed → \
            WAIT_TIMEOUT; pulses lost; place in the queue lost.",
        observe: "WAIT-21, WAIT-23, WAIT-24, WAIT-25",
        sources: "R-thrdobj, R-wait",
        note: "and partly observed",
        divergence: "Wine 8.0: keeps its FIFO place.",
    }
    THR_18 "THR-18" UserApi SourceDerived {
        statement: "While suspended, a thread acquires nothing: an auto-reset event, semaphore \
            count or mutex signalled meanwhile goes to other waiters or stays available to them.",
        observe: "W1 suspended while waiting, W2 waiting, SetEvent: W2",
        sources: "R-thrdobj, R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    THR_19 "THR-19" Kernel Inferred
        missing "Left as an option, since its details are in doubt: the deviation interrupted-wait-keeps-place." {
        statement: "Windows 8.1/10 and later can suspend a blocked thread without running it \
            (\"lightweight suspension\"): its wait blocks are taken out and its timer stopped in \
            place, and relinked at resumption; an object signalled meanwhile satisfies it then, \
            and the original deadline is kept.",
        observe: "outcomes as THR-17, no extra context switches",
        sources: "published analyses of newer kernels",
        note: "place in the wait list on relinking doubtful",
        divergence: "Only under conditions (UserMode wait, nothing masked, not attached).",
    }
    THR_20 "THR-20" UserApi SourceDerived {
        statement: "A user APC queued to a suspended thread stays queued: it neither resumes the \
            thread nor ends the (interrupted) wait while suspended; after resumption an \
            interrupted alertable wait finds it at its restart and returns 0xC0, unless the \
            object is signalled (WAIT-02).",
        observe: "w in SleepEx(INFINITE, TRUE), suspend, QueueUserAPC, not run; resume: run, 0xC0",
        sources: "WAIT-21; obs",
        note: "and observed",
        divergence: "",
    }
    THR_21 "THR-21" UserApi Inferred {
        statement: "If the user APC was queued before the suspension took effect, the wait is \
            already decided (0xC0); the routine then runs after resumption.",
        observe: "QueueUserAPC, SuspendThread in this order: same visible result as THR-20, but \
            object signals in between remain unconsumed",
        sources: "WAIT-12, THR-13",
        note: "",
        divergence: "",
    }
    THR_22 "THR-22" UserApi Observed {
        statement: "Suspension inside an APC routine is ordinary: the routine stops and \
            continues; remaining APCs follow afterwards in the same wait.",
        observe: "A1 suspends itself, A2 queued; resume: A1 ends, A2 runs, wait = 0xC0",
        sources: "APC-U-06; obs",
        note: "",
        divergence: "",
    }
    THR_23 "THR-23" Kernel SourceDerived {
        statement: "Resuming before the suspend APC has been delivered cancels out: count back to \
            0, and the target passes through without stopping (or stops only momentarily).",
        observe: "suspend + resume on a thread in a critical region: no lasting effect",
        sources: "R-thrdobj (semaphore count taken back)",
        note: "",
        divergence: "",
    }
    THR_24 "THR-24" UserApi Documented {
        statement: "A suspended thread still owns its mutexes and critical sections; suspending \
            it can deadlock others, nothing times that out.",
        observe: "main waits on w's mutex: WAIT_TIMEOUT",
        sources: "MS \"SuspendThread function\"",
        note: "",
        divergence: "",
    }
    THR_25 "THR-25" UserApi Tested {
        statement: "TerminateThread needs THREAD_TERMINATE, marks the thread as terminating, \
            queues a kernel APC for it, forces it out of suspension (count set to 0), and returns \
            TRUE without waiting for the end.",
        observe: "wait on the handle afterwards to see the end",
        sources: "R-kill `PspTerminateThreadByPointer`; MS \"TerminateThread function\"; W-k32thr \
            `test_TerminateThread`",
        note: "(results)",
        divergence: "",
    }
    THR_26 "THR-26" Kernel SourceDerived {
        statement: "Two stages: if the target is interrupted in kernel mode on behalf of user \
            mode, the kernel APC does not end it there but queues the same APC again as a \
            user-mode APC at the head of the user list with UserApcPending set; the thread ends \
            when it is about to return to user mode.",
        observe: "a system call in progress is completed (or its UserMode wait broken off) before \
            the end",
        sources: "R-kill `PsExitSpecialApc`, `PspExitNormalApc`; APC-I-06",
        note: "",
        divergence: "",
    }
    THR_27 "THR-27" UserApi Documented {
        statement: "UserMode waits are broken off, alertable or not; KernelMode waits are not. No \
            user-mode code of the thread runs any more: no APC routines, no termination handlers, \
            no DLL_THREAD_DETACH.",
        observe: "terminate a thread in Sleep(INFINITE) with APCs queued: ends, APCs not run",
        sources: "MS \"TerminateThread function\"; R-kill; obs",
        note: "",
        divergence: "",
    }
    THR_28 "THR-28" Kernel Documented {
        statement: "A critical or guarded region delays termination until left.",
        observe: "",
        sources: "MS \"Critical Regions and Guarded Regions\"",
        note: "",
        divergence: "",
    }
    THR_29 "THR-29" UserApi SourceDerived {
        statement: "Terminating a thread twice: the second call succeeds and has no effect; the \
            first exit code stays. On an exited thread the call does not change its exit code \
            either (its return value there is doubtful).",
        observe: "TerminateThread(1), TerminateThread(2): exit code 1",
        sources: "R-kill (terminated flag tested first)",
        note: "",
        divergence: "",
    }
    THR_30 "THR-30" UserApi Tested {
        statement: "Waiters for mutexes owned by the victim get them as abandoned (WAIT-60) once \
            the exit sequence reaches that point, before the thread handle is signalled.",
        observe: "WAIT_ABANDONED before thread wait returns",
        sources: "R-kill; W-k32sync `test_mutex`",
        note: "",
        divergence: "",
    }
    THR_31 "THR-31" NtSyscall Documented missing "Needs a second process." {
        statement: "NtTerminateThread on the current thread by NULL handle is refused for the \
            last thread of a process (STATUS_CANT_TERMINATE_SELF); ExitThread of the last thread \
            ends the process instead.",
        observe: "",
        sources: "R-kill `NtTerminateThread`; MS \"ExitThread function\"",
        note: "",
        divergence: "",
    }
    THR_32 "THR-32" UserApi Documented {
        statement: "ExitThread, and returning from the entry point, first run user-mode detach \
            notifications on the thread, which may still wait and run APCs; then the kernel exit \
            sequence starts, during which no user-mode code of the thread runs.",
        observe: "TLS-detach callback calling SleepEx(0, TRUE) runs queued APCs",
        sources: "MS \"ExitThread function\"; APC-U-01",
        note: "(first part), inferred (APCs)",
        divergence: "",
    }
    THR_33 "THR-33" Kernel SourceDerived {
        statement: "Kernel order: mark exiting → subsystem callouts → cancel own I/O and wait for \
            it → cancel own APC timers (TIMER-28) → abandon owned mutexes (WAIT-60) → free user \
            stack and thread block → record exit code and times → if last, process rundown → \
            close APC queueing and force out of suspension → discard user APCs (APC-U-23) → \
            verify the kernel list is empty → signal the thread object.",
        observe: "trace; see exit.md for the I/O part",
        sources: "R-kill `PspExitThread`, R-thrdobj `KeTerminateThread`",
        note: "",
        divergence: "",
    }
    THR_34 "THR-34" UserApi SourceDerived {
        statement: "Therefore QueueUserAPC succeeds until the late step that closes the queue, \
            and those APCs are lost silently; after it, the call fails with ERROR_GEN_FAILURE.",
        observe: "outcome set {TRUE and never run, FALSE/31} in a race with exit",
        sources: "R-kill",
        note: "",
        divergence: "Wine fails as soon as the server has processed the exit.",
    }
    THR_35 "THR-35" UserApi SourceDerived {
        statement: "A wait on the thread handle that returns WAIT_OBJECT_0 guarantees: exit code \
            final, mutexes abandoned, no APC will run, timers with its APC stopped, thread-bound \
            I/O finished.",
        observe: "check each right after the wait",
        sources: "THR-33",
        note: "",
        divergence: "TIMER-28 on Wine.",
    }
    THR_36 "THR-36" UserApi Documented
        missing "Exit codes are shown at the end; no call of the format asks for one." {
        statement: "GetExitCodeThread gives STILL_ACTIVE (259) until the code is recorded; a \
            thread may itself exit with 259, so only the handle tells.",
        observe: "",
        sources: "MS \"GetExitCodeThread function\"",
        note: "",
        divergence: "",
    }
    THR_37 "THR-37" UserApi SourceDerived {
        statement: "ExitThread from inside an APC routine is legal: the suspended wait never \
            returns, remaining APCs are discarded, the exit code is that of the call.",
        observe: "APC-U-25",
        sources: "R-kill; obs",
        note: "and observed",
        divergence: "",
    }
    THR_38 "THR-38" Kernel SourceDerived {
        statement: "Exiting with APCs disabled or while a kernel APC is in progress is a fatal \
            error, as is a kernel mutex still owned (WAIT-69).",
        observe: "invariant",
        sources: "R-kill",
        note: "",
        divergence: "",
    }
    THR_39 "THR-39" UserApi Documented missing "Needs a second process." {
        statement: "ExitProcess terminates all other threads first (as by TerminateThread, so \
            they never run APCs), then runs detach notifications on the caller, then exits.",
        observe: "",
        sources: "MS \"ExitProcess function\"",
        note: "",
        divergence: "",
    }
    THR_40 "THR-40" UserApi Documented {
        statement: "Returning from the initial thread's entry point (main) ends the process, not \
            only the thread: other threads' APCs are lost.",
        observe: "main returns while w sleeps alertably",
        sources: "MS \"Terminating a Process\" (language run-time behaviour)",
        note: "",
        divergence: "In a scenario language that treats all threads alike this does not apply.",
    }
    THR_41 "THR-41" UserApi Documented
        missing "Access rights are outside the model: every handle has full access." {
        statement: "Rights: queue APC THREAD_SET_CONTEXT; suspend/resume THREAD_SUSPEND_RESUME; \
            terminate THREAD_TERMINATE; wait SYNCHRONIZE; each missing right gives \
            ERROR_ACCESS_DENIED and no effect.",
        observe: "restricted handles",
        sources: "MS \"Thread Security and Access Rights\"; obs",
        note: "",
        divergence: "",
    }
    THR_42 "THR-42" UserApi Documented {
        statement: "A handle keeps the thread object, not the thread: after exit all queries \
            work, APC queueing fails, waits succeed at once.",
        observe: "",
        sources: "MS; APC-U-18",
        note: "",
        divergence: "",
    }
    THR_43 "THR-43" UserApi Documented missing "Pseudo-handles cannot be said in a scenario." {
        statement: "GetCurrentThread() is a pseudo-handle for the caller: handed to another \
            thread as a number it denotes that other thread; QueueUserAPC(GetCurrentThread()) \
            queues to the caller.",
        observe: "pass the value −2 to another thread",
        sources: "MS \"GetCurrentThread function\"",
        note: "",
        divergence: "",
    }
    THR_44 "THR-44" Kernel SourceDerived missing "Needs a second process." {
        statement: "Process freeze (debugger, job, background app) uses a second, separate freeze \
            count with the same mechanism; resume calls do not undo it.",
        observe: "out of scope unless modelled",
        sources: "R-thrdobj `KeFreezeAllThreads`",
        note: "",
        divergence: "Threads created to bypass the freeze (Windows 10 1903 and later) are exempt.",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "thread",
    title: "Threads",
    introduction: "Creation and the first user-mode instructions, suspension, termination, and \
        the order of the exit sequence. Suspension, termination and start are all made of APCs, \
        so whatever masks or orders APCs masks and orders them too.",
    rules: RULES,
};

//! Waitable timers: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::wait::END;
    TIMER_01 "TIMER-01" UserApi Documented {
        statement: "A manual-reset (notification) timer, once expired, stays signalled for every \
            waiter until it is set again; a synchronization timer stays signalled until one wait \
            has been satisfied by it.",
        observe: "two zero-time waits after expiry: manual 0, 0; synchronization 0, WAIT_TIMEOUT",
        sources: "MS \"Waitable Timer Objects\"; R-tim",
        note: "",
        divergence: "",
    }
    TIMER_02 "TIMER-02" UserApi Documented {
        statement: "A new timer is inactive and not signalled, with no APC.",
        observe: "zero-time wait times out",
        sources: "MS; R-tim `KeInitializeTimerEx`",
        note: "",
        divergence: "",
    }
    TIMER_03 "TIMER-03" NtSyscall SourceDerived {
        statement: "A timer is independently: active or inactive (queued for a future expiry), \
            and signalled or not. All four combinations occur: a periodic manual timer that has \
            expired once is active and signalled.",
        observe: "NtQueryTimer gives remaining time and state separately",
        sources: "R-extim",
        note: "",
        divergence: "",
    }
    TIMER_04 "TIMER-04" UserApi Documented {
        statement: "SetWaitableTimer and CancelWaitableTimer need TIMER_MODIFY_STATE, waiting \
            needs SYNCHRONIZE; no ownership is involved: any thread with the handle may set or \
            cancel.",
        observe: "other thread cancels: TRUE",
        sources: "MS \"Synchronization Object Security and Access Rights\"; R-extim; obs",
        note: "",
        divergence: "",
    }
    TIMER_05 "TIMER-05" UserApi Documented {
        statement: "Setting a timer first undoes the previous setting completely: it stops an \
            active timer, removes a queued but undelivered APC, forgets the previous routine and \
            thread, and makes the timer not signalled — for both kinds; then it arms the new \
            setting. Threads already waiting on it keep waiting.",
        observe: "expired manual timer set again with a far due time: zero-time wait times out; \
            old APC never runs",
        sources: "MS \"Waitable Timer Objects\", \"SetWaitableTimer function\"; R-extim \
            `NtSetTimer`, R-tim `KeSetTimerEx`",
        note: "",
        divergence: "Wine 8.0: a signalled synchronization timer stays signalled when set again \
            (observed).",
    }
    TIMER_06 "TIMER-06" UserApi SourceDerived {
        statement: "A due time of zero or in the past expires the timer immediately: it is \
            signalled, and its APC queued, before the call returns.",
        observe: "SetWaitableTimer(due 0, routine); SleepEx(0, TRUE) = 0xC0; wait(0) = 0",
        sources: "R-tim `KeSetTimerEx`; MS (due 0 signals immediately); obs",
        note: "and observed",
        divergence: "Zero formally is an absolute time long past.",
    }
    TIMER_07 "TIMER-07" UserApi Documented missing "A scenario has no clock that could be set." {
        statement: "Negative due times are relative and ignore clock changes; positive ones are \
            absolute system time and follow it.",
        observe: "clock change",
        sources: "MS \"SetWaitableTimer function\"",
        note: "",
        divergence: "Since Windows 8 relative timers do not count time in low-power states.",
    }
    TIMER_08 "TIMER-08" UserApi Documented {
        statement: "A period of 0 makes a one-shot timer; a positive period (ms) re-arms the \
            timer at each expiry until cancelled or set again.",
        observe: "",
        sources: "MS \"SetWaitableTimer function\"",
        note: "",
        divergence: "",
    }
    TIMER_09 "TIMER-09" UserApi Documented {
        statement: "A negative period fails with ERROR_INVALID_PARAMETER \
            (STATUS_INVALID_PARAMETER_6) and leaves the timer as it was.",
        observe: "period −1",
        sources: "R-extim; MS",
        note: "",
        divergence: "Wine 8.0 accepts it (observed).",
    }
    TIMER_10 "TIMER-10" UserApi Documented
        missing "Waking the machine up cannot be said in a scenario." {
        statement: "Asking for wake-from-sleep where unsupported succeeds, with last error \
            ERROR_NOT_SUPPORTED.",
        observe: "fResume TRUE",
        sources: "MS \"SetWaitableTimer function\"; R-extim",
        note: "",
        divergence: "",
    }
    TIMER_11 "TIMER-11" UserApi SourceDerived {
        statement: "Setting with no routine makes a timer without APC: a previous routine is \
            dropped, not kept.",
        observe: "set with routine, set again without: no APC at expiry",
        sources: "R-extim; obs",
        note: "and observed",
        divergence: "",
    }
    TIMER_12 "TIMER-12" UserApi Documented {
        statement: "The APC belongs to the thread that made the last SetWaitableTimer call with a \
            routine, not to the creator of the timer; setting it from another thread moves it \
            there, removing it from the previous thread's queue if it was queued.",
        observe: "T1 sets, T2 sets again: only T2's alertable wait runs it",
        sources: "MS \"SetWaitableTimer function\" (calling thread); R-extim; obs",
        note: "",
        divergence: "",
    }
    TIMER_13 "TIMER-13" UserApi Documented
        missing "Tolerable delays cannot be said in a scenario." {
        statement: "SetWaitableTimerEx with a tolerable delay (and coalescing on otherwise exact \
            timers) may postpone an expiry by up to that delay, never advance it.",
        observe: "",
        sources: "MS \"SetWaitableTimerEx function\"",
        note: "",
        divergence: "Windows 7 and later.",
    }
    TIMER_14 "TIMER-14" Kernel SourceDerived {
        statement: "Expiry is processed in this order: the timer becomes signalled and waiters \
            are released (all for manual; one, with auto-reset, for synchronization); if periodic \
            it is queued again; then the timer's DPC queues the APC to the owning thread.",
        observe: "TIMER-17",
        sources: "R-tim, R- ntoskrnl/ke/dpc.c, R-extim `ExpTimerDpcRoutine`",
        note: "",
        divergence: "",
    }
    TIMER_15 "TIMER-15" UserApi Documented {
        statement: "The APC is an ordinary user APC of the owning thread: it joins the tail of \
            that thread's FIFO at expiry and runs only when the thread is alertable (APC-U-01); \
            being signalled does not depend on it.",
        observe: "thread never alertable: waits on the timer succeed, routine never runs",
        sources: "MS \"SetWaitableTimer function\" ; R-extim; obs",
        note: "",
        divergence: "",
    }
    TIMER_16 "TIMER-16" UserApi SourceDerived {
        statement: "If a periodic timer expires again while its APC is still queued, nothing is \
            added: the APC stays once, at its old place, with the time stamps of the expiry that \
            queued it.",
        observe: "period 10 ms, thread busy for 100 ms, then one alertable wait: the routine runs \
            once",
        sources: "R-extim `ExpTimerDpcRoutine` + APC-I-01; obs (count)",
        note: "(count also observed)",
        divergence: "Wine 8.0 moves the APC to the tail and passes unusable time arguments \
            (observed).",
    }
    TIMER_17 "TIMER-17" UserApi SourceDerived {
        statement: "A thread that waits alertably on its own timer gets WAIT_OBJECT_0 and not the \
            APC: the signal is processed before the APC is queued. The APC stays queued for its \
            next alertable wait.",
        observe: "SetWaitableTimer(t, 20 ms, routine); WaitForSingleObjectEx(t, INFINITE, TRUE) = \
            0, routine not run; SleepEx(0, TRUE) = 0xC0",
        sources: "TIMER-14; WAIT-12; obs (50 of 50)",
        note: "and observed",
        divergence: "",
    }
    TIMER_18 "TIMER-18" UserApi Inferred {
        statement: "The record is free again as soon as its delivery begins: a periodic expiry \
            during the routine queues it anew, so a slow routine in an alertable wait can run for \
            ever without the wait returning.",
        observe: "period 1 ms, routine takes 5 ms: SleepEx(INFINITE, TRUE) never returns",
        sources: "R-extim, APC-I-19, APC-U-04",
        note: "",
        divergence: "",
    }
    TIMER_19 "TIMER-19" UserApi Documented
        missing "The time stamps that a timer's routine receives are not shown." {
        statement: "The routine receives the caller's argument and the low and high half of the \
            expiry time as system time (FILETIME format), taken when the timer expired, not when \
            the routine runs.",
        observe: "late alertable wait: value is near the due time",
        sources: "MS \"TimerAPCProc callback function\"; R-extim `ExpTimerDpcRoutine`",
        note: "",
        divergence: "For periodic ones see TIMER-16.",
    }
    TIMER_20 "TIMER-20" UserApi SourceDerived {
        statement: "A periodic manual timer is signalled from the first expiry on; later expiries \
            change nothing but the APC. A periodic synchronization timer that nobody waits for \
            stays signalled: expiries do not accumulate.",
        observe: "synchronization, period 10 ms, idle 100 ms: exactly one zero-time wait succeeds \
            (until the next period)",
        sources: "R-tim; MS",
        note: "",
        divergence: "Wine 8.0: the APC of a manual periodic timer is not repeated (observed).",
    }
    TIMER_21 "TIMER-21" Kernel SourceDerived missing "Virtual time is exact." {
        statement: "The next due time of a periodic timer is the processing time of the previous \
            expiry plus the period (not a fixed grid): delays shift all later ones.",
        observe: "",
        sources: "R-tim (re-insertion relative to now)",
        note: "",
        divergence: "Later Windows versions try to keep the average; a virtual-time model cannot \
            tell.",
    }
    TIMER_22 "TIMER-22" Kernel Inferred {
        statement: "Expiries that fall due at the same instant are processed in an unspecified \
            order; a model must allow each, keeping TIMER-14 within each timer.",
        observe: "two timers same due time, one thread's APC order: both allowed",
        sources: "R- ntoskrnl/ke/dpc.c (hash table of timers)",
        note: "",
        divergence: "With distinct due times the order is by due time (observed).",
    }
    TIMER_23 "TIMER-23" Kernel Inferred
        missing "A timer with an APC is cancelled before its thread closes its queue (TIMER-28)." {
        statement: "If insertion of the APC fails because the owner is already past closing its \
            queue, the expiry still signals the timer; nothing else happens.",
        observe: "",
        sources: "APC-I-02, R-extim",
        note: "",
        divergence: "",
    }
    TIMER_24 "TIMER-24" UserApi Documented {
        statement: "CancelWaitableTimer stops an active timer and removes its queued, undelivered \
            APC, wherever the call comes from; it succeeds also on an inactive timer.",
        observe: "timer expired with APC queued; cancel = TRUE; SleepEx(0, TRUE) = 0",
        sources: "R-extim `NtCancelTimer`; MS \"CancelWaitableTimer function\" (outstanding APCs) \
            ; obs",
        note: "",
        divergence: "",
    }
    TIMER_25 "TIMER-25" UserApi Documented {
        statement: "Cancelling does not change the signalled state: an expired manual timer stays \
            signalled; a not signalled one stays so and its waiters go on waiting, for ever if \
            nobody sets it again.",
        observe: "cancel, zero-time wait = 0 on an expired manual timer",
        sources: "MS \"CancelWaitableTimer function\"; obs",
        note: "",
        divergence: "",
    }
    TIMER_26 "TIMER-26" UserApi SourceDerived {
        statement: "An APC whose routine has already begun is not affected by cancel, set or \
            close; one that has been dequeued by its kernel routine but not yet entered runs too. \
            Cancelling from inside the routine stops further periods.",
        observe: "routine cancels its own periodic timer: runs once",
        sources: "R-extim `ExpTimerApcKernelRoutine`",
        note: "",
        divergence: "",
    }
    TIMER_27 "TIMER-27" Kernel SourceDerived {
        statement: "For a one-shot timer the kernel routine of the APC takes the timer off the \
            owner's list; for a stale APC (timer set or cancelled in between) it nulls the normal \
            routine, so nothing runs in user mode and the next user APC gets its turn (APC-K-10).",
        observe: "cancel racing with delivery: wait may return 0xC0 without the routine",
        sources: "R-extim",
        note: "",
        divergence: "",
    }
    TIMER_28 "TIMER-28" UserApi Documented {
        statement: "When the owning thread ends, timers that carry an APC for it are cancelled \
            with their queued APC; their signalled state is unchanged and other threads waiting \
            on such a timer wait for ever.",
        observe: "T1 arms with routine and exits; main's wait on the timer times out",
        sources: "MS \"SetWaitableTimer function\" (if the thread terminates the timer is \
            cancelled); R-extim `ExTimerRundown`",
        note: "",
        divergence: "Wine 8.0: the timer still expires and is signalled (observed).",
    }
    TIMER_29 "TIMER-29" UserApi Documented {
        statement: "Timers without an APC routine survive the thread that set them.",
        observe: "T1 arms without routine and exits; main's wait = 0 at due time",
        sources: "R-extim; MS",
        note: "",
        divergence: "",
    }
    TIMER_30 "TIMER-30" UserApi SourceDerived {
        statement: "Closing the last handle of an active timer without APC destroys and thereby \
            cancels it; a timer with an associated APC is kept alive by the association, so its \
            APC still fires.",
        observe: "arm 20 ms with routine, CloseHandle, SleepEx(100, TRUE): routine runs",
        sources: "R-extim (reference held while associated)",
        note: "doubtful on current versions",
        divergence: "Wine 8.0: closing before expiry drops the APC, after expiry it is still \
            delivered (observed).",
    }
    TIMER_31 "TIMER-31" NtSyscall Tested
        missing "The Nt calls that return a previous state are no calls of the format." {
        statement: "NtSetTimer and NtCancelTimer report the previous signalled state, not whether \
            the timer was active; the kernel-level KeSetTimer and KeCancelTimer report whether it \
            was active.",
        observe: "cancel of an expired manual timer: current state TRUE",
        sources: "R-extim, R-tim; R-ttim",
        note: "(Ke level), source-derived (Nt level)",
        divergence: "",
    }
    TIMER_32 "TIMER-32" UserApi SourceDerived {
        statement: "Race between expiry and cancel or re-set: either the expiry is complete \
            (signalled, APC queued — which cancel then removes) or it does not happen; after \
            cancel returns no APC of the old setting can newly appear.",
        observe: "outcome set {signalled, not signalled} × {no APC}, unless delivery had begun",
        sources: "R-extim (timer lock; DPC and APC removed under it)",
        note: "",
        divergence: "",
    }
    TIMER_33 "TIMER-33" UserApi Inferred {
        statement: "Setting the timer again inside its own APC routine is the usual way to chain \
            one-shots; the new APC, if due at once, runs in the same alertable wait.",
        observe: "due 0 chain of three: SleepEx(0, TRUE) = 0xC0 once, routine ran three times",
        sources: "TIMER-06, APC-U-04",
        note: "",
        divergence: "",
    }
    TIMER_34 "TIMER-34" UserApi SourceDerived {
        statement: "A waiter on a timer in a wait-any or wait-all behaves as with an event of the \
            corresponding kind; for several synchronization-timer waiters one is chosen FIFO per \
            expiry.",
        observe: "two waiters, period 10: released at successive expiries",
        sources: "R-tim, WAIT-48",
        note: "",
        divergence: "",
    }
    TIMER_35 "TIMER-35" UserApi Inferred {
        statement: "APC timers and object signal together can double-notify: a program that both \
            waits on the timer and supplies a routine sees each expiry up to twice, in either \
            order depending on what its thread waits for.",
        observe: "TIMER-17 followed by SleepEx",
        sources: "TIMER-14, TIMER-15",
        note: "",
        divergence: "",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "timer",
    title: "Waitable timers",
    introduction: "Kinds, arming, expiry, cancelling, and the one APC that a timer has. The \
        signaled state and the APC are independent: each can be consumed, lost or stale without \
        the other.",
    rules: RULES,
};

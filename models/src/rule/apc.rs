//! Asynchronous procedure calls: the rules.

// `Alerted[UserMode]` is a field of the thread record, not a link.
#![allow(rustdoc::broken_intra_doc_links)]

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: 0;
    APC_S_01 "APC-S-01" Kernel Documented {
        statement: "There are four kinds: special kernel (kernel mode, no normal routine), normal \
            kernel (kernel mode, with normal routine), user (user mode, with normal routine) and \
            special user (user mode, delivered without the target's consent); the kind is decided \
            by mode, by the presence of a normal routine and, for the fourth, by a flag set when \
            it is queued.",
        observe: "which of kernel routine and normal routine run, where and when",
        sources: "MS \"Types of APCs\"; R-apc `KeInitializeApc`; repnz",
        note: "",
        divergence: "Special user APCs exist since Windows 10 version 1809.",
    }
    APC_S_02 "APC-S-02" Kernel SourceDerived {
        statement: "Initialising an APC without a normal routine forces its mode to KernelMode \
            and its normal context to NULL, whatever the caller passed; hence a \"user APC with a \
            null routine\" is really a special kernel APC.",
        observe: "fields after KeInitializeApc(…, NormalRoutine NULL, UserMode, ctx)",
        sources: "R-apc `KeInitializeApc`",
        note: "(visible effect tested: APC-U-19)",
        divergence: "",
    }
    APC_S_03 "APC-S-03" Kernel Documented {
        statement: "Every kind has a kernel routine that runs in kernel mode at APC_LEVEL first; \
            a normal kernel APC then runs its normal routine in kernel mode at PASSIVE_LEVEL, a \
            user APC then has its normal routine entered in user mode on return, a special kernel \
            APC stops after the kernel routine.",
        observe: "KeGetCurrentIrql in each routine",
        sources: "MS \"Types of APCs\"; R-apc `KiDeliverApc`",
        note: "",
        divergence: "",
    }
    APC_S_04 "APC-S-04" Kernel SourceDerived {
        statement: "An APC record (KAPC) holds: type and size, target thread, list entry, kernel \
            routine, rundown routine, normal routine, normal context, two system arguments, \
            environment index, mode, and the Inserted flag; the normal routine takes three \
            arguments (context, argument 1, argument 2).",
        observe: "trace",
        sources: "R-apc `KeInitializeApc`, `KeInsertQueueApc`; repnz",
        note: "",
        divergence: "",
    }
    APC_S_05 "APC-S-05" Kernel SourceDerived {
        statement: "Initialising sets Inserted to FALSE and does not touch the system arguments; \
            they are set only by a successful insertion.",
        observe: "fields",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_S_06 "APC-S-06" Kernel SourceDerived {
        statement: "A thread has one APC state in force: a kernel list, a user list, the process \
            it runs in, and the flags KernelApcInProgress, KernelApcPending and UserApcPending \
            (since 1809 also SpecialUserApcPending, kept beside UserApcPending in one byte: bit 0 \
            special, bit 1 regular). \"Pending\" means \"deliver at the next opportunity\", not \
            \"list non-empty\".",
        observe: "queue a user APC to a running thread: user list non-empty, UserApcPending still \
            FALSE",
        sources: "R-apc `KiInsertQueueApc`; repnz",
        note: "",
        divergence: "Layout differs by version.",
    }
    APC_S_07 "APC-S-07" Kernel Tested {
        statement: "Besides the APC state a thread has: KernelApcDisable (critical regions) and \
            SpecialApcDisable (guarded regions), both counted downwards from 0, so any non-zero \
            value disables; ApcQueueable; and Alerted[KernelMode], Alerted[UserMode].",
        observe: "R-tapc reads −1, −2, −3 for nested regions",
        sources: "R-kex; R-tapc",
        note: "",
        divergence: "",
    }
    APC_S_08 "APC-S-08" Kernel SourceDerived {
        statement: "Four environments choose the APC state an APC goes to: Original (the state of \
            the thread's own process), Attached (the state of the process it is attached to), \
            Current (whichever is in force when the APC is *initialised*), Insert (whichever is \
            in force when it is *inserted*).",
        observe: "thread attached to another process",
        sources: "R-apc `KeInitializeApc`, `KiInsertQueueApc`",
        note: "",
        divergence: "",
    }
    APC_S_09 "APC-S-09" Kernel SourceDerived {
        statement: "An APC inserted into the state that is not in force is only linked in: no \
            pending flag, no interrupt, no wake-up. On detach, a non-empty kernel list of the \
            restored state sets KernelApcPending and requests the APC interrupt; user APCs wait \
            for the usual conditions.",
        observe: "attach; queue Original-environment kernel APC; detach; it runs right then",
        sources: "R-apc `KiInsertQueueApc`; R-procobj `KeUnstackDetachProcess`, `KeDetachProcess`",
        note: "",
        divergence: "",
    }
    APC_S_10 "APC-S-10" Kernel SourceDerived {
        statement: "Detaching with anything still queued in the attached state, or with a normal \
            kernel APC in progress, is fatal (0x06); pending deliverable kernel APCs are \
            delivered first.",
        observe: "invariant",
        sources: "R-procobj `KeUnstackDetachProcess`",
        note: "",
        divergence: "",
    }
    APC_S_11 "APC-S-11" Kernel SourceDerived {
        statement: "The record's memory belongs to whoever initialised it and is commonly freed \
            by the kernel routine; delivery therefore copies everything it needs before calling \
            the kernel routine and never touches the record afterwards.",
        observe: "kernel routine frees or re-inserts the record",
        sources: "R-apc `KiDeliverApc`; R-state (kernel routine of NtQueueApcThread frees it)",
        note: "",
        divergence: "With a reserve object the record is the object's own and is released instead \
            (APC-X-09).",
    }
    APC_S_12 "APC-S-12" Kernel SourceDerived {
        statement: "All APC operations of one thread (insert, remove, flush, each dequeue in \
            delivery) are serialised by that thread's APC queue lock; each is one atomic step.",
        observe: "none directly",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_I_01 "APC-I-01" Kernel SourceDerived {
        statement: "Inserting an APC that is already inserted returns FALSE and changes nothing: \
            same position, same system arguments as the first time.",
        observe: "insert twice with different arguments: one delivery, first arguments",
        sources: "R-apc `KeInsertQueueApc`",
        note: "",
        divergence: "This is what makes a periodic timer's APC not accumulate (TIMER-16).",
    }
    APC_I_02 "APC-I-02" Kernel Tested {
        statement: "Insertion fails (FALSE) when the target's ApcQueueable flag is FALSE: before \
            the thread is fully created and after exit has closed the queue (THR-34).",
        observe: "NtQueueApcThread on an exited thread: STATUS_UNSUCCESSFUL",
        sources: "R-apc; R-state; R-kill",
        note: "(result)",
        divergence: "",
    }
    APC_I_03 "APC-I-03" Kernel SourceDerived {
        statement: "A successful insertion stores both system arguments, sets Inserted, links the \
            record, and signals the target as in APC-I-07 to APC-I-13; it returns TRUE even when \
            nothing can be delivered for now.",
        observe: "return value",
        sources: "R-apc `KeInsertQueueApc`",
        note: "",
        divergence: "",
    }
    APC_I_04 "APC-I-04" UserApi Documented {
        statement: "An APC with a normal routine goes to the tail of the list of its mode: normal \
            kernel APCs and user APCs are FIFO among themselves.",
        observe: "order of execution",
        sources: "R-apc `KiInsertQueueApc`; MS \"Asynchronous Procedure Calls\"",
        note: "",
        divergence: "",
    }
    APC_I_05 "APC-I-05" Kernel SourceDerived {
        statement: "A special kernel APC goes after the last special APC already in the kernel \
            list and before the first normal one: the kernel list is always [specials in FIFO \
            order][normals in FIFO order].",
        observe: "at APC_LEVEL insert N1, S1, N2, S2, lower IRQL: S1, S2, N1, N2",
        sources: "R-apc `KiInsertQueueApc`; repnz",
        note: "",
        divergence: "",
    }
    APC_I_06 "APC-I-06" Kernel SourceDerived {
        statement: "The thread-termination user APC is inserted at the head of the user list and \
            sets UserApcPending at once, so it is delivered before all other user APCs and \
            without any alertable wait.",
        observe: "terminate a thread with queued user APCs: none of them runs",
        sources: "R-apc `KiInsertQueueApc`; R-kill `PspExitNormalApc`",
        note: "",
        divergence: "",
    }
    APC_I_07 "APC-I-07" Kernel SourceDerived {
        statement: "Kernel APC for the current thread: KernelApcPending is set and an APC-level \
            software interrupt is requested, so that it is delivered as soon as IRQL allows \
            (before KeInsertQueueApc returns, when called at PASSIVE_LEVEL outside regions that \
            mask it); inside a guarded region only the list and the flag change.",
        observe: "insert a special APC to self at PASSIVE_LEVEL: it has run when the call returns",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_I_08 "APC-I-08" UserApi Tested {
        statement: "User APC for the current thread: nothing but the list changes; no flag is \
            set, and returning to user mode does not deliver it.",
        observe: "QueueUserAPC(self) then computing or Sleep: not run",
        sources: "R-apc; W-k32sync `test_QueueUserAPC`; obs",
        note: "",
        divergence: "",
    }
    APC_I_09 "APC-I-09" Kernel SourceDerived {
        statement: "Kernel APC for another thread that is running: KernelApcPending is set and an \
            APC interrupt is requested on that thread's processor; it preempts that thread's code \
            at PASSIVE_LEVEL, user code included.",
        observe: "two processors; target spinning in user mode: kernel routine runs",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_I_10 "APC-I-10" Kernel SourceDerived {
        statement: "Kernel APC for another thread that is Ready, Standby, DeferredReady or \
            Initialized: only list and KernelApcPending change; it is delivered when the thread \
            next gets a processor, before it executes anything else (subject to masks).",
        observe: "trace",
        sources: "R-apc; R-thrdschd `KiSwapThread`",
        note: "",
        divergence: "",
    }
    APC_I_11 "APC-I-11" Kernel Documented {
        statement: "Kernel APC for another thread that is Waiting wakes it only if its wait was \
            entered below APC_LEVEL, it is not in a guarded region, and the APC is special, or is \
            normal and the thread is neither in a critical region nor already inside a normal \
            kernel APC; the wait then ends internally with STATUS_KERNEL_APC, which no caller \
            ever sees (WAIT-20). Alertability and wait mode are irrelevant.",
        observe: "special APC to a thread in a non-alertable KernelMode wait: routine runs, wait \
            goes on",
        sources: "R-apc `KiInsertQueueApc`; MS \"Waits and APCs\"",
        note: "",
        divergence: "",
    }
    APC_I_12 "APC-I-12" Kernel SourceDerived {
        statement: "If a waiting thread is not eligible, KernelApcPending stays set and the APC \
            is delivered when the masking condition ends (region left, wait finished and IRQL \
            lowered).",
        observe: "thread waits inside a critical region; normal APC runs when it leaves the \
            region after the wait",
        sources: "R-apc; R-kex",
        note: "",
        divergence: "",
    }
    APC_I_13 "APC-I-13" Kernel Documented {
        statement: "User APC for another thread wakes it only if it is Waiting, its wait mode is \
            UserMode, and the wait is alertable (or UserApcPending is already set); then \
            UserApcPending is set and the wait is committed to STATUS_USER_APC in the same step. \
            Otherwise only the list changes.",
        observe: "WAIT-10, WAIT-11",
        sources: "R-apc `KiInsertQueueApc`; MS \"Waits and APCs\"",
        note: "",
        divergence: "Since Windows 8 a suspended waiter is additionally excluded (THR-20). Wine \
            8.0 does not commit the wake-up at insertion (WAIT-13).",
    }
    APC_I_14 "APC-I-14" Kernel SourceDerived missing "The policy nt of `run` follows it; exploration covers every order." {
        statement: "The increment given at insertion is only the priority boost of a thread that \
            the insertion wakes.",
        observe: "priority after wake",
        sources: "R-apc, R-wait `KiUnwaitThread`",
        note: "",
        divergence: "",
    }
    APC_I_15 "APC-I-15" Kernel SourceDerived {
        statement: "Insertion is legal up to DISPATCH_LEVEL (a DPC can queue APCs); delivery then \
            happens later by definition.",
        observe: "timer expiry queues from a DPC",
        sources: "R-apc; TIMER-15",
        note: "",
        divergence: "",
    }
    APC_I_16 "APC-I-16" Kernel SourceDerived {
        statement: "Removing an inserted APC returns TRUE, unlinks it and clears Inserted; if \
            that empties its list, the pending flag of that mode is cleared. Removing one that is \
            not inserted returns FALSE. Neither kernel nor rundown routine runs.",
        observe: "CancelWaitableTimer with its APC queued: APC vanishes",
        sources: "R-apc `KeRemoveQueueApc`",
        note: "",
        divergence: "",
    }
    APC_I_17 "APC-I-17" Kernel Inferred {
        statement: "Removing the last user APC after it has already ended a wait does not revive \
            the wait: STATUS_USER_APC is returned although no APC runs (UserApcPending was \
            cleared).",
        observe: "cancel a timer between the wake and the return to user mode of its setter: \
            WAIT_IO_COMPLETION without routine",
        sources: "R-apc `KeRemoveQueueApc` + WAIT-10",
        note: "",
        divergence: "",
    }
    APC_I_18 "APC-I-18" Kernel SourceDerived {
        statement: "Flushing a list marks every entry not inserted, empties the list and returns \
            the former chain for the caller to run down; no routine is called by the flush \
            itself.",
        observe: "thread exit",
        sources: "R-apc `KeFlushQueueApc`",
        note: "",
        divergence: "",
    }
    APC_I_19 "APC-I-19" Kernel SourceDerived {
        statement: "A dequeued APC has Inserted FALSE before its kernel routine runs, so it can \
            be inserted again from its own routines (or by anybody in the meantime) and then goes \
            to the normal place for a new insertion.",
        observe: "kernel routine re-inserts itself",
        sources: "R-apc `KiDeliverApc`",
        note: "",
        divergence: "",
    }
    APC_K_01 "APC-K-01" Kernel SourceDerived {
        statement: "Delivery processes the kernel list first, head to tail, until it is empty or \
            blocked; only then, if it was entered on the way to user mode, may it process at most \
            one user APC.",
        observe: "order of routines when both lists are non-empty",
        sources: "R-apc `KiDeliverApc`",
        note: "",
        divergence: "",
    }
    APC_K_02 "APC-K-02" Kernel SourceDerived {
        statement: "Delivery clears KernelApcPending on entry; if the thread is in a guarded \
            region it then returns at once, delivering neither kernel nor user APCs.",
        observe: "trace",
        sources: "R-apc `KiDeliverApc`",
        note: "",
        divergence: "",
    }
    APC_K_03 "APC-K-03" Kernel Documented {
        statement: "A special kernel APC at the head is dequeued and its kernel routine runs at \
            APC_LEVEL with no lock held; nothing masks it except APC_LEVEL or above and guarded \
            regions. It runs even inside a critical region and even inside a normal kernel APC.",
        observe: "critical region + special APC to self: runs at once",
        sources: "R-apc; MS \"Disabling APCs\"",
        note: "",
        divergence: "",
    }
    APC_K_04 "APC-K-04" Kernel SourceDerived {
        statement: "A normal kernel APC at the head is delivered only if KernelApcDisable is 0 \
            and no normal kernel APC is in progress; otherwise delivery stops completely — the \
            rest of the kernel list (necessarily normal ones) and the user list too.",
        observe: "nothing delivered until the region is left",
        sources: "R-apc `KiDeliverApc`",
        note: "",
        divergence: "",
    }
    APC_K_05 "APC-K-05" Kernel SourceDerived {
        statement: "For a deliverable normal APC: kernel routine at APC_LEVEL; then, if a normal \
            routine is left, KernelApcInProgress is set, IRQL drops to PASSIVE_LEVEL, the normal \
            routine runs, IRQL goes back to APC_LEVEL, the flag is cleared, and the loop \
            continues.",
        observe: "IRQLs; order K1 N1 K2 N2 for two APCs",
        sources: "R-apc `KiDeliverApc`",
        note: "",
        divergence: "",
    }
    APC_K_06 "APC-K-06" Kernel SourceDerived {
        statement: "Normal kernel APCs never nest: one queued while another's normal routine runs \
            waits until that returns, even if the first one blocks in a wait.",
        observe: "N1 waits on an event that N2 would set: never set (deadlock)",
        sources: "R-apc; WAIT-20",
        note: "",
        divergence: "",
    }
    APC_K_07 "APC-K-07" Kernel Documented {
        statement: "A special kernel APC queued while a normal routine runs preempts it and runs \
            nested inside it; this includes interrupting a wait made by the normal routine.",
        observe: "N1 start, S run, N1 end",
        sources: "R-apc; MS \"Types of APCs\"",
        note: "",
        divergence: "",
    }
    APC_K_08 "APC-K-08" Kernel SourceDerived {
        statement: "Kernel routines run at APC_LEVEL and therefore are not interrupted by any \
            other APC; an APC queued meanwhile is seen by the same delivery loop afterwards.",
        observe: "S1 queues S2: order S1 start, S1 end, S2",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_K_09 "APC-K-09" Kernel SourceDerived {
        statement: "The kernel routine gets pointers to local copies of normal routine, context \
            and both arguments and may change them; setting the normal routine to NULL suppresses \
            the second stage of this delivery.",
        observe: "kernel routine nulls it: normal routine never runs",
        sources: "R-apc; repnz",
        note: "",
        divergence: "",
    }
    APC_K_10 "APC-K-10" Kernel SourceDerived {
        statement: "If the kernel routine of a user APC nulls the normal routine, delivery \
            behaves as after a test-alert: the remaining user list, if any, is made pending so \
            that the next user APC gets its turn on the same exit to user mode.",
        observe: "stale timer APC in front of a user APC: the user APC still runs in that wait",
        sources: "R-apc `KiDeliverApc` (ends with `KeTestAlertThread`)",
        note: "",
        divergence: "",
    }
    APC_K_11 "APC-K-11" Kernel SourceDerived {
        statement: "A kernel routine must return at the IRQL at which it was entered; otherwise \
            the system stops (0xC8). Delivery must also end in the process in which it began \
            (0x05).",
        observe: "invariant",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_K_12 "APC-K-12" Kernel Documented {
        statement: "Entering a critical region subtracts 1 from KernelApcDisable; inside it \
            normal kernel APCs wait, and with them user APCs, suspension and termination, which \
            all start with or follow a normal kernel APC or a return to user mode. Special kernel \
            APCs are not affected.",
        observe: "queue both kinds: special at once, normal at leave",
        sources: "MS \"Critical Regions and Guarded Regions\"; R-kex; R-tapc",
        note: "",
        divergence: "",
    }
    APC_K_13 "APC-K-13" Kernel Documented {
        statement: "Entering a guarded region subtracts 1 from SpecialApcDisable; inside it no \
            APC of any kind is delivered.",
        observe: "special APC to self in guarded region: runs when the region is left",
        sources: "MS \"Critical Regions and Guarded Regions\"; R-kex; R-tapc",
        note: "",
        divergence: "",
    }
    APC_K_14 "APC-K-14" Kernel Tested {
        statement: "The two counters are independent and nest in any order; KeAreApcsDisabled is \
            TRUE if either is non-zero; KeAreAllApcsDisabled is TRUE if in a guarded region or at \
            IRQL ≥ APC_LEVEL.",
        observe: "R-tapc checks every combination",
        sources: "R-tapc; R-apc `KeAreApcsDisabled`",
        note: "",
        divergence: "",
    }
    APC_K_15 "APC-K-15" Kernel SourceDerived {
        statement: "Leaving the outermost critical region with a non-empty kernel list and no \
            guarded region checks for delivery at once: at PASSIVE_LEVEL the APCs run before the \
            leave call returns; at APC_LEVEL or above KernelApcPending is set and an interrupt \
            requested, so they run when IRQL drops.",
        observe: "trace order around the leave call",
        sources: "R-kex `_KeLeaveCriticalRegionThread`; R-apc `KiCheckForKernelApcDelivery`",
        note: "",
        divergence: "",
    }
    APC_K_16 "APC-K-16" Kernel SourceDerived {
        statement: "Leaving the outermost guarded region does the same check; if a critical \
            region is still held, only special APCs come through.",
        observe: "guarded inside critical, S and N queued, leave guarded: S only; leave critical: \
            N",
        sources: "R-kex; APC-K-04",
        note: "",
        divergence: "",
    }
    APC_K_17 "APC-K-17" Kernel SourceDerived {
        statement: "Leaving a critical region while still inside a guarded one delivers nothing \
            and requests nothing; leaving the guarded region later does.",
        observe: "as above, reversed",
        sources: "R-kex",
        note: "",
        divergence: "",
    }
    APC_K_18 "APC-K-18" Kernel Documented {
        statement: "At IRQL ≥ APC_LEVEL nothing is delivered; lowering below APC_LEVEL with \
            KernelApcPending takes the APC interrupt immediately, before the lowering call \
            returns.",
        observe: "raise, insert, lower: routine runs inside the lowering",
        sources: "MS \"Disabling APCs\"; R-apc",
        note: "",
        divergence: "",
    }
    APC_K_19 "APC-K-19" Kernel SourceDerived {
        statement: "Delivery by the APC interrupt or by leaving a region is entered in kernel \
            mode and never touches the user list; only the exit path to user mode does.",
        observe: "user APC pending, kernel code leaves region: user routine not yet run",
        sources: "R-apc, R-trap",
        note: "",
        divergence: "",
    }
    APC_K_20 "APC-K-20" Kernel SourceDerived {
        statement: "Delivery points are: IRQL falling below APC_LEVEL; leaving the last masking \
            region; each wait entry (WAIT-19); being switched in after a wait or preemption with \
            KernelApcPending; and, for both lists, the return to user mode from a system call, \
            interrupt or exception.",
        observe: "trace",
        sources: "R-apc, R-thrdschd, R-wait, R-trap; repnz",
        note: "",
        divergence: "",
    }
    APC_K_21 "APC-K-21" Kernel SourceDerived {
        statement: "On exit to user mode the check repeats until UserApcPending is clear at the \
            moment of leaving, and Alerted[KernelMode] is cleared.",
        observe: "user APC made pending by a kernel APC during exit is still delivered",
        sources: "R-trap",
        note: "",
        divergence: "",
    }
    APC_K_22 "APC-K-22" Kernel Tested {
        statement: "A KMUTEX (kernel mutex) owner is in a critical region from first acquisition \
            to last release; recursive acquisitions add no further level. A user-mode mutex \
            (mutant) disables nothing: its owner can be suspended, terminated or run user APCs.",
        observe: "R-tmutex: KernelApcDisable −1 at first and at recursive acquisition",
        sources: "R-tmutex; R-kex `KiSatisfyMutantWait` (ApcDisable)",
        note: "",
        divergence: "",
    }
    APC_K_23 "APC-K-23" Kernel Documented {
        statement: "A fast mutex holder runs at APC_LEVEL; a guarded mutex holder is in a guarded \
            region; the \"unsafe\" variants and executive resources require the caller to have \
            disabled APCs beforehand.",
        observe: "IRQL and counters while held",
        sources: "MS \"Disabling APCs\", \"Fast Mutexes and Guarded Mutexes\"",
        note: "",
        divergence: "From Windows 8 guarded mutexes and fast mutexes share one implementation.",
    }
    APC_K_24 "APC-K-24" Kernel Documented {
        statement: "Returning from a system service with a non-zero KernelApcDisable or \
            SpecialApcDisable is fatal (0x01); exiting a thread like that is fatal too (0x20).",
        observe: "invariant",
        sources: "R-kill `PspExitThread`; R-trap; MS \"Bug Check 0x1\"",
        note: "",
        divergence: "",
    }
    APC_K_25 "APC-K-25" Kernel SourceDerived {
        statement: "A thread that waits at APC_LEVEL (for example inside a kernel routine) is not \
            woken by kernel APCs; a thread that waits in a normal routine is woken by special \
            ones only.",
        observe: "WaitIrql test of APC-I-11",
        sources: "R-apc",
        note: "",
        divergence: "",
    }
    APC_K_26 "APC-K-26" Kernel SourceDerived {
        statement: "When a woken thread is switched in, its wait status is fetched before pending \
            kernel APCs are delivered, so whatever those APCs do (signal or reset the object) \
            cannot change the result of the finished wait.",
        observe: "thread woken by event, kernel APC resets the event: wait still returns success",
        sources: "R-thrdschd `KiSwapThread`",
        note: "",
        divergence: "",
    }
    APC_U_01 "APC-U-01" UserApi Documented {
        statement: "A user APC runs only on its own thread, only when that thread returns from \
            kernel to user mode with UserApcPending set, no APC-disabling region being held; the \
            usual way to set the flag is an alertable UserMode wait (or NtTestAlert) by that \
            thread.",
        observe: "thread id in the routine; no run without alertable wait",
        sources: "MS \"QueueUserAPC function\"; R-apc",
        note: "",
        divergence: "Special user APCs (section E).",
    }
    APC_U_02 "APC-U-02" UserApi Tested {
        statement: "A user APC never interrupts running user code, and never ends a non-alertable \
            wait; it just stays queued.",
        observe: "Sleep(50) with an APC queued returns after 50 ms, routine not run; next \
            SleepEx(0, TRUE) runs it",
        sources: "MS \"Asynchronous Procedure Calls\"; W-k32sync `test_QueueUserAPC`, \
            `test_WaitForSingleObject`; obs",
        note: "",
        divergence: "",
    }
    APC_U_03 "APC-U-03" UserApi Tested {
        statement: "All user APCs queued to a thread run, in FIFO order, in one alertable wait; \
            the wait then returns once.",
        observe: "queue A1, A2, A3; SleepEx(INFINITE, TRUE) = 0xC0 after A1 A2 A3; a second \
            SleepEx(0, TRUE) = 0",
        sources: "MS \"Asynchronous Procedure Calls\"; W-k32sync `test_alertable_wait`; obs",
        note: "",
        divergence: "",
    }
    APC_U_04 "APC-U-04" UserApi Tested {
        statement: "APCs queued while the earlier ones are running — by the routines themselves \
            or by other threads — also run before that wait returns; a routine that always \
            re-queues itself keeps the wait from ever returning.",
        observe: "A1 queues A2: both before the single 0xC0",
        sources: "W-exc `test_KiUserApcDispatcher` (an APC queued while another is being \
            dispatched runs in the same SleepEx); R-except `NtContinue`; repnz; obs",
        note: "",
        divergence: "",
    }
    APC_U_05 "APC-U-05" UserApi Documented {
        statement: "The wait's return code says only \"at least one APC ended this wait\" (0xC0); \
            it carries no count and no identity.",
        observe: "one 0xC0 for n APCs",
        sources: "APC-U-03",
        note: "",
        divergence: "",
    }
    APC_U_06 "APC-U-06" NtSyscall Tested {
        statement: "The chain works one APC per kernel exit: the exit sets up one routine; after \
            it returns, user-mode glue re-enters the kernel (NtContinue with test-alert), which \
            makes the next queued APC pending, if there is one, and the exit from that call \
            delivers it; when the list is empty the original context with the wait's result is \
            restored.",
        observe: "NtContinue between two routines in a trace; a hook that clears the test-alert \
            flag of the dispatcher frame stops the chain, and the next SleepEx(0, TRUE) takes the \
            APC left over",
        sources: "W-exc `test_KiUserApcDispatcher`; R-apc, R-except; repnz",
        note: "",
        divergence: "Newer Windows passes the test-alert flag in the dispatcher's frame (the \
            kernel decides per APC whether to continue the chain, see APC-X-07); older ones \
            always test.",
    }
    APC_U_07 "APC-U-07" UserApi Inferred
        missing "A routine cannot leave its chain by a long jump in a scenario." {
        statement: "Because of APC-U-06, a consumer that leaves the chain (longjmp, \
            unhandled-exception unwind past the dispatcher, SetThreadContext) leaves the \
            remaining APCs queued for the next alertable wait.",
        observe: "A1 longjmps out; SleepEx(0, TRUE) later runs A2",
        sources: "APC-U-06",
        note: "",
        divergence: "",
    }
    APC_U_08 "APC-U-08" UserApi Tested {
        statement: "An APC queued by a thread to itself runs in its next alertable wait, even one \
            with zero timeout: SleepEx(0, TRUE) = 0xC0.",
        observe: "as stated; second call returns 0",
        sources: "R-wait `KiCheckAlertability`; W-k32sync; obs",
        note: "",
        divergence: "",
    }
    APC_U_09 "APC-U-09" NtSyscall SourceDerived {
        statement: "NtTestAlert runs all queued user APCs without waiting and returns \
            STATUS_SUCCESS afterwards, both when there were some and when there were none; it \
            consumes a pending alert first (ALERT-05).",
        observe: "queue two, NtTestAlert = 0, both have run",
        sources: "R-state `NtTestAlert`, R-thrdobj `KeTestAlertThread`; repnz; obs",
        note: "",
        divergence: "",
    }
    APC_U_10 "APC-U-10" UserApi SourceDerived {
        statement: "An alertable wait inside an APC routine is an ordinary alertable wait: it \
            delivers the rest of the queue, nested on the stack, and returns 0xC0; when it \
            returns, the outer routine goes on, and the outer wait still returns 0xC0.",
        observe: "N1 (waits alertably), A2 queued: N1 start, A2, inner = 0xC0, N1 end, outer = \
            0xC0",
        sources: "R-apc; W-k32sync `test_apc_deadlock` (same idea across processes); obs",
        note: "and observed",
        divergence: "",
    }
    APC_U_11 "APC-U-11" UserApi Inferred {
        statement: "If the nested alertable wait finds the queue empty it behaves like any wait \
            (times out or blocks); the outer APC does not count.",
        observe: "last routine's SleepEx(0, TRUE) = 0",
        sources: "APC-U-10; obs",
        note: "and observed",
        divergence: "",
    }
    APC_U_12 "APC-U-12" UserApi Tested {
        statement: "A non-alertable wait inside an APC routine runs no further APCs; they follow \
            after the routine returns.",
        observe: "two APCs each doing a plain wait: strictly one after the other, one 0xC0",
        sources: "W-k32sync `test_alertable_wait`",
        note: "",
        divergence: "",
    }
    APC_U_13 "APC-U-13" UserApi Tested {
        statement: "If an APC routine signals the object its own thread was waiting for, the wait \
            nevertheless returns 0xC0 and the object keeps the signal (count, event state) for \
            the next wait.",
        observe: "APC releases the semaphore awaited: first wait 0xC0, second wait 0",
        sources: "W-k32sync `test_alertable_wait`; obs",
        note: "",
        divergence: "",
    }
    APC_U_14 "APC-U-14" UserApi SourceDerived {
        statement: "Undelivered user APCs stay queued without limit in time and number (only \
            memory limits); a wait satisfied by its object or ended by timeout leaves them in \
            place and in order.",
        observe: "object signalled + APC queued: wait = WAIT_OBJECT_0, next SleepEx(0, TRUE) = \
            0xC0",
        sources: "R-wait; obs",
        note: "and observed",
        divergence: "",
    }
    APC_U_15 "APC-U-15" UserApi SourceDerived {
        statement: "The same routine with the same data may be queued any number of times; each \
            call makes a new, independent APC.",
        observe: "queue A(1) three times: three runs",
        sources: "R-state `NtQueueApcThread` (allocates per call)",
        note: "",
        divergence: "Timer and I/O APCs are one record per timer or request.",
    }
    APC_U_16 "APC-U-16" UserApi SourceDerived {
        statement: "All user-mode APCs of a thread share one FIFO whatever their origin: \
            QueueUserAPC, timer expiry, I/O completion; order is order of insertion, and for I/O \
            that is the moment of the second completion stage.",
        observe: "timer expires, then QueueUserAPC, then wait: timer routine first",
        sources: "R-apc; TIMER-15; irp.md",
        note: "obs",
        divergence: "",
    }
    APC_U_17 "APC-U-17" UserApi Documented
        missing "Access rights are outside the model: every handle has full access." {
        statement: "QueueUserAPC needs THREAD_SET_CONTEXT on the handle; without it: FALSE, \
            ERROR_ACCESS_DENIED.",
        observe: "handle opened with THREAD_QUERY_INFORMATION only",
        sources: "MS \"QueueUserAPC function\"; R-state; obs",
        note: "",
        divergence: "",
    }
    APC_U_18 "APC-U-18" UserApi Tested {
        statement: "Queueing to a thread that has exited (handle still open) fails: FALSE with \
            ERROR_GEN_FAILURE (31), STATUS_UNSUCCESSFUL at the syscall.",
        observe: "after waiting for the thread handle",
        sources: "MS \"QueueUserAPC function\"; W-k32sync `test_QueueUserAPC`; obs",
        note: "",
        divergence: "",
    }
    APC_U_19 "APC-U-19" NtSyscall Tested
        missing "A scenario always names a routine; a null routine cannot be said." {
        statement: "NtQueueApcThread with a null routine succeeds on a live thread but queues \
            something that never reaches user mode: a later SleepEx(100, TRUE) sleeps its whole \
            time and returns 0; on an exited thread it fails like APC-U-18.",
        observe: "as stated",
        sources: "W-k32sync `test_QueueUserAPC`; obs",
        note: "",
        divergence: "One article reports that recent Windows 10 builds reject a null routine: \
            doubtful.",
    }
    APC_U_20 "APC-U-20" NtSyscall SourceDerived {
        statement: "NtQueueApcThread on a system (kernel-only) thread fails with \
            STATUS_INVALID_HANDLE: user APCs exist only for threads with a user mode.",
        observe: "thread of process 4",
        sources: "R-state",
        note: "",
        divergence: "",
    }
    APC_U_21 "APC-U-21" UserApi Documented {
        statement: "QueueUserAPC succeeding means only \"queued\": the APC may still be lost when \
            the thread ends without an alertable wait; there is no notification.",
        observe: "queue to a spinning thread that then returns: TRUE, never run",
        sources: "MS \"QueueUserAPC function\"; R-kill; obs",
        note: "",
        divergence: "",
    }
    APC_U_22 "APC-U-22" UserApi SourceDerived {
        statement: "Until the exiting thread closes its queue (a late step, THR-34), queueing \
            still succeeds, and the APC is discarded: a success during exit is indistinguishable \
            from APC-U-21.",
        observe: "race QueueUserAPC with the target's exit: TRUE then never run, or FALSE/31",
        sources: "R-kill `PspExitThread`",
        note: "",
        divergence: "",
    }
    APC_U_23 "APC-U-23" Kernel SourceDerived {
        statement: "At exit every user APC still queued is run down: its rundown routine is \
            called if it has one, otherwise the record is freed; normal and kernel routines do \
            not run.",
        observe: "rundown event instead of delivery",
        sources: "R-kill `PspExitThread`",
        note: "",
        divergence: "",
    }
    APC_U_24 "APC-U-24" UserApi Tested {
        statement: "APCs queued to a thread before it has begun to run are delivered before its \
            entry point (THR-03).",
        observe: "CREATE_SUSPENDED, QueueUserAPC ×2, ResumeThread: A1, A2, then entry point",
        sources: "MS \"QueueUserAPC function\"; W-k32sync `test_QueueUserAPC`; obs",
        note: "",
        divergence: "",
    }
    APC_U_25 "APC-U-25" UserApi SourceDerived {
        statement: "ExitThread (or TerminateThread by another thread) during an APC routine \
            discards the rest of the queue; the wait never returns.",
        observe: "A1 calls ExitThread(7): A2 never runs, exit code 7",
        sources: "R-kill; obs",
        note: "and observed",
        divergence: "",
    }
    APC_U_26 "APC-U-26" Kernel SourceDerived {
        statement: "While UserApcPending is set but not yet delivered — the thread is still in \
            kernel mode — every further UserMode wait of the thread returns STATUS_USER_APC \
            immediately unless the object is already signalled, even if the new wait is not \
            alertable.",
        observe: "driver waits alertably (0xC0), then waits again non-alertably in UserMode: 0xC0 \
            again",
        sources: "R-wait, R-kex `KiCheckAlertability`",
        note: "",
        divergence: "Not visible to programs: each of their waits is its own system call.",
    }
    APC_U_27 "APC-U-27" Kernel SourceDerived {
        statement: "Waits made with wait mode KernelMode are not ended by user APCs, alertable or \
            not; a driver that waits like that delays APCs until it returns to user mode — and \
            even then they are delivered only if some step set UserApcPending.",
        observe: "alertable KernelMode wait + QueueUserAPC: keeps waiting",
        sources: "R-apc, R-kex",
        note: "",
        divergence: "MS \"Waits and APCs\" has a table row saying that an alertable KernelMode \
            wait is interrupted but the user APC not delivered; that fits alerts (ALERT-06) and \
            not the source: doubtful, make it an option.",
    }
    APC_U_28 "APC-U-28" UserApi Documented {
        statement: "The alertable Win32 waits are: SleepEx, WaitForSingleObjectEx, \
            WaitForMultipleObjectsEx, SignalObjectAndWait, MsgWaitForMultipleObjectsEx (with \
            MWMO_ALERTABLE), GetQueuedCompletionStatusEx and GetOverlappedResultEx with their \
            alertable flag, plus some socket calls; all others — Sleep, WaitForSingleObject, \
            WaitForMultipleObjects, GetMessage, GetOverlappedResult, critical sections, SRW \
            locks, condition variables, WaitOnAddress, GetQueuedCompletionStatus — never run \
            APCs.",
        observe: "per call, one queued APC",
        sources: "MS \"Asynchronous Procedure Calls\", \"Alertable I/O\"; W-k32sync; obs",
        note: "",
        divergence: "",
    }
    APC_U_29 "APC-U-29" UserApi Documented {
        statement: "An Ex wait with its alertable flag FALSE is exactly the plain wait.",
        observe: "WaitForSingleObjectEx(h, 0, FALSE) with APC queued: no run",
        sources: "MS \"WaitForSingleObjectEx function\"; obs",
        note: "",
        divergence: "",
    }
    APC_U_30 "APC-U-30" UserApi SourceDerived {
        statement: "If a wait call fails in parameter or handle checking, no APC is delivered \
            even if the call was alertable: checks precede the wait.",
        observe: "WaitForSingleObjectEx(bad handle, 0, TRUE) = WAIT_FAILED/6; next SleepEx(0, \
            TRUE) = 0xC0",
        sources: "R- ntoskrnl/ob/obwait.c; obs",
        note: "and observed",
        divergence: "",
    }
    APC_U_31 "APC-U-31" UserApi SourceDerived
        missing "A routine receives one datum; the trampoline around it cannot be seen." {
        statement: "QueueUserAPC passes one datum; the NT call passes three. QueueUserAPC wraps \
            the routine in a trampoline that restores the activation context current at queueing \
            time, otherwise invisible.",
        observe: "routine receives data",
        sources: "R-k32thr `QueueUserAPC`; MS",
        note: "",
        divergence: "Wine 8.0 similar.",
    }
    APC_U_32 "APC-U-32" UserApi Documented missing "Needs a second process." {
        statement: "Queueing an APC to a thread of another process works when the routine's \
            address is valid there; the documentation discourages it, and it fails across \
            32/64-bit boundaries.",
        observe: "out of scope of a one-process model",
        sources: "MS \"QueueUserAPC function\"",
        note: "",
        divergence: "",
    }
    APC_U_33 "APC-U-33" UserApi SourceDerived {
        statement: "An APC does not carry priority or preempt: it runs at the thread's own \
            priority, after the thread has been made ready and scheduled; between wake-up and the \
            first routine any amount of other threads' work can happen.",
        observe: "schedule exploration",
        sources: "R-wait `KiUnwaitThread`; R-thrdschd",
        note: "",
        divergence: "",
    }
    APC_U_34 "APC-U-34" UserApi Inferred
        missing "The last error is shown with each failed call, not kept between calls." {
        statement: "The last-error value is per thread and not saved around APC routines: a \
            routine that changes it is visible to the code after the wait; a successful or \
            APC-ended wait itself does not change it.",
        observe: "SetLastError(1); APC sets 2; after wait GetLastError = 2",
        sources: "W-k32sync (last error untouched by waits); inferred for routines",
        note: "",
        divergence: "",
    }
    APC_X_01 "APC-X-01" UserApi Documented {
        statement: "QueueUserAPC2 with the special flag queues a user APC that runs as soon as \
            the target can be interrupted: no alertable wait is needed.",
        observe: "target spinning in user code: routine runs",
        sources: "MS \"QueueUserAPC2 function\", \"QUEUE_USER_APC_FLAGS enumeration\"",
        note: "",
        divergence: "Windows 11 / Server 2022 (build 20348/22000) and later; the system call form \
            since Windows 10 1809; absent from Wine 8.0.",
    }
    APC_X_02 "APC-X-02" Kernel SourceDerived {
        statement: "Mechanism: the APC first acts on the thread as a kernel-mode APC; its kernel \
            routine turns it into a user-list entry that is marked special and sets \
            SpecialUserApcPending, and the next exit to user mode delivers it.",
        observe: "full trace: two deliveries of one record",
        sources: "repnz; ntdoc NtQueueApcThreadEx",
        note: "documented by reverse engineering only",
        divergence: "",
    }
    APC_X_03 "APC-X-03" UserApi Documented {
        statement: "Running user code is interrupted at an arbitrary instruction; a thread in a \
            system call finishes that call, then runs the APC before the caller sees the result.",
        observe: "target in Sleep(1000): routine runs at about 1000 ms, before Sleep returns to \
            the program",
        sources: "MS \"QueueUserAPC2 function\"; repnz",
        note: "",
        divergence: "",
    }
    APC_X_04 "APC-X-04" UserApi Documented {
        statement: "An alertable UserMode wait is ended at once with STATUS_USER_APC; a \
            non-alertable wait is not ended (its kernel part is interrupted and restarted like \
            for any kernel APC, so WAIT-20 to WAIT-25 apply).",
        observe: "SleepEx(INFINITE, TRUE) + special: 0xC0; Sleep(100) + special: full sleep then \
            routine",
        sources: "MS \"Waits and APCs\", \"QueueUserAPC2 function\"",
        note: "for the first half, inferred for the restart",
        divergence: "",
    }
    APC_X_05 "APC-X-05" UserApi Tested {
        statement: "Queued by a thread to itself, it has run before QueueUserAPC2 returns to the \
            program.",
        observe: "counter incremented right after the call",
        sources: "APC-X-02 (return to user mode follows at once); Wine's special-APC tests (later \
            versions)",
        note: "weakly (one assertion)",
        divergence: "Later Wine accepts the flag but delivers such an APC like a regular one.",
    }
    APC_X_06 "APC-X-06" UserApi Documented {
        statement: "It can interrupt another user APC's routine, including another special one; \
            there is no nesting protection except what the program builds itself.",
        observe: "routine A1 spinning; special S queued: S runs inside A1",
        sources: "MS \"QueueUserAPC2 function\"; repnz",
        note: "",
        divergence: "",
    }
    APC_X_07 "APC-X-07" UserApi Inferred {
        statement: "Delivering a special user APC does not by itself deliver the regular ones: \
            with only SpecialUserApcPending set, regular APCs queued earlier are passed over and \
            stay queued.",
        observe: "regular A queued, special S queued, thread computing: S runs, A does not",
        sources: "repnz",
        note: "",
        divergence: "Whether the following test-alert chain (APC-U-06) lets regular APCs run \
            right after S when S interrupted plain code is decided by the test-alert flag the \
            kernel puts into the frame (APC-U-06); for an APC that interrupted plain code it is \
            presumably clear: doubtful, make it an option, default no.",
    }
    APC_X_08 "APC-X-08" UserApi Inferred {
        statement: "Within an alertable wait, special APCs run before regular ones queued \
            earlier; special ones are FIFO among themselves; then the regular ones follow in the \
            same wait.",
        observe: "A, S queued; SleepEx(0, TRUE) — S has already run by then unless queued while \
            in the wait",
        sources: "repnz; APC-X-02",
        note: "",
        divergence: "Doubtful in detail.",
    }
    APC_X_09 "APC-X-09" NtSyscall Tested missing "Reserve objects are no object of the format." {
        statement: "NtQueueApcThreadEx takes instead of the flag a user-APC reserve object: the \
            APC then uses the object's preallocated record, cannot fail for lack of memory, and \
            the call fails while that record is still in use.",
        observe: "two queueings with one reserve object: second fails with \
            STATUS_INVALID_PARAMETER_2 until the first has been delivered (SleepEx(0, TRUE)), \
            then it works again; a handle of another type: STATUS_OBJECT_TYPE_MISMATCH",
        sources: "W-ntthr `test_NtQueueApcThreadEx`; ntdoc",
        note: "",
        divergence: "Windows 7 and later; value 1 instead of a handle means special since 1809 \
            (before: STATUS_INVALID_HANDLE); NtQueueApcThreadEx2 (Windows 11) separates flags \
            from the handle.",
    }
    APC_X_10 "APC-X-10" UserApi Tested missing "The model is of 64-bit code." {
        statement: "A special user APC is not available to 32-bit code under 64-bit Windows (the \
            call fails with ERROR_NOT_SUPPORTED).",
        observe: "NtQueueApcThreadEx2(special) from 32-bit code = STATUS_NOT_SUPPORTED \
            (0xC00000BB)",
        sources: "W-ntthr `test_NtQueueApcThreadEx`; MS \"QueueUserAPC2 function\"",
        note: "",
        divergence: "The older NtQueueApcThreadEx form gives STATUS_INVALID_HANDLE there.",
    }
    APC_X_11 "APC-X-11" UserApi Documented
        missing "The record that a routine may receive instead of its datum cannot be seen in a scenario." {
        statement: "The callback-data flag makes the routine receive a pointer to a record with \
            its parameter, flags and the interrupted context, instead of the bare parameter.",
        observe: "not needed in a model",
        sources: "MS \"QUEUE_USER_APC_FLAGS enumeration\"",
        note: "",
        divergence: "Windows 11.",
    }
    APC_X_12 "APC-X-12" Kernel Inferred {
        statement: "Critical and guarded regions and IRQL ≥ APC_LEVEL delay a special user APC \
            exactly like any other delivery to user mode.",
        observe: "target in a driver's critical region",
        sources: "APC-X-02 with APC-K-12, APC-K-13",
        note: "",
        divergence: "",
    }
    APC_X_13 "APC-X-13" UserApi Inferred {
        statement: "Sent to a thread that has not yet started or is suspended, it is delivered \
            after resumption and, for a new thread, before the entry point; sent to an exited \
            thread it fails like APC-U-18.",
        observe: "CREATE_SUSPENDED case",
        sources: "APC-U-24, APC-I-02",
        note: "",
        divergence: "",
    }
    ALERT_01 "ALERT-01" NtSyscall SourceDerived {
        statement: "An alert is a sticky bit per thread and mode (Kernel, User), not a queue: \
            alerting twice before it is consumed counts once.",
        observe: "NtAlertThread ×2; first alertable wait STATUS_ALERTED, second blocks",
        sources: "R-thrdobj `KeAlertThread`",
        note: "",
        divergence: "Wine 8.0: NtAlertThread returns STATUS_NOT_IMPLEMENTED (0xC0000002).",
    }
    ALERT_02 "ALERT-02" NtSyscall SourceDerived {
        statement: "Alerting a thread that is in an alertable wait whose mode is at least the \
            alert's mode (user alert ends UserMode waits; kernel alert ends both) ends the wait \
            with STATUS_ALERTED and leaves no bit; otherwise the bit is set.",
        observe: "NtDelayExecution(alertable) = 0x101",
        sources: "R-thrdobj `KeAlertThread`",
        note: "",
        divergence: "",
    }
    ALERT_03 "ALERT-03" NtSyscall SourceDerived {
        statement: "An alertable wait entered with the bit of its wait mode set consumes the bit \
            and returns STATUS_ALERTED at once, unless its object is already signalled (object \
            first).",
        observe: "NtAlertThread(self); NtDelayExecution(TRUE, long) = 0x101",
        sources: "R-kex `KiCheckAlertability`",
        note: "",
        divergence: "",
    }
    ALERT_04 "ALERT-04" NtSyscall SourceDerived {
        statement: "A pending alert of the wait's own mode wins over queued user APCs, which stay \
            queued; a pending kernel-mode alert loses against them in a UserMode wait.",
        observe: "user alert + APC: first wait 0x101 without APC, second 0xC0 with APC",
        sources: "R-kex `KiCheckAlertability`",
        note: "",
        divergence: "",
    }
    ALERT_05 "ALERT-05" NtSyscall SourceDerived {
        statement: "NtTestAlert with the user alert bit set clears it and returns STATUS_ALERTED; \
            in that call no APC is made pending.",
        observe: "alert + APC queued: NtTestAlert = 0x101, no APC; again = 0, APC runs",
        sources: "R-thrdobj `KeTestAlertThread`",
        note: "",
        divergence: "In ReactOS, UserApcPending is set only in the not-alerted branch.",
    }
    ALERT_06 "ALERT-06" Kernel SourceDerived missing "That interrupts end kernel-mode alerts of threads in user mode is not simulated." {
        statement: "A kernel-mode alert bit is cleared whenever the thread returns to user mode.",
        observe: "NtAlertResumeThread on a running thread: no effect on its next wait once it has \
            been in user mode",
        sources: "R-trap",
        note: "",
        divergence: "",
    }
    ALERT_07 "ALERT-07" UserApi SourceDerived {
        statement: "The alertable Win32 waits and SleepEx never return STATUS_ALERTED: the \
            wrapper repeats the system call, with the original relative timeout again from the \
            start; SignalObjectAndWait repeats its signal as well.",
        observe: "NtAlertThread during SleepEx(100, TRUE) at 60 ms: returns 0 at about 160 ms",
        sources: "R-k32syn `SleepEx`, `WaitForSingleObjectEx`, `WaitForMultipleObjectsEx`, \
            `SignalObjectAndWait`",
        note: "",
        divergence: "Re-signalling of SignalObjectAndWait not verified on Windows: doubtful.",
    }
    ALERT_08 "ALERT-08" NtSyscall SourceDerived missing "NtAlertResumeThread is no call of the format." {
        statement: "NtAlertResumeThread alerts the thread in kernel mode, then lowers the suspend \
            count, and returns the previous count.",
        observe: "on a suspended thread that was in an alertable wait: wait ends with \
            STATUS_ALERTED after resumption",
        sources: "R-thrdobj `KeAlertResumeThread`",
        note: "",
        divergence: "Wine 8.0 resumes and ignores the alert.",
    }
    ALERT_09 "ALERT-09" NtSyscall SourceDerived
        missing "Says that two calls are unrelated; the other one is no call of the format." {
        statement: "NtAlertThread needs THREAD_ALERT access (ReactOS demands \
            THREAD_SUSPEND_RESUME); it is unrelated to NtAlertThreadByThreadId (WAIT-83), which \
            uses its own bit.",
        observe: "the one does not end the other's wait",
        sources: "R-state `NtAlertThread`; W-ntsync `test_tid_alert`",
        note: "",
        divergence: "Access right doubtful.",
    }
    ALERT_10 "ALERT-10" NtSyscall Inferred {
        statement: "The test-alert after each APC routine (APC-U-06) consumes a user alert that \
            arrived meanwhile; the chain then stops although APCs are queued, and the wait \
            returns 0xC0 with APCs left.",
        observe: "A1 calls NtAlertThread(self), A2 queued: wait = 0xC0, A2 not run; next \
            alertable wait runs it",
        sources: "R-except, R-thrdobj",
        note: "",
        divergence: "Doubtful on current x64 versions.",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "apc",
    title: "Asynchronous procedure calls",
    introduction: "The kinds of APCs, insertion, delivery and its masks, user APCs, special user \
        APCs, and alerts, which share the machinery of alertable waits. Inserting an APC, waking \
        its thread and delivering it are three separate steps with separate conditions, and a \
        user APC needs all three.",
    rules: RULES,
};

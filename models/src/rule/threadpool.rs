//! Thread pools: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::device::END;
    TP_01 "TP-01" UserApi Documented {
        statement: "An APC queued by a callback to its own (worker) thread is bound to that \
            thread, while the pool may end the worker, or never make it wait alertably: the APC \
            runs never, or at an unrelated moment. The documentation tells programs not to use \
            APC-based calls from pool threads.",
        observe: "callback queues an APC to itself and returns",
        sources: "MS \"Thread Pools\", \"Thread Pooling\"",
        note: "",
        divergence: "",
    }
    TP_02 "TP-02" UserApi Inferred {
        statement: "An APC left over on a worker runs in whichever later callback first waits \
            alertably on that worker, so the callback sees a WAIT_IO_COMPLETION it did not \
            cause.",
        observe: "callback 1 queues A to itself; callback 2 on the same worker calls SleepEx(0, \
            TRUE) = 0xC0 and A runs",
        sources: "APC-U-14; obs",
        note: "inferred + observed",
        divergence: "Whether idle workers themselves consume APCs: TP-03.",
    }
    TP_03 "TP-03" UserApi Tested
        missing "By default an idle thread waits as the rules of new pools say; the deviation idle-workers-are-alertable is the other reading." {
        statement: "Whether an idle worker waits alertably is not specified. With the old API, \
            threads running WT_EXECUTEINIOTHREAD callbacks do (APCs run while idle); for default \
            workers tests on Windows show \"not run\" before Vista and \"run\" on some later \
            versions.",
        observe: "W-tp `test_RtlRegisterWait`: APC queued to the thread of a finished callback",
        sources: "W-tp",
        note: "tested, version-dependent → treat as unspecified: doubtful",
        divergence: "Wine 8.0: run for I/O-thread callbacks, not for default and wait-thread \
            ones (observed).",
    }
    TP_04 "TP-04" UserApi Documented
        missing "The threads of a pool are alike; none is persistent." {
        statement: "WT_EXECUTEINPERSISTENTTHREAD gives a thread that is not trimmed while the \
            pool exists, the nearest thing to a safe APC target in the old API; \
            WT_EXECUTEINIOTHREAD has no use since Vista.",
        observe: "",
        sources: "MS \"QueueUserWorkItem function\"",
        note: "",
        divergence: "The persistence is not guaranteed either.",
    }
    TP_05 "TP-05" UserApi Documented {
        statement: "The replacements: instead of ReadFileEx, a pool I/O object or an event in \
            OVERLAPPED.hEvent with a pool wait; instead of a waitable timer's APC, a pool timer; \
            instead of an alertable wait loop, a pool wait.",
        observe: "",
        sources: "MS \"Thread Pools\"; \"SetThreadpoolWait\", \"SetThreadpoolTimer\", \
            \"CreateThreadpoolIo\"",
        note: "",
        divergence: "",
    }
    TP_06 "TP-06" UserApi Documented {
        statement: "A pool callback must not end its thread (ExitThread, TerminateThread), must \
            leave no APC, no owned mutex, no changed priority behind; the pool does not clean \
            up.",
        observe: "mutex stays owned by an idle worker",
        sources: "MS \"Thread Pools\" (best practices)",
        note: "",
        divergence: "",
    }
    TP_07 "TP-07" UserApi Documented {
        statement: "Asynchronous I/O issued by a worker with a thread-bound request keeps that \
            worker alive in the old API (it does not exit with I/O pending); the new pools make \
            no such promise for I/O that is not a pool I/O object.",
        observe: "",
        sources: "MS \"Thread Pooling\"; exit.md",
        note: "",
        divergence: "Version-dependent.",
    }
    TP_08 "TP-08" UserApi Inferred {
        statement: "A callback may wait alertably itself; that delivers APCs to its worker like \
            on any thread (APC-U-03), in particular those it queued itself.",
        observe: "callback: QueueUserAPC(self), SleepEx(0, TRUE) = 0xC0",
        sources: "APC-U-08; obs",
        note: "inferred + observed",
        divergence: "",
    }
    TP_09 "TP-09" UserApi Tested {
        statement: "Each submission of a work object causes one callback: N submissions before \
            any runs give N callbacks; they may run concurrently and in any order.",
        observe: "W-tp `test_tp_work`",
        sources: "W-tp",
        note: "",
        divergence: "",
    }
    TP_10 "TP-10" UserApi Tested missing "There is no call that waits for callbacks." {
        statement: "Waiting for a work object blocks until submitted callbacks are finished; \
            with \"cancel pending\" the ones not yet started are dropped first.",
        observe: "W-tp `test_tp_work`",
        sources: "W-tp; MS \"WaitForThreadpoolWorkCallbacks function\"",
        note: "",
        divergence: "",
    }
    TP_11 "TP-11" UserApi Documented missing "There is no call that waits for callbacks." {
        statement: "Waiting for one's own object from its callback deadlocks.",
        observe: "blocked",
        sources: "MS",
        note: "",
        divergence: "",
    }
    TP_12 "TP-12" UserApi Tested {
        statement: "A pool timer's callback is queued to the pool at each due time; with a \
            period and busy workers callbacks of one timer can overlap.",
        observe: "W-tp `test_tp_timer`",
        sources: "W-tp; MS \"SetThreadpoolTimer function\"",
        note: "",
        divergence: "",
    }
    TP_13 "TP-13" UserApi Tested {
        statement: "A pool timer stays \"set\" after a one-shot expiry until it is explicitly \
            set to no due time; setting to none stops future expiries but not callbacks already \
            queued.",
        observe: "IsThreadpoolTimerSet after expiry: TRUE",
        sources: "W-tp `test_tp_timer`",
        note: "",
        divergence: "",
    }
    TP_14 "TP-14" UserApi Tested missing "There is no call that waits for callbacks." {
        statement: "Waiting for a pool timer's callbacks waits only for those already due, never \
            for a future expiry.",
        observe: "due in 1 s; wait returns at once",
        sources: "W-tp `test_tp_timer`",
        note: "",
        divergence: "",
    }
    TP_15 "TP-15" UserApi Tested missing "Times are exact: there are no windows." {
        statement: "A window length lets expiries be merged: timers with overlapping windows may \
            fire together, each not before its due time.",
        observe: "W-tp `test_tp_window_length`",
        sources: "W-tp; MS",
        note: "",
        divergence: "Newer Windows may merge less.",
    }
    TP_16 "TP-16" UserApi Tested
        missing "The timer queues and registered waits of the old interface cannot be said in a scenario." {
        statement: "Timer-queue timers (old API): deleting with a completion event set to \
            INVALID_HANDLE_VALUE waits for running callbacks, so doing it inside the callback \
            deadlocks; without one it returns at once, with ERROR_IO_PENDING while a callback \
            runs.",
        observe: "W-k32sync `test_timer_queue`",
        sources: "W-k32sync; MS \"DeleteTimerQueueTimer function\"",
        note: "",
        divergence: "",
    }
    TP_17 "TP-17" UserApi Tested {
        statement: "A pool wait (new API) is one-shot: after its callback it must be set again; \
            the old registered wait re-arms itself unless registered with WT_EXECUTEONLYONCE.",
        observe: "W-tp `test_tp_wait`, `test_RtlRegisterWait`",
        sources: "W-tp; MS \"SetThreadpoolWait function\", \"RegisterWaitForSingleObject \
            function\"",
        note: "",
        divergence: "",
    }
    TP_18 "TP-18" UserApi Documented
        missing "The timer queues and registered waits of the old interface cannot be said in a scenario." {
        statement: "A registered wait on a manual-reset object that stays signalled calls back \
            again and again until it is reset or unregistered.",
        observe: "manual event set, no ONLYONCE: count grows",
        sources: "MS \"RegisterWaitForSingleObject function\"",
        note: "",
        divergence: "",
    }
    TP_19 "TP-19" UserApi Tested {
        statement: "The pool consumes the object's signal as a normal wait does (auto-reset \
            event reset, semaphore decremented, mutex acquired by the wrong thread — do not use \
            mutexes), before the callback runs.",
        observe: "two pool waits on a semaphore of count 1: one callback",
        sources: "W-tp `test_tp_multi_wait`, `test_tp_wait`; MS",
        note: "",
        divergence: "",
    }
    TP_20 "TP-20" UserApi Tested {
        statement: "Timeout 0 gives an immediate callback with result WAIT_TIMEOUT if the object \
            is not signalled; a wait callback reports WAIT_OBJECT_0 or WAIT_TIMEOUT.",
        observe: "W-tp `test_tp_wait`",
        sources: "W-tp",
        note: "",
        divergence: "",
    }
    TP_21 "TP-21" UserApi Tested {
        statement: "Setting a pool wait to no handle cancels it if it has not triggered; waiting \
            for callbacks with cancel does not unset it.",
        observe: "W-tp `test_tp_wait`",
        sources: "W-tp",
        note: "",
        divergence: "Windows 8 differs in a detail.",
    }
    TP_22 "TP-22" UserApi Tested
        missing "The timer queues and registered waits of the old interface cannot be said in a scenario." {
        statement: "Unregistering an old wait while its callback runs returns ERROR_IO_PENDING \
            (STATUS_PENDING); with INVALID_HANDLE_VALUE as event it blocks until the callback is \
            done and must not be called from it.",
        observe: "W-tp `test_RtlRegisterWait`",
        sources: "W-tp; MS \"UnregisterWaitEx function\"",
        note: "",
        divergence: "",
    }
    TP_23 "TP-23" UserApi Documented
        missing "The pool's threads do not leave and enter their waits again when others are added." {
        statement: "Pulsing an event that a pool waits for is unreliable, more than usual: the \
            pool thread leaves and re-enters its wait whenever its set of objects changes.",
        observe: "",
        sources: "MS \"RegisterWaitForSingleObject function\", \"PulseEvent function\"",
        note: "",
        divergence: "",
    }
    TP_24 "TP-24" UserApi Tested missing "There are no cleanup groups." {
        statement: "Closing a cleanup group waits for, or cancels, all members; a cancel \
            callback is called once per cancelled object, not once per pending submission.",
        observe: "W-tp `test_tp_group_cancel`",
        sources: "W-tp",
        note: "",
        divergence: "",
    }
    TP_25 "TP-25" Model Inferred {
        statement: "Order between callbacks of different objects is unspecified; a model treats \
            a pool as a bag of runnable callbacks with one worker each up to the maximum \
            (default 500), so that any number can block without starving others until the \
            maximum is reached.",
        observe: "",
        sources: "MS \"Thread Pools\"",
        note: "",
        divergence: "Real pools add workers with delay.",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "threadpool",
    title: "Thread pools",
    introduction: "Why APCs and the threads of a pool do not go together, and what the pool \
        has instead.",
    rules: RULES,
};

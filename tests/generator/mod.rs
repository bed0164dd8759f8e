//! Random small scenarios.
//!
//! A plan is drawn first: acts with raw numbers for threads, objects and routines, which mean
//! the same for every number of them. The scenario is made from the plan, so that plans shrink
//! freely and every one gives a scenario that is accepted. Routines queue only routines behind
//! them, and no periodic timer ticks in free time: without loops every run comes to an end.

pub(crate) mod io;
pub(crate) mod kernel;

use alertable_traces::call::{Call, Timeout};
use alertable_traces::scenario::{
    CallStep, MachineOptions, Object, Reset, Scenario, Start, Step, Thread, TimeMode,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

/// What scenarios can have more of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Topic {
    Apcs,
    SpecialApcs,
    Alerts,
    Sleeps,
    Waits,
    WaitsForAll,
    Events,
    Mutexes,
    Semaphores,
    Timers,
    Suspension,
    Ends,
    /// Files and ports, and nothing else.
    Io,
    /// Code in kernel mode.
    Kernel,
}

/// Small scenarios of all kinds, with more of some topics.
pub(crate) fn scenarios(topics: &[Topic]) -> BoxedStrategy<Scenario> {
    if topics.contains(&Topic::Io) {
        return io::scenarios();
    }
    if topics.contains(&Topic::Kernel) {
        return kernel::scenarios();
    }
    plans(topics).prop_map(|plan| Builder::build(&plan)).boxed()
}

/// One thing that a thread or routine does. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    TestAlert,
    Sleep { ms: Timeout, alertable: bool },
    Queue { thread: u8, routine: u8, special: bool },
    SetEvent(u8),
    ResetEvent(u8),
    PulseEvent(u8),
    Wait { objects: Vec<u8>, all: bool, ms: Timeout, alertable: bool },
    SignalAndWait { signal: u8, object: u8, ms: Timeout, alertable: bool },
    ReleaseMutex,
    ReleaseSemaphore(i32),
    SetTimer { timer: u8, due_ms: u32, period_ms: i32, routine: Option<u8> },
    CancelTimer(u8),
    Alert(u8),
    Create(u8),
    Resume(u8),
    Suspend(u8),
    Exit(u32),
    Terminate(u8),
}

/// An act and whether its result is kept.
type Planned = (Act, bool);

#[derive(Clone, Debug)]
struct Plan {
    threads: Vec<(Start, Vec<Planned>)>,
    routines: Vec<Vec<Planned>>,
    /// Whether each of the two events is signaled at first.
    signaled: [bool; 2],
    mutex_owner: Option<u8>,
    semaphore: (u32, u32),
    processors: u8,
    free_time: bool,
}

fn plans(topics: &[Topic]) -> impl Strategy<Value = Plan> + use<> {
    let act = (acts(topics), any::<bool>()).boxed();
    let starts = prop_oneof![
        6 => Just(Start::Now),
        1 => Just(Start::Suspended),
        1 => Just(Start::Later),
    ];
    let semaphore = (1_u32..=2).prop_flat_map(|max| (0..=max, Just(max)));
    (
        vec((starts, vec(act.clone(), 1..=4)), 2..=3),
        vec(vec(act, 0..=2), 1..=3),
        any::<[bool; 2]>(),
        proptest::option::of(0_u8..3),
        semaphore,
        select(vec![2_u8, 1]),
        proptest::bool::weighted(0.1),
    )
        .prop_map(
            |(threads, routines, signaled, mutex_owner, semaphore, processors, free_time)| Plan {
                threads,
                routines,
                signaled,
                mutex_owner,
                semaphore,
                processors,
                free_time,
            },
        )
}

/// One act, simple ones first: that is where shrinking goes.
fn acts(topics: &[Topic]) -> BoxedStrategy<Act> {
    let topics = topics.to_vec();
    let weight = |topic: Topic, weight: u32| weight * if topics.contains(&topic) { 8 } else { 1 };
    let thread = || 0_u8..3;
    let event = || 0_u8..2;
    // The declared objects, and each thread.
    let object = || 0_u8..OBJECT_COUNT + 3;
    let ms = || select(vec![0, 10, 20, u32::MAX]).prop_map(milliseconds);
    let several = move |all: bool| {
        (vec(object(), 2..=3), ms(), any::<bool>())
            .prop_map(move |(objects, ms, alertable)| Act::Wait { objects, all, ms, alertable })
    };
    prop_oneof![
        weight(Topic::Apcs, 2) => Just(Act::TestAlert),
        weight(Topic::Sleeps, 4) => (ms(), any::<bool>())
            .prop_map(|(ms, alertable)| Act::Sleep { ms, alertable }),
        weight(Topic::Apcs, 6) => (thread(), thread())
            .prop_map(|(thread, routine)| Act::Queue { thread, routine, special: false }),
        weight(Topic::SpecialApcs, 1) => (thread(), thread())
            .prop_map(|(thread, routine)| Act::Queue { thread, routine, special: true }),
        weight(Topic::Events, 3) => event().prop_map(Act::SetEvent),
        weight(Topic::Events, 1) => event().prop_map(Act::ResetEvent),
        weight(Topic::Events, 1) => event().prop_map(Act::PulseEvent),
        weight(Topic::Waits, 5) => (object(), ms(), any::<bool>()).prop_map(
            |(object, ms, alertable)| Act::Wait { objects: vec![object], all: false, ms, alertable }
        ),
        weight(Topic::Waits, 1) => several(false),
        weight(Topic::WaitsForAll, 2) => several(true),
        weight(Topic::Waits, 1) => (0..OBJECT_COUNT, object(), ms(), any::<bool>()).prop_map(
            |(signal, object, ms, alertable)| Act::SignalAndWait { signal, object, ms, alertable }
        ),
        weight(Topic::Mutexes, 2) => Just(Act::ReleaseMutex),
        weight(Topic::Semaphores, 2) => select(vec![1, 2, 0]).prop_map(Act::ReleaseSemaphore),
        weight(Topic::Timers, 3) => (
            event(),
            select(vec![0_u32, 10, 20]),
            select(vec![0_i32, 0, 10]),
            proptest::option::of(thread()),
        )
            .prop_map(|(timer, due_ms, period_ms, routine)| {
                Act::SetTimer { timer, due_ms, period_ms, routine }
            }),
        weight(Topic::Timers, 1) => event().prop_map(Act::CancelTimer),
        weight(Topic::Alerts, 1) => thread().prop_map(Act::Alert),
        1 => thread().prop_map(Act::Create),
        weight(Topic::Suspension, 2) => thread().prop_map(Act::Resume),
        weight(Topic::Suspension, 1) => thread().prop_map(Act::Suspend),
        weight(Topic::Ends, 1) => (0_u32..2).prop_map(Act::Exit),
        weight(Topic::Ends, 1) => thread().prop_map(Act::Terminate),
    ]
    .boxed()
}

fn milliseconds(ms: u32) -> Timeout {
    if ms == u32::MAX { Timeout::Infinite } else { Timeout::Finite(ms) }
}

const EVENTS: [&str; 2] = ["auto", "manual"];
const TIMERS: [&str; 2] = ["tick", "alarm"];
const MUTEX: &str = "mutex";
const SEMAPHORE: &str = "semaphore";
const OBJECTS: [&str; 6] = [EVENTS[0], EVENTS[1], MUTEX, SEMAPHORE, TIMERS[0], TIMERS[1]];
const OBJECT_COUNT: u8 = OBJECTS.len() as u8;
const THREADS: [&str; 3] = ["t1", "t2", "t3"];
const ROUTINES: [&str; 3] = ["A", "B", "C"];

/// The entry of a number among the first `count`.
fn pick(names: &'static [&'static str], count: usize, number: u8) -> &'static str {
    names[usize::from(number) % count]
}

/// Makes a scenario from a plan, with only the objects and routines that it names.
struct Builder<'a> {
    plan: &'a Plan,
    used: BTreeSet<&'static str>,
    /// What the next APC is given: each step its own value, so that APCs can be told apart.
    data: u64,
}

impl<'a> Builder<'a> {
    fn build(plan: &'a Plan) -> Scenario {
        let mut builder = Builder { plan, used: BTreeSet::new(), data: 0 };
        let mut threads = Vec::new();
        for (index, (start, acts)) in plan.threads.iter().enumerate() {
            let steps = builder.steps(THREADS[index], acts, 0);
            // Somebody has to begin.
            let start = if index == 0 { Start::Now } else { *start };
            threads.push((THREADS[index].to_owned(), Thread { start, ..Thread::of(steps) }));
        }
        let mut routines = Vec::new();
        for (index, acts) in plan.routines.iter().enumerate() {
            if builder.used.contains(ROUTINES[index]) {
                let steps = builder.steps(ROUTINES[index], acts, index + 1);
                routines.push((ROUTINES[index].to_owned(), steps));
            }
        }
        let used = OBJECTS.iter().filter(|name| builder.used.contains(*name));
        Scenario {
            title: "Generated".to_owned(),
            doc: None,
            rules: Vec::new(),
            dialect: None,
            machine: MachineOptions {
                processors: (plan.processors != 2).then_some(plan.processors),
                time: plan.free_time.then_some(TimeMode::Free),
            },
            objects: used.map(|name| ((*name).to_owned(), builder.object(name))).collect(),
            routines: routines.into_iter().collect(),
            threads: threads.into_iter().collect(),
            expect: None,
        }
    }

    /// The steps of a thread or routine, which queues only routines from `routine_min` on.
    fn steps(&mut self, place: &str, acts: &[Planned], routine_min: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, (act, kept)) in acts.iter().enumerate() {
            if let Some(call) = self.call(act, routine_min) {
                let label = kept.then(|| format!("{place}-{}", index + 1));
                steps.push(Step::Call(CallStep { call, label }));
            }
        }
        steps
    }

    fn object(&self, name: &str) -> Object {
        let plan = self.plan;
        match name {
            "auto" => Object::Event { reset: Reset::Auto, signaled: plan.signaled[0] },
            "manual" => Object::Event { reset: Reset::Manual, signaled: plan.signaled[1] },
            "tick" => Object::Timer { reset: Reset::Auto },
            "alarm" => Object::Timer { reset: Reset::Manual },
            MUTEX => {
                let owner = plan.mutex_owner.map(|thread| self.thread(thread));
                Object::Mutex { owner, kernel: false }
            }
            _ => Object::Semaphore { count: plan.semaphore.0, max: plan.semaphore.1 },
        }
    }

    fn thread(&self, number: u8) -> String {
        pick(&THREADS, self.plan.threads.len(), number).to_owned()
    }

    fn name(&mut self, name: &'static str) -> String {
        self.used.insert(name);
        name.to_owned()
    }

    /// An object, or a thread.
    fn waitable(&mut self, number: u8) -> String {
        match number.checked_sub(OBJECT_COUNT) {
            None => self.name(OBJECTS[usize::from(number)]),
            Some(thread) => self.thread(thread),
        }
    }

    fn waitables(&mut self, numbers: &[u8]) -> Vec<String> {
        numbers.iter().map(|number| self.waitable(*number)).collect()
    }

    fn routine(&mut self, number: u8, routine_min: usize) -> Option<String> {
        let count = self.plan.routines.len().checked_sub(routine_min).filter(|count| *count > 0)?;
        Some(self.name(ROUTINES[routine_min + usize::from(number) % count]))
    }

    fn next_data(&mut self) -> u64 {
        self.data += 1;
        self.data
    }

    /// The call of an act; none when there is no routine left that it could queue.
    fn call(&mut self, act: &Act, routine_min: usize) -> Option<Call> {
        Some(match act {
            Act::TestAlert => Call::NtTestAlert,
            Act::Sleep { ms, alertable } => Call::SleepEx { ms: *ms, alertable: *alertable },
            Act::Queue { thread, routine, special } => {
                let routine = self.routine(*routine, routine_min)?;
                let (thread, data) = (self.thread(*thread), self.next_data());
                if *special {
                    let flags = vec!["special".to_owned()];
                    Call::QueueUserApc2 { thread, routine, data, flags }
                } else {
                    Call::QueueUserApc { thread, routine, data }
                }
            }
            Act::SetEvent(event) => Call::SetEvent { event: self.name(pick(&EVENTS, 2, *event)) },
            Act::ResetEvent(event) => {
                Call::ResetEvent { event: self.name(pick(&EVENTS, 2, *event)) }
            }
            Act::PulseEvent(event) => {
                Call::PulseEvent { event: self.name(pick(&EVENTS, 2, *event)) }
            }
            Act::Wait { objects, all, ms, alertable } => {
                let (objects, ms, alertable) = (self.waitables(objects), *ms, *alertable);
                match <[String; 1]>::try_from(objects) {
                    Ok([object]) => Call::WaitForSingleObjectEx { object, ms, alertable },
                    Err(objects) => {
                        Call::WaitForMultipleObjectsEx { objects, all: *all, ms, alertable }
                    }
                }
            }
            Act::SignalAndWait { signal, object, ms, alertable } => {
                let (signal, object) = (self.waitable(*signal), self.waitable(*object));
                Call::SignalObjectAndWait { signal, object, ms: *ms, alertable: *alertable }
            }
            Act::ReleaseMutex => Call::ReleaseMutex { mutex: self.name(MUTEX) },
            Act::ReleaseSemaphore(count) => {
                Call::ReleaseSemaphore { semaphore: self.name(SEMAPHORE), count: *count }
            }
            Act::SetTimer { timer, due_ms, period_ms, routine } => Call::SetWaitableTimer {
                timer: self.name(pick(&TIMERS, 2, *timer)),
                due_ms: *due_ms,
                period_ms: if self.plan.free_time { 0 } else { *period_ms },
                routine: routine.and_then(|routine| self.routine(routine, routine_min)),
                data: self.next_data(),
            },
            Act::CancelTimer(timer) => {
                Call::CancelWaitableTimer { timer: self.name(pick(&TIMERS, 2, *timer)) }
            }
            Act::Alert(thread) => Call::NtAlertThread { thread: self.thread(*thread) },
            Act::Create(thread) => Call::CreateThread { thread: self.thread(*thread) },
            Act::Resume(thread) => Call::ResumeThread { thread: self.thread(*thread) },
            Act::Suspend(thread) => Call::SuspendThread { thread: self.thread(*thread) },
            Act::Exit(code) => Call::ExitThread { code: *code },
            Act::Terminate(thread) => {
                Call::TerminateThread { thread: self.thread(*thread), code: 7 }
            }
        })
    }
}

//! The policy `nt`: who goes next as the system's own scheduler decides it.
//!
//! Ready threads run by priority, and in one priority first come, first served (WAIT-96). A
//! thread of a higher priority preempts one of a lower, which goes to the front of its queue; one
//! whose quantum is over goes to the back. A thread that is woken may get a boost, which decays by
//! one a quantum (WAIT-97). Nothing is random.
//!
//! **Divergence.** Steps take no time, so that a quantum is a number of steps. The processors take
//! their steps in turn. What is due comes before any thread, as interrupts do.

use crate::engine::policy::Policy;
use crate::system::{StepEvents, System};
use alertable_models::event::{Event, ThreadChange};
use alertable_models::ids::ThreadId;
use alertable_models::machine::Transition;
use alertable_models::program::Program;
use alertable_traces::call::Call;
use alertable_traces::scenario::{PRIORITY_NORMAL, Scenario};
use std::collections::VecDeque;

/// How many steps a thread takes before another of its priority gets its turn.
pub const QUANTUM_STEP_COUNT: u32 = 12;

/// The highest priority in the dynamic range, where boosts are given (LOW_REALTIME_PRIORITY - 1).
const DYNAMIC_MAX: u8 = 15;

/// Above every thread: DPCs.
const DPC_PRIORITY: u8 = 32;

/// Above every DPC: interrupts.
const INTERRUPT_PRIORITY: u8 = 33;

/// A thread, as the scheduler sees it.
#[derive(Clone, Copy, Debug)]
struct Scheduled {
    base: u8,
    priority: u8,
    quantum: u32,
}

/// The system's scheduler.
#[derive(Clone, Debug)]
pub struct Nt {
    threads: Vec<Scheduled>,
    /// By priority, who waits for a processor, next one first.
    ready: Vec<VecDeque<usize>>,
    /// Who has which processor.
    processors: Vec<Option<usize>>,
    /// The processor that takes the next step.
    turn: usize,
    /// The boosts of the calls that each thread is in, the innermost last: what a call wakes
    /// after the routines that it runs gets its boost.
    calls: Vec<Vec<u8>>,
}

impl Nt {
    /// Before the first step of a scenario.
    pub fn new(program: &Program, scenario: &Scenario, processors: u8) -> Self {
        let base = |thread: ThreadId| {
            let setup = program.kernel_mode();
            if let Some(dpc) = setup.dpc_of(thread) {
                let is_interrupt = setup.dpcs[dpc.index()].interrupt.is_some();
                return if is_interrupt { INTERRUPT_PRIORITY } else { DPC_PRIORITY };
            }
            let declared = scenario.threads.get(program.thread_name(thread));
            declared.map_or(PRIORITY_NORMAL, |thread| thread.priority)
        };
        let scheduled = |thread| {
            let base = base(thread);
            Scheduled { base, priority: base, quantum: QUANTUM_STEP_COUNT }
        };
        Nt {
            threads: program.thread_ids().map(scheduled).collect(),
            ready: vec![VecDeque::new(); usize::from(INTERRUPT_PRIORITY) + 1],
            processors: vec![None; usize::from(processors.max(1))],
            turn: 0,
            calls: vec![Vec::new(); program.thread_ids().count()],
        }
    }

    /// What a thread could do now, by its number: an interrupt comes before its own step.
    fn step_of(enabled: &[Transition], thread: usize) -> Option<usize> {
        let of_thread = |wanted: fn(ThreadId) -> Transition| {
            let wanted = wanted(ThreadId::from_index(thread));
            enabled.iter().position(|transition| *transition == wanted)
        };
        of_thread(Transition::Interrupt).or_else(|| of_thread(Transition::Run))
    }

    fn is_queued(&self, thread: usize) -> bool {
        self.ready.iter().any(|queue| queue.contains(&thread))
    }

    fn has_processor(&self, thread: usize) -> bool {
        self.processors.contains(&Some(thread))
    }

    fn queue(&mut self, thread: usize, at_front: bool) {
        let queue = &mut self.ready[usize::from(self.threads[thread].priority)];
        if at_front {
            queue.push_front(thread);
        } else {
            queue.push_back(thread);
        }
    }

    /// Who cannot go on gives its processor up; who can go on waits for one.
    fn update_ready(&mut self, enabled: &[Transition]) {
        for at in 0..self.processors.len() {
            if let Some(thread) = self.processors[at]
                && Self::step_of(enabled, thread).is_none()
            {
                self.processors[at] = None;
            }
        }
        for thread in 0..self.threads.len() {
            let can_go_on = Self::step_of(enabled, thread).is_some();
            if can_go_on && !self.has_processor(thread) && !self.is_queued(thread) {
                self.queue(thread, false);
            }
        }
    }

    /// The first thread of the highest priority that can go on.
    fn first_ready(&self, enabled: &[Transition]) -> Option<usize> {
        let queues = self.ready.iter().rev();
        queues.flatten().copied().find(|thread| Self::step_of(enabled, *thread).is_some())
    }

    fn take_ready(&mut self, thread: usize) {
        for queue in &mut self.ready {
            queue.retain(|other| *other != thread);
        }
    }

    /// Gives the processors to the threads of the highest priorities.
    fn dispatch(&mut self, enabled: &[Transition]) {
        while let Some(next) = self.first_ready(enabled) {
            let priority = |thread: usize| self.threads[thread].priority;
            let idle = self.processors.iter().position(Option::is_none);
            let weakest = (0..self.processors.len()).min_by_key(|at| {
                self.processors[*at].map_or((0, usize::MAX), |t| (priority(t), usize::MAX - at))
            });
            let at = match (idle, weakest) {
                (Some(idle), _) => idle,
                (None, Some(weakest))
                    if self.processors[weakest].is_some_and(|t| priority(t) < priority(next)) =>
                {
                    weakest
                }
                _ => return,
            };
            self.take_ready(next);
            if let Some(preempted) = self.processors[at].replace(next) {
                self.queue(preempted, true);
            }
        }
    }

    /// A thread has taken a step of its quantum.
    fn charge(&mut self, at: usize, thread: usize) {
        let record = &mut self.threads[thread];
        record.quantum -= 1;
        if record.quantum > 0 {
            return;
        }
        record.quantum = QUANTUM_STEP_COUNT;
        if record.priority > record.base {
            record.priority -= 1;
        }
        self.processors[at] = None;
        self.queue(thread, false);
    }

    /// A woken thread gets a boost above its base priority, in the dynamic range.
    fn boost(&mut self, thread: usize, increment: u8) {
        let record = &mut self.threads[thread];
        if record.base > DYNAMIC_MAX {
            return;
        }
        let boosted = record.base.saturating_add(increment).min(DYNAMIC_MAX);
        if boosted > record.priority {
            record.priority = boosted;
        }
    }
}

impl Policy<System<'_>> for Nt {
    fn pick(&mut self, _: &System<'_>, enabled: &[Transition]) -> usize {
        let is_due = |transition: &Transition| {
            matches!(transition, Transition::TimeOut(_) | Transition::Expire(_))
        };
        if let Some(due) = enabled.iter().position(is_due) {
            return due;
        }
        self.update_ready(enabled);
        self.dispatch(enabled);
        for _ in 0..self.processors.len() {
            let at = self.turn;
            self.turn = (self.turn + 1) % self.processors.len();
            if let Some(thread) = self.processors[at]
                && let Some(step) = Self::step_of(enabled, thread)
            {
                self.charge(at, thread);
                return step;
            }
        }
        // Nobody can go on: devices, then time.
        let of = |wanted: fn(&Transition) -> bool| enabled.iter().position(wanted);
        of(|transition| matches!(transition, Transition::Complete(_)))
            .or_else(|| of(|transition| *transition == Transition::PassTime))
            .unwrap_or(0)
    }

    fn stepped(&mut self, system: &System<'_>, events: &StepEvents) {
        let program = &system.model.program;
        let mut increment = 0;
        for event in &events.events {
            match event {
                Event::Call { thread, call } => {
                    increment = increment_of(&program.call(*call).source);
                    self.calls[thread.index()].push(increment);
                }
                Event::Return { thread, .. } => {
                    self.calls[thread.index()].pop();
                }
                Event::ApcReturned { thread, .. } => {
                    increment = self.calls[thread.index()].last().copied().unwrap_or(0);
                }
                Event::Thread { thread, change: ThreadChange::Ready } => {
                    self.boost(thread.index(), increment);
                }
                _ => {}
            }
        }
    }
}

/// The boost that a call gives to the threads that it wakes.
fn increment_of(call: &Call) -> u8 {
    match call {
        Call::SetEvent { .. }
        | Call::PulseEvent { .. }
        | Call::ReleaseMutex { .. }
        | Call::ReleaseSemaphore { .. }
        | Call::KeReleaseMutex { .. }
        | Call::KeReleaseSemaphore { .. }
        | Call::SignalObjectAndWait { .. }
        | Call::CompleteRequest { .. } => 1,
        Call::NtAlertThread { .. }
        | Call::KeAlertThread { .. }
        | Call::TerminateThread { .. }
        | Call::WriteFile { .. }
        | Call::NtWriteFile { .. } => 2,
        Call::KeSetEvent { increment, .. }
        | Call::KePulseEvent { increment, .. }
        | Call::KeInsertQueueApc { increment, .. }
        | Call::IoCompleteRequest { increment, .. } => *increment,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::run::{PolicyName, Run, RunOptions, Schedule, run_model};
    use alertable_models::event::Event;
    use alertable_models::machine::{Model, Settings};
    use alertable_models::program::compile;
    use alertable_traces::read_scenario;

    /// The threads that make calls, in the order of their calls.
    fn callers(threads: &str, processors: u8) -> Vec<String> {
        let text = format!(
            r#"{{ "alertable": 1, "kind": "scenario", "title": "A",
                "objects": {{ "go": {{ "type": "event", "reset": "auto" }} }},
                "threads": {{ {threads} }} }}"#
        );
        callers_of(&text, processors)
    }

    fn callers_of(text: &str, processors: u8) -> Vec<String> {
        let scenario = read_scenario(text, None).expect("it is well formed");
        let settings = Settings { processors, ..Settings::default() };
        let model = Model { program: compile(&scenario).expect("it can be simulated"), settings };
        let schedule = Schedule::Policy { policy: PolicyName::Nt, seed: 0 };
        let options = RunOptions { schedule, step_count_max: 1000, with_trace: false };
        let Run { timeline, .. } =
            run_model(&model, &scenario, &options).expect("no picks are given");
        let calls = timeline.iter().filter_map(|(_, event)| match event {
            Event::Call { thread, .. } => Some(model.program.thread_name(*thread).to_owned()),
            _ => None,
        });
        calls.collect()
    }

    const TEST: &str = r#"{"repeat": 3, "steps": [{"call": "NtTestAlert"}]}"#;

    /// As [`callers`], with objects and routines of the scenario's own.
    fn callers_in(objects: &str, routines: &str, threads: &str) -> Vec<String> {
        let text = format!(
            r#"{{ "alertable": 1, "kind": "scenario", "title": "A",
                "objects": {{ {objects} }}, "routines": {{ {routines} }},
                "threads": {{ {threads} }} }}"#
        );
        callers_of(&text, 1)
    }

    #[test]
    fn a_higher_priority_runs_first() {
        let threads = format!(
            r#""low": {{"priority": 7, "steps": [{TEST}]}}, "high": {{"priority": 9, "steps": [{TEST}]}}"#
        );
        assert_eq!(callers(&threads, 1), ["high", "high", "high", "low", "low", "low"]);
        assert_eq!(callers(&threads, 2), ["high", "low", "high", "low", "high", "low"]);
    }

    #[test]
    fn threads_of_one_priority_share_a_processor_by_quanta() {
        let steps = r#"{"repeat": 20, "steps": [{"call": "NtTestAlert"}]}"#;
        let threads = format!(r#""one": [{steps}], "two": [{steps}]"#);
        let runs: Vec<(String, usize)> = callers(&threads, 1)
            .chunk_by(|one, other| one == other)
            .map(|run| (run[0].clone(), run.len()))
            .collect();
        let run = |name: &str, length| (name.to_owned(), length);
        assert_eq!(runs, [run("one", 12), run("two", 12), run("one", 8), run("two", 8)]);
    }

    #[test]
    fn a_woken_thread_is_boosted_and_preempts() {
        let wait = r#"{"call": "WaitForSingleObject", "object": "go", "ms": "INFINITE"}"#;
        let threads = format!(
            r#""waiter": [{wait}, {{"call": "NtTestAlert"}}],
               "setter": [{{"call": "SetEvent", "event": "go"}}, {TEST}]"#
        );
        let order = callers(&threads, 1);
        assert_eq!(order[..3], ["waiter", "setter", "waiter"], "{order:?}");
    }
    /// WAIT-95, WAIT-98: ready is not running.
    #[test]
    fn a_woken_thread_of_a_lower_priority_waits_for_its_turn() {
        let wait = r#"{"call": "WaitForSingleObject", "object": "go", "ms": "INFINITE"}"#;
        let threads = format!(
            r#""setter": [{{"call": "Sleep", "ms": 10}}, {{"call": "SetEvent", "event": "go"}}, {TEST}],
               "waiter": {{"priority": 6, "steps": [{wait}, {{"call": "NtTestAlert"}}]}}"#
        );
        let order = callers(&threads, 1);
        assert_eq!(order[order.len() - 2..], ["setter", "waiter"], "{order:?}");
    }

    /// WAIT-96: who is preempted is the first of its priority again.
    #[test]
    fn a_preempted_thread_goes_on_before_others_of_its_priority() {
        let wait = r#"{"call": "WaitForSingleObject", "object": "go", "ms": "INFINITE"}"#;
        let threads = format!(
            r#""one": [{{"call": "SetEvent", "event": "go"}}, {TEST}], "two": [{TEST}],
               "high": {{"priority": 12, "steps": [{wait}, {{"call": "NtTestAlert"}}]}}"#
        );
        let order = callers(&threads, 1);
        let expected = ["high", "one", "high", "one", "one", "one", "two", "two", "two"];
        assert_eq!(order, expected);
    }

    /// APC-I-14: the increment of an insertion is the boost of the thread that it wakes.
    #[test]
    fn the_increment_of_an_apc_boosts_the_thread_that_it_wakes() {
        let order = |increment: u8| {
            let objects = r#""apc": {"type": "kapc", "kernel": "K", "thread": "sleeper"}"#;
            let threads = format!(
                r#""sleeper": {{"mode": "system", "steps": [
                       {{"call": "KeDelayExecutionThread", "ms": 50}},
                       {{"call": "KeGetCurrentIrql"}}]}},
                   "inserter": {{"mode": "system", "steps": [
                       {{"call": "KeInsertQueueApc", "apc": "apc", "increment": {increment}}},
                       {{"call": "KeGetCurrentIrql"}}]}}"#
            );
            callers_in(objects, r#""K": [{"call": "KeGetCurrentIrql"}]"#, &threads)
        };
        assert_eq!(order(0)[..3], ["sleeper", "inserter", "inserter"]);
        assert_eq!(order(2)[..3], ["sleeper", "inserter", "sleeper"]);
    }

    /// IRP-34: the increment of a completion boosts the thread that issued the request, also after
    /// a completion routine.
    #[test]
    fn the_increment_of_a_completion_boosts_the_issuer() {
        let order = |increment: u8| {
            let objects = r#""device": {"type": "device", "model": "driver", "dispatch": "D", "over": "lower"},
                "lower": {"type": "device", "model": "driver", "dispatch": "L"},
                "file": {"type": "file", "device": "device", "overlapped": false},
                "saved": {"type": "irp"}"#;
            let routines = r#""D": [{"call": "IoCopyCurrentIrpStackLocationToNext"},
                    {"call": "IoSetCompletionRoutine", "routine": "C"},
                    {"call": "IoCallDriver", "device": "lower"}, {"call": "Return"}],
                "C": [{"call": "IoMarkIrpPending", "if_pending": true}],
                "L": [{"call": "IoMarkIrpPending"}, {"call": "SaveIrp", "to": "saved"},
                    {"call": "Return", "status": "STATUS_PENDING"}]"#;
            let threads = format!(
                r#""issuer": [{{"call": "DeviceIoControl", "file": "file", "code": 1, "bytes": 0}},
                       {{"call": "NtTestAlert"}}],
                   "server": {{"mode": "system", "steps": [
                       {{"call": "IoCompleteRequest", "irp": "saved", "status": "STATUS_SUCCESS",
                         "increment": {increment}}},
                       {{"call": "KeGetCurrentIrql"}}, {{"call": "KeGetCurrentIrql"}}]}}"#
            );
            callers_in(objects, routines, &threads)
        };
        let last = |increment: u8| order(increment).pop();
        assert_eq!(last(0).as_deref(), Some("issuer"));
        assert_eq!(last(2).as_deref(), Some("server"), "{:?}", order(2));
    }
}

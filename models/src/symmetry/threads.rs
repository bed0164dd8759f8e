//! Threads that can be exchanged for each other.

use super::services_of;
use crate::ids::{LabelId, ThreadId};
use crate::ke::dispatcher::DispatcherObject;
use crate::machine::{Machine, Model};
use crate::parts::{Aspect, Entry, Part, fold};
use crate::program::{Instruction, Pc, Program, ProgramCall};
use crate::service::Service;

/// The most threads of a group: outcomes are told for each way to exchange them.
const GROUP_SIZE_MAX: usize = 8;

const FACTOR: u64 = 0x94D0_49BB_1331_11EB;

/// Threads that have the same steps, and that nobody calls by their names.
#[derive(Clone, Debug)]
pub(super) struct Group {
    threads: Vec<ThreadId>,
    /// Of each: where in the program its own is.
    places: Vec<Places>,
}

/// Where in the program a thread's own is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Places {
    entry: Pc,
    /// The labels of its calls, in their order.
    labels: Vec<LabelId>,
    /// The conditions of its loops, in their order.
    conditions: Vec<u16>,
}

/// The groups of a program's threads.
pub(super) fn groups(program: &Program) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for thread in program.thread_ids().filter(|thread| is_anonymous(program, *thread)) {
        let places = Places::new(program, thread);
        let group = groups.iter_mut().find(|group| {
            let (other, others) = (group.threads[0], &group.places[0]);
            group.threads.len() < GROUP_SIZE_MAX
                && is_same(program, (thread, &places), (other, others))
        });
        match group {
            Some(group) => {
                group.threads.push(thread);
                group.places.push(places);
            }
            None => groups.push(Group { threads: vec![thread], places: vec![places] }),
        }
    }
    groups.retain(|group| group.threads.len() > 1);
    groups
}

/// Whether nothing but its wait for objects and ports ties a thread to others, and nothing that
/// it does shows in an outcome under its name but the results that it keeps.
fn is_anonymous(program: &Program, thread: ThreadId) -> bool {
    let own = &program.threads[thread.index()];
    let services = services_of(program, own.entry);
    let code = program.code[own.entry as usize..].iter();
    let shows = code
        .take_while(|instruction| **instruction != Instruction::End)
        .any(|one| matches!(one, Instruction::MarkPending(_) | Instruction::ClearEvent(_)));
    !shows
        && services.iter().all(|service| stands_alone(program, service))
        && !program.calls.iter().any(|call| names(program, &call.service, thread))
        && !own.watch.interruptible
        && !own.watch.traced
}

/// Whether a service leaves nothing behind that names its thread, but that it waits.
fn stands_alone(program: &Program, service: &Service) -> bool {
    let is_plain = |handle| {
        !matches!(
            program.kernel.object(program.handle_target(handle)),
            DispatcherObject::Mutant(_) | DispatcherObject::Thread { .. }
        )
    };
    match service {
        Service::WaitForObjects { objects, .. } => objects.iter().all(|handle| is_plain(*handle)),
        Service::SignalAndWait { signal, object, .. } => is_plain(*signal) && is_plain(*object),
        Service::TestAlert
        | Service::DelayExecution { .. }
        | Service::SetEvent { .. }
        | Service::ResetEvent { .. }
        | Service::PulseEvent { .. }
        | Service::ReleaseSemaphore { .. }
        | Service::SetIoCompletion { .. }
        | Service::RemoveIoCompletion { .. } => true,
        _ => false,
    }
}

/// Whether a service does something to a thread, or waits for its end.
fn names(program: &Program, service: &Service, thread: ThreadId) -> bool {
    let is_it = |handle| program.kernel.thread_of(program.handle_target(handle)) == Some(thread);
    match service {
        Service::QueueApcThread { thread: target, .. }
        | Service::AlertThread { thread: target }
        | Service::ResumeThread { thread: target }
        | Service::SuspendThread { thread: target }
        | Service::TerminateThread { thread: target, .. }
        | Service::CancelSynchronousIoFile { thread: target } => is_it(*target),
        Service::CreateThread { thread: target } => *target == thread,
        Service::WaitForObjects { objects, .. } => objects.iter().any(|handle| is_it(*handle)),
        Service::SignalAndWait { object, .. } => is_it(*object),
        _ => false,
    }
}

impl Places {
    fn new(program: &Program, thread: ThreadId) -> Self {
        let entry = program.threads[thread.index()].entry;
        let mut places = Places { entry, labels: Vec::new(), conditions: Vec::new() };
        for instruction in &program.code[entry as usize..] {
            match instruction {
                Instruction::End => break,
                Instruction::Call(call) => {
                    if let Some(label) = program.call(*call).label
                        && !places.labels.contains(&label)
                    {
                        places.labels.push(label);
                    }
                }
                Instruction::BreakUnless { condition, .. } => places.conditions.push(*condition),
                _ => {}
            }
        }
        places
    }

    fn label(&self, label: Option<LabelId>) -> Option<usize> {
        self.labels.iter().position(|other| Some(*other) == label)
    }
}

/// Whether two threads do the same, each with its own labels and conditions.
fn is_same(
    program: &Program,
    (one, places): (ThreadId, &Places),
    (other, others): (ThreadId, &Places),
) -> bool {
    let record = |thread: ThreadId| *program.kernel.threads.peek(thread.index());
    let process = |thread: ThreadId| program.io.thread_processes.get(thread.index());
    let watch = |thread: ThreadId| program.threads[thread.index()].watch;
    let is_owned = |places: &Places| {
        let own = |label: &LabelId| {
            let all = program.calls.iter().filter(|call| call.label == Some(*label)).count();
            let entry = places.entry as usize;
            let code = program.code[entry..].iter().take_while(|one| **one != Instruction::End);
            let own = code.filter(|one| {
                matches!(one, Instruction::Call(call)
                    if program.call(*call).label == Some(*label))
            });
            own.count() == all
        };
        let looks = |condition: &u16| {
            let label = program.conditions[usize::from(*condition)].label;
            places.labels.contains(&label)
        };
        places.labels.iter().all(own) && places.conditions.iter().all(looks)
    };
    let is_named =
        |call: &ProgramCall| call.label.is_some_and(|label| !program.label(label).is_empty());
    let is_same_call = |call: &ProgramCall, other: &ProgramCall| {
        call.service == other.service
            && call.convention == other.convention
            && places.label(call.label) == others.label(other.label)
            && is_named(call) == is_named(other)
            && call.label.is_some() == other.label.is_some()
    };
    let is_same_condition = |condition: u16, other: u16| {
        let (condition, other) =
            (&program.conditions[usize::from(condition)], &program.conditions[usize::from(other)]);
        condition.is == other.is
            && places.label(Some(condition.label)) == others.label(Some(other.label))
    };
    let at = |places: &Places, offset: usize| program.code[places.entry as usize + offset];
    let relative = |places: &Places, pc: Pc| pc.wrapping_sub(places.entry);
    let is_same_instruction = |offset: usize| match (at(places, offset), at(others, offset)) {
        (Instruction::Call(call), Instruction::Call(other)) => {
            is_same_call(program.call(call), program.call(other))
        }
        (
            Instruction::LoopEnd { body, counted },
            Instruction::LoopEnd { body: other_body, counted: other_counted },
        ) => counted == other_counted && relative(places, body) == relative(others, other_body),
        (
            Instruction::BreakUnless { condition, target, loops },
            Instruction::BreakUnless {
                condition: other_condition,
                target: other_target,
                loops: other_loops,
            },
        ) => {
            loops == other_loops
                && relative(places, target) == relative(others, other_target)
                && is_same_condition(condition, other_condition)
        }
        (one, other) => one == other,
    };
    let length = |places: &Places| {
        let code = program.code[places.entry as usize..].iter();
        code.take_while(|one| **one != Instruction::End).count()
    };
    record(one) == record(other)
        && process(one) == process(other)
        && watch(one) == watch(other)
        && length(places) == length(others)
        && is_owned(places)
        && is_owned(others)
        && places.conditions.len() == others.conditions.len()
        && (0..length(places)).all(is_same_instruction)
}

impl Group {
    pub(super) fn threads(&self) -> &[ThreadId] {
        &self.threads
    }

    /// Of each thread: its labels, in the same order.
    pub(super) fn labels(&self) -> impl Iterator<Item = &[LabelId]> {
        self.places.iter().map(|places| &places.labels[..])
    }

    /// As [`super::Symmetry::growth`].
    pub(super) fn growth(&self, model: &Model, before: &Machine, after: &Machine) -> (u64, u64) {
        let (mut growth, mut looked_at) = (0_u64, 0);
        for (thread, places) in self.threads.iter().zip(&self.places) {
            let anonymous = |machine| self.digest(machine, *thread, places, true);
            let named = |machine| self.digest(machine, *thread, places, false);
            let (old, new) = (anonymous(before), anonymous(after));
            if old == new {
                continue;
            }
            // Each thread is one word, so that what it is and where it waits stay together.
            growth = growth
                .wrapping_add(fold(new, FACTOR))
                .wrapping_sub(fold(old, FACTOR))
                .wrapping_sub(named(after))
                .wrapping_add(named(before));
            looked_at |= Self::slots(model, *thread, places, [before, after]);
        }
        (growth, looked_at)
    }

    /// The digest of all that belongs to a thread or says where it waits: as the state has it, or
    /// with the name of the group's first thread.
    fn digest(&self, machine: &Machine, thread: ThreadId, own: &Places, anonymous: bool) -> u64 {
        let (first, places) =
            if anonymous { (self.threads[0], &self.places[0]) } else { (thread, own) };
        let (from, to) = (thread.index(), first.index());
        let (kernel, program) = (&machine.kernel, &machine.program);
        let mut sum = kernel
            .threads
            .digest_as(from, to)
            .wrapping_add(kernel.objects.digest_as(from, to))
            .wrapping_add(kernel.user_apcs.digest_as(from, to, |kapc| kapc))
            .wrapping_add(kernel.wait_objects.digest_as(from, to, |object| object))
            .wrapping_add(program.loops.digest_as(from, to, |turns| turns))
            .wrapping_add(program.frames.digest_as(from, to, |frame| crate::program::Frame {
                pc: frame.pc - own.entry + places.entry,
                ..frame
            }));
        for (label, other) in own.labels.iter().zip(&places.labels) {
            let lengths = &program.lengths;
            sum = sum.wrapping_add(lengths.digest_as(label.index(), other.index()));
            if program.told.len() > 0 {
                sum = sum.wrapping_add(program.told.digest_as(label.index(), other.index()));
            }
        }
        for (condition, other) in own.conditions.iter().zip(&places.conditions) {
            let (condition, other) = (usize::from(*condition), usize::from(*other));
            sum = sum.wrapping_add(program.broken_conditions.digest_as(condition, other));
        }
        for object in 0..kernel.objects.len() {
            for (at, block) in kernel.wait_blocks.peek(object).iter().enumerate() {
                if block.thread == thread {
                    let block = crate::ke::wait::WaitBlock { thread: first, ..*block };
                    sum = sum.wrapping_add(block.digest(Part::WaitBlocks.key(object, at)));
                }
            }
        }
        if kernel.has_io() {
            let io = kernel.io();
            sum = sum.wrapping_add(io.received.digest_as(from, to, |packet| packet));
            for port in 0..io.removers.list_count() {
                for (at, remover) in io.removers.peek(port).iter().enumerate() {
                    if *remover == thread {
                        sum = sum.wrapping_add(first.digest(Part::Removers.key(port, at)));
                    }
                }
            }
        }
        sum
    }

    /// The slots of what belongs to a thread or says where it waits.
    fn slots(model: &Model, thread: ThreadId, own: &Places, states: [&Machine; 2]) -> u64 {
        let slots = &model.program.slots;
        let slot = |part, aspect, index| 1_u64 << slots.slot(part, aspect, index);
        let mut all = 0;
        for part in [
            Part::Threads,
            Part::Objects,
            Part::UserApcs,
            Part::WaitObjects,
            Part::Loops,
            Part::Frames,
            Part::Received,
        ] {
            all |= slot(part, Aspect::Content, thread.index())
                | slot(part, Aspect::Length, thread.index());
        }
        for label in &own.labels {
            all |= slot(Part::Lengths, Aspect::Content, label.index());
            all |= slot(Part::Told, Aspect::Content, label.index());
        }
        for condition in &own.conditions {
            all |= slot(Part::Conditions, Aspect::Content, usize::from(*condition));
        }
        // Whether it is in a list follows from the thread itself.
        for Machine { kernel, .. } in states {
            for object in 0..kernel.objects.len() {
                if kernel.wait_blocks.peek(object).iter().any(|block| block.thread == thread) {
                    all |= slot(Part::WaitBlocks, Aspect::Content, object);
                }
            }
            if kernel.has_io() {
                let removers = &kernel.io().removers;
                for port in 0..removers.list_count() {
                    if removers.peek(port).contains(&thread) {
                        all |= slot(Part::Removers, Aspect::Content, port);
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::groups;
    use crate::ids::ThreadId;
    use crate::program::{Program, compile};
    use alertable_traces::read_scenario;

    /// Two threads with the steps `one` and `other`, and a third with the steps `third`.
    fn program(one: &str, other: &str, third: &str) -> Program {
        let text = format!(
            r#"{{ "alertable": 1, "kind": "scenario", "title": "three threads",
                "objects": {{ "event": {{ "type": "event", "reset": "auto" }},
                              "mutex": {{ "type": "mutex" }} }},
                "routines": {{ "done": [] }},
                "threads": {{ "a": [{one}], "b": [{other}], "c": [{third}] }} }}"#
        );
        compile(&read_scenario(&text, None).expect("it is well formed")).expect("it is complete")
    }

    fn exchanged(program: &Program) -> Vec<Vec<usize>> {
        let numbers = |threads: &[ThreadId]| threads.iter().map(|t| t.index()).collect();
        groups(program).iter().map(|group| numbers(group.threads())).collect()
    }

    const WAIT: &str = r#"{ "call": "WaitForSingleObject", "object": "event", "ms": 5 }"#;
    const SET: &str = r#"{ "call": "SetEvent", "event": "event" }"#;

    #[test]
    fn threads_with_the_same_steps_are_exchanged() {
        assert_eq!(exchanged(&program(WAIT, WAIT, SET)), [[0, 1]]);
        assert_eq!(exchanged(&program(WAIT, WAIT, WAIT)), [[0, 1, 2]]);
        assert!(exchanged(&program(WAIT, &WAIT.replace('5', "6"), SET)).is_empty());
    }

    #[test]
    fn threads_that_somebody_can_tell_apart_are_not() {
        let queue = r#"{ "call": "QueueUserAPC", "thread": "a", "routine": "done", "data": 0 }"#;
        let join = r#"{ "call": "WaitForSingleObject", "object": "b", "ms": 5 }"#;
        for third in [queue, join] {
            assert!(exchanged(&program(WAIT, WAIT, third)).is_empty(), "{third}");
        }
        let labeled = |label: &str| WAIT.replace(" }", &format!(r#", "as": "{label}" }}"#));
        let shown = program(&labeled("x"), &labeled("y"), SET);
        // Each has results of its own; one that has none is not the same.
        assert_eq!(exchanged(&shown), [[0, 1]]);
        assert_eq!(shown.told, [true; 2]);
        assert!(exchanged(&program(&labeled("x"), WAIT, SET)).is_empty());
        // A label that both use tells nobody whose result it is, but in which order they came.
        assert!(exchanged(&program(&labeled("x"), &labeled("x"), SET)).is_empty());
        let owns = WAIT.replace("event", "mutex");
        assert!(exchanged(&program(&owns, &owns, SET)).is_empty());
    }
}

//! Queues in which the order cannot be told.

use super::services_of;
use crate::ids::{BlockId, RoutineId, ThreadId};
use crate::machine::Machine;
use crate::program::{Instruction, Program};
use crate::service::Service;

/// Whether APCs that are queued to a thread come to the same in any order.
pub(super) fn is_unordered(program: &Program, thread: ThreadId) -> bool {
    let watch = program.threads[thread.index()].watch;
    if program.keeps_history || !watch.only_queued_to() || watch.traced {
        return false;
    }
    let own = services_of(program, program.threads[thread.index()].entry);
    let is_empty = |routine: RoutineId| {
        let entry = program.routines[routine.index()].entry;
        program.instruction(entry) == Instruction::End
    };
    // Its requests tell nobody but itself that they are over, by an empty routine.
    let mut blocks: Vec<BlockId> = Vec::new();
    for service in &own {
        if let Service::Io { request } = service {
            let setup = program.io.request(*request);
            let is_private = program.io.private_requests[request.index()];
            if !is_private || !setup.routine.is_none_or(is_empty) {
                return false;
            }
            blocks.extend(setup.block);
        }
    }
    // Nobody else uses their OVERLAPPEDs for others.
    let own_count = |block: BlockId| {
        let uses = own.iter().filter(|service| issues_with(program, service, block));
        uses.count()
    };
    let all_count = |block: BlockId| {
        program.calls.iter().filter(|call| issues_with(program, &call.service, block)).count()
    };
    blocks.iter().all(|block| own_count(*block) == all_count(*block))
        && program.calls.iter().all(|call| match &call.service {
            Service::QueueApcThread { thread: target, routine, .. } => {
                let target = program.kernel.thread_of(program.handle_target(*target));
                target != Some(thread) || is_empty(*routine)
            }
            _ => true,
        })
}

fn issues_with(program: &Program, service: &Service, block: BlockId) -> bool {
    match service {
        Service::Io { request } => program.io.request(*request).block == Some(block),
        _ => false,
    }
}

/// What of the digests is due to the order in which APCs are queued to a thread.
pub(super) fn order_digest(machine: &Machine, thread: ThreadId) -> u64 {
    machine.kernel.user_apcs.order_digest(thread.index())
}

#[cfg(test)]
mod tests {
    use super::is_unordered;
    use crate::program::{Program, compile};
    use alertable_traces::read_scenario;

    /// A thread that takes the APCs of two others, whose routine has these steps.
    fn program(routine: &str, more: &str) -> Program {
        let queue = r#"{ "call": "QueueUserAPC", "thread": "t", "routine": "r", "data": 0 }"#;
        let sleep = r#"{ "call": "SleepEx", "ms": "INFINITE", "alertable": true }"#;
        let text = format!(
            r#"{{ "alertable": 1, "kind": "scenario", "title": "two APCs",
                "objects": {{ "event": {{ "type": "event", "reset": "auto" }} }},
                "routines": {{ "r": [{routine}] }},
                "threads": {{ "t": [{sleep}], "a": [{queue}{more}], "b": [{queue}] }} }}"#
        );
        compile(&read_scenario(&text, None).expect("it is well formed")).expect("it is complete")
    }

    fn is_order_unseen(program: &Program) -> bool {
        program.thread_ids().next().is_some_and(|thread| is_unordered(program, thread))
    }

    #[test]
    fn the_order_is_seen_by_routines_by_who_keeps_it_and_by_who_stops_the_thread() {
        assert!(is_order_unseen(&program("", "").without_history()));
        assert!(!is_order_unseen(&program("", "")));
        let set = r#"{ "call": "SetEvent", "event": "event" }"#;
        assert!(!is_order_unseen(&program(set, "").without_history()));
        let stop = r#", { "call": "TerminateThread", "thread": "t", "code": 1 }"#;
        assert!(!is_order_unseen(&program("", stop).without_history()));
    }
}

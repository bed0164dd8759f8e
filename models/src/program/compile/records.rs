//! The first records of threads and objects, as a scenario declares them.

use super::super::compile_kernel::dpc_record;
use super::super::{ProgramRoutine, ProgramThread, Watch};
use crate::ids::ThreadId;
use crate::ke::Kernel;
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::event::Kevent;
use crate::ke::mutant::Kmutant;
use crate::ke::semaphore::Ksemaphore;
use crate::ke::thread::{Kthread, ThreadRole};
use crate::ke::timer::Ktimer;
use alertable_traces::scenario::{Object, Reset, Scenario, Start, Thread, ThreadMode, worker_name};
use std::collections::HashMap;

/// The threads of the program, those of its pools, and those that wait for its pools.
pub(super) fn thread_records(scenario: &Scenario) -> Vec<(String, Kthread)> {
    let program =
        scenario.threads.iter().map(|(name, thread)| (name.clone(), first_record(thread)));
    let mut records: Vec<_> = program.collect();
    for (name, object) in &scenario.objects {
        match object {
            Object::Pool { workers } => records.extend(
                (1..=*workers).map(|number| (worker_name(name, number), Kthread::not_created())),
            ),
            Object::PoolWait { .. } => {
                let record = Kthread { role: ThreadRole::PoolWaiter, ..Kthread::not_created() };
                records.push((name.clone(), record));
            }
            Object::Dpc { .. } | Object::Interrupt { .. } => {
                records.push((name.clone(), dpc_record()));
            }
            _ => {}
        }
    }
    records
}

pub(super) fn is_worker_of(thread: &str, pool: &str) -> bool {
    thread.strip_prefix(pool).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn program_thread(name: &str) -> ProgramThread {
    ProgramThread { name: name.to_owned(), entry: 0, watch: Watch::default() }
}

pub(super) fn program_routine(name: &str) -> ProgramRoutine {
    ProgramRoutine { name: name.to_owned(), entry: 0 }
}

pub(super) fn first_record(thread: &Thread) -> Kthread {
    let record = match thread.start {
        Start::Now => Kthread::running(),
        Start::Suspended => Kthread::suspended(),
        Start::Later => Kthread::not_created(),
    };
    let role = match thread.mode {
        ThreadMode::User => ThreadRole::Program,
        ThreadMode::System => ThreadRole::System,
    };
    Kthread { role, ..record }
}

pub(super) fn reset_kind(reset: Reset) -> ResetKind {
    match reset {
        Reset::Manual => ResetKind::Manual,
        Reset::Auto => ResetKind::Auto,
    }
}

/// The object of those that are waited for and belong to no device.
pub(super) fn dispatcher_object(
    object: &Object,
    threads: &HashMap<String, ThreadId>,
) -> Option<DispatcherObject> {
    Some(match object {
        Object::Event { reset, signaled } => {
            DispatcherObject::Event(Kevent { kind: reset_kind(*reset), signaled: *signaled })
        }
        Object::Mutex { owner, .. } => {
            let owner = owner.as_ref().map(|owner| threads[owner]);
            let recursion = u32::from(owner.is_some());
            DispatcherObject::Mutant(Kmutant { owner, recursion, abandoned: false })
        }
        Object::FastMutex | Object::GuardedMutex => Kernel::fast_mutex_event(),
        Object::Semaphore { count, max } => {
            DispatcherObject::Semaphore(Ksemaphore { count: *count, limit: *max })
        }
        Object::Timer { reset } => DispatcherObject::Timer(Ktimer::new(reset_kind(*reset))),
        _ => return None,
    })
}

//! Which threads make a call, and what of a call can be told apart by others.

use super::{Instruction, Pc, Program, ProgramCall};
use crate::ids::{RequestId, ThreadId};
use crate::io::setup::{Interface, IoSetup, Request};
use crate::service::Service;
use std::collections::BTreeSet;

/// The threads that can make each call: its own thread, or those in which its routine can run.
pub(super) struct Users {
    of_calls: Vec<BTreeSet<ThreadId>>,
}

impl Users {
    /// Follows the routines from the calls that name them. `anywhere`: the program has other ways
    /// to have routines run, so that any thread may.
    pub(super) fn new(program: &Program, requests: &[Request], anywhere: bool) -> Self {
        let all: BTreeSet<ThreadId> = program.thread_ids().collect();
        let mut users = Users { of_calls: vec![BTreeSet::new(); program.calls.len()] };
        for thread in program.thread_ids() {
            let entry = program.threads[thread.index()].entry;
            users.add(program, entry, &BTreeSet::from([thread]));
        }
        if anywhere {
            program.routines.iter().for_each(|routine| users.add(program, routine.entry, &all));
            return users;
        }
        loop {
            let before: usize = users.of_calls.iter().map(BTreeSet::len).sum();
            for (at, call) in program.calls.iter().enumerate() {
                let here = users.of_calls[at].clone();
                let (routine, threads) = match &call.service {
                    Service::QueueApcThread { thread, routine, .. } => {
                        let target = program.handles[thread.index()].index();
                        (Some(*routine), BTreeSet::from([ThreadId::from_index(target)]))
                    }
                    Service::SetTimer { apc, .. } => (apc.map(|(routine, _)| routine), here),
                    Service::Io { request } => (requests[request.index()].routine, here),
                    _ => continue,
                };
                if let Some(routine) = routine {
                    users.add(program, program.routines[routine.index()].entry, &threads);
                }
            }
            if users.of_calls.iter().map(BTreeSet::len).sum::<usize>() == before {
                return users;
            }
        }
    }

    /// The calls of these steps can be made by these threads too.
    fn add(&mut self, program: &Program, entry: Pc, threads: &BTreeSet<ThreadId>) {
        let steps = program.code.get(entry as usize..).unwrap_or_default();
        for step in steps.iter().take_while(|step| **step != Instruction::End) {
            if let Instruction::Call(call) = step {
                self.of_calls[call.index()].extend(threads);
            }
        }
    }

    /// Whether it can be told that a request's OVERLAPPED is marked before the request is made:
    /// another thread looks at it or uses it, or can keep the thread from going on.
    pub(super) fn can_see_mark(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        let Request { block: Some(block), interface: Interface::Overlapped, .. } = *io.request(id)
        else {
            return false;
        };
        let makes =
            |call: &ProgramCall| matches!(call.service, Service::Io { request } if request == id);
        let looks = |call: &ProgramCall| match &call.service {
            Service::OverlappedResult { block: other, .. }
            | Service::HasCompleted { block: other } => *other == block,
            Service::Io { request: other } => io.request(*other).block == Some(block),
            _ => false,
        };
        let users = |wanted: &dyn Fn(&ProgramCall) -> bool| -> BTreeSet<ThreadId> {
            let calls = program.calls.iter().zip(&self.of_calls);
            calls.filter(|(call, _)| wanted(call)).flat_map(|(_, users)| users).copied().collect()
        };
        let issuers = users(&makes);
        let can_be_stopped = issuers.iter().any(|thread| {
            let watch = program.threads[thread.index()].watch;
            watch.interruptible || watch.alertable
        });
        can_be_stopped || users(&looks).union(&issuers).count() > 1
    }
}

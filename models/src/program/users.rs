//! Which threads make a call, and what of a call can be told apart by others.

use super::{Instruction, Pc, Program, ProgramCall};
use crate::ids::{HandleId, RequestId, ThreadId};
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
        let issuers = self.of(program, makes);
        can_be_stopped(program, &issuers) || self.of(program, looks).union(&issuers).count() > 1
    }

    /// Whether it can be told that a request's event is cleared before the request is made:
    /// another thread uses the event.
    ///
    /// Not where the first of the two steps could do other than the second: where the request can
    /// be refused for a port, or a handle be closed in between. And not where the thread can be
    /// stopped, since in the middle of a system call it does not stop as between two.
    pub(super) fn can_see_clear(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        let Request { event: Some(event), routine: None, file, .. } = *io.request(id) else {
            return false;
        };
        let object = |handle: HandleId| program.handles[handle.index()];
        let (event, file) = (object(event), object(file));
        let is_event = |handle: &HandleId| object(*handle) == event;
        let makes =
            |call: &ProgramCall| matches!(call.service, Service::Io { request } if request == id);
        let uses = |call: &ProgramCall| match &call.service {
            Service::WaitForObjects { objects, .. } => objects.iter().any(is_event),
            Service::SignalAndWait { signal, object, .. } => is_event(signal) || is_event(object),
            Service::SetEvent { event }
            | Service::ResetEvent { event }
            | Service::PulseEvent { event } => is_event(event),
            Service::OverlappedResult { object, wait, .. } => wait.is_some() && is_event(object),
            Service::Io { request } => io.request(*request).event.as_ref().is_some_and(is_event),
            _ => false,
        };
        let closes = |call: &ProgramCall| {
            matches!(call.service, Service::Close { handle }
                if [event, file].contains(&object(handle)))
        };
        let issuers = self.of(program, makes);
        !can_be_stopped(program, &issuers)
            && !program.calls.iter().any(closes)
            && self.of(program, uses).union(&issuers).count() > 1
    }

    /// The threads that can make the calls that are wanted.
    fn of(
        &self,
        program: &Program,
        is_wanted: impl Fn(&ProgramCall) -> bool,
    ) -> BTreeSet<ThreadId> {
        let calls = program.calls.iter().zip(&self.of_calls);
        calls.filter(|(call, _)| is_wanted(call)).flat_map(|(_, users)| users).copied().collect()
    }
}

/// Whether others can suspend, end or alert one of these threads.
fn can_be_stopped(program: &Program, threads: &BTreeSet<ThreadId>) -> bool {
    threads.iter().any(|thread| {
        let watch = program.threads[thread.index()].watch;
        watch.interruptible || watch.alertable
    })
}

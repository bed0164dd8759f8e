//! Which threads make a call, and what of a call can be told apart by others.

use super::{Instruction, Pc, Program, ProgramCall};
use crate::ids::{HandleId, ObjectId, RequestId, ThreadId};
use crate::io::setup::{FileTarget, Interface, IoSetup, Request};
use crate::ke::dispatcher::DispatcherObject;
use crate::service::Service;
use std::collections::BTreeSet;

/// The threads that can make each call: its own thread, or those in which its routine can run.
pub(crate) struct Users {
    of_calls: Vec<BTreeSet<ThreadId>>,
}

impl Users {
    /// Follows the routines from the calls that name them. `anywhere`: the program has other ways
    /// to have routines run, so that any thread may.
    pub(crate) fn new(program: &Program, requests: &[Request], anywhere: bool) -> Self {
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

    /// The threads that can make a call.
    pub(crate) fn of_call(&self, call: usize) -> &BTreeSet<ThreadId> {
        &self.of_calls[call]
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
        let looks = |call: &ProgramCall| match &call.service {
            Service::OverlappedResult { block: other, .. }
            | Service::HasCompleted { block: other } => *other == block,
            Service::Io { request: other } => io.request(*other).block == Some(block),
            _ => false,
        };
        can_be_stopped(program, &self.issuers(program, id))
            || self.is_used_by_others(program, id, looks)
    }

    /// Whether it can be told that a request's event, or its file where it has none, is cleared
    /// before the request is made: another thread uses it.
    ///
    /// Not where the first of the two steps could do other than the second: where the request can
    /// be refused for a port, or a handle be closed in between. And not where the thread can be
    /// stopped, since in the middle of a system call it does not stop as between two.
    pub(super) fn can_see_clear(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        let request = io.request(id);
        let is_refusable =
            request.routine.is_some() && can_have_port(program, target(program, request.file));
        let waits_for_lock = request.event.is_none() && !is_overlapped(program, io, request);
        !is_refusable
            && !waits_for_lock
            && self.is_undisturbed(program, id, request)
            && self.can_see_told(program, io, id)
    }

    /// Whether it can be told that a request on a pipe which succeeds at once has done its work
    /// before its end is told of (IRP-35): another thread uses what tells of it, and can see what
    /// has become of the data.
    pub(super) fn can_see_finish(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        let request = io.request(id);
        let file = target(program, request.file);
        let is_on_pipe = io
            .files
            .iter()
            .any(|setup| setup.object == file && matches!(setup.target, FileTarget::PipeEnd(_)));
        is_on_pipe
            && is_overlapped(program, io, request)
            && self.is_undisturbed(program, id, request)
            && (self.can_see_told(program, io, id)
                || self.can_see_block(program, io, id)
                || self.can_see_routine(program, io, id))
    }

    /// Whether it can be told when the routine of a request is queued: others queue APCs to the
    /// thread that makes it, or its timers do.
    pub(super) fn can_see_routine(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        if io.request(id).routine.is_none() {
            return false;
        }
        let issuers = self.issuers(program, id);
        program.calls.iter().zip(&self.of_calls).any(|(call, users)| match &call.service {
            Service::QueueApcThread { thread, .. } => {
                let thread = ThreadId::from_index(target(program, *thread).index());
                issuers.contains(&thread) && users.iter().any(|user| *user != thread)
            }
            Service::SetTimer { apc: Some(_), .. } => !users.is_disjoint(&issuers),
            _ => false,
        })
    }

    /// Whether another thread uses the event that a request sets, or the file where it has none.
    fn can_see_told(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        let request = io.request(id);
        let told = target(program, request.event.unwrap_or(request.file));
        let is_told = |handle: &HandleId| target(program, *handle) == told;
        let waits = |call: &ProgramCall| match &call.service {
            Service::WaitForObjects { objects, .. } => objects.iter().any(is_told),
            Service::SignalAndWait { signal, object, .. } => is_told(signal) || is_told(object),
            Service::OverlappedResult { object, wait, .. } => wait.is_some() && is_told(object),
            _ => false,
        };
        let uses = |call: &ProgramCall| match &call.service {
            Service::SetEvent { event }
            | Service::ResetEvent { event }
            | Service::PulseEvent { event } => is_told(event),
            Service::Io { request } => {
                let other = io.request(*request);
                is_told(&other.event.unwrap_or(other.file))
            }
            _ => waits(call),
        };
        program.calls.iter().any(waits) && self.is_used_by_others(program, id, uses)
    }

    /// Whether another thread looks at the status block of a request.
    fn can_see_block(&self, program: &Program, io: &IoSetup, id: RequestId) -> bool {
        let Some(block) = io.request(id).block else { return false };
        self.is_used_by_others(program, id, |call| match &call.service {
            Service::OverlappedResult { block: other, .. }
            | Service::HasCompleted { block: other } => *other == block,
            _ => false,
        })
    }

    /// Whether nobody stops the threads that make a request, or closes what it names.
    fn is_undisturbed(&self, program: &Program, id: RequestId, request: &Request) -> bool {
        let named: Vec<ObjectId> = std::iter::once(request.file)
            .chain(request.event)
            .map(|handle| target(program, handle))
            .collect();
        let closes = |call: &ProgramCall| {
            matches!(call.service, Service::Close { handle }
                if named.contains(&target(program, handle)))
        };
        !can_be_stopped(program, &self.issuers(program, id)) && !program.calls.iter().any(closes)
    }

    /// The threads that make a request.
    fn issuers(&self, program: &Program, id: RequestId) -> BTreeSet<ThreadId> {
        self.of(program, |call| matches!(call.service, Service::Io { request } if request == id))
    }

    /// Whether a thread makes such a call that is not the only one to make a request.
    fn is_used_by_others(
        &self,
        program: &Program,
        id: RequestId,
        uses: impl Fn(&ProgramCall) -> bool,
    ) -> bool {
        self.of(program, uses).union(&self.issuers(program, id)).count() > 1
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

/// The object that a handle names.
fn target(program: &Program, handle: HandleId) -> ObjectId {
    program.handles[handle.index()]
}

/// Whether a request is on an asynchronous file.
fn is_overlapped(program: &Program, io: &IoSetup, request: &Request) -> bool {
    let file = target(program, request.file);
    io.files.iter().any(|setup| setup.object == file && setup.overlapped)
}

/// Whether a file has a port, or is given one.
fn can_have_port(program: &Program, file: ObjectId) -> bool {
    let has_port = match program.kernel.object(file) {
        DispatcherObject::File(file) => file.port.is_some(),
        _ => false,
    };
    let associates = |call: &ProgramCall| {
        matches!(call.service, Service::AssociatePort { file: other, .. }
            if target(program, other) == file)
    };
    has_port || program.calls.iter().any(associates)
}

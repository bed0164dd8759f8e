//! Asynchronous requests from issue to result.

use super::follower::{Followed, Follower, Step};
use super::{Stop, Unexplained};
use alertable_models::open::{ONCE_RULES, Outcome, Request, RequestState};
use alertable_models::rule::{cancel, exit, irp};
use alertable_traces::status::NtStatus;
use alertable_traces::trace::object::{ObjectCall, ObjectKind, Reply};

/// The errors of a call that found no file to issue a request on.
const NOT_ISSUED: [NtStatus; 4] = [
    NtStatus::INVALID_HANDLE,
    NtStatus::ACCESS_DENIED,
    NtStatus::OBJECT_TYPE_MISMATCH,
    NtStatus::INVALID_PARAMETER,
];

impl Follower {
    /// The answer to a request's issue.
    pub(super) fn issue_answered(
        &mut self,
        name: &str,
        call: &ObjectCall,
        status: Option<NtStatus>,
        reply: &Reply,
    ) -> Step {
        let ObjectCall::Issue { request, file, event, routine, context, block, .. } = call else {
            return Ok(());
        };
        let thread = self.thread(name)?.clone();
        if status.is_some_and(|status| NOT_ISSUED.contains(&status)) {
            return Ok(());
        }
        let event = match event {
            Some(event) => Some(self.thing(event, ObjectKind::Event)?),
            None => None,
        };
        // IO-32: the event is reset before anything else is done.
        if let Some(event) = event.filter(|event| !self.world.is_opaque(*event)) {
            let effects = self.world.reset_event(event);
            self.expect(effects);
        }
        let state = match status {
            Some(NtStatus::PENDING) => RequestState::Pending,
            Some(NtStatus::ALERTED) => RequestState::Handed,
            _ if reply.wait.is_some() => RequestState::Direct,
            // It failed, or was done without telling anybody.
            _ => return Ok(()),
        };
        self.count("request");
        let object = match &reply.wait {
            Some(wait) => {
                let object = self.world.add_event(true, state == RequestState::Direct)?;
                self.add_thing(wait, object, ObjectKind::Request, false);
                Some(object)
            }
            None => None,
        };
        let port = self.associations.get(file).copied();
        let new = Request {
            thread: thread.id,
            state,
            pended: state == RequestState::Pending,
            object,
            event,
            port,
            routine: *routine,
            context: *context,
            block: *block,
            cancelled: false,
        };
        for pinned in new.event.into_iter().chain(port.map(|(port, _)| port)) {
            self.pin(pinned);
        }
        let followed = Followed {
            request: new,
            file: file.clone(),
            process: thread.process,
            status: status.filter(|status| *status != NtStatus::PENDING),
        };
        self.requests.insert(request.clone(), followed);
        Ok(())
    }

    /// A system APC tells a thread to finish a request: one that goes on, and its own, or of a
    /// thread of its process that has ended.
    pub(super) fn handed_to(&mut self, name: &str, request: &str, block: Option<u64>) -> Step {
        let thread = self.thread(name)?.clone();
        let Some(followed) = self.requests.get(request).cloned() else {
            if self.is_lossy || !thread.is_known {
                return Ok(());
            }
            return Err(self.request_differs(
                "a request that is over was handed to its thread",
                name,
                request,
                "it is over",
            ));
        };
        let is_own = followed.request.thread == thread.id
            || (self.is_thread_over(followed.request.thread) && followed.process == thread.process);
        if thread.process.is_none() {
            // Its requests cannot be told from those of other processes.
            self.set_state(request, RequestState::Handed);
            return Ok(());
        }
        if followed.request.state != RequestState::Pending || !is_own {
            return Err(self.request_differs(
                "a request was handed to a thread that it was not due to",
                name,
                request,
                "a request of the thread that is pending",
            ));
        }
        if block.is_some_and(|block| block != 0 && block != followed.request.block) {
            return Err(self.request_differs(
                "a request was handed out with another status block",
                name,
                request,
                "its own status block, or none",
            ));
        }
        self.set_state(request, RequestState::Handed);
        Ok(())
    }

    fn set_state(&mut self, request: &str, state: RequestState) {
        if let Some(followed) = self.requests.get_mut(request) {
            followed.request.state = state;
        }
    }

    /// A thread says how a request ended that it was to finish.
    pub(super) fn finished_by(
        &mut self,
        name: &str,
        request: &str,
        status: &str,
        bytes: u64,
    ) -> Step {
        let Some(followed) = self.requests.get(request) else {
            let thread = self.thread(name)?.clone();
            if self.is_lossy || !thread.is_known {
                return Ok(());
            }
            return Err(self.request_differs("a request ended twice", name, request, "it is over"));
        };
        if followed.request.state != RequestState::Handed {
            return Err(self.request_differs(
                "a request ended that was not to be finished",
                name,
                request,
                "a request that was handed to the thread",
            ));
        }
        let status = NtStatus::from_name(status);
        if status == Some(NtStatus::PENDING) {
            let followed = self.requests.get_mut(request).expect("it was found above");
            followed.request.state = RequestState::Pending;
            followed.request.pended = true;
            return Ok(());
        }
        self.request_is_over(request, Outcome { status, information: bytes })
    }

    /// The request that a thread has waited for had its result already.
    pub(super) fn direct_request_is_over(&mut self, request: &str) -> Step {
        let Some(followed) = self.requests.get(request) else { return Ok(()) };
        let outcome = Outcome { status: followed.status, information: 0 };
        self.request_is_over(request, outcome)?;
        self.requests.remove(request);
        Ok(())
    }

    /// A request is over, and tells those who want to know.
    fn request_is_over(&mut self, request: &str, outcome: Outcome) -> Step {
        let Some(mut followed) = self.requests.get(request).cloned() else { return Ok(()) };
        if followed.request.object.is_some_and(|object| !self.is_thing(request, object)) {
            followed.request.object = None;
        }
        followed.status = outcome.status;
        let is_waited_for = followed.request.object.is_some();
        let effects = self.world.finish_request(&mut followed.request, outcome)?;
        self.requests.insert(request.to_owned(), followed.clone());
        self.expect(effects);
        let pinned = followed.request.event.into_iter();
        pinned.chain(followed.request.port.map(|(port, _)| port)).for_each(|id| self.unpin(id));
        if !is_waited_for {
            self.requests.remove(request);
        }
        Ok(())
    }

    fn is_thing(&self, name: &str, id: alertable_models::ids::ObjectId) -> bool {
        self.things.get(name).is_some_and(|thing| thing.id == id)
    }

    /// The thread says how a request ended that its call gave it to do.
    pub(super) fn direct_answered(&mut self, name: &str, call: &ObjectCall) -> Step {
        let ObjectCall::DirectResult { request, status, bytes, pended } = call else {
            return Ok(());
        };
        if let Some(followed) = self.requests.get_mut(request) {
            followed.request.pended |= pended;
        }
        self.finished_by(name, request, status, *bytes)
    }

    /// CAN-17, CAN-26: a cancellation with a status block finds a request that is not over, or
    /// says that there is none.
    pub(super) fn cancel_answered(
        &mut self,
        name: &str,
        call: &ObjectCall,
        status: NtStatus,
    ) -> Step {
        let ObjectCall::Cancel { file, block, own } = call else { return Ok(()) };
        let thread = self.thread(name)?.clone();
        let matches = |followed: &Followed| {
            followed.file == *file
                && followed.process == thread.process
                && (*block == 0 || followed.request.block == *block)
                && (!own || followed.request.thread == thread.id)
        };
        let mut is_found = false;
        for followed in self.requests.values_mut().filter(|followed| matches(followed)) {
            let is_open = matches!(
                followed.request.state,
                RequestState::Pending | RequestState::Direct | RequestState::Handed
            );
            is_found |= is_open && !followed.request.cancelled;
            followed.request.cancelled |= status == NtStatus::SUCCESS;
        }
        let is_wrong = !is_found && *block != 0 && status == NtStatus::SUCCESS;
        if is_wrong && thread.is_known && !self.is_lossy {
            return Err(self.answer_differs(
                "a cancellation succeeded that found nothing",
                name,
                status,
                &[NtStatus::NOT_FOUND.to_string()],
                &[cancel::CAN_17, cancel::CAN_26],
            ));
        }
        Ok(())
    }

    /// EXIT-01: no request outlives its process.
    pub(super) fn forget_requests_of(&mut self, process: &str) {
        let of_process =
            |(_, followed): &(&String, &Followed)| followed.process.as_deref() == Some(process);
        let mut names: Vec<String> =
            self.requests.iter().filter(of_process).map(|(name, _)| name.clone()).collect();
        names.sort();
        for name in names {
            let Some(followed) = self.requests.remove(&name) else { continue };
            if followed.request.state != RequestState::Over {
                let pinned = followed.request.event.into_iter();
                let port = followed.request.port.map(|(port, _)| port);
                pinned.chain(port).for_each(|id| self.unpin(id));
            }
        }
    }

    fn request_differs(
        &self,
        kind: &'static str,
        name: &str,
        request: &str,
        allowed: &str,
    ) -> Stop {
        let mut rules = ONCE_RULES.to_vec();
        rules.extend([irp::IRP_36, exit::EXIT_01]);
        self.unexplained(Unexplained {
            kind,
            seen: format!("thread {name} has to do with {request}"),
            allowed: vec![allowed.to_owned()],
            state: Vec::new(),
            rules,
            concerned: vec![name.to_owned(), request.to_owned()],
        })
    }
}

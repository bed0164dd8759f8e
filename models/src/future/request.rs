//! What becomes of a request: issued, completed, told of, cancelled.

use super::Touch;
use super::relation::Relations;
use crate::ids::{BlockId, ObjectId, RequestId, ThreadId};
use crate::io::setup::{FileTarget, Model, RequestContext};

impl Relations<'_> {
    /// The ports that a request's file may be associated with.
    pub(super) fn ports_of(&self, request: RequestId) -> &[ObjectId] {
        let file = self.file_of(request).object;
        &self.file_ports[self.file_slot(file)]
    }

    /// Whether a request may be on its file's list (IRP-08).
    pub(super) fn can_be_agnostic(&self, request: RequestId) -> bool {
        let setup = self.program.io.request(request);
        self.file_of(request).overlapped
            && !self.ports_of(request).is_empty()
            && setup.context != RequestContext::Null
            && setup.event.is_none()
    }

    /// Whether a device completes a request by itself.
    pub(super) fn completes_by_itself(&self, request: RequestId) -> bool {
        let is_delayed = match self.file_of(request).target {
            FileTarget::Device(device) => {
                matches!(self.program.io.devices[device].model, Model::Delay(_))
            }
            FileTarget::PipeEnd(_) => false,
        };
        is_delayed || self.program.io.eventual_requests[request.index()]
    }

    /// A thread issues a request, and all that it may do for it later.
    pub(super) fn issue(&self, request: RequestId) -> Touch {
        let setup = self.program.io.request(request);
        let file = self.file_of(request);
        let mut touch = self.signal(file.object) | self.dispatch(request);
        if let Some(lock) = file.lock {
            touch |= self.signal(lock);
        }
        if let Some(event) = setup.event {
            touch |= self.signal(self.object_of(event));
        }
        for issuer in self.issuers(request) {
            let block = self.block_of(request, issuer);
            touch |= Touch::of(self.status(block) | self.irps(block));
            touch |= self.pending(issuer)[block.index()];
            touch |= self.second_stage(request, issuer);
            if setup.routine.is_some() {
                touch |= self.queue_to(issuer);
            }
        }
        touch
    }

    /// What a request's device or pipe does with it, at once or when it is cancelled.
    fn dispatch(&self, request: RequestId) -> Touch {
        match self.file_of(request).target {
            FileTarget::Device(device) => {
                let setup = &self.program.io.devices[device];
                let slots = self.object(setup.object);
                let queue =
                    if setup.model == Model::Hold { Touch::of(slots) } else { Touch::look(slots) };
                queue | self.complete(request)
            }
            FileTarget::PipeEnd(end) => self.pipe(end),
        }
    }

    /// Whatever is done in a pipe: it may complete every request that is pending there.
    fn pipe(&self, end: usize) -> Touch {
        let pipe = self.program.io.pipes[end / 2].object;
        let requests = self.requests_on(FileTarget::PipeEnd(end));
        requests.fold(Touch::of(self.object(pipe)), |touch, request| touch | self.complete(request))
    }

    /// Somebody completes a request: the first stage, which leaves the rest to the thread that
    /// issued it, or to a port.
    pub(super) fn complete(&self, request: RequestId) -> Touch {
        let file = self.file_of(request).object;
        let is_private = self.program.io.private_requests[request.index()];
        let mut touch = Touch::look(self.object(file) | Self::HANDLES) | self.closing(file);
        if let FileTarget::Device(device) = self.file_of(request).target {
            let setup = &self.program.io.devices[device];
            touch |= Touch::look(self.object(setup.object));
        }
        for issuer in self.issuers(request) {
            let block = self.block_of(request, issuer);
            touch |= Touch::of(self.irps(block) | self.requests_slots(issuer));
            touch |= Touch::look(self.record(issuer));
            touch.woken |= 1 << issuer.index();
            if is_private {
                touch |= self.second_stage(request, issuer);
            }
        }
        if self.can_be_agnostic(request) {
            // A thread that waits gets the packet at once, and with it the rest (IOCP-24).
            touch |= Touch::of(self.object(file));
            for issuer in self.issuers(request) {
                touch |= Touch::of(self.status(self.block_of(request, issuer)));
            }
            for port in self.ports_of(request) {
                touch |= self.post(*port);
            }
        }
        touch
    }

    /// What tells a request's issuer of its end.
    pub(super) fn second_stage(&self, request: RequestId, issuer: ThreadId) -> Touch {
        let setup = self.program.io.request(request);
        let file = self.file_of(request).object;
        let block = self.block_of(request, issuer);
        let mut touch = self.signal(file)
            | self.closing(file)
            | Touch::of(self.status(block) | self.irps(block) | self.requests_slots(issuer));
        touch.woken |= 1 << issuer.index();
        if let Some(event) = setup.event {
            touch |= self.signal(self.object_of(event));
        }
        if setup.routine.is_some() {
            touch |= self.queue_to(issuer);
        }
        if setup.context != RequestContext::Null {
            for port in self.ports_of(request) {
                touch |= self.post(*port) | Touch::look(self.record(issuer));
            }
        }
        touch
    }

    /// A request's cancellation is asked for.
    pub(super) fn cancel(&self, request: RequestId) -> Touch {
        self.dispatch(request)
    }

    /// The requests on a file are cancelled: those with a status block, or all; of every thread, or
    /// of the one that asks.
    pub(super) fn cancel_on(&self, file: ObjectId, block: Option<BlockId>, of_all: bool) -> Touch {
        let mut touch = Touch::look(self.object(file) | self.irps_of(block));
        for request in self.requests() {
            let is_meant = self.file_of(request).object == file;
            for issuer in self.issuers(request) {
                let names = block.is_none_or(|block| block == self.block_of(request, issuer));
                if names && of_all {
                    touch |= Touch::look(self.requests_slots(issuer));
                }
                if names && is_meant {
                    touch |= self.cancel(request);
                }
            }
        }
        if of_all && block.is_none() {
            let threads = self.program.thread_ids();
            touch |= threads.fold(Touch::default(), |touch, thread| {
                touch | Touch::look(self.requests_slots(thread))
            });
        }
        touch
    }

    /// The request that a thread waits for in a service is cancelled.
    pub(super) fn cancel_synchronous(&self, thread: ThreadId) -> Touch {
        let look = Touch::look(self.record(thread) | self.requests_slots(thread));
        let requests = self.requests().filter(|request| !self.file_of(*request).overlapped);
        let own = requests.filter(|request| self.issuers(*request).any(|issuer| issuer == thread));
        own.fold(look | Touch::look(self.all_irps()), |touch, request| touch | self.cancel(request))
    }

    /// A device completes a request on demand.
    pub(super) fn complete_on(&self, device: ObjectId, block: Option<BlockId>) -> Touch {
        let number = self.program.io.devices.iter().position(|setup| setup.object == device);
        let Some(number) = number else { return Touch::look(self.object(device)) };
        let is_held = self.program.io.devices[number].model == Model::Hold;
        let mut touch =
            Touch::look(if is_held { 0 } else { self.all_irps() }) | Touch::of(self.object(device));
        for request in self.requests_on(FileTarget::Device(number)) {
            let is_meant = self
                .issuers(request)
                .any(|issuer| block.is_none_or(|block| block == self.block_of(request, issuer)));
            if is_meant {
                touch |= self.complete(request);
            }
        }
        touch
    }

    /// The last handle of a file is closed: what is pending on it ends.
    pub(super) fn clean_up(&self, file: ObjectId) -> Touch {
        let setup = self.file(file);
        let mut touch = self.signal(file) | Touch::look(self.all_irps()) | self.closing(file);
        if let Some(lock) = setup.lock {
            touch |= self.signal(lock);
        }
        if let FileTarget::PipeEnd(end) = setup.target {
            touch |= self.pipe(end);
        }
        let requests = self.requests().filter(|request| self.file_of(*request).object == file);
        requests.fold(touch, |touch, request| touch | self.cancel(request))
    }
}

//! What the calls of I/O do, and what a thread does for its requests and at its ports.

use super::relation::Relations;
use super::{Pending, Touch};
use crate::ids::{BlockId, HandleId, ObjectId, RequestId, ThreadId};
use crate::io::setup::RequestContext;
use crate::ke::dispatcher::DispatcherObject;
use crate::program::Watch;
use crate::service::Service;

impl Relations<'_> {
    /// What a thread does at the ports that it belongs to, and for requests that are on the lists
    /// of files, whatever its steps are.
    pub(super) fn io_always(&self, thread: ThreadId) -> Touch {
        let ports = self.ports[thread.index()].iter();
        let touch = ports.fold(Touch::default(), |touch, port| touch | self.activate(*port));
        let own = self.requests().filter(|r| self.issuers(*r).any(|issuer| issuer == thread));
        own.fold(touch, |touch, request| {
            let second_stage = if self.can_be_agnostic(request) {
                self.second_stage(request, thread)
            } else {
                Touch::default()
            };
            touch | second_stage | self.delivery(request, thread)
        })
    }

    /// The APC that a request has become is delivered, or discarded: the request packet goes, and
    /// the routine looks at the status block (IRP-53).
    fn delivery(&self, request: RequestId, issuer: ThreadId) -> Touch {
        if self.program.io.request(request).routine.is_none() {
            return Touch::default();
        }
        let (block, file) = (self.block_of(request, issuer), self.file_of(request).object);
        Touch::of(self.irps(block))
            | Touch::look(self.status(block) | self.object(file))
            | self.closing(file)
    }

    /// Whether there is a thread whose requests everybody else has to do with in each step, so that
    /// nothing can be left out, and looking for it only takes time.
    pub(super) fn has_hub(&self, calls: &[Touch]) -> bool {
        let program = self.program;
        let shows_nothing = program.labels.is_empty() && program.timers.is_empty();
        if program.io.requests.is_empty() || !shows_nothing {
            return false;
        }
        let devices: Vec<Touch> = self.blocks().into_iter().filter(|b| b.changed != 0).collect();
        program.thread_ids().any(|hub| {
            let slots = self.requests_slots(hub);
            let are_all_tied = calls.iter().enumerate().all(|(call, touch)| {
                self.users_of(call).all(|user| user == hub) || touch.changed & slots != 0
            });
            let others = program.threads.iter().enumerate().filter(|(at, _)| *at != hub.index());
            are_all_tied
                && devices.iter().all(|touch| touch.changed & slots != 0)
                && others.map(|(_, thread)| thread.watch).all(Watch::ends_unseen)
        })
    }

    /// Who is left of a process is looked at, and becomes less.
    pub(super) fn io_end(&self) -> Touch {
        if self.program.kernel.has_io() { Touch::of(self.liveness()) } else { Touch::default() }
    }

    /// What a thread does for its requests that are not over, by their status blocks: runs their
    /// second stages, or cancels them when it ends.
    pub(super) fn pending(&self, thread: ThreadId) -> Pending {
        if self.program.io.requests.is_empty() {
            return Pending::new();
        }
        let mut pending = vec![Touch::default(); self.program.io.block_count()];
        for request in self.requests() {
            if self.issuers(request).any(|issuer| issuer == thread) {
                let block = self.block_of(request, thread);
                pending[block.index()] |= self.second_stage(request, thread)
                    | self.cancel(request)
                    | Touch::look(self.irps(block));
            }
        }
        pending
    }

    /// By status block, what the device does that completes its requests by itself.
    pub(super) fn blocks(&self) -> Vec<Touch> {
        let io = &self.program.io;
        let mut blocks = vec![Touch::default(); io.block_count()];
        for request in self.requests().filter(|request| self.completes_by_itself(*request)) {
            for issuer in self.issuers(request) {
                blocks[self.block_of(request, issuer).index()] |= self.complete(request);
            }
        }
        blocks
    }

    /// The services that are not known without I/O.
    pub(super) fn io_service(&self, service: &Service) -> Touch {
        let handles = Touch::look(Self::HANDLES);
        handles
            | match service {
                Service::Io { request } => self.issue(*request),
                Service::OverlappedResult { block, object, .. } => {
                    Touch::look(self.status(*block))
                        | Touch::of(self.object(self.object_of(*object)))
                }
                Service::HasCompleted { block } => Touch::look(self.status(*block)),
                Service::CancelIoFile { file } => {
                    self.cancel_on(self.object_of(*file), None, false)
                }
                Service::CancelIoFileEx { file, block } => {
                    self.cancel_on(self.object_of(*file), *block, true)
                }
                Service::CancelSynchronousIoFile { thread } => {
                    self.to_thread(*thread, Self::cancel_synchronous)
                }
                Service::SetNotificationModes { file, .. } => {
                    Touch::of(self.object(self.object_of(*file)))
                }
                Service::AssociatePort { file, port, .. } => {
                    Touch::of(self.object(self.object_of(*file)))
                        | Touch::look(self.object(self.object_of(*port)))
                }
                Service::SetIoCompletion { port, .. } => self.post(self.object_of(*port)),
                Service::RemoveIoCompletion { port, .. } => self.activate(self.object_of(*port)),
                Service::CompleteRequest { device, block, .. } => {
                    self.complete_on(self.object_of(*device), *block)
                }
                Service::Close { handle } => self.close(*handle),
                Service::DuplicateObject { source, target } => Touch::of(
                    self.object(self.object_of(*source)) | self.object(self.object_of(*target)),
                ),
                _ => Touch::default(),
            }
    }

    /// A packet is posted: handed to a thread that waits for one, or queued.
    pub(super) fn post(&self, port: ObjectId) -> Touch {
        let slots = self.object(port) | self.packets(port) | self.activity(port);
        let removers = self.removers(port).fold(0, |set, thread| set | 1 << thread.index());
        let touch = Touch { woken: removers, ..Touch::of(slots) };
        touch | self.signal(port) | Touch::look(Self::HANDLES)
    }

    /// Packets of a port are taken: by who asks for them, or by those that wait, when a thread of
    /// the port is not active any more. What is left of their requests is done then (IOCP-24).
    pub(super) fn activate(&self, port: ObjectId) -> Touch {
        let bound = self.requests().filter(|request| {
            self.ports_of(*request).contains(&port)
                && self.program.io.request(*request).context != RequestContext::Null
        });
        bound.fold(self.post(port), |touch, request| {
            let file = self.file_of(request).object;
            let agnostic = self.can_be_agnostic(request);
            let blocks = self.issuers(request).fold(0, |slots, issuer| {
                let block = self.block_of(request, issuer);
                slots | self.irps(block) | if agnostic { self.status(block) } else { 0 }
            });
            let file_slots = self.object(file);
            let file = if agnostic { Touch::of(file_slots) } else { Touch::look(file_slots) };
            touch | Touch::of(blocks) | file | self.closing(self.file_of(request).object)
        })
    }

    /// A handle is closed, and perhaps was the last one of its object.
    fn close(&self, handle: HandleId) -> Touch {
        let object = self.object_of(handle);
        let touch = Touch::of(self.object(object));
        match self.program.kernel.object(object) {
            DispatcherObject::Timer(_) => touch | self.stop_timer(object),
            DispatcherObject::File(_) => touch | self.clean_up(object),
            DispatcherObject::Port(_) => touch | self.activate(object) | self.last_reference(),
            _ => touch,
        }
    }

    /// What a file does of which nothing is left but its closing, after its last handle is closed.
    pub(super) fn closing(&self, file: ObjectId) -> Touch {
        if self.closed.contains(&file) { self.last_reference() } else { Touch::default() }
    }

    /// A file or port of which a handle is closed may be gone: with a port go its packets, and
    /// its threads belong to none.
    fn last_reference(&self) -> Touch {
        let program = self.program;
        let objects = program.kernel.object_ids();
        let all = objects.fold(self.all_irps(), |slots, object| slots | self.object(object));
        let mut touch = Touch::look(all);
        let files = self.closed.iter().filter(|object| self.is_file(**object));
        let mut ports: Vec<ObjectId> = self.closed.clone();
        for file in files {
            touch |= Touch::of(self.object(*file));
            ports.extend(&self.file_ports[self.file_slot(*file)]);
        }
        let is_port =
            |port: &&ObjectId| matches!(program.kernel.object(**port), DispatcherObject::Port(_));
        for port in ports.iter().filter(is_port) {
            touch |= Touch::of(self.object(*port) | self.packets(*port) | self.activity(*port));
            for thread in self.removers(*port) {
                touch |= Touch::of(self.record(thread));
            }
            for request in self.requests().filter(|r| self.ports_of(*r).contains(port)) {
                touch |= Touch::of(self.object(self.file_of(request).object));
                for issuer in self.issuers(request) {
                    touch |= Touch::of(self.irps(self.block_of(request, issuer)));
                }
            }
        }
        touch
    }

    /// The slots of the request packets with a status block, or of all.
    pub(super) fn irps_of(&self, block: Option<BlockId>) -> u64 {
        block.map_or_else(|| self.all_irps(), |block| self.irps(block))
    }
}

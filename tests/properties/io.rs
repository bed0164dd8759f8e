//! What must hold of requests, their ends and what tells of them, and of completion ports.

use crate::walk::{Step, Watcher};
use alertable_models::event::{
    Event, IrpChange, KapcChange, ObjectChange, PacketChange, ThreadChange,
};
use alertable_models::ids::{IrpId, ObjectId, RequestId, ThreadId};
use alertable_models::io::port::Packet;
use alertable_models::io::setup::{Request, RequestContext};
use alertable_models::ke::apc::ApcSource;
use alertable_models::ke::dispatcher::DispatcherObject;
use alertable_models::machine::{Machine, Model};
use alertable_traces::call::Call;
use alertable_traces::status::NtStatus;
use std::collections::BTreeMap;

fn irp_event(event: &Event) -> Option<(IrpId, ThreadId, RequestId, IrpChange)> {
    match *event {
        Event::Irp { irp, issuer, request, change } => Some((irp, issuer, request, change)),
        _ => None,
    }
}

fn request<'a>(step: &Step<'a>, id: RequestId) -> &'a Request {
    step.model.program.io().request(id)
}

/// Every request packet is completed once and then freed once, and none outlives the program
/// but those that were given up.
#[derive(Clone)]
pub(crate) struct RequestsEndOnce {
    /// Whether each packet that exists is complete, and whether it was given up.
    irps: BTreeMap<IrpId, (bool, bool)>,
}

impl Watcher for RequestsEndOnce {
    fn new(_: &Model) -> Self {
        RequestsEndOnce { irps: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for (irp, _, _, change) in step.events.iter().filter_map(irp_event) {
            let known = self.irps.get(&irp).copied();
            match (change, known) {
                (IrpChange::Allocated { .. }, None) => {
                    self.irps.insert(irp, (false, false));
                }
                (IrpChange::Completed { .. }, Some((false, given_up))) => {
                    self.irps.insert(irp, (true, given_up));
                }
                (IrpChange::Dissociated, Some((complete, _))) => {
                    self.irps.insert(irp, (complete, true));
                }
                (IrpChange::Freed, Some((true, _))) => {
                    self.irps.remove(&irp);
                }
                (
                    IrpChange::Allocated { .. }
                    | IrpChange::Completed { .. }
                    | IrpChange::Dissociated
                    | IrpChange::Freed
                    | IrpChange::BugCheck(_),
                    _,
                ) => return Err(format!("{irp:?} is {known:?}, and {change:?}")),
                _ => {}
            }
        }
        Ok(())
    }

    fn rest(&self, _: &Model, state: &Machine) -> Result<(), String> {
        let left = self.irps.iter().find(|(_, (_, given_up))| !given_up);
        match left {
            Some((irp, _)) if state.kernel().all_ended() => Err(format!("{irp:?} is left")),
            _ => Ok(()),
        }
    }
}

/// A request that its driver cancels reports that and nothing else.
#[derive(Clone)]
pub(crate) struct CancelledOrDone {
    cancelled: BTreeMap<IrpId, bool>,
}

impl Watcher for CancelledOrDone {
    fn new(_: &Model) -> Self {
        CancelledOrDone { cancelled: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for (irp, _, _, change) in step.events.iter().filter_map(irp_event) {
            match change {
                IrpChange::Allocated { .. } => {
                    self.cancelled.insert(irp, false);
                }
                IrpChange::Cancelled => {
                    self.cancelled.insert(irp, true);
                }
                IrpChange::Completed { status }
                    if self.cancelled.get(&irp) == Some(&true) && status != NtStatus::CANCELLED =>
                {
                    return Err(format!("{irp:?} was cancelled and then ended with {status}"));
                }
                IrpChange::BugCheck(_) => return Err(format!("{irp:?} ended twice")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The status block is written between the completion of a request and whatever tells of it.
#[derive(Clone)]
pub(crate) struct StatusIsWrittenFirst {
    /// The requests that are complete: whether their status is written.
    written: BTreeMap<IrpId, bool>,
}

impl Watcher for StatusIsWrittenFirst {
    fn new(_: &Model) -> Self {
        StatusIsWrittenFirst { written: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let second_stages =
            step.events.iter().filter_map(irp_event).filter(|(_, _, _, change)| {
                matches!(change, IrpChange::Finished { notified: true })
            });
        let finishing: BTreeMap<ObjectId, IrpId> = second_stages
            .filter_map(|(irp, _, id, _)| {
                let event = request(step, id).event?;
                Some((step.model.program.handle_target(event), irp))
            })
            .collect();
        for event in step.events {
            match *event {
                Event::Irp { irp, change: IrpChange::Completed { .. }, .. } => {
                    self.written.insert(irp, false);
                }
                Event::StatusBlock { block } => {
                    for (irp, written) in &mut self.written {
                        *written |= irp.block() == block;
                    }
                }
                Event::Object { object, change: ObjectChange::Signaled } => {
                    let irp = finishing.get(&object);
                    if let Some(irp) = irp
                        && self.written.get(irp) == Some(&false)
                    {
                        return Err(format!("the event of {irp:?} is set before its status"));
                    }
                }
                Event::Kapc { kapc, change: KapcChange::Queued, .. } => {
                    if let ApcSource::Io(irp) = kapc.source
                        && self.written.get(&irp) == Some(&false)
                    {
                        return Err(format!("the APC of {irp:?} is queued before its status"));
                    }
                }
                Event::Irp { irp, change: IrpChange::Freed, .. } => {
                    self.written.remove(&irp);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Each completion is told once, in the way that was asked for.
#[derive(Clone)]
pub(crate) struct EndsAreToldOnce;

impl Watcher for EndsAreToldOnce {
    fn new(_: &Model) -> Self {
        EndsAreToldOnce
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for (irp, issuer, id, change) in step.events.iter().filter_map(irp_event) {
            if change != (IrpChange::Finished { notified: true }) {
                continue;
            }
            let request = request(step, id);
            let apcs = step.events.iter().filter(|event| {
                matches!(event, Event::Kapc { kapc, change: KapcChange::Queued, .. }
                    if kapc.source == ApcSource::Io(irp))
            });
            let packets = step.events.iter().filter(|event| {
                matches!(event, Event::Packet { packet, change: PacketChange::Queued, .. }
                    if packet.irp == Some(irp))
            });
            let (apcs, packets) = (apcs.count(), packets.count());
            let takes_apcs = step.before.kernel().thread(issuer).apc_queueable;
            if request.routine.is_some() && takes_apcs && (apcs, packets) != (1, 0) {
                return Err(format!("{irp:?} queued {apcs} APCs and {packets} packets"));
            }
            let file = step.model.program.handle_target(request.file);
            let DispatcherObject::File(file) = step.before.kernel().object(file) else { continue };
            let posts = file.port.is_some() && request.context != RequestContext::Null;
            let was_posted = !step.events.iter().any(|event| {
                matches!(event, Event::Irp { irp: other, change: IrpChange::Completed { .. }, .. }
                    if *other == irp)
            }) && request.event.is_none();
            if request.routine.is_none() && posts && !was_posted && packets != 1 {
                return Err(format!("{irp:?} queued {packets} packets"));
            }
        }
        Ok(())
    }
}

/// Packets leave their port once each and in their order, but for those that are handed to a
/// waiter as they come (IOCP-25).
#[derive(Clone)]
pub(crate) struct PacketsKeepOrder {
    queued: Vec<Packet>,
}

impl Watcher for PacketsKeepOrder {
    fn new(_: &Model) -> Self {
        PacketsKeepOrder { queued: Vec::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let mut came = 0;
        for event in step.events {
            match *event {
                Event::Packet { packet, change: PacketChange::Queued, .. } => {
                    self.queued.push(packet);
                    came += 1;
                }
                Event::Packet { packet, change: PacketChange::Dequeued(_), .. }
                    if came > 0 && self.queued.last() == Some(&packet) =>
                {
                    self.queued.pop();
                    came -= 1;
                }
                Event::Packet { packet, change, .. } => {
                    if self.queued.first() != Some(&packet) {
                        return Err(format!("{packet:?} is {change:?}, of {:?}", self.queued));
                    }
                    self.queued.remove(0);
                }
                _ => {}
            }
        }
        let kept = step.after.kernel().io().packets(0);
        if kept == self.queued {
            Ok(())
        } else {
            Err(format!("the port has {kept:?}, and not {:?}", self.queued))
        }
    }
}

/// Nobody gets a packet while as many threads of the port run as its concurrency value says.
#[derive(Clone)]
pub(crate) struct PortLimitHolds;

impl Watcher for PortLimitHolds {
    fn new(_: &Model) -> Self {
        PortLimitHolds
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let kernel = step.after.kernel();
        for event in step.events {
            let Event::Packet { port, change: PacketChange::Dequeued(thread), .. } = *event else {
                continue;
            };
            let limit = step.model.program.io().ports[0].concurrency as usize;
            let running = kernel.thread_ids().filter(|other| {
                let record = kernel.thread(*other);
                record.queue == Some(port) && !record.is_blocked()
            });
            let running = running.count();
            if running > limit {
                return Err(format!("{thread:?} got a packet: {running} run, of {limit}"));
            }
        }
        Ok(())
    }
}

/// A thread that waits for a packet runs no APC, unless its wait is alertable.
#[derive(Clone)]
pub(crate) struct PortWaitsRunNoApc {
    calls: BTreeMap<ThreadId, bool>,
}

impl Watcher for PortWaitsRunNoApc {
    fn new(_: &Model) -> Self {
        PortWaitsRunNoApc { calls: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Call { thread, call } => {
                    let is_plain = matches!(
                        step.model.program.call(call).source,
                        Call::GetQueuedCompletionStatus { .. }
                            | Call::GetQueuedCompletionStatusEx { alertable: false, .. }
                    );
                    self.calls.insert(thread, is_plain);
                }
                Event::ApcEntered { thread, .. } if self.calls.get(&thread) == Some(&true) => {
                    return Err(format!("{thread:?} ran an APC while it waited for a packet"));
                }
                Event::Return { thread, .. } => {
                    self.calls.remove(&thread);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A thread that has ended has no request, but those that do not belong to it, and runs nothing.
#[derive(Clone)]
pub(crate) struct EndsCancelRequests {
    ended: Vec<ThreadId>,
    /// The requests that are not over, and whose they are.
    pending: BTreeMap<IrpId, ThreadId>,
}

impl Watcher for EndsCancelRequests {
    fn new(_: &Model) -> Self {
        EndsCancelRequests { ended: Vec::new(), pending: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Irp { irp, issuer, request: id, change: IrpChange::Allocated { .. } } => {
                    let request = request(step, id);
                    let file = step.model.program.handle_target(request.file);
                    let bound = matches!(step.before.kernel().object(file),
                        DispatcherObject::File(file) if file.port.is_some());
                    let is_agnostic =
                        bound && request.event.is_none() && request.context != RequestContext::Null;
                    if !is_agnostic {
                        self.pending.insert(irp, issuer);
                    }
                }
                Event::Irp {
                    irp,
                    change: IrpChange::Finished { .. } | IrpChange::Dissociated | IrpChange::Freed,
                    ..
                } => {
                    self.pending.remove(&irp);
                }
                Event::Thread { thread, change: ThreadChange::Terminated } => {
                    self.ended.push(thread);
                    if let Some((irp, _)) = self.pending.iter().find(|(_, of)| **of == thread) {
                        return Err(format!("{thread:?} has ended before its {irp:?}"));
                    }
                }
                Event::ApcEntered { thread, .. } | Event::Call { thread, .. }
                    if self.ended.contains(&thread) =>
                {
                    return Err(format!("{thread:?} has ended, and {event:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

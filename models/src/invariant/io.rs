//! Invariants of requests, their completion and cancellation, and completion ports.

use super::{Broken, Concern, Invariant, Step};
use crate::event::{Event, IrpChange, KapcChange, ObjectChange, PacketChange, ThreadChange};
use crate::ids::{IrpId, ObjectId, RequestId};
use crate::io::BugCheck;
use crate::io::irp::IrpPlace;
use crate::io::port::Packet;
use crate::io::setup::{FileTarget, Request, RequestContext};
use crate::ke::apc::ApcSource;
use crate::ke::dispatcher::DispatcherObject;
use crate::rule::cancel::{CAN_05, CAN_07, CAN_08, CAN_15};
use crate::rule::device::{DEV_34, DEV_35, DEV_36};
use crate::rule::exit::{EXIT_01, EXIT_04, EXIT_08, EXIT_10, EXIT_18, EXIT_24};
use crate::rule::io::{IO_32, IO_33, IO_36, IO_42, IO_46, IO_52};
use crate::rule::iocp::{
    IOCP_10, IOCP_12, IOCP_23, IOCP_25, IOCP_28, IOCP_29, IOCP_30, IOCP_33, IOCP_45,
};
use crate::rule::irp::{IRP_16, IRP_30, IRP_31, IRP_44, IRP_45, IRP_51, IRP_52, IRP_53, IRP_55};
use crate::service::Service;

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        id: "irp-completes-once",
        statement: "A request packet is completed once and freed once.",
        rules: &[IRP_30, IRP_53, IRP_55, CAN_07, DEV_34],
        concern: Concern::IO,
        check: completes_once,
    },
    Invariant {
        id: "driver-contract",
        statement: "Drivers mark what they pend, complete with a final status, and report no \
                    more bytes than there is room for.",
        rules: &[IRP_16, IRP_31, DEV_35, DEV_36],
        concern: Concern::IO,
        check: driver_contract,
    },
    Invariant {
        id: "status-block-first",
        statement: "A request's status block is written before anybody is told that it is over.",
        rules: &[IRP_44, IO_33],
        concern: Concern::IO,
        check: status_block_first,
    },
    Invariant {
        id: "notified-once",
        statement: "A completion is told once in each way that was asked for.",
        rules: &[IRP_45, IRP_51, IRP_52, IO_32, IO_36, IO_46],
        concern: Concern::IO,
        check: notified_once,
    },
    Invariant {
        id: "cancelled-or-completed",
        statement: "A request ends by cancellation or by completion, and then no device has it.",
        rules: &[CAN_05, CAN_08, CAN_15],
        concern: Concern::IO,
        check: cancelled_or_completed,
    },
    Invariant {
        id: "ended-thread-leaves-no-request",
        statement: "A thread that has ended has no request on its list.",
        rules: &[EXIT_01, EXIT_04, EXIT_08, EXIT_24],
        concern: Concern::THREAD,
        check: ended_thread_leaves_no_request,
    },
    Invariant {
        id: "no-request-left",
        statement: "A program that ends leaves no request behind, but for those that their \
                    threads gave up.",
        rules: &[EXIT_10, EXIT_18, IOCP_45],
        concern: Concern::THREAD,
        check: no_request_left,
    },
    Invariant {
        id: "packets-conserved",
        statement: "Packets leave a port once, in the order in which they came, but for one that is \
                    handed to a waiter as it comes.",
        rules: &[IOCP_10, IOCP_12, IOCP_25],
        concern: Concern::IO,
        check: packets_conserved,
    },
    Invariant {
        id: "port-concurrency",
        statement: "A thread gets a packet only while its port has room for another active one.",
        rules: &[IOCP_28, IOCP_29, IOCP_30, IOCP_33],
        concern: Concern::IO,
        check: port_concurrency,
    },
    Invariant {
        id: "no-apc-in-port-wait",
        statement: "A wait for packets that is not alertable runs no user APC.",
        rules: &[IO_42, IOCP_23],
        concern: Concern::CALL,
        check: no_apc_in_port_wait,
    },
    Invariant {
        id: "overlapped-in-use",
        statement: "A program issues no request with a status block that another one will write.",
        rules: &[IO_52],
        concern: Concern::IO,
        check: overlapped_in_use,
    },
];

/// What happens to request packets in a step.
fn irp_changes<'a>(step: &'a Step<'_>) -> impl Iterator<Item = (IrpId, RequestId, IrpChange)> + 'a {
    step.events.iter().filter_map(|event| match event {
        Event::Irp { irp, request, change, .. } => Some((*irp, *request, *change)),
        _ => None,
    })
}

/// A request, by its call: what it is on and into which status block.
fn request_name(step: &Step<'_>, irp: IrpId, request: RequestId) -> String {
    let io = step.model.program.io();
    let file = step.model.program.handle_target(io.request(request).file);
    let file = step.model.program.object_name(file);
    match io.block_name(irp.block()) {
        Some(block) => format!("the request on `{file}` with `{block}`"),
        None => format!("the request on `{file}`"),
    }
}

fn completes_once(step: &Step<'_>) -> Result<(), Broken> {
    for (irp, request, change) in irp_changes(step) {
        let broken = match change {
            IrpChange::BugCheck(BugCheck::MultipleIrpCompleteRequests) => {
                "was completed a second time: the system stops"
            }
            IrpChange::BugCheck(BugCheck::CancelStateInCompletedIrp) => {
                "is complete and still has a cancel routine: the system stops"
            }
            IrpChange::Freed if !existed(step, irp) => "was freed, but does not exist",
            _ => continue,
        };
        return Err(Broken(format!("{} {broken}", request_name(step, irp, request))));
    }
    Ok(())
}

/// Whether a request packet was there before the step, or came in it.
fn existed(step: &Step<'_>, irp: IrpId) -> bool {
    let came = irp_changes(step)
        .any(|(other, _, change)| other == irp && matches!(change, IrpChange::Allocated { .. }));
    came || step.before.kernel.has_irp(irp)
}

fn driver_contract(step: &Step<'_>) -> Result<(), Broken> {
    for (irp, request, change) in irp_changes(step) {
        if let IrpChange::ContractBroken(how) = change {
            let name = request_name(step, irp, request);
            return Err(Broken(format!("the driver of {name} {how}")));
        }
    }
    Ok(())
}

/// The requests whose issuers are told in a step that they are over: where in the step.
fn notified<'a>(step: &'a Step<'_>) -> impl Iterator<Item = (usize, IrpId, RequestId)> + 'a {
    step.events.iter().enumerate().filter_map(|(at, event)| match event {
        Event::Irp { irp, request, change: IrpChange::Finished { notified: true }, .. } => {
            Some((at, *irp, *request))
        }
        _ => None,
    })
}

/// The event or file that a request's completion sets.
fn notified_object(step: &Step<'_>, request: &Request) -> ObjectId {
    step.model.program.handle_target(request.event.unwrap_or(request.file))
}

fn status_block_first(step: &Step<'_>) -> Result<(), Broken> {
    for (finished, irp, request) in notified(step) {
        let object = notified_object(step, step.model.program.io().request(request));
        let written = step.events[..finished].iter().rposition(
            |event| matches!(event, Event::StatusBlock { block } if *block == irp.block()),
        );
        let signaled = step.events[..finished].iter().rposition(|event| {
            matches!(event, Event::Object { object: other, change: ObjectChange::Signaled }
                if *other == object)
        });
        let late = match (written, signaled) {
            (None, _) => true,
            (Some(written), Some(signaled)) => {
                signaled < written && irp_began(step, irp) < signaled
            }
            (Some(_), None) => false,
        };
        if late {
            let name = request_name(step, irp, request);
            return Err(Broken(format!(
                "{name} was told to be over before its status was written"
            )));
        }
    }
    Ok(())
}

/// Where in the step a request packet comes up first.
fn irp_began(step: &Step<'_>, irp: IrpId) -> usize {
    let is_it = |event: &Event| matches!(event, Event::Irp { irp: other, .. } if *other == irp);
    step.events.iter().position(is_it).unwrap_or(0)
}

fn notified_once(step: &Step<'_>) -> Result<(), Broken> {
    for (finished, irp, request_id) in notified(step) {
        let request = step.model.program.io().request(request_id);
        let issuer = issuer_of(step, irp);
        let apcs = step.events[finished..].iter().filter(|event| {
            matches!(event, Event::Kapc { kapc, change: KapcChange::Queued, .. }
                if kapc.source == ApcSource::Io(irp))
        });
        let packets = step.events.iter().filter(|event| {
            matches!(event, Event::Packet { packet, change: PacketChange::Queued, .. }
                if packet.irp == Some(irp))
        });
        let takes_apcs =
            issuer.is_some_and(|issuer| step.before.kernel.thread(issuer).apc_queueable);
        let wanted_apcs = usize::from(request.routine.is_some() && takes_apcs);
        let (apcs, packets) = (apcs.count(), packets.count());
        let told_twice = apcs + packets > 1 || (apcs > 0 && request.routine.is_none());
        let untold = apcs < wanted_apcs || (wants_packet(step, request, finished) && packets == 0);
        if told_twice || untold {
            let how =
                if told_twice { "more than once" } else { "not in the way that was asked for" };
            let name = request_name(step, irp, request_id);
            return Err(Broken(format!("the end of {name} was told {how}")));
        }
    }
    Ok(())
}

fn issuer_of(step: &Step<'_>, irp: IrpId) -> Option<crate::ids::ThreadId> {
    step.events.iter().find_map(|event| match event {
        Event::Irp { irp: other, issuer, .. } if *other == irp => Some(*issuer),
        _ => None,
    })
}

/// Whether a request that finished at this event must have posted a packet in this step: it has
/// a port and a context, and was not removed from the port just now, when it had posted before.
fn wants_packet(step: &Step<'_>, request: &Request, finished: usize) -> bool {
    let file = step.model.program.handle_target(request.file);
    let DispatcherObject::File(file) = step.before.kernel.object(file) else { return false };
    let removed = step.events[..finished]
        .iter()
        .any(|event| matches!(event, Event::Packet { change: PacketChange::Dequeued(_), .. }));
    file.port.is_some()
        && !file.skip_port
        && request.routine.is_none()
        && request.context != RequestContext::Null
        && !removed
}

fn cancelled_or_completed(step: &Step<'_>) -> Result<(), Broken> {
    for (irp, request, change) in irp_changes(step) {
        if !matches!(change, IrpChange::Completed { .. }) {
            continue;
        }
        let io = step.after.kernel.io();
        let has_it = match step.model.program.io().target_of(&step.model.program, request) {
            FileTarget::Device(device) => io.device_queues.get(device).contains(&irp),
            FileTarget::PipeEnd(end) => {
                io.pipe_reads.get(end).contains(&irp) || io.pipe_listens.get(end).contains(&irp)
            }
        };
        let is_new =
            step.after.kernel.has_irp(irp) && step.after.kernel.irp(irp).place == IrpPlace::Driver;
        if has_it && !is_new {
            let name = request_name(step, irp, request);
            return Err(Broken(format!("{name} is over, but its device still has it")));
        }
    }
    Ok(())
}

fn ended_thread_leaves_no_request(step: &Step<'_>) -> Result<(), Broken> {
    let Some(io) = step.after.kernel.io.as_deref() else { return Ok(()) };
    for event in step.events {
        let Event::Thread { thread, change: ThreadChange::Terminated } = event else { continue };
        if !io.thread_irps(*thread).is_empty() || !io.kernel_apcs(*thread).is_empty() {
            let name = step.thread_name(*thread);
            return Err(Broken(format!("`{name}` has ended with a request on its list")));
        }
    }
    Ok(())
}

fn no_request_left(step: &Step<'_>) -> Result<(), Broken> {
    let Some(io) = step.after.kernel.io.as_deref() else { return Ok(()) };
    let is_end =
        |event: &Event| matches!(event, Event::Thread { change: ThreadChange::Terminated, .. });
    if !step.events.iter().any(is_end) || !step.after.kernel.all_ended() {
        return Ok(());
    }
    match io.irps().iter().find(|irp| !irp.dissociated) {
        Some(left) => {
            let name = request_name(step, left.id, left.request);
            Err(Broken(format!("every thread has ended, but {name} is left")))
        }
        None => Ok(()),
    }
}

fn packets_conserved(step: &Step<'_>) -> Result<(), Broken> {
    for (slot, setup) in step.model.program.io().ports.iter().enumerate() {
        let (before, after) = (step.before.kernel.io(), step.after.kernel.io());
        let is_here =
            |event: &Event| matches!(event, Event::Packet { port, .. } if *port == setup.object);
        if !step.events.iter().any(is_here) && before.packets.peek(slot) == after.packets.peek(slot)
        {
            continue;
        }
        let mut queue: Vec<Packet> = before.packets(slot).to_vec();
        let mut in_order = true;
        let mut came = 0;
        for event in step.events {
            let Event::Packet { port, packet, change } = event else { continue };
            if *port != setup.object {
                continue;
            }
            match change {
                PacketChange::Queued => {
                    queue.push(*packet);
                    came += 1;
                }
                PacketChange::Dequeued(_) if came > 0 && queue.last() == Some(packet) => {
                    queue.pop();
                    came -= 1;
                }
                PacketChange::Dequeued(_) | PacketChange::Discarded => {
                    in_order &= queue.first() == Some(packet);
                    if !queue.is_empty() {
                        queue.remove(0);
                    }
                }
            }
        }
        if !in_order || queue != after.packets(slot) {
            let port = step.model.program.object_name(setup.object);
            let how = if in_order { "lost or doubled" } else { "taken out of turn" };
            return Err(Broken(format!("a packet of `{port}` was {how}")));
        }
    }
    Ok(())
}

fn port_concurrency(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let Event::Packet { port, change: PacketChange::Dequeued(thread), .. } = event else {
            continue;
        };
        let active = step.after.kernel.active_threads(*port);
        let limit = concurrency(step, *port);
        if active > limit && !step.after.kernel.thread(*thread).is_blocked() {
            let (name, port) = (step.thread_name(*thread), step.model.program.object_name(*port));
            return Err(Broken(format!(
                "`{name}` got a packet of `{port}` and makes {active} active threads, of {limit} \
                 at most"
            )));
        }
    }
    Ok(())
}

fn concurrency(step: &Step<'_>, port: ObjectId) -> usize {
    let setup = step.model.program.io().ports.iter().find(|setup| setup.object == port);
    match setup.map_or(0, |setup| setup.concurrency) {
        0 => usize::from(step.model.settings.processors),
        limit => limit as usize,
    }
}

fn no_apc_in_port_wait(step: &Step<'_>) -> Result<(), Broken> {
    for event in step.events {
        let Event::ApcEntered { thread, kapc, .. } = event else { continue };
        let service = step.call_before(*thread).map(|call| step.service(call));
        let in_port_wait =
            matches!(service, Some(Service::RemoveIoCompletion { alertable: false, .. }));
        if in_port_wait && !kapc.is_special() && !kapc.is_callback() {
            let name = step.thread_name(*thread);
            return Err(Broken(format!("`{name}` ran a user APC while it waited for a packet")));
        }
    }
    Ok(())
}

fn overlapped_in_use(step: &Step<'_>) -> Result<(), Broken> {
    for (irp, request, change) in irp_changes(step) {
        if matches!(change, IrpChange::Allocated { in_use: true }) {
            let name = request_name(step, irp, request);
            return Err(Broken(format!(
                "{name} was issued while another one with the same status block was not over"
            )));
        }
    }
    Ok(())
}

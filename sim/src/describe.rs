//! Transitions, schedules and events in words.

use crate::deadlock::{WaitsFor, wait_for_cycles};
use alertable_models::event::{
    DpcChange, Event, FileChange, IoResult, IrpChange, KapcChange, ObjectChange, PacketChange,
    ThreadChange, TimerChange,
};
use alertable_models::ids::IrpId;
use alertable_models::io::BugCheck;
use alertable_models::io::port::{Packet, PacketValue};
use alertable_models::ke::apc::Kapc;
use alertable_models::ke::kapc::KernelApc;
use alertable_models::machine::{Machine, Model, Transition};
use alertable_models::outcome::apc_entry;
use alertable_models::program::Program;
use alertable_traces::outcome::{ApcEntry, CallResult, PortEntry, StatusBlock, Value};

/// A transition's name in schedules: who does what.
pub fn transition_name(program: &Program, transition: Transition) -> String {
    match transition {
        Transition::Run(thread) => format!("run {}", program.thread_name(thread)),
        Transition::Interrupt(thread) => format!("interrupt {}", program.thread_name(thread)),
        Transition::TimeOut(thread) => format!("time out {}", program.thread_name(thread)),
        Transition::Expire(timer) => format!("expire {}", program.object_name(timer)),
        Transition::Complete(irp) => format!("complete {}", block_name(program, irp)),
        Transition::Retire(thread) => format!("retire {}", program.thread_name(thread)),
        Transition::PassTime => "pass time".to_owned(),
    }
}

/// What a request is called: its status block.
fn block_name(program: &Program, irp: IrpId) -> &str {
    program.io().block_name(irp.block()).unwrap_or("a request")
}

/// The names of a schedule's transitions.
pub fn schedule_names(program: &Program, schedule: &[Transition]) -> Vec<String> {
    schedule.iter().map(|transition| transition_name(program, *transition)).collect()
}

/// A schedule as the picks that `run --schedule` takes: at each step where several transitions
/// are possible, the number of the one taken.
pub fn picks(model: &Model, schedule: &[Transition]) -> Vec<usize> {
    let mut machine = model.initial();
    let mut enabled = Vec::new();
    let mut picks = Vec::new();
    for transition in schedule {
        enabled.clear();
        model.enabled(&machine, &mut enabled);
        if enabled.len() > 1 {
            picks.extend(enabled.iter().position(|possible| possible == transition));
        }
        model.step(&mut machine, *transition, &mut ());
    }
    picks
}

/// A result on one line: what the call returned, then what else there is.
pub fn result_text(result: &CallResult) -> String {
    let value = |value: &Value| match value {
        Value::Name(name) => name.clone(),
        Value::Number(number) => number.to_string(),
    };
    let mut parts = vec![value(&result.ret)];
    parts.extend(result.error.clone());
    parts.extend(result.previous.map(|previous| format!("previous {previous}")));
    parts.extend(result.status.clone());
    parts.extend(result.bytes.or(result.information).map(bytes_text));
    parts.extend(result.key.map(|key| format!("key {key}")));
    parts.extend(result.value.as_ref().map(|value| format!("value {value}")));
    if let Some(overlapped) = &result.overlapped {
        parts.push(overlapped.clone().unwrap_or_else(|| "no OVERLAPPED".to_owned()));
    }
    if let Some(entries) = &result.entries {
        let entries: Vec<String> = entries.iter().map(entry_text).collect();
        parts.push(format!("[{}]", entries.join("; ")));
    }
    parts.join(", ")
}

fn bytes_text(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// A packet on one line.
fn entry_text(entry: &PortEntry) -> String {
    let PortEntry { key, bytes, overlapped, status } = entry;
    let overlapped = overlapped.as_deref().unwrap_or("no OVERLAPPED");
    let status = status.as_deref().filter(|status| *status != "STATUS_SUCCESS");
    let status = status.map(|status| format!(" {status}")).unwrap_or_default();
    format!("key {key}, {}, {overlapped}{status}", bytes_text(*bytes))
}

/// A status block on one line.
pub fn status_block_text(block: &StatusBlock) -> String {
    format!("{}, {}", block.status, bytes_text(block.bytes))
}

/// A routine's run on one line.
pub fn apc_text(entry: &ApcEntry) -> String {
    let ApcEntry { routine, data, timer, error, bytes, overlapped } = entry;
    if let (Some(error), Some(bytes)) = (error, bytes) {
        let overlapped = overlapped.as_deref().unwrap_or("a request");
        return format!("{routine}({overlapped}: {error}, {})", bytes_text(*bytes));
    }
    match (data, timer) {
        (_, Some(timer)) => format!("{routine}(timer {timer})"),
        (Some(data), None) => format!("{routine}({data})"),
        (None, None) => format!("{routine}()"),
    }
}

/// Who an event is about, as the name of a thread or object.
pub fn event_subject<'a>(program: &'a Program, event: &Event) -> &'a str {
    match event {
        Event::Call { thread, .. }
        | Event::Return { thread, .. }
        | Event::ApcEntered { thread, .. }
        | Event::ApcReturned { thread, .. }
        | Event::Thread { thread, .. }
        | Event::Received { thread, .. }
        | Event::KernelApc { thread, .. }
        | Event::Irql { thread, .. }
        | Event::CalledTooHigh { thread, .. }
        | Event::ContractBroken { thread, .. }
        | Event::Stop { thread, .. }
        | Event::Kapc { thread, .. } => program.thread_name(*thread),
        Event::Timer { timer, .. } => program.object_name(*timer),
        Event::Object { object, .. } => program.object_name(*object),
        Event::Irp { irp, request, .. } => {
            let file = program.handle_target(program.io().request(*request).file);
            program.io().block_name(irp.block()).unwrap_or_else(|| program.object_name(file))
        }
        Event::StatusBlock { block } => program.io().block_name(*block).unwrap_or("a request"),
        Event::Packet { port, .. } => program.object_name(*port),
        Event::File { file, .. } => program.object_name(*file),
        Event::Dpc { dpc, .. } => &program.kernel_mode().dpcs[dpc.index()].name,
        Event::TimePassed { .. } => "",
    }
}

/// A routine and what it is about, without what its status block will read.
pub(crate) fn kapc_text(program: &Program, kapc: Kapc) -> String {
    match kapc.block().and_then(|block| program.io().block_name(block)) {
        Some(block) => format!("{}({block})", program.routine_name(kapc.routine)),
        None => apc_text(&apc_entry(program, kapc, IoResult::NONE)),
    }
}

fn irp_text(change: IrpChange) -> String {
    match change {
        IrpChange::Allocated { .. } => "is issued".to_owned(),
        IrpChange::Dispatched { location } => format!("is sent to the driver at {location}"),
        IrpChange::Pending => "pends".to_owned(),
        IrpChange::CompletionRoutine { location } => {
            format!("meets the completion routine of the driver at {location}")
        }
        IrpChange::Completed { status } => format!("is completed with {status}"),
        IrpChange::CancelRequested => "is asked to be cancelled".to_owned(),
        IrpChange::Cancelled => "is cancelled by its driver".to_owned(),
        IrpChange::Finished { notified: true } => "is over, and its issuer told".to_owned(),
        IrpChange::Finished { notified: false } => "is over without a notification".to_owned(),
        IrpChange::Freed => "is freed".to_owned(),
        IrpChange::Dissociated => "is given up by its thread".to_owned(),
        IrpChange::ContractBroken(how) => format!("has a driver that {how}"),
        IrpChange::BugCheck(BugCheck::MultipleIrpCompleteRequests) => {
            "is completed again: bug check 0x44".to_owned()
        }
        IrpChange::BugCheck(BugCheck::CancelStateInCompletedIrp) => {
            "is complete with a cancel routine: bug check 0x48".to_owned()
        }
        IrpChange::BugCheck(other) => stop_text(other),
    }
}

fn stop_text(bug_check: BugCheck) -> String {
    let (name, code) = bug_check.entry();
    format!("stops the system: {name} (bug check 0x{code:02X})")
}

/// A kernel APC by its kind, and by its name where the program has given one.
fn kernel_apc_text(program: &Program, apc: KernelApc) -> String {
    match apc {
        KernelApc::Object { kapc, special } => {
            let name = &program.kernel_mode().kapcs[kapc.index()].name;
            format!("{} kernel APC {name}", if special { "special" } else { "normal" })
        }
        KernelApc::Io(irp) => format!("completion of {}", block_name(program, irp)),
        KernelApc::OwnIrp(var) => {
            format!("completion of {}", program.kernel_mode().irp_vars[var.index()])
        }
        KernelApc::Suspend => "APC that suspends it".to_owned(),
        KernelApc::Exit => "APC that ends it".to_owned(),
    }
}

/// What a packet is of.
fn packet_source(program: &Program, packet: Packet) -> &str {
    match packet.value {
        PacketValue::Block(block) => program.io().block_name(block).unwrap_or("a request"),
        PacketValue::Timer(timer) => program.object_name(timer),
        PacketValue::Null | PacketValue::Number(_) => "a posted packet",
    }
}

/// What is in a packet.
pub(crate) fn content_text(program: &Program, packet: Packet) -> String {
    let (key, bytes) = (program.datum(packet.key), bytes_text(u64::from(packet.information)));
    format!("key {key}, {bytes}, {}", packet_source(program, packet))
}

fn packet_text(program: &Program, packet: Packet, change: PacketChange) -> String {
    let what = packet_source(program, packet);
    let what = format!("{what} (key {})", program.datum(packet.key));
    match change {
        PacketChange::Queued => format!("gets {what}"),
        PacketChange::Dequeued(thread) => {
            format!("gives {what} to {}", program.thread_name(thread))
        }
        PacketChange::Discarded => format!("discards {what}"),
    }
}

/// What an event says of its subject. A return tells the packets that were received before it.
pub fn event_text(program: &Program, event: &Event, received: &[Packet]) -> String {
    match event {
        Event::Call { call, .. } => call_text(&program.call(*call).source),
        Event::Return { call, result, .. } => {
            let call = program.call(*call);
            let result = call.convention.result(program, *result, received);
            format!("{} = {}", call.source.name(), result_text(&result))
        }
        Event::ApcEntered { kapc, result, .. } => {
            format!("runs {}", apc_text(&apc_entry(program, *kapc, *result)))
        }
        Event::ApcReturned { kapc, .. } => format!("leaves {}", kapc_text(program, *kapc)),
        Event::Thread { change, .. } => match change {
            ThreadChange::Created => "is created",
            ThreadChange::Started => "starts",
            ThreadChange::Waiting => "blocks",
            ThreadChange::Ready => "can go on",
            ThreadChange::Suspended => "stops for its suspension",
            ThreadChange::Resumed => "is resumed",
            ThreadChange::Terminated => "ends",
        }
        .to_owned(),
        Event::Kapc { kapc, change, .. } => {
            let entry = kapc_text(program, *kapc);
            match change {
                KapcChange::Queued => format!("gets the APC {entry}"),
                KapcChange::Delivered => format!("is delivered {entry}"),
                KapcChange::Removed => format!("loses the APC {entry}, taken back"),
                KapcChange::RunDown => format!("loses the APC {entry}, discarded"),
            }
        }
        Event::Timer { change, .. } => match change {
            TimerChange::Set => "is set",
            TimerChange::Expired => "expires",
            TimerChange::Cancelled => "is cancelled",
        }
        .to_owned(),
        Event::Object { change, .. } => match change {
            ObjectChange::Signaled => "is signaled".to_owned(),
            ObjectChange::Reset => "is reset".to_owned(),
            ObjectChange::Acquired(thread) => {
                format!("satisfies the wait of {}", program.thread_name(*thread))
            }
            ObjectChange::Released(thread) => {
                format!("is released by {}", program.thread_name(*thread))
            }
            ObjectChange::Abandoned(thread) => {
                format!("is abandoned by {}", program.thread_name(*thread))
            }
        },
        Event::Irp { change, .. } => irp_text(*change),
        Event::StatusBlock { .. } => "is written".to_owned(),
        Event::Packet { packet, change, .. } => packet_text(program, *packet, *change),
        Event::Received { packet, .. } => packet_text(program, *packet, PacketChange::Queued),
        Event::File { change, .. } => match change {
            FileChange::CleanedUp => "is cleaned up: its last handle is closed",
            FileChange::Closed => "is closed: nothing refers to it any more",
        }
        .to_owned(),
        Event::KernelApc { apc, change, .. } => {
            let apc = kernel_apc_text(program, *apc);
            match change {
                KapcChange::Queued => format!("gets the {apc}"),
                KapcChange::Delivered => format!("is delivered the {apc}"),
                KapcChange::Removed => format!("loses the {apc}, taken back"),
                KapcChange::RunDown => format!("loses the {apc}, discarded"),
            }
        }
        Event::Irql { irql, .. } => format!("is at {irql}"),
        Event::Dpc { change: DpcChange::Queued, .. } => "is queued".to_owned(),
        Event::Dpc { change: DpcChange::Removed, .. } => "is taken back".to_owned(),
        Event::CalledTooHigh { call, irql, max, .. } => {
            format!("calls {call} at {irql}, which is for {max} and below")
        }
        Event::ContractBroken { how, .. } => (*how).to_owned(),
        Event::Stop { bug_check, .. } => stop_text(*bug_check),
        Event::TimePassed { ms } => format!("{ms} ms pass"),
    }
}

/// A call with its arguments, as the scenario gives them.
pub(crate) fn call_text(call: &alertable_traces::call::Call) -> String {
    let json = serde_json::to_value(call).unwrap_or_default();
    let arguments = json.as_object().into_iter().flatten().filter(|(name, _)| *name != "call");
    let arguments: Vec<String> = arguments
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => format!("{name}: {text}"),
            other => format!("{name}: {other}"),
        })
        .collect();
    format!("{}({})", call.name(), arguments.join(", "))
}

/// The states of the threads that cannot end, for a reader: who waits for what.
pub fn blocked_text(program: &Program, machine: &Machine) -> Vec<String> {
    let kernel = machine.kernel();
    alertable_models::outcome::unfinished(kernel)
        .map(|thread| {
            let name = program.thread_name(thread);
            let objects: Vec<&str> =
                kernel.wait_objects(thread).iter().map(|o| program.object_name(*o)).collect();
            match (kernel.thread(thread).stopped, objects.is_empty()) {
                (true, _) => format!("{name} is suspended"),
                (false, true) => format!("{name} sleeps for ever"),
                (false, false) => format!("{name} waits for {}", objects.join(", ")),
            }
        })
        .collect()
}

/// The wait-for cycles of a state, each on one line.
pub fn deadlock_texts(program: &Program, machine: &Machine) -> Vec<String> {
    wait_for_cycles(machine.kernel()).iter().map(|cycle| cycle_text(program, cycle)).collect()
}

fn cycle_text(program: &Program, cycle: &[WaitsFor]) -> String {
    let links: Vec<String> = cycle
        .iter()
        .map(|edge| {
            let (waiter, holder) =
                (program.thread_name(edge.waiter), program.thread_name(edge.holder));
            if edge.object == edge.holder.object() {
                format!("{waiter} waits for the end of {holder}")
            } else {
                format!(
                    "{waiter} waits for {}, which {holder} owns",
                    program.object_name(edge.object)
                )
            }
        })
        .collect();
    links.join("; ")
}

//! Transitions, schedules and events in words.

use crate::deadlock::{WaitsFor, wait_for_cycles};
use alertable_models::event::{Event, KapcChange, ObjectChange, ThreadChange, TimerChange};
use alertable_models::machine::{Machine, Model, Transition};
use alertable_models::outcome::apc_entry;
use alertable_models::program::Program;
use alertable_traces::outcome::{ApcEntry, CallResult, Value};

/// A transition's name in schedules: who does what.
pub fn transition_name(program: &Program, transition: Transition) -> String {
    match transition {
        Transition::Run(thread) => format!("run {}", program.thread_name(thread)),
        Transition::Interrupt(thread) => format!("interrupt {}", program.thread_name(thread)),
        Transition::TimeOut(thread) => format!("time out {}", program.thread_name(thread)),
        Transition::Expire(timer) => format!("expire {}", program.object_name(timer)),
        Transition::PassTime => "pass time".to_owned(),
    }
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
    let mut text = value(&result.ret);
    if let Some(error) = &result.error {
        text.push_str(", ");
        text.push_str(error);
    }
    if let Some(previous) = result.previous {
        text.push_str(", previous ");
        text.push_str(&previous.to_string());
    }
    text
}

/// A routine's run on one line.
pub fn apc_text(entry: &ApcEntry) -> String {
    let ApcEntry { routine, data, timer, .. } = entry;
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
        | Event::Kapc { thread, .. } => program.thread_name(*thread),
        Event::Timer { timer, .. } => program.object_name(*timer),
        Event::Object { object, .. } => program.object_name(*object),
        Event::TimePassed { .. } => "",
    }
}

/// What an event says of its subject.
pub fn event_text(program: &Program, event: &Event) -> String {
    match event {
        Event::Call { call, .. } => call_text(&program.call(*call).source),
        Event::Return { call, result, .. } => {
            let call = program.call(*call);
            format!("{} = {}", call.source.name(), result_text(&call.convention.result(*result)))
        }
        Event::ApcEntered { kapc, .. } => {
            format!("runs {}", apc_text(&apc_entry(program, *kapc)))
        }
        Event::ApcReturned { kapc, .. } => {
            format!("leaves {}", apc_text(&apc_entry(program, *kapc)))
        }
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
            let entry = apc_text(&apc_entry(program, *kapc));
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
        Event::TimePassed { ms } => format!("{ms} ms pass"),
    }
}

/// A call with its arguments, as the scenario gives them.
fn call_text(call: &alertable_traces::call::Call) -> String {
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

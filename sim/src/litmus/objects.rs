//! The objects of a scenario in C: what declares them, makes them, and closes them.

use super::names::{Identifiers, literal};
use super::uses::Uses;
use alertable_traces::scenario::{Object, PipeEnd, PipeMode, Reset, Scenario};
use std::fmt::Write;

/// How many processors the machine has if the scenario does not say.
const PROCESSOR_COUNT: u8 = 2;

/// Gives every object, status block, thread and routine its identifier.
pub(super) fn identifiers(scenario: &Scenario, uses: &Uses) -> Identifiers {
    let mut identifiers = Identifiers::default();
    for (name, object) in &scenario.objects {
        let prefix = match object {
            Object::Event { .. } => "event",
            Object::Mutex { .. } => "mutex",
            Object::Semaphore { .. } => "semaphore",
            Object::Timer { .. } => "timer",
            Object::Port { .. } => "port",
            Object::File { .. } => "file",
            Object::Handle { .. } => "handle",
            Object::Pipe { .. } => "pipe",
            Object::Overlapped { .. }
            | Object::Iosb
            | Object::Device { .. }
            | Object::Pool { .. }
            | Object::PoolTimer { .. }
            | Object::PoolWait { .. }
            | Object::PoolIo { .. }
            | Object::Kapc { .. }
            | Object::Dpc { .. }
            | Object::Interrupt { .. }
            | Object::SpinLock
            | Object::FastMutex
            | Object::GuardedMutex
            | Object::Irp
            | Object::IrpQueue => continue,
        };
        identifiers.declare(prefix, name);
    }
    for (name, is_overlapped) in &uses.blocks {
        identifiers.declare(if *is_overlapped { "overlapped" } else { "iosb" }, name);
    }
    scenario.threads.keys().for_each(|name| identifiers.declare("T", name));
    scenario.routines.keys().for_each(|name| identifiers.declare("routine", name));
    identifiers
}

/// The handles and status blocks.
pub(super) fn declarations(scenario: &Scenario, uses: &Uses, identifiers: &Identifiers) -> String {
    let mut text = String::new();
    for (name, object) in &scenario.objects {
        if has_handle(object) {
            let _ = writeln!(text, "static HANDLE {};", identifiers.of(name));
        }
    }
    for (name, is_overlapped) in &uses.blocks {
        let kind = if *is_overlapped { "OVERLAPPED" } else { "struct iosb" };
        let _ = writeln!(text, "static {kind} {};", identifiers.of(name));
    }
    text
}

/// The table of status blocks, by which addresses get their names back.
pub(super) fn block_table(uses: &Uses, identifiers: &Identifiers) -> String {
    let mut text = String::from(
        "static const struct { const char *name; const OVERLAPPED *block; BOOL is_overlapped; } \
         blocks[] = {\n",
    );
    for (name, is_overlapped) in &uses.blocks {
        let is_overlapped = if *is_overlapped { "TRUE" } else { "FALSE" };
        let (text_name, identifier) = (literal(name), identifiers.of(name));
        let _ = writeln!(
            text,
            "    {{ {text_name}, (const OVERLAPPED *)&{identifier}, {is_overlapped} }},"
        );
    }
    text.push_str("    { NULL, NULL, FALSE }\n};\n");
    text
}

fn has_handle(object: &Object) -> bool {
    matches!(
        object,
        Object::Event { .. }
            | Object::Mutex { .. }
            | Object::Semaphore { .. }
            | Object::Timer { .. }
            | Object::Port { .. }
            | Object::File { .. }
            | Object::Handle { .. }
    )
}

/// The functions that make and close everything.
pub(super) fn life(scenario: &Scenario, uses: &Uses, identifiers: &Identifiers) -> String {
    let mut text = String::from("static void create_objects(void)\n{\n");
    if has_pipes(scenario) {
        text.push_str("    pipe_round++;\n");
    }
    if uses.closes_handles {
        text.push_str("    keep_low_handles(TRUE);\n");
    }
    for (name, object) in &scenario.objects {
        if let Some(made) = creation(scenario, object, identifiers) {
            let _ = writeln!(text, "    {} = {made};", identifiers.of(name));
        }
    }
    for server_first in [true, false] {
        for (name, object) in &scenario.objects {
            if matches!(object, Object::File { end, .. } if server_first == (*end == Some(PipeEnd::Server)))
            {
                text.push_str(&open_file(scenario, name, object, identifiers));
            }
        }
    }
    for (name, is_overlapped) in &uses.blocks {
        text.push_str(&reset_block(scenario, name, *is_overlapped, identifiers));
    }
    text.push_str(&open_handles(scenario, identifiers));
    if uses.closes_handles {
        text.push_str("    keep_low_handles(FALSE);\n");
    }
    text.push_str("}\n\nstatic void close_objects(void)\n{\n");
    for (name, object) in &scenario.objects {
        if has_handle(object) {
            let handle = identifiers.of(name);
            let _ = writeln!(text, "    if ({handle} && {handle} != CLOSED)");
            let _ = writeln!(text, "        CloseHandle({handle});");
            let _ = writeln!(text, "    {handle} = NULL;");
        }
    }
    text.push_str("}\n");
    text
}

pub(super) fn has_pipes(scenario: &Scenario) -> bool {
    scenario.objects.values().any(|object| matches!(object, Object::Pipe { .. }))
}

fn creation(scenario: &Scenario, object: &Object, identifiers: &Identifiers) -> Option<String> {
    let boolean = |value: bool| if value { "TRUE" } else { "FALSE" };
    let _ = identifiers;
    Some(match object {
        Object::Event { reset, signaled } => {
            let manual = boolean(*reset == Reset::Manual);
            format!("CreateEventA(NULL, {manual}, {}, NULL)", boolean(*signaled))
        }
        Object::Mutex { .. } => "CreateMutexA(NULL, FALSE, NULL)".to_owned(),
        Object::Semaphore { count, max } => format!("CreateSemaphoreA(NULL, {count}, {max}, NULL)"),
        Object::Timer { reset } => {
            format!("CreateWaitableTimerA(NULL, {}, NULL)", boolean(*reset == Reset::Manual))
        }
        Object::Port { concurrency } => {
            let processors = u32::from(scenario.machine.processors.unwrap_or(PROCESSOR_COUNT));
            let concurrency = if *concurrency == 0 { processors } else { *concurrency };
            format!("CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, {concurrency})")
        }
        _ => return None,
    })
}

/// Opens an end of a pipe, and gives it its port.
fn open_file(
    scenario: &Scenario,
    name: &str,
    object: &Object,
    identifiers: &Identifiers,
) -> String {
    let Object::File { pipe: Some(pipe), end, overlapped, alertable, port, key, .. } = object
    else {
        return String::new();
    };
    let number = scenario.objects.get_index_of(pipe).unwrap_or_default();
    let Some(Object::Pipe { mode, quota }) = scenario.objects.get(pipe) else {
        return String::new();
    };
    let message = if *mode == PipeMode::Message { "TRUE" } else { "FALSE" };
    let file = identifiers.of(name);
    let mut text = match (end, alertable) {
        (Some(PipeEnd::Server), false) => {
            let flags = if *overlapped { "FILE_FLAG_OVERLAPPED" } else { "0" };
            format!("    {file} = pipe_server({number}, {message}, {quota}, {flags});\n")
        }
        (Some(PipeEnd::Server), true) => {
            format!("    {file} = alertable_pipe_server({number}, {message}, {quota});\n")
        }
        (_, false) => {
            let flags = if *overlapped { "FILE_FLAG_OVERLAPPED" } else { "0" };
            format!("    {file} = pipe_client({number}, {message}, {flags});\n")
        }
        (_, true) => format!("    {file} = alertable_pipe_client({number}, {message});\n"),
    };
    if let Some(port) = port {
        let (port, key) = (identifiers.of(port), key.unwrap_or(0));
        let _ = writeln!(text, "    if (!CreateIoCompletionPort({file}, {port}, {key}ULL, 0))");
        let _ = writeln!(text, "        fatal(\"CreateIoCompletionPort\");");
    }
    text
}

fn reset_block(
    scenario: &Scenario,
    name: &str,
    is_overlapped: bool,
    identifiers: &Identifiers,
) -> String {
    let block = identifiers.of(name);
    if !is_overlapped {
        return format!("    {block}.u.pointer = UNTOUCHED;\n    {block}.information = 0;\n");
    }
    let mut text = format!("    memset(&{block}, 0, sizeof({block}));\n");
    if let Some(Object::Overlapped { event: Some(event), suppress_port }) =
        scenario.objects.get(name)
    {
        let event = identifiers.of(event);
        let _ = if *suppress_port {
            writeln!(text, "    {block}.hEvent = (HANDLE)((ULONG_PTR){event} | 1);")
        } else {
            writeln!(text, "    {block}.hEvent = {event};")
        };
    }
    text
}

/// Opens the further handles that no step opens, each after the one that it is made from.
fn open_handles(scenario: &Scenario, identifiers: &Identifiers) -> String {
    let opened_by_steps: Vec<String> = super::uses::calls(scenario)
        .into_iter()
        .filter_map(|step| match &step.call {
            alertable_traces::call::Call::DuplicateHandle { handle, .. } => Some(handle.clone()),
            _ => None,
        })
        .collect();
    let mut text = String::new();
    for (name, object) in &scenario.objects {
        let Object::Handle { of, .. } = object else { continue };
        if opened_by_steps.contains(name) {
            continue;
        }
        let mut origin = of;
        while let Some(Object::Handle { of, .. }) = scenario.objects.get(origin) {
            origin = of;
        }
        let origin = identifiers.of(origin);
        let origin = if origin.starts_with("T_") {
            format!("threads[{origin}].handle")
        } else {
            origin.to_owned()
        };
        let _ = writeln!(text, "    duplicate({origin}, &{});", identifiers.of(name));
    }
    text
}

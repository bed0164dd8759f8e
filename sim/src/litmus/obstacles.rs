//! What keeps a scenario from running in a program of a real system.

use super::uses::{Uses, calls};
use alertable_traces::call::Call;
use alertable_traces::outcome::Value;
use alertable_traces::scenario::{Count, Object, Scenario, Start, Step, Thread, ThreadMode};

/// The most packets that the program takes at once: they are kept in every record.
const ENTRY_COUNT_MAX: u32 = 64;

/// Why a scenario cannot run on a real system, each reason in a sentence; none if it can.
pub fn obstacles(scenario: &Scenario) -> Vec<String> {
    let mut reasons = Vec::new();
    for (name, object) in &scenario.objects {
        reasons.extend(object_obstacle(scenario, name, object));
    }
    for (name, thread) in &scenario.threads {
        reasons.extend(thread_obstacle(name, thread));
    }
    for step in calls(scenario) {
        reasons.extend(call_obstacle(&step.call));
    }
    let mut created: Vec<&str> = Vec::new();
    for step in calls(scenario) {
        if let Call::CreateThread { thread } = &step.call {
            if created.contains(&thread.as_str()) {
                reasons.push(format!("the thread `{thread}` is created more than once"));
            }
            if scenario.threads.get(thread).is_none_or(|thread| thread.start != Start::Later) {
                reasons.push(format!("the thread `{thread}` is created although it is there"));
            }
            created.push(thread);
        }
    }
    if Uses::of(scenario).entry_count_max > ENTRY_COUNT_MAX {
        reasons.push(format!("a step takes more than {ENTRY_COUNT_MAX} packets at once"));
    }
    let bodies = scenario.threads.values().map(|thread| &thread.steps);
    if bodies.chain(scenario.routines.values()).any(|steps| runs_for_ever(steps)) {
        reasons.push("it repeats steps without end".to_owned());
    }
    reasons.sort();
    reasons.dedup();
    reasons
}

/// Whether a loop has no end of its own and waits for nothing.
fn runs_for_ever(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Call(_) => false,
        Step::Repeat(repeat) => {
            let is_endless = repeat.count == Count::Infinite && repeat.condition.is_none();
            (is_endless && !repeat.steps.iter().any(waits_for_ever)) || runs_for_ever(&repeat.steps)
        }
    })
}

fn waits_for_ever(step: &Step) -> bool {
    let Step::Call(step) = step else { return false };
    serde_json::to_value(&step.call).is_ok_and(|call| call["ms"] == "INFINITE")
}

fn object_obstacle(scenario: &Scenario, name: &str, object: &Object) -> Option<String> {
    let elsewhere = |process: &Option<String>| {
        process.as_ref().map(|process| format!("`{name}` is in another process, `{process}`"))
    };
    match object {
        Object::Device { .. } => {
            Some(format!("`{name}` is a device: no program can be its driver"))
        }
        Object::Kapc { .. }
        | Object::Dpc { .. }
        | Object::Interrupt { .. }
        | Object::SpinLock
        | Object::FastMutex
        | Object::GuardedMutex
        | Object::Irp
        | Object::IrpQueue
        | Object::Mutex { kernel: true, .. } => {
            Some(format!("`{name}` is there for code in kernel mode alone"))
        }
        Object::Mutex { owner: Some(owner), .. } => {
            let starts_now = scenario.threads.get(owner).is_some_and(|t| t.start == Start::Now);
            (!starts_now)
                .then(|| format!("`{owner}` owns `{name}` before it has run its first step"))
        }
        Object::Pool { .. }
        | Object::PoolTimer { .. }
        | Object::PoolWait { .. }
        | Object::PoolIo { .. } => {
            Some(format!("`{name}` is of a thread pool, whose threads a program cannot name"))
        }
        Object::Pipe { quota: 0, .. } => {
            Some(format!("`{name}` keeps no unread bytes, which is not asked for in this way"))
        }
        Object::Pipe { .. } => {
            let has_server = scenario.objects.values().any(|object| {
                matches!(object, Object::File { pipe: Some(pipe), end, .. }
                    if pipe == name && *end == Some(alertable_traces::scenario::PipeEnd::Server))
            });
            (!has_server).then(|| format!("`{name}` has no server end"))
        }
        Object::Handle { process, .. } => elsewhere(process),
        _ => None,
    }
}

fn thread_obstacle(name: &str, thread: &Thread) -> Option<String> {
    if let Some(process) = &thread.process {
        return Some(format!("`{name}` is in another process, `{process}`"));
    }
    if thread.mode == ThreadMode::System {
        return Some(format!("`{name}` is a system thread"));
    }
    let priority = super::steps::priority(thread.priority);
    priority.is_none().then(|| format!("`{name}` has a priority that no program can give it"))
}

fn call_obstacle(call: &Call) -> Option<String> {
    match call {
        Call::CompleteRequest { device, .. } => {
            Some(format!("`{device}` completes a request: only a driver can"))
        }
        Call::MsgWaitForMultipleObjectsEx { wake: Value::Name(name), .. }
            if !name.starts_with("QS_") =>
        {
            Some(format!("`{name}` is no kind of message"))
        }
        Call::NtFsControlFile { code: Value::Name(name), .. }
        | Call::NtDeviceIoControlFile { code: Value::Name(name), .. }
        | Call::DeviceIoControl { code: Value::Name(name), .. }
            if super::calls::control_code(name).is_none() =>
        {
            Some(format!("`{name}` is no control code that is known here"))
        }
        _ => None,
    }
}

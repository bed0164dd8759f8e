//! Routines and threads as C functions.

use super::names::{Identifiers, literal};
use super::steps::{Steps, priority};
use super::uses::{RoutineUse, Uses};
use alertable_traces::scenario::{Object, PRIORITY_NORMAL, Scenario, Start};
use std::fmt::Write;

/// The head of the function by which the system calls a routine, and what its entry is made of.
fn entry(used_as: RoutineUse, routine: &str, name: &str) -> (String, String) {
    match used_as {
        RoutineUse::Apc => (
            format!("static void CALLBACK apc_{routine}(ULONG_PTR data)"),
            format!("apc_entry({name}, data)"),
        ),
        RoutineUse::Timer => (
            format!("static void CALLBACK timer_{routine}(void *timer, DWORD low, DWORD high)"),
            format!("((void)low, (void)high, timer_entry({name}, timer))"),
        ),
        RoutineUse::Completion => (
            format!(
                "static void CALLBACK io_{routine}(DWORD error, DWORD bytes, OVERLAPPED *overlapped)"
            ),
            format!("io_entry({name}, error, bytes, overlapped)"),
        ),
        RoutineUse::NativeCompletion => (
            format!(
                "static void NTAPI native_{routine}(void *context, struct iosb *iosb, \
                 ULONG reserved)"
            ),
            format!("((void)context, (void)reserved, native_entry({name}, iosb))"),
        ),
        RoutineUse::Work
        | RoutineUse::WorkItem
        | RoutineUse::PoolTimer
        | RoutineUse::PoolWait
        | RoutineUse::PoolIo => unreachable!("pools are an obstacle"),
    }
}

/// Declares every function that a step can name.
pub(super) fn prototypes(scenario: &Scenario, uses: &Uses, identifiers: &Identifiers) -> String {
    let mut text = String::new();
    for (name, used_as) in &uses.routines {
        let (head, _) = entry(*used_as, identifiers.of(name), &literal(name));
        let _ = writeln!(text, "{head};");
    }
    for name in scenario.threads.keys() {
        let _ = writeln!(text, "{};", thread_head(identifiers.of(name)));
    }
    text
}

fn thread_head(thread: &str) -> String {
    format!("static DWORD WINAPI run_{thread}(void *unused)")
}

/// The routines: each a function with its steps, and one for each way it is called.
pub(super) fn routines(scenario: &Scenario, uses: &Uses, steps: &mut Steps<'_>) -> String {
    let mut text = String::new();
    for (name, body) in &scenario.routines {
        let routine = steps.identifiers.of(name).to_owned();
        let is_used = uses.routines.iter().any(|(used, _)| used == name);
        if !is_used {
            continue;
        }
        let body = steps.body(body, 1);
        let _ = writeln!(text, "static void {routine}(void)\n{{\n{body}}}\n");
        for (_, used_as) in uses.routines.iter().filter(|(used, _)| used == name) {
            let (head, entry) = entry(*used_as, &routine, &literal(name));
            let _ = writeln!(text, "{head}\n{{\n    run({routine}, {entry});\n}}\n");
        }
    }
    text
}

/// The threads: what they own before the scenario begins, and their steps.
pub(super) fn threads(scenario: &Scenario, steps: &mut Steps<'_>) -> String {
    let mut text = String::new();
    for (name, thread) in &scenario.threads {
        let identifier = steps.identifiers.of(name).to_owned();
        let _ = writeln!(text, "{}\n{{", thread_head(&identifier));
        text.push_str("    (void)unused;\n");
        if thread.priority != PRIORITY_NORMAL
            && let Some(priority) = priority(thread.priority)
        {
            let _ = writeln!(text, "    SetThreadPriority(GetCurrentThread(), {priority});");
        }
        for (mutex, object) in &scenario.objects {
            if matches!(object, Object::Mutex { owner: Some(owner), .. } if owner == name) {
                let mutex = steps.identifiers.of(mutex);
                let _ = writeln!(text, "    WaitForSingleObject({mutex}, INFINITE);");
            }
        }
        if thread.start == Start::Now {
            text.push_str("    wait_at_gate();\n");
        }
        text.push_str("    record(STARTED, 0, NULL);\n");
        text.push_str(&steps.body(&thread.steps, 1));
        let end = if steps.uses.stops_threads { "    end_thread(0);\n" } else { "" };
        let _ = writeln!(text, "    record(ENDED, 0, NULL);\n{end}    return 0;\n}}\n");
    }
    text
}

/// The table of threads.
pub(super) fn thread_table(scenario: &Scenario, identifiers: &Identifiers) -> String {
    let mut text = String::new();
    for (name, thread) in &scenario.threads {
        let start = match thread.start {
            Start::Now => "NOW",
            Start::Suspended => "SUSPENDED",
            Start::Later => "LATER",
        };
        let (identifier, name) = (identifiers.of(name), literal(name));
        let _ = writeln!(text, "    {{ {name}, run_{identifier}, {start}, NULL, NULL, 0, 0 }},");
    }
    text
}

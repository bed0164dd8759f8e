//! Steps in C, and the functions that threads and routines are.

use super::calls::{Writer, buffer_bytes};
use super::names::{Identifiers, literal};
use super::uses::Uses;
use alertable_traces::call::Call;
use alertable_traces::outcome::{CallResult, Value};
use alertable_traces::scenario::{CallStep, Condition, Count, Repeat, Step};
use alertable_traces::trace::{EventKind, TraceEvent};
use std::borrow::Cow;
use std::fmt::Write;

/// The argument of SetThreadPriority that gives a thread of an ordinary process this priority.
pub(super) fn priority(priority: u8) -> Option<&'static str> {
    Some(match priority {
        1 => "THREAD_PRIORITY_IDLE",
        6 => "THREAD_PRIORITY_LOWEST",
        7 => "THREAD_PRIORITY_BELOW_NORMAL",
        8 => "THREAD_PRIORITY_NORMAL",
        9 => "THREAD_PRIORITY_ABOVE_NORMAL",
        10 => "THREAD_PRIORITY_HIGHEST",
        15 => "THREAD_PRIORITY_TIME_CRITICAL",
        _ => return None,
    })
}

/// Writes the steps of all threads and routines, and collects what they need beside them.
pub(super) struct Steps<'a> {
    pub(super) identifiers: &'a Identifiers,
    pub(super) uses: &'a Uses,
    /// The rows of the table of steps: label and call.
    pub(super) table: Vec<String>,
    /// The declarations of buffers.
    pub(super) buffers: String,
    /// For each loop around a step that looks at a label: what leaves it when it has to be left.
    pub(super) exits: Vec<String>,
    /// How many loops there were.
    pub(super) loop_count: usize,
}

impl Steps<'_> {
    /// Some steps at a depth of indentation.
    pub(super) fn body(&mut self, steps: &[Step], depth: usize) -> String {
        steps.iter().map(|step| self.step(step, depth, "")).collect()
    }

    fn step(&mut self, step: &Step, depth: usize, kept_as: &str) -> String {
        match step {
            Step::Call(step) => self.call(step, depth, kept_as),
            Step::Repeat(repeat) => self.repeat(repeat, depth),
        }
    }

    fn call(&mut self, step: &CallStep, depth: usize, kept_as: &str) -> String {
        let number = self.table.len();
        let label = step.label.as_ref();
        let label =
            label.and_then(|label| self.uses.labels.iter().position(|known| known == label));
        let label = label.map_or_else(|| "-1".to_owned(), |label| label.to_string());
        let (can_block, json) = (u8::from(can_block(&step.call)), call_json(&step.call));
        let row = format!("{{ {label}, {can_block}, {} }}", literal(&json));
        self.table.push(row);
        if let Some(bytes) = buffer_bytes(&step.call) {
            // Writing to a string never fails.
            let _ = writeln!(self.buffers, "static char buffer_{number}[{bytes}];");
        }
        let pad = "    ".repeat(depth);
        let ends_directly = self.uses.stops_threads;
        let writer = Writer { identifiers: self.identifiers, step: number, ends_directly };
        let call = writer.call(&step.call);
        let mut text = format!("{pad}call({number}); {kept_as}ret({number}, {call});\n");
        for exit in &self.exits {
            let _ = writeln!(text, "{pad}{exit}");
        }
        text
    }

    fn repeat(&mut self, repeat: &Repeat, depth: usize) -> String {
        let pad = "    ".repeat(depth);
        let Repeat { count, condition, steps } = repeat;
        let variable = format!("i{depth}");
        let head = match count {
            Count::Infinite => format!("{pad}for (;;) {{\n"),
            Count::Times(times) => format!(
                "{pad}for (unsigned {variable} = 0; {variable} < {times}u; {variable}++) {{\n"
            ),
        };
        let mut text = head;
        let last = format!("last{depth}");
        let number = self.loop_count;
        self.loop_count += 1;
        // After each step, the loops are left whose label has a result that does not match.
        let condition = condition
            .as_ref()
            .map(|condition| (condition.label.is_some(), self.condition(condition, &last)));
        if let Some((true, (result, wanted))) = &condition {
            let is_broken = format!("({result}.known & SEEN) && !({wanted})");
            self.exits.push(format!("if ({is_broken}) goto behind_{number};"));
        }
        let looks_at_last = matches!(&condition, Some((false, _)));
        if looks_at_last {
            let _ = writeln!(text, "{pad}    struct result {last};");
        }
        for (at, step) in steps.iter().enumerate() {
            let is_last = looks_at_last && at + 1 == steps.len();
            let kept_as = if is_last { format!("{last} = ") } else { String::new() };
            text.push_str(&self.step(step, depth + 1, &kept_as));
        }
        match &condition {
            Some((true, _)) => {
                self.exits.pop();
                let _ = writeln!(text, "{pad}}}\n{pad}behind_{number}: ;");
            }
            Some((false, (_, wanted))) => {
                let _ = writeln!(text, "{pad}    if (!({wanted}))\n{pad}        break;\n{pad}}}");
            }
            None => {
                let _ = writeln!(text, "{pad}}}");
            }
        }
        text
    }

    /// Where the result is that a condition looks at, and whether it is what is asked for.
    fn condition(&self, condition: &Condition, kept: &str) -> (String, String) {
        let known = condition.label.as_ref();
        let label =
            known.and_then(|label| self.uses.labels.iter().position(|other| other == label));
        let result = label.map_or_else(|| kept.to_owned(), |label| format!("last[{label}]"));
        let CallResult { ret, error, bytes, key, previous, .. } = &condition.is;
        let mut parts = vec![match ret {
            Value::Number(number) => {
                format!("!{result}.name && {result}.number == {number}")
            }
            Value::Name(name) => {
                let status = alertable_traces::status::NtStatus::from_name(name);
                match (status, name.split_once('+')) {
                    (Some(status), _) => format!(
                        "({result}.known & STATUS) && (DWORD){result}.number == 0x{:08X}",
                        status.0
                    ),
                    (None, Some((name, index))) => format!(
                        "{result}.name && !strcmp({result}.name, \"{name}\") && \
                         {result}.number == {index}"
                    ),
                    (None, None) => format!(
                        "{result}.name && !strcmp({result}.name, \"{name}\") && \
                         {result}.number == 0"
                    ),
                }
            }
        }];
        if let Some(error) =
            error.as_ref().and_then(|error| alertable_traces::status::Win32Error::from_name(error))
        {
            parts.push(format!("({result}.known & ERROR_CODE) && {result}.error == {}", error.0));
        }
        if let Some(bytes) = bytes {
            parts.push(format!("({result}.known & BYTES) && {result}.bytes == {bytes}"));
        }
        if let Some(key) = key {
            parts.push(format!("({result}.known & KEY) && {result}.key == {key}"));
        }
        if let Some(previous) = previous {
            parts.push(format!("({result}.known & PREVIOUS) && {result}.previous == {previous}"));
        }
        (result.clone(), parts.join(" && "))
    }
}

/// Whether a call may last for ever: it waits without a limit, or for a file.
fn can_block(call: &Call) -> bool {
    let Ok(text) = serde_json::to_value(call) else { return true };
    let on_file = matches!(call, Call::CancelIo { .. } | Call::NtCancelIoFile { .. })
        || matches!(call, Call::CloseHandle { .. })
        || buffer_bytes(call).is_some();
    on_file || text["ms"] == "INFINITE" || text["wait"] == true
}

/// A call as a trace has it, without the event's own fields.
fn call_json(call: &Call) -> String {
    let what = EventKind::Call { call: Cow::Borrowed(call) };
    let event = TraceEvent { n: 0, t: 0, thread: None, what };
    let text = serde_json::to_string(&event).unwrap_or_default();
    let (_, call) = text.split_once("\"ev\":\"call\",").unwrap_or_default();
    call.trim_end_matches('}').to_owned()
}

//! The scenario's names in C, and texts as C literals.

use alertable_models::win32::win32_error;
use alertable_traces::status::{NtStatus, Win32Error};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The C identifiers of a scenario's names. One namespace in the scenario, one here.
#[derive(Debug, Default)]
pub(super) struct Identifiers {
    given: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Identifiers {
    /// Gives a name its identifier: a prefix that says what it is, and what C allows of it.
    pub(super) fn declare(&mut self, prefix: &str, name: &str) {
        let plain: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let wanted = format!("{prefix}_{plain}");
        let mut identifier = wanted.clone();
        let mut number = 2;
        while !self.taken.insert(identifier.clone()) {
            identifier = format!("{wanted}_{number}");
            number += 1;
        }
        self.given.insert(name.to_owned(), identifier);
    }

    /// The identifier of a name. The reader of scenarios has made sure that there is one.
    pub(super) fn of(&self, name: &str) -> &str {
        match self.given.get(name) {
            Some(identifier) => identifier,
            None => unreachable!("`{name}` was not declared"),
        }
    }
}

/// A text as a C string literal.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            // Two of them begin a trigraph.
            b'?' => out.push_str("\\?"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                // Three digits: what follows cannot be taken for one more.
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out.push('"');
    out
}

/// A text inside a JSON string, as a C literal.
pub(super) fn json_literal(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    literal(&quoted[1..quoted.len() - 1])
}

/// A text that cannot end a C comment.
pub(super) fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace("/*", "/ *")
}

/// What the calls of a scenario can return beside what its own steps name.
const STATUSES: &[NtStatus] = &[
    NtStatus::SUCCESS,
    NtStatus::ABANDONED_WAIT_0,
    NtStatus::USER_APC,
    NtStatus::ALREADY_COMPLETE,
    NtStatus::KERNEL_APC,
    NtStatus::ALERTED,
    NtStatus::TIMEOUT,
    NtStatus::PENDING,
    NtStatus::BUFFER_OVERFLOW,
    NtStatus::UNSUCCESSFUL,
    NtStatus::NOT_IMPLEMENTED,
    NtStatus::INVALID_HANDLE,
    NtStatus::INVALID_PARAMETER,
    NtStatus::INVALID_DEVICE_REQUEST,
    NtStatus::END_OF_FILE,
    NtStatus::ACCESS_DENIED,
    NtStatus::OBJECT_TYPE_MISMATCH,
    NtStatus::THREAD_IS_TERMINATING,
    NtStatus::SUSPEND_COUNT_EXCEEDED,
    NtStatus::SEMAPHORE_LIMIT_EXCEEDED,
    NtStatus::MUTANT_NOT_OWNED,
    NtStatus::INVALID_PIPE_STATE,
    NtStatus::PIPE_NOT_AVAILABLE,
    NtStatus::PIPE_DISCONNECTED,
    NtStatus::PIPE_CLOSING,
    NtStatus::PIPE_CONNECTED,
    NtStatus::PIPE_LISTENING,
    NtStatus::PIPE_EMPTY,
    NtStatus::PIPE_BROKEN,
    NtStatus::PIPE_BUSY,
    NtStatus::INVALID_READ_MODE,
    NtStatus::CANCELLED,
    NtStatus::NOT_FOUND,
];

/// The errors that stand for no status of that list.
const ERRORS: &[Win32Error] = &[
    Win32Error(0),
    Win32Error(50),
    Win32Error(87),
    Win32Error(120),
    Win32Error(121),
    Win32Error(258),
    Win32Error(735),
    Win32Error(995),
    Win32Error(996),
    Win32Error(997),
    Win32Error(998),
    Win32Error(1168),
];

/// The statuses and errors that the program knows by name, as the rows of its tables. The
/// scenario's own text says which others it can meet.
pub(super) fn code_tables(scenario: &str) -> (String, String) {
    let of_scenario = NtStatus::names().filter(|name| scenario.contains(*name));
    let named = of_scenario.filter_map(NtStatus::from_name);
    let statuses: BTreeMap<u32, String> = STATUSES
        .iter()
        .copied()
        .chain(named)
        .filter_map(|status| Some((status.0, status.name()?.to_owned())))
        .collect();
    let errors: BTreeMap<u32, String> = statuses
        .keys()
        .map(|status| win32_error(NtStatus(*status)))
        .chain(ERRORS.iter().copied())
        .filter_map(|error| Some((error.0, error.name()?.to_owned())))
        .collect();
    (rows(&statuses, |code| format!("0x{code:08X}")), rows(&errors, |code| code.to_string()))
}

fn rows(names: &BTreeMap<u32, String>, code: impl Fn(u32) -> String) -> String {
    let mut text = String::new();
    for (value, name) in names {
        let _ = writeln!(text, "    {{ {}, \"{name}\" }},", code(*value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_c_cannot_tell_apart_get_numbers() {
        let mut identifiers = Identifiers::default();
        for name in ["e-1", "e_1", "e 1"] {
            identifiers.declare("event", name);
        }
        let given = ["e-1", "e_1", "e 1"].map(|name| identifiers.of(name).to_owned());
        assert_eq!(given, ["event_e_1", "event_e_1_2", "event_e_1_3"]);
    }

    #[test]
    fn literals_hold_any_text() {
        assert_eq!(literal("a\"b\\c??/\né7"), r#""a\"b\\c\?\?/\012\303\2517""#);
    }

    #[test]
    fn common_codes_are_in_the_tables() {
        let (statuses, errors) = code_tables("");
        assert!(statuses.contains("{ 0x00000103, \"STATUS_PENDING\" }"), "{statuses}");
        assert!(errors.contains("{ 997, \"ERROR_IO_PENDING\" }"), "{errors}");
    }
}

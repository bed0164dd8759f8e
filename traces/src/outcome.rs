//! What the program could know when a run was over.

use crate::context::{Context, kinds};
use crate::declare::{document, names, record, stands_alone};
use crate::document::DocumentKind;
use crate::error::Fault;
use crate::json::{Json, Node};
use crate::read::Read;
use crate::reader::{ErrorName, Nullable, Returned, StatusName, To};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A name or a number: what a call returned, or a value that it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A name of the headers, as `"WAIT_OBJECT_0"` or `"STATUS_PENDING"`.
    Name(String),
    /// A number without a name, as a suspend count.
    Number(i64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Name(name) => f.write_str(name),
            Value::Number(number) => number.fmt(f),
        }
    }
}

impl From<&str> for Value {
    fn from(name: &str) -> Self {
        Value::Name(name.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl Read for Value {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        match &node.value {
            Json::String(name) => Ok(Value::Name(name.to_string())),
            Json::Number(_) => i64::read(node, cx).map(Value::Number),
            _ => Err(node.mismatch("a name or a number")),
        }
    }
}

impl JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

names! {
    /// How a run ended.
    pub enum End: "end" {
        /// Every started thread has ended.
        Finished = "finished",
        /// Some thread never can go on.
        Blocked = "blocked",
        /// The step limit was met.
        Limit = "limit",
    }
}

record! {
    /// What a call returned, and what it gave back beside that. Whatever the call does not have
    /// is left out.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct CallResult {
        /// What it returned: a name (`"TRUE"`, `"WAIT_OBJECT_0"`, `"STATUS_PENDING"`) or a number.
        ret: Value => Returned,
        /// The name of the last error, where the call failed with one.
        error: Option<String> => ErrorName,
        /// Bytes transferred.
        bytes: Option<u64>,
        /// The previous count of a semaphore.
        previous: Option<i64>,
        /// The key of a completion packet.
        key: Option<u64>,
        /// The OVERLAPPED of a completion packet: its name, or null.
        overlapped: Option<Option<String>> => Nullable<{ kinds::BLOCK }>,
        /// The packets that `GetQueuedCompletionStatusEx` took.
        entries: Option<Vec<PortEntry>>,
        /// The value (APC context) of a completion packet: a number, or the name of an OVERLAPPED.
        value: Option<Value>,
        /// The status of a completion packet.
        status: Option<String> => StatusName,
        /// The information of a completion packet, mostly bytes.
        information: Option<u64>,
    }
}

impl CallResult {
    /// A result that is just what the call returned.
    pub fn of(ret: Value) -> Self {
        CallResult {
            ret,
            error: None,
            bytes: None,
            previous: None,
            key: None,
            overlapped: None,
            entries: None,
            value: None,
            status: None,
            information: None,
        }
    }

    /// Whether another result agrees with this one in every field that this one has: what the
    /// `is` of a condition asks.
    pub fn matches(&self, other: &CallResult) -> bool {
        crate::matching::agrees(self, other)
    }
}

record! {
    /// A completion packet, as `GetQueuedCompletionStatusEx` gives it.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct PortEntry {
        /// The key of the file, or what was posted.
        key: u64,
        /// Bytes transferred, or what was posted.
        bytes: u64,
        /// The OVERLAPPED, or null.
        overlapped: Option<String> => Nullable<{ kinds::BLOCK }>,
        /// The status of the request, where it was visible.
        status: Option<String> => StatusName,
    }
}

record! {
    /// A routine that ran. A user APC has `data`; an I/O completion has `error`, `bytes` and
    /// `overlapped`; a timer's routine has `timer`.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct ApcEntry {
        /// The routine.
        routine: String => To<{ kinds::ROUTINE }>,
        /// The data that was queued with it.
        data: Option<u64>,
        /// The error with which the request ended, `"ERROR_SUCCESS"` for none.
        error: Option<String> => ErrorName,
        /// Bytes transferred.
        bytes: Option<u64>,
        /// The OVERLAPPED or status block of the request.
        overlapped: Option<String> => To<{ kinds::BLOCK }>,
        /// The timer that was due.
        timer: Option<String> => To<{ kinds::ANY_TIMER }>,
    }
}

impl ApcEntry {
    /// Whether another entry agrees with this one in every field that this one has.
    pub fn matches(&self, other: &ApcEntry) -> bool {
        crate::matching::agrees_entry(self, other)
    }

    /// An entry that has nothing but the routine.
    pub fn of(routine: impl Into<String>) -> Self {
        ApcEntry {
            routine: routine.into(),
            data: None,
            error: None,
            bytes: None,
            overlapped: None,
            timer: None,
        }
    }
}

record! {
    /// What an OVERLAPPED or I/O status block reads.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct StatusBlock {
        /// The status, `"STATUS_PENDING"` while the request is not complete.
        status: String => StatusName,
        /// Bytes transferred.
        bytes: u64,
    }
}

stands_alone!(CallResult, PortEntry, ApcEntry, StatusBlock);

record! {
    /// What an observer inside the program could know when nothing can happen any more. Two
    /// runs with the same outcome are indistinguishable to the program.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Outcome {
        /// How the run ended.
        end: End,
        /// The results under each label, in order. A label without results is left out.
        labels: BTreeMap<String, Vec<CallResult>>,
        /// The routines that ran on each thread, in order. A thread without any is left out.
        apcs: BTreeMap<String, Vec<ApcEntry>>,
        /// The threads that can never go on, sorted.
        blocked: Vec<String>,
        /// Every OVERLAPPED of the scenario, and every status block that was written.
        overlapped: BTreeMap<String, StatusBlock>,
        /// The exit codes of the threads that have ended.
        exits: BTreeMap<String, u32>,
    }
}

document!(Outcome, DocumentKind::Outcome);

impl Outcome {
    /// An outcome in which nothing happened.
    pub fn of(end: End) -> Self {
        Outcome {
            end,
            labels: BTreeMap::new(),
            apcs: BTreeMap::new(),
            blocked: Vec::new(),
            overlapped: BTreeMap::new(),
            exits: BTreeMap::new(),
        }
    }

    /// The outcome as a JSON document in one line, its fields in the order of the format's
    /// documentation.
    pub fn to_json(&self) -> String {
        crate::layout::one_line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_written_in_the_order_of_the_format() {
        let mut outcome = Outcome::of(End::Finished);
        outcome.labels.insert("w".to_owned(), vec![CallResult::of("WAIT_TIMEOUT".into())]);
        outcome.exits.insert("main".to_owned(), 0);
        assert_eq!(
            outcome.to_json(),
            r#"{"alertable":1,"kind":"outcome","end":"finished","labels":{"w":[{"ret":"WAIT_TIMEOUT"}]},"apcs":{},"blocked":[],"overlapped":{},"exits":{"main":0}}"#
        );
    }

    #[test]
    fn an_outcome_reads_back_as_it_was_written() {
        let text = r#"{"alertable":1,"kind":"outcome","end":"blocked","labels":{"g":[{"ret":"FALSE","error":"WAIT_TIMEOUT","overlapped":null},{"ret":"TRUE","entries":[{"key":0,"bytes":1,"overlapped":null}]}]},"apcs":{"t":[{"routine":"A","data":18446744073709551615}]},"blocked":["t"],"overlapped":{"ov":{"status":"STATUS_PENDING","bytes":0}},"exits":{"main":4294967295}}"#;
        assert_eq!(crate::read_outcome(text, None).unwrap().to_json(), text);
    }

    #[test]
    fn a_result_matches_in_the_fields_that_it_has() {
        let wanted = CallResult::of("FALSE".into());
        let got = CallResult { error: Some("ERROR_IO_PENDING".to_owned()), ..wanted.clone() };
        assert!(wanted.matches(&got));
        assert!(!got.matches(&wanted));
    }
}

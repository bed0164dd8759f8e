//! Outcomes with fields left out.

use crate::context::{Context, Kinds, kinds};
use crate::declare::{record, stands_alone};
use crate::document::{DocumentKind, FORMAT_VERSION, check_kind};
use crate::error::Fault;
use crate::json::{Json, Node};
use crate::outcome::{ApcEntry, CallResult, End, PortEntry, StatusBlock, Value};
use crate::read::{Members, Properties, Read, Record};
use crate::reader::{
    ErrorName, Nullable, OneOrList, Reader, Returned, StatusName, To, one_or_list, read_one_or_list,
};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};

record! {
    /// An outcome with fields left out: what it does not say may be anything. An object without
    /// members says that there is none at all.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Pattern {
        /// How the run ends.
        end: Option<End>,
        /// The results under labels: the whole list, or one that stands for a list of it.
        labels: Option<IndexMap<String, Vec<ResultPattern>>> => Sections<{ kinds::LABEL }>,
        /// The routines that ran on threads: the whole list.
        apcs: Option<IndexMap<String, Vec<ApcPattern>>> => Sections<{ kinds::RUNNER }>,
        /// The threads that can never go on, in any order.
        blocked: Option<Vec<String>> => To<{ kinds::THREAD }>,
        /// What OVERLAPPEDs and status blocks read.
        overlapped: Option<IndexMap<String, StatusPattern>> => Sections<{ kinds::BLOCK }>,
        /// The exit codes of threads.
        exits: Option<IndexMap<String, u32>> => Sections<{ kinds::THREAD }>,
    }
}

record! {
    /// A call's result with fields left out. A bare name or number stands for `ret` alone.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ResultPattern {
        /// What the call returned.
        ret: Option<Value> => Returned,
        /// The name of the last error.
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
        entries: Option<Vec<EntryPattern>>,
        /// The value of a completion packet.
        value: Option<Value>,
        /// The status of a completion packet.
        status: Option<String> => StatusName,
        /// The information of a completion packet.
        information: Option<u64>,
    }
}

record! {
    /// A completion packet with fields left out.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct EntryPattern {
        /// The key.
        key: Option<u64>,
        /// Bytes transferred.
        bytes: Option<u64>,
        /// The OVERLAPPED, or null.
        overlapped: Option<Option<String>> => Nullable<{ kinds::BLOCK }>,
        /// The status of the request.
        status: Option<String> => StatusName,
    }
}

record! {
    /// A routine that ran, with fields left out.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ApcPattern {
        /// The routine.
        routine: Option<String> => To<{ kinds::ROUTINE }>,
        /// The data that was queued with it.
        data: Option<u64>,
        /// The error with which the request ended.
        error: Option<String> => ErrorName,
        /// Bytes transferred.
        bytes: Option<u64>,
        /// The OVERLAPPED or status block of the request.
        overlapped: Option<String> => To<{ kinds::BLOCK }>,
        /// The timer that was due.
        timer: Option<String> => To<{ kinds::ANY_TIMER }>,
    }
}

record! {
    /// What an OVERLAPPED or status block reads, with fields left out.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct StatusPattern {
        /// The status.
        status: Option<String> => StatusName,
        /// Bytes transferred.
        bytes: Option<u64>,
    }
}

stands_alone!(EntryPattern, ApcPattern, StatusPattern);

/// The members of an object whose keys are names of things.
pub(crate) struct Sections<const KINDS: u32>;

/// A value of such a member.
pub(crate) trait Section: Read {
    fn read_section(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        Self::read(node, cx)
    }

    fn section_schema(generator: &mut SchemaGenerator) -> Schema {
        Self::schema(generator)
    }

    fn write_section<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// A value of such a member, as it is written.
struct Written<'v, T>(&'v T);

impl<T: Section> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write_section(serializer)
    }
}

macro_rules! plain_sections {
    ($($section:ty),*) => { $(
        impl Section for $section {
            fn write_section<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )* };
}

plain_sections!(Vec<ApcPattern>, StatusPattern, u32);

/// One result stands for a list of it.
impl Section for Vec<ResultPattern> {
    fn read_section(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        read_one_or_list(node, cx)
    }

    fn section_schema(generator: &mut SchemaGenerator) -> Schema {
        one_or_list::<ResultPattern>(generator)
    }

    fn write_section<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OneOrList(self).serialize(serializer)
    }
}

impl<T: Section, const KINDS: u32> Reader<Option<IndexMap<String, T>>> for Sections<KINDS> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Option<IndexMap<String, T>>, Fault> {
        let mut sections = IndexMap::new();
        for member in node.fields()?.members() {
            cx.count_expected(member.key_span)?;
            cx.refer_by_name(&member.key, member.key_span, Kinds(KINDS));
            sections.insert(member.key.to_string(), T::read_section(&member.value, cx)?);
        }
        Ok(Some(sections))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let section = T::section_schema(generator);
        json_schema!({ "type": "object", "additionalProperties": section })
    }

    fn write<M: Members>(
        map: &mut M,
        name: &str,
        value: &Option<IndexMap<String, T>>,
    ) -> Result<(), M::Error> {
        let sections = value.iter().flatten().map(|(name, section)| (name, Written(section)));
        map.member(name, &sections.collect::<IndexMap<_, _>>())
    }
}

/// A result with all its fields, as an outcome has it.
pub(crate) struct Full<'p>(pub(crate) &'p ResultPattern);

impl Serialize for Full<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.write_record(&mut map)?;
        map.end()
    }
}

/// A pattern may say what it is, as an outcome does.
const KIND_FIELDS: [&str; 2] = ["alertable", "kind"];

impl Read for Pattern {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        cx.count_expected(node.span)?;
        let fields = node.fields()?;
        if KIND_FIELDS.iter().any(|name| fields.get(name).is_some()) {
            check_kind(fields, DocumentKind::Outcome)?;
        }
        Pattern::read_record(fields, &KIND_FIELDS, cx)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write_record(&mut map)?;
        map.end()
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Properties::new(generator);
        let version = json_schema!({ "const": FORMAT_VERSION });
        properties.add("alertable", "", version, None, false);
        properties.add("kind", "", json_schema!({ "const": "outcome" }), None, false);
        Pattern::describe(&mut properties);
        properties.object(&crate::read::plain_doc(Pattern::DOC))
    }
}

impl Read for ResultPattern {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        cx.count_expected(node.span)?;
        match &node.value {
            Json::String(_) | Json::Number(_) => {
                let ret = <Returned as Reader<Value>>::read(node, cx)?;
                Ok(ResultPattern { ret: Some(ret), ..ResultPattern::default() })
            }
            Json::Object(_) => ResultPattern::read_record(node.fields()?, &[], cx),
            _ => Err(node.mismatch("a result: a name, a number or an object")),
        }
    }
}

impl Serialize for ResultPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bare = ResultPattern { ret: self.ret.clone(), ..ResultPattern::default() };
        match &self.ret {
            Some(ret) if *self == bare => ret.serialize(serializer),
            _ => {
                let mut map = serializer.serialize_map(None)?;
                self.write_record(&mut map)?;
                map.end()
            }
        }
    }
}

impl JsonSchema for ResultPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResultPattern".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let ret = generator.subschema_for::<Value>();
        let mut properties = Properties::new(generator);
        ResultPattern::describe(&mut properties);
        let object = properties.object("");
        let doc = crate::read::plain_doc(ResultPattern::DOC);
        json_schema!({ "description": doc, "anyOf": [ret, object] })
    }
}

impl From<CallResult> for ResultPattern {
    fn from(result: CallResult) -> Self {
        let CallResult { ret, error, bytes, previous, key, overlapped, .. } = result;
        let entries = result.entries;
        ResultPattern {
            ret: Some(ret),
            error,
            bytes,
            previous,
            key,
            overlapped,
            entries: entries.map(|entries| entries.into_iter().map(EntryPattern::from).collect()),
            value: result.value,
            status: result.status,
            information: result.information,
        }
    }
}

impl From<PortEntry> for EntryPattern {
    fn from(entry: PortEntry) -> Self {
        EntryPattern {
            key: Some(entry.key),
            bytes: Some(entry.bytes),
            overlapped: Some(entry.overlapped),
            status: entry.status,
        }
    }
}

impl From<ApcEntry> for ApcPattern {
    fn from(entry: ApcEntry) -> Self {
        let ApcEntry { routine, data, error, bytes, overlapped, timer } = entry;
        ApcPattern { routine: Some(routine), data, error, bytes, overlapped, timer }
    }
}

impl From<StatusBlock> for StatusPattern {
    fn from(block: StatusBlock) -> Self {
        StatusPattern { status: Some(block.status), bytes: Some(block.bytes) }
    }
}

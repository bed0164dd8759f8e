//! The first line of a trace.

use crate::context::Context;
use crate::declare::names;
use crate::document::{DocumentKind, FORMAT_VERSION, check_kind};
use crate::error::Fault;
use crate::json::{Json, Node};
use crate::read::{Fields, Properties, Read};
use crate::scenario::Scenario;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as AnyValue};

names! {
    /// How much a trace tells.
    pub enum Level: "level" {
        /// Every step with every choice, as the simulator writes it.
        Full = "full",
        /// Calls, returns, and routines that begin and end, as captured from outside.
        Api = "api",
        /// What happened to objects, as a system tells it.
        Object = "object",
    }
}

/// The first line of a trace: how much it tells, where it comes from, and what was run.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceHeader {
    /// How much the trace tells.
    pub level: Level,
    /// Where it comes from: `system`, `version`, and whatever else is known; for a simulated
    /// run, its options.
    pub source: Map<String, AnyValue>,
    /// What was run, where that is known.
    pub scenario: Option<Scenario>,
}

impl Read for TraceHeader {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let fields = node.fields()?;
        check_kind(fields, DocumentKind::Trace)?;
        fields.only(&["alertable", "kind", "level", "source", "scenario"], &[])?;
        let source = match fields.get("source") {
            None => Map::new(),
            Some(node) => any_object(node.fields()?),
        };
        let scenario = match fields.get("scenario") {
            None => None,
            Some(node) if node.is_null() => None,
            Some(node) => {
                let mut cx = Context::scenario();
                let scenario = Scenario::read(node, &mut cx)?;
                cx.resolve()?;
                Some(scenario)
            }
        };
        Ok(TraceHeader { level: Level::read(fields.require("level")?, cx)?, source, scenario })
    }
}

fn any_object(fields: Fields<'_, '_>) -> Map<String, AnyValue> {
    let members = fields.members().iter();
    members.map(|member| (member.key.to_string(), any_value(&member.value))).collect()
}

/// A node as a plain JSON value. Numbers beyond 64 bits lose digits.
fn any_value(node: &Node<'_>) -> AnyValue {
    match &node.value {
        Json::Null => AnyValue::Null,
        Json::Bool(value) => AnyValue::Bool(*value),
        Json::Number(digits) => serde_json::from_str(digits).unwrap_or(AnyValue::Null),
        Json::String(text) => AnyValue::String(text.to_string()),
        Json::List(items) => AnyValue::Array(items.iter().map(any_value).collect()),
        Json::Object(_) => node.fields().map_or(AnyValue::Null, |fields| any_object(fields).into()),
    }
}

impl Serialize for TraceHeader {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("alertable", &FORMAT_VERSION)?;
        map.serialize_entry("kind", DocumentKind::Trace.name())?;
        map.serialize_entry("level", &self.level)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("scenario", &self.scenario)?;
        map.end()
    }
}

impl JsonSchema for TraceHeader {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TraceHeader".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let level = generator.subschema_for::<Level>();
        let scenario = generator.subschema_for::<Scenario>();
        let mut properties = Properties::new(generator);
        properties.constant("alertable", FORMAT_VERSION);
        properties.constant("kind", DocumentKind::Trace.name());
        properties.add("level", "How much the trace tells.", level, None, true);
        let source = json_schema!({ "type": "object" });
        properties.add("source", "Where it comes from.", source, None, false);
        let scenario = json_schema!({ "anyOf": [scenario, { "type": "null" }] });
        properties.add("scenario", "What was run, where that is known.", scenario, None, false);
        properties.object("The first line of a trace.")
    }
}

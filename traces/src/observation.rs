//! What a real system did.

use crate::context::Context;
use crate::declare::record;
use crate::document::{DocumentKind, FORMAT_VERSION, check_kind};
use crate::error::Fault;
use crate::json::Node;
use crate::matching::{Absent, Mismatch};
use crate::outcome::Outcome;
use crate::pattern::{Full, Pattern};
use crate::read::{Properties, Read, Record, plain_doc};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};

record! {
    /// What a real system did with a scenario, and how often: the fields beside an outcome's.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Sighting {
        /// The title of the scenario that was run.
        scenario: String,
        /// The system that ran it.
        source: Source,
        /// How often this was seen.
        count: u64 = 1,
    }
}

/// What a real system did with a scenario, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The title of the scenario.
    pub scenario: String,
    /// The system.
    pub source: Source,
    /// How often this was seen.
    pub count: u64,
    /// What was seen; what it leaves out was not visible.
    pub outcome: Pattern,
}

/// Where an observation or a trace comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The system, as `"wine"`; empty when it is not said.
    pub system: String,
    /// Its version; empty when it is not said.
    pub version: String,
    /// Whatever else is said about it.
    pub others: IndexMap<String, String>,
}

impl Observation {
    /// Whether the outcome agrees with everything that was seen.
    pub fn agrees_with(&self, outcome: &Outcome) -> bool {
        self.disagreement(outcome).is_none()
    }

    /// The first thing in which the outcome is not what was seen. A field that is missing in a
    /// result was not visible, and neither was an OVERLAPPED that is not named; a label or
    /// thread that is missing in its section did not happen. A section that is missing
    /// altogether was not visible.
    pub fn disagreement(&self, outcome: &Outcome) -> Option<Mismatch> {
        let seen = &self.outcome;
        match &seen.overlapped {
            Some(overlapped) if overlapped.is_empty() => {
                let seen = Pattern { overlapped: None, ..seen.clone() };
                seen.difference(outcome, Absent::Nothing)
            }
            _ => seen.difference(outcome, Absent::Nothing),
        }
    }

    /// The observation as JSON in one line, without a line end.
    pub fn to_json(&self) -> String {
        crate::layout::one_line(self)
    }
}

/// The fields that are not the outcome's.
const OWN_FIELDS: [&str; 5] = ["alertable", "kind", "scenario", "source", "count"];
/// The fields that are the outcome's.
const OUTCOME_FIELDS: [&str; 6] = ["end", "labels", "apcs", "blocked", "overlapped", "exits"];

impl Read for Observation {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let fields = node.fields()?;
        check_kind(fields, DocumentKind::Observation)?;
        let outcome = Pattern::read_record(fields, &OWN_FIELDS, cx)?;
        let beside = [&["alertable", "kind"], &OUTCOME_FIELDS[..]].concat();
        let Sighting { scenario, source, count } = Sighting::read_record(fields, &beside, cx)?;
        Ok(Observation { scenario, source, count, outcome })
    }
}

impl Serialize for Observation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("alertable", &FORMAT_VERSION)?;
        map.serialize_entry("kind", DocumentKind::Observation.name())?;
        write_outcome(&self.outcome, &mut map)?;
        map.serialize_entry("scenario", &self.scenario)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("count", &self.count)?;
        map.end()
    }
}

/// The sections as an outcome has them, without abbreviations.
fn write_outcome<M: SerializeMap>(outcome: &Pattern, map: &mut M) -> Result<(), M::Error> {
    let Pattern { end, labels, .. } = outcome;
    let [first, others] = [
        Pattern { end: *end, ..Pattern::default() },
        Pattern { end: None, labels: None, ..outcome.clone() },
    ];
    first.write_record(map)?;
    if let Some(labels) = labels {
        let full = labels.iter().map(|(label, results)| (label, results.iter().map(Full)));
        let full = full.map(|(label, results)| (label, results.collect::<Vec<_>>()));
        map.serialize_entry("labels", &full.collect::<IndexMap<_, _>>())?;
    }
    others.write_record(map)
}

impl JsonSchema for Observation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Observation".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Properties::new(generator);
        properties.constant("alertable", FORMAT_VERSION);
        properties.constant("kind", DocumentKind::Observation.name());
        Sighting::describe(&mut properties);
        Pattern::describe(&mut properties);
        properties.object(&plain_doc(Sighting::DOC))
    }
}

impl Read for Source {
    fn read(node: &Node<'_>, _: &mut Context) -> Result<Self, Fault> {
        let mut source = Source::default();
        for member in node.fields()?.members() {
            let value = member.value.text()?.to_owned();
            match member.key.as_ref() {
                "system" => source.system = value,
                "version" => source.version = value,
                other => {
                    source.others.insert(other.to_owned(), value);
                }
            }
        }
        Ok(source)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in [("system", &self.system), ("version", &self.version)] {
            if !value.is_empty() {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.others {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl JsonSchema for Source {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let doc = plain_doc(&["Where it comes from: system, version and whatever else is known."]);
        json_schema!({
            "description": doc,
            "type": "object",
            "properties": { "system": { "type": "string" }, "version": { "type": "string" } },
            "additionalProperties": { "type": "string" },
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{read_observations, read_outcome};

    const OUTCOME: &str = r#"{"alertable":1,"kind":"outcome","end":"finished",
        "labels":{"g":[{"ret":"TRUE","entries":[{"key":0,"bytes":1,"overlapped":null,"status":"STATUS_SUCCESS"}]}]},
        "apcs":{"t":[{"routine":"A","data":1}]},"blocked":[],
        "overlapped":{"ov":{"status":"STATUS_SUCCESS","bytes":0}},"exits":{"t":0,"u":0}}"#;

    /// What an observation with these fields disagrees in.
    fn disagreement(fields: &str) -> String {
        let text = format!(
            r#"{{"alertable":1,"kind":"observation",{fields},"scenario":"s","source":{{"system":"wine","version":"8.0","cpu":"x86"}},"count":3}}"#
        );
        let observation =
            read_observations(&text, None).unwrap_or_else(|e| panic!("{e}")).remove(0);
        assert_eq!(observation.source.others["cpu"], "x86");
        let again = read_observations(&observation.to_json(), None).unwrap();
        assert_eq!(again, std::slice::from_ref(&observation));
        let outcome = read_outcome(OUTCOME, None).unwrap();
        observation.disagreement(&outcome).map_or(String::new(), |mismatch| mismatch.to_string())
    }

    #[test]
    fn what_is_missing_inside_a_result_was_not_visible() {
        let entry =
            r#""labels":{"g":[{"ret":"TRUE","entries":[{"key":0,"bytes":1,"overlapped":null}]}]}"#;
        assert_eq!(disagreement(entry), "");
        let other = r#""labels":{"g":[{"entries":[{"key":1}]}]}"#;
        assert_eq!(disagreement(other), "result of label \"g\": in entry 1, key is 0, not 1");
        assert_eq!(disagreement(r#""overlapped":{}"#), "");
    }

    #[test]
    fn what_is_missing_altogether_did_not_happen() {
        assert!(disagreement(r#""labels":{}"#).starts_with("label \"g\" has 1 result"));
        assert!(disagreement(r#""apcs":{"u":[]}"#).starts_with("thread \"t\" has 1 routine"));
        assert_eq!(disagreement(r#""exits":{"t":0}"#), "thread \"u\" has ended, with 0");
        assert_eq!(disagreement(r#""end":"blocked""#), "end is \"finished\", not \"blocked\"");
    }

    #[test]
    fn an_empty_file_is_no_observation() {
        let error = read_observations("\n\n", Some("x.jsonl")).unwrap_err();
        assert_eq!(error.to_string(), "x.jsonl: there is no observation");
    }
}

//! JSON Schemas, generated from the types.

use crate::document::DocumentKind;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::trace::{ObjectTraceEvent, TraceEvent, TraceHeader};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of a kind of document. For traces and observations it is
/// that of one line.
///
/// A schema cannot say everything that the readers check: references, counts, and what belongs
/// together.
pub fn schema(kind: DocumentKind) -> Value {
    match kind {
        DocumentKind::Scenario => of::<Scenario>("alertable scenario"),
        DocumentKind::Outcome => of::<Outcome>("alertable outcome"),
        DocumentKind::Observation => of::<Observation>("alertable observation"),
        DocumentKind::Trace => trace(),
    }
}

fn of<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

fn trace() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let header = generator.subschema_for::<TraceHeader>();
    let event = generator.subschema_for::<TraceEvent<'static>>();
    let object_event = generator.subschema_for::<ObjectTraceEvent>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "one line of an alertable trace",
        "anyOf": [header, event, object_event],
        "$defs": generator.take_definitions(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.push(reference.clone());
                }
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_in_a_schema_is_defined() {
        let kinds = [
            DocumentKind::Scenario,
            DocumentKind::Outcome,
            DocumentKind::Observation,
            DocumentKind::Trace,
        ];
        for kind in kinds {
            let schema = schema(kind);
            let mut found = Vec::new();
            references(&schema, &mut found);
            assert!(!found.is_empty(), "{kind}");
            for reference in found {
                let pointer = reference.trim_start_matches('#');
                assert!(schema.pointer(pointer).is_some(), "{kind}: {reference}");
            }
        }
    }

    #[test]
    fn a_step_is_closed_and_may_have_a_label() {
        let schema = schema(DocumentKind::Scenario);
        let steps = schema["$defs"]["Step"]["oneOf"].as_array().unwrap();
        assert_eq!(steps.len(), crate::call::Call::NAMES.len() + 1);
        let sleep =
            steps.iter().find(|step| step["properties"]["call"]["const"] == "SleepEx").unwrap();
        assert_eq!(sleep["required"], json!(["call", "ms", "alertable"]));
        assert_eq!(sleep["additionalProperties"], json!(false));
        assert_eq!(sleep["properties"]["as"]["type"], "string");
    }
}

//! JSON Schemas, generated from the types.

use crate::document::DocumentKind;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::trace::{TraceEvent, TraceHeader};
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
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "one line of an alertable trace",
        "anyOf": [header, event],
        "$defs": generator.take_definitions(true),
    })
}

//! How long calls wait.

use crate::context::Context;
use crate::error::Fault;
use crate::json::{Json, Node};
use crate::limits::TIMEOUT_MS_MAX;
use crate::read::Read;
use crate::suggest::did_you_mean;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::fmt;

/// How long a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeout {
    /// Milliseconds, at most `0xFFFF_FFFE`. 0 does not wait.
    Finite(u32),
    /// For ever.
    Infinite,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timeout::Finite(ms) => ms.fmt(f),
            Timeout::Infinite => f.write_str("INFINITE"),
        }
    }
}

impl Serialize for Timeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Timeout::Finite(ms) => serializer.serialize_u32(*ms),
            Timeout::Infinite => serializer.serialize_str("INFINITE"),
        }
    }
}

impl Read for Timeout {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        match &node.value {
            Json::String(text) if text == "INFINITE" => Ok(Timeout::Infinite),
            Json::String(text) => {
                let help = did_you_mean(text, ["INFINITE"]);
                Err(node.mismatch("milliseconds or \"INFINITE\"").with_help(help))
            }
            Json::Number(_) => {
                let is_large = node.whole(0, i128::MAX).is_ok();
                let help = is_large.then(|| "write \"INFINITE\" to wait for ever".to_owned());
                node.whole(0, TIMEOUT_MS_MAX.into()).map_err(|fault| fault.with_help(help))?;
                u32::read(node, cx).map(Timeout::Finite)
            }
            _ => Err(node.mismatch("milliseconds or \"INFINITE\"")),
        }
    }
}

impl JsonSchema for Timeout {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timeout".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Milliseconds, or \"INFINITE\".",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": TIMEOUT_MS_MAX },
                { "const": "INFINITE" },
            ],
        })
    }
}

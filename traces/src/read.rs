//! From JSON nodes to values: the reading traits and what is common to all types.

use crate::context::Context;
use crate::error::{Fault, Span, quoted};
use crate::json::{Json, Member, Node};
use crate::suggest::did_you_mean;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::{Serialize, SerializeMap};
use serde_json::{Map, Value as AnyValue, json};
use std::collections::BTreeMap;

/// A value that can be read from a JSON node.
pub(crate) trait Read: JsonSchema + Sized {
    /// Reads it, or says what is wrong with the node.
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault>;

    /// What a field of this type holds that is left out, where it may be.
    fn missing() -> Option<Self> {
        None
    }

    /// Its schema as a field.
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// A value whose fields are members of one object, possibly beside others.
pub(crate) trait Record: Sized {
    /// Reads it from the members of an object, of which `beside` belong to somebody else.
    fn read_record(
        fields: Fields<'_, '_>,
        beside: &[&str],
        cx: &mut Context,
    ) -> Result<Self, Fault>;

    /// Writes its members.
    fn write_record<M: Members>(&self, map: &mut M) -> Result<(), M::Error>;

    /// Describes its members.
    fn describe(properties: &mut Properties<'_>);
}

/// Where members of an object are written to.
pub(crate) trait Members {
    type Error;

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Self::Error>;
}

impl<M: SerializeMap> Members for M {
    type Error = M::Error;

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), M::Error> {
        self.serialize_entry(name, value)
    }
}

/// The members of a call beside those of an event, whose `thread` is the one that calls: the
/// call's argument `thread` is written as `target`.
pub(crate) struct Targets<'m, M>(pub(crate) &'m mut M);

impl<M: SerializeMap> Members for Targets<'_, M> {
    type Error = M::Error;

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(if name == "thread" { TARGET } else { name }, value)
    }
}

/// What an event calls its call's argument `thread`.
pub(crate) const TARGET: &str = "target";

impl<'t> Node<'t> {
    /// What kind of value it is, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match &self.value {
            Json::Null => "null",
            Json::Bool(true) => "true",
            Json::Bool(false) => "false",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Json::Null)
    }

    /// A fault for a value of the wrong type.
    pub(crate) fn mismatch(&self, wanted: &str) -> Fault {
        Fault::new(self.span, format!("expected {wanted}, found {}", self.noun()))
    }

    pub(crate) fn text(&self) -> Result<&str, Fault> {
        match &self.value {
            Json::String(text) => Ok(text),
            _ => Err(self.mismatch("a string")),
        }
    }

    pub(crate) fn items(&self) -> Result<&[Node<'t>], Fault> {
        match &self.value {
            Json::List(items) => Ok(items),
            _ => Err(self.mismatch("a list")),
        }
    }

    pub(crate) fn fields(&self) -> Result<Fields<'_, 't>, Fault> {
        match &self.value {
            Json::Object(members) => Ok(Fields { span: self.span, members, thread: "thread" }),
            _ => Err(self.mismatch("an object")),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, min: i128, max: i128) -> Result<i128, Fault> {
        let Json::Number(digits) = self.value else { return Err(self.mismatch("a number")) };
        if digits.contains(['.', 'e', 'E']) {
            let shown = if digits.len() > 40 { "a fraction" } else { digits };
            let message = format!("expected a whole number, found {shown}");
            return Err(Fault::new(self.span, message));
        }
        let number = digits.parse::<i128>().ok();
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| {
            let shown = if digits.len() > 40 { "the number" } else { digits };
            let message = format!("{shown} is out of range: {min} to {max}");
            Fault::new(self.span, message)
        })
    }
}

/// The members of an object.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n, 't> {
    pub(crate) span: Span,
    members: &'n [Member<'t>],
    /// What the field `thread` is called here.
    thread: &'static str,
}

impl<'n, 't> Fields<'n, 't> {
    pub(crate) fn members(self) -> &'n [Member<'t>] {
        self.members
    }

    /// The same members as those of a call beside an event's.
    pub(crate) fn of_call(self) -> Self {
        Fields { thread: TARGET, ..self }
    }

    fn actual(self, name: &str) -> &str {
        if name == "thread" { self.thread } else { name }
    }

    pub(crate) fn get(self, name: &str) -> Option<&'n Node<'t>> {
        let name = self.actual(name);
        self.members.iter().find(|member| member.key == name).map(|member| &member.value)
    }

    /// The value of a field that must be there.
    pub(crate) fn require(self, name: &str) -> Result<&'n Node<'t>, Fault> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    /// A fault for a field that is left out, at the whole object.
    pub(crate) fn missing(self, name: &str) -> Fault {
        let text = |name| self.get(name).and_then(|node| node.text().ok());
        let of = text("call").or_else(|| text("type"));
        let of = of.map_or(String::new(), |of| format!(" of {}", quoted(of)));
        Fault::new(self.span, format!("missing field {:?}{of}", self.actual(name)))
    }

    /// Refuses fields that are in neither list.
    pub(crate) fn only(self, own: &[&str], beside: &[&str]) -> Result<(), Fault> {
        let own: Vec<_> = own.iter().map(|name| self.actual(name)).collect();
        let known = |key: &str| own.contains(&key) || beside.contains(&key);
        match self.members.iter().find(|member| !known(&member.key)) {
            None => Ok(()),
            Some(member) => {
                let key = &member.key;
                let is_given = |name: &str| self.members.iter().any(|member| member.key == name);
                let unused = own.iter().chain(beside).filter(|name| !is_given(name));
                let help = did_you_mean(key, unused.copied());
                Err(Fault::new(member.key_span, format!("unknown field {}", quoted(key)))
                    .with_help(help))
            }
        }
    }
}

/// The members of an object in its JSON Schema.
pub(crate) struct Properties<'g> {
    pub(crate) generator: &'g mut SchemaGenerator,
    pub(crate) members: Map<String, AnyValue>,
    pub(crate) required: Vec<String>,
}

impl<'g> Properties<'g> {
    pub(crate) fn new(generator: &'g mut SchemaGenerator) -> Self {
        Properties { generator, members: Map::new(), required: Vec::new() }
    }

    /// Adds a member; one without a default is required.
    pub(crate) fn add(
        &mut self,
        name: &str,
        doc: &str,
        mut schema: Schema,
        default: Option<AnyValue>,
        required: bool,
    ) {
        if !doc.is_empty() {
            schema.insert("description".to_owned(), doc.into());
        }
        if let Some(default) = default {
            schema.insert("default".to_owned(), default);
        }
        if required {
            self.required.push(name.to_owned());
        }
        self.members.insert(name.to_owned(), schema.to_value());
    }

    /// Adds a member that always has the same value.
    pub(crate) fn constant(&mut self, name: &str, value: impl Into<AnyValue>) {
        let value = value.into();
        self.members.insert(name.to_owned(), json!({ "const": value }));
        self.required.push(name.to_owned());
    }

    /// The schema of an object that has these members and no others.
    pub(crate) fn object(self, doc: &str) -> Schema {
        let mut schema = schemars::json_schema!({
            "type": "object",
            "properties": self.members,
            "required": self.required,
            "additionalProperties": false,
        });
        if !doc.is_empty() {
            schema.insert("description".to_owned(), doc.into());
        }
        schema
    }
}

/// Doc comment lines as one text: paragraphs are kept, line breaks and intra-doc links are not.
pub(crate) fn plain_doc(lines: &[&str]) -> String {
    let paragraphs = lines.split(|line| line.trim().is_empty());
    let joined = paragraphs.map(|lines| {
        let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
        lines.join(" ").replace(['[', ']'], "")
    });
    joined.collect::<Vec<_>>().join("\n\n")
}

macro_rules! read_whole_numbers {
    ($($number:ty),*) => { $(
        impl Read for $number {
            fn read(node: &Node<'_>, _: &mut Context) -> Result<Self, Fault> {
                let number = node.whole(<$number>::MIN.into(), <$number>::MAX.into())?;
                Ok(<$number>::try_from(number).unwrap_or_default())
            }
        }
    )* };
}

read_whole_numbers!(u8, u32, u64, i32, i64);

impl Read for bool {
    fn read(node: &Node<'_>, _: &mut Context) -> Result<Self, Fault> {
        match node.value {
            Json::Bool(value) => Ok(value),
            _ => Err(node.mismatch("true or false")),
        }
    }
}

impl Read for String {
    fn read(node: &Node<'_>, _: &mut Context) -> Result<Self, Fault> {
        node.text().map(str::to_owned)
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        T::read(node, cx).map(Some)
    }

    fn missing() -> Option<Self> {
        Some(None)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        node.items()?.iter().map(|item| T::read(item, cx)).collect()
    }
}

impl<T: Read> Read for IndexMap<String, T> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let members = node.fields()?.members().iter();
        members.map(|member| Ok((member.key.to_string(), T::read(&member.value, cx)?))).collect()
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let members = node.fields()?.members().iter();
        members.map(|member| Ok((member.key.to_string(), T::read(&member.value, cx)?))).collect()
    }
}

//! How a field is read, where its type alone does not say it: references, ranges, fixed names.

use crate::context::{Context, Kinds};
use crate::error::{Fault, quoted};
use crate::json::{Json, Node};
use crate::read::{Members, Read};
use crate::status::{NtStatus, Win32Error, is_result_name, result_names};
use crate::suggest::did_you_mean;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A way to read a field of type `T`.
pub(crate) trait Reader<T: Read> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault>;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }

    /// Writes the field.
    fn write<M: Members>(map: &mut M, name: &str, value: &T) -> Result<(), M::Error>
    where
        T: Serialize,
    {
        map.member(name, value)
    }

    /// Whether the field is written even when it holds what it would hold if left out.
    const ALWAYS: bool = false;
}

/// As its type says.
pub(crate) struct Plain;

impl<T: Read> Reader<T> for Plain {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        T::read(node, cx)
    }
}

/// Names of things of the given kinds: one name or a list.
pub(crate) struct To<const KINDS: u32>;

impl<T: Read, const KINDS: u32> Reader<T> for To<KINDS> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        let value = T::read(node, cx)?;
        for name in node.items().unwrap_or(std::slice::from_ref(node)) {
            cx.refer(name, Kinds(KINDS));
        }
        Ok(value)
    }
}

/// The name of an OVERLAPPED or status block, which is thereby declared.
pub(crate) struct Block<const KIND: u32>;

impl<T: Read, const KIND: u32> Reader<T> for Block<KIND> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        let value = T::read(node, cx)?;
        cx.refer_or_declare(node, Kinds(KIND))?;
        Ok(value)
    }
}

/// A name that may be left out, for which `null` is the same: an optional argument, as in the
/// headers.
pub(crate) struct OrNull<R>(std::marker::PhantomData<R>);

impl<R: Reader<Option<String>>> Reader<Option<String>> for OrNull<R> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Option<String>, Fault> {
        if node.is_null() { Ok(None) } else { R::read(node, cx) }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"] })
    }
}

/// A value that may be `null`, which is not the same as left out.
pub(crate) struct Nullable<const KINDS: u32>;

impl<const KINDS: u32> Nullable<KINDS> {
    fn name(node: &Node<'_>, cx: &mut Context) -> Result<Option<String>, Fault> {
        if node.is_null() {
            return Ok(None);
        }
        let Ok(name) = node.text() else { return Err(node.mismatch("a name or null")) };
        cx.refer(node, Kinds(KINDS));
        Ok(Some(name.to_owned()))
    }
}

impl<const KINDS: u32> Reader<Option<Option<String>>> for Nullable<KINDS> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Option<Option<String>>, Fault> {
        Self::name(node, cx).map(Some)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"] })
    }
}

impl<const KINDS: u32> Reader<Option<String>> for Nullable<KINDS> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Option<String>, Fault> {
        Self::name(node, cx)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"] })
    }

    const ALWAYS: bool = true;
}

/// A whole number within bounds.
pub(crate) struct Between<const MIN: i64, const MAX: i64>;

impl<T: Read, const MIN: i64, const MAX: i64> Reader<T> for Between<MIN, MAX> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        node.whole(MIN.into(), MAX.into())?;
        T::read(node, cx)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A text without line breaks and other control characters.
pub(crate) struct Line;

impl<T: Read> Reader<T> for Line {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        if node.text()?.chars().any(char::is_control) {
            return Err(Fault::new(node.span, "expected one line of text"));
        }
        T::read(node, cx)
    }
}

/// A fixed set of names.
pub(crate) trait NameSet {
    /// What one of them is, for messages.
    const NOUN: &'static str;
    const NAMES: &'static [&'static str];
}

/// Names out of a fixed set: a list, or one of them alone.
pub(crate) struct Flags<S>(std::marker::PhantomData<S>);

impl<S: NameSet> Reader<Vec<String>> for Flags<S> {
    fn read(node: &Node<'_>, _: &mut Context) -> Result<Vec<String>, Fault> {
        let names = match &node.value {
            Json::String(_) => std::slice::from_ref(node),
            Json::List(names) => names,
            _ => return Err(node.mismatch("a name or a list of names")),
        };
        names.iter().map(|name| one_of(name, S::NOUN, S::NAMES).map(str::to_owned)).collect()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let name = json_schema!({ "enum": S::NAMES });
        json_schema!({ "anyOf": [name, { "type": "array", "items": name }] })
    }
}

/// A name out of a fixed set.
pub(crate) fn one_of(
    node: &Node<'_>,
    noun: &str,
    names: &[&'static str],
) -> Result<&'static str, Fault> {
    let text = node.text()?;
    names.iter().copied().find(|name| *name == text).ok_or_else(|| {
        let help = did_you_mean(text, names.iter().copied()).or_else(|| {
            let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
            (quoted.len() <= 6).then(|| format!("expected {}", quoted.join(" or ")))
        });
        Fault::new(node.span, format!("unknown {noun} {}", quoted(text))).with_help(help)
    })
}

/// Refuses a name that is in no table, in documents that people write.
fn known<T: Read>(
    node: &Node<'_>,
    cx: &mut Context,
    noun: &str,
    is_known: impl Fn(&str) -> bool,
    names: impl Iterator<Item = &'static str>,
) -> Result<T, Fault> {
    if let (true, Json::String(text)) = (cx.is_strict(), &node.value)
        && !is_known(text)
    {
        let help = did_you_mean(text, names);
        return Err(
            Fault::new(node.span, format!("unknown {noun} {}", quoted(text))).with_help(help)
        );
    }
    T::read(node, cx)
}

/// An NTSTATUS: its name, or `"0x"` and eight digits when it has none.
pub(crate) struct StatusName;

impl<T: Read> Reader<T> for StatusName {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        let is_known = |name: &str| NtStatus::from_name(name).is_some();
        known(node, cx, "status", is_known, NtStatus::names())
    }
}

/// A last-error value by its name.
pub(crate) struct ErrorName;

impl<T: Read> Reader<T> for ErrorName {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        let is_known = |name: &str| Win32Error::from_name(name).is_some();
        known(node, cx, "error", is_known, Win32Error::names())
    }
}

/// What a call returns: a name or a number.
pub(crate) struct Returned;

impl<T: Read> Reader<T> for Returned {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<T, Fault> {
        known(node, cx, "result", is_result_name, result_names())
    }
}

/// The schema of a field that is a list of something or one of it alone.
pub(crate) fn one_or_list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// Reads a list, or one item that stands for a list of it.
pub(crate) fn read_one_or_list<T: Read>(
    node: &Node<'_>,
    cx: &mut Context,
) -> Result<Vec<T>, Fault> {
    match &node.value {
        Json::List(_) => Vec::read(node, cx),
        _ => Ok(vec![T::read(node, cx)?]),
    }
}

/// A list that is written as its item when it has just one.
pub(crate) struct OneOrList<'v, T>(pub(crate) &'v [T]);

impl<T: Serialize> Serialize for OneOrList<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => one.serialize(serializer),
            list => list.serialize(serializer),
        }
    }
}

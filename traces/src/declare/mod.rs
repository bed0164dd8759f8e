//! Declaring a type of the format once: its fields, names, defaults and docs give the Rust
//! type, its reading, its writing and its schema.
//!
//! A field is `name as "json-name": Type = default => Reader`, of which the JSON name, the
//! default and the reader may be left out.

mod alone;
mod name;
mod record;
mod tagged;

pub(crate) use alone::{document, serializes_as_map, stands_alone, writes_itself};
pub(crate) use name::names;
pub(crate) use record::record;
pub(crate) use tagged::tagged;

use crate::context::Context;
use crate::error::Fault;
use crate::read::{Fields, Members, Properties, Read};
use crate::reader::Reader;
use serde::Serialize;

/// What a field holds that is left out, where it may be.
pub(crate) type Default<T> = Option<fn() -> T>;

fn left_out<T: Read>(default: Default<T>) -> Option<T> {
    default.map(|make| make()).or_else(T::missing)
}

pub(crate) fn read_field<T: Read, R: Reader<T>>(
    fields: Fields<'_, '_>,
    name: &str,
    default: Default<T>,
    cx: &mut Context,
) -> Result<T, Fault> {
    match fields.get(name) {
        Some(node) => R::read(node, cx),
        None => left_out(default).ok_or_else(|| fields.missing(name)),
    }
}

pub(crate) fn write_field<T, R, M>(
    map: &mut M,
    name: &str,
    value: &T,
    default: Default<T>,
) -> Result<(), M::Error>
where
    T: Read + Serialize + PartialEq,
    R: Reader<T>,
    M: Members,
{
    if !R::ALWAYS && left_out(default).as_ref() == Some(value) {
        return Ok(());
    }
    R::write(map, name, value)
}

pub(crate) fn describe_field<T: Read + Serialize, R: Reader<T>>(
    properties: &mut Properties<'_>,
    name: &str,
    doc: &[&str],
    default: Default<T>,
) {
    let schema = R::schema(properties.generator);
    let value = default.and_then(|make| serde_json::to_value(make()).ok());
    let required = left_out(default).is_none() || R::ALWAYS;
    properties.add(name, &crate::read::plain_doc(doc), schema, value, required);
}

macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! reader {
    () => {
        $crate::reader::Plain
    };
    ($reader:ty) => {
        $reader
    };
}

macro_rules! default {
    () => {
        None
    };
    ($default:expr) => {
        Some(|| $default)
    };
}

pub(crate) use {default, key, reader};

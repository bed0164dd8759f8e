//! Declaring a type of the format once: its fields, names, defaults and docs give the Rust
//! type, its reading, its writing and its schema.
//!
//! A field is `name as "json-name": Type = default => Reader`, of which the JSON name, the
//! default and the reader may be left out.

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

/// A struct whose fields are the members of an object.
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),*)])?
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident $(as $key:literal)? : $ty:ty $(= $default:expr)? $(=> $reader:ty)?,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        $(#[derive($($derive),*)])?
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: $ty, )*
        }

        impl $crate::read::Record for $name {
            fn read_record(
                fields: $crate::read::Fields<'_, '_>,
                beside: &[&str],
                cx: &mut $crate::context::Context,
            ) -> Result<Self, $crate::error::Fault> {
                fields.only(&[$($crate::declare::key!($field $($key)?)),*], beside)?;
                Ok(Self { $(
                    $field: $crate::declare::read_field::<
                        $ty,
                        $crate::declare::reader!($($reader)?),
                    >(
                        fields,
                        $crate::declare::key!($field $($key)?),
                        $crate::declare::default!($($default)?),
                        cx,
                    )?,
                )* })
            }

            fn write_record<M: $crate::read::Members>(
                &self,
                map: &mut M,
            ) -> Result<(), M::Error> {
                $(
                    $crate::declare::write_field::<
                        $ty,
                        $crate::declare::reader!($($reader)?),
                        M,
                    >(
                        map,
                        $crate::declare::key!($field $($key)?),
                        &self.$field,
                        $crate::declare::default!($($default)?),
                    )?;
                )*
                Ok(())
            }

            fn describe(properties: &mut $crate::read::Properties<'_>) {
                $(
                    $crate::declare::describe_field::<
                        $ty,
                        $crate::declare::reader!($($reader)?),
                    >(
                        properties,
                        $crate::declare::key!($field $($key)?),
                        &[$($field_doc),*],
                        $crate::declare::default!($($default)?),
                    );
                )*
            }
        }

        impl $name {
            /// The doc comment, for the schema.
            pub(crate) const DOC: &'static [&'static str] = &[$($doc),*];
        }
    };
}

/// Records that stand alone: objects with their fields and nothing else.
macro_rules! stands_alone {
    ($($name:ident),*) => { $(
        impl $crate::read::Read for $name {
            fn read(
                node: &$crate::json::Node<'_>,
                cx: &mut $crate::context::Context,
            ) -> Result<Self, $crate::error::Fault> {
                <Self as $crate::read::Record>::read_record(node.fields()?, &[], cx)
            }
        }

        $crate::declare::writes_itself!($name);
    )* };
}

/// A record that is a whole document, which says first what it is. The function is called
/// before its fields are read.
macro_rules! document {
    ($name:ident $(=> $before:ident)?, $kind:expr) => {
        impl $crate::read::Read for $name {
            fn read(
                node: &$crate::json::Node<'_>,
                cx: &mut $crate::context::Context,
            ) -> Result<Self, $crate::error::Fault> {
                let fields = node.fields()?;
                $crate::document::check_kind(fields, $kind)?;
                $( $before(fields, cx)?; )?
                <Self as $crate::read::Record>::read_record(fields, &["alertable", "kind"], cx)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("alertable", &$crate::FORMAT_VERSION)?;
                map.serialize_entry("kind", $kind.name())?;
                $crate::read::Record::write_record(self, &mut map)?;
                map.end()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = $crate::read::Properties::new(generator);
                properties.constant("alertable", $crate::FORMAT_VERSION);
                properties.constant("kind", $kind.name());
                <Self as $crate::read::Record>::describe(&mut properties);
                properties.object(&$crate::read::plain_doc(Self::DOC))
            }
        }
    };
}

/// Serializing and describing a record as an object.
macro_rules! writes_itself {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $crate::read::Record::write_record(self, &mut map)?;
                map.end()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = $crate::read::Properties::new(generator);
                <Self as $crate::read::Record>::describe(&mut properties);
                properties.object(&$crate::read::plain_doc(Self::DOC))
            }
        }
    };
}

/// An enum whose variants are objects told apart by a tag.
macro_rules! tagged {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident: $tag:literal, $noun:literal {
            $(
                $(#[doc = $variant_doc:literal])*
                $variant:ident = $variant_name:literal $({
                    $(
                        $(#[doc = $field_doc:literal])*
                        $field:ident: $ty:ty $(= $default:expr)? $(=> $reader:ty)?,
                    )*
                })?,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                $(#[doc = $variant_doc])*
                $variant $({ $( $(#[doc = $field_doc])* $field: $ty, )* })?,
            )*
        }

        impl $name {
            /// All names, in the order of the format's documentation.
            pub const NAMES: &'static [&'static str] = &[$($variant_name),*];

            /// The name that it has in a document.
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant $({ $($field: _),* })? => $variant_name, )* }
            }

            /// The schema of each variant, with other members beside its own.
            pub(crate) fn variants(
                generator: &mut schemars::SchemaGenerator,
                beside: &dyn Fn(&mut $crate::read::Properties<'_>),
            ) -> Vec<schemars::Schema> {
                vec![$({
                    let mut properties = $crate::read::Properties::new(generator);
                    properties.constant($tag, $variant_name);
                    $($(
                        $crate::declare::describe_field::<
                            $ty,
                            $crate::declare::reader!($($reader)?),
                        >(
                            &mut properties,
                            stringify!($field),
                            &[$($field_doc),*],
                            $crate::declare::default!($($default)?),
                        );
                    )*)?
                    beside(&mut properties);
                    properties.object(&$crate::read::plain_doc(&[$($variant_doc),*]))
                }),*]
            }
        }

        impl $crate::read::Record for $name {
            fn read_record(
                fields: $crate::read::Fields<'_, '_>,
                beside: &[&str],
                cx: &mut $crate::context::Context,
            ) -> Result<Self, $crate::error::Fault> {
                let tag = fields.require($tag)?;
                match $crate::reader::one_of(tag, $noun, Self::NAMES)? {
                    $(
                        $variant_name => {
                            fields.only(&[$tag, $($(stringify!($field)),*)?], beside)?;
                            Ok(Self::$variant $({ $(
                                $field: $crate::declare::read_field::<
                                    $ty,
                                    $crate::declare::reader!($($reader)?),
                                >(
                                    fields,
                                    stringify!($field),
                                    $crate::declare::default!($($default)?),
                                    cx,
                                )?,
                            )* })?)
                        }
                    )*
                    name => unreachable!("{name} is in the list of names"),
                }
            }

            fn write_record<M: $crate::read::Members>(
                &self,
                map: &mut M,
            ) -> Result<(), M::Error> {
                map.member($tag, self.name())?;
                match self {
                    $( Self::$variant $({ $($field),* })? => {
                        $($(
                            $crate::declare::write_field::<
                                $ty,
                                $crate::declare::reader!($($reader)?),
                                M,
                            >(
                                map,
                                stringify!($field),
                                $field,
                                $crate::declare::default!($($default)?),
                            )?;
                        )*)?
                    } )*
                }
                Ok(())
            }

            fn describe(_: &mut $crate::read::Properties<'_>) {}
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $crate::read::Record::write_record(self, &mut map)?;
                map.end()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let variants = Self::variants(generator, &|_| ());
                schemars::json_schema!({
                    "description": $crate::read::plain_doc(&[$($doc),*]),
                    "oneOf": variants,
                })
            }
        }
    };
}

/// An enum of names.
macro_rules! names {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident: $noun:literal {
            $(
                $(#[doc = $variant_doc:literal])*
                $variant:ident = $variant_name:literal,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $variant_doc])* $variant, )*
        }

        impl $name {
            /// All names.
            pub const NAMES: &'static [&'static str] = &[$($variant_name),*];

            /// The name that it has in a document.
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $variant_name, )* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::read::Read for $name {
            fn read(
                node: &$crate::json::Node<'_>,
                _: &mut $crate::context::Context,
            ) -> Result<Self, $crate::error::Fault> {
                match $crate::reader::one_of(node, $noun, Self::NAMES)? {
                    $( $variant_name => Ok(Self::$variant), )*
                    name => unreachable!("{name} is in the list of names"),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let doc = $crate::read::plain_doc(&[$($doc),*]);
                schemars::json_schema!({ "description": doc, "enum": Self::NAMES })
            }
        }
    };
}

pub(crate) use {
    default, document, key, names, reader, record, stands_alone, tagged, writes_itself,
};

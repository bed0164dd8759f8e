//! Records as objects of their own, and as documents.

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

        $crate::declare::serializes_as_map!(
            $name, "alertable" = $crate::FORMAT_VERSION, "kind" = $kind.name()
        );

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

/// Serializing a record as an object, with some members before its fields.
macro_rules! serializes_as_map {
    ($name:ident $(, $member:literal = $value:expr)*) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $( map.serialize_entry($member, &$value)?; )*
                $crate::read::Record::write_record(self, &mut map)?;
                map.end()
            }
        }
    };
}

/// Serializing and describing a record as an object.
macro_rules! writes_itself {
    ($name:ident) => {
        $crate::declare::serializes_as_map!($name);

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

pub(crate) use {document, serializes_as_map, stands_alone, writes_itself};

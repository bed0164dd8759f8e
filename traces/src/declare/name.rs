//! Enums of names.

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

pub(crate) use names;

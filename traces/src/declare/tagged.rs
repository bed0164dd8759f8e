//! Enums of objects.

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

        $crate::declare::serializes_as_map!($name);

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

pub(crate) use tagged;

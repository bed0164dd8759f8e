//! Structs.

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

pub(crate) use record;

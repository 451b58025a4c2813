//! Reading the top level of a type from an array: which call of serde means which shape.
//!
//! Two readers share this, so that they cannot disagree: serde_json itself on the fast path (`read`), and the elements one
//! by one on the slow path (`elements`).

use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use super::write::RAW_VALUE;

/// What a type expects of the array.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A struct with these fields. (Aliases are in the list too, so its length is not the number of arguments.)
    Struct(&'static [&'static str]),
    /// A tuple struct of this many fields.
    TupleStruct(usize),
    /// A tuple or an array of this length.
    Tuple(usize),
    /// As many elements as there are.
    Seq,
    /// One argument that is not spread.
    One,
    /// No argument.
    Empty,
}

/// One JSON array that a visitor can walk.
pub(super) trait Source<'de>: Sized {
    type Error: Error;

    /// Hands the elements to `visitor`, and refuses elements that it did not take.
    fn visit<V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, Self::Error>;

    /// Hands the whole text to the visitor of a `RawValue`.
    fn verbatim<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error>;

    /// The type wants a map.
    fn map(self) -> Self::Error;
}

/// Gives a type the array of `S` as its positional arguments.
pub(super) struct TopLevel<S>(pub(super) S);

macro_rules! one {
    ($($method:ident => $kind:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, S::Error> {
            self.0.visit(Shape::One, One { kind: Kind::$kind, visitor })
        })*
    };
}

impl<'de, S: Source<'de>> Deserializer<'de> for TopLevel<S> {
    type Error = S::Error;

    one! {
        deserialize_bool => Bool, deserialize_char => Char, deserialize_str => Str, deserialize_string => String,
        deserialize_bytes => Bytes, deserialize_byte_buf => ByteBuf, deserialize_option => Option,
        deserialize_i8 => I8, deserialize_i16 => I16, deserialize_i32 => I32, deserialize_i64 => I64,
        deserialize_i128 => I128, deserialize_u8 => U8, deserialize_u16 => U16, deserialize_u32 => U32,
        deserialize_u64 => U64, deserialize_u128 => U128, deserialize_f32 => F32, deserialize_f64 => F64,
        deserialize_identifier => Identifier,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Seq, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Seq, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Seq, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Tuple(len), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::TupleStruct(len), visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Struct(fields), visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, S::Error> {
        if name == RAW_VALUE {
            return self.0.verbatim(visitor);
        }
        let kind = Kind::Newtype(name);
        self.0.visit(Shape::One, One { kind, visitor })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, S::Error> {
        let kind = Kind::Enum(name, variants);
        self.0.visit(Shape::One, One { kind, visitor })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Empty, Empty(visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, S::Error> {
        self.0.visit(Shape::Empty, Empty(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, S::Error> {
        Err(self.0.map())
    }
}

/// `[]` for a type without arguments.
struct Empty<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Empty<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an empty array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        self.0.visit_unit()
    }
}

/// Which call a type made for its one argument. It is made again on the element: serde_json reads an `i128`, an `f32`
/// and bytes differently when it knows what is asked for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Bool,
    Char,
    Str,
    String,
    Bytes,
    ByteBuf,
    Option,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Identifier,
    Newtype(&'static str),
    Enum(&'static str, &'static [&'static str]),
}

/// `[value]` for a type that is one argument.
struct One<V> {
    kind: Kind,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for One<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of one argument")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<V::Value, A::Error> {
        let mut visitor = Some(self.visitor);
        let element = Element {
            kind: self.kind,
            visitor: &mut visitor,
        };
        if let Some(value) = seq.next_element_seed(element)? {
            return Ok(value);
        }
        match (self.kind, visitor) {
            (Kind::Option, Some(visitor)) => visitor.visit_none(),
            // The derived visitor of a newtype knows whether its field has a default.
            (Kind::Newtype(_), Some(visitor)) => {
                visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<()>()))
            }
            _ => Err(A::Error::invalid_length(0, &"1 arg")),
        }
    }
}

struct Element<'a, V> {
    kind: Kind,
    visitor: &'a mut Option<V>,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Element<'_, V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let Some(visitor) = self.visitor.take() else {
            return Err(D::Error::invalid_type(Unexpected::Seq, &"one argument"));
        };
        match self.kind {
            Kind::Bool => from.deserialize_bool(visitor),
            Kind::Char => from.deserialize_char(visitor),
            Kind::Str => from.deserialize_str(visitor),
            Kind::String => from.deserialize_string(visitor),
            Kind::Bytes => from.deserialize_bytes(visitor),
            Kind::ByteBuf => from.deserialize_byte_buf(visitor),
            Kind::Option => from.deserialize_option(visitor),
            Kind::I8 => from.deserialize_i8(visitor),
            Kind::I16 => from.deserialize_i16(visitor),
            Kind::I32 => from.deserialize_i32(visitor),
            Kind::I64 => from.deserialize_i64(visitor),
            Kind::I128 => from.deserialize_i128(visitor),
            Kind::U8 => from.deserialize_u8(visitor),
            Kind::U16 => from.deserialize_u16(visitor),
            Kind::U32 => from.deserialize_u32(visitor),
            Kind::U64 => from.deserialize_u64(visitor),
            Kind::U128 => from.deserialize_u128(visitor),
            Kind::F32 => from.deserialize_f32(visitor),
            Kind::F64 => from.deserialize_f64(visitor),
            Kind::Identifier => from.deserialize_identifier(visitor),
            Kind::Newtype(name) => from.deserialize_newtype_struct(name, visitor),
            Kind::Enum(name, variants) => from.deserialize_enum(name, variants, visitor),
        }
    }
}

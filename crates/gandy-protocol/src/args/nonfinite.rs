//! Whether a value that serde_json wrote as `null` was NaN or an infinity.
//!
//! serde_json writes those as `null` and says nothing. As an argument of its own that `null` would be read as "not given"
//! and replaced by a default: a wrong number, silently. So each argument that came out as `null` is asked once more.

use std::fmt;

use serde::ser::{Impossible, Serialize, Serializer};

/// True: `value` is a float that JSON cannot hold, alone or inside `Some` or a newtype.
pub(super) fn is_nonfinite<T: Serialize + ?Sized>(value: &T) -> bool {
    value.serialize(Ask) == Ok(Answer::NonFinite)
}

struct Ask;

#[derive(PartialEq)]
enum Answer {
    NonFinite,
    Other,
}

/// The value is something that is never written as `null`.
#[derive(Debug, PartialEq)]
struct NotNull;

impl fmt::Display for NotNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a null")
    }
}

impl std::error::Error for NotNull {}

impl serde::ser::Error for NotNull {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NotNull
    }
}

macro_rules! other {
    ($($method:ident($($arg:ty),*)),* $(,)?) => {
        $(fn $method(self, $(_: $arg),*) -> Result<Answer, NotNull> {
            Ok(Answer::Other)
        })*
    };
}

macro_rules! compound {
    ($($method:ident($($arg:ty),*) -> $kind:ident),* $(,)?) => {
        $(fn $method(self, $(_: $arg),*) -> Result<Self::$kind, NotNull> {
            Err(NotNull)
        })*
    };
}

impl Serializer for Ask {
    type Ok = Answer;
    type Error = NotNull;
    type SerializeSeq = Impossible<Answer, NotNull>;
    type SerializeTuple = Impossible<Answer, NotNull>;
    type SerializeTupleStruct = Impossible<Answer, NotNull>;
    type SerializeTupleVariant = Impossible<Answer, NotNull>;
    type SerializeMap = Impossible<Answer, NotNull>;
    type SerializeStruct = Impossible<Answer, NotNull>;
    type SerializeStructVariant = Impossible<Answer, NotNull>;

    fn serialize_f32(self, value: f32) -> Result<Answer, NotNull> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Answer, NotNull> {
        Ok(if value.is_finite() {
            Answer::Other
        } else {
            Answer::NonFinite
        })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Answer, NotNull> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Answer, NotNull> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Answer, NotNull> {
        Ok(Answer::Other)
    }

    other! {
        serialize_bool(bool), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_i128(i128),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_u128(u128),
        serialize_none(), serialize_unit(), serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    }

    compound! {
        serialize_seq(Option<usize>) -> SerializeSeq,
        serialize_tuple(usize) -> SerializeTuple,
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant,
        serialize_map(Option<usize>) -> SerializeMap,
        serialize_struct(&'static str, usize) -> SerializeStruct,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant,
    }
}

//! Why one argument does not fit: a small reader of JSON whose errors are [`Probe`]s.
//!
//! serde_json's own errors print what they found (`invalid type: string "hunter2"`), and only as one text. This reader
//! runs after serde_json refused an argument, to meet the same mistake again with its place. Values never come from it.

use std::borrow::Cow;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::object::{Entries, Object};
use super::probe::Probe;
use super::write::RAW_VALUE;
use crate::text;

/// As deep as serde_json reads. A hostile payload nested deeper would use up the stack.
const DEPTH_MAX: usize = 128;

/// One JSON value, as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Explain<'de> {
    raw: &'de str,
    depth: usize,
}

impl<'de> Explain<'de> {
    /// `raw` is one JSON value without space around it, as serde_json cuts it out.
    pub(super) fn new(raw: &'de str) -> Self {
        Explain { raw, depth: 0 }
    }

    fn first(&self) -> u8 {
        self.raw.as_bytes().first().copied().unwrap_or(b'n')
    }

    pub(super) fn child(&self, value: &'de RawValue) -> Self {
        Explain {
            raw: value.get(),
            depth: self.depth + 1,
        }
    }

    fn text(&self) -> Result<Cow<'de, str>, Probe> {
        text::unquoted(self.raw).ok_or_else(|| {
            Probe::custom("a string with half a surrogate pair, which no Rust string can hold")
        })
    }

    fn elements(&self) -> Result<Elements<'de>, Probe> {
        self.check_depth()?;
        let elements: Vec<&'de RawValue> = parse(self.raw)?;
        Ok(Elements {
            of: *self,
            left: elements.into_iter().enumerate(),
        })
    }

    fn object(&self, known: &'static [&'static str]) -> Result<Object<'de>, Probe> {
        self.check_depth()?;
        let entries: Entries<'de> = parse(self.raw)?;
        Ok(Object::new(*self, known, entries))
    }

    fn check_depth(&self) -> Result<(), Probe> {
        if self.depth < DEPTH_MAX {
            Ok(())
        } else {
            Err(Probe::custom(format_args!(
                "nested deeper than {DEPTH_MAX} levels"
            )))
        }
    }

    fn is_integer(&self) -> bool {
        self.raw
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_digit())
    }

    fn number<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Probe> {
        if self.is_integer() {
            if let Ok(value) = self.raw.parse() {
                return visitor.visit_u64(value);
            }
            if let Ok(value) = self.raw.parse() {
                return visitor.visit_i64(value);
            }
        }
        match self.raw.parse::<f64>() {
            Ok(value) if value.is_finite() => visitor.visit_f64(value),
            _ => Err(Probe::custom("a number too large for any type")),
        }
    }

    fn unexpected(&self) -> Unexpected<'de> {
        match self.first() {
            b'n' => Unexpected::Unit,
            b't' | b'f' => Unexpected::Bool(false),
            b'"' => Unexpected::Str(""),
            b'[' => Unexpected::Seq,
            b'{' => Unexpected::Map,
            _ if self.is_integer() => Unexpected::Signed(0),
            _ => Unexpected::Float(0.0),
        }
    }
}

fn parse<'de, T: Deserialize<'de>>(raw: &'de str) -> Result<T, Probe> {
    serde_json::from_str(raw).map_err(|error| Probe::of_json(&error))
}

macro_rules! integers {
    ($($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
            let number = !matches!(self.first(), b'n' | b't' | b'f' | b'"' | b'[' | b'{');
            let fits = self.raw.parse::<u64>().is_ok() || self.raw.parse::<i64>().is_ok();
            if number && self.is_integer() && !fits {
                return Err(Probe::mismatch(&visitor, "an integer beyond 64 bits"));
            }
            self.deserialize_any(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Explain<'de> {
    type Error = Probe;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        match self.first() {
            b'n' => visitor.visit_unit(),
            b't' => visitor.visit_bool(true),
            b'f' => visitor.visit_bool(false),
            b'[' => visitor.visit_seq(self.elements()?),
            b'{' => visitor.visit_map(self.object(&[])?),
            b'"' => match self.text()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            _ => self.number(visitor),
        }
    }

    integers!(
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64
    );

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        match self.raw.parse() {
            Ok(value) => visitor.visit_i128(value),
            Err(_) => Err(Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        match self.raw.parse() {
            Ok(value) => visitor.visit_u128(value),
            Err(_) => Err(Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        if self.first() == b'"' {
            visitor.visit_bytes(self.text()?.as_bytes())
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        if self.first() == b'n' {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Probe> {
        if name == RAW_VALUE {
            return serde_json::Deserializer::from_str(self.raw)
                .deserialize_newtype_struct(name, visitor)
                .map_err(|error| Probe::of_json(&error));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Probe> {
        if self.first() == b'{' {
            visitor.visit_map(self.object(fields)?)
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Probe> {
        match self.first() {
            b'"' => visitor.visit_enum(self.text()?.into_deserializer()),
            b'{' => {
                let object = self.object(variants)?;
                let keys = object.len();
                if keys == 1 {
                    visitor.visit_enum(MapAccessDeserializer::new(object))
                } else {
                    Err(Probe::mismatch(
                        &visitor,
                        format!("an object of {keys} keys"),
                    ))
                }
            }
            _ => Err(Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The elements of an array, each with its step of the path.
struct Elements<'de> {
    of: Explain<'de>,
    left: std::iter::Enumerate<std::vec::IntoIter<&'de RawValue>>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Probe;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Probe> {
        let Some((index, value)) = self.left.next() else {
            return Ok(None);
        };
        seed.deserialize(self.of.child(value))
            .map(Some)
            .map_err(|error| error.inside(format!("[{index}]")))
    }
}

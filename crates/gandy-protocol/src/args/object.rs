//! JSON objects for [`Explain`]: their entries, and keys, which are strings that may stand for numbers.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use super::explain::Explain;
use super::probe::{Probe, Reason};

/// The entries of an object. Only keys that the code knows are named in the path: others are data.
pub(super) struct Object<'de> {
    of: Explain<'de>,
    known: &'static [&'static str],
    left: std::vec::IntoIter<(String, &'de RawValue)>,
    value: Option<(String, &'de RawValue)>,
}

impl<'de> Object<'de> {
    /// The entries of the object `of`; the code knows the keys `known`.
    pub(super) fn new(
        of: Explain<'de>,
        known: &'static [&'static str],
        entries: Entries<'de>,
    ) -> Self {
        Object {
            of,
            known,
            left: entries.0.into_iter(),
            value: None,
        }
    }

    /// How many entries are left.
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }
}

impl<'de> MapAccess<'de> for Object<'de> {
    type Error = Probe;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Probe> {
        self.value = self.left.next();
        let Some((key, _)) = &self.value else {
            return Ok(None);
        };
        seed.deserialize(Key(key))
            .map(Some)
            .map_err(|error| error.inside(".*"))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Probe> {
        let Some((key, value)) = self.value.take() else {
            return Err(Probe::new(Reason::Other(
                "the type asks for a value before its key".to_owned(),
            )));
        };
        seed.deserialize(self.of.child(value)).map_err(|error| {
            if self.known.contains(&key.as_str()) {
                error.inside(format!(".{key}"))
            } else {
                error.inside(".*")
            }
        })
    }
}

/// A key. JSON's are strings, and maps of numbers read them out of those.
struct Key<'a>(&'a str);

macro_rules! number_keys {
    ($($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
            match (self.0.parse(), self.0.parse()) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_str(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Probe;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        visitor.visit_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        match self.0.parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_) => visitor.visit_str(self.0),
        }
    }

    number_keys!(
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64
    );

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Probe> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Probe> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// An object as its entries in order, duplicates included.
pub(super) struct Entries<'de>(Vec<(String, &'de RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Walk;

        impl<'de> Visitor<'de> for Walk {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        from.deserialize_map(Walk)
    }
}

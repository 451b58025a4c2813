//! Reading, the fast path: serde_json walks the text once and calls the type directly.
//!
//! What it cannot do (a trailing `Option` that is not there, `null` for a default, a sentence that names the argument) is
//! left to `elements`, which starts again from the text. So a good job pays nothing for explanations.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::de::StrRead;
use serde_json::value::RawValue;

use super::elements;
use super::error::ArgsError;
use super::top_level::{Shape, Source, TopLevel};
use super::write::RAW_VALUE;
use crate::text;

/// Reads `raw`, the JSON text of an argument array, as the arguments of `class`. See [the module](super) for which type
/// takes which array. `class` is used in errors only.
///
/// Strings borrow from `raw` where the type asks for `&str` (and they hold no escape; take `Cow<str>` to be safe).
///
/// # Errors
///
/// [`ArgsError::Count`] for too few or too many arguments, [`ArgsError::Type`] and [`ArgsError::Refused`] for an argument
/// that does not fit, [`ArgsError::Map`] for a type that is a map, [`ArgsError::NotJson`] and [`ArgsError::NotAnArray`] for
/// a text that is no array. None of them prints an argument's value.
pub fn from_args<'de, T: Deserialize<'de>>(class: &str, raw: &'de str) -> Result<T, ArgsError> {
    if !raw.trim_ascii_start().starts_with('[') {
        return Err(not_an_array(class, raw));
    }
    let mut json = serde_json::Deserializer::from_str(raw);
    T::deserialize(TopLevel(&mut json))
        .and_then(|value| json.end().map(|()| value))
        .or_else(|_| elements::read(class, raw))
}

fn not_an_array(class: &str, raw: &str) -> ArgsError {
    match serde_json::from_str::<&RawValue>(raw) {
        Ok(value) => ArgsError::NotAnArray {
            class: class.to_owned(),
            got: text::kind(value.get()),
        },
        Err(error) => ArgsError::NotJson {
            class: class.to_owned(),
            reason: error.to_string(),
        },
    }
}

impl<'de> Source<'de> for &mut serde_json::Deserializer<StrRead<'de>> {
    type Error = serde_json::Error;

    fn visit<V: Visitor<'de>>(self, _: Shape, visitor: V) -> Result<V::Value, serde_json::Error> {
        // Not `deserialize_struct`: that would take an object as well.
        self.deserialize_seq(visitor)
    }

    fn verbatim<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        self.deserialize_newtype_struct(RAW_VALUE, visitor)
    }

    fn map(self) -> serde_json::Error {
        serde_json::Error::custom("a map")
    }
}

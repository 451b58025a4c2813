//! Writing: the top level by position, everything below by serde_json, straight into one buffer.
//!
//! Which type gives which array is in the table of [`super`]. Nothing here builds a `serde_json::Value`: a push of a large
//! job would pay for it twice, and integers above `u64::MAX` would not survive it.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::error::{ArgsError, Place};
use super::nonfinite::is_nonfinite;

/// The name under which serde_json passes a `RawValue` through serde.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Numbers too pass as structs where an application turns on serde_json's `arbitrary_precision`.
const SERDE_JSON_PRIVATE: &str = "$serde_json::private::";

/// Most jobs have a few short arguments; one allocation then holds them.
const USUAL_BYTES: usize = 128;

/// The JSON text of the argument array for `value`. See [the module](super) for which type gives which array.
///
/// # Errors
///
/// [`ArgsError::Map`] for a map or a flattened struct, [`ArgsError::Write`] for a value without a JSON form and for a
/// `RawValue` that holds no array.
pub fn to_args<T: Serialize + ?Sized>(value: &T) -> Result<String, ArgsError> {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    out.push(b'[');
    match value.serialize(TopLevel { out: &mut out }) {
        Ok(()) => {}
        Err(Stop::OneArgument) => {
            out.truncate(1);
            argument(&mut out, value).map_err(|reason| ArgsError::Write { at: None, reason })?;
        }
        Err(Stop::WholeArray) => return whole_array(value),
        Err(Stop::Map) => return Err(ArgsError::Map { class: None }),
        Err(Stop::Failed { at, reason }) => return Err(ArgsError::Write { at, reason }),
    }
    out.push(b']');
    String::from_utf8(out).map_err(|error| ArgsError::Write {
        at: None,
        reason: error.to_string(),
    })
}

/// A `RawValue`: its text is the array.
fn whole_array<T: Serialize + ?Sized>(value: &T) -> Result<String, ArgsError> {
    let text = serde_json::to_string(value).map_err(|error| ArgsError::Write {
        at: None,
        reason: error.to_string(),
    })?;
    if text.starts_with('[') {
        Ok(text)
    } else {
        Err(ArgsError::Write {
            at: None,
            reason: format!(
                "a RawValue stands for the whole array of arguments, but this one is {}; put it into a tuple, `(raw,)`, to send it as one argument",
                crate::text::kind(&text)
            ),
        })
    }
}

/// Writes one argument; the error is the reason.
fn argument<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), String> {
    let start = out.len();
    value
        .serialize(&mut serde_json::Serializer::new(&mut *out))
        .map_err(|error| error.to_string())?;
    if &out[start..] == b"null" && is_nonfinite(value) {
        return Err("NaN and infinities have no JSON form".to_owned());
    }
    Ok(())
}

/// Why the top level was not written by position.
#[derive(Debug)]
enum Stop {
    /// The value is one argument; serde_json writes it as it is.
    OneArgument,
    /// The value is a `RawValue`.
    WholeArray,
    Map,
    Failed {
        at: Option<Place>,
        reason: String,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::OneArgument => f.write_str("one argument"),
            Stop::WholeArray => f.write_str("a raw array"),
            Stop::Map => f.write_str("a map"),
            Stop::Failed { reason, .. } => f.write_str(reason),
        }
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Stop::Failed {
            at: None,
            reason: message.to_string(),
        }
    }
}

struct TopLevel<'a> {
    out: &'a mut Vec<u8>,
}

macro_rules! one_argument {
    ($($method:ident($($arg:ty),*)),* $(,)?) => {
        $(fn $method(self, $(_: $arg),*) -> Result<(), Stop> {
            Err(Stop::OneArgument)
        })*
    };
}

impl<'a> Serializer for TopLevel<'a> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Arguments<'a>;
    type SerializeTuple = Arguments<'a>;
    type SerializeTupleStruct = Arguments<'a>;
    type SerializeStruct = Arguments<'a>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeStructVariant = Impossible<(), Stop>;

    one_argument! {
        serialize_bool(bool), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_i128(i128),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_u128(u128),
        serialize_f32(f32), serialize_f64(f64),
        serialize_none(), serialize_unit_variant(&'static str, u32, &'static str),
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Stop> {
        Err(Stop::OneArgument)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        self.arguments().add(None, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Stop> {
        Err(Stop::OneArgument)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Arguments<'a>, Stop> {
        Ok(self.arguments())
    }

    fn serialize_tuple(self, _: usize) -> Result<Arguments<'a>, Stop> {
        Ok(self.arguments())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Arguments<'a>, Stop> {
        Ok(self.arguments())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Arguments<'a>, Stop> {
        if name == RAW_VALUE {
            Err(Stop::WholeArray)
        } else if name.starts_with(SERDE_JSON_PRIVATE) {
            Err(Stop::OneArgument)
        } else {
            Ok(self.arguments())
        }
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Stop> {
        Err(Stop::OneArgument)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Stop> {
        Err(Stop::OneArgument)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Stop> {
        Err(Stop::Map)
    }
}

impl<'a> TopLevel<'a> {
    fn arguments(self) -> Arguments<'a> {
        Arguments {
            out: self.out,
            written: 0,
        }
    }
}

/// Elements or fields, each one argument.
struct Arguments<'a> {
    out: &'a mut Vec<u8>,
    written: usize,
}

impl Arguments<'_> {
    fn add<T: Serialize + ?Sized>(
        &mut self,
        name: Option<&'static str>,
        value: &T,
    ) -> Result<(), Stop> {
        if self.written > 0 {
            self.out.push(b',');
        }
        self.written += 1;
        argument(self.out, value).map_err(|reason| Stop::Failed {
            at: Some(Place {
                index: self.written,
                name,
                path: String::new(),
            }),
            reason,
        })
    }
}

macro_rules! elements {
    ($($kind:ident :: $method:ident),*) => {
        $(impl ser::$kind for Arguments<'_> {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.add(None, value)
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

impl ser::SerializeStruct for Arguments<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        self.add(Some(name), value)
    }

    /// `skip_serializing_if`: positions have no names, so an absent argument must still take its place.
    fn skip_field(&mut self, name: &'static str) -> Result<(), Stop> {
        self.add(Some(name), &())
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

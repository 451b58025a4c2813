//! A serde error that keeps its parts and none of the values it met.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

/// Longest message of a type's own `Deserialize` that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;

/// Why a value does not fit, and where in it.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) reason: Reason,
    /// The way down to the value, innermost step first.
    steps: Vec<String>,
}

/// See [`Probe`].
#[derive(Debug)]
pub(super) enum Reason {
    /// The type wants a map at the top level.
    Map,
    /// The type left elements over.
    Surplus,
    Type {
        expected: String,
        got: String,
    },
    /// A sequence ended early. `wanted` is how many elements the type has, where its own words say it.
    Length {
        expected: String,
        got: usize,
        wanted: Option<usize>,
    },
    Other(String),
}

impl Probe {
    pub(super) fn new(reason: Reason) -> Self {
        Probe {
            reason,
            steps: Vec::new(),
        }
    }

    pub(super) fn mismatch(expected: &dyn Expected, got: impl Into<String>) -> Self {
        Probe::new(Reason::Type {
            expected: expected.to_string(),
            got: got.into(),
        })
    }

    /// Of serde_json's messages only those of its parser are free of values.
    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        let reason = if error.is_data() {
            "not what the type of this argument accepts".to_owned()
        } else {
            let text = error.to_string();
            let words = text.split(" at line ").next().unwrap_or_default();
            words.to_owned()
        };
        Probe::new(Reason::Other(reason))
    }

    /// The same error, met inside `step` of something larger.
    pub(super) fn inside(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }

    pub(super) fn path(&self) -> String {
        self.steps.iter().rev().map(String::as_str).collect()
    }

    pub(super) fn wanted_length(&self) -> Option<usize> {
        match self.reason {
            Reason::Length { wanted, .. } => wanted,
            _ => None,
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Map => f.write_str("expected a map"),
            Reason::Surplus => f.write_str("more elements than the type takes"),
            Reason::Type { expected, got } => write!(f, "expected {expected}, got {got}"),
            Reason::Length { expected, got, .. } => {
                write!(f, "expected {expected}, got {got} elements")
            }
            Reason::Other(text) => f.write_str(text),
        }
    }
}

impl Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for Probe {}

impl Error for Probe {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        let cut = message.chars().take(MESSAGE_CHARS_MAX).collect();
        Probe::new(Reason::Other(cut))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let got = match found {
            // serde's `&str` takes text only as it lies in the payload.
            Unexpected::Str(_) if expected.to_string() == "a borrowed string" => {
                "a string with escapes (take String or Cow<str>)"
            }
            _ => kind(found),
        };
        Probe::mismatch(expected, got)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let suffix = match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => {
                "outside its range"
            }
            _ => "of another form",
        };
        Probe::mismatch(expected, format!("{} {suffix}", kind(found)))
    }

    fn invalid_length(got: usize, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        Probe::new(Reason::Length {
            wanted: wanted(&expected),
            expected,
            got,
        })
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        Probe::new(Reason::Type {
            expected: list(variants),
            got: "another name".to_owned(),
        })
    }

    fn unknown_field(_: &str, fields: &'static [&'static str]) -> Self {
        Probe::new(Reason::Other(format!(
            "a key is unknown, the type has {}",
            list(fields)
        )))
    }

    fn missing_field(field: &'static str) -> Self {
        Probe::new(Reason::Other(format!("field `{field}` is missing")))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Probe::new(Reason::Other(format!("field `{field}` is there twice")))
    }
}

/// What was found, as a type of JSON.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq | Unexpected::TupleVariant => "an array",
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => "an object",
        Unexpected::UnitVariant | Unexpected::Enum => "a variant's name alone",
        // `Other` is free text and may hold the value: serde writes i128 into it.
        _ => "something else",
    }
}

/// The 3 of "struct WelcomeEmail with 3 elements", as serde's derive words it. Reading it is worth it: the names it
/// passes count aliases too.
fn wanted(expected: &str) -> Option<usize> {
    let (_, tail) = expected.rsplit_once(" with ")?;
    let (number, unit) = tail.split_once(' ')?;
    unit.starts_with("element")
        .then(|| number.parse().ok())
        .flatten()
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "nothing (the type has no variant)".to_owned(),
        [one] => format!("`{one}`"),
        many => format!("one of `{}`", many.join("`, `")),
    }
}

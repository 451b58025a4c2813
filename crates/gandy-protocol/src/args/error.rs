//! What can be wrong with arguments, as sentences that name the class, the argument and the fix.
//!
//! No argument's value is ever printed: arguments hold passwords and addresses, and these messages travel into logs and
//! into `error_message`, which any dashboard shows. The JSON type is printed, and field names that come from the code.
//! The one door left open: a message that a type's own `Deserialize` (or `try_from`) wrote is passed on, cut to 200
//! characters. Keep values out of those.

use std::fmt;

/// Why a value could not become arguments, or arguments not a value.
///
/// All of these are mistakes in code or in what was pushed: trying again changes nothing until one of them is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// The text is not JSON.
    #[error("class {class}: args are not valid JSON: {reason}")]
    NotJson {
        /// The job's class.
        class: String,
        /// What the parser found, with its place.
        reason: String,
    },

    /// The text is JSON, but no array. Sidekiq's `args` are always an array.
    #[error("class {class}: args must be a JSON array, got {got}")]
    NotAnArray {
        /// The job's class.
        class: String,
        /// The JSON type that was found: "an object", "a string"…
        got: &'static str,
    },

    /// Too few or too many arguments.
    #[error("class {class} wants {}, got {got}{}", wanted(*wants, names), tail(.names, *.missing))]
    Count {
        /// The job's class.
        class: String,
        /// How many arguments the type has, optional ones included.
        wants: usize,
        /// Their names, for a struct with named fields; else empty.
        names: Vec<&'static str>,
        /// How many were given.
        got: usize,
        /// The first argument (from 1) that was not given although it has no default. `None`: too many were given.
        missing: Option<usize>,
    },

    /// An argument has another JSON type than the class declares, or a number or string outside what its type holds.
    #[error("class {class}, {at}: expected {expected}, got {got}")]
    Type {
        /// The job's class.
        class: String,
        /// Which argument, and where in it.
        at: Place,
        /// What the Rust type accepts, in serde's words: "a string", "u8", "struct Address".
        expected: String,
        /// The JSON type that was found, never the value.
        got: String,
    },

    /// The type itself refused what it was given: a check in `try_from`, a missing field of a nested object…
    #[error("class {class}, {}{reason}", place(.at.as_ref()))]
    Refused {
        /// The job's class.
        class: String,
        /// Which argument; `None` where the type refused all of them together.
        at: Option<Place>,
        /// Why, in the type's own words.
        reason: String,
    },

    /// The type is a map at the top level, which has names where Sidekiq has positions.
    #[error(
        "{}args are positional, but this type is a map at the top level (a map type, or a struct with #[serde(flatten)]): \
         remove flatten, or send the map as one argument by wrapping it in a newtype, `struct Args(Payload)`",
        whose(.class.as_deref())
    )]
    Map {
        /// The job's class, where it is known.
        class: Option<String>,
    },

    /// A value has no JSON form (NaN, a map whose keys are not strings…), or its `Serialize` failed.
    #[error("args cannot be written as JSON: {}{reason}", place(.at.as_ref()))]
    Write {
        /// Which argument; `None` where there is only one.
        at: Option<Place>,
        /// Why.
        reason: String,
    },
}

/// Where in the arguments: `arg 2 (name)`, `arg 3 (user.address.zip)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The argument, counted from 1.
    pub index: usize,
    /// Its name, for a struct with named fields.
    pub name: Option<&'static str>,
    /// The way from the argument down to the value: `.address.zip`, `[3]`; empty for the argument itself. Keys of maps
    /// are data and shown as `.*`.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arg {}", self.index)?;
        match (self.name, self.path.trim_start_matches('.')) {
            (None, "") => Ok(()),
            (None, path) => write!(f, " ({path})"),
            (Some(name), _) => write!(f, " ({name}{})", self.path),
        }
    }
}

fn wanted(wants: usize, names: &[&str]) -> String {
    let count = match wants {
        0 => return "no args".to_owned(),
        1 => "1 arg".to_owned(),
        many => format!("{many} args"),
    };
    if names.is_empty() {
        count
    } else {
        format!("{count} ({})", names.join(", "))
    }
}

fn tail(names: &[&'static str], missing: Option<usize>) -> String {
    missing.map_or_else(String::new, |index| {
        let place = Place {
            index,
            name: names.get(index - 1).copied(),
            path: String::new(),
        };
        format!("; {place} has no default")
    })
}

fn place(at: Option<&Place>) -> String {
    at.map_or_else(String::new, |at| format!("{at}: "))
}

fn whose(class: Option<&str>) -> String {
    class.map_or_else(String::new, |class| format!("class {class}: "))
}

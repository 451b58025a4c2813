//! Job arguments: between a Rust value and the JSON array that travels as `args`.
//!
//! Belongs here: which Rust type is which array, and errors a person can act on. Does not belong here: the payload around
//! the array (see [`crate::payload`]).
//!
//! Sidekiq's `args` are positional: `perform(user, name)` is `[42,"x"]`, never an object. So the *top level* of a type is
//! read and written by position, and everything below it is ordinary JSON as serde writes it.
//!
//! | Rust type, at the top level | `args` |
//! |---|---|
//! | `struct A { user: u64, name: String }` | `[42,"x"]`, in the order of the fields |
//! | tuple, tuple struct, array, `Vec`, set | one argument for each element |
//! | newtype `struct A(Payload)` | one argument: `[{…}]`. Decided by the type, never by the length of the array |
//! | `()`, `struct A;`, `struct A {}` | `[]` |
//! | number, string, boolean, `char`, bytes | one argument |
//! | `Option<T>` | one argument, `null` for `None`; `[]` reads as `None` |
//! | enum | one argument, as serde writes it: `["Weekly"]`, `[{"Daily":{"hour":5}}]` |
//! | `serde_json::Value`, `Box<RawValue>` | the whole array. Written, a `Value` of a string, number or boolean is one argument, and `Null` is `[]` |
//! | map, or a struct with `#[serde(flatten)]` | refused ([`ArgsError::Map`]) |
//!
//! `#[serde(transparent)]`, `into` and `from` make a type look like another one to serde, so the other one's row holds.
//! Internally and adjacently tagged enums look like structs to serde: `["email",42]` with the tag first; do not use them
//! where Ruby is on the other side.
//!
//! **Order is the wire format.** To reorder, insert or remove a field is to change every job in flight. Add fields at the
//! end, as `Option<T>` or with `#[serde(default)]`: then older producers may leave them out. Pin the order with a test:
//!
//! ```
//! # use serde::Serialize;
//! #[derive(Serialize)]
//! struct WelcomeEmail { user: u64, name: String }
//!
//! let job = WelcomeEmail { user: 42, name: "x".into() };
//! assert_eq!(gandy_protocol::args::to_args(&job)?, r#"[42,"x"]"#);
//! # Ok::<(), gandy_protocol::args::ArgsError>(())
//! ```
//!
//! **Absent and null.** A field left out by `skip_serializing_if` is written as `null`, or later fields would move. Reading
//! a struct, `null` for a field whose type has no null means "not given": its `#[serde(default)]` is taken. (Tuple
//! structs cannot tell us what they skip; `#[derive(Job)]` refuses `skip_serializing_if` there.)
//!
//! **Numbers.** Integers of every width and floats come back bit for bit, also inside `Box<RawValue>`. A `Value` holds no
//! integer above `u64::MAX`; take `u128`, `i128` or `Box<RawValue>` for those. NaN and infinities have no JSON form: as an
//! argument of their own they are refused, deeper down serde_json writes `null`.

mod absent;
mod elements;
mod error;
mod explain;
mod nonfinite;
mod object;
mod probe;
mod read;
mod top_level;
mod write;

#[cfg(test)]
mod tests;

pub use error::{ArgsError, Place};
pub use read::from_args;
pub use write::to_args;

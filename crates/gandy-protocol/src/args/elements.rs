//! Reading, the slow path: the elements one by one, with a say in what each position gets.
//!
//! It runs only after the fast path failed, and gives what serde gives to objects but not to arrays: an `Option` may be
//! absent, and `null` (which is how an absent argument in the middle is written) takes the field's default. serde's
//! derived code decides about defaults itself and does not tell, so each such position costs one more pass.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::absent::Absent;
use super::error::{ArgsError, Place};
use super::explain::Explain;
use super::probe::{Probe, Reason};
use super::top_level::{Shape, Source, TopLevel};
use super::write::RAW_VALUE;

/// A larger argument is refused without its place in it being searched: that walks the text once for each level of
/// nesting. A job with two million brackets kept a thread busy for half a minute (debug build), at each of its retries.
const EXPLAINED_MAX: usize = 64 * 1024;

/// Reads `raw`, which begins with `[`, or says what is wrong with it.
pub(super) fn read<'de, T: Deserialize<'de>>(class: &str, raw: &'de str) -> Result<T, ArgsError> {
    let elements: Vec<&'de RawValue> =
        serde_json::from_str(raw).map_err(|error| ArgsError::NotJson {
            class: class.to_owned(),
            reason: error.to_string(),
        })?;
    let mut absent = Vec::new();
    loop {
        let mut pass = Pass::new(raw, &elements, &absent);
        let error = match T::deserialize(TopLevel(&mut pass)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let seen = pass.seen;
        match seen.try_as_absent(&elements, &absent) {
            Some(index) => absent.push(index),
            None => return Err(explain::<T>(class, raw, &elements, absent, seen, error)),
        }
    }
}

/// What a pass met, to tell why it failed.
#[derive(Debug, Clone, Copy)]
struct Seen {
    shape: Shape,
    /// How many positions the visitor asked for.
    asked: usize,
    /// The position whose value was refused.
    refused: Option<usize>,
    /// The position just answered with "nothing there".
    nothing: Option<usize>,
    /// The visitor was content and left elements over.
    surplus: bool,
    /// The visitor was content.
    visited: bool,
}

impl Seen {
    /// The position to treat as absent in the next pass, if that can help.
    fn try_as_absent(&self, elements: &[&RawValue], absent: &[usize]) -> Option<usize> {
        let position = match (self.refused, self.nothing) {
            (Some(index), _) if elements.get(index).is_some_and(|e| e.get() == "null") => {
                // Only derived code has defaults to offer. A `Vec` would take "nothing" for its end.
                matches!(self.shape, Shape::Struct(_) | Shape::TupleStruct(_)).then_some(index)
            }
            (None, Some(index)) if index >= elements.len() && !self.visited => {
                (!matches!(self.shape, Shape::Seq | Shape::Empty)).then_some(index)
            }
            _ => None,
        };
        position.filter(|index| !absent.contains(index))
    }
}

/// One try at reading the elements.
struct Pass<'a, 'de> {
    raw: &'de str,
    elements: &'a [&'de RawValue],
    /// Positions that are not there: `null` that the type refused, and optional ones behind the end.
    absent: &'a [usize],
    /// The position to read in the way that explains errors.
    explain: Option<usize>,
    seen: Seen,
}

impl<'a, 'de> Pass<'a, 'de> {
    fn new(raw: &'de str, elements: &'a [&'de RawValue], absent: &'a [usize]) -> Self {
        Pass {
            raw,
            elements,
            absent,
            explain: None,
            seen: Seen {
                shape: Shape::Seq,
                asked: 0,
                refused: None,
                nothing: None,
                surplus: false,
                visited: false,
            },
        }
    }
}

impl<'de> Source<'de> for &mut Pass<'_, 'de> {
    type Error = Probe;

    fn visit<V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, Probe> {
        self.seen.shape = shape;
        let value = visitor.visit_seq(&mut *self)?;
        self.seen.visited = true;
        if self.seen.asked < self.elements.len() {
            self.seen.surplus = true;
            return Err(Probe::new(Reason::Surplus));
        }
        Ok(value)
    }

    fn verbatim<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Probe> {
        serde_json::Deserializer::from_str(self.raw)
            .deserialize_newtype_struct(RAW_VALUE, visitor)
            .map_err(|error| Probe::of_json(&error))
    }

    fn map(self) -> Probe {
        Probe::new(Reason::Map)
    }
}

impl<'de> SeqAccess<'de> for &mut Pass<'_, 'de> {
    type Error = Probe;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Probe> {
        let index = self.seen.asked;
        self.seen.asked += 1;
        self.seen.nothing = None;
        let absent = self.absent.contains(&index);
        let read = match self.elements.get(index) {
            None if absent => seed.deserialize(Absent),
            Some(element) if !absent => {
                if self.explain == Some(index) {
                    seed.deserialize(Explain::new(element.get()))
                } else {
                    read_json(seed, element.get())
                }
            }
            // The derived code now takes the default, or says that there is none.
            _ => {
                self.seen.nothing = Some(index);
                return Ok(None);
            }
        };
        if read.is_err() {
            self.seen.refused = Some(index);
        }
        read.map(Some)
    }
}

fn read_json<'de, S: DeserializeSeed<'de>>(seed: S, text: &'de str) -> Result<S::Value, Probe> {
    let mut json = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut json)
        .map_err(|error| Probe::of_json(&error))
}

/// The error to report for a pass that ended in `seen` and `error`.
fn explain<'de, T: Deserialize<'de>>(
    class: &str,
    raw: &'de str,
    elements: &[&'de RawValue],
    mut absent: Vec<usize>,
    seen: Seen,
    error: Probe,
) -> ArgsError {
    if matches!(error.reason, Reason::Map) {
        return ArgsError::Map {
            class: Some(class.to_owned()),
        };
    }
    let (wants, names) = arity::<T>(raw, seen);
    let count = |missing| ArgsError::Count {
        class: class.to_owned(),
        wants,
        names: names.to_vec(),
        got: elements.len(),
        missing,
    };
    // One argument too many usually shifts the others, so their types are not the news.
    let fixed = wants > 0 && !matches!(seen.shape, Shape::Seq);
    if seen.surplus || (fixed && elements.len() > wants) {
        return count(None);
    }
    let refused = match (seen.refused, seen.nothing) {
        (Some(index), _) | (None, Some(index)) if index >= elements.len() => {
            return if seen.visited {
                refusal(class, None, error)
            } else {
                count(Some(index + 1))
            };
        }
        // `null` was tried as "absent", and the field has no default: then the `null` is the mistake.
        (None, Some(index)) if !seen.visited => {
            absent.retain(|tried| *tried != index);
            index
        }
        (Some(index), _) => index,
        _ => return refusal(class, None, error),
    };
    let mut pass = Pass::new(raw, elements, &absent);
    pass.explain = Some(refused);
    let small = elements
        .get(refused)
        .is_none_or(|element| element.get().len() <= EXPLAINED_MAX);
    let error = match small.then(|| T::deserialize(TopLevel(&mut pass))) {
        Some(Err(explained)) if pass.seen.refused == Some(refused) => explained,
        _ => error,
    };
    let place = Place {
        index: refused + 1,
        name: names.get(refused).copied(),
        path: error.path(),
    };
    refusal(class, Some(place), error)
}

fn refusal(class: &str, at: Option<Place>, error: Probe) -> ArgsError {
    let class = class.to_owned();
    match (error.reason, at) {
        (Reason::Type { expected, got }, Some(at)) => ArgsError::Type {
            class,
            at,
            expected,
            got,
        },
        (reason, at) => ArgsError::Refused {
            class,
            at,
            reason: reason.to_string(),
        },
    }
}

/// How many arguments `T` has, and their names where they are certain.
fn arity<'de, T: Deserialize<'de>>(raw: &'de str, seen: Seen) -> (usize, &'static [&'static str]) {
    let fields = match seen.shape {
        Shape::Tuple(len) | Shape::TupleStruct(len) => return (len, &[]),
        Shape::One => return (1, &[]),
        Shape::Seq | Shape::Empty => return (seen.asked, &[]),
        Shape::Struct(fields) => fields,
    };
    // With nothing to read, derived code either takes every default or tells how many it wants.
    let mut pass = Pass::new(raw, &[], &[]);
    let wants = match T::deserialize(TopLevel(&mut pass)) {
        Ok(_) => pass.seen.asked,
        Err(error) => error.wanted_length().unwrap_or(fields.len()),
    };
    // serde lists a field's aliases among the names: then which name belongs to which position is unknown.
    let names = if fields.len() == wants { fields } else { &[] };
    (wants, names)
}

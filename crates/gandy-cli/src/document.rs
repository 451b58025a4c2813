//! The one JSON document that `--json` prints.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::{output, printable};

/// Writes it in one line. The shapes are the structs of the verbs; what Redis holds is passed through as raw JSON, since
/// a number such as 12345678901234567890123 does not survive being parsed.
pub(crate) fn print(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(document).map_err(|error| {
        Failure::bug(format!("the result could not be written as JSON: {error}"))
    })?;
    output::print(&printable::printable_json(&text))
}

/// A text as raw JSON, or nothing if it is none.
pub(crate) fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

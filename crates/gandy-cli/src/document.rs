//! The one JSON document that `--json` prints.

use serde::Serialize;

use crate::failure::Failure;
use crate::{output, printable};

/// Writes it in one line. The shapes are structs, those of `gandy::document` where the
/// dashboard says the same; what Redis holds is passed through as raw JSON, since
/// a number such as 12345678901234567890123 does not survive being parsed.
pub(crate) fn print(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(document).map_err(|error| {
        Failure::bug(format!("the result could not be written as JSON: {error}"))
    })?;
    output::print(&printable::printable_json(&text))
}

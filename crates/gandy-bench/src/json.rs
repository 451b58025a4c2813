//! Results in files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::row::Results;

/// Writes them, whole or not at all.
pub(crate) fn write(path: &Path, results: &Results) -> Result<()> {
    let aside = path.with_extension("json.new");
    let mut text = Vec::new();
    let pretty = PrettyFormatter::with_indent(b" ");
    results.serialize(&mut Serializer::with_formatter(&mut text, pretty))?;
    text.push(b'\n');
    fs::write(&aside, text).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads them.
pub(crate) fn read(path: &Path) -> Result<Results> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no result file", path.display()))
}

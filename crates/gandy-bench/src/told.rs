//! What a contender's verb printed: the contract's line, and what ours say beyond it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// One JSON line on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Of the pushing alone.
    pub(crate) seconds: f64,
    /// What the process' memory grew by since before it connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grown_mb: Option<f64>,
    /// CPU that the pushing took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us: Option<f64>,
}

impl Told {
    /// Only the time.
    pub(crate) fn took(took: Duration) -> Self {
        Self {
            seconds: took.as_secs_f64(),
            grown_mb: None,
            cpu_us: None,
        }
    }

    /// Prints the line.
    pub(crate) fn tell(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }

    /// Finds the line in what was printed.
    pub(crate) fn read(stdout: &str) -> Result<Self> {
        let mut lines = stdout.lines().rev();
        let line = lines
            .find(|line| line.trim_start().starts_with('{'))
            .with_context(|| format!("no line {{\"seconds\": S}} in {stdout:?}"))?;
        serde_json::from_str(line).with_context(|| format!("not understood: {line}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_verb_printed_is_understood() {
        let told = Told::read("a warning\n{\"seconds\": 1.5}\n").unwrap();
        assert_eq!(told, Told::took(Duration::from_millis(1_500)));
        let told = Told::read("{\"seconds\": 2, \"grown_mb\": 0.5}").unwrap();
        assert_eq!((told.seconds, told.grown_mb), (2.0, Some(0.5)));
        assert!(Told::read("nothing").is_err());
    }
}

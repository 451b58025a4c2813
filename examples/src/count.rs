//! Counting, as awk does it: bytes, not characters, so that no file is too broken to be counted.

use std::fmt;

/// What was counted in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs of bytes other than blank, tab and line break.
    pub words: usize,
    /// Lines; a last one without a line break counts.
    pub lines: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Counts a file's bytes.
///
/// ```
/// let counts = gandy_examples::count::count(b"two words\nand three more");
/// assert_eq!(counts.to_string(), "5 2 24");
/// ```
#[must_use]
pub fn count(text: &[u8]) -> Counts {
    Counts {
        words: text
            .split(|byte| b" \t\n".contains(byte))
            .filter(|word| !word.is_empty())
            .count(),
        lines: text.split_inclusive(|byte| *byte == b'\n').count(),
        bytes: text.len(),
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.words, self.lines, self.bytes)
    }
}

//! What an examination comes to.

use std::fmt;

use super::Code;

/// Subjects of a finding that are named; the rest is counted.
pub(crate) const NAMED: usize = 20;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Jobs are stuck, or will be lost.
    Error,
    /// Something does not work as it should.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A key, queue, process or job that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// How many jobs that are, 1 where it is no number of jobs.
    pub count: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// How many subjects there are.
    pub count: u64,
    /// The first 20 of them.
    pub subjects: Vec<Subject>,
    /// What is wrong and why that matters, with what was seen.
    pub reason: String,
}

impl Finding {
    pub(super) fn new(code: Code, severity: Severity, subjects: Vec<Subject>) -> Self {
        let count = subjects.len() as u64;
        Self {
            code,
            severity,
            count,
            subjects: subjects.into_iter().take(NAMED).collect(),
            reason: code.row().means.to_owned(),
        }
    }

    /// With what was seen, in a few words.
    pub(super) fn seen(mut self, words: impl fmt::Display) -> Self {
        self.reason = format!("{}: {words}", self.code.row().means);
        self
    }
}

/// What was not looked at, or only in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Of which kind of finding.
    pub code: Code,
    /// How many things were changed: jobs, processes or names, as `what` says.
    pub done: u64,
    /// What was done, in a sentence.
    pub what: String,
}

/// An examination's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The server: name and version, empty where it does not tell.
    pub server: String,
    /// The user whose rights were looked at, where they could be.
    pub user: Option<String>,
    /// Microseconds of a round trip from here, the median of some.
    pub round_trip_us: Option<u64>,
    /// How much this host's clock is ahead of the server's, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// What is wrong, the gravest first.
    pub findings: Vec<Finding>,
    /// What was not looked at.
    pub unknown: Vec<Unknown>,
}

impl Report {
    /// Whether anything is graver than a note.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity == Severity::Note)
    }
}

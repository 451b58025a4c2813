//! What the doctor found.

use serde::Serialize;

use crate::doctor::{Finding, Repair, Report};

/// An examination, as `gandy doctor --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Findings<'a> {
    server: &'a str,
    user: Option<&'a str>,
    round_trip_us: Option<u64>,
    clock_ahead_ms: Option<i64>,
    findings: Vec<Found<'a>>,
    unknown: Vec<Unseen<'a>>,
    fixed: Vec<Fixed<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct Found<'a> {
    code: &'static str,
    severity: String,
    count: u64,
    subjects: Vec<Subject<'a>>,
    reason: &'a str,
    fix: &'static str,
    fixable: bool,
    would: Option<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
struct Subject<'a> {
    name: &'a str,
    count: u64,
}

#[derive(Debug, Clone, Serialize)]
struct Unseen<'a> {
    what: &'a str,
    why: &'a str,
}

/// What a repair did.
#[derive(Debug, Clone, Serialize)]
pub struct Fixed<'a> {
    code: &'static str,
    done: u64,
    what: &'a str,
}

impl<'a> From<&'a Repair> for Fixed<'a> {
    fn from(repair: &'a Repair) -> Self {
        Self {
            code: repair.code.as_str(),
            done: repair.done,
            what: &repair.what,
        }
    }
}

fn found(finding: &Finding) -> Found<'_> {
    let row = finding.code.row();
    let subjects = finding.subjects.iter();
    Found {
        code: row.name,
        severity: finding.severity.to_string(),
        count: finding.count,
        subjects: subjects
            .map(|subject| Subject {
                name: &subject.name,
                count: subject.count,
            })
            .collect(),
        reason: &finding.reason,
        fix: row.remedy,
        fixable: row.fix.is_some(),
        would: row.fix,
    }
}

impl<'a> Findings<'a> {
    /// What is left after these repairs.
    #[must_use]
    pub fn of(report: &'a Report, fixed: &'a [Repair]) -> Self {
        let unknown = report.unknown.iter();
        let fixed = fixed.iter();
        Self {
            server: &report.server,
            user: report.user.as_deref(),
            round_trip_us: report.round_trip_us,
            clock_ahead_ms: report.clock_ahead_ms,
            findings: report.findings.iter().map(found).collect(),
            unknown: unknown
                .map(|unknown| Unseen {
                    what: &unknown.what,
                    why: &unknown.why,
                })
                .collect(),
            fixed: fixed.map(Fixed::from).collect(),
        }
    }
}

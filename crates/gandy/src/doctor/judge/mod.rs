//! From facts to findings. Pure: what Redis would have to be broken for can be tested here.

mod fleet;
mod jobs;
mod server;

pub(super) use fleet::silent;

use super::exam::Exam;
use super::finding::{Finding, Report, Subject};

/// The whole, the gravest first.
pub(crate) fn report(exam: Exam) -> Report {
    let mut findings: Vec<Finding> = Vec::new();
    server::judge(&exam, &mut findings);
    fleet::judge(&exam, &mut findings);
    jobs::judge(&exam, &mut findings);
    findings.sort_by_key(|finding| (finding.severity, finding.code));
    let server = exam.vitals.as_ref();
    Report {
        server: server.map_or_else(String::new, |vitals| {
            format!("{} {}", vitals.facts.name, vitals.facts.version)
        }),
        user: exam.rights.as_ref().map(|rights| rights.user.clone()),
        round_trip_us: exam
            .clock
            .map(|clock| u64::try_from(clock.round_trip.as_micros()).unwrap_or(u64::MAX)),
        clock_ahead_ms: exam.clock.map(|clock| clock.ahead_ms),
        findings,
        unknown: exam.unknown,
    }
}

fn subject(name: impl Into<String>, count: u64) -> Subject {
    Subject {
        name: name.into(),
        count,
    }
}

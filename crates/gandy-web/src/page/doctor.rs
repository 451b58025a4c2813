//! What is wrong, why, and what to do about it; repairs where a command can.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use gandy::QueueName;
use gandy::doctor::{CODES, Code, Finding, Repair, Severity};

use super::{html, see};
use crate::audit;
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Query, encoded};
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};
use crate::words::{self, clipped};

/// An examination reads thousands of entries: who loads the page again sees the same.
pub(crate) const FRESH: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "doctor.html")]
struct Page {
    frame: Frame,
    findings: Vec<Row>,
    /// What was looked for and is not there: code, and what it would mean.
    sound: Vec<(&'static str, &'static str)>,
    unknown: Vec<(String, String)>,
    server: String,
    user: String,
    round_trip: String,
    clock: String,
}

struct Row {
    code: &'static str,
    tone: &'static str,
    severity: String,
    count: String,
    reason: String,
    subjects: Vec<Subject>,
    more: u64,
    remedy: &'static str,
    fix: &'static str,
}

struct Subject {
    text: String,
    /// To its page; empty: it has none.
    link: String,
}

pub(crate) async fn show(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let notice = app.notices.take(&query);
    let age = match notice.is_some() {
        // After a repair what it left is looked for.
        true => Duration::ZERO,
        false => FRESH,
    };
    let report = app.watch.report(&app.doctor, age).await?;
    let glance = app.watch.glance().await;
    html(&Page {
        frame: Frame::new(&app, &visitor, Tab::Doctor, "Doctor", glance.as_deref())
            .live("nav:doctor")
            .noticing(notice),
        findings: report.findings.iter().map(row).collect(),
        sound: CODES
            .iter()
            .filter(|row| report.findings.iter().all(|found| found.code != row.code))
            .map(|row| (row.name, row.means))
            .collect(),
        unknown: report
            .unknown
            .iter()
            .map(|it| (it.what.clone(), it.why.clone()))
            .collect(),
        server: report.server.clone(),
        user: report.user.clone().unwrap_or_default(),
        round_trip: report
            .round_trip_us
            .map(|us| words::took(us as f64 / 1000.0))
            .unwrap_or_default(),
        clock: report.clock_ahead_ms.map(clock).unwrap_or_default(),
    })
}

fn clock(ahead_ms: i64) -> String {
    let span = words::span(ahead_ms.unsigned_abs());
    match ahead_ms {
        // Nobody knows it better: the answer was on its way for a while.
        -2..=2 => "agrees with Redis’".to_owned(),
        ..-2 => format!("{span} behind Redis"),
        _ => format!("{span} ahead of Redis"),
    }
}

fn row(finding: &Finding) -> Row {
    let known = finding.code.row();
    let is_of_queues = matches!(finding.code, Code::UnservedQueue | Code::UnlistedQueue);
    Row {
        code: known.name,
        tone: match finding.severity {
            Severity::Error => "bad",
            Severity::Warning => "warn",
            Severity::Note => "",
        },
        severity: finding.severity.to_string(),
        count: match finding.count {
            0 | 1 => String::new(),
            count => words::grouped(count),
        },
        reason: finding.reason.clone(),
        subjects: finding
            .subjects
            .iter()
            .map(|found| {
                let name = clipped(&found.name, 80);
                Subject {
                    link: match is_of_queues && QueueName::check(&found.name).is_ok() {
                        true => format!("/queues/{}", encoded(&found.name)),
                        false => String::new(),
                    },
                    text: match found.count {
                        0 | 1 => name,
                        count => format!("{name} ({})", words::grouped(count)),
                    },
                }
            })
            .collect(),
        more: finding.count.saturating_sub(finding.subjects.len() as u64),
        remedy: known.remedy,
        fix: known.fix.unwrap_or_default(),
    }
}

/// `POST /doctor/CODE`
pub(crate) async fn fix(
    State(app): State<App>,
    visitor: Visitor,
    Path(code): Path<String>,
) -> Outcome {
    let repair = repair(&app, &visitor, &code).await?;
    let notice = app
        .notices
        .keep(true, format!("{}: {}.", repair.code, repair.what));
    Ok(see(&visitor, &format!("/doctor?{notice}")))
}

/// Repairs what has this code.
pub(crate) async fn repair(app: &Shared, visitor: &Visitor, code: &str) -> Outcome<Repair> {
    let code: Code = code
        .parse()
        .map_err(|why: String| Problem::param("code", why))?;
    match app.doctor.fix(code).await {
        Ok(repair) => {
            audit::done(visitor, "fix", code.as_str(), repair.done);
            Ok(repair)
        }
        Err(error) => {
            audit::failed(visitor, "fix", code.as_str(), &error.to_string());
            Err(error.into())
        }
    }
}

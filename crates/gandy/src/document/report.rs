//! One job: every place where it stands, what happened to it, why it does not run.

use serde::Serialize;

use super::{IN_FLIGHT, Shown};
use crate::views::words::place;
use crate::views::{Explanation, JobReport, Sighting, Whereabouts};
use crate::{Ended, Payload};

/// One place where a job stands, as `gandy job --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Seen<'a> {
    place: String,
    at_ms: Option<i64>,
    queue: Option<&'a str>,
    ahead: Option<u64>,
    process: Option<&'a str>,
    alive: Option<bool>,
    since_ms: Option<i64>,
    reason: Option<&'a str>,
    payload: Shown<'a>,
}

impl<'a> Seen<'a> {
    /// With what `show` lets through of its payload.
    #[must_use]
    pub fn of(sighting: &'a Sighting, show: impl FnOnce(&'a Payload) -> Shown<'a>) -> Self {
        let mut seen = Self {
            place: String::new(),
            at_ms: None,
            queue: sighting.payload.queue(),
            ahead: None,
            process: None,
            alive: None,
            since_ms: None,
            reason: sighting.reason.as_deref(),
            payload: show(&sighting.payload),
        };
        match &sighting.whereabouts {
            Whereabouts::Queue { name, ahead } => {
                seen.place = format!("queue:{name}");
                seen.queue = Some(name);
                seen.ahead = Some(*ahead);
            }
            Whereabouts::Set {
                place: set, at_ms, ..
            } => {
                seen.place = place(set);
                seen.at_ms = Some(*at_ms);
            }
            Whereabouts::InFlight {
                identity,
                queue,
                alive,
                since_ms,
                ..
            } => {
                seen.place = IN_FLIGHT.to_owned();
                seen.queue = Some(queue);
                seen.process = Some(identity);
                seen.alive = Some(*alive);
                seen.since_ms = *since_ms;
            }
            Whereabouts::Ruby {
                identity,
                queue,
                since_ms,
            } => {
                seen.place = "ruby".to_owned();
                seen.queue = queue.as_deref().or(seen.queue);
                seen.process = Some(identity);
                seen.since_ms = *since_ms;
            }
        }
        seen
    }
}

/// How its last run ended.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome<'a> {
    outcome: &'static str,
    at_ms: i64,
    will_retry: bool,
    error_class: Option<&'a str>,
    error_message: Option<&'a str>,
}

impl<'a> From<&'a Ended> for Outcome<'a> {
    fn from(ended: &'a Ended) -> Self {
        Self {
            outcome: ended.outcome.as_str(),
            at_ms: ended.at,
            will_retry: ended.will_retry,
            error_class: ended.error_class.as_deref(),
            error_message: ended.error_message.as_deref(),
        }
    }
}

/// Something that keeps it from running, as `gandy why --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Said {
    code: &'static str,
    /// In words.
    pub text: String,
}

impl Said {
    /// All of an explanation's.
    #[must_use]
    pub fn all_of(explanation: &Explanation) -> Vec<Self> {
        let reasons = explanation.reasons.iter();
        reasons
            .map(|reason| Self {
                code: reason.code(),
                text: reason.text(explanation.now_ms),
            })
            .collect()
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// What, in words.
    pub what: String,
}

impl Event {
    /// What the payloads and the outcome tell, by time. Of failures Sidekiq keeps the first and the last. Messages of errors
    /// are told of payloads of which `tells` says so.
    #[must_use]
    pub fn all_of(report: &JobReport, tells: impl Fn(&Payload) -> bool) -> Vec<Self> {
        let mut events: Vec<Self> = Vec::new();
        let mut add = |at_ms: i64, what: String| {
            if events
                .iter()
                .all(|event| event.what != what || event.at_ms != at_ms)
            {
                events.push(Self { at_ms, what });
            }
        };
        for sighting in &report.sightings {
            of_payload(&sighting.payload, tells(&sighting.payload), &mut add);
        }
        if let Some(ended) = &report.outcome {
            add(
                ended.at,
                format!("its last run ended: {};", ended.outcome.as_str()),
            );
        }
        events.sort_by_key(|event| event.at_ms);
        events
    }
}

fn of_payload(payload: &Payload, tells: bool, add: &mut impl FnMut(i64, String)) {
    let stamp = |name: &str| payload.stamp(name).map(|stamp| stamp.millis());
    let error = |name: &str| serde_json::from_str::<String>(payload.field(name)?).ok();
    let message = error("error_message").filter(|_| tells);
    let error = match (error("error_class"), message) {
        (Some(class), Some(message)) => format!(": {class}: {message};"),
        (Some(one), None) | (None, Some(one)) => format!(": {one};"),
        (None, None) => String::new(),
    };
    let last = stamp("retried_at");
    if let Some(at) = stamp("created_at") {
        add(at, "created".to_owned());
    }
    if let Some(at) = stamp("enqueued_at") {
        add(at, "enqueued".to_owned());
    }
    if let Some(at) = stamp("failed_at") {
        match last {
            Some(_) => add(at, "failed for the first time".to_owned()),
            None => add(at, format!("failed for the first time{error}")),
        }
    }
    if let Some(at) = last {
        let times = payload.retry_count().map_or_else(String::new, |count| {
            format!(" (failure {})", u64::from(count) + 1)
        });
        add(at, format!("failed again{times}{error}"));
    }
}

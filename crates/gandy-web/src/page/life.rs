//! A job's life as a line of moments: what its payload tells of the past, where it stands, and what comes next.

use gandy::Place;
use gandy::views::{Explanation, Sighting, Whereabouts};

use super::entries::{failures, text};
use crate::words::{self, When};

/// A moment of its life.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// `past`, `bad`, `now` or `next`.
    pub(crate) tone: &'static str,
    pub(crate) when: Option<When>,
    pub(crate) note: String,
}

/// Its life, as far as the payload tells: of failures Sidekiq keeps the first and the last.
pub(crate) fn steps(sighting: &Sighting, explanation: &Explanation, now_ms: i64) -> Vec<Step> {
    let payload = &sighting.payload;
    let stamp = |name: &str| {
        payload
            .stamp(name)
            .map(|stamp| When::new(stamp.millis(), now_ms))
    };
    let mut steps = Vec::new();
    let mut add = |name, tone, when: Option<When>, note: String| {
        steps.push(Step {
            name,
            tone,
            when,
            note,
        });
    };
    if let Some(when) = stamp("created_at") {
        add("Created", "past", Some(when), String::new());
    }
    // A scheduled job that never was in a queue has none; of one that failed it is of the last time.
    if let Some(when) = stamp("enqueued_at") {
        add(
            "Enqueued",
            "past",
            Some(when),
            words::clipped(payload.queue().unwrap_or("default"), 40),
        );
    }
    let last = stamp("retried_at");
    if let Some(when) = stamp("failed_at") {
        let note = match last {
            Some(_) => String::new(),
            None => words::clipped(&text(payload, "error_class").unwrap_or_default(), 50),
        };
        add("First failure", "bad", Some(when), note);
    }
    if let Some(when) = last {
        let error = words::clipped(&text(payload, "error_class").unwrap_or_default(), 50);
        add(
            "Last failure",
            "bad",
            Some(when),
            format!("run {}: {error}", failures(payload)),
        );
    }
    // Its own stamps are not always in the order in which states follow each other.
    steps.sort_by_key(|step| step.when.as_ref().map_or(0, |when| when.at_ms));
    let now = |name, tone, at: Option<i64>, note: String| Step {
        name,
        tone,
        when: at.map(|at| When::new(at, now_ms)),
        note,
    };
    match &sighting.whereabouts {
        Whereabouts::Queue { name, ahead } => {
            steps.push(now(
                "Waiting",
                "now",
                None,
                match ahead {
                    0 => format!("in {name}"),
                    ahead => format!("in {name}, behind {}", words::grouped(*ahead)),
                },
            ));
            steps.push(now("Runs", "next", None, String::new()));
        }
        Whereabouts::Set {
            place: Place::Dead,
            at_ms,
            ..
        } => {
            steps.push(now("Died", "now bad", Some(*at_ms), String::new()));
        }
        Whereabouts::Set { place, at_ms, .. } => {
            let waits = if *place == Place::Retry {
                "Waits to be retried"
            } else {
                "Waits for its time"
            };
            steps.push(now(waits, "now", None, String::new()));
            steps.push(now("Due", "next", Some(*at_ms), String::new()));
        }
        Whereabouts::InFlight {
            identity, since_ms, ..
        }
        | Whereabouts::Ruby {
            identity, since_ms, ..
        } => {
            steps.push(now(
                "Running",
                "now",
                *since_ms,
                words::clipped(identity, 60),
            ));
        }
    }
    if let Some(ended) = &explanation.report.outcome {
        steps.push(now(
            "Last run ended",
            "past",
            Some(ended.at),
            ended.outcome.as_str().to_owned(),
        ));
    }
    steps
}

//! What `job`, `why` and `cancel` have in common: the flags of a search, the shape of what it finds, and how far it came.

use std::time::Duration;

use clap::Args;
use gandy::views::{JobReport, Sighting, Whereabouts};
use gandy::{Ended, Place};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::printable::printable;
use crate::{document, place, words};

/// Where to look, and for how long.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// The job's id
    #[arg(value_name = "JID", value_parser = jid)]
    pub(crate) jid: String,

    /// Look only here, and where jobs run; may be given several times
    #[arg(long, value_name = "queue:NAME|retry|schedule|dead", value_parser = place::parse)]
    pub(crate) r#in: Vec<Place>,

    /// Stop looking after this time
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = words::parse_some_span)]
    pub(crate) within: Duration,
}

pub(crate) fn jid(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("a job has an id, such as b5de70b63090decd6440fd9e".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// One place as JSON.
#[derive(Serialize)]
pub(crate) struct Found<'a> {
    place: String,
    at_ms: Option<i64>,
    queue: Option<&'a str>,
    ahead: Option<u64>,
    process: Option<&'a str>,
    alive: Option<bool>,
    since_ms: Option<i64>,
    reason: Option<&'a str>,
    payload: Option<&'a RawValue>,
}

/// An outcome as JSON.
#[derive(Serialize)]
pub(crate) struct OutcomeJson<'a> {
    outcome: &'static str,
    at_ms: i64,
    will_retry: bool,
    error_class: Option<&'a str>,
    error_message: Option<&'a str>,
}

pub(crate) fn outcome(ended: &Ended) -> OutcomeJson<'_> {
    OutcomeJson {
        outcome: ended.outcome.as_str(),
        at_ms: ended.at,
        will_retry: ended.will_retry,
        error_class: ended.error_class.as_deref(),
        error_message: ended.error_message.as_deref(),
    }
}

pub(crate) fn found(sighting: &Sighting) -> Found<'_> {
    let mut found = Found {
        place: String::new(),
        at_ms: None,
        queue: sighting.payload.queue(),
        ahead: None,
        process: None,
        alive: None,
        since_ms: None,
        reason: sighting.reason.as_deref(),
        payload: document::raw(sighting.payload.raw()),
    };
    match &sighting.whereabouts {
        Whereabouts::Queue { name, ahead } => {
            found.place = format!("queue:{name}");
            found.queue = Some(name);
            found.ahead = Some(*ahead);
        }
        Whereabouts::Set { place, at_ms } => {
            found.place = place::name(place);
            found.at_ms = Some(*at_ms);
        }
        Whereabouts::InFlight {
            identity,
            queue,
            alive,
            since_ms,
            ..
        } => {
            found.place = place::IN_FLIGHT.to_owned();
            found.queue = Some(queue);
            found.process = Some(identity);
            found.alive = Some(*alive);
            found.since_ms = *since_ms;
        }
        Whereabouts::Ruby {
            identity,
            queue,
            since_ms,
        } => {
            found.place = "ruby".to_owned();
            found.queue = queue.as_deref().or(found.queue);
            found.process = Some(identity);
            found.since_ms = *since_ms;
        }
    }
    found
}

/// Where it is, in words, harmless for a terminal.
pub(crate) fn place_in_words(sighting: &Sighting, now_ms: i64) -> String {
    let words = match &sighting.whereabouts {
        Whereabouts::Queue { name, ahead: 0 } => format!("in queue {name}, next"),
        Whereabouts::Queue { name, ahead } => {
            format!(
                "in queue {name}, behind about {}",
                words::count(*ahead, "job")
            )
        }
        Whereabouts::Set { place, at_ms } => {
            let when = words::relative(*at_ms, now_ms);
            match place {
                Place::Dead => format!("in dead, since {when}"),
                set => format!("in {}, due {when}", place::name(set)),
            }
        }
        Whereabouts::InFlight {
            identity,
            queue,
            alive,
            since_ms,
            ..
        } => {
            let began = match (alive, since_ms) {
                (false, _) => ", which is dead: it is given back".to_owned(),
                (true, Some(since)) => format!(", began {}", words::relative(*since, now_ms)),
                (true, None) => ", claimed and not shown as running yet".to_owned(),
            };
            format!("in flight at {identity}{began}; from queue {queue}")
        }
        Whereabouts::Ruby {
            identity, since_ms, ..
        } => {
            let began = since_ms.map_or_else(String::new, |since| {
                format!(", began {}", words::relative(since, now_ms))
            });
            format!("at the Ruby process {identity}{began}")
        }
    };
    printable(&words)
}

/// How the last run ended, in words, harmless for a terminal.
pub(crate) fn outcome_in_words(ended: &Ended) -> String {
    printable(&gandy::views::words::ended(ended))
}

/// What to tell about a search that did not see everything.
pub(crate) fn limits(report: &JobReport) -> Vec<String> {
    let mut notes = Vec::new();
    if report.gave_up {
        notes.push(format!(
            "the search ended after {}; --within gives it more time, --in a place to look in",
            words::count(report.looked_at, "job")
        ));
    }
    for unread in &report.unread {
        notes.push(format!("not looked at: {}", printable(unread)));
    }
    notes
}

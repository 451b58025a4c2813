//! What `job`, `why` and `cancel` have in common: the flags of a search, what it finds in words, and how far it came.

use std::time::Duration;

use clap::Args;
use gandy::views::{JobReport, Sighting, Whereabouts};
use gandy::{Ended, Place};

use crate::printable::printable;
use crate::{place, words};

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
        Whereabouts::Set { place, at_ms, .. } => {
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

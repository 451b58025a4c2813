//! The word that names where jobs wait: `queue:NAME`, `retry`, `schedule` or `dead`; and where only to look, `inflight`.

use gandy::{Place, QueueName};

use crate::printable::printable;

/// As the help shows it.
pub(crate) const WORDS: &str = "queue:NAME|retry|schedule|dead";

/// The word for what workers hold.
pub(crate) use gandy::document::IN_FLIGHT;

/// Where jobs can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Set {
    /// They wait there.
    Waiting(Place),
    /// Workers hold them.
    InFlight,
}

pub(crate) fn set(word: &str) -> Result<Set, String> {
    match word {
        IN_FLIGHT => Ok(Set::InFlight),
        "in-flight" | "in_flight" | "busy" | "running" => {
            Err("write inflight for the jobs that workers hold".to_owned())
        }
        place => match parse(place) {
            Ok(place) => Ok(Set::Waiting(place)),
            Err(error) => Err(error.replace("schedule or dead;", "schedule, dead or inflight;")),
        },
    }
}

/// A queue as `queue:NAME`, where nothing else can stand.
pub(crate) fn queue(word: &str) -> Result<String, String> {
    match parse(word)? {
        Place::Queue(name) => Ok(name),
        _ => Err("write queue:NAME; only a queue is meant here".to_owned()),
    }
}

pub(crate) fn parse(word: &str) -> Result<Place, String> {
    if let Some(name) = word.strip_prefix("queue:") {
        return match QueueName::check(name) {
            Ok(()) => Ok(Place::Queue(name.to_owned())),
            Err(error) => Err(error.to_string()),
        };
    }
    let meant = match word {
        "retry" => return Ok(Place::Retry),
        "schedule" => return Ok(Place::Schedule),
        "dead" => return Ok(Place::Dead),
        IN_FLIGHT => {
            return Err("that is what workers hold: gandy jobs inflight, gandy cancel".to_owned());
        }
        "retries" => "retry".to_owned(),
        "scheduled" => "schedule".to_owned(),
        "queue" | "queues" | "" => "queue:NAME".to_owned(),
        name => format!("queue:{}", printable(name)),
    };
    Err(format!(
        "write queue:NAME, retry, schedule or dead; did you mean {meant}?"
    ))
}

pub(crate) use gandy::views::words::place as name;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_a_near_miss_is_named() {
        for word in ["queue:default", "queue:a:b", "retry", "schedule", "dead"] {
            assert_eq!(parse(word).map(|place| name(&place)), Ok(word.to_owned()));
        }
        for (word, meant) in [
            ("mailers", "queue:mailers?"),
            ("retries", "retry?"),
            ("queue", "queue:NAME?"),
        ] {
            assert!(
                parse(word).is_err_and(|error| error.ends_with(meant)),
                "{word}"
            );
        }
        assert!(parse("queue:").is_err());
        assert_eq!(set("inflight"), Ok(Set::InFlight));
        assert!(parse("inflight").is_err_and(|error| error.contains("what workers hold")));
        assert_eq!(set("dead"), Ok(Set::Waiting(Place::Dead)));
        assert!(set("running").is_err_and(|error| error.contains("inflight")));
        assert!(set("x").is_err_and(|error| error.contains("dead or inflight; did you mean")));
        assert_eq!(queue("queue:low"), Ok("low".to_owned()));
        assert!(queue("dead").is_err() && queue("low").is_err());
    }
}

//! The address of one entry: where it is, the digest of its exact bytes, and where it stood when it was shown, so that it is
//! found without a search. What it is found by is never what it is known by: another entry of the same score is not it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gandy::{Hit, JobInfo, Payload, Place, Sought, Stood};

use crate::problem::{Outcome, Problem};
use crate::state::Shared;

/// How long a job of a page is looked for that is not where it stood.
const WITHIN: Duration = Duration::from_secs(1);

/// As a form and a link carry it: `DIGEST@SCORE`, of a queue `DIGEST@INDEX~BEHIND`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spot {
    digest: String,
    near: f64,
    behind: Option<usize>,
}

impl Spot {
    pub(crate) fn of(hit: &Hit) -> Self {
        Self {
            digest: hit.job.digest(),
            near: hit.job.score.unwrap_or(hit.index as f64),
            behind: hit.job.score.is_none().then_some(hit.behind),
        }
    }

    /// Of a job that a search by its id has found: `near` is its score, or in a queue how many are popped before it.
    pub(crate) fn at(payload: &Payload, near: f64) -> Self {
        Self {
            digest: gandy::digest(payload.as_bytes()),
            near,
            behind: None,
        }
    }

    /// Of a queue, how many were to be popped before it.
    pub(crate) fn index(&self) -> u64 {
        self.near.clamp(0.0, 1e12) as u64
    }

    /// Of a queue: where it stood.
    pub(crate) fn stood(&self) -> Stood {
        Stood {
            digest: self.digest.clone(),
            index: usize::try_from(self.index()).unwrap_or(usize::MAX),
            behind: self.behind,
        }
    }

    /// The entry, or whether it is gone for certain.
    pub(crate) async fn seek(
        &self,
        app: &Shared,
        place: &Place,
        within: Duration,
    ) -> Outcome<Sought> {
        let inspect = &app.inspect;
        Ok(match place {
            Place::Queue(name) => inspect.job_near(name, &self.stood(), within).await?,
            set => inspect.job_at(set, self.near, &self.digest, within).await?,
        })
    }

    /// The entry, if it was found.
    pub(crate) async fn find(&self, app: &Shared, place: &Place) -> Outcome<Option<JobInfo>> {
        Ok(match self.seek(app, place, WITHIN).await? {
            Sought::Found(hit) => Some(hit.job),
            Sought::Gone | Sought::Unseen { .. } => None,
        })
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.near.abs() < 1e15 {
            true => write!(f, "{}@{}", self.digest, self.near)?,
            // 1e300 and not its 301 digits.
            false => write!(f, "{}@{:e}", self.digest, self.near)?,
        }
        match self.behind {
            Some(behind) => write!(f, "~{behind}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Spot {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::param(
                "entry",
                "is no address of an entry; go back and load the list anew",
            )
        };
        let (digest, near) = text.split_once('@').ok_or_else(wrong)?;
        let (near, behind) = match near.split_once('~') {
            Some((near, behind)) => (near, Some(behind.parse().map_err(|_| wrong())?)),
            None => (near, None),
        };
        let hex = digest.len() == 40 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let near: f64 = near.parse().map_err(|_| wrong())?;
        if !hex || text.len() > 100 || near.is_nan() {
            return Err(wrong());
        }
        Ok(Self {
            digest: digest.to_owned(),
            near,
            behind,
        })
    }
}

/// The word for a place in links: `retry`, `queue:low`.
pub(crate) fn place_word(place: &Place) -> String {
    match place {
        Place::Queue(name) => format!("queue:{name}"),
        Place::Schedule => "schedule".to_owned(),
        Place::Retry => "retry".to_owned(),
        Place::Dead => "dead".to_owned(),
    }
}

/// The page of a place.
pub(crate) fn place_path(place: &Place) -> String {
    match place {
        Place::Queue(name) => format!("/queues/{}", crate::param::encoded(name)),
        Place::Schedule => "/scheduled".to_owned(),
        Place::Retry => "/retries".to_owned(),
        Place::Dead => "/dead".to_owned(),
    }
}

/// A place as [`place_word`] wrote it.
pub(crate) fn place(word: &str) -> Outcome<Place> {
    if let Some(name) = word.strip_prefix("queue:") {
        return crate::page::queues::queue(name).map(Place::Queue);
    }
    match word {
        "schedule" => Ok(Place::Schedule),
        "retry" => Ok(Place::Retry),
        "dead" => Ok(Place::Dead),
        _ => Err(Problem::param(
            "place",
            "must be retry, schedule, dead or queue:NAME",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_spot_reads_back_and_nothing_else_is_one() {
        let text = format!("{}@1795398104.5", "a".repeat(40));
        assert_eq!(text.parse::<Spot>().unwrap().to_string(), text);
        let text = format!("{}@1e300", "a".repeat(40));
        assert_eq!(text.parse::<Spot>().unwrap().to_string(), text);
        let text = format!("{}@250~19749", "a".repeat(40));
        assert_eq!(text.parse::<Spot>().unwrap().to_string(), text);
        for wrong in [
            "",
            "@",
            "a@1",
            &text.replace('a', "g"),
            &format!("{}@x", "a".repeat(40)),
            &format!("{}@NaN", "a".repeat(40)),
            &format!("{}@1~", "a".repeat(40)),
            &format!("{}@1~-2", "a".repeat(40)),
        ] {
            assert!(wrong.parse::<Spot>().is_err(), "{wrong}");
        }
    }
}

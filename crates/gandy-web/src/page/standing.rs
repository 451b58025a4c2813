//! The entry that a link names: found where it stood, or not; and whether it is still there while its page is open.

use std::time::{Duration, Instant};

use gandy::{JobInfo, Place, Sought};

use super::{Memory, Put};
use crate::param::jid_path;
use crate::problem::{Outcome, Problem};
use crate::spot::{Spot, place};
use crate::state::Shared;

/// A job that a list showed is looked for, where it stood, for so long; and whether it is still there on each tick.
pub(crate) const LOOKING: Duration = Duration::from_secs(1);
const GLANCING: Duration = Duration::from_millis(100);
/// One that is not where it stood is looked for again after so long: one tab on a job that had gone from a queue of a million
/// took 17 MB a second out of Redis.
const MISSED: Duration = Duration::from_secs(30);
/// The entry that `PLACE:SPOT` names, if it is still there.
pub(crate) async fn seen_at(app: &Shared, at: &str) -> Outcome<Option<JobInfo>> {
    let (place, spot) = address(at)?;
    spot.find(app, &place).await
}

pub(crate) fn address(at: &str) -> Outcome<(Place, Spot)> {
    let wrong = || Problem::param("at", "is no place of an entry");
    let (word, spot) = at.rsplit_once(':').ok_or_else(wrong)?;
    Ok((place(word)?, spot.parse()?))
}

/// What a link to a job leads to.
pub(crate) enum Located {
    /// The entry that its list showed, with how many are ahead of it by now.
    Here(JobInfo, Spot, u64),
    /// The same, and it is no job.
    Bytes(JobInfo, Spot, String),
    /// The same, and its job has another id than the link says.
    Named(String),
    /// Somewhere, if anywhere: it is not where it stood, or nobody said where.
    Anywhere,
}

pub(crate) async fn locate(app: &Shared, jid: &str, at: Option<&str>) -> Outcome<Located> {
    let Some(at) = at else {
        return Ok(Located::Anywhere);
    };
    let (place, spot) = address(at)?;
    let Sought::Found(hit) = spot.seek(app, &place, LOOKING).await? else {
        return Ok(Located::Anywhere);
    };
    let (job, ahead) = (hit.job, hit.index as u64);
    Ok(match &job.payload {
        Err(problem) => {
            let problem = problem.clone();
            Located::Bytes(job, spot, problem)
        }
        Ok(payload) if jid_path(payload.jid()) != jid_path(jid) => {
            Located::Named(payload.jid().to_owned())
        }
        Ok(_) => Located::Here(job, spot, ahead),
    })
}

/// That a job is not where its page says any more.
pub(crate) async fn standing_still(
    app: &Shared,
    place: &Place,
    spot: &str,
    memory: &mut Memory,
    put: Put<'_>,
) {
    let Ok(spot) = spot.parse::<Spot>() else {
        return;
    };
    let said = memory.missed.map_or("", |(_, words)| words);
    let rests = memory.missed.is_some_and(|(at, _)| at.elapsed() < MISSED);
    let sought = match rests {
        true => None,
        // What cannot be asked changes nothing.
        false => spot.seek(app, place, GLANCING).await.ok(),
    };
    let words = match sought {
        None => said,
        Some(Sought::Found(_)) => "",
        Some(Sought::Gone) => {
            "<p class=\"notice warn\">It is not here any more: it runs, has ended, or somebody has moved it. <a href=\"?\">Look again</a></p>"
        }
        // What was once known to be gone does not come back by being looked for too short.
        Some(Sought::Unseen { .. }) if !said.is_empty() => said,
        Some(Sought::Unseen { .. }) => {
            "<p class=\"notice warn\">It has not been seen near where it stood: it may run, have ended, or stand further on. <a href=\"?\">Look again</a></p>"
        }
    };
    if !rests {
        memory.missed = (!words.is_empty()).then(|| (Instant::now(), words));
    }
    put("gone", Ok(words.to_owned()));
}

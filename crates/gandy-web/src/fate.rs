//! Acts on one job, by its exact bytes, and what became of them: for its page and for the API.
//!
//! Not here: acts on many (`page::acts`, `runs`).

use std::time::Duration;

use gandy::views::{Cancelled, Explanation, Reason};
use gandy::{Act, Error, JobInfo, Place};

use crate::audit;
use crate::frame::Visitor;
use crate::page::entries;
use crate::param::{JID_MAX, Params};
use crate::problem::{Outcome, Problem};
use crate::runs::word;
use crate::spot::{Spot, place_word};
use crate::state::Shared;

/// A stop of a run is waited for.
const CANCEL: Duration = Duration::from_secs(3);

/// What became of an act on one job.
pub(crate) enum Fate {
    Done,
    /// Somebody else was quicker.
    Gone,
    Impossible(String),
}

pub(crate) async fn carry_out(
    app: &Shared,
    visitor: &Visitor,
    jid: &str,
    place: &Place,
    act: &Act,
    form: &Params,
) -> Outcome<Fate> {
    let Some(job) = find(app, place, jid, form).await? else {
        return Ok(Fate::Gone);
    };
    if let Ok(payload) = &job.payload
        && payload.jid() != jid
        && jid != "-"
    {
        return Err(Problem::param(
            "entry",
            "is another job than the path names; load its page anew",
        ));
    }
    let path = place_word(place);
    match app.inspect.act(&job, act).await {
        Ok(true) => {
            audit::picked(visitor, word(act), &path, &[name(&job)]);
            Ok(Fate::Done)
        }
        Ok(false) => Ok(Fate::Gone),
        Err(Error::Config(why)) => Ok(Fate::Impossible(why)),
        Err(error) => {
            audit::failed(visitor, word(act), &path, &error.to_string());
            Err(error.into())
        }
    }
}

/// What a job is called in the log: its id, or where it has none that can be read the digest of its bytes.
pub(crate) fn name(job: &JobInfo) -> String {
    match &job.payload {
        Ok(payload) => payload.jid().to_owned(),
        Err(_) => job.digest(),
    }
}

/// By its address, or by its id where it was found by a search; either way only these very bytes.
async fn find(app: &Shared, place: &Place, jid: &str, form: &Params) -> Outcome<Option<JobInfo>> {
    let spot: Spot = form.need("entry")?.parse()?;
    if let Some(job) = spot.find(app, place).await? {
        return Ok(Some(job));
    }
    let found = app.inspect.find_in(place, jid).await?;
    Ok(found.filter(|job| spot.is(job)))
}

/// Reasons repeat the last error: without its message where a rule hides that.
pub(crate) fn without_messages(app: &Shared, explanation: &mut Explanation) {
    let Some(sighting) = explanation.report.sightings.first() else {
        return;
    };
    let payload = &sighting.payload;
    if !app
        .redaction
        .of(payload.class(), payload.display_class())
        .error
    {
        return;
    }
    let class = entries::text(payload, "error_class");
    for reason in &mut explanation.reasons {
        if let Reason::Retrying { error, .. } | Reason::Dead { error, .. } = reason {
            error.clone_from(&class);
        }
    }
}

/// Tells a run to stop.
pub(crate) async fn wish(app: &Shared, visitor: &Visitor, jid: &str) -> Outcome<Cancelled> {
    bounded(jid)?;
    match app.inspect.cancel(jid, CANCEL).await {
        Ok(cancelled) => {
            let told = matches!(cancelled, Cancelled::Told { .. });
            audit::done(visitor, "cancel", jid, u64::from(told));
            Ok(cancelled)
        }
        Err(error) => {
            audit::failed(visitor, "cancel", jid, &error.to_string());
            Err(error.into())
        }
    }
}

pub(crate) fn bounded(jid: &str) -> Outcome<()> {
    match jid.len() > JID_MAX {
        true => Err(Problem::param(
            "jid",
            format!("has at most {JID_MAX} bytes"),
        )),
        false => Ok(()),
    }
}

//! Acts on one job, by its exact bytes, and what became of them: for its page and for the API.
//!
//! Not here: acts on many (`page::acts`, `runs`).

use std::time::Duration;

use gandy::views::{Cancelled, Explanation, Reason};
use gandy::{Act, Ended, Error, JobInfo, Payload, Place, Sought};

use crate::audit;
use crate::frame::Visitor;
use crate::page::entries;
use crate::param::{JID_MAX, Params};
use crate::problem::{Outcome, Problem};
use crate::runs::word;
use crate::spot::{Spot, place_word};
use crate::state::Shared;

/// A job that was picked is looked for so long where it is not where it stood.
const SEEKING: Duration = Duration::from_secs(2);
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
    let spot: Spot = form.need("entry")?.parse()?;
    let job = match spot.seek(app, place, SEEKING).await? {
        Sought::Found(hit) => hit.job,
        Sought::Gone => return Ok(Fate::Gone),
        // It may well be there, and run. To look through all of a place by the id took half a second of Redis and 260 MB of
        // its answers for each million jobs, for each click on a button of a job that was gone.
        Sought::Unseen { .. } => {
            return Ok(Fate::Impossible(
                "It moved on and was not found again in time; look for it by its id.".to_owned(),
            ));
        }
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

/// Whether a job's last message may be shown.
pub(crate) fn tells(app: &Shared, payload: &Payload) -> bool {
    let hides = app.redaction.of(payload.class(), payload.display_class());
    !hides.error
}

/// Reasons and outcomes repeat the last error: without its message where a rule hides that, and where nobody knows of which
/// class the run was, where any rule does.
pub(crate) fn without_messages(app: &Shared, explanation: &mut Explanation) {
    let sighting = explanation.report.sightings.first();
    let told = match sighting {
        Some(sighting) => tells(app, &sighting.payload),
        None => !app.redaction.hides_errors(),
    };
    if told {
        return;
    }
    let class = sighting.and_then(|it| entries::text(&it.payload, "error_class"));
    for reason in &mut explanation.reasons {
        match reason {
            Reason::Retrying { error, .. } | Reason::Dead { error, .. } => error.clone_from(&class),
            Reason::Ended(ended) => ended.error_message = None,
            _ => {}
        }
    }
    if let Some(ended) = &mut explanation.report.outcome {
        ended.error_message = None;
    }
}

/// Tells a run to stop.
pub(crate) async fn wish(app: &Shared, visitor: &Visitor, jid: &str) -> Outcome<Cancelled> {
    bounded(jid)?;
    match app.inspect.cancel(jid, CANCEL).await {
        Ok(mut cancelled) => {
            // Of which class it was is not said.
            if app.redaction.hides_errors()
                && let Some(ended) = ended_of(&mut cancelled)
            {
                ended.error_message = None;
            }
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

fn ended_of(cancelled: &mut Cancelled) -> Option<&mut Ended> {
    match cancelled {
        Cancelled::Told { ended, .. } => ended.as_mut(),
        Cancelled::NotRunning(report) => report.outcome.as_mut(),
        Cancelled::NotBegun { .. } | Cancelled::Ruby { .. } | Cancelled::NoAnswer { .. } => None,
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

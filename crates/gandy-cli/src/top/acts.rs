//! What a key does in Redis: one step on one thing, the very one that was shown.

use gandy::{Inspect, JobInfo};

use super::event::Act;
use crate::failure::Failure;
use crate::printable::printable;

/// Does it, and says what was done or why not, in one line.
pub(super) async fn perform(inspect: &Inspect, act: Act) -> Result<String, String> {
    let done = match &act {
        Act::Retry(job) => there(inspect.retry(job).await, job, "runs now"),
        Act::Delete(job) => there(inspect.delete(job).await, job, "is deleted"),
        Act::Bury(job) => there(inspect.bury(job).await, job, "is in the dead set"),
        Act::Pause(queue) => inspect.pause(queue).await.map(|()| {
            Ok(format!(
                "{queue} is paused: Gandy's workers take nothing from it"
            ))
        }),
        Act::Unpause(queue) => inspect
            .unpause(queue)
            .await
            .map(|()| Ok(format!("{queue} is not paused any more"))),
        Act::Quiet(identity) => inspect
            .quiet(identity)
            .await
            .map(|()| Ok(format!("{identity} is told to stop claiming"))),
        Act::Stop(identity) => inspect
            .stop(identity)
            .await
            .map(|()| Ok(format!("{identity} is told to end"))),
    };
    match done {
        Ok(said) => said
            .map(|text| printable(&text))
            .map_err(|text| printable(&text)),
        // Its first line is the cause.
        Err(error) => Err(Failure::of_write(error, "")
            .text
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()),
    }
}

fn there(
    moved: Result<bool, gandy::Error>,
    job: &JobInfo,
    what: &str,
) -> Result<Result<String, String>, gandy::Error> {
    let jid = match &job.payload {
        Ok(payload) => payload.jid().chars().take(36).collect(),
        Err(_) => "what is not a job".to_owned(),
    };
    moved.map(|moved| match moved {
        true => Ok(format!("{jid} {what}")),
        false => Err(format!("{jid} is not there any more: nothing was done")),
    })
}

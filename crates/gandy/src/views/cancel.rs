//! Cancelling a run by hand. Its owner sees the wish within a second, tells the run to stop and answers; what the run comes
//! to is left as the job's outcome.

use std::time::{Duration, Instant};

use gandy_protocol::{Ended, Identity};
use serde::Deserialize;

use super::report::{JobReport, Whereabouts};
use crate::{Error, Inspect};

/// So often it is looked for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What became of the wish to cancel a job.
#[derive(Debug, Clone)]
pub enum Cancelled {
    /// Its run was told to stop.
    Told {
        /// Whose process runs it.
        identity: String,
        /// How it ended; none while it still runs: a handler that does not look at its cancellation runs on.
        ended: Option<Ended>,
    },
    /// Its worker has claimed it and not begun it: there is no run to cancel.
    NotBegun {
        /// Whose process holds it.
        identity: String,
    },
    /// A Ruby process runs it, and Ruby cannot cancel plain jobs.
    Ruby {
        /// Whose process.
        identity: String,
    },
    /// Its worker did not answer in time; it may still do as it was told.
    NoAnswer {
        /// Whose process holds it.
        identity: String,
    },
    /// It does not run. Where it is, as far as that was found.
    NotRunning(Box<JobReport>),
}

/// A worker's answer.
#[derive(Deserialize)]
struct Answer {
    identity: String,
    found: String,
}

impl Inspect {
    /// Cancels the run of a job and waits for up to `timeout` for the answer and the end of the run. A run that was told
    /// to stop and fails is not retried: the job goes into `dead`, or away if its error or `dead: false` says so. Safe to
    /// repeat.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn cancel(&self, jid: &str, timeout: Duration) -> Result<Cancelled, Error> {
        let until = Instant::now() + timeout;
        let report = self.report(jid, timeout, &[]).await?;
        let mut holder = None;
        for sighting in &report.sightings {
            match &sighting.whereabouts {
                Whereabouts::InFlight {
                    identity,
                    alive: true,
                    ..
                } => holder = identity.parse::<Identity>().ok(),
                Whereabouts::Ruby { identity, .. } => {
                    let identity = identity.clone();
                    return Ok(Cancelled::Ruby { identity });
                }
                _ => {}
            }
        }
        let Some(holder) = holder else {
            return Ok(Cancelled::NotRunning(Box::new(report)));
        };
        let line = &self.line;
        // Both may be there from before: another text is another answer.
        let old_answer = line.cancel_answer(jid).await?;
        let old_outcome = line.outcome(jid).await?.map(|(_, text)| text);
        line.ask_to_cancel(&holder, jid).await?;
        let answer = loop {
            let answer = line.cancel_answer(jid).await?;
            if let Some(answer) = answer.filter(|answer| Some(answer) != old_answer.as_ref()) {
                break serde_json::from_str::<Answer>(&answer).ok();
            }
            if Instant::now() >= until {
                break None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let Some(Answer { identity, found }) = answer else {
            let identity = holder.to_string();
            return Ok(Cancelled::NoAnswer { identity });
        };
        let left = until.saturating_duration_since(Instant::now());
        match found.as_str() {
            "running" => {
                let ended = self
                    .wait_for_change(jid, old_outcome.as_deref(), left)
                    .await?;
                Ok(Cancelled::Told { identity, ended })
            }
            "waiting" => Ok(Cancelled::NotBegun { identity }),
            _ => {
                let report = self.report(jid, left.max(timeout / 2), &[]).await?;
                Ok(Cancelled::NotRunning(Box::new(report)))
            }
        }
    }
}

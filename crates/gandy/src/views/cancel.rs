//! Cancelling a run by hand. Its owner sees the wish within a second, tells the run to stop and answers; what the run comes
//! to is left as the job's outcome.

use std::time::{Duration, Instant};

use gandy_protocol::{Ended, Identity};
use gandy_store::Kind;
use serde::Deserialize;

use super::report::{JobReport, Whereabouts, may_pass};
use crate::{Error, Inspect};

/// So often it is looked for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A short wait for the end of a run must not make the search for it a short one.
const FIND: Duration = Duration::from_secs(10);

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

/// Who may be told.
enum Holder {
    Ours(Identity),
    Ruby(String),
}

/// The living one of those who were seen with it.
fn holder(report: &JobReport) -> Option<Holder> {
    let mut ours = None;
    for sighting in &report.sightings {
        match &sighting.whereabouts {
            Whereabouts::InFlight {
                identity,
                alive: true,
                ..
            } => ours = identity.parse().ok().map(Holder::Ours),
            Whereabouts::Ruby { identity, .. } => return Some(Holder::Ruby(identity.clone())),
            _ => {}
        }
    }
    ours
}

impl Inspect {
    /// Cancels the run of a job; from when the wish is sent it waits for up to `timeout` for the answer and the end of the
    /// run. A run that was told to stop and fails is not retried: the job goes into `dead`, or away if its error or
    /// `dead: false` says so. Safe to repeat.
    ///
    /// # Errors
    /// As [`Inspect::totals`], of what is read before the wish: nothing was done then. An outage later is waited for, and
    /// one that does not pass is [`Cancelled::NoAnswer`].
    pub async fn cancel(&self, jid: &str, timeout: Duration) -> Result<Cancelled, Error> {
        // Sets of millions take longer than a run that is to be cancelled: they are searched only where nobody holds it.
        let mut report = self.report_at_work(jid, timeout.max(FIND)).await?;
        if report.sightings.is_empty() {
            report = self.report(jid, timeout.max(FIND), &[]).await?;
        }
        let holder = match holder(&report) {
            Some(Holder::Ours(holder)) => holder,
            Some(Holder::Ruby(identity)) => return Ok(Cancelled::Ruby { identity }),
            None => return Ok(Cancelled::NotRunning(Box::new(report))),
        };
        let line = &self.line;
        // Both may be there from before: another text is another answer.
        let old_answer = line.cancel_answer(jid).await?;
        let old_outcome = line.outcome(jid).await?.map(|(_, text)| text);
        match line.ask_to_cancel(&holder, jid).await {
            // It may have come: the answer tells.
            Err(error) if error.kind() != Kind::Unknown => return Err(error.into()),
            _ => {}
        }
        let until = Instant::now() + timeout;
        let no_answer = Cancelled::NoAnswer {
            identity: holder.to_string(),
        };
        let Some(answer) = self.answer(jid, old_answer.as_deref(), until).await? else {
            return Ok(no_answer);
        };
        let Answer { identity, found } = answer;
        let left = until.saturating_duration_since(Instant::now());
        match found.as_str() {
            "running" => match self
                .wait_for_change(jid, old_outcome.as_deref(), left)
                .await
            {
                Ok(ended) => Ok(Cancelled::Told { identity, ended }),
                Err(Error::Store(error)) if may_pass(&error) => Ok(no_answer),
                Err(error) => Err(error),
            },
            "waiting" => Ok(Cancelled::NotBegun { identity }),
            _ => {
                let report = self.report(jid, left.max(timeout / 2), &[]).await?;
                Ok(Cancelled::NotRunning(Box::new(report)))
            }
        }
    }

    /// The worker's answer, when it is another than `before`.
    async fn answer(
        &self,
        jid: &str,
        before: Option<&str>,
        until: Instant,
    ) -> Result<Option<Answer>, Error> {
        loop {
            match self.line.cancel_answer(jid).await {
                Ok(Some(answer)) if Some(answer.as_str()) != before => {
                    return Ok(serde_json::from_str(&answer).ok());
                }
                Err(error) if !may_pass(&error) => return Err(error.into()),
                _ => {}
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

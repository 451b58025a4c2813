//! Ends runs otherwise than by success: retry, reschedule, bury, drop. One fenced step for each job (I3).

use std::time::Duration;

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError, Token, lua};

/// Where a job goes whose run did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Into `retry`, due after the delay on Redis' clock, as these bytes.
    Retry(Duration, String),
    /// Into `schedule`, due after the delay on Redis' clock, as these bytes.
    Schedule(Duration, String),
    /// Into `dead`, as these bytes.
    Dead(String),
    /// Away.
    Drop,
    /// Into `dead`, as the bytes that are in flight, unread, with the reason kept beside them (I12).
    Raw(String),
}

impl Exit {
    /// The bytes of payload that it writes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Retry(_, payload) | Self::Schedule(_, payload) | Self::Dead(payload) => {
                payload.len()
            }
            Self::Drop | Self::Raw(_) => 0,
        }
    }
}

/// What became of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The step was made.
    Done,
    /// The entry was not held any more: given back by a reaper, or this step was made before and its reply lost.
    Gone,
    /// The target key could not be written; the entry is still in flight.
    Stuck,
}

/// How long and how many entries `dead` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grave {
    /// Entries; Sidekiq's default 10,000 keeps 9,999, and so do we.
    pub jobs_max: u64,
    /// Age after which an entry is dropped. Default 180 days.
    pub timeout: Duration,
}

impl Default for Grave {
    fn default() -> Self {
        Self {
            jobs_max: 10_000,
            timeout: Duration::from_secs(180 * 24 * 3600),
        }
    }
}

impl Line {
    /// Settles up to 500 jobs held by `identity`. Safe to repeat: what was done answers [`Outcome::Gone`].
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] some or all steps may have been made: repeat.
    pub async fn settle(
        &self,
        identity: &Identity,
        grave: Grave,
        exits: &[(Token, Exit)],
    ) -> Result<Vec<Outcome>, StoreError> {
        debug_assert!(exits.len() <= 500, "I6: a script does bounded work");
        let keys = self.keys();
        let mut call = lua::SETTLE.keys(&[
            keys.inflight(identity),
            keys.retry(),
            keys.schedule(),
            keys.dead(),
            keys.reasons(),
        ]);
        call.arg(grave.jobs_max).arg(grave.timeout.as_secs());
        for (token, exit) in exits {
            let (place, delay, payload, reason) = match exit {
                Exit::Retry(delay, payload) => ("retry", *delay, payload.as_str(), ""),
                Exit::Schedule(delay, payload) => ("schedule", *delay, payload.as_str(), ""),
                Exit::Dead(payload) => ("dead", Duration::ZERO, payload.as_str(), ""),
                Exit::Drop => ("drop", Duration::ZERO, "", ""),
                Exit::Raw(reason) => ("raw", Duration::ZERO, "", reason.as_str()),
            };
            let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            call.arg(token.to_string())
                .arg(place)
                .arg(delay)
                .arg(payload)
                .arg(reason);
        }
        outcomes(self.call(&call).await?, "settle")
    }
}

pub(crate) fn outcomes(codes: Vec<i64>, operation: &str) -> Result<Vec<Outcome>, StoreError> {
    codes
        .into_iter()
        .map(|code| match code {
            1 => Ok(Outcome::Done),
            0 => Ok(Outcome::Gone),
            -1 => Ok(Outcome::Stuck),
            _ => Err(StoreError::shape(operation)),
        })
        .collect()
}

//! Ends runs otherwise than by a success that nobody waits for: retry, reschedule, bury, drop, and whatever is to leave an
//! outcome behind. One fenced step for each job (I3).

use std::time::Duration;

use gandy_protocol::{
    Payload,
    ended::{End, OUTCOME_TTL_S, members},
    identity::Identity,
    keys::Keys,
    notice_id,
};

use crate::{Line, StoreError, Target, Token, lua};

/// The field by which a producer asks for the outcome: most jobs do not, and need not be parsed.
const FIELD: &str = "gandy_notify";

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
    /// Away, after a success. One that leaves no outcome behind is finished by a cycle instead, with many others.
    Done,
    /// Into `dead`, as the bytes that are in flight, unread, with the reason kept beside them (I12).
    Raw(String),
    /// The same, and in the same step its outcome is left behind for whoever waits.
    Noted(Box<(Self, Notice)>),
}

/// The outcome that an exit leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub(crate) key: String,
    pub(crate) members: String,
}

impl Notice {
    /// Of the job with this jid; `error` is the class and the message of a run that failed.
    #[must_use]
    pub fn new(keys: &Keys, jid: &str, exit: &Exit, error: Option<(&str, &str)>) -> Self {
        let end = match exit {
            Exit::Done => End::Done,
            Exit::Dead(_) | Exit::Raw(_) => End::Dead,
            _ => End::Failed,
        };
        let again = matches!(exit, Exit::Retry(..) | Exit::Schedule(..));
        Self {
            key: keys.outcome(&notice_id(jid)),
            members: members(end, again, error),
        }
    }

    /// Of the job with these bytes, if its producer asked for an outcome and a person ends it so.
    pub(crate) fn by_hand(keys: &Keys, bytes: &[u8], target: &Target) -> Option<Self> {
        let end = match target {
            Target::Queue(..) => return None,
            Target::Dead => End::Dead,
            Target::Nowhere => End::Deleted,
        };
        let asks = bytes
            .windows(FIELD.len())
            .any(|window| window == FIELD.as_bytes());
        let payload = asks
            .then(|| Payload::parse(bytes.to_vec()).ok())
            .flatten()?;
        payload.notifies().then(|| Self {
            key: keys.outcome(&notice_id(payload.jid())),
            members: members(end, false, None),
        })
    }
}

impl Exit {
    /// The bytes of payload that it writes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Retry(_, payload) | Self::Schedule(_, payload) | Self::Dead(payload) => {
                payload.len()
            }
            Self::Drop | Self::Done | Self::Raw(_) => 0,
            Self::Noted(noted) => noted.0.size() + noted.1.members.len(),
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
        let mut names = vec![
            keys.inflight(identity),
            keys.retry(),
            keys.schedule(),
            keys.dead(),
            keys.reasons(),
        ];
        let mut notices = Vec::new();
        for (at, (_, exit)) in exits.iter().enumerate() {
            if let Exit::Noted(noted) = exit {
                names.push(noted.1.key.clone());
                notices.push((at + 1, noted.1.members.as_str()));
            }
        }
        let mut call = lua::SETTLE.keys(&names);
        call.arg(grave.jobs_max)
            .arg(grave.timeout.as_secs())
            .arg(OUTCOME_TTL_S);
        for (at, members) in notices {
            call.arg(at).arg(members);
        }
        for (token, exit) in exits {
            let exit = match exit {
                Exit::Noted(noted) => &noted.0,
                exit => exit,
            };
            let (place, delay, payload, reason) = match exit {
                Exit::Retry(delay, payload) => ("retry", *delay, payload.as_str(), ""),
                Exit::Schedule(delay, payload) => ("schedule", *delay, payload.as_str(), ""),
                Exit::Dead(payload) => ("dead", Duration::ZERO, payload.as_str(), ""),
                Exit::Drop | Exit::Done | Exit::Noted(_) => ("drop", Duration::ZERO, "", ""),
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

//! Pushes behind an idempotency key: what a key may be, and what a second push with it is told.

use std::time::{Duration, Instant};

use gandy_store::{Goal, Producer, StoreError};

use super::retry::{Repeats, Retry};
use crate::Error;

/// How long a key is kept where the push does not say: a night's outage of whoever calls, and the day that the common HTTP
/// APIs give their callers.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const KEPT_MIN: Duration = Duration::from_secs(1);
const KEPT_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// A lost reply is noticed late, by its deadline and that of the next connection. A key that may have expired by then
/// protects no repeat.
const MARGIN: Duration = Duration::from_secs(10);

/// Under which key a push happens at most once, and for how long that is remembered.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    pub(crate) key: String,
    pub(crate) kept: Duration,
}

impl Once {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.key.is_empty() {
            return Err(Error::config(
                "the idempotency key is empty; name what the job is for, such as invoice:7",
            ));
        }
        if self.kept < KEPT_MIN || self.kept > KEPT_MAX {
            return Err(Error::config(format!(
                "an idempotency key is kept for 1 s to 366 days, got {:?}",
                self.kept
            )));
        }
        Ok(())
    }

    /// One try.
    pub(crate) async fn push(
        &self,
        producer: &Producer,
        goal: Goal<'_>,
        payload: &str,
        jid: &str,
    ) -> Result<Option<String>, StoreError> {
        let once = gandy_store::Once {
            key: &self.key,
            jid,
            kept: self.kept,
        };
        producer.push_once(goal, payload, once).await
    }

    /// Pushes and repeats as `retry` says, as long as `spare` lasts. The id of the job that has the key already, unless it is
    /// one of these tries' own.
    pub(crate) async fn push_again(
        &self,
        producer: &Producer,
        goal: Goal<'_>,
        payload: &str,
        jid: &str,
        retry: Retry,
        spare: &mut Duration,
    ) -> Result<Option<String>, StoreError> {
        let began = Instant::now();
        let mut repeats = Repeats::new(retry, *spare);
        let outcome = loop {
            match self.push(producer, goal, payload, jid).await {
                Ok(Some(first)) if first == jid && repeats.doubtful() => break Ok(None),
                Ok(first) => break Ok(first),
                Err(error) => {
                    let safe = || began.elapsed() + MARGIN < self.kept;
                    if !repeats.again(&error, safe).await {
                        break Err(repeats.verdict(error));
                    }
                }
            }
        };
        *spare = spare.saturating_sub(repeats.spent());
        outcome
    }
}

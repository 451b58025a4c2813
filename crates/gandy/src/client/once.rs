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

    /// Pushes and repeats as `retry` says, as long as `spare` lasts. The id of the job that has the key already, unless that
    /// is this one, by one of these tries.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Outcome, Push, testing};

    fn push(jid: &str) -> Push {
        Push::raw("A", "[]").jid(jid)
    }

    #[tokio::test(start_paused = true)]
    async fn a_tests_client_pushes_once_a_key_until_its_time_is_over() {
        let (client, jobs) = testing::collect();
        let hour = Duration::from_secs(3600);
        let keyed = |jid| push(jid).idempotency_key_for("k", hour);
        let first = client.send(keyed("one")).await.unwrap();
        assert_eq!(first.outcome, Outcome::Enqueued);
        let second = client.send(keyed("two")).await.unwrap();
        assert_eq!(
            (second.jid.as_str(), second.outcome),
            ("one", Outcome::Duplicate)
        );
        let other = push("three").idempotency_key("other");
        assert_eq!(client.send(other).await.unwrap().outcome, Outcome::Enqueued);
        tokio::time::advance(hour).await;
        let later = client.send_all([keyed("four"), keyed("five")]).await;
        let outcomes = later.into_iter().map(|result| result.unwrap().outcome);
        let outcomes: Vec<Outcome> = outcomes.collect();
        assert_eq!(outcomes, [Outcome::Enqueued, Outcome::Duplicate]);
        assert_eq!(jobs.len(), 3);
        jobs.clear();
        let again = client.send(keyed("six")).await.unwrap();
        assert_eq!(again.outcome, Outcome::Enqueued);
        client.flush(hour).await.unwrap();
        assert_eq!(client.buffered(), 0);
    }

    #[tokio::test]
    async fn a_wrong_key_is_refused_by_a_tests_client_too() {
        let (client, jobs) = testing::collect();
        let error = client
            .send(push("one").idempotency_key(""))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is empty"), "{error}");
        assert!(jobs.is_empty());
    }
}

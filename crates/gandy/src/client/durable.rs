//! Pushes that wait until replicas have the job.

use std::time::Duration;

use gandy_store::DURABLE_MAX;

use super::{Client, Outcome, Repeats, Target, failed, is_far};
use crate::{Error, Job, Push};

/// What became of a job that replicas had to acknowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableReceipt {
    /// The job's id.
    pub jid: String,
    /// Where it is.
    pub outcome: Outcome,
    /// How many replicas acknowledged it: at least as many as were asked for, and 0 for a job that a middleware stopped.
    pub replicas: usize,
}

impl Client {
    /// Pushes a job and waits up to `timeout` (1 ms to 60 s) until `replicas` have acknowledged it (Redis' `WAIT`), so that
    /// a failover to one of them finds it.
    ///
    /// `WAIT` is no transaction: a job that too few replicas have is enqueued all the same, and may run. It protects from
    /// the loss of the primary, not of all at once: what a replica acknowledged is in its memory. A push costs a round trip
    /// to the replicas; up to eight of a client are under way at once, on connections of their own. The user in the URL
    /// needs the right `+wait`. What surely had no effect is repeated as [`crate::Retry`] says; a [`crate::Buffer`] does not
    /// keep it, nor does it queue behind what is kept there: memory is not what was asked for. It takes no idempotency key.
    ///
    /// ```no_run
    /// # use gandy::{Client, Error, Job};
    /// # use std::time::Duration;
    /// # #[derive(serde::Serialize, serde::Deserialize, Job)] struct Payout { invoice: u64 }
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// match client.push_durable(Payout { invoice: 7 }, 1, Duration::from_millis(500)).await {
    ///     Ok(receipt) => println!("{} is on {} replicas", receipt.jid, receipt.replicas),
    ///     // It will run unless the primary is lost now: note it, do not push it again under a new id.
    ///     Err(Error::NotReplicated { jid, .. }) => println!("{jid} is on the primary only"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotReplicated`]: it is enqueued, and too few replicas acknowledged it in time. Others as
    /// [`Client::push`]; [`Error::Config`] when `replicas` or `timeout` is out of its range.
    pub async fn push_durable<J: Job>(
        &self,
        job: J,
        replicas: usize,
        timeout: Duration,
    ) -> Result<DurableReceipt, Error> {
        self.send_durable(Push::new(&job)?, replicas, timeout).await
    }

    /// As [`Client::push_durable`], for a prepared job.
    ///
    /// # Errors
    /// As [`Client::push_durable`].
    pub async fn send_durable(
        &self,
        mut push: Push,
        replicas: usize,
        timeout: Duration,
    ) -> Result<DurableReceipt, Error> {
        check(replicas, timeout)?;
        let keyed = "a durable push takes no idempotency key; use one or the other";
        if push.once.is_some() {
            return Err(Error::config(keyed));
        }
        let at_ms = match self.inner.admit(&mut push) {
            Ok(at_ms) => at_ms,
            Err(result) => {
                return (*result).map(|receipt| DurableReceipt {
                    jid: receipt.jid,
                    outcome: receipt.outcome,
                    replicas: 0,
                });
            }
        };
        let payload = push.record.to_json();
        let (size, limit) = (payload.len(), self.inner.max_payload);
        if size > limit {
            return Err(push.too_large(size, limit));
        }
        // A middleware may have given it one.
        if push.once.is_some() {
            return Err(Error::config(keyed));
        }
        let acknowledged = match (&self.inner.target, self.inner.producer()) {
            (Target::Test(recorder), _) => {
                recorder.record(payload, at_ms).await;
                Ok(replicas)
            }
            (_, None) => Ok(0),
            (_, Some(producer)) => {
                let mut repeats = Repeats::new(self.inner.retry, self.inner.retry.total());
                loop {
                    let goal = push.goal(at_ms);
                    let sent = producer.push_durable(goal, &payload, replicas, timeout);
                    let error = match sent.await {
                        Ok(acknowledged) => break acknowledged,
                        Err(error) => error,
                    };
                    if !repeats.again(&error, || is_far(at_ms)).await {
                        return Err(failed(push.record.jid, repeats.verdict(error)));
                    }
                }
            }
        };
        let receipt = push.receipt(at_ms);
        let (acknowledged, source) = match acknowledged {
            Ok(acknowledged) if acknowledged >= replicas => {
                return Ok(DurableReceipt {
                    jid: receipt.jid,
                    outcome: receipt.outcome,
                    replicas: acknowledged,
                });
            }
            Ok(acknowledged) => (acknowledged, None),
            Err(error) => (0, Some(error)),
        };
        Err(Error::NotReplicated {
            jid: receipt.jid,
            wanted: replicas,
            acknowledged,
            timeout,
            source,
        })
    }
}

fn check(replicas: usize, timeout: Duration) -> Result<(), Error> {
    if replicas == 0 {
        return Err(Error::config(
            "a durable push to 0 replicas waits for nobody; ask for 1 at least, or use push",
        ));
    }
    if timeout < Duration::from_millis(1) || timeout > DURABLE_MAX {
        return Err(Error::config(format!(
            "the timeout of a durable push must be from 1 ms to {} s, got {timeout:?}",
            DURABLE_MAX.as_secs()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Flow, Kind, testing};

    #[tokio::test]
    async fn what_cannot_be_waited_for_is_refused_before_anything_is_pushed() {
        let (client, jobs) = testing::collect();
        let second = Duration::from_secs(1);
        for (replicas, timeout, words) in [
            (0, second, "ask for 1 at least"),
            (1, Duration::ZERO, "from 1 ms to 60 s"),
            (1, 61 * second, "from 1 ms to 60 s"),
        ] {
            let push = Push::raw("A", "[]");
            let error = client.send_durable(push, replicas, timeout).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), Kind::Input);
            assert!(error.to_string().contains(words), "{error}");
        }
        let push = Push::raw("A", "[]").idempotency_key("k");
        let error = client.send_durable(push, 1, second).await.unwrap_err();
        assert!(error.to_string().contains("no idempotency key"), "{error}");
        assert!(jobs.all().is_empty());
    }

    #[tokio::test]
    async fn a_tests_client_keeps_a_durable_push_like_any() {
        let (client, jobs) = testing::collect();
        let push = Push::raw("A", "[]").jid("one");
        let receipt = client.send_durable(push, 2, Duration::from_secs(1)).await;
        let receipt = receipt.unwrap();
        assert_eq!((receipt.jid.as_str(), receipt.replicas), ("one", 2));
        assert_eq!(jobs.all().len(), 1);
        let stopping = Client::builder().middleware(|_: &mut Push| Flow::Stop);
        let (client, jobs) = testing::collect_with(stopping);
        let push = Push::raw("A", "[]");
        let receipt = client.send_durable(push, 2, Duration::from_secs(1)).await;
        let receipt = receipt.unwrap();
        assert_eq!((receipt.outcome, receipt.replicas), (Outcome::Stopped, 0));
        assert!(jobs.all().is_empty());
    }
}

//! Pushes that end only when replicas have them: the push and a `WAIT` behind it, in one write.
//!
//! `WAIT` blocks its connection, so these have `lanes` of their own (I7). It tells how many replicas have a write; it takes nothing back where they are too few.

use std::time::Duration;

use crate::{Goal, Producer, StoreError};

/// The longest time that a push may wait for replicas.
pub const DURABLE_MAX: Duration = Duration::from_secs(60);

impl Producer {
    /// Pushes one job, then waits up to `timeout` (1 ms to [`DURABLE_MAX`]) until `replicas` have it. The inner result
    /// belongs to a job that is pushed: how many replicas have it, or why that is not known.
    ///
    /// # Errors
    /// As [`Producer::push`].
    pub async fn push_durable(
        &self,
        goal: Goal<'_>,
        payload: &str,
        replicas: usize,
        timeout: Duration,
    ) -> Result<Result<usize, StoreError>, StoreError> {
        let timeout = timeout.clamp(Duration::from_millis(1), DURABLE_MAX);
        let mut parcel = self.parcel(goal);
        parcel.add(goal.at_ms(), &[payload]);
        let mut pipe = redis::pipe();
        // Always, and before the push: what the replica is to keep includes where workers look for it.
        if let Some(queue) = goal.queue() {
            pipe.cmd("SADD").arg(self.line().keys().queues()).arg(queue);
        }
        pipe.add_command(parcel.into_command());
        // WAIT takes whole milliseconds, and 0 for "without end".
        let millis = u64::try_from(timeout.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        pipe.cmd("WAIT").arg(replicas).arg(millis);
        let lane = self.durable().take(self.line()).await;
        let line = lane.line().clone();
        let outcome = line.each_within(&pipe, timeout).await;
        lane.put_back();
        let mut replies = outcome?;
        let (waited, pushed) = (replies.pop(), replies.pop());
        if let Some(Err(error)) = replies.pop() {
            tracing::warn!(?goal, %error, "the queue's name could not be written to `queues`");
        }
        let missing = || Err(StoreError::shape("a durable push"));
        line.read::<usize>(pushed.unwrap_or_else(missing)?)?;
        let waited = waited.unwrap_or_else(missing);
        Ok(waited.and_then(|value| line.read(value)).map_err(explained))
    }
}

fn explained(error: StoreError) -> StoreError {
    match error {
        StoreError::Refused { server, cause } if cause.starts_with("NOPERM") => {
            let cause = format!("{cause}; a durable push needs the right +wait");
            StoreError::Refused { server, cause }
        }
        error => error,
    }
}

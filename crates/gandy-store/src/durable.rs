//! Pushes that end only when replicas have them: the push and a `WAIT` behind it, in one write.
//!
//! `WAIT` blocks its connection, so these have connections of their own, each with one push at a time (I7). It tells how
//! many replicas have a write; it takes nothing back where they are too few.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{Goal, Line, Producer, StoreError};

/// The longest time that a push may wait for replicas.
pub const DURABLE_MAX: Duration = Duration::from_secs(60);

/// Durable pushes of one producer at once, and so its connections for them.
const LANES: usize = 8;

/// The connections, opened when they are needed.
#[derive(Debug)]
pub(crate) struct Lanes {
    permits: Semaphore,
    idle: Mutex<Vec<Line>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(LANES),
            idle: Mutex::default(),
        }
    }
}

impl Lanes {
    fn take(&self, like: &Line) -> Line {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_else(|| {
            let reply = like.server().patience().reply;
            Line::single(like.server().clone(), like.keys().clone(), reply)
        })
    }

    fn put_back(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(line);
    }
}

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
        // Never closed: an error would only mean that there is no limit.
        let _permit = self.lanes().permits.acquire().await;
        let line = self.lanes().take(self.line());
        let outcome = line.each_within(&pipe, timeout).await;
        // A future that is dropped before takes its connection with it, and the WAIT that blocks there.
        self.lanes().put_back(line.clone());
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

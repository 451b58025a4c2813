//! What a client keeps in memory while Redis is away: how much of it, and who is told of what is given up.
//!
//! Does not belong here: the jobs that are kept (`held`), and how they get to Redis (`drain`).

use std::{fmt, sync::Arc};

use gandy_store::StoreError;

use crate::Error;

/// Sidekiq Pro's number.
const JOBS: usize = 1000;
const BYTES: usize = 16 << 20;

/// Told of each job that is given up.
pub(super) type Hook = Arc<dyn Fn(&Dropped) + Send + Sync>;

/// Keeps pushes in memory while Redis is away, and pushes them in their order when it is back. Give it to
/// [`crate::ClientBuilder::buffer`].
///
/// A push that Redis did not take because it cannot be reached, is loading, or has become a replica, or that it did not
/// answer, is kept, and its caller is told [`Outcome::Buffered`](crate::Outcome::Buffered). While jobs are kept every later push queues behind them.
/// A task of the runtime in which the first was kept pushes them, up to 100 in one write, with the same ids and bytes, as
/// soon as Redis takes them.
///
/// **It is not durable**: what is kept dies with the process. Call [`crate::Client::flush`] before you exit. **It is at
/// least once**: a job whose push was not answered is kept and pushed again, so it may be in its queue twice under one id;
/// an idempotency key prevents that while it is kept. Other errors, a full Redis among them, are the caller's as without a
/// buffer; jobs that are kept already wait until Redis has room.
///
/// ```
/// # use gandy::{Buffer, Client, Dropped};
/// let client = Client::builder().buffer(
///     Buffer::default().jobs(5_000).bytes(32 << 20).on_drop(|job: &Dropped| {
///         // The log has an error for each of them, too, without the payload.
///         eprintln!("{} was not pushed: {}", job.jid, job.cause);
///     }),
/// );
/// ```
#[derive(Clone)]
pub struct Buffer {
    pub(super) jobs: usize,
    pub(super) bytes: usize,
    pub(super) on_drop: Option<Hook>,
}

impl Default for Buffer {
    /// 1,000 jobs and 16 MiB of payloads.
    fn default() -> Self {
        Self {
            jobs: JOBS,
            bytes: BYTES,
            on_drop: None,
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("jobs", &self.jobs)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Buffer {
    /// Keeps so many jobs at most, from 1. Default 1,000.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs;
        self
    }

    /// Keeps so many bytes of payloads at most, from 1. Default 16 MiB.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Called for each job that was kept and will not be pushed. It must not block; it may run while the last clone of
    /// the client is dropped.
    #[must_use]
    pub fn on_drop(mut self, hook: impl Fn(&Dropped) + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Arc::new(hook));
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match (self.jobs, self.bytes) {
            (0, _) => Err(Error::config(
                "a buffer of 0 jobs keeps nothing; allow 1 at least, or build the client without it",
            )),
            (_, 0) => Err(Error::config(
                "a buffer of 0 bytes keeps nothing; allow as much as your largest payload at least",
            )),
            _ => Ok(()),
        }
    }
}

/// A job that a [`Buffer`] kept and that will not be pushed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dropped {
    /// The job's id.
    pub jid: String,
    /// Its queue; none: it was to be scheduled.
    pub queue: Option<String>,
    /// When it was to run, milliseconds since the epoch; none: at once.
    pub at_ms: Option<i64>,
    /// What would stand in Redis.
    pub payload: String,
    /// Why.
    pub cause: DropCause,
}

/// Why a buffered job is not pushed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DropCause {
    /// Redis refused it for a reason that waiting does not change, such as a queue whose key is of another type.
    #[error(transparent)]
    Refused(StoreError),
    /// The last clone of the client was dropped before Redis was back.
    #[error("the client was dropped before Redis was back; call flush before that")]
    ClientGone,
}

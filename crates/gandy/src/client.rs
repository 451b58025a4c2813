//! Pushing jobs from an application.
//!
//! Not here: how a client is built (`builder`), what a push is made of (`push`), how many share a command (`bulk`), pushes
//! that wait for replicas (`durable`), and what becomes of those that fail (`rescue`, `retry`, `buffer`, `once`).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gandy_protocol::{Stamp, StampFormat};
use gandy_store::{Caution, Kind, Producer, Server, StoreError};

use crate::{
    Error, Job, Push, ambient,
    bulk::{Bulk, Made},
    push::When,
    testing::Recorder,
};

mod buffer;
mod builder;
mod drain;
mod durable;
mod held;
mod once;
mod rescue;
mod retry;

pub use buffer::{Buffer, DropCause, Dropped};
pub use builder::ClientBuilder;
pub use durable::DurableReceipt;
pub(crate) use held::{Buffered, Held, is_kept};
pub(crate) use once::{KEPT, Once};
pub use retry::Retry;
pub(crate) use retry::{Repeats, is_far};

/// Pushes jobs. Clone it freely: one per application is enough, since concurrent pushes of all clones are pipelined on
/// one connection. A push whose future is dropped half-way leaves the client usable.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    target: Target,
    stamps: StampFormat,
    pub(crate) max_payload: usize,
    middleware: Vec<Box<dyn ClientMiddleware>>,
    pub(crate) retry: Retry,
}

enum Target {
    Redis(Producer),
    Buffered(Buffered),
    Test(Recorder),
}

/// What became of a pushed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The job's id; of a duplicate that of the first.
    pub jid: String,
    /// Where it is.
    pub outcome: Outcome,
}

/// Where a pushed job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// In its queue; Redis acknowledged it.
    Enqueued,
    /// In `schedule`; Redis acknowledged it.
    Scheduled,
    /// In this process' memory, behind all that is kept there: Redis is away, or did not answer. See [`Buffer`].
    Buffered,
    /// Nowhere: one was pushed before under its idempotency key. Where that is this very push, in an earlier try that
    /// was not answered, the receipt's id is its own.
    Duplicate,
    /// Nowhere: a client middleware stopped it.
    Stopped,
}

/// Looks at every job before it is pushed; may change it or stop it.
///
/// Unlike Ruby's, it does not run again when a scheduled or failed job moves to its queue: that move is one step inside
/// Redis.
pub trait ClientMiddleware: Send + Sync + 'static {
    /// Changes `push` as it likes and says whether it goes on.
    fn push(&self, push: &mut Push) -> Flow;
}

impl<F: Fn(&mut Push) -> Flow + Send + Sync + 'static> ClientMiddleware for F {
    fn push(&self, push: &mut Push) -> Flow {
        self(push)
    }
}

/// Whether a push goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on to the next middleware, then to Redis.
    Go,
    /// It ends here; the caller sees [`Outcome::Stopped`].
    Stop,
}

impl Client {
    /// Connects to the Redis at `url` and checks its version.
    ///
    /// # Errors
    /// A wrong URL, an unreachable server, wrong credentials, a server older than Redis 7.0 or Valkey 7.2.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().server(Server::new(url)?).connect().await
    }

    /// Begins a client with other settings.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Asks the server about itself and returns what an operator should know. Eviction is a caution here, not a
    /// refusal: a web application should start even when its Redis is badly configured, the workers refuse.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or is too old.
    pub async fn check(&self) -> Result<Vec<Caution>, Error> {
        let Some(producer) = self.inner.producer() else {
            return Ok(Vec::new());
        };
        let line = producer.line();
        let facts = match line.facts().await {
            Ok(facts) => facts,
            // A producer's rights may well not include INFO: then the first push is the check.
            Err(StoreError::Refused { cause, .. }) if cause.starts_with("NOPERM") => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        Ok(facts.judge(line.server().address(), line.keys(), true)?)
    }

    /// Pushes a job to its queue.
    ///
    /// # Errors
    /// [`Error::Unknown`]: it may be enqueued. Any other: it is not.
    pub async fn push<J: Job>(&self, job: J) -> Result<Receipt, Error> {
        self.send(Push::new(&job)?).await
    }

    /// Pushes a job to run after `delay`.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_in<J: Job>(&self, delay: Duration, job: J) -> Result<Receipt, Error> {
        self.send(Push::new(&job)?.after(delay)).await
    }

    /// Pushes a job to run at `time`; a time that has passed means now.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_at<J: Job>(&self, time: SystemTime, job: J) -> Result<Receipt, Error> {
        self.send(Push::new(&job)?.at(time)).await
    }

    /// Pushes a job of any class; `args` is a JSON array as text.
    ///
    /// # Errors
    /// As [`Client::push`], and [`Error::Record`] when `args` is no JSON array.
    pub async fn push_raw(
        &self,
        class: impl Into<String>,
        args: impl Into<String>,
    ) -> Result<Receipt, Error> {
        self.send(Push::raw(class, args)).await
    }

    /// Pushes many jobs, up to 1,000 in one command. The results stand in the order of the jobs.
    ///
    /// Jobs are taken from the iterator while those before them are on their way, so that any number of them needs the
    /// memory of a few commands and of the results. [`Job::options`] is asked once. A command that fails is repeated as
    /// [`Retry`] says, within its time for the whole call, or kept by a [`Buffer`], job by job as far as there is room.
    pub async fn push_all<J: Job>(
        &self,
        jobs: impl IntoIterator<Item = J>,
    ) -> Vec<Result<Receipt, Error>> {
        let jobs = jobs.into_iter();
        let Some(mut bulk) = self.bulk(jobs.size_hint().0) else {
            let mut results = Vec::new();
            for job in jobs {
                results.push(self.push(job).await);
            }
            return results;
        };
        let mut last: Option<Push> = None;
        let mut made = Made::default();
        for job in jobs {
            match &mut last {
                Some(push) => match made.add(&job) {
                    Ok(()) if made.is_full() => bulk.add_made(push, &mut made).await,
                    Ok(()) => {}
                    Err(error) => {
                        bulk.add_made(push, &mut made).await;
                        bulk.refuse(error);
                    }
                },
                None => match Push::new(&job) {
                    Ok(mut push) => {
                        let admitted = bulk.add(&mut push).await;
                        // What middleware changed in one job it may change otherwise in the next.
                        if admitted && self.inner.middleware.is_empty() {
                            last = Some(push);
                        }
                    }
                    Err(error) => bulk.refuse(error),
                },
            }
        }
        if let Some(push) = &mut last {
            bulk.add_made(push, &mut made).await;
        }
        bulk.finish().await
    }

    /// Pushes one prepared job.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn send(&self, mut push: Push) -> Result<Receipt, Error> {
        let at_ms = match self.inner.admit(&mut push) {
            Ok(at_ms) => at_ms,
            Err(result) => return *result,
        };
        let mut payload = push.record.to_json();
        let (size, limit) = (payload.len(), self.inner.max_payload);
        if size > limit {
            return Err(push.too_large(size, limit));
        }
        let inner = &self.inner;
        match inner.at_once() {
            Some(producer) if push.once.is_none() => {
                match producer.push(push.goal(at_ms), &payload).await {
                    Ok(()) => Ok(push.receipt(at_ms)),
                    Err(error) => inner.rescue(&mut push, at_ms, &mut payload, error).await,
                }
            }
            _ => {
                inner
                    .send_otherwise(&mut push, at_ms, &mut payload, None)
                    .await
            }
        }
    }

    /// Pushes many prepared jobs, up to 1,000 of one queue in one command. The results stand in the order of `pushes`,
    /// which are taken as by [`Client::push_all`]. Those with an idempotency key go one by one, behind all before them.
    pub async fn send_all(
        &self,
        pushes: impl IntoIterator<Item = Push>,
    ) -> Vec<Result<Receipt, Error>> {
        let pushes = pushes.into_iter();
        let Some(mut bulk) = self.bulk(pushes.size_hint().0) else {
            let mut results = Vec::new();
            for push in pushes {
                results.push(self.send(push).await);
            }
            return results;
        };
        for mut push in pushes {
            bulk.add(&mut push).await;
        }
        bulk.finish().await
    }

    /// How many pushes are kept in memory now; without a [`Buffer`] none.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.inner.buffer().map_or(0, Buffered::len)
    }

    /// Waits up to `timeout` until no push is kept in memory any more. Call it before the process ends: what is kept then
    /// is lost. Pushes that are still awaited elsewhere are not waited for. Without a [`Buffer`] it returns at once.
    ///
    /// # Errors
    /// [`Error::Unflushed`] says how many are left, and which.
    pub async fn flush(&self, timeout: Duration) -> Result<(), Error> {
        match self.inner.buffer() {
            Some(buffer) => buffer.flush(timeout).await,
            None => Ok(()),
        }
    }

    /// None: a test's client, to which jobs go one by one.
    fn bulk(&self, jobs: usize) -> Option<Bulk<'_>> {
        let producer = self.inner.producer()?;
        Some(Bulk::new(&self.inner, producer, jobs))
    }
}

impl Inner {
    pub(crate) fn producer(&self) -> Option<&Producer> {
        match &self.target {
            Target::Redis(producer) => Some(producer),
            Target::Buffered(buffered) => Some(buffered.producer()),
            Target::Test(_) => None,
        }
    }

    pub(crate) fn buffer(&self) -> Option<&Buffered> {
        match &self.target {
            Target::Buffered(buffered) => Some(buffered),
            Target::Redis(_) | Target::Test(_) => None,
        }
    }

    /// Where a push may go at once: Redis, unless others wait for it in memory.
    fn at_once(&self) -> Option<&Producer> {
        match &self.target {
            Target::Redis(producer) => Some(producer),
            Target::Buffered(buffered) if buffered.is_empty() => Some(buffered.producer()),
            Target::Buffered(_) | Target::Test(_) => None,
        }
    }

    /// Middleware and checks. `Ok` is the time it is scheduled for, if it is; an `Err` is the push's final result.
    pub(crate) fn admit(
        &self,
        push: &mut Push,
    ) -> Result<Option<i64>, Box<Result<Receipt, Error>>> {
        for middleware in &self.middleware {
            if middleware.push(push) == Flow::Stop {
                return Err(Box::new(Ok(Receipt {
                    jid: std::mem::take(&mut push.record.jid),
                    outcome: Outcome::Stopped,
                })));
            }
        }
        push.record
            .check()
            .map_err(|error| Box::new(Err(error.into())))?;
        Ok(self.stamp(push, ambient::now_ms()))
    }

    /// Writes the times of a push made `now` (milliseconds since the epoch), and says what it is scheduled for, if it is.
    pub(crate) fn stamp(&self, push: &mut Push, now: i64) -> Option<i64> {
        let at = match push.when {
            // Sidekiq pushes at once what is not in the future.
            When::At(at) if at > now => Some(at),
            _ => None,
        };
        push.record.stamps = self.stamps;
        push.record.enqueued_at = at.is_none().then(|| Stamp::from_millis(now));
        at
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = match self.inner.producer() {
            Some(producer) => producer.line().server().address(),
            None => "a test",
        };
        f.debug_struct("Client")
            .field("target", &target)
            .finish_non_exhaustive()
    }
}

/// What the caller of a push is told that failed.
pub(crate) fn failed(jid: String, error: StoreError) -> Error {
    match error.kind() {
        Kind::Unknown => Error::Unknown { jid, source: error },
        _ => error.into(),
    }
}

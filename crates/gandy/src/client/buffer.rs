//! Jobs that wait in memory while Redis is away.
//!
//! Belongs here: what is kept, up to which size, in which order, and who is told of what cannot be kept. Does not belong
//! here: how it gets to Redis (`drain`).

use std::{
    collections::VecDeque,
    fmt,
    mem::take,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gandy_store::{Goal, Producer, StoreError};
use tokio::{runtime::Handle, sync::Notify};

use super::{Outcome, Receipt, drain::Drainer, failed, once::Once};
use crate::{Error, Push};

/// Sidekiq Pro's number.
const JOBS: usize = 1000;
const BYTES: usize = 16 << 20;
/// While a caller flushes it does not wait for the drainer's longest pause.
const NUDGE: Duration = Duration::from_millis(200);

/// Told of each job that is given up.
type Hook = Arc<dyn Fn(&Dropped) + Send + Sync>;

/// Keeps pushes in memory while Redis is away, and pushes them in their order when it is back. Give it to
/// [`crate::ClientBuilder::buffer`].
///
/// A push that Redis did not take because it cannot be reached, is loading, or has become a replica, or that it did not
/// answer, is kept, and its caller is told [`Outcome::Buffered`]. While jobs are kept every later push queues behind them.
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
    jobs: usize,
    bytes: usize,
    on_drop: Option<Hook>,
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

/// A job that waits.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) jid: String,
    pub(crate) queue: Option<String>,
    pub(crate) at_ms: Option<i64>,
    pub(crate) payload: String,
    pub(crate) once: Option<Box<Once>>,
}

impl Held {
    /// A push that was admitted; it gives all away.
    pub(crate) fn of(push: &mut Push, at_ms: Option<i64>, payload: String) -> Self {
        Self {
            jid: take(&mut push.record.jid),
            queue: at_ms.is_none().then(|| take(&mut push.record.queue)),
            at_ms,
            payload,
            once: push.once.take(),
        }
    }

    pub(crate) fn goal(&self) -> Goal<'_> {
        match (&self.queue, self.at_ms) {
            (Some(queue), _) => Goal::Queue(queue),
            (None, at_ms) => Goal::Schedule(at_ms.unwrap_or_default()),
        }
    }
}

/// The client's end of a buffer. When it goes, so does what nobody has pushed.
#[derive(Debug)]
pub(crate) struct Buffered {
    shared: Arc<Shared>,
}

/// What the client and the drainer share.
pub(crate) struct Shared {
    pub(crate) producer: Producer,
    limits: Buffer,
    /// How many jobs the state holds: what a push looks at while all is well.
    held: AtomicUsize,
    state: Mutex<State>,
    pub(crate) emptied: Notify,
    pub(crate) wake: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) waiting: VecDeque<Held>,
    /// With those that are on their way.
    jobs: usize,
    bytes: usize,
    /// A drainer is at work, or about to be.
    pub(crate) draining: bool,
    /// The client is gone: nothing waits any longer.
    pub(crate) closed: bool,
    /// What was seen last.
    pub(crate) trouble: Option<StoreError>,
    since: Option<Instant>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// Whether a buffer waits until this is over. Of a refused login too: passwords are rotated.
pub(crate) fn passes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable { .. } | StoreError::Full { .. } | StoreError::Unknown { .. }
    ) || error.is_login()
}

/// Whether a push that ends so is kept. A full Redis and a refused login are the caller's to know at once.
pub(crate) fn is_kept(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable { .. } | StoreError::Unknown { .. }
    )
}

impl Buffered {
    pub(crate) fn new(producer: Producer, limits: Buffer) -> Self {
        Self {
            shared: Arc::new(Shared {
                producer,
                limits,
                held: AtomicUsize::new(0),
                state: Mutex::default(),
                emptied: Notify::new(),
                wake: Notify::new(),
            }),
        }
    }

    pub(crate) fn producer(&self) -> &Producer {
        &self.shared.producer
    }

    /// Whether a push need not queue behind others.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.shared.held.load(Ordering::Acquire)
    }

    /// Keeps a job; `error` is what its own push met, if it was tried.
    pub(crate) fn keep(&self, job: Held, error: Option<StoreError>) -> Result<Receipt, Error> {
        let jid = job.jid.clone();
        match (self.shared.keep(job, error.as_ref()), error) {
            (Ok(()), _) => {
                Drainer::start(&self.shared);
                Ok(Receipt {
                    jid,
                    outcome: Outcome::Buffered,
                })
            }
            // It may be there all the same, which matters more than that it was not kept.
            (Err(_), Some(error @ StoreError::Unknown { .. })) => Err(failed(jid, error)),
            (Err(full), _) => Err(full),
        }
    }

    pub(crate) async fn flush(&self, timeout: Duration) -> Result<(), Error> {
        let shared = &self.shared;
        let emptied = async {
            loop {
                let mut emptied = std::pin::pin!(shared.emptied.notified());
                emptied.as_mut().enable();
                if self.is_empty() {
                    return;
                }
                Drainer::start(shared);
                shared.wake.notify_one();
                let _ = tokio::time::timeout(NUDGE, emptied).await;
            }
        };
        if tokio::time::timeout(timeout, emptied).await.is_ok() {
            return Ok(());
        }
        let state = shared.state();
        // Between the deadline and this look the last one may have got through.
        if state.jobs == 0 {
            return Ok(());
        }
        Err(Error::Unflushed {
            remaining: state.jobs,
            jids: state.waiting.iter().map(|job| job.jid.clone()).collect(),
            timeout,
            source: state.trouble.clone(),
        })
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, job: Held, error: Option<&StoreError>) -> Result<(), Error> {
        let mut state = self.state();
        let size = job.payload.len();
        if state.jobs >= self.limits.jobs || state.bytes.saturating_add(size) > self.limits.bytes {
            return Err(Error::BufferFull {
                jid: job.jid,
                size,
                jobs: state.jobs,
                bytes: state.bytes,
                max_jobs: self.limits.jobs,
                max_bytes: self.limits.bytes,
            });
        }
        if state.jobs == 0 {
            state.since = Some(Instant::now());
            let server = self.producer.line().server().address();
            let error = error.map(tracing::field::display);
            tracing::warn!(
                server,
                error,
                "pushes are kept in memory until Redis takes them"
            );
        }
        if let Some(error) = error {
            state.trouble = Some(error.clone());
        }
        state.jobs += 1;
        state.bytes += size;
        state.waiting.push_back(job);
        self.held.store(state.jobs, Ordering::Release);
        Ok(())
    }

    /// Forgets jobs that are pushed or dropped: so many, with so many bytes.
    pub(crate) fn let_go(&self, state: &mut State, jobs: usize, bytes: usize) {
        state.jobs -= jobs;
        state.bytes -= bytes;
        self.held.store(state.jobs, Ordering::Release);
        if state.jobs == 0 && jobs > 0 {
            let seconds = state
                .since
                .take()
                .map(|since| since.elapsed().as_secs_f64());
            tracing::info!(seconds, "no push is kept in memory any more");
            state.trouble = None;
            self.emptied.notify_waiters();
        }
    }

    /// Tells everybody who wants to know that a job will not be pushed.
    pub(crate) fn report(&self, job: Held, cause: DropCause) {
        let queue = job.queue.as_deref().unwrap_or("schedule");
        tracing::error!(jid = job.jid, queue, %cause, "a buffered job is dropped");
        if let Some(hook) = &self.limits.on_drop {
            let dropped = Dropped {
                jid: job.jid,
                queue: job.queue,
                at_ms: job.at_ms,
                payload: job.payload,
                cause,
            };
            // It may run while a panic unwinds, where a second one ends the process; and the others want to be told, too.
            if catch_unwind(AssertUnwindSafe(|| hook(&dropped))).is_err() {
                tracing::error!(jid = dropped.jid, "the hook for dropped jobs panicked");
            }
        }
    }

    /// The jobs that wait, for nobody will push them. Those on their way are their drainer's.
    pub(crate) fn close(&self) -> (Vec<Held>, usize) {
        let mut state = self.state();
        state.closed = true;
        let waiting: Vec<Held> = state.waiting.drain(..).collect();
        let bytes = waiting.iter().map(|job| job.payload.len()).sum();
        let on_their_way = state.jobs - waiting.len();
        self.let_go(&mut state, waiting.len(), bytes);
        (waiting, on_their_way)
    }

    pub(crate) fn runtime() -> Option<Handle> {
        Handle::try_current().ok()
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let (waiting, on_their_way) = self.shared.close();
        self.shared.wake.notify_one();
        let jobs = waiting.len();
        if jobs + on_their_way == 0 {
            return;
        }
        tracing::error!(
            jobs,
            on_their_way,
            "the client is dropped with jobs in its buffer, which are lost; call flush before that"
        );
        for job in waiting {
            self.shared.report(job, DropCause::ClientGone);
        }
    }
}

//! Jobs that wait in memory, in their order, and what callers are told of them.
//!
//! Does not belong here: how many there may be (`buffer`), and how they get to Redis (`drain`).

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
use tokio::sync::Notify;

use super::{Buffer, DropCause, Dropped, Outcome, Receipt, drain::Drainer, failed, once::Once};
use crate::{Error, Push};

/// While a caller flushes it does not wait for the drainer's longest pause.
const NUDGE: Duration = Duration::from_millis(200);

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

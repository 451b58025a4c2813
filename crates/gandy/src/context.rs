//! What a handler can know of the run it is in, and what it can tell about it.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use gandy_protocol::Payload;
use tokio_util::sync::CancellationToken;

use crate::worker::run::Seat;

/// One run of one job. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    payload: Payload,
    queue: Arc<str>,
    /// Made when somebody asks for it: most runs end before anybody does.
    cancellation: OnceLock<CancellationToken>,
    progress: Mutex<Option<Progress>>,
    /// Weak: a handler may keep its context for longer than it runs.
    seat: OnceLock<Weak<Seat>>,
}

/// How far a job has come, as its handler says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub done: u64,
    /// Steps in all, where that is known.
    pub total: Option<u64>,
    /// A short text for people.
    pub note: String,
}

impl Context {
    pub(crate) fn new(payload: Payload, queue: Arc<str>) -> Self {
        Self {
            inner: Arc::new(Inner {
                payload,
                queue,
                cancellation: OnceLock::new(),
                progress: Mutex::default(),
                seat: OnceLock::new(),
            }),
        }
    }

    /// The job's id.
    #[must_use]
    pub fn jid(&self) -> &str {
        self.inner.payload.jid()
    }

    /// The class under which the job was pushed.
    #[must_use]
    pub fn class(&self) -> &str {
        self.inner.payload.class()
    }

    /// The queue from which it was taken.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.inner.queue
    }

    /// 1 in the first run, 2 in the run after the first failure, and so on. Runs cut short by a crash or a shutdown do
    /// not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner
            .payload
            .retry_count()
            .map_or(1, |count| count.saturating_add(2))
    }

    /// The arguments: a JSON array as it stands in the payload.
    #[must_use]
    pub fn args(&self) -> &str {
        self.inner.payload.args()
    }

    /// Any top-level field of the payload as raw JSON: `tags`, `bid`, a field of your own.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.inner.payload.field(name)
    }

    /// Cancelled when this run should stop: its timeout passed, the worker's shutdown deadline came, the worker lost its
    /// lease and the job is about to run elsewhere, or a person cancelled it (`gandy cancel JID`). A handler that heeds it
    /// should return an error; after a shutdown or a lost lease that error costs no attempt, and of a job that a person
    /// cancelled no error is retried: the job goes into `dead` (or away, if the error says so).
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        self.inner.cancellation.get_or_init(CancellationToken::new)
    }

    /// Whether this run should stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let token = self.inner.cancellation.get();
        token.is_some_and(CancellationToken::is_cancelled)
    }

    /// Tells how far the job has come. Shown with the running jobs at the next heartbeat.
    pub fn set_progress(&self, done: u64, total: Option<u64>, note: impl Into<String>) {
        let progress = Progress {
            done,
            total,
            note: note.into(),
        };
        *self
            .inner
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// What was told last.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.inner
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes the place in which the run sits.
    pub(crate) fn sit(&self, seat: &Arc<Seat>) {
        let _ = self.inner.seat.set(Arc::downgrade(seat));
    }

    /// The place in which the run sits, to hold it for longer; none without a worker.
    pub(crate) fn seat(&self) -> Option<Arc<Seat>> {
        self.inner.seat.get().and_then(Weak::upgrade)
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.inner.payload
    }
}

impl fmt::Debug for Context {
    /// Never the arguments: they may hold what must not be in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("jid", &self.jid())
            .field("class", &self.class())
            .field("queue", &self.queue())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

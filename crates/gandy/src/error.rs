//! What can go wrong when a job is pushed or a worker is built.

use std::time::Duration;

use gandy_protocol::{RecordError, args::ArgsError};
use gandy_store::{Kind, StoreError};

/// An error of [`crate::Client`], [`crate::Inspect`] or the worker's builder. [`Error::kind`] says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Redis could not be reached, refused, or did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis did not answer a push: the job may be enqueued or not. Push the same [`crate::Push`] again to be sure;
    /// it keeps its jid, so that a double run can be told from two jobs.
    #[error("job {jid} may or may not be enqueued: {source}")]
    Unknown {
        /// The job's id.
        jid: String,
        /// What was seen.
        source: StoreError,
    },
    /// The job is enqueued, but fewer replicas than asked for have acknowledged it in time: it runs unless the primary is
    /// lost before they have it. Pushing it again makes it run twice.
    #[error(
        "job {jid} is enqueued, but {acknowledged} of {wanted} replicas acknowledged it within {} ms{}; it runs unless \
         a failover loses it. Look at INFO replication on the primary",
        .timeout.as_millis(), because(.source.as_ref())
    )]
    NotReplicated {
        /// The job's id.
        jid: String,
        /// Replicas asked for.
        wanted: usize,
        /// Replicas that have acknowledged it; 0 also where that is not known.
        acknowledged: usize,
        /// How long it was waited for them.
        timeout: Duration,
        /// Why it is not known how many have it, where that is so.
        source: Option<StoreError>,
    },
    /// Redis is away and the client's [`crate::Buffer`] is full: the job is nowhere. Slow down, or tell whoever waits.
    #[error(
        "Redis is away and the buffer is full with {jobs} of {max_jobs} jobs and {bytes} of {max_bytes} bytes: job {jid} \
         of {size} bytes is not kept. Push it again later, or raise Buffer::jobs or Buffer::bytes"
    )]
    BufferFull {
        /// The job's id.
        jid: String,
        /// Bytes of its payload.
        size: usize,
        /// Jobs that are kept.
        jobs: usize,
        /// Bytes of their payloads.
        bytes: usize,
        /// The buffer's limit of jobs.
        max_jobs: usize,
        /// The buffer's limit of bytes.
        max_bytes: usize,
    },
    /// [`crate::Client::flush`] ended before the buffer was empty. The jobs are still kept: flush again, or lose them with
    /// the process. Those that are on their way at this moment are counted and have no id here.
    #[error(
        "{remaining} jobs are still kept in memory after {} ms{}: {}", .timeout.as_millis(), because(.source.as_ref()),
        listed(.jids)
    )]
    Unflushed {
        /// How many jobs are kept.
        remaining: usize,
        /// The ids of those that wait, the oldest first.
        jids: Vec<String>,
        /// How long it was waited.
        timeout: Duration,
        /// What was seen of Redis last.
        source: Option<StoreError>,
    },
    /// The job's arguments cannot be written as a JSON array.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// The job is not well formed.
    #[error("job cannot be pushed: {0}")]
    Record(#[from] RecordError),
    /// The payload is over the client's limit.
    #[error(
        "job {class} has a payload of {size} bytes, over the limit of {limit}; store the data elsewhere and pass its key, or raise max_payload"
    )]
    TooLarge {
        /// The job's class.
        class: String,
        /// Bytes of the whole payload.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A setting is wrong; the text names the key, the value and what is allowed.
    #[error("{0}")]
    Config(String),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Unknown { .. } | Self::NotReplicated { .. } => Kind::Unknown,
            Self::BufferFull { .. } | Self::Unflushed { .. } => Kind::Retry,
            Self::Args(_) | Self::Record(_) | Self::TooLarge { .. } | Self::Config(_) => {
                Kind::Input
            }
        }
    }

    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::Config(text.into())
    }
}

fn because(source: Option<&StoreError>) -> String {
    source.map_or_else(String::new, |error| format!(" ({error})"))
}

/// The first of many ids.
fn listed(jids: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = jids.iter().take(SHOWN).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if jids.len() > SHOWN {
        text += ", …";
    }
    text
}

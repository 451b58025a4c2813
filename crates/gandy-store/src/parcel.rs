//! Jobs that go to Redis in one command.
//!
//! Belongs here: the command, written job by job into one buffer. Does not belong here: sending it (`enqueue`), and which
//! pushes share one (`coalesce`; for bulk pushes the client).

use std::io::Write;

use gandy_protocol::{Keys, stamp};
use redis::{Cmd, RedisWrite};

/// At most this many jobs go in one command (I6)…
const JOBS: usize = 1000;
/// …and no more once they have this many bytes: every other push waits behind it on the same connection.
const BYTES: usize = 4 << 20;

/// Jobs of one queue, or jobs to be scheduled; Redis takes all of them or none.
#[derive(Debug)]
pub struct Parcel {
    /// None: `schedule`.
    queue: Option<String>,
    command: Cmd,
    jobs: usize,
    bytes: usize,
}

impl Parcel {
    /// An empty one for the left end of a queue.
    #[must_use]
    pub fn to_queue(keys: &Keys, queue: &str) -> Self {
        let mut command = redis::cmd("LPUSH");
        command.arg(keys.queue(queue));
        Self::new(command, Some(queue.to_owned()))
    }

    /// An empty one for `schedule`.
    #[must_use]
    pub fn to_schedule(keys: &Keys) -> Self {
        let mut command = redis::cmd("ZADD");
        command.arg(keys.schedule());
        Self::new(command, None)
    }

    fn new(command: Cmd, queue: Option<String>) -> Self {
        Self {
            queue,
            command,
            jobs: 0,
            bytes: 0,
        }
    }

    /// The queue; none: `schedule`.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        self.queue.as_deref()
    }

    /// How many jobs are in it.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// How many bytes their payloads have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one more job may go in: fewer than 1,000 jobs, less than 4 MiB.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.jobs < JOBS && self.bytes < BYTES
    }

    /// Makes room for `jobs` payloads of `bytes` each, as far as they can be in one parcel.
    pub fn reserve(&mut self, jobs: usize, bytes: usize) {
        let jobs = jobs.min(JOBS).min(BYTES / bytes.max(1) + 1);
        self.command
            .reserve_space_for_args(std::iter::repeat_n(bytes, jobs));
    }

    /// Adds a job whose payload is these parts one after another. `at_ms` is its time in milliseconds since the epoch,
    /// which only a parcel to `schedule` has.
    pub fn add(&mut self, at_ms: Option<i64>, parts: &[&str]) {
        debug_assert!(self.has_room(), "I6: commands do bounded work");
        debug_assert_eq!(at_ms.is_some(), self.queue.is_none());
        if let Some(at_ms) = at_ms {
            self.command.arg(stamp::seconds(at_ms));
        }
        let mut payload = self.command.writer_for_next_arg();
        for part in parts {
            self.bytes += part.len();
            // Into memory: it cannot fail.
            let _ = payload.write_all(part.as_bytes());
        }
        drop(payload);
        self.jobs += 1;
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    pub(crate) fn into_command(self) -> Cmd {
        self.command
    }
}

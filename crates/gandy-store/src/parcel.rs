//! Jobs that go to Redis in one command.
//!
//! Belongs here: the command, written job by job into one buffer. Does not belong here: sending it (`enqueue`), and which
//! pushes share one (`coalesce`; for bulk pushes the client).

use std::io::Write;

use gandy_protocol::{Keys, stamp};
use redis::{Arg, Cmd, RedisWrite};

use crate::StoreError;

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

/// A parcel that did not arrive, or perhaps not, and why.
#[derive(Debug)]
pub struct Undelivered {
    /// Why.
    pub error: StoreError,
    /// The parcel, byte for byte.
    pub parcel: Parcel,
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

    /// The jobs in their order: when each is to run (milliseconds since the epoch; none: now), and its payload.
    pub fn payloads(&self) -> impl Iterator<Item = (Option<i64>, &str)> {
        let text = |arg| match arg {
            Arg::Simple(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            _ => "",
        };
        // The command and its key come first.
        let mut words = self.command.args_iter().skip(2).map(text);
        let scheduled = self.queue.is_none();
        std::iter::from_fn(move || {
            let at_ms = match scheduled {
                true => Some(stamp::from_seconds(words.next()?).unwrap_or_default()),
                false => None,
            };
            Some((at_ms, words.next()?))
        })
    }

    /// When the first of jobs that are scheduled is to run, milliseconds since the epoch.
    #[must_use]
    pub fn earliest(&self) -> Option<i64> {
        self.payloads().filter_map(|(at_ms, _)| at_ms).min()
    }

    /// The same jobs in a command of these bytes.
    pub(crate) fn of_command(
        queue: Option<String>,
        command: Cmd,
        jobs: usize,
        bytes: usize,
    ) -> Self {
        Self {
            queue,
            command,
            jobs,
            bytes,
        }
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    pub(crate) fn into_command(self) -> Cmd {
        self.command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_can_be_taken_out() {
        let keys = Keys::default();
        let mut queue = Parcel::to_queue(&keys, "q");
        queue.add(None, &["{\"a\":", "1}"]);
        queue.add(None, &["{}"]);
        let jobs: Vec<_> = queue.payloads().collect();
        assert_eq!(jobs, [(None, "{\"a\":1}"), (None, "{}")]);
        assert_eq!(queue.earliest(), None);
        let mut later = Parcel::to_schedule(&keys);
        for at_ms in [4_000_000_000_500, 4_000_000_000_123, i64::MAX] {
            later.add(Some(at_ms), &["{}"]);
        }
        let times: Vec<_> = later.payloads().filter_map(|(at_ms, _)| at_ms).collect();
        assert_eq!(times, [4_000_000_000_500, 4_000_000_000_123, i64::MAX]);
        assert_eq!(later.earliest(), Some(4_000_000_000_123));
    }
}

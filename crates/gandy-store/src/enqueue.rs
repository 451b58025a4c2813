//! Pushing jobs: plain commands, never a script, so that a producer needs no right to run one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gandy_protocol::stamp;

use crate::{Line, StoreError};

/// A queue's name is written to `queues` again after this long: Ruby's "clear queue" removes it.
const NAME_MEMORY: Duration = Duration::from_secs(60);

/// Pushes jobs on one line that all callers share; concurrent pushes are pipelined on it.
#[derive(Debug)]
pub struct Producer {
    line: Line,
    /// Queue name → when, and on which opening of the line, it was last written to `queues`.
    named: Mutex<HashMap<String, (Instant, u64)>>,
}

impl Producer {
    /// A producer on a line of its own.
    #[must_use]
    pub fn new(line: Line) -> Self {
        Self {
            line,
            named: Mutex::default(),
        }
    }

    /// The line it pushes on.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Pushes up to 1,000 payloads to the left end of one queue: all of them or none.
    ///
    /// # Errors
    /// [`StoreError::Unknown`]: they may have been pushed. Any other error: they were not.
    pub async fn push(&self, queue: &str, payloads: &[String]) -> Result<(), StoreError> {
        debug_assert!(payloads.len() <= 1000, "I6: commands do bounded work");
        if payloads.is_empty() {
            return Ok(());
        }
        let keys = self.line.keys();
        let mut push = redis::cmd("LPUSH");
        push.arg(keys.queue(queue)).arg(payloads);
        if self.is_named(queue) {
            let length: usize = self.forget_names_on_error(self.line.query(&push).await)?;
            // The list was empty: a "clear queue" may have removed the name as well. Or the connection is another one.
            if length == payloads.len() || !self.is_named(queue) {
                self.name(queue).await;
            }
            return Ok(());
        }
        let mut pipe = redis::pipe();
        pipe.cmd("SADD").arg(keys.queues()).arg(queue);
        pipe.add_command(push);
        let mut replies = self
            .forget_names_on_error(self.line.each(&pipe).await)?
            .into_iter();
        match replies.next() {
            Some(Ok(_)) => self.note_named(queue),
            Some(Err(error)) => {
                tracing::warn!(queue, %error, "the queue's name could not be written to `queues`")
            }
            None => {}
        }
        replies
            .next()
            .unwrap_or_else(|| Err(StoreError::shape("LPUSH")))
            .map(drop)
    }

    /// Adds up to 1,000 payloads to `schedule`, each with its time (milliseconds since the epoch): all or none.
    ///
    /// # Errors
    /// As [`Producer::push`]. Repeating is safe: the same bytes are the same member.
    pub async fn schedule(&self, entries: &[(i64, String)]) -> Result<(), StoreError> {
        debug_assert!(entries.len() <= 1000, "I6: commands do bounded work");
        if entries.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("ZADD");
        command.arg(self.line.keys().schedule());
        for (at_ms, payload) in entries {
            command.arg(stamp::seconds(*at_ms)).arg(payload);
        }
        self.line.query::<i64>(&command).await.map(drop)
    }

    async fn name(&self, queue: &str) {
        let mut command = redis::cmd("SADD");
        command.arg(self.line.keys().queues()).arg(queue);
        match self.line.query::<i64>(&command).await {
            Ok(_) => self.note_named(queue),
            // The job is pushed; workers that listen to the queue by name will run it. The next push tries again.
            Err(error) => {
                self.names().remove(queue);
                tracing::warn!(queue, %error, "the queue's name could not be written to `queues`");
            }
        }
    }

    fn note_named(&self, queue: &str) {
        let now = (Instant::now(), self.line.openings());
        self.names().insert(queue.to_owned(), now);
    }

    fn is_named(&self, queue: &str) -> bool {
        let openings = self.line.openings();
        self.names()
            .get(queue)
            .is_some_and(|(at, opening)| *opening == openings && at.elapsed() < NAME_MEMORY)
    }

    /// After a lost connection the server may be another one, or have restarted empty.
    fn forget_names_on_error<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if outcome.is_err() {
            self.names().clear();
        }
        outcome
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, (Instant, u64)>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

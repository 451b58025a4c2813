//! Landing lists: where an idle worker's blocking move rings. They belong to a queue, never to a process.

use std::time::Duration;

use crate::{Line, StoreError, lua};

/// How long a blocking command blocks at most (I7). Every end of it costs an idle fleet a round trip and an empty claim for
/// each queue of each process: with 2 s, 100 idle processes of 8 queues took 3.5 % of Redis' core.
pub const BLOCK: Duration = Duration::from_secs(4);

/// The deadline of a line on which blocking commands run.
pub const BLOCK_DEADLINE: Duration = Duration::from_secs(6);

impl Line {
    /// Puts up to 1,000 landed jobs back at the end of their queue that is popped next. The number put back.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn unland(&self, queue: &str) -> Result<usize, StoreError> {
        let mut call = lua::UNLAND.keys(&[self.keys().landing(queue), self.keys().queue(queue)]);
        call.arg(1000);
        self.call(&call).await
    }

    /// How many jobs lie in the landing list of each of `queues`.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn landed(&self, queues: &[String]) -> Result<Vec<usize>, StoreError> {
        let mut pipe = redis::pipe();
        for queue in queues {
            pipe.cmd("LLEN").arg(self.keys().landing(queue));
        }
        let replies = self.each(&pipe).await?;
        // A landing key of another type is nobody's job.
        Ok(replies
            .into_iter()
            .map(|reply| {
                reply
                    .ok()
                    .and_then(|value| self.read(value).ok())
                    .unwrap_or(0)
            })
            .collect())
    }
}

//! Landing lists: where an idle worker's blocking move rings. They belong to a queue, never to a process.

use std::time::Duration;

use redis::Value;

use crate::{Cycle, Haul, Line, StoreError, lua};

/// How long a blocking command blocks at most (I7).
pub const BLOCK: Duration = Duration::from_secs(2);

/// The deadline of a line on which blocking commands run.
pub const BLOCK_DEADLINE: Duration = Duration::from_secs(5);

impl Line {
    /// Waits up to [`BLOCK`] for a job to arrive in `queue`, moves it into the queue's landing list, and runs `cycle`
    /// right behind that, in the same turn of the server: a lone job is claimed without a second round trip.
    /// `true`: one landed. The inner error is the cycle's alone.
    ///
    /// Needs a line of its own ([`BLOCK_DEADLINE`]); do not drop the future and go on using that line (I7).
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] a job may have landed; that is harmless, since landing lists have no owner. The
    /// cycle may have run as well.
    pub async fn wait(
        &self,
        queue: &str,
        cycle: &Cycle,
    ) -> Result<(bool, Result<Haul, StoreError>), StoreError> {
        let mut block = redis::cmd("BLMOVE");
        block
            .arg(self.keys().queue(queue))
            .arg(self.keys().landing(queue))
            .arg("RIGHT")
            .arg("LEFT")
            .arg(BLOCK.as_secs());
        let mut pipe = redis::pipe();
        pipe.add_command(block);
        pipe.add_command(cycle.call.command().clone());
        let mut replies = self.each(&pipe).await?.into_iter();
        let (Some(landed), Some(reply)) = (replies.next(), replies.next()) else {
            return Err(StoreError::shape("BLMOVE"));
        };
        let landed = !matches!(landed?, Value::Nil);
        let haul = reply.and_then(|reply| {
            cycle
                .reading
                .read(reply)
                .ok_or_else(|| StoreError::shape("cycle"))
        });
        Ok((landed, haul))
    }

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

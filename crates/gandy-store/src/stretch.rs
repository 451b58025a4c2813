//! A queue from the end that is popped last: its own list and the landing list as one, so that a position does not change
//! when workers pop. With each part how long the whole is.
//!
//! Not here: pages from the other end (`place`), walks (`cursor`), and what is looked for (`seek`, `gandy`'s `sought`).

use crate::{Line, StoreError};

/// A part of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Its entries, from the one at the position that was asked for towards the one that is popped next.
    pub entries: Vec<Vec<u8>>,
    /// How many entries the queue had in all, those that have landed included.
    pub length: usize,
}

impl Line {
    /// Up to `count` (at most 1,000) entries of a queue from position `from`, counted from the end that is popped last.
    ///
    /// From there towards the other end jobs move: who reads stretch after stretch meets each one that waits all the while.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn stretch(
        &self,
        queue: &str,
        from: usize,
        count: usize,
    ) -> Result<Stretch, StoreError> {
        let (list, landing) = (self.keys().queue(queue), self.keys().landing(queue));
        let count = count.clamp(1, 1000);
        let range = |list: &str, from: usize, count: usize| {
            // Behind the highest number that Redis takes stands nothing.
            let from = i64::try_from(from)
                .unwrap_or(i64::MAX - 1000)
                .min(i64::MAX - 1000);
            let mut command = redis::cmd("LRANGE");
            command.arg(list).arg(from).arg(from + count as i64 - 1);
            command
        };
        let mut pipe = redis::pipe();
        pipe.add_command(range(&list, from, count));
        pipe.cmd("LLEN").arg(&list);
        pipe.cmd("LLEN").arg(&landing);
        let mut replies = self.all(&pipe).await?.into_iter();
        let mut next = || replies.next().unwrap_or(redis::Value::Nil);
        let mut entries: Vec<Vec<u8>> = self.read(next())?;
        let (waiting, landed): (usize, usize) = (self.read(next())?, self.read(next())?);
        if entries.len() < count && landed > 0 {
            let (from, count) = (from.saturating_sub(waiting), count - entries.len());
            let more: Vec<Vec<u8>> = self.query(&range(&landing, from, count)).await?;
            entries.extend(more);
        }
        Ok(Stretch {
            entries,
            length: waiting + landed,
        })
    }
}

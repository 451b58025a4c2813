//! The places where jobs wait, and the entries that stand there: pages and sizes. Bounded reads only.
//!
//! Not here: moving an entry (`operator`), looking for one (`seek`, `stretch`), and what its bytes say.

use crate::{Line, StoreError};

/// A place where jobs wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// `queue:<name>`.
    Queue(String),
    /// `schedule`.
    Schedule,
    /// `retry`.
    Retry,
    /// `dead`.
    Dead,
}

/// A job as it stands in a [`Place`].
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its exact bytes: the address by which it is moved.
    pub bytes: Vec<u8>,
    /// Seconds since the epoch, for the sorted sets.
    pub score: Option<f64>,
}

impl Line {
    /// Up to `count` (at most 1,000) entries from position `from`: of a queue in the order in which they are popped,
    /// of a set by score, `dead` youngest first.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn page(
        &self,
        place: &Place,
        from: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let count = count.min(1000);
        if count == 0 {
            return Ok(Vec::new());
        }
        // Where nothing can be, however a person wrote the number of a page.
        let Some(last) = from
            .checked_add(count - 1)
            .and_then(|last| i64::try_from(last).ok())
            .filter(|last| *last < i64::MAX)
        else {
            return Ok(Vec::new());
        };
        let first = from as i64;
        if let Place::Queue(name) = place {
            return Ok(self.queue_page(name, from, count).await?.0);
        }
        let mut command = redis::cmd(if *place == Place::Dead {
            "ZREVRANGE"
        } else {
            "ZRANGE"
        });
        command
            .arg(self.set_key(place))
            .arg(first)
            .arg(last)
            .arg("WITHSCORES");
        let items: Vec<(Vec<u8>, f64)> = self.query(&command).await?;
        Ok(items
            .into_iter()
            .map(|(bytes, score)| Entry {
                bytes,
                score: Some(score),
            })
            .collect())
    }

    /// As [`Line::page`], of a queue, and how many jobs it held then. What has landed is popped before what waits.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn queue_page(
        &self,
        name: &str,
        from: usize,
        count: usize,
    ) -> Result<(Vec<Entry>, u64), StoreError> {
        let (landing, queue) = (self.keys().landing(name), self.keys().queue(name));
        let count = count.clamp(1, 1000);
        let from = from.min(i64::MAX as usize - 1000);
        let mut pipe = redis::pipe();
        pipe.cmd("LLEN").arg(&queue);
        pipe.cmd("LLEN").arg(&landing);
        // Seldom has anything landed: then this is the page.
        pipe.add_command(range_from_right(&queue, from, count));
        let mut replies = self.all(&pipe).await?.into_iter();
        let mut next = || replies.next().unwrap_or(redis::Value::Nil);
        let (waiting, landed): (usize, usize) = (self.read(next())?, self.read(next())?);
        let size = waiting.saturating_add(landed) as u64;
        if landed == 0 {
            let items: Vec<Vec<u8>> = self.read(next())?;
            return Ok((items.into_iter().rev().map(unscored).collect(), size));
        }
        let mut found = Vec::new();
        if from < landed {
            found = self.popped_next(&landing, from, count).await?;
        }
        if found.len() < count {
            let (from, count) = (from.saturating_sub(landed), count - found.len());
            found.extend(self.popped_next(&queue, from, count).await?);
        }
        Ok((found, size))
    }

    /// A part of a list, counted from its right end.
    async fn popped_next(
        &self,
        list: &str,
        from: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let command = range_from_right(list, from, count);
        let items: Vec<Vec<u8>> = self.query(&command).await?;
        Ok(items.into_iter().rev().map(unscored).collect())
    }

    /// How many entries a place holds; of a queue those that have landed too.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn size(&self, place: &Place) -> Result<u64, StoreError> {
        let mut pipe = redis::pipe();
        match place {
            Place::Queue(name) => {
                pipe.cmd("LLEN").arg(self.keys().queue(name));
                pipe.cmd("LLEN").arg(self.keys().landing(name));
            }
            set => drop(pipe.cmd("ZCARD").arg(self.set_key(set))),
        }
        let counts = self.all(&pipe).await?.into_iter();
        counts.map(|count| self.read::<u64>(count)).sum()
    }

    /// Why the job with these bytes was buried unread, if a reason was kept.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn reason(&self, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        let digest = gandy_protocol::digest::sha1_hex(bytes);
        self.query(redis::cmd("HGET").arg(self.keys().reasons()).arg(digest))
            .await
    }

    /// The key that holds the place's entries; of a queue its own list, not the landing list.
    pub(crate) fn set_key(&self, place: &Place) -> String {
        let keys = self.keys();
        match place {
            Place::Queue(name) => keys.queue(name),
            Place::Schedule => keys.schedule(),
            Place::Retry => keys.retry(),
            Place::Dead => keys.dead(),
        }
    }
}

fn unscored(bytes: Vec<u8>) -> Entry {
    Entry { bytes, score: None }
}

/// `count` entries of a list from position `from`, which is counted from its right end; the leftmost comes first.
fn range_from_right(list: &str, from: usize, count: usize) -> redis::Cmd {
    let (first, last) = (from as i64, (from + count - 1) as i64);
    let mut command = redis::cmd("LRANGE");
    command.arg(list).arg(-last - 1).arg(-first - 1);
    command
}

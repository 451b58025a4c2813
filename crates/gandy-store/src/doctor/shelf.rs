//! The keys in which jobs wait, one at a time, and what stands in them, in pages that are bounded in bytes too (I12).

use redis::Value;

use super::PIPELINE;
use crate::{Line, Place, StoreError};

/// Entries of one page at most.
const PAGE: usize = 500;
/// A page grows while it stays below this. The size of an entry is known only after it was read, so the first page has one.
const PAGE_BYTES: usize = 1 << 20;
/// How far into a list an entry is looked for.
const REACH: usize = 20_000;

/// One key that holds waiting jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shelf {
    /// `queue:<name>`.
    Queue(String),
    /// `gandy:landing:<name>`.
    Landing(String),
    /// `retry`.
    Retry,
    /// `schedule`.
    Schedule,
    /// `dead`.
    Dead,
}

/// What was read of a [`Shelf`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Browsed {
    /// The exact bytes; of a list from the end that is popped next.
    pub entries: Vec<Vec<u8>>,
    /// Whether that was all.
    pub whole: bool,
}

impl Shelf {
    /// The place to which it belongs.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Queue(name) | Self::Landing(name) => Place::Queue(name.clone()),
            Self::Retry => Place::Retry,
            Self::Schedule => Place::Schedule,
            Self::Dead => Place::Dead,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Queue(_) | Self::Landing(_))
    }
}

impl Line {
    /// The name of a shelf's key.
    #[must_use]
    pub fn shelf_key(&self, shelf: &Shelf) -> String {
        match shelf {
            Shelf::Landing(name) => self.keys().landing(name),
            other => self.set_key(&other.place()),
        }
    }

    /// How many entries each holds: an error for a key that cannot be read.
    ///
    /// # Errors
    /// Redis cannot be reached.
    pub async fn sizes(
        &self,
        shelves: &[Shelf],
    ) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        let mut sizes = Vec::with_capacity(shelves.len());
        for chunk in shelves.chunks(PIPELINE) {
            let mut pipe = redis::pipe();
            for shelf in chunk {
                let command = if shelf.is_list() { "LLEN" } else { "ZCARD" };
                pipe.cmd(command).arg(self.shelf_key(shelf));
            }
            let replies: Vec<Result<Value, StoreError>> = self.each(&pipe).await?;
            sizes.extend(
                replies
                    .into_iter()
                    .map(|reply| reply.and_then(|value| self.read(value))),
            );
        }
        Ok(sizes)
    }

    /// Reads up to `most` entries, and no further page once `room` bytes were read.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn browse(
        &self,
        shelf: &Shelf,
        most: usize,
        room: usize,
    ) -> Result<Browsed, StoreError> {
        let mut found = Browsed::default();
        let (mut count, mut cursor, mut bytes) = (1_usize, 0_u64, 0_usize);
        while found.entries.len() < most && bytes < room {
            let page = if shelf.is_list() {
                self.list_page(shelf, found.entries.len(), count).await?
            } else {
                let (next, page) = self.set_page(shelf, cursor, count).await?;
                cursor = next;
                found.whole = next == 0;
                page
            };
            let size: usize = page.iter().map(Vec::len).sum();
            bytes += size;
            found.whole |= shelf.is_list() && page.len() < count;
            found.entries.extend(page);
            if found.whole {
                break;
            }
            count = match size {
                0..PAGE_BYTES => (count * 4).min(PAGE),
                _ => (count / 4).max(1),
            };
        }
        if !shelf.is_list() {
            // A scan may give the same member twice; a set cannot hold it twice.
            found.entries.sort_unstable();
            found.entries.dedup();
        }
        Ok(found)
    }

    /// A page of a list, counted from the end that is popped next.
    async fn list_page(
        &self,
        shelf: &Shelf,
        from: usize,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        command
            .arg(self.shelf_key(shelf))
            .arg(-((from + count) as i64))
            .arg(-(from as i64) - 1);
        let mut items: Vec<Vec<u8>> = self.query(&command).await?;
        items.reverse();
        Ok(items)
    }

    async fn set_page(
        &self,
        shelf: &Shelf,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let mut command = redis::cmd("ZSCAN");
        command.arg(self.shelf_key(shelf)).arg(cursor);
        command.arg("COUNT").arg(count);
        let (next, items): (u64, Vec<(Vec<u8>, f64)>) = self.query(&command).await?;
        Ok((next, items.into_iter().map(|(member, _)| member).collect()))
    }

    /// Whether both entries were there at one moment. Jobs move while they are looked at, and one that moved from one page
    /// to the next is not two: the first is looked at again after the second.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn both_there(
        &self,
        one: (&Shelf, &[u8]),
        other: (&Shelf, &[u8]),
    ) -> Result<bool, StoreError> {
        let mut pipe = redis::pipe();
        if one == other {
            let list = pipe.cmd("LPOS").arg(self.shelf_key(one.0)).arg(one.1);
            list.arg("RANK").arg(-1).arg("COUNT").arg(2);
            list.arg("MAXLEN").arg(REACH);
            let replies = self.all(&pipe).await?;
            let at: Vec<i64> = self.read(replies.into_iter().next().unwrap_or(Value::Nil))?;
            return Ok(at.len() == 2);
        }
        for (shelf, bytes) in [one, other, one] {
            let key = self.shelf_key(shelf);
            if shelf.is_list() {
                let list = pipe.cmd("LPOS").arg(key).arg(bytes);
                list.arg("RANK").arg(-1).arg("MAXLEN").arg(REACH);
            } else {
                pipe.cmd("ZSCORE").arg(key).arg(bytes);
            }
        }
        let replies = self.all(&pipe).await?;
        Ok(replies.iter().all(|reply| *reply != Value::Nil))
    }
}

//! The places where jobs wait, and the entries that stand there: pages, sizes, a search by jid. Bounded reads only.
//!
//! Not here: moving an entry (`operator`), and what its bytes say beyond the jid.

use gandy_protocol::payload::Payload;

use crate::{Line, StoreError};

/// Jobs of a queue read at once in a search.
const FIND_PAGE: usize = 500;

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
            return self.queue_page(name, from, count).await;
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

    /// What has landed is popped before what waits in the queue.
    async fn queue_page(
        &self,
        name: &str,
        from: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (landing, queue) = (self.keys().landing(name), self.keys().queue(name));
        let landed: usize = self.query(redis::cmd("LLEN").arg(&landing)).await?;
        let mut found = Vec::new();
        if from < landed {
            found = self.popped_next(&landing, from, count).await?;
        }
        if found.len() < count {
            let (from, count) = (from.saturating_sub(landed), count - found.len());
            found.extend(self.popped_next(&queue, from, count).await?);
        }
        Ok(found)
    }

    /// A part of a list, counted from its right end.
    async fn popped_next(
        &self,
        list: &str,
        from: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (first, last) = (from as i64, (from + count - 1) as i64);
        let mut command = redis::cmd("LRANGE");
        command.arg(list).arg(-last - 1).arg(-first - 1);
        let items: Vec<Vec<u8>> = self.query(&command).await?;
        let entry = |bytes| Entry { bytes, score: None };
        Ok(items.into_iter().rev().map(entry).collect())
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

    /// An entry with this jid. A set is searched by the server's scan, a queue page by page, the youngest job first.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn find(&self, place: &Place, jid: &str) -> Result<Option<Entry>, StoreError> {
        let fits =
            |bytes: &[u8]| Payload::parse(bytes.to_vec()).is_ok_and(|payload| payload.jid() == jid);
        if let Place::Queue(name) = place {
            // From the queue to the landing list and from left to right, as jobs move: one that waits all the while
            // cannot slip past a page, however many are pushed and popped meanwhile.
            for list in [self.keys().queue(name), self.keys().landing(name)] {
                let mut from = 0;
                loop {
                    let mut command = redis::cmd("LRANGE");
                    command.arg(&list).arg(from).arg(from + FIND_PAGE - 1);
                    let page: Vec<Vec<u8>> = self.query(&command).await?;
                    let last = page.len() < FIND_PAGE;
                    from += page.len();
                    if let Some(bytes) = page.into_iter().find(|bytes| fits(bytes)) {
                        return Ok(Some(Entry { bytes, score: None }));
                    }
                    if last {
                        break;
                    }
                }
            }
            return Ok(None);
        }
        let pattern = format!("*{}*", searchable(jid));
        let mut cursor = 0_u64;
        loop {
            let mut command = redis::cmd("ZSCAN");
            command
                .arg(self.set_key(place))
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(1000);
            let (next, items): (u64, Vec<(Vec<u8>, f64)>) = self.query(&command).await?;
            if let Some((bytes, score)) = items.into_iter().find(|(bytes, _)| fits(bytes)) {
                return Ok(Some(Entry {
                    bytes,
                    score: Some(score),
                }));
            }
            cursor = next;
            if cursor == 0 {
                return Ok(None);
            }
        }
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

/// The longest part of a text that stands in every JSON form of it as it is, and has no meaning in a glob.
///
/// Only one part: each further `*` of a pattern multiplies what Redis may have to try, and ids come from others.
pub(crate) fn searchable(text: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' ');
    text.split(|c| !plain(c))
        .max_by_key(|part| part.len())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::searchable;

    #[test]
    fn what_json_may_escape_and_globs_read_is_not_searched_for() {
        assert_eq!(
            searchable("b5de70b63090decd6440fd9e"),
            "b5de70b63090decd6440fd9e"
        );
        assert_eq!(searchable("a*bcd?e[f]"), "bcd");
        assert_eq!(searchable("é\\\"/<"), "");
    }
}

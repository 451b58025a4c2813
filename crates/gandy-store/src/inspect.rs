//! Looking at queues, sets and processes, and moving single entries by hand. Bounded reads only: never `KEYS`, never
//! a whole list.

use std::collections::HashMap;

use gandy_protocol::payload::Payload;
use redis::Value;

use crate::{Grave, Line, StoreError, lua};

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

/// The size of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs ended since ever, failures included.
    pub processed: u64,
    /// Runs failed since ever.
    pub failed: u64,
    /// Jobs in all queues of `queues`, landing lists included.
    pub enqueued: u64,
    /// Entries of `schedule`.
    pub scheduled: u64,
    /// Entries of `retry`.
    pub retries: u64,
    /// Entries of `dead`.
    pub dead: u64,
    /// Members of `processes`, Ruby's included.
    pub processes: u64,
    /// Running jobs as the processes' last beats said.
    pub busy: u64,
    /// Jobs that Gandy's processes hold, the dying included: exact.
    pub in_flight: u64,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Bare name.
    pub name: String,
    /// Jobs waiting, those in the landing list included.
    pub size: u64,
    /// The bytes of the job that is popped next.
    pub next: Option<Vec<u8>>,
    /// Whether it is paused.
    pub paused: bool,
}

/// One process as it shows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its identity.
    pub identity: String,
    /// The fields of its hash; empty when the hash has expired.
    pub fields: HashMap<String, String>,
    /// Its running jobs: id and JSON.
    pub work: Vec<(String, String)>,
}

/// Where [`Line::relocate`] puts an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this queue, as these bytes.
    Queue(String, String),
    /// Into `dead`, as it is.
    Dead,
    /// Away.
    Nowhere,
}

impl Line {
    /// Counts everything, in a handful of round trips.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let keys = self.keys();
        let queues = self.queue_names().await?;
        let processes = self.process_names().await?;
        let mut holders: Vec<String> = Vec::new();
        for identity in self.fleet().await?.into_iter().chain(self.dying().await?) {
            holders.push(keys.inflight(&identity));
        }
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(keys.stat_processed());
        pipe.cmd("GET").arg(keys.stat_failed());
        for set in [keys.schedule(), keys.retry(), keys.dead()] {
            pipe.cmd("ZCARD").arg(set);
        }
        for queue in &queues {
            pipe.cmd("LLEN").arg(keys.queue(queue));
            pipe.cmd("LLEN").arg(keys.landing(queue));
        }
        for process in &processes {
            pipe.cmd("HGET").arg(keys.process(process)).arg("busy");
        }
        for holder in &holders {
            pipe.cmd("HLEN").arg(holder);
        }
        let replies = self.each(&pipe).await?;
        // A key of another type counts as nothing here; the doctor's business is to say so.
        let mut numbers = replies.into_iter().map(|reply| {
            reply
                .ok()
                .and_then(|value| self.read::<Option<u64>>(value).ok().flatten())
                .unwrap_or(0)
        });
        let mut next = || numbers.next().unwrap_or(0);
        let mut totals = Totals {
            processed: next(),
            failed: next(),
            scheduled: next(),
            retries: next(),
            dead: next(),
            processes: processes.len() as u64,
            ..Totals::default()
        };
        totals.enqueued = (0..2 * queues.len()).map(|_| next()).sum();
        totals.busy = (0..processes.len()).map(|_| next()).sum();
        totals.in_flight = (0..holders.len()).map(|_| next()).sum();
        Ok(totals)
    }

    /// The names in `queues`, sorted.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn queue_names(&self) -> Result<Vec<String>, StoreError> {
        self.members(&self.keys().queues()).await
    }

    /// The names in `processes`, sorted.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn process_names(&self) -> Result<Vec<String>, StoreError> {
        self.members(&self.keys().processes()).await
    }

    async fn members(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let page = |cursor| {
            let mut command = redis::cmd("SSCAN");
            command.arg(key).arg(cursor);
            command
        };
        let mut found = self.walk(page).await?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// One row for each of `names`.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn queue_rows(&self, names: &[String]) -> Result<Vec<QueueRow>, StoreError> {
        let keys = self.keys();
        let mut pipe = redis::pipe();
        for name in names {
            pipe.cmd("LLEN").arg(keys.queue(name));
            pipe.cmd("LLEN").arg(keys.landing(name));
            pipe.cmd("LINDEX").arg(keys.landing(name)).arg(-1);
            pipe.cmd("LINDEX").arg(keys.queue(name)).arg(-1);
            pipe.cmd("SISMEMBER").arg(keys.paused()).arg(name);
        }
        let replies = self.each(&pipe).await?;
        let number = |reply: &Result<Value, StoreError>| match reply {
            Ok(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        };
        let bytes = |reply: &Result<Value, StoreError>| match reply {
            Ok(Value::BulkString(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        Ok(names
            .iter()
            .zip(replies.chunks(5))
            .map(|(name, row)| QueueRow {
                name: name.clone(),
                size: number(&row[0]) + number(&row[1]),
                next: bytes(&row[2]).or_else(|| bytes(&row[3])),
                paused: number(&row[4]) == 1,
            })
            .collect())
    }

    /// Every process that shows itself, with its running jobs.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn process_rows(&self) -> Result<Vec<ProcessRow>, StoreError> {
        let keys = self.keys();
        let names = self.process_names().await?;
        let mut pipe = redis::pipe();
        for name in &names {
            pipe.cmd("HGETALL").arg(keys.process(name));
            pipe.cmd("HGETALL").arg(keys.work(name));
            pipe.cmd("HGETALL").arg(keys.workers(name));
        }
        let mut replies = self.each(&pipe).await?.into_iter();
        let mut rows = Vec::with_capacity(names.len());
        for identity in names {
            let mut map = || -> HashMap<String, String> {
                replies
                    .next()
                    .and_then(Result::ok)
                    .and_then(|value| self.read(value).ok())
                    .unwrap_or_default()
            };
            let (fields, running, of_old_sidekiq) = (map(), map(), map());
            let shown = if running.is_empty() {
                of_old_sidekiq
            } else {
                running
            };
            let mut work: Vec<(String, String)> = shown.into_iter().collect();
            work.sort_unstable();
            rows.push(ProcessRow {
                identity,
                fields,
                work,
            });
        }
        Ok(rows)
    }

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

    /// Moves one entry, found by its exact bytes, in one step. `false`: it is not there any more.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] it may have moved; a repeat says `false` then.
    pub async fn relocate(
        &self,
        place: &Place,
        bytes: &[u8],
        target: &Target,
        grave: Grave,
    ) -> Result<bool, StoreError> {
        match place {
            Place::Queue(name) => {
                let (queue, landing) = (self.keys().queue(name), self.keys().landing(name));
                Ok(self.step(&queue, "list", bytes, target, grave).await?
                    || self.step(&landing, "list", bytes, target, grave).await?)
            }
            set => {
                self.step(&self.set_key(set), "zset", bytes, target, grave)
                    .await
            }
        }
    }

    async fn step(
        &self,
        from: &str,
        kind: &str,
        bytes: &[u8],
        target: &Target,
        grave: Grave,
    ) -> Result<bool, StoreError> {
        let keys = self.keys();
        let (way, write, queue) = match target {
            Target::Queue(queue, payload) => ("queue", payload.as_bytes(), queue.as_str()),
            Target::Dead => ("dead", bytes, ""),
            Target::Nowhere => ("none", &[][..], ""),
        };
        let mut call = lua::MOVE.keys(&[
            from,
            &keys.queues(),
            &keys.dead(),
            &keys.reasons(),
            &keys.queue(queue),
        ]);
        call.arg(kind)
            .arg(bytes)
            .arg(way)
            .arg(write)
            .arg(queue)
            .arg(grave.jobs_max)
            .arg(grave.timeout.as_secs());
        Ok(self.call::<i64>(&call).await? == 1)
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

    /// Pauses a queue: no claim takes from it until [`Line::unpause`]. Ruby's free workers do not heed it.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn pause(&self, queue: &str) -> Result<(), StoreError> {
        self.query::<i64>(redis::cmd("SADD").arg(self.keys().paused()).arg(queue))
            .await
            .map(drop)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn unpause(&self, queue: &str) -> Result<(), StoreError> {
        self.query::<i64>(redis::cmd("SREM").arg(self.keys().paused()).arg(queue))
            .await
            .map(drop)
    }

    /// Leaves a signal (`TSTP`, `TERM`, `TTIN`) for a process, as Sidekiq's Web UI does.
    ///
    /// # Errors
    /// Any; a repeat sends it twice.
    pub async fn send_signal(&self, identity: &str, signal: &str) -> Result<(), StoreError> {
        let key = self.keys().signals(identity);
        let mut pipe = redis::pipe();
        pipe.cmd("LPUSH").arg(&key).arg(signal);
        pipe.cmd("EXPIRE").arg(&key).arg(60);
        self.all(&pipe).await.map(drop)
    }

    fn set_key(&self, place: &Place) -> String {
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
fn searchable(text: &str) -> &str {
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

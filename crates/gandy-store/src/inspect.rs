//! The whole at a glance: sizes, queues and processes. Bounded reads only: never `KEYS`, never a whole list.
//!
//! Not here: the single jobs of a queue or set (`place`), and what a person does to any of it (`operator`).

use std::collections::HashMap;

use gandy_protocol::Identity;
use redis::Value;

use crate::{Line, StoreError};

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
    /// For how many milliseconds more it counts as alive if it is not heard of again. Ruby's processes have no lease.
    pub lease_ms: Option<u64>,
    /// What it published when it joined the fleet: JSON with its queues and classes.
    pub published: Option<String>,
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
        // Numbers that a stranger wrote there may be as large as they like: one of them alone made a sum overflow.
        let mut sum = |count: usize| (0..count).fold(0_u64, |sum, _| sum.saturating_add(next()));
        totals.enqueued = sum(2 * queues.len());
        totals.busy = sum(processes.len());
        totals.in_flight = sum(holders.len());
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

    pub(crate) async fn members(&self, key: &str) -> Result<Vec<String>, StoreError> {
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
            // A name of another shape is none of the fleet's.
            if let Ok(identity) = name.parse::<Identity>() {
                pipe.cmd("HGET").arg(keys.fleet()).arg(name);
                pipe.cmd("PTTL").arg(keys.lease(&identity));
            }
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
            // Who may not read one of them sees the rest.
            let mut of_fleet = || match identity.parse::<Identity>() {
                Ok(_) => replies.next().and_then(Result::ok),
                Err(_) => None,
            };
            let (published, lease_ms) = (of_fleet(), of_fleet());
            rows.push(ProcessRow {
                identity,
                fields,
                work,
                published: published.and_then(|value| self.read(value).ok().flatten()),
                lease_ms: lease_ms
                    .and_then(|value| self.read::<i64>(value).ok())
                    .and_then(|left| u64::try_from(left).ok()),
            });
        }
        Ok(rows)
    }
}

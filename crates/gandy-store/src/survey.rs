//! The fleet as numbers, for `gandy exporter`: what processes show of themselves, and what they hold of each queue. Bounded
//! reads of names and numbers, with the commands that the role `dashboard` may run; no job is read.

use std::collections::BTreeMap;

use gandy_protocol::Identity;
use redis::Value;

use crate::{Line, StoreError, Token, doctor::Vitals};

/// Commands in one pipeline at most.
const PIPELINE: usize = 500;

/// What a process shows of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Jobs that it runs at once; Ruby before 8.1.3 says it inside `info` only.
    pub concurrency: Option<u64>,
    /// Its `info`, JSON.
    pub info: String,
    /// Jobs that it runs.
    pub busy: u64,
    /// Seconds since the epoch of its last heartbeat.
    pub beat: f64,
    /// Whether it has stopped claiming.
    pub quiet: bool,
}

/// Numbers that have no place of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Runs that ended since ever.
    pub processed: u64,
    /// Runs that failed since ever.
    pub failed: u64,
    /// Entries of `schedule`.
    pub scheduled: u64,
    /// Entries of `retry`.
    pub retries: u64,
    /// Entries of `dead`.
    pub dead: u64,
}

/// Who and what there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Roll {
    /// Counters, and how large the sets are.
    pub ledger: Ledger,
    /// The score of the first entry of `schedule`.
    pub first_scheduled: Option<f64>,
    /// The score of the first entry of `retry`.
    pub first_retry: Option<f64>,
    /// The server, but for whether it is told to write snapshots; `None` where the user may not ask it (`INFO`).
    pub vitals: Option<Vitals>,
    /// Gandy's processes, the dying included.
    pub holders: Vec<Identity>,
    /// The names in `queues`, sorted.
    pub queues: Vec<String>,
    /// The names in `processes`, sorted.
    pub processes: Vec<String>,
}

impl Line {
    /// Those of these processes that have a heartbeat, Ruby's included; one whose hash has expired shows nothing.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn paces(&self, names: &[String]) -> Result<Vec<Pace>, StoreError> {
        let mut paces = Vec::with_capacity(names.len());
        for chunk in names.chunks(PIPELINE / 5) {
            let mut pipe = redis::pipe();
            for name in chunk {
                for field in ["beat", "busy", "quiet", "concurrency", "info"] {
                    pipe.cmd("HGET").arg(self.keys().process(name)).arg(field);
                }
            }
            let replies = self.each(&pipe).await?;
            paces.extend(
                replies
                    .chunks(5)
                    .filter_map(|row| pace(&row.iter().map(text).collect::<Vec<_>>())),
            );
        }
        Ok(paces)
    }

    /// How many jobs of each queue Gandy's processes hold, the dying included.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn held_by_queue(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut holders: Vec<Identity> = self.fleet().await?;
        holders.extend(self.dying().await?);
        self.held_of(&holders).await
    }

    /// The same of these processes.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn held_of(&self, holders: &[Identity]) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut held = BTreeMap::new();
        for chunk in holders.chunks(PIPELINE) {
            let mut pipe = redis::pipe();
            for holder in chunk {
                // Names only; and a process holds no more than its crash budget.
                pipe.cmd("HKEYS").arg(self.keys().inflight(holder));
            }
            for reply in self.each(&pipe).await? {
                // A key of another type is the doctor's business.
                let Ok(value) = reply else { continue };
                let names: Vec<Vec<u8>> = self.read(value)?;
                let tokens = names
                    .iter()
                    .filter_map(|name| std::str::from_utf8(name).ok());
                for token in tokens.filter_map(Token::parse) {
                    *held.entry(token.queue.to_string()).or_default() += 1;
                }
            }
        }
        Ok(held)
    }

    /// The names of everything and the numbers that are had without them, in one round trip where there are less than a
    /// thousand names.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn roll(&self) -> Result<Roll, StoreError> {
        let keys = self.keys();
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(keys.stat_processed());
        pipe.cmd("GET").arg(keys.stat_failed());
        for set in [keys.schedule(), keys.retry(), keys.dead()] {
            pipe.cmd("ZCARD").arg(set);
        }
        for set in [keys.schedule(), keys.retry()] {
            pipe.cmd("ZRANGE").arg(set).arg(0).arg(0).arg("WITHSCORES");
        }
        pipe.cmd("INFO");
        for hash in [keys.fleet(), keys.dying()] {
            pipe.cmd("HKEYS").arg(hash);
        }
        for set in [keys.queues(), keys.processes()] {
            pipe.cmd("SSCAN").arg(set).arg(0).arg("COUNT").arg(1000);
        }
        let mut replies = self.each(&pipe).await?.into_iter();
        let mut next = || replies.next().unwrap_or(Ok(Value::Nil));
        let mut number = || {
            let number = |value| self.read::<Option<u64>>(value).ok().flatten();
            next().ok().and_then(number).unwrap_or(0)
        };
        let ledger = Ledger {
            processed: number(),
            failed: number(),
            scheduled: number(),
            retries: number(),
            dead: number(),
        };
        // A key of another type is the doctor's business.
        let mut first = || -> Option<f64> {
            let entries: Vec<(Vec<u8>, f64)> = self.read(next().ok()?).ok()?;
            entries.first().map(|(_, score)| *score)
        };
        let (first_scheduled, first_retry) = (first(), first());
        let info = match next() {
            Ok(value) => Some(Vitals::of_info(&self.read::<String>(value)?)),
            // A user who may not ask.
            Err(StoreError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut holders: Vec<Identity> = Vec::new();
        for _ in 0..2 {
            let names: Vec<String> = self.read(next()?)?;
            holders.extend(names.iter().filter_map(|name| name.parse().ok()));
        }
        let (queues, processes) = (next()?, next()?);
        Ok(Roll {
            ledger,
            first_scheduled,
            first_retry,
            vitals: info,
            holders,
            queues: self.named(queues, &keys.queues()).await?,
            processes: self.named(processes, &keys.processes()).await?,
        })
    }

    /// The members of a set of which this is the first page.
    async fn named(&self, page: Value, key: &str) -> Result<Vec<String>, StoreError> {
        let (cursor, names): (u64, Vec<Vec<u8>>) = self.read(page)?;
        if cursor != 0 {
            return self.members(key).await;
        }
        let names = names.into_iter();
        let mut names: Vec<String> = names
            .filter_map(|name| String::from_utf8(name).ok())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn text(reply: &Result<Value, StoreError>) -> Option<String> {
    match reply {
        Ok(Value::BulkString(bytes)) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

/// Of `beat`, `busy`, `quiet`, `concurrency` and `info`. Without a beat it is no process any more.
fn pace(fields: &[Option<String>]) -> Option<Pace> {
    let [beat, busy, quiet, concurrency, info] = fields else {
        return None;
    };
    let number = |text: &Option<String>| -> Option<u64> { text.as_ref()?.parse().ok() };
    Some(Pace {
        concurrency: number(concurrency),
        info: info.clone().unwrap_or_default(),
        busy: number(busy).unwrap_or(0),
        beat: beat.as_ref()?.parse().ok()?,
        quiet: quiet.as_deref() == Some("true"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_what_its_heartbeat_says_rubys_too() {
        let row = |fields: [&str; 5]| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            pace(&fields.map(some))
        };
        let ours = Pace {
            concurrency: Some(10),
            info: "{}".into(),
            busy: 3,
            beat: 1_795_000_000.5,
            quiet: false,
        };
        assert_eq!(row(["1795000000.5", "3", "false", "10", "{}"]), Some(ours));
        let rubys = row(["1795000000.5", "", "true", "", r#"{"concurrency":5}"#]);
        let rubys = rubys.map(|pace| (pace.concurrency, pace.busy, pace.quiet));
        assert_eq!(rubys, Some((None, 0, true)));
        assert_eq!(row(["", "", "", "", ""]), None);
    }
}

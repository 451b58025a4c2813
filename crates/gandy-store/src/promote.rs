//! Moves due entries of `retry` and `schedule` to their queues. One process of the fleet has the duty at a time; the
//! move itself is safe whoever makes it, Ruby's pollers included.

use std::time::Duration;

use gandy_protocol::identity::Identity;
use redis::Value;

use crate::{Grave, Line, StoreError, life::millis, lua};

/// Entries of a set are read until they have this many bytes (I12).
const BYTES_MAX: usize = 4 << 20;

/// A script that promotes stops after this long, at the next hundred entries, and one that reads what is due after half of
/// it for each set: nobody else waits longer for Redis than that and a little, however slow the machine and however large
/// the set.
const TURN: Duration = Duration::from_micros(1500);

/// A sorted set of jobs that wait for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// `retry`.
    Retry,
    /// `schedule`.
    Schedule,
}

/// An entry whose time has come, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEntry {
    /// The member's bytes.
    pub member: Vec<u8>,
    /// Its score as Redis wrote it; compared as text when it is moved.
    pub score: String,
}

/// The answer to "what is due?".
#[derive(Debug)]
pub enum Due {
    /// This process promotes.
    Mine {
        /// Redis' time, microseconds since the epoch.
        now_us: i64,
        /// When the next entry that was not returned is due, microseconds since the epoch.
        next_us: Option<i64>,
        /// Due entries of `retry`, then of `schedule`, oldest first.
        retry: Vec<DueEntry>,
        /// Due entries of `schedule`.
        schedule: Vec<DueEntry>,
        /// Due entries over the limit that went into `dead`, unread.
        buried: usize,
        /// Due entries over the limit that could not be written there and are still where they were.
        stuck: usize,
    },
    /// Another process promotes; its duty runs out after this time unless it renews.
    Others(Duration),
}

/// Where a due entry goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promotion {
    /// To this queue, as these bytes.
    Push {
        /// Bare name.
        queue: String,
        /// The payload with its new `enqueued_at`.
        payload: String,
    },
    /// It cannot be pushed; into `dead` as it is, with this reason.
    Bury(String),
}

/// How many entries one step moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promoted {
    /// To their queues.
    pub pushed: usize,
    /// Into `dead`.
    pub buried: usize,
    /// Somebody else moved or removed them first.
    pub gone: usize,
    /// They could not be written anywhere and are still where they were.
    pub stuck: usize,
    /// The time of the step was over before they were looked at.
    pub left: usize,
}

impl Line {
    /// Takes or renews the duty to promote and reads up to `most` due entries of each set (of each at most 4 MiB and one
    /// entry more). Due entries of more than `payload_max` bytes are buried unread.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn due(
        &self,
        identity: &Identity,
        duty: Duration,
        most: usize,
        payload_max: usize,
        grave: Grave,
    ) -> Result<Due, StoreError> {
        let keys = self.keys();
        let mut call = lua::DUE.keys(&[
            keys.promoter(),
            keys.retry(),
            keys.schedule(),
            keys.dead(),
            keys.reasons(),
        ]);
        call.arg(identity.as_str())
            .arg(millis(duty))
            .arg(most)
            .arg(BYTES_MAX)
            .arg(payload_max)
            .arg(format!(
                "cannot be promoted: larger than max_fetch_payload ({payload_max} bytes)"
            ))
            .arg(grave.jobs_max)
            .arg(grave.timeout.as_secs())
            .arg(TURN.as_secs_f64() / 2.0);
        read_due(self.call(&call).await?).ok_or_else(|| StoreError::shape("due"))
    }

    /// For how long somebody has the duty to promote; `None`: it is free.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn duty_left(&self) -> Result<Option<Duration>, StoreError> {
        let left: i64 = self
            .query(redis::cmd("PTTL").arg(self.keys().promoter()))
            .await?;
        Ok(u64::try_from(left).ok().map(Duration::from_millis))
    }

    /// Gives the duty to promote up if `identity` has it.
    ///
    /// # Errors
    /// Any; the duty runs out by itself.
    pub async fn resign(&self, identity: &Identity) -> Result<bool, StoreError> {
        let mut call = lua::RESIGN.keys(&[self.keys().promoter()]);
        call.arg(identity.as_str());
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Moves up to 500 entries that [`Line::due`] returned, in their order, as many as a few milliseconds allow.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] some or all were moved; entries that were are simply gone on a repeat.
    pub async fn promote(
        &self,
        from: Waiting,
        grave: Grave,
        entries: &[(DueEntry, Promotion)],
    ) -> Result<Promoted, StoreError> {
        debug_assert!(entries.len() <= 500, "I6: a script does bounded work");
        let keys = self.keys();
        let mut queues: Vec<&str> = Vec::new();
        for (_, promotion) in entries {
            if let Promotion::Push { queue, .. } = promotion
                && !queues.contains(&queue.as_str())
            {
                queues.push(queue);
            }
        }
        let set = match from {
            Waiting::Retry => keys.retry(),
            Waiting::Schedule => keys.schedule(),
        };
        let mut names = vec![set, keys.queues(), keys.dead(), keys.reasons()];
        names.extend(queues.iter().map(|queue| keys.queue(queue)));
        let mut call = lua::PROMOTE.keys(&names);
        call.arg(grave.jobs_max)
            .arg(grave.timeout.as_secs())
            .arg(TURN.as_secs_f64())
            .arg(queues.len())
            .arg(&queues);
        for (entry, promotion) in entries {
            let (index, payload) = match promotion {
                Promotion::Push { queue, payload } => (
                    queues
                        .iter()
                        .position(|name| name == queue)
                        .map_or(0, |at| at + 1),
                    payload,
                ),
                Promotion::Bury(reason) => (0, reason),
            };
            call.arg(&entry.member)
                .arg(&entry.score)
                .arg(index)
                .arg(payload);
        }
        let codes: Vec<i64> = self.call(&call).await?;
        #[cfg(feature = "mutants")]
        if crate::mutant::is("client-promote") {
            self.push_popped(entries).await?;
        }
        let mut promoted = Promoted {
            left: entries.len().saturating_sub(codes.len()),
            ..Promoted::default()
        };
        for code in codes {
            match code {
                1 => promoted.pushed += 1,
                2 => promoted.buried += 1,
                0 => promoted.gone += 1,
                _ => promoted.stuck += 1,
            }
        }
        Ok(promoted)
    }
}

#[cfg(feature = "mutants")]
impl Line {
    /// Pushes what the script has only popped, after the moment in which a process may die.
    async fn push_popped(&self, entries: &[(DueEntry, Promotion)]) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for (_, promotion) in entries {
            if let Promotion::Push { queue, payload } = promotion {
                let key = self.keys().queue(queue);
                self.query::<i64>(redis::cmd("LPUSH").arg(key).arg(payload))
                    .await?;
            }
        }
        Ok(())
    }
}

fn read_due(reply: Value) -> Option<Due> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let mut parts = parts.into_iter();
    if int(&parts.next()?)? == 0 {
        let wait = u64::try_from(int(&parts.next()?)?).unwrap_or(0);
        return Some(Due::Others(Duration::from_millis(wait)));
    }
    let now_us = int(&parts.next()?)?;
    let next_us = Some(int(&parts.next()?)?).filter(|&at| at >= 0);
    let retry = entries(parts.next()?)?;
    let schedule = entries(parts.next()?)?;
    Some(Due::Mine {
        now_us,
        next_us,
        retry,
        schedule,
        buried: usize::try_from(int(&parts.next()?)?).ok()?,
        stuck: usize::try_from(int(&parts.next()?)?).ok()?,
    })
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

fn entries(value: Value) -> Option<Vec<DueEntry>> {
    let Value::Array(flat) = value else {
        return None;
    };
    let mut found = Vec::with_capacity(flat.len() / 2);
    let mut flat = flat.into_iter();
    while let (Some(member), Some(score)) = (flat.next(), flat.next()) {
        let (Value::BulkString(member), Value::BulkString(score)) = (member, score) else {
            return None;
        };
        found.push(DueEntry {
            member,
            score: String::from_utf8(score).ok()?,
        });
    }
    Some(found)
}

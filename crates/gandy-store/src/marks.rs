//! Deploy marks, as Sidekiq's charts show them.

use std::collections::BTreeMap;

use gandy_protocol::{Minute, Stamp};

use crate::{Line, StoreError};

/// Sidekiq's TTL of a day's marks, in seconds: 90 days.
const DAY_SECS: u64 = 90 * 24 * 3_600;
/// A label is marked at most once in so many seconds (Sidekiq's rule): each host of a deploy may mark it.
const LOCK_SECS: u64 = 60;

/// A deploy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The minute of the deploy, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it is called.
    pub label: String,
}

impl Line {
    /// Marks a deploy at the minute of `now_ms`. `false`: it was marked within the last minute, nothing is done. Of two
    /// labels in one minute the first stays, as in Sidekiq.
    ///
    /// # Errors
    /// Any; safe to repeat after a minute.
    pub async fn mark(&self, label: &str, now_ms: i64) -> Result<bool, StoreError> {
        let minute = Minute::from_millis(now_ms);
        let stamp = stamp(minute);
        let mut lock = redis::cmd("SET");
        lock.arg(self.keys().mark_lock(label))
            .arg(&stamp)
            .arg("NX")
            .arg("EX")
            .arg(LOCK_SECS);
        if self.query::<Option<String>>(&lock).await?.is_none() {
            return Ok(false);
        }
        let key = self.keys().marks(minute);
        let mut pipe = redis::pipe();
        pipe.cmd("HSETNX").arg(&key).arg(&stamp).arg(label);
        pipe.cmd("EXPIRE").arg(&key).arg(DAY_SECS);
        // Not a transaction, which an operator needs for nothing else. A day whose second command was lost goes away with
        // its next mark's.
        self.all(&pipe).await.map(|_| true)
    }

    /// The marks of the UTC days in which these times lie, by time.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn marks(&self, days: &[Minute]) -> Result<Vec<Mark>, StoreError> {
        let mut pipe = redis::pipe();
        for day in days {
            pipe.cmd("HGETALL").arg(self.keys().marks(*day));
        }
        let mut marks = Vec::new();
        for reply in self.each(&pipe).await? {
            // A key of another type holds no marks.
            let fields: BTreeMap<String, String> =
                reply.and_then(|value| self.read(value)).unwrap_or_default();
            for (at, label) in fields {
                let quoted = format!("\"{at}\"");
                if let Some(at) = Stamp::from_json(&quoted) {
                    marks.push(Mark {
                        at_ms: at.millis(),
                        label,
                    });
                }
            }
        }
        marks.sort();
        Ok(marks)
    }
}

/// `2026-11-23T01:41:00Z`.
fn stamp(minute: Minute) -> String {
    let Minute {
        hour, minute: m, ..
    } = minute;
    format!("{}T{hour:02}:{m:02}:00Z", minute.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_that_of_ruby() {
        let minute = Minute::from_millis(1_795_398_104_597);
        assert_eq!(stamp(minute), "2026-11-23T01:41:00Z");
    }
}

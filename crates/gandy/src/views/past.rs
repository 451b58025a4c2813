//! Runs by day, and deploy marks.

use gandy_protocol::Minute;
use gandy_store::Mark;

use crate::{Error, Inspect};

const DAY_MS: i64 = 86_400_000;

/// Days are kept for five years, Sidekiq's TTL.
const DAYS_MAX: u32 = 1_826;

/// Marks are kept for so many days.
const MARKED_DAYS: usize = 91;

/// A label longer than this, in bytes, is nobody's version.
const LABEL_MAX: usize = 200;

/// What ended on one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Runs that ended, failed ones included.
    pub processed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// The deploys of the day.
    pub marks: Vec<Mark>,
}

impl Inspect {
    /// The last `days` UTC days (1 to 1,826), today first, by Redis' clock. What a worker has not flushed yet, a few seconds'
    /// runs, is missing.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn history(&self, days: u32) -> Result<Vec<Day>, Error> {
        let now_ms = self.line.now_us().await? / 1000;
        let days: Vec<Minute> = (0..i64::from(days.clamp(1, DAYS_MAX)))
            .map(|back| Minute::from_millis(now_ms - back * DAY_MS))
            .collect();
        let tallies = self.line.days(&days).await?;
        let marks = self
            .line
            .marks(&days[..days.len().min(MARKED_DAYS)])
            .await?;
        let of_day = |day: &str| -> Vec<Mark> {
            let here = |mark: &&Mark| Minute::from_millis(mark.at_ms).date() == day;
            marks.iter().filter(here).cloned().collect()
        };
        Ok(days
            .iter()
            .zip(tallies)
            .map(|(day, tally)| Day {
                marks: of_day(&day.date()),
                date: day.date(),
                processed: tally.processed,
                failed: tally.failed,
            })
            .collect())
    }

    /// Marks a deploy at this minute, by Redis' clock, as Sidekiq's `Deploy.mark!` does: its charts and ours show it for 90
    /// days. The time it is marked at; `None`: that label was marked within the last minute, by another host of the same
    /// deploy perhaps.
    ///
    /// # Errors
    /// As [`Inspect::totals`], and [`Error::Config`] for an empty label or one over 200 bytes.
    pub async fn mark(&self, label: &str) -> Result<Option<i64>, Error> {
        if label.trim().is_empty() || label.len() > LABEL_MAX {
            return Err(Error::config(format!(
                "a deploy's label has 1 to {LABEL_MAX} bytes, such as v1.4.2"
            )));
        }
        let now_ms = self.line.now_us().await? / 1000;
        let marked = self.line.mark(label, now_ms).await?;
        Ok(marked.then_some(now_ms - now_ms.rem_euclid(60_000)))
    }
}

//! Entries of a sorted set from a score on: a page that follows another one without anything being remembered between the two.
//!
//! Not here: pages by number (`place`), and walks that meet each entry once (`cursor`).

use std::time::Instant;

use crate::{Entry, Line, Place, StoreError};

/// Entries of one score that are looked through for one of them; a bulk push schedules many for the same second. Not more:
/// Redis counts from the first of them on for each page, and everybody waits meanwhile.
const SAME: usize = 50_000;
/// In pages of so many.
const PAGE: usize = 500;

/// What became of a search among the entries of one score.
#[derive(Debug, Clone, PartialEq)]
pub enum SameScore {
    /// It is there.
    Found(Entry),
    /// All were looked at, and it is none of them.
    None,
    /// It is none of so many, and there are more.
    TooMany {
        /// Entries that were looked at.
        looked_at: u64,
    },
}

impl Line {
    /// Up to `count` (at most 1,000) entries of a set from `score` on, the first `skip` of them left out; `dead` from there
    /// back in time. Nothing for a queue, which has no scores.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn page_from(
        &self,
        place: &Place,
        score: f64,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let end = match place {
            Place::Queue(_) => return Ok(Vec::new()),
            Place::Dead => "-inf",
            Place::Schedule | Place::Retry => "+inf",
        };
        self.scored(place, &score.to_string(), end, skip, count.min(1000))
            .await
    }

    /// The entry of exactly this score whose bytes are such. The first 500 are looked at in any case, more until then.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn entry_at(
        &self,
        place: &Place,
        score: f64,
        such: impl Fn(&[u8]) -> bool + Send,
        until: Instant,
    ) -> Result<SameScore, StoreError> {
        if matches!(place, Place::Queue(_)) {
            return Ok(SameScore::None);
        }
        let text = score.to_string();
        for from in (0..SAME).step_by(PAGE) {
            let page = self.scored(place, &text, &text, from, PAGE).await?;
            let last = page.len() < PAGE;
            if let Some(entry) = page.into_iter().find(|entry| such(&entry.bytes)) {
                return Ok(SameScore::Found(entry));
            }
            if last {
                return Ok(SameScore::None);
            }
            if Instant::now() >= until {
                let looked_at = (from + PAGE) as u64;
                return Ok(SameScore::TooMany { looked_at });
            }
        }
        let looked_at = SAME as u64;
        Ok(SameScore::TooMany { looked_at })
    }

    async fn scored(
        &self,
        place: &Place,
        from: &str,
        to: &str,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command
            .arg(self.set_key(place))
            .arg(from)
            .arg(to)
            .arg("BYSCORE");
        if *place == Place::Dead {
            command.arg("REV");
        }
        command.arg("LIMIT").arg(skip).arg(count).arg("WITHSCORES");
        let items: Vec<(Vec<u8>, f64)> = self.query(&command).await?;
        let entry = |(bytes, score)| Entry {
            bytes,
            score: Some(score),
        };
        Ok(items.into_iter().map(entry).collect())
    }
}

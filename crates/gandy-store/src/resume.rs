//! Entries of a sorted set from a score on: a page that follows another one without anything being remembered between the two.
//!
//! Not here: pages by number (`place`), and walks that meet each entry once (`cursor`).

use crate::{Entry, Line, Place, StoreError};

/// Entries of one score that are looked through for one of them; a bulk push schedules many for the same second.
const SAME: usize = 10_000;
/// In pages of so many.
const PAGE: usize = 500;

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

    /// The entry of exactly this score whose bytes are such.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn entry_at(
        &self,
        place: &Place,
        score: f64,
        such: impl Fn(&[u8]) -> bool + Send,
    ) -> Result<Option<Entry>, StoreError> {
        if matches!(place, Place::Queue(_)) {
            return Ok(None);
        }
        let text = score.to_string();
        for from in (0..SAME).step_by(PAGE) {
            let page = self.scored(place, &text, &text, from, PAGE).await?;
            let last = page.len() < PAGE;
            if let Some(entry) = page.into_iter().find(|entry| such(&entry.bytes)) {
                return Ok(Some(entry));
            }
            if last {
                break;
            }
        }
        Ok(None)
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

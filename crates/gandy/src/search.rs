//! Pages of the jobs of a place that fit a filter, each within a time: for who looks page by page and remembers nothing
//! between them but a bookmark.
//!
//! Not here: the single job that a page showed (`sought`), acting on all jobs that fit ([`crate::Sweep`]), and walks that meet each job once ([`crate::Walk`]).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use gandy_protocol::{Filter, sha1_hex};
use gandy_store::{Entry, Place};

use crate::{Error, Inspect, JobInfo};

/// Entries that are read at a time: the first few say how large they are (I12).
const FIRST: usize = 50;
const MOST: usize = 500;
/// A page of entries becomes larger while it stays below this many bytes.
const BYTES: usize = 512 << 10;

/// Where a page begins: of a queue how many stand before it, of a set a score and how many of that score were shown.
///
/// A set's bookmark stays good while workers take entries from its front; a queue's moves on by what was popped.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bookmark {
    score: Option<f64>,
    skip: usize,
}

/// One page.
#[derive(Debug, Clone)]
pub struct Found {
    /// The jobs that fit.
    pub jobs: Vec<Hit>,
    /// Where the next page begins; none: there is nothing behind this one.
    pub next: Option<Bookmark>,
    /// Entries that were looked at for this page.
    pub examined: u64,
    /// The time ended before the page was full.
    pub out_of_time: bool,
}

/// A job, and where it stood.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The job.
    pub job: JobInfo,
    /// Of a queue, how many were to be popped before it.
    pub index: usize,
    /// Of a queue, how many had been pushed after it and stood behind it: pops do not change that.
    pub behind: usize,
}

/// As it stands in a link: `1795398104.5~3` of a set, `~250` of a queue.
impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(score) = self.score {
            write!(f, "{score}")?;
        }
        write!(f, "~{}", self.skip)
    }
}

impl FromStr for Bookmark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write SCORE~NUMBER for a set, ~NUMBER for a queue".to_owned();
        let (score, skip) = text.split_once('~').ok_or_else(wrong)?;
        let score = match score {
            "" => None,
            text => Some(text.parse::<f64>().map_err(|_| wrong())?),
        };
        if text.len() > 60 || score.is_some_and(f64::is_nan) {
            return Err(wrong());
        }
        let skip = skip.parse::<u32>().map_err(|_| wrong())? as usize;
        Ok(Self { score, skip })
    }
}

impl JobInfo {
    /// SHA-1 of its exact bytes, as 40 hexadecimal digits: with its place the address of this very entry.
    #[must_use]
    pub fn digest(&self) -> String {
        sha1_hex(&self.bytes)
    }
}

impl Inspect {
    /// Up to `want` jobs of `place` that fit `filter`, or all, from a bookmark on: of a queue in the order in which they are
    /// popped, of `schedule` and `retry` by time, of `dead` the youngest first. It ends after `within`, with what it has.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn search(
        &self,
        place: &Place,
        filter: Option<&Filter>,
        from: Bookmark,
        want: usize,
        within: Duration,
    ) -> Result<Found, Error> {
        let until = Instant::now() + within;
        let now_ms = self.line.now_us().await? / 1000;
        let (mut at, mut count) = (from, FIRST.min(want.max(1) + 1));
        let mut found = Found {
            jobs: Vec::new(),
            next: None,
            examined: 0,
            out_of_time: false,
        };
        loop {
            let (page, size) = self.page_at(place, at, count).await?;
            let whole = page.len() == count;
            let bytes: usize = page.iter().map(|entry| entry.bytes.len()).sum();
            for entry in page {
                if found.jobs.len() == want {
                    found.next = Some(at);
                    return Ok(found);
                }
                found.examined += 1;
                let index = at.skip;
                let behind = size.saturating_sub(index + 1);
                at = at.behind(&entry);
                let job = JobInfo::new(place, entry);
                if filter.is_none_or(|filter| job.fits(filter, now_ms)) {
                    found.jobs.push(Hit { job, index, behind });
                }
            }
            if !whole {
                return Ok(found);
            }
            if Instant::now() >= until {
                found.out_of_time = found.jobs.len() < want;
                found.next = Some(at);
                return Ok(found);
            }
            count = match bytes {
                0..BYTES => (count * 4).min(MOST),
                _ => (count * BYTES / bytes).max(1),
            };
        }
    }

    /// Its entries, and of a queue how many there were.
    async fn page_at(
        &self,
        place: &Place,
        at: Bookmark,
        count: usize,
    ) -> Result<(Vec<Entry>, usize), Error> {
        Ok(match (place, at.score) {
            (Place::Queue(name), _) => {
                let (page, size) = self.line.queue_page(name, at.skip, count).await?;
                (page, usize::try_from(size).unwrap_or(usize::MAX))
            }
            (_, None) => (self.line.page(place, at.skip, count).await?, 0),
            (_, Some(score)) => {
                let page = self.line.page_from(place, score, at.skip, count).await?;
                (page, 0)
            }
        })
    }
}

impl Bookmark {
    /// Behind this entry, which stood at it.
    fn behind(self, entry: &Entry) -> Self {
        match entry.score {
            Some(score) if self.score == Some(score) => Self {
                skip: self.skip + 1,
                ..self
            },
            Some(score) => Self {
                score: Some(score),
                skip: 1,
            },
            None => Self {
                skip: self.skip + 1,
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bookmark_reads_back_and_nothing_else_is_one() {
        for text in ["~0", "~250", "1795398104.123456~3", "-1~0", "inf~1"] {
            let bookmark: Bookmark = text.parse().unwrap();
            assert_eq!(bookmark.to_string(), text);
        }
        for wrong in [
            "",
            "5",
            "~",
            "~-1",
            "x~1",
            "NaN~1",
            "1~99999999999",
            &"1".repeat(99),
        ] {
            assert!(wrong.parse::<Bookmark>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn entries_of_one_score_are_counted() {
        let entry = |score| Entry {
            bytes: Vec::new(),
            score,
        };
        let at = Bookmark::default()
            .behind(&entry(Some(5.0)))
            .behind(&entry(Some(5.0)));
        assert_eq!(at.to_string(), "5~2");
        assert_eq!(at.behind(&entry(Some(6.0))).to_string(), "6~1");
        assert_eq!(Bookmark::default().behind(&entry(None)).to_string(), "~1");
    }
}

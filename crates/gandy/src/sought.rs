//! A job that was shown, found again: by its exact bytes, near where it stood, wherever its queue has moved to meanwhile.
//! That it was not found is said only where all of the place was looked at.
//!
//! Not here: pages of jobs (`search`), and a job of which only the id is known ([`Inspect::find_in`]).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gandy_protocol::sha1_hex;
use gandy_store::{Entry, Place, SameScore, Stretch};

use crate::{Error, Hit, Inspect, JobInfo};

/// Around the position where a job should stand, entries that are read at once, so many of them before it.
const AROUND: usize = 20;
const BEFORE: usize = 10;
/// A walk begins so far on the side to which jobs do not move: somebody may have deleted a few there.
const MARGIN: usize = 500;
/// Entries of a page of a walk: the first few say how large they are (I12).
const FIRST: usize = 50;
const MOST: usize = 500;
/// A page becomes larger while it stays below this many bytes.
const BYTES: usize = 512 << 10;

/// Where a job of a queue stood when it was shown, and what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    /// Its [`JobInfo::digest`].
    pub digest: String,
    /// How many were to be popped before it ([`Hit::index`]). Workers make it smaller.
    pub index: usize,
    /// How many had been pushed after it ([`Hit::behind`]). Pops do not change it, so that it is what a job of a busy queue
    /// is found by.
    pub behind: Option<usize>,
}

/// What became of a search for a job that was shown.
#[derive(Debug, Clone)]
pub enum Sought {
    /// It is there; of a queue with where it stands now.
    Found(Box<Hit>),
    /// It is not there any more: the whole place was looked at.
    Gone,
    /// It was not seen, and may be there: the time ended first, or others changed the place under the search.
    Unseen {
        /// Entries that were looked at.
        looked_at: u64,
    },
}

impl Stood {
    /// Of a job as a search gave it.
    #[must_use]
    pub fn of(hit: &Hit) -> Self {
        Self {
            digest: hit.job.digest(),
            index: hit.index,
            behind: Some(hit.behind),
        }
    }

    /// The position nearest to the end that is popped last at which it can stand, counted from there, in a queue that is so
    /// long now. Pops leave its distance from that end as it is, pushes that from the other: with only one of the two it
    /// stands just here, with both so many further on as there were of the fewer.
    fn earliest(&self, length: usize) -> usize {
        let by_index = length.saturating_sub(self.index.saturating_add(1));
        self.behind.unwrap_or(0).max(by_index)
    }
}

impl Inspect {
    /// The job of a set with this score and this [`JobInfo::digest`]. Of those that have one score 50,000 are looked through,
    /// for so long.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn job_at(
        &self,
        place: &Place,
        score: f64,
        digest: &str,
        within: Duration,
    ) -> Result<Sought, Error> {
        let such = |bytes: &[u8]| sha1_hex(bytes) == digest;
        let until = Instant::now() + within;
        Ok(match self.line.entry_at(place, score, such, until).await? {
            SameScore::Found(entry) => Sought::Found(Box::new(Hit {
                job: JobInfo::new(place, entry),
                index: 0,
                behind: 0,
            })),
            SameScore::None => Sought::Gone,
            SameScore::TooMany { looked_at } => Sought::Unseen { looked_at },
        })
    }

    /// The job of a queue that stood there, by its exact bytes: where it should stand by now, then from there on to the end
    /// that is popped next, then in the rest of the queue. The first is looked at in any case, the others for so long.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn job_near(
        &self,
        queue: &str,
        stood: &Stood,
        within: Duration,
    ) -> Result<Sought, Error> {
        let found = self.jobs_near(queue, std::slice::from_ref(stood), within);
        let nothing = Sought::Unseen { looked_at: 0 };
        Ok(found.await?.pop().unwrap_or(nothing))
    }

    /// The same of several at once, in their order: all of them in one walk.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn jobs_near(
        &self,
        queue: &str,
        stood: &[Stood],
        within: Duration,
    ) -> Result<Vec<Sought>, Error> {
        let mut quest = Quest::new(self, queue, stood, Instant::now() + within);
        let whole = quest.run(stood).await?;
        let looked_at = quest.looked_at;
        let sought = |found: Option<Hit>| match found {
            Some(hit) => Sought::Found(Box::new(hit)),
            None if whole => Sought::Gone,
            None => Sought::Unseen { looked_at },
        };
        Ok(quest.found.into_iter().map(sought).collect())
    }
}

/// A search for some jobs of a queue.
struct Quest<'a> {
    inspect: &'a Inspect,
    queue: &'a str,
    until: Instant,
    /// By their digests which of them are not found yet.
    missing: HashMap<&'a str, Vec<usize>>,
    found: Vec<Option<Hit>>,
    looked_at: u64,
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walked {
    /// Every entry was met that was there all the while.
    Whole,
    /// Somebody took entries out behind it, so that it may have passed some by.
    InDoubt,
    OutOfTime,
}

impl<'a> Quest<'a> {
    fn new(inspect: &'a Inspect, queue: &'a str, stood: &'a [Stood], until: Instant) -> Self {
        let mut missing: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, stood) in stood.iter().enumerate() {
            missing.entry(&stood.digest).or_default().push(at);
        }
        Self {
            inspect,
            queue,
            until,
            missing,
            found: vec![None; stood.len()],
            looked_at: 0,
        }
    }

    /// Whether all of the queue was looked at, or all were found.
    async fn run(&mut self, stood: &[Stood]) -> Result<bool, Error> {
        let place = Place::Queue(self.queue.to_owned());
        let length = self.inspect.line.size(&place).await?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut seen = 0..0;
        for (at, stood) in stood.iter().enumerate() {
            let earliest = stood.earliest(length);
            // Of jobs that stood side by side one look shows many.
            if self.found[at].is_none() && !seen.contains(&earliest) {
                let from = earliest.saturating_sub(BEFORE);
                self.look(from, AROUND).await?;
                seen = from..from + AROUND;
            }
        }
        if self.missing.is_empty() {
            return Ok(true);
        }
        let left = stood.iter().zip(&self.found);
        let begin = left
            .filter(|(_, found)| found.is_none())
            .map(|(stood, _)| stood.earliest(length).saturating_sub(MARGIN))
            .min()
            .unwrap_or(0);
        let (first, walked) = self.walk(begin, None).await?;
        if self.missing.is_empty() {
            return Ok(true);
        }
        let rest = match (begin, walked) {
            (_, Walked::OutOfTime) => return Ok(false),
            (0, _) => Walked::Whole,
            _ => self.walk(0, first.map(|digest| (digest, begin))).await?.1,
        };
        Ok(self.missing.is_empty() || (walked, rest) == (Walked::Whole, Walked::Whole))
    }

    /// Walks from a position on to the end that is popped next, or to an entry that is met at that position or beyond: what is
    /// behind it was walked over before. Gives the digest of the first entry too.
    async fn walk(
        &mut self,
        begin: usize,
        end: Option<(String, usize)>,
    ) -> Result<(Option<String>, Walked), Error> {
        let (mut from, mut count) = (begin, FIRST);
        let mut first = None;
        let mut before: Vec<String> = Vec::new();
        let mut walked = Walked::Whole;
        loop {
            if Instant::now() >= self.until {
                return Ok((first, Walked::OutOfTime));
            }
            let (digests, bytes) = self.look(from, count).await?;
            // The last of the page before stands here again, or where others push one that stood before it.
            let follows = |digest: &String| before.contains(digest);
            if !before.is_empty() && !digests.first().is_some_and(follows) {
                walked = Walked::InDoubt;
            }
            if first.is_none() {
                first = digests.first().cloned();
            }
            let met = |(digest, least): &(String, usize)| {
                let at = digests.iter().rposition(|other| other == digest);
                at.is_some_and(|at| from + at >= *least)
            };
            if self.missing.is_empty() || digests.len() < count || end.as_ref().is_some_and(met) {
                return Ok((first, walked));
            }
            // With one that was met already.
            from += digests.len() - 1;
            before = digests;
            count = match bytes {
                0..BYTES => (count * 4).min(MOST),
                _ => (count * BYTES / bytes).max(2),
            };
        }
    }

    /// Looks at a part of the queue; the digests of its entries, and how many bytes they have.
    async fn look(&mut self, from: usize, count: usize) -> Result<(Vec<String>, usize), Error> {
        let Stretch { entries, length } =
            self.inspect.line.stretch(self.queue, from, count).await?;
        let place = Place::Queue(self.queue.to_owned());
        let mut weight = 0;
        let mut digests = Vec::with_capacity(entries.len());
        for (at, bytes) in entries.into_iter().enumerate() {
            self.looked_at += 1;
            weight += bytes.len();
            let digest = sha1_hex(&bytes);
            if let Some(wanted) = self.missing.remove(digest.as_str()) {
                let behind = from + at;
                let hit = Hit {
                    job: JobInfo::new(&place, Entry { bytes, score: None }),
                    index: length.saturating_sub(behind + 1),
                    behind,
                };
                for at in wanted {
                    self.found[at] = Some(hit.clone());
                }
            }
            digests.push(digest);
        }
        Ok((digests, weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pops_leave_one_distance_as_it_is_and_pushes_the_other() {
        // Of a queue of 100 the one before which 29 are popped.
        let stood = Stood {
            digest: String::new(),
            index: 29,
            behind: Some(70),
        };
        assert_eq!(stood.earliest(100), 70);
        assert_eq!(stood.earliest(80), 70, "20 were popped");
        assert_eq!(stood.earliest(120), 90, "20 were pushed");
        assert_eq!(
            stood.earliest(110),
            80,
            "10 pops and 20 pushes: it is at 90"
        );
        assert_eq!(stood.earliest(0), 70);
        let old = Stood {
            behind: None,
            ..stood
        };
        assert_eq!((old.earliest(80), old.earliest(0)), (50, 0));
    }
}

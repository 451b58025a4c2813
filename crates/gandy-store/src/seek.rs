//! A search for a job by its id: a place page by page until it is found or a deadline comes, with a count of what was looked
//! at. The bytes are compared here: to let Redis compare (`ZSCAN … MATCH`) took ten times its time, and everybody else
//! waited 2.7 ms for each page; measured among a million of 420 bytes.
//!
//! Not here: what a sighting means, and walks over all entries of a place (`cursor`).

use std::{collections::HashSet, time::Instant};

use gandy_protocol::{Payload, identity::Identity};
use memchr::memmem::Finder;

use crate::{Entry, Line, Place, StoreError, Token};

/// Entries of the first page. The size of an entry is known only after it was read (I12).
const FIRST: usize = 16;
/// Entries of a page at most: 500 of 420 bytes take Redis 0.1 ms.
const MOST: usize = 500;
/// A page becomes larger while it stays below this many bytes.
const BYTES: usize = 256 << 10;
/// Where others take entries out behind it a search goes back, each time twice as far, at most by so many pages.
const BACK: u32 = 16;

/// How far a search came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    until: Option<Instant>,
    /// Entries looked at.
    pub looked_at: u64,
    /// The deadline came first: it may be where nobody looked.
    pub gave_up: bool,
}

/// A job that was found where jobs wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Waits {
    /// Where.
    pub place: Place,
    /// Its bytes, and its score in a set.
    pub entry: Entry,
    /// In a queue: about how many are popped before it.
    pub ahead: Option<u64>,
}

/// A job that was found in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Who holds it.
    pub identity: Identity,
    /// Under what.
    pub token: Token,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Search {
    /// One that ends at this time.
    #[must_use]
    pub fn until(until: Instant) -> Self {
        Self {
            until: Some(until),
            ..Self::to_the_end()
        }
    }

    /// One that ends when everything was looked at.
    #[must_use]
    pub fn to_the_end() -> Self {
        Self {
            until: None,
            looked_at: 0,
            gave_up: false,
        }
    }

    /// Whether the deadline has come; notes it.
    fn is_over(&mut self) -> bool {
        self.gave_up |= self.until.is_some_and(|until| Instant::now() >= until);
        self.gave_up
    }
}

/// The id that is looked for.
struct Wanted<'a> {
    jid: &'a str,
    part: Finder<'a>,
}

impl<'a> Wanted<'a> {
    fn new(jid: &'a str) -> Self {
        Self {
            jid,
            part: Finder::new(searchable(jid)),
        }
    }

    /// Whether the job with these bytes has it. Most have not: they are compared before anything is parsed.
    fn is(&self, bytes: &[u8]) -> bool {
        self.part.find(bytes).is_some()
            && Payload::parse(bytes.to_vec()).is_ok_and(|payload| payload.jid() == self.jid)
    }
}

/// How many entries the next page has, after pages with so many entries and bytes.
fn weighed(entries: usize, bytes: usize) -> usize {
    match bytes {
        0..BYTES => (entries * 4).min(MOST),
        // With one that was met already.
        _ => (entries * BYTES / bytes).max(2),
    }
}

fn weight(page: &[Vec<u8>]) -> usize {
    page.iter().map(Vec::len).sum()
}

impl Line {
    /// An entry with this jid, wherever in this place. Of several the one that is met first: of a set the latest, of a queue
    /// the youngest.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn find(&self, place: &Place, jid: &str) -> Result<Option<Entry>, StoreError> {
        let found = self.seek(place, jid, &mut Search::to_the_end()).await?;
        Ok(found.map(|waits| waits.entry))
    }

    /// The same as far as the search comes, with where it stands.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn seek(
        &self,
        place: &Place,
        jid: &str,
        search: &mut Search,
    ) -> Result<Option<Waits>, StoreError> {
        let wanted = Wanted::new(jid);
        match place {
            Place::Queue(name) => self.seek_queue(name, &wanted, search).await,
            set => self.seek_set(set, &wanted, search).await,
        }
    }

    /// By rank and without scores, which cost Redis three quarters of its time. From the high end down: what is due is taken
    /// out at the other. What comes in pushes entries towards the search, and what is taken out behind it, past it: pages
    /// overlap by an entry, and where that does not stand there it goes back.
    async fn seek_set(
        &self,
        place: &Place,
        wanted: &Wanted<'_>,
        search: &mut Search,
    ) -> Result<Option<Waits>, StoreError> {
        let (mut from, mut count) = (0, FIRST);
        let mut before: Vec<Vec<u8>> = Vec::new();
        let mut gone_back = 0;
        while !search.is_over() {
            let [first, second] = self.two_pages(place, from, count).await?;
            if !follows(&before, &first) {
                from = from.saturating_sub(count << gone_back.min(BACK));
                gone_back += 1;
                if from == 0 {
                    before.clear();
                }
                continue;
            }
            gone_back = 0;
            let mut last = true;
            let bytes = weight(&first) + weight(&second);
            let entries = first.len() + second.len();
            for page in [first, second] {
                // The second was read later.
                if !follows(&before, &page) {
                    last = false;
                    break;
                }
                // What was met before is not met again.
                let met = usize::from(!before.is_empty() && page.first() == before.last());
                search.looked_at += page.len().saturating_sub(met) as u64;
                let hits = page.iter().filter(|bytes| wanted.is(bytes));
                for bytes in hits {
                    if let Some(waits) = self.scored_hit(place, bytes).await? {
                        return Ok(Some(waits));
                    }
                }
                last = page.len() < count;
                from += page.len().saturating_sub(1);
                if last {
                    break;
                }
                before = page;
            }
            if last {
                break;
            }
            count = weighed(entries.max(2) / 2, bytes / 2);
        }
        Ok(None)
    }

    /// Two pages of a set in one write, from a rank on, counted from the high end. The last of the first is the first of the
    /// second.
    async fn two_pages(
        &self,
        place: &Place,
        from: usize,
        count: usize,
    ) -> Result<[Vec<Vec<u8>>; 2], StoreError> {
        let mut pipe = redis::pipe();
        let key = self.set_key(place);
        for from in [from, from + count - 1] {
            pipe.cmd("ZREVRANGE")
                .arg(&key)
                .arg(from)
                .arg(from + count - 1);
        }
        let mut replies = self.all(&pipe).await?.into_iter();
        let mut next = || self.read(replies.next().unwrap_or(redis::Value::Nil));
        Ok([next()?, next()?])
    }

    /// With its score; `None`: it has just left.
    async fn scored_hit(&self, place: &Place, bytes: &[u8]) -> Result<Option<Waits>, StoreError> {
        let mut command = redis::cmd("ZSCORE");
        command.arg(self.set_key(place)).arg(bytes);
        let score: Option<f64> = self.query(&command).await?;
        Ok(score.map(|score| Waits {
            place: place.clone(),
            entry: Entry {
                bytes: bytes.to_vec(),
                score: Some(score),
            },
            ahead: None,
        }))
    }

    /// From the queue to the landing list and from left to right, as jobs move: one that waits all the while cannot slip
    /// past a page, however many are pushed and popped meanwhile.
    async fn seek_queue(
        &self,
        name: &str,
        wanted: &Wanted<'_>,
        search: &mut Search,
    ) -> Result<Option<Waits>, StoreError> {
        let (queue, landing) = (self.keys().queue(name), self.keys().landing(name));
        for list in [&queue, &landing] {
            let (mut from, mut count) = (0, FIRST);
            while !search.is_over() {
                let mut pipe = redis::pipe();
                pipe.cmd("LRANGE").arg(list).arg(from).arg(from + count - 1);
                pipe.cmd("LLEN").arg(list);
                pipe.cmd("LLEN").arg(&landing);
                let mut replies = self.all(&pipe).await?.into_iter();
                let mut next = || replies.next().unwrap_or(redis::Value::Nil);
                let page: Vec<Vec<u8>> = self.read(next())?;
                let length: u64 = self.read(next())?;
                let landed: u64 = self.read(next())?;
                let (entries, bytes) = (page.len(), weight(&page));
                search.looked_at += entries as u64;
                let mut page = page.into_iter().enumerate();
                if let Some((at, bytes)) = page.find(|(_, bytes)| wanted.is(bytes)) {
                    let behind = (from + at) as u64 + 1;
                    // What has landed is popped first.
                    let landed = if list == &queue { landed } else { 0 };
                    return Ok(Some(Waits {
                        place: Place::Queue(name.to_owned()),
                        entry: Entry { bytes, score: None },
                        ahead: Some(landed + length.saturating_sub(behind)),
                    }));
                }
                if entries < count {
                    break;
                }
                from += entries;
                count = weighed(entries, bytes);
            }
        }
        Ok(None)
    }

    /// Where the job with this jid is in flight: at the living and at the dying.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn seek_in_flight(
        &self,
        jid: &str,
        search: &mut Search,
    ) -> Result<Vec<InFlight>, StoreError> {
        let wanted = Wanted::new(jid);
        let mut found = Vec::new();
        let mut holders = self.fleet().await?;
        holders.extend(self.dying().await?);
        for identity in holders {
            if search.is_over() {
                break;
            }
            for portion in self.portions(&identity).await? {
                if search.is_over() {
                    break;
                }
                search.looked_at += portion.len();
                for held in self.aboard(&identity, portion).await? {
                    if wanted.is(&held.bytes) {
                        found.push(InFlight {
                            identity: identity.clone(),
                            token: held.token,
                            bytes: held.bytes,
                        });
                    }
                }
            }
        }
        Ok(found)
    }

    /// The identities that died with this job aboard, in the last 72 hours.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn died_aboard(&self, jid: &str) -> Result<Vec<String>, StoreError> {
        self.members(&self.keys().recovered(jid)).await
    }
}

/// The longest part of a text that stands in every JSON form of it as it is.
fn searchable(text: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' ');
    text.split(|c| !plain(c))
        .max_by_key(|part| part.len())
        .unwrap_or_default()
}

/// Whether nothing can have slipped past between two pages: an entry of the first stands in the second, mostly its last as
/// the first one. What stood behind that stands behind it still.
fn follows(before: &[Vec<u8>], page: &[Vec<u8>]) -> bool {
    let Some(last) = before.last() else {
        return true;
    };
    if page.first() == Some(last) {
        return true;
    }
    let met: HashSet<&[u8]> = before.iter().map(Vec::as_slice).collect();
    page.iter().any(|entry| met.contains(entry.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_known_by_its_jid_and_by_nothing_else() {
        let job = |jid: &str| format!(r#"{{"class":"A","args":["j1"],"jid":{jid}}}"#);
        let is_it = |bytes: &[u8], jid: &str| Wanted::new(jid).is(bytes);
        assert!(is_it(job(r#""j1""#).as_bytes(), "j1"));
        assert!(
            !is_it(job(r#""j2""#).as_bytes(), "j1"),
            "an argument is none"
        );
        assert!(!is_it(b"j1", "j1"));
        assert!(is_it(job(r#""\u00e9""#).as_bytes(), "é"));
    }

    #[test]
    fn what_json_may_escape_is_not_searched_for() {
        assert_eq!(
            searchable("b5de70b63090decd6440fd9e"),
            "b5de70b63090decd6440fd9e"
        );
        assert_eq!(searchable("a*bcd?e[f]"), "bcd");
        assert_eq!(searchable("é\\\"/<"), "");
    }

    #[test]
    fn pages_follow_where_nothing_can_be_between_them() {
        let page = |text: &str| -> Vec<Vec<u8>> { text.bytes().map(|byte| vec![byte]).collect() };
        assert!(follows(&page(""), &page("abc")), "the first one");
        assert!(follows(&page("abc"), &page("cde")));
        assert!(follows(&page("abc"), &page("xyc")), "two came in");
        assert!(follows(&page("abc"), &page("xab")), "or more");
        assert!(follows(&page("abc"), &page("bde")), "c was taken out");
        assert!(!follows(&page("abc"), &page("def")), "or what was d");
        assert!(!follows(&page("abc"), &page("")));
    }

    #[test]
    fn pages_grow_to_a_bound_in_bytes() {
        assert_eq!(weighed(16, 16 * 420), 64);
        assert_eq!(weighed(500, 500 * 420), 500);
        assert_eq!(weighed(16, 16 * BYTES), 2);
    }
}

//! A search for a job by its id that knows when to stop: every place there is, a page at a time, until a deadline, with a
//! count of what was looked at.
//!
//! Not here: one place searched to its end (`place`), and what a sighting means.

use std::time::Instant;

use gandy_protocol::{Payload, identity::Identity};

use crate::{Entry, Line, Place, StoreError, Token, place::searchable};

/// Jobs of a queue read at once.
const LIST_PAGE: usize = 500;
/// Entries of a set looked at in one command. Redis compares them with a pattern meanwhile: some 2 µs each.
const SET_PAGE: usize = 500;

/// How far a search came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    until: Instant,
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
            until,
            looked_at: 0,
            gave_up: false,
        }
    }

    /// Whether the deadline has come; notes it.
    fn is_over(&mut self) -> bool {
        self.gave_up |= Instant::now() >= self.until;
        self.gave_up
    }
}

fn is_it(bytes: &[u8], jid: &str) -> bool {
    // Most are not: the bytes are compared before anything is parsed.
    let part = searchable(jid).as_bytes();
    (part.is_empty() || bytes.windows(part.len()).any(|window| window == part))
        && Payload::parse(bytes.to_vec()).is_ok_and(|payload| payload.jid() == jid)
}

impl Line {
    /// All entries of this place with this jid, as far as the search comes.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn seek(
        &self,
        place: &Place,
        jid: &str,
        search: &mut Search,
    ) -> Result<Vec<Waits>, StoreError> {
        match place {
            Place::Queue(name) => self.seek_queue(name, jid, search).await,
            set => self.seek_set(set, jid, search).await,
        }
    }

    async fn seek_set(
        &self,
        place: &Place,
        jid: &str,
        search: &mut Search,
    ) -> Result<Vec<Waits>, StoreError> {
        let pattern = format!("*{}*", searchable(jid));
        let mut found: Vec<Waits> = Vec::new();
        let mut cursor = 0_u64;
        let size = self.size(place).await?;
        let mut looked = 0_u64;
        while !search.is_over() {
            let mut command = redis::cmd("ZSCAN");
            command
                .arg(self.set_key(place))
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(SET_PAGE);
            let (next, items): (u64, Vec<(Vec<u8>, f64)>) = self.query(&command).await?;
            looked = (looked + SET_PAGE as u64).min(size);
            for (bytes, score) in items.into_iter().filter(|(bytes, _)| is_it(bytes, jid)) {
                // A scan may show an entry twice.
                if found.iter().all(|waits| waits.entry.bytes != bytes) {
                    found.push(Waits {
                        place: place.clone(),
                        entry: Entry {
                            bytes,
                            score: Some(score),
                        },
                        ahead: None,
                    });
                }
            }
            cursor = next;
            if cursor == 0 {
                looked = size;
                break;
            }
        }
        search.looked_at += looked;
        Ok(found)
    }

    /// From the queue to the landing list and from left to right, as jobs move: one that waits all the while cannot slip
    /// past a page, however many are pushed and popped meanwhile.
    async fn seek_queue(
        &self,
        name: &str,
        jid: &str,
        search: &mut Search,
    ) -> Result<Vec<Waits>, StoreError> {
        let (queue, landing) = (self.keys().queue(name), self.keys().landing(name));
        let mut found: Vec<Waits> = Vec::new();
        for list in [&queue, &landing] {
            let mut from = 0;
            while !search.is_over() {
                let mut pipe = redis::pipe();
                pipe.cmd("LRANGE")
                    .arg(list)
                    .arg(from)
                    .arg(from + LIST_PAGE - 1);
                pipe.cmd("LLEN").arg(list);
                pipe.cmd("LLEN").arg(&landing);
                let mut replies = self.all(&pipe).await?.into_iter();
                let mut next = || replies.next().unwrap_or(redis::Value::Nil);
                let page: Vec<Vec<u8>> = self.read(next())?;
                let length: u64 = self.read(next())?;
                let landed: u64 = self.read(next())?;
                let last = page.len() < LIST_PAGE;
                for (at, bytes) in page.into_iter().enumerate() {
                    search.looked_at += 1;
                    let place = (from + at) as u64;
                    let new = || found.iter().all(|waits| waits.entry.bytes != bytes);
                    if is_it(&bytes, jid) && new() {
                        // What has landed is popped first.
                        let landed = if list == &queue { landed } else { 0 };
                        found.push(Waits {
                            place: Place::Queue(name.to_owned()),
                            entry: Entry { bytes, score: None },
                            ahead: Some(landed + length.saturating_sub(place + 1)),
                        });
                    }
                }
                from += LIST_PAGE;
                if last {
                    break;
                }
            }
        }
        Ok(found)
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
                    if is_it(&held.bytes, jid) {
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

#[cfg(test)]
mod tests {
    use super::is_it;

    #[test]
    fn a_job_is_known_by_its_jid_and_by_nothing_else() {
        let job = |jid: &str| format!(r#"{{"class":"A","args":["j1"],"jid":{jid}}}"#);
        assert!(is_it(job(r#""j1""#).as_bytes(), "j1"));
        assert!(
            !is_it(job(r#""j2""#).as_bytes(), "j1"),
            "an argument is none"
        );
        assert!(!is_it(b"j1", "j1"));
        assert!(is_it(job(r#""\u00e9""#).as_bytes(), "é"));
    }
}

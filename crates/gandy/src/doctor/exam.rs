//! Reads the facts that are judged. Everything is bounded; what is left out or denied is said. The order of the reads is
//! that in which things move, so that a fleet at work does not look broken.

use std::collections::HashSet;
use std::time::Duration;

use gandy_protocol::Identity;
use gandy_store::doctor::{Family, Member, Names, Rights, Shelf, Shown, Vitals};
use gandy_store::{Line, StoreError};

use super::copies::{self, At, Pair, Stock};
use super::{Question, Role, Unknown};
use crate::ambient;

/// Names of one kind that are looked at.
const NAMES_MAX: usize = 10_000;
/// Entries of one key that are read.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of jobs that are read of one key, and of all: they are held in memory while they are compared.
const ROOM: usize = 16 << 20;
const ROOM_ALL: usize = 64 << 20;
/// Pairs of copies that are looked at again.
const PAIRS_MAX: usize = 1000;
/// Who leaves in good order takes itself off the list of processes within this.
const PARTING: Duration = Duration::from_millis(250);
/// Looks at the clock.
const TICKS: usize = 5;

/// A process that holds jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) identity: Identity,
    pub(crate) jobs: u64,
}

/// A queue that is listed, or has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) listed: bool,
    pub(crate) waiting: u64,
    pub(crate) landed: u64,
}

/// How far away the server is, and what its clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) round_trip: Duration,
    pub(crate) ahead_ms: i64,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(crate) struct Exam {
    pub(crate) vitals: Option<Vitals>,
    pub(crate) hash_tag: bool,
    pub(crate) clock: Option<Clock>,
    pub(crate) role: Option<Role>,
    pub(crate) rights: Option<Rights>,
    /// Keys of another type: name, and the type that it should have.
    pub(crate) misshapen: Vec<(String, &'static str)>,
    /// The fleet or the dying could not be seen, so nobody is called dead.
    pub(crate) blind: bool,
    /// What processes show could not be read, or not of all: any queue may be served by them.
    pub(crate) unread: bool,
    pub(crate) members: Vec<Member>,
    /// What the members without a lease and the dying hold.
    pub(crate) leaseless: Vec<Holder>,
    pub(crate) dying: Vec<Holder>,
    pub(crate) orphans: Vec<Holder>,
    /// Keys of in-flight hashes that name no process.
    pub(crate) nameless: Vec<String>,
    pub(crate) processes: Vec<Shown>,
    pub(crate) queues: Vec<Queue>,
    /// Private lists of Sidekiq Pro: name behind `queue:`, jobs.
    pub(crate) private: Vec<(String, u64)>,
    pub(crate) stocks: Vec<Stock>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) unparsable: Vec<At>,
    pub(crate) unknown: Vec<Unknown>,
}

impl Exam {
    /// Everything.
    pub(crate) async fn take(line: &Line, question: &Question) -> Result<Self, StoreError> {
        let mut exam = Self {
            hash_tag: line.keys().has_hash_tag(),
            role: question.role,
            ..Self::default()
        };
        exam.look_at_server(line).await?;
        let rights = line.rights(question.user.as_deref()).await;
        let whose = question.user.as_deref().unwrap_or("this user");
        exam.rights = exam.seen(&format!("the rights of {whose}"), rights)?;
        let misshapen = line.misshapen().await?;
        exam.misshapen.extend(misshapen);
        exam.look_at_lives(line).await?;
        exam.look_at_queues(line).await?;
        exam.look_at_jobs(line).await?;
        Ok(exam)
    }

    /// Whether any process of Gandy's lives: then it does what workers do, and nothing needs repair that it repairs.
    pub(crate) fn is_anybody_alive(&self) -> bool {
        self.members.iter().any(|member| member.leased)
    }

    /// What was seen, or `None` where Redis refuses the look; then it is noted.
    fn seen<T>(
        &mut self,
        what: &str,
        outcome: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match outcome {
            Ok(seen) => Ok(Some(seen)),
            Err(StoreError::Refused { cause, .. }) => {
                self.unseen(what, cause);
                Ok(None)
            }
            // A cluster without all its slots serves some keys.
            Err(StoreError::Unavailable { cause, .. }) if cause.starts_with("CLUSTERDOWN") => {
                self.unseen(what, cause);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn unseen(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let unknown = Unknown {
            what: what.into(),
            why: why.into(),
        };
        if !self.unknown.contains(&unknown) {
            self.unknown.push(unknown);
        }
    }

    /// One count of many: a key of another type is noted as such.
    fn counted(
        &mut self,
        key: String,
        kind: &'static str,
        count: Result<u64, StoreError>,
    ) -> Result<u64, StoreError> {
        if count.as_ref().is_err_and(StoreError::is_wrong_type) {
            self.misshapen.push((key, kind));
            return Ok(0);
        }
        Ok(self.seen(&key, count)?.unwrap_or(0))
    }

    async fn look_at_server(&mut self, line: &Line) -> Result<(), StoreError> {
        let vitals = line.vitals().await;
        self.vitals = self.seen("the server's state", vitals)?;
        let unsaid =
            |vitals: &Vitals| vitals.snapshots.is_none() && vitals.facts.append_only != Some(true);
        if self.vitals.as_ref().is_some_and(unsaid) {
            self.unseen(
                "whether snapshots are written",
                "CONFIG GET is denied to this user",
            );
        }
        let mut ticks = Vec::with_capacity(TICKS);
        for _ in 0..TICKS {
            let before_ms = ambient::now_ms();
            let Some(tick) = self.seen("the server's clock", line.tick().await)? else {
                return Ok(());
            };
            // The server looked somewhere between the two.
            let here_ms = before_ms + i64::try_from(tick.took.as_millis() / 2).unwrap_or(0);
            ticks.push((tick.took, here_ms - tick.at_us / 1000));
        }
        ticks.sort_unstable();
        self.clock = Some(Clock {
            round_trip: ticks[TICKS / 2].0,
            ahead_ms: ticks[0].1,
        });
        Ok(())
    }

    async fn names(&mut self, line: &Line, family: Family) -> Result<Names, StoreError> {
        let what = match family {
            Family::InFlight => "in-flight hashes that no list names",
            Family::Landing => "landing lists of queues that no list names",
            Family::Queue => "queues that no list names",
        };
        let found = line.names_of(family, NAMES_MAX).await;
        let Some(found) = self.seen(what, found)? else {
            return Ok(Names::default());
        };
        if !found.whole {
            self.unseen(what, "there are more keys than one look goes through");
        }
        Ok(found)
    }

    pub(super) async fn look_at_lives(&mut self, line: &Line) -> Result<(), StoreError> {
        // In-flight hashes first and the fleet after them: who registers in between has none yet.
        let in_flight = self.names(line, Family::InFlight).await?.names;
        let listed = line.process_names().await;
        let listed = self.seen("processes", listed)?;
        self.unread |= listed.is_none();
        let mut listed = listed.unwrap_or_default();
        if listed.len() > NAMES_MAX {
            self.unseen("processes beyond the first 10,000", "a look is bounded");
            listed.truncate(NAMES_MAX);
        }
        let members = line.muster().await;
        let known = self.seen("the fleet", members)?;
        let dying = line.dying().await;
        let dying = self.seen("the dying", dying)?;
        self.members = known.clone().unwrap_or_default();
        let leaseless: Vec<Identity> = self
            .members
            .iter()
            .filter(|member| !member.leased)
            .map(|member| member.identity.clone())
            .collect();
        self.leaseless = self.holders(line, leaseless).await?;
        let entered: HashSet<Identity> = self
            .members
            .iter()
            .map(|member| member.identity.clone())
            .chain(dying.iter().flatten().cloned())
            .collect();
        self.dying = self
            .holders(line, dying.clone().unwrap_or_default())
            .await?;
        let mut strangers = Vec::new();
        for name in in_flight {
            match name.parse::<Identity>() {
                Ok(identity) => strangers.push(identity),
                Err(_) => self.nameless.push(name),
            }
        }
        // Where keys may not be scanned, who once showed himself is a candidate all the same.
        strangers.extend(listed.iter().filter_map(|name| name.parse().ok()));
        strangers.retain(|identity| !entered.contains(identity));
        strangers.sort_unstable();
        strangers.dedup();
        // Without knowing who lives, nobody is an orphan.
        if known.is_some() && dying.is_some() {
            let mut orphans = self.holders(line, strangers).await?;
            orphans.retain(|holder| holder.jobs > 0);
            self.orphans = orphans;
        } else {
            self.blind = true;
        }
        self.look_at_processes(line, &listed).await
    }

    async fn look_at_processes(
        &mut self,
        line: &Line,
        listed: &[String],
    ) -> Result<(), StoreError> {
        self.processes = line.shown(listed).await?;
        for shown in self.processes.clone() {
            if let Err(cause) = shown.info {
                self.unread = true;
                self.unseen(format!("what {} shows of itself", shown.identity), cause);
            }
        }
        // Who leaves is out of the fleet before it is off the list, and no Ruby process for that.
        let known: HashSet<&str> = self
            .members
            .iter()
            .map(|member| member.identity.as_str())
            .chain(self.dying.iter().map(|holder| holder.identity.as_str()))
            .collect();
        let (known, doubtful): (Vec<Shown>, Vec<Shown>) = std::mem::take(&mut self.processes)
            .into_iter()
            .partition(|shown| shown.info != Ok(None) && known.contains(&*shown.identity));
        self.processes = known;
        if doubtful.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(PARTING).await;
        let names: Vec<String> = doubtful
            .iter()
            .map(|shown| shown.identity.clone())
            .collect();
        let still = line.still_shown(&names).await;
        let still = self.seen("processes", still)?.unwrap_or_default();
        let still: HashSet<String> = still.into_iter().collect();
        let there = doubtful.into_iter();
        self.processes
            .extend(there.filter(|shown| still.contains(&shown.identity)));
        Ok(())
    }

    async fn holders(
        &mut self,
        line: &Line,
        identities: Vec<Identity>,
    ) -> Result<Vec<Holder>, StoreError> {
        let counts = line.held_by(&identities).await?;
        let mut holders = Vec::with_capacity(identities.len());
        for (identity, count) in identities.into_iter().zip(counts) {
            let jobs = self.counted(line.keys().inflight(&identity), "hash", count)?;
            holders.push(Holder { identity, jobs });
        }
        Ok(holders)
    }

    pub(super) async fn look_at_queues(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut names = self.names(line, Family::Queue).await?.names;
        names.extend(self.names(line, Family::Landing).await?.names);
        let listed = line.queue_names().await;
        let listed: HashSet<String> = self
            .seen("queues", listed)?
            .unwrap_or_default()
            .into_iter()
            .collect();
        names.extend(listed.iter().cloned());
        names.sort_unstable();
        names.dedup();
        if names.len() > NAMES_MAX {
            self.unseen("queues beyond the first 10,000", "a look is bounded");
            names.truncate(NAMES_MAX);
        }
        // Every private list has a bar in it; a queue that is listed is a queue whatever its name.
        let (private, names): (Vec<String>, Vec<String>) = names
            .into_iter()
            .partition(|name| name.contains('|') && !listed.contains(name));
        let waiting = self.lengths(line, &names, Shelf::Queue).await?;
        let landed = self.lengths(line, &names, Shelf::Landing).await?;
        for ((name, waiting), landed) in names.into_iter().zip(waiting).zip(landed) {
            self.queues.push(Queue {
                listed: listed.contains(&name),
                name,
                waiting,
                landed,
            });
        }
        let unlisted: Vec<String> = self
            .queues
            .iter()
            .filter(|queue| !queue.listed)
            .map(|queue| queue.name.clone())
            .collect();
        // A producer writes the name a moment after the job.
        let now_listed = line.still_listed(&unlisted).await;
        let now_listed = self.seen("queues", now_listed)?.unwrap_or_default();
        for queue in &mut self.queues {
            queue.listed |= now_listed.contains(&queue.name);
        }
        let sizes = self.lengths(line, &private, Shelf::Queue).await?;
        self.private = private
            .into_iter()
            .zip(sizes)
            .filter(|(_, size)| *size > 0)
            .collect();
        Ok(())
    }

    async fn lengths(
        &mut self,
        line: &Line,
        names: &[String],
        shelf: fn(String) -> Shelf,
    ) -> Result<Vec<u64>, StoreError> {
        let shelves: Vec<Shelf> = names.iter().cloned().map(shelf).collect();
        let sizes = line.sizes(&shelves).await?;
        let mut lengths = Vec::with_capacity(sizes.len());
        for (shelf, size) in shelves.iter().zip(sizes) {
            lengths.push(self.counted(line.shelf_key(shelf), "list", size)?);
        }
        Ok(lengths)
    }

    pub(super) async fn look_at_jobs(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut shelves = vec![Shelf::Retry, Shelf::Schedule, Shelf::Dead];
        for queue in &self.queues {
            if queue.waiting > 0 {
                shelves.push(Shelf::Queue(queue.name.clone()));
            }
            if queue.landed > 0 {
                shelves.push(Shelf::Landing(queue.name.clone()));
            }
        }
        let mut left = ROOM_ALL;
        for shelf in shelves {
            let key = line.shelf_key(&shelf);
            if left == 0 {
                self.unseen(
                    format!("the jobs in {key}"),
                    "64 MB of jobs were read before",
                );
                continue;
            }
            let browsed = line.browse(&shelf, ENTRIES_MAX, ROOM.min(left)).await;
            let Some(browsed) = self.seen(&format!("the jobs in {key}"), browsed)? else {
                continue;
            };
            if !browsed.whole {
                let count = browsed.entries.len();
                self.unseen(
                    format!("the jobs in {key} beyond {count} of them"),
                    "a look reads 10,000 entries or 16 MB of a key, those that run first of a queue",
                );
            }
            let size = browsed.entries.iter().map(Vec::len).sum();
            left = left.saturating_sub(size);
            self.stocks.push(Stock {
                shelf,
                entries: browsed.entries,
            });
        }
        let sorted = copies::sort(&self.stocks);
        self.unparsable = sorted.unparsable;
        self.look_at_pairs(line, sorted.pairs).await
    }

    /// A job that moved while it was looked at was seen twice and is one.
    async fn look_at_pairs(&mut self, line: &Line, pairs: Vec<Pair>) -> Result<(), StoreError> {
        if pairs.len() > PAIRS_MAX {
            self.unseen("copies of jobs beyond the first 1,000", "a look is bounded");
        }
        for pair in pairs.into_iter().take(PAIRS_MAX) {
            let (one, other) = (self.at(pair.keep), self.at(pair.other));
            let both = line.both_there(one, other).await;
            match self.seen("whether jobs that were seen twice are there twice", both)? {
                Some(true) => self.pairs.push(pair),
                Some(false) => {}
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The entry's shelf and bytes.
    pub(crate) fn at(&self, (stock, nth): At) -> (&Shelf, &[u8]) {
        let stock = &self.stocks[stock];
        (&stock.shelf, &stock.entries[nth])
    }
}

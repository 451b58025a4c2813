//! The fleet as numbers: what no single worker knows. `gandy exporter` writes it as metrics; a program that scales workers
//! may read it itself.
//!
//! Not here: single jobs ([`crate::Inspect`]), and what is wrong ([`crate::doctor`]).

use std::collections::BTreeMap;
use std::time::Duration;

use gandy_protocol::{Keys, Payload};
use gandy_store::doctor::{Replica, Vitals};
use gandy_store::{Line, Pace, QueueRow, Server, StoreError};

use crate::{Error, ambient};

/// Queues that are looked at, in the order of their names: each is a series for whoever keeps the numbers, and anybody who
/// may push may make one.
pub const QUEUES_MAX: usize = 1000;

/// Looks at one Redis. Connects when first used.
#[derive(Debug, Clone)]
pub struct Surveyor {
    line: Line,
}

/// What was seen in one look.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Survey {
    /// The queues, by name; [`QUEUES_MAX`] at most.
    pub queues: Vec<SurveyedQueue>,
    /// Queues beyond that.
    pub queues_left_out: usize,
    /// `schedule`.
    pub schedule: SurveyedSet,
    /// `retry`.
    pub retry: SurveyedSet,
    /// Entries of `dead`.
    pub dead: u64,
    /// Processes with a living heartbeat, Ruby's included.
    pub processes: u64,
    /// Those of them that claim no more.
    pub processes_quiet: u64,
    /// Jobs that they run at once.
    pub concurrency: u64,
    /// Jobs that they ran at their last heartbeats.
    pub busy: u64,
    /// The age of the oldest of these heartbeats.
    pub oldest_beat: Duration,
    /// Runs that ended since ever.
    pub processed: u64,
    /// Runs that failed since ever.
    pub failed: u64,
    /// A round trip to Redis.
    pub round_trip: Duration,
    /// Milliseconds by which this host's clock is ahead of Redis'.
    pub clock_ahead_ms: i64,
    /// The server; `None` where the user may not ask it (`INFO`).
    pub server: Option<SurveyedServer>,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedQueue {
    /// Its name.
    pub name: String,
    /// Jobs that wait.
    pub size: u64,
    /// How long the next of them has been waiting; zero in an empty queue.
    pub latency: Duration,
    /// Jobs of it that Gandy's workers hold.
    pub busy: u64,
    /// Whether it is paused.
    pub paused: bool,
}

/// A set of jobs that wait for their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyedSet {
    /// Entries.
    pub size: u64,
    /// How long the oldest entry that is due is overdue; zero when none is.
    pub lag: Duration,
}

/// What the server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyedServer {
    /// Bytes in use.
    pub memory_used: u64,
    /// `maxmemory`; 0: no limit.
    pub memory_max: u64,
    /// It will not evict keys.
    pub eviction_safe: bool,
    /// It writes an append-only file.
    pub append_only: bool,
    /// Its last snapshot and its last write to the append-only file went well.
    pub persistence_ok: bool,
    /// It is another server's copy: it takes no jobs, and what it shows may be old.
    pub replica: Option<Replica>,
}

impl Surveyor {
    /// For the Redis at `server`, under `namespace` (empty: none).
    ///
    /// # Errors
    /// A wrong namespace.
    pub fn new(server: Server, namespace: &str) -> Result<Self, Error> {
        let keys = Keys::new(namespace).map_err(|error| Error::config(error.to_string()))?;
        let reply = server.patience().reply;
        Ok(Self {
            line: Line::single(server, keys, reply),
        })
    }

    /// Looks once, in two round trips where there are at most a hundred queues and processes: names and numbers only, but
    /// for the next job of each queue and set.
    ///
    /// A dozen requests one after the other took five times as long, and behind a slow command of somebody else each of them
    /// waits. Those that are made at once the connection sends in one write.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses.
    pub async fn survey(&self) -> Result<Survey, Error> {
        let line = &self.line;
        let clock = async {
            let tick = line.tick().await?;
            Ok::<_, StoreError>((tick, ambient::now_ms()))
        };
        // The clock first, so that nothing stands between its question and the answer. In boxes: futures of requests are
        // large, and in a debug build those that hold them overflowed their stacks.
        let ((tick, here_ms), roll) = tokio::try_join!(Box::pin(clock), Box::pin(line.roll()))?;
        let now_ms = tick.at_us / 1000;
        let half = i64::try_from(tick.took.as_millis() / 2).unwrap_or(i64::MAX);
        let clock_ahead_ms = here_ms.saturating_sub(half).saturating_sub(now_ms);
        let mut names = roll.queues;
        let queues_left_out = names.len().saturating_sub(QUEUES_MAX);
        names.truncate(QUEUES_MAX);
        let (rows, held, paces) = tokio::try_join!(
            Box::pin(self.rows(&names)),
            Box::pin(line.held_of(&roll.holders)),
            Box::pin(line.paces(&roll.processes))
        )?;
        let ledger = roll.ledger;
        let oldest = paces.iter().map(|pace| pace.beat).reduce(f64::min);
        let since = |beat: f64| Duration::from_secs_f64((now_ms as f64 / 1000.0 - beat).max(0.0));
        let sum = |numbers: &mut dyn Iterator<Item = u64>| numbers.fold(0, u64::saturating_add);
        Ok(Survey {
            queues: rows
                .into_iter()
                .map(|row| surveyed(row, &held, now_ms))
                .collect(),
            queues_left_out,
            schedule: SurveyedSet {
                size: ledger.scheduled,
                lag: lag(roll.first_scheduled, now_ms),
            },
            retry: SurveyedSet {
                size: ledger.retries,
                lag: lag(roll.first_retry, now_ms),
            },
            dead: ledger.dead,
            processes: paces.len() as u64,
            processes_quiet: paces.iter().filter(|pace| pace.quiet).count() as u64,
            // What a stranger wrote there may be any number.
            concurrency: sum(&mut paces.iter().map(concurrency)),
            busy: sum(&mut paces.iter().map(|pace| pace.busy)),
            // Or no time at all.
            oldest_beat: oldest
                .filter(|beat| beat.is_finite() && *beat > 0.0)
                .map_or(Duration::ZERO, since),
            processed: ledger.processed,
            failed: ledger.failed,
            round_trip: tick.took,
            clock_ahead_ms,
            server: roll.vitals.as_ref().map(server),
        })
    }

    async fn rows(&self, names: &[String]) -> Result<Vec<QueueRow>, StoreError> {
        let mut rows = Vec::with_capacity(names.len());
        for chunk in names.chunks(100) {
            rows.extend(self.line.queue_rows(chunk).await?);
        }
        Ok(rows)
    }
}

fn server(vitals: &Vitals) -> SurveyedServer {
    let eviction = vitals.facts.eviction.as_deref();
    SurveyedServer {
        memory_used: vitals.used_memory,
        memory_max: vitals.maxmemory,
        eviction_safe: eviction.is_none_or(|policy| policy == "noeviction"),
        append_only: vitals.facts.append_only == Some(true),
        persistence_ok: !vitals.snapshot_failed && !vitals.append_failed,
        replica: vitals.replica,
    }
}

fn surveyed(row: QueueRow, held: &BTreeMap<String, u64>, now_ms: i64) -> SurveyedQueue {
    let stamp = |bytes| Payload::parse(bytes).ok()?.stamp("enqueued_at");
    let since = row
        .next
        .and_then(stamp)
        .map(|at| now_ms.saturating_sub(at.millis()));
    SurveyedQueue {
        size: row.size,
        latency: millis(since.unwrap_or(0)),
        busy: held.get(&row.name).copied().unwrap_or(0),
        paused: row.paused,
        name: row.name,
    }
}

/// How long the first entry of a set is overdue.
fn lag(first: Option<f64>, now_ms: i64) -> Duration {
    let due = first.filter(|score| score.is_finite());
    due.map_or(Duration::ZERO, |score| {
        millis(now_ms.saturating_sub((score * 1000.0) as i64))
    })
}

fn concurrency(pace: &Pace) -> u64 {
    let inside = || {
        let info: serde_json::Value = serde_json::from_str(&pace.info).ok()?;
        info.get("concurrency")?.as_u64()
    };
    pace.concurrency.or_else(inside).unwrap_or(0)
}

fn millis(span: i64) -> Duration {
    Duration::from_millis(u64::try_from(span).unwrap_or(0))
}

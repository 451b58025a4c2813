//! Promoting: jobs in `schedule` whose time has come move to their queue, and nobody runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::drain::{self, PATIENCE};
use super::{Scope, Work};
use crate::case::{Case, Sample};
use crate::contender::{Contender, Kind};
use crate::payload;
use crate::pending::Pending;
use crate::resp::Conn;
use crate::row::quantile;
use crate::stage::Stage;
use crate::task::Task;
use crate::usage;

/// Long before now, so that all are due.
const DUE: &str = "1500000000";
/// Long after now.
const FAR: &str = "4000000000";

/// Moves due jobs.
pub(crate) const PROMOTE: Work = Work {
    name: "promote",
    cases,
};

fn cases(who: &Contender, scope: &Scope) -> Vec<Case> {
    if who.kind != Kind::Gandy {
        return Vec::new();
    }
    vec![Case {
        concurrency: Some(10),
        jobs: scope.pick(50_000, 500_000),
        ..Case::new("promote", run)
    }]
}

fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, case.rtt_ms)?;
    promote(&mut stage, who, case, "schedule")
}

/// Puts due jobs into `schedule` or `retry` and watches a worker of another queue promote them.
pub(super) fn promote(
    stage: &mut Stage,
    who: &Contender,
    case: &Case,
    from: &str,
) -> Result<Sample> {
    let before = stage.probe.ask(&["ZCARD", from])?.int()?;
    // Every block of Redis of 1 ms and more is noted with its length.
    for setting in [
        ["slowlog-log-slower-than", "1000"],
        ["slowlog-max-len", "1000"],
    ] {
        stage
            .probe
            .ask(&["CONFIG", "SET", setting[0], setting[1]])?;
    }
    schedule(&stage.address(), from, DUE, 0..case.jobs)?;
    stage.probe.ask(&["SLOWLOG", "RESET"])?;
    let mut case = case.clone();
    case.env.push(("QUEUES".into(), "other".into()));
    let mut pending = Pending::new(vec![vec!["ZCARD".into(), from.to_owned()]], false);
    pending.ends_at(before);
    let full = pending.read(&mut stage.probe)?;
    let pulse = Pulse::start(&stage.address())?;
    let mut worker = stage.spawn(who, &case, "work")?;
    let drained = stage.drain(&mut worker, &mut pending, full)?;
    let rss = usage::tree_peak_mb(worker.pid());
    let pings = pulse.stop()?;
    worker.stop(PATIENCE);
    let moved = stage.probe.ask(&["LLEN", "queue:default"])?.int()?;
    ensure!(moved == full, "{moved} of {full} due jobs are in the queue");
    let mut sample = drain::sample(&drained);
    sample.rss_mb = Some(rss);
    sample.note("ping_p99_ms", quantile(&pings, 0.99).unwrap_or(0.0));
    sample.note("ping_worst_ms", quantile(&pings, 1.0).unwrap_or(0.0));
    sample.note("longest_command_ms", longest(stage)?);
    Ok(sample)
}

/// Fills a sorted set with jobs of one score.
pub(super) fn schedule(
    address: &str,
    key: &str,
    score: &str,
    numbers: std::ops::Range<u64>,
) -> Result<()> {
    let mut conn = Conn::connect(address)?;
    let mut bytes = Vec::new();
    let all: Vec<u64> = numbers.collect();
    for slice in all.chunks(1_000) {
        conn.begin(2 + 2 * slice.len());
        conn.part(b"ZADD");
        conn.part(key.as_bytes());
        for &number in slice {
            bytes.clear();
            payload::write(Task::Noop, "default", number, &mut bytes);
            conn.part(score.as_bytes());
            conn.part(&bytes);
        }
        conn.flush()?;
        conn.skim()?;
    }
    Ok(())
}

/// Fills a sorted set with jobs that are not due for years, with numbers that no other job of a run has.
pub(super) fn far_ahead(address: &str, key: &str, many: u64) -> Result<()> {
    schedule(address, key, FAR, 1 << 40..(1 << 40) + many)
}

/// The longest command since the log was reset, milliseconds; 0 if none took 1 ms.
fn longest(stage: &mut Stage) -> Result<f64> {
    let mut most = 0;
    for entry in stage.probe.ask(&["SLOWLOG", "GET", "1000"])?.array()? {
        if let Some(micros) = entry.array()?.get(2) {
            most = most.max(micros.int()?);
        }
    }
    Ok(most as f64 / 1e3)
}

/// A PING each millisecond on a connection of its own: what any other client of this Redis sees.
pub(super) struct Pulse {
    stop: Arc<AtomicBool>,
    pings: JoinHandle<Result<Vec<f64>>>,
}

impl Pulse {
    pub(super) fn start(address: &str) -> Result<Self> {
        let mut conn = Conn::connect(address)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let pings = thread::spawn(move || {
            let mut pings = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                let begun = Instant::now();
                conn.ask(&["PING"])?;
                pings.push(begun.elapsed().as_secs_f64() * 1e3);
                thread::sleep(Duration::from_millis(1));
            }
            pings.sort_by(f64::total_cmp);
            Ok(pings)
        });
        Ok(Self { stop, pings })
    }

    /// How long each took, the shortest first.
    pub(super) fn stop(self) -> Result<Vec<f64>> {
        self.stop.store(true, Ordering::Release);
        match self.pings.join() {
            Ok(pings) => pings,
            Err(_) => anyhow::bail!("the thread that pings panicked"),
        }
    }
}

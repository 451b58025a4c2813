//! Draining a queue that was filled before: the rate, and what it cost.

use std::time::Duration;

use anyhow::Result;

use crate::case::{Case, Sample};
use super::{Scope, Work};
use crate::contender::Contender;
use crate::pending::Pending;
use crate::stage::{Drained, Stage};
use crate::task::Task;
use crate::usage;

/// A worker that has not ended so long after TERM is killed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Jobs that do nothing.
pub(crate) const DRAIN: Work = Work {
    name: "drain",
    unit: "jobs/s",
    cases,
    measure: run,
};

fn cases(who: &Contender, scope: &Scope) -> Vec<Case> {
    let mut cases = Vec::new();
    for &persistence in &scope.persistence {
        for &slots in &who.concurrency {
            cases.push(Case {
                persistence,
                ..Case::new("drain", Task::Noop, Some(slots), 0)
            });
        }
    }
    cases
}

/// Fills, starts a worker, and watches it.
fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, case.rtt_ms)?;
    let bytes = stage.fill(who, case)?;
    let mut pending = Pending::of(who);
    let full = pending.read(&mut stage.probe)?;
    let mut worker = stage.spawn(who, case, "work")?;
    let drained = stage.drain(&mut worker, &mut pending, full)?;
    let rss = usage::tree_peak_mb(worker.pid());
    worker.stop(PATIENCE);
    let mut sample = sample(&drained);
    sample.rss_mb = Some(rss);
    sample.note("redis_bytes_per_queued_job", bytes);
    if let Some(millis) = stage.handler_ms() {
        sample.note("handler_ms", millis);
        if let Some(slots) = case.concurrency {
            sample.note("share_of_slots", sample.value * millis / 1e3 / slots as f64);
        }
    }
    Ok(sample)
}

/// A drain's figures a job.
pub(crate) fn sample(drained: &Drained) -> Sample {
    let jobs = drained.jobs.max(1.0);
    let mut sample = Sample {
        value: drained.jobs / drained.seconds.max(1e-9),
        worker_us: Some(drained.worker_us / jobs),
        redis_us: Some(drained.redis.cpu_us / jobs),
        ..Sample::default()
    };
    sample.note("commands_per_job", drained.redis.commands / jobs);
    sample.note("scripts_per_job", drained.redis.scripts / jobs);
    sample.note("reads_per_job", drained.redis.reads / jobs);
    sample
}

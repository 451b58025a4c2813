//! Draining a queue that was filled before: the rate, and what it cost.

use std::time::Duration;

use anyhow::Result;

use super::Work;
use crate::case::{Case, Sample};
use crate::contender::{Contender, Kind};
use crate::pending::Pending;
use crate::stage::{Drained, Stage};
use crate::task::Task;
use crate::usage;

/// A worker that has not ended so long after TERM is killed.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Jobs that do nothing, with every setting worth trying.
pub(crate) const DRAIN: Work = Work {
    name: "drain",
    cases: |who, scope| {
        let mut cases = Vec::new();
        for &persistence in &scope.persistence {
            for &slots in &who.concurrency {
                cases.push(Case {
                    persistence,
                    ..noop(slots)
                });
            }
        }
        cases
    },
};

/// Jobs that sleep 1 ms.
pub(crate) const SLEEP1: Work = Work {
    name: "sleep1",
    cases: |who, _| busy(who, "sleep1", Task::Sleep1, 100),
};

/// Jobs that compute for 1 ms.
pub(crate) const COMPUTE1: Work = Work {
    name: "compute1",
    cases: |who, _| busy(who, "compute1", Task::Compute1, 10),
};

/// Jobs that sleep 10 ms.
pub(crate) const SLEEP10: Work = Work {
    name: "sleep10",
    cases: |who, _| busy(who, "sleep10", Task::Sleep10, 100),
};

/// No-ops on so many slots.
pub(super) fn noop(slots: usize) -> Case {
    Case {
        concurrency: Some(slots),
        ..Case::new("drain", run)
    }
}

/// Jobs that take their time; the floor runs none.
pub(super) fn busy(who: &Contender, work: &'static str, task: Task, slots: usize) -> Vec<Case> {
    if who.kind == Kind::Floor {
        return Vec::new();
    }
    vec![Case {
        task,
        concurrency: Some(who.nearest(slots)),
        ..Case::new(work, run)
    }]
}

/// Fills, starts a worker, and watches it.
pub(super) fn run(who: &Contender, case: &Case) -> Result<Sample> {
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
    if let (Some(millis), Some(slots)) = (stage.handler_ms(), case.concurrency) {
        sample.note("handler_ms", millis);
        if case.task == Task::Compute1 {
            let own = sample.worker_us.unwrap_or(0.0);
            sample.note("overhead_us_per_job", own - millis * 1e3);
        } else {
            sample.note("share_of_slots", sample.value * millis / 1e3 / slots as f64);
        }
    }
    Ok(sample)
}

/// A drain's figures a job.
pub(super) fn sample(drained: &Drained) -> Sample {
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

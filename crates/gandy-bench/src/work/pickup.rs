//! Pick-up: how long after its push a job starts on a worker that has nothing to do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Work;
use super::drain::PATIENCE;
use crate::case::{Case, Sample};
use crate::child::Child;
use crate::contender::{Contender, Kind};
use crate::row::quantile;
use crate::stage::Stage;
use crate::task::Task;
use crate::usage;

/// The first pushes of a run warm caches and connections up; they do not count.
const WARM_UP: usize = 30;
/// Of a worker's start, and of the last runs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Pushes 10 ms apart to an idle worker; p50, p99 and the worst.
pub(crate) const PICKUP: Work = Work {
    name: "pickup",
    cases: |who, scope| {
        vec![Case {
            unit: "ms (p50)",
            task: Task::Latency,
            concurrency: (who.kind != Kind::Floor).then(|| who.nearest(10)),
            jobs: scope.pick(130, 330),
            ..Case::new("pickup", run)
        }]
    },
};

fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, case.rtt_ms)?;
    let mut worker = None;
    let mut skip = WARM_UP;
    if who.kind != Kind::Floor {
        worker = Some(idle_worker(&mut stage, who, case)?);
        skip += 1;
    }
    stage.verb(who, case, "pickup")?;
    let all = skip - WARM_UP + usize::try_from(case.jobs)?;
    let latencies = noted(&stage, all)?;
    let mut counted = latencies[skip..].to_vec();
    counted.sort_by(f64::total_cmp);
    let at = |share| quantile(&counted, share).unwrap_or(0.0);
    let mut sample = Sample {
        value: at(0.5),
        ..Sample::default()
    };
    sample.note("p99_ms", at(0.99));
    sample.note("worst_ms", at(1.0));
    if let Some(mut worker) = worker {
        sample.rss_mb = Some(usage::tree_peak_mb(worker.pid()));
        worker.stop(PATIENCE);
    }
    Ok(sample)
}

/// A worker that has run one job and come to rest.
pub(super) fn idle_worker(stage: &mut Stage, who: &Contender, case: &Case) -> Result<Child> {
    let one = Case {
        task: Task::Latency,
        jobs: 1,
        ..case.clone()
    };
    let mut worker = stage.spawn(who, &one, "work")?;
    stage.verb(who, &one, "pickup")?;
    let first = noted(stage, 1);
    worker.must_run()?;
    first?;
    // At rest is what cannot be waited for: nothing happens then.
    std::thread::sleep(Duration::from_secs(1));
    Ok(worker)
}

/// The latencies, once there are as many.
fn noted(stage: &Stage, many: usize) -> Result<Vec<f64>> {
    let end = Instant::now() + DEADLINE;
    loop {
        let latencies = stage.latencies_ms().unwrap_or_default();
        if latencies.len() >= many {
            return Ok(latencies);
        }
        ensure!(
            Instant::now() < end,
            "{} of {many} jobs had run after 60 s",
            latencies.len()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

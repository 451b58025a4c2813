//! Memory: of an idle worker, of one at full load whatever is queued, and of a producer.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::drain::{self, PATIENCE};
use super::{Scope, Work, pickup};
use crate::case::{Case, Measure, Sample};
use crate::contender::{Contender, Kind};
use crate::stage::Stage;
use crate::usage;

/// After a job, until the memory is read.
const REST: Duration = Duration::from_secs(2);

/// Resident memory.
pub(crate) const MEMORY: Work = Work {
    name: "memory",
    cases,
};

fn cases(who: &Contender, scope: &Scope) -> Vec<Case> {
    let case = |measure: Measure, slots, jobs, setting: &str| Case {
        unit: "MB",
        concurrency: slots,
        jobs,
        setting: setting.into(),
        ..Case::new("memory", measure)
    };
    let mut cases = Vec::new();
    if who.kind != Kind::Floor {
        cases.push(case(idle, Some(who.nearest(10)), 1, "idle"));
    }
    if who.kind == Kind::Gandy {
        let long = scope.pick(300_000, 5_000_000);
        cases.push(case(loaded, Some(100), 100_000, "draining a short queue"));
        cases.push(case(loaded, Some(100), long, "draining a long queue"));
        let pushes = scope.pick(100_000, 1_000_000);
        cases.push(case(producer, None, pushes, "64 producers, growth"));
    }
    cases
}

/// A worker that has run one job and then nothing for a while.
fn idle(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    let mut worker = pickup::idle_worker(&mut stage, who, case)?;
    std::thread::sleep(REST);
    let sample = Sample {
        value: usage::tree_resident_mb(worker.pid()),
        rss_mb: Some(usage::tree_peak_mb(worker.pid())),
        ..Sample::default()
    };
    worker.stop(PATIENCE);
    Ok(sample)
}

/// The peak of a drain.
fn loaded(who: &Contender, case: &Case) -> Result<Sample> {
    let sample = drain::run(who, case)?;
    let value = sample.rss_mb.context("no memory was seen")?;
    Ok(Sample { value, ..sample })
}

/// What a process grows by when 64 of its tasks push.
fn producer(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    let told = stage.verb(who, case, "push64")?;
    Ok(Sample {
        value: told.grown_mb.context("the producer did not say")?,
        ..Sample::default()
    })
}

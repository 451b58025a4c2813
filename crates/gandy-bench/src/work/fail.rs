//! Failing: every job goes to `retry`.

use anyhow::{Result, ensure};

use super::drain::{self, PATIENCE};
use super::{Scope, Work};
use crate::case::{Case, Sample};
use crate::contender::{Contender, Kind};
use crate::pending::Pending;
use crate::stage::Stage;
use crate::task::Task;
use crate::usage;

/// Every job fails.
pub(crate) const FAIL: Work = Work {
    name: "fail",
    cases,
};

fn cases(who: &Contender, _: &Scope) -> Vec<Case> {
    if who.kind != Kind::Gandy {
        return Vec::new();
    }
    vec![Case {
        task: Task::Fail,
        concurrency: Some(100),
        ..Case::new("fail", run)
    }]
}

fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, case.rtt_ms)?;
    fail(&mut stage, who, case)
}

/// Fills, lets all fail, and counts them in `retry`.
pub(super) fn fail(stage: &mut Stage, who: &Contender, case: &Case) -> Result<Sample> {
    let before = stage.probe.ask(&["ZCARD", "retry"])?.int()?;
    stage.fill(who, case)?;
    let mut pending = Pending::of(who);
    let full = pending.read(&mut stage.probe)?;
    let mut worker = stage.spawn(who, case, "work")?;
    let drained = stage.drain(&mut worker, &mut pending, full)?;
    let rss = usage::tree_peak_mb(worker.pid());
    let failed = stage.probe.ask(&["ZCARD", "retry"])?.int()? - before;
    worker.stop(PATIENCE);
    // The first are due again after 15 s; a run that took longer has promoted some.
    if drained.seconds < 10.0 {
        ensure!(failed == full, "{failed} of {full} jobs are in retry");
    }
    let mut sample = drain::sample(&drained);
    sample.rss_mb = Some(rss);
    Ok(sample)
}

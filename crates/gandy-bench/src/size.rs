//! How many jobs a case gets, and how the floor is driven in it: found by short trials.

use anyhow::Result;

use crate::case::Case;
use crate::contender::{Contender, Kind};
use crate::floor::drain::Drive;
use crate::work::{Scope, Work};

/// The fewest and the most jobs of a drain.
const JOBS: (f64, f64) = (500.0, 5_000_000.0);

/// Makes a case ready: without a number of jobs it gets as many as last for a while.
pub(crate) fn fit(who: &Contender, work: &Work, case: &mut Case, scope: &Scope) -> Result<()> {
    if who.kind == Kind::Floor && case.work == "drain" {
        drive(who, work, case, scope)?;
    }
    if case.jobs > 0 {
        case.jobs = case.jobs.min(who.jobs_max);
        return Ok(());
    }
    let rate = rate(who, work, case)?;
    let seconds = if rate > 50_000.0 {
        scope.pick(1.0, 10.0)
    } else {
        scope.pick(1.0, 4.0)
    };
    case.jobs = round(rate * seconds).min(who.jobs_max);
    Ok(())
}

/// Jobs per second, roughly, from a trial long enough to tell.
fn rate(who: &Contender, work: &Work, case: &Case) -> Result<f64> {
    let mut jobs = if who.kind == Kind::Peer { 500 } else { 50_000 };
    if case.task != crate::task::Task::Noop {
        jobs = 500;
    }
    loop {
        jobs = jobs.min(who.jobs_max);
        let trial = Case {
            jobs,
            ..case.clone()
        };
        let rate = (work.measure)(who, &trial)?.value;
        if jobs as f64 / rate > 0.2 || jobs >= 50_000 || jobs >= who.jobs_max {
            return Ok(rate);
        }
        jobs *= 10;
    }
}

/// The best way to drive the bare protocol with this many slots.
fn drive(who: &Contender, work: &Work, case: &mut Case, scope: &Scope) -> Result<()> {
    let mut best: Option<(f64, Drive)> = None;
    for drive in Drive::all(case.concurrency.unwrap_or(100)) {
        if scope.quick && drive.batches > 4 {
            continue;
        }
        let trial = Case {
            jobs: scope.pick(100_000, 300_000),
            env: drive.env(),
            ..case.clone()
        };
        let rate = (work.measure)(who, &trial)?.value;
        if best.as_ref().is_none_or(|(known, _)| rate > *known) {
            best = Some((rate, drive));
        }
    }
    if let Some((_, drive)) = best {
        case.env = drive.env();
        case.setting = drive.label();
    }
    Ok(())
}

/// To two digits, within bounds.
fn round(jobs: f64) -> u64 {
    let jobs = jobs.clamp(JOBS.0, JOBS.1);
    let step = 10_f64.powf(jobs.log10().floor() - 1.0);
    ((jobs / step).round() * step) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_jobs_are_round_and_bounded() {
        assert_eq!(round(123_456.0), 120_000);
        assert_eq!(round(3.0), 500);
        assert_eq!(round(1e9), 5_000_000);
    }
}

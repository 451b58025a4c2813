//! How many jobs a case gets, and how the floor is driven in it: found by short trials.

use anyhow::Result;

use crate::case::Case;
use crate::contender::{Contender, Kind};
use crate::floor::drain::Drive;
use crate::task::Task;
use crate::work::Scope;

/// The fewest and the most jobs of a drain.
const JOBS: (f64, f64) = (500.0, 5_000_000.0);

/// Makes a case ready: without a number of jobs it gets as many as last for a while.
pub(crate) fn fit(who: &Contender, case: &mut Case, scope: &Scope) -> Result<()> {
    if who.kind == Kind::Floor && case.work == "drain" {
        drive(who, case, scope)?;
    }
    if case.jobs == 0 {
        case.jobs = scope.jobs.unwrap_or(0);
    }
    if case.jobs == 0 && scope.quick && who.kind != Kind::Peer {
        case.jobs = few(case);
    }
    if case.jobs == 0 {
        let rate = rate(who, case, scope)?;
        case.jobs = round(rate * seconds(who, case, rate, scope));
    }
    case.jobs = case.jobs.min(who.jobs_max);
    Ok(())
}

/// About a second's worth for Gandy and the floor, without a trial.
fn few(case: &Case) -> u64 {
    let near = case.rtt_ms == 0;
    match (case.work, case.concurrency) {
        ("drain", Some(0..20)) => [3_000, 60_000][usize::from(near)],
        ("drain", _) => [30_000, 200_000][usize::from(near)],
        ("push", _) => [300, 5_000][usize::from(near)],
        ("push64", _) => [10_000, 100_000][usize::from(near)],
        ("bulk", _) => [100_000, 400_000][usize::from(near)],
        ("compute1", _) => 1_500,
        ("sleep10", _) => 8_000,
        _ => 30_000,
    }
}

/// How long a measurement is to last.
fn seconds(who: &Contender, case: &Case, rate: f64, scope: &Scope) -> f64 {
    match case.task {
        _ if scope.quick => 1.0,
        // The first are due again after 15 s.
        Task::Fail => 5.0,
        // The last jobs of those that sleep leave slots empty.
        _ if rate > 50_000.0 || who.kind != Kind::Peer => 10.0,
        _ => 4.0,
    }
}

/// Jobs per second, roughly, from a trial long enough to tell.
fn rate(who: &Contender, case: &Case, scope: &Scope) -> Result<f64> {
    let fast = who.kind != Kind::Peer && case.task == Task::Noop && case.work != "push";
    let mut jobs = if fast { 20_000 } else { 1_000 };
    // A runtime that compiles as it goes is not itself before a second has passed.
    let enough = scope.pick(0.2, 1.0);
    loop {
        jobs = jobs.min(who.jobs_max);
        let trial = Case {
            jobs,
            ..case.clone()
        };
        let rate = trial.run(who)?.value;
        if jobs as f64 / rate > enough || jobs >= 50_000 || jobs >= who.jobs_max {
            return Ok(rate);
        }
        jobs *= 5;
    }
}

/// The best way to drive the bare protocol with this many slots.
fn drive(who: &Contender, case: &mut Case, scope: &Scope) -> Result<()> {
    let slots = case.concurrency.unwrap_or(100);
    let jobs = if case.rtt_ms == 0 {
        scope.pick(60_000, 300_000)
    } else {
        // A batch of each slot takes a round trip: this is as many of them whatever the slots.
        slots as u64 * scope.pick(60, 300)
    };
    let mut best: Option<(f64, Drive)> = None;
    for drive in Drive::all(slots) {
        if scope.quick && drive.batches > 4 {
            continue;
        }
        let trial = Case {
            jobs: scope.jobs.unwrap_or(jobs),
            env: drive.env(),
            ..case.clone()
        };
        let rate = trial.run(who)?.value;
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
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_of_jobs_are_round_and_bounded() {
        assert_eq!(round(123_456.0), 120_000);
        assert_eq!(round(3.0), 500);
        assert_eq!(round(1e9), 5_000_000);
    }
}

//! Pushing: from one caller, from 64 at once, and in bulk.

use anyhow::Result;

use super::Work;
use crate::case::{Case, Sample};
use crate::contender::{Contender, Kind};
use crate::stage::Stage;

/// One push after another.
pub(crate) const PUSH: Work = Work {
    name: "push",
    cases: |who, _| clients(who, Case::new("push", single)),
};

/// From 64 concurrent callers of one process.
pub(crate) const PUSH64: Work = Work {
    name: "push64",
    cases: |_, _| vec![Case::new("push64", many)],
};

/// A thousand a call.
pub(crate) const BULK: Work = Work {
    name: "bulk",
    cases: |who, scope| {
        let with = |&persistence| Case {
            persistence,
            ..Case::new("bulk", bulk)
        };
        let cases = scope.persistence.iter().map(with);
        cases.flat_map(|case| clients(who, case)).collect()
    },
};

/// The floor has two clients: the redis crate's multiplexed connection, which Gandy's client uses too, and a raw one. Gandy
/// has two ways to push in bulk: typed jobs, and pushes that were prepared one by one, each with an id of its own.
pub(super) fn clients(who: &Contender, case: Case) -> Vec<Case> {
    let (name, settings) = match who.kind {
        Kind::Floor => ("FLOOR_CLIENT", ["multiplexed", "raw"]),
        Kind::Gandy if case.work == "bulk" => ("BULK", ["typed", "prepared"]),
        _ => return vec![case],
    };
    settings
        .iter()
        .map(|&setting| Case {
            env: vec![(name.into(), setting.into())],
            setting: setting.into(),
            ..case.clone()
        })
        .collect()
}

pub(super) fn single(who: &Contender, case: &Case) -> Result<Sample> {
    run(who, case, "push")
}

pub(super) fn many(who: &Contender, case: &Case) -> Result<Sample> {
    run(who, case, "push64")
}

pub(super) fn bulk(who: &Contender, case: &Case) -> Result<Sample> {
    // The floor sends whole thousands only.
    let jobs = case.jobs.div_ceil(1_000) * 1_000;
    let case = Case {
        jobs: jobs.min(who.jobs_max),
        ..case.clone()
    };
    run(who, &case, "fill")
}

fn run(who: &Contender, case: &Case, verb: &str) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, case.rtt_ms)?;
    let before = stage.probe.counters()?;
    let told = stage.verb(who, case, verb)?;
    let redis = stage.probe.counters()?.since(before);
    let jobs = case.jobs as f64;
    let mut sample = Sample {
        value: jobs / told.seconds.max(1e-9),
        redis_us: Some(redis.cpu_us / jobs),
        ..Sample::default()
    };
    sample.note("commands_per_job", redis.commands / jobs);
    sample.note("reads_per_job", redis.reads / jobs);
    if let Some(grown) = told.grown_mb {
        sample.note("producer_grew_mb", grown);
    }
    if let Some(micros) = told.cpu_us {
        sample.note("producer_us_per_job", micros / jobs);
    }
    Ok(sample)
}

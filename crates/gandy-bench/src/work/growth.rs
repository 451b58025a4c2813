//! Growth: the same work beside much more of everything. What is compared is Redis' and the worker's time a job.

use anyhow::{Result, ensure};

use super::drain::{self, PATIENCE};
use super::{Scope, Work, fail, pickup, promote};
use crate::case::{Case, Measure, Sample};
use crate::contender::{Contender, Kind};
use crate::floor::fill::fill;
use crate::pending::Pending;
use crate::probe::Counters;
use crate::stage::{Drained, Stage};
use crate::task::Task;
use crate::usage;

/// The parts of the short queue: it is filled again as soon as it is empty.
const SHORT: u64 = 100_000;
/// Queues of the case with many.
const QUEUES: usize = 64;

/// Long queue against short, full `retry` against empty, many queues against one.
pub(crate) const GROWTH: Work = Work {
    name: "growth",
    cases,
};

fn cases(who: &Contender, scope: &Scope) -> Vec<Case> {
    if who.kind != Kind::Gandy {
        return Vec::new();
    }
    let drained = scope.pick(100_000, 2_000_000);
    let due = scope.pick(20_000, 500_000);
    let case = |work, measure: Measure, jobs, setting: &str| Case {
        concurrency: Some(100),
        jobs,
        setting: setting.into(),
        ..Case::new(work, measure)
    };
    let failing = |measure, setting| Case {
        task: Task::Fail,
        ..case("growth-fail", measure, due, setting)
    };
    let much = scope.pick("1,000,000 queued", "10,000,000 queued");
    vec![
        case("growth-queue", short, drained, "100,000 queued"),
        Case {
            env: vec![("QUEUED".into(), scope.pick("1000000", "10000000").into())],
            ..case("growth-queue", long, drained, much)
        },
        failing(fail_into_empty, "retry empty"),
        failing(fail_into_full, "1,000,000 in retry"),
        case("growth-promote", promote_alone, due, "retry empty"),
        case("growth-promote", promote_among, due, "1,000,000 in retry"),
        case("growth-queues", one_queue, drained, "one queue"),
        case("growth-queues", strict, drained, "64 queues, strict"),
        case("growth-queues", weighted, drained, "64 queues, weighted"),
    ]
}

/// Drains a queue that never holds more than 100,000.
fn short(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    let parts = case.jobs / SHORT;
    for part in 0..parts {
        let numbers = part * SHORT..(part + 1) * SHORT;
        let key = format!("aside:{part}");
        fill(&stage.address(), &key, "default", case.task, numbers)?;
    }
    let mut worker = pickup::idle_worker(&mut stage, who, case)?;
    let mut pending = Pending::of(who);
    let mut sum = Drained {
        jobs: 0.0,
        seconds: 0.0,
        worker_us: 0.0,
        redis: Counters::default(),
    };
    for part in 0..parts {
        let drained = stage.refill(
            &mut worker,
            &mut pending,
            &format!("aside:{part}"),
            case.task,
        )?;
        sum = Drained {
            jobs: sum.jobs + drained.jobs,
            seconds: sum.seconds + drained.seconds,
            worker_us: sum.worker_us + drained.worker_us,
            redis: sum.redis.plus(drained.redis),
        };
    }
    let mut sample = drain::sample(&sum);
    sample.rss_mb = Some(usage::tree_peak_mb(worker.pid()));
    worker.stop(PATIENCE);
    Ok(sample)
}

/// Drains the first of very many.
fn long(who: &Contender, case: &Case) -> Result<Sample> {
    let queued: u64 = case
        .env
        .iter()
        .find(|(name, _)| name == "QUEUED")
        .map_or(Ok(case.jobs), |(_, number)| number.parse())?;
    ensure!(queued >= case.jobs, "fewer queued than drained");
    let mut stage = Stage::start(case.persistence, 0)?;
    let address = stage.address();
    fill(&address, "queue:default", "default", case.task, 0..queued)?;
    let mut pending = Pending::of(who);
    pending.ends_at(i64::try_from(queued - case.jobs)?);
    let full = i64::try_from(case.jobs)?;
    let mut worker = stage.spawn(who, case, "work")?;
    let drained = stage.drain(&mut worker, &mut pending, full)?;
    let mut sample = drain::sample(&drained);
    sample.rss_mb = Some(usage::tree_peak_mb(worker.pid()));
    worker.stop(PATIENCE);
    Ok(sample)
}

fn fail_into_empty(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    fail::fail(&mut stage, who, case)
}

fn fail_into_full(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    promote::far_ahead(&stage.address(), "retry", 1_000_000)?;
    fail::fail(&mut stage, who, case)
}

fn promote_alone(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    promote::promote(&mut stage, who, case, "retry")
}

fn promote_among(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    promote::far_ahead(&stage.address(), "retry", 1_000_000)?;
    promote::promote(&mut stage, who, case, "retry")
}

fn one_queue(who: &Contender, case: &Case) -> Result<Sample> {
    queues(who, case, 1, "")
}

fn strict(who: &Contender, case: &Case) -> Result<Sample> {
    queues(who, case, QUEUES, "")
}

fn weighted(who: &Contender, case: &Case) -> Result<Sample> {
    queues(who, case, QUEUES, ",1")
}

/// Drains jobs that are spread evenly over so many queues.
fn queues(who: &Contender, case: &Case, many: usize, weight: &str) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    let each = case.jobs / many as u64;
    let names: Vec<String> = (0..many).map(|number| format!("q{number:02}")).collect();
    for (name, first) in names.iter().zip((0..).step_by(usize::try_from(each)?)) {
        let key = format!("queue:{name}");
        fill(&stage.address(), &key, name, case.task, first..first + each)?;
    }
    let mut case = case.clone();
    let listed: Vec<String> = names.iter().map(|name| format!("{name}{weight}")).collect();
    case.env.push(("QUEUES".into(), listed.join(" ")));
    let lengths = names
        .iter()
        .map(|name| vec!["LLEN".into(), format!("queue:{name}")]);
    let mut pending = Pending::new(lengths.collect(), true);
    let full = pending.read(&mut stage.probe)?;
    let mut worker = stage.spawn(who, &case, "work")?;
    let drained = stage.drain(&mut worker, &mut pending, full)?;
    let mut sample = drain::sample(&drained);
    sample.rss_mb = Some(usage::tree_peak_mb(worker.pid()));
    worker.stop(PATIENCE);
    Ok(sample)
}

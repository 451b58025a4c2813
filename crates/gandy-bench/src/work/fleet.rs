//! A large idle fleet: what a hundred workers that have nothing to do cost Redis.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::drain::PATIENCE;
use super::{Scope, Work};
use crate::case::{Case, Sample};
use crate::contender::{Contender, Kind};
use crate::row::median;
use crate::stage::Stage;
use crate::usage;

/// A hundred idle processes of eight queues each.
pub(crate) const FLEET: Work = Work {
    name: "idle-fleet",
    cases,
};

/// A process is at rest some beats after its start.
const REST: Duration = Duration::from_secs(6);
/// A few beats of each.
const WATCH: Duration = Duration::from_secs(20);
/// Of a run that need not be exact.
const QUICK: Duration = Duration::from_secs(4);

fn cases(who: &Contender, scope: &Scope) -> Vec<Case> {
    if who.kind != Kind::Gandy {
        return Vec::new();
    }
    let processes = scope.pick("10", "100");
    vec![Case {
        unit: "% of a core (Redis)",
        concurrency: Some(10),
        jobs: 1,
        env: vec![("PROCESSES".into(), processes.into())],
        setting: format!("{processes} processes × 8 queues"),
        ..Case::new("idle-fleet", run)
    }]
}

fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let (_, processes) = &case.env[0];
    let processes: usize = processes.parse()?;
    let mut stage = Stage::start(case.persistence, 0)?;
    let mut case = case.clone();
    let names: Vec<String> = (0..8).map(|number| format!("q{number}")).collect();
    case.env.push(("QUEUES".into(), names.join(" ")));
    let mut workers = Vec::new();
    for _ in 0..processes {
        workers.push(stage.spawn(who, &case, "work")?);
    }
    let end = Instant::now() + Duration::from_secs(60);
    while stage.probe.ask(&["HLEN", "gandy:fleet"])?.int()? < i64::try_from(processes)? {
        ensure!(Instant::now() < end, "not all workers started within 60 s");
        sleep(Duration::from_millis(50));
    }
    sleep(if processes < 100 { QUICK } else { REST });
    let worker_us = || -> f64 {
        let each = workers
            .iter()
            .map(|worker| usage::process_cpu_us(worker.pid()));
        each.sum()
    };
    let (before, worked, begun) = (stage.probe.counters()?, worker_us(), Instant::now());
    sleep(if processes < 100 { QUICK } else { WATCH });
    let redis = stage.probe.counters()?.since(before);
    let seconds = begun.elapsed().as_secs_f64();
    let mut sample = Sample {
        value: redis.cpu_us / 1e6 / seconds * 100.0,
        ..Sample::default()
    };
    let each = seconds * processes as f64;
    sample.note("commands_per_process_and_second", redis.commands / each);
    sample.note(
        "worker_percent_of_a_core_each",
        (worker_us() - worked) / 1e4 / each,
    );
    let clients = stage.probe.ask(&["CLIENT", "LIST"])?.text()?;
    let connections = clients.lines().count() as f64 - 1.0;
    sample.note("connections_per_process", connections / processes as f64);
    let resident = workers
        .iter()
        .map(|worker| usage::tree_resident_mb(worker.pid()));
    sample.note("resident_mb_each", median(resident).unwrap_or(0.0));
    for worker in &workers {
        worker.ask_to_stop();
    }
    for worker in &mut workers {
        worker.stop(PATIENCE);
    }
    Ok(sample)
}

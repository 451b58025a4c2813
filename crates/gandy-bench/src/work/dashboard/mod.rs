//! The dashboard over a million retries: how long its pages take and how large they are, what live pages cost, and how long
//! a job is looked for by its id alone.

mod data;
mod live;
mod pages;
mod search;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Scope, Work};
use crate::case::{Case, Measure};
use crate::child::Child;
use crate::contender::{Contender, Kind};
use crate::stage::Stage;
use crate::task::Task;

/// Pages one by one, and searches.
pub(crate) const DASHBOARD: Work = Work {
    name: "dashboard",
    cases: |who, scope| {
        vec![
            case(scope, "dashboard-pages", "ms (slowest page)", pages::run),
            case(scope, "dashboard-search", "s (p50)", search::run),
        ]
        .into_iter()
        .filter(|_| who.kind == Kind::Gandy)
        .collect()
    },
};

/// Fifty open pages, and none.
pub(crate) const LIVE: Work = Work {
    name: "dashboard-live",
    cases: |who, scope| {
        let case = case(
            scope,
            "dashboard-live",
            "% of a core more for Redis",
            live::run,
        );
        match who.kind {
            Kind::Gandy => vec![case],
            _ => Vec::new(),
        }
    },
};

/// What a quick run says in its conditions.
const QUICK: &str = "quick";

fn case(scope: &Scope, work: &'static str, unit: &'static str, measure: Measure) -> Case {
    Case {
        unit,
        jobs: scope.pick(100_000, 1_000_000),
        setting: scope.pick(QUICK, "").into(),
        ..Case::new(work, measure)
    }
}

fn is_quick(case: &Case) -> bool {
    case.setting == QUICK
}

/// One of two numbers.
fn pick<T>(case: &Case, quick: T, full: T) -> T {
    if is_quick(case) { quick } else { full }
}

/// Workers so that pages have something to show: two that have nothing to do, and one that ends five jobs a second. (A
/// hundred a second cost Redis 2.6 % of a core, ten times what was to be measured.)
fn fleet(stage: &mut Stage, who: &Contender) -> Result<Vec<Child>> {
    let mut workers = Vec::new();
    for (queue, slots) in [(data::IDLE, 10), (data::IDLE, 10), (data::BUSY, 5)] {
        let case = Case {
            task: Task::Sleep1000,
            concurrency: Some(slots),
            env: vec![("QUEUES".into(), queue.into())],
            ..Case::new("dashboard", |_, _| Ok(crate::case::Sample::default()))
        };
        workers.push(stage.spawn(who, &case, "work")?);
    }
    let end = Instant::now() + Duration::from_secs(60);
    // Pages show what the first heartbeat has written.
    while stage.probe.ask(&["SCARD", "processes"])?.int()? < i64::try_from(workers.len())? {
        ensure!(Instant::now() < end, "not all workers started within 60 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(workers)
}

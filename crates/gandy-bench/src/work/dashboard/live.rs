//! What live pages cost Redis and the dashboard: nobody looks, a fleet works and nobody looks, and fifty pages are open.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::data::{self, Data};
use super::{fleet, is_quick};
use crate::case::{Case, Sample};
use crate::contender::Contender;
use crate::dashboard::Dashboard;
use crate::http::{Events, Heard};
use crate::probe::Counters;
use crate::stage::Stage;

/// Open pages of each kind.
const EACH: usize = 10;
/// After the last has been closed its kind is made for ten seconds more; then nothing is to happen.
const LEFT: Duration = Duration::from_secs(13);
/// In which a dashboard that nobody looks at is watched.
const SILENT: Duration = Duration::from_secs(20);
/// Some heartbeats of the fleet, before the pages are open and once more afterwards.
const WITHOUT: Duration = Duration::from_secs(20);
/// A fleet that has just started costs more.
const SETTLE: Duration = Duration::from_secs(8);
/// The first page has Redis examined each minute: this holds one examination, wherever it begins.
const WITH: Duration = Duration::from_secs(60);
/// Of a run that need not be exact.
const QUICK: Duration = Duration::from_secs(5);

/// What page scripts ask for.
fn kinds() -> [String; 5] {
    [
        "overview".into(),
        "queues".into(),
        format!("queue:{}", data::LONG),
        "set:retry".into(),
        "busy".into(),
    ]
}

fn open(dashboard: &Dashboard, each: usize) -> Result<Vec<Events>> {
    let mut pages = Vec::new();
    for _ in 0..each {
        for kind in kinds() {
            pages.push(Events::open(dashboard.port(), &kind)?);
        }
    }
    Ok(pages)
}

fn close(pages: Vec<Events>) -> Result<Heard> {
    let mut all = Heard::default();
    for page in pages {
        let heard = page.close()?;
        all.events += heard.events;
        all.bytes += heard.bytes;
    }
    Ok(all)
}

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    seconds: f64,
    redis: Counters,
    dashboard_us: f64,
}

impl Stretch {
    fn watch(stage: &mut Stage, dashboard: &Dashboard, span: Duration) -> Result<Self> {
        let (before, worked, begun) = (stage.probe.counters()?, dashboard.cpu_us(), Instant::now());
        sleep(span);
        Ok(Self {
            redis: stage.probe.counters()?.since(before),
            dashboard_us: dashboard.cpu_us() - worked,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            redis: self.redis.plus(other.redis),
            dashboard_us: self.dashboard_us + other.dashboard_us,
        }
    }

    /// Of a core.
    fn redis_percent(&self) -> f64 {
        self.redis.cpu_us / 1e4 / self.seconds
    }

    fn dashboard_percent(&self) -> f64 {
        self.dashboard_us / 1e4 / self.seconds
    }

    fn commands(&self) -> f64 {
        self.redis.commands / self.seconds
    }
}

/// Measures all three.
pub(super) fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    Data::fill(&mut stage, case)?;
    let dashboard = Dashboard::start(&mut stage, None)?;
    let span = |full| if is_quick(case) { QUICK } else { full };
    // Somebody has looked, and left.
    dashboard.connect()?.get("/")?;
    close(open(&dashboard, 1)?)?;
    sleep(LEFT);
    let resident_before = dashboard.resident_mb();
    let silent = Stretch::watch(&mut stage, &dashboard, span(SILENT))?;
    let _fleet = fleet(&mut stage, who)?;
    sleep(span(SETTLE));
    let before = Stretch::watch(&mut stage, &dashboard, span(WITHOUT))?;
    let opened = Instant::now();
    let pages = open(&dashboard, EACH)?;
    let many = pages.len() as f64;
    sleep(QUICK);
    let with = Stretch::watch(&mut stage, &dashboard, span(WITH))?;
    let resident = dashboard.resident_mb();
    let heard = close(pages)?;
    let each = many * opened.elapsed().as_secs_f64();
    sleep(LEFT);
    let without = before.plus(Stretch::watch(&mut stage, &dashboard, span(WITHOUT))?);
    let mut sample = Sample {
        value: with.redis_percent() - without.redis_percent(),
        rss_mb: Some(dashboard.peak_mb()),
        ..Sample::default()
    };
    for (name, value) in [
        ("commands_while_nobody_looks", silent.redis.commands),
        (
            "dashboard_percent_of_a_core_while_nobody_looks",
            silent.dashboard_percent(),
        ),
        ("commands_per_second", with.commands() - without.commands()),
        ("commands_per_second_of_the_fleet", without.commands()),
        (
            "redis_percent_of_a_core_for_the_fleet",
            without.redis_percent(),
        ),
        ("dashboard_percent_of_a_core", with.dashboard_percent()),
        ("resident_mb", resident),
        ("resident_mb_before", resident_before),
        ("events_per_page_and_second", heard.events as f64 / each),
        ("kb_per_page_and_second", heard.bytes as f64 / 1e3 / each),
    ] {
        sample.note(name, value);
    }
    Ok(sample)
}

//! What a worker counts for Prometheus: kept in plain counters where runs end, handed to the `metrics` facade with each
//! heartbeat and each scrape.
//!
//! A run adds to four counters; its class and queue select them among registered classes and configured queues, since what
//! stands in a payload must not make a series.

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gandy_store::Kind;
use metrics::{counter, gauge, histogram};

use super::{core::Core, heartbeat, meter_words::*};
use crate::{
    Context,
    metrics::{DURATION_BOUNDS, Exposition},
    registry::Registry,
};

/// The label of what is not registered, or not configured.
const OTHER: &str = "other";
const KINDS: [&str; 4] = ["retry", "unknown", "input", "bug"];

/// The counters of one worker.
#[derive(Debug)]
pub(crate) struct Meter {
    classes: HashMap<String, usize>,
    queues: HashMap<String, usize>,
    /// Of each class in turn, of each queue; of both the last is [`OTHER`].
    cells: Vec<OnceLock<Box<Cell>>>,
    recovered: [AtomicU64; 2],
    poisoned: AtomicU64,
    errors: [AtomicU64; 4],
    /// As handed over.
    fenced: AtomicU64,
    unknown: AtomicU64,
    /// Where it all goes; without one, to the facade's global recorder.
    pub(crate) exposition: OnceLock<Exposition>,
}

/// The runs of one class from one queue, since the last time they were handed over.
#[derive(Debug, Default)]
struct Cell {
    ends: [AtomicU64; RunEnd::WORDS.len()],
    durations: [Bucket; DURATION_BOUNDS.len() + 1],
}

/// With their sum, so that the mean of what is handed over is exact.
#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    micros: AtomicU64,
}

impl Meter {
    pub(crate) fn new<'a>(registry: &Registry, queues: impl Iterator<Item = &'a String>) -> Self {
        let number = |names: Vec<&str>| -> HashMap<String, usize> {
            let names = names.into_iter().enumerate();
            names.map(|(at, name)| (name.to_owned(), at)).collect()
        };
        let mut queues: Vec<&str> = queues.map(String::as_str).collect();
        queues.sort_unstable();
        queues.dedup();
        let (classes, queues) = (number(registry.classes()), number(queues));
        let cells = (classes.len() + 1) * (queues.len() + 1);
        Self {
            classes,
            queues,
            cells: std::iter::repeat_with(OnceLock::new).take(cells).collect(),
            recovered: Default::default(),
            poisoned: AtomicU64::new(0),
            errors: Default::default(),
            fenced: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            exposition: OnceLock::new(),
        }
    }

    /// Counts a run.
    pub(crate) fn count(&self, ctx: &Context, end: RunEnd, took: Duration) {
        self.add(ctx.class(), ctx.queue(), end, took);
    }

    fn add(&self, class: &str, queue: &str, end: RunEnd, took: Duration) {
        let class = self.classes.get(class).copied();
        let queue = self.queues.get(queue).copied();
        let row = class.unwrap_or(self.classes.len()) * (self.queues.len() + 1);
        let cell = &self.cells[row + queue.unwrap_or(self.queues.len())];
        let cell = cell.get_or_init(Box::default);
        cell.ends[end as usize].fetch_add(1, Ordering::Relaxed);
        let seconds = took.as_secs_f64();
        let bucket = &cell.durations[DURATION_BOUNDS.partition_point(|bound| *bound < seconds)];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        bucket.count.fetch_add(1, Ordering::Relaxed);
        bucket.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn recovered(&self, why: Recovery, jobs: u64) {
        self.recovered[why as usize].fetch_add(jobs, Ordering::Relaxed);
    }

    pub(crate) fn poisoned(&self, jobs: u64) {
        self.poisoned.fetch_add(jobs, Ordering::Relaxed);
    }

    pub(crate) fn fetch_failed(&self, kind: Kind) {
        let at = match kind {
            Kind::Retry => 0,
            Kind::Unknown => 1,
            Kind::Input => 2,
            _ => 3,
        };
        self.errors[at].fetch_add(1, Ordering::Relaxed);
    }

    /// Hands over what was counted since the last time.
    pub(crate) fn publish(&self, core: &Core) {
        match self.exposition.get() {
            Some(exposition) => metrics::with_local_recorder(exposition, || self.hand_over(core)),
            None => self.hand_over(core),
        }
    }

    /// The page, if it is kept here.
    pub(crate) fn page(&self, core: &Core) -> Option<String> {
        let exposition = self.exposition.get()?;
        self.publish(core);
        Some(exposition.render())
    }

    fn hand_over(&self, core: &Core) {
        self.hand_over_runs();
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        for (at, reason) in ["dead", "stray"].into_iter().enumerate() {
            counter!("gandy_jobs_recovered_total", "reason" => reason)
                .increment(take(&self.recovered[at]));
        }
        for (at, kind) in KINDS.into_iter().enumerate() {
            counter!("gandy_fetch_errors_total", "kind" => kind).increment(take(&self.errors[at]));
        }
        counter!("gandy_jobs_poisoned_total").increment(take(&self.poisoned));
        let fences = core.stats.fences();
        let news = |now: u64, shown: &AtomicU64| {
            now.saturating_sub(shown.fetch_max(now, Ordering::Relaxed))
        };
        counter!("gandy_jobs_fenced_total").increment(news(fences.fenced, &self.fenced));
        counter!("gandy_jobs_unknown_total").increment(news(fences.unknown, &self.unknown));
        let health = core.health();
        let yes = |is: bool| f64::from(u8::from(is));
        let (mut busy, mut slots) = (0, 0);
        for capsule in &core.capsules {
            busy += capsule.slots.busy();
            slots += capsule.slots.total();
        }
        gauge!("gandy_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        gauge!("gandy_up").set(yes(health.redis));
        gauge!("gandy_redis_rtt_seconds").set(core.pulse.round_trip().as_secs_f64());
        if let Some(age) = health.lease {
            gauge!("gandy_heartbeat_age_seconds").set(age.as_secs_f64());
        }
        gauge!("gandy_worker_concurrency").set(slots as f64);
        gauge!("gandy_worker_busy").set(busy as f64);
        gauge!("gandy_worker_quiet").set(yes(health.quiet));
        gauge!("gandy_worker_claiming").set(yes(health.is_claiming()));
        gauge!("process_resident_memory_bytes").set(heartbeat::rss_kb() as f64 * 1024.0);
        gauge!("process_start_time_seconds").set(core.started_ms as f64 / 1000.0);
    }

    fn hand_over_runs(&self) {
        let names = |of: &HashMap<String, usize>| {
            let mut names = vec![OTHER.to_owned(); of.len() + 1];
            for (name, at) in of {
                names[*at].clone_from(name);
            }
            names
        };
        let (classes, queues) = (names(&self.classes), names(&self.queues));
        for (at, cell) in self.cells.iter().enumerate() {
            let Some(cell) = cell.get() else { continue };
            let (class, queue) = (&classes[at / queues.len()], &queues[at % queues.len()]);
            for (end, word) in cell.ends.iter().zip(RunEnd::WORDS) {
                let runs = end.swap(0, Ordering::Relaxed);
                if runs > 0 {
                    counter!("gandy_jobs_processed_total", "queue" => queue.clone(), "class" => class.clone(), "result" => word)
                        .increment(runs);
                }
            }
            let took = histogram!("gandy_job_duration_seconds", "queue" => queue.clone(), "class" => class.clone());
            for bucket in &cell.durations {
                let count = bucket.count.swap(0, Ordering::Relaxed);
                if count > 0 {
                    let micros = bucket.micros.swap(0, Ordering::Relaxed);
                    let mean = micros as f64 / 1e6 / count as f64;
                    took.record_many(mean, usize::try_from(count).unwrap_or(usize::MAX));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_classes_and_configured_queues_are_labels() {
        let mut registry = Registry::default();
        registry.function("A", |(): (), _: Context| async { Ok(()) });
        let queues = ["q".to_owned(), "r".to_owned(), "q".to_owned()];
        let meter = Meter::new(&registry, queues.iter());
        let exposition = Exposition::default();
        for number in 0..1000 {
            let hostile = format!("{number}\"}}");
            meter.add(&hostile, "q", RunEnd::Done, Duration::from_millis(2));
            meter.add("A", &hostile, RunEnd::Retry, Duration::from_secs(2));
        }
        meter.add("A", "q", RunEnd::Dead, Duration::ZERO);
        for _ in 0..2 {
            metrics::with_local_recorder(&exposition, || meter.hand_over_runs());
        }
        let page = exposition.render();
        let runs: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("gandy_jobs_processed_total"))
            .collect();
        assert_eq!(
            runs,
            [
                r#"gandy_jobs_processed_total{class="A",queue="other",result="retry"} 1000"#,
                r#"gandy_jobs_processed_total{class="A",queue="q",result="dead"} 1"#,
                r#"gandy_jobs_processed_total{class="other",queue="q",result="done"} 1000"#,
            ]
        );
        let took = r#"gandy_job_duration_seconds_sum{class="A",queue="other"} 2000"#;
        assert!(page.contains(took), "{page}");
        let bucket =
            r#"gandy_job_duration_seconds_bucket{class="other",queue="q",le="0.005"} 1000"#;
        assert!(page.contains(bucket), "{page}");
    }
}

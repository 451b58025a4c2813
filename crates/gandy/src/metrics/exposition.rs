//! A recorder for the `metrics` facade that keeps numbers and writes them as a page for Prometheus.
//!
//! By hand and not `metrics-exporter-prometheus`: that one keeps every recorded value until it is scraped, and a worker that
//! ends half a million runs a second with no scrape for a minute would hold them all. Here a histogram is its buckets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::{DURATION_BOUNDS, MetricKind, Page};

/// Series in all; more are not kept. Gandy's own are bounded by classes and queues; an application's may not be.
const SERIES_MAX: usize = 20_000;

/// Labels, sorted.
type Labels = Vec<(String, String)>;

/// The numbers of a process. Cheap to clone; clones are the same numbers.
///
/// Given to [`crate::WorkerBuilder::metrics`] it takes that worker's. An application that counts through the facade too
/// installs it (`metrics::set_global_recorder(exposition.clone())`), and its own metrics are on the same page.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
}

#[derive(Debug)]
struct Family {
    kind: MetricKind,
    help: Option<String>,
    series: BTreeMap<Labels, Series>,
}

#[derive(Debug, Clone)]
enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

/// How many values were at or below each bound, the one above all bounds included; not summed up.
#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; DURATION_BOUNDS.len() + 1],
    /// Bits of a float.
    sum: AtomicU64,
}

impl Exposition {
    /// The page as it is now.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = Page::default();
        for (name, family) in &*self.families() {
            let known = super::metric(name).map(|row| row.what);
            let help = known.or(family.help.as_deref());
            let mut out = page.begin(name, Some(family.kind), help);
            for (labels, series) in &family.series {
                let labels: Vec<(&str, &str)> = labels
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                match series {
                    Series::Counter(count) => {
                        out.sample(&labels, count.load(Ordering::Relaxed) as f64)
                    }
                    Series::Gauge(bits) => {
                        out.sample(&labels, f64::from_bits(bits.load(Ordering::Relaxed)))
                    }
                    Series::Histogram(buckets) => {
                        let mut total = 0;
                        let up_to: Vec<u64> = buckets
                            .counts
                            .iter()
                            .map(|count| {
                                total += count.load(Ordering::Relaxed);
                                total
                            })
                            .collect();
                        let sum = f64::from_bits(buckets.sum.load(Ordering::Relaxed));
                        out.histogram(&labels, &DURATION_BOUNDS, &up_to, total, sum)
                    }
                };
            }
        }
        page.finish()
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        // Maps of numbers are right after every single step.
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of this key; none when there are too many, or the name is taken by another kind.
    fn series(&self, key: &Key, kind: MetricKind) -> Option<Series> {
        let mut families = self.families();
        let full = || {
            families
                .values()
                .map(|family| family.series.len())
                .sum::<usize>()
                >= SERIES_MAX
        };
        let labels: Labels = {
            let labels = key.labels();
            let mut labels: Labels = labels
                .map(|label| (label.key().to_owned(), label.value().to_owned()))
                .collect();
            labels.sort();
            labels
        };
        let known = families
            .get(key.name())
            .is_some_and(|family| family.series.contains_key(&labels));
        if !known && full() {
            return None;
        }
        let family = families
            .entry(key.name().to_owned())
            .or_insert_with(|| Family {
                kind,
                help: None,
                series: BTreeMap::new(),
            });
        if family.series.is_empty() {
            // So far only described, and that by anybody.
            family.kind = kind;
        }
        if family.kind != kind {
            return None;
        }
        let series = family.series.entry(labels).or_insert_with(|| match kind {
            MetricKind::Counter => Series::Counter(Arc::default()),
            MetricKind::Gauge => Series::Gauge(Arc::default()),
            MetricKind::Histogram => Series::Histogram(Arc::default()),
        });
        Some(series.clone())
    }

    fn describe(&self, key: &KeyName, kind: MetricKind, help: &SharedString) {
        self.families()
            .entry(key.as_str().to_owned())
            .or_insert_with(|| Family {
                kind,
                help: None,
                series: BTreeMap::new(),
            })
            .help = Some(help.to_string());
    }
}

impl Recorder for Exposition {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&key, MetricKind::Counter, &help);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&key, MetricKind::Gauge, &help);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&key, MetricKind::Histogram, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.series(key, MetricKind::Counter) {
            Some(Series::Counter(count)) => Counter::from_arc(Arc::new(Count(count))),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.series(key, MetricKind::Gauge) {
            Some(Series::Gauge(bits)) => Gauge::from_arc(Arc::new(Level(bits))),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.series(key, MetricKind::Histogram) {
            Some(Series::Histogram(buckets)) => Histogram::from_arc(buckets),
            _ => Histogram::noop(),
        }
    }
}

struct Count(Arc<AtomicU64>);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

struct Level(Arc<AtomicU64>);

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        add(&self.0, value);
    }

    fn decrement(&self, value: f64) {
        add(&self.0, -value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(count as u64, Ordering::Relaxed);
        add(&self.sum, value * count as f64);
    }
}

/// Adds to a float that is kept as its bits.
fn add(bits: &AtomicU64, value: f64) {
    let more = |now| Some((f64::from_bits(now) + value).to_bits());
    let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_through_the_facade_is_on_the_page() {
        let exposition = Exposition::default();
        metrics::with_local_recorder(&exposition, || {
            metrics::describe_counter!("app.mails", "mails sent");
            metrics::counter!("app.mails", "to" => "b", "from" => "a").increment(2);
            metrics::counter!("app.mails", "from" => "a", "to" => "b").increment(1);
            metrics::gauge!("level").set(1.5);
            metrics::gauge!("level").decrement(0.5);
            metrics::histogram!("gandy_job_duration_seconds").record_many(0.001, 2);
            metrics::histogram!("gandy_job_duration_seconds").record(7200.0);
            // The name is a counter's.
            metrics::gauge!("app.mails").set(9.0);
        });
        let page = exposition.render();
        for line in [
            "# HELP app_mails mails sent",
            "# TYPE app_mails counter",
            "app_mails{from=\"a\",to=\"b\"} 3",
            "level 1",
            "gandy_job_duration_seconds_bucket{le=\"0.001\"} 2",
            "gandy_job_duration_seconds_bucket{le=\"3600\"} 2",
            "gandy_job_duration_seconds_bucket{le=\"+Inf\"} 3",
            "gandy_job_duration_seconds_sum 7200.002",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
        assert_eq!(page.matches("app_mails{").count(), 1);
    }

    #[test]
    fn series_have_a_bound() {
        let exposition = Exposition::default();
        metrics::with_local_recorder(&exposition, || {
            for number in 0..SERIES_MAX + 10 {
                metrics::counter!("c", "n" => number.to_string()).increment(1);
            }
            metrics::counter!("c", "n" => "0").increment(1);
        });
        let page = exposition.render();
        assert_eq!(page.matches("\nc{").count(), SERIES_MAX);
        assert!(page.contains("c{n=\"0\"} 2\n"));
    }
}

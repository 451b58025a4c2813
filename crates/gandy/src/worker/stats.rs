//! What a worker counts: runs, failures, Sidekiq 8's execution metrics. Kept in memory, flushed with the heartbeat; what
//! could not be flushed is kept for the next time (Ruby loses it).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gandy_protocol::{
    Keys, Minute,
    metrics::{
        self, BUCKETS, MINUTE_TTL_S, TEN_MINUTES_TTL_S, executions_field, failures_field,
        milliseconds_field,
    },
};
use gandy_store::{Counts, Histogram, Kind, Line, StoreError, Tally};

use super::label::LABEL_MAX;

/// Classes measured one by one; class names come from payloads, so their number must have a bound, and their length too.
const CLASSES_MAX: usize = 1000;

/// Under this name the others are summed.
const OTHERS: &str = "other";

/// The counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    processed: AtomicU64,
    failed: AtomicU64,
    fenced: AtomicU64,
    unknown: AtomicU64,
    classes: RwLock<HashMap<String, Arc<ClassCounters>>>,
    /// Metrics that could not be written, by minute.
    unflushed: Mutex<Vec<(Minute, Vec<ClassSums>)>>,
}

#[derive(Debug)]
struct ClassCounters {
    executions: AtomicU64,
    failures: AtomicU64,
    milliseconds: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

#[derive(Debug, Clone)]
struct ClassSums {
    class: String,
    executions: u64,
    failures: u64,
    milliseconds: u64,
    buckets: Vec<(usize, u64)>,
}

/// Counters that only this process shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fences {
    /// Steps refused because the entry had been given back to another process.
    pub fenced: u64,
    /// Steps repeated after a lost reply that found nothing: done before, or fenced.
    pub unknown: u64,
}

impl Stats {
    /// Counts a run. Failures count as processed too, as in Sidekiq; only successful runs count their time.
    pub(crate) fn count(&self, class: &str, elapsed: Duration, success: bool) {
        self.processed.fetch_add(1, Ordering::Relaxed);
        let counters = self.class(class);
        counters.executions.fetch_add(1, Ordering::Relaxed);
        if success {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            counters.milliseconds.fetch_add(millis, Ordering::Relaxed);
            counters.buckets[metrics::bucket(millis)].fetch_add(1, Ordering::Relaxed);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            counters.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts steps that found their entry gone.
    pub(crate) fn missing(&self, count: usize, repeated: bool) {
        let counter = if repeated {
            &self.unknown
        } else {
            &self.fenced
        };
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn fences(&self) -> Fences {
        Fences {
            fenced: self.fenced.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    fn class(&self, class: &str) -> Arc<ClassCounters> {
        {
            let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(counters) = classes.get(class) {
                return Arc::clone(counters);
            }
        }
        let mut classes = self.classes.write().unwrap_or_else(PoisonError::into_inner);
        let name = if classes.len() < CLASSES_MAX && class.len() <= LABEL_MAX {
            class
        } else {
            OTHERS
        };
        Arc::clone(classes.entry(name.to_owned()).or_default())
    }

    /// Writes everything counted since the last flush.
    pub(crate) async fn flush(&self, line: &Line, minute: Minute) -> Result<(), StoreError> {
        let tally = Tally {
            processed: self.processed.swap(0, Ordering::Relaxed),
            failed: self.failed.swap(0, Ordering::Relaxed),
        };
        let tallied = line.tally(&tally, &minute.date()).await;
        if keeps(&tallied) {
            self.processed.fetch_add(tally.processed, Ordering::Relaxed);
            self.failed.fetch_add(tally.failed, Ordering::Relaxed);
        }
        let mut pending = std::mem::take(
            &mut *self
                .unflushed
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let sums = self.take_sums();
        if !sums.is_empty() {
            pending.push((minute, sums));
        }
        let mut failed = Vec::new();
        let mut outcome = tallied;
        for (minute, sums) in pending {
            let (counts, histograms) = increments(line.keys(), minute, &sums);
            let measured = line.measure(&counts, &histograms).await;
            // An hour of minutes is kept; older ones would be of no use by then.
            if keeps(&measured) && failed.len() < 60 {
                failed.push((minute, sums));
            }
            outcome = outcome.and(measured);
        }
        self.unflushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(failed);
        outcome
    }

    fn take_sums(&self) -> Vec<ClassSums> {
        let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
        classes
            .iter()
            .filter_map(|(class, counters)| counters.take(class))
            .collect()
    }
}

/// Where nothing was added the numbers are kept. After a lost reply they may have been added, and where one key is of
/// another type the others were: counting twice, beat after beat, would be worse than missing a few.
fn keeps(outcome: &Result<(), StoreError>) -> bool {
    matches!(outcome, Err(error) if error.kind() == Kind::Retry)
}

impl Default for ClassCounters {
    fn default() -> Self {
        Self {
            executions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            milliseconds: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl ClassCounters {
    fn take(&self, class: &str) -> Option<ClassSums> {
        let executions = self.executions.swap(0, Ordering::Relaxed);
        let failures = self.failures.swap(0, Ordering::Relaxed);
        let milliseconds = self.milliseconds.swap(0, Ordering::Relaxed);
        let buckets: Vec<(usize, u64)> = self
            .buckets
            .iter()
            .enumerate()
            .map(|(index, bucket)| (index, bucket.swap(0, Ordering::Relaxed)))
            .filter(|&(_, count)| count > 0)
            .collect();
        let any = executions + failures + milliseconds > 0 || !buckets.is_empty();
        any.then(|| ClassSums {
            class: class.to_owned(),
            executions,
            failures,
            milliseconds,
            buckets,
        })
    }
}

fn increments(keys: &Keys, minute: Minute, sums: &[ClassSums]) -> (Vec<Counts>, Vec<Histogram>) {
    let fields: Vec<(String, u64)> = sums
        .iter()
        .flat_map(|sum| {
            [
                (executions_field(&sum.class), sum.executions),
                (failures_field(&sum.class), sum.failures),
                (milliseconds_field(&sum.class), sum.milliseconds),
            ]
        })
        .filter(|&(_, amount)| amount > 0)
        .collect();
    let seconds = |ttl: u32| Duration::from_secs(ttl.into());
    let counts = vec![
        Counts {
            key: keys.metrics_minute(minute),
            ttl: seconds(MINUTE_TTL_S),
            fields: fields.clone(),
        },
        Counts {
            key: keys.metrics_ten_minutes(minute),
            ttl: seconds(TEN_MINUTES_TTL_S),
            fields,
        },
    ];
    let histograms = sums
        .iter()
        .filter(|sum| !sum.buckets.is_empty())
        .map(|sum| Histogram {
            key: keys.metrics_histogram(&sum.class, minute),
            ttl: seconds(MINUTE_TTL_S),
            buckets: sum.buckets.clone(),
        })
        .collect();
    (counts, histograms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_as_processed_and_only_successes_count_time() {
        let stats = Stats::default();
        stats.count("A", Duration::from_millis(25), true);
        stats.count("A", Duration::from_millis(900), false);
        assert_eq!(stats.processed.load(Ordering::Relaxed), 2);
        let sums = stats.take_sums();
        assert_eq!(
            (sums[0].executions, sums[0].failures, sums[0].milliseconds),
            (2, 1, 25)
        );
        assert_eq!(sums[0].buckets, [(1, 1)]);
        assert!(stats.take_sums().is_empty());
    }

    #[test]
    fn class_names_from_payloads_do_not_grow_memory() {
        let stats = Stats::default();
        for number in 0..3000 {
            stats.count(&format!("C{number}"), Duration::ZERO, true);
        }
        assert!(stats.take_sums().len() <= CLASSES_MAX + 1);
        let stats = Stats::default();
        stats.count(&"C".repeat(1_000_000), Duration::ZERO, true);
        assert_eq!(stats.take_sums()[0].class, OTHERS);
    }
}

//! Metrics for Prometheus: what there is, and how it is written.
//!
//! * here: the table of every metric, which code, documents, dashboards and alerts are held to
//! * `page`: the text format
//! * `exposition` (feature `metrics`): a recorder for the `metrics` facade that writes itself as such a page
//!
//! Not here: counting (`worker::meter`).

#[cfg(feature = "metrics")]
mod exposition;
mod page;

#[cfg(feature = "metrics")]
pub use exposition::Exposition;
pub use page::Page;

/// The upper bounds of `gandy_job_duration_seconds`, in seconds: from a no-op to an hour.
pub const DURATION_BOUNDS: [f64; 16] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0,
];

/// What a metric is, in Prometheus' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "Prometheus' own words")]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl MetricKind {
    /// The word behind `# TYPE`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Who shows a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedBy {
    /// A worker, of itself.
    Worker,
    /// `gandy exporter`, of the fleet.
    Exporter,
    /// Each of both, of itself.
    Both,
}

impl ServedBy {
    /// As the documents name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Exporter => "exporter",
            Self::Both => "worker, exporter",
        }
    }
}

/// A row of [`METRICS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// Who shows it.
    pub served_by: ServedBy,
    /// What it says.
    pub what: &'static str,
}

const fn row(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    served_by: ServedBy,
    what: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        served_by,
        what,
    }
}

use MetricKind::{Counter, Gauge, Histogram};
use ServedBy::{Both, Exporter, Worker};

/// Every metric. A label's value is a registered class, a configured queue, one of a closed list, or `other`: what stands in
/// payloads never makes a series. (The exporter's `queue` is a name in the set `queues`.)
#[rustfmt::skip] // A table.
pub const METRICS: &[Metric] = &[
    row("gandy_up", Gauge, &[], Both, "1: Redis answered this scrape, or answers the worker's renewals"),
    row("gandy_build_info", Gauge, &["version"], Both, "always 1"),
    row("gandy_redis_rtt_seconds", Gauge, &[], Both, "the last round trip to Redis"),
    row("gandy_jobs_processed_total", Counter, &["queue", "class", "result"], Worker,
        "runs that ended: done, retry, dead, dropped (failed for good and kept nowhere), snoozed, returned (interrupted and given back)"),
    row("gandy_job_duration_seconds", Histogram, &["queue", "class"], Worker, "how long runs took, however they ended"),
    row("gandy_jobs_recovered_total", Counter, &["reason"], Worker,
        "jobs put back to work: dead (their worker died), stray (a claim whose reply was lost)"),
    row("gandy_jobs_poisoned_total", Counter, &[], Worker, "jobs buried because workers died with them aboard, again and again"),
    row("gandy_jobs_fenced_total", Counter, &[], Worker, "steps refused because the job had been given back to another worker"),
    row("gandy_jobs_unknown_total", Counter, &[], Worker, "steps repeated after a lost reply that found nothing to do"),
    row("gandy_fetch_errors_total", Counter, &["kind"], Worker,
        "claims that failed: retry (nothing happened), unknown (the reply was lost), input (refused), bug"),
    row("gandy_heartbeat_age_seconds", Gauge, &[], Worker, "since the last renewal of the lease that Redis granted"),
    row("gandy_worker_concurrency", Gauge, &[], Worker, "jobs that run at once, at most"),
    row("gandy_worker_busy", Gauge, &[], Worker, "jobs that run"),
    row("gandy_worker_quiet", Gauge, &[], Worker, "1: told to claim no more"),
    row("gandy_worker_claiming", Gauge, &[], Worker, "1: it claims; 0: quiet, held by the memory guard, or Redis is away"),
    row("process_resident_memory_bytes", Gauge, &[], Worker, "memory of the process"),
    row("process_start_time_seconds", Gauge, &[], Worker, "when it started, seconds since 1970"),
    row("gandy_queue_size", Gauge, &["queue"], Exporter, "jobs that wait in the queue"),
    row("gandy_queue_latency_seconds", Gauge, &["queue"], Exporter, "how long the job that is next has been waiting; 0 in an empty queue"),
    row("gandy_queue_busy", Gauge, &["queue"], Exporter, "jobs of the queue that Gandy's workers hold"),
    row("gandy_queue_paused", Gauge, &["queue"], Exporter, "1: paused"),
    row("gandy_set_size", Gauge, &["set"], Exporter, "entries of schedule, retry and dead"),
    row("gandy_scheduler_lag_seconds", Gauge, &["set"], Exporter, "how long the oldest due entry of schedule or retry is overdue; 0: none is"),
    row("gandy_processes", Gauge, &[], Exporter, "processes with a living heartbeat, Ruby's included"),
    row("gandy_processes_quiet", Gauge, &[], Exporter, "those of them that claim no more"),
    row("gandy_fleet_concurrency", Gauge, &[], Exporter, "jobs that they run at once, at most"),
    row("gandy_fleet_busy", Gauge, &[], Exporter, "jobs that they ran at their last heartbeat"),
    row("gandy_oldest_heartbeat_age_seconds", Gauge, &[], Exporter, "age of the oldest of their heartbeats; 0 without a process"),
    row("gandy_processed_total", Counter, &[], Exporter, "runs that ended since ever (stat:processed)"),
    row("gandy_failed_total", Counter, &[], Exporter, "runs that failed since ever (stat:failed)"),
    row("gandy_redis_memory_used_bytes", Gauge, &[], Exporter, "memory that Redis uses"),
    row("gandy_redis_memory_max_bytes", Gauge, &[], Exporter, "maxmemory of Redis; 0: no limit"),
    row("gandy_redis_eviction_safe", Gauge, &[], Exporter, "1: maxmemory-policy is noeviction"),
    row("gandy_redis_aof_enabled", Gauge, &[], Exporter, "1: Redis writes an append-only file"),
    row("gandy_redis_persistence_ok", Gauge, &[], Exporter, "1: the last snapshot and the last write to the append-only file went well"),
    row("gandy_clock_skew_seconds", Gauge, &[], Exporter, "the exporter's clock minus Redis'"),
    row("gandy_doctor_findings", Gauge, &["severity"], Exporter, "what gandy doctor finds, every minute; only with --doctor"),
];

/// The row of this name.
pub(crate) fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

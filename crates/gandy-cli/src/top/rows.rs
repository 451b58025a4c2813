//! The lines of a page: what is read becomes cells, all of them printable, each line with what it stands for.

use gandy::views::ClassMetrics;
use gandy::{JobInfo, Payload, Place, ProcessInfo, QueueInfo};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::{Body, Found};
use crate::printable::printable;
use crate::{spark, words};

/// More characters than this no cell has: arguments can be megabytes.
const CELL_MAX: usize = 240;

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// So many characters.
    Fixed(u16),
    /// So many shares of what is left.
    Share(u16),
    /// As `Fixed`, to the right.
    Number(u16),
    /// As `Share`, but of what is too long the end is shown: there is what is newest.
    Tail(u16),
}

/// A column: title, layout, and how wide the terminal has to be for it.
pub(crate) type Column = (&'static str, Width, u16);

pub(crate) type Columns = &'static [Column];

/// On terminals this wide there is room for more than what matters most.
const WIDE: u16 = 110;

#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The cells of the page's columns.
    pub(crate) cells: Vec<String>,
    pub(crate) target: Target,
}

/// What a line stands for.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Queue {
        name: String,
        size: u64,
        paused: bool,
    },
    Job(Box<Found>),
    Process(Box<ProcessInfo>),
    Running {
        job: Option<Payload>,
        raw: String,
    },
    Class(String),
}

use Width::{Fixed, Number, Share, Tail};

pub(crate) const QUEUES: Columns = &[
    ("QUEUE", Share(1), 0),
    ("SIZE", Number(14), 0),
    ("LATENCY", Fixed(12), 0),
    ("STATE", Fixed(8), 0),
];
pub(crate) const WAITING: Columns = &[
    ("JID", Fixed(24), 0),
    ("ENQUEUED", Fixed(8), 0),
    ("CLASS", Share(2), 0),
    ("ARGS", Share(3), 0),
];
pub(crate) const SCHEDULED: Columns = &[
    ("JID", Fixed(24), 0),
    ("DUE", Fixed(8), 0),
    ("QUEUE", Fixed(16), WIDE),
    ("CLASS", Share(2), 0),
    ("ARGS", Share(2), 0),
];
pub(crate) const RETRIES: Columns = &[
    ("JID", Fixed(24), 0),
    ("NEXT", Fixed(8), 0),
    ("COUNT", Number(5), 0),
    ("QUEUE", Fixed(16), WIDE),
    ("CLASS", Share(2), 0),
    ("ARGS", Share(2), WIDE),
    ("ERROR", Share(3), 0),
];
pub(crate) const DEAD: Columns = &[
    ("JID", Fixed(24), 0),
    ("DIED", Fixed(8), 0),
    ("QUEUE", Fixed(16), WIDE),
    ("CLASS", Share(2), 0),
    ("ARGS", Share(2), WIDE),
    ("ERROR", Share(3), 0),
];
pub(crate) const RUNNING: Columns = &[
    ("JID", Fixed(24), 0),
    ("FOR", Fixed(5), 0),
    ("QUEUE", Fixed(16), WIDE),
    ("CLASS", Share(3), 0),
    ("ARGS", Share(3), WIDE),
    ("PROCESS", Share(4), 0),
];
pub(crate) const PROCESSES: Columns = &[
    ("IDENTITY", Share(3), 0),
    ("STATE", Fixed(7), 0),
    ("BUSY", Number(9), 0),
    ("HEARD OF", Fixed(8), 0),
    ("QUEUES", Share(2), 0),
    ("MEMORY", Number(8), WIDE),
];

pub(crate) const METRICS: Columns = &[
    ("CLASS", Share(3), 0),
    ("RUNS", Number(9), 0),
    ("FAILED", Number(7), 0),
    ("MEAN", Number(6), WIDE),
    ("P50", Number(6), 0),
    ("P95", Number(6), 0),
    ("P99", Number(6), 0),
    ("BY MINUTE", Tail(2), 0),
];

/// The columns of a place's jobs.
pub(crate) fn columns_of(place: &Place) -> Columns {
    match place {
        Place::Queue(_) => WAITING,
        Place::Schedule => SCHEDULED,
        Place::Retry => RETRIES,
        Place::Dead => DEAD,
    }
}

impl Row {
    /// What tells it from the others when it is read again.
    pub(crate) fn is_same(&self, other: &Row) -> bool {
        match (&self.target, &other.target) {
            (Target::Queue { name, .. }, Target::Queue { name: other, .. }) => name == other,
            (Target::Process(one), Target::Process(other)) => one.identity == other.identity,
            (Target::Job(one), Target::Job(other)) => one.job.bytes == other.job.bytes,
            (Target::Running { raw, .. }, Target::Running { raw: other, .. }) => raw == other,
            (Target::Class(name), Target::Class(other)) => name == other,
            _ => false,
        }
    }
}

/// The lines of what was read; `running` takes a process apart into its jobs.
pub(crate) fn of(body: &Body, running: bool, now_ms: i64) -> Vec<Row> {
    match body {
        Body::Queues(queues) => queues.iter().map(queue).collect(),
        Body::Processes(processes) if running => processes
            .iter()
            .flat_map(|process| self::running(process, now_ms))
            .collect(),
        Body::Processes(processes) => processes
            .iter()
            .map(|process| self::process(process, now_ms))
            .collect(),
        Body::Jobs { jobs, .. } => jobs.iter().map(|found| job(found, now_ms)).collect(),
        Body::Metrics(metrics) => metrics.classes.iter().map(class).collect(),
    }
}

fn row(cells: &[String], target: Target) -> Row {
    let cells = cells.iter().map(|cell| cut(cell)).collect();
    Row { cells, target }
}

/// Bounded and harmless.
fn cut(cell: &str) -> String {
    printable(&cell.chars().take(CELL_MAX).collect::<String>())
}

/// An instant in as few characters as a narrow terminal has: `in 5m`, `now`, `3h ago`.
fn brief(at_ms: i64, now_ms: i64) -> String {
    match at_ms.abs_diff(now_ms) {
        0..1000 => "now".to_owned(),
        distance if at_ms > now_ms => format!("in {}", span(distance)),
        distance => format!("{} ago", span(distance)),
    }
}

/// Down to whole seconds, minutes, hours, days or years.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6_000 => format!("{}m", seconds / 60),
        6_000..172_800 => format!("{}h", seconds / 3600),
        172_800..63_072_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

fn none() -> String {
    "-".to_owned()
}

fn queue(queue: &QueueInfo) -> Row {
    let latency = queue.latency.map_or_else(none, |latency| {
        words::span(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX))
    });
    let state = if queue.paused { "paused" } else { "-" };
    let target = Target::Queue {
        name: queue.name.clone(),
        size: queue.size,
        paused: queue.paused,
    };
    row(
        &[
            queue.name.clone(),
            words::grouped(queue.size),
            latency,
            state.to_owned(),
        ],
        target,
    )
}

fn job(found: &Found, now_ms: i64) -> Row {
    let job = &found.job;
    let payload = job.payload.as_ref().ok();
    let at_ms = match job.place {
        Place::Queue(_) => payload
            .and_then(|payload| payload.stamp("enqueued_at"))
            .map(|stamp| stamp.millis()),
        _ => job.at_ms,
    };
    let class = match payload {
        Some(payload) => payload.display_class().to_owned(),
        None => "not a job".to_owned(),
    };
    let args = match &job.payload {
        Ok(payload) => payload.args().to_owned(),
        Err(problem) => problem.clone(),
    };
    let mut cells = vec![
        payload.map_or_else(none, |payload| payload.jid().to_owned()),
        at_ms.map_or_else(none, |at| brief(at, now_ms)),
    ];
    if job.place == Place::Retry {
        let count = payload.and_then(|payload| payload.retry_count());
        cells.push(count.map_or_else(none, |count| count.to_string()));
    }
    if !matches!(job.place, Place::Queue(_)) {
        let queue = payload.and_then(|payload| payload.queue());
        cells.push(queue.map_or_else(none, str::to_owned));
    }
    cells.extend([class, args]);
    if matches!(job.place, Place::Retry | Place::Dead) {
        cells.push(error(found).unwrap_or_else(none));
    }
    row(&cells, Target::Job(Box::new(found.clone())))
}

/// `Class: message` of its last failure, else why it was buried, else what is wrong with it.
pub(crate) fn error(found: &Found) -> Option<String> {
    said(&found.job)
        .or_else(|| found.reason.clone())
        .or_else(|| found.job.payload.as_ref().err().cloned())
}

fn said(job: &JobInfo) -> Option<String> {
    let payload = job.payload.as_ref().ok()?;
    let text = |name: &str| serde_json::from_str::<String>(payload.field(name)?).ok();
    match (text("error_class"), text("error_message")) {
        (Some(class), Some(message)) => Some(format!("{class}: {message}")),
        (class, message) => class.or(message),
    }
}

/// A running job as its process shows it. Ruby before 6.0.2 has an object where others have its text.
#[derive(Deserialize)]
struct Work<'a> {
    #[serde(default)]
    queue: String,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    run_at: f64,
}

fn running(process: &ProcessInfo, now_ms: i64) -> Vec<Row> {
    let each = process.work.iter().map(|work| {
        let entry = serde_json::from_str::<Work<'_>>(&work.json).ok();
        let text = entry.as_ref().and_then(|entry| entry.payload).map(|raw| {
            serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
        });
        let payload = text.and_then(|text| Payload::parse(text.into_bytes()).ok());
        let cell = |text: Option<&str>| text.map_or_else(none, str::to_owned);
        let since = entry.as_ref().filter(|entry| entry.run_at > 0.0);
        row(
            &[
                cell(payload.as_ref().map(|payload| payload.jid())),
                since.map_or_else(none, |entry| {
                    span(now_ms.abs_diff((entry.run_at * 1000.0) as i64))
                }),
                cell(entry.as_ref().map(|entry| entry.queue.as_str())),
                cell(payload.as_ref().map(|payload| payload.display_class())),
                cell(payload.as_ref().map(|payload| payload.args())),
                process.identity.clone(),
            ],
            Target::Running {
                job: payload,
                raw: work.json.clone(),
            },
        )
    });
    each.collect()
}

/// The part of `info` that is shown.
#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    queues: Vec<String>,
}

fn process(process: &ProcessInfo, now_ms: i64) -> Row {
    let silent = process.info.is_empty();
    let info: Info = serde_json::from_str(&process.info).unwrap_or_default();
    let state = match (silent, process.quiet) {
        (true, _) => "silent",
        (false, true) => "quiet",
        (false, false) => "running",
    };
    let cells = vec![
        process.identity.clone(),
        state.to_owned(),
        format!("{}/{}", process.busy, process.concurrency),
        process.beat_ms.map_or_else(none, |at| brief(at, now_ms)),
        if info.queues.is_empty() {
            none()
        } else {
            info.queues.join(" ")
        },
        if silent {
            none()
        } else {
            words::memory(process.rss_kb)
        },
    ];
    row(&cells, Target::Process(Box::new(process.clone())))
}

fn class(metrics: &ClassMetrics) -> Row {
    let cells = [
        metrics.class.clone(),
        words::grouped(metrics.runs),
        words::grouped(metrics.failures),
        took(metrics.mean_ms),
        took(metrics.p50_ms),
        took(metrics.p95_ms),
        took(metrics.p99_ms),
        spark::line(&metrics.series, metrics.series.len()),
    ];
    row(&cells, Target::Class(metrics.class.clone()))
}

/// A run time in at most six characters.
fn took(ms: Option<f64>) -> String {
    match ms {
        None => none(),
        Some(ms) if ms < 9.95 => format!("{ms:.1}ms"),
        Some(ms) if ms < 999.5 => format!("{ms:.0}ms"),
        Some(ms) if ms < 99_950.0 => format!("{:.1}s", ms / 1_000.0),
        Some(ms) => span(ms as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_time_has_the_digits_that_matter_in_six_characters() {
        for (ms, expected) in [
            (None, "-"),
            (Some(0.04), "0.0ms"),
            (Some(9.96), "10ms"),
            (Some(823.4), "823ms"),
            (Some(999.6), "1.0s"),
            (Some(12_345.0), "12.3s"),
            (Some(335_000.0), "5m"),
        ] {
            assert_eq!(took(ms), expected, "{ms:?}");
        }
    }
}

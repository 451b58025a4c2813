//! The lines of a page: what is read becomes cells, all of them printable, each line with what it stands for.

use gandy::{JobInfo, Payload, Place, ProcessInfo, QueueInfo};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::{Body, Found};
use crate::printable::printable;
use crate::words;

/// More characters than this no cell has: arguments can be megabytes.
const CELL_MAX: usize = 240;

/// What a filter looks at of one payload.
const SEARCHED: usize = 64 * 1024;

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// So many characters.
    Fixed(u16),
    /// So many shares of what is left.
    Share(u16),
    /// As `Fixed`, to the right.
    Number(u16),
}

pub(crate) type Columns = &'static [(&'static str, Width)];

#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The cells of the page's columns.
    pub(crate) cells: Vec<String>,
    pub(crate) target: Target,
}

/// What a line stands for.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Queue { name: String, paused: bool },
    Job(Box<Found>),
    Process(Box<ProcessInfo>),
    Running { job: Option<Payload>, raw: String },
}

use Width::{Fixed, Number, Share};

pub(crate) const QUEUES: Columns = &[
    ("QUEUE", Share(3)),
    ("SIZE", Number(12)),
    ("LATENCY", Fixed(12)),
    ("STATE", Fixed(8)),
];
pub(crate) const WAITING: Columns = &[
    ("JID", Fixed(24)),
    ("ENQUEUED", Fixed(14)),
    ("CLASS", Share(2)),
    ("ARGS", Share(3)),
];
pub(crate) const SCHEDULED: Columns = &[
    ("JID", Fixed(24)),
    ("DUE", Fixed(14)),
    ("QUEUE", Fixed(10)),
    ("CLASS", Share(2)),
    ("ARGS", Share(2)),
];
pub(crate) const RETRIES: Columns = &[
    ("JID", Fixed(24)),
    ("NEXT", Fixed(13)),
    ("COUNT", Number(5)),
    ("CLASS", Share(2)),
    ("ERROR", Share(3)),
];
pub(crate) const DEAD: Columns = &[
    ("JID", Fixed(24)),
    ("DIED", Fixed(14)),
    ("CLASS", Share(2)),
    ("ERROR", Share(3)),
];
pub(crate) const RUNNING: Columns = &[
    ("JID", Fixed(24)),
    ("SINCE", Fixed(14)),
    ("QUEUE", Fixed(10)),
    ("CLASS", Share(2)),
    ("PROCESS", Share(2)),
];
pub(crate) const PROCESSES: Columns = &[
    ("IDENTITY", Share(3)),
    ("STATE", Fixed(8)),
    ("BUSY", Number(9)),
    ("HEARD OF", Fixed(14)),
    ("QUEUES", Share(2)),
    ("MEMORY", Number(8)),
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
            _ => false,
        }
    }

    /// Whether the words of a filter stand anywhere in the line or the payload, small or capital.
    pub(crate) fn holds(&self, lower_case_words: &[String]) -> bool {
        let payload: &[u8] = match &self.target {
            Target::Job(found) => &found.job.bytes,
            Target::Running { raw, .. } => raw.as_bytes(),
            Target::Process(process) => process.info.as_bytes(),
            Target::Queue { .. } => &[],
        };
        let payload = String::from_utf8_lossy(&payload[..payload.len().min(SEARCHED)]);
        let mut text = payload.to_lowercase();
        for cell in &self.cells {
            text.push('\n');
            text += &cell.to_lowercase();
        }
        lower_case_words
            .iter()
            .all(|word| text.contains(word.as_str()))
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
    }
}

fn row(cells: Vec<String>, target: Target) -> Row {
    let cells = cells.iter().map(|cell| cut(cell)).collect();
    Row { cells, target }
}

/// Bounded and harmless.
fn cut(cell: &str) -> String {
    printable(&cell.chars().take(CELL_MAX).collect::<String>())
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
        paused: queue.paused,
    };
    row(
        vec![
            queue.name.clone(),
            queue.size.to_string(),
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
        at_ms.map_or_else(none, |at| words::relative(at, now_ms)),
    ];
    match job.place {
        Place::Queue(_) => cells.extend([class, args]),
        Place::Schedule => {
            let queue = payload.and_then(|payload| payload.queue());
            cells.extend([queue.map_or_else(none, str::to_owned), class, args]);
        }
        Place::Retry => {
            let count = payload.and_then(|payload| payload.retry_count());
            cells.extend([count.map_or_else(none, |count| count.to_string()), class]);
            cells.push(error(found).unwrap_or_else(none));
        }
        Place::Dead => cells.extend([class, error(found).unwrap_or_else(none)]),
    }
    row(cells, Target::Job(Box::new(found.clone())))
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
            vec![
                cell(payload.as_ref().map(|payload| payload.jid())),
                since.map_or_else(none, |entry| {
                    words::relative((entry.run_at * 1000.0) as i64, now_ms)
                }),
                cell(entry.as_ref().map(|entry| entry.queue.as_str())),
                cell(payload.as_ref().map(|payload| payload.display_class())),
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
        process
            .beat_ms
            .map_or_else(none, |at| words::relative(at, now_ms)),
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
    row(cells, Target::Process(Box::new(process.clone())))
}

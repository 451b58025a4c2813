//! Who works, and what runs at this moment, as processes show it at their heartbeats.

use askama::Template;
use axum::extract::{Path, State};
use gandy::ProcessInfo;
use gandy::views::RunningJob;
use serde::Deserialize;

use super::{Put, html, see};
use crate::audit;
use crate::frame::{Frame, Tab, Visitor};
use crate::json;
use crate::param::{Form, Query, encoded};
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};
use crate::words::{self, When, clipped};

/// Rows of a table; how many more there are is said.
const ROWS: usize = 200;

#[derive(Template)]
#[template(path = "busy.html")]
struct Page {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "busy/processes.html")]
struct Processes<'a> {
    frame: &'a Frame,
    view: &'a View,
}

#[derive(Template)]
#[template(path = "busy/running.html")]
struct Running<'a> {
    frame: &'a Frame,
    view: &'a View,
}

struct View {
    processes: Vec<Process>,
    more_processes: usize,
    running: Vec<Run>,
    more_running: usize,
}

struct Process {
    identity: String,
    link: String,
    host: String,
    rest: String,
    tag: String,
    labels: Vec<String>,
    state: &'static str,
    tone: &'static str,
    busy: u64,
    slots: u64,
    share: u64,
    queues: String,
    memory: String,
    round_trip: String,
    slow: bool,
    version: String,
    started: Option<When>,
    beat: Option<When>,
    /// Whether it heeds signals.
    heeds: bool,
    embedded: bool,
    quiet: bool,
}

struct Run {
    key: String,
    jid: String,
    link: String,
    class: String,
    queue: String,
    args: String,
    process: String,
    started: Option<When>,
    progress: String,
    /// Of 100, where the handler says of how much.
    share: Option<u64>,
    attempt: u32,
}

/// What a process says of itself; of another type counts as not said.
#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    queues: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    version: String,
    started_at: Option<f64>,
    /// Part of an application, which stops it itself: it heeds no signal from here.
    #[serde(default)]
    embedded: bool,
}

pub(crate) async fn show(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let glance = app.watch.glance().await?;
    let processes = app.watch.processes().await?;
    let frame = Frame::new(&app, &visitor, Tab::Busy, "Busy", Ok(&glance))
        .live("busy")
        .noticing(app.notices.take(&query));
    html(&Page {
        view: view(&app, &processes, frame.now_ms),
        frame,
    })
}

pub(crate) async fn fragments(app: &Shared, frame: &Frame, put: Put<'_>) {
    let Ok(processes) = app.watch.processes().await else {
        return;
    };
    let view = &view(app, &processes, frame.now_ms);
    put("processes", Processes { frame, view }.render());
    put("running", Running { frame, view }.render());
}

fn view(app: &Shared, processes: &[ProcessInfo], now_ms: i64) -> View {
    let running = RunningJob::all_of(processes);
    View {
        more_processes: processes.len().saturating_sub(ROWS),
        more_running: running.len().saturating_sub(ROWS),
        processes: processes
            .iter()
            .take(ROWS)
            .map(|it| process(it, now_ms))
            .collect(),
        running: running
            .iter()
            .take(ROWS)
            .map(|it| run(app, it, now_ms))
            .collect(),
    }
}

fn process(process: &ProcessInfo, now_ms: i64) -> Process {
    let info: Info = serde_json::from_str(&process.info).unwrap_or_default();
    let gone = process.info.is_empty();
    let (host, rest) = process
        .identity
        .split_once(':')
        .unwrap_or((&process.identity, ""));
    let (state, tone) = match (gone, process.quiet) {
        (true, _) => ("silent", "bad"),
        (false, true) => ("quiet", "warn"),
        (false, false) => ("", ""),
    };
    Process {
        link: encoded(&process.identity),
        host: clipped(host, 60),
        rest: clipped(rest, 40),
        identity: process.identity.clone(),
        tag: clipped(&info.tag, 40),
        labels: info
            .labels
            .iter()
            .take(6)
            .map(|label| clipped(label, 30))
            .collect(),
        state,
        tone,
        busy: process.busy,
        slots: process.concurrency,
        share: match process.concurrency {
            0 => 0,
            slots => (process.busy * 100 / slots).min(100),
        },
        queues: clipped(&info.queues.join(", "), 120),
        memory: match process.rss_kb {
            0 => "–".to_owned(),
            kb => words::bytes(kb.saturating_mul(1024)),
        },
        round_trip: match process.rtt_us {
            0 => "–".to_owned(),
            us => words::took(us as f64 / 1000.0),
        },
        slow: process.rtt_us > 50_000,
        version: clipped(&info.version, 20),
        started: info
            .started_at
            .map(|at| When::new((at * 1000.0) as i64, now_ms)),
        beat: process.beat_ms.map(|at| When::new(at, now_ms)),
        heeds: !gone && !info.embedded,
        embedded: info.embedded,
        quiet: process.quiet,
    }
}

fn run(app: &Shared, job: &RunningJob, now_ms: i64) -> Run {
    let payload = job.payload.as_ref();
    let args = payload.map(|payload| {
        let hides = app.redaction.of(payload.class(), payload.display_class());
        json::line(payload.args(), &hides, 160).text()
    });
    let jid = job.jid().unwrap_or_default();
    Run {
        key: format!("{}:{}", job.identity, job.id),
        link: encoded(jid),
        jid: clipped(jid, 40),
        class: clipped(job.class().unwrap_or("cannot be read"), 120),
        queue: clipped(job.queue.as_deref().unwrap_or_default(), 60),
        args: args.unwrap_or_default(),
        process: clipped(&job.identity, 60),
        started: job.started_ms.map(|at| When::new(at, now_ms)),
        share: job.steps.as_ref().and_then(|steps| {
            let total = steps.total.filter(|total| *total > 0)?;
            Some((steps.done.saturating_mul(100) / total).min(100))
        }),
        progress: clipped(
            &job.steps
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            80,
        ),
        attempt: payload.map_or(0, super::entries::failures),
    }
}

/// `POST /processes/IDENTITY/quiet` and `…/stop`; `POST /processes/all/…` for all that show themselves.
pub(crate) async fn signal(
    State(app): State<App>,
    visitor: Visitor,
    Path((identity, signal)): Path<(String, String)>,
    Form(_): Form,
) -> Outcome {
    let told = tell(&app, &visitor, identity, &signal).await?.len();
    let text = match (told, signal == "quiet") {
        (0, _) => "There is no such process; nobody was told anything.".to_owned(),
        (1, true) => "The process was told to take no more jobs.".to_owned(),
        (1, false) => "The process was told to end.".to_owned(),
        (more, true) => format!("{more} processes were told to take no more jobs."),
        (more, false) => format!("{more} processes were told to end."),
    };
    let notice = app.notices.keep(told > 0, text);
    Ok(see(&visitor, &format!("/busy?{notice}")))
}

/// Sends `quiet` or `stop` to one, or to `all`; gives those that were told.
pub(crate) async fn tell(
    app: &Shared,
    visitor: &Visitor,
    identity: String,
    signal: &str,
) -> Outcome<Vec<String>> {
    let quiet = match signal {
        "quiet" => true,
        "stop" => false,
        _ => return Err(Problem::not_found("a process is made quiet or stopped")),
    };
    let identities = match identity.as_str() {
        "all" => {
            let processes = app.inspect.processes().await?;
            processes
                .into_iter()
                .map(|process| process.identity)
                .collect()
        }
        _ => vec![identity],
    };
    // A name that nobody has would be told into the void, and leave a key there.
    let there = app.inspect.presence(&identities).await?;
    let mut told = Vec::new();
    for (identity, presence) in identities.into_iter().zip(there) {
        if !presence.there {
            continue;
        }
        let sent = match quiet {
            true => app.inspect.quiet(&identity).await,
            false => app.inspect.stop(&identity).await,
        };
        if let Err(error) = sent {
            audit::failed(visitor, signal, &identity, &error.to_string());
            return Err(error.into());
        }
        audit::done(visitor, signal, &identity, 0);
        told.push(identity);
    }
    Ok(told)
}

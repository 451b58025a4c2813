//! Who works, and what runs at this moment, as processes show it at their heartbeats.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use gandy::ProcessInfo;
use gandy::views::{RunningJob, Steps};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Put, html, see};
use crate::audit;
use crate::frame::{Frame, Tab, Visitor};
use crate::json;
use crate::param::{Form, Query, encoded, jid_path};
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};
use crate::words::{self, When, clipped};

/// A lease is renewed three times in its 15 s; what is left then is no more than that.
const LEASE_LOW_MS: u64 = 5_000;
/// Rows of a table; how many more there are is said.
const ROWS: usize = 500;

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
    /// Those that it has handlers for; Ruby does not say it.
    classes: String,
    lease: String,
    /// It should have renewed it by now.
    lease_ends: bool,
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
    /// Whole, and as much of it as tells it from others at a glance.
    process: String,
    host: String,
    started: Option<When>,
    progress: Option<Progress>,
    attempt: u32,
}

/// How far a run is, by its handler's own word.
pub(crate) struct Progress {
    /// Of 100, where the handler says of how much.
    pub(crate) share: Option<u64>,
    pub(crate) text: String,
}

impl From<&Steps> for Progress {
    fn from(steps: &Steps) -> Self {
        let total = steps.total.filter(|total| *total > 0);
        let of = match total {
            Some(total) => format!(
                "{} of {}",
                words::grouped(steps.done),
                words::grouped(total)
            ),
            None => format!("{} done", words::grouped(steps.done)),
        };
        Self {
            share: total.map(|total| (steps.done.saturating_mul(100) / total).min(100)),
            text: match steps.note.is_empty() {
                true => of,
                false => format!("{of}, {}", clipped(&steps.note, 60)),
            },
        }
    }
}

/// What a process says of itself; what is of another type counts as not said.
#[derive(Default)]
struct Info {
    queues: Vec<String>,
    labels: Vec<String>,
    tag: String,
    version: String,
    started_at: Option<f64>,
    /// Part of an application, which stops it itself: it heeds no signal from here.
    embedded: bool,
}

impl Info {
    fn of(json: &str) -> Self {
        let all: HashMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
        Self {
            queues: said(&all, "queues"),
            labels: said(&all, "labels"),
            tag: said(&all, "tag"),
            version: said(&all, "version"),
            started_at: said(&all, "started_at"),
            embedded: said(&all, "embedded"),
        }
    }
}

fn said<T: Default + DeserializeOwned>(all: &HashMap<String, &RawValue>, name: &str) -> T {
    let value = all.get(name).map(|raw| serde_json::from_str(raw.get()));
    value.and_then(Result::ok).unwrap_or_default()
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
    let info = Info::of(&process.info);
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
        identity: clipped(&process.identity, 200),
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
            slots => (process.busy.saturating_mul(100) / slots).min(100),
        },
        queues: clipped(&info.queues.join(", "), 120),
        classes: clipped(&process.classes.join(", "), 600),
        lease: process.lease_ms.map_or_else(|| "–".to_owned(), words::span),
        lease_ends: process.lease_ms.is_some_and(|left| left < LEASE_LOW_MS),
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
        json::line(payload.args(), &hides, json::What::Args, 160).text()
    });
    let jid = job.jid().unwrap_or_default();
    Run {
        key: format!("{}:{}", job.identity, job.id),
        link: jid_path(jid),
        jid: clipped(jid, 40),
        class: clipped(job.class().unwrap_or("cannot be read"), 120),
        queue: clipped(job.queue.as_deref().unwrap_or_default(), 60),
        args: args.unwrap_or_default(),
        process: clipped(&job.identity, 60),
        host: match job.identity.rsplit_once(':') {
            Some((host_and_pid, _)) => clipped(host_and_pid, 40),
            None => clipped(&job.identity, 40),
        },
        started: job.started_ms.map(|at| When::new(at, now_ms)),
        progress: job.steps.as_ref().map(Progress::from),
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
    let Told { told, deaf } = tell(&app, &visitor, identity, &signal).await?;
    let told = told.len();
    let mut text = match (told, signal == "quiet") {
        (0, _) if deaf > 0 => "Nobody was told anything.".to_owned(),
        (0, _) => "There is no such process; nobody was told anything.".to_owned(),
        (1, true) => "The process was told to take no more jobs.".to_owned(),
        (1, false) => "The process was told to end.".to_owned(),
        (more, true) => format!("{more} processes were told to take no more jobs."),
        (more, false) => format!("{more} processes were told to end."),
    };
    match deaf {
        0 => {}
        1 => text += " One is part of an application and heeds no signal.",
        deaf => text += &format!(" {deaf} are part of applications and heed no signal."),
    }
    let notice = app.notices.keep(told > 0, text);
    Ok(see(&visitor, &format!("/busy?{notice}")))
}

/// Whom a signal was for.
pub(crate) struct Told {
    pub(crate) told: Vec<String>,
    /// Those that heed none.
    pub(crate) deaf: usize,
}

/// Sends `quiet` or `stop` to one, or to `all` that heed it.
pub(crate) async fn tell(
    app: &Shared,
    visitor: &Visitor,
    identity: String,
    signal: &str,
) -> Outcome<Told> {
    let quiet = match signal {
        "quiet" => true,
        "stop" => false,
        _ => return Err(Problem::not_found("a process is made quiet or stopped")),
    };
    let processes = app.inspect.processes().await?;
    let deaf = |identity: &str| {
        let process = processes.iter().find(|known| known.identity == identity);
        process.is_some_and(|process| Info::of(&process.info).embedded)
    };
    let named = match identity.as_str() {
        "all" => processes
            .iter()
            .map(|process| process.identity.clone())
            .collect(),
        _ => vec![identity],
    };
    let asked = named.len();
    let identities: Vec<String> = named
        .into_iter()
        .filter(|identity| !deaf(identity))
        .collect();
    let deaf = asked - identities.len();
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
    Ok(Told { told, deaf })
}

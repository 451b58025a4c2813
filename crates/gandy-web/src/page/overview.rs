//! The first page: how fast it goes, what waits where, who works, how Redis does, and the last days.

use askama::Template;
use axum::extract::State;
use gandy::doctor::Severity;
use gandy::views::Day;
use gandy::{RedisHealth, Survey, SurveyedQueue};

use super::{Put, html};
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Query, encoded};
use crate::past::sum;
use crate::plot::{Bar, Spark, bars};
use crate::problem::Outcome;
use crate::state::App;
use crate::watch::{Glance, Line, Rate, Sample, Watch};
use crate::words;

/// Queues of the first page; all are on their own.
const QUEUES: usize = 8;
/// Deploys that a plot shows.
const MARKS: usize = 60;
/// A queue whose next job has waited for so long is told in another colour.
const LATE_MS: u128 = 60_000;

/// The whole page.
#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    view: View,
    history: History,
    /// Deploys of the last two days, for the plot: seconds and names.
    marks: String,
}

/// What changes while somebody looks.
#[derive(Debug)]
pub(crate) struct View {
    tiles: Vec<Tile>,
    queues: Vec<QueueRow>,
    more_queues: usize,
    fleet: Fleet,
    health: Health,
    /// For the plot: times; and for each a second what was processed, failed, and was enqueued.
    series: String,
    processed: Spark,
    failed: Spark,
    enqueued: Spark,
    now: Option<Now>,
}

/// What the plot's lines are at, a second.
#[derive(Debug)]
struct Now {
    processed: String,
    failed: String,
    enqueued: String,
}

#[derive(Debug)]
struct Tile {
    label: &'static str,
    path: &'static str,
    value: String,
    whole: String,
    below: String,
    tone: &'static str,
}

/// A queue in a table.
#[derive(Debug)]
pub(crate) struct QueueRow {
    pub(crate) name: String,
    pub(crate) link: String,
    pub(crate) size: String,
    pub(crate) latency: String,
    pub(crate) late: bool,
    pub(crate) busy: String,
    pub(crate) paused: bool,
    pub(crate) trend: String,
    pub(crate) spark: Spark,
    pub(crate) empty: bool,
}

#[derive(Debug)]
struct Fleet {
    processes: u64,
    quiet: u64,
    busy: u64,
    slots: u64,
    /// Of 100.
    share: u64,
    beat: String,
    silent: bool,
    server: Option<ServerBox>,
    round_trip: String,
}

/// What the doctor found.
#[derive(Debug, Default)]
struct Health {
    known: bool,
    errors: usize,
    warnings: usize,
    notes: usize,
    /// The gravest.
    first: String,
}

#[derive(Debug)]
struct ServerBox {
    name: String,
    uptime: String,
    clients: String,
    commands: String,
    memory: String,
    memory_max: String,
    memory_share: u64,
}

/// The last days.
#[derive(Debug)]
struct History {
    days: usize,
    bars: Vec<Bar>,
    processed: String,
    failed: String,
    share: String,
    first: String,
    last: String,
    empty: bool,
}

pub(crate) async fn show(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let days = query.word("days", &["30", "7", "90", "180"])?;
    let days: usize = days.parse().unwrap_or(30);
    let (glance, history, _) =
        tokio::join!(app.watch.glance(), app.watch.history(), app.watch.health());
    let (glance, history) = (glance?, history?);
    let view = view(&app, &glance).await;
    let frame = Frame::new(&app, &visitor, Tab::Overview, "Overview", Ok(&glance));
    // The plot shows ten minutes.
    let since_ms = words::now_ms() - 3_600_000;
    let lately = history.iter().take(2).flat_map(|day| &day.marks);
    let marks: Vec<(i64, String)> = lately
        .filter(|mark| mark.at_ms >= since_ms)
        .take(MARKS)
        .map(|mark| (mark.at_ms / 1000, words::clipped(&mark.label, 60)))
        .collect();
    html(&Page {
        frame: frame.live("overview"),
        view,
        marks: serde_json::to_string(&marks).unwrap_or_default(),
        history: days_of(&history, days),
    })
}

pub(crate) async fn fragments(app: &App, frame: &Frame, glance: &Glance, put: Put<'_>) {
    let view = &view(app, glance).await;
    put("tiles", Tiles { frame, view }.render());
    put("rates", Rates { view }.render());
    put("legend", Legend { view }.render());
    put("fleet", FleetPart { frame, view }.render());
    put("queues", Queues { frame, view }.render());
}

#[derive(Template)]
#[template(path = "overview/tiles.html")]
struct Tiles<'a> {
    frame: &'a Frame,
    view: &'a View,
}

#[derive(Template)]
#[template(path = "overview/rates.html")]
struct Rates<'a> {
    view: &'a View,
}

#[derive(Template)]
#[template(path = "overview/legend.html")]
struct Legend<'a> {
    view: &'a View,
}

#[derive(Template)]
#[template(path = "overview/fleet.html")]
struct FleetPart<'a> {
    frame: &'a Frame,
    view: &'a View,
}

#[derive(Template)]
#[template(path = "overview/queues.html")]
struct Queues<'a> {
    frame: &'a Frame,
    view: &'a View,
}

fn findings(app: &App) -> Health {
    let Some(report) = Watch::findings(app) else {
        return Health::default();
    };
    let of = |severity| {
        let found = report.findings.iter();
        found.filter(|finding| finding.severity == severity).count()
    };
    let grave = report
        .findings
        .first()
        .filter(|finding| finding.severity != Severity::Note);
    Health {
        known: true,
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        notes: of(Severity::Note),
        first: grave
            .map(|finding| finding.reason.clone())
            .unwrap_or_default(),
    }
}

async fn view(app: &App, glance: &Glance) -> View {
    let samples = app.watch.samples();
    // Where INFO is not allowed the rest is shown.
    let health = app.watch.health().await.ok();
    let survey = &glance.survey;
    let mut queues: Vec<&SurveyedQueue> = survey.queues.iter().collect();
    queues.sort_by(|a, b| (b.latency, b.size, &a.name).cmp(&(a.latency, a.size, &b.name)));
    let processed = rates(&samples, |rate| rate.processed);
    let enqueued = rates(&samples, |rate| rate.enqueued);
    View {
        tiles: tiles(glance),
        more_queues: queues.len().saturating_sub(QUEUES) + survey.queues_left_out,
        queues: queues
            .iter()
            .take(QUEUES)
            .map(|queue| queue_row(queue, &app.watch.queue_line(&queue.name)))
            .collect(),
        fleet: fleet(survey, health.as_deref()),
        health: findings(app),
        series: series(&samples),
        processed: Spark::among(&processed, &enqueued),
        failed: Spark::among(
            &rates(&samples, |rate| rate.failed),
            &[&processed[..], &enqueued[..]].concat(),
        ),
        enqueued: Spark::among(&enqueued, &processed),
        now: glance.rate.map(|rate| Now {
            processed: words::rate(rate.processed),
            failed: words::rate(rate.failed),
            enqueued: words::rate(rate.enqueued),
        }),
    }
}

fn rates(samples: &[Sample], pick: impl Fn(Rate) -> f64) -> Vec<f64> {
    samples
        .iter()
        .filter_map(|sample| sample.rate.map(&pick))
        .collect()
}

/// As JSON that the script draws; one decimal is more than a screen shows.
fn series(samples: &[Sample]) -> String {
    let known: Vec<(i64, Rate)> = samples
        .iter()
        .filter_map(|sample| Some((sample.at_ms / 1000, sample.rate?)))
        .collect();
    let list = |pick: &dyn Fn(&(i64, Rate)) -> String| {
        let values: Vec<String> = known.iter().map(pick).collect();
        format!("[{}]", values.join(","))
    };
    format!(
        "[{},{},{},{}]",
        list(&|(at, _)| at.to_string()),
        list(&|(_, rate)| format!("{:.1}", rate.processed)),
        list(&|(_, rate)| format!("{:.1}", rate.failed)),
        list(&|(_, rate)| format!("{:.1}", rate.enqueued)),
    )
}

fn tiles(glance: &Glance) -> Vec<Tile> {
    let (survey, rate) = (&glance.survey, glance.rate);
    let waiting = glance.waiting();
    let tile = |label, path, number: u64, below: String, tone| Tile {
        label,
        path,
        value: words::short(number),
        whole: words::grouped(number),
        below,
        tone,
    };
    let trend = rate.map_or_else(|| "looking".to_owned(), |rate| trend(rate.waiting));
    let slowest = survey
        .queues
        .iter()
        .map(|queue| queue.latency)
        .max()
        .unwrap_or_default();
    let trend = match slowest.as_secs() {
        0 => trend,
        // The number stays with its unit.
        _ => format!(
            "{trend}, oldest {}",
            words::span_of(slowest).replace(' ', "\u{a0}")
        ),
    };
    let overdue = |lag: std::time::Duration, fine: &str| match lag.as_secs() {
        0..=4 => fine.to_owned(),
        _ => format!("overdue by {}", words::span_of(lag)),
    };
    let tone = |lag: std::time::Duration| if lag.as_secs() > 30 { "warn" } else { "" };
    let failing = match rate {
        Some(rate) if rate.failed >= 0.05 => "bad",
        _ => "",
    };
    let speed = |pick: fn(Rate) -> f64| match rate {
        Some(rate) => format!("{} a second", words::rate(pick(rate))),
        None => "looking".to_owned(),
    };
    let mut tiles = vec![
        tile(
            "Processed",
            "/metrics",
            survey.processed,
            speed(|rate| rate.processed),
            "",
        ),
        tile(
            "Failed",
            "/metrics",
            survey.failed,
            speed(|rate| rate.failed),
            failing,
        ),
        tile(
            "Waiting",
            "/queues",
            waiting,
            trend,
            if slowest.as_millis() >= LATE_MS {
                "warn"
            } else {
                ""
            },
        ),
        tile(
            "Busy",
            "/busy",
            survey.busy,
            format!("of {}", words::count(survey.concurrency, "slot")),
            "",
        ),
        tile(
            "Retries",
            "/retries",
            survey.retry.size,
            overdue(survey.retry.lag, "on time"),
            tone(survey.retry.lag),
        ),
        tile(
            "Scheduled",
            "/scheduled",
            survey.schedule.size,
            overdue(survey.schedule.lag, "on time"),
            tone(survey.schedule.lag),
        ),
        tile(
            "Dead",
            "/dead",
            survey.dead,
            match survey.dead {
                0 => "none".to_owned(),
                _ => "need a person".to_owned(),
            },
            "",
        ),
    ];
    if let Some(waiting) = tiles.iter_mut().find(|tile| tile.label == "Waiting") {
        waiting.value.push_str(glance.more());
        waiting.whole.push_str(glance.more());
    }
    tiles
}

/// `+3.2/s`, `−50/s`, `steady`.
fn trend(rate: f64) -> String {
    match rate {
        rate if rate >= 0.05 => format!("+{}/s", words::rate(rate)),
        rate if rate <= -0.05 => format!("{}/s", words::rate(rate)),
        _ => "steady".to_owned(),
    }
}

/// A queue as tables show it.
pub(crate) fn queue_row(queue: &SurveyedQueue, line: &Line) -> QueueRow {
    QueueRow {
        link: encoded(&queue.name),
        name: words::clipped(&queue.name, 120),
        size: words::grouped(queue.size),
        latency: match queue.size {
            0 => "–".to_owned(),
            _ => words::span_of(queue.latency),
        },
        late: queue.latency.as_millis() >= LATE_MS,
        busy: words::grouped(queue.busy),
        paused: queue.paused,
        trend: line.trend.map_or_else(String::new, trend),
        spark: Spark::of(&line.sizes),
        empty: queue.size == 0,
    }
}

fn share(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 0,
        whole => (part.saturating_mul(100) / whole).min(100),
    }
}

fn fleet(survey: &Survey, health: Option<&RedisHealth>) -> Fleet {
    Fleet {
        processes: survey.processes,
        quiet: survey.processes_quiet,
        busy: survey.busy,
        slots: survey.concurrency,
        share: share(survey.busy, survey.concurrency),
        beat: words::span_of(survey.oldest_beat),
        // Gandy's heartbeats come every 5 s, Ruby's every 10 s.
        silent: survey.oldest_beat.as_secs() > 25,
        round_trip: words::took(survey.round_trip.as_secs_f64() * 1000.0),
        server: health.map(|health| ServerBox {
            name: health.server.clone(),
            uptime: words::span_of(health.uptime),
            clients: words::grouped(health.clients),
            commands: words::grouped(health.commands_per_second),
            memory: words::bytes(health.memory),
            memory_max: match health.memory_max {
                0 => String::new(),
                max => words::bytes(max),
            },
            memory_share: share(health.memory, health.memory_max),
        }),
    }
}

fn days_of(history: &[Day], days: usize) -> History {
    let shown: Vec<&Day> = history.iter().take(days).rev().collect();
    let bar = |day: &&Day| {
        let marks: Vec<String> = day
            .marks
            .iter()
            .take(5)
            .map(|mark| words::clipped(&mark.label, 60))
            .collect();
        let label = format!(
            "{}: {} processed, {} failed",
            day.date,
            words::grouped(day.processed),
            words::grouped(day.failed)
        );
        (day.processed, day.failed, label, marks)
    };
    let values: Vec<_> = shown.iter().map(bar).collect();
    let processed = sum(shown.iter().map(|day| day.processed));
    let failed = sum(shown.iter().map(|day| day.failed));
    let share = match processed {
        0 => String::new(),
        all => format!("{:.1} %", failed as f64 / all as f64 * 100.0),
    };
    let date = |day: Option<&&Day>| day.map(|day| day.date.clone()).unwrap_or_default();
    History {
        days,
        bars: bars(&values),
        processed: words::grouped(processed),
        failed: words::grouped(failed),
        share,
        first: date(shown.first()),
        last: date(shown.last()),
        empty: processed == 0,
    }
}

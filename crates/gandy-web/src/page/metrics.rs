//! Runs by class over a time, and one class alone: from Sidekiq's own metrics, which Ruby's workers and Gandy's write alike.

use askama::Template;
use axum::extract::{Path, State};
use gandy::Filter;
use gandy::views::{BUCKET_BOUNDS_MS, ClassMetrics, ClassOrder, Classes, Metrics, Pick, Window};

use super::html;
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Params, Query, encoded};
use crate::plot::Spark;
use crate::problem::{Outcome, Problem};
use crate::state::App;
use crate::words::{self, When, clipped};

/// Deploys that a plot shows, and those that are named below it.
const MARKS: usize = 200;
const NAMED: usize = 20;
/// What can be looked back on: minute by minute up to 8 hours, in steps of ten minutes up to 72.
const RANGES: [(&str, &str, Window); 5] = [
    ("1h", "1 hour", Window::Minutes(60)),
    ("4h", "4 hours", Window::Minutes(240)),
    ("8h", "8 hours", Window::Minutes(480)),
    ("24h", "24 hours", Window::Hours(24)),
    ("72h", "72 hours", Window::Hours(72)),
];

/// Which classes come first.
const ORDERS: [(&str, &str, ClassOrder); 2] = [
    ("runs", "Most runs", ClassOrder::Runs),
    ("failures", "Most failures", ClassOrder::Failures),
];

#[derive(Template)]
#[template(path = "metrics.html")]
struct Page {
    frame: Frame,
    range: &'static str,
    ranges: Vec<(&'static str, &'static str)>,
    order: &'static str,
    orders: Vec<(&'static str, &'static str)>,
    classes: Vec<Row>,
    /// How many classes fit and ran.
    all: String,
    /// How many of them are shown, and which, where that is not all.
    shown: String,
    plot: Plot,
    filter: String,
}

#[derive(Template)]
#[template(path = "class.html")]
struct Class {
    frame: Frame,
    class: String,
    link: String,
    /// What just its jobs fit, as a part of a link.
    jobs: String,
    range: &'static str,
    ranges: Vec<(&'static str, &'static str)>,
    row: Option<Row>,
    plot: Plot,
    buckets: Vec<Bucket>,
}

struct Row {
    class: String,
    link: String,
    runs: String,
    failures: String,
    share: String,
    failing: bool,
    mean: String,
    p50: String,
    p95: String,
    p99: String,
    total: String,
    spark: Spark,
}

/// For the script, and without it.
struct Plot {
    series: String,
    marks: String,
    /// The last ones, and how many there are before them.
    labels: Vec<(When, String)>,
    unnamed: usize,
    runs: Spark,
    failures: Spark,
    empty: bool,
}

struct Bucket {
    label: String,
    count: String,
    share: u64,
}

pub(crate) fn range(query: &Params) -> Outcome<(&'static str, Window)> {
    let names: Vec<&str> = RANGES.iter().map(|(name, ..)| *name).collect();
    let name = query.word("range", &names)?;
    let found = RANGES.iter().find(|(known, ..)| *known == name);
    found
        .map(|(name, _, window)| (*name, *window))
        .ok_or_else(|| Problem::param("range", "is none"))
}

fn ranges() -> Vec<(&'static str, &'static str)> {
    RANGES
        .iter()
        .map(|(name, words, _)| (*name, *words))
        .collect()
}

/// Its name, and what it means.
pub(crate) fn order(query: &Params) -> Outcome<(&'static str, ClassOrder)> {
    let name = query.word("order", &ORDERS.map(|(name, ..)| name))?;
    let found = ORDERS.iter().find(|(known, ..)| *known == name);
    found
        .map(|(name, _, order)| (*name, *order))
        .ok_or_else(|| Problem::param("order", "is none"))
}

/// Those that have what was written in their name.
pub(crate) fn classes(query: &Params) -> Outcome<Classes<'_>> {
    Ok(match query.text("filter", 200)?.map(str::trim) {
        None | Some("") => Classes::All,
        Some(text) => Classes::Containing(text),
    })
}

fn counted(classes: usize) -> String {
    match classes {
        1 => "1 class".to_owned(),
        many => format!("{} classes", words::grouped(many as u64)),
    }
}

/// What is said of a list that was cut; nothing of a whole one.
fn shown(metrics: &Metrics, order: ClassOrder) -> String {
    let shown = metrics.classes.len();
    let which = match order {
        ClassOrder::Runs => "the busiest",
        ClassOrder::Failures => "those that failed most",
    };
    match metrics.left_out {
        0 => String::new(),
        more => format!("{shown} of {}, {which}", counted(shown + more)),
    }
}

pub(crate) async fn show(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let (range, window) = range(&query)?;
    let (order_name, order) = order(&query)?;
    let classes = classes(&query)?;
    let metrics = app.watch.metrics((range, window), classes, order).await?;
    let glance = app.watch.glance().await;
    let frame =
        Frame::new(&app, &visitor, Tab::Metrics, "Metrics", glance.as_deref()).live("nav:metrics");
    html(&Page {
        range,
        ranges: ranges(),
        order: order_name,
        orders: ORDERS.map(|(name, words, _)| (name, words)).to_vec(),
        plot: plot(&metrics, frame.now_ms),
        all: counted(metrics.classes.len() + metrics.left_out),
        shown: shown(&metrics, order),
        classes: metrics.classes.iter().map(row).collect(),
        filter: match classes {
            Classes::Containing(text) => text.to_owned(),
            _ => String::new(),
        },
        frame,
    })
}

pub(crate) async fn class(
    State(app): State<App>,
    visitor: Visitor,
    Path(class): Path<String>,
    Query(query): Query,
) -> Outcome {
    if class.len() > 500 {
        return Err(Problem::param("class", "has at most 500 bytes"));
    }
    let (range, window) = range(&query)?;
    let metrics = app.inspect.metrics(window, Pick::one(&class)).await?;
    let glance = app.watch.glance().await;
    let frame = Frame::new(
        &app,
        &visitor,
        Tab::Metrics,
        clipped(&class, 100),
        glance.as_deref(),
    )
    .live("nav:metrics");
    html(&Class {
        link: encoded(&class),
        range,
        ranges: ranges(),
        jobs: encoded(&format!("class={}", Filter::quoted(&class))),
        plot: plot(&metrics, frame.now_ms),
        buckets: metrics.classes.first().map(buckets).unwrap_or_default(),
        row: metrics.classes.first().map(row),
        class,
        frame,
    })
}

fn row(metrics: &ClassMetrics) -> Row {
    let took = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), words::took);
    let well = metrics.runs.saturating_sub(metrics.failures);
    let share = metrics.failures as f64 / metrics.runs.max(1) as f64 * 100.0;
    Row {
        link: encoded(&metrics.class),
        class: clipped(&metrics.class, 120),
        runs: words::grouped(metrics.runs),
        failures: words::grouped(metrics.failures),
        share: match metrics.failures {
            0 => String::new(),
            _ => format!("{share:.1} %"),
        },
        failing: share >= 5.0,
        mean: took(metrics.mean_ms),
        p50: took(metrics.p50_ms),
        p95: took(metrics.p95_ms),
        p99: took(metrics.p99_ms),
        total: took(metrics.mean_ms.map(|mean| mean * well as f64)),
        spark: Spark::of(&thinned(&metrics.series, 80)),
    }
}

/// So many sums of neighbours: what a small drawing shows.
fn thinned(series: &[u64], most: usize) -> Vec<u64> {
    let step = series.len().div_ceil(most.max(1)).max(1);
    series
        .chunks(step)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0_u64, |sum, next| sum.saturating_add(*next))
        })
        .collect()
}

fn drawn(series: &[u64]) -> Vec<f64> {
    thinned(series, 200)
        .iter()
        .map(|value| *value as f64)
        .collect()
}

/// Of all classes that fit, those that are not in the table too.
fn plot(metrics: &Metrics, now_ms: i64) -> Plot {
    let (runs, failures) = (&*metrics.series, &*metrics.failure_series);
    let step = i64::try_from(metrics.step.as_secs()).unwrap_or(60);
    let times: Vec<i64> = (0..runs.len() as i64)
        .map(|at| metrics.from_ms / 1000 + at * step)
        .collect();
    // A worker that marks its start in a loop has made thousands.
    let thin = metrics.marks.len().div_ceil(MARKS).max(1);
    let marks: Vec<(i64, String)> = metrics
        .marks
        .iter()
        .step_by(thin)
        .map(|mark| (mark.at_ms / 1000, clipped(&mark.label, 60)))
        .collect();
    let unnamed = metrics.marks.len().saturating_sub(NAMED);
    Plot {
        series: format!("[{},{},{}]", array(&times), array(runs), array(failures)),
        unnamed,
        labels: metrics
            .marks
            .iter()
            .skip(unnamed)
            .map(|mark| (When::new(mark.at_ms, now_ms), clipped(&mark.label, 60)))
            .collect(),
        marks: serde_json::to_string(&marks).unwrap_or_default(),
        empty: metrics.classes.is_empty(),
        runs: Spark::new(&drawn(runs)),
        failures: Spark::among(&drawn(failures), &drawn(runs)),
    }
}

/// From the fastest bucket in which anything ran to the slowest.
fn buckets(metrics: &ClassMetrics) -> Vec<Bucket> {
    let counts = &metrics.histogram;
    let first = counts.iter().position(|count| *count > 0);
    let last = counts.iter().rposition(|count| *count > 0);
    let (Some(first), Some(last)) = (first, last) else {
        return Vec::new();
    };
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let bound = |at: usize| {
        BUCKET_BOUNDS_MS
            .get(at)
            .map(|ms| words::took(f64::from(*ms)))
    };
    (first..=last)
        .map(|at| Bucket {
            label: match (at.checked_sub(1).and_then(bound), bound(at)) {
                (_, Some(below)) => format!("under {below}"),
                (Some(above), None) => format!("{above} and more"),
                (None, None) => String::new(),
            },
            count: words::grouped(counts[at]),
            share: counts[at] * 100 / most,
        })
        .collect()
}

/// Numbers as a JSON array.
fn array<T: ToString>(numbers: &[T]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}

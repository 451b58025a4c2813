//! Runs by class over a time, and one class alone: from Sidekiq's own metrics, which Ruby's workers and Gandy's write alike.

use askama::Template;
use axum::extract::{Path, State};
use gandy::views::{BUCKET_BOUNDS_MS, ClassMetrics, Metrics, Window};

use super::html;
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Params, Query, encoded};
use crate::plot::Spark;
use crate::problem::{Outcome, Problem};
use crate::state::App;
use crate::words::{self, clipped};

/// Classes of the table; each costs a reading of its histograms.
pub(crate) const CLASSES: usize = 60;
/// What can be looked back on: minute by minute up to 8 hours, in steps of ten minutes up to 72.
const RANGES: [(&str, &str, Window); 5] = [
    ("1h", "1 hour", Window::Minutes(60)),
    ("4h", "4 hours", Window::Minutes(240)),
    ("8h", "8 hours", Window::Minutes(480)),
    ("24h", "24 hours", Window::Hours(24)),
    ("72h", "72 hours", Window::Hours(72)),
];

#[derive(Template)]
#[template(path = "metrics.html")]
struct Page {
    frame: Frame,
    range: &'static str,
    ranges: Vec<(&'static str, &'static str)>,
    classes: Vec<Row>,
    left_out: usize,
    plot: Plot,
    filter: String,
}

#[derive(Template)]
#[template(path = "class.html")]
struct Class {
    frame: Frame,
    class: String,
    link: String,
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
    labels: Vec<(String, String)>,
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

pub(crate) async fn show(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let (range, window) = range(&query)?;
    let filter = query
        .text("filter", 200)?
        .unwrap_or_default()
        .trim()
        .to_owned();
    let metrics = app.watch.metrics(range, window, CLASSES).await?;
    let glance = app.watch.glance().await;
    let wanted = filter.to_lowercase();
    let fits =
        |class: &&ClassMetrics| wanted.is_empty() || class.class.to_lowercase().contains(&wanted);
    let classes: Vec<&ClassMetrics> = metrics.classes.iter().filter(fits).collect();
    html(&Page {
        frame: Frame::new(&app, &visitor, Tab::Metrics, "Metrics", glance.as_deref())
            .live("nav:metrics"),
        range,
        ranges: ranges(),
        plot: plot(&metrics, &classes),
        classes: classes.into_iter().map(row).collect(),
        left_out: metrics.left_out,
        filter,
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
    let metrics = app.inspect.metrics(window, Some(&class), 1).await?;
    let glance = app.watch.glance().await;
    let found: Vec<&ClassMetrics> = metrics.classes.iter().collect();
    html(&Class {
        frame: Frame::new(
            &app,
            &visitor,
            Tab::Metrics,
            clipped(&class, 100),
            glance.as_deref(),
        )
        .live("nav:metrics"),
        link: encoded(&class),
        range,
        ranges: ranges(),
        plot: plot(&metrics, &found),
        buckets: metrics.classes.first().map(buckets).unwrap_or_default(),
        row: metrics.classes.first().map(row),
        class,
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
        .map(|chunk| chunk.iter().sum())
        .collect()
}

fn drawn(series: &[u64]) -> Vec<f64> {
    thinned(series, 200)
        .iter()
        .map(|value| *value as f64)
        .collect()
}

fn plot(metrics: &Metrics, classes: &[&ClassMetrics]) -> Plot {
    let steps = classes
        .iter()
        .map(|class| class.series.len())
        .max()
        .unwrap_or(0);
    let sum = |pick: &dyn Fn(&ClassMetrics) -> &Vec<u64>| -> Vec<u64> {
        let at = |step: usize| {
            classes
                .iter()
                .filter_map(|class| pick(class).get(step))
                .sum()
        };
        (0..steps).map(at).collect()
    };
    let (runs, failures) = (
        sum(&|class| &class.series),
        sum(&|class| &class.failure_series),
    );
    let step = i64::try_from(metrics.step.as_secs()).unwrap_or(60);
    let times: Vec<i64> = (0..steps as i64)
        .map(|at| metrics.from_ms / 1000 + at * step)
        .collect();
    let marks: Vec<(i64, String)> = metrics
        .marks
        .iter()
        .map(|mark| (mark.at_ms / 1000, clipped(&mark.label, 60)))
        .collect();
    Plot {
        series: format!("[{},{},{}]", array(&times), array(&runs), array(&failures)),
        labels: metrics
            .marks
            .iter()
            .map(|mark| (words::iso(mark.at_ms), clipped(&mark.label, 60)))
            .collect(),
        marks: serde_json::to_string(&marks).unwrap_or_default(),
        empty: classes.is_empty(),
        runs: Spark::new(&drawn(&runs)),
        failures: Spark::among(&drawn(&failures), &drawn(&runs)),
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

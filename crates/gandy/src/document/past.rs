//! Runs by day, and runs by class.

use serde::Serialize;

use crate::Mark;
use crate::views::{self, ClassMetrics, Metrics};

/// A deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deploy<'a> {
    at_ms: i64,
    label: &'a str,
}

fn deploys(marks: &[Mark]) -> Vec<Deploy<'_>> {
    let marks = marks.iter();
    marks
        .map(|mark| Deploy {
            at_ms: mark.at_ms,
            label: &mark.label,
        })
        .collect()
}

/// A UTC day, as `gandy history --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day<'a> {
    day: &'a str,
    processed: u64,
    failed: u64,
    marks: Vec<Deploy<'a>>,
}

impl<'a> From<&'a views::Day> for Day<'a> {
    fn from(day: &'a views::Day) -> Self {
        Self {
            day: &day.date,
            processed: day.processed,
            failed: day.failed,
            marks: deploys(&day.marks),
        }
    }
}

/// Runs by class over a time, as `gandy metrics --json` prints them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassTable<'a> {
    from_ms: i64,
    to_ms: i64,
    step_s: u64,
    left_out: usize,
    marks: Vec<Deploy<'a>>,
    classes: Vec<Class<'a>>,
}

/// What one class did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class<'a> {
    class: &'a str,
    runs: u64,
    failures: u64,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    series: &'a [u64],
}

impl<'a> From<&'a ClassMetrics> for Class<'a> {
    fn from(metrics: &'a ClassMetrics) -> Self {
        Self {
            class: &metrics.class,
            runs: metrics.runs,
            failures: metrics.failures,
            mean_ms: metrics.mean_ms,
            p50_ms: metrics.p50_ms,
            p95_ms: metrics.p95_ms,
            p99_ms: metrics.p99_ms,
            series: &metrics.series,
        }
    }
}

impl<'a> From<&'a Metrics> for ClassTable<'a> {
    fn from(metrics: &'a Metrics) -> Self {
        Self {
            from_ms: metrics.from_ms,
            to_ms: metrics.to_ms,
            step_s: metrics.step.as_secs(),
            left_out: metrics.left_out,
            marks: deploys(&metrics.marks),
            classes: metrics.classes.iter().map(Class::from).collect(),
        }
    }
}

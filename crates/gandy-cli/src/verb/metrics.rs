//! `gandy metrics`: runs by class, how many failed, how long they took.

use clap::Args;
use gandy::document::ClassTable;
use gandy::views::{ClassMetrics, Classes, Pick, Window};

use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::table::{self, Kind, Screen};
use crate::{document, output, spark, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy metrics                                        the last hour, the class with the most runs first
  gandy metrics Mailer --minutes 15
  gandy metrics --hours 24 --limit 5
  gandy metrics --json | jq '.classes[] | select(.p99_ms > 5000) | .class'

It shows what Ruby's workers and Gandy's count alike. A mean is of the successful runs; p50, p95 and p99 are what so many
of 100 successful runs took at most: about, from a histogram whose steps are 40 % apart and that is kept for 8 hours.

JSON
  {"from_ms":…,"to_ms":…,"step_s":60,"left_out":0,"marks":[{"at_ms":…,"label":"v1.4.2"}],"classes":[{"class":"Mailer",
    "runs":3,"failures":1,"mean_ms":12.5,"p50_ms":11.0,"p95_ms":19.0,"p99_ms":19.8,"series":[0,1,2]}]}
  series: runs in each step; mean and p are null where no run succeeded

Exit codes and environment: gandy --help"#;

/// Runs, failures and run times of each class
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MetricsArgs {
    /// Only this class
    class: Option<String>,

    /// The last N minutes, minute by minute [default: 60]
    #[arg(long, value_name = "N", conflicts_with = "hours", value_parser = clap::value_parser!(u32).range(1..=480))]
    minutes: Option<u32>,

    /// The last N hours, in steps of ten minutes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=72))]
    hours: Option<u32>,

    /// At most so many classes
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(crate) async fn run(args: &MetricsArgs, common: &Common) -> Result<(), Failure> {
    let window = match (args.minutes, args.hours) {
        (_, Some(hours)) => Window::Hours(hours),
        (minutes, None) => Window::Minutes(minutes.unwrap_or(60)),
    };
    let inspect = common.inspect()?;
    let pick = Pick {
        classes: args.class.as_deref().map_or(Classes::All, Classes::Named),
        ..Pick::busiest(args.limit.into())
    };
    let metrics = inspect.metrics(window, pick).await?;
    if common.json {
        return document::print(&ClassTable::from(&metrics));
    }
    if metrics.classes.is_empty() {
        output::note(
            "no run was counted in that time; workers count with their heartbeats, Gandy's every 5 s",
        );
    } else {
        let columns = [
            ("CLASS", Kind::Text),
            ("RUNS", Kind::Number),
            ("FAILED", Kind::Number),
            ("MEAN", Kind::Number),
            ("P50", Kind::Number),
            ("P95", Kind::Number),
            ("P99", Kind::Number),
            ("RUNS OVER TIME", Kind::Spare),
        ];
        let rows = metrics.classes.iter().map(row);
        output::print(&table::draw(&columns, rows, Screen::of_stdout()))?;
    }
    let now_ms = words::now_ms();
    for mark in &metrics.marks {
        let when = words::relative(mark.at_ms, now_ms);
        output::note(&format!("deploy {} {when}", printable(&mark.label)));
    }
    if metrics.left_out > 0 {
        let more = match metrics.left_out {
            1 => "1 more class".to_owned(),
            more => format!("{more} more classes"),
        };
        output::note(&format!("{more} ran; --limit shows more"));
    }
    Ok(())
}

fn row(metrics: &ClassMetrics) -> Vec<String> {
    vec![
        metrics.class.clone(),
        metrics.runs.to_string(),
        metrics.failures.to_string(),
        took(metrics.mean_ms),
        took(metrics.p50_ms),
        took(metrics.p95_ms),
        took(metrics.p99_ms),
        spark::line(&metrics.series, 30),
    ]
}

/// A run time short enough for a column.
fn took(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 1_000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1_000.0),
    }
}

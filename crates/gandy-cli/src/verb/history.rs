//! `gandy history`: runs by day.

use clap::Args;
use gandy::document::Day;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output, spark};

const EXAMPLES: &str = r#"EXAMPLES
  gandy history                                        two weeks, today first
  gandy history --days 90 --json | jq 'map(.failed) | add'

Days are UTC. Processed counts every run that ended, failed ones included.

JSON
  [{"day":"2026-11-23","processed":1200,"failed":3,"marks":[{"at_ms":1795398060000,"label":"v1.4.2"}]}]

Exit codes and environment: gandy --help"#;

/// Runs and failures by day, with deploys
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// So many days, up to five years
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=1826))]
    days: u32,
}

pub(crate) async fn run(args: &HistoryArgs, common: &Common) -> Result<(), Failure> {
    let days = common.inspect()?.history(args.days).await?;
    if common.json {
        return document::print(&days.iter().map(Day::from).collect::<Vec<_>>());
    }
    let columns = [
        ("DAY", Kind::Whole),
        ("PROCESSED", Kind::Number),
        ("FAILED", Kind::Number),
        ("SHARE", Kind::Number),
        ("DEPLOYS", Kind::Text),
    ];
    let rows = days.iter().map(|day| {
        let share = match day.processed {
            0 => "-".to_owned(),
            all => format!("{:.2} %", day.failed as f64 / all as f64 * 100.0),
        };
        let labels: Vec<&str> = day.marks.iter().map(|mark| mark.label.as_str()).collect();
        vec![
            day.date.clone(),
            day.processed.to_string(),
            day.failed.to_string(),
            share,
            match labels.is_empty() {
                true => "-".to_owned(),
                false => labels.join(", "),
            },
        ]
    });
    output::print(&table::draw(&columns, rows, Screen::of_stdout()))?;
    let oldest_first: Vec<u64> = days.iter().rev().map(|day| day.processed).collect();
    if days.len() > 1 && oldest_first.iter().any(|count| *count > 0) {
        output::say(&format!(
            "processed: {} today",
            spark::line(&oldest_first, 60)
        ));
    }
    Ok(())
}

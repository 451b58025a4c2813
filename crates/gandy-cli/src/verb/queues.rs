//! `gandy queues`: size, latency and what is in flight of each queue.

use std::time::Duration;

use clap::Args;
use gandy::document::Queue;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy queues
  gandy queues --rate                   how fast each grows (+) or shrinks (-), by two looks a second apart
  gandy queues --rate 10s
  gandy queues --json | jq '.[] | select(.latency_ms > 60000) | .name'

JSON
  [{"name":"default","size":2,"latency_ms":1500,"in_flight":3,"rate":null,"paused":false}]
  latency_ms is how long the job that runs next has been waiting; null in an empty queue. in_flight: what Gandy's
  workers hold of it. rate: jobs a second by which what waits and what is in flight grew, below 0 shrank; null without --rate

Exit codes and environment: gandy --help"#;

/// Size, latency and jobs in flight of each queue
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueuesArgs {
    /// Look twice, so far apart, and show how fast each queue grows or shrinks
    #[arg(long, value_name = "SPAN", num_args = 0..=1, default_missing_value = "1s", value_parser = crate::words::parse_some_span)]
    rate: Option<Duration>,
}

pub(crate) async fn run(args: &QueuesArgs, common: &Common) -> Result<(), Failure> {
    let inspect = common.inspect()?;
    let queues = match args.rate {
        Some(span) => inspect.queues_over(span).await?,
        None => inspect.queues().await?,
    };
    if common.json {
        return document::print(&queues.iter().map(Queue::from).collect::<Vec<_>>());
    }
    if queues.is_empty() {
        output::note(
            "no queue here: nothing was ever pushed, or it is another Redis, database or namespace",
        );
        return Ok(());
    }
    let mut columns = vec![
        ("QUEUE", Kind::Text),
        ("SIZE", Kind::Number),
        ("LATENCY", Kind::Whole),
        ("IN FLIGHT", Kind::Number),
        ("PAUSED", Kind::Whole),
    ];
    if args.rate.is_some() {
        columns.push(("RATE", Kind::Number));
    }
    let rows = queues.iter().map(|queue| {
        let latency = queue.latency.map_or_else(
            || "-".to_owned(),
            |latency| words::span(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        );
        let paused = if queue.paused { "paused" } else { "-" };
        let mut cells = vec![
            queue.name.clone(),
            queue.size.to_string(),
            latency,
            queue.in_flight.to_string(),
            paused.to_owned(),
        ];
        cells.extend(queue.rate.map(|rate| format!("{rate:+.1}/s")));
        cells
    });
    output::print(&table::draw(&columns, rows, Screen::of_stdout()))
}

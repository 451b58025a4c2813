//! `gandy queues`: size and latency of each queue.

use clap::Args;
use serde::Serialize;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy queues
  gandy queues --json | jq '.[] | select(.latency_ms > 60000) | .name'

JSON
  [{"name":"default","size":2,"latency_ms":1500,"paused":false}]
  latency_ms is how long the job that runs next has been waiting; null in an empty queue

Exit codes and environment: gandy --help"#;

/// Size and latency of each queue
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueuesArgs {}

#[derive(Serialize)]
struct Queue<'a> {
    name: &'a str,
    size: u64,
    latency_ms: Option<u64>,
    paused: bool,
}

pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let queues = common.inspect()?.queues().await?;
    let rows: Vec<Queue<'_>> = queues
        .iter()
        .map(|queue| Queue {
            name: &queue.name,
            size: queue.size,
            latency_ms: queue
                .latency
                .map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            paused: queue.paused,
        })
        .collect();
    if common.json {
        return document::print(&rows);
    }
    if rows.is_empty() {
        output::note(
            "no queue here: nothing was ever pushed, or it is another Redis, database or namespace",
        );
        return Ok(());
    }
    let columns = [
        ("QUEUE", Kind::Text),
        ("SIZE", Kind::Number),
        ("LATENCY", Kind::Whole),
        ("PAUSED", Kind::Whole),
    ];
    let rows = rows.iter().map(|queue| {
        let latency = queue.latency_ms.map_or_else(|| "-".to_owned(), words::span);
        let paused = if queue.paused { "paused" } else { "-" };
        vec![
            queue.name.to_owned(),
            queue.size.to_string(),
            latency,
            paused.to_owned(),
        ]
    });
    output::print(&table::draw(&columns, rows, Screen::of_stdout()))
}

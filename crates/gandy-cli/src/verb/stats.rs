//! `gandy stats`: the size of everything.

use clap::Args;
use gandy::document::Stats;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output};

const EXAMPLES: &str = r#"EXAMPLES
  gandy stats
  gandy stats --json | jq .retries

JSON
  {"processed":0,"failed":0,"busy":0,"in_flight":0,"enqueued":0,"scheduled":0,"retries":0,"dead":0,"processes":0}

Exit codes and environment: gandy --help"#;

/// How many jobs wait, run, failed and died
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {}

pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let totals = common.inspect()?.totals().await?;
    if common.json {
        return document::print(&Stats::from(&totals));
    }
    let rows = [
        (
            "processed",
            totals.processed,
            "runs that ended, failed ones included",
        ),
        ("failed", totals.failed, "runs that failed"),
        (
            "busy",
            totals.busy,
            "running, as all processes said at their last heartbeat",
        ),
        (
            "in flight",
            totals.in_flight,
            "held by Gandy's processes now",
        ),
        ("enqueued", totals.enqueued, "waiting in queues"),
        ("scheduled", totals.scheduled, "waiting for their time"),
        ("retries", totals.retries, "waiting for another attempt"),
        ("dead", totals.dead, "given up"),
        ("processes", totals.processes, "workers, Ruby's included"),
    ];
    let columns = [
        ("WHAT", Kind::Whole),
        ("COUNT", Kind::Number),
        ("MEANING", Kind::Text),
    ];
    let rows = rows.map(|(what, number, meaning)| {
        vec![what.to_owned(), number.to_string(), meaning.to_owned()]
    });
    output::print(&table::draw(&columns, rows, Screen::of_stdout()))
}

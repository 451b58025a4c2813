//! `gandy processes`: who works here, Ruby's processes included.

use clap::Args;
use gandy::ProcessInfo;
use gandy::document::Process;
use serde::Deserialize;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy processes
  gandy processes --json | jq '.[] | select(.quiet) | .identity'

JSON
  [{"identity":"host:1:0123456789ab","concurrency":25,"busy":1,"quiet":false,"beat_ms":1795398104597,"rss_kb":46000,
    "rtt_us":120,"lease_ms":12034,"classes":["Mailer"],"info":{…},
    "work":[{"id":"…","entry":{"queue":"default","payload":"…","run_at":1795398104}}]}]
  lease_ms is for how long it counts as alive if it is not heard of again; Ruby's processes have no lease and no classes
  info and entry are what the process wrote of itself and of a running job; info is null, and the numbers 0, when it has
  not been heard of for a minute

Exit codes and environment: gandy --help"#;

/// The worker processes and what they say of themselves
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProcessesArgs {}

/// The part of `info` that the table shows.
#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    queues: Vec<String>,
    started_at: Option<f64>,
    version: Option<String>,
}

pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let processes = common.inspect()?.processes().await?;
    if common.json {
        return document::print(&processes.iter().map(Process::whole).collect::<Vec<_>>());
    }
    if processes.is_empty() {
        output::note(
            "no worker process has shown itself here; start one with gandy-worker or your application's",
        );
        return Ok(());
    }
    let columns = [
        ("IDENTITY", Kind::Whole),
        ("STATE", Kind::Whole),
        ("BUSY", Kind::Number),
        ("HEARD OF", Kind::Whole),
        ("QUEUES", Kind::Text),
        ("STARTED", Kind::Spare),
        ("MEMORY", Kind::Spare),
        ("RTT", Kind::Spare),
        ("VERSION", Kind::Spare),
    ];
    let now_ms = words::now_ms();
    let rows = processes.iter().map(|process| row(process, now_ms));
    output::print(&table::draw(&columns, rows, Screen::of_stdout()))
}

fn row(process: &ProcessInfo, now_ms: i64) -> Vec<String> {
    let none = || "-".to_owned();
    let silent = process.info.is_empty();
    let info: Info = serde_json::from_str(&process.info).unwrap_or_default();
    let state = match (silent, process.quiet) {
        (true, _) => "silent",
        (false, true) => "quiet",
        (false, false) => "running",
    };
    let ago = |at_ms: i64| words::relative(at_ms, now_ms);
    vec![
        process.identity.clone(),
        state.to_owned(),
        format!("{}/{}", process.busy, process.concurrency),
        process.beat_ms.map_or_else(none, ago),
        if info.queues.is_empty() {
            none()
        } else {
            info.queues.join(" ")
        },
        info.started_at
            .map_or_else(none, |seconds| ago((seconds * 1000.0) as i64)),
        if silent {
            none()
        } else {
            words::memory(process.rss_kb)
        },
        if silent {
            none()
        } else {
            format!("{:.1} ms", process.rtt_us as f64 / 1000.0)
        },
        info.version.unwrap_or_else(none),
    ]
}

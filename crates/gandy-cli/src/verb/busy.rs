//! `gandy busy`: the running jobs of all processes.

use clap::Args;
use gandy::document::Run;
use gandy::views::RunningJob;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy busy                                           the longest run first
  gandy busy --limit 5
  gandy busy --json | jq -r '.[] | select(.class == "Report") | .jid'

It shows what processes say at their heartbeats: Gandy's every 5 s, Ruby's every 10 s.

JSON
  [{"process":"host:1:0123456789ab","id":"1f","queue":"default","class":"Report","jid":"…","since_ms":1795398104000,
    "progress":{"done":3,"total":10,"note":"pages"}}]
  all but process and id may be null; progress is null where the handler says nothing

Exit codes and environment: gandy --help"#;

/// What runs now
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BusyArgs {
    /// At most so many jobs
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

pub(crate) async fn run(args: &BusyArgs, common: &Common) -> Result<(), Failure> {
    let mut running = common.inspect()?.busy().await?;
    let count = running.len();
    running.truncate(args.limit.into());
    if common.json {
        return document::print(&running.iter().map(Run::from).collect::<Vec<_>>());
    }
    if running.is_empty() {
        output::note("nothing runs, as far as processes showed at their last heartbeats");
        return Ok(());
    }
    let columns = [
        ("JID", Kind::Whole),
        ("SINCE", Kind::Whole),
        ("QUEUE", Kind::Text),
        ("CLASS", Kind::Text),
        ("PROGRESS", Kind::Text),
        ("PROCESS", Kind::Spare),
    ];
    let now_ms = words::now_ms();
    let rows = running.iter().map(|job| row(job, now_ms));
    output::print(&table::draw(&columns, rows, Screen::of_stdout()))?;
    if count > running.len() {
        output::note(&format!(
            "{} of {}; --limit shows more",
            running.len(),
            words::count(count as u64, "job")
        ));
    }
    Ok(())
}

fn row(job: &RunningJob, now_ms: i64) -> Vec<String> {
    let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let since = job.started_ms.map(|since| {
        // A clock that is ahead of ours.
        words::span(now_ms.saturating_sub(since).max(0).unsigned_abs())
    });
    vec![
        // Anybody's jid may be any text; ours have 24 characters.
        or_none(job.jid()).chars().take(36).collect(),
        or_none(since.as_deref()),
        or_none(job.queue.as_deref()),
        or_none(job.class()),
        or_none(job.steps.as_ref().map(ToString::to_string).as_deref()),
        job.identity.clone(),
    ]
}

//! `gandy why JID`: what keeps a job from running, or what became of it, in words.

use clap::Args;
use gandy::document::{Outcome, Said, Seen, whole};
use serde::Serialize;

use super::look::{self, LookArgs};
use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::{document, output};

const EXAMPLES: &str = r#"EXAMPLES
  gandy why b5de70b63090decd6440fd9e
  gandy why b5de70b63090decd6440fd9e --in queue:default    look only there, and where jobs run
  gandy why b5de70b63090decd6440fd9e --json | jq -r '.reasons[].code'

It looks as gandy job does. What holds the job now comes first, then what will hold it next. A wait is an estimate: jobs
in front of it, times how long such jobs ran in the last hour, by the slots that serve the queue.

JSON
  {"jid":"…","reasons":[{"code":"paused","text":"queue default is paused; …"}],"places":[…],"outcome":null,
    "looked_at":17,"gave_up":false,"unread":[]}     places and outcome as in gandy job --help
  code: scheduled, retrying, overdue, paused, no-worker-for-queue, no-worker-for-class, all-quiet, slots-busy, behind,
  next, running, claimed, holder-dead, dead, ended, unknown

Exit codes and environment: gandy --help; it exits 0 for a job that is nowhere, too"#;

/// Why a job does not run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    look: LookArgs,
}

#[derive(Serialize)]
struct Document<'a> {
    jid: &'a str,
    reasons: Vec<Said>,
    places: Vec<Seen<'a>>,
    outcome: Option<Outcome<'a>>,
    looked_at: u64,
    gave_up: bool,
    unread: &'a [String],
}

pub(crate) async fn run(args: &WhyArgs, common: &Common) -> Result<(), Failure> {
    let LookArgs { jid, r#in, within } = &args.look;
    let explanation = common.inspect()?.why(jid, *within, r#in).await?;
    let report = &explanation.report;
    let said = Said::all_of(&explanation);
    if common.json {
        return document::print(&Document {
            jid,
            reasons: said,
            places: report
                .sightings
                .iter()
                .map(|it| Seen::of(it, whole))
                .collect(),
            outcome: report.outcome.as_ref().map(Outcome::from),
            looked_at: report.looked_at,
            gave_up: report.gave_up,
            unread: &report.unread,
        });
    }
    let lines: Vec<String> = said.iter().map(|it| printable(&it.text)).collect();
    output::print(&lines.join("\n"))?;
    look::limits(report)
        .iter()
        .for_each(|note| output::note(note));
    Ok(())
}

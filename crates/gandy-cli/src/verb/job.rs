//! `gandy job JID`: where a job is, its whole payload, its history as far as known.

use clap::Args;
use gandy::document::{Event, Outcome, Seen, whole};
use gandy::views::{JobReport, Sighting};
use serde::Serialize;

use super::look::{self, LookArgs};
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::pretty::pretty;
use crate::printable::{printable, printable_json};
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy job b5de70b63090decd6440fd9e
  gandy job b5de70b63090decd6440fd9e --in retry            look only there, and where jobs run
  gandy job b5de70b63090decd6440fd9e --within 1m           look for longer in large queues
  gandy job b5de70b63090decd6440fd9e --json | jq '.places[0].payload.args'

It looks where jobs run, in retry, schedule and dead, and, if the job is in none of these, in all queues.

JSON
  {"jid":"…","places":[{"place":"retry","at_ms":1795398104597,"queue":"default","ahead":null,"process":null,
    "alive":null,"since_ms":null,"reason":null,"payload":{…}}],"outcome":null,"died_aboard":[],
    "history":[{"at_ms":1795398104597,"what":"created"}],"looked_at":17,"gave_up":false,"unread":[]}
  place: queue:NAME, retry, schedule, dead, inflight (at a Gandy worker) or ruby. at_ms: due, or died. ahead: jobs
  taken before it. outcome: {"outcome":"done"|"failed"|"dead"|"deleted","at_ms":…,"will_retry":false,"error_class":null,
  "error_message":null} for an hour, of a job that was pushed with --wait or cancelled. died_aboard: processes that died
  while they held it, in 72 hours. gave_up: the search ended early; unread: places that could not be read

EXIT CODES
  0 found, or its outcome was; 1 found nowhere (or not in time); others: gandy --help"#;

/// Where a job is, its payload and its history
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    look: LookArgs,
}

#[derive(Serialize)]
struct Document<'a> {
    jid: &'a str,
    places: Vec<Seen<'a>>,
    outcome: Option<Outcome<'a>>,
    died_aboard: &'a [String],
    history: &'a [Event],
    looked_at: u64,
    gave_up: bool,
    unread: &'a [String],
}

pub(crate) async fn run(args: &JobArgs, common: &Common) -> Result<u8, Failure> {
    let LookArgs { jid, r#in, within } = &args.look;
    let report = common.inspect()?.report(jid, *within, r#in).await?;
    let history = Event::all_of(&report, |_| true);
    let known = !report.sightings.is_empty() || report.outcome.is_some();
    if common.json {
        document::print(&Document {
            jid,
            places: report
                .sightings
                .iter()
                .map(|it| Seen::of(it, whole))
                .collect(),
            outcome: report.outcome.as_ref().map(Outcome::from),
            died_aboard: &report.died_aboard,
            history: &history,
            looked_at: report.looked_at,
            gave_up: report.gave_up,
            unread: &report.unread,
        })?;
    } else {
        if known {
            output::print(text(&report, &history).trim_end())?;
        } else {
            output::note(&format!(
                "no job {} in {} looked at: it may have run to its end; without --wait a run leaves no outcome",
                printable(jid),
                words::count(report.looked_at, "job")
            ));
        }
        look::limits(&report)
            .iter()
            .for_each(|note| output::note(note));
    }
    Ok(if known { exit::DONE } else { exit::FINDINGS })
}

fn text(report: &JobReport, history: &[Event]) -> String {
    let now_ms = words::now_ms();
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        out.push_str(&format!("{name:<9} {value}\n"));
    };
    line("JID", &printable(&report.jid));
    for sighting in &report.sightings {
        line("CLASS", &printable(sighting.payload.display_class()));
        line("WHERE", &look::place_in_words(sighting, now_ms));
        if let Some(reason) = &sighting.reason {
            line("REASON", &printable(reason));
        }
        line("PAYLOAD", &payload(sighting));
    }
    if let Some(ended) = &report.outcome {
        let when = words::relative(ended.at, now_ms);
        line(
            "OUTCOME",
            &format!("{} ({when})", look::outcome_in_words(ended)),
        );
    }
    if !report.died_aboard.is_empty() {
        let who = report.died_aboard.join(" ");
        let count = words::count(report.died_aboard.len() as u64, "process died");
        // "1 process died", "2 process dieds" is nobody's English.
        let count = count.replace("process dieds", "processes died");
        line(
            "SUSPECT",
            &printable(&format!("{count} with it aboard: {who}")),
        );
    }
    for (place, event) in history.iter().enumerate() {
        let name = if place == 0 { "HISTORY" } else { "" };
        let when = words::relative(event.at_ms, now_ms);
        line(name, &printable(&format!("{} {}", event.what, when)));
    }
    out
}

/// Controls are escaped before line breaks are added: a string may hold anything but those.
fn payload(sighting: &Sighting) -> String {
    pretty(&printable_json(sighting.payload.raw()), 10)
}

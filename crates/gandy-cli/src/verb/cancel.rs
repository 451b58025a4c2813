//! `gandy cancel JID`: tells a running job to stop.

use std::time::Duration;

use clap::Args;
use gandy::document::{Outcome, Seen, whole};
use gandy::views::Cancelled;
use serde::Serialize;

use super::look;
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::printable::printable;
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy cancel b5de70b63090decd6440fd9e
  gandy cancel b5de70b63090decd6440fd9e --timeout 30s      wait longer for the run to end

The worker that runs the job sees the wish within a second, cancels the run's token and answers. A handler that looks at
its token (Context::cancellation; programs get TERM) ends; one that does not runs on. A cancelled run that fails is not
retried: the job goes into dead, from where gandy retry runs it again, or away if its error or "dead": false says so. A run that
succeeds all the same is done. What does not run is not touched: use gandy delete.

JSON
  {"jid":"…","answer":"told","process":"…","outcome":{…},"places":[]}
  answer: told (outcome is null while the run goes on), not-begun, ruby (Ruby cannot cancel), no-answer, not-running
  (places says where it is); outcome and places as in gandy job --help

EXIT CODES
  0 the run was told to stop; 1 there is none to stop; 75 no answer: it may have been told; others: gandy --help"#;

/// Cancel a running job
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CancelArgs {
    /// The job's id
    #[arg(value_name = "JID", value_parser = look::jid)]
    jid: String,

    /// Wait so long for the answer and the end of the run
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = words::parse_some_span)]
    timeout: Duration,
}

#[derive(Serialize)]
struct Document<'a> {
    jid: &'a str,
    answer: &'static str,
    process: Option<&'a str>,
    outcome: Option<Outcome<'a>>,
    places: Vec<Seen<'a>>,
}

pub(crate) async fn run(args: &CancelArgs, common: &Common) -> Result<u8, Failure> {
    let (jid, timeout) = (&args.jid, args.timeout);
    let cancelled = common.inspect()?.cancel(jid, timeout).await?;
    if common.json {
        document::print(&json(jid, &cancelled))?;
    } else {
        say(jid, &cancelled)?;
    }
    Ok(match cancelled {
        Cancelled::Told { .. } => exit::DONE,
        Cancelled::NoAnswer { .. } => exit::UNKNOWN,
        _ => exit::FINDINGS,
    })
}

fn json<'a>(jid: &'a str, cancelled: &'a Cancelled) -> Document<'a> {
    let mut document = Document {
        jid,
        answer: "told",
        process: None,
        outcome: None,
        places: Vec::new(),
    };
    match cancelled {
        Cancelled::Told { identity, ended } => {
            document.process = Some(identity);
            document.outcome = ended.as_ref().map(Outcome::from);
        }
        Cancelled::NotBegun { identity } => {
            document.answer = "not-begun";
            document.process = Some(identity);
        }
        Cancelled::Ruby { identity } => {
            document.answer = "ruby";
            document.process = Some(identity);
        }
        Cancelled::NoAnswer { identity } => {
            document.answer = "no-answer";
            document.process = Some(identity);
        }
        Cancelled::NotRunning(report) => {
            document.answer = "not-running";
            document.outcome = report.outcome.as_ref().map(Outcome::from);
            document.places = report
                .sightings
                .iter()
                .map(|it| Seen::of(it, whole))
                .collect();
        }
    }
    document
}

fn say(jid: &str, cancelled: &Cancelled) -> Result<(), Failure> {
    let jid = printable(jid);
    match cancelled {
        Cancelled::Told { identity, ended } => {
            let identity = printable(identity);
            output::print(&match ended {
                Some(ended) => format!(
                    "{jid} was told to stop at {identity}, and its run has ended: {}",
                    look::outcome_in_words(ended)
                ),
                None => format!(
                    "{jid} was told to stop at {identity} and still runs: its handler may not look at its cancellation"
                ),
            })
        }
        Cancelled::NotBegun { identity } => {
            let identity = printable(identity);
            output::note(&format!(
                "{identity} has claimed {jid} and not begun it: there is no run to cancel. Try again in a moment"
            ));
            Ok(())
        }
        Cancelled::Ruby { identity } => {
            let identity = printable(identity);
            output::note(&format!(
                "{jid} runs at the Ruby process {identity}, and Ruby cannot cancel a job that runs"
            ));
            Ok(())
        }
        Cancelled::NoAnswer { identity } => {
            let identity = printable(identity);
            output::note(&format!(
                "{identity} holds {jid} and did not answer in time; it may still do as it was told. Look with gandy job {jid}, or run it again: that is safe"
            ));
            Ok(())
        }
        Cancelled::NotRunning(report) => {
            let now_ms = words::now_ms();
            let whereabouts = report.sightings.first().map_or_else(
                || match &report.outcome {
                    Some(ended) => format!("its last run ended: {}", look::outcome_in_words(ended)),
                    None => "it was not found".to_owned(),
                },
                |sighting| {
                    let place = look::place_in_words(sighting, now_ms);
                    format!("it is {place}. To remove it: gandy delete {jid}")
                },
            );
            output::note(&format!("{jid} does not run: {whereabouts}"));
            look::limits(report)
                .iter()
                .for_each(|note| output::note(note));
            Ok(())
        }
    }
}

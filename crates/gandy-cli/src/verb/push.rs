//! `gandy push`: one job from the command line, or many from standard input (see `bulk`); to its end with `wait`.

use std::time::Duration;

use chrono::DateTime;
use clap::Args;
use gandy::{Outcome, Push, QueueName, RetrySetting};
use serde::Serialize;

use super::{bulk, wait};
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::printable::printable;
use crate::words::parse_span;
use crate::{document, json_args, output};

const EXAMPLES: &str = r#"EXAMPLES
  gandy push Cleanup                                   a job without arguments; prints its jid
  gandy push Mailer 42 '"hello"' '{"dry": true}'       each argument is one JSON value
  gandy push Mailer 42 --queue low --retry 3           on another queue, with three retries
  gandy push Mailer 42 --in 1h30m                      later
  gandy push Mailer 42 --at 2026-12-24T18:00:00+01:00  at a time; one that has passed means now
  gandy push Invoice 7 --idempotency-key invoice:7     once: run again within a day it pushes nothing
  gandy push Report 7 --wait --timeout 5m              and wait until it has run (Gandy's workers only)
  gandy push --stdin < jobs.jsonl                      many: one JSON object in each line, such as
    {"class":"Mailer","args":[42,"hello"],"queue":"low","retry":3,"at":1795398104.5,"tags":["import"]}

--stdin pushes in the order of the lines, 1,000 in one command, skips empty lines and stops at the first line that is no
job. It says how many jobs Redis acknowledged and, when it stopped early or by Ctrl-C, from which line on to go on:
  gandy push --stdin --skip 41000 < jobs.jsonl         leaves out the first 41,000 lines

--wait ends with the first run of the job: with exit code 0 if it was done, 1 if it failed (also where it will be
retried), died or was deleted, 75 if that was not seen within --timeout: a Ruby worker leaves no outcome.

JSON
  {"jid":"…","class":"Mailer","queue":"default","outcome":"enqueued"}    or "scheduled", "duplicate" (the jid is
    the first one's), or "unknown" (exit code 75)
  with --wait also "ended":{"outcome":"done","at_ms":…,"will_retry":false,"error_class":null,"error_message":null},
    null if it was not seen
  --stdin: {"acknowledged":2500,"acknowledged_lines":2500,"unknown":0,"first_unacknowledged_line":null,"error":null}

Exit codes and environment: gandy --help"#;

const USAGE: &str =
    "gandy push [OPTIONS] CLASS [JSON_ARG]...\n       gandy push [OPTIONS] --stdin < FILE";

/// Push a job and print its jid, or many from standard input
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(crate) struct PushArgs {
    /// The class that runs the job
    #[arg(required_unless_present = "stdin", value_parser = class)]
    class: Option<String>,

    /// Its arguments, each one JSON value: 42, true, '"text"', '[1,2]', '{"a":1}'
    #[arg(value_name = "JSON_ARG", allow_negative_numbers = true)]
    args: Vec<String>,

    /// Push to this queue [default: default]
    #[arg(long, short, value_name = "Q", value_parser = queue)]
    queue: Option<String>,

    /// Run after this time: 10s, 5m, 1h30m, 2d
    #[arg(long, value_name = "SPAN", conflicts_with = "at", value_parser = parse_span)]
    r#in: Option<Duration>,

    /// Run at this time: 2026-12-24T18:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    at: Option<i64>,

    /// Retry so often: a number, false for never, true for what the worker says [default: true]
    #[arg(long, value_name = "N|false", allow_negative_numbers = true, value_parser = retry)]
    retry: Option<RetrySetting>,

    /// Push nothing if a job was pushed under this key before; print that one's jid
    #[arg(long, value_name = "KEY", value_parser = key)]
    idempotency_key: Option<String>,

    /// Remember the key for so long, 1s to 366d [default: 1d]
    #[arg(long, value_name = "SPAN", requires = "idempotency_key", value_parser = parse_span)]
    r#for: Option<Duration>,

    /// Wait until a Gandy worker has run it; the exit code says how that went
    #[arg(long, conflicts_with = "stdin")]
    wait: bool,

    /// Wait for at most so long [default: 1m]
    #[arg(long, value_name = "SPAN", requires = "wait", value_parser = crate::words::parse_some_span)]
    timeout: Option<Duration>,

    /// Push one job for each line of standard input
    #[arg(long, conflicts_with_all = ["class", "args", "queue", "in", "at", "retry", "idempotency_key", "for"])]
    stdin: bool,

    /// Leave out the first lines, which an earlier push has done
    #[arg(long, value_name = "N", requires = "stdin", default_value_t = 0)]
    skip: u64,
}

#[derive(Serialize)]
struct Pushed<'a> {
    jid: &'a str,
    class: &'a str,
    queue: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// With `--wait`; null where the end was not seen.
    ended: Option<Option<gandy::document::Outcome<'a>>>,
}

pub(crate) async fn run(args: &PushArgs, common: &Common) -> Result<u8, Failure> {
    if args.stdin {
        return bulk::run(common, args.skip).await;
    }
    let push = push(args)?;
    let (mut jid, class, queue) = (
        push.id().to_owned(),
        push.class().to_owned(),
        push.record().queue.clone(),
    );
    let client = common.client().await?;
    let sent = client.send(push).await.map_err(Failure::from);
    let outcome = match &sent {
        Ok(receipt) if receipt.outcome == Outcome::Scheduled => "scheduled",
        Ok(receipt) if receipt.outcome == Outcome::Duplicate => {
            jid.clone_from(&receipt.jid);
            "duplicate"
        }
        Ok(_) => "enqueued",
        Err(failure) if failure.code == exit::UNKNOWN => "unknown",
        Err(_) => return sent.map(|_| exit::DONE),
    };
    let document = |ended| Pushed {
        jid: &jid,
        class: &class,
        queue: &queue,
        outcome,
        ended,
    };
    // With --wait the one document comes at the end.
    let shown = match (common.json, &sent) {
        (true, Ok(_)) if args.wait => Ok(()),
        (true, _) => document::print(&document(None)),
        (false, Ok(_)) => output::print(&printable(&jid)),
        (false, Err(_)) => Ok(()),
    };
    if let Err(failure) = sent {
        return Err(doubt(args, failure, &queue));
    }
    if outcome == "duplicate" {
        output::note("a job was pushed under that key before; nothing is pushed now");
    }
    if args.at.is_some() && outcome == "enqueued" {
        output::note("that time has passed, so the job runs now");
    }
    // Whoever cannot read the jid must still not push again.
    let pushed = match outcome {
        "duplicate" => format!("The job {jid} was pushed before, nothing now."),
        _ => format!("The job {jid} was pushed."),
    };
    let tell = |failure: Failure| failure.and(&printable(&pushed));
    shown.map_err(tell)?;
    if !args.wait {
        return Ok(exit::DONE);
    }
    let timeout = args.timeout.unwrap_or(wait::TIMEOUT);
    let ended = wait::wait(common, &jid, timeout).await;
    if common.json {
        let ended = ended.as_ref().ok().and_then(Option::as_ref);
        document::print(&document(Some(ended.map(gandy::document::Outcome::from))))
            .map_err(tell)?;
    }
    Ok(wait::conclude(&jid, ended?.as_ref(), timeout))
}

/// A push without an answer, and how to find out.
fn doubt(args: &PushArgs, failure: Failure, queue: &str) -> Failure {
    if args.idempotency_key.is_some() {
        return failure.and("Run it again with the same key: it pushes only what is not there.");
    }
    let look = match args.delayed() {
        true => "schedule".to_owned(),
        false => format!("queue:{queue}"),
    };
    failure
        .and(&printable(&format!("Look for it with: gandy jobs {look}")))
        .and("If it is not there and no worker ran it, push it again.")
}

impl PushArgs {
    fn delayed(&self) -> bool {
        self.at.is_some() || self.r#in.is_some()
    }
}

fn push(args: &PushArgs) -> Result<Push, Failure> {
    let mut push = Push::raw(
        args.class.clone().unwrap_or_default(),
        json_args::array(&args.args)?,
    );
    if args.wait {
        push = push.notify();
    }
    if let Some(queue) = &args.queue {
        push = push.queue(queue);
    }
    if let Some(retry) = args.retry {
        push = push.retry(retry);
    }
    if let Some(delay) = args.r#in {
        push = push.after(delay);
    }
    if let Some(at_ms) = args.at {
        push = push.at_millis(at_ms);
    }
    match (&args.idempotency_key, args.r#for) {
        (Some(key), Some(kept)) => push = push.idempotency_key_for(key, kept),
        (Some(key), None) => push = push.idempotency_key(key),
        (None, _) => {}
    }
    Ok(push)
}

fn class(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a job needs a class, such as Mailer".to_owned());
    }
    if text.trim_start().starts_with(['{', '[', '"']) {
        return Err(
            "that is JSON and no class; a whole job as JSON goes through --stdin".to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn queue(text: &str) -> Result<String, String> {
    QueueName::check(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn key(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("name what the job is for, such as invoice:7".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn instant(text: &str) -> Result<i64, String> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.timestamp_millis()),
        Err(error) => Err(format!(
            "{error}; write date, time and zone, such as 2026-12-24T18:00:00+01:00 or …Z"
        )),
    }
}

fn retry(text: &str) -> Result<RetrySetting, String> {
    match text {
        "true" => Ok(RetrySetting::Always),
        "false" => Ok(RetrySetting::Never),
        number => match number.parse() {
            Ok(times) => Ok(RetrySetting::Times(times)),
            Err(_) => Err("write a number of retries from 0, true or false".to_owned()),
        },
    }
}

//! `gandy jobs SET`: the jobs that wait in a queue or a set. It only ever lists.

use clap::Args;
use gandy::{Inspect, JobInfo, Place};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Common;
use crate::failure::Failure;
use crate::table::{self, Kind, Screen};
use crate::{document, output, place, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy jobs queue:default              the next jobs of a queue, the one that runs first on top
  gandy jobs retry --limit 100          what failed and runs again, by time
  gandy jobs schedule                   what waits for its time
  gandy jobs dead --json | jq -r '.[] | select(.class == "Mailer") | .jid'

JSON
  [{"place":"retry","at_ms":1795398104597,"jid":"…","class":"Mailer","display_class":"Mailer","queue":"default",
    "reason":null,"payload":{…},"problem":null,"raw":null}]
  at_ms: when it is due, in dead when it died; null in a queue. payload: exactly as it is in Redis. reason: why it was
  buried without being run. What is no job has its text in raw and what is wrong with it in problem, and null for the rest.

Exit codes and environment: gandy --help"#;

/// So many jobs are read at a time, so that no answer of Redis is long.
const PAGE: usize = 100;

/// The jobs in a queue or a set
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JobsArgs {
    /// Where they wait
    #[arg(value_name = "queue:NAME|retry|schedule|dead", value_parser = place::parse)]
    place: Place,

    /// At most so many jobs
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

#[derive(Serialize)]
struct Job<'a> {
    place: &'a str,
    at_ms: Option<i64>,
    jid: Option<&'a str>,
    class: Option<&'a str>,
    display_class: Option<&'a str>,
    queue: Option<&'a str>,
    reason: Option<&'a str>,
    payload: Option<&'a RawValue>,
    problem: Option<&'a str>,
    raw: Option<String>,
}

/// A job and why it was buried, where that was kept.
type Found = (JobInfo, Option<String>);

pub(crate) async fn run(args: &JobsArgs, common: &Common) -> Result<(), Failure> {
    let inspect = common.inspect()?;
    let jobs = read(&inspect, &args.place, usize::from(args.limit)).await?;
    let name = place::name(&args.place);
    if common.json {
        return document::print(
            &jobs
                .iter()
                .map(|found| json(found, &name))
                .collect::<Vec<_>>(),
        );
    }
    let size = inspect.size(&args.place).await?;
    if jobs.is_empty() {
        output::note(&format!("{name} is empty"));
        return Ok(());
    }
    let now_ms = words::now_ms();
    let rows = jobs.iter().map(|found| row(found, now_ms));
    output::print(&table::draw(
        columns(&args.place),
        rows,
        Screen::of_stdout(),
    ))?;
    if size > jobs.len() as u64 {
        output::note(&format!(
            "{} of {}; --limit shows more",
            jobs.len(),
            words::count(size, "job")
        ));
    }
    Ok(())
}

async fn read(inspect: &Inspect, place: &Place, limit: usize) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    while found.len() < limit {
        let wanted = PAGE.min(limit - found.len());
        let page = inspect.jobs(place, found.len(), wanted).await?;
        let last = page.len() < wanted;
        for job in page {
            let reason = match place {
                Place::Dead if error(&job).is_none() => inspect.reason(&job).await?,
                _ => None,
            };
            found.push((job, reason));
        }
        if last {
            break;
        }
    }
    Ok(found)
}

fn json<'a>((job, reason): &'a Found, place: &'a str) -> Job<'a> {
    let payload = job.payload.as_ref().ok();
    let raw = payload.and_then(|payload| document::raw(payload.raw()));
    let problem = match &job.payload {
        Err(problem) => Some(problem.as_str()),
        Ok(_) => None,
    };
    Job {
        place,
        at_ms: job.at_ms,
        jid: payload.map(|payload| payload.jid()),
        class: payload.map(|payload| payload.class()),
        display_class: payload.map(|payload| payload.display_class()),
        queue: payload.and_then(|payload| payload.queue()),
        reason: reason.as_deref(),
        payload: raw,
        problem,
        raw: raw
            .is_none()
            .then(|| String::from_utf8_lossy(&job.bytes).into_owned()),
    }
}

fn columns(place: &Place) -> table::Columns<'static> {
    use Kind::{Number, Spare, Text, Whole};
    match place {
        Place::Queue(_) => &[
            ("JID", Whole),
            ("ENQUEUED", Whole),
            ("CLASS", Text),
            ("ARGS", Text),
        ],
        Place::Schedule => &[
            ("JID", Whole),
            ("DUE", Whole),
            ("QUEUE", Spare),
            ("CLASS", Text),
            ("ARGS", Text),
        ],
        Place::Retry => &[
            ("JID", Whole),
            ("NEXT", Whole),
            ("COUNT", Number),
            ("QUEUE", Spare),
            ("CLASS", Text),
            ("ARGS", Spare),
            ("ERROR", Text),
        ],
        Place::Dead => &[
            ("JID", Whole),
            ("DIED", Whole),
            ("QUEUE", Spare),
            ("CLASS", Text),
            ("ARGS", Spare),
            ("ERROR", Text),
        ],
    }
}

/// The cells of [`columns`].
fn row((job, reason): &Found, now_ms: i64) -> Vec<String> {
    let none = || "-".to_owned();
    let payload = job.payload.as_ref().ok();
    let at_ms = match job.place {
        Place::Queue(_) => payload
            .and_then(|payload| payload.stamp("enqueued_at"))
            .map(|stamp| stamp.millis()),
        _ => job.at_ms,
    };
    let mut cells = vec![
        // Anybody's jid may be any text; ours have 24 characters.
        payload.map_or_else(none, |payload| payload.jid().chars().take(36).collect()),
        at_ms.map_or_else(none, |at| words::relative(at, now_ms)),
    ];
    if job.place == Place::Retry {
        cells.push(
            payload
                .and_then(|payload| payload.retry_count())
                .map_or_else(none, |count| count.to_string()),
        );
    }
    if !matches!(job.place, Place::Queue(_)) {
        cells.push(
            payload
                .and_then(|payload| payload.queue())
                .map_or_else(none, str::to_owned),
        );
    }
    let failed = matches!(job.place, Place::Retry | Place::Dead);
    match &job.payload {
        Ok(payload) => cells.extend([
            payload.display_class().to_owned(),
            payload.args().to_owned(),
        ]),
        Err(_) if failed => cells.extend(["not a job".to_owned(), none()]),
        Err(problem) => cells.extend(["not a job".to_owned(), problem.clone()]),
    }
    if failed {
        let problem = job.payload.as_ref().err();
        let said = error(job).or_else(|| reason.as_ref().or(problem).cloned());
        cells.push(said.unwrap_or_else(none));
    }
    cells
}

/// `Class: message` of its last failure.
fn error(job: &JobInfo) -> Option<String> {
    let payload = job.payload.as_ref().ok()?;
    let text = |name: &str| serde_json::from_str::<String>(payload.field(name)?).ok();
    match (text("error_class"), text("error_message")) {
        (Some(class), Some(message)) => Some(format!("{class}: {message}")),
        (class, message) => class.or(message),
    }
}

//! `gandy jobs SET`: the jobs that wait in a queue or a set, or that workers hold. It only ever lists.

use clap::Args;
use gandy::document::{Job, whole};
use gandy::{Filter, Inspect, JobInfo, Place};

use crate::cli::Common;
use crate::failure::Failure;
use crate::meter::Meter;
use crate::place::{Set, set};
use crate::printable::printable;
use crate::table::{self, Kind, Screen};
use crate::{document, output, place, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy jobs queue:default              the next jobs of a queue, the one that runs first on top
  gandy jobs retry --limit 100          what failed and runs again, by time
  gandy jobs schedule                   what waits for its time
  gandy jobs inflight                   what workers hold at this moment
  gandy jobs retry 'class:Mailer*' 'error:Timeout' 'age>1h'
  gandy jobs queue:default arg:42 -class:Import
  gandy jobs dead --json | jq -r '.[] | select(.class == "Mailer") | .jid'

FILTER: terms that a job must fit, all of them. Put them in quotes, the shell has its own meaning for * and >
  class:Mailer*   its class, or the class that ActiveJob wrapped; * is any text, ? one character
  queue:low  jid:b5de*  tag:import                 the queue it names, its id, one of its tags
  arg:42          one of its arguments, as JSON or as the text in its quotes; arg:'"42"' is the string alone
  error:Timeout   its last error has this in class or message
  class=Mailer    its class is just this text, * and ? included; also queue= jid= tag=
  error=Timeout   the class of its last error is just this text; error="": it has none
  age>1h  age<5m  for how long it is where it is: in a queue since it was enqueued, in retry since it failed, in dead
                  since it died, in schedule since it was created
  attempt>3       the run that comes next, the first is 1; also < >= <= =
  Mailer          this is in its class or id; with * or ? in it, it must fit the whole of one of the two
  -TERM  !TERM    does not fit that term (-Mailer alone would be a flag: write '!Mailer')
  'error:"no reply"'   keeps the space: the outer quotes are for the shell, the inner ones for the filter
  '"class:x"'          in quotes is a text that is to be found, and no term

JSON
  [{"place":"retry","at_ms":1795398104597,"jid":"…","class":"Mailer","display_class":"Mailer","queue":"default",
    "reason":null,"process":null,"payload":{…},"problem":null,"raw":null}]
  at_ms: when it is due, in dead when it died; null in a queue. payload: exactly as it is in Redis. reason: why it was
  buried without being run. process: who holds it; its place is inflight then. What is no job has its text in raw and
  what is wrong with it in problem, and null for the rest; no filter fits it.

Exit codes and environment: gandy --help"#;

/// So many jobs are read at a time, so that no answer of Redis is long.
const PAGE: usize = 100;

/// With a filter: most do not fit.
const FILTERED_PAGE: usize = 500;

/// The jobs in a queue or a set, or that workers hold
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JobsArgs {
    /// Where they are
    #[arg(value_name = "queue:NAME|retry|schedule|dead|inflight", value_parser = set)]
    set: Set,

    /// Only those that fit, such as class:Mailer* error:Timeout age>1h
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,

    /// At most so many jobs
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

/// A job, why it was buried where that was kept, and who holds it.
#[derive(Debug)]
struct Found {
    job: JobInfo,
    reason: Option<String>,
    process: Option<String>,
}

pub(crate) async fn run(args: &JobsArgs, common: &Common) -> Result<(), Failure> {
    let filter = match args.filter.as_slice() {
        [] => None,
        terms => Some(words::filter(&terms.join(" ")).map_err(Failure::usage)?),
    };
    let inspect = common.inspect()?;
    let limit = usize::from(args.limit);
    let (name, jobs) = match &args.set {
        Set::InFlight => (
            place::IN_FLIGHT.to_owned(),
            in_flight(&inspect, filter.as_ref(), limit).await?,
        ),
        Set::Waiting(place) => (
            place::name(place),
            match &filter {
                None => read(&inspect, place, limit).await?,
                Some(filter) => search(&inspect, place, filter, limit).await?,
            },
        ),
    };
    if common.json {
        let jobs = jobs.iter().map(|found| json(found, &name));
        return document::print(&jobs.collect::<Vec<_>>());
    }
    if jobs.is_empty() {
        output::note(&match (&args.set, filter) {
            (Set::InFlight, None) => "no worker holds a job".to_owned(),
            (_, None) => format!("{name} is empty"),
            (_, Some(filter)) => printable(&format!("no job of {name} fits {filter}")),
        });
        return Ok(());
    }
    let now_ms = words::now_ms();
    let rows = jobs.iter().map(|found| row(found, now_ms));
    output::print(&table::draw(columns(&args.set), rows, Screen::of_stdout()))?;
    let more = match (&args.set, filter) {
        (Set::Waiting(place), None) => {
            let size = inspect.size(place).await?;
            (size > jobs.len() as u64)
                .then(|| format!("{} of {}", jobs.len(), words::count(size, "job")))
        }
        _ => (jobs.len() == limit)
            .then(|| format!("the first {}", words::count(limit as u64, "job"))),
    };
    if let Some(more) = more {
        output::note(&format!("{more}; --limit shows more"));
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
            found.push(with_reason(inspect, job).await?);
        }
        if last {
            break;
        }
    }
    Ok(found)
}

/// Those that fit. Where few do the whole place is looked at, page by page.
async fn search(
    inspect: &Inspect,
    place: &Place,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Found>, Failure> {
    let mut meter = Meter::new(Some(inspect.size(place).await?));
    let youngest_first = *place == Place::Dead;
    let mut walk = inspect
        .walk(place, Some(filter.clone()), youngest_first)
        .await?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(page) = walk.next(FILTERED_PAGE).await?
    {
        for job in page.into_iter().take(limit - found.len()) {
            found.push(with_reason(inspect, job).await?);
        }
        meter.show(walk.examined(), found.len() as u64, "found");
    }
    meter.end();
    Ok(found)
}

async fn in_flight(
    inspect: &Inspect,
    filter: Option<&Filter>,
    limit: usize,
) -> Result<Vec<Found>, Failure> {
    let held = inspect.in_flight(filter, limit).await?;
    Ok(held
        .into_iter()
        .map(|held| Found {
            job: held.job,
            reason: None,
            process: Some(held.process),
        })
        .collect())
}

async fn with_reason(inspect: &Inspect, job: JobInfo) -> Result<Found, Failure> {
    let reason = match job.place {
        Place::Dead if error(&job).is_none() => inspect.reason(&job).await?,
        _ => None,
    };
    Ok(Found {
        job,
        reason,
        process: None,
    })
}

fn json<'a>(found: &'a Found, place: &'a str) -> Job<'a> {
    Job::of(&found.job, place, whole, |bytes| {
        String::from_utf8_lossy(bytes).into_owned()
    })
    .buried_for(found.reason.as_deref())
    .held_by(found.process.as_deref())
}

fn columns(set: &Set) -> table::Columns<'static> {
    use Kind::{Number, Spare, Text, Whole};
    let place = match set {
        Set::Waiting(place) => place,
        Set::InFlight => {
            return &[
                ("JID", Whole),
                ("ENQUEUED", Whole),
                ("PROCESS", Whole),
                ("QUEUE", Spare),
                ("CLASS", Text),
                ("ARGS", Spare),
            ];
        }
    };
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
fn row(found: &Found, now_ms: i64) -> Vec<String> {
    let Found {
        job,
        reason,
        process,
    } = found;
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
    if let (Some(process), Place::Queue(queue)) = (process, &job.place) {
        cells.extend([process.clone(), queue.clone()]);
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

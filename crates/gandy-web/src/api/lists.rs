//! Queues, and the jobs of a queue or a set, page by page.

use axum::extract::{Path, State};
use gandy::document::{Job, Queue};
use gandy::{Found, Hit, Place, QueueInfo, SurveyedQueue};
use serde::Serialize;

use super::{ok, payload};
use crate::frame::Visitor;
use crate::json;
use crate::page::queue::{SEARCH, from_the_back, surveyed};
use crate::page::queues::queue as checked;
use crate::page::set::{filter, window};
use crate::param::{Params, Query};
use crate::problem::{Outcome, Problem};
use crate::spot::{Spot, place_word};
use crate::state::{App, Shared};

/// A longer payload is left out of a list: a hundred of them would be a long answer.
const LISTED: usize = 16 << 10;
/// Bytes of what is no job.
const RAW: usize = 4 << 10;

/// One page of jobs.
#[derive(Serialize)]
struct List<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Queue<'a>>,
    size: u64,
    jobs: Vec<Entry<'a>>,
    next: Option<String>,
    examined: u64,
    out_of_time: bool,
}

/// A job, and how acts name it.
#[derive(Serialize)]
struct Entry<'a> {
    entry: String,
    bytes: usize,
    #[serde(flatten)]
    job: Job<'a>,
}

fn entries<'a>(app: &Shared, hits: &'a [Hit], place: &'a str) -> Vec<Entry<'a>> {
    let entry = |hit: &'a Hit| Entry {
        entry: Spot::of(hit).to_string(),
        bytes: hit.job.bytes.len(),
        job: Job::of(
            &hit.job,
            place,
            |it| payload(app, it, LISTED),
            |bytes| json::raw(bytes, &app.redaction.of_bytes(), RAW).text(),
        ),
    };
    hits.iter().map(entry).collect()
}

fn info(queue: &SurveyedQueue) -> QueueInfo {
    QueueInfo {
        name: queue.name.clone(),
        size: queue.size,
        latency: (queue.size > 0).then_some(queue.latency),
        in_flight: queue.busy,
        paused: queue.paused,
        rate: None,
    }
}

pub(crate) async fn queues(State(app): State<App>) -> Outcome {
    let glance = app.watch.glance().await?;
    let queues: Vec<QueueInfo> = glance.survey.queues.iter().map(info).collect();
    ok(&queues.iter().map(Queue::from).collect::<Vec<_>>())
}

pub(crate) async fn queue(
    State(app): State<App>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(query): Query,
) -> Outcome {
    let name = checked(&name)?;
    let glance = app.watch.glance().await?;
    let (surveyed, _) = surveyed(&app, &glance, &name).await?;
    let queue = info(&surveyed);
    let place = Place::Queue(name);
    let (_, count) = window(&query)?;
    let found = match query.word("end", &["next", "last"])? {
        "last" if query.get("filter").is_some_and(|filter| !filter.is_empty()) => {
            return Err(Problem::param(
                "end",
                "last and a filter do not go together",
            ));
        }
        "last" => {
            let (jobs, next) = from_the_back(&app, &place, &query, count).await?;
            let examined = jobs.len() as u64;
            (jobs, next, examined, false)
        }
        _ => search(&app, &visitor, &place, &query).await?,
    };
    list(&app, &place, Some(&queue), queue.size, found)
}

/// Jobs, where the next page begins, how many were looked at, and whether the time was over.
type Page = (Vec<Hit>, Option<String>, u64, bool);

async fn search(app: &Shared, visitor: &Visitor, place: &Place, query: &Params) -> Outcome<Page> {
    let (from, count) = window(query)?;
    let filter = filter(app, visitor, query)?.map_err(|wrong| Problem::param("filter", wrong))?;
    let found = app
        .inspect
        .search(place, filter.as_ref(), from, count, SEARCH)
        .await?;
    let Found {
        jobs,
        next,
        examined,
        out_of_time,
    } = found;
    Ok((
        jobs,
        next.map(|next| next.to_string()),
        examined,
        out_of_time,
    ))
}

fn list(app: &Shared, place: &Place, queue: Option<&QueueInfo>, size: u64, page: Page) -> Outcome {
    let (jobs, next, examined, out_of_time) = page;
    let word = place_word(place);
    ok(&List {
        queue: queue.map(Queue::from),
        size,
        jobs: entries(app, &jobs, &word),
        next,
        examined,
        out_of_time,
    })
}

pub(crate) async fn retries(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query,
) -> Outcome {
    set(&app, &visitor, Place::Retry, &query).await
}

pub(crate) async fn scheduled(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query,
) -> Outcome {
    set(&app, &visitor, Place::Schedule, &query).await
}

pub(crate) async fn dead(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    set(&app, &visitor, Place::Dead, &query).await
}

async fn set(app: &Shared, visitor: &Visitor, place: Place, query: &Params) -> Outcome {
    let found = search(app, visitor, &place, query).await?;
    let size = app.watch.glance().await?.size(&place);
    list(app, &place, None, size, found)
}

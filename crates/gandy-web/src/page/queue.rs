//! One queue: how long it is, what stands in it from either end, and what can be done with it.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gandy::{Hit, Place, SurveyedQueue};

use super::entries::{Row, row, terms};
use super::overview::{QueueRow, queue_row};
use super::queues::queue;
use super::set::{carried, filter, link, may_seek_errors, window};
use super::{Put, of_html};
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Params, Query, encoded};
use crate::problem::Outcome;
use crate::state::{App, Shared};
use crate::watch::Glance;
use crate::words;

pub(crate) const SEARCH: Duration = Duration::from_millis(250);

#[derive(Template)]
#[template(path = "queue.html")]
struct Page {
    frame: Frame,
    queue: QueueRow,
    known: bool,
    /// The others.
    queues: Vec<String>,
    /// From the end that is popped last.
    youngest: bool,
    filter: String,
    carried: Vec<(&'static str, String)>,
    terms: Vec<String>,
    wrong: String,
    rows: Vec<Row>,
    next: String,
    examined: String,
    out_of_time: bool,
    first: bool,
}

#[derive(Template)]
#[template(path = "queue/head.html")]
struct Head<'a> {
    frame: &'a Frame,
    queue: &'a QueueRow,
    known: bool,
}

#[derive(Template)]
#[template(path = "queue/tiles.html")]
struct Tiles<'a> {
    queue: &'a QueueRow,
}

/// A queue as all see it, or where it is none of those as it is now; and whether there is one. A queue that nobody has
/// pushed to is an empty one: it may be paused before its first job.
pub(crate) async fn surveyed(
    app: &Shared,
    glance: &Glance,
    name: &str,
) -> Outcome<(SurveyedQueue, bool)> {
    if let Some(queue) = among(glance, name) {
        return Ok((queue.clone(), true));
    }
    let queue = app.inspect.queue(name).await?;
    let surveyed = SurveyedQueue {
        name: name.to_owned(),
        size: queue.as_ref().map_or(0, |queue| queue.size),
        latency: queue
            .as_ref()
            .and_then(|queue| queue.latency)
            .unwrap_or_default(),
        busy: queue.as_ref().map_or(0, |queue| queue.in_flight),
        paused: queue.as_ref().is_some_and(|queue| queue.paused),
    };
    let known = surveyed.size + surveyed.busy > 0;
    Ok((surveyed, known))
}

fn among<'a>(glance: &'a Glance, name: &str) -> Option<&'a SurveyedQueue> {
    glance.survey.queues.iter().find(|queue| queue.name == name)
}

pub(crate) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(query): Query,
) -> Outcome {
    let name = queue(&name)?;
    let place = Place::Queue(name.clone());
    let (from, count) = window(&query)?;
    let filter = filter(&app, &visitor, &query)?;
    // A filter is looked for from the end that is popped next.
    let youngest = query.word("end", &["next", "last"])? == "last" && matches!(filter, Ok(None));
    let glance = app.watch.glance().await?;
    let (surveyed, known) = surveyed(&app, &glance, &name).await?;
    let path = format!("/queues/{}", encoded(&name));
    let frame = Frame::new(
        &app,
        &visitor,
        Tab::Queues,
        format!("Queue {name}"),
        Ok(&glance),
    )
    .live(format!("queue:{name}"))
    .noticing(app.notices.take(&query));
    let mut page = Page {
        queue: queue_row(&surveyed, &app.watch.queue_line(&name)),
        known,
        queues: glance.queues_but(&name),
        youngest,
        filter: query.get("filter").unwrap_or_default().to_owned(),
        carried: carried(&query),
        terms: Vec::new(),
        wrong: String::new(),
        rows: Vec::new(),
        next: String::new(),
        examined: String::new(),
        out_of_time: false,
        first: from == gandy::Bookmark::default(),
        frame,
    };
    let filter = match filter {
        Ok(filter) => filter,
        Err(wrong) => {
            page.wrong = wrong;
            return Ok(of_html(StatusCode::BAD_REQUEST, page.render()?));
        }
    };
    if youngest {
        let (hits, next) = from_the_back(&app, &place, &query, count).await?;
        page.rows = hits
            .iter()
            .map(|hit| row(&app, hit, page.frame.now_ms))
            .collect();
        page.terms = terms(&hits, may_seek_errors(&app, &visitor));
        page.next = next.map_or_else(String::new, |next| link(&path, &query, &[("from", &next)]));
        return Ok(of_html(StatusCode::OK, page.render()?));
    }
    let found = app
        .inspect
        .search(&place, filter.as_ref(), from, count, SEARCH)
        .await?;
    page.rows = found
        .jobs
        .iter()
        .map(|hit| row(&app, hit, page.frame.now_ms))
        .collect();
    page.terms = terms(&found.jobs, may_seek_errors(&app, &visitor));
    page.next = found.next.map_or_else(String::new, |next| {
        link(&path, &query, &[("from", &next.to_string())])
    });
    page.examined = words::grouped(found.examined);
    page.out_of_time = found.out_of_time;
    Ok(of_html(StatusCode::OK, page.render()?))
}

/// The jobs that were pushed last, the youngest first. Its bookmark counts from that end.
pub(crate) async fn from_the_back(
    app: &Shared,
    place: &Place,
    query: &Params,
    count: usize,
) -> Outcome<(Vec<Hit>, Option<String>)> {
    let behind = query
        .get("from")
        .and_then(|text| text.strip_prefix('~')?.parse().ok())
        .unwrap_or(0_usize);
    let size = usize::try_from(app.inspect.size(place).await?).unwrap_or(usize::MAX);
    let end = size.saturating_sub(behind);
    let begin = end.saturating_sub(count);
    let jobs = app.inspect.jobs(place, begin, end - begin).await?;
    let hits = jobs
        .into_iter()
        .enumerate()
        .map(|(at, job)| Hit {
            job,
            index: begin + at,
            behind: size - 1 - (begin + at),
        })
        .rev()
        .collect();
    let next = (begin > 0).then(|| format!("~{}", behind + (end - begin)));
    Ok((hits, next))
}

pub(crate) async fn fragments(
    app: &Shared,
    frame: &Frame,
    name: &str,
    glance: &Glance,
    put: Put<'_>,
) {
    // One that was emptied is on no list any more, and has no jobs.
    let Ok((surveyed, known)) = surveyed(app, glance, name).await else {
        return;
    };
    let queue = &queue_row(&surveyed, &app.watch.queue_line(name));
    put("tiles", Tiles { queue }.render());
    put(
        "head",
        Head {
            frame,
            queue,
            known,
        }
        .render(),
    );
    put("size", Ok(queue.size.clone()));
}

//! Retries, Scheduled and Dead: one page, thrice.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use gandy::{Bookmark, Filter, Found, Place};

use super::entries::{Row, row, text};
use super::of_html;
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Params, Query, encoded};
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};
use crate::words;

/// A search that finds little ends after so long, and goes on when somebody asks.
const SEARCH: Duration = Duration::from_millis(250);
/// The longest filter.
const FILTER_MAX: usize = 1_000;
/// Entries that are looked through for groups of errors, and how long at most.
const GROUPED: usize = 5_000;
const GROUPING: Duration = Duration::from_millis(250);
/// Groups that are shown.
const GROUPS: usize = 100;

#[derive(Template)]
#[template(path = "set.html")]
struct Page {
    frame: Frame,
    kind: Kind,
    size: String,
    /// As it was written.
    filter: String,
    wrong: String,
    rows: Vec<Row>,
    groups: Option<Groups>,
    next: String,
    examined: String,
    out_of_time: bool,
    first: bool,
}

/// What one of the three says of itself.
#[derive(Debug, Clone, Copy)]
struct Kind {
    place: &'static str,
    path: &'static str,
    name: &'static str,
    when: &'static str,
    run: &'static str,
    buries: bool,
    fails: bool,
    empty: &'static str,
}

const RETRIES: Kind = Kind {
    place: "retry",
    path: "/retries",
    name: "Retries",
    when: "Next run",
    run: "Retry now",
    buries: true,
    fails: true,
    empty: "Nothing failed that will run again. A job whose run fails comes here, and goes back to its queue by itself when its time has come.",
};

const SCHEDULED: Kind = Kind {
    place: "schedule",
    path: "/scheduled",
    name: "Scheduled",
    when: "Due",
    run: "Run now",
    buries: true,
    fails: false,
    empty: "Nothing waits for its time. Push a job with client.push_in(…), or gandy push Hello --in 10m.",
};

const DEAD: Kind = Kind {
    place: "dead",
    path: "/dead",
    name: "Dead",
    when: "Died",
    run: "Retry now",
    buries: false,
    fails: true,
    empty: "Nobody has died. Jobs that have used up their retries, and bytes that are no jobs, come here and wait for a person.",
};

fn kind(place: &Place) -> (Kind, Tab) {
    match place {
        Place::Schedule => (SCHEDULED, Tab::Scheduled),
        Place::Dead => (DEAD, Tab::Dead),
        _ => (RETRIES, Tab::Retries),
    }
}

/// Jobs of one class that failed with one error.
#[derive(Debug)]
struct Group {
    class: String,
    error: String,
    message: String,
    count: String,
    share: u64,
    link: String,
}

#[derive(Debug)]
struct Groups {
    groups: Vec<Group>,
    looked_at: String,
    all: bool,
}

pub(crate) async fn retries(app: State<App>, visitor: Visitor, query: Query) -> Outcome {
    show(&app.0, &visitor, &query.0, Place::Retry).await
}

pub(crate) async fn scheduled(app: State<App>, visitor: Visitor, query: Query) -> Outcome {
    show(&app.0, &visitor, &query.0, Place::Schedule).await
}

pub(crate) async fn dead(app: State<App>, visitor: Visitor, query: Query) -> Outcome {
    show(&app.0, &visitor, &query.0, Place::Dead).await
}

/// The filter of a request; what is wrong with it is said on the page.
pub(crate) fn filter(query: &Params) -> Outcome<Result<Option<Filter>, String>> {
    let written = query.text("filter", FILTER_MAX)?.unwrap_or_default();
    if written.trim().is_empty() {
        return Ok(Ok(None));
    }
    Ok(Filter::parse(written)
        .map(Some)
        .map_err(|error| error.to_string()))
}

/// Where a page begins, and how much it shows.
pub(crate) fn window(query: &Params) -> Outcome<(Bookmark, usize)> {
    let from = match query.text("from", 100)? {
        None | Some("") => Bookmark::default(),
        Some(text) => text
            .parse()
            .map_err(|error: String| Problem::param("from", error))?,
    };
    let count = query.number("count", 1, 100, 50)?;
    Ok((from, usize::try_from(count).unwrap_or(50)))
}

async fn show(app: &Shared, visitor: &Visitor, query: &Params, place: Place) -> Outcome {
    let (kind, tab) = kind(&place);
    let (from, count) = window(query)?;
    let by_error = query.word("view", &["jobs", "errors"])? == "errors" && kind.fails;
    let filter = filter(query)?;
    let glance = app.watch.glance().await?;
    let frame = Frame::new(app, visitor, tab, kind.name, Ok(&glance))
        .live(format!("set:{}", kind.place))
        .noticing(app.notices.take(query));
    let size = match place {
        Place::Schedule => glance.survey.schedule.size,
        Place::Dead => glance.survey.dead,
        _ => glance.survey.retry.size,
    };
    let mut page = Page {
        kind,
        size: words::count(size, "job"),
        filter: query.get("filter").unwrap_or_default().to_owned(),
        wrong: String::new(),
        rows: Vec::new(),
        groups: None,
        next: String::new(),
        examined: String::new(),
        out_of_time: false,
        first: from == Bookmark::default(),
        frame,
    };
    let filter = match filter {
        Ok(filter) => filter,
        Err(wrong) => {
            page.wrong = wrong;
            return Ok(of_html(StatusCode::BAD_REQUEST, page.render()?));
        }
    };
    if by_error {
        page.groups = Some(groups(app, &place, filter.as_ref(), kind).await?);
        return Ok(of_html(StatusCode::OK, page.render()?));
    }
    let found = app
        .inspect
        .search(&place, filter.as_ref(), from, count, SEARCH)
        .await?;
    let Found {
        jobs,
        next,
        examined,
        out_of_time,
    } = found;
    page.rows = jobs
        .iter()
        .map(|hit| row(app, hit, page.frame.now_ms))
        .collect();
    page.next = next.map_or_else(String::new, |next| {
        link(kind.path, query, &[("from", &next.to_string())])
    });
    page.examined = words::grouped(examined);
    page.out_of_time = out_of_time;
    Ok(of_html(StatusCode::OK, page.render()?))
}

/// The same page with other parameters.
pub(crate) fn link(path: &str, query: &Params, with: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = Vec::new();
    for name in ["filter", "count", "end"] {
        if let Some(value) = query.get(name).filter(|value| !value.is_empty()) {
            pairs.push(format!("{name}={}", encoded(value)));
        }
    }
    pairs.extend(
        with.iter()
            .map(|(name, value)| format!("{name}={}", encoded(value))),
    );
    format!("{path}?{}", pairs.join("&"))
}

async fn groups(
    app: &Shared,
    place: &Place,
    filter: Option<&Filter>,
    kind: Kind,
) -> Outcome<Groups> {
    let found = app
        .inspect
        .search(place, filter, Bookmark::default(), GROUPED, GROUPING)
        .await?;
    let mut counts: HashMap<(String, String), (u64, String)> = HashMap::new();
    for payload in found
        .jobs
        .iter()
        .filter_map(|hit| hit.job.payload.as_ref().ok())
    {
        let error = text(payload, "error_class").unwrap_or_default();
        let key = (payload.display_class().to_owned(), error);
        let slot = counts.entry(key).or_insert_with(|| {
            let message = text(payload, "error_message").unwrap_or_default();
            (0, words::clipped(&message, 160))
        });
        slot.0 += 1;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by(|a, b| (b.1.0, &a.0).cmp(&(a.1.0, &b.0)));
    let most = all.first().map_or(1, |(_, (count, _))| *count);
    let group = |((class, error), (count, message)): ((String, String), (u64, String))| {
        let mut filter = format!("class:{}", quoted(&class));
        if !error.is_empty() {
            filter += &format!(" error:{}", quoted(&error));
        }
        Group {
            link: format!("{}?filter={}", kind.path, encoded(&filter)),
            class: words::clipped(&class, 120),
            error: words::clipped(&error, 120),
            message,
            count: words::grouped(count),
            share: count * 100 / most,
        }
    };
    Ok(Groups {
        groups: all.into_iter().take(GROUPS).map(group).collect(),
        looked_at: words::grouped(found.examined),
        all: found.next.is_none(),
    })
}

/// A text as the filter language takes it whole.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(crate) fn fragments(place: &Place, glance: &crate::watch::Glance, put: super::Put<'_>) {
    let size = match place {
        Place::Schedule => glance.survey.schedule.size,
        Place::Dead => glance.survey.dead,
        _ => glance.survey.retry.size,
    };
    put("size", Ok(words::count(size, "job")));
}

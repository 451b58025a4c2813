//! Retries, Scheduled and Dead: one page, thrice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use gandy::{Bookmark, Filter, Found, Payload, Place};

use super::entries::{Row, row, terms, text};
use super::of_html;
use crate::access::Role;
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Params, Query, encoded};
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};
use crate::words::{self, When};

/// A search that finds little ends after so long, and goes on when somebody asks.
const SEARCH: Duration = Duration::from_millis(250);
/// The longest filter.
const FILTER_MAX: usize = 1_000;
/// Entries that are looked through for groups of errors, 3 us each; and as many as somebody may ask for, within this time.
const GROUPED: u64 = 1_000;
const GROUPED_MAX: u64 = 100_000;
/// So many at a time: 100,000 of 5 kB at once were 476 MB.
const GROUPED_PAGE: u64 = 500;
const GROUPING: Duration = Duration::from_millis(1_500);
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
    carried: Vec<(&'static str, String)>,
    /// What may be written into it.
    terms: Vec<String>,
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
    example: &'static str,
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
    example: "class:Mailer* error:Timeout age>1h",
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
    example: "class:Report* queue:low arg:42",
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
    example: "class:Mailer* error:Timeout age>1h",
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
    /// What just these fit.
    filter: String,
    /// When the last of them failed.
    last: Option<When>,
}

#[derive(Debug)]
struct Groups {
    groups: Vec<Group>,
    looked_at: String,
    all: bool,
    /// To look at more; none where that is as many as may be asked for.
    more: Option<u64>,
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
pub(crate) fn filter(
    app: &Shared,
    visitor: &Visitor,
    query: &Params,
) -> Outcome<Result<Option<Filter>, String>> {
    let written = query.text("filter", FILTER_MAX)?.unwrap_or_default();
    if written.trim().is_empty() {
        return Ok(Ok(None));
    }
    let filter = match Filter::parse(written) {
        Ok(filter) => filter,
        Err(error) => return Ok(Err(error.to_string())),
    };
    // Whoever may look for a value finds out what is hidden by guessing.
    let guesses = filter.asks_for("arg") && app.redaction.hides_arguments();
    let guesses = guesses && visitor.role == Role::Viewer;
    if guesses || filter.asks_for("error") && !may_seek_errors(app, visitor) {
        return Err(Problem::forbidden(
            "arguments or errors are hidden here, so a viewer may not look for their values",
        ));
    }
    Ok(Ok(Some(filter)))
}

pub(crate) fn may_seek_errors(app: &Shared, visitor: &Visitor) -> bool {
    visitor.role != Role::Viewer || !app.redaction.hides_errors()
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
    let filter = filter(app, visitor, query)?;
    let glance = app.watch.glance().await?;
    let frame = Frame::new(app, visitor, tab, kind.name, Ok(&glance))
        .live(format!("set:{}", kind.place))
        .noticing(app.notices.take(query));
    let size = glance.size(&place);
    let mut page = Page {
        kind,
        size: words::count(size, "job"),
        filter: query.get("filter").unwrap_or_default().to_owned(),
        carried: carried(query),
        terms: Vec::new(),
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
        let most = query.number("look", 1, GROUPED_MAX, GROUPED)?;
        page.groups =
            Some(groups(app, &place, filter.as_ref(), kind, most, page.frame.now_ms).await?);
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
    page.terms = terms(&jobs, may_seek_errors(app, visitor));
    page.next = next.map_or_else(String::new, |next| {
        link(kind.path, query, &[("from", &next.to_string())])
    });
    page.examined = words::grouped(examined);
    page.out_of_time = out_of_time;
    Ok(of_html(StatusCode::OK, page.render()?))
}

/// What an act's form carries so that it leads back to the page as it was, beside the filter.
pub(crate) fn carried(query: &Params) -> Vec<(&'static str, String)> {
    let given = |name| {
        Some((
            name,
            query
                .get(name)
                .filter(|value| !value.is_empty())?
                .to_owned(),
        ))
    };
    ["count", "end", "from"]
        .into_iter()
        .filter_map(given)
        .collect()
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

/// What is known of a group.
struct Failed {
    count: u64,
    message: String,
    last_ms: Option<i64>,
}

/// Counts a job to its group.
fn count(app: &Shared, groups: &mut HashMap<(String, String), Failed>, payload: &Payload) {
    let error = text(payload, "error_class").unwrap_or_default();
    let key = (payload.display_class().to_owned(), error);
    let slot = groups.entry(key).or_insert_with(|| {
        let hides = app.redaction.of(payload.class(), payload.display_class());
        let message = hides.message(text(payload, "error_message").unwrap_or_default());
        Failed {
            count: 0,
            message: words::clipped(&message, 160),
            last_ms: None,
        }
    });
    let last = payload
        .stamp("retried_at")
        .or_else(|| payload.stamp("failed_at"));
    slot.last_ms = slot.last_ms.max(last.map(|stamp| stamp.millis()));
    slot.count += 1;
}

async fn groups(
    app: &Shared,
    place: &Place,
    filter: Option<&Filter>,
    kind: Kind,
    look: u64,
    now_ms: i64,
) -> Outcome<Groups> {
    let _hunt = match look > GROUPED {
        true => Some(app.hunt()?),
        false => None,
    };
    // With a filter that little fits a look at a thousand may be one at all.
    let within = match look > GROUPED {
        true => GROUPING,
        false => SEARCH,
    };
    let until = Instant::now() + within;
    let mut failed: HashMap<(String, String), Failed> = HashMap::new();
    let (mut examined, mut from) = (0, Some(Bookmark::default()));
    // Page by page: what was counted need not be kept.
    while let Some(at) = from.take() {
        let left = until.saturating_duration_since(Instant::now());
        let most = look.saturating_sub(examined).min(GROUPED_PAGE);
        if most == 0 || (left.is_zero() && examined > 0) {
            from = Some(at);
            break;
        }
        let entries = usize::try_from(most).unwrap_or(usize::MAX);
        let found = app.inspect.search(place, filter, at, entries, left).await?;
        examined += found.examined;
        from = found.next;
        for hit in &found.jobs {
            if let Ok(payload) = &hit.job.payload {
                count(app, &mut failed, payload);
            }
        }
        if found.out_of_time {
            break;
        }
    }
    let mut all: Vec<_> = failed.into_iter().collect();
    all.sort_by(|a, b| (b.1.count, &a.0).cmp(&(a.1.count, &b.0)));
    let most = all.first().map_or(1, |(_, failed)| failed.count);
    let group = |((class, error), failed): ((String, String), Failed)| {
        // Behind the page's own: what the group counts is what its link shows and what its acts take.
        let own = format!(
            "class={} error={}",
            Filter::quoted(&class),
            Filter::quoted(&error)
        );
        let filter = match filter {
            Some(page) => format!("{page} {own}"),
            None => own,
        };
        Group {
            link: format!("{}?filter={}", kind.path, encoded(&filter)),
            filter,
            class: words::clipped(&class, 120),
            error: words::clipped(&error, 120),
            message: failed.message,
            count: words::grouped(failed.count),
            share: failed.count * 100 / most,
            last: failed.last_ms.map(|at| When::new(at, now_ms)),
        }
    };
    Ok(Groups {
        groups: all.into_iter().take(GROUPS).map(group).collect(),
        looked_at: words::grouped(examined),
        all: from.is_none(),
        more: (look < GROUPED_MAX).then_some(GROUPED_MAX),
    })
}

pub(crate) fn fragments(place: &Place, glance: &crate::watch::Glance, put: super::Put<'_>) {
    put("size", Ok(words::count(glance.size(place), "job")));
}

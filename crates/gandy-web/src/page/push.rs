//! Pushing a job by a form; or a copy of one, changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use gandy::{Outcome as Sent, Push, QueueName, RetrySetting, span};
use serde_json::value::RawValue;

use super::standing::seen_at;
use super::{of_html, see};
use crate::audit;
use crate::frame::{Frame, Tab, Visitor};
use crate::json::{self, What};
use crate::param::{Form, Params, Query, encoded};
use crate::problem::{Outcome, Problem};
use crate::redact::Hides;
use crate::state::{App, Shared};
use crate::watch::OFFERED;
use crate::words;

/// A longer field is not copied: a form takes no longer one.
const FIELD_MAX: usize = 64 << 10;
/// A class's name.
const CLASS_MAX: usize = 500;
/// A later time than this is a mistake.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

#[derive(Template)]
#[template(path = "push.html")]
struct Page {
    frame: Frame,
    fields: Fields,
    wrong: String,
    /// Those that there are.
    queues: Vec<String>,
    /// Those that a living process has a handler for.
    classes: Vec<String>,
    /// Some of the copied job's arguments are not shown, so they are not copied.
    redacted: bool,
}

/// As they stand in the form.
#[derive(Debug, Default)]
struct Fields {
    class: String,
    args: String,
    queue: String,
    delay: String,
    retry: String,
    /// Separated by commas.
    tags: String,
    /// What else its payload has, a JSON object.
    more: String,
}

/// Of a copied job: fields that have a place of their own in the form, and those that are about its runs until now.
const NOT_COPIED: [&str; 17] = [
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "tags",
    "created_at",
    "enqueued_at",
    "failed_at",
    "retried_at",
    "retry_count",
    "error_class",
    "error_message",
    "error_backtrace",
    "at",
    "bid",
    "unique_token",
];

/// The other fields of a payload, and whether some are hidden.
fn other_fields(payload: &gandy::Payload, hides: &Hides<'_>) -> (String, bool) {
    let Ok(all) = serde_json::from_str::<BTreeMap<&str, &RawValue>>(payload.raw()) else {
        return (String::new(), false);
    };
    let mut hidden = false;
    let mut lines = Vec::new();
    for (name, value) in all {
        if NOT_COPIED.contains(&name) {
            continue;
        }
        // Deeper in it something may be hidden as well.
        let shown = json::line(value.get(), hides, What::Payload, FIELD_MAX);
        match hides.field(name) || shown.redacted || shown.cut {
            true => hidden = true,
            false => lines.push(format!("  {}: {}", serde_json::json!(name), value.get())),
        }
    }
    match lines.is_empty() {
        true => (String::new(), hidden),
        false => (format!("{{\n{}\n}}", lines.join(",\n")), hidden),
    }
}

pub(crate) async fn form(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let mut fields = Fields {
        queue: query.text("queue", 255)?.unwrap_or("default").to_owned(),
        class: query
            .text("class", CLASS_MAX)?
            .unwrap_or_default()
            .to_owned(),
        args: "[]".to_owned(),
        ..Fields::default()
    };
    let mut redacted = false;
    if let Some(at) = query.text("copy", 400)? {
        let job = seen_at(&app, at).await?;
        let job = job.ok_or_else(|| Problem::not_found("the job is not there any more"))?;
        let payload = job.payload.map_err(|why| Problem::param("copy", why))?;
        let hides = app.redaction.of(payload.class(), payload.display_class());
        let shown = json::pretty(payload.args(), &hides, What::Args, 64 << 10);
        let (more, hidden) = other_fields(&payload, &hides);
        redacted = shown.redacted || shown.cut || hidden;
        fields = Fields {
            class: payload.class().to_owned(),
            args: if shown.redacted || shown.cut {
                "[]".to_owned()
            } else {
                shown.text()
            },
            queue: payload.queue().unwrap_or("default").to_owned(),
            retry: payload.field("retry").unwrap_or_default().to_owned(),
            tags: serde_json::from_str::<Vec<String>>(payload.field("tags").unwrap_or_default())
                .unwrap_or_default()
                .join(", "),
            more,
            ..Fields::default()
        };
    }
    page(&app, &visitor, fields, String::new(), redacted).await
}

async fn page(
    app: &Shared,
    visitor: &Visitor,
    fields: Fields,
    wrong: String,
    redacted: bool,
) -> Outcome {
    let (glance, processes) = tokio::join!(app.watch.glance(), app.watch.processes());
    let queues = glance.as_ref().map(|glance| glance.queues_but(""));
    let classes: BTreeSet<String> = match &processes {
        Ok(processes) => processes.iter().flat_map(|it| it.classes.clone()).collect(),
        Err(_) => BTreeSet::new(),
    };
    let status = match wrong.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::BAD_REQUEST,
    };
    let frame = Frame::new(app, visitor, Tab::Queues, "Push a job", glance.as_deref());
    let page = Page {
        frame,
        fields,
        wrong,
        queues: queues.unwrap_or_default(),
        classes: classes.into_iter().take(OFFERED).collect(),
        redacted,
    };
    Ok(of_html(status, page.render()?))
}

pub(crate) async fn send(State(app): State<App>, visitor: Visitor, Form(form): Form) -> Outcome {
    let push = match push(&form) {
        Ok(push) => push,
        // With what was written: nobody writes arguments twice.
        Err(problem) => {
            let field = |name: &str| form.get(name).unwrap_or_default().to_owned();
            let fields = Fields {
                class: field("class"),
                args: field("args"),
                queue: field("queue"),
                delay: field("in"),
                retry: field("retry"),
                tags: field("tags"),
                more: field("fields"),
            };
            return page(&app, &visitor, fields, problem.detail, false).await;
        }
    };
    let (jid, queue) = (push.id().to_owned(), push.record().queue.clone());
    let sent = enqueue(&app, &visitor, push).await?;
    let words = match sent {
        Sent::Scheduled => "is scheduled",
        _ => "is enqueued",
    };
    let notice = app.notices.keep(true, format!("Job {jid} {words}."));
    let path = match sent {
        Sent::Scheduled => format!("/scheduled?{notice}"),
        _ => format!("/queues/{}?end=last&{notice}", encoded(&queue)),
    };
    Ok(see(&visitor, &path))
}

/// Pushes it.
pub(crate) async fn enqueue(app: &Shared, visitor: &Visitor, push: Push) -> Outcome<Sent> {
    let queue = push.record().queue.clone();
    match app.client().await?.send(push).await {
        Ok(receipt) => {
            audit::done(visitor, "push", &queue, 1);
            Ok(receipt.outcome)
        }
        Err(error) => {
            audit::failed(visitor, "push", &queue, &error.to_string());
            Err(error.into())
        }
    }
}

/// A job as a form has it.
pub(crate) fn push(form: &Params) -> Outcome<Push> {
    let class = form.need("class")?.trim();
    if class.is_empty() || class.len() > CLASS_MAX {
        return Err(Problem::param("class", "needs a name, such as Mailer"));
    }
    let args = form.need("args")?.trim();
    let is_array = serde_json::from_str::<Vec<&RawValue>>(args).is_ok();
    if !is_array {
        return Err(Problem::param(
            "args",
            "must be a JSON array, such as [42, \"hello\"]",
        ));
    }
    // Without the line breaks of the form; numbers and texts keep their bytes.
    let args = json::compact(args);
    let queue = form.get("queue").unwrap_or("default").trim();
    QueueName::check(queue).map_err(|error| Problem::param("queue", error))?;
    let mut push = with_fields(class, &args, form.get("fields"))?.queue(queue);
    if let Some(text) = form
        .get("in")
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        let delay = span::parse(text).filter(|delay| *delay <= YEAR);
        let delay = delay
            .ok_or_else(|| Problem::param("in", "must be a span such as 10s, 5m, 1h30m, 2d"))?;
        push = push.after(delay);
    }
    if let Some(text) = form
        .get("retry")
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        let retry = match text {
            "true" => RetrySetting::Always,
            "false" => RetrySetting::Never,
            number => number
                .parse()
                .map(RetrySetting::Times)
                .map_err(|_| Problem::param("retry", "must be a number, true or false"))?,
        };
        push = push.retry(retry);
    }
    for tag in form
        .list("tags", 4_000)?
        .iter()
        .map(|tag| tag.trim())
        .filter(|tag| !tag.is_empty())
    {
        push = push.tag(tag);
    }
    Ok(push)
}

/// A job with what else its payload shall have.
fn with_fields(class: &str, args: &str, fields: Option<&str>) -> Outcome<Push> {
    let Some(text) = fields.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Push::raw(class, args));
    };
    let wrong = |why: String| Problem::param("fields", why);
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| {
        wrong("must be a JSON object, such as {\"wrapped\": \"Mailer\"}".to_owned())
    })?;
    let mut line = format!("{{\"class\":{},\"args\":{args}", serde_json::json!(class));
    for (name, value) in fields {
        if NOT_COPIED.contains(&&*name) {
            let name = words::clipped(&name, 40);
            return Err(wrong(format!(
                "{name} has a place of its own, or is not for a new job"
            )));
        }
        line += &format!(",{}:{}", serde_json::json!(name), value.get());
    }
    Push::from_json(&format!("{line}}}")).map_err(|error| wrong(error.to_string()))
}

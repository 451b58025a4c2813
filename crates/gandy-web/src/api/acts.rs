//! What is done by POST: with queues, jobs, processes and findings. A body is a JSON object or a form.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use gandy::document::{Fixed, Outcome as Ended};
use gandy::views::Cancelled;
use gandy::{Act, Acts, Outcome as Sent, Place};
use serde::Serialize;
use serde_json::json;

use super::{answer, ok};
use crate::fate::{self, Fate};
use crate::frame::Visitor;
use crate::guard::TOKEN;
use crate::page::acts::{Done, carry_out, find, named, target};
use crate::page::queues::{queue, set_paused};
use crate::page::{busy, doctor, push as form};
use crate::param::{Form, Params};
use crate::problem::{Outcome, Problem};
use crate::runs::{Run, word};
use crate::spot::{place, place_word};
use crate::state::App;

/// What became of an act on many jobs, in the numbers of `gandy retry --json`.
#[derive(Serialize)]
struct Numbers<'a> {
    act: &'a str,
    matched: u64,
    done: u64,
    gone: u64,
    skipped: u64,
    refused: u64,
    newer: u64,
    /// Why it could not be done with some.
    error: Option<&'a str>,
}

impl<'a> Numbers<'a> {
    fn of(act: &'a Act, acts: &Acts, error: Option<&'a str>) -> Self {
        Self {
            act: word(act),
            matched: acts.matched,
            done: acts.done,
            gone: acts.gone,
            skipped: acts.skipped,
            refused: acts.refused,
            newer: acts.newer,
            error,
        }
    }
}

/// An act on all that fit, with its number.
#[derive(Serialize)]
struct Document<'a> {
    id: u64,
    place: String,
    filter: Option<String>,
    phase: &'static str,
    /// How many fit when it was prepared.
    counted: u64,
    /// Whether all were looked at then.
    counted_all: bool,
    examined: u64,
    #[serde(flatten)]
    numbers: Numbers<'a>,
}

fn document(status: StatusCode, run: &Run) -> Outcome {
    let progress = run.progress();
    answer(
        status,
        &Document {
            id: run.id,
            place: place_word(&run.place),
            filter: run.filter.as_ref().map(ToString::to_string),
            phase: progress.phase.word(),
            counted: run.counted.matched.saturating_sub(run.counted.skipped),
            counted_all: run.counted_all,
            examined: progress.examined,
            numbers: Numbers::of(&run.act, &progress.acts, progress.phase.failure()),
        },
    )
}

/// A prepared act, and where it is found again.
fn prepared(visitor: &Visitor, run: &Run) -> Outcome {
    let mut response = document(StatusCode::CREATED, run)?;
    let path = format!("{}/api/v1/acts/{}", visitor.base, run.id);
    if let Ok(path) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    Ok(response)
}

async fn on(app: &App, visitor: &Visitor, place: Place, act: Act, form: &Params) -> Outcome {
    form.only(&["entry", "all", "filter", "to", TOKEN])?;
    match carry_out(app, visitor, &place, &act, form).await? {
        Done::Selected(acts, _) if acts.matched == 0 => Err(Problem::param(
            "entries",
            "name some, or say all: true for all that fit the filter",
        )),
        Done::Selected(acts, why) => ok(&Numbers::of(&act, &acts, why.as_deref())),
        Done::Prepared(run) => prepared(visitor, &run),
    }
}

pub(crate) async fn on_retries(
    app: State<App>,
    visitor: Visitor,
    Path(act): Path<String>,
    form: Form,
) -> Outcome {
    on_set(&app.0, &visitor, Place::Retry, &act, &form.0).await
}

pub(crate) async fn on_scheduled(
    app: State<App>,
    visitor: Visitor,
    Path(act): Path<String>,
    form: Form,
) -> Outcome {
    on_set(&app.0, &visitor, Place::Schedule, &act, &form.0).await
}

pub(crate) async fn on_dead(
    app: State<App>,
    visitor: Visitor,
    Path(act): Path<String>,
    form: Form,
) -> Outcome {
    on_set(&app.0, &visitor, Place::Dead, &act, &form.0).await
}

async fn on_set(app: &App, visitor: &Visitor, place: Place, act: &str, form: &Params) -> Outcome {
    on(app, visitor, place, named(act, form)?, form).await
}

pub(crate) async fn on_queue(
    State(app): State<App>,
    visitor: Visitor,
    Path((name, act)): Path<(String, String)>,
    Form(form): Form,
) -> Outcome {
    let name = queue(&name)?;
    let place = Place::Queue(name.clone());
    let act = match act.as_str() {
        "pause" | "unpause" => {
            form.only(&[TOKEN])?;
            set_paused(&app, &visitor, &name, &act).await?;
            return ok(&json!({ "queue": name, "paused": act == "pause" }));
        }
        "clear" => {
            // A filter that was not heeded would be all of it, deleted.
            form.only(&[TOKEN])?;
            let run = app
                .runs
                .prepare(&app.inspect, place, None, Act::Delete, true);
            let run = run.await?;
            return prepared(&visitor, &run);
        }
        "delete" => Act::Delete,
        "bury" => Act::Bury,
        "move" => Act::Move(target(&form)?),
        _ => return Err(Problem::not_found("there is no such act on a queue")),
    };
    on(&app, &visitor, place, act, &form).await
}

pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> Outcome {
    let run = find(&app, &id)?;
    document(StatusCode::OK, &run)
}

pub(crate) async fn go(
    State(app): State<App>,
    visitor: Visitor,
    Path((id, what)): Path<(String, String)>,
    Form(form): Form,
) -> Outcome {
    form.only(&[TOKEN])?;
    let run = find(&app, &id)?;
    match what.as_str() {
        "start" => app.runs.start(&run, &app.inspect, &visitor)?,
        "stop" => run.stop(&visitor),
        _ => return Err(Problem::not_found("an act is started or stopped")),
    }
    document(StatusCode::OK, &run)
}

pub(crate) async fn on_job(
    State(app): State<App>,
    visitor: Visitor,
    Path((jid, act)): Path<(String, String)>,
    Form(form): Form,
) -> Outcome {
    fate::bounded(&jid)?;
    if act == "cancel" {
        form.only(&[TOKEN])?;
        return cancelled(&jid, &fate::wish(&app, &visitor, &jid).await?);
    }
    form.only(&["place", "entry", "to", TOKEN])?;
    let act = named(&act, &form)?;
    let place = place(form.need("place")?)?;
    match fate::carry_out(&app, &visitor, &jid, &place, &act, &form).await? {
        Fate::Done => ok(&json!({ "jid": jid, "act": word(&act), "done": true })),
        Fate::Gone => Err(Problem::not_found(
            "the job is not there any more; nothing was done",
        )),
        Fate::Impossible(why) => Err(Problem::new(
            StatusCode::CONFLICT,
            "That cannot be done",
            why,
        )),
    }
}

/// In the words of `gandy cancel --json`.
fn cancelled(jid: &str, cancelled: &Cancelled) -> Outcome {
    let (answer, process, outcome) = match cancelled {
        Cancelled::Told { identity, ended } => ("told", Some(identity), ended.as_ref()),
        Cancelled::NotBegun { identity } => ("not-begun", Some(identity), None),
        Cancelled::Ruby { identity } => ("ruby", Some(identity), None),
        Cancelled::NoAnswer { identity } => ("no-answer", Some(identity), None),
        Cancelled::NotRunning(report) => ("not-running", None, report.outcome.as_ref()),
    };
    ok(&json!({
        "jid": jid,
        "answer": answer,
        "process": process,
        "outcome": outcome.map(Ended::from),
    }))
}

pub(crate) async fn push(State(app): State<App>, visitor: Visitor, Form(form): Form) -> Outcome {
    form.only(&[
        "class", "args", "queue", "in", "retry", "tags", "fields", TOKEN,
    ])?;
    let push = form::push(&form)?;
    let (jid, class) = (push.id().to_owned(), push.class().to_owned());
    let queue = push.record().queue.clone();
    let outcome = match form::enqueue(&app, &visitor, push).await? {
        Sent::Scheduled => "scheduled",
        _ => "enqueued",
    };
    answer(
        StatusCode::CREATED,
        &json!({ "jid": jid, "class": class, "queue": queue, "outcome": outcome }),
    )
}

pub(crate) async fn signal(
    State(app): State<App>,
    visitor: Visitor,
    Path((identity, signal)): Path<(String, String)>,
    Form(form): Form,
) -> Outcome {
    form.only(&[TOKEN])?;
    let busy::Told { told, deaf } = busy::tell(&app, &visitor, identity, &signal).await?;
    if told.is_empty() && deaf > 0 {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "That cannot be done",
            "it is part of an application and heeds no signal; nobody was told anything",
        ));
    }
    if told.is_empty() {
        return Err(Problem::not_found(
            "there is no such process; nobody was told anything",
        ));
    }
    let rows = told
        .iter()
        .map(|identity| json!({ "identity": identity, "signal": signal, "obeyed": null }));
    ok(&rows.collect::<Vec<_>>())
}

pub(crate) async fn fix(
    State(app): State<App>,
    visitor: Visitor,
    Path(code): Path<String>,
    Form(form): Form,
) -> Outcome {
    form.only(&[TOKEN])?;
    let repair = doctor::repair(&app, &visitor, &code).await?;
    ok(&Fixed::from(&repair))
}

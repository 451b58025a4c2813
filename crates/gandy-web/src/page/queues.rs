//! All queues; and pausing one.

use askama::Template;
use axum::extract::{Path, State};
use gandy::{Act, Place, QueueName};

use super::overview::{QueueRow, queue_row};
use super::{Put, acts, html, see};
use crate::audit;
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Form, Params, Query, encoded};
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};
use crate::watch::Glance;

#[derive(Template)]
#[template(path = "queues.html")]
struct Page {
    frame: Frame,
    queues: Vec<QueueRow>,
    left_out: usize,
}

#[derive(Template)]
#[template(path = "queues/rows.html")]
struct Rows<'a> {
    frame: &'a Frame,
    queues: &'a [QueueRow],
}

pub(crate) async fn show(State(app): State<App>, visitor: Visitor, Query(query): Query) -> Outcome {
    let glance = app.watch.glance().await?;
    let frame = Frame::new(&app, &visitor, Tab::Queues, "Queues", Ok(&glance));
    html(&Page {
        frame: frame.live("queues").noticing(app.notices.take(&query)),
        queues: rows(&app, &glance),
        left_out: glance.survey.queues_left_out,
    })
}

pub(crate) fn fragments(app: &Shared, frame: &Frame, glance: &Glance, put: Put<'_>) {
    let queues = &rows(app, glance);
    put("queues", Rows { frame, queues }.render());
}

fn rows(app: &Shared, glance: &Glance) -> Vec<QueueRow> {
    let queues = glance.survey.queues.iter();
    queues
        .map(|queue| queue_row(queue, &app.watch.queue_line(&queue.name)))
        .collect()
}

/// A queue's name from a path.
pub(crate) fn queue(name: &str) -> Outcome<String> {
    match QueueName::check(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(error) => Err(Problem::param("queue", error)),
    }
}

/// `POST /queues/NAME/ACT`.
pub(crate) async fn act(
    State(app): State<App>,
    visitor: Visitor,
    Path((name, act)): Path<(String, String)>,
    Form(form): Form,
) -> Outcome {
    let name = queue(&name)?;
    match act.as_str() {
        "pause" | "unpause" => pause(&app, &visitor, name, &act, &form).await,
        // Empties it, and takes its name off the list; asked for once more, with the count.
        "clear" => acts::prepare(&app, &visitor, Place::Queue(name), None, Act::Delete, true).await,
        "delete" => acts::on(&app, &visitor, Place::Queue(name), Act::Delete, &form).await,
        "bury" => acts::on(&app, &visitor, Place::Queue(name), Act::Bury, &form).await,
        "move" => {
            let act = Act::Move(acts::target(&form)?);
            acts::on(&app, &visitor, Place::Queue(name), act, &form).await
        }
        _ => Err(Problem::not_found("there is no such act on a queue")),
    }
}

/// Pauses a queue, or lets it go on.
pub(crate) async fn set_paused(
    app: &Shared,
    visitor: &Visitor,
    name: &str,
    act: &str,
) -> Outcome<()> {
    let outcome = match act {
        "pause" => app.inspect.pause(name).await,
        _ => app.inspect.unpause(name).await,
    };
    if let Err(error) = outcome {
        audit::failed(visitor, act, name, &error.to_string());
        return Err(error.into());
    }
    audit::done(visitor, act, name, 0);
    Ok(())
}

async fn pause(app: &Shared, visitor: &Visitor, name: String, act: &str, form: &Params) -> Outcome {
    set_paused(app, visitor, &name, act).await?;
    let words = match act {
        "pause" => "is paused: Gandy's workers take nothing from it",
        _ => "goes on",
    };
    let notice = app.notices.keep(true, format!("Queue {name} {words}."));
    let back = match form.word("back", &["queues", "queue"])? {
        "queue" => format!("/queues/{}?{notice}", encoded(&name)),
        _ => format!("/queues?{notice}"),
    };
    Ok(see(visitor, &back))
}

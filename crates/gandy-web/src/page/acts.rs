//! Acts on jobs: on those that were selected at once, on all that fit after a look at how many that are.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use gandy::{Act, Acts, Error, Place, QueueName};

use super::{Put, html, see};
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Form, Params};
use crate::problem::{Outcome, Problem};
use crate::runs::{Phase, Run, outcome, question, word};
use crate::spot::{Spot, place_path, place_word};
use crate::state::{App, Shared};
use crate::{audit, words};

/// Entries that are selected at once.
const SELECTED: usize = 100;

/// `POST /retries/ACT` and its kin.
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

/// An act on waiting jobs as paths name it.
pub(crate) fn named(act: &str, form: &Params) -> Outcome<Act> {
    Ok(match act {
        "retry" | "now" => Act::Retry,
        "delete" => Act::Delete,
        "bury" => Act::Bury,
        "move" => Act::Move(target(form)?),
        _ => return Err(Problem::not_found("there is no such act on these jobs")),
    })
}

/// Where jobs are moved to.
pub(crate) fn target(form: &Params) -> Outcome<String> {
    let to = form.need("to")?.trim();
    QueueName::check(to).map_err(|error| Problem::param("to", error))?;
    Ok(to.to_owned())
}

/// What was asked for, as a page says it.
pub(crate) async fn on(
    app: &App,
    visitor: &Visitor,
    place: Place,
    act: Act,
    form: &Params,
) -> Outcome {
    let (good, text) = match carry_out(app, visitor, &place, &act, form).await? {
        Done::Prepared(run) => return Ok(see(visitor, &format!("/acts/{}", run.id))),
        Done::Selected(acts, _) if acts.matched == 0 => {
            (false, "No job was selected; nothing was done".to_owned())
        }
        Done::Selected(acts, why) => {
            let text = outcome(&act, &acts);
            let text = why.map_or(text.clone(), |why| format!("{text}: {why}"));
            (acts.done == acts.matched, text)
        }
    };
    let notice = app.notices.keep(good, format!("{text}."));
    Ok(see(visitor, &back(&place, form, &notice)))
}

/// What became of an act.
pub(crate) enum Done {
    /// It was done with those that were selected; and why with some it cannot be.
    Selected(Acts, Option<String>),
    /// All that fit are counted, and it may be started.
    Prepared(Arc<Run>),
}

/// On what a form says: `all` that fit its filter, or each `entry`.
pub(crate) async fn carry_out(
    app: &App,
    visitor: &Visitor,
    place: &Place,
    act: &Act,
    form: &Params,
) -> Outcome<Done> {
    if form.get("all").is_some_and(|all| all != "false") {
        let filter = super::set::filter(form)?.map_err(|wrong| Problem::param("filter", wrong))?;
        let run = app
            .runs
            .prepare(&app.inspect, place.clone(), filter, act.clone(), false);
        return Ok(Done::Prepared(run.await?));
    }
    let spots: Vec<&str> = form.all("entry").collect();
    if spots.len() > SELECTED {
        return Err(Problem::param(
            "entry",
            format!("at most {SELECTED} at once"),
        ));
    }
    let spots: Vec<Spot> = spots
        .into_iter()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let mut acts = Acts::default();
    let mut why = None;
    for spot in &spots {
        acts.matched += 1;
        let Some(job) = spot.find(app, place).await? else {
            acts.gone += 1;
            continue;
        };
        match app.inspect.act(&job, act).await {
            Ok(true) => acts.done += 1,
            Ok(false) => acts.gone += 1,
            Err(Error::Config(words)) => {
                acts.skipped += 1;
                why = Some(words);
            }
            Err(error) => {
                audit::failed(visitor, word(act), &place_word(place), &error.to_string());
                return Err(Problem::from(error));
            }
        }
    }
    if !spots.is_empty() {
        audit::done(visitor, word(act), &place_word(place), acts.done);
    }
    Ok(Done::Selected(acts, why))
}

/// The list from which it was asked, as it was.
fn back(place: &Place, form: &Params, notice: &str) -> String {
    let list = super::set::link(&place_path(place), form, &[]);
    match list.ends_with('?') {
        true => format!("{list}{notice}"),
        false => format!("{list}&{notice}"),
    }
}

/// Counts, and shows the count.
pub(crate) async fn prepare(
    app: &App,
    visitor: &Visitor,
    place: Place,
    filter: Option<gandy::Filter>,
    act: Act,
    clears: bool,
) -> Outcome {
    let run = app
        .runs
        .prepare(&app.inspect, place, filter, act, clears)
        .await?;
    Ok(see(visitor, &format!("/acts/{}", run.id)))
}

#[derive(Template)]
#[template(path = "act.html")]
struct Page {
    frame: Frame,
    view: View,
}

/// An act as its page shows it.
struct View {
    id: u64,
    question: String,
    what: String,
    back: String,
    phase: &'static str,
    counted: String,
    counted_all: bool,
    skipped: u64,
    size: String,
    warning: &'static str,
    danger: bool,
    done: String,
    examined: String,
    share: u64,
    outcome: String,
    failure: String,
}

#[derive(Template)]
#[template(path = "act/state.html")]
struct Part<'a> {
    frame: &'a Frame,
    view: &'a View,
}

fn view(run: &Run) -> View {
    let progress = run.progress();
    let acts = &progress.acts;
    let (phase, failure) = match &progress.phase {
        Phase::Prepared => ("prepared", String::new()),
        Phase::Running => ("running", String::new()),
        Phase::Done => ("done", String::new()),
        Phase::Stopped => ("stopped", String::new()),
        Phase::Failed(why) => ("failed", why.clone()),
    };
    let possible = run.counted.matched - run.counted.skipped.min(run.counted.matched);
    View {
        id: run.id,
        question: question(&run.act, possible),
        what: run.what(),
        back: place_path(&run.place),
        phase,
        counted: words::grouped(possible),
        counted_all: run.counted_all,
        skipped: run.counted.skipped,
        size: words::grouped(run.size),
        warning: match run.act {
            Act::Delete => "What is deleted is gone for good. gandy export keeps a copy first.",
            Act::Bury => {
                "Where the dead set is full each job that is buried takes the place of its oldest."
            }
            _ => "",
        },
        danger: matches!(run.act, Act::Delete),
        done: words::grouped(acts.done),
        examined: words::grouped(progress.examined),
        share: match run.size {
            0 => 100,
            size => (progress.examined * 100 / size).min(100),
        },
        outcome: outcome(&run.act, acts),
        failure,
    }
}

pub(crate) fn find(app: &Shared, id: &str) -> Outcome<Arc<Run>> {
    let id = id
        .parse::<u64>()
        .map_err(|_| Problem::param("act", "is a number"))?;
    app.runs.find(id).ok_or_else(|| {
        Problem::not_found(
            "this act is not known any more: only the last ones are, until the dashboard restarts",
        )
        .and("Ask for it again from its list.")
    })
}

/// `GET /acts/ID`
pub(crate) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Outcome {
    let run = find(&app, &id)?;
    let glance = app.watch.glance().await;
    let view = view(&run);
    let frame = Frame::new(
        &app,
        &visitor,
        Tab::Other,
        view.question.clone(),
        glance.as_deref(),
    )
    .live(format!("act:{}", run.id));
    html(&Page { frame, view })
}

pub(crate) fn fragments(app: &Shared, frame: &Frame, id: u64, put: Put<'_>) {
    if let Some(run) = app.runs.find(id) {
        let view = &view(&run);
        put("act", Part { frame, view }.render());
    }
}

/// `POST /acts/ID/start` and `…/stop`.
pub(crate) async fn go(
    State(app): State<App>,
    visitor: Visitor,
    Path((id, what)): Path<(String, String)>,
) -> Outcome {
    let run = find(&app, &id)?;
    match what.as_str() {
        "start" => app.runs.start(&run, &app.inspect, &visitor)?,
        "stop" => run.stop(),
        _ => return Err(Problem::not_found("an act is started or stopped")),
    }
    Ok(see(&visitor, &format!("/acts/{}", run.id)))
}

//! Acts on jobs: on those that were selected at once, on all that fit after a look at how many that are.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use gandy::{Act, Acts, Error, Kind, Place, QueueName, Sought, Stood};

use super::{Put, html, see};
use crate::frame::{Frame, Tab, Visitor};
use crate::param::{Form, Params};
use crate::problem::{Outcome, Problem};
use crate::runs::{Run, outcome, question, word};
use crate::spot::{Spot, place_path, place_word};
use crate::state::{App, Shared};
use crate::{audit, fate, words};

/// What was selected is looked for so long.
const SEEKING: Duration = Duration::from_secs(2);
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
    if act == "look" {
        // What Enter does where it would press a button.
        return Ok(see(
            visitor,
            &super::set::link(&place_path(&place), form, &[]),
        ));
    }
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
    if form.switch("all")? {
        let filter = super::set::filter(app, visitor, form)?
            .map_err(|wrong| Problem::param("filter", wrong))?;
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
    let mut broken = None;
    let mut done = Vec::new();
    for sought in seek(app, place, &spots).await? {
        acts.matched += 1;
        let job = match sought {
            Sought::Found(hit) => hit.job,
            Sought::Gone => {
                acts.gone += 1;
                continue;
            }
            // It may well be there, and run.
            Sought::Unseen { .. } => {
                acts.skipped += 1;
                why = Some(
                    "it moved on and was not found again in time; look for it by jid:".to_owned(),
                );
                continue;
            }
        };
        match app.inspect.act(&job, act).await {
            Ok(true) => {
                acts.done += 1;
                done.push(fate::name(&job));
            }
            Ok(false) => acts.gone += 1,
            Err(Error::Config(words)) => {
                acts.skipped += 1;
                why = Some(words);
            }
            Err(error) => {
                let words = error.to_string();
                audit::failed(visitor, word(act), &place_word(place), &words);
                match error.kind() {
                    // Redis is away, or may have done it: the others would wait for the same, one after the other.
                    Kind::Retry | Kind::Unknown => {
                        broken = Some((acts.matched, Problem::from(error)))
                    }
                    // As where the queue of a job is no list; others may well be possible.
                    _ => {
                        acts.refused += 1;
                        why = Some(words);
                    }
                }
            }
        }
        if broken.is_some() {
            break;
        }
    }
    if !spots.is_empty() {
        audit::picked(visitor, word(act), &place_word(place), &done);
    }
    if let Some((at, mut problem)) = broken {
        problem.detail = format!(
            "of {} the first {} were gone through, {} done, when it happened: {}",
            words::count(spots.len() as u64, "job"),
            words::grouped(at - 1),
            words::grouped(acts.done),
            problem.detail
        );
        return Err(problem);
    }
    Ok(Done::Selected(acts, why))
}

/// Those that were selected, as they stand now.
async fn seek(app: &App, place: &Place, spots: &[Spot]) -> Outcome<Vec<Sought>> {
    if let Place::Queue(name) = place {
        // In one walk: they stand close to each other.
        let stood: Vec<Stood> = spots.iter().map(Spot::stood).collect();
        return Ok(app.inspect.jobs_near(name, &stood, SEEKING).await?);
    }
    let mut all = Vec::with_capacity(spots.len());
    for spot in spots {
        all.push(spot.seek(app, place, SEEKING).await?);
    }
    Ok(all)
}

/// The list from which it was asked, as it was.
fn back(place: &Place, form: &Params, notice: &str) -> String {
    let from = form.get("from").filter(|from| !from.is_empty());
    let with: Vec<(&str, &str)> = from.map(|from| ("from", from)).into_iter().collect();
    let list = super::set::link(&place_path(place), form, &with);
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
    let possible = run.counted.matched - run.counted.skipped.min(run.counted.matched);
    View {
        id: run.id,
        question: words::clipped(&question(&run.act, possible), 400),
        what: words::clipped(&run.what(), 1_200),
        back: place_path(&run.place),
        phase: progress.phase.word(),
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
        failure: progress.phase.failure().unwrap_or_default().to_owned(),
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
        "stop" => run.stop(&visitor),
        _ => return Err(Problem::not_found("an act is started or stopped")),
    }
    Ok(see(&visitor, &format!("/acts/{}", run.id)))
}

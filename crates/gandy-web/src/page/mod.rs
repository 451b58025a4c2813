//! The pages: what each shows and takes. One file for each; what it looks like is in `templates/` under the same name.

pub(crate) mod acts;
pub(crate) mod busy;
pub(crate) mod doctor;
pub(crate) mod entries;
pub(crate) mod job;
pub(crate) mod life;
pub(crate) mod metrics;
pub(crate) mod offers;
pub(crate) mod overview;
pub(crate) mod push;
pub(crate) mod queue;
pub(crate) mod queues;
pub(crate) mod raw;
pub(crate) mod search;
pub(crate) mod set;
pub(crate) mod standing;
pub(crate) mod stats;
pub(crate) mod trouble;

use std::time::Instant;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gandy::Place;

use crate::fate;
use crate::frame::{Frame, Tab, Visitor};
use crate::live::Fragments;
use crate::problem::{Outcome, Problem};
use crate::state::App;

/// The paths of the pages that are not the router's own.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/queues", get(queues::show))
        .route("/queues/{name}", get(queue::show))
        .route("/queues/{name}/{act}", post(queues::act))
        .route("/retries", get(set::retries))
        .route("/retries/{act}", post(acts::on_retries))
        .route("/scheduled", get(set::scheduled))
        .route("/scheduled/{act}", post(acts::on_scheduled))
        .route("/dead", get(set::dead))
        .route("/dead/{act}", post(acts::on_dead))
        .route("/acts/{id}", get(acts::show))
        .route("/acts/{id}/{what}", post(acts::go))
        .route("/jobs/{jid}", get(job::show))
        .route("/jobs/{jid}/{act}", post(job::act))
        .route("/push", get(push::form).post(push::send))
        .route("/busy", get(busy::show))
        .route("/processes/{identity}/{signal}", post(busy::signal))
        .route("/metrics", get(metrics::show))
        .route("/metrics/{class}", get(metrics::class))
        .route("/doctor", get(doctor::show))
        .route("/doctor/{code}", post(doctor::fix))
}

/// A page that is sent news: what `data-page` says and `/live?page=` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Live {
    /// The navigation alone.
    Nav(Tab),
    Overview,
    Queues,
    Queue(String),
    Set(Place),
    Busy,
    /// A job that runs, by its id.
    Job(String),
    /// A job where it stands, by its place and spot.
    Entry(Place, String),
    /// An act on all jobs that fit, by its number.
    Act(u64),
}

impl Live {
    pub(crate) fn parse(word: &str) -> Result<Self, Problem> {
        let unknown = || Problem::param("page", "is no page that is sent news");
        if let Some(name) = word.strip_prefix("queue:") {
            return queues::queue(name).map(Self::Queue);
        }
        if let Some(at) = word.strip_prefix("entry:") {
            let (place, spot) = standing::address(at)?;
            return Ok(Self::Entry(place, spot.to_string()));
        }
        if let Some(jid) = word.strip_prefix("job:") {
            fate::bounded(jid)?;
            return Ok(Self::Job(jid.to_owned()));
        }
        if let Some(id) = word.strip_prefix("act:") {
            return id.parse().map(Self::Act).map_err(|_| unknown());
        }
        Ok(match word {
            "overview" => Self::Overview,
            "queues" => Self::Queues,
            "busy" => Self::Busy,
            "set:retry" => Self::Set(Place::Retry),
            "set:schedule" => Self::Set(Place::Schedule),
            "set:dead" => Self::Set(Place::Dead),
            "nav:metrics" => Self::Nav(Tab::Metrics),
            "nav:doctor" => Self::Nav(Tab::Doctor),
            "nav" => Self::Nav(Tab::Other),
            _ => return Err(unknown()),
        })
    }

    /// There are as many of these as jobs, or as names.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Job(_) | Self::Entry(..) | Self::Queue(_))
    }

    fn tab(&self) -> Tab {
        match self {
            Self::Nav(tab) => *tab,
            Self::Overview => Tab::Overview,
            Self::Queues | Self::Queue(_) => Tab::Queues,
            Self::Set(Place::Retry) => Tab::Retries,
            Self::Set(Place::Dead) => Tab::Dead,
            Self::Set(_) => Tab::Scheduled,
            Self::Busy | Self::Job(_) => Tab::Busy,
            Self::Entry(place, _) => job::tab_of(place),
            Self::Act(_) => Tab::Other,
        }
    }

    /// What such a page shows at this moment. Where Redis does not answer only what says so.
    pub(crate) async fn fragments(
        &self,
        app: &App,
        visitor: &Visitor,
        memory: &mut Memory,
    ) -> Fragments {
        let glance = app.watch.glance().await;
        let frame = Frame::new(app, visitor, self.tab(), "", glance.as_deref());
        let mut fragments = Fragments::new();
        let mut put = |name, html: Result<String, askama::Error>| match html {
            Ok(html) => drop(fragments.insert(name, html)),
            Err(error) => tracing::error!(%error, name, "a fragment could not be written"),
        };
        put("nav", NavPart { frame: &frame }.render());
        put("away", AwayPart { frame: &frame }.render());
        let Ok(glance) = glance else {
            return fragments;
        };
        match self {
            Self::Nav(_) => {}
            Self::Overview => overview::fragments(app, &frame, &glance, &mut put).await,
            Self::Queues => queues::fragments(app, &frame, &glance, &mut put),
            Self::Queue(name) => queue::fragments(app, &frame, name, &glance, &mut put).await,
            Self::Set(place) => set::fragments(place, &glance, &mut put),
            Self::Busy => busy::fragments(app, &frame, &mut put).await,
            Self::Entry(place, spot) => {
                standing::standing_still(app, place, spot, memory, &mut put).await;
            }
            Self::Job(jid) => job::fragments(app, &frame, jid, &mut put).await,
            Self::Act(id) => acts::fragments(app, &frame, *id, &mut put),
        }
        fragments
    }
}

/// What is known from one tick to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// When a job was last looked for that is not where it stood, and what was said of it.
    missed: Option<(Instant, &'static str)>,
}

/// Takes one fragment.
pub(crate) type Put<'a> = &'a mut (dyn FnMut(&'static str, Result<String, askama::Error>) + Send);

#[derive(Template)]
#[template(path = "part/nav.html")]
struct NavPart<'a> {
    frame: &'a Frame,
}

#[derive(Template)]
#[template(path = "part/away.html")]
struct AwayPart<'a> {
    frame: &'a Frame,
}

/// A whole page as an answer.
pub(crate) fn html(page: &impl Template) -> Outcome {
    Ok(of_html(StatusCode::OK, page.render()?))
}

pub(crate) fn of_html(status: StatusCode, html: String) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        html,
    )
        .into_response()
}

/// To another of our pages, by GET.
pub(crate) fn see(visitor: &Visitor, path: &str) -> Response {
    let to = match path.strip_prefix('/') {
        Some("") => visitor.home(),
        _ => format!("{}{path}", visitor.base),
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

//! The pages: what each shows and takes. One file for each; what it looks like is in `templates/` under the same name.

pub(crate) mod overview;
pub(crate) mod queues;
pub(crate) mod search;
pub(crate) mod stats;
pub(crate) mod trouble;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::frame::{Frame, Tab, Visitor};
use crate::live::Fragments;
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};

/// The paths of the pages that are not the router's own.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/queues", get(queues::show))
        .route("/queues/{name}/{act}", post(queues::act))
}

/// A page that is sent news: what `data-page` says and `/live?page=` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Live {
    /// The navigation alone.
    Nav(Tab),
    Overview,
    Queues,
}

impl Live {
    pub(crate) fn parse(word: &str) -> Result<Self, Problem> {
        Ok(match word {
            "overview" => Self::Overview,
            "queues" => Self::Queues,
            "nav:retries" => Self::Nav(Tab::Retries),
            "nav:scheduled" => Self::Nav(Tab::Scheduled),
            "nav:dead" => Self::Nav(Tab::Dead),
            "nav:metrics" => Self::Nav(Tab::Metrics),
            "nav:doctor" => Self::Nav(Tab::Doctor),
            "nav" => Self::Nav(Tab::Other),
            _ => return Err(Problem::param("page", "is no page that is sent news")),
        })
    }

    fn tab(&self) -> Tab {
        match self {
            Self::Nav(tab) => *tab,
            Self::Overview => Tab::Overview,
            Self::Queues => Tab::Queues,
        }
    }

    /// What such a page shows at this moment. Where Redis does not answer only what says so.
    pub(crate) async fn fragments(&self, app: &Shared, visitor: &Visitor) -> Fragments {
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
        }
        fragments
    }
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
    let to = format!("{}{path}", visitor.base);
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

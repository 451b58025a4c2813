//! What went wrong, as a page with everything around it, or as JSON.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::of_html;
use crate::frame::{Frame, Tab, Visitor};
use crate::problem::Problem;
use crate::state::Shared;

#[derive(Template)]
#[template(path = "trouble.html")]
struct Page<'a> {
    frame: Frame,
    problem: &'a Problem,
    again: bool,
}

/// `acted`: it answers a request that was to change something.
pub(crate) async fn answer(
    app: &Shared,
    visitor: &Visitor,
    problem: &Problem,
    json: bool,
    acted: bool,
) -> Response {
    if json {
        return as_json(problem);
    }
    // No look of its own: what is wrong may well be that there can be none.
    let glance = app.watch.glance().await;
    let frame = Frame::new(app, visitor, Tab::Other, &*problem.title, glance.as_deref());
    // It comes back by itself: the script loads it anew. The answer to an act does not: loading that anew acts again, and a
    // job was pushed twice by one click (a browser asks before it repeats a POST only where a person reloads).
    let again = problem.status == StatusCode::SERVICE_UNAVAILABLE && !acted;
    let page = Page {
        frame: frame.live(if again { "nav" } else { "" }),
        problem,
        again,
    };
    match page.render() {
        Ok(html) => of_html(problem.status, html),
        Err(_) => bare(problem, false),
    }
}

fn as_json(problem: &Problem) -> Response {
    let body = serde_json::json!({
        "error": { "code": problem.code(), "message": problem.detail, "hint": problem.remedy }
    });
    let mut response = (
        problem.status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response();
    challenge(&mut response);
    response
}

/// For who is not let in: a few words, no page, no number. `ask`: a browser asks for credentials.
pub(crate) fn bare(problem: &Problem, ask: bool) -> Response {
    let text = format!(
        "{}: {}.\n{}\n",
        problem.title, problem.detail, problem.remedy
    );
    let mut response = (
        problem.status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text,
    )
        .into_response();
    if ask {
        challenge(&mut response);
    }
    response
}

fn challenge(response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let asks = HeaderValue::from_static("Basic realm=\"Gandy\", charset=\"UTF-8\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, asks);
    }
}

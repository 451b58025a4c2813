//! `/api/v1`: what the pages show and do, as JSON. The same guard, roles, redaction and log of acts; the shapes are those of
//! the command's `--json` ([`gandy::document`]) where it has one.
//!
//! `openapi.json` beside this file says all of it; tests hold the routes and the answers to it.
//!
//! * `numbers`: sizes, days, classes, findings; `fleet`: processes and runs; `lists`: queues and sets; `job`: one job.
//! * `acts`: what is done; `openapi`: the document.
//!
//! Not here: errors, which `guard` writes for all paths under `/api/` (`page::trouble`).

mod acts;
mod fleet;
mod job;
mod lists;
mod numbers;
mod openapi;

use std::borrow::Cow;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use gandy::Payload;
use gandy::document::Shown;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::json;
use crate::problem::{Outcome, Problem};
use crate::state::{App, Shared};

/// Everything below `/api/v1`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(openapi::show))
        .route("/stats", get(numbers::stats))
        .route("/history", get(numbers::history))
        .route("/metrics", get(numbers::metrics))
        .route("/metrics/{class}", get(numbers::class))
        .route("/doctor", get(numbers::doctor))
        .route("/doctor/{code}", post(acts::fix))
        .route("/processes", get(fleet::processes))
        .route("/processes/{identity}/{signal}", post(acts::signal))
        .route("/busy", get(fleet::busy))
        .route("/queues", get(lists::queues))
        .route("/queues/{name}", get(lists::queue))
        .route("/queues/{name}/{act}", post(acts::on_queue))
        .route("/retries", get(lists::retries))
        .route("/retries/{act}", post(acts::on_retries))
        .route("/scheduled", get(lists::scheduled))
        .route("/scheduled/{act}", post(acts::on_scheduled))
        .route("/dead", get(lists::dead))
        .route("/dead/{act}", post(acts::on_dead))
        .route("/jobs", post(acts::push))
        .route("/jobs/{jid}", get(job::show))
        .route("/jobs/{jid}/{act}", post(acts::on_job))
        .route("/acts/{id}", get(acts::show))
        .route("/acts/{id}/{what}", post(acts::go))
}

/// A document as an answer.
fn answer(status: StatusCode, document: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(document)
        .map_err(|error| Problem::bug(format!("an answer could not be written: {error}")))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text).into_response())
}

fn ok(document: &impl Serialize) -> Outcome {
    answer(StatusCode::OK, document)
}

/// A payload without what is redacted; nothing of one that is longer than `most` bytes.
fn payload<'a>(app: &Shared, payload: &Payload, most: usize) -> Shown<'a> {
    if payload.raw().len() > most {
        return None;
    }
    let hides = app.redaction.of(payload.class(), payload.display_class());
    let text = json::redacted(payload.raw(), &hides);
    RawValue::from_string(text).ok().map(Cow::Owned)
}

//! `GET /api/v1/openapi.json`: what can be asked for, and what is answered. Written by hand, and held to the routes and to
//! real answers by tests.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer;
use crate::frame::Visitor;
use crate::problem::{Outcome, Problem};
use crate::state::App;

const DOCUMENT: &str = include_str!("openapi.json");

pub(crate) async fn show(State(_): State<App>, visitor: Visitor) -> Outcome {
    let mut document: Value = serde_json::from_str(DOCUMENT)
        .map_err(|error| Problem::bug(format!("openapi.json: {error}")))?;
    // Where it is mounted is known only now.
    document["servers"] = json!([{ "url": format!("{}/api/v1", visitor.base) }]);
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    answer(StatusCode::OK, &document)
}

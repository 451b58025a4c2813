//! Which path is answered by what. Paths are as people know them from Sidekiq's own pages.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;
use crate::state::App;
use crate::{api, guard, live, page};

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::overview::show))
        .route("/search", get(page::search::go))
        .route("/stats", get(page::stats::show))
        .route("/live", get(live::serve))
        .route("/assets/{name}", get(asset))
        .merge(page::routes())
        .nest("/api/v1", api::routes())
        .fallback(|| async { Problem::not_found("there is no such page") })
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

async fn asset(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match app.assets.find(&name) {
        Some(asset) => asset.answer(&headers),
        // A page from before an upgrade asks for the style of before.
        None => Problem::not_found("there is no such file; load the page anew").into_response(),
    }
}

//! `GET /stats`: numbers in the shape of Sidekiq's own, for monitors that read them already.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::problem::Outcome;
use crate::state::App;
use crate::words;

pub(crate) async fn show(State(app): State<App>) -> Outcome<Response> {
    let glance = app.watch.glance().await?;
    let health = app.watch.health().await.ok();
    let survey = &glance.survey;
    let latency = |name: &str| {
        let queue = survey.queues.iter().find(|queue| queue.name == name);
        queue.map_or(0.0, |queue| queue.latency.as_secs_f64())
    };
    let now = words::iso(words::now_ms());
    let memory = survey.server.as_ref().map(|server| server.memory_used);
    let body = json!({
        "sidekiq": {
            "processed": survey.processed,
            "failed": survey.failed,
            "busy": survey.busy,
            "processes": survey.processes,
            "enqueued": glance.waiting(),
            "scheduled": survey.schedule.size,
            "retries": survey.retry.size,
            "dead": survey.dead,
            "default_latency": latency("default"),
        },
        "redis": {
            "redis_version": health.as_ref().map(|health| health.server.rsplit(' ').next().unwrap_or_default().to_owned()),
            "uptime_in_days": health.as_ref().map(|health| (health.uptime.as_secs() / 86_400).to_string()),
            "connected_clients": health.as_ref().map(|health| health.clients.to_string()),
            "used_memory_human": memory.map(words::bytes),
        },
        "server_utc_time": format!("{} UTC", now.get(11..19).unwrap_or_default()),
    });
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response())
}

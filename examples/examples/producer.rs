//! A web application that goes on taking orders while Redis is away.
//!
//!     REDIS_URL=redis://127.0.0.1:6379/0 cargo run -p gandy-examples --no-default-features --example producer
//!     curl -X POST -H 'Idempotency-Key: order-7' 'http://127.0.0.1:8081/orders?number=7'
//!
//! Stop Redis and go on: orders are answered with 202 and wait in memory. Ctrl-C pushes them before it exits, or says
//! which are lost.

use std::time::Duration;

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use gandy::{Buffer, Client, Dropped, Error, Job, Kind, Outcome, Push};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(class = "ShipOrder", queue = "orders")]
struct ShipOrder {
    number: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    // What is kept and cannot be pushed goes where nothing is lost: here a line on standard output for each job.
    let buffer = Buffer::default().on_drop(|job: &Dropped| println!("{}", job.payload));
    let client = Client::builder().buffer(buffer).build()?;
    let routes = Router::new()
        .route("/orders", post(order))
        .with_state(client.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
    // After the last request, before the process ends.
    client.flush(Duration::from_secs(10)).await?;
    Ok(served?)
}

/// A browser that sends the same order again, because it got no answer, gets the first one's id.
async fn order(
    State(client): State<Client>,
    headers: HeaderMap,
    Query(order): Query<ShipOrder>,
) -> Result<(StatusCode, String), StatusCode> {
    let key = headers.get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok());
    let key = key.ok_or(StatusCode::BAD_REQUEST)?;
    let push = Push::new(&order).map_err(|error| answer(&error))?;
    let push = push.idempotency_key(format!("order:{key}"));
    let receipt = client.send(push).await.map_err(|error| answer(&error))?;
    let status = match receipt.outcome {
        Outcome::Buffered => StatusCode::ACCEPTED,
        Outcome::Duplicate => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    Ok((status, receipt.jid))
}

fn answer(error: &Error) -> StatusCode {
    tracing::error!(%error, "push failed");
    match error.kind() {
        // Behind a key the browser may simply try again.
        Kind::Retry | Kind::Unknown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

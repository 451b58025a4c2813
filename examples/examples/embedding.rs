//! A worker inside a web application: one process, for small services and for development.
//!
//!     REDIS_URL=redis://127.0.0.1:6379/0 cargo run -p gandy-examples --example embedding
//!     curl -X POST 'http://127.0.0.1:8080/greet?name=Ada'
//!
//! Ctrl-C ends the web server first, then the worker: what runs may finish, the rest goes back to its queue.

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use gandy::{Client, Context, Handler, Job, JobError, Worker, WorkerConfig, WorkerHandle};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct Greet {
    name: String,
}

struct Greeter;

impl Handler<Greet> for Greeter {
    async fn perform(&self, job: Greet, _ctx: &Context) -> Result<(), JobError> {
        tracing::info!("hello, {}", job.name);
        Ok(())
    }
}

#[derive(Clone)]
struct App {
    client: Client,
    worker: WorkerHandle,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let config = WorkerConfig::from_env()?;
    let client = Client::builder().server(config.server.clone()).build()?;
    // Signals stay the application's business.
    let worker = Worker::builder(config)
        .signals(false)
        .concurrency(5)
        .handler(Greeter)
        .build()?
        .start();
    let app = App {
        client,
        worker: worker.handle(),
    };
    let routes = Router::new()
        .route("/greet", post(greet))
        .route("/worker", get(about))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
    // Even when the server ended with an error, the worker ends in good order.
    worker.stop().await?;
    Ok(served?)
}

async fn greet(State(app): State<App>, Query(job): Query<Greet>) -> Result<String, StatusCode> {
    match app.client.push(job).await {
        Ok(receipt) => Ok(receipt.jid),
        Err(error) => {
            tracing::error!(%error, "push failed");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn about(State(app): State<App>) -> String {
    let identity = app.worker.identity();
    let identity = identity.as_deref().unwrap_or("not in the fleet");
    format!("{identity}, {} busy\n", app.worker.busy())
}

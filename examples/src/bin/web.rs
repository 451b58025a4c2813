//! The web application: enqueues, and runs nothing.
//!
//! * `GET /healthz`: ready to serve.
//! * `POST /index?root=PATH`: one `CountWords` for every source file below `PATH`, every tenth of them a few seconds
//!   ahead, and one `Manifest` for all of them. Answers `{"enqueued":N,"scheduled":M}`: files, and how many of them wait.
//! * `POST /enqueue?path=PATH`: one `CountWords`; the file need not be there.
//! * `GET /progress`: how far it all is.
//! * `POST /jobs`: runs one job that `gandy-worker` sends (see `gandy.toml`).
//!
//! `REDIS_URL` names Redis, `HOST` and `PORT` where to listen (127.0.0.1:8080). Whoever reaches that port chooses which
//! readable files are counted, so keep it to this machine.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderName, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gandy::{Client, Inspect, Push, Server};
use gandy_examples::{
    jobs::{CountWords, Manifest},
    results::{Results, redis_url},
    sources::source_files,
    work,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What handlers share. One client for the whole application: concurrent pushes are pipelined on its connection.
#[derive(Clone)]
struct App {
    client: Client,
    inspect: Inspect,
    results: Results,
    redis: redis::Client,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let url = redis_url();
    let server = Server::new(&url)?;
    let app = App {
        client: Client::builder().server(server.clone()).build()?,
        inspect: Inspect::new(server, "")?,
        results: Results::new(&url)?,
        redis: redis::Client::open(url)?,
    };
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/index", post(index))
        .route("/enqueue", post(enqueue))
        .route("/progress", get(progress))
        .route("/jobs", post(run_job))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind(address()?).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop())
        .await?;
    Ok(())
}

async fn healthz() -> &'static str {
    "ok\n"
}

#[derive(Deserialize)]
struct Index {
    root: PathBuf,
}

async fn index(
    State(app): State<App>,
    Query(Index { root }): Query<Index>,
) -> Result<Json<Value>, Failure> {
    let folder = root.clone();
    let files = tokio::task::spawn_blocking(move || source_files(&folder)).await?;
    let files = files.map_err(|error| Failure::input(format!("{}: {error}", root.display())))?;
    let (enqueued, mut scheduled) = (files.len(), 0);
    let mut pushes = Vec::with_capacity(enqueued + 1);
    for (number, path) in files.into_iter().enumerate() {
        let push = Push::new(&CountWords { path })?;
        pushes.push(if number % 10 == 0 {
            scheduled += 1;
            push.after(Duration::from_secs(1 + scheduled % 3))
        } else {
            push
        });
    }
    let root = root.display().to_string();
    pushes.push(Push::new(&Manifest { root })?);
    // Up to a thousand jobs go in one command; each has its own result.
    for result in app.client.send_all(pushes).await {
        result?;
    }
    Ok(Json(
        json!({ "enqueued": enqueued, "scheduled": scheduled }),
    ))
}

#[derive(Deserialize)]
struct Enqueue {
    path: String,
}

async fn enqueue(
    State(app): State<App>,
    Query(Enqueue { path }): Query<Enqueue>,
) -> Result<Json<Value>, Failure> {
    let receipt = app.client.push(CountWords { path }).await?;
    Ok(Json(json!({ "enqueued": 1, "jid": receipt.jid })))
}

async fn progress(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let totals = app.inspect.totals().await?;
    Ok(Json(json!({
        "counted": app.results.counted().await?,
        "enqueued": totals.enqueued,
        "in_flight": totals.in_flight,
        "scheduled": totals.scheduled,
        "retries": totals.retries,
        "dead": totals.dead,
    })))
}

/// What `gandy-worker` sends for a class with an `http` target.
#[derive(Deserialize)]
struct Call {
    class: String,
    args: Value,
}

async fn run_job(State(app): State<App>, Json(call): Json<Call>) -> Result<StatusCode, Failure> {
    // A client error here means that no retry will help: the worker buries the job.
    let wrong = |error: serde_json::Error| Failure::input(format!("{}: {error}", call.class));
    match call.class.as_str() {
        "CountWords" => {
            let job: CountWords = serde_json::from_value(call.args).map_err(wrong)?;
            work::count_words(&job.path, &app.results).await?;
        }
        "Manifest" => {
            let job: Manifest = serde_json::from_value(call.args).map_err(wrong)?;
            let run = move || work::manifest(&job.root, &app.redis, |_, _| true);
            tokio::task::spawn_blocking(run).await??;
        }
        other => return Err(Failure::input(format!("no job is called {other}"))),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Any error as an answer.
struct Failure {
    status: StatusCode,
    words: String,
    retry_after: Option<&'static str>,
}

impl Failure {
    fn input(words: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            words,
            retry_after: None,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let missing = work::is_missing(&error);
        Self {
            status: if missing {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            },
            // A file that is not there is most likely being written.
            retry_after: missing.then_some("2"),
            words: format!("{error:#}"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::warn!(status = %self.status, error = self.words, "request failed");
        let headers: Option<[(HeaderName, &str); 1]> =
            self.retry_after.map(|seconds| [(RETRY_AFTER, seconds)]);
        match headers {
            Some(headers) => (self.status, headers, self.words).into_response(),
            None => (self.status, self.words).into_response(),
        }
    }
}

fn address() -> anyhow::Result<(String, u16)> {
    let host = std::env::var("HOST").unwrap_or_else(|_| "127.0.0.1".into());
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let port = port
        .parse()
        .with_context(|| format!("PORT is {port:?}; it must be a number up to 65535"))?;
    Ok((host, port))
}

/// Until TERM, as a container gets it, or INT, as a terminal sends it.
async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        }
        // Without handlers the signals end the process themselves.
        _ => std::future::pending().await,
    }
}

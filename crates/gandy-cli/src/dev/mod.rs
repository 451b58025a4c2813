//! `gandy dev`: a private Redis, a worker and the dashboard, which live and end together.
//!
//! * `child`: a process with its lines and its end; `server`: the Redis; `worker`: which worker; `dashboard`: `gandy web`;
//!   `signals`: when it ends
//!
//! Each process has a process group of its own, so that Ctrl-C reaches nobody but us and the order of the end is ours.

mod child;
mod dashboard;
mod server;
mod signals;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use self::child::Child;
use self::server::Server;
use self::signals::Signals;
use crate::failure::{Failure, exit};
use crate::output;

/// Above the worker's own patience with running jobs (25 s unless it is told otherwise).
const WORKER_GRACE: Duration = Duration::from_secs(35);

/// It only reads, and its pages open themselves again.
const DASHBOARD_GRACE: Duration = Duration::from_secs(5);

/// It has nothing to write, or appends to a file that it has written already.
const SERVER_GRACE: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Where data stay; none: nowhere.
    pub(crate) keep: Option<PathBuf>,
    /// A port that was asked for.
    pub(crate) port: Option<u16>,
    /// One for the dashboard.
    pub(crate) web_port: Option<u16>,
    /// The file for gandy-worker.
    pub(crate) config: Option<PathBuf>,
    pub(crate) namespace: Option<String>,
    /// The user's own worker; empty: gandy-worker.
    pub(crate) command: Vec<String>,
}

/// Runs until a signal or the end of a process; gives the exit code.
pub(crate) async fn run(wish: &Wish) -> Result<u8, Failure> {
    let worker = worker::find(wish)?;
    let mut signals = Signals::listen()?;
    let started = tokio::select! {
        server = Server::start(wish) => Some(server?),
        () = signals.next() => None,
    };
    // What was begun is killed, and its folder removed, as it is dropped.
    let Some(mut server) = started else {
        return Ok(exit::DONE);
    };
    output::say(&format!("Redis is at {}", server.url));
    output::say(&format!(
        "For other terminals: export REDIS_URL={}",
        server.url
    ));
    if let Some(folder) = &wish.keep {
        output::say(&format!("Jobs are kept in {}", folder.display()));
    }
    let ended = together(wish, &worker, &mut server, &mut signals).await;
    server.end(SERVER_GRACE, &mut signals).await?;
    ended
}

/// The worker and the dashboard, until a signal or the end of one of the three.
async fn together(
    wish: &Wish,
    worker: &worker::Worker,
    server: &mut Server,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let mut worker = Child::start("worker", worker.command(&server.url))?;
    let dashboard = dashboard::command(wish, &server.url);
    let mut dashboard = match dashboard.and_then(|command| Child::start("web", command)) {
        Ok(dashboard) => dashboard,
        Err(failure) => {
            worker.end(WORKER_GRACE, signals).await;
            return Err(failure);
        }
    };
    let ended = tokio::select! {
        how = worker.ended() => Some(format!("the worker {how}")),
        how = dashboard.ended() => Some(format!("the dashboard {how}")),
        how = server.child.ended() => Some(format!("Redis {how}")),
        () = signals.next() => None,
    };
    if let Some(how) = &ended {
        output::complain(&format!("{how}; ending the rest"));
    } else {
        output::say("Ending the worker, then the dashboard and Redis; once more kills them");
    }
    worker.end(WORKER_GRACE, signals).await;
    dashboard.end(DASHBOARD_GRACE, signals).await;
    Ok(ended.map_or(exit::DONE, |_| exit::FINDINGS))
}

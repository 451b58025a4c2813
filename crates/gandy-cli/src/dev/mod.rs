//! `gandy dev`: a private Redis and a worker, which live and end together.
//!
//! * `child`: a process with its lines and its end; `server`: the Redis; `worker`: which worker; `signals`: when it ends
//!
//! Each process has a process group of its own, so that Ctrl-C reaches nobody but us and the order of the end is ours.

mod child;
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

/// It has nothing to write, or appends to a file that it has written already.
const SERVER_GRACE: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Where data stay; none: nowhere.
    pub(crate) keep: Option<PathBuf>,
    /// A port that was asked for.
    pub(crate) port: Option<u16>,
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
    let ended = match Child::start("worker", worker.command(&server.url)) {
        Ok(mut worker) => {
            let ended = tokio::select! {
                how = worker.ended() => Some(format!("the worker {how}")),
                how = server.child.ended() => Some(format!("Redis {how}")),
                () = signals.next() => None,
            };
            if let Some(how) = &ended {
                output::complain(&format!("{how}; ending the rest"));
            } else {
                output::say("Ending the worker, then Redis; once more kills them");
            }
            worker.end(WORKER_GRACE, &mut signals).await;
            ended.map_or(exit::DONE, |_| exit::FINDINGS)
        }
        Err(failure) => {
            server.end(SERVER_GRACE, &mut signals).await?;
            return Err(failure);
        }
    };
    server.end(SERVER_GRACE, &mut signals).await?;
    Ok(ended)
}

//! `/livez`, `/readyz`, `/startupz` and `/metrics`, on an OS thread and a runtime of their own: what blocks the runtime of
//! the jobs must be told, not hidden.

use std::{io, sync::Arc, thread::JoinHandle, time::Duration};

use tokio_util::sync::CancellationToken;

use super::core::Core;
use crate::{Answer, Listener};

const PATHS: &str = "/livez, /readyz, /startupz and /metrics";

/// Serves until the guard is dropped. `patience`: what does not move for so long is stuck.
pub(crate) fn start(
    core: &Arc<Core>,
    listener: Listener,
    patience: Duration,
) -> io::Result<Served> {
    let stop = CancellationToken::new();
    let (core, stopped) = (Arc::clone(core), stop.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let serve = move || {
        runtime.block_on(async move {
            let answer = move |path: String| {
                let core = Arc::clone(&core);
                async move { answer(&core, &path, patience) }
            };
            tokio::select! {
                () = stopped.cancelled() => {}
                served = listener.serve(answer) => if let Err(error) = served {
                    tracing::error!(%error, "probes are served no more");
                }
            }
        });
    };
    let thread = std::thread::Builder::new().name("gandy-probes".into());
    let thread = thread.spawn(serve)?;
    Ok(Served {
        stop,
        thread: Some(thread),
    })
}

/// Ends the server when it is dropped, and the port with it: who builds the next worker can have it.
#[derive(Debug)]
pub(crate) struct Served {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        // Its runtime blocks on nothing, so that this does not either.
        self.thread.take().map(JoinHandle::join);
    }
}

fn answer(core: &Core, path: &str, patience: Duration) -> Answer {
    let verdict = match path {
        "/livez" => core.health().live(patience),
        "/readyz" => core.health().ready(),
        "/startupz" => core.health().startup(),
        "/metrics" => {
            return match core.meter.page(core) {
                Some(page) => Answer::metrics(page),
                None => Answer::text(404, "this worker was given no metrics::Exposition\n"),
            };
        }
        _ => return Answer::not_found(PATHS),
    };
    match verdict {
        Ok(()) => Answer::text(200, "ok\n"),
        Err(ailment) => Answer::text(503, format!("{ailment}\n")),
    }
}

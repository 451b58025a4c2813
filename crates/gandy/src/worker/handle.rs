//! A running worker, from outside: for applications that embed one.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{
    core::{Core, Phase},
    health::Health,
    stats::Fences,
};
use crate::Error;

/// Steers a worker that runs inside this process. Cheap to clone; dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    core: Arc<Core>,
}

/// A worker that was started with [`crate::Worker::start`].
#[derive(Debug)]
pub struct RunningWorker {
    handle: WorkerHandle,
    task: JoinHandle<Result<(), Error>>,
}

impl WorkerHandle {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Stops claiming for good; running jobs go on. May be called twice.
    pub fn quiet(&self) {
        self.core.advance(Phase::Quiet);
    }

    /// Stops claiming for a while, or goes on: for a host that is short of something. Running jobs go on, what was claimed
    /// ahead goes back. Within a second; may be called as often as one likes.
    pub fn hold(&self, held: bool) {
        if self.core.pulse.hold(held) {
            tracing::info!(held, "claiming is held or goes on");
        }
    }

    /// What can be seen of the worker now: whether it moves, claims, and hears from Redis. Waits for nothing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.core.health()
    }

    /// Asks the worker to end: it claims no more, waits up to its timeout for running jobs and gives the rest back. Does
    /// not wait for that. May be called twice.
    pub fn stop(&self) {
        self.core.advance(Phase::Stopping);
    }

    /// The name under which the worker is known in Redis now; none before it has registered and after it has left.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        self.core
            .present()
            .map(|life| life.identity.as_str().to_owned())
    }

    /// Jobs that run now.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.core
            .capsules
            .iter()
            .map(|capsule| capsule.slots.busy())
            .sum()
    }

    /// What an operator should know of the Redis server, in words: that it may evict jobs, that it writes no append-only
    /// file. As of the last look, which is never older than half a minute while Redis answers.
    #[must_use]
    pub fn cautions(&self) -> Vec<String> {
        let cautions = self.core.cautions();
        cautions.into_iter().map(|caution| caution.0).collect()
    }

    /// How often a step of this worker found its job given back already.
    #[must_use]
    pub fn fences(&self) -> Fences {
        self.core.stats.fences()
    }
}

impl RunningWorker {
    pub(crate) fn new(handle: WorkerHandle, task: JoinHandle<Result<(), Error>>) -> Self {
        Self { handle, task }
    }

    /// A handle to keep elsewhere.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        self.handle.clone()
    }

    /// Waits until the worker has ended.
    ///
    /// # Errors
    /// What [`crate::Worker::run`] returns.
    pub async fn wait(self) -> Result<(), Error> {
        self.task.await.unwrap_or_else(|stopped| {
            Err(Error::config(format!("the worker's task ended: {stopped}")))
        })
    }

    /// Asks the worker to end and waits for that.
    ///
    /// # Errors
    /// As [`RunningWorker::wait`].
    pub async fn stop(self) -> Result<(), Error> {
        self.handle.stop();
        self.wait().await
    }
}

impl std::ops::Deref for RunningWorker {
    type Target = WorkerHandle;

    fn deref(&self) -> &WorkerHandle {
        &self.handle
    }
}

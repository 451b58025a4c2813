//! Looks again and again at what was checked at boot: somebody may turn eviction on while jobs wait, and Redis then
//! deletes them without a word.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use gandy_store::{Caution, StoreError};

use super::{chore::Chore, core::Core};

/// How often. One INFO, which costs Redis about 0.1 ms.
const EVERY: Duration = Duration::from_secs(20);

/// The look at one worker's server.
pub(crate) struct Cautions {
    core: Arc<Core>,
}

impl Cautions {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
        }
    }
}

impl Chore for Cautions {
    const NAME: &'static str = "cautions";

    async fn run_once(&mut self, _now: Instant) -> Result<Duration, StoreError> {
        let core = &self.core;
        let facts = core.chores.facts().await?;
        // What would refuse a start does not end a worker: its jobs run on, and somebody is told.
        let now = facts.judge(core.config.server.address(), &core.keys, true)?;
        let before = core.replace_cautions(now.clone());
        for Caution(words) in now.iter().filter(|caution| !before.contains(caution)) {
            tracing::error!("Redis was changed while this worker runs: {words}");
        }
        for Caution(words) in before.iter().filter(|caution| !now.contains(caution)) {
            tracing::info!("no longer true of Redis: {words}");
        }
        // Apart from each other, so that a fleet does not ask in chorus.
        Ok(EVERY.mul_f64(0.75 + 0.5 * fastrand::f64()))
    }
}

impl Core {
    /// What an operator should know of the server, as of the last look.
    pub(crate) fn cautions(&self) -> Vec<Caution> {
        let cautions = self.cautions.lock();
        cautions.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what was seen now, and gives what was seen before.
    pub(crate) fn replace_cautions(&self, now: Vec<Caution>) -> Vec<Caution> {
        let mut cautions = self.cautions.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut cautions, now)
    }
}

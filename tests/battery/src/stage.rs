//! What a scenario gets: how much to do, what to draw from, and how its workers are started.

use std::path::PathBuf;

use gandy_tests::{Crew, History, RedisServer};

/// One run of one scenario.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// Full loads instead of quick ones.
    pub(crate) full: bool,
    /// Of this run.
    pub(crate) seed: u64,
    /// The `crew` binary.
    pub(crate) crew: PathBuf,
    /// How it is broken on purpose, if it is.
    pub(crate) mutant: Option<&'static str>,
}

impl Stage {
    /// One of two sizes.
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        if self.full { full } else { quick }
    }

    /// Random numbers, the same for the same seed.
    pub(crate) fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    /// A worker process for `server`.
    pub(crate) fn crew(&self, server: &RedisServer, history: &History) -> Crew {
        Crew::new(&self.crew.to_string_lossy(), server)
            .history(history)
            .set("RUST_LOG", "gandy=warn")
            .set("GANDY_MUTANT", self.mutant.unwrap_or_default())
    }
}

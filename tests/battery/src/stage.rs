//! What a scenario gets: how much to do, what to draw from, and how its workers are started.

use std::path::PathBuf;
use std::time::Duration;

use gandy_tests::{Crew, History, RedisServer};

/// One run of one scenario.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// Full loads instead of quick ones.
    pub(crate) full: bool,
    /// The least load that shows a mutant, and little patience with what will never happen.
    pub(crate) probe: bool,
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

    /// One of three.
    pub(crate) fn size<T>(&self, probe: T, quick: T, full: T) -> T {
        if self.probe {
            probe
        } else {
            self.pick(quick, full)
        }
    }

    /// How long to wait for what is sure to come: `long`, or as long as a dead worker's jobs need and a bit.
    pub(crate) fn patience(&self, long: Duration) -> Duration {
        if self.probe {
            long.min(Duration::from_secs(30))
        } else {
            long
        }
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

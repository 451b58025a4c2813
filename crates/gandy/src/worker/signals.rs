//! Sidekiq's signals: TSTP quiet, TERM and INT stop, TTIN says what runs.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    core::{Core, Phase},
    dump,
};

/// SIGTSTP is 20 on Linux and 18 on the BSDs and macOS; SIGTTIN is 21 on all of them.
const TSTP: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    20
} else {
    18
};
const TTIN: i32 = 21;

/// The signals a worker listens to.
pub(crate) struct Signals {
    tstp: Signal,
    term: Signal,
    int: Signal,
    ttin: Signal,
}

impl Signals {
    /// Begins to listen; from here on they do not have their default effect.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            tstp: signal(SignalKind::from_raw(TSTP))?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            ttin: signal(SignalKind::from_raw(TTIN))?,
        })
    }

    /// Obeys signals for ever.
    pub(crate) async fn obey(mut self, core: Arc<Core>) {
        loop {
            tokio::select! {
                _ = self.tstp.recv() => {
                    tracing::info!("TSTP: quiet, no more jobs are claimed");
                    core.advance(Phase::Quiet);
                }
                _ = self.term.recv() => {
                    tracing::info!("TERM: stopping");
                    core.advance(Phase::Stopping);
                }
                _ = self.int.recv() => {
                    tracing::info!("INT: stopping");
                    core.advance(Phase::Stopping);
                }
                _ = self.ttin.recv() => dump::log(&core),
            }
        }
    }
}

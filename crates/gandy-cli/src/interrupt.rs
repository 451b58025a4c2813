//! Ctrl-C, and a polite end by others: work in bounded steps ends after the present one, and says how far it came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::failure::{Failure, exit};

/// Whether somebody wants it to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    bell: Notify,
}

impl Interrupt {
    /// From now on SIGINT and SIGTERM ask; the second ends the process at once. Until then they end it as ever, which is
    /// right while nothing is done yet.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let bug = |error| Failure::bug(format!("signals cannot be received: {error}"));
        let mut int = signal(SignalKind::interrupt()).map_err(bug)?;
        let mut term = signal(SignalKind::terminate()).map_err(bug)?;
        let interrupt = Self(Arc::default());
        let inner = Arc::clone(&interrupt.0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
                if inner.asked.swap(true, Ordering::AcqRel) {
                    std::process::exit(exit::INTERRUPTED.into());
                }
                inner.bell.notify_waiters();
            }
        });
        Ok(interrupt)
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Sleeps, or less long when somebody asks.
    pub(crate) async fn sleep(&self, span: Duration) {
        let bell = self.0.bell.notified();
        if !self.asked() {
            // Either is a reason to go on.
            let _ = tokio::time::timeout(span, bell).await;
        }
    }

    /// Waits until somebody asks.
    pub(crate) async fn wait(&self) {
        let bell = self.0.bell.notified();
        if !self.asked() {
            bell.await;
        }
    }
}

//! Something that was read from Redis and is shown to all who ask within a while: fifty open pages cost Redis as much as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::problem::{Outcome, Problem};

/// A page that waits longer for Redis says so.
const DEADLINE: Duration = Duration::from_secs(8);

/// The last reading, or why there is none. An error is kept as well: while Redis is away each page would else wait for its own.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    slot: Mutex<Option<(Instant, Outcome<Arc<T>>)>>,
    /// What was read, or is being read now, may be from before something that was done.
    old: AtomicBool,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            slot: Mutex::new(None),
            old: AtomicBool::new(false),
        }
    }
}

impl<T> Kept<T> {
    /// The last one if it is no older than `age`; else one reading for all who wait.
    pub(crate) async fn get<E: Into<Problem>>(
        &self,
        age: Duration,
        read: impl Future<Output = Result<T, E>>,
    ) -> Outcome<Arc<T>> {
        let mut slot = self.slot.lock().await;
        if self.old.swap(false, Ordering::Relaxed) {
            // At once: whoever reads may be dropped before there is something else.
            *slot = None;
        }
        if let Some((at, outcome)) = &*slot
            && at.elapsed() < age
        {
            return outcome.clone();
        }
        let outcome = match tokio::time::timeout(DEADLINE, read).await {
            Ok(read) => read.map(Arc::new).map_err(Into::into),
            Err(_) => Err(Problem::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                "Redis is slow",
                format!("it did not answer within {DEADLINE:?}"),
            )),
        };
        *slot = Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// Whoever asks next sees what is there by then. Waits for nobody: a reading may hang.
    pub(crate) fn forget(&self) {
        self.old.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn all_who_ask_at_once_share_one_reading_and_errors_are_kept_too() {
        let kept = Kept::default();
        let readings = AtomicU32::new(0);
        let ask = || {
            kept.get(Duration::from_secs(60), async {
                readings.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err::<u8, _>(Problem::busy("x"))
            })
        };
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!(one.is_err() && two == one && three == one);
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        let anew = kept
            .get(Duration::ZERO, async { Ok::<u8, Problem>(7) })
            .await;
        assert_eq!(*anew.unwrap(), 7);
        kept.forget();
        let anew = kept
            .get(Duration::from_secs(60), async { Ok::<u8, Problem>(8) })
            .await;
        assert_eq!(*anew.unwrap(), 8);
    }
}

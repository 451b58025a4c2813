//! Which pushes a client repeats by itself, and for how long.
//!
//! Belongs here: whether a failed push is tried again, and when. Does not belong here: what is pushed, and where jobs go
//! that nobody can push now (`buffer`).

use std::time::{Duration, Instant};

use gandy_store::{Backoff, StoreError};

use crate::ambient;

/// Long enough for a connection that has to be made again, or a Redis that restarts on a small data set; short enough for
/// somebody who waits for a web page. A failover takes longer: that is what [`crate::Buffer`] is for.
const WITHIN: Duration = Duration::from_secs(1);
/// A scheduled job that is due in more than this is still in `schedule` when it is pushed again, whatever this host's clock
/// says; there the same bytes are the same member. One that is due may have moved to its queue.
const FAR: i64 = 60_000;

/// How a client repeats a push that failed, always with the same id and the same bytes.
///
/// Repeated is what surely had no effect: Redis could not be reached, is loading, has become a replica, has too many
/// clients ([`crate::StoreError::Unavailable`]). Where Redis did not answer ([`crate::Error::Unknown`]), the job may be
/// there, and only that is repeated which cannot become two jobs: a push with an idempotency key, and one that is scheduled
/// for later than in a minute. Never repeated: wrong input, a refused login, a missing right, and a full Redis, whose
/// producers have to be told at once.
///
/// Default: [`Retry::within`] 1 s.
///
/// ```
/// # use gandy::{Client, Retry};
/// # use std::time::Duration;
/// let patient = Client::builder().retry(Retry::within(Duration::from_secs(20)).at_least_once());
/// let impatient = Client::builder().retry(Retry::never());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    within: Duration,
    at_least_once: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self::within(WITHIN)
    }
}

impl Retry {
    /// No push is repeated: the caller is told what happened to the first try.
    #[must_use]
    pub const fn never() -> Self {
        Self::within(Duration::ZERO)
    }

    /// Repeats for this long after the first failure, with pauses of 20 ms to 1 s that grow and are drawn at random. No try
    /// begins later; one that is under way keeps its own deadlines ([`crate::Patience`]). For a bulk push this is the time
    /// of the whole call.
    #[must_use]
    pub const fn within(total: Duration) -> Self {
        Self {
            within: total,
            at_least_once: false,
        }
    }

    /// Repeats also what may have happened, so that a job may be in its queue twice, under one id, once for each try
    /// that was not answered.
    #[must_use]
    pub const fn at_least_once(mut self) -> Self {
        self.at_least_once = true;
        self
    }

    pub(crate) fn total(&self) -> Duration {
        self.within
    }
}

/// Whether a repeat of what may have happened finds the same member in `schedule`.
pub(crate) fn is_far(at_ms: Option<i64>) -> bool {
    at_ms.is_some_and(|at| at.saturating_sub(ambient::now_ms()) > FAR)
}

/// The repeats of one push.
#[derive(Debug)]
pub(crate) struct Repeats {
    within: Duration,
    at_least_once: bool,
    began: Option<Instant>,
    backoff: Backoff,
    /// A try was not answered: whatever comes later, the job may be there.
    doubt: Option<StoreError>,
}

impl Repeats {
    /// For `within` of the policy's time: earlier pushes of the same call may have taken a part of it.
    pub(crate) fn new(retry: Retry, within: Duration) -> Self {
        Self {
            within,
            at_least_once: retry.at_least_once,
            began: None,
            backoff: Backoff::new(Duration::from_millis(20), Duration::from_secs(1)),
            doubt: None,
        }
    }

    /// Waits and says yes, or says no at once. `safe` tells whether a repeat of what may have happened changes nothing.
    pub(crate) async fn again(&mut self, error: &StoreError, safe: impl Fn() -> bool) -> bool {
        match error {
            StoreError::Unavailable { .. } => {}
            StoreError::Unknown { .. } => self.doubt = Some(error.clone()),
            _ => return false,
        }
        if self.doubt.is_some() && !self.at_least_once && !safe() {
            return false;
        }
        let spent = self.began.get_or_insert_with(Instant::now).elapsed();
        let left = self.within.saturating_sub(spent);
        if left.is_zero() {
            return false;
        }
        // The last try is made at the end of the time, not before it.
        tokio::time::sleep(self.backoff.next(fastrand::f64()).min(left)).await;
        true
    }

    /// Whether a try was not answered.
    pub(crate) fn doubtful(&self) -> bool {
        self.doubt.is_some()
    }

    /// What the caller is told after a last `error`.
    pub(crate) fn verdict(&mut self, error: StoreError) -> StoreError {
        self.doubt.take().unwrap_or(error)
    }

    /// How long it was repeated.
    pub(crate) fn spent(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> StoreError {
        StoreError::Unavailable {
            server: "h".into(),
            cause: "LOADING".into(),
        }
    }

    fn unknown() -> StoreError {
        StoreError::Unknown {
            server: "h".into(),
            cause: "reset".into(),
        }
    }

    fn repeats(retry: Retry) -> Repeats {
        Repeats::new(retry, retry.total())
    }

    #[tokio::test]
    async fn what_may_have_happened_is_repeated_only_where_that_is_safe_or_asked_for() {
        let retry = Retry::within(Duration::from_secs(5));
        assert!(repeats(retry).again(&unavailable(), || false).await);
        assert!(!repeats(retry).again(&unknown(), || false).await);
        assert!(repeats(retry).again(&unknown(), || true).await);
        let often = retry.at_least_once();
        assert!(repeats(often).again(&unknown(), || false).await);
        // Once in doubt, always in doubt.
        let mut repeats = repeats(retry);
        assert!(repeats.again(&unknown(), || true).await);
        assert!(!repeats.again(&unavailable(), || false).await);
        let verdict = repeats.verdict(unavailable());
        assert!(matches!(verdict, StoreError::Unknown { .. }), "{verdict}");
    }

    #[tokio::test]
    async fn what_repeating_cannot_change_is_not_repeated() {
        for error in [
            StoreError::Full {
                server: "h".into(),
                cause: "OOM".into(),
            },
            StoreError::Refused {
                server: "h".into(),
                cause: "WRONGTYPE".into(),
            },
            StoreError::Input("no URL".into()),
            StoreError::Bug("shape".into()),
        ] {
            let mut repeats = repeats(Retry::default().at_least_once());
            assert!(!repeats.again(&error, || true).await, "{error}");
        }
        assert!(!repeats(Retry::never()).again(&unavailable(), || true).await);
    }

    #[tokio::test]
    async fn repeats_end_with_their_time() {
        let mut repeats = repeats(Retry::within(Duration::from_millis(100)));
        let mut count = 0;
        while repeats.again(&unavailable(), || false).await {
            count += 1;
        }
        assert!((2..=6).contains(&count), "{count}");
        assert!(repeats.spent() >= Duration::from_millis(100));
    }

    #[test]
    fn a_job_that_is_soon_due_may_have_left_the_schedule() {
        let now = ambient::now_ms();
        assert!(!is_far(None));
        assert!(!is_far(Some(now + 59_000)));
        assert!(is_far(Some(now + 70_000)));
        assert!(!is_far(Some(i64::MIN)));
    }
}

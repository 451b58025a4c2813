//! The shape of every background chore: something that is done once, and again after the wait it asks for.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use gandy_store::{Backoff, StoreError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::core::Core;

/// A chore. Tests call [`Chore::run_once`]; [`start`] calls it for ever.
pub(crate) trait Chore: Send + 'static {
    /// For logs.
    const NAME: &'static str;

    /// Does it once at `now` and says how long to wait until the next time.
    fn run_once(
        &mut self,
        now: Instant,
    ) -> impl Future<Output = Result<Duration, StoreError>> + Send;
}

/// A started chore. Stopping is asked for by the token it was started with, as often as one likes.
pub(crate) fn start<C: Chore>(
    core: &Arc<Core>,
    mut chore: C,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let core = Arc::clone(core);
    tokio::spawn(async move {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        loop {
            let wait = match guarded(&mut chore).await {
                Some(Ok(wait)) => {
                    backoff.reset();
                    wait
                }
                Some(Err(error)) => {
                    core.complain(C::NAME, &error);
                    backoff.next(fastrand::f64())
                }
                None => {
                    tracing::error!(
                        chore = C::NAME,
                        "a chore panicked; it goes on. Please report this"
                    );
                    backoff.next(fastrand::f64())
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    })
}

/// A panic in a chore must not end it: nobody would promote or reap from then on.
async fn guarded<C: Chore>(chore: &mut C) -> Option<Result<Duration, StoreError>> {
    let mut run = std::pin::pin!(chore.run_once(Instant::now()));
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => Poll::Ready(Some(result)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        },
    )
    .await
}

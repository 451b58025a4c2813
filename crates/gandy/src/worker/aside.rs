//! Stepping aside: letting the other tasks of a thread come first, in a way that other threads can help with.

use std::{future::poll_fn, task::Poll};

/// Goes to the end of the thread's queue, from which an idle thread may take this task.
///
/// `tokio::task::yield_now` instead lays it where only this very thread finds it, and only once that has nothing else to
/// do: when the next task there blocked for ten seconds, the claim loop lay still for ten seconds (one start in eighty,
/// with three other threads idle).
pub(crate) async fn step_aside() {
    let mut stepped = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    };

    use super::step_aside;

    /// Fails with `yield_now`, every time.
    #[test]
    fn who_steps_aside_is_not_held_up_by_a_task_that_blocks_the_thread() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .expect("a runtime can be built");
        let passed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&passed);
        let blocker = runtime.spawn(async move {
            let blocker = tokio::spawn({
                let seen = Arc::clone(&seen);
                async move {
                    let end = Instant::now() + Duration::from_secs(20);
                    while !seen.load(Ordering::Acquire) && Instant::now() < end {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    seen.load(Ordering::Acquire)
                }
            });
            step_aside().await;
            seen.store(true, Ordering::Release);
            blocker.await
        });
        let in_time = runtime
            .block_on(blocker)
            .expect("no panic")
            .expect("no panic");
        assert!(in_time, "it lay behind the task that blocked");
    }
}

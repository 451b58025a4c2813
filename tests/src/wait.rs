//! Waiting for a condition with a deadline. Nothing in these tests sleeps for luck.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// First pause between two looks. It doubles up to [`PAUSE_MAX`], so that a test whose condition is nearly true
/// loses milliseconds, and one that waits for seconds does not steal a core from what it waits for.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Pauses that grow, and the moment at which to give up.
struct Patience {
    give_up: Instant,
    pause: Duration,
}

impl Patience {
    fn new(deadline: Duration) -> Self {
        Self {
            give_up: Instant::now() + deadline,
            pause: PAUSE_MIN,
        }
    }

    /// The next pause, or `None` when the deadline has passed.
    fn next(&mut self) -> Option<Duration> {
        if Instant::now() >= self.give_up {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        Some(pause)
    }
}

/// Waits until `condition` is true; panics with `what` when `deadline` passes first.
///
/// # Panics
/// When the condition did not come true in time.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(deadline, what, || condition().then_some(()));
}

/// Waits until `look` gives a value and returns it.
///
/// # Panics
/// When it gave none within `deadline`.
#[track_caller]
pub fn wait_for<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut patience = Patience::new(deadline);
    loop {
        if let Some(value) = look() {
            return value;
        }
        match patience.next() {
            Some(pause) => std::thread::sleep(pause),
            None => panic!("waited {deadline:?} in vain for: {what}"),
        }
    }
}

/// Waits until `look` returns `expected`. Says what it saw last when that never happens.
///
/// # Panics
/// When the value did not become `expected` within `deadline`.
#[track_caller]
pub fn wait_eq<T: PartialEq + Debug>(
    deadline: Duration,
    what: &str,
    expected: &T,
    mut look: impl FnMut() -> T,
) {
    let mut patience = Patience::new(deadline);
    loop {
        let seen = look();
        if seen == *expected {
            return;
        }
        match patience.next() {
            Some(pause) => std::thread::sleep(pause),
            None => panic!(
                "waited {deadline:?} in vain for: {what}\n  wanted: {expected:?}\n  last seen: {seen:?}"
            ),
        }
    }
}

/// [`wait_until`] for async code: the runtime goes on working between two looks.
///
/// # Panics
/// When the condition did not come true within `deadline`.
pub async fn wait_until_async(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let mut patience = Patience::new(deadline);
    while !condition().await {
        match patience.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => panic!("waited {deadline:?} in vain for: {what}"),
        }
    }
}

//! Looks from outside at what runs hold up: a claim loop, and the whole runtime of the jobs.
//!
//! It lives on the lease's thread, not in that runtime. There, the thread that a run blocks may be the one that would have
//! looked at timers and sockets for all others, and nobody is woken to do it instead (measured: with eight threads, seven
//! of them idle, no timer fired for the ten seconds that one run blocked). A task that is handed in from outside wakes one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, task::JoinHandle};

use super::{capsule::Station, life::Life};

/// A run that holds up the claim loop for this long has blocked it.
const BLOCKED: Duration = Duration::from_millis(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);
/// A claim loop that has not looked up for this long may be unable to, or have nothing to do: a nudge does not ask which.
const STILL: Duration = Duration::from_millis(20);
/// A runtime in which nothing moves is nudged this often.
const NUDGE_EVERY: Duration = Duration::from_millis(160);
/// When it saw no run under way for this long, it sleeps until one begins.
const DOZE: Duration = Duration::from_secs(1);

/// Watches for as long as it is polled. `runtime` is that of the jobs.
pub(crate) async fn keep(life: &Life, stations: &[Arc<Station>], runtime: &Handle) {
    let mut nudge: Option<Nudge> = None;
    loop {
        life.stirred.notified().await;
        let mut busy_at = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Instant::now();
            for station in stations {
                if station.held_up(now) >= BLOCKED {
                    tracing::debug!(
                        capsule = station.capsule.name,
                        "a run blocks the claim loop, which goes on beside it"
                    );
                    station.relief.notify_one();
                }
            }
            let busy = |station: &Arc<Station>| station.capsule.slots.any_taken();
            let still = |station| busy(station) && station.tick_age(now) >= STILL;
            if stations.iter().any(still) && nudge.as_ref().is_none_or(|last| last.is_over(now)) {
                nudge = Some(Nudge::give(runtime, now));
            }
            if stations.iter().any(busy) {
                busy_at = now;
            }
            if now - busy_at >= DOZE && life.doze(|| !stations.iter().any(busy)) {
                break;
            }
        }
    }
}

/// An empty task, handed in from outside: it wakes a thread that sleeps, and that one then looks at sockets and timers.
struct Nudge {
    task: JoinHandle<()>,
    given: Instant,
}

impl Nudge {
    fn give(runtime: &Handle, now: Instant) -> Self {
        Self {
            task: runtime.spawn(async {}),
            given: now,
        }
    }

    /// Whether another may follow. One that no thread has come to would only lie beside the next.
    fn is_over(&self, now: Instant) -> bool {
        self.task.is_finished() && now - self.given >= NUDGE_EVERY
    }
}

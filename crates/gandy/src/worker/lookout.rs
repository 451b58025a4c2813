//! Looks from outside whether a run holds up a claim loop, and calls the other hand.
//!
//! It lives on the lease's thread, not in the runtime of the jobs: there, the thread that a run blocks may be the one
//! that would have looked at timers and sockets for all others, and nobody is woken to do it instead (measured: with eight
//! threads, seven of them idle, no timer fired for the ten seconds that one run blocked).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{capsule::Station, life::Life};

/// A run that holds up the claim loop for this long has blocked it.
const BLOCKED: Duration = Duration::from_millis(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);
/// When no run began in a claim loop for this long, it sleeps until one does.
const DOZE: Duration = Duration::from_secs(1);

/// Watches for as long as it is polled.
pub(crate) async fn keep(life: &Life, stations: &[Arc<Station>]) {
    loop {
        life.stirred.notified().await;
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
            let quiet = |station: &Arc<Station>| station.since_inline(now) >= DOZE;
            if stations.iter().all(quiet) && life.doze(|| stations.iter().all(|s| !s.is_inline())) {
                break;
            }
        }
    }
}

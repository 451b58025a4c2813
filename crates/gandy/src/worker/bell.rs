//! One queue's bell: while the capsule is idle, a blocking move waits for a job and rings the pumps.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{BLOCK_DEADLINE, Backoff, StoreError};

use super::{
    capsule::Station,
    core::{Core, Phase},
};

/// How often a bell that must not block looks whether it may again.
const LOOK: Duration = Duration::from_millis(200);
/// How long a queue is polled after Redis refused to block on it.
const AGAIN: Duration = Duration::from_secs(30);

/// Rings for the queue at `index` until the life ends.
///
/// The line is the bell's own, so nothing else is on it: when this task is dropped the connection goes with it, and a
/// job that Redis moved meanwhile lies in the landing list, which has no owner (I7).
pub(crate) async fn ring(core: Arc<Core>, station: Arc<Station>, index: usize) {
    let life = Arc::clone(&station.life);
    tokio::select! {
        () = life.closed.cancelled() => {}
        () = life.dead.cancelled() => {}
        () = wait(&core, &station, index) => {}
    }
}

async fn wait(core: &Core, station: &Station, index: usize) {
    let line = core.line(BLOCK_DEADLINE);
    let queue = station.grip.queue(index);
    let mut idle = station.idle.subscribe();
    let mut backoff = Backoff::default();
    loop {
        if idle.wait_for(|idle| *idle).await.is_err() {
            return;
        }
        if !may_wait(core, station, index) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        match line.wait(queue).await {
            Ok(landed) => {
                backoff.reset();
                if landed {
                    station.ring(index);
                    answered(station, index).await;
                }
            }
            // A full Redis refuses BLMOVE, but the claim script may run: poll with it (I7).
            Err(StoreError::Full { .. }) => {
                tokio::time::sleep(LOOK).await;
                station.ring(index);
                answered(station, index).await;
            }
            // No right to block, or a proxy that does not let it through: the pumps poll until it is tried again.
            Err(error @ StoreError::Refused { .. }) => {
                core.complain("wait", &error);
                station.refuse(index, true);
                tokio::time::sleep(AGAIN).await;
                station.refuse(index, false);
            }
            Err(error) => {
                core.complain("wait", &error);
                tokio::time::sleep(backoff.next(fastrand::f64())).await;
                // A job may have landed although no reply came.
                if matches!(error, StoreError::Unknown { .. }) {
                    station.ring(index);
                    answered(station, index).await;
                }
            }
        }
    }
}

/// Only a capsule that could run a job waits for one. Places held by a claim on its way count as free: the claim that
/// made the capsule idle still holds them, and a bell that slept for that was 200 ms late.
fn may_wait(core: &Core, station: &Station, index: usize) -> bool {
    *core.phase.borrow() == Phase::Running
        && !station.is_mute(index)
        && station.capsule.slots.busy() < station.capsule.slots.total()
        && station.life.may_claim(Instant::now())
}

/// Waits until a pump has dealt with the ring, so that one push does not land two jobs.
async fn answered(station: &Station, index: usize) {
    loop {
        let mut answer = std::pin::pin!(station.answered.notified());
        answer.as_mut().enable();
        if !station.is_rung(index) {
            return;
        }
        answer.await;
    }
}

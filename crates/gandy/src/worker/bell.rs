//! One queue's bell: while the capsule is idle, a blocking move waits for a job, and a claim right behind it takes it.
//!
//! The claim is on its way before there is anything to claim, so a lone job costs no second round trip. Where it brings
//! nothing although a job landed (a pause, an error), the bell rings and the pump sees to it.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{BLOCK_DEADLINE, Backoff, Grant, Haul, StoreError, Wire};

use super::{capsule::Station, core::Core};

/// How often a bell that must not block looks whether it may again.
const LOOK: Duration = Duration::from_millis(200);
/// How long a queue is polled after Redis refused to block on it.
const AGAIN: Duration = Duration::from_secs(30);

/// Rings for the queue at `index` until the life ends.
///
/// The wire is the bell's own, so nothing else is on it: when this task is dropped the connection goes with it, and a
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
    let mut wire = Wire::new(core.config.server.clone(), BLOCK_DEADLINE);
    let mut idle = station.idle.subscribe();
    let mut backoff = Backoff::default();
    loop {
        if idle.wait_for(|idle| *idle).await.is_err() {
            return;
        }
        if !may_wait(core, station, index) {
            tokio::select! {
                () = station.freed.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            continue;
        }
        let range = station.life.await_patiently(station.capsule.index);
        let limit = core.config.max_fetch_payload;
        let cycle = station.grip.landing(index, range.start, limit);
        let (landed, haul) = wire.wait(&station.grip, index, cycle).await;
        // A full Redis refuses the move and grants the claim: what lay there already comes all the same.
        let claimed = match haul {
            Ok(haul) => take_in(core, station, &range, haul),
            Err(_) => {
                // What such a claim may still bring is a stray.
                station.life.claimed(&range, []);
                false
            }
        };
        match landed {
            Ok(landed) => {
                backoff.reset();
                station.fetched(true);
                if landed && !claimed {
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
                core.meter.fetch_failed(error.kind());
                station.refuse(index, true);
                tokio::time::sleep(AGAIN).await;
                station.refuse(index, false);
            }
            Err(error) => {
                core.complain("wait", &error);
                core.meter.fetch_failed(error.kind());
                station.fetched(false);
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

/// Takes in what the claim behind the blocking move brought; `true` if that is a job.
fn take_in(core: &Core, station: &Station, range: &Range<u64>, haul: Haul) -> bool {
    let claimed = !haul.claims.is_empty();
    if haul.grant == Grant::Dead {
        station.life.dead.cancel();
    }
    station.take_in(range, haul.claims, core.config.max_fetch_payload);
    if claimed {
        // Where one was there may be more.
        station.set_idle(false);
        station.wake.notify_one();
    }
    claimed
}

/// Only a capsule that could run a job waits for one. Places held by a claim on its way count as free: the claim that
/// made the capsule idle still holds them, and a bell that slept for that was 200 ms late.
fn may_wait(core: &Core, station: &Station, index: usize) -> bool {
    core.wants_jobs()
        && !station.is_mute(index)
        && station.capsule.slots.any_free()
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

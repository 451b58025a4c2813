//! The end of a worker: wait for what runs, give the rest back byte for byte, leave.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Backoff, Guard, Kind, StoreError};
use tokio::task::JoinHandle;

use super::{capsule::Station, core::Core, heartbeat::Heartbeat, life::Life, recovery};

/// For everything after the timeout. A Redis that does not answer must not hold the exit; the reaper of another worker
/// then does the rest.
const GRACE: Duration = Duration::from_millis(1200);
/// For giving back what a process held that was declared dead. The reaper does what is left.
const MOURNING: Duration = Duration::from_secs(2);
/// For the chores to end, and for the last counters.
const BEAT_GRACE: Duration = Duration::from_millis(200);
/// After a lost reply the next try comes this soon.
const AGAIN: Duration = Duration::from_millis(10);
/// How often the wait looks whether everything has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Waits up to the configured timeout until every run has ended and that is written.
pub(crate) async fn drain(core: &Core, life: &Life) {
    let deadline = Instant::now() + core.config.timeout;
    while !life.is_done() && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits a little for chores that were told to stop, then cuts them off: each of their steps is whole in Redis anyway.
pub(crate) async fn end_chores(chores: impl IntoIterator<Item = JoinHandle<()>>) {
    let end = tokio::time::Instant::now() + BEAT_GRACE;
    for mut chore in chores {
        if tokio::time::timeout_at(end, &mut chore).await.is_err() {
            chore.abort();
        }
    }
}

/// Writes the last counters.
pub(crate) async fn last_beat(core: &Arc<Core>, life: &Arc<Life>) {
    let mut heartbeat = Heartbeat::new(core, life);
    match tokio::time::timeout(BEAT_GRACE, heartbeat.beat()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the last counters could not be written"),
        Err(_) => tracing::warn!("the last counters could not be written in time"),
    }
}

/// Ends the life: interrupts what still runs, writes what ended, gives back the rest, leaves the fleet.
pub(crate) async fn close(core: &Core, life: &Life, stations: &[Arc<Station>]) {
    let unfinished = life.held();
    let started = unfinished.iter().filter(|job| job.has_started()).count();
    if started > 0 {
        tracing::warn!(
            jobs = started,
            timeout_secs = core.config.timeout.as_secs(),
            "jobs still run; they are given back"
        );
    }
    // First closed, so that what is interrupted now is left to the return of everything, in order.
    life.closed.cancel();
    life.interrupt_all();
    let end = tokio::time::Instant::now() + GRACE;
    let left = tokio::time::timeout_at(end, async {
        for station in stations {
            station.over.cancelled().await;
        }
        insist(|| leave(core, life)).await
    });
    match left.await {
        Ok(Ok(returned)) => tracing::info!(jobs_returned = returned, "left the fleet"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not leave in good order; another worker will give the jobs back")
        }
        Err(_) => {
            tracing::warn!("Redis did not answer in time; another worker will give the jobs back")
        }
    }
    for job in life.held() {
        job.abort();
    }
}

/// Makes a step again that failed because of the line: whatever is done here may be repeated (I4). One lost reply would
/// leave the jobs of a process that stops in good order to a reaper, for up to 20 s when it was the reply to its leave.
async fn insist<T, F>(step: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::new(AGAIN, 5 * AGAIN);
    loop {
        let error = match step().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if !matches!(error.kind(), Kind::Retry | Kind::Unknown) {
            return Err(error);
        }
        tracing::debug!(%error, "a step of the shutdown is tried again");
        tokio::time::sleep(backoff.next(fastrand::f64())).await;
    }
}

/// First out of the fleet, so that no claim of ours is granted any more; then back with what the *hash* holds, which may
/// be more than memory knows.
async fn leave(core: &Core, life: &Life) -> Result<usize, StoreError> {
    let line = core.line(core.config.server.patience().reply);
    let identity = &life.identity;
    line.leave(identity).await?;
    line.resign(identity).await?;
    let jobs = recovery::return_all(line.tokens(identity).await?);
    line.give_all_back(identity, Guard::Dying, core.config.grave(), &jobs)
        .await?;
    line.forget(identity).await?;
    for capsule in &core.capsules {
        // A bell that was cut off may have landed a job.
        for queue in capsule.order.names() {
            line.unland(queue).await?;
        }
    }
    line.erase(identity).await?;
    Ok(jobs.len())
}

/// What a process does that finds itself declared dead: its running jobs are told to stop, what it still holds goes back
/// at once, and this death, which was none, is not counted against it.
pub(crate) async fn mourn(core: &Core, life: &Life) {
    let ids: Vec<String> = life
        .held()
        .iter()
        .filter_map(|job| job.context.as_ref())
        .map(|context| gandy_protocol::recovery_id(context.payload().as_bytes()))
        .collect();
    life.interrupt_all();
    let outcome = insist(|| give_up(core, life, &ids));
    match tokio::time::timeout(MOURNING, outcome).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => core.complain("mourn", &error),
        Err(_) => tracing::warn!("Redis did not answer in time; a reaper will give the jobs back"),
    }
}

async fn give_up(core: &Core, life: &Life, ids: &[String]) -> Result<(), StoreError> {
    let (line, identity) = (&core.chores, &life.identity);
    line.disown(identity).await?;
    let jobs = recovery::return_all(line.tokens(identity).await?);
    line.give_all_back(identity, Guard::Dying, core.config.grave(), &jobs)
        .await?;
    // A reaper that was faster has counted it.
    line.absolve(identity, ids).await
}

//! The proof of life, on an OS thread, a runtime and a connection of its own (I9): a handler that blocks every thread of
//! the job runtime must not make its process look dead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Guard, Line, StoreError};
use tokio::runtime::Handle;

use super::{
    capsule::{Capsule, Station},
    core::Core,
    life::{LEASE, Life, RENEW_EVERY},
    lookout, recovery,
};

/// A renewal without a reply is given up after this, so that the next comes soon.
const REPLY: Duration = Duration::from_secs(2);
/// After a failed renewal the next comes this soon.
const AGAIN: Duration = Duration::from_millis(500);
/// When no pump has looked for this long, what they claimed and did not start is given back.
const STALLED: Duration = Duration::from_secs(5);

/// Starts the thread; called in the job runtime. It ends with the life.
pub(crate) fn start(
    core: &Arc<Core>,
    life: &Arc<Life>,
    stations: &[Arc<Station>],
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let (core, life, stations) = (Arc::clone(core), Arc::clone(life), stations.to_vec());
    let jobs = Handle::current();
    std::thread::Builder::new().name("gandy-lease".into()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = keep(&core, &life, &stations) => {}
                    () = lookout::keep(&life, &stations, &jobs) => {}
                }
            }),
            Err(error) => {
                tracing::error!(%error, "the lease thread cannot start; this worker gives up its identity");
                life.dead.cancel();
            }
        }
    })
}

async fn keep(core: &Core, life: &Life, stations: &[Arc<Station>]) {
    let line = core.line(REPLY);
    loop {
        let wait = match renew(&line, life).await {
            Ok(true) => RENEW_EVERY,
            // Our own leaving is not a death.
            Ok(false) if life.closed.is_cancelled() => return,
            Ok(false) => {
                tracing::warn!(
                    identity = life.identity.as_str(),
                    "this worker was declared dead; it begins a new life"
                );
                life.dead.cancel();
                return;
            }
            Err(error) => {
                core.complain("renew", &error);
                AGAIN
            }
        };
        if life.lease_age(Instant::now()) >= LEASE && life.lose() {
            tracing::warn!(
                identity = life.identity.as_str(),
                "the lease is gone; running jobs are told to stop"
            );
            life.held().iter().for_each(|job| job.interrupt());
        }
        let now = Instant::now();
        for station in stations
            .iter()
            .filter(|station| station.tick_age(now) >= STALLED)
        {
            give_back_unstarted(core, &line, life, &station.capsule).await;
        }
        tokio::select! {
            () = life.closed.cancelled() => return,
            () = life.dead.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Renews once; notes when.
async fn renew(line: &Line, life: &Life) -> Result<bool, StoreError> {
    let sent = Instant::now();
    let granted = line.renew(&life.identity, LEASE).await?;
    if granted {
        life.renewed(sent);
    }
    Ok(granted)
}

/// A capsule's claim loop stands still: others can run what it claimed but did not start.
async fn give_back_unstarted(core: &Core, line: &Line, life: &Life, capsule: &Capsule) {
    let mut tokens: Vec<_> = life
        .held()
        .iter()
        .filter(|job| job.capsule == capsule.index && job.context.is_some() && job.withdraw())
        .map(|job| job.token.clone())
        .collect();
    // What a claim brought whose reply nobody reads.
    life.give_up_awaited(capsule.index);
    match line.tokens(&life.identity).await {
        Ok(held) => tokens.extend(life.strays(held)),
        Err(error) => core.complain("stray", &error),
    }
    tokens.sort_unstable_by_key(|token| std::cmp::Reverse(token.number));
    if tokens.is_empty() {
        return;
    }
    tracing::warn!(
        jobs = tokens.len(),
        capsule = capsule.name,
        "the job runtime is blocked; what it has not started is given back"
    );
    for chunk in tokens.chunks(200) {
        let jobs = recovery::return_all(chunk.to_vec());
        match line
            .give_back(&life.identity, Guard::Living, core.config.grave(), &jobs)
            .await
        {
            Ok(_) => life.forget(chunk),
            // Still in flight and unknown to memory only after the reply: adoption or the reaper finds them.
            Err(error) => {
                core.complain("return", &error);
                life.forget(chunk);
            }
        }
    }
}

//! The proof of life, on an OS thread, a runtime and a connection of its own (I9): a handler that blocks every thread of
//! the job runtime must not make its process look dead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Line, StoreError, Trace};
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
/// After the connection was lost it is opened again within this, not by a whole fleet at once.
const SOON: Duration = Duration::from_millis(200);
/// So often in a row a renewal is repeated because it went by another connection than it told of.
const TRIES: usize = 3;
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
    let mut proof = Proof::new(core);
    loop {
        core.pulse.tick_lease();
        let renewed = proof.renew(life).await;
        core.pulse.heard(renewed.is_ok());
        let wait = match renewed {
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
            withdraw_unstarted(core, &proof.line, life, &station.capsule).await;
        }
        // Also what went back before and got no answer.
        if let Err(error) = recovery::give_back_withdrawn(core, &proof.line, life).await {
            core.complain("return", &error);
        }
        tokio::select! {
            () = life.closed.cancelled() => return,
            () = life.dead.cancelled() => return,
            // Without a connection a worker looks dead within seconds.
            () = proof.line.lost(), if wait == RENEW_EVERY => {
                core.pulse.heard(false);
                tokio::time::sleep(SOON.mul_f64(fastrand::f64())).await;
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The connection that renews, and how others see it.
struct Proof {
    line: Line,
    trace: Option<Trace>,
    /// The number of the connection that was asked for its trace.
    asked: Option<u64>,
}

impl Proof {
    fn new(core: &Core) -> Self {
        Self {
            line: core.line(REPLY),
            trace: None,
            asked: None,
        }
    }

    /// Renews; notes when. `false`: this worker is dead.
    async fn renew(&mut self, life: &Life) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            if self.asked != Some(self.line.openings()) {
                self.trace = self.line.trace().await?;
                self.asked = Some(self.line.openings());
                life.seen(self.trace.clone());
            }
            let sent = Instant::now();
            let trace = self.trace.as_ref();
            if !self.line.renew(&life.identity, LEASE, trace).await? {
                return Ok(false);
            }
            life.renewed(sent);
            // Else it went by another connection than the lease tells of.
            if self.asked == Some(self.line.openings()) {
                break;
            }
        }
        Ok(true)
    }
}

/// A capsule's claim loop stands still: others can run what it claimed but did not start.
async fn withdraw_unstarted(core: &Core, line: &Line, life: &Life, capsule: &Capsule) {
    let mut count = life.withdraw_waiting(capsule.index);
    // What a claim brought whose reply nobody reads.
    life.give_up_awaited(capsule.index);
    match line.tokens(&life.identity).await {
        Ok(held) => {
            for stray in life.strays(held) {
                count += usize::from(life.turn_away(stray, capsule.index));
            }
        }
        Err(error) => core.complain("stray", &error),
    }
    if count > 0 {
        tracing::warn!(
            jobs = count,
            capsule = capsule.name,
            "the job runtime is blocked; what it has not started is given back"
        );
    }
}

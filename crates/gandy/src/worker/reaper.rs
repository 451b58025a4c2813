//! Gives back what dead processes held. The worker with the promoter's duty reaps; all others keep watch, so that the
//! next one can believe what it sees at once.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gandy_protocol::Identity;
use gandy_store::{Guard, Line, Outcome, Retirement, StoreError};

use super::{chore::Chore, config::WorkerConfig, core::Core, life::LEASE, recovery, vigil::Vigil};

/// How often the fleet is looked at. With the lease of 15 s a dead process' jobs are back within 20 s (P2).
const EVERY: Duration = Duration::from_secs(3);
/// How often the key space is swept for what nobody knows.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

const _: () = assert!(
    LEASE.as_secs() + EVERY.as_secs() + 2 <= 20,
    "P2: 20 s, a change of duty of 2 s included"
);

/// The reaper of one worker.
pub(crate) struct Reaper {
    core: Arc<Core>,
    on_duty: Arc<AtomicBool>,
    vigil: Vigil,
    next_sweep: Option<Instant>,
    /// Queues whose landing list held something in the last round.
    landed: HashSet<String>,
}

impl Reaper {
    pub(crate) fn new(core: &Arc<Core>, on_duty: &Arc<AtomicBool>) -> Self {
        Self {
            core: Arc::clone(core),
            on_duty: Arc::clone(on_duty),
            vigil: Vigil::new(LEASE),
            next_sweep: None,
            landed: HashSet::new(),
        }
    }

    /// The connection over which an expired lease may be believed, if it may be at all.
    async fn look(&mut self, now: Instant) -> Result<Option<u64>, StoreError> {
        let sent = now.max(Instant::now());
        let sight = self.core.chores.sight().await?;
        let opening = sight.opening;
        let believes = self.vigil.sees(sight, sent, Instant::now());
        Ok(believes.then_some(opening))
    }

    async fn bury_the_dead(&self, opening: u64) -> Result<(), StoreError> {
        let line = &self.core.chores;
        for identity in line.suspects().await? {
            if line.condemn(&identity, opening).await? == Retirement::Moved {
                tracing::warn!(
                    identity = identity.as_str(),
                    "a worker is dead; its jobs are given back"
                );
            }
        }
        Ok(())
    }

    /// What lay in a landing list in two rounds: its bell's worker died before it could claim.
    async fn clear_landings(&mut self) -> Result<(), StoreError> {
        let line = &self.core.chores;
        let mut queues = line.queue_names().await?;
        for capsule in &self.core.capsules {
            queues.extend(capsule.order.names().iter().cloned());
        }
        // A sweep may have found one of a queue that nobody lists.
        queues.extend(self.landed.iter().cloned());
        queues.sort_unstable();
        queues.dedup();
        let counts = line.landed(&queues).await?;
        let full: HashSet<String> = queues
            .into_iter()
            .zip(counts)
            .filter(|&(_, count)| count > 0)
            .map(|(queue, _)| queue)
            .collect();
        for queue in full.intersection(&self.landed) {
            let count = line.unland(queue).await?;
            if count > 0 {
                tracing::warn!(
                    queue,
                    count,
                    "landed jobs that nobody claimed are back in their queue"
                );
            }
        }
        self.landed = full;
        Ok(())
    }

    async fn sweep(&mut self, now: Instant) -> Result<(), StoreError> {
        if self.next_sweep.is_some_and(|next| now < next) {
            return Ok(());
        }
        let swept = self.core.chores.sweep().await?;
        for identity in &swept.adopted {
            tracing::warn!(
                identity = identity.as_str(),
                "jobs of an unknown worker were found; they are given back"
            );
        }
        self.landed.extend(swept.landings);
        self.next_sweep = Some(now + SWEEP_EVERY);
        Ok(())
    }
}

impl Chore for Reaper {
    const NAME: &'static str = "reaper";

    async fn run_once(&mut self, now: Instant) -> Result<Duration, StoreError> {
        let believes = match self.look(now).await {
            Ok(believes) => believes,
            Err(error) => {
                self.vigil.lost_sight();
                return Err(error);
            }
        };
        if self.on_duty.load(Ordering::Acquire) {
            // What is bound in time comes first, and one process whose jobs cannot be given back holds up no other.
            let mut outcome = Ok(());
            if let Some(opening) = believes {
                outcome = self.bury_the_dead(opening).await;
            }
            for identity in self.core.chores.dying().await? {
                outcome = outcome
                    .and(give_back_dead(&self.core.chores, &self.core.config, &identity).await);
            }
            outcome
                .and(self.clear_landings().await)
                .and(self.sweep(now).await)?;
        }
        // A little less at random, so that watchers do not march in step.
        Ok(EVERY.mul_f64(0.8 + 0.2 * fastrand::f64()))
    }
}

/// Gives back everything that a dead process held, and forgets it. Safe to repeat at any point, by anybody.
pub(crate) async fn give_back_dead(
    line: &Line,
    config: &WorkerConfig,
    identity: &Identity,
) -> Result<(), StoreError> {
    let orphans = line.orphans(identity, config.max_fetch_payload).await?;
    let jobs = recovery::plan(orphans, config.max_fetch_payload, fastrand::f64);
    let (mut back, mut stuck) = (0, 0);
    for chunk in jobs.chunks(200) {
        let outcomes = line
            .give_back(identity, Guard::Dying, config.grave(), chunk)
            .await?;
        let Some(outcomes) = outcomes else {
            return Ok(());
        };
        back += outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::Done)
            .count();
        stuck += outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::Stuck)
            .count();
    }
    if back + stuck > 0 {
        tracing::warn!(
            identity = identity.as_str(),
            back,
            stuck,
            "a dead worker's jobs are given back"
        );
    }
    if line.forget(identity).await? {
        line.erase(identity).await?;
    }
    Ok(())
}

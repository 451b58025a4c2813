//! Gives back what dead processes held. The worker with the promoter's duty reaps, and a few others beside it; all keep
//! watch with it, so that what it sees can be believed whoever has the duty, and for how long (I8). All see the fleet
//! meanwhile, and keep in mind what its members can run (`peers`).

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gandy_protocol::Identity;
use gandy_store::{GivenBack, Guard, Lease, Retirement, StoreError, Trace};

use super::{
    chore::Chore,
    core::Core,
    life::{LEASE, RENEW_EVERY},
    meter_words::Recovery,
    missing::{APART, Missing},
    recovery,
};

/// How often the fleet is looked at, by who has the duty and by the first few: a dead process' jobs are back within 5 s
/// where its connections are seen, and else within 20 s, which is the lease of 15 s and a change of duty (P2).
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many look beside who has the duty. When that one was killed again and again within its two looks, the jobs of others
/// came back after 10 s.
const LOOKERS: usize = 4;
/// How often everybody says that they watch, on duty or not, and how often landing lists are looked at.
const EVERY: Duration = Duration::from_secs(3);
/// How often the key space is swept for what nobody knows.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Nobody looks for longer than this: the watch begins anew. A lease is renewed every 3 s, so what takes less cannot end
/// one; and every worker looks about every 3 s.
const GAP: Duration = Duration::from_secs(6);

const _: () = assert!(
    GAP.as_secs() + 2 * RENEW_EVERY.as_secs() < LEASE.as_secs()
        && 2 * EVERY.as_secs() <= GAP.as_secs(),
    "I8: no gap that passes unseen ends a lease"
);
const _: () = assert!(
    LEASE.as_secs() + LOOK_EVERY.as_secs() + 2 <= 20,
    "P2: 20 s, a change of duty of 2 s included"
);
const _: () = assert!(
    LOOK_EVERY.as_secs() + APART.as_secs() + 2 <= 5,
    "P2: 5 s, a change of duty of 2 s included"
);

/// The reaper of one worker.
pub(crate) struct Reaper {
    core: Arc<Core>,
    on_duty: Arc<AtomicBool>,
    /// This worker looks though it is not on duty.
    looks: bool,
    /// As it was seen in this round, and when that look began.
    fleet: Option<(Instant, Vec<Identity>)>,
    missing: Missing,
    next_round: Option<Instant>,
    next_sweep: Option<Instant>,
    /// Queues whose landing list held something in the last round.
    landed: HashSet<String>,
}

impl Reaper {
    pub(crate) fn new(core: &Arc<Core>, on_duty: &Arc<AtomicBool>) -> Self {
        Self {
            core: Arc::clone(core),
            on_duty: Arc::clone(on_duty),
            looks: false,
            fleet: None,
            missing: Missing::default(),
            next_round: None,
            next_sweep: None,
            landed: HashSet::new(),
        }
    }

    /// Looks at the fleet, and declares dead who is. Those who were.
    async fn bury_the_dead(&mut self, now: Instant) -> Result<Vec<Identity>, StoreError> {
        let at = Instant::now();
        let leases = self.core.chores.leases().await?;
        self.looks = self.is_among_the_first(leases.iter().map(|(identity, _)| identity));
        self.fleet = Some((at, leases.iter().map(|(one, _)| one.clone()).collect()));
        let mut dead = Vec::new();
        let mut seen = Vec::new();
        for (identity, lease) in leases {
            match lease {
                Lease::Gone => dead.extend(self.condemn(identity, None).await?),
                Lease::Holds(Some(trace)) => seen.push((identity, trace)),
                Lease::Holds(None) => {}
            }
        }
        let Some(own) = self.core.present().and_then(|life| life.trace()) else {
            return Ok(dead);
        };
        let line = &self.core.chores;
        let traces: Vec<Trace> = seen.iter().map(|(_, trace)| trace.clone()).collect();
        let gone = line.gone(&own, &traces).await?;
        seen.retain(|(_, trace)| gone.contains(&trace.id));
        let long = self.missing.look(seen, now);
        if long.is_empty() {
            return Ok(dead);
        }
        // It may live and have lost this connection only: all of its go by one name.
        let Some(names) = line.connected(&own).await? else {
            return Ok(dead);
        };
        for (identity, trace) in long {
            if !names.contains(&trace.name) {
                dead.extend(self.condemn(identity, Some(&trace)).await?);
            }
        }
        Ok(dead)
    }

    /// Keeps in mind who can run what, for jobs whose class has no handler here.
    async fn meet_the_fleet(&mut self) -> Result<(), StoreError> {
        match self.fleet.take() {
            Some((at, fleet)) => self.core.peers.meet(at, &fleet).await,
            None => Ok(()),
        }
    }

    /// Whether this worker is one of those that look beside the one on duty.
    fn is_among_the_first<'a>(&self, fleet: impl Iterator<Item = &'a Identity>) -> bool {
        let Some(life) = self.core.present() else {
            return false;
        };
        let before = fleet.filter(|identity| **identity < life.identity);
        before.take(LOOKERS).count() < LOOKERS
    }

    /// The same identity if it was declared dead now.
    async fn condemn(
        &self,
        identity: Identity,
        gone: Option<&Trace>,
    ) -> Result<Option<Identity>, StoreError> {
        let condemned = self.core.chores.condemn(&identity, LEASE, gone).await?;
        if condemned != Retirement::Moved {
            return Ok(None);
        }
        let lease = if gone.is_some() { "holds" } else { "is gone" };
        let connections = if gone.is_some() { "gone" } else { "unseen" };
        tracing::warn!(
            identity = identity.as_str(),
            lease,
            connections,
            "a worker is dead; its jobs are given back"
        );
        Ok(Some(identity))
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
        let on_duty = self.on_duty.load(Ordering::Acquire);
        let round = self.next_round.is_none_or(|next| now >= next);
        if round {
            // A little less at random, so that watchers do not march in step.
            self.next_round = Some(now + EVERY.mul_f64(0.7 + 0.2 * fastrand::f64()));
            self.core.chores.watch(GAP).await?;
            if !on_duty && !self.looks {
                let at = Instant::now();
                let fleet = self.core.chores.fleet().await?;
                self.looks = self.is_among_the_first(fleet.iter());
                self.fleet = Some((at, fleet));
            }
        }
        if !on_duty && !self.looks {
            self.meet_the_fleet().await?;
            return Ok(LOOK_EVERY.mul_f64(0.8));
        }
        // What is bound in time comes first, and one process whose jobs cannot be given back holds up no other.
        let mut outcome = Ok(());
        let mut dead = match self.bury_the_dead(now).await {
            Ok(dead) => dead,
            Err(error) => {
                outcome = Err(error);
                Vec::new()
            }
        };
        if on_duty {
            dead = self.core.chores.dying().await?;
        }
        for identity in dead {
            let given_back = give_back_dead(&self.core, &identity);
            outcome = outcome.and(given_back.await);
        }
        outcome = outcome.and(self.meet_the_fleet().await);
        if on_duty && round {
            outcome = outcome.and(self.clear_landings().await);
        }
        if on_duty {
            outcome = outcome.and(self.sweep(now).await);
        }
        outcome.map(|()| LOOK_EVERY)
    }
}

/// Gives back everything that a dead process held, and forgets it. Safe to repeat at any point, by anybody.
pub(crate) async fn give_back_dead(core: &Core, identity: &Identity) -> Result<(), StoreError> {
    let (line, config) = (&core.chores, &core.config);
    let orphans = line.orphans(identity, config.max_fetch_payload).await?;
    let jobs = recovery::plan(orphans, config.max_fetch_payload, fastrand::f64);
    let given = line
        .give_all_back(identity, Guard::Dying, config.grave(), &jobs)
        .await?;
    let GivenBack {
        back,
        poisoned,
        stuck,
        ..
    } = given;
    core.meter.poisoned(poisoned as u64);
    core.meter
        .recovered(Recovery::Dead, (back - poisoned) as u64);
    if back + stuck > 0 {
        tracing::warn!(
            identity = identity.as_str(),
            back,
            stuck,
            "a dead worker's jobs are given back"
        );
    }
    // Refused: somebody else has done it all.
    if !given.refused && line.forget(identity).await? {
        line.erase(identity).await?;
    }
    Ok(())
}

//! Compares what Redis says that this life holds with what memory knows, and takes in what memory lacks (I7).
//!
//! A claim whose reply was lost has moved jobs into the in-flight hash, and Redis may run such a request long after its
//! connection was closed: looking once after the error is not enough.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Claim, StoreError, Token};

use super::{
    capsule::{Ending, Station, admit},
    chore::Chore,
    core::Core,
    life::Life,
    meter_words::Recovery,
    recovery,
};

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// The comparison for one life.
pub(crate) struct Strays {
    core: Arc<Core>,
    life: Arc<Life>,
    stations: Vec<Arc<Station>>,
}

impl Strays {
    pub(crate) fn new(core: &Arc<Core>, life: &Arc<Life>, stations: &[Arc<Station>]) -> Self {
        Self {
            core: Arc::clone(core),
            life: Arc::clone(life),
            stations: stations.to_vec(),
        }
    }

    /// Where this job could run soon: at a station of its queue with a slot, in a worker that claims.
    fn able(&self, token: &Token) -> Option<&Arc<Station>> {
        if !self.core.wants_jobs() || !self.life.may_claim(Instant::now()) {
            return None;
        }
        self.stations.iter().find(|station| {
            let capsule = &station.capsule;
            capsule.slots.any_free()
                && capsule
                    .order
                    .names()
                    .iter()
                    .any(|queue| **queue == *token.queue)
        })
    }

    async fn adopt(&self, token: Token) -> Result<(), StoreError> {
        let limit = self.core.config.max_fetch_payload;
        let line = &self.core.chores;
        let Some(station) = self.able(&token) else {
            // Others can run it now; here it would wait, and nobody would see why.
            self.life.turn_away(token, 0);
            return recovery::give_back_withdrawn(&self.core, line, &self.life).await;
        };
        let capsule = station.capsule.index;
        let Some(reserved) = self.life.reserve(&token, capsule) else {
            return Ok(());
        };
        let Some(payload) = line.held(&self.life.identity, &token, limit).await? else {
            return Ok(());
        };
        let (job, exit) = admit(Claim { token, payload }, limit, capsule);
        reserved.take_in(&job);
        tracing::warn!(token = %job.token, "a job whose claim had no answer is taken in");
        self.core.meter.recovered(Recovery::Stray, 1);
        match exit {
            Some(exit) => {
                station.hand_in(Ending::Exit(job, exit), Duration::ZERO);
            }
            None => station.lay_aside(job),
        }
        Ok(())
    }
}

impl Chore for Strays {
    const NAME: &'static str = "strays";

    async fn run_once(&mut self, _now: Instant) -> Result<Duration, StoreError> {
        if self.life.dead.is_cancelled() {
            return Ok(EVERY);
        }
        let tokens = self.core.chores.tokens(&self.life.identity).await?;
        for token in self.life.strays(tokens) {
            self.adopt(token).await?;
        }
        Ok(EVERY)
    }
}

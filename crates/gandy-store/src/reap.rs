//! Giving jobs back that a process holds: a dead one's by the reaper, a leaving one's by itself.

use std::time::Duration;

use gandy_protocol::{
    End, Payload,
    digest::{notice_id, recovery_id},
    ended::{OUTCOME_TTL_S, members},
    identity::Identity,
};

use crate::{Grave, Line, Outcome, StoreError, Token, Trace, life::millis, lua, settle::outcomes};

/// How long the deaths that a job was aboard of are remembered: Sidekiq Pro's 72 hours.
const RECOVERY_MEMORY: Duration = Duration::from_secs(72 * 3600);

/// At most this many bytes of payload are read at once (I12).
const CHUNK_BYTES: usize = 4 << 20;

/// At most so many jobs are given back in one step (I6).
pub const GIVE_BACK_MAX: usize = 200;

/// What came of giving jobs back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// So many went.
    pub back: usize,
    /// So many of them were buried for the deaths that they are charged with. One too large to be read is not charged.
    pub poisoned: usize,
    /// So many could not be written where they belong, and stay in flight.
    pub stuck: usize,
    /// The guard does not hold any more: somebody else has given the rest back.
    pub refused: bool,
}

/// In whose name entries are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The holder must be among the dying.
    Dying,
    /// The holder must be among the living: it gives back what it could not start.
    Living,
}

/// Where a given-back job goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To its queue, at the end that is popped next.
    Queue,
    /// Through `schedule`, after a delay: a suspect.
    Schedule(Duration),
    /// Into `dead`, with the reason.
    Dead(String),
}

/// A process' proof of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// It ran out: a suspicion, not yet a death.
    Gone,
    /// It holds; with it, how the process' connections are seen, where they are.
    Holds(Option<Trace>),
}

/// One job to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// Under what it is held.
    pub token: Token,
    /// Where it goes.
    pub way: Way,
    /// The id under which this death is counted for the job; `None` charges nothing.
    pub charge: Option<String>,
    /// The jid, if its producer asked to be told what becomes of it: when it is buried, that it is dead.
    pub waiter: Option<String>,
}

/// A job that a dead process held, and in how many deaths it was aboard before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Under what it is held.
    pub token: Token,
    /// The id under which its deaths are counted: the jid, else the payload's digest. `None`: too large to read.
    pub id: Option<String>,
    /// Whether its bytes name the queue it came from: only then does it find back there through `schedule`.
    pub names_its_queue: bool,
    /// Other processes that died with it aboard in the last 72 h.
    pub deaths_before: u64,
    /// The jid, if its producer asked to be told what becomes of it.
    pub waiter: Option<String>,
}

impl Line {
    /// The living, each with its lease.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn leases(&self) -> Result<Vec<(Identity, Lease)>, StoreError> {
        let fleet = self.fleet().await?;
        let mut pipe = redis::pipe();
        for identity in &fleet {
            pipe.cmd("GET").arg(self.keys().lease(identity));
        }
        let mut leases = Vec::with_capacity(fleet.len());
        for (identity, lease) in fleet.into_iter().zip(self.all(&pipe).await?) {
            let lease = match self.read::<Option<String>>(lease)? {
                #[cfg(feature = "mutants")]
                _ if crate::mutant::is("reap-alive") => Lease::Gone,
                Some(text) => Lease::Holds(Trace::parse(&text)),
                None => Lease::Gone,
            };
            leases.push((identity, lease));
        }
        Ok(leases)
    }

    /// The identities that died or left and whose jobs are not all back yet.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn dying(&self) -> Result<Vec<Identity>, StoreError> {
        self.identities(&self.keys().dying()).await
    }

    /// The living.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn fleet(&self) -> Result<Vec<Identity>, StoreError> {
        self.identities(&self.keys().fleet()).await
    }

    async fn identities(&self, key: &str) -> Result<Vec<Identity>, StoreError> {
        let names: Vec<String> = self.query(redis::cmd("HKEYS").arg(key)).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// What `identity` holds, with each job's earlier deaths. Payloads are read in chunks of at most 4 MiB; one
    /// above `payload_max` is not read at all.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn orphans(
        &self,
        identity: &Identity,
        payload_max: usize,
    ) -> Result<Vec<Orphan>, StoreError> {
        let tokens = self.tokens(identity).await?;
        let key = self.keys().inflight(identity);
        let mut sizes = redis::pipe();
        for token in &tokens {
            sizes.cmd("HSTRLEN").arg(&key).arg(token.to_string());
        }
        let sizes: Vec<usize> = self
            .all(&sizes)
            .await?
            .into_iter()
            .map(|value| self.read(value))
            .collect::<Result<_, _>>()?;
        let mut orphans = Vec::with_capacity(tokens.len());
        let mut chunk: Vec<Token> = Vec::new();
        let mut bytes = 0;
        for (token, size) in tokens.into_iter().zip(sizes) {
            if size > payload_max {
                orphans.push(Orphan {
                    token,
                    id: None,
                    names_its_queue: false,
                    deaths_before: 0,
                    waiter: None,
                });
                continue;
            }
            if bytes + size > CHUNK_BYTES && !chunk.is_empty() {
                self.read_orphans(identity, &key, std::mem::take(&mut chunk), &mut orphans)
                    .await?;
                bytes = 0;
            }
            bytes += size;
            chunk.push(token);
        }
        self.read_orphans(identity, &key, chunk, &mut orphans)
            .await?;
        Ok(orphans)
    }

    async fn read_orphans(
        &self,
        identity: &Identity,
        key: &str,
        tokens: Vec<Token>,
        into: &mut Vec<Orphan>,
    ) -> Result<(), StoreError> {
        if tokens.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(key);
        for token in &tokens {
            command.arg(token.to_string());
        }
        let payloads: Vec<Option<Vec<u8>>> = self.query(&command).await?;
        let mut found = Vec::with_capacity(tokens.len());
        let mut pipe = redis::pipe();
        for (token, payload) in tokens.into_iter().zip(payloads) {
            let Some(payload) = payload else { continue };
            let id = recovery_id(&payload);
            let payload = Payload::parse(payload).ok();
            let named = payload.as_ref().and_then(Payload::queue);
            let names_its_queue = named == Some(&*token.queue);
            let waiter = payload.filter(Payload::notifies);
            let waiter = waiter.map(|payload| payload.jid().to_owned());
            let recovered = self.keys().recovered(&id);
            pipe.cmd("SCARD").arg(&recovered);
            pipe.cmd("SISMEMBER").arg(&recovered).arg(identity.as_str());
            found.push((token, id, names_its_queue, waiter));
        }
        let counts = self.each(&pipe).await?;
        for ((token, id, names_its_queue, waiter), pair) in found.into_iter().zip(counts.chunks(2))
        {
            let number = |at: usize| -> u64 {
                pair.get(at)
                    .and_then(|reply| reply.clone().ok())
                    .and_then(|value| self.read(value).ok())
                    .unwrap_or(0)
            };
            // A repeated reap must not count its own first try.
            let deaths_before = number(0).saturating_sub(number(1));
            into.push(Orphan {
                token,
                id: Some(id),
                names_its_queue,
                deaths_before,
                waiter,
            });
        }
        Ok(())
    }

    /// Gives all these jobs back, step by step, in the order of [`Line::give_back`].
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] some or all may be back: repeat.
    pub async fn give_all_back(
        &self,
        identity: &Identity,
        guard: Guard,
        grave: Grave,
        jobs: &[GiveBack],
    ) -> Result<GivenBack, StoreError> {
        let mut given = GivenBack::default();
        for step in jobs.chunks(GIVE_BACK_MAX) {
            let Some(outcomes) = self.give_back(identity, guard, grave, step).await? else {
                given.refused = true;
                break;
            };
            for (job, outcome) in step.iter().zip(outcomes) {
                let done = outcome == Outcome::Done;
                let buried = matches!(job.way, Way::Dead(_)) && job.charge.is_some();
                given.back += usize::from(done);
                given.poisoned += usize::from(done && buried);
                given.stuck += usize::from(outcome == Outcome::Stuck);
            }
        }
        Ok(given)
    }

    /// Gives up to [`GIVE_BACK_MAX`] jobs back. Order `jobs` by token number, highest first, so that the oldest ends up where it
    /// is popped next. `None`: the guard does not hold, nothing was done. Safe to repeat.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] some or all may be back: repeat.
    pub async fn give_back(
        &self,
        identity: &Identity,
        guard: Guard,
        grave: Grave,
        jobs: &[GiveBack],
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        debug_assert!(
            jobs.len() <= GIVE_BACK_MAX,
            "I6: a script does bounded work"
        );
        let keys = self.keys();
        let hash = match guard {
            Guard::Dying => keys.dying(),
            Guard::Living => keys.fleet(),
        };
        let mut names = vec![
            hash,
            keys.inflight(identity),
            keys.schedule(),
            keys.dead(),
            keys.reasons(),
        ];
        for job in jobs {
            names.push(keys.queue(&job.token.queue));
            names.push(keys.recovered(job.charge.as_deref().unwrap_or_default()));
            names.push(keys.outcome(&notice_id(job.waiter.as_deref().unwrap_or_default())));
        }
        let mut call = lua::RETURN.keys(&names);
        call.arg(identity.as_str())
            .arg(grave.jobs_max)
            .arg(grave.timeout.as_secs())
            .arg(RECOVERY_MEMORY.as_secs())
            .arg(members(End::Dead, false, None))
            .arg(OUTCOME_TTL_S);
        for job in jobs {
            let (place, delay, reason) = match &job.way {
                Way::Queue => ("queue", 0, ""),
                Way::Schedule(delay) => ("schedule", millis(*delay), ""),
                Way::Dead(reason) => ("dead", 0, reason.as_str()),
            };
            call.arg(job.token.to_string())
                .arg(place)
                .arg(delay)
                .arg(reason)
                .arg(i32::from(job.charge.is_some()))
                .arg(i32::from(job.waiter.is_some()));
        }
        let mut codes: Vec<i64> = self.call(&call).await?;
        if codes.first() != Some(&1) {
            return Ok(None);
        }
        outcomes(codes.split_off(1), "return").map(Some)
    }

    /// Ends the memory of a dead process once nothing of it is in flight. `false`: something is.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn forget(&self, identity: &Identity) -> Result<bool, StoreError> {
        let id = identity.as_str();
        let mut call = lua::FORGET.keys(&[self.keys().dying(), self.keys().inflight(identity)]);
        call.arg(id);
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Takes `identity` out of the deaths counted for these jobs: it lived after all.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn absolve(&self, identity: &Identity, ids: &[String]) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("SREM")
                .arg(self.keys().recovered(id))
                .arg(identity.as_str());
        }
        self.all(&pipe).await.map(drop)
    }

    /// Removes what Sidekiq's data model shows of a process: its entry, its hash, its running jobs.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn erase(&self, identity: &Identity) -> Result<(), StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let mut pipe = redis::pipe();
        pipe.cmd("SREM").arg(keys.processes()).arg(id);
        pipe.cmd("UNLINK")
            .arg(keys.work(identity))
            .arg(keys.workers(identity))
            .arg(keys.process(identity));
        self.all(&pipe).await.map(drop)
    }
}

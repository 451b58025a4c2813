//! Who works here: the fleet with its leases, and what `processes` shows, Ruby's included.

use gandy_protocol::identity::Identity;
use redis::Value;

use super::PIPELINE;
use crate::{Line, StoreError};

/// A process of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub identity: Identity,
    /// The JSON that it published when it registered: queues, classes, version.
    pub published: String,
    /// Whether its lease holds.
    pub leased: bool,
}

/// A member of `processes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// As it stands there.
    pub identity: String,
    /// Its heartbeat's `info`; `Ok(None)` when there is none (any more), an error when the key cannot be read.
    pub info: Result<Option<String>, String>,
}

impl Line {
    /// The living and those that only seem to be: every entry of the fleet that is there from the first look to the last.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn muster(&self) -> Result<Vec<Member>, StoreError> {
        let fleet = self.fleet().await?;
        let mut members = Vec::with_capacity(fleet.len());
        for chunk in fleet.chunks(PIPELINE / 2) {
            let mut pipe = redis::pipe();
            for identity in chunk {
                pipe.cmd("HGET")
                    .arg(self.keys().fleet())
                    .arg(identity.as_str());
                // Not EXISTS: who only looks has no right to it.
                pipe.cmd("GET").arg(self.keys().lease(identity));
            }
            let replies = self.all(&pipe).await?;
            for (identity, pair) in chunk.iter().zip(replies.chunks(2)) {
                let text = |at: usize| -> Option<String> {
                    pair.get(at)
                        .and_then(|value| self.read(value.clone()).ok().flatten())
                };
                // One that left in between is no suspect.
                if let Some(published) = text(0) {
                    let leased = text(1).is_some();
                    let identity = identity.clone();
                    members.push(Member {
                        identity,
                        published,
                        leased,
                    });
                }
            }
        }
        if members.iter().any(|member| !member.leased) {
            // Its lease was read after its entry: it may have left between the two.
            let still = self.fleet().await?;
            members.retain(|member| member.leased || still.contains(&member.identity));
        }
        Ok(members)
    }

    /// What each of these processes shows of itself.
    ///
    /// # Errors
    /// Redis cannot be reached; what it refuses is said of each process.
    pub async fn shown(&self, identities: &[String]) -> Result<Vec<Shown>, StoreError> {
        let mut shown = Vec::with_capacity(identities.len());
        for chunk in identities.chunks(PIPELINE) {
            let mut pipe = redis::pipe();
            for identity in chunk {
                pipe.cmd("HGET")
                    .arg(self.keys().process(identity))
                    .arg("info");
            }
            let replies = self.each(&pipe).await?;
            for (identity, reply) in chunk.iter().zip(replies) {
                let info = match reply {
                    Ok(value) => Ok(self.read(value)?),
                    Err(error @ StoreError::Refused { .. }) => Err(error.cause().to_owned()),
                    Err(error) => return Err(error),
                };
                shown.push(Shown {
                    identity: identity.clone(),
                    info,
                });
            }
        }
        Ok(shown)
    }

    /// Those of `members` that are in the set `key`: `queues` or `processes`.
    async fn are_in(&self, key: &str, members: &[String]) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        for chunk in members.chunks(PIPELINE) {
            let mut pipe = redis::pipe();
            for member in chunk {
                pipe.cmd("SISMEMBER").arg(key).arg(member);
            }
            for (member, reply) in chunk.iter().zip(self.all(&pipe).await?) {
                if self.read::<i64>(reply)? == 1 {
                    found.push(member.clone());
                }
            }
        }
        Ok(found)
    }

    /// Those of these identities that are in `processes`.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn still_shown(&self, identities: &[String]) -> Result<Vec<String>, StoreError> {
        self.are_in(&self.keys().processes(), identities).await
    }

    /// Those of these queues that are in `queues`.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn still_listed(&self, queues: &[String]) -> Result<Vec<String>, StoreError> {
        self.are_in(&self.keys().queues(), queues).await
    }

    /// How many jobs each of these identities holds: an error for a key that cannot be read.
    ///
    /// # Errors
    /// Redis cannot be reached.
    pub async fn held_by(
        &self,
        identities: &[Identity],
    ) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        let mut held = Vec::with_capacity(identities.len());
        for chunk in identities.chunks(PIPELINE) {
            let mut pipe = redis::pipe();
            for identity in chunk {
                pipe.cmd("HLEN").arg(self.keys().inflight(identity));
            }
            let replies: Vec<Result<Value, StoreError>> = self.each(&pipe).await?;
            held.extend(
                replies
                    .into_iter()
                    .map(|reply| reply.and_then(|value| self.read(value))),
            );
        }
        Ok(held)
    }
}

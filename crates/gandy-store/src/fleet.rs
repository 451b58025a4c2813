//! The fleet as it stands: who lives, what each published and holds.
//!
//! Not here: living and dying (`life`), and giving back what the dead held (`reap`).

use std::collections::HashMap;

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError};

/// A process of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identity.
    pub identity: Identity,
    /// What it published when it joined: JSON with its queues and classes.
    pub published: String,
    /// Whether its lease holds. One without it is dead, or about to be declared so.
    pub alive: bool,
}

impl Line {
    /// Every process of the fleet, the dying not.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn members_of_fleet(&self) -> Result<Vec<Member>, StoreError> {
        let fleet = self.fleet().await?;
        let mut pipe = redis::pipe();
        for identity in &fleet {
            pipe.cmd("HGET")
                .arg(self.keys().fleet())
                .arg(identity.as_str());
            pipe.cmd("GET").arg(self.keys().lease(identity));
        }
        let mut replies = self.all(&pipe).await?.into_iter();
        let mut members = Vec::with_capacity(fleet.len());
        for identity in fleet {
            let mut text = || -> Result<Option<String>, StoreError> {
                replies.next().map_or(Ok(None), |value| self.read(value))
            };
            let (published, lease) = (text()?, text()?);
            // One that has left in between has no entry.
            if let Some(published) = published {
                members.push(Member {
                    identity,
                    published,
                    alive: lease.is_some(),
                });
            }
        }
        Ok(members)
    }

    /// How many jobs of each queue Gandy's processes hold, the dying included.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn held_by_queue(&self) -> Result<HashMap<String, u64>, StoreError> {
        let mut holders = self.fleet().await?;
        holders.extend(self.dying().await?);
        let mut held = HashMap::new();
        for identity in holders {
            for token in self.tokens(&identity).await? {
                *held.entry(token.queue.to_string()).or_insert(0) += 1;
            }
        }
        Ok(held)
    }
}

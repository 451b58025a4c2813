//! A process' life in the fleet: it registers, renews its lease, retires; or is retired when the lease is gone (I8).

use std::time::Duration;

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError, lua};

/// The answer to a try to move a process from the living to the dying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// It was moved; its jobs can be given back.
    Moved,
    /// It is not among the living.
    Absent,
    /// Its lease holds: it lives.
    Alive,
}

impl Line {
    /// Joins the fleet. `false`: the identity is in use or was; draw another.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] it may have joined: register again under another identity.
    pub async fn register(
        &self,
        identity: &Identity,
        published: &str,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let mut call = lua::REGISTER.keys(&[
            keys.fleet(),
            keys.dying(),
            keys.lease(identity),
            keys.inflight(identity),
        ]);
        call.arg(id).arg(published).arg(millis(lease));
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Renews the lease. `false`: this process was declared dead and must take a new identity.
    ///
    /// # Errors
    /// Any; repeat until the lease is over.
    pub async fn renew(&self, identity: &Identity, lease: Duration) -> Result<bool, StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let mut call = lua::RENEW.keys(&[keys.fleet(), keys.lease(identity)]);
        call.arg(id).arg(millis(lease));
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Leaves the fleet at shutdown: from here on no claim of this identity is granted, and a reaper finishes what
    /// this process does not give back itself.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn leave(&self, identity: &Identity) -> Result<Retirement, StoreError> {
        self.retire(identity, None).await
    }

    /// Declares a process dead unless its lease holds, and only over the connection of this number
    /// ([`crate::Sight::opening`]): what was seen of one server says nothing of the next, where after a failover all
    /// leases may be gone.
    ///
    /// # Errors
    /// Any; safe to repeat. [`StoreError::Unavailable`] when there is another connection now.
    pub async fn condemn(
        &self,
        identity: &Identity,
        opening: u64,
    ) -> Result<Retirement, StoreError> {
        self.retire(identity, Some(opening)).await
    }

    async fn retire(
        &self,
        identity: &Identity,
        condemned_on: Option<u64>,
    ) -> Result<Retirement, StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let mut call = lua::RETIRE.keys(&[keys.fleet(), keys.dying(), keys.lease(identity)]);
        call.arg(id).arg(i32::from(condemned_on.is_none()));
        let verdict = match condemned_on {
            Some(opening) => self.call_on(opening, &call).await?,
            None => self.call::<i64>(&call).await?,
        };
        match verdict {
            1 => Ok(Retirement::Moved),
            0 => Ok(Retirement::Absent),
            _ => Ok(Retirement::Alive),
        }
    }

    /// Enters a process that is not among the living among the dying if anything of it is still in flight. `true`: it was
    /// entered now. After a failover to an older state nobody else would know of it before the next sweep.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn disown(&self, identity: &Identity) -> Result<bool, StoreError> {
        let keys = self.keys();
        let mut call = lua::DISOWN.keys(&[keys.fleet(), keys.dying(), keys.inflight(identity)]);
        call.arg(identity.as_str());
        Ok(self.call::<i64>(&call).await? == 1)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! A process' life in the fleet: it registers, renews its lease, retires; or is retired when the lease is gone, or all
//! its connections are, and somebody was watching (I8).

use std::time::Duration;

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError, Trace, lua};

/// The lease of a process whose connections are not seen, or not yet.
const UNSEEN: &str = "-";

/// The answer to a try to move a process from the living to the dying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// It was moved; its jobs can be given back.
    Moved,
    /// It is not among the living.
    Absent,
    /// Its lease holds: it lives.
    Alive,
    /// Its lease is gone, but the fleet was not watched for as long as a lease: it may live all the same.
    Unwatched,
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
        call.arg(id).arg(published).arg(millis(lease)).arg(UNSEEN);
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Renews the lease, and notes in it how others see this process' connections. `false`: this process was declared
    /// dead and must take a new identity.
    ///
    /// # Errors
    /// Any; repeat until the lease is over.
    pub async fn renew(
        &self,
        identity: &Identity,
        lease: Duration,
        trace: Option<&Trace>,
    ) -> Result<bool, StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let mut call = lua::RENEW.keys(&[keys.fleet(), keys.lease(identity)]);
        call.arg(id).arg(millis(lease)).arg(written(trace));
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Leaves the fleet at shutdown: from here on no claim of this identity is granted, and a reaper finishes what
    /// this process does not give back itself.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn leave(&self, identity: &Identity) -> Result<Retirement, StoreError> {
        self.retire(identity, true, Duration::ZERO, None).await
    }

    /// Looks at the fleet, and says for how long that was done without a gap longer than `gap`, by anybody, on the same
    /// run of the server and on its clock.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn watch(&self, gap: Duration) -> Result<Duration, StoreError> {
        let mut call = lua::WATCH.keys(&[self.keys().watch()]);
        call.arg(millis(gap));
        Ok(Duration::from_millis(self.call(&call).await?))
    }

    /// Declares a process dead, unless its lease holds or the fleet was not watched for `lease`. With `gone`, connections
    /// that nobody finds any more, a lease that tells of just these is no hindrance, on the run of the server that had
    /// them: no other renewed it since.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn condemn(
        &self,
        identity: &Identity,
        lease: Duration,
        gone: Option<&Trace>,
    ) -> Result<Retirement, StoreError> {
        self.retire(identity, false, lease, gone).await
    }

    async fn retire(
        &self,
        identity: &Identity,
        own: bool,
        lease: Duration,
        gone: Option<&Trace>,
    ) -> Result<Retirement, StoreError> {
        let (keys, id) = (self.keys(), identity.as_str());
        let mut call = lua::RETIRE.keys(&[
            keys.fleet(),
            keys.dying(),
            keys.lease(identity),
            keys.watch(),
        ]);
        call.arg(id)
            .arg(i32::from(own))
            .arg(millis(lease))
            .arg(written(gone))
            .arg(gone.map_or("", |trace| trace.run.as_str()));
        match self.call::<i64>(&call).await? {
            1 => Ok(Retirement::Moved),
            0 => Ok(Retirement::Absent),
            -2 => Ok(Retirement::Unwatched),
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

/// What a lease holds; nothing of the connections where they are not seen.
fn written(trace: Option<&Trace>) -> String {
    trace.map_or_else(|| UNSEEN.to_owned(), Trace::to_string)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

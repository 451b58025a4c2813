//! The scenarios, one file each.

pub(crate) mod acl;
pub(crate) mod clock;
pub(crate) mod crash;
pub(crate) mod deploy;
pub(crate) mod eviction;
pub(crate) mod failover;
pub(crate) mod freeze;
pub(crate) mod full_redis;
pub(crate) mod herd;
pub(crate) mod identities;
pub(crate) mod partition;
pub(crate) mod payloads;
pub(crate) mod pill;
pub(crate) mod redis_restart;
pub(crate) mod reply_loss;
pub(crate) mod soak;
pub(crate) mod starved;

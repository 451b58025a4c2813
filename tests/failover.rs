//! P1, P8 behind Redis Sentinel: whom sentinels name, and what a durable push says. That work goes on after a failover and
//! what may be lost is the battery's `failover`.
#![allow(clippy::unwrap_used)]

#[path = "failover/durable.rs"]
mod durable;
#[path = "failover/former.rs"]
mod former;
#[path = "failover/naming.rs"]
mod naming;

//! I8: an expired lease is believed only where somebody was watching.

use std::time::Duration;

use gandy_protocol::Identity;
use gandy_store::{Lease, Line, Retirement};
use gandy_tests::{RedisServer, line};
use redis::cmd;

use crate::support::Site;

const LEASE: Duration = Duration::from_millis(600);
const GAP: Duration = Duration::from_millis(300);
/// No test waits for it.
const NEVER: Duration = Duration::from_secs(60);

/// One whose lease is gone.
async fn silent(line: &Line) -> Identity {
    let identity = Identity::new("silent", 1, [3; 6]);
    let joined = line.register(&identity, "{}", Duration::from_millis(1));
    assert!(joined.await.unwrap());
    let gone = (identity.clone(), Lease::Gone);
    while !line.leases().await.unwrap().contains(&gone) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    identity
}

#[tokio::test]
async fn i8_nobody_is_declared_dead_before_somebody_watched_for_a_lease() {
    let site = Site::start();
    let line = line(&site.redis);
    let identity = silent(&line).await;
    let condemn = async || line.condemn(&identity, LEASE, None).await.unwrap();
    assert_eq!(condemn().await, Retirement::Unwatched, "nobody looked");
    while line.watch(NEVER).await.unwrap() < LEASE / 2 {
        assert_eq!(condemn().await, Retirement::Unwatched);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while line.watch(NEVER).await.unwrap() < LEASE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(condemn().await, Retirement::Moved);
    assert_eq!(condemn().await, Retirement::Absent);
}

#[tokio::test]
async fn i8_the_watch_goes_on_whoever_looks_so_a_fleet_that_crashes_in_turn_has_a_reaper() {
    let site = Site::start();
    silent(&line(&site.redis)).await;
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        // Each a process that has only just begun.
        let watched = line(&site.redis).watch(NEVER).await.unwrap();
        assert!(watched >= last, "{watched:?} after {last:?}");
        last = watched;
        tokio::time::sleep(Duration::from_millis(20)).await; // The subject: time passes.
    }
    assert!(last >= Duration::from_millis(60), "{last:?}");
}

#[tokio::test]
async fn i8_a_gap_begins_the_watch_anew() {
    let site = Site::start();
    let line = line(&site.redis);
    line.watch(NEVER).await.unwrap();
    tokio::time::sleep(LEASE).await; // The subject: time passes.
    assert!(line.watch(GAP).await.unwrap() >= LEASE);
    let identity = silent(&line).await;
    tokio::time::sleep(GAP * 2).await; // The subject: nobody looks.
    let condemned = line.condemn(&identity, LEASE, None).await.unwrap();
    assert_eq!(condemned, Retirement::Unwatched);
    assert!(line.watch(GAP).await.unwrap() < GAP);
}

#[tokio::test]
async fn i8_another_run_of_the_server_begins_the_watch_anew() {
    let site = Site::over(RedisServer::with_aof(), "");
    let before = line(&site.redis);
    before.watch(NEVER).await.unwrap();
    tokio::time::sleep(LEASE).await; // The subject: time passes.
    assert!(before.watch(NEVER).await.unwrap() >= LEASE);
    let identity = silent(&before).await;
    site.redis.restart();
    site.reconnect();
    assert_eq!(site.ask::<i64>(cmd("EXISTS").arg("gandy:watch")), 1);
    let after = line(&site.redis);
    // The record came back with the data, and so did the silent one without a lease.
    let condemned = after.condemn(&identity, LEASE, None).await.unwrap();
    assert_eq!(condemned, Retirement::Unwatched);
    assert!(after.watch(NEVER).await.unwrap() < LEASE / 2);
}

#[tokio::test]
async fn i8_a_watch_that_began_in_the_future_begins_now() {
    let site = Site::start();
    let line = line(&site.redis);
    line.watch(NEVER).await.unwrap();
    let record: String = site.ask(cmd("GET").arg("gandy:watch"));
    let run = record.split(' ').nth(1).unwrap();
    for record in [
        format!("99999999999999 {run}"),
        "nonsense".into(),
        String::new(),
    ] {
        site.ask::<()>(cmd("SET").arg("gandy:watch").arg(&record));
        assert!(line.watch(NEVER).await.unwrap() < LEASE, "{record}");
        let now: String = site.ask(cmd("GET").arg("gandy:watch"));
        assert_ne!(now, record);
    }
}

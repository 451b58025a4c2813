//! Repeats: what surely had no effect is tried again, what may have had one only where that is safe.

use std::time::{Duration, Instant};

use gandy::{Error, Kind, Outcome, Push, Retry, StoreError};
use gandy_faults::Plan;

use crate::support::Site;
use crate::{LONG, NOBODY, SECOND, behind_proxy, builder, durable, ids, job, lose, numbered, raw};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_while_redis_is_killed_and_restarted_get_through_in_order_with_their_ids() {
    let site = durable();
    let client = builder(&site.redis.url())
        .retry(Retry::within(LONG))
        .build()
        .unwrap();
    for number in 0..20 {
        client.send(job(number)).await.unwrap();
    }
    site.redis.kill9();
    let pushes = tokio::spawn(async move {
        for number in 20..40 {
            let receipt = client.send(job(number)).await.unwrap();
            assert_eq!(receipt.jid, format!("j{number:05}"));
            assert_eq!(receipt.outcome, Outcome::Enqueued);
        }
    });
    tokio::time::sleep(SECOND / 5).await;
    assert!(!pushes.is_finished(), "it waits for Redis");
    site.redis.restart();
    pushes.await.unwrap();
    site.reconnect();
    assert_eq!(ids(&site, "default"), numbered(0..40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_a_push_is_repeated_for_a_second_and_then_told() {
    for (retry, least, most) in [
        (Retry::default(), SECOND, 4 * SECOND),
        (Retry::never(), Duration::ZERO, SECOND / 2),
    ] {
        let client = builder(NOBODY).retry(retry).build().unwrap();
        let began = Instant::now();
        let error = client.send(job(1)).await.unwrap_err();
        let took = began.elapsed();
        assert!((least..most).contains(&took), "{retry:?}: {took:?}");
        assert_eq!(error.kind(), Kind::Retry);
        let unavailable = matches!(error, Error::Store(StoreError::Unavailable { .. }));
        assert!(unavailable, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_became_a_replica_and_one_that_loads_are_waited_for() {
    let site = Site::start();
    let client = builder(&site.redis.url())
        .retry(Retry::within(LONG))
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    // READONLY, as after a failover; port 1 is nobody's.
    site.redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let push = {
        let client = client.clone();
        tokio::spawn(async move { client.send(job(1)).await })
    };
    tokio::time::sleep(SECOND / 5).await;
    assert!(!push.is_finished());
    site.redis.cli(&["REPLICAOF", "NO", "ONE"]);
    push.await.unwrap().unwrap();
    // NOREPLICAS.
    site.redis
        .cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let push = tokio::spawn(async move { client.send(job(2)).await });
    tokio::time::sleep(SECOND / 5).await;
    assert!(!push.is_finished());
    site.redis
        .cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    push.await.unwrap().unwrap();
    assert_eq!(ids(&site, "default"), numbered(0..3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_repeating_cannot_change_is_told_at_once() {
    let site = Site::start();
    let patient = || builder(&site.redis.url()).retry(Retry::within(LONG).at_least_once());
    let client = patient().build().unwrap();
    client.send(job(0)).await.unwrap();
    site.redis.cli(&["SET", "queue:bad", "no list"]);
    let began = Instant::now();
    let error = client.send(job(1).queue("bad")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input, "{error}");
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = client.send(job(2)).await.unwrap_err();
    let full = matches!(error, Error::Store(StoreError::Full { .. }));
    assert!(full, "{error:?}");
    let keyed = job(2).idempotency_key("k");
    let error = client.send(keyed).await.unwrap_err();
    let full = matches!(error, Error::Store(StoreError::Full { .. }));
    assert!(full, "{error:?}");
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    site.redis.cli(&["ACL", "SETUSER", "default", "-lpush"]);
    let error = client.send(job(3)).await.unwrap_err();
    assert!(error.to_string().contains("NOPERM"), "{error}");
    site.redis.cli(&["ACL", "SETUSER", "default", "+lpush"]);
    let login = site
        .redis
        .url()
        .replace("redis://", "redis://nobody:wrong@");
    let stranger = builder(&login).retry(Retry::within(LONG)).build().unwrap();
    let error = stranger.send(job(4)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input, "{error}");
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    assert_eq!(ids(&site, "default"), numbered(0..1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_repeated_only_where_that_is_safe_or_asked_for() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url()).build().unwrap();
    client.send(job(0)).await.unwrap();
    proxy.set(lose("LPUSH"));
    let error = client.send(job(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown, "{error:?}");
    assert_eq!(ids(&site, "default"), numbered(0..2), "pushed once");
    // In `schedule` the same bytes are the same member, as long as they are there.
    proxy.set(lose("ZADD"));
    let far = job(2).after(3600 * SECOND);
    let receipt = client.send(far).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Scheduled);
    assert_eq!(site.count("schedule"), 1);
    proxy.set(lose("ZADD"));
    let error = client.send(job(3).after(30 * SECOND)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown, "it may be due by now");
    // Who asks for it gets it twice: same id, same bytes.
    let often = builder(&proxy.url())
        .retry(Retry::default().at_least_once())
        .build()
        .unwrap();
    site.redis.cli(&["DEL", "queue:default"]);
    proxy.set(lose("LPUSH"));
    let receipt = often.send(job(4)).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Enqueued);
    let copies = raw(&site, "queue:default");
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0], copies[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_may_be_there_stays_unknown_whatever_its_repeats_meet() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url())
        .retry(Retry::within(SECOND / 2).at_least_once())
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    proxy.set(Plan {
        refuse: true,
        ..lose("LPUSH")
    });
    let error = client.send(job(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown, "{error:?}");
    proxy.heal();
    assert_eq!(ids(&site, "default"), numbered(0..2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_push_is_repeated_like_any() {
    let site = durable();
    let client = builder(&site.redis.url())
        .retry(Retry::within(LONG))
        .build()
        .unwrap();
    site.redis.kill9();
    let push = tokio::spawn(async move { client.send_durable(job(1), 1, SECOND / 10).await });
    tokio::time::sleep(SECOND / 5).await;
    assert!(!push.is_finished());
    site.redis.restart();
    site.reconnect();
    // It is enqueued, and there is no replica.
    let error = push.await.unwrap().unwrap_err();
    let enqueued = matches!(error, Error::NotReplicated { .. });
    assert!(enqueued, "{error:?}");
    assert_eq!(ids(&site, "default"), numbered(1..2));
    let keyed = Push::raw("A", "[]").idempotency_key("k");
    let client = builder(&site.redis.url()).build().unwrap();
    let error = client.send_durable(keyed, 1, SECOND).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input, "{error}");
}

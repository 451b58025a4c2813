//! The buffer: what is kept while Redis is away is pushed in its order, with its ids and bytes, and never lost in silence.

use std::collections::HashSet;
use std::time::Instant;

use gandy::{Buffer, Error, Outcome, Push};
use gandy_faults::Plan;
use gandy_tests::wait_until_async;

use crate::support::{SOON, Site};
use crate::{LONG, SECOND, behind_proxy, builder, durable, ids, job, lose, numbered, raw};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_of_an_outage_are_kept_and_pushed_in_order_before_later_ones() {
    let site = durable();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    let push = async |number: usize| {
        let receipt = client.send(job(number)).await.unwrap();
        assert_eq!(receipt.jid, format!("j{number:05}"));
        receipt.outcome
    };
    for number in 0..50 {
        assert_eq!(push(number).await, Outcome::Enqueued);
    }
    site.redis.kill9();
    let began = Instant::now();
    for number in 50..250 {
        assert_eq!(push(number).await, Outcome::Buffered);
    }
    assert!(began.elapsed() < 5 * SECOND, "a push waits for nobody");
    assert_eq!(client.buffered(), 200);
    site.redis.restart();
    // Straight away: they queue behind the others, until all of those are through.
    for number in 250..400 {
        push(number).await;
    }
    client.flush(LONG).await.unwrap();
    assert_eq!(client.buffered(), 0);
    assert_eq!(push(400).await, Outcome::Enqueued);
    site.reconnect();
    assert_eq!(ids(&site, "default"), numbered(0..401));
    assert_eq!(site.redis.cli(&["SMEMBERS", "queues"]), "default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_order_is_kept_while_redis_is_killed_again_and_again() {
    let site = durable();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default().jobs(100_000))
        .build()
        .unwrap();
    let pushing = {
        let client = client.clone();
        tokio::spawn(async move {
            let mut unanswered = 0;
            let began = Instant::now();
            let mut number = 0;
            while began.elapsed() < 2 * SECOND {
                let empty = client.buffered() == 0;
                let receipt = client.send(job(number)).await.unwrap();
                unanswered += usize::from(empty && receipt.outcome == Outcome::Buffered);
                number += 1;
                if number.is_multiple_of(20) {
                    tokio::time::sleep(SECOND / 500).await;
                }
            }
            (number, unanswered)
        })
    };
    for _ in 0..4 {
        tokio::time::sleep(SECOND / 5).await;
        site.redis.kill9();
        tokio::time::sleep(SECOND / 10).await;
        site.redis.restart();
    }
    let (pushed, unanswered) = pushing.await.unwrap();
    client.flush(LONG).await.unwrap();
    site.reconnect();
    let all = ids(&site, "default");
    let mut seen = HashSet::new();
    let firsts: Vec<String> = all.iter().filter(|id| seen.insert(*id)).cloned().collect();
    assert_eq!(firsts, numbered(0..pushed), "lost, or out of order");
    // One for each push that was not answered, and one batch for each drain that was not.
    let doubled = all.len() - pushed;
    println!("{pushed} pushed, {unanswered} not answered, {doubled} doubled");
    assert!(doubled <= unanswered + 4 * 100, "{doubled} doubled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduled_jobs_and_other_queues_keep_their_times_and_places() {
    let site = durable();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    site.redis.kill9();
    for number in 0..300 {
        let push = match number % 3 {
            0 => job(number).queue("a"),
            1 => job(number).queue("b"),
            _ => job(number).at_millis(4_000_000_000_000 + number as i64),
        };
        assert_eq!(client.send(push).await.unwrap().outcome, Outcome::Buffered);
    }
    site.redis.restart();
    client.flush(LONG).await.unwrap();
    site.reconnect();
    for (queue, rest) in [("a", 0), ("b", 1)] {
        let wanted: Vec<String> = (0..300)
            .filter(|number| number % 3 == rest)
            .map(|number| format!("j{number:05}"))
            .collect();
        assert_eq!(ids(&site, queue), wanted);
    }
    let entries = site.entries("schedule");
    assert_eq!(entries.len(), 100);
    for entry in entries {
        let number = entry.json()["args"][0].as_f64().unwrap();
        assert_eq!((entry.score * 1000.0).round(), 4_000_000_000_000.0 + number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_was_not_answered_is_kept_and_may_be_there_twice_but_not_behind_a_key() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    proxy.set(lose("LPUSH"));
    let receipt = client.send(job(1).queue("twice")).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Buffered);
    client.flush(LONG).await.unwrap();
    let copies = raw(&site, "queue:twice");
    assert_eq!(copies.len(), 2, "at least once");
    assert_eq!(copies[0], copies[1], "the same bytes");
    proxy.set(lose("EXEC"));
    let push = job(2).queue("once").idempotency_key("k");
    let receipt = client.send(push).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Buffered);
    client.flush(LONG).await.unwrap();
    assert_eq!(ids(&site, "once"), numbered(2..3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_became_a_replica_is_waited_for() {
    let site = Site::start();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    site.redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    for number in 1..20 {
        let receipt = client.send(job(number)).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Buffered);
    }
    site.redis.cli(&["REPLICAOF", "NO", "ONE"]);
    wait_until_async(SOON, "nothing is kept", async || client.buffered() == 0).await;
    assert_eq!(ids(&site, "default"), numbered(0..20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_waits_for_room_and_who_pushes_to_a_full_redis_is_told() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    proxy.set(Plan::refusing());
    proxy.reset();
    for number in 1..4 {
        let receipt = client.send(job(number)).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Buffered);
    }
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    proxy.heal();
    let full = async || {
        let Err(Error::Unflushed { source, .. }) = client.flush(SECOND / 10).await else {
            return false;
        };
        source.is_some_and(|error| error.is_full())
    };
    wait_until_async(SOON, "it meets the full Redis", full).await;
    assert_eq!(client.buffered(), 3);
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    client.flush(LONG).await.unwrap();
    assert_eq!(ids(&site, "default"), numbered(0..4));
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = client.send(job(4)).await.unwrap_err();
    let full = matches!(&error, Error::Store(error) if error.is_full());
    assert!(full, "{error:?}");
    assert_eq!(client.buffered(), 0);
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_being_changed_costs_no_kept_job() {
    let (site, proxy) = behind_proxy();
    site.redis
        .cli(&["ACL", "SETUSER", "app", "on", ">old", "~*", "+@all"]);
    let url = proxy.url().replace("redis://", "redis://app:old@");
    let client = builder(&url).buffer(Buffer::default()).build().unwrap();
    client.send(job(0)).await.unwrap();
    proxy.set(Plan::refusing());
    proxy.reset();
    client.send(job(1)).await.unwrap();
    site.redis.cli(&["ACL", "SETUSER", "app", "<old", ">new"]);
    proxy.heal();
    let refused = async || {
        let Err(Error::Unflushed { source, .. }) = client.flush(SECOND / 10).await else {
            return false;
        };
        source.is_some_and(|error| error.is_login())
    };
    wait_until_async(SOON, "it meets the new password", refused).await;
    site.redis.cli(&["ACL", "SETUSER", "app", ">old"]);
    client.flush(LONG).await.unwrap();
    assert_eq!(ids(&site, "default"), numbered(0..2));
}

#[test]
fn what_a_runtime_leaves_behind_another_one_pushes() {
    let site = durable();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    site.redis.kill9();
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    first.block_on(async {
        for number in 0..10 {
            let receipt = client.send(job(number)).await.unwrap();
            assert_eq!(receipt.outcome, Outcome::Buffered);
        }
    });
    drop(first);
    site.redis.restart();
    runtime().block_on(client.flush(LONG)).unwrap();
    site.reconnect();
    assert_eq!(ids(&site, "default"), numbered(0..10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_buffer_pushes_as_without_while_all_is_well() {
    let site = Site::start();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    let before = [crate::calls(&site, "sadd"), crate::calls(&site, "hello")];
    for number in 1..200 {
        let push = Push::raw("A", "[]").jid(format!("j{number:05}"));
        assert_eq!(client.send(push).await.unwrap().outcome, Outcome::Enqueued);
    }
    assert_eq!(crate::calls(&site, "lpush"), 200);
    for other in ["watch", "unwatch", "get", "set", "multi", "exec"] {
        assert_eq!(crate::calls(&site, other), 0, "{other}");
    }
    let after = [crate::calls(&site, "sadd"), crate::calls(&site, "hello")];
    assert_eq!(before, after, "no name and no connection more");
}

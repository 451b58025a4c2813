//! Idempotency keys: one job a key, whoever pushes how often, and whatever reply is lost.

use std::time::Duration;

use gandy::{Error, Kind, Outcome, Push, Retry};
use gandy_faults::{Deed, Plan, Rule, When};
use gandy_tests::wait_until;
use tokio::task::JoinSet;

use crate::support::{SOON, Site};
use crate::{SECOND, behind_proxy, builder, calls, ids, job, lose, numbered};

fn key(site: &Site, id: &str) -> (String, i64) {
    let name = format!("gandy:pushed:{id}");
    let ttl = site.ask(redis::cmd("PTTL").arg(&name));
    (site.ask(redis::cmd("GET").arg(name)), ttl)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_push_with_a_key_pushes_nothing_and_names_the_first() {
    let site = Site::start();
    let client = builder(&site.redis.url()).build().unwrap();
    let first = client
        .send(job(1).idempotency_key("invoice:7"))
        .await
        .unwrap();
    assert_eq!(
        (first.jid.as_str(), first.outcome),
        ("j00001", Outcome::Enqueued)
    );
    for push in [job(2), job(3).queue("other"), job(4).after(60 * SECOND)] {
        let second = client
            .send(push.idempotency_key("invoice:7"))
            .await
            .unwrap();
        assert_eq!(
            (second.jid.as_str(), second.outcome),
            ("j00001", Outcome::Duplicate)
        );
    }
    let (jid, ttl) = key(&site, "invoice:7");
    assert_eq!(jid, "j00001");
    assert!((86_000_000..=86_400_000).contains(&ttl), "a day: {ttl}");
    // Another key, one that is no plain word, and one that is scheduled.
    let push = job(5).idempotency_key("bob smith");
    client.send(push).await.unwrap();
    let digest = gandy_protocol::sha1_hex(b"bob smith");
    assert_eq!(key(&site, &format!("#{digest}")).0, "j00005");
    let push = job(6).after(3600 * SECOND).idempotency_key("later");
    assert_eq!(client.send(push).await.unwrap().outcome, Outcome::Scheduled);
    assert_eq!(site.count("schedule"), 1);
    assert_eq!(ids(&site, "default"), ["j00001", "j00005"]);
    assert_eq!(site.redis.cli(&["SMEMBERS", "queues"]), "default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_has_keys_of_its_own() {
    let site = Site::start();
    for namespace in ["a", "b"] {
        let client = builder(&site.redis.url())
            .namespace(namespace)
            .build()
            .unwrap();
        let receipt = client.send(job(1).idempotency_key("k")).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Enqueued);
        assert_eq!(
            site.redis
                .cli(&["GET", &format!("{namespace}:gandy:pushed:k")]),
            "j00001"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_pushes_of_one_key_exactly_one_is_a_job() {
    const PUSHERS: usize = 8;
    const KEYS: usize = 50;
    let site = Site::start();
    // Half of them share a client.
    let shared = builder(&site.redis.url()).build().unwrap();
    let mut pushers = JoinSet::new();
    for pusher in 0..PUSHERS {
        let client = match pusher % 2 {
            0 => shared.clone(),
            _ => builder(&site.redis.url()).build().unwrap(),
        };
        pushers.spawn(async move {
            let mut receipts = Vec::new();
            for key in 0..KEYS {
                let push = job(key * PUSHERS + pusher).idempotency_key(format!("k{key}"));
                receipts.push(client.send(push).await.unwrap());
            }
            receipts
        });
    }
    let receipts = pushers.join_all().await;
    assert_eq!(ids(&site, "default").len(), KEYS);
    for key in 0..KEYS {
        let (jid, _) = self::key(&site, &format!("k{key}"));
        let mine: Vec<_> = receipts.iter().map(|receipts| &receipts[key]).collect();
        assert!(mine.iter().all(|receipt| receipt.jid == jid), "{mine:?}");
        let firsts = mine
            .iter()
            .filter(|receipt| receipt.outcome == Outcome::Enqueued);
        assert_eq!(firsts.count(), 1, "{mine:?}");
    }
    assert!(ids(&site, "default").len() < PUSHERS * KEYS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_between_the_look_and_the_push_stops_it() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url()).build().unwrap();
    client.send(job(0).idempotency_key("first")).await.unwrap();
    // Everything is late, so that there is time between the two.
    proxy.set(Plan::far(SECOND / 5, Duration::ZERO));
    let push = tokio::spawn(async move { client.send(job(1).idempotency_key("k")).await });
    let watched = || calls(&site, "watch") >= 2;
    wait_until(SOON, "it looks", watched);
    site.redis.cli(&["SET", "gandy:pushed:k", "another"]);
    let receipt = push.await.unwrap().unwrap();
    assert_eq!(
        (receipt.jid.as_str(), receipt.outcome),
        ("another", Outcome::Duplicate)
    );
    assert_eq!(ids(&site, "default"), numbered(0..1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_repeated_and_there_is_one_job() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url()).build().unwrap();
    for (number, (command, deed)) in [
        ("EXEC", Deed::Lose),
        ("EXEC", Deed::Mute),
        ("EXEC", Deed::Cut(4)),
        ("MULTI", Deed::Lose),
        ("GET", Deed::Lose),
        ("WATCH", Deed::Cut(4)),
    ]
    .into_iter()
    .enumerate()
    {
        // A reply that never comes is noticed after a second, and then there is time for a repeat.
        let client = match deed {
            Deed::Mute => builder(&proxy.url())
                .retry(Retry::within(10 * SECOND))
                .build()
                .unwrap(),
            _ => client.clone(),
        };
        proxy.set(Plan::default().rule(Rule::of(command, When::Nth(1), deed)));
        let push = job(number).idempotency_key(format!("k{number}"));
        let receipt = client.send(push).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Enqueued, "{command} {deed:?}");
        assert_eq!(
            ids(&site, "default"),
            numbered(0..number + 1),
            "{command} {deed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_unknown_outcome_the_callers_repeat_is_told_which_job_it_is() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url()).retry(Retry::never()).build().unwrap();
    client.send(job(0).idempotency_key("other")).await.unwrap();
    proxy.set(lose("EXEC"));
    let push = job(1).idempotency_key("k");
    let error = client.send(push.clone()).await.unwrap_err();
    let unknown = matches!(&error, Error::Unknown { jid, .. } if jid == "j00001");
    assert!(unknown, "{error:?}");
    for again in [push, job(2).idempotency_key("k")] {
        let receipt = client.send(again).await.unwrap();
        assert_eq!(
            (receipt.jid.as_str(), receipt.outcome),
            ("j00001", Outcome::Duplicate)
        );
    }
    // Where nothing had run, the repeat is the push.
    proxy.set(Plan::default().rule(Rule::of("EXEC", When::Nth(1), Deed::Cut(4))));
    let push = job(3).idempotency_key("l");
    let error = client.send(push.clone()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown, "{error:?}");
    let receipt = client.send(push).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Enqueued);
    assert_eq!(ids(&site, "default"), ["j00000", "j00001", "j00003"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_lived_key_is_not_trusted_with_a_repeat() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url()).build().unwrap();
    client.send(job(0).idempotency_key("other")).await.unwrap();
    proxy.set(lose("EXEC"));
    let push = job(1).idempotency_key_for("k", 5 * SECOND);
    let error = client.send(push).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown, "{error:?}");
    assert_eq!(ids(&site, "default"), numbered(0..2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_forgotten_after_its_time_and_then_a_push_is_a_job_again() {
    let site = Site::start();
    let client = builder(&site.redis.url()).build().unwrap();
    let push = |number| job(number).idempotency_key_for("k", SECOND);
    client.send(push(1)).await.unwrap();
    assert_eq!(
        client.send(push(2)).await.unwrap().outcome,
        Outcome::Duplicate
    );
    wait_until(SOON, "the key expires", || {
        site.redis.cli(&["EXISTS", "gandy:pushed:k"]) == "0"
    });
    let receipt = client.send(push(3)).await.unwrap();
    assert_eq!(
        (receipt.jid.as_str(), receipt.outcome),
        ("j00003", Outcome::Enqueued)
    );
    assert_eq!(ids(&site, "default"), ["j00001", "j00003"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_is_refused_leaves_its_key_free() {
    let site = Site::start();
    let client = builder(&site.redis.url()).build().unwrap();
    site.redis.cli(&["SET", "queue:default", "no list"]);
    let push = || job(1).idempotency_key("k");
    let error = client.send(push()).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    site.redis.cli(&["DEL", "queue:default"]);
    wait_until(SOON, "the key is free", || {
        site.redis.cli(&["EXISTS", "gandy:pushed:k"]) == "0"
    });
    assert_eq!(
        client.send(push()).await.unwrap().outcome,
        Outcome::Enqueued
    );
    // A full Redis and a missing right stop the whole block.
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = client.send(job(2).idempotency_key("l")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Store(error) if error.is_full()),
        "{error:?}"
    );
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    site.redis.cli(&["ACL", "SETUSER", "default", "-set"]);
    let error = client.send(job(2).idempotency_key("l")).await.unwrap_err();
    assert!(error.to_string().contains("+watch"), "{error}");
    assert_eq!(error.kind(), Kind::Input, "{error:?}");
    assert_eq!(site.redis.cli(&["EXISTS", "gandy:pushed:l"]), "0");
    assert_eq!(ids(&site, "default"), numbered(1..2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_key_is_refused_before_anything_is_pushed() {
    let site = Site::start();
    let client = builder(&site.redis.url()).build().unwrap();
    let push = || Push::raw("A", "[]");
    for (wrong, words) in [
        (push().idempotency_key(""), "is empty"),
        (
            push().idempotency_key_for("k", SECOND / 2),
            "1 s to 366 days",
        ),
        (
            push().idempotency_key_for("k", SECOND * 86_400 * 367),
            "1 s to 366 days",
        ),
    ] {
        let error = client.send(wrong).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(site.redis.cli(&["DBSIZE"]), "0");
}

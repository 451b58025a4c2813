//! Bulk pushes: repeats have the time of the whole call, and what is kept is kept job by job.

use std::time::Instant;

use gandy::{Buffer, Error, Kind, Outcome, Retry};

use crate::{LONG, NOBODY, SECOND, behind_proxy, builder, durable, ids, job, lose, numbered};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_push_waits_for_a_restart_and_keeps_its_order() {
    let site = durable();
    let client = builder(&site.redis.url())
        .retry(Retry::within(LONG))
        .build()
        .unwrap();
    site.redis.kill9();
    let pushes = tokio::spawn(async move { client.send_all((0..3500).map(job)).await });
    tokio::time::sleep(SECOND / 5).await;
    site.redis.restart();
    for (number, result) in pushes.await.unwrap().into_iter().enumerate() {
        assert_eq!(result.unwrap().jid, format!("j{number:05}"));
    }
    site.reconnect();
    assert_eq!(ids(&site, "default"), numbered(0..3500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_push_of_many_commands_is_told_within_the_time_of_one_call() {
    let client = builder(NOBODY).build().unwrap();
    let began = Instant::now();
    // Ten commands, and keys that would each be repeated.
    let pushes = (0..10_000).map(|number| match number % 500 {
        0 => job(number).idempotency_key(number.to_string()),
        _ => job(number),
    });
    let results = client.send_all(pushes).await;
    assert!(began.elapsed() < 6 * SECOND, "{:?}", began.elapsed());
    assert_eq!(results.len(), 10_000);
    let kinds = results.into_iter().map(|result| result.unwrap_err().kind());
    assert!(kinds.into_iter().all(|kind| kind == Kind::Retry));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_reply_was_lost_is_repeated_where_it_is_safe() {
    let (site, proxy) = behind_proxy();
    let client = builder(&proxy.url()).build().unwrap();
    client.send(job(0)).await.unwrap();
    proxy.set(lose("ZADD"));
    let far = |number| job(number).after(3600 * SECOND);
    let results = client.send_all((0..100).map(far)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(site.count("schedule"), 100);
    proxy.set(lose("ZADD"));
    let soon = client.send_all((100..102).map(|number| match number {
        100 => far(number),
        _ => job(number).after(SECOND * 30),
    }));
    let kinds: Vec<Kind> = soon
        .await
        .into_iter()
        .map(|result| result.unwrap_err().kind())
        .collect();
    assert_eq!(kinds, [Kind::Unknown, Kind::Unknown]);
    proxy.set(lose("LPUSH"));
    let results = client.send_all((1..3).map(job)).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(Error::Unknown { .. })))
    );
    assert_eq!(ids(&site, "default"), numbered(0..3), "pushed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_push_is_kept_as_far_as_there_is_room() {
    let site = durable();
    let client = builder(&site.redis.url())
        .buffer(Buffer::default().jobs(2200))
        .build()
        .unwrap();
    site.redis.kill9();
    let pushes = (0..2500).map(|number| match number {
        7 => job(number).at_millis(4_000_000_000_123),
        8 => job(number).idempotency_key("eight"),
        _ => job(number),
    });
    let results = client.send_all(pushes).await;
    for (number, result) in results.iter().enumerate() {
        match result {
            Ok(receipt) => {
                assert_eq!(receipt.outcome, Outcome::Buffered);
                assert_eq!(receipt.jid, format!("j{number:05}"));
            }
            Err(Error::BufferFull { jid, jobs, .. }) => {
                assert_eq!((jid, *jobs), (&format!("j{number:05}"), 2200));
            }
            Err(other) => panic!("job {number}: {other:?}"),
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2200);
    assert_eq!(client.buffered(), 2200);
    site.redis.restart();
    client.flush(LONG).await.unwrap();
    site.reconnect();
    let kept = ids(&site, "default");
    assert!(kept.is_sorted(), "in order");
    assert_eq!(kept.len(), 2199);
    assert_eq!(site.entries("schedule")[0].score, 4_000_000_000.123);
    let again = client.send(job(9).idempotency_key("eight")).await.unwrap();
    assert_eq!(
        (again.jid.as_str(), again.outcome),
        ("j00008", Outcome::Duplicate)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_a_bulk_push_keep_their_places() {
    let site = durable();
    let client = builder(&site.redis.url()).build().unwrap();
    let pushes = (0..6).map(|number| match number {
        1 | 4 => job(number).idempotency_key("k"),
        5 => job(number).idempotency_key(""),
        _ => job(number),
    });
    let results = client.send_all(pushes).await;
    let outcome = |at: usize| {
        let receipt = results[at].as_ref().unwrap();
        (receipt.jid.as_str(), receipt.outcome)
    };
    assert_eq!(outcome(1), ("j00001", Outcome::Enqueued));
    assert_eq!(outcome(3), ("j00003", Outcome::Enqueued));
    assert_eq!(outcome(4), ("j00001", Outcome::Duplicate));
    assert_eq!(results[5].as_ref().unwrap_err().kind(), Kind::Input);
    assert_eq!(ids(&site, "default"), numbered(0..4));
}

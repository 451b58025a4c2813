//! The doctor's own steps on the server: each looks again, so that one which comes too late changes nothing.

use gandy_store::doctor::Shelf;
use gandy_tests::line;

use crate::{job, support::Site};

fn low() -> Shelf {
    Shelf::Queue("low".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_copy_of_a_job_is_never_removed() {
    let site = Site::start();
    let line = line(&site.redis);
    let (here, there) = (job("a", r#","retry_count":1"#), job("a", ""));
    let (here, there) = (here.as_bytes(), there.as_bytes());
    let (low, retry) = (low(), Shelf::Retry);
    let copies = async |keep, drop| line.drop_copy(keep, drop).await.unwrap();
    // The copy that was to stay has run in the meantime.
    site.add("retry", 1, job("a", r#","retry_count":1"#));
    assert!(!copies((&low, there), (&retry, here)).await);
    assert!(
        !line
            .both_there((&low, there), (&retry, here))
            .await
            .unwrap()
    );
    // It is there: now the other may go, once.
    site.push("low", job("a", ""));
    assert!(
        line.both_there((&low, there), (&retry, here))
            .await
            .unwrap()
    );
    assert!(copies((&low, there), (&retry, here)).await);
    assert!(!copies((&low, there), (&retry, here)).await);
    // One entry of a list is not its own copy.
    assert!(!copies((&low, there), (&low, there)).await);
    assert!(!line.both_there((&low, there), (&low, there)).await.unwrap());
    site.push("low", job("a", ""));
    assert!(copies((&low, there), (&low, there)).await);
    assert!(!copies((&low, there), (&low, there)).await);
    assert_eq!(site.ask::<u64>(redis::cmd("LLEN").arg("queue:low")), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_goes_with_the_dead_copy_that_it_is_of() {
    let site = Site::start();
    let line = line(&site.redis);
    let (bytes, other) = (job("a", ""), job("b", ""));
    site.add("dead", 1, bytes.clone());
    site.push("low", bytes.clone());
    for job in [&bytes, &other] {
        let digest = gandy_protocol::sha1_hex(job.as_bytes());
        site.ask::<u64>(redis::cmd("HSET").arg("gandy:reasons").arg(digest).arg("x"));
    }
    let bytes = bytes.as_bytes();
    assert!(
        line.drop_copy((&low(), bytes), (&Shelf::Dead, bytes))
            .await
            .unwrap()
    );
    let left: Vec<String> = site.ask(redis::cmd("HKEYS").arg("gandy:reasons"));
    assert_eq!(left, [gandy_protocol::sha1_hex(other.as_bytes())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_beats_again_stays_listed_and_who_is_empty_is_not_listed() {
    let site = Site::start();
    let line = line(&site.redis);
    let identity = "h:1:aaaaaaaaaaaa".to_owned();
    site.ask::<u64>(redis::cmd("SADD").arg("processes").arg(&identity));
    site.ask::<u64>(redis::cmd("HSET").arg(&identity).arg("info").arg("{}"));
    let identities = [identity.clone()];
    assert_eq!(line.prune(&identities).await.unwrap(), 0);
    site.ask::<u64>(redis::cmd("DEL").arg(&identity));
    assert_eq!(line.prune(&identities).await.unwrap(), 1);
    assert_eq!(line.prune(&identities).await.unwrap(), 0);

    assert!(!line.enlist("low").await.unwrap());
    assert_eq!(site.ask::<u64>(redis::cmd("EXISTS").arg("queues")), 0);
    site.push("low", job("a", ""));
    site.ask::<u64>(redis::cmd("DEL").arg("queues"));
    assert!(line.enlist("low").await.unwrap());
    assert!(!line.enlist("low").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_small_while_entries_are_large() {
    let site = Site::start();
    let line = line(&site.redis);
    let wide = |number: usize| format!("{number}{}", "x".repeat(3 << 20));
    for number in 0..8 {
        site.push("low", wide(number));
        site.add("retry", 1, wide(number));
    }
    for shelf in [low(), Shelf::Retry] {
        let browsed = line.browse(&shelf, 10_000, 7 << 20).await.unwrap();
        // Three are over the limit already; the set is read in the order of its hash, whose slots may hold two.
        assert!(
            !browsed.whole && (3..=5).contains(&browsed.entries.len()),
            "{shelf:?}: {}",
            browsed.entries.len()
        );
        let browsed = line.browse(&shelf, 10_000, 64 << 20).await.unwrap();
        assert!(browsed.whole && browsed.entries.len() == 8, "{shelf:?}");
    }
    // The oldest, which is popped next, is read first.
    let first = line.browse(&low(), 1, 1 << 30).await.unwrap();
    assert!(first.entries.len() == 1 && first.entries[0].starts_with(b"0x") && !first.whole);
}

//! A job in flight has one holder, who alone can end it; a claim that nobody knows of is found; and no state of Redis that
//! a worker can meet makes it stop, lose a job or run one for nothing. By the numbers of the design (I3, I4, I7).
#![allow(clippy::unwrap_used)]

#[path = "in_flight/crew.rs"]
mod crew;
#[path = "in_flight/faults.rs"]
mod faults;
#[path = "in_flight/outcomes.rs"]
mod outcomes;
#[path = "in_flight/steps.rs"]
mod steps;
mod support;
#[path = "in_flight/traces.rs"]
mod traces;
#[path = "in_flight/watch.rs"]
mod watch;

use std::time::{Duration, Instant};

use crew::{Runs, tally};
use gandy_store::{GiveBack, Guard, Outcome, Token, Way};
use gandy_tests::{wait_eq, wait_until};
use redis::cmd;
use support::{SOON, Site};

/// The design's bound for a claim whose reply was lost.
const ADOPTED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_job_claimed_under_a_token_that_memory_does_not_know_is_run() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 1);
    let grip = steps::Hand::of(&site, &worker);
    // The only place is taken, so the next job stays in its queue until this test claims it in the worker's name: a
    // claim whose reply the worker never saw.
    runs.push(&site, "Gate", "holds the place");
    wait_until(SOON, "it runs", || runs.of("holds the place") == 1);
    runs.push(&site, "Ok", "stray");
    let haul = grip.claim("default", 1_000_000, 5).await;
    assert_eq!(haul.claims.len(), 1);
    assert_eq!(haul.claims[0].token.number, 1_000_000);
    let claimed = Instant::now();
    runs.open_gate();
    wait_until(ADOPTED, "the stray has run", || runs.of("stray") == 1);
    println!("a stray ran after {:?}", claimed.elapsed());
    site.settle();
    worker.stop().await.unwrap();
    assert_eq!(runs.of("stray"), 1, "and once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_stray_of_a_queue_that_the_worker_does_not_serve_goes_back() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 1);
    let grip = steps::Hand::of(&site, &worker);
    for jid in ["first", "second"] {
        site.push("other", Runs::payload("Ok", jid));
    }
    grip.claim("other", 500, 2).await;
    assert_eq!(tally(&site, "queue:other"), 0);
    wait_eq(ADOPTED, "both are back", &2, || tally(&site, "queue:other"));
    let bytes: Vec<String> = site.ask(cmd("LRANGE").arg("queue:other").arg(0).arg(-1));
    assert!(bytes.contains(&Runs::payload("Ok", "first")), "{bytes:?}");
    worker.stop().await.unwrap();
    assert_eq!(runs.of("first") + runs.of("second"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_claims_that_meet_tokens_in_use_overwrite_nothing() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 10);
    let identity = crew::identity(&worker);
    // Jobs under the very numbers that the worker is about to draw.
    let mut hold = cmd("HSET");
    hold.arg(format!("gandy:inflight:{identity}"));
    for number in 1..=60 {
        let payload = Runs::payload("Ok", &format!("held{number}"));
        hold.arg(format!("{number}:default")).arg(payload);
    }
    site.ask::<()>(&hold);
    for number in 0..300 {
        runs.push(&site, "Ok", &format!("pushed{number}"));
    }
    site.settle();
    worker.stop().await.unwrap();
    for number in 1..=60 {
        assert_eq!(runs.of(&format!("held{number}")), 1, "held{number}");
    }
    for number in 0..300 {
        assert_eq!(runs.of(&format!("pushed{number}")), 1, "pushed{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_run_whose_entry_was_given_back_can_neither_finish_nor_fail() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 4);
    let hand = steps::Hand::of(&site, &worker);
    runs.push(&site, "Gate", "good");
    runs.push(&site, "GateFail", "bad");
    wait_until(SOON, "both run", || runs.of("good") + runs.of("bad") == 2);
    // As a reaper does that took the worker for dead.
    let tokens = hand.line.tokens(&hand.identity).await.unwrap();
    let jobs: Vec<GiveBack> = tokens.into_iter().map(steps::back).collect();
    let back = hand.give_back(Guard::Living, &jobs).await.unwrap();
    assert_eq!(back, [Outcome::Done, Outcome::Done]);
    wait_until(SOON, "both run again", || {
        runs.of("good") + runs.of("bad") == 4
    });
    // The first two runs end, and find that the jobs are not theirs any more; the other two end them.
    runs.open_gate();
    site.settle();
    wait_eq(SOON, "two were fenced", &2, || worker.fences().fenced);
    assert_eq!(worker.fences().unknown, 0);
    let retries = site.entries("retry");
    assert_eq!(retries.len(), 1, "one failure is written");
    assert_eq!(retries[0].json()["retry_count"], 0);
    worker.stop().await.unwrap();
    assert_eq!(site.redis.cli(&["GET", "stat:processed"]), "4");
    assert_eq!((runs.of("good"), runs.of("bad")), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_left_in_a_landing_list_is_run() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 2);
    runs.push(&site, "Ok", "first");
    wait_until(SOON, "it has come to rest", || {
        let clients: String = site.ask(cmd("CLIENT").arg("LIST"));
        runs.of("first") == 1 && clients.contains("cmd=blmove")
    });
    // The bell of a worker that died before it could claim.
    let left = Instant::now();
    site.ask::<()>(
        cmd("LPUSH")
            .arg("gandy:landing:default")
            .arg(Runs::payload("Ok", "landed")),
    );
    // Of a queue that no worker serves just now.
    site.ask::<()>(cmd("SADD").arg("queues").arg("elsewhere"));
    let jobs = ["old", "young"].map(|jid| Runs::payload("Ok", jid));
    for job in &jobs {
        site.ask::<()>(cmd("LPUSH").arg("gandy:landing:elsewhere").arg(job));
    }
    let queue = |site: &Site| -> Vec<String> {
        site.ask(cmd("LRANGE").arg("queue:elsewhere").arg(0).arg(-1))
    };
    wait_until(SOON, "the landed job has run", || runs.of("landed") == 1);
    println!("a landed job ran after {:?}", left.elapsed());
    wait_until(SOON, "the others are back in their queue", || {
        queue(&site).len() == 2
    });
    println!(
        "a queue without a worker has its job back after {:?}",
        left.elapsed()
    );
    assert_eq!(
        queue(&site),
        [jobs[1].as_str(), jobs[0].as_str()],
        "in order"
    );
    worker.stop().await.unwrap();
    assert_eq!(runs.of("landed"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_workers_have_the_same_identity() {
    let site = Site::start();
    let runs = Runs::default();
    let mut identities = std::collections::HashSet::new();
    let workers: Vec<_> = (0..8).map(|_| runs.worker(site.config(), 1)).collect();
    for worker in &workers {
        identities.insert(crew::identity(worker));
    }
    for worker in workers {
        worker.stop().await.unwrap();
    }
    // One after the other, too: what is in Redis under an old name must not be taken for the new one's.
    for _ in 0..8 {
        let worker = runs.worker(site.config(), 1);
        identities.insert(crew::identity(&worker));
        worker.stop().await.unwrap();
    }
    assert_eq!(identities.len(), 16);
    let processes: std::collections::HashSet<&str> = identities
        .iter()
        .map(|identity| identity.rsplit_once(':').unwrap().0)
        .collect();
    assert_eq!(processes.len(), 1, "same host, same pid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_that_was_seen_is_refused() {
    let site = Site::start();
    let hand = steps::Hand::stranger(&site);
    let lease = Duration::from_secs(15);
    let (line, identity) = (&hand.line, &hand.identity);
    let register = async || line.register(identity, "{}", lease).await.unwrap();
    assert!(register().await);
    assert!(!register().await, "it lives");
    line.leave(identity).await.unwrap();
    assert!(!register().await, "it is dying");
    assert!(line.forget(identity).await.unwrap());
    let held = format!("gandy:inflight:{identity}");
    site.ask::<()>(cmd("HSET").arg(&held).arg("1:q").arg("x"));
    assert!(!register().await, "jobs are held in its name");
    site.ask::<()>(cmd("DEL").arg(&held));
    assert!(register().await);
}

/// The token of a job that a test put into flight.
pub(crate) fn token(number: u64, queue: &str) -> Token {
    Token {
        number,
        queue: queue.into(),
    }
}

/// Back to its queue, uncharged.
pub(crate) fn to_queue(token: Token) -> GiveBack {
    GiveBack {
        token,
        way: Way::Queue,
        charge: None,
        waiter: None,
    }
}

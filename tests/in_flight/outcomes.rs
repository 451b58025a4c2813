//! What whoever waits is told is written in the step that ends the run: there is no moment at which a job is ended and its
//! outcome is not there, and none the other way round. So a kill -9 before the step leaves neither, one after it both.

use std::time::Duration;

use gandy_protocol::{End, Ended, Keys};
use gandy_store::{Exit, GiveBack, Grave, Guard, Notice, Outcome, Token, Way};
use redis::cmd;

use super::{crew::Runs, steps::Hand, support::Site, to_queue};

fn token(number: u64) -> Token {
    Token {
        number,
        queue: "q".into(),
    }
}

fn noted(jid: &str, exit: Exit) -> Exit {
    let error = Some(("Boom", "m"));
    let notice = Notice::new(&Keys::default(), jid, &exit, error);
    Exit::Noted(Box::new((exit, notice)))
}

fn outcome(site: &Site, jid: &str) -> Option<Ended> {
    let text = site.ask::<Option<String>>(cmd("GET").arg(format!("gandy:outcome:{jid}")));
    text.map(|text| Ended::parse(&text).unwrap())
}

async fn claimed(site: &Site) -> Hand {
    for jid in ["a", "b", "c", "d", "e"] {
        site.push("q", Runs::payload("Ok", jid));
    }
    let hand = Hand::registered(site).await;
    assert_eq!(hand.claim("q", 1, 5).await.claims.len(), 5);
    hand
}

fn all() -> Vec<(Token, Exit)> {
    let delay = Duration::from_secs(60);
    let payload = || Runs::payload("Ok", "changed");
    vec![
        (token(1), noted("a", Exit::Done)),
        // One for which nobody waits stands between those of others.
        (token(2), Exit::Drop),
        (token(3), noted("c", Exit::Retry(delay, payload()))),
        (token(4), noted("d", Exit::Dead(payload()))),
        (token(5), noted("e", Exit::Drop)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_is_written_with_the_step_that_ends_the_run() {
    let site = Site::start();
    let hand = claimed(&site).await;
    assert_eq!(hand.settle(&all()).await, [Outcome::Done; 5]);
    assert!(hand.held(&site).is_empty());
    for (jid, end, again) in [
        ("a", End::Done, false),
        ("c", End::Failed, true),
        ("d", End::Dead, false),
        ("e", End::Failed, false),
    ] {
        let ended = outcome(&site, jid).unwrap();
        assert_eq!((ended.outcome, ended.will_retry), (end, again), "{jid}");
        assert_eq!(ended.error_class.as_deref(), Some("Boom"));
    }
    assert_eq!(outcome(&site, "b"), None);
    assert_eq!((site.count("retry"), site.count("dead")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_whoever_lost_an_entry_leaves_no_outcome_and_neither_does_what_cannot_be_written() {
    let site = Site::start();
    let hand = claimed(&site).await;
    site.ask::<()>(cmd("SET").arg("retry").arg("x"));
    let stuck = [all().swap_remove(2)];
    assert_eq!(hand.settle(&stuck).await, [Outcome::Stuck]);
    assert_eq!(outcome(&site, "c"), None);
    let back: Vec<_> = (1..=5).rev().map(|n| to_queue(token(n))).collect();
    hand.give_back(Guard::Living, &back).await.unwrap();
    assert_eq!(hand.settle(&all()).await, [Outcome::Gone; 5]);
    for jid in ["a", "b", "c", "d", "e"] {
        assert_eq!(outcome(&site, jid), None, "{jid}");
    }
}

/// Whoever waits for a job that kills its workers waited for his whole timeout, since only runs and people left outcomes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_buried_when_it_is_given_back_is_told_to_be_dead() {
    let site = Site::start();
    let asks = r#"{"class":"Ok","args":[],"jid":"f","queue":"q","gandy_notify":true}"#;
    let hand = claimed(&site).await;
    site.push("q", asks);
    assert_eq!(hand.claim("q", 6, 1).await.claims.len(), 1);
    let orphans = hand.line.orphans(&hand.identity, 10_000).await.unwrap();
    let waiters: Vec<_> = orphans.iter().map(|orphan| orphan.waiter.clone()).collect();
    assert_eq!(waiters.iter().flatten().collect::<Vec<_>>(), ["f"]);
    let back = |way: Way| GiveBack {
        token: token(6),
        way,
        charge: None,
        waiter: Some("f".into()),
    };
    let give = async |way, number| {
        let jobs = [GiveBack {
            token: token(number),
            ..back(way)
        }];
        let outcomes = hand
            .line
            .give_back(&hand.identity, Guard::Living, Grave::default(), &jobs)
            .await;
        assert_eq!(outcomes.unwrap().unwrap(), [Outcome::Done]);
    };
    give(Way::Queue, 1).await;
    assert_eq!(outcome(&site, "f"), None, "it waits, and nothing is over");
    give(Way::Dead("a pill".into()), 6).await;
    let ended = outcome(&site, "f").unwrap();
    assert_eq!((ended.outcome, ended.will_retry), (End::Dead, false));
    assert!(site.ask::<i64>(cmd("TTL").arg("gandy:outcome:f")) > 3_500);
}

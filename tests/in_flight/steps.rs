//! The steps themselves, made by hand: what each does the second time, and in whose name.

use std::time::Duration;

use gandy::RunningWorker;
use gandy_protocol::Identity;
use gandy_store::{
    Exit, GiveBack, GivenBack, Grant, Grave, Guard, Haul, Line, Outcome, Retirement, StoreError,
    Token, Way,
};
use redis::cmd;

use crate::{
    crew,
    crew::{Runs, tally},
    support::Site,
    to_queue, token,
};

/// Makes steps in the name of a process.
pub(crate) struct Hand {
    pub(crate) line: Line,
    pub(crate) identity: Identity,
}

impl Hand {
    /// In the name of a worker that lives.
    pub(crate) fn of(site: &Site, worker: &RunningWorker) -> Self {
        Self::named(site, &crew::identity(worker))
    }

    /// In the name of a process that never registered.
    pub(crate) fn stranger(site: &Site) -> Self {
        Self::named(site, "vm:1:a4dc4b6ef2be")
    }

    /// Of a process that is in the fleet and does nothing else.
    pub(crate) async fn registered(site: &Site) -> Self {
        let hand = Self::stranger(site);
        let lease = Duration::from_secs(60);
        assert!(
            hand.line
                .register(&hand.identity, "{}", lease)
                .await
                .unwrap()
        );
        hand
    }

    fn named(site: &Site, identity: &str) -> Self {
        Self {
            line: gandy_tests::line(&site.redis),
            identity: identity.parse().unwrap(),
        }
    }

    pub(crate) async fn claim(&self, queue: &str, first: u64, wanted: usize) -> Haul {
        self.cycle(&[], queue, first, wanted).await.unwrap()
    }

    async fn finish(&self, ended: &[Token]) -> usize {
        self.cycle(ended, "q", 0, 0).await.unwrap().finished
    }

    async fn cycle(
        &self,
        ended: &[Token],
        queue: &str,
        first: u64,
        wanted: usize,
    ) -> Result<Haul, StoreError> {
        gandy_tests::one_cycle(&self.line, &self.identity, ended, queue, first, wanted).await
    }

    pub(crate) async fn give_back(&self, guard: Guard, jobs: &[GiveBack]) -> Option<Vec<Outcome>> {
        let grave = Grave::default();
        let back = self.line.give_back(&self.identity, guard, grave, jobs);
        back.await.unwrap()
    }

    pub(crate) async fn settle(&self, exits: &[(Token, Exit)]) -> Vec<Outcome> {
        let grave = Grave::default();
        let settled = self.line.settle(&self.identity, grave, exits);
        settled.await.unwrap()
    }

    pub(crate) fn held(&self, site: &Site) -> Vec<(String, String)> {
        let key = format!("gandy:inflight:{}", self.identity);
        let mut held: Vec<(String, String)> = site.ask(cmd("HGETALL").arg(key));
        held.sort_unstable();
        held
    }
}

pub(crate) fn back(token: Token) -> GiveBack {
    to_queue(token)
}

/// `a` to `e` in queue `q`, `a` popped first.
fn five(site: &Site) {
    for jid in ["a", "b", "c", "d", "e"] {
        site.push("q", Runs::payload("Ok", jid));
    }
}

fn queue(site: &Site) -> Vec<String> {
    let jobs: Vec<String> = site.ask(cmd("LRANGE").arg("queue:q").arg(0).arg(-1));
    let jid = |job: &String| {
        let job: serde_json::Value = serde_json::from_str(job).unwrap();
        job["jid"].as_str().unwrap().to_owned()
    };
    jobs.iter().rev().map(jid).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_claim_in_the_name_of_nobody_is_refused_and_takes_nothing() {
    let site = Site::start();
    five(&site);
    site.ask::<()>(cmd("LPUSH").arg("gandy:landing:q").arg("landed"));
    let hand = Hand::stranger(&site);
    let refused = async || {
        let haul = hand.claim("q", 1, 5).await;
        assert_eq!((haul.grant, haul.claims.len()), (Grant::Dead, 0));
        assert_eq!(
            (tally(&site, "queue:q"), tally(&site, "gandy:landing:q")),
            (5, 1)
        );
        assert!(hand.held(&site).is_empty());
    };
    refused().await;
    // The same once it has left, and once it was declared dead: Redis may run the request of a process that has died.
    let lease = Duration::from_secs(60);
    hand.line
        .register(&hand.identity, "{}", lease)
        .await
        .unwrap();
    hand.line.leave(&hand.identity).await.unwrap();
    refused().await;
    hand.line.forget(&hand.identity).await.unwrap();
    refused().await;
    hand.line
        .register(&hand.identity, "{}", lease)
        .await
        .unwrap();
    site.ask::<()>(cmd("DEL").arg(format!("gandy:lease:{}", hand.identity)));
    let condemned = hand
        .line
        .condemn(&hand.identity, Duration::ZERO, None)
        .await;
    assert_eq!(condemned.unwrap(), Retirement::Moved);
    refused().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_claim_with_a_token_in_use_stops_there_and_overwrites_nothing() {
    let site = Site::start();
    five(&site);
    let hand = Hand::registered(&site).await;
    let first = hand.claim("q", 1, 2).await;
    assert_eq!((first.grant, first.claims.len()), (Grant::Alive, 2));
    let (held, waits) = (hand.held(&site), queue(&site));
    assert_eq!(waits, ["c", "d", "e"]);
    for number in [1, 2] {
        let again = hand.claim("q", number, 3).await;
        assert_eq!((again.grant, again.claims.len()), (Grant::Taken, 0));
        assert_eq!(
            (hand.held(&site), queue(&site)),
            (held.clone(), waits.clone())
        );
    }
    // A later part of a large claim: what was claimed before it is told.
    for number in 0..20 {
        site.push("q", Runs::payload("Ok", &format!("more{number}")));
    }
    let key = format!("gandy:inflight:{}", hand.identity);
    site.ask::<()>(cmd("HSET").arg(key).arg("110:q").arg("held"));
    let part = hand.claim("q", 100, 23).await;
    assert_eq!(part.grant, Grant::Taken);
    let claimed = part.claims.len();
    assert!((1..=10).contains(&claimed), "{claimed}");
    assert_eq!(queue(&site).len(), 23 - claimed);
    let held = hand.held(&site);
    assert_eq!(held.len(), 2 + 1 + claimed);
    assert!(held.contains(&("110:q".into(), "held".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_each_step_but_the_claim_does_nothing_the_second_time() {
    let site = Site::start();
    five(&site);
    let hand = Hand::registered(&site).await;
    assert_eq!(hand.claim("q", 1, 5).await.claims.len(), 5);
    let payload = || Runs::payload("Ok", "changed");
    let delay = Duration::from_secs(60);

    // finish
    assert_eq!(hand.finish(&[token(1, "q")]).await, 1);
    assert_eq!(hand.finish(&[token(1, "q")]).await, 0);
    // give back
    let jobs = [to_queue(token(2, "q"))];
    let once = hand.give_back(Guard::Living, &jobs).await;
    assert_eq!(once, Some(vec![Outcome::Done]));
    assert_eq!(queue(&site), ["b"]);
    let twice = hand.give_back(Guard::Living, &jobs).await;
    assert_eq!(twice, Some(vec![Outcome::Gone]));
    assert_eq!(queue(&site), ["b"]);
    // settle
    let exits = [
        (token(3, "q"), Exit::Retry(delay, payload())),
        (token(4, "q"), Exit::Schedule(delay, payload())),
        (token(5, "q"), Exit::Dead(payload())),
    ];
    assert_eq!(hand.settle(&exits).await, [Outcome::Done; 3]);
    let sets = ["retry", "schedule", "dead"];
    let before = sets.map(|set| site.entries(set));
    assert!(before.iter().all(|entries| entries.len() == 1));
    assert_eq!(hand.settle(&exits).await, [Outcome::Gone; 3]);
    assert_eq!(sets.map(|set| site.entries(set)), before);
    assert!(hand.held(&site).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_is_counted_and_a_pill_apart() {
    let site = Site::start();
    five(&site);
    let hand = Hand::registered(&site).await;
    assert_eq!(hand.claim("q", 1, 5).await.claims.len(), 5);
    let dead = |number, charge: Option<&str>| GiveBack {
        token: token(number, "q"),
        way: Way::Dead("why".into()),
        charge: charge.map(str::to_owned),
        waiter: None,
    };
    // One that is too large to be read is buried, too, and is no pill.
    let jobs = [dead(3, Some("c")), dead(2, None), to_queue(token(1, "q"))];
    let give = || {
        let grave = Grave::default();
        hand.line
            .give_all_back(&hand.identity, Guard::Living, grave, &jobs)
    };
    let given = GivenBack {
        back: 3,
        poisoned: 1,
        ..GivenBack::default()
    };
    assert_eq!(give().await.unwrap(), given);
    assert_eq!(give().await.unwrap(), GivenBack::default(), "they are gone");
    let refused = hand
        .line
        .give_all_back(&hand.identity, Guard::Dying, Grave::default(), &jobs);
    assert!(refused.await.unwrap().refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_whoever_lost_an_entry_cannot_end_it_in_any_way() {
    let site = Site::start();
    five(&site);
    let hand = Hand::registered(&site).await;
    assert_eq!(hand.claim("q", 1, 5).await.claims.len(), 5);
    let back: Vec<GiveBack> = (1..=5).rev().map(|n| to_queue(token(n, "q"))).collect();
    hand.give_back(Guard::Living, &back).await.unwrap();
    assert_eq!(queue(&site), ["a", "b", "c", "d", "e"], "in order");
    let delay = Duration::ZERO;
    let exits = [
        (token(1, "q"), Exit::Retry(delay, "x".into())),
        (token(2, "q"), Exit::Schedule(delay, "x".into())),
        (token(3, "q"), Exit::Dead("x".into())),
        (token(4, "q"), Exit::Drop),
        (token(5, "q"), Exit::Raw("x".into())),
    ];
    assert_eq!(hand.settle(&exits).await, [Outcome::Gone; 5]);
    let tokens: Vec<Token> = (1..=5).map(|n| token(n, "q")).collect();
    assert_eq!(hand.finish(&tokens).await, 0);
    for set in ["retry", "schedule", "dead"] {
        assert_eq!(site.count(set), 0, "{set}");
    }
    assert_eq!(site.redis.cli(&["EXISTS", "gandy:reasons"]), "0");
    assert_eq!(queue(&site).len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_only_the_dead_are_reaped_and_only_the_living_give_back() {
    let site = Site::start();
    five(&site);
    let hand = Hand::registered(&site).await;
    assert_eq!(hand.claim("q", 1, 2).await.claims.len(), 2);
    let jobs = [to_queue(token(1, "q"))];
    assert_eq!(hand.give_back(Guard::Dying, &jobs).await, None);
    hand.line.leave(&hand.identity).await.unwrap();
    assert_eq!(hand.give_back(Guard::Living, &jobs).await, None);
    assert_eq!((hand.held(&site).len(), tally(&site, "queue:q")), (2, 3));
    assert!(!hand.line.forget(&hand.identity).await.unwrap());
    let jobs = [2, 1].map(|number| to_queue(token(number, "q")));
    hand.give_back(Guard::Dying, &jobs).await.unwrap();
    assert_eq!(queue(&site), ["a", "b", "c", "d", "e"]);
    assert!(hand.line.forget(&hand.identity).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_into_a_key_of_another_type_keeps_the_job_in_flight() {
    let site = Site::start();
    five(&site);
    let hand = Hand::registered(&site).await;
    assert_eq!(hand.claim("q", 1, 2).await.claims.len(), 2);
    for key in ["retry", "dead"] {
        site.ask::<()>(cmd("SET").arg(key).arg("x"));
    }
    let exits = [
        (token(1, "q"), Exit::Retry(Duration::ZERO, "x".into())),
        (token(2, "q"), Exit::Dead("x".into())),
    ];
    assert_eq!(hand.settle(&exits).await, [Outcome::Stuck; 2]);
    assert_eq!(hand.held(&site).len(), 2);
    site.ask::<()>(cmd("DEL").arg("retry").arg("dead"));
    assert_eq!(hand.settle(&exits).await, [Outcome::Done; 2]);
}

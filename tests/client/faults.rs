//! Pushes while something breaks: each ends in bounded time with an error that says what is known, and the same client
//! goes on when the cause is gone.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use gandy::{Client, Error, Kind, Outcome, Patience, Push, Receipt, StoreError};
use tokio::task::JoinSet;

use crate::{
    mail,
    site::{client, connections, cut_connections, dbsize, list, push_again, shape},
    support::Site,
};

/// A client that gives up soon, so that tests need not wait long.
fn hasty(site: &Site) -> Client {
    let patience = Patience {
        connect: Duration::from_millis(400),
        reply: Duration::from_millis(300),
    };
    Client::builder()
        .server(site.server().with_patience(patience))
        .build()
        .unwrap()
}

/// How often each job stands in the default queue.
fn jobs(site: &Site) -> BTreeMap<String, usize> {
    let mut jobs = BTreeMap::new();
    for bytes in list(site, "queue:default") {
        *jobs.entry(shape(&bytes).0).or_insert(0) += 1;
    }
    jobs
}

async fn all(pushes: JoinSet<Result<Receipt, Error>>) -> Vec<Result<Receipt, Error>> {
    pushes.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_of_64_tasks_share_one_connection_and_all_arrive() {
    let site = Site::start();
    let client = client(&site);
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        tasks.spawn(async move {
            let mut jids = Vec::new();
            for _ in 0..50 {
                jids.push(client.push_raw("A", "[]").await.unwrap().jid);
            }
            jids
        });
    }
    let before: u64 = received(&site);
    let jids: HashSet<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(jids.len(), 64 * 50);
    assert_eq!(connections(&site), 1);
    assert!(received(&site) - before <= 1, "connections came and went");
    assert_eq!(jobs(&site).into_keys().collect::<HashSet<_>>(), jids);
}

/// How many connections the server ever accepted.
fn received(site: &Site) -> u64 {
    let info: String = site.ask(redis::cmd("INFO").arg("stats"));
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"));
    count.unwrap().trim().parse().unwrap()
}

/// A push dropped after this long. Not tokio's timer, which knows only whole milliseconds: a push is over by then.
async fn cut_off(
    push: impl Future<Output = Result<Receipt, Error>>,
    after: Duration,
) -> Option<Result<Receipt, Error>> {
    let began = Instant::now();
    let clock = async {
        while began.elapsed() < after {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = clock => None,
        result = push => Some(result),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_dropped_half_way_leaves_the_connection_usable() {
    let site = Site::start();
    site.ask::<()>(redis::cmd("SET").arg("queue:bad").arg("x"));
    let client = client(&site);
    let mut tasks = JoinSet::new();
    for task in 0..8_u64 {
        let client = client.clone();
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            let (mut told, mut dropped) = (Vec::new(), 0);
            let mut usual = Duration::from_micros(300);
            for round in 0..400 {
                let jid = format!("t{task}r{round}");
                // At any point of a push, as long as one takes on this machine now.
                let after = usual.mul_f64(2.0 * random.f64());
                let push = client.send(Push::raw("A", "[]").jid(&jid));
                match cut_off(push, after).await {
                    Some(result) => told.push(result.unwrap().jid),
                    None => dropped += 1,
                }
                // Whose reply is it? A queue that refuses and one that does not tell them apart.
                let bad = client.send(Push::raw("A", "[]").queue("bad")).await;
                let began = Instant::now();
                let good = client.send(Push::raw("A", "[]").jid(format!("{jid}!")));
                told.push(good.await.unwrap().jid);
                usual = began.elapsed();
                let error = bad.unwrap_err().to_string();
                assert!(error.contains("WRONGTYPE"), "{error}");
            }
            (told, dropped)
        });
    }
    let (mut told, mut dropped) = (HashSet::new(), 0);
    for (jids, count) in tasks.join_all().await {
        told.extend(jids);
        dropped += count;
    }
    let jobs = jobs(&site);
    println!(
        "{dropped} pushes dropped, {} told, {} there",
        told.len(),
        jobs.len()
    );
    assert!(dropped > 100, "only {dropped} pushes were cut off");
    assert!(told.len() > 8 * 400 + 100, "hardly any push got through");
    assert!(told.iter().all(|jid| jobs.contains_key(jid)), "lost");
    assert!(jobs.values().all(|&count| count == 1), "doubled");
    assert!(connections(&site) <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_dropped_while_it_connects_leaves_the_client_usable() {
    let site = Site::start();
    let client = client(&site);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..100 {
        let after = Duration::from_micros(random.u64(..900));
        let _ = cut_off(client.push_raw("A", "[]"), after).await;
        cut_connections(&site);
    }
    push_again(&client, Push::raw("A", "[]")).await;
    assert_eq!(connections(&site), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_down_is_told_in_bounded_time_and_its_return_is_found() {
    let site = Site::start();
    let client = client(&site);
    client.push(mail(1)).await.unwrap();
    site.redis.kill9();
    let began = Instant::now();
    let mut pushes = JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        pushes.spawn(async move { client.push(mail(2)).await });
    }
    for result in all(pushes).await {
        let error = result.unwrap_err();
        assert!(
            matches!(error.kind(), Kind::Retry | Kind::Unknown),
            "{error:?}"
        );
    }
    // By now everybody knows that nothing was sent.
    let error = client.push(mail(3)).await.unwrap_err();
    let unavailable = matches!(error, Error::Store(StoreError::Unavailable { .. }));
    assert!(unavailable && error.kind() == Kind::Retry, "{error:?}");
    assert!(
        error.to_string().contains(&site.redis.port().to_string()),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    site.redis.restart();
    let began = Instant::now();
    let receipt = client.push(mail(4)).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Enqueued);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(site.redis.cli(&["LLEN", "queue:mailers"]), "1");
    assert_eq!(site.redis.cli(&["SMEMBERS", "queues"]), "mailers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_holds_no_push_for_longer_than_its_deadlines() {
    let site = Site::start();
    let client = hasty(&site);
    client.push_raw("A", "[]").await.unwrap();
    site.redis.freeze();
    // The first 64 have a connection, the next find none and wait for one together: each of them in its own turn would
    // be told after 26 s.
    for wave in ["connected", "connecting"] {
        let began = Instant::now();
        let mut pushes = JoinSet::new();
        for _ in 0..64 {
            let client = client.clone();
            pushes.spawn(async move {
                let result = client.push_raw("A", "[]").await;
                assert!(
                    began.elapsed() < Duration::from_secs(3),
                    "told after {:?}",
                    began.elapsed()
                );
                result
            });
        }
        let results = all(pushes).await;
        println!("{wave}: all told after {:?}", began.elapsed());
        assert!(results.iter().all(Result::is_err));
    }
    site.redis.thaw();
    let receipt = client.push_raw("A", "[]").await.unwrap();
    assert_eq!(jobs(&site)[&receipt.jid], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_unknown_and_the_same_push_again_is_the_same_job() {
    let site = Site::start();
    let client = hasty(&site);
    client.push_raw("A", "[]").await.unwrap();
    let push = Push::raw("A", r#"[1.10,"x"]"#).tag("t").retry(3);
    site.redis.freeze();
    let began = Instant::now();
    let error = client.send(push.clone()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(error.kind(), Kind::Unknown);
    assert!(error.to_string().contains(push.id()), "{error}");
    match &error {
        Error::Unknown { jid, source } => {
            assert_eq!(jid, push.id());
            assert!(source.to_string().contains("300 ms"), "{source}");
        }
        other => panic!("{other:?}"),
    }
    site.redis.thaw();
    client.send(push.clone()).await.unwrap();
    let copies: Vec<Vec<u8>> = list(&site, "queue:default")
        .into_iter()
        .filter(|bytes| shape(bytes).0 == push.id())
        .collect();
    assert!((1..=2).contains(&copies.len()), "{} copies", copies.len());
    let without_time = |bytes: &Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (start, _) = text.rsplit_once(r#","enqueued_at":"#).unwrap();
        start.to_owned()
    };
    assert!(
        copies
            .windows(2)
            .all(|pair| without_time(&pair[0]) == without_time(&pair[1]))
    );

    // What is scheduled is the same member: it cannot double.
    let later = Push::raw("A", "[2]").at_millis(4_000_000_000_000);
    site.redis.freeze();
    let error = client.send(later.clone()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown);
    site.redis.thaw();
    client.send(later.clone()).await.unwrap();
    assert_eq!(site.count("schedule"), 1);
    assert_eq!(connections(&site), 1, "the doubtful connection is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_a_typed_error_and_nothing_is_written() {
    let site = Site::start();
    let client = client(&site);
    client.push(mail(1)).await.unwrap();
    let before = (dbsize(&site), list(&site, "queue:mailers"));
    let limit = |bytes: &str| {
        site.ask::<()>(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes));
    };
    limit("1");
    let pushes = [
        Push::new(&mail(2)).unwrap(),
        Push::new(&mail(3)).unwrap().queue("new"),
        Push::new(&mail(4)).unwrap().after(Duration::from_secs(60)),
    ];
    for push in pushes {
        let error = client.send(push).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Retry);
        match &error {
            Error::Store(error) => assert!(error.is_full(), "{error:?}"),
            other => panic!("{other:?}"),
        }
        let text = error.to_string();
        assert!(
            text.contains("is full") && text.contains("raise maxmemory"),
            "{text}"
        );
    }
    let results = client.push_all((0..10).map(mail)).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(Error::Store(StoreError::Full { .. }))))
    );
    assert_eq!((dbsize(&site), list(&site, "queue:mailers")), before);
    limit("0");
    client.push(mail(5)).await.unwrap();
    assert_eq!(connections(&site), 1, "a refusal spoils no connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_a_reason_to_come_back_later() {
    let site = Site::start();
    let client = client(&site);
    client.push(mail(1)).await.unwrap();
    site.redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = client.push(mail(2)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    assert!(error.to_string().contains("READONLY"), "{error}");
    site.redis.cli(&["REPLICAOF", "NO", "ONE"]);
    client.push(mail(3)).await.unwrap();
}

/// Pushes of so many tasks at once, each to the queue that `queue` names; results by task.
async fn crowd(
    client: &Client,
    tasks: usize,
    queue: impl Fn(usize) -> &'static str,
) -> Vec<(usize, Result<Receipt, Error>)> {
    let mut pushes = JoinSet::new();
    for task in 0..tasks {
        let client = client.clone();
        let push = Push::raw("A", format!("[{task}]")).queue(queue(task));
        pushes.spawn(async move { (task, client.send(push).await) });
    }
    pushes.join_all().await
}

#[tokio::test(flavor = "current_thread")]
async fn pushes_of_64_tasks_go_in_few_commands_and_name_their_queues_once() {
    let site = Site::start();
    let client = client(&site);
    let queues = ["a", "b", "c"];
    for round in 0..20 {
        for (task, result) in crowd(&client, 64, |task| queues[task % 3]).await {
            assert_eq!(result.unwrap().outcome, Outcome::Enqueued, "{round} {task}");
        }
    }
    let there: usize = queues
        .iter()
        .map(|queue| list(&site, &format!("queue:{queue}")).len())
        .sum();
    assert_eq!(there, 20 * 64);
    assert_eq!(crate::members(&site, "queues"), queues);
    let (pushes, names) = (crate::calls(&site, "lpush"), crate::calls(&site, "sadd"));
    assert!(pushes <= 20 * 3 * 2, "{pushes} commands for 1,280 pushes");
    assert!(names <= 6, "{names} times");
}

#[tokio::test(flavor = "current_thread")]
async fn of_pushes_that_go_together_each_caller_hears_of_its_own() {
    let site = Site::start();
    site.ask::<()>(redis::cmd("SET").arg("queue:bad").arg("x"));
    let client = client(&site);
    for _ in 0..3 {
        let queue = |task: usize| ["good", "bad", "fine"][task % 3];
        for (task, result) in crowd(&client, 60, queue).await {
            match (queue(task), result) {
                ("bad", Err(error)) => {
                    assert_eq!(error.kind(), Kind::Input);
                    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
                }
                ("good" | "fine", Ok(receipt)) => {
                    let key = format!("queue:{}", queue(task));
                    let field = format!(r#""args":[{task}],"class":"A","jid":"{}""#, receipt.jid);
                    let jobs = list(&site, &key);
                    let found = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(&field);
                    assert!(jobs.iter().any(found), "{task}");
                }
                (queue, other) => panic!("{queue}: {other:?}"),
            }
        }
    }
    assert_eq!(list(&site, "queue:good").len(), 60);
    assert_eq!(list(&site, "queue:fine").len(), 60);
}

#[tokio::test(flavor = "current_thread")]
async fn after_a_cut_exactly_the_pushes_in_doubt_are_unknown() {
    let site = Site::start();
    let client = hasty(&site);
    client.push_raw("A", "[]").await.unwrap();
    site.redis.freeze();
    // Sent, and never answered.
    let results = crowd(&client, 64, |_| "default").await;
    for (_, result) in results {
        assert_eq!(result.unwrap_err().kind(), Kind::Unknown);
    }
    // Never sent: there is no connection to send them on.
    for (_, result) in crowd(&client, 64, |_| "default").await {
        assert_eq!(result.unwrap_err().kind(), Kind::Retry);
    }
    site.redis.thaw();
    let told = crowd(&client, 64, |_| "default").await;
    let jobs = jobs(&site);
    for (_, result) in told {
        assert_eq!(jobs[&result.unwrap().jid], 1);
    }
    assert!(jobs.values().all(|&count| count == 1), "doubled");
    assert!(jobs.len() <= 1 + 64 + 64, "what was not sent is there");
}

#[tokio::test(flavor = "current_thread")]
async fn callers_that_drop_out_of_a_crowd_leave_the_others_pushes_alone() {
    let site = Site::start();
    let client = client(&site);
    client.push_raw("A", "[]").await.unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let (mut told, mut dropped) = (0, 0);
    for _ in 0..50 {
        let mut pushes = JoinSet::new();
        for _ in 0..32 {
            let (client, after) = (client.clone(), Duration::from_micros(random.u64(..800)));
            let stays = random.bool();
            pushes.spawn(async move {
                let push = client.push_raw("A", "[]");
                if stays {
                    return Some(push.await);
                }
                cut_off(push, after).await
            });
        }
        for result in pushes.join_all().await {
            match result {
                Some(result) => {
                    result.unwrap();
                    told += 1;
                }
                None => dropped += 1,
            }
        }
    }
    let jobs = jobs(&site);
    assert!(dropped > 50 && told > 500, "{dropped} dropped, {told} told");
    assert!(jobs.len() > told && jobs.len() <= 1 + told + dropped);
    assert!(jobs.values().all(|&count| count == 1), "doubled");
}

#[test]
fn a_runtime_that_ends_leaves_no_caller_of_another_waiting() {
    let site = Site::start();
    let client = hasty(&site);
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    first.block_on(client.push_raw("A", "[]")).unwrap();
    site.redis.freeze();
    for task in 0..20 {
        let client = client.clone();
        first.spawn(async move { client.push_raw("A", format!("[{task}]")).await });
    }
    let waiting = {
        let client = client.clone();
        second.spawn(async move { crowd(&client, 20, |_| "default").await })
    };
    first.shutdown_background();
    let results = second.block_on(async {
        let told = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        told.expect("somebody waits for ever").unwrap()
    });
    assert!(results.iter().all(|(_, result)| result.is_err()));
    site.redis.thaw();
    // The client works on in the runtime that is left.
    second.block_on(async { push_again(&client, Push::raw("A", "[]")).await });
}

#[test]
fn a_client_used_in_one_runtime_after_another_leaves_nobody_waiting() {
    let site = Site::start();
    let client = hasty(&site);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let mut kept = Vec::new();
    for round in 0..6 {
        let now = runtime();
        // The connection of a runtime that stands still answers nobody: that is seen by the deadline, once.
        now.block_on(async { push_again(&client, Push::raw("A", "[]")).await });
        let told = now.block_on(async {
            let crowd = crowd(&client, 20, |_| "default");
            tokio::time::timeout(Duration::from_secs(10), crowd).await
        });
        for (_, result) in told.expect("somebody waits for ever") {
            result.unwrap();
        }
        now.block_on(async {
            // They stop somewhere between gathered and told; nobody runs their runtime any more.
            tokio::spawn({
                let client = client.clone();
                async move { crowd(&client, 64, |_| "default").await }
            });
            for _ in 0..=round {
                tokio::task::yield_now().await;
            }
        });
        // One stands still, one ends.
        if round % 2 == 0 {
            kept.push(now);
        }
    }
    assert!(jobs(&site).values().all(|&count| count == 1), "doubled");
}

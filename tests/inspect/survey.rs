//! The fleet as numbers, at little cost and whatever stands in Redis.

use std::time::{Duration, Instant};

use gandy::Surveyor;
use gandy_faults::Plan;
use gandy_tests::{detour, seed};

use super::{inspect, job};
use crate::support::Site;

/// Found by measurement: a dozen round trips one after the other were most of the time of every page of the dashboard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_takes_two_round_trips() {
    let site = Site::start();
    for number in 0..50 {
        site.push(&format!("q{number}"), job("1", ""));
        site.ask::<()>(redis::cmd("SADD").arg("queues").arg(format!("q{number}")));
        let identity = format!("h:{number}:aaaaaaaaaaaa");
        site.ask::<()>(redis::cmd("SADD").arg("processes").arg(&identity));
        let fields = ["beat", "1795000000", "concurrency", "5", "busy", "2"];
        site.ask::<()>(redis::cmd("HSET").arg(&identity).arg(&fields));
        site.ask::<()>(
            redis::cmd("HSET")
                .arg("gandy:fleet")
                .arg(&identity)
                .arg("{}"),
        );
        let held = format!("gandy:inflight:{identity}");
        site.ask::<()>(redis::cmd("HSET").arg(held).arg(&["1:q7", "x"]));
    }
    site.add("retry", 1, job("late", ""));
    let proxy = detour(&site.redis, seed());
    let server = gandy::Server::new(&proxy.url()).unwrap();
    let surveyor = Surveyor::new(server, "").unwrap();
    surveyor.survey().await.unwrap();
    let trip = Duration::from_millis(150);
    proxy.set(Plan::far(trip / 2, Duration::ZERO));
    let mut took = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        let survey = surveyor.survey().await.unwrap();
        took.push(began.elapsed());
        assert_eq!((survey.queues.len(), survey.processes), (50, 50));
        assert_eq!((survey.concurrency, survey.busy), (250, 100));
        assert_eq!((survey.queues[0].size, survey.retry.size), (1, 1));
        let held: u64 = survey.queues.iter().map(|queue| queue.busy).sum();
        assert_eq!(held, 50);
        assert!(survey.retry.lag > Duration::from_secs(1_000_000_000));
        assert!(survey.round_trip >= trip && survey.clock_ahead_ms.abs() < 2_000);
    }
    let least = took.iter().min().unwrap();
    assert!((2 * trip..4 * trip).contains(least), "{took:?}");
}

/// Found by review: two such processes, and every page of the dashboard was an empty reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_strangers_make_no_sum_overflow() {
    let site = Site::start();
    let most = u64::MAX.to_string();
    for number in 0..2 {
        let identity = format!("h:{number}:aaaaaaaaaaaa");
        site.ask::<()>(redis::cmd("SADD").arg("processes").arg(&identity));
        let fields = ["beat", "1", "concurrency", &*most, "busy", &*most];
        site.ask::<()>(redis::cmd("HSET").arg(&identity).arg(&fields));
    }
    let stamp = format!(r#","enqueued_at":{}"#, i64::MIN);
    site.push("default", job("j", &stamp));
    let survey = Surveyor::new(site.server(), "").unwrap().survey().await;
    let survey = survey.unwrap();
    assert_eq!((survey.concurrency, survey.busy), (u64::MAX, u64::MAX));
    let inspect = inspect(&site);
    assert_eq!(inspect.totals().await.unwrap().busy, u64::MAX);
    assert_eq!(inspect.processes().await.unwrap()[1].busy, u64::MAX);
    inspect.queues().await.unwrap();
    inspect.why("j", Duration::from_secs(5), &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_says_that_the_server_is_a_replica() {
    let site = Site::start();
    let surveyor = Surveyor::new(site.server(), "").unwrap();
    let replica = async || surveyor.survey().await.unwrap().server.unwrap().replica;
    assert_eq!(replica().await, None);
    // Nobody listens at port 1.
    site.redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    assert!(!replica().await.unwrap().linked);
    site.redis.cli(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(replica().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_read_in_one_command() {
    let site = Site::start();
    let inspect = inspect(&site);
    let today = inspect.history(1).await.unwrap().remove(0).date;
    let set = |key: &str, value: &str| drop(site.redis.cli(&["SET", key, value]));
    set(&format!("stat:processed:{today}"), "7");
    set(&format!("stat:failed:{today}"), "no number");
    let days = inspect.history(250).await.unwrap();
    assert_eq!((days[0].processed, days[0].failed, days.len()), (7, 0, 250));
    let stats = site.redis.cli(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_mget:calls=3,"), "1 and 2: {stats}");
    assert!(!stats.contains("cmdstat_get:"), "{stats}");
}

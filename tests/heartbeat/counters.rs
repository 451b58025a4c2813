//! Runs counted: all-time, by day, and by class as Sidekiq 8's metrics pages read them.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gandy_tests::{RedisServer, wait_eq, wait_until};
use redis::cmd;
use tokio::sync::Semaphore;

use crate::{
    hash, push, shown,
    support::{SOON, Site},
    ttl, worker,
};

/// The upper bounds of Sidekiq's histogram in milliseconds.
const BOUNDS: [u64; 26] = [
    20,
    30,
    45,
    65,
    100,
    150,
    225,
    335,
    500,
    750,
    1100,
    1700,
    2500,
    3800,
    5750,
    8500,
    13000,
    20000,
    30000,
    45000,
    65000,
    100_000,
    150_000,
    225_000,
    335_000,
    u64::MAX,
];

/// UTC, as another program writes it.
fn date(epoch: f64, format: &str) -> String {
    let at = format!("@{}", epoch as i64);
    let output = Command::new("date")
        .args(["-u", "-d", &at, format])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn number(site: &Site, key: &str) -> u64 {
    site.ask::<Option<u64>>(cmd("GET").arg(key)).unwrap_or(0)
}

fn keys(site: &Site, pattern: &str) -> Vec<String> {
    site.ask(cmd("KEYS").arg(pattern))
}

/// The sum of a field over some hashes: the minute may change while a test runs.
fn sum(site: &Site, keys: &[String], field: &str) -> u64 {
    let values = keys.iter().map(|key| hash(site, key));
    values
        .filter_map(|fields| fields.get(field)?.parse::<u64>().ok())
        .sum()
}

/// A class' histogram, read as Sidekiq reads it.
fn histogram(site: &Site, class: &str) -> Vec<u64> {
    let mut sums = vec![0; 26];
    for key in keys(site, &format!("h|{class}-*")) {
        let mut read = cmd("BITFIELD_RO");
        read.arg(&key);
        for bucket in 0..26 {
            read.arg("GET").arg("u16").arg(format!("#{bucket}"));
        }
        let counts: Vec<u64> = site.ask(&read);
        sums.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_and_failures_are_counted_for_ever_by_day_and_by_class() {
    let site = Site::start();
    let began = site.clock();
    let worker = worker(site.config(), &Arc::new(Semaphore::new(0)));
    for number in 0..12 {
        push(&site, "Ok", "[]", &format!("ok{number}"));
    }
    for number in 0..3 {
        push(&site, "Nap", "[300]", &format!("nap{number}"));
        push(&site, "Fail", "[]", &format!("fail{number}"));
    }
    // ActiveJob's jobs are counted under their own class.
    let wrapped = r#"{"class":"Ok","wrapped":"Report","args":[],"jid":"w","queue":"default"}"#;
    site.push("default", wrapped);
    // Not a job: buried, and no run.
    site.push("default", "{");
    // Unknown here: a run that failed.
    push(&site, "Nobody", "[]", "nobody");
    site.settle();
    worker.stop().await.unwrap();

    let ended = site.clock();
    assert_eq!(number(&site, "stat:processed"), 20);
    assert_eq!(number(&site, "stat:failed"), 4);
    let mut days = vec![date(began, "+%F"), date(ended, "+%F")];
    days.dedup();
    for (kind, total) in [("processed", 20), ("failed", 4)] {
        let of_days: Vec<String> = days
            .iter()
            .map(|day| format!("stat:{kind}:{day}"))
            .collect();
        let sum: u64 = of_days.iter().map(|key| number(&site, key)).sum();
        assert_eq!(sum, total, "{kind}");
        let five_years = ttl(&site, of_days.last().unwrap());
        assert!(
            (157_679_940..=157_680_000).contains(&five_years),
            "{five_years}"
        );
    }
    assert_eq!(keys(&site, "stat:*").len(), 2 + 2 * days.len());
    metrics(&site, began, ended);
}

fn metrics(site: &Site, began: f64, ended: f64) {
    // The minute's key, and the same without its last digit for ten minutes.
    let mut minutes = Vec::new();
    let mut at = began;
    while at < ended + 60.0 {
        minutes.push(date(at.min(ended), "+j|%y%m%d|%-H:%M"));
        at += 60.0;
    }
    minutes.dedup();
    let (mut fine, mut coarse) = (Vec::new(), Vec::new());
    for key in keys(site, "j|*") {
        let of_minute = minutes.contains(&key);
        let of_ten = minutes
            .iter()
            .any(|minute| minute[..minute.len() - 1] == key);
        assert!(of_minute || of_ten, "{key} is none of {minutes:?}");
        let hours = if of_minute { 8 } else { 72 };
        let left = ttl(site, &key);
        assert!(
            (hours * 3600 - 60..=hours * 3600).contains(&left),
            "{key}: {left}"
        );
        if of_minute {
            fine.push(key)
        } else {
            coarse.push(key)
        }
    }
    for keys in [&fine, &coarse] {
        let seen = |field: &str| sum(site, keys, field);
        assert_eq!((seen("Ok|p"), seen("Ok|f")), (12, 0));
        assert_eq!((seen("Nap|p"), seen("Nap|f")), (3, 0));
        assert_eq!((seen("Fail|p"), seen("Fail|f")), (3, 3));
        assert_eq!(seen("Fail|ms"), 0, "only successful runs count their time");
        assert_eq!(
            (seen("Report|p"), seen("Nobody|p"), seen("Nobody|f")),
            (1, 1, 1)
        );
        assert!((900..9000).contains(&seen("Nap|ms")), "{}", seen("Nap|ms"));
    }
    // `h|Class-D-H:M`, nothing padded.
    for key in keys(site, "h|Nap-*") {
        let mut expected = [began, ended].into_iter().map(|at| {
            let minute = date(at, "+%M").parse::<u32>().unwrap();
            format!("h|Nap-{}:{minute}", date(at, "+%-d-%-H"))
        });
        assert!(expected.any(|name| name == key), "{key}");
        assert!((8 * 3600 - 60..=8 * 3600).contains(&ttl(site, &key)));
    }
    let naps = histogram(site, "Nap");
    assert_eq!(naps.iter().sum::<u64>(), 3);
    assert_eq!(
        naps[..7].iter().sum::<u64>(),
        0,
        "{naps:?}: 300 ms lie above 225"
    );
    let quick = histogram(site, "Ok");
    assert_eq!(quick.iter().sum::<u64>(), 12);
    // What the buckets say and what the sum of the times says must fit.
    let total = sum(site, &fine, "Nap|ms");
    let bound = |bucket: usize| if bucket == 0 { 0 } else { BOUNDS[bucket - 1] };
    let low: u64 = naps.iter().enumerate().map(|(b, n)| bound(b) * n).sum();
    let high: u64 = naps
        .iter()
        .enumerate()
        .map(|(b, n)| BOUNDS[b].saturating_mul(*n))
        .sum();
    assert!((low..=high).contains(&total), "{total} ms in {naps:?}");
    assert_eq!(histogram(site, "Fail").iter().sum::<u64>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_while_redis_was_down_is_written_when_it_is_back() {
    let site = Site::over(RedisServer::with_aof(), "");
    let gate = Arc::new(Semaphore::new(0));
    let worker = worker(site.config(), &gate);
    shown(&site, &worker);
    push(&site, "Ok", "[]", "before");
    wait_eq(crate::NEXT_BEAT, "the first count", &1, || {
        number(&site, "stat:processed")
    });
    for number in 0..5 {
        push(&site, "Gate", "[]", &format!("j{number}"));
    }
    push(&site, "Fail", "[]", "f");
    wait_until(SOON, "five run, one has failed", || {
        site.count("retry") == 1 && number_in_flight(&site) == 5
    });
    site.redis.kill9();
    gate.add_permits(5);
    // The subject: a beat comes and finds no Redis.
    tokio::time::sleep(Duration::from_secs(7)).await;
    site.redis.restart();
    site.reconnect();
    wait_eq(Duration::from_secs(20), "every run is counted", &7, || {
        number(&site, "stat:processed")
    });
    assert_eq!(number(&site, "stat:failed"), 1);
    site.settle();
    worker.stop().await.unwrap();
    assert_eq!(number(&site, "stat:processed"), 7, "and none twice");
    assert_eq!(sum(&site, &keys(&site, "j|*|*:??"), "Gate|p"), 5);
    assert_eq!(histogram(&site, "Gate").iter().sum::<u64>(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_cannot_be_written_does_not_inflate_the_others() {
    let site = Site::start();
    site.ask::<()>(cmd("SET").arg("stat:failed").arg("not a number"));
    let worker = worker(site.config(), &Arc::new(Semaphore::new(0)));
    let identity = shown(&site, &worker);
    for number in 0..5 {
        push(&site, "Ok", "[]", &format!("ok{number}"));
    }
    push(&site, "Fail", "[]", "fail");
    site.settle();
    worker.quiet(); // Beats come at once, and again when one has failed.
    wait_eq(crate::NEXT_BEAT, "a beat", &"true".to_owned(), || {
        hash(&site, &identity)["quiet"].clone()
    });
    tokio::time::sleep(Duration::from_secs(1)).await; // The subject: more beats.
    worker.stop().await.unwrap();
    assert_eq!(number(&site, "stat:processed"), 6);
    assert_eq!(site.redis.cli(&["GET", "stat:failed"]), "not a number");
}

fn number_in_flight(site: &Site) -> usize {
    let keys: Vec<String> = keys(site, "gandy:inflight:*");
    let count = |key: &String| {
        site.ask::<HashMap<String, String>>(cmd("HGETALL").arg(key))
            .len()
    };
    keys.iter().map(count).sum()
}

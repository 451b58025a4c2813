//! What a worker shows of itself and counts is what Sidekiq's readers expect, and what they tell it is done.
#![allow(clippy::unwrap_used)]

#[path = "heartbeat/counters.rs"]
mod counters;
mod support;
#[path = "heartbeat/told.rs"]
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gandy::{CapsuleConfig, Context, JobError, RunningWorker, StampFormat, Worker, WorkerConfig};
use gandy_tests::{wait_eq, wait_for, wait_until};
use redis::cmd;
use serde_json::{Value, json};
use support::{SOON, Site};
use tokio::sync::Semaphore;

/// A beat comes every 5 s; this is for the next one, on a machine that has other things to do.
pub(crate) const NEXT_BEAT: Duration = Duration::from_secs(12);

/// A worker of the classes `Gate` (ends when it is let through), `Ok`, `Nap` (milliseconds) and `Fail`.
pub(crate) fn worker(config: WorkerConfig, gate: &Arc<Semaphore>) -> RunningWorker {
    let gate = Arc::clone(gate);
    Worker::builder(config)
        .signals(false)
        .handler_fn("Ok", |(), _: Context| async { Ok(()) })
        .handler_fn("Nap", |(millis,): (u64,), _: Context| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(())
        })
        .handler_fn("Fail", |(), _: Context| async {
            Err(JobError::retry("Boom", "as asked"))
        })
        .handler_fn("Gate", move |(), ctx: Context| {
            let gate = Arc::clone(&gate);
            async move {
                ctx.set_progress(3, Some(10), "a \"third\"");
                let _pass = gate.acquire().await?;
                Ok(())
            }
        })
        .build()
        .unwrap()
        .start()
}

pub(crate) fn push(site: &Site, class: &str, args: &str, jid: &str) -> String {
    let payload = format!(
        r#"{{"class":"{class}","args":{args},"jid":"{jid}","queue":"default","retry":true,"x":1.10}}"#
    );
    site.push("default", &payload);
    payload
}

pub(crate) fn hash(site: &Site, key: &str) -> HashMap<String, String> {
    site.ask(cmd("HGETALL").arg(key))
}

pub(crate) fn ttl(site: &Site, key: &str) -> i64 {
    site.ask(cmd("TTL").arg(key))
}

fn exists(site: &Site, key: &str) -> bool {
    site.ask(cmd("EXISTS").arg(key))
}

/// The worker's identity, once its first beat is in Redis.
pub(crate) fn shown(site: &Site, worker: &RunningWorker) -> String {
    let identity = wait_for(SOON, "the worker joins", || worker.identity());
    wait_until(SOON, "the first beat", || exists(site, &identity));
    identity
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_shows_itself_as_sidekiqs_processes_do() {
    let site = Site::start();
    let mut config = site.config();
    config.queues = vec!["critical,3".into(), "default".into()];
    config.concurrency = 4;
    config.tag = "shop".into();
    config.labels = vec!["blue".into()];
    config.capsules = vec![CapsuleConfig {
        name: "single".into(),
        queues: vec!["low".into(), "default".into()],
        concurrency: 1,
    }];
    let worker = worker(config, &Arc::new(Semaphore::new(0)));
    let identity = shown(&site, &worker);
    let processes: Vec<String> = site.ask(cmd("SMEMBERS").arg("processes"));
    assert_eq!(processes, [identity.as_str()]);
    assert!((50..=60).contains(&ttl(&site, &identity)));

    let fields = hash(&site, &identity);
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    let sidekiqs = [
        "beat",
        "busy",
        "concurrency",
        "info",
        "quiet",
        "rss",
        "rtt_us",
    ];
    assert_eq!(names, sidekiqs);
    assert_eq!((&*fields["busy"], &*fields["quiet"]), ("0", "false"));
    assert_eq!(fields["concurrency"], "5");
    let number = |name: &str| fields[name].parse::<f64>().unwrap();
    assert!((site.clock() - number("beat")).abs() < 20.0);
    assert!(fields["beat"].contains('.'), "float seconds");
    assert!(number("rss") > 1000.0 && number("rtt_us") >= 0.0);

    let info: Value = serde_json::from_str(&fields["info"]).unwrap();
    let (host, rest) = identity.split_once(':').unwrap();
    let (pid, nonce) = rest.split_once(':').unwrap();
    assert_eq!(pid, std::process::id().to_string());
    assert_eq!(nonce.len(), 12);
    let started = info["started_at"].as_f64().unwrap();
    assert!((site.clock() - started).abs() < 20.0);
    let expected = json!({
        "hostname": host,
        "started_at": info["started_at"],
        "pid": std::process::id(),
        "tag": "shop",
        "concurrency": 5,
        "capsules": {
            "default": {"concurrency": 4, "mode": "weighted", "weights": {"critical": 3, "default": 1}},
            "single": {"concurrency": 1, "mode": "strict", "weights": {"low": 0, "default": 0}},
        },
        "queues": ["critical", "default", "low"],
        "weights": [{"critical": 3, "default": 1}, {"low": 0, "default": 0}],
        "labels": ["blue"],
        "identity": identity,
        "version": info["version"],
        "embedded": true,
    });
    assert_eq!(info, expected);
    worker.stop().await.unwrap();

    // Nothing of it is left; Sidekiq would leave the hash to its time.
    let processes: Vec<String> = site.ask(cmd("SMEMBERS").arg("processes"));
    assert!(processes.is_empty());
    let left: Vec<String> = site.ask(cmd("KEYS").arg(format!("*{identity}*")));
    assert!(left.is_empty(), "{left:?}");
    assert!(!exists(&site, "gandy:fleet"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_jobs_are_shown_with_payload_time_and_progress_and_then_no_more() {
    let site = Site::start();
    let gate = Arc::new(Semaphore::new(0));
    let worker = worker(site.config(), &gate);
    let identity = shown(&site, &worker);
    let before = site.clock();
    let payloads = ["a", "b"].map(|jid| push(&site, "Gate", "[]", jid));
    let key = format!("{identity}:work");
    wait_until(NEXT_BEAT, "both are shown", || hash(&site, &key).len() == 2);
    assert!((50..=60).contains(&ttl(&site, &key)));
    let fields = hash(&site, &identity);
    assert_eq!(fields["busy"], "2");
    let mut shown: Vec<Value> = Vec::new();
    for (id, value) in hash(&site, &key) {
        let base36 = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        assert!(!id.is_empty() && id.bytes().all(base36), "{id}");
        // As Ruby writes it, and one field that its readers ignore.
        assert!(
            value.starts_with(r#"{"queue":"default","payload":"{"#),
            "{value}"
        );
        shown.push(serde_json::from_str(&value).unwrap());
    }
    for run in &shown {
        assert!(payloads.contains(&run["payload"].as_str().unwrap().to_owned()));
        let run_at = run["run_at"].as_i64().unwrap() as f64;
        assert!((before.floor() - 1.0..=site.clock()).contains(&run_at));
        let progress = json!({"done": 3, "total": 10, "note": "a \"third\""});
        assert_eq!(run["gandy_progress"], progress);
    }
    let old = format!("{identity}:workers");
    assert!(!exists(&site, &old), "only while an older Ruby reads");
    old_readers(&site, &gate).await;
    gate.add_permits(2);
    wait_until(NEXT_BEAT, "nothing is shown any more", || {
        !exists(&site, &key)
    });
    wait_eq(NEXT_BEAT, "busy", &"0".to_owned(), || {
        hash(&site, &identity)["busy"].clone()
    });
    worker.stop().await.unwrap();
}

/// A worker whose payloads are read by older Rubies shows its runs where those look, too.
async fn old_readers(site: &Site, gate: &Arc<Semaphore>) {
    let mut config = site.config();
    config.queues = vec!["old".into()];
    config.stamps = StampFormat::Seconds;
    config.timeout = Duration::ZERO;
    let worker = worker(config, gate);
    let identity = shown(site, &worker);
    site.push("old", r#"{"class":"Gate","args":[],"jid":"old"}"#);
    wait_until(SOON, "it runs", || worker.busy() == 1);
    worker.quiet(); // The next beat comes at once.
    let (new, old) = (format!("{identity}:work"), format!("{identity}:workers"));
    wait_until(NEXT_BEAT, "it is shown", || exists(site, &old));
    assert_eq!(hash(site, &old), hash(site, &new));
    assert!((50..=60).contains(&ttl(site, &old)));
    worker.stop().await.unwrap();
    assert!(!exists(site, &old), "gone with the worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heartbeat_hook_runs_at_the_first_beat_and_after_an_outage() {
    let site = Site::start();
    let count = Arc::new(AtomicUsize::new(0));
    let fired = Arc::clone(&count);
    let worker = Worker::builder(site.config())
        .signals(false)
        .on_heartbeat(|| panic!("a hook's own problem"))
        .on_heartbeat(move || {
            fired.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .unwrap()
        .start();
    let identity = shown(&site, &worker);
    let fired = || count.load(Ordering::Relaxed);
    wait_eq(SOON, "the first beat's hook", &1, fired);
    worker.quiet(); // Which a beat says at once.
    wait_eq(NEXT_BEAT, "the second beat", &"true".to_owned(), || {
        hash(&site, &identity)["quiet"].clone()
    });
    assert_eq!(fired(), 1, "not at every beat");
    // For a minute nothing was heard of it.
    site.ask::<()>(cmd("DEL").arg(&identity));
    wait_eq(NEXT_BEAT, "the hook after the outage", &2, fired);
    worker.stop().await.unwrap();
    assert_eq!(fired(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_processes_of_any_make_are_removed_at_most_once_a_minute() {
    let site = Site::start();
    let add = |identity: &str| site.ask::<()>(cmd("SADD").arg("processes").arg(identity));
    let shows =
        |identity: &str| -> bool { site.ask(cmd("SISMEMBER").arg("processes").arg(identity)) };
    let (living, dead) = ("vm:1:a4dc4b6ef2be", "vm:2:a4dc4b6ef2be");
    for identity in [living, dead, "not even an identity"] {
        add(identity);
    }
    site.ask::<()>(cmd("HSET").arg(living).arg("info").arg("{}"));
    let gate = Arc::new(Semaphore::new(0));
    let first = worker(site.config(), &gate);
    wait_until(SOON, "the dead are removed", || !shows(dead));
    wait_until(SOON, "all the dead", || !shows("not even an identity"));
    assert!(shows(living));
    let key = "process_cleanup";
    assert_eq!(site.redis.cli(&["GET", key]), "1");
    assert!((50..=60).contains(&ttl(&site, key)));
    // Within the minute nobody looks again.
    add(dead);
    let second = worker(site.config(), &gate);
    let identity = shown(&site, &second);
    second.quiet(); // Which the second beat says at once.
    wait_eq(NEXT_BEAT, "two beats", &"true".to_owned(), || {
        hash(&site, &identity)["quiet"].clone()
    });
    assert!(shows(dead));
    site.ask::<()>(cmd("DEL").arg(key));
    let third = worker(site.config(), &gate);
    wait_until(SOON, "a minute later", || !shows(dead));
    for worker in [first, second, third] {
        assert!(shows(&worker.identity().unwrap()));
        worker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_came_back_empty_shows_the_worker_again() {
    let site = Site::start();
    let worker = worker(site.config(), &Arc::new(Semaphore::new(0)));
    let first = shown(&site, &worker);
    site.redis.restart();
    site.reconnect();
    // Its identity is not known there, so it takes a new one.
    wait_until(Duration::from_secs(20), "it is shown again", || {
        let now = worker.identity();
        now.is_some_and(|now| now != first && exists(&site, &now))
    });
    push(&site, "Ok", "[]", "j");
    wait_until(SOON, "and works", || site.is_settled());
    worker.stop().await.unwrap();
}

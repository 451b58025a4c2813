//! Jobs, queues, processes, runs and deploys that carry given texts in each of their fields.

use std::time::{SystemTime, UNIX_EPOCH};

use gandy_tests::RedisServer;
use serde_json::json;

pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A job with the text wherever one may stand.
fn job(text: &str) -> String {
    json!({
        "class": text, "wrapped": text, "jid": text, "queue": text, "retry": text, "tags": [text, text],
        "args": [text, { text: text }, [[text]]], "bid": text, "retry_queue": text, "expires_in": text,
        "error_class": text, "error_message": text, "error_backtrace": [text, text], "retry_count": 2,
        "created_at": 1_795_398_104_597_i64, "enqueued_at": 1_795_398_104_597_i64,
        "failed_at": 1_795_398_105_000_i64, "retried_at": 1_795_398_106_000_i64, text: text,
    })
    .to_string()
}

fn add(redis: &RedisServer, command: &[&str], more: &[String]) {
    let all: Vec<&str> = command
        .iter()
        .copied()
        .chain(more.iter().map(String::as_str))
        .collect();
    let said = redis.cli(&all);
    assert!(!said.contains("ERR"), "{command:?}: {said}");
}

/// Each text in everything: four jobs, bytes that are no job, a queue, a process with a run, a class, a deploy.
pub(crate) fn fill(redis: &RedisServer, texts: &[String]) {
    let jobs: Vec<String> = texts.iter().map(|text| job(text)).collect();
    for (set, score) in [
        ("retry", 4_000_000_000_i64),
        ("schedule", 4_000_000_000),
        ("dead", now_s() - 60),
    ] {
        let scored: Vec<String> = jobs
            .iter()
            .zip(score..)
            .flat_map(|(job, score)| [score.to_string(), job.clone()])
            .collect();
        add(redis, &["ZADD", set], &scored);
    }
    let raw = format!("{{no job {}", texts.join(" "));
    add(
        redis,
        &["ZADD", "dead", "1795398104"],
        std::slice::from_ref(&raw),
    );
    add(
        redis,
        &["HSET", "gandy:reasons", &gandy::digest(raw.as_bytes())],
        &[texts.join(" ")],
    );
    add(redis, &["SADD", "queues"], texts);
    add(redis, &["SADD", "processes"], texts);
    let beat = now_s().to_string();
    let minute = chrono::DateTime::from_timestamp(now_s(), 0).unwrap();
    let mut counts = Vec::new();
    let mut marks = Vec::new();
    for (at, (text, job)) in texts.iter().zip(&jobs).enumerate() {
        add(
            redis,
            &["LPUSH", &format!("queue:{text}")],
            std::slice::from_ref(job),
        );
        let info = json!({
            "hostname": text, "tag": text, "labels": [text, text], "queues": [text], "version": text,
            "identity": text, "started_at": 1_795_398_104.25, "concurrency": 5,
        });
        let process = [
            ("info", info.to_string()),
            ("busy", "1".to_owned()),
            ("beat", beat.clone()),
            ("quiet", "false".to_owned()),
            ("rss", "9000".to_owned()),
            ("rtt_us", "90".to_owned()),
        ];
        let fields: Vec<String> = process
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect();
        add(redis, &["HSET", text], &fields);
        let work = json!({ "queue": text, "payload": job, "run_at": 1_795_398_104, "gandy_progress": { "done": 1, "total": 9, "note": text } });
        add(
            redis,
            &["HSET", &format!("{text}:work"), text],
            &[work.to_string()],
        );
        for (what, count) in [("p", "5"), ("f", "2"), ("ms", "90")] {
            counts.extend([format!("{text}|{what}"), count.to_owned()]);
        }
        let minute = minute - chrono::Duration::minutes(i64::try_from(at).unwrap());
        marks.extend([
            minute.format("%Y-%m-%dT%H:%M:00Z").to_string(),
            text.clone(),
        ]);
    }
    // Minute by minute, and in steps of ten.
    let key = minute.format("j|%y%m%d|%-H:%M").to_string();
    add(redis, &["HSET", &key], &counts);
    add(redis, &["HSET", &key[..key.len() - 1]], &counts);
    add(
        redis,
        &["HSET", &minute.format("%Y%m%d-marks").to_string()],
        &marks,
    );
}

//! What failures leave behind: error fields, all other bytes, the dead set, counters.

use std::{io::Read as _, time::Duration};

use base64::Engine as _;
use gandy::StampFormat;
use gandy_tests::wait_for;

use crate::{
    bench::{Bench, int},
    support::{Entry, SOON},
};

/// As Ruby reads it: strict Base64, zlib, a JSON array of lines.
fn backtrace(entry: &Entry) -> Vec<String> {
    let json = entry.json();
    let text = json["error_backtrace"].as_str().unwrap();
    assert!(text.starts_with("eJ"), "{text}");
    let zlib = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    let mut lines = String::new();
    flate2::read::ZlibDecoder::new(&*zlib)
        .read_to_string(&mut lines)
        .unwrap();
    serde_json::from_str(&lines).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backtraces_are_stored_as_the_job_asks() {
    let bench = Bench::start();
    let trace = r#"["trace",30]"#;
    let lines = |fields: &str| backtrace(&bench.fate(trace, fields).1.retry());
    assert_eq!(lines(r#""backtrace":true"#).len(), 30);
    assert_eq!(
        lines(r#""backtrace":3"#),
        ["app.rs:0", "app.rs:1", "app.rs:2"]
    );
    for fields in [
        "",
        r#""backtrace":false"#,
        r#""backtrace":0"#,
        r#""backtrace":null"#,
    ] {
        let entry = bench.fate(trace, fields).1.retry();
        assert!(entry.json().get("error_backtrace").is_none(), "{fields}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_cut_at_ten_thousand_characters() {
    let bench = Bench::start();
    for (length, kept) in [(9_999, 9_999), (10_000, 10_000), (50_000_000, 10_000)] {
        let (_, fate) = bench.fate(&format!(r#"["shout",{length}]"#), "");
        let json = fate.retry().json();
        let message = json["error_message"].as_str().unwrap();
        assert_eq!(message.chars().count(), kept);
        assert!(message.chars().all(|char| char == 'ä'));
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_byte_of_a_failed_job_stays() {
    let bench = Bench::start();
    let job = r#" { "class" : "Do", "args":["fail"],
        "jid":"odd", "queue":"q", "n":12345678901234567890, "f":1.10, "e":[], "z":-0.0, "x":1E400,
        "u":"\u2028\ud800", "dup":1, "dup":2, "wide":"日本", "error_class":"Old" } "#;
    bench.site.push("q", job);
    bench.site.settle();
    let entry = bench.whereabouts("odd").retry();
    // Not read as JSON: serde_json, as many others, knows no 1E400 and no half surrogate.
    let text = entry.text();
    let (_, after) = text.split_once(r#""failed_at":"#).unwrap();
    let failed_at = after.split(',').next().unwrap();
    let expected = job
        .replace(r#""error_class":"Old""#, r#""error_class":"Boom""#)
        .replace(
            " } ",
            &format!(r#","error_message":"no luck","failed_at":{failed_at},"retry_count":0 }} "#),
        );
    assert_eq!(entry.text(), expected);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_set_is_trimmed_by_count_and_age_with_its_reasons() {
    let bench = Bench::with(
        |config| {
            config.dead_max_jobs = 10;
            config.dead_timeout = Duration::from_secs(1000);
        },
        |builder| builder,
    );
    let site = &bench.site;
    // One that has been dead for longer than the limit, and one that has not.
    site.add("dead", site.clock() - 1001.0, "too old");
    site.add("dead", site.clock() - 990.0, "old");
    site.push("q", "not a job");
    site.settle();
    let members = || -> Vec<String> { site.entries("dead").iter().map(Entry::text).collect() };
    assert_eq!(members(), ["old", "not a job"]);
    assert!(site.reason(b"not a job").is_some());

    // As Sidekiq: one fewer than the limit stays, the youngest.
    let jids: Vec<String> = (0..12).map(|_| bench.fate(r#"["bury"]"#, "").0).collect();
    let left = members();
    assert_eq!(left.len(), 9);
    for (jid, text) in jids[3..].iter().zip(&left) {
        assert!(text.contains(&format!(r#""jid":"{jid}""#)), "{text}");
    }
    assert_eq!(site.reason(b"not a job"), None, "it goes with its entry");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_count_as_processed_and_a_snooze_does_not_count() {
    let bench = Bench::start();
    for args in [
        r#"["ok"]"#,
        r#"["fail"]"#,
        r#"["discard"]"#,
        r#"["snooze",300]"#,
    ] {
        bench.fate(args, "");
    }
    bench.site.push("q", "not a job");
    bench.site.settle();
    let Bench { site, worker, .. } = bench;
    worker.stop().await.unwrap();
    // Flushed at the latest at the end.
    let count = |name: &str| site.ask::<i64>(redis::cmd("GET").arg(name));
    assert_eq!((count("stat:processed"), count("stat:failed")), (3, 2));
    let days: Vec<String> = site.ask(redis::cmd("KEYS").arg("stat:failed:*"));
    assert_eq!(days.len(), 1, "{days:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_ruby_is_taken_up_where_ruby_left_it() {
    // Sidekiq 7's own form: seconds as floats, an old backtrace with line breaks.
    let bench = Bench::start();
    let job = r#"{"retry":25,"queue":"q","args":["fail"],"class":"Do","jid":"ruby","created_at":1795398164.3647704,"enqueued_at":1795398164.36,"error_message":"old","error_class":"RuntimeError","failed_at":1795398165.5,"retry_count":3,"retried_at":1795398175.25}"#;
    bench.site.add("retry", 1, job);
    let entry = wait_for(SOON, "the next failure", || {
        let entry = bench.site.entry("retry", "ruby")?;
        entry.text().contains("Boom").then_some(entry)
    });
    assert_eq!(int(&entry, "retry_count"), 4);
    assert!(
        entry.text().contains(r#""failed_at":1795398165.5,"#),
        "as it was"
    );
    assert!(entry.text().contains(r#""created_at":1795398164.3647704,"#));
    assert_eq!(bench.log.of("ruby"), ["run 5", "error Boom"]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stamps_are_milliseconds_or_seconds_as_the_worker_is_told() {
    let bench = Bench::with(
        |config| config.stamps = StampFormat::Seconds,
        |builder| builder,
    );
    let before = bench.site.clock();
    let (jid, fate) = bench.fate(r#"["fail"]"#, "");
    let failed_at = fate.retry().json()["failed_at"].clone();
    assert!(failed_at.is_f64(), "{failed_at}");
    let window = before - 0.002..bench.site.clock() + 0.002;
    assert!(window.contains(&failed_at.as_f64().unwrap()), "{failed_at}");
    let json = bench.retry_now(&jid).retry().json();
    for field in ["failed_at", "retried_at", "enqueued_at"] {
        assert!(json[field].is_f64(), "{field}: {json}");
    }
    bench.end().await;
}

//! Acts on single jobs by their ids.

use gandy_tests::{Proc, RedisServer, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{DEADLINE, command, gandy};
use crate::{RUBY, entries, load, numbers};

fn id(number: u64) -> String {
    format!("{number:024}")
}

#[test]
fn a_job_is_found_wherever_it_waits() {
    let redis = RedisServer::start();
    for (at, key) in ["retry", "schedule", "dead", "queue:default", "queue:low"]
        .into_iter()
        .enumerate()
    {
        load(&redis, key, 10 * at as u64, 5);
    }
    redis.cli(&["SADD", "queues", "default", "low"]);
    assert_eq!(
        gandy(&redis, &["delete", &id(1), &id(11), &id(41)]).done(),
        "3 jobs deleted\n"
    );
    assert_eq!(numbers(&redis, "retry"), [0, 2, 3, 4]);
    assert_eq!(numbers(&redis, "schedule"), [10, 12, 13, 14]);
    assert_eq!(numbers(&redis, "queue:low"), [40, 42, 43, 44]);
    assert_eq!(
        gandy(&redis, &["bury", &id(2), &id(42)]).done(),
        "2 jobs buried\n"
    );
    assert_eq!(redis.cli(&["ZCARD", "dead"]), "7");
    let report = gandy(
        &redis,
        &[
            "move",
            &id(0),
            &id(20),
            &id(40),
            "--to",
            "queue:other",
            "--json",
        ],
    )
    .json();
    assert_eq!(
        (&report["act"], &report["done"]),
        (&json!("move"), &json!(3))
    );
    assert_eq!(numbers(&redis, "queue:other"), [0, 20, 40]);
    assert!(
        entries(&redis, "queue:other")
            .iter()
            .all(|job| job.contains(r#""queue":"other""#))
    );
    assert_eq!(redis.cli(&["SISMEMBER", "queues", "other"]), "1");
    assert_eq!(
        gandy(&redis, &["retry", &id(3), "--dry-run"]).done(),
        "1 job would be retried\n"
    );
    assert_eq!(
        gandy(&redis, &["retry", &id(3), "--from", "retry"]).done(),
        "1 job retried\n"
    );
    assert_eq!(numbers(&redis, "retry"), [4]);
    assert_eq!(numbers(&redis, "queue:default"), [30, 31, 32, 33, 34, 3]);
}

#[test]
fn what_is_not_there_or_cannot_be_done_is_said_and_the_rest_is_done() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 2);
    load(&redis, "queue:default", 3, 1);
    redis.cli(&["SADD", "queues", "default"]);
    let answer = gandy(
        &redis,
        &["retry", &id(1), "nobody\u{1b}[2J", &id(3), &id(2), "--json"],
    );
    assert_eq!(answer.code, 65, "{answer:?}");
    assert!(
        answer.err.contains("nobody\\u{1b}[2J: no such job"),
        "{answer:?}"
    );
    assert!(
        answer.err.contains("waits in queue default already"),
        "{answer:?}"
    );
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        report,
        json!({"act": "retry", "matched": 3, "done": 2, "gone": 0, "skipped": 1, "refused": 0, "newer": 0,
            "missing": ["nobody\u{1b}[2J"], "dry_run": false, "interrupted": false, "declined": false, "error": null})
    );
    assert_eq!(numbers(&redis, "queue:default"), [3, 1, 2]);
    // In the place that was named, and nowhere else.
    let answer = gandy(&redis, &["delete", &id(3), "--from", "dead"]);
    assert_eq!((answer.code, answer.out.as_str()), (65, "0 jobs deleted\n"));
}

/// What Ruby's own button leaves behind, and every other byte as it was.
#[test]
fn a_job_of_rubys_is_retried_as_its_button_does_and_keeps_its_bytes() {
    for by_filter in [false, true] {
        let redis = RedisServer::start();
        redis.cli(&["ZADD", "retry", "1795398999.25", RUBY]);
        let args: &[&str] = match by_filter {
            true => &["retry", "--from", "retry", "--filter", "tag:a", "--yes"],
            false => &["retry", "b5de70b63090decd6440fd9e"],
        };
        assert_eq!(gandy(&redis, args).done(), "1 job retried\n");
        let job = &entries(&redis, "queue:mailers")[0];
        let at = job
            .split(r#""enqueued_at":"#)
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        assert!(at.len() == 13 && at.parse::<u64>().is_ok(), "{at}");
        let expected = RUBY
            .replace(
                r#""enqueued_at":1795398164.4"#,
                &format!(r#""enqueued_at":{at}"#),
            )
            .replace(r#""retry_count":3"#, r#""retry_count":2"#);
        assert_eq!(*job, expected);
        assert_eq!(redis.cli(&["EXISTS", "retry"]), "0");
        assert_eq!(redis.cli(&["SMEMBERS", "queues"]), "mailers");
    }
}

#[test]
fn an_error_in_the_middle_says_what_was_done_until_then() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 2);
    // Whoever is not found in retry is looked for here next.
    redis.cli(&["SET", "schedule", "no set"]);
    let args = ["delete", &id(1), &id(9), &id(2), "--json"];
    let answer = gandy(&redis, &args);
    assert!(![0, 65].contains(&answer.code), "{answer:?}");
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        (&report["matched"], &report["done"]),
        (&json!(1), &json!(1))
    );
    let said = format!("At job {}; those before it are done", id(9));
    assert!(
        report["error"].as_str().unwrap().contains(&said),
        "{report}"
    );
    assert!(
        answer.err.contains(&said) && answer.err.contains("1 job deleted."),
        "{answer:?}"
    );
    assert_eq!(numbers(&redis, "retry"), [2]);
}

#[test]
fn ctrl_c_ends_it_between_two_jobs() {
    let redis = RedisServer::start();
    load(&redis, "retry", 0, 3_000);
    let ids: Vec<String> = (0..3_000).map(id).collect();
    let args: Vec<&str> = ["delete", "--json"]
        .into_iter()
        .chain(ids.iter().map(String::as_str))
        .collect();
    let gandy = Proc::spawn("gandy", command(&[("REDIS_URL", &redis.url())], &args));
    wait_until(DEADLINE, "the first to be deleted", || {
        redis.cli(&["ZCARD", "retry"]) != "3000"
    });
    gandy.signal(Signal::SIGINT);
    assert_eq!(gandy.wait_exit(DEADLINE).code(), Some(130));
    let report: Value = serde_json::from_str(&gandy.stdout()).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["done"], 3_000 - numbers(&redis, "retry").len());
}

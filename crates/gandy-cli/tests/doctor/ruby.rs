//! A data set that Ruby's Sidekiq wrote, and Ruby beside.

use gandy_tests::{History, RubySidekiq, wait_until};
use serde_json::json;

use crate::{DEADLINE, codes, finding, fix, look, sound, subjects};

#[test]
fn what_ruby_wrote_is_examined_and_what_its_dead_left_is_repaired() {
    let redis = sound();
    let Some(ruby) = RubySidekiq::find("what_ruby_wrote_is_examined", &redis) else {
        return;
    };
    let history = History::new();
    let worker = ruby.worker(&history, &["-q", "default", "-c", "2"]);
    ruby.push(&[
        json!({"class": "FailJob", "args": ["ü"], "backtrace": 3}),
        json!({"class": "FailJob", "args": ["buried"], "retry": 0}),
        json!({"class": "EchoJob", "args": [1.5, null], "at": 9_999_999_999_u64}),
    ]);
    wait_until(DEADLINE, "one retry and one dead job", || {
        redis.cli(&["ZCARD", "retry"]) == "1" && redis.cli(&["ZCARD", "dead"]) == "1"
    });
    let report = look(&redis);
    assert_eq!(codes(&report), ["ruby-memory"], "{report}");
    assert_eq!(
        subjects(&report, "ruby-memory"),
        [(worker.identity().to_owned(), 1)]
    );
    assert!(
        finding(&report, "ruby-memory")["reason"]
            .as_str()
            .unwrap()
            .contains("P1")
    );

    // It dies with a job aboard, and nobody is there who would take its record off the list.
    let sleeping = ruby.push(&[json!({"class": "SleepJob", "args": [600]})]);
    assert_eq!(sleeping.len(), 1);
    wait_until(DEADLINE, "the job runs", || {
        redis.cli(&["LLEN", "queue:default"]) == "0"
    });
    worker.process().kill9();
    redis.cli(&["DEL", worker.identity()]);
    ruby.push(&[json!({"class": "EchoJob", "args": [], "queue": "urgent"})]);
    ruby.push_bulk(&json!({"class": "EchoJob", "args": [[1], [2]]}));
    // A dashboard's "clear" beside a push.
    redis.cli(&["SREM", "queues", "urgent"]);
    let before = crate::everything(&redis);
    let report = look(&redis);
    assert_eq!(
        codes(&report),
        ["silent-process", "unlisted-queue", "unserved-queue"],
        "{report}"
    );
    assert_eq!(
        subjects(&report, "unserved-queue"),
        [("default".into(), 2), ("urgent".into(), 1)]
    );
    assert_eq!(crate::everything(&redis), before);
    assert_eq!(fix(&redis, "silent-process").0, 1);
    assert_eq!(fix(&redis, "unlisted-queue").0, 1);
    assert_eq!(ruby.processes(), [] as [serde_json::Value; 0]);
    assert_eq!(ruby.queues()["urgent"]["size"], 1);
    // The entries are as Ruby wrote them.
    assert_eq!(ruby.entries("retry")[0]["args"], json!(["ü"]));
}

#[test]
fn private_lists_of_super_fetch_are_reported_and_left_alone() {
    let redis = sound();
    let list = "queue:sq|web1:4711:a4dc4b6ef2be|default";
    redis.cli(&["LPUSH", list, "x", "y"]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["super-fetch-list"]);
    assert_eq!(
        subjects(&report, "super-fetch-list"),
        [(list.to_owned(), 2)]
    );
    assert_eq!(fix(&redis, "unlisted-queue").0, 0);
    assert_eq!(redis.cli(&["LLEN", list]), "2");
}

//! `gandy export` and `import`: every byte and every score comes back.

use gandy_tests::RedisServer;
use serde_json::json;

use crate::support::{calls, gandy, gandy_fed};
use crate::{RUBY, entries, load, numbers};

/// All entries of a set with their scores, as Redis writes them.
fn scored(redis: &RedisServer, key: &str) -> Vec<(Vec<u8>, String)> {
    redis::cmd("ZRANGE")
        .arg(key)
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query(&mut redis.conn())
        .unwrap()
}

#[test]
fn a_set_comes_back_byte_for_byte_however_often() {
    let redis = RedisServer::start();
    load(&redis, "dead", 0, 3_000);
    let add = |score: &str, bytes: &[u8]| {
        redis::cmd("ZADD")
            .arg("dead")
            .arg(score)
            .arg(bytes)
            .exec(&mut redis.conn())
            .unwrap();
    };
    add("1795398104.5970001", RUBY.as_bytes());
    add("-0.1", b"\xff\xfe\x00 no UTF-8 \x1b[2J");
    add("+inf", "\u{202e}\u{9b}x".as_bytes());
    add(
        "1e-7",
        format!(
            r#"{{"class":"Big","args":["{}"],"jid":"b"}}"#,
            "\\u001b\u{1b}x".repeat(200_000)
        )
        .as_bytes(),
    );
    let before = scored(&redis, "dead");
    let export = gandy(&redis, &["export", "dead"]);
    assert_eq!(export.err, "note: 3004 jobs exported\n");
    let lines = export.done();
    assert_eq!(lines.lines().count(), 3_004);
    assert!(
        !lines.chars().any(|char| char.is_control() && char != '\n'),
        "printed safely"
    );
    // Into nothing, into some, and into all of it.
    for gone in [3_004, 1_000, 0] {
        if gone > 0 {
            redis.cli(&["ZREMRANGEBYRANK", "dead", "0", &(gone - 1).to_string()]);
        }
        let report = gandy_fed(&redis, &["import", "-", "--json"], &lines).json();
        assert_eq!(
            report,
            json!({"imported": gone, "already_there": 3_004 - gone, "lines": 3_004, "error": null})
        );
        assert_eq!(scored(&redis, "dead"), before);
    }
    let some = gandy(&redis, &["export", "dead", "--filter", "class:Rare"]).done();
    assert_eq!(some.lines().count(), 3);
}

#[test]
fn a_queue_comes_back_in_its_order_and_it_is_said_that_twice_is_twice() {
    let redis = RedisServer::start();
    load(&redis, "queue:default", 0, 1_200);
    let lines = gandy(&redis, &["export", "queue:default"]).done();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &lines).unwrap();
    redis.cli(&["FLUSHALL"]);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let path = file.path().to_str().unwrap();
    let answer = gandy(&redis, &["import", path]);
    assert!(
        answer.err.contains("would enqueue them again"),
        "{answer:?}"
    );
    assert_eq!(answer.done(), "1200 jobs imported, 0 there already\n");
    assert_eq!(
        numbers(&redis, "queue:default"),
        (0..1_200).collect::<Vec<_>>()
    );
    assert_eq!(redis.cli(&["SMEMBERS", "queues"]), "default");
    assert!(calls(&redis, "lpush") < 10);
    gandy(&redis, &["import", path, "--skip", "1199"]).done();
    assert_eq!(numbers(&redis, "queue:default").len(), 1_201);
}

#[test]
fn a_wrong_line_is_named_and_those_before_it_are_done() {
    let redis = RedisServer::start();
    let good = r#"{"place":"retry","score":"1.5","raw":"a"}"#;
    for (bad, said) in [
        ("nonsense", "none that gandy export wrote"),
        (
            r#"{"place":"retry","score":"1"}"#,
            "one of `raw` and `base64`",
        ),
        (
            r#"{"place":"retry","score":"1","raw":"a","base64":"YQ=="}"#,
            "and not both",
        ),
        (
            r#"{"place":"retry","score":"1","base64":"?"}"#,
            "`base64` is none",
        ),
        (r#"{"place":"retry","raw":"a"}"#, "`score` is missing"),
        (r#"{"place":"retry","score":"nan","raw":"a"}"#, "no number"),
        (
            r#"{"place":"queue:a","score":"1","raw":"a"}"#,
            "have no `score`",
        ),
        (
            r#"{"place":"retries","score":"1","raw":"a"}"#,
            "did you mean retry?",
        ),
        (r#"{"place":"\u001b[2J","score":"1","raw":"a"}"#, "`place`"),
        (
            r#"{"place":"retry","score":"1","raw":"a","more":1}"#,
            "unknown field",
        ),
    ] {
        redis.cli(&["FLUSHALL"]);
        let input = format!("{good}\n\n{bad}\n{}\n", good.replace("\"a\"", "\"b\""));
        let err = gandy_fed(&redis, &["import", "-"], input).failed(65);
        assert!(
            err.starts_with("error: line 3: ") && err.contains(said),
            "{bad}: {err}"
        );
        assert!(
            err.contains("1 job imported") && err.contains("--skip 1") && !err.contains('\u{1b}'),
            "{err}"
        );
        assert_eq!(entries(&redis, "retry"), ["a"], "{bad}");
    }
    assert!(
        gandy(&redis, &["import", "/nowhere/at/all"])
            .failed(74)
            .contains("could not be read")
    );
}

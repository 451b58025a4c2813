//! Queues and the jobs in them.

use crate::{codes, finding, fix, job, look, sound, subjects};

#[test]
fn a_queue_that_no_list_names_is_listed_and_an_empty_name_is_fine() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "empty"]);
    redis.cli(&["LPUSH", "queue:low", &job("a", "low"), &job("b", "low")]);
    redis.cli(&["LPUSH", "gandy:landing:bell", &job("c", "bell")]);
    let report = look(&redis);
    assert_eq!(
        codes(&report),
        ["landed-jobs", "unlisted-queue", "unserved-queue"]
    );
    assert_eq!(
        subjects(&report, "unlisted-queue"),
        [("bell".into(), 1), ("low".into(), 2)]
    );
    assert_eq!(fix(&redis, "unlisted-queue").0, 2);
    assert_eq!(redis.cli(&["SCARD", "queues"]), "3");
}

#[test]
fn a_job_that_is_there_twice_is_left_once_where_it_runs_first() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    let later = |jid: &str| job(jid, "low").replace('}', r#","retry_count":3}"#);
    redis.cli(&[
        "LPUSH",
        "queue:low",
        &job("a", "low"),
        &job("twice", "low"),
        &job("twice", "low"),
    ]);
    redis.cli(&[
        "ZADD",
        "retry",
        "99999999999",
        &later("a"),
        "99999999999",
        &later("b"),
    ]);
    redis.cli(&["ZADD", "schedule", "99999999999", &job("b", "low")]);
    redis.cli(&[
        "ZADD",
        "dead",
        "9999999999",
        &later("a"),
        "9999999999",
        &job("alone", "low"),
    ]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["unserved-queue", "duplicate-job"]);
    let named = subjects(&report, "duplicate-job");
    let named: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        named,
        [
            "a in queue:low and retry",
            "a in queue:low and dead",
            "b in retry and schedule",
            "twice in queue:low and queue:low",
        ]
    );
    assert_eq!(fix(&redis, "duplicate-job").0, 4);
    assert_eq!(redis.cli(&["LLEN", "queue:low"]), "2");
    assert_eq!(redis.cli(&["ZRANGE", "retry", "0", "-1"]), later("b"));
    assert_eq!(
        redis.cli(&["ZRANGE", "dead", "0", "-1"]),
        job("alone", "low")
    );
    assert_eq!(redis.cli(&["EXISTS", "schedule"]), "0");
}

#[test]
fn different_jobs_under_one_jid_are_never_taken_for_copies() {
    let redis = sound();
    redis.cli(&["ZADD", "schedule", "99999999999", &job("a", "low")]);
    redis.cli(&[
        "ZADD",
        "dead",
        "9999999999",
        &job("a", "low").replace("[1]", "[2]"),
    ]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["shared-jid"]);
    assert_eq!(finding(&report, "shared-jid")["severity"], "note");
    assert_eq!(fix(&redis, "duplicate-job").0, 0);
    assert_eq!(
        (
            redis.cli(&["ZCARD", "schedule"]),
            redis.cli(&["ZCARD", "dead"])
        ),
        ("1".into(), "1".into())
    );
}

#[test]
fn what_is_no_job_is_buried_as_it_is() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&["LPUSH", "queue:low", "no job", "[]", &job("a", "low")]);
    redis.cli(&["LPUSH", "gandy:landing:low", "neither"]);
    redis.cli(&["ZADD", "retry", "1", "nor this"]);
    redis.cli(&["ZADD", "dead", "9999999999", "where it belongs"]);
    let report = look(&redis);
    assert_eq!(
        codes(&report),
        [
            "landed-jobs",
            "unserved-queue",
            "unparsable-job",
            "unparsable-dead"
        ]
    );
    let named = [
        ("retry".into(), 1),
        ("queue:low".into(), 2),
        ("gandy:landing:low".into(), 1),
    ];
    assert_eq!(subjects(&report, "unparsable-job"), named);
    assert_eq!(fix(&redis, "unparsable-job").0, 4);
    assert_eq!(
        (
            redis.cli(&["ZCARD", "dead"]),
            redis.cli(&["LLEN", "queue:low"])
        ),
        ("5".into(), "1".into())
    );
    assert!(
        redis
            .cli(&["ZRANGE", "dead", "0", "-1"])
            .lines()
            .any(|entry| entry == "no job")
    );
}

#[test]
fn a_look_is_bounded_and_says_what_it_left_out() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    let mut conn = redis.conn();
    let mut pipe = redis::pipe();
    for number in 0..12_000 {
        pipe.cmd("LPUSH")
            .arg("queue:low")
            .arg(job(&format!("j{number}"), "low"))
            .ignore();
        pipe.cmd("ZADD")
            .arg("retry")
            .arg("99999999999")
            .arg(job(&format!("r{number}"), "low"))
            .ignore();
    }
    // 40 MB in six entries.
    for number in 0..6 {
        let wide = job(&format!("w{number}"), "low")
            .replace("[1]", &format!("[\"{}\"]", "x".repeat(7_000_000)));
        pipe.cmd("ZADD")
            .arg("dead")
            .arg("9999999999")
            .arg(wide)
            .ignore();
    }
    pipe.exec(&mut conn).unwrap();
    let report = look(&redis);
    let left_out: Vec<&str> = report["unknown"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unknown| unknown["what"].as_str().unwrap())
        .collect();
    for key in ["retry", "queue:low", "dead"] {
        let start = format!("the jobs in {key} beyond ");
        assert!(
            left_out.iter().any(|what| what.starts_with(&start)),
            "{key}: {left_out:?}"
        );
    }
    // The first that are popped are among those that are read.
    redis.cli(&["ZADD", "dead", "9999999999", &job("j0", "low")]);
    redis.cli(&["ZREMRANGEBYRANK", "dead", "1", "-1"]);
    let stats = redis.cli(&["INFO", "commandstats"]);
    for banned in ["keys", "smembers", "hgetall"] {
        assert!(!stats.contains(&format!("cmdstat_{banned}:")), "{banned}");
    }
}

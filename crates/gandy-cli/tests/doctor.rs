//! `gandy doctor`: each finding is produced on a real Redis, seen, repaired where a command can, and seen no more; a look
//! changes nothing.
#![allow(clippy::unwrap_used)]

#[path = "doctor/ask.rs"]
mod ask;
#[path = "doctor/fleet.rs"]
mod fleet;
#[path = "doctor/jobs.rs"]
mod jobs;
#[path = "doctor/page.rs"]
mod page;
#[path = "doctor/rights.rs"]
mod rights;
#[path = "doctor/ruby.rs"]
mod ruby;
#[path = "doctor/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;

use gandy_tests::RedisServer;
use serde_json::Value;
use support::{DEADLINE, document, gandy, run};

const SOMEBODY: &str = "host:1:a4dc4b6ef2be";
const ANOTHER: &str = "host:2:a4dc4b6ef2be";

/// A server of which nothing is wrong by itself.
fn sound() -> RedisServer {
    let redis = RedisServer::with(&["--appendonly", "yes", "--maxmemory", "200mb"]);
    assert_eq!(codes(&look(&redis)), [] as [&str; 0]);
    redis
}

/// What the doctor says, whatever it finds; its exit code is held to that.
#[track_caller]
fn look(redis: &RedisServer) -> Value {
    told(redis, &[])
}

#[track_caller]
fn told(redis: &RedisServer, args: &[&str]) -> Value {
    let answer = gandy(redis, &[&["doctor", "--json"], args].concat());
    let report = document(&answer.out);
    let mut all = report["findings"].as_array().unwrap().iter();
    let grave = all.any(|finding| finding["severity"] != "note");
    assert_eq!(answer.code, i32::from(grave), "{answer:?}");
    report
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    // A loaded machine answers late, and that is no test's subject but one's.
    let found = report["findings"].as_array().unwrap().iter();
    found.filter(|finding| finding["code"] != "slow-round-trip")
}

fn codes(report: &Value) -> Vec<&str> {
    findings(report)
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[track_caller]
fn finding<'a>(report: &'a Value, code: &str) -> &'a Value {
    let found = findings(report).find(|finding| finding["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {report}"))
}

/// The subjects of a finding: name and count.
#[track_caller]
fn subjects(report: &Value, code: &str) -> Vec<(String, u64)> {
    let subjects = finding(report, code)["subjects"].as_array().unwrap();
    let subject = |subject: &Value| {
        let name = subject["name"].as_str().unwrap().to_owned();
        (name, subject["count"].as_u64().unwrap())
    };
    subjects.iter().map(subject).collect()
}

/// Repairs one code and gives how much was done and what was said; the finding must be gone then, and a second repair
/// find nothing to do.
#[track_caller]
fn fix(redis: &RedisServer, code: &str) -> (u64, String) {
    let report = told(redis, &["--fix", code, "--yes"]);
    assert!(!codes(&report).contains(&code), "{report}");
    let fixed = &report["fixed"][0];
    assert_eq!(fixed["code"], code);
    let again = told(redis, &["--fix", code, "--yes"]);
    assert_eq!(again["fixed"][0]["done"], 0, "{again}");
    let what = fixed["what"].as_str().unwrap().to_owned();
    (fixed["done"].as_u64().unwrap(), what)
}

/// Every key with its exact content.
fn everything(redis: &RedisServer) -> BTreeMap<String, Vec<u8>> {
    let mut conn = redis.conn();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut conn).unwrap();
    let dump = |key: String| {
        let bytes = redis::cmd("DUMP").arg(&key).query(&mut conn).unwrap();
        (key, bytes)
    };
    keys.into_iter().map(dump).collect()
}

fn job(jid: &str, queue: &str) -> String {
    format!(
        r#"{{"class":"Any","args":[1],"jid":"{jid}","queue":"{queue}","created_at":1795398104597}}"#
    )
}

#[test]
fn a_look_changes_nothing() {
    let redis = RedisServer::start();
    let set = |args: &[&str]| drop(redis.cli(args));
    set(&["LPUSH", "queue:lost", &job("a", "lost"), "no job"]);
    set(&["LPUSH", "gandy:landing:lost", &job("b", "lost")]);
    set(&["ZADD", "retry", "1", &job("a", "lost"), "2", "no job"]);
    set(&["SADD", "processes", SOMEBODY]);
    set(&["HSET", "gandy:fleet", SOMEBODY, "{}"]);
    set(&[
        "HSET",
        &format!("gandy:inflight:{ANOTHER}"),
        "1:lost",
        &job("c", "lost"),
    ]);
    set(&["SET", "dead", "not a set"]);
    let before = everything(&redis);
    let report = look(&redis);
    for code in [
        "no-persistence",
        "no-memory-limit",
        "wrong-type",
        "orphaned-in-flight",
        "unreaped-worker",
        "landed-jobs",
        "silent-process",
        "unlisted-queue",
        "unserved-queue",
        "duplicate-job",
        "unparsable-job",
    ] {
        let found = finding(&report, code);
        assert!(found["count"].as_u64().unwrap() > 0, "{found}");
        assert_eq!(found["fixable"], found["would"].is_string(), "{found}");
    }
    assert_eq!(codes(&report).len(), 11, "{report}");
    let shown = gandy(&redis, &["doctor"]);
    assert_eq!(shown.code, 1);
    for part in [
        "error orphaned-in-flight\n  host:2:",
        "  --fix unlisted-queue: ",
        "4 errors, 6 warnings, 1 note\n",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    assert_eq!(everything(&redis), before);
}

#[test]
fn what_no_command_can_repair_is_refused_with_what_a_person_does() {
    let redis = RedisServer::start();
    for (args, said) in [
        (
            &["--fix", "eviction-policy"][..],
            "CONFIG SET maxmemory-policy noeviction",
        ),
        (&["--fix", "no-such-thing"], "docs/doctor.md"),
        (&["--fix", "unlisted-queue"], "add --yes"),
        (&["--yes"], "--fix"),
        (
            &["--role", "admin"],
            "producer, worker, dashboard or operator",
        ),
    ] {
        let answer = gandy(&redis, &[&["doctor"], args].concat()).failed(2);
        assert!(answer.contains(said), "{args:?}: {answer}");
    }
    let away = run(&[("REDIS_URL", "redis://127.0.0.1:1/0")], &["doctor"], b"");
    away.failed(69);
}

#[test]
fn names_from_redis_do_nothing_to_a_terminal() {
    let redis = RedisServer::start();
    redis.cli(&["LPUSH", "queue:\u{1b}[2J", "x"]);
    let shown = gandy(&redis, &["doctor"]);
    assert!(
        !shown.out.contains('\u{1b}') && shown.out.contains("\\u{1b}[2J"),
        "{}",
        shown.out
    );
}

#[test]
fn a_namespace_is_looked_at_and_no_other() {
    let redis = sound();
    redis.cli(&["LPUSH", "queue:lost", "no job"]);
    redis.cli(&["LPUSH", "shop:queue:low", &job("a", "low")]);
    let report = told(&redis, &["--namespace", "shop"]);
    assert_eq!(codes(&report), ["unlisted-queue", "unserved-queue"]);
    assert_eq!(subjects(&report, "unlisted-queue"), [("low".into(), 1)]);
    let fixed = told(
        &redis,
        &["--namespace", "shop", "--fix", "unlisted-queue", "--yes"],
    );
    assert_eq!(codes(&fixed), ["unserved-queue"]);
    assert_eq!(redis.cli(&["SMEMBERS", "shop:queues"]), "low");
    assert_eq!(redis.cli(&["EXISTS", "queues"]), "0");
}

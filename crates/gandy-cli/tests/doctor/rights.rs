//! Users of Redis: what they may look at, repair, and be.

use std::fmt::Write;
use std::path::Path;

use gandy_tests::RedisServer;
use serde_json::Value;

use crate::support::{document, gandy, run};
use crate::{SOMEBODY, codes, finding, job, told};

const ROLES: [&str; 4] = ["producer", "worker", "dashboard", "operator"];

/// A server with the users of deploy/acl; each has its name for a password.
fn server() -> RedisServer {
    server_of("gandy.acl")
}

fn server_of(file: &str) -> RedisServer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/acl")
        .join(file);
    let mut acl = std::fs::read_to_string(path).unwrap();
    for role in ROLES {
        let mark = format!("#{}_SHA256", role.to_uppercase());
        acl = acl.replace(&mark, &format!(">{role}"));
    }
    RedisServer::with_users(&acl, &["--appendonly", "yes", "--maxmemory", "200mb"])
}

fn as_user(redis: &RedisServer, user: &str, args: &[&str]) -> (i32, String, String) {
    let url = format!("redis://{user}:{user}@127.0.0.1:{}/0", redis.port());
    let answer = run(
        &[("REDIS_URL", &url)],
        &[&["doctor", "--json"], args].concat(),
        b"",
    );
    (answer.code, answer.out, answer.err)
}

fn unknown(report: &Value) -> String {
    let mut text = String::new();
    for unknown in report["unknown"].as_array().unwrap() {
        writeln!(text, "{}: {}", unknown["what"], unknown["why"]).unwrap();
    }
    text
}

#[test]
fn the_users_of_the_acl_file_fill_their_roles_and_no_other_workers() {
    let functions = server_of("gandy-functions.acl");
    for role in ROLES {
        let report = told(&functions, &["--role", role, "--user", role]);
        assert_eq!(codes(&report), [] as [&str; 0], "{report}");
    }
    let redis = server();
    for role in ROLES {
        let report = told(&redis, &["--role", role, "--user", role]);
        assert_eq!(codes(&report), [] as [&str; 0], "{report}");
        assert_eq!(report["user"], role);
    }
    for (user, role, denied) in [
        ("producer", "worker", "BLMOVE queue:default"),
        ("dashboard", "operator", "EVALSHA"),
        ("worker", "dashboard", "HGETALL host:1:"),
        ("operator", "worker", "SCAN"),
    ] {
        let report = told(&redis, &["--role", role, "--user", user]);
        let reason = finding(&report, "missing-rights")["reason"]
            .as_str()
            .unwrap();
        assert!(
            reason.contains(&format!("{user} as {role} is denied ")),
            "{reason}"
        );
        assert!(
            reason.contains(denied) || reason.contains(" more"),
            "{reason}"
        );
    }
}

#[test]
fn a_right_that_is_taken_away_is_named_with_its_key() {
    let redis = server();
    redis.cli(&["ACL", "SETUSER", "worker", "-hstrlen"]);
    let report = told(&redis, &["--role", "worker", "--user", "worker"]);
    let reason = finding(&report, "missing-rights")["reason"]
        .as_str()
        .unwrap();
    assert!(
        reason.ends_with("worker as worker is denied HSTRLEN gandy:inflight:host:1:a4dc4b6ef2be"),
        "{reason}"
    );
    redis.cli(&["ACL", "SETUSER", "app", "on", ">app", "~queue:*", "+lpush"]);
    let report = told(&redis, &["--user", "app"]);
    let reason = finding(&report, "missing-rights")["reason"]
        .as_str()
        .unwrap();
    assert!(reason.contains("app as producer is denied"), "{reason}");
}

#[test]
fn without_a_dry_run_the_list_of_commands_is_asked() {
    let redis = server();
    redis.cli(&[
        "ACL",
        "SETUSER",
        "auditor",
        "on",
        ">auditor",
        "~*",
        "+@all",
        "-acl|dryrun",
        "-fcall",
        "-evalsha",
    ]);
    let (_, out, _) = as_user(&redis, "auditor", &["--role", "worker"]);
    let report = document(&out);
    let reason = finding(&report, "missing-rights")["reason"]
        .as_str()
        .unwrap();
    assert!(
        reason.ends_with("auditor as worker is denied EVALSHA, FCALL (keys were not looked at)"),
        "{reason}"
    );
}

#[test]
fn an_operator_finds_what_it_may_see_and_says_what_it_may_not() {
    let redis = server();
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&["SADD", "processes", SOMEBODY]);
    redis.cli(&["LPUSH", "queue:low", &job("a", "low"), "no job"]);
    redis.cli(&["ZADD", "dead", "9999999999", &job("a", "low")]);
    // It was seen in `processes`, so that it is found without a scan.
    redis.cli(&[
        "HSET",
        &format!("gandy:inflight:{SOMEBODY}"),
        "1:low",
        &job("b", "low"),
    ]);
    redis.cli(&["ACL", "LOG", "RESET"]);
    let (code, out, _) = as_user(&redis, "operator", &[]);
    let report = document(&out);
    assert_eq!(
        codes(&report),
        [
            "orphaned-in-flight",
            "silent-process",
            "unserved-queue",
            "duplicate-job",
            "unparsable-job"
        ]
    );
    assert_eq!(code, 1);
    let unseen = unknown(&report);
    for what in [
        "queues that no list names",
        "in-flight hashes that no list names",
        "the rights of this user",
    ] {
        assert!(unseen.contains(what), "{what}: {unseen}");
    }
    assert!(unseen.contains("NOPERM"), "{unseen}");

    let fixes = ["--fix", "duplicate-job", "--fix", "unparsable-job", "--yes"];
    let (_, out, err) = as_user(&redis, "operator", &fixes);
    let report = document(&out);
    assert_eq!(
        codes(&report),
        [
            "orphaned-in-flight",
            "silent-process",
            "unserved-queue",
            "unparsable-dead"
        ],
        "{err}"
    );
    assert_eq!(
        (&report["fixed"][0]["done"], &report["fixed"][1]["done"]),
        (&1.into(), &1.into())
    );
    // What workers hold is not its to touch.
    let (code, out, err) = as_user(
        &redis,
        "operator",
        &["--fix", "orphaned-in-flight", "--yes"],
    );
    assert_eq!((code, out.as_str()), (77, ""));
    assert!(
        err.contains("a worker's rights") && err.contains("safe to repeat"),
        "{err}"
    );
}

#[test]
fn every_role_gets_an_answer() {
    let redis = server();
    for role in ["worker", "dashboard"] {
        let (code, out, err) = as_user(&redis, role, &[]);
        assert_eq!(code, 0, "{role}: {out}{err}");
        assert!(!unknown(&document(&out)).is_empty());
    }
    // A producer sees next to nothing, and is told.
    let (code, out, err) = as_user(&redis, "producer", &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(unknown(&document(&out)).contains("NOPERM"));
}

#[test]
fn where_no_script_may_be_brought_along_installed_functions_repair() {
    let redis = server_of("gandy-functions.acl");
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&["LPUSH", "queue:low", "no job"]);
    let fix = ["--fix", "unparsable-job", "--yes"];
    let (code, _, err) = as_user(&redis, "operator", &fix);
    assert!(code == 77 && err.contains("NOPERM"), "{err}");
    gandy(&redis, &["install-functions"]).done();
    let (code, out, err) = as_user(&redis, "operator", &[&fix[..], &["--functions"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(redis.cli(&["ZRANGE", "dead", "0", "-1"]), "no job");
}

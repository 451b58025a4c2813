//! What goes wrong outside: each with its exit code, in bounded time, with the cause, the next step and no password.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use gandy_faults::{Deed, Plan, Rule, When};
use gandy_tests::{RedisServer, detour, seed};
use support::{command, gandy, run};

const VERBS: [&[&str]; 7] = [
    &["push", "A"],
    &["push", "--stdin"],
    &["stats"],
    &["queues"],
    &["jobs", "retry"],
    &["processes"],
    &["jobs", "queue:default", "--json"],
];

/// Connecting has 2 s and a reply 5 s; the rest is for a loaded machine.
const BOUND: Duration = Duration::from_secs(30);

#[test]
fn without_redis_each_verb_ends_at_once_with_69() {
    // A port that was free a moment ago, and on which nothing listens now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("redis://user:S3CR3T@127.0.0.1:{port}/3");
    for verb in VERBS {
        let began = Instant::now();
        let err = run(&[("REDIS_URL", &url)], verb, b"").failed(69);
        assert!(began.elapsed() < BOUND);
        for said in [
            &format!("Redis at 127.0.0.1:{port}/3 is not available"),
            "refused",
            "--redis URL or REDIS_URL",
        ] {
            assert!(err.contains(said), "{said}: {err}");
        }
        assert!(!err.contains("S3CR3T"), "{err}");
    }
}

#[test]
fn a_redis_that_hangs_ends_it_with_69() {
    let redis = RedisServer::start();
    redis.freeze();
    for verb in [VERBS[0], VERBS[1], VERBS[2]] {
        let began = Instant::now();
        gandy(&redis, verb).failed(69);
        assert!(began.elapsed() < BOUND);
    }
}

#[test]
fn a_write_whose_answer_is_lost_ends_with_75_and_a_look_with_69() {
    let redis = RedisServer::start();
    let proxy = detour(&redis, seed());
    let who = "host:1:0123456789ab";
    redis.cli(&["SADD", "processes", who]);
    redis.cli(&["HSET", who, "info", "{}", "busy", "0", "quiet", "false"]);
    redis.cli(&["HSET", "gandy:fleet", who, "{}"]);
    redis.cli(&["SET", &format!("gandy:lease:{who}"), "-"]);
    redis.cli(&[
        "HSET",
        &format!("gandy:inflight:{who}"),
        "1:q",
        r#"{"class":"A","args":[],"jid":"j1"}"#,
    ]);
    let url = proxy.url();
    let lost = |command: &str, verb: &[&str]| {
        proxy.set(Plan::default().rule(Rule::of(command, When::Nth(1), Deed::Lose)));
        let answer = run(&[("REDIS_URL", &url)], verb, b"");
        assert!(!answer.err.contains("Nothing was changed"), "{answer:?}");
        answer
    };
    for (command, verb) in [
        ("SADD", &["pause", "low"][..]),
        ("SREM", &["unpause", "low"]),
        ("SET", &["mark", "v1"]),
        ("LPUSH", &["quiet", who]),
        ("LPUSH", &["stop", who]),
        ("unlist", &["clear", "queue:low", "--yes"]),
    ] {
        let answer = lost(command, verb);
        assert_eq!(answer.code, 75, "{verb:?}: {answer:?}");
        for said in ["it is done or not", "again"] {
            assert!(answer.err.contains(said), "{verb:?}: {answer:?}");
        }
    }
    let cancel = ["cancel", "j1", "--timeout", "300ms"];
    let wish = lost("LPUSH", &cancel);
    assert_eq!(wish.code, 75, "{wish:?}");
    assert!(wish.err.contains("run it again"), "{wish:?}");
    // Nothing was done before the wish.
    proxy.set(Plan::default().rule(Rule::of("GET", When::Nth(1), Deed::Lose)));
    run(&[("REDIS_URL", &url)], &cancel, b"").failed(69);
}

#[test]
fn a_wrong_password_ends_it_with_77_and_is_not_shown() {
    let redis = RedisServer::with(&["--requirepass", "RIGHT"]);
    for credentials in [":S3CR3T@", "nobody:S3CR3T@", ""] {
        let url = format!("redis://{credentials}127.0.0.1:{}/0", redis.port());
        for verb in VERBS {
            let err = run(&[], &[verb, &["--redis", &url]].concat(), b"").failed(77);
            assert!(err.contains("check the user and the password"), "{err}");
            assert!(!err.contains("S3CR3T") && !err.contains("RIGHT"), "{err}");
        }
    }
    gandy(&redis, &["stats"]).done();
}

#[test]
fn a_full_redis_ends_a_push_with_69() {
    let redis = RedisServer::with(&["--maxmemory", "1"]);
    let err = gandy(&redis, &["push", "A"]);
    assert_eq!(err.code, 69, "{err:?}");
    assert!(err.err.contains("is full (maxmemory reached)"), "{err:?}");
    assert_eq!(err.out, "");
}

#[test]
fn missing_rights_end_it_with_77() {
    let redis = RedisServer::start();
    redis.cli(&[
        "ACL",
        "SETUSER",
        "looker",
        "on",
        ">pw",
        "~*",
        "+@read",
        "+@connection",
    ]);
    let url = format!("redis://looker:pw@127.0.0.1:{}/0", redis.port());
    let err = run(&[("REDIS_URL", &url)], &["push", "A"], b"");
    assert_eq!(err.code, 77, "{err:?}");
    assert!(err.err.contains("NOPERM"), "{err:?}");
    run(&[("REDIS_URL", &url)], &["queues"], b"").failed(77);
}

#[test]
fn a_key_of_another_type_ends_it_with_77() {
    let redis = RedisServer::start();
    redis.cli(&["SET", "retry", "text"]);
    assert!(
        gandy(&redis, &["jobs", "retry"])
            .failed(77)
            .contains("WRONGTYPE")
    );
    redis.cli(&["SET", "queue:default", "text"]);
    assert!(
        gandy(&redis, &["push", "A"])
            .failed(77)
            .contains("WRONGTYPE")
    );
}

#[test]
fn a_wrong_url_ends_it_with_2_and_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").to_string_lossy().into_owned();
    let empty = folder.path().join("empty").to_string_lossy().into_owned();
    std::fs::write(&empty, "\n").unwrap();
    for (env, args, said) in [
        (
            &[][..],
            &["stats", "--redis", "http://u:S3CR3T@h"][..],
            "redis://[USER:PASSWORD@]HOST",
        ),
        (&[], &["stats", "--redis", ""], "the Redis URL is empty"),
        (
            &[("REDIS_URL", "redis://u:S3CR3T@:bad/x")],
            &["push", "A"],
            "redis://[USER:PASSWORD@]HOST",
        ),
        (
            &[("REDIS_URL_FILE", missing.as_str())],
            &["queues"],
            "cannot read the Redis URL from",
        ),
        (
            &[("REDIS_URL_FILE", empty.as_str())],
            &["queues"],
            "the Redis URL is empty",
        ),
        (&[], &["stats", "redis://u:S3CR3T@h"], "redis://u:***@h"),
        (&[], &["redis://u:S3CR3T@h"], "redis://u:***@h"),
        (
            &[],
            &["stats", "--json=redis://u:S3CR3T@h"],
            "redis://u:***@h",
        ),
        (&[], &["stats", "--namespace", "a b"], "holds whitespace"),
        (&[("GANDY_NAMESPACE", "{}")], &["stats"], "broken hash tag"),
    ] {
        let err = run(env, args, b"").failed(2);
        assert!(err.contains(said), "{args:?}: {err}");
        assert!(!err.contains("S3CR3T"), "{err}");
    }
}

#[test]
fn tls_to_a_server_without_it_is_an_error_and_no_panic() {
    let redis = RedisServer::start();
    let url = format!("rediss://127.0.0.1:{}/0", redis.port());
    run(&[("REDIS_URL", &url)], &["stats"], b"").failed(69);
}

#[test]
fn a_result_that_cannot_be_written_is_an_error_that_names_the_job() {
    let redis = RedisServer::start();
    let url = redis.url();
    let full = || {
        Stdio::from(
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
    };
    let output = command(&[("REDIS_URL", &url)], &["push", "A"])
        .stdout(full())
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{err}");
    let job: serde_json::Value =
        serde_json::from_str(&redis.cli(&["LINDEX", "queue:default", "0"])).unwrap();
    assert!(
        err.contains(&format!(
            "The job {} was pushed.",
            job["jid"].as_str().unwrap()
        )),
        "{err}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let redis = RedisServer::start();
    let url = redis.url();
    for args in [
        &["stats"][..],
        &["stats", "--json"],
        &["push", "A"],
        &["--help"],
        &["push", "--help"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(&[("REDIS_URL", &url)], args)
            .stdout(writer)
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), err.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
        // Nor is one that does not read errors.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = command(&[("REDIS_URL", "bad")], args)
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(
            status.code(),
            Some(if args[0].starts_with("--") || args.contains(&"--help") {
                0
            } else {
                2
            })
        );
    }
}

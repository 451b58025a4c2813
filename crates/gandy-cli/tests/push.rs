//! `gandy push`: what it prints, and exactly what is in Redis afterwards, as redis-cli shows it.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use gandy_tests::{RedisServer, wait_until};
use serde_json::{Value, json};
use support::{DEADLINE, cli, command, document, gandy};

fn now_ms() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap()
}

/// Takes ` "name":number` off the end of a payload and gives the number.
fn last_number<'a>(payload: &'a str, name: &str) -> (&'a str, i64) {
    let (rest, number) = payload.rsplit_once(&format!(",\"{name}\":")).unwrap();
    (rest, number.trim_end_matches('}').parse().unwrap())
}

#[test]
fn a_push_prints_the_jid_and_writes_sidekiqs_bytes() {
    let redis = RedisServer::start();
    let before = now_ms();
    let args = [
        "push",
        "Mailer",
        "42",
        "\"hi\"",
        "12345678901234567890123",
        "{\"a\": 1.50}",
        "--queue",
        "low",
    ];
    let jid = gandy(&redis, &args).done();
    let jid = jid.trim_end_matches('\n');
    assert!(
        jid.len() == 24 && jid.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{jid}"
    );
    let jobs = cli(&redis, &["LRANGE", "queue:low", "0", "-1"]);
    let [job] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    let (rest, enqueued) = last_number(job, "enqueued_at");
    let (rest, created) = last_number(rest, "created_at");
    assert_eq!(
        rest,
        format!(
            "{{\"retry\":true,\"queue\":\"low\",\"args\":[42,\"hi\",12345678901234567890123,{{\"a\": 1.50}}],\"class\":\"Mailer\",\"jid\":\"{jid}\""
        )
    );
    assert!(before <= created && created <= enqueued && enqueued <= now_ms());
    assert_eq!(redis.cli(&["SMEMBERS", "queues"]), "low");
    assert_eq!(redis.cli(&["DBSIZE"]), "2");
}

#[test]
fn each_option_has_its_field_and_no_other_effect() {
    let redis = RedisServer::start();
    for (more, retry) in [
        (&[][..], json!(true)),
        (&["--retry", "3"], json!(3)),
        (&["--retry", "0"], json!(0)),
        (&["--retry", "false"], json!(false)),
        (&["--retry=true"], json!(true)),
        (&["--in", "0s"], json!(true)),
    ] {
        redis.cli(&["FLUSHALL"]);
        let mut args = vec!["push", "Cleanup"];
        args.extend(more);
        let jid = gandy(&redis, &args).done();
        let job: Value =
            serde_json::from_str(&redis.cli(&["LRANGE", "queue:default", "0", "-1"])).unwrap();
        assert_eq!(job["retry"], retry, "{more:?}");
        assert_eq!(
            (&job["args"], &job["queue"], &job["class"]),
            (&json!([]), &json!("default"), &json!("Cleanup"))
        );
        assert_eq!(job["jid"], jid.trim_end());
        assert_eq!(job.as_object().unwrap().len(), 7, "{job}");
    }
}

#[test]
fn delayed_pushes_are_scheduled() {
    let redis = RedisServer::start();
    let before = now_ms();
    let pushed = gandy(
        &redis,
        &[
            "push", "Later", "1", "--in", "1h30m", "--queue", "low", "--json",
        ],
    )
    .json();
    assert_eq!(
        (&pushed["outcome"], &pushed["queue"]),
        (&json!("scheduled"), &json!("low"))
    );
    let [job, score] = cli(&redis, &["ZRANGE", "schedule", "0", "-1", "WITHSCORES"])
        .try_into()
        .unwrap();
    let due = (score.parse::<f64>().unwrap() * 1000.0).round() as i64;
    assert!(
        (before + 5_400_000..=now_ms() + 5_400_000).contains(&due),
        "{due}"
    );
    assert!(
        !job.contains("enqueued_at") && !job.contains("\"at\""),
        "{job}"
    );
    assert!(job.contains(pushed["jid"].as_str().unwrap()));
    // The queue is named when the job gets there.
    assert_eq!(redis.cli(&["DBSIZE"]), "1");

    let zoned = gandy(
        &redis,
        &["push", "Later", "--at", "2099-01-01T01:00:00.250+01:00"],
    );
    assert_eq!((zoned.code, zoned.err.as_str()), (0, ""));
    assert_eq!(
        redis.cli(&["ZCOUNT", "schedule", "4070908800.25", "4070908800.25"]),
        "1"
    );

    let past = gandy(&redis, &["push", "Late", "--at", "2001-01-01T00:00:00Z"]);
    assert!(past.err.contains("that time has passed"), "{past:?}");
    assert_eq!(redis.cli(&["LLEN", "queue:default"]), "1");
}

#[test]
fn arguments_may_be_negative_or_follow_a_double_dash() {
    let redis = RedisServer::start();
    gandy(&redis, &["push", "--queue", "a", "Neg", "-5", "-1.5e3"]).done();
    gandy(&redis, &["push", "--queue", "b", "--", "Neg", "-5", "null"]).done();
    assert!(
        redis
            .cli(&["LRANGE", "queue:a", "0", "-1"])
            .contains("\"args\":[-5,-1.5e3],")
    );
    assert!(
        redis
            .cli(&["LRANGE", "queue:b", "0", "-1"])
            .contains("\"args\":[-5,null],")
    );
}

#[test]
fn an_argument_that_is_no_json_pushes_nothing_and_says_how_to_quote() {
    let redis = RedisServer::start();
    for (args, said) in [
        (
            &["1", "hi"][..],
            "argument 2 is not JSON: hi\nA string needs JSON's double quotes, inside single quotes for the shell: '\"hi\"'",
        ),
        (&["True"], "'\"True\"'"),
        (&[""], "argument 1 is not JSON"),
        (&["{a:1}"], "Put the whole argument into single quotes"),
        (&["1],\"jid\":[2"], "argument 1 is not JSON"),
        (&["\u{1b}[2J"], "\\u{1b}[2J"),
    ] {
        let err = gandy(&redis, &[&["push", "Mailer"], args].concat()).failed(65);
        assert!(err.contains(said), "{err}");
        assert!(!err.contains('\u{1b}'));
    }
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn a_wrong_option_pushes_nothing_and_says_what_is_allowed() {
    let redis = RedisServer::start();
    for (args, said) in [
        (&["push"][..], "gandy push [OPTIONS] --stdin < FILE"),
        (&["push", ""], "a job needs a class"),
        (
            &["push", "{\"class\":\"A\",\"args\":[]}"],
            "a whole job as JSON goes through --stdin",
        ),
        (&["push", "A", "--in", "soon"], "write a span such as 10s"),
        (
            &["push", "A", "--in", "5s", "--at", "2099-01-01T00:00:00Z"],
            "cannot be used with",
        ),
        (
            &["push", "A", "--at", "tomorrow"],
            "write date, time and zone",
        ),
        (
            &["push", "A", "--at", "2099-01-01T00:00:00"],
            "write date, time and zone",
        ),
        (
            &["push", "A", "--retry", "-1"],
            "write a number of retries from 0, true or false",
        ),
        (
            &["push", "A", "--retry", "often"],
            "write a number of retries from 0, true or false",
        ),
        (&["push", "A", "--queue", ""], "a queue needs a name"),
        (
            &["push", "A", "--queue", "a\nb"],
            "holds a control character",
        ),
        (&["push", "A", "--stdin"], "cannot be used with '--stdin'"),
        (
            &["push", "--stdin", "--queue", "low"],
            "cannot be used with",
        ),
        (
            &["push", "A", "--quque", "low"],
            "a similar argument exists: '--queue'",
        ),
    ] {
        let err = gandy(&redis, args).failed(2);
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn a_payload_over_the_limit_is_refused_before_it_is_sent() {
    let redis = RedisServer::start();
    // One word of a command line may have 128 KiB.
    let word = format!("\"{}\"", "x".repeat(120_000));
    let args: Vec<&str> = ["push", "Big"]
        .into_iter()
        .chain([word.as_str(); 9])
        .collect();
    let err = gandy(&redis, &args).failed(65);
    assert!(err.contains("over the limit of 1048576"), "{err}");
    gandy(&redis, &args[..10]).done();
    assert_eq!(redis.cli(&["LLEN", "queue:default"]), "1");
}

#[test]
fn a_push_without_an_answer_is_said_to_be_in_doubt() {
    for json in [false, true] {
        let redis = RedisServer::start();
        // Redis takes the push and keeps it; then it dies.
        redis.cli(&["CLIENT", "PAUSE", "120000", "WRITE"]);
        let url = redis.url();
        let args: &[&str] = if json {
            &["push", "Maybe", "--json"]
        } else {
            &["push", "Maybe"]
        };
        let process = gandy_tests::Proc::spawn("gandy", command(&[("REDIS_URL", &url)], args));
        wait_until(DEADLINE, "the push to be with Redis", || {
            redis.cli(&["CLIENT", "LIST"]).contains("cmd=sadd")
        });
        redis.kill9();
        assert_eq!(
            process.wait_exit(DEADLINE).code(),
            Some(75),
            "{}",
            process.log()
        );
        let err = process.stderr();
        assert!(
            err.contains("may or may not be enqueued") && err.contains("gandy jobs queue:default"),
            "{err}"
        );
        if json {
            let pushed = document(&process.stdout());
            assert_eq!(pushed["outcome"], "unknown");
            assert!(err.contains(pushed["jid"].as_str().unwrap()), "{err}");
        } else {
            assert_eq!(process.stdout(), "");
        }
    }
}

#[test]
fn with_an_idempotency_key_only_the_first_push_is_one() {
    let redis = RedisServer::start();
    let push = ["push", "Invoice", "7", "--idempotency-key", "invoice:7"];
    let first = gandy(&redis, &push).done();
    let second = gandy(&redis, &push);
    assert!(second.err.contains("nothing is pushed now"), "{second:?}");
    assert_eq!(second.done(), first, "the first one's jid");
    let shown = gandy(&redis, &[&push[..], &["--json"]].concat()).json();
    assert_eq!(
        (&shown["jid"], &shown["outcome"]),
        (&json!(first.trim_end()), &json!("duplicate"))
    );
    assert_eq!(redis.cli(&["LLEN", "queue:default"]), "1");
    assert_eq!(
        redis.cli(&["GET", "gandy:pushed:invoice:7"]),
        first.trim_end()
    );
    let day: i64 = redis
        .cli(&["TTL", "gandy:pushed:invoice:7"])
        .parse()
        .unwrap();
    assert!((86_000..=86_400).contains(&day), "{day}");
    let push = [
        "push",
        "A",
        "--idempotency-key",
        "short",
        "--for",
        "1h",
        "--in",
        "5m",
    ];
    gandy(&redis, &push).done();
    let hour: i64 = redis.cli(&["TTL", "gandy:pushed:short"]).parse().unwrap();
    assert!((3_500..=3_600).contains(&hour), "{hour}");
    assert_eq!(redis.cli(&["ZCARD", "schedule"]), "1");
    for (wrong, words) in [
        (&["push", "A", "--for", "1h"][..], "--idempotency-key"),
        (&["push", "A", "--idempotency-key", ""], "invoice:7"),
        (
            &["push", "--stdin", "--idempotency-key", "k"],
            "cannot be used",
        ),
        (
            &["push", "A", "--idempotency-key", "k", "--for", "0s"],
            "1 s to 366 days",
        ),
    ] {
        let text = gandy(&redis, wrong).failed(2);
        assert!(text.contains(words), "{text}");
    }
}

//! `--json`: exactly one document on standard output, for each verb, on any data, with payloads as they are in Redis.
#![allow(clippy::unwrap_used)]

mod support;

use gandy_tests::RedisServer;
use serde_json::{Value, json};
use support::gandy;

const VIEWS: [&[&str]; 9] = [
    &["stats"],
    &["queues"],
    &["processes"],
    &["busy"],
    &["queues", "--rate", "10ms"],
    &["jobs", "queue:default"],
    &["jobs", "schedule"],
    &["jobs", "retry"],
    &["jobs", "dead"],
];

/// Texts that break a terminal or a careless JSON writer.
fn hostile() -> Vec<Vec<u8>> {
    [
        "{\"class\":\"\u{9b}2J\u{7f}\u{202e}\",\"args\":[\"\\u001b[31m\",12345678901234567890123,1.50,1e999],\"jid\":\"a\\nb\"}",
        "{\"class\":\"\\ud800\",\"args\":[],\"jid\":\"1\"}",
        "{\"class\":\"A\",\"args\":[\"\\ud800\"],\"jid\":\"1\"}",
        " {\"class\":\"A\",\r\n\t\"args\":[],\"jid\":\"2\"} ",
        "{\"class\":\"A\",\"class\":\"B\",\"args\":[],\"jid\":\"2\",\"queue\":5}",
        "{\"class\":\"raw \u{1b}[2J\",\"args\":[],\"jid\":\"3\"}",
        "\"\\",
        "",
        "null",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([b"\xff\xfe\x1b[2J".to_vec(), [b"[".repeat(100_000), b"]".repeat(100_000)].concat()])
    .collect()
}

fn fill(redis: &RedisServer) {
    let mut conn = redis.conn();
    let mut pipe = redis::pipe();
    for (place, bytes) in hostile().into_iter().enumerate() {
        pipe.cmd("LPUSH").arg("queue:default").arg(&bytes).ignore();
        for set in ["schedule", "retry", "dead"] {
            pipe.cmd("ZADD").arg(set).arg(place).arg(&bytes).ignore();
        }
        pipe.cmd("SADD").arg("queues").arg(&bytes).ignore();
        pipe.cmd("SADD").arg("processes").arg(&bytes).ignore();
        pipe.cmd("HSET")
            .arg(&bytes)
            .arg("info")
            .arg(&bytes)
            .arg("busy")
            .arg("x")
            .arg("beat")
            .arg("inf")
            .ignore();
        pipe.cmd("HSET")
            .arg([bytes.as_slice(), b":work"].concat())
            .arg(&bytes)
            .arg(&bytes)
            .ignore();
    }
    for (set, score) in [("schedule", "inf"), ("retry", "-inf"), ("dead", "1e300")] {
        pipe.cmd("ZADD").arg(set).arg(score).arg("extreme").ignore();
    }
    pipe.cmd("SADD").arg("queues").arg("default").ignore();
    pipe.query::<()>(&mut conn).unwrap();
}

fn assert_harmless(text: &str) {
    let bad = text
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(bad, None, "{text:?}");
}

#[test]
fn an_empty_redis_gives_documents_too() {
    let redis = RedisServer::start();
    for view in VIEWS {
        let answer = gandy(&redis, &[view, &["--json"]].concat());
        assert_eq!(answer.err, "", "{view:?}");
        let document = answer.json();
        match view {
            ["stats"] => assert!(
                document
                    .as_object()
                    .unwrap()
                    .values()
                    .all(|number| number == 0),
                "{document}"
            ),
            _ => assert_eq!(document, json!([]), "{view:?}"),
        }
    }
}

#[test]
fn hostile_data_gives_one_document_and_harms_no_terminal() {
    let redis = RedisServer::start();
    fill(&redis);
    for view in VIEWS {
        let answer = gandy(&redis, &[view, &["--json"]].concat());
        assert_eq!(answer.code, 0, "{view:?}: {}", answer.err);
        assert_harmless(&answer.out);
        // Nesting beyond 128 and half surrogate pairs are JSON, but more than serde_json's Value takes: see with RawValue.
        let document: &serde_json::value::RawValue = serde_json::from_str(&answer.out).unwrap();
        assert_eq!(document.get(), answer.out.trim_end());
        let answer = gandy(&redis, view);
        assert_eq!(answer.code, 0, "{view:?}: {}", answer.err);
        assert_harmless(&answer.out);
        assert!(answer.out.len() < 100_000, "{view:?}");
    }
    // One job among them: its id is as hostile as the rest, and what stands beside it cannot be read.
    for verb in ["job", "why"] {
        for jid in ["a\nb", "2", "3", "no\u{1b}[2Jbody"] {
            for more in [&[][..], &["--json"]] {
                let answer = gandy(&redis, &[&[verb, jid], more].concat());
                assert!(
                    [0, 1].contains(&answer.code),
                    "{verb} {jid:?}: {}",
                    answer.err
                );
                assert_harmless(&answer.out);
                assert_harmless(&answer.err);
            }
        }
    }
    let out = gandy(&redis, &["job", "a\nb"]).done();
    assert!(
        out.contains("12345678901234567890123, 1.50, 1e999"),
        "{out}"
    );
}

#[test]
fn a_payload_is_shown_exactly_as_it_is() {
    let redis = RedisServer::start();
    let payload = r#"{"class":"A", "args":[12345678901234567890123,1.50,1e999,-0,"\u00e4"],"jid":"j","x":{"b":1,"a":2}}"#;
    redis.cli(&["LPUSH", "queue:default", payload]);
    let out = gandy(&redis, &["jobs", "queue:default", "--json"]).done();
    assert!(out.contains(&format!("\"payload\":{payload},")), "{out}");
}

#[test]
fn what_is_no_job_has_its_text_and_the_problem() {
    let redis = RedisServer::start();
    redis.cli(&["ZADD", "dead", "1.5", "{\"class\":"]);
    assert_eq!(
        gandy(&redis, &["jobs", "dead", "--json"]).json(),
        json!([{
            "place": "dead", "at_ms": 1500, "jid": null, "class": null, "display_class": null, "queue": null,
            "reason": null, "process": null, "payload": null, "problem": "invalid JSON at byte 9: the text ends too early", "raw": "{\"class\":",
        }])
    );
}

#[test]
fn active_job_shows_the_class_that_it_wraps() {
    let redis = RedisServer::start();
    let payload =
        r#"{"class":"ActiveJob::Wrapper","wrapped":"MailJob","args":[],"jid":"j","queue":"mail"}"#;
    redis.cli(&["ZADD", "retry", "2", payload]);
    let job = &gandy(&redis, &["jobs", "retry", "--json"]).json()[0];
    assert_eq!(
        (&job["class"], &job["display_class"]),
        (&json!("ActiveJob::Wrapper"), &json!("MailJob"))
    );
    assert!(gandy(&redis, &["jobs", "retry"]).done().contains("MailJob"));
}

#[test]
fn push_answers_with_a_document() {
    let redis = RedisServer::start();
    let pushed = gandy(&redis, &["push", "Mailer", "1", "--json"]).json();
    let job: Value = serde_json::from_str(&redis.cli(&["LINDEX", "queue:default", "0"])).unwrap();
    assert_eq!(
        pushed,
        json!({"jid": job["jid"], "class": "Mailer", "queue": "default", "outcome": "enqueued"})
    );
}

//! `gandy job` and `why`: every place where a job can be and every reason, on data in a real Redis; the search is bounded,
//! and hostile payloads harm nobody. What takes a worker is in `views_live.rs`.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use gandy_tests::RedisServer;
use serde_json::{Value, json};
use support::gandy;

const GANDY: &str = "host:1:0123456789ab";
const DEAD: &str = "host:2:0123456789ab";
const RUBY: &str = "ruby:3:0123456789ab";

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn job(jid: &str, more: &str) -> String {
    format!(
        r#"{{"class":"Mailer","args":[12345678901234567890123,1.50],"jid":"{jid}","queue":"default"{more}}}"#
    )
}

/// A living Gandy worker with one slot for `queues` and a handler for `class`.
fn worker(redis: &RedisServer, identity: &str, queues: &str, class: &str, quiet: &str) {
    let published = format!(r#"{{"queues":["{queues}"],"classes":["{class}"]}}"#);
    redis.cli(&["HSET", "gandy:fleet", identity, &published]);
    redis.cli(&["SET", &format!("gandy:lease:{identity}"), "-"]);
    let info = format!(
        r#"{{"queues":["{queues}"],"capsules":{{"default":{{"concurrency":1,"mode":"strict","weights":{{"{queues}":0}}}}}}}}"#
    );
    redis.cli(&["SADD", "processes", identity]);
    redis.cli(&[
        "HSET",
        identity,
        "info",
        &info,
        "concurrency",
        "1",
        "quiet",
        quiet,
    ]);
}

fn runs(redis: &RedisServer, identity: &str, jid: &str) {
    let payload = serde_json::to_string(&job(jid, "")).unwrap();
    let entry = format!(
        r#"{{"queue":"default","payload":{payload},"run_at":{},"gandy_progress":{{"done":3,"total":10,"note":"pages"}}}}"#,
        now_s() - 90
    );
    redis.cli(&["HSET", &format!("{identity}:work"), "1", &entry]);
}

fn why(redis: &RedisServer, jid: &str) -> (Vec<String>, String) {
    let document = gandy(redis, &["why", jid, "--json"]).json();
    let codes = document["reasons"].as_array().unwrap().iter();
    let codes = codes.map(|reason| reason["code"].as_str().unwrap().to_owned());
    (codes.collect(), gandy(redis, &["why", jid]).done())
}

#[track_caller]
fn explained(redis: &RedisServer, jid: &str, codes: &[&str], words: &[&str]) {
    let (said, text) = why(redis, jid);
    assert_eq!(said, codes, "{text}");
    for part in words {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_job_is_found_wherever_it_is() {
    let redis = RedisServer::start();
    redis.cli(&["SADD", "queues", "default", "low"]);
    redis.cli(&["RPUSH", "queue:default", &job("q2", ""), &job("q1", "")]);
    redis.cli(&["RPUSH", "gandy:landing:default", &job("l1", "")]);
    redis.cli(&["ZADD", "schedule", "99999999999", &job("s1", "")]);
    let failed = r#","created_at":1795398104000,"enqueued_at":1795398104597,"failed_at":1795398105000,"retried_at":1795398109000,"retry_count":1,"error_class":"Boom","error_message":"no\u001b[2J""#;
    redis.cli(&["ZADD", "retry", "99999999999", &job("r1", failed)]);
    let dead = job("d1", "");
    redis.cli(&["ZADD", "dead", "1795398104", &dead]);
    let digest = redis.cli(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", &dead]);
    redis.cli(&["HSET", "gandy:reasons", &digest, "killed 3 processes"]);
    redis.cli(&["SADD", "gandy:recovered:d1", DEAD, GANDY]);
    worker(&redis, GANDY, "default", "Mailer", "false");
    redis.cli(&[
        "HSET",
        &format!("gandy:inflight:{GANDY}"),
        "7:default",
        &job("f1", ""),
    ]);
    runs(&redis, GANDY, "f1");
    let outcome = r#"{"at":1795398104597,"outcome":"done","will_retry":false}"#;
    redis.cli(&["SET", "gandy:outcome:o1", outcome]);
    let of = |jid: &str| gandy(&redis, &["job", jid, "--json"]).json();
    let place = |jid: &str| {
        let document = of(jid);
        assert_eq!(
            document["places"].as_array().unwrap().len(),
            1,
            "{document}"
        );
        document["places"][0].clone()
    };
    for (jid, at, ahead) in [
        ("q1", "queue:default", json!(1)),
        ("q2", "queue:default", json!(2)),
        ("l1", "queue:default", json!(0)),
        ("s1", "schedule", Value::Null),
        ("r1", "retry", Value::Null),
        ("d1", "dead", Value::Null),
        ("f1", "inflight", Value::Null),
    ] {
        let found = place(jid);
        assert_eq!(
            (&found["place"], &found["ahead"]),
            (&json!(at), &ahead),
            "{jid}"
        );
        assert_eq!(found["payload"]["jid"], jid);
    }
    let flight = place("f1");
    assert_eq!(
        (&flight["process"], &flight["alive"]),
        (&json!(GANDY), &json!(true))
    );
    assert!(flight["since_ms"].as_i64().unwrap() >= (now_s() - 100) * 1000);
    assert_eq!(place("d1")["reason"], "killed 3 processes");
    assert_eq!(of("d1")["died_aboard"], json!([GANDY, DEAD]));
    let done = of("o1");
    assert_eq!(
        (&done["outcome"]["outcome"], &done["places"]),
        (&json!("done"), &json!([]))
    );
    let retry = of("r1");
    let history: Vec<&str> = retry["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        history[..3],
        ["created", "enqueued", "failed for the first time"]
    );
    assert_eq!(history[3], "failed again (failure 2): Boom: no\u{1b}[2J;");
    let text = gandy(&redis, &["job", "r1"]).done();
    for part in [
        "WHERE     in retry, due in ",
        "\"args\": [12345678901234567890123, 1.50]",
        "HISTORY   created ",
        "Boom: no\\u{1b}[2J",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'));
    let text = gandy(&redis, &["job", "d1"]).done();
    assert!(
        text.contains("SUSPECT   2 processes died with it aboard: "),
        "{text}"
    );
    let nobody = gandy(&redis, &["job", "nobody"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (1, ""));
    assert!(
        nobody
            .err
            .starts_with("note: no job nobody in 7 jobs looked at"),
        "{}",
        nobody.err
    );
    // A hint is where it looks, and nowhere else.
    assert_eq!(
        gandy(&redis, &["job", "d1", "--in", "retry", "--in", "queue:low"]).code,
        1
    );
    assert_eq!(gandy(&redis, &["job", "d1", "--in", "dead"]).code, 0);
    // A key of another type hides nothing else.
    redis.cli(&["SET", "queue:low", "no list"]);
    let other = gandy(&redis, &["job", "nobody"]);
    assert!(
        other.code == 1 && other.err.contains("note: not looked at: Queue(\"low\")"),
        "{}",
        other.err
    );
}

#[test]
fn a_search_ends_at_its_time_and_says_so() {
    let redis = RedisServer::start();
    redis.cli(&["SADD", "queues", "default"]);
    let fill = r#"for i = 1, 300 do local page = {}
        for k = 1, 500 do page[k] = '{"class":"A","args":[],"jid":"x' .. i .. '-' .. k .. '"}' end
        redis.call('LPUSH', 'queue:default', unpack(page)) end"#;
    redis.cli(&["EVAL", fill, "0"]);
    for verb in ["job", "why"] {
        let answer = gandy(&redis, &[verb, "nobody", "--within", "1ms"]);
        assert!(
            answer
                .err
                .contains("; --within gives it more time, --in a place to look in"),
            "{}",
            answer.err
        );
        let document = gandy(&redis, &[verb, "nobody", "--within", "1ms", "--json"]);
        let document: Value = serde_json::from_str(&document.out).unwrap();
        assert_eq!(document["gave_up"], true);
        assert!(
            document["looked_at"].as_u64().unwrap() < 150_000,
            "{document}"
        );
    }
    let found = gandy(&redis, &["job", "x1-1", "--json"]).json();
    assert_eq!(found["places"][0]["ahead"], 0, "{found}");
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "10000"]);
    redis.cli(&["SLOWLOG", "RESET"]);
    let whole = gandy(&redis, &["job", "nobody", "--within", "50s", "--json"]);
    let whole: Value = serde_json::from_str(&whole.out).unwrap();
    assert_eq!(
        (&whole["looked_at"], &whole["gave_up"]),
        (&json!(150_000), &json!(false))
    );
    assert_eq!(
        redis.cli(&["SLOWLOG", "LEN"]),
        "0",
        "{}",
        redis.cli(&["SLOWLOG", "GET"])
    );
}

#[test]
fn why_names_each_reason() {
    let redis = RedisServer::start();
    redis.cli(&["SADD", "queues", "default"]);
    explained(
        &redis,
        "j1",
        &["unknown"],
        &["unknown: it is in no queue or set"],
    );
    redis.cli(&["LPUSH", "queue:default", &job("j1", "")]);
    explained(
        &redis,
        "j1",
        &["no-worker-for-queue"],
        &["no live worker at all"],
    );
    worker(&redis, GANDY, "low", "Mailer", "false");
    explained(
        &redis,
        "j1",
        &["no-worker-for-queue"],
        &["no live worker listens to queue default: 1 lives"],
    );
    worker(&redis, GANDY, "default", "Other", "false");
    explained(
        &redis,
        "j1",
        &["no-worker-for-class"],
        &["no live worker that listens to queue default has a handler for class Mailer"],
    );
    worker(&redis, GANDY, "default", "Mailer", "true");
    explained(
        &redis,
        "j1",
        &["all-quiet"],
        &["no live worker takes jobs from queue default"],
    );
    // A lease that is gone: it is dead, and nobody has said so yet.
    worker(&redis, GANDY, "default", "Mailer", "false");
    redis.cli(&["DEL", &format!("gandy:lease:{GANDY}")]);
    explained(&redis, "j1", &["no-worker-for-queue"], &["no live worker"]);
    worker(&redis, GANDY, "default", "Mailer", "false");
    explained(&redis, "j1", &["next"], &["nothing keeps it"]);
    redis.cli(&["SADD", "paused", "default"]);
    explained(&redis, "j1", &["paused"], &["queue default is paused"]);
    redis.cli(&["SREM", "paused", "default"]);
    runs(&redis, GANDY, "busy1");
    explained(
        &redis,
        "j1",
        &["slots-busy"],
        &["the one slot that serves queue default is busy: Mailer (2 minutes)"],
    );
    redis.cli(&[
        "RPUSH",
        "queue:default",
        &job("k1", ""),
        &job("k2", ""),
        &job("k3", ""),
    ]);
    explained(
        &redis,
        "j1",
        &["slots-busy", "behind"],
        &["behind about 3 others"],
    );
    // Such jobs took 20 s each in the last hour, and there is one slot.
    let metrics = "local t = redis.call('TIME')[1] return t";
    let now: i64 = redis.cli(&["EVAL", metrics, "0"]).parse().unwrap();
    for back in [0, 600] {
        let key = ten_minutes_key(now - back);
        redis.cli(&["HSET", &key, "Mailer|p", "2", "Mailer|ms", "40000"]);
    }
    explained(
        &redis,
        "j1",
        &["slots-busy", "behind"],
        &["behind about 3 others; about 1 minute to wait"],
    );
    redis.cli(&["DEL", &format!("{GANDY}:work"), "queue:default"]);

    let due = (now_s() + 300).to_string();
    redis.cli(&["ZADD", "schedule", &due, &job("s1", "")]);
    explained(
        &redis,
        "s1",
        &["scheduled"],
        &["scheduled: it is due in 5 minutes"],
    );
    let failed =
        r#","retry_count":1,"error_class":"Net::ReadTimeout","error_message":"no\u001b[2J""#;
    redis.cli(&[
        "ZADD",
        "retry",
        &due,
        &job("r1", failed),
        "5",
        &job("r2", failed),
    ]);
    explained(
        &redis,
        "r1",
        &["retrying"],
        &[
            "it failed 2 times, last with Net::ReadTimeout: no\\u{1b}[2J; it is retried in 5 minutes",
        ],
    );
    explained(
        &redis,
        "r2",
        &["overdue"],
        &["still stands in retry: a worker moves it"],
    );
    redis.cli(&["ZADD", "dead", "1795398104", &job("d1", failed)]);
    explained(&redis, "d1", &["dead"], &["it died", "of Net::ReadTimeout"]);
    let flight = format!("gandy:inflight:{GANDY}");
    redis.cli(&["HSET", &flight, "1:default", &job("f1", "")]);
    explained(&redis, "f1", &["claimed"], &["has claimed it"]);
    runs(&redis, GANDY, "f1");
    explained(
        &redis,
        "f1",
        &["running"],
        &[GANDY, "it began 2 minutes ago; 3 of 10 (30 %): pages"],
    );
    redis.cli(&["HSET", "gandy:dying", DEAD, "{}"]);
    redis.cli(&[
        "HSET",
        &format!("gandy:inflight:{DEAD}"),
        "1:default",
        &job("f2", ""),
    ]);
    explained(
        &redis,
        "f2",
        &["holder-dead"],
        &["a live one gives it back"],
    );
    redis.cli(&["SADD", "processes", RUBY]);
    redis.cli(&[
        "HSET",
        RUBY,
        "info",
        r#"{"queues":["default"]}"#,
        "concurrency",
        "5",
    ]);
    runs(&redis, RUBY, "ruby1");
    explained(&redis, "ruby1", &["running"], &[RUBY]);
    // Ruby's processes do not say their classes, and may know any.
    redis.cli(&["LPUSH", "queue:default", &job("j2", "")]);
    worker(&redis, GANDY, "low", "Mailer", "false");
    explained(&redis, "j2", &["next"], &["nothing keeps it"]);
    let outcome = r#"{"at":1795398104597,"outcome":"failed","will_retry":false,"error_class":"E","error_message":"m"}"#;
    redis.cli(&["SET", "gandy:outcome:o1", outcome]);
    explained(
        &redis,
        "o1",
        &["ended"],
        &["its last run ended", "failed, and will not run again: E: m"],
    );
}

/// `j|YYMMDD|H:M` of a time.
fn ten_minutes_key(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
    let mut key = time.format("j|%y%m%d|%-H:%M").to_string();
    key.pop();
    key
}

#[test]
fn a_payload_of_a_megabyte_is_shown_whole_and_harmless() {
    let redis = RedisServer::start();
    let long = "\\u001b[2J".repeat(100_000);
    let payload = format!(r#"{{"class":"A","args":["{long}"],"jid":"j1"}}"#);
    let mut conn = redis.conn();
    redis::cmd("ZADD")
        .arg("dead")
        .arg(1)
        .arg(&payload)
        .query::<()>(&mut conn)
        .unwrap();
    redis::cmd("ZADD")
        .arg("dead")
        .arg(1)
        .arg(b"\xff\xfe \"j1\"")
        .query::<()>(&mut conn)
        .unwrap();
    let answer = gandy(&redis, &["job", "j1"]);
    let out = answer.done();
    assert!(out.contains(&long) && !out.contains('\u{1b}'));
    assert_eq!(
        gandy(&redis, &["job", "j1", "--json"]).json()["places"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(why(&redis, "j1").0, ["dead"]);
}

//! `gandy jobs SET FILTER`: who fits is shown, and nobody else.

use gandy_tests::RedisServer;
use serde_json::{Value, json};

use crate::support::gandy;
use crate::{RUBY, load};

fn jids(answer: &Value) -> Vec<String> {
    let jobs = answer.as_array().unwrap().iter();
    let jid = |job: &Value| {
        job["jid"]
            .as_str()
            .unwrap()
            .trim_start_matches('0')
            .to_owned()
    };
    jobs.map(jid).collect()
}

#[test]
fn a_filter_finds_its_jobs_in_the_order_of_their_place() {
    let redis = RedisServer::start();
    for key in ["retry", "schedule", "dead", "queue:default"] {
        load(&redis, key, 1, 2_500);
    }
    redis.cli(&["ZADD", "retry", "1", RUBY, "2", "no job at all \u{1b}[2J"]);
    let found = |args: &[&str]| {
        let args = [&["jobs"], args, &["--json"]].concat();
        jids(&gandy(&redis, &args).json())
    };
    assert_eq!(found(&["retry", "class:Rare"]), ["1000", "2000"]);
    assert_eq!(
        found(&["dead", "class:Rare"]),
        ["2000", "1000"],
        "the youngest first"
    );
    assert_eq!(found(&["queue:default", "Rare"]), ["1000", "2000"]);
    assert_eq!(found(&["schedule", "arg:7"]), ["7"]);
    assert_eq!(found(&["retry", "class:Rare", "--limit", "1"]), ["1000"]);
    assert_eq!(found(&["retry", "-class:Common", "error:Timeout"]).len(), 3);
    assert_eq!(found(&["retry", "-class:C*", "!class:Rare"]), [RUBY_JID]);
    assert_eq!(
        found(&[
            "retry",
            "tag:b",
            "queue:mail*",
            "attempt>4",
            "arg:12345678901234567890123"
        ]),
        [RUBY_JID]
    );
    assert_eq!(
        found(&["retry", "'class:Mailer error:\"no \"'"]),
        Vec::<String>::new()
    );
    assert_eq!(found(&["retry", "class:Mailer error:'reply'"]), [RUBY_JID]);
    // A whole text: none of a pattern, a part, or the message.
    assert_eq!(found(&["retry", "class=Rare"]), ["1000", "2000"]);
    assert_eq!(found(&["retry", "class=Rar*"]), Vec::<String>::new());
    assert_eq!(
        found(&["retry", "-class=Common", "-class=Rare", "-error=\"\""]),
        [RUBY_JID]
    );
    // Both stamps are years old.
    assert_eq!(
        found(&["queue:default", "age>30d", "class:Rare", "-arg:1000"]),
        ["2000"]
    );
    assert_eq!(found(&["retry", "age<1h"]), Vec::<String>::new());

    let answer = gandy(&redis, &["jobs", "retry", "class:Mailer"]);
    assert!(
        !answer.out.contains('\u{1b}') && answer.out.contains(RUBY_JID),
        "{answer:?}"
    );
    let answer = gandy(&redis, &["jobs", "retry", "class:Nobody\u{1b}[2J"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""));
    assert_eq!(
        answer.err,
        "note: no job of retry fits class:Nobody\\u{1b}[2J\n"
    );
    let answer = gandy(&redis, &["jobs", "retry", "Common", "--limit", "2"]);
    assert_eq!(answer.err, "note: the first 2 jobs; --limit shows more\n");

    for (filter, said) in [
        ("klass:x", "there is no term `klass`"),
        ("", "empty"),
        ("a:\u{1b}", "no term"),
    ] {
        let err = gandy(&redis, &["jobs", "retry", filter]).failed(2);
        assert!(
            err.contains(said) && !err.contains('\u{1b}'),
            "{filter}: {err}"
        );
    }
}

const RUBY_JID: &str = "b5de70b63090decd6440fd9e";

#[test]
fn what_workers_hold_is_shown_with_who_holds_it() {
    let redis = RedisServer::start();
    let ours = "host:1:aaaaaaaaaaaa";
    let ruby = "host:2:bbbbbbbbbbbb";
    let job = |jid: &str, class: &str| format!(r#"{{"class":"{class}","args":[],"jid":"{jid}"}}"#);
    redis.cli(&["HSET", "gandy:fleet", ours, "{}"]);
    redis.cli(&[
        "HSET",
        &format!("gandy:inflight:{ours}"),
        "1:low",
        &job("j1", "A"),
        "2:default",
        &job("j2", "B"),
    ]);
    redis.cli(&["SADD", "processes", ours, ruby]);
    redis.cli(&["HSET", ruby, "info", "{}", "busy", "1", "quiet", "false"]);
    let work = json!({"queue": "mailers", "payload": job("j3", "A"), "run_at": 1_795_398_104});
    redis.cli(&["HSET", &format!("{ruby}:work"), "tid", &work.to_string()]);
    // One that nobody could read is left where it is, and the rest is shown.
    let huge = "redis.call('HSET', KEYS[1], '3:low', string.rep('x', 65 * 1024 * 1024))";
    redis.cli(&["EVAL", huge, "1", &format!("gandy:inflight:{ours}")]);
    let all = gandy(&redis, &["jobs", "inflight", "--json"]).json();
    let sent = redis.cli(&["INFO", "stats"]);
    let sent = sent
        .lines()
        .find_map(|line| line.trim().strip_prefix("total_net_output_bytes:"));
    assert!(sent.unwrap().parse::<u64>().unwrap() < 10 << 20, "{sent:?}");
    let shown = |job: &Value| {
        (
            job["jid"].to_string(),
            job["process"].to_string(),
            job["place"].to_string(),
        )
    };
    let mut rows: Vec<_> = all.as_array().unwrap().iter().map(shown).collect();
    rows.sort();
    let row = |jid: &str, process: &str| {
        (
            json!(jid).to_string(),
            json!(process).to_string(),
            "\"inflight\"".to_owned(),
        )
    };
    assert_eq!(rows, [row("j1", ours), row("j2", ours), row("j3", ruby)]);
    let some = gandy(&redis, &["jobs", "inflight", "class:A", "jid:*1", "--json"]).json();
    assert_eq!(some.as_array().unwrap().len(), 1);
    let out = gandy(&redis, &["jobs", "inflight", "class:A"]).done();
    assert!(
        out.contains("PROCESS") && out.contains(ours) && out.contains("mailers"),
        "{out}"
    );
    redis.cli(&["FLUSHALL"]);
    let none = gandy(&redis, &["jobs", "inflight"]);
    assert_eq!(
        (none.out.as_str(), none.err.as_str()),
        ("", "note: no worker holds a job\n")
    );
    // It is only looked at.
    for verb in ["delete", "export"] {
        let err = gandy(
            &redis,
            &if verb == "delete" {
                vec![verb, "--from", "inflight", "--all"]
            } else {
                vec![verb, "inflight"]
            },
        )
        .failed(2);
        assert!(err.contains("gandy jobs inflight, gandy cancel"), "{err}");
    }
}

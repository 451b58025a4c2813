//! `gandy stats`, `queues`, `jobs` and `processes`: what people see of what is in Redis.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use gandy::{Context, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_until_async};
use serde_json::json;
use support::{DEADLINE, gandy};

const JID: &str = "b5de70b63090decd6440fd9e";

/// A time so many seconds from now, as a score.
fn score(offset_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (i64::try_from(now.as_secs()).unwrap() + offset_s).to_string()
}

fn failed_job(class: &str) -> String {
    format!(
        r#"{{"retry":true,"queue":"mailers","args":[42,"hello"],"class":"{class}","jid":"{JID}","created_at":1795398104597,"retry_count":3,"error_class":"Net::ReadTimeout","error_message":"no reply"}}"#
    )
}

/// The table as rows of cells.
fn rows(out: &str) -> Vec<Vec<&str>> {
    out.lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect()
}

#[test]
fn stats_count_everything() {
    let redis = RedisServer::start();
    redis.cli(&["SET", "stat:processed", "1234567"]);
    redis.cli(&["SET", "stat:failed", "89"]);
    redis.cli(&["SADD", "queues", "default", "low"]);
    redis.cli(&["LPUSH", "queue:default", "a", "b"]);
    redis.cli(&["LPUSH", "queue:low", "c"]);
    redis.cli(&["ZADD", "schedule", "1", "a", "2", "b"]);
    redis.cli(&["ZADD", "retry", "1", "a"]);
    redis.cli(&["ZADD", "dead", "1", "a", "2", "b", "3", "c", "4", "d"]);
    redis.cli(&["SADD", "processes", "h:1:a"]);
    redis.cli(&["HSET", "h:1:a", "busy", "5", "info", "{}"]);
    let expected = json!({
        "processed": 1_234_567, "failed": 89, "busy": 5, "in_flight": 0, "enqueued": 3, "scheduled": 2, "retries": 1,
        "dead": 4, "processes": 1,
    });
    assert_eq!(gandy(&redis, &["stats", "--json"]).json(), expected);
    let out = gandy(&redis, &["stats"]).done();
    let shown = rows(&out);
    assert_eq!(shown[0], ["WHAT", "COUNT", "MEANING"]);
    let counts: Vec<_> = shown[1..].iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(
        counts,
        [
            ("processed", "1234567"),
            ("failed", "89"),
            ("busy", "5"),
            ("in flight", "0"),
            ("enqueued", "3"),
            ("scheduled", "2"),
            ("retries", "1"),
            ("dead", "4"),
            ("processes", "1"),
        ]
    );
}

#[test]
fn queues_show_size_latency_and_pause() {
    let redis = RedisServer::start();
    let enqueued = score(-3600) + "000";
    redis.cli(&["SADD", "queues", "default", "empty"]);
    redis.cli(&[
        "LPUSH",
        "queue:default",
        &format!(r#"{{"class":"A","args":[],"jid":"1","enqueued_at":{enqueued}}}"#),
        "later",
    ]);
    redis.cli(&["SADD", "paused", "empty"]);
    redis.cli(&["HSET", "gandy:fleet", "h:1:0123456789ab", "{}"]);
    redis.cli(&["HSET", "gandy:dying", "h:2:0123456789ab", "{}"]);
    for held in ["h:1:0123456789ab", "h:2:0123456789ab"] {
        redis.cli(&["HSET", &format!("gandy:inflight:{held}"), "7:default", "x"]);
    }
    let out = gandy(&redis, &["queues"]).done();
    assert_eq!(
        rows(&out),
        [
            vec!["QUEUE", "SIZE", "LATENCY", "IN FLIGHT", "PAUSED"],
            vec!["default", "2", "1 hour", "2", "-"],
            vec!["empty", "0", "-", "0", "paused"],
        ]
    );
    let queues = gandy(&redis, &["queues", "--json"]).json();
    assert!(
        (3_600_000..3_700_000).contains(&queues[0]["latency_ms"].as_u64().unwrap()),
        "{queues}"
    );
    assert_eq!(
        queues[1],
        json!({"name": "empty", "size": 0, "latency_ms": null, "in_flight": 0, "rate": null, "paused": true})
    );
    assert_eq!(queues[0]["in_flight"], 2);
    let rated = gandy(&redis, &["queues", "--rate", "50ms", "--json"]).json();
    assert_eq!(rated[0]["rate"], json!(0.0));
    let out = gandy(&redis, &["queues", "--rate", "50ms"]).done();
    assert_eq!(
        rows(&out)[1],
        ["default", "2", "1 hour", "2", "-", "+0.0/s"]
    );
}

#[test]
fn jobs_of_a_queue_stand_in_the_order_in_which_they_run() {
    let redis = RedisServer::start();
    for number in 1..=3 {
        gandy(&redis, &["push", "Mailer", &number.to_string()]).done();
    }
    let answer = gandy(&redis, &["jobs", "queue:default", "--limit", "2"]);
    assert_eq!(answer.err, "note: 2 of 3 jobs; --limit shows more\n");
    let out = answer.done();
    let shown = rows(&out);
    assert_eq!(shown[0], ["JID", "ENQUEUED", "CLASS", "ARGS"]);
    assert_eq!(
        shown[1..].iter().map(|row| &row[2..]).collect::<Vec<_>>(),
        [["Mailer", "[1]"], ["Mailer", "[2]"]]
    );
    assert!(
        shown[1][1] == "now" || shown[1][1].ends_with("ago"),
        "{out}"
    );
    let all = gandy(&redis, &["jobs", "queue:default"]);
    assert_eq!(all.err, "");
    assert_eq!(rows(&all.done()).len(), 4);
}

#[test]
fn sets_are_shown_by_time_with_their_errors() {
    let redis = RedisServer::start();
    redis.cli(&[
        "ZADD",
        "schedule",
        &score(7_200),
        &failed_job("Second"),
        &score(300),
        &failed_job("First").replace(JID, "other"),
    ]);
    redis.cli(&["ZADD", "retry", &score(45), &failed_job("Mailer")]);
    redis.cli(&[
        "ZADD",
        "dead",
        &score(-86_400),
        &failed_job("Old"),
        &score(-7_200),
        "garbage",
    ]);

    let out = gandy(&redis, &["jobs", "schedule"]).done();
    assert_eq!(
        rows(&out)[1..]
            .iter()
            .map(|row| (row[1], row[3]))
            .collect::<Vec<_>>(),
        [("in 5 minutes", "First"), ("in 2 hours", "Second")]
    );

    let out = gandy(&redis, &["jobs", "retry"]).done();
    let shown = rows(&out);
    assert_eq!(
        shown[0],
        ["JID", "NEXT", "COUNT", "QUEUE", "CLASS", "ARGS", "ERROR"]
    );
    assert!(
        shown[1][1].starts_with("in ") && shown[1][1].ends_with("seconds"),
        "{out}"
    );
    assert_eq!(
        (shown[1][0], &shown[1][2..]),
        (
            JID,
            &[
                "3",
                "mailers",
                "Mailer",
                "[42,\"hello\"]",
                "Net::ReadTimeout: no reply"
            ][..]
        )
    );

    let out = gandy(&redis, &["jobs", "dead"]).done();
    let shown = rows(&out);
    assert_eq!(
        shown[1],
        [
            "-",
            "2 hours ago",
            "-",
            "not a job",
            "-",
            "invalid JSON at byte 0: expected '{'"
        ],
        "the youngest first"
    );
    assert_eq!(
        shown[2][1..5],
        ["1 day ago", "mailers", "Old", "[42,\"hello\"]"]
    );
}

#[test]
fn the_reason_of_a_burial_is_shown() {
    let redis = RedisServer::start();
    redis.cli(&["ZADD", "dead", "1", "garbage"]);
    // The digest of the bytes, as docs/ARCHITECTURE.md says of gandy:reasons.
    let digest = redis.cli(&["EVAL", "return redis.sha1hex('garbage')", "0"]);
    redis.cli(&["HSET", "gandy:reasons", &digest, "killed 3 processes"]);
    assert!(
        gandy(&redis, &["jobs", "dead"])
            .done()
            .contains("killed 3 processes")
    );
    assert_eq!(
        gandy(&redis, &["jobs", "dead", "--json"]).json()[0]["reason"],
        "killed 3 processes"
    );
}

#[test]
fn more_jobs_than_a_page_are_listed_once_each() {
    let redis = RedisServer::start();
    let input: String = (0..250)
        .map(|number| format!("{{\"class\":\"A\",\"args\":[{number}]}}\n"))
        .collect();
    support::gandy_fed(&redis, &["push", "--stdin"], input).done();
    let jobs = gandy(
        &redis,
        &["jobs", "queue:default", "--limit", "240", "--json"],
    )
    .json();
    let numbers: Vec<u64> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["payload"]["args"][0].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..240).collect::<Vec<_>>());
}

#[test]
fn nothing_there_is_said_and_no_error() {
    let redis = RedisServer::start();
    for (args, said) in [
        (&["queues"][..], "note: no queue here"),
        (
            &["processes"],
            "note: no worker process has shown itself here",
        ),
        (&["jobs", "queue:default"], "note: queue:default is empty"),
        (&["jobs", "retry"], "note: retry is empty"),
    ] {
        let answer = gandy(&redis, args);
        assert!(answer.err.starts_with(said), "{answer:?}");
        assert_eq!(answer.done(), "");
    }
}

#[test]
fn a_wrong_set_is_told_what_there_is() {
    let redis = RedisServer::start();
    for (args, said) in [
        (&["jobs"][..], "queue:NAME|retry|schedule|dead"),
        (&["jobs", "mailers"], "did you mean queue:mailers?"),
        (&["jobs", "retries"], "did you mean retry?"),
        (&["jobs", "queue:"], "a queue needs a name"),
        (&["jobs", "dead", "--limit", "0"], "0 is not in 1..=10000"),
        (&["jobs", "dead", "--limit", "x"], "invalid digit"),
    ] {
        let err = gandy(&redis, args).failed(2);
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn rubys_processes_are_shown() {
    let redis = RedisServer::start();
    redis.cli(&[
        "SADD",
        "processes",
        "web1:7:0123456789ab",
        "gone:8:0123456789ab",
    ]);
    let info = format!(
        r#"{{"hostname":"web1","started_at":{}.25,"pid":7,"tag":"shop","concurrency":10,"queues":["critical","default"],"labels":[],"identity":"web1:7:0123456789ab","version":"8.1.7"}}"#,
        score(-7_200)
    );
    redis.cli(&[
        "HSET",
        "web1:7:0123456789ab",
        "info",
        &info,
        "busy",
        "1",
        "beat",
        &score(-5),
        "quiet",
        "true",
        "rss",
        "94208",
        "rtt_us",
        "340",
    ]);
    let entry = r#"{"queue":"default","payload":"{\"class\":\"A\"}","run_at":1795398104}"#;
    redis.cli(&["HSET", "web1:7:0123456789ab:work", "tid1", entry]);
    let out = gandy(&redis, &["processes"]).done();
    let shown = rows(&out);
    assert_eq!(
        shown[0],
        [
            "IDENTITY", "STATE", "BUSY", "HEARD OF", "QUEUES", "STARTED", "MEMORY", "RTT",
            "VERSION"
        ]
    );
    assert_eq!(
        shown[1],
        [
            "gone:8:0123456789ab",
            "silent",
            "0/0",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-"
        ]
    );
    assert_eq!(shown[2][..3], ["web1:7:0123456789ab", "quiet", "1/10"]);
    assert!(shown[2][3].ends_with("seconds ago"), "{out}");
    assert_eq!(
        shown[2][4..],
        [
            "critical default",
            "2 hours ago",
            "92 MB",
            "0.3 ms",
            "8.1.7"
        ]
    );
    let processes = gandy(&redis, &["processes", "--json"]).json();
    assert_eq!(processes[0]["info"], json!(null));
    let ruby = &processes[1];
    assert_eq!(
        (&ruby["info"]["tag"], &ruby["rss_kb"], &ruby["quiet"]),
        (&json!("shop"), &json!(94_208), &json!(true))
    );
    assert_eq!(
        ruby["work"],
        json!([{"id": "tid1", "entry": serde_json::from_str::<serde_json::Value>(entry).unwrap()}])
    );
}

#[test]
fn a_gandy_worker_is_shown() {
    let redis = RedisServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
        config.queues = vec!["critical".into(), "default".into()];
        config.concurrency = 7;
        let worker = Worker::builder(config)
            .signals(false)
            .handler_fn("Noop", |(): (), _: Context| async { Ok(()) })
            .build()
            .unwrap()
            .start();
        wait_until_async(DEADLINE, "the worker to show itself", async || {
            redis.cli(&["SCARD", "processes"]) == "1"
        })
        .await;
        let processes = gandy(&redis, &["processes", "--json"]).json();
        assert_eq!(
            (&processes[0]["concurrency"], &processes[0]["quiet"]),
            (&json!(7), &json!(false))
        );
        assert_eq!(
            processes[0]["info"]["queues"],
            json!(["critical", "default"])
        );
        let out = gandy(&redis, &["processes"]).done();
        assert_eq!(rows(&out)[1][1..3], ["running", "0/7"]);
        worker.stop().await.unwrap();
    });
}

//! `gandy pause`, `unpause`, `quiet` and `stop`, with a real worker.

use gandy::{Context, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_until_async};
use serde_json::json;

use crate::sets::asked;
use crate::support::{DEADLINE, gandy};

#[test]
fn queues_are_paused_and_a_name_that_nobody_knows_is_doubted() {
    let redis = RedisServer::start();
    redis.cli(&["SADD", "queues", "default", "low"]);
    let answer = gandy(&redis, &["pause", "queue:default", "low"]);
    assert_eq!(
        (answer.out.as_str(), answer.err.as_str()),
        ("default paused\nlow paused\n", "")
    );
    assert_eq!(
        redis.cli(&["SMISMEMBER", "paused", "default", "low"]),
        "1\n1"
    );
    assert_eq!(
        gandy(&redis, &["unpause", "default", "--json"]).json(),
        json!([{"queue": "default", "paused": false}])
    );
    assert_eq!(redis.cli(&["SMEMBERS", "paused"]), "low");
    let answer = gandy(&redis, &["pause", "lwo"]);
    assert!(
        answer.err.contains("no queue lwo is known yet"),
        "{answer:?}"
    );
    assert!(gandy(&redis, &["pause"]).failed(2).contains("QUEUE"));
    assert!(
        gandy(&redis, &["pause", "a\nb"])
            .failed(2)
            .contains("control character")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_told_and_waited_for() {
    let redis = RedisServer::start();
    let config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
    let worker = Worker::builder(config)
        .handler_fn("Any", |(): (), _: Context| async move { Ok(()) })
        .build()
        .unwrap()
        .start();
    wait_until_async(DEADLINE, "the worker shows itself", async || {
        redis.cli(&["SCARD", "processes"]) == "1"
    })
    .await;
    let identity = worker.identity().unwrap();
    let err = gandy(&redis, &["quiet", &identity, "host:1:nobody\u{1b}"]).failed(65);
    assert!(
        err.contains("there is no process host:1:nobody\\u{1b}"),
        "{err}"
    );
    assert_eq!(
        gandy(&redis, &["quiet", &identity]).done(),
        format!("{identity} was told\n")
    );
    assert_eq!(
        gandy(&redis, &["quiet", "--all", "--yes", "--wait", "--json"]).json(),
        json!([{"identity": identity, "signal": "quiet", "obeyed": true}])
    );
    assert_eq!(
        gandy(&redis, &["stop", &identity, "--wait"]).done(),
        format!("{identity} is gone\n")
    );
    worker.stop().await.unwrap();
    let answer = gandy(&redis, &["stop", "--all", "-y"]);
    assert!(
        answer.err.contains("no worker process shows itself"),
        "{answer:?}"
    );

    // One that does not listen.
    let deaf = "host:9:aaaaaaaaaaaa";
    redis.cli(&["SADD", "processes", deaf]);
    redis.cli(&["HSET", deaf, "info", "{}", "quiet", "false"]);
    let answer = gandy(&redis, &["stop", deaf, "--wait", "--timeout", "1s"]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (75, &*format!("{deaf} was told, and is not gone yet\n"))
    );
    assert_eq!(
        redis.cli(&["LRANGE", &format!("{deaf}-signals"), "0", "-1"]),
        "TERM"
    );
    for wrong in [
        &["quiet"][..],
        &["quiet", "x", "--all"],
        &["stop", "x", "--timeout", "1s"],
    ] {
        gandy(&redis, wrong).failed(2);
    }
}

#[test]
fn all_of_a_fleet_are_told_only_when_somebody_says_yes() {
    let redis = RedisServer::start();
    let fleet = ["host:1:aaaaaaaaaaaa", "host:2:bbbbbbbbbbbb"];
    for identity in fleet {
        redis.cli(&["SADD", "processes", identity]);
        redis.cli(&["HSET", identity, "info", "{}", "quiet", "false"]);
    }
    let told = || redis.cli(&["KEYS", "*-signals"]).lines().count();
    for verb in ["stop", "quiet"] {
        let err = gandy(&redis, &[verb, "--all"]).failed(2);
        assert!(
            err.contains("nobody was told anything") && err.contains("--yes"),
            "{err}"
        );
        let (code, out, shown) = asked(&redis, &[verb, "--all"], "n\n");
        assert_eq!((code, out.as_str()), (1, "nobody was told anything\n"));
        assert!(shown.contains("2 processes? [y/N]"), "{shown}");
        let (code, out, _) = asked(&redis, &[verb, "--all", "--json"], "\n");
        assert_eq!((code, out.as_str()), (1, "[]\n"));
    }
    assert_eq!(told(), 0);
    let (code, out, shown) = asked(&redis, &["stop", "--all"], "y\n");
    assert_eq!((code, told()), (0, 2), "{out} {shown}");
    gandy(&redis, &["quiet", "--all", "--yes"]).done();
    assert_eq!(
        redis.cli(&["LRANGE", &format!("{}-signals", fleet[0]), "0", "-1"]),
        "TSTP\nTERM"
    );
}

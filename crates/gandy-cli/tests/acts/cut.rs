//! Cut off in the middle: by Ctrl-C, which says how far it came, and by kill -9, which says nothing. No job is lost, none is
//! there twice, and the same command again does the rest.

use std::time::Duration;

use gandy_tests::{Proc, RedisServer, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{DEADLINE, command, gandy, run};
use crate::{everywhere, load, numbers};

const JOBS: u64 = 100_000;

fn start(redis: &RedisServer, args: &[&str]) -> Proc {
    Proc::spawn("gandy", command(&[("REDIS_URL", &redis.url())], args))
}

fn length(redis: &RedisServer, key: &str) -> u64 {
    let verb = if key.contains("queue") {
        "LLEN"
    } else {
        "ZCARD"
    };
    redis.cli(&[verb, key]).parse().unwrap()
}

#[test]
fn a_hundred_thousand_jobs_survive_kill_9_at_any_moment() {
    let redis = RedisServer::start();
    load(&redis, "retry", 0, JOBS);
    let all: Vec<u64> = (0..JOBS).collect();
    let there = |what: &str| {
        let found = everywhere(&redis, &["retry", "queue:default", "queue:low"]);
        assert!(found == all, "{what}: {} of {JOBS} jobs", found.len());
    };
    // From the set into its queue, cut off twice, then to its end.
    let args = ["retry", "--from", "retry", "--all", "--yes"];
    for moved in [1, 40_000] {
        let gandy = start(&redis, &args);
        wait_until(DEADLINE, "some to be retried", || {
            length(&redis, "queue:default") >= moved
        });
        assert!(gandy.kill9(), "it was still at work");
    }
    // What the first cut has spoilt, the second does not mend.
    there("retry");
    gandy(&redis, &args).done();
    assert_eq!(length(&redis, "retry"), 0);
    // From queue to queue.
    let args = [
        "move",
        "--from",
        "queue:default",
        "--filter",
        "class:Common",
        "--to",
        "queue:low",
        "--yes",
    ];
    {
        let moved = 20_000;
        let gandy = start(&redis, &args);
        wait_until(DEADLINE, "some to be moved", || {
            length(&redis, "queue:low") >= moved
        });
        assert!(gandy.kill9(), "it was still at work");
        there("move");
    }
    gandy(&redis, &args).done();
    there("the end");
    assert_eq!(numbers(&redis, "queue:default").len() as u64, JOBS / 1000);
    assert!(
        !redis
            .cli(&["LRANGE", "queue:default", "0", "-1"])
            .contains("gandy:taken")
    );
}

#[test]
fn ctrl_c_ends_it_after_the_step_and_says_how_many_were_done() {
    let redis = RedisServer::start();
    load(&redis, "retry", 0, 20_000);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let before = length(&redis, "retry");
        let gandy = start(
            &redis,
            &[
                "delete", "--from", "retry", "--all", "--yes", "--rate", "2000/s", "--json",
            ],
        );
        wait_until(DEADLINE, "some to be deleted", || {
            length(&redis, "retry") < before
        });
        gandy.signal(signal);
        assert_eq!(gandy.wait_exit(DEADLINE).code(), Some(130));
        let report: Value = serde_json::from_str(&gandy.stdout()).unwrap();
        assert_eq!(report["interrupted"], true);
        assert_eq!(report["done"], before - length(&redis, "retry"), "{report}");
        assert!(
            gandy.stderr().contains("run it again"),
            "{}",
            gandy.stderr()
        );
    }
    assert!(length(&redis, "retry") > 0);
    // At once, also in a long pause between two steps.
    let before = length(&redis, "retry");
    let gandy = start(
        &redis,
        &[
            "delete", "--from", "retry", "--all", "--yes", "--rate", "1/h",
        ],
    );
    wait_until(DEADLINE, "one to be deleted", || {
        length(&redis, "retry") < before
    });
    gandy.signal(Signal::SIGINT);
    assert_eq!(gandy.wait_exit(Duration::from_secs(10)).code(), Some(130));
}

#[test]
fn a_push_of_many_goes_on_where_it_was_cut_off() {
    let redis = RedisServer::start();
    let url = redis.url();
    let input: String = (0..30_000)
        .map(|number| format!("{{\"class\":\"A\",\"args\":[{number}]}}\n"))
        .collect();
    let push = |more: &[&str]| {
        command(
            &[("REDIS_URL", &url)],
            &[&["push", "--stdin", "--json"], more].concat(),
        )
    };
    let gandy = Proc::spawn_with_input("gandy", push(&[]), input.as_bytes());
    wait_until(DEADLINE, "some to be pushed", || {
        length(&redis, "queue:default") > 0
    });
    gandy.signal(Signal::SIGINT);
    let code = gandy.wait_exit(DEADLINE).code();
    let report: Value = serde_json::from_str(&gandy.stdout()).unwrap();
    let lines = report["acknowledged_lines"].as_u64().unwrap();
    assert_eq!(report["acknowledged"], length(&redis, "queue:default"));
    if code == Some(130) {
        assert_eq!(report["first_unacknowledged_line"], lines + 1);
        assert!(
            gandy.stderr().contains(&format!("--skip {lines}")),
            "{}",
            gandy.stderr()
        );
    }
    let skip = lines.to_string();
    let rest = run(
        &[("REDIS_URL", &url)],
        &["push", "--stdin", "--skip", &skip, "--json"],
        input.as_bytes(),
    );
    assert_eq!(rest.json()["acknowledged_lines"], 30_000);
    let jobs: Vec<String> = redis::cmd("LRANGE")
        .arg("queue:default")
        .arg(0)
        .arg(-1)
        .query(&mut redis.conn())
        .unwrap();
    let number = |job: &String| {
        job.split("\"args\":[")
            .nth(1)
            .unwrap()
            .split(']')
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(
        jobs.iter().rev().map(number).eq(0..30_000),
        "each once, in order"
    );
}

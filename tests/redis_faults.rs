//! P8: what Redis does to a worker, and that the worker goes on by itself. The full battery comes later; these are the
//! faults that a review or a test has found to matter.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use gandy_tests::{Crew, History, RedisServer, payload, push_jobs, wait_until};

const SOON: Duration = Duration::from_secs(60);

fn crew(server: &RedisServer, history: &History) -> Crew {
    Crew::new(env!("CARGO_BIN_EXE_crew"), server).history(history)
}

/// The ids of the connections that Gandy has.
fn connections(server: &RedisServer) -> BTreeSet<String> {
    let list = server.cli(&["CLIENT", "LIST"]);
    let gandy = list
        .lines()
        .filter(|line| !line.contains("cmd=client|list"));
    gandy
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn p8_a_demoted_primary_is_left_and_work_goes_on_when_it_is_primary_again() {
    let server = RedisServer::start();
    let primary = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let worker = crew(&server, &history).start_and_wait();
    push_jobs(&server, &notes, "before", "Note", "[]", 3);
    wait_until(SOON, "it works", || history.ended() == 3);
    let old = connections(&server);
    server.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    wait_until(SOON, "it says so", || worker.log().contains("READONLY"));
    wait_until(
        Duration::from_secs(20),
        "no connection to the demoted server is kept",
        || connections(&server).is_disjoint(&old),
    );
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    push_jobs(&server, &notes, "after", "Note", "[]", 3);
    wait_until(SOON, "it works again", || history.ended() == 6);
    assert!(worker.is_running());
}

#[test]
fn p8_a_full_redis_keeps_no_dead_workers_jobs() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let victim = crew(&server, &history).concurrency(3).start_and_wait();
    push_jobs(&server, &notes, "held", "Nap", "[600000]", 3);
    let identity = Crew::identity(&victim);
    let key = format!("gandy:inflight:{identity}");
    wait_until(SOON, "the victim holds them", || {
        server.cli(&["HLEN", &key]) == "3"
    });
    // Nobody knows of this one; the sweep that finds it must not stop the reaper.
    let unknown = payload("Note", "[]", "unknown");
    server.cli(&[
        "HSET",
        "gandy:inflight:ghost:1:000000000000",
        "1:default",
        &unknown,
    ]);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    victim.kill9();
    let survivor = crew(&server, &history).concurrency(10).start_and_wait();
    wait_until(
        SOON,
        "the survivor holds what the victim held, and ran what nobody knew of",
        || {
            let mine = format!("gandy:inflight:{}", Crew::identity(&survivor));
            server.cli(&["HLEN", &mine]) == "3"
                && server.cli(&["EXISTS", &key, "gandy:inflight:ghost:1:000000000000"]) == "0"
        },
    );
    assert_eq!(server.cli(&["HLEN", "gandy:dying"]), "0");
}

#[test]
fn p8_a_landed_job_of_a_queue_that_nobody_lists_goes_back() {
    let server = RedisServer::start();
    let history = History::new();
    let job = payload("Note", "[]", "landed");
    server.cli(&["LPUSH", "gandy:landing:unlisted", &job]);
    let worker = crew(&server, &history).start_and_wait();
    wait_until(SOON, "it is in its queue", || {
        server.cli(&["LRANGE", "queue:unlisted", "0", "-1"]) == job
    });
    assert!(worker.is_running());
}

#[test]
fn p8_dead_keeps_its_limit_when_thousands_fail_at_once() {
    let server = RedisServer::start();
    let history = History::new();
    let mut conn = server.conn();
    let jobs: Vec<String> = (0..13_000)
        .map(|number| {
            payload("Fail", "[]", &format!("j{number:06}")).replace("\"retry\":true", "\"retry\":0")
        })
        .collect();
    for chunk in jobs.chunks(1000) {
        redis::cmd("LPUSH")
            .arg("queue:default")
            .arg(chunk)
            .exec(&mut conn)
            .unwrap();
    }
    let crew = crew(&server, &history)
        .concurrency(1000)
        .set("RUST_LOG", "error");
    let worker = crew.start_and_wait();
    wait_until(SOON, "all failed and are written", || {
        server.cli(&["LLEN", "queue:default"]) == "0"
            && server.cli(&[
                "EXISTS",
                &format!("gandy:inflight:{}", Crew::identity_of(&server, &worker)),
            ]) == "0"
    });
    // Sidekiq's rank: a limit of 10,000 keeps 9,999.
    assert_eq!(server.cli(&["ZCARD", "dead"]), "9999");
}

#[test]
fn p8_a_counter_of_another_type_spoils_no_other_and_no_connection() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    server.cli(&["LPUSH", "stat:processed", "no number"]);
    let worker = crew(&server, &history).start_and_wait();
    push_jobs(&server, &notes, "job", "Note", "[]", 5);
    wait_until(SOON, "the metrics are written all the same", || {
        server
            .cli(&["KEYS", "j|*"])
            .lines()
            .any(|key| server.cli(&["HGET", key, "Note|p"]) == "5")
    });
    assert!(worker.is_running());
    assert!(!worker.log().contains("did not answer"), "{}", worker.log());
}

//! P6: an idle worker picks a job up at once; where it must not block it polls, and that too is quick.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use gandy_tests::{Crew, EventKind, History, RedisServer, payload, wait_until};

const SOON: Duration = Duration::from_secs(30);

/// Pushes 40 jobs apart from each other to an idle worker and returns the sorted waits until each began.
fn waits(server: &RedisServer, crew: Crew, queue: &str) -> Vec<Duration> {
    let history = History::new();
    let notes = history.writer("test");
    let worker = crew.history(&history).start_and_wait();
    let mut conn = server.conn();
    for number in 0..40 {
        let jid = format!("job{number}");
        // Apart by more than the polling's longest pause at times, so that the worker is idle in every way.
        std::thread::sleep(Duration::from_millis(if number % 8 == 0 {
            400
        } else {
            20
        }));
        notes.attempted(&jid);
        let job = payload("Note", "[]", &jid);
        redis::cmd("LPUSH")
            .arg(format!("queue:{queue}"))
            .arg(job)
            .exec(&mut conn)
            .unwrap();
    }
    wait_until(SOON, "all ran", || history.ended() == 40);
    assert!(worker.is_running());
    let mut pushed = BTreeMap::new();
    let mut waits = Vec::new();
    for event in history.events() {
        match event.kind {
            EventKind::Attempted => drop(pushed.insert(event.jid, event.at)),
            EventKind::Start => waits.push(event.at.saturating_sub(pushed[&event.jid])),
            _ => {}
        }
    }
    waits.sort_unstable();
    println!("p50 {:?}, max {:?}", waits[20], waits[39]);
    waits
}

fn crew(server: &RedisServer) -> Crew {
    Crew::new(env!("CARGO_BIN_EXE_crew"), server)
}

#[test]
fn p6_an_idle_worker_is_rung_and_does_not_poll() {
    let server = RedisServer::start();
    let waits = waits(&server, crew(&server), "default");
    // Under a millisecond in a release build on a calm machine (docs/benchmarks); this build and machine are neither.
    assert!(waits[20] < Duration::from_millis(20), "p50 {:?}", waits[20]);
}

#[test]
fn p6_an_idle_worker_waits_on_and_on_over_the_same_connections_and_complains_of_nothing() {
    let server = RedisServer::start();
    let worker = crew(&server)
        .set("CREW_QUEUES", "high low")
        .start_and_wait();
    let waiting = || -> Vec<String> {
        let clients = server.cli(&["CLIENT", "LIST"]);
        let blocked = clients.lines().filter(|line| line.contains("flags=b"));
        let id = |line: &str| line.split(' ').next().unwrap().to_owned();
        let mut ids: Vec<String> = blocked.map(id).collect();
        ids.sort();
        ids
    };
    wait_until(SOON, "it waits for both queues", || waiting().len() == 2);
    let before = waiting();
    let calls = || -> u64 {
        let stats = server.cli(&["INFO", "commandstats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_blmove:calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    // Each waits two seconds at a time.
    wait_until(SOON, "the waits ran out three times", || calls() >= 6);
    wait_until(SOON, "it waits over the same connections", || {
        waiting() == before
    });
    let log = worker.stderr();
    let complaints: Vec<_> = log
        .lines()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"))
        .filter(|line| !line.contains("appendonly is off"))
        .collect();
    assert_eq!(complaints, [""; 0]);
}

#[test]
fn p6_where_redis_refuses_to_block_the_queue_is_polled() {
    let server = RedisServer::with(&["--rename-command", "BLMOVE", ""]);
    let waits = waits(&server, crew(&server), "default");
    assert!(
        waits[20] < Duration::from_millis(300),
        "p50 {:?}",
        waits[20]
    );
    assert!(
        waits[39] < Duration::from_millis(1500),
        "max {:?}",
        waits[39]
    );
}

#[test]
fn p6_a_capsule_of_more_than_16_queues_polls() {
    let server = RedisServer::start();
    let queues: Vec<String> = (0..40).map(|number| format!("q{number}")).collect();
    let waits = waits(
        &server,
        crew(&server).set("CREW_QUEUES", queues.join(" ")),
        "q39",
    );
    assert!(
        waits[20] < Duration::from_millis(300),
        "p50 {:?}",
        waits[20]
    );
    assert!(
        waits[39] < Duration::from_millis(1500),
        "max {:?}",
        waits[39]
    );
}

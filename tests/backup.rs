//! The drill of docs/operations.md: a snapshot is taken while workers run, put into a new Redis, and what Redis had
//! acknowledged before is there and runs.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use gandy_tests::{
    Crew, EventKind, History, Holdings, RedisServer, length, payload, push_jobs, wait_eq,
    wait_until,
};

const SOON: Duration = Duration::from_secs(20);

/// Entries in every place that no worker of this test touches, each with bytes that a decoder would change.
fn fill(server: &RedisServer) {
    let mut pipe = redis::pipe();
    for number in 0..50 {
        let job = |place: &str| payload("Note", "[[],1e400]", &format!("{place}{number:03}"));
        pipe.lpush("queue:held", job("held")).ignore();
        pipe.zadd("schedule", job("schedule"), 4_000_000_000_u64 + number)
            .ignore();
        pipe.zadd("retry", job("retry"), 4_000_000_000.123_456_f64)
            .ignore();
        pipe.zadd("dead", job("dead"), 1_795_398_104_u64 + number)
            .ignore();
    }
    pipe.sadd("queues", "held").sadd("paused", "held");
    pipe.exec(&mut server.conn()).unwrap();
}

/// The places at rest, byte for byte, scores included.
fn at_rest(server: &RedisServer) -> Vec<String> {
    let mut found = vec![server.cli(&["--raw", "LRANGE", "queue:held", "0", "-1"])];
    for set in ["schedule", "retry", "dead"] {
        found.push(server.cli(&["--raw", "ZRANGE", set, "0", "-1", "WITHSCORES"]));
    }
    found
}

/// Of a stopped server: forgets what it had on disk.
fn empty(server: &RedisServer) {
    let _ = fs::remove_file(server.dir().join("dump.rdb"));
    let _ = fs::remove_dir_all(server.dir().join("appendonlydir"));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The second and third step of the page: started without an append-only file, then with one that is written anew.
fn restore(snapshot: &Path) -> RedisServer {
    let between = RedisServer::start();
    between.stop();
    empty(&between);
    fs::copy(snapshot, between.dir().join("dump.rdb")).unwrap();
    between.restart();
    between.cli(&["CONFIG", "SET", "appendonly", "yes"]);
    wait_until(SOON, "the append-only file is written", || {
        let state = between.cli(&["INFO", "persistence"]);
        let has = |line: &str| state.lines().any(|other| other.trim() == line);
        has("aof_rewrite_in_progress:0")
            && has("aof_rewrite_scheduled:0")
            && has("aof_last_bgrewrite_status:ok")
            && has("aof_enabled:1")
    });
    between.stop();
    let restored = RedisServer::with_aof();
    restored.stop();
    empty(&restored);
    copy_folder(
        &between.dir().join("appendonlydir"),
        &restored.dir().join("appendonlydir"),
    );
    restored.restart();
    restored
}

#[test]
fn a_snapshot_taken_under_load_restores_every_job() {
    let original = RedisServer::with_aof();
    let history = History::new();
    let notes = history.writer("test");
    fill(&original);
    let aboard = push_jobs(&original, &notes, "long", "Nap", "[600000]", 4);
    let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &original)
        .history(&history)
        .concurrency(8);
    let worker = crew.start_and_wait();
    wait_until(SOON, "the long jobs run", || {
        let events = history.events();
        let started = events.iter().filter(|event| event.kind == EventKind::Start);
        started.count() == aboard.len()
    });
    let waiting = push_jobs(&original, &notes, "short", "Nap", "[5]", 3000);

    let snapshot = original.dir().join("backup.rdb");
    original.cli(&["--rdb", snapshot.to_str().unwrap()]);
    let ended: BTreeSet<String> = history
        .events()
        .into_iter()
        .filter(|event| event.kind == EventKind::End)
        .map(|event| event.jid)
        .collect();
    assert!(ended.len() < waiting.len(), "it was no snapshot under load");
    let rest = at_rest(&original);
    worker.kill9();

    let restored = restore(&snapshot);
    assert_eq!(at_rest(&restored), rest);
    let holdings = Holdings::of(&restored);
    let lost: Vec<&String> = waiting
        .iter()
        .filter(|&jid| holdings.places(jid).is_empty() && !ended.contains(jid))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}; restored: {holdings}");
    for jid in &aboard {
        let places = holdings.places(jid);
        assert!(
            matches!(places, [place] if place.starts_with("gandy:inflight:")),
            "{jid} was in flight and is in {places:?}"
        );
    }

    let later = History::new();
    let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &restored)
        .history(&later)
        .concurrency(50);
    let _worker = crew.start_and_wait();
    wait_eq(SOON, "what waited has run", &0, || {
        length(&restored, "queue:default")
    });
    assert_eq!(length(&restored, "queue:held"), 50, "a pause is restored");
}

/// The trap that the page warns of; if a later Redis mends it, the page can be shorter.
#[test]
fn a_snapshot_beside_appendonly_yes_is_not_read() {
    let original = RedisServer::start();
    fill(&original);
    let snapshot = original.dir().join("backup.rdb");
    original.cli(&["--rdb", snapshot.to_str().unwrap()]);
    let server = RedisServer::with_aof();
    server.stop();
    empty(&server);
    fs::copy(&snapshot, server.dir().join("dump.rdb")).unwrap();
    server.restart();
    assert_eq!(server.cli(&["DBSIZE"]), "0");
}

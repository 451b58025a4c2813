//! What Redis holds, as every promise asks it.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Commands, FromRedisValue};

use crate::RedisServer;

/// One command of a test's own.
#[track_caller]
fn ask<T: FromRedisValue>(server: &RedisServer, command: &[&str]) -> T {
    let (name, args) = command.split_first().expect("a command has a name");
    let answer = redis::cmd(name).arg(args).query(&mut server.conn());
    answer.unwrap_or_else(|error| panic!("the test's own {command:?} failed: {error}"))
}

/// The members of a list, set or sorted set.
#[track_caller]
pub fn length(server: &RedisServer, key: &str) -> usize {
    let kind: String = ask(server, &["TYPE", key]);
    match kind.as_str() {
        "list" => ask(server, &["LLEN", key]),
        "set" => ask(server, &["SCARD", key]),
        "zset" => ask(server, &["ZCARD", key]),
        "hash" => ask(server, &["HLEN", key]),
        _ => 0,
    }
}

/// Jobs in the in-flight hashes of everybody.
#[track_caller]
pub fn in_flight(server: &RedisServer) -> usize {
    let mut conn = server.conn();
    let keys: Vec<String> = conn.keys("gandy:inflight:*").unwrap_or_default();
    keys.iter().map(|key| length(server, key)).sum()
}

/// The entries of `retry`, `schedule` and `dead` by jid: how many there are of each.
///
/// # Panics
/// When one is no JSON with a jid.
#[track_caller]
pub fn held_often(server: &RedisServer) -> BTreeMap<String, usize> {
    let mut held = BTreeMap::new();
    for set in ["retry", "schedule", "dead"] {
        let entries: Vec<String> = ask(server, &["ZRANGE", set, "0", "-1"]);
        for entry in entries {
            let job: Result<serde_json::Value, _> = serde_json::from_str(&entry);
            let jid = job
                .ok()
                .and_then(|job| job["jid"].as_str().map(str::to_owned));
            let jid = jid.unwrap_or_else(|| panic!("{set} holds what is no job: {entry}"));
            *held.entry(jid).or_default() += 1;
        }
    }
    held
}

/// The jids that Redis still keeps in the sorted sets.
#[track_caller]
pub fn held(server: &RedisServer) -> BTreeSet<String> {
    held_often(server).into_keys().collect()
}

/// The jids of jobs that were aboard when more than one worker died.
#[track_caller]
pub fn suspects(server: &RedisServer) -> BTreeSet<String> {
    let prefix = "gandy:recovered:";
    let keys: Vec<String> = ask(server, &["KEYS", &format!("{prefix}*")]);
    let often = keys.iter().filter(|key| length(server, key) > 1);
    often
        .filter_map(|key| key.strip_prefix(prefix))
        .map(str::to_owned)
        .collect()
}

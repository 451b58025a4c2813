//! What Redis holds, as every promise asks it.

use std::collections::{BTreeMap, BTreeSet};

use redis::FromRedisValue;

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

/// The members of all keys that match these patterns, counted in one step.
///
/// Jobs move between two looks. One that an old release left to the new one (in flight, then in `schedule`) was in neither
/// when `schedule` was looked at first: a battery called everything run while a job still waited, once in many runs.
#[track_caller]
fn count(server: &RedisServer, patterns: &[&str]) -> usize {
    const COUNT: &str = "
        local length = {list = 'LLEN', set = 'SCARD', zset = 'ZCARD', hash = 'HLEN'}
        local count = 0
        for _, pattern in ipairs(ARGV) do
          for _, key in ipairs(redis.call('KEYS', pattern)) do
            local command = length[redis.call('TYPE', key).ok]
            if command then count = count + redis.call(command, key) end
          end
        end
        return count";
    ask(server, &[&["EVAL", COUNT, "0"], patterns].concat())
}

/// Jobs in the in-flight hashes of everybody.
#[track_caller]
pub fn in_flight(server: &RedisServer) -> usize {
    count(server, &["gandy:inflight:*"])
}

/// Whether no queue holds a job, none has landed and none is in flight, and whether these keys are empty, too: in one
/// look, past which no job can slip. Add `schedule` wherever jobs may come back from there.
#[track_caller]
pub fn is_at_rest(server: &RedisServer, besides: &[&str]) -> bool {
    let all = ["queue:*", "gandy:landing:*", "gandy:inflight:*"];
    count(server, &[&all, besides].concat()) == 0
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

//! The server's own state.

use std::time::Duration;

use gandy_faults::Plan;
use gandy_tests::{RedisServer, detour, seed, wait_until};

use crate::support::{document, run};
use crate::{DEADLINE, codes, finding, look, sound};

#[test]
fn what_the_server_does_not_keep_is_said() {
    let redis = RedisServer::with(&["--maxmemory", "200mb"]);
    let set = |name: &str, value: &str| drop(redis.cli(&["CONFIG", "SET", name, value]));
    assert_eq!(codes(&look(&redis)), ["no-persistence"]);
    set("save", "3600 1");
    assert_eq!(codes(&look(&redis)), ["append-only-off"]);
    set("appendonly", "yes");
    assert_eq!(codes(&look(&redis)), [] as [&str; 0]);
    set("maxmemory-policy", "allkeys-lru");
    let report = look(&redis);
    assert_eq!(codes(&report), ["eviction-policy"]);
    let reason = finding(&report, "eviction-policy")["reason"]
        .as_str()
        .unwrap();
    assert!(
        reason.ends_with("maxmemory-policy is allkeys-lru"),
        "{reason}"
    );
}

#[test]
fn a_server_that_cannot_write_says_so() {
    let redis = sound();
    // A folder, and not an empty one, in the place of the file.
    let taken = redis.dir().join("dump.rdb");
    std::fs::create_dir_all(taken.join("taken")).unwrap();
    redis.cli(&["SET", "x", "1"]);
    redis.cli(&["BGSAVE"]);
    wait_until(DEADLINE, "the snapshot fails", || {
        redis
            .cli(&["INFO", "persistence"])
            .contains("rdb_last_bgsave_status:err")
    });
    assert_eq!(codes(&look(&redis)), ["persistence-failing"]);
}

#[test]
fn memory_has_a_limit_and_some_of_it_is_left() {
    let redis = sound();
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(codes(&look(&redis)), ["no-memory-limit"]);
    let used = redis.cli(&["INFO", "memory"]);
    let used = used
        .lines()
        .find_map(|line| line.trim().strip_prefix("used_memory:"));
    let used: u64 = used.unwrap().parse().unwrap();
    redis.cli(&[
        "CONFIG",
        "SET",
        "maxmemory",
        &(used + used / 10).to_string(),
    ]);
    assert_eq!(codes(&look(&redis)), ["memory-low"]);
}

#[test]
fn a_cluster_wants_a_hash_tag() {
    let redis = RedisServer::with(&[
        "--cluster-enabled",
        "yes",
        "--appendonly",
        "yes",
        "--maxmemory",
        "200mb",
    ]);
    redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    wait_until(DEADLINE, "the cluster serves", || {
        redis.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    assert_eq!(codes(&look(&redis)), ["cluster-without-hash-tag"]);
    let tagged = crate::told(&redis, &["--namespace", "{gandy}"]);
    assert_eq!(codes(&tagged), [] as [&str; 0]);
}

/// Found by review: after a failover by hand people watched frozen numbers.
#[test]
fn a_replica_is_told_with_the_age_of_what_it_shows() {
    let (primary, replica) = (sound(), sound());
    // Redis waits 5 s for more replicas before it sends what it has.
    primary.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let linked = || {
        let info = replica.cli(&["INFO", "replication"]);
        info.contains("master_link_status:up")
    };
    wait_until(DEADLINE, "the replica is linked", linked);
    let reason = || {
        let report = look(&replica);
        let found = finding(&report, "read-only-replica");
        assert_eq!(found["severity"], "error");
        found["reason"].as_str().unwrap().to_owned()
    };
    let words = reason();
    assert!(words.ends_with("it is linked to its primary"), "{words}");
    assert_eq!(codes(&look(&primary)), [] as [&str; 0]);
    drop(primary);
    wait_until(DEADLINE, "the link is down", || !linked());
    let words = reason();
    assert!(words.contains("out of reach for"), "{words}");
}

#[test]
fn a_long_way_is_measured() {
    let redis = sound();
    let proxy = detour(&redis, seed());
    proxy.set(Plan::far(Duration::from_millis(30), Duration::ZERO));
    let answer = run(&[("REDIS_URL", &proxy.url())], &["doctor", "--json"], b"");
    let report = document(&answer.out);
    let found = &report["findings"][0];
    assert_eq!(
        (&found["code"], &found["severity"]),
        (&"slow-round-trip".into(), &"warning".into())
    );
    assert!(
        report["round_trip_us"].as_u64().unwrap() >= 60_000,
        "{report}"
    );
    assert_eq!(answer.code, 1);
}

#[test]
fn a_key_of_another_type_is_named_and_hides_nothing_else() {
    let redis = sound();
    for key in [
        "queues",
        "retry",
        "gandy:fleet",
        "queue:odd",
        "gandy:landing:odd",
    ] {
        redis.cli(&["SET", key, "text"]);
    }
    redis.cli(&["LPUSH", "dead", "x"]);
    redis.cli(&["LPUSH", "stat:processed", "x"]);
    redis.cli(&["LPUSH", "queue:low", "no job"]);
    let report = look(&redis);
    let mut wrong: Vec<String> = crate::subjects(&report, "wrong-type")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    wrong.sort();
    assert_eq!(
        wrong,
        [
            "dead should be a sorted set",
            "gandy:fleet should be a hash",
            "gandy:landing:odd should be a list",
            "queue:odd should be a list",
            "queues should be a set",
            "retry should be a sorted set",
            "stat:processed should be a string",
        ]
    );
    assert_eq!(
        codes(&report),
        ["wrong-type", "unlisted-queue", "unparsable-job"]
    );
    // Whether a queue is served cannot be told without the fleet.
    let unknown = report["unknown"].to_string();
    assert!(unknown.contains("the fleet"), "{unknown}");
}

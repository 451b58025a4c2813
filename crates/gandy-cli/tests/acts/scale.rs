//! Large sets: Redis is never kept for long, and the command's memory does not grow with the set.

use gandy_tests::{Proc, RedisServer};
use serde_json::Value;

use crate::load;
use crate::support::{DEADLINE, command};

/// The most memory that a process has had, in kB, and what it said.
fn peak(redis: &RedisServer, args: &[&str]) -> (u64, String) {
    let gandy = Proc::spawn("gandy", command(&[("REDIS_URL", &redis.url())], args));
    let mut peak = 0;
    while gandy.is_running() {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", gandy.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = kb.unwrap_or(0).max(peak);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(gandy.wait_exit(DEADLINE).success(), "{}", gandy.stderr());
    (peak, gandy.stdout())
}

/// Of a command: calls, and microseconds in all.
fn cost(redis: &RedisServer, name: &str) -> (f64, f64) {
    let stats = redis.cli(&["INFO", "commandstats"]);
    let start = format!("cmdstat_{name}:");
    let Some(line) = stats
        .lines()
        .find_map(|line| line.strip_prefix(start.as_str()))
    else {
        return (0.0, 0.0);
    };
    let field = |name: &str| {
        let value = line
            .split(',')
            .find_map(|field| field.strip_prefix(name))
            .unwrap();
        value.parse().unwrap()
    };
    (field("calls="), field("usec="))
}

#[test]
fn a_filter_over_a_large_set_keeps_redis_free_and_memory_flat() {
    let redis = RedisServer::start();
    load(&redis, "dead", 0, 1_000);
    load(&redis, "retry", 0, 100_000);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "10000"]);
    redis.cli(&["SLOWLOG", "RESET"]);
    let filter = ["--filter", "class:Rare", "--yes", "--json"];
    let (few, _) = peak(
        &redis,
        &[&["delete", "--from", "dead"][..], &filter].concat(),
    );
    let (large, out) = peak(
        &redis,
        &[&["delete", "--from", "retry"][..], &filter].concat(),
    );
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["done"], 100);
    assert!(
        large < few + 8 * 1024,
        "{few} kB for 1,000 jobs, {large} kB for 100,000"
    );
    // Nothing reads a whole set: so many calls, and each of them short. (The mean: on a machine with other work a call may
    // be kept waiting itself, and the slow log counts that too.)
    let (calls, usec) = cost(&redis, "zrange");
    assert!(calls > 200.0, "{calls}");
    assert!(usec / calls < 2_000.0, "{} us a call", usec / calls);
    let (calls, usec) = cost(&redis, "evalsha");
    assert!(
        calls > 90.0 && usec / calls < 2_000.0,
        "{calls} calls, {usec} us"
    );
    let slow: u64 = redis.cli(&["SLOWLOG", "LEN"]).parse().unwrap();
    assert!(slow <= 10, "{}", redis.cli(&["SLOWLOG", "GET", "20"]));
    for banned in ["keys", "zrangebyscore", "smembers"] {
        assert_eq!(cost(&redis, banned).0, 0.0, "{banned}");
    }
}

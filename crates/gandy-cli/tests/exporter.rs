//! `gandy exporter`: the fleet as metrics, for a user who may only look, through an outage of Redis.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gandy_faults::{Deed, Plan, Rule, When};
use gandy_tests::{Flavour, Proc, RedisServer, detour, seed, url_of, wait_until};
use nix::sys::signal::Signal;
use support::{DEADLINE, command};

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return (0, String::new());
    };
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or(0), body.to_owned())
}

/// The value of a series.
fn value(page: &str, series: &str) -> Option<f64> {
    let mut lines = page.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Prometheus' own reader, where it is installed.
fn promtool(page: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: promtool is not installed");
        return;
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(page.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool: {words}\n{page}");
}

fn start(url: &str, words: &[&str]) -> (Proc, SocketAddr) {
    let words = [&["exporter", "--listen", "127.0.0.1:0"], words].concat();
    let exporter = Proc::spawn("exporter", command(&[("REDIS_URL", url)], &words));
    let log = exporter.wait_for_log("http://", DEADLINE);
    let (_, rest) = log.split_once("http://").unwrap();
    let address = rest.split('/').next().unwrap().parse().unwrap();
    (exporter, address)
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

/// Two queues, sets with due and later entries, two processes of which one is gone, and jobs in flight.
fn fill(redis: &RedisServer) {
    let job = |queue: &str, at: f64| {
        let at = (at * 1000.0) as i64;
        format!(
            r#"{{"class":"A","args":["S3CR3T"],"jid":"j","queue":"{queue}","enqueued_at":{at}}}"#
        )
    };
    redis.cli(&["SADD", "queues", "default", "ev\"il\u{1b}", "broken"]);
    redis.cli(&["SET", "queue:broken", "no list"]);
    redis.cli(&["SADD", "paused", "ev\"il\u{1b}"]);
    for age in [5.0, 60.0] {
        redis.cli(&["RPUSH", "queue:default", &job("default", now() - age)]);
    }
    let at = |seconds: f64| format!("{seconds}");
    redis.cli(&[
        "ZADD",
        "schedule",
        &at(now() - 90.0),
        "due",
        &at(now() + 90.0),
        "later",
    ]);
    redis.cli(&["ZADD", "retry", &at(now() + 90.0), "later"]);
    redis.cli(&[
        "ZADD",
        "dead",
        &at(now()),
        "a",
        &at(now()),
        "b",
        &at(now()),
        "c",
    ]);
    redis.cli(&["MSET", "stat:processed", "70", "stat:failed", "7"]);
    let ours = "h:1:0123456789ab";
    redis.cli(&[
        "SADD",
        "processes",
        ours,
        "ruby:2:ab0123456789",
        "gone:3:ba9876543210",
    ]);
    let beat = at(now() - 4.0);
    redis.cli(&[
        "HSET",
        ours,
        "beat",
        &beat,
        "busy",
        "3",
        "concurrency",
        "10",
        "quiet",
        "false",
    ]);
    let info = r#"{"concurrency":5}"#;
    let old = at(now() - 30.0);
    redis.cli(&[
        "HSET",
        "ruby:2:ab0123456789",
        "beat",
        &old,
        "busy",
        "1",
        "quiet",
        "true",
        "info",
        info,
    ]);
    redis.cli(&["HSET", "gandy:fleet", ours, "{}"]);
    let inflight = format!("gandy:inflight:{ours}");
    redis.cli(&[
        "HSET",
        &inflight,
        "1:default",
        "{}",
        "2:default",
        "{}",
        "3:low",
        "{}",
    ]);
}

#[test]
fn the_fleet_is_a_page_that_prometheus_reads_and_an_outage_is_a_zero() {
    let redis = RedisServer::with_users(&Flavour::Scripts.filled(), &[]);
    fill(&redis);
    let (exporter, at) = start(&url_of(&redis, "dashboard"), &["--doctor"]);
    assert_eq!(get(at, "/livez"), (200, "ok\n".to_owned()));
    assert_eq!(get(at, "/").0, 404);
    wait_until(DEADLINE, "the first examination", || {
        get(at, "/metrics").1.contains("gandy_doctor_findings{")
    });
    let (status, page) = get(at, "/metrics");
    assert_eq!(status, 200);
    promtool(&page);
    let is = |series: &str, wanted: f64| {
        assert_eq!(value(&page, series), Some(wanted), "{series}\n{page}")
    };
    let about = |series: &str, from: f64| {
        let seen = value(&page, series).unwrap_or_else(|| panic!("{series}\n{page}"));
        assert!((from..from + 30.0).contains(&seen), "{series} {seen}");
    };
    is("gandy_up", 1.0);
    is("gandy_queue_size{queue=\"default\"}", 2.0);
    about("gandy_queue_latency_seconds{queue=\"default\"}", 60.0);
    is("gandy_queue_busy{queue=\"default\"}", 2.0);
    is("gandy_queue_paused{queue=\"default\"}", 0.0);
    is("gandy_queue_paused{queue=\"ev\\\"il\u{fffd}\"}", 1.0);
    is(
        "gandy_queue_latency_seconds{queue=\"ev\\\"il\u{fffd}\"}",
        0.0,
    );
    is("gandy_queue_size{queue=\"broken\"}", 0.0);
    is("gandy_set_size{set=\"schedule\"}", 2.0);
    is("gandy_set_size{set=\"dead\"}", 3.0);
    about("gandy_scheduler_lag_seconds{set=\"schedule\"}", 90.0);
    is("gandy_scheduler_lag_seconds{set=\"retry\"}", 0.0);
    is("gandy_processes", 2.0);
    is("gandy_processes_quiet", 1.0);
    is("gandy_fleet_concurrency", 15.0);
    is("gandy_fleet_busy", 4.0);
    about("gandy_oldest_heartbeat_age_seconds", 29.0);
    is("gandy_processed_total", 70.0);
    is("gandy_failed_total", 7.0);
    is("gandy_redis_eviction_safe", 1.0);
    is("gandy_redis_aof_enabled", 0.0);
    is("gandy_redis_persistence_ok", 1.0);
    is("gandy_redis_memory_max_bytes", 0.0);
    assert!(value(&page, "gandy_redis_memory_used_bytes").unwrap() > 1e5);
    assert!(value(&page, "gandy_clock_skew_seconds").unwrap().abs() < 5.0);
    // The key of another type, and a process that holds jobs without a lease, are found.
    assert!(value(&page, "gandy_doctor_findings{severity=\"error\"}").unwrap() >= 1.0);
    assert!(!page.contains("S3CR3T"));
    // Everything that the table promises of an exporter, and nothing else.
    for row in gandy::METRICS {
        let shown = page.contains(&format!("# TYPE {} {}\n", row.name, row.kind.word()));
        let ours = row.served_by != gandy::metrics::ServedBy::Worker;
        assert_eq!(shown, ours, "{}", row.name);
    }

    // Twice within a second is one look.
    let asked = || {
        let info = redis.cli(&["INFO", "commandstats"]);
        let line = info
            .lines()
            .find(|line| line.starts_with("cmdstat_sscan:"))
            .unwrap_or_default()
            .to_owned();
        line.split(',').next().unwrap().to_owned()
    };
    std::thread::sleep(Duration::from_millis(1050));
    get(at, "/metrics");
    let before = asked();
    for _ in 0..3 {
        assert_eq!(value(&get(at, "/metrics").1, "gandy_up"), Some(1.0));
    }
    assert_eq!(asked(), before);

    redis.kill9();
    wait_until(DEADLINE, "it says that Redis is away", || {
        value(&get(at, "/metrics").1, "gandy_up") == Some(0.0)
    });
    let page = get(at, "/metrics").1;
    promtool(&page);
    assert!(
        !page.contains("gandy_queue_size") && page.contains("gandy_build_info"),
        "{page}"
    );
    assert_eq!(get(at, "/livez").0, 200);
    exporter.signal(Signal::SIGTERM);
    assert_eq!(exporter.wait_exit(DEADLINE).code(), Some(0));
    assert!(!exporter.log().contains("DASHBOARD"), "{}", exporter.log());
}

#[test]
fn no_scrape_waits_for_an_examination_and_one_that_failed_is_not_repeated_at_once() {
    let redis = RedisServer::start();
    let proxy = detour(&redis, seed());
    // Only an examination asks this.
    proxy.set(Plan::default().rule(Rule::of("ACL WHOAMI", When::Always, Deed::Mute)));
    let (exporter, at) = start(&proxy.url(), &["--doctor"]);
    let asked = || proxy.tally().of("ACL WHOAMI").requests;
    wait_until(DEADLINE, "the examination", || asked() == 1);
    let began = Instant::now();
    assert_eq!(value(&get(at, "/metrics").1, "gandy_up"), Some(1.0));
    assert!(began.elapsed() < Duration::from_secs(4));
    exporter.wait_for_log("no findings: ", DEADLINE);
    wait_until(DEADLINE, "a page of after the failure", || {
        get(at, "/metrics").1.contains("gandy_up 1")
    });
    std::thread::sleep(Duration::from_millis(1050));
    let page = get(at, "/metrics").1;
    assert!(!page.contains("gandy_doctor_findings"), "{page}");
    assert_eq!(asked(), 1);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = command(&[], &["exporter", "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains(&format!("cannot listen on {address}")),
        "{words}"
    );
}

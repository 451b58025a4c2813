//! The bench from outside: a quick run on a real Redis, and the JSON that it leaves.
#![allow(clippy::unwrap_used)]

use std::process::Command;

fn bench(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_gandy-bench"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_quick_drain_leaves_rows_of_gandy_and_of_the_floor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.json");
    let json = path.to_str().unwrap();
    let output = bench(&[
        "run",
        "--quick",
        "--only",
        "gandy,floor",
        "--work",
        "drain",
        "--jobs",
        "2000",
        "--json",
        json,
    ]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");

    let text = std::fs::read_to_string(&path).unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(results["machine"].as_str().unwrap().contains("Redis"));
    let rows = results["rows"].as_array().unwrap();
    for contender in ["gandy", "floor"] {
        for slots in [10, 25, 100] {
            let row = rows
                .iter()
                .find(|row| {
                    row["contender"] == contender && row["conditions"]["concurrency"] == slots
                })
                .unwrap_or_else(|| panic!("no row of {contender} on {slots} slots: {text}"));
            assert!(row["skipped"].is_null(), "{row}");
            assert_eq!(row["work"], "drain");
            assert_eq!(row["unit"], "jobs/s");
            assert_eq!(row["n"], 1);
            assert_eq!(row["conditions"]["persistence"], "none");
            assert_eq!(row["conditions"]["rtt_ms"], 0);
            assert_eq!(row["conditions"]["queued"], 2000);
            assert!(row["median"].as_f64().unwrap() > 100.0, "{row}");
            for name in ["worker_us_per_job", "redis_us_per_job", "rss_mb"] {
                assert!(row[name].as_f64().unwrap() > 0.0, "{name}: {row}");
            }
            let bytes = row["redis_bytes_per_queued_job"].as_f64().unwrap();
            assert!((200.0..500.0).contains(&bytes), "{row}");
        }
    }

    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("| bare protocol ("), "{table}");
    assert!(
        table.contains("drain on 100 slots ÷ bare protocol"),
        "{table}"
    );
}

#[test]
fn through_the_proxy_a_push_takes_its_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.json");
    let output = bench(&[
        "run",
        "--quick",
        "--only",
        "floor",
        "--work",
        "proxy",
        "--jobs",
        "1000",
        "--json",
        path.to_str().unwrap(),
    ]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = std::fs::read_to_string(&path).unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = results["rows"].as_array().unwrap();
    let rate = |work: &str| {
        let row = rows.iter().find(|row| row["work"] == work).unwrap();
        assert_eq!(row["conditions"]["rtt_ms"], 2, "{row}");
        row["median"].as_f64().unwrap()
    };
    assert!(rate("push") <= 500.0, "{text}");
    assert!(rate("push64") > 1_000.0, "{text}");
    assert!(rate("pickup") >= 2.0, "{text}");
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    for (args, known) in [
        (["run", "--work", "dig"], "drain"),
        (["run", "--only", "nobody"], "gandy"),
        (["run", "--persistence", "rdb"], "aof"),
    ] {
        let output = bench(&args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(known), "{error}");
    }
}

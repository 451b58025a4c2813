//! The battery with small loads: every scenario of the table in docs/reliability.md holds its bounds.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// As the documents and `--json` call them.
const SCENARIOS: [&str; 17] = [
    "crash",
    "freeze",
    "starved",
    "reply-loss",
    "redis-restart",
    "failover",
    "full-redis",
    "eviction",
    "pill",
    "payloads",
    "clock",
    "herd",
    "identities",
    "deploy",
    "acl",
    "partition",
    "soak",
];

#[test]
fn every_scenario_holds_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.json");
    let status = Command::new(env!("CARGO_BIN_EXE_gandy-battery"))
        .args(["--quick", "--json"])
        .arg(&file)
        .status()
        .unwrap();
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let rows = all["rows"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["scenario"].as_str().unwrap())
        .collect();
    assert_eq!(names, SCENARIOS);
    assert!(all["seed"].is_u64());
    // A run of CI may be kept without the rows above.
    let broken = |row: &&serde_json::Value| row["ok"] == false && row["skipped"].is_null();
    let broken: Vec<_> = rows.iter().filter(broken).map(in_short).collect();
    assert!(
        status.success(),
        "with seed {}: {}",
        all["seed"],
        broken.join("; ")
    );
}

/// What of a broken row broke.
fn in_short(row: &serde_json::Value) -> String {
    let bounds = row["bounds"].as_array().unwrap().iter();
    let broken: Vec<_> = bounds.filter(|bound| bound["ok"] == false).collect();
    format!("{} {broken:?} {}", row["scenario"], row["trouble"])
}

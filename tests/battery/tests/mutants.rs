//! The battery would notice: Gandy broken in eight ways that others are, each of them caught by a scenario.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// As `GANDY_MUTANT` has them: pop without an in-flight record, ack before run, unfenced retry, reap without lease check,
/// client-side promote, 60 s block, identity without nonce, stats in the ack's transaction.
const MUTANTS: [&str; 8] = [
    "pop",
    "early-ack",
    "unfenced-retry",
    "reap-alive",
    "client-promote",
    "long-block",
    "no-nonce",
    "counted-ack",
];

#[test]
fn each_mutant_is_caught_by_a_scenario_and_no_other_build_has_any() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mutants.json");
    let battery = Path::new(env!("CARGO_BIN_EXE_gandy-battery"));
    let output = Command::new(battery)
        .args(["--mutants", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    // Mutants die loudly: their logs are of interest only when something is wrong.
    println!("{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mutants = all["mutants"].as_array().unwrap();
    let names: Vec<&str> = mutants
        .iter()
        .map(|mutant| mutant["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, MUTANTS);
    for mutant in mutants {
        assert!(mutant["caught_by"].is_string(), "{mutant}");
    }
    assert!(output.status.success());
    assert!(names_a_mutant(&battery.with_file_name("crew-mutants")));
    assert!(!names_a_mutant(&battery.with_file_name("crew")));
}

fn names_a_mutant(program: &Path) -> bool {
    let word = b"GANDY_MUTANT";
    let program = std::fs::read(program).unwrap();
    program.windows(word.len()).any(|part| part == word)
}

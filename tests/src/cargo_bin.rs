//! Finds a binary of this workspace by asking cargo, which also builds it when it is stale.
//!
//! Not by a path: `CARGO_TARGET_DIR`, a config file or a profile may put it anywhere. For binaries of this very
//! package use `env!("CARGO_BIN_EXE_name")`, which needs no second run of cargo.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Builds the binary `name` of the workspace in this test's profile and returns where it is.
///
/// # Panics
/// When cargo fails; its errors are on stderr.
#[track_caller]
pub fn cargo_bin(name: &str) -> PathBuf {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--workspace", "--bin", name])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("cannot run {cargo}: {e}"));
    assert!(
        output.status.success(),
        "`cargo build --bin {name}` failed ({})",
        output.status
    );
    output
        .stdout
        .split(|b| *b == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo built no executable called {name}"))
}

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
    // What cargo told this test of its own package. Build scripts such as ring's watch these and would run again, and
    // with them half a minute of compiling, each time that another package's test asks.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
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

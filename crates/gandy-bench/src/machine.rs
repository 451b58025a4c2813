//! Where it was measured, and where things are.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    // The program is run where it was built: it is not published.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folders of the peers.
pub(crate) fn contenders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contenders")
}

/// Where results are kept.
pub(crate) fn docs() -> PathBuf {
    root().join("docs/benchmarks")
}

/// Where peers put what they install.
pub(crate) fn builds() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("bench")
}

/// Processor, memory, system, Redis, Rust, commit and day, on one line.
pub(crate) fn describe() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: f64 = memory
        .lines()
        .find_map(|line| {
            let kib = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
            kib.trim().parse().ok()
        })
        .unwrap_or(0.0);
    let redis = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
    // Debian's redis-tools bring the server under another name, and it does what it is called.
    let redis = output(Command::new(redis).arg0("redis-server").arg("--version"));
    let redis = redis
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))
        .unwrap_or("of unknown version")
        .to_owned();
    let root = root();
    let root = root.to_string_lossy();
    let commit = said("git", &["-C", &root, "describe", "--always", "--dirty"]);
    Ok(format!(
        "{cores} cores of {model}, {:.0} GiB, {}, Redis {redis}, {}, commit {commit}, {}",
        kib / 1_048_576.0,
        said("uname", &["-sr"]),
        said("rustc", &["--version"]),
        said("date", &["-u", "+%Y-%m-%d"]),
    ))
}

fn said(program: &str, args: &[&str]) -> String {
    output(Command::new(program).args(args))
}

fn output(command: &mut Command) -> String {
    command.output().map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

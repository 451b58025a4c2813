//! What the process-level tests share: targets without a configuration file, and waiting for processes to go.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gandy_worker::exec::launcher::Launcher;
use gandy_worker::exec::{OUTPUT_LIMIT, Target};
use gandy_worker::run::Run;

pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gandy-worker"))
}

pub fn launcher() -> Launcher {
    Launcher::new(binary())
}

/// A target that runs `script` in sh: the tests need a program that is everywhere. The worker never does.
pub fn sh(script: &str) -> Target {
    target(&["/bin/sh", "-c", script])
}

pub fn target(words: &[&str]) -> Target {
    Target {
        program: PathBuf::from(words[0]),
        words: words.iter().map(ToString::to_string).collect(),
        cwd: std::env::temp_dir(),
        env: BTreeMap::from([("PATH".into(), std::env::var_os("PATH").unwrap())]),
        bury_on: vec![3],
        discard_on: vec![4],
        output_limit: OUTPUT_LIMIT,
        timeout: Duration::from_secs(120),
    }
}

pub fn run(args: &str) -> Run<'_> {
    Run {
        jid: "0123456789abcdef01234567",
        class: "Test",
        queue: "default",
        attempt: 1,
        args,
        trace: &[],
    }
}

/// Waits until `what` gives something.
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The pids that a script has written into a file, one a line, once there are `count`.
pub fn pids(file: &Path, count: usize) -> Vec<u32> {
    wait_for("the pids", || {
        let text = std::fs::read_to_string(file).ok()?;
        // A line without its end is half written.
        let lines: Vec<_> = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .collect();
        (lines.len() >= count).then(|| {
            lines
                .iter()
                .map(|line| line.trim().parse().unwrap())
                .collect()
        })
    })
}

/// Whether a process runs; a zombie does not.
pub fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    match stat.rsplit_once(')') {
        Some((_, rest)) => !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')),
        None => false,
    }
}

pub fn wait_until_gone(pids: &[u32]) {
    for &pid in pids {
        wait_for(&format!("the end of process {pid}"), || {
            (!runs(pid)).then_some(())
        });
    }
}

//! As PID 1 of a container the worker takes the exit of every orphan, and never that of its own programs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use gandy_worker::exec;
use gandy_worker::outcome::Outcome;
use support::{launcher, run, sh};
use tokio_util::sync::CancellationToken;

const ROLE: &str = "GANDY_WORKER_TEST_PID_ONE";

fn unshared(words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"])
        .args(words);
    command
}

fn zombies() -> usize {
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    stats
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with("Z 1 "))
        })
        .count()
}

/// Not a test: the process that the test below makes PID 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_one() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    assert_eq!(std::process::id(), 1);
    let launcher = launcher();
    tokio::spawn(launcher.clone().reap_orphans());
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let launcher = launcher.clone();
        running.spawn(async move {
            // An orphan beside each program: its parent ends at once.
            let mut parent = Command::new("/bin/sh")
                .args(["-c", "sleep 0.05 & exit 0"])
                .spawn()
                .unwrap();
            let _ = parent.wait();
            exec::run(
                &sh("exit 3"),
                &launcher,
                &run("[]"),
                &CancellationToken::new(),
            )
            .await
        });
    }
    while let Some(outcome) = running.join_next().await {
        assert!(
            matches!(outcome.unwrap(), Outcome::Bury(_)),
            "an exit was taken by the reaper"
        );
    }
    let began = std::time::Instant::now();
    while zombies() > 0 {
        assert!(
            began.elapsed() < support::DEADLINE,
            "{} zombies are left",
            zombies()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn as_pid_1_orphans_are_reaped_and_programs_keep_their_exit_codes() {
    let may = unshared(&["true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this system does not let us make a pid namespace (unshare --pid)");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let output = unshared(&[
        own.to_str().unwrap(),
        "--exact",
        "process_one",
        "--nocapture",
    ])
    .env(ROLE, "1")
    .output()
    .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

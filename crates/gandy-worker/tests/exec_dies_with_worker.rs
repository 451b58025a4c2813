//! `kill -9` of a worker leaves no child running.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use gandy_worker::exec;
use support::{launcher, pids, run, sh, wait_until_gone};
use tokio_util::sync::CancellationToken;

const SCRIPT: &str = "GANDY_WORKER_TEST_SCRIPT";

/// Not a test: the worker-like process that the tests below kill. Runs what the variable says, four times at once.
#[tokio::test]
async fn worker_process() {
    let Some(script) = std::env::var_os(SCRIPT) else {
        return;
    };
    let target = std::sync::Arc::new(sh(script.to_str().unwrap()));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let target = target.clone();
        running.spawn(async move {
            exec::run(&target, &launcher(), &run("[]"), &CancellationToken::new()).await
        });
    }
    running.join_all().await;
}

fn killed_worker_leaves_nothing(script: &str, count_each: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker_process", "--test-threads=1"])
        .env(SCRIPT, script.replace("$F", file.to_str().unwrap()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let found = pids(&file, 4 * count_each);
    assert!(
        found.iter().all(|pid| support::runs(*pid)),
        "the children run before the kill"
    );
    worker.kill().unwrap();
    worker.wait().unwrap();
    wait_until_gone(&found);
}

#[test]
fn kill_9_of_the_worker_leaves_no_child_running() {
    killed_worker_leaves_nothing("echo $$ >> $F; sleep 300 & echo $! >> $F; wait", 2);
}

#[test]
fn kill_9_of_the_worker_ends_children_that_ignore_signals_or_left_the_group() {
    let script = "trap '' TERM HUP INT; echo $$ >> $F; setsid sleep 300 & echo $! >> $F; \
                  (setsid sh -c 'echo $$ >> $F; sleep 300' &) ; wait";
    killed_worker_leaves_nothing(script, 3);
}

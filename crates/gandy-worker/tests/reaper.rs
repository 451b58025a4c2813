//! The reaper tells orphans from its own shims. Alone in its file: it takes the exit of any child of the process.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use support::{launcher, runs, wait_for};

#[tokio::test]
async fn the_reaper_takes_strangers_and_leaves_shims_to_their_run() {
    let launcher = launcher();
    let (mut shim, socket) = launcher.start("Test").unwrap();
    let pid = shim.pid.as_raw().unsigned_abs();
    drop(socket);
    wait_for("the end of the shim", || (!runs(pid)).then_some(()));
    assert_eq!(launcher.reap_now(), 0);
    assert!(
        shim.child.wait().await.unwrap().success(),
        "its exit was taken"
    );

    #[expect(clippy::zombie_processes, reason = "the reaper takes its exit")]
    let stranger = Command::new("true").spawn().unwrap();
    let ended = wait_for("the end of the stranger", || {
        (!runs(stranger.id())).then(|| stranger.id())
    });
    assert_eq!(launcher.reap_now(), 1);
    assert!(!std::path::Path::new(&format!("/proc/{ended}")).exists());
}

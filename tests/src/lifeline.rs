//! Ends a child process when the test process dies without running its destructors.
//!
//! A test that is killed (Ctrl-C, a CI timeout, `kill -9`) would leave redis-servers and workers behind. Linux has
//! PR_SET_PDEATHSIG for this, but it needs `unsafe` code between fork and exec. So a tiny shell waits at the other
//! end of a pipe that only the test process holds: end of file means that the test is gone.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A line read means "let go"; end of file means that the test process died.
const WATCH: &str =
    r#"read -r _ && exit 0; kill -9 "$1" 2>/dev/null; shift; [ $# -eq 0 ] || rm -rf -- "$@""#;

/// Holds one child to this process. Dropping it lets the child go without killing it.
#[derive(Debug)]
pub(crate) struct Lifeline {
    watch: Child,
}

impl Lifeline {
    /// Kills `pid` and removes `folders` when this process dies before the `Lifeline` is dropped.
    pub(crate) fn tie(pid: u32, folders: &[&Path]) -> Self {
        let watch = Command::new("sh")
            .args([OsStr::new("-c"), OsStr::new(WATCH), OsStr::new("lifeline")])
            .arg(pid.to_string())
            .args(folders)
            .stdin(Stdio::piped())
            // It must not hold the pipes on which cargo waits for the end of the test.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C goes to the whole foreground group; this is the one process that must outlive it.
            .process_group(0)
            .spawn()
            .expect("cannot start `sh` to watch over a child process");
        Self { watch }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.watch.stdin.take() {
            // A failure means that the shell is gone already, which is what we want.
            let _ = stdin.write_all(b"\n");
        }
        let _ = self.watch.wait();
    }
}

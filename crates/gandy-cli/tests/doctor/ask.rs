//! The question before a repair, at a real terminal.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use gandy_tests::RedisServer;
use nix::pty::openpty;

use crate::support::command;
use crate::{job, sound};

/// The doctor repairs with somebody at the terminal who answers so; what it said to standard output and error.
fn answered(redis: &RedisServer, answer: &str) -> (String, String) {
    let terminal = openpty(None, None).unwrap();
    let url = redis.url();
    let mut command = command(
        &[("REDIS_URL", &url)],
        &[
            "doctor",
            "--fix",
            "unlisted-queue",
            "--fix",
            "silent-process",
        ],
    );
    command
        .stdin(Stdio::from(terminal.slave))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let mut master = File::from(terminal.master);
    writeln!(master, "{answer}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn nothing_is_repaired_before_somebody_agrees() {
    let redis = sound();
    redis.cli(&["LPUSH", "queue:low", &job("a", "low")]);
    let (out, err) = answered(&redis, "no");
    assert!(
        err.contains("unlisted-queue (1): writes their names there. Repair? [y/N]"),
        "{err}"
    );
    assert!(out.ends_with("left: 2 warnings\n"), "{out}");
    assert_eq!(redis.cli(&["EXISTS", "queues"]), "0");
    let (out, err) = answered(&redis, "y");
    assert!(err.contains("silent-process was not found"), "{err}");
    assert!(
        out.contains("unlisted-queue: 1 names are written into queues\n")
            && out.ends_with("left: 1 warning\n"),
        "{out}"
    );
    assert_eq!(redis.cli(&["SMEMBERS", "queues"]), "low");
}

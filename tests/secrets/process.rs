//! A worker process whose environment holds secrets: its log at the level `trace`, its line in `ps`, what it shows of
//! itself in Redis, and its last words.

use gandy_tests::{Crew, Proc, RedisServer, payload, wait_until};
use nix::sys::signal::Signal;

use crate::{ARGUMENT, PASSWORD, SOON, VARIABLE, assert_hidden, redis_keys};

fn crew(redis: &RedisServer) -> Crew {
    Crew::new(env!("CARGO_BIN_EXE_crew"), redis)
        .set("RUST_LOG", "trace")
        .set("RUST_BACKTRACE", "full")
        .set("DATABASE_PASSWORD", VARIABLE)
}

/// What everybody on the machine may read of a process.
fn command_line(process: &Proc) -> String {
    let output = std::process::Command::new("ps")
        .args(["-o", "args=", "-p", &process.pid().to_string()])
        .output();
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        // A bare image has no `ps`.
        Err(_) => std::fs::read_to_string(format!("/proc/{}/cmdline", process.pid())).unwrap(),
    }
}

#[test]
fn a_process_shows_none_of_its_environment() {
    let redis = RedisServer::with(&["--requirepass", PASSWORD]);
    let text = format!("[{ARGUMENT:?}]");
    for (class, jid) in [("Fail", "f"), ("Nap", "n"), ("Unknown", "u"), ("Noop", "d")] {
        redis.cli(&["LPUSH", "queue:default", &payload(class, &text, jid)]);
    }
    // Moved in a step that the log tells of at `debug`.
    let due = payload("Noop", &text, "due");
    redis.cli(&["ZADD", "schedule", "1", &due]);
    // Runs while the dump is made.
    redis.cli(&[
        "LPUSH",
        "queue:default",
        &payload("Nap", "[600000]", "long"),
    ]);
    let worker = crew(&redis).set("CREW_TIMEOUT_MS", 0).start();
    worker.wait_for_log("crew: started", SOON);
    wait_until(SOON, "three wait for their retry", || {
        redis.cli(&["ZCARD", "retry"]) == "3"
    });
    worker.wait_for_log("promoted", SOON);
    worker.signal(Signal::SIGTTIN);
    worker.wait_for_log("running", SOON);
    wait_until(SOON, "it shows itself", || {
        redis.cli(&["SCARD", "processes"]) == "1"
    });
    assert_hidden("ps", &command_line(&worker));
    redis_keys::assert_hidden_but_for_arguments(&mut redis.conn());
    redis.kill9();
    worker.wait_for_log("is not available", SOON);
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(SOON);
    assert_hidden("the log", &worker.log());
}

#[test]
fn the_last_words_of_a_process_that_cannot_start_hold_no_password() {
    let redis = RedisServer::with(&["--requirepass", "right"]);
    let port = redis.port();
    for url in [
        format!("redis://:{PASSWORD}@127.0.0.1:{port}/0"),
        format!("redis://nobody:{PASSWORD}@127.0.0.1:{port}/0"),
        format!("redis://{PASSWORD}@127.0.0.1:{port}/0"),
        format!("redis://app:{PASSWORD}@127.0.0.1:{port}/x"),
        format!("http://app:{PASSWORD}@127.0.0.1:{port}"),
        format!("app:{PASSWORD}@127.0.0.1:{port}"),
        format!("rediss://app:{PASSWORD}@127.0.0.1:{port}"),
    ] {
        let worker = crew(&redis).set("REDIS_URL", &url).start();
        let ended = worker.wait_exit(SOON);
        assert!(!ended.success(), "{url}");
        assert!(!worker.log().contains("panicked"), "{}", worker.log());
        assert_hidden("the last words", &worker.log());
    }
}

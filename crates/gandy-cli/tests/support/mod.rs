//! Runs the real binary, as a shell would, and keeps what it said.
#![allow(dead_code, reason = "each test file uses its part")]

use std::process::{Command, ExitStatus};
use std::time::Duration;

use gandy_tests::{Proc, RedisServer};
use serde_json::Value;

/// A loaded machine may be slow; the command's own waits are 2 s to connect and 5 s for a reply.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Standard output of a run that must have done what it was asked.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Standard error of a run that must have ended with this code and without a result.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.err
    }

    /// The one JSON document of a run that must have done what it was asked.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        document(&self.done())
    }
}

/// One document in one line, and nothing else.
#[track_caller]
pub(crate) fn document(out: &str) -> Value {
    assert!(out.ends_with('\n') && out.lines().count() == 1, "{out:?}");
    serde_json::from_str(out).unwrap_or_else(|error| panic!("no JSON ({error}): {out:?}"))
}

/// The command with nothing of the machine's environment that could steer it.
pub(crate) fn command(env: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gandy"));
    for name in [
        "REDIS_URL",
        "REDIS_URL_FILE",
        "REDIS_TLS_CA",
        "REDIS_TLS_CERT",
        "REDIS_TLS_KEY",
        "GANDY_NAMESPACE",
        "GANDY_CONFIG",
        "NO_COLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(name);
    }
    command.envs(env.iter().copied()).args(args);
    command
}

#[track_caller]
pub(crate) fn run(env: &[(&str, &str)], args: &[&str], input: &[u8]) -> Answer {
    let process = Proc::spawn_with_input("gandy", command(env, args), input);
    let status: ExitStatus = process.wait_exit(DEADLINE);
    Answer {
        code: status.code().unwrap_or(-1),
        out: process.stdout(),
        err: process.stderr(),
    }
}

/// `gandy args…` with this Redis in `REDIS_URL`.
#[track_caller]
pub(crate) fn gandy(redis: &RedisServer, args: &[&str]) -> Answer {
    run(&[("REDIS_URL", &redis.url())], args, b"")
}

/// `gandy args… < input` with this Redis in `REDIS_URL`.
#[track_caller]
pub(crate) fn gandy_fed(redis: &RedisServer, args: &[&str], input: impl AsRef<[u8]>) -> Answer {
    run(&[("REDIS_URL", &redis.url())], args, input.as_ref())
}

/// How often the server ran a command.
pub(crate) fn calls(redis: &RedisServer, command: &str) -> u64 {
    let stats = redis.cli(&["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix(&start)?.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("redis prints a number"))
}

/// The lines of the answer to `redis-cli`.
pub(crate) fn cli(redis: &RedisServer, args: &[&str]) -> Vec<String> {
    redis.cli(args).lines().map(str::to_owned).collect()
}

//! The real Sidekiq of Ruby: as a client, as a reader of our keys, and as a worker beside ours.
//!
//! The Ruby side is in `tests/ruby`, one small tool per question, JSON in and JSON out. Where Ruby or the gem is
//! missing, a test says so and passes; under CI it fails, so that nobody takes the skip for a proof.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::history::History;
use crate::process::Proc;
use crate::redis_server::{self, RedisServer};
use crate::wait::wait_for;

/// Of one tool: Ruby needs 0.3 s to start, a loaded machine ten times as much.
const TOOL_DEADLINE: Duration = Duration::from_secs(60);
/// From the start to the first heartbeat.
const BOOT_DEADLINE: Duration = Duration::from_secs(60);

/// Ruby with Sidekiq, pointed at one Redis.
#[derive(Debug)]
pub struct RubySidekiq {
    url: String,
    version: String,
}

impl RubySidekiq {
    /// Ruby and its Sidekiq for `redis`, or `None` after printing `SKIPPED: …` when they are not installed.
    ///
    /// # Panics
    /// When they are missing and the environment says `CI=true`.
    #[track_caller]
    pub fn find(test: &str, redis: &RedisServer) -> Option<Self> {
        match installed_version() {
            Ok(version) => Some(Self {
                url: redis.url(),
                version,
            }),
            Err(why) => {
                let ci = std::env::var("CI").is_ok_and(|v| v == "true" || v == "1");
                assert!(!ci, "{test} needs Ruby's Sidekiq under CI: {why}");
                // Past libtest, which keeps to itself what a passing test prints with eprintln.
                let _ = writeln!(
                    std::io::stderr(),
                    "SKIPPED: {test}: {why}. scripts/test installs it where a package exists."
                );
                None
            }
        }
    }

    /// Sidekiq's version, such as `6.4.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Runs `tests/ruby/<tool>.rb` with `input` on stdin and returns the JSON that it prints.
    ///
    /// # Panics
    /// When it fails, prints no JSON or takes longer than a minute.
    #[track_caller]
    pub fn run(&self, tool: &str, input: &Value) -> Value {
        let mut command = Command::new("ruby");
        command.arg(folder().join(format!("{tool}.rb")));
        self.read_json(tool, command, input)
    }

    /// Runs a few lines of Ruby after `require "tool"` (see `tests/ruby/tool.rb`); the value of the last one is returned.
    #[track_caller]
    pub fn eval(&self, code: &str) -> Value {
        let mut command = Command::new("ruby");
        command
            .arg("-I")
            .arg(folder())
            .args(["-r", "tool", "-e"])
            .arg(format!("Tool.output(begin\n{code}\nend)"));
        self.read_json("eval", command, &Value::Null)
    }

    /// `Sidekiq::Client.push` for each item (class, args and any other field; `at` in seconds for scheduled).
    /// Returns the jids.
    #[track_caller]
    pub fn push(&self, items: &[Value]) -> Vec<String> {
        jids(self.run("push", &json!({ "jobs": items })))
    }

    /// `Sidekiq::Client.push_bulk`: in `item`, `args` is an array of arrays. Returns the jids.
    #[track_caller]
    pub fn push_bulk(&self, item: &Value) -> Vec<String> {
        jids(self.run("push", &json!({ "bulk": item })))
    }

    /// `retry`, `schedule` or `dead` as Ruby reads it: objects with jid, class, args, queue, score, item, raw….
    #[track_caller]
    pub fn entries(&self, set: &str) -> Vec<Value> {
        array(self.run("entries", &json!({ "set": set })))
    }

    /// A button of the Web UI on one entry: `retry`, `kill`, `delete`, `add_to_queue`. False if Ruby did not find it.
    #[track_caller]
    pub fn entry_action(&self, set: &str, jid: &str, action: &str) -> bool {
        let input = json!({ "set": set, "jid": jid, "action": action });
        self.run("entry_action", &input) == Value::Bool(true)
    }

    /// Queue name to `{size, latency, paused, jobs}`.
    #[track_caller]
    pub fn queues(&self) -> Value {
        self.run("queues", &Value::Null)
    }

    /// The front page's numbers: processed, failed, enqueued, scheduled, retries, dead, processes, busy….
    #[track_caller]
    pub fn stats(&self) -> Value {
        self.run("stats", &Value::Null)
    }

    /// The fleet as Ruby sees it: identity, hostname, concurrency, busy, quiet, queues….
    #[track_caller]
    pub fn processes(&self) -> Vec<Value> {
        array(self.run("processes", &Value::Null))
    }

    /// The running jobs as Ruby sees them: process, thread, queue, run_at, payload (parsed).
    #[track_caller]
    pub fn work(&self) -> Vec<Value> {
        array(self.run("work", &Value::Null))
    }

    /// Presses Quiet for the process of that identity. False if Ruby did not find it.
    #[track_caller]
    pub fn quiet(&self, identity: &str) -> bool {
        self.process_action(identity, "quiet!")
    }

    /// Presses Stop.
    #[track_caller]
    pub fn stop(&self, identity: &str) -> bool {
        self.process_action(identity, "stop!")
    }

    /// Asks for a dump of the threads (TTIN).
    #[track_caller]
    pub fn dump_threads(&self, identity: &str) -> bool {
        self.process_action(identity, "dump_threads")
    }

    /// Starts a real Sidekiq process with the jobs of `tests/ruby/worker.rb` (EchoJob, HistoryJob, SleepJob, FailJob)
    /// and waits until it takes work. `args` go to the command: `&["-q", "default", "-c", "5", "-t", "2"]`.
    /// Its name in the history is [`RubyWorker::name`].
    ///
    /// # Panics
    /// When it does not start within a minute.
    #[track_caller]
    pub fn worker(&self, history: &History, args: &[&str]) -> RubyWorker {
        // Not the pid: a name must be known before the start, and must differ between two lives.
        let name = format!("ruby-{:08x}", fastrand::u32(..));
        let mut command = Command::new("ruby");
        command
            .args(["-S", "sidekiq", "-r"])
            .arg(folder().join("worker.rb"))
            .args(["-e", "production"])
            .args(args)
            .env("REDIS_URL", &self.url)
            .env("GANDY_TEST_HISTORY", history.path())
            .env("GANDY_TEST_WORKER", &name);
        // The environment of a developer's shell must not choose another Redis or concurrency.
        for key in [
            "REDIS_PROVIDER",
            "RAILS_MAX_THREADS",
            "DYNO",
            "NOTIFY_SOCKET",
        ] {
            command.env_remove(key);
        }
        let process = Proc::spawn(&name, command);
        let identity = self.first_heartbeat(&process);
        RubyWorker {
            name,
            identity,
            process,
        }
    }

    /// Waits for the heartbeat of `process`. Its log says nothing of being ready.
    #[track_caller]
    fn first_heartbeat(&self, process: &Proc) -> String {
        let mut conn = redis_server::connect(&self.url, Duration::from_secs(10))
            .unwrap_or_else(|e| panic!("cannot connect to {}: {e}", self.url));
        let pid = format!(":{}:", process.pid());
        wait_for(BOOT_DEADLINE, "the Ruby worker's first heartbeat", || {
            if let Some(status) = process.exit_status() {
                panic!("sidekiq ended ({status}){}", process.tail());
            }
            let all: Vec<String> = redis::cmd("SMEMBERS")
                .arg("processes")
                .query(&mut conn)
                .expect("SMEMBERS processes failed");
            all.into_iter().find(|identity| identity.contains(&pid))
        })
    }

    #[track_caller]
    fn process_action(&self, identity: &str, action: &str) -> bool {
        let input = json!({ "identity": identity, "action": action });
        self.run("process_action", &input) == Value::Bool(true)
    }

    #[track_caller]
    fn read_json(&self, tool: &str, mut command: Command, input: &Value) -> Value {
        command
            .env("REDIS_URL", &self.url)
            .env_remove("REDIS_PROVIDER");
        let name = format!("ruby {tool}");
        let process = Proc::spawn_with_input(&name, command, input.to_string().as_bytes());
        let status = process.wait_exit(TOOL_DEADLINE);
        assert!(
            status.success(),
            "{name} failed ({status}){}",
            process.tail()
        );
        serde_json::from_str(&process.stdout())
            .unwrap_or_else(|e| panic!("{name} printed no JSON: {e}{}", process.tail()))
    }
}

/// A running Sidekiq process. Killed when dropped.
#[derive(Debug)]
pub struct RubyWorker {
    name: String,
    identity: String,
    process: Proc,
}

impl RubyWorker {
    /// The worker's name in the lines of the history.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process: signals, log, exit.
    pub fn process(&self) -> &Proc {
        &self.process
    }

    /// Its identity in `processes`: `host:pid:nonce`.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

/// `tests/ruby`.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ruby")
}

fn installed_version() -> Result<String, String> {
    let output = Command::new("ruby")
        .args([
            "-e",
            r#"require "sidekiq"; require "sidekiq/api"; puts Sidekiq::VERSION"#,
        ])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("ruby cannot be run ({e})"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err("ruby has no sidekiq gem".to_owned())
    }
}

#[track_caller]
fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => panic!("Ruby printed no array: {other}"),
    }
}

#[track_caller]
fn jids(value: Value) -> Vec<String> {
    let jid = |v: Value| match v {
        Value::String(jid) => jid,
        other => panic!("Ruby did not push a job: {other}"),
    };
    array(value).into_iter().map(jid).collect()
}

//! A child process of a test: its log in files, signals, and a certain end.
//!
//! Not here: what the process is (see `redis_server.rs` and `ruby.rs` for two that are used often).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lifeline::Lifeline;
use crate::wait::wait_for;

/// How much of a log a failing test prints: the end of it, where the cause usually is.
const TAIL_BYTES: usize = 6_000;

/// A child process. Killed with `kill -9` when dropped, and also when the test process itself dies.
///
/// It runs in its own process group, so a Ctrl-C at the terminal does not reach it before the test decides.
/// When the test panics, dropping it prints the end of its log.
#[derive(Debug)]
pub struct Proc {
    name: String,
    pid: u32,
    logs: TempDir,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    child: Child,
    /// Cut as soon as the child has been reaped: from then on its pid may belong to somebody else.
    lifeline: Option<Lifeline>,
    status: Option<ExitStatus>,
}

impl Proc {
    /// Starts `command`, which brings program, arguments, environment and folder; stdin is empty, stdout and stderr
    /// go to files (see [`Proc::stdout`]). `name` is used in messages.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[track_caller]
    pub fn spawn(name: &str, command: Command) -> Self {
        Self::start(name, command, &[], &[])
    }

    /// [`Proc::spawn`] with `input` on stdin.
    #[track_caller]
    pub fn spawn_with_input(name: &str, command: Command, input: &[u8]) -> Self {
        Self::start(name, command, input, &[])
    }

    /// `folders` are removed too when the test process dies before its destructors run.
    #[track_caller]
    pub(crate) fn start(name: &str, mut command: Command, input: &[u8], folders: &[&Path]) -> Self {
        use std::os::unix::process::CommandExt;
        let logs = TempDir::with_prefix("gandy-proc-").expect("no temporary folder for logs");
        let create = |file: &str| {
            File::options()
                .create(true)
                .append(true)
                .read(true)
                .open(logs.path().join(file))
                .expect("cannot create a log file in a new temporary folder")
        };
        let stdin = if input.is_empty() {
            Stdio::null()
        } else {
            create("stdin")
                .write_all(input)
                .expect("cannot write the input of a child process");
            File::open(logs.path().join("stdin"))
                .expect("cannot read back the input of a child process")
                .into()
        };
        let child = command
            .stdin(stdin)
            .stdout(create("stdout"))
            .stderr(create("stderr"))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({:?}): {e}", command.get_program()));
        let pid = child.id();
        let mut gone_with_us = vec![logs.path()];
        gone_with_us.extend(folders);
        let lifeline = Some(Lifeline::tie(pid, &gone_with_us));
        Self {
            name: name.to_owned(),
            pid,
            logs,
            state: Mutex::new(State {
                child,
                lifeline,
                status: None,
            }),
        }
    }

    /// The operating system's number of this process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, or `None` while it runs. Never waits.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.lock().look()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Whether all its threads stand still (SIGSTOP).
    pub fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid));
        let Ok(threads) = threads else { return false };
        threads.flatten().all(|thread| {
            // `PID (NAME) STATE …`; a name may hold anything.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Sends a signal: `Signal::SIGTERM`, `SIGTSTP`, `SIGTTIN`, `SIGSTOP`, `SIGCONT`…
    ///
    /// # Panics
    /// When the process has ended already: a test that signals it believes otherwise.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        // The lock is held across the kill, so that the pid cannot be reaped and reused in between.
        let mut state = self.lock();
        if let Some(status) = state.look() {
            drop(state);
            panic!(
                "cannot send {signal} to {}: it ended before ({status}){}",
                self.name,
                self.tail()
            );
        }
        signal::kill(self.nix_pid(), signal)
            .unwrap_or_else(|e| panic!("cannot send {signal} to {}: {e}", self.name));
    }

    /// `kill -9`, and waits until it is gone. True if it was still running.
    pub fn kill9(&self) -> bool {
        let mut state = self.lock();
        let was_running = state.look().is_none();
        if was_running {
            // An error here means that it ended between the look and the kill.
            let _ = state.child.kill();
            let status = state.child.wait().ok();
            state.ended(status);
        }
        was_running
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    /// When it still runs after `deadline`; prints the end of its log.
    #[track_caller]
    pub fn wait_exit(&self, deadline: Duration) -> ExitStatus {
        match self.exits_within(deadline) {
            Some(status) => status,
            None => panic!(
                "{} (pid {}) still runs after {deadline:?}{}",
                self.name,
                self.pid,
                self.tail()
            ),
        }
    }

    fn exits_within(&self, deadline: Duration) -> Option<ExitStatus> {
        let give_up = std::time::Instant::now() + deadline;
        loop {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            if std::time::Instant::now() >= give_up {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote to stdout so far. Bytes that are no UTF-8 are replaced.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Stdout, then stderr.
    pub fn log(&self) -> String {
        self.stdout() + &self.stderr()
    }

    /// Waits until a line of stdout or stderr contains `text`, and returns the first such line.
    ///
    /// # Panics
    /// When none came within `deadline`, or the process ended without writing it.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str, deadline: Duration) -> String {
        let find = || {
            let log = self.log();
            log.lines().find(|l| l.contains(text)).map(str::to_owned)
        };
        let what = format!("{text:?} in the log of {}", self.name);
        let found = wait_for(deadline, &what, || {
            // Asked before the log is read: what it wrote just before its end is then in the log.
            let ended = self.exit_status();
            match (find(), ended) {
                (Some(line), _) => Some(Ok(line)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        });
        match found {
            Ok(line) => line,
            Err(status) => panic!(
                "{} ended ({status}) without writing {text:?}{}",
                self.name,
                self.tail()
            ),
        }
    }

    /// The end of both logs, as failing tests print it.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for (stream, log) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let mut from = log.len().saturating_sub(TAIL_BYTES);
            while !log.is_char_boundary(from) {
                from += 1;
            }
            if !log.is_empty() {
                text += &format!("\n---- {} {stream} ----\n{}", self.name, &log[from..]);
            }
        }
        text
    }

    fn read(&self, file: &str) -> String {
        let bytes = fs::read(self.logs.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn nix_pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.pid).expect("a pid fits into an i32"))
    }

    /// A panic in another thread of the test must not hide the first failure behind a poisoned lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            let status = self.child.try_wait().ok().flatten();
            self.ended(status);
        }
        self.status
    }

    fn ended(&mut self, status: Option<ExitStatus>) {
        self.status = status;
        if status.is_some() {
            self.lifeline = None;
        }
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

//! A child process of the bench: it ends with what holds it, and also when the bench itself is killed.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// End of file means that the bench died without letting go: then its children must not stay behind. It is a shell because
/// PR_SET_PDEATHSIG would need `unsafe` between fork and exec.
/// (`kill -9 -- -PID` is an error in dash: it takes the dashes for a process.)
const WATCH: &str = r#"read -r _ || kill -9 "-$1""#;

/// A process that leads a group of its own, so that its children can be ended with it.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    watch: Process,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; stdout goes to `log` + `.out`, stderr to `log`.
    pub(crate) fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let process = command
            .stdin(Stdio::null())
            .stdout(File::create(log.with_extension("out"))?)
            .stderr(File::create(log)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({:?})", command.get_program()))?;
        let watch = Command::new("sh")
            .args(["-c", WATCH, "watch", &process.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start `sh` to watch over a child process")?;
        Ok(Self {
            name: name.to_owned(),
            process,
            watch,
            log: log.to_owned(),
        })
    }

    /// Its pid, which is its group's too.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// An error that quotes the end of its log, once it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => bail!("{} ended early ({status}): {}", self.name, self.tail()),
        }
    }

    /// Waits for a good end and returns what it printed.
    pub(crate) fn finish(&mut self, deadline: Duration) -> Result<String> {
        match self.wait(deadline) {
            Some(status) if status.success() => {
                Ok(fs::read_to_string(self.log.with_extension("out"))?)
            }
            Some(status) => bail!("{} failed ({status}): {}", self.name, self.tail()),
            None => bail!("{} did not end within {deadline:?}", self.name),
        }
    }

    /// Asks it to end (TERM).
    pub(crate) fn ask_to_stop(&self) {
        let _ = kill(self.group(), Signal::SIGTERM);
    }

    /// Asks it to end and waits; what has not ended after `patience` is killed.
    pub(crate) fn stop(&mut self, patience: Duration) {
        self.ask_to_stop();
        self.wait(patience);
        self.kill();
    }

    fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn group(&self) -> Pid {
        // A pid fits into an i32 on Linux.
        Pid::from_raw(i32::try_from(self.process.id()).unwrap_or(i32::MAX))
    }

    fn kill(&mut self) {
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.process.wait();
    }

    /// The end of what it wrote to stderr, on one line.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(4)..];
        last.join(" / ").chars().take(600).collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut stdin) = self.watch.stdin.take() {
            let _ = std::io::Write::write_all(&mut stdin, b"\n");
        }
        let _ = self.watch.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_early_end_quotes_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 12; echo no such thing >&2; exit 3"]);
        let mut child = Child::spawn("thing", command, &dir.path().join("thing.log")).unwrap();
        let error = child.finish(Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
    }

    /// The bench that is killed must not leave a Redis behind (one once held a lock of its caller for ten minutes).
    #[test]
    fn when_the_bench_is_gone_its_children_are_killed() {
        let mut child = Command::new("sleep")
            .arg("600")
            .process_group(0)
            .spawn()
            .unwrap();
        // A watch whose pipe ends without a line.
        let status = Command::new("sh")
            .args(["-c", WATCH, "watch", &child.id().to_string()])
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let status = child.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }

    #[test]
    fn a_dropped_child_takes_its_own_children_along() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let log = dir.path().join("nap.log");
        let child = Child::spawn("nap", command, &log).unwrap();
        let out = log.with_extension("out");
        let end = Instant::now() + Duration::from_secs(10);
        let grandchild = loop {
            let text = fs::read_to_string(&out).unwrap();
            if text.ends_with('\n') {
                break text.trim().to_owned();
            }
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        };
        drop(child);
        let gone = || {
            let stat = fs::read_to_string(format!("/proc/{grandchild}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !gone() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

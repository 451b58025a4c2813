//! A process of ours: its lines with its name before them, and a certain end, of all that it started in its group too.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::signals::Signals;
use crate::failure::Failure;
use crate::output;
use crate::style::{self, Paint};

/// A longer line is shown in pieces: it must not fill the memory.
const LINE_MAX: u64 = 64 * 1024;

/// How long its last lines may take. Whoever left the group may hold the pipe for ever.
const LAST_LINES: Duration = Duration::from_millis(500);

/// A process, its group and the readers of its output.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    group: Pid,
    status: Option<ExitStatus>,
    readers: JoinSet<()>,
}

impl Child {
    /// Starts it. It has nothing to read, and a group of its own.
    pub(super) fn start(name: &'static str, mut command: Command) -> Result<Self, Failure> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let program = command
                    .as_std()
                    .get_program()
                    .to_string_lossy()
                    .into_owned();
                Failure::usage(format!("{program} cannot be started: {error}"))
            })?;
        // Just started and never waited for, so it has a pid.
        let pid = process.id().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = pid else {
            return Err(Failure::bug(format!("{name} has no pid")));
        };
        let mut readers = JoinSet::new();
        if let Some(pipe) = process.stdout.take() {
            readers.spawn(show(name, pipe));
        }
        if let Some(pipe) = process.stderr.take() {
            readers.spawn(show(name, pipe));
        }
        Ok(Self {
            process,
            group: Pid::from_raw(pid),
            status: None,
            readers,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        u32::try_from(self.group.as_raw()).unwrap_or(0)
    }

    /// Waits for its end, and says how it ended; may be dropped and asked again.
    pub(super) async fn ended(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => {
                self.status = Some(status);
                format!("ended by itself ({status})")
            }
            Err(error) => format!("cannot be waited for: {error}"),
        }
    }

    /// Asks it to end, waits so long, and kills what is left; at once when there is another signal.
    pub(super) async fn end(&mut self, grace: Duration, signals: &mut Signals) {
        if self.status.is_none() {
            let _ = killpg(self.group, Signal::SIGTERM);
            tokio::select! {
                ended = timeout(grace, self.process.wait()) => match ended {
                    Ok(status) => self.status = status.ok(),
                    Err(_) => output::note("it does not end; it is killed"),
                },
                () = signals.next() => {}
            }
        }
        self.kill().await;
        let _ = timeout(LAST_LINES, async {
            while self.readers.join_next().await.is_some() {}
        })
        .await;
    }

    /// The process if it still runs, and whatever it started in its group.
    async fn kill(&mut self) {
        let _ = killpg(self.group, Signal::SIGKILL);
        if self.status.is_none() {
            self.status = self.process.wait().await.ok();
        }
    }
}

impl Drop for Child {
    /// For ends that were not in order: an error, a panic, a signal during the start.
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }
}

async fn show(name: &'static str, pipe: impl AsyncRead + Unpin) {
    let colour = style::of_stdout();
    let paint = if name == "redis" {
        Paint::Red
    } else {
        Paint::Blue
    };
    let prefix = paint.on(&format!("{name:<6} |"), colour);
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)
            .await;
        if !read.is_ok_and(|read| read > 0) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        // Whoever reads us may be gone; the processes live on all the same.
        let _ = output::print(&format!("{prefix} {}", text.trim_end_matches(['\r', '\n'])));
    }
}

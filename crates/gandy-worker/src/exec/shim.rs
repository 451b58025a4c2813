//! The shim: a small process between worker and program, the same binary started with a hidden word. It leads
//! the process group, starts the program in it, and lives as long as the program. When the socket that is its
//! standard input closes, the worker is gone (`kill -9` included) or wants an end, and it kills all there is.
//!
//! Why a process: `PR_SET_PDEATHSIG` is cleared at the next fork and fires when the *thread* that forked ends;
//! a supervisor thread dies with the worker; a cgroup needs rights that a container lacks.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, getpgrp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::descendants;
use super::frame::{LENGTH, Launch, Report};

/// The hidden first word that makes the binary a shim.
pub const WORD: &str = "__shim";

/// Signals that reach the whole group: the worker's TERM, and what a script sends with `kill 0`. The program
/// answers them; the shim has to outlive it to report.
const OUTLIVED: [SignalKind; 6] = [
    SignalKind::terminate(),
    SignalKind::interrupt(),
    SignalKind::hangup(),
    SignalKind::quit(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
];

/// Between TERM and KILL when the worker is gone. Short: its jobs are about to run elsewhere.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Runs the shim to its end.
///
/// # Errors
///
/// Where standard input is no socket, or the system gives no runtime: a person has started this by hand.
pub fn main() -> std::io::Result<()> {
    descendants::adopt_orphans();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> std::io::Result<()> {
    // Handlers and not a blocked mask: a program inherits a mask, while a handler is reset by its start.
    let _outlived = OUTLIVED
        .into_iter()
        .map(signal)
        .collect::<Result<Vec<_>, _>>()?;
    let mut worker = socket()?;
    let Some(launch) = read_launch(&mut worker).await else {
        return Ok(());
    };
    match run(&launch, &mut worker).await {
        Ok(Some(report)) => {
            // First the report: it must not be lost to a process that cannot be killed.
            let _ = worker.write_all(&report.encode()).await;
            descendants::kill_all();
        }
        Ok(None) => {
            descendants::kill_all();
            // The group too, itself included: one call for what forks faster than a list is read.
            let _ = killpg(getpgrp(), Signal::SIGKILL);
        }
        Err(error) => {
            let report = Report::NotStarted(error.to_string());
            let _ = worker.write_all(&report.encode()).await;
        }
    }
    Ok(())
}

fn socket() -> std::io::Result<UnixStream> {
    let fd: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
    let socket = StdUnixStream::from(fd);
    socket.peer_addr()?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

async fn read_launch(worker: &mut UnixStream) -> Option<Launch> {
    let mut length = [0; LENGTH];
    worker.read_exact(&mut length).await.ok()?;
    let mut bytes = Vec::new();
    let length = u64::from_be_bytes(length);
    worker.take(length).read_to_end(&mut bytes).await.ok()?;
    Launch::decode(&bytes)
}

/// Starts the program and waits for it; `None` when the worker went first and the program had its last grace.
async fn run(launch: &Launch, worker: &mut UnixStream) -> std::io::Result<Option<Report>> {
    // Before the start, or the exit of a quick program could be missed.
    let mut ended = signal(SignalKind::child())?;
    let mut command = Command::new(&launch.program);
    if let Some((name, arguments)) = launch.words.split_first() {
        command.arg0(name).args(arguments);
    }
    let mut child = command
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.cwd)
        .stdin(Stdio::piped())
        .spawn()?;
    let program = Pid::from_raw(i32::try_from(child.id()).map_err(std::io::Error::other)?);
    let input = child.stdin.take().map(OwnedFd::from);
    let feed = feed(input, &launch.input);
    tokio::pin!(feed);
    let mut fed = false;
    let mut byte = [0];
    loop {
        tokio::select! {
            () = &mut feed, if !fed => fed = true,
            _ = ended.recv() => {
                if let Some(report) = end_of(&mut child, program) {
                    return Ok(Some(report));
                }
            }
            read = worker.read(&mut byte) => {
                if matches!(read, Ok(0) | Err(_)) {
                    break;
                }
            }
        }
    }
    let _ = killpg(getpgrp(), Signal::SIGTERM);
    let _ = timeout(LAST_GRACE, async {
        while end_of(&mut child, program).is_none() {
            ended.recv().await;
        }
    })
    .await;
    Ok(None)
}

/// Writes the program's input. A program that closes it early or never reads it is no failure: it may not
/// need its arguments.
async fn feed(input: Option<OwnedFd>, bytes: &[u8]) {
    if let Some(Ok(mut pipe)) = input.map(pipe::Sender::from_owned_fd) {
        let _ = pipe.write_all(bytes).await;
    }
}

/// Takes the exit of the program and of adopted orphans, if any; gives the program's.
fn end_of(child: &mut Child, program: Pid) -> Option<Report> {
    // Asked by its pid first: nix knows no real-time signals, so its wait would swallow such an end.
    if let Ok(Some(status)) = child.try_wait() {
        let ended = status.code().map(Report::Exited);
        return ended.or_else(|| status.signal().map(Report::Signalled));
    }
    match descendants::reap(program).0 {
        Some(WaitStatus::Exited(_, code)) => Some(Report::Exited(code)),
        Some(WaitStatus::Signaled(_, signal, _)) => Some(Report::Signalled(signal as i32)),
        // An error means that the line above took its end without understanding it.
        _ => child.try_wait().is_err().then_some(Report::Signalled(0)),
    }
}

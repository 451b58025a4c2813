//! Starts shims, and knows which processes are its own. Here also: the reaper for a worker that is PID 1.
//!
//! In a container the worker is often PID 1, and the kernel makes it the parent of every orphan in the
//! container. Nobody else takes their exit, so zombies would pile up until the pid limit is reached. The reaper
//! may not take the exit of a shim, though: tokio waits for that. Hence one lock around start and reaping.

use std::collections::HashSet;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::shim;

/// Starts shims of one binary. Cheap to clone; clones know the same processes.
#[derive(Debug, Clone)]
pub struct Launcher {
    program: PathBuf,
    own: Arc<Mutex<HashSet<i32>>>,
}

/// A shim that was started and not yet waited for.
#[derive(Debug)]
pub struct Shim {
    /// The process; its standard output and error are the program's.
    pub child: Child,
    /// Its pid, which is also the number of its process group.
    pub pid: Pid,
    own: Arc<Mutex<HashSet<i32>>>,
}

impl Drop for Shim {
    fn drop(&mut self) {
        lock(&self.own).remove(&self.pid.as_raw());
    }
}

impl Launcher {
    /// Starts shims from this binary.
    pub fn new(program: impl Into<PathBuf>) -> Launcher {
        Launcher {
            program: program.into(),
            own: Arc::default(),
        }
    }

    /// Starts shims from the running binary: on Linux from its file itself, so that one replaced on disk during
    /// a deployment does not become the shim of an older worker.
    ///
    /// # Errors
    ///
    /// Where the system does not tell which file is running.
    pub fn of_process() -> io::Result<Launcher> {
        let own = Path::new("/proc/self/exe");
        if own.exists() {
            return Ok(Launcher::new(own));
        }
        std::env::current_exe().map(Launcher::new)
    }

    /// Starts a shim for a job of `class`, the word that `ps` shows; gives it with the socket to it.
    ///
    /// # Errors
    ///
    /// Where the system has no more processes, files or memory.
    pub fn start(&self, class: &str) -> io::Result<(Shim, UnixStream)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&self.program);
        command
            .arg0("gandy-worker")
            .args([shim::WORD, class])
            .env_clear()
            .process_group(0)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut own = lock(&self.own);
        let child = command.spawn()?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .ok_or_else(|| io::Error::other("the shim has no pid"))?;
        own.insert(pid);
        drop(own);
        let shim = Shim {
            child,
            pid: Pid::from_raw(pid),
            own: Arc::clone(&self.own),
        };
        Ok((shim, UnixStream::from_std(ours)?))
    }

    /// Takes the exit of every orphan for as long as it is polled. For PID 1 only; see the module.
    ///
    /// # Errors
    ///
    /// Where the signal handler cannot be installed.
    pub async fn reap_orphans(self) -> io::Result<()> {
        let mut ended = signal(SignalKind::child())?;
        let mut round = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            // The timer because signals merge, and because a shim at the head of the line hides the rest.
            tokio::select! {
                _ = ended.recv() => {}
                _ = round.tick() => {}
            }
            self.reap_now();
        }
    }

    /// One round of [`Launcher::reap_orphans`]: how many were taken.
    pub fn reap_now(&self) -> usize {
        let own = lock(&self.own);
        let mut taken = 0;
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let pid = match waitid(Id::All, look) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return taken,
                Ok(status) => status.pid(),
                Err(_) => return taken,
            };
            match pid {
                Some(pid) if !own.contains(&pid.as_raw()) => {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                    taken += 1;
                }
                _ => return taken,
            }
        }
    }
}

fn lock(own: &Mutex<HashSet<i32>>) -> MutexGuard<'_, HashSet<i32>> {
    // A set of numbers is right after every single step, so a panic elsewhere has not spoiled it.
    own.lock().unwrap_or_else(PoisonError::into_inner)
}

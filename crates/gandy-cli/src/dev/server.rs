//! The private Redis: on this machine only, on a port of its own, in a folder that goes with it unless it is to be kept.

use std::fs::{DirBuilder, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gandy::Inspect;
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

use super::Wish;
use super::child::Child;
use super::signals::Signals;
use super::worker::on_path;
use crate::failure::Failure;
use crate::output;

/// A healthy start takes 20 ms; one that reads a large file takes longer.
const START: Duration = Duration::from_secs(60);

/// Somebody may take a port between our look and Redis' own, but not so often in a row.
const ATTEMPTS: usize = 5;

/// A Redis that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    pub(super) child: Child,
    /// Declared last: it goes after the process that writes there.
    home: Home,
}

/// Where it writes.
#[derive(Debug)]
enum Home {
    Ours(TempDir),
    /// Kept, and locked: two servers that append to one file would spoil it.
    Kept(
        PathBuf,
        #[allow(dead_code, reason = "held, not looked at")] Flock<File>,
    ),
}

impl Server {
    /// Starts it and waits until it answers.
    pub(super) async fn start(wish: &Wish) -> Result<Self, Failure> {
        let program = on_path(&["redis-server", "valkey-server"]).ok_or_else(|| {
            Failure::usage(
                "neither redis-server nor valkey-server is on the PATH; install one (Debian: apt install redis-server, \
                 macOS: brew install redis), or use a Redis that runs: --redis URL with the other verbs",
            )
        })?;
        let home = Home::make(wish.keep.as_deref())?;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = match wish.port {
                Some(port) => port,
                None => free_port().map_err(|error| {
                    Failure::io(format!("no free port on this machine: {error}"))
                })?,
            };
            let mut child = Child::start("redis", command(&program, port, &home))?;
            let url = format!("redis://127.0.0.1:{port}/0");
            match answers(&mut child, &url).await {
                Ok(()) => return Ok(Self { url, child, home }),
                Err(why) => last = format!("Redis on port {port}: {why}"),
            }
            if wish.port.is_some() {
                break;
            }
        }
        Err(Failure::usage(format!("{last}; what it said is above")))
    }

    /// Ends it and removes what it wrote, unless that is to be kept.
    pub(super) async fn end(
        mut self,
        grace: Duration,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        self.child.end(grace, signals).await;
        if let Home::Ours(folder) = self.home {
            let path = folder.path().to_owned();
            folder.close().map_err(|error| {
                Failure::io(format!("{} cannot be removed: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}

impl Home {
    fn make(keep: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = keep else {
            let ours = TempDir::with_prefix("gandy-dev-");
            return ours
                .map(Home::Ours)
                .map_err(|error| Failure::io(format!("no temporary folder can be made: {error}")));
        };
        let wrong =
            |error: io::Error| Failure::io(format!("{} cannot be used: {error}", folder.display()));
        // Jobs are people's data.
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(wrong)?;
        let folder = folder.canonicalize().map_err(wrong)?;
        let lock = File::create(folder.join("gandy-dev.lock")).map_err(wrong)?;
        match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Home::Kept(folder, lock)),
            Err(_) => Err(Failure::usage(format!(
                "{} is in use by another gandy dev",
                folder.display()
            ))),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Home::Ours(folder) => folder.path(),
            Home::Kept(folder, _) => folder,
        }
    }
}

fn command(program: &Path, port: u16, home: &Home) -> Command {
    let mut command = Command::new(program);
    let keeps = if matches!(home, Home::Kept(..)) {
        "yes"
    } else {
        "no"
    };
    command
        .args(["--port", &port.to_string()])
        .args(["--bind", "127.0.0.1", "--daemonize", "no"])
        .arg("--dir")
        .arg(home.folder())
        .args(["--save", "", "--appendonly", keeps])
        .args(["--maxmemory-policy", "noeviction", "--loglevel", "warning"]);
    command
}

/// Waits until this very process answers; an `Err` says why it does not.
async fn answers(child: &mut Child, url: &str) -> Result<(), String> {
    let inspect = gandy::Server::new(url)
        .map_err(gandy::Error::from)
        .and_then(|server| Inspect::new(server, ""))
        .map_err(|error| error.to_string())?;
    let give_up = Instant::now() + START;
    let answered = async {
        loop {
            match inspect.health().await {
                Ok(health) => return Ok(health.pid),
                Err(error) if Instant::now() >= give_up => return Err(error.to_string()),
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let pid = tokio::select! {
        how = child.ended() => return Err(how),
        pid = answered => pid?,
    };
    match pid == child.pid() {
        true => Ok(()),
        false => {
            output::note("another server answers on that port");
            Err("the port is taken".to_owned())
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

//! The bench's own redis-server: a free port of 127.0.0.1, a folder of its own, gone with the run.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::child::Child;
use crate::resp::Conn;

/// What Redis writes to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Persistence {
    /// Nothing.
    None,
    /// Every write, to a file that is synced each second.
    Aof,
}

impl Persistence {
    /// Its name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Persistence::None => "none",
            Persistence::Aof => "aof",
        }
    }

    fn args(self) -> &'static [&'static str] {
        match self {
            Persistence::None => &["--appendonly", "no"],
            // A rewrite forks and copies in the middle of a run, or does not, by chance.
            Persistence::Aof => &[
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
                "--auto-aof-rewrite-percentage",
                "0",
            ],
        }
    }
}

/// A redis-server.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    /// Ends when this is dropped.
    _child: Child,
    /// Declared last: dropped after the process that writes there.
    dir: TempDir,
}

impl Server {
    /// Starts one; the program is the one in `REDIS_SERVER`, else `redis-server`.
    pub(crate) fn start(persistence: Persistence) -> Result<Self> {
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let mut last = String::new();
        for _ in 0..20 {
            // Redis may lose this port to somebody else before it binds it: then the next one.
            let port = free_port()?;
            let dir = TempDir::with_prefix("gandy-bench-")?;
            let mut command = Command::new(&program);
            // Debian ships the server as redis-check-rdb too; it looks at the name that it is called by.
            command
                .arg0("redis-server")
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(["--save", "", "--loglevel", "warning", "--dir"])
                .arg(dir.path())
                .args(persistence.args());
            let mut child = Child::spawn("redis-server", command, &dir.path().join("redis.log"))?;
            let end = Instant::now() + Duration::from_secs(20);
            while child.ended().is_none() {
                let answers = Conn::connect(&format!("127.0.0.1:{port}"))
                    .and_then(|mut conn| conn.ask(&["PING"]));
                if answers.is_ok() {
                    return Ok(Self {
                        port,
                        _child: child,
                        dir,
                    });
                }
                if Instant::now() > end {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            last = child.tail();
        }
        bail!("{program} did not start: {last}")
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A folder for files of the run.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// A port that nobody listens on, below the range that outgoing connections are given.
pub(crate) fn free_port() -> Result<u16> {
    let seed = crate::payload::now_ns();
    for step in 0..200_u64 {
        let port = u16::try_from(20_000 + (seed / 1_000 + step * 37) % 12_000)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port of 127.0.0.1 between 20000 and 32000")
}

//! Redis Sentinel as real processes: one sentinel, or a primary and a replica under three of them.
//!
//! Not here: what is done to them, and what Gandy makes of it (`tests/failover.rs`).

use std::collections::HashMap;
use std::time::Duration;

use tempfile::TempDir;

use crate::redis_server::{self, RedisServer};
use crate::{Proc, wait_until};

/// The name under which the sentinels watch.
pub const MASTER: &str = "crew";

/// A primary that does not answer for this long is down. Short, so that tests are; a machine that stands still for longer
/// sees a failover that nobody asked for.
const DOWN_AFTER: Duration = Duration::from_millis(1500);
/// An attempt that fails is repeated after twice this.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(4);
/// For a group to find itself, and for a replica to copy a small data set.
const READY: Duration = Duration::from_secs(60);

/// One `redis-server --sentinel`.
#[derive(Debug)]
pub struct Sentinel {
    port: u16,
    password: Option<String>,
    process: Proc,
    /// Declared last: dropped after the process that writes there.
    _dir: TempDir,
}

impl Sentinel {
    /// Starts one that watches the primary at `port` under [`MASTER`]; so many of them must agree that it is down. `more`
    /// are lines of its configuration. A `requirepass` among them is understood.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn over(port: u16, quorum: usize, more: &[&str]) -> Self {
        let dir = TempDir::with_prefix("gandy-sentinel-").expect("no temporary folder");
        let password = more
            .iter()
            .find_map(|line| line.strip_prefix("requirepass "));
        let login = password.map_or(String::new(), |password| format!(":{password}@"));
        let (own, process) = redis_server::on_a_free_port(|own| {
            let mut lines = vec![
                format!("port {own}"),
                "bind 127.0.0.1".to_owned(),
                "daemonize no".to_owned(),
                format!("dir {}", dir.path().display()),
                format!("sentinel monitor {MASTER} 127.0.0.1 {port} {quorum}"),
                format!(
                    "sentinel down-after-milliseconds {MASTER} {}",
                    DOWN_AFTER.as_millis()
                ),
                format!(
                    "sentinel failover-timeout {MASTER} {}",
                    FAILOVER_TIMEOUT.as_millis()
                ),
            ];
            lines.extend(more.iter().map(|line| (*line).to_owned()));
            // It writes what it learns into this file.
            let file = dir.path().join("sentinel.conf");
            std::fs::write(&file, lines.join("\n") + "\n").expect("a new folder can be written");
            let mut command = redis_server::program();
            command.arg(&file).arg("--sentinel");
            let url = format!("redis://{login}127.0.0.1:{own}");
            redis_server::launch_as("sentinel", command, dir.path(), &url)
        });
        Self {
            port: own,
            password: password.map(str::to_owned),
            process,
            _dir: dir,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`; it does not come back.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Whom it names as primary.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn primary_port(&self) -> u16 {
        let found: Vec<String> = self.ask(&["get-master-addr-by-name", MASTER]);
        found[1].parse().expect("a port is a number")
    }

    /// Whether it knows so many other sentinels and a healthy replica of the primary at `port`.
    #[track_caller]
    fn is_ready(&self, port: u16, others: usize) -> bool {
        let master: HashMap<String, String> = self.ask(&["master", MASTER]);
        let replicas: Vec<HashMap<String, String>> = self.ask(&["replicas", MASTER]);
        master["port"] == port.to_string()
            && master["flags"] == "master"
            && master["num-other-sentinels"] == others.to_string()
            && replicas
                .iter()
                .any(|replica| replica["flags"] == "slave" && replica["master-link-status"] == "ok")
    }

    #[track_caller]
    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let login = self
            .password
            .as_ref()
            .map_or(String::new(), |p| format!(":{p}@"));
        let url = format!("redis://{login}127.0.0.1:{}", self.port);
        let mut conn = redis_server::connect(&url, Duration::from_secs(10))
            .unwrap_or_else(|e| panic!("cannot connect to a test's sentinel: {e}"));
        redis::cmd("SENTINEL")
            .arg(words)
            .query(&mut conn)
            .unwrap_or_else(|e| panic!("a test's sentinel does not answer {words:?}: {e}"))
    }
}

/// A primary and its replica under three sentinels, two of which must agree.
#[derive(Debug)]
pub struct Watched {
    servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

impl Watched {
    /// Starts them and waits until they know each other.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn start() -> Self {
        // Without a pause of 5 s before it copies: the tests wait for that.
        let servers = [(); 2].map(|()| RedisServer::with(&["--repl-diskless-sync-delay", "0"]));
        let [primary, replica] = &servers;
        replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        let sentinels = (0..3)
            .map(|_| Sentinel::over(primary.port(), 2, &[]))
            .collect();
        let watched = Self { servers, sentinels };
        watched.wait_until_ready();
        watched
    }

    /// `redis+sentinel://127.0.0.1:PORT,…/crew/0`.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        format!("redis+sentinel://{}/{MASTER}/0", hosts.join(","))
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[Sentinel] {
        &self.sentinels
    }

    /// The server that a majority of the sentinels names, if one has it.
    #[track_caller]
    pub fn named(&self) -> Option<&RedisServer> {
        self.servers.iter().find(|server| {
            let named = |sentinel: &&Sentinel| sentinel.primary_port() == server.port();
            self.sentinels.iter().filter(named).count() > self.sentinels.len() / 2
        })
    }

    /// The primary, then the replica, as the sentinels see them.
    ///
    /// # Panics
    /// When the sentinels do not agree.
    #[track_caller]
    pub fn roles(&self) -> (&RedisServer, &RedisServer) {
        let primary = self.named().expect("the sentinels agree").port();
        let [one, other] = &self.servers;
        if one.port() == primary {
            (one, other)
        } else {
            (other, one)
        }
    }

    /// Waits until a failover would succeed: the replica has all data, and all sentinels see both.
    ///
    /// # Panics
    /// When it would not within a minute.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        wait_until(
            READY,
            "the replica follows and the sentinels see it",
            || {
                let Some(primary) = self.named() else {
                    return false;
                };
                let port = primary.port();
                let follows = |server: &RedisServer| {
                    server.port() == port
                        || (server.pid().is_some()
                            && server
                                .cli(&["INFO", "replication"])
                                .contains("master_link_status:up"))
                };
                self.servers.iter().all(follows)
                    && self
                        .sentinels
                        .iter()
                        .all(|sentinel| sentinel.is_ready(port, 2))
            },
        );
    }
}

/// The rights without which no replica can follow.
const FOLLOW: [&str; 3] = ["psync", "sync", "replconf"];

/// Cuts the link between a primary and its replicas, and nothing else: it goes on acknowledging what nobody copies.
///
/// # Panics
/// When it refuses.
#[track_caller]
pub fn cut_replication(primary: &RedisServer) {
    let without = FOLLOW.map(|right| format!("-{right}"));
    let mut command = vec!["ACL", "SETUSER", "default"];
    command.extend(without.iter().map(String::as_str));
    primary.cli(&command);
    primary.cli(&["CLIENT", "KILL", "TYPE", "replica"]);
}

/// Ends [`cut_replication`].
///
/// # Panics
/// When it refuses.
#[track_caller]
pub fn mend_replication(primary: &RedisServer) {
    let with = FOLLOW.map(|right| format!("+{right}"));
    let mut command = vec!["ACL", "SETUSER", "default"];
    command.extend(with.iter().map(String::as_str));
    primary.cli(&command);
}

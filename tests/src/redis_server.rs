//! A private redis-server: own port on 127.0.0.1, own folder, gone with the test.
//!
//! Redis is a real process here because the promises are about real ones: it is killed, frozen and restarted.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::clock::Clock;
use crate::process::Proc;

/// Enough for a loaded machine; a healthy start takes 20 ms.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// A port can be taken between our look and redis' bind, never so many in a row.
const PORT_ATTEMPTS: usize = 20;
/// Below every system's range for outgoing connections (Linux from 32768, macOS from 49152). A port from inside that
/// range may be handed to a client while redis is down; a client that keeps dialling a closed local port can even be
/// connected to itself, and then redis cannot come back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// The user of the harness itself on a server with users ([`RedisServer::with_users`]), and its password.
const TESTER: &str = "tester";
/// Of one command of a test's own connection.
const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// A redis-server (or valkey-server) of this test alone. Without persistence unless the arguments say otherwise.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    args: Vec<String>,
    variables: Vec<(&'static str, String)>,
    process: Mutex<Option<Proc>>,
    /// Declared last: dropped after the process that writes there.
    dir: TempDir,
}

impl RedisServer {
    /// Starts one that keeps nothing on disk (`--save "" --appendonly no`).
    ///
    /// # Panics
    /// When no redis-server is found or it does not answer.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one whose writes survive its `kill -9` (append-only file, fsync each second).
    #[track_caller]
    pub fn with_aof() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "everysec"])
    }

    /// Starts one with more arguments, each element one argument: `&["--maxmemory", "2mb"]`. They come after ours, so
    /// they win. A `--requirepass` is understood by [`RedisServer::url`], `cli` and `conn`.
    #[track_caller]
    pub fn with(args: &[&str]) -> Self {
        Self::in_folder(folder(), args, &[])
    }

    /// Starts one with a time of day of its own, that of its restarts too.
    #[track_caller]
    pub fn with_clock(clock: &Clock, args: &[&str]) -> Self {
        Self::in_folder(folder(), args, &clock.variables())
    }

    /// Starts one whose users are those of this ACL file, loaded as an administrator would (`--aclfile`), and beside them
    /// one of the harness' own, who may everything and in whose name [`RedisServer::url`], `cli` and `conn` speak.
    ///
    /// # Panics
    /// When the server refuses the file.
    #[track_caller]
    pub fn with_users(acl: &str, args: &[&str]) -> Self {
        let dir = folder();
        let file = dir.path().join("users.acl");
        let acl = format!(
            "{}\nuser {TESTER} on >{TESTER} ~* &* +@all\n",
            acl.trim_end()
        );
        fs::write(&file, acl).expect("cannot write a file in a new temporary folder");
        let file = file.to_str().expect("temporary folders have plain names");
        Self::in_folder(dir, &[&["--aclfile", file], args].concat(), &[])
    }

    #[track_caller]
    fn in_folder(dir: TempDir, args: &[&str], variables: &[(&'static str, String)]) -> Self {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let (port, process) = on_a_free_port(|port| launch(port, dir.path(), &args, variables));
        Self {
            port,
            args,
            variables: variables.to_vec(),
            process: Mutex::new(Some(process)),
            dir,
        }
    }

    /// Puts the program into a folder under the name `redis-server`, for what looks for it on the `PATH`. It is told by
    /// its name what it is, whatever package brought it.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn link_program(folder: &Path) {
        let program = program();
        let program = Path::new(program.get_program());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|place| place.join(program))
            .find(|file| file.is_file())
            .unwrap_or_else(|| panic!("{} is nowhere", program.display()));
        std::os::unix::fs::symlink(found, folder.join("redis-server"))
            .expect("cannot link a program into a new folder");
    }

    /// `redis://127.0.0.1:PORT/0`, with user and password if they are needed.
    pub fn url(&self) -> String {
        url(self.port, &self.args)
    }

    /// Its port, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder: where it writes, and a place for sockets and certificates of the test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The pid, or `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Proc::pid)
    }

    /// `kill -9`. Clients see a reset. [`RedisServer::restart`] brings it back.
    pub fn kill9(&self) {
        if let Some(process) = self.lock().take() {
            process.kill9();
        }
    }

    /// Stops it as an administrator would (TERM, which writes what is to be written).
    ///
    /// # Panics
    /// When it does not end within 20 s.
    #[track_caller]
    pub fn stop(&self) {
        if let Some(process) = self.lock().take() {
            process.signal(Signal::SIGTERM);
            process.wait_exit(START_DEADLINE);
        }
    }

    /// Starts it again on the same port and folder (killing it first if it runs) and waits until it answers.
    ///
    /// # Panics
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&self) {
        self.relaunch(&self.args);
    }

    /// [`RedisServer::restart`] as a replica of another one, as an administrator would bring back a lost primary: it never
    /// answers as a primary.
    ///
    /// # Panics
    /// When it does not come back.
    #[track_caller]
    pub fn restart_as_replica_of(&self, primary: &RedisServer) {
        let port = primary.port.to_string();
        let more = ["--replicaof", "127.0.0.1", &port].map(str::to_owned);
        self.relaunch(&[self.args.as_slice(), &more].concat());
    }

    #[track_caller]
    fn relaunch(&self, args: &[String]) {
        self.kill9();
        let give_up = Instant::now() + START_DEADLINE;
        loop {
            match launch(self.port, self.dir.path(), args, &self.variables) {
                Ok(process) => {
                    *self.lock() = Some(process);
                    return;
                }
                Err(Failed::PortTaken) if Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(Failed::PortTaken) => {
                    panic!("redis-server cannot have its port {} back", self.port)
                }
                Err(Failed::Other(why)) => panic!("redis-server did not restart: {why}"),
            }
        }
    }

    /// Stops its clock (SIGSTOP): connections stay open and nothing answers.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on after [`RedisServer::freeze`] (SIGCONT).
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it logged in this life.
    pub fn log(&self) -> String {
        self.lock().as_ref().map(Proc::log).unwrap_or_default()
    }

    /// Runs `redis-cli` with these arguments and returns its output without the last line break. This is what a
    /// person at a terminal sees, so recipes of the README are tested with it.
    ///
    /// # Panics
    /// When there is no redis-cli, or the command is refused.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> String {
        let program = find_program("REDIS_CLI", &["redis-cli", "valkey-cli"]);
        let mut command = Command::new(&program);
        command.args(["-e", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some((user, password)) = login(&self.args) {
            command.env("REDISCLI_AUTH", password);
            if !user.is_empty() {
                command.args(["--user", user]);
            }
        }
        let output = command
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "redis-cli {args:?} failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.trim_end_matches('\n').to_owned()
    }

    /// A new blocking connection for a test's own looks, with a deadline of 10 s per command.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub fn conn(&self) -> redis::Connection {
        connect(&self.url(), IO_TIMEOUT)
            .unwrap_or_else(|e| panic!("cannot connect to the test's redis: {e}"))
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        match self.lock().as_ref() {
            Some(process) => process.signal(signal),
            None => panic!("cannot send {signal} to redis-server: it is down"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Proc>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) enum Failed {
    PortTaken,
    Other(String),
}

/// Tries ports until one is free.
#[track_caller]
pub(crate) fn on_a_free_port(launch: impl Fn(u16) -> Result<Proc, Failed>) -> (u16, Proc) {
    let mut last = String::new();
    for _ in 0..PORT_ATTEMPTS {
        let port = free_port();
        match launch(port) {
            Ok(process) => return (port, process),
            Err(Failed::PortTaken) => last = format!("port {port} was taken"),
            Err(Failed::Other(why)) => panic!("redis-server did not start: {why}"),
        }
    }
    panic!("redis-server did not start in {PORT_ATTEMPTS} attempts: {last}")
}

fn launch(
    port: u16,
    dir: &Path,
    args: &[String],
    variables: &[(&'static str, String)],
) -> Result<Proc, Failed> {
    let mut command = command(port, dir, args);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    launch_as("redis-server", command, dir, &url(port, args))
}

/// Starts the process and waits until *it*, and not somebody else on that port, answers.
pub(crate) fn launch_as(
    name: &str,
    command: Command,
    dir: &Path,
    url: &str,
) -> Result<Proc, Failed> {
    let process = Proc::start(name, command, &[], &[dir]);
    let give_up = Instant::now() + START_DEADLINE;
    loop {
        if let Some(status) = process.exit_status() {
            if process.log().contains("Address already in use") {
                return Err(Failed::PortTaken);
            }
            return Err(Failed::Other(format!("{status}{}", process.tail())));
        }
        match answering_pid(url) {
            Ok(pid) if pid == process.pid() => return Ok(process),
            Ok(_) => return Err(Failed::PortTaken),
            Err(e) if Instant::now() >= give_up => {
                return Err(Failed::Other(format!("{e}{}", process.tail())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// redis-server with these arguments after ours.
pub(crate) fn command(port: u16, dir: &Path, args: &[String]) -> Command {
    let mut command = program();
    command
        .args(["--port", &port.to_string()])
        .args(["--bind", "127.0.0.1", "--daemonize", "no"])
        .arg("--dir")
        .arg(dir)
        .args(["--save", "", "--appendonly", "no"])
        .args(args);
    command
}

/// redis-server, without arguments.
pub(crate) fn program() -> Command {
    // Debian's package redis-tools brings the server's program under the name redis-check-rdb; it looks at the name
    // that it is called by. So scripts/setup needs no package that starts a service.
    let names = [
        "redis-server",
        "valkey-server",
        "redis-check-rdb",
        "valkey-check-rdb",
    ];
    let program = find_program("REDIS_SERVER", &names);
    let mut command = Command::new(&program);
    if program.ends_with("check-rdb") {
        command.arg0("redis-server");
    }
    command
}

/// Asks the server for its pid. PING first: INFO is answered while a data set is still loading.
fn answering_pid(url: &str) -> redis::RedisResult<u32> {
    let mut conn = connect(url, Duration::from_secs(1))?;
    redis::cmd("PING").query::<()>(&mut conn)?;
    let info: redis::InfoDict = redis::cmd("INFO").arg("server").query(&mut conn)?;
    Ok(info.get("process_id").unwrap_or(0))
}

pub(crate) fn connect(url: &str, timeout: Duration) -> redis::RedisResult<redis::Connection> {
    let conn = redis::Client::open(url)?.get_connection_with_timeout(timeout)?;
    conn.set_read_timeout(Some(timeout))?;
    conn.set_write_timeout(Some(timeout))?;
    Ok(conn)
}

/// User (empty: the one called `default`) and password of the harness on a server with these arguments.
fn login(args: &[String]) -> Option<(&str, &str)> {
    if args.iter().any(|arg| arg == "--aclfile") {
        return Some((TESTER, TESTER));
    }
    let at = args.iter().position(|arg| arg == "--requirepass")?;
    args.get(at + 1).map(|password| ("", password.as_str()))
}

fn url(port: u16, args: &[String]) -> String {
    match login(args) {
        Some((user, password)) => format!("redis://{user}:{password}@127.0.0.1:{port}/0"),
        None => format!("redis://127.0.0.1:{port}/0"),
    }
}

fn folder() -> TempDir {
    TempDir::with_prefix("gandy-redis-").expect("no temporary folder for redis")
}

pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The program that the variable `env` names, else the first of `names` that is on the PATH.
#[track_caller]
fn find_program(env: &str, names: &[&str]) -> String {
    if let Some(program) = std::env::var(env).ok().filter(|p| !p.is_empty()) {
        return program;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in names {
        if std::env::split_paths(&path).any(|dir| dir.join(name).is_file()) {
            return (*name).to_owned();
        }
    }
    panic!(
        "none of {names:?} is on the PATH: run scripts/test, which installs it, or name one in {env}"
    )
}

//! `gandy dev`: a Redis and a worker that live together, end in order and leave nothing behind.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::Duration;

use gandy_tests::{Proc, RedisServer, cargo_bin, wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{command, run};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(60);

/// A machine with a redis-server, a folder for temporary files and nothing of ours.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        RedisServer::link_program(&folder.path().join("bin"));
        Self { folder }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn start(&self, args: &[&str]) -> Proc {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.at("bin"));
        let temporary = self.at("tmp");
        let env = [("PATH", path.as_str()), ("TMPDIR", &temporary)];
        let mut command = command(&env, &[&["dev"], args].concat());
        command.current_dir(self.folder.path());
        Proc::spawn("gandy dev", command)
    }

    #[track_caller]
    fn is_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(self.at("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// What stands after this word in a line of its output.
#[track_caller]
fn word(process: &Proc, mark: &str) -> String {
    wait_for(WAIT, mark, || {
        let log = process.log();
        assert!(process.is_running() || log.contains(mark), "{log}");
        let rest = log.split_once(mark)?.1;
        Some(rest.split_once('\n')?.0.to_owned())
    })
}

fn is_there(pid: &str) -> bool {
    kill(Pid::from_raw(pid.parse().unwrap()), None).is_ok()
}

#[track_caller]
fn code(process: &Proc) -> i32 {
    process.wait_exit(WAIT).code().unwrap_or(-1)
}

#[test]
fn ctrl_c_ends_the_worker_then_redis_and_nothing_is_left() {
    let machine = Machine::new();
    // A worker that leaves a process behind, and says when it is told to end whether Redis is there.
    let script = "sleep 1000 & echo child=$!; echo url=$REDIS_URL
        trap 'echo ending; \"$GANDY\" stats --redis $REDIS_URL >/dev/null && echo redis was there; exit 0' TERM
        while :; do sleep 0.05; done";
    let script = format!("GANDY={}\n{script}", env!("CARGO_BIN_EXE_gandy"));
    let dev = machine.start(&["--", "sh", "-c", &script]);
    let child = word(&dev, "worker | child=");
    let url = word(&dev, "worker | url=");
    assert_eq!(word(&dev, "export REDIS_URL="), url);
    run(&[("REDIS_URL", &url)], &["push", "A"], b"").done();
    assert!(is_there(&child));
    dev.signal(Signal::SIGINT);
    assert_eq!(code(&dev), 0, "{}", dev.log());
    assert!(
        dev.stdout().contains("worker | redis was there\n"),
        "{}",
        dev.log()
    );
    run(&[("REDIS_URL", &url)], &["stats"], b"").failed(69);
    wait_until(WAIT, "the worker's own process to be gone", || {
        !is_there(&child)
    });
    machine.is_clean();
}

#[test]
fn the_end_of_a_child_is_told_and_ends_the_rest() {
    let machine = Machine::new();
    let dev = machine.start(&["--", "sh", "-c", "echo url=$REDIS_URL; exit 3"]);
    assert_eq!(code(&dev), 1);
    let log = dev.log();
    assert!(
        log.contains("error: the worker ended by itself (exit status: 3)"),
        "{log}"
    );
    machine.is_clean();

    let dev = machine.start(&["--", "sleep", "1000"]);
    let url = word(&dev, "Redis is at ");
    let port = url
        .trim_start_matches("redis://127.0.0.1:")
        .trim_end_matches("/0");
    let shutdown = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    std::io::Write::write_all(&mut &shutdown, b"SHUTDOWN NOSAVE\r\n").unwrap();
    assert_eq!(code(&dev), 1);
    assert!(
        dev.log().contains("error: Redis ended by itself"),
        "{}",
        dev.log()
    );
    machine.is_clean();
}

#[test]
fn what_is_kept_is_there_the_next_time_and_nowhere_twice() {
    let machine = Machine::new();
    for round in 1..=2 {
        let dev = machine.start(&["--keep", "kept", "--", "sleep", "1000"]);
        let url = word(&dev, "Redis is at ");
        run(&[("REDIS_URL", &url)], &["push", "A"], b"").done();
        let stats = run(&[("REDIS_URL", &url)], &["stats", "--json"], b"").json();
        assert_eq!(stats["enqueued"], round);
        if round == 1 {
            let second = machine.start(&["--keep", "kept", "--", "sleep", "1000"]);
            assert_eq!(code(&second), 2);
            assert!(
                second.log().contains("in use by another gandy dev"),
                "{}",
                second.log()
            );
        }
        dev.signal(Signal::SIGTERM);
        assert_eq!(code(&dev), 0, "{}", dev.log());
    }
    machine.is_clean();
}

#[test]
fn gandy_worker_runs_what_the_file_says() {
    let machine = Machine::new();
    // Beside gandy, as they are installed.
    let worker = cargo_bin("gandy-worker");
    assert_eq!(
        worker.parent(),
        Path::new(env!("CARGO_BIN_EXE_gandy")).parent()
    );
    let file = "[jobs.Touch]\nexec = [\"touch\", \"done\"]\n";
    std::fs::write(machine.at("jobs.toml"), file).unwrap();
    let dev = machine.start(&["--config", "jobs.toml", "--namespace", "app"]);
    let url = word(&dev, "Redis is at ");
    run(
        &[("REDIS_URL", &url)],
        &["push", "Touch", "--namespace", "app"],
        b"",
    )
    .done();
    wait_until(WAIT, "the job to run", || {
        Path::new(&machine.at("done")).exists()
    });
    // The dashboard looks into the same Redis, under the same namespace.
    let address = word(&dev, "web    | the dashboard is at http://localhost:");
    let port: u16 = address.trim_end_matches('/').parse().unwrap();
    let ask = || {
        let mut there = std::net::TcpStream::connect(("127.0.0.1", port))?;
        let head =
            format!("GET /stats HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut there, head.as_bytes())?;
        std::io::read_to_string(there)
    };
    wait_until(WAIT, "the run to be counted", || {
        ask().unwrap().contains("\"processed\":1")
    });
    dev.signal(Signal::SIGINT);
    assert_eq!(code(&dev), 0, "{}", dev.log());
    assert!(ask().is_err(), "it is gone with the rest");
    machine.is_clean();
}

#[test]
fn what_is_missing_is_said_before_anything_is_started() {
    let machine = Machine::new();
    for (args, said) in [
        (&[][..], "There is no gandy.toml here"),
        (
            &["--redis", "redis://h", "--", "true"],
            "a Redis of its own",
        ),
        (&["--json", "--", "true"], "no --json"),
        (
            &["--", "/no/such/program"],
            "/no/such/program cannot be started",
        ),
    ] {
        let dev = machine.start(args);
        assert_eq!(code(&dev), 2, "{}", dev.log());
        assert!(dev.stderr().contains(said), "{args:?}: {}", dev.log());
        machine.is_clean();
    }
    let empty = machine.at("tmp");
    let err = run(&[("PATH", &empty)], &["dev", "--", "/bin/true"], b"").failed(2);
    assert!(
        err.contains("redis-server") && err.contains("PATH"),
        "{err}"
    );
}

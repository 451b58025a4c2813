//! What a worker tells others of itself: probes through an outage of Redis and a quiet, metrics, systemd, and what it does
//! about the limits of its container.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "probes/blocked.rs"]
mod blocked;
#[path = "probes/scrape.rs"]
mod scrape;
mod support;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gandy_tests::{Proc, RedisServer, wait_until};
use nix::sys::signal::Signal;
use scrape::{get, status};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);

const JOBS: &str = r#"
queues = ["default", "low"]
[jobs.Fine]
exec = ["true"]
[jobs.Silent]
exec = ["true"]
log = "off"
[jobs.Wrong]
exec = ["sh", "-c", "exit 1"]
[jobs."ev\"il\\"]
exec = ["true"]
"#;

/// A worker in a folder of its own.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Site {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("gandy.toml"), JOBS).unwrap();
        std::fs::create_dir(folder.path().join("cgroup")).unwrap();
        Site { folder }
    }

    fn command(&self, url: &str, words: &[&str]) -> Command {
        let mut command = Command::new(support::binary());
        command
            .args(words)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("GANDY_CGROUP", self.folder.path().join("cgroup"))
            .env("REDIS_URL", url);
        command
    }

    fn worker(&self, url: &str, words: &[&str]) -> Proc {
        Proc::spawn("gandy-worker", self.command(url, words))
    }

    fn cgroup(&self, file: &str, text: &str) {
        let folder = self.folder.path().join("cgroup");
        // In one step: half a number would be another one.
        std::fs::write(folder.join("new"), text).unwrap();
        std::fs::rename(folder.join("new"), folder.join(file)).unwrap();
    }

    /// The exit code of `gandy-worker health`, and what it says.
    fn health(&self, words: &[&str]) -> (i32, String) {
        let output = self
            .command("redis://127.0.0.1:1", &[&["health"], words].concat())
            .output()
            .unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), words)
    }
}

const ANY: &[&str] = &["--probes", "127.0.0.1:0"];

/// Where a worker that was started with [`ANY`] answers.
fn address(worker: &Proc) -> SocketAddr {
    let log = worker.wait_for_log("address=", DEADLINE);
    let (_, rest) = log.split_once("address=").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn becomes(address: SocketAddr, path: &str, wanted: u16) {
    wait_until(DEADLINE, &format!("{path} answers {wanted}"), || {
        status(address, path) == wanted
    });
}

fn push(redis: &RedisServer, queue: &str, class: &str, jid: &str) {
    let class = serde_json::Value::from(class);
    let job = format!(
        r#"{{"class":{class},"args":["S3CR3T-ARG"],"jid":"{jid}","retry":true,"queue":"{queue}"}}"#
    );
    redis.cli(&["LPUSH", &format!("queue:{queue}"), &job]);
}

#[test]
fn probes_tell_an_outage_of_redis_and_a_quiet_and_live_is_neither() {
    let (site, redis) = (Site::new(), RedisServer::start());
    redis.kill9();
    let worker = site.worker(&redis.url(), ANY);
    let at = address(&worker);
    // Without a Redis at its start it waits, lives, and is neither started nor ready.
    assert_eq!(get(at, "/livez"), (200, "ok\n".to_owned()));
    assert_eq!((status(at, "/readyz"), status(at, "/startupz")), (503, 503));
    redis.restart();
    becomes(at, "/readyz", 200);
    assert_eq!((status(at, "/livez"), status(at, "/startupz")), (200, 200));
    assert_eq!(status(at, "/nothing"), 404);
    let port = at.to_string();
    assert_eq!(site.health(&["--probes", &port]), (0, String::new()));
    assert_eq!(site.health(&["--ready", "--probes", &port]).0, 0);

    // It neither answers nor closes.
    redis.freeze();
    becomes(at, "/readyz", 503);
    assert!(get(at, "/readyz").1.contains("Redis does not answer"));
    assert_eq!((status(at, "/livez"), status(at, "/startupz")), (200, 200));
    let page = scrape::read(&get(at, "/metrics").1);
    assert_eq!(
        (page["gandy_up"], page["gandy_worker_claiming"]),
        (0.0, 0.0)
    );
    let (code, words) = site.health(&["--ready", "--probes", &port]);
    assert!(
        code == 1 && words.contains("Redis does not answer"),
        "{code} {words}"
    );
    assert_eq!(site.health(&["--probes", &port]).0, 0);
    redis.thaw();
    becomes(at, "/readyz", 200);

    // It is gone, and comes back.
    redis.kill9();
    becomes(at, "/readyz", 503);
    assert_eq!(status(at, "/livez"), 200);
    redis.restart();
    becomes(at, "/readyz", 200);

    worker.signal(Signal::SIGTSTP);
    becomes(at, "/readyz", 503);
    assert!(get(at, "/readyz").1.contains("quiet"));
    assert_eq!((status(at, "/livez"), status(at, "/startupz")), (200, 200));
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
    let (code, words) = site.health(&["--probes", &port]);
    assert!(code == 1 && words.contains(&port), "{code} {words}");
}

#[test]
fn metrics_are_a_page_that_prometheus_reads_with_labels_of_known_classes_and_queues() {
    let (site, redis) = (Site::new(), RedisServer::start());
    for number in 0..30 {
        push(&redis, "default", "Fine", &format!("f{number}"));
        push(
            &redis,
            "low",
            &format!("Hostile\"{number}\n"),
            &format!("h{number}"),
        );
    }
    push(&redis, "default", "Wrong", "w");
    push(&redis, "low", "ev\"il\\", "e");
    let worker = Proc::spawn("gandy-worker", {
        let mut command = site.command(&redis.url(), ANY);
        command.env("GANDY_LOG_FORMAT", "json");
        push(&redis, "default", "Silent", "s");
        command
    });
    let log = worker.wait_for_log("\"address\":\"", DEADLINE);
    let (_, rest) = log.split_once("\"address\":\"").unwrap();
    let at: SocketAddr = rest.split('"').next().unwrap().parse().unwrap();
    let runs = |class: &str, queue: &str, result: &str| {
        let page = scrape::read(&get(at, "/metrics").1);
        let name = format!(
            "gandy_jobs_processed_total{{class={class:?},queue={queue:?},result={result:?}}}"
        );
        page.get(&name).copied().unwrap_or(0.0)
    };
    wait_until(DEADLINE, "all runs are counted", || {
        runs("Fine", "default", "done") == 30.0
            && runs("other", "low", "retry") == 30.0
            && runs("Wrong", "default", "retry") == 1.0
            && runs("ev\"il\\", "low", "done") == 1.0
            && runs("Silent", "default", "done") == 1.0
    });
    let text = get(at, "/metrics").1;
    scrape::promtool(&text);
    let page = scrape::read(&text);
    assert_eq!(
        page["gandy_job_duration_seconds_count{class=\"Fine\",queue=\"default\"}"],
        30.0
    );
    assert!(page["gandy_job_duration_seconds_sum{class=\"Fine\",queue=\"default\"}"] > 0.0);
    assert_eq!(page["gandy_worker_concurrency"], 10.0);
    assert_eq!(
        (page["gandy_up"], page["gandy_worker_claiming"]),
        (1.0, 1.0)
    );
    assert!(page["process_resident_memory_bytes"] > 1e6);
    assert_eq!(page["gandy_jobs_recovered_total{reason=\"dead\"}"], 0.0);
    assert!(
        !text.contains("Hostile") && !text.contains("S3CR3T"),
        "{text}"
    );
    // Everything that the table promises of a worker, and nothing else.
    for row in gandy::METRICS {
        let shown = text.contains(&format!("# TYPE {} {}\n", row.name, row.kind.word()));
        let ours = row.served_by != gandy::metrics::ServedBy::Exporter;
        assert_eq!(shown, ours, "{}", row.name);
    }
    let known = |name: &str| gandy::METRICS.iter().any(|row| row.name == name);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    assert!(
        names
            .clone()
            .all(|row| known(row.split(' ').next().unwrap()))
    );

    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
    let log = worker.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| {
            serde_json::from_str(
                line.split_once('{')
                    .map(|(_, rest)| format!("{{{rest}"))?
                    .as_str(),
            )
            .ok()
        })
        .collect();
    let done = lines
        .iter()
        .find(|line| line["jid"] == "f1" && line["message"] == "done")
        .unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&done["class"], &done["queue"]),
        (&"Fine".into(), &"default".into())
    );
    assert_eq!(done["attempt"], 1);
    assert!(done["elapsed_ms"].is_u64(), "{done}");
    assert!(!log.contains("S3CR3T"), "arguments are in the log");
    // A class whose lines are off has none.
    assert!(!lines.iter().any(|line| line["class"] == "Silent"), "{log}");
}

#[test]
fn a_default_port_that_is_taken_is_a_warning_and_one_that_was_asked_for_an_error() {
    let (site, redis) = (Site::new(), RedisServer::start());
    // Whoever has it already is as good.
    let _taken = TcpListener::bind("0.0.0.0:7433");
    let worker = site.worker(&redis.url(), &[]);
    worker.wait_for_log("joined the fleet", DEADLINE);
    let log = worker.log();
    assert!(
        log.contains("no probes: cannot listen on 0.0.0.0:7433"),
        "{log}"
    );
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let refused = site.worker(&redis.url(), &["--probes", &port]);
    assert_eq!(refused.wait_exit(DEADLINE).code(), Some(78));
    assert!(
        refused.log().contains(&format!("cannot listen on {port}")),
        "{}",
        refused.log()
    );
    let mut command = site.command(&redis.url(), &[]);
    command.env("GANDY_PROBES", &port);
    let refused = Proc::spawn("gandy-worker", command);
    assert_eq!(refused.wait_exit(DEADLINE).code(), Some(78));
    // Nobody who answers there is a worker.
    assert_eq!(
        site.health(&["--probes", "off"]),
        (1, "probes are off\n".to_owned())
    );
}

#[test]
fn short_of_memory_it_claims_nothing_and_at_the_limit_it_ends_with_75() {
    let (site, redis) = (Site::new(), RedisServer::start());
    site.cgroup("memory.max", "1000\n");
    site.cgroup("memory.current", "500\n");
    let worker = site.worker(&redis.url(), ANY);
    let at = address(&worker);
    becomes(at, "/readyz", 200);
    site.cgroup("memory.current", "860\n");
    becomes(at, "/readyz", 503);
    assert!(get(at, "/readyz").1.contains("memory is short"));
    assert_eq!(status(at, "/livez"), 200);
    // The claim loop looks once a second; then nothing is taken, and nothing is kept.
    wait_until(DEADLINE, "the process shows itself quiet", || {
        let process = redis.cli(&["SRANDMEMBER", "processes"]);
        redis.cli(&["HGET", &process, "quiet"]) == "true"
    });
    std::thread::sleep(Duration::from_millis(1100));
    push(&redis, "default", "Fine", "held");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!worker.log().contains("held\""), "{}", worker.log());
    // The cache counts for nothing.
    site.cgroup("memory.stat", "inactive_file 200\n");
    becomes(at, "/readyz", 200);
    worker.wait_for_log("jid=\"held\"", DEADLINE);
    site.cgroup("memory.stat", "inactive_file 0\n");
    site.cgroup("memory.current", "951\n");
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(75));
    let log = worker.log();
    assert!(
        log.contains("to be started again") && log.contains("left the fleet"),
        "{log}"
    );

    // Who does not want that says so; and a quota of CPUs is a number of jobs, unless one is given.
    site.cgroup("cpu.max", "250000 100000\n");
    let check = |words: &[&str]| {
        let output = site
            .command("redis://h", &[&["--check"], words].concat())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = check(&[]);
    assert!(
        text.contains("\nconcurrency = 13 # for a quota of 2.5 CPUs\n"),
        "{text}"
    );
    assert!(
        text.contains("\nprobes = \"0.0.0.0:7433\"\nmemory_guard = true\n"),
        "{text}"
    );
    assert!(check(&["-c", "4"]).contains("\nconcurrency = 4\n"));
    let mut command = site.command(&redis.url(), ANY);
    command.env("GANDY_MEMORY_GUARD", "false");
    let worker = Proc::spawn("gandy-worker", command);
    becomes(address(&worker), "/readyz", 200);
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
}

/// What systemd would hear, until `done`.
fn hear(socket: &UnixDatagram, done: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    while !done(&lines) {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("a word in time");
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

fn notified(site: &Site, redis: &RedisServer, name: &Path) -> Proc {
    let mut command = site.command(&redis.url(), ANY);
    command
        .env("NOTIFY_SOCKET", name)
        .env("WATCHDOG_USEC", "300000");
    Proc::spawn("gandy-worker", command)
}

#[test]
fn systemd_hears_that_it_waits_is_ready_lives_and_stops() {
    let (site, redis) = (Site::new(), RedisServer::start());
    let path = site.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    redis.kill9();
    let worker = notified(&site, &redis, &path);
    let is = |wanted: &'static str| move |line: &String| line.starts_with(wanted);
    let early = hear(&socket, |lines| {
        lines.iter().any(is("EXTEND_TIMEOUT_USEC="))
    });
    assert!(!early.iter().any(is("READY=1")), "{early:?}");
    redis.restart();
    let lines = hear(&socket, |lines| {
        lines.iter().any(is("READY=1"))
            && lines.iter().filter(|line| is("WATCHDOG=1")(line)).count() > 2
    });
    assert!(lines.iter().any(is("STATUS=")), "{lines:?}");
    hear(&socket, |lines| {
        lines.iter().any(is("STATUS=claiming; 0 jobs run"))
    });
    push(&redis, "default", "Fine", "f");
    worker.wait_for_log("jid=\"f\"", DEADLINE);
    worker.signal(Signal::SIGSTOP);
    // Fed no more; the socket runs dry.
    socket
        .set_read_timeout(Some(Duration::from_millis(600)))
        .unwrap();
    let mut buffer = [0; 4096];
    while socket.recv(&mut buffer).is_ok() {}
    worker.signal(Signal::SIGCONT);
    hear(&socket, |lines| lines.iter().any(is("WATCHDOG=1")));
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
}

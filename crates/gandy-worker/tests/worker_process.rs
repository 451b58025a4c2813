//! The binary against a real Redis: jobs from the queue to their end, signals, `kill -9`, refusals, secrets.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gandy_tests::{Proc, RedisServer, wait_for, wait_until};
use nix::sys::signal::Signal;
use support::{pids, runs, wait_until_gone};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);

/// A folder with a configuration, whose programs may write there by `$D`.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(toml: &str) -> Site {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("gandy.toml"), toml.replace("$D", path)).unwrap();
        Site { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn worker(&self, url: &str, words: &[&str], variables: &[(&str, &str)]) -> Proc {
        let mut command = Command::new(support::binary());
        command
            .args(words)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("REDIS_URL", url)
            .envs(variables.iter().copied());
        Proc::spawn("gandy-worker", command)
    }
}

fn job(class: &str, jid: &str, args: &str) -> String {
    format!(
        r#"{{"class":"{class}","args":{args},"jid":"{jid}","retry":true,"queue":"default","x":1.10}}"#
    )
}

fn push(redis: &RedisServer, payload: &str) {
    redis.cli(&["SADD", "queues", "default"]);
    redis.cli(&["LPUSH", "queue:default", payload]);
}

/// What the worker holds, as the bytes in its in-flight hash.
fn in_flight(redis: &RedisServer) -> Vec<String> {
    let keys = redis.cli(&["--raw", "KEYS", "gandy:inflight:*"]);
    keys.lines()
        .filter(|key| !key.is_empty())
        .flat_map(|key| {
            let values = redis.cli(&["--raw", "HVALS", key]);
            values.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn programs_run_jobs_and_their_exit_codes_decide() {
    let site = Site::new(
        r#"
concurrency = 4
[jobs.Write]
exec = ["sh", "-c", "cat > $D/$GANDY_JID"]
[jobs.Fail]
exec = ["sh", "-c", "echo disk full >&2; exit 1"]
[jobs.Bury]
exec = ["sh", "-c", "echo hopeless >&2; exit 3"]
bury_on = [3]
[jobs.Discard]
exec = ["sh", "-c", "exit 4"]
discard_on = [4]
[jobs.Slow]
exec = ["sh", "-c", "echo half way >&2; sleep 300"]
timeout = "500ms"
"#,
    );
    let redis = RedisServer::start();
    let args = r#"[12345678901234567890, 1.10, {"b": [], "a": "ü"}]"#;
    for (class, jid) in [
        ("Write", "w"),
        ("Fail", "f"),
        ("Bury", "b"),
        ("Discard", "d"),
        ("Slow", "s"),
    ] {
        push(&redis, &job(class, jid, args));
    }
    let worker = site.worker(&redis.url(), &[], &[]);
    wait_until(DEADLINE, "two retries and one burial", || {
        redis.cli(&["ZCARD", "retry"]) == "2" && redis.cli(&["ZCARD", "dead"]) == "1"
    });
    wait_until(DEADLINE, "nothing is left", || {
        in_flight(&redis).is_empty() && redis.cli(&["LLEN", "queue:default"]) == "0"
    });
    assert_eq!(site.read("w"), args);
    let retries = redis.cli(&["--raw", "ZRANGE", "retry", "0", "-1"]);
    assert!(
        retries.contains(r#""error_class":"ExitStatus""#),
        "{retries}"
    );
    assert!(
        retries.contains(r#""error_message":"exit status 1: disk full""#),
        "{retries}"
    );
    assert!(retries.contains(r#""error_class":"Timeout""#), "{retries}");
    assert!(
        retries.contains(r#""error_message":"stopped after its timeout of 500ms: half way"#),
        "{retries}"
    );
    let dead = redis.cli(&["--raw", "ZRANGE", "dead", "0", "-1"]);
    assert!(
        dead.contains(r#""error_message":"exit status 3: hopeless""#),
        "{dead}"
    );
    assert!(dead.contains(args), "{dead}");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
    assert!(
        !worker.log().contains("1234567890123"),
        "arguments are in the log"
    );
}

/// An endpoint that answers every request with `answer`; gives its address and, at the end, the first request.
fn endpoint(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        while !request.ends_with(b"}") {
            match stream.read(&mut chunk).unwrap() {
                0 => break,
                count => request.extend_from_slice(&chunk[..count]),
            }
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, thread)
}

#[test]
fn endpoints_run_jobs_past_every_proxy_and_retry_after_is_honoured() {
    let (address, thread) =
        endpoint("HTTP/1.1 503 Busy\r\nretry-after: 3600\r\ncontent-length: 4\r\n\r\nbusy");
    let site = Site::new(&format!(
        "[jobs.Webhook]\nhttp = \"{address}/jobs\"\nheaders = {{ X-Token = {{ env = \"TOKEN\" }} }}\n"
    ));
    let redis = RedisServer::start();
    push(&redis, &job("Webhook", "h", "[12345678901234567890]"));
    let proxy = "http://127.0.0.1:1";
    let proxies = [
        ("http_proxy", proxy),
        ("HTTP_PROXY", proxy),
        ("ALL_PROXY", proxy),
        ("TOKEN", "S3CR3T"),
    ];
    let worker = site.worker(&redis.url(), &[], &proxies);
    let request = thread.join().unwrap();
    assert!(request.starts_with("POST /jobs HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-token: S3CR3T\r\n"), "{request}");
    assert!(
        request.ends_with(r#"{"jid":"h","class":"Webhook","args":[12345678901234567890],"attempt":1,"queue":"default"}"#),
        "{request}"
    );
    wait_until(DEADLINE, "the retry", || {
        redis.cli(&["ZCARD", "retry"]) == "1"
    });
    let now: f64 = redis
        .cli(&["--raw", "TIME"])
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let due = redis.cli(&["--raw", "ZRANGE", "retry", "0", "-1", "WITHSCORES"]);
    let score: f64 = due.lines().last().unwrap().parse().unwrap();
    assert!(
        (3500.0..3700.0).contains(&(score - now)),
        "due in {} s",
        score - now
    );
    assert!(
        due.contains(r#""error_message":"HTTP status 503 Service Unavailable: busy""#),
        "{due}"
    );
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(DEADLINE);
}

/// A worker with one program that runs for ever with a child; gives it with the pids of both.
fn busy_worker(redis: &RedisServer, script: &str, words: &[&str]) -> (Site, Proc, Vec<u32>) {
    let site = Site::new(&format!(
        "[jobs.Long]\nexec = [\"sh\", \"-c\", \"{script}\"]\n"
    ));
    push(redis, &job("Long", "l", "[1]"));
    let worker = site.worker(&redis.url(), words, &[]);
    let found = pids(&site.file("pids"), 2);
    (site, worker, found)
}

const LONG: &str = "echo $$ >> $D/pids; setsid sleep 300 & echo $! >> $D/pids; wait";

#[test]
fn kill_9_of_the_worker_leaves_no_child_running_and_keeps_the_job() {
    let redis = RedisServer::start();
    let (_site, worker, found) = busy_worker(&redis, LONG, &[]);
    assert!(found.iter().all(|pid| runs(*pid)));
    assert!(worker.kill9());
    wait_until_gone(&found);
    assert_eq!(in_flight(&redis), [job("Long", "l", "[1]")]);
}

#[test]
fn term_kills_programs_after_the_timeout_and_gives_their_jobs_back_byte_for_byte() {
    let redis = RedisServer::start();
    let script = format!("trap 'echo cleaned > $D/cleaned; exit 0' TERM; {LONG}");
    let (site, worker, found) = busy_worker(&redis, &script, &["-t", "1"]);
    let began = Instant::now();
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(1),
        "the job was not given its time: {took:?}"
    );
    assert!(took < Duration::from_secs(4), "{took:?}");
    wait_until_gone(&found);
    assert_eq!(
        redis.cli(&["--raw", "LRANGE", "queue:default", "0", "-1"]),
        job("Long", "l", "[1]")
    );
    assert!(in_flight(&redis).is_empty());
    // The program was told before it was killed.
    assert_eq!(site.read("cleaned"), "cleaned\n");
}

#[test]
fn redis_that_cannot_be_reached_is_code_69_with_fail_fast_and_waited_for_without() {
    let redis = RedisServer::start();
    let url = redis.url();
    redis.kill9();
    let site = Site::new("[jobs.A]\nexec = [\"sh\", \"-c\", \"echo done > $D/done\"]\n");
    let worker = site.worker(&url, &["--fail-fast"], &[]);
    assert_eq!(
        worker.wait_exit(DEADLINE).code(),
        Some(69),
        "{}",
        worker.log()
    );
    assert!(
        worker.log().contains("is not available"),
        "{}",
        worker.log()
    );

    let worker = site.worker(&url, &[], &[]);
    wait_for(DEADLINE, "a word about Redis", || {
        worker.log().contains("is not available").then_some(())
    });
    redis.restart();
    push(&redis, &job("A", "a", "[]"));
    wait_until(DEADLINE, "the job", || site.read("done") == "done\n");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn a_refusing_redis_is_code_78_and_no_password_is_printed() {
    let redis = RedisServer::with(&["--requirepass", "right"]);
    let site = Site::new("[jobs.A]\nexec = [\"true\"]\n");
    let url = format!("redis://:S3CR3T@127.0.0.1:{}", redis.port());
    let worker = site.worker(&url, &[], &[]);
    assert_eq!(
        worker.wait_exit(DEADLINE).code(),
        Some(78),
        "{}",
        worker.log()
    );
    assert!(worker.log().contains("WRONGPASS"), "{}", worker.log());
    assert!(!worker.log().contains("S3CR3T"), "{}", worker.log());

    let evicting = RedisServer::with(&["--maxmemory-policy", "allkeys-lru"]);
    let worker = site.worker(&evicting.url(), &[], &[]);
    assert_eq!(
        worker.wait_exit(DEADLINE).code(),
        Some(78),
        "{}",
        worker.log()
    );
    let worker = site.worker(&evicting.url(), &["--allow-eviction"], &[]);
    wait_until(DEADLINE, "it runs", || {
        evicting.cli(&["SCARD", "processes"]) == "1"
    });
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(DEADLINE);
}

#[test]
fn every_setting_reaches_the_running_worker() {
    let site = Site::new(
        r#"
tag = "blue"
labels = ["one", "two"]
stamps = "seconds"
[capsules.single]
queues = ["single"]
concurrency = 1
[jobs.Fail]
exec = ["false"]
retry = 0
"#,
    );
    let redis = RedisServer::start();
    let words = [
        "--namespace",
        "{app}",
        "-q",
        "critical,3",
        "-q",
        "default",
        "-c",
        "7",
    ];
    redis.cli(&[
        "LPUSH",
        "{app}:queue:single",
        &job("Fail", "f", "[]").replace("\"retry\":true,", ""),
    ]);
    let worker = site.worker(&redis.url(), &words, &[]);
    wait_until(DEADLINE, "the burial", || {
        redis.cli(&["ZCARD", "{app}:dead"]) == "1"
    });
    let dead = redis.cli(&["--raw", "ZRANGE", "{app}:dead", "0", "0"]);
    let failed_at = dead.split_once("\"failed_at\":").unwrap().1;
    let failed_at = failed_at.split([',', '}']).next().unwrap();
    assert!(
        failed_at.contains('.'),
        "float seconds were asked for: {failed_at}"
    );
    let identity = wait_for(DEADLINE, "the heartbeat", || {
        let found = redis.cli(&["--raw", "SMEMBERS", "{app}:processes"]);
        (!found.is_empty()).then_some(found)
    });
    let info = wait_for(DEADLINE, "its info", || {
        let info = redis.cli(&["--raw", "HGET", &format!("{{app}}:{identity}"), "info"]);
        (!info.is_empty()).then_some(info)
    });
    for part in [
        r#""tag":"blue""#,
        r#""labels":["one","two"]"#,
        r#""critical":3"#,
        r#""single":{"concurrency":1"#,
        r#""concurrency":7"#,
    ] {
        assert!(info.contains(part), "{part} in {info}");
    }
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(DEADLINE);
    let outside = redis.cli(&["--raw", "KEYS", "*"]);
    assert!(
        outside.lines().all(|key| key.starts_with("{app}:")),
        "{outside}"
    );
}

#[test]
fn secrets_show_nowhere() {
    let canary = "S3CR3T-CANARY";
    let (address, _thread) = endpoint("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    let site = Site::new(
        &r#"
[jobs.A]
exec = ["sh", "-c", "test -n \"$TOKEN\" && echo $$ >> $D/pids; sleep 300"]
env = { TOKEN = { file = "token" } }
[jobs.B]
http = "$ADDRESS/?key=S3CR3T-CANARY"
headers = { Authorization = { file = "token" } }
hmac = { secret = { file = "token" } }
"#
        .replace("$ADDRESS", &address),
    );
    std::fs::write(site.file("token"), format!("{canary}\n")).unwrap();
    let redis = RedisServer::with(&["--requirepass", canary]);
    let argument = "S3CR3T-ARGUMENT";
    let args = format!("[{argument:?}]");
    push(&redis, &job("A", "a", &args));
    push(&redis, &job("B", "b", &args));
    let variables = [("GANDY_LOG", "trace"), ("TOKEN", canary)];
    let worker = site.worker(&redis.url(), &["-t", "0"], &variables);
    let program = pids(&site.file("pids"), 1)[0];
    wait_until(DEADLINE, "the failed request", || {
        redis.cli(&["ZCARD", "retry"]) == "1"
    });
    let shim = parent_of(program);
    for pid in [worker.pid(), shim, program] {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!words.contains("S3CR3T"), "{words}");
    }
    // The program has its token; the shim has none of it in its environment.
    assert_eq!(std::fs::read(format!("/proc/{shim}/environ")).unwrap(), b"");
    for key in redis.cli(&["--raw", "KEYS", "*"]).lines() {
        let dump = redis.cli(&["DUMP", key]);
        assert!(!dump.contains(canary), "{key}: {dump}");
    }
    worker.signal(Signal::SIGTTIN);
    worker.wait_for_log("running", DEADLINE);
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(DEADLINE);
    assert!(!worker.log().contains("S3CR3T"), "{}", worker.log());
    wait_until_gone(&[program]);
}

#[test]
fn what_a_job_says_cannot_forge_a_log_line_or_command_a_terminal() {
    let redis = RedisServer::start();
    let site = Site::new("[jobs.A]\nexec = [\"true\"]\n");
    push(&redis, &job("Evil\\u001b[2J", "j\\nFORGED line", "[]"));
    let worker = site.worker(&redis.url(), &[], &[]);
    wait_until(DEADLINE, "the retry", || {
        redis.cli(&["ZCARD", "retry"]) == "1"
    });
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(DEADLINE);
    let log = worker.stderr();
    assert!(log.contains("Evil") && log.contains("FORGED"), "{log}");
    assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("FORGED")), "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn open_files_are_raised_to_what_the_concurrency_needs() {
    let redis = RedisServer::start();
    let site = Site::new("[jobs.A]\nexec = [\"true\"]\n");
    let mut command = Command::new("sh");
    let script = format!(
        "ulimit -S -n 300; exec {} -c 100",
        support::binary().display()
    );
    command
        .args(["-c", &script])
        .current_dir(&site.folder)
        .env("REDIS_URL", redis.url());
    let worker = Proc::spawn("gandy-worker", command);
    wait_until(DEADLINE, "it runs", || {
        redis.cli(&["SCARD", "processes"]) == "1"
    });
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(soft, 256 + 8 * 100);
    worker.signal(Signal::SIGTERM);
    worker.wait_exit(DEADLINE);
}

fn parent_of(pid: u32) -> u32 {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}

//! Measures Gandy's worker beside Ruby's Sidekiq in one run on one machine: drain rate, pick-up latency, memory. Prints
//! Markdown, as `docs/benchmarks/spine.md` holds it. Run by `scripts/bench`.
//!
//! `measure [JOBS] [REPETITIONS]`; 200,000 jobs and 3 repetitions unless told otherwise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gandy_tests::{
    Crew, EventKind, History, Proc, RedisServer, RubySidekiq, cargo_bin, wait_until,
};

const LONG: Duration = Duration::from_secs(600);
/// Jobs that Ruby drains: it is slow enough for a tenth to last long.
const RUBY_SHARE: usize = 5;
const PUSHES: usize = 330;
const WARM_UP: usize = 30;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| match arguments.next().map(|text| text.parse::<usize>()) {
        None => default,
        Some(Ok(number)) if number > 0 => number,
        Some(_) => {
            eprintln!("usage: measure [JOBS] [REPETITIONS]");
            std::process::exit(2);
        }
    };
    let (jobs, repetitions) = (number(200_000), number(3));
    let program = cargo_bin("crew");
    let program = program.to_str().unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        "debug (run with --release)"
    } else {
        "release"
    };
    println!(
        "One redis-server without persistence, one worker process, {build} build, {repetitions} repetitions, median (min–max).\n"
    );
    println!(
        "| worker | slots | no-op jobs | drained jobs/s | worker CPU µs/job | Redis CPU µs/job | peak RSS MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for slots in [10, 100] {
        let runs: Vec<Run> = (0..repetitions)
            .map(|_| drain_gandy(program, slots, jobs))
            .collect();
        row(
            &format!("Gandy {}", env!("CARGO_PKG_VERSION")),
            slots,
            jobs,
            &runs,
        );
    }
    let probe = RedisServer::start();
    let ruby = RubySidekiq::find("measure", &probe).map(|ruby| ruby.version().to_owned());
    if let Some(version) = &ruby {
        let fewer = (jobs / RUBY_SHARE).max(1);
        let runs: Vec<Run> = (0..repetitions).map(|_| drain_ruby(10, fewer)).collect();
        row(&format!("Sidekiq {version}"), 10, fewer, &runs);
    }
    println!("\n| worker | slots | pick-up p50 ms | p99 ms | max ms | RSS idle MB |");
    println!("|---|---|---|---|---|---|");
    latency_gandy(program);
    if let Some(version) = &ruby {
        latency_ruby(version);
    }
}

/// One drain.
struct Run {
    rate: f64,
    worker_us: f64,
    redis_us: f64,
    rss_mb: f64,
}

fn row(name: &str, slots: usize, jobs: usize, runs: &[Run]) {
    let cell = |digits: usize, pick: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        format!(
            "{median:.digits$} ({:.digits$}–{:.digits$})",
            values[0],
            values[values.len() - 1]
        )
    };
    println!(
        "| {name} | {slots} | {jobs} | {} | {} | {} | {} |",
        cell(0, |run| run.rate),
        cell(2, |run| run.worker_us),
        cell(2, |run| run.redis_us),
        cell(1, |run| run.rss_mb)
    );
}

/// A payload of about 300 bytes, as in the tables of other systems.
fn payload(class: &str, number: usize) -> String {
    let filler = "x".repeat(102);
    format!(
        r#"{{"retry":true,"queue":"default","args":[{number},"{filler}"],"class":"{class}","jid":"{number:024x}","created_at":1795398104597,"enqueued_at":1795398104597}}"#
    )
}

fn fill(server: &RedisServer, key: &str, jobs: usize) {
    let mut conn = server.conn();
    for first in (0..jobs).step_by(1000) {
        let payloads: Vec<String> = (first..jobs.min(first + 1000))
            .map(|number| payload("Noop", number))
            .collect();
        redis::cmd("LPUSH")
            .arg(key)
            .arg(payloads)
            .exec(&mut conn)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Times from the first job taken to the last, start-up excluded.
fn drain(server: &RedisServer, jobs: usize, start: impl FnOnce() -> Proc) -> Run {
    fill(server, "queue:default", jobs);
    let mut conn = server.conn();
    let mut waiting = || -> usize {
        redis::cmd("LLEN")
            .arg("queue:default")
            .query(&mut conn)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let redis_before = redis_cpu(server);
    let worker = start();
    let mut left = waiting();
    let began_with = loop {
        left = waiting().min(left);
        if left < jobs {
            break left;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let began = Instant::now();
    while waiting() > 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    let (worker_us, rss_mb) = (
        worker_cpu(worker.pid()) * 1e6 / jobs as f64,
        peak_rss_mb(worker.pid()),
    );
    let redis_us = (redis_cpu(server) - redis_before) * 1e6 / jobs as f64;
    Run {
        rate: began_with as f64 / seconds,
        worker_us,
        redis_us,
        rss_mb,
    }
}

fn drain_gandy(program: &str, slots: usize, jobs: usize) -> Run {
    let server = RedisServer::start();
    drain(&server, jobs, || {
        Crew::new(program, &server)
            .concurrency(slots)
            .set("RUST_LOG", "error")
            .start()
    })
}

fn drain_ruby(slots: usize, jobs: usize) -> Run {
    let server = RedisServer::start();
    let history = History::new();
    let ruby =
        RubySidekiq::find("measure", &server).unwrap_or_else(|| panic!("Ruby was here before"));
    // Its start is known only by the first heartbeat, and by then it works: the jobs are held back until then.
    let slots = slots.to_string();
    let worker = ruby.worker(&history, &["-c", &slots, "-q", "hold", "-q", "default"]);
    let pid = worker.process().pid();
    let mut conn = server.conn();
    let cpu_before = worker_cpu(pid);
    let redis_before = redis_cpu(&server);
    fill(&server, "aside", jobs);
    let began = Instant::now();
    redis::cmd("RENAME")
        .arg("aside")
        .arg("queue:default")
        .exec(&mut conn)
        .unwrap_or_else(|error| panic!("{error}"));
    // A rename does not wake who blocks on the key; one push does.
    redis::cmd("LPUSH")
        .arg("queue:hold")
        .arg(payload("Noop", jobs))
        .exec(&mut conn)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut left = 1_usize;
    while left > 0 {
        left = redis::cmd("LLEN")
            .arg("queue:default")
            .query(&mut conn)
            .unwrap_or(1);
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    Run {
        rate: jobs as f64 / seconds,
        worker_us: (worker_cpu(pid) - cpu_before) * 1e6 / jobs as f64,
        redis_us: (redis_cpu(&server) - redis_before) * 1e6 / jobs as f64,
        rss_mb: peak_rss_mb(pid),
    }
}

fn latency_gandy(program: &str) {
    let (server, history) = (RedisServer::start(), History::new());
    let worker = Crew::new(program, &server)
        .history(&history)
        .set("RUST_LOG", "gandy=info")
        .start_and_wait();
    let idle = rss_mb(worker.pid());
    let name = format!("Gandy {}", env!("CARGO_PKG_VERSION"));
    latency(&name, &server, &history, idle);
}

fn latency_ruby(version: &str) {
    let (server, history) = (RedisServer::start(), History::new());
    let ruby =
        RubySidekiq::find("measure", &server).unwrap_or_else(|| panic!("Ruby was here before"));
    let worker = ruby.worker(&history, &["-c", "10", "-q", "default"]);
    let idle = rss_mb(worker.process().pid());
    latency(&format!("Sidekiq {version}"), &server, &history, idle);
}

/// One job every 10 ms to an idle worker; from just before its push to the start of its handler.
fn latency(name: &str, server: &RedisServer, history: &History, idle_mb: f64) {
    let mut conn = server.conn();
    let notes = history.writer("measure");
    std::thread::sleep(Duration::from_secs(2)); // The worker has come to rest.
    for number in 0..PUSHES {
        notes.attempted(&format!("{number:024x}"));
        redis::cmd("LPUSH")
            .arg("queue:default")
            .arg(payload("Note", number))
            .exec(&mut conn)
            .unwrap_or_else(|error| panic!("{error}"));
        std::thread::sleep(Duration::from_millis(10)); // The pace of the pushes.
    }
    wait_until(LONG, "all ran", || history.ended() == PUSHES);
    let mut pushed = BTreeMap::new();
    let mut waits: Vec<f64> = Vec::new();
    for event in history.events() {
        match event.kind {
            EventKind::Attempted => drop(pushed.insert(event.jid, event.at)),
            EventKind::Start if event.jid.as_str() >= format!("{WARM_UP:024x}").as_str() => {
                if let Some(at) = pushed.get(&event.jid) {
                    waits.push(event.at.saturating_sub(*at).as_secs_f64() * 1000.0);
                }
            }
            _ => {}
        }
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "| {name} | 10 | {:.2} | {:.2} | {:.2} | {idle_mb:.1} |",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn redis_cpu(server: &RedisServer) -> f64 {
    let info = server.cli(&["INFO", "cpu"]);
    ["used_cpu_user:", "used_cpu_sys:"]
        .iter()
        .filter_map(|name| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
        })
        .sum()
}

/// Seconds of CPU that a process has used.
fn worker_cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields
        .iter()
        .skip(11)
        .take(2)
        .filter_map(|text| text.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

fn peak_rss_mb(pid: u32) -> f64 {
    status_mb(pid, "VmHWM:")
}

fn rss_mb(pid: u32) -> f64 {
    status_mb(pid, "VmRSS:")
}

fn status_mb(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kb = status.lines().find_map(|line| {
        line.strip_prefix(name)?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<f64>()
            .ok()
    });
    kb.unwrap_or(0.0) / 1024.0
}

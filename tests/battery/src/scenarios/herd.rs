//! P8: very many idle workers meet a Redis that comes back, and do not trample it.

use std::time::{Duration, Instant};

use gandy_tests::{History, Proc, RedisServer, length, push_jobs, wait_until};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);

pub(crate) fn run(stage: &Stage) -> Outcome {
    let many = stage.pick(40, 200);
    let server = RedisServer::with_aof();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage
        .crew(&server, &history)
        .concurrency(1)
        .set("CREW_THREADS", 1);
    let workers: Vec<Proc> = (0..many).map(|_| crew.start()).collect();
    wait_until(LONG, "all wait for jobs", || waiting(&server) >= many);
    server.kill9();
    std::thread::sleep(Duration::from_secs(5)); // The subject: all of them back off meanwhile.
    server.restart();
    let back = Instant::now();
    let mut half = None;
    wait_until(LONG, "all wait for jobs again", || {
        let waiting = waiting(&server);
        if waiting >= many / 2 && half.is_none() {
            half = Some(back.elapsed());
        }
        waiting >= many
    });
    let all = back.elapsed();
    push_jobs(&server, &notes, "j", "Note", "[]", many * 5);
    wait_until(LONG, "they run jobs", || history.ended() == many * 5);
    let report = history.report();
    let mut outcome = Outcome::default();
    outcome.most("all claiming after, s", 10.0, all.as_secs_f64());
    outcome.none("lost", report.lost.len());
    outcome.none("extra runs", report.extra_starts);
    outcome.none(
        "workers that ended",
        workers.iter().filter(|worker| !worker.is_running()).count(),
    );
    outcome.none("taken for dead", length(&server, "gandy:dying"));
    outcome.note(
        "half of them claiming after, s",
        half.unwrap_or(all).as_secs_f64(),
    );
    outcome.note("workers", many as f64);
    outcome
}

/// Connections that wait in a blocking command: one for each idle worker of one queue.
fn waiting(server: &RedisServer) -> usize {
    let info = server.cli(&["INFO", "clients"]);
    let line = info
        .lines()
        .find_map(|line| line.trim().strip_prefix("blocked_clients:"));
    line.and_then(|count| count.parse().ok()).unwrap_or(0)
}

//! Somebody turns eviction on under a running fleet: it says so, loudly, and works on.

use std::time::{Duration, Instant};

use gandy_tests::{Crew, History, Proc, RedisServer, push_jobs, wait_until};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);

pub(crate) fn run(stage: &Stage) -> Outcome {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage.crew(&server, &history);
    let workers: Vec<Proc> = (0..3).map(|_| crew.start_and_wait()).collect();
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let changed = Instant::now();
    let says_so = |worker: &Proc| worker.log().contains("maxmemory-policy is allkeys-lru");
    wait_until(LONG, "every worker says so", || workers.iter().all(says_so));
    let noticed = changed.elapsed();
    push_jobs(&server, &notes, "j", "Note", "[]", 100);
    wait_until(LONG, "they work on", || history.ended() == 100);
    let errors = |worker: &&Proc| worker.log().lines().any(|line| says(line, "ERROR"));
    let mut outcome = Outcome::default();
    outcome.most("noticed by all after, s", 30.0, noticed.as_secs_f64());
    outcome.exactly(
        "workers that log it as an error",
        3,
        workers.iter().filter(errors).count(),
    );
    outcome.all_run(&workers);
    // What a worker's own gauge and readiness are made of.
    let cautious = |worker: &&Proc| {
        let cautions = Crew::end(worker, LONG)["cautions"].to_string();
        cautions.contains("maxmemory-policy is allkeys-lru")
    };
    let cautious = workers.iter().filter(cautious).count();
    outcome.exactly("workers whose cautions() name it", 3, cautious);
    outcome
}

fn says(line: &str, level: &str) -> bool {
    line.contains(level) && line.contains("may silently delete jobs")
}

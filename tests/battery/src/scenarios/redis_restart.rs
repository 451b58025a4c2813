//! P8: Redis dies, stops, loads slowly and forgets its scripts; no worker ends, and each goes on by itself.

use std::fs;
use std::time::{Duration, Instant};

use gandy_tests::{
    Crew, History, Proc, RedisServer, held, in_flight, is_at_rest, length, push_jobs, wait_until,
};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(180);

/// What happens to Redis in a round.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Shutdown,
    Flush,
}

pub(crate) fn run(stage: &Stage) -> Outcome {
    let (jobs, rounds, pace) = stage.pick((12_000, 4, 3), (150_000, 24, 5));
    // A reload takes seconds: Redis sleeps at each command, which takes the kernel 60 us at the least, or at one in ten.
    let delay = stage.pick("50", "-10");
    let server = RedisServer::with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--aof-use-rdb-preamble",
        "no",
        "--loading-process-events-interval-bytes",
        "65536",
        "--key-load-delay",
        delay,
    ]);
    let history = History::new();
    let notes = history.writer("battery");
    push_jobs(&server, &notes, "j", "Nap", "[30]", jobs);
    let crew: Crew = stage.crew(&server, &history).concurrency(10);
    let workers: Vec<Proc> = (0..3).map(|_| crew.start_and_wait()).collect();
    let (mut slowest, mut longest_load) = (Duration::ZERO, Duration::ZERO);
    let (mut faults, mut aboard) = (0, 0);
    for round in 0..rounds {
        if length(&server, "queue:default") == 0 {
            break;
        }
        std::thread::sleep(Duration::from_secs(pace)); // The subject: the pace of the faults.
        aboard += in_flight(&server);
        match [Fault::Kill, Fault::Flush, Fault::Shutdown, Fault::Kill][round % 4] {
            Fault::Kill => {
                server.kill9();
                longest_load = longest_load.max(restart(&server));
            }
            Fault::Shutdown => {
                server.stop();
                longest_load = longest_load.max(restart(&server));
            }
            Fault::Flush => {
                server.cli(&["SCRIPT", "FLUSH"]);
            }
        }
        faults += 1;
        let back = Instant::now();
        let before = written(&history);
        wait_until(LONG, "the workers go on", || {
            written(&history) > before || length(&server, "queue:default") == 0
        });
        slowest = slowest.max(back.elapsed());
    }
    wait_until(LONG, "nothing is queued or in flight any more", || {
        is_at_rest(&server, &["schedule"])
    });
    let report = history.report_with_held(&held(&server));
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.most("extra runs", aboard as f64, report.extra_starts as f64);
    outcome.all_run(&workers);
    outcome.most("resumed after, s", 6.0, slowest.as_secs_f64());
    outcome.least("faults", stage.pick(3.0, 20.0), f64::from(faults));
    outcome.least("longest loading, s", 0.5, longest_load.as_secs_f64());
    outcome.note("jobs", jobs as f64);
    outcome
}

/// How long it took until it answered.
fn restart(server: &RedisServer) -> Duration {
    let began = Instant::now();
    server.restart();
    began.elapsed()
}

/// Bytes that the handlers have written: cheaper to see grow than the events to read.
fn written(history: &History) -> u64 {
    let files = fs::read_dir(history.path()).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum()
}

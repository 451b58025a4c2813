//! P4: a rolling deploy under load loses nothing, spends no attempt, and runs no short job twice.

use std::time::{Duration, Instant};

use gandy_tests::{History, Proc, RedisServer, held, in_flight, length, push_jobs, wait_until};
use nix::sys::signal::Signal;

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);

pub(crate) fn run(stage: &Stage) -> Outcome {
    let (jobs, rounds) = stage.pick((4_000, 4), (200_000, 60));
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    push_jobs(&server, &notes, "j", "Nap", "[100]", jobs);
    let crew = stage
        .crew(&server, &history)
        .concurrency(10)
        .set("CREW_TIMEOUT_MS", 5_000);
    let mut workers: Vec<Proc> = (0..4).map(|_| crew.start_and_wait()).collect();
    let (mut slowest, mut unclean) = (Duration::ZERO, 0);
    for round in 0..rounds {
        let place = round % workers.len();
        let asked = Instant::now();
        workers[place].signal(Signal::SIGTERM);
        let status = workers[place].wait_exit(LONG);
        slowest = slowest.max(asked.elapsed());
        unclean += usize::from(!status.success());
        workers[place] = crew.start_and_wait();
    }
    wait_until(LONG, "everything has run", || {
        length(&server, "queue:default") == 0 && in_flight(&server) == 0
    });
    let held = held(&server);
    let report = history.report_with_held(&held);
    let mut outcome = Outcome::default();
    outcome.none("lost", report.lost.len());
    outcome.none("unexpected", report.unexpected.len());
    outcome.none("extra runs", report.extra_starts);
    outcome.none("attempts spent", held.len());
    outcome.none("exits with an error", unclean);
    outcome.most("slowest exit, s", 6.0, slowest.as_secs_f64());
    outcome.note("exits", rounds as f64);
    outcome
}

//! P4: a rolling deploy under load loses nothing, spends no attempt, and runs no short job twice; and while two releases
//! with different handlers share a queue, each job is run by who can.

use std::time::{Duration, Instant};

use gandy_tests::{
    EventKind, History, Proc, RedisServer, held, is_at_rest, length, push_jobs, wait_until,
};
use nix::sys::signal::Signal;

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(240);
/// Longer than a worker believes what it saw of the fleet.
const AWAY: Duration = Duration::from_secs(4);

pub(crate) fn run(stage: &Stage) -> Outcome {
    Outcome::of_parts(stage, &[("rolling", rolling), ("two fleets", two_fleets)])
}

/// One worker after another is ended and replaced.
fn rolling(stage: &Stage) -> Outcome {
    let (jobs, rounds) = stage.pick((4_000, 4), (30_000, 60));
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
    let mut outcome = rest(&server, &history);
    outcome.none("attempts spent", attempts_spent(&server, workers));
    outcome.none("exits with an error", unclean);
    outcome.most("slowest exit, s", 6.0, slowest.as_secs_f64());
    outcome.note("exits", rounds as f64);
    outcome
}

/// Two workers of the old release, which do not know a class, and one of the new one, on one queue; that one is replaced.
fn two_fleets(stage: &Stage) -> Outcome {
    let jobs = stage.pick(200, 2_000);
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let old = stage.crew(&server, &history).concurrency(5);
    let new = old.clone().set("CREW_EXTRA", "NewInThisRelease");
    let mut workers: Vec<Proc> = (0..2).map(|_| old.start_and_wait()).collect();
    workers.push(new.start_and_wait());
    let began = Instant::now();
    for part in 0..10 {
        let tag = |what: &str| format!("{what}{part}-");
        push_jobs(
            &server,
            &notes,
            &tag("new"),
            "NewInThisRelease",
            "[]",
            jobs / 10,
        );
        push_jobs(&server, &notes, &tag("old"), "Nap", "[5]", jobs / 10);
    }
    // The only one that knows the class is replaced.
    workers[2].signal(Signal::SIGTERM);
    workers[2].wait_exit(LONG);
    std::thread::sleep(AWAY); // The subject: for so long nobody of the fleet knows it.
    workers[2] = new.start_and_wait();
    let mut outcome = rest(&server, &history);
    let took = began.elapsed();
    // Nobody of the whole fleet knows this one: a failure like any other.
    push_jobs(&server, &notes, "nobody", "KnownToNobody", "[]", 1);
    wait_until(LONG, "it waits for its retry", || {
        length(&server, "retry") == 1
    });
    let failed = server.cli(&["ZRANGE", "retry", "0", "-1"]);
    let told = failed.contains("UnknownClass") && failed.contains("nobody");
    outcome.exactly("a class nobody knows is told", 1, usize::from(told));
    let others = attempts_spent(&server, workers).saturating_sub(1);
    outcome.none("attempts spent", others);
    let events = history.events();
    let begun = events.iter().filter(|event| event.kind == EventKind::Start);
    outcome.exactly("runs", jobs * 2, begun.count());
    outcome.note("all had run after, s", took.as_secs_f64());
    outcome
}

/// What holds when everything has run.
fn rest(server: &RedisServer, history: &History) -> Outcome {
    wait_until(LONG, "everything has run", || {
        is_at_rest(server, &["schedule"])
    });
    let report = history.report_with_held(&held(server));
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.none("extra runs", report.extra_starts);
    outcome
}

/// How many runs these workers and those before them counted as failed, once they have ended: an attempt each. Not what
/// waits for its retry: that comes after 15 s, and long before everything has run.
fn attempts_spent(server: &RedisServer, workers: Vec<Proc>) -> usize {
    for worker in workers {
        worker.signal(Signal::SIGTERM);
        worker.wait_exit(LONG);
    }
    let failed = server.cli(&["GET", "stat:failed"]);
    if failed.is_empty() {
        0
    } else {
        failed.parse().expect("stat:failed is a number")
    }
}

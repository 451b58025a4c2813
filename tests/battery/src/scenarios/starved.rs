//! I9: handlers that block every thread of the runtime make nobody look dead.

use std::time::{Duration, Instant};

use gandy_tests::{Crew, History, RedisServer, in_flight, push_jobs, wait_until};
use redis::Commands;

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);
/// Of a lease, milliseconds.
const LEASE: i64 = 15_000;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let block: u64 = stage.size(20_000, 25_000, 60_000);
    let patience = stage.patience(LONG);
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage
        .crew(&server, &history)
        .set("RUST_LOG", "gandy=info")
        .concurrency(10);
    // One that would take it for dead, and does nothing else.
    let peer = crew.clone().set("CREW_QUEUES", "other").start_and_wait();
    let starved = crew.clone().set("CREW_THREADS", 2).start_and_wait();
    let identity = Crew::identity(&starved);
    let args = format!("[{block}]");
    // Each holds the thread that begins it, so exactly two begin and the eight others cannot.
    push_jobs(&server, &notes, "block", "Stubborn", &args, 10);
    wait_until(LONG, "its threads are blocked", || {
        history.report().cut_off >= 2
    });
    let helper = crew.set("CREW_THREADS", 10).start_and_wait();
    let (blocked, mut all_begun) = (Instant::now(), None);
    let lease = format!("gandy:lease:{identity}");
    let mut conn = server.conn();
    let (mut longest, mut looks) = (0, 0);
    let end = Instant::now() + Duration::from_millis(block);
    while Instant::now() < end {
        let left: i64 = conn.pttl(&lease).unwrap_or(-2);
        longest = longest.max(LEASE - left.max(0));
        looks += 1;
        if all_begun.is_none() && history.report().cut_off == 10 {
            all_begun = Some(blocked.elapsed());
        }
        std::thread::sleep(Duration::from_millis(50)); // The subject: a look every 50 ms.
    }
    wait_until(patience, "all have ended", || {
        history.ended() == 10 && in_flight(&server) == 0
    });
    let report = history.report();
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.none("extra runs", report.extra_starts);
    outcome.most(
        "longest time between renewals, s",
        5.0,
        longest as f64 / 1000.0,
    );
    outcome.none(
        "taken for dead",
        usize::from(Crew::identity(&starved) != identity),
    );
    let waited = all_begun.map_or(f64::INFINITY, |after| after.as_secs_f64());
    outcome.most(
        "what it could not start began elsewhere after, s",
        10.0,
        waited,
    );
    outcome.all_run(&[peer, starved, helper]);
    outcome.note("looks", f64::from(looks));
    outcome
}

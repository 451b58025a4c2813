//! TERM, TSTP and their like: a worker that is asked to end ends in time and gives back, byte for byte and in order, what
//! it has not done, with Redis up or down.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use gandy_tests::{Crew, History, RedisServer, in_flight, payload, push_jobs, wait_until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

fn crew(server: &RedisServer) -> Crew {
    Crew::new(env!("CARGO_BIN_EXE_crew"), server)
}

fn queue(server: &RedisServer) -> Vec<String> {
    server
        .cli(&["LRANGE", "queue:default", "0", "-1"])
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn shutdown_term_returns_unfinished_jobs_byte_identical_in_order_and_in_time() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    push_jobs(&server, &notes, "job", "Nap", "[60000]", 30);
    let before = queue(&server);
    let worker = crew(&server)
        .concurrency(12)
        .history(&history)
        .set("CREW_TIMEOUT_MS", 2000)
        .start_and_wait();
    wait_until(SOON, "12 jobs run", || in_flight(&server) == 12);
    let asked = Instant::now();
    worker.signal(Signal::SIGTERM);
    worker.signal(Signal::SIGTERM); // A second one changes nothing.
    let status = worker.wait_exit(SOON);
    let took = asked.elapsed();
    assert!(status.success(), "{status}");
    assert!(
        took >= Duration::from_millis(1900) && took <= Duration::from_secs(4),
        "{took:?}"
    );
    assert_eq!(queue(&server), before, "same bytes, same order");
    assert_eq!(in_flight(&server), 0);
    // No attempt was spent, nobody died, nothing of it is left.
    for key in ["retry", "dead", "schedule"] {
        assert_eq!(server.cli(&["ZCARD", key]), "0", "{key}");
    }
    assert_eq!(server.cli(&["SMEMBERS", "processes"]), "");
    wait_until(
        SOON,
        "nothing of ours is left, the watch being the last",
        || server.cli(&["KEYS", "gandy:*"]).is_empty(),
    );
    assert_eq!(server.cli(&["GET", "stat:failed"]), "");
}

#[test]
fn shutdown_waits_for_jobs_that_end_within_the_timeout() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    push_jobs(&server, &notes, "job", "Nap", "[1500]", 5);
    let worker = crew(&server).history(&history).start_and_wait();
    wait_until(SOON, "all run", || in_flight(&server) == 5);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_log("stopping", SOON);
    // What is pushed from now on is not claimed.
    push_jobs(&server, &notes, "late", "Nap", "[1]", 1);
    assert!(worker.wait_exit(SOON).success());
    assert_eq!(history.ended(), 5);
    assert_eq!(queue(&server), [payload("Nap", "[1]", "late000000")]);
    assert_eq!(
        server.cli(&["GET", "stat:processed"]),
        "5",
        "the last counters are flushed"
    );
}

#[test]
fn shutdown_an_idle_worker_leaves_at_once() {
    let server = RedisServer::start();
    let worker = crew(&server).start_and_wait();
    let asked = Instant::now();
    worker.signal(Signal::SIGINT);
    assert!(worker.wait_exit(SOON).success());
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn shutdown_with_redis_down_still_exits_within_timeout_plus_2_s() {
    for frozen in [false, true] {
        let server = RedisServer::with_aof();
        let history = History::new();
        let notes = history.writer("test");
        push_jobs(&server, &notes, "job", "Nap", "[60000]", 3);
        let worker = crew(&server)
            .history(&history)
            .set("CREW_TIMEOUT_MS", 2000)
            .start_and_wait();
        wait_until(SOON, "all run", || in_flight(&server) == 3);
        if frozen {
            server.freeze()
        } else {
            server.kill9()
        }
        let asked = Instant::now();
        worker.signal(Signal::SIGTERM);
        worker.wait_exit(SOON);
        assert!(
            asked.elapsed() <= Duration::from_secs(4),
            "frozen {frozen}: {:?}",
            asked.elapsed()
        );
        // Another worker brings the jobs back when Redis is there again.
        if frozen {
            server.thaw()
        } else {
            server.restart()
        }
        let other = crew(&server).history(&history).start_and_wait();
        wait_until(
            Duration::from_secs(60),
            "the other worker runs them",
            || history.report().extra_starts == 3,
        );
        assert!(other.is_running());
    }
}

#[test]
fn shutdown_is_not_held_by_a_blocking_handler_that_heeds_nothing() {
    let server = RedisServer::start();
    let job = payload("StuckThread", "[60000]", "stuck");
    server.cli(&["LPUSH", "queue:default", &job]);
    let worker = crew(&server).set("CREW_TIMEOUT_MS", 1000).start_and_wait();
    wait_until(SOON, "it runs", || in_flight(&server) == 1);
    let asked = Instant::now();
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait_exit(SOON).success());
    assert!(
        asked.elapsed() <= Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(queue(&server), [job]);
}

#[test]
fn shutdown_before_redis_was_ever_reached() {
    let server = RedisServer::start();
    server.stop();
    let worker = crew(&server).start();
    worker.wait_for_log("is not available", SOON);
    let asked = Instant::now();
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait_exit(SOON).success());
    assert!(asked.elapsed() < Duration::from_secs(2));
}

#[test]
fn tstp_quiets_for_good_and_running_jobs_go_on() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    push_jobs(&server, &notes, "first", "Nap", "[1000]", 2);
    let worker = crew(&server).history(&history).start_and_wait();
    wait_until(SOON, "both run", || in_flight(&server) == 2);
    worker.signal(Signal::SIGTSTP);
    worker.wait_for_log("quiet", SOON);
    push_jobs(&server, &notes, "second", "Nap", "[1]", 3);
    wait_until(SOON, "the running jobs ended", || {
        history.ended() == 2 && in_flight(&server) == 0
    });
    // Sidekiq's readers see it.
    let identity = Crew::identity(&worker);
    wait_until(SOON, "the process shows itself quiet", || {
        server.cli(&["HGET", &identity, "quiet"]) == "true"
    });
    assert_eq!(queue(&server).len(), 3, "a quiet worker claimed");
    assert_eq!(
        server.cli(&["KEYS", "gandy:landing:*"]),
        "",
        "a quiet worker keeps a job landed"
    );
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait_exit(SOON).success());
    assert_eq!(queue(&server).len(), 3);
}

#[test]
fn ttin_says_what_runs_and_never_its_arguments() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let worker = crew(&server).history(&history).start_and_wait();
    server.cli(&[
        "LPUSH",
        "queue:default",
        &payload("Nap", r#"[60000,"S3CR3T-CANARY"]"#, "other"),
    ]);
    push_jobs(&server, &notes, "dumped", "Nap", "[60000]", 1);
    wait_until(SOON, "it runs", || history.report().cut_off == 1);
    worker.signal(Signal::SIGTTIN);
    worker.wait_for_log("running_secs", SOON);
    let log = worker.log();
    assert!(
        log.contains("dumped000000") && log.contains("running"),
        "{log}"
    );
    assert!(!log.contains("S3CR3T"), "arguments were logged:\n{log}");
}

#[test]
fn ring_of_a_paused_queue_is_put_back() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let worker = crew(&server).history(&history).start_and_wait();
    // The worker blocks on the queue now; the pause comes before the job.
    std::thread::sleep(Duration::from_millis(300)); // The subject: its blocking move is under way.
    server.cli(&["SADD", "paused", "default"]);
    push_jobs(&server, &notes, "job", "Nap", "[1]", 3);
    wait_until(SOON, "all wait in the queue", || queue(&server).len() == 3);
    std::thread::sleep(Duration::from_secs(3)); // The subject: nothing is claimed although time passes.
    assert_eq!((queue(&server).len(), history.ended()), (3, 0));
    server.cli(&["SREM", "paused", "default"]);
    wait_until(Duration::from_secs(5), "they run after the pause", || {
        history.ended() == 3
    });
    assert!(worker.is_running());
}

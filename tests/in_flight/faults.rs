//! What Redis may become while workers work: full, forgetful, cut off, restarted, with a key of another type.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gandy_tests::{Crew, History, Proc, RedisServer, payload, push_jobs, wait_eq, wait_until};
use redis::cmd;

use crate::{
    crew::{self, Runs},
    support::{SOON, Site},
};

fn limit(site: &Site, bytes: &str) {
    site.ask::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_drained_and_failing_jobs_reach_retry() {
    let site = Site::start();
    let runs = Runs::default();
    runs.push_many(&site, "Ok", "ok", 400);
    runs.push_many(&site, "Fail", "fail", 40);
    let now = site.clock();
    site.add("schedule", now, Runs::payload("Ok", "due"));
    limit(&site, "1");
    let refused = redis::cmd("LPUSH")
        .arg("queue:default")
        .arg("x")
        .exec(&mut site.redis.conn())
        .unwrap_err();
    assert_eq!(refused.code(), Some("OOM"), "a producer is refused");
    // Started when it is full already: it joins, claims, finishes, fails, promotes.
    let worker = runs.worker(site.config(), 10);
    let identity = crew::identity(&worker);
    wait_eq(SOON, "all have run", &(441, 441), || runs.sums());
    site.settle();
    assert_eq!(site.count("retry"), 40);

    // An idle worker's bells are refused too; what becomes due is run all the same, and soon.
    let retry = site.entries("retry").remove(0);
    limit(&site, "0");
    site.make_due("retry", &retry);
    limit(&site, "1");
    let due = Instant::now();
    wait_eq(Duration::from_secs(5), "the retry has run", &442, || {
        runs.sums().1
    });
    println!("a due retry ran after {:?} in a full Redis", due.elapsed());
    site.settle();
    // Room again: it is shown, and no count is lost.
    limit(&site, "0");
    wait_until(SOON, "the worker is shown", || {
        site.ask(cmd("EXISTS").arg(&identity))
    });
    worker.stop().await.unwrap();
    let counted = ["stat:processed", "stat:failed"].map(|key| site.redis.cli(&["GET", key]));
    assert_eq!(counted, ["442", "41"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_leaves_a_full_redis_in_good_order() {
    let site = Site::start();
    let runs = Runs::default();
    let mut config = site.config();
    config.timeout = Duration::ZERO;
    let worker = runs.worker(config, 4);
    for number in 0..4 {
        runs.push(&site, "Gate", &format!("j{number}"));
    }
    wait_eq(SOON, "all run", &4, || runs.sums().0);
    limit(&site, "1");
    worker.stop().await.unwrap();
    assert_eq!(crew::tally(&site, "queue:default"), 4);
    assert_eq!(
        site.redis.cli(&["EXISTS", "gandy:fleet", "gandy:dying"]),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_called_full_in_the_log() {
    let server = RedisServer::with(&["--maxmemory", "1"]);
    let worker = Crew::new(env!("CARGO_BIN_EXE_crew"), &server).start_and_wait();
    let line = worker.wait_for_log("heartbeat", SOON);
    assert!(line.contains("is full (maxmemory reached)"), "{line}");
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(worker.wait_exit(SOON).success());
    let log = worker.log();
    assert!(
        !log.contains("refused"),
        "a full Redis refuses nobody for good: {log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_whose_key_is_broken_is_said_and_skipped_until_it_is_repaired() {
    let server = RedisServer::start();
    let history = History::new();
    server.cli(&["SET", "queue:bad", "x"]);
    server.cli(&["SET", "gandy:landing:worse", "x"]);
    server.cli(&["LPUSH", "queue:worse", &payload("Note", "[]", "w")]);
    let worker = Crew::new(env!("CARGO_BIN_EXE_crew"), &server)
        .history(&history)
        .set("CREW_QUEUES", "bad worse good")
        .start_and_wait();
    for number in 0..50 {
        let job = payload("Note", "[]", &format!("g{number}"));
        server.cli(&["LPUSH", "queue:good", &job]);
    }
    // A landing list that is none keeps nobody from the queue itself.
    wait_eq(SOON, "the other queues go on", &51, || history.ended());
    let line = worker.wait_for_log("not a list", SOON);
    assert!(line.contains("ERROR"), "{line}");
    for queue in ["bad", "worse"] {
        let named = |line: &str| line.contains("not a list") && line.contains(queue);
        wait_until(SOON, "both are named", || worker.log().lines().any(named));
    }
    let complaints = worker.log().matches("not a list").count();
    assert!(
        complaints <= 6,
        "{complaints} complaints:\n{}",
        worker.log()
    );
    server.cli(&["DEL", "queue:bad", "gandy:landing:worse"]);
    server.cli(&["LPUSH", "queue:bad", &payload("Note", "[]", "b")]);
    let repaired = Instant::now();
    wait_eq(SOON, "both work again", &52, || history.ended());
    println!(
        "repaired queues worked again after {:?}",
        repaired.elapsed()
    );
    assert!(repaired.elapsed() < Duration::from_secs(60));
    assert!(worker.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_its_scripts_is_taught_them_again() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 10);
    runs.push_many(&site, "Tick", "j", 1500);
    let (mut flushes, began) = (0, Instant::now());
    while runs.sums().0 < 1500 {
        assert!(began.elapsed() < SOON, "only {:?} have run", runs.sums());
        site.ask::<()>(cmd("SCRIPT").arg("FLUSH"));
        flushes += 1;
        tokio::time::sleep(Duration::from_millis(10)).await; // The pace of the flushes.
    }
    site.settle();
    worker.stop().await.unwrap();
    println!("{flushes} flushes");
    assert!(flushes > 5, "it worked too fast for this test");
    assert_eq!(runs.sums(), (1500, 1500), "none twice");
    assert_eq!(site.redis.cli(&["GET", "stat:processed"]), "1500");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_cut_connections_cost_time_and_no_job_runs_twice() {
    let site = Site::start();
    let runs = Runs::default();
    let worker = runs.worker(site.config(), 10);
    crew::identity(&worker);
    runs.push_many(&site, "Tick", "j", 1500);
    runs.push_many(&site, "Fail", "f", 100);
    let kill = |site: &Site| {
        site.ask::<()>(
            cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg("normal")
                .arg("SKIPME")
                .arg("yes"),
        );
    };
    let mut cuts = 0;
    while runs.sums().0 < 1600 && cuts < 40 {
        kill(&site);
        cuts += 1;
        tokio::time::sleep(Duration::from_millis(60)).await; // The pace of the cuts.
    }
    wait_eq(SOON, "all have run", &1600, || runs.sums().0);
    site.settle();
    println!("{cuts} times all connections were cut");
    let fences = worker.fences();
    worker.stop().await.unwrap();
    assert_eq!(runs.sums(), (1600, 1600), "the worker lived all the while");
    assert_eq!(site.count("retry"), 100);
    assert_eq!(fences.fenced, 0, "{fences:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_killed_and_restarted_ends_no_worker_and_loses_no_job() {
    let server = RedisServer::with_aof();
    let history = History::new();
    let notes = history.writer("test");
    let jobs = push_jobs(&server, &notes, "j", "Nap", "[5]", 4000);
    let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &server)
        .history(&history)
        .concurrency(5);
    let workers: Vec<Proc> = (0..2).map(|_| crew.start_and_wait()).collect();
    for round in 1..=2 {
        wait_until(SOON, "they work", || history.ended() >= 700 * round);
        server.kill9();
        server.restart();
        let back = Instant::now();
        let before = history.ended();
        wait_until(SOON, "they work again", || history.ended() > before + 100);
        println!("working again {:?} after the restart", back.elapsed());
        assert!(back.elapsed() < Duration::from_secs(8));
    }
    wait_eq(SOON, "all have ended", &jobs.len(), || history.ended());
    let is_empty = || server.cli(&["KEYS", "gandy:inflight:*"]).is_empty();
    wait_until(SOON, "nothing is in flight", is_empty);
    for worker in &workers {
        assert!(worker.is_running(), "a worker ended");
    }
    let identities: HashSet<String> = workers.iter().map(Crew::identity).collect();
    assert_eq!(identities.len(), 2);
    let report = history.report();
    println!("{report}");
    report.assert_sound();
    // What stood in the append-only file is what was acknowledged, so at most what was in flight ran again.
    assert!(report.extra_ends <= 2 * 10, "{report}");
}

//! Processes: living, dead, unknown, and what they hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gandy::{Client, Context, JobError, Push, RunningWorker, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_eq, wait_until};
use serde_json::json;

use crate::support::{command, gandy};
use crate::{ANOTHER, DEADLINE, SOMEBODY, codes, finding, fix, job, look, sound, subjects};

fn held(identity: &str) -> String {
    format!("gandy:inflight:{identity}")
}

/// A worker that runs what the tests push.
fn worker(redis: &RedisServer, queues: &[&str]) -> RunningWorker {
    let mut config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
    config.queues = queues.iter().map(|&queue| queue.into()).collect();
    let worker = Worker::builder(config)
        .signals(false)
        .handler_fn("Any", |(_,): (u64,), _: Context| async { Ok(()) })
        .build()
        .unwrap()
        .start();
    wait_until(DEADLINE, "the worker shows itself", || {
        redis.cli(&["SCARD", "processes"]) != "0"
    });
    worker
}

#[test]
fn a_healthy_fleet_has_no_findings() {
    let redis = sound();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entered = runtime.enter();
    let worker = worker(&redis, &["default", "low"]);
    drop(entered);
    redis.cli(&["SADD", "queues", "default", "low", "unused"]);
    redis.cli(&["SADD", "paused", "low"]);
    redis.cli(&["LPUSH", "queue:low", &job("a", "low")]);
    redis.cli(&["ZADD", "schedule", "99999999999", &job("b", "default")]);
    redis.cli(&["ZADD", "dead", "1", &job("c", "default")]);
    for _ in 0..3 {
        let report = look(&redis);
        assert_eq!(codes(&report), [] as [&str; 0], "{report}");
        assert_eq!(report["unknown"], json!([]));
    }
    let answer = gandy(&redis, &["doctor"]);
    assert_eq!(
        (answer.code, answer.out.lines().last()),
        (0, Some("nothing is wrong"))
    );
    // A queue that it does not listen to.
    redis.cli(&["SADD", "queues", "other"]);
    redis.cli(&["LPUSH", "queue:other", &job("d", "other")]);
    assert_eq!(
        subjects(&look(&redis), "unserved-queue"),
        [("other".into(), 1)]
    );
    runtime.block_on(worker.stop()).unwrap();
}

#[test]
fn jobs_in_flight_under_nobody_come_back_without_a_worker() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&[
        "HSET",
        &held(SOMEBODY),
        "9:low",
        &job("a", "low"),
        "10:low",
        &job("b", "low"),
    ]);
    redis.cli(&["HSET", &held("what is this"), "1:low", "x"]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["orphaned-in-flight", "nameless-in-flight"]);
    assert_eq!(
        subjects(&report, "orphaned-in-flight"),
        [(SOMEBODY.into(), 2)]
    );
    assert_eq!(finding(&report, "nameless-in-flight")["fixable"], false);
    let (done, what) = fix(&redis, "orphaned-in-flight");
    assert_eq!(
        (done, what.contains("2 jobs are given back")),
        (1, true),
        "{what}"
    );
    // The oldest is popped next, and the death is counted.
    assert_eq!(redis.cli(&["LINDEX", "queue:low", "-1"]), job("a", "low"));
    assert_eq!(redis.cli(&["LLEN", "queue:low"]), "2");
    assert_eq!(redis.cli(&["SMEMBERS", "gandy:recovered:a"]), SOMEBODY);
    assert_eq!(redis.cli(&["EXISTS", "gandy:dying", &held(SOMEBODY)]), "0");
}

#[test]
fn jobs_in_flight_under_nobody_are_left_to_living_workers() {
    let redis = sound();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entered = runtime.enter();
    let worker = worker(&redis, &["low"]);
    drop(entered);
    redis.cli(&["SADD", "queues", "low"]);
    // The worker has swept when it began, and does so again in ten minutes.
    wait_until(DEADLINE, "the worker is on duty", || {
        redis.cli(&["EXISTS", "gandy:promoter"]) == "1"
    });
    wait_until(DEADLINE, "a sweep", || {
        redis
            .cli(&["INFO", "commandstats"])
            .contains("cmdstat_scan:")
    });
    redis.cli(&["HSET", &held(SOMEBODY), "1:low", &job("a", "low")]);
    let report = look(&redis);
    if codes(&report).contains(&"orphaned-in-flight") {
        let (_, what) = fix(&redis, "orphaned-in-flight");
        assert!(what.contains("living workers"), "{what}");
    }
    wait_eq(DEADLINE, "the job ran", &"1".to_owned(), || {
        redis.cli(&["GET", "stat:processed"])
    });
    assert_eq!(codes(&look(&redis)), [] as [&str; 0]);
    runtime.block_on(worker.stop()).unwrap();
}

/// As if somebody had watched over the leases for long: the doctor need not do so itself.
fn watched(redis: &RedisServer) {
    let info = redis.cli(&["INFO", "server"]);
    let run = info
        .lines()
        .find_map(|line| line.trim().strip_prefix("run_id:"))
        .unwrap();
    let since = redis.cli(&["TIME"]);
    let seconds: u64 = since.lines().next().unwrap().parse().unwrap();
    let record = format!("{} {run}", (seconds - 60) * 1000);
    redis.cli(&["SET", "gandy:watch", &record, "PX", "60000"]);
}

#[test]
fn dead_workers_are_reaped_where_nobody_lives() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&["HSET", "gandy:fleet", SOMEBODY, r#"{"queues":["low"]}"#]);
    redis.cli(&["HSET", &held(SOMEBODY), "1:low", &job("a", "low")]);
    redis.cli(&["SADD", "processes", SOMEBODY]);
    redis.cli(&["HSET", SOMEBODY, "info", "{}"]);
    redis.cli(&["HSET", "gandy:dying", ANOTHER, "{}"]);
    redis.cli(&["HSET", &held(ANOTHER), "1:low", &job("b", "low")]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["unreaped-worker"]);
    assert_eq!(
        subjects(&report, "unreaped-worker"),
        [(SOMEBODY.into(), 1), (ANOTHER.into(), 1)]
    );
    watched(&redis);
    let (done, what) = fix(&redis, "unreaped-worker");
    assert_eq!(done, 2, "{what}");
    assert_eq!(redis.cli(&["LLEN", "queue:low"]), "2");
    assert_eq!(
        redis.cli(&[
            "EXISTS",
            "gandy:fleet",
            "gandy:dying",
            "processes",
            SOMEBODY
        ]),
        "0"
    );
    assert_eq!(codes(&look(&redis)), ["unserved-queue"]);
}

#[test]
fn nobody_is_declared_dead_whose_lease_holds() {
    let redis = sound();
    redis.cli(&["HSET", "gandy:fleet", SOMEBODY, r#"{"queues":["low"]}"#]);
    let lease = format!("gandy:lease:{SOMEBODY}");
    redis.cli(&["SET", &lease, "1", "PX", "60000"]);
    redis.cli(&["HSET", &held(SOMEBODY), "1:low", &job("a", "low")]);
    watched(&redis);
    assert_eq!(codes(&look(&redis)), [] as [&str; 0]);
    let (done, what) = fix(&redis, "unreaped-worker");
    assert_eq!(
        (done, what.contains("a living worker")),
        (0, true),
        "{what}"
    );
    assert_eq!(redis.cli(&["HLEN", &held(SOMEBODY)]), "1");
    // Without one, and without anybody who has watched: the doctor watches itself, and that takes a lease.
    redis.cli(&["DEL", &lease, "gandy:watch"]);
    let begun = std::time::Instant::now();
    fix(&redis, "unreaped-worker");
    assert!(begun.elapsed().as_secs() >= 15, "{:?}", begun.elapsed());
    assert_eq!(redis.cli(&["LLEN", "queue:low"]), "1");
}

#[test]
fn landed_jobs_go_back_in_their_order() {
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&["LPUSH", "queue:low", &job("c", "low")]);
    redis.cli(&[
        "LPUSH",
        "gandy:landing:low",
        &job("a", "low"),
        &job("b", "low"),
    ]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["landed-jobs", "unserved-queue"]);
    assert_eq!(
        subjects(&report, "landed-jobs"),
        [("gandy:landing:low".into(), 2)]
    );
    assert_eq!(fix(&redis, "landed-jobs").0, 2);
    let jids = ["c", "b", "a"].map(|jid| job(jid, "low")).join("\n");
    assert_eq!(redis.cli(&["LRANGE", "queue:low", "0", "-1"]), jids);
}

#[test]
fn a_process_without_heartbeat_leaves_the_list_and_a_living_one_stays() {
    let redis = sound();
    redis.cli(&["SADD", "processes", SOMEBODY, ANOTHER, "odd"]);
    redis.cli(&["HSET", ANOTHER, "info", r#"{"queues":["low"]}"#]);
    let report = look(&redis);
    assert_eq!(codes(&report), ["silent-process", "ruby-memory"]);
    assert_eq!(
        subjects(&report, "silent-process"),
        [(SOMEBODY.into(), 1), ("odd".into(), 1)]
    );
    assert_eq!(fix(&redis, "silent-process").0, 2);
    assert_eq!(redis.cli(&["SMEMBERS", "processes"]), ANOTHER);
}

#[test]
fn a_repair_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    const JOBS: usize = 5_000;
    let redis = sound();
    redis.cli(&["SADD", "queues", "low"]);
    let mut pipe = redis::pipe();
    for number in 0..JOBS {
        let name = format!("{number}:low");
        let held = pipe.cmd("HSET").arg(held(SOMEBODY)).arg(name);
        held.arg(job(&format!("j{number}"), "low")).ignore();
    }
    pipe.exec(&mut redis.conn()).unwrap();
    let (url, mut conn) = (redis.url(), redis.conn());
    let mut cut_off = 0;
    for code in ["orphaned-in-flight", "unreaped-worker"]
        .into_iter()
        .cycle()
        .take(20)
    {
        let args = ["doctor", "--fix", code, "--yes"];
        let mut child = command(&[("REDIS_URL", &url)], &args)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // It is killed as soon as something has moved. Asked over a connection: to start `redis-cli` once more takes as long
        // as the whole repair.
        let mut size = || -> u64 {
            redis::cmd("LLEN")
                .arg("queue:low")
                .query(&mut conn)
                .unwrap()
        };
        let (before, begun) = (size(), Instant::now());
        while size() == before && child.try_wait().unwrap().is_none() {
            assert!(
                begun.elapsed() < DEADLINE,
                "the repair neither moves anything nor ends"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
        cut_off += i32::from(redis.cli(&["HLEN", &held(SOMEBODY)]) != "0");
    }
    assert!(cut_off > 0, "no repair was cut off");
    fix(&redis, "unreaped-worker");
    let mut order = redis.cli(&["LRANGE", "queue:low", "0", "-1"]);
    order.push('\n');
    // The oldest is popped next: each job is there once, and in its place.
    let expected: String = (0..JOBS)
        .rev()
        .map(|number| job(&format!("j{number}"), "low") + "\n")
        .collect();
    assert!(order == expected, "lost, doubled or out of order");
    assert_eq!(redis.cli(&["EXISTS", "gandy:dying", &held(SOMEBODY)]), "0");
}

/// Two workers on `default` and `low` that fail, snooze and retry some of what they run.
fn busy_worker(redis: &RedisServer) -> RunningWorker {
    let mut config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
    config.queues = vec!["default".into(), "low".into()];
    config.concurrency = 5;
    let perform = |(number,): (u64,), _: Context| async move {
        tokio::time::sleep(Duration::from_millis(number % 3)).await;
        let soon = Duration::from_millis(number % 50);
        match number % 20 {
            0 => Err(JobError::retry_in(soon, "E", "m")),
            1 => Err(JobError::snooze(soon)),
            2 => Err(JobError::bury("E", "m")),
            _ => Ok(()),
        }
    };
    let worker = Worker::builder(config).signals(false);
    worker.handler_fn("Any", perform).build().unwrap().start()
}

#[test]
fn a_fleet_at_work_does_not_look_broken() {
    let redis = sound();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (server, flag) = (Server::new(&redis.url()).unwrap(), Arc::clone(&over));
    let producer = runtime.spawn(async move {
        let client = Client::builder().server(server).build().unwrap();
        for number in 0_u64.. {
            if flag.load(Ordering::Relaxed) {
                break;
            }
            let push = |at: u64| Push::raw("Any", format!("[{at}]"));
            let later = push(number + 7).after(Duration::from_millis(number % 90));
            client.send(push(number).queue("low")).await.unwrap();
            client.send(later).await.unwrap();
        }
    });
    let entered = runtime.enter();
    let first = busy_worker(&redis);
    wait_until(DEADLINE, "jobs run", || {
        redis.cli(&["EXISTS", "dead"]) == "1"
    });
    for round in 0..12 {
        // Others come and go, in good order.
        let other = (round % 3 == 0).then(|| busy_worker(&redis));
        let report = look(&redis);
        assert_eq!(codes(&report), [] as [&str; 0], "{report}");
        if let Some(other) = other {
            let stop = runtime.spawn(other.stop());
            let report = look(&redis);
            assert_eq!(codes(&report), [] as [&str; 0], "{report}");
            runtime.block_on(stop).unwrap().unwrap();
        }
    }
    over.store(true, Ordering::Relaxed);
    drop(entered);
    runtime.block_on(producer).unwrap();
    runtime.block_on(first.stop()).unwrap();
}

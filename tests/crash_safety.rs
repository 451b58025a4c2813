//! P1, P2, P3: no crash of a worker loses a job, its jobs run again in time, and only what was in flight runs twice.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gandy_protocol::Identity;
use gandy_tests::{
    Crew, History, Proc, RedisServer, held, in_flight, length, payload, push_jobs, wait_until,
};
use nix::sys::signal::Signal;

const LONG: Duration = Duration::from_secs(120);
/// P2: lease 15 s, reaper and change of duty 5 s.
const RECOVERY: Duration = Duration::from_secs(20);
/// P2: where connections are seen.
const SEEN: Duration = Duration::from_secs(5);

fn crew(server: &RedisServer, history: &History) -> Crew {
    Crew::new(env!("CARGO_BIN_EXE_crew"), server).history(history)
}

#[test]
fn crash_safety_20000_jobs_4_workers_a_kill9_every_second() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let jobs = push_jobs(&server, &notes, "j", "Nap", "[12]", 20_000);
    let crew = crew(&server, &history)
        .concurrency(10)
        .set("RUST_LOG", "gandy=warn");
    let mut workers: Vec<Proc> = (0..4).map(|_| crew.start()).collect();
    workers
        .iter()
        .for_each(|worker| drop(worker.wait_for_log("crew: started", LONG)));
    let (mut in_flight_at_kills, mut kills) = (0, 0);
    while length(&server, "queue:default") > 0 {
        std::thread::sleep(Duration::from_secs(1)); // The subject: one kill every second.
        let victim = fastrand::usize(..workers.len());
        let identity = Crew::identity_of(&server, &workers[victim]);
        workers[victim].signal(Signal::SIGSTOP); // What is in flight is counted while nothing moves.
        in_flight_at_kills += length(&server, &format!("gandy:inflight:{identity}"));
        notes.kill(&Crew::name_of(&workers[victim]));
        workers[victim].kill9();
        kills += 1;
        workers[victim] = crew.start();
        assert!(kills < 120, "the queue does not get empty");
    }
    // Everybody is back within P2, a job that was aboard twice up to 60 s later.
    wait_until(RECOVERY + LONG, "every job has ended or is kept", || {
        history.ended() + held(&server).len() >= jobs.len() && in_flight(&server) == 0
    });
    let dead = length(&server, "dead");
    let report = history.report_with_held(&held(&server));
    println!("{kills} kills, {in_flight_at_kills} in flight at them, {dead} buried: {report}");
    report.assert_sound();
    assert!(kills >= 4, "only {kills} kills");
    assert!(
        report.extra_starts <= in_flight_at_kills,
        "{} extra runs, but only {in_flight_at_kills} jobs were in flight at the kills",
        report.extra_starts
    );
    // Nothing is left of the dead but what Sidekiq lets expire.
    wait_until(
        RECOVERY + Duration::from_secs(10),
        "nobody is dying",
        || length(&server, "gandy:dying") == 0,
    );
    assert_eq!(in_flight(&server), 0);
    assert_eq!(server.cli(&["KEYS", "gandy:landing:*"]), "");
}

#[test]
fn crash_safety_p2_survivors_alone_bring_everything_back_within_5_s() {
    let took = bring_back_the_jobs_of_three(&RedisServer::start());
    assert!(took <= SEEN, "P2: {took:?}");
}

#[test]
fn crash_safety_p2_and_within_20_s_where_nobody_sees_connections() {
    let blind = "--user default on nopass ~* &* +@all -client|list";
    let server = RedisServer::with(&blind.split(' ').collect::<Vec<_>>());
    let took = bring_back_the_jobs_of_three(&server);
    assert!(took > SEEN, "something else than the lease told: {took:?}");
    assert!(took <= RECOVERY, "P2: {took:?}");
}

/// How long a survivor needs to hold again what three killed workers held.
fn bring_back_the_jobs_of_three(server: &RedisServer) -> Duration {
    let history = History::new();
    let notes = history.writer("test");
    let crew = crew(server, &history).concurrency(5);
    let victims: Vec<Proc> = (0..3).map(|_| crew.start_and_wait()).collect();
    push_jobs(server, &notes, "long", "Nap", "[600000]", 15);
    wait_until(LONG, "the victims hold all jobs", || {
        in_flight(server) == 15
    });
    let survivor = crew.start_and_wait();
    // The survivor has watched for a lease, as every worker of a running fleet has.
    std::thread::sleep(Duration::from_secs(16)); // The subject: time passes.
    let before: BTreeMap<String, String> = flights(server);
    let killed = Instant::now();
    for victim in &victims {
        notes.kill(&Crew::name_of(victim));
        victim.kill9();
    }
    wait_until(
        RECOVERY + Duration::from_secs(5),
        "the survivor runs what the victims held",
        || {
            length(server, "gandy:dying") == 0
                && flights(server).len() + length(server, "queue:default") == 15
                && in_flight(server) == 5
        },
    );
    let took = killed.elapsed();
    println!("recovered after {took:?}");
    // Byte for byte what was pushed.
    let now: BTreeSet<String> = all_payloads(server);
    assert_eq!(now, before.into_values().collect());
    assert!(survivor.is_running());
    took
}

#[test]
fn crash_safety_p2_a_worker_whose_connections_are_cut_is_not_taken_for_dead() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let crew = crew(&server, &history).concurrency(1);
    // Its only thread is blocked, so that nothing but the lease's own can connect anew.
    let blocked = crew.set("CREW_THREADS", 1).start_and_wait();
    push_jobs(&server, &notes, "block", "Stubborn", "[45000]", 1);
    wait_until(LONG, "it runs", || history.report().cut_off == 1);
    let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &server).history(&history);
    let others: Vec<Proc> = (0..2).map(|_| crew.start_and_wait()).collect();
    let lease = format!("gandy:lease:{}", Crew::identity(&blocked));
    std::thread::sleep(Duration::from_secs(16)); // The subject: time passes, and somebody watches.
    for _ in 0..3 {
        let trace = server.cli(&["GET", &lease]);
        let (_, name) = trace.split_once(' ').unwrap();
        let clients = server.cli(&["CLIENT", "LIST"]);
        let of_it = |line: &&str| line.contains(&format!("name={name} "));
        let cut: Vec<&str> = clients.lines().filter(of_it).collect();
        assert!(!cut.is_empty(), "{clients}");
        for line in cut {
            let id = line.split(' ').next().unwrap();
            server.cli(&["CLIENT", "KILL", "ID", id.trim_start_matches("id=")]);
        }
        // By itself it renews every 3 s; whoever has the duty looks every second.
        std::thread::sleep(Duration::from_secs(4)); // The subject: several looks fall behind the cut.
        assert_ne!(server.cli(&["GET", &lease]), trace, "it renewed by another");
    }
    wait_until(LONG, "it has ended", || history.ended() == 1);
    let report = history.report();
    assert_eq!((report.extra_starts, report.extra_ends), (0, 0), "{report}");
    assert!(blocked.is_running() && others.iter().all(Proc::is_running));
}

/// Token to payload, of everybody.
fn flights(server: &RedisServer) -> BTreeMap<String, String> {
    let keys = server.cli(&["KEYS", "gandy:inflight:*"]);
    let mut flights = BTreeMap::new();
    for key in keys.lines().filter(|key| !key.is_empty()) {
        let lines = server.cli(&["HGETALL", key]);
        let lines: Vec<&str> = lines.lines().collect();
        for pair in lines.chunks(2) {
            flights.insert(format!("{key} {}", pair[0]), pair[1].to_owned());
        }
    }
    flights
}

fn all_payloads(server: &RedisServer) -> BTreeSet<String> {
    let waiting = server.cli(&["LRANGE", "queue:default", "0", "-1"]);
    flights(server)
        .into_values()
        .chain(waiting.lines().map(str::to_owned))
        .collect()
}

#[test]
fn crash_safety_a_kill_at_each_step_between_claim_and_finish() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    // 1 and 2: at the start and at the end of a run, by the job's own hand.
    let crew = crew(&server, &history).concurrency(1);
    let mut expected = Vec::new();
    for place in [1, 2] {
        expected.extend(push_jobs(
            &server,
            &notes,
            &format!("place{place}-"),
            "Crash",
            &format!("[{place}]"),
            1,
        ));
        let worker = crew.start();
        worker.wait_exit(LONG);
    }
    // 3: after Redis ran the claim and before the worker saw its reply. Its request is all that is left of the process.
    expected.extend(push_jobs(&server, &notes, "unseen-", "Note", "[]", 1));
    claim_and_vanish(&server);
    let survivor = crew.start_and_wait();
    wait_until(LONG, "all three ran", || {
        expected.len() == history.ended() && in_flight(&server) == 0
    });
    let report = history.report();
    println!("{report}");
    report.assert_sound();
    // The job that was killed at its end ran twice to its end; the promise is "at least once".
    assert_eq!(report.extra_ends, 1);
    assert!(survivor.is_running());
}

/// A process that registers, claims one job and is gone.
fn claim_and_vanish(server: &RedisServer) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let line = gandy_tests::line(server);
        let identity = Identity::new("vanished", 1, [7; 6]);
        assert!(
            line.register(&identity, "{}", Duration::from_secs(1))
                .await
                .unwrap()
        );
        gandy_tests::claim_one(&line, &identity, 1).await;
    });
}

#[test]
fn crash_safety_p3_a_frozen_worker_that_wakes_up_can_neither_finish_nor_retry_what_was_given_back()
{
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let crew = crew(&server, &history).concurrency(2);
    let zombie = crew.start_and_wait();
    // One would finish, one would be retried, right after waking up.
    push_jobs(&server, &notes, "done", "Stubborn", "[3000]", 1);
    push_jobs(&server, &notes, "fail", "StubbornFail", "[3000]", 1);
    wait_until(LONG, "both run", || in_flight(&server) == 2);
    zombie.signal(Signal::SIGSTOP);
    let other = crew.start_and_wait();
    wait_until(LONG, "the other worker has dealt with both", || {
        history.ended() == 1 && length(&server, "retry") == 1 && in_flight(&server) == 0
    });
    let retry = server.cli(&["ZRANGE", "retry", "0", "-1", "WITHSCORES"]);
    let old = Crew::identity(&zombie);
    zombie.signal(Signal::SIGCONT);
    wait_until(LONG, "the zombie has a new identity", || {
        Crew::identity(&zombie) != old
    });
    wait_until(LONG, "the zombie's own runs have ended", || {
        history.report().extra_ends == 1
    });
    // It goes on working under its new name.
    push_jobs(&server, &notes, "next", "Nap", "[1]", 20);
    wait_until(LONG, "new work is done", || {
        history.ended() == 21 && in_flight(&server) == 0
    });
    assert_eq!(
        server.cli(&["ZRANGE", "retry", "0", "-1", "WITHSCORES"]),
        retry,
        "a second retry was written"
    );
    assert_eq!(length(&server, "dead"), 0);
    assert_eq!(length(&server, "queue:default"), 0);
    assert!(zombie.is_running() && other.is_running());
}

#[test]
fn crash_safety_i9_a_blocked_runtime_does_not_look_dead_and_gives_back_what_it_cannot_start() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let crew = crew(&server, &history)
        .concurrency(10)
        .set("CREW_THREADS", 2);
    let blocked = crew.start_and_wait();
    // Each holds the thread that begins it, so exactly two begin and the eight others cannot.
    push_jobs(&server, &notes, "block", "Stubborn", "[26000]", 10);
    let identity = Crew::identity(&blocked);
    wait_until(LONG, "both threads are blocked", || {
        history.report().cut_off >= 2
    });
    let helper = crew.set("CREW_THREADS", 10).start_and_wait();
    wait_until(
        Duration::from_secs(25),
        "a peer began what the blocked worker could not start",
        || history.report().cut_off == 10,
    );
    assert_eq!(history.ended(), 0, "the runtime was not blocked any more");
    wait_until(LONG, "the long ones have ended too", || {
        history.ended() == 10 && in_flight(&server) == 0
    });
    assert_eq!(Crew::identity(&blocked), identity, "it was taken for dead");
    let report = history.report();
    assert_eq!((report.extra_starts, report.extra_ends), (0, 0), "{report}");
    assert!(helper.is_running());
}

#[test]
fn crash_safety_one_pill_among_24_innocents_is_buried_alone() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    push_jobs(&server, &notes, "innocent", "Nap", "[10000]", 24);
    let pill = payload("Pill", "[]", "pill");
    server.cli(&["LPUSH", "queue:default", &pill]);
    let crew = crew(&server, &history).concurrency(25);
    let mut worker = crew.start();
    let mut crashes = 0;
    let began = Instant::now();
    while history.ended() < 24 || length(&server, "dead") < 1 {
        if !worker.is_running() {
            crashes += 1;
            worker = crew.start();
        }
        assert!(
            began.elapsed() < Duration::from_secs(600),
            "after {crashes} crashes {} are done",
            history.ended()
        );
        std::thread::sleep(Duration::from_millis(50)); // The supervisor's own pace.
    }
    println!(
        "{crashes} crashes in {:?}: {}",
        began.elapsed(),
        history.report()
    );
    // Byte for byte what was pushed, but for the time at which it came back through `schedule`.
    let dead = server.cli(&["ZRANGE", "dead", "0", "-1"]);
    let (before, after) = pill.split_once("1795398104597,\"bid\"").unwrap();
    assert!(
        dead.starts_with(before) && dead.ends_with(after) && dead.lines().count() == 1,
        "the pill alone is dead: {dead}"
    );
    let reason = server.cli(&["HVALS", "gandy:reasons"]);
    assert!(reason.contains("died within 72 hours"), "{reason}");
    wait_until(LONG, "nothing is in flight", || in_flight(&server) == 0);
    assert!(crashes >= 3);
}

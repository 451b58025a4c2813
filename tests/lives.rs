//! A worker's lives: what one that is declared dead leaves behind, and one whose future is dropped.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use gandy::{Context, Server, Worker, WorkerConfig};
use gandy_protocol::Identity;
use gandy_tests::{Crew, History, RedisServer, payload, push_jobs, wait_until};

const SOON: Duration = Duration::from_secs(30);

fn in_flight(server: &RedisServer, identity: &str) -> usize {
    server
        .cli(&["HLEN", &format!("gandy:inflight:{identity}")])
        .parse()
        .unwrap()
}

fn connections(server: &RedisServer) -> usize {
    server.cli(&["CLIENT", "LIST"]).lines().count()
}

/// Claims one job in a worker's name under a number that its memory does not know.
fn plant_stray(server: &RedisServer, identity: &str, number: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let identity: Identity = identity.parse().unwrap();
    runtime.block_on(gandy_tests::claim_one(
        &gandy_tests::line(server),
        &identity,
        number,
    ));
}

#[test]
fn a_worker_that_is_declared_dead_again_and_again_leaves_nothing_behind() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    let worker = Crew::new(env!("CARGO_BIN_EXE_crew"), &server)
        .history(&history)
        .concurrency(2)
        .start_and_wait();
    // Both slots are taken, so that what it is given beside waits.
    push_jobs(&server, &notes, "long", "Nap", "[600000]", 2);
    let mut identity = Crew::identity(&worker);
    wait_until(SOON, "both run", || in_flight(&server, &identity) == 2);
    let before = connections(&server);
    for death in 0..4 {
        push_jobs(&server, &notes, &format!("stray{death}-"), "Nap", "[1]", 1);
        plant_stray(&server, &identity, 1_000_000);
        // Whoever declares it dead does this in one step.
        server.cli(&["HDEL", "gandy:fleet", &identity]);
        let old = identity.clone();
        wait_until(SOON, "it has a new life", || Crew::identity(&worker) != old);
        identity = Crew::identity(&worker);
        wait_until(SOON, "nothing of the old life is left", || {
            in_flight(&server, &old) == 0 && server.cli(&["HEXISTS", "gandy:dying", &old]) == "0"
        });
        // The long ones were interrupted, went back, and are claimed again.
        wait_until(SOON, "the new life holds the long ones", || {
            in_flight(&server, &identity) == 2
        });
    }
    wait_until(SOON, "no connection of an old life is left", || {
        connections(&server) <= before + 1
    });
    // Those deaths were none: nobody is suspected, nothing was retried.
    for key in ["retry", "dead", "schedule"] {
        assert_eq!(server.cli(&["ZCARD", key]), "0", "{key}");
    }
    assert_eq!(
        history.ended()
            + server
                .cli(&["LLEN", "queue:default"])
                .parse::<usize>()
                .unwrap(),
        4
    );
}

#[test]
fn a_quiet_worker_gives_strays_back() {
    let server = RedisServer::start();
    let worker = Crew::new(env!("CARGO_BIN_EXE_crew"), &server).start_and_wait();
    let identity = Crew::identity(&worker);
    worker.signal(nix::sys::signal::Signal::SIGTSTP);
    worker.wait_for_log("quiet", SOON);
    // Its last blocking move may still bring a job, which it then gives back: that is not the one planted here.
    wait_until(SOON, "it waits for no queue any more", || {
        !server.cli(&["CLIENT", "LIST"]).contains("cmd=blmove")
    });
    // As if the claim had been on its way.
    let job = payload("Note", "[]", "late");
    server.cli(&["LPUSH", "queue:default", &job]);
    plant_stray(&server, &identity, 1_000_000);
    wait_until(Duration::from_secs(6), "it is back, byte for byte", || {
        in_flight(&server, &identity) == 0
            && server.cli(&["LRANGE", "queue:default", "0", "-1"]) == job
    });
}

#[test]
fn dropping_a_workers_future_ends_all_of_it_and_others_run_what_it_held() {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("test");
    push_jobs(&server, &notes, "held", "Nap", "[2000]", 2);
    // Its runtime goes on: the lease's thread must end by itself.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut config = WorkerConfig::new(Server::new(&server.url()).unwrap());
    config.concurrency = 2;
    let worker = Worker::builder(config)
        .signals(false)
        .handler_fn("Nap", |(millis,): (u64,), _: Context| async move {
            tokio::time::sleep(Duration::from_millis(millis * 1000)).await;
            Ok(())
        })
        .build()
        .unwrap();
    let handle = worker.handle();
    let task = runtime.spawn(worker.run());
    wait_until(SOON, "it runs both", || handle.busy() == 2);
    task.abort();
    wait_until(SOON, "its lease is renewed no more", || {
        server.cli(&["KEYS", "gandy:lease:*"]).is_empty()
    });
    let survivor = Crew::new(env!("CARGO_BIN_EXE_crew"), &server)
        .history(&history)
        .start_and_wait();
    wait_until(Duration::from_secs(60), "another worker ran both", || {
        history.ended() == 2
    });
    assert!(survivor.is_running());
}

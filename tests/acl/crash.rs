//! The crash scenario in the names of the shipped users: a worker is killed, Redis is killed and comes back without its
//! scripts; nothing is lost, and nothing was denied.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gandy::{Client, Inspect, Kind, Place, Push};
use gandy_tests::{Crew, History, HistoryWriter, Proc, RedisServer, wait_until};

use crate::file::{self, Flavour};
use crate::{acl_log, install, login, url};

/// Lease, the rest after a restart of Redis, and a loaded machine.
const LONG: Duration = Duration::from_secs(90);
const JOBS: usize = 600;

/// Pushes in the name of the producer, the same job again until Redis has it.
async fn push(client: &Client, notes: &HistoryWriter, jid: &str, push: Push) {
    let give_up = Instant::now() + LONG;
    let push = push.jid(jid);
    notes.attempted(jid);
    loop {
        match client.send(push.clone()).await {
            Ok(_) => return notes.acknowledged(jid),
            Err(error) if error.kind() == Kind::Input => panic!("{error}"),
            Err(error) => assert!(Instant::now() < give_up, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // Redis is away; the pace of a patient producer.
    }
}

/// The jobs that Redis keeps, outside queues and workers.
async fn kept(inspect: &Inspect) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    for place in [Place::Retry, Place::Schedule, Place::Dead] {
        for job in inspect.jobs(&place, 0, 1000).await.unwrap() {
            kept.insert(job.payload.unwrap().jid().to_owned());
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_worker_and_a_restart_of_redis_need_no_more_rights() {
    crash(Flavour::Scripts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_functions_outlive_a_restart_of_redis() {
    crash(Flavour::Functions).await;
}

async fn crash(flavour: Flavour) {
    // Every write is on disk before it is acknowledged, so what was acknowledged survives Redis' `kill -9`.
    let disk = ["--appendonly", "yes", "--appendfsync", "always"];
    let server = RedisServer::with_users(&file::filled(flavour), &disk);
    install(&server, flavour);
    let history = History::new();
    // Empty: not set.
    let functions = if flavour == Flavour::Functions {
        "yes"
    } else {
        ""
    };
    let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &server)
        .set("REDIS_URL", url(&server, "worker"))
        .set("CREW_FUNCTIONS", functions)
        .history(&history)
        .concurrency(5);
    let workers = [crew.start_and_wait(), crew.start_and_wait()];

    let producer = Client::builder().server(login(&server, "producer"));
    let producer = producer.build().unwrap();
    let notes = history.writer("producer");
    let pushing = tokio::spawn(async move {
        for number in 0..JOBS {
            let job = match number % 50 {
                // Into `dead` at its first failure.
                0 => Push::raw("Fail", "[]").retry(0),
                1 => Push::raw("Note", "[]").after(Duration::from_secs(1)),
                _ => Push::raw("Nap", "[10]"),
            };
            push(&producer, &notes, &format!("acl-{number:04}"), job).await;
        }
        // Kills the worker that takes it, at its first run.
        let crash = Push::raw("Crash", "[1]");
        push(&producer, &notes, "acl-crash", crash).await;
    });
    wait_until(LONG, "a third is done", || history.ended() > JOBS / 3);
    // The log is in memory, so it is read before it is lost.
    assert_eq!(acl_log(&server), "");
    server.kill9();
    server.restart();
    pushing.await.unwrap();
    let lives = |worker: &&Proc| worker.is_running();
    wait_until(LONG, "one worker has died", || {
        workers.iter().filter(lives).count() == 1
    });

    let dashboard = Inspect::new(login(&server, "dashboard"), "").unwrap();
    let give_up = Instant::now() + LONG;
    let kept = loop {
        let kept = kept(&dashboard).await;
        let totals = dashboard.totals().await.unwrap();
        let at_rest = totals.enqueued + totals.scheduled + totals.retries + totals.in_flight == 0;
        if at_rest && history.ended() + kept.len() > JOBS {
            break kept;
        }
        let found = (history.ended(), kept.len());
        assert!(
            Instant::now() < give_up,
            "not at rest: {found:?} {totals:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await; // Between two looks.
    };
    let report = history.report_with_held(&kept);
    println!("{report}");
    report.assert_sound();
    assert_eq!(report.acknowledged, JOBS + 1);
    assert!(report.extra_starts >= 1, "nothing was given back: {report}");
    assert_eq!(acl_log(&server), "");

    let survivor = workers.iter().find(lives).unwrap();
    by_hand(&server, flavour, survivor).await;
    assert_eq!(acl_log(&server), "");
}

/// An operator's day, on what the crash left.
async fn by_hand(server: &RedisServer, flavour: Flavour, worker: &Proc) {
    let operator = Inspect::new(flavour.login(server, "operator"), "").unwrap();
    let dead = operator.jobs(&Place::Dead, 0, 100).await.unwrap();
    assert!(dead.len() >= 2, "{} are dead", dead.len());
    assert!(operator.retry(&dead[0]).await.unwrap());
    assert!(operator.delete(&dead[1]).await.unwrap());
    let jid = dead[0].payload.as_ref().unwrap().jid();
    wait_until(LONG, "what was retried has died again", || {
        server.cli(&["ZRANGE", "dead", "0", "-1"]).contains(jid)
    });
    operator.pause("default").await.unwrap();
    operator.unpause("default").await.unwrap();
    let identity = Crew::identity(worker);
    operator.quiet(&identity).await.unwrap();
    worker.wait_for_log("signal from Redis", LONG);
    operator.stop(&identity).await.unwrap();
    assert_eq!(worker.wait_exit(LONG).code(), Some(0));
}

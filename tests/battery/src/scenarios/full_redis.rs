//! P8: producers fill Redis to its limit. They are told so by an error of that kind, and the workers drain it alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gandy::{Client, Push};
use gandy_tests::{
    Crew, History, HistoryWriter, Proc, RedisServer, held, in_flight, length, wait_until,
};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(90);

/// What became of pushes.
#[derive(Debug, Default)]
struct Pushes {
    full: AtomicUsize,
    other: AtomicUsize,
}

pub(crate) fn run(stage: &Stage) -> Outcome {
    let (limit, lasts) = stage.pick(("12mb", 8), ("100mb", 90));
    let server = RedisServer::with(&["--maxmemory", limit, "--maxmemory-policy", "noeviction"]);
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage.crew(&server, &history).concurrency(10);
    let workers: Vec<Proc> = (0..2).map(|_| crew.start_and_wait()).collect();
    let names: Vec<String> = workers
        .iter()
        .map(|worker| Crew::identity_of(&server, worker))
        .collect();
    let pushes = Pushes::default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // 20 slots of 20 ms end 1,000 jobs a second; each second more are pushed than that.
    runtime.block_on(produce(
        &server,
        &notes,
        &pushes,
        Duration::from_secs(lasts),
    ));
    let began = Instant::now();
    wait_until(LONG, "the workers have drained it", || {
        length(&server, "queue:default") == 0 && in_flight(&server) == 0
    });
    let drained = began.elapsed();
    let report = history.report_with_held(&held(&server));
    let alive = |name: &&String| length_of_fleet(&server, name);
    let mut outcome = Outcome::default();
    outcome.none("lost", report.lost.len());
    outcome.none("unexpected", report.unexpected.len());
    outcome.none("extra runs", report.extra_starts);
    outcome.least(
        "pushes told that Redis is full",
        1.0,
        pushes.full.load(Ordering::Relaxed) as f64,
    );
    outcome.none(
        "pushes with another error",
        pushes.other.load(Ordering::Relaxed),
    );
    outcome.none(
        "taken for dead",
        names.iter().filter(|name| !alive(name)).count(),
    );
    outcome.none(
        "workers that ended",
        workers.iter().filter(|worker| !worker.is_running()).count(),
    );
    outcome.note("acknowledged", report.acknowledged as f64);
    outcome.note("drained after, s", drained.as_secs_f64());
    outcome
}

fn length_of_fleet(server: &RedisServer, identity: &str) -> bool {
    server.cli(&["HEXISTS", "gandy:fleet", identity]) == "1"
}

async fn produce(server: &RedisServer, notes: &HistoryWriter, pushes: &Pushes, lasts: Duration) {
    let client = Client::connect(&server.url())
        .await
        .expect("Redis is there");
    let end = Instant::now() + lasts;
    let producer = async |lane: usize| {
        let mut number = 0;
        while Instant::now() < end {
            let jid = format!("p{lane}-{number:06}");
            number += 1;
            notes.attempted(&jid);
            // Large, so that memory and not the count is what runs out.
            let filler = format!("\"{}\"", "x".repeat(10_000));
            let push = Push::raw("Nap", "[20]").jid(jid.as_str());
            let push = push.field("filler", filler).expect("a field of our own");
            match client.send(push).await {
                Ok(_) => notes.acknowledged(&jid),
                Err(gandy::Error::Store(error)) if error.is_full() => {
                    pushes.full.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => {
                    eprintln!("full-redis: {jid}: {error}");
                    pushes.other.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Some 2,000 a second in all lanes, 20 MB.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(
        producer(0),
        producer(1),
        producer(2),
        producer(3),
        producer(4),
        producer(5)
    );
}

//! P8: producers fill Redis to its limit. They are told so by an error of that kind, and the workers drain it alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gandy::{Client, Push};
use gandy_tests::{Crew, History, HistoryWriter, Proc, RedisServer, held, is_at_rest, wait_until};

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
    let (limit, lasts) = stage.size(("6mb", 4), ("12mb", 8), ("100mb", 90));
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
    // 20 slots of 40 ms end at most 500 jobs a second; twice as many are pushed.
    let lasts = Duration::from_secs(lasts);
    let took = runtime.block_on(produce(&server, &notes, &pushes, lasts));
    // However much the workers take away, it stays full: others may live in this Redis, too.
    server.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let began = Instant::now();
    wait_until(stage.patience(LONG), "the workers have drained it", || {
        is_at_rest(&server, &[])
    });
    let drained = began.elapsed();
    let report = history.report_with_held(&held(&server));
    let alive = |name: &&String| length_of_fleet(&server, name);
    let mut outcome = Outcome::default();
    outcome.sound(&report);
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
    outcome.all_run(&workers);
    outcome.most("drained after, s", 60.0, drained.as_secs_f64());
    outcome.note("acknowledged", report.acknowledged as f64);
    outcome.note("acknowledged a second", report.acknowledged as f64 / took);
    outcome
}

fn length_of_fleet(server: &RedisServer, identity: &str) -> bool {
    server.cli(&["HEXISTS", "gandy:fleet", identity]) == "1"
}

/// Pushes for so long, and until it was told that Redis is full. How many seconds that took.
async fn produce(
    server: &RedisServer,
    notes: &HistoryWriter,
    pushes: &Pushes,
    lasts: Duration,
) -> f64 {
    let client = Client::connect(&server.url())
        .await
        .expect("Redis is there");
    let began = Instant::now();
    let is_over = || {
        let enough = pushes.full.load(Ordering::Relaxed) > 0 || began.elapsed() > lasts + LONG;
        began.elapsed() > lasts && enough
    };
    let producer = async |lane: usize| {
        let mut number = 0;
        while !is_over() {
            let jid = format!("p{lane}-{number:06}");
            number += 1;
            notes.attempted(&jid);
            // Large, so that memory and not the count is what runs out.
            let filler = format!("\"{}\"", "x".repeat(10_000));
            let push = Push::raw("Nap", "[40]").jid(jid.as_str());
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
    began.elapsed().as_secs_f64()
}

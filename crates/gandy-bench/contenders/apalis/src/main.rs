//! apalis-redis: its worker and its producer, one verb a process (see ../../README.md).
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use tokio::signal::unix::{SignalKind, signal};

#[path = "../../common/bench.rs"]
mod bench;

/// Without an interval an idle worker looks for jobs at its heartbeat only, every 30 s.
const POLL: Duration = Duration::from_millis(10);

type Storage = RedisStorage<bench::Args>;

async fn storage() -> Storage {
    let connection = apalis_redis::connect(bench::variable("REDIS_URL")).await.expect("a connection to Redis");
    // Locking each job does an LREM over all that wait: 0.3 ms of Redis a job with 50,000. Without it a job is still
    // in its worker's in-flight set, and queued again when that worker's heartbeat stops. Nobody listens to the events.
    // persist_results stays on: it is also what acknowledges a job.
    let config = Config::default().queue("bench").lock_tasks(false).emit_events(false);
    RedisStorage::new(connection).with_config(config)
}

async fn work() {
    let slots = bench::number("CONCURRENCY") as usize;
    let storage = storage().await;
    let config = storage.get_config().clone().batch_size(slots);
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    WorkerBuilder::new("bench")
        .backend(storage.with_config(config).poll_with_interval(POLL))
        .concurrency(slots)
        .build(|args: bench::Args| bench::perform(args))
        .run_until(async move {
            terminate.recv().await;
            Ok::<(), std::io::Error>(())
        })
        .await
        .expect("a worker that ends by SIGTERM");
}

async fn push(mut storage: Storage, args: bench::Args) {
    storage.push(args).await.expect("a push");
}

async fn fill(storage: &mut Storage) {
    let jobs = bench::number("JOBS");
    for from in (0..jobs).step_by(1000) {
        let bulk = (from..jobs.min(from + 1000)).map(bench::args).collect();
        storage.push_bulk(bulk).await.expect("a bulk push");
    }
}

/// Every push goes to the sorted set `scheduled`, and the next fetch moves all of it by one Lua `unpack()`, which ends
/// the worker with "too many results to unpack" above 8,000. So they are moved here as it would, in smaller steps.
async fn promote(storage: &mut Storage) {
    let connection = storage.get_connection();
    loop {
        let pairs: Vec<(String, f64)> =
            redis::cmd("ZPOPMIN").arg("bench:scheduled").arg(1000).query_async(connection).await.expect("ZPOPMIN");
        if pairs.is_empty() {
            return;
        }
        let mut command = redis::cmd("RPUSH");
        command.arg("bench:active");
        for (id, _due) in pairs {
            command.arg(id);
        }
        command.query_async::<u64>(connection).await.expect("RPUSH");
    }
}

#[tokio::main]
async fn main() {
    let verb = std::env::args().nth(1).unwrap_or_default();
    if verb == "work" {
        return work().await;
    }
    let mut storage = storage().await;
    let start = Instant::now();
    match verb.as_str() {
        "fill" => fill(&mut storage).await,
        "push" => {
            for i in 0..bench::number("JOBS") {
                storage.push(bench::args(i)).await.expect("a push");
            }
        }
        "push64" => bench::by_64({ let storage = storage.clone(); move |args| push(storage.clone(), args) }).await,
        "pickup" => bench::paced(|args| push(storage.clone(), args)).await,
        other => panic!("unknown verb {other}"),
    }
    bench::report(start);
    if verb == "fill" {
        promote(&mut storage).await;
    }
}

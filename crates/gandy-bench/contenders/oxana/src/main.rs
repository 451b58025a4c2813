//! oxana: its worker and its producer, one verb a process (see ../../README.md).
use std::time::{Duration, Instant};

use oxana::{Storage, StorageBuilderTimeouts};
use serde::{Deserialize, Serialize};

#[path = "../../common/bench.rs"]
mod bench;

/// How long its dispatcher sleeps when its queue is empty: it does not block in Redis. The default is 10 s.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Serialize, Deserialize, oxana::Job)]
struct BenchJob(bench::Args);

#[derive(Debug, thiserror::Error)]
enum Never {}

#[derive(Debug, Clone)]
struct Nothing;

#[derive(oxana::Worker)]
#[oxana(context = Nothing, error = Never, registry = None)]
struct BenchWorker;

impl BenchWorker {
    async fn process(&self, job: BenchJob, _context: &oxana::JobContext) -> Result<(), Never> {
        bench::perform(job.0).await;
        Ok(())
    }
}

#[derive(Serialize, oxana::Queue)]
#[oxana(key = "bench", registry = None)]
struct Bench;

async fn work(storage: Storage) {
    let runtime = storage
        .runtime(Nothing)
        .queue_with_concurrency::<Bench>(bench::number("CONCURRENCY") as usize)
        .worker::<BenchWorker, BenchJob>()
        .dequeue_timeout(POLL)
        .shutdown_timeout(Duration::from_secs(3));
    runtime.run().await.expect("a worker that ends by SIGTERM");
}

async fn push(storage: &Storage, args: bench::Args) {
    storage.enqueue(Bench, BenchJob(args)).await.expect("a push");
}

async fn fill(storage: &Storage) {
    let jobs = bench::number("JOBS");
    for from in (0..jobs).step_by(1000) {
        let bulk = (from..jobs.min(from + 1000)).map(|i| BenchJob(bench::args(i)));
        storage.enqueue_list(Bench, bulk).await.expect("a bulk push");
    }
}

async fn push_from_64(storage: Storage) {
    bench::by_64(move |args| {
        let storage = storage.clone();
        async move { push(&storage, args).await }
    })
    .await;
}

#[tokio::main]
async fn main() {
    let verb = std::env::args().nth(1).unwrap_or_default();
    // A connection for each slot or caller and some for its own loops (default 50). Its default of 300 ms to wait for
    // one makes a start with many slots fail on a busy machine.
    let storage = Storage::builder()
        .max_pool_size(128)
        .timeouts(StorageBuilderTimeouts::new(Duration::from_secs(5)))
        .build_from_redis_url(bench::variable("REDIS_URL"))
        .expect("a Redis URL");
    if verb == "work" {
        return work(storage).await;
    }
    storage.jobs_count().await.expect("a connection to Redis");
    let start = Instant::now();
    match verb.as_str() {
        "fill" => fill(&storage).await,
        "push" => {
            for i in 0..bench::number("JOBS") {
                push(&storage, bench::args(i)).await;
            }
        }
        "push64" => push_from_64(storage).await,
        "pickup" => bench::paced(|args| push(&storage, args)).await,
        other => panic!("unknown verb {other}"),
    }
    bench::report(start);
}

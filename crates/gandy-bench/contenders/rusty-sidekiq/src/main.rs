//! rusty-sidekiq: its worker and its producer, one verb a process (see ../../README.md).
use std::time::Instant;

use sidekiq::{Processor, ProcessorConfig, RedisConnectionManager, RedisPool, Worker};
use tokio::signal::unix::{SignalKind, signal};

#[path = "../../common/bench.rs"]
mod bench;

struct Bench;

#[async_trait::async_trait]
impl Worker<bench::Args> for Bench {
    async fn perform(&self, args: bench::Args) -> sidekiq::Result<()> {
        bench::perform(args).await;
        Ok(())
    }
}

async fn work(pool: RedisPool) {
    let config = ProcessorConfig::default().num_workers(bench::number("CONCURRENCY") as usize);
    let mut processor = Processor::new(pool, vec!["bench".to_owned()]).with_config(config);
    processor.register(Bench);
    let token = processor.get_cancellation_token();
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    tokio::spawn(async move {
        terminate.recv().await;
        token.cancel();
    });
    processor.run().await;
}

async fn push(pool: &RedisPool, args: bench::Args) {
    let pushed = sidekiq::perform_async(pool, "Bench".to_owned(), "bench".to_owned(), args);
    pushed.await.expect("a push");
}

async fn push_from_64(pool: RedisPool) {
    bench::by_64(move |args| {
        let pool = pool.clone();
        async move { push(&pool, args).await }
    })
    .await;
}

#[tokio::main]
async fn main() {
    let verb = std::env::args().nth(1).unwrap_or_default();
    // Each slot holds a connection while it waits for a job; with fewer they would wait for each other. The PING that
    // bb8 sends at each check-out otherwise costs a round trip, three of them a job.
    let connections = if verb == "work" { bench::number("CONCURRENCY") as u32 + 4 } else { 64 };
    let manager = RedisConnectionManager::new(bench::variable("REDIS_URL")).expect("a Redis URL");
    let builder = bb8::Pool::builder().max_size(connections).test_on_check_out(false);
    let pool = builder.build(manager).await.expect("a connection to Redis");
    if verb == "work" {
        return work(pool).await;
    }
    drop(pool.get().await.expect("a connection to Redis"));
    let start = Instant::now();
    match verb.as_str() {
        // It has no bulk call: its users would push concurrently.
        "fill" | "push64" => push_from_64(pool).await,
        "push" => {
            for i in 0..bench::number("JOBS") {
                push(&pool, bench::args(i)).await;
            }
        }
        "pickup" => bench::paced(|args| push(&pool, args)).await,
        other => panic!("unknown verb {other}"),
    }
    bench::report(start);
}

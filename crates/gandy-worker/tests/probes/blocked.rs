//! A runtime whose threads are all blocked by handlers is told, from a thread beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gandy::metrics::Exposition;
use gandy::{Context, Listener, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_until};

use crate::scrape::{get, read, status};
use crate::{DEADLINE, becomes};

/// The worker's handlers block while this is so, and count how many do.
#[derive(Default)]
struct Gate {
    shut: AtomicBool,
    inside: AtomicUsize,
}

#[test]
fn a_runtime_that_handlers_block_is_not_live_until_it_moves_again() {
    let redis = RedisServer::start();
    let gate = Arc::new(Gate::default());
    gate.shut.store(true, Ordering::Release);
    let server = Server::new(&redis.url()).unwrap();
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let at = listener.address();
    let config = WorkerConfig::new(server);
    let inside = Arc::clone(&gate);
    let worker = Worker::builder(config)
        .signals(false)
        .probes(listener)
        .live_within(Duration::from_secs(2))
        .metrics(Exposition::default())
        .handler_fn("Block", move |(_,): (String,), _: Context| {
            let gate = Arc::clone(&inside);
            async move {
                gate.inside.fetch_add(1, Ordering::AcqRel);
                // On purpose: this is what blocks the runtime.
                while gate.shut.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                gate.inside.fetch_sub(1, Ordering::AcqRel);
                Ok(())
            }
        })
        .build()
        .unwrap();
    let handle = worker.handle();
    let jobs = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let running = jobs.spawn(worker.run());
    becomes(at, "/readyz", 200);
    assert_eq!(status(at, "/livez"), 200);

    let own = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for number in 0..4 {
        crate::push(&redis, "default", "Block", &format!("b{number}"));
    }
    wait_until(DEADLINE, "both threads are blocked", || {
        gate.inside.load(Ordering::Acquire) == 2
    });
    becomes(at, "/livez", 503);
    let why = get(at, "/livez").1;
    assert!(why.contains("has not moved for"), "{why}");
    // Redis hears of it all the same, and metrics are served.
    let page = read(&get(at, "/metrics").1);
    assert_eq!(page["gandy_up"], 1.0);
    gate.shut.store(false, Ordering::Release);
    becomes(at, "/livez", 200);
    let done = "gandy_jobs_processed_total{class=\"Block\",queue=\"default\",result=\"done\"}";
    let count = || read(&get(at, "/metrics").1).get(done).copied();
    wait_until(DEADLINE, "all have run", || count() == Some(4.0));

    handle.stop();
    own.block_on(running).unwrap().unwrap();
    // Its port is free again, and nothing is said against one that has ended.
    wait_until(DEADLINE, "the port is free", || status(at, "/livez") == 0);
    assert!(handle.health().live(Duration::ZERO).is_ok());
}

//! A subscriber of logs that panics costs runs, and nothing else. In a program of its own: the subscriber is everybody's.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gandy::{Context, Worker};
use gandy_tests::wait_until_async;
use support::{SOON, Site};

static PANICS: AtomicBool = AtomicBool::new(false);

/// Panics where it is told of a job.
struct Panicking;

impl tracing::Subscriber for Panicking {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::INFO
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let job = event.metadata().fields().field("jid").is_some();
        assert!(!job || !PANICS.load(Ordering::Relaxed), "as told");
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn push(site: &Site, number: usize) {
    site.push(
        "default",
        format!(r#"{{"class":"Turn","args":[],"jid":"j{number}","queue":"default"}}"#),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_panics_ends_runs_and_not_the_claim_loop() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    tracing::subscriber::set_global_default(Panicking).unwrap();
    let site = Site::start();
    let worker = Worker::builder(site.config())
        .signals(false)
        .handler_fn("Turn", |_: (), _: Context| async {
            DONE.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .build()
        .unwrap()
        .start();
    // First some that teach the worker that the class is quick.
    for number in 0..1000 {
        push(&site, number);
    }
    wait_until_async(SOON, "the first ones run", async || {
        DONE.load(Ordering::Relaxed) == 1000
    })
    .await;
    PANICS.store(true, Ordering::Relaxed);
    for number in 1000..1100 {
        push(&site, number);
    }
    wait_until_async(SOON, "every run has an ending", async || site.is_settled()).await;
    PANICS.store(false, Ordering::Relaxed);
    let kept = site.count("retry") + site.count("dead");
    assert_eq!((kept, DONE.load(Ordering::Relaxed)), (100, 1000));
    push(&site, 2000);
    wait_until_async(SOON, "the next one runs", async || {
        DONE.load(Ordering::Relaxed) == 1001
    })
    .await;
    worker.stop().await.unwrap();
}

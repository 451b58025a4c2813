//! The claim loop begins runs itself where it knows them to be quick. No run of any kind may hold it up for that.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gandy::{Context, JobError, RunningWorker, Worker, WorkerBuilder};
use gandy_tests::{wait_eq, wait_until, wait_until_async};
use support::{SOON, Site};

/// More than enough for a class to be taken for quick.
const TRAINING: usize = 3000;

fn push(site: &Site, queue: &str, class: &str, number: usize) {
    static JIDS: AtomicUsize = AtomicUsize::new(0);
    let jid = JIDS.fetch_add(1, Ordering::Relaxed);
    site.push(
        queue,
        format!(r#"{{"class":"{class}","args":[{number}],"jid":"j{jid}","queue":"{queue}"}}"#),
    );
}

fn train(site: &Site, queue: &str, done: &AtomicUsize) {
    let before = done.load(Ordering::Relaxed);
    for _ in 0..TRAINING {
        push(site, queue, "Turn", 0);
    }
    wait_eq(SOON, "the quick runs end", &(before + TRAINING), || {
        done.load(Ordering::Relaxed)
    });
    site.settle();
}

/// `Turn` is quick with 0; with anything else it holds its thread until as many do.
fn builder(site: &Site, done: &Arc<AtomicUsize>, inside: &Arc<AtomicUsize>) -> WorkerBuilder {
    let (done, inside) = (Arc::clone(done), Arc::clone(inside));
    Worker::builder(site.config()).signals(false).handler_fn(
        "Turn",
        move |(others,): (usize,), _: Context| {
            let (done, inside) = (Arc::clone(&done), Arc::clone(&inside));
            async move {
                if others > 0 {
                    inside.fetch_add(1, Ordering::AcqRel);
                    let end = Instant::now() + Duration::from_secs(10);
                    while inside.load(Ordering::Acquire) < others {
                        if Instant::now() > end {
                            return Err(JobError::discard("Alone", "the others never came"));
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        },
    )
}

fn joined(worker: RunningWorker) -> RunningWorker {
    wait_until(SOON, "the worker joins", || worker.identity().is_some());
    worker
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn runs_that_block_after_a_thousand_quick_ones_take_no_slot_from_each_other() {
    let site = Site::start();
    let (done, inside) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let worker = joined(
        builder(&site, &done, &inside)
            .concurrency(4)
            .build()
            .unwrap()
            .start(),
    );
    train(&site, "default", &done);
    for _ in 0..4 {
        push(&site, "default", "Turn", 4);
    }
    // Each waits for the three others: if one held up the claim loop, they would never meet.
    wait_until_async(SOON, "all four meet", async || {
        done.load(Ordering::Relaxed) == TRAINING + 4
    })
    .await;
    worker.stop().await.unwrap();
}

/// A thread of the runtime that falls into a long run may be the one that looked at sockets and timers for the others,
/// and a sleeping one is woken only by work that is handed to it: without a nudge from outside nothing moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_blocks_its_thread_keeps_no_other_job_from_the_other_threads() {
    let site = Site::start();
    let (done, inside) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let worker = joined(
        builder(&site, &done, &inside)
            .concurrency(4)
            .build()
            .unwrap()
            .start(),
    );
    for present in 1..=3 {
        push(&site, "default", "Turn", 3);
        // Not in the runtime: it is to be left alone.
        wait_until(SOON, "the next one runs beside the others", || {
            inside.load(Ordering::Relaxed) >= present
        });
    }
    wait_until(SOON, "all three meet", || done.load(Ordering::Relaxed) == 3);
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_claimed_ahead_of_a_run_that_turns_out_long_go_to_another_worker() {
    let site = Site::start();
    let (done, inside) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let first = joined(
        builder(&site, &done, &inside)
            .concurrency(1)
            .build()
            .unwrap()
            .start(),
    );
    train(&site, "default", &done);
    // Its only slot is held until a second one like it runs: which this worker has claimed ahead, most likely.
    push(&site, "default", "Turn", 2);
    for _ in 0..50 {
        push(&site, "default", "Turn", 0);
    }
    push(&site, "default", "Turn", 2);
    let second = joined(
        builder(&site, &done, &inside)
            .concurrency(1)
            .build()
            .unwrap()
            .start(),
    );
    wait_eq(SOON, "everything runs", &(TRAINING + 52), || {
        done.load(Ordering::Relaxed)
    });
    for worker in [first, second] {
        worker.stop().await.unwrap();
    }
}

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

use gandy::{Context, JobError, RunningWorker, Worker};
use gandy_tests::{wait_eq, wait_until, wait_until_async};
use support::{SOON, Site};

/// More than enough for a class to be taken for quick.
const TRAINING: usize = 3000;

/// A Redis with workers of one handler, `Turn`: quick with 0, with anything else it holds its thread until as many do.
struct Turns {
    site: Site,
    done: Arc<AtomicUsize>,
    inside: Arc<AtomicUsize>,
}

impl Turns {
    fn start() -> Self {
        Self {
            site: Site::start(),
            done: Arc::default(),
            inside: Arc::default(),
        }
    }

    /// A worker that has joined.
    fn worker(&self, concurrency: usize) -> RunningWorker {
        let (done, inside) = (Arc::clone(&self.done), Arc::clone(&self.inside));
        let turn = move |(others,): (usize,), _: Context| {
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
        };
        let worker = Worker::builder(self.site.config())
            .signals(false)
            .concurrency(concurrency)
            .handler_fn("Turn", turn)
            .build()
            .unwrap()
            .start();
        wait_until(SOON, "the worker joins", || worker.identity().is_some());
        worker
    }

    fn push(&self, others: usize) {
        static JIDS: AtomicUsize = AtomicUsize::new(0);
        let jid = JIDS.fetch_add(1, Ordering::Relaxed);
        self.site.push(
            "default",
            format!(r#"{{"class":"Turn","args":[{others}],"jid":"j{jid}","queue":"default"}}"#),
        );
    }

    fn train(&self) {
        let before = self.done();
        for _ in 0..TRAINING {
            self.push(0);
        }
        wait_eq(SOON, "the quick runs end", &(before + TRAINING), || {
            self.done()
        });
        self.site.settle();
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    fn inside(&self) -> usize {
        self.inside.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn runs_that_block_after_a_thousand_quick_ones_take_no_slot_from_each_other() {
    let turns = Turns::start();
    let worker = turns.worker(4);
    turns.train();
    for _ in 0..4 {
        turns.push(4);
    }
    // Each waits for the three others: if one held up the claim loop, they would never meet.
    wait_until_async(SOON, "all four meet", async || turns.done() == TRAINING + 4).await;
    worker.stop().await.unwrap();
}

/// A thread of the runtime that falls into a long run may be the one that looked at sockets and timers for the others,
/// and a sleeping one is woken only by work that is handed to it: without a nudge from outside nothing moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_blocks_its_thread_keeps_no_other_job_from_the_other_threads() {
    let turns = Turns::start();
    let worker = turns.worker(4);
    for present in 1..=3 {
        turns.push(3);
        // Not in the runtime: it is to be left alone.
        wait_until(SOON, "the next one runs beside the others", || {
            turns.inside() >= present
        });
    }
    wait_until(SOON, "all three meet", || turns.done() == 3);
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_claimed_ahead_of_a_run_that_turns_out_long_go_to_another_worker() {
    let turns = Turns::start();
    let first = turns.worker(1);
    turns.train();
    // Its only slot is held until a second one like it runs: which this worker has claimed ahead, most likely.
    turns.push(2);
    for _ in 0..50 {
        turns.push(0);
    }
    turns.push(2);
    let second = turns.worker(1);
    wait_eq(SOON, "everything runs", &(TRAINING + 52), || turns.done());
    for worker in [first, second] {
        worker.stop().await.unwrap();
    }
}

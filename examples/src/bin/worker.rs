//! The worker process: runs the jobs that the web application enqueues.
//!
//! `REDIS_URL` names Redis. TERM or INT stops it: running jobs get 25 s, what is left goes back to its queue. TSTP only
//! stops claiming, TTIN logs what runs.

use std::{io::IsTerminal, time::Duration};

use gandy::{BlockingHandler, Context, Handler, JobError, Server, Worker, WorkerConfig};
use gandy_examples::{
    jobs::{CountWords, Manifest},
    results::{Results, redis_url},
    work,
};

/// A file that is not there is most likely being written: look again soon, not after Sidekiq's usual 15 s.
const MISSING_AGAIN: Duration = Duration::from_secs(2);

/// Counts words. A handler owns what it needs; the job is only data.
struct Counter {
    results: Results,
}

impl Handler<CountWords> for Counter {
    async fn perform(&self, job: CountWords, _ctx: &Context) -> Result<(), JobError> {
        match work::count_words(&job.path, &self.results).await {
            Err(error) if work::is_missing(&error) => {
                let words = format!("{} is not there", job.path);
                Err(JobError::retry_in(MISSING_AGAIN, "FileMissing", words))
            }
            // Any other error is retried by the job's own rules.
            other => other.map_err(JobError::from_any),
        }
    }
}

/// Computes checksums, on a thread of its own.
struct Checksums {
    redis: redis::Client,
}

impl BlockingHandler<Manifest> for Checksums {
    fn perform(&self, job: Manifest, ctx: &Context) -> Result<(), JobError> {
        let step = |done: usize, total: usize| {
            ctx.set_progress(done as u64, Some(total as u64), "checksums");
            // Nobody can stop a thread, so it looks for itself whether its run was called off.
            !ctx.is_cancelled()
        };
        work::manifest(&job.root, &self.redis, step).map_err(JobError::from_any)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let url = redis_url();
    Worker::builder(WorkerConfig::new(Server::new(&url)?))
        .queues(["default"])
        .concurrency(10)
        .handler(Counter {
            results: Results::new(&url)?,
        })
        .handler_blocking(Checksums {
            redis: redis::Client::open(url)?,
        })
        .on_death(|ctx, error| tracing::error!(jid = ctx.jid(), %error, "a job is lost for good"))
        .run()
        .await?;
    Ok(())
}

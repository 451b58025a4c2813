//! Gandy as a contender: this program in another role, with the library's defaults and nothing but its public face.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use gandy::{Client, Context, Job, JobError, Push, Server, Worker, WorkerConfig};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::meter::Meter;
use crate::order::{self, Order};
use crate::payload::{filler, now_ns};
use crate::task::Task;

/// A job as an application declares it.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(class = "Noop")]
struct Noop {
    number: u64,
    text: String,
}

impl Noop {
    fn new(number: u64) -> Self {
        let text = filler();
        Self { number, text }
    }
}

struct Idle;

impl gandy::Handler<Noop> for Idle {
    async fn perform(&self, _job: Noop, _ctx: &Context) -> Result<(), JobError> {
        Ok(())
    }
}

/// Does what `verb` says.
pub(crate) fn run(verb: &str) -> Result<()> {
    let order = Order::from_env()?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // As `#[tokio::main]` has it, unless told otherwise.
    let threads = usize::try_from(order::number("THREADS", 0)?)?;
    if threads > 0 {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async {
        match verb {
            "work" => work(&order).await,
            "fill" => fill(&order).await,
            "push" => push(&order).await,
            "push64" => push64(&order).await,
            "pickup" => pickup(&order).await,
            other => bail!("{other:?} is no verb; it must be work, fill, push, push64 or pickup"),
        }
    })
}

/// How long handlers took, by their own clock.
#[derive(Debug, Default)]
struct Stopwatch {
    runs: AtomicU64,
    nanos: AtomicU64,
}

impl Stopwatch {
    fn note(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.runs.fetch_add(1, Ordering::Relaxed);
    }
}

/// CPU that this thread has used: computing is not waiting for the processor.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

async fn work(order: &Order) -> Result<()> {
    let watch = Arc::new(Stopwatch::default());
    let latencies = match &order.latency_file {
        None => None,
        Some(path) => Some(File::options().create(true).append(true).open(path)?),
    };
    let latencies = Arc::new(Mutex::new(latencies));
    let mut config = WorkerConfig::new(Server::new(&order.redis_url)?);
    config.queues.clone_from(&order.queues);
    config.concurrency = order.concurrency;
    let nap = |millis| {
        let watch = Arc::clone(&watch);
        move |_: (u64, String), _: Context| {
            let watch = Arc::clone(&watch);
            async move {
                let begun = Instant::now();
                tokio::time::sleep(Duration::from_millis(millis)).await;
                watch.note(begun.elapsed());
                Ok(())
            }
        }
    };
    let computing = Arc::clone(&watch);
    Worker::builder(config)
        .handler::<Noop, _>(Idle)
        .handler_fn("Sleep1", nap(1))
        .handler_fn("Sleep10", nap(10))
        .handler_fn("Sleep1000", nap(1_000))
        .handler_fn("Compute1", move |_: (u64, String), _: Context| {
            let watch = Arc::clone(&computing);
            async move {
                let begun = thread_cpu();
                while thread_cpu() - begun < Duration::from_millis(1) {
                    std::hint::spin_loop();
                }
                watch.note(thread_cpu() - begun);
                Ok(())
            }
        })
        .handler_fn("Latency", move |(then, _): (u64, String), _: Context| {
            let late = now_ns().saturating_sub(then);
            let latencies = Arc::clone(&latencies);
            async move {
                let mut file = latencies.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(file) = file.as_mut() {
                    writeln!(file, "{late}").map_err(JobError::from_any)?;
                }
                Ok(())
            }
        })
        .handler_fn("Fail", |_: (u64, String), _: Context| async {
            Err(JobError::retry("Boom", "as asked"))
        })
        .run()
        .await?;
    if let Some(path) = &order.handler_file {
        let (runs, nanos) = (&watch.runs, &watch.nanos);
        let (runs, nanos) = (runs.load(Ordering::Relaxed), nanos.load(Ordering::Relaxed));
        fs::write(path, format!("{runs} {nanos}\n"))?;
    }
    Ok(())
}

/// One job, made as an application makes it.
fn job(task: Task, number: u64) -> Result<Push> {
    match task {
        Task::Noop => Ok(Push::new(&Noop::new(number))?),
        task => Ok(Push::raw(
            task.class(),
            format!("[{number},\"{}\"]", filler()),
        )),
    }
}

/// A thousand a call: no-ops typed, as an application has them, unless the order says prepared.
async fn fill(order: &Order) -> Result<()> {
    let mut meter = Meter::new();
    let client = Client::connect(&order.redis_url).await?;
    let typed = order.task == Task::Noop && order::text("BULK").as_deref() != Some("prepared");
    meter.go();
    for first in (0..order.jobs).step_by(1_000) {
        let numbers = first..order.jobs.min(first + 1_000);
        let pushed = if typed {
            client.push_all(numbers.map(Noop::new)).await
        } else {
            let jobs = numbers.map(|number| job(order.task, number));
            client.send_all(jobs.collect::<Result<Vec<_>>>()?).await
        };
        pushed.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    meter.tell()
}

async fn push(order: &Order) -> Result<()> {
    let mut meter = Meter::new();
    let client = Client::connect(&order.redis_url).await?;
    meter.go();
    for number in 0..order.jobs {
        client.send(job(order.task, number)?).await?;
    }
    meter.tell()
}

async fn push64(order: &Order) -> Result<()> {
    let (task, jobs) = (order.task, order.jobs);
    let mut meter = Meter::new();
    let client = Client::connect(&order.redis_url).await?;
    meter.go();
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let client = client.clone();
            tokio::spawn(async move {
                for number in (caller..jobs).step_by(64) {
                    client.send(job(task, number)?).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(|error| anyhow!("{error}"))??;
    }
    meter.tell()
}

async fn pickup(order: &Order) -> Result<()> {
    let mut meter = Meter::new();
    let client = Client::connect(&order.redis_url).await?;
    meter.go();
    for _ in 0..order.jobs {
        client.send(job(Task::Latency, now_ns())?).await?;
        tokio::time::sleep(order.pace).await;
    }
    meter.tell()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_job_is_what_the_contract_says() {
        let push = job(Task::Noop, 7).unwrap();
        assert_eq!(push.class(), "Noop");
        assert_eq!(push.record().args, format!("[7,\"{}\"]", filler()));
        assert_eq!(job(Task::Fail, 7).unwrap().class(), "Fail");
    }
}

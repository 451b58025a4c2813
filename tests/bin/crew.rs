//! A Gandy worker process for the promise tests, told by its environment what to do.
//!
//! `REDIS_URL`, `CREW_QUEUES` (separated by blanks; default `default`), `CREW_CONCURRENCY` (10), `CREW_TIMEOUT_MS`
//! (25,000), `CREW_NAMESPACE`, `CREW_THREADS` of the job runtime (2), `GANDY_TEST_HISTORY` (a folder; without it nothing
//! is noted), `CREW_MAX_FETCH` in bytes, `CREW_STAMPS` (`seconds` beside Ruby below 8), `CREW_TAG`, `CREW_LABELS`
//! (separated by blanks), `CREW_FUNCTIONS` (functions that are installed instead of scripts),
//! `CREW_EXTRA` (one more class, which does what `Note` does).
//!
//! Classes: `Note` (notes start and end), `Nap` (args: milliseconds), `Stubborn` (the same without heeding cancellation,
//! not even of its task: it blocks the thread), `StubbornFail` (the same, then fails), `StuckThread` (args: milliseconds, on a
//! thread of its own), `Fail` (always), `Pill` (aborts the process), `Crash` (args: 1 = the
//! process is killed at the start of the run, 2 = at its end), `Noop`; and of Ruby's (`tests/ruby/worker.rb`) `SleepJob`
//! (args: seconds).

use std::{path::PathBuf, process::exit, sync::Arc, time::Duration};

use gandy::{Context, JobError, Server, StampFormat, Worker, WorkerConfig};
use gandy_tests::HistoryWriter;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

type Result = std::result::Result<(), JobError>;

/// Arguments of any shape.
type Anything = Box<serde_json::value::RawValue>;

pub(crate) fn main() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    let threads = number("CREW_THREADS", 2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run()));
    if let Err(error) = outcome {
        eprintln!("crew: {error:#}");
        exit(1);
    }
}

/// What its environment says.
fn config() -> anyhow::Result<WorkerConfig> {
    let functions = variable("CREW_FUNCTIONS").is_some();
    let mut config = WorkerConfig::new(Server::from_env()?.with_functions(functions));
    config.queues = variable("CREW_QUEUES")
        .unwrap_or_else(|| "default".into())
        .split(' ')
        .map(str::to_owned)
        .collect();
    config.concurrency = number("CREW_CONCURRENCY", 10);
    config.timeout = Duration::from_millis(number("CREW_TIMEOUT_MS", 25_000) as u64);
    config.namespace = variable("CREW_NAMESPACE").unwrap_or_default();
    config.max_fetch_payload = number("CREW_MAX_FETCH", 64 << 20);
    if variable("CREW_STAMPS").as_deref() == Some("seconds") {
        config.stamps = StampFormat::Seconds;
    }
    config.tag = variable("CREW_TAG").unwrap_or_default();
    config.labels = variable("CREW_LABELS")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    Ok(config)
}

async fn run() -> anyhow::Result<()> {
    let name = format!("crew-{}", std::process::id());
    let history =
        variable("GANDY_TEST_HISTORY").map(|dir| HistoryWriter::open(&PathBuf::from(dir), &name));
    let note = Notebook(history.map(Arc::new));
    let (n1, n2, n3, n4, n5, n6) = (
        note.clone(),
        note.clone(),
        note.clone(),
        note.clone(),
        note.clone(),
        note.clone(),
    );
    let mut builder = Worker::builder(config()?);
    if let Some(class) = variable("CREW_EXTRA") {
        let note = note.clone();
        builder = builder.handler_fn(&class, move |_: Anything, ctx: Context| {
            let note = note.clone();
            async move { note.around(&ctx, async { Ok(()) }).await }
        });
    }
    let worker = builder
        .handler_fn("Noop", |_: Anything, _: Context| async { Ok(()) })
        .handler_fn("Note", move |_: Anything, ctx: Context| {
            let note = n1.clone();
            async move { note.around(&ctx, async { Ok(()) }).await }
        })
        .handler_fn("Nap", move |(millis,): (u64,), ctx: Context| {
            let note = n2.clone();
            async move { note.around(&ctx, nap(millis, &ctx)).await }
        })
        .handler_fn("SleepJob", move |(seconds,): (f64,), ctx: Context| {
            let note = n6.clone();
            let millis = (seconds * 1000.0) as u64;
            async move { note.around(&ctx, nap(millis, &ctx)).await }
        })
        .handler_fn("Stubborn", move |(millis,): (u64,), ctx: Context| {
            let note = n3.clone();
            async move {
                let block = async {
                    std::thread::sleep(Duration::from_millis(millis));
                    Ok(())
                };
                note.around(&ctx, block).await
            }
        })
        .handler_fn("StubbornFail", |(millis,): (u64,), _: Context| async move {
            std::thread::sleep(Duration::from_millis(millis));
            Err(JobError::retry("Boom", "as asked"))
        })
        .handler_blocking::<StuckThread, _>(Sleeper)
        .handler_fn("Fail", move |_: Anything, ctx: Context| {
            let note = n4.clone();
            async move {
                note.around(&ctx, async { Err(JobError::retry("Boom", "as asked")) })
                    .await
            }
        })
        .handler_fn("Pill", |_: Anything, _: Context| async {
            std::process::abort()
        })
        .handler_fn("Crash", move |(place,): (u32,), ctx: Context| {
            let note = n5.clone();
            async move { crash(place, &note, &ctx) }
        })
        .on_startup(|| eprintln!("crew: started"))
        .build()?;
    let handle = worker.handle();
    worker.run().await?;
    let fences = handle.fences();
    let counters = serde_json::json!({
        "fenced": fences.fenced,
        "unknown": fences.unknown,
        "cautions": handle.cautions(),
    });
    eprintln!("crew: ended, {counters}");
    Ok(())
}

/// Sleeps on a thread of its own and heeds no cancellation.
#[derive(serde::Serialize, serde::Deserialize, gandy::Job)]
struct StuckThread {
    millis: u64,
}

struct Sleeper;

impl gandy::BlockingHandler<StuckThread> for Sleeper {
    fn perform(&self, job: StuckThread, _ctx: &Context) -> Result {
        std::thread::sleep(Duration::from_millis(job.millis));
        Ok(())
    }
}

async fn nap(millis: u64, ctx: &Context) -> Result {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(millis)) => Ok(()),
        () = ctx.cancellation().cancelled() => Err(JobError::retry("Cancelled", "told to stop")),
    }
}

/// The process dies by its own hand in the first run of a job; the second one passes.
fn crash(place: u32, note: &Notebook, ctx: &Context) -> Result {
    let mark = variable("GANDY_TEST_HISTORY")
        .map(|dir| PathBuf::from(dir).join(format!("{}.crashed", ctx.jid())));
    let first = mark.is_none_or(|mark| std::fs::File::create_new(mark).is_ok());
    note.start(ctx);
    if place == 1 && first {
        kill9_self();
    }
    note.end(ctx);
    if place == 2 && first {
        kill9_self();
    }
    Ok(())
}

fn kill9_self() {
    let _ = kill(Pid::this(), Signal::SIGKILL);
    std::thread::sleep(Duration::from_secs(60));
}

#[derive(Clone)]
struct Notebook(Option<Arc<HistoryWriter>>);

impl Notebook {
    fn start(&self, ctx: &Context) {
        if let Some(history) = &self.0 {
            history.start(ctx.jid());
        }
    }

    fn end(&self, ctx: &Context) {
        if let Some(history) = &self.0 {
            history.end(ctx.jid());
        }
    }

    async fn around(&self, ctx: &Context, work: impl Future<Output = Result>) -> Result {
        self.start(ctx);
        work.await?;
        self.end(ctx);
        Ok(())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str, default: usize) -> usize {
    match variable(name).map(|text| text.parse()) {
        None => default,
        Some(Ok(number)) => number,
        Some(Err(_)) => panic!("{name} is not a number"),
    }
}

//! P4: what stands in Redis is Sidekiq's. Real Ruby Sidekiq (6.4.1) on the other side of one Redis: it enqueues for us,
//! runs what we enqueue, shows and steers our fleet, moves our entries, and shares queues and schedules with us.
//!
//! Stamps are seconds wherever Ruby reads them: Sidekiq below 8 takes an integer for seconds.
#![allow(clippy::unwrap_used)]

#[path = "ruby_interop/failures.rs"]
mod failures;
#[path = "ruby_interop/fleet.rs"]
mod fleet;
#[path = "ruby_interop/mixed_fleet.rs"]
mod mixed_fleet;
#[path = "ruby_interop/pollers.rs"]
mod pollers;
#[path = "ruby_interop/pushes.rs"]
mod pushes;
mod support;

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use gandy::{Client, Context, JobError, RunningWorker, StampFormat, Worker, WorkerConfig};
use gandy_tests::{Crew, RedisServer, RubySidekiq};
use serde_json::value::RawValue;
use support::Site;

/// One Redis with Ruby on one side and Gandy on the other.
struct Border {
    site: Site,
    ruby: RubySidekiq,
}

impl Border {
    /// `None` after `SKIPPED: …` where Ruby is missing.
    #[track_caller]
    fn open(test: &str) -> Option<Self> {
        let redis = RedisServer::start();
        let ruby = RubySidekiq::find(test, &redis)?;
        Some(Self {
            site: Site::over(redis, ""),
            ruby,
        })
    }

    /// A client that writes for Ruby below 8.
    async fn client(&self) -> Client {
        let client = Client::builder().server(self.site.server());
        let client = client.stamps(StampFormat::Seconds);
        client.connect().await.unwrap()
    }

    /// A worker in this process that writes for Ruby below 8 and notes what it runs.
    fn worker(&self, runs: &Runs) -> RunningWorker {
        let mut config = self.site.config();
        config.stamps = StampFormat::Seconds;
        start(config, runs)
    }

    /// A worker process that writes for Ruby below 8.
    fn crew(&self) -> Crew {
        let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &self.site.redis);
        crew.set("CREW_STAMPS", "seconds")
    }

    /// The args that Ruby's EchoJob received, as JSON text.
    fn echoed(&self, jid: &str) -> Option<String> {
        self.site.ask(redis::cmd("HGET").arg(&["test:echo", jid]))
    }
}

/// A worker in this process with Ruby's test classes: `EchoJob` succeeds, `FailJob` always fails, `OnceJob` fails in its
/// first attempt.
fn start(config: WorkerConfig, runs: &Runs) -> RunningWorker {
    let (echo, fail, once) = (runs.clone(), runs.clone(), runs.clone());
    Worker::builder(config)
        .signals(false)
        .handler_fn("EchoJob", move |_: Box<RawValue>, ctx: Context| {
            echo.note(&ctx);
            async { Ok(()) }
        })
        .handler_fn("FailJob", move |_: Box<RawValue>, ctx: Context| {
            fail.note(&ctx);
            async { Err(trouble()) }
        })
        .handler_fn("OnceJob", move |_: Box<RawValue>, ctx: Context| {
            once.note(&ctx);
            async move {
                if ctx.attempt() == 1 {
                    Err(trouble())
                } else {
                    Ok(())
                }
            }
        })
        .build()
        .unwrap()
        .start()
}

/// The error of the test classes: beyond ASCII, with more lines of backtrace than are kept.
fn trouble() -> JobError {
    let lines = (1..=5).map(|line| format!("src/job.rs:{line}: in `grüßen'"));
    JobError::retry("Trouble::Deep", "kaputt: \"ü\"\n☃").with_backtrace(lines)
}

/// What the worker in this process ran, in order.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<Vec<Context>>>);

impl Runs {
    fn note(&self, ctx: &Context) {
        self.0.lock().unwrap().push(ctx.clone());
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn of(&self, jid: &str) -> Vec<Context> {
        let runs = self.0.lock().unwrap();
        runs.iter()
            .filter(|ctx| ctx.jid() == jid)
            .cloned()
            .collect()
    }

    /// The one run of a job.
    #[track_caller]
    fn only(&self, jid: &str) -> Context {
        let runs = self.of(jid);
        assert_eq!(runs.len(), 1, "runs of {jid}");
        runs[0].clone()
    }
}

/// Seconds since 1970, as Ruby's `Time.now.to_f`.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

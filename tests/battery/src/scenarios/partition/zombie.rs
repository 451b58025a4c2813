//! The worker that the network fails, and what is around it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gandy::{Context, JobError, RunningWorker, Server, Worker, WorkerConfig};
use gandy_faults::Proxy;
use gandy_tests::{
    EventKind, History, HistoryWriter, Proc, RedisServer, detour, payload, push_jobs, wait_for,
};

use crate::stage::Stage;

pub(super) const LONG: Duration = Duration::from_secs(150);
/// Jobs that a zombie runs at once.
pub(super) const SLOTS: usize = 12;

/// Since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

type Anything = Box<serde_json::value::RawValue>;

/// A worker in this process, behind a proxy of its own, with a queue of its own beside `default`.
pub(super) struct Zombie {
    pub(super) name: &'static str,
    pub(super) proxy: Proxy,
    pub(super) worker: RunningWorker,
}

impl Zombie {
    /// Its jobs are slower than those of the others: `Fail` fails after 4 s, `Note` ends when it is told to stop. Within a
    /// runtime.
    pub(super) fn start(scene: &Scene, name: &'static str) -> Self {
        let proxy = detour(&scene.server, scene.seed);
        let server = Server::new(&proxy.url()).expect("the proxy gives a valid URL");
        let mut config = WorkerConfig::new(server);
        config.queues = vec!["default".into(), name.into()];
        config.concurrency = SLOTS;
        config.crash_budget = SLOTS;
        let notes = Arc::new(scene.history.writer(name));
        let (nap, fail, note) = (Arc::clone(&notes), Arc::clone(&notes), notes);
        let worker = Worker::builder(config)
            .signals(false)
            .handler_fn("Nap", move |(millis,): (u64,), ctx: Context| {
                let notes = Arc::clone(&nap);
                async move {
                    notes.start(ctx.jid());
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    notes.end(ctx.jid());
                    Ok(())
                }
            })
            .handler_fn("Fail", move |_: Anything, ctx: Context| {
                let notes = Arc::clone(&fail);
                async move {
                    notes.start(ctx.jid());
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    Err(JobError::retry("Boom", "as asked"))
                }
            })
            .handler_fn("Note", move |_: Anything, ctx: Context| {
                let notes = Arc::clone(&note);
                async move {
                    notes.start(ctx.jid());
                    ctx.cancellation().cancelled().await;
                    Err(JobError::retry("Cancelled", "told to stop"))
                }
            })
            .build()
            .expect("the settings are valid")
            .start();
        let zombie = Self {
            name,
            proxy,
            worker,
        };
        zombie.identity();
        zombie
    }

    pub(super) fn identity(&self) -> String {
        wait_for(LONG, "the zombie has joined", || self.worker.identity())
    }

    /// The key of what it holds under its present identity.
    pub(super) fn inflight(&self) -> String {
        format!("gandy:inflight:{}", self.identity())
    }
}

/// A Redis with jobs, and what happened to them.
pub(super) struct Scene {
    pub(super) server: RedisServer,
    pub(super) history: History,
    notes: HistoryWriter,
    seed: u64,
    pushed: usize,
}

impl Scene {
    pub(super) fn new(stage: &Stage) -> Self {
        let server = RedisServer::start();
        let history = History::new();
        let notes = history.writer("battery");
        Self {
            server,
            history,
            notes,
            seed: stage.seed,
            pushed: 0,
        }
    }

    /// A worker that nothing stands before.
    pub(super) fn crew(&self, stage: &Stage, queues: &str) -> Proc {
        let crew = stage.crew(&self.server, &self.history);
        crew.set("CREW_QUEUES", queues)
            .set("RUST_LOG", "gandy=info")
            .start_and_wait()
    }

    /// Pushes to `queue`, past every proxy. `retry` as in the payload.
    pub(super) fn push(
        &mut self,
        queue: &str,
        class: &str,
        args: &str,
        retry: &str,
        count: usize,
    ) -> Vec<String> {
        let mut jids = Vec::new();
        for _ in 0..count {
            self.pushed += 1;
            let jid = format!("{queue}-{class}-{}", self.pushed);
            let job = payload(class, args, &jid)
                .replace(r#""queue":"default""#, &format!(r#""queue":"{queue}""#))
                .replace(r#""retry":true"#, &format!(r#""retry":{retry}"#));
            let mut push = redis::cmd("LPUSH");
            push.arg(format!("queue:{queue}")).arg(job);
            push.exec(&mut self.server.conn()).expect("Redis takes it");
            self.notes.acknowledged(&jid);
            jids.push(jid);
        }
        jids
    }

    /// A few short jobs every now and then, until `done`.
    pub(super) fn trickle(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(began.elapsed() < LONG, "waited in vain for: {what}");
            self.pushed += 5;
            let tag = format!("trickle{}-", self.pushed);
            push_jobs(&self.server, &self.notes, &tag, "Nap", "[5]", 5);
            std::thread::sleep(Duration::from_millis(100)); // Its pace.
        }
    }

    pub(super) fn length(&self, key: &str) -> usize {
        gandy_tests::length(&self.server, key)
    }

    /// When each of these jobs began in a worker whose name begins so, after `from`; in order.
    pub(super) fn begun(
        &self,
        jids: &BTreeSet<String>,
        worker: &str,
        from: Duration,
    ) -> Vec<Duration> {
        let events = self.history.events();
        let starts = events.iter().filter(|event| {
            event.kind == EventKind::Start
                && event.at > from
                && event.worker.starts_with(worker)
                && jids.contains(&event.jid)
        });
        starts.map(|event| event.at).collect()
    }

    /// The jobs that this worker began and had not ended at `at`.
    pub(super) fn aboard(&self, worker: &str, at: Duration) -> BTreeSet<String> {
        let mut aboard = BTreeSet::new();
        let events = self.history.events();
        let own = events
            .iter()
            .filter(|event| event.worker == worker && event.at <= at);
        for event in own {
            match event.kind {
                EventKind::Start => aboard.insert(event.jid.clone()),
                EventKind::End => aboard.remove(&event.jid),
                _ => false,
            };
        }
        aboard
    }
}

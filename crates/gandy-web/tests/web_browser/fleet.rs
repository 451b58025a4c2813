//! Whose data the pages show: workers at work, jobs in every state, and what a real Ruby Sidekiq leaves in Redis.

use std::time::{Duration, Instant};

use gandy::{Client, Context, JobError, Push, Server, Worker, WorkerConfig};
use gandy_tests::{History, RedisServer, RubySidekiq, RubyWorker};
use serde_json::json;
use tokio::task::JoinHandle;

/// A heartbeat takes 5 s, and the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(15);

/// How often it is looked at meanwhile.
const PACE: Duration = Duration::from_millis(50);

/// Everything that runs. Processes end with it.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) redis: RedisServer,
    pub(crate) client: Client,
    workers: Vec<JoinHandle<Result<(), gandy::Error>>>,
    ruby: Option<(RubyWorker, History)>,
}

/// `Nap` runs until it is told to stop, `Timeout` fails, `Broken` dies, `Fine` is done at once.
fn worker(redis: &RedisServer, queues: &[&str], tag: &str) -> Worker {
    let mut config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
    config.queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
    config.tag = tag.to_owned();
    Worker::builder(config)
        .concurrency(4)
        .handler_fn("Fine", |(_,): (u64,), _: Context| async { Ok(()) })
        .handler_fn("Fails", |(_,): (u64,), _: Context| async {
            // In an hour: a retry that runs in the middle would change what is counted.
            let hour = Duration::from_secs(3600);
            Err(JobError::retry_in(
                hour,
                "Timeout",
                "no <b>reply</b> within 30 s",
            ))
        })
        .handler_fn("Breaks", |(_,): (u64,), _: Context| async {
            Err(JobError::bury("Broken", "row 7 has 11 fields"))
        })
        .handler_fn("Nap", |(_,): (u64,), ctx: Context| async move {
            ctx.set_progress(3, Some(10), "pages");
            ctx.cancellation().cancelled().await;
            Err(JobError::retry("Cancelled", "as asked"))
        })
        .build()
        .unwrap()
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::with_aof();
        let workers = [("crew", &["default"][..]), ("spare", &["spare"])]
            .map(|(tag, queues)| tokio::spawn(worker(&redis, queues, tag).run()));
        let client = Client::connect(&redis.url()).await.unwrap();
        for number in 0..6 {
            client
                .push_raw("Fine", format!("[{number}]"))
                .await
                .unwrap();
            client
                .push_raw("Fails", format!("[{number}]"))
                .await
                .unwrap();
            client
                .push_raw("Breaks", format!("[{number}]"))
                .await
                .unwrap();
            let later = Push::raw("Later", format!("[{number},{{\"password\":\"hush\"}}]"));
            let in_two_hours = later.queue("held").after(Duration::from_secs(7200));
            client.send(in_two_hours).await.unwrap();
        }
        client.push_raw("Nap", "[1]").await.unwrap();
        for number in 0..30 {
            let waits = Push::raw("Waits", format!("[{number}]"));
            client.send(waits.queue("held")).await.unwrap();
        }
        let ruby = ruby(&redis);
        Self {
            redis,
            client,
            workers: workers.into(),
            ruby,
        }
    }

    /// Until its first heartbeats have counted what it did.
    pub(crate) async fn has_worked(&self) {
        self.until("6 retries, 6 dead", || {
            self.count(&["ZCARD", "retry"]) >= 6 && self.count(&["ZCARD", "dead"]) >= 6
        })
        .await;
        self.until("counted runs", || {
            self.redis
                .cli(&["GET", "stat:processed"])
                .trim()
                .parse()
                .unwrap_or(0)
                >= 18
        })
        .await;
    }

    /// Whether a Ruby worker is part of it.
    pub(crate) fn has_ruby(&self) -> bool {
        self.ruby.is_some()
    }

    /// The number that a command answers.
    #[track_caller]
    pub(crate) fn count(&self, command: &[&str]) -> u64 {
        self.redis.cli(command).trim().parse().unwrap()
    }

    /// The jobs of a class in a set or a list, from its left end.
    pub(crate) fn jids(&self, key: &str, class: &str) -> Vec<String> {
        let command = if key.starts_with("queue:") {
            "LRANGE"
        } else {
            "ZRANGE"
        };
        let (jobs, class) = (
            self.redis.cli(&[command, key, "0", "-1"]),
            format!("\"class\":\"{class}\""),
        );
        let jid = |job: &str| job.split_once("\"jid\":\"").unwrap().1[..24].to_owned();
        jobs.lines()
            .filter(|job| job.contains(&class))
            .map(jid)
            .collect()
    }

    /// The jid of the job that runs.
    pub(crate) fn running(&self) -> String {
        let holder = self.redis.cli(&["--scan", "--pattern", "gandy:inflight:*"]);
        let jobs = self.redis.cli(&[
            "HVALS",
            holder.lines().next().expect("a process with a job"),
        ]);
        jobs.split_once("\"jid\":\"").unwrap().1[..24].to_owned()
    }

    pub(crate) async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !condition() {
            if begun.elapsed() > DEADLINE {
                let look = |command: &[&str]| self.redis.cli(command);
                panic!(
                    "not within {DEADLINE:?}: {what}\nretry: {}\ndead: {}\ndefault: {}\nfleet: {}",
                    look(&["ZRANGE", "retry", "0", "-1"]),
                    look(&["ZRANGE", "dead", "0", "-1"]),
                    look(&["LRANGE", "queue:default", "0", "-1"]),
                    look(&["HGETALL", "gandy:fleet"]),
                );
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Until a command answers this number.
    pub(crate) async fn until_count(&self, command: &[&str], wanted: u64) {
        let what = format!("{wanted} of {command:?}");
        self.until(&what, || self.count(command) == wanted).await;
    }

    /// Until all of Gandy's workers have ended by themselves.
    pub(crate) async fn until_ended(&self) {
        self.until("the workers' end", || {
            self.workers.iter().all(JoinHandle::is_finished)
        })
        .await;
    }
}

/// A Ruby worker with one running job, one that failed, one that died, one for later and one that waits.
fn ruby(redis: &RedisServer) -> Option<(RubyWorker, History)> {
    let ruby = RubySidekiq::find("web_browser", redis)?;
    ruby.push(&[
        json!({"class": "SleepJob", "args": [120], "queue": "ruby"}),
        json!({"class": "FailJob", "args": ["of Ruby's making"], "queue": "ruby"}),
        json!({"class": "FailJob", "args": ["its last"], "queue": "ruby", "retry": 0}),
        json!({"class": "EchoJob", "args": [1], "queue": "ruby", "at": 4_000_000_000.25}),
        json!({"class": "EchoJob", "args": ["waits"], "queue": "ruby_waits"}),
    ]);
    let history = History::new();
    let worker = ruby.worker(&history, &["-q", "ruby", "-c", "2", "-t", "1"]);
    Some((worker, history))
}

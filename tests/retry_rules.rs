//! What happens to a job after a failed run is what Sidekiq does, seen from outside: a worker, a real Redis, and its bytes.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::Read as _,
    panic::panic_any,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use gandy::{
    BlockingHandler, Context, HandlerOptions, Job, JobError, Middleware, Next, RawHandler,
    RetrySetting, RunningWorker, Worker, WorkerBuilder, WorkerConfig,
};
use gandy_tests::{wait_eq, wait_for, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{Entry, SOON, Site};

/// What handlers and hooks saw: `jid what detail`, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, ctx: &Context, what: &str, detail: impl std::fmt::Display) {
        let line = format!("{} {what} {detail}", ctx.jid());
        self.0.lock().unwrap().push(line);
    }

    fn of(&self, jid: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let own = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("{jid} ")));
        own.map(str::to_owned).collect()
    }
}

/// A Redis, a worker on queue `q`, and what was seen.
struct Bench {
    site: Site,
    worker: RunningWorker,
    log: Log,
    next: AtomicUsize,
}

impl Bench {
    fn start() -> Self {
        Self::with(|_| {}, |builder| builder)
    }

    fn with(
        config: impl FnOnce(&mut WorkerConfig),
        more: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Self {
        let site = Site::start();
        let mut settings = site.config();
        settings.queues = vec!["q".into()];
        config(&mut settings);
        let log = Log::default();
        let (runs, errors, deaths) = (log.clone(), log.clone(), log.clone());
        let builder = Worker::builder(settings)
            .signals(false)
            .handler_fn(
                "Do",
                move |(what, number): (String, Option<u64>), ctx: Context| {
                    runs.note(&ctx, "run", ctx.attempt());
                    async move { act(&what, number.unwrap_or_default(), &ctx).await }
                },
            )
            .on_error(move |ctx, error| errors.note(ctx, "error", error.class()))
            .on_death(move |ctx, error| deaths.note(ctx, "death", error.class()));
        let worker = more(builder).build().unwrap().start();
        Self {
            site,
            worker,
            log,
            next: AtomicUsize::new(0),
        }
    }

    /// Pushes a job with these further fields (raw JSON) and returns its id.
    fn push(&self, args: &str, fields: &str) -> String {
        self.push_class("Do", args, fields)
    }

    fn push_class(&self, class: &str, args: &str, fields: &str) -> String {
        let jid = format!("jid{}", self.next.fetch_add(1, Ordering::Relaxed));
        let comma = if fields.is_empty() { "" } else { "," };
        let job = format!(
            r#"{{"class":"{class}","args":{args},"jid":"{jid}","queue":"q"{comma}{fields}}}"#
        );
        self.site.push("q", job);
        jid
    }

    /// Pushes a job, waits until it has ended, and says where it is.
    fn fate(&self, args: &str, fields: &str) -> (String, Fate) {
        let jid = self.push(args, fields);
        self.site.settle();
        let fate = self.whereabouts(&jid);
        (jid, fate)
    }

    fn whereabouts(&self, jid: &str) -> Fate {
        let found = ["retry", "schedule", "dead"].map(|set| (set, self.site.entry(set, jid)));
        let mut found = found
            .into_iter()
            .filter_map(|(set, entry)| Some((set, entry?)));
        let fate = found.next();
        assert!(found.next().is_none(), "{jid} is in two places");
        match fate {
            Some(("retry", entry)) => Fate::Retry(entry),
            Some(("schedule", entry)) => Fate::Schedule(entry),
            Some((_, entry)) => Fate::Dead(entry),
            None => Fate::Gone,
        }
    }

    /// Brings the waiting retry forward and waits until it has run.
    fn retry_now(&self, jid: &str) -> Fate {
        let runs = self.log.of(jid).len();
        self.site
            .make_due("retry", &self.site.entry("retry", jid).unwrap());
        wait_until(SOON, "the retry to run", || self.log.of(jid).len() > runs);
        self.site.settle();
        self.whereabouts(jid)
    }

    async fn end(self) {
        self.worker.stop().await.unwrap();
    }
}

#[derive(Debug, PartialEq)]
enum Fate {
    Retry(Entry),
    Schedule(Entry),
    Dead(Entry),
    Gone,
}

impl Fate {
    #[track_caller]
    fn retry(self) -> Entry {
        match self {
            Fate::Retry(entry) => entry,
            other => panic!("not in retry: {other:?}"),
        }
    }

    #[track_caller]
    fn dead(self) -> Entry {
        match self {
            Fate::Dead(entry) => entry,
            other => panic!("not in dead: {other:?}"),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Fate::Retry(_) => "retry",
            Fate::Schedule(_) => "schedule",
            Fate::Dead(_) => "dead",
            Fate::Gone => "gone",
        }
    }
}

async fn act(what: &str, number: u64, ctx: &Context) -> Result<(), JobError> {
    let seconds = Duration::from_secs(number);
    match what {
        "ok" => Ok(()),
        "fail" => Err(JobError::retry("Boom", "no luck")),
        "shout" => Err(JobError::retry("Boom", "ä".repeat(number as usize))),
        "trace" => Err(JobError::retry("Boom", "no luck")
            .with_backtrace((0..number).map(|line| format!("app.rs:{line}")))),
        "retry_in" => Err(JobError::retry_in(seconds, "Later", "not now")),
        "discard" => Err(JobError::discard("Gone", "no such user")),
        "bury" => Err(JobError::bury("Hopeless", "never will")),
        // Snoozes in the first run only.
        "snooze" if ctx.field("seen").is_none() => Err(JobError::snooze(seconds)),
        "panic_str" => panic!("a plain text"),
        "panic_string" => panic!("a text with {number}"),
        "panic_other" => panic_any(number),
        "panic_drop" => panic_any(DropsBadly),
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(number)).await;
            Ok(())
        }
        other => Err(JobError::bury("Test", format!("unknown verb {other}"))),
    }
}

struct DropsBadly;

impl Drop for DropsBadly {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("even its drop panics");
        }
    }
}

fn int(entry: &Entry, field: &str) -> i64 {
    let value = &entry.json()[field];
    value
        .as_i64()
        .unwrap_or_else(|| panic!("{field} is {value} in {}", entry.text()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_retry_field_decides_where_a_failed_job_goes() {
    let bench = Bench::start();
    let cases = [
        (r#""retry":true"#, "retry"),
        (r#""retry":3"#, "retry"),
        (r#""retry":99999999999999999999999"#, "retry"),
        ("", "retry"),
        (r#""retry":null"#, "retry"),
        // Not Sidekiq's types: as absent.
        (r#""retry":"5""#, "retry"),
        (r#""retry":2.5"#, "retry"),
        (r#""retry":false"#, "gone"),
        (r#""retry":0"#, "dead"),
        (r#""retry":-1"#, "dead"),
        (r#""retry":0,"dead":false"#, "gone"),
        (r#""retry":0,"dead":true"#, "dead"),
    ];
    for (fields, expected) in cases {
        let (jid, fate) = bench.fate(r#"["fail"]"#, fields);
        assert_eq!(fate.name(), expected, "{fields}");
        let mut saw = vec!["run 1", "error Boom"];
        // `retry: false` runs death hooks too, though nothing goes into `dead`.
        if expected != "retry" {
            saw.push("death Boom");
        }
        assert_eq!(bench.log.of(&jid), saw, "{fields}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_a_retry_field_follows_its_handler() {
    struct Fails;
    impl RawHandler for Fails {
        async fn perform(&self, _: &str, _: &Context) -> Result<(), JobError> {
            Err(JobError::retry("Boom", "no luck"))
        }
    }
    let options = |retry| HandlerOptions {
        retry,
        timeout: None,
    };
    let bench = Bench::with(
        |_| {},
        |builder| {
            builder
                .raw_handler("Never", options(RetrySetting::Never), Fails)
                .raw_handler("Zero", options(RetrySetting::Times(0)), Fails)
        },
    );
    for (class, fields, expected) in [
        ("Never", "", "gone"),
        ("Never", r#""retry":null"#, "gone"),
        ("Never", r#""retry":true"#, "retry"),
        ("Zero", "", "dead"),
        ("Zero", r#""retry":1"#, "retry"),
    ] {
        let jid = bench.push_class(class, "[]", fields);
        bench.site.settle();
        assert_eq!(
            bench.whereabouts(&jid).name(),
            expected,
            "{class} with {fields}"
        );
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_and_stamps_grow_until_the_job_is_exhausted() {
    let bench = Bench::start();
    let before = bench.site.clock();
    let (jid, fate) = bench.fate(r#"["fail"]"#, r#""retry":2"#);
    let after = bench.site.clock();
    let first = fate.retry();
    assert_eq!(int(&first, "retry_count"), 0);
    assert_eq!(first.json()["error_class"], "Boom");
    assert_eq!(first.json()["error_message"], "no luck");
    assert!(first.json().get("retried_at").is_none());
    let failed_at = int(&first, "failed_at");
    let window = (before * 1e3) as i64 - 1..=(after * 1e3) as i64 + 1;
    assert!(window.contains(&failed_at), "{failed_at} is not {window:?}");

    let second = bench.retry_now(&jid).retry();
    assert_eq!(int(&second, "retry_count"), 1);
    assert_eq!(int(&second, "failed_at"), failed_at, "the first failure's");
    assert!(int(&second, "retried_at") >= failed_at);
    assert!(
        int(&second, "enqueued_at") >= failed_at,
        "set at the promotion"
    );

    let before = bench.site.clock();
    let dead = bench.retry_now(&jid).dead();
    assert_eq!(int(&dead, "retry_count"), 2);
    assert_eq!(int(&dead, "failed_at"), failed_at);
    assert!(int(&dead, "retried_at") >= int(&second, "retried_at"));
    assert!((before - 0.001..bench.site.clock()).contains(&dead.score));
    assert_eq!(
        bench.log.of(&jid),
        [
            "run 1",
            "error Boom",
            "run 2",
            "error Boom",
            "run 3",
            "error Boom",
            "death Boom"
        ]
    );
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_true_is_exhausted_after_max_retries() {
    let bench = Bench::with(|config| config.max_retries = 1, |builder| builder);
    let (jid, fate) = bench.fate(r#"["fail"]"#, r#""retry":true"#);
    fate.retry();
    assert_eq!(int(&bench.retry_now(&jid).dead(), "retry_count"), 1);
    bench.end().await;

    let bench = Bench::start();
    let (_, fate) = bench.fate(r#"["fail"]"#, r#""retry":true,"retry_count":23"#);
    assert_eq!(int(&fate.retry(), "retry_count"), 24, "the 25th failure");
    let (_, fate) = bench.fate(r#"["fail"]"#, r#""retry":true,"retry_count":24"#);
    assert_eq!(int(&fate.dead(), "retry_count"), 25, "the 26th");
    bench.end().await;
}

/// Pushes many such jobs and returns how far ahead of Redis' clock their retries lie, in seconds, shortest first.
fn delays(bench: &Bench, args: &str, fields: &str) -> Vec<f64> {
    let before = bench.site.clock();
    for _ in 0..200 {
        bench.push(args, fields);
    }
    bench.site.settle();
    // What the pushing and running itself took comes on top of the delay.
    let took = bench.site.clock() - before;
    let scores = bench.site.entries("retry");
    assert_eq!(scores.len(), 200);
    bench
        .site
        .ask::<()>(redis::cmd("DEL").arg(bench.site.key("retry")));
    let mut delays: Vec<f64> = scores.iter().map(|entry| entry.score - before).collect();
    delays.sort_by(f64::total_cmp);
    delays.push(took);
    delays
}

#[track_caller]
fn assert_spread(delays: &[f64], base: f64, jitter: f64) {
    let (took, delays) = delays.split_last().unwrap();
    let (low, high) = (delays[0], delays[delays.len() - 1]);
    // Scores are text with six decimals.
    assert!(low >= base - 1e-5, "{low} is below {base}");
    assert!(
        high < base + jitter + took + 1e-5,
        "{high} is beyond {base} + {jitter} + {took}"
    );
    // Of 200 draws none in a tenth of the range: once in a billion runs.
    assert!(
        low < base + jitter * 0.1 + took,
        "no jitter at the low end: {low}"
    );
    assert!(
        high >= base + jitter * 0.9,
        "no jitter at the high end: {high}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_is_the_fourth_power_and_fifteen_and_jitter() {
    let bench = Bench::start();
    let fail = r#"["fail"]"#;
    assert_spread(&delays(&bench, fail, ""), 15.0, 10.0);
    assert_spread(&delays(&bench, fail, r#""retry_count":4"#), 640.0, 60.0);
    assert_spread(
        &delays(&bench, fail, r#""retry_count":23"#),
        331_791.0,
        250.0,
    );
    // A handler's own delay replaces the base and keeps the jitter; zero is no delay of its own.
    assert_spread(&delays(&bench, r#"["retry_in",60]"#, ""), 60.0, 10.0);
    assert_spread(
        &delays(&bench, r#"["retry_in",60]"#, r#""retry_count":2"#),
        60.0,
        40.0,
    );
    assert_spread(&delays(&bench, r#"["retry_in",0]"#, ""), 15.0, 10.0);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_in_spends_an_attempt() {
    let bench = Bench::start();
    let (jid, fate) = bench.fate(r#"["retry_in",60]"#, r#""retry":1"#);
    assert_eq!(int(&fate.retry(), "retry_count"), 0);
    bench.retry_now(&jid).dead();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_for_replaces_the_count_by_a_window() {
    let bench = Bench::start();
    let fail = r#"["fail"]"#;
    let ago = |seconds: f64| ((bench.site.clock() - seconds) * 1e3) as i64;
    let fields = |since: i64| format!(r#""retry_for":60,"retry_count":40,"failed_at":{since}"#);
    // Within the window, however many failures; outside of it at once.
    assert_eq!(bench.fate(fail, &fields(ago(50.0))).1.name(), "retry");
    assert_eq!(bench.fate(fail, &fields(ago(70.0))).1.name(), "dead");
    // Sidekiq 7's form of the stamp: seconds.
    let seconds = format!(
        r#""retry_for":60,"retry_count":1,"failed_at":{:.3}"#,
        bench.site.clock() - 70.0
    );
    assert_eq!(bench.fate(fail, &seconds).1.name(), "dead");
    // The first failure opens the window; `retry: false` is still never.
    assert_eq!(
        bench.fate(fail, r#""retry_for":60,"retry":0"#).1.name(),
        "retry"
    );
    assert_eq!(
        bench.fate(fail, r#""retry_for":60,"retry":false"#).1.name(),
        "gone"
    );
    // Not a number Sidekiq would take: the count holds.
    assert_eq!(
        bench.fate(fail, r#""retry_for":2e9,"retry":0"#).1.name(),
        "dead"
    );
    assert_eq!(
        bench.fate(fail, r#""retry_for":"60","retry":0"#).1.name(),
        "dead"
    );
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_go_to_the_retry_queue_or_back_to_where_the_job_was_fetched() {
    let bench = Bench::start();
    let (_, fate) = bench.fate(r#"["fail"]"#, r#""retry_queue":"slow""#);
    let entry = fate.retry();
    assert_eq!(entry.json()["queue"], "slow");
    bench.site.make_due("retry", &entry);
    wait_eq(SOON, "the retry in its queue", &1, || {
        bench
            .site
            .ask::<usize>(redis::cmd("LLEN").arg("queue:slow"))
    });
    let names: Vec<String> = bench.site.ask(redis::cmd("SMEMBERS").arg("queues"));
    assert!(names.contains(&"slow".to_owned()), "{names:?}");
    bench.site.ask::<()>(redis::cmd("DEL").arg("queue:slow"));

    // Moved by hand from `other` to `q`.
    let moved = r#"{"class":"Do","args":["fail"],"jid":"moved","queue":"other"}"#;
    bench.site.push("q", moved);
    bench.site.settle();
    assert_eq!(
        bench.whereabouts("moved").retry().json()["queue"],
        "q",
        "where it was fetched"
    );
    // A name that cannot be a queue's is not followed.
    let (_, fate) = bench.fate(r#"["fail"]"#, r#""retry_queue":"a\nb""#);
    assert_eq!(fate.retry().json()["queue"], "q");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buried_job_is_in_dead_at_once_and_a_discarded_one_nowhere() {
    let bench = Bench::start();
    let (jid, fate) = bench.fate(r#"["bury"]"#, r#""retry":true"#);
    let dead = fate.dead();
    assert_eq!(dead.json()["error_class"], "Hopeless");
    assert_eq!(int(&dead, "retry_count"), 0);
    assert_eq!(
        bench.log.of(&jid),
        ["run 1", "error Hopeless", "death Hopeless"]
    );
    let (jid, fate) = bench.fate(r#"["bury"]"#, r#""dead":false"#);
    assert_eq!(fate, Fate::Gone);
    assert_eq!(
        bench.log.of(&jid),
        ["run 1", "error Hopeless", "death Hopeless"]
    );
    let (jid, fate) = bench.fate(r#"["discard"]"#, r#""retry":true"#);
    assert_eq!(fate, Fate::Gone);
    assert_eq!(bench.log.of(&jid), ["run 1", "error Gone", "death Gone"]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snooze_spends_no_attempt_and_changes_no_byte() {
    let bench = Bench::start();
    let odd = r#" "retry":0 , "n":12345678901234567890, "f":1.10"#;
    let before = bench.site.clock();
    let (jid, fate) = bench.fate(r#"["snooze",300]"#, odd);
    let Fate::Schedule(entry) = fate else {
        panic!("{fate:?}")
    };
    let after = bench.site.clock();
    assert!((before + 300.0 - 1e-5..after + 300.0).contains(&entry.score));
    let pushed =
        format!(r#"{{"class":"Do","args":["snooze",300],"jid":"{jid}","queue":"q",{odd}}}"#);
    assert_eq!(entry.text(), pushed);
    assert_eq!(bench.log.of(&jid), ["run 1"], "no hook");

    // It comes back to the queue it was fetched from, also when its bytes name another or none.
    for (jid, queue) in [("none", ""), ("other", r#","queue":"elsewhere""#)] {
        let job = format!(r#"{{"class":"Do","args":["snooze",300],"jid":"{jid}"{queue}}}"#);
        bench.site.push("q", job);
        bench.site.settle();
        let Fate::Schedule(entry) = bench.whereabouts(jid) else {
            panic!("{jid} is not in schedule")
        };
        bench.site.make_due("schedule", &entry);
        wait_until(SOON, "the snoozed job to run again", || {
            bench.log.of(jid).len() > 1
        });
        assert_eq!(bench.log.of(jid), ["run 1", "run 1"]);
        bench.site.settle();
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panics_are_failures_with_their_own_words() {
    let bench = Bench::start();
    for (verb, message) in [
        (r#"["panic_str"]"#, "a plain text"),
        (r#"["panic_string",7]"#, "a text with 7"),
        (
            r#"["panic_other",7]"#,
            "the handler panicked without a message",
        ),
        (
            r#"["panic_drop"]"#,
            "the handler panicked without a message",
        ),
    ] {
        let (jid, fate) = bench.fate(verb, "");
        let entry = fate.retry();
        assert_eq!(entry.json()["error_class"], "Panic", "{verb}");
        assert_eq!(entry.json()["error_message"], message, "{verb}");
        assert_eq!(bench.log.of(&jid), ["run 1", "error Panic"], "{verb}");
    }
    let (_, fate) = bench.fate(r#"["ok"]"#, "");
    assert_eq!(fate, Fate::Gone, "the worker goes on");
    assert_eq!(bench.worker.busy(), 0, "every slot is free again");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_over_its_timeout_is_cancelled_and_fails() {
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<Context>>>);
    impl RawHandler for Slow {
        async fn perform(&self, args: &str, ctx: &Context) -> Result<(), JobError> {
            self.0.lock().unwrap().push(ctx.clone());
            let bad = (args == "[\"drops badly\"]").then(|| DropsBadly);
            tokio::time::sleep(Duration::from_secs(60)).await;
            std::mem::forget(bad);
            Ok(())
        }
    }
    let slow = Slow::default();
    let options = HandlerOptions {
        retry: RetrySetting::Absent,
        timeout: Some(Duration::from_millis(100)),
    };
    let seen = slow.clone();
    let bench = Bench::with(|_| {}, |builder| builder.raw_handler("Slow", options, slow));
    let jid = bench.push_class("Slow", "[]", "");
    bench.site.settle();
    let entry = bench.whereabouts(&jid).retry();
    assert_eq!(entry.json()["error_class"], "Timeout");
    let message = entry.json()["error_message"].to_string();
    assert!(message.contains("100ms"), "{message}");
    assert!(seen.0.lock().unwrap()[0].is_cancelled());
    assert_eq!(bench.log.of(&jid), ["error Timeout"]);

    // A value that panics when the cut-off run is dropped does not leave the job in flight.
    let jid = bench.push_class("Slow", r#"["drops badly"]"#, "");
    bench.site.settle();
    bench.whereabouts(&jid).retry();
    wait_eq(SOON, "every slot to be free again", &0, || {
        bench.worker.busy()
    });
    bench.end().await;
}

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Grind", timeout = "100ms")]
struct Grind {
    millis: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_run_over_its_timeout_fails_and_keeps_its_slot_until_it_returns() {
    struct Grinder(Arc<AtomicUsize>, Arc<AtomicUsize>);
    impl BlockingHandler<Grind> for Grinder {
        fn perform(&self, job: Grind, _: &Context) -> Result<(), JobError> {
            let now = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(job.millis));
            self.0.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    }
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let grinder = Grinder(Arc::clone(&now), Arc::clone(&most));
    let bench = Bench::with(
        |config| config.concurrency = 1,
        |builder| builder.handler_blocking(grinder),
    );
    let jids = [(); 3].map(|()| bench.push_class("Grind", "[400]", ""));
    for jid in &jids {
        wait_until(SOON, "the job in retry", || {
            bench.site.entry("retry", jid).is_some()
        });
    }
    assert_eq!(
        most.load(Ordering::SeqCst),
        1,
        "more threads at once than the concurrency allows"
    );
    wait_eq(SOON, "all threads to return", &(0, 0), || {
        (now.load(Ordering::SeqCst), bench.worker.busy())
    });
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_class_and_wrong_arguments_are_ordinary_failures() {
    let bench = Bench::start();
    let jid = bench.push_class("NotYetDeployed", "[1]", "");
    bench.site.settle();
    let entry = bench.whereabouts(&jid).retry();
    assert_eq!(entry.json()["error_class"], "UnknownClass");
    let message = entry.json()["error_message"].to_string();
    assert!(
        message.contains("NotYetDeployed") && message.contains("Do"),
        "{message}"
    );
    assert_eq!(bench.log.of(&jid), ["error UnknownClass"]);

    let (jid, fate) = bench.fate("[{}]", "");
    assert_eq!(fate.retry().json()["error_class"], "ArgumentError");
    assert_eq!(bench.log.of(&jid), ["error ArgumentError"]);
    bench.end().await;
}

/// As Ruby reads it: strict Base64, zlib, a JSON array of lines.
fn backtrace(entry: &Entry) -> Vec<String> {
    let json = entry.json();
    let text = json["error_backtrace"].as_str().unwrap();
    assert!(text.starts_with("eJ"), "{text}");
    let zlib = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    let mut lines = String::new();
    flate2::read::ZlibDecoder::new(&*zlib)
        .read_to_string(&mut lines)
        .unwrap();
    serde_json::from_str(&lines).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backtraces_are_stored_as_the_job_asks() {
    let bench = Bench::start();
    let trace = r#"["trace",30]"#;
    let lines = |fields: &str| backtrace(&bench.fate(trace, fields).1.retry());
    assert_eq!(lines(r#""backtrace":true"#).len(), 30);
    assert_eq!(
        lines(r#""backtrace":3"#),
        ["app.rs:0", "app.rs:1", "app.rs:2"]
    );
    for fields in [
        "",
        r#""backtrace":false"#,
        r#""backtrace":0"#,
        r#""backtrace":null"#,
    ] {
        let entry = bench.fate(trace, fields).1.retry();
        assert!(entry.json().get("error_backtrace").is_none(), "{fields}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_cut_at_ten_thousand_characters() {
    let bench = Bench::start();
    for (length, kept) in [(9_999, 9_999), (10_000, 10_000), (50_000_000, 10_000)] {
        let (_, fate) = bench.fate(&format!(r#"["shout",{length}]"#), "");
        let json = fate.retry().json();
        let message = json["error_message"].as_str().unwrap();
        assert_eq!(message.chars().count(), kept);
        assert!(message.chars().all(|char| char == 'ä'));
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_byte_of_a_failed_job_stays() {
    let bench = Bench::start();
    let job = r#" { "class" : "Do", "args":["fail"],
        "jid":"odd", "queue":"q", "n":12345678901234567890, "f":1.10, "e":[], "z":-0.0, "x":1E400,
        "u":"\u2028\ud800", "dup":1, "dup":2, "wide":"日本", "error_class":"Old" } "#;
    bench.site.push("q", job);
    bench.site.settle();
    let entry = bench.whereabouts("odd").retry();
    // Not read as JSON: serde_json, as many others, knows no 1E400 and no half surrogate.
    let text = entry.text();
    let (_, after) = text.split_once(r#""failed_at":"#).unwrap();
    let failed_at = after.split(',').next().unwrap();
    let expected = job
        .replace(r#""error_class":"Old""#, r#""error_class":"Boom""#)
        .replace(
            " } ",
            &format!(r#","error_message":"no luck","failed_at":{failed_at},"retry_count":0 }} "#),
        );
    assert_eq!(entry.text(), expected);
    bench.end().await;
}

struct Layer(&'static str, Log);

impl Middleware for Layer {
    async fn call(&self, ctx: &Context, next: Next<'_>) -> Result<(), JobError> {
        self.1.note(ctx, "into", self.0);
        match (self.0, ctx.field("layer")) {
            ("inner", Some(r#""stop""#)) => return Ok(()),
            ("inner", Some(r#""fail""#)) => return Err(JobError::retry("Layer", "in the way")),
            ("inner", Some(r#""panic""#)) => panic!("in the way"),
            _ => {}
        }
        let result = next.run(ctx).await;
        self.1.note(ctx, "out of", self.0);
        match (self.0, ctx.field("layer")) {
            ("outer", Some(r#""forgive""#)) => Ok(()),
            _ => result,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn middleware_stands_around_every_run_in_order() {
    let layers = Log::default();
    let (outer, inner) = (
        Layer("outer", layers.clone()),
        Layer("inner", layers.clone()),
    );
    let bench = Bench::with(|_| {}, |builder| builder.layer(outer).layer(inner));
    let run = |args: &str, mode: &str| {
        let (jid, fate) = bench.fate(args, &format!(r#""layer":"{mode}""#));
        (layers.of(&jid), bench.log.of(&jid), fate)
    };
    let all = ["into outer", "into inner", "out of inner", "out of outer"];
    let (seen, log, fate) = run(r#"["ok"]"#, "pass");
    assert_eq!(
        (&seen[..], &log[..]),
        (&all.map(String::from)[..], &["run 1".into()][..])
    );
    assert_eq!(fate, Fate::Gone);
    // Not calling the rest ends the job as done.
    let (seen, log, fate) = run(r#"["fail"]"#, "stop");
    assert_eq!(seen, ["into outer", "into inner", "out of outer"]);
    assert!(log.is_empty());
    assert_eq!(fate, Fate::Gone);
    // Its errors and panics are the job's.
    let (_, log, fate) = run(r#"["ok"]"#, "fail");
    assert_eq!(log, ["error Layer"]);
    assert_eq!(fate.retry().json()["error_message"], "in the way");
    let (_, log, fate) = run(r#"["ok"]"#, "panic");
    assert_eq!(log, ["error Panic"]);
    fate.retry();
    // It may also take an error away.
    let (_, log, fate) = run(r#"["fail"]"#, "forgive");
    assert_eq!(log, ["run 1"]);
    assert_eq!(fate, Fate::Gone);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_panics_stops_neither_the_others_nor_the_retry() {
    let log = Log::default();
    let late = log.clone();
    let bench = Bench::with(
        |_| {},
        |builder| {
            builder
                .on_error(|_, _| panic!("a hook's own problem"))
                .on_error(move |ctx, _| late.note(ctx, "error", "after the panic"))
                .on_death(|_, _| panic!("a hook's own problem"))
        },
    );
    let (jid, fate) = bench.fate(r#"["fail"]"#, "");
    fate.retry();
    assert_eq!(log.of(&jid), ["error after the panic"]);
    bench.fate(r#"["bury"]"#, "").1.dead();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_set_is_trimmed_by_count_and_age_with_its_reasons() {
    let bench = Bench::with(
        |config| {
            config.dead_max_jobs = 10;
            config.dead_timeout = Duration::from_secs(1000);
        },
        |builder| builder,
    );
    let site = &bench.site;
    // One that has been dead for longer than the limit, and one that has not.
    site.add("dead", site.clock() - 1001.0, "too old");
    site.add("dead", site.clock() - 990.0, "old");
    site.push("q", "not a job");
    site.settle();
    let members = || -> Vec<String> { site.entries("dead").iter().map(Entry::text).collect() };
    assert_eq!(members(), ["old", "not a job"]);
    assert!(site.reason(b"not a job").is_some());

    // As Sidekiq: one fewer than the limit stays, the youngest.
    let jids: Vec<String> = (0..12).map(|_| bench.fate(r#"["bury"]"#, "").0).collect();
    let left = members();
    assert_eq!(left.len(), 9);
    for (jid, text) in jids[3..].iter().zip(&left) {
        assert!(text.contains(&format!(r#""jid":"{jid}""#)), "{text}");
    }
    assert_eq!(site.reason(b"not a job"), None, "it goes with its entry");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_count_as_processed_and_a_snooze_does_not_count() {
    let bench = Bench::start();
    for args in [
        r#"["ok"]"#,
        r#"["fail"]"#,
        r#"["discard"]"#,
        r#"["snooze",300]"#,
    ] {
        bench.fate(args, "");
    }
    bench.site.push("q", "not a job");
    bench.site.settle();
    let Bench { site, worker, .. } = bench;
    worker.stop().await.unwrap();
    // Flushed at the latest at the end.
    let count = |name: &str| site.ask::<i64>(redis::cmd("GET").arg(name));
    assert_eq!((count("stat:processed"), count("stat:failed")), (3, 2));
    let day: Value = json!(site.ask::<Vec<String>>(redis::cmd("KEYS").arg("stat:failed:*")));
    assert_eq!(day.as_array().map(Vec::len), Some(1), "{day}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_ruby_is_taken_up_where_ruby_left_it() {
    // Sidekiq 7's own form: seconds as floats, an old backtrace with line breaks.
    let bench = Bench::start();
    let job = r#"{"retry":25,"queue":"q","args":["fail"],"class":"Do","jid":"ruby","created_at":1795398164.3647704,"enqueued_at":1795398164.36,"error_message":"old","error_class":"RuntimeError","failed_at":1795398165.5,"retry_count":3,"retried_at":1795398175.25}"#;
    bench.site.add("retry", 1, job);
    let entry = wait_for(SOON, "the next failure", || {
        let entry = bench.site.entry("retry", "ruby")?;
        entry.text().contains("Boom").then_some(entry)
    });
    assert_eq!(int(&entry, "retry_count"), 4);
    assert!(
        entry.text().contains(r#""failed_at":1795398165.5,"#),
        "as it was"
    );
    assert!(entry.text().contains(r#""created_at":1795398164.3647704,"#));
    assert_eq!(bench.log.of("ruby"), ["run 5", "error Boom"]);
    bench.end().await;
}

//! Runs that end otherwise than by returning, and what stands around them: panics, timeouts, unknown classes, middleware,
//! hooks.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gandy::{
    BlockingHandler, Context, HandlerOptions, Job, JobError, Middleware, Next, RawHandler,
    RetrySetting,
};
use gandy_tests::{wait_eq, wait_until};
use serde::{Deserialize, Serialize};

use crate::{
    bench::{Bench, DropsBadly, Fate, Log},
    support::SOON,
};

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

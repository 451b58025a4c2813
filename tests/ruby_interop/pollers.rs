//! Ruby's scheduled poller beside our promoter, on one `schedule` and one `retry`.

use std::collections::BTreeMap;
use std::time::Duration;

use gandy::{Push, Worker};
use gandy_tests::{EventKind, History, wait_eq};
use serde_json::{Value, json, value::RawValue};

use crate::support::SOON;
use crate::{Border, Runs, now};

const JOBS: usize = 2_000;

/// Half pushed by Ruby and half by us, due at random within some seconds and in heaps at one instant; run by both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_two_thousand_scheduled_jobs_run_once_each_beside_rubys_poller() {
    let Some(border) = Border::open("ruby_interop_two_thousand_scheduled_jobs") else {
        return;
    };
    let (history, runs) = (History::new(), Runs::default());
    let (notes, writer, noted) = (history.writer("test"), history.writer("ours"), runs.clone());
    let writer = std::sync::Arc::new(writer);
    // Our stamps are milliseconds here, so that an entry's `enqueued_at` tells who promoted it.
    let worker = Worker::builder(border.site.config())
        .signals(false)
        .concurrency(5)
        .handler_fn("HistoryJob", move |_: Box<RawValue>, ctx| {
            let writer = std::sync::Arc::clone(&writer);
            noted.note(&ctx);
            async move {
                writer.start(ctx.jid());
                writer.end(ctx.jid());
                Ok(())
            }
        });
    let worker = worker.build().unwrap().start();
    let settings = border.site.redis.dir().join("sidekiq.yml");
    std::fs::write(&settings, ":poll_interval_average: 0.01\n").unwrap();
    let ruby = border
        .ruby
        .worker(&history, &["-c", "2", "-C", settings.to_str().unwrap()]);

    // Ruby's poller begins up to 5 s after its process.
    let first = now() + 6.0;
    let times: Vec<f64> = (0..JOBS)
        .map(|n| match n % 4 {
            0 => first + 2.0,
            _ => first + (fastrand::f64() * 5_000.0).floor() / 1000.0,
        })
        .collect();
    let (theirs, ours) = times.split_at(JOBS / 2);
    let args: Vec<Value> = theirs
        .iter()
        .map(|_| json!([9_007_199_254_740_993_u64]))
        .collect();
    let mut jids = border
        .ruby
        .push_bulk(&json!({"class": "HistoryJob", "args": args, "at": theirs}));
    let client = border.client().await;
    let pushes = ours
        .iter()
        .map(|at| Push::raw("HistoryJob", "[1]").at_millis((at * 1000.0).round() as i64));
    for receipt in client.send_all(pushes).await {
        jids.push(receipt.unwrap().jid);
    }
    assert!(
        now() < first,
        "the machine is too slow for this test: pushing took until the first was due"
    );
    jids.iter().for_each(|jid| notes.acknowledged(jid));

    wait_eq(
        Duration::from_secs(60),
        "all scheduled jobs ran",
        &JOBS,
        || history.ended(),
    );
    border.site.settle();
    worker.stop().await.unwrap();
    let report = history.report();
    report.assert_sound();
    assert_eq!(
        (report.ended, report.extra_starts, report.extra_ends),
        (JOBS, 0, 0),
        "{report}"
    );

    let due: BTreeMap<&str, f64> = jids.iter().map(String::as_str).zip(times).collect();
    let starts: Vec<_> = history
        .events()
        .into_iter()
        .filter(|e| e.kind == EventKind::Start)
        .collect();
    let mut lags: Vec<f64> = starts
        .iter()
        .map(|e| e.at.as_secs_f64() - due[e.jid.as_str()])
        .collect();
    lags.sort_by(f64::total_cmp);
    let by_ruby = starts.iter().filter(|e| e.worker == ruby.name()).count();
    let promoted_by_ruby = jids
        .iter()
        .flat_map(|jid| runs.of(jid))
        .filter(|ctx| ctx.field("enqueued_at").unwrap().contains('.'));
    let promoted_by_ruby = promoted_by_ruby.count();
    println!(
        "{JOBS} scheduled: Ruby ran {by_ruby}; of the {} that we ran Ruby promoted {promoted_by_ruby}; lag p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        runs.len(),
        lags[JOBS / 2] * 1e3,
        lags[JOBS * 99 / 100] * 1e3,
        lags[JOBS - 1] * 1e3
    );
    assert!(lags[0] > -0.0015, "a job ran {} s early", -lags[0]);
    assert!(
        promoted_by_ruby > 0 && promoted_by_ruby < runs.len(),
        "both must have promoted"
    );
    assert!(by_ruby > 0 && by_ruby < JOBS, "both must have run jobs");
    wait_eq(SOON, "nothing is left", &0, || {
        border.site.count("schedule")
    });
}

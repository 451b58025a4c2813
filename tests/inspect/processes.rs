//! Processes as they show themselves: ours, and Ruby's of several ages.

use gandy::{Context, JobError, Worker};
use gandy_tests::wait_until_async;
use redis::cmd;
use serde_json::Value;

use crate::{
    inspect, job,
    support::{SOON, Site},
};

/// A process of Sidekiq 8.1.0 and before: its concurrency stands inside `info` only.
const RUBY_INFO: &str = r#"{"hostname":"vm","started_at":1795398104.7517648,"pid":22564,"tag":"cap","concurrency":7,"queues":["default"],"labels":[],"identity":"vm:22564:a4dc4b6ef2be"}"#;

fn show(site: &Site, identity: &str, fields: &[(&str, &str)]) {
    site.ask::<()>(cmd("SADD").arg("processes").arg(identity));
    if !fields.is_empty() {
        site.ask::<()>(cmd("HSET").arg(identity).arg(fields));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubys_processes_are_shown_with_what_they_say() {
    let site = Site::start();
    let fields = [
        ("info", RUBY_INFO),
        ("busy", "2"),
        ("beat", "1795398164.3647704"),
        ("quiet", "true"),
        ("rss", "123456"),
        ("rtt_us", "250"),
    ];
    let old = "vm:22564:a4dc4b6ef2be";
    show(&site, old, &fields);
    // 8.1.3 and later say it in a field.
    let new = "vm:22565:a4dc4b6ef2bf";
    let said = [
        ("info", RUBY_INFO),
        ("concurrency", "12"),
        ("quiet", "false"),
    ];
    show(&site, new, &said);
    let work = r#"{"queue":"default","payload":"{\"jid\":\"j\"}","run_at":1795398104}"#;
    site.ask::<()>(cmd("HSET").arg(format!("{new}:work")).arg("2d4k").arg(work));
    // Its hash has expired: it is not heard of any more, and not cleaned up yet.
    show(&site, "vm:22566:a4dc4b6ef2c0", &[]);
    // A hash that holds nonsense.
    let nonsense = [("info", "{"), ("busy", "many"), ("beat", "x")];
    show(&site, "vm:22567:a4dc4b6ef2c1", &nonsense);

    let shown = inspect(&site).processes().await.unwrap();
    assert_eq!(shown.len(), 4);
    let first = &shown[0];
    assert_eq!(first.identity, old);
    assert_eq!((first.concurrency, first.busy, first.quiet), (7, 2, true));
    assert_eq!(first.beat_ms, Some(1_795_398_164_364));
    assert_eq!((first.rss_kb, first.rtt_us), (123_456, 250));
    assert_eq!(first.info, RUBY_INFO);
    let second = &shown[1];
    assert_eq!((second.concurrency, second.quiet), (12, false));
    assert_eq!((second.work.len(), &*second.work[0].id), (1, "2d4k"));
    assert_eq!(second.work[0].json, work);
    for empty in &shown[2..] {
        assert_eq!((empty.concurrency, empty.busy, empty.beat_ms), (0, 0, None));
        assert!(empty.work.is_empty());
    }
    assert_eq!(shown[2].info, "");
    let totals = inspect(&site).totals().await.unwrap();
    assert_eq!((totals.processes, totals.busy), (4, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_shown_with_what_it_runs() {
    let site = Site::start();
    let inspect = inspect(&site);
    let worker = Worker::builder(site.config())
        .signals(false)
        .concurrency(3)
        .handler_fn("Wait", |(), ctx: Context| async move {
            ctx.cancellation().cancelled().await;
            Err(JobError::retry("Stopped", "told to stop"))
        })
        .timeout(std::time::Duration::ZERO)
        .build()
        .unwrap()
        .start();
    let payload = job("j", r#","queue":"default""#).replace(r#""A""#, r#""Wait""#);
    site.push("default", &payload);
    wait_until_async(SOON, "the run is shown", async || {
        let shown = inspect.processes().await.unwrap();
        shown.len() == 1 && !shown[0].work.is_empty()
    })
    .await;
    let shown = inspect.processes().await.unwrap().remove(0);
    assert_eq!(Some(&shown.identity), worker.identity().as_ref());
    assert_eq!((shown.concurrency, shown.busy, shown.quiet), (3, 1, false));
    assert!(shown.rss_kb > 0 && shown.beat_ms.is_some());
    let work: Value = serde_json::from_str(&shown.work[0].json).unwrap();
    assert_eq!(work["payload"], payload);
    let totals = inspect.totals().await.unwrap();
    assert_eq!((totals.busy, totals.in_flight, totals.enqueued), (1, 1, 0));
    // A running job waits nowhere.
    assert!(inspect.find("j").await.unwrap().is_none());
    worker.stop().await.unwrap();
    assert!(inspect.processes().await.unwrap().is_empty());
    assert!(inspect.find("j").await.unwrap().is_some(), "given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_and_stop_leave_the_signals_that_ruby_reads() {
    let site = Site::start();
    let inspect = inspect(&site);
    let identity = "vm:22564:a4dc4b6ef2be";
    inspect.quiet(identity).await.unwrap();
    inspect.stop(identity).await.unwrap();
    let key = format!("{identity}-signals");
    let signals: Vec<String> = site.ask(cmd("LRANGE").arg(&key).arg(0).arg(-1));
    assert_eq!(
        signals,
        ["TERM", "TSTP"],
        "the oldest is taken from the right"
    );
    let ttl: i64 = site.ask(cmd("TTL").arg(&key));
    assert!((1..=60).contains(&ttl), "{ttl}");
}

//! What happens to a job after a failed run is what Sidekiq does, seen from outside: a worker, a real Redis, and its bytes.
#![allow(clippy::unwrap_used)]

#[path = "retry_rules/bench.rs"]
mod bench;
#[path = "retry_rules/elsewhere.rs"]
mod elsewhere;
#[path = "retry_rules/records.rs"]
mod records;
#[path = "retry_rules/runs.rs"]
mod runs;
mod support;

use bench::{Bench, Fate, int};
use gandy::{Context, HandlerOptions, JobError, RawHandler, RetrySetting};
use gandy_tests::{wait_eq, wait_until};
use support::SOON;

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

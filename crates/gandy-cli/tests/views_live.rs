//! `gandy push --wait`, `cancel`, `busy`, `history`, `metrics` and `mark`, with a worker that runs jobs.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use gandy::{Context, JobError, RunningWorker, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_until};
use serde_json::{Value, json};
use support::{DEADLINE, gandy};
use tokio::runtime::Runtime;

type Nothing = Vec<Value>;

/// A Redis and a worker in this process.
struct Site {
    redis: RedisServer,
    runtime: Runtime,
    worker: Option<RunningWorker>,
}

impl Site {
    fn new(embedded: bool) -> Self {
        let redis = RedisServer::start();
        let runtime = Runtime::new().unwrap();
        let mut config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
        config.concurrency = 4;
        config.timeout = Duration::from_secs(1);
        let worker = Worker::builder(config)
            .signals(!embedded)
            .handler_fn("Quick", |_: Nothing, _: Context| async { Ok(()) })
            .handler_fn("Fail", |_: Nothing, _: Context| async {
                Err(JobError::retry("Boom", "no\u{1b}[2J"))
            })
            .handler_fn("Bury", |_: Nothing, _: Context| async {
                Err(JobError::bury("Bad", "data"))
            })
            .handler_fn("Drop", |_: Nothing, _: Context| async {
                Err(JobError::discard("Gone", "record"))
            })
            // Heeds its cancellation and says so by an error, or, with an argument, ends well.
            .handler_fn("Long", |args: Nothing, ctx: Context| async move {
                ctx.set_progress(3, Some(10), "pages");
                ctx.cancellation().cancelled().await;
                match args.is_empty() {
                    true => Err(JobError::retry("Cancelled", "told to stop")),
                    false => Ok(()),
                }
            })
            .handler_fn("Deaf", |_: Nothing, _: Context| async {
                tokio::time::sleep(Duration::from_secs(600)).await;
                Ok(())
            })
            .build()
            .unwrap();
        let worker = Some(runtime.block_on(async { worker.start() }));
        let site = Self {
            redis,
            runtime,
            worker,
        };
        site.wait("the worker is in the fleet", &["HLEN", "gandy:fleet"], "1");
        site
    }

    fn gandy(&self, args: &[&str]) -> support::Answer {
        gandy(&self.redis, args)
    }

    fn wait(&self, what: &str, command: &[&str], wanted: &str) {
        wait_until(DEADLINE, what, || self.redis.cli(command) == wanted);
    }

    /// Pushes a job and waits until it runs.
    fn running(&self, class: &str, args: &[&str]) -> String {
        let jid = self.gandy(&[&["push", class], args].concat()).done();
        let jid = jid.trim().to_owned();
        let identity = self.worker.as_ref().unwrap().identity().unwrap();
        let held = format!("gandy:inflight:{identity}");
        wait_until(DEADLINE, "it is claimed", || {
            self.redis.cli(&["HVALS", &held]).contains(&jid)
        });
        jid
    }

    fn stop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.runtime.block_on(worker.stop()).unwrap();
        }
    }
}

#[test]
fn a_push_waits_for_done_failed_dead_and_away() {
    let mut site = Site::new(true);
    for (class, code, outcome, error, will_retry) in [
        ("Quick", 0, "done", None, false),
        ("Fail", 1, "failed", Some("Boom"), true),
        ("Bury", 1, "dead", Some("Bad"), false),
        ("Drop", 1, "failed", Some("Gone"), false),
    ] {
        let answer = site.gandy(&["push", class, "--wait", "--json"]);
        assert_eq!(answer.code, code, "{answer:?}");
        let document = support::document(&answer.out);
        let ended = &document["ended"];
        assert_eq!(
            (
                &ended["outcome"],
                &ended["error_class"],
                &ended["will_retry"]
            ),
            (&json!(outcome), &json!(error), &json!(will_retry)),
            "{document}"
        );
        let key = format!("gandy:outcome:{}", document["jid"].as_str().unwrap());
        let ttl: u32 = site.redis.cli(&["TTL", &key]).parse().unwrap();
        assert!((3_500..=3_600).contains(&ttl), "{ttl}");
    }
    let said = site.gandy(&["push", "Fail", "--wait"]);
    assert_eq!((said.code, said.out.len()), (1, 25), "{said:?}");
    assert_eq!(
        said.err,
        "note: failed, and will be retried: Boom: no\\u{1b}[2J\n"
    );
    let late = site.gandy(&["push", "Deaf", "--wait", "--timeout", "300ms", "--json"]);
    assert_eq!(late.code, 75, "{late:?}");
    assert_eq!(support::document(&late.out)["ended"], Value::Null);
    assert!(
        late.err.contains("within 300 ms; look with: gandy why "),
        "{}",
        late.err
    );
    // Who does not wait leaves nothing behind.
    let before = site.redis.cli(&["KEYS", "gandy:outcome:*"]).lines().count();
    site.gandy(&["push", "Quick"]).done();
    site.gandy(&["push", "Fail"]).done();
    site.wait("both have failed", &["ZCARD", "retry"], "3");
    site.wait("nothing waits", &["LLEN", "queue:default"], "0");
    assert_eq!(
        site.redis.cli(&["KEYS", "gandy:outcome:*"]).lines().count(),
        before
    );
    site.stop();
}

#[test]
fn a_running_job_is_cancelled_within_a_second_and_not_retried() {
    let mut site = Site::new(false);
    let jid = site.running("Long", &[]);
    // What is seen of it meanwhile.
    wait_until(DEADLINE, "it is shown as running", || {
        site.gandy(&["busy", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len()
            == 1
    });
    let busy = &site.gandy(&["busy", "--json"]).json()[0];
    assert_eq!(
        (&busy["jid"], &busy["class"], &busy["queue"]),
        (&json!(jid), &json!("Long"), &json!("default"))
    );
    assert_eq!(
        busy["progress"],
        json!({"done": 3, "total": 10, "note": "pages"})
    );
    let table = site.gandy(&["busy"]).done();
    assert!(table.contains("3 of 10 (30 %): pages"), "{table}");
    let why = site.gandy(&["why", &jid]).done();
    assert!(
        why.contains("it runs at ") && why.contains("3 of 10"),
        "{why}"
    );

    let pages = support::calls(&site.redis, "zrevrange");
    let began = Instant::now();
    let document = site.gandy(&["cancel", &jid, "--json"]).json();
    assert_eq!(
        support::calls(&site.redis, "zrevrange"),
        pages,
        "sets are not searched for what a worker holds"
    );
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(document["answer"], "told");
    let outcome = &document["outcome"];
    assert_eq!(
        (&outcome["outcome"], &outcome["error_class"]),
        (&json!("dead"), &json!("Cancelled"))
    );
    assert_eq!(site.redis.cli(&["ZCARD", "dead"]), "1", "not in retry");
    // The wish is seen and answered within a second; the command's start is not counted.
    let jid = site.running("Long", &["1"]);
    let identity = site.worker.as_ref().unwrap().identity().unwrap();
    let began = Instant::now();
    site.redis.cli(&[
        "LPUSH",
        &format!("{identity}-signals"),
        &format!("CANCEL {jid}"),
    ]);
    let answer = format!("gandy:cancelled:{jid}");
    wait_until(DEADLINE, "the answer", || {
        site.redis.cli(&["EXISTS", &answer]) == "1"
    });
    assert!(
        began.elapsed() < Duration::from_millis(1_300),
        "{:?}",
        began.elapsed()
    );
    // It ended well all the same, and that is what its outcome says.
    let outcome = format!("gandy:outcome:{jid}");
    wait_until(DEADLINE, "the outcome", || {
        site.redis
            .cli(&["GET", &outcome])
            .contains(r#""outcome":"done""#)
    });

    let again = site.gandy(&["cancel", &jid, "--json"]);
    assert_eq!(again.code, 1, "{again:?}");
    let document = support::document(&again.out);
    assert_eq!(
        (&document["answer"], &document["outcome"]["outcome"]),
        (&json!("not-running"), &json!("done"))
    );
    let waits = site.gandy(&["push", "Quick", "--in", "1h"]).done();
    let waits = waits.trim();
    let waiting = site.gandy(&["cancel", waits]);
    assert_eq!(waiting.code, 1);
    assert!(
        waiting
            .err
            .contains("does not run: it is in schedule, due in ")
            && waiting.err.contains(&format!("gandy delete {waits}")),
        "{}",
        waiting.err
    );
    // One that does not look at its cancellation runs on, and the command says so.
    let deaf = site.running("Deaf", &[]);
    let told = site.gandy(&["cancel", &deaf, "--timeout", "2s"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.out.contains("was told to stop at ") && told.out.contains("and still runs"),
        "{}",
        told.out
    );
    site.stop();
}

#[test]
fn an_embedded_worker_cancels_too_and_one_that_is_gone_does_not_answer() {
    let mut site = Site::new(true);
    let jid = site.running("Long", &[]);
    assert_eq!(
        site.gandy(&["cancel", &jid, "--json"]).json()["answer"],
        "told"
    );
    site.stop();
    let gone = "host:9:0123456789ab";
    site.redis.cli(&["HSET", "gandy:fleet", gone, "{}"]);
    site.redis
        .cli(&["SET", &format!("gandy:lease:{gone}"), "-"]);
    let payload = r#"{"class":"A","args":[],"jid":"j1"}"#;
    site.redis
        .cli(&["HSET", &format!("gandy:inflight:{gone}"), "1:q", payload]);
    let answer = site.gandy(&["cancel", "j1", "--timeout", "300ms"]);
    assert_eq!(answer.code, 75, "{answer:?}");
    assert!(
        answer.err.contains("did not answer in time"),
        "{}",
        answer.err
    );
    assert_eq!(site.redis.cli(&["TTL", &format!("{gone}-signals")]), "60");
}

#[test]
fn history_and_metrics_show_runs_times_and_deploys() {
    let mut site = Site::new(true);
    let marked = site.gandy(&["mark", "v1.4.2\u{1b}[2J", "--json"]).json();
    assert_eq!(marked["marked"], true);
    let at_ms = marked["at_ms"].as_i64().unwrap();
    assert_eq!(at_ms % 60_000, 0);
    let again = site.gandy(&["mark", "v1.4.2\u{1b}[2J"]);
    assert!(
        again.err.contains("was marked within the last minute"),
        "{again:?}"
    );
    for _ in 0..3 {
        site.gandy(&["push", "Quick"]).done();
    }
    site.gandy(&["push", "Fail"]).done();
    site.wait("the failure", &["ZCARD", "retry"], "1");
    // It counts for good when it ends.
    site.stop();
    // A run of 250 ms in the minute before, as Ruby writes it: the bucket below 335 ms.
    let minute = chrono::DateTime::from_timestamp_millis(at_ms - 60_000).unwrap();
    site.redis.cli(&[
        "HSET",
        &minute.format("j|%y%m%d|%-H:%M").to_string(),
        "Ruby|p",
        "1",
        "Ruby|ms",
        "250",
    ]);
    let histogram = minute.format("h|Ruby-%-d-%-H:%-M").to_string();
    site.redis
        .cli(&["BITFIELD", &histogram, "INCRBY", "u16", "#7", "1"]);

    let metrics = site.gandy(&["metrics", "--minutes", "15", "--json"]).json();
    let class = |name: &str| {
        let classes = metrics["classes"].as_array().unwrap().iter();
        classes
            .clone()
            .find(|class| class["class"] == name)
            .unwrap_or_else(|| panic!("{metrics}"))
    };
    assert_eq!(
        (&class("Quick")["runs"], &class("Quick")["failures"]),
        (&json!(3), &json!(0))
    );
    assert!(class("Quick")["p99_ms"].as_f64().unwrap() <= 20.0);
    assert_eq!(
        (&class("Fail")["failures"], &class("Fail")["mean_ms"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        (&class("Ruby")["mean_ms"], &class("Ruby")["p50_ms"]),
        (&json!(250.0), &json!(280.0))
    );
    assert_eq!(class("Quick")["series"].as_array().unwrap().len(), 15);
    assert_eq!(
        metrics["marks"],
        json!([{"at_ms": at_ms, "label": "v1.4.2\u{1b}[2J"}])
    );
    let hours = site
        .gandy(&["metrics", "Quick", "--hours", "2", "--json"])
        .json();
    assert_eq!(hours["classes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&hours["classes"][0]["runs"], &hours["step_s"]),
        (&json!(3), &json!(600))
    );
    let table = site.gandy(&["metrics", "--limit", "1"]);
    assert!(
        table.out.contains("Quick") && table.out.contains('█'),
        "{}",
        table.out
    );
    assert!(
        table.err.contains("note: deploy v1.4.2\\u{1b}[2J ")
            && table.err.contains("2 more classes ran"),
        "{}",
        table.err
    );

    let days = site.gandy(&["history", "--days", "3", "--json"]).json();
    assert_eq!(days.as_array().unwrap().len(), 3);
    // Midnight may have come since.
    let sum = |field: &str| -> u64 {
        days.as_array()
            .unwrap()
            .iter()
            .map(|day| day[field].as_u64().unwrap())
            .sum()
    };
    assert_eq!((sum("processed"), sum("failed")), (4, 1));
    let table = site.gandy(&["history", "--days", "3"]).done();
    assert!(
        table.contains("v1.4.2\\u{1b}[2J") && table.contains("25.00 %"),
        "{table}"
    );
    // A Ruby Web UI reads the same: a hash by minute that goes away after 90 days.
    let key = chrono::DateTime::from_timestamp_millis(at_ms)
        .unwrap()
        .format("%Y%m%d-marks")
        .to_string();
    assert_eq!(
        site.redis
            .cli(&["TTL", &key])
            .parse::<u64>()
            .unwrap()
            .div_ceil(86_400),
        90
    );
    assert!(
        site.gandy(&["mark", ""])
            .failed(2)
            .contains("1 to 200 bytes")
    );
}

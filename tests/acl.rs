//! The users of deploy/acl/gandy.acl may do what their roles do in a whole life of jobs, and nothing else. The file is loaded
//! by a real Redis as it is shipped, with passwords in the place of its marks.
#![allow(clippy::unwrap_used)]

#[path = "acl/denied.rs"]
mod denied;
#[path = "acl/file.rs"]
mod file;

use std::time::Duration;

use gandy::views::{Cancelled, Pick, Window};
use gandy::{Act, Client, Context, Inspect, JobError, Outcome, Place, Push, Worker, WorkerConfig};
use gandy_tests::{Flavour, RedisServer, denied, wait_eq, wait_until};

const SOON: Duration = Duration::from_secs(20);

fn client(server: &RedisServer) -> Client {
    let at = Flavour::Scripts.login(server, "producer");
    Client::builder().server(at).build().unwrap()
}

fn job(what: &str) -> Push {
    Push::raw("Any", format!("[{what:?}]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_may_push() {
    let server = Flavour::Scripts.serve(&[]);
    let client = client(&server);
    client.check().await.unwrap();
    client.send(job("now")).await.unwrap();
    client.send(job("now")).await.unwrap();
    let later = Duration::from_secs(3600);
    client.send(job("later").after(later)).await.unwrap();
    let many = client
        .send_all((0..3000).map(|_| job("many").queue("low")))
        .await;
    assert!(many.iter().all(Result::is_ok));
    // Behind a key: the first, the second, one that is scheduled, and one whose key has to be freed again.
    for (key, outcome) in [("a", Outcome::Enqueued), ("a", Outcome::Duplicate)] {
        let receipt = client.send(job("once").idempotency_key(key)).await.unwrap();
        assert_eq!(receipt.outcome, outcome);
    }
    let push = job("once").after(later).idempotency_key("b");
    client.send(push).await.unwrap();
    server.cli(&["SET", "queue:broken", "no list"]);
    let push = job("once").queue("broken").idempotency_key("c");
    let error = client.send(push).await.unwrap_err().to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    assert_eq!(denied(&server), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_do_everything_that_a_worker_does() {
    worker_life(Flavour::Scripts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_do_the_same_by_installed_functions() {
    worker_life(Flavour::Functions).await;
}

async fn worker_life(flavour: Flavour) {
    let server = flavour.serve(&[]);
    let client = client(&server);
    let mut config = WorkerConfig::new(flavour.login(&server, "worker"));
    config.queues = vec!["default".into(), "low".into(), "halted".into()];
    let worker = Worker::builder(config)
        .handler_fn("Any", |(what,): (String,), ctx: Context| async move {
            match what.as_str() {
                "retry" => Err(JobError::retry("E", "m")),
                "bury" => Err(JobError::bury("E", "m")),
                "discard" => Err(JobError::discard("E", "m")),
                "snooze" => Err(JobError::snooze(Duration::from_secs(3600))),
                "long" => {
                    ctx.cancellation().cancelled().await;
                    Err(JobError::retry("Cancelled", "m"))
                }
                _ => Ok(()),
            }
        })
        .build()
        .unwrap()
        .start();
    let is = |what: &str, key: &[&str], wanted: &str| {
        wait_eq(SOON, what, &wanted.to_owned(), || server.cli(key));
    };
    wait_until(SOON, "the worker is idle", || {
        server.cli(&["CLIENT", "LIST"]).contains("cmd=blmove")
    });
    // It rings in a landing list first, then in whole claims.
    client.send(job("now")).await.unwrap();
    for what in ["retry", "bury", "discard", "snooze", "now"] {
        client.send(job(what)).await.unwrap();
    }
    let soon = Duration::from_millis(300);
    client.send(job("now").after(soon)).await.unwrap();
    server.cli(&["SADD", "paused", "halted"]);
    client.send(job("now").queue("halted")).await.unwrap();
    // What cannot be read, in a queue and in a set.
    server.cli(&["LPUSH", "queue:low", "no JSON"]);
    server.cli(&["ZADD", "schedule", "1", "no JSON either"]);
    // What a dead worker left, and what nobody knows of.
    let left =
        |jid: &str| format!(r#"{{"class":"Any","args":["now"],"jid":"{jid}","queue":"low"}}"#);
    let dead = "host:1:a4dc4b6ef2be";
    server.cli(&[
        "HSET",
        &format!("gandy:inflight:{dead}"),
        "1:low",
        &left("j1"),
    ]);
    server.cli(&["HSET", "gandy:dying", dead, "{}"]);
    let lost = "host:2:a4dc4b6ef2be";
    server.cli(&[
        "HSET",
        &format!("gandy:inflight:{lost}"),
        "1:low",
        &left("j2"),
    ]);
    is(
        "the dead worker is forgotten",
        &["HEXISTS", "gandy:dying", dead],
        "0",
    );
    is(
        "what nobody knew of is found",
        &["EXISTS", &format!("gandy:inflight:{lost}")],
        "0",
    );
    is("a retry", &["ZCARD", "retry"], "1");
    is(
        "a snoozed job alone is scheduled",
        &["ZCARD", "schedule"],
        "1",
    );
    is("one buried, two unreadable", &["ZCARD", "dead"], "3");
    is("the halted queue", &["LLEN", "queue:halted"], "1");
    is(
        "all runs but the snoozed one",
        &["GET", "stat:processed"],
        "8",
    );
    let identity = worker.identity().unwrap();
    is("the heartbeat", &["SISMEMBER", "processes", &identity], "1");
    // Whoever waits is told, and who cancels is heard.
    let push = job("now").notify();
    let jid = push.id().to_owned();
    client.send(push).await.unwrap();
    let admin = Inspect::new(gandy::Server::new(&server.url()).unwrap(), "").unwrap();
    let ended = admin.wait(&jid, SOON).await.unwrap().unwrap();
    assert_eq!(ended.outcome, gandy::End::Done);
    let push = job("long");
    let jid = push.id().to_owned();
    client.send(push).await.unwrap();
    let held = format!("gandy:inflight:{identity}");
    is("the long job is claimed", &["HLEN", &held], "1");
    let cancelled = admin.cancel(&jid, SOON).await.unwrap();
    assert!(matches!(cancelled, Cancelled::Told { ended: Some(_), .. }));
    worker.stop().await.unwrap();
    assert_eq!(denied(&server), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_move_jobs_and_a_dashboard_may_look() {
    by_hand(Flavour::Scripts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_move_jobs_by_installed_functions() {
    by_hand(Flavour::Functions).await;
}

async fn by_hand(flavour: Flavour) {
    let server = flavour.serve(&[]);
    let client = client(&server);
    for what in ["a", "b"] {
        client.send(job(what)).await.unwrap();
    }
    let entry =
        |jid: &str| format!(r#"{{"class":"Any","args":[],"jid":"{jid}","queue":"default"}}"#);
    server.cli(&[
        "ZADD",
        "retry",
        "99999999999",
        &entry("r1"),
        "99999999999",
        &entry("r2"),
    ]);
    server.cli(&["ZADD", "dead", "9999999999", &entry("d1")]);
    server.cli(&["SADD", "processes", "host:1:a4dc4b6ef2be"]);
    server.cli(&["HSET", "gandy:fleet", "host:1:a4dc4b6ef2be", "{}"]);
    let held = "gandy:inflight:host:1:a4dc4b6ef2be";
    server.cli(&["HSET", held, "1:default", &entry("f1")]);
    let minute = "local t = tonumber(redis.call('TIME')[1]) return t";
    let now: i64 = server.cli(&["EVAL", minute, "0"]).parse().unwrap();
    let minute = gandy_protocol::Minute::from_millis(now * 1000);
    let key = gandy::Keys::default().metrics_minute(minute);
    server.cli(&["HSET", &key, "Any|p", "1"]);
    for user in ["operator", "dashboard"] {
        let inspect = Inspect::new(Flavour::Scripts.login(&server, user), "").unwrap();
        inspect.check().await.unwrap();
        assert_eq!(inspect.totals().await.unwrap().enqueued, 2);
        inspect.queues().await.unwrap();
        inspect.processes().await.unwrap();
        for place in [
            Place::Retry,
            Place::Dead,
            Place::Schedule,
            Place::Queue("default".into()),
        ] {
            inspect.jobs(&place, 0, 10).await.unwrap();
            inspect.size(&place).await.unwrap();
            let mut walk = inspect.walk(&place, None, false).await.unwrap();
            while walk.next(500).await.unwrap().is_some() {}
        }
        inspect.in_flight(None, 10).await.unwrap();
        let processes = ["host:1:a4dc4b6ef2be".to_owned()];
        inspect.presence(&processes).await.unwrap();
        let found = inspect.find("d1").await.unwrap().unwrap();
        assert_eq!(inspect.reason(&found).await.unwrap(), None);
        inspect.why("d1", SOON, &[]).await.unwrap();
        inspect.busy().await.unwrap();
        inspect.history(3).await.unwrap();
        let minutes = Window::Minutes(5);
        let metrics = inspect.metrics(minutes, Pick::busiest(5)).await.unwrap();
        assert_eq!(metrics.classes.len(), 1, "{user} reads the metrics");
        let alone = Pick::one(&metrics.classes[0].class);
        let alone = inspect.metrics(minutes, alone).await.unwrap();
        assert_eq!(
            alone.classes, metrics.classes,
            "{user} reads them of one class"
        );
        let wait = Duration::from_millis(1);
        assert_eq!(inspect.wait("d1", wait).await.unwrap(), None);
        let held = inspect.report("f1", SOON, &[]).await.unwrap();
        assert_eq!(held.sightings.len(), 1, "{user} sees what is in flight");
    }
    assert_eq!(denied(&server), "");

    let dashboard = Inspect::new(Flavour::Scripts.login(&server, "dashboard"), "").unwrap();
    let found = dashboard.find("d1").await.unwrap().unwrap();
    for refused in [
        dashboard.delete(&found).await.map(drop),
        dashboard.retry(&found).await.map(drop),
        dashboard.pause("default").await,
        dashboard.quiet("host:1:a4dc4b6ef2be").await,
    ] {
        assert!(refused.unwrap_err().to_string().contains("NOPERM"));
    }
    let _ = denied(&server);

    let operator = Inspect::new(flavour.login(&server, "operator"), "").unwrap();
    let jid = async |jid| operator.find(jid).await.unwrap().unwrap();
    assert!(operator.retry(&jid("r1").await).await.unwrap());
    assert!(operator.bury(&jid("r2").await).await.unwrap());
    assert!(operator.delete(&jid("d1").await).await.unwrap());
    // Whoever waits for a job that an operator deletes is told so.
    let waited = r#"{"class":"Any","args":[],"jid":"w1","queue":"default","gandy_notify":true}"#;
    server.cli(&["ZADD", "schedule", "99999999999", waited]);
    assert!(operator.delete(&jid("w1").await).await.unwrap());
    let ended = operator.outcome("w1").await.unwrap().unwrap();
    assert_eq!(ended.outcome, gandy::End::Deleted);
    for (from, act, jobs) in [
        (Place::Queue("default".into()), Act::Move("low".into()), 3),
        (Place::Queue("low".into()), Act::Bury, 3),
        (Place::Dead, Act::Retry, 4),
        (Place::Queue("default".into()), Act::Delete, 1),
    ] {
        let mut sweep = operator.sweep(&from, None, act).await.unwrap();
        while sweep.step(500).await.unwrap() {}
        assert_eq!(sweep.so_far().done, jobs);
    }
    operator.unlist("default").await.unwrap();
    for (place, score) in [
        (Place::Queue("default".into()), None),
        (Place::Retry, Some(1.5)),
    ] {
        let back = vec![(score, entry("back").into_bytes())];
        operator.put_back(&place, back).await.unwrap();
    }
    operator.pause("default").await.unwrap();
    operator.unpause("default").await.unwrap();
    operator.quiet("host:1:a4dc4b6ef2be").await.unwrap();
    assert!(operator.mark("v1").await.unwrap().is_some());
    assert_eq!(operator.history(1).await.unwrap()[0].marks.len(), 1);
    server.cli(&["SET", "gandy:lease:host:1:a4dc4b6ef2be", "-"]);
    let soon = Duration::from_millis(50);
    let cancelled = operator.cancel("f1", soon).await.unwrap();
    assert!(matches!(cancelled, Cancelled::NoAnswer { .. }));
    // Who pushes may wait.
    let producer = Inspect::new(Flavour::Scripts.login(&server, "producer"), "").unwrap();
    assert_eq!(producer.wait("d1", soon).await.unwrap(), None);
    assert_eq!(denied(&server), "");
    assert_eq!(server.cli(&["LLEN", "queue:default"]), "1");
}

//! Jobs whose class has no handler here: left to who has one without an attempt spent, failures where nobody has.

use std::time::Duration;

use gandy::{Context, RunningWorker, Worker};
use gandy_protocol::Identity;
use gandy_store::Line;
use gandy_tests::{line, wait_for, wait_until};

use crate::{
    bench::{Bench, Fate},
    support::{Entry, Monitor, SOON},
};

/// A job is left for so many seconds at most: one that is due later than this after some moment was left since.
const LONGEST: f64 = 2.0;

/// After so many seconds everybody has looked at the fleet again.
const LOOK_EVERY: f64 = 3.0;

/// A worker beside the bench's, with a handler for `New`.
fn newer(bench: &Bench) -> RunningWorker {
    let mut config = bench.site.config();
    config.queues = vec!["q".into()];
    let worker = Worker::builder(config)
        .signals(false)
        .handler_fn("New", |_: (u32,), _: Context| async { Ok(()) })
        .build()
        .unwrap()
        .start();
    wait_until(SOON, "both are in the fleet", || fleet(bench) == 2);
    worker
}

fn fleet(bench: &Bench) -> usize {
    let fleet = bench.site.key("gandy:fleet");
    bench.site.ask(redis::cmd("HLEN").arg(fleet))
}

/// Waits until the job was left to others, and is due later than `after`.
fn left(bench: &Bench, jid: &str, after: f64) -> Entry {
    wait_for(SOON, "it was left", || match bench.whereabouts(jid) {
        Fate::Schedule(entry) if entry.score > after => Some(entry),
        Fate::Retry(entry) | Fate::Dead(entry) => panic!("an attempt was spent: {}", entry.text()),
        _ => None,
    })
}

/// Joins the fleet by hand, as a process that never claims.
async fn join(line: &Line, pid: u32, class: &str, queue: &str) -> Identity {
    let identity = Identity::new("elsewhere", pid, [7; 6]);
    let entry = format!(r#"{{"queues":["{queue}"],"classes":["{class}"]}}"#);
    let lease = Duration::from_secs(600);
    assert!(line.register(&identity, &entry, lease).await.unwrap());
    identity
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_that_a_process_beside_knows_is_left_to_it_without_an_attempt_spent() {
    let bench = Bench::start();
    let beside = newer(&bench);
    // It is there, and takes nothing.
    beside.quiet();
    let jid = bench.push_class("New", "[1]", "");
    let entry = left(&bench, &jid, bench.site.clock() - 1.0);
    let wanted = format!(r#"{{"class":"New","args":[1],"jid":"{jid}","queue":"q"}}"#);
    assert_eq!(entry.text(), wanted, "no byte is changed");
    // When it has left, nobody can run it until its successor is there, as when a release of one process is replaced.
    // Also when the bench has looked again since.
    beside.stop().await.unwrap();
    assert_eq!(fleet(&bench), 1);
    left(&bench, &jid, bench.site.clock() + LOOK_EVERY + LONGEST);
    let successor = newer(&bench);
    bench.worker.quiet();
    wait_until(SOON, "it has run", || {
        bench.site.is_settled() && bench.whereabouts(&jid) == Fate::Gone
    });
    assert!(bench.log.of(&jid).is_empty(), "{:?}", bench.log.of(&jid));
    successor.stop().await.unwrap();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_the_fleet_is_known_to_the_next_job_that_needs_him() {
    let bench = Bench::start();
    let line = line(&bench.site.redis);
    let fails = |class: &str| {
        let jid = bench.push_class(class, "[1]", "");
        bench.site.settle();
        let entry = bench.whereabouts(&jid).retry();
        assert_eq!(entry.json()["error_class"], "UnknownClass");
    };
    for round in 0..20 {
        // Whoever asks hears that nobody knows this class.
        let class = format!("New{round}");
        fails(&class);
        join(&line, round, &class, "q").await;
        // A failure would drop it.
        let jid = bench.push_class(&class, "[1]", r#""retry":false"#);
        bench.site.settle();
        let fate = bench.whereabouts(&jid);
        assert!(matches!(fate, Fate::Schedule(_)), "{class}: {fate:?}");
        assert!(bench.log.of(&jid).is_empty(), "{:?}", bench.log.of(&jid));
    }
    // Who listens to other queues cannot help.
    join(&line, 99, "Elsewhere", "other").await;
    fails("Elsewhere");
    bench.end().await;
}

/// How often the entries of processes were read, before any job was claimed: that reads by the same command.
fn read_entries(bench: &Bench) -> usize {
    let stats: String = bench.site.ask(redis::cmd("INFO").arg("commandstats"));
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_hmget:calls="));
    let number = calls.and_then(|rest| rest.split(',').next());
    number.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_left_a_moment_ago_is_remembered_also_where_no_job_had_asked_for_him() {
    let bench = Bench::start();
    let line = line(&bench.site.redis);
    let read = |times| {
        wait_until(SOON, "the fleet was looked at", || {
            read_entries(&bench) >= times
        });
    };
    // Its own entry, then the new one.
    read(1);
    let identity = join(&line, 1, "New", "q").await;
    read(2);
    line.leave(&identity).await.unwrap();
    wait_until(SOON, "it is forgotten in Redis", || {
        let dying: usize = bench.site.ask(redis::cmd("HLEN").arg("gandy:dying"));
        fleet(&bench) == 1 && dying == 0
    });
    let monitor = Monitor::of(&bench.site.redis);
    let jid = bench.push_class("New", "[1]", "");
    left(&bench, &jid, bench.site.clock() - 1.0);
    left(&bench, &jid, bench.site.clock() + LONGEST);
    // No entry is read twice, however often a job asks.
    let sent = monitor.stop();
    let reads = |line: &&String| line.contains(r#""HMGET" "gandy:fleet""#);
    assert_eq!(sent.iter().find(reads), None);
    bench.end().await;
}

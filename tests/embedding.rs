//! A worker inside an application: it shares the runtime, leaves the process its signals, and ends when it is told to.
#![allow(clippy::unwrap_used)]

#[path = "embedding/modes.rs"]
mod modes;
#[path = "embedding/shop.rs"]
mod shop;
mod support;

use std::time::{Duration, Instant};

use gandy::{Client, RunningWorker, Worker, WorkerBuilder};
use gandy_tests::{RedisServer, wait_eq, wait_until_async};
use redis::cmd;
use shop::{Diary, Greet, Hold};
use support::{SOON, Site};

fn client(site: &Site) -> Client {
    Client::builder().server(site.server()).build().unwrap()
}

fn builder(site: &Site, diary: &Diary) -> WorkerBuilder {
    Worker::builder(site.config())
        .signals(false)
        .concurrency(3)
        .handler::<Greet, _>(diary.clone())
        .handler::<Hold, _>(diary.clone())
}

fn start(site: &Site, diary: &Diary) -> RunningWorker {
    builder(site, diary).build().unwrap().start()
}

async fn joined(worker: &RunningWorker) -> String {
    wait_until_async(SOON, "the worker joins", async || {
        worker.identity().is_some()
    })
    .await;
    worker.identity().unwrap()
}

fn hello(name: &str) -> Greet {
    let name = name.to_owned();
    Greet { name }
}

/// Redis knows of no worker any more. (The watch is the fleet's and nobody's, and runs out by itself.)
fn is_gone(site: &Site) -> bool {
    let mut keys: Vec<String> = site.ask(cmd("KEYS").arg("gandy:*"));
    keys.retain(|key| key != "gandy:watch");
    let processes: usize = site.ask(cmd("SCARD").arg("processes"));
    keys.is_empty() && processes == 0
}

async fn serves(site: &Site) {
    let diary = Diary::default();
    let worker = start(site, &diary);
    let client = client(site);
    for number in 0..100 {
        client.push(hello(&format!("n{number}"))).await.unwrap();
    }
    wait_until_async(SOON, "all are greeted", async || diary.len() == 100).await;
    worker.stop().await.unwrap();
    assert!(is_gone(site));
    let one = diary.all().into_iter().filter(|line| line == "hello n42");
    assert_eq!(one.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_and_its_worker_share_a_runtime() {
    serves(&Site::start()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn they_share_one_thread_too() {
    serves(&Site::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_run_in_order_and_those_of_the_end_in_reverse() {
    let site = Site::start();
    let diary = Diary::default();
    let client = client(&site);
    client.push(hello("early")).await.unwrap();
    let note = |what: &'static str| {
        let diary = diary.clone();
        move || diary.note(what)
    };
    let slow = diary.clone();
    let opens = diary.clone();
    let worker = builder(&site, &diary)
        .on_startup(note("startup 1"))
        .on_startup(move || {
            // No job may begin before the application is ready for it.
            std::thread::sleep(Duration::from_millis(300));
            slow.note("startup 2");
        })
        .on_quiet(note("quiet 1"))
        .on_quiet(|| panic!("a hook's own problem"))
        .on_quiet(note("quiet 2"))
        .on_shutdown(move || {
            // The worker ends, but what runs goes on.
            opens.note("shutdown 1");
            opens.open();
        })
        .on_shutdown(note("shutdown 2"))
        .build()
        .unwrap()
        .start();
    wait_until_async(SOON, "the early job", async || diary.len() == 3).await;
    client.push(Hold {}).await.unwrap();
    wait_until_async(SOON, "the second runs", async || diary.len() == 4).await;
    worker.quiet();
    wait_until_async(SOON, "quiet", async || diary.len() == 6).await;
    worker.quiet();
    worker.stop().await.unwrap();
    let expected = [
        "startup 1",
        "startup 2",
        "hello early",
        "held",
        "quiet 2",
        "quiet 1",
        "shutdown 2",
        "shutdown 1",
        "let go",
    ];
    assert_eq!(diary.all(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_a_quiet_before_runs_the_hooks_of_both() {
    let site = Site::start();
    let diary = Diary::default();
    let note = |what: &'static str| {
        let diary = diary.clone();
        move || diary.note(what)
    };
    let worker = builder(&site, &diary)
        .on_quiet(note("quiet"))
        .on_shutdown(note("shutdown"))
        .build()
        .unwrap()
        .start();
    joined(&worker).await;
    worker.stop().await.unwrap();
    assert_eq!(diary.all(), ["quiet", "shutdown"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_tells_who_the_worker_is_and_how_busy() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = builder(&site, &diary).build().unwrap();
    let handle = worker.handle();
    assert_eq!((handle.identity(), handle.busy()), (None, 0));
    let worker = worker.start();
    let identity = joined(&worker).await;
    let fleet: Vec<String> = site.ask(cmd("HKEYS").arg("gandy:fleet"));
    assert_eq!(fleet, [identity.as_str()]);
    let client = client(&site);
    for _ in 0..5 {
        client.push(Hold {}).await.unwrap();
    }
    wait_until_async(SOON, "all places are taken", async || handle.busy() == 3).await;
    assert_eq!(site.redis.cli(&["LLEN", "queue:default"]), "2");
    diary.open();
    wait_until_async(SOON, "all have ended", async || diary.len() == 10).await;
    wait_until_async(SOON, "no place is taken", async || handle.busy() == 0).await;
    // Nothing runs, and nothing is said to run while the worker looks for jobs.
    site.redis.cli(&["SADD", "paused", "default"]);
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        assert_eq!(handle.busy(), 0);
        tokio::task::yield_now().await;
    }
    worker.stop().await.unwrap();
    assert_eq!((handle.identity(), handle.busy()), (None, 0));
    assert_eq!(handle.fences(), gandy::Fences::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_may_be_said_often_and_by_anybody() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = start(&site, &diary);
    joined(&worker).await;
    let (one, two) = (worker.handle(), worker.handle().clone());
    one.stop();
    one.stop();
    two.stop();
    two.quiet();
    tokio::time::timeout(SOON, worker.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(is_gone(&site));
    // After the end there is nothing left to stop.
    one.stop();
    two.quiet();
    assert_eq!(two.identity(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_claims_no_more_and_lets_run_what_runs() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = start(&site, &diary);
    let client = client(&site);
    client.push(Hold {}).await.unwrap();
    wait_until_async(SOON, "it runs", async || worker.busy() == 1).await;
    worker.quiet();
    for number in 0..3 {
        client.push(hello(&format!("n{number}"))).await.unwrap();
    }
    diary.open();
    wait_until_async(SOON, "it has ended", async || worker.busy() == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await; // The subject: nothing happens.
    assert_eq!(diary.all(), ["held", "let go"]);
    assert_eq!(site.redis.cli(&["LLEN", "queue:default"]), "3");
    worker.stop().await.unwrap();
    assert_eq!(site.redis.cli(&["LLEN", "queue:default"]), "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_gives_back_what_does_not_end_in_time() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = builder(&site, &diary)
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap()
        .start();
    client(&site).push(Hold {}).await.unwrap();
    wait_until_async(SOON, "it runs", async || worker.busy() == 1).await;
    let began = Instant::now();
    worker.stop().await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(2200));
    assert_eq!(site.redis.cli(&["LLEN", "queue:default"]), "1");
    assert!(is_gone(&site));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_stopped_while_it_waits_for_its_redis() {
    let redis = RedisServer::start();
    redis.kill9();
    let server = gandy::Server::new(&redis.url()).unwrap();
    let worker = Worker::builder(gandy::WorkerConfig::new(server))
        .signals(false)
        .build()
        .unwrap()
        .start();
    tokio::time::sleep(Duration::from_millis(300)).await; // It has tried and waits to try again.
    assert_eq!(worker.identity(), None);
    let began = Instant::now();
    worker.stop().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_handles_change_nothing() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = start(&site, &diary);
    joined(&worker).await;
    let handle = worker.handle();
    drop(worker.handle());
    // Not even the one that could have waited for the end.
    drop(worker);
    client(&site).push(hello("you")).await.unwrap();
    wait_until_async(SOON, "it runs on", async || diary.len() == 1).await;
    handle.stop();
    wait_until_async(SOON, "it ends when told to", async || is_gone(&site)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_from_redis_are_the_hosts_business() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = start(&site, &diary);
    let identity = joined(&worker).await;
    let signals = format!("{identity}-signals");
    for signal in ["TSTP", "TERM", "TTIN"] {
        site.ask::<()>(cmd("LPUSH").arg(&signals).arg(signal));
    }
    wait_eq(SOON, "they are taken away", &0, || {
        site.ask::<usize>(cmd("EXISTS").arg(&signals))
    });
    client(&site).push(hello("you")).await.unwrap();
    wait_until_async(SOON, "it works on", async || diary.len() == 1).await;
    wait_eq(SOON, "it is not quiet", &"false".to_owned(), || {
        site.redis.cli(&["HGET", &identity, "quiet"])
    });
    let info = site.redis.cli(&["HGET", &identity, "info"]);
    assert!(info.contains(r#""embedded":true"#), "{info}");
    assert_eq!(worker.identity(), Some(identity));
    worker.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_keeps_its_own_signals() {
    let site = Site::start();
    let worker = start(&site, &Diary::default());
    joined(&worker).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15), ("TSTP", 20), ("TTIN", 21)] {
        assert_eq!(caught >> (number - 1) & 1, 0, "{name} is caught");
    }
    worker.stop().await.unwrap();
}

/// The worker's future is dropped: as with a crash, its jobs are not given back at once. What must not happen is that a
/// part of it goes on, renews its lease and keeps its jobs from running elsewhere.
fn is_over(site: &Site, diary: &Diary, identity: &str) {
    // A run that went on would be let go now, and end a job that is about to run elsewhere.
    diary.open();
    let lease = format!("gandy:lease:{identity}");
    let left = || -> i64 { site.ask(cmd("PTTL").arg(&lease)) };
    // A lease of 15 s is renewed every 3 s.
    gandy_tests::wait_until(Duration::from_secs(12), "its lease runs out", || {
        left() < 10_000
    });
    site.push(
        "default",
        r#"{"class":"Greet","args":["late"],"jid":"late"}"#,
    );
    std::thread::sleep(Duration::from_millis(500)); // The subject: nobody takes it.
    let waits: usize = site.ask(cmd("LLEN").arg("queue:default"));
    assert_eq!((waits, diary.all()), (1, vec!["held".to_owned()]));
    // Another worker gives the job back at once where the lease is gone.
    let held: usize = site.ask(cmd("HLEN").arg(format!("gandy:inflight:{identity}")));
    assert_eq!(held, 1, "the job that ran is still in its name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_future_is_dropped_is_over() {
    let site = Site::start();
    let diary = Diary::default();
    let worker = builder(&site, &diary).build().unwrap();
    let handle = worker.handle();
    let busy = async {
        client(&site).push(Hold {}).await.unwrap();
        wait_until_async(SOON, "it runs", async || handle.busy() == 1).await;
    };
    // What `tokio::select!` with a Ctrl-C does.
    tokio::select! {
        ended = worker.run() => panic!("{ended:?}"),
        () = busy => {}
    }
    let fleet: Vec<String> = site.ask(cmd("HKEYS").arg("gandy:fleet"));
    is_over(&site, &diary, &fleet[0]);
}

#[test]
fn a_worker_whose_runtime_is_dropped_is_over() {
    let site = Site::start();
    let diary = Diary::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let worker = start(&site, &diary);
        client(&site).push(Hold {}).await.unwrap();
        wait_until_async(SOON, "it runs", async || worker.busy() == 1).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    let fleet: Vec<String> = site.ask(cmd("HKEYS").arg("gandy:fleet"));
    is_over(&site, &diary, &fleet[0]);
}

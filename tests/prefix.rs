//! Under a namespace every key carries the prefix: a whole life of jobs and of their worker touches nothing outside, and
//! with a hash tag all of it lies in one slot of a Redis Cluster.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gandy::{Client, Context, Inspect, JobError, Place, Push, RunningWorker, Worker};
use gandy_tests::{RedisServer, wait_eq, wait_until};
use support::{Monitor, SOON, Site, words};

/// Commands without keys, as far as a producer, a worker and an inspector need them.
const KEYLESS: [&str; 9] = [
    "PING", "TIME", "INFO", "HELLO", "CLIENT", "SCRIPT", "MULTI", "EXEC", "UNWATCH",
];

/// Keys of others, next to ours: plain Sidekiq's, and those of a namespace that begins alike. All are bait: what is due
/// there, waits there or is paused there is not ours.
fn bait(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let job = r#"{"class":"Ok","args":[],"jid":"bait","queue":"default"}"#;
    let dead_process = "host:1:0123456789ab";
    for prefix in ["", "shop2:", "shop", "gandy:"] {
        let key = |name: &str| format!("{prefix}{name}");
        for command in [
            redis::cmd("LPUSH").arg(key("queue:default")).arg(job),
            redis::cmd("LPUSH")
                .arg(key("gandy:landing:default"))
                .arg(job),
            redis::cmd("SADD").arg(key("queues")).arg("default"),
            redis::cmd("SADD").arg(key("paused")).arg("default"),
            redis::cmd("ZADD").arg(key("schedule")).arg(1).arg(job),
            redis::cmd("ZADD").arg(key("retry")).arg(1).arg(job),
            redis::cmd("ZADD").arg(key("dead")).arg(1).arg(job),
            redis::cmd("SADD").arg(key("processes")).arg(dead_process),
            redis::cmd("HSET")
                .arg(key("gandy:dying"))
                .arg(dead_process)
                .arg("{}"),
            redis::cmd("HSET")
                .arg(key(&format!("gandy:inflight:{dead_process}")))
                .arg("1:default")
                .arg(job),
            redis::cmd("SET").arg(key("stat:processed")).arg(5),
        ] {
            site.ask::<()>(command);
        }
    }
    dump(site)
}

/// Every key with its serialised value.
fn dump(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = site.ask(redis::cmd("KEYS").arg("*"));
    keys.into_iter()
        .map(|key| {
            let value = site.ask(redis::cmd("DUMP").arg(&key));
            (key, value)
        })
        .collect()
}

fn worker(site: &Site) -> RunningWorker {
    let mut config = site.config();
    config.queues = vec!["default,2".into(), "low,1".into()];
    Worker::builder(config)
        .signals(false)
        .handler_fn("Ok", |_: Option<u64>, _: Context| async { Ok(()) })
        .handler_fn("Fail", |_: (), _: Context| async {
            Err(JobError::retry("Boom", "no luck"))
        })
        .handler_fn("Snooze", |_: (), ctx: Context| async move {
            match ctx.field("enqueued_at").is_some_and(|at| at == "1") {
                true => Err(JobError::snooze(Duration::from_millis(100))),
                false => Ok(()),
            }
        })
        .handler_fn("Nap", |(millis,): (u64,), _: Context| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(())
        })
        .build()
        .unwrap()
        .start()
}

/// Everything that can happen to jobs and their worker. Returns the names of keys that were there on the way.
async fn whole_life(site: &Site, namespace: &str) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    let mut note = || {
        let keys: Vec<String> = site.ask(redis::cmd("KEYS").arg("*"));
        met.extend(keys);
    };
    let client = Client::builder()
        .server(site.server())
        .namespace(namespace)
        .connect()
        .await
        .unwrap();
    let inspect = Inspect::new(site.server(), namespace).unwrap();
    // A process that died with a job aboard, for the reaper.
    let died = "host:2:0123456789ab";
    let orphan = r#"{"class":"Ok","args":[],"jid":"orphan","queue":"default"}"#;
    let inflight = site.key(&format!("gandy:inflight:{died}"));
    site.ask::<()>(
        redis::cmd("HSET")
            .arg(&inflight)
            .arg("1:default")
            .arg(orphan),
    );
    site.ask::<()>(
        redis::cmd("HSET")
            .arg(site.key("gandy:dying"))
            .arg(died)
            .arg("{}"),
    );
    inspect.pause("low").await.unwrap();
    let worker = worker(site);

    client.push_raw("Ok", "[]").await.unwrap();
    for result in client
        .send_all((0..5).map(|n| Push::raw("Ok", format!("[{n}]"))))
        .await
    {
        result.unwrap();
    }
    client
        .send(Push::raw("Ok", "[]").after(Duration::from_millis(300)))
        .await
        .unwrap();
    client
        .send(Push::raw("Ok", "[]").queue("low"))
        .await
        .unwrap();
    client
        .send(Push::raw("Fail", "[]").retry(1).jid("fails"))
        .await
        .unwrap();
    site.push(
        "default",
        r#"{"class":"Snooze","args":[],"jid":"snoozed","queue":"default","enqueued_at":1}"#,
    );
    site.push("default", "not a job");
    wait_until(SOON, "the failed job in retry", || {
        site.entry("retry", "fails").is_some()
    });
    note();
    site.make_due("retry", &site.entry("retry", "fails").unwrap());
    wait_eq(SOON, "two dead", &2, || site.count("dead"));
    wait_eq(SOON, "nothing scheduled", &0, || site.count("schedule"));
    wait_until(SOON, "the orphan to be back", || {
        !site.ask::<bool>(redis::cmd("HEXISTS").arg(site.key("gandy:dying")).arg(died))
    });
    note();
    inspect.unpause("low").await.unwrap();
    site.settle();

    // The heartbeat, with a job that runs.
    client.push_raw("Nap", "[1800]").await.unwrap();
    wait_until(SOON, "the job to run", || worker.busy() == 1);
    let identity = worker.identity().unwrap();
    inspect.quiet(&identity).await.unwrap();
    // An embedded worker ignores what Redis tells it. A change of phase is shown at the next second.
    worker.quiet();
    wait_until(SOON, "the running job in the heartbeat", || {
        note();
        site.ask(redis::cmd("EXISTS").arg(site.key(&format!("{identity}:work"))))
    });
    look_and_move(&inspect, &identity).await;
    site.settle();
    worker.stop().await.unwrap();
    note();
    met
}

/// Looks at everything, and moves single jobs by hand.
async fn look_and_move(inspect: &Inspect, identity: &str) {
    assert_eq!(inspect.totals().await.unwrap().dead, 2);
    let queues = inspect.queues().await.unwrap();
    assert_eq!(
        queues.iter().map(|queue| &*queue.name).collect::<Vec<_>>(),
        ["default", "low"]
    );
    let processes = inspect.processes().await.unwrap();
    assert_eq!(
        processes
            .iter()
            .map(|process| &*process.identity)
            .collect::<Vec<_>>(),
        [identity]
    );
    let fails = inspect.find("fails").await.unwrap().unwrap();
    assert_eq!(fails.place, Place::Dead);
    assert!(inspect.delete(&fails).await.unwrap());
    let garbage = inspect.jobs(&Place::Dead, 0, 10).await.unwrap().remove(0);
    assert!(inspect.reason(&garbage).await.unwrap().is_some());
}

/// The keys that every command named, as Redis itself reads them out of it. `[0 lua]` lines are a script's own commands.
fn keys_named(site: &Site, lines: &[String], own: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for line in lines
        .iter()
        .filter(|line| !line.contains(&format!(" {own}] ")))
    {
        let words = words(line);
        let Some(name) = words.first().map(|name| name.to_uppercase()) else {
            continue;
        };
        if name == "SCAN" {
            keys.insert(words[3].replace('\\', ""));
        } else if line.contains(" lua] ") && name == "KEYS" {
            // The script of this test that looks whether all is settled.
        } else if !KEYLESS.contains(&&*name) && seen.insert(words.clone()) {
            let find = redis::cmd("COMMAND").arg("GETKEYS").arg(&words).to_owned();
            keys.extend(site.ask::<Vec<String>>(&find));
        }
    }
    keys
}

async fn nothing_outside(redis: RedisServer, namespace: &str) -> (Site, BTreeSet<String>) {
    let site = Site::over(redis, namespace);
    let before = bait(&site);
    let monitor = Monitor::of(&site.redis);
    let met = whole_life(&site, namespace).await;
    let lines = monitor.stop();

    let info: String = site.ask(redis::cmd("CLIENT").arg("INFO"));
    let own = info
        .split(' ')
        .find_map(|field| field.strip_prefix("addr="))
        .unwrap();
    let named = keys_named(&site, &lines, own);
    println!(
        "{namespace}: {} commands named {} keys",
        lines.len(),
        named.len()
    );
    let prefix = site.key("");
    let outside: Vec<&String> = named
        .iter()
        .filter(|key| !key.starts_with(&prefix))
        .collect();
    assert!(
        outside.is_empty(),
        "commands named keys outside of {prefix} {outside:?}"
    );
    // Every kind of key has been met, so the life was a whole one.
    for name in [
        "queues",
        "queue:",
        "schedule",
        "retry",
        "dead",
        "paused",
        "processes",
        "process_cleanup",
        "stat:processed",
        "stat:failed",
        "j|",
        "h|",
        "gandy:fleet",
        "gandy:dying",
        "gandy:lease:",
        "gandy:inflight:",
        "gandy:landing:",
        "gandy:recovered:",
        "gandy:reasons",
        "gandy:promoter",
    ] {
        assert!(
            named.iter().any(|key| key.starts_with(&site.key(name))),
            "no command named {name}"
        );
    }

    let mut after = dump(&site);
    let met_outside: Vec<&String> = met
        .iter()
        .filter(|key| !key.starts_with(&prefix) && !before.contains_key(*key))
        .collect();
    assert!(
        met_outside.is_empty(),
        "keys appeared outside of {prefix} {met_outside:?}"
    );
    after.retain(|key, _| !key.starts_with(&prefix));
    assert!(after == before, "keys outside of {prefix} have changed");
    let keys: Vec<String> = site.ask(redis::cmd("KEYS").arg("*"));
    let ours = keys.into_iter().filter(|key| key.starts_with(&prefix));
    let all = ours
        .chain(named)
        .chain(met.into_iter().filter(|key| key.starts_with(&prefix)))
        .collect();
    (site, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_a_whole_life_begins_with_the_prefix() {
    nothing_outside(RedisServer::start(), "shop").await;
}

/// A cluster of one node: it refuses what names keys of two slots, as any cluster does.
fn cluster() -> RedisServer {
    let redis = RedisServer::with(&["--cluster-enabled", "yes"]);
    redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    wait_until(SOON, "the cluster to be up", || {
        redis.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    redis
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_hash_tag_a_whole_life_lies_in_one_slot_of_a_cluster() {
    let (site, keys) = nothing_outside(cluster(), "{gandy-0}").await;
    let slot = |key: &str| site.ask::<u16>(redis::cmd("CLUSTER").arg("KEYSLOT").arg(key));
    let tag = slot("gandy-0");
    for key in &keys {
        assert_eq!(slot(key), tag, "{key} lies in another slot");
    }
    println!("{} keys in slot {tag}", keys.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_refused_without_a_hash_tag() {
    for namespace in ["", "shop"] {
        let site = Site::over(cluster(), namespace);
        let worker = Worker::builder(site.config())
            .signals(false)
            .build()
            .unwrap();
        let error = worker.run().await.unwrap_err().to_string();
        assert!(error.contains("hash tag"), "{error}");
        let client = Client::builder()
            .server(site.server())
            .namespace(namespace)
            .connect()
            .await;
        let error = client.unwrap_err().to_string();
        assert!(error.contains("hash tag"), "{error}");
        assert!(dump(&site).is_empty());
    }
}

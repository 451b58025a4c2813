//! I4, I7, P1 and P3 where replies get lost: what Redis did is done, and whoever asked does not know. No job is lost, none
//! runs twice that was not pushed twice, and nobody has to restart for that.
//!
//! `GANDY_BATTERY=full` makes it ten times as large, `GANDY_SEED` repeats what chance decided.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gandy::{Client, Kind, Push, Server};
use gandy_faults::{Deed, Plan, Proxy, Rule, When};
use gandy_tests::{
    Crew, EventKind, History, HistoryWriter, Holdings, Proc, RedisServer, detour, payload,
    push_jobs, seed, wait_until,
};
use nix::sys::signal::Signal;
use tokio::task::JoinSet;

const LONG: Duration = Duration::from_secs(180);
/// I7: what a lost claim took is found again.
const ADOPTED: Duration = Duration::from_secs(5);
/// After which a worker gives a reply up that does not come; a blocking command's is the same.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a worker or a producer asks of Redis, and which reply of it is lost for sure, whatever chance decides.
const KINDS: [(&str, u64); 26] = [
    ("CLIENT SETINFO", 3),
    ("EXEC", 2),
    ("HDEL", 5),
    ("HELLO", 3),
    ("HKEYS", 2),
    ("INFO", 3),
    ("INCRBY", 1),
    ("LPUSH", 2),
    ("MULTI", 3),
    ("PTTL", 2),
    ("QUEUED", 20),
    ("RPOP", 2),
    ("SADD", 1),
    ("SCRIPT LOAD", 2),
    ("TIME", 2),
    ("ZADD", 2),
    ("claim", 5),
    ("due", 5),
    ("forget", 1),
    ("land", 3),
    ("promote", 1),
    ("register", 2),
    ("renew", 2),
    ("retire", 1),
    ("return", 1),
    ("settle", 2),
];

/// What a worker asks when it finds jobs that it does not know.
const OF_STRAYS: [&str; 2] = ["HGET", "HSTRLEN"];

/// What a worker asks when it leaves.
const OF_LEAVING: [&str; 7] = [
    "HKEYS", "SREM", "forget", "resign", "retire", "return", "unland",
];

/// How much larger than the quick form.
fn scale() -> usize {
    match std::env::var("GANDY_BATTERY").as_deref() {
        Ok("full") => 10,
        _ => 1,
    }
}

/// A Redis, the way to it on which replies get lost, and what happened.
struct Scene {
    server: RedisServer,
    proxy: Proxy,
    history: History,
    notes: HistoryWriter,
}

impl Scene {
    fn new() -> Self {
        let server = RedisServer::start();
        let proxy = detour(&server, seed());
        let history = History::new();
        let notes = history.writer("test");
        Self {
            server,
            proxy,
            history,
            notes,
        }
    }

    /// Workers behind the proxy.
    fn crew(&self) -> Crew {
        Crew::new(env!("CARGO_BIN_EXE_crew"), &self.server)
            .history(&self.history)
            .set("REDIS_URL", self.proxy.url())
            .set("CREW_TIMEOUT_MS", 500)
    }

    fn push(&self, tag: &str, class: &str, args: &str, count: usize) -> Vec<String> {
        push_jobs(&self.server, &self.notes, tag, class, args, count)
    }

    /// Jobs that fail and are not retried.
    fn push_mortal(&self, tag: &str, count: usize) -> Vec<String> {
        let jids: Vec<String> = (0..count)
            .map(|number| format!("{tag}{number:06}"))
            .collect();
        let job = |jid: &String| {
            self.notes.acknowledged(jid);
            payload("Fail", "[]", jid).replace(r#""retry":true"#, r#""retry":0"#)
        };
        for chunk in jids.chunks(1000) {
            let jobs: Vec<String> = chunk.iter().map(job).collect();
            let mut push = redis::cmd("LPUSH");
            push.arg("queue:default").arg(jobs);
            push.exec(&mut self.server.conn()).unwrap();
        }
        jids
    }

    /// Jobs that come due one after another within these seconds.
    fn schedule(&self, count: usize, seconds: f64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut pipe = redis::pipe();
        for number in 0..count {
            let jid = format!("due{number:06}");
            let at = now.as_secs_f64() + seconds * number as f64 / count as f64;
            let job = payload("Nap", "[2]", &jid);
            pipe.cmd("ZADD").arg("schedule").arg(at).arg(job);
            self.notes.acknowledged(&jid);
        }
        pipe.exec(&mut self.server.conn()).unwrap();
    }

    fn number(&self, command: &[&str]) -> usize {
        self.server.cli(command).parse().unwrap()
    }

    /// Jobs in the in-flight hashes of everybody.
    fn in_flight(&self) -> usize {
        Holdings::of(&self.server).count("gandy:inflight:")
    }

    fn wait_for_ends(&self, count: usize) {
        wait_until(LONG, "all have ended", || {
            // The history is long: it is read when there is hope.
            self.number(&["LLEN", "queue:default"]) + self.number(&["ZCARD", "schedule"]) == 0
                && self.history.ended() >= count
        });
    }

    /// How often each job began, or ended.
    fn times(&self, kind: EventKind) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for event in self.history.events() {
            if event.kind == kind {
                *times.entry(event.jid).or_default() += 1;
            }
        }
        times
    }
}

/// One reply in a hundred of everything, and of each kind one for sure; and now and then a request arrives in part.
fn losses() -> Plan {
    let sure = KINDS.map(|(name, nth)| Rule::of(name, When::Nth(nth), Deed::Lose));
    Plan {
        rules: sure.into(),
        ..Plan::default()
    }
    .rule(Rule::of_all(When::Share(0.01), Deed::Lose))
    .rule(Rule::of_all(When::Share(0.002), Deed::Cut(25)))
}

/// Pushes through the proxy as a web application does that wants to be sure: what may or may not have happened is sent
/// again, the same. How often each job was sent.
fn produce(scene: &Scene, tasks: usize, each: usize) -> BTreeMap<String, usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = Server::new(&scene.proxy.url()).unwrap();
    let client = Client::builder().server(server).build().unwrap();
    runtime.block_on(async {
        let mut pushes = JoinSet::new();
        for task in 0..tasks {
            let client = client.clone();
            let jids = (0..each).map(|number| format!("web{task}-{number:05}"));
            let jids: Vec<String> = jids.inspect(|jid| scene.notes.attempted(jid)).collect();
            pushes.spawn(async move {
                let mut sent = Vec::new();
                for (number, jid) in jids.into_iter().enumerate() {
                    let mut push = Push::raw("Nap", "[2]").jid(&jid);
                    if number % 10 == 0 {
                        push = push.after(Duration::from_secs(2));
                    }
                    sent.push((jid, send(&client, push).await));
                    tokio::time::sleep(Duration::from_millis(5)).await; // Its pace.
                }
                sent
            });
        }
        let sent: BTreeMap<String, usize> = pushes.join_all().await.into_iter().flatten().collect();
        sent.keys().for_each(|jid| scene.notes.acknowledged(jid));
        sent
    })
}

/// Sends until it is acknowledged. How often it may have been enqueued.
async fn send(client: &Client, push: Push) -> usize {
    let mut times = 1;
    loop {
        match client.send(push.clone()).await {
            Ok(_) => return times,
            Err(error) => match error.kind() {
                Kind::Unknown => times += 1,
                Kind::Retry => tokio::time::sleep(Duration::from_millis(10)).await,
                _ => panic!("{error}"),
            },
        }
    }
}

#[test]
fn i4_replies_lost_of_every_kind_lose_no_job_and_double_none_that_was_pushed_once() {
    let (scene, scale) = (Scene::new(), scale());
    scene.proxy.set(losses());
    let crew = scene.crew().set("RUST_LOG", "gandy=warn");
    let workers: Vec<Proc> = (0..3).map(|_| crew.start()).collect();
    for worker in &workers {
        worker.wait_for_log("crew: started", LONG);
    }
    let began = Instant::now();
    scene.push("j", "Nap", "[8]", 9_000 * scale);
    let again = scene.push("again", "Fail", "[]", 400 * scale);
    let never = scene.push_mortal("never", 400 * scale);
    scene.schedule(800 * scale, 8.0);
    let sent = produce(&scene, 8, 150 * scale);
    let count = 9_000 * scale + 800 * scale + sent.len();
    scene.wait_for_ends(count);
    println!("all had ended after {:?}", began.elapsed());
    leave_in_the_middle(&scene, &workers, count);

    let held = Holdings::of(&scene.server);
    let tally = scene.proxy.tally();
    let report = scene.history.report_with_held(&held.jids());
    println!("{tally}\nheld: {held}\n{report}");
    report.assert_sound();
    let (starts, ends) = (scene.times(EventKind::Start), scene.times(EventKind::End));
    let repeated: usize = sent.values().map(|times| times - 1).sum();
    println!(
        "{repeated} pushes were repeated; {} jobs ended twice",
        report.extra_ends
    );
    for (jid, times) in &ends {
        let most = sent.get(jid).copied().unwrap_or(1);
        assert!(
            *times <= most,
            "{jid} ended {times} times, pushed {most} times"
        );
    }
    assert!(report.extra_ends as u64 <= tally.total.unanswered());
    for jid in &again {
        let places = held.places(jid);
        assert_eq!(places.len(), 1, "{jid} has failed and is in {places:?}");
    }
    for jid in &never {
        assert_eq!(held.places(jid), ["dead"], "{jid}");
        assert_eq!(starts[jid], 1, "{jid}");
    }
    assert_eq!(tally.garbled, 0);
    let spared: Vec<&str> = KINDS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| tally.of(name).unanswered() == 0)
        .collect();
    assert!(spared.is_empty(), "no reply was lost of {spared:?}");
}

/// Two of the three workers are told to stop while all of them run jobs: what they give back the third one runs.
fn leave_in_the_middle(scene: &Scene, workers: &[Proc], before: usize) {
    let late = scene.push("late", "Nap", "[1500]", 30);
    wait_until(LONG, "all workers are busy", || scene.in_flight() >= 30);
    let stop = |worker: &Proc| {
        worker.signal(Signal::SIGTERM);
        let status = worker.wait_exit(Duration::from_secs(10));
        assert!(status.success(), "{status}{}", worker.tail());
    };
    for worker in &workers[..2] {
        assert!(worker.is_running(), "a worker ended by itself");
        stop(worker);
    }
    scene.wait_for_ends(before + late.len());
    wait_until(LONG, "nothing is in flight", || scene.in_flight() == 0);
    stop(&workers[2]);
}

/// Loses one reply of `kind` to an idle worker that gets `jobs` jobs: how long the last of them waited for its start.
fn lose_one(scene: &Scene, tag: &str, kind: &str, deed: Deed, jobs: usize) -> Duration {
    wait_until(LONG, "the worker is idle", || {
        Holdings::of(&scene.server).is_settled()
            && scene.server.cli(&["CLIENT", "LIST"]).contains("cmd=blmove")
    });
    let ended = scene.history.ended();
    let plan = Plan::default().rule(Rule::of(kind, When::Nth(1), deed));
    scene.proxy.set(plan);
    let before = scene.proxy.tally();
    if ["BLMOVE", "land"].contains(&kind) {
        // What an idle worker waits for it has asked before the rule was made.
        wait_until(LONG, "the worker asks again", || {
            scene.proxy.tally().of("BLMOVE").requests > before.of("BLMOVE").requests
        });
    }
    let pushed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let jids = scene.push(tag, "Nap", "[20]", jobs);
    wait_until(LONG, "all have ended", || {
        scene.history.ended() == ended + jobs
    });
    let tally = scene.proxy.tally();
    assert_eq!(
        tally.of(kind).dropped,
        before.of(kind).dropped + 1,
        "{kind}"
    );
    scene.proxy.heal();
    let events = scene.history.events();
    let starts = events
        .iter()
        .filter(|event| event.kind == EventKind::Start && jids.contains(&event.jid));
    starts.map(|event| event.at - pushed).max().unwrap()
}

#[test]
fn i7_what_a_claim_took_whose_reply_was_lost_is_found_within_5_s() {
    let scene = Scene::new();
    let worker = scene.crew().start_and_wait();
    let identity = Crew::identity(&worker);
    for round in 0..3 {
        for (kind, jobs) in [("land", 1), ("BLMOVE", 1), ("claim", 200), ("HDEL", 20)] {
            let tag = format!("{kind}{round}-");
            let took = lose_one(&scene, &tag, kind, Deed::Lose, jobs);
            println!("a reply to {kind} was lost: the last of {jobs} began after {took:?}");
            assert!(took <= ADOPTED, "{kind}: {took:?}");
        }
    }
    // The connection stays open and silent: the deadline is the first to notice.
    for (kind, jobs) in [("land", 1), ("claim", 200)] {
        let took = lose_one(&scene, &format!("mute-{kind}-"), kind, Deed::Mute, jobs);
        println!("{kind} got no reply: the last of {jobs} began after {took:?}");
        assert!(took <= DEADLINE + ADOPTED, "{kind}: {took:?}");
    }
    let report = scene.history.report();
    println!("{report}");
    report.assert_sound();
    assert_eq!((report.extra_starts, report.extra_ends), (0, 0));
    assert_eq!(Crew::identity(&worker), identity, "it was taken for dead");
    assert!(worker.is_running());
}

#[test]
fn p8_a_worker_starts_although_the_first_reply_of_each_kind_is_lost() {
    let scene = Scene::new();
    for deed in [Deed::Lose, Deed::Cut(9)] {
        let mut plan = Plan::default();
        for kind in KINDS.map(|(kind, _)| kind).into_iter().chain(OF_STRAYS) {
            plan = plan.rule(Rule::of(kind, When::Nth(1), deed));
        }
        scene.proxy.set(plan);
        let ended = scene.history.ended();
        let worker = scene.crew().start_and_wait();
        scene.push(&format!("{deed:?}-"), "Note", "[]", 20);
        scene.wait_for_ends(ended + 20);
        worker.signal(Signal::SIGTERM);
        assert!(worker.wait_exit(Duration::from_secs(10)).success());
    }
    let report = scene.history.report();
    report.assert_sound();
    assert_eq!(report.extra_ends, 0, "{report}");
}

#[test]
fn p1_a_worker_that_leaves_gives_everything_back_although_replies_get_lost() {
    let scene = Scene::new();
    for deed in [Deed::Lose, Deed::Cut(9)] {
        let worker = scene.crew().start_and_wait();
        let jids = scene.push(&format!("{deed:?}-"), "Nap", "[600000]", 10);
        wait_until(LONG, "all are held", || scene.in_flight() == 10);
        let mut plan = Plan::default();
        for kind in OF_LEAVING {
            plan = plan.rule(Rule::of(kind, When::Nth(1), deed));
        }
        scene.proxy.set(plan);
        worker.signal(Signal::SIGTERM);
        assert!(worker.wait_exit(Duration::from_secs(10)).success());
        // Nobody else lives who could give them back.
        let held = Holdings::of(&scene.server);
        for jid in jids {
            assert_eq!(
                held.places(&jid),
                ["queue:default"],
                "{jid}{}",
                worker.tail()
            );
        }
        let known = ["EXISTS", "gandy:fleet", "gandy:dying", "processes"];
        assert_eq!(scene.server.cli(&known), "0", "{}", worker.tail());
        scene.server.cli(&["DEL", "queue:default"]);
    }
}

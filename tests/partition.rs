//! P1, P2, P3 and P8 where the network fails one worker of several: it is cut off, half cut off, far away, or gets
//! everything byte by byte. Others run its jobs in time, what it still believes to hold it cannot end, and it comes back
//! by itself.
//!
//! The partition lasts 25 s, with `GANDY_BATTERY=full` 60 s.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gandy::{Context, JobError, RunningWorker, Server, Worker, WorkerConfig};
use gandy_faults::{Plan, Proxy, Side};
use gandy_tests::{
    Crew, EventKind, History, HistoryWriter, Holdings, Proc, RedisServer, detour, payload,
    push_jobs, seed, wait_for, wait_until,
};

const LONG: Duration = Duration::from_secs(120);
/// P2: lease 15 s, reaper and change of duty 5 s. From the last sign of life that reached Redis.
const RECOVERY: Duration = Duration::from_secs(20);
/// A worker proves its life this often. Where only replies are lost one more proof may have got through.
const RENEWAL: Duration = Duration::from_secs(3);
/// From healing to the first job.
const BACK: Duration = Duration::from_secs(6);
/// A reaper believes that a lease is gone when it has watched for so long (I8).
const WATCHED: Duration = Duration::from_secs(16);
/// Jobs that a zombie runs at once.
const SLOTS: usize = 12;

/// How long the partition lasts.
fn partition() -> Duration {
    match std::env::var("GANDY_BATTERY").as_deref() {
        Ok("full") => Duration::from_secs(60),
        _ => Duration::from_secs(25),
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

type Anything = Box<serde_json::value::RawValue>;

/// A worker in this process, behind a proxy of its own, with a queue of its own beside `default`.
struct Zombie {
    name: &'static str,
    proxy: Proxy,
    worker: RunningWorker,
}

impl Zombie {
    /// Its jobs are slower than those of the others: `Fail` fails after 4 s, `Note` ends when it is told to stop.
    fn start(server: &RedisServer, history: &History, name: &'static str) -> Self {
        let proxy = detour(server, seed());
        let mut config = WorkerConfig::new(Server::new(&proxy.url()).unwrap());
        config.queues = vec!["default".into(), name.into()];
        config.concurrency = SLOTS;
        config.crash_budget = SLOTS;
        let notes = Arc::new(history.writer(name));
        let (nap, fail, note) = (Arc::clone(&notes), Arc::clone(&notes), notes);
        let worker = Worker::builder(config)
            .signals(false)
            .handler_fn("Nap", move |(millis,): (u64,), ctx: Context| {
                let notes = Arc::clone(&nap);
                async move {
                    notes.start(ctx.jid());
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    notes.end(ctx.jid());
                    Ok(())
                }
            })
            .handler_fn("Fail", move |_: Anything, ctx: Context| {
                let notes = Arc::clone(&fail);
                async move {
                    notes.start(ctx.jid());
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    Err(JobError::retry("Boom", "as asked"))
                }
            })
            .handler_fn("Note", move |_: Anything, ctx: Context| {
                let notes = Arc::clone(&note);
                async move {
                    notes.start(ctx.jid());
                    ctx.cancellation().cancelled().await;
                    Err(JobError::retry("Cancelled", "told to stop"))
                }
            })
            .build()
            .unwrap()
            .start();
        let zombie = Self {
            name,
            proxy,
            worker,
        };
        zombie.identity();
        zombie
    }

    fn identity(&self) -> String {
        wait_for(LONG, "the zombie has joined", || self.worker.identity())
    }

    /// The key of what it holds under its present identity.
    fn inflight(&self) -> String {
        format!("gandy:inflight:{}", self.identity())
    }
}

/// A Redis with jobs, and what happened to them.
struct Scene {
    server: RedisServer,
    history: History,
    notes: HistoryWriter,
    pushed: usize,
}

impl Scene {
    fn new() -> Self {
        let server = RedisServer::start();
        let history = History::new();
        let notes = history.writer("test");
        Self {
            server,
            history,
            notes,
            pushed: 0,
        }
    }

    /// A worker that nothing stands before.
    fn crew(&self, queues: &str) -> Proc {
        Crew::new(env!("CARGO_BIN_EXE_crew"), &self.server)
            .history(&self.history)
            .set("CREW_QUEUES", queues)
            .start_and_wait()
    }

    /// Pushes to `queue`, past every proxy. `retry` as in the payload.
    fn push(
        &mut self,
        queue: &str,
        class: &str,
        args: &str,
        retry: &str,
        count: usize,
    ) -> Vec<String> {
        let mut jids = Vec::new();
        for _ in 0..count {
            self.pushed += 1;
            let jid = format!("{queue}-{class}-{}", self.pushed);
            let job = payload(class, args, &jid)
                .replace(r#""queue":"default""#, &format!(r#""queue":"{queue}""#))
                .replace(r#""retry":true"#, &format!(r#""retry":{retry}"#));
            let mut push = redis::cmd("LPUSH");
            push.arg(format!("queue:{queue}")).arg(job);
            push.exec(&mut self.server.conn()).unwrap();
            self.notes.acknowledged(&jid);
            jids.push(jid);
        }
        jids
    }

    /// A few short jobs every now and then, until `done`.
    fn trickle(&mut self, deadline: Duration, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(began.elapsed() < deadline, "waited in vain for: {what}");
            self.pushed += 5;
            let tag = format!("trickle{}-", self.pushed);
            push_jobs(&self.server, &self.notes, &tag, "Nap", "[5]", 5);
            std::thread::sleep(Duration::from_millis(100)); // Its pace.
        }
    }

    fn number(&self, command: &[&str]) -> usize {
        self.server.cli(command).parse().unwrap()
    }

    /// When each of these jobs began in a worker whose name begins so, after `from`.
    fn begun(&self, jids: &BTreeSet<String>, worker: &str, from: Duration) -> Vec<Duration> {
        let events = self.history.events();
        let starts = events.iter().filter(|event| {
            event.kind == EventKind::Start
                && event.at > from
                && event.worker.starts_with(worker)
                && jids.contains(&event.jid)
        });
        starts.map(|event| event.at).collect()
    }

    /// The jobs that this worker began and had not ended at `at`.
    fn aboard(&self, worker: &str, at: Duration) -> BTreeSet<String> {
        let mut aboard = BTreeSet::new();
        let events = self.history.events();
        let own = events
            .iter()
            .filter(|event| event.worker == worker && event.at <= at);
        for event in own {
            match event.kind {
                EventKind::Start => aboard.insert(event.jid.clone()),
                EventKind::End => aboard.remove(&event.jid),
                _ => false,
            };
        }
        aboard
    }
}

/// Everything of one job is in one place, or it ended.
fn judge(scene: &Scene, failing: &[String], mortal: &[String]) -> gandy_tests::Report {
    wait_until(LONG, "all jobs are at rest", || {
        Holdings::of(&scene.server).is_settled()
    });
    let held = Holdings::of(&scene.server);
    let report = scene.history.report_with_held(&held.jids());
    println!("held: {held}\n{report}");
    report.assert_sound();
    for jid in failing {
        let places = held.places(jid);
        assert_eq!(places.len(), 1, "{jid} has failed and is in {places:?}");
    }
    for jid in mortal {
        assert_eq!(held.places(jid), ["dead"], "{jid}");
    }
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_worker_that_is_cut_off_is_replaced_fenced_and_comes_back() {
    let mut scene = Scene::new();
    let others: Vec<Proc> = (0..2).map(|_| scene.crew("busy default")).collect();
    // Nothing passes; or what it sends arrives and no reply comes back.
    let cut = Zombie::start(&scene.server, &scene.history, "cut");
    let deaf = Zombie::start(&scene.server, &scene.history, "deaf");
    let began = Instant::now();
    scene.trickle(LONG, "time passes", |_| began.elapsed() > WATCHED);

    // The others are busy, so that the two get these.
    scene.push("busy", "Nap", "[6000]", "true", 20);
    let busy: Vec<String> = others
        .iter()
        .map(|other| format!("gandy:inflight:{}", Crew::identity(other)))
        .collect();
    wait_until(LONG, "the others are busy", || {
        busy.iter().all(|key| scene.number(&["HLEN", key]) == 10)
    });
    scene.push("default", "Nap", "[4000]", "true", 8);
    let failing = scene.push("default", "Fail", "[]", "true", 6);
    let mortal = scene.push("default", "Fail", "[]", "0", 4);
    scene.push("default", "Note", "[]", "true", 6);
    let keys = [cut.inflight(), deaf.inflight()];
    let (mut aboard_cut, mut aboard_deaf) = (BTreeSet::new(), BTreeSet::new());
    wait_until(Duration::from_secs(5), "the two have all of them", || {
        aboard_cut = scene.aboard("cut", now());
        aboard_deaf = scene.aboard("deaf", now());
        (aboard_cut.len(), aboard_deaf.len()) == (SLOTS, SLOTS)
    });
    let hole = Plan::blackhole();
    deaf.proxy.set(Plan {
        back: hole.back,
        ..Plan::default()
    });
    cut.proxy.set(hole);
    let (cut_at, cut_on) = (Instant::now(), now());

    let mut gone = [None, None];
    scene.trickle(LONG, "both are replaced", |scene| {
        for (key, gone) in keys.iter().zip(&mut gone) {
            if gone.is_none() && scene.number(&["EXISTS", key]) == 0 {
                *gone = Some(cut_at.elapsed());
            }
        }
        gone.iter().all(Option::is_some)
    });
    println!("given back after: cut {:?}, deaf {:?}", gone[0], gone[1]);
    scene.trickle(LONG, "the others run them", |scene| {
        let begun = scene.begun(&aboard_cut, "crew-", cut_on);
        begun.len() >= SLOTS
    });
    let mut rerun = scene.begun(&aboard_cut, "crew-", cut_on);
    rerun.sort();
    let slowest = rerun[SLOTS - 1] - cut_on;
    println!("all of the one that was cut off began again within {slowest:?}");
    assert!(slowest <= RECOVERY, "P2: {slowest:?}");
    assert!(gone[1].unwrap() <= RECOVERY + RENEWAL, "{gone:?}");
    scene.trickle(LONG, "the partition lasts", |_| {
        cut_at.elapsed() > partition()
    });

    let old = [cut.identity(), deaf.identity()];
    let mut waiting = BTreeSet::new();
    for zombie in [&cut, &deaf] {
        waiting.extend(scene.push(zombie.name, "Nap", "[1]", "true", 3));
    }
    let healed = now();
    cut.proxy.heal();
    deaf.proxy.heal();
    let own = |scene: &Scene, name: &str| {
        let begun = scene.begun(&waiting, name, healed);
        begun.first().map(|at| *at - healed)
    };
    for zombie in [&cut, &deaf] {
        let back = wait_for(LONG, "it claims again", || own(&scene, zombie.name));
        println!("{} claimed again {back:?} after healing", zombie.name);
        assert!(back <= BACK, "{}: {back:?}", zombie.name);
        assert!(!old.contains(&zombie.identity()), "a new life");
    }
    // What ended behind the partition was another's by then: each of these ends was refused.
    let refused = |zombie: &Zombie| {
        let fences = zombie.worker.fences();
        fences.fenced + fences.unknown
    };
    let hanging =
        |aboard: &BTreeSet<String>| aboard.iter().filter(|jid| jid.contains("Note")).count();
    let ended = (SLOTS - hanging(&aboard_cut)) as u64;
    wait_until(LONG, "every end of it was refused", || {
        refused(&cut) >= ended
    });
    println!(
        "refused: cut {:?} of {ended} ends, deaf {:?}",
        cut.worker.fences(),
        deaf.worker.fences()
    );
    let report = judge(&scene, &failing, &mortal);
    assert!(report.extra_ends <= 2 * SLOTS, "P3: {report}");
    wait_until(LONG, "nobody is dying", || {
        scene.number(&["HLEN", "gandy:dying"]) == 0
    });
    assert!(others.iter().all(Proc::is_running));
    cut.worker.stop().await.unwrap();
    deaf.worker.stop().await.unwrap();
}

/// Jobs pass through one worker within `time` at least, while its line is treated so; another worker watches over it. It
/// must not be taken for dead, and no job may run twice.
async fn works_on(jobs: usize, time: Duration, treat: impl Fn(&Proxy, usize)) {
    let mut scene = Scene::new();
    let other = scene.crew("other");
    let zombie = Zombie::start(&scene.server, &scene.history, "zombie");
    let identity = zombie.identity();
    let began = Instant::now();
    let turns = jobs / 10;
    let pace = (time / turns as u32).max(Duration::from_millis(50));
    for turn in 0..turns {
        treat(&zombie.proxy, turn);
        scene.push("zombie", "Nap", "[10]", "true", 10);
        std::thread::sleep(pace);
    }
    let pushed = turns * 10;
    wait_until(LONG, "all have ended", || scene.history.ended() == pushed);
    println!("{pushed} jobs ended within {:?}", began.elapsed());
    zombie.proxy.heal();
    let report = judge(&scene, &[], &[]);
    assert_eq!((report.extra_starts, report.extra_ends), (0, 0), "{report}");
    assert_eq!(zombie.identity(), identity, "it was taken for dead");
    let fences = zombie.worker.fences();
    assert_eq!(fences.fenced, 0, "{fences:?}");
    assert_eq!(zombie.proxy.tally().garbled, 0);
    assert!(other.is_running());
    zombie.worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_line_that_is_half_closed_or_reset_again_and_again_doubles_nothing() {
    works_on(600, Duration::ZERO, |proxy, turn| {
        match turn % 12 {
            2 => proxy.half_close(Side::Client),
            6 => proxy.half_close(Side::Server),
            10 => proxy.reset(),
            _ => 0,
        };
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_everything_byte_by_byte_is_the_same() {
    works_on(1_000, Duration::ZERO, |proxy, turn| {
        if turn == 0 {
            proxy.set(Plan::slices(1));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_redis_200_ms_away_with_jitter_is_only_slow() {
    let (far, jitter) = (Duration::from_millis(100), Duration::from_millis(50));
    // Longer than a reaper needs to believe that a lease is gone, and than the lease.
    works_on(400, WATCHED, |proxy, turn| {
        if turn == 0 {
            proxy.set(Plan::far(far, jitter));
        }
    })
    .await;
}

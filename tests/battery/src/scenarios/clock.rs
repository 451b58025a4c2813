//! I8, P6: the clocks of Redis and of workers are hours apart and jump. Leases are Redis' own, so nobody is taken for dead;
//! what is due is due by Redis' clock, so nothing runs before its time; and who really dies is noticed all the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gandy_tests::{
    Clock, Crew, EventKind, History, HistoryWriter, Proc, RedisServer, held, in_flight, is_at_rest,
    payload, push_jobs, wait_until,
};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);
const HOUR: i64 = 3600;
/// A reaper believes that a lease is gone when the fleet was watched for so long, on a clock that did not jump (I8).
const WATCHED: u64 = 17;
/// P2, and what a jump adds: the watch begins anew.
const RECOVERY: f64 = 20.0;
/// Between two looks at who has begun.
const LOOK: Duration = Duration::from_millis(20);

/// The clocks: of Redis, and of two workers. A third worker has the right time.
struct Clocks {
    redis: Clock,
    workers: [Clock; 2],
}

impl Clocks {
    fn new() -> Result<Self, String> {
        Ok(Self {
            redis: Clock::new()?,
            workers: [Clock::new()?, Clock::new()?],
        })
    }

    /// Seconds ahead of the machine's, Redis' first.
    fn set(&self, [redis, one, other]: [i64; 3]) {
        self.redis.set(redis);
        self.workers[0].set(one);
        self.workers[1].set(other);
    }
}

/// Where the clocks stand in the course of a run, and for how long.
const COURSE: [([i64; 3], u64); 5] = [
    ([2 * HOUR, 7 * HOUR, -3 * HOUR], WATCHED),
    // All leases expire at once, while everybody was watched for long enough.
    ([5 * HOUR, 7 * HOUR, -3 * HOUR], 8),
    // They last for hours.
    ([-HOUR, 7 * HOUR, -3 * HOUR], 8),
    ([-HOUR, -20 * HOUR, 30 * HOUR], 8),
    ([3 * HOUR, 0, HOUR], WATCHED + 3),
];

pub(crate) fn run(stage: &Stage) -> Outcome {
    let clocks = match Clocks::new() {
        Ok(clocks) => clocks,
        Err(why) => return Outcome::skipped(why),
    };
    clocks.set(COURSE[0].0);
    let server = RedisServer::with_clock(&clocks.redis, &[]);
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage
        .crew(&server, &history)
        .concurrency(10)
        .set("RUST_LOG", "gandy=info");
    let mut workers: Vec<Proc> = clocks
        .workers
        .iter()
        .map(|clock| crew.clone().clock(clock).start_and_wait())
        .collect();
    workers.push(crew.start_and_wait());
    let names: Vec<String> = workers.iter().map(Crew::identity).collect();
    let mut due = Due::default();
    let failing = push_jobs(&server, &notes, "fail", "Fail", "[]", 10);
    wait_until(LONG, "they have failed", || {
        held(&server).len() == failing.len()
    });
    let (soonest, latest) = retries(&server);
    let rounds = stage.pick(1, 10);
    for round in 0..rounds {
        for (step, (clock, lasts)) in COURSE.into_iter().enumerate() {
            clocks.set(clock);
            let tag = format!("due{round}-{step}-");
            // In flight at the next jump.
            let long = format!("long{round}-{step}-");
            push_jobs(&server, &notes, &long, "Nap", "[12000]", 5);
            due.watch(&server, &history, &notes, &tag, Duration::from_secs(lasts));
        }
    }
    let dead = |worker: &&Proc| {
        let log = worker.log();
        ["declared dead", "a worker is dead"]
            .iter()
            .any(|words| log.contains(words))
    };
    let condemned = workers.iter().filter(dead).count();
    let renamed = workers.iter().zip(&names);
    let renamed = renamed.filter(|(worker, name)| Crew::identity(worker) != **name);
    let renamed = renamed.count();
    let recovered = a_real_death(&server, &notes, &mut workers);
    let report = history.report_with_held(&held(&server));
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.most("begun before its time, s", 1.0, due.earliest);
    outcome.exactly("due jobs begun", due.count, due.begun);
    outcome.least("delay of a first retry by Redis' clock, s", 13.0, soonest);
    outcome.most("the longest of them, s", 60.0, latest);
    outcome.none("workers that took somebody for dead", condemned);
    outcome.none("new identities", renamed);
    outcome.most("a real death: given back after, s", RECOVERY, recovered);
    outcome.all_run(&workers);
    outcome.note("begun late by, s", due.latest);
    outcome.note("jumps", (rounds * COURSE.len()) as f64 - 1.0);
    outcome
}

/// Jobs that come due, and when they began; seconds.
#[derive(Default)]
struct Due {
    count: usize,
    begun: usize,
    /// The most that one began before its time; negative: all began after.
    earliest: f64,
    latest: f64,
}

impl Due {
    /// Jobs come due one after another until `lasts` is over; when each begins is told by Redis' clock, since those of the
    /// workers tell something else.
    fn watch(
        &mut self,
        server: &RedisServer,
        history: &History,
        notes: &HistoryWriter,
        tag: &str,
        lasts: Duration,
    ) {
        let mut conn = server.conn();
        let mut now = || -> f64 {
            let asked = redis::cmd("TIME").query(&mut conn);
            let (seconds, micros): (f64, f64) = asked.expect("Redis answers");
            seconds + micros / 1e6
        };
        let from = now() + 1.0;
        let number = (lasts.as_secs_f64() * 5.0) as usize - 10;
        let mut waiting: BTreeMap<String, f64> = BTreeMap::new();
        for number in 0..number {
            let (jid, at) = (format!("{tag}{number:04}"), from + number as f64 * 0.2);
            let job = payload("Note", "[]", &jid);
            notes.acknowledged(&jid);
            server.cli(&["ZADD", "schedule", &at.to_string(), &job]);
            waiting.insert(jid, at);
        }
        self.count += waiting.len();
        let end = Instant::now() + lasts;
        // What is seen now began after the look before.
        let mut before = now();
        while Instant::now() < end {
            let next = now();
            for event in history.events() {
                if event.kind == EventKind::Start
                    && let Some(at) = waiting.remove(&event.jid)
                {
                    self.begun += 1;
                    self.earliest = self.earliest.max(at - before);
                    self.latest = self.latest.max(next - at);
                }
            }
            before = next;
            std::thread::sleep(LOOK);
        }
    }
}

/// From now to the first and to the last retry, by Redis' clock.
fn retries(server: &RedisServer) -> (f64, f64) {
    let scores = server.cli(&["ZRANGE", "retry", "0", "-1", "WITHSCORES"]);
    let now = server.cli(&["TIME"]);
    let now: f64 = now
        .lines()
        .next()
        .map_or(0.0, |time| time.parse().unwrap_or(0.0));
    let delays: Vec<f64> = scores
        .lines()
        .skip(1)
        .step_by(2)
        .map(|score| score.parse().unwrap_or(0.0) - now)
        .collect();
    let soonest = delays.iter().copied().fold(f64::INFINITY, f64::min);
    (soonest, delays.iter().copied().fold(0.0, f64::max))
}

/// Kills the worker whose clock is furthest off; after how many seconds what it held is back.
fn a_real_death(server: &RedisServer, notes: &HistoryWriter, workers: &mut Vec<Proc>) -> f64 {
    push_jobs(server, notes, "held", "Nap", "[1000]", 60);
    wait_until(LONG, "all hold jobs", || in_flight(server) >= 25);
    let victim = workers.swap_remove(1);
    let key = format!("gandy:inflight:{}", Crew::identity(&victim));
    victim.kill9();
    let killed = Instant::now();
    wait_until(LONG, "what it held is given back", || {
        gandy_tests::length(server, &key) == 0
    });
    let took = killed.elapsed();
    wait_until(LONG, "all have run", || is_at_rest(server, &[]));
    took.as_secs_f64()
}

//! P8: very many idle workers meet a Redis that comes back, and do not trample it.

use std::time::{Duration, Instant};

use gandy_tests::{History, Proc, RedisServer, length, push_jobs, wait_until};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);
/// Full jitter over several seconds; without it all of them come within one round trip.
const MOST_AT_ONCE: f64 = 50.0;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let many = stage.pick(40, 200);
    let server = RedisServer::with_aof();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage
        .crew(&server, &history)
        .concurrency(1)
        .set("CREW_THREADS", 1);
    let workers: Vec<Proc> = (0..many).map(|_| crew.start()).collect();
    wait_until(LONG, "all wait for jobs", || waiting(&server) >= many);
    server.kill9();
    std::thread::sleep(Duration::from_secs(5)); // The subject: all of them back off meanwhile.
    server.restart();
    let mut arrivals = Arrivals::watch(&server);
    let back = Instant::now();
    let mut half = None;
    wait_until(LONG, "all wait for jobs again", || {
        arrivals.look();
        let waiting = waiting(&server);
        if waiting >= many / 2 && half.is_none() {
            half = Some(back.elapsed());
        }
        waiting >= many
    });
    let all = back.elapsed();
    push_jobs(&server, &notes, "j", "Note", "[]", many * 5);
    wait_until(LONG, "they run jobs", || history.ended() == many * 5);
    let report = history.report();
    let mut outcome = Outcome::default();
    outcome.most("all claiming after, s", 10.0, all.as_secs_f64());
    outcome.most(
        "of the reconnects within a tenth of a second, %",
        MOST_AT_ONCE,
        arrivals.most_at_once(),
    );
    outcome.sound(&report);
    outcome.none("extra runs", report.extra_starts);
    outcome.all_run(&workers);
    outcome.none("taken for dead", length(&server, "gandy:dying"));
    outcome.note(
        "half of them claiming after, s",
        half.unwrap_or(all).as_secs_f64(),
    );
    outcome.note("workers", many as f64);
    outcome
}

/// When connections came.
struct Arrivals {
    conn: redis::Connection,
    began: Instant,
    /// How many had come at each look.
    counts: Vec<(Duration, usize)>,
}

impl Arrivals {
    fn watch(server: &RedisServer) -> Self {
        let mut arrivals = Self {
            conn: server.conn(),
            began: Instant::now(),
            counts: Vec::new(),
        };
        arrivals.look();
        arrivals
    }

    fn look(&mut self) {
        let info: redis::InfoDict = redis::cmd("INFO")
            .arg("stats")
            .query(&mut self.conn)
            .expect("Redis answers");
        let count = info.get("total_connections_received").unwrap_or(0);
        self.counts.push((self.began.elapsed(), count));
    }

    /// The largest share of them that came within a tenth of a second, in percent.
    fn most_at_once(&self) -> f64 {
        let last = self.counts.last().map_or(0, |(_, count)| *count);
        let within = |(at, count): &(Duration, usize)| {
            let soon = *at + Duration::from_millis(100);
            let later = self.counts.iter().take_while(|(at, _)| *at <= soon).last();
            later.map_or(0, |(_, later)| later - count)
        };
        let most = self.counts.iter().map(within).max().unwrap_or(0);
        100.0 * most as f64 / last.max(1) as f64
    }
}

/// Connections that wait in a blocking command: one for each idle worker of one queue.
fn waiting(server: &RedisServer) -> usize {
    let info = server.cli(&["INFO", "clients"]);
    let line = info
        .lines()
        .find_map(|line| line.trim().strip_prefix("blocked_clients:"));
    line.and_then(|count| count.parse().ok()).unwrap_or(0)
}

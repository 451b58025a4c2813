//! P1, P2, P3: workers are killed all the time, and every job runs to its end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy_tests::{
    Crew, History, HistoryWriter, Proc, RedisServer, held, is_at_rest, length, payload, push_jobs,
    suspects, wait_until,
};

use crate::outcome::Outcome;
use crate::stage::Stage;

/// P2, where connections are seen.
const RECOVERY: f64 = 5.0;
/// A job that was aboard twice comes back up to 60 s later.
const SUSPECTS: f64 = RECOVERY + 60.0;
const LONG: Duration = Duration::from_secs(240);

/// Jobs that come due one after another within so many seconds.
fn schedule(server: &RedisServer, notes: &HistoryWriter, count: usize, seconds: f64) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut conn = server.conn();
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(1000) {
        let mut command = redis::cmd("ZADD");
        command.arg("schedule");
        for number in chunk {
            let at = now.as_secs_f64() + seconds * *number as f64 / count as f64;
            command
                .arg(at)
                .arg(payload("Nap", "[20]", &format!("due{number:06}")));
        }
        command.exec(&mut conn).expect("Redis takes it");
        for number in chunk {
            notes.acknowledged(&format!("due{number:06}"));
        }
    }
}

pub(crate) fn run(stage: &Stage) -> Outcome {
    let jobs = stage.size(2_500, 50_000, 1_000_000);
    let patience = stage.patience(LONG);
    let mut random = stage.random();
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let nap = stage.size("[200]", "[20]", "[20]");
    push_jobs(&server, &notes, "j", "Nap", nap, jobs);
    // Some come due all the time, so that somebody is always promoting.
    let lasts = if stage.probe {
        12.0
    } else {
        jobs as f64 / 6_000.0
    };
    let due = stage.size(1_000, 5_000, 100_000);
    schedule(&server, &notes, due, lasts);
    let crew = stage.crew(&server, &history);
    let crew = crew.concurrency(stage.size(10, 25, 25));
    let mut workers: Vec<Proc> = (0..4).map(|_| crew.start_and_wait()).collect();
    let (mut kills, mut aboard) = (0, 0);
    // A probe is over when the one on duty was killed three times: its successor takes two seconds.
    while length(&server, "queue:default") > 0 && !(stage.probe && kills == 3) {
        std::thread::sleep(Duration::from_millis(random.u64(1000..3000))); // The subject: the pace of the kills.
        let mut victim = random.usize(..workers.len());
        if kills % 3 == 1 || stage.probe {
            // Who promotes and reaps, for once.
            let on_duty = server.cli(&["GET", "gandy:promoter"]);
            let pid = |worker: &Proc| format!(":{}:", worker.pid());
            let has = workers
                .iter()
                .position(|worker| on_duty.contains(&pid(worker)));
            victim = has.unwrap_or(victim);
        }
        let identity = Crew::identity_of(&server, &workers[victim]);
        aboard += Crew::stop_and_count(&server, &workers[victim], &identity);
        notes.kill(&Crew::name_of(&workers[victim]));
        workers[victim].kill9();
        kills += 1;
        workers[victim] = crew.start();
    }
    wait_until(patience, "nothing is queued or in flight any more", || {
        is_at_rest(&server, &["schedule", "retry", "gandy:dying"])
    });
    let landed = server.cli(&["KEYS", "gandy:landing:*"]).lines().count();
    let report = history.report_beside(&held(&server), &suspects(&server));
    let slowest = |times: &[Duration]| times.last().map_or(0.0, Duration::as_secs_f64);
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.most("extra runs", aboard as f64, report.extra_starts as f64);
    outcome.most(
        "slowest recovery, s",
        RECOVERY,
        slowest(&report.recovery_times),
    );
    outcome.most(
        "slowest recovery of suspects, s",
        SUSPECTS,
        slowest(&report.suspects_recovery_times),
    );
    outcome.least("kills", stage.size(3.0, 3.0, 60.0), f64::from(kills));
    outcome.none("landing lists left", landed);
    outcome.note("jobs", (jobs + due) as f64);
    outcome.note("buried", length(&server, "dead") as f64);
    outcome
}

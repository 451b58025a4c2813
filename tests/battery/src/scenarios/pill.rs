//! P5: jobs that abort their process end in `dead`, after three deaths at most, and take nobody with them.

use std::time::{Duration, Instant};

use gandy_tests::{Crew, History, Proc, RedisServer, held, is_at_rest, length, payload, push_jobs};

use crate::outcome::Outcome;
use crate::stage::Stage;

const PILLS: usize = 5;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let (jobs, lasts) = stage.pick((5_000, 280), (100_000, 1_200));
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    push_jobs(&server, &notes, "first", "Nap", "[5]", jobs / 2);
    for number in 0..PILLS {
        server.cli(&[
            "LPUSH",
            "queue:default",
            &payload("Pill", "[]", &format!("pill{number}")),
        ]);
    }
    push_jobs(&server, &notes, "then", "Nap", "[5]", jobs - jobs / 2);
    let crew = stage.crew(&server, &history).concurrency(10);
    let mut workers: Vec<Proc> = (0..3).map(|_| crew.start()).collect();
    let mut crashes = 0;
    let end = Instant::now() + Duration::from_secs(lasts);
    let is_over =
        || length(&server, "dead") >= PILLS && is_at_rest(&server, &["schedule", "gandy:dying"]);
    while !is_over() && Instant::now() < end {
        for worker in &mut workers {
            if !worker.is_running() {
                notes.kill(&Crew::name_of(worker));
                crashes += 1;
                *worker = crew.start();
            }
        }
        std::thread::sleep(Duration::from_millis(100)); // The supervisor's own pace.
    }
    let held = held(&server);
    let innocents = held.iter().filter(|jid| !jid.starts_with("pill")).count();
    let report = history.report_with_held(&held);
    let mut outcome = Outcome::default();
    outcome.none("lost", report.lost.len());
    outcome.exactly("pills dead", PILLS, held.len() - innocents);
    outcome.none("innocents buried", innocents);
    outcome.most("crashes", (PILLS * 3) as f64, f64::from(crashes));
    outcome.exactly("ended", jobs, report.ended);
    outcome.note("extra runs", report.extra_starts as f64);
    outcome
}

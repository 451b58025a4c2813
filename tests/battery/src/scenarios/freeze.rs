//! I3, I8: a worker that is stopped for longer than its lease and goes on changes nothing of what others have done since.

use std::collections::BTreeSet;
use std::time::Duration;

use gandy_tests::{
    Crew, EventKind, History, Proc, RedisServer, held_often, in_flight, is_at_rest, length,
    push_jobs, wait_until,
};
use nix::sys::signal::Signal;

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);
/// Two leases.
const FROZEN: Duration = Duration::from_secs(30);

pub(crate) fn run(stage: &Stage) -> Outcome {
    let rounds = stage.pick(1, 20);
    let patience = stage.patience(LONG);
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage
        .crew(&server, &history)
        .concurrency(4)
        .set("CREW_THREADS", 4)
        .set("RUST_LOG", "gandy=info");
    let workers: Vec<Proc> = (0..3).map(|_| crew.start_and_wait()).collect();
    let (mut aboard, mut new_names, mut late) = (0, 0, 0);
    for round in 0..rounds {
        // Some would end, some would fail, right after waking up.
        let tag = |what: &str| format!("{what}{round}-");
        let mut failing = Vec::new();
        for pair in 0..stage.size(16, 8, 8) {
            let push = |what: &str, class: &str| {
                let tag = tag(&format!("{what}{pair}-"));
                push_jobs(&server, &notes, &tag, class, "[2000]", 1)
            };
            failing.extend(push("fail", "StubbornFail"));
            if !stage.probe {
                push("end", "Stubborn");
            }
        }
        wait_until(LONG, "the workers hold jobs", || in_flight(&server) >= 6);
        let zombie = &workers[round % workers.len()];
        let old = Crew::identity(zombie);
        aboard += Crew::stop_and_count(&server, zombie, &old);
        std::thread::sleep(FROZEN); // The subject: time passes without it.
        let begun = begun_by(&history, zombie);
        zombie.signal(Signal::SIGCONT);
        wait_until(patience, "it has seen that it is dead", || {
            Crew::identity(zombie) != old
        });
        new_names += 1;
        wait_until(
            patience,
            "everything has ended or waits for its retry",
            || {
                let held = held_often(&server);
                is_at_rest(&server, &[]) && failing.iter().all(|jid| held.contains_key(jid))
            },
        );
        late += ended_late(&history, zombie, &begun);
    }
    // What a zombie wrote twice would be there twice.
    let held = held_often(&server);
    let twice = held.values().filter(|count| **count > 1).count();
    let report = history.report_with_held(&held.into_keys().collect());
    let mut outcome = Outcome::default();
    outcome.all_run(&workers);
    let refused: u64 = workers.iter().map(refusals).sum();
    outcome.sound(&report);
    // Each of these ends was refused, and counted.
    outcome.least("refused ends counted", late as f64, refused as f64);
    outcome.none("second retries", twice);
    outcome.none("burials", length(&server, "dead"));
    outcome.most("extra ends", aboard as f64, report.extra_ends as f64);
    outcome.exactly("new identities", rounds, new_names);
    outcome.note("in flight at the stops", aboard as f64);
    outcome
}

/// The jobs that this worker has begun and not ended.
fn begun_by(history: &History, worker: &Proc) -> BTreeSet<String> {
    let name = Crew::name_of(worker);
    let mut open = BTreeSet::new();
    for event in history.events() {
        match event.kind {
            EventKind::Start if event.worker == name => open.insert(event.jid),
            EventKind::End if event.worker == name => open.remove(&event.jid),
            _ => false,
        };
    }
    open
}

/// How many of the jobs that it held when it was stopped it ended all the same.
fn ended_late(history: &History, worker: &Proc, begun: &BTreeSet<String>) -> usize {
    begun.difference(&begun_by(history, worker)).count()
}

/// How often a step of this worker was refused in all its lives. Ends it.
fn refusals(worker: &Proc) -> u64 {
    let counters = Crew::end(worker, LONG);
    ["fenced", "unknown"]
        .iter()
        .filter_map(|name| counters[name].as_u64())
        .sum()
}

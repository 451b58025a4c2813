//! P1, P3, P8 behind Redis Sentinel: after the loss of the primary work goes on by itself within 15 s, nothing is lost but
//! what the primary acknowledged and had not replicated, and a durable push loses nothing.

mod producers;
mod round;

use std::collections::BTreeSet;
use std::time::Duration;

use gandy::{Inspect, Server};
use gandy_tests::{
    Crew, Event, EventKind, History, Proc, RedisServer, Report, Watched, wait_until,
};

use self::producers::{DURABLE, Producers};
use self::round::{LONG, RESUME, Round};
use crate::outcome::Outcome;
use crate::stage::Stage;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let count = stage.pick(2, 20);
    let watched = Watched::start();
    let history = History::new();
    let crews = [(); 2].map(|()| crew(stage, &watched, &history));
    let mut producers = Producers::start(&watched, &history);
    let server = Server::new(&watched.url()).expect("the harness gives a valid URL");
    let inspect = Inspect::new(server, "").expect("the settings are valid");
    let rounds: Vec<Round> = (0..count)
        .map(|number| Round::run(number, &watched, &history, &mut producers, &inspect))
        .collect();
    producers.stop();
    wait_until(LONG, "all jobs have run", || left(watched.roles().0) == 0);
    let mut outcome = Outcome::default();
    let (events, report) = (history.events(), history.report());
    of_losses(&events, &report, &rounds, count, &mut outcome);
    let slowest = |of: fn(&Round) -> Duration| {
        let slowest = rounds.iter().map(of).max();
        slowest.unwrap_or_default().as_secs_f64()
    };
    outcome.most(
        "resumed after, s",
        RESUME.as_secs_f64(),
        slowest(|round| round.resumed),
    );
    // I8: a change of the server shows nobody dead.
    let condemned = crews.iter().filter(|crew| {
        let log = crew.log();
        ["declared dead", "is dead"]
            .iter()
            .any(|words| log.contains(words))
    });
    outcome.none("taken for dead", condemned.count());
    outcome.all_run(&crews);
    outcome.note("rounds", count as f64);
    outcome.note("another primary after, s", slowest(|round| round.named));
    outcome.note("pushes of floods refused", producers.refused as f64);
    outcome
}

/// What the primary had acknowledged when the replica was surely not behind is not to be lost.
fn of_losses(
    events: &[Event],
    report: &Report,
    rounds: &[Round],
    count: usize,
    outcome: &mut Outcome,
) {
    let acknowledged = |event: &&Event| event.kind == EventKind::Acknowledged;
    let durable = |event: &&Event| event.jid.starts_with(DURABLE);
    let in_a_window = |event: &&Event| {
        rounds
            .iter()
            .any(|round| round.is_near(event.at, Duration::ZERO))
    };
    let unsure: BTreeSet<&str> = events
        .iter()
        .filter(acknowledged)
        .filter(|event| !durable(event) && in_a_window(event))
        .map(|event| event.jid.as_str())
        .collect();
    let sure = |jid: &&String| !unsure.contains(jid.as_str());
    let lost = |durable: bool| {
        let of_kind = |jid: &&String| jid.starts_with(DURABLE) == durable;
        report.lost.iter().filter(sure).filter(of_kind).count()
    };
    outcome.none("lost though replicated", lost(false));
    outcome.none("lost of durable pushes", lost(true));
    outcome.most(
        "lost (bound: acknowledged, perhaps not replicated)",
        unsure.len() as f64,
        report.lost.len() as f64,
    );
    outcome.none("unexpected", report.unexpected.len());
    outcome.most(
        "extra runs (bound: begun or pushed in doubt)",
        in_doubt(events, rounds) as f64,
        report.extra_starts as f64,
    );
    let durable = events.iter().filter(acknowledged).filter(durable).count();
    outcome.least(
        "durable pushes",
        (count * round::DURABLE_FLOOD) as f64,
        durable as f64,
    );
    outcome.note("jobs", report.acknowledged as f64);
}

/// Starts, ends of what had started before, and pushes whose caller was not told, while what was done might be forgotten: as
/// many runs may be extra.
fn in_doubt(events: &[Event], rounds: &[Round]) -> usize {
    let second = Duration::from_secs(1);
    let within = |event: &Event| rounds.iter().any(|round| round.is_near(event.at, second));
    let of = |kind| move |event: &&Event| event.kind == kind && within(event);
    let started: BTreeSet<&str> = events
        .iter()
        .filter(of(EventKind::Start))
        .map(|event| event.jid.as_str())
        .collect();
    let doubtful = events.iter().filter(|event| match event.kind {
        EventKind::Start => within(event),
        EventKind::End => within(event) && !started.contains(event.jid.as_str()),
        kind => kind == EventKind::Unknown,
    });
    doubtful.count()
}

fn crew(stage: &Stage, watched: &Watched, history: &History) -> Proc {
    let crew: Crew = stage.crew(watched.roles().0, history);
    crew.set("REDIS_URL", watched.url())
        .set("RUST_LOG", "gandy=info")
        .concurrency(5)
        .start_and_wait()
}

/// Keys of jobs that wait, run or are to come.
fn left(server: &RedisServer) -> usize {
    let count = "local n = 0
        for _, pattern in ipairs({'queue:*', 'gandy:landing:*', 'gandy:inflight:*', 'retry', 'schedule'}) do
          n = n + #redis.call('KEYS', pattern)
        end
        return n";
    let left = server.cli(&["EVAL", count, "0"]);
    left.parse().unwrap_or(usize::MAX)
}

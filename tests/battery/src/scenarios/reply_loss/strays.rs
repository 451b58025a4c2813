//! What a claim took whose reply was lost is found again by the worker that lives.

use std::time::Duration;

use gandy_faults::{Deed, Plan, Rule, When};
use gandy_tests::{Crew, EventKind, wait_until};

use super::scene::{LONG, Scene, now};
use crate::outcome::Outcome;
use crate::stage::Stage;

/// I7: what a lost claim took is found again.
const ADOPTED: f64 = 5.0;
/// After which a worker gives a reply up that does not come; a blocking command's is the same.
const DEADLINE: f64 = 5.0;

pub(super) fn run(stage: &Stage) -> Outcome {
    let scene = Scene::new(stage);
    let patience = stage.patience(LONG);
    let worker = scene.crew().set("RUST_LOG", "gandy=info").start_and_wait();
    let identity = Crew::identity(&worker);
    let (mut lost, mut mute) = (Duration::ZERO, Duration::ZERO);
    for round in 0..stage.size(0, 2, 20) {
        for (kind, jobs) in [("land", 1), ("BLMOVE", 1), ("claim", 200), ("HDEL", 20)] {
            let tag = format!("{kind}{round}-");
            lost = lost.max(lose_one(&scene, &tag, kind, Deed::Lose, jobs, patience));
        }
    }
    // The connection stays open and silent: the deadline is the first to notice.
    let silent: &[(&str, usize)] = stage.size(
        &[("BLMOVE", 1)],
        &[("land", 1), ("claim", 200)],
        &[("land", 1), ("claim", 200)],
    );
    for &(kind, jobs) in silent {
        let tag = format!("mute-{kind}-");
        mute = mute.max(lose_one(&scene, &tag, kind, Deed::Mute, jobs, patience));
    }
    let report = scene.history.report();
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.none("extra runs", report.extra_starts);
    if !stage.probe {
        outcome.most("run after a lost reply, s", ADOPTED, lost.as_secs_f64());
    }
    outcome.most(
        "run after a silent connection, s",
        DEADLINE + ADOPTED,
        mute.as_secs_f64(),
    );
    outcome.none(
        "taken for dead",
        usize::from(Crew::identity(&worker) != identity),
    );
    outcome.all_run(&[worker]);
    outcome
}

/// Loses one reply of `kind` to an idle worker that gets `jobs` jobs: how long the last of them waited for its start.
fn lose_one(
    scene: &Scene,
    tag: &str,
    kind: &str,
    deed: Deed,
    jobs: usize,
    patience: Duration,
) -> Duration {
    wait_until(patience, "the worker is idle", || {
        scene.is_settled() && scene.server.cli(&["CLIENT", "LIST"]).contains("cmd=blmove")
    });
    let mut ended = scene.history.ended();
    let plan = Plan::default().rule(Rule::of(kind, When::Nth(1), deed));
    scene.proxy.set(plan);
    let before = scene.proxy.tally();
    if ["BLMOVE", "land"].contains(&kind) {
        // What an idle worker waits for it has asked before the rule was made: it gets that, and asks again.
        scene.push(&format!("{tag}nudge"), "Note", "[]", 1);
        ended += 1;
        wait_until(patience, "the worker asks again", || {
            scene.history.ended() == ended
                && scene.proxy.tally().of("BLMOVE").requests > before.of("BLMOVE").requests
        });
    }
    let pushed = now();
    let jids = scene.push(tag, "Nap", "[20]", jobs);
    wait_until(patience, "all have ended", || {
        scene.history.ended() == ended + jobs
    });
    let dropped = scene.proxy.tally().of(kind).dropped - before.of(kind).dropped;
    assert_eq!(dropped, 1, "{kind}: as many replies were dropped");
    scene.proxy.heal();
    let events = scene.history.events();
    let starts = events
        .iter()
        .filter(|event| event.kind == EventKind::Start && jids.contains(&event.jid));
    let last = starts.map(|event| event.at).max().unwrap_or(pushed);
    last.saturating_sub(pushed)
}

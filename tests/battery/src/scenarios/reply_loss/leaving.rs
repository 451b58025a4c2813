//! A worker starts, and ends in good order, although the first reply of each kind is lost to it.

use std::time::Duration;

use gandy_faults::{Deed, Plan, Rule, When};
use gandy_tests::{Crew, Holdings, wait_until};

use super::scene::{KINDS, LONG, Scene};
use crate::outcome::Outcome;
use crate::stage::Stage;

/// What a worker asks when it finds jobs that it does not know.
const OF_STRAYS: [&str; 2] = ["HGET", "HSTRLEN"];
/// What a worker asks when it leaves.
const OF_LEAVING: [&str; 7] = [
    "HKEYS", "SREM", "forget", "resign", "retire", "return", "unland",
];
const END: Duration = Duration::from_secs(10);

pub(super) fn run(stage: &Stage) -> Outcome {
    let (mut misplaced, mut remains) = (0, 0);
    let scene = Scene::new(stage);
    for deed in [Deed::Lose, Deed::Cut(9)] {
        start(&scene, deed);
        let (lost, left) = leave(&scene, deed);
        misplaced += lost;
        remains += left;
    }
    let report = scene.history.report();
    let mut outcome = Outcome::default();
    outcome.none("ended twice", report.extra_ends);
    outcome.exactly("ended", 40, report.ended);
    outcome.none("not given back by who left", misplaced);
    outcome.none("traces of who left", remains);
    outcome
}

/// The first reply of each kind is lost: it starts, and works.
fn start(scene: &Scene, deed: Deed) {
    let mut plan = Plan::default();
    for kind in KINDS.map(|(kind, _)| kind).into_iter().chain(OF_STRAYS) {
        plan = plan.rule(Rule::of(kind, When::Nth(1), deed));
    }
    scene.proxy.set(plan);
    let ended = scene.history.ended();
    let worker = scene.crew().start_and_wait();
    scene.push(&format!("{deed:?}-"), "Note", "[]", 20);
    scene.wait_for_ends(ended + 20);
    Crew::end(&worker, END);
    scene.proxy.heal();
}

/// It leaves, and everything that it held is back: nobody else lives who could give it back. How many jobs are not where
/// they belong, and how many traces of it are left.
fn leave(scene: &Scene, deed: Deed) -> (usize, usize) {
    let worker = scene.crew().start_and_wait();
    // Not in the notes: nobody will run them.
    let jids: Vec<String> = (0..10)
        .map(|number| format!("long{deed:?}-{number}"))
        .collect();
    for jid in &jids {
        let job = gandy_tests::payload("Nap", "[600000]", jid);
        scene.server.cli(&["LPUSH", "queue:default", &job]);
        scene.notes.attempted(jid);
    }
    wait_until(LONG, "all are held", || scene.in_flight() == jids.len());
    let mut plan = Plan::default();
    for kind in OF_LEAVING {
        plan = plan.rule(Rule::of(kind, When::Nth(1), deed));
    }
    scene.proxy.set(plan);
    Crew::end(&worker, END);
    let held = Holdings::of(&scene.server);
    let misplaced = jids
        .iter()
        .filter(|jid| held.places(jid) != ["queue:default"]);
    let misplaced = misplaced.count();
    let known = ["EXISTS", "gandy:fleet", "gandy:dying", "processes"];
    let left = scene.server.cli(&known).parse().unwrap_or(usize::MAX);
    scene.server.cli(&["DEL", "queue:default"]);
    scene.proxy.heal();
    (misplaced, left)
}

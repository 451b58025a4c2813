//! Two workers are cut off: from one nothing passes, what the other sends arrives and no reply comes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gandy_faults::Plan;
use gandy_tests::{Crew, Holdings, Proc, wait_for, wait_until};

use super::zombie::{LONG, SLOTS, Scene, Zombie, now};
use crate::outcome::Outcome;
use crate::stage::Stage;

/// P2: lease 15 s, reaper and change of duty 5 s. From the last sign of life that reached Redis.
const RECOVERY: f64 = 20.0;
/// A worker proves its life this often. Where only replies are lost one more proof may have got through.
const RENEWAL: f64 = 3.0;
/// From healing to the first job.
const BACK: f64 = 6.0;
/// A reaper believes that a lease is gone when the fleet was watched for so long (I8).
const WATCHED: Duration = Duration::from_secs(16);

pub(super) fn run(stage: &Stage) -> Outcome {
    let lasts = Duration::from_secs(stage.pick(25, 60));
    let runtime = super::line::runtime();
    let _in_runtime = runtime.enter();
    let mut scene = Scene::new(stage);
    let others: Vec<Proc> = (0..2).map(|_| scene.crew(stage, "busy default")).collect();
    let cut = Zombie::start(&scene, "cut");
    let deaf = Zombie::start(&scene, "deaf");
    let began = Instant::now();
    scene.trickle("time passes", |_| began.elapsed() > WATCHED);
    let (failing, mortal) = fill(&mut scene, &others);
    let keys = [cut.inflight(), deaf.inflight()];
    let mut aboard = [BTreeSet::new(), BTreeSet::new()];
    wait_until(Duration::from_secs(5), "the two have all of them", || {
        aboard = ["cut", "deaf"].map(|name| scene.aboard(name, now()));
        aboard.iter().all(|aboard| aboard.len() == SLOTS)
    });
    let hole = Plan::blackhole();
    deaf.proxy.set(Plan {
        back: hole.back,
        ..Plan::default()
    });
    cut.proxy.set(hole);
    let (cut_at, cut_on) = (Instant::now(), now());
    let mut gone = [None, None];
    scene.trickle("both are replaced", |scene| {
        for (key, gone) in keys.iter().zip(&mut gone) {
            if gone.is_none() && scene.length(key) == 0 {
                *gone = Some(cut_at.elapsed());
            }
        }
        gone.iter().all(Option::is_some)
    });
    let mut rerun = Vec::new();
    scene.trickle("the others run them", |scene| {
        rerun = scene.begun(&aboard[0], "crew-", cut_on);
        rerun.len() >= SLOTS
    });
    scene.trickle("the partition lasts", |_| cut_at.elapsed() > lasts);
    let mut outcome = Outcome::default();
    let slowest = rerun[SLOTS - 1] - cut_on;
    outcome.most("others rerun after, s", RECOVERY, slowest.as_secs_f64());
    let given_back = gone[1].unwrap_or_default().as_secs_f64();
    outcome.most(
        "given back though it could renew, s",
        RECOVERY + RENEWAL,
        given_back,
    );
    heal(&mut scene, [&cut, &deaf], &aboard, &mut outcome);
    judge(&scene, &failing, &mortal, &mut outcome);
    outcome.all_run(&others);
    for zombie in [cut, deaf] {
        let ended = runtime.block_on(zombie.worker.stop());
        outcome.none("exits with an error", usize::from(ended.is_err()));
    }
    outcome
}

/// Keeps the others busy, so that the two get all slots full of jobs. Of these, which fail, and which of them for good.
fn fill(scene: &mut Scene, others: &[Proc]) -> (Vec<String>, Vec<String>) {
    scene.push("busy", "Nap", "[6000]", "true", 20);
    let busy: Vec<String> = others
        .iter()
        .map(|other| format!("gandy:inflight:{}", Crew::identity(other)))
        .collect();
    wait_until(LONG, "the others are busy", || {
        busy.iter().all(|key| scene.length(key) == 10)
    });
    scene.push("default", "Nap", "[4000]", "true", 8);
    let failing = scene.push("default", "Fail", "[]", "true", 6);
    let mortal = scene.push("default", "Fail", "[]", "0", 4);
    scene.push("default", "Note", "[]", "true", 6);
    (failing, mortal)
}

/// The network is whole again: both claim, and what they still believed to hold they cannot end.
fn heal(
    scene: &mut Scene,
    zombies: [&Zombie; 2],
    aboard: &[BTreeSet<String>; 2],
    outcome: &mut Outcome,
) {
    let old = zombies.map(Zombie::identity);
    let mut waiting = BTreeSet::new();
    for zombie in zombies {
        waiting.extend(scene.push(zombie.name, "Nap", "[1]", "true", 3));
    }
    let healed = now();
    zombies.iter().for_each(|zombie| zombie.proxy.heal());
    let mut slowest = Duration::ZERO;
    for zombie in zombies {
        let first = || {
            let begun = scene.begun(&waiting, zombie.name, healed);
            begun.first().map(|at| *at - healed)
        };
        slowest = slowest.max(wait_for(LONG, "it claims again", first));
    }
    outcome.most("claim again after, s", BACK, slowest.as_secs_f64());
    let same = zombies
        .iter()
        .filter(|zombie| old.contains(&zombie.identity()));
    outcome.none("still of the old identity", same.count());
    // What ended behind the partition was another's by then: each of these ends was refused.
    let refused = |zombie: &Zombie| {
        let fences = zombie.worker.fences();
        fences.fenced + fences.unknown
    };
    let [cut, _] = zombies;
    let hanging = aboard[0].iter().filter(|jid| jid.contains("Note")).count();
    let ended = (SLOTS - hanging) as f64;
    wait_until(LONG, "every end of it was refused", || {
        refused(cut) as f64 >= ended
    });
    outcome.least("ends refused", ended, refused(cut) as f64);
}

/// Everything of one job is in one place, or it ended.
fn judge(scene: &Scene, failing: &[String], mortal: &[String], outcome: &mut Outcome) {
    wait_until(LONG, "all jobs are at rest, and nobody is dying", || {
        Holdings::of(&scene.server).is_settled() && scene.length("gandy:dying") == 0
    });
    let held = Holdings::of(&scene.server);
    let report = scene.history.report_with_held(&held.jids());
    outcome.sound(&report);
    let misplaced = failing.iter().filter(|jid| held.places(jid).len() != 1);
    outcome.none("failed jobs not in one place", misplaced.count());
    let spared = mortal.iter().filter(|jid| held.places(jid) != ["dead"]);
    outcome.none("jobs of no retry not buried", spared.count());
    outcome.most("ended twice", 2.0 * SLOTS as f64, report.extra_ends as f64);
}

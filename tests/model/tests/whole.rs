//! The whole protocol, in every order, within small bounds. Larger ones with `GANDY_MODEL=full`.

use std::sync::{Mutex, PoisonError};

use gandy_model::{Budget, Report, Scene, Search, explore};

/// One exploration at a time: each may take some hundred megabytes.
static TURN: Mutex<()> = Mutex::new(());

const NONE: Budget = Budget {
    crashes: 0,
    freezes: 0,
    lapses: 0,
    losses: 0,
    failovers: 0,
    halves: 0,
    boots: 0,
    stops: 0,
    fails: 0,
    burials: 0,
};

fn full() -> bool {
    std::env::var("GANDY_MODEL").is_ok_and(|bounds| bounds == "full")
}

/// Explores all of it.
fn holds(scene: &Scene) -> Report {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let report = explore(scene, &Search::default());
    drop(turn);
    println!("{report}");
    if let Some(trace) = &report.broken {
        panic!("{trace}");
    }
    assert!(!report.cut, "{}: there are more states than expected", scene.name);
    report
}

#[test]
fn the_whole_protocol_holds_for_one_job_and_each_fault_with_each_other() {
    let faults: [(&str, Budget); 9] = [
        ("crash", Budget { crashes: 1, ..NONE }),
        ("freeze", Budget { freezes: 1, ..NONE }),
        ("lapse", Budget { lapses: 1, ..NONE }),
        ("loss", Budget { losses: 1, ..NONE }),
        ("failover", Budget { failovers: 1, ..NONE }),
        ("half", Budget { halves: 1, ..NONE }),
        ("stop", Budget { stops: 1, ..NONE }),
        ("fail", Budget { fails: 1, ..NONE }),
        ("burial", Budget { burials: 1, ..NONE }),
    ];
    let mut states = 0;
    for (place, (first, one)) in faults.iter().enumerate() {
        for (second, other) in &faults[place..] {
            let name = format!("1 job, {first} and {second}");
            let scene = Scene::small(name.leak(), 1).with(one.and(*other));
            states += holds(&scene).states;
        }
    }
    println!("1 job, all pairs of faults: {states} states");
}

/// Two jobs: the queue has an order, and a worker can hold one job while it loses another.
#[test]
fn the_whole_protocol_holds_for_two_jobs() {
    let scenes = [
        Scene::small("2 jobs, crash, loss", 2).with(Budget { crashes: 1, losses: 1, ..NONE }),
        Scene::small("2 jobs, freeze, lapse", 2).with(Budget { freezes: 1, lapses: 1, ..NONE }),
        Scene::small("2 jobs, crash, failure", 2).with(Budget { crashes: 1, fails: 1, ..NONE }),
        Scene::small("2 jobs, half a step", 2).with(Budget { halves: 1, ..NONE }),
        Scene::small("2 jobs, failover", 2).with(Budget { failovers: 1, ..NONE }),
        Scene {
            slots: 2,
            batch: 2,
            depth: 2,
            ..Scene::small("2 jobs in one claim, crash, loss", 2).with(Budget { crashes: 1, losses: 1, ..NONE })
        },
    ];
    let states: usize = scenes.iter().map(|scene| holds(scene).states).sum();
    println!("2 jobs: {states} states");
}

/// The idle way: blocking moves, landing lists, claims that wait for jobs.
#[test]
fn the_whole_protocol_holds_for_idle_workers() {
    let bells = |name, budget| Scene {
        bells: true,
        idle_claims: true,
        pushes: true,
        ..Scene::small(name, 1).with(budget)
    };
    let scenes = [
        bells("idle, crash, loss", Budget { crashes: 1, losses: 1, ..NONE }),
        bells("idle, freeze", Budget { freezes: 1, ..NONE }),
        bells("idle, crash and boot", Budget { crashes: 1, boots: 1, ..NONE }),
    ];
    let states: usize = scenes.iter().map(|scene| holds(scene).states).sum();
    println!("idle workers: {states} states");
}

/// What is claimed and not begun goes back, by the claim loop or by the lease thread of one that stands still.
#[test]
fn the_whole_protocol_holds_where_claims_are_given_back() {
    let scenes = [
        Scene { gives_up: true, ..Scene::small("given back, loss, lapse", 1).with(Budget { losses: 1, lapses: 1, ..NONE }) },
        Scene { stalls: true, ..Scene::small("stalled, 2 losses", 1).with(Budget { losses: 2, ..NONE }) },
        Scene { stalls: true, ..Scene::small("stalled, crash, loss", 2).with(Budget { crashes: 1, losses: 1, ..NONE }) },
    ];
    let states: usize = scenes.iter().map(|scene| holds(scene).states).sum();
    println!("given back: {states} states");
}

/// Three jobs, the largest world that is seen whole.
#[test]
fn the_whole_protocol_holds_for_three_jobs() {
    let mut scenes = vec![
        Scene::small("3 jobs, crash", 3).with(Budget { crashes: 1, ..NONE }),
        Scene::small("3 jobs, loss", 3).with(Budget { losses: 1, ..NONE }),
    ];
    if full() {
        scenes.push(Scene::small("3 jobs, crash, loss", 3).with(Budget { crashes: 1, losses: 1, ..NONE }));
        scenes.push(Scene::small("3 jobs, freeze, lapse", 3).with(Budget { freezes: 1, lapses: 1, ..NONE }));
    }
    let states: usize = scenes.iter().map(|scene| holds(scene).states).sum();
    println!("3 jobs: {states} states");
}

//! The whole protocol, in every order, within small bounds. Larger ones with `GANDY_MODEL=full`.

use std::sync::{Mutex, PoisonError};

use gandy_model::{Budget, Rules, Scene, Search, explore};

/// Two explorations at a time, one in each lane: each may take some hundred megabytes.
static LANES: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

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

/// Everything that can go wrong, once. A job that fails for good is no fault, but takes the same way.
const FAULTS: [(&str, Budget); 9] = [
    ("crash", Budget { crashes: 1, ..NONE }),
    ("freeze", Budget { freezes: 1, ..NONE }),
    ("lapse", Budget { lapses: 1, ..NONE }),
    ("loss", Budget { losses: 1, ..NONE }),
    (
        "failover",
        Budget {
            failovers: 1,
            ..NONE
        },
    ),
    ("half", Budget { halves: 1, ..NONE }),
    ("stop", Budget { stops: 1, ..NONE }),
    ("fail", Budget { fails: 1, ..NONE }),
    ("burial", Budget { burials: 1, ..NONE }),
];

fn full() -> bool {
    std::env::var("GANDY_MODEL").is_ok_and(|bounds| bounds == "full")
}

/// How many more states a fault makes, roughly, as a logarithm: what was condemned may come back, what was done may be
/// undone.
fn weight(fault: &str) -> usize {
    match fault {
        "failover" => 4,
        "freeze" | "lapse" => 3,
        "half" => 2,
        _ => 0,
    }
}

/// All sets of `count` faults, the same one more than once too, up to this weight unless the bounds are the large ones.
fn sets(count: usize, heaviest: usize) -> Vec<(String, Budget)> {
    let mut sets = vec![(String::new(), NONE, 0)];
    for _ in 0..count {
        let longer = |(name, budget, from): &(String, Budget, usize)| {
            let (name, budget) = (name.clone(), *budget);
            let further = FAULTS.iter().enumerate().skip(*from);
            let further = further.map(move |(place, (fault, one))| {
                (format!("{name} {fault}"), budget.and(*one), place)
            });
            further.collect::<Vec<_>>()
        };
        sets = sets.iter().flat_map(longer).collect();
    }
    let named = sets.into_iter().map(|(name, budget, _)| (name, budget));
    let light = |name: &str| name.split_whitespace().map(weight).sum::<usize>() <= heaviest;
    named.filter(|(name, _)| full() || light(name)).collect()
}

/// A scene for each set of faults.
fn scenes(title: &str, world: Scene, sets: Vec<(String, Budget)>) -> Vec<Scene> {
    let scene = |(faults, budget): (String, Budget)| Scene {
        name: format!("{title}:{faults}").leak(),
        budget,
        // The stop of claims (I9) is used only where it is needed: everything else holds without it.
        rules: Rules {
            lease_gate: budget.failovers > 0,
            ..Rules::ALL
        },
        ..world
    };
    sets.into_iter().map(scene).collect()
}

/// Explores all of each scene.
fn all_hold(lane: usize, title: &str, scenes: &[Scene]) {
    let turn = LANES[lane].lock().unwrap_or_else(PoisonError::into_inner);
    let (mut states, mut steps, mut drained) = (0, 0, 0);
    let began = std::time::Instant::now();
    for scene in scenes {
        let search = Search {
            states_max: if full() { 20_000_000 } else { 2_000_000 },
            ..Search::default()
        };
        let report = explore(scene, &search);
        println!("{report}");
        if let Some(trace) = &report.broken {
            panic!("{trace}");
        }
        assert!(
            full() || !report.cut,
            "{}: there are more states than expected",
            scene.name
        );
        states += report.states;
        steps += report.steps;
        drained += report.drained;
    }
    drop(turn);
    let (count, took) = (scenes.len(), began.elapsed().as_secs());
    println!(
        "== {title}: {count} scenes, {states} states, {steps} steps, {drained} drained, {took} s"
    );
}

/// Three things go wrong, of one kind or of three. With the large bounds of any kinds.
#[test]
fn the_whole_protocol_holds_for_one_job_and_three_faults() {
    let world = Scene::small("", 1);
    all_hold(0, "1 job, 3 faults", &scenes("1 job", world, sets(3, 8)));
}

/// The queue has an order, and a worker can hold one job while it loses another.
#[test]
fn the_whole_protocol_holds_for_two_jobs_and_two_faults() {
    let world = Scene::small("", 2);
    all_hold(1, "2 jobs, 2 faults", &scenes("2 jobs", world, sets(2, 6)));
}

#[test]
fn the_whole_protocol_holds_for_three_jobs_and_a_fault() {
    let world = Scene::small("", 3);
    all_hold(
        1,
        "3 jobs",
        &scenes("3 jobs", world, sets(if full() { 2 } else { 1 }, 8)),
    );
}

/// Two runs at once in each worker, two jobs in a claim, two claims under way; what is not begun goes back.
#[test]
fn the_whole_protocol_holds_for_wide_workers() {
    let world = Scene {
        slots: 2,
        batch: 2,
        depth: 2,
        gives_up: true,
        ..Scene::small("", 2)
    };
    all_hold(
        1,
        "wide workers",
        &scenes("wide", world, sets(if full() { 2 } else { 1 }, 8)),
    );
}

/// The idle way: blocking moves, landing lists, claims that wait for jobs.
#[test]
fn the_whole_protocol_holds_for_idle_workers() {
    let world = Scene {
        bells: true,
        idle_claims: true,
        pushes: true,
        ..Scene::small("", 1)
    };
    all_hold(0, "idle workers", &scenes("idle", world, sets(2, 8)));
}

/// What is claimed and not begun goes back, by the claim loop or by the lease thread of one that stands still.
#[test]
fn the_whole_protocol_holds_where_claims_are_given_back() {
    let world = Scene {
        gives_up: true,
        stalls: true,
        ..Scene::small("", 1)
    };
    all_hold(1, "given back", &scenes("given back", world, sets(2, 8)));
}

/// Two chores of the fleet under way at once; deaths are counted, so that suspects come back through `schedule`.
#[test]
fn the_whole_protocol_holds_for_two_reapers() {
    let world = Scene {
        chores: 2,
        charges: true,
        ..Scene::small("", 1)
    };
    all_hold(1, "two reapers", &scenes("two reapers", world, sets(2, 8)));
}

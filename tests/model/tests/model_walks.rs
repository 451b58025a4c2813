//! Long ways at random through worlds that are too large to see whole: three workers, six jobs, many faults.

use gandy_model::{Budget, JOBS, PROCESSES, Scene, walk};

fn walks(few: usize) -> usize {
    let full = std::env::var("GANDY_MODEL").is_ok_and(|bounds| bounds == "full");
    if full { few * 50 } else { few }
}

/// From the clock, or from `GANDY_SEED` to walk the same ways again.
fn seed() -> u64 {
    let given = std::env::var("GANDY_SEED").ok();
    given.map_or_else(
        || fastrand::u64(..),
        |seed| seed.parse().expect("GANDY_SEED is a number"),
    )
}

fn holds(scene: &Scene, count: usize, length: usize) {
    let walked = walk(scene, seed(), walks(count), length);
    println!("{walked}");
    if let Some(trace) = &walked.broken {
        panic!("GANDY_SEED={}\n{trace}", walked.seed);
    }
}

const MANY: Budget = Budget {
    crashes: 3,
    freezes: 3,
    lapses: 3,
    losses: 4,
    failovers: 1,
    halves: 1,
    boots: 3,
    stops: 1,
    fails: 3,
    burials: 1,
};

#[test]
fn the_protocol_holds_on_long_ways_with_many_faults() {
    let scene = Scene {
        workers: PROCESSES,
        slots: 2,
        batch: 2,
        depth: 2,
        pushes: true,
        bells: true,
        idle_claims: true,
        gives_up: true,
        stalls: true,
        chores: 2,
        ..Scene::small("3 workers, 6 jobs, all faults", JOBS).with(MANY)
    };
    holds(&scene, 30_000, 300);
}

#[test]
fn the_protocol_holds_on_long_ways_where_deaths_are_counted() {
    let scene = Scene {
        workers: PROCESSES,
        slots: 2,
        batch: 2,
        depth: 2,
        charges: true,
        chores: 2,
        ..Scene::small("3 workers, 4 jobs, deaths counted", 4).with(Budget {
            crashes: 4,
            freezes: 2,
            lapses: 2,
            boots: 4,
            ..Budget::default()
        })
    };
    holds(&scene, 30_000, 300);
}

//! Long ways at random, where there are too many states to see them all.

use std::time::{Duration, Instant};

use crate::{Action, Scene, State, drain::drain, trace::Trace};

/// What walking found.
#[derive(Debug)]
pub struct Walked {
    /// Of which scene.
    pub name: &'static str,
    /// From which seed.
    pub seed: u64,
    /// Ways.
    pub walks: usize,
    /// Steps on them, their fair ends not counted.
    pub steps: usize,
    /// Faults on them.
    pub faults: usize,
    /// How long it took.
    pub took: Duration,
    /// The first broken promise.
    pub broken: Option<Trace>,
}

impl std::fmt::Display for Walked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:<44} {:>10} walks  {:>11} steps, {} faults, seed {}, {:.1} s: {}",
            self.name,
            self.walks,
            self.steps,
            self.faults,
            self.seed,
            self.took.as_secs_f64(),
            if self.broken.is_some() {
                "BROKEN"
            } else {
                "none broken"
            }
        )
    }
}

/// Walks so many ways of so many steps, each to its fair end.
#[must_use]
pub fn walk(scene: &Scene, seed: u64, walks: usize, length: usize) -> Walked {
    let began = Instant::now();
    let mut walked = Walked {
        name: scene.name,
        seed,
        walks: 0,
        steps: 0,
        faults: 0,
        took: Duration::ZERO,
        broken: None,
    };
    let mut seeds = fastrand::Rng::with_seed(seed);
    while walked.walks < walks && walked.broken.is_none() {
        walked.walks += 1;
        walked.broken = one_way(scene, seeds.u64(..), length, &mut walked);
    }
    walked.took = began.elapsed();
    walked
}

fn one_way(scene: &Scene, seed: u64, length: usize, walked: &mut Walked) -> Option<Trace> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut state = State::new(scene);
    let mut way = Vec::new();
    let mut offers = Vec::new();
    for _ in 0..length {
        state.offers(scene, &mut offers);
        let Some(action) = choose(&offers, &mut random) else {
            break;
        };
        walked.steps += 1;
        way.push(action);
        let budget = state.budget;
        state.apply(scene, action);
        walked.faults += usize::from(state.budget != budget);
        state.tidy(scene);
        if let Some(breach) = state.breach(scene, None) {
            return Some(Trace::of(scene, breach, &way));
        }
    }
    let breach = drain(&state, scene, seed).err()?;
    Some(Trace::of(scene, breach, &way))
}

/// Faults are many and their budget is small: taken as they come, all would happen in the first steps.
fn choose(offers: &[Action], random: &mut fastrand::Rng) -> Option<Action> {
    let mut action = random.choice(offers).copied()?;
    for _ in 0..3 {
        if !action.is_fault() {
            break;
        }
        action = random.choice(offers).copied()?;
    }
    Some(action)
}

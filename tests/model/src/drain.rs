//! The end of every story: nothing more goes wrong, everybody who may act acts some time, and every job comes to its end
//! (P1). Also checked on the way: everything else.

use crate::{Action, Budget, Kind, Scene, State, invariant::Breach, state::Status};

/// Steps after which a job that is not done never will be. A drain takes about fifty.
const STEPS_MAX: usize = 20_000;

/// Goes on from here by a schedule drawn from `seed`, without faults, until all is done. The number of steps.
///
/// # Errors
/// What is broken on the way; [`Kind::Stuck`] when it does not end.
pub fn drain(state: &State, scene: &Scene, seed: u64) -> Result<usize, Breach> {
    let mut random = fastrand::Rng::with_seed(seed);
    let scene = Scene {
        gives_up: false,
        stalls: false,
        chores: scene.chores.max(2),
        ..*scene
    };
    let mut state = *state;
    state.budget = Budget::default();
    state.older = None;
    // What is remembered of deaths is forgotten after 72 hours.
    state.redis.recovered = Default::default();
    // A process that stands still may stand still for ever.
    for place in 0..scene.workers {
        if state.processes[place].status == Status::Frozen && random.bool() {
            state.budget.crashes = 1;
            state.apply(&scene, Action::Crash(place));
        }
    }
    // Nothing has to boot while one worker lives.
    let up = |state: &State| state.processes.iter().any(|it| it.status == Status::Up);
    let mut offers = Vec::new();
    for step in 0..STEPS_MAX {
        if usize::from(state.acknowledged) == scene.jobs && state.redis.unfinished() == 0 {
            return Ok(step);
        }
        state.budget.boots = u8::from(!up(&state));
        state.offers(&scene, &mut offers);
        let Some(action) = random.choice(&offers) else {
            break;
        };
        state.apply(&scene, *action);
        state.tidy(&scene);
        if let Some(breach) = state.breach(&scene, None) {
            return Err(breach);
        }
    }
    let left: Vec<_> = (0..scene.jobs as u8)
        .filter(|job| {
            let tally = state.redis.tally[usize::from(*job)];
            state.redis.copies(*job) > usize::from(tally.dead)
        })
        .map(|job| job.to_string())
        .collect();
    Err(Breach {
        kind: Kind::Stuck,
        text: format!(
            "without any further fault job {} never ends",
            left.join(", ")
        ),
    })
}

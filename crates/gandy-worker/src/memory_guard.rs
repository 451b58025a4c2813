//! Keeps the worker away from the OOM killer, which would take every running job with it: short of memory it claims no
//! more, and at the edge it ends in good order and is started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gandy::WorkerHandle;

use crate::cgroup::{Cgroup, Memory};

/// Above this share of the limit nothing is claimed.
const HOLD: f64 = 0.85;
/// Below this share claiming goes on: apart from [`HOLD`], so that one job more or less does not switch it.
const GO_ON: f64 = 0.80;
/// Above this share the worker ends, to be started again.
const RESTART: f64 = 0.95;
/// How often it looks. Three small files.
const EVERY: Duration = Duration::from_millis(500);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Hold,
    GoOn,
    Restart,
}

/// Pure: `held` is whether claiming is held already.
fn judge(memory: Memory, held: bool) -> Step {
    let share = memory.used as f64 / memory.limit as f64;
    if share >= RESTART {
        Step::Restart
    } else if share >= HOLD && !held {
        Step::Hold
    } else if share < GO_ON && held {
        Step::GoOn
    } else {
        Step::Nothing
    }
}

/// Watches from a thread of its own until the process ends; where there is no limit, not at all. `restart` is set before
/// the worker is told to stop.
pub fn start(cgroup: Cgroup, handle: WorkerHandle, restart: Arc<AtomicBool>) {
    let Some(memory) = cgroup.memory() else {
        return;
    };
    tracing::info!(
        limit_bytes = memory.limit,
        "memory is limited: above 85 % no job is claimed, above 95 % the worker ends to be started again"
    );
    let watch = move || {
        let mut held = false;
        loop {
            if let Some(memory) = cgroup.memory() {
                let step = judge(memory, held);
                let (used_bytes, limit_bytes) = (memory.used, memory.limit);
                match step {
                    Step::Nothing => {}
                    Step::Hold => {
                        tracing::warn!(
                            used_bytes,
                            limit_bytes,
                            "memory is short: no more jobs are claimed until it is not"
                        );
                        held = true;
                        handle.hold(true);
                    }
                    Step::GoOn => {
                        tracing::info!(
                            used_bytes,
                            limit_bytes,
                            "memory is free again: jobs are claimed"
                        );
                        held = false;
                        handle.hold(false);
                    }
                    Step::Restart => {
                        tracing::error!(
                            used_bytes,
                            limit_bytes,
                            "memory is at its limit: the worker ends with code 75, to be started again; \
                             raise the limit, or lower the concurrency"
                        );
                        restart.store(true, Ordering::Release);
                        handle.stop();
                        return;
                    }
                }
            }
            std::thread::sleep(EVERY);
        }
    };
    let thread = std::thread::Builder::new().name("gandy-memory".into());
    if let Err(error) = thread.spawn(watch) {
        tracing::warn!(%error, "memory is not watched: its thread cannot be started");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_at_85_goes_on_below_80_and_restarts_at_95_percent() {
        let step = |used, held| judge(Memory { used, limit: 100 }, held);
        assert_eq!(step(84, false), Step::Nothing);
        assert_eq!(step(85, false), Step::Hold);
        assert_eq!(step(85, true), Step::Nothing);
        assert_eq!(step(80, true), Step::Nothing);
        assert_eq!(step(79, true), Step::GoOn);
        assert_eq!(step(95, false), Step::Restart);
        assert_eq!(step(200, true), Step::Restart);
    }
}

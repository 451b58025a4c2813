//! The line of one worker is bad, and carries all the same: it must not be taken for dead, and no job may run twice.

use std::time::Duration;

use gandy_faults::{Plan, Proxy, Side};
use gandy_tests::{Holdings, wait_until};
use tokio::runtime::Runtime;

use super::zombie::{LONG, Scene, Zombie};
use crate::outcome::Outcome;
use crate::stage::Stage;

/// For workers and proxies in this process.
pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

pub(super) fn half_closed(stage: &Stage) -> Outcome {
    let lasts = stage.pick(Duration::ZERO, Duration::from_secs(60));
    works_on(stage, 600, lasts, |proxy, turn| {
        match turn % 12 {
            2 => proxy.half_close(Side::Client),
            6 => proxy.half_close(Side::Server),
            10 => proxy.reset(),
            _ => 0,
        };
    })
}

pub(super) fn slices(stage: &Stage) -> Outcome {
    let lasts = stage.pick(Duration::ZERO, Duration::from_secs(60));
    works_on(stage, 1_000, lasts, |proxy, turn| {
        if turn == 0 {
            proxy.set(Plan::slices(1));
        }
    })
}

pub(super) fn far(stage: &Stage) -> Outcome {
    let (far, jitter) = (Duration::from_millis(100), Duration::from_millis(50));
    // Longer than a reaper needs to believe that a lease is gone, and than the lease.
    let lasts = Duration::from_secs(stage.pick(16, 60));
    works_on(stage, 400, lasts, |proxy, turn| {
        if turn == 0 {
            proxy.set(Plan::far(far, jitter));
        }
    })
}

/// Jobs pass through one worker within `time` at least, while its line is treated so; another worker watches over it.
fn works_on(stage: &Stage, jobs: usize, time: Duration, treat: impl Fn(&Proxy, usize)) -> Outcome {
    let runtime = runtime();
    let _in_runtime = runtime.enter();
    let mut scene = Scene::new(stage);
    let other = scene.crew(stage, "other");
    let zombie = Zombie::start(&scene, "zombie");
    let identity = zombie.identity();
    let turns = jobs / 10;
    let pace = (time / turns as u32).max(Duration::from_millis(50));
    for turn in 0..turns {
        treat(&zombie.proxy, turn);
        scene.push("zombie", "Nap", "[10]", "true", 10);
        std::thread::sleep(pace); // The subject: a steady stream.
    }
    let pushed = turns * 10;
    wait_until(LONG, "all have ended", || scene.history.ended() == pushed);
    zombie.proxy.heal();
    wait_until(LONG, "all jobs are at rest", || {
        Holdings::of(&scene.server).is_settled()
    });
    let report = scene.history.report();
    let fences = zombie.worker.fences();
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.none("extra runs", report.extra_starts);
    outcome.none("taken for dead", usize::from(zombie.identity() != identity));
    outcome.none("ends refused", fences.fenced as usize);
    outcome.none(
        "requests the proxy did not understand",
        zombie.proxy.tally().garbled as usize,
    );
    outcome.all_run(&[other]);
    let ended = runtime.block_on(zombie.worker.stop());
    outcome.none("exits with an error", usize::from(ended.is_err()));
    outcome
}

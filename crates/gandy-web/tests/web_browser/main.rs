//! The dashboard as a person sees it: chromium on a running fleet, clicks and keys, and what Redis holds afterwards.
//!
//! One Redis, one fleet, one browser and one test for all steps, since to start them is most of the time. What a page says
//! in every case is in `tests/pages.rs`.
#![allow(clippy::unwrap_used)]

mod acts;
mod browser;
mod fleet;
mod live;
mod looks;
#[path = "../support/mod.rs"]
mod support;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Router;
use browser::Browser;
use fleet::Fleet;
use futures_util::FutureExt as _;
use gandy_web::{Access, Role};
use support::{Site, of};

/// How often pages look at Redis here.
const POLL: Duration = Duration::from_millis(200);

/// What each step is given.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) browser: Browser,
    pub(crate) fleet: Fleet,
    /// At the root of its server, all acts allowed.
    pub(crate) site: Site,
    /// The same Redis once more, in an application under a prefix.
    pub(crate) nested: Site,
    /// And for looking only.
    pub(crate) viewer: Site,
}

impl Scene {
    async fn start() -> Option<Self> {
        let browser = Browser::start("web_browser").await?;
        let fleet = Fleet::start().await;
        let site = Site::start(of(&fleet.redis).poll(POLL)).await;
        let nested = of(&fleet.redis)
            .poll(POLL)
            .access(Access::everybody(Role::Operator));
        let nested = Router::new().nest("/admin/jobs", nested.build().unwrap().router());
        Some(Self {
            browser,
            site,
            nested: Site::serve(nested, "/admin/jobs").await,
            viewer: Site::start(of(&fleet.redis).poll(POLL).read_only(true)).await,
            fleet,
        })
    }
}

/// What went wrong, step by step: one that fails does not hide what comes after it.
#[derive(Debug, Default)]
struct Run(Vec<&'static str>);

impl Run {
    /// Runs a step and says how long it took, for whoever wants the whole to be faster.
    async fn step(&mut self, name: &'static str, run: impl Future<Output = ()>) {
        let begun = Instant::now();
        let outcome = AssertUnwindSafe(run).catch_unwind().await;
        eprintln!("{name}: {} ms", begun.elapsed().as_millis());
        if outcome.is_err() {
            self.0.push(name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_in_a_real_browser() {
    let Some(scene) = Scene::start().await else {
        return;
    };
    let (scene, mut run) = (&scene, Run::default());
    run.step("the fleet has worked", scene.fleet.has_worked())
        .await;
    run.step("every page", looks::every_page(scene)).await;
    run.step("under a prefix", looks::under_a_prefix(scene))
        .await;
    run.step("read-only", looks::read_only(scene)).await;
    run.step("dark", looks::dark(scene)).await;
    run.step("written by Ruby", looks::written_by_ruby(scene))
        .await;
    run.step("keyboard", live::keyboard(scene)).await;
    run.step("live", live::numbers_change(scene)).await;
    run.step("rows go", live::rows_go_and_the_focus_stays(scene))
        .await;
    run.step("queues", acts::queues(scene)).await;
    run.step("under a name", acts::under_a_name(scene)).await;
    run.step("push", acts::push(scene)).await;
    run.step("push once", acts::push_once(scene)).await;
    run.step(
        "the dashboard ends",
        live::it_is_said_that_nobody_answers(scene),
    )
    .await;
    run.step("retries", acts::retries(scene)).await;
    run.step("all that match", acts::all_that_match(scene))
        .await;
    run.step("scheduled and dead", acts::scheduled_and_dead(scene))
        .await;
    run.step("job", acts::job(scene)).await;
    run.step("doctor", acts::doctor(scene)).await;
    run.step("busy", acts::busy(scene)).await;
    run.step("Redis restarts", live::redis_restarts(scene))
        .await;
    assert!(run.0.is_empty(), "failed, see above: {:?}", run.0);
}

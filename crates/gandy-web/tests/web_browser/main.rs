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

use std::time::{Duration, Instant};

use axum::Router;
use browser::Browser;
use fleet::Fleet;
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

/// Runs a step and says how long it took, for whoever wants the whole to be faster.
async fn step(name: &str, run: impl Future<Output = ()>) {
    let begun = Instant::now();
    run.await;
    eprintln!("{name}: {} ms", begun.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_in_a_real_browser() {
    let Some(scene) = Scene::start().await else {
        return;
    };
    let scene = &scene;
    step("the fleet has worked", scene.fleet.has_worked()).await;
    step("every page", looks::every_page(scene)).await;
    step("under a prefix", looks::under_a_prefix(scene)).await;
    step("read-only", looks::read_only(scene)).await;
    step("dark", looks::dark(scene)).await;
    step("written by Ruby", looks::written_by_ruby(scene)).await;
    step("keyboard", live::keyboard(scene)).await;
    step("live", live::numbers_change(scene)).await;
    step("queues", acts::queues(scene)).await;
    step("push", acts::push(scene)).await;
    step("retries", acts::retries(scene)).await;
    step("all that match", acts::all_that_match(scene)).await;
    step("scheduled and dead", acts::scheduled_and_dead(scene)).await;
    step("job", acts::job(scene)).await;
    step("doctor", acts::doctor(scene)).await;
    step("busy", acts::busy(scene)).await;
    step("Redis restarts", live::redis_restarts(scene)).await;
}

//! A worker in this process whose runs are counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use gandy::{Context, JobError, RunningWorker, Worker, WorkerConfig};
use gandy_tests::wait_for;
use redis::cmd;
use tokio::sync::Semaphore;

use crate::support::{SOON, Site};

/// Who ran how often, and a gate at which the jobs of the classes `Gate` and `GateFail` wait.
#[derive(Clone)]
pub(crate) struct Runs {
    counts: Arc<Mutex<HashMap<String, usize>>>,
    gate: Arc<Semaphore>,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            counts: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Runs {
    fn note(&self, ctx: &Context) {
        let mut counts = self.counts.lock().unwrap();
        *counts.entry(ctx.jid().to_owned()).or_default() += 1;
    }

    /// How often a job's run has begun.
    pub(crate) fn of(&self, jid: &str) -> usize {
        self.counts.lock().unwrap().get(jid).copied().unwrap_or(0)
    }

    /// How many jobs have run, and how many runs there were.
    pub(crate) fn sums(&self) -> (usize, usize) {
        let counts = self.counts.lock().unwrap();
        (counts.len(), counts.values().sum())
    }

    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(10_000);
    }

    /// Classes `Ok`, `Fail`, `Tick` (takes 2 ms), `Gate` and `GateFail`.
    pub(crate) fn worker(&self, config: WorkerConfig, concurrency: usize) -> RunningWorker {
        let class = |class: &'static str| {
            let runs = self.clone();
            move |(): (), ctx: Context| {
                let runs = runs.clone();
                async move {
                    runs.note(&ctx);
                    if class.starts_with("Gate") {
                        runs.gate.acquire().await?.forget();
                    }
                    if class == "Tick" {
                        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    }
                    if class.ends_with("Fail") {
                        return Err(JobError::retry("Boom", "as asked"));
                    }
                    Ok(())
                }
            }
        };
        Worker::builder(config)
            .signals(false)
            .concurrency(concurrency)
            .handler_fn("Ok", class("Ok"))
            .handler_fn("Fail", class("Fail"))
            .handler_fn("Tick", class("Tick"))
            .handler_fn("Gate", class("Gate"))
            .handler_fn("GateFail", class("GateFail"))
            .build()
            .unwrap()
            .start()
    }

    pub(crate) fn payload(class: &str, jid: &str) -> String {
        format!(r#"{{"class":"{class}","args":[],"jid":"{jid}","retry":true,"f":1.10}}"#)
    }

    pub(crate) fn push(&self, site: &Site, class: &str, jid: &str) {
        site.push("default", Self::payload(class, jid));
    }

    /// Many at once: `prefix` and a number.
    pub(crate) fn push_many(&self, site: &Site, class: &str, prefix: &str, count: usize) {
        for from in (0..count).step_by(1000) {
            let jobs: Vec<String> = (from..count.min(from + 1000))
                .map(|number| Self::payload(class, &format!("{prefix}{number}")))
                .collect();
            site.ask::<()>(cmd("LPUSH").arg("queue:default").arg(jobs));
        }
    }
}

pub(crate) fn identity(worker: &RunningWorker) -> String {
    wait_for(SOON, "the worker joins", || worker.identity())
}

/// The length of a list.
pub(crate) fn tally(site: &Site, list: &str) -> usize {
    site.ask(cmd("LLEN").arg(list))
}

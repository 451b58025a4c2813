//! One thing to measure, and what one measurement gave.

use std::collections::BTreeMap;

use crate::server::Persistence;
use crate::task::Task;

/// What is measured, under which conditions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    /// The work's name in the results.
    pub(crate) work: String,
    /// What the jobs do.
    pub(crate) task: Task,
    /// Slots of the worker; `None` where there is no worker.
    pub(crate) concurrency: Option<usize>,
    /// What Redis writes to disk.
    pub(crate) persistence: Persistence,
    /// Milliseconds that the proxy adds to each round trip; 0: no proxy.
    pub(crate) rtt_ms: u64,
    /// How many jobs.
    pub(crate) jobs: u64,
    /// More environment for the contender.
    pub(crate) env: Vec<(String, String)>,
    /// How the contender is set, for people.
    pub(crate) setting: String,
}

impl Case {
    /// A case without proxy and persistence.
    pub(crate) fn new(work: &str, task: Task, concurrency: Option<usize>, jobs: u64) -> Self {
        Self {
            work: work.to_owned(),
            task,
            concurrency,
            persistence: Persistence::None,
            rtt_ms: 0,
            jobs,
            env: Vec::new(),
            setting: String::new(),
        }
    }
}

/// What one measurement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sample {
    /// The figure itself, in the work's unit.
    pub(crate) value: f64,
    /// CPU of the worker's process tree, microseconds a job.
    pub(crate) worker_us: Option<f64>,
    /// CPU of Redis, microseconds a job.
    pub(crate) redis_us: Option<f64>,
    /// Peak resident memory of the worker's process tree, MB.
    pub(crate) rss_mb: Option<f64>,
    /// More figures, by name.
    pub(crate) more: BTreeMap<String, f64>,
}

impl Sample {
    /// Adds a figure.
    pub(crate) fn note(&mut self, name: &str, value: f64) {
        self.more.insert(name.to_owned(), value);
    }
}

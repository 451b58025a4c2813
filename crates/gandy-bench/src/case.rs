//! One thing to measure, and what one measurement gave.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::contender::Contender;
use crate::server::Persistence;
use crate::task::Task;

/// Measures a case once.
pub(crate) type Measure = fn(&Contender, &Case) -> Result<Sample>;

/// What is measured, how, and under which conditions.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The work's name in the results.
    pub(crate) work: &'static str,
    /// Of its figure.
    pub(crate) unit: &'static str,
    /// How.
    pub(crate) measure: Measure,
    /// What the jobs do.
    pub(crate) task: Task,
    /// Slots of the worker; `None` where there is no worker.
    pub(crate) concurrency: Option<usize>,
    /// What Redis writes to disk.
    pub(crate) persistence: Persistence,
    /// Milliseconds that the proxy adds to each round trip; 0: no proxy.
    pub(crate) rtt_ms: u64,
    /// How many jobs; 0: as many as last for a while.
    pub(crate) jobs: u64,
    /// More environment for the contender.
    pub(crate) env: Vec<(String, String)>,
    /// How the contender or the case is set beyond that, for people.
    pub(crate) setting: String,
}

impl Case {
    /// No-op jobs per second, without proxy and persistence, as many as last for a while.
    pub(crate) fn new(work: &'static str, measure: Measure) -> Self {
        Self {
            work,
            unit: "jobs/s",
            measure,
            task: Task::Noop,
            concurrency: None,
            persistence: Persistence::None,
            rtt_ms: 0,
            jobs: 0,
            env: Vec::new(),
            setting: String::new(),
        }
    }

    /// For the lines that tell how far the run is.
    pub(crate) fn name(&self, who: &Contender) -> String {
        let mut name = format!("{} {}", self.work, who.id);
        if let Some(slots) = self.concurrency {
            name += &format!(" on {slots} slots");
        }
        if self.persistence != Persistence::None {
            name += " aof";
        }
        if self.rtt_ms > 0 {
            name += &format!(" rtt {} ms", self.rtt_ms);
        }
        if !self.setting.is_empty() {
            name += &format!(" ({})", self.setting);
        }
        name
    }

    /// Measures it once.
    pub(crate) fn run(&self, who: &Contender) -> Result<Sample> {
        (self.measure)(who, self)
    }
}

/// What one measurement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sample {
    /// The figure itself, in the case's unit.
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

//! What a contender is told to do: the environment of the contract, as the contenders of this program read it.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::task::Task;

/// The contract's environment.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Where Redis is.
    pub(crate) redis_url: String,
    /// How many jobs.
    pub(crate) jobs: u64,
    /// Slots.
    pub(crate) concurrency: usize,
    /// What each job does.
    pub(crate) task: Task,
    /// Where the handler of `latency` writes.
    pub(crate) latency_file: Option<PathBuf>,
    /// Where a worker says, as it ends, how many handlers ran and how many nanoseconds they took together.
    pub(crate) handler_file: Option<PathBuf>,
    /// Time between two pushes of `pickup`.
    pub(crate) pace: Duration,
    /// The queues of the worker.
    pub(crate) queues: Vec<String>,
}

impl Order {
    /// Reads it.
    pub(crate) fn from_env() -> Result<Self> {
        let queues = text("QUEUES").unwrap_or_else(|| "default".into());
        Ok(Self {
            redis_url: text("REDIS_URL").ok_or_else(|| anyhow!("REDIS_URL is not set"))?,
            jobs: number("JOBS", 1_000)?,
            concurrency: usize::try_from(number("CONCURRENCY", 100)?)?,
            task: Task::parse(&text("WORK").unwrap_or_else(|| "noop".into()))?,
            latency_file: text("LATENCY_FILE").map(PathBuf::from),
            handler_file: text("HANDLER_FILE").map(PathBuf::from),
            pace: Duration::from_millis(number("PACE_MS", 10)?),
            queues: queues.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        let rest = self.redis_url.trim_start_matches("redis://");
        rest.split('/').next().unwrap_or(rest).to_owned()
    }
}

/// A variable that is set and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// A variable that is a whole number.
pub(crate) fn number(name: &str, default: u64) -> Result<u64> {
    match text(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .with_context(|| format!("{name} is {text:?}, not a whole number")),
    }
}
